//! Writes the end of a build, whatever it takes: the disk may be full, or not writable any more.
//!
//! These are tried, in this order:
//!
//! - the end itself
//! - a failure in a few words, which may find room where a value did not
//! - a note that the store keeps elsewhere until somebody can write to it; with the note, the store
//!   gets the room that was held back
//! - the end and the failure again, for a while

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::event::Ending;
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::failure::cut;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::storage::EndRun;
use jobcontrol_core::storage::FinishBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_failure;

use crate::execute::error::ExecuteError;
use crate::execute::large::apart_if;
use crate::record::recorder::Recorder;

/// How long to keep trying to write the end of a build. Somebody may be making room, but a caller
/// should not wait long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time between two tries.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The most bytes of an end that is kept for a second try.
const SMALL: usize = 64 << 10;

/// The most characters that are kept of the message of a failed build.
const MESSAGE: usize = 1_000;

/// Writes the end of a build, and returns the end that the store has. It differs from `ending` if
/// there was no room for that.
///
/// # Errors
///
/// Returns an error if the store has no end: another process took the build over, or nothing could
/// be written.
pub(super) async fn write_end(
    recorder: &Recorder,
    ending: Ending,
    packed: FinishBuild,
) -> Result<Ending, ExecuteError> {
    let again = is_small(&packed).then(|| packed.clone());
    let bare = FinishBuild {
        guard: packed.guard.clone(),
        usage: packed.usage,
        skip_reason: None,
        retval: None,
        retval_digest: None,
        exception: None,
        success: false,
        skipped: false,
        ..packed
    };
    let error = match recorder.write(Write::FinishBuild(packed)).await {
        Ok(_) => return Ok(ending),
        Err(error @ StorageError::Backend(_)) => error,
        Err(error) => return Err(error.into()),
    };
    let failure = in_short(&ending, &error);
    let short = FinishBuild { exception: Some(Box::new(pack_failure(failure.clone()))), ..bare };
    let ends = again.map(|again| (ending, again)).into_iter().chain([(Ending::Failed(failure.clone()), short.clone())]);
    let ends: Vec<_> = ends.collect();
    let until = Instant::now() + PATIENCE;
    let mut kept = None;
    loop {
        for (ending, finish) in &ends {
            match recorder.write(Write::FinishBuild(finish.clone())).await {
                Ok(_) => return Ok(ending.clone()),
                Err(StorageError::Backend(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if kept.is_none() {
            kept = Some(keep(recorder, short.clone()).await);
        } else if Instant::now() >= until {
            break;
        } else {
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
    let then = match kept {
        Some(Err(error)) => format!("nor could a note of it ({error}), so the build will be shown as interrupted"),
        _ => "the next command that can write to the store records this".to_owned(),
    };
    Err(ExecuteError::Unrecorded { build: short.id, reason: failure.message, then })
}

async fn keep(recorder: &Recorder, end: FinishBuild) -> Result<(), StorageError> {
    let storage = Arc::clone(recorder.storage());
    let owner = end.guard.as_ref().and_then(|guard| guard.owner.clone()).unwrap_or_default();
    apart_if(true, move || storage.keep_end(&owner, &Write::FinishBuild(end))).await
}

/// Writes the end of a run, as `write_end` does for a build. If the end is only kept, that counts
/// as written for a run that did not succeed, because its builds show why.
///
/// # Errors
///
/// Returns an error if the store cannot be written.
pub(super) async fn write_end_of_run(recorder: &Recorder, owner: &Arc<str>, end: EndRun) -> Result<(), StorageError> {
    let until = Instant::now() + PATIENCE;
    let error = loop {
        match recorder.write(Write::EndRun(end.clone())).await {
            Err(StorageError::Backend(_)) if Instant::now() < until => tokio::time::sleep(TRY_EVERY).await,
            Err(error @ StorageError::Backend(_)) => break error,
            written => return written.map(drop),
        }
    };
    let told = end.status != RunStatus::Successful;
    let (storage, owner) = (Arc::clone(recorder.storage()), Arc::clone(owner));
    match apart_if(true, move || storage.keep_end(&owner, &Write::EndRun(end))).await {
        Ok(()) if told => Ok(()),
        _ => Err(error),
    }
}

fn is_small(finish: &FinishBuild) -> bool {
    let failure = finish.exception.as_ref();
    let failure = failure.map(|f| f.exception.len() + f.exception_tb.as_ref().map_or(0, Vec::len));
    finish.retval.as_ref().map_or(0, Vec::len) + failure.unwrap_or(0) <= SMALL
}

/// Returns what is left of an end that could not be written for this reason. A failure of the build
/// itself stays a failure of the same kind.
fn in_short(ending: &Ending, error: &StorageError) -> Failure {
    let returned = match ending {
        Ending::Failed(failure) => {
            let (mut message, reason) = (failure.message.clone(), error.to_string());
            cut(&mut message, MESSAGE);
            let rest = format!("the rest of this failure could not be written: {reason}");
            let cause = Cause { kind: FailureKind::Storage.to_string(), message: rest, frames: Vec::new() };
            let causes = if failure.kind == FailureKind::Storage { Vec::new() } else { vec![cause] };
            return Failure { causes, ..Failure::new(failure.kind.clone(), message) };
        }
        Ending::Returned => "the function returned, but its result could not be written",
        Ending::Skipped(_) => "there was nothing to do, but this could not be written",
    };
    Failure::new(FailureKind::Storage, format!("{returned}: {error}"))
}
