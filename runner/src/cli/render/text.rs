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
use jobcontrol_core::failure::Cause;
use jobcontrol_core::failure::Failure;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::failure::Repeated;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::progress::Tree;
use jobcontrol_core::reason::is_runtime;
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
use super::page::Page;
use super::page::tidy;
use crate::show::moment::Moment;

/// Characters of a failure's message where there is one line for it.
const FAILURE_LINE: usize = 60;

/// Spaces between two columns.
const COLUMN_GAP: usize = 2;

/// Columns without lines, as wide as their widest cell.
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

/// A return value: text as it is, all else as YAML.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => yaml(other),
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

/// One log record on as many lines as its message has, below what stands before it.
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
        record.created,
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

/// A failure on one line.
pub(crate) fn failure_line(failure: &Failure) -> String {
    let message = failure.message.lines().next().unwrap_or_default();
    let short: String = message.chars().take(FAILURE_LINE).collect();
    let cut = if short.len() < failure.message.len() { ".." } else { "" };
    one_line(&format!("{}: {short}{cut}", failure.kind))
}

/// A stored record, with its attempt where there are several.
pub(crate) fn stored(stored: &LogRecord, several: bool) -> Page {
    let attempt = format!("{} ", styled(DIM, format_args!("attempt {}", stored.attempt)));
    record(if several { &attempt } else { "" }, &stored.record)
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
///
/// It begins with what the plugin says, so it belongs below a line that says whose it is.
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

/// Calls of a runtime in a row that are shown as one line.
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
        let why = if raw.why.is_empty() { "they are still looked for".to_owned() } else { one_line(&raw.why) };
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
    if let Some(Repeated { calls, times }) = frame.repeated {
        let calls = if calls == 1 { "call was".to_owned() } else { format!("{calls} calls were") };
        page.line(format!("  {}", styled(DIM, format_args!("the previous {calls} repeated {times} more times"))));
    }
    page
}

/// A build, whole.
pub(crate) fn build(
    build: &Build,
    repr: Option<&str>,
    attempts: &[Attempt],
    progress: &[Progress],
    run: Option<&Run>,
    moment: &Moment,
) -> Page {
    let is_interrupted = moment.is_interrupted(build);
    let mut page = Page::default();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            page.line(format!("{} {value}", styled(BOLD, format_args!("{name:<10}"))));
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
        quoted(&mut page, name, &yaml(value));
    }
    if attempts.len() > 1 || build.retry_time.is_some() {
        section(&mut page, "attempts", &attempts_table(attempts, moment.now));
    }
    if !progress.is_empty() {
        section(&mut page, "progress", &tree(&Tree::of(progress)));
    }
    if let Some(retval) = &build.retval {
        let shown = repr.map_or_else(|| value(retval), str::to_owned);
        quoted(&mut page, "retval", &shown);
    }
    if let Some(exception) = &build.exception {
        section(&mut page, "failure", &failure(exception, &build.exception_tb));
    }
    page
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

fn attempts_table(attempts: &[Attempt], now: Timestamp) -> Page {
    let row = |attempt: &Attempt| {
        let took = attempt.end_time.unwrap_or(now).since(attempt.start_time);
        let failure = attempt.failure.as_ref().map(failure_line).unwrap_or_default();
        vec![attempt.number.to_string(), attempt.start_time.to_string(), seconds(took), failure]
    };
    table(&["ATTEMPT", "STARTED", "TOOK", "FAILURE"], attempts.iter().map(row).collect())
}

fn section(page: &mut Page, name: &str, body: &Page) {
    page.gap();
    page.line(styled(BOLD, one_line(name)));
    page.below(body);
}

fn quoted(page: &mut Page, name: &str, text: &str) {
    section(page, name, &Page::default());
    page.quote(clean(text));
}

fn tree(root: &Tree) -> Page {
    fn label(node: &Tree) -> String {
        let name = if node.name.is_empty() { "all".to_owned() } else { one_line(&node.name) };
        let of = if node.total == 0 { String::new() } else { format!("/{}", node.total) };
        format!("{name} {}{of} {}", node.current, one_line(&node.status_line)).trim_end().to_owned()
    }
    fn branch(node: &Tree) -> termtree::Tree<String> {
        termtree::Tree::new(label(node)).with_leaves(node.children.iter().map(branch))
    }
    let mut page = Page::default();
    page.drawn(&branch(root).to_string());
    page
}

