//! Whether the service is alive and ready, for load balancers. Needs no token and tells nothing else.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// How the service is.
#[derive(Serialize, ToSchema)]
struct HealthJson {
    status: &'static str,
}

fn ok() -> Result<Response, Problem> {
    json(&HealthJson { status: "ok" })
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", operation_id = "isAlive", responses((status = 200, body = HealthJson)))]
async fn alive() -> Answer {
    ok()
}

/// Whether runs can be started: the files were read, and the store can be used.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "isReady",
    responses((status = 200, body = HealthJson), (status = 503, body = ProblemJson)),
)]
async fn ready(State(web): State<Web>) -> Answer {
    web.blocking(|service| {
        // The files were read before anything is served.
        service.storage().data_version()?;
        ok()
    })
    .await
}
