//! What is wrong in a person's file: where, why, and what would mend it. Plain data; an interface renders it.
//!
//! - here: a mistake with its places
//! - `code`: a stable code for each kind of mistake
//! - `explain`: what a code means, with a wrong example and a right one

mod code;
mod explain;

use std::fmt;
use std::sync::Arc;

pub use code::Code;
pub use explain::Example;
pub use explain::Explanation;

/// A range of bytes in a source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the person would type it.
    pub path: String,
    /// The whole text; empty where the file could not be read as text.
    pub text: String,
}

impl Source {
    /// The 1-based line and column, in characters, of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A place in a file, with a few words about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file.
    pub source: Arc<Source>,
    /// The place.
    pub span: Span,
    /// What to say beside the caret; may be empty.
    pub text: String,
}

/// One mistake in a person's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake it is.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// The place it is about. None where a whole file or folder is meant, which the message then names.
    pub label: Option<Label>,
    /// Other places that belong to it, such as the first of two duplicates.
    pub related: Vec<Label>,
    /// What would mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A mistake at a place.
    pub fn at(code: Code, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        let label = Label { source: Arc::clone(source), span, text: String::new() };
        Self { code, message: message.into(), label: Some(label), related: Vec::new(), help: Vec::new() }
    }

    /// A mistake of a whole file or folder.
    pub fn of(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), label: None, related: Vec::new(), help: Vec::new() }
    }

    /// Says `text` beside the caret.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = &mut self.label {
            label.text = text.into();
        }
        self
    }

    /// Adds what would mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds what would mend it, if that is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help.extend(help);
        self
    }

    /// Adds another place that belongs to it.
    #[must_use]
    pub fn related(mut self, source: &Arc<Source>, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { source: Arc::clone(source), span, text: text.into() });
        self
    }

    /// Where it stands among others: by file, then by place.
    pub fn order(&self) -> (&str, usize) {
        self.label.as_ref().map_or(("", 0), |label| (label.source.path.as_str(), label.span.start))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.label {
            let (line, column) = label.source.position(label.span.start);
            write!(f, "{}:{line}:{column}: ", label.source.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The candidate most like `name`, if one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.8;
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let wanted = plain(name);
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &plain(candidate)), candidate))
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_from_one() {
        let source = Source { path: "x".into(), text: "a\nbé: c".into() };
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(source.text.find('c').unwrap()), (2, 5));
        assert_eq!(source.position(1000), (2, 6));
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("functon", ["function", "kwargs"]), Some("function"));
        assert_eq!(nearest("zzz", ["function", "kwargs"]), None);
    }
}
