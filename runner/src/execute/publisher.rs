//! Publishes events to watchers. A slow watcher harms nobody.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;
use jobcontrol_sandbox::HttpExchange;
use tokio::sync::broadcast;

/// The most events that wait for a watcher. A slower watcher loses the oldest, and is notified.
const WAITING_EVENTS: usize = 4_096;

/// An event with its place in the stream of this process.
#[derive(Clone, Debug)]
pub struct Published {
    /// Rises by one with each event.
    pub sequence: u64,
    /// What happened.
    pub event: Arc<Event>,
}

/// Sees every event before the watchers do, and loses none. It is called on threads of guests, and
/// must not wait.
pub type Observer = Box<dyn Fn(&Event) + Send + Sync>;

/// A call of a host function that an attempt of a build made.
#[derive(Clone, Debug)]
pub struct HostCall {
    /// The build.
    pub build_id: u64,
    /// The number of the attempt.
    pub attempt: u32,
    /// What the call did.
    pub exchange: HttpExchange,
}

/// Sees every call of the host. It is called on threads of guests, and must not wait.
pub type CallObserver = Box<dyn Fn(HostCall) + Send + Sync>;

/// Publishes events. Publishing never waits.
#[derive(Clone, Debug)]
pub struct Publisher {
    watchers: broadcast::Sender<Published>,
    next: Arc<AtomicU64>,
    observer: Arc<OnceLock<Observed<Observer>>>,
    calls: Arc<OnceLock<Observed<CallObserver>>>,
    lost: Arc<AtomicU64>,
}

struct Observed<T>(T);

impl<T> fmt::Debug for Observed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

impl Default for Publisher {
    fn default() -> Self {
        let (watchers, _) = broadcast::channel(WAITING_EVENTS);
        let (next, observer, calls, lost) = Default::default();
        Self { watchers, next, observer, calls, lost }
    }
}

impl Publisher {
    /// Returns the events that are published from now on.
    pub fn watch(&self) -> broadcast::Receiver<Published> {
        self.watchers.subscribe()
    }

    /// Sets the only observer, which sees the events from now on. A second observer is ignored.
    pub fn observe(&self, observer: Observer) {
        let _ = self.observer.set(Observed(observer));
    }

    /// Sets the only observer of host calls, which sees them from now on. A second one is ignored.
    pub fn observe_calls(&self, observer: CallObserver) {
        let _ = self.calls.set(Observed(observer));
    }

    /// Reports a call of the host to the observer.
    pub(super) fn called(&self, call: HostCall) {
        if let Some(Observed(observer)) = self.calls.get() {
            observer(call);
        }
    }

    /// Counts events that a watcher lost, as its receiver reported.
    pub fn note_lost(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns how many events watchers have lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns whether anybody watches, and so whether it is worth making an event.
    pub fn is_watched(&self) -> bool {
        self.watchers.receiver_count() > 0 || self.observer.get().is_some()
    }

    /// Publishes what happened to a build.
    pub fn publish(&self, build_id: u64, job_id: &Arc<str>, kind: EventKind) {
        if self.is_watched() {
            let event = Arc::new(Event { build_id, job_id: Arc::clone(job_id), kind });
            if let Some(Observed(observer)) = self.observer.get() {
                observer(&event);
            }
            // Taking the number and sending the event are two steps. Only the order of the events
            // of one build matters.
            let sequence = self.next.fetch_add(1, Ordering::Relaxed);
            let _ = self.watchers.send(Published { sequence, event });
        }
    }
}
