//! The record of a build: its status, its failure and the traceback.

use std::fmt;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::failure::Frame;
use crate::retry::Retry;
use crate::value::Value;

/// One execution of a job, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// Rising, and never used again.
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
    /// Whether it ended well; true for a skipped build as well.
    pub success: bool,
    /// Whether there was nothing to do.
    pub skipped: bool,
    /// The copy of the job, with pins and overrides.
    pub config: Value,
    /// What the function returned.
    pub retval: Option<Value>,
    /// Why it failed; the frames are in `exception_tb`.
    pub exception: Option<Failure>,
    /// The calls that led to the failure, outermost first.
    pub exception_tb: Vec<Frame>,
    /// The process that runs it.
    pub owner: Option<String>,
    /// 1 for the first try; 0 before it.
    pub attempt: u32,
    /// When that attempt started.
    pub attempt_time: Option<Timestamp>,
    /// When the next attempt is due, if the newest has failed and another is to follow.
    pub retry_time: Option<Timestamp>,
    /// Who wants it to end, if anybody does.
    pub cancel: Option<String>,
    /// SHA-256 of the plugin's bytes, in hexadecimal.
    pub plugin: Option<String>,
    /// Whether somebody began to delete it: its data may be gone, so nothing may use it any more.
    pub deleting: bool,
    /// WIT text of the return value's type.
    pub retval_type: Option<String>,
    /// SHA-256 of the packed return value, in hexadecimal.
    pub retval_digest: Option<String>,
}

impl Build {
    /// The status that its flags tell.
    pub fn status(&self) -> BuildStatus {
        match self {
            Self { finished: false, started: false, .. } => BuildStatus::Created,
            Self { finished: false, .. } => BuildStatus::Running,
            Self { success: false, .. } => BuildStatus::Failed,
            Self { skipped: true, .. } => BuildStatus::Skipped,
            _ => BuildStatus::Successful,
        }
    }

    /// The build without what can be large: return value with its type, traceback, and all of a failure but its kind
    /// and message.
    #[must_use]
    pub fn brief(self) -> Self {
        let exception = self.exception.map(|failure| Failure::new(failure.kind, failure.message));
        Self { retval: None, retval_type: None, exception, exception_tb: Vec::new(), ..self }
    }

    /// Whether a function of its plugin is to clean up before it is deleted.
    pub fn has_cleanup(&self) -> bool {
        let named = self.config.get("cleanup_function").and_then(Value::as_str);
        named.is_some() && self.retval_digest.is_some()
    }

    /// How many attempts it may have, by its config.
    pub fn max_attempts(&self) -> u32 {
        let retry = self.config.get("retry").map_or_else(Retry::never, Retry::from_config);
        retry.attempts.max(self.attempt)
    }

    /// All attempts, oldest first, out of those that the store keeps apart and the newest, which is this build's own.
    pub fn attempts(&self, ended: Vec<Attempt>) -> Vec<Attempt> {
        let mut all = ended;
        let is_kept_apart = all.last().is_some_and(|last| last.number >= self.attempt);
        if let Some(start_time) = self.attempt_time.filter(|_| !is_kept_apart) {
            let failure = self.exception.clone();
            let failure = failure.map(|failure| Failure { frames: self.exception_tb.clone(), ..failure });
            all.push(Attempt { number: self.attempt, start_time, end_time: self.end_time, failure });
        }
        all
    }

    /// The build that it did again.
    pub fn rerun_of(&self) -> Option<u64> {
        match self.config.get("rerun_of") {
            Some(Value::Int(build)) => u64::try_from(*build).ok(),
            _ => None,
        }
    }

    /// The builds whose return values it uses, by job.
    pub fn pins(&self) -> Vec<Pin> {
        let Some(Value::Map(pins)) = self.config.get("pins") else {
            return Vec::new();
        };
        let pin = |(job, pin): &(String, Value)| {
            let Some(Value::Int(build)) = pin.get("build") else {
                return None;
            };
            let retval_digest = pin.get("retval").and_then(Value::as_str).map(str::to_owned);
            Some(Pin { job: job.clone(), build: u64::try_from(*build).ok()?, retval_digest })
        };
        pins.iter().filter_map(pin).collect()
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
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// What an unfinished build says of itself to one that is to be deleted: that it still needs it, if it does.
pub fn still_needs(config: &Value, user: u64, wanted: u64) -> Result<(), String> {
    let Some(Value::Map(pins)) = config.get("pins") else {
        return Ok(());
    };
    let pinned = |pin: &Value| pin.get("build") == Some(&Value::Int(wanted.into()));
    match pins.iter().find(|(_, pin)| pinned(pin)) {
        Some(_) => Err(format!("build {wanted} is used by build {user}, which has not finished")),
        None => Ok(()),
    }
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

impl Pin {
    /// As the build config keeps it.
    pub fn to_value(&self) -> Value {
        let digest = self.retval_digest.clone().map_or(Value::Null, Value::String);
        Value::Map(vec![("build".to_owned(), Value::Int(self.build.into())), ("retval".to_owned(), digest)])
    }
}

/// What the flags of a build tell, in this order of precedence.
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

impl fmt::Display for BuildStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Successful => "SUCCESSFUL",
        })
    }
}
