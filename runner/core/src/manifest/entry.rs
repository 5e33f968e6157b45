//! A template for a new job: an entry to paste below `jobs:`, made from a function's types.

use crate::types::Signature;
use crate::types::Type;
use crate::types::sample::Entry;
use crate::types::sample::choices;

use super::keys::id::MAX_ID;

/// Returns an entry for a job that calls `function`, with a value of the right type for each
/// parameter. The entry passes `check` as it is. `command` is set for a plugin that is a WASI
/// command.
pub fn entry(id: &str, function: &str, signature: &Signature, command: bool) -> String {
    let mut text = String::new();
    for line in signature.docs.as_deref().unwrap_or_default().trim().lines() {
        // YAML does not allow these characters even in a comment.
        let line: String =
            line.chars().filter(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')).collect();
        text.push_str(&format!("  # {}\n", line.trim_end()));
    }
    text.push_str(&format!("  - id: {}\n    function: {}\n", id_of(id), quoted(function)));
    if command {
        text.push_str("    args: []  # the command line, a list of strings\n");
        return text;
    }
    let (optional, required): (Vec<_>, Vec<_>) =
        signature.params.iter().partition(|(_, ty)| matches!(ty, Type::Option(_)));
    if required.is_empty() && optional.is_empty() {
        return text;
    }
    let comment = if required.is_empty() { "# " } else { "" };
    text.push_str(&format!("    {comment}kwargs:\n"));
    for (name, ty) in required {
        text.push_str("      ");
        Entry::new(name, ty).write(6, &mut text);
    }
    for (name, ty) in optional {
        let Type::Option(inner) = ty else { continue };
        let mut lines = String::new();
        Entry { comment: format!("may be left out; {}", choices(inner)), ..Entry::new(name, inner) }
            .write(0, &mut lines);
        lines.lines().for_each(|line| text.push_str(&format!("      # {line}\n")));
    }
    text
}

/// Turns a text into an id by replacing the characters that an id cannot contain.
fn id_of(text: &str) -> String {
    let id = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
    let id: String = id.take(MAX_ID).collect();
    // Without quotes, other ids would be read as numbers, as lists or as ends of documents.
    let plain = id.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_word_of_yaml(&id);
    if plain { id } else { format!("'{id}'") }
}

/// Returns whether YAML reads a text as a null or a boolean.
fn is_word_of_yaml(text: &str) -> bool {
    ["null", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Writes a text as a YAML scalar, without quotes if possible.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '#' | '@');
    if text.chars().all(plain)
        && (text.starts_with(|c: char| c.is_ascii_alphabetic()) || text.starts_with("./"))
        && !text.ends_with(':')
        && !is_word_of_yaml(text)
    {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
