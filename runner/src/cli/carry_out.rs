//! Carries out a run that can start, and shows it.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::person::requester;
use super::render;
use super::render::BOLD;
use super::render::Out;
use super::render::Page;
use super::render::build::ending;
use super::render::live::Live;
use super::render::styled;
use super::render::text;
use super::repr::repr;
use crate::app::App;
use crate::execute::error::ExecuteError;
use crate::execute::job_end::JobEnd;
use crate::execute::sharing::SharedEnd;
use crate::request::aftermath::look_into;
use crate::request::ready::Ready;
use crate::request::ready::Used;
use crate::request::ready::listed;
use crate::request::refusal::Refusal;
use crate::request::traceback::PATIENCE;
use crate::request::traceback::find_names;
use crate::show::aftermath::Aftermath;
use crate::show::json::BriefJson;
use crate::show::json::BuildJson;
use crate::show::moment::Moment;

/// Carries out a run, shows it, and returns the exit code.
pub(super) fn carry_out(app: &App, out: &Out, ready: Ready, shown: &[String]) -> Result<u8, CliError> {
    let cancel = interruptible(|| {})?;
    carry_out_until(app, out, ready, shown, &cancel)
}

/// Does the same as [`carry_out`], until `cancel` is set.
pub(super) fn carry_out_until(
    app: &App,
    out: &Out,
    ready: Ready,
    shown: &[String],
    cancel: &Cancel,
) -> Result<u8, CliError> {
    if !ready.stale.is_empty() {
        let used = Used::named(&ready.stale);
        out.warn(&format!("these dependencies are used but not up to date: {used}; `--deps` builds them first"));
    }
    let order = ready.plan.order.clone();
    let (left_out, reused) = (ready.left_out.clone(), ready.reused.clone());
    let ends = app.run(ready, &requester(), cancel.clone(), |mut watcher| {
        let mut live = Live::new(out);
        while let Some(seen) = watcher.wait_for_next() {
            live.show(&seen);
        }
    })?;
    report(app, out, shown, &order, &ends)?;
    for id in &left_out {
        let message = format!("{id}: not built, because its manifest has mistakes; `jobcontrol check` shows them");
        render::error(out, &CliError::failed(message));
    }
    if let Some(summary) = summary(&ends, &reused, left_out.len()).filter(|_| !out.quiet) {
        out.say(summary);
    }
    Ok(if cancel.is_set() { error::INTERRUPTED } else { exit_code(&ends) })
}

/// Asks for confirmation of protected jobs. Each runs only after the person has typed its id, or
/// has given `--yes-protected`.
pub(super) fn arm(out: &Out, ready: &Ready, yes: bool) -> Result<(), CliError> {
    for id in ready.protected().filter(|_| !yes) {
        match out.ask(&format!("`{id}` is protected. Type its id to run it:")) {
            Some(typed) if typed == id => {}
            Some(_) => return Err(CliError::usage(format!("`{id}` was not run: that is not its id"))),
            None => return Err(CliError::usage(format!("`{id}` is protected; add `--yes-protected` to run it"))),
        }
    }
    Ok(())
}

/// Signals within this time count as one: a terminal and a supervisor both pass on the same Ctrl-C.
const ONE_PRESS: Duration = Duration::from_millis(300);

/// Handles Ctrl-C: the first one cancels the builds and calls `wake`, the second one quits at once.
pub(super) fn interruptible(wake: impl Fn() + Send + 'static) -> Result<Cancel, CliError> {
    let (switch, cancel) = Cancel::pair();
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || match first {
        None => {
            first = Some(Instant::now());
            switch.send_replace(true);
            wake();
        }
        Some(at) if at.elapsed() < ONE_PRESS => {}
        Some(_) => render::quit_now(),
    })
    .map_err(|e| CliError::failed(format!("Ctrl-C cannot be caught: {e}")))?;
    Ok(cancel)
}

