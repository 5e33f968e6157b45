//! The workers that a service hears, and what they can run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::labels::KEYED;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::remote::SILENCE;

use crate::bus::wire::PROTOCOL;
use crate::execute::windows::Windows;
use crate::lock::lock;

/// An attempt that no worker has taken for this long says so, if none could. Each worker is heard
/// every second.
pub(super) const ALONE: Duration = Duration::from_secs(3);

/// A worker, as it described itself.
#[derive(Clone, Debug)]
pub struct Known {
    /// The version of its program.
    pub version: String,
    /// The version of its messages.
    pub protocol: u32,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Its labels.
    pub labels: Labels,
    /// Whether it is stopping, and takes no more attempts.
    pub stops: bool,
    /// Whether it has a key that the service does not list.
    pub is_unlisted: bool,
    /// The builds of this service that it works on.
    pub builds: Vec<u64>,
    /// When it was last heard.
    pub heard: Instant,
}

impl Known {
    /// Whether it takes attempts of this service.
    pub fn takes_attempts(&self) -> bool {
        self.protocol == PROTOCOL && !self.stops
    }

    /// Returns how many attempts of this service it can have. One that is stopping keeps those that
    /// run.
    fn room(&self) -> u32 {
        match (self.takes_attempts(), self.stops) {
            (true, _) => self.slots,
            (false, true) => u32::try_from(self.builds.len()).unwrap_or(u32::MAX),
            (false, false) => 0,
        }
    }

    /// Returns whether it can have the same attempts as before.
    fn has_same_room(&self, before: &Self) -> bool {
        let what = |known: &Self| (known.takes_attempts(), known.room());
        what(self) == what(before) && self.labels == before.labels
    }
}

/// The workers that were heard lately.
pub(super) struct Roster {
    workers: Mutex<BTreeMap<String, Known>>,
    /// Whether the service is cut off from the bus, and hears nobody.
    is_deaf: AtomicBool,
    windows: Arc<Windows>,
    changed: tokio::sync::Notify,
}

impl Roster {
    /// Creates a roster that tells the windows what workers can run.
    pub(super) fn new(windows: Arc<Windows>) -> Self {
        let (workers, is_deaf, changed) = Default::default();
        Self { workers, is_deaf, windows, changed }
    }

    pub(super) fn workers(&self) -> BTreeMap<String, Known> {
        lock(&self.workers).clone()
    }

    /// Takes note of a heartbeat.
    pub(super) fn heard(&self, worker: String, known: Known) {
        let mut workers = lock(&self.workers);
        if !workers.contains_key(&worker) {
            let Known { version, protocol, slots, labels, is_unlisted, .. } = &known;
            if *is_unlisted {
                tracing::warn!(worker, "a worker whose key is not listed gets no jobs with secrets");
            }
            match *protocol == PROTOCOL {
                true => tracing::info!(worker, version, slots, labels = labels.to_string(), "a worker is there"),
                false => {
                    let (theirs, ours) = (protocol, PROTOCOL);
                    tracing::warn!(worker, version, theirs, ours, "a worker of another protocol gets no attempts");
                }
            }
        }
        let is_same = workers.get(&worker).is_some_and(|before| known.has_same_room(before));
        workers.insert(worker, known);
        if !is_same {
            self.tell(&workers);
        }
    }

    /// Forgets the workers that are silent, unless the service hears nobody.
    pub(super) fn look(&self) {
        self.windows.look(Instant::now());
        if self.is_deaf.load(Ordering::Relaxed) {
            return;
        }
        let mut workers = lock(&self.workers);
        let before = workers.len();
        workers.retain(|worker, known| {
            let is_there = known.heard.elapsed() < SILENCE;
            match (is_there, known.stops) {
                (true, _) => {}
                (false, true) => tracing::info!(worker, "a worker has stopped"),
                (false, false) => tracing::warn!(worker, "a worker is not heard any more"),
            }
            is_there
        });
        if workers.len() < before {
            self.tell(&workers);
        }
    }

    /// Takes note that the service is cut off from the bus.
    pub(super) fn cut_off(&self) {
        self.is_deaf.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Takes note that the service is on the bus again. Workers have as much time as if they had
    /// just been heard.
    pub(super) fn back(&self) {
        self.is_deaf.store(false, Ordering::Relaxed);
        self.still();
        self.changed.notify_waiters();
    }

    /// Takes note that the service itself stood still.
    pub(super) fn still(&self) {
        lock(&self.workers).values_mut().for_each(|known| known.heard = Instant::now());
    }

    fn tell(&self, workers: &BTreeMap<String, Known>) {
        let rooms = workers.values().map(|known| (known.room(), known.labels.clone()));
        self.windows.set_workers(rooms.collect(), Instant::now());
        self.changed.notify_waiters();
    }

    /// Returns how many attempts may be offered.
    pub(super) fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Waits until some worker can run an attempt that needs these labels.
    pub(super) async fn fits(&self, needs: &Labels) {
        self.until(|| self.missing(needs).is_none()).await;
    }

    /// Waits until no worker can.
    pub(super) async fn lacks(&self, needs: &Labels) {
        self.until(|| self.missing(needs).is_some()).await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            if is_so() {
                return;
            }
            changed.await;
        }
    }

    /// Returns what an attempt waits for, if no worker that was heard can run it.
    pub(super) fn missing(&self, needs: &Labels) -> Option<String> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return Some("waits for the broker, which cannot be reached".to_owned());
        }
        let workers = lock(&self.workers);
        let mut fit = workers.values().filter(|known| known.takes_attempts() && known.labels.have(needs));
        match (fit.next(), needs.iter().find(|label| *label == KEYED), needs.is_empty()) {
            (Some(_), ..) => None,
            (None, Some(_), _) => Some(format!(
                "waits for a worker with the labels `{needs}`, because the job has secrets: none is on the bus; \
                 `jobcontrol worker key` makes a key, which `workers:` has to list"
            )),
            (None, None, true) => Some("waits for a worker: none is on the bus".to_owned()),
            (None, None, false) => Some(format!("waits for a worker with the labels `{needs}`: none is on the bus")),
        }
    }
}
