//! A part of a cron rule's text, with its place in the rule.

use std::ops::Range;

/// Why a text is not a cron rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// What is wrong, in one line.
    pub message: String,
    /// The bytes of the rule that are meant; never empty unless the rule is.
    pub range: Range<usize>,
    /// What to write.
    pub help: Option<String>,
}

/// A part of a rule's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Where it begins in the rule, in bytes.
    start: usize,
}

impl<'a> Piece<'a> {
    /// The whole rule.
    pub(super) fn whole(text: &'a str) -> Self {
        Self { text, start: 0 }
    }

    /// The words between spaces.
    pub(super) fn words(self) -> Vec<Self> {
        let words = self.text.split_ascii_whitespace();
        words.map(|word| self.part(word)).collect()
    }

    /// The entries between commas.
    pub(super) fn entries(self) -> impl Iterator<Item = Self> {
        self.text.split(',').map(move |entry| self.part(entry))
    }

    /// What stands before and behind the first `mark`.
    pub(super) fn split(self, mark: char) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_once(mark)?;
        Some((self.part(before), self.part(behind)))
    }

    /// Without this beginning.
    pub(super) fn without_prefix(self, prefix: &str) -> Option<Self> {
        self.text.strip_prefix(prefix).map(|rest| self.part(rest))
    }

    /// Without this end.
    pub(super) fn without_suffix(self, suffix: &str) -> Option<Self> {
        self.text.strip_suffix(suffix).map(|rest| self.part(rest))
    }

    /// The mistake at this place.
    pub(super) fn error(self, message: impl Into<String>, help: impl Into<Option<String>>) -> CronError {
        let range = self.start..self.start + self.text.len();
        CronError { message: message.into(), range, help: help.into() }
    }

    /// `text` is a part of this one.
    fn part(self, text: &'a str) -> Self {
        let offset = text.as_ptr().addr() - self.text.as_ptr().addr();
        Self { text, start: self.start + offset }
    }
}
