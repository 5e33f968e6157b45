//! Health checks for load balancers, which need no token, and metrics for clients that may read.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
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
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready)).routes(routes!(metrics))
}

/// The health of the service.
#[derive(Serialize, ToSchema)]
struct HealthJson {
    status: &'static str,
}

fn ok() -> Result<Response, Problem> {
    json(&HealthJson { status: "ok" })
}

/// Check whether the process responds.
#[utoipa::path(get, path = "/healthz", tag = "health", operation_id = "isAlive", responses((status = 200, body = HealthJson)))]
async fn alive() -> Answer {
    ok()
}

/// Check whether runs can be started: the files were read, and the store can be used.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "isReady",
    responses((status = 200, body = HealthJson), (status = 503, body = ProblemJson)),
)]
async fn ready(State(web): State<Web>) -> Answer {
    web.blocking(|service| {
        // The files are read before the service begins to serve.
        service.storage().data_version()?;
        ok()
    })
    .await
}

/// The content type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Get the metrics of the service, in the format of Prometheus. Requires the scope `read` once
/// tokens exist.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "getMetrics",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text"),
        (status = 401, body = ProblemJson), (status = 403, body = ProblemJson),
    ),
)]
async fn metrics(State(web): State<Web>) -> Answer {
    let text = web.blocking(|service| Ok(service.metrics())).await?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    Ok(response)
}
