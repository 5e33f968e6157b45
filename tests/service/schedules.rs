//! Schedules while a service runs.

use serde_json::json;

use crate::harness::serving::Serving;
use crate::harness::serving::says;

use super::WAITS;
use super::folder;
use super::runs;

#[test]
fn a_schedule_fires_and_what_it_needs_is_built_first() {
    let folder = folder(&[
        "id: base, function: add:add, args: [1, 2]",
        "id: tick, function: add:add, kwargs: { a: !retval base, b: 1 }, schedule: '* * * * * *', protected: true",
    ]);
    let serving = Serving::start(&folder, &[]);
    serving.built("base");
    serving.built("tick");
    serving.built("tick");
    serving.stop();
    assert!(runs(&folder)[0].starts_with("tick SUCCESSFUL schedule:tick"), "{:?}", runs(&folder));
}

#[test]
fn a_run_that_is_due_while_the_last_one_is_not_over_is_a_row_that_says_so() {
    let waits = format!("id: waits, {WAITS}, schedule: '* * * * * *'");
    let folder = folder(&[&waits]);
    let serving = Serving::start(&folder, &[]);
    serving.until(|record| says(record, "run skipped"));
    serving.until(|record| says(record, "run skipped"));
    folder.write("jobs/data/go", "");
    serving.built("waits");
    serving.stop();
    let skipped = &folder.json(&["runs", "show", "2"]);
    assert_eq!(
        (&skipped["status"], skipped["missed"]["count"].as_u64() >= Some(2)),
        (&json!("SKIPPED"), true),
        "{skipped}"
    );
    let shown = folder.run(&["runs", "show", "2"]).code(0).stdout;
    assert!(shown.contains("overlap: skip"), "{shown}");
}

#[test]
fn a_run_that_is_due_waits_or_takes_the_place_of_the_last_one() {
    for (overlap, first) in [("queue", "SUCCESSFUL"), ("cancel", "CANCELLED")] {
        let waits = format!("id: waits, {WAITS}, schedule: {{ cron: '* * * * * *', overlap: {overlap} }}");
        let folder = folder(&[&waits]);
        let serving = Serving::start(&folder, &[]);
        serving.until(|record| says(record, "run due"));
        serving.until(|record| says(record, "run due"));
        if overlap == "cancel" {
            assert_eq!(serving.built("waits")["kind"], "cancelled");
        }
        folder.write("jobs/data/go", "");
        serving.built("waits");
        serving.built("waits");
        serving.stop();
        assert_eq!(runs(&folder)[0], format!("waits {first} schedule:waits"));
    }
}

#[test]
fn of_what_was_missed_while_no_service_ran_the_newest_is_made_up_for() {
    let folder = folder(&["id: tick, function: add:add, args: [1, 2], schedule: '0 * * * * *'"]);
    let serving = Serving::start(&folder, &[]);
    serving.until(|record| says(record, "schedule begins"));
    serving.stop();
    // As if the last look had been three hours ago.
    let db = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    db.execute("UPDATE schedule SET last = last - 3 * 3600 * 1000000 WHERE job_id = 'tick'", []).unwrap();
    drop(db);
    let serving = Serving::start(&folder, &[]);
    serving.built("tick");
    serving.stop();
    let all = folder.json(&["runs"]);
    let missed = all.as_array().unwrap().iter().find(|run| run["status"] == "MISSED").unwrap();
    assert!((178..=181).contains(&missed["missed"]["count"].as_u64().unwrap()), "{missed}");
    assert!(missed["missed"]["reason"].as_str().unwrap().contains("catch_up: latest"), "{missed}");
}

#[test]
fn when_a_schedule_is_due_can_be_asked() {
    let folder = folder(&[
        "id: rome, function: add:add, args: [1, 2], schedule: { cron: '30 6 * * MON', timezone: Europe/Rome }",
        "id: none, function: add:add, args: [1, 2]",
    ]);
    let next = folder.json(&["next", "rome", "--count", "20"]);
    assert_eq!((next["due"].as_array().unwrap().len(), &next["timezone"]), (20, &json!("Europe/Rome")));
    folder.run(&["next", "none"]).code(2).says("`none` has no schedule");
    folder.run(&["next"]).code(0).tells("rome");
}
