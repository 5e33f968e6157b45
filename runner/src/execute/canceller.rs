//! Cancels builds: those of this process by a switch each, those of others by a request in the store, which their owner
//! looks for while it runs builds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::thread;
use std::thread::Thread;
use std::time::Duration;

use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;
use jobcontrol_core::storage::pack_record;
use jobcontrol_sandbox::Cancel;
use tokio::sync::watch;

use crate::record::sqlite::owner::is_alive;
use crate::record::url::StoreUrl;

/// How often an owner looks for requests while it runs builds: half of this is what a cancel waits on average, and 20
/// looks a second at an empty index cost nothing that can be measured.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often somebody who waits for the end of a build looks for it.
const WAIT_EVERY: Duration = Duration::from_millis(10);

/// The failure of a build that was cancelled.
pub(super) fn cancelled(by: &str) -> Failure {
    Failure::new(FailureKind::Cancelled, format!("the build was cancelled by {by}"))
}

/// The record that says so.
pub(super) fn cancelled_record(storage: &dyn Storage, by: &str) -> NewRecord {
    NewRecord::new(storage.clock().now(), Level::Warning, "jobcontrol", format!("cancelled by {by}"))
}

/// The builds that run in this process, each with its switch.
pub struct Canceller {
    running: Mutex<HashMap<u64, Entry>>,
    looker: Thread,
}

struct Entry {
    switch: watch::Sender<bool>,
    by: Option<String>,
}

impl Canceller {
    /// Starts to look for requests to `owner`; ends with the last handle.
    pub(super) fn start(storage: &Arc<dyn Storage>, owner: &Arc<str>) -> std::io::Result<Arc<Self>> {
        let (sender, receiver) = std::sync::mpsc::channel::<Weak<Self>>();
        let (storage, owner) = (Arc::downgrade(storage), Arc::clone(owner));
        let handle = thread::Builder::new().name("cancel".to_owned()).spawn(move || {
            let Ok(canceller) = receiver.recv() else { return };
            while let (Some(canceller), Some(storage)) = (canceller.upgrade(), storage.upgrade()) {
                let idle = canceller.running().is_empty();
                if !idle {
                    canceller.look(&*storage, &owner);
                }
                drop((canceller, storage));
                if idle { thread::park() } else { thread::sleep(LOOK_EVERY) }
            }
        })?;
        let canceller = Arc::new(Self { running: Mutex::default(), looker: handle.thread().clone() });
        let _ = sender.send(Arc::downgrade(&canceller));
        Ok(canceller)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, storage: &dyn Storage, owner: &str) {
        // A store that cannot be read shows itself to the builds, which write to it.
        for (id, by) in storage.get_cancel_requests(owner).unwrap_or_default() {
            if let Some(entry) = self.running().get_mut(&id).filter(|entry| entry.by.is_none()) {
                entry.by = Some(by);
                entry.switch.send_replace(true);
            }
        }
    }

    /// A build runs here until the ticket is dropped.
    pub(super) fn enter(self: &Arc<Self>, id: u64) -> Ticket {
        let (switch, cancel) = Cancel::pair();
        let first = {
            let mut running = self.running();
            running.insert(id, Entry { switch, by: None });
            running.len() == 1
        };
        if first {
            self.looker.unpark();
        }
        Ticket { canceller: Arc::clone(self), id, cancel }
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.looker.unpark();
    }
}

/// A build that runs in this process.
pub(super) struct Ticket {
    canceller: Arc<Canceller>,
    id: u64,
    /// Set by a request.
    pub(super) cancel: Cancel,
}

impl Ticket {
    /// Who asked for the end of this build, if anybody did.
    pub(super) fn by(&self) -> Option<String> {
        self.canceller.running().get(&self.id)?.by.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.canceller.running().remove(&self.id);
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Nobody ran the build, so it was ended at once.
    Ended,
    /// The process that runs it was asked.
    Asked,
    /// It had ended before, in this way.
    TooLate(BuildStatus),
}

/// Asks for the end of a build in the name of `by`.
///
/// # Errors
///
/// `NotFound`, or the store's.
pub fn request(storage: &dyn Storage, url: &StoreUrl, id: u64, by: &str) -> Result<Request> {
    loop {
        let build = storage.get_build(id)?;
        let alive = build.owner.as_ref().is_some_and(|owner| is_alive(url, owner));
        let answer = match build.status() {
            BuildStatus::Running if alive => storage.write(Write::CancelBuild(id, Arc::from(by))),
            BuildStatus::Created | BuildStatus::Running => {
                let finish = Finish { success: Some(false), exception: Some(cancelled(by)), ..Finish::default() };
                let guard = Guard { owner: build.owner.map(Arc::from), attempt: build.attempt };
                let packed = pack_finish(id, Some(guard), storage.clock().now(), finish);
                storage.write(Write::FinishBuild(packed))
            }
            ended => return Ok(Request::TooLate(ended)),
        };
        match answer {
            Ok(_) if alive => return Ok(Request::Asked),
            Ok(_) => {
                storage.write(Write::Log(id, pack_record(cancelled_record(storage, by))))?;
                return Ok(Request::Ended);
            }
            // It started, ended or changed hands just now.
            Err(StorageError::Stale(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a build has ended, and ends it should its owner die before; answers how it ended.
///
/// # Errors
///
/// `NotFound` if it was deleted, or the store's.
pub fn wait(storage: &dyn Storage, url: &StoreUrl, id: u64, by: &str) -> Result<BuildStatus> {
    loop {
        let build = storage.get_build(id)?;
        if build.finished {
            return Ok(build.status());
        }
        if !build.owner.as_ref().is_some_and(|owner| is_alive(url, owner)) {
            request(storage, url, id, by)?;
        }
        thread::sleep(WAIT_EVERY);
    }
}
