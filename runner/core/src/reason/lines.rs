//! A text as lines without escape sequences, and the small parts that the forms of runtimes are
//! made of.

use crate::failure::Frame;

/// The lines of a text from one of them on.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(pub(super) &'a [String]);

impl<'a> Lines<'a> {
    pub(super) fn first(self) -> &'a str {
        self.get(0)
    }

    /// The line so many lines further; empty beyond the last.
    pub(super) fn get(self, at: usize) -> &'a str {
        self.0.get(at).map_or("", String::as_str)
    }

    /// How many of the lines from `from` on are such lines, without a gap.
    pub(super) fn while_from(self, from: usize, is: impl Fn(&str) -> bool) -> usize {
        self.0.get(from..).unwrap_or_default().iter().take_while(|line| is(line)).count()
    }

    /// The lines from `from` on as one text, so many of them.
    pub(super) fn text(self, from: usize, count: usize) -> String {
        self.0.get(from..).unwrap_or_default().iter().take(count).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// What was recognized, and how many lines it took.
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) message: String,
    /// Outermost first.
    pub(super) frames: Vec<Frame>,
    /// Nearest first: kind, message and calls.
    pub(super) causes: Vec<(String, String, Vec<Frame>)>,
    pub(super) lines: usize,
    /// Exit codes with which this runtime aborts.
    pub(super) exits: &'static [i32],
    /// Whether a runtime only says that the code it ran failed, for which that has said the reason
    /// before.
    pub(super) carries: bool,
    /// Whether lines right behind it may belong to its message, or be what the guest wrote once it
    /// had handled it.
    pub(super) open: bool,
}

impl Block {
    pub(super) fn new(kind: impl Into<String>, message: impl Into<String>, lines: usize) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            frames: Vec::new(),
            causes: Vec::new(),
            lines,
            exits: &[],
            carries: false,
            open: false,
        }
    }
}

/// A call in a file.
pub(super) fn frame(function: &str, file: &str, line: u32, column: u32) -> Frame {
    Frame { file: file.to_owned(), line, column, function: function.to_owned(), ..Frame::default() }
}

/// `file:line:column` or `file:line` in its parts; a column that is not there is 0.
pub(super) fn place(text: &str) -> Option<(&str, u32, u32)> {
    let (before, last) = text.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match before.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
        Some((file, Ok(line))) if !file.is_empty() => Some((file, line, last)),
        _ if !before.is_empty() => Some((before, last, 0)),
        _ => None,
    }
}

/// `file(line:column)` in its parts.
pub(super) fn place_in_brackets(text: &str) -> Option<(&str, u32, u32)> {
    let (file, place) = text.strip_suffix(')')?.rsplit_once('(')?;
    let (line, column) = place.split_once(':')?;
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

/// Whether a text could be the name of an exception's class: words of letters, joined by dots or
/// colons.
pub(super) fn is_class(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    !text.is_empty() && text.split('.').all(is_word)
}
