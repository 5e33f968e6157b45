//! Checks the brackets of a list or a mapping in flow style: finds one that is not closed, or
//! closed by the wrong bracket.

use super::line::Line;
use super::line::is_word;

/// A mistake in brackets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A bracket that closes nothing, or that does not match the innermost open one.
    Closes { at: usize, open: Option<(usize, char)> },
    /// Brackets that are still open at the end of the text, or before lines that can only be
    /// outside of them.
    Open { open: Vec<(usize, char)>, until: usize },
}

/// Finds the first bracket at or after `from` that is where a value can begin, up to the end of the
/// line of `to`.
pub(super) fn first(text: &str, from: usize, to: usize) -> Option<usize> {
    let start = Line::around(text, from).start;
    let end = Line::around(text, to).end();
    let values = text.get(start..end)?.match_indices(['[', '{']).map(|(at, _)| start + at);
    values.into_iter().filter(|at| *at >= from).find(|at| {
        let line = Line::around(text, *at);
        let Some(before) = line.before(*at) else { return false };
        let ahead = before.trim_end();
        ahead.is_empty() || (before.len() > ahead.len() && ahead.ends_with([':', '-']))
    })
}

/// Returns the mistake in the brackets that begin at `start`. Returns `None` if a quote between
/// them is not closed.
pub(super) fn problem(text: &str, start: usize) -> Option<Problem> {
    let line = Line::around(text, start);
    let column = line.content().0 - line.start;
    let mut open: Vec<(usize, char)> = Vec::new();
    let (mut quote, mut escaped, mut before) = (None, false, ' ');
    // The last character that is not a space: a quote begins only where a value can begin.
    let mut ahead = ':';
    let mut comment = false;
    for (at, c) in text.get(start..)?.char_indices().map(|(at, c)| (start + at, c)) {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if c == '\n' => {
                comment = false;
                if is_outside(Line::around(text, at + 1), column) {
                    return Some(Problem::Open { open, until: at + 1 });
                }
            }
            None if comment => {}
            None if c == '#' && before.is_whitespace() => comment = true,
            None if matches!(c, '"' | '\'') && matches!(ahead, '[' | '{' | ',' | ':') => quote = Some(c),
            None if matches!(c, '[' | '{') => open.push((at, c)),
            None if matches!(c, ']' | '}') => match open.pop() {
                Some((_, opening)) if (opening == '[') == (c == ']') => {
                    if open.is_empty() {
                        return after(text, at + 1);
                    }
                }
                innermost => return Some(Problem::Closes { at, open: innermost }),
            },
            None => {}
        }
        before = c;
        if !c.is_whitespace() && !comment {
            ahead = c;
        }
    }
    quote.is_none().then_some(Problem::Open { open, until: text.len() })
}

/// Finds an extra bracket after the last one.
fn after(text: &str, end: usize) -> Option<Problem> {
    let rest = text[end..].lines().next().unwrap_or("");
    let more = rest.trim_start();
    more.starts_with([']', '}']).then(|| Problem::Closes { at: end + rest.len() - more.len(), open: None })
}

/// Returns whether a line can only be outside of brackets whose first line begins in `column`.
fn is_outside(line: Line<'_>, column: usize) -> bool {
    let content = line.text.trim_start();
    let key =
        content.split_once(':').is_some_and(|(key, rest)| is_word(key) && (rest.is_empty() || rest.starts_with(' ')));
    content == "-" || content.starts_with("- ") || line.text.starts_with("---") || (key && line.indent() <= column)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::node::parse_value;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Looking for help must not panic, whatever the line endings of the text are.
        #[test]
        fn no_text_is_too_odd_for_help(
            parts in proptest::collection::vec(
                "(- |id: x|[ a-z]{1,4}|: |, |[\\[\\]{}\"'#*&!|>%@`\\\\-]|\\r|\\n|\\r\\n|\\t|é|\\x00|[1-9])",
                0..24,
            ),
        ) {
            let _ = parse_value(&parts.concat());
        }
    }

    #[test]
    fn a_carriage_return_within_a_line_is_no_end_of_it() {
        assert!(parse_value("type \r\0\0\0retval = lis[t<option<f32>>9\n----\nty").is_err());
    }

    #[test]
    fn brackets_are_closed_by_their_own() {
        let wrong = |text: &str| problem(text, 0);
        assert_eq!(wrong("[1, {a: ']'}, \"\\\"]\"] # ]"), None);
        assert_eq!(wrong("{a: it's, b: [1] }"), None);
        assert_eq!(wrong("[1, # ]\n 2]"), None);
        assert_eq!(wrong("[1, \"2]"), None);
        assert_eq!(wrong("[1, 2}"), Some(Problem::Closes { at: 5, open: Some((0, '[')) }));
        assert_eq!(wrong("[1] ]"), Some(Problem::Closes { at: 4, open: None }));
        assert_eq!(wrong("{a: [1"), Some(Problem::Open { open: vec![(0, '{'), (4, '[')], until: 6 }));
        assert_eq!(wrong("[1\n- 2"), Some(Problem::Open { open: vec![(0, '[')], until: 3 }));
        assert_eq!(wrong("[1\nb: 2"), Some(Problem::Open { open: vec![(0, '[')], until: 3 }));
    }
}
