//! `run`: builds jobs and shows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use jobcontrol_core::build::Build;
use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::check::Graph;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::diagnostic::collected;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::failure::FailureKind;
use jobcontrol_core::job::Arg;
use jobcontrol_core::job::Key;
use jobcontrol_core::plan;
use jobcontrol_core::plan::Ask;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::Asked;
use jobcontrol_core::request::Request;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::value::Value;
use jobcontrol_sandbox::Cancel;
use serde::Serialize;

use super::builds;
use super::error;
use super::error::CliError;
use super::render;
use super::render::BOLD;
use super::render::Out;
use super::render::live::Live;
use super::render::styled;
use super::render::text;
use crate::app::App;
use crate::app::Run;
use crate::app::override_of;
use crate::catalog::load::Catalog;
use crate::execute::dispatcher::JobEnd;
use crate::execute::executor::ExecuteError;
use crate::execute::pins::fit;
use crate::execute::pins::usable;
use crate::show::json::BuildJson;

/// What to build.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The jobs' ids
    #[arg(required = true, value_name = "JOB")]
    pub(super) targets: Vec<String>,
    /// Build what is missing or outdated among the dependencies first
    #[arg(long)]
    pub(super) deps: bool,
    /// Build what depends on the jobs afterwards, directly or not
    #[arg(long)]
    pub(super) revdeps: bool,
    /// Use this build of a dependency instead of its latest; the dependency is not built
    #[arg(long = "pin", value_name = "DEP=BUILD")]
    pins: Vec<String>,
    /// Give an argument another value in this build: as text where the parameter is a string, else as YAML
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    pub(super) args: Vec<String>,
    /// Run protected jobs without asking
    #[arg(long)]
    pub(super) yes_protected: bool,
    /// Stay, and build again whatever a change of a manifest or a plugin touches
    #[arg(long, conflicts_with = "pins")]
    pub(super) watch: bool,
}

pub(super) fn run(app: &App, out: &Out, args: &RunArgs) -> Result<u8, CliError> {
    let mut targets: Vec<&str> = Vec::new();
    for job in &args.targets {
        if !targets.contains(&job.as_str()) {
            targets.push(job);
        }
    }
    let workspace = &app.settings.workspace;
    let whole = args.revdeps || !args.pins.is_empty();
    let catalog = if whole { Catalog::load(workspace) } else { Catalog::load_for(workspace, &targets) };
    let catalog = catalog.map_err(CliError::Usage)?;
    sound(&catalog, &targets)?;
    let mut requests = overrides(&catalog, &targets, &args.args)?;
    let pins = pins(app, &catalog, &targets, &args.pins)?;
    let Decided { plan, refused } = decide(app, &catalog, &targets, args, &pins)?;
    ask_for(&catalog, &plan, &targets, args, &pins, &mut requests)?;
    arm(out, &catalog, &plan, args.yes_protected)?;
    let shown: Vec<&str> = if args.revdeps { plan.order.iter().map(String::as_str).collect() } else { targets };
    let code = carry_out(app, out, catalog, &plan, requests, &shown)?;
    for id in &refused {
        let message = format!("{id}: not built, because its manifest has mistakes: `jobcontrol check` shows them");
        render::error(out, &CliError::Failed(message));
    }
    Ok(if refused.is_empty() { code } else { code.max(error::UNCHECKED) })
}

/// Runs a plan, shows it, and answers the exit code.
pub(super) fn carry_out(
    app: &App,
    out: &Out,
    catalog: Catalog,
    plan: &Plan,
    requests: BTreeMap<String, Request>,
    shown: &[&str],
) -> Result<u8, CliError> {
    let cancel = interruptible(|| {})?;
    carry_out_until(app, out, Arc::new(catalog), (plan, requests), shown, &cancel)
}

/// As [`carry_out`], until `cancel` is set.
pub(super) fn carry_out_until(
    app: &App,
    out: &Out,
    catalog: Arc<Catalog>,
    (plan, requests): (&Plan, Requests),
    shown: &[&str],
    cancel: &Cancel,
) -> Result<u8, CliError> {
    let run = Run { catalog, plan: plan.clone(), requests };
    let ends = app.run(run, cancel.clone(), |mut events| {
        let mut live = Live::new(out);
        while let Some(event) = events.blocking_recv() {
            live.show(&event);
        }
    })?;
    report(app, out, shown, plan, &ends)?;
    Ok(if cancel.is_set() { error::INTERRUPTED } else { exit_code(&ends) })
}

