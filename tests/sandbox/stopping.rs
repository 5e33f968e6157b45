//! Builds beside each other and after each other, and builds that are stopped.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;

use serde_json::Value;
use serde_json::json;

use super::built;
use crate::harness::Folder;

#[test]
fn two_builds_share_no_memory() {
    let built = built("isolation_counter.wat", "function: isolation_counter:count\n");
    assert_eq!(built.retval(), 111);
    assert_eq!(built.folder.json(&["run", "j"])["retval"], 111);
}

#[test]
fn two_builds_of_one_process_share_no_memory() {
    let job = |id: &str| format!("  - {{ id: {id}, function: isolation_counter:count }}\n");
    let jobs: String = ["a", "b", "c", "d"].map(job).concat();
    let folder = Folder::new().guest("isolation_counter.wat").file("jobs/all.yaml", format!("jobs:\n{jobs}"));
    let builds = folder.json(&["run", "a", "b", "c", "d"]);
    let retvals: Vec<_> = builds.as_array().expect("builds").iter().map(|build| build["retval"].clone()).collect();
    assert_eq!(retvals, [111, 111, 111, 111]);
}

/// A run that is interrupted when a line of its standard error has all of these words; its code and
/// its document.
fn interrupted(folder: &Folder, jobs: &[&str], words: &[&str]) -> (Option<i32>, Value) {
    let arguments: Vec<_> = ["run"].iter().chain(jobs).chain(&["--format", "json"]).copied().collect();
    let mut child = folder.start(&arguments);
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !words.iter().all(|word| line.contains(word)) {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("a line"), 0, "it ended before it said {words:?}");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("the rest");
    let output = child.wait_with_output().expect("an end");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?} {rest}"));
    (output.status.code(), document)
}

/// A job that spins until the given timeout, and a quick one.
fn two_jobs(timeout: &str) -> Folder {
    let jobs = format!(
        "jobs:\n  \
           - {{ id: spins, function: loop_endless:spin, timeout: {timeout} }}\n  \
           - {{ id: quick, function: loop_endless:quick }}\n"
    );
    Folder::new().guest("loop_endless.wat").file("jobs/both.yaml", jobs)
}

#[test]
fn a_guest_that_spins_fails_alone() {
    let answer = two_jobs("200ms").run(&["run", "spins", "quick", "--format", "json"]).code(1);
    let builds: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    assert_eq!((&builds[0]["status"], &builds[0]["exception"]["kind"]), (&json!("FAILED"), &json!("timeout")));
    assert_eq!((&builds[1]["status"], &builds[1]["retval"]), (&json!("SUCCESSFUL"), &json!(7)));
}

#[test]
fn a_guest_ends_while_another_spins() {
    let folder = two_jobs("10m");
    let (code, builds) = interrupted(&folder, &["spins", "quick"], &["quick: build", "SUCCESSFUL"]);
    assert_eq!(code, Some(130), "{builds:#}");
    assert_eq!((&builds[0]["status"], &builds[0]["exception"]["kind"]), (&json!("FAILED"), &json!("cancelled")));
    assert_eq!((&builds[1]["status"], &builds[1]["retval"]), (&json!("SUCCESSFUL"), &json!(7)));
}

#[test]
fn an_interrupt_cancels_the_build() {
    let folder = Folder::new().guest("loop_endless.wat").file("jobs/j.yaml", "function: loop_endless:spin\n");
    let (code, build) = interrupted(&folder, &["j"], &["j: build 1 started"]);
    assert_eq!(code, Some(130), "{build:#}");
    assert_eq!((&build["status"], &build["exception"]["kind"]), (&json!("FAILED"), &json!("cancelled")));
    assert_eq!(folder.json(&["build", "show", "1"])["status"], "FAILED");
}
