//! One line of a YAML text, as far as it can be understood without the others.

use std::ops::Range;

/// Bytes of a line that a message repeats.
const SHOWN: usize = 120;

/// A line without its end, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
}

/// The value on a line, without what follows as a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineValue<'a> {
    /// None for an entry of a list.
    pub(super) key: Option<&'a str>,
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// The line that the byte `at` is on.
    pub(super) fn around(text: &'a str, at: usize) -> Self {
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[start..].split('\n').next().unwrap_or("");
        Self { start, text: line.strip_suffix('\r').unwrap_or(line) }
    }

    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end()
    }

    /// Whether nothing stands on it, or a comment alone.
    pub(super) fn is_blank(&self) -> bool {
        let text = self.text.trim_start();
        text.is_empty() || text.starts_with('#')
    }

    /// The nearest line above on which something stands.
    pub(super) fn previous(&self, text: &'a str) -> Option<Self> {
        let above = |line: &Self| Some(Self::around(text, line.start.checked_sub(1)?));
        std::iter::successors(above(self), above).find(|line| !line.is_blank())
    }

    /// The nearest line below on which something stands.
    pub(super) fn next(&self, text: &'a str) -> Option<Self> {
        let below = |line: &Self| Some(Self::around(text, line.start + text[line.start..].find('\n')? + 1));
        std::iter::successors(below(self), below).find(|line| !line.is_blank())
    }

    /// How many spaces it begins with.
    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start_matches(' ').len()
    }

    /// What follows its indentation and the dashes of lists, and where that begins.
    pub(super) fn content(&self) -> (usize, &'a str) {
        let mut rest = self.text.trim_start_matches(' ');
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start_matches(' ');
        }
        (self.end() - rest.len(), rest)
    }

    /// The first key on it; empty without one.
    pub(super) fn first_key(&self) -> &'a str {
        let key = self.content().1.split_once(':').map_or("", |(key, _)| key);
        if is_word(key) { key } else { "" }
    }

    /// Without a comment at the end.
    pub(super) fn code(&self) -> &'a str {
        self.text.split(" #").next().unwrap_or(self.text).trim_end()
    }

    /// What stands before the byte `at`, if that is on this line.
    pub(super) fn before(&self, at: usize) -> Option<&'a str> {
        self.text.get(..at.checked_sub(self.start)?)
    }

    /// The value behind the key, or the entry of a list.
    pub(super) fn value(&self) -> Option<LineValue<'a>> {
        let (start, content) = self.content();
        let (key, text) = match content.split_once(": ") {
            Some((key, value)) if !key.starts_with(['"', '\'', '[', '{']) => (Some(key), value),
            _ => (None, content),
        };
        if key.is_none() && start == self.start + self.indent() {
            return None;
        }
        let text = text.trim_start();
        let start = self.end() - text.len();
        let comment = text.match_indices(" #").find(|(at, _)| matches!(text.as_bytes().get(at + 2), None | Some(b' ')));
        let text = text[..comment.map_or(text.len(), |(at, _)| at)].trim_end();
        (!text.is_empty()).then_some(LineValue { key, start, text })
    }

    /// The entry of brackets that the byte `at` of this line is in, and where in the line it
    /// begins.
    pub(super) fn entry_around(&self, at: usize) -> Option<(usize, &'a str)> {
        let opening = self.text[..at].rfind(['[', '{', ',']).map_or(0, |opening| opening + 1);
        let start = self.text[opening..at].find(": ").map_or(opening, |colon| opening + colon + 2);
        let start = start + (self.text[start..].len() - self.text[start..].trim_start().len());
        let end = self.text[start..].find([',', ']', '}']).map_or(self.text.len(), |end| start + end);
        let entry = self.text.get(start..end)?.trim_end();
        (!entry.is_empty()).then_some((start, entry))
    }

    /// A part of a line as a message shows it.
    pub(super) fn clip(&self, part: &str) -> String {
        let part = part.trim_end();
        if part.len() <= SHOWN { part.to_owned() } else { format!("{} ..", &part[..part.floor_char_boundary(SHOWN)]) }
    }
}

impl LineValue<'_> {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The value in quotes, in the ways that may have been meant.
    pub(super) fn quotations(&self) -> Vec<String> {
        let mut all = Vec::new();
        for quote in ['\'', '"'] {
            let inner = self.text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            // Between two texts in quotes are two more of them: `"a" "b"`.
            let several = |inner: &&str| {
                let between =
                    |(at, _): (usize, &str)| inner[at + 1..].trim_start_matches([' ', ',']).starts_with(quote);
                inner.match_indices(quote).any(between)
            };
            all.extend(inner.filter(|inner| !several(inner)).map(quoted));
        }
        all.push(quoted(self.text));
        all
    }
}

