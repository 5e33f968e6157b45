//! Files that are dropped, changed, broken and removed while a service runs, and jobs with `on:
//! change`.

use std::cell::Cell;

use serde_json::Value;

use crate::harness::Folder;
use crate::harness::serving::Serving;
use crate::harness::serving::says;

use super::WAITS;
use super::builds;
use super::folder;
use super::runs;

const SUMS: &str = "jobs:
  - { id: one, function: add:add, args: [1, 2] }
  - { id: two, function: add:add, kwargs: { a: !retval one, b: 10 } }
";

fn plugin() -> Vec<u8> {
    std::fs::read(crate::harness::root().join("tests/guests/add.wat")).unwrap()
}

#[test]
fn files_that_are_dropped_into_an_empty_folder_run_in_any_order() {
    for manifest_first in [true, false] {
        let folder = Folder::new();
        let serving = Serving::start(&folder, &["--on-change"]);
        if manifest_first {
            folder.write("jobs/sums.yaml", SUMS);
            assert_eq!(serving.read()["mistakes"], 1);
            folder.write("jobs/add.wat", plugin());
        } else {
            folder.write("jobs/add.wat", plugin());
            folder.write("jobs/sums.yaml", SUMS);
        }
        assert_eq!(serving.built("two")["status"], "SUCCESSFUL");
        assert_eq!(serving.run_ended()["failed"], 0);
        assert_eq!(builds(&folder), ["one SUCCESSFUL", "two SUCCESSFUL"]);
        assert_eq!(runs(&folder), ["one,two SUCCESSFUL change"]);
        serving.stop();
    }
}

#[test]
fn only_what_decides_a_result_makes_a_job_due_and_only_once() {
    let folder =
        folder(&["id: one, function: add:add, args: [1, 2], on: change", "id: rest, function: add:add, args: [1, 1]"]);
    let serving = Serving::start(&folder, &[]);
    serving.built("one");
    serving.run_ended();
    folder
        .write("jobs/jobs.yaml", "jobs:\n  - { id: one, title: A sum, function: add:add, args: [1, 2], on: change }\n");
    serving.read();
    folder.write("jobs/jobs.yaml", "jobs:\n  - { id: one, function: add:add, args: [1, 7], on: change }\n");
    serving.built("one");
    serving.run_ended();
    let said = serving.stop();
    assert!(!said.iter().any(|record| says(record, "build ended")), "{said:#?}");
    assert_eq!(builds(&folder), ["one SUCCESSFUL", "one SUCCESSFUL"]);
    // What was built is not built again by the next start.
    let serving = Serving::start(&folder, &[]);
    serving.until(|record| says(record, "changes were looked at"));
    serving.stop();
    assert_eq!(builds(&folder).len(), 2);
}

/// Reads until so many builds, each of a run of its own, have ended, and nothing more was found to
/// be due. What is said of builds and of runs comes from two threads.
fn settled(serving: &Serving, count: usize) -> Vec<Value> {
    let (built, ended, looked) = (Cell::new(0), Cell::new(0), Cell::new(false));
    serving.until(|record| {
        built.set(built.get() + usize::from(says(record, "build ended")));
        ended.set(ended.get() + usize::from(says(record, "run ended")));
        looked.set(looked.get() || says(record, "changes were looked at") && ended.get() >= count);
        built.get() >= count && looked.get()
    })
}

#[test]
fn changes_during_a_build_lead_to_one_more() {
    let waits = format!("id: waits, {WAITS}, on: change");
    let folder = folder(&[&waits]);
    let serving = Serving::start(&folder, &[]);
    serving.until(|record| says(record, "build started") && record["job"] == "waits");
    for n in 0..5 {
        folder.write("jobs/jobs.yaml", format!("jobs:\n  - {{ id: waits, {WAITS}, args: ['{n}'], on: change }}\n"));
        serving.read();
    }
    folder.write("jobs/data/go", "");
    settled(&serving, 2);
    serving.stop();
    assert_eq!(builds(&folder), ["waits SUCCESSFUL", "waits SUCCESSFUL"]);
}

#[test]
fn a_wrong_file_keeps_its_last_good_version_and_the_mistake_is_told() {
    let folder = folder(&["id: one, function: add:add, args: [1, 2], on: change"]);
    let serving = Serving::start(&folder, &[]);
    serving.built("one");
    folder.write("jobs/jobs.yaml", "jobs:\n  - { id: one, function: add:add, args: [1, text], on: change }\n");
    let read = serving.read();
    assert_eq!((&read["mistakes"], &read["removed"]), (&1.into(), &0.into()));
    let mistake = serving.until(|record| says(record, "a mistake"));
    assert_eq!(mistake.last().unwrap()["file"], "jobs/jobs.yaml");
    folder.run(&["enqueue", "one"]).code(3);
    folder.write("jobs/jobs.yaml", "jobs:\n  - { id: one, function: add:add, args: [1, 3], on: change }\n");
    assert_eq!(serving.read()["changed"], 1);
    serving.built("one");
    serving.stop();
}

