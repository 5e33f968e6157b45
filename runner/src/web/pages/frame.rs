//! What every page has around it, and how it is sent.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::super::assets::Assets;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Look;
use super::visit::Visit;
use crate::show::escape::one_line;

/// What every page has around it.
pub(super) struct Frame {
    /// Which page it is.
    pub(super) page: &'static str,
    /// How many jobs there are; none for a page that has not looked.
    pub(super) jobs: Option<usize>,
    /// The sign of running builds.
    pub(super) running: String,
    /// The sign of mistakes in the files.
    pub(super) mistakes: String,
    /// The jobs folder.
    pub(super) folder: String,
    pub(super) version: &'static str,
    pub(super) theme: Option<&'static str>,
    pub(super) csrf: String,
    pub(super) zone: String,
    pub(super) signed_in: bool,
    pub(super) address: String,
    /// Where the page's own changes come from; empty where there are none.
    pub(super) feed: String,
    pub(super) assets: Assets,
}

/// How many builds run, in the navigation.
#[derive(Template)]
#[template(path = "running.html")]
pub(super) struct Running {
    running: usize,
}

impl Running {
    pub(super) fn of(look: &Look<'_>) -> String {
        rendered(&Self { running: look.service.engine().slots().counts().0 })
    }
}

/// How many mistakes the files have, in the navigation.
#[derive(Template)]
#[template(path = "mistakes.html")]
pub(super) struct Mistakes {
    mistakes: usize,
}

impl Mistakes {
    pub(super) fn of(look: &Look<'_>) -> String {
        rendered(&Self { mistakes: look.current.problems.len() })
    }
}

impl Frame {
    pub(super) fn new(look: &Look<'_>, page: &'static str, visit: &Visit) -> Self {
        Self {
            jobs: Some(look.current.catalog.graph.dependencies.len()),
            running: Running::of(look),
            mistakes: Mistakes::of(look),
            folder: one_line(&look.workspace.jobs.display().to_string()),
            ..Self::bare(page, visit)
        }
    }

    /// For a page that looks at nothing.
    pub(super) fn bare(page: &'static str, visit: &Visit) -> Self {
        Self {
            page,
            jobs: None,
            running: rendered(&Running { running: 0 }),
            mistakes: String::new(),
            folder: String::new(),
            version: env!("CARGO_PKG_VERSION"),
            theme: visit.theme,
            csrf: visit.csrf.clone(),
            zone: visit.zone.name().to_owned(),
            signed_in: visit.signed_in,
            address: visit.address.clone(),
            feed: String::new(),
            assets: Assets::new(),
        }
    }

    /// With the address that its changes come from.
    pub(super) fn fed(self, feed: String) -> Self {
        Self { feed, ..self }
    }
}

/// A piece of a page.
pub(super) fn rendered(piece: &impl Template) -> String {
    // Writing to a string cannot fail, and nothing else can here.
    piece.render().unwrap_or_default()
}

/// A page as it is sent.
pub(super) fn html(page: &impl Template, status: StatusCode) -> Answer {
    let text =
        page.render().map_err(|error| Problem::new(Sort::Internal, format!("the page cannot be rendered: {error}")))?;
    Ok(sent(text, "text/html; charset=utf-8", status))
}

/// A page that answers a request.
pub(super) fn ok(page: &impl Template) -> Answer {
    html(page, StatusCode::OK)
}

/// A text of that type.
pub(super) fn sent(text: String, kind: &'static str, status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
