//! The timers of RFC 3261 §17 and RFC 6026, by their letters, and their lengths.

use std::time::Duration;

/// The base values of RFC 3261 §17.1.1.1 (table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSettings {
    /// Round-trip estimate; default 500 ms, 10 ms or more.
    pub t1: Duration,
    /// The longest interval between retransmissions of non-INVITE requests and of responses to
    /// INVITE; default 4 s.
    pub t2: Duration,
    /// How long a message stays in the network; default 5 s.
    pub t4: Duration,
    /// How long the user may take before an INVITE gets an automatic 100 Trying (§17.2.1);
    /// default 200 ms, zero for at once.
    pub trying_after: Duration,
}

impl Default for TimerSettings {
    fn default() -> Self {
        TimerSettings {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying_after: Duration::from_millis(200),
        }
    }
}

impl TimerSettings {
    /// 64 × T1: timers B, F, H, J, L and M, and how long a 2xx waits for its ACK.
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D: at least 32 s over UDP, none over a reliable transport.
    pub fn d(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.give_up().max(Duration::from_secs(32)) }
    }

    /// Timers I and K: T4 over UDP, none over a reliable transport.
    pub fn linger(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.t4 }
    }

    /// Timer J: 64 × T1 over UDP, none over a reliable transport.
    pub fn j(&self, reliable: bool) -> Duration {
        if reliable { Duration::ZERO } else { self.give_up() }
    }
}

/// Why a transaction has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// INVITE request retransmission (§17.1.1.2).
    A,
    /// INVITE client gives up waiting for any response.
    B,
    /// INVITE client absorbs retransmitted failures.
    D,
    /// Non-INVITE request retransmission (§17.1.2.2).
    E,
    /// Non-INVITE client gives up.
    F,
    /// INVITE failure retransmission by the server (§17.2.1).
    G,
    /// INVITE server gives up waiting for the ACK of a failure.
    H,
    /// INVITE server absorbs retransmitted ACKs.
    I,
    /// Non-INVITE server absorbs retransmitted requests (§17.2.2).
    J,
    /// Non-INVITE client absorbs retransmitted responses.
    K,
    /// INVITE server in Accepted (RFC 6026 §7.1).
    L,
    /// INVITE client in Accepted (RFC 6026 §7.2).
    M,
    /// The automatic 100 Trying is due (§17.2.1).
    Trying,
    /// A 2xx to INVITE is sent again until its ACK comes (§13.3.1.4).
    Accept,
    /// A cancelled INVITE that never got its final response ends (§9.1).
    Cancelled,
}

/// A transaction has at most one timer of each slot running.
pub(crate) const SLOTS: usize = 2;

impl Timer {
    pub(crate) fn slot(self) -> usize {
        match self {
            Timer::A | Timer::E | Timer::G | Timer::Accept | Timer::Trying => 0,
            _ => 1,
        }
    }
}
