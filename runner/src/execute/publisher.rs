//! Where events go: to whoever watches, and to nobody's harm.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use tokio::sync::broadcast;

/// Events that may wait for a watcher; one that is slower loses the oldest, and is told.
const WAITING_EVENTS: usize = 4_096;

/// An event with its place in the stream of this process.
#[derive(Clone, Debug)]
pub struct Published {
    /// Rising by one.
    pub sequence: u64,
    /// What happened.
    pub event: Arc<Event>,
}

/// Publishes events. Publishing never waits.
#[derive(Clone, Debug)]
pub struct Publisher {
    watchers: broadcast::Sender<Published>,
    next: Arc<AtomicU64>,
}

impl Default for Publisher {
    fn default() -> Self {
        let (watchers, _) = broadcast::channel(WAITING_EVENTS);
        Self { watchers, next: Arc::default() }
    }
}

impl Publisher {
    /// What is published from now on.
    pub fn watch(&self) -> broadcast::Receiver<Published> {
        self.watchers.subscribe()
    }

    /// Whether anybody watches, so that it is worth making an event.
    pub fn is_watched(&self) -> bool {
        self.watchers.receiver_count() > 0
    }

    /// Publishes what happened to a build.
    pub fn publish(&self, build_id: u64, job_id: &Arc<str>, kind: EventKind) {
        if self.is_watched() {
            let event = Arc::new(Event { build_id, job_id: Arc::clone(job_id), kind });
            // The number is taken and sent in two steps: the order of a build's own events is what counts.
            let sequence = self.next.fetch_add(1, Ordering::Relaxed);
            let _ = self.watchers.send(Published { sequence, event });
        }
    }
}
