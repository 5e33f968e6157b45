//! Compares the forms of jobs: how soon a changed plugin is called, what a call costs after that,
//! and how large it is. `cargo bench -p jobcontrol-sandbox --bench forms [-- RUNTIMES]`; the folder
//! of interpreters is that of `jobcontrol --runtimes RUNTIMES runtime install python`. Without it,
//! Python is left out.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

mod nowhere;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::secret::Secrets;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::BuildInfo;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Runtimes;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::serve;

use crate::nowhere::Nowhere;

/// How many calls follow the first.
const CALLS: usize = 200;

/// How many records are in the larger list.
const RECORDS: u32 = 10_000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("__interpret") {
        return serve(&std::env::args_os().skip(2).collect::<Vec<_>>()).unwrap();
    }
    let runtimes = std::env::args().nth(1).filter(|argument| !argument.starts_with("--"));
    let bench = Bench::new(runtimes.as_deref());
    println!("form         bytes   first call   later calls, p50 / p99   beside Rust   {RECORDS} records there");
    let mut rust = None;
    let forms = [
        ("Rust", "tests/guests/rust-form.wasm"),
        ("JavaScript", "tests/plugins/js/form.js"),
        ("TypeScript", "tests/plugins/ts/form.ts"),
        ("Python", "tests/plugins/python/form.py"),
    ];
    for (form, file) in forms {
        if form == "Python" && runtimes.is_none() {
            continue;
        }
        let found = bench.form(file);
        let rust = *rust.get_or_insert(found.later[CALLS / 2]);
        let (p50, p99) = (found.later[CALLS / 2], found.later[CALLS * 99 / 100]);
        let beside = p50.as_secs_f64() / rust.as_secs_f64();
        println!(
            "{form:<10} {:>8} {:>9.1} ms {:>9.2} / {:>6.2} ms {beside:>15.1} {:>16.1} ms",
            found.bytes,
            ms(found.first),
            ms(p50),
            ms(p99),
            ms(found.many)
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The measurements of a form.
struct Found {
    bytes: u64,
    /// The time from the changed file to the end of its first call, with its interpreter compiled
    /// before.
    first: Duration,
    /// Sorted.
    later: Vec<Duration>,
    many: Duration,
}

struct Bench {
    _folder: tempfile::TempDir,
    sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
    root: PathBuf,
}

impl Bench {
    fn new(runtimes: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = vec![std::env::current_exe().unwrap().into(), "__interpret".into()];
        let plugins = Plugins::new(folder.path().join("cache"), command, ChildLimits::READ, ChildLimits::COMPILE);
        let plugins = plugins.with_runtimes(runtimes.map(|folder| Runtimes::new(folder.into())).unwrap_or_default());
        let sandbox = Sandbox::new(plugins, Arc::new(SystemClock), 1).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { _folder: folder, sandbox, runtime, root: Path::new(env!("CARGO_MANIFEST_DIR")).join("../..") }
    }

    fn form(&self, file: &str) -> Found {
        let source = self.root.join(file);
        let bytes = std::fs::read(&source).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(source.file_name().unwrap());
        let names = |count| {
            let name = |at: u32| {
                let fields = [("first", Value::string(format!("n{at}"))), ("unit-price", Value::Float(at.into()))];
                Value::map(fields)
            };
            Value::List((0..count).map(name).collect())
        };
        let mut first = Duration::ZERO;
        // An interpreter is compiled with the first of its scripts, and not after an edit of a
        // script.
        for text in [bytes.clone(), edited(&source, &bytes)] {
            std::fs::write(&path, text).unwrap();
            let since = Instant::now();
            let plugin = self.sandbox.plugins().read_file(&path, &path).unwrap();
            self.call(&plugin, names(3));
            first = since.elapsed();
        }
        let plugin = self.sandbox.plugins().read_file(&path, &path).unwrap();
        let mut later: Vec<_> = (0..CALLS).map(|_| self.call(&plugin, names(3))).collect();
        later.sort();
        let many = (0..3).map(|_| self.call(&plugin, names(RECORDS))).min().unwrap();
        Found { bytes: bytes.len() as u64, first, later, many }
    }

    fn call(&self, plugin: &Plugin, names: Value) -> Duration {
        let signature = plugin.functions.iter().find(|f| f.name == "price").unwrap();
        let function = self.sandbox.function(plugin, signature, &Cancel::pair().1).unwrap();
        let (_switch, cancel) = Cancel::pair();
        let build = BuildInfo { build_id: 1, job_id: "price".into(), attempt: 1, store_id: "bench".into() };
        let (granted, account, sink) = (Granted::default(), self.sandbox.memory().enter(), Arc::new(Nowhere));
        let (secrets, limits, args) = (Secrets::default(), Limits::default(), vec![names]);
        let call = Call { args, granted, secrets, limits, account, build, sink, cancel, until: None };
        let since = Instant::now();
        let outcome = self.runtime.block_on(self.sandbox.call(&function, call)).outcome;
        assert!(matches!(outcome, Outcome::Returned(Some(Value::Float(_)))), "{outcome:?}");
        since.elapsed()
    }
}

/// Returns the same plugin with other bytes.
fn edited(source: &Path, bytes: &[u8]) -> Vec<u8> {
    let ending = match source.extension().and_then(|ending| ending.to_str()) {
        Some("py") => &b"\n# edited\n"[..],
        // A custom section without content.
        Some("wasm") => b"\0\x02\x01x",
        _ => b"\n// edited\n",
    };
    [bytes, ending].concat()
}
