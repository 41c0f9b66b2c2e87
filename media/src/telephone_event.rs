//! Digits as named telephone events (RFC 4733).
//!
//! Owns: recognising one digit a press whatever is lost ([`Receiver`]), and the packets of the
//! digits we send ([`Sender`]). Does not own: payload type numbers, the RTP timeline, collecting
//! digits.
//!
//! A press is named by its RTP timestamp: all its packets carry the one of its beginning, the last
//! three say that it ended. So a lost beginning is made good by any later packet, lost ends by a
//! time-out or by the next press. Senders that let the timestamp stand still between presses, or
//! move it within one, are understood too.

use hotline_base::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// A press without news for this long has ended, in ms.
const LOST_END_MS: u64 = 200;
/// Events this many samples behind the last press belong to it or earlier ones; further behind
/// the sender's clock has begun anew.
const OLD_SAMPLES_MAX: u32 = 8000 * 10;
/// Two presses are at least this far apart: 30 ms, less than anybody's pause of 40.
const SHORTEST_PAUSE_SAMPLES: u32 = 240;
/// Most digits waiting to be sent; more are left out.
pub const DIGITS_MAX: usize = 64;
/// Samples of one 20 ms step.
const STEP_SAMPLES: u16 = 160;
/// A digit we send lasts this many steps: 100 ms.
const PRESS_STEPS: u16 = 5;
/// The end is said in this many steps (RFC 4733 §2.5.1.4).
const END_STEPS: u16 = 3;
/// Steps from a digit's beginning to the next one's: 100 ms of pause.
const DIGIT_STEPS: u16 = 10;
/// Volume of the digits we send, in -dBm0.
const VOLUME: u8 = 10;

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// The digit of an event code 0–15.
pub fn digit_of(event: u8) -> Option<char> {
    DIGITS.get(usize::from(event)).map(|&digit| char::from(digit))
}

/// The event code of a digit `0-9*#A-D` (lower case too).
pub fn event_of(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS.iter().position(|&known| char::from(known) == digit).map(|event| event as u8)
}

/// The event codes of digits, as bits; what is no digit is left out.
pub fn events_of(digits: &str) -> u16 {
    digits.chars().filter_map(event_of).fold(0, |bits, event| bits | 1 << event)
}

/// One payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// The event's code.
    pub event: u8,
    /// Whether the event ended.
    pub end: bool,
    /// In -dBm0, 0–63.
    pub volume: u8,
    /// Since the timestamp, in samples.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the first event of a payload; `None` if it is cut.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, d0, d1] = payload.first_chunk::<4>()?;
        Some(EventPayload {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The payload's bytes.
    pub fn bytes(&self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | (self.volume & 0x3f), d0, d1]
    }
}

/// What a packet or the passing of time brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// A press began: it is certain which digit, not yet how long.
    Began(char),
    /// A press ended; told once for each `Began`.
    Ended {
        /// Which digit.
        digit: char,
        /// How long it was pressed, in ms.
        duration_ms: u32,
    },
}

/// What names a packet's event: the RTP header's part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStamp {
    /// Who sends it.
    pub ssrc: u32,
    /// When the event, or this segment of it, began.
    pub timestamp: u32,
    /// The header says that it begins.
    pub marker: bool,
    /// The packet was overtaken by others.
    pub late: bool,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    ssrc: u32,
    /// Timestamp of the present segment.
    timestamp: u32,
    /// Samples of earlier segments of a long event.
    before: u32,
    duration: u16,
    heard: Mono,
}

impl Press {
    fn new(now: Mono, digit: char, stamp: EventStamp) -> Press {
        let EventStamp { ssrc, timestamp, .. } = stamp;
        Press { digit, ssrc, timestamp, before: 0, duration: 0, heard: now }
    }

    fn ended(&self) -> Recognised {
        let samples = u64::from(self.before) + u64::from(self.duration);
        Recognised::Ended { digit: self.digit, duration_ms: (samples / 8) as u32 }
    }

