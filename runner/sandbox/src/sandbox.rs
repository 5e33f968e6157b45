//! The engine with the plugins that it has loaded. It turns a plugin into a function, and a call of
//! a function into an outcome.

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
use crate::imported::Imports;
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

/// How many plugins may be compiled at once on one core; with more cores, one for each core. Each
/// may take `compile.memory`, and a slow compilation does not delay the others.
const COMPILING: usize = 2;

/// The memory of an instance, in bytes, from which on freeing it takes long. The kernel needs about
/// a millisecond for this much.
const LONG_TO_FREE: u64 = 16 * MIB;

/// Plugins ready to be called.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<Host>,
    core_linker: wasmtime::Linker<Host>,
    plugins: Plugins,
    clock: Arc<dyn Clock>,
    loaded: OncePerKey<Linked, SandboxError>,
    imports: Imports,
    compiling: Gate,
    places: Places,
    memory: Arc<Ledger>,
    http: Arc<Client>,
}

impl Sandbox {
    /// Starts an engine. Nothing is compiled until a function is requested.
    ///
    /// `concurrency` is how many calls can run at once, from 1 to 1,000; a call beyond that waits
    /// for one to end. It decides what the engine sets up now, so a process that makes one call
    /// passes 1.
    ///
    /// # Errors
    ///
    /// Returns an error if the engine cannot run on this machine.
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
        let (memory, http, imports) = (Ledger::unbounded(), Arc::new(Client::new()), Imports::default());
        Ok(Self { engine, linker, core_linker, plugins, clock, loaded, imports, compiling, places, memory, http })
    }

    /// Uses a ledger for the builds that it runs. Without one, their memory is not bounded.
    #[must_use]
    pub fn with_memory(self, memory: Arc<Ledger>) -> Self {
        Self { memory, ..self }
    }

    /// Uses another name resolver than the system's for HTTP requests.
    #[must_use]
    pub fn with_names(self, names: Arc<dyn Names>) -> Self {
        Self { http: Arc::new(Client::with_names(names)), ..self }
    }

    /// Returns the ledger of the builds that it runs.
    pub fn memory(&self) -> &Arc<Ledger> {
        &self.memory
    }

    /// Makes a function ready, and compiles its plugin unless that was done before. Blocks while it
    /// compiles, until `cancel` is set.
    ///
    /// # Errors
    ///
    /// Returns an error if the plugin cannot be compiled within the operator's limits and with this
    /// cache, or if it imports what the host does not offer.
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
                // The caller that compiled it was cancelled, but this one was not.
                Err(SandboxError::Interrupted(_)) if !cancel.is_set() => {}
                linked => break linked?,
            }
        };
        Function::find(linked, plugin, signature, &self.imports)
            .ok_or_else(|| failed(format!("the compiled code has no function `{}`", signature.name)))
    }

    /// Returns a function whose plugin is already loaded, or `None`. Never blocks.
    pub fn ready_function(&self, plugin: &Plugin, signature: &Signature) -> Option<Function> {
        Function::find(self.loaded.get(plugin.code_digest())?, plugin, signature, &self.imports)
    }

    /// Frees the memory of all plugins except those with digests that `is_kept` accepts. Running
    /// calls keep their plugins.
    pub fn keep_only(&self, is_kept: impl Fn(&str) -> bool) {
        // Any script may need the interpreter next.
        self.imports.keep_only(&is_kept);
        self.loaded.keep_only(|digest| is_kept(digest) || self.plugins.runtimes().knows(digest));
    }

    /// Returns the reader of plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Calls a function in a fresh instance, which is dropped before this returns. Whatever happens
    /// to the guest is reported as an outcome. If as many calls run as may run at once, it waits
    /// for one to end. This wait counts as time of the attempt.
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
        // A command's arguments are copied into its argv, and again into its context.
        if function.is_command()
            && args.are_large()
            && let Err(full) = guest.account.charge(2 * args.held())
        {
            return Called::unstarted(outcome::of(Err(Signal::full(full).into()), &limits));
        }
        // Each handle may be a message whose headers the host holds.
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
        // The instance is dropped before anything waits: its slot in the pool is worth more than
        // the memory.
        apart_if(peak_memory > LONG_TO_FREE, || drop(store));
        drop(place);
        let outcome = function.with_code(outcome::of(result, &limits));
        let outcome = outcome::explained(outcome, || streams[1].last());
        let outcome = flush(&streams, &guest, outcome).await;
        // Secrets go before anything is added: a cut message is recognised by its end.
        let outcome = without_secrets(&guest, outcome);
        let outcome = outcome::with_grant(outcome, &folders, || streams[1].last());
        let outcome = match outcome::with_request(outcome, refused) {
            failed @ Outcome::Failed(_) => without_secrets(&guest, failed),
            outcome => outcome,
        };
        let guest_time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Called { outcome, usage: Usage { peak_memory, guest_time, traffic } }
    }

    /// Waits until one more call may run.
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

/// The size of a value, in bytes, from which on it is searched apart, because that takes a
/// millisecond.
const LONG_TO_SEARCH: u64 = MIB;

/// Removes secrets from an outcome. A secret cannot be removed from a return value, so that becomes
/// a failure.
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

/// Flushes what the guest wrote without an end of line. A limit that is reached here changes the
/// outcome only if it was a success.
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
