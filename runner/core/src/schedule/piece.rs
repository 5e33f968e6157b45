//! A part of a cron rule's text, with its position in the rule.

use std::ops::Range;

/// Why a text is not a cron rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// What is wrong, in one line.
    pub message: String,
    /// The bytes of the rule that are wrong; never empty unless the rule is.
    pub range: Range<usize>,
    /// A hint: what to write instead.
    pub help: Option<String>,
}

/// A part of a rule's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Its start in the rule, in bytes.
    start: usize,
}

impl<'a> Piece<'a> {
    /// Creates the piece of the whole rule.
    pub(super) fn whole(text: &'a str) -> Self {
        Self { text, start: 0 }
    }

    /// Returns the words between spaces.
    pub(super) fn words(self) -> Vec<Self> {
        let words = self.text.split_ascii_whitespace();
        words.map(|word| self.part(word)).collect()
    }

    /// Returns the entries between commas.
    pub(super) fn entries(self) -> impl Iterator<Item = Self> {
        self.text.split(',').map(move |entry| self.part(entry))
    }

    /// Splits the piece at the first `mark`.
    pub(super) fn split(self, mark: char) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_once(mark)?;
        Some((self.part(before), self.part(behind)))
    }

    /// Removes a prefix, if it is there.
    pub(super) fn without_prefix(self, prefix: &str) -> Option<Self> {
        self.text.strip_prefix(prefix).map(|rest| self.part(rest))
    }

    /// Removes a suffix, if it is there.
    pub(super) fn without_suffix(self, suffix: &str) -> Option<Self> {
        self.text.strip_suffix(suffix).map(|rest| self.part(rest))
    }

    /// Creates an error at this piece.
    pub(super) fn error(self, message: impl Into<String>, help: impl Into<Option<String>>) -> CronError {
        let range = self.start..self.start + self.text.len();
        CronError { message: message.into(), range, help: help.into() }
    }

    /// Returns the piece for `text`, which must be a slice of this one.
    fn part(self, text: &'a str) -> Self {
        let offset = text.as_ptr().addr() - self.text.as_ptr().addr();
        Self { text, start: self.start + offset }
    }
}