fn exit_code(ends: &BTreeMap<String, JobEnd>) -> u8 {
    let code = |end: &JobEnd| match end {
        _ if end.is_success() => error::DONE,
        JobEnd::NotBuilt(ExecuteError::Storage(_) | ExecuteError::Unrecorded { .. }) => error::STORAGE,
        end if end.failure() == Some(&FailureKind::Storage) => error::STORAGE,
        _ => error::FAILED,
    };
    ends.values().map(code).max().unwrap_or(error::DONE)
}

/// Counts the outcomes of the jobs of a run. Returns `None` for a run of one job.
fn summary(ends: &BTreeMap<String, JobEnd>, reused: &[Used], left_out: usize) -> Option<String> {
    if ends.len() + reused.len() + left_out < 2 {
        return None;
    }
    let mut reused: Vec<_> = reused.iter().map(|used| (used.job.as_str(), used.build)).collect();
    let (mut built, mut skipped, mut failed, mut not_built) = (0, 0, 0, left_out);
    for (id, end) in ends {
        match end {
            end if end.failure().is_some() => failed += 1,
            JobEnd::Built(..) => built += 1,
            JobEnd::Skipped(_) | JobEnd::Shared(SharedEnd { skipped: true, .. }) => skipped += 1,
            JobEnd::Shared(end) => reused.push((id, end.build)),
            JobEnd::NotBuilt(_) | JobEnd::NeedFailed(_) | JobEnd::Cancelled => not_built += 1,
        }
    }
    let named = match reused.as_slice() {
        [] => String::new(),
        reused => format!(" ({})", listed(reused, |(job, build)| format!("{job}: build {build}"))),
    };
    let parts = [
        (built, "built", ""),
        (reused.len(), "reused", named.as_str()),
        (skipped, "skipped", ""),
        (failed, "failed", ""),
        (not_built, "not built", ""),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    Some(parts.map(|(count, what, names)| format!("{count} {what}{names}")).collect::<Vec<_>>().join(", "))
}

/// A job that has no build in this run.
#[derive(Serialize)]
struct NotBuiltJson<'a> {
    job_id: &'a str,
    error: String,
    /// The builds of the run that failed, which may be why.
    failed: Vec<BriefJson<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EndJson<'a> {
    Built(Box<BuildJson<'a>>),
    NotBuilt(NotBuiltJson<'a>),
}

fn report(
    app: &App,
    out: &Out,
    targets: &[String],
    order: &[String],
    ends: &BTreeMap<String, JobEnd>,
) -> Result<(), CliError> {
    for id in order {
        let Some(end) = ends.get(id) else { continue };
        if let Some(reason) = why_not(end) {
            render::error(out, &CliError::failed(format!("{id}: {reason}")));
        }
    }
    if !out.is_json() {
        endings(app, out, order, ends)?;
        return values(app, out, targets, ends);
    }
    let storage = app.storage(false)?;
    let mut builds: BTreeMap<&str, (Build, Option<Aftermath>)> = BTreeMap::new();
    let until = Instant::now() + PATIENCE;
    for id in targets {
        if let Some(build) = ends.get(id).and_then(JobEnd::build) {
            let mut build = storage.get_build(build)?;
            find_names(app.plugins(), &*storage, &mut build, &mut [], until);
            let failed = build.status() == BuildStatus::Failed;
            let aftermath = failed.then(|| look_into(&build, &*storage)).transpose()?;
            builds.insert(id, (build, aftermath));
        }
    }
    let moment = Moment { now: app.clock.now(), ..Moment::default() };
    let failed = order.iter().filter_map(|id| match ends.get(id)? {
        JobEnd::Built(build, Some(_)) => Some(storage.get_build(*build)),
        _ => None,
    });
    let failed = failed.collect::<Result<Vec<_>, _>>()?;
    let shapes = targets.iter().map(|id| match builds.get(id.as_str()) {
        Some((build, aftermath)) => {
            EndJson::Built(Box::new(BuildJson::new(build, &moment, None).with_aftermath(aftermath.as_ref())))
        }
        None => {
            let error = ends.get(id).and_then(why_not).unwrap_or_default();
            let failed = failed.iter().map(|build| BriefJson::new(build, &moment)).collect();
            EndJson::NotBuilt(NotBuiltJson { job_id: id, error, failed })
        }
    });
    let shapes: Vec<_> = shapes.collect();
    let written = match shapes.as_slice() {
        [one] => out.json(one),
        several => out.json(&several),
    };
    let first = builds.values().map(|(build, _)| build).find(|build| build.success);
    written.map_err(|error| match first {
        Some(build) => unwritten(build.id, error),
        None => error,
    })
}

/// Shows details of each failed build, except cancelled ones. The failure itself was shown when the
/// build ended.
fn endings(app: &App, out: &Out, order: &[String], ends: &BTreeMap<String, JobEnd>) -> Result<(), CliError> {
    /// The most failed builds to describe: nobody reads more at once.
    const MOST: usize = 3;
    let failed = order.iter().filter_map(|id| match ends.get(id)? {
        JobEnd::Built(build, Some(kind)) if *kind != FailureKind::Cancelled => Some((id, *build)),
        _ => None,
    });
    let failed: Vec<_> = failed.collect();
    if out.quiet || failed.is_empty() {
        return Ok(());
    }
    let storage = app.storage(false)?;
    for (id, number) in failed.iter().take(MOST) {
        let build = storage.get_build(*number)?;
        let mut page = Page::default();
        page.gap();
        page.line(format!("{id}: build {number} failed"));
        page.below(&ending(&build, &look_into(&build, &*storage)?));
        out.say(page);
    }
    let Some(run) =
        failed.first().map(|(_, number)| storage.get_build(*number)).transpose()?.and_then(|build| build.run)
    else {
        return Ok(());
    };
    if let Some(more @ 1..) = failed.len().checked_sub(MOST) {
        out.say(format!("{more} more failed; `jobcontrol runs show {run}` lists them"));
    }
    if ends.len() > 1 {
        out.say(format!("{} jobcontrol runs rerun {run} --from-failed", styled(BOLD, "the rest: ")));
    }
    Ok(())
}

fn why_not(end: &JobEnd) -> Option<String> {
    match end {
        JobEnd::Built(..) | JobEnd::Skipped(_) => None,
        JobEnd::Shared(SharedEnd { build, failure, .. }) => {
            let failure = text::failure_line(failure.as_ref()?);
            Some(format!("build {build}, which another run made at the same time, failed: {failure}"))
        }
        JobEnd::NotBuilt(error @ ExecuteError::MissingDependencies(missing)) if !missing.never_built.is_empty() => {
            Some(format!("{error}; build them first with `--deps`"))
        }
        JobEnd::NotBuilt(error) => Some(error.to_string()),
        JobEnd::NeedFailed(need) => Some(format!("not built, because `{need}` did not succeed")),
        JobEnd::Cancelled => Some("not built, because the run was cancelled".to_owned()),
    }
}

fn values(app: &App, out: &Out, targets: &[String], ends: &BTreeMap<String, JobEnd>) -> Result<(), CliError> {
    for id in targets {
        let Some(JobEnd::Built(id_of_build, None)) = ends.get(id) else { continue };
        // Values are read one at a time, because each can be large.
        let build = app.storage(false)?.get_build(*id_of_build)?;
        if let Some(value) = &build.retval {
            let shown = match repr(app, out, &build) {
                Some(repr) => repr,
                None if *value == Value::Null => continue,
                None => text::value(value),
            };
            out.returned(id, build.id, &shown).map_err(|error| unwritten(build.id, error))?;
        }
    }
    Ok(())
}

/// Creates an error about a return value that could not be printed. The build is successful all the
/// same.
fn unwritten(build: u64, error: CliError) -> CliError {
    match error {
        CliError::Closed => CliError::Closed,
        CliError::Refused(refusal) => {
            let message = format!("the return value of build {build} could not be written: {}", refusal.message);
            let hint = format!("the build is SUCCESSFUL: `jobcontrol build show {build}` shows what it returned");
            Refusal::failed(message).hint(hint).into()
        }
    }
}
