//! What a function returned, and how large it may be.

use jobcontrol_core::value::Value;

/// The engine's fuel for host calls that each byte of an encoded return value costs.
pub(crate) const FUEL: u64 = 16;

/// The bytes of host memory that a value may take for each byte of its limit: as many as the
/// smallest value takes in a list.
pub(crate) const HELD: u64 = 32;

/// What a function returned. For a result at the top level, ok carries the value, and err is the
/// function's own failure.
#[derive(Debug, PartialEq)]
pub(crate) enum Returned {
    Value(Option<Value>),
    Error(Option<Value>),
}

/// The error for a return value, or a function's error, that is larger than allowed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooLarge {
    #[error("the encoded size of {0} is above its limit")]
    Encoded(&'static str),
    #[error("the memory that {0} takes in the host is above its limit")]
    Held(&'static str),
}
