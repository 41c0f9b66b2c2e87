//! Digits as named telephone events (RFC 4733).
//!
//! Owns: recognising one digit a press whatever is lost ([`Receiver`]), and the packets of the
//! digits we send ([`Sender`]). Does not own: payload type numbers, the RTP timeline, collecting
//! digits.
//!
//! A press is named by its RTP timestamp: all its packets carry the one of its beginning, the last
//! three say that it ended. So a lost beginning is made good by any later packet, lost ends by a
//! time-out or by the next press.

use hotline_base::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// A press without news for this long has ended, in ms.
const LOST_END_MS: u64 = 200;
/// Events this many samples behind the last press belong to it or earlier ones; further behind
/// the sender's clock has begun anew.
const OLD_SAMPLES_MAX: u32 = 8000 * 10;
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

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    /// Timestamp of the present segment.
    timestamp: u32,
    /// Samples of earlier segments of a long event.
    before: u32,
    duration: u16,
    heard: Mono,
}

impl Press {
    fn ended(&self) -> Recognised {
        let samples = u64::from(self.before) + u64::from(self.duration);
        Recognised::Ended { digit: self.digit, duration_ms: (samples / 8) as u32 }
    }
}

/// Recognises presses in the event packets of one source.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    press: Option<Press>,
    last_ended: Option<u32>,
}

impl Receiver {
    /// Takes one event packet; gives what it means, the end of an earlier press first.
    pub fn receive(
        &mut self,
        now: Mono,
        timestamp: u32,
        marker: bool,
        payload: EventPayload,
    ) -> [Option<Recognised>; 3] {
        let Some(digit) = digit_of(payload.event) else { return [None; 3] };
        if self.is_over(timestamp) {
            return [None; 3];
        }
        let mut earlier = None;
        let mut began = None;
        match &mut self.press {
            Some(press) if press.timestamp == timestamp => {}
            Some(press) if (timestamp.wrapping_sub(press.timestamp) as i32) < 0 => {
                // Overtaken by packets of a later press.
                return [None; 3];
            }
            Some(press) if press.continues(timestamp, digit, marker) => {
                // RFC 4733 §2.5.1.3: a long event goes on in a new segment.
                press.before = press.before.saturating_add(timestamp.wrapping_sub(press.timestamp));
                press.timestamp = timestamp;
                press.duration = 0;
            }
            slot => {
                earlier = slot.take().map(|press| press.ended());
                let press = Press { digit, timestamp, before: 0, duration: 0, heard: now };
                *slot = Some(press);
                began = Some(Recognised::Began(digit));
            }
        }
        let mut ended = None;
        if let Some(press) = &mut self.press {
            press.heard = now;
            press.duration = press.duration.max(payload.duration);
            if payload.end {
                ended = Some(press.ended());
                self.last_ended = Some(press.timestamp);
                self.press = None;
            }
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

    /// Ends the present press, if any: the source changed or the leg is closed.
    pub fn finish(&mut self) -> Option<Recognised> {
        let press = self.press.take()?;
        self.last_ended = Some(press.timestamp);
        Some(press.ended())
    }

    /// Forgets the source's clock; the next event is a press of its own.
    pub fn reset(&mut self) -> Option<Recognised> {
        let ended = self.finish();
        self.last_ended = None;
        ended
    }

    fn is_over(&self, timestamp: u32) -> bool {
        self.last_ended.is_some_and(|last| last.wrapping_sub(timestamp) < OLD_SAMPLES_MAX)
    }
}

impl Press {
    fn continues(&self, timestamp: u32, digit: char, marker: bool) -> bool {
        let step = timestamp.wrapping_sub(self.timestamp);
        // The last packet of the full segment may be lost, so a little less is taken too.
        !marker && digit == self.digit && step <= 0xffff && step > 0xf000
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
            receiver.receive(now, timestamp, marker, payload).into_iter().for_each(&mut take);
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
            last = receiver.receive(Mono(0), timestamp, marker, payload)[2].or(last);
        }
        let duration_ms = (0xffff + 1600) / 8;
        assert_eq!(last, Some(Recognised::Ended { digit: '1', duration_ms }));
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
                    receiver.receive(Mono(0), timestamp, marker, payload)
                        .into_iter().for_each(&mut count);
                }
            }
            count(receiver.finish());
            prop_assert_eq!(begun, ended);
        }
    }
}
