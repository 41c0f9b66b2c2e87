//! Whom flows may ask: the tenant's list of hosts, the operator's list of addresses inside, and that
//! both must agree before anything inside is asked.
//!
//! Owns: [`Host`] and [`InsideHost`], the written forms of an entry; which addresses are inside. Does
//! not own: the request.

use hotline_base::Redacted;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Ports a host without a port may be asked at.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// What the flows of one tenant may do.
#[derive(Clone, Debug, Default)]
pub struct HttpPolicy {
    hosts: Vec<Host>,
    /// Addresses inside that both the tenant and the operator name.
    agreed: Arc<[SocketAddr]>,
    /// Secrets by name, for header values.
    pub secrets: BTreeMap<String, Redacted<String>>,
}

impl HttpPolicy {
    /// A policy of the tenant's hosts, what is no host left out, and of the addresses inside that the
    /// operator opens to the tenant.
    pub fn new<'a>(
        hosts: impl Iterator<Item = &'a str>,
        opened: &[SocketAddr],
        secrets: BTreeMap<String, Redacted<String>>,
    ) -> HttpPolicy {
        let hosts: Vec<Host> = hosts.filter_map(Host::parse).collect();
        let agreed = hosts.iter().filter_map(Host::inside).filter(|one| opened.contains(one));
        HttpPolicy { agreed: agreed.collect(), hosts, secrets }
    }

    /// Whether a host may be asked at a port, and at which of its addresses.
    ///
    /// # Errors
    /// Whose list it is missing in.
    pub fn permits(&self, host: &str, port: u16) -> Result<Permission, Forbidden> {
        if let Ok(address) = unbracketed(host).parse::<IpAddr>() {
            let wanted = SocketAddr::new(address, port);
            if !self.hosts.contains(&Host::Address(wanted)) {
                return Err(Forbidden::NotListed);
            }
            let open = !is_inside(address) || self.agreed.contains(&wanted);
            return if open { Ok(Permission::Address(wanted)) } else { Err(Forbidden::Inside) };
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let listed = self.hosts.iter().any(|one| match one {
            Host::Name(name, None) => *name == host && USUAL_PORTS.contains(&port),
            Host::Name(name, Some(at)) => *name == host && *at == port,
            Host::Address(_) => false,
        });
        let agreed = Arc::clone(&self.agreed);
        if listed { Ok(Permission::Named { agreed }) } else { Err(Forbidden::NotListed) }
    }
}

/// What a permitted host may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// This address: the tenant has written it out.
    Address(SocketAddr),
    /// Any address that a name leads to and that is not inside, or is one of these.
    Named {
        /// Addresses inside that both lists name.
        agreed: Arc<[SocketAddr]>,
    },
}

/// Why a host may not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The tenant's `http_hosts` does not name it.
    NotListed,
    /// It is inside, and the operator's `[effects] inside_hosts` does not name it.
    Inside,
}

/// One entry of the operator's `[effects] inside_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsideHost {
    /// The only tenant that may ask it; none: every tenant.
    pub tenant: Option<String>,
    /// The address.
    pub address: SocketAddr,
}

impl InsideHost {
    /// Reads `10.0.0.5:8080`, or `acme=10.0.0.5:8080` for one tenant.
    pub fn parse(text: &str) -> Option<InsideHost> {
        let (tenant, address) = match text.split_once('=') {
            Some((tenant, address)) => (Some(tenant.to_string()), address),
            None => (None, text),
        };
        let address: SocketAddr = address.parse().ok()?;
        let named = tenant.as_ref().is_none_or(|tenant| !tenant.is_empty());
        (named && address.port() != 0 && is_inside(address.ip()))
            .then_some(InsideHost { tenant, address })
    }

    /// Whether a tenant may ask it.
    pub fn is_open_to(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|only| only == tenant)
    }
}

/// One entry of `http_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host, at the usual ports or at one.
    Name(String, Option<u16>),
    /// An address with a port; one that is inside must be opened by the operator too.
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

    /// The address, if it is one that is inside.
    pub fn inside(&self) -> Option<SocketAddr> {
        match self {
            Host::Address(address) => is_inside(address.ip()).then_some(*address),
            Host::Name(..) => None,
        }
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Whether an address is inside: of this machine, of a private network, of nobody in particular.
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
        let hosts = ["api.example.com", "crm.example.com:8443", "127.0.0.1:9000", "8.8.8.8:80"];
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let opened = [address("127.0.0.1:9000"), address("10.0.0.5:80")];
        let policy = HttpPolicy::new(hosts.into_iter(), &opened, BTreeMap::new());
        let named = Permission::Named { agreed: [address("127.0.0.1:9000")].into() };
        let at = |text| Ok(Permission::Address(address(text)));
        for (host, port, expected) in [
            ("api.example.com", 443, Ok(named.clone())),
            ("API.Example.com.", 80, Ok(named.clone())),
            ("api.example.com", 8080, Err(Forbidden::NotListed)),
            ("crm.example.com", 8443, Ok(named)),
            ("crm.example.com", 443, Err(Forbidden::NotListed)),
            ("evil.api.example.com", 443, Err(Forbidden::NotListed)),
            ("127.0.0.1", 9000, at("127.0.0.1:9000")),
            ("127.0.0.1", 9001, Err(Forbidden::NotListed)),
            ("8.8.8.8", 80, at("8.8.8.8:80")),
            ("localhost", 9000, Err(Forbidden::NotListed)),
            ("127.1", 9000, Err(Forbidden::NotListed)),
            ("[::1]", 9000, Err(Forbidden::NotListed)),
            // The operator alone opens nothing either.
            ("10.0.0.5", 80, Err(Forbidden::NotListed)),
        ] {
            assert_eq!(policy.permits(host, port), expected, "{host}:{port}");
        }
        for wrong in
            ["", "a_b", "Example.com", "1.2.3.4", "127.1", "host:0", "host:x", "*.a.b", "http://a"]
        {
            assert_eq!(Host::parse(wrong), None, "{wrong}");
        }
    }

    /// A tenant's administrator wrote `127.0.0.1:8080` into `http_hosts`, and flows asked the node's
    /// own API.
    #[test]
    fn what_is_inside_is_asked_only_if_the_operator_opens_it_to_this_tenant() {
        let listed = "10.0.0.5:8080";
        let permitted = |entries: &[&str]| {
            let opened: Vec<_> = entries
                .iter()
                .map(|entry| InsideHost::parse(entry).unwrap())
                .filter(|entry| entry.is_open_to("acme"))
                .map(|entry| entry.address)
                .collect();
            HttpPolicy::new([listed].into_iter(), &opened, BTreeMap::new())
                .permits("10.0.0.5", 8080)
                .map(drop)
        };
        assert_eq!(permitted(&[]), Err(Forbidden::Inside));
        assert_eq!(permitted(&["10.0.0.5:8081", "[::1]:8080"]), Err(Forbidden::Inside));
        assert_eq!(permitted(&["other=10.0.0.5:8080"]), Err(Forbidden::Inside));
        assert_eq!(permitted(&["acme=10.0.0.5:8080"]), Ok(()));
        assert_eq!(permitted(&["10.0.0.5:8080"]), Ok(()));
        for wrong in ["", "10.0.0.5", "10.0.0.5:0", "8.8.8.8:80", "=10.0.0.5:1", "crm:80", "*"] {
            assert_eq!(InsideHost::parse(wrong), None, "{wrong}");
        }
    }
}
