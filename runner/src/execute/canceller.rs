//! Cancels builds. Each build of this process has a switch. For a build of another process, a
//! request is put into the store, where its owner looks for requests while it runs builds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Weak;
use std::thread;
use std::thread::Thread;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::storage::CancelRequests;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_record;
use jobcontrol_sandbox::Cancel;
use tokio::sync::watch;

use crate::execute::interrupted::end_with;
use crate::lock::lock;

/// How often an owner looks for requests while it runs builds. A cancel waits half of this on
/// average. At 20 looks a second, an empty index costs nothing that can be measured.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often a caller that waits for the end of a build looks for it.
const WAIT_EVERY: Duration = Duration::from_millis(10);

/// Returns the failure of a build that was cancelled.
pub(super) fn cancelled(by: &str) -> Failure {
    Failure::new(FailureKind::Cancelled, format!("the build was cancelled by {by}"))
}

/// Returns the log record which says that a build was cancelled.
pub(super) fn cancelled_record(storage: &dyn Storage, by: &str) -> NewRecord {
    NewRecord::new(storage.clock().now(), Level::Warning, "jobcontrol", format!("cancelled by {by}"))
}

/// How often a process that runs builds renews its lease.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// The builds and runs of this process, each with its switch.
pub struct Canceller {
    running: Mutex<HashMap<Running, Entry>>,
    looker: Thread,
}

/// A build or a run that can be cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Running {
    Build(u64),
    Run(u64),
}

struct Entry {
    switch: watch::Sender<bool>,
    by: Option<String>,
}

impl Canceller {
    /// Starts a thread that looks for requests to `owner`. It ends when the last handle is dropped.
    pub(super) fn start(storage: &Arc<dyn Storage>, owner: &Arc<str>) -> std::io::Result<Arc<Self>> {
        let (sender, receiver) = std::sync::mpsc::channel::<Weak<Self>>();
        let (storage, owner) = (Arc::downgrade(storage), Arc::clone(owner));
        let handle = thread::Builder::new().name("cancel".to_owned()).spawn(move || {
            let Ok(canceller) = receiver.recv() else { return };
            let mut renewed = Instant::now();
            while let (Some(canceller), Some(storage)) = (canceller.upgrade(), storage.upgrade()) {
                let idle = canceller.running().is_empty();
                if !idle {
                    canceller.look(&*storage, &owner);
                    if renewed.elapsed() >= RENEW_EVERY {
                        renewed = Instant::now();
                        // A lost lease can be ignored here: the store refuses writes to builds that
                        // another process has taken over.
                        let _ = storage.renew(&owner);
                    }
                }
                drop((canceller, storage));
                if idle { thread::park() } else { thread::sleep(LOOK_EVERY) }
            }
        })?;
        let canceller = Arc::new(Self { running: Mutex::default(), looker: handle.thread().clone() });
        let _ = sender.send(Arc::downgrade(&canceller));
        Ok(canceller)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Running, Entry>> {
        lock(&self.running)
    }

    fn look(&self, storage: &dyn Storage, owner: &str) {
        // A store that cannot be read is ignored here: the builds, which write to it, will notice.
        let CancelRequests { builds, runs } = storage.get_cancel_requests(owner).unwrap_or_default();
        let builds = builds.into_iter().map(|(id, by)| (Running::Build(id), by));
        for (what, by) in builds.chain(runs.into_iter().map(|(id, by)| (Running::Run(id), by))) {
            if let Some(entry) = self.running().get_mut(&what).filter(|entry| entry.by.is_none()) {
                entry.by = Some(by);
                entry.switch.send_replace(true);
            }
        }
    }

    /// Registers a build as running in this process until the ticket is dropped.
    pub(super) fn enter(self: &Arc<Self>, id: u64) -> Ticket {
        self.enter_as(Running::Build(id))
    }

    /// Registers a run as worked on in this process until the ticket is dropped.
    pub(super) fn enter_run(self: &Arc<Self>, id: u64) -> Ticket {
        self.enter_as(Running::Run(id))
    }

    fn enter_as(self: &Arc<Self>, what: Running) -> Ticket {
        let (switch, cancel) = Cancel::pair();
        let first = {
            let mut running = self.running();
            running.insert(what, Entry { switch, by: None });
            running.len() == 1
        };
        if first {
            self.looker.unpark();
        }
        Ticket { canceller: Arc::clone(self), what, cancel }
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.looker.unpark();
    }
}

/// A build or a run of this process.
pub(super) struct Ticket {
    canceller: Arc<Canceller>,
    what: Running,
    /// Set by a request.
    pub(super) cancel: Cancel,
}

impl Ticket {
    /// Returns who asked for the end, if anybody did.
    pub(super) fn by(&self) -> Option<String> {
        self.canceller.running().get(&self.what)?.by.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.canceller.running().remove(&self.what);
    }
}

/// The result of asking to cancel a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// No process was running the build, so it was ended at once.
    Ended,
    /// The process that runs the build was asked to end it.
    Asked,
    /// The build had already ended, with this status.
    TooLate(BuildStatus),
}

/// Returns whether the process that owns a build is alive.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn is_owned(storage: &dyn Storage, build: &Build) -> Result<bool> {
    build.owner.as_ref().map_or(Ok(false), |owner| storage.is_alive(owner))
}

/// Asks for the end of a build in the name of `by`.
///
/// # Errors
///
/// Returns `NotFound` if the build does not exist, or an error if the store cannot be read or
/// written.
pub fn cancel(storage: &dyn Storage, id: u64, by: &str) -> Result<Cancelling> {
    loop {
        let build = storage.get_build(id)?;
        if build.finished {
            return Ok(Cancelling::TooLate(build.status()));
        }
        let alive = is_owned(storage, &build)?;
        let written = if alive {
            storage.write(Write::CancelBuild(id, Arc::from(by)))
        } else {
            storage.write(end_with(&build, cancelled(by), storage.clock().now()))
        };
        match written {
            Ok(_) if alive => return Ok(Cancelling::Asked),
            Ok(_) => {
                storage.write(Write::Log(id, pack_record(cancelled_record(storage, by))))?;
                return Ok(Cancelling::Ended);
            }
            // It started, ended or changed hands just now.
            Err(StorageError::Stale(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a build has ended, and returns how it ended. Ends the build if its owner dies first.
///
/// # Errors
///
/// Returns `NotFound` if the build was deleted, or an error if the store cannot be read or written.
pub fn wait(storage: &dyn Storage, id: u64, by: &str) -> Result<BuildStatus> {
    loop {
        let build = storage.get_build(id)?;
        if build.finished {
            return Ok(build.status());
        }
        if !is_owned(storage, &build)? {
            cancel(storage, id, by)?;
        }
        thread::sleep(WAIT_EVERY);
    }
}
