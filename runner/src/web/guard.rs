//! Refuses requests that a page of another site makes a browser send, no matter who the user is.
//!
//! This file only decides; `gate` applies the decisions to each request.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv6Addr;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header::CONTENT_SECURITY_POLICY;
use http::header::ORIGIN;
use http::header::REFERRER_POLICY;
use http::header::X_CONTENT_TYPE_OPTIONS;

use super::address::is_loopback;

/// Load nothing from elsewhere, run nothing inline, and allow no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: &str = "sec-fetch-site";
const FETCH_MODE: &str = "sec-fetch-mode";

/// Adds the headers that stop a browser from doing more with a response than showing it.
pub(super) fn harden(headers: &mut HeaderMap) {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The host names of this service. A site whose name an attacker pointed at this machine is not
/// among them, so its pages get nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Names from the operator, in lower case.
    names: BTreeSet<String>,
    /// Whether network addresses are accepted too, not only loopback addresses.
    any_address: bool,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Barred {
    /// No host, several hosts, or an invalid one.
    #[error("the request has no valid `Host`")]
    NoHost,
    /// A host that does not belong to this service.
    #[error("`{0}` is not a name of this service")]
    Host(String),
    /// A page of another site sent the request.
    #[error("a page of another site sent this request")]
    OtherSite,
}

impl Names {
    /// Creates the names of a service. Set `any_address` for a service that listens on networks: an
    /// attacker cannot point an address at another machine.
    pub(super) fn new(names: impl IntoIterator<Item = String>, any_address: bool) -> Self {
        Self { names: names.into_iter().map(|name| bare(&name)).collect(), any_address }
    }

    /// Checks that the host is one of ours. Any port is accepted because a port may be forwarded.
    ///
    /// # Errors
    ///
    /// Returns an error if the host is missing, invalid or not one of ours.
    pub(super) fn check(&self, host: Option<&str>) -> Result<(), Barred> {
        let authority = host.and_then(Authority::parse).ok_or(Barred::NoHost)?;
        let ours = match &authority.host {
            Host::Address(address) => self.any_address || is_loopback(*address),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost") || self.names.contains(name),
        };
        if ours { Ok(()) } else { Err(Barred::Host(host.unwrap_or_default().to_owned())) }
    }
}

/// Returns a name in lower case, without a trailing dot.
fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

/// A host with its port, as in `Host` and `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inner, after) = rest.split_once(']')?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
                (Host::Address(IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?)), port)
            }
            None => {
                let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                if host.is_empty() || !host.chars().all(fits) {
                    return None;
                }
                let host = bare(host);
                (host.parse().map_or(Host::Name(host), Host::Address), port)
            }
        };
        let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|_| digits(port))?),
            None => None,
        };
        Some(Self { host, port })
    }

    /// Parses a host and fills in the default port of the scheme.
    fn of_scheme(text: &str, secure: bool) -> Option<Self> {
        let authority = Self::parse(text)?;
        Some(Self { port: authority.port.or(Some(if secure { 443 } else { 80 })), ..authority })
    }
}

/// The relevant parts of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    /// The method.
    pub(super) method: &'a Method,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// The host that the request is for.
    pub(super) host: &'a str,
    /// Whether it goes to the API. No link of another site leads there.
    pub(super) api: bool,
}

/// Refuses requests that a page of another site makes a browser send. Clients other than browsers
/// send no headers about sites.
///
/// # Errors
///
/// Returns an error if the request comes from another site.
pub(super) fn same_site(sent: Sent<'_>) -> Result<(), Barred> {
    let text = |name: &str| sent.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let reads = sent.method == Method::GET || sent.method == Method::HEAD;
    let site = text(FETCH_SITE);
    if reads {
        let own = matches!(site, None | Some("same-origin" | "none"));
        let follows_link = !sent.api && text(FETCH_MODE) == Some("navigate");
        return if own || follows_link { Ok(()) } else { Err(Barred::OtherSite) };
    }
    if !matches!(site, None | Some("same-origin" | "none")) {
        return Err(Barred::OtherSite);
    }
    let origins: Vec<_> = sent.headers.get_all(ORIGIN).iter().collect();
    let ours = origins.iter().all(|origin| origin.to_str().is_ok_and(|origin| is_origin_of(origin, sent.host)));
    if ours { Ok(()) } else { Err(Barred::OtherSite) }
}

