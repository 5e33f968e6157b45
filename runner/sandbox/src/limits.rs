//! Memory, tables and instances of one build, summed over the whole instance.

use jobcontrol_core::limits::Limits;
use jobcontrol_core::limits::show_bytes;
use wasmtime::ResourceLimiter;

use crate::host::Signal;

/// Counts what a build uses and refuses what is above its limits.
pub(crate) struct Limiter {
    memory: u64,
    max_memory: u64,
    elements: u64,
    max_elements: u64,
    instances: usize,
}

/// Memories and tables of one build: a bound for hostile components, far above any toolchain.
const MEMORIES_AND_TABLES: usize = 100;

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            max_memory: limits.memory,
            elements: 0,
            max_elements: limits.table_elements,
            instances: usize::try_from(limits.instances).unwrap_or(usize::MAX),
        }
    }
}

/// A limit that was hit: its name, its value and the key that raises it.
pub(crate) fn hit(what: &str, value: &str, key: &str) -> Signal {
    Signal::Limit(format!("{what} is above {value}; raise it with `{key}`"))
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Refused by the plugin's own bound, it takes nothing.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = (desired as u64).saturating_sub(current as u64);
        if self.memory + more > self.max_memory {
            let value = show_bytes(self.max_memory);
            return Err(hit("the memory of the build", &value, "limits: { memory: .. }").into());
        }
        self.memory += more;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = (desired as u64).saturating_sub(current as u64);
        if self.elements + more > self.max_elements {
            let value = self.max_elements.to_string();
            let what = "the number of table elements of the build";
            return Err(hit(what, &value, "limits: { table_elements: .. }").into());
        }
        self.elements += more;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        MEMORIES_AND_TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES_AND_TABLES
    }
}
