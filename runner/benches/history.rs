//! Lists and logs on a store of 1,000,000 builds of 1,000 jobs and 10,000,000 log records; a tenth of both by default.
//! `cargo bench --bench history [-- BUILDS]`. Needs 3 GB of disk for the million.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::ops::ControlFlow;
use std::sync::Arc;
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
}

/// Builds and their records, one microsecond apart; each tenth build failed, each tenth record is a warning.
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
