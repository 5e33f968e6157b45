//! Measures writing, reading and pruning log records: 1,000,000 by default. `cargo bench --bench
//! logs [-- RECORDS]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_record;
use jobcontrol_core::value::Value;

fn main() {
    let count: i64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let storage = SqliteStorage::open(&path, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
    storage.install().unwrap();
    let id = storage.create_build("job", &Value::Map(Vec::new())).unwrap();
    println!("{count} log records");
    report(count, "written", || {
        for i in 0..count {
            let message = format!("order {i} of the day was read, and its 12 lines were added up");
            let record = NewRecord::new(Timestamp(i), Level::Info, "sales::fetch", message);
            storage.submit(Write::Log(id, pack_record(record)), Box::new(|written| assert!(written.is_ok())));
        }
        // Records submitted before this write are written before it.
        storage.update_build_progress(id, 1, 1).unwrap();
    });
    report(count, "read", || {
        let mut read = 0;
        let mut each = |_| {
            read += 1;
            ControlFlow::Continue(())
        };
        storage.iter_log_messages(&LogFilter { build_id: Some(id), ..LogFilter::default() }, &mut each).unwrap();
        assert_eq!(read, count);
    });
    println!("{:>8}: {:>8.1} MB", "file", std::fs::metadata(&path).unwrap().len() as f64 / 1e6);
    report(count, "pruned", || {
        assert_eq!(storage.prune_log_messages(None, Some(id), None, None), Ok(u64::try_from(count).unwrap()));
    });
}

fn report(count: i64, what: &str, work: impl FnOnce()) {
    let since = Instant::now();
    work();
    let seconds = since.elapsed().as_secs_f64();
    println!("{what:>8}: {:>8.2} s, {:>9.0} a second", seconds, count as f64 / seconds);
}
