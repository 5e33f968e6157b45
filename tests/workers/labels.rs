//! Jobs that only some workers can run.

use serde_json::json;

use super::AtWork;
use super::broker::Broker;
use super::ended;
use crate::harness::Folder;
use crate::harness::served::Served;
use crate::harness::serving::Serving;

const JOBS: &str = "jobs:
  - { id: plain, function: add:add, args: [1, 2] }
  - { id: gpu, function: add:add, args: [3, 4], needs: { labels: [gpu] } }
  - { id: both, function: add:add, args: [5, 6], needs: { labels: [linux, gpu] } }
";

/// Starts a worker with labels.
fn labelled(folder: &Folder, broker: &Broker, labels: &[&str]) -> Serving {
    let url = broker.url();
    let mut arguments = vec!["worker", "--log", "json", "--bus", &url, "--slots", "1"];
    labels.iter().for_each(|label| arguments.extend(["--label", label]));
    let serving = Serving::of(&mut folder.command(&arguments));
    serving.record("working");
    serving
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_job_runs_on_a_worker_that_has_its_labels() {
    let broker = Broker::start();
    let folder = Folder::new().guest("add.wat").file("jobs/all.yaml", JOBS);
    let served = Served::start(&folder, &["--bus", &broker.url()]);
    let plain = AtWork::start(&broker, 1);
    folder.run(&["enqueue", "gpu", "both", "plain"]).code(0);
    served.get_until("/api/v1/builds?limit=100", |builds| builds.to_string().contains("\"id\":3,"));
    let id = |job: &str| {
        let builds = served.get("/api/v1/builds?limit=100");
        let builds = builds["builds"].as_array().unwrap().clone();
        builds.iter().find(|build| build["job_id"] == job).unwrap()["id"].as_u64().unwrap()
    };
    let (gpu, both) = (id("gpu"), id("both"));
    assert_eq!(ended(&served, id("plain"), "SUCCESSFUL")["retval"], 3);
    let log = format!("/api/v1/builds/{gpu}/log");
    served.get_until(&log, |log| log.to_string().contains("waits for a worker with the labels `gpu`: none is on the"));
    let other = Folder::new();
    let first = labelled(&other, &broker, &["gpu"]);
    assert_eq!(ended(&served, gpu, "SUCCESSFUL")["retval"], 7);
    assert_eq!(served.get(&format!("/api/v1/builds/{both}"))["status"], "CREATED");
    let second = labelled(&other, &broker, &["gpu", "linux", "big"]);
    assert_eq!(ended(&served, both, "SUCCESSFUL")["retval"], 11);
    let workers = folder.json(&["workers", "--bus", &broker.url()]);
    let mut labels: Vec<_> = workers.as_array().unwrap().iter().map(|worker| worker["labels"].clone()).collect();
    labels.sort_by_key(serde_json::Value::to_string);
    assert_eq!(labels, [json!(["big", "gpu", "linux"]), json!(["gpu"]), json!([])]);
    let metrics = String::from_utf8(served.send("GET", "/metrics", &[], "").body).unwrap();
    for line in ["jobcontrol_workers 3", "jobcontrol_worker_slots 3", "jobcontrol_worker_offers 0"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // With several sets of labels to take from, a worker loses no offer of any.
    for _ in 0..5 {
        folder.run(&["enqueue", "gpu", "both", "plain"]).code(0);
    }
    served.get_until("/api/v1/builds?limit=100", |builds| builds.to_string().contains("\"id\":18,"));
    for build in 4..=18 {
        ended(&served, build, "SUCCESSFUL");
    }
    first.kill();
    second.kill();
    drop(plain);
}

#[test]
fn a_label_is_a_short_word() {
    let folder = Folder::new();
    let refused = folder.run(&["worker", "--bus", "nats://x", "--label", "GPU"]);
    refused.code(2).says("a label has 1 to 32 lowercase letters, digits and `-`");
    let folder = folder.guest("add.wat").file("jobs/a.yaml", "id: a\nfunction: add:add\nneeds: { labels: [GPU] }\n");
    folder.run(&["check"]).code(3).tells("error[JC0626]: `GPU` cannot be a label");
}
