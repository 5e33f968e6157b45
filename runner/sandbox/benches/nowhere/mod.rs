//! A sink for benches and tests that ignore what a build reports.

use std::pin::Pin;

use jobcontrol_core::event::NewRecord;
use jobcontrol_core::progress::Progress;
use jobcontrol_sandbox::Sink;

/// A sink that drops everything a build reports.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    fn try_log(&self, _: NewRecord) -> Result<(), NewRecord> {
        Ok(())
    }

    fn log(&self, _: NewRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }

    fn progress(&self, _: Progress) {}
}
