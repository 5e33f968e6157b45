//! Failures whose names and lines come later: no build waits for them, they are in the store after
//! the run, and who reads a failure that was stored without them finds them out.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

/// The calls of a failure, as file and line and function.
#[track_caller]
fn calls(frames: &Value) -> Vec<String> {
    let frames = frames.as_array().unwrap_or_else(|| panic!("no frames: {frames:#}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    frames.iter().map(|f| format!("{}:{} {}", text(&f["file"]), f["line"], text(&f["function"]))).collect()
}

const CALLS: [&str; 3] = ["failure_traps.wat:6 fall", "failure_traps.wat:5 middle", "failure_traps.wat:4 innermost"];

#[test]
fn every_attempt_has_its_lines_after_the_run() {
    let manifest = "id: evil\nfunction: failure_traps:fall\nretry: { attempts: 3, initial: 1ms }\n";
    let folder = Folder::beside_good().guest("failure_traps.wat").file("jobs/evil.yaml", manifest);
    let outcome = folder.attacked(&["evil"]);
    outcome.failed("evil", "trap");
    assert_eq!(calls(&outcome.build("evil")["exception_tb"]), CALLS);
    // The plugin is gone from disk, so this is out of the store.
    std::fs::remove_file(folder.path("jobs/failure_traps.wat")).expect("it was there");
    let id = outcome.build("evil")["id"].to_string();
    let shown = folder.json(&["build", "show", &id]);
    let attempts = shown["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 3, "{shown:#}");
    for attempt in attempts {
        assert_eq!(calls(&attempt["exception_tb"]), CALLS, "{shown:#}");
    }
}

#[test]
fn lines_that_a_killed_runner_did_not_find_are_found_by_who_reads() {
    // Two names that nobody finds out keep both places of those who look, while `traps` waits for
    // one.
    let name = format!("_ZUlStDT{}fpdt", "nw".repeat(40));
    let evil = format!("(module (func ${name} (export \"f\") unreachable) (func ${name}g (export \"g\") unreachable))");
    let slow = "(module (func (export \"f\") (local i32)
        (local.set 0 (i32.const 200000000))
        (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))";
    let jobs = "jobs:
  - { id: one, function: evil:f }
  - { id: two, function: evil:g }
  - { id: slow, function: slow:f }
  - { id: traps, function: failure_traps:fall, dependencies: [slow] }
";
    let folder = Folder::new()
        .guest("failure_traps.wat")
        .file("jobs/evil.wat", evil)
        .file("jobs/slow.wat", slow)
        .file("jobs/jobs.yaml", jobs);
    let mut run = folder.bounded(&["run", "--deps", "traps", "one", "two"]);
    run.until(|| folder.json(&["builds", "traps"])[0]["status"] == "FAILED");
    run.kill();
    run.end();
    let id = folder.json(&["builds", "traps"])[0]["id"].to_string();
    let shown = folder.json(&["build", "show", &id]);
    assert_eq!(
        (&shown["exception"]["kind"], calls(&shown["exception_tb"])),
        (&json!("trap"), CALLS.map(str::to_owned).to_vec())
    );
    let shown = folder.run(&["build", "show", &id]).code(0);
    assert!(shown.stdout.contains("failure_traps.wat:4:22, in innermost"), "{shown:#?}");
}
