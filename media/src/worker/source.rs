//! Symmetric RTP (RFC 4961): from where a leg's packets come, learned once and by rule.
//!
//! The first acceptable packet gives the source. For [`SETTLE_MS`] after it, a packet from exactly
//! the address in the SDP takes its place; then, or at once if the first came from there, the
//! source is fixed until the SDP's address changes.

use hotline_base::Mono;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a first source other than the SDP's may still lose its place to it, in ms.
pub const SETTLE_MS: u64 = 500;

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

/// The rule's state for one leg.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    signalled: SocketAddr,
    learned: Option<SocketAddr>,
    /// Until when the SDP's address may still take over.
    settles: Option<Mono>,
}

impl Source {
    /// Nothing was heard yet.
    pub fn new(signalled: SocketAddr) -> Self {
        Source { signalled, learned: None, settles: None }
    }

    /// The SDP names an address again. The same, the one that was learned, or none (`0.0.0.0`, a
    /// hold) changes nothing; any other lets the source be learned again.
    pub fn signal(&mut self, signalled: SocketAddr) {
        if signalled.ip().is_unspecified() || signalled == self.signalled {
            return;
        }
        self.signalled = signalled;
        if self.learned != Some(signalled) {
            self.learned = None;
        }
        self.settles = None;
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

    /// Judges the source of a packet that is otherwise acceptable.
    pub fn judge(&mut self, now: Mono, from: SocketAddr) -> Verdict {
        match self.learned {
            Some(learned) if learned == from => Verdict::Known,
            None => {
                self.learned = Some(from);
                self.settles =
                    (from != self.signalled).then(|| now + Duration::from_millis(SETTLE_MS));
                Verdict::Learned
            }
            Some(_) => match self.settles {
                Some(until) if from == self.signalled && now < until => {
                    self.learned = Some(from);
                    self.settles = None;
                    Verdict::Learned
                }
                _ => Verdict::Stranger,
            },
        }
    }
}
