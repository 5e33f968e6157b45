//! The pools of the operator's file: how large each is, and who waits for it. Which of its slots
//! are used is known to the store alone, since builds of other processes use them too.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::RwLock;

use tokio::sync::Notify;

use crate::execute::queue::Queue;
use crate::lock::lock;

/// The pools.
#[derive(Default)]
pub struct Pools {
    sizes: RwLock<BTreeMap<String, u32>>,
    queues: Mutex<HashMap<String, Queue>>,
    /// Told when a build of this process gives slots back.
    pub(super) freed: Arc<Notify>,
}

impl Pools {
    /// With these sizes.
    pub fn new(sizes: BTreeMap<String, u32>) -> Self {
        Self { sizes: RwLock::new(sizes), ..Self::default() }
    }

    /// The operator has changed the sizes. Builds that run keep their slots.
    pub fn resize(&self, sizes: BTreeMap<String, u32>) {
        *self.sizes.write().unwrap_or_else(std::sync::PoisonError::into_inner) = sizes;
        self.freed.notify_waiters();
    }

    /// How many slots a pool has. One that the operator has removed has no bound.
    pub(super) fn size(&self, pool: &str) -> u32 {
        let sizes = self.sizes.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        sizes.get(pool).copied().unwrap_or(u32::MAX)
    }

    /// The queue of a pool, whose one permit is the right to look for room: a build that needs many
    /// slots is not overtaken for ever by those that need few.
    pub(super) fn queue(&self, pool: &str) -> Queue {
        let mut queues = lock(&self.queues);
        queues.entry(pool.to_owned()).or_insert_with(|| Queue::new(1)).clone()
    }
}
