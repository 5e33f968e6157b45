//! Builds, tracebacks, values and tables for people.

use std::fmt::Write;
use std::iter;

use console::Alignment;
use console::measure_text_width;
use console::pad_str;
use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::config;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::progress::Tree;
use jobcontrol_core::run::Requester;
use jobcontrol_core::run::Run;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::LogRecord;
use jobcontrol_core::usage::Usage;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::Yaml;

use super::escape::clean;
use super::escape::one_line;
use super::out::BOLD;
use super::out::CYAN;
use super::out::DIM;
use super::out::GREEN;
use super::out::RED;
use super::out::YELLOW;
use super::out::styled;
use crate::show::moment::Moment;

/// Characters of a failure's message where there is one line for it.
const FAILURE_LINE: usize = 60;

/// Spaces between two columns.
const COLUMN_GAP: usize = 2;

/// Columns without lines, as wide as their widest cell.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let header = header.iter().map(|name| styled(BOLD, name)).collect();
    let rows: Vec<Vec<String>> = iter::once(header).chain(rows).collect();
    let mut widths = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter().zip(&widths).map(|(cell, width)| pad_str(cell, width + COLUMN_GAP, Alignment::Left, None));
        let line: String = cells.collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A return value: text as it is, all else as YAML.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text).into_owned(),
        other => clean(&yaml(other)).into_owned(),
    }
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(&Yaml(value)).unwrap_or_else(|error| format!("cannot be shown: {error}"))
}

/// A status in its colour.
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

/// A status in its colour.
pub(crate) fn job_status(status: &JobStatus) -> String {
    let style = match status {
        JobStatus::NotBuilt => DIM,
        JobStatus::Failed => RED,
        JobStatus::Outdated(_) => YELLOW,
        JobStatus::Success => GREEN,
    };
    styled(style, status)
}

/// How long a build took, or has been running; nothing for one whose process died.
pub(crate) fn took(build: &Build, moment: &Moment) -> String {
    match build.start_time {
        Some(start) if !moment.is_interrupted(build) => seconds(build.end_time.unwrap_or(moment.now).since(start)),
        _ => String::new(),
    }
}

/// Microseconds as a person reads them.
pub(crate) fn seconds(micros: u64) -> String {
    match micros {
        0..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", micros / 1_000_000, micros / 10_000 % 100),
        _ => format!("{} min {} s", micros / 60_000_000, micros / 1_000_000 % 60),
    }
}

/// One log record on as many lines as its message has.
pub(crate) fn record(record: &NewRecord) -> String {
    let level = Level::name_of(record.level);
    let style = match record.level {
        ..20 => DIM,
        20..30 => GREEN,
        30..40 => YELLOW,
        _ => RED,
    };
    let target = if record.target.is_empty() { String::new() } else { format!(" {}", one_line(&record.target)) };
    let mut text = format!(
        "{} {}{}  {}",
        record.created,
        styled(style, format_args!("{level:<8}")),
        styled(DIM, target),
        clean(&record.message)
    );
    for (name, value) in &record.fields {
        let _ = write!(text, " {}={}", styled(DIM, one_line(name)), one_line(value));
    }
    if let Some(caught) = &record.failure {
        let _ = write!(text, "\n{}", failure(caught, &caught.frames).trim_end());
    }
    text
}

/// A failure on one line.
pub(crate) fn failure_line(failure: &Failure) -> String {
    let message = failure.message.lines().next().unwrap_or_default();
    let short: String = message.chars().take(FAILURE_LINE).collect();
    let cut = if short.len() < failure.message.len() { ".." } else { "" };
    one_line(&format!("{}: {short}{cut}", failure.kind))
}

/// A stored record, with its attempt where there are several.
pub(crate) fn stored(stored: &LogRecord, several: bool) -> String {
    let text = record(&stored.record);
    if several { format!("{} {text}", styled(DIM, format_args!("attempt {}", stored.attempt))) } else { text }
}

/// Said of a build whose deletion has begun and not ended: by a process that is at it, or that died over it.
const DELETING: &str = "being deleted; `build delete` goes on with it";

