//! A form that one of our pages sent: its fields, and the proof of where it came from.

use axum::extract::FromRequest;
use axum::extract::Request;
use http::header::CONTENT_TYPE;

use super::access::Caller;
use super::extract::BODY;
use super::extract::body;
use super::problem::Problem;
use super::problem::Sort;
use super::state::Web;

/// The field that carries the proof.
pub(super) const CSRF_FIELD: &str = "csrf";

/// Most fields of one form. Larger input belongs in a file.
const FIELDS: usize = 20_000;

/// The fields of a form as sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Posted(Vec<(String, String)>);

impl Posted {
    /// Returns the first field with this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether a box was ticked.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns all fields with this name, in order.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns all fields.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// Creates a form from these fields.
    pub(super) fn of(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }
}

impl FromRequest<Web> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Problem> {
        let csrf = request.extensions().get::<Caller>().and_then(|caller| caller.csrf.clone());
        let form = read(request).await?;
        let csrf = csrf.as_ref().unwrap_or_else(|| web.csrf());
        if !form.get(CSRF_FIELD).is_some_and(|sent| csrf.is(sent)) {
            let problem = Problem::new(Sort::Forbidden, "the form was not sent by a page of this service");
            return Err(problem.hint("go back, load the page again, and send it once more"));
        }
        Ok(form)
    }
}

/// Reads a form without checking who sent it.
pub(super) async fn read(request: Request) -> Result<Posted, Problem> {
    const KIND: &str = "application/x-www-form-urlencoded";
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(KIND) {
        return Err(Problem::new(Sort::MediaType, format!("`{kind}` is not `{KIND}`")));
    }
    let body = body(request, BODY).await?;
    let fields =
        form_urlencoded::parse(&body).take(FIELDS + 1).map(|(name, value)| (name.into_owned(), value.into_owned()));
    // Browsers end each line of a text with `\r
    // `.
    let fields: Vec<_> = fields.map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect();
    if fields.len() > FIELDS {
        return Err(Problem::new(Sort::TooLarge, format!("the form has more than {FIELDS} fields")));
    }
    Ok(Posted(fields))
}
