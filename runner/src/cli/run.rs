//! `run`: builds jobs and shows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use jobcontrol_core::build::Build;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::plan;
use jobcontrol_core::plan::JobStatus;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::render;
use super::render::BOLD;
use super::render::Out;
use super::render::json::BuildJson;
use super::render::live::Live;
use super::render::styled;
use super::render::text;
use crate::app::App;
use crate::app::Run;
use crate::app::override_of;
use crate::execute::catalog::Catalog;
use crate::execute::dispatcher::JobEnd;
use crate::execute::executor::ExecuteError;

/// What to build.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The jobs' ids
    #[arg(required = true, value_name = "JOB")]
    targets: Vec<String>,
    /// Build what is missing or outdated among the dependencies first
    #[arg(long)]
    deps: bool,
    /// Give an argument another value in this build: as text where the parameter is a string, else as YAML
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    /// Run protected jobs without asking
    #[arg(long)]
    yes_protected: bool,
}

pub(super) fn run(app: &App, out: &Out, args: &RunArgs) -> Result<u8, CliError> {
    let mut targets: Vec<&str> = Vec::new();
    for job in &args.targets {
        if !targets.contains(&job.as_str()) {
            targets.push(job);
        }
    }
    let catalog = Catalog::load_for(&app.settings.workspace, &targets).map_err(CliError::Usage)?;
    sound(&catalog, &targets)?;
    let overrides = overrides(&catalog, &targets, &args.args)?;
    let plan = decide(app, &catalog, &targets, args.deps)?;
    arm(out, &catalog, &plan, args.yes_protected)?;
    let cancel = interruptible()?;
    let run = Run { catalog: Arc::new(catalog), plan: plan.clone(), overrides };
    let ends = app.run(run, cancel.clone(), |mut events| {
        let mut live = Live::new(out);
        while let Some(event) = events.blocking_recv() {
            live.show(&event);
        }
    })?;
    report(app, out, &targets, &plan, &ends)?;
    Ok(if cancel.is_set() { error::INTERRUPTED } else { exit_code(&ends) })
}

/// Refuses targets that are not there, or whose own graph is broken.
fn sound(catalog: &Catalog, targets: &[&str]) -> Result<(), CliError> {
    let problems = catalog.graph.problems_of(targets.iter().copied());
    let known = |id: &&str| catalog.graph.jobs.contains_key(*id) || catalog.graph.broken.contains_key(*id);
    let unknown: Vec<_> = targets.iter().filter(|id| !known(id)).collect();
    if let Some(id) = unknown.first() {
        // It may stand in one of the files that cannot be read.
        if !catalog.problems.is_empty() {
            let mut all: Vec<Diagnostic> = catalog.problems.clone();
            let message = format!("there is no job `{id}` in the files that can be read");
            all.push(Diagnostic::of(Code::NoSuchJob, message));
            return Err(CliError::Diagnostics(all));
        }
        return Err(no_job(catalog, id));
    }
    if !problems.is_empty() {
        let mut problems: Vec<Diagnostic> = problems.into_iter().cloned().collect();
        // A job that is not there may stand in a file that cannot be read.
        let closure = catalog.graph.closure(targets.iter().copied());
        if !closure.iter().all(known) {
            problems.extend(catalog.problems.iter().cloned());
        }
        problems.sort_by(|a, b| a.order().cmp(&b.order()));
        return Err(CliError::Diagnostics(problems));
    }
    Ok(())
}

/// There is no such job; says which it may have been.
pub(super) fn no_job(catalog: &Catalog, id: &str) -> CliError {
    let near = nearest(id, catalog.graph.dependencies.keys().map(String::as_str));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    CliError::NotFound(format!("there is no job `{id}`{near}"))
}

type Overrides = BTreeMap<String, Vec<(jobcontrol_core::job::Key, jobcontrol_core::job::Arg)>>;

fn overrides(catalog: &Catalog, targets: &[&str], args: &[String]) -> Result<Overrides, CliError> {
    let mut overrides = Overrides::new();
    let (Some(_), [target]) = (args.first(), targets) else {
        if args.is_empty() {
            return Ok(overrides);
        }
        return Err(CliError::Usage("`--arg` is for one job; run the others apart".to_owned()));
    };
    let given = overrides.entry((*target).to_owned()).or_default();
    for text in args {
        let (key, arg) = override_of(&catalog.graph.jobs[*target], text)
            .map_err(|reason| CliError::Usage(format!("--arg {text}: {reason}")))?;
        if given.iter().any(|(other, _)| other.name == key.name) {
            return Err(CliError::Usage(format!("--arg {}: given twice", key.name)));
        }
        given.push((key, arg));
    }
    Ok(overrides)
}