    /// RFC 4733 §2.5.1.3: a long event goes on in a new segment, beginning where the full one ends.
    /// The last packets of the full one may be lost, so a little less is taken too.
    fn goes_on_in_a_segment(&self, digit: char, stamp: EventStamp) -> bool {
        let step = stamp.timestamp.wrapping_sub(self.timestamp);
        let full = step <= 0xffff && step > 0xf000 && self.duration > 0xd000;
        !stamp.marker && digit == self.digit && full
    }

    /// Some senders move the timestamp with every packet of a press. A press of its own cannot
    /// begin so soon after this one.
    fn drifts(&self, digit: char, stamp: EventStamp) -> bool {
        let step = stamp.timestamp.wrapping_sub(self.timestamp);
        let until = u32::from(self.duration) + SHORTEST_PAUSE_SAMPLES;
        !stamp.marker && digit == self.digit && step < until
    }

    /// Whether a packet is one of this press.
    fn owns(&self, digit: char, stamp: EventStamp) -> bool {
        if (stamp.ssrc, digit) != (self.ssrc, self.digit) {
            return false;
        }
        stamp.timestamp == self.timestamp
            || self.drifts(digit, stamp)
            || self.goes_on_in_a_segment(digit, stamp)
    }

    /// Whether a packet that is none of this press is of an earlier one.
    fn overtook(&self, stamp: EventStamp) -> bool {
        let step = stamp.timestamp.wrapping_sub(self.timestamp) as i32;
        let unsaid = stamp.late || !stamp.marker;
        stamp.ssrc == self.ssrc && (step < 0 && unsaid || step == 0 && stamp.late)
    }

    /// Whether a packet that came after the end of this press still belongs to it, or to an
    /// earlier one.
    fn covers(&self, digit: char, stamp: EventStamp, payload: EventPayload) -> bool {
        if stamp.ssrc != self.ssrc {
            return false;
        }
        let behind = self.timestamp.wrapping_sub(stamp.timestamp);
        if behind >= OLD_SAMPLES_MAX {
            return self.goes_on_in_a_segment(digit, stamp) || self.drifts(digit, stamp);
        }
        // A sender whose clock stands still or steps back says with the marker, or with another
        // digit, that this is a press of its own.
        let begins = !stamp.late && !payload.end;
        !(begins && (stamp.marker || (behind == 0 && digit != self.digit)))
    }

    /// Takes a packet of this press in.
    fn hears(&mut self, now: Mono, timestamp: u32, duration: u16) {
        self.heard = now;
        let step = timestamp.wrapping_sub(self.timestamp);
        if step != 0 && step <= 0xffff {
            // One that moves the timestamp may still count from the very beginning.
            if duration <= self.duration || step > 0xf000 {
                self.before = self.before.saturating_add(step);
                self.duration = 0;
            }
            self.timestamp = timestamp;
        } else if step == 0 && self.duration > 0xc000 && duration < 0x4000 {
            // It should have begun a new segment, and let the duration overflow instead.
            self.before = self.before.saturating_add(0x1_0000);
            self.duration = 0;
        }
        self.duration = self.duration.max(duration);
    }
}

/// Recognises presses in the event packets of one leg.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    press: Option<Press>,
    last: Option<Press>,
}

impl Receiver {
    /// Takes one event packet; gives what it means, the end of an earlier press first.
    pub fn receive(
        &mut self,
        now: Mono,
        stamp: EventStamp,
        payload: EventPayload,
    ) -> [Option<Recognised>; 3] {
        let Some(digit) = digit_of(payload.event) else { return [None; 3] };
        let (mut earlier, mut began, mut ended) = (None, None, None);
        if !self.press.is_some_and(|press| press.owns(digit, stamp)) {
            let old = self.last.is_some_and(|last| last.covers(digit, stamp, payload))
                || self.press.is_some_and(|press| press.overtook(stamp));
            if old {
                return [None; 3];
            }
            earlier = self.finish();
        }
        let press = self.press.get_or_insert_with(|| {
            began = Some(Recognised::Began(digit));
            Press::new(now, digit, stamp)
        });
        press.hears(now, stamp.timestamp, payload.duration);
        if payload.end {
            ended = self.finish();
        }
        [earlier, began, ended]
    }

