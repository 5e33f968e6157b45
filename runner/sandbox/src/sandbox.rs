//! The engine with the plugins that it has loaded: from a plugin to a function, and from a function
//! to an outcome.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::held_size;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::MIB;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::types::Signature;
use jobcontrol_core::usage::Usage;
use wasmtime::Engine;
use wasmtime::Store;
use wasmtime::component::Linker;

use crate::apart::apart_if;
use crate::call::Call;
use crate::call::Called;
use crate::cancel::Cancel;
use crate::current;
use crate::deadline::Deadlines;
use crate::engine;
use crate::engine::MOST_CALLS;
use crate::engine::Ticker;
use crate::error::SandboxError;
use crate::function::Function;
use crate::function::Linked;
use crate::grant;
use crate::grant::Granted;
use crate::grant::Lines;
use crate::guest::Guest;
use crate::host::Host;
use crate::http::Client;
use crate::http::MESSAGE;
use crate::http::Names;
use crate::http::Requests;
use crate::interrupt;
use crate::ledger::Ledger;
use crate::limits::Limiter;
use crate::loader::Loaded;
use crate::meter::metered;
use crate::once::Gate;
use crate::once::OncePerKey;
use crate::outcome;
use crate::places::Place;
use crate::places::Places;
use crate::plugins::Plugins;
use crate::quota::Quotas;
use crate::signal::Signal;
use crate::transfer::FUEL;
use crate::transfer::Values;

/// Plugins that may be compiled at once on one core; on more cores, as many as there are. Each may
/// take `compile.memory`, and one that takes its whole time holds up no other.
const COMPILING: usize = 2;

/// Memory of an instance, from which on it takes long to give it back: the kernel needs about a
/// millisecond for so much.
const LONG_TO_FREE: u64 = 16 * MIB;

/// Plugins ready to be called.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<Host>,
    core_linker: wasmtime::Linker<Host>,
    plugins: Plugins,
    clock: Arc<dyn Clock>,
    loaded: OncePerKey<Linked, SandboxError>,
    compiling: Gate,
    places: Places,
    memory: Arc<Ledger>,
    http: Arc<Client>,
}

impl Sandbox {
    /// Starts an engine. Nothing is compiled until a function is asked for.
    ///
    /// `concurrency` is how many calls can run at once, from 1 to 1,000; a call beyond that waits
    /// for one to end. It decides what the engine sets up now, so a process that makes one call
    /// passes 1.
    ///
    /// # Errors
    ///
    /// The engine cannot run on this machine.
    pub fn new(plugins: Plugins, clock: Arc<dyn Clock>, concurrency: usize) -> Result<Self, SandboxError> {
        let failed = |e: &dyn std::fmt::Display| SandboxError::Engine(e.to_string());
        engine::raise_open_files();
        let concurrency = concurrency.clamp(1, MOST_CALLS);
        let engine = engine::running(concurrency).map_err(|e| failed(&e))?;
        let linker = grant::linker(&engine).map_err(|e| failed(&e))?;
        let core_linker = grant::core_linker(&engine).map_err(|e| failed(&e))?;
        let ticker = Ticker::start(&engine).map_err(|e| failed(&e))?;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (loaded, compiling) = (OncePerKey::default(), Gate::new(cores.max(COMPILING)));
        let places = Places::new(ticker, concurrency);
        let (memory, http) = (Ledger::unbounded(), Arc::new(Client::new()));
        Ok(Self { engine, linker, core_linker, plugins, clock, loaded, compiling, places, memory, http })
    }

    /// With the ledger of the builds that it runs; it bounds nothing otherwise.
    #[must_use]
    pub fn with_memory(self, memory: Arc<Ledger>) -> Self {
        Self { memory, ..self }
    }

    /// With another resolver of names than the system's, for HTTP requests.
    #[must_use]
    pub fn with_names(self, names: Arc<dyn Names>) -> Self {
        Self { http: Arc::new(Client::with_names(names)), ..self }
    }

