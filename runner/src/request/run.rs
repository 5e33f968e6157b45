//! Turns jobs to build into a run that can start.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jobcontrol_core::build::Build;
use jobcontrol_core::check::Graph;
use jobcontrol_core::plan;
use jobcontrol_core::plan::Ask;
use jobcontrol_core::plan::Plan;
use jobcontrol_core::request::BuildRequest;
use jobcontrol_core::request::RunRequest;
use jobcontrol_core::status::JobStatus;
use jobcontrol_core::storage::StorageError;

use crate::catalog::load::Catalog;
use crate::catalog::workspace::Workspace;
use crate::execute::pins::fit;
use crate::execute::pins::usable;
use crate::record::backend::Store;
use crate::request::arguments::given;
use crate::request::arguments::overrides;
use crate::request::ready::Ready;
use crate::request::ready::Used;
use crate::request::refusal::Place;
use crate::request::refusal::Refusal;
use crate::request::standing::Standing;
use crate::request::standing::standings_of;
use crate::request::targets::Sound;
use crate::request::targets::no_job;
use crate::request::targets::sound;
use crate::request::targets::without_broken;

/// A request to build jobs.
#[derive(Clone, Debug, Default)]
pub struct RunAsk<'a> {
    /// The jobs, each once.
    pub targets: Vec<&'a str>,
    /// Build dependencies that are missing, failing or outdated first.
    pub deps: bool,
    /// Build all dependencies first, whatever their status.
    pub force: bool,
    /// Refuse to use builds of jobs that are outdated or failing.
    pub strict: bool,
    /// Afterwards build the jobs that depend on the targets.
    pub revdeps: bool,
    /// The builds to use of some dependencies, by job.
    pub pins: BTreeMap<String, u64>,
    /// Nobody is there to confirm protected dependencies, so these are not built.
    pub unattended: bool,
    /// `NAME=VALUE`: give an argument of the one job another value.
    pub args: &'a [String],
}

/// Reads the jobs folder as far as the targets need it, and prepares a run.
///
/// # Errors
///
/// Returns a refusal if the request is wrong, or if jobs or builds do not exist or have mistakes.
pub fn run(workspace: &Workspace, store: &Store, ask: &RunAsk<'_>) -> Result<Ready, Refusal> {
    let whole = ask.revdeps || !ask.pins.is_empty();
    let catalog = if whole { Catalog::load(workspace) } else { Catalog::load_for(workspace, &ask.targets) };
    let catalog = Arc::new(catalog.map_err(Refusal::usage)?);
    sound(&catalog, &ask.targets)?;
    let requests = overrides(&catalog, &ask.targets, ask.args)?;
    run_of(&catalog, store, ask, requests)
}

/// Does the same as [`run`] for jobs that were read before, with arguments given as JSON: by the
/// names of the one job's parameters, or by job.
///
/// # Errors
///
/// Returns the same refusals as [`run`].
pub(crate) fn run_with(
    catalog: &Arc<Catalog>,
    store: &Store,
    ask: &RunAsk<'_>,
    arguments: &serde_json::Map<String, serde_json::Value>,
) -> Result<Ready, Refusal> {
    if ask.targets.is_empty() {
        return Err(Refusal::usage("there is no job to build").at(Place::Target(None)));
    }
    sound(catalog, &ask.targets)?;
    run_of(catalog, store, ask, given(catalog, &ask.targets, arguments)?)
}

/// Does the same as [`run`] for jobs that were read before and are sound. `requests` holds the
/// requests for single builds.
///
/// # Errors
///
/// Returns the same refusals as [`run`].
pub fn run_of(
    catalog: &Arc<Catalog>,
    store: &Store,
    ask: &RunAsk<'_>,
    mut requests: BTreeMap<String, BuildRequest>,
) -> Result<Ready, Refusal> {
    let pins = pins(store, catalog, ask)?;
    let Sound { graph, left_out } = without_broken(catalog, &ask.targets, ask.revdeps);
    let pinned = pins.keys().map(String::as_str).collect();
    let mut due = Ask { targets: &ask.targets, deps: ask.deps, force: ask.force, revdeps: ask.revdeps, pinned };
    let roots = due.roots(&graph);
    let standings = standings_below(catalog, &graph, store, &roots)?;
    let status = |id: &str| standings.get(id).map_or(JobStatus::NotBuilt, |job| job.status.clone());
    let mut plan = plan::plan(&graph, &due, status);
    let mut guarded = Vec::new();
    if ask.unattended {
        let is_guarded = |id: &&String| !roots.contains(id.as_str()) && graph.jobs[*id].job.protected;
        guarded = plan.order.iter().filter(is_guarded).cloned().collect();
        let ids: Vec<&str> =
            guarded.iter().filter_map(|id| Some(graph.dependencies.get_key_value(id)?.0.as_str())).collect();
        if !ids.is_empty() {
            due.pinned.extend(ids);
            plan = plan::plan(&graph, &due, status);
        }
    }
    pin_each(catalog, &plan, &pins, &mut requests)?;
    let used = used(&graph, &plan, &due.pinned, &standings);
    let stale: Vec<_> = used.iter().filter(|used| standings[&used.job].status.is_stale()).cloned().collect();
    if ask.strict && !stale.is_empty() {
        let message = format!("dependencies are not up to date: {}", Used::named(&stale));
        return Err(Refusal::stale(message).hint("`--deps` builds them first"));
    }
    let request = RunRequest {
        targets: ask.targets.iter().map(|id| (*id).to_owned()).collect(),
        deps: ask.deps,
        force: ask.force,
        revdeps: ask.revdeps,
        pins: pins.iter().map(|(job, build)| (job.clone(), build.id)).collect(),
        rest_of: None,
    };
    // This run itself builds forced jobs, targets, and jobs with their own arguments or pins.
    let may_share = |id: &&String| !ask.force && !roots.contains(id.as_str()) && !requests.contains_key(*id);
    let known = |id: &String| (id.clone(), standings.get(id).and_then(|standing| standing.latest).unwrap_or(0));
    let shared = plan.order.iter().filter(may_share).map(known).collect();
    let reused = if ask.deps || ask.force { used } else { Vec::new() };
    Ok(Ready {
        left_out,
        stale,
        reused,
        guarded,
        shared,
        ..Ready::of_plan(Arc::clone(catalog), plan, requests, request)
    })
}