/// How a build stands or ended, on one line: its attempt if there were several, and its failure.
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
    let failure = build.exception.as_ref().map(failure_line);
    let attempt = format!("attempt {} of {}", build.attempt, build.max_attempts());
    match (build.retry_time, failure) {
        (Some(due), _) => format!("{attempt} failed, the next at {due}"),
        (None, failure) if build.attempt <= 1 => failure.unwrap_or_default(),
        (None, Some(failure)) => format!("{attempt}: {failure}"),
        (None, None) => attempt,
    }
}

/// What becomes of a build whose process died.
fn interrupted(build: &Build) -> String {
    let (next, of) = (build.attempt + 1, build.max_attempts());
    match build.status() {
        BuildStatus::Created => "its process ended before it started".to_owned(),
        _ if next <= of && build.cancel.is_none() => format!("its process died; waiting for attempt {next} of {of}"),
        _ => "its process died".to_owned(),
    }
}

/// The status of a build, or that its process died before it ended.
pub(crate) fn status_of(build: &Build, moment: &Moment) -> String {
    if moment.is_interrupted(build) { styled(YELLOW, "interrupted") } else { build_status(build.status()) }
}

/// A failure with its traceback, the innermost call last, and what led to it first.
pub(crate) fn failure(failure: &Failure, frames: &[Frame]) -> String {
    let mut text = String::new();
    for cause in failure.causes.iter().rev() {
        text.push_str(&calls(&cause.frames));
        let _ = writeln!(text, "{}: {}", styled(RED, one_line(&cause.kind)), clean(&cause.message));
        let _ = writeln!(text, "\n{}\n", styled(DIM, "which led to:"));
    }
    text.push_str(&calls(frames));
    let _ = writeln!(text, "{}: {}", styled(RED, one_line(&failure.kind.to_string())), clean(&failure.message));
    if let Some(value @ (Value::Map(_) | Value::List(_))) = &failure.value {
        for line in clean(&yaml(value)).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn calls(frames: &[Frame]) -> String {
    if frames.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", styled(BOLD, "Traceback (most recent call last):"));
    for frame in frames {
        text.push_str("  ");
        let place = match (frame.file.as_str(), frame.line) {
            ("", _) => String::new(),
            (file, 0) => one_line(file),
            (file, line) => format!("{}:{line}", one_line(file)),
        };
        let function = match frame.function.as_str() {
            "" => String::new(),
            name => format!("in {}", styled(CYAN, one_line(name))),
        };
        let known = [place, function].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        text.push_str(if known.is_empty() { "?" } else { "" });
        text.push_str(&known.join(", "));
        text.push('\n');
        for (number, line) in (frame.context_start..).zip(&frame.context) {
            let mark = if number == frame.line { ">" } else { " " };
            let _ = writeln!(text, "  {mark} {number:>5} | {}", one_line(line));
        }
        for (name, value) in &frame.locals {
            let _ = writeln!(text, "      {} = {}", one_line(name), one_line(value));
        }
    }
    if let Some(raw) = frames.iter().find_map(|frame| frame.raw.as_ref()) {
        let why = if raw.why.is_empty() { "they are still looked for".to_owned() } else { one_line(&raw.why) };
        let _ = writeln!(text, "  {}", styled(DIM, format_args!("lines are missing: {why}")));
    }
    text
}

/// A build, whole.
pub(crate) fn build(
    build: &Build,
    repr: Option<&str>,
    attempts: &[Attempt],
    progress: &[Progress],
    run: Option<&Run>,
    moment: &Moment,
) -> String {
    let is_interrupted = moment.is_interrupted(build);
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{} {value}", styled(BOLD, format_args!("{name:<10}")));
        }
    };
    row("build", &build.id.to_string());
    row("job", &build.job_id);
    row("status", &status_of(build, moment));
    row("", &if is_interrupted { interrupted(build) } else { String::new() });
    row("skipped", &one_line(build.skip_reason.as_deref().unwrap_or_default()));
    let asked = |run: &Run| format!("{}, requested by {}", run.id, one_line(&requester(&run.requester)));
    row("run", &run.map(asked).unwrap_or_default());
    let edited = if config::is_edited(&build.config) { ", with other arguments" } else { "" };
    row("rerun of", &build.rerun_of.map(|id| format!("build {id}{edited}")).unwrap_or_default());
    row("created", &build.created.to_string());
    row("started", &build.start_time.map(|t| t.to_string()).unwrap_or_default());
    row("ended", &build.end_time.map(|t| t.to_string()).unwrap_or_default());
    row("took", &took(build, moment));
    row("used", &build.usage.map(|usage| used(build, usage)).unwrap_or_default());
    row("pool", &build.pool.as_ref().map(|pool| format!("{}, {} slots", pool.name, pool.slots)).unwrap_or_default());
    if build.attempt > 1 || build.retry_time.is_some() {
        row("attempt", &format!("{} of {}", build.attempt, build.max_attempts()));
    }
    row("next", &build.retry_time.map(|due| format!("attempt {} at {due}", build.attempt + 1)).unwrap_or_default());
    row("cancel", &build.cancel.as_ref().map(|by| format!("asked for by {}", one_line(by))).unwrap_or_default());
    row("deletion", if build.deleting { DELETING } else { "" });
    row("function", &one_line(config::function(&build.config)));
    row("plugin", &build.plugin.as_ref().map(|digest| format!("sha256:{digest}")).unwrap_or_default());
    let pins = build.pins.iter().map(|pin| format!("{} (build {})", pin.job, pin.build)).collect::<Vec<_>>();
    row("uses", &pins.join(", "));
    for (name, value) in config::shown_arguments(&build.config) {
        section(&mut text, name, &clean(&yaml(value)));
    }
    if attempts.len() > 1 || build.retry_time.is_some() {
        section(&mut text, "attempts", &attempts_table(attempts, moment.now));
    }
    if !progress.is_empty() {
        section(&mut text, "progress", &tree(&Tree::of(progress)));
    }
    if let Some(retval) = &build.retval {
        let shown = repr.map_or_else(|| value(retval), |text| clean(text).into_owned());
        section(&mut text, "retval", &shown);
    }
    if let Some(exception) = &build.exception {
        let _ = writeln!(text, "\n{}", failure(exception, &build.exception_tb).trim_end());
    }
    text
}

