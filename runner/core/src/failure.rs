//! The failure of a build, and its traceback.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

use crate::value::Value;

/// The kind of a failure. Retries, exit codes and cancellation look at the runner's kinds. A plugin
/// cannot use one of them: whatever it calls its failure becomes a [`FailureKind::Plugin`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The function returned an error.
    #[default]
    Error,
    /// The guest trapped.
    Trap,
    /// The build exceeded one of its limits.
    Limit,
    /// An attempt or a build took longer than allowed.
    Timeout,
    /// Somebody cancelled the build.
    Cancelled,
    /// The process that ran the build died.
    Interrupted,
    /// The plugin ended itself with an exit code.
    Exit,
    /// The function could not be called with its arguments.
    Arguments,
    /// The store could not write the build's log or progress.
    Storage,
    /// A secret could not be read, or the function returned one.
    Secret,
    /// The plugin's, or its language's, name for the failure, such as `panic` or `ValueError`.
    Plugin(String),
}

/// Prefix for the name of a plugin's kind that could be mistaken for one of the runner's.
const PLUGIN: &str = "plugin:";

impl FailureKind {
    /// The runner's kinds with their names.
    const OWN: [(&'static str, Self); 10] = [
        ("error", Self::Error),
        ("trap", Self::Trap),
        ("limit", Self::Limit),
        ("timeout", Self::Timeout),
        ("cancelled", Self::Cancelled),
        ("interrupted", Self::Interrupted),
        ("exit", Self::Exit),
        ("arguments", Self::Arguments),
        ("storage", Self::Storage),
        ("secret", Self::Secret),
    ];

    /// Reads the kind of a stored failure, as [`FailureKind`] displays it. Any text is a kind.
    pub fn from_text(text: &str) -> Self {
        match Self::own(text) {
            Some(kind) => kind,
            None => Self::Plugin(text.strip_prefix(PLUGIN).unwrap_or(text).to_owned()),
        }
    }

    /// Returns the runner's kind with this name.
    pub fn own(name: &str) -> Option<Self> {
        Self::OWN.into_iter().find(|(own, _)| *own == name).map(|(_, kind)| kind)
    }
}

impl fmt::Display for FailureKind {
    /// Writes the name that is stored and shown. A plugin's kind is written as the plugin wrote it,
    /// or as `plugin:limit` if `limit` is also one of the runner's kinds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) if name.starts_with(PLUGIN) || Self::own(name).is_some() => {
                write!(f, "{PLUGIN}{name}")
            }
            Self::Plugin(name) => f.write_str(name),
            own => f.write_str(Self::OWN.iter().find(|(_, kind)| kind == own).map_or("", |(name, _)| name)),
        }
    }
}

impl Serialize for FailureKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FailureKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_text(&String::deserialize(deserializer)?))
    }
}

/// What made a build fail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// In words.
    pub message: String,
    /// The function's error value, if it returned one.
    pub value: Option<Value>,
    /// The chain of causes, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// The calls that led to it, outermost first. Stored separately.
    #[serde(skip)]
    pub frames: Vec<Frame>,
    /// Whether kind, message and calls were read from the guest's standard error. The last cause
    /// then says how the call ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_stderr: bool,
}

impl Failure {
    /// Creates a failure without a value or frames.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), ..Self::default() }
    }

    /// Returns how the call ended (`trap` or `exit`) if the failure's kind was read from standard
    /// error.
    pub fn ended(&self) -> Option<&str> {
        self.causes.last().filter(|_| self.from_stderr).map(|ended| ended.kind.as_str())
    }
}

/// One link of a chain of failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The plugin's name for it.
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
    /// 1-based; 0 when unknown.
    #[serde(default)]
    pub column: u32,
    /// The function; empty when unknown.
    pub function: String,
    /// Lines of code around `line`.
    pub context: Vec<String>,
    /// Number of the first line in `context`.
    pub context_start: u32,
    /// Local variables as text.
    pub locals: Vec<(String, String)>,
    /// The position of the call in the plugin's binary, until its name and line are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// How often the calls up to this one were repeated before the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Repeated>,
}

/// Repeated calls of a recursion, of which only one turn is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// How many calls were repeated; the last of them holds this value.
    pub calls: u32,
    /// How many more times they were made.
    pub times: u32,
    /// Whether there may have been more repetitions, because only the innermost calls are known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// A call with the name from the binary, but without a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw {
    /// Offset in bytes from the start of the compiled code.
    pub offset: u64,
    /// Why the name and line were not found; empty until the search was made.
    pub why: String,
}

/// The longest turn of a recursion, in functions that call each other, that is recognised.
const LONGEST_TURN: usize = 8;

/// How often a turn must repeat before it is folded. Two repetitions are just as quick to read
/// unfolded.
const LEAST_TIMES: usize = 3;

