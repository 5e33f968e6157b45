//! New runs, started at once or held back.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use jobcontrol_core::storage::Write;
use jobcontrol_core::trigger::MAX_PRIORITY;
use serde::Deserialize;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::access::Caller;
use super::super::acting::begin;
use super::super::acting::may_run;
use super::super::acting::may_start;
use super::super::acting::run_of_caller;
use super::super::extract::Json;
use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::reply::accepted;
use super::super::reply::json;
use super::super::state::Look;
use super::super::state::Web;
use super::runs::told;
use super::starting::UsedJson;
use super::starting::created;
use crate::request::ready::Used;
use crate::request::refusal::Refusal;
use crate::request::run::RunAsk;
use crate::request::run::run_with;
use crate::request::targets::Choice;
use crate::request::targets::is_glob;
use crate::show::runs::RunJson;

/// Longest time that a response waits for the end of a run, in seconds. Proxies give up after a
/// minute.
const LONGEST_WAIT: u64 = 60;

/// The first and the longest pause between two checks whether a run has ended.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(start))
}

fn yes() -> bool {
    true
}

/// The run to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRunJson {
    /// The ids of the jobs. `*` stands for any part of an id. Patterns, tags and `all` only match
    /// jobs that the token may run.
    #[serde(default)]
    targets: Vec<String>,
    /// Run the jobs that have one of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Run all jobs.
    #[serde(default)]
    all: bool,
    /// First build the dependencies that are missing, failing or outdated.
    #[serde(default)]
    deps: bool,
    /// First build all dependencies, whatever their status.
    #[serde(default)]
    force: bool,
    /// Afterwards build everything that depends on the jobs, directly or not.
    #[serde(default)]
    revdeps: bool,
    /// Refuse to use builds of dependencies that are outdated or failing.
    #[serde(default)]
    strict: bool,
    /// The builds of dependencies to use instead of the latest ones. These dependencies are not
    /// built.
    #[serde(default)]
    pins: BTreeMap<String, u64>,
    /// Values that override arguments: by parameter name for a single job, otherwise by job and
    /// then by parameter name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    arguments: serde_json::Map<String, serde_json::Value>,
    /// Of several waiting runs, those with the largest number start first. The default is the
    /// priority of the jobs.
    #[schema(minimum = -1000, maximum = 1000)]
    priority: Option<i64>,
    /// The protected jobs that may run.
    #[serde(default)]
    armed: Vec<String>,
    /// Whether the run starts now. If not, it waits for `POST runs/{id}/start`.
    #[serde(default = "yes")]
    start: bool,
}

/// Whether to wait for the end of the run.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    /// Respond when the run has ended, or after this many seconds, at most 60.
    #[param(maximum = 60)]
    wait: Option<u64>,
}

/// A new run, with the jobs that it does not build.
#[derive(Serialize, ToSchema)]
struct MadeJson<'a> {
    #[serde(flatten)]
    run: RunJson<'a>,
    /// Jobs that it does not build because their manifests have mistakes.
    left_out: &'a [String],
    /// Builds that it uses of jobs that are outdated or failing.
    stale: Vec<UsedJson<'a>>,
}

/// A new run, and the jobs that it does not build.
struct Made {
    run: u64,
    left_out: Vec<String>,
    stale: Vec<Used>,
}

/// Create a run that builds jobs.
#[utoipa::path(
    post, path = "/runs", tag = "runs", operation_id = "createRun", params(WaitQuery), request_body = NewRunJson,
    responses(
        (status = 201, body = MadeJson, description = "The run was started, or is held back"),
        (status = 400, body = ProblemJson, description = "An argument, a pin or a parameter is invalid"),
        (status = 403, body = ProblemJson), (status = 404, body = ProblemJson, description = "No such job or build"),
        (status = 409, body = ProblemJson, description = "A job is protected, or dependencies are not up to date"),
        (status = 422, body = ProblemJson, description = "The manifest of a job has mistakes"),
    ),
)]
async fn create(
    State(web): State<Web>,
    caller: Caller,
    Query(query): Query<WaitQuery>,
    Json(ask): Json<NewRunJson>,
) -> Answer {
    let wait = seconds(query.wait)?;
    let starts = ask.start;
    let made = web.look(move |look| make(look, &caller, ask)).await?;
    if let (Some(wait), true) = (wait, starts) {
        wait_for_end(&web, made.run, wait).await?;
    }
    web.look(move |look| {
        let Made { run, left_out, stale } = &made;
        let stale = stale.iter().map(UsedJson::new).collect();
        let answer = told(look, *run, |run| json(&MadeJson { run, left_out, stale }))?;
        created(answer, *run)
    })
    .await
}

