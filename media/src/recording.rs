//! What a leg's peer says, laid in order by its timestamps, in pieces ready to be written.
//!
//! Owns: where each packet lies, silence where nothing came, when a recording is over and how much
//! of it is kept ([`Recording`]). Does not own: files (the shell's), decoding, recognising digits.
//!
//! A packet's place follows from its timestamp, not from when it came; what has not come
//! [`LATE_MS_MAX`] after its time is silence. A source that begins anew is laid where the clock is.

use crate::command::{LegRef, RecordEnd, RecordingId};
use crate::rtp::Header;
use crate::telephone_event::{event_of, events_of};
use crate::tone;
use hotline_base::{Mono, Partition};

/// How late a packet may be and still find its place, in ms.
pub const LATE_MS_MAX: u64 = 200;
/// Samples of a piece: 200 ms.
const PIECE_SAMPLES: usize = 1600;
/// Samples that late packets may still change.
const OPEN_SAMPLES: usize = 1600;
/// A packet that lies further from where the clock is, in samples, is a source begun anew.
const ASTRAY_SAMPLES_MAX: u64 = 8000 * 2;
/// Packets softer than this are silence, in dBm0.
const SILENCE_DBM0: f64 = -42.0;
/// Kept after the last word when silence ended it, in samples: 200 ms.
const AFTER_SPEECH_SAMPLES: u64 = 1600;
/// Cut off before a digit that came as an event, in samples: what a phone lets through of its tone
/// before it makes an event of it, 60 ms.
const BEFORE_EVENT_SAMPLES: u64 = 480;
/// Cut off before an in-band digit, in samples: what it takes to recognise one, 80 ms.
const BEFORE_TONE_SAMPLES: u64 = 640;

/// A piece of a recording, to be written behind those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which leg's.
    pub leg: LegRef,
    /// Whose recording it is.
    pub partition: Partition,
    /// Which.
    pub recording: RecordingId,
    /// Shortest recording that is kept, in ms.
    pub min_ms: u32,
    /// 16-bit samples at 8 kHz; none in the first piece, which says that the recording begins.
    pub samples: Vec<i16>,
}

/// How a recording is to end.
#[derive(Clone, Debug)]
pub struct Ends {
    /// Longest, in ms.
    pub max_ms: u32,
    /// Shortest that is kept, in ms.
    pub min_ms: u32,
    /// After so much silence, in ms; 0 never.
    pub silence_ms: u32,
    /// At one of these digits.
    pub stop_on: String,
}

/// A running recording of one leg.
#[derive(Debug)]
pub struct Recording {
    partition: Partition,
    recording: RecordingId,
    begun: Mono,
    min_ms: u32,
    max: u64,
    silence: u64,
    /// Bit `n`: event code `n` ends it.
    stop_on: u16,
    /// What late packets may still change; begins at sample `handed_out`.
    open: Vec<i16>,
    handed_out: u64,
    /// A source, and the sample at which a timestamp of it lies.
    anchor: Option<(u32, u32, u64)>,
    /// Where the last packet that was no silence ends.
    loud_until: u64,
    /// Sum of squares of a packet of one sample that is silence.
    silence_power: f64,
}

/// A recording that is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Which.
    pub recording: RecordingId,
    /// How much of what was handed out is kept, in ms.
    pub duration_ms: u32,
    /// Why.
    pub reason: RecordEnd,
}

impl Recording {
    /// Begins now.
    pub fn new(now: Mono, partition: Partition, recording: RecordingId, ends: &Ends) -> Self {
        Recording {
            partition,
            recording,
            begun: now,
            min_ms: ends.min_ms,
            max: u64::from(ends.max_ms) * 8,
            silence: u64::from(ends.silence_ms) * 8,
            stop_on: events_of(&ends.stop_on),
            open: Vec::with_capacity(OPEN_SAMPLES + PIECE_SAMPLES + 480),
            handed_out: 0,
            anchor: None,
            loud_until: 0,
            silence_power: tone::amplitude(SILENCE_DBM0).powi(2) / 2.0,
        }
    }

    /// Which it is.
    pub fn id(&self) -> RecordingId {
        self.recording
    }

    /// What says that it begins.
    pub fn first_piece(&self, leg: LegRef) -> Piece {
        let (partition, recording) = (self.partition, self.recording);
        Piece { leg, partition, recording, min_ms: self.min_ms, samples: Vec::new() }
    }

