//! The arguments of a call.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use super::large::Values;
use super::memory::Memory;

/// How many flat parameters the canonical ABI passes; more are passed by one pointer.
pub(super) const FLAT: usize = 16;

/// The arguments of a call, in the order and of the types of the parameters. They are dropped once
/// they are in the guest, so their memory is free before the call returns a value.
pub(crate) struct Args<'a> {
    values: Mutex<Option<Values>>,
    /// Set to false once the arguments are in the guest.
    pub(super) lowering: &'a AtomicBool,
    /// What happens to the memory before.
    pub(super) memory: Memory,
}

impl<'a> Args<'a> {
    pub(crate) fn new(values: Values, lowering: &'a AtomicBool) -> Self {
        Self { values: Mutex::new(Some(values)), lowering, memory: Memory::Fresh }
    }

    /// Prepares the memory of the instance before the arguments are written to it.
    pub(crate) fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// Returns the values the first time it is called.
    pub(super) fn take(&self) -> Option<Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An argument that does not have its parameter's type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mismatch(pub(crate) String);