/// Whether a text is one word, as keys are.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A text as a quoted scalar, with as few escapes as can be.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('\'') && !text.contains(['"', '\\']) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// The quoted scalars of a line: where each begins, its quote, and where it ends, if it does so on
/// the line.
fn quotes(line: &str) -> Vec<(usize, char, Option<usize>)> {
    let mut found = Vec::new();
    let (mut open, mut escaped, mut before) = (None, false, ' ');
    for (at, c) in line.char_indices() {
        match open {
            Some((_, '"')) if escaped => escaped = false,
            Some((_, '"')) if c == '\\' => escaped = true,
            Some((start, quote)) if c == quote => {
                found.push((start, quote, Some(at + 1)));
                open = None;
            }
            Some(_) => {}
            // A quote begins only where a value can begin: not within `it's`.
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '\t' | '[' | '{' | ',' | ':') => {
                // Nor behind other text.
                let ahead = line[..at].trim_end();
                if ahead.is_empty() || ahead.ends_with(['[', '{', ',', ':', '-']) {
                    open = Some((at, c));
                }
            }
            None if c == '#' && before == ' ' => break,
            None => {}
        }
        before = c;
    }
    found.extend(open.map(|(start, quote)| (start, quote, None)));
    found
}

/// The quote on a line that is not closed on it.
pub(super) fn open_quote(line: &str) -> Option<(usize, char)> {
    quotes(line).into_iter().find(|(_, _, end)| end.is_none()).map(|(start, quote, _)| (start, quote))
}

/// A scalar in double quotes and the first backslash in it that begins no escape of YAML.
pub(super) fn invalid_escape(line: &str) -> Option<(Range<usize>, usize)> {
    quotes(line).into_iter().filter(|(_, quote, _)| *quote == '"').find_map(|(start, _, end)| {
        let end = end?;
        let mut at = start + 1;
        while let Some(backslash) = line.get(at..end - 1)?.find('\\').map(|found| at + found) {
            let rest = &line[backslash + 1..end - 1];
            let next = rest.chars().next()?;
            let digits = match next {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            let hexadecimal = rest[next.len_utf8()..].chars().take_while(char::is_ascii_hexdigit).count();
            if !"0abtnvfre \"/\\N_LPxuU\t".contains(next) || hexadecimal < digits {
                return Some((start..end, backslash));
            }
            at = backslash + 1 + next.len_utf8();
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        Line { start: 0, text }
    }

    #[test]
    fn a_line_has_a_value_behind_its_key_or_dash() {
        let value = |text| line(text).value().map(|value| (value.key, value.start, value.text));
        assert_eq!(value("  - id: a b # c"), Some((Some("id"), 8, "a b")));
        assert_eq!(value("  - a: b: c"), Some((Some("a"), 7, "b: c")));
        assert_eq!(value("  - alone"), Some((None, 4, "alone")));
        assert_eq!(value("title: issue #4"), Some((Some("title"), 7, "issue #4")));
        assert_eq!(value("  alone"), None);
        assert_eq!(value("key:"), None);
    }

    #[test]
    fn a_quote_is_one_only_where_a_value_begins() {
        assert_eq!(open_quote("a: it's"), None);
        assert_eq!(open_quote("a: the 'x"), None);
        assert_eq!(open_quote("a: \"x\\\""), Some((3, '"')));
        assert_eq!(open_quote("a: ['x', \"y"), Some((9, '"')));
    }

    #[test]
    fn a_backslash_that_begins_no_escape_is_found() {
        assert_eq!(invalid_escape(r#"a: "x\ny""#), None);
        assert_eq!(invalid_escape(r#"a: "C:\\x\d""#), Some((3..12, 9)));
        assert_eq!(invalid_escape(r#"a: 'C:\d'"#), None);
        assert_eq!(invalid_escape(r#"a: "C:\Users""#), Some((3..13, 6)));
        assert_eq!(invalid_escape(r#"a: "\u00e9""#), None);
    }

    #[test]
    fn quotes_need_few_escapes() {
        assert_eq!(quoted("a: b"), "'a: b'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted(r"it's C:\"), r"'it''s C:\'");
    }
}
