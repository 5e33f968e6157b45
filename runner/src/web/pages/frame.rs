//! What every page has around it, and how it is sent.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::super::access::cookie;
use super::super::assets::Assets;
use super::super::problem::Problem;
use super::super::problem::Sort;
use super::super::reply::Answer;
use super::super::state::Look;

/// The cookie in which the script keeps which colours somebody likes.
const THEME: &str = "theme";

/// What every page has around it.
pub(super) struct Frame {
    /// Which page it is.
    pub(super) page: &'static str,
    /// How many jobs there are.
    pub(super) jobs: usize,
    /// How many builds run here.
    pub(super) running: usize,
    /// The jobs folder.
    pub(super) folder: String,
    pub(super) version: &'static str,
    /// `light` or `dark`, where somebody has chosen.
    pub(super) theme: Option<&'static str>,
    pub(super) assets: Assets,
}

impl Frame {
    pub(super) fn new(look: &Look<'_>, page: &'static str, headers: &HeaderMap) -> Self {
        Self {
            jobs: look.current.catalog.graph.dependencies.len(),
            running: look.service.engine().slots().counts().0,
            folder: look.workspace.jobs.display().to_string(),
            ..Self::bare(page, headers)
        }
    }

    /// For a page that looks at nothing.
    pub(super) fn bare(page: &'static str, headers: &HeaderMap) -> Self {
        let (version, assets) = (env!("CARGO_PKG_VERSION"), Assets::new());
        Self { page, jobs: 0, running: 0, folder: String::new(), version, theme: theme(headers), assets }
    }
}

fn theme(headers: &HeaderMap) -> Option<&'static str> {
    let chosen = cookie(headers, THEME)?;
    ["light", "dark"].into_iter().find(|theme| *theme == chosen)
}

/// A page as it is sent.
pub(super) fn html(page: &impl Template, status: StatusCode) -> Answer {
    let text =
        page.render().map_err(|error| Problem::new(Sort::Internal, format!("the page cannot be rendered: {error}")))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn colours_come_from_the_cookie_and_nothing_else_does() {
        let of = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            theme(&headers)
        };
        assert_eq!((of("a=b; theme=dark; zone=UTC"), of("theme=light")), (Some("dark"), Some("light")));
        assert_eq!((of("theme=\"><script>"), of("xtheme=dark"), of("")), (None, None, None));
    }
}
