//! What became of one job of a plan.

use jobcontrol_core::failure::FailureKind;

use crate::execute::error::ExecuteError;
use crate::execute::sharing::SharedEnd;

/// What became of one job of a plan.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// A build ended; if it failed, with a failure of this kind. All else of it is in the store.
    Built(u64, Option<FailureKind>),
    /// A build ended with nothing to do.
    Skipped(u64),
    /// Another run made the same build at the same time.
    Shared(SharedEnd),
    /// There is no build, for this reason.
    NotBuilt(ExecuteError),
    /// This job, which it needs, did not succeed.
    NeedFailed(String),
    /// The run was cancelled before its turn came.
    Cancelled,
}

impl JobEnd {
    /// Whether what needs the job can be built. What needs one that had nothing to do uses its
    /// latest success.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Built(_, None) | Self::Skipped(_) | Self::Shared(SharedEnd { failure: None, .. }))
    }

    /// Whether there was nothing to do.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped(_) | Self::Shared(SharedEnd { skipped: true, .. }))
    }

    /// The build of this run.
    pub fn build(&self) -> Option<u64> {
        match self {
            Self::Built(build, _) | Self::Skipped(build) => Some(*build),
            Self::Shared(_) | Self::NotBuilt(_) | Self::NeedFailed(_) | Self::Cancelled => None,
        }
    }

    /// The kind of the failure of its build, whichever run it belongs to.
    pub fn failure(&self) -> Option<&FailureKind> {
        match self {
            Self::Built(_, failure) => failure.as_ref(),
            Self::Shared(end) => end.failure.as_ref().map(|failure| &failure.kind),
            Self::Skipped(_) | Self::NotBuilt(_) | Self::NeedFailed(_) | Self::Cancelled => None,
        }
    }
}
