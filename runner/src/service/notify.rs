//! Notifies the receivers in `notify:` of scheduled runs that failed. It has its own queue and
//! thread, so that a slow receiver delays no run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use data_encoding::HEXLOWER;
use jobcontrol_core::manifest::Notify;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunState;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_sandbox::Cancel;
use sha2::Digest;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::execute::command::CommandFailed;
use crate::execute::command::feed;
use crate::execute::secrets::secret;
use crate::lock::lock;
use crate::request::interrupted::look_at;
use crate::service::metrics::Became;
use crate::service::metrics::Metrics;
use crate::service::scheduler::BY;
use crate::service::snapshot::Snapshot;
use crate::service::webhook::Delivery;
use crate::service::webhook::shown;
use crate::show::runs::RunJson;

/// How many runs may wait to be reported. Further runs are not reported.
const QUEUE: usize = 1_024;
/// How many messages may be on their way, most of them between two tries. Each holds the JSON of
/// its run.
const ON_THEIR_WAY: usize = 256;
/// How many commands run at once. They share the machine with builds.
const COMMANDS: usize = 4;
/// How many threads try webhooks.
const TRIES_AT_ONCE: usize = 8;
/// How long a command may take.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// How long a service that stops waits for messages on their way. No try begins after the service
/// was asked to stop.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A run that ended. It was a run of this process, or is left of a service that died.
#[derive(Clone, Copy, Debug)]
struct Ended {
    run: u64,
    is_left: bool,
}

/// Takes runs that have ended.
pub(super) struct Notifier {
    queue: mpsc::Sender<Ended>,
    /// The runs of dead services that were submitted.
    left: Mutex<BTreeSet<u64>>,
    stop: watch::Sender<bool>,
    /// Closed once everything is done.
    done: Receiver<()>,
}

impl Notifier {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread cannot be started.
    pub(super) fn start(
        storage: Arc<dyn Storage>,
        store: String,
        owner: Arc<str>,
        current: watch::Receiver<Arc<Snapshot>>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("notify")
            .max_blocking_threads(TRIES_AT_ONCE)
            .build()?;
        let (queue, runs) = mpsc::channel(QUEUE);
        let (stop, stopped) = Cancel::pair();
        let (working, done) = crossbeam_channel::bounded(0);
        let turns = Arc::new(Semaphore::new(COMMANDS));
        let teller = Teller { storage, store, owner, current, metrics, turns, stopped };
        thread::Builder::new().name("notify".to_owned()).spawn(move || {
            runtime.block_on(teller.work(runs));
            // A try that hangs is left running.
            runtime.shutdown_background();
            drop(working);
        })?;
        Ok(Self { queue, left: Mutex::default(), stop, done })
    }

    /// Submits a run of this process that did not succeed. Never waits.
    pub(super) fn run_failed(&self, run: u64) {
        if self.queue.try_send(Ended { run, is_left: false }).is_err() {
            tracing::error!(run, "a failed run is not reported yet: too many runs already wait");
        }
    }

    /// Submits a failed run whose process died before it reported the run. Never waits. Returns
    /// false if the queue is full.
    pub(super) fn run_left(&self, run: u64) -> bool {
        let mut left = lock(&self.left);
        left.contains(&run) || (self.queue.try_send(Ended { run, is_left: true }).is_ok() && left.insert(run))
    }

    /// Waits a moment for messages on their way, and gives up the rest. Blocks.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        if self.done.recv_timeout(STOP_TIME) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            tracing::warn!("some receivers of failed runs did not respond in time");
        }
    }
}

/// Notifies the receivers.
struct Teller {
    storage: Arc<dyn Storage>,
    /// Distinguishes its messages from those of other stores.
    store: String,
    owner: Arc<str>,
    current: watch::Receiver<Arc<Snapshot>>,
    metrics: Arc<Metrics>,
    /// Limits how many commands run at once.
    turns: Arc<Semaphore>,
    stopped: Cancel,
}

impl Teller {
    async fn work(self, mut runs: mpsc::Receiver<Ended>) {
        let mut on_their_way = JoinSet::new();
        let mut stopped = self.stopped.clone();
        loop {
            tokio::select! {
                biased;
                Some(ended) = runs.recv(), if on_their_way.len() < ON_THEIR_WAY => self.see_to(ended, &mut on_their_way).await,
                Some(_) = on_their_way.join_next() => {}
                () = stopped.wait() => break,
            }
        }
        while on_their_way.join_next().await.is_some() {}
    }

