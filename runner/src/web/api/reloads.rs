//! Reloads of the jobs folder, and what each changed.

use axum::extract::State;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::access::Caller;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::reply::accepted;
use super::super::reply::json;
use super::super::state::Web;
use super::limits::next;
use super::limits::page;
use crate::show::pages::ReloadJson;
use crate::show::pages::ReloadsJson;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list, look))
}

/// The reloads to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ReloadsQuery {
    /// Only reloads with a smaller id.
    before: Option<u64>,
    /// The most reloads to list, up to 1000. The default is 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// List the reloads of the jobs folder that changed something, newest first.
#[utoipa::path(
    get, path = "/reloads", tag = "manifests", operation_id = "listReloads", params(ReloadsQuery),
    responses((status = 200, body = ReloadsJson), (status = 400, body = ProblemJson)),
)]
async fn list(State(web): State<Web>, Query(query): Query<ReloadsQuery>) -> Answer {
    web.look(move |look| {
        let limit = page(query.limit)?;
        let rows = look.storage.get_reloads(query.before, limit)?;
        let shapes = rows.iter().map(|row| ReloadJson::new(Some(row.id), row.created, &row.reload)).collect();
        json(&ReloadsJson { reloads: shapes, next: next(&rows, limit, |row| row.id) })
    })
    .await
}

/// The answer to a request to look at the jobs folder.
#[derive(Serialize, ToSchema)]
struct LookingJson {
    looking: bool,
}

/// Look at the jobs folder now. Requires the scope `admin`.
#[utoipa::path(
    post, path = "/reloads", tag = "manifests", operation_id = "lookAtFiles",
    responses(
        (status = 202, body = LookingJson, description = "The service looks; a change becomes an event and a reload"),
        (status = 403, body = ProblemJson),
    ),
)]
async fn look(State(web): State<Web>, caller: Caller) -> Answer {
    if !caller.scopes.is_admin() {
        let problem = Problem::new(Sort::Forbidden, "the token may not make the service look at the files");
        return Err(problem.hint("it needs the scope `admin`"));
    }
    web.look(|look| {
        look.service.look_at_files();
        accepted(&LookingJson { looking: true })
    })
    .await
}
