//! A run that can start, carried out and shown.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use jobcontrol_core::build::Build;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::person::requester;
use super::render;
use super::render::Out;
use super::render::live::Live;
use super::render::text;
use super::repr::repr;
use crate::app::App;
use crate::execute::dispatcher::JobEnd;
use crate::execute::error::ExecuteError;
use crate::request::ready::Ready;
use crate::request::traceback::PATIENCE;
use crate::request::traceback::find_names;
use crate::show::json::BuildJson;
use crate::show::moment::Moment;

/// Runs what can start, shows it, and returns the exit code.
pub(super) fn carry_out(app: &App, out: &Out, ready: Ready, shown: &[String]) -> Result<u8, CliError> {
    let cancel = interruptible(|| {})?;
    carry_out_until(app, out, ready, shown, &cancel)
}

/// As [`carry_out`], until `cancel` is set.
pub(super) fn carry_out_until(
    app: &App,
    out: &Out,
    ready: Ready,
    shown: &[String],
    cancel: &Cancel,
) -> Result<u8, CliError> {
    let order = ready.plan.order.clone();
    let ends = app.run(ready, &requester(), cancel.clone(), |mut watcher| {
        let mut live = Live::new(out);
        while let Some(seen) = watcher.wait_for_next() {
            live.show(&seen);
        }
    })?;
    report(app, out, shown, &order, &ends)?;
    Ok(if cancel.is_set() { error::INTERRUPTED } else { exit_code(&ends) })
}

/// A protected job runs only after a person has typed its id, or said so on the command line.
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

/// Signals that come this close are one: a terminal and a supervisor both pass on the same Ctrl-C.
const ONE_PRESS: Duration = Duration::from_millis(300);

/// The first Ctrl-C cancels the builds and calls `wake`, the second leaves at once.
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
        JobEnd::Built(_, None) => error::DONE,
        JobEnd::Built(_, Some(FailureKind::Storage))
        | JobEnd::NotBuilt(ExecuteError::Storage(_) | ExecuteError::Unrecorded { .. }) => error::STORAGE,
        JobEnd::Built(_, Some(_)) | JobEnd::NotBuilt(_) | JobEnd::NeedFailed(_) | JobEnd::Cancelled => error::FAILED,
    };
    ends.values().map(code).max().unwrap_or(error::DONE)
}

/// A job that has no build in this run.
#[derive(Serialize)]
struct NotBuiltJson<'a> {
    job_id: &'a str,
    error: String,
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
        return values(app, out, targets, ends);
    }
    let storage = app.storage(false)?;
    let mut builds: BTreeMap<&str, Build> = BTreeMap::new();
    let until = Instant::now() + PATIENCE;
    for id in targets {
        if let Some(JobEnd::Built(build, _)) = ends.get(id) {
            let mut build = storage.get_build(*build)?;
            find_names(app.plugins(), &*storage, &mut build, &mut [], until);
            builds.insert(id, build);
        }
    }
    let moment = Moment { now: app.clock.now(), ..Moment::default() };
    let shapes = targets.iter().map(|id| match builds.get(id.as_str()) {
        Some(build) => EndJson::Built(Box::new(BuildJson::new(build, &moment, None))),
        None => {
            let error = ends.get(id).and_then(why_not).unwrap_or_default();
            EndJson::NotBuilt(NotBuiltJson { job_id: id, error })
        }
    });
    let shapes: Vec<_> = shapes.collect();
    match shapes.as_slice() {
        [one] => out.json(one),
        several => out.json(&several),
    }
}

fn why_not(end: &JobEnd) -> Option<String> {
    match end {
        JobEnd::Built(..) => None,
        JobEnd::NotBuilt(error @ ExecuteError::MissingDependencies(_)) => {
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
        // One at a time: each can be large.
        let build = app.storage(false)?.get_build(*id_of_build)?;
        if let Some(value) = &build.retval {
            if let Some(repr) = repr(app, out, &build) {
                out.returned(id, build.id, &repr)?;
            } else if *value != Value::Null {
                out.returned(id, build.id, &text::value(value))?;
            }
        }
    }
    Ok(())
}
