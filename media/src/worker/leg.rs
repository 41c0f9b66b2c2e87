//! One leg: a stream, its timeline, and what feeds it.

use super::ear::Ear;
use super::pace::Pace;
use super::playing::Playing;
use super::source::Source;
use crate::command::{Codec, LegRef, LegStatistics, StreamParameters};
use crate::reception::Reception;
use crate::telephone_event::{Receiver, Sender};
use crate::timeline::Timeline;
use hotline_base::Mono;
use std::net::SocketAddr;

/// What a payload type is on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio(Codec),
    TelephoneEvent,
    /// RFC 3389: says only that the peer is silent.
    ComfortNoise,
}

#[derive(Debug)]
pub struct Leg {
    pub reference: LegRef,
    pub phase: usize,
    /// The place in its phase's list.
    pub place_in_phase: usize,
    pub stream: Option<StreamParameters>,
    pub source: Option<Source>,
    pub rtcp_source: Option<SocketAddr>,
    /// How much its peer may send.
    pub pace: Pace,
    pub timeline: Timeline,
    pub reception: Reception,
    /// Once an event has come.
    pub digits_in: Option<Box<Receiver>>,
    /// Whether its digits are passed on.
    pub relay: bool,
    /// Who listens to its peer, if anybody does.
    pub ear: Option<Box<Ear>>,
    pub digits_out: Sender,
    /// The timestamp of the event being sent.
    pub event_begin: u32,
    /// A digit being sent in-band.
    pub tone: Option<Box<Playing>>,
    pub playing: Option<Playing>,
    /// The place of the leg it is bridged with.
    pub peer: Option<u32>,
    /// Samples that are due to be sent.
    pub credit: u32,
    pub silence_limit_s: u32,
    /// Since when the peer may send and is silent; `None` while it may not.
    pub silent_since: Option<Mono>,
    pub silent_reported: bool,
    pub last_packet: Option<Mono>,
    pub longest_gap_ms: u32,
    pub refused: u64,
    pub report_at: Option<Mono>,
    /// What had been sent at the last report.
    pub packets_at_report: u64,
}

impl Leg {
    pub fn new(reference: LegRef, timeline: Timeline, silence_limit_s: u32) -> Self {
        Leg {
            reference,
            phase: 0,
            place_in_phase: 0,
            stream: None,
            source: None,
            rtcp_source: None,
            pace: Pace::default(),
            timeline,
            reception: Reception::default(),
            digits_in: None,
            relay: true,
            ear: None,
            digits_out: Sender::default(),
            event_begin: 0,
            tone: None,
            playing: None,
            peer: None,
            credit: 0,
            silence_limit_s,
            silent_since: None,
            silent_reported: false,
            last_packet: None,
            longest_gap_ms: 0,
            refused: 0,
            report_at: None,
            packets_at_report: 0,
        }
    }

    /// The stream and where to send, if the direction lets us.
    pub fn outlet(&self) -> Option<(StreamParameters, SocketAddr)> {
        let stream = self.stream.filter(|stream| stream.direction.sends())?;
        Some((stream, self.source.as_ref()?.destination()?))
    }

    /// Whether something other than a bridge feeds the stream.
    pub fn is_fed(&self) -> bool {
        self.playing.is_some() || self.tone.is_some() || !self.digits_out.is_idle()
    }

    /// The first packet of a stream is due in the next step, however long it is. A stream of ours
    /// that goes on with something else keeps its rhythm.
    pub fn begin_at_next_step(&mut self) {
        if !self.timeline.feeder().is_our_own() {
            self.credit = u32::MAX;
        }
    }

    /// Where RTCP goes: back to where it came from; as the SDP says; or beside the RTP source, if
    /// that is not the SDP's host.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        if self.rtcp_source.is_some() {
            return self.rtcp_source;
        }
        let signalled = self.stream?.remote_rtcp;
        let to = match self.source.as_ref()?.learned() {
            Some(learned) if learned.ip() != signalled.ip() => {
                SocketAddr::new(learned.ip(), learned.port().checked_add(1)?)
            }
            _ => signalled,
        };
        (!to.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    pub fn statistics(&self) -> LegStatistics {
        LegStatistics {
            packets_received: self.reception.received(),
            packets_sent: self.timeline.packets(),
            packets_lost: self.reception.lost(),
            packets_refused: self.refused,
            jitter_us: self.reception.jitter_us(),
            longest_gap_ms: self.longest_gap_ms,
        }
    }
}

/// What a payload type means on this stream. The static numbers of G.711 are always understood:
/// a peer that was offered both laws may change between them (RFC 3264 §7).
pub fn kind_of(stream: &StreamParameters, payload_type: u8) -> Option<Kind> {
    if payload_type == stream.payload_type {
        return Some(Kind::Audio(stream.codec));
    }
    let event = Some(payload_type);
    if event == stream.telephone_event_receive || event == stream.telephone_event {
        return Some(Kind::TelephoneEvent);
    }
    match payload_type {
        0 => Some(Kind::Audio(Codec::Pcmu)),
        8 => Some(Kind::Audio(Codec::Pcma)),
        13 => Some(Kind::ComfortNoise),
        _ => None,
    }
}
