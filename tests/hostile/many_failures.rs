//! Hundreds of failures, each with another stack of calls whose names take long to find, or are
//! long: other builds do not wait for the threads of those who look, and what is remembered of the
//! stacks takes little memory.

use crate::harness::Folder;

/// A plugin that calls itself at two places, as random bits say, until it traps: a stack is never
/// the same twice.
fn plugin(name: &str) -> String {
    let again = format!("(call ${name} (i32.rotr (local.get 0) (i32.const 1)) (i32.sub (local.get 1) (i32.const 1)))");
    format!(
        "(module
           (import \"wasi_snapshot_preview1\" \"random_get\" (func $random (param i32 i32) (result i32)))
           (memory (export \"memory\") 1)
           (func ${name} (param i32 i32)
             (if (i32.eqz (local.get 1)) (then unreachable))
             (if (i32.and (local.get 0) (i32.const 1)) (then {again}) (else {again})))
           (func (export \"f\")
             (drop (call $random (i32.const 0) (i32.const 4)))
             (call ${name} (i32.load (i32.const 0)) (i32.const 90))))"
    )
}

/// Jobs that fail sixty times each; `late` begins when most of that is over.
fn folder(name: &str, jobs: usize) -> Folder {
    let slow = "(module (func (export \"f\") (local i32)
        (local.set 0 (i32.const 1000000000))
        (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))";
    let mut manifest = "jobs:
  - { id: slow, function: slow:f }
  - { id: late, function: add:add, args: [3, 4], dependencies: [slow] }
"
    .to_owned();
    for at in 0..jobs {
        let retry = "retry: { attempts: 60, initial: 1ms, backoff: fixed }";
        manifest += &format!("  - {{ id: evil{at}, function: evil:f, {retry} }}\n");
    }
    Folder::beside_good()
        .file("jobs/evil.wat", plugin(name))
        .file("jobs/slow.wat", slow)
        .file("jobs/jobs.yaml", manifest)
}

/// Runs all of it to the end.
fn attacked(name: &str, jobs: usize) {
    let evil: Vec<String> = (0..jobs).map(|at| format!("evil{at}")).collect();
    let all: Vec<_> = ["slow"].into_iter().chain(evil.iter().map(String::as_str)).chain(["late"]).collect();
    let folder = folder(name, jobs);
    let outcome = folder.attacked(&all);
    assert_eq!(outcome.build("late")["retval"], 7);
    for job in &evil {
        outcome.failed(job, "trap");
        assert_eq!(outcome.build(job)["attempt"], 60);
    }
    // Sixty failures with names that each take their time are not waited for one after the other.
    let id = outcome.build("evil0")["id"].to_string();
    folder.bounded(&["build", "show", &id]).end().answer().code(0);
}

#[test]
fn stacks_of_names_that_nobody_finds_out() {
    // More than the threads that may wait for something.
    attacked(&format!("_ZUlStDT{}fpdt", "nw".repeat(40)), 10);
}

#[test]
fn stacks_of_names_that_are_long() {
    attacked(&"x".repeat(2_000), 4);
}
