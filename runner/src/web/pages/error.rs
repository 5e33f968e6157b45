//! The error page for browsers, with a form to sign in if a token is needed.

use askama::Template;
use axum::response::Response;
use http::HeaderMap;
use http::StatusCode;
use http::header::ACCEPT;
use http::request::Parts;
use jobcontrol_core::reload::Reload;

use super::super::access::csrf_of;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::state::Web;
use super::frame::Frame;
use super::frame::html;
use super::reloads::Diagnostic;
use super::row::line;
use super::visit::Visit;

/// Most mistakes of a manifest to show.
const DIAGNOSTICS: usize = 5;

#[derive(Template)]
#[template(path = "error.html")]
struct Page {
    frame: Frame,
    title: &'static str,
    status: u16,
    detail: String,
    hints: Vec<String>,
    diagnostics: Vec<Diagnostic>,
    wants_token: bool,
    document: String,
}

/// Returns whether the client is a browser that shows a page.
pub(in super::super) fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|kind| kind.trim().starts_with("text/html"))
}

/// Renders the error page. Returns `None` if it cannot be rendered.
pub(in super::super) fn page(web: &Web, parts: &Parts, problem: &Problem, request: &str) -> Option<Response> {
    let csrf = csrf_of(&parts.headers).unwrap_or_else(|| web.csrf().clone());
    let visit = Visit::of(parts, csrf.text().to_owned());
    let (status, title, detail, hints) = problem.told();
    let kept = Reload::default().with_problems(problem.diagnostics()).problems;
    let page = Page {
        frame: Frame::bare("error", &visit),
        title,
        status: status.as_u16(),
        detail: line(detail),
        hints: hints.iter().map(|hint| line(hint)).collect(),
        diagnostics: kept.iter().take(DIAGNOSTICS).map(Diagnostic::of).collect(),
        wants_token: problem.sort() == Sort::Unauthorized && status == StatusCode::UNAUTHORIZED,
        document: problem.pretty(request),
    };
    html(&page, status).ok()
}