    /// Ends a press whose end was lost. Call every 20 ms or so.
    pub fn expire(&mut self, now: Mono) -> Option<Recognised> {
        let press = self.press?;
        if now.since(press.heard) < Duration::from_millis(LOST_END_MS) {
            return None;
        }
        self.finish()
    }

    /// Ends the present press, if any: another begins or the leg is closed.
    pub fn finish(&mut self) -> Option<Recognised> {
        let press = self.press.take()?;
        self.last = Some(press);
        Some(press.ended())
    }
}

/// One packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStep {
    /// The payload.
    pub payload: EventPayload,
    /// Whether this is the press's first packet: its timestamp is now, the marker is set.
    pub first: bool,
}

/// Sends digits one after the other, a step every 20 ms.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    waiting: VecDeque<u8>,
    /// The present digit's code and how many steps it has had.
    present: Option<(u8, u16)>,
}

impl Sender {
    /// Adds digits; what is none is left out, and so is what exceeds [`DIGITS_MAX`].
    pub fn push(&mut self, digits: &str) {
        let room = DIGITS_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(digits.chars().filter_map(event_of).take(room));
    }

    /// Whether there is nothing to send, the pause after the last digit included.
    pub fn is_idle(&self) -> bool {
        self.present.is_none() && self.waiting.is_empty()
    }

    /// Takes the next digit's code away without sending it as an event: for in-band tones.
    pub fn take_next(&mut self) -> Option<u8> {
        self.waiting.pop_front()
    }

