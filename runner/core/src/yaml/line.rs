//! One line of a YAML text, as far as it can be understood without the other lines.

use std::ops::Range;

/// Most bytes of a line that a message repeats.
const SHOWN: usize = 120;

/// A line without its line ending, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) start: usize,
    pub(super) text: &'a str,
}

/// The value on a line, without a comment after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineValue<'a> {
    /// `None` for an entry of a list.
    pub(super) key: Option<&'a str>,
    pub(super) start: usize,
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// Returns the line that contains the byte `at`.
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

    /// Returns whether the line is empty or contains only a comment.
    pub(super) fn is_blank(&self) -> bool {
        let text = self.text.trim_start();
        text.is_empty() || text.starts_with('#')
    }

    /// Returns the nearest line above that is not blank.
    pub(super) fn previous(&self, text: &'a str) -> Option<Self> {
        let above = |line: &Self| Some(Self::around(text, line.start.checked_sub(1)?));
        std::iter::successors(above(self), above).find(|line| !line.is_blank())
    }

    /// Returns the nearest line below that is not blank.
    pub(super) fn next(&self, text: &'a str) -> Option<Self> {
        let below = |line: &Self| Some(Self::around(text, line.start + text[line.start..].find('\n')? + 1));
        std::iter::successors(below(self), below).find(|line| !line.is_blank())
    }

    /// Returns the number of spaces that the line begins with.
    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start_matches(' ').len()
    }

    /// Returns the text after the indentation and the dashes of lists, and where it begins.
    pub(super) fn content(&self) -> (usize, &'a str) {
        let mut rest = self.text.trim_start_matches(' ');
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start_matches(' ');
        }
        (self.end() - rest.len(), rest)
    }

    /// Returns the first key on the line, or an empty text if there is none.
    pub(super) fn first_key(&self) -> &'a str {
        let key = self.content().1.split_once(':').map_or("", |(key, _)| key);
        if is_word(key) { key } else { "" }
    }

    /// Returns the line without a comment at its end.
    pub(super) fn code(&self) -> &'a str {
        self.text.split(" #").next().unwrap_or(self.text).trim_end()
    }

    /// Returns the text before the byte `at`, if that byte is on this line.
    pub(super) fn before(&self, at: usize) -> Option<&'a str> {
        self.text.get(..at.checked_sub(self.start)?)
    }

    /// Returns the value after the key, or the entry of a list.
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

    /// Returns the bracketed entry that contains the byte `at` of this line, and where in the line
    /// it begins.
    pub(super) fn entry_around(&self, at: usize) -> Option<(usize, &'a str)> {
        let opening = self.text[..at].rfind(['[', '{', ',']).map_or(0, |opening| opening + 1);
        let start = self.text[opening..at].find(": ").map_or(opening, |colon| opening + colon + 2);
        let start = start + (self.text[start..].len() - self.text[start..].trim_start().len());
        let end = self.text[start..].find([',', ']', '}']).map_or(self.text.len(), |end| start + end);
        let entry = self.text.get(start..end)?.trim_end();
        (!entry.is_empty()).then_some((start, entry))
    }

    /// Shortens a part of a line for a message.
    pub(super) fn clip(&self, part: &str) -> String {
        let part = part.trim_end();
        if part.len() <= SHOWN { part.to_owned() } else { format!("{} ..", &part[..part.floor_char_boundary(SHOWN)]) }
    }
}

impl LineValue<'_> {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// Returns the value in quotes, in each way that the author may have meant.
    pub(super) fn quotations(&self) -> Vec<String> {
        let mut all = Vec::new();
        for quote in ['\'', '"'] {
            let inner = self.text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            // Two quoted texts side by side contain further quotes between them: `"a" "b"`.
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

/// Returns whether a text is one word, as keys are.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Writes a text as a quoted scalar, with as few escapes as possible.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('\'') && !text.contains(['"', '\\']) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Returns the quoted scalars of a line: where each begins, its quote, and where it ends if it ends
/// on the line.
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
            // A quote begins only where a value can begin, so not within `it's`,
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '\t' | '[' | '{' | ',' | ':') => {
                // and not after other text.
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

/// Finds the quote that is opened but not closed on a line.
pub(super) fn open_quote(line: &str) -> Option<(usize, char)> {
    quotes(line).into_iter().find(|(_, _, end)| end.is_none()).map(|(start, quote, _)| (start, quote))
}

/// Finds a scalar in double quotes and the first backslash in it that does not begin a YAML escape.
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
