//! Why the host ended a call before the guest did.

use jobcontrol_core::failure::Failure;

use crate::deadline::Timeout;
use crate::ledger::Full;

/// Why the host ended a call.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Signal {
    #[error("skipped: {0}")]
    Skip(String),
    #[error("{}", .0.message)]
    Fail(Box<Failure>),
    #[error("exit code {0}")]
    Exit(i32),
    #[error("{0}")]
    Limit(String),
    #[error("timeout")]
    Timeout(Timeout),
    #[error("cancelled")]
    Cancelled,
    #[error("{0}")]
    Storage(String),
}

impl Signal {
    /// Returns the signal for a build that needs more memory than is left for all builds.
    pub(crate) fn full(full: Full) -> Self {
        Self::Limit(full.to_string())
    }
}
