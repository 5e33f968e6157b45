//! Lines of a text without escape sequences, and the small parsers that the formats of all runtimes
//! share.

use crate::failure::Frame;

/// The lines of a text, from one line to the end.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(pub(super) &'a [String]);

impl<'a> Lines<'a> {
    pub(super) fn first(self) -> &'a str {
        self.get(0)
    }

    /// Returns the line at this index; empty beyond the last line.
    pub(super) fn get(self, at: usize) -> &'a str {
        self.0.get(at).map_or("", String::as_str)
    }

    /// Returns how many consecutive lines from `from` on satisfy `is`.
    pub(super) fn while_from(self, from: usize, is: impl Fn(&str) -> bool) -> usize {
        self.0.get(from..).unwrap_or_default().iter().take_while(|line| is(line)).count()
    }

    /// Returns `count` lines from `from` on as one text.
    pub(super) fn text(self, from: usize, count: usize) -> String {
        self.0.get(from..).unwrap_or_default().iter().take(count).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// A recognised failure, and the number of lines it takes.
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) message: String,
    /// Outermost first.
    pub(super) frames: Vec<Frame>,
    /// Kind, message and calls of each cause, nearest first.
    pub(super) causes: Vec<(String, String, Vec<Frame>)>,
    pub(super) lines: usize,
    /// The exit codes with which this runtime aborts.
    pub(super) exits: &'static [i32],
    /// Whether the runtime only reports that the code it ran has failed. That code has printed the
    /// reason before.
    pub(super) carries: bool,
    /// Whether it is unclear what the lines right behind it are: part of its message, or output of
    /// the guest after it handled the failure.
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

/// Creates a frame for a call in a file.
pub(super) fn frame(function: &str, file: &str, line: u32, column: u32) -> Frame {
    Frame { file: file.to_owned(), line, column, function: function.to_owned(), ..Frame::default() }
}

/// Splits `file:line:column` or `file:line` into its parts; a missing column is 0.
pub(super) fn place(text: &str) -> Option<(&str, u32, u32)> {
    let (before, last) = text.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match before.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
        Some((file, Ok(line))) if !file.is_empty() => Some((file, line, last)),
        _ if !before.is_empty() => Some((before, last, 0)),
        _ => None,
    }
}

/// Splits `file(line:column)` into its parts.
pub(super) fn place_in_brackets(text: &str) -> Option<(&str, u32, u32)> {
    let (file, place) = text.strip_suffix(')')?.rsplit_once('(')?;
    let (line, column) = place.split_once(':')?;
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

/// Returns whether a text could be the name of an exception class: words joined by dots.
pub(super) fn is_class(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    !text.is_empty() && text.split('.').all(is_word)
}
