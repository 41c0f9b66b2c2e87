//! Conferences: each of 2–4 legs hears the sum of the others.
//!
//! Owns: who sits together, mixing, sending what was mixed. Does not own: putting what comes in in
//! order ([`crate::playout`]).
//!
//! A conference has a phase of its own: every 20 ms one step of each member's playout is taken,
//! summed, and put aside for each member without its own voice. A member's stream goes out in the
//! member's phase and packet time, encoded once. Its telephone-events are no voice: the others get
//! new ones.

use super::leg::Leg;
use super::tick::{accrue, packet_samples};
use super::{PHASES, PortIndex, Sink, Worker};
use crate::command::{Event, LegRef, StreamParameters};
use crate::playout::{Playout, STEP};
use crate::telephone_event::Recognised;
use crate::timeline::Feeder;
use hotline_base::Mono;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// Fewest and most legs of a conference.
pub const LEGS: std::ops::RangeInclusive<usize> = 2..=4;

/// Legs that hear each other.
#[derive(Debug)]
pub struct Conference {
    number: u64,
    phase: usize,
    /// Their places.
    members: SmallVec<[u32; 4]>,
}

/// A leg's place in a conference.
#[derive(Debug)]
pub struct Seat {
    conference: u64,
    pub playout: Playout,
    /// What the others say, not sent yet.
    mixed: Vec<i16>,
}

impl Seat {
    fn new(conference: u64) -> Self {
        Seat { conference, playout: Playout::default(), mixed: Vec::with_capacity(4 * STEP) }
    }
}

impl Leg {
    /// What was mixed for the leg is not heard: something else is played to it, or nothing.
    pub fn forget_mixed(&mut self) {
        if let Some(seat) = self.ear.as_mut().and_then(|ear| ear.seat.as_mut()) {
            seat.mixed.clear();
        }
    }
}

impl Worker {
    /// Seats these legs together; who sits together already keeps its seat and hears no gap.
    pub(super) fn confer(&mut self, legs: &[LegRef]) {
        let places: SmallVec<[Option<u32>; 4]> =
            legs.iter().map(|leg| self.place_of(*leg)).collect();
        let twice = (1..legs.len()).any(|n| legs[..n].contains(&legs[n]));
        if !LEGS.contains(&legs.len()) || twice || places.contains(&None) {
            let (Some(&leg), Some(&last)) = (legs.first(), legs.last()) else { return };
            let unknown = legs.iter().zip(&places).find(|(_, place)| place.is_none());
            let other = unknown.map_or(last, |(leg, _)| *leg);
            self.events.push_back(Event::NotBridged { leg, other });
            return;
        }
        let members: SmallVec<[u32; 4]> = places.into_iter().flatten().collect();
        let known = members.iter().find_map(|&place| self.seat_of(place));
        let number = known.unwrap_or_else(|| {
            self.conferences_made += 1;
            self.conferences_made
        });
        let phase = members.first().and_then(|&place| self.leg(place)).map_or(0, |leg| leg.phase);
        for &place in &members {
            self.part(place);
            self.end_music(place);
            if self.seat_of(place) != Some(number) {
                self.leave(place);
                if let Some(leg) = self.leg_mut(place) {
                    leg.ear_mut().seat = Some(Box::new(Seat::new(number)));
                    leg.begin_at_next_step();
                }
            }
        }
        match self.conferences.iter().position(|conference| conference.number == number) {
            Some(index) => {
                let before = std::mem::replace(&mut self.conferences[index].members, members);
                let gone = |place: &u32| !self.conferences[index].members.contains(place);
                let gone: SmallVec<[u32; 4]> = before.into_iter().filter(gone).collect();
                for place in gone {
                    self.stand_up(place);
                }
            }
            None => self.conferences.push(Conference { number, phase, members }),
        }
    }

