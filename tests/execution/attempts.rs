//! Retries: which failures are tried again, how each attempt is told, and what becomes of one whose
//! process dies.

use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

use super::Background;
use super::jobs;
use super::kinds;
use super::shown;

/// Without this, each test would wait for seconds.
const QUICK: &str = "initial: 1ms, max: 5ms";

fn flaky(from: u32, retry: &str) -> String {
    format!("id: flaky, function: attempts:flaky, args: [{from}], retry: {retry}")
}

#[test]
fn a_build_is_tried_again_until_it_succeeds() {
    let folder = jobs(&[&flaky(3, &format!("{{ attempts: 4, {QUICK} }}"))]);
    folder
        .run(&["run", "flaky"])
        .code(0)
        .stdout("3\n")
        .says("flaky: build 1 started\n")
        .says("flaky: build 1 attempt 1 of 4 failed in ")
        .says(": trap: wasm `unreachable` instruction executed; attempt 2 follows in ")
        .says("flaky: build 1 attempt 2 of 4 started\n")
        .says("flaky: build 1 attempt 3 of 4 started\n")
        .says("flaky: build 1 SUCCESSFUL in ");
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], &build["attempt"], &build["retval"]), (&json!("SUCCESSFUL"), &json!(3), &json!(3)));
    assert_eq!(kinds(&build), [json!("trap"), json!("trap"), Value::Null]);
    let attempts = build["attempts"].as_array().unwrap();
    assert_eq!(build["start_time"], attempts[0]["start_time"]);
    assert_eq!(build["end_time"], attempts[2]["end_time"]);
    let times = |attempt: &Value| (attempt["start_time"].to_string(), attempt["end_time"].to_string());
    assert!(attempts.windows(2).all(|two| times(&two[0]).1 <= times(&two[1]).0), "{attempts:#?}");
    assert!(attempts[0]["exception_tb"].as_array().is_some_and(|frames| !frames.is_empty()), "{attempts:#?}");
    assert_eq!(build["progress"][0]["current"], 3, "the progress is the newest attempt's");
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(1));
    let told = folder.run(&["build", "show", "1"]).code(0).stdout;
    assert!(told.contains("attempt    3 of 4\n"), "{told}");
    assert!(told.contains("\nattempts\n  ATTEMPT  STARTED"), "{told}");
    let listed = folder.run(&["builds"]).code(0).stdout;
    assert!(listed.contains("attempt 3 of 4"), "{listed}");
    let job = folder.run(&["job", "flaky"]).code(0).stdout;
    assert!(job.contains("up to 4 attempts, at most 1ms apart and then twice as long each time, 5ms at most"), "{job}");
}

#[test]
fn the_last_failure_is_that_of_the_build() {
    let folder = jobs(&[&flaky(9, &format!("{{ attempts: 2, jitter: false, {QUICK} }}"))]);
    folder.run(&["run", "flaky"]).code(1).says("attempt 2 follows in 1ms").says("FAILED");
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], &build["attempt"]), (&json!("FAILED"), &json!(2)));
    assert_eq!(kinds(&build), ["trap", "trap"]);
    assert_eq!(build["exception"], build["attempts"][1]["exception"]);
    assert_eq!(folder.json(&["job", "flaky"])["status"], "failed");
}

#[test]
fn one_attempt_is_what_a_job_has_that_says_nothing() {
    let folder = jobs(&["id: flaky, function: attempts:flaky, args: [2]"]);
    let answer = folder.run(&["run", "flaky"]).code(1);
    assert!(!answer.stderr.contains("attempt "), "{answer:#?}");
    assert_eq!(kinds(&shown(&folder, "1")), ["trap"]);
    let told = folder.run(&["build", "show", "1"]).code(0).stdout;
    assert!(!told.contains("attempts\n"), "{told}");
}