/// Refuses targets that are not there, or whose own graph is broken.
pub(super) fn sound(catalog: &Catalog, targets: &[&str]) -> Result<(), CliError> {
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
        let mut problems = problems;
        // A job that is not there may stand in a file that cannot be read.
        let closure = catalog.graph.closure(targets.iter().copied());
        if !closure.iter().all(known) {
            problems.extend(&catalog.problems);
        }
        return Err(CliError::Diagnostics(collected(problems)));
    }
    Ok(())
}

/// There is no such job; says which it may have been.
pub(super) fn no_job(catalog: &Catalog, id: &str) -> CliError {
    let near = nearest(id, catalog.graph.dependencies.keys().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if id.contains(['/', '.']) => {
            "a job is named by its id, not by its file; `jobcontrol jobs` lists them".to_owned()
        }
        None => "`jobcontrol jobs` lists them".to_owned(),
    };
    CliError::NotFound(format!("there is no job `{id}`; {help}"))
}

pub(super) type Requests = BTreeMap<String, Request>;

pub(super) fn overrides(catalog: &Catalog, targets: &[&str], args: &[String]) -> Result<Requests, CliError> {
    let mut requests = Requests::new();
    let (Some(_), [target]) = (args.first(), targets) else {
        if args.is_empty() {
            return Ok(requests);
        }
        return Err(CliError::Usage("`--arg` is for one job; run the others apart".to_owned()));
    };
    let overrides = overrides_of(&catalog.graph.jobs[*target], args)?;
    requests.insert((*target).to_owned(), Request { overrides, ..Request::default() });
    Ok(requests)
}

/// Reads each `--arg` for one job.
pub(super) fn overrides_of(checked: &CheckedJob, args: &[String]) -> Result<Vec<(Key, Arg)>, CliError> {
    let mut given: Vec<(Key, Arg)> = Vec::new();
    for text in args {
        let (key, arg) =
            override_of(checked, text).map_err(|reason| CliError::Usage(format!("--arg {text}: {reason}")))?;
        if given.iter().any(|(other, _)| other.name == key.name) {
            return Err(CliError::Usage(format!("--arg {}: given twice", key.name)));
        }
        given.push((key, arg));
    }
    Ok(given)
}

/// Reads each `--pin`: its job must be one that something of this run can depend on, its build one that returned.
fn pins(app: &App, catalog: &Catalog, targets: &[&str], texts: &[String]) -> Result<BTreeMap<String, Build>, CliError> {
    let mut pins = BTreeMap::new();
    for text in texts {
        let usage = |reason: String| CliError::Usage(format!("--pin {text}: {reason}"));
        let (job, number) = text.split_once('=').ok_or_else(|| usage("write `DEP=BUILD`".to_owned()))?;
        let number: u64 = number.parse().map_err(|_| usage(format!("`{number}` is no build's number")))?;
        if !catalog.graph.dependencies.contains_key(job) {
            return Err(usage(no_job(catalog, job).message()));
        }
        if targets.contains(&job) {
            return Err(usage(format!("`{job}` is what is to be built")));
        }
        let build = match app.storage(false)?.get_build(number) {
            Err(error @ StorageError::NotFound(_)) => {
                return Err(CliError::NotFound(format!("--pin {text}: {error}; `jobcontrol builds {job}` lists them")));
            }
            build => build?,
        };
        let build = usable(build, job).map_err(|error| usage(error.to_string()))?;
        if pins.insert(job.to_owned(), build).is_some() {
            return Err(usage(format!("`{job}` is pinned twice")));
        }
    }
    Ok(pins)
}

/// What is built, and what would be if its manifest were right.
pub(super) struct Decided {
    pub(super) plan: Plan,
    pub(super) refused: Vec<String>,
}

/// A graph in which all that depends on the targets can be built.
pub(super) struct Sound {
    pub(super) graph: Graph,
    pub(super) refused: Vec<String>,
}