    /// The ledger of the builds that it runs.
    pub fn memory(&self) -> &Arc<Ledger> {
        &self.memory
    }

    /// Makes a function ready: compiles its plugin, unless that was done before. Blocks while it
    /// compiles, until `cancel` is set.
    ///
    /// # Errors
    ///
    /// A plugin that cannot be compiled, as the operator's limits and the cache allow, or that asks
    /// for what the host does not offer.
    pub fn function(&self, plugin: &Plugin, signature: &Signature, cancel: &Cancel) -> Result<Function, SandboxError> {
        let failed = |e: String| SandboxError::Plugin(format!("`{}`: {e}", plugin.path.display()));
        let make = || {
            let linked = match self.plugins.load(&self.engine, plugin, &self.compiling, &|| cancel.is_set())? {
                Loaded::Component(component) => self.linker.instantiate_pre(&component).map(Linked::Component),
                Loaded::Module(module) => self.core_linker.instantiate_pre(&module).map(Linked::Module),
            };
            linked.map_err(|e| failed(format!("{e:#}")))
        };
        let digest = Arc::from(plugin.code_digest());
        let linked = loop {
            match self.loaded.get_or_make(&digest, make) {
                // Who compiled it was cancelled, and we were not.
                Err(SandboxError::Interrupted(_)) if !cancel.is_set() => {}
                linked => break linked?,
            }
        };
        Function::find(linked, plugin, signature)
            .ok_or_else(|| failed(format!("the compiled code has no function `{}`", signature.name)))
    }

    /// Returns a function whose plugin is already loaded, or none. Never blocks.
    pub fn ready_function(&self, plugin: &Plugin, signature: &Signature) -> Option<Function> {
        Function::find(self.loaded.get(plugin.code_digest())?, plugin, signature)
    }

    /// Gives back the memory of plugins but those of these digests. Calls that run keep theirs.
    pub fn keep_only(&self, is_kept: impl Fn(&str) -> bool) {
        // An interpreter is there for whatever script comes next.
        self.loaded.keep_only(|digest| is_kept(digest) || self.plugins.runtimes().knows(digest));
    }