    /// Takes a leg out of its conference, if it is in one.
    pub(super) fn leave(&mut self, place: u32) {
        let Some(number) = self.seat_of(place) else { return };
        self.stand_up(place);
        for conference in &mut self.conferences {
            if conference.number == number {
                conference.members.retain(|member| *member != place);
            }
        }
        self.conferences.retain(|conference| !conference.members.is_empty());
    }

    fn stand_up(&mut self, place: u32) {
        if let Some(leg) = self.leg_mut(place) {
            if let Some(ear) = &mut leg.ear {
                ear.seat = None;
            }
            leg.settle_ear();
        }
    }

    fn seat_of(&self, place: u32) -> Option<u64> {
        self.leg(place)?.ear.as_ref()?.seat.as_ref().map(|seat| seat.conference)
    }

    /// A member has pressed a key: once it is let go, the others get it, if the member's leg passes
    /// keys on. Tones in its audio they hear anyway.
    pub(super) fn tell_conference(&mut self, place: u32, pressed: Recognised) {
        let Recognised::Ended { digit, .. } = pressed else { return };
        if !self.leg(place).is_some_and(|leg| leg.relay) {
            return;
        }
        let Some(number) = self.seat_of(place) else { return };
        let found = self.conferences.iter().find(|conference| conference.number == number);
        let members = found.map(|conference| conference.members.clone()).unwrap_or_default();
        for other in members.into_iter().filter(|member| *member != place) {
            if let Some(leg) = self.leg_mut(other) {
                leg.digits_out.push(digit.encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// One step of the conferences of a phase.
    pub(super) fn mix(&mut self, phase: usize) {
        debug_assert!(phase < PHASES);
        for index in 0..self.conferences.len() {
            let conference = &self.conferences[index];
            if conference.phase != phase {
                continue;
            }
            let members = conference.members.clone();
            let mut sum = [0i32; STEP];
            let mut voices: SmallVec<[[i16; STEP]; 4]> = SmallVec::new();
            for &place in &members {
                let seat = self.leg_mut(place).and_then(|leg| leg.ear.as_mut()?.seat.as_mut());
                let voice = seat.map_or([0; STEP], |seat| seat.playout.pop());
                sum.iter_mut().zip(&voice).for_each(|(sum, sample)| *sum += i32::from(*sample));
                voices.push(voice);
            }
            for (&place, own) in members.iter().zip(&voices) {
                let seat = self.leg_mut(place).and_then(|leg| leg.ear.as_mut()?.seat.as_mut());
                let Some(seat) = seat else { continue };
                let others = sum.iter().zip(own).map(|(sum, own)| {
                    (sum - i32::from(*own)).clamp(i16::MIN.into(), i16::MAX.into()) as i16
                });
                seat.mixed.extend(others);
            }
        }
    }
}

/// Sends what was mixed for a leg, in its packet time.
pub(super) fn send_mixed(
    leg: &mut Leg,
    now: Mono,
    place: u32,
    (stream, to): (StreamParameters, SocketAddr),
    scratch: &mut [u8],
    sink: &mut dyn Sink,
) {
    let Leg { ear, timeline, credit, .. } = leg;
    let Some(seat) = ear.as_mut().and_then(|ear| ear.seat.as_mut()) else { return };
    timeline.feed(now, Feeder::Conference);
    let samples = packet_samples(&stream);
    let length = samples as usize;
    accrue(credit, samples);
    let mut sent = 0;
    while *credit >= samples
        && let Some(audio) = seat.mixed.get(sent..sent + length)
        && let Some(payload) = scratch.get_mut(..length)
    {
        for (code, sample) in payload.iter_mut().zip(audio) {
            *code = stream.codec.encode(*sample);
        }
        *credit -= samples;
        sent += length;
        let header = timeline.audio(now, stream.payload_type, samples);
        sink.send(PortIndex(place), super::Channel::Rtp, to, &header, payload);
    }
    // What exceeds a packet and a step waited for a leg that could not be sent to.
    let stale = seat.mixed.len().saturating_sub(length + STEP).max(sent);
    seat.mixed.drain(..stale.min(seat.mixed.len()));
}