#[test]
fn only_the_failures_that_are_listed_are_tried_again() {
    let retry = |on: &str| format!("retry: {{ attempts: 3, {QUICK}, on: [{on}] }}");
    let trouble = |id: &str, case: u32, on: &str| {
        format!("id: {id}, function: attempts:troubled, args: [{case}, 2], {}", retry(on))
    };
    let folder = jobs(&[
        &format!("id: a, function: attempts:flaky, args: [2], {}", retry("error, panic")),
        &format!("id: b, function: attempts:flaky, args: [2], {}", retry("trap")),
        &trouble("c", 0, "error(rate_limited)"),
        &trouble("d", 1, "error(rate-limited)"),
        &trouble("e", 1, "error"),
    ]);
    let builds = folder.json(&["run", "a", "b", "c", "d", "e"]);
    let tried = |build: &Value| (build["status"].as_str().unwrap().to_owned(), build["attempt"].as_u64().unwrap());
    let tried: Vec<_> = builds.as_array().unwrap().iter().map(tried).collect();
    let expected = [("FAILED", 1), ("SUCCESSFUL", 2), ("SUCCESSFUL", 2), ("FAILED", 1), ("SUCCESSFUL", 2)];
    assert_eq!(tried, expected.map(|(status, attempt)| (status.to_owned(), attempt)));
}

#[test]
fn a_language_s_own_failures_count_as_panics() {
    let folder = crate::harness::Folder::new()
        .guest("sdk.wasm")
        .file("jobs/x.yaml", format!("id: x\nfunction: sdk:fails\nretry: {{ attempts: 2, {QUICK}, on: [panic] }}\n"));
    folder.run(&["run", "x"]).code(1);
    let build = shown(&folder, "1");
    assert_eq!(build["attempt"], 2, "{build:#}");
    assert_ne!(build["exception"]["kind"], "panic");
}

