//! Whom flows may ask: the tenant's list of hosts, and addresses that are inside.
//!
//! Owns: [`Host`], the written form of an entry; which addresses no name may lead to. Does not own:
//! the request.

use hotline_base::{Partition, Redacted};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ports a host without a port may be asked at.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// What the flows of each tenant may do.
pub type Policies = BTreeMap<Partition, HttpPolicy>;

/// What the flows of one tenant may do.
#[derive(Clone, Debug, Default)]
pub struct HttpPolicy {
    hosts: Vec<Host>,
    /// Secrets by name, for header values.
    pub secrets: BTreeMap<String, Redacted<String>>,
}

impl HttpPolicy {
    /// A policy of these hosts; what is no host is left out.
    pub fn new<'a>(
        hosts: impl Iterator<Item = &'a str>,
        secrets: BTreeMap<String, Redacted<String>>,
    ) -> HttpPolicy {
        HttpPolicy { hosts: hosts.filter_map(Host::parse).collect(), secrets }
    }

    /// Whether a host may be asked at a port, and which of its addresses.
    pub fn permits(&self, host: &str, port: u16) -> Option<Permission> {
        if let Ok(address) = unbracketed(host).parse::<IpAddr>() {
            let wanted = SocketAddr::new(address, port);
            let listed = self.hosts.contains(&Host::Address(wanted));
            return listed.then_some(Permission::Address(wanted));
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let listed = self.hosts.iter().any(|one| match one {
            Host::Name(name, None) => *name == host && USUAL_PORTS.contains(&port),
            Host::Name(name, Some(at)) => *name == host && *at == port,
            Host::Address(_) => false,
        });
        listed.then_some(Permission::Public)
    }
}

/// What a permitted host may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// This address, wherever it is: the tenant has written it out.
    Address(SocketAddr),
    /// Any address that is not inside.
    Public,
}

/// One entry of `http_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host, at the usual ports or at one.
    Name(String, Option<u16>),
    /// An address with a port, also one that is inside.
    Address(SocketAddr),
}

impl Host {
    /// Reads `api.example.com`, `api.example.com:8443` or `192.168.1.5:8080`.
    pub fn parse(text: &str) -> Option<Host> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return (address.port() != 0).then_some(Host::Address(address));
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (text, None),
        };
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let good = name.len() <= 253 && name.split('.').all(label);
        // What ends in digits is an address, or an attempt at one.
        let numeric = name.rsplit('.').next().is_some_and(|last| last.parse::<u64>().is_ok());
        (good && !numeric).then(|| Host::Name(name.into(), port))
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Whether an address is inside: of this machine, of a private network, of nobody in particular. No
/// name may lead there.
pub fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_inside_v4(address),
        IpAddr::V6(address) => is_inside_v6(address),
    }
}

fn is_inside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared by carriers (RFC 6598), for protocols (RFC 6890), for benchmarks (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b))
}

fn is_inside_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_inside_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // ::, ::1, and IPv4 in IPv6 of the old form.
        [0, 0, 0, 0, 0, 0, _, _] => true,
        // IPv4 behind a translator (RFC 6052) or a tunnel (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        // A translator of one's own (RFC 8215).
        [0x64, 0xff9b, 1, ..] => true,
        // Unique local, link local, site local, multicast.
        [first, ..] => {
            first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first & 0xff00 == 0xff00
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_inside_are_known_in_every_disguise() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["198.51.100.7", "8.8.8.8", "2001:4860::1", "64:ff9b::808:808"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn only_what_is_listed_may_be_asked_and_only_at_its_ports() {
        let hosts = ["api.example.com", "crm.example.com:8443", "127.0.0.1:9000"];
        let policy = HttpPolicy::new(hosts.into_iter(), BTreeMap::new());
        let address = "127.0.0.1:9000".parse().unwrap();
        for (host, port, expected) in [
            ("api.example.com", 443, Some(Permission::Public)),
            ("API.Example.com.", 80, Some(Permission::Public)),
            ("api.example.com", 8080, None),
            ("crm.example.com", 8443, Some(Permission::Public)),
            ("crm.example.com", 443, None),
            ("evil.api.example.com", 443, None),
            ("127.0.0.1", 9000, Some(Permission::Address(address))),
            ("127.0.0.1", 9001, None),
            ("localhost", 9000, None),
            ("127.1", 9000, None),
            ("[::1]", 9000, None),
        ] {
            assert_eq!(policy.permits(host, port), expected, "{host}:{port}");
        }
        for wrong in
            ["", "a_b", "Example.com", "1.2.3.4", "127.1", "host:0", "host:x", "*.a.b", "http://a"]
        {
            assert_eq!(Host::parse(wrong), None, "{wrong}");
        }
    }
}
