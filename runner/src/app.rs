//! All parts put together: the only room that knows every other. Interfaces call it and show what it answers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::Key;
use jobcontrol_core::manifest::parse_value;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::Request;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::status::job_status;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::types::Retvals;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::resolve;
use jobcontrol_core::types::same_name;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Compiler;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::SandboxError;
use tokio::runtime::Runtime;

use crate::catalog::load::Catalog;
use crate::catalog::today::Today;
use crate::catalog::today::today;
use crate::catalog::workspace::Kept;
use crate::execute::dispatcher::JobEnd;
use crate::execute::dispatcher::SLOTS;
use crate::execute::dispatcher::dispatch;
use crate::execute::executor::Executor;
use crate::execute::hooks;
use crate::execute::hooks::Which;
use crate::execute::rescuer::rescue;
use crate::execute::sink::Observer;
use crate::execute::takeover::Interrupted;
use crate::record::backend::from_url;
use crate::record::recorder::Recorder;
use crate::record::sqlite::Warn;
use crate::record::sqlite::owner::Owner;
use crate::record::url::StoreUrl;
use crate::settings::Resolved;

/// The program without its interfaces.
pub struct App {
    /// Where everything is.
    pub settings: Resolved,
    /// Where times come from.
    pub clock: Arc<dyn Clock>,
    /// The program that compiles plugins, with its arguments.
    pub compiler: Vec<OsString>,
    /// Says something to the person who waits.
    pub warn: Warn,
    store: Arc<Store>,
}

/// The store, opened at its first use.
struct Store {
    url: StoreUrl,
    clock: Arc<dyn Clock>,
    warn: Warn,
    opened: Mutex<Option<Arc<dyn Storage>>>,
}

/// What cannot even begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppError {
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The engine or the cache of compiled plugins.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The machine.
    #[error("{0}")]
    Machine(String),
}

/// A run of jobs, decided and not yet begun.
pub struct Run {
    /// The jobs as they are now.
    pub catalog: Arc<Catalog>,
    /// What to build.
    pub plan: Plan,
    /// What was asked of each build beside its job, by job.
    pub requests: BTreeMap<String, Request>,
}

/// How a job stands.
pub struct Standing {
    /// Its status.
    pub status: JobStatus,
    /// Its newest build, without return value and traceback.
    pub newest: Option<Arc<Build>>,
}

impl Store {
    fn storage(&self, create: bool) -> StorageResult<Arc<dyn Storage>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(storage) = &*opened {
            return Ok(Arc::clone(storage));
        }
        let storage = from_url(&self.url, create, Arc::clone(&self.clock), Arc::clone(&self.warn))?;
        // What stands in for a store that is not there is not kept: a later use may make it.
        let stands_in = matches!(&self.url, StoreUrl::Sqlite(file) if !file.path.exists());
        if !stands_in {
            *opened = Some(Arc::clone(&storage));
        }
        Ok(storage)
    }
}

