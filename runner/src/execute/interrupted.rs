//! Builds whose processes died.

use std::sync::Arc;
use std::time::Duration;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::config;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::retry::Retry;
use jobcontrol_core::storage::Finish;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::RunOf;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::storage::pack_finish;

use crate::execute::random::random;
use crate::record::recorder::Recorder;

/// How long an interrupted build with attempts left waits for a run that makes the next attempt.
const WAITS: Duration = Duration::from_hours(24);

/// A build whose process died, with attempts left. Nothing is written to it before a run takes it
/// over. Until then, anybody can end it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// The build as the store has it.
    pub build: Build,
    /// When its first attempt started.
    pub started: Timestamp,
    /// The rules for when it is tried again.
    pub retry: Retry,
}

impl Interrupted {
    /// Returns a build of a dead owner, if it has attempts left, nobody has asked to end it, and it
    /// has not waited too long.
    ///
    /// # Errors
    ///
    /// Returns the build as the error if it is over.
    pub fn of(build: Build, now: Timestamp) -> std::result::Result<Self, Box<Build>> {
        let retry = config::retry(&build.config);
        let is_due = build.retry_time.is_some() || retry.is_due(build.attempt, &interrupted());
        let newest = build.retry_time.max(build.attempt_time).unwrap_or(build.created);
        let waits = Duration::from_micros(now.since(newest)) < WAITS;
        match build.start_time {
            Some(started) if is_due && waits && build.cancel.is_none() => Ok(Self { build, started, retry }),
            _ => Err(Box::new(build)),
        }
    }

    pub(super) fn guard(&self) -> Guard {
        Guard { owner: self.build.owner.as_deref().map(Arc::from), attempt: self.build.attempt }
    }

    /// Returns when the next attempt is due. The wait is never longer than the longest delay, even
    /// if a process with another clock has set a later time.
    pub(super) fn due(&self, now: Timestamp) -> Timestamp {
        let after = |random| {
            let delay = self.retry.delay(self.build.attempt, random);
            Timestamp(now.0.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)))
        };
        match self.build.retry_time {
            Some(due) => due.min(after(1.0)),
            None => after(random()),
        }
    }
}

impl Interrupted {
    /// Takes the build over, for another run or in its own. Returns when its next attempt is due,
    /// or `None` if another process was faster.
    pub(super) async fn take(&self, recorder: &Recorder, owner: &Arc<str>, run: &RunOf) -> Result<Option<Timestamp>> {
        let now = recorder.storage().clock().now();
        let due = self.due(now);
        let retry = RetryBuild {
            id: self.build.id,
            guard: self.guard(),
            time: now,
            exception: recorder.storage().pack_exception(interrupted()),
            due,
            owner: owner.clone(),
            run: run.clone(),
            usage: None,
        };
        Ok(unless_faster(recorder.write(Write::RetryBuild(retry)).await)?.then_some(due))
    }
}

/// Returns the failure of a build whose process died while it ran.
pub(super) fn interrupted() -> Failure {
    Failure::new(FailureKind::Interrupted, "the process that ran the build is gone")
}

/// Returns the end of a build whose process died. A build that had not started ends as cancelled.
pub(super) fn end(storage: &dyn Storage, build: &Build) -> Write {
    let failure = match build.status() {
        BuildStatus::Created => Failure::new(FailureKind::Cancelled, "its process ended before it started"),
        _ => interrupted(),
    };
    end_with(build, failure, storage.clock().now())
}

/// Returns the end of a build of another process. It is refused if somebody changes the build
/// first.
pub(crate) fn end_with(build: &Build, failure: Failure, now: Timestamp) -> Write {
    let guard = Guard { owner: build.owner.as_deref().map(Arc::from), attempt: build.attempt };
    let finish = Finish { success: Some(false), exception: Some(failure), ..Finish::default() };
    Write::FinishBuild(pack_finish(build.id, Some(guard), now, finish))
}

/// Returns whether a change was made. False means that another process made one first.
pub(crate) fn unless_faster(written: Result<u64>) -> Result<bool> {
    match written {
        Ok(_) => Ok(true),
        Err(StorageError::Stale(_) | StorageError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