/// Takes out of a graph what depends on `targets` and cannot be built, where that is asked for: it stops only itself,
/// and what depends on it depends on a broken graph too.
pub(super) fn without_broken(catalog: &Catalog, targets: &[&str], revdeps: bool) -> Sound {
    let mut graph = catalog.graph.clone();
    let mut refused = Vec::new();
    if revdeps {
        let broken = |id: &&str| !catalog.graph.problems_of([*id]).is_empty() || !catalog.graph.jobs.contains_key(*id);
        let dependents = plan::dependents(&catalog.graph, targets);
        refused = dependents.into_iter().filter(broken).map(str::to_owned).collect();
        graph.dependencies.retain(|id, _| !refused.contains(id));
    }
    Sound { graph, refused }
}

pub(super) fn decide(
    app: &App,
    catalog: &Catalog,
    targets: &[&str],
    args: &RunArgs,
    pins: &BTreeMap<String, Build>,
) -> Result<Decided, CliError> {
    let Sound { graph, refused } = without_broken(catalog, targets, args.revdeps);
    let pinned = pins.keys().map(String::as_str).collect();
    let ask = Ask { targets, deps: args.deps, revdeps: args.revdeps, pinned };
    let statuses = if args.deps { app.statuses(catalog, &*app.storage(true)?)? } else { BTreeMap::new() };
    let status = |id: &str| statuses.get(id).map_or(JobStatus::NotBuilt, |job| job.status.clone());
    Ok(Decided { plan: plan::plan(&graph, &ask, status), refused })
}

/// Hands each pin to the builds that use it, after a look at whether what was returned then fits what is called now.
pub(super) fn ask_for(
    catalog: &Catalog,
    plan: &Plan,
    targets: &[&str],
    args: &RunArgs,
    pins: &BTreeMap<String, Build>,
    requests: &mut Requests,
) -> Result<(), CliError> {
    let run = Asked {
        targets: targets.iter().map(|id| (*id).to_owned()).collect(),
        deps: args.deps,
        revdeps: args.revdeps,
        pins: pins.iter().map(|(job, build)| (job.clone(), build.id)).collect(),
    };
    let mut unused: Vec<&str> = pins.keys().map(String::as_str).collect();
    for id in &plan.order {
        let needs = catalog.graph.dependencies.get(id).into_iter().flatten();
        let own: BTreeMap<_, _> = needs.filter_map(|need| Some((need.clone(), pins.get(need)?.id))).collect();
        unused.retain(|job| !own.contains_key(*job));
        if !own.is_empty() {
            fit(&catalog.graph, &catalog.graph.jobs[id], pins)
                .map_err(|reason| CliError::Usage(format!("--pin: {reason}")))?;
            requests.entry(id.clone()).or_default().pins = own;
        }
        if plan.order.len() > 1 {
            requests.entry(id.clone()).or_default().run = run.clone();
        }
    }
    match unused.first() {
        Some(job) => Err(CliError::Usage(format!("--pin {job}: nothing that is to be built depends on `{job}`"))),
        None => Ok(()),
    }
}

/// A protected job runs only after a person has typed its id, or said so on the command line.
pub(super) fn arm(out: &Out, catalog: &Catalog, plan: &Plan, yes: bool) -> Result<(), CliError> {
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
    .map_err(|e| CliError::Failed(format!("Ctrl-C cannot be caught: {e}")))?;
    Ok(cancel)
}

fn exit_code(ends: &BTreeMap<String, JobEnd>) -> u8 {
    let code = |end: &JobEnd| match end {
        JobEnd::Built(_, outcome) => match &**outcome {
            Outcome::Failed(failure) if failure.kind == FailureKind::Storage => error::STORAGE,
            Outcome::Failed(_) => error::FAILED,
            _ => error::DONE,
        },
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
        return values(app, out, targets, ends);
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

fn values(app: &App, out: &Out, targets: &[&str], ends: &BTreeMap<String, JobEnd>) -> Result<(), CliError> {
    for id in targets {
        let Some(JobEnd::Built(build, outcome)) = ends.get(*id) else { continue };
        if let Outcome::Returned(Some(value)) = &**outcome {
            if targets.len() > 1 {
                out.answer(&styled(BOLD, format_args!("# {id}")))?;
            }
            let repr = builds::repr(app, out, &app.storage(false)?.get_build(*build)?);
            if let Some(repr) = repr {
                out.answer(&text::value(&Value::String(repr)))?;
            } else if *value != Value::Null {
                out.answer(&text::value(value))?;
            }
        }
    }
    Ok(())
}
