//! What was asked for, and what became of it: `runs`, and what it knows of killed, cancelled and
//! waiting runs.

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

use std::io::BufRead;
use std::io::BufReader;

use jobcontrol::execute::slots::SLOTS;
use serde_json::Value;
use serde_json::json;

use crate::execution::Background;
use crate::execution::jobs;
use crate::harness::Folder;

const GRAPH: &[&str] = &[
    "id: base, function: attempts:flaky, args: [1]",
    "id: bad, function: attempts:flaky, args: [9], dependencies: [base]",
    "id: end, function: attempts:flaky, args: [1], dependencies: [bad]",
];

fn run_of(folder: &Folder, id: u64) -> Value {
    folder.json(&["runs", "show", &id.to_string()])
}

/// What became of each job: its status, or why it has no build.
fn jobs_of(run: &Value) -> Vec<String> {
    let one = |job: &Value| {
        let id = job["job_id"].as_str().unwrap();
        match (&job["status"], &job["not_built_because"], &job["waits_for"]) {
            (Value::String(status), ..) => format!("{id} {status}"),
            (_, Value::String(reason), _) => format!("{id}: {reason}"),
            (.., waits) => format!("{id} waits for {waits}"),
        }
    };
    run["jobs"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn a_run_tells_who_asked_for_what_and_what_became_of_it() {
    let folder = jobs(GRAPH);
    let output = folder.command(&["run", "--deps", "end"]).env("USER", "ada").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    folder.run(&["run", "end"]).code(1).says("missing dependencies: `bad` has no successful build");
    let runs = folder.json(&["runs"]);
    let told: Vec<_> =
        runs.as_array().unwrap().iter().map(|run| [&run["id"], &run["status"], &run["requested_by"]]).collect();
    assert_eq!(
        told,
        [[&json!(1), &json!("FAILED"), &json!("cli:ada")], [&json!(2), &json!("FAILED"), &json!("cli:unknown")]]
    );
    assert_eq!(
        (&runs[0]["targets"], &runs[0]["deps"], &runs[0]["builds"]["failed"]),
        (&json!(["end"]), &json!(true), &json!(1))
    );
    assert_eq!(jobs_of(&run_of(&folder, 1)), ["base SUCCESSFUL", "bad FAILED", "end: `bad` did not succeed"]);
    assert_eq!(jobs_of(&run_of(&folder, 2)), ["end: missing dependencies: `bad` has no successful build"]);
    let shown = folder.run(&["runs", "show", "1"]).code(0).stdout;
    assert!(shown.contains("requested by ada\n") && shown.contains("not built"), "{shown}");
    let listed = folder.run(&["runs"]).code(0).stdout;
    assert!(listed.contains("1 of 3, 1 failed"), "{listed}");
    assert_eq!(folder.json(&["build", "show", "1"])["requested_by"], "cli:ada");
    folder.run(&["runs", "show", "9"]).code(4).says("there is no run 9");
}

#[test]
fn the_views_alone_tell_what_failed_and_why() {
    let folder = jobs(GRAPH);
    folder.run(&["run", "--deps", "end"]).code(1);
    let db = rusqlite::Connection::open(folder.path("jobcontrol.db")).unwrap();
    let sql = "SELECT job_id || ' ' || failure_kind || ' ' || failure_message || ' ' || requested_by FROM builds
         WHERE status = 'FAILED' AND end_time > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day') AND seconds >= 0";
    let failed: String = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(failed, "bad trap wasm `unreachable` instruction executed cli:unknown");
    let runs: String = db.query_row("SELECT status || ' ' || targets FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, "FAILED end");
}

#[test]
fn what_is_left_of_a_killed_run_is_built_once() {
    let folder = jobs(&[]);
    let with = |function: &str| {
        format!(
            "jobs:\n  - {{ id: base, function: attempts:flaky, args: [1] }}\n  - {{ id: mid, {function}, dependencies: [base] }}\n  \
             - {{ id: end, function: attempts:flaky, args: [1], dependencies: [mid] }}\n"
        )
    };
    folder.write("jobs/jobs.yaml", with("function: attempts:spins"));
    let run = Background::until(&folder, &["run", "--deps", "end"], "mid: build 2 started");
    assert_eq!(jobs_of(&run_of(&folder, 1)), ["base SUCCESSFUL", "mid RUNNING", "end waits for [\"mid\"]"]);
    assert_eq!(run_of(&folder, 1)["status"], "RUNNING");
    run.kill();
    let interrupted = run_of(&folder, 1);
    assert_eq!((&interrupted["status"], &interrupted["jobs"][1]["interrupted"]), (&json!("INTERRUPTED"), &json!(true)));
    folder.write("jobs/jobs.yaml", with("function: attempts:flaky, args: [1]"));
    folder.run(&["runs", "rerun", "1", "--from-failed"]).code(0);
    assert_eq!(jobs_of(&run_of(&folder, 2)), ["mid SUCCESSFUL", "end SUCCESSFUL"]);
    assert_eq!(run_of(&folder, 2)["rest_of"], 1);
    assert_eq!(jobs_of(&run_of(&folder, 1))[2], "end: `mid` did not succeed");
    folder.run(&["runs", "rerun", "2", "--from-failed"]).code(2).says("run 2 has no failed and no unfinished jobs");
    folder.run(&["runs", "rerun", "1"]).code(0);
    assert_eq!(jobs_of(&run_of(&folder, 3)), ["end SUCCESSFUL"], "what it needs is up to date");
}

#[test]
fn a_run_of_another_process_is_cancelled_whole() {
    let folder = jobs(&[
        "id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1ms }",
        "id: after, function: attempts:flaky, args: [1], dependencies: [spins]",
    ]);
    let run = Background::until(&folder, &["run", "--deps", "after"], "spins: build 1 started");
    folder.run(&["runs", "cancel", "1"]).code(0).stdout("run 1 was cancelled\n");
    assert_eq!(run.end().status.code(), Some(1));
    assert_eq!(jobs_of(&run_of(&folder, 1)), ["spins FAILED", "after: `spins` did not succeed"]);
    assert_eq!(folder.json(&["build", "show", "1"])["exception"]["kind"], "cancelled");
    folder.run(&["runs", "cancel", "1"]).code(2).says("run 1 has already ended: CANCELLED; nothing was cancelled");
    folder.run(&["runs", "cancel", "9"]).code(4).says("there is no run 9");
}

#[test]
fn what_a_dead_process_left_is_cancelled_at_once() {
    let folder = jobs(&["id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1h }"]);
    Background::until(&folder, &["run", "spins"], "build 1 started").kill();
    folder.run(&["runs", "cancel", "1"]).code(0).stdout("run 1 was cancelled\n");
    let build = folder.json(&["build", "show", "1"]);
    assert_eq!((&build["status"], &build["exception"]["kind"]), (&json!("FAILED"), &json!("cancelled")));
}

#[test]
fn a_build_that_waits_for_a_slot_is_in_the_store_with_its_pins() {
    let crowd: Vec<_> =
        (0..=SLOTS).map(|i| format!("id: w{i}, function: attempts:spins, dependencies: [base]")).collect();
    let base = ["id: base, function: attempts:flaky, args: [1]".to_owned()];
    let all: Vec<&str> = base.iter().chain(&crowd).map(String::as_str).collect();
    let folder = jobs(&all);
    folder.run(&["run", "base"]).code(0);
    let ids: Vec<_> = (0..=SLOTS).map(|i| format!("w{i}")).collect();
    let arguments: Vec<_> = ["run", "-v"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let run = Background::until_each(&folder, &arguments, &[(" started", SLOTS), ("waits for a slot", 1)]);
    let counts = &run_of(&folder, 2)["builds"];
    assert_eq!((&counts["running"], &counts["created"]), (&json!(SLOTS), &json!(1)));
    let waiting = folder.json(&["builds", "--no-started"]);
    assert_eq!(waiting.as_array().map(Vec::len), Some(1), "{waiting:#}");
    let waiting = folder.json(&["build", "show", &waiting[0]["id"].to_string()]);
    assert_eq!((&waiting["status"], &waiting["pins"]["base"]["build"]), (&json!("CREATED"), &json!(1)));
    let shown = folder.run(&["runs", "show", "2"]).code(0).stdout;
    assert!(shown.contains("waits for a slot"), "{shown}");
    folder.run(&["build", "cancel", &waiting["id"].to_string()]).code(0);
    run.kill();
}

#[test]
fn a_run_shows_builds_of_the_same_jobs_in_other_processes() {
    let folder = jobs(&["id: spins, function: attempts:spins"]);
    let first = Background::until(&folder, &["run", "spins"], "build 1 started");
    let mut second = folder.start(&["run", "spins"]);
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines().map(|line| line.expect("a line"));
    let mut until = |words: &str| assert!(lines.any(|line| line.contains(words)), "it never said `{words}`");
    until("spins: build 2 started");
    folder.run(&["build", "cancel", "1"]).code(0);
    until("spins: build 1 (another process) FAILED");
    folder.run(&["build", "cancel", "2"]).code(0);
    until("spins: build 2 FAILED");
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert_eq!(first.end().status.code(), Some(1));
}

#[test]
fn a_dead_process_does_not_look_alive() {
    let folder = jobs(&["id: spins, function: attempts:spins"]);
    Background::until(&folder, &["run", "spins"], "build 1 started").kill();
    folder.run(&["logs", "1", "-f"]).code(0).says("build 1 was interrupted: the process that ran it is gone");
    let listed = folder.run(&["builds"]).code(0).stdout;
    assert!(listed.contains("interrupted") && listed.contains("its process died"), "{listed}");
    assert!(folder.run(&["jobs"]).code(0).stdout.contains("1 interrupted"));
    let shown = folder.run(&["build", "show", "1"]).code(0).stdout;
    assert!(shown.contains("status     interrupted\n") && !shown.contains("took"), "{shown}");
    folder.run(&["build", "delete", "1"]).code(0).stdout("deleted 1\n");
}

#[test]
fn a_living_process_whose_lock_was_removed_is_not_taken_for_dead() {
    let folder = jobs(&["id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1ms }"]);
    let first = Background::until(&folder, &["run", "spins"], "build 1 started");
    std::fs::remove_dir_all(folder.path("jobcontrol.db.owners")).unwrap();
    let second = Background::until(&folder, &["run", "spins"], "spins: build 2 started");
    let build = folder.json(&["build", "show", "1"]);
    assert_eq!(
        (&build["status"], &build["interrupted"], &build["attempt"]),
        (&json!("RUNNING"), &json!(false), &json!(1))
    );
    first.kill();
    second.kill();
}
