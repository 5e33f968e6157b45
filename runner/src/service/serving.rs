//! A service: one engine, a watched folder, and a clerk that handles what is due.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Sender;
use jobcontrol_core::run::Requester;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_sandbox::Cancel;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::catalog::watch::SettingsFile;
use crate::catalog::watch::Waker;
use crate::catalog::watch::Watcher;
use crate::catalog::workspace::Workspace;
use crate::lock::lock;
use crate::machine::resident_memory;
use crate::record::backend::Store;
use crate::request::ready::Ready;
use crate::service::clerk::Clerk;
use crate::service::engine::Engine;
use crate::service::engine::EngineError;
use crate::service::feed::Events;
use crate::service::feed::Feed;
use crate::service::files::Files;
use crate::service::journal;
use crate::service::metrics::Counted;
use crate::service::metrics::Metrics;
use crate::service::metrics::Numbers;
use crate::service::notify::Notifier;
use crate::service::runs::Runs;
use crate::service::snapshot::Snapshot;
use crate::service::wake::Wake;

/// How often a caller that waits for the last builds of a service looks for their end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a service is made of.
pub struct Parts {
    /// The engine, which runs builds.
    pub engine: Arc<Engine>,
    /// The store, where builds are kept.
    pub store: Arc<Store>,
    /// The operator's file.
    pub settings: SettingsFile,
    /// What that file said last.
    pub workspace: Workspace,
    /// Whether jobs that name no trigger are built whenever what decides their result changes.
    pub on_change: bool,
    /// Where spans of runs are sent, with the feature `otel`.
    pub otlp: Option<String>,
}

/// A service, which runs until it is stopped.
pub struct Service {
    engine: Arc<Engine>,
    store: Arc<Store>,
    storage: Arc<dyn Storage>,
    runs: Arc<Runs>,
    current: watch::Receiver<Arc<Snapshot>>,
    leads: Arc<AtomicBool>,
    wake: Sender<Wake>,
    events: Arc<Events>,
    files: Waker,
    stop_files: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    metrics: Arc<Metrics>,
}

impl Service {
    /// Starts a service: reads the folder, and begins to handle what is due.
    ///
    /// # Errors
    ///
    /// Returns an error if the store or the machine fails.
    pub fn start(parts: Parts) -> Result<Self, EngineError> {
        let Parts { engine, store, settings, workspace, on_change, otlp } = parts;
        let storage = store.storage(true)?;
        let executor = engine.executor(&storage)?;
        let (wake, wakes) = crossbeam_channel::unbounded();
        let metrics = Metrics::new();
        let counting = Arc::clone(&metrics);
        engine.publisher().observe(Box::new(move |event| counting.observe(event)));
        let (files, leads) = (Waker::default(), Arc::new(AtomicBool::new(false)));
        let (stop_files, stop) = Cancel::pair();
        let say =
            Arc::new(|message: &str| tracing::warn!(reason = message, "the files cannot be watched as they should be"));
        let watcher = Watcher::start(settings, workspace, &files, stop, say);
        let first = Arc::new(Snapshot::of(&watcher, None));
        let (publish, current) = watch::channel(Arc::clone(&first));
        let machine = |error: std::io::Error| EngineError::Machine(error.to_string());
        let owner = Arc::clone(executor.owner());
        let notifier =
            Notifier::start(Arc::clone(&storage), storage.store_id()?, owner, current.clone(), Arc::clone(&metrics))
                .map_err(machine)?;
        let (of_runs, wakes_of_runs) = (Arc::clone(&storage), wake.clone());
        let mut runs = Runs::new(Arc::clone(&engine), Arc::clone(&executor), of_runs, wakes_of_runs, notifier);
        if let Some(url) = otlp {
            runs.trace(&url, &current.borrow().workspace.context.http).map_err(EngineError::Machine)?;
        }
        let runs = Arc::new(runs);
        let (ready, is_ready) = crossbeam_channel::bounded(1);
        // The clerk handles the first jobs like all others.
        let _ = wake.send(Wake::Files(Arc::clone(&first)));
        keep_journal(&engine);
        let watched = Files { watcher, publish, wake: wake.clone() };
        let events = Arc::new(Events::new(&storage, executor.owner()));
        let mut catalogs = current.clone();
        catalogs.mark_unchanged();
        let feed = Feed {
            events: Arc::clone(&events),
            published: engine.publisher().watch(),
            catalogs,
            guests: engine.guests().clone(),
        };
        let clerk = Clerk {
            engine: Arc::clone(&engine),
            runs: Arc::clone(&runs),
            executor,
            store: Arc::clone(&store),
            storage: Arc::clone(&storage),
            current: current.clone(),
            leads: Arc::clone(&leads),
            on_change,
            wakes,
            metrics: Arc::clone(&metrics),
        };
        let threads = vec![
            thread::Builder::new().name("files".to_owned()).spawn(move || watched.keep_up()).map_err(machine)?,
            thread::Builder::new().name("clerk".to_owned()).spawn(move || clerk.work(ready)).map_err(machine)?,
            thread::Builder::new().name("events".to_owned()).spawn(move || feed.work()).map_err(machine)?,
        ];
        let threads = Mutex::new(threads);
        // The clerk ends without this signal only if the store cannot be used, which it has logged.
        let _ = is_ready.recv();
        Ok(Self { engine, store, storage, runs, current, leads, wake, events, files, stop_files, threads, metrics })
    }

