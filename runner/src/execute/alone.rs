//! Builds that no worker on the bus can run: they wait, and say for what.

use std::sync::Arc;

use jobcontrol_core::event::EventKind;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::labels::Labels;

use crate::execute::attempts::Parts;
use crate::execute::roster::ALONE;
use crate::execute::sink::BuildSink;

/// A build that waits.
pub(super) struct Alone<'a> {
    pub(super) parts: &'a Parts,
    pub(super) id: u64,
    pub(super) job_id: &'a Arc<str>,
    pub(super) sink: &'a BuildSink,
}

impl Alone<'_> {
    /// Waits until some worker has these labels.
    pub(super) async fn wait(&self, needs: &Labels) {
        let Some(remote) = &self.parts.remote else { return };
        let roster = remote.roster();
        if roster.missing(needs).is_none() {
            return;
        }
        let _counted = roster.windows().alone();
        tokio::select! {
            () = roster.fits(needs) => {}
            () = self.say(needs) => {}
        }
    }

    /// Writes into the log what the build waits for, whenever no worker has had these labels for
    /// [`ALONE`]. Never ends.
    pub(super) async fn say(&self, needs: &Labels) {
        let Some(remote) = &self.parts.remote else { return std::future::pending().await };
        let roster = remote.roster();
        loop {
            roster.lacks(needs).await;
            tokio::time::sleep(ALONE).await;
            let Some(reason) = roster.missing(needs) else { continue };
            self.parts.publisher.publish(self.id, self.job_id, EventKind::Waits { reason: reason.clone() });
            self.sink.say(NewRecord::new(self.parts.now(), Level::Warning, "jobcontrol", reason)).await;
            roster.fits(needs).await;
        }
    }
}
