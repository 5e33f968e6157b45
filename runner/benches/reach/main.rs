//! Measures the cost of the sandbox for plugins that do input and output. It compares a thousand
//! GETs with the same client outside the sandbox; plugins that compute with and without others that
//! wait for slow servers; and a flood of log records with and without a secret to look for. Each
//! pair is measured in turns. `cargo bench --bench reach`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops where something is wrong")]

mod client;
mod flood;
#[path = "../../sandbox/benches/nowhere/mod.rs"]
mod nowhere;
mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol::service::engine::guest_runtime;
use jobcontrol_core::child_limits::ChildLimits;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::diagnostic::Span;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::AddressRange;
use jobcontrol_core::http::HostPattern;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::http::Rule;
use jobcontrol_core::limits::Limits;
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
use tokio::runtime::Runtime;

use crate::nowhere::Nowhere;

const ROUNDS: usize = 7;
const REQUESTS: u32 = 1_000;
const GUESTS: usize = 64;
const COMPUTED: u64 = 20_000_000;

fn main() {
    let bench = Arc::new(Bench::new());
    let answering = server::answering();
    let url = format!("http://127.0.0.1:{answering}/");
    let plain = Runtime::new().unwrap();
    pair("1,000 GETs", || bench.requests(&url), || plain.block_on(client::requests(answering, REQUESTS)));
    let silent = format!("http://127.0.0.1:{}/", server::silent());
    pair("64 plugins that compute, beside 64 that wait", || bench.computing(Some(&silent)), || bench.computing(None));
    let flood = flood::Flood::new();
    pair("a flood of 90,000 log records, with a secret", || flood.run(true), || flood.run(false));
}

/// Measures two things in turns, and prints the medians and their ratio.
fn pair(what: &str, one: impl Fn() -> Duration, other: impl Fn() -> Duration) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let (a, b) = (one(), other());
        if round > 0 {
            first.push(a);
            second.push(b);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[ROUNDS / 2]
    };
    let (first, second) = (median(&mut first), median(&mut second));
    println!("{what}: {first:.1?}, without {second:.1?}, ratio {:.2}", first.as_secs_f64() / second.as_secs_f64());
}

struct Bench {
    sandbox: Sandbox,
    many: Function,
    code: Function,
    compute: Function,
    guests: Runtime,
}

impl Bench {
    fn new() -> Self {
        let command = vec![env!("CARGO_BIN_EXE_jobcontrol").into(), "__interpret".into()];
        let cache = tempfile::tempdir().unwrap();
        let plugins = Plugins::new(cache.path().join("cache"), command, ChildLimits::READ, ChildLimits::COMPILE);
        let sandbox = Sandbox::new(plugins, Arc::new(SystemClock), 2 * GUESTS).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/http.wasm");
        let plugin = sandbox.plugins().read_file(&path, Path::new("http.wasm")).unwrap();
        let function = |name: &str| {
            let signature = plugin.functions.iter().find(|signature| signature.name == name).unwrap();
            sandbox.function(&plugin, signature, &Cancel::pair().1).unwrap()
        };
        let (many, code, compute) = (function("many"), function("code"), function("compute"));
        Self { sandbox, many, code, compute, guests: guest_runtime().unwrap() }
    }

    /// Measures GETs of one plugin, one after the other.
    fn requests(self: &Arc<Self>, url: &str) -> Duration {
        let args = vec![Value::string(url), Value::Int(REQUESTS.into())];
        let (bench, since) = (Arc::clone(self), Instant::now());
        let call =
            self.guests.spawn(async move { bench.sandbox.call(&bench.many, call(args, Cancel::pair().1)).await });
        let called = self.guests.block_on(call).unwrap();
        assert_eq!(
            called.outcome,
            Outcome::Returned(Some(Value::Int(i128::from(REQUESTS) * server::BODY.len() as i128)))
        );
        since.elapsed()
    }

    /// Measures plugins that compute, beside as many that wait for a server if there is one.
    fn computing(self: &Arc<Self>, silent: Option<&str>) -> Duration {
        let (stop, cancel) = Cancel::pair();
        let wait = |url: &str| {
            let (bench, call) = (Arc::clone(self), call(vec![Value::string(url)], cancel.clone()));
            self.guests.spawn(async move { bench.sandbox.call(&bench.code, call).await })
        };
        let waiting: Vec<_> = silent.iter().flat_map(|url| (0..GUESTS).map(|_| wait(url))).collect();
        if silent.is_some() {
            server::await_connections(GUESTS);
        }
        let since = Instant::now();
        let compute = || {
            let (bench, call) = (Arc::clone(self), call(vec![Value::Int(COMPUTED.into())], Cancel::pair().1));
            self.guests.spawn(async move { bench.sandbox.call(&bench.compute, call).await })
        };
        let computing: Vec<_> = (0..GUESTS).map(|_| compute()).collect();
        for task in computing {
            assert!(matches!(self.guests.block_on(task).unwrap().outcome, Outcome::Returned(_)));
        }
        let took = since.elapsed();
        stop.send(true).unwrap();
        waiting.into_iter().for_each(|task| drop(self.guests.block_on(task)));
        took
    }
}

fn call(args: Vec<Value>, cancel: Cancel) -> Call {
    let rule = Rule { scheme: None, host: HostPattern::Any, ports: None, methods: None, paths: None };
    let grant = HttpGrant { rule: Some(rule), headers: Vec::new(), span: Span::default() };
    let rules = HttpRules { addresses: vec![AddressRange::parse("127.0.0.1").unwrap()], ..HttpRules::default() };
    Call {
        args,
        granted: Granted { http: vec![grant], http_rules: Arc::new(rules), ..Granted::default() },
        secrets: Secrets::default(),
        limits: Limits::default(),
        account: Ledger::unbounded().enter(),
        build: BuildInfo { build_id: 1, job_id: "bench".into(), attempt: 1, store_id: "bench".into() },
        sink: Arc::new(Nowhere),
        cancel,
        until: None,
    }
}
