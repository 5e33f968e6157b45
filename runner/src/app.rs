//! Puts all parts together: the only module that knows every other one. The command line and the
//! web call it and show what it returns.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::clock::SystemClock;
use jobcontrol_core::labels::KEYED;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::manifest::Bus;
use jobcontrol_core::manifest::BusAddress;
use jobcontrol_core::run::Requester;
use jobcontrol_core::storage::NewRun;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use jobcontrol_sandbox::Ledger;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Sandbox;
use tokio::runtime::Runtime;

use crate::bus::nats::NatsWorker;
use crate::bus::seal::Key;
use crate::catalog::watch::SettingsFile;
use crate::catalog::workspace::StoredPlugins;
use crate::execute::hooks::Which;
use crate::execute::hooks::named;
use crate::execute::job_end::JobEnd;
use crate::execute::secrets::Standing;
use crate::execute::secrets::standing;
use crate::execute::slots::SLOTS;
use crate::lock::lock;
use crate::record::backend::Store;
use crate::request::ready::Ready;
use crate::say::Say;
use crate::service;
use crate::service::bus::Watcher;
use crate::service::engine::Engine;
use crate::service::engine::EngineError;
use crate::service::engine::guest_runtime;
use crate::service::engine::network_runtime;
use crate::service::serving::Parts;
use crate::service::serving::Service;
use crate::service::worker;
use crate::service::worker::Worker;
use crate::settings::Resolved;
use crate::settings::keep_from_jobs;

/// A running worker with its threads.
pub struct Work {
    worker: Worker,
    network: Runtime,
    _guests: Runtime,
}

impl Work {
    /// Takes no more attempts, waits until those that run have ended, and gives back those that
    /// take longer than `grace`.
    pub fn stop(self, grace: Duration) {
        self.network.block_on(self.worker.stop(grace));
    }
}

/// What a worker offers to services.
pub struct Offered {
    /// How many attempts it runs at once.
    pub slots: u32,
    /// The labels of its machine.
    pub labels: Labels,
    /// The key that secrets are encrypted to.
    pub key: Option<Key>,
}

/// The program without its command line and web interface.
pub struct App {
    /// Where everything is.
    pub settings: Resolved,
    /// Where times come from.
    pub clock: Arc<dyn Clock>,
    /// The store, opened at its first use.
    pub store: Arc<Store>,
    /// Sends a message to the waiting person.
    pub warn: Say,
    engine: Mutex<Option<Arc<Engine>>>,
    /// Where workers run attempts, if this process does not.
    bus: Option<Bus>,
}

