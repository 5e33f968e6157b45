//! What builds share for as long as the process lives. It is created once, at its first use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Clock;
use jobcontrol_core::manifest::Bus;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Ledger;
use jobcontrol_sandbox::Plugins;
use jobcontrol_sandbox::Sandbox;
use jobcontrol_sandbox::SandboxError;
use tokio::runtime::Handle;
use tokio::runtime::Runtime;

use crate::bus::carrier::BusError;
use crate::catalog::today::Today;
use crate::catalog::today::today;
use crate::catalog::workspace::Workspace;
use crate::execute::executor::Executor;
use crate::execute::hooks;
use crate::execute::hooks::Which;
use crate::execute::publisher::Publisher;
use crate::execute::remote::Remote;
use crate::execute::slots::SLOTS;
use crate::execute::slots::Slots;
use crate::execute::windows::Windows;
use crate::lock::lock;
use crate::record::process::owner_name;
use crate::record::recorder::Recorder;
use crate::service::workers::Workers;

/// Why an engine cannot start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The sandbox or the cache of compiled plugins cannot be used.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The machine gives no threads.
    #[error("{0}")]
    Machine(String),
}

/// One sandbox, one runtime for guests, one owner, slots, and one stream of events.
pub struct Engine {
    sandbox: Arc<Sandbox>,
    /// Taken when the engine is dropped.
    guests: Option<Runtime>,
    clock: Arc<dyn Clock>,
    pools: BTreeMap<String, u32>,
    slots: Slots,
    publisher: Publisher,
    /// The workers that run attempts, if this process does not run them itself.
    workers: Option<Workers>,
    /// Created when the first build is to run, because only a process that runs builds takes a
    /// lease.
    executor: Mutex<Option<Arc<Executor>>>,
}

impl Engine {
    /// Starts an engine for `concurrency` calls at once, at most [`SLOTS`] of which are builds. It
    /// sets up no more than that. `pools` has the size of each pool. `memory` is how much of the
    /// host's memory all builds together may hold.
    ///
    /// # Errors
    ///
    /// Returns an error if the sandbox cannot start, or if threads cannot be started.
    pub fn start(
        plugins: Plugins,
        clock: Arc<dyn Clock>,
        pools: BTreeMap<String, u32>,
        concurrency: usize,
        memory: u64,
    ) -> Result<Self, EngineError> {
        let memory = Ledger::new(memory);
        let sandbox = Sandbox::new(plugins, Arc::clone(&clock), concurrency)?.with_memory(Arc::clone(&memory));
        let guests = guest_runtime().map_err(|e| EngineError::Machine(e.to_string()))?;
        let (publisher, executor) = Default::default();
        let (sandbox, slots) = (Arc::new(sandbox), Slots::new(SLOTS, memory));
        Ok(Self { sandbox, guests: Some(guests), clock, pools, slots, workers: None, publisher, executor })
    }

    /// Makes an engine whose attempts run on workers, which it reaches over a bus. Those with
    /// the listed keys get secrets. A worker of this process is bounded by the workspace.
    ///
    /// # Errors
    ///
    /// Returns an error if threads cannot be started.
    pub fn with_workers(mut self, bus: Bus, listed: Vec<String>, workspace: Workspace) -> Result<Self, EngineError> {
        let network = network_runtime().map_err(|e| EngineError::Machine(e.to_string()))?;
        let windows = Arc::new(Windows::default());
        self.slots = Slots::of_workers(Arc::clone(&windows), Arc::clone(self.sandbox.memory()));
        self.workers = Some(Workers::new(bus, listed, workspace, network, windows));
        Ok(self)
    }

    /// Returns the attempts that workers run, once the engine makes builds.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.workers.as_ref()?.remote()
    }

    /// Returns the threads that guests run on.
    ///
    /// # Panics
    ///
    /// Never panics: the runtime exists until the engine is dropped.
    #[expect(clippy::expect_used, reason = "the runtime is there until the engine is dropped")]
    pub fn guests(&self) -> &Handle {
        self.guests.as_ref().expect("an engine that was not dropped").handle()
    }

    /// Returns the publisher of what happens to builds of this process.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Returns the slots of this process.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Returns the executor, which makes and runs builds in that store. The first call takes the
    /// lease of this process.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read or written.
    pub fn executor(&self, storage: &Arc<dyn Storage>) -> Result<Arc<Executor>, EngineError> {
        let mut made = lock(&self.executor);
        if let Some(executor) = &*made {
            return Ok(Arc::clone(executor));
        }
        let owner = owner_name(self.clock.now());
        storage.claim(&owner)?;
        let (sandbox, recorder) = (Arc::clone(&self.sandbox), Recorder::new(Arc::clone(storage)));
        let (publisher, pools) = (self.publisher.clone(), self.pools.clone());
        let remote = self
            .workers
            .as_ref()
            .map(|workers| workers.reach(&owner, &self.sandbox, self.guests(), &self.clock))
            .transpose()?;
        let executor = Arc::new(Executor::new(sandbox, remote, recorder, owner.into(), publisher, pools)?);
        *made = Some(Arc::clone(&executor));
        Ok(executor)
    }

    /// Calls a function of a build's own plugin with what the build returned. Returns `None` if the
    /// build names no such function. Blocks; do not call it on a thread of guests.
    ///
    /// # Errors
    ///
    /// Returns why it could not be called, or how it failed, in words.
    pub fn hook(
        &self,
        workspace: &Workspace,
        storage: &Arc<dyn Storage>,
        build: &Build,
        which: Which,
    ) -> Result<Option<Value>, String> {
        let Some(function) = hooks::named(build, which) else {
            return Ok(None);
        };
        let now = match which {
            Which::Cleanup => today(workspace, &build.job_id),
            Which::Repr => Today::Gone,
        };
        let hook = hooks::Hook::prepare(&self.sandbox, workspace, storage, build, which, &function, &now);
        let called = hook.and_then(|hook| self.guests().block_on(hook.call(&self.sandbox)));
        called.map_err(|reason| format!("`{function}` failed: {reason}"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(executor) = lock(&self.executor).take() {
            executor.release();
        }
        if let Some(guests) = self.guests.take() {
            guests.shutdown_background();
        }
        if let Some(workers) = self.workers.take() {
            workers.shut_down();
        }
    }
}

/// Creates the threads that drive a bus. They compute nothing, so two are enough.
///
/// # Errors
///
/// Returns an error if threads cannot be started.
pub fn network_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().thread_name("bus").worker_threads(2).enable_all().build()
}

/// Creates the threads for guests, one for each core, apart from the threads that handle requests.
///
/// # Errors
///
/// Returns an error if threads cannot be started.
pub fn guest_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("guest")
        // A guest gives way every few milliseconds. The timers of the other guests are checked each
        // time.
        .event_interval(1)
        .enable_all()
        .build()
}
