//! Measures durable trivial builds per second, beside their floors in the same run: the bare call,
//! bare batched inserts of the same rows, and both together, with each row on the disk before the
//! next step. `cargo bench --bench builds [-- SECONDS]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

mod floor;
#[path = "../../sandbox/benches/nowhere/mod.rs"]
mod nowhere;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::app::App;
use jobcontrol::catalog::load::Catalog;
use jobcontrol::execute::executor::Executor;
use jobcontrol::execute::executor::Wish;
use jobcontrol::execute::prepared::Prepared;
use jobcontrol::execute::slots::Slots;
use jobcontrol::service::engine::guest_runtime;
use jobcontrol::settings::Options;
use jobcontrol::settings::resolve;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::job::Arg;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Ledger;
use jobcontrol_sandbox::Sandbox;
use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::nowhere::Nowhere;

const IN_FLIGHT: &[usize] = &[1, 16, 64, MOST_IN_FLIGHT];
const MOST_IN_FLIGHT: usize = 256;

/// The numbers of finished builds that are in the store before.
const HISTORY: &[u64] = &[0, 10_000, 1_000_000];

/// The guests: name, file and job of each.
const GUESTS: &[(&str, &str, &str)] = &[
    ("WAT", "tests/guests/add.wat", "function: ./add.wat:add\nargs: [40, 2]\n"),
    ("Rust", "tests/guests/sdk.wasm", "function: ./sdk.wasm:counts\nargs: [0]\n"),
];

/// A guest that traps some calls deep, and its job.
const TRAPS: (&str, &str) = ("tests/guests/failure_traps.wat", "function: ./failure_traps.wat:fall\n");

