//! Recognises what C and C++ libraries, sanitizers and AssemblyScript print before they abort.

use super::lines::Block;
use super::lines::Lines;
use super::lines::frame;
use super::lines::place;
use super::lines::place_in_brackets;

/// The exit codes of a program that aborts without trapping.
const EXITS: &[i32] = &[134, 255];

/// The kind of a C++ exception of unknown type.
const EXCEPTION: &str = "exception";

pub(super) fn block(lines: Lines<'_>) -> Option<Block> {
    let line = lines.first();
    let block = without_exceptions(line)
        .or_else(|| terminating(line, lines.get(1)))
        .or_else(|| assertion(line))
        .or_else(|| sanitizer(line))
        .or_else(|| abort(line))?;
    Some(Block { exits: EXITS, ..block })
}

/// Reads `out_of_range was thrown in -fno-exceptions mode with message "vector"`.
fn without_exceptions(line: &str) -> Option<Block> {
    let (kind, rest) = line.split_once(" was thrown in -fno-exceptions mode")?;
    let message = rest.strip_prefix(" with message ").map_or("", |message| message.trim_matches('"'));
    let kind = kind.rsplit(' ').next().unwrap_or(kind);
    Some(Block::new(kind, message, 1))
}

/// Reads `libc++abi: terminating due to uncaught exception of type std::out_of_range: vector`, and
/// the formats of GNU.
fn terminating(line: &str, next: &str) -> Option<Block> {
    let line = line.strip_prefix("libc++abi: ").unwrap_or(line);
    if let Some(kind) = line.strip_prefix("terminate called after throwing an instance of ") {
        let message = next.trim_start().strip_prefix("what():");
        let lines = 1 + usize::from(message.is_some());
        return Some(Block::new(kind.trim_matches('\''), message.unwrap_or_default().trim(), lines));
    }
    for typed in ["terminating due to uncaught exception of type ", "terminating with uncaught exception of type "] {
        if let Some(said) = line.strip_prefix(typed) {
            // A type may contain `::`, but never `: `.
            let (kind, message) = said.split_once(": ").unwrap_or((said, ""));
            return Some(Block::new(kind, message, 1));
        }
    }
    if line.starts_with("terminating") || line.starts_with("terminate called") || line == "pure virtual method called" {
        let message = line.strip_prefix("terminating: ").unwrap_or(line);
        return Some(Block::new(EXCEPTION, message, 1));
    }
    None
}

/// Reads `Assertion failed: n < 3 (shop.c: check: 5)` of wasi-libc, `Assertion failed: n < 3, at:
/// shop.c,5,check` of Emscripten, `shop.c:5: int check(int): Assertion 'n < 3' failed` and
/// `vector:12: assertion n < size() failed: reason`.
fn assertion(line: &str) -> Option<Block> {
    if let Some((_, said)) = line.split_once("Assertion failed: ") {
        // The function is left out: the engine knows it and its callers.
        let (message, file, number) = if let Some((message, at)) = said.rsplit_once(", at: ") {
            let mut parts = at.trim_end_matches(')').split(',');
            (message, parts.next()?, parts.next()?)
        } else if let Some((message, at)) = said.strip_suffix(')').and_then(|said| said.rsplit_once(" (")) {
            let (at, number) = at.rsplit_once(": ")?;
            (message, at.split_once(": ")?.0, number)
        } else {
            return Some(Block::new("assertion", said, 1));
        };
        let place = frame("", file, number.trim().parse().ok()?, 0);
        return Some(Block { frames: vec![place], ..Block::new("assertion", message, 1) });
    }
    let (before, said) = line.split_once(": assertion ").or_else(|| line.split_once(": Assertion "))?;
    said.contains(" failed").then(|| {
        let at = before.split(": ").next().and_then(place);
        let frames = at.map(|(file, line, column)| frame("", file, line, column)).into_iter().collect();
        Block { frames, ..Block::new("assertion", said, 1) }
    })
}

/// Reads `shop.c:3:5: runtime error: signed integer overflow: 2147483647 + 1 cannot be represented
/// in type 'int'`.
fn sanitizer(line: &str) -> Option<Block> {
    if let Some((at, message)) = line.split_once(": runtime error: ") {
        let (file, line, column) = place(at)?;
        let frames = vec![frame("", file, line, column)];
        return Some(Block { frames, ..Block::new("runtime error", message, 1) });
    }
    let kind = line.strip_prefix("ubsan: ")?;
    let message = kind.split(" by ").next().unwrap_or(kind);
    Some(Block::new("runtime error", message, 1))
}

/// Reads `abort: index out of range in maths.ts(12:5)` of AssemblyScript, and `Aborted(reason)` of
/// Emscripten.
fn abort(line: &str) -> Option<Block> {
    if let Some(said) = line.strip_prefix("Aborted(").and_then(|said| said.strip_suffix(')')) {
        return (!said.is_empty()).then(|| Block::new("abort", said, 1));
    }
    let said = line.strip_prefix("abort: ")?;
    let found = said.rsplit_once(" in ").and_then(|(message, at)| Some((message, place_in_brackets(at)?)));
    let Some((message, (file, number, column))) = found else {
        return Some(Block::new("abort", said, 1));
    };
    let frames = vec![frame("", file, number, column)];
    Some(Block { frames, ..Block::new("abort", message, 1) })
}
