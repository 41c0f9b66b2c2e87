//! [`UdpSet`]: the UDP sockets of one engine.
//!
//! Owns: reading datagrams with the address they were sent to, sending from the address a flow
//! names, learning of ICMP errors. Does not own: retransmission.

use super::sys;
use hotline_base::Wall;
use hotline_sip::Flow;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// Attempts at one send: an earlier datagram's ICMP error is reported on the next call.
const SEND_ATTEMPTS: u32 = 3;

/// Sockets bound to SIP addresses, one each.
#[derive(Debug)]
pub struct UdpSet {
    sockets: Vec<Bound>,
}

#[derive(Debug)]
struct Bound {
    socket: UdpSocket,
    address: SocketAddr,
}

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// Its length in the buffer.
    pub length: usize,
    /// Between whom.
    pub flow: Flow,
    /// When the kernel took it.
    pub stamp: Option<Wall>,
}

impl UdpSet {
    /// A set of bound, non-blocking sockets.
    ///
    /// # Errors
    /// A socket has no address.
    pub fn new(sockets: Vec<UdpSocket>) -> io::Result<UdpSet> {
        let bound = |socket: UdpSocket| Ok(Bound { address: socket.local_addr()?, socket });
        Ok(UdpSet { sockets: sockets.into_iter().map(bound).collect::<io::Result<_>>()? })
    }

    /// Descriptors in order, for the poller.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.sockets.iter().map(|bound| bound.socket.as_raw_fd())
    }

    /// The next datagram of a socket; `None` when there is none, or on an error that concerns an
    /// earlier send ([`UdpSet::failed`] tells which).
    pub fn receive(&self, socket: usize, buffer: &mut [u8]) -> Option<io::Result<Datagram>> {
        let bound = self.sockets.get(socket)?;
        match sys::receive(bound.socket.as_fd(), buffer, false) {
            Ok(received) => {
                let flow = Flow::udp(bound.local(received.local), received.from);
                Some(Ok(Datagram { length: received.length, flow, stamp: received.stamp }))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// The flow of the next datagram that could not be delivered (ICMP); `None` when there is
    /// none.
    pub fn failed(&self, socket: usize) -> Option<Flow> {
        let bound = self.sockets.get(socket)?;
        // The payload comes back too, but whose it was is all that matters.
        let mut payload = [0; 64];
        let error = sys::receive(bound.socket.as_fd(), &mut payload, true).ok()?;
        Some(Flow::udp(bound.local(error.local), error.from))
    }

    /// Sends one datagram on a flow.
    ///
    /// # Errors
    /// No socket of that address family, or the kernel's error for this datagram.
    pub fn send(&self, flow: &Flow, bytes: &[u8]) -> io::Result<()> {
        let bound = self.socket_for(flow).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let source = bound.address.ip().is_unspecified().then_some(flow.local.ip());
        let source = source.filter(|source| !source.is_unspecified());
        let mut attempt = 1;
        loop {
            match sys::send(bound.socket.as_fd(), bytes, flow.remote, source) {
                Err(error) if attempt < SEND_ATTEMPTS && is_of_another(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    /// The socket whose address is the flow's; else any of its port; else of its family.
    fn socket_for(&self, flow: &Flow) -> Option<&Bound> {
        let of_family =
            || self.sockets.iter().filter(|bound| bound.address.is_ipv4() == flow.remote.is_ipv4());
        let of_port = || of_family().filter(|bound| bound.address.port() == flow.local.port());
        of_port()
            .find(|bound| bound.address.ip() == flow.local.ip())
            .or_else(|| of_port().find(|bound| bound.address.ip().is_unspecified()))
            .or_else(|| of_port().next())
            .or_else(|| of_family().next())
    }
}

impl Bound {
    fn local(&self, told: Option<IpAddr>) -> SocketAddr {
        match told {
            Some(ip) if self.address.ip().is_unspecified() && !ip.is_unspecified() => {
                SocketAddr::new(ip, self.address.port())
            }
            _ => self.address,
        }
    }
}

/// Errors that the kernel remembered from an earlier datagram.
fn is_of_another(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Bind, SocketSource};
    use std::time::{Duration, Instant};

    fn set(address: &str) -> (UdpSet, u16) {
        let sockets = Bind.sip_udp(address.parse().unwrap(), 1).unwrap();
        let port = sockets[0].local_addr().unwrap().port();
        (UdpSet::new(sockets).unwrap(), port)
    }

    fn wait<T>(mut poll: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(value) = poll() {
                return value;
            }
            assert!(Instant::now() < deadline, "nothing came");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_wildcard_socket_knows_where_a_datagram_was_sent_and_answers_from_there() {
        for (wildcard, own) in [("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1")] {
            let (set, port) = set(wildcard);
            let own: IpAddr = own.parse().unwrap();
            let peer =
                UdpSocket::bind((if own.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            peer.send_to(b"ping", (own, port)).unwrap();
            let mut buffer = [0; 100];
            let datagram = wait(|| set.receive(0, &mut buffer)).unwrap();
            assert_eq!(&buffer[..datagram.length], b"ping");
            assert_eq!(datagram.flow.local, SocketAddr::new(own, port));
            assert_eq!(datagram.flow.remote, peer.local_addr().unwrap());
            assert!(datagram.stamp.is_some());
            set.send(&datagram.flow, b"pong").unwrap();
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"pong"[..], SocketAddr::new(own, port)));
        }
    }

    #[test]
    fn a_closed_port_is_reported_and_disturbs_no_other_peer() {
        let (set, port) = set("0.0.0.0:0");
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let local = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
        set.send(&Flow::udp(local, gone), b"hello").unwrap();
        let failed = wait(|| set.failed(0));
        assert_eq!(failed, Flow::udp(local, gone));

        let alive = UdpSocket::bind("127.0.0.1:0").unwrap();
        set.send(&Flow::udp(local, gone), b"hello").unwrap();
        for _ in 0..3 {
            set.send(&Flow::udp(local, alive.local_addr().unwrap()), b"hello").unwrap();
        }
    }
}
