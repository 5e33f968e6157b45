//! Recognises panics of Rust's standard library, in plugins that do not use our library and in
//! runtimes written in Rust.

use super::javascript;
use super::lines::Block;
use super::lines::Lines;
use super::lines::frame;
use super::lines::place;
use crate::failure::Frame;

const PANIC: &str = "panic";

/// The exit codes of a program after a panic.
const EXITS: &[i32] = &[101, 134];

/// What the runtime of componentize-py prints after the traceback.
const OF_PYTHON: &str = "Python function threw an unexpected exception";

/// Maximum lines of a message; further lines belong to something else.
const MESSAGE: usize = 50;

pub(super) fn block(lines: Lines<'_>) -> Option<Block> {
    let line = lines.first();
    if line.starts_with("memory allocation of ") && line.ends_with(" bytes failed") {
        return Some(Block { exits: EXITS, ..Block::new("out of memory", line, 1) });
    }
    let (_, said) = line.strip_prefix("thread '")?.split_once("panicked at ")?;
    let (at, message, taken) = match said.strip_suffix(':') {
        Some(at) => {
            let more = lines.while_from(1, |line| !is_behind(line)).min(MESSAGE);
            (at, lines.text(1, more).trim_end().to_owned(), 1 + more)
        }
        // The format before Rust 1.73.
        None => {
            let (message, at) = said.rsplit_once(", ")?;
            (at, message.trim_matches('\'').to_owned(), 1)
        }
    };
    let (calls, traced) = backtrace(Lines(lines.0.get(taken..).unwrap_or_default()));
    let taken = taken + traced;
    if let Some((kind, message, frames)) = of_quickjs(&message) {
        return Some(Block { frames, exits: EXITS, ..Block::new(kind, message, taken) });
    }
    let frames = match place(at) {
        _ if !calls.is_empty() => calls,
        Some((file, line, column)) => vec![frame("", file, line, column)],
        None => Vec::new(),
    };
    let carries = message == OF_PYTHON;
    Some(Block { frames, carries, exits: EXITS, ..Block::new(PANIC, message, taken) })
}

/// Returns whether a line no longer belongs to the message.
fn is_behind(line: &str) -> bool {
    line.is_empty() || line.starts_with("note: ") || line == "stack backtrace:"
}

/// Returns the calls of a backtrace, outermost first, and how many lines it takes.
fn backtrace(lines: Lines<'_>) -> (Vec<Frame>, usize) {
    if lines.first() != "stack backtrace:" {
        return (Vec::new(), 0);
    }
    let number = |line: &str| {
        let (number, name) = line.trim_start().split_once(": ")?;
        number.parse::<u32>().ok().map(|_| name.to_owned())
    };
    let at = |line: &str| line.trim_start().strip_prefix("at ").map(str::to_owned);
    let length = lines.while_from(1, |line| number(line).is_some() || at(line).is_some());
    let mut frames: Vec<Frame> = Vec::new();
    for line in lines.0.iter().skip(1).take(length) {
        if let Some(name) = number(line) {
            frames.push(frame(&name, "", 0, 0));
        } else if let (Some(found), Some(last)) = (at(line), frames.last_mut())
            && let Some((file, number, column)) = place(&found)
        {
            *last = frame(&last.function.clone(), file, number, column);
        }
    }
    frames.reverse();
    (frames, 1 + length)
}

/// Reads an exception as the runtime of componentize-qjs prints it: `.. Exception(Exception {
/// message: Some(".."), stack: Some("..") })`.
fn of_quickjs(message: &str) -> Option<(String, String, Vec<Frame>)> {
    const MESSAGE: &str = "message: Some(\"";
    const STACK: &str = "stack: Some(\"";
    let (_, exception) = message.split_once("Exception(Exception {")?;
    let (_, said) = exception.split_once(MESSAGE)?;
    let (said, rest) = quoted(said)?;
    let stack = rest.split_once(STACK).and_then(|(_, stack)| quoted(stack));
    let frames = stack.map(|(stack, _)| javascript::stack(stack.lines())).unwrap_or_default();
    let (kind, message) = javascript::exception(&said).unwrap_or_else(|| ("Error".to_owned(), said));
    Some((kind, message, frames))
}

/// Reads a text in Rust's debug format up to the closing quote; also returns what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut out, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => {}
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}
