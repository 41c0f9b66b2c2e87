//! [`Net`]: a range of loopback addresses that one test has for itself.
//!
//! Everything in 127/8 is this machine, so each test gets a /24 of its own: the server and each
//! peer have their usual ports at addresses of theirs, tests run side by side, and who is a trunk,
//! an agent or a stranger is told by address as in a real network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// A bound socket on this port of `.254` says that the range is taken, to other processes as well.
const TAKEN_PORT: u16 = 9;

/// A /24 of the loopback network.
#[derive(Debug)]
pub struct Net {
    prefix: [u8; 3],
    _taken: UdpSocket,
}

impl Net {
    /// A range that nobody has.
    ///
    /// # Panics
    /// If there is none left.
    pub fn reserve() -> Net {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_mul(97);
        for _ in 0..10_000 {
            let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            // 127.0 is left to everybody else.
            let prefix = [127, 1 + (number / 256 % 250) as u8, (number % 256) as u8];
            let mark = Ipv4Addr::new(prefix[0], prefix[1], prefix[2], 254);
            if let Ok(taken) = UdpSocket::bind((mark, TAKEN_PORT)) {
                return Net { prefix, _taken: taken };
            }
        }
        panic!("no loopback range is free");
    }

    /// An address of the range.
    pub fn host(&self, last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(self.prefix[0], self.prefix[1], self.prefix[2], last))
    }

    /// The server's address.
    pub fn server(&self) -> IpAddr {
        self.host(1)
    }

    /// The server's SIP address.
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::new(self.server(), 5060)
    }

    /// The addresses .16 to .31: a carrier's.
    pub fn carrier_network(&self) -> String {
        format!("{}/28", self.host(16))
    }

    /// One of the carrier's addresses, `n` up to 15.
    pub fn carrier(&self, n: u8) -> IpAddr {
        assert!(n < 16);
        self.host(16 + n)
    }

    /// An agent's address: of no trunk.
    pub fn agent(&self, n: u8) -> IpAddr {
        assert!(n < 32);
        self.host(32 + n)
    }

    /// The address of somebody nobody knows.
    pub fn stranger(&self, n: u8) -> IpAddr {
        assert!(n < 64);
        self.host(128 + n)
    }
}
