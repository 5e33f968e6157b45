//! Runs to cancel.

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

/// How often somebody who waits for the end of a run looks for it.
const WAIT_EVERY: Duration = Duration::from_millis(10);

/// Whether the process that works on a run is alive.
///
/// # Errors
///
/// The store's.
pub fn is_worked_on(storage: &dyn Storage, run: &Run) -> StorageResult<bool> {
    let owner = run.owner.as_ref().filter(|_| run.status.is_none());
    owner.map_or(Ok(false), |owner| storage.is_alive(owner))
}

/// Asks for the end of a run and of its builds, in the name of `by`. What a dead process left is
/// ended at once.
///
/// # Errors
///
/// No such run, one that has ended, or the store's.
pub fn cancel_run(storage: &dyn Storage, id: u64, by: &str) -> Result<(), Refusal> {
    let run = storage.get_run(id)?;
    if let Some(status) = run.status {
        return Err(Refusal::usage(format!("run {id} has ended, {status}")).hint("nothing was cancelled"));
    }
    storage.write(Write::CancelRun(id, Arc::from(by)))?;
    // A service may have taken it over just now; after this wish nobody takes it.
    if !is_worked_on(storage, &storage.get_run(id)?)? {
        end_dead(storage, id, by)?;
    }
    Ok(())
}

/// Ends a run that somebody wants to end and that nobody works on, with its builds.
///
/// # Errors
///
/// The store's.
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

/// Waits until a run has ended, and ends it should its process die before; returns how it ended.
///
/// # Errors
///
/// The store's.
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
