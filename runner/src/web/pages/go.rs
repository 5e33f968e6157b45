//! The entries of the dialog “Go to”: every job with its title.

use axum::extract::State;
use serde::Serialize;

use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;

/// An entry of the dialog.
#[derive(Serialize)]
struct Place<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    href: String,
}

pub(super) async fn places(State(web): State<Web>) -> Answer {
    web.look(|look| {
        let graph = &look.current.catalog.graph;
        let title = |id: &str| graph.jobs.get(id).and_then(|checked| checked.job.title.as_deref());
        let places =
            graph.dependencies.keys().map(|id| Place { text: id, title: title(id), href: format!("/jobs/{id}") });
        json(&places.collect::<Vec<_>>())
    })
    .await
}
