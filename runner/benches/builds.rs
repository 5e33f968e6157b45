//! Durable trivial builds a second, beside their floors measured in the same run: raw instantiate-and-call, and raw
//! batched inserts of the same rows. `cargo bench --bench builds [-- SECONDS]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::app::App;
use jobcontrol::app::guest_runtime;
use jobcontrol::execute::catalog::Catalog;
use jobcontrol::execute::executor::Executor;
use jobcontrol::execute::executor::Prepared;
use jobcontrol::execute::slots::Slots;
use jobcontrol::record::owner::Owner;
use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol::settings::Options;
use jobcontrol::settings::resolve;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::plan::Request;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Compiler;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::Sink;
use rusqlite::Connection;
use rusqlite::params;
use tokio::runtime::Runtime;

const IN_FLIGHT: &[usize] = &[1, 16, 64];

fn main() {
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    let bench = Bench::new();
    println!("{:>9} {:>14} {:>14} {:>14} {:>8}", "in flight", "call floor/s", "insert floor/s", "builds/s", "of floor");
    for &count in IN_FLIGHT {
        // Three rounds in turn: the machine drifts, and the ratio is what counts.
        let (mut calls, mut inserts, mut builds) = (0.0_f64, 0.0_f64, 0.0_f64);
        for _ in 0..3 {
            calls += bench.calls(count, time / 3) / 3.0;
            inserts += bench.inserts(count, time / 3) / 3.0;
            builds += bench.builds(count, time / 3) / 3.0;
        }
        let floor = calls.min(inserts);
        println!("{count:>9} {calls:>14.0} {inserts:>14.0} {builds:>14.0} {:>7.0}%", 100.0 * builds / floor);
    }
}

struct Bench {
    folder: tempfile::TempDir,
    runtime: Runtime,
    sandbox: Arc<Sandbox>,
    function: Function,
    executor: Arc<Executor>,
    prepared: Arc<Prepared>,
    _owner: Owner,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let jobs = folder.path().join("jobs");
        std::fs::create_dir(&jobs).unwrap();
        std::fs::copy(root.join("tests/guests/add.wat"), jobs.join("add.wat")).unwrap();
        std::fs::write(jobs.join("add.yaml"), "function: add:add\nargs: [40, 2]\n").unwrap();
        let options = Options {
            jobs: Some(jobs),
            store: Some(format!("sqlite:{}", folder.path().join("bench.db").display())),
            cache: Some(folder.path().join("cache")),
            config: None,
        };
        let settings = resolve(&options, &BTreeMap::new()).unwrap();
        let compiler = vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__compile".into()];
        let catalog = Catalog::load(&settings.workspace).unwrap();
        let checked = catalog.graph.jobs["add"].clone();
        let sandbox = Compiler { cache: settings.cache.clone(), command: compiler.clone() };
        let sandbox = Arc::new(Sandbox::new(sandbox, Arc::new(SystemClock)).unwrap());
        let function = sandbox.function(&checked.plugin, &checked.signature).unwrap();
        let app = App::new(settings, compiler, Arc::new(|_: &str| {}));
        let storage = app.storage(true).unwrap();
        let owner = Owner::take(&app.settings.store, "bench").unwrap();
        let executor = Arc::new(app.executor(&storage, &owner, None).unwrap());
        let prepared = Arc::new(executor.prepare(&checked, Granted::default()).unwrap());
        Self { folder, runtime: guest_runtime().unwrap(), sandbox, function, executor, prepared, _owner: owner }
    }

    /// As many loops as there are builds in flight, each one build after the other.
    fn loops<F>(&self, count: usize, time: Duration, each: impl Fn() -> F + Clone + Send + 'static) -> f64
    where
        F: Future<Output = ()> + Send,
    {
        let until = Instant::now() + time;
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                let each = each.clone();
                self.runtime.spawn(async move {
                    let mut done = 0_u32;
                    while Instant::now() < until {
                        each().await;
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let since = Instant::now();
        let done: u32 = tasks.into_iter().map(|task| self.runtime.block_on(task).unwrap()).sum();
        f64::from(done) / since.elapsed().as_secs_f64()
    }

    fn calls(&self, count: usize, time: Duration) -> f64 {
        let (sandbox, function) = (Arc::clone(&self.sandbox), self.function.clone());
        let (_switch, cancel) = Cancel::pair();
        self.loops(count, time, move || {
            let (sandbox, function, cancel) = (Arc::clone(&sandbox), function.clone(), cancel.clone());
            async move {
                let call = Call {
                    args: vec![Value::Int(40), Value::Int(2)],
                    granted: Granted::default(),
                    limits: Limits::default(),
                    build: BuildInfo { build_id: 1, job_id: "add".into(), attempt: 1, store_id: "bench".into() },
                    sink: Arc::new(Nowhere),
                    cancel,
                    until: None,
                };
                sandbox.call(&function, call).await;
            }
        })
    }

    fn builds(&self, count: usize, time: Duration) -> f64 {
        let (executor, prepared) = (Arc::clone(&self.executor), Arc::clone(&self.prepared));
        let (_switch, cancel) = Cancel::pair();
        let slots = Slots::new(count);
        self.loops(count, time, move || {
            let (executor, prepared, cancel) = (Arc::clone(&executor), Arc::clone(&prepared), cancel.clone());
            let slots = slots.clone();
            async move {
                let created = executor.create(&prepared, &Request::default(), true).await.unwrap();
                executor.execute(&prepared, created, slots.take().await, cancel).await.unwrap();
            }
        })
    }

    /// The same rows by a bare loop: `count` inserts a commit, then `count` updates a commit.
    fn inserts(&self, count: usize, time: Duration) -> f64 {
        let path: PathBuf = self.folder.path().join(format!("floor-{count}.db"));
        let storage = SqliteStorage::open(&path, Arc::new(SystemClock), Arc::new(|_: &str| {})).unwrap();
        storage.install().unwrap();
        drop(storage);
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "synchronous", "full").unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        let config = vec![7_u8; 300];
        let digest = "0".repeat(64);
        let (since, mut done) = (Instant::now(), 0_u32);
        while since.elapsed() < time {
            let mut ids = Vec::with_capacity(count);
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..count {
                db.prepare_cached(
                    "INSERT INTO build (job_id, created, start_time, started, config, owner, attempt, plugin,
                     retval_type) VALUES ('add', 1, 1, 1, ?1, 'bench', 1, ?2, 'type retval = u32;')",
                )
                .unwrap()
                .execute(params![config, digest])
                .unwrap();
                ids.push(db.last_insert_rowid());
            }
            db.execute_batch("COMMIT").unwrap();
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            for id in &ids {
                db.prepare_cached(
                    "UPDATE build SET finished = 1, end_time = 2, success = 1, retval = x'2a', retval_digest = ?2
                     WHERE id = ?1 AND owner = 'bench' AND attempt = 1 AND finished = 0",
                )
                .unwrap()
                .execute(params![id, digest])
                .unwrap();
            }
            db.execute_batch("COMMIT").unwrap();
            done += u32::try_from(count).unwrap();
        }
        f64::from(done) / since.elapsed().as_secs_f64()
    }
}

/// A build that says nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn try_log(&self, _record: NewRecord) -> Result<(), NewRecord> {
        Ok(())
    }

    fn log(&self, _record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }

    fn progress(&self, _report: Progress) {}
}
