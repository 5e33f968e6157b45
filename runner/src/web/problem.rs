//! Error responses: a problem document (RFC 9457), with the same hints and diagnostics as on the
//! command line.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::header::RETRY_AFTER;
use http::header::WWW_AUTHENTICATE;
use jobcontrol_core::diagnostic::Diagnostic;
use jobcontrol_core::storage::StorageError;
use serde::Serialize;
use utoipa::ToSchema;

use super::client::ProxyError;
use super::guard::Barred;
use crate::request::refusal::Place;
use crate::request::refusal::Refusal;
use crate::request::refusal::RefusalKind;
use crate::service::engine::EngineError;
use crate::show::escape::clean_json;
use crate::show::json::DiagnosticJson;

/// The sorts of problems, each with a status and a title. A name never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The request is invalid.
    Usage,
    /// The request has no token, or one that is not valid.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// The thing does not exist.
    NotFound,
    /// The address exists, but not for this method.
    Method,
    /// The request took too long to arrive, or the response took too long.
    Timeout,
    /// The run would use builds of jobs that are outdated or failing.
    Stale,
    /// It cannot be done in the present state.
    Failed,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    MediaType,
    /// The request is for a host that is not ours.
    Host,
    /// The manifests have mistakes.
    Unchecked,
    /// Too many requests.
    TooMany,
    /// Too many clients.
    Busy,
    /// The machine or the engine failed.
    Internal,
    /// The store cannot be used, or the service is not ready.
    Storage,
}

impl Sort {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Usage => (StatusCode::BAD_REQUEST, "usage", "the request is invalid"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "a token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "this is not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "not found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method", "the method is not allowed here"),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long"),
            Self::Stale => (StatusCode::CONFLICT, "stale", "dependencies are not up to date"),
            Self::Failed => (StatusCode::CONFLICT, "failed", "this cannot be done now"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "the body is not JSON"),
            Self::Host => (StatusCode::MISDIRECTED_REQUEST, "host", "the request is for another host"),
            Self::Unchecked => (StatusCode::UNPROCESSABLE_ENTITY, "unchecked", "the manifests have mistakes"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "too many requests"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too many clients"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service failed"),
            Self::Storage => (StatusCode::SERVICE_UNAVAILABLE, "storage", "the store cannot be used now"),
        }
    }
}

/// How long a client should wait before it tries again to watch events.
const BUSY: Duration = Duration::from_secs(10);

/// An error response before it is written.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    sort: Sort,
    detail: String,
    hints: Vec<String>,
    diagnostics: Vec<Diagnostic>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

/// The mistake in one part of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// The place in the body, as a JSON pointer. Absent for a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pointer: Option<String>,
    /// The query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameter: Option<String>,
    /// What is wrong there.
    pub(super) detail: String,
}

/// A problem document as it is sent.
#[derive(Serialize, ToSchema)]
pub(super) struct ProblemJson<'a> {
    /// The sort of the problem, for programs.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What is wrong, on one line.
    detail: &'a str,
    /// Ways to fix it, each on one line.
    hints: &'a [String],
    /// The codes of the diagnostics, without duplicates; `jobcontrol explain CODE` describes one.
    codes: BTreeSet<&'static str>,
    diagnostics: Vec<DiagnosticJson<'a>>,
    errors: &'a [FieldError],
    /// The id of the request in the service's log.
    request_id: &'a str,
}

impl Problem {
    pub(super) fn new(sort: Sort, detail: impl Into<String>) -> Self {
        let (hints, diagnostics, errors) = Default::default();
        Self { sort, detail: detail.into(), hints, diagnostics, errors, retry_after: None }
    }

    /// Returns the sort of the problem.
    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    /// Returns the mistakes in the manifests.
    pub(super) fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the mistakes in parts of the request.
    pub(super) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Adds a way to fix the problem.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Converts a refusal of a valid request that cannot be served in the present state.
    pub(super) fn conflict(refusal: Refusal) -> Self {
        let problem = Self::from(refusal);
        Self { sort: if problem.sort == Sort::Usage { Sort::Failed } else { problem.sort }, ..problem }
    }