    /// What reads plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Calls a function in a fresh instance, which is gone when this returns. Whatever happens to
    /// the guest is an outcome. Where as many calls run as may run at once, it waits for one to
    /// end, and this counts as time of the attempt.
    pub async fn call(&self, function: &Function, call: Call) -> Called {
        let Call { args, granted, secrets, limits, account, build, sink, cancel, until } = call;
        let (deadlines, limits) = (Arc::new(Deadlines::new(&limits, until)), Arc::new(limits));
        let (clock, kept) = (Arc::clone(&self.clock), Arc::clone(&limits));
        let limiter = Limiter::new(Arc::clone(&limits), Arc::clone(&account));
        let guest = Arc::new(Guest::new(build, sink, clock, Arc::clone(&deadlines), account, kept, secrets));
        let args = Values::new(args);
        if args.size() > limits.retval {
            let message = limits.exceeded_by(Excess::Encoded("the arguments"), args.size());
            return Called::unstarted(Outcome::Failed(Failure::new(FailureKind::Limit, message)));
        }
        // A command's arguments are copied into its argv, and that into its context.
        if function.is_command()
            && args.are_large()
            && let Err(full) = guest.account.charge(2 * args.held())
        {
            return Called::unstarted(outcome::of(Err(Signal::full(full).into()), &limits));
        }
        // Whatever it has open may be a message, whose headers the host holds.
        if function.makes_requests(&granted)
            && let Err(full) = guest.account.charge(limits.handles.saturating_mul(MESSAGE))
        {
            return Called::unstarted(outcome::of(Err(Signal::full(full).into()), &limits));
        }
        if let Err(full) = guest.account.charge(function.held(&args)) {
            return Called::unstarted(outcome::of(Err(Signal::full(full).into()), &limits));
        }
        let context = || grant::context(&granted, &guest, &function.argv(&args), limits.handles);
        let (wasi, streams) = match apart_if(args.are_large(), context) {
            Ok(context) => context,
            Err(reason) => {
                return Called::unstarted(Outcome::Failed(Failure::new(FailureKind::Arguments, reason)));
            }
        };
        let place = match self.place(&guest, cancel.clone()).await {
            Ok(place) => place,
            Err(error) => return Called::unstarted(outcome::of(Err(error), &limits)),
        };
        let Granted { http, http_rules, folders, .. } = granted;
        let requests = Requests::new(Arc::clone(&self.http), http_rules, http, Arc::clone(&guest));
        let host = Host::new(limiter, wasi, Arc::clone(&guest), requests, Quotas::new(&folders));
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(usize::try_from(limits.retval.saturating_mul(FUEL)).unwrap_or(usize::MAX));
        interrupt::at_ticks(&mut store, Arc::clone(&deadlines), cancel.clone());
        let (mut time, lowering) = (Duration::ZERO, AtomicBool::new(false));
        let run = metered(&mut time, &lowering, current::running(&guest, function.run(&mut store, args, &lowering)));
        let result = interrupt::in_time(run, &deadlines, cancel, &guest.stop).await;
        let peak_memory = store.data().limiter.peak_memory();
        let (traffic, refused) = (store.data().requests.traffic(), store.data().requests.refused());
        // The instance goes before anything waits: a slot of the pool is worth more than its
        // memory.
        apart_if(peak_memory > LONG_TO_FREE, || drop(store));
        drop(place);
        let outcome = function.with_code(outcome::of(result, &limits));
        let outcome = outcome::explained(outcome, || streams[1].last());
        let outcome = flush(&streams, &guest, outcome).await;
        // Before anything is added: a message that was cut is told by its end.
        let outcome = without_secrets(&guest, outcome);
        let outcome = outcome::with_grant(outcome, &folders, || streams[1].last());
        let outcome = match outcome::with_request(outcome, refused) {
            failed @ Outcome::Failed(_) => without_secrets(&guest, failed),
            outcome => outcome,
        };
        let guest_time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Called { outcome, usage: Usage { peak_memory, guest_time, traffic } }
    }

    /// Waits until one call more may run.
    async fn place(&self, guest: &Guest, cancel: Cancel) -> wasmtime::Result<Place<'_>> {
        match self.places.try_take() {
            Some(place) => Ok(place),
            None => {
                let place = async { Ok(self.places.take().await) };
                interrupt::in_time(place, &guest.deadlines, cancel, &guest.stop).await
            }
        }
    }
}

/// Bytes of a value that is searched apart: that takes a millisecond.
const LONG_TO_SEARCH: u64 = MIB;

/// An outcome without secrets. A value that is returned cannot do without, so that is a failure.
fn without_secrets(guest: &Guest, outcome: Outcome) -> Outcome {
    if guest.secrets().is_empty() {
        return outcome;
    }
    let large = match &outcome {
        Outcome::Returned(value) => value.as_ref(),
        Outcome::Failed(failure) => failure.value.as_ref(),
        Outcome::Skipped(_) => None,
    };
    let large = large.is_some_and(|value| held_size::of(value) > LONG_TO_SEARCH);
    apart_if(large, || outcome::without_secrets(outcome, guest.secrets().redactor()))
}

/// What the guest had written without an end of line; a limit hit there changes a success only.
async fn flush(streams: &[Lines; 2], guest: &Guest, outcome: Outcome) -> Outcome {
    let [stdout, stderr] = streams;
    for finished in [stdout.finish().await, stderr.finish().await, guest.finish().await] {
        if let Err(signal) = finished
            && !matches!(outcome, Outcome::Failed(_))
        {
            let storage = matches!(signal, Signal::Storage(_));
            let kind = if storage { FailureKind::Storage } else { FailureKind::Limit };
            return Outcome::Failed(Failure::new(kind, signal.to_string()));
        }
    }
    outcome
}
