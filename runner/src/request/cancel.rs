//! Cancels runs.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::Result as StorageResult;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;

use crate::execute::canceller;
use crate::request::refusal::Refusal;

/// How often a waiting process checks whether a run has ended.
const WAIT_EVERY: Duration = Duration::from_millis(10);

/// Returns whether a live process works on a run.
///
/// # Errors
///
/// Returns an error if the store cannot be read.
pub fn is_worked_on(storage: &dyn Storage, run: &Run) -> StorageResult<bool> {
    let owner = run.owner.as_ref().filter(|_| run.status.is_none());
    owner.map_or(Ok(false), |owner| storage.is_alive(owner))
}

/// Requests the cancellation of a run and its builds in the name of `by`. If its process is dead,
/// the run is ended at once.
///
/// # Errors
///
/// Returns a refusal if the run does not exist or has ended, or if the store cannot be read or
/// written to.
pub fn cancel_run(storage: &dyn Storage, id: u64, by: &str) -> Result<(), Refusal> {
    let run = storage.get_run(id)?;
    if let Some(status) = run.status {
        return Err(Refusal::usage(format!("run {id} has already ended: {status}")).hint("nothing was cancelled"));
    }
    storage.write(Write::CancelRun(id, Arc::from(by)))?;
    // A service may have taken it over just now. After the request, no process takes it over.
    if !is_worked_on(storage, &storage.get_run(id)?)? {
        end_dead(storage, id, by)?;
    }
    Ok(())
}

/// Ends a cancelled run that no process works on, with its builds.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written to.
pub fn end_dead(storage: &dyn Storage, id: u64, by: &str) -> Result<(), Refusal> {
    let unfinished = BuildFilter {
        run: Some(id),
        finished: Some(false),
        limit: u64::MAX >> 1,
        brief: true,
        ..BuildFilter::default()
    };
    for build in storage.get_job_builds(&unfinished)? {
        canceller::cancel(storage, build.id, by)?;
    }
    let time = storage.clock().now();
    storage.write(Write::EndRun(EndRun { id, time, status: RunStatus::Cancelled, refused: None }))?;
    Ok(())
}

/// Waits until a run has ended, and returns how it ended. If its process dies first, ends the run.
///
/// # Errors
///
/// Returns an error if the store cannot be read or written to.
pub fn wait_for_run(storage: &dyn Storage, id: u64, by: &str) -> Result<RunStatus, Refusal> {
    loop {
        let run = storage.get_run(id)?;
        if let Some(status) = run.status {
            return Ok(status);
        }
        if !is_worked_on(storage, &run)? {
            end_dead(storage, id, by)?;
        }
        thread::sleep(WAIT_EVERY);
    }
}
