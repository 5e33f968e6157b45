//! The dependency graph of jobs.

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

/// Default number of steps around a job.
const STEPS: u64 = 2;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(graph))
}

/// The part of the graph to show.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GraphQuery {
    /// Only this job and the jobs near it.
    focus: Option<String>,
    /// How many steps count as near, both towards its dependencies and towards its dependents. The
    /// default is 2.
    depth: Option<u64>,
}

/// Show jobs and their dependencies.
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
