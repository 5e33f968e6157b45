//! The target of one request.

use std::fmt;

use super::host::Host;
use super::path::is_plain;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Unencrypted.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Returns the default port.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Returns the name as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads `http` or `https`.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.name() == text)
    }
}

/// The target of one request, each part in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it is sent.
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The method.
    pub method: String,
    /// The path, without a query.
    pub path: String,
}

impl Target {
    /// Reads the parts of a request. `authority` is `HOST` or `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong: a name or password before the host, or a host or
    /// path that can be read in two ways.
    pub fn new(scheme: Scheme, authority: &str, method: &str, path: &str) -> Result<Self, String> {
        if authority.contains('@') {
            return Err("a name or password before the host is not allowed".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside brackets belongs to the address.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let wrong = || format!("`{authority}` has no valid port");
        let port = match port {
            None => scheme.port(),
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let path = if path.is_empty() { "/" } else { path };
        if !path.starts_with('/') || !is_plain(path) {
            return Err(format!("the path `{path}` can be read as a different path"));
        }
        Ok(Self { scheme, host: Host::parse(host)?, port, method: method.to_owned(), path: path.to_owned() })
    }

    /// Returns `HOST`, or `HOST:PORT` if the port is not the default one.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// Writes the target as shown to people: `GET https://api.example.com/v1/orders`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}{}", self.method, self.scheme.name(), self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_in_one_form() {
        let told = |scheme, authority: &str, path: &str| {
            Target::new(scheme, authority, "GET", path).map(|target| target.to_string())
        };
        assert_eq!(told(Scheme::Https, "API.example.com.:443", "/v1"), Ok("GET https://api.example.com/v1".to_owned()));
        assert_eq!(told(Scheme::Http, "[::1]:8080", ""), Ok("GET http://[::1]:8080/".to_owned()));
        for authority in ["user:pw@host", "host:", "host:0", "host:65536", "host:+80", "host:8o", "", ":80", "a:b:80"] {
            assert!(told(Scheme::Https, authority, "/").is_err(), "{authority}");
        }
        assert!(told(Scheme::Https, "host", "/a/../b").is_err());
    }
}
