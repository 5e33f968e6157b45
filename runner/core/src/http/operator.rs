//! The operator's rules for all HTTP requests.

use std::net::IpAddr;

use super::address::AddressRange;
use super::address::is_public;
use super::host::Host;
use super::rule::Rule;

/// The operator's rules for all HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRules {
    /// The most that a job may be granted, if the operator set a limit; key `ceiling.http`.
    pub ceiling: Option<Vec<Rule>>,
    /// Non-public addresses that may be connected to; key `http.addresses`.
    pub addresses: Vec<AddressRange>,
    /// A file of certificates to trust instead of the system's; key `http.ca`.
    pub ca: Option<String>,
    /// The proxy for all requests; key `http.proxy`.
    pub proxy: Option<Proxy>,
}

impl HttpRules {
    /// Returns whether an address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.addresses.iter().any(|range| range.contains(address))
    }
}

/// A proxy that speaks unencrypted HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
}

impl Proxy {
    /// Reads `http://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a proxy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a proxy");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { host: Host::parse(host).map_err(|_| wrong())?, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_and_a_port() {
        assert_eq!(Proxy::parse("http://proxy:3128/").map(|proxy| proxy.port), Ok(3128));
        assert!(Proxy::parse("http://[::1]:3128").is_ok());
        for wrong in ["proxy:3128", "https://proxy:3128", "http://proxy", "http://u:p@proxy:1", "http://proxy:0"] {
            assert!(Proxy::parse(wrong).is_err(), "{wrong}");
        }
    }
}
