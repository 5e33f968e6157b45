//! Timeouts of an attempt, of a build with all its attempts, and of an attempt that gives no sign
//! of life.

use serde_json::Value;
use serde_json::json;

use super::jobs;
use super::kinds;
use super::shown;
use crate::harness::Folder;

fn failure(build: &Value) -> (&str, &str) {
    let text = |key: &str| build["exception"][key].as_str().expect("a failure");
    (text("kind"), text("message"))
}

#[test]
fn an_attempt_that_takes_too_long_is_tried_again() {
    let folder =
        jobs(&["id: j, function: attempts:spins, timeout: 50ms, retry: { attempts: 2, initial: 1ms, on: [timeout] }"]);
    folder.run(&["run", "j"]).code(1);
    assert_eq!(kinds(&shown(&folder, "1")), ["timeout", "timeout"]);
}

#[test]
fn a_build_ends_in_its_time_whatever_its_attempts_are() {
    let folder = jobs(&["id: j, function: attempts:spins, timeout: { build: 200ms }, retry: 5"]);
    let build = folder.json(&["run", "j"]);
    let said = "the build with all its attempts took longer than 200ms, set in jobs/jobs.yaml:2; raise it with `timeout: { build: .. }`";
    assert_eq!((failure(&build), &build["attempt"]), (("timeout", said), &json!(1)));
}

#[test]
fn an_attempt_that_would_begin_too_late_is_not_made() {
    let retry = "retry: { attempts: 5, initial: 1h, max: 1h, jitter: false }";
    let folder = jobs(&[&format!("id: j, function: attempts:flaky, args: [9], timeout: {{ build: 30m }}, {retry}")]);
    let build = folder.json(&["run", "j"]);
    assert_eq!((failure(&build).0, &build["attempt"]), ("trap", &json!(1)));
    let log = folder.json(&["logs", "1"]);
    let said = "attempt 2 of 5 is skipped: it would start after the 30m that `timeout: { build: .. }` allows";
    assert_eq!(log[0]["message"], said);
}

#[test]
fn silence_ends_an_attempt() {
    for function in ["spins", "waits"] {
        let folder = jobs(&[&format!("id: j, function: 'attempts:{function}', timeout: {{ no_progress: 100ms }}")]);
        let build = folder.json(&["run", "j"]);
        let said = "the attempt reported no progress and logged nothing for 100ms, set in jobs/jobs.yaml:2; raise it with `timeout: { no_progress: .. }`";
        assert_eq!(failure(&build), ("timeout", said));
    }
}

#[test]
fn who_reports_progress_is_not_silent() {
    let timeout = "timeout: { attempt: 1500ms, no_progress: 500ms }";
    let job = format!("id: j\nfunction: progress_raw:report\nargs: [1, 1, 1, 4000000000]\n{timeout}\n");
    let build = Folder::new().guest("progress_raw.wat").file("jobs/j.yaml", job).json(&["run", "j"]);
    assert_eq!(
        failure(&build),
        ("timeout", "the attempt took longer than 1.5s, set in jobs/j.yaml:4; raise it with `timeout`")
    );
    assert_eq!(build["config"]["timeout"], json!({"attempt": "1500ms", "no_progress": "500ms"}));
}

#[test]
fn the_operator_s_ceiling_is_what_a_job_has_that_says_nothing() {
    let folder = jobs(&["id: j, function: attempts:spins"])
        .file("jobcontrol.yaml", "ceiling: { timeout: { attempt: 1m, build: 1h, no_progress: 100ms } }\n");
    let build = folder.json(&["run", "j"]);
    assert_eq!(failure(&build).0, "timeout");
    let expected = json!({"attempt": "60000ms", "build": "3600000ms", "no_progress": "100ms"});
    assert_eq!(build["config"]["timeout"], expected);
    folder.write("jobs/jobs.yaml", "id: j\nfunction: attempts:spins\ntimeout: { no_progress: 1s }\n");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("`no_progress` of 1s is above the ceiling"), "{answer:#?}");
}
