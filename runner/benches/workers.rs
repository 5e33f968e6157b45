//! Measures workers on a bus, beside the same service without one: trivial builds per second, the
//! time of a single build, jobs that compute, and builds that log a lot. Broker, services and
//! workers are processes of this machine and share its processors, so this shows what the bus
//! costs, not what more machines bring. `JOBCONTROL_NATS=PATH cargo bench --bench workers [--
//! PART]`, where PATH is a NATS server, and a part is one of the words in `PARTS`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

/// The number of trivial builds in one run.
const BUILDS: usize = 4_000;
/// The slots of each worker for them: four workers run as many builds at once as one service does.
const SLOTS: usize = 16;
/// The number of single builds, one after the other.
const SINGLE: usize = 300;
/// The number of jobs that compute.
const COMPUTING: usize = 20;
/// The number of jobs that run beside single builds: more than end in the time that these take.
const BESIDE: usize = 400;
/// The number of times that each thing is measured, in turns: the machine drifts.
const ROUNDS: usize = 3;
/// The pause before each single build: one client may send 50 requests per second.
const BETWEEN: Duration = Duration::from_millis(25);

/// What the jobs do.
const ADDS: &str = "function: add:add, args: [40, 2]";
const COUNTS: &str = "function: count:count, args: [150000000]";
const LOGS: &str = "function: log_raw:write, args: [1, 0, 100, 0, 0, 1000]";

/// Computes for as many rounds as it is told, 150,000,000 in about 200 ms. The engine does
/// not shorten the loop.
const COUNT: &str = r#"
(component
  (core module $m
    (func (export "count") (param $rounds i32) (result i32) (local $value i32)
      (loop $again
        (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 1664525)) (i32.const 1013904223)))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br_if $again (local.get $rounds)))
      (local.get $value))
  )
  (core instance $i (instantiate $m))
  (func (export "count") (param "rounds" u32) (result u32) (canon lift (core func $i "count")))
)
"#;

/// What runs on the other slot of a worker while single builds are measured. Builds that compute
/// show what a busy processor costs without any records.
const KINDS: [(&str, Option<&str>); 3] = [
    ("alone", None),
    ("beside builds that compute", Some("count")),
    ("beside builds that log 1,000 records each", Some("log")),
];

const PARTS: [(&str, fn()); 4] = [("many", many), ("single", single), ("compute", compute), ("log", log)];

fn main() {
    let named = |part: &str| std::env::args().skip(1).any(|arg| arg == part);
    let any = PARTS.iter().any(|(part, _)| named(part));
    println!("processors: {}", std::thread::available_parallelism().unwrap());
    PARTS.iter().filter(|(part, _)| !any || named(part)).for_each(|(_, measure)| measure());
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Process {
    /// Starts a command, and reads its log until `find` finds something in a line.
    fn start<T>(command: &mut Command, mut find: impl FnMut(&str) -> Option<T>) -> (Self, T) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        // Whatever comes of the start, the child ends with this.
        let process = Self(child);
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the process has ended: {said}");
            if let Some(found) = find(&line) {
                // Read on, so that the pipe never fills.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return (process, found);
            }
            said.push_str(&line);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a broker that keeps its files in a folder, and returns what `--bus` takes.
fn broker(folder: &Path) -> (Process, String) {
    let program = std::env::var_os("JOBCONTROL_NATS");
    let mut command = Command::new(program.unwrap_or_else(|| panic!("JOBCONTROL_NATS names no NATS server")));
    command.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]).arg(folder);
    let mut port = String::new();
    Process::start(&mut command, |line| {
        if let Some((_, address)) = line.split_once("Listening for client connections on 127.0.0.1:") {
            port = address.trim().to_owned();
        }
        line.contains("Server is ready").then(|| format!("nats://127.0.0.1:{port}"))
    })
}

