//! The pools of the operator's file: their sizes, and who waits for them. Only the store knows
//! which slots are used, because builds of other processes use them too.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::RwLock;

use jobcontrol_core::labels::Labels;
use tokio::sync::Notify;

use crate::execute::queue::Queue;
use crate::lock::lock;

/// The pools.
#[derive(Default)]
pub struct Pools {
    sizes: RwLock<BTreeMap<String, u32>>,
    lines: Mutex<HashMap<(String, Labels), Queue>>,
    /// Notified when a build of this process gives slots back.
    pub(super) freed: Arc<Notify>,
}

impl Pools {
    /// Creates pools with these sizes.
    pub fn new(sizes: BTreeMap<String, u32>) -> Self {
        Self { sizes: RwLock::new(sizes), ..Self::default() }
    }

    /// Changes the sizes after the operator has changed them. Builds that run keep their slots.
    pub fn resize(&self, sizes: BTreeMap<String, u32>) {
        *self.sizes.write().unwrap_or_else(std::sync::PoisonError::into_inner) = sizes;
        self.freed.notify_waiters();
    }

    /// Returns how many slots a pool has. A pool that the operator has removed has no limit.
    pub(super) fn size(&self, pool: &str) -> u32 {
        let sizes = self.sizes.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        sizes.get(pool).copied().unwrap_or(u32::MAX)
    }

    /// Returns the line of a pool, for builds that need these labels of a worker. Its only permit
    /// is the right to look for room. A build that needs many slots is therefore not overtaken for
    /// ever by builds that need few. Builds that wait for other workers stand in other lines.
    pub(super) fn line(&self, pool: &str, needs: &Labels) -> Queue {
        let mut lines = lock(&self.lines);
        lines.entry((pool.to_owned(), needs.clone())).or_insert_with(|| Queue::new(1)).clone()
    }
}
