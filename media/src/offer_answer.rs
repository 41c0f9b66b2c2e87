//! The offer/answer model for one audio stream (RFC 3264).
//!
//! Owns: making offers and answers, reading answers, what hold looks like in each of its forms
//! (RFC 3264 §8.4), refusing streams we do not serve with port 0 and in their place (§6), when the
//! version of `o=` grows (§8), and the choice of codec, packet time and telephone-event numbers.
//!
//! Does not own: when an offer may be sent (the engine's leg), RTP.

mod answer;
mod offer;
#[cfg(test)]
mod tests;

pub use answer::{AnswerFault, Refusal, make_answer, read_answer};
pub use offer::{codecs_for_second_leg, make_offer, make_reoffer, set_version_after};

use crate::command::{Codec, Direction};
use std::net::IpAddr;

/// The payload type number we give telephone-event in our offers, unless told otherwise.
pub const TELEPHONE_EVENT_DEFAULT: u8 = 101;
/// The packet time we ask for and send with unless the peer wishes another, in ms.
pub const PTIME_MS_DEFAULT: u16 = 20;
/// Packet times that are honoured, in ms; outside of it [`PTIME_MS_DEFAULT`] is used.
pub const PTIME_MS: std::ops::RangeInclusive<u16> = 10..=60;

/// Our side of an offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local<'a> {
    /// The address in `c=` and `o=`: where the peer reaches our ports.
    pub address: IpAddr,
    /// Our RTP port; RTCP is on the next.
    pub rtp_port: u16,
    /// `o=`: the session's number, the same for the life of a dialog.
    pub session_id: u64,
    /// `o=`: its version. See [`set_version_after`].
    pub version: u64,
    /// What we speak, best first. An answer takes the offerer's best of these.
    pub codecs: &'a [Codec],
    /// telephone-event: its number in our offers. `None`: neither offered nor accepted. An answer
    /// takes the offerer's number (RFC 3264 §6.1).
    pub telephone_event: Option<u8>,
    /// Which way we want audio to flow.
    pub direction: Direction,
}

impl Codec {
    /// The static payload type (RFC 3551 §6).
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }

    /// The encoding name (RFC 3551 §6).
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }
}

impl Direction {
    /// Whether we send.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the peer may send to us.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same flow seen from the other side.
    pub const fn reversed(self) -> Direction {
        Direction::from_flows(self.receives(), self.sends())
    }

    /// Only what both allow.
    pub const fn and(self, other: Direction) -> Direction {
        Direction::from_flows(self.sends() && other.sends(), self.receives() && other.receives())
    }

    const fn from_flows(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}