impl App {
    /// The program on this machine's clock, with itself as the compiler of plugins.
    pub fn new(mut settings: Resolved, compiler: Vec<OsString>, warn: Warn) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (url, opened) = (settings.store.clone(), Mutex::default());
        let store = Arc::new(Store { url, clock: Arc::clone(&clock), warn: Arc::clone(&warn), opened });
        let keeper = Arc::clone(&store);
        settings.workspace.kept = Kept::new(move |digest| {
            let storage = keeper.storage(false).map_err(|e| e.to_string())?;
            storage.get_plugin(digest).map_err(|e| e.to_string())
        });
        Self { settings, clock, compiler, warn, store }
    }

    /// The store, opened at its first use; made if it is missing and `create` is set, and empty in memory if not.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn storage(&self, create: bool) -> StorageResult<Arc<dyn Storage>> {
        self.store.storage(create)
    }

    /// The status of every job of a catalog that fits, with its newest build.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn statuses(&self, catalog: &Catalog, storage: &dyn Storage) -> StorageResult<BTreeMap<String, Standing>> {
        let ids: Vec<&str> = catalog.graph.dependencies.keys().map(String::as_str).collect();
        let histories = storage.get_job_histories(&ids)?;
        let histories: BTreeMap<&str, _> = ids.into_iter().zip(histories).collect();
        let latest = |id: &str| histories.get(id)?.latest.as_deref();
        let status = |(id, checked): (&String, &CheckedJob)| {
            let history = &histories[id.as_str()];
            let status = job_status(&checked.job, &checked.plugin.digest, history, latest);
            (id.clone(), Standing { status, newest: history.newest.clone() })
        };
        Ok(catalog.graph.jobs.iter().map(status).collect())
    }

    /// Runs a plan to its end: calls `watch` with a runtime that is working and what it sends, and answers what became
    /// of each job.
    ///
    /// # Errors
    ///
    /// The store, the engine or the machine, before anything is built.
    pub fn run(
        &self,
        run: Run,
        cancel: Cancel,
        watch: impl FnOnce(tokio::sync::mpsc::Receiver<jobcontrol_core::event::Event>),
    ) -> Result<BTreeMap<String, JobEnd>, AppError> {
        /// Events that may wait for a slow terminal; guests wait behind them.
        const WAITING_EVENTS: usize = 1_024;
        let storage = self.storage(true)?;
        let machine = |e: std::io::Error| AppError::Machine(e.to_string());
        let unique = format!("{}-{}", std::process::id(), self.clock.now().0);
        let owner = Owner::take(&self.settings.store, &unique).map_err(|e| {
            AppError::Storage(StorageError::Backend(format!("the folder of the store cannot be written: {e}")))
        })?;
        let rescued = rescue(&*storage, &self.settings.store, &run.plan.order)?;
        self.tell_interrupted(&rescued.ended);
        for Interrupted { build, retry, .. } in &rescued.left {
            let (id, next, of) = (build.id, build.attempt + 1, retry.attempts);
            (self.warn)(&format!("build {id} was interrupted: its attempt {next} of {of} can follow"));
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(WAITING_EVENTS);
        let executor = Arc::new(self.executor(&storage, &owner, Some(sender), SLOTS.min(run.plan.order.len()))?);
        executor.expect(rescued.left);
        let runtime = guest_runtime().map_err(machine)?;
        let Run { catalog, plan, requests } = run;
        // The executor ends with its task, and with it the events that are watched.
        let task = runtime.spawn(async move {
            let ends = dispatch(&executor, &catalog, plan, &requests, &cancel).await;
            (ends, executor.end_left_over().await)
        });
        watch(receiver);
        let ended = runtime.block_on(task);
        runtime.shutdown_background();
        match ended {
            Ok((ends, left_over)) => {
                self.tell_interrupted(&left_over?);
                Ok(ends)
            }
            Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
            Err(stopped) => Err(AppError::Machine(stopped.to_string())),
        }
    }

    fn tell_interrupted(&self, ended: &[u64]) {
        for id in ended {
            (self.warn)(&format!("build {id} was interrupted: the process that ran it is gone"));
        }
    }

    /// Where compiled plugins are kept, and who compiles.
    pub fn compiler(&self) -> Compiler {
        let Resolved { cache, compile, .. } = &self.settings;
        Compiler { cache: cache.clone(), command: self.compiler.clone(), limits: *compile }
    }

    /// Calls a function of a build's own plugin with what the build returned; none where the build names no such one.
    ///
    /// # Errors
    ///
    /// Why it could not be called, or how it failed, in words.
    pub fn hook(&self, build: &Build, which: Which) -> Result<Option<Value>, String> {
        let Some(function) = hooks::named(build, which) else {
            return Ok(None);
        };
        let workspace = &self.settings.workspace;
        let storage = self.storage(false).map_err(|error| error.to_string())?;
        let now = match which {
            Which::Cleanup => today(workspace, &build.job_id),
            Which::Repr => Today::Gone,
        };
        let sandbox = Sandbox::new(self.compiler(), Arc::clone(&self.clock), 1).map_err(|error| error.to_string())?;
        let runtime = guest_runtime().map_err(|error| error.to_string())?;
        let called = hooks::call(&sandbox, workspace, &storage, build, (which, &function), &now);
        let answer = runtime.block_on(called).map_err(|reason| format!("`{function}` failed: {reason}"));
        runtime.shutdown_background();
        answer
    }

    /// An executor on this store that makes so many calls at once.
    ///
    /// # Errors
    ///
    /// The engine cannot start, or the store cannot be read.
    pub fn executor(
        &self,
        storage: &Arc<dyn Storage>,
        owner: &Owner,
        observer: Observer,
        concurrency: usize,
    ) -> Result<Executor, AppError> {
        let sandbox = Arc::new(Sandbox::new(self.compiler(), Arc::clone(&self.clock), concurrency)?);
        let recorder = Recorder::new(Arc::clone(storage));
        Ok(Executor::new(sandbox, recorder, Arc::clone(&owner.name), observer)?)
    }
}

/// Threads for guests, one a core, apart from whatever answers people.
///
/// # Errors
///
/// The machine gives no threads.
pub fn guest_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("guest")
        // A guest gives way every few milliseconds; the timers of the others are looked at each time.
        .event_interval(1)
        .enable_time()
        .build()
}

/// Reads `NAME=VALUE` for a parameter of `checked`: verbatim where it takes a string, else as YAML.
///
/// # Errors
///
/// A text without `=`, a parameter that is not there, or a value that does not fit.
pub fn override_of(checked: &CheckedJob, text: &str) -> Result<(Key, Arg), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no `NAME=VALUE`"))?;
    let params = &checked.signature.params;
    let (name, ty) = params
        .iter()
        .find(|(known, _)| same_name(known, name))
        .ok_or_else(|| format!("there is no parameter `{name}`; the function is `{}`", checked.signature))?;
    let verbatim = match ty {
        Type::String => true,
        Type::Option(inner) => **inner == Type::String && value != "null",
        _ => false,
    };
    let value = if verbatim { Value::string(value) } else { parse_value(value)? };
    let arg = Arg::literal(value);
    let mut problems = Vec::new();
    resolve(&arg, name, ty, &NoRetvals, &mut problems);
    match problems.into_iter().next() {
        Some(problem) => Err(format!("{}: {}", problem.path, problem.reason)),
        None => Ok((Key { name: name.clone(), span: jobcontrol_core::diagnostic::Span::default() }, arg)),
    }
}

struct NoRetvals;

impl Retvals for NoRetvals {
    fn retval(&self, _job: &str) -> Option<(&Type, Option<&Value>)> {
        None
    }
}
