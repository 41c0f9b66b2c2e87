//! One outbound RTP timeline: SSRC, sequence number and timestamp go on without a break whatever
//! feeds the stream (RFC 3550 §5.1).
//!
//! Owns: the numbers of every packet sent, and how a forwarded source's numbers are laid onto
//! them. Does not own: what is sent, or when.
//!
//! While one feeder sends, its own packet lengths (or the forwarded source's timestamps) move the
//! timestamp. A feeder of our own that follows another step by step goes on where that ended, as if
//! they were one. Else the time that passed in between is added and the marker is set, so that a
//! listener sees one talkspurt after another of one source.

use crate::rtp::{HEADER_BYTES, Header};
use hotline_base::{Mono, Rng};
use std::time::Duration;

/// A source that jumps by more than this many packets is laid onto the timeline anew.
const JUMP_PACKETS_MAX: i16 = 500;
/// A source whose clock jumps by more than this many samples is laid onto the timeline anew.
const JUMP_SAMPLES_MAX: i32 = 8000 * 60;
/// Feeders of our own that follow each other within so much, one step of the clock, are one stream.
const STEP: Duration = Duration::from_millis(20);
/// Nanoseconds of one sample at 8 kHz.
const NS_PER_SAMPLE: u64 = 125_000;

/// What feeds a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeder {
    /// Nothing is sent.
    Nothing,
    /// A play.
    Play,
    /// Digits.
    Digits,
    /// The other leg of a bridge.
    Bridge,
    /// The other legs of a conference.
    Conference,
    /// Silence, because there is nothing else.
    Silence,
}

impl Feeder {
    /// Whether we make the audio ourselves, packet after packet.
    pub fn is_our_own(self) -> bool {
        !matches!(self, Feeder::Nothing | Feeder::Bridge)
    }
}

/// Where the forwarded source's newest packet lies on the timeline.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    source_sequence: u16,
    source_timestamp: u32,
    sequence: u16,
    timestamp: u32,
    /// Sequence numbers given since the source was laid on: how far back a late packet may lie.
    given: u16,
}

/// The numbers of one outbound stream.
#[derive(Debug)]
pub struct Timeline {
    ssrc: u32,
    next_sequence: u16,
    next_timestamp: u32,
    feeder: Feeder,
    marker: bool,
    /// When the last packet's audio ends, once something was sent.
    sent_until: Option<Mono>,
    anchor: Option<Anchor>,
    packets: u64,
    octets: u64,
}

impl Timeline {
    /// A timeline with random beginnings (RFC 3550 §5.1).
    pub fn new(rng: &mut Rng) -> Self {
        Timeline {
            ssrc: rng.next_u32(),
            // Below 2¹⁵, so that a listener does not meet the first wrap within seconds.
            next_sequence: rng.next_u32() as u16 & 0x7fff,
            next_timestamp: rng.next_u32(),
            feeder: Feeder::Nothing,
            marker: true,
            sent_until: None,
            anchor: None,
            packets: 0,
            octets: 0,
        }
    }

    /// The source's name.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// What feeds the stream now.
    pub fn feeder(&self) -> Feeder {
        self.feeder
    }

    /// The RTP time of `now`, for sender reports.
    pub fn timestamp_at(&self, now: Mono) -> u32 {
        match self.sent_until {
            Some(until) if now > until => self.next_timestamp.wrapping_add(samples(until, now)),
            Some(until) => self.next_timestamp.wrapping_sub(samples(now, until)),
            None => self.next_timestamp,
        }
    }

    /// Another feeder takes over, or none. The time since the last packet's end is added, unless
    /// both feeders are our own and the one follows the other in the next step.
    pub fn feed(&mut self, now: Mono, feeder: Feeder) {
        if self.feeder == feeder {
            return;
        }
        let before = std::mem::replace(&mut self.feeder, feeder);
        self.anchor = None;
        let follows = before.is_our_own()
            && feeder.is_our_own()
            && self.sent_until.is_some_and(|until| now < until + STEP);
        if feeder != Feeder::Nothing && !follows {
            self.begin_talkspurt(now);
        }
    }

    /// Whether the last packet's audio ended longer ago than this.
    pub fn is_quiet_for(&self, now: Mono, patience: Duration) -> bool {
        self.sent_until.is_none_or(|until| now > until + patience)
    }

