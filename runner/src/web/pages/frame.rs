//! The frame around every page, and how pages are sent.

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

/// The frame around every page.
pub(super) struct Frame {
    /// The name of the page.
    pub(super) page: &'static str,
    /// How many jobs there are; `None` for a page that does not read them.
    pub(super) jobs: Option<usize>,
    /// The badge with the number of running builds.
    pub(super) running: String,
    /// The badge with the number of mistakes in the files.
    pub(super) mistakes: String,
    /// The jobs folder.
    pub(super) folder: String,
    pub(super) version: &'static str,
    pub(super) theme: Option<&'static str>,
    pub(super) csrf: String,
    pub(super) zone: String,
    pub(super) signed_in: bool,
    pub(super) address: String,
    /// The address of the page's changes; empty if the page never changes.
    pub(super) feed: String,
    pub(super) assets: Assets,
}

/// The number of running builds, in the navigation.
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

/// The number of mistakes in the files, in the navigation.
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

    /// Creates the frame of a page that reads nothing.
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

    /// Adds the address of the page's changes.
    pub(super) fn fed(self, feed: String) -> Self {
        Self { feed, ..self }
    }
}

/// Renders a part of a page.
pub(super) fn rendered(piece: &impl Template) -> String {
    // Writing to a string cannot fail, and rendering has no other errors here.
    piece.render().unwrap_or_default()
}

/// Renders a page into a response with this status.
pub(super) fn html(page: &impl Template, status: StatusCode) -> Answer {
    let text =
        page.render().map_err(|error| Problem::new(Sort::Internal, format!("the page cannot be rendered: {error}")))?;
    Ok(sent(text, "text/html; charset=utf-8", status))
}

/// Renders a page into a response with status 200.
pub(super) fn ok(page: &impl Template) -> Answer {
    html(page, StatusCode::OK)
}

/// Builds a response with a text of this content type.
pub(super) fn sent(text: String, kind: &'static str, status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
