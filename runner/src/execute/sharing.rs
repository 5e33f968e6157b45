//! Builds that another run makes at the same time: a run that needs the same build waits for it.

use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::Storage;
use jobcontrol_sandbox::Cancel;

use crate::execute::interrupted::Interrupted;
use crate::execute::interrupted::end;
use crate::execute::interrupted::unless_faster;
use crate::execute::large::apart_if;

/// How often the store is asked whether the other run's build has ended. Each time reads one row.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a build of another run ended.
#[derive(Clone, Debug)]
pub struct SharedEnd {
    /// The build.
    pub build: u64,
    /// Whether it was skipped because there was nothing to do.
    pub skipped: bool,
    /// Why it failed, if it did. Has only the kind and the message.
    pub failure: Option<Box<Failure>>,
}

/// The result of waiting for a build of another run.
pub(super) enum Awaited {
    /// It ended, and stands for a build of this run.
    Ended(SharedEnd),
    /// It cannot be used: this run has to make the build itself.
    Gone,
    /// Its process died, and it has attempts left: this run can take it over.
    Left(Box<Interrupted>),
    /// The waiting run was cancelled.
    Cancelled,
}

/// Waits until a build of another run has ended. Calls `tell` once if it has not ended yet. Nothing
/// is written to the build unless its process died.
pub(super) async fn wait_for(
    storage: &Arc<dyn Storage>,
    build: u64,
    cancel: &Cancel,
    tell: impl FnOnce(),
) -> Result<Awaited> {
    let (mut cancel, mut tell) = (cancel.clone(), Some(tell));
    loop {
        let of = Arc::clone(storage);
        if let Some(awaited) = apart_if(true, move || look_at(&*of, build)).await? {
            return Ok(awaited);
        }
        if let Some(tell) = tell.take() {
            tell();
        }
        tokio::select! {
            biased;
            () = cancel.wait() => return Ok(Awaited::Cancelled),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Returns what became of a build, or `None` while a process works on it.
fn look_at(storage: &dyn Storage, id: u64) -> Result<Option<Awaited>> {
    let Some(build) = read(storage, id)? else {
        return Ok(Some(Awaited::Gone));
    };
    if build.finished {
        return Ok(Some(ended(build)));
    }
    let is_alive = match build.owner.as_deref() {
        Some(owner) => storage.is_alive(owner)?,
        None => false,
    };
    if is_alive {
        return Ok(None);
    }
    // The process may have ended the build before it died.
    let build = match read(storage, id)? {
        Some(build) if build.finished => return Ok(Some(ended(build))),
        Some(build) => build,
        None => return Ok(Some(Awaited::Gone)),
    };
    match Interrupted::of(build, storage.clock().now()) {
        Ok(interrupted) => Ok(Some(Awaited::Left(Box::new(interrupted)))),
        Err(build) => {
            // Another process may have been faster. The next look then shows how the build ended.
            let is_ended = unless_faster(storage.write(end(storage, &build)))?;
            Ok(is_ended.then_some(Awaited::Gone))
        }
    }
}

pub(super) fn read(storage: &dyn Storage, id: u64) -> Result<Option<Build>> {
    let (after, before) = (id.checked_sub(1), id.checked_add(1));
    let one = BuildFilter { after, before, limit: 1, brief: true, ..BuildFilter::default() };
    Ok(storage.get_job_builds(&one)?.pop())
}

fn ended(build: Build) -> Awaited {
    let status = build.status();
    match build.exception {
        _ if build.deleting => Awaited::Gone,
        // The reason why it stopped does not concern this run.
        Some(Failure { kind: FailureKind::Cancelled | FailureKind::Interrupted, .. }) => Awaited::Gone,
        exception => Awaited::Ended(SharedEnd {
            build: build.id,
            skipped: status == BuildStatus::Skipped,
            failure: (status == BuildStatus::Failed).then(|| Box::new(exception.unwrap_or_default())),
        }),
    }
}
