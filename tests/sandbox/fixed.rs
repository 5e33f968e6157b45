//! Clocks and random numbers that are the same in each build.

use serde_json::Value;

use crate::harness::Folder;

fn run(function: &str, grants: &str) -> Value {
    let job = format!("{{ id: j, function: sdk:{function}, grants: {grants} }}");
    let folder = Folder::new().guest("sdk.wasm").file("jobs/j.yaml", job);
    let build = folder.json(&["run", "j"]);
    assert_eq!(build["status"], "SUCCESSFUL", "{build:#}");
    build["retval"].clone()
}

#[test]
fn a_fixed_clock_stands_still_and_one_that_only_goes_on_goes_on() {
    let fixed = run("clocks", "{ clock: \"fixed(2026-01-01T00:00:10Z)\" }");
    assert_eq!(fixed, serde_json::json!([1_767_225_610, true]));
    assert!(run("clocks", "{}")[0].as_u64().unwrap_or(0) > 1_767_225_610);
}

#[test]
fn seeded_random_numbers_are_the_same_each_time() {
    let one = run("chance", "{ random: seeded(1) }");
    assert_eq!(one, run("chance", "{ random: seeded(1) }"));
    assert_ne!(one, run("chance", "{ random: seeded(2) }"));
    assert_ne!(run("chance", "{}"), run("chance", "{}"));
}

#[test]
fn a_rerun_has_the_same_clock_and_another_one_makes_the_job_outdated() {
    let job =
        |clock: &str| format!("{{ id: j, function: sdk:clocks, grants: {{ clock: {clock}, random: seeded(7) }} }}");
    let folder = Folder::new().guest("sdk.wasm").file("jobs/j.yaml", job("fixed(2026-01-01)"));
    folder.run(&["run", "j"]).code(0);
    folder.run(&["build", "rerun", "j"]).code(0).tells("1767225600");
    let status = || folder.json(&["job", "j"])["status"].clone();
    assert_eq!(status(), "success");
    folder.write("jobs/j.yaml", job("fixed(2026-01-02)"));
    assert_eq!(status(), "outdated");
    folder
        .run(&["build", "show", "j"])
        .code(0)
        .tells("clock fixed at 2026-01-01T00:00:00.000000Z, random numbers of seed 7");
}
