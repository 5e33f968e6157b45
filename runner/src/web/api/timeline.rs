//! The builds of a period, one row for each job.

use std::collections::BTreeMap;

use axum::extract::State;
use jobcontrol_core::build::Build;
use jobcontrol_core::build::BuildStatus;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::ProblemJson;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Look;
use super::super::state::Web;
use super::builds::tagged;
use super::limits::parameter;
use crate::request::interrupted::look_at;
use crate::request::window::narrow;
use crate::show::json::BriefJson;
use crate::show::pages::TimelineJson;
use crate::show::pages::TimelineRowJson;

/// Default length of the period, in hours.
const HOURS: u64 = 24;

/// Longest period, in hours: a month.
const LONGEST: u64 = 31 * 24;

/// Most builds to show. Nobody could tell more apart.
const BUILDS: u64 = 5_000;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(timeline))
}

/// The period and the jobs to show.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TimelineQuery {
    /// The length of the period in hours, up to 744. The default is 24.
    #[param(minimum = 1, maximum = 744)]
    h: Option<u64>,
    /// The end of the period. The default is now.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Only jobs that have this tag now.
    tag: Option<String>,
    /// Only jobs that failed in this period.
    #[serde(default)]
    #[param(required = false)]
    failed: bool,
}

/// Show the builds that were created in a period.
#[utoipa::path(
    get, path = "/timeline", tag = "builds", operation_id = "showTimeline", params(TimelineQuery),
    responses((status = 200, body = TimelineJson), (status = 400, body = ProblemJson)),
)]
async fn timeline(State(web): State<Web>, Query(query): Query<TimelineQuery>) -> Answer {
    web.look(move |look| answer(look, &query)).await
}

fn answer(look: &Look<'_>, query: &TimelineQuery) -> Answer {
    let hours = query.h.unwrap_or(HOURS);
    if !(1..=LONGEST).contains(&hours) {
        let reason = format!("`{hours}` is not a number from 1 to {LONGEST}");
        return Err(Problem::new(Sort::Usage, format!("h: {reason}")).parameter("h", reason));
    }
    let to = parameter("to", query.to.as_deref(), Timestamp::parse)?;
    let to = to.unwrap_or_else(|| look.storage.clock().now());
    let from = to.minus_seconds(hours * 3_600);
    let mut filter = BuildFilter {
        job_ids: query.tag.as_deref().map(|tag| tagged(look, tag)),
        order: Order::Desc,
        limit: BUILDS + 1,
        brief: true,
        ..BuildFilter::default()
    };
    narrow(look.storage, &mut filter, Some(from), Some(to))?;
    let mut builds = look.storage.get_job_builds(&filter)?;
    let cut = builds.len() as u64 > BUILDS;
    builds.truncate(usize::try_from(BUILDS).unwrap_or(usize::MAX));
    let moment = look_at(look.storage, &builds)?;
    let mut rows: BTreeMap<&str, Vec<&Build>> = BTreeMap::new();
    builds.iter().rev().for_each(|build| rows.entry(&build.job_id).or_default().push(build));
    if query.failed {
        rows.retain(|_, builds| builds.iter().any(|build| build.status() == BuildStatus::Failed));
    }
    let rows = rows.iter().map(|(job_id, builds)| TimelineRowJson {
        job_id,
        builds: builds.iter().map(|build| BriefJson::new(build, &moment)).collect(),
    });
    let jobs = rows.collect();
    json(&TimelineJson { from: from.to_string(), to: to.to_string(), jobs, cut })
}
