//! Reads the parts of a request strictly: anything invalid is refused, and the error names its
//! place.

use std::time::Duration;

use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::access::Caller;
use super::problem::Problem;
use super::problem::Sort;
use super::problem::pointer;

/// Largest body of a request, in bytes. A run with all its options and short arguments takes less
/// than 10 KiB.
pub(super) const BODY: usize = 1 << 20;

/// Time for a body to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The query parameters of the address.
pub(super) struct Query<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        read_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Parses query parameters.
pub(super) fn read_query<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let name = error.path().to_string();
        let reason = error.into_inner().to_string();
        let problem = Problem::new(Sort::Usage, format!("the parameters of the address: {reason}"));
        if name == "." { problem } else { problem.parameter(name, reason) }
    })
}

/// A part of the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(error) => Err(Problem::new(Sort::NotFound, format!("the address: {}", error.body_text()))),
        }
    }
}

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // A form of another site cannot send this type.
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(Sort::MediaType, format!("`{kind}` is not `application/json`")));
        }
        read_json(&body(request, BODY).await?).map(Self)
    }
}

/// Reads the whole body, of at most `limit` bytes.
pub(super) async fn body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(BODY_WITHIN, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(Sort::TooLarge, format!("the body has more than {limit} bytes")))
        }
        Ok(Err(_)) => Err(Problem::new(Sort::Usage, "the body ended early")),
        Err(_) => Err(Problem::new(Sort::Timeout, "the body took too long")),
    }
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader);
    let value = read.map_err(|error| {
        let (at, reason) = (place(error.path()), error.inner().to_string());
        Problem::new(Sort::Usage, format!("the body: {reason}")).at(at, reason)
    })?;
    let more =
        |error: serde_json::Error| Problem::new(Sort::Usage, format!("the body: {error}")).at("", error.to_string());
    reader.end().map_err(more)?;
    Ok(value)
}

fn place(path: &serde_path_to_error::Path) -> String {
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    });
    pointer(steps.collect::<Vec<_>>().iter().map(String::as_str))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // `gate` attaches it to each request that is let in.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Sort::Unauthorized, "the request has no token"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only read")]
        targets: Vec<String>,
        #[expect(dead_code, reason = "only read")]
        #[serde(default)]
        pins: std::collections::BTreeMap<String, u64>,
    }

    fn told(text: &str) -> String {
        format!("{:?}", read_json::<Body>(text.as_bytes()).unwrap_err())
    }

    #[test]
    fn a_mistake_of_a_body_is_told_with_its_place() {
        assert!(told(r#"{"targets": ["a", 1]}"#).contains(r#"pointer: Some("/targets/1")"#));
        assert!(told(r#"{"targets": [], "pins": {"a/b": "x"}}"#).contains(r#"pointer: Some("/pins/a~1b")"#));
        assert!(told(r#"{"targets": [], "other": 1}"#).contains("unknown field `other`"));
        assert!(told(r#"{"targets": []} x"#).contains("trailing characters"));
        assert!(told("").contains(r#"pointer: Some("")"#));
        assert!(read_json::<Body>(br#"{"targets": ["a"]}"#).is_ok());
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        limit: Option<u64>,
        started: Option<bool>,
    }

    #[test]
    fn a_parameter_that_is_not_understood_is_named() {
        let read: Parameters = read_query("limit=5&started=true").unwrap();
        assert_eq!((read.limit, read.started), (Some(5), Some(true)));
        let wrong = |text: &str| format!("{:?}", read_query::<Parameters>(text).unwrap_err());
        assert!(wrong("limit=x").contains(r#"parameter: Some("limit")"#), "{}", wrong("limit=x"));
        assert!(wrong("started=1").contains("started"));
        assert!(wrong("limti=5").contains("unknown field `limti`"));
        assert!(wrong("limit=1&limit=2").contains("duplicate field"));
    }

    #[test]
    fn nested_bodies_end_before_the_stack_does() {
        let deep = "[".repeat(1_000_000);
        assert!(read_json::<serde_json::Value>(deep.as_bytes()).is_err());
    }
}
