//! Reruns of builds and runs.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::access::Caller;
use super::super::extract::Json;
use super::super::extract::Path;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::state::Web;
use super::starting::StartedJson;
use super::starting::start;
use crate::request::arguments::Given;
use crate::request::refusal::Refusal;
use crate::request::rerun::from_failed;
use crate::request::rerun::latest;
use crate::request::rerun::same;
use crate::request::rerun::whole;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(of_build)).routes(routes!(of_run))
}

/// How to rerun a build.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum How {
    /// As it was: the same plugin and arguments, and the same builds of other jobs.
    #[default]
    Same,
    /// As its job is now.
    Latest,
}

/// How to rerun a build.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BuildAgain {
    /// The default is `same`.
    #[serde(default)]
    how: How,
    /// Values that override arguments, by parameter name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    arguments: serde_json::Map<String, serde_json::Value>,
    /// The job, if it is protected and may still run.
    #[serde(default)]
    armed: Vec<String>,
}

/// Rerun a build.
#[utoipa::path(
    post, path = "/builds/{id}/rerun", tag = "builds", operation_id = "rerunBuild",
    params(("id" = u64, Path, description = "The build's number")), request_body = BuildAgain,
    responses(
        (status = 201, body = StartedJson), (status = 400, body = ProblemJson, description = "An argument is invalid"),
        (status = 403, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 409, body = ProblemJson, description = "The job is protected, or an input of the build is gone"),
        (status = 422, body = ProblemJson, description = "The manifest of the job has mistakes"),
    ),
)]
async fn of_build(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, Json(ask): Json<BuildAgain>) -> Answer {
    web.look(move |look| {
        let build = look.storage.get_build(id)?;
        let warn = |reason: &str| tracing::warn!(build = id, reason, "rerunning a build");
        let given = Given::Values(&ask.arguments);
        let ready = match ask.how {
            How::Same => same(look.workspace, look.storage, &build, given, &warn)?,
            How::Latest => latest(look.workspace, look.storage, &build, given)?,
        };
        start(look, &caller, ready, &ask.armed)
    })
    .await
}

/// How to rerun a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunAgain {
    /// Rerun only the jobs that failed or were not built. What succeeded in that run is used as it
    /// is.
    #[serde(default)]
    from_failed: bool,
    /// The protected jobs that may run.
    #[serde(default)]
    armed: Vec<String>,
}

/// Rerun a run, with its jobs as they are now.
#[utoipa::path(
    post, path = "/runs/{id}/rerun", tag = "runs", operation_id = "rerunRun",
    params(("id" = u64, Path, description = "The run's number")), request_body = RunAgain,
    responses(
        (status = 201, body = StartedJson), (status = 403, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 409, body = ProblemJson, description = "A job is protected"),
        (status = 422, body = ProblemJson, description = "The manifest of a job has mistakes"),
    ),
)]
async fn of_run(State(web): State<Web>, caller: Caller, Path(id): Path<u64>, Json(ask): Json<RunAgain>) -> Answer {
    web.look(move |look| {
        let run = look.storage.get_run(id)?;
        let ready = match ask.from_failed {
            true => from_failed(look.workspace, look.storage, &run)?,
            // The mistake is in the run, not in the body of this request.
            false => whole(look.workspace, look.service.store(), &run)
                .map_err(|refusal| Refusal { faults: Vec::new(), ..refusal })?,
        };
        start(look, &caller, ready, &ask.armed)
    })
    .await
}
