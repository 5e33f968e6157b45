//! Processes that read, compile or trace a hostile plugin: none outlives the runner, however that
//! one ends, and an interrupt of the runner alone ends it at once, not when their limits are used
//! up.

use crate::harness::Folder;
use crate::harness::bounded::Bounded;

/// Limits that no test waits for.
const PATIENT: &str = "read: { timeout: 10m, memory: 8 GiB }\ncompile: { timeout: 10m, memory: 8 GiB }\n";

/// A plugin that takes long to read.
fn read() -> (Folder, Bounded) {
    let text = format!("(module (func (export \"f\") {}))", "nop ".repeat(15_000_000));
    started(Folder::new().file("jobs/evil.wat", text), "read")
}

/// One that takes long to compile: each branch knows two values more.
fn compiled() -> (Folder, Bounded) {
    let branch = "(local.set 0 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.load (local.get 0))))
        (if (local.get 1) (then (local.set 1 (i32.const 5))))";
    let text = format!(
        "(module (memory 1) (func (export \"f\") (result i32) (local i32 i32) {} (local.get 0)))",
        branch.repeat(20_000)
    );
    started(Folder::new().file("jobs/evil.wat", text), "compile")
}

/// One whose name takes long to read.
fn traced() -> (Folder, Bounded) {
    let text = format!("(module (func $_ZUlStDT{}fpdt (export \"f\") unreachable))", "nw".repeat(40));
    started(Folder::new().file("jobs/evil.wat", text), "trace")
}

fn started(folder: Folder, task: &str) -> (Folder, Bounded) {
    let folder = folder.file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n").file("jobcontrol.yaml", PATIENT);
    let mut run = folder.bounded(&["run", "evil", "--cache", "cache"]);
    run.until_child(task);
    (folder, run)
}

#[test]
fn a_child_ends_with_a_runner_that_is_killed() {
    for (_folder, run) in [read(), compiled(), traced()] {
        run.kill();
        run.end();
    }
}

#[test]
fn an_interrupt_ends_a_run_that_reads_a_plugin() {
    let (_folder, run) = read();
    run.interrupt();
    let outcome = run.end();
    assert!(outcome.was_interrupted(), "{outcome:#?}");
}

#[test]
fn an_interrupt_ends_a_run_that_compiles_a_plugin() {
    let (_folder, run) = compiled();
    run.interrupt();
    let outcome = run.end();
    assert!(outcome.was_interrupted(), "{outcome:#?}");
}

#[test]
fn an_interrupt_ends_a_check_that_reads_a_plugin() {
    let (folder, run) = read();
    drop(run);
    let mut check = folder.bounded(&["check", "--cache", "cache"]);
    check.until_child("read");
    check.interrupt();
    let outcome = check.end();
    assert!(outcome.was_interrupted(), "{outcome:#?}");
}
