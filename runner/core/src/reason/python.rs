//! Recognises tracebacks of CPython.

use super::lines::Block;
use super::lines::Lines;
use super::lines::frame;
use super::lines::is_class;
use crate::failure::Frame;
use crate::failure::Repeated;

pub(super) const HEADER: &str = "Traceback (most recent call last):";

/// The lines that join a chain of exceptions: the exception before such a line led to the one
/// behind it.
const JOINTS: &[&str] = &[
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// Exit codes of the interpreter after an uncaught exception.
const EXITS: &[i32] = &[1];

/// Maximum lines of a message; further lines belong to something else.
const MESSAGE: usize = 50;

pub(super) fn block(lines: Lines<'_>) -> Option<Block> {
    let Some((mut block, mut at)) = exception(lines) else {
        return refused_source(lines);
    };
    // Each joint is followed by another exception, whose cause is the one before.
    loop {
        let blank = lines.while_from(at, str::is_empty);
        if !JOINTS.contains(&lines.get(at + blank).trim()) {
            break;
        }
        let next = at + blank + 1;
        let next = next + lines.while_from(next, str::is_empty);
        let Some((newer, length)) = exception(Lines(lines.0.get(next..).unwrap_or_default())) else {
            break;
        };
        let older = std::mem::replace(&mut block, newer);
        block.causes.push((older.kind, older.message, older.frames));
        block.causes.extend(older.causes);
        at = next + length;
    }
    block.lines = at;
    block.exits = EXITS;
    block.open = true;
    Some(block)
}

/// Reads one traceback with its exception; also returns how many lines it takes.
fn exception(lines: Lines<'_>) -> Option<(Block, usize)> {
    // A group of exceptions draws a line down its side.
    if !lines.first().trim_start_matches(['+', '|', ' ']).ends_with(HEADER) {
        return None;
    }
    let mut at = 1;
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        let line = lines.get(at).trim_start_matches("  | ");
        if let Some(call) = call(line) {
            frames.push(call);
        } else if let Some(times) = repeated(line) {
            if let Some(frame) = frames.last_mut() {
                frame.repeated = Some(Repeated { calls: 1, times, at_least: false });
            }
        } else if !line.starts_with("    ") {
            break;
        }
        at += 1;
    }
    let line = lines.get(at).trim_start_matches("  | ");
    let (kind, message) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
    if !is_class(kind) {
        return None;
    }
    let more = lines.while_from(at + 1, |line| !line.is_empty() && !line.starts_with(HEADER)).min(MESSAGE);
    let blank = lines.while_from(at + 1 + more, str::is_empty);
    // Lines certainly belong to a message only if a joint follows, or if they are indented.
    let more = match JOINTS.contains(&lines.get(at + 1 + more + blank).trim()) {
        true => more,
        false => lines.while_from(at + 1, |line| line.starts_with([' ', '\t'])).min(MESSAGE),
    };
    let mut message = message.to_owned();
    if more > 0 {
        message = format!("{message}\n{}", lines.text(at + 1, more)).trim_start().to_owned();
    }
    Some((Block { frames, ..Block::new(kind, message, 0) }, at + 1 + more))
}

/// The exceptions for a source that the interpreter cannot read. They have no calls, so no header.
const SYNTAX: &[&str] = &["SyntaxError", "IndentationError", "TabError"];

/// Reads `  File "shop.py", line 1`, the source line with a mark below it, and `SyntaxError:
/// invalid syntax`.
fn refused_source(lines: Lines<'_>) -> Option<Block> {
    let place = call(lines.first()).filter(|call| call.function.is_empty())?;
    let shown = lines.while_from(1, |line| line.starts_with("    ")).min(MESSAGE);
    let (kind, message) = lines.get(1 + shown).split_once(": ")?;
    let block = || Block { frames: vec![place], exits: EXITS, ..Block::new(kind, message, 2 + shown) };
    SYNTAX.contains(&kind).then(block)
}

/// Returns whether a line may be part of the calls of a traceback.
pub(super) fn is_call(line: &str) -> bool {
    line.starts_with("    ") || call(line).is_some()
}

/// Reads `  File "shop.py", line 12, in rate_of`.
fn call(line: &str) -> Option<Frame> {
    let (file, rest) = line.strip_prefix("  File \"")?.split_once("\", line ")?;
    let (number, function) = rest.split_once(", in ").unwrap_or((rest, ""));
    Some(frame(function, file, number.parse().ok()?, 0))
}

/// Reads `  [Previous line repeated 992 more times]`.
fn repeated(line: &str) -> Option<u32> {
    line.trim().strip_prefix("[Previous line repeated ")?.split(' ').next()?.parse().ok()
}