    /// The header of the next packet of our own audio.
    pub fn audio(&mut self, now: Mono, payload_type: u8, samples: u32) -> [u8; HEADER_BYTES] {
        let timestamp = self.next_timestamp;
        let header = self.header(payload_type, timestamp, samples as usize);
        self.advance(now, samples);
        header
    }

    /// The header of a telephone-event packet that began at `timestamp`; the time it takes is
    /// added with [`Timeline::advance`].
    pub fn event(&mut self, payload_type: u8, timestamp: u32, first: bool) -> [u8; HEADER_BYTES] {
        self.marker = first;
        self.header(payload_type, timestamp, 4)
    }

    /// The timestamp that the next packet has.
    pub fn next_timestamp(&self) -> u32 {
        self.next_timestamp
    }

    /// Lets samples pass.
    pub fn advance(&mut self, now: Mono, samples: u32) {
        self.next_timestamp = self.next_timestamp.wrapping_add(samples);
        self.sent_until = Some(Mono(now.0.saturating_add(u64::from(samples) * NS_PER_SAMPLE)));
    }

    /// The header of a forwarded packet: the source's losses, order and timestamps are kept.
    /// `None` for a packet from before the source was laid on.
    pub fn forward(
        &mut self,
        now: Mono,
        source: &Header,
        payload_type: u8,
        octets: usize,
        samples: u32,
    ) -> Option<[u8; HEADER_BYTES]> {
        self.feed(now, Feeder::Bridge);
        let (sequence, timestamp) = self.place(now, source)?;
        let newest = sequence.wrapping_add(1);
        if (newest.wrapping_sub(self.next_sequence) as i16) > 0 {
            self.next_sequence = newest;
        }
        let until = timestamp.wrapping_add(samples);
        if (until.wrapping_sub(self.next_timestamp) as i32) > 0 || self.packets == 0 {
            self.next_timestamp = until;
            self.sent_until = Some(Mono(now.0 + u64::from(samples) * NS_PER_SAMPLE));
        }
        let marker = std::mem::take(&mut self.marker) || source.marker;
        self.packets += 1;
        self.octets += octets as u64;
        let ssrc = self.ssrc;
        Some(Header { marker, payload_type, sequence, timestamp, ssrc }.bytes())
    }

    /// A packet of the source that is not passed on: its number is not missed.
    pub fn leave_out(&mut self, source: &Header) {
        if let Some(anchor) = &mut self.anchor {
            let step = source.sequence.wrapping_sub(anchor.source_sequence) as i16;
            if anchor.ssrc == source.ssrc && step > 0 && step < JUMP_PACKETS_MAX {
                anchor.source_sequence = source.sequence;
                let lost = step.unsigned_abs() - 1;
                anchor.sequence = anchor.sequence.wrapping_add(lost);
                // Late packets from before it would collide; few enough to give up.
                anchor.given = 0;
            }
        }
    }

    fn place(&mut self, now: Mono, source: &Header) -> Option<(u16, u32)> {
        if let Some(anchor) = &mut self.anchor {
            let step = source.sequence.wrapping_sub(anchor.source_sequence) as i16;
            let shift = source.timestamp.wrapping_sub(anchor.source_timestamp);
            let sane = anchor.ssrc == source.ssrc
                && step.saturating_abs() < JUMP_PACKETS_MAX
                && (shift as i32).saturating_abs() < JUMP_SAMPLES_MAX;
            if sane {
                let sequence = anchor.sequence.wrapping_add(step as u16);
                let timestamp = anchor.timestamp.wrapping_add(shift);
                if step <= 0 {
                    return (step.unsigned_abs() < anchor.given).then_some((sequence, timestamp));
                }
                anchor.source_sequence = source.sequence;
                anchor.source_timestamp = source.timestamp;
                anchor.sequence = sequence;
                anchor.timestamp = timestamp;
                anchor.given = anchor.given.saturating_add(step as u16);
                return Some((sequence, timestamp));
            }
            self.begin_talkspurt(now);
        }
        let (sequence, timestamp) = (self.next_sequence, self.next_timestamp);
        self.anchor = Some(Anchor {
            ssrc: source.ssrc,
            source_sequence: source.sequence,
            source_timestamp: source.timestamp,
            sequence,
            timestamp,
            given: 1,
        });
        Some((sequence, timestamp))
    }

