//! The manifest of a job: the user's file with its mistakes.

use askama::Template;
use axum::extract::State;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::reload::Reload;

use super::super::extract::Path;
use super::super::problem::Problem;
use super::super::reply::Answer;
use super::super::state::Look;
use super::super::state::Web;
use super::code::Code;
use super::frame::Frame;
use super::frame::ok;
use super::job_head::Head;
use super::reloads::Diagnostic as Shown;
use super::row::line;
use super::visit::Visit;
use crate::request::manifest::manifest_of;
use crate::request::standing::standings_of;

/// Most lines to show.
const LINES: usize = 2_000;

#[derive(Template)]
#[template(path = "manifest.html")]
struct Page {
    frame: Frame,
    id: String,
    head: Head,
    file: String,
    last_good: bool,
    mistakes: Vec<Shown>,
    lines: Vec<Line>,
    more: usize,
}

struct Line {
    number: usize,
    code: Code,
    /// Marks the line where the job begins, and lines with mistakes.
    class: &'static str,
}

pub(super) async fn page(State(web): State<Web>, Path(id): Path<String>, visit: Visit) -> Answer {
    web.look(move |look| ok(&page_of(look, id, &visit)?)).await
}

fn page_of(look: &Look<'_>, id: String, visit: &Visit) -> Result<Page, Problem> {
    let frame = Frame::new(look, "jobs", visit);
    let manifest = manifest_of(look.current, &id)?;
    let catalog = &look.current.catalog;
    let closure: Vec<&str> = catalog.graph.closure([id.as_str()]).into_iter().collect();
    let standings = standings_of(catalog, look.storage, &closure)?;
    let standing = standings.get(&id).filter(|_| !catalog.graph.broken.contains_key(&id));
    let wrong: Vec<Diagnostic> = manifest.diagnostics.iter().map(|problem| (*problem).clone()).collect();
    let kept = Reload::default().with_problems(&wrong).problems;
    let bad: Vec<u64> = kept.iter().filter_map(|problem| problem.line).collect();
    let begin = catalog.graph.jobs.get(&id).map(|checked| {
        let place = &checked.job.place;
        place.source.position(place.id.start).0
    });
    let text = &manifest.source.text;
    let lines = text.lines().take(LINES).enumerate().map(|(at, text)| {
        let number = at + 1;
        let class = if bad.contains(&(number as u64)) {
            "hit"
        } else if begin == Some(number) {
            "begin"
        } else {
            ""
        };
        Line { number, code: Code::yaml(text), class }
    });
    Ok(Page {
        frame,
        head: Head::of(look, &id, standing.map(|standing| &standing.status), false, visit, "manifest")?,
        file: line(&manifest.source.path),
        last_good: manifest.last_good,
        mistakes: kept.iter().map(Shown::of).collect(),
        lines: lines.collect(),
        more: text.lines().count().saturating_sub(LINES),
        id,
    })
}
