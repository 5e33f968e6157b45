//! What the dialog “Go to” knows: every job with its title.

use axum::extract::State;
use serde::Serialize;

use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;

/// Somewhere to go.
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
        let place = |id: &'_ String| {
            let title = graph.jobs.get(id).and_then(|checked| checked.job.title.as_deref());
            (id.clone(), title.map(str::to_owned))
        };
        let all: Vec<(String, Option<String>)> = graph.dependencies.keys().map(place).collect();
        let places =
            all.iter().map(|(id, title)| Place { text: id, title: title.as_deref(), href: format!("/jobs/{id}") });
        json(&places.collect::<Vec<_>>())
    })
    .await
}
