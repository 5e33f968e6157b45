//! Measures lists, logs and pages on a store of 1,000,000 builds of 1,000 jobs and 10,000,000 log
//! records; a tenth of both by default. `cargo bench --bench history [-- BUILDS]`. A million builds
//! need 3 GB of disk.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::value::Value;
use rusqlite::Connection;

const JOBS: u64 = 1_000;
const RECORDS: u64 = 10;
const ROUNDS: usize = 5;
const PAGE: usize = 100;
/// The number of requests of each kind, and the time between two.
const REQUESTS: usize = 100;
const BETWEEN: Duration = Duration::from_millis(25);

fn main() {
    let builds: u64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let storage = SqliteStorage::open(&path, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
    storage.install().unwrap();
    fill(&storage, &Connection::open(&path).unwrap(), builds);
    println!("{builds} builds of {JOBS} jobs, {} log records", builds * RECORDS);
    let list = |filter: &BuildFilter| assert!(!storage.get_job_builds(filter).unwrap().is_empty());
    let newest = BuildFilter { order: Order::Desc, brief: true, ..BuildFilter::default() };
    let of_job = BuildFilter { job_id: Some("job-7".to_owned()), ..newest.clone() };
    report("the newest 100 builds", || list(&newest));
    report("the newest 100 of a job", || list(&of_job));
    report("the newest 100 failed ones", || list(&BuildFilter { success: Some(false), ..newest.clone() }));
    report("100 from the middle", || list(&BuildFilter { before: Some(builds / 2), ..newest.clone() }));
    let jobs: Vec<_> = (0..JOBS).map(|job| format!("job-{job}")).collect();
    let jobs: Vec<_> = jobs.iter().map(String::as_str).collect();
    report("how 1,000 jobs stand", || assert_eq!(storage.get_job_histories(&jobs).unwrap().len(), jobs.len()));
    let of_build = LogFilter { build_id: Some(builds / 2), ..LogFilter::default() };
    let log_of_job = LogFilter { job_id: Some("job-7".to_owned()), ..LogFilter::default() };
    report("the log of a build", || page(&storage, &of_build));
    report("the first page of a job's log", || page(&storage, &log_of_job));
    report("its warnings", || page(&storage, &LogFilter { min_level: Some(30), ..log_of_job.clone() }));
    let since = Some(Timestamp(i64::try_from(builds - 100).unwrap()));
    report("the log of the last 100 builds", || page(&storage, &LogFilter { min_date: since, ..LogFilter::default() }));
    drop(storage);
    over_http(folder.path(), builds);
}

/// Measures lists of the API, requested one after the other from a service on that store.
fn over_http(folder: &Path, builds: u64) {
    let jobs = folder.join("jobs");
    std::fs::create_dir(&jobs).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::copy(root.join("tests/guests/add.wat"), jobs.join("add.wat")).unwrap();
    let all: String =
        (0..JOBS).map(|job| format!("  - {{ id: job-{job}, function: add:add, args: [1, {job}] }}\n")).collect();
    std::fs::write(jobs.join("jobs.yaml"), format!("jobs:\n{all}")).unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_jobcontrol"))
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "json", "--store", "sqlite:history.db"])
        .current_dir(folder)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(service.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = log.find_map(|line| Some(line.split_once("\"address\":\"http://")?.1.split_once('"')?.0.to_owned()));
    let address = address.unwrap();
    std::thread::spawn(move || log.count());
    let (middle, before) = (builds / 2, builds / 2 + 1);
    for path in [
        "jobs?limit=100".to_owned(),
        "jobs/job-7".to_owned(),
        "builds?order=desc".to_owned(),
        "builds?order=desc&success=false".to_owned(),
        "builds?job_id=job-7&order=desc".to_owned(),
        format!("builds?order=desc&before={before}"),
        format!("builds/{middle}"),
        format!("builds/{middle}/log"),
        "jobs/job-7/log?last=1000".to_owned(),
        "logs?last=1000".to_owned(),
        "runs".to_owned(),
        "graph".to_owned(),
        "timeline".to_owned(),
        "reloads".to_owned(),
    ] {
        measure(&address, &format!("/api/v1/{path}"));
    }
    println!("pages:");
    let pages = [
        "/".to_owned(),
        "/?status=failed".to_owned(),
        "/jobs/job-7".to_owned(),
        "/jobs/job-7/run".to_owned(),
        "/jobs/job-7/manifest".to_owned(),
        "/builds".to_owned(),
        "/builds?status=failed".to_owned(),
        "/builds?job=job-7".to_owned(),
        format!("/builds?before={before}"),
        format!("/builds/{middle}"),
        format!("/builds/{middle}?level=warning"),
        "/runs".to_owned(),
        "/graph".to_owned(),
        "/graph?by=plugin".to_owned(),
        "/timeline".to_owned(),
        "/schedules".to_owned(),
        "/plugins".to_owned(),
        "/plugins/add".to_owned(),
        "/reloads".to_owned(),
        "/workers".to_owned(),
    ];
    for path in pages {
        measure(&address, &path);
    }
    service.kill().unwrap();
    service.wait().unwrap();
}

/// Requests a path many times, and prints how long it took.
fn measure(address: &str, path: &str) {
    let mut took: Vec<Duration> = (0..REQUESTS).map(|_| get(address, path)).collect();
    took.sort_unstable();
    let of = |part: usize| took[took.len() * part / 100].as_secs_f64() * 1000.0;
    println!("{:>40}: p50 {:>7.2} ms, p99 {:>7.2} ms", format!("GET {path}"), of(50), of(99));
}

/// Returns how long a service takes to respond.
fn get(address: &str, path: &str) -> Duration {
    // This is fewer requests per second than one client may send.
    std::thread::sleep(BETWEEN);
    let mut stream = TcpStream::connect(address).unwrap();
    let since = Instant::now();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
    since.elapsed()
}

/// Adds builds and their records, one microsecond apart. Each tenth build failed, and each tenth
/// record is a warning.
fn fill(storage: &SqliteStorage, db: &Connection, builds: u64) {
    let first = storage.create_build("job-0", &Value::Map(Vec::new())).unwrap();
    storage.log_message(first, NewRecord::new(Timestamp(0), Level::Info, "bench", "a line".to_owned())).unwrap();
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO build (job_id, created, start_time, end_time, started, finished, success, config, attempt)
         SELECT 'job-' || (i % ?2), i, i, i, 1, 1, i % 10 > 0, (SELECT config FROM build LIMIT 1), 1 FROM n",
        [builds, JOBS],
    )
    .unwrap();
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 * ?2 - 1)
         INSERT INTO log (build_id, created, level, attempt, target, message)
         SELECT 1 + i / ?2, i / ?2, iif(i % ?2 > 0, 20, 30), 1, 'bench', 'a line' FROM n",
        [builds, RECORDS],
    )
    .unwrap();
}

fn page(storage: &SqliteStorage, filter: &LogFilter) {
    let mut read = 0;
    let mut each = |_| {
        read += 1;
        if read < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    storage.iter_log_messages(filter, &mut each).unwrap();
    assert!(read >= usize::try_from(RECORDS).unwrap());
}

fn report(what: &str, mut query: impl FnMut()) {
    let rounds = (0..ROUNDS).map(|_| {
        let since = Instant::now();
        query();
        since.elapsed()
    });
    println!("{what:>32}: {:>8.2} ms", rounds.max().unwrap().as_secs_f64() * 1000.0);
}
