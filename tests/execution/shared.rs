//! Two runs at once that need the same build of the same dependency: one makes it, the other waits
//! for it.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Lines;
use std::process::Child;
use std::process::ChildStderr;

use jobcontrol::execute::slots::SLOTS;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use serde_json::json;

use super::jobs;
use crate::harness::Folder;

/// `base` ends once there is a file `data/go`, and fails if there is a file `data/bad`; the others
/// need it.
fn folder(retry: &str) -> Folder {
    let base = format!(
        "id: base, function: shared_until, grants: {{ files: [{{ host: ./data, guest: /data, mode: read }}] }}{retry}"
    );
    let needs = "function: attempts:flaky, args: [1], dependencies: [base]";
    let folder = jobs(&[&base, &format!("id: one, {needs}"), &format!("id: two, {needs}")]).guest("shared_until.wat");
    std::fs::create_dir(folder.path("jobs/data")).unwrap();
    folder
}

/// A run with what it says; killed at the latest with the test.
struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Run {
    /// Starts a run and reads what it says up to a line with these words.
    fn until(folder: &Folder, arguments: &[&str], words: &str) -> Self {
        let mut child = folder.start(arguments);
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut run = Self { child, lines, said: String::new() };
        run.says(words);
        run
    }

    /// Reads on up to a line with these words.
    fn says(&mut self, words: &str) {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(words) {
                return;
            }
        }
        panic!("it never said `{words}`: {}", self.said);
    }

    /// All that it has said, once it has ended with this exit code.
    fn end(mut self, code: i32) -> String {
        for line in self.lines.by_ref() {
            self.said.push_str(&line.unwrap());
            self.said.push('\n');
        }
        assert_eq!(self.child.wait().unwrap().code(), Some(code), "{}", self.said);
        std::mem::take(&mut self.said)
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const WAITS: &str = "base: waits for the same build 1 of another run";

/// A run that makes `base`, and one that waits for it.
fn both(folder: &Folder) -> (Run, Run) {
    let first = Run::until(folder, &["run", "--deps", "one"], "base: build 1 started");
    let second = Run::until(folder, &["run", "--deps", "two"], WAITS);
    (first, second)
}

/// Job, status and attempt of each build.
fn builds(folder: &Folder) -> Vec<String> {
    let builds = folder.json(&["builds"]);
    let text = |build: &Value| format!("{} {} {}", build["job_id"], build["status"], build["attempt"]).replace('"', "");
    builds.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn the_second_run_uses_the_build_of_the_first() {
    let folder = folder("");
    let (first, second) = both(&folder);
    folder.write("jobs/data/go", "");
    first.end(0);
    let said = second.end(0);
    assert!(said.ends_with("\n1 built, 1 reused (base: build 1)\n"), "{said}");
    let mut made = builds(&folder);
    made.sort();
    assert_eq!(made, ["base SUCCESSFUL 1", "one SUCCESSFUL 1", "two SUCCESSFUL 1"]);
    let run = folder.json(&["runs", "show", "2"]);
    assert_eq!((&run["status"], &run["jobs"][0]["shared_build"]), (&json!("SUCCESSFUL"), &json!(1)), "{run:#}");
    let shown = folder.run(&["runs", "show", "2"]).code(0).stdout;
    assert!(shown.contains("another run made it at the same time"), "{shown}");
    assert!(folder.run(&["runs"]).code(0).stdout.contains("2 of 2"));
    folder.run(&["runs", "rerun", "2", "--from-failed"]).code(2).says("run 2 has no failed and no unfinished jobs");
}

#[test]
fn a_shared_build_that_fails_fails_in_both_runs() {
    let folder = folder("");
    let (first, second) = both(&folder);
    folder.write("jobs/data/bad", "");
    folder.write("jobs/data/go", "");
    let said = first.end(1);
    assert!(said.ends_with("\n1 failed, 1 not built\n"), "{said}");
    let said = second.end(1);
    let failed = "error: base: build 1, which another run made at the same time, failed: trap: ";
    assert!(said.contains(failed) && said.contains("error: two: not built, because `base` did not succeed"), "{said}");
    assert!(said.ends_with("\n1 failed, 1 not built\n"), "{said}");
    assert_eq!(builds(&folder), ["base FAILED 1"]);
    let run = folder.json(&["runs", "show", "2"]);
    assert_eq!(run["jobs"][1]["not_built_because"], "`base` did not succeed", "{run:#}");
}

#[test]
fn a_shared_build_that_is_cancelled_is_made_by_the_run_that_waited() {
    let folder = folder("");
    let (first, mut second) = both(&folder);
    folder.run(&["build", "cancel", "1"]).code(0);
    first.end(1);
    second.says("base: build 2 started");
    folder.write("jobs/data/go", "");
    second.end(0);
    assert_eq!(builds(&folder), ["base FAILED 1", "base SUCCESSFUL 1", "two SUCCESSFUL 1"]);
}

#[test]
fn a_shared_build_whose_process_died_is_made_by_the_run_that_waited() {
    let folder = folder("");
    let (first, mut second) = both(&folder);
    first.kill();
    second.says("base: build 2 started");
    folder.write("jobs/data/go", "");
    second.end(0);
    assert_eq!(builds(&folder), ["base FAILED 1", "base SUCCESSFUL 1", "two SUCCESSFUL 1"]);
    assert_eq!(folder.json(&["build", "show", "1"])["exception"]["kind"], "interrupted");
}

#[test]
fn a_shared_build_with_attempts_left_is_taken_over_by_the_run_that_waited() {
    let folder = folder(", retry: { attempts: 3, initial: 1ms }");
    let (first, mut second) = both(&folder);
    first.kill();
    second.says("base: build 1 attempt 2 of 3 started");
    folder.write("jobs/data/go", "");
    second.end(0);
    assert_eq!(builds(&folder), ["base SUCCESSFUL 2", "two SUCCESSFUL 1"]);
}

#[test]
fn who_stops_waiting_leaves_the_build_alone() {
    let folder = folder("");
    let (first, second) = both(&folder);
    kill_process(Pid::from_child(&second.child), Signal::INT).unwrap();
    let said = second.end(130);
    assert!(said.ends_with("\n2 not built\n"), "{said}");
    assert_eq!(builds(&folder), ["base RUNNING 1"]);
    folder.write("jobs/data/go", "");
    first.end(0);
    assert_eq!(builds(&folder), ["base SUCCESSFUL 1", "one SUCCESSFUL 1"]);
}

#[test]
fn what_is_forced_or_named_or_differs_is_not_shared() {
    let folder = folder("");
    let first = Run::until(&folder, &["run", "--deps", "one"], "base: build 1 started");
    let forced = Run::until(&folder, &["run", "--force", "two"], "base: build 2 started");
    let named = Run::until(&folder, &["run", "base"], "base: build 3 started");
    let manifest = std::fs::read_to_string(folder.path("jobs/jobs.yaml")).unwrap();
    folder.write("jobs/jobs.yaml", manifest.replace("guest: /data", "guest: /elsewhere"));
    let other = Run::until(&folder, &["run", "--deps", "two"], "base: build 4 started");
    folder.write("jobs/data/go", "");
    for run in [first, forced, named, other] {
        run.end(0);
    }
}

#[test]
fn of_many_runs_at_once_one_makes_what_all_need() {
    const RUNS: usize = 6;
    let needs = |job: &str| format!("function: attempts:flaky, args: [1], dependencies: [{job}]");
    let tops: Vec<_> = (0..RUNS).map(|i| format!("id: top{i}, {}", needs("chain"))).collect();
    let chain = format!("id: chain, {}", needs("base"));
    let mut all = vec!["id: base, function: attempts:flaky, args: [1]", chain.as_str()];
    all.extend(tops.iter().map(String::as_str));
    let folder = jobs(&all);
    let runs: Vec<_> = (0..RUNS).map(|i| folder.start(&["run", "--deps", &format!("top{i}")])).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let made = builds(&folder);
    let count = |build: &str| made.iter().filter(|made| *made == build).count();
    assert_eq!((count("base SUCCESSFUL 1"), count("chain SUCCESSFUL 1"), made.len()), (1, 1, RUNS + 2), "{made:?}");
}

#[test]
fn who_waits_holds_no_slot() {
    let waits: Vec<_> = (0..SLOTS).map(|i| format!("id: w{i}, function: attempts:waits")).collect();
    let needs: Vec<_> = (0..SLOTS).map(|i| format!("w{i}")).collect();
    let top = format!("id: top, function: attempts:flaky, args: [1], dependencies: [{}]", needs.join(", "));
    let mut all: Vec<&str> = waits.iter().map(String::as_str).collect();
    all.extend([top.as_str(), "id: first, function: attempts:flaky, args: [1]"]);
    all.push("id: last, function: attempts:flaky, args: [1], dependencies: [first]");
    let folder = jobs(&all);
    let mut first = Run::until(&folder, &["run", "--deps", "top"], " started");
    (1..SLOTS).for_each(|_| first.says(" started"));
    let mut second = Run::until(&folder, &["run", "--deps", "top", "last"], "of another run");
    second.says("last: build ");
    second.says("SUCCESSFUL");
}
