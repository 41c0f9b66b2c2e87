//! Symmetric RTP (RFC 4961): from where a leg's packets come, learned by rule.
//!
//! Anybody can send to an open port, and whoever is taken for the source hears the call. So an
//! address must have been told to us before it is trusted: by the SDP, or by being where the
//! peer's signalling comes from (a phone behind a NAT names an address that never shows).
//!
//! ```text
//! packet from               taken                                  may lose its place to
//! the SDP's address         at once                                nobody
//! the SDP's host, or the    at once                                the SDP's address, for
//! signalling peer's                                                SETTLE_MS
//! anywhere else             after PROBATION_PACKETS in sequence    either of these, at any time
//! ```
//!
//! Does not own: what is an acceptable packet.

use crate::rtp::Header;
use hotline_base::Mono;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a source on an expected host may still lose its place to the SDP's very address, in
/// ms.
pub const SETTLE_MS: u64 = 500;
/// Packets of one SSRC, one after the other, until an unexpected address is taken.
pub const PROBATION_PACKETS: u8 = 5;

/// What a packet's source address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the source.
    Known,
    /// It is the source from now on.
    Learned,
    /// Somebody else's packet.
    Stranger,
}

/// How much an address is expected to be the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Nobody spoke of it.
    None,
    /// The host of the SDP, or that of the signalling.
    Host,
    /// The very address of the SDP.
    Address,
}

/// An unexpected address that sends, and what its next packet is.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    packets: u8,
}

/// The rule's state for one leg.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    signalled: SocketAddr,
    signalling: IpAddr,
    learned: Option<SocketAddr>,
    candidate: Option<Candidate>,
    /// Until when the SDP's address may still take over from its host.
    settles: Mono,
}

impl Source {
    /// Nothing was heard yet.
    pub fn new(signalled: SocketAddr, signalling: IpAddr) -> Self {
        Source { signalled, signalling, learned: None, candidate: None, settles: Mono(0) }
    }

    /// The SDP names an address again. The same, the one that was learned, or none (`0.0.0.0`, a
    /// hold) changes nothing; any other lets the source be learned again.
    pub fn signal(&mut self, signalled: SocketAddr, signalling: IpAddr) {
        self.signalling = signalling;
        if signalled.ip().is_unspecified() || signalled == self.signalled {
            return;
        }
        self.signalled = signalled;
        if self.learned != Some(signalled) {
            self.learned = None;
        }
        self.candidate = None;
    }

    /// Where to send.
    pub fn destination(&self) -> Option<SocketAddr> {
        let to = self.learned.unwrap_or(self.signalled);
        (!to.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    /// The learned source.
    pub fn learned(&self) -> Option<SocketAddr> {
        self.learned
    }

    /// Judges the source of a packet that is otherwise acceptable. Nearly all are of a known one.
    #[inline]
    pub fn judge(&mut self, now: Mono, from: SocketAddr, header: &Header) -> Verdict {
        if self.learned == Some(from) {
            return Verdict::Known;
        }
        self.judge_another(now, from, header)
    }

    #[cold]
    fn judge_another(&mut self, now: Mono, from: SocketAddr, header: &Header) -> Verdict {
        let trust = self.trust(from);
        let taken = match (self.learned.map(|learned| self.trust(learned)), trust) {
            (None, Trust::None) => self.has_proved(from, header),
            (None, _) => true,
            (Some(Trust::None), trust) => trust > Trust::None,
            (Some(Trust::Host), Trust::Address) => now < self.settles,
            (Some(_), _) => false,
        };
        if !taken {
            return Verdict::Stranger;
        }
        self.learned = Some(from);
        self.candidate = None;
        self.settles = now + Duration::from_millis(SETTLE_MS);
        Verdict::Learned
    }

    fn trust(&self, from: SocketAddr) -> Trust {
        let (host, signalled) = (from.ip().to_canonical(), self.signalled.ip().to_canonical());
        if host == signalled && from.port() == self.signalled.port() {
            Trust::Address
        } else if host == signalled || host == self.signalling.to_canonical() {
            Trust::Host
        } else {
            Trust::None
        }
    }

    /// Notes a packet from an unexpected address; whether it was the last that was wanted.
    fn has_proved(&mut self, from: SocketAddr, header: &Header) -> bool {
        let before = self.candidate.filter(|known| {
            (known.from, known.ssrc, known.next) == (from, header.ssrc, header.sequence)
        });
        let packets = before.map_or(0, |known| known.packets) + 1;
        let next = header.sequence.wrapping_add(1);
        self.candidate = Some(Candidate { from, ssrc: header.ssrc, next, packets });
        packets >= PROBATION_PACKETS
    }
}
