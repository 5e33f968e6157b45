//! Writes what happens to builds into the service's own log.

use jobcontrol_core::event::Ending;
use jobcontrol_core::event::Event;
use jobcontrol_core::event::EventKind;

/// Logs an event that matters to the operator of the service. Texts that a plugin can influence are
/// fields, which the log escapes.
pub(super) fn tell(event: &Event) {
    let (job, build) = (&*event.job_id, event.build_id);
    match &event.kind {
        EventKind::Started => tracing::debug!(job, build, "build started"),
        EventKind::Waits { reason } => tracing::info!(job, build, reason = reason.as_str(), "build waits"),
        EventKind::TakenOver { attempt, of, .. } => tracing::info!(job, build, attempt, of, "build taken over"),
        EventKind::AttemptFailed { attempt, of, failure, .. } => {
            let (kind, reason) = (failure.kind.to_string(), failure.message.as_str());
            tracing::warn!(job, build, attempt, of, kind = kind.as_str(), reason, "attempt failed");
        }
        EventKind::Finished { ending, took } => ended(job, build, ending, *took),
        _ => {}
    }
}

fn ended(job: &str, build: u64, ending: &Ending, took: u64) {
    let (status, took_ms) = (ending.status().to_string(), took / 1_000);
    let status = status.as_str();
    match ending {
        Ending::Returned => tracing::info!(job, build, status, took_ms, "build ended"),
        Ending::Skipped(reason) => tracing::info!(job, build, status, reason = reason.as_str(), "build ended"),
        Ending::Failed(failure) => {
            let (kind, reason) = (failure.kind.to_string(), failure.message.as_str());
            tracing::warn!(job, build, status, kind = kind.as_str(), reason, took_ms, "build ended");
        }
    }
}