    /// Adds a mistake at a place in the body.
    #[must_use]
    pub(super) fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: Some(pointer.into()), parameter: None, detail: detail.into() });
        self
    }

    /// Adds a mistake in a query parameter.
    #[must_use]
    pub(super) fn parameter(mut self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: None, parameter: Some(name.into()), detail: detail.into() });
        self
    }

    /// Creates the problem for a client that sends too many requests.
    pub(super) fn too_many(wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(Sort::TooMany, "this client sends too many requests") }
    }

    /// Creates the problem for a client that wants to watch events while all places are taken.
    pub(super) fn busy() -> Self {
        Self { retry_after: Some(BUSY), ..Self::new(Sort::Busy, "too many clients watch events") }
    }

    /// Returns what a page shows: the status, the title of the sort, the detail and the hints.
    pub(super) fn told(&self) -> (StatusCode, &'static str, &str, &[String]) {
        let (status, _, title) = self.sort.parts();
        (status, title, &self.detail, &self.hints)
    }

    /// Returns the document with one line for each of its parts.
    pub(super) fn pretty(&self, request_id: &str) -> String {
        let text = serde_json::to_string_pretty(&self.document(request_id)).unwrap_or_default();
        clean_json(&text).into_owned()
    }

    fn document<'a>(&'a self, request_id: &'a str) -> ProblemJson<'a> {
        let (status, name, title) = self.sort.parts();
        ProblemJson {
            r#type: format!("urn:jobcontrol:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            hints: &self.hints,
            codes: self.diagnostics.iter().map(|diagnostic| diagnostic.code.id()).collect(),
            diagnostics: self.diagnostics.iter().map(DiagnosticJson::new).collect(),
            errors: &self.errors,
            request_id,
        }
    }

    /// Returns the response with the document, for the request with this id.
    pub(super) fn answer(&self, request_id: &str) -> Response {
        let (status, document) = (self.sort.parts().0, self.document(request_id));
        // A document of strings and numbers can always be serialized.
        let text = serde_json::to_string(&document).unwrap_or_default();
        let mut response = (status, clean_json(&text).into_owned()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.sort == Sort::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"jobcontrol\""));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Returns a response that carries the problem. `gate` writes the document because it knows the
    /// request's id.
    fn into_response(self) -> Response {
        let mut response = self.sort.parts().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let sort = match refusal.kind {
            RefusalKind::Usage => Sort::Usage,
            RefusalKind::NotFound => Sort::NotFound,
            RefusalKind::Unchecked => Sort::Unchecked,
            RefusalKind::Stale => Sort::Stale,
            RefusalKind::Failed => Sort::Failed,
            RefusalKind::Storage => Sort::Storage,
        };
        let Refusal { message, hints, diagnostics, faults, .. } = refusal;
        let problem = Self { hints, diagnostics, ..Self::new(sort, message) };
        faults.into_iter().fold(problem, |problem, fault| problem.at(place(&fault.place), fault.reason))
    }
}

/// Returns where a part of the request stands in the body of `POST runs`.
fn place(place: &Place) -> String {
    match place {
        Place::Target(None) => "/targets".to_owned(),
        Place::Target(Some(at)) => format!("/targets/{at}"),
        Place::Pins => "/pins".to_owned(),
        Place::Pin(job, _) => pointer(["pins", job]),
        Place::Argument(steps) => pointer(std::iter::once("arguments").chain(steps.iter().map(String::as_str))),
    }
}

/// Formats a place in a document as a JSON pointer (RFC 6901).
pub(super) fn pointer<'a>(steps: impl IntoIterator<Item = &'a str>) -> String {
    steps.into_iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Storage(error) => error.into(),
            error => Self::new(Sort::Internal, error.to_string()),
        }
    }
}

impl From<Barred> for Problem {
    fn from(barred: Barred) -> Self {
        let detail = barred.to_string();
        match barred {
            Barred::NoHost => Self::new(Sort::Usage, detail),
            Barred::Host(_) => {
                Self::new(Sort::Host, detail).hint("use `localhost`, or start the service with `--host-name NAME`")
            }
            Barred::OtherSite => Self::new(Sort::Forbidden, detail).hint("only pages of this service may make changes"),
        }
    }
}

impl From<ProxyError> for Problem {
    fn from(error: ProxyError) -> Self {
        Self::new(Sort::Usage, error.to_string()).hint("the proxy must set `Forwarded` or `X-Forwarded-For`")
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use jobcontrol_core::diagnostic::Code;

    use super::*;

    #[test]
    fn a_refusal_is_told_with_all_that_the_command_line_tells() {
        let diagnostic = Diagnostic::of(Code::NoSuchJob, "there is no job `x`").help("did you mean `y`?");
        let refusal = Refusal::unchecked(vec![diagnostic]).hint("look");
        let response = Problem::from(refusal).at("/targets/0", "unknown").answer("7-1");
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "urn:jobcontrol:problem:unchecked",
                "title": "the manifests have mistakes",
                "status": 422,
                "detail": "there is no job `x`",
                "hints": ["look"],
                "codes": [Code::NoSuchJob.id()],
                "diagnostics": [{
                    "code": Code::NoSuchJob.id(), "severity": "error", "message": "there is no job `x`",
                    "file": null, "line": null, "column": null, "end_line": null, "end_column": null,
                    "label": null, "related": [], "help": ["did you mean `y`?"],
                }],
                "errors": [{ "pointer": "/targets/0", "detail": "unknown" }],
                "request_id": "7-1",
            })
        );
    }

    #[test]
    fn whoever_sends_too_much_is_told_how_long_to_wait() {
        let response = Problem::too_many(Duration::from_millis(20)).answer("1");
        assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (429, &HeaderValue::from(1_u64)));
    }
}
