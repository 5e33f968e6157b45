//! One job: how it stands and why, and its builds.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use http::StatusCode;
use jobcontrol_core::storage::BuildFilter;

use super::super::api::known_or_built;
use super::super::extract::Path;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::builds::rows;
use super::frame::Frame;
use super::frame::html;
use super::row::Row;
use super::row::Status;
use super::row::line;
use crate::request::standing::standings_of;

/// Builds on the page.
const SHOWN: usize = 30;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    id: String,
    status: Status,
    title: String,
    /// Why it is outdated, or what is wrong with its manifest.
    reasons: Vec<String>,
    builds: Vec<Row>,
    function: String,
    signature: String,
    place: String,
    tags: String,
    needs: Vec<String>,
    needed_by: Vec<String>,
}

pub(super) async fn page(State(web): State<Web>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    web.look(move |look| html(&page_of(look, id, &headers)?, StatusCode::OK)).await
}

fn page_of(look: &Look<'_>, id: String, headers: &HeaderMap) -> Result<Page, Problem> {
    known_or_built(look, &id)?;
    let catalog = &look.current.catalog;
    let graph = &catalog.graph;
    let closure: Vec<&str> = graph.closure([id.as_str()]).into_iter().collect();
    let standings = standings_of(catalog, look.storage, &closure)?;
    let wrong = graph.broken.get(&id).map(Vec::as_slice).unwrap_or_default();
    let standing = standings.get(&id).filter(|_| wrong.is_empty());
    let outdated = standing.map(|standing| standing.status.outdated_because().to_vec()).unwrap_or_default();
    let reasons = wrong.iter().map(|problem| problem.message.clone()).chain(outdated);
    let job = graph.jobs.get(&id);
    let place = job.map(|checked| {
        let place = &checked.job.place;
        place.source.path.clone()
    });
    let users = graph.dependencies.iter().filter(|(_, needs)| needs.contains(&id)).map(|(user, _)| user.clone());
    Ok(Page {
        frame: Frame::new(look, "jobs", headers),
        status: Status::of_job(standing.map(|standing| &standing.status)),
        title: line(&job.and_then(|checked| checked.job.title.clone()).unwrap_or_default()),
        reasons: reasons.map(|reason| line(&reason)).collect(),
        builds: rows(look, BuildFilter::job(&id), SHOWN)?,
        function: job.map(|checked| checked.job.function.to_string()).unwrap_or_default(),
        signature: job.map(|checked| checked.signature.to_string()).unwrap_or_default(),
        place: place.unwrap_or_else(|| "no manifest has it".to_owned()),
        tags: job.map(|checked| checked.job.tags.join(", ")).unwrap_or_default(),
        needs: graph.dependencies.get(&id).cloned().unwrap_or_default(),
        needed_by: users.collect(),
        id,
    })
}
