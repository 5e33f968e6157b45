//! Why a build failed: its calls with their lines of code and local variables. The innermost call
//! is expanded.

use askama::Template;
use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::failure;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::value::Value;

use super::row::line;
use super::times::thousands;
use super::value::Tree;
use crate::show::escape::clean;
use crate::show::escape::one_line;

/// Most characters of a message, and of a local variable.
const MESSAGE: usize = 4_000;
const LOCAL: usize = 1_000;
/// Most calls of one traceback, and most local variables of a call.
const CALLS: usize = 60;
const LOCALS: usize = 40;
/// Most links in a chain of failures.
const CAUSES: usize = 20;

/// A failure as a page shows it.
#[derive(Template)]
#[template(path = "failure.html")]
pub(super) struct Failed {
    kind: String,
    message: String,
    why: String,
    calls: Vec<Call>,
    /// How many calls in the middle are left out.
    left_out: usize,
    causes: Vec<Cause>,
    value: Option<Tree>,
    rerun: String,
}

struct Call {
    function: String,
    place: String,
    note: String,
    code: Vec<Line>,
    locals: Vec<Local>,
    is_open: bool,
}

struct Line {
    number: u32,
    text: String,
    is_hit: bool,
}

struct Local {
    name: String,
    value: String,
    /// Whether the failed line uses it.
    is_on_line: bool,
}

struct Cause {
    kind: String,
    message: String,
    calls: Vec<Call>,
}

impl Failed {
    /// Returns the failure of a build, or `None` if the build did not fail.
    pub(super) fn of(build: &Build, attempts: &[Attempt], progress: &[Progress]) -> Option<Self> {
        let failure = build.exception.as_ref()?;
        let frames = &build.exception_tb;
        let (calls, left_out) = calls(frames);
        let cause = |cause: &failure::Cause| Cause {
            kind: line(&cause.kind),
            message: cut(&cause.message, MESSAGE),
            calls: self::calls(&cause.frames).0.into_iter().map(|call| Call { is_open: false, ..call }).collect(),
        };
        Some(Self {
            kind: line(&failure.kind.to_string()),
            message: cut(&failure.message, MESSAGE),
            why: why(build, attempts, progress),
            calls,
            left_out,
            causes: failure.causes.iter().take(CAUSES).map(cause).collect(),
            value: failure.value.as_ref().filter(|value| **value != Value::Null).map(|value| Tree::of("", value)),
            rerun: format!("jobcontrol build rerun {}", build.id),
        })
    }
}

/// Describes how many attempts failed in the same way, and how far the build had got.
fn why(build: &Build, attempts: &[Attempt], progress: &[Progress]) -> String {
    let mut parts = Vec::new();
    let same = |attempt: &Attempt| match (&attempt.failure, &build.exception) {
        (Some(one), Some(other)) => one.kind == other.kind && one.message == other.message,
        _ => false,
    };
    if attempts.len() > 1 {
        let all = attempts.len();
        match attempts.iter().filter(|attempt| same(attempt)).count() {
            alike if alike == all => parts.push(format!("The same in all {all} attempts.")),
            alike => parts.push(format!("The same in {alike} of {all} attempts.")),
        }
    }
    let last = progress.iter().rev().find(|report| report.total > 0 && report.current < report.total);
    if let Some(report) = last {
        let group =
            if report.group_name.is_empty() { String::new() } else { format!("{} ", one_line(&report.group_name)) };
        let (current, total) = (thousands(report.current), thousands(report.total));
        let said =
            if report.status_line.is_empty() { String::new() } else { format!(", {}", line(&report.status_line)) };
        parts.push(format!("The last progress was {group}{current} of {total}{said}."));
    }
    parts.join(" ")
}

/// Returns the calls of a traceback, and how many were left out in the middle of a very long one.
fn calls(frames: &[Frame]) -> (Vec<Call>, usize) {
    let left_out = frames.len().saturating_sub(CALLS);
    let shown =
        frames.iter().enumerate().filter(|(at, _)| left_out == 0 || *at < CALLS / 2 || *at >= CALLS / 2 + left_out);
    let last = frames.len().saturating_sub(1);
    (shown.map(|(at, frame)| call(frame, at == last)).collect(), left_out)
}

fn call(frame: &Frame, is_last: bool) -> Call {
    let place = match (frame.file.as_str(), frame.line) {
        ("", _) => String::new(),
        (file, 0) => one_line(file),
        (file, at) => format!("{}:{at}", one_line(file)),
    };
    let function = if frame.function.is_empty() { "an unknown function".to_owned() } else { line(&frame.function) };
    let numbers = frame.context_start..;
    let code: Vec<Line> = numbers
        .zip(&frame.context)
        .map(|(number, text)| Line {
            number,
            text: clean(text.trim_end_matches(['\n', '\r'])).into_owned(),
            is_hit: number == frame.line,
        })
        .collect();
    let hit = code.iter().find(|line| line.is_hit).map(|line| line.text.clone()).unwrap_or_default();
    let mut locals: Vec<Local> =
        frame.locals.iter().take(LOCALS).map(|(name, value)| local(name, value, &hit)).collect();
    // Variables of the failed line come first.
    locals.sort_by_key(|local| !local.is_on_line);
    let repeated = frame.repeated.map(|repeated| {
        let at_least = if repeated.at_least { "at least " } else { "" };
        format!("{} calls, {at_least}{} more times", repeated.calls, repeated.times)
    });
    let note = match (repeated, locals.len()) {
        (Some(repeated), _) => repeated,
        (None, _) if is_last => "raised here".to_owned(),
        (None, 0) => String::new(),
        (None, 1) => "1 local".to_owned(),
        (None, many) => format!("{many} locals"),
    };
    Call { function, place, note, code, locals, is_open: is_last }
}

fn local(name: &str, value: &str, line: &str) -> Local {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_on_line = !name.is_empty() && line.split(|c| !is_word(c)).any(|word| word == name);
    Local { name: one_line(name), value: one_line(&cut(value, LOCAL)), is_on_line }
}

/// Cleans a text of several lines, and shortens it if it is long.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut text = text.to_owned();
    failure::cut(&mut text, most);
    clean(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_call_is_open_and_its_lines_variables_come_first() {
        let frame = Frame {
            file: "risk.py".to_owned(),
            line: 22,
            function: "decay".to_owned(),
            context: vec!["def decay(days, rhythm):".to_owned(), "    return days / rhythm".to_owned()],
            context_start: 21,
            locals: [("grace", "1.5"), ("rhythm", "0.0"), ("day", "x")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into(),
            ..Frame::default()
        };
        let (calls, left_out) = calls(&[Frame::default(), frame]);
        assert_eq!((calls.len(), left_out, calls[0].is_open, calls[1].is_open), (2, 0, false, true));
        assert_eq!(calls[1].place, "risk.py:22");
        assert!(calls[1].code[1].is_hit && !calls[1].code[0].is_hit);
        let names: Vec<_> = calls[1].locals.iter().map(|local| (local.name.as_str(), local.is_on_line)).collect();
        assert_eq!(names, [("rhythm", true), ("grace", false), ("day", false)]);
    }

    #[test]
    fn a_very_deep_traceback_has_its_ends() {
        let frames: Vec<Frame> =
            (0..1_000).map(|line| Frame { file: "f".to_owned(), line: line + 1, ..Frame::default() }).collect();
        let (calls, left_out) = calls(&frames);
        assert_eq!((calls.len(), left_out), (CALLS, 1_000 - CALLS));
        assert_eq!((calls[0].place.as_str(), calls[CALLS - 1].place.as_str()), ("f:1", "f:1000"));
    }
}