    /// What to send in this step of 20 ms; `None` in the pause between digits.
    pub fn step(&mut self) -> Option<EventStep> {
        let (event, done) = match self.present {
            Some(present) => present,
            None => (self.waiting.pop_front()?, 0),
        };
        self.present = (done + 1 < DIGIT_STEPS).then_some((event, done + 1));
        (done < PRESS_STEPS + END_STEPS - 1).then(|| EventStep {
            payload: EventPayload {
                event,
                end: done + 1 >= PRESS_STEPS,
                volume: VOLUME,
                duration: (done + 1).min(PRESS_STEPS) * STEP_SAMPLES,
            },
            first: done == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Sent = (u32, bool, EventPayload);

    fn stamp(timestamp: u32, marker: bool) -> EventStamp {
        EventStamp { ssrc: 7, timestamp, marker, late: false }
    }

    /// The packets of these digits, 20 ms apart, as our own sender makes them.
    fn packets(digits: &str) -> Vec<Sent> {
        let mut sender = Sender::default();
        sender.push(digits);
        let (mut clock, mut begin, mut sent) = (1000u32, 0, Vec::new());
        while !sender.is_idle() {
            if let Some(step) = sender.step() {
                begin = if step.first { clock } else { begin };
                sent.push((begin, step.first, step.payload));
            }
            clock += u32::from(STEP_SAMPLES);
        }
        sent
    }

    fn recognised(receiver: &mut Receiver, packets: &[Sent]) -> String {
        let mut digits = String::new();
        let mut take = |found: Option<Recognised>| {
            if let Some(Recognised::Ended { digit, .. }) = found {
                digits.push(digit);
            }
        };
        for (n, &(timestamp, marker, payload)) in packets.iter().enumerate() {
            let now = Mono::from_ms(n as u64 * 20);
            receiver
                .receive(now, stamp(timestamp, marker), payload)
                .into_iter()
                .for_each(&mut take);
        }
        take(receiver.expire(Mono::from_ms(1_000_000)));
        digits
    }

    #[test]
    fn a_digit_is_five_steps_with_its_end_said_three_times() {
        let sent = packets("5");
        let shape: Vec<(bool, bool, u16)> =
            sent.iter().map(|(_, first, p)| (*first, p.end, p.duration)).collect();
        assert_eq!(
            shape,
            [
                (true, false, 160),
                (false, false, 320),
                (false, false, 480),
                (false, false, 640),
                (false, true, 800),
                (false, true, 800),
                (false, true, 800),
            ]
        );
        assert!(sent.iter().all(|(timestamp, ..)| *timestamp == 1000));
    }

    #[test]
    fn every_digit_has_a_code() {
        for digit in "0123456789*#ABCD".chars() {
            assert_eq!(event_of(digit).and_then(digit_of), Some(digit));
        }
        assert_eq!((event_of('x'), digit_of(16)), (None, None));
    }

    #[test]
    fn lost_beginnings_and_ends_do_not_lose_or_double_a_press() {
        let all = packets("55#");
        for lost in [&[0][..], &[0, 1, 2, 3, 4, 5], &[4, 5, 6], &[5], &[6, 7], &[]] {
            let kept: Vec<Sent> = all
                .iter()
                .enumerate()
                .filter(|(n, _)| !lost.contains(n))
                .map(|(_, p)| *p)
                .collect();
            assert_eq!(recognised(&mut Receiver::default(), &kept), "55#", "without {lost:?}");
        }
    }

    #[test]
    fn late_packets_of_an_ended_press_are_no_press() {
        let mut sent = packets("12");
        let late = sent[2];
        sent.push(late);
        sent.push(sent[6]);
        assert_eq!(recognised(&mut Receiver::default(), &sent), "12");
    }

    #[test]
    fn a_long_press_of_several_segments_is_one() {
        let event = |end, duration| EventPayload { event: 1, end, volume: 10, duration };
        let sent = [
            (500, true, event(false, 160)),
            (500, false, event(false, 0xffff)),
            (500 + 0xffff, false, event(false, 800)),
            (500 + 0xffff, false, event(true, 1600)),
        ];
        let mut receiver = Receiver::default();
        assert_eq!(recognised(&mut receiver, &sent[..3]), "1", "ended by the time-out");
        let mut receiver = Receiver::default();
        let mut last = None;
        for (timestamp, marker, payload) in sent {
            last = receiver.receive(Mono(0), stamp(timestamp, marker), payload)[2].or(last);
        }
        let duration_ms = (0xffff + 1600) / 8;
        assert_eq!(last, Some(Recognised::Ended { digit: '1', duration_ms }));
    }

    /// What senders in the field do. Each line: what is odd, its packets as (timestamp, marker,
    /// digit, end, duration), and the presses that were made.
    #[test]
    fn odd_senders_are_understood() {
        type Packet = (u32, bool, u8, bool, u16);
        let cases: [(&str, &[Packet], &str); 9] = [
            (
                "no marker at all",
                &[(0, false, 1, false, 160), (0, false, 1, true, 800), (1600, false, 1, true, 800)],
                "11",
            ),
            (
                "the marker on every packet",
                &[
                    (0, true, 1, false, 160),
                    (0, true, 1, false, 320),
                    (0, true, 1, true, 800),
                    (0, true, 1, true, 800),
                ],
                "1",
            ),
            (
                "the timestamp moves within a press, and with the repeated ends",
                &[
                    (0, true, 1, false, 160),
                    (160, false, 1, false, 320),
                    (320, false, 1, false, 480),
                    (480, false, 1, true, 640),
                    (640, false, 1, true, 640),
                    (800, false, 1, true, 640),
                    (1600, true, 1, false, 160),
                    (1760, false, 1, true, 320),
                ],
                "11",
            ),
            (
                "the timestamp stands still between presses",
                &[
                    (0, true, 1, false, 160),
                    (0, false, 1, true, 800),
                    (0, true, 1, false, 160),
                    (0, false, 1, true, 800),
                    (0, false, 2, false, 160),
                    (0, false, 2, true, 800),
                ],
                "112",
            ),
            (
                "the clock steps back",
                &[(9000, true, 1, true, 800), (40, true, 1, false, 160), (40, false, 1, true, 480)],
                "11",
            ),
            (
                "the ends of the first press are lost, then the same digit again",
                &[
                    (0, true, 1, false, 160),
                    (1600, false, 1, false, 160),
                    (1600, false, 1, true, 800),
                ],
                "11",
            ),
            (
                "the duration overflows instead of beginning a segment",
                &[
                    (0, true, 1, false, 0xff00),
                    (0, false, 1, false, 0x0100),
                    (0, false, 1, true, 800),
                ],
                "1",
            ),
            (
                "only repeated ends are left of each press",
                &[(0, false, 5, true, 800), (0, false, 5, true, 800), (1600, false, 6, true, 800)],
                "56",
            ),
            (
                "an event that is no digit",
                &[(0, true, 16, false, 160), (0, true, 16, true, 800)],
                "",
            ),
        ];
        for (name, packets, expected) in cases {
            let packets: Vec<Sent> = packets
                .iter()
                .map(|&(timestamp, marker, event, end, duration)| {
                    (timestamp, marker, EventPayload { event, end, volume: 10, duration })
                })
                .collect();
            assert_eq!(recognised(&mut Receiver::default(), &packets), expected, "{name}");
        }
    }

    /// A press of eight seconds was cut in the middle by a network that stood still: the time-out
    /// ended it, and its second segment was told as another press.
    #[test]
    fn a_long_press_with_a_hole_in_it_is_one() {
        let event = |end, duration| EventPayload { event: 1, end, volume: 10, duration };
        let mut receiver = Receiver::default();
        receiver.receive(Mono(0), stamp(500, true), event(false, 0xfe00));
        assert!(receiver.expire(Mono::from_ms(300)).is_some());
        let later = stamp(500 + 0xffff, false);
        assert_eq!(receiver.receive(Mono::from_ms(310), later, event(false, 160)), [None; 3]);
        assert_eq!(receiver.receive(Mono::from_ms(330), later, event(true, 320)), [None; 3]);
    }

    /// The packets of a press overtook each other: its beginning came after its end.
    #[test]
    fn packets_that_were_overtaken_do_not_begin_anew() {
        let event = |end, duration| EventPayload { event: 1, end, volume: 10, duration };
        let mut receiver = Receiver::default();
        let begun = receiver.receive(Mono(0), stamp(500, false), event(true, 800));
        assert_eq!(begun[1], Some(Recognised::Began('1')));
        let late = EventStamp { late: true, ..stamp(500, true) };
        assert_eq!(receiver.receive(Mono(0), late, event(false, 160)), [None; 3]);
    }

    proptest! {
        /// Any packets may be lost: as long as one of each press comes, each is told once.
        #[test]
        fn each_press_that_is_heard_is_told_once(
            digits in "[0-9*#A-D]{1,12}",
            lost in prop::collection::vec(any::<bool>(), 12 * 7),
            kept_of_each in 0usize..7,
        ) {
            let sent = packets(&digits);
            let kept: Vec<Sent> = sent.iter().enumerate()
                .filter(|(n, _)| !lost[*n] || n % 7 == kept_of_each)
                .map(|(_, packet)| *packet).collect();
            prop_assert_eq!(recognised(&mut Receiver::default(), &kept), digits);
        }

        #[test]
        fn hostile_events_never_panic(
            events in prop::collection::vec(
                (any::<u32>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..6)), 0..60),
        ) {
            let mut receiver = Receiver::default();
            let (mut begun, mut ended) = (0, 0);
            let mut count = |found: Option<Recognised>| match found {
                Some(Recognised::Began(_)) => begun += 1,
                Some(Recognised::Ended { .. }) => ended += 1,
                None => {}
            };
            for (timestamp, marker, payload) in events {
                if let Some(payload) = EventPayload::parse(&payload) {
                    receiver.receive(Mono(0), stamp(timestamp, marker), payload)
                        .into_iter().for_each(&mut count);
                }
            }
            count(receiver.finish());
            prop_assert_eq!(begun, ended);
        }
    }
}
