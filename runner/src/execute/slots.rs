//! Limits how many builds run at once, and with how much memory. A build that waits for its next
//! attempt gives its slot to another. If workers run the builds, the slots are theirs.

use std::sync::Arc;

use jobcontrol_core::labels::Labels;
use jobcontrol_sandbox::Account;
use jobcontrol_sandbox::Ledger;

use crate::execute::queue::Permit;
use crate::execute::queue::Queue;
use crate::execute::queue::Turn;
use crate::execute::windows::Windows;

/// How many builds of one process run at once. Guests share as many threads as there are cores.
pub const SLOTS: usize = 64;

/// Slots for builds.
#[derive(Clone, Debug)]
pub struct Slots {
    count: Count,
    memory: Arc<Ledger>,
}

/// Which builds share slots.
#[derive(Clone, Debug)]
enum Count {
    /// All.
    All(Queue),
    /// Those that need the same labels of a worker.
    OfWorkers(Arc<Windows>),
}

impl Slots {
    /// Creates that many slots, for builds whose memory is accounted in `memory`.
    pub fn new(count: usize, memory: Arc<Ledger>) -> Self {
        Self { count: Count::All(Queue::new(count)), memory }
    }

    /// Creates the slots of workers, for builds whose memory is accounted in `memory`.
    pub fn of_workers(windows: Arc<Windows>, memory: Arc<Ledger>) -> Self {
        Self { count: Count::OfWorkers(windows), memory }
    }

    fn queue(&self, needs: &Labels) -> Queue {
        match &self.count {
            Count::All(queue) => queue.clone(),
            Count::OfWorkers(windows) => windows.queue(needs),
        }
    }

    /// Waits for a free slot for a build that needs no labels, and for memory.
    pub async fn take(&self) -> Slot {
        let mut slot = self.try_take(&Labels::default());
        slot.take(0, |_| ()).await;
        slot
    }

    /// Takes a slot for a build that needs these labels, if one is free and there is memory.
    /// Otherwise the returned slot is not held.
    pub(super) fn try_take(&self, needs: &Labels) -> Slot {
        let (queue, memory) = (self.queue(needs), Arc::clone(&self.memory));
        let permit = queue.try_take(needs);
        let held = permit.and_then(|permit| Some(Held { account: memory.try_enter(0)?, _permit: permit }));
        Slot { queue, needs: needs.clone(), memory, turn: Turn::default(), held }
    }

    /// Returns how many builds have a slot, and how many wait.
    pub fn counts(&self) -> (usize, usize) {
        match &self.count {
            Count::All(queue) => (queue.taken(), queue.waiting()),
            Count::OfWorkers(windows) => windows.counts(),
        }
    }

    /// Returns the bytes of the host's memory that running builds are charged with, and the most
    /// that they may be charged with together.
    pub fn memory(&self) -> (u64, u64) {
        (self.memory.used(), self.memory.most())
    }

    /// Stops giving slots to builds from now on. Builds that have one keep it.
    pub fn close(&self) {
        match &self.count {
            Count::All(queue) => queue.close(),
            Count::OfWorkers(windows) => windows.close(),
        }
    }
}

/// A slot, free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    queue: Queue,
    needs: Labels,
    memory: Arc<Ledger>,
    turn: Turn,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    account: Arc<Account>,
    _permit: Permit,
}

impl Slot {
    /// Sets the place of its build among those that wait.
    pub(super) fn for_turn(&mut self, turn: Turn) {
        self.turn = turn;
    }

    /// Returns the labels that its build needs of a worker.
    pub(super) fn needs(&self) -> &Labels {
        &self.needs
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn give_back(&mut self) {
        self.held = None;
    }

    /// Returns the account that the build is charged to. A build without a slot has an account too.
    pub(super) fn account(&self) -> Arc<Account> {
        self.held.as_ref().map_or_else(|| self.memory.enter(), |held| Arc::clone(&held.account))
    }

    /// Waits for a free slot and then for at least `need` bytes of memory, unless the slot is still
    /// held. Calls `tell` with the used memory once it waits for memory. Builds that wait for
    /// memory keep others from waiting beside them.
    pub(super) async fn take(&mut self, need: u64, tell: impl FnOnce(String)) {
        if self.held.is_none() {
            let permit = self.queue.take(&self.needs, self.turn).await;
            let account = self.memory.wait_to_enter(need, tell).await;
            self.held = Some(Held { account, _permit: permit });
        }
    }
}
