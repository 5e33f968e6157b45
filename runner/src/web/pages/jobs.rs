//! All jobs: what needs a look first.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use http::StatusCode;
use serde::Deserialize;

use super::super::extract::Query;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::frame::Frame;
use super::frame::html;
use super::row::Row as Build;
use super::row::Status;
use super::row::failure;
use super::row::line;
use crate::request::listing::JobFilter;
use crate::request::listing::Listing;

/// Jobs on one page.
const SHOWN: usize = 500;
/// Mistakes that are told on it.
const PROBLEMS: usize = 5;

/// Which jobs to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobsQuery {
    q: Option<String>,
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Page {
    frame: Frame,
    groups: Vec<Group>,
    query: String,
    filtered: bool,
    manifests: usize,
    mistakes: usize,
    problems: Vec<String>,
    last_good: String,
    more: bool,
    shown: usize,
}

/// Jobs that stand alike.
struct Group {
    name: &'static str,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    status: Status,
    protected: bool,
    small: String,
    is_bad: bool,
    /// The newest build.
    last: Option<Build>,
}

/// The groups, in the order of their worth.
const GROUPS: [&str; 4] = ["Needs attention", "Running and waiting", "Up to date", "Not built"];

pub(super) async fn page(State(web): State<Web>, Query(query): Query<JobsQuery>, headers: HeaderMap) -> Answer {
    web.look(move |look| {
        let text = query.q.filter(|text| !text.trim().is_empty());
        html(&page_of(look, text, &headers)?, StatusCode::OK)
    })
    .await
}

fn page_of(look: &Look<'_>, text: Option<String>, headers: &HeaderMap) -> Result<Page, super::super::problem::Problem> {
    let (reload, catalog) = (look.current, &look.current.catalog);
    let listing = Listing::read(catalog, look.storage)?;
    let filter = JobFilter { text: text.clone(), ..JobFilter::default() };
    let ids = listing.matching(&filter);
    let mut groups = GROUPS.map(|name| Group { name, rows: Vec::new() });
    for id in ids.iter().take(SHOWN) {
        let (at, row) = row(&listing, id);
        groups[at].rows.push(row);
    }
    Ok(Page {
        frame: Frame::new(look, "jobs", headers),
        groups: groups.into_iter().filter(|group| !group.rows.is_empty()).collect(),
        filtered: text.is_some(),
        query: text.unwrap_or_default(),
        manifests: reload.manifests.len(),
        mistakes: reload.problems.len(),
        problems: reload
            .problems
            .iter()
            .take(PROBLEMS)
            .map(|problem| {
                let place = problem.path().map(|path| format!("{path}: ")).unwrap_or_default();
                line(&format!("{place}{}", problem.message))
            })
            .collect(),
        last_good: reload.last_good.join(", "),
        more: ids.len() > SHOWN,
        shown: SHOWN,
    })
}

/// A job, with the number of its group.
fn row(listing: &Listing<'_>, id: &str) -> (usize, Row) {
    let (job, status, newest) = (listing.job(id), listing.status(id), listing.newest(id));
    let open = newest.filter(|build| !build.finished && !listing.moment.is_interrupted(build));
    let reason = status.map(|status| status.outdated_because()).unwrap_or_default().first();
    let failure = newest.and_then(failure);
    let name = listing.status_name(id);
    let is_bad = matches!(name, "failed" | "failing" | "broken");
    let told = match name {
        "broken" => Some("its manifest has mistakes".to_owned()),
        "failed" | "failing" => failure,
        "outdated" => reason.map(|reason| format!("outdated: {reason}")),
        _ => None,
    };
    let title = || job.and_then(|checked| checked.job.title.clone());
    let group = match name {
        _ if open.is_some() => 1,
        "broken" | "failed" | "failing" | "outdated" => 0,
        "success" => 2,
        _ => 3,
    };
    let row = Row {
        id: id.to_owned(),
        status: open.map_or_else(|| Status::of_job(status), |build| Status::of_build(build, &listing.moment)),
        protected: job.is_some_and(|checked| checked.job.protected),
        small: line(&told.or_else(title).unwrap_or_default()),
        is_bad,
        last: newest.map(|build| Build::new(build, &listing.moment)),
    };
    (group, row)
}
