//! How many builds run at once. A build that waits for its next attempt gives its slot to another.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Slots for builds.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Semaphore>);

impl Slots {
    /// That many.
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Waits for a free one.
    pub async fn take(&self) -> Slot {
        let mut slot = self.try_take();
        slot.take().await;
        slot
    }

    /// Takes one if one is free; the slot is not held otherwise.
    pub(super) fn try_take(&self) -> Slot {
        Slot { slots: self.clone(), permit: Arc::clone(&self.0).try_acquire_owned().ok() }
    }
}

/// A slot, free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    pub(super) fn is_held(&self) -> bool {
        self.permit.is_some()
    }

    pub(super) fn give_back(&mut self) {
        self.permit = None;
    }

    /// Waits for a free one, unless this is still held.
    pub(super) async fn take(&mut self) {
        if self.permit.is_none() {
            // The semaphore is never closed.
            self.permit = Arc::clone(&self.slots.0).acquire_owned().await.ok();
        }
    }
}
