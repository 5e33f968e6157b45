//! `build rerun --from-failed` of runs that were killed, cancelled, or that go on.

use std::collections::BTreeMap;

use serde_json::json;

use super::Background;
use super::jobs;
use crate::harness::Folder;

/// How many builds each job has.
fn counts(folder: &Folder) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for build in folder.json(&["builds", "--limit", "1000"]).as_array().unwrap() {
        *counts.entry(build["job_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn what_a_dead_run_left_is_built_from_failed() {
    let folder = jobs(&[]);
    let both =
        "jobs:\n  - { id: first, function: attempts:flaky, args: [1] }\n  - { id: spins, dependencies: [first], ";
    folder.write("jobs/jobs.yaml", format!("{both}function: attempts:spins }}\n"));
    Background::until(&folder, &["run", "--deps", "spins"], "spins: build 2 started").kill();
    folder.write("jobs/jobs.yaml", format!("{both}function: attempts:flaky, args: [1] }}\n"));
    folder.run(&["build", "rerun", "1", "--from-failed"]).code(0);
    let builds = folder.json(&["builds"]);
    let told: Vec<_> = builds.as_array().unwrap().iter().map(|b| (b["job_id"].clone(), b["status"].clone())).collect();
    let expected = [("first", "SUCCESSFUL"), ("spins", "FAILED"), ("spins", "SUCCESSFUL")];
    assert_eq!(told, expected.map(|(job, status)| (json!(job), json!(status))));
}

/// `all` of one job more than there are slots, each of which needs `base`.
fn crowd(function: &str) -> String {
    let ids: Vec<_> = (0..=jobcontrol::execute::slots::SLOTS).map(|i| format!("w{i}")).collect();
    let base = "jobs:\n  - { id: base, function: attempts:flaky, args: [1] }\n";
    let job = |id: &String| format!("  - {{ id: {id}, dependencies: [base], {function} }}\n");
    let jobs: String = ids.iter().map(job).collect();
    let ids = ids.join(", ");
    format!("{base}{jobs}  - {{ id: all, dependencies: [{ids}], function: attempts:flaky, args: [1] }}\n")
}

#[test]
fn what_had_not_begun_is_a_part_of_the_rest() {
    let folder = jobs(&[]);
    folder.write("jobs/jobs.yaml", crowd("function: attempts:spins"));
    folder.run(&["run", "base"]).code(0);
    let words = [(" started", jobcontrol::execute::slots::SLOTS), ("waits for a slot", 1)];
    Background::until_each(&folder, &["run", "all", "--deps", "-v"], &words).kill();
    folder.write("jobs/jobs.yaml", crowd("function: attempts:flaky, args: [1]"));
    let answer = folder.run(&["build", "rerun", "2", "--from-failed"]).code(0);
    let ended = answer.stderr.matches("SUCCESSFUL").count();
    assert_eq!(ended, jobcontrol::execute::slots::SLOTS + 2, "{answer:#?}");
    let counts = counts(&folder);
    // One of the crowd had no slot when its run was killed: its build waited, and never started.
    let twice = counts.values().filter(|count| **count == 2).count();
    assert_eq!((counts["base"], counts["all"], twice), (1, 1, jobcontrol::execute::slots::SLOTS + 1), "{counts:?}");
    let waited = folder.json(&["builds", "--no-success", "--no-started"]);
    let told: Vec<_> = waited.as_array().unwrap().iter().map(|build| build["exception"].clone()).collect();
    assert_eq!(told, [json!({ "kind": "cancelled", "message": "its process ended before it started" })]);
}

#[test]
fn a_pin_that_was_chosen_for_a_run_is_one_for_its_rest() {
    let folder = jobs(&[]);
    let jobs = |function: &str| {
        format!(
            "jobs:\n  - {{ id: base, function: attempts:flaky, args: [1] }}\n  - {{ id: spins, {function} }}\n  \
             - {{ id: end, function: attempts:flaky, args: [!retval base], dependencies: [spins] }}\n"
        )
    };
    folder.write("jobs/jobs.yaml", jobs("function: attempts:spins"));
    folder.run(&["run", "base"]).code(0);
    folder.run(&["run", "base"]).code(0);
    Background::until(&folder, &["run", "end", "--deps", "--pin", "base=1"], "spins: build 3 started").kill();
    folder.write("jobs/jobs.yaml", jobs("function: attempts:flaky, args: [1]"));
    folder.run(&["build", "rerun", "3", "--from-failed"]).code(0);
    let end = folder.json(&["build", "show", "5"]);
    assert_eq!((&end["job_id"], &end["pins"]["base"]["build"]), (&json!("end"), &json!(1)));
}

#[test]
fn the_rest_of_a_run_that_goes_on_is_not_known_yet() {
    let folder = jobs(&["id: bad, function: attempts:flaky, args: [9]", "id: spins, function: attempts:spins"]);
    let run = Background::until(&folder, &["run", "bad", "spins"], "FAILED");
    let bad = folder.json(&["builds", "bad"])[0]["id"].to_string();
    let says = "run 1 is still running; wait for it to end, then rerun what failed";
    folder.run(&["build", "rerun", &bad, "--from-failed"]).code(2).says(says);
    folder.run(&["runs", "rerun", "1", "--from-failed"]).code(2).says(says);
    run.kill();
}
