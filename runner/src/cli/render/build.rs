//! Shows a whole build, and what helps to understand a failed one.

use jobcontrol_core::build::Attempt;
use jobcontrol_core::build::Build;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::config;
use jobcontrol_core::config::BuildConfig;
use jobcontrol_core::failure::cut;
use jobcontrol_core::grants::Grants;
use jobcontrol_core::limits::show_bytes;
use jobcontrol_core::limits::show_took;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::progress::Tree;
use jobcontrol_core::run::Run;
use jobcontrol_core::usage::Traffic;
use jobcontrol_core::usage::Usage;

use super::out::BOLD;
use super::out::styled;
use super::page::Page;
use super::shortened::FULL;
use super::shortened::RETVAL_LINES;
use super::shortened::shortened;
use super::text::DELETING;
use super::text::failure;
use super::text::failure_line;
use super::text::interrupted;
use super::text::requester;
use super::text::status_of;
use super::text::stored;
use super::text::table;
use super::text::took;
use super::text::value;
use super::text::yaml;
use super::time::local;
use crate::show::aftermath::Aftermath;
use crate::show::escape::clean;
use crate::show::escape::one_line;
use crate::show::moment::Moment;

/// The most lines of each part of a failed build's arguments.
const ARGUMENT_LINES: usize = 20;
/// The most characters of a log record's message in an excerpt of the log.
const MESSAGE: usize = 500;
/// How to show all of an argument.
const SHOWN_IN: &str = "`--format json` shows all";

/// A build with everything that is shown with it.
pub(crate) struct Whole<'a> {
    pub(crate) build: &'a Build,
    /// The text that its `repr_function` made of its return value.
    pub(crate) repr: Option<&'a str>,
    pub(crate) attempts: &'a [Attempt],
    pub(crate) progress: &'a [Progress],
    pub(crate) run: Option<&'a Run>,
    /// Details of a failed build.
    pub(crate) aftermath: Option<&'a Aftermath>,
    /// Whether to show all of a return value.
    pub(crate) full: bool,
}

/// Shows a whole build.
pub(crate) fn build(whole: &Whole<'_>, moment: &Moment) -> Page {
    let mut page = head(whole.build, whole.run, moment);
    let Whole { build, attempts, aftermath, .. } = whole;
    if aftermath.is_none() {
        for (name, value) in config::shown_arguments(&build.config) {
            quoted(&mut page, name, &yaml(value));
        }
    }
    if attempts.len() > 1 || build.retry_time.is_some() {
        section(&mut page, "attempts", &attempts_table(attempts, moment.now));
    }
    if !whole.progress.is_empty() {
        section(&mut page, "progress", &tree(&Tree::of(whole.progress)));
    }
    if let Some(retval) = &build.retval {
        let shown = whole.repr.map_or_else(|| value(retval), str::to_owned);
        let shown = if whole.full { shown } else { shortened(&shown, RETVAL_LINES, FULL) };
        quoted(&mut page, "retval", &shown);
    }
    if let Some(exception) = &build.exception {
        section(&mut page, "failure", &failure(exception, &build.exception_tb));
    }
    if let Some(aftermath) = aftermath {
        page.append(&ending(build, aftermath));
    }
    page
}

/// Shows what helps to understand a failed build, below its failure.
pub(crate) fn ending(build: &Build, aftermath: &Aftermath) -> Page {
    let mut page = Page::default();
    for (name, value) in &aftermath.args {
        quoted(&mut page, name, &shortened(&yaml(value), ARGUMENT_LINES, SHOWN_IN));
    }
    if !aftermath.log.is_empty() {
        let several = build.attempt > 1;
        let mut records = Page::default();
        for record in &aftermath.log {
            let mut record = record.clone();
            cut(&mut record.record.message, MESSAGE);
            record.record.failure = None;
            records.append(&stored(&record, several));
        }
        section(&mut page, "last log records", &records);
    }
    page.gap();
    page.line(format!("{} jobcontrol build rerun {}", styled(BOLD, "again:   "), build.id));
    page.line(format!("{} jobcontrol logs {}", styled(BOLD, "full log:"), build.id));
    page
}

/// Shows the properties of a build, without its arguments and its outcome.
fn head(build: &Build, run: Option<&Run>, moment: &Moment) -> Page {
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
    row("waits for", moment.waits.get(&build.id).map_or("", String::as_str));
    row("skipped", &one_line(build.skip_reason.as_deref().unwrap_or_default()));
    let asked = |run: &Run| format!("{}, requested by {}", run.id, one_line(&requester(&run.requester)));
    row("run", &run.map(asked).unwrap_or_default());
    let edited = if build.edited { ", with other arguments" } else { "" };
    row("rerun of", &build.rerun_of.map(|id| format!("build {id}{edited}")).unwrap_or_default());
    row("created", &local(build.created));
    row("started", &build.start_time.map(local).unwrap_or_default());
    row("ended", &build.end_time.map(local).unwrap_or_default());
    row("took", &took(build, moment));
    row("used", &build.usage.map(|usage| used(build, usage)).unwrap_or_default());
    row("pool", &build.pool.as_ref().map(|pool| format!("{}, {} slots", pool.name, pool.slots)).unwrap_or_default());
    if build.attempt > 1 || build.retry_time.is_some() {
        row("attempt", &format!("{} of {}", build.attempt, build.max_attempts()));
    }
    row("worker", &build.worker.as_deref().map(one_line).unwrap_or_default());
    row(
        "next",
        &build.retry_time.map(|due| format!("attempt {} at {}", build.attempt + 1, local(due))).unwrap_or_default(),
    );
    row("cancel", &build.cancel.as_ref().map(|by| format!("requested by {}", one_line(by))).unwrap_or_default());
    row("deletion", if build.deleting { DELETING } else { "" });
    row("function", &one_line(config::function(&build.config)));
    row("plugin", &build.plugin.as_ref().map(|digest| format!("sha256:{digest}")).unwrap_or_default());
    let pins = build.pins.iter().map(|pin| format!("{} (build {})", pin.job, pin.build)).collect::<Vec<_>>();
    row("uses", &pins.join(", "));
    row("granted", &one_line(&granted(BuildConfig::from_value(&build.config).grants()).join(", ")));
    page
}

