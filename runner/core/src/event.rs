//! The events of a running build: one ordered stream, read by the store and by everything that
//! displays it.

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
    /// All levels, lowest first.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// Returns the level's name in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// Returns the name of the highest level that `number` reaches.
    pub fn name_of(number: i64) -> &'static str {
        let reached = Self::ALL.into_iter().rev().find(|level| *level as i64 <= number);
        reached.unwrap_or(Self::Debug).name()
    }

    /// Reads a name in upper or lower case, or a number.
    ///
    /// # Errors
    ///
    /// Returns an error for any other text.
    pub fn parse(text: &str) -> Result<i64, String> {
        let named = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        match (named, text.parse()) {
            (Some(level), _) => Ok(level as i64),
            (None, Ok(number)) => Ok(number),
            _ => Err(format!("`{text}` is not a level (write debug, info, warning, error, critical or a number)")),
        }
    }
}

/// A log record before it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecord {
    /// When it was written.
    pub created: Timestamp,
    /// The level as a number, 10 to 50.
    pub level: i64,
    /// The text.
    pub message: String,
    /// The logger's name; empty for the root logger.
    pub target: String,
    /// Structured values, in the order given.
    pub fields: Vec<(String, String)>,
    /// A failure that was caught and is reported.
    pub failure: Option<Failure>,
}

impl NewRecord {
    /// Creates a record with only a message.
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

/// How a build ended. The return value can be large, so only the store has it.
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
    /// Returns the status of a build with this ending.
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

/// The build id of events that occur before a build is created. No build has this id.
pub const NO_BUILD: u64 = 0;

/// What can happen to a build, in the past tense.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// Its plugin is being compiled, which takes a long time. There is no build yet, so the event's
    /// build id is [`NO_BUILD`].
    Compiling {
        /// The plugin's file.
        plugin: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// It was created with its pins, and waits for a slot.
    Created,
    /// It waits for something, such as slots of a pool.
    Waits {
        /// What it waits for, in words.
        reason: String,
    },
    /// It belongs to another run. This run waits for it, because it would make the same build.
    Shared,
    /// The first attempt started.
    Started,
    /// An attempt failed, and another one will follow.
    AttemptFailed {
        /// The number of the failed attempt.
        attempt: u32,
        /// The maximum number of attempts.
        of: u32,
        /// Why.
        failure: Arc<Failure>,
        /// Its duration in microseconds.
        took: u64,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// It was taken over, between two attempts, from a process that is gone.
    TakenOver {
        /// The number of the next attempt.
        attempt: u32,
        /// The maximum number of attempts.
        of: u32,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// Another attempt started.
    AttemptStarted {
        /// The number of the attempt that started.
        attempt: u32,
        /// The maximum number of attempts.
        of: u32,
    },
    /// The guest, or the runner on its behalf, wrote a log record. The store already has it.
    Logged {
        /// Its id in the store.
        id: u64,
        /// The record.
        record: NewRecord,
    },
    /// Some groups have newer reports.
    Progressed(Vec<Progress>),
    /// It ended. The store already has the result.
    Finished {
        /// How it ended.
        ending: Ending,
        /// Microseconds from its start to its end, as stored.
        took: u64,
    },
}
