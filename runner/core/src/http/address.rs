//! Decides which addresses may be connected to.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use ipnet::Ipv6Net;

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// Addresses outside the public network, according to IANA's special-purpose registries, and those
/// at which clouds give machines their secrets.
const RESERVED_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Link-local, and the metadata service of most clouds.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    // The metadata service of Azure, although this is a public address.
    v4(168, 63, 129, 16, 32),
];

/// The range of public addresses.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// The parts of [`GLOBAL_V6`] that are not public.
const RESERVED_V6: &[Ipv6Net] = &[
    v6(0x2001, 0, 23),
    v6(0x2001, 0xdb8, 32),
    // 6to4, which contains an IPv4 address.
    v6(0x2002, 0, 16),
    v6(0x3fff, 0, 20),
];

/// Addresses of NAT64, whose last bits are an IPv4 address.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

/// Returns the IPv4 address that an IPv6 address stands for: a mapped one, or one of NAT64.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    address.to_ipv4_mapped().or_else(|| NAT64.contains(&address).then_some(Ipv4Addr::new(a, b, c, d)))
}

/// Returns whether an address is in the public network: not private, loopback, link-local,
/// multicast, or the metadata service of a cloud. An IPv6 address that stands for an IPv4 address
/// is treated as that one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !RESERVED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => match inner(address) {
            Some(inner) => is_public(inner.into()),
            None => GLOBAL_V6.contains(&address) && !RESERVED_V6.iter().any(|net| net.contains(&address)),
        },
    }
}

/// Addresses that the operator allows: a single one, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// Reads `10.0.0.5` or `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let net = net.map_err(|_| format!("`{text}` is not an address or a range of addresses"))?;
        if net.trunc() == net {
            return Ok(Self(net));
        }
        Err(format!("`{text}` is not a range: its first address is `{}`", net.trunc()))
    }

    /// Returns whether the range contains an address. An IPv6 address that stands for an IPv4
    /// address also matches as that one.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
            || matches!(address, IpAddr::V6(address) if inner(address).is_some_and(|inner| self.0.contains(&IpAddr::V4(inner))))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn only_addresses_of_the_public_network_are_public() {
        for text in
            ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(public(text), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn ranges_hold_what_begins_with_their_bits() {
        let holds = |range: &str, address: &str| {
            AddressRange::parse(range).unwrap().contains(address.parse::<IpAddr>().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.9.8.7") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1") && holds("0.0.0.0/0", "9.9.9.9"));
        assert!(holds("fd00::/8", "fd12::1") && holds("::1", "::1") && !holds("::1", "127.0.0.1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0", "::/129", "a", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(AddressRange::parse(wrong).is_err(), "{wrong}");
        }
    }
}
