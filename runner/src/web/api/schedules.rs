//! Schedules of jobs.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;
use crate::request::schedules::Schedules;
use crate::show::pages::SchedulesJson;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List the jobs that have a schedule, with the next due time and the last run of each.
#[utoipa::path(get, path = "/schedules", tag = "jobs", operation_id = "listSchedules", responses((status = 200, body = SchedulesJson)))]
async fn list(State(web): State<Web>) -> Answer {
    web.look(|look| {
        let schedules = Schedules::read(&look.current.catalog, look.storage)?;
        json(&SchedulesJson { schedules: schedules.shapes() })
    })
    .await
}
