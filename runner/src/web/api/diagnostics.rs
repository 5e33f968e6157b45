//! The mistakes in the active manifests.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;
use crate::show::json::CheckJson;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(diagnostics))
}

/// Show what `check` reports about the files as they are now.
#[utoipa::path(get, path = "/diagnostics", tag = "manifests", operation_id = "showDiagnostics", responses((status = 200, body = CheckJson)))]
async fn diagnostics(State(web): State<Web>) -> Answer {
    web.look(|look| {
        let current = look.current;
        json(&CheckJson::new(current.manifests.len(), current.jobs, &current.remarks))
    })
    .await
}
