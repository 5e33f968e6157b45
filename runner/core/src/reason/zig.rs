//! Recognises panics of Zig and TinyGo, `panic: reason` or `thread 1 panic: reason`, with the calls
//! if they were printed.

use super::lines::Block;
use super::lines::Lines;
use super::lines::frame;
use super::lines::place;
use crate::failure::Frame;

/// Exit codes of a program after a panic.
const EXITS: &[i32] = &[1, 3, 134];

pub(super) fn block(lines: Lines<'_>) -> Option<Block> {
    let line = lines.first();
    let message = line.strip_prefix("panic: ").or_else(|| {
        let (thread, message) = line.strip_prefix("thread ")?.split_once(" panic: ")?;
        thread.parse::<u64>().ok().map(|_| message)
    })?;
    let length = lines.while_from(1, |line| call(line).is_some() || line.starts_with(' ') && !line.trim().is_empty());
    let mut frames: Vec<_> = lines.0.iter().skip(1).take(length).filter_map(|line| call(line)).collect();
    frames.reverse();
    // A frame without a name and a line is of no use.
    frames.retain(|frame| frame.line > 0 || !frame.function.is_empty());
    Some(Block { frames, exits: EXITS, ..Block::new("panic", message, 1 + length) })
}

/// Reads `/src/shop.zig:80:28: 0x1234 in percentOff (shop.wasm)`.
fn call(line: &str) -> Option<Frame> {
    let (at, rest) = line.split_once(": 0x")?;
    let (_, name) = rest.split_once(" in ")?;
    let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
    let name = if name == "???" { "" } else { name };
    let (file, number, column) = place(at).unwrap_or_default();
    Some(frame(name, file, number, column))
}
