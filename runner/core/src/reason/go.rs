//! Recognises panics and fatal errors of Go.

use super::lines::Block;
use super::lines::Lines;
use super::lines::frame;
use super::lines::place;
use crate::failure::Frame;

/// The exit code of a program after a panic.
const EXITS: &[i32] = &[2];

/// Maximum lines between a panic and its first goroutine: further panics, a signal.
const MESSAGE: usize = 50;

pub(super) fn block(lines: Lines<'_>) -> Option<Block> {
    let line = lines.first();
    let (kind, message) = match line.strip_prefix("panic: ") {
        Some(message) => ("panic", message),
        None => ("fatal error", line.strip_prefix("fatal error: ")?),
    };
    let before = lines.while_from(1, |line| !is_goroutine(line)).min(MESSAGE);
    if !is_goroutine(lines.get(1 + before)) {
        return None;
    }
    let more: Vec<_> = (1..=before).map(|at| lines.get(at)).filter(|line| !line.is_empty()).collect();
    // If a panic was recovered and another one followed, the last one is the reason.
    let last = more.iter().rev().find_map(|line| line.trim_start().strip_prefix("panic: "));
    let mut message = last.unwrap_or(message).trim_end_matches(" [recovered]").to_owned();
    for line in more.iter().filter(|line| !line.trim_start().starts_with("panic: ")) {
        message = format!("{message}\n{line}");
    }
    let mut at = 1 + before;
    let mut frames = Vec::new();
    // The first goroutine is the one that failed; the others are only listed after it.
    while is_goroutine(lines.get(at)) {
        let length = length(lines, at + 1);
        if frames.is_empty() {
            frames = calls(Lines(lines.0.get(at + 1..at + 1 + length).unwrap_or_default()));
        }
        at += 1 + length;
        let blank = lines.while_from(at, str::is_empty);
        if !is_goroutine(lines.get(at + blank)) {
            break;
        }
        at += blank;
    }
    Some(Block { frames, exits: EXITS, ..Block::new(kind, message, at) })
}

/// Returns the number of lines of a goroutine. Each name of a call has its place on the line below;
/// a line for omitted calls has none.
fn length(lines: Lines<'_>, from: usize) -> usize {
    let is_call = |at: usize| {
        let line = lines.get(at);
        let is_named = !line.is_empty() && lines.get(at + 1).starts_with('\t');
        is_named || line.starts_with('\t') || line.starts_with("...")
    };
    (from..).take_while(|at| is_call(*at)).count()
}

/// Returns whether a line is the header of a goroutine: `goroutine 1 [running]:`.
fn is_goroutine(line: &str) -> bool {
    line.starts_with("goroutine ") && line.ends_with("]:")
}

/// Reads the calls. Each is a line with the name and arguments, then a line with the place,
/// innermost first.
fn calls(lines: Lines<'_>) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in lines.0 {
        if let Some(at) = line.strip_prefix('\t') {
            let at = at.split(" +0x").next().unwrap_or(at);
            if let (Some(last), Some((file, number, column))) = (frames.last_mut(), place(at)) {
                *last = frame(&last.function.clone(), file, number, column);
            }
        } else {
            let name = line.strip_prefix("created by ").unwrap_or(line);
            let name = name.split(" in goroutine ").next().unwrap_or(name);
            let name = if name.ends_with(')') { name.rfind('(').map_or(name, |at| &name[..at]) } else { name };
            frames.push(frame(name, "", 0, 0));
        }
    }
    frames.reverse();
    frames
}
