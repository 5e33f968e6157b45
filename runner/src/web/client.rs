//! Finds out who sent a request: the other end of the connection, or the client that a trusted
//! proxy forwards for.

use std::net::IpAddr;
use std::net::Ipv6Addr;

use http::HeaderMap;
use http::header::FORWARDED;
use http::header::HOST;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A network address, with or without TLS.
    Address {
        /// The address; IPv4 if it is an IPv4 address mapped into IPv6.
        ip: IpAddr,
        /// Whether this service encrypts the connection.
        tls: bool,
    },
    /// A process of this user, on a Unix socket.
    Socket,
}

/// The client that sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// The client's address; `None` for a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// Whether the browser's connection is encrypted.
    pub(super) secure: bool,
    /// The host that the client asked for, as written. `None` if the request names no host, or more
    /// than one.
    pub(super) host: Option<String>,
}

/// The requests that share one rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    /// An IPv4 address.
    V4(u32),
    /// An IPv6 network: a client that has one address has 2^64.
    V6(u64),
    /// The Unix socket.
    Socket,
}

impl Client {
    /// Returns the limit that counts for this client.
    pub(super) fn source(&self) -> Source {
        match self.address {
            None => Source::Socket,
            Some(IpAddr::V4(address)) => Source::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Source::V6(network(address)),
        }
    }
}

fn network(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX)
}

/// An invalid statement of the proxy about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProxyError {
    /// Both kinds of headers are present, and one of them may come from the client.
    #[error("the request has both `Forwarded` and `X-Forwarded-*` headers; the proxy may set only one kind")]
    Both,
    /// The client's address is missing or is not an address.
    #[error("the proxy does not name the client's address")]
    For,
}

/// Finds out who sent a request. Only headers from `proxy` can name another client. Of each list
/// only the last entry counts, because the proxy itself added that one.
///
/// # Errors
///
/// Returns an error if the proxy's headers contradict each other or name no valid client.
pub(super) fn client(peer: Peer, proxy: Option<IpAddr>, headers: &HeaderMap) -> Result<Client, ProxyError> {
    let own = |address, secure| Client { address, secure, host: only(headers, HOST.as_str()) };
    match peer {
        Peer::Socket => Ok(own(None, false)),
        Peer::Address { ip, tls } if proxy == Some(ip) => forwarded(headers, ip, own(Some(ip), tls)),
        Peer::Address { ip, tls } => Ok(own(Some(ip), tls)),
    }
}

fn forwarded(headers: &HeaderMap, proxy: IpAddr, own: Client) -> Result<Client, ProxyError> {
    let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    let [from, scheme, host] = names.map(|name| last(headers, name));
    let standard = headers.contains_key(FORWARDED);
    if standard && (from.is_some() || scheme.is_some() || host.is_some()) {
        return Err(ProxyError::Both);
    }
    let (from, scheme, host) = if standard {
        let element = last(headers, FORWARDED.as_str()).unwrap_or_default();
        (parameter(&element, "for"), parameter(&element, "proto"), parameter(&element, "host"))
    } else {
        (from, scheme, host)
    };
    let address = match from {
        // The proxy sends its own request, for example a health check.
        None if scheme.is_none() && host.is_none() && !standard => proxy,
        from => from.as_deref().and_then(address).ok_or(ProxyError::For)?,
    };
    let secure = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    Ok(Client { address: Some(address.to_canonical()), secure: secure || own.secure, host: host.or(own.host) })
}

/// Returns the value of a header that occurs exactly once.
fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut all = headers.get_all(name).iter();
    let value = all.next()?.to_str().ok()?.to_owned();
    all.next().is_none().then_some(value)
}

/// Returns the last entry of a list that may span several headers. Commas inside quotes do not
/// separate entries.
fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    Some(split(text, ',').pop().unwrap_or_default().trim().to_owned())
}

/// Returns the value of a parameter of a `Forwarded` entry, without quotes.
fn parameter(entry: &str, name: &str) -> Option<String> {
    let pairs = split(entry, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    match value.strip_prefix('"') {
        Some(quoted) => Some(quoted.strip_suffix('"')?.replace('\\', "")),
        None => Some(value.to_owned()),
    }
}

fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Parses an address as proxies write it: bare or in brackets, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, port) = rest.split_once(']')?;
        let has_port = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok();
        return inner.parse::<Ipv6Addr>().ok().filter(|_| has_port).map(IpAddr::V6);
    }
    let (host, port) = text.split_once(':')?;
    port.parse::<u16>().ok()?;
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const PROXY: &str = "10.0.0.1";

    fn told(from: &str, lines: &[(&str, &str)]) -> Result<(String, bool, Option<String>), ProxyError> {
        let peer = Peer::Address { ip: from.parse().unwrap(), tls: false };
        let client = client(peer, PROXY.parse().ok(), &headers(lines))?;
        Ok((client.address.map(|ip| ip.to_string()).unwrap_or_default(), client.secure, client.host))
    }

    #[test]
    fn only_the_proxy_is_believed() {
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https"), ("host", "a")];
        assert_eq!(told("10.0.0.2", &lines), Ok(("10.0.0.2".into(), false, Some("a".into()))));
        assert_eq!(told(PROXY, &lines), Ok(("1.1.1.1".into(), true, Some("a".into()))));
        let lines = [("forwarded", "for=1.1.1.1;proto=https;host=b")];
        assert_eq!(told("10.0.0.2", &lines), Ok(("10.0.0.2".into(), false, None)));
        assert_eq!(told(PROXY, &lines), Ok(("1.1.1.1".into(), true, Some("b".into()))));
    }

    #[test]
    fn what_the_client_has_written_itself_stands_first_and_does_not_count() {
        let lines = [("x-forwarded-for", "6.6.6.6, 1.1.1.1"), ("x-forwarded-host", "evil, good")];
        assert_eq!(told(PROXY, &lines), Ok(("1.1.1.1".into(), false, Some("good".into()))));
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")];
        assert_eq!(told(PROXY, &lines).unwrap().0, "1.1.1.1");
        let lines = [("forwarded", "for=6.6.6.6;host=\"a,b\", for=\"[2001:db8::1]:80\"")];
        assert_eq!(told(PROXY, &lines).unwrap().0, "2001:db8::1");
        let lines = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.1.1.1")];
        assert_eq!(told(PROXY, &lines), Err(ProxyError::Both));
    }

    #[test]
    fn a_proxy_that_does_not_say_for_whom_it_asks_is_refused() {
        for line in [
            ("forwarded", "for=unknown"),
            ("forwarded", "for=_hidden"),
            ("forwarded", "proto=https"),
            ("forwarded", "for=1.1.1.1;for=2.2.2.2"),
            ("forwarded", ""),
            ("x-forwarded-for", "x"),
            ("x-forwarded-for", "1.1.1.1,"),
            ("x-forwarded-proto", "https"),
        ] {
            assert_eq!(told(PROXY, &[line]), Err(ProxyError::For), "{line:?}");
        }
        assert_eq!(told(PROXY, &[]).unwrap().0, PROXY);
    }

    #[test]
    fn a_host_that_is_given_twice_is_none() {
        assert_eq!(told("10.0.0.2", &[("host", "a"), ("host", "b")]).unwrap().2, None);
    }

    #[test]
    fn a_network_of_ipv6_has_one_limit() {
        let source = |text: &str| Client { address: text.parse().ok(), secure: false, host: None }.source();
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("1.2.3.4"), source("1.2.3.5"));
    }
}
