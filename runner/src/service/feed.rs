//! Feeds the hub with what this process publishes, with what other processes do while somebody
//! watches, and with changes of the files.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::event::Event;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::watch;

use crate::execute::publisher::Published;
use crate::lock::lock;
use crate::service::follower::Follower;
use crate::service::follower::Whose;
use crate::service::hub::Concern;
use crate::service::hub::Hub;
use crate::service::hub::Watch;
use crate::service::snapshot::Snapshot;

/// How often to check the store for builds of other processes while somebody watches. A check costs
/// one read of a counter.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long builds of other processes are followed after the last watcher has gone. A page that is
/// loaded again then misses nothing.
const LINGER: Duration = Duration::from_secs(60);

/// The hub of a service, and the follower of builds of other processes.
pub struct Events {
    hub: Arc<Hub>,
    storage: Arc<dyn Storage>,
    owner: Arc<str>,
    follower: Mutex<Option<Follower>>,
    /// Notified when builds of other processes must be followed.
    begun: Notify,
    closed: watch::Sender<bool>,
}

impl Events {
    pub(super) fn new(storage: &Arc<dyn Storage>, owner: &Arc<str>) -> Self {
        let hub = Arc::new(Hub::new(Arc::clone(storage)));
        let (closed, _) = watch::channel(false);
        let (storage, owner) = (Arc::clone(storage), Arc::clone(owner));
        Self { hub, storage, owner, follower: Mutex::default(), begun: Notify::new(), closed }
    }

    /// Starts to watch, from now on or from after the event of that id. Blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    pub(crate) fn watch(&self, concern: Concern, after: Option<&str>) -> Result<Watch> {
        let mut follower = lock(&self.follower);
        if follower.is_none() {
            self.hub.blind();
            *follower = Some(Follower::new(Arc::clone(&self.storage), Arc::clone(&self.owner), None));
            self.begun.notify_one();
        }
        self.hub.watch(concern, after)
    }

    /// Disconnects all watchers.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        self.hub.close();
    }
}

/// Feeds the hub, on a separate thread.
pub(super) struct Feed {
    pub(super) events: Arc<Events>,
    pub(super) published: broadcast::Receiver<Published>,
    pub(super) catalogs: watch::Receiver<Arc<Snapshot>>,
    pub(super) guests: Handle,
}

enum Woken {
    Event(Published),
    Lost(u64),
    Files,
    Time,
    End,
}

impl Feed {
    /// Works until the events are closed.
    pub(super) fn work(mut self) {
        let (mut looked, mut watched) = (Instant::now(), Instant::now());
        let mut closed = self.events.closed.subscribe();
        let guests = self.guests.clone();
        loop {
            match guests.block_on(self.wait(&mut closed)) {
                Woken::Event(published) => {
                    self.tell(&published.event);
                    self.drain();
                }
                Woken::Lost(count) => self.make_up(count),
                Woken::Files => {
                    let now = Arc::clone(&self.catalogs.borrow_and_update());
                    self.events.hub.reload(self.events.storage.clock().now(), &now);
                }
                Woken::Time => {}
                Woken::End => return,
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if self.events.hub.is_watched() {
                    watched = Instant::now();
                }
                self.look(watched.elapsed() >= LINGER);
            }
        }
    }

    async fn wait(&mut self, closed: &mut watch::Receiver<bool>) -> Woken {
        // While nobody watches, there is nothing to look for.
        let follows = lock(&self.events.follower).is_some();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Woken::End,
            received = self.published.recv() => match received {
                Ok(published) => Woken::Event(published),
                Err(RecvError::Lagged(count)) => Woken::Lost(count),
                Err(RecvError::Closed) => Woken::End,
            },
            changed = self.catalogs.changed() => if changed.is_ok() { Woken::Files } else { Woken::End },
            () = self.events.begun.notified() => Woken::Time,
            () = tokio::time::sleep(LOOK_EVERY), if follows => Woken::Time,
        }
    }

    /// Publishes everything that waits, without another wait for each event.
    fn drain(&mut self) {
        loop {
            match self.published.try_recv() {
                Ok(published) => self.tell(&published.event),
                Err(TryRecvError::Lagged(count)) => self.make_up(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn tell(&self, event: &Arc<Event>) {
        let mut follower = lock(&self.events.follower);
        if let Some(follower) = &mut *follower {
            follower.note(event);
        }
        self.events.hub.publish(event);
    }

    /// Publishes what the store has of lost events of this process.
    fn make_up(&self, count: u64) {
        self.events.hub.lost(count);
        let mut follower = lock(&self.events.follower);
        if let Some(follower) = &mut *follower {
            self.publish(follower.look(Whose::Ours));
        }
    }

    /// Looks at what other processes do, or stops if nobody watches.
    fn look(&self, nobody: bool) {
        let mut follower = lock(&self.events.follower);
        let Some(following) = &mut *follower else { return };
        // A new watcher waits for the lock, and starts from scratch.
        if nobody && !self.events.hub.is_watched() {
            *follower = None;
            return;
        }
        self.publish(following.look(Whose::Others));
    }

    /// Publishes events. A store that cannot be read is ignored here: the builds, which write to
    /// it, will notice.
    fn publish(&self, events: Result<Vec<Event>>) {
        events.unwrap_or_default().into_iter().for_each(|event| self.events.hub.publish(&Arc::new(event)));
    }
}
