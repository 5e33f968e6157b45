//! Runs, and the result of each of their jobs.

use axum::extract::State;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::RunFilter;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Look;
use super::super::state::Web;
use super::limits::next;
use super::limits::page;
use crate::request::cancel::is_worked_on;
use crate::request::interrupted::look_at;
use crate::show::pages::RunsJson;
use crate::show::runs::RunJson;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// The runs to list. Filters combine.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RunsQuery {
    /// Only runs that have not ended, or only runs that have.
    open: Option<bool>,
    /// Only runs with a smaller id.
    before: Option<u64>,
    /// The most runs to list, up to 1000. The default is 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// List runs, newest first.
#[utoipa::path(
    get, path = "/runs", tag = "runs", operation_id = "listRuns", params(RunsQuery),
    responses((status = 200, body = RunsJson), (status = 400, body = ProblemJson)),
)]
async fn list(State(web): State<Web>, Query(query): Query<RunsQuery>) -> Answer {
    web.look(move |look| {
        let limit = page(query.limit)?;
        let filter = RunFilter { open: query.open, before: query.before, limit: Some(limit), ..RunFilter::default() };
        let runs = look.storage.get_runs(&filter)?;
        let ids: Vec<u64> = runs.iter().map(|run| run.id).collect();
        let counts = look.storage.get_run_counts(&ids)?;
        let mut shapes = Vec::new();
        for (run, counts) in runs.iter().zip(counts) {
            shapes.push(RunJson::new(run, run.state(is_worked_on(look.storage, run)?), counts));
        }
        json(&RunsJson { runs: shapes, next: next(&runs, limit, |run| run.id) })
    })
    .await
}

/// Show a run with the result of each of its jobs.
#[utoipa::path(
    get, path = "/runs/{id}", tag = "runs", operation_id = "showRun", params(("id" = u64, Path, description = "The run's number")),
    responses((status = 200, body = RunJson), (status = 404, body = ProblemJson)),
)]
async fn one(State(web): State<Web>, Path(id): Path<u64>) -> Answer {
    web.look(move |look| told(look, id, |run| json(&run))).await
}

/// Reads a run with its jobs and passes its document to `tell`.
pub(super) fn told<T>(
    look: &Look<'_>,
    id: u64,
    tell: impl FnOnce(RunJson<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let run = look.storage.get_run(id)?;
    let of_run = BuildFilter { run: Some(id), limit: u64::MAX >> 1, brief: true, ..BuildFilter::default() };
    let builds = look.storage.get_job_builds(&of_run)?;
    let moment = look_at(look.storage, &builds)?;
    let state = run.state(is_worked_on(look.storage, &run)?);
    let jobs = run.jobs(&builds, state);
    let counts = look.storage.get_run_counts(&[id])?.into_iter().next().unwrap_or_default();
    tell(RunJson::new(&run, state, counts).with_jobs(&jobs, &moment))
}
