//! Where the log and the progress of a running build go.

use std::future::Future;
use std::pin::Pin;

use jobcontrol_core::event::NewRecord;
use jobcontrol_core::progress::Progress;

/// Where the log and the progress of a running build go.
///
/// What a record holds while it waits is charged to the account of its call, as `held_size::queued` counts it; a sink gives
/// it back once the record has gone.
pub trait Sink: Send + Sync {
    /// Takes a record, or gives it back where that would mean to wait.
    ///
    /// # Errors
    ///
    /// The record, if there is no room.
    fn try_log(&self, record: NewRecord) -> Result<(), NewRecord>;

    /// Takes a record, waiting for room. An error ends the build.
    fn log(&self, record: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;

    /// Takes the newest report of a group. Called as often as the guest likes, so it must be cheap.
    fn progress(&self, report: Progress);
}
