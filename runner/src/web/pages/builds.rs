//! Builds of all jobs, newest first.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use http::StatusCode;
use jobcontrol_core::storage::BuildFilter;
use jobcontrol_core::storage::Order;
use serde::Deserialize;

use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::frame::Frame;
use super::frame::html;
use super::row::Row;
use crate::request::interrupted::look_at;
use crate::request::waits::waits_for;

/// Builds on one page.
const SHOWN: usize = 100;

/// Where the list begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildsQuery {
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "builds.html")]
struct Page {
    frame: Frame,
    builds: Vec<Row>,
    before: Option<u64>,
    next: Option<u64>,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<BuildsQuery>, headers: HeaderMap) -> Answer {
    web.look(move |look| {
        let builds = rows(look, BuildFilter { before: query.before, ..BuildFilter::default() }, SHOWN)?;
        let next = builds.last().map(|row| row.id).filter(|_| builds.len() == SHOWN);
        let frame = Frame::new(look, "builds", &headers);
        html(&Page { frame, builds, before: query.before, next }, StatusCode::OK)
    })
    .await
}

/// The newest builds that a filter lets through.
pub(super) fn rows(look: &Look<'_>, filter: BuildFilter, limit: usize) -> Result<Vec<Row>, Problem> {
    let filter = BuildFilter { order: Order::Desc, limit: limit as u64, brief: true, ..filter };
    let builds = look.storage.get_job_builds(&filter)?;
    let waits = waits_for(look.storage, &builds, &look.workspace.context.pools)?;
    let moment = look_at(look.storage, &builds)?.with_waits(waits);
    Ok(builds.iter().map(|build| Row::new(build, &moment)).collect())
}
