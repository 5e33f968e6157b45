//! A value as a tree that can be expanded. Its size is bounded: a page shows the start of a long
//! list, and how many items follow.

use askama::Template;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::as_tag;

use super::times::thousands;
use crate::show::escape::one_line;

/// Most parts of a list or a record to show, most lines of a whole value, and most levels.
const PARTS: usize = 50;
const LINES: usize = 400;
const DEPTH: usize = 12;
/// Levels that are expanded at first.
const OPEN: usize = 2;
/// Most characters of a string in a tree, and of a collapsed line.
const TEXT: usize = 400;
const SHORT: usize = 120;

/// A part of a value.
#[derive(Clone, Debug, Template)]
#[template(path = "value.html")]
pub(super) struct Tree {
    key: String,
    /// `s`, `n`, `e` for a string, a number, anything else; empty for a value with parts.
    class: &'static str,
    text: String,
    /// The kind of the value, with the number of its parts.
    kind: String,
    is_open: bool,
    parts: Vec<Self>,
    /// How many more parts follow.
    more: u64,
}

impl Tree {
    /// Builds the tree of a value under a name.
    pub(super) fn of(key: &str, value: &Value) -> Self {
        grown(key, value, 0, &mut LINES.clone())
    }
}

fn grown(key: &str, value: &Value, depth: usize, left: &mut usize) -> Tree {
    *left = left.saturating_sub(1);
    let leaf = |class, text: String| Tree {
        key: one_line(key),
        class,
        text,
        kind: String::new(),
        is_open: false,
        parts: Vec::new(),
        more: 0,
    };
    let (kind, count) = match value {
        Value::String(text) => return leaf("s", format!("\"{}\"", short(text, TEXT))),
        Value::Int(number) => return leaf("n", number.to_string()),
        Value::Float(_) => return leaf("n", json(value)),
        Value::Bool(_) | Value::Null => return leaf("e", json(value)),
        Value::Bytes(bytes) => return leaf("e", format!("{} bytes", thousands(bytes.len() as u64))),
        Value::Map(entries) => match as_tag(entries) {
            Some((tag, text)) => return leaf("e", format!("{tag} {}", one_line(text))),
            None => ("record", entries.len()),
        },
        Value::List(items) => ("list", items.len()),
    };
    if depth == DEPTH || *left == 0 {
        return leaf("e", short(&json(value), SHORT));
    }
    let mut parts = Vec::new();
    let mut grow = |key: &str, value: &Value| {
        let room = parts.len() < PARTS && *left > 0;
        if room {
            parts.push(grown(key, value, depth + 1, left));
        }
        room
    };
    match value {
        Value::Map(entries) => entries.iter().all(|(key, value)| grow(key, value)),
        Value::List(items) => items.iter().all(|value| grow("", value)),
        _ => true,
    };
    let more = (count - parts.len()) as u64;
    let is_open = depth < OPEN;
    let kind = if kind == "list" { format!("list of {}", thousands(count as u64)) } else { kind.to_owned() };
    let text = if is_open { String::new() } else { short(&json(value), SHORT) };
    Tree { key: one_line(key), class: "", text, kind, is_open, parts, more }
}

fn json(value: &Value) -> String {
    // A collapsed line shows only the start, so do not write all of a large value.
    match value {
        Value::List(items) if items.len() > PARTS => format!("[{} ..]", json(&items[0])),
        value => serde_json::to_string(&Json(value)).unwrap_or_default(),
    }
}

/// Returns the start of a text on one line.
fn short(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most + 1).collect();
    let line = one_line(&start);
    if start.chars().count() <= most { line } else { line.chars().take(most).chain("..".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(tree: &Tree) -> usize {
        1 + tree.parts.iter().map(lines).sum::<usize>()
    }

    #[test]
    fn a_large_value_has_a_page_of_lines_and_says_how_much_more_there_is() {
        let record = || Value::map((0..9).map(|at| (format!("k{at}"), Value::Int(at))));
        let tree = Tree::of("", &Value::List((0..100_000).map(|_| record()).collect()));
        assert!(lines(&tree) <= LINES + PARTS, "{}", lines(&tree));
        assert_eq!((tree.kind.as_str(), tree.more + tree.parts.len() as u64), ("list of 100,000", 100_000));
        let mut deep = Value::Int(1);
        (0..100).for_each(|_| deep = Value::List(vec![std::mem::replace(&mut deep, Value::Null)]));
        assert!(lines(&Tree::of("", &deep)) <= DEPTH + 1);
    }

    #[test]
    fn a_text_cannot_leave_its_line() {
        let tree = Tree::of("a\nb", &Value::string("x\u{202e}\n<b>"));
        let html = tree.to_string();
        assert!(html.contains("a b") && html.contains("\\u{202e} &#60;b&#62;"), "{html}");
        assert!(Tree::of("", &Value::string("é".repeat(10_000))).text.chars().count() < TEXT + 10);
    }
}