#[cfg(test)]
mod tests {
    use jobcontrol_core::failure::FailureKind;
    use proptest::prelude::*;

    use super::*;

    /// Begins each line that a plugin wrote and that is not its first.
    const FOREIGN: &str = "FOREIGN";

    fn words() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ -~]{0,8}|[\\t\\r\u{85}\u{2028}\u{1b}\u{200b}é]{0,3}", 0..4)
            .prop_map(|lines| lines.join(&format!("\n{FOREIGN}")))
    }

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let frame = (words(), any::<u32>(), words(), words(), (words(), words()));
        let frame = frame.prop_map(|(file, line, function, context, local)| Frame {
            file,
            line,
            function,
            context: vec![context],
            context_start: line,
            locals: vec![local],
            ..Frame::default()
        });
        proptest::collection::vec(frame, 0..3)
    }

    fn failures() -> impl Strategy<Value = Failure> {
        (words(), words(), frames(), words(), words(), frames()).prop_map(|(kind, message, frames, of, why, below)| {
            let causes = vec![Cause { kind: of, message: why.clone(), frames: below }];
            let value = Some(Value::List(vec![Value::String(why)]));
            Failure { kind: FailureKind::Plugin(kind), message, value, causes, frames, from_stderr: true }
        })
    }

    fn progress() -> impl Strategy<Value = Progress> {
        (words(), words()).prop_map(|(group_name, status_line)| Progress {
            group_name,
            status_line,
            current: 1,
            total: 2,
        })
    }

    fn build_of(job: &str) -> Build {
        Build {
            id: 1,
            job_id: job.to_owned(),
            created: Timestamp(0),
            start_time: None,
            end_time: None,
            started: true,
            finished: true,
            success: false,
            skipped: false,
            config: Value::Map(Vec::new()),
            pins: Vec::new(),
            run: None,
            rerun_of: None,
            pool: None,
            retval: None,
            skip_reason: None,
            usage: None,
            exception: None,
            exception_tb: Vec::new(),
            owner: None,
            attempt: 1,
            attempt_time: None,
            retry_time: None,
            cancel: None,
            plugin: None,
            deleting: false,
            retval_type: None,
            retval_digest: None,
        }
    }

    /// No line begins with what a plugin wrote after a line end, nor with what it wrote where it is to be moved in.
    fn is_ours(page: &Page) -> Result<(), TestCaseError> {
        for line in page.as_str().lines() {
            let plain = console::strip_ansi_codes(line);
            prop_assert!(!plain.starts_with(FOREIGN), "{}", page.as_str());
            prop_assert!(!plain.contains(['\u{1b}', '\r', '\u{85}', '\u{2028}', '\u{200b}']), "{plain:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_a_plugin_says_no_line_of_it_looks_like_ours(
            failure in failures(),
            message in words(),
            target in words(),
            field in (words(), words()),
            reason in words(),
            group in progress(),
        ) {
            let said = NewRecord {
                fields: vec![field],
                failure: Some(failure.clone()),
                ..NewRecord::new(Timestamp(0), Level::Info, target, &*message)
            };
            is_ours(&record("job ", &said))?;
            let mut below = Page::from("job: build 1 FAILED");
            below.below(&super::failure(&failure, &failure.frames));
            is_ours(&below)?;
            for line in below.as_str().lines().skip(1) {
                prop_assert!(line.is_empty() || line.starts_with("  "), "{}", below.as_str());
            }
            let build = Build {
                skip_reason: Some(reason.clone()),
                retval: Some(Value::String(message)),
                exception_tb: failure.frames.clone(),
                exception: Some(failure),
                ..build_of("job")
            };
            let moment = Moment::default();
            is_ours(&super::build(&build, Some(&reason), &[], &[group], None, &moment))?;
            is_ours(&super::build(&build, None, &[], &[], None, &moment))?;
            is_ours(&table(&["A"], vec![vec![outcome(&build, &moment)], vec![reason]]))?;
        }
    }
}
