//! Memory, tables and instances of one build, summed over the whole instance.

use std::sync::Arc;

use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use wasmtime::ResourceLimiter;

use crate::host::Signal;

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

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Refused by the plugin's own bound, it takes nothing.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = (desired as u64).saturating_sub(current as u64);
        if self.memory + more > self.limits.memory {
            return Err(Signal::Limit(self.limits.exceeded(Excess::Memory)).into());
        }
        self.memory += more;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = (desired as u64).saturating_sub(current as u64);
        if self.elements + more > self.limits.table_elements {
            return Err(Signal::Limit(self.limits.exceeded(Excess::TableElements)).into());
        }
        self.elements += more;
        Ok(true)
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
