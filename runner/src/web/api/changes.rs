//! Cancels runs and builds, and deletes builds.

use axum::extract::State;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::access::Caller;
use super::super::acting::cancel_build;
use super::super::acting::cancel_run;
use super::super::acting::delete_build;
use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::accepted;
use super::super::reply::json;
use super::super::state::Web;
use crate::show::runs::state_name;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(of_run)).routes(routes!(of_build)).routes(routes!(delete))
}

/// The state of a run after a request to cancel it.
#[derive(Serialize, ToSchema)]
struct CancelledRunJson {
    run: u64,
    /// `RUNNING` until the run's process has ended it.
    status: &'static str,
}

/// Cancel a run with all its builds, no matter which process works on it.
#[utoipa::path(
    post, path = "/runs/{id}/cancel", tag = "runs", operation_id = "cancelRun", params(("id" = u64, Path, description = "The run's number")),
    responses(
        (status = 202, body = CancelledRunJson, description = "The cancellation was requested"),
        (status = 403, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 409, body = ProblemJson, description = "It has already ended"),
    ),
)]
async fn of_run(State(web): State<Web>, caller: Caller, Path(id): Path<u64>) -> Answer {
    web.look(move |look| {
        cancel_run(look, &caller, id)?;
        let run = look.storage.get_run(id)?;
        accepted(&CancelledRunJson { run: id, status: state_name(run.state(true)) })
    })
    .await
}

/// The state of a build after a request to cancel it.
#[derive(Serialize, ToSchema)]
struct CancelledBuildJson {
    build: u64,
    /// Whether the build has already ended. If not, its process was asked to end it.
    ended: bool,
}

/// Cancel a build, no matter which process runs it.
#[utoipa::path(
    post, path = "/builds/{id}/cancel", tag = "builds", operation_id = "cancelBuild", params(("id" = u64, Path, description = "The build's number")),
    responses(
        (status = 202, body = CancelledBuildJson, description = "The cancellation was requested"),
        (status = 403, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 409, body = ProblemJson, description = "It has already ended"),
    ),
)]
async fn of_build(State(web): State<Web>, caller: Caller, Path(id): Path<u64>) -> Answer {
    web.look(move |look| {
        let ended = cancel_build(look, &caller, id)?;
        accepted(&CancelledBuildJson { build: id, ended })
    })
    .await
}

/// How to delete.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    /// Delete the build even if its `cleanup_function` fails.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// The build that was deleted.
#[derive(Serialize, ToSchema)]
struct DeletedJson {
    deleted: [u64; 1],
    /// How its `cleanup_function` failed, if the build was deleted anyway.
    cleanup_failed: Option<String>,
}

/// Delete a build, with its progress and log. Requires the scope `admin`.
#[utoipa::path(
    delete, path = "/builds/{id}", tag = "builds", operation_id = "deleteBuild",
    params(("id" = u64, Path, description = "The build's number"), DeleteQuery),
    responses(
        (status = 200, body = DeletedJson), (status = 403, body = ProblemJson), (status = 404, body = ProblemJson),
        (status = 409, body = ProblemJson, description = "The build is running or in use, or its cleanup failed"),
    ),
)]
async fn delete(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<u64>,
    Query(query): Query<DeleteQuery>,
) -> Answer {
    web.look(move |look| {
        let cleanup_failed = delete_build(look, &caller, id, query.force)?;
        json(&DeletedJson { deleted: [id], cleanup_failed })
    })
    .await
}
