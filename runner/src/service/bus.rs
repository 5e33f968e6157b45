//! Shows watchers what happens to builds: builds of this process at once, builds of other
//! processes soon after.
//!
//! A slow watcher may lose events. It is notified, and reads what it missed from the store. Nothing
//! that runs waits for a watcher.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::event::Event;
use jobcontrol_core::storage::Storage;
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use crate::execute::executor::Executor;
use crate::execute::publisher::Published;
use crate::execute::publisher::Publisher;
use crate::execute::tracer::Tracer;
use crate::service::engine::Engine;
use crate::service::follower::Follower;
use crate::service::follower::Whose;

/// How often to check the store for builds of other processes. A check costs one read of a counter.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Something happened to a build of this process.
    Event(Arc<Event>),
    /// Something happened to a build of another process.
    Elsewhere(Arc<Event>),
    /// The watcher was slower than the builds, so this many events were lost. What follows is read
    /// from the store.
    Lost(u64),
}

/// Watches the builds of a run, and builds of the same jobs in other processes.
pub struct Watcher {
    publisher: Publisher,
    events: broadcast::Receiver<Published>,
    /// Closed when the run has ended.
    end: watch::Receiver<bool>,
    follower: Follower,
    tracer: Tracer,
    guests: Handle,
    waiting: VecDeque<Seen>,
}

impl Watcher {
    pub(super) fn start(
        engine: &Arc<Engine>,
        storage: Arc<dyn Storage>,
        executor: &Executor,
        jobs: BTreeSet<String>,
        end: watch::Receiver<bool>,
    ) -> Self {
        let (events, tracer) = (engine.publisher().watch(), executor.tracer().clone());
        let follower = Follower::new(storage, Arc::clone(executor.owner()), Some(jobs));
        let publisher = engine.publisher().clone();
        Self { publisher, events, end, follower, tracer, guests: engine.guests().clone(), waiting: VecDeque::new() }
    }

    /// Waits for what happens next. Returns `None` once the run has ended and everything was seen.
    /// Blocks. A failure comes with the names and lines of its calls, if they are found in time.
    pub fn wait_for_next(&mut self) -> Option<Seen> {
        let seen = self.next()?;
        let (guests, tracer) = (self.guests.clone(), &self.tracer);
        let named = |event| guests.block_on(tracer.named(event));
        Some(match seen {
            Seen::Event(event) => Seen::Event(named(event)),
            Seen::Elsewhere(event) => Seen::Elsewhere(event),
            Seen::Lost(count) => Seen::Lost(count),
        })
    }

    fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(seen) = self.waiting.pop_front() {
                return Some(seen);
            }
            let guests = self.guests.clone();
            match guests.block_on(self.wait()) {
                Woken::Event(published) => {
                    self.follower.note(&published.event);
                    return Some(Seen::Event(published.event));
                }
                Woken::Lost(count) => {
                    self.publisher.note_lost(count);
                    self.waiting.push_back(Seen::Lost(count));
                    self.look(Whose::Ours);
                }
                Woken::Time => self.look(Whose::Others),
                Woken::End => return self.rest(),
            }
        }
    }

    /// Returns what was published before the run ended.
    fn rest(&mut self) -> Option<Seen> {
        match self.events.try_recv() {
            Ok(published) => {
                self.follower.note(&published.event);
                Some(Seen::Event(published.event))
            }
            Err(TryRecvError::Lagged(count)) => {
                self.publisher.note_lost(count);
                self.look(Whose::Ours);
                Some(Seen::Lost(count))
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    /// Looks for events in the store. A store that cannot be read is ignored here: the builds,
    /// which write to it, will notice.
    fn look(&mut self, whose: Whose) {
        let events = self.follower.look(whose).unwrap_or_default().into_iter().map(Arc::new);
        self.waiting.extend(events.map(|event| match whose {
            Whose::Ours => Seen::Event(event),
            Whose::Others => Seen::Elsewhere(event),
        }));
    }

    async fn wait(&mut self) -> Woken {
        tokio::select! {
            biased;
            received = self.events.recv() => match received {
                Ok(published) => Woken::Event(published),
                Err(RecvError::Lagged(count)) => Woken::Lost(count),
                Err(RecvError::Closed) => Woken::End,
            },
            _ = self.end.changed() => Woken::End,
            () = tokio::time::sleep(LOOK_EVERY) => Woken::Time,
        }
    }
}

enum Woken {
    Event(Published),
    Lost(u64),
    Time,
    End,
}