/// Describes each grant of a job or a build.
pub(crate) fn granted(grants: &Grants) -> Vec<String> {
    let files = grants.files.iter().map(|grant| {
        let quota = grant.quota.map(|quota| format!(", {} at most", show_bytes(quota))).unwrap_or_default();
        format!("{} as {} for {}{quota}", grant.host, grant.guest, if grant.write { "writing" } else { "reading" })
    });
    let variables = grants.env.iter().map(|grant| format!("variable {}", grant.name));
    let secrets = grants.secrets.iter().map(|grant| format!("secret {}", grant.name));
    let rules = grants.http.iter().filter_map(|grant| grant.rule.as_ref());
    let http = rules.map(|rule| format!("HTTP {rule}"));
    let clock = grants.clock.iter().map(|grant| format!("clock fixed at {}", grant.time));
    let random = grants.random.iter().map(|grant| format!("random numbers of seed {}", grant.seed));
    files.chain(variables).chain(secrets).chain(http).chain(clock).chain(random).collect()
}

/// Shows what a build used, beside its memory limit.
fn used(build: &Build, usage: Usage) -> String {
    let of =
        config::limit(&build.config, "memory").map(|limit| format!(" of {}", show_bytes(limit))).unwrap_or_default();
    let used =
        format!("{}{of} of memory, {} of guest time", show_bytes(usage.peak_memory), show_took(usage.guest_time));
    match usage.traffic {
        Traffic { requests: 0, .. } => used,
        Traffic { requests, sent, received } => {
            let (what, sent) = (if requests == 1 { "HTTP request" } else { "HTTP requests" }, show_bytes(sent));
            format!("{used}, {requests} {what} ({sent} sent, {} received)", show_bytes(received))
        }
    }
}

fn attempts_table(attempts: &[Attempt], now: Timestamp) -> Page {
    let has_workers = attempts.iter().any(|attempt| attempt.worker.is_some());
    let row = |attempt: &Attempt| {
        let took = attempt.end_time.unwrap_or(now).since(attempt.start_time);
        let failure = attempt.failure.as_ref().map(failure_line).unwrap_or_default();
        let worker = has_workers.then(|| one_line(attempt.worker.as_deref().unwrap_or_default()));
        let mut cells = vec![attempt.number.to_string(), local(attempt.start_time), show_took(took)];
        cells.extend(worker.into_iter().chain([failure]));
        cells
    };
    let mut names = vec!["ATTEMPT", "STARTED", "TOOK"];
    names.extend(has_workers.then_some("WORKER").into_iter().chain(["FAILURE"]));
    table(&names, attempts.iter().map(row).collect())
}

fn section(page: &mut Page, name: &str, body: &Page) {
    page.gap();
    page.line(styled(BOLD, one_line(name)));
    page.below(body);
}

/// Adds text of a plugin or a person, indented below its name.
pub(crate) fn quoted(page: &mut Page, name: &str, text: &str) {
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
    use jobcontrol_core::event::Level;
    use jobcontrol_core::event::NewRecord;
    use jobcontrol_core::failure::Cause;
    use jobcontrol_core::failure::Failure;
    use jobcontrol_core::failure::FailureKind;
    use jobcontrol_core::failure::Frame;
    use jobcontrol_core::storage::LogRecord;
    use jobcontrol_core::value::Value;
    use proptest::prelude::*;

    use super::super::text;
    use super::*;

    /// The beginning of each line of plugin text except the first.
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
            edited: false,
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
            worker: None,
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

    /// Checks that no line begins with what a plugin wrote after a line end, nor with plugin text
    /// that should be indented.
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
            words in words(),
            group in progress(),
        ) {
            let said = NewRecord {
                fields: vec![field],
                failure: Some(failure.clone()),
                ..NewRecord::new(Timestamp(0), Level::Info, target, &*message)
            };
            is_ours(&text::record("job ", &said))?;
            let mut below = Page::from("job: build 1 FAILED");
            below.below(&text::failure(&failure, &failure.frames));
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
            let log = vec![LogRecord { id: 1, build_id: 1, attempt: 1, record: said }];
            let aftermath = Aftermath { args: vec![("args", Value::String(words))], log };
            let (groups, repr) = ([group], Some(&*reason));
            let whole = Whole {
                build: &build, repr, attempts: &[], progress: &groups, run: None, aftermath: None, full: false,
            };
            is_ours(&super::build(&whole, &moment))?;
            is_ours(&super::build(&Whole { repr: None, progress: &[], aftermath: Some(&aftermath), ..whole }, &moment))?;
            is_ours(&table(&["A"], vec![vec![text::outcome(&build, &moment)], vec![reason]]))?;
        }
    }
}
