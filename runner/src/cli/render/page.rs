//! Lines for people, in which foreign text never begins a line.
//!
//! Everything printed for people is a [`Page`]. A text on it is one paragraph, in which all lines
//! after the first are indented. A line end in a plugin's text therefore cannot begin a line that
//! looks like ours.

use std::borrow::Cow;

use crate::show::escape::clean;

/// The indentation of lines that belong to the one above them.
const INDENT: &str = "  ";

/// The escape sequences of our own styles and of drawn diagnostics. Every other escape sequence is
/// shown as text.
const STYLES: [&str; 11] = ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m", "[36m", "[91m", "[92m", "[94m", "[96m"];

/// Lines for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Adds a paragraph. Its lines after the first are indented.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        let text = tidy(text.as_ref());
        let mut lines = text.trim_end_matches('\n').split('\n');
        let first = lines.next().unwrap_or_default();
        self.push("", first);
        let own = &first[..first.len() - first.trim_start_matches(' ').len()];
        for line in lines {
            self.push(&format!("{own}{INDENT}"), line);
        }
    }

    /// Adds an empty line.
    pub(crate) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds a text with every line indented. The line above it should say where the text comes
    /// from.
    pub(crate) fn quote(&mut self, text: impl AsRef<str>) {
        tidy(text.as_ref()).lines().for_each(|line| self.push(INDENT, line));
    }

    /// Adds lines of our own, such as a drawing. Foreign text in them must have been reduced to one
    /// line before.
    pub(super) fn drawn(&mut self, text: &str) {
        tidy(text).lines().for_each(|line| self.push("", line));
    }

    /// Adds the lines of another page.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    /// Adds the lines of another page, indented below the last one.
    pub(crate) fn below(&mut self, other: &Self) {
        other.text.lines().for_each(|line| self.push(INDENT, line));
    }

    /// Returns all lines, each with its end.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    fn push(&mut self, indent: &str, line: &str) {
        if !line.is_empty() {
            self.text.push_str(indent);
            self.text.push_str(line);
        }
        self.text.push('\n');
    }
}

/// Makes a page of one paragraph, or an empty page if the text is empty.
impl<T: AsRef<str>> From<T> for Page {
    fn from(text: T) -> Self {
        let mut page = Self::default();
        if !text.as_ref().is_empty() {
            page.line(text);
        }
        page
    }
}

/// Escapes everything in a text except our own styles.
pub(super) fn tidy(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('\x1b');
    let plain = clean(parts.next().unwrap_or_default());
    if plain.len() == text.len() {
        return plain;
    }
    let mut out = plain.into_owned();
    for part in parts {
        if STYLES.iter().any(|style| part.starts_with(style)) {
            out.push('\x1b');
        } else {
            out.push_str(&clean("\x1b"));
        }
        out.push_str(&clean(part));
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::render::BOLD;
    use crate::cli::render::GREEN;
    use crate::cli::render::RED;
    use crate::cli::render::YELLOW;
    use crate::cli::render::styled;

    #[test]
    fn what_follows_a_line_is_moved_in_below_it() {
        let mut page = Page::from("a\nb: build 7 SUCCESSFUL\n\nc\n");
        page.line("  d\ne");
        page.quote("f\ng");
        page.below(&Page::from("h\ni"));
        assert_eq!(page.as_str(), "a\n  b: build 7 SUCCESSFUL\n\n  c\n  d\n    e\n  f\n  g\n  h\n    i\n");
        assert_eq!(Page::from("").as_str(), "");
        assert_eq!(Page::from("\nx").as_str(), "\n  x\n");
    }

    #[test]
    fn our_styles_are_kept_and_no_other_sequence() {
        let styled: String = [BOLD, RED, GREEN, YELLOW].map(|style| styled(style, "x")).concat();
        assert_eq!(tidy(&styled), styled);
        assert_eq!(tidy("\x1b[2J\x1b]0;x\x07a\x1b"), "\\u{1b}[2J\\u{1b}]0;x\\u{7}a\\u{1b}");
        assert_eq!(tidy("a\x1b[31mb\u{200b}"), "a\x1b[31mb\\u{200b}");
    }

    proptest! {
        #[test]
        fn no_line_begins_with_what_follows_a_line_end(text in "([ -~]|[\\n\\r\\t\\x0b\\x0c\u{85}\u{2028}\x1b]){0,40}") {
            let page = Page::from(format!("first {text}"));
            for line in page.as_str().lines().skip(1) {
                prop_assert!(line.is_empty() || line.starts_with(INDENT), "{:?}", page);
            }
            let breaks = ['\r', '\x0b', '\x0c', '\u{85}', '\u{2028}'];
            prop_assert!(!page.as_str().contains(breaks));
        }
    }
}
