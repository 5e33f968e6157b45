//! Recognises stacks of JavaScript engines: `    at name (file:line:column)` of QuickJS and V8,
//! `name@file:line:column` of SpiderMonkey.

use super::lines::Block;
use super::lines::Lines;
use super::lines::frame;
use super::lines::is_class;
use super::lines::place;
use crate::failure::Frame;

/// Exit codes of engines after an uncaught exception.
const EXITS: &[i32] = &[1];

/// Prefixes of an uncaught exception.
const UNCAUGHT: &[&str] = &["Uncaught (in promise) ", "Uncaught ", "Unhandled promise rejection: "];

/// The line that precedes a stack of SpiderMonkey.
const STACK: &str = "Stack:";

pub(super) fn block(lines: Lines<'_>) -> Option<Block> {
    let is_spidermonkey = lines.get(1).trim() == STACK;
    let (kind, message) = match exception(lines.first()) {
        Some(exception) => exception,
        // SpiderMonkey prints only the message.
        None if is_spidermonkey => ("Error".to_owned(), lines.first().to_owned()),
        None => return None,
    };
    let at = 1 + usize::from(is_spidermonkey);
    let calls = lines.while_from(at, |line| call(line).is_some());
    if calls == 0 {
        return None;
    }
    let frames = stack(lines.0.iter().skip(at).take(calls).map(String::as_str));
    let lines = at + calls;
    Some(Block { frames, exits: EXITS, ..Block::new(kind, message, lines) })
}

/// Returns the calls of a stack, outermost first.
pub(super) fn stack<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Frame> {
    let mut frames: Vec<_> = lines.filter_map(call).collect();
    frames.reverse();
    frames
}

/// Reads an exception: `TypeError: message`, possibly after words of the engine, or `(new
/// TypeError("message", "file", line))`.
pub(super) fn exception(line: &str) -> Option<(String, String)> {
    if let Some((_, made)) = line.split_once("(new ") {
        let (kind, rest) = made.split_once("(\"")?;
        let message = rest.rfind("\", \"").or_else(|| rest.rfind("\")")).map_or(rest, |end| &rest[..end]);
        return is_class(kind).then(|| (kind.to_owned(), message.replace("\\\"", "\"")));
    }
    let said = UNCAUGHT.iter().find_map(|words| line.rfind(words).map(|at| &line[at + words.len()..]));
    let said = said.unwrap_or(line);
    let (kind, message) = said.split_once(": ").unwrap_or((said, ""));
    let is_error = kind.ends_with("Error") || kind.ends_with("Exception");
    (is_class(kind) && is_error).then(|| (kind.to_owned(), message.to_owned()))
}

fn call(line: &str) -> Option<Frame> {
    let trimmed = line.trim();
    if let Some(call) = trimmed.strip_prefix("at ") {
        let (function, place) = match call.strip_suffix(')').and_then(|call| call.rsplit_once('(')) {
            Some((function, place)) => (function.trim_end(), place),
            None if place(call).is_some() => ("", call),
            None => (call, ""),
        };
        return Some(located(function, place));
    }
    let (function, at) = trimmed.split_once('@')?;
    // A name contains no spaces, and the rest must be a place.
    (!function.contains(' ') && place(at).is_some()).then(|| located(function, at))
}

fn located(function: &str, text: &str) -> Frame {
    let function = if function.is_empty() { "<anonymous>" } else { function };
    match place(text) {
        Some((file, line, column)) => frame(function, file, line, column),
        None => frame(function, text, 0, 0),
    }
}