    /// Takes a packet's audio in, decoded.
    pub fn receive(
        &mut self,
        now: Mono,
        header: &Header,
        samples: impl ExactSizeIterator<Item = i16>,
    ) {
        let clock = self.clock(now);
        let place = self.place(header, clock).unwrap_or_else(|| {
            let place = clock.max(self.end());
            self.anchor = Some((header.ssrc, header.timestamp, place));
            place
        });
        let end = (place + samples.len() as u64).min(self.max);
        self.reach(end);
        let (mut power, count) = (0.0, samples.len().max(1));
        for (at, sample) in (place..end).zip(samples) {
            power += f64::from(sample).powi(2);
            let slot = at.checked_sub(self.handed_out).and_then(|n| self.open.get_mut(n as usize));
            if let Some(slot) = slot {
                *slot = sample;
            }
        }
        if power / count as f64 > self.silence_power {
            self.loud_until = self.loud_until.max(end);
        }
    }

    /// Lets time pass; what is ready to be written, and how it ended if it did. Call every 20 ms.
    pub fn pass(&mut self, now: Mono, leg: LegRef) -> (Option<Piece>, Option<Recorded>) {
        let settled = self.clock(now).saturating_sub(LATE_MS_MAX * 8);
        self.reach(settled.min(self.max));
        let end = self.end();
        let reason = if self.silence > 0 && end - self.loud_until.min(end) >= self.silence {
            RecordEnd::Silence
        } else if end >= self.max {
            RecordEnd::Limit
        } else {
            let ready = self.open.len().saturating_sub(OPEN_SAMPLES);
            let ready = if ready >= PIECE_SAMPLES { ready } else { 0 };
            return (self.take(leg, ready), None);
        };
        let (piece, recorded) = self.end_as(leg, reason);
        (piece, Some(recorded))
    }

    /// Whether this digit ends it.
    pub fn stops_on(&self, digit: char) -> bool {
        event_of(digit).is_some_and(|event| self.stop_on & 1 << event != 0)
    }

    /// Ends it: the last piece, and how much is kept.
    pub fn end_as(&mut self, leg: LegRef, reason: RecordEnd) -> (Option<Piece>, Recorded) {
        let end = self.end();
        let kept = match reason {
            RecordEnd::Silence if self.loud_until == 0 => 0,
            RecordEnd::Silence => end.min(self.loud_until + AFTER_SPEECH_SAMPLES),
            _ => end,
        };
        self.keep(leg, kept, reason)
    }

    /// Ends it at a digit, without the digit.
    pub fn end_at_digit(
        &mut self,
        leg: LegRef,
        digit: char,
        in_band: bool,
    ) -> (Option<Piece>, Recorded) {
        let cut = if in_band { BEFORE_TONE_SAMPLES } else { BEFORE_EVENT_SAMPLES };
        let kept = self.end().saturating_sub(cut);
        self.keep(leg, kept, RecordEnd::Digit(digit))
    }

    fn keep(&mut self, leg: LegRef, kept: u64, reason: RecordEnd) -> (Option<Piece>, Recorded) {
        let last = self.take(leg, self.open.len());
        let duration_ms = u32::try_from(kept / 8).unwrap_or(u32::MAX);
        (last, Recorded { recording: self.recording, duration_ms, reason })
    }

    fn take(&mut self, leg: LegRef, count: usize) -> Option<Piece> {
        if count == 0 {
            return None;
        }
        let samples: Vec<i16> = self.open.drain(..count.min(self.open.len())).collect();
        self.handed_out += samples.len() as u64;
        Some(Piece { samples, ..self.first_piece(leg) })
    }

    fn clock(&self, now: Mono) -> u64 {
        u64::try_from(now.since(self.begun).as_micros() / 125).unwrap_or(u64::MAX)
    }

    fn end(&self) -> u64 {
        self.handed_out + self.open.len() as u64
    }

    fn reach(&mut self, end: u64) {
        if let Some(length) = end.checked_sub(self.handed_out)
            && length as usize > self.open.len()
        {
            self.open.resize(length as usize, 0);
        }
    }

