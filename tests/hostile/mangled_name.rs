//! A name of eighty letters that keeps a demangler busy for good: the failure is stored before
//! anybody looks for names, no other build waits, and a timeout or Ctrl-C ends the build as any
//! other.

use serde_json::json;

use crate::harness::Folder;

/// A function whose name nobody finds out, which ends by this code.
fn plugin(code: &str) -> String {
    format!("(module (func $_ZUlStDT{}fpdt (export \"f\") {code}))", "nw".repeat(40))
}

#[test]
fn no_other_build_waits_for_names() {
    let mut manifest = "jobs:\n".to_owned();
    for at in 0..4 {
        manifest += &format!("  - {{ id: evil{at}, function: evil:f, timeout: 2s }}\n");
        manifest += &format!("  - {{ id: slow{at}, function: slow:f, timeout: 1m }}\n");
    }
    let slow = "(module (func (export \"f\") (result i32) (local i32)
        (local.set 0 (i32.const 100000000))
        (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.const 5)))";
    let folder = Folder::beside_good()
        .file("jobs/evil.wat", plugin("unreachable"))
        .file("jobs/slow.wat", slow)
        .file("jobs/jobs.yaml", manifest);
    let outcome = folder.attacked(&["evil0", "evil1", "evil2", "evil3", "slow0", "slow1", "slow2", "slow3"]);
    for at in 0..4 {
        outcome.failed(&format!("evil{at}"), "trap");
        assert_eq!(outcome.build(&format!("slow{at}"))["retval"], 5);
    }
}

#[test]
fn the_failure_is_stored_before_anybody_looks_for_names() {
    let manifest = "id: evil\nfunction: evil:f\nretry: { attempts: 3, initial: 1ms }\n";
    let folder = Folder::beside_good().file("jobs/evil.wat", plugin("unreachable")).file("jobs/evil.yaml", manifest);
    let mut run = folder.bounded(&["run", "evil"]);
    run.until_child("trace");
    // The attempts that follow do not wait for that child either.
    run.until(|| folder.json(&["builds", "evil"])[0]["status"] == "FAILED");
    let build = &folder.json(&["builds", "evil"])[0];
    assert_eq!((&build["attempt"], &build["exception"]["kind"]), (&json!(3), &json!("trap")), "{build:#}");
    run.interrupt();
    run.end();
    let shown = folder.bounded(&["build", "show", "1"]).end().answer().code(0);
    assert!(shown.stdout.contains("trap: wasm `unreachable` instruction executed"), "{shown:#?}");
}

#[test]
fn a_timeout_ends_a_function_of_that_name() {
    let folder = Folder::beside_good()
        .file("jobs/evil.wat", plugin("(loop $again (br $again))"))
        .file("jobs/evil.yaml", "id: evil\nfunction: evil:f\ntimeout: 300ms\n");
    folder.attacked(&["evil"]).failed("evil", "timeout");
}

#[test]
fn an_interrupt_ends_a_function_of_that_name() {
    let folder = Folder::beside_good()
        .file("jobs/evil.wat", plugin("(loop $again (br $again))"))
        .file("jobs/evil.yaml", "id: evil\nfunction: evil:f\n");
    let mut run = folder.bounded(&["run", "evil", "--format", "json"]);
    run.until(|| folder.json(&["builds"])[0]["status"] == "RUNNING");
    run.interrupt();
    let outcome = run.end();
    assert!(outcome.was_interrupted(), "{outcome:#?}");
    outcome.failed("evil", "cancelled");
}