/// Returns the state of jobs and all their dependencies. The store is not read for jobs without
/// dependencies.
fn standings_below(
    catalog: &Catalog,
    graph: &Graph,
    store: &Store,
    roots: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Standing>, Refusal> {
    let roots: Vec<&str> = roots.iter().copied().collect();
    let all = plan::order(graph, &roots);
    if all.len() == roots.len() {
        return Ok(BTreeMap::new());
    }
    Ok(standings_of(catalog, &*store.storage(true)?, &all)?)
}

/// Returns the builds that a plan uses of jobs that it does not build.
pub(super) fn used(
    graph: &Graph,
    plan: &Plan,
    pinned: &BTreeSet<&str>,
    standings: &BTreeMap<String, Standing>,
) -> Vec<Used> {
    let used = |id: &str| {
        let standing = standings.get(id)?;
        Some(Used { job: id.to_owned(), build: standing.latest?, status: standing.status.name() })
    };
    plan::reused(graph, plan, pinned).into_iter().filter_map(used).collect()
}

/// Reads `DEP=BUILD` texts from the command line.
///
/// # Errors
///
/// Returns a refusal if a text has another form, or if a dependency is pinned twice.
pub fn read_pins(texts: &[String]) -> Result<BTreeMap<String, u64>, Refusal> {
    let mut pins = BTreeMap::new();
    for text in texts {
        let usage = |reason: String| Refusal::usage(format!("--pin {text}: {reason}"));
        let (job, number) = text.split_once('=').ok_or_else(|| usage("write `DEP=BUILD`".to_owned()))?;
        let number: u64 = number.parse().map_err(|_| usage(format!("`{number}` is not a build number")))?;
        if pins.insert(job.to_owned(), number).is_some() {
            return Err(usage(format!("`{job}` is pinned twice")));
        }
    }
    Ok(pins)
}

/// Reads the build of each pin. Its job must be one that jobs of this run can depend on, and its
/// build must have returned a value.
fn pins(store: &Store, catalog: &Catalog, ask: &RunAsk<'_>) -> Result<BTreeMap<String, Build>, Refusal> {
    let mut pins = BTreeMap::new();
    for (job, number) in &ask.pins {
        let place = || Place::Pin(job.clone(), Some(*number));
        let usage = |reason: String| Refusal::usage(reason).at(place());
        if !catalog.graph.dependencies.contains_key(job) {
            return Err(usage(no_job(catalog, job).text()));
        }
        if ask.targets.contains(&job.as_str()) {
            return Err(usage(format!("`{job}` is itself to be built")));
        }
        let build = match store.storage(false)?.get_build(*number) {
            Err(error @ StorageError::NotFound(_)) => {
                let lists = format!("`jobcontrol builds {job}` lists them");
                return Err(Refusal::not_found(error.to_string()).at(place()).hint(lists));
            }
            build => build?,
        };
        let build = usable(build, job).map_err(|error| usage(error.to_string()))?;
        pins.insert(job.clone(), build);
    }
    Ok(pins)
}

/// Assigns each pin to the builds that use it, after checking that the old return value fits the
/// functions called now.
fn pin_each(
    catalog: &Catalog,
    plan: &Plan,
    pins: &BTreeMap<String, Build>,
    requests: &mut BTreeMap<String, BuildRequest>,
) -> Result<(), Refusal> {
    let mut unused: Vec<&str> = pins.keys().map(String::as_str).collect();
    for id in &plan.order {
        let needs = catalog.graph.dependencies.get(id).into_iter().flatten();
        let own: BTreeMap<_, _> = needs.filter_map(|need| Some((need.clone(), pins.get(need)?.id))).collect();
        unused.retain(|job| !own.contains_key(*job));
        if !own.is_empty() {
            fit(&catalog.graph, &catalog.graph.jobs[id], pins)
                .map_err(|reason| Refusal::usage(reason).at(Place::Pins))?;
            requests.entry(id.clone()).or_default().pins = own;
        }
    }
    match unused.first() {
        Some(job) => {
            let message = format!("no job that is to be built depends on `{job}`");
            Err(Refusal::usage(message).at(Place::Pin((*job).to_owned(), None)))
        }
        None => Ok(()),
    }
}
