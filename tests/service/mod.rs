//! `serve`: each test waits for records of the service's own log.

#![expect(clippy::unwrap_used, reason = "a rule that is broken ends its test")]

mod changes;
mod queue;
mod schedules;
mod soak;
mod stops;

use serde_json::Value;

use crate::harness::Folder;

/// A job that waits for the file `data/go`, and fails if there is a file `data/bad`.
const WAITS: &str = "function: shared_until, grants: { files: [{ host: ./data, guest: /data, mode: read }] }";

/// A folder with the plugins `add` and `shared_until`, and a job on each line.
fn folder(jobs: &[&str]) -> Folder {
    let lines: String = jobs.iter().map(|job| format!("  - {{ {job} }}\n")).collect();
    let folder = Folder::new().guest("add.wat").guest("shared_until.wat").guest("attempts.wat");
    std::fs::create_dir_all(folder.path("jobs/data")).unwrap();
    folder.file("jobs/jobs.yaml", format!("jobs:\n{lines}"))
}

/// `job STATUS` of each build, oldest first.
fn builds(folder: &Folder) -> Vec<String> {
    let builds = folder.json(&["builds"]);
    let told = |build: &Value| format!("{} {}", build["job_id"].as_str().unwrap(), build["status"].as_str().unwrap());
    builds.as_array().unwrap().iter().map(told).collect()
}

/// `targets STATUS requester` of each run, oldest first.
fn runs(folder: &Folder) -> Vec<String> {
    let runs = folder.json(&["runs"]);
    let told = |run: &Value| {
        let targets: Vec<_> = run["targets"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        format!("{} {} {}", targets.join(","), run["status"].as_str().unwrap(), run["requested_by"].as_str().unwrap())
    };
    runs.as_array().unwrap().iter().map(told).collect()
}
