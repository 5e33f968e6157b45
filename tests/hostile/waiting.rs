//! A thousand jobs of one plugin that takes long to compile: a job of another plugin does not wait
//! for it.

use std::fmt::Write;

use crate::harness::Folder;

/// More than there are threads for waiting.
const JOBS: usize = 1_000;

#[test]
fn more_jobs_of_one_plugin_than_there_are_threads() {
    let branch = "(local.set 0 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.load (local.get 0))))
        (if (local.get 1) (then (local.set 1 (i32.const 5))))";
    let plugin = format!(
        "(module (memory 1) (func (export \"f\") (result i32) (local i32 i32) {} (local.get 0)))",
        branch.repeat(20_000)
    );
    let mut jobs = "jobs:\n".to_owned();
    for at in 0..JOBS {
        writeln!(jobs, "  - {{ id: a-{at}, function: evil:f }}").expect("a text");
    }
    let folder = Folder::beside_good()
        .file("jobs/evil.wat", plugin)
        .file("jobs/evil.yaml", jobs)
        .file("jobcontrol.yaml", "compile: { timeout: 10m, memory: 8 GiB }\n");
    let names: Vec<_> = (0..JOBS).map(|at| format!("a-{at}")).collect();
    let mut arguments = vec!["run"];
    arguments.extend(names.iter().map(String::as_str));
    arguments.extend(["good", "--cache", "cache"]);
    let mut run = folder.bounded(&arguments);
    run.until_child("compile");
    run.until(|| {
        let builds = folder.json(&["builds", "--no-skipped"]);
        builds.as_array().is_some_and(|builds| {
            builds.iter().any(|build| build["job_id"] == "good" && build["status"] == "SUCCESSFUL")
        })
    });
    run.kill();
    run.end();
}
