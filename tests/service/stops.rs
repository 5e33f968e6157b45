//! Services that stop, die, and share a store.

use crate::harness::serving::Serving;
use crate::harness::serving::says;

use super::WAITS;
use super::builds;
use super::folder;
use super::runs;

#[test]
fn what_runs_may_end_and_the_rest_is_taken_up_by_the_next_start() {
    let waits = format!("id: waits, {WAITS}");
    let folder = folder(&[&waits, "id: after, function: add:add, args: [1, 2], dependencies: [waits]"]);
    let serving = Serving::start(&folder, &[]);
    folder.run(&["enqueue", "after", "--deps"]).code(0);
    serving.until(|record| says(record, "build started"));
    serving.ask_to_stop();
    serving.until(|record| says(record, "stopping"));
    folder.write("jobs/data/go", "");
    let said = serving.until(|record| says(record, "stopped"));
    let stopped = said.last().unwrap();
    assert_eq!((&stopped["running"], &stopped["runs_left"]), (&0.into(), &1.into()));
    drop(serving);
    assert_eq!(runs(&folder), ["after WAITING cli:unknown"]);
    let serving = Serving::start(&folder, &[]);
    assert_eq!(serving.run_ended()["failed"], 0);
    serving.stop();
    assert_eq!(builds(&folder), ["waits SUCCESSFUL", "after SUCCESSFUL"]);
}

#[test]
fn a_build_that_takes_longer_than_the_grace_is_interrupted_and_tried_again() {
    let waits = format!("id: waits, {WAITS}, retry: {{ attempts: 3, initial: 1ms }}");
    let folder = folder(&[&waits]);
    let serving = Serving::start(&folder, &["--grace", "1ms"]);
    folder.run(&["enqueue", "waits"]).code(0);
    serving.until(|record| says(record, "build started"));
    serving.stop();
    folder.write("jobs/data/go", "");
    let serving = Serving::start(&folder, &[]);
    assert_eq!(serving.built("waits")["status"], "SUCCESSFUL");
    serving.stop();
    assert_eq!(folder.json(&["build", "show", "1"])["attempt"], 2);
}

#[test]
fn the_runs_of_a_service_that_was_killed_go_on_in_the_next_one() {
    let waits = format!("id: waits, {WAITS}, retry: {{ attempts: 2, initial: 1ms }}");
    let once = format!("id: once, {WAITS}");
    let folder = folder(&[&waits, &once, "id: after, function: add:add, args: [1, 2], dependencies: [waits]"]);
    let serving = Serving::start(&folder, &[]);
    folder.run(&["enqueue", "after", "--deps"]).code(0);
    serving.until(|record| says(record, "build started"));
    folder.run(&["enqueue", "once"]).code(0);
    serving.until(|record| says(record, "build started"));
    serving.kill();
    folder.write("jobs/data/go", "");
    let serving = Serving::start(&folder, &[]);
    serving.run_ended();
    serving.run_ended();
    serving.stop();
    assert_eq!(runs(&folder), ["after SUCCESSFUL cli:unknown", "once FAILED cli:unknown"]);
    assert_eq!(builds(&folder), ["waits SUCCESSFUL", "once FAILED", "after SUCCESSFUL"]);
    assert_eq!(folder.json(&["build", "show", "2"])["exception"]["kind"], "interrupted");
}

#[test]
fn of_two_services_one_leads_and_the_other_goes_on_after_its_end() {
    let waits = format!("id: waits, {WAITS}, retry: {{ attempts: 3, initial: 1ms }}");
    let folder = folder(&[&waits, "id: tick, function: add:add, args: [1, 2], schedule: '* * * * * *'"]);
    let first = Serving::start(&folder, &[]);
    // It leads before it serves.
    let second = Serving::start(&folder, &[]);
    folder.run(&["enqueue", "waits"]).code(0);
    first.built("tick");
    first.kill();
    second.until(|record| says(record, "this service leads"));
    second.until(|record| says(record, "run due"));
    folder.write("jobs/data/go", "");
    second.built("waits");
    second.stop();
    // No due time has two runs.
    let all = folder.json(&["runs"]);
    let dues = all.as_array().unwrap().iter().filter(|run| run["requested_by"] == "schedule:tick");
    let dues: Vec<_> = dues.map(|run| run["created"].as_str().unwrap()[..19].to_owned()).collect();
    let mut once = dues.clone();
    once.dedup();
    assert!(dues.len() - once.len() <= 1, "{dues:?}");
    assert!(folder.run(&["run", "tick"]).code == 0, "a run beside services harms nothing");
}
