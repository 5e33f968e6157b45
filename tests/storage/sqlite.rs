//! What the file adds: many hands on it, what stays in it, and how it is read.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;

use jobcontrol::record::backend::from_url;
use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol::record::url::StoreUrl;
use jobcontrol::say::Say;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::storage::NewBuild;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;
use rusqlite::Connection;
use tempfile::TempDir;

use super::NOON;
use super::create;
use super::list;
use super::logs::info;
use super::noon_plus;
use super::open;
use super::records;

fn folder() -> (TempDir, std::path::PathBuf, Arc<ManualClock>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path, Arc::new(ManualClock::new(NOON)))
}

fn everything() -> BuildFilter {
    BuildFilter { limit: u64::MAX, brief: true, ..BuildFilter::default() }
}

#[test]
fn many_threads_at_once_lose_nothing() {
    const THREADS: u64 = 8;
    const EACH: u64 = 100;
    let (_folder, path, clock) = folder();
    let store = open(&path, &clock);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for i in 0..EACH {
                    let id = create(store, &format!("job-{thread}"));
                    store.log_message(id, info(NOON, &format!("{thread} {i}"))).unwrap();
                    store.update_build_progress(id, i, EACH).unwrap();
                }
            });
        }
    });
    let ids = list(&store, &everything());
    assert_eq!(ids, (1..=THREADS * EACH).collect::<Vec<_>>());
    for thread in 0..THREADS {
        let filter = LogFilter { job_id: Some(format!("job-{thread}")), ..LogFilter::default() };
        let messages = records(&store, &filter).into_iter().map(|record| record.record.message);
        assert!(messages.eq((0..EACH).map(|i| format!("{thread} {i}"))), "each thread's records are in its order");
    }
}

#[test]
fn answers_come_in_the_order_of_submission() {
    let (_folder, path, clock) = folder();
    let store = open(&path, &clock);
    let (sender, receiver) = mpsc::channel();
    for _ in 0..5_000 {
        let sender = sender.clone();
        let new = NewBuild { job_id: Arc::from("a"), config: Arc::from([0xc0].as_slice()), ..NewBuild::default() };
        store.submit(Write::CreateBuild(new), Box::new(move |answer| sender.send(answer).unwrap()));
    }
    let answers: Vec<_> = receiver.iter().take(5_000).map(Result::unwrap).collect();
    assert_eq!(answers, (1..=5_000).collect::<Vec<_>>());
}

#[test]
fn a_change_that_is_refused_does_not_hurt_its_neighbours() {
    let (_folder, path, clock) = folder();
    let store = open(&path, &clock);
    let (sender, receiver) = mpsc::channel();
    let new = || NewBuild { job_id: Arc::from("a"), config: Arc::from([0xc0].as_slice()), ..NewBuild::default() };
    for write in
        [Write::CreateBuild(new()), Write::DeleteBuild(99), Write::DeleteBuild(u64::MAX), Write::CreateBuild(new())]
    {
        let sender = sender.clone();
        store.submit(write, Box::new(move |answer| sender.send(answer.is_ok()).unwrap()));
    }
    assert_eq!(receiver.iter().take(4).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(list(&store, &everything()), [1, 2]);
}

#[test]
fn two_handles_on_one_file_interleave() {
    const EACH: usize = 150;
    let (_folder, path, clock) = folder();
    let stores = [open(&path, &clock), open(&path, &clock)];
    let together = Barrier::new(2);
    thread::scope(|scope| {
        for (store, job) in stores.iter().zip(["a", "b"]) {
            let together = &together;
            scope.spawn(move || {
                for _ in 0..EACH {
                    together.wait();
                    let id = create(store, job);
                    store.start_build(id).unwrap();
                    store.log_message(id, info(NOON, job)).unwrap();
                    store.finish_build(id, Finish::default()).unwrap();
                    assert_eq!(store.get_latest_successful_build(job).unwrap().map(|build| build.id), Some(id));
                }
            });
        }
    });
    for store in &stores {
        assert_eq!(list(store, &everything()).len(), 2 * EACH);
        assert_eq!(list(store, &BuildFilter { job_id: Some("a".to_owned()), ..everything() }).len(), EACH);
        assert_eq!(records(store, &LogFilter::default()).len(), 2 * EACH);
    }
}

#[test]
fn many_can_make_the_same_store_at_once() {
    for _ in 0..10 {
        let (_folder, path, clock) = folder();
        let together = Barrier::new(6);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    together.wait();
                    let store = open(&path, &clock);
                    create(&store, "a");
                });
            }
        });
        assert_eq!(list(&open(&path, &clock), &everything()), (1..=6).collect::<Vec<_>>());
    }
}

