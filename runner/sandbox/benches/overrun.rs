//! Measures how long after its timeout a loop ends, alone and beside builds that constantly take
//! and return large lists. Also measures how long a bulk operation on fresh memory takes: this is
//! how long after its timeout a build can end. `cargo bench -p jobcontrol-sandbox --bench overrun`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

mod nowhere;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::MAX_MEMORY;
use jobcontrol_core::limits::MAX_TABLE_ELEMENTS;
use jobcontrol_core::limits::MIB;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Function;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Ledger;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::serve;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use crate::nowhere::Nowhere;

const ROUNDS: u32 = 5;
const TIMEOUT: Duration = Duration::from_secs(1);
const BESIDE: usize = 8;
const NUMBERS: u32 = 4_000_000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("__interpret") {
        return serve(&std::env::args_os().skip(2).collect::<Vec<_>>()).unwrap();
    }
    let bench = Arc::new(Bench::new());
    // Built like the program's runtime for guests.
    let runtime = tokio::runtime::Builder::new_multi_thread().event_interval(1).enable_time().build().unwrap();
    let alone: Vec<_> = (0..ROUNDS).map(|_| runtime.block_on(runtime.spawn(bench.overrun()))).collect();
    println!("alone                                   {}", shown(alone.into_iter().map(Result::unwrap)));
    let mut lists = 0.0;
    let beside = (0..ROUNDS).map(|_| {
        let (overrun, rate) = bench.beside(&runtime);
        lists += rate;
        overrun
    });
    println!("beside {BESIDE} builds, {NUMBERS} numbers each    {}", shown(beside));
    println!("lists there and back, a second           {:>6.1}", lists / f64::from(ROUNDS));
    for (name, function, size, memory) in [
        ("memory.fill of 256 MiB", &bench.fill, 4_096, 256 * MIB),
        ("memory.copy of 256 MiB", &bench.copy, 4_096, 256 * MIB),
        ("table.fill of 1,000,000", &bench.fill_table, 1_000_000, 256 * MIB),
        ("memory.fill of 1 GiB", &bench.fill, 16_384, 1_024 * MIB),
        ("memory.fill of 4 GiB", &bench.fill, 65_535, MAX_MEMORY),
    ] {
        let overruns =
            (0..ROUNDS).map(|_| runtime.block_on(runtime.spawn(bench.bulk(function, size, memory))).unwrap());
        println!("{name:<40}{}", shown(overruns));
    }
}

fn shown(overruns: impl Iterator<Item = Duration>) -> String {
    let mut ms: Vec<_> = overruns.map(|time| time.as_secs_f64() * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    let [most, median] = [ms[ms.len() - 1], ms[ms.len() / 2]];
    format!("overrun {median:>7.1} ms, at most {most:>7.1} ms")
}

struct Bench {
    _folder: tempfile::TempDir,
    sandbox: Sandbox,
    spin: Function,
    echo: Function,
    fill: Function,
    copy: Function,
    fill_table: Function,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = vec![std::env::current_exe().unwrap().into(), "__interpret".into()];
        let compiler = Plugins::new(folder.path().join("cache"), command, ChildLimits::READ, ChildLimits::COMPILE);
        let sandbox = Sandbox::new(compiler, Arc::new(SystemClock), BESIDE + 1).unwrap();
        let function = |guest: &str, name: &str| {
            let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
            let plugin = sandbox.plugins().read_file(&guests.join(guest), Path::new(guest)).unwrap();
            let signature = plugin.functions.iter().find(|signature| signature.name == name).unwrap();
            sandbox.function(&plugin, signature, &Cancel::pair().1).unwrap()
        };
        let (spin, echo) = (function("loop_endless.wat", "spin"), function("values_list.wat", "numbers"));
        let [fill, copy, fill_table] = ["fill", "copy", "fill-table"].map(|name| function("limit_bulk.wat", name));
        Self { _folder: folder, sandbox, spin, echo, fill, copy, fill_table }
    }

    /// Returns how much longer than its timeout an endless loop takes.
    fn overrun(self: &Arc<Self>) -> impl Future<Output = Duration> + Send + use<> {
        let bench = Arc::clone(self);
        async move {
            let limits = Limits { timeout: TIMEOUT, ..Limits::default() };
            let since = Instant::now();
            bench.sandbox.call(&bench.spin, call(Vec::new(), limits)).await;
            since.elapsed() - TIMEOUT
        }
    }

    /// Returns how much longer than an immediate timeout a bulk operation takes, including freeing
    /// the memory that it touched.
    fn bulk(
        self: &Arc<Self>,
        function: &Function,
        size: u32,
        memory: u64,
    ) -> impl Future<Output = Duration> + Send + use<> {
        let (bench, function) = (Arc::clone(self), function.clone());
        async move {
            let timeout = Duration::from_millis(1);
            let limits = Limits { timeout, memory, table_elements: MAX_TABLE_ELEMENTS, ..Limits::default() };
            let since = Instant::now();
            let called = bench.sandbox.call(&function, call(vec![Value::Int(size.into())], limits)).await;
            let Outcome::Failed(failure) = called.outcome else { panic!("it never returns") };
            assert_eq!(failure.kind, FailureKind::Timeout, "{}", failure.message);
            since.elapsed() - timeout
        }
    }

    /// Measures like [`Bench::overrun`], beside builds with large values. Also returns how many of
    /// these builds ended per second over the whole time.
    fn beside(self: &Arc<Self>, runtime: &Runtime) -> (Duration, f64) {
        let since = Instant::now();
        let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let task = || {
            let (bench, over, done) = (Arc::clone(self), Arc::clone(&over), Arc::clone(&done));
            runtime.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    bench.there_and_back().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks: Vec<_> = (0..BESIDE).map(|_| task()).collect();
        // Each build has ended once, so they are no longer all at the same point.
        while done.load(Ordering::Relaxed) < u32::try_from(BESIDE).unwrap() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let overrun = runtime.block_on(runtime.spawn(self.overrun())).unwrap();
        over.store(true, Ordering::Relaxed);
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        (overrun, f64::from(done.load(Ordering::Relaxed)) / since.elapsed().as_secs_f64())
    }

    /// Work outside of the sandbox runs elsewhere, so that only the sandbox can keep the loop
    /// waiting.
    async fn there_and_back(&self) {
        let args = spawn_blocking(|| vec![Value::List((0..NUMBERS).map(|n| Value::Int(n.into())).collect())]);
        let limits = Limits { retval: 64 * MIB, ..Limits::default() };
        let called = self.sandbox.call(&self.echo, call(args.await.unwrap(), limits)).await;
        spawn_blocking(move || {
            let Outcome::Returned(Some(Value::List(items))) = called.outcome else { panic!("{:?}", called.usage) };
            assert_eq!(items.len(), NUMBERS as usize);
        })
        .await
        .unwrap();
    }
}

fn call(args: Vec<Value>, limits: Limits) -> Call {
    let build = BuildInfo { build_id: 1, job_id: "bench".into(), attempt: 1, store_id: "bench".into() };
    let (granted, sink, cancel) = (Granted::default(), Arc::new(Nowhere), Cancel::pair().1);
    let account = Ledger::unbounded().enter();
    Call { args, granted, secrets: Secrets::default(), limits, account, build, sink, cancel, until: None }
}
