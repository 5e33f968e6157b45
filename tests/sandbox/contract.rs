//! What a plugin says of itself through `jobcontrol:plugin` and its streams, with the Rust library
//! on its side.

use serde_json::Value;
use serde_json::json;

use super::Built;
use super::built;

/// Calls a function of the library's test plugin; `rest` is what else the manifest has.
#[track_caller]
fn called(function: &str, rest: &str) -> Built {
    built("sdk.wasm", &format!("function: sdk:{function}\n{rest}\n"))
}

#[test]
fn a_build_knows_itself() {
    let built = called("whoami", "");
    let identity = built.retval();
    assert_eq!((&identity["build-id"], &identity["job-id"], &identity["attempt"]), (&json!(1), &json!("j"), &json!(1)));
    let first = identity["idempotency-key"].as_str().expect("a key");
    assert!(first.ends_with("-1"), "{first}");
    let second = &built.folder.json(&["run", "j"])["retval"];
    assert_eq!((&second["build-id"], &second["attempt"]), (&json!(2), &json!(1)));
    assert_eq!(second["idempotency-key"], format!("{}-2", first.trim_end_matches("-1")));
}

#[test]
fn builds_of_two_stores_have_different_keys() {
    let key = |built: &Built| built.retval()["idempotency-key"].clone();
    assert_ne!(key(&called("whoami", "")), key(&called("whoami", "")));
}

#[test]
fn a_build_can_skip_itself() {
    let built = called("skips", "args: [nothing new]");
    assert_eq!(built.code, 0);
    let build = &built.build;
    assert_eq!((&build["status"], &build["retval"]), (&json!("SKIPPED"), &Value::Null));
    assert_eq!((&build["success"], &build["skipped"]), (&json!(true), &json!(true)));
    assert_eq!(built.lines(), [(20, "jobcontrol".to_owned(), "skipped: nothing new".to_owned())]);
}

#[test]
fn a_build_can_fail_itself_with_what_led_to_it() {
    let built = called("fails", "");
    assert_eq!(built.failed("Broken"), "the report was not saved");
    let causes = built.build["exception"]["causes"].as_array().expect("causes");
    let messages: Vec<_> = causes.iter().map(|cause| cause["message"].as_str().expect("a message")).collect();
    assert_eq!(messages, ["the file cannot be written", "the disk is full"]);
    let calls = built.calls();
    assert!(calls.last().expect("a call").starts_with("fails src/lib.rs:"), "{calls:#?}");
}

#[test]
fn a_panic_has_its_message_its_file_and_its_line() {
    let built = called("panics", "args: [oh no]");
    assert_eq!(built.failed("panic"), "oh no");
    let frames = built.build["exception_tb"].as_array().expect("frames");
    let last = frames.last().expect("a frame");
    assert_eq!(last["file"], "src/lib.rs");
    assert!(last["line"].as_u64() > Some(0), "{last}");
    let calls = built.calls();
    assert!(calls.iter().any(|call| call.starts_with("panics ")), "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("panicking")), "{calls:#?}");
}

#[test]
fn log_records_have_levels_targets_and_fields() {
    let built = called("greet", "args: [Ann]");
    assert_eq!(built.retval(), "Hello, Ann!");
    let log = built.log();
    let short: Vec<_> = log.iter().map(|r| json!([r["level"], r["target"], r["message"], r["fields"]])).collect();
    assert_eq!(
        short,
        [
            json!([10, "sdk", "about to greet", {}]),
            json!([10, "sdk", "the name has a length", {"length": "3"}]),
            json!([20, "sdk", "greeting Ann", {"name": "Ann", "polite": "true"}]),
            json!([30, "manners", "no hat was taken off", {}]),
            json!([40, "sdk", "the hand was not shaken", {"code": "7"}]),
        ]
    );
    assert!(log.iter().all(|record| record["build_id"] == 1), "{log:#?}");
}

#[test]
fn a_failure_that_was_caught_is_in_its_record() {
    let built = built("log_raw.wat", "function: log_raw:caught\nargs: [4]\n");
    built.retval();
    let record = &built.log()[0];
    assert_eq!(record["exception"], json!({"kind": "x", "message": "x", "value": null}));
    assert_eq!(record["exception_tb"][0]["file"], "xxxx");
}

#[test]
fn progress_is_kept_with_its_last_report() {
    let built = called("counts", "args: [10]");
    assert_eq!(built.retval(), 55);
    let progress = &built.folder.json(&["build", "show", "1"])["progress"];
    let expected = json!([{"group_name": "count", "current": 10, "total": 10, "status_line": "counting"}]);
    assert_eq!(progress, &expected);
}

#[test]
fn lines_of_stdout_and_stderr_are_log_records() {
    let built = called("prints", "args: [\"one\\ntwo\"]");
    built.retval();
    let line = |level, target: &str, text: &str| (level, target.to_owned(), text.to_owned());
    let mut lines = built.lines();
    lines.sort_by_key(|(level, ..)| *level);
    assert_eq!(
        lines,
        [line(20, "stdout", "one"), line(20, "stdout", "two"), line(30, "stderr", "one"), line(30, "stderr", "two")]
    );
}

#[test]
fn a_last_line_without_its_end_is_kept() {
    let built = built("stdout_unended.wat", "function: stdout_unended:say\n");
    built.retval();
    let line = |text: &str| (20, "stdout".to_owned(), text.to_owned());
    assert_eq!(built.lines(), [line("first"), line("second")]);
}
