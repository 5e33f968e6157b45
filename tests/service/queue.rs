//! Runs that are left to a service.

use serde_json::json;

use crate::harness::serving::Serving;
use crate::harness::serving::says;

use super::WAITS;
use super::builds;
use super::folder;
use super::runs;

#[test]
fn a_run_waits_for_a_service_and_its_dependencies_come_first() {
    let folder = folder(&[
        "id: one, function: add:add, args: [1, 2]",
        "id: two, function: add:add, kwargs: { a: !retval one, b: 10 }",
    ]);
    folder.run(&["enqueue", "two", "--deps"]).code(0).stdout("run 1 with 2 jobs waits for a service\n");
    assert_eq!(folder.json(&["enqueue", "one"]), json!({ "run": 2, "jobs": ["one"] }));
    assert_eq!(runs(&folder), ["two WAITING cli:unknown", "one WAITING cli:unknown"]);
    let serving = Serving::start(&folder, &[]);
    serving.run_ended();
    serving.run_ended();
    folder.run(&["enqueue", "one", "--arg", "a=20"]).code(0);
    serving.run_ended();
    serving.stop();
    // The first two runs may have shared a build.
    assert_eq!(folder.json(&["build", "show", "one"])["retval"], 22);
    assert_eq!(runs(&folder).iter().filter(|run| run.contains("SUCCESSFUL")).count(), 3);
}

#[test]
fn what_cannot_run_is_refused_at_once() {
    let folder = folder(&["id: one, function: add:add, args: [1, 2], protected: true"]);
    folder.run(&["enqueue", "on"]).code(4).says("did you mean `one`?");
    folder.run(&["enqueue", "one"]).code(2).says("add `--yes-protected` to run it");
    folder.run(&["enqueue", "x*"]).code(4).says("no job matches `x*`");
    folder.run(&["enqueue", "one", "--priority", "5000"]).code(2);
    folder.run(&["enqueue"]).code(2);
}

#[test]
fn runs_with_a_higher_priority_come_first() {
    let waits = format!("id: waits, {WAITS}, pool: gate");
    let folder = folder(&[
        &waits,
        "id: low, function: add:add, args: [1, 2], pool: gate, priority: -5",
        "id: mid, function: add:add, args: [1, 2], pool: gate",
        "id: high, function: add:add, args: [1, 2], pool: gate, priority: 5",
    ]);
    folder.write("jobcontrol.yaml", "pools: { gate: 1 }\n");
    let serving = Serving::start(&folder, &[]);
    folder.run(&["enqueue", "waits"]).code(0);
    serving.until(|record| says(record, "build started"));
    folder.run(&["enqueue", "low"]).code(0);
    serving.until(|record| says(record, "build waits"));
    folder.run(&["enqueue", "mid", "high"]).code(0);
    serving.until(|record| says(record, "build waits"));
    serving.until(|record| says(record, "build waits"));
    folder.write("jobs/data/go", "");
    let order = ["waits", "low", "high", "mid"];
    // `low` looks for room already; what waits behind it is ordered.
    for job in order {
        serving.built(job);
    }
    serving.stop();
}

#[test]
fn a_waiting_run_can_be_cancelled() {
    let folder = folder(&["id: one, function: add:add, args: [1, 2]"]);
    folder.run(&["enqueue", "one"]).code(0);
    folder.run(&["runs", "cancel", "1"]).code(0);
    let serving = Serving::start(&folder, &[]);
    folder.run(&["enqueue", "one"]).code(0);
    serving.run_ended();
    serving.stop();
    assert_eq!(runs(&folder), ["one CANCELLED cli:unknown", "one SUCCESSFUL cli:unknown"]);
    assert_eq!(builds(&folder).len(), 1);
}

#[test]
fn a_run_whose_cancel_was_cut_off_is_ended() {
    let folder = folder(&["id: one, function: add:add, args: [1, 2]"]);
    folder.run(&["enqueue", "one"]).code(0);
    // As `runs cancel` leaves it that is killed after its first write.
    let db = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    db.execute("UPDATE run SET cancel = 'me'", []).unwrap();
    drop(db);
    folder.run(&["enqueue", "one"]).code(0);
    let serving = Serving::start(&folder, &[]);
    serving.run_ended();
    serving.stop();
    assert_eq!(runs(&folder), ["one CANCELLED cli:unknown", "one SUCCESSFUL cli:unknown"]);
}

#[test]
fn a_job_that_is_gone_fails_its_run_with_that_reason() {
    let folder = folder(&["id: one, function: add:add, args: [1, 2]"]);
    folder.run(&["enqueue", "one"]).code(0);
    std::fs::remove_file(folder.path("jobs/jobs.yaml")).unwrap();
    let serving = Serving::start(&folder, &[]);
    assert_eq!(serving.run_ended()["failed"], 1);
    serving.stop();
    let shown = folder.run(&["runs", "show", "1"]).code(0).stdout;
    assert!(shown.contains("it is gone from the jobs folder"), "{shown}");
}

#[test]
fn patterns_tags_and_all_name_many_jobs() {
    let folder = folder(&[
        "id: a-one, function: add:add, args: [1, 2], tags: [nightly]",
        "id: a-two, function: add:add, args: [2, 2]",
        "id: b-one, function: add:add, args: [3, 2], tags: [nightly]",
    ]);
    folder.run(&["run", "a-*"]).code(0);
    assert_eq!(builds(&folder).len(), 2);
    folder.run(&["run", "--tag", "nightly"]).code(0);
    assert_eq!(builds(&folder).len(), 4);
    folder.run(&["run", "--all"]).code(0);
    assert_eq!(builds(&folder).len(), 7);
    folder.run(&["run", "--tag", "nightl"]).code(4).says("did you mean `nightly`?");
}
