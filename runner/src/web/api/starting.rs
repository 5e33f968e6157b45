//! Starts a prepared run in the caller's name, if the caller may start it.

use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::LOCATION;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::access::Caller;
use super::super::acting::begin;
use super::super::acting::may_start;
use super::super::problem::Problem;
use super::super::reply::json;
use super::super::state::Look;
use super::base::BASE;
use crate::request::ready::Ready;
use crate::request::ready::Used;

/// A run that was started.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedJson<'a> {
    /// The run's number.
    run: u64,
    /// The jobs that it builds, in order.
    jobs: &'a [String],
    /// Jobs that it does not build because their manifests have mistakes.
    left_out: &'a [String],
    /// Builds that it uses of jobs that are outdated or failing.
    stale: Vec<UsedJson<'a>>,
}

/// An existing build that the run uses.
#[derive(Serialize, ToSchema)]
pub(super) struct UsedJson<'a> {
    job_id: &'a str,
    build: u64,
    /// The status of the job.
    status: &'static str,
}

impl<'a> UsedJson<'a> {
    pub(super) fn new(used: &'a Used) -> Self {
        Self { job_id: &used.job, build: used.build, status: used.status }
    }
}

/// Starts a run. `armed` lists the protected jobs that may be part of it.
pub(super) fn start(look: &Look<'_>, caller: &Caller, ready: Ready, armed: &[String]) -> Result<Response, Problem> {
    may_start(caller, &ready, armed)?;
    let (jobs, left_out, stale) = (ready.plan.order.clone(), ready.left_out.clone(), ready.stale.clone());
    let run = begin(look, caller, ready, None)?;
    let stale = stale.iter().map(UsedJson::new).collect();
    created(json(&StartedJson { run, jobs: &jobs, left_out: &left_out, stale })?, run)
}

/// Turns a response into one with status 201 and the address of the new run.
pub(super) fn created(mut response: Response, run: u64) -> Result<Response, Problem> {
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("{BASE}/runs/{run}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}
