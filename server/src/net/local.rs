//! [`Locals`]: which of our addresses a peer sees that we speak to first.
//!
//! Owns the choice: the listener of the transport, and, where that is bound to every address, the
//! one the kernel would send from. Does not own: what is advertised instead (`[sip] advertise`).

use hotline_sip::Transport;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Our listeners; see the module.
#[derive(Clone, Debug, Default)]
pub struct Locals(Vec<(Transport, SocketAddr)>);

impl Locals {
    /// Of these listeners.
    pub fn of(listeners: impl IntoIterator<Item = (Transport, SocketAddr)>) -> Locals {
        Locals(listeners.into_iter().collect())
    }

    /// Our address on the way to a peer; `None` if there is no listener of that transport and
    /// address family, or no way.
    pub fn towards(&self, transport: Transport, peer: SocketAddr) -> Option<SocketAddr> {
        let fits = |(of, address): &&(Transport, SocketAddr)| {
            *of == transport && address.is_ipv4() == peer.is_ipv4()
        };
        let (_, listener) = self.0.iter().find(fits)?;
        match listener.ip().is_unspecified() {
            true => Some(SocketAddr::new(source_towards(peer)?, listener.port())),
            false => Some(*listener),
        }
    }
}

/// The address the kernel would send from. Nothing is sent to find out.
fn source_towards(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_the_transport_and_where_it_is_everywhere_the_kernels_choice() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let locals = Locals::of([
            (Transport::Udp, at("0.0.0.0:5062")),
            (Transport::Tcp, at("127.0.0.2:5064")),
        ]);
        let peer = at("127.0.0.1:5060");
        assert_eq!(locals.towards(Transport::Udp, peer), Some(at("127.0.0.1:5062")));
        assert_eq!(locals.towards(Transport::Tcp, peer), Some(at("127.0.0.2:5064")));
        assert_eq!(locals.towards(Transport::Tls, peer), None);
        assert_eq!(locals.towards(Transport::Udp, at("[::1]:5060")), None);
    }
}