/// Keeps another hand on the file until the store has said that it waits, then lets go and expects
/// its answer.
fn while_another_writes<T: Send>(act: impl FnOnce(&SqliteStorage) -> T + Send) -> T {
    let (_folder, path, clock) = folder();
    create(&open(&path, &clock), "a");
    let (sender, said) = mpsc::channel();
    let (answered, answer) = mpsc::channel();
    let told = sender.clone();
    let warn = Arc::new(move |message: &str| told.send(message.to_owned()).unwrap());
    let store = SqliteStorage::open(&path, clock, warn).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            answered.send(act(&store)).unwrap();
            sender.send("it did not wait".to_owned()).unwrap();
        });
        let message = said.recv().unwrap();
        other.execute_batch("COMMIT").unwrap();
        assert!(message.contains("waiting for another process") && message.contains("store.db"), "{message}");
        answer.recv().unwrap()
    })
}

#[test]
fn a_write_waits_for_another_process_and_says_so() {
    assert_eq!(while_another_writes(|store| store.create_build("a", &jobcontrol_core::value::Value::Null)), Ok(2));
}

#[test]
fn uninstalling_waits_for_another_process_and_says_so() {
    assert_eq!(while_another_writes(SqliteStorage::uninstall), Ok(()));
}

/// A copy of a store with one build, which is without a log, as SQLite makes it.
fn copy() -> (TempDir, std::path::PathBuf, Arc<ManualClock>) {
    let (folder, path, clock) = folder();
    let store = open(&path, &clock);
    create(&store, "a");
    let copy = folder.path().join("copy.db");
    store.backup(&copy).unwrap();
    (folder, copy, clock)
}

#[test]
fn who_only_reads_takes_a_copy_as_it_is() {
    let (_folder, path, clock) = copy();
    let before = std::fs::read(&path).unwrap();
    let url = StoreUrl::sqlite(&path);
    let read = || {
        let store = from_url(&url, false, Arc::clone(&clock) as _, Arc::new(|_: &str| {})).unwrap();
        assert_eq!(list(&*store, &everything()), [1]);
        drop(store);
        assert!(std::fs::read(&path).unwrap() == before);
    };
    read();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM build").unwrap();
    read();
    other.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
    read();
}

