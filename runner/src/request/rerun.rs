//! Repeats a build, as it was or as its job is now; or a run, or the rest of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::config;
use jobcontrol_core::plan;
use jobcontrol_core::plan::Ask;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::request::RunRequest;
use jobcontrol_core::run::Run;
use jobcontrol_core::run::RunStatus;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::types::same_name;

use crate::catalog::load::Catalog;
use crate::catalog::today::Today;
use crate::catalog::today::today;
use crate::catalog::workspace::Workspace;
use crate::execute::pins::usable;
use crate::execute::repeat::repeat;
use crate::record::backend::Store;
use crate::request::arguments::Given;
use crate::request::cancel::is_worked_on;
use crate::request::ready::Ready;
use crate::request::refusal::Refusal;
use crate::request::run::RunAsk;
use crate::request::run::run_of;
use crate::request::run::used;
use crate::request::standing::standings;
use crate::request::standing::standings_of;
use crate::request::targets::Sound;
use crate::request::targets::sound;
use crate::request::targets::without_broken;

/// Returns a run of this one build.
fn of_one(catalog: Catalog, job: &str, request: BuildRequest) -> Ready {
    let requests = BTreeMap::from([(job.to_owned(), request)]);
    let request = RunRequest { targets: vec![job.to_owned()], ..RunRequest::default() };
    Ready::of_plan(Arc::new(catalog), Plan::of_one(job), requests, request)
}

/// Repeats a build as it was. Arguments given by hand replace the old ones. Calls `warn` if it is
/// unknown whether the job is protected now.
///
/// # Errors
///
/// Returns a refusal if the store no longer has what the build needs, or if the job may no longer
/// have it.
pub fn same(
    workspace: &Workspace,
    storage: &dyn Storage,
    build: &Build,
    args: Given<'_>,
    warn: &dyn Fn(&str),
) -> Result<Ready, Refusal> {
    let (id, job) = (build.id, build.job_id.clone());
    let refused = |reason: String| {
        Refusal::failed(format!("build {id} cannot be repeated as it was: {reason}"))
            .hint("`--latest` uses the job as it is now")
    };
    // The job may be gone, even with its folder: the store has everything that is needed.
    let now = today(workspace, &job);
    let catalog = repeat(workspace, storage, build, &now).map_err(refused)?;
    if let Today::Unknown(reason) = &now {
        warn(&format!("`{job}` is treated as protected, because its manifest cannot be checked: {reason}"));
    }
    let mut overrides = config::overrides(&build.config);
    for (key, arg) in args.of(&catalog.graph.jobs[&job])? {
        overrides.retain(|(other, _)| !same_name(&other.name, &key.name));
        overrides.push((key, arg));
    }
    let mut pins = BTreeMap::new();
    for pin in &build.pins {
        let used = match storage.get_build(pin.build) {
            Err(StorageError::NotFound(used)) => {
                return Err(refused(format!("build {used} of `{}`, which it used, was deleted", pin.job)));
            }
            used => usable(used?, &pin.job).map_err(|error| refused(error.to_string()))?,
        };
        pins.insert(pin.job.clone(), used.id);
    }
    Ok(of_one(catalog, &job, BuildRequest { overrides, pins, rerun_of: Some(id) }))
}

/// Repeats a build as its job is now.
///
/// # Errors
///
/// Returns a refusal if the job is gone or has mistakes, or if an argument does not fit.
pub fn latest(workspace: &Workspace, storage: &dyn Storage, build: &Build, args: Given<'_>) -> Result<Ready, Refusal> {
    let job = build.job_id.as_str();
    let catalog = Catalog::load_for(workspace, &[job]).map_err(Refusal::usage)?;
    sound(&catalog, &[job])?;
    let overrides = args.of(&catalog.graph.jobs[job])?;
    let standings = standings_of(&catalog, storage, &plan::order(&catalog.graph, &[job]))?;
    let mut stale = used(&catalog.graph, &Plan::of_one(job), &BTreeSet::new(), &standings);
    stale.retain(|used| standings[&used.job].status.is_stale());
    let request = BuildRequest { overrides, rerun_of: Some(build.id), ..BuildRequest::default() };
    Ok(Ready { stale, ..of_one(catalog, job, request) })
}

/// Repeats a run: the same request, with the jobs as they are now.
///
/// # Errors
///
/// Returns the same refusals as for a new run.
pub fn whole(workspace: &Workspace, store: &Store, run: &Run) -> Result<Ready, Refusal> {
    let targets: Vec<&str> = run.request.targets.iter().map(String::as_str).collect();
    let catalog = Arc::new(Catalog::load(workspace).map_err(Refusal::usage)?);
    sound(&catalog, &targets)?;
    let given = |(job, request): (&String, &BuildRequest)| {
        let overrides = request.overrides.clone();
        (!overrides.is_empty()).then(|| (job.clone(), BuildRequest { overrides, ..BuildRequest::default() }))
    };
    let requests = run.requests.iter().filter_map(given).collect();
    let RunRequest { deps, force, revdeps, .. } = run.request;
    let pins = run.request.pins.clone();
    let ask = RunAsk { targets, deps, force, revdeps, pins, ..RunAsk::default() };
    run_of(&catalog, store, &ask, requests)
}

