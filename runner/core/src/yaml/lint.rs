//! Warns of valid YAML that is probably not what the author meant. Never reports errors.

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Source;
use crate::diagnostic::Span;

use super::line::Line;
use super::line::quoted;
use super::parser::remarks;

/// Checks a text that is valid YAML, and adds the warnings.
pub(super) fn lint(source: &Arc<Source>, problems: &mut Vec<Diagnostic>) {
    let text = source.text.as_str();
    if !text.contains(['&', '#']) {
        return;
    }
    let remarks = remarks(text);
    for (name, place) in remarks.unused {
        let message = format!("the anchor `&{name}` is never used");
        let unused = Diagnostic::at(Code::UnusedAnchor, source, Span::new(place.start, place.end), message);
        let help = format!("remove it, or write `*{name}` where you want to repeat its value");
        problems.push(unused.help(help).help("a text that begins with `&` must be in quotes"));
    }
    for (value, comment) in remarks.cut {
        let line = Line::around(text, comment.start);
        if !is_no_comment(&text[comment.start..comment.end]) {
            continue;
        }
        let (message, start) = match &value {
            Some(value) if is_text(&text[value.clone()]) => {
                ("the text ends before ` #`, where a comment begins".to_owned(), value.start)
            }
            None if is_empty(&line, text) => ("the value is empty: a comment begins at ` #`".to_owned(), comment.start),
            _ => continue,
        };
        let meant = text[start..line.end()].trim_end();
        let cut = Diagnostic::at(Code::TextCutOff, source, Span::new(comment.start, comment.end), message);
        let quotes = format!("put the text in quotes: `{}`", line.clip(&quoted(meant)));
        problems.push(cut.help(quotes).help("or write a space after the `#` of a comment"));
    }
}

/// Warns of a number with a leading zero, which other programs would read as octal, or which may
/// not be meant as a number. A unit may follow in `written`.
pub(super) fn leading_zero(source: &Arc<Source>, written: &str, span: Span) -> Option<Diagnostic> {
    let digits = written.trim_start_matches(['-', '+']);
    let rest = digits.strip_prefix('0').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?;
    let shorter = rest.trim_start_matches('0');
    let number = if shorter.starts_with(|c: char| c.is_ascii_digit()) {
        shorter
    } else {
        &digits[digits.len() - shorter.len() - 1..]
    };
    let sign = if written.starts_with('-') { "-" } else { "" };
    let octal = match digits.bytes().all(|b| (b'0'..b'8').contains(&b)) {
        true => format!("write `{sign}0o{number}` for octal, "),
        false => "write ".to_owned(),
    };
    let unit = digits.trim_end().ends_with(|c: char| c.is_ascii_alphabetic());
    let (message, help) = if unit {
        (format!("`{written}` is {sign}{number}"), format!("write `{sign}{number}`"))
    } else {
        let help = format!("{octal}`{sign}{number}` for the number, or `'{written}'` for a text");
        (format!("`{written}` is the number {sign}{number}"), help)
    };
    Some(Diagnostic::at(Code::LeadingZero, source, span, message).help(help))
}

/// Returns whether a comment has no space after its `#`, as in `issue #42` or `#general`.
fn is_no_comment(comment: &str) -> bool {
    let next = comment.chars().nth(1);
    next.is_some_and(|c| !c.is_whitespace() && !matches!(c, '#' | '!' | '-' | '=' | '*' | '~'))
}

/// Returns whether a plain scalar is a text, and not a number or a word of YAML.
fn is_text(scalar: &str) -> bool {
    let word = ["true", "false", "null", "~"].iter().any(|word| scalar.eq_ignore_ascii_case(word));
    !word && scalar.parse::<f64>().is_err()
}

/// Returns whether a key at the end of a line has no value in the lines below.
fn is_empty(line: &Line<'_>, text: &str) -> bool {
    let column = line.content().0 - line.start;
    line.next(text).is_none_or(|next| {
        next.indent() < column || (next.indent() == column && !next.text.trim_start().starts_with("- "))
    })
}