    /// Sends one message to each receiver, if the run is to be reported.
    async fn see_to(&self, Ended { run, is_left }: Ended, on_their_way: &mut JoinSet<()>) {
        let now = Arc::clone(&self.current.borrow());
        let (storage, owner) = (Arc::clone(&self.storage), Arc::clone(&self.owner));
        let nobody = now.workspace.notify.is_empty();
        let body = tokio::task::spawn_blocking(move || {
            let run = storage.get_run(run)?;
            let is_ours = is_left || run.owner.as_deref() == Some(&*owner);
            match is_ours && is_to_be_told(&run) && !nobody {
                true => message(&*storage, &run).map(Some),
                // Nobody has to look at this run again.
                false if is_ours && matches!(run.requester, Requester::Schedule(_)) => {
                    storage.write(Write::Told(run.id)).map(|_| None)
                }
                false => Ok(None),
            }
        })
        .await;
        let body: Arc<[u8]> = match body {
            Ok(Ok(Some(body))) => body.into(),
            Ok(Ok(None)) => return,
            Ok(Err(error)) => return tracing::error!(run, reason = error.to_string().as_str(), "{UNTOLD}"),
            Err(error) => return tracing::error!(run, reason = error.to_string().as_str(), "{UNTOLD}"),
        };
        let left = Arc::new(AtomicUsize::new(now.workspace.notify.len()));
        for (place, to) in now.workspace.notify.iter().enumerate() {
            let id = delivery(&self.store, run, place);
            let message = Message { run, id, body: Arc::clone(&body), now: Arc::clone(&now) };
            let (to, turns, stopped) = (to.clone(), Arc::clone(&self.turns), self.stopped.clone());
            let metrics = Arc::clone(&self.metrics);
            let (storage, left) = (Arc::clone(&self.storage), Arc::clone(&left));
            on_their_way.spawn(async move {
                let became = message.tell(to, &turns, stopped.clone()).await;
                metrics.told(became);
                // An interrupted message is sent by the service that leads next.
                let is_over = became == Became::Delivered || !stopped.is_set();
                if is_over && left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    note_told(storage, run).await;
                }
            });
        }
    }
}

/// Records that a run was reported to everybody, so that it is not reported again.
async fn note_told(storage: Arc<dyn Storage>, run: u64) {
    let written = tokio::task::spawn_blocking(move || storage.write(Write::Told(run))).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(run, reason = error.to_string().as_str(), "could not record that a failed run was reported");
    }
}

/// Returns the id of a message: the same for each try, and another for each receiver and each
/// store.
fn delivery(store: &str, run: u64, place: usize) -> String {
    let digest = Sha256::digest(format!("{store} {run} {place}"));
    HEXLOWER.encode(&digest[..16])
}

/// Logged if somebody was not notified.
const UNTOLD: &str = "a failed run is not reported";

/// The message to one receiver.
struct Message {
    run: u64,
    id: String,
    body: Arc<[u8]>,
    now: Arc<Snapshot>,
}

impl Message {
    async fn tell(self, to: Notify, turns: &Semaphore, stopped: Cancel) -> Became {
        match to {
            Notify::Command(argv) => self.feed(&argv, turns).await,
            Notify::Webhook { url, secret } => self.post(url, secret, stopped).await,
        }
    }

    async fn feed(self, argv: &[String], turns: &Semaphore) -> Became {
        let _turn = turns.acquire().await;
        let (run, to) = (self.run, argv.first().map_or("", String::as_str));
        match feed(argv, &self.now.workspace.context.secrets, &self.body, COMMAND_TIME).await {
            Ok(()) => {
                tracing::info!(run, to, "reported a failed run");
                Became::Delivered
            }
            Err(CommandFailed { reason, output }) => {
                let (reason, output) = (reason.as_str(), output.as_str());
                tracing::error!(run, to, reason, output, "a command that reports failed runs did not work");
                Became::Failed
            }
        }
    }

    async fn post(self, url: String, name: Option<String>, stopped: Cancel) -> Became {
        let (run, to) = (self.run, shown(&url).to_owned());
        let to = to.as_str();
        let context = &self.now.workspace.context;
        let secret = match &name {
            Some(name) => secret(name, &context.secrets).await.map(Some),
            None => Ok(None),
        };
        let delivered = match secret {
            Ok(secret) => {
                let http = Arc::clone(&context.http);
                let delivery = Delivery { url, id: self.id, body: self.body, secret, http };
                let tell = |tried, reason: &str| {
                    tracing::warn!(run, to, tried, reason, "a webhook was not reached and is tried again");
                };
                delivery.deliver(stopped, tell).await
            }
            Err(reason) => Err(reason),
        };
        match delivered {
            Ok(()) => {
                tracing::info!(run, to, "reported a failed run");
                Became::Delivered
            }
            Err(reason) => {
                tracing::error!(run, to, reason = reason.as_str(), "a failed run was not reported to a webhook");
                Became::Failed
            }
        }
    }
}

/// Returns the JSON of a run to report.
fn message(storage: &dyn Storage, run: &Run) -> Result<Vec<u8>> {
    let id = run.id;
    // An end that had no room in the store is kept beside it, and is not a success.
    let state = RunState::Ended(run.status.unwrap_or(RunStatus::Failed));
    let of_run = BuildFilter { run: Some(id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
    let builds = storage.get_job_builds(&of_run)?;
    let moment = look_at(storage, &builds)?;
    let counts = storage.get_run_counts(&[id])?.into_iter().next().unwrap_or_default();
    let jobs = run.jobs(&builds, state);
    let json = RunJson::new(run, state, counts).with_jobs(&jobs, &moment).with_failures(&builds);
    serde_json::to_vec(&json).map_err(|e| StorageError::Refused(e.to_string()))
}

/// Returns whether a schedule started the run and it did not succeed.
fn is_to_be_told(run: &Run) -> bool {
    let is_bad = match run.status {
        None | Some(RunStatus::Failed | RunStatus::Interrupted) => true,
        // With `overlap: cancel`, that is what the operator asked for.
        Some(RunStatus::Cancelled) => run.cancel.as_deref() != Some(BY),
        Some(RunStatus::Successful | RunStatus::Skipped | RunStatus::Missed) => false,
    };
    is_bad && matches!(run.requester, Requester::Schedule(_))
}
