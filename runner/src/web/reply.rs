//! Answers: documents in JSON, written where a thread may block.

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

/// What a route answers.
pub(super) type Answer = Result<Response, Problem>;

/// A document in JSON.
pub(super) fn json(document: &impl Serialize) -> Answer {
    let text = serde_json::to_string(document)
        .map_err(|error| Problem::new(Sort::Internal, format!("the answer cannot be written: {error}")))?;
    // Whoever looks at it in a terminal is not driven by what a plugin says.
    let text = match clean_json(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cleaned) => cleaned,
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A document that says what was asked for; it may not have happened yet.
pub(super) fn accepted(document: &impl Serialize) -> Answer {
    let mut response = json(document)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
