//! Turns the outcome of a call into what the store keeps of it.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::limits::Excess;
use jobcontrol_core::limits::Limits;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::pack_finish_with;
use jobcontrol_core::value::PackError;

use crate::execute::large::is_large;

/// An attempt that has ended.
pub(super) struct Ended {
    /// The build.
    pub(super) id: u64,
    /// The owner and the number of the attempt.
    pub(super) guard: Guard,
    /// When it ended.
    pub(super) time: Timestamp,
}

impl Ended {
    /// Returns the end of a build, and what the store will keep of it. A return value that is too
    /// large or cannot be packed becomes a failure. Values are dropped once they are packed. Both
    /// steps take long for a large value.
    pub(super) fn settle(self, storage: &dyn Storage, limits: &Limits, outcome: Outcome) -> (Ending, FinishBuild) {
        match outcome {
            Outcome::Returned(value) => {
                let packed = value.map(|value| storage.pack(&value)).transpose();
                match refused(packed.as_ref(), limits) {
                    Some(failure) => (Ending::Failed(failure.clone()), self.pack(failed(failure), None)),
                    None => (Ending::Returned, self.pack(Finish::default(), packed.unwrap_or_default())),
                }
            }
            Outcome::Skipped(reason) => {
                let finish = Finish { skipped: true, skip_reason: Some(reason.clone()), ..Finish::default() };
                (Ending::Skipped(reason), self.pack(finish, None))
            }
            Outcome::Failed(mut failure) => {
                let small = failure.value.take_if(|value| !is_large([&*value]));
                let large = failure.value.take();
                let ending = Ending::Failed(Failure { value: small.clone(), ..failure.clone() });
                failure.value = small.or(large);
                (ending, self.pack(failed(failure), None))
            }
        }
    }

    fn pack(self, finish: Finish, retval: Option<Vec<u8>>) -> FinishBuild {
        pack_finish_with(self.id, Some(self.guard), self.time, finish, retval)
    }
}

fn failed(failure: Failure) -> Finish {
    Finish { success: Some(false), exception: Some(failure), ..Finish::default() }
}

/// Returns the failure for a return value that is too large, or that could not be packed although
/// the function returned.
fn refused(packed: Result<&Option<Vec<u8>>, &PackError>, limits: &Limits) -> Option<Failure> {
    match packed {
        Ok(packed) => {
            let size = packed.as_ref().map_or(0, Vec::len) as u64;
            let message = || limits.exceeded(Excess::Encoded("the return value"));
            (size > limits.retval).then(|| Failure::new(FailureKind::Limit, message()))
        }
        Err(error) => Some(Failure::new(FailureKind::Limit, format!("the return value could not be packed: {error}"))),
    }
}
