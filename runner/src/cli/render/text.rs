//! Builds, tracebacks, values and tables for people.

use std::fmt::Write;
use std::iter;

use console::Alignment;
use console::measure_text_width;
use console::pad_str;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::Repeated;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::reason::is_runtime;
use jobcontrol_core::run::Requester;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::Yaml;

use super::out::BOLD;
use super::out::CYAN;
use super::out::DIM;
use super::out::GREEN;
use super::out::RED;
use super::out::YELLOW;
use super::out::styled;
use super::page::Page;
use super::page::tidy;
use super::time::local;
use super::time::local_millis;
use crate::show::escape::clean;
use crate::show::escape::one_line;
use crate::show::moment::Moment;

/// The most characters of a failure's message in a one-line summary.
const FAILURE_LINE: usize = 60;

/// Spaces between two columns.
const COLUMN_GAP: usize = 2;

/// Draws a table without lines, each column as wide as its widest cell.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Page {
    let header = header.iter().map(|name| styled(BOLD, name)).collect();
    let cells = |row: Vec<String>| row.iter().map(|cell| tidy(cell).replace(['\n', '\t'], " ")).collect();
    let rows: Vec<Vec<String>> = iter::once(header).chain(rows).map(cells).collect();
    let mut widths = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    let mut page = Page::default();
    for row in rows {
        let cells =
            row.iter().zip(&widths).map(|(cell, width)| pad_str(cell, width + COLUMN_GAP, Alignment::Left, None));
        let line: String = cells.collect();
        page.line(line.trim_end());
    }
    page
}

/// Shows a return value: text as it is, everything else as YAML.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => yaml(other),
    }
}

pub(crate) fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(&Yaml(value)).unwrap_or_else(|error| format!("cannot be shown: {error}"))
}

/// Shows a build's status in its colour.
pub(crate) fn build_status(status: BuildStatus) -> String {
    let style = match status {
        BuildStatus::Created => DIM,
        BuildStatus::Running => CYAN,
        BuildStatus::Failed => RED,
        BuildStatus::Skipped => YELLOW,
        BuildStatus::Successful => GREEN,
    };
    styled(style, status)
}

/// Shows a job's status in its colour.
pub(crate) fn job_status(status: &JobStatus) -> String {
    let style = match status {
        JobStatus::NotBuilt | JobStatus::OnlySkipped => DIM,
        JobStatus::Failed | JobStatus::Failing { .. } => RED,
        JobStatus::Outdated(_) => YELLOW,
        JobStatus::Success => GREEN,
    };
    styled(style, status)
}

/// Shows how long a build took, or has been running. Returns an empty text if its process died.
pub(crate) fn took(build: &Build, moment: &Moment) -> String {
    match build.start_time {
        Some(start) if !moment.is_interrupted(build) => show_took(build.end_time.unwrap_or(moment.now).since(start)),
        _ => String::new(),
    }
}

/// Shows one log record on as many lines as its message has, after the text in `before`.
pub(crate) fn record(before: &str, record: &NewRecord) -> Page {
    let level = Level::name_of(record.level);
    let style = match record.level {
        ..20 => DIM,
        20..30 => GREEN,
        30..40 => YELLOW,
        _ => RED,
    };
    let target = if record.target.is_empty() { String::new() } else { format!(" {}", one_line(&record.target)) };
    let mut text = format!(
        "{before}{} {}{}  {}",
        local_millis(record.created),
        styled(style, format_args!("{level:<8}")),
        styled(DIM, target),
        clean(&record.message)
    );
    for (name, value) in &record.fields {
        let _ = write!(text, " {}={}", styled(DIM, one_line(name)), one_line(value));
    }
    let mut page = Page::from(text);
    if let Some(caught) = &record.failure {
        page.below(&failure(caught, &caught.frames));
    }
    page
}

/// Shows a failure on one line.
pub(crate) fn failure_line(failure: &Failure) -> String {
    let message = failure.message.lines().next().unwrap_or_default();
    let short: String = message.chars().take(FAILURE_LINE).collect();
    let cut = if short.len() < failure.message.len() { ".." } else { "" };
    one_line(&format!("{}: {short}{cut}", failure.kind))
}

/// Shows a stored record, with its attempt if there are several.
pub(crate) fn stored(stored: &LogRecord, several: bool) -> Page {
    let attempt = format!("{} ", styled(DIM, format_args!("attempt {}", stored.attempt)));
    record(if several { &attempt } else { "" }, &stored.record)
}

/// The text for a build whose deletion has begun but not ended: a process is still deleting it, or
/// died while it did.
pub(super) const DELETING: &str = "being deleted; `build delete` continues the deletion";

/// Shows the state or the outcome of a build on one line: its attempt if there were several, and
/// its failure.
pub(crate) fn outcome(build: &Build, moment: &Moment) -> String {
    if build.deleting {
        return DELETING.to_owned();
    }
    if moment.is_interrupted(build) {
        return interrupted(build);
    }
    if let Some(reason) = build.skip_reason.as_ref().filter(|_| build.skipped) {
        return one_line(reason);
    }
    if let Some(reason) = moment.waits.get(&build.id).filter(|_| !build.started) {
        return format!("waits for {}", one_line(reason));
    }
    let failure = build.exception.as_ref().map(failure_line);
    let attempt = format!("attempt {} of {}", build.attempt, build.max_attempts());
    match (build.retry_time, failure) {
        (Some(due), _) => format!("{attempt} failed, the next at {}", local(due)),
        (None, failure) if build.attempt <= 1 => failure.unwrap_or_default(),
        (None, Some(failure)) => format!("{attempt}: {failure}"),
        (None, None) => attempt,
    }
}