/// Returns whether an origin belongs to a host. A proxy may have changed the scheme, but never the
/// host or the port.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let (secure, authority) = match origin.split_once("://") {
        Some(("https", authority)) => (true, authority),
        Some(("http", authority)) => (false, authority),
        _ => return false,
    };
    let own = Authority::of_scheme(host, secure);
    own.is_some() && own == Authority::of_scheme(authority, secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_made_to_lead_here_is_not_ours() {
        let local = Names::new([], false);
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "a.localhost", "localhost."] {
            assert_eq!(local.check(Some(host)), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "notlocalhost", "127.0.0.1.evil.example"] {
            assert_eq!(local.check(Some(host)), Err(Barred::Host(host.to_owned())));
        }
        for host in ["", "a b", "localhost:", "localhost:x", "localhost:99999", "user@localhost", "[::1", "::1", "a/b"]
        {
            assert_eq!(local.check(Some(host)), Err(Barred::NoHost), "{host}");
        }
        assert_eq!(local.check(None), Err(Barred::NoHost));
        let open = Names::new(["Jobs.Example.org.".to_owned()], true);
        for host in ["jobs.example.org", "JOBS.example.org.:443", "10.0.0.1:8080", "[2001:db8::1]", "localhost"] {
            assert_eq!(open.check(Some(host)), Ok(()), "{host}");
        }
        assert!(open.check(Some("x.jobs.example.org")).is_err());
    }

    fn sent(method: &Method, api: bool, lines: &[(&'static str, &'static str)]) -> Result<(), Barred> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        same_site(Sent { method, headers: &headers, host: "localhost:8080", api })
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let post = |lines: &[_]| sent(&Method::POST, true, lines);
        assert_eq!(post(&[]), Ok(()), "a client other than a browser");
        assert_eq!(post(&[("origin", "http://localhost:8080")]), Ok(()));
        assert_eq!(post(&[("origin", "https://LOCALHOST:8080"), ("sec-fetch-site", "same-origin")]), Ok(()));
        for origin in [
            "null",
            "http://localhost",
            "http://localhost:8081",
            "http://evil.example",
            "http://localhost:8080.evil.example",
            "file://localhost:8080",
            "",
        ] {
            assert_eq!(post(&[("origin", origin)]), Err(Barred::OtherSite), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), Err(Barred::OtherSite), "{site}");
        }
        let both = [("origin", "http://localhost:8080"), ("origin", "http://evil.example")];
        assert_eq!(post(&both), Err(Barred::OtherSite));
        for method in [Method::DELETE, Method::PUT, Method::PATCH, Method::OPTIONS] {
            assert!(sent(&method, true, &[("origin", "http://evil.example")]).is_err());
        }
    }

    #[test]
    fn another_site_may_link_to_a_page_and_use_nothing() {
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        let part = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
        assert_eq!(sent(&Method::GET, false, &link), Ok(()));
        assert!(sent(&Method::GET, false, &part).is_err());
        assert!(sent(&Method::GET, true, &link).is_err());
        assert_eq!(sent(&Method::GET, true, &[("sec-fetch-site", "none")]), Ok(()));
    }

    #[test]
    fn an_origin_without_a_port_has_that_of_its_scheme() {
        assert!(is_origin_of("https://jobs.example", "jobs.example"));
        assert!(is_origin_of("https://jobs.example", "jobs.example:443"));
        assert!(is_origin_of("http://jobs.example:80", "jobs.example"));
        assert!(!is_origin_of("https://jobs.example", "jobs.example:80"));
    }
}
