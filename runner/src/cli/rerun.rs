//! `build rerun`: does a build again, as it was, as its job is now, or with other arguments; or the rest of a run.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use clap::Args;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::config;
use jobcontrol_core::plan;
use jobcontrol_core::plan::Ask;
use jobcontrol_core::plan::Became;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::Asked;
use jobcontrol_core::request::Request;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::types::same_name;

use super::error::CliError;
use super::render::Out;
use super::run::Sound;
use super::run::arm;
use super::run::carry_out;
use super::run::overrides_of;
use super::run::sound;
use super::run::without_broken;
use crate::app::App;
use crate::catalog::load::Catalog;
use crate::catalog::today::Today;
use crate::catalog::today::today;
use crate::execute::pins::usable;
use crate::execute::repeat::repeat;
use crate::record::sqlite::owner::is_alive;

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
    /// All that failed in the run that the build belongs to, and what it had not come to, as these jobs are now;
    /// what succeeded in that run is used as it is, and what was given with `--arg` is given again
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
    let gone = build.owner.as_ref().is_some_and(|owner| !is_alive(&app.settings.store, owner));
    if !build.finished && !gone {
        return Err(CliError::Usage(format!("build {} has not finished", build.id)));
    }
    let ready = match args {
        RerunArgs { latest: true, .. } => latest(app, &build, &args.args)?,
        RerunArgs { from_failed: true, .. } => from_failed(app, &*storage, &build)?,
        _ => same(app, out, &*storage, &build, &args.args)?,
    };
    let Ready { catalog, plan, requests } = ready;
    arm(out, &catalog, &plan, args.yes_protected)?;
    let shown: Vec<&str> = plan.order.iter().map(String::as_str).collect();
    carry_out(app, out, catalog, &plan, requests, &shown)
}

fn same(app: &App, out: &Out, storage: &dyn Storage, build: &Build, args: &[String]) -> Result<Ready, CliError> {
    let (id, job) = (build.id, build.job_id.clone());
    let refused = |reason: String| {
        CliError::Failed(format!("build {id} cannot be done again as it was: {reason}; `--latest` takes today's job"))
    };
    let workspace = &app.settings.workspace;
    // Its job may be gone, and the folder with it: the store has all that is needed.
    let now = today(workspace, &job);
    let (catalog, plan) = repeat(workspace, storage, build, &now).map_err(refused)?;
    if let Today::Unknown(reason) = &now {
        out.warn(&format!("whether `{job}` is protected now is not known ({reason}), so it is taken as if it were"));
    }
    let mut overrides = config::arguments(build.config.get("overrides"));
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
    if is_alive(&app.settings.store, owner) {
        let message = "goes on; what is left of it is known when it has ended";
        return Err(CliError::Usage(format!("the run of build {} {message}", build.id)));
    }
    let alone = || Asked { targets: vec![build.job_id.clone()], ..Asked::default() };
    let asked = Asked::from_config(&build.config).unwrap_or_else(alone);
    let catalog = Catalog::load(&app.settings.workspace).map_err(CliError::Usage)?;
    let targets: Vec<&str> = asked.targets.iter().map(String::as_str).collect();
    sound(&catalog, &targets)?;
    let Sound { graph, .. } = without_broken(&catalog, &targets, asked.revdeps);
    let mut scope = targets.clone();
    if asked.revdeps {
        scope.extend(plan::dependents(&graph, &targets));
    }
    let so_far = SoFar::new(storage, graph.closure(scope), owner)?;
    let statuses = if asked.deps { app.statuses(&catalog, storage)? } else { BTreeMap::new() };
    let status = |id: &str| statuses.get(id).map_or(JobStatus::NotBuilt, |job| job.status.clone());
    let pinned = asked.pins.keys().map(String::as_str).collect();
    let ask = Ask { targets: &targets, deps: asked.deps, revdeps: asked.revdeps, pinned };
    let plan = plan::from_failed(&graph, &ask, |id| so_far.became(id), status);
    if plan.order.is_empty() {
        return Err(CliError::Usage(format!(
            "nothing has failed in the run of build {}, and nothing is left",
            build.id
        )));
    }
    let request = |id: &String| {
        let needs = graph.dependencies.get(id).into_iter().flatten();
        let settled = needs.filter(|need| !plan.waits_for.contains_key(*need));
        let used = |need: &String| so_far.used(id, need).or_else(|| asked.pins.get(need).copied());
        let pins = settled.filter_map(|need| Some((need.clone(), used(need)?))).collect();
        let before = so_far.builds.get(id);
        let overrides = before.map(|build| config::arguments(build.config.get("overrides"))).unwrap_or_default();
        let rerun_of = before.map(|build| build.id);
        (id.clone(), Request { overrides, pins, rerun_of, run: asked.clone() })
    };
    let requests = plan.order.iter().map(request).collect();
    Ok(Ready { catalog, plan, requests })
}

/// A run that has ended: the newest build of each of its jobs, and which builds they used.
struct SoFar {
    builds: BTreeMap<String, Build>,
    used: BTreeMap<String, u64>,
}

impl SoFar {
    fn new(storage: &dyn Storage, scope: BTreeSet<&str>, owner: &str) -> Result<Self, CliError> {
        let mut builds = BTreeMap::new();
        for id in scope {
            let of_run = BuildFilter {
                owner: Some(owner.to_owned()),
                order: Order::Desc,
                limit: 1,
                brief: true,
                ..BuildFilter::job(id)
            };
            builds.extend(storage.get_job_builds(&of_run)?.into_iter().map(|build| (id.to_owned(), build)));
        }
        let used = builds.values().flat_map(Build::pins).map(|pin| (pin.job, pin.build)).collect();
        Ok(Self { builds, used })
    }

    fn became(&self, id: &str) -> Became {
        match self.builds.get(id) {
            // What a process left that is gone has failed, though nobody has said so yet.
            Some(build) if !build.finished => Became::Built(BuildStatus::Failed),
            Some(build) => Became::Built(build.status()),
            None if self.used.contains_key(id) => Became::Used,
            None => Became::Nothing,
        }
    }

    /// The build of `need` that `id` used in this run, or would have used.
    fn used(&self, id: &str, need: &str) -> Option<u64> {
        let own = self.builds.get(id).and_then(|build| build.pins().into_iter().find(|pin| pin.job == need));
        let built = || self.builds.get(need).filter(|build| build.status() == BuildStatus::Successful);
        let built = || built().map(|build| build.id);
        own.map(|pin| pin.build).or_else(built).or_else(|| self.used.get(need).copied())
    }
}