#[test]
fn records_tell_their_attempt_where_there_are_several() {
    let folder = crate::harness::Folder::new().guest("command.wat").file(
        "jobs/x.yaml",
        format!(
            "jobs:\n  - {{ id: x, function: command, args: ['0'], retry: {{ attempts: 2, {QUICK} }} }}\n  \
                 - {{ id: y, function: command, args: ['3'], retry: {{ attempts: 2, {QUICK} }} }}\n"
        ),
    );
    folder.run(&["run", "x"]).code(0);
    let once = folder.run(&["logs", "1"]).code(0).stdout;
    assert!(!once.contains("attempt"), "{once}");
    folder.run(&["run", "y"]).code(1);
    let log = folder.json(&["logs", "2"]);
    let attempts: Vec<_> = log.as_array().unwrap().iter().map(|record| record["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 1, 1, 1, 2, 2, 2, 2].map(|attempt| json!(attempt)), "{log:#}");
}

#[test]
fn a_build_that_waits_gives_its_slot_to_others() {
    // As many as there are slots wait for an hour; one more is built beside them.
    let waiting: Vec<_> = (0..jobcontrol::execute::slots::SLOTS)
        .map(|i| format!("id: w{i}, function: attempts:flaky, args: [9], retry: {{ attempts: 2, initial: 1h, max: 1h, jitter: false }}"))
        .collect();
    let last = "id: z, function: attempts:flaky, args: [1]".to_owned();
    let all: Vec<_> = waiting.iter().chain([&last]).map(String::as_str).collect();
    let folder = jobs(&all);
    let ids: Vec<_> = (0..waiting.len()).map(|i| format!("w{i}")).chain(["z".to_owned()]).collect();
    let arguments: Vec<_> = ["run"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let run = Background::until(&folder, &arguments, "SUCCESSFUL");
    // The last one got the slot of one that waits by then.
    let builds = folder.json(&["builds", "--limit", "1000"]);
    let waits = |build: &&Value| build["retry_time"].is_string();
    let build = builds.as_array().unwrap().iter().find(waits).unwrap_or_else(|| panic!("{builds:#}"));
    assert_eq!((&build["status"], &build["finished"]), (&json!("RUNNING"), &json!(false)));
    let told = folder.run(&["build", "show", &build["id"].to_string()]).code(0).stdout;
    assert!(told.contains("attempt    1 of 2\n") && told.contains("next       attempt 2 at 2"), "{told}");
    let listed = folder.run(&["builds", build["job_id"].as_str().unwrap()]).code(0).stdout;
    assert!(listed.contains("attempt 1 of 2 failed, the next at "), "{listed}");
    run.kill();
}

#[test]
fn a_build_that_is_taken_up_ends_when_its_time_is_up() {
    let folder =
        jobs(&["id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1h, max: 1h, jitter: false }, \
         timeout: { attempt: 10m, build: 1s }"]);
    Background::until(&folder, &["run", "spins"], "started").kill();
    let answer = folder.run(&["run", "spins"]).code(1);
    assert!(answer.stderr.contains("the build with all its attempts took longer than 1s"), "{answer:#?}");
}

#[test]
fn a_run_takes_up_the_same_build_of_a_dead_process() {
    let folder = jobs(&[
        "id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1ms, max: 1ms }, timeout: 10m",
        "id: other, function: attempts:flaky, args: [1]",
    ]);
    Background::until(&folder, &["run", "spins"], "started").kill();
    let second = Background::until(&folder, &["run", "spins"], "spins: build 1 attempt 2 of 3 started");
    let build = shown(&folder, "1");
    assert_eq!(
        (&build["status"], &build["attempt"], kinds(&build)),
        (&json!("RUNNING"), &json!(2), vec![json!("interrupted"), Value::Null])
    );
    second.kill();
    // It has an attempt left, so a run of something else leaves it to whoever would make the same
    // build.
    let other = folder.run(&["run", "other"]).code(0);
    assert!(!other.stderr.contains("interrupted"), "{other:#?}");
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], &build["interrupted"]), (&json!("RUNNING"), &json!(true)));
    let told = folder.run(&["builds", "spins"]).code(0).stdout;
    assert!(told.contains("interrupted") && told.contains("waiting for attempt 3 of 3"), "{told}");
    Background::until(&folder, &["run", "spins"], "spins: build 1 attempt 3 of 3 started").kill();
    folder.run(&["run", "other"]).code(0).says("build 1 was interrupted: the process that ran it is gone");
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], kinds(&build)), (&json!("FAILED"), vec![json!("interrupted"); 3]));
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(3));
}

#[test]
fn a_build_is_taken_up_whatever_the_rest_of_its_run_was() {
    let folder = jobs(&[
        "id: first, function: attempts:flaky, args: [1]",
        "id: spins, function: attempts:spins, dependencies: [first], retry: { attempts: 3, initial: 1ms, max: 1ms }",
        "id: last, function: attempts:flaky, args: [1], dependencies: [spins]",
    ]);
    let attempt = |arguments: &[&str], words: &str| Background::until(&folder, arguments, words).kill();
    attempt(&["run", "last", "--deps"], "spins: build 2 started");
    attempt(&["run", "spins", "--deps"], "spins: build 2 attempt 2 of 3 started");
    // A rerun of that very build goes on with it as well.
    attempt(&["build", "rerun", "2", "--from-failed"], "spins: build 2 attempt 3 of 3 started");
    assert_eq!(folder.json(&["builds"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_build_that_waits_survives_its_process() {
    let folder = jobs(&[
        "id: flaky, function: attempts:flaky, args: [2], retry: { attempts: 2, initial: 2s, max: 2s, jitter: false }",
    ]);
    Background::until(&folder, &["run", "flaky"], "attempt 2 follows in 2s").kill();
    folder
        .run(&["run", "flaky"])
        .code(0)
        .stdout("2\n")
        .says("build 1 was interrupted: its attempt 2 of 2 can follow")
        .says("flaky: build 1 is taken over; attempt 2 of 2 follows in ")
        .says("flaky: build 1 attempt 2 of 2 started");
    assert_eq!(kinds(&shown(&folder, "1")), [json!("trap"), Value::Null]);
}

#[test]
fn another_build_than_the_interrupted_one_is_made_anew() {
    let job = |args: &str| {
        format!("id: spins, function: attempts:flaky, args: [{args}], retry: {{ attempts: 2, initial: 1h, max: 1h }}")
    };
    let folder = jobs(&[&job("9")]);
    Background::until(&folder, &["run", "spins"], "attempt 2 follows").kill();
    folder.write("jobs/jobs.yaml", format!("jobs:\n  - {{ {} }}\n", job("1")));
    folder.run(&["run", "spins"]).code(0).stdout("1\n").says("spins: build 2 started");
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], &build["interrupted"]), (&json!("RUNNING"), &json!(true)));
    // After a day nobody is expected any more.
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    let day =
        "UPDATE build SET start_time = start_time - 90000000000, retry_time = retry_time - 90000000000 WHERE id = 1";
    db.execute_batch(day).unwrap();
    folder.run(&["run", "spins"]).code(0).says("build 1 was interrupted: the process that ran it is gone");
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], &build["exception"]["kind"]), (&json!("FAILED"), &json!("interrupted")));
}

