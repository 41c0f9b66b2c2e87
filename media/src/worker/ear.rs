//! What a leg's audio is listened to for: tones of digits, a recording, a conference.
//!
//! Owns: decoding where something listens, what digits do to plays and recordings, the pieces of
//! recordings. Does not own: recognising ([`crate::in_band`], [`crate::telephone_event`]), laying
//! audio in order ([`crate::recording`]). Most legs have no [`Ear`] and decode nothing.

use super::Worker;
use super::conference::Seat;
use super::leg::Leg;
use crate::command::{Codec, DigitSource, Event, LegRef, PlayEnd, RecordEnd, RecordingId};
use crate::in_band::Detector;
use crate::recording::{Ends, Piece, Recorded, Recording};
use crate::rtp::Packet;
use crate::telephone_event::Recognised;
use hotline_base::{Mono, Partition};

/// Pieces that wait to be taken; a recording that would exceed them fails.
pub const PIECES_MAX: usize = 16_384;

/// Who listens to a leg's peer.
#[derive(Debug, Default)]
pub struct Ear {
    pub detector: Option<Box<Detector>>,
    pub recording: Option<Box<Recording>>,
    pub seat: Option<Box<Seat>>,
}

impl Leg {
    /// Its ear, grown if it has none.
    pub fn ear_mut(&mut self) -> &mut Ear {
        self.ear.get_or_insert_default()
    }

    /// An ear that hears for nobody is dropped.
    pub fn settle_ear(&mut self) {
        self.ear
            .take_if(|ear| ear.detector.is_none() && ear.recording.is_none() && ear.seat.is_none());
    }
}

impl Worker {
    /// The next piece of a recording, in order. Take pieces before events: what an
    /// [`Event::Recorded`] speaks of is complete then.
    pub fn poll_piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// What was handed out could not be written: the recording ends as failed.
    pub fn fail_recording(&mut self, leg: LegRef, recording: RecordingId) {
        self.stop_recording(leg, recording, RecordEnd::Failed);
    }

    pub(super) fn set_digits(&mut self, reference: LegRef, relay: bool, in_band: bool) {
        let Some(place) = self.place_of(reference) else { return };
        let Some(leg) = self.leg_mut(place) else { return };
        leg.relay = relay;
        if in_band {
            leg.ear_mut().detector.get_or_insert_default();
            return;
        }
        let detector = leg.ear.as_mut().and_then(|ear| ear.detector.take());
        leg.settle_ear();
        if let Some(ended) = detector.and_then(|mut detector| detector.finish()) {
            self.recognised(place, ended, DigitSource::InBand);
        }
    }

    pub(super) fn record(
        &mut self,
        now: Mono,
        leg: LegRef,
        (partition, recording): (Partition, RecordingId),
        ends: &Ends,
    ) {
        let Some(place) = self.place_of(leg) else {
            let failed = Recorded { recording, duration_ms: 0, reason: RecordEnd::Failed };
            return self.report_recorded(leg, failed);
        };
        self.end_recording(place, RecordEnd::Stopped);
        let begun = Recording::new(now, partition, recording, ends);
        self.pieces.push_back(begun.first_piece(leg));
        if let Some(leg) = self.leg_mut(place) {
            leg.ear_mut().recording = Some(Box::new(begun));
        }
    }

    pub(super) fn stop_recording(
        &mut self,
        leg: LegRef,
        recording: RecordingId,
        reason: RecordEnd,
    ) {
        let Some(place) = self.place_of(leg) else { return };
        let running = self.leg(place).and_then(|leg| leg.ear.as_ref()?.recording.as_ref());
        if running.is_some_and(|running| running.id() == recording) {
            self.end_recording(place, reason);
        }
    }

    /// Ends the leg's recording, if it has one.
    pub(super) fn end_recording(&mut self, place: u32, reason: RecordEnd) {
        let Some(leg) = self.leg_mut(place) else { return };
        let reference = leg.reference;
        let running = leg.ear.as_mut().and_then(|ear| ear.recording.take());
        leg.settle_ear();
        if let Some(mut recording) = running {
            let (last, recorded) = recording.end_as(reference, reason);
            self.pieces.extend(last);
            self.report_recorded(reference, recorded);
        }
    }