fn decide(app: &App, catalog: &Catalog, targets: &[&str], deps: bool) -> Result<Plan, CliError> {
    if !deps {
        return Ok(plan::plan(&catalog.graph, targets, false, |_| JobStatus::Success));
    }
    let storage = app.storage(true)?;
    let statuses = app.statuses(catalog, &*storage)?;
    let status = |id: &str| statuses.get(id).cloned().unwrap_or(JobStatus::NotBuilt);
    Ok(plan::plan(&catalog.graph, targets, true, status))
}

/// A protected job runs only after a person has typed its id, or said so on the command line.
fn arm(out: &Out, catalog: &Catalog, plan: &Plan, yes: bool) -> Result<(), CliError> {
    for id in plan.order.iter().filter(|id| catalog.graph.jobs.get(*id).is_some_and(|c| c.job.protected)) {
        if yes {
            continue;
        }
        match out.ask(&format!("`{id}` is protected. Type its id to run it:")) {
            Some(typed) if typed == *id => {}
            Some(_) => return Err(CliError::Usage(format!("`{id}` was not run: that is not its id"))),
            None => return Err(CliError::Usage(format!("`{id}` is protected; add `--yes-protected` to run it"))),
        }
    }
    Ok(())
}

/// Signals that come this close are one: a terminal and a supervisor both pass on the same Ctrl-C.
const ONE_PRESS: Duration = Duration::from_millis(300);

/// The first Ctrl-C cancels the builds, the second leaves at once.
fn interruptible() -> Result<Cancel, CliError> {
    let (switch, cancel) = Cancel::pair();
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || match first {
        None => {
            first = Some(Instant::now());
            switch.send_replace(true);
        }
        Some(at) if at.elapsed() < ONE_PRESS => {}
        Some(_) => render::quit_now(),
    })
    .map_err(|e| CliError::Failed(format!("Ctrl-C cannot be caught: {e}")))?;
    Ok(cancel)
}

fn exit_code(ends: &BTreeMap<String, JobEnd>) -> u8 {
    let code = |end: &JobEnd| match end {
        JobEnd::Built(_, outcome) if matches!(**outcome, Outcome::Failed(_)) => error::FAILED,
        JobEnd::Built(..) => error::DONE,
        JobEnd::NotBuilt(ExecuteError::Storage(_)) => error::STORAGE,
        JobEnd::NotBuilt(_) | JobEnd::NeedFailed(_) | JobEnd::Cancelled => error::FAILED,
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
    targets: &[&str],
    plan: &Plan,
    ends: &BTreeMap<String, JobEnd>,
) -> Result<(), CliError> {
    for id in &plan.order {
        let Some(end) = ends.get(id) else { continue };
        if let Some(reason) = why_not(end) {
            render::error(out, &CliError::Failed(format!("{id}: {reason}")));
        }
    }
    if !out.is_json() {
        return values(out, targets, ends);
    }
    let storage = app.storage(false)?;
    let mut builds: BTreeMap<&str, Build> = BTreeMap::new();
    for id in targets {
        if let Some(JobEnd::Built(build, _)) = ends.get(*id) {
            builds.insert(id, storage.get_build(*build)?);
        }
    }
    let shapes = targets.iter().map(|id| match builds.get(id) {
        Some(build) => EndJson::Built(Box::new(BuildJson::new(build, None))),
        None => {
            let error = ends.get(*id).and_then(why_not).unwrap_or_default();
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

fn values(out: &Out, targets: &[&str], ends: &BTreeMap<String, JobEnd>) -> Result<(), CliError> {
    for id in targets {
        let Some(JobEnd::Built(_, outcome)) = ends.get(*id) else { continue };
        if let Outcome::Returned(Some(value)) = &**outcome {
            if targets.len() > 1 {
                out.answer(&styled(BOLD, format_args!("# {id}")))?;
            }
            if *value != Value::Null {
                out.answer(&text::value(value))?;
            }
        }
    }
    Ok(())
}
