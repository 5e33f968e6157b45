//! A service whose attempts run on workers, over real NATS servers. The step `workers` of
//! `ci/suites.sh` installs the servers.

mod both;
mod broker;
mod chains;
mod chaos;
mod clock;
mod cluster;
mod contract;
mod credentials;
mod cut;
mod disk;
mod labels;
mod sealed;
mod signed;

use jiff::Timestamp;
use jobcontrol::bus::wire::Beat;
use jobcontrol::bus::wire::PROTOCOL;
use jobcontrol::bus::wire::encode;
use jobcontrol_core::remote::SILENCE;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

use crate::harness::Folder;
use crate::harness::served::Served;
use crate::harness::serving::Serving;
use broker::Broker;
use broker::server;

const JOBS: &str = "jobs:
  - { id: six, function: divide:divide, args: [12, 2] }
  - { id: three, function: divide:divide, args: [!retval six, 2] }
  - { id: bad, function: divide:divide, args: [1, 0] }
  - { id: spins, function: attempts:spins }
  - { id: waits, function: attempts:waits, retry: { attempts: 2, initial: 1ms, on: [interrupted] } }
  - { id: short, function: attempts:spins, timeout: 200ms }
  - { id: flaky, function: attempts:flaky, args: [3], retry: { attempts: 3, initial: 1ms } }
  - { id: large, function: large.ts:large, args: [2000000] }
  - { id: length, function: large.ts:length, args: [!retval large] }
";

/// What is larger than a message goes through an object of the broker.
const LARGE: &str = "
export function large(n: number): string { console.log('making', n); return 'x'.repeat(n) }
export function length(text: string): number { return text.length }
";

/// A folder with these jobs and their plugins.
fn folder() -> Folder {
    Folder::new().guest("divide.wat").guest("attempts.wat").file("jobs/large.ts", LARGE).file("jobs/all.yaml", JOBS)
}

fn serve(folder: &Folder, broker: &Broker) -> Served {
    Served::start(folder, &["--bus", &broker.url()])
}

/// A worker in a folder of its own.
struct AtWork {
    serving: Serving,
    pid: Pid,
    _folder: Folder,
}

impl AtWork {
    fn start(broker: &Broker, slots: u32) -> Self {
        Self::on(&broker.url(), slots)
    }

    /// On the bus of that address.
    fn on(bus: &str, slots: u32) -> Self {
        Self::within(Folder::new(), bus, &["--slots", &slots.to_string()])
    }

    /// In that folder, with these flags.
    fn within(folder: Folder, bus: &str, flags: &[&str]) -> Self {
        let mut command = folder.command(&[&["worker", "--log", "json", "--bus", bus], flags].concat());
        let serving = Serving::of(&mut command);
        let pid = serving.pid();
        serving.record("working");
        Self { serving, pid, _folder: folder }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("a worker");
    }
}

/// Creates the key of a worker in its folder, and returns the public one.
fn key(folder: &Folder) -> String {
    let key = folder.run(&["worker", "key", "--key", "worker.key"]).code(0).stdout.trim().to_owned();
    assert!(key.starts_with("age1"), "{key}");
    assert_eq!(folder.run(&["worker", "key", "--key", "worker.key"]).code(0).stdout.trim(), key, "it is kept");
    key
}

/// Serves a folder, and starts a worker that works on build 1, which waits until it is cancelled.
fn busy(folder: Folder, slots: u32) -> (Broker, Folder, Served, AtWork) {
    let broker = Broker::start();
    let served = serve(&folder, &broker);
    let worker = AtWork::start(&broker, slots);
    built(&folder, &served, "waits", 1, "RUNNING");
    worker.serving.record("attempt started");
    (broker, folder, served, worker)
}

/// Asks for a run, and waits for the build of a job with that status.
fn built(folder: &Folder, served: &Served, job: &str, build: u64, status: &str) -> Value {
    folder.run(&["enqueue", "--deps", job]).code(0);
    ended(served, build, status)
}