#[test]
fn a_failed_build_is_tried_again_after_a_change_and_never_by_itself() {
    let folder = folder(&["id: bad, function: attempts:flaky, args: [9], on: change"]);
    let serving = Serving::start(&folder, &[]);
    let said = settled(&serving, 1);
    assert!(said.iter().any(|record| says(record, "build ended") && record["status"] == "FAILED"), "{said:#?}");
    folder.write("jobs/other.yaml", "id: other\nfunction: add:add\nargs: [1, 2]\non: change\n");
    serving.built("other");
    folder.write("jobs/jobs.yaml", "jobs:\n  - { id: bad, function: attempts:flaky, args: [1], on: change }\n");
    assert_eq!(serving.built("bad")["status"], "SUCCESSFUL");
    serving.stop();
    assert_eq!(builds(&folder), ["bad FAILED", "other SUCCESSFUL", "bad SUCCESSFUL"]);
}

#[test]
fn a_job_whose_dependency_fails_is_not_tried_over_and_over() {
    let folder = folder(&[
        "id: base, function: attempts:flaky, args: [9]",
        "id: above, function: attempts:flaky, args: [1], dependencies: [base], on: change",
    ]);
    let serving = Serving::start(&folder, &[]);
    assert_eq!(serving.run_ended()["failed"], 2);
    serving.until(|record| says(record, "changes were looked at"));
    serving.stop();
    let serving = Serving::start(&folder, &[]);
    serving.until(|record| says(record, "changes were looked at"));
    assert_eq!(builds(&folder), ["base FAILED"]);
    // Somebody mends it: what waited for that is due.
    folder.write(
        "jobs/jobs.yaml",
        "jobs:\n  - { id: base, function: attempts:flaky, args: [1] }\n  - { id: above, function: attempts:flaky, args: [1], dependencies: [base], on: change }\n",
    );
    serving.built("above");
    serving.stop();
    assert_eq!(builds(&folder), ["base FAILED", "base SUCCESSFUL", "above SUCCESSFUL"]);
}

#[test]
fn what_follows_a_new_value_is_built_and_what_follows_the_same_value_is_not() {
    let folder = folder(&[
        "id: base, function: add:add, args: [1, 2]",
        "id: above, function: add:add, kwargs: { a: !retval base, b: 1 }, on: change",
    ]);
    let serving = Serving::start(&folder, &[]);
    serving.built("above");
    serving.run_ended();
    folder.run(&["run", "base"]).code(0);
    serving.until(|record| says(record, "changes were looked at"));
    assert_eq!(builds(&folder).len(), 3);
    let jobs = std::fs::read_to_string(folder.path("jobs/jobs.yaml")).unwrap();
    folder.write("jobs/jobs.yaml", jobs.replace("[1, 2]", "[9, 2]"));
    serving.read();
    folder.run(&["run", "base"]).code(0);
    serving.built("above");
    serving.stop();
    assert_eq!(folder.json(&["build", "show", "5"])["retval"], 12);
}

#[test]
fn a_protected_dependency_is_not_built_without_a_person() {
    let folder = folder(&[
        "id: base, function: add:add, args: [1, 2], protected: true",
        "id: above, function: add:add, kwargs: { a: !retval base, b: 1 }, on: change",
    ]);
    let serving = Serving::start(&folder, &[]);
    assert_eq!(serving.run_ended()["failed"], 1);
    let shown = folder.run(&["runs", "show", "1"]).code(0).stdout;
    assert!(
        shown.contains("base") && shown.contains("it is protected and due, and nobody was there to confirm it"),
        "{shown}"
    );
    folder.run(&["run", "base", "--yes-protected"]).code(0);
    serving.built("above");
    serving.stop();
}

#[test]
fn each_reload_is_a_row_that_says_what_changed() {
    let folder = folder(&["id: one, function: add:add, args: [1, 2]", "id: two, function: add:add, args: [1, 2]"]);
    let serving = Serving::start(&folder, &[]);
    folder.write(
        "jobs/jobs.yaml",
        "jobs:\n  - { id: one, function: add:add, args: [1, 5] }\n  - { id: new, function: add:add, args: [1, 2] }\n",
    );
    serving.read();
    serving.stop();
    let db = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    let rows: Vec<Vec<u8>> = db
        .prepare("SELECT content FROM reload ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let reloads: Vec<_> = rows.iter().map(|row| jobcontrol_core::reload::Reload::unpack(row)).collect();
    let [first, second] = reloads.as_slice() else { panic!("{reloads:#?}") };
    assert_eq!((first.first, first.added.len()), (true, 2));
    assert_eq!(
        (second.files.as_slice(), second.added.as_slice(), second.removed.as_slice()),
        (&["jobs/jobs.yaml".to_owned()][..], &["new".to_owned()][..], &["two".to_owned()][..])
    );
    assert_eq!(second.altered[0].job, "one");
    assert_eq!(second.altered[0].changes, ["`args` has changed: [1, 2] -> [1, 5]"]);
}
