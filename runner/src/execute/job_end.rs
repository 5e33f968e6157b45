//! How one job of a plan ended.

use jobcontrol_core::failure::FailureKind;

use crate::execute::error::ExecuteError;
use crate::execute::sharing::SharedEnd;

/// How one job of a plan ended.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// A build ended. If it failed, this is the kind of the failure. The store has everything else.
    Built(u64, Option<FailureKind>),
    /// A build was skipped because it had nothing to do.
    Skipped(u64),
    /// Another run made the same build at the same time.
    Shared(SharedEnd),
    /// There is no build, for this reason.
    NotBuilt(ExecuteError),
    /// The job needs this job, which did not succeed.
    NeedFailed(String),
    /// The run was cancelled before its turn came.
    Cancelled,
}

impl JobEnd {
    /// Returns whether jobs that need this one can be built. If this one had nothing to do, they
    /// use its latest success.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Built(_, None) | Self::Skipped(_) | Self::Shared(SharedEnd { failure: None, .. }))
    }

    /// Returns whether there was nothing to do.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped(_) | Self::Shared(SharedEnd { skipped: true, .. }))
    }

    /// Returns the build of this run.
    pub fn build(&self) -> Option<u64> {
        match self {
            Self::Built(build, _) | Self::Skipped(build) => Some(*build),
            Self::Shared(_) | Self::NotBuilt(_) | Self::NeedFailed(_) | Self::Cancelled => None,
        }
    }

    /// Returns the kind of the failure of the job's build, whichever run the build belongs to.
    pub fn failure(&self) -> Option<&FailureKind> {
        match self {
            Self::Built(_, failure) => failure.as_ref(),
            Self::Shared(end) => end.failure.as_ref().map(|failure| &failure.kind),
            Self::Skipped(_) | Self::NotBuilt(_) | Self::NeedFailed(_) | Self::Cancelled => None,
        }
    }
}