    /// Returns the engine, which runs builds.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Returns the store, where builds are kept.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Returns the same store, opened.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Returns the jobs that are in force.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.borrow())
    }

    /// Returns a receiver of these jobs, for a caller that waits for the next ones.
    pub fn catalogs(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.clone()
    }

    /// Returns the name by which the store knows this process.
    pub fn owner(&self) -> &str {
        self.runs.owner()
    }

    /// Returns the runs that it works on.
    pub fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }

    /// Returns what happens, for watchers.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// Makes the service look at the jobs folder now.
    pub fn look_at_files(&self) {
        self.files.wake();
    }

    /// Returns whether this service handles schedules and `on: change`. Of all services of a store,
    /// only one leads.
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    /// Returns what the service counts and its state, in the text format of OpenMetrics. Waits only
    /// for locks that are held briefly.
    pub fn metrics(&self) -> String {
        let (running, waiting) = self.engine.slots().counts();
        let (charged, chargeable) = self.engine.slots().memory();
        let current = self.current();
        let remote = self.engine.remote();
        let workers = remote.map(|remote| remote.workers()).unwrap_or_default();
        let (given, offered) = remote.map(|remote| remote.counts()).unwrap_or_default();
        let now = Numbers {
            running: running as u64,
            waiting: waiting as u64,
            runs: self.runs.count() as u64,
            jobs: current.reload.catalog.graph.jobs.len() as u64,
            mistakes: current.changes.errors,
            leads: u64::from(self.leads()),
            charged,
            chargeable,
            resident: resident_memory(),
            workers: workers.len() as u64,
            worker_slots: workers.values().filter(|w| w.takes_attempts()).map(|w| u64::from(w.slots)).sum(),
            given: given as u64,
            offered: offered as u64,
        };
        self.metrics.text(&now, Counted { dropped: self.engine.publisher().lost(), commits: self.storage.commits() })
    }

    /// Starts a run in the background. If `priority` is given, it replaces the priority of the
    /// run's jobs. The receiver gets the run's id once the store has it, or why the store refuses
    /// it.
    ///
    /// # Errors
    ///
    /// Returns an error if the plan cannot be packed.
    pub fn start_run(
        &self,
        ready: Ready,
        requester: &Requester,
        priority: Option<i64>,
    ) -> Result<oneshot::Receiver<Result<u64, StorageError>>, StorageError> {
        self.runs.start(ready, requester, priority)
    }

    /// Makes the service look for runs that wait, without a delay.
    pub fn look(&self) {
        let _ = self.wake.send(Wake::Look);
    }

    /// Stops the service. No more builds start, and builds that run get `grace` to end. Another
    /// service resumes what is left, or the next start of this one does. Blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
    pub fn stop(&self, grace: Duration) -> Result<Stopped, StorageError> {
        self.engine.slots().close();
        self.stop_files.send_replace(true);
        self.files.wake();
        let _ = self.wake.send(Wake::Stop);
        let mut threads = std::mem::take(&mut *lock(&self.threads));
        // The last one shows watchers how the last builds end.
        let feed = threads.pop();
        join(threads);
        let until = Instant::now() + grace;
        while self.engine.slots().counts().0 > 0 && Instant::now() < until {
            thread::sleep(LOOK_EVERY);
        }
        let running = self.engine.slots().counts().0;
        // Builds that ended in time are written by now, or will be in a moment.
        let settled = Instant::now() + SETTLE;
        while running == 0 && self.runs.are_ending() && Instant::now() < settled {
            thread::sleep(LOOK_EVERY);
        }
        self.events.close();
        join(feed);
        let left = self.runs.leave()?;
        self.runs.stop_telling();
        Ok(Stopped { running, left })
    }
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        // A thread that panicked has reported it.
        let _ = thread.join();
    }
}

/// Writes what happens to builds into the service's own log.
fn keep_journal(engine: &Engine) {
    let publisher = engine.publisher().clone();
    let mut events = publisher.watch();
    engine.guests().spawn(async move {
        loop {
            match events.recv().await {
                Ok(published) => journal::tell(&published.event),
                Err(RecvError::Lagged(count)) => publisher.note_lost(count),
                Err(RecvError::Closed) => return,
            }
        }
    });
}

/// How long to wait for ends that are written after the last slot was given back.
const SETTLE: Duration = Duration::from_secs(2);

/// What a service left when it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Builds that were still running.
    pub running: usize,
    /// Runs that are not over.
    pub left: usize,
}
