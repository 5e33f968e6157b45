//! JSON responses. Call these functions where a thread may block.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::problem::Problem;
use super::problem::Sort;
use crate::show::escape::clean_json;

/// The result of a route.
pub(super) type Answer = Result<Response, Problem>;

/// Builds a response with a JSON document.
pub(super) fn json(document: &impl Serialize) -> Answer {
    let text = serde_json::to_string(document)
        .map_err(|error| Problem::new(Sort::Internal, format!("the response cannot be written: {error}")))?;
    // Control characters from a plugin must not reach a terminal.
    let text = match clean_json(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cleaned) => cleaned,
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Builds a response with status 202 for a change that was requested and may still be pending.
pub(super) fn accepted(document: &impl Serialize) -> Answer {
    let mut response = json(document)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
