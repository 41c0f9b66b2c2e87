//! What the clock does: plays, digits, reports, silence, ports' rest.

use super::conference::send_mixed;
use super::leg::Leg;
use super::playing::Playing;
use super::{Channel, PHASES, PortIndex, Sink, TICK_SAMPLES, Worker};
use crate::asset::Asset;
use crate::command::{Codec, DigitSource, Event, PlayEnd, StreamParameters};
use crate::rtcp;
use crate::telephone_event::Recognised;
use crate::timeline::{Feeder, Timeline};
use hotline_base::{Mono, Now};
use std::time::Duration;

/// Samples of pause after an in-band digit: 80 ms.
const IN_BAND_PAUSE_SAMPLES: u64 = 640;
/// How long the other side of a bridge, once it was heard, may send nothing until silence is sent
/// for it: longer than networks stand still, for each takeover breaks its timestamps; much shorter
/// than address translators and carriers wait for a stream.
const BRIDGE_QUIET_MAX: Duration = Duration::from_secs(1);

impl Worker {
    /// One step of 20 ms for the legs of a phase (0 to [`PHASES`] - 1; anything else does nothing).
    /// Missed steps should be made up for: audio follows the steps, not `now`.
    pub fn tick(&mut self, now: Now, phase: usize, sink: &mut dyn Sink) {
        if phase == 0 && !self.resting.is_empty() {
            self.grant_rested(now.mono);
        }
        if phase >= PHASES {
            return;
        }
        self.mix(phase);
        for index in 0..self.phases[phase].len() {
            let place = self.phases[phase][index];
            self.housekeeping(now, place, sink);
            self.send_audio(now.mono, place, sink);
        }
    }

    fn housekeeping(&mut self, now: Now, place: u32, sink: &mut dyn Sink) {
        let Some(leg) = self.ports.get_mut(place as usize).and_then(|port| port.leg.as_deref_mut())
        else {
            return;
        };
        if let Some(since) = leg.silent_since
            && leg.silence_limit_s != 0
            && !leg.silent_reported
            && now.mono.since(since) >= Duration::from_secs(u64::from(leg.silence_limit_s))
        {
            leg.silent_reported = true;
            let event = Event::Silent { leg: leg.reference, for_s: leg.silence_limit_s };
            Self::report_event(&mut self.events, event);
        }
        let listened = leg.ear.is_some();
        let report_due = leg.report_at.is_some_and(|at| at <= now.mono);
        if let Some(ended) = leg.digits_in.as_mut().and_then(|digits| digits.expire(now.mono)) {
            let peer = leg.peer.filter(|_| leg.relay);
            self.recognised(place, ended, DigitSource::Rtp);
            self.relay_in_band(peer, ended);
            self.tell_conference(place, ended);
        }
        if listened {
            self.tend(now.mono, place);
        }
        if report_due {
            self.send_report(now, place, false, sink);
            let next = now.mono + rtcp::interval(&mut self.rng, false);
            if let Some(leg) = self.leg_mut(place) {
                leg.report_at = Some(next);
            }
        }
    }

    fn send_audio(&mut self, now: Mono, place: u32, sink: &mut dyn Sink) {
        let Some(leg) = self.ports.get_mut(place as usize).and_then(|port| port.leg.as_deref_mut())
        else {
            return;
        };
        let outlet = leg.outlet();
        let scratch = &mut self.scratch[..];
        if !leg.is_fed() {
            match outlet {
                Some(outlet) if leg.ear.as_ref().is_some_and(|ear| ear.seat.is_some()) => {
                    send_mixed(leg, now, place, outlet, scratch, sink);
                }
                Some((stream, to)) if !leg.waits_for_bridge(now) => {
                    send_silence(leg, &stream, now, scratch, &mut |header, payload| {
                        sink.send(PortIndex(place), Channel::Rtp, to, header, payload);
                    });
                }
                Some(_) => {}
                None => {
                    leg.forget_mixed();
                    leg.timeline.feed(now, Feeder::Nothing);
                }
            }
            return;
        }
        leg.forget_mixed();
        match outlet {
            Some((stream, to)) => {
                let mut send = |header: &[u8], payload: &[u8]| {
                    sink.send(PortIndex(place), Channel::Rtp, to, header, payload);
                };
                if !send_digits(leg, &stream, now, &self.digit_tones, scratch, &mut send) {
                    send_play(leg, &stream, now, scratch, &mut send);
                }
            }
            // On hold time passes unheard; before the peer is known nothing begins.
            None if leg.stream.is_some() => {
                if let Some(playing) = &mut leg.playing {
                    playing.skip(u64::from(TICK_SAMPLES));
                }
            }
            None => return,
        }
        if leg.playing.as_mut().is_some_and(Playing::has_ended) {
            self.end_play(place, PlayEnd::Completed);
        }
    }

