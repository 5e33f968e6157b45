//! A run that can start, started in the caller's name, if the caller may.

use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::LOCATION;
use jobcontrol_core::run::Run;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::access::Caller;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::json;
use super::super::state::Look;
use super::base::BASE;
use crate::request::ready::Ready;
use crate::request::ready::Used;

/// Where a body names the protected jobs that may run.
const ARMED: &str = "/armed";

/// A run that was started.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedJson<'a> {
    /// Its number.
    run: u64,
    /// The jobs that it builds, in order.
    jobs: &'a [String],
    /// Jobs that it would build if their manifests were right.
    left_out: &'a [String],
    /// What it uses of jobs that are outdated or failing.
    stale: Vec<UsedJson<'a>>,
}

/// A build that is used as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct UsedJson<'a> {
    job_id: &'a str,
    build: u64,
    /// How the job stands.
    status: &'static str,
}

impl<'a> UsedJson<'a> {
    pub(super) fn new(used: &'a Used) -> Self {
        Self { job_id: &used.job, build: used.build, status: used.status }
    }
}

/// A run, if the caller may run and cancel all of its jobs.
pub(super) fn run_of_caller(look: &Look<'_>, caller: &Caller, id: u64) -> Result<Run, Problem> {
    let run = look.storage.get_run(id)?;
    let planned = run.plan.iter().flat_map(|plan| &plan.order);
    may_run(caller, run.request.targets.iter().chain(planned).map(String::as_str))?;
    Ok(run)
}

/// Refuses a caller who may not run one of these jobs.
pub(super) fn may_run<'a>(caller: &Caller, jobs: impl IntoIterator<Item = &'a str>) -> Result<(), Problem> {
    match jobs.into_iter().find(|job| !caller.scopes.may_run(job)) {
        None => Ok(()),
        Some(job) => {
            let problem = Problem::new(Sort::Forbidden, format!("the token may not run or cancel `{job}`"));
            Err(problem.hint(format!("it needs the scope `run:{job}`, or one that covers it")))
        }
    }
}

/// Refuses a run that the caller may not start; `armed` names the protected jobs that may be among its jobs.
pub(super) fn may_start(caller: &Caller, ready: &Ready, armed: &[String]) -> Result<(), Problem> {
    may_run(caller, ready.plan.order.iter().map(String::as_str))?;
    match ready.protected().find(|job| !armed.iter().any(|id| id == job)) {
        None => Ok(()),
        Some(job) => {
            let detail = format!("`{job}` is protected");
            let problem = Problem::new(Sort::Failed, detail.clone()).at(ARMED, detail);
            Err(problem.hint(format!("name `{job}` in `armed` to run it all the same")))
        }
    }
}

/// Starts a run that the caller may start; returns its number once the store has it.
pub(super) fn begin(look: &Look<'_>, caller: &Caller, ready: Ready, priority: Option<i64>) -> Result<u64, Problem> {
    let started = look.service.start_run(ready, &caller.requester, priority)?;
    let gone = |_| Problem::new(Sort::Internal, "the service has met a bug of its own");
    Ok(started.blocking_recv().map_err(gone)??)
}

/// Starts a run; `armed` names the protected jobs that may be among its jobs.
pub(super) fn start(look: &Look<'_>, caller: &Caller, ready: Ready, armed: &[String]) -> Result<Response, Problem> {
    may_start(caller, &ready, armed)?;
    let (jobs, left_out, stale) = (ready.plan.order.clone(), ready.left_out.clone(), ready.stale.clone());
    let run = begin(look, caller, ready, None)?;
    let stale = stale.iter().map(UsedJson::new).collect();
    created(json(&StartedJson { run, jobs: &jobs, left_out: &left_out, stale })?, run)
}

/// An answer that says where a new run is.
pub(super) fn created(mut response: Response, run: u64) -> Result<Response, Problem> {
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("{BASE}/runs/{run}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}