/// Returns the program in a new folder, with a clean environment.
fn program(folder: &Path) -> Command {
    std::fs::create_dir_all(folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobcontrol"));
    // A worker on another machine has a cache of its own too.
    command.current_dir(folder).env_clear().env("JOBCONTROL_CACHE", folder.join("cache"));
    command
}

/// Where a service's builds run.
#[derive(Clone, Copy)]
enum On {
    /// In the service.
    Service,
    /// On a worker inside the service.
    Local,
    /// On this many workers of so many slots.
    Workers(usize, usize),
}

/// A service in a temporary folder, with its workers and their broker, if it has any.
struct Service {
    address: String,
    _processes: Vec<Process>,
    _folder: TempDir,
}

impl Service {
    /// Starts a service with these jobs.
    fn start(jobs: &str, on: On) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (workers, slots) = if let On::Workers(workers, slots) = on { (workers, slots) } else { (0, 0) };
        let (broker, url) = (workers > 0).then(|| broker(&folder.path().join("broker"))).unzip();
        let url = if matches!(on, On::Local) { Some("local".to_owned()) } else { url };
        let bus: Vec<&str> = url.iter().flat_map(|url| ["--bus", url.as_str()]).collect();
        let own = folder.path().join("service");
        fill(&own, jobs);
        let serve = ["serve", "--log", "json", "--listen", "127.0.0.1:0"];
        let (service, address) = Process::start(program(&own).args(serve).args(&bus), address);
        let mut processes: Vec<Process> = broker.into_iter().chain([service]).collect();
        for worker in 0..workers {
            let mut command = program(&folder.path().join(format!("worker-{worker}")));
            command.args(["worker", "--log", "json", "--slots"]).arg(slots.to_string()).args(&bus);
            let (worker, ()) = Process::start(&mut command, |line| line.contains("\"working\"").then_some(()));
            processes.push(worker);
        }
        Self { address, _processes: processes, _folder: folder }
    }
}

/// Writes the files of a service.
fn fill(folder: &Path, jobs: &str) {
    let inside = folder.join("jobs");
    std::fs::create_dir_all(&inside).unwrap();
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests");
    for guest in ["add.wat", "log_raw.wat"] {
        std::fs::copy(guests.join(guest), inside.join(guest)).unwrap();
    }
    std::fs::write(inside.join("count.wat"), COUNT).unwrap();
    std::fs::write(inside.join("jobs.yaml"), format!("jobs:\n{jobs}")).unwrap();
    std::fs::write(folder.join("jobcontrol.yaml"), "pools: { beside: 1 }\n").unwrap();
}

/// Returns the lines of a manifest with this many jobs of one kind.
fn jobs(name: &str, count: usize, what: &str) -> String {
    (0..count).map(|job| format!("  - {{ id: {name}-{job}, {what} }}\n")).collect()
}

/// Finds out where a service listens, in a line of its log.
fn address(line: &str) -> Option<String> {
    let record: Value = serde_json::from_str(line).ok()?;
    Some(record["address"].as_str()?.strip_prefix("http://")?.to_owned())
}