/// Repeats the rest of a run that no process works on: everything that failed or was not built,
/// with the jobs as they are now. Successful builds of that run are used as they are, and arguments
/// given by hand are given again.
///
/// # Errors
///
/// Returns a refusal if the run is still running, if nothing of it is left, or if jobs are gone or
/// have mistakes.
pub fn from_failed(workspace: &Workspace, storage: &dyn Storage, run: &Run) -> Result<Ready, Refusal> {
    if is_worked_on(storage, run)? {
        let message = format!("run {} is still running", run.id);
        return Err(Refusal::usage(message).hint("wait for it to end, then rerun what failed"));
    }
    if run.status == Some(RunStatus::Successful) {
        return Err(Refusal::usage(format!("run {} has no failed and no unfinished jobs", run.id)));
    }
    let so_far = SoFar::new(storage, run)?;
    let catalog = Catalog::load(workspace).map_err(Refusal::usage)?;
    let targets: Vec<&str> = run.request.targets.iter().map(String::as_str).collect();
    let planned = match &run.plan {
        Some(plan) => plan.clone(),
        None => today_s_plan(&catalog, storage, &run.request, &targets)?,
    };
    let left: Vec<&str> = planned.order.iter().map(String::as_str).filter(|id| !so_far.is_done(id)).collect();
    if left.is_empty() {
        return Err(Refusal::usage(format!("run {} has no failed and no unfinished jobs", run.id)));
    }
    let named: BTreeSet<&str> = catalog.graph.closure(targets.iter().copied());
    let (needed, after): (Vec<&str>, Vec<&str>) = left.iter().partition(|id| named.contains(*id));
    sound(&catalog, if needed.is_empty() { &targets } else { &needed })?;
    let Sound { graph, left_out } = without_broken(&catalog, &targets, run.request.revdeps);
    let after = after.into_iter().filter(|id| !left_out.iter().any(|out| out == id));
    let left: BTreeSet<&str> = needed.into_iter().chain(after).collect();
    let plan = plan::of_jobs(&graph, &left);
    let request = |id: &String| (id.clone(), so_far.request(id, graph.dependencies.get(id), &left));
    let requests = plan.order.iter().map(request).collect();
    let request = RunRequest { rest_of: Some(run.id), ..run.request.clone() };
    Ok(Ready { left_out, ..Ready::of_plan(Arc::new(catalog), plan, requests, request) })
}

/// Returns what a run would build today, for stores that did not keep plans.
fn today_s_plan(
    catalog: &Catalog,
    storage: &dyn Storage,
    request: &RunRequest,
    targets: &[&str],
) -> Result<Plan, Refusal> {
    sound(catalog, targets)?;
    let standings = if request.deps { standings(catalog, storage)? } else { BTreeMap::new() };
    let status = |id: &str| standings.get(id).map_or(JobStatus::NotBuilt, |job| job.status.clone());
    let pinned = request.pins.keys().map(String::as_str).collect();
    let ask = Ask { targets, deps: request.deps, force: request.force, revdeps: request.revdeps, pinned };
    Ok(plan::plan(&without_broken(catalog, targets, request.revdeps).graph, &ask, status))
}

/// A run that has ended: the newest build of each of its jobs, and which builds they used.
struct SoFar<'a> {
    run: &'a Run,
    builds: BTreeMap<String, Build>,
    used: BTreeMap<String, u64>,
}

impl<'a> SoFar<'a> {
    fn new(storage: &dyn Storage, run: &'a Run) -> Result<Self, Refusal> {
        let of_run = BuildFilter { run: Some(run.id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
        let builds = storage.get_job_builds(&of_run)?;
        // If a job has several builds, the newest counts, which comes last.
        let builds: BTreeMap<_, _> = builds.into_iter().map(|build| (build.job_id.clone(), build)).collect();
        let used = builds.values().flat_map(|build| &build.pins).map(|pin| (pin.job.clone(), pin.build)).collect();
        Ok(Self { run, builds, used })
    }

    /// Returns whether a job succeeded in the run. A build that other builds of the run used was
    /// successful, even if it has been deleted since.
    fn is_done(&self, id: &str) -> bool {
        match self.builds.get(id) {
            Some(build) => build.finished && build.success,
            None => self.used.contains_key(id) || self.run.shared.contains_key(id),
        }
    }

    /// Returns the request for the build of a remaining job.
    fn request(&self, id: &str, needs: Option<&Vec<String>>, left: &BTreeSet<&str>) -> BuildRequest {
        let run = self.run;
        let asked = run.requests.get(id).cloned().unwrap_or_default();
        let before = self.builds.get(id);
        let settled = needs.into_iter().flatten().filter(|need| !left.contains(need.as_str()));
        let used = |need: &String| self.used(id, need).or_else(|| run.request.pins.get(need).copied());
        let mut pins = asked.pins;
        pins.retain(|need, _| !left.contains(need.as_str()));
        pins.extend(settled.filter_map(|need| Some((need.clone(), used(need)?))));
        let overrides = before.map(|build| config::overrides(&build.config));
        let rerun_of = before.map(|build| build.id).or(asked.rerun_of);
        BuildRequest { overrides: overrides.unwrap_or(asked.overrides), pins, rerun_of }
    }

    /// Returns the build of `need` that `id` used in this run, or would have used.
    fn used(&self, id: &str, need: &str) -> Option<u64> {
        let own = self.builds.get(id).and_then(|build| build.pins.iter().find(|pin| pin.job == need));
        let built = || self.builds.get(need).filter(|build| build.status() == BuildStatus::Successful);
        let built = || built().map(|build| build.id);
        let elsewhere = || self.used.get(need).or_else(|| self.run.shared.get(need)).copied();
        own.map(|pin| pin.build).or_else(built).or_else(elsewhere)
    }
}