fn main() {
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    let columns = ["call floor/s", "row floor/s", "floor/s", "builds/s", "of floor"];
    let [call, row, floor, builds, of] = columns;
    println!(
        "{:>6} {:>9} {:>9} {call:>14} {row:>14} {floor:>14} {builds:>14} {of:>8}",
        "guest", "in flight", "history"
    );
    for (guest, file, job) in GUESTS {
        let bench = Bench::new(file, job);
        for &count in IN_FLIGHT {
            bench.compare(guest, count, 0, time);
        }
    }
    let (file, job) = TRAPS;
    let traps = Bench::new(file, job);
    let builds = (0..3).map(|_| traps.builds(64, time / 3)).sum::<f64>() / 3.0;
    println!("{:>6} {:>9} {:>9} {:>14} {:>14} {:>14} {builds:>14.0}", "traps", 64, 0, "", "", "");
    let (guest, file, job) = GUESTS[0];
    for &history in HISTORY {
        let bench = Bench::new(file, job);
        bench.fill(history);
        bench.compare(guest, 64, history, time);
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: PathBuf,
    runtime: Runtime,
    sandbox: Arc<Sandbox>,
    function: Function,
    args: Vec<Value>,
    executor: Arc<Executor>,
    prepared: Arc<Prepared>,
    /// The run that all builds belong to.
    run: RunOf,
}

impl Bench {
    fn new(file: &str, job: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let jobs = folder.path().join("jobs");
        std::fs::create_dir(&jobs).unwrap();
        let guest = root.join(file);
        std::fs::copy(&guest, jobs.join(guest.file_name().unwrap())).unwrap();
        std::fs::write(jobs.join("bench.yaml"), job).unwrap();
        let store = folder.path().join("bench.db");
        let options = Options {
            jobs: Some(jobs),
            store: Some(format!("sqlite:{}", store.display())),
            cache: Some(folder.path().join("cache")),
            config: None,
            runtimes: None,
            interpreter: vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__interpret".into()],
        };
        let settings = resolve(&options, &BTreeMap::new()).unwrap();
        let catalog = Catalog::load(&settings.workspace).unwrap();
        let checked = catalog.graph.jobs["bench"].clone();
        let reader = settings.workspace.reader.clone();
        let sandbox = Arc::new(Sandbox::new(reader, Arc::new(SystemClock), MOST_IN_FLIGHT).unwrap());
        let function = sandbox.function(&checked.plugin, &checked.signature, &Cancel::pair().1).unwrap();
        let args = checked.job.args.iter().map(Arg::to_value).collect();
        let app = App::new(settings, Arc::new(|_: &str| {}));
        let storage = app.storage(true).unwrap();
        let executor = app.engine(MOST_IN_FLIGHT).unwrap().executor(&storage).unwrap();
        let run = RunOf::Run(storage.write(Write::CreateRun(NewRun::default())).unwrap());
        let prepared = Arc::new(executor.prepare(&checked, Granted::default(), &Cancel::pair().1).unwrap());
        let runtime = guest_runtime().unwrap();
        Self { folder, store, runtime, sandbox, function, args, executor, prepared, run }
    }

    /// Adds finished builds of earlier days.
    fn fill(&self, history: u64) {
        let db = Connection::open(&self.store).unwrap();
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO build (job_id, created, start_time, end_time, started, finished, success, config, attempt)
             SELECT 'bench', i, i, i, 1, 1, 1, zeroblob(300), 1 FROM n",
            [history],
        )
        .unwrap();
    }

    fn compare(&self, guest: &str, count: usize, history: u64, time: Duration) {
        // Three rounds in turn, because the machine drifts and only the ratio counts.
        let (mut calls, mut rows, mut floor, mut builds) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
        for _ in 0..3 {
            calls += self.calls(count, time / 3) / 3.0;
            rows += floor::rows(self.folder.path(), count, time / 3) / 3.0;
            floor += self.floor(count, time / 3) / 3.0;
            builds += self.builds(count, time / 3) / 3.0;
        }
        let of = 100.0 * builds / floor;
        println!(
            "{guest:>6} {count:>9} {history:>9} {calls:>14.0} {rows:>14.0} {floor:>14.0} {builds:>14.0} {of:>7.0}%"
        );
    }

    async fn call(sandbox: &Sandbox, function: &Function, args: Vec<Value>, cancel: Cancel) {
        let build = BuildInfo { build_id: 1, job_id: "bench".into(), attempt: 1, store_id: "bench".into() };
        let (granted, limits, sink) = (Granted::default(), Limits::default(), Arc::new(Nowhere));
        let account = sandbox.memory().enter();
        let call =
            Call { args, granted, secrets: Secrets::default(), limits, account, build, sink, cancel, until: None };
        assert!(matches!(sandbox.call(function, call).await.outcome, Outcome::Returned(_)));
    }

    /// Runs `count` loops at once, each with one build after the other. Returns builds per second.
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
        let (sandbox, function, args) = (Arc::clone(&self.sandbox), self.function.clone(), self.args.clone());
        let (_switch, cancel) = Cancel::pair();
        self.loops(count, time, move || {
            let (sandbox, function, args, cancel) =
                (Arc::clone(&sandbox), function.clone(), args.clone(), cancel.clone());
            async move { Self::call(&sandbox, &function, args, cancel).await }
        })
    }

    /// Measures row, call, row, and nothing else.
    fn floor(&self, count: usize, time: Duration) -> f64 {
        let (sandbox, function, args) = (Arc::clone(&self.sandbox), self.function.clone(), self.args.clone());
        let (_switch, cancel) = Cancel::pair();
        let writer = floor::Writer::start(self.folder.path(), count);
        self.loops(count, time, move || {
            let (sandbox, function, args, cancel) =
                (Arc::clone(&sandbox), function.clone(), args.clone(), cancel.clone());
            let writer = writer.clone();
            async move {
                let id = writer.insert().await;
                Self::call(&sandbox, &function, args, cancel).await;
                writer.update(id).await;
            }
        })
    }

    fn builds(&self, count: usize, time: Duration) -> f64 {
        let (executor, prepared, run) = (Arc::clone(&self.executor), Arc::clone(&self.prepared), self.run.clone());
        let (_switch, cancel) = Cancel::pair();
        let slots = Slots::new(count, Ledger::unbounded());
        self.loops(count, time, move || {
            let (executor, prepared, cancel) = (Arc::clone(&executor), Arc::clone(&prepared), cancel.clone());
            let (slots, run) = (slots.clone(), run.clone());
            async move {
                let wish = Wish { run, start: true, ..Wish::default() };
                let created = executor.create(&prepared, &BuildRequest::default(), &wish).await.unwrap();
                executor.execute(&prepared, created, slots.take().await, cancel).await.unwrap();
            }
        })
    }
}
