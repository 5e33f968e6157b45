//! Builds whose processes are gone and that have attempts left: taken over where a run makes the very same, ended else.

use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::request::same_build;
use jobcontrol_core::retry::Retry;
use jobcontrol_core::storage::Guard;
use jobcontrol_core::storage::Result;
use jobcontrol_core::storage::RetryBuild;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::value::Value;

use crate::execute::attempts::random;
use crate::execute::executor::lock;
use crate::execute::rescuer::ended;
use crate::execute::rescuer::interrupted;
use crate::record::recorder::Recorder;

/// A build whose process is gone, with attempts left. Nothing is written to it before a run takes it over, so that until
/// then anybody can end it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// As the store has it.
    pub build: Build,
    /// When its first attempt started.
    pub started: Timestamp,
    /// When it is tried again.
    pub retry: Retry,
}

impl Interrupted {
    /// A build that has attempts left, and that nobody has asked to end.
    pub(super) fn of(build: Build) -> std::result::Result<Self, Box<Build>> {
        let retry = build.config.get("retry").map_or_else(Retry::never, Retry::from_config);
        let is_due = build.retry_time.is_some() || retry.is_due(build.attempt, &interrupted());
        match build.start_time {
            Some(started) if is_due && build.cancel.is_none() => Ok(Self { build, started, retry }),
            _ => Err(Box::new(build)),
        }
    }

    fn guard(&self) -> Guard {
        Guard { owner: self.build.owner.as_deref().map(Arc::from), attempt: self.build.attempt }
    }

    /// When the next attempt is due. What a process of another clock has left is not waited for longer than any wait.
    fn due(&self, now: Timestamp) -> Timestamp {
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

/// What a run makes, as far as it decides whether an interrupted build is the same.
pub(super) struct Wanted<'a> {
    pub(super) job_id: &'a str,
    pub(super) plugin: &'a str,
    /// The build config.
    pub(super) config: Value,
    pub(super) rerun_of: Option<u64>,
}

impl Wanted<'_> {
    fn is(&self, build: &Build) -> bool {
        // Who asks for a build again shall find whose it is.
        let again = |of: u64| of == build.id || build.rerun_of() == Some(of);
        build.plugin.as_deref() == Some(self.plugin)
            && same_build(&build.config, &self.config)
            && self.rerun_of.is_none_or(again)
    }
}

/// The interrupted builds of the jobs of a run.
pub(super) struct Takeover {
    recorder: Recorder,
    owner: Arc<str>,
    left: Mutex<Vec<Interrupted>>,
    ended: Mutex<Vec<u64>>,
}

impl Takeover {
    pub(super) fn new(recorder: Recorder, owner: Arc<str>) -> Self {
        Self { recorder, owner, left: Mutex::default(), ended: Mutex::default() }
    }

    pub(super) fn expect(&self, interrupted: Vec<Interrupted>) {
        lock(&self.left).extend(interrupted);
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.left).is_empty()
    }

    /// Takes over an interrupted build that is what is wanted, and answers it with when its next attempt is due. A run
    /// makes one build of a job, so the job's others are ended.
    pub(super) async fn take(&self, wanted: &Wanted<'_>) -> Result<Option<(Interrupted, Timestamp)>> {
        let of_job: Vec<_> = lock(&self.left).extract_if(.., |one| one.build.job_id == wanted.job_id).collect();
        let mut taken = None;
        for one in of_job {
            if taken.is_none() && wanted.is(&one.build) {
                let due = one.due(self.now());
                if self.own(&one, due).await? {
                    taken = Some((one, due));
                }
            } else {
                self.end(&one).await?;
            }
        }
        Ok(taken)
    }

    /// Ends those that no build was made for, and answers the ids of all that were ended.
    pub(super) async fn end_left_over(&self) -> Result<Vec<u64>> {
        let left = std::mem::take(&mut *lock(&self.left));
        for one in left {
            self.end(&one).await?;
        }
        Ok(std::mem::take(&mut *lock(&self.ended)))
    }

    fn now(&self) -> Timestamp {
        self.recorder.storage().clock().now()
    }

    /// Makes a build this process's; false if somebody was faster, which is as good.
    async fn own(&self, one: &Interrupted, due: Timestamp) -> Result<bool> {
        let (exception, exception_tb) = self.recorder.storage().pack_exception(interrupted());
        let (id, guard, time, owner) = (one.build.id, one.guard(), self.now(), Arc::clone(&self.owner));
        let retry = RetryBuild { id, guard, time, exception, exception_tb, due, owner };
        unless_faster(self.recorder.write(Write::RetryBuild(retry)).await)
    }

    async fn end(&self, one: &Interrupted) -> Result<()> {
        let finish = ended(&**self.recorder.storage(), one.build.id, one.guard());
        if unless_faster(self.recorder.write(finish).await)? {
            lock(&self.ended).push(one.build.id);
        }
        Ok(())
    }
}

/// Whether a change was made; false if another process made one before.
pub(super) fn unless_faster(written: Result<u64>) -> Result<bool> {
    match written {
        Ok(_) => Ok(true),
        Err(StorageError::Stale(_) | StorageError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