/// Does that to a copy, and then expects the store to say that it waits before it does `act`.
fn while_another_has(held: &str, act: impl FnOnce(&Path, Arc<ManualClock>, Say) + Send) {
    let (_folder, path, clock) = copy();
    let (sender, said) = mpsc::channel();
    let told = sender.clone();
    let warn: Say = Arc::new(move |message: &str| told.send(message.to_owned()).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch(held).unwrap();
    thread::scope(|scope| {
        let path = &path;
        scope.spawn(move || {
            act(path, clock, warn);
            let _ = sender.send("it did not wait".to_owned());
        });
        let message = said.recv().unwrap();
        other.execute_batch("COMMIT").unwrap();
        assert!(message.contains("waiting for another process") && message.contains("copy.db"), "{message}");
    });
}

#[test]
fn opening_waits_for_who_has_the_whole_file_and_says_so() {
    while_another_has("BEGIN EXCLUSIVE", |path, clock, warn| {
        let store = from_url(&StoreUrl::sqlite(path), false, clock, warn).unwrap();
        assert_eq!(list(&*store, &everything()), [1]);
    });
}

#[test]
fn the_first_change_of_a_copy_waits_for_its_readers_and_says_so() {
    while_another_has("BEGIN; SELECT count(*) FROM build", |path, clock, warn| {
        let store = from_url(&StoreUrl::sqlite(path), true, clock, warn).unwrap();
        assert_eq!(create(&*store, "a"), 2);
        let mode: String =
            Connection::open(path).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    });
}

#[test]
fn what_was_submitted_is_written_before_the_store_closes() {
    let (_folder, path, clock) = folder();
    let store = open(&path, &clock);
    for _ in 0..500 {
        let new = NewBuild { job_id: Arc::from("a"), config: Arc::from([0xc0].as_slice()), ..NewBuild::default() };
        store.submit(Write::CreateBuild(new), Box::new(drop));
    }
    drop(store);
    assert_eq!(list(&open(&path, &clock), &everything()).len(), 500);
}

#[test]
fn all_is_there_after_reopening() {
    let (_folder, path, clock) = folder();
    let (id, last, store_id) = {
        let store = open(&path, &clock);
        let id = store.create_build("a", &super::config()).unwrap();
        store.log_message(id, info(NOON, "hello")).unwrap();
        store.update_build_progress(id, 1, 2).unwrap();
        store.finish_build_with_exception(id, Failure::new(FailureKind::Error, "no orders")).unwrap();
        let last = create(&store, "a");
        store.delete_build(last).unwrap();
        (id, last, store.store_id().unwrap())
    };
    let store = open(&path, &clock);
    assert_eq!(store.store_id(), Ok(store_id));
    assert_eq!(store.get_build(id).unwrap().config, super::config());
    assert_eq!(
        (records(&store, &LogFilter::default()).len(), store.get_build_progress_info(id).unwrap().len()),
        (1, 1)
    );
    assert!(create(&store, "a") > last, "an id does not return with a new process");
}

#[test]
fn two_stores_have_two_ids() {
    let ((_one, first, clock), (_two, second, _)) = (folder(), folder());
    assert_ne!(open(&first, &clock).store_id().unwrap(), open(&second, &clock).store_id().unwrap());
}

#[test]
fn a_plugin_takes_one_row() {
    let (_folder, path, clock) = folder();
    let store = open(&path, &clock);
    for _ in 0..3 {
        store.write(Write::Plugin(Arc::from("aa"), Arc::from(b"\0asm".as_slice()))).unwrap();
    }
    let db = Connection::open(&path).unwrap();
    let row: (i64, Vec<u8>) =
        db.query_row("SELECT count(*), bytes FROM plugin", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(row, (1, b"\0asm".to_vec()));
}

/// The rows of a query as text, columns separated by `|`.
fn rows(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let column = |at| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(i) => i.to_string(),
            rusqlite::types::Value::Real(x) => x.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(bytes) => format!("{} bytes", bytes.len()),
        };
        Ok((0..columns).map(column).collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[test]
fn views_can_be_read_by_any_program() {
    let (_folder, path, clock) = folder();
    let store = open(&path, &clock);
    let builds: [u64; 5] = std::array::from_fn(|_| create(&store, "a"));
    builds[1..].iter().for_each(|id| store.start_build(*id).unwrap());
    clock.set(noon_plus(90));
    store.finish_build_with_exception(builds[2], Failure::new(FailureKind::Error, "")).unwrap();
    store.finish_build(builds[3], Finish { skipped: true, ..Finish::default() }).unwrap();
    store.finish_build(builds[4], Finish::default()).unwrap();
    store.log_message(builds[0], info(NOON, "hello")).unwrap();
    store.report_build_progress(builds[0], &["shop", "rows"], 1, 2, "reading").unwrap();
    let db = Connection::open(&path).unwrap();
    let expected = [
        "1|a|CREATED|2026-11-22T12:00:00.000Z|-|-|-",
        "2|a|RUNNING|2026-11-22T12:00:00.000Z|2026-11-22T12:00:00.000Z|-|-",
        "3|a|FAILED|2026-11-22T12:00:00.000Z|2026-11-22T12:00:00.000Z|2026-11-22T12:01:30.000Z|90",
        "4|a|SKIPPED|2026-11-22T12:00:00.000Z|2026-11-22T12:00:00.000Z|2026-11-22T12:01:30.000Z|90",
        "5|a|SUCCESSFUL|2026-11-22T12:00:00.000Z|2026-11-22T12:00:00.000Z|2026-11-22T12:01:30.000Z|90",
    ];
    let sql = "SELECT id, job_id, status, created, start_time, end_time, seconds FROM builds ORDER BY id";
    assert_eq!(rows(&db, sql), expected);
    let logs = "SELECT id, build_id, job_id, created, level FROM logs";
    assert_eq!(rows(&db, logs), ["1|1|a|2026-11-22T12:00:00.000Z|20"]);
    assert_eq!(rows(&db, "SELECT * FROM progress"), ["1|shop::rows|1|2|reading"]);
}

#[test]
fn a_moment_of_a_long_log_is_found_whatever_the_clock_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let store = SqliteStorage::open(&path, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
    store.install().unwrap();
    let id = store.create_build("a", &Value::Null).unwrap();
    // A record a microsecond, but for one that was written early and one that was written late.
    let db = Connection::open(&path).unwrap();
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)
         INSERT INTO log (build_id, created, level, attempt, target, message)
         SELECT ?1, iif(i = 120000, 240000, iif(i = 249000, 5, i)), iif(i % 50000 = 0, 40, 20), 1, '', i FROM n",
        [id],
    )
    .unwrap();
    let found = |filter: LogFilter| {
        let mut found = Vec::new();
        let mut each = |record: LogRecord| {
            found.push(record.id);
            ControlFlow::Continue(())
        };
        store.iter_log_messages(&filter, &mut each).unwrap();
        found
    };
    let since = |micros: i64| LogFilter { min_date: Some(Timestamp(micros)), ..LogFilter::default() };
    let late = found(since(239_999));
    assert_eq!((late.len(), &late[..3]), (10_002, &[120_000, 239_999, 240_000][..]));
    assert!(!late.contains(&249_000));
    assert_eq!(found(LogFilter { last: Some(2), ..since(1) }), [249_999, 250_000]);
    assert_eq!(found(since(250_001)), [] as [u64; 0]);
    assert_eq!(found(LogFilter { after: Some(249_998), ..since(2) }), [249_999, 250_000]);
    let severe = LogFilter { min_level: Some(40), ..LogFilter::default() };
    assert_eq!(found(severe.clone()), [50_000, 100_000, 150_000, 200_000, 250_000]);
    assert_eq!(found(LogFilter { last: Some(1), min_date: Some(Timestamp(7)), ..severe }), [250_000]);
}