    /// Who listens hears a packet; whether others must not hear it.
    pub(super) fn listen(
        &mut self,
        now: Mono,
        place: u32,
        codec: Codec,
        packet: &Packet<'_>,
    ) -> bool {
        let Some(leg) = self.leg_mut(place) else { return false };
        let relay = leg.relay;
        let Some(ear) = leg.ear.as_deref_mut() else { return false };
        let Packet { header, payload } = packet;
        let decoded = || payload.iter().map(|&code| codec.decode(code));
        if let Some(recording) = &mut ear.recording {
            recording.receive(now, header, decoded());
        }
        let (mut found, mut muted) = (Default::default(), false);
        if let Some(detector) = &mut ear.detector {
            let before = detector.is_pressed();
            found = detector.receive(now, (header.ssrc, header.timestamp), decoded());
            muted = !relay && (before || detector.is_pressed());
        }
        if let Some(seat) = &mut ear.seat {
            let playout = &mut seat.playout;
            if muted {
                playout.push(header.ssrc, header.timestamp, payload.iter().map(|_| 0));
            } else {
                playout.push(header.ssrc, header.timestamp, decoded());
            }
        }
        for recognised in found {
            self.recognised(place, recognised, DigitSource::InBand);
        }
        muted
    }

    /// Lets time pass for who listens. Called every 20 ms for legs with an ear.
    pub(super) fn tend(&mut self, now: Mono, place: u32) {
        let full = self.pieces.len() >= PIECES_MAX;
        let Some(leg) = self.leg_mut(place) else { return };
        let reference = leg.reference;
        let Some(ear) = leg.ear.as_deref_mut() else { return };
        let ended = ear.detector.as_mut().and_then(|detector| detector.expire(now));
        let (piece, recorded) = match &mut ear.recording {
            Some(recording) => recording.pass(now, reference),
            None => (None, None),
        };
        if recorded.is_some() {
            ear.recording = None;
            leg.settle_ear();
        }
        if let Some(ended) = ended {
            self.recognised(place, ended, DigitSource::InBand);
        }
        self.pieces.extend(piece);
        if let Some(recorded) = recorded {
            self.report_recorded(reference, recorded);
        } else if full {
            self.end_recording(place, RecordEnd::Failed);
        }
    }

    /// A press that began ends a play or a recording that waits for it; one that ended is reported.
    pub(super) fn recognised(&mut self, place: u32, recognised: Recognised, source: DigitSource) {
        let Some(leg) = self.leg_mut(place) else { return };
        let reference = leg.reference;
        if let Recognised::Began(digit) = recognised {
            if leg.playing.as_ref().is_some_and(|playing| playing.stops_on(digit)) {
                self.end_play(place, PlayEnd::Digit(digit));
            }
            let in_band = source == DigitSource::InBand;
            let Some(leg) = self.leg_mut(place) else { return };
            let recording = leg
                .ear
                .as_mut()
                .and_then(|ear| ear.recording.take_if(|recording| recording.stops_on(digit)));
            if let Some(mut recording) = recording {
                leg.settle_ear();
                let (last, recorded) = recording.end_at_digit(reference, digit, in_band);
                self.pieces.extend(last);
                self.report_recorded(reference, recorded);
            }
        }
        self.report_digit(reference, recognised, source);
    }

    pub(super) fn report_digit(
        &mut self,
        leg: LegRef,
        recognised: Recognised,
        source: DigitSource,
    ) {
        if let Recognised::Ended { digit, duration_ms } = recognised {
            let event = Event::Digit { leg, digit, duration_ms, source };
            Self::report_event(&mut self.events, event);
        }
    }

    fn report_recorded(&mut self, leg: LegRef, recorded: Recorded) {
        let Recorded { recording, duration_ms, reason } = recorded;
        self.events.push_back(Event::Recorded { leg, recording, duration_ms, reason });
    }
}