    fn begin_talkspurt(&mut self, now: Mono) {
        self.marker = true;
        if let Some(until) = self.sent_until
            && now > until
        {
            self.next_timestamp = self.next_timestamp.wrapping_add(samples(until, now));
            self.sent_until = Some(now);
        }
    }

    fn header(&mut self, payload_type: u8, timestamp: u32, octets: usize) -> [u8; HEADER_BYTES] {
        let header = Header {
            marker: std::mem::take(&mut self.marker),
            payload_type,
            sequence: self.next_sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += octets as u64;
        header.bytes()
    }
}

fn samples(from: Mono, to: Mono) -> u32 {
    (to.0.saturating_sub(from.0) / NS_PER_SAMPLE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Packet;

    fn source(sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 9 }
    }

    fn read(bytes: [u8; HEADER_BYTES]) -> Header {
        Packet::parse(&bytes).unwrap().header
    }

    #[test]
    fn numbers_go_on_from_play_to_bridge_to_a_gap_to_play() {
        let mut timeline = Timeline::new(&mut Rng::from_number(3));
        let ms = Mono::from_ms;
        timeline.feed(ms(0), Feeder::Play);
        let first = read(timeline.audio(ms(0), 8, 160));
        let second = read(timeline.audio(ms(20), 8, 160));
        assert!(first.marker && !second.marker);
        let third = read(timeline.forward(ms(40), &source(700, 90_000), 8, 160, 160).unwrap());
        let lost_one = read(timeline.forward(ms(80), &source(702, 90_320), 8, 160, 160).unwrap());
        timeline.feed(ms(100), Feeder::Nothing);
        timeline.feed(ms(1100), Feeder::Play);
        let last = read(timeline.audio(ms(1100), 8, 160));
        let relative: Vec<(u16, u32, bool)> = [first, second, third, lost_one, last]
            .iter()
            .map(|h| {
                let since = h.timestamp.wrapping_sub(first.timestamp);
                (h.sequence.wrapping_sub(first.sequence), since, h.marker)
            })
            .collect();
        assert_eq!(
            relative,
            [(0, 0, true), (1, 160, false), (2, 320, true), (4, 640, false), (5, 8800, true)]
        );
        assert!([first, second, third, lost_one, last].iter().all(|h| h.ssrc == timeline.ssrc()));
    }

    #[test]
    fn late_packets_keep_their_place_but_never_reach_before_the_bridge() {
        let mut timeline = Timeline::new(&mut Rng::from_number(3));
        let mut forward = |sequence: u16| {
            let header = source(sequence, u32::from(sequence) * 160);
            timeline.forward(Mono::from_ms(0), &header, 8, 160, 160).map(read)
        };
        let first = forward(100).unwrap().sequence;
        assert_eq!(forward(102).unwrap().sequence, first + 2);
        assert_eq!(forward(101).unwrap().sequence, first + 1);
        assert_eq!(forward(99), None);
        assert_eq!(forward(103).unwrap().sequence, first + 3);
    }

    #[test]
    fn packets_left_out_are_not_missed() {
        let mut timeline = Timeline::new(&mut Rng::from_number(3));
        let forward = |timeline: &mut Timeline, sequence: u16| {
            let header = source(sequence, u32::from(sequence) * 160);
            timeline.forward(Mono::from_ms(0), &header, 8, 160, 160).map(read)
        };
        let first = forward(&mut timeline, 100).unwrap().sequence;
        timeline.leave_out(&source(101, 16_160));
        timeline.leave_out(&source(102, 16_160));
        assert_eq!(forward(&mut timeline, 103).unwrap().sequence, first + 1);
        assert_eq!(forward(&mut timeline, 105).unwrap().sequence, first + 3, "104 is lost");
    }

    #[test]
    fn a_source_that_jumps_is_laid_on_anew() {
        let mut timeline = Timeline::new(&mut Rng::from_number(3));
        let mut forward = |ms: u64, sequence: u16, timestamp: u32| {
            let header = source(sequence, timestamp);
            timeline.forward(Mono::from_ms(ms), &header, 8, 160, 160).map(read).unwrap()
        };
        let first = forward(0, 100, 1000);
        let jumped = forward(20, 30_000, 3_000_000_000);
        assert_eq!(jumped.sequence, first.sequence + 1);
        assert_eq!(jumped.timestamp, first.timestamp.wrapping_add(160));
        assert!(jumped.marker);
    }
}