#[test]
fn of_several_interrupted_builds_of_a_job_one_is_taken_over_and_the_others_wait() {
    let folder = jobs(&["id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1ms, max: 1ms }"]);
    let first = Background::until(&folder, &["run", "spins"], "build 1 started");
    Background::until(&folder, &["run", "spins"], "build 2 started").kill();
    first.kill();
    let third = Background::until(&folder, &["run", "spins"], "spins: build 1 attempt 2 of 3 started");
    let build = shown(&folder, "2");
    assert_eq!((&build["status"], &build["interrupted"]), (&json!("RUNNING"), &json!(true)));
    let build = shown(&folder, "1");
    assert_eq!((&build["status"], &build["interrupted"]), (&json!("RUNNING"), &json!(false)));
    third.kill();
}

#[test]
fn an_interrupted_build_can_be_cancelled_until_its_turn_comes() {
    let folder = jobs(&[
        "id: first, function: attempts:spins",
        "id: last, function: attempts:spins, dependencies: [first], retry: { attempts: 3, initial: 1ms, max: 1ms }",
    ]);
    let store = folder.path("jobcontrol.db");
    folder.run(&["store", "install"]).code(0);
    let db = Connection::open(&store).unwrap();
    // Its first success is of another day.
    db.execute_batch(
        "INSERT INTO build (job_id, created, start_time, end_time, started, finished, success, config, attempt)
         VALUES ('first', 1, 1, 1, 1, 1, 1, x'c0', 1)",
    )
    .unwrap();
    Background::until(&folder, &["run", "last"], "last: build 2 started").kill();
    let second = Background::until(&folder, &["run", "last", "--deps"], "first: build 3 started");
    folder.run(&["build", "cancel", "2"]).code(0).stdout("build 2 was cancelled\n");
    assert_eq!(shown(&folder, "2")["exception"]["kind"], "cancelled");
    second.kill();
}

#[test]
fn an_attempt_that_a_wrong_clock_put_off_is_made() {
    let folder = jobs(&["id: spins, function: attempts:spins, retry: { attempts: 3, initial: 1ms, max: 1ms }"]);
    Background::until(&folder, &["run", "spins"], "build 1 started").kill();
    let db = Connection::open(folder.path("jobcontrol.db")).unwrap();
    db.execute_batch("UPDATE build SET retry_time = 1000000 * (unixepoch() + 365 * 86400)").unwrap();
    Background::until(&folder, &["run", "spins"], "spins: build 1 attempt 2 of 3 started").kill();
}
