//! What went wrong, for browsers.

use askama::Template;
use axum::response::Response;
use http::HeaderMap;
use http::StatusCode;
use http::header::ACCEPT;

use super::frame::Frame;
use super::frame::html;
use super::row::line;

#[derive(Template)]
#[template(path = "error.html")]
struct Page<'a> {
    frame: Frame,
    title: &'static str,
    status: u16,
    detail: String,
    hints: Vec<String>,
    request: &'a str,
}

/// Whether whoever asks is a browser that shows a page.
pub(in super::super) fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|kind| kind.trim().starts_with("text/html"))
}

/// The page; none where it cannot be rendered.
pub(in super::super) fn page(
    headers: &HeaderMap,
    (status, title, detail, hints): (StatusCode, &'static str, &str, &[String]),
    request: &str,
) -> Option<Response> {
    let frame = Frame::bare("error", headers);
    let (detail, hints) = (line(detail), hints.iter().map(|hint| line(hint)).collect());
    html(&Page { frame, title, status: status.as_u16(), detail, hints, request }, status).ok()
}
