//! Paths of requests, and patterns of paths.

use std::fmt;

/// How many layers of escapes are decoded: servers decode once, those behind proxies twice.
const DECODINGS: usize = 4;

/// The paths that a rule names: a single one, or all with a given prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    prefix: bool,
}

impl PathPattern {
    /// Reads a pattern: a path, or a prefix of paths followed by `*`.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (text, prefix) = match text.strip_suffix('*') {
            Some(text) => (text, true),
            None => (text, false),
        };
        if !text.starts_with('/') {
            return Err(format!("`{text}` is not a path: a path begins with `/`"));
        }
        if text.contains('*') {
            return Err(format!("`{text}*` is not a pattern: `*` may only stand at the end"));
        }
        if text.contains(['?', '#']) || !text.bytes().all(|b| b.is_ascii_graphic()) || !is_plain(text) {
            return Err(format!("`{text}` is not a path as written in a request"));
        }
        Ok(Self { text: text.to_owned(), prefix })
    }

    /// Returns whether the pattern matches a path.
    pub(super) fn matches(&self, path: &str) -> bool {
        if self.prefix { path.starts_with(&self.text) } else { path == self.text }
    }

    /// Returns whether the pattern matches all paths that the other pattern matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if other.prefix { self.prefix && other.text.starts_with(&self.text) } else { self.matches(&other.text) }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.prefix { "*" } else { "" })
    }
}

/// Returns whether no server can read this path as another one: none of its parts is `..` or `.`,
/// not even after decoding its escapes.
pub(super) fn is_plain(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS {
        let parts = bytes.split(|b| matches!(b, b'/' | b'\\'));
        // For some servers, the text after a semicolon is a parameter of the part.
        let mut names = parts.map(|part| part.split(|b| *b == b';').next().unwrap_or_default());
        if names.any(|name| matches!(name, b"." | b"..")) {
            return false;
        }
        let decoded = decoded(&bytes);
        if decoded == bytes {
            return true;
        }
        bytes = decoded;
    }
    false
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_path_or_a_beginning() {
        let matches = |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches(path);
        assert!(matches("/v1/*", "/v1/orders") && matches("/v1/*", "/v1/") && matches("/v1", "/v1"));
        assert!(!matches("/v1/*", "/v1") && !matches("/v1", "/v1/") && !matches("/v1/*", "/v10"));
        for wrong in ["v1", "/a/*/b", "/a?b*", "/a b", "/a/../b", "/%2e%2e/*", ""] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
        let covers =
            |one: &str, other: &str| PathPattern::parse(one).unwrap().covers(&PathPattern::parse(other).unwrap());
        assert!(covers("/*", "/v1/*") && covers("/v1/*", "/v1/a") && covers("/a", "/a"));
        assert!(!covers("/v1/*", "/*") && !covers("/a", "/a*"));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_not_plain() {
        for path in ["/", "/v1/a..b", "/v1/%20x", "/v1/...", "/v1/.well-known/x", "/100%"] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "/v1/../admin",
            "/v1/..",
            "/v1/./x",
            "/v1/%2e%2e/admin",
            "/v1/.%2E/admin",
            "/v1/%2e%2e%2fadmin",
            "/v1/..%5cadmin",
            "/v1/..\\admin",
            "/v1/%252e%252e/admin",
            "/v1/..;/admin",
            "/v1/%25252525252e%25252525252e/x",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
