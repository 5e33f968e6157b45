//! Answers: documents in JSON, written where a thread may block.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::problem::Problem;
use super::problem::Sort;

/// What a route answers.
pub(super) type Answer = Result<Response, Problem>;

/// A document in JSON.
pub(super) fn json(document: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(document)
        .map_err(|error| Problem::new(Sort::Internal, format!("the answer cannot be written: {error}")))?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