fn seconds(wait: Option<u64>) -> Result<Option<Duration>, Problem> {
    match wait {
        Some(wait) if wait > LONGEST_WAIT => {
            let reason = format!("`{wait}` is not a number from 0 to {LONGEST_WAIT}");
            Err(Problem::new(Sort::Usage, format!("wait: {reason}")).parameter("wait", reason))
        }
        wait => Ok(wait.map(Duration::from_secs)),
    }
}

fn make(look: &Look<'_>, caller: &Caller, ask: NewRunJson) -> Result<Made, Problem> {
    let NewRunJson { targets, tags, all, deps, force, revdeps, strict, pins, arguments, priority, armed, start } = ask;
    if let Some(wrong) = priority.filter(|priority| priority.unsigned_abs() > MAX_PRIORITY.unsigned_abs()) {
        let reason = format!("`{wrong}` is not a number from -{MAX_PRIORITY} to {MAX_PRIORITY}");
        return Err(Problem::new(Sort::Usage, format!("priority: {reason}")).at("/priority", reason));
    }
    if all && !(targets.is_empty() && tags.is_empty()) {
        let reason = "`all` cannot be combined with `targets` or `tags`";
        return Err(Problem::new(Sort::Usage, reason).at("/all", reason));
    }
    // Check rights first, so that a refusal does not reveal which jobs exist.
    may_run(caller, targets.iter().map(String::as_str).filter(|name| !is_glob(name)))?;
    let choice = Choice { named: &targets, tags: &tags, all };
    let targets = choice.of_catalog(&look.current.catalog, |id| caller.scopes.may_run(id))?;
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let ask = RunAsk { targets, deps, force, strict, revdeps, pins, ..RunAsk::default() };
    let ready = run_with(&look.current.catalog, look.service.store(), &ask, &arguments)?;
    may_start(caller, &ready, &armed)?;
    let (left_out, stale) = (ready.left_out.clone(), ready.stale.clone());
    let run = match start {
        true => begin(look, caller, ready, priority)?,
        false => look.service.runs().hold(ready, &caller.requester, priority)?,
    };
    Ok(Made { run, left_out, stale })
}

/// Waits until a run has ended, or until the time is over. Holds no thread meanwhile.
async fn wait_for_end(web: &Web, run: u64, wait: Duration) -> Result<(), Problem> {
    let until = Instant::now() + wait;
    let mut every = LOOK_EVERY.0;
    loop {
        let over = web.look(move |look| {
            let over = look.service.runs().over(run);
            Ok(if look.storage.get_run(run)?.status.is_some() { None } else { Some(over) })
        });
        let Some(over) = over.await? else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        match over {
            Some(over) => drop(tokio::time::timeout(left, over).await),
            // Another service works on it, or none does yet.
            None => {
                tokio::time::sleep(every.min(left)).await;
                every = (every * 2).min(LOOK_EVERY.1);
            }
        }
    }
}

/// Start a run that is held back.
#[utoipa::path(
    post, path = "/runs/{id}/start", tag = "runs", operation_id = "startRun", params(("id" = u64, Path, description = "The run's number")),
    responses(
        (status = 202, body = RunJson, description = "The run was started"),
        (status = 403, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 409, body = ProblemJson, description = "The run is not held back"),
    ),
)]
async fn start(State(web): State<Web>, caller: Caller, Path(id): Path<u64>) -> Answer {
    web.look(move |look| {
        let run = run_of_caller(look, &caller, id)?;
        if !run.held || run.status.is_some() {
            return Err(Refusal::failed(format!("run {id} is not held back")).into());
        }
        look.storage.write(Write::StartRun(id))?;
        look.service.look();
        told(look, id, |run| accepted(&run))
    })
    .await
}