impl App {
    /// Creates the program with this machine's clock.
    pub fn new(mut settings: Resolved, warn: Say) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(Store::new(settings.store.clone(), Arc::clone(&clock), Arc::clone(&warn)));
        let keeper = Arc::clone(&store);
        settings.workspace.stored_plugins = StoredPlugins::new(move |digest| {
            let storage = keeper.storage(false).map_err(|e| e.to_string())?;
            storage.get_plugin(digest).map_err(|e| e.to_string())
        });
        Self { settings, clock, store, warn, engine: Mutex::default(), bus: None }
    }

    /// Makes workers run the attempts of this process, which reaches them over a bus.
    #[must_use]
    pub fn on_bus(self, bus: Option<Bus>) -> Self {
        Self { bus, ..self }
    }

    /// Returns the store. If it is missing, it is created when `create` is set; otherwise an empty
    /// one in memory is returned.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be opened.
    pub fn storage(&self, create: bool) -> StorageResult<Arc<dyn Storage>> {
        self.store.storage(create)
    }

    /// Returns the engine of this process. It is made at its first use, for `concurrency` calls at
    /// once: a process that makes one call and ends needs no more.
    ///
    /// # Errors
    ///
    /// Returns an error if the engine cannot start.
    pub fn engine(&self, concurrency: usize) -> Result<Arc<Engine>, EngineError> {
        let mut made = lock(&self.engine);
        if let Some(engine) = &*made {
            return Ok(Arc::clone(engine));
        }
        let pools = self.settings.workspace.context.pools.clone();
        let memory = self.settings.memory;
        if self.plugins().cache_is_foreign() {
            (self.warn)(
                "the cache folder belongs to another user, so it is not used, and every plugin is compiled again",
            );
        }
        let engine = Engine::start(self.plugins().clone(), Arc::clone(&self.clock), pools, concurrency, memory)?;
        let engine = match &self.bus {
            Some(bus) => {
                engine.with_workers(bus.clone(), self.settings.workers.clone(), self.settings.workspace.clone())?
            }
            None => engine,
        };
        let engine = Arc::new(engine);
        *made = Some(Arc::clone(&engine));
        Ok(engine)
    }

    /// Runs a request to its end and returns the outcome of each job. Calls `watch` with a watcher
    /// of the events in the meantime.
    ///
    /// # Errors
    ///
    /// Returns an error if the store, the engine or the machine fails.
    pub fn run(
        &self,
        ready: Ready,
        requester: &Requester,
        cancel: Cancel,
        watch: impl FnOnce(Watcher),
    ) -> Result<BTreeMap<String, JobEnd>, EngineError> {
        let storage = self.storage(true)?;
        let engine = self.engine(ready.plan.order.len().min(SLOTS))?;
        service::run::run(&engine, &storage, ready, requester, cancel, &self.warn, watch)
    }

    /// Leaves a run to a service and returns the id of the run.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be opened or written to.
    pub fn enqueue(&self, ready: &Ready, requester: &Requester, priority: Option<i64>) -> StorageResult<u64> {
        let storage = self.storage(true)?;
        let new = service::run::new_run(ready, requester, &*self.clock)?;
        let priority = priority.unwrap_or(new.priority);
        storage.write(Write::CreateRun(NewRun { service: true, priority, ..new }))
    }

    /// Starts a service on the jobs folder.
    ///
    /// # Errors
    ///
    /// Returns an error if the store, the engine or the machine fails.
    pub fn serve(&self, settings: SettingsFile, on_change: bool, otlp: Option<String>) -> Result<Service, EngineError> {
        let engine = self.engine(SLOTS)?;
        let (store, workspace) = (Arc::clone(&self.store), self.settings.workspace.clone());
        Service::start(Parts { engine, store, settings, workspace, on_change, otlp })
    }

    /// Starts a worker that takes attempts from a bus. Must not be called on a thread of a runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker cannot be used, or the sandbox cannot start.
    pub fn work(
        &self,
        address: &BusAddress,
        name: String,
        key_file: Option<PathBuf>,
        offered: Offered,
    ) -> Result<Work, EngineError> {
        let Offered { slots, labels, key } = offered;
        let labels = if key.is_some() { labels.with(KEYED) } else { labels };
        let machine = |error: std::io::Error| EngineError::Machine(error.to_string());
        let (network, guests) = (network_runtime().map_err(machine)?, guest_runtime().map_err(machine)?);
        let bus = network.block_on(NatsWorker::connect(address, &name, labels.clone()))?;
        let concurrency = usize::try_from(slots).unwrap_or(SLOTS);
        let memory = Ledger::new(self.settings.memory);
        let sandbox = Sandbox::new(self.plugins().clone(), Arc::clone(&self.clock), concurrency)?.with_memory(memory);
        let mut workspace = self.settings.workspace.clone();
        key_file.into_iter().for_each(|path| keep_from_jobs(&mut workspace.files, &path, "the key of the worker"));
        let parts = worker::Parts {
            bus,
            name,
            workspace,
            sandbox: Arc::new(sandbox),
            guests: guests.handle().clone(),
            clock: Arc::clone(&self.clock),
            slots,
            labels,
            key,
        };
        Ok(Work { worker: Worker::start(parts, network.handle()), network, _guests: guests })
    }

    /// Returns the state of each secret in the operator's file.
    ///
    /// # Errors
    ///
    /// Returns an error if the runtime that reads the secrets cannot be started.
    pub fn secrets(&self) -> std::io::Result<Vec<Standing>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(standing(&self.settings.workspace.context.secrets)))
    }

    /// Returns the reader of plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.settings.workspace.reader
    }

    /// Calls a hook of a build's plugin with the return value of the build. Returns `None` if the
    /// build does not name this hook.
    ///
    /// # Errors
    ///
    /// Returns a message that says why the hook could not be called, or how it failed.
    pub fn hook(&self, build: &Build, which: Which) -> Result<Option<Value>, String> {
        if named(build, which).is_none() {
            return Ok(None);
        }
        let storage = self.storage(false).map_err(|error| error.to_string())?;
        let engine = self.engine(1).map_err(|error| error.to_string())?;
        engine.hook(&self.settings.workspace, &storage, build, which)
    }
}
