//! When jobs are due by schedule, in the reader's time zone and in the schedule's.

use askama::Template;
use axum::extract::State;

use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::frame::Frame;
use super::frame::ok;
use super::jobs::soon;
use super::row::line;
use super::times::Time;
use super::visit::Visit;
use crate::request::schedules::Schedules;

#[derive(Template)]
#[template(path = "schedules.html")]
struct Page {
    frame: Frame,
    list: List,
}

#[derive(Template)]
#[template(path = "schedules_list.html")]
struct List {
    leads: bool,
    rows: Vec<Row>,
}

struct Row {
    job: String,
    cron: String,
    zone: String,
    next: Option<Time>,
    last: Option<(u64, String)>,
    open: Vec<u64>,
    seen_to: Option<Time>,
}

pub(super) async fn page(State(web): State<Web>, visit: Visit) -> Answer {
    web.look(move |look| {
        let list = list(look, &visit)?;
        let frame = Frame::new(look, "timeline", &visit).fed(Parts::one("schedules", &list).feed("schedules", &[]));
        ok(&Page { frame, list })
    })
    .await
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, visit: &Visit) -> Result<Parts, Problem> {
    Ok(Parts::one("schedules", &list(look, visit)?))
}

fn list(look: &Look<'_>, visit: &Visit) -> Result<List, Problem> {
    let schedules = Schedules::read(&look.current.catalog, look.storage)?;
    let now = look.storage.clock().now();
    let shapes = schedules.shapes();
    let row = |shape: &crate::show::pages::ScheduleJson<'_>| Row {
        job: shape.job_id.to_owned(),
        cron: line(&shape.cron),
        zone: line(shape.timezone),
        next: shape.next.map(|at| soon(&visit.zone, at, now)),
        last: shape.last_run.zip(shape.last_status).map(|(run, status)| (run, status.to_lowercase())),
        open: shape.open_runs.clone(),
        seen_to: shape.seen_to.map(|at| visit.zone.ago(at, now)),
    };
    let mut rows: Vec<(Option<jobcontrol_core::clock::Timestamp>, Row)> =
        shapes.iter().map(|shape| (shape.next, row(shape))).collect();
    // Rows are in the order of their due times. Schedules that are never due come last.
    rows.sort_by_key(|(next, _)| (next.is_none(), *next));
    Ok(List { leads: look.service.leads(), rows: rows.into_iter().map(|(_, row)| row).collect() })
}
