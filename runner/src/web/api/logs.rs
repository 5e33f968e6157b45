//! Log records of a build, of a job, and of all builds.

use std::ops::ControlFlow;

use axum::extract::State;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::storage::LogFilter;
use jobcontrol_core::storage::LogRecord;
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
use super::builds::known_or_built;
use super::limits::page;
use super::limits::parameter;
use crate::show::json::RecordJson;
use crate::show::pages::LogJson;

/// Records that one request searches for a text: about 100 ms of work.
const SEARCHED: u64 = 50_000;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_build)).routes(routes!(of_job))
}

/// The records to show. Filters combine.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    /// Only records at or above this level: `debug`, `info`, `warning`, `error`, `critical` or a
    /// number.
    #[param(pattern = "^(debug|info|warning|error|critical|[0-9]{1,3})$")]
    level: Option<String>,
    /// Only records of this time or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only records before this time.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Only records with a greater id.
    after: Option<u64>,
    /// Only this many of the newest records.
    last: Option<u64>,
    /// Only records with this text in their message. One request searches a limited number of
    /// records; continue from `next`.
    q: Option<String>,
    /// The most records to show, up to 1000. The default is 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// Show log records of all builds.
#[utoipa::path(
    get, path = "/logs", tag = "logs", operation_id = "listLog", params(LogQuery),
    responses((status = 200, body = LogJson), (status = 400, body = ProblemJson)),
)]
async fn all(State(web): State<Web>, Query(query): Query<LogQuery>) -> Answer {
    web.look(move |look| records(look, &query, LogFilter::default())).await
}

/// Show log records of a build.
#[utoipa::path(
    get, path = "/builds/{id}/log", tag = "logs", operation_id = "listBuildLog",
    params(("id" = u64, Path, description = "The build's number"), LogQuery),
    responses((status = 200, body = LogJson), (status = 400, body = ProblemJson), (status = 404, body = ProblemJson)),
)]
async fn of_build(State(web): State<Web>, Path(id): Path<u64>, Query(query): Query<LogQuery>) -> Answer {
    web.look(move |look| {
        look.storage.get_build(id)?;
        records(look, &query, LogFilter { build_id: Some(id), ..LogFilter::default() })
    })
    .await
}

/// Show log records of all builds of a job.
#[utoipa::path(
    get, path = "/jobs/{id}/log", tag = "logs", operation_id = "listJobLog",
    params(("id" = String, Path, description = "The job's id"), LogQuery),
    responses((status = 200, body = LogJson), (status = 400, body = ProblemJson), (status = 404, body = ProblemJson)),
)]
async fn of_job(State(web): State<Web>, Path(id): Path<String>, Query(query): Query<LogQuery>) -> Answer {
    web.look(move |look| {
        known_or_built(look, &id)?;
        records(look, &query, LogFilter { job_id: Some(id), ..LogFilter::default() })
    })
    .await
}

fn filter(query: &LogQuery, of: LogFilter) -> Result<LogFilter, Problem> {
    Ok(LogFilter {
        min_level: parameter("level", query.level.as_deref(), Level::parse)?,
        min_date: parameter("since", query.since.as_deref(), Timestamp::parse)?,
        max_date: parameter("until", query.until.as_deref(), Timestamp::parse)?,
        after: query.after,
        last: query.last,
        ..of
    })
}

fn records(look: &Look<'_>, query: &LogQuery, of: LogFilter) -> Answer {
    let (filter, limit) = (filter(query, of)?, page(query.limit)?);
    let text = query.q.as_deref().filter(|text| !text.is_empty());
    let mut found: Vec<LogRecord> = Vec::new();
    let (mut searched, mut last, mut more) = (0, None, false);
    look.storage.iter_log_messages(&filter, &mut |record| {
        if found.len() as u64 == limit || searched == SEARCHED {
            more = true;
            return ControlFlow::Break(());
        }
        searched += u64::from(text.is_some());
        last = Some(record.id);
        if text.is_none_or(|text| record.record.message.contains(text)) {
            found.push(record);
        }
        ControlFlow::Continue(())
    })?;
    json(&LogJson { records: found.iter().map(RecordJson::new).collect(), next: last.filter(|_| more) })
}
