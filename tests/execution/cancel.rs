//! `build cancel` from another process: guests that run, that wait, that are between attempts, and
//! builds nobody runs.

use std::sync::Arc;

use jobcontrol::record::backend::from_url;
use jobcontrol::record::url::StoreUrl;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::storage::Storage;
use serde_json::json;

use super::Background;
use super::jobs;
use super::kinds;
use super::shown;
use crate::harness::Folder;

/// Asserts that a build was cancelled, and that its log says by whom.
#[track_caller]
fn cancelled(folder: &Folder, build: &str) {
    let record = shown(folder, build);
    assert_eq!(
        (&record["status"], &record["exception"]["kind"]),
        (&json!("FAILED"), &json!("cancelled")),
        "{record:#}"
    );
    let message = record["exception"]["message"].as_str().unwrap();
    assert!(message.starts_with("the build was cancelled by ada (process "), "{message}");
    let log = folder.json(&["logs", build]);
    let last = log.as_array().unwrap().last().expect("a record").clone();
    assert!(last["message"].as_str().unwrap().starts_with("cancelled by ada (process "), "{last}");
    assert!(folder.run(&["builds"]).stdout.contains("cancelled: the build was cancelled by ada"));
}

fn storage(folder: &Folder) -> Arc<dyn Storage> {
    let url = StoreUrl::sqlite(folder.path("jobcontrol.db"));
    from_url(&url, false, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap()
}

fn cancel(folder: &Folder, arguments: &[&str]) -> crate::harness::Answer {
    let arguments: Vec<_> = ["build", "cancel"].iter().chain(arguments).copied().collect();
    folder.command(&arguments).env("USER", "ada").output().unwrap().into()
}

#[test]
fn a_guest_is_stopped_whether_it_runs_or_waits() {
    for function in ["spins", "waits"] {
        let folder = jobs(&[&format!("id: j, function: 'attempts:{function}', retry: 3")]);
        let run = Background::until(&folder, &["run", "j"], "j: build 1 started");
        cancel(&folder, &["1"]).code(0).stdout("build 1 was cancelled\n");
        cancelled(&folder, "1");
        assert_eq!(kinds(&shown(&folder, "1")), ["cancelled"], "it is not tried again");
        assert_eq!(run.end().status.code(), Some(1));
        cancel(&folder, &["1"]).code(2).says("build 1 has already ended: FAILED; nothing was cancelled");
    }
}

#[test]
fn nobody_has_to_read_what_a_run_says_for_its_build_to_be_cancelled() {
    // So many that it does not end by itself, however slow the machine is.
    let job = "function: 'log_raw:write', args: [1, 0, 1, 0, 0, 9000000], limits: { log: 1 GiB, log_records: 9000000 }";
    let folder = Folder::new().guest("log_raw.wat").file("jobs/j.yaml", format!("{{ {job} }}"));
    folder.run(&["store", "install"]).code(0);
    let store = storage(&folder);
    let mut run = folder.start(&["run", "j"]);
    // What waits to be shown fills up soon after this.
    while store.get_last_log_id().unwrap() < 1_100 {
        std::thread::yield_now();
    }
    cancel(&folder, &["1"]).code(0).stdout("build 1 was cancelled\n");
    cancelled(&folder, "1");
    let said = std::io::read_to_string(run.stderr.take().unwrap()).unwrap();
    assert!(said.contains("j: build 1 FAILED"), "{said}");
    assert_eq!(run.wait().unwrap().code(), Some(1));
}

#[test]
fn only_the_build_that_is_named_is_cancelled() {
    let folder = jobs(&["id: a, function: attempts:spins", "id: b, function: attempts:spins"]);
    let run = Background::until(&folder, &["run", "a", "b"], "build 2 started");
    cancel(&folder, &["1"]).code(0);
    cancelled(&folder, "1");
    assert_eq!(shown(&folder, "2")["status"], "RUNNING");
    cancel(&folder, &["2", "--no-wait"]).code(0).stdout("the process that runs build 2 was asked to end it\n");
    assert_eq!(run.end().status.code(), Some(1));
    cancelled(&folder, "2");
}

#[test]
fn a_build_between_two_attempts_is_cancelled() {
    let folder = jobs(&[
        "id: j, function: attempts:flaky, args: [9], retry: { attempts: 2, initial: 1h, max: 1h, jitter: false }",
    ]);
    let run = Background::until(&folder, &["run", "j"], "attempt 2 follows in 1h");
    cancel(&folder, &["1"]).code(0).stdout("build 1 was cancelled\n");
    cancelled(&folder, "1");
    let build = shown(&folder, "1");
    assert_eq!(
        (kinds(&build), &build["attempt"], &build["retry_time"]),
        (vec![json!("trap")], &json!(1), &json!(null))
    );
    assert_eq!(run.end().status.code(), Some(1));
}

#[test]
fn a_build_of_a_dead_process_is_ended_at_once() {
    let folder = jobs(&["id: j, function: attempts:spins"]);
    Background::until(&folder, &["run", "j"], "started").kill();
    cancel(&folder, &["1"]).code(0).stdout("build 1 was cancelled\n");
    cancelled(&folder, "1");
}

#[test]
fn a_build_in_the_queue_is_ended_at_once() {
    let folder = jobs(&["id: j, function: attempts:spins"]);
    folder.run(&["store", "install"]).code(0);
    let store = storage(&folder);
    let id = store.create_build("j", &jobcontrol_core::value::Value::Null).unwrap();
    drop(store);
    assert_eq!(shown(&folder, &id.to_string())["status"], "CREATED");
    let answer = cancel(&folder, &["1", "--format", "json"]).code(0);
    let document: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(document, json!({"cancelled": [1], "asked": [], "too_late": []}));
    cancelled(&folder, "1");
}

#[test]
fn a_number_that_is_wrong_cancels_nothing() {
    let folder = jobs(&["id: j, function: attempts:spins"]);
    cancel(&folder, &["7"]).code(4).says("there is no build 7");
    let run = Background::until(&folder, &["run", "j"], "started");
    cancel(&folder, &["1", "7"]).code(4).says("there is no build 7");
    assert_eq!(shown(&folder, "1")["status"], "RUNNING");
    run.kill();
}
