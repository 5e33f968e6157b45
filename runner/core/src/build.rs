//! The record of a build: its status, its failure and the traceback.

use std::fmt;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::config;
use crate::failure::Failure;
use crate::failure::Frame;
use crate::pool::PoolUse;
use crate::usage::Usage;
use crate::value::Value;

/// One execution of a job, as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// Ids increase and are never reused.
    pub id: u64,
    /// The job.
    pub job_id: String,
    /// When it was created.
    pub created: Timestamp,
    /// When its first attempt started.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Whether an attempt has started.
    pub started: bool,
    /// Whether it has ended.
    pub finished: bool,
    /// Whether it succeeded; true for a skipped build as well.
    pub success: bool,
    /// Whether there was nothing to do.
    pub skipped: bool,
    /// A copy of the job, with overrides.
    pub config: Value,
    /// Whether some arguments were given by hand. Such a build does not count for the status of its
    /// job.
    pub edited: bool,
    /// The builds whose return values it uses, ordered by job name.
    pub pins: Vec<Pin>,
    /// The run that it belongs to; `None` for a build that was created by hand.
    pub run: Option<u64>,
    /// The build that it reran.
    pub rerun_of: Option<u64>,
    /// The pool whose slots it takes while it runs.
    pub pool: Option<PoolUse>,
    /// What the function returned.
    pub retval: Option<Value>,
    /// Why there was nothing to do, if the build was skipped.
    pub skip_reason: Option<String>,
    /// What its attempts used: the highest memory of any attempt, and the total guest time of all.
    /// `None` if nothing was measured.
    pub usage: Option<Usage>,
    /// Why it failed; the frames are in `exception_tb`.
    pub exception: Option<Failure>,
    /// The calls that led to the failure, outermost first.
    pub exception_tb: Vec<Frame>,
    /// The process that runs it.
    pub owner: Option<String>,
    /// The worker that runs the newest attempt; `None` if the owner itself runs it.
    pub worker: Option<String>,
    /// 1 for the first try; 0 before it.
    pub attempt: u32,
    /// When that attempt started.
    pub attempt_time: Option<Timestamp>,
    /// When the next attempt is due, if the newest has failed and another is to follow.
    pub retry_time: Option<Timestamp>,
    /// Who requested its cancellation, if anyone did.
    pub cancel: Option<String>,
    /// SHA-256 of the plugin's bytes, in hexadecimal.
    pub plugin: Option<String>,
    /// Whether its deletion has begun. Its data may already be gone, so nothing may use it any
    /// more.
    pub deleting: bool,
    /// WIT text of the return value's type.
    pub retval_type: Option<String>,
    /// SHA-256 of the packed return value, in hexadecimal.
    pub retval_digest: Option<String>,
}

impl Build {
    /// Returns the status that its flags stand for.
    pub fn status(&self) -> BuildStatus {
        BuildStatus::of(self.started, self.finished, self.success, self.skipped)
    }

    /// Returns the build without its large parts: the return value and its type, the traceback, and
    /// everything in the failure except its kind and message.
    #[must_use]
    pub fn brief(self) -> Self {
        let exception = self.exception.map(|failure| Failure::new(failure.kind, failure.message));
        Self { retval: None, retval_type: None, exception, exception_tb: Vec::new(), ..self }
    }

    /// Returns whether a function of its plugin must clean up before the build is deleted.
    pub fn has_cleanup(&self) -> bool {
        self.retval_digest.is_some() && config::cleanup_function(&self.config).is_some()
    }

    /// Returns how many attempts its config allows.
    pub fn max_attempts(&self) -> u32 {
        config::retry(&self.config).attempts.max(self.attempt)
    }

    /// Returns all attempts, oldest first: those that the store keeps separately, and the newest
    /// one, which is part of the build.
    pub fn attempts(&self, ended: Vec<Attempt>) -> Vec<Attempt> {
        let mut all = ended;
        let is_kept_apart = all.last().is_some_and(|last| last.number >= self.attempt);
        if let Some(start_time) = self.attempt_time.filter(|_| !is_kept_apart) {
            let failure = self.exception.clone();
            let failure = failure.map(|failure| Failure { frames: self.exception_tb.clone(), ..failure });
            let (number, end_time, worker) = (self.attempt, self.end_time, self.worker.clone());
            all.push(Attempt { number, start_time, end_time, worker, failure });
        }
        all
    }
}

/// One try of a build.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// The worker that ran it; `None` if the owner of the build ran it itself.
    pub worker: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// The build of a dependency whose return value a build uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The dependency.
    pub job: String,
    /// Its build.
    pub build: u64,
    /// What that build returned, as [`Build::retval_digest`].
    pub retval_digest: Option<String>,
}

/// The status that the flags of a build stand for, in this order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BuildStatus {
    /// Neither started nor finished.
    Created,
    /// Not finished.
    Running,
    /// Not a success.
    Failed,
    /// There was nothing to do.
    Skipped,
    /// All else.
    Successful,
}

impl BuildStatus {
    /// Returns the name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Successful => "SUCCESSFUL",
        }
    }

    /// Returns the status that these flags stand for.
    pub fn of(started: bool, finished: bool, success: bool, skipped: bool) -> Self {
        match (finished, success) {
            (false, _) if !started => Self::Created,
            (false, _) => Self::Running,
            (true, false) => Self::Failed,
            (true, true) if skipped => Self::Skipped,
            (true, true) => Self::Successful,
        }
    }
}

impl fmt::Display for BuildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
