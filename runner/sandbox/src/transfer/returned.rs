//! What a function returned, and how large that may be.

use jobcontrol_core::value::Value;

/// Fuel of the engine for calls of the host that each byte of a return value, encoded, costs.
pub(crate) const FUEL: u64 = 16;

/// Bytes of the host's own memory that a value may take for each byte of its limit: what the
/// smallest one takes in a list.
pub(crate) const HELD: u64 = 32;

/// What a function returned. A result at the top is not the value itself: ok carries it, err is the
/// function's own failure.
#[derive(Debug, PartialEq)]
pub(crate) enum Returned {
    Value(Option<Value>),
    Error(Option<Value>),
}

/// A return value, or a function's error, that is larger than it may be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error("the size of {0}, encoded, is above its limit")]
    Encoded(&'static str),
    #[error("the memory that {0} takes in the host is above its limit")]
    Held(&'static str),
}
