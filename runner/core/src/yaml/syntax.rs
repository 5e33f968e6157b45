//! What is wrong with a text that is no YAML, and what its author may have meant.

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;

pub(crate) fn syntax_error(source: &Arc<Source>, error: &serde_saphyr::Error) -> Diagnostic {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let offset = error.location().map(|l| offset_of(&source.text, l.line(), l.column()));
    let span = offset.map_or_else(Span::default, |start| Span::new(start, token_end(&source.text, start)));
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set").next().unwrap_or(key);
        let message = format!("the key `{key}` is given twice");
        return Diagnostic::at(Code::DuplicateKey, source, span, message).help("keep one of the two");
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
                .help("they may lie 64 deep in each other, the manifest's own keys counted");
        }
        return Diagnostic::at(Code::TooManyValues, source, span, "the file unfolds to too many values")
            .help("it may hold 250,000 values, with what its aliases repeat counted each time");
    }
    if let Some(tab) = offset.and_then(|at| indenting_tab(&source.text, at)) {
        let message = "a line is indented with a tab, and YAML indents with spaces alone";
        let help = "put spaces in its place, two a level; most editors can do so for the whole file";
        return Diagnostic::at(Code::TabIndentation, source, tab, message).help(help);
    }
    let help = offset.and_then(|at| mended(&source.text, at, &message));
    Diagnostic::at(Code::NotYaml, source, span, format!("this is not valid YAML: {message}")).maybe_help(help)
}

/// The tabs that indent the line on which `at` is, or the one after it, where the parser was when it gave up.
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

/// The byte offset of a 1-based line and column in characters.
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

/// What would mend the line on which the parser gave up.
fn mended(text: &str, at: usize, message: &str) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |line_end| line_end + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let (key, value) = line.trim_start_matches([' ', '-']).split_once(": ").unwrap_or(("", ""));
    let value = value.trim();
    Some(match message {
        m if m.starts_with("mapping values are not allowed") => match value.split_once(": ") {
            Some((plugin, export)) if key == "function" => {
                format!("write `function: {}:{}`, with no space after the second colon", plugin.trim(), export.trim())
            }
            _ if !value.is_empty() => format!("put the value in quotes: `{key}: {}`", quoted(value)),
            _ => "put a text that holds `: ` in quotes".to_owned(),
        },
        m if m.contains("escape character") => {
            "in double quotes a backslash begins an escape: write `\\\\`, or put the text in single quotes".to_owned()
        }
        m if m.starts_with("unclosed quote") => "close it with the quote that it begins with".to_owned(),
        m if m.starts_with("unclosed bracket") => {
            format!("close it with `{}`", if m.contains('[') { ']' } else { '}' })
        }
        m if m.starts_with("unexpected character") && !value.is_empty() => {
            format!("YAML keeps this character for itself; put the value in quotes: `{key}: {}`", quoted(value))
        }
        m if m.contains("while parsing a block") || m.contains("indent") => {
            "this line does not begin in the same column as those that belong beside it; compare their spaces"
                .to_owned()
        }
        m if m.contains("could not find expected ':'") || m.contains("simple key") => {
            "a line of a mapping is `key: value`, with a space after the colon".to_owned()
        }
        _ => return None,
    })
}

/// A text as a YAML scalar that needs no escapes, where there is one.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{}\"", text.replace('"', "\\\"")) } else { format!("'{text}'") }
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
