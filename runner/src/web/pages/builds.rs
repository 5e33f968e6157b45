//! The builds of all jobs: waiting ones, then running ones, then the newest.

use askama::Template;
use axum::extract::State;
use jobcontrol_core::storage::BuildFilter;
use serde::Deserialize;

use super::super::api::known_or_built;
use super::super::extract::Path;
use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::feed::Parts;
use super::feed::given;
use super::frame::Frame;
use super::frame::ok;
use super::frame::rendered;
use super::row::Rows;
use super::status::Status;
use super::visit::Visit;
use crate::request::window::narrow;

/// Builds on one page.
const SHOWN: usize = 100;

/// The builds to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildsQuery {
    /// A job's id, or a build's number.
    job: Option<String>,
    status: Option<String>,
    min_date: Option<String>,
    max_date: Option<String>,
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "builds.html")]
struct Page {
    frame: Frame,
    list: List,
    query: BuildsQuery,
    /// The statuses to choose from, each with its name in the address.
    statuses: [(&'static str, Status); 5],
    kept: String,
}

/// The builds.
#[derive(Template)]
#[template(path = "builds_list.html")]
struct List {
    said: String,
    rows: Rows,
    next: Option<String>,
}

pub(super) async fn page(State(web): State<Web>, Query(query): Query<BuildsQuery>, visit: Visit) -> Answer {
    web.look(move |look| {
        let frame = Frame::new(look, "builds", &visit);
        if let Some(id) = query.job.as_deref().and_then(|text| text.trim().parse::<u64>().ok()) {
            look.storage.get_build(id)?;
            return super::actions::see_other(&format!("/builds/{id}"));
        }
        let list = List::read(look, &query, &visit)?;
        let statuses = ["queued", "running", "failed", "skipped", "success"].map(|name| {
            let class = if name == "success" { "ok" } else { name };
            (name, Status { class, word: if name == "success" { "successful" } else { name } })
        });
        let before = query.before.map(|before| before.to_string());
        let [status, job, from, to] = query.own();
        ok(&Page {
            frame: frame.fed(list.parts().feed("builds", &[status, job, from, to, ("before", before.as_deref())])),
            list,
            statuses,
            kept: given(&[job, from, to]),
            query,
        })
    })
    .await
}

pub(super) async fn of_job(State(web): State<Web>, Path(id): Path<String>) -> Answer {
    web.look(move |look| {
        known_or_built(look, &id)?;
        super::actions::see_other(&format!("/builds?{}", given(&[("job", Some(&id))])))
    })
    .await
}

impl BuildsQuery {
    /// Returns the query parameters, without the place where the list continues.
    fn own(&self) -> [(&'static str, Option<&str>); 4] {
        let (from, to) = (self.min_date.as_deref(), self.max_date.as_deref());
        [("status", self.status.as_deref()), ("job", self.job.as_deref()), ("min_date", from), ("max_date", to)]
    }

    fn filter(&self, look: &Look<'_>, visit: &Visit) -> Result<BuildFilter, Problem> {
        let mut filter = BuildFilter {
            before: self.before,
            job_id: self.job.clone().filter(|job| !job.trim().is_empty()),
            ..BuildFilter::default()
        };
        match self.status.as_deref() {
            None | Some("") => {}
            Some("queued") => (filter.started, filter.finished) = (Some(false), Some(false)),
            Some("running") => (filter.started, filter.finished) = (Some(true), Some(false)),
            Some("failed") => (filter.finished, filter.success) = (Some(true), Some(false)),
            Some("skipped") => (filter.finished, filter.skipped) = (Some(true), Some(true)),
            Some("success") => {
                (filter.finished, filter.success, filter.skipped) = (Some(true), Some(true), Some(false));
            }
            Some(other) => {
                let reason = format!("`{other}` is not one of queued, running, failed, skipped and success");
                return Err(Problem::new(Sort::Usage, format!("status: {reason}")).parameter("status", reason));
            }
        }
        let day = |name: &str, text: &Option<String>, later| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            let read = text.map(|text| visit.zone.day(text, later)).transpose();
            read.map_err(|reason| Problem::new(Sort::Usage, format!("{name}: {reason}")).parameter(name, reason))
        };
        let (from, to) = (day("min_date", &self.min_date, 0)?, day("max_date", &self.max_date, 1)?);
        narrow(look.storage, &mut filter, from, to)?;
        Ok(filter)
    }
}

impl List {
    fn read(look: &Look<'_>, query: &BuildsQuery, visit: &Visit) -> Result<Self, Problem> {
        let filter = query.filter(look, visit)?;
        let job = filter.job_id.clone();
        let rows = Rows::read(look, &visit.zone, filter, SHOWN)?;
        if let Some(job) = job.filter(|_| rows.rows.is_empty()) {
            known_or_built(look, &job)?;
        }
        let next = rows.rows.last().filter(|_| rows.rows.len() == SHOWN).map(|last| {
            let before = last.id.to_string();
            let [status, job, from, to] = query.own();
            format!("/builds?{}", given(&[job, status, from, to, ("before", Some(&before))]))
        });
        let (running, queued) = look.service.engine().slots().counts();
        let said = format!("{running} running, {queued} waiting here");
        Ok(Self { said, rows, next })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::whole("builds", rendered(self));
        for row in &self.rows.rows {
            parts.shape.push_str(&format!("{}\n", row.id));
            parts.cell(format!("row:{}", row.id), rendered(row));
        }
        parts
    }
}

/// Returns the parts of the page that change.
pub(super) fn parts(look: &Look<'_>, query: &BuildsQuery, visit: &Visit) -> Result<Parts, Problem> {
    Ok(List::read(look, query, visit)?.parts())
}
