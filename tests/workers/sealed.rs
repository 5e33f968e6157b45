//! Secrets of jobs that run on workers.

use jobcontrol::bus::wire::Beat;
use jobcontrol::bus::wire::PROTOCOL;
use jobcontrol::bus::wire::encode;
use jobcontrol_core::labels::KEYED;

use super::broker::Broker;
use super::built;
use super::ended;
use super::key;
use crate::harness::Folder;
use crate::harness::served::Served;
use crate::harness::serving::Serving;

const SECRET: &str = "hunter2-hunter2-hunter2";

const SCRIPT: &str = "
export function told(token: string, n: number): number { console.log('the token is', token); return token.length }
export function big(token: string, text: string): number { return token.length + text.length }
export function leaked(token: string): string { return token }
";

/// The second argument is too large for a message of the broker.
fn jobs() -> String {
    format!(
        "jobs:
  - {{ id: told, function: told.ts:told, args: [!secret TOKEN, 1] }}
  - {{ id: leaked, function: told.ts:leaked, args: [!secret TOKEN] }}
  - {{ id: large, function: told.ts:big, args: [!secret TOKEN, \"{}\"] }}
  - {{ id: both, function: told.ts:told, args: [!secret TOKEN, 2], needs: {{ labels: [gpu] }} }}
",
        "x".repeat(700_000)
    )
}

fn work(folder: &Folder, broker: &Broker, more: &[&str]) -> Serving {
    let url = broker.url();
    let arguments = ["worker", "--log", "json", "--bus", &url, "--slots", "1"];
    let serving = Serving::of(&mut folder.command(&[&arguments, more].concat()));
    serving.record("working");
    serving
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn only_listed_workers_get_secrets() {
    let broker = Broker::start();
    let (listed, other) = (Folder::new(), Folder::new());
    let (listed_key, other_key) = (key(&listed), key(&other));
    assert_ne!(listed_key, other_key);
    let operator = format!("secrets: {{ TOKEN: {{ file: token }} }}\nworkers: [{listed_key}]\n");
    let folder = Folder::new().file("jobs/told.ts", SCRIPT).file("jobs/all.yaml", jobs()).file("token", SECRET);
    std::fs::set_permissions(folder.path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder.write("jobcontrol.yaml", operator);
    let served = Served::start(&folder, &["--bus", &broker.url()]);
    let plain = work(&Folder::new(), &broker, &[]);
    built(&folder, &served, "told", 1, "CREATED");
    let log = "/api/v1/builds/1/log";
    served.get_until(log, |log| log.to_string().contains("because the job has secrets: none is on the bus"));
    // A worker with another key is offered nothing.
    let refused = work(&other, &broker, &["--key", "worker.key"]);
    let page = String::from_utf8(served.send("GET", "/workers", &["Accept: text/html"], "").body).unwrap();
    assert!(page.contains("Its key is not listed in <code>workers:</code>"), "{page}");
    assert_eq!(served.get("/api/v1/builds/1")["status"], "CREATED");
    // If one that could have it seems to be there, it may get the offer, and gives it back.
    let beat = Beat {
        protocol: PROTOCOL,
        version: String::new(),
        worker: "silent".to_owned(),
        slots: 1,
        labels: vec![KEYED.to_owned()],
        stops: false,
        public: Some(listed_key),
        works_on: Vec::new(),
    };
    broker.publish("jobcontrol.beat", &encode(&beat).unwrap());
    refused.record("the service does not list this worker's key, and so sends it no secrets");
    refused.stop();
    let sealed = work(&listed, &broker, &["--key", "worker.key", "--label", "gpu"]);
    let told = ended(&served, 1, "SUCCESSFUL");
    assert_eq!(told["retval"], SECRET.len() as f64);
    let log = served.get(log).to_string();
    assert!(log.contains("the token is") && !log.contains("hunter2"), "{log}");
    for (build, job) in [(2, "leaked"), (3, "both"), (4, "large")] {
        let ended = built(&folder, &served, job, build, if job == "leaked" { "FAILED" } else { "SUCCESSFUL" });
        match job {
            "leaked" => assert!(ended["exception"].to_string().contains("TOKEN"), "{ended:#}"),
            "both" => assert_eq!(ended["retval"], SECRET.len() as f64),
            _ => assert_eq!(ended["retval"], (SECRET.len() + 700_000) as f64),
        }
        assert!(!ended.to_string().contains("hunter2"), "{ended:#}");
    }
    assert!(!broker.has_stored(b"hunter2"), "the broker never has a secret");
    plain.kill();
    sealed.kill();
}

#[test]
fn a_listed_worker_is_listed_by_its_public_key() {
    let folder = Folder::new().file("jobcontrol.yaml", "workers: [age1short]\n");
    folder.run(&["check"]).code(3).says("error[JC0625]: `age1short` is not the public key of a worker");
    folder.write("jobcontrol.yaml", "");
    folder.run(&["worker", "--bus", "nats://x", "--key", "none"]).code(2).says("there is no key `none`");
    folder
        .run(&["worker", "--bus", "nats://x", "--label", "has-key"])
        .code(2)
        .says("has the label `has-key` by itself");
    folder.write("worker.key", "AGE-SECRET-KEY-1\n");
    folder.run(&["worker", "key", "--key", "worker.key"]).code(1).says("run `chmod 600 worker.key`");
}