/// Folds the repetitions in a row of items. Returns the index of each item that is kept, and how
/// often it was repeated.
pub fn folded<T: PartialEq>(row: &[T]) -> Vec<(usize, Option<Repeated>)> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < row.len() {
        let times = |turn: &usize| {
            let again = row[at..].iter().zip(&row[at + *turn..]).take_while(|(item, later)| item == later).count();
            1 + again / *turn
        };
        let turns = 1..=LONGEST_TURN.min(row.len() - at);
        let (turn, times) = turns.map(|turn| (turn, times(&turn))).find(|(_, n)| *n >= LEAST_TIMES).unwrap_or((1, 1));
        kept.extend((at..at + turn).map(|place| (place, None)));
        if let (true, Some((_, repeated))) = (times > 1, kept.last_mut()) {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            *repeated = Some(Repeated { calls: number(turn), times: number(times - 1), at_least: false });
        }
        at += turn * times;
    }
    kept
}

/// Returns whether the names and lines of some calls have not been looked up yet.
pub fn are_raw(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.raw.as_ref().is_some_and(|raw| raw.why.is_empty()))
}

/// Local variables are cut at this many characters.
pub const MAX_LOCAL: usize = 10_000;

/// Size limit of a whole traceback, in bytes of text.
pub const MAX_TRACEBACK: usize = 1 << 20;

/// Bytes counted for each frame, line or local in addition to its text, so that many empty ones are
/// not free.
const ENTRY: usize = 32;

/// A chain of causes is cut at this length; nobody reads a longer one.
const MAX_CAUSES: usize = 100;

/// Cuts the locals and lines of a failure's traceback to [`MAX_LOCAL`] each, and the traceback
/// together with those of its causes to [`MAX_TRACEBACK`].
pub fn cut_failure(failure: &mut Failure) {
    let mut left = MAX_TRACEBACK;
    cut_frames(&mut failure.frames, &mut left);
    failure.causes.truncate(MAX_CAUSES);
    failure.causes.iter_mut().for_each(|cause| cut_frames(&mut cause.frames, &mut left));
}

/// Cuts frames to the `left` bytes of text, and subtracts what they take.
fn cut_frames(frames: &mut Vec<Frame>, left: &mut usize) {
    let mut kept = 0;
    // The innermost calls are the most useful, so they are kept first.
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

/// Cuts a text to at most `max` characters, and marks the cut at its end.
pub fn cut(text: &mut String, max: usize) {
    if let Some((at, _)) = text.char_indices().nth(max) {
        text.truncate(at);
        ended(text);
    }
}

/// Cuts a text to at most `max` bytes, between two characters, and marks the cut at its end.
pub fn cut_bytes(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        ended(text);
    }
}

/// The end of a text that was cut.
pub const CUT: &str = ".. (cut)";

/// Marks a text as cut, and frees the memory of the rest.
fn ended(text: &mut String) {
    text.push_str(CUT);
    text.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_cut_takes_no_more_than_it_has() {
        for cut in [cut, cut_bytes] {
            let mut text = "x".repeat(1 << 20);
            cut(&mut text, 10);
            assert_eq!(text, "xxxxxxxxxx.. (cut)");
            assert!(text.capacity() < 100, "{}", text.capacity());
        }
    }

    #[test]
    fn a_plugin_cannot_claim_a_kind_of_the_runners() {
        for (name, own) in FailureKind::OWN {
            let claimed = FailureKind::Plugin(name.to_owned());
            assert_eq!(claimed.to_string(), format!("plugin:{name}"));
            assert_eq!((FailureKind::from_text(name), own.to_string()), (own, name.to_owned()));
        }
        assert_eq!(FailureKind::Plugin("panic".to_owned()).to_string(), "panic");
    }

    proptest! {
        #[test]
        fn a_kind_is_read_as_it_was_written(
            name in prop_oneof![any::<String>(), "(plugin:){0,3}(limit|storage|error|x)?"],
        ) {
            let kind = FailureKind::Plugin(name);
            prop_assert_eq!(FailureKind::from_text(&kind.to_string()), kind);
        }
    }

    #[test]
    fn a_recursion_is_kept_once() {
        let folded = |row: &str| {
            let row: Vec<_> = row.chars().collect();
            let item = |(at, repeated): (usize, Option<Repeated>)| match repeated {
                Some(Repeated { calls, times, .. }) => format!("{}({calls}x{times})", row[at]),
                None => row[at].to_string(),
            };
            super::folded(&row).into_iter().map(item).collect::<String>()
        };
        assert_eq!(folded(""), "");
        assert_eq!(folded("aabb"), "aabb");
        assert_eq!(folded("maaaab"), "ma(1x3)b");
        assert_eq!(folded("mabababa"), "mab(2x2)a");
        assert_eq!(folded(&format!("m{}z", "f".repeat(9_991))), "mf(1x9990)z");
    }

    proptest! {
        #[test]
        fn what_is_folded_is_all_there(row in proptest::collection::vec(0..3, 0..200)) {
            let mut unfolded: Vec<i32> = Vec::new();
            for (at, repeated) in folded(&row) {
                unfolded.push(row[at]);
                if let Some(Repeated { calls, times, .. }) = repeated {
                    let turn = unfolded[unfolded.len() - calls as usize..].to_vec();
                    (0..times).for_each(|_| unfolded.extend(&turn));
                }
            }
            prop_assert_eq!(unfolded, row);
        }
    }

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
