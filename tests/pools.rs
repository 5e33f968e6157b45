//! Slots of pools, shared by the builds of all processes on a store.

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;

use serde_json::json;

use crate::execution::Background;
use crate::execution::jobs;
use crate::harness::Folder;

/// `spins` holds the one slot of `db`, which `one` wants.
fn folder() -> Folder {
    let folder = jobs(&[
        "id: spins, function: attempts:spins, pool: { name: db }",
        "id: one, function: attempts:flaky, args: [1], pool: { name: db }",
        "id: waits, function: attempts:flaky, args: [9], pool: { name: db }, retry: { attempts: 2, initial: 1h, max: 1h }",
        "id: free, function: attempts:flaky, args: [1]",
    ]);
    folder.write("jobcontrol.yaml", "pools: { db: 1 }\n");
    folder
}

/// A run that has said that it waits.
fn waiting(folder: &Folder, words: &str) -> Child {
    let mut child = folder.start(&["run", "one"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(words)), "it never said `{words}`");
    std::thread::spawn(move || lines.count());
    child
}

const WAITS: &str = "one: build 2 waits for pool db: 1 of 1 slots used by build 1";

#[test]
fn a_build_waits_for_the_slot_of_another_process() {
    let folder = folder();
    let holder = Background::until(&folder, &["run", "spins"], "build 1 started");
    let child = waiting(&folder, WAITS);
    folder.run(&["run", "free"]).code(0);
    let build = folder.json(&["build", "show", "2"]);
    assert_eq!((&build["status"], &build["pool"]), (&json!("CREATED"), &json!("db")));
    assert_eq!(build["waits_for"], "pool db: 1 of 1 slots used by build 1");
    let listed = folder.run(&["builds"]).code(0).stdout;
    assert!(listed.contains("waits for pool db: 1 of 1 slots used by build 1"), "{listed}");
    let shown = folder.run(&["runs", "show", "2"]).code(0).stdout;
    assert!(shown.contains("waits for pool db, used by builds 1"), "{shown}");
    folder.run(&["build", "cancel", "1"]).code(0);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(holder.end().status.code(), Some(1));
}

#[test]
fn slots_of_a_dead_process_are_free() {
    let folder = folder();
    let holder = Background::until(&folder, &["run", "spins"], "build 1 started");
    let child = waiting(&folder, WAITS);
    holder.kill();
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_build_between_two_attempts_holds_no_slot() {
    let folder = folder();
    let holder = Background::until(&folder, &["run", "waits"], "attempt 2 follows");
    folder.run(&["run", "one"]).code(0);
    holder.kill();
}

#[test]
fn a_build_that_waits_for_a_pool_can_be_cancelled() {
    let folder = folder();
    let holder = Background::until(&folder, &["run", "spins"], "build 1 started");
    let child = waiting(&folder, WAITS);
    folder.run(&["build", "cancel", "2"]).code(0).stdout("build 2 was cancelled\n");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    let build = folder.json(&["build", "show", "2"]);
    assert_eq!((&build["status"], &build["started"]), (&json!("FAILED"), &json!(false)));
    holder.kill();
}
