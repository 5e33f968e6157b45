//! `build rerun`: does a build again, as it was, as its job is now, or with other arguments; or the rest of a run.

use std::collections::BTreeMap;

use clap::Args;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::plan;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::plan::Request;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::stored;
use jobcontrol_core::types::same_name;
use jobcontrol_core::value::Value;

use super::error::CliError;
use super::render::Out;
use super::run::arm;
use super::run::carry_out;
use super::run::overrides_of;
use super::run::sound;
use crate::app::App;
use crate::execute::catalog::Catalog;
use crate::execute::pins::usable;
use crate::execute::repeat::repeat;
use crate::record::owner::is_alive;

/// What to do again, and how.
#[derive(Args, Debug)]
pub(super) struct RerunArgs {
    /// The build's number
    build: u64,
    /// As it was: the plugin, the arguments and the builds it used are those of then (the default)
    #[arg(long, group = "how")]
    same: bool,
    /// As its job is now, with the latest builds of its dependencies
    #[arg(long, group = "how")]
    latest: bool,
    /// All that failed in the run that the build belongs to, and what waited for it, as these jobs are now; what
    /// succeeded in that run is used as it is
    #[arg(long, group = "how", conflicts_with = "args")]
    from_failed: bool,
    /// Give an argument another value: as text where the parameter is a string, else as YAML
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    /// Run protected jobs without asking
    #[arg(long)]
    yes_protected: bool,
}

/// What is to be done, before anybody is asked.
struct Ready {
    catalog: Catalog,
    plan: Plan,
    requests: BTreeMap<String, Request>,
}

pub(super) fn rerun(app: &App, out: &Out, args: &RerunArgs) -> Result<u8, CliError> {
    let storage = app.storage(true)?;
    let build = storage.get_build(args.build)?;
    if !build.finished {
        return Err(CliError::Usage(format!("build {} has not finished", build.id)));
    }
    let ready = match args {
        RerunArgs { latest: true, .. } => latest(app, &build, &args.args)?,
        RerunArgs { from_failed: true, .. } => from_failed(app, &*storage, &build)?,
        _ => same(app, &*storage, &build, &args.args)?,
    };
    let Ready { catalog, plan, requests } = ready;
    arm(out, &catalog, &plan, args.yes_protected)?;
    let shown: Vec<&str> = plan.order.iter().map(String::as_str).collect();
    carry_out(app, out, catalog, &plan, requests, &shown)
}

fn same(app: &App, storage: &dyn Storage, build: &Build, args: &[String]) -> Result<Ready, CliError> {
    let (id, job) = (build.id, build.job_id.clone());
    let refused = |reason: String| {
        CliError::Failed(format!("build {id} cannot be done again as it was: {reason}; `--latest` takes today's job"))
    };
    let workspace = &app.settings.workspace;
    // Its job may be gone, and the folder with it: the store has all that is needed.
    let today = Catalog::load_for(workspace, &[&job]).unwrap_or_default();
    let (catalog, plan) = repeat(workspace, storage, build, &today).map_err(refused)?;
    let mut overrides = stored::arguments(build.config.get("overrides"));
    for (key, arg) in overrides_of(&catalog.graph.jobs[&job], args)? {
        overrides.retain(|(other, _)| !same_name(&other.name, &key.name));
        overrides.push((key, arg));
    }
    let mut pins = BTreeMap::new();
    for pin in build.pins() {
        let used = match storage.get_build(pin.build) {
            Err(StorageError::NotFound(used)) => {
                return Err(refused(format!("build {used} of `{}`, which it used, was deleted", pin.job)));
            }
            used => usable(used?, &pin.job).map_err(|error| refused(error.to_string()))?,
        };
        pins.insert(pin.job, used.id);
    }
    let request = Request { overrides, pins, rerun_of: Some(id), ..Request::default() };
    Ok(Ready { catalog, plan, requests: BTreeMap::from([(job, request)]) })
}

fn latest(app: &App, build: &Build, args: &[String]) -> Result<Ready, CliError> {
    let job = build.job_id.as_str();
    let catalog = Catalog::load_for(&app.settings.workspace, &[job]).map_err(CliError::Usage)?;
    sound(&catalog, &[job])?;
    let overrides = overrides_of(&catalog.graph.jobs[job], args)?;
    let request = Request { overrides, rerun_of: Some(build.id), ..Request::default() };
    let plan = Plan { order: vec![job.to_owned()], waits_for: BTreeMap::from([(job.to_owned(), Vec::new())]) };
    Ok(Ready { catalog, plan, requests: BTreeMap::from([(job.to_owned(), request)]) })
}

/// The builds of one run belong to one process.
fn from_failed(app: &App, storage: &dyn Storage, build: &Build) -> Result<Ready, CliError> {
    let Some(owner) = &build.owner else {
        return Err(CliError::Usage(format!("build {} belongs to no run", build.id)));
    };
    let targets: Vec<String> = match build.config.get("targets") {
        Some(Value::List(targets)) => targets.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => vec![build.job_id.clone()],
    };
    let revdeps = build.config.get("revdeps") == Some(&Value::Bool(true));
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::Usage)?;
    let targets_now: Vec<&str> = targets.iter().map(String::as_str).collect();
    sound(&catalog, &targets_now)?;
    let mut scope = targets_now.clone();
    if revdeps {
        let fits = |id: &&str| catalog.graph.problems_of([*id]).is_empty();
        scope.extend(plan::dependents(&catalog.graph, &targets_now).into_iter().filter(fits));
    }
    let mut builds: BTreeMap<&str, Build> = BTreeMap::new();
    for id in catalog.graph.closure(scope.iter().copied()) {
        let of_run = BuildFilter {
            owner: Some(owner.clone()),
            order: Order::Desc,
            limit: 1,
            brief: true,
            ..BuildFilter::job(id)
        };
        builds.extend(storage.get_job_builds(&of_run)?.into_iter().map(|build| (id, build)));
    }
    // What a process left that is gone has failed, though nobody has said so yet.
    let gone = !is_alive(&app.settings.store, owner);
    let became = |build: &Build| if gone && !build.finished { BuildStatus::Failed } else { build.status() };
    let plan = plan::from_failed(&catalog.graph, &scope, |id| builds.get(id).map(became));
    if plan.order.is_empty() {
        return Err(CliError::Usage(format!("nothing has failed in the run of build {}", build.id)));
    }
    let again = |id: &str| plan.waits_for.contains_key(id);
    let request = |id: &String| {
        let before = builds.get(id.as_str());
        let needs = catalog.graph.dependencies.get(id).into_iter().flatten();
        let pins = needs.filter(|need| !again(need)).filter_map(|need| {
            // What it used in that run, or would have used.
            let used =
                before.and_then(|build| build.pins().into_iter().find(|pin| pin.job == *need)).map(|pin| pin.build);
            let built = || builds.get(need.as_str()).filter(|b| b.status() == BuildStatus::Successful).map(|b| b.id);
            Some((need.clone(), used.or_else(built)?))
        });
        let rerun_of = before.map(|build| build.id);
        (
            id.clone(),
            Request { pins: pins.collect(), rerun_of, targets: targets.clone(), revdeps, ..Request::default() },
        )
    };
    let requests = plan.order.iter().map(request).collect();
    Ok(Ready { catalog, plan, requests })
}
