//! What depends on what.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::extract::Query;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;
use crate::request::subgraph::Subgraph;
use crate::show::jobs::GraphJson;

/// Steps around a job where nothing is said.
const STEPS: u64 = 2;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(graph))
}

/// Which part of the graph.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GraphQuery {
    /// Only this job and what is near.
    focus: Option<String>,
    /// How many steps are near, towards what it needs and towards what needs it: 2 where nothing is
    /// said.
    depth: Option<u64>,
}

/// Jobs, and what depends on what.
#[utoipa::path(
    get, path = "/graph", tag = "jobs", operation_id = "showGraph", params(GraphQuery),
    responses((status = 200, body = GraphJson), (status = 404, body = ProblemJson)),
)]
async fn graph(State(web): State<Web>, Query(query): Query<GraphQuery>) -> Answer {
    web.look(move |look| {
        let depth = query.depth.unwrap_or(STEPS);
        json(&Subgraph::around(&look.current.catalog, query.focus.as_deref(), depth)?.shape())
    })
    .await
}