    fn relay_in_band(&mut self, peer: Option<u32>, ended: Recognised) {
        let Some(leg) = peer.and_then(|peer| self.leg_mut(peer)) else { return };
        let in_band = leg.outlet().is_some_and(|(stream, _)| stream.telephone_event.is_none());
        if let Recognised::Ended { digit, .. } = ended
            && in_band
        {
            leg.digits_out.push(digit.encode_utf8(&mut [0; 4]));
        }
    }
}

impl Leg {
    /// Whether the next packet is the other side's of a bridge to send: it was heard, and not long
    /// ago.
    fn waits_for_bridge(&self, now: Mono) -> bool {
        self.peer.is_some()
            && self.timeline.feeder() == Feeder::Bridge
            && !self.timeline.is_quiet_for(now, BRIDGE_QUIET_MAX)
    }
}

type Send<'a> = dyn FnMut(&[u8], &[u8]) + 'a;

/// A step of the digits that wait; whether there were any.
fn send_digits(
    leg: &mut Leg,
    stream: &StreamParameters,
    now: Mono,
    tones: &[Asset; 16],
    scratch: &mut [u8],
    send: &mut Send<'_>,
) -> bool {
    if let Some(number) = stream.telephone_event
        && leg.tone.is_none()
    {
        if leg.digits_out.is_idle() {
            return false;
        }
        leg.timeline.feed(now, Feeder::Digits);
        if let Some(step) = leg.digits_out.step() {
            if step.first {
                leg.event_begin = leg.timeline.next_timestamp();
            }
            let header = leg.timeline.event(number, leg.event_begin, step.first);
            send(&header, &step.payload.bytes());
        }
        leg.timeline.advance(now, TICK_SAMPLES);
        return true;
    }
    if leg.tone.is_none() {
        let Some(tone) = leg.digits_out.take_next().and_then(|event| tones.get(usize::from(event)))
        else {
            return false;
        };
        leg.tone = Some(Box::new(Playing::digit(tone.clone(), IN_BAND_PAUSE_SAMPLES)));
        leg.credit = u32::MAX;
    }
    leg.timeline.feed(now, Feeder::Digits);
    let Leg { tone, timeline, credit, .. } = leg;
    if let Some(playing) = tone {
        send_from(playing, timeline, credit, stream, now, scratch, send);
    }
    leg.tone.take_if(|tone| tone.is_over());
    true
}

fn send_play(
    leg: &mut Leg,
    stream: &StreamParameters,
    now: Mono,
    scratch: &mut [u8],
    send: &mut Send<'_>,
) {
    let Leg { playing, timeline, credit, .. } = leg;
    if let Some(playing) = playing {
        timeline.feed(now, Feeder::Play);
        send_from(playing, timeline, credit, stream, now, scratch, send);
    }
}

/// A peer that may hear us and has nothing to hear hears silence: networks and carriers take a
/// stream that stops for one that is over.
fn send_silence(
    leg: &mut Leg,
    stream: &StreamParameters,
    now: Mono,
    scratch: &mut [u8],
    send: &mut Send<'_>,
) {
    leg.begin_at_next_step();
    let Leg { timeline, credit, .. } = leg;
    timeline.feed(now, Feeder::Silence);
    let samples = packet_samples(stream);
    let Some(payload) = scratch.get_mut(..samples as usize) else { return };
    payload.fill(stream.codec.silence());
    accrue(credit, samples);
    while *credit >= samples {
        *credit -= samples;
        let header = timeline.audio(now, stream.payload_type, samples);
        send(&header, payload);
    }
}

/// Sends the packets that are due: one in most ticks with 20 ms of packet time, two with 10 ms,
/// one in every third with 60 ms.
fn send_from(
    playing: &mut Playing,
    timeline: &mut Timeline,
    credit: &mut u32,
    stream: &StreamParameters,
    now: Mono,
    scratch: &mut [u8],
    send: &mut Send<'_>,
) {
    let samples = packet_samples(stream);
    let codec: Codec = stream.codec;
    accrue(credit, samples);
    while *credit >= samples {
        let payload = match playing.next(codec, samples as usize, scratch) {
            Some(payload) => payload,
            // It ended within the step.
            None => {
                let Some(rest) = scratch.get_mut(..samples as usize) else { return };
                rest.fill(codec.silence());
                rest
            }
        };
        *credit -= samples;
        let header = timeline.audio(now, stream.payload_type, samples);
        send(&header, payload);
    }
}

/// Samples of a packet.
pub(super) fn packet_samples(stream: &StreamParameters) -> u32 {
    u32::from(stream.ptime_ms.clamp(10, 60)) * 8
}

/// One more step of samples is due; at most one packet at once when a stream begins.
pub(super) fn accrue(credit: &mut u32, samples: u32) {
    *credit = (*credit).min(samples - 1) + TICK_SAMPLES;
}
