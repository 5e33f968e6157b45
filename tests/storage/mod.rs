//! What a store promises: one suite of rules for every backend, then what SQLite and the program
//! add to it.
//!
//! - `builds`, `deletion`, `histories`, `sharing`, `retention`, `attempts`, `failures`, `progress`,
//!   `logs`, `leases`, `services`, `tokens`: rules that every backend keeps, each a function over
//!   `&dyn Storage`
//! - `alike`: backends answer alike whatever is written
//! - `sqlite`, `broken`, `backup`, `restore`, `versions`: the file, by many hands, damaged, copied,
//!   replaced, of older versions
//! - `program`, `files`, `rescue`, `names`, `pins`: the same through the command line and the
//!   executor

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a rule that is broken ends its test")]

mod alike;
mod attempts;
mod backup;
mod broken;
mod builds;
mod deletion;
mod failures;
mod files;
mod histories;
mod leases;
mod logs;
mod names;
mod pins;
mod program;
mod progress;
mod rescue;
mod restore;
mod retention;
mod services;
mod sharing;
mod sqlite;
mod tokens;
mod versions;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::Pin;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::memory::MemoryStorage;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::value::Value;

/// When every rule begins: 2026-11-22 12:00:00 UTC.
const NOON: Timestamp = Timestamp(1_795_348_800_000_000);

/// The moment `seconds` after noon.
fn noon_plus(seconds: i64) -> Timestamp {
    Timestamp(NOON.0 + seconds * 1_000_000)
}

/// What every backend does: a store that was just installed, and the clock it goes by.
type Rule = fn(&dyn Storage, &ManualClock);

fn on_memory(rule: Rule) {
    let clock = Arc::new(ManualClock::new(NOON));
    let storage = MemoryStorage::new(Arc::clone(&clock) as _);
    storage.install().unwrap();
    rule(&storage, &clock);
}

fn on_sqlite(rule: Rule) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOON));
    let storage = open(&folder.path().join("store.db"), &clock);
    rule(&storage, &clock);
}

/// A store in that file, installed.
fn open(path: &Path, clock: &Arc<ManualClock>) -> SqliteStorage {
    let storage = SqliteStorage::open(path, Arc::clone(clock) as _, Arc::new(|_: &str| {})).unwrap();
    storage.install().unwrap();
    storage
}

/// Makes a test of each rule on each backend.
macro_rules! rules {
    ($($rule:ident)*) => {
        mod memory {
            $(#[test] fn $rule() { crate::storage::on_memory(super::$rule); })*
        }
        mod sqlite {
            $(#[test] fn $rule() { crate::storage::on_sqlite(super::$rule); })*
        }
    };
}
use rules;

/// A config that holds a value of every kind.
fn config() -> Value {
    let text = |text: &str| Value::string(text);
    Value::map([
        ("function", text("sales:fetch-orders")),
        ("args", Value::List(vec![Value::Null, Value::Bool(true), Value::Float(-0.5), text("ünï\0cødé 🦀")])),
        ("bytes", Value::Bytes(vec![0, 255, 10])),
        ("least", Value::Int(i64::MIN.into())),
        ("most", Value::Int(u64::MAX.into())),
        ("", Value::Map(Vec::new())),
    ])
}

fn create(store: &dyn Storage, job: &str) -> u64 {
    store.create_build(job, &Value::Null).unwrap()
}

fn pin_to(build: u64) -> Pin {
    Pin { job: "a".to_owned(), build, retval_digest: None }
}

/// A build that uses another.
fn using(job: &str, build: u64) -> NewBuild {
    NewBuild {
        job_id: job.into(),
        config: Arc::from(&b"\xc0"[..]),
        pins: Arc::from([pin_to(build)]),
        ..NewBuild::default()
    }
}

fn ids(builds: &[Build]) -> Vec<u64> {
    builds.iter().map(|build| build.id).collect()
}

/// The ids of what a filter lets through, of which there are as many as the store counts.
fn list(store: &dyn Storage, filter: &BuildFilter) -> Vec<u64> {
    let all = BuildFilter { limit: u64::MAX, ..filter.clone() };
    let counted = store.count_job_builds(filter).unwrap();
    assert_eq!(counted, store.get_job_builds(&all).unwrap().len() as u64, "{filter:?}");
    ids(&store.get_job_builds(filter).unwrap())
}

fn records(store: &dyn Storage, filter: &LogFilter) -> Vec<LogRecord> {
    let mut records = Vec::new();
    let read = store.iter_log_messages(filter, &mut |record| {
        records.push(record);
        ControlFlow::Continue(())
    });
    read.unwrap();
    records
}

/// A value inside that many lists.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |value, _| Value::List(vec![value]))
}
