//! Addresses to listen on: how they are written, and how each must be protected.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::request::refusal::Refusal;

/// Longest path of a Unix socket: the size of the kernel's address, less the terminating byte.
const LONGEST_SOCKET_PATH: usize = 107;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:8080`, `[::1]:0`: one address. Port 0 takes any free port.
    Address(SocketAddr),
    /// `localhost:8080`: the loopback addresses of both families, where the machine has them.
    Localhost(u16),
    /// `unix:PATH`: a Unix socket that only this user can open.
    Socket(PathBuf),
}

/// A text that is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The port is missing.
    #[error("`{0}` has no port")]
    NoPort(String),
    /// The port is not a number up to 65535.
    #[error("`{0}` is not a port")]
    Port(String),
    /// A name where an address is expected.
    #[error("`{0}` is not an address")]
    Host(String),
    /// A socket without a path, or with a path that the kernel does not accept.
    #[error("`{0}` is not the path of a socket")]
    Socket(String),
}

impl AddressError {
    fn hint(&self) -> String {
        match self {
            Self::NoPort(host) if !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit()) => {
                format!("write `127.0.0.1:{host}`")
            }
            Self::NoPort(host) if host.parse::<Ipv6Addr>().is_ok() => format!("write `[{host}]:8080`"),
            Self::NoPort(_) => "write `127.0.0.1:8080`".to_owned(),
            Self::Port(_) => "write a number from 0 to 65535; 0 takes any free port".to_owned(),
            Self::Host(_) => {
                "write `localhost`, `127.0.0.1`, or the address of one of this machine's networks".to_owned()
            }
            Self::Socket(_) => format!("write `unix:` and a path of at most {LONGEST_SOCKET_PATH} bytes"),
        }
    }
}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Self {
        Self::usage(error.to_string()).hint(error.hint())
    }
}

impl FromStr for Listen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let fits = !path.is_empty() && path.len() <= LONGEST_SOCKET_PATH && !path.contains('\0');
            return if fits { Ok(Self::Socket(path.into())) } else { Err(AddressError::Socket(path.to_owned())) };
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(AddressError::NoPort(text.to_owned()));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(AddressError::NoPort(text.to_owned()));
        };
        let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let number = port.parse::<u16>().ok().filter(|_| is_number);
        let port = number.ok_or_else(|| AddressError::Port(port.to_owned()))?;
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Localhost(port));
        }
        let bare = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        match bare {
            Some(address) => Ok(Self::Address(SocketAddr::new(address, port))),
            None => Err(AddressError::Host(host.to_owned())),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Returns whether only processes of this machine can connect.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => is_loopback(address.ip()),
            Self::Localhost(_) | Self::Socket(_) => true,
        }
    }
}

/// Returns whether an address is a loopback address, including an IPv4 address mapped into IPv6.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// How requests from other machines are protected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Protection {
    /// Whether the store has a valid token.
    pub(super) token: bool,
    /// Whether this service encrypts its connections.
    pub(super) tls: bool,
    /// Whether a proxy in front of the service encrypts.
    pub(super) proxy: bool,
}

/// Why the service may not listen on an address in its present configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exposed {
    /// Everyone who can reach the address could do everything.
    #[error("`{0}` can be reached from other machines, and there is no token")]
    NoToken(Listen),
    /// Tokens would be sent unencrypted.
    #[error("`{0}` can be reached from other machines, and tokens would cross the network in the clear")]
    Clear(Listen),
    /// Everyone whom the proxy lets in could do everything.
    #[error("`{0}` is reached through a proxy, and there is no token")]
    NoTokenBehindProxy(Listen),
    /// A proxy has no address on a Unix socket.
    #[error("`{0}` has no peer addresses, so a proxy cannot be recognised")]
    ProxyOfSocket(Listen),
}

impl Exposed {
    fn hints(&self) -> Vec<String> {
        let token = "`jobcontrol token create --scope read` creates a token";
        let local = "`--listen 127.0.0.1:8080` lets only this machine in";
        let hints: &[&str] = match self {
            Self::NoToken(_) => &[token, local],
            Self::Clear(_) => {
                &["give `--tls-cert` and `--tls-key`, or `--behind-proxy ADDRESS` if a proxy encrypts", local]
            }
            Self::NoTokenBehindProxy(_) => &[token],
            Self::ProxyOfSocket(_) => &["listen on a loopback address, such as `127.0.0.1:8080`"],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}

impl From<Exposed> for Refusal {
    fn from(error: Exposed) -> Self {
        error.hints().into_iter().fold(Self::usage(error.to_string()), Self::hint)
    }
}

/// Checks that nobody from another machine can act without a token, or must send one unencrypted.
///
/// # Errors
///
/// Returns an error that says which protection is missing.
pub(super) fn protected(listen: &Listen, protection: Protection) -> Result<(), Exposed> {
    let Protection { token, tls, proxy } = protection;
    let here = || listen.clone();
    match listen {
        Listen::Socket(_) if proxy => Err(Exposed::ProxyOfSocket(here())),
        _ if proxy && !token => Err(Exposed::NoTokenBehindProxy(here())),
        _ if listen.is_local() => Ok(()),
        _ if !token => Err(Exposed::NoToken(here())),
        _ if !tls && !proxy => Err(Exposed::Clear(here())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for text in ["127.0.0.1:8080", "[::1]:0", "0.0.0.0:80", "localhost:8080", "unix:/run/jc.sock", "unix:a:1"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!("LocalHost:1".parse(), Ok(Listen::Localhost(1)));
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_what_to_write() {
        let refused = |text: &str| Refusal::from(text.parse::<Listen>().unwrap_err()).text();
        assert_eq!(refused("8080"), "`8080` has no port; write `127.0.0.1:8080`");
        assert_eq!(refused("::1"), "`::1` has no port; write `[::1]:8080`");
        assert_eq!(refused("127.0.0.1"), "`127.0.0.1` has no port; write `127.0.0.1:8080`");
        assert!(refused("127.0.0.1:99999").starts_with("`99999` is not a port; "));
        assert!(refused("127.0.0.1:+80").starts_with("`+80` is not a port; "));
        assert!(refused("example.com:80").starts_with("`example.com` is not an address; "));
        assert!(refused("::1:80").starts_with("`::1:80` has no port"));
        for text in ["", ":80", "[::1", "[127.0.0.1]:80", "1.2.3:80", "unix:", &format!("unix:{}", "x".repeat(108))] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn whoever_reaches_it_from_elsewhere_needs_a_token_that_nobody_can_read_on_the_way() {
        let none = Protection::default();
        let (token, tls, proxy) = (Protection { token: true, ..none }, true, true);
        let ask =
            |text: &str, protection| protected(&text.parse().unwrap(), protection).map_err(|e| Refusal::from(e).text());
        for local in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1", "unix:s"] {
            assert_eq!(ask(local, none), Ok(()), "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.168.1.2:1", "[::ffff:192.168.1.2]:1"] {
            assert!(ask(open, Protection { tls, ..none }).unwrap_err().contains("there is no token"), "{open}");
            assert!(ask(open, token).unwrap_err().contains("in the clear"), "{open}");
            assert_eq!(ask(open, Protection { tls, ..token }), Ok(()));
            assert_eq!(ask(open, Protection { proxy, ..token }), Ok(()));
        }
        // A proxy lets other machines in, even if it runs on this machine.
        assert!(ask("127.0.0.1:1", Protection { proxy, ..none }).is_err());
        assert_eq!(ask("127.0.0.1:1", Protection { proxy, ..token }), Ok(()));
        assert!(ask("unix:s", Protection { proxy, ..token }).is_err());
    }
}
