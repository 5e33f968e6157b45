//! The record of a build: its status, its failure and the traceback.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::Timestamp;
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

/// What made a build fail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// `error`, `trap`, `limit`, `timeout`, `cancelled`, `interrupted`, `exit`, `arguments`, or what the plugin's
    /// language calls it, such as `panic`.
    pub kind: String,
    /// In words.
    pub message: String,
    /// The function's own error value, if it returned one.
    pub value: Option<Value>,
    /// What led to it, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// The calls that led to it, outermost first. Stored apart.
    #[serde(skip)]
    pub frames: Vec<Frame>,
}

impl Failure {
    /// A failure without value or frames.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), ..Self::default() }
    }
}

/// One link of a chain of failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// As [`Failure::kind`].
    pub kind: String,
    /// In words.
    pub message: String,
    /// The calls that led to it, outermost first.
    #[serde(default)]
    pub frames: Vec<Frame>,
}

/// One call in a traceback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The source file; empty when unknown.
    pub file: String,
    /// 1-based; 0 when unknown.
    pub line: u32,
    /// The function; empty when unknown.
    pub function: String,
    /// Lines of code around `line`.
    pub context: Vec<String>,
    /// Number of the first line in `context`.
    pub context_start: u32,
    /// Local variables as text.
    pub locals: Vec<(String, String)>,
}

/// A local variable is cut at this many characters.
pub const MAX_LOCAL: usize = 10_000;
/// All of a traceback together, in bytes of text.
pub const MAX_TRACEBACK: usize = 1 << 20;
/// What a frame, a line or a local takes beside its text, so that many empty ones are not free.
const ENTRY: usize = 32;
/// A chain of causes is cut at this many; nobody reads a longer one.
const MAX_CAUSES: usize = 100;

/// Cuts locals and lines so that a failure's traceback stays within [`MAX_LOCAL`], and within [`MAX_TRACEBACK`]
/// together with those of its causes.
pub fn cut_failure(failure: &mut Failure) {
    let mut left = MAX_TRACEBACK;
    cut_frames(&mut failure.frames, &mut left);
    failure.causes.truncate(MAX_CAUSES);
    failure.causes.iter_mut().for_each(|cause| cut_frames(&mut cause.frames, &mut left));
}

/// Cuts frames to what is `left` in bytes of text, and takes it off.
fn cut_frames(frames: &mut Vec<Frame>, left: &mut usize) {
    let mut kept = 0;
    // The innermost calls tell most, so they are kept first.
    for frame in frames.iter_mut().rev() {
        cut(&mut frame.file, MAX_LOCAL);
        cut(&mut frame.function, MAX_LOCAL);
        frame.context.truncate(15);
        frame.context.iter_mut().for_each(|line| cut(line, MAX_LOCAL));
        frame.locals.iter_mut().for_each(|(name, text)| {
            cut(name, 1_000);
            cut(text, MAX_LOCAL);
        });
        let context: usize = frame.context.iter().map(|line| ENTRY + line.len()).sum();
        let fixed = ENTRY + frame.file.len() + frame.function.len() + context;
        if fixed > *left {
            break;
        }
        *left -= fixed;
        let fitting = frame.locals.iter().take_while(|(name, text)| {
            let size = ENTRY + name.len() + text.len();
            let fits = size <= *left;
            *left = left.saturating_sub(size);
            fits
        });
        let fitting = fitting.count();
        frame.locals.truncate(fitting);
        kept += 1;
    }
    frames.drain(..frames.len() - kept);
}

/// Cuts a text to at most `max` characters, and says so at its end.
pub fn cut(text: &mut String, max: usize) {
    if let Some((at, _)) = text.char_indices().nth(max) {
        text.truncate(at);
        text.push_str(".. (cut)");
    }
}

/// Cuts a text to at most `max` bytes, between two characters, and says so at its end.
pub fn cut_bytes(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push_str(".. (cut)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = "aüb".to_owned();
        cut_bytes(&mut text, 4);
        assert_eq!(text, "aüb");
        cut_bytes(&mut text, 2);
        assert_eq!(text, "a.. (cut)");
    }

    #[test]
    fn a_traceback_is_cut_from_the_outside() {
        let frame = |size| Frame { locals: vec![("x".into(), "y".repeat(size))], ..Frame::default() };
        let mut frames: Vec<_> = (0..500).map(|_| frame(20_000)).collect();
        frames.push(Frame { function: "innermost".into(), ..Frame::default() });
        cut_frames(&mut frames, &mut { MAX_TRACEBACK });
        assert_eq!(frames.last().unwrap().function, "innermost");
        let total: usize = frames.iter().flat_map(|f| &f.locals).map(|(_, text)| text.len()).sum();
        assert!(total <= MAX_TRACEBACK);
        assert!(frames.iter().flat_map(|f| &f.locals).all(|(_, text)| text.len() <= MAX_LOCAL + 8));
    }

    #[test]
    fn frames_and_locals_without_text_are_cut_too() {
        let mut frames = vec![Frame::default(); 1_000_000];
        cut_frames(&mut frames, &mut { MAX_TRACEBACK });
        assert_eq!(frames.len(), MAX_TRACEBACK / ENTRY);
        let locals = vec![(String::new(), String::new()); 1_000_000];
        let mut frames = vec![Frame { locals, ..Frame::default() }];
        cut_frames(&mut frames, &mut { MAX_TRACEBACK });
        assert!(frames[0].locals.len() < MAX_TRACEBACK / ENTRY);
    }
}