/// What a build used, beside what it may use.
fn used(build: &Build, usage: Usage) -> String {
    let of =
        config::limit(&build.config, "memory").map(|limit| format!(" of {}", show_bytes(limit))).unwrap_or_default();
    format!("{}{of} of memory, {} of guest time", show_bytes(usage.peak_memory), seconds(usage.guest_time))
}

/// Who or what asked for a run, in words.
pub(crate) fn requester(requester: &Requester) -> String {
    match requester {
        Requester::Cli(name) => name.clone(),
        Requester::Api(name) => format!("{name} (API)"),
        Requester::Schedule(job) => format!("the schedule of `{job}`"),
        Requester::Build(id) => format!("build {id}"),
        Requester::Unknown(text) => text.clone(),
    }
}

fn attempts_table(attempts: &[Attempt], now: Timestamp) -> String {
    let row = |attempt: &Attempt| {
        let took = attempt.end_time.unwrap_or(now).since(attempt.start_time);
        let failure = attempt.failure.as_ref().map(failure_line).unwrap_or_default();
        vec![attempt.number.to_string(), attempt.start_time.to_string(), seconds(took), failure]
    };
    table(&["ATTEMPT", "STARTED", "TOOK", "FAILURE"], attempts.iter().map(row).collect())
}

fn section(text: &mut String, name: &str, body: &str) {
    let _ = writeln!(text, "\n{}", styled(BOLD, name));
    for line in body.lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn tree(root: &Tree) -> String {
    fn label(node: &Tree) -> String {
        let name = if node.name.is_empty() { "all".to_owned() } else { one_line(&node.name) };
        let of = if node.total == 0 { String::new() } else { format!("/{}", node.total) };
        format!("{name} {}{of} {}", node.current, one_line(&node.status_line)).trim_end().to_owned()
    }
    fn branch(node: &Tree) -> termtree::Tree<String> {
        termtree::Tree::new(label(node)).with_leaves(node.children.iter().map(branch))
    }
    branch(root).to_string()
}