fn ended(served: &Served, build: u64, status: &str) -> Value {
    let path = format!("/api/v1/builds/{build}");
    served.get_until("/api/v1/builds?limit=100", |builds| builds.to_string().contains(&format!("\"id\":{build},")));
    served.get_until(&path, |build| build["status"] == status)
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_worker_that_dies_or_falls_silent_loses_its_attempt() {
    let (_broker, folder, served, silent) = busy(folder(), 1);
    silent.signal(Signal::STOP);
    let between = served.get_until("/api/v1/builds/1", |build| build["retry_time"] != Value::Null);
    assert_eq!((&between["status"], &between["attempt"]), (&json!("RUNNING"), &json!(1)), "{between:#}");
    // What it says later is refused, and it is told to stop.
    silent.signal(Signal::CONT);
    served.get_until("/api/v1/builds/1", |build| build["attempt"] == 2);
    folder.run(&["build", "cancel", "1"]).code(0);
    let build = ended(&served, 1, "FAILED");
    assert_eq!((&build["attempt"], &build["exception"]["kind"]), (&json!(2), &json!("cancelled")), "{build:#}");
    assert_eq!(built(&folder, &served, "six", 2, "SUCCESSFUL")["retval"], 6);
    silent.serving.kill();
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_worker_ends_the_attempts_of_a_service_that_is_gone() {
    let (broker, folder, served, worker) = busy(folder(), 1);
    // Killed when it is dropped.
    drop(served);
    worker.serving.record("the service does not want an attempt");
    worker.serving.record("attempt ended");
    let served = serve(&folder, &broker);
    assert_eq!(served.get_until("/api/v1/builds/1", |build| build["attempt"] == 2)["status"], "RUNNING");
    worker.serving.record("attempt started");
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_worker_that_stops_gives_its_attempt_back_and_uses_none_up() {
    let broker = Broker::start();
    let folder = folder();
    let served = serve(&folder, &broker);
    let other = Folder::new();
    let mut command =
        other.command(&["worker", "--log", "json", "--bus", &broker.url(), "--slots", "1", "--grace", "1ms"]);
    let first = Serving::of(&mut command);
    first.record("working");
    built(&folder, &served, "waits", 1, "RUNNING");
    first.record("attempt started");
    first.stop();
    let _second = AtWork::start(&broker, 1);
    built(&folder, &served, "six", 2, "CREATED");
    folder.run(&["build", "cancel", "1"]).code(0);
    assert_eq!(ended(&served, 1, "FAILED")["attempt"], 1);
    ended(&served, 2, "SUCCESSFUL");
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_worker_that_is_stopping_says_so_and_is_offered_nothing() {
    let (broker, folder, served, first) = busy(folder(), 2);
    first.signal(Signal::TERM);
    first.serving.record("stopping: no more attempts are taken");
    let workers = folder.json(&["workers", "--bus", &broker.url()]);
    assert_eq!((&workers[0]["stops"], &workers[0]["attempts"]), (&json!(true), &json!(1)), "{workers:#}");
    let page = String::from_utf8(served.send("GET", "/workers", &["Accept: text/html"], "").body).unwrap();
    assert!(page.contains("It is stopping, and takes no more builds."), "{page}");
    built(&folder, &served, "six", 2, "CREATED");
    let _second = AtWork::start(&broker, 1);
    ended(&served, 2, "SUCCESSFUL");
    folder.run(&["build", "cancel", "1"]).code(0);
    assert_eq!(ended(&served, 1, "FAILED")["attempt"], 1);
    first.serving.record("stopped");
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn the_highest_priority_runs_first_and_nothing_runs_ahead_of_it() {
    let job =
        |id, priority| format!("  - {{ id: {id}, function: divide:divide, args: [4, 2], priority: {priority} }}\n");
    let jobs = format!("jobs:\n{}{}{}", job("low", -1), job("high", 9), job("middle", 5));
    let folder = folder().file("jobs/priorities.yaml", jobs);
    let (_broker, folder, served, _worker) = busy(folder, 1);
    for (job, build) in [("low", 2), ("high", 3), ("middle", 4)] {
        built(&folder, &served, job, build, "CREATED");
    }
    folder.run(&["build", "cancel", "1"]).code(0);
    let ends: Vec<_> = [3, 4, 2].map(|id| ended(&served, id, "SUCCESSFUL")["start_time"].to_string()).into();
    assert!(ends.is_sorted(), "{ends:?}");
}

/// The retry queues for the slot, and the other build of the pool has the turn for the pool:
/// neither may wait for what the other has.
#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_retry_and_a_build_of_its_pool_do_not_wait_for_each_other() {
    let pool = "pool: db";
    let jobs = format!(
        "jobs:
  - {{ id: again, function: attempts:flaky, args: [2], {pool}, retry: {{ attempts: 2, initial: 100ms }} }}
  - {{ id: other, function: divide:divide, args: [4, 2], {pool} }}
"
    );
    let folder = folder().file("jobs/pools.yaml", jobs).file("jobcontrol.yaml", "pools: { db: 1 }\n");
    let (_broker, folder, served, _worker) = busy(folder, 1);
    built(&folder, &served, "again", 2, "CREATED");
    built(&folder, &served, "spins", 3, "CREATED");
    folder.run(&["build", "cancel", "1"]).code(0);
    served.get_until("/api/v1/builds/2", |build| build["retry_time"] != Value::Null);
    ended(&served, 3, "RUNNING");
    built(&folder, &served, "other", 4, "CREATED");
    let due =
        |build: &Value| build["retry_time"].as_str().is_some_and(|due| due < Timestamp::now().to_string().as_str());
    served.get_until("/api/v1/builds/2", due);
    folder.run(&["build", "cancel", "3"]).code(0);
    ended(&served, 4, "SUCCESSFUL");
    assert_eq!(ended(&served, 2, "SUCCESSFUL")["attempt"], 2);
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_broker_that_forgot_everything_is_set_up_again() {
    let mut broker = Broker::start();
    let folder = folder();
    let served = serve(&folder, &broker);
    let _worker = AtWork::start(&broker, 1);
    built(&folder, &served, "six", 1, "SUCCESSFUL");
    broker.forget();
    assert_eq!(built(&folder, &served, "six", 2, "SUCCESSFUL")["retval"], 6);
    // The plugin is there again, for a worker that never had it.
    let _other = AtWork::start(&broker, 1);
    assert_eq!(built(&folder, &served, "three", 3, "SUCCESSFUL")["retval"], 3);
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_broker_or_a_service_that_stands_still_costs_no_attempt() {
    let (broker, folder, served, _worker) = busy(folder(), 1);
    let stopped = [Some(served.pid()), None];
    for service in stopped {
        let signal = |signal| match service {
            Some(pid) => kill_process(pid, signal).expect("a service"),
            None => broker.signal(signal),
        };
        signal(Signal::STOP);
        broker.pass(SILENCE + Duration::from_secs(2));
        signal(Signal::CONT);
        // After so many heartbeats, a worker that counted as silent would have lost it.
        served.get_until("/api/v1/builds/1", |build| build["status"] == "RUNNING");
    }
    folder.run(&["build", "cancel", "1"]).code(0);
    let build = ended(&served, 1, "FAILED");
    assert_eq!((&build["attempt"], &build["exception"]["kind"]), (&json!(1), &json!("cancelled")), "{build:#}");
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn messages_that_make_no_sense_harm_nobody() {
    let broker = Broker::start();
    let folder = folder().file("jobcontrol.yaml", format!("bus: {{ url: \"{}\" }}\n", broker.url()));
    let served = Served::start(&folder, &[]);
    let _worker = AtWork::start(&broker, 1);
    for subject in ["jobcontrol.offer.any", "jobcontrol.beat", "jobcontrol.report.nobody"] {
        for bytes in [&b""[..], b"{}", b"\x81\xa6worker\xc0", &[0xdd, 0xff, 0xff, 0xff, 0xff]] {
            broker.publish(subject, bytes);
        }
    }
    assert_eq!(built(&folder, &served, "six", 1, "SUCCESSFUL")["retval"], 6);
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_worker_of_another_protocol_is_named_with_both_versions() {
    let broker = Broker::start();
    let folder = folder();
    let served = serve(&folder, &broker);
    built(&folder, &served, "six", 1, "CREATED");
    let beat = Beat {
        protocol: PROTOCOL + 1,
        version: "9.0.0".to_owned(),
        worker: "newer".to_owned(),
        slots: 1,
        labels: Vec::new(),
        stops: false,
        public: None,
        works_on: Vec::new(),
    };
    broker.publish("jobcontrol.beat", &encode(&beat).unwrap());
    let both = format!("version {} of the protocol, not {PROTOCOL}", PROTOCOL + 1);
    let page = served.send("GET", "/workers", &["Accept: text/html"], "");
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("newer") && page.contains(&both), "{page}");
    served.get_until("/api/v1/builds/1/log", |log| log.to_string().contains("waits for a worker: none is on the bus"));
    // An offer of another version is left to others.
    let _worker = AtWork::start(&broker, 1);
    assert_eq!(ended(&served, 1, "SUCCESSFUL")["retval"], 6);
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_broker_that_does_not_do_is_refused_with_the_reason() {
    let folder = folder();
    let plain = Broker::of(&server("JOBCONTROL_NATS"), false);
    folder.run(&["worker", "--bus", &plain.url()]).code(1).says("has no JetStream");
    let old = Broker::of(&server("JOBCONTROL_OLD_NATS"), true);
    folder.run(&["serve", "--listen", "off", "--bus", &old.url()]).code(1).says("version 2.12 or newer is needed");
    folder.run(&["worker", "--bus", "nats://127.0.0.1:1"]).code(1).says("the bus `nats://127.0.0.1:1`");
}

#[test]
fn a_bus_is_an_address_and_a_worker_needs_one() {
    let folder = Folder::new();
    folder.run(&["worker"]).code(2).says("add `--bus nats://HOST:4222`");
    folder.run(&["worker", "--bus", "http://x"]).code(2).says("`http://x` is not the address of a NATS server");
    folder.run(&["serve", "--bus", "nats://:1"]).code(2).says("does not name a host");
    folder.run(&["worker", "--bus", "nats://x", "--slots", "0"]).code(2).says("0 is not in 1..=1000");
}
