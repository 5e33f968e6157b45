//! The workers that a service hears, and what they can run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::labels::KEYED;
use jobcontrol_core::labels::Labels;
use jobcontrol_core::remote::SILENCE;
use tokio::sync::futures::Notified;

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
    /// The builds of this service that it works on.
    pub builds: Vec<u64>,
    /// When it was last heard.
    pub heard: Instant,
}

impl Known {
    fn takes_attempts(&self) -> bool {
        self.protocol == PROTOCOL && !self.stops
    }
}

/// The workers that were heard lately.
pub(super) struct Roster {
    workers: Mutex<BTreeMap<String, Known>>,
    windows: Arc<Windows>,
    changed: tokio::sync::Notify,
}

impl Roster {
    /// Creates a roster that tells the windows what workers can run.
    pub(super) fn new(windows: Arc<Windows>) -> Self {
        let (workers, changed) = Default::default();
        Self { workers, windows, changed }
    }

    pub(super) fn workers(&self) -> BTreeMap<String, Known> {
        lock(&self.workers).clone()
    }

    /// Takes note of a heartbeat.
    pub(super) fn heard(&self, worker: String, known: Known) {
        let mut workers = lock(&self.workers);
        if !workers.contains_key(&worker) {
            let Known { version, protocol, slots, labels, .. } = &known;
            match *protocol == PROTOCOL {
                true => tracing::info!(worker, version, slots, labels = labels.to_string(), "a worker is there"),
                false => {
                    let (theirs, ours) = (protocol, PROTOCOL);
                    tracing::warn!(worker, version, theirs, ours, "a worker of another protocol gets no attempts");
                }
            }
        }
        workers.insert(worker, known);
        self.tell(&workers);
    }

    /// Forgets the workers that are silent.
    pub(super) fn look(&self) {
        let mut workers = lock(&self.workers);
        workers.retain(|worker, known| {
            let is_there = known.heard.elapsed() < SILENCE;
            if !is_there {
                tracing::warn!(worker, "a worker is not heard any more");
            }
            is_there
        });
        self.tell(&workers);
    }

    /// Gives all workers as much time as if they had just been heard.
    pub(super) fn back(&self) {
        lock(&self.workers).values_mut().for_each(|known| known.heard = Instant::now());
    }

    fn tell(&self, workers: &BTreeMap<String, Known>) {
        let take = workers.values().filter(|known| known.takes_attempts());
        self.windows.set_workers(take.map(|known| (known.slots, known.labels.clone())).collect(), Instant::now());
        self.changed.notify_waiters();
    }

    /// Takes note of an attempt that ended.
    pub(super) fn ended(&self, needs: &Labels) {
        self.windows.ended(needs, Instant::now());
    }

    /// Returns when the next heartbeat is there. To be called before [`missing`](Self::missing).
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Returns what an attempt waits for, if no worker that was heard can run it.
    pub(super) fn missing(&self, needs: &Labels) -> Option<String> {
        let workers = lock(&self.workers);
        let mut fit = workers.values().filter(|known| known.takes_attempts() && known.labels.have(needs));
        match (fit.next(), needs.iter().find(|label| *label == KEYED), needs.is_empty()) {
            (Some(_), ..) => None,
            (None, Some(_), _) => Some(format!(
                "waits for a worker with the labels `{needs}`, because the job has secrets: none is on the bus; \
                 `jobcontrol worker key` makes a key"
            )),
            (None, None, true) => Some("waits for a worker: none is on the bus".to_owned()),
            (None, None, false) => Some(format!("waits for a worker with the labels `{needs}`: none is on the bus")),
        }
    }
}
