//! Hosts in a canonical form, and patterns of hosts.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Longest host name that DNS allows.
const MAX_NAME: usize = 253;

/// Longest part of a name between two dots.
const MAX_LABEL: usize = 63;

/// A host in canonical form: a name in lower case without a trailing dot, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name that has to be resolved.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl Host {
    /// Reads a host as written in a URL, with an IPv6 address in brackets.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong with the text. Texts that two programs could read
    /// differently are refused, such as `0177.0.0.1`, which the system's resolver reads as
    /// 127.0.0.1.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address = inside.parse::<Ipv6Addr>().map_err(|_| format!("`{text}` is not an IPv6 address"))?;
            return Ok(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Ip(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() || name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(format!("`{text}` is not a host name"));
        }
        // As in WHATWG's URL standard: a host that ends like an address must be one.
        let last = name.rsplit('.').next().unwrap_or_default();
        let digits = last.strip_prefix("0x").unwrap_or(last);
        if digits.bytes().all(|b| b.is_ascii_hexdigit()) && (digits.len() < last.len() || is_number(last)) {
            return Err(format!("`{text}` is a number, not a host name"));
        }
        Ok(Self::Name(name))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    !label.is_empty() && label.len() <= MAX_LABEL && label.bytes().all(plain)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// The hosts that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host; written `*`.
    Any,
    /// Every name below this one, at any depth, but not the name itself; written `*.example.com`.
    Below(String),
    /// This host alone.
    Exact(Host),
}

impl HostPattern {
    /// Reads a host pattern.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(below) = text.strip_prefix("*.") {
            return match Host::parse(below)? {
                Host::Name(name) => Ok(Self::Below(name)),
                Host::Ip(_) => Err(format!("`{text}` is not a pattern: an address has no subdomains")),
            };
        }
        if text.contains('*') {
            return Err(format!("`{text}` is not a pattern: `*` must stand alone, or before the first dot"));
        }
        // A manifest may contain an IPv6 address without brackets.
        match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Self::Exact(Host::Ip(address.into()))),
            Err(_) => Host::parse(text).map(Self::Exact),
        }
    }

    /// Returns whether the pattern matches a host.
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Below(above), Host::Name(name)) => is_below(name, above),
            (Self::Below(_), Host::Ip(_)) => false,
            (Self::Exact(exact), host) => exact == host,
        }
    }

    /// Returns whether the pattern matches all hosts that the other pattern matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) => false,
            (Self::Below(above), Self::Below(below)) => above == below || is_below(below, above),
            (_, Self::Below(_)) => false,
            (pattern, Self::Exact(host)) => pattern.matches(host),
        }
    }
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Exact(host) => write!(f, "{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        let name = |text: &str| Ok(Host::Name(text.to_owned()));
        assert_eq!(Host::parse("API.Example.com."), name("api.example.com"));
        assert_eq!(Host::parse("localhost"), name("localhost"));
        assert_eq!(Host::parse("127.0.0.1"), Ok(Host::Ip(Ipv4Addr::LOCALHOST.into())));
        assert_eq!(Host::parse("[::1]"), Ok(Host::Ip(Ipv6Addr::LOCALHOST.into())));
        assert_eq!(Host::parse("[0:0:0:0:0:0:0:1]").unwrap().to_string(), "[::1]");
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "2130706433",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "127.1",
            "127.0.0.1.",
            "1.2.3.4.5",
            "api.example.com:80",
            "user@host",
            "a b",
            "a/b",
            "a%2eb",
            "é.example",
            "::1",
            "[::1",
            "[fe80::1%eth0]",
            "[127.0.0.1]",
            "*.example.com",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
        assert!(Host::parse(&"a".repeat(64)).is_err());
        assert!(Host::parse(&"a.".repeat(150)).is_err());
    }

    #[test]
    fn patterns_match_names_below_and_nothing_else() {
        let matches =
            |pattern: &str, host: &str| HostPattern::parse(pattern).unwrap().matches(&Host::parse(host).unwrap());
        assert!(matches("*.example.com", "api.example.com") && matches("*.example.com", "a.b.EXAMPLE.com"));
        assert!(!matches("*.example.com", "example.com") && !matches("*.example.com", "badexample.com"));
        assert!(!matches("*.example.com", "example.com.evil.org"));
        assert!(matches("*", "127.0.0.1") && matches("::1", "[::1]") && matches("Example.com", "example.com."));
        for wrong in ["a*.example.com", "api.*.com", "*.127.0.0.1", "**", "*."] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_matches() {
        let covers =
            |one: &str, other: &str| HostPattern::parse(one).unwrap().covers(&HostPattern::parse(other).unwrap());
        assert!(covers("*", "*.a.com") && covers("*.a.com", "*.b.a.com") && covers("*.a.com", "b.a.com"));
        assert!(covers("*.a.com", "*.a.com") && covers("a.com", "A.com"));
        assert!(!covers("*.a.com", "*") && !covers("*.a.com", "a.com") && !covers("b.a.com", "*.a.com"));
    }
}