/// Says what happens to a build whose process died.
pub(super) fn interrupted(build: &Build) -> String {
    let (next, of) = (build.attempt + 1, build.max_attempts());
    match build.status() {
        BuildStatus::Created => "its process ended before it started".to_owned(),
        _ if next <= of && build.cancel.is_none() => format!("its process died; waiting for attempt {next} of {of}"),
        _ => "its process died".to_owned(),
    }
}

/// Shows the status of a build, or that its process died before it ended.
pub(crate) fn status_of(build: &Build, moment: &Moment) -> String {
    if moment.is_interrupted(build) { styled(YELLOW, "interrupted") } else { build_status(build.status()) }
}

/// Shows a failure with its traceback, the innermost call last, after the failures that led to it.
///
/// It begins with text of the plugin, so it belongs below a line that names the build.
pub(crate) fn failure(failure: &Failure, frames: &[Frame]) -> Page {
    let mut page = Page::default();
    let ended = failure.causes.last().filter(|_| failure.from_stderr);
    let causes = &failure.causes[..failure.causes.len() - usize::from(ended.is_some())];
    for cause in causes.iter().rev() {
        page.append(&calls(&cause.frames));
        page.line(format!("{}: {}", styled(RED, one_line(&cause.kind)), clean(&cause.message)));
        page.gap();
        page.line(styled(DIM, "which led to:"));
        page.gap();
    }
    page.append(&calls(frames));
    page.line(format!("{}: {}", styled(RED, one_line(&failure.kind.to_string())), clean(&failure.message)));
    if let Some(value @ (Value::Map(_) | Value::List(_))) = &failure.value {
        page.quote(clean(&yaml(value)));
    }
    if let Some(Cause { kind, message, .. }) = ended {
        let ended = one_line(&format!("read from standard error, before {kind}: {message}"));
        page.line(styled(DIM, ended));
    }
    page
}

/// The least number of consecutive runtime calls that are folded into one line.
const FOLDED: usize = 2;

fn calls(frames: &[Frame]) -> Page {
    let mut page = Page::default();
    if frames.is_empty() {
        return page;
    }
    page.line(styled(BOLD, "Traceback (most recent call last):"));
    let is_of_runtime = |frame: &&Frame| is_runtime(&frame.function);
    let mut rest = frames;
    while let Some(frame) = rest.first() {
        let folded = rest.iter().take_while(is_of_runtime).count();
        if folded >= FOLDED {
            page.line(format!("  {}", styled(DIM, format_args!(".. {folded} calls of the runtime .."))));
            rest = &rest[folded..];
        } else {
            page.append(&call(frame));
            rest = &rest[1..];
        }
    }
    if let Some(raw) = frames.iter().find_map(|frame| frame.raw.as_ref()) {
        let why = if raw.why.is_empty() { "they are still being looked up".to_owned() } else { one_line(&raw.why) };
        page.line(format!("  {}", styled(DIM, format_args!("lines are missing: {why}"))));
    }
    page
}

fn call(frame: &Frame) -> Page {
    let mut page = Page::default();
    let place = match (frame.file.as_str(), frame.line) {
        ("", _) => String::new(),
        (file, 0) => one_line(file),
        (file, line) if frame.column == 0 => format!("{}:{line}", one_line(file)),
        (file, line) => format!("{}:{line}:{}", one_line(file), frame.column),
    };
    let function = match frame.function.as_str() {
        "" => String::new(),
        name => format!("in {}", styled(CYAN, one_line(name))),
    };
    let known = [place, function].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    page.line(format!("  {}{}", if known.is_empty() { "?" } else { "" }, known.join(", ")));
    for (number, line) in (frame.context_start..).zip(&frame.context) {
        let mark = if number == frame.line { ">" } else { " " };
        page.line(format!("  {mark} {number:>5} | {}", one_line(line)));
    }
    for (name, value) in &frame.locals {
        page.line(format!("      {} = {}", one_line(name), one_line(value)));
    }
    if let Some(Repeated { calls, times, at_least }) = frame.repeated {
        let calls = if calls == 1 { "call was".to_owned() } else { format!("{calls} calls were") };
        let least = if at_least { "at least " } else { "" };
        let said = format_args!("the previous {calls} repeated {least}{times} more times");
        page.line(format!("  {}", styled(DIM, said)));
    }
    page
}

/// Says who or what requested a run.
pub(crate) fn requester(requester: &Requester) -> String {
    match requester {
        Requester::Cli(name) => name.clone(),
        Requester::Api(name) => format!("{name} (API)"),
        Requester::Schedule(job) => format!("the schedule of `{job}`"),
        Requester::Change => "a change".to_owned(),
        Requester::Build(id) => format!("build {id}"),
        Requester::Unknown(text) => text.clone(),
    }
}