/// A connection to a service.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(service: &Service) -> Self {
        let connection = TcpStream::connect(&service.address).unwrap();
        connection.set_nodelay(true).unwrap();
        Self(BufReader::new(connection))
    }

    /// Sends a request, and returns the document that it is answered with.
    fn send(&mut self, method: &str, path: &str, body: &str) -> Value {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
        self.0.read_line(&mut status).unwrap();
        while line != "\r\n" {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the service has ended the connection: {status}");
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        assert!(status.starts_with("HTTP/1.1 20"), "{status}{}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    }

    /// Builds the jobs that a pattern matches, and returns their run once it has ended.
    fn run(&mut self, pattern: &str) -> Value {
        let run = self.send("POST", "/api/v1/runs?wait=60", &json!({ "targets": [pattern] }).to_string());
        assert_eq!(run["status"], "SUCCESSFUL", "{}", run["builds"]);
        run
    }

    /// Measures one build, from the request until the answer that it has ended.
    fn single(&mut self) -> Duration {
        std::thread::sleep(BETWEEN);
        let since = Instant::now();
        self.run("add-0");
        since.elapsed()
    }
}

/// Builds the jobs that a pattern matches in one run, and returns how many seconds that took by the
/// times in the run. They leave out the choice of the jobs and an answer that lists all of them,
/// which are the same with and without a bus.
fn took(service: &Service, pattern: &str) -> f64 {
    let run = Client::of(service).run(pattern);
    let at = |time: &str| run[time].as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond();
    (at("end_time") - at("created")) as f64 / 1e6
}

/// Measures two things in turns, and returns the median of each.
fn in_turns(one: impl Fn() -> f64, other: impl Fn() -> f64) -> (f64, f64) {
    // The first ones compile the plugins.
    one();
    other();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(one());
        second.push(other());
    }
    (median(first), median(second))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Returns the milliseconds that this percentage of the times does not exceed.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1000.0
}

/// Measures one run of many trivial jobs.
fn many() {
    let list = jobs("add", BUILDS, ADDS);
    let plain = Service::start(&list, On::Service);
    for workers in [0, 1, 2, 4] {
        let on = if workers == 0 { On::Local } else { On::Workers(workers, SLOTS) };
        let on_what = match on {
            On::Local => "on a worker inside the service".to_owned(),
            _ => format!("with {workers} workers of {SLOTS} slots"),
        };
        let bus = Service::start(&list, on);
        let (without, with) = in_turns(|| took(&plain, "add-*"), || took(&bus, "add-*"));
        let (without, with) = (BUILDS as f64 / without, BUILDS as f64 / with);
        println!(
            "trivial builds a second, {BUILDS} in one run: {with:.0} {on_what}, {without:.0} without a bus: {:.0}%",
            100.0 * with / without
        );
    }
}

/// Measures trivial builds one after the other, over HTTP.
fn single() {
    let list = jobs("add", 1, ADDS);
    let services = [On::Service, On::Local, On::Workers(1, 1)].map(|on| Service::start(&list, on));
    let mut clients = services.each_ref().map(Client::of);
    let mut times: [Vec<Duration>; 3] = Default::default();
    // The first ones compile the plugin.
    clients.iter_mut().for_each(|client| _ = client.single());
    for _ in 0..SINGLE {
        clients.iter_mut().zip(&mut times).for_each(|(client, times)| times.push(client.single()));
    }
    for percent in [50, 99] {
        let [without, local, with] = times.each_mut().map(|times| percentile(times, percent));
        println!(
            "one build at a time, p{percent}: {with:.2} ms with a worker, {local:.2} ms with one inside the service, \
             {without:.2} ms without a bus: {:.2} and {:.2} times",
            with / without,
            local / without
        );
    }
}

/// Measures jobs that compute, on one worker and on two.
fn compute() {
    let list = jobs("count", COMPUTING, COUNTS);
    let [one, two] = [1, 2].map(|workers| Service::start(&list, On::Workers(workers, 1)));
    let (one, two) = in_turns(|| took(&one, "count-*"), || took(&two, "count-*"));
    println!(
        "{COMPUTING} jobs that compute for {:.0} ms: {one:.2} s with one worker of one slot, {two:.2} s with two: \
         {:.2} times as fast",
        1000.0 * one / COMPUTING as f64,
        one / two
    );
}

/// Measures trivial builds one after the other, while others run on another slot of their worker.
fn log() {
    // The pool has room for one build, so one slot is left for the trivial ones.
    let beside = |name: &str, what: &str| jobs(name, BESIDE, &format!("{what}, pool: beside"));
    let list = [jobs("add", 1, ADDS), beside("count", COUNTS), beside("log", LOGS)].concat();
    let mut measured: [(Vec<Duration>, Vec<f64>); KINDS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for ((_, kind), (times, others)) in KINDS.iter().zip(&mut measured) {
            let (more, other) = one_beside(&list, *kind);
            times.extend(more);
            others.push(other);
        }
    }
    let alone = percentile(&mut measured[0].0, 50);
    for ((what, _), (mut times, others)) in KINDS.iter().zip(measured) {
        let (half, most, others) = (percentile(&mut times, 50), percentile(&mut times, 99), median(others));
        println!(
            "one build at a time with a worker of 2 slots, {what}: p50 {half:.2} ms, p99 {most:.2} ms, p50 {:.2} times \
             that alone; the others: {others:.0} a second",
            half / alone
        );
    }
}

/// Measures trivial builds on one slot of a worker while builds of a kind take the other slot, one
/// after the other. Returns the times, and how many builds of that kind ended per second.
fn one_beside(list: &str, kind: Option<&str>) -> (Vec<Duration>, f64) {
    let service = Service::start(list, On::Workers(1, 2));
    let mut client = Client::of(&service);
    let measure = |client: &mut Client| -> Vec<Duration> { (0..SINGLE / ROUNDS).map(|_| client.single()).collect() };
    // The first ones compile the plugins.
    client.single();
    let Some(kind) = kind else { return (measure(&mut client), 0.0) };
    client.run(&format!("{kind}-0"));
    let asked = json!({ "targets": [format!("{kind}-*")] }).to_string();
    let id = client.send("POST", "/api/v1/runs", &asked)["id"].to_string();
    let since = Instant::now();
    let times = measure(&mut client);
    let run = client.send("GET", &format!("/api/v1/runs/{id}"), "");
    let seconds = since.elapsed().as_secs_f64();
    assert_eq!((&run["status"], &run["builds"]["failed"]), (&json!("RUNNING"), &json!(0)), "{}", run["builds"]);
    (times, run["builds"]["successful"].as_f64().unwrap() / seconds)
}
