//! [`SocketSource`]: where sockets come from.
//!
//! Owns: binding with the options SIP and media want. Today they are bound; they may also be
//! inherited from, or received of, another process, so that they outlive this one: only this trait
//! would know.

use super::sys;
use hotline_sip::Transport;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

/// Type of service of signalling: class selector 3 (RFC 4594 §3).
const DSCP_SIGNALLING: u32 = 24 << 2;
/// Type of service of audio: expedited forwarding (RFC 4594 §4.1).
const DSCP_AUDIO: u32 = 46 << 2;
/// Kernel buffers of a SIP socket: a second of a busy trunk.
const SIP_BUFFER_BYTES: usize = 4 << 20;
/// Kernel buffers of a media socket: over a second of G.711.
const MEDIA_BUFFER_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Gives sockets, bound and non-blocking.
pub trait SocketSource: Send {
    /// `count` sockets on one SIP address; the kernel spreads peers over them.
    ///
    /// # Errors
    /// [`ListenError`]: what to do is in its text.
    fn sip_udp(&mut self, address: SocketAddr, count: u16) -> Result<Vec<UdpSocket>, ListenError>;

    /// A listener.
    ///
    /// # Errors
    /// [`ListenError`]: what to do is in its text.
    fn listener(
        &mut self,
        what: &'static str,
        address: SocketAddr,
    ) -> Result<TcpListener, ListenError>;

    /// The RTP and RTCP sockets of a pair.
    ///
    /// # Errors
    /// One of the ports is taken, or there are no descriptors left.
    fn media_pair(&mut self, address: IpAddr, rtp: u16) -> io::Result<(UdpSocket, UdpSocket)>;
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{what}://{address}: {error}{}", remedy(.error, *.address, .what))]
pub struct ListenError {
    /// `udp`, `tcp`, `http`.
    pub what: &'static str,
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

fn remedy(error: &io::Error, address: SocketAddr, what: &str) -> String {
    let (key, flag) = match what {
        "http" => ("[http] listen", 't'),
        "udp" => ("[sip] listen", 'u'),
        _ => ("[sip] listen", 't'),
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; stop the program that has it (ss -l{flag}np 'sport = :{}' names it) or change {key}",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "; this machine does not have that address (ip address lists them): change {key}"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need a privilege: change {key}")
        }
        _ => String::new(),
    }
}

/// Binds sockets of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bind;

impl SocketSource for Bind {
    fn sip_udp(&mut self, address: SocketAddr, count: u16) -> Result<Vec<UdpSocket>, ListenError> {
        let refused = |error| ListenError { what: "udp", address, error };
        // Alone first: shared binding would also succeed beside another server of the same user.
        let probe = bind_udp(address, false, SIP_BUFFER_BYTES, DSCP_SIGNALLING).map_err(refused)?;
        let address = probe.local_addr().map_err(refused)?;
        if count <= 1 {
            sys::report_all(probe.as_fd(), address.is_ipv6()).map_err(refused)?;
            return Ok(vec![probe]);
        }
        drop(probe);
        let share = || {
            let socket = bind_udp(address, true, SIP_BUFFER_BYTES, DSCP_SIGNALLING)?;
            sys::report_all(socket.as_fd(), address.is_ipv6())?;
            Ok(socket)
        };
        (0..count).map(|_| share()).collect::<io::Result<_>>().map_err(refused)
    }

    fn listener(
        &mut self,
        what: &'static str,
        address: SocketAddr,
    ) -> Result<TcpListener, ListenError> {
        let bind = || {
            let socket =
                Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            // Connections of the process before may still be closing on this port.
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        };
        bind().map_err(|error| ListenError { what, address, error })
    }

    fn media_pair(&mut self, address: IpAddr, rtp: u16) -> io::Result<(UdpSocket, UdpSocket)> {
        let bind =
            |port| bind_udp(SocketAddr::new(address, port), false, MEDIA_BUFFER_BYTES, DSCP_AUDIO);
        Ok((bind(rtp)?, bind(rtp.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?)?))
    }
}

fn bind_udp(address: SocketAddr, share: bool, buffer: usize, dscp: u32) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if share {
        socket.set_reuse_port(true)?;
    }
    // Wishes: a kernel that grants less still serves.
    let _smaller = socket.set_recv_buffer_size(buffer);
    let _smaller = socket.set_send_buffer_size(buffer);
    let _unmarked = mark(&socket, address, dscp);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Marks what a socket sends with a class of service.
pub(super) fn mark_signalling(socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
    mark(&socket2::SockRef::from(socket), address, DSCP_SIGNALLING)
}

fn mark(socket: &Socket, address: SocketAddr, dscp: u32) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => socket.set_tos_v4(dscp),
        SocketAddr::V6(_) => socket.set_tclass_v6(dscp),
    }
}

/// The scheme of a listener of this transport.
pub fn scheme(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_one_line_with_what_to_do() {
        for count in [1, 2] {
            let any = "127.0.0.1:0".parse().unwrap();
            let first = Bind.sip_udp(any, count).unwrap();
            assert_eq!(first.len(), usize::from(count));
            let address = first[0].local_addr().unwrap();
            let refused = Bind.sip_udp(address, 2).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("udp://{address}: ")), "{refused}");
            assert!(refused.contains("ss -lunp") && !refused.contains('\n'), "{refused}");
        }
        let listener = Bind.listener("http", "127.0.0.1:0".parse().unwrap()).unwrap();
        let refused =
            Bind.listener("http", listener.local_addr().unwrap()).unwrap_err().to_string();
        assert!(refused.contains("change [http] listen"), "{refused}");
    }

    #[test]
    fn a_pair_is_bound_whole_or_not_at_all() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(Bind.media_pair("127.0.0.1".parse().unwrap(), port - 1).is_err());
        assert!(UdpSocket::bind(("127.0.0.1", port - 1)).is_ok(), "the even port is free again");
    }
}
