//! Explains why a text is not YAML.

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::diagnostic::without_space;

use super::line::Line;
use super::mend::Mend;
use super::mend::mend;

/// Turns the parser's error into a mistake on the line that must be fixed. `keys` are the known
/// keys of the file.
pub(crate) fn syntax_error(source: &Arc<Source>, error: &serde_saphyr::Error, keys: &[&str]) -> Diagnostic {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let offset = error.location().map(|l| offset_of(&source.text, l.line(), l.column()));
    let span = offset.map_or_else(Span::default, |start| Span::new(start, token_end(&source.text, start)));
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set").next().unwrap_or(key);
        if let Some((right, why)) = without_space(key) {
            let help = format!("write `{right} ..` in both places");
            return Diagnostic::at(Code::DuplicateKey, source, span, format!("`{key}` is given twice as a key: {why}"))
                .help(help);
        }
        let message = format!("the key `{key}` is given twice");
        let twice = Diagnostic::at(Code::DuplicateKey, source, span, message).help("keep one of the two");
        return match first_of(&source.text, span) {
            Some(first) => twice.label("the second").related(source, first, "the first"),
            None => twice,
        };
    }
    if message.starts_with("multiple YAML documents") {
        return Diagnostic::at(Code::SeveralDocuments, source, span, "a manifest is one YAML document")
            .help("write the jobs as a list below `jobs:`");
    }
    if message.starts_with("budget breached") {
        if message.contains("Depth {") {
            let width = source.text.get(span.start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            let first = Span::new(span.start, span.end.min(span.start + width));
            return Diagnostic::at(Code::TooDeep, source, first, "lists and mappings are nested too deep here")
                .help("they can be nested 64 levels deep, including the manifest's own keys");
        }
        return Diagnostic::at(Code::TooManyValues, source, span, "the file expands to too many values")
            .help("it can hold 250,000 values; everything that an alias repeats counts each time");
    }
    if let Some(tab) = offset.and_then(|at| indenting_tab(&source.text, at)) {
        let message = "a line is indented with a tab, but YAML allows only spaces";
        let help = "use spaces instead, two per level; most editors can convert the whole file";
        return Diagnostic::at(Code::TabIndentation, source, tab, message).help(help);
    }
    if let Some(Mend { message, span, help }) = offset.and_then(|at| mend(&source.text, at, keys)) {
        return Diagnostic::at(Code::NotYaml, source, span, format!("this is not valid YAML: {message}")).help(help);
    }
    Diagnostic::at(Code::NotYaml, source, span, format!("this is not valid YAML: {message}"))
}

/// Finds the key with the same name above `second`, in the same mapping of several lines.
fn first_of(text: &str, second: Span) -> Option<Span> {
    let key = text.get(second.start..second.end)?;
    let here = Line::around(text, second.start);
    let column = second.start - here.start;
    let above = std::iter::successors(here.previous(text), |line| line.previous(text));
    let same = |line: &Line<'_>| line.content().0 - line.start == column;
    let first = above.take_while(|line| line.content().0 - line.start >= column).filter(same);
    let is_it = |line: &Line<'_>| line.content().1.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let start = first.into_iter().find(is_it)?.content().0;
    Some(Span::new(start, start + key.len()))
}

/// Finds the tabs that indent the line of `at`, where the parser gave up, or the line after it.
fn indenting_tab(text: &str, at: usize) -> Option<Span> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |line_end| line_end + 1);
    let mut line_start = start;
    for line in text[start..].split_inclusive('\n').take(2) {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        if let Some(tab) = indent.find('\t') {
            let tabs = indent[tab..].chars().take_while(|c| *c == '\t').count();
            return Some(Span::new(line_start + tab, line_start + tab + tabs));
        }
        line_start += line.len();
    }
    None
}

/// Returns the byte offset of a 1-based line and column, counted in characters.
pub(crate) fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let column = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let in_line = text[start..].char_indices().nth(column).map_or(text.len() - start, |(at, _)| at);
    start + in_line
}

fn token_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or("");
    let token = rest.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(rest.len());
    start + token.max(rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_that_indent_are_found_where_the_parser_gave_up() {
        let text = "a:\n \t\tb: 1\n";
        assert_eq!(indenting_tab(text, 7), Some(Span::new(4, 6)));
        assert_eq!(indenting_tab(text, 0), Some(Span::new(4, 6)));
        assert_eq!(indenting_tab("a: \tb\n", 3), None);
    }
}
