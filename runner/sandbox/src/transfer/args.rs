//! The arguments of a call.

use std::sync::atomic::AtomicBool;

use jobcontrol_core::value::Value;

/// How many flat parameters the canonical ABI knows; more go by one pointer.
pub(super) const FLAT: usize = 16;

/// The arguments of a call, in the order and of the types of the parameters.
pub(crate) struct Args<'a> {
    pub(crate) values: &'a [Value],
    /// Set to false once the arguments are in the guest.
    pub(crate) lowering: &'a AtomicBool,
}

/// An argument that is not of its parameter's type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mismatch(pub(crate) String);
