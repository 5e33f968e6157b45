//! A function and its arguments to an outcome: a fresh store for each attempt.

use std::fmt::Write;
use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::clock::Clock;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::LOG_MESSAGE;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::STACK;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::packed_size;
use jobcontrol_core::plugin::Plugin;
use jobcontrol_core::types::Signature;
use jobcontrol_core::value::Value;
use tokio::sync::watch;
use wasmtime::Engine;
use wasmtime::Store;
use wasmtime::Trap;
use wasmtime::UpdateDeadline;
use wasmtime::component::Component;
use wasmtime::component::ComponentExportIndex;
use wasmtime::component::InstancePre;
use wasmtime::component::Linker;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::ResourceTableError;

use crate::BuildInfo;
use crate::SandboxError;
use crate::Sink;
use crate::bounded::Bounded;
use crate::command;
use crate::deadline::Deadlines;
use crate::deadline::Timeout;
use crate::engine;
use crate::engine::TICK;
use crate::engine::Ticker;
use crate::grant;
use crate::grant::Granted;
use crate::grant::Lines;
use crate::host::Guest;
use crate::host::Host;
use crate::host::Signal;
use crate::limits::Limiter;
use crate::loader::Compiler;
use crate::loader::Loaded;
use crate::once::Gate;
use crate::once::OncePerKey;
use crate::traceback;
use crate::transfer::Args;
use crate::transfer::FUEL;
use crate::transfer::HELD;
use crate::transfer::Mismatch;
use crate::transfer::Returned;
use crate::transfer::TooLarge;

/// How the engine says that a plugin handed more to the host in one call than [`FUEL`] bytes for each of `retval`.
const FUEL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// How the engine says that a store has too many instances, tables or memories.
const COUNTED: &str = "resource limit exceeded: ";

/// How long a guest that waits in the host is left after its time, so that one that runs can be stopped with its
/// call stack first.
const GRACE: Duration = TICK.saturating_mul(2).saturating_sub(Duration::from_millis(2));

/// Plugins that may be compiled at once on one core; on more cores, as many as there are. Each may take
/// `compile.memory`, and one that takes its whole time holds up no other.
const COMPILING: usize = 2;

/// Plugins ready to be called.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<Host>,
    command_linker: wasmtime::Linker<Host>,
    ticker: Ticker,
    compiler: Compiler,
    clock: Arc<dyn Clock>,
    loaded: OncePerKey<Linked, SandboxError>,
    compiling: Gate,
}

/// A plugin's code with its imports.
#[derive(Clone)]
enum Linked {
    Component(InstancePre<Host>),
    Command(wasmtime::InstancePre<Host>),
}

/// A function ready to be called.
#[derive(Clone)]
pub struct Function {
    code: Code,
    /// Whether it is a command, and what that finds as the first of its argv.
    program: Option<Arc<str>>,
}

#[derive(Clone)]
enum Code {
    Export(InstancePre<Host>, ComponentExportIndex),
    Command(wasmtime::InstancePre<Host>),
}

/// One attempt.
pub struct Call {
    /// Arguments in the order and of the types of the parameters.
    pub args: Vec<Value>,
    /// What the plugin may touch.
    pub granted: Granted,
    /// What it may use.
    pub limits: Limits,
    /// What it can learn of its build.
    pub build: BuildInfo,
    /// Where its log and progress go.
    pub sink: Arc<dyn Sink>,
    /// Ends it when set.
    pub cancel: Cancel,
    /// When its build has to end; `limits.build_timeout` is what that is called.
    pub until: Option<Instant>,
}

/// Ends calls from outside: set once, seen by all that hold it.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<bool>, Option<watch::Receiver<bool>>);

impl Cancel {
    /// A pair of the switch and what sees it.
    pub fn pair() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver, None))
    }

    /// Seen where either switch is set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0, Some(other.0))
    }

    /// Whether it was set.
    pub fn is_set(&self) -> bool {
        *self.0.borrow() || self.1.as_ref().is_some_and(|other| *other.borrow())
    }

    /// Waits until it is set; for ever if nobody can set it any more.
    pub async fn wait(&mut self) {
        async fn set(switch: &mut watch::Receiver<bool>) {
            if switch.wait_for(|set| *set).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        match &mut self.1 {
            None => set(&mut self.0).await,
            Some(other) => tokio::select! {
                () = set(&mut self.0) => {}
                () = set(other) => {}
            },
        }
    }
}

impl Sandbox {
    /// Starts an engine. Nothing is compiled until a function is asked for.
    ///
    /// # Errors
    ///
    /// The engine cannot run on this machine.
    pub fn new(compiler: Compiler, clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        let failed = |e: &dyn std::fmt::Display| SandboxError::Engine(e.to_string());
        engine::raise_open_files();
        let engine = engine::running().map_err(|e| failed(&e))?;
        let linker = grant::linker(&engine).map_err(|e| failed(&e))?;
        let command_linker = grant::command_linker(&engine).map_err(|e| failed(&e))?;
        let ticker = Ticker::start(&engine).map_err(|e| failed(&e))?;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (loaded, compiling) = (OncePerKey::default(), Gate::new(cores.max(COMPILING)));
        Ok(Self { engine, linker, command_linker, ticker, compiler, clock, loaded, compiling })
    }

