//! What happens while a build runs: one ordered stream, read by the store and by whoever shows it.

use std::sync::Arc;
use std::time::Duration;

use crate::build::BuildStatus;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::value::Value;

/// Severity of a log record, with the number that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum Level {
    Debug = 10,
    Info = 20,
    Warning = 30,
    Error = 40,
    Critical = 50,
}

impl Level {
    /// All of them in rising order.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The level's name in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// The name of the highest level that `number` reaches.
    pub fn name_of(number: i64) -> &'static str {
        let reached = Self::ALL.into_iter().rev().find(|level| *level as i64 <= number);
        reached.unwrap_or(Self::Debug).name()
    }

    /// Reads a name in any case, or a number.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<i64, String> {
        let named = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        match (named, text.parse()) {
            (Some(level), _) => Ok(level as i64),
            (None, Ok(number)) => Ok(number),
            _ => Err(format!("`{text}` is no level: debug, info, warning, error, critical or a number")),
        }
    }
}

/// A log record before it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecord {
    /// When it was written.
    pub created: Timestamp,
    /// 10 to 50.
    pub level: i64,
    /// The text.
    pub message: String,
    /// The logger's name; empty for the root logger.
    pub target: String,
    /// Structured values, in the order given.
    pub fields: Vec<(String, String)>,
    /// A failure that was caught and is being reported.
    pub failure: Option<Failure>,
}

impl NewRecord {
    /// A record with a message and nothing else.
    pub fn new(created: Timestamp, level: Level, target: impl Into<String>, message: impl Into<String>) -> Self {
        let (target, message) = (target.into(), message.into());
        Self { created, level: level as i64, message, target, fields: Vec::new(), failure: None }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The function returned.
    Returned(Option<Value>),
    /// There was nothing to do, for this reason.
    Skipped(String),
    /// Something went wrong.
    Failed(Failure),
}

/// How a build ended. What it returned can be large, so only the store has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The function returned.
    Returned,
    /// There was nothing to do, for this reason.
    Skipped(String),
    /// Something went wrong.
    Failed(Failure),
}

impl Ending {
    /// The status of a build that ended so.
    pub fn status(&self) -> BuildStatus {
        match self {
            Self::Returned => BuildStatus::Successful,
            Self::Skipped(_) => BuildStatus::Skipped,
            Self::Failed(_) => BuildStatus::Failed,
        }
    }
}

/// Something that happened to a build.
#[derive(Clone, Debug)]
pub struct Event {
    /// The build.
    pub build_id: u64,
    /// Its job.
    pub job_id: Arc<str>,
    /// What happened.
    pub kind: EventKind,
}

/// The number in events that come before a build is created; no build has it.
pub const NO_BUILD: u64 = 0;

/// What can happen to a build, in the past tense.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// Its plugin is being compiled, which takes long. There is no build yet, so the event has
    /// [`NO_BUILD`].
    Compiling {
        /// The plugin's file.
        plugin: String,
        /// How large it is.
        bytes: u64,
    },
    /// It was created, with its pins, and waits for a slot.
    Created,
    /// It waits for something, such as slots of a pool.
    Waits {
        /// For what, in words.
        reason: String,
    },
    /// It belongs to another run, and this run waits for it, since it would make the same.
    Shared,
    /// The first attempt started.
    Started,
    /// An attempt failed, and another is to follow.
    AttemptFailed {
        /// The one that failed.
        attempt: u32,
        /// How many there may be.
        of: u32,
        /// Why.
        failure: Arc<Failure>,
        /// Microseconds that it took.
        took: u64,
        /// Until the next one.
        delay: Duration,
    },
    /// It was taken over from a process that is gone, between two attempts.
    TakenOver {
        /// The next attempt.
        attempt: u32,
        /// How many there may be.
        of: u32,
        /// Until that.
        delay: Duration,
    },
    /// Another attempt started.
    AttemptStarted {
        /// The one that started.
        attempt: u32,
        /// How many there may be.
        of: u32,
    },
    /// The guest, or the runner on its behalf, wrote a log record, and the store has it.
    Logged {
        /// Its id in the store.
        id: u64,
        /// What was written.
        record: NewRecord,
    },
    /// Some groups have newer reports.
    Progressed(Vec<Progress>),
    /// It ended, and the store has it.
    Finished {
        /// How.
        ending: Ending,
        /// Microseconds from its start to its end, as the store has them.
        took: u64,
    },
}
