//! Limits memory, tables and instances of one build, summed over the whole instance.

use std::sync::Arc;

use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use wasmtime::ResourceLimiter;

use crate::ledger::Account;
use crate::signal::Signal;

/// Counts what a build uses and refuses what is above its limits.
pub(crate) struct Limiter {
    /// The bytes that memory growths took, including growths that the engine then failed to make.
    memory: u64,
    /// The bytes of memory that the instance has. A memory never shrinks, so this is also the peak.
    held: u64,
    /// The bytes that the latest growth added to `held`.
    newest: u64,
    /// The elements that table growths took.
    elements: u64,
    limits: Arc<Limits>,
    /// The account that is charged for all of it.
    account: Arc<Account>,
}

/// The most memories and tables of one build. This stops hostile components and is far above what
/// any toolchain needs.
const MEMORIES_AND_TABLES: usize = 100;

/// The bytes of host memory for one element of a table.
const ELEMENT: u64 = 8;

/// How the engine reports a growth that it refused without asking the limiter.
const BEYOND_TYPE: &str = "memory growth exceeds memory type's limits";

impl Limiter {
    pub(crate) fn new(limits: Arc<Limits>, account: Arc<Account>) -> Self {
        Self { memory: 0, held: 0, newest: 0, elements: 0, limits, account }
    }

    /// Returns the most bytes of linear memory that the instance had at one time.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.held
    }
}

/// Takes as much as a growth asks for, unless that is more than is left. A guest may ask for up to
/// 2^64.
///
/// If the engine then fails to make the growth, it stays counted. The engine reports this in the
/// same words as a growth that it refused before anything was taken. A guest could otherwise ask
/// for memory that was given back again and again.
fn take(used: &mut u64, current: usize, desired: usize, most: u64) -> bool {
    let more = (desired as u64).saturating_sub(current as u64);
    let sum = used.checked_add(more).filter(|sum| *sum <= most);
    *used = sum.unwrap_or(*used);
    sum.is_some()
}

/// Returns how much a build would use with a growth that is refused.
fn requested(used: u64, current: usize, desired: usize) -> u64 {
    used.saturating_add((desired as u64).saturating_sub(current as u64))
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A growth that the plugin's own bound refuses takes nothing.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if take(&mut self.memory, current, desired, self.limits.memory) {
            let more = (desired as u64).saturating_sub(current as u64);
            self.account.charge(more).map_err(Signal::full)?;
            self.newest = more;
            self.held += more;
            return Ok(true);
        }
        let requested = requested(self.memory, current, desired);
        Err(Signal::Limit(self.limits.exceeded_by(Excess::Memory, requested)).into())
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if error.to_string() != BEYOND_TYPE {
            self.held -= std::mem::take(&mut self.newest);
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if take(&mut self.elements, current, desired, self.limits.table_elements) {
            let more = (desired as u64).saturating_sub(current as u64);
            self.account.charge(more.saturating_mul(ELEMENT)).map_err(Signal::full)?;
            return Ok(true);
        }
        let requested = requested(self.elements, current, desired);
        Err(Signal::Limit(self.limits.exceeded_by(Excess::TableElements, requested)).into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn memory_that_the_engine_failed_to_make_is_taken_and_not_held() {
        let account = Ledger::unbounded().enter();
        let mut limiter = Limiter::new(Arc::new(Limits { memory: 100, ..Limits::default() }), account);
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(limiter.memory_growing(40, 60, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg(BEYOND_TYPE)).unwrap();
        assert_eq!(limiter.peak_memory(), 60, "what was refused before it was asked for took nothing");
        assert!(limiter.memory_growing(60, 90, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("out of memory")).unwrap();
        assert_eq!(limiter.peak_memory(), 60);
        assert!(limiter.memory_growing(60, 80, None).is_err(), "90 of 100 are taken");
        assert_eq!(limiter.peak_memory(), 60);
    }
}
