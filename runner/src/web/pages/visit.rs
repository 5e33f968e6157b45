//! Who looks at a page, and the theme and time zone from cookies.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::super::access::COOKIE_NAME;
use super::super::access::Caller;
use super::super::access::cookie;
use super::super::problem::Problem;
use super::super::state::Web;
use super::times::Zone;

/// The cookies with the reader's theme and time zone.
pub(super) const THEME: &str = "theme";
const ZONE: &str = "zone";

/// Who looks at a page, and how.
#[derive(Clone)]
pub(super) struct Visit {
    /// The caller; `None` if the request was refused.
    pub(super) caller: Option<Caller>,
    /// The proof that each form sends back.
    pub(super) csrf: String,
    /// `light` or `dark`, if the reader has chosen one.
    pub(super) theme: Option<&'static str>,
    /// The reader's time zone.
    pub(super) zone: Zone,
    /// Whether the reader has a token in a cookie.
    pub(super) signed_in: bool,
    /// The address with its query parameters.
    pub(super) address: String,
}

impl Visit {
    /// Reads the visit from the parts of a request.
    pub(super) fn of(parts: &Parts, csrf: String) -> Self {
        let headers = &parts.headers;
        let theme = cookie(headers, THEME).and_then(theme);
        Self {
            caller: parts.extensions.get::<Caller>().cloned(),
            csrf,
            theme,
            zone: cookie(headers, ZONE).map(Zone::named).unwrap_or_default(),
            signed_in: cookie(headers, COOKIE_NAME).is_some_and(|token| !token.is_empty()),
            address: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        }
    }

    /// Returns whether the reader may run and cancel a job.
    pub(super) fn may_run(&self, job: &str) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.scopes.may_run(job))
    }

    /// Returns whether the reader may do everything.
    pub(super) fn is_admin(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.scopes.is_admin())
    }
}

/// Finds a theme by its name.
pub(super) fn theme(name: &str) -> Option<&'static str> {
    ["light", "dark"].into_iter().find(|theme| *theme == name)
}

impl FromRequestParts<Web> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let csrf = match parts.extensions.get::<Caller>().and_then(|caller| caller.csrf.as_ref()) {
            Some(csrf) => csrf.text().to_owned(),
            None => web.csrf().text().to_owned(),
        };
        Ok(Self::of(parts, csrf))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::Request;
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn colours_and_clocks_come_from_cookies_and_nothing_else_does() {
        let of = |cookies: &'static str| {
            let mut request = Request::new(());
            request.headers_mut().insert(COOKIE, HeaderValue::from_static(cookies));
            let visit = Visit::of(&request.into_parts().0, String::new());
            (visit.theme, visit.zone.name().to_owned(), visit.signed_in)
        };
        assert_eq!(of("a=b; theme=dark; zone=Europe/Rome"), (Some("dark"), "Europe/Rome".to_owned(), false));
        assert_eq!(of("theme=light; zone=../../etc/passwd; jobcontrol=x"), (Some("light"), "UTC".to_owned(), true));
        assert_eq!(of("theme=\"><script>; zone=\"><script>"), (None, "UTC".to_owned(), false));
        assert_eq!(of("xtheme=dark"), (None, "UTC".to_owned(), false));
    }
}
