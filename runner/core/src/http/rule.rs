//! Rules that decide which requests are allowed.

use std::fmt;

use super::host::HostPattern;
use super::path::PathPattern;
use super::target::Scheme;
use super::target::Target;

/// A rule that allows some requests. A part that is not given allows everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The scheme, over TLS or unencrypted.
    pub scheme: Option<Scheme>,
    /// The hosts.
    pub host: HostPattern,
    /// The ports.
    pub ports: Option<Vec<u16>>,
    /// The methods.
    pub methods: Option<Vec<String>>,
    /// The paths.
    pub paths: Option<Vec<PathPattern>>,
}

impl Rule {
    /// Returns whether the rule allows a request.
    pub fn allows(&self, target: &Target) -> bool {
        self.scheme.is_none_or(|scheme| scheme == target.scheme)
            && self.host.matches(&target.host)
            && self.ports.as_ref().is_none_or(|ports| ports.contains(&target.port))
            && self.methods.as_ref().is_none_or(|methods| methods.contains(&target.method))
            && self.paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path.matches(&target.path)))
    }

    /// Returns whether the rule allows everything that the other one allows.
    pub fn covers(&self, other: &Self) -> bool {
        let all = |ours: &Option<Vec<u16>>, theirs: &Option<Vec<u16>>| match (ours, theirs) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.iter().all(|one| ours.contains(one)),
        };
        let methods = match (&self.methods, &other.methods) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.iter().all(|one| ours.contains(one)),
        };
        let paths = match (&self.paths, &other.paths) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.iter().all(|one| ours.iter().any(|path| path.covers(one))),
        };
        (self.scheme.is_none() || self.scheme == other.scheme)
            && self.host.covers(&other.host)
            && all(&self.ports, &other.ports)
            && methods
            && paths
    }

    /// Returns the narrowest rule that allows a request, as written in a manifest. Returns `None`
    /// if no rule can allow only this request, such as one with a `*` in its path.
    pub fn for_target(target: &Target) -> Option<String> {
        if target.path.contains(['"', '\\', '*']) || !is_method(&target.method) {
            return None;
        }
        let mut parts = vec![format!("host: \"{}\"", target.host)];
        if target.scheme == Scheme::Http {
            parts.push("scheme: http".to_owned());
        }
        if target.port != target.scheme.port() {
            parts.push(format!("ports: [{}]", target.port));
        }
        parts.push(format!("methods: [{}]", target.method));
        parts.push(format!("paths: [\"{}\"]", target.path));
        Some(format!("{{ {} }}", parts.join(", ")))
    }
}

/// Writes the rule as in a manifest.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ host: \"{}\"", self.host)?;
        if let Some(scheme) = self.scheme {
            write!(f, ", scheme: {}", scheme.name())?;
        }
        if let Some(ports) = &self.ports {
            write!(f, ", ports: [{}]", ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;
        }
        if let Some(methods) = &self.methods {
            write!(f, ", methods: [{}]", methods.join(", "))?;
        }
        if let Some(paths) = &self.paths {
            let paths: Vec<_> = paths.iter().map(|path| format!("\"{path}\"")).collect();
            write!(f, ", paths: [{}]", paths.join(", "))?;
        }
        f.write_str(" }")
    }
}

/// Returns whether a text is a method that a request may have. `CONNECT` is not allowed: nobody
/// checks what passes through a tunnel.
pub fn is_method(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_uppercase() || b == b'-';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(token) && text != "CONNECT"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(host: &str) -> Rule {
        Rule {
            scheme: Some(Scheme::Https),
            host: HostPattern::parse(host).unwrap(),
            ports: Some(vec![443]),
            methods: Some(vec!["GET".to_owned()]),
            paths: None,
        }
    }

    fn target(authority: &str, method: &str, path: &str) -> Target {
        Target::new(Scheme::Https, authority, method, path).unwrap()
    }

    #[test]
    fn every_part_of_a_rule_counts() {
        let rule = Rule { paths: Some(vec![PathPattern::parse("/v1/*").unwrap()]), ..rule("api.example.com") };
        assert!(rule.allows(&target("api.example.com", "GET", "/v1/x")));
        assert!(!rule.allows(&target("example.com", "GET", "/v1/x")));
        assert!(!rule.allows(&target("api.example.com", "POST", "/v1/x")));
        assert!(!rule.allows(&target("api.example.com", "GET", "/v2/x")));
        assert!(!rule.allows(&target("api.example.com:8443", "GET", "/v1/x")));
        assert!(!rule.allows(&Target { scheme: Scheme::Http, ..target("api.example.com", "GET", "/v1/x") }));
    }

    #[test]
    fn a_rule_covers_what_asks_for_no_more() {
        let narrow = Rule { paths: Some(vec![PathPattern::parse("/v1/*").unwrap()]), ..rule("a.example.com") };
        let wide = Rule { scheme: None, ports: None, methods: None, ..rule("*.example.com") };
        assert!(wide.covers(&narrow) && wide.covers(&rule("b.example.com")) && narrow.covers(&narrow));
        assert!(!narrow.covers(&wide) && !narrow.covers(&rule("a.example.com")) && !wide.covers(&rule("other.org")));
        let post = Rule { methods: Some(vec!["POST".to_owned()]), ..rule("a.example.com") };
        assert!(!rule("a.example.com").covers(&post));
    }

    #[test]
    fn the_line_to_add_allows_the_request() {
        let told = Rule::for_target(&Target::new(Scheme::Http, "127.0.0.1:8080", "POST", "/a").unwrap());
        let line = "{ host: \"127.0.0.1\", scheme: http, ports: [8080], methods: [POST], paths: [\"/a\"] }";
        assert_eq!(told.as_deref(), Some(line));
        assert_eq!(Rule::for_target(&target("a.example.com", "GET", "/a*")), None);
        assert_eq!(Rule::for_target(&target("a.example.com", "CONNECT", "/a")), None);
    }
}