    /// Makes a function ready: compiles its plugin, unless that was done before. Blocks while it compiles.
    ///
    /// # Errors
    ///
    /// As [`Compiler`] says, or a plugin that asks for what the host does not offer.
    pub fn function(&self, plugin: &Plugin, signature: &Signature) -> Result<Function, SandboxError> {
        let failed = |e: String| SandboxError::Plugin(format!("`{}`: {e}", plugin.path.display()));
        let linked = self.loaded.get_or_make(&plugin.digest, || {
            let linked = match self.compiler.load(&self.engine, plugin, &self.compiling)? {
                Loaded::Component(component) => self.linker.instantiate_pre(&component).map(Linked::Component),
                Loaded::Command(module) => self.command_linker.instantiate_pre(&module).map(Linked::Command),
            };
            linked.map_err(|e| failed(format!("{e:#}")))
        })?;
        let code = match linked {
            Linked::Component(pre) => {
                let export = find_export(pre.component(), signature)
                    .ok_or_else(|| failed(format!("the compiled code has no function `{}`", signature.name)))?;
                Code::Export(pre, export)
            }
            Linked::Command(pre) => Code::Command(pre),
        };
        let program = || plugin.path.file_stem().unwrap_or_default().to_string_lossy().into();
        Ok(Function { code, program: signature.command.then(program) })
    }

    /// Calls a function. Never panics and never errs: whatever happens is an outcome.
    pub async fn call(&self, function: &Function, call: Call) -> Outcome {
        let Call { args, granted, limits, build, sink, cancel, until } = call;
        let (deadlines, limits) = (Arc::new(Deadlines::new(&limits, until)), Arc::new(limits));
        let (clock, kept) = (Arc::clone(&self.clock), Arc::clone(&limits));
        let guest = Arc::new(Guest::new(build, sink, clock, Arc::clone(&deadlines), kept));
        let arguments = |reason: String| Outcome::Failed(Failure::new(FailureKind::Arguments, reason));
        if args.iter().map(packed_size::of).sum::<u64>() > limits.retval {
            return Outcome::Failed(over(&limits, Excess::Encoded("the arguments")));
        }
        let argv = function.program.as_ref().map_or_else(Vec::new, |program| command::argv(program, &args));
        let (wasi, streams) = match grant::context(&granted, &guest, &argv, limits.handles) {
            Ok(context) => context,
            Err(reason) => return arguments(reason),
        };
        let host = Host { limiter: Limiter::new(Arc::clone(&limits)), wasi, guest };
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(usize::try_from(limits.retval.saturating_mul(FUEL)).unwrap_or(usize::MAX));
        interrupt(&mut store, Arc::clone(&deadlines), cancel.clone());
        let running = self.ticker.watch();
        let result = bounded(run(&mut store, function, &args), &deadlines, cancel).await;
        drop(running);
        // The instance goes before anything waits: a slot of the pool is worth more than its memory.
        drop(store);
        let outcome = read(result, &limits);
        flush(&streams, outcome).await
    }
}

fn find_export(component: &Component, signature: &Signature) -> Option<ComponentExportIndex> {
    let interface = match &signature.interface {
        Some(interface) => Some(component.get_export_index(None, interface)?),
        None => None,
    };
    component.get_export_index(interface.as_ref(), &signature.name)
}