    /// Where a packet lies; `None` for a source that is new or has begun anew.
    fn place(&self, header: &Header, clock: u64) -> Option<u64> {
        let (_, timestamp, at) = self.anchor.filter(|(ssrc, ..)| *ssrc == header.ssrc)?;
        let step = i64::from(header.timestamp.wrapping_sub(timestamp) as i32);
        let place = at.checked_add_signed(step)?;
        (place.abs_diff(clock) <= ASTRAY_SAMPLES_MAX).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: LegRef = LegRef { worker: 0, leg: 1, generation: 1 };
    const ID: RecordingId = RecordingId(9);

    fn begin(max_ms: u32, silence_ms: u32) -> Recording {
        let ends = Ends { max_ms, min_ms: 0, silence_ms, stop_on: "#".into() };
        Recording::new(Mono(0), Partition(3), ID, &ends)
    }

    /// Feeds frames `(came at ms, number of the frame, its sample value)`, a step every 20 ms;
    /// gives the samples and how it ended.
    fn record(
        recording: &mut Recording,
        frames: &[(u64, u32, i16)],
        until_ms: u64,
    ) -> (Vec<i16>, Option<Recorded>) {
        let mut written = Vec::new();
        for ms in 0..until_ms {
            let now = Mono::from_ms(ms);
            for &(_, n, sample) in frames.iter().filter(|(at, ..)| *at == ms) {
                let (sequence, timestamp) = (n as u16, 5_000 + n * 160);
                let header =
                    Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 1 };
                recording.receive(now, &header, [sample; 160].into_iter());
            }
            if ms % 20 == 0 {
                let (piece, recorded) = recording.pass(now, LEG);
                written.extend(piece.into_iter().flat_map(|piece| piece.samples));
                if recorded.is_some() {
                    return (written, recorded);
                }
            }
        }
        (written, None)
    }

    #[test]
    fn packets_lie_where_their_timestamp_says_and_what_is_lost_is_silence() {
        let mut recording = begin(1000, 0);
        // 1 is late, 3 is lost, 4 comes in a bunch with 5, the rest on time.
        let mut frames =
            vec![(0, 0, 100), (60, 1, 101), (40, 2, 102), (120, 4, 104), (120, 5, 105)];
        frames.extend((6..60).map(|n| (u64::from(n) * 20, n, 100 + n as i16)));
        let (written, recorded) = record(&mut recording, &frames, 2000);
        let frame = |n: usize| written[n * 160 + 80];
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(frame), [100, 101, 102, 0, 104, 105, 106]);
        assert_eq!(written.len(), 8000);
        let ended = Recorded { recording: ID, duration_ms: 1000, reason: RecordEnd::Limit };
        assert_eq!(recorded, Some(ended));
    }

    /// A peer on hold, or with silence suppression, sends nothing: its recording stood still and
    /// never ended.
    #[test]
    fn time_passes_without_packets() {
        let (written, recorded) = record(&mut begin(500, 0), &[(0, 0, 7)], 2000);
        assert_eq!(written.len(), 4000);
        assert_eq!(recorded.map(|it| it.reason), Some(RecordEnd::Limit));

        let (_, recorded) = record(&mut begin(60_000, 1000), &[], 3000);
        let ended = Recorded { recording: ID, duration_ms: 0, reason: RecordEnd::Silence };
        assert_eq!(recorded, Some(ended), "nothing was said");
    }

    #[test]
    fn silence_ends_it_and_is_cut_off() {
        let loud = (0..50).map(|n| (u64::from(n) * 20, n, 5000));
        let soft = (50..400).map(|n| (u64::from(n) * 20, n, 20));
        let frames: Vec<_> = loud.chain(soft).collect();
        let (written, recorded) = record(&mut begin(60_000, 2000), &frames, 9000);
        let ended = Recorded { recording: ID, duration_ms: 1200, reason: RecordEnd::Silence };
        assert_eq!(recorded, Some(ended));
        assert!((24_000..=24_320).contains(&written.len()), "{}", written.len());
    }

    #[test]
    fn a_digit_ends_it_and_is_cut_off() {
        let mut recording = begin(60_000, 0);
        let frames: Vec<_> = (0..50).map(|n| (u64::from(n) * 20, n, 5000)).collect();
        record(&mut recording, &frames, 1000);
        assert!(recording.stops_on('#') && !recording.stops_on('1'));
        let (_, recorded) = recording.end_at_digit(LEG, '#', false);
        assert_eq!((recorded.duration_ms, recorded.reason), (940, RecordEnd::Digit('#')));
    }

    #[test]
    fn a_source_that_begins_anew_is_laid_where_the_clock_is() {
        let mut recording = begin(60_000, 0);
        let frames = [(0, 0, 1), (20, 1, 2), (40, 900_000, 3), (60, 900_001, 4), (80, 2, 5)];
        let (_, ended) = record(&mut recording, &frames, 300);
        assert!(ended.is_none());
        let (piece, recorded) = recording.end_as(LEG, RecordEnd::Stopped);
        let frames: Vec<i16> = piece.unwrap().samples.chunks(160).map(|frame| frame[80]).collect();
        assert_eq!(frames[..5], [1, 2, 3, 4, 5]);
        assert!(recorded.duration_ms < 130, "{recorded:?}");
    }
}
