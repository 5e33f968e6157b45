//! Memory, tables and instances of one build, summed over the whole instance.

use std::sync::Arc;

use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use wasmtime::ResourceLimiter;

use crate::signal::Signal;

/// Counts what a build uses and refuses what is above its limits.
pub(crate) struct Limiter {
    memory: u64,
    elements: u64,
    limits: Arc<Limits>,
}

/// Memories and tables of one build: a bound for hostile components, far above any toolchain.
const MEMORIES_AND_TABLES: usize = 100;

impl Limiter {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self { memory: 0, elements: 0, limits }
    }
}

/// Takes as much as a growth asks for, unless that is more than is left. A guest may ask for up to 2^64.
///
/// What a growth has taken and then failed to get stays taken: the engine says so in the same words as of a growth that
/// it refused before anything was taken, and what is given back then could be asked for again and again.
fn take(used: &mut u64, current: usize, desired: usize, most: u64) -> bool {
    let more = (desired as u64).saturating_sub(current as u64);
    let sum = used.checked_add(more).filter(|sum| *sum <= most);
    *used = sum.unwrap_or(*used);
    sum.is_some()
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Refused by the plugin's own bound, it takes nothing.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if take(&mut self.memory, current, desired, self.limits.memory) {
            return Ok(true);
        }
        Err(Signal::Limit(self.limits.exceeded(Excess::Memory)).into())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if take(&mut self.elements, current, desired, self.limits.table_elements) {
            return Ok(true);
        }
        Err(Signal::Limit(self.limits.exceeded(Excess::TableElements)).into())
    }

    fn instances(&self) -> usize {
        usize::try_from(self.limits.instances).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        MEMORIES_AND_TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES_AND_TABLES
    }
}