/// Stops a guest that runs: at each tick it gives way to others, and ends if its time is up.
fn interrupt(store: &mut Store<Host>, deadlines: Arc<Deadlines>, cancel: Cancel) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if cancel.is_set() {
            return Err(Signal::Cancelled.into());
        }
        if let Some(timeout) = deadlines.exceeded(Instant::now()) {
            return Err(Signal::Timeout(timeout).into());
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// Stops a guest that waits in the host, by dropping it.
async fn bounded<T>(
    run: impl Future<Output = wasmtime::Result<T>>,
    deadlines: &Deadlines,
    mut cancel: Cancel,
) -> wasmtime::Result<T> {
    let cancelled = async {
        cancel.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        result = run => result,
        () = cancelled => Err(Signal::Cancelled.into()),
        timeout = exceeded(deadlines) => Err(Signal::Timeout(timeout).into()),
    }
}

/// Waits until a deadline is missed by more than the grace; signs of life move one of them on.
async fn exceeded(deadlines: &Deadlines) -> Timeout {
    loop {
        tokio::time::sleep_until((deadlines.next() + GRACE).into()).await;
        if let Some(timeout) = deadlines.exceeded(Instant::now() - GRACE) {
            return timeout;
        }
    }
}

async fn run(store: &mut Store<Host>, function: &Function, args: &[Value]) -> wasmtime::Result<Returned> {
    let (pre, export) = match &function.code {
        Code::Export(pre, run) if function.program.is_some() => {
            return command::run_component(store, pre, *run).await.map(|()| Returned::Value(None));
        }
        Code::Export(pre, export) => (pre, export),
        Code::Command(pre) => return command::run_module(store, pre).await.map(|()| Returned::Value(None)),
    };
    let instance = pre.instantiate_async(&mut *store).await?;
    let callee = instance
        .get_func(&mut *store, export)
        .ok_or_else(|| wasmtime::Error::msg("the instance has no such function"))?;
    callee.typed::<Args<'_>, Returned>(&*store)?.call_async(&mut *store, Args(args)).await
}

fn read(result: wasmtime::Result<Returned>, limits: &Limits) -> Outcome {
    match result {
        Err(error) => failed(&error, limits),
        Ok(Returned::Value(value)) => Outcome::Returned(value),
        Ok(Returned::Error(value)) => {
            let message = value.as_ref().map_or_else(|| "the function returned an error".to_owned(), error_message);
            Outcome::Failed(Failure { value, ..Failure::new(FailureKind::Error, message) })
        }
    }
}

/// A function's own error in words: `case: payload`, or `field: value, ..`.
fn error_message(value: &Value) -> String {
    let mut message = Bounded::new(LOG_MESSAGE);
    // What does not fit is cut.
    let _ = error_text(value, &mut message);
    message.text()
}

fn error_text(value: &Value, to: &mut Bounded) -> std::fmt::Result {
    match value {
        Value::String(text) => to.write_str(text),
        Value::Null => to.write_str("none"),
        Value::Bool(b) => write!(to, "{b}"),
        Value::Int(i) => write!(to, "{i}"),
        Value::Float(x) => write!(to, "{x}"),
        Value::Bytes(bytes) => write!(to, "{} bytes", bytes.len()),
        Value::List(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            to.write_str(if at == 0 { "" } else { ", " })?;
            error_text(item, to)
        }),
        Value::Map(entries) => entries.iter().enumerate().try_for_each(|(at, (key, value))| {
            write!(to, "{}{key}: ", if at == 0 { "" } else { ", " })?;
            error_text(value, to)
        }),
    }
}

fn failed(error: &wasmtime::Error, limits: &Limits) -> Outcome {
    let mut failure = match error.downcast_ref::<Signal>() {
        Some(Signal::Skip(reason)) => return Outcome::Skipped(reason.clone()),
        Some(Signal::Fail(failure)) => (**failure).clone(),
        Some(Signal::Exit(code)) => exited(*code),
        Some(Signal::Limit(message)) => Failure::new(FailureKind::Limit, message),
        Some(Signal::Timeout(timeout)) => Failure::new(FailureKind::Timeout, timeout.text(limits)),
        Some(Signal::Cancelled) => Failure::new(FailureKind::Cancelled, "the build was cancelled"),
        Some(Signal::Storage(message)) => Failure::new(FailureKind::Storage, message),
        None => trapped(error, limits),
    };
    let said = std::mem::take(&mut failure.frames);
    failure.frames = traceback::joined(traceback::frames(error), said);
    Outcome::Failed(failure)
}

/// The failure of a build that is over a limit.
fn over(limits: &Limits, excess: Excess<'_>) -> Failure {
    Failure::new(FailureKind::Limit, limits.exceeded(excess))
}

fn trapped(error: &wasmtime::Error, limits: &Limits) -> Failure {
    let cause = error.root_cause().to_string();
    if cause.contains(FUEL_EXHAUSTED) {
        return over(limits, Excess::Handed(FUEL));
    }
    match error.downcast_ref::<TooLarge>() {
        Some(TooLarge::Encoded(what)) => return over(limits, Excess::Encoded(what)),
        Some(TooLarge::Held(what)) => return over(limits, Excess::Held(what, HELD)),
        None => {}
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return over(limits, Excess::Handles);
    }
    if let Some(Mismatch(reason)) = error.downcast_ref::<Mismatch>() {
        return Failure::new(FailureKind::Arguments, reason);
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return exited(exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => {
            let stack = show_bytes(STACK);
            Failure::new(
                FailureKind::Limit,
                format!("the guest's stack is above {stack}, which is the same for every job"),
            )
        }
        Some(trap) => Failure::new(FailureKind::Trap, trap_text(*trap)),
        None => match cause.strip_prefix(COUNTED) {
            Some(what) if what.starts_with("instance count") => over(limits, Excess::Instances),
            Some(what) => Failure::new(FailureKind::Limit, format!("{what}, which is the same for every job")),
            None => Failure::new(FailureKind::Trap, cause),
        },
    }
}

fn exited(code: i32) -> Failure {
    let value = Some(Value::Int(code.into()));
    Failure { value, ..Failure::new(FailureKind::Exit, format!("the plugin ended itself with exit code {code}")) }
}

fn trap_text(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

/// What the guest had written without an end of line; a limit hit there changes a success only.
async fn flush(streams: &[Lines; 2], outcome: Outcome) -> Outcome {
    for stream in streams {
        if let Err(signal) = stream.finish().await
            && !matches!(outcome, Outcome::Failed(_))
        {
            let storage = matches!(signal, Signal::Storage(_));
            let kind = if storage { FailureKind::Storage } else { FailureKind::Limit };
            return Outcome::Failed(Failure::new(kind, signal.to_string()));
        }
    }
    outcome
}
