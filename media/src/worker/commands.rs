//! What commands do.

use super::leg::Leg;
use super::playing::Playing;
use super::source::Source;
use super::{Channel, PHASES, PortIndex, Sink, Worker};
use crate::command::{
    AssetId, Command, DigitSource, Event, LegRef, LegStatistics, PlayEnd, PlayId, PortGrant,
    RecordEnd, StreamParameters,
};
use crate::recording::Ends;
use crate::rtcp;
use crate::timeline::{Feeder, Timeline};
use hotline_base::{Mono, Now};

impl Worker {
    /// Carries a command out. Commands for unknown legs or older generations do nothing, but a
    /// play of one ends at once as failed, a bridge of one is reported as not made, and an open on
    /// a port that is not free as closed.
    pub fn handle(&mut self, now: Now, command: Command, sink: &mut dyn Sink) {
        match command {
            Command::Open { leg, port, silence_limit_s } => {
                self.open(now, leg, port, silence_limit_s, sink);
            }
            Command::SetRemote { leg, stream } => self.set_remote(now.mono, leg, stream),
            Command::Play { leg, play, items, repeat, stop_on, background } => {
                let playing = Playing::new(&self.library, play, &items, repeat, &stop_on);
                let playing = playing.and_then(|playing| self.over(playing, background));
                self.play(leg, play, playing);
            }
            Command::Stop { leg, play } => self.stop(leg, play),
            Command::Bridge { a, b } => self.bridge(a, b),
            Command::Unbridge { a, b } => {
                if let (Some(a), Some(b)) = (self.place_of(a), self.place_of(b))
                    && self.leg(a).is_some_and(|leg| leg.peer == Some(b))
                {
                    self.part(a);
                }
            }
            Command::SendDigits { leg, digits } => {
                if let Some(leg) = self.place_of(leg).and_then(|place| self.leg_mut(place)) {
                    leg.digits_out.push(&digits);
                }
            }
            Command::SetDigits { leg, relay, in_band } => self.set_digits(leg, relay, in_band),
            Command::Record { leg, partition, recording, max_ms, min_ms, silence_ms, stop_on } => {
                let ends = Ends { max_ms, min_ms, silence_ms, stop_on };
                self.record(now.mono, leg, (partition, recording), &ends);
            }
            Command::StopRecord { leg, recording } => {
                self.stop_recording(leg, recording, RecordEnd::Stopped);
            }
            Command::Conference { legs } => self.confer(&legs),
            Command::Leave { leg } => {
                if let Some(place) = self.place_of(leg) {
                    self.leave(place);
                }
            }
            Command::Close { leg } => {
                if let Some(place) = self.place_of(leg) {
                    self.close(now, place, sink);
                }
            }
        }
    }

    fn open(
        &mut self,
        now: Now,
        reference: LegRef,
        grant: PortGrant,
        silence_limit_s: u32,
        sink: &mut dyn Sink,
    ) {
        if let Some(&place) = self.legs.get(&reference.leg) {
            let known = self.leg(place).map(|leg| leg.reference.generation);
            if reference.worker != self.number || known >= Some(reference.generation) {
                return;
            }
            self.close(now, place, sink);
        }
        let place = self.places.get(&grant.rtp).copied().filter(|&place| {
            let port = &self.ports[place as usize];
            port.leg.is_none() && !port.resting
        });
        let (Some(place), true) = (place, reference.worker == self.number) else {
            let statistics = LegStatistics::default();
            self.events.push_back(Event::Closed { leg: reference, statistics });
            return;
        };
        let mut leg = Leg::new(reference, Timeline::new(&mut self.rng), silence_limit_s);
        leg.phase = (0..PHASES).min_by_key(|&phase| self.phases[phase].len()).unwrap_or(0);
        leg.place_in_phase = self.phases[leg.phase].len();
        self.phases[leg.phase].push(place);
        self.ports[place as usize].leg = Some(Box::new(leg));
        self.legs.insert(reference.leg, place);
    }

    fn set_remote(&mut self, now: Mono, reference: LegRef, stream: StreamParameters) {
        let Some(place) = self.place_of(reference) else { return };
        let first_report = now + rtcp::interval(&mut self.rng, true);
        let Some(leg) = self.leg_mut(place) else { return };
        let turned = leg.stream.is_some_and(|before| before.direction != stream.direction);
        let before = leg.source.and_then(|source| source.learned());
        match &mut leg.source {
            Some(source) => source.signal(stream.remote, stream.signalling),
            slot => *slot = Some(Source::new(stream.remote, stream.signalling)),
        }
        if before != leg.source.and_then(|source| source.learned()) {
            leg.rtcp_source = None;
        }
        if !stream.direction.receives() {
            leg.silent_since = None;
            leg.last_packet = None;
        } else if leg.silent_since.is_none() || turned {
            // After a hold silence counts anew: what was said during it is forgotten.
            leg.silent_since = Some(now);
            leg.silent_reported = false;
        }
        if !stream.direction.sends() {
            leg.timeline.feed(now, Feeder::Nothing);
        }
        leg.stream = Some(stream);
        leg.report_at.get_or_insert(first_report);
    }

    /// Puts the background under a play; `None` if there is no such asset.
    fn over(&self, mut playing: Playing, background: Option<AssetId>) -> Option<Playing> {
        let known = background.is_none_or(|id| playing.over(&self.library, id));
        known.then_some(playing)
    }

    fn play(&mut self, reference: LegRef, play: PlayId, mut playing: Option<Playing>) {
        let Some(leg) = self.place_of(reference).and_then(|place| self.leg_mut(place)) else {
            return self.play_ended(reference, play, PlayEnd::Failed);
        };
        let replaced = leg.playing.take();
        if let (Some(playing), Some(replaced)) = (&mut playing, &replaced) {
            playing.follow(replaced);
        }
        let failed = playing.is_none();
        leg.begin_at_next_step();
        leg.playing = playing;
        if let Some(replaced) = replaced.filter(Playing::is_untold) {
            self.play_ended(reference, replaced.play, PlayEnd::Replaced);
        }
        if failed {
            self.play_ended(reference, play, PlayEnd::Failed);
        }
    }

    fn stop(&mut self, reference: LegRef, play: PlayId) {
        let Some(leg) = self.place_of(reference).and_then(|place| self.leg_mut(place)) else {
            return;
        };
        let stopped = leg.playing.take_if(|playing| playing.play == play);
        if stopped.is_some_and(|stopped| stopped.is_untold()) {
            self.play_ended(reference, play, PlayEnd::Stopped);
        }
    }

    /// A leg's play is over; its music goes on alone.
    pub(super) fn end_play(&mut self, place: u32, reason: PlayEnd) {
        let Some(leg) = self.leg_mut(place) else { return };
        let reference = leg.reference;
        let Some(playing) = leg.playing.as_mut().filter(|playing| playing.is_untold()) else {
            return;
        };
        let play = playing.play;
        if !playing.goes_on_alone() {
            leg.playing = None;
        }
        self.play_ended(reference, play, reason);
    }

    /// Music that went on alone makes room for voices.
    pub(super) fn end_music(&mut self, place: u32) {
        if let Some(leg) = self.leg_mut(place) {
            leg.playing.take_if(|playing| !playing.is_untold());
        }
    }

    fn bridge(&mut self, a: LegRef, b: LegRef) {
        let (Some(a), Some(b)) = (self.place_of(a), self.place_of(b)) else {
            self.events.push_back(Event::NotBridged { leg: a, other: b });
            return;
        };
        if a == b || self.leg(a).is_some_and(|leg| leg.peer == Some(b)) {
            return;
        }
        for one in [a, b] {
            self.leave(one);
            self.part(one);
            self.end_music(one);
        }
        for (one, other) in [(a, b), (b, a)] {
            if let Some(leg) = self.leg_mut(one) {
                leg.peer = Some(other);
            }
        }
    }

    pub(super) fn part(&mut self, place: u32) {
        let Some(peer) = self.leg_mut(place).and_then(|leg| leg.peer.take()) else { return };
        if let Some(leg) = self.leg_mut(peer) {
            leg.peer = None;
        }
    }

    fn close(&mut self, now: Now, place: u32, sink: &mut dyn Sink) {
        self.part(place);
        self.leave(place);
        self.send_report(now, place, true, sink);
        self.end_recording(place, RecordEnd::LegClosed);
        let Some(mut leg) = self.ports.get_mut(place as usize).and_then(|port| port.leg.take())
        else {
            return;
        };
        self.legs.remove(&leg.reference.leg);
        let phase = &mut self.phases[leg.phase];
        phase.swap_remove(leg.place_in_phase);
        if let Some(&moved) = phase.get(leg.place_in_phase)
            && let Some(moved) = self.leg_mut(moved)
        {
            moved.place_in_phase = leg.place_in_phase;
        }
        if let Some(ended) = leg.digits_in.as_mut().and_then(|digits| digits.finish()) {
            self.report_digit(leg.reference, ended, DigitSource::Rtp);
        }
        let detector = leg.ear.take().and_then(|ear| ear.detector);
        if let Some(ended) = detector.and_then(|mut detector| detector.finish()) {
            self.report_digit(leg.reference, ended, DigitSource::InBand);
        }
        if let Some(playing) = leg.playing.take().filter(Playing::is_untold) {
            self.play_ended(leg.reference, playing.play, PlayEnd::LegClosed);
        }
        let statistics = leg.statistics();
        self.events.push_back(Event::Closed { leg: leg.reference, statistics });
        self.rest(now.mono, place);
    }

    pub(super) fn play_ended(&mut self, leg: LegRef, play: PlayId, reason: PlayEnd) {
        self.events.push_back(Event::PlayEnded { leg, play, reason });
    }

    /// Sends an RTCP report, if it is known where to.
    pub(super) fn send_report(&mut self, now: Now, place: u32, goodbye: bool, sink: &mut dyn Sink) {
        let Some(leg) = self.ports.get_mut(place as usize).and_then(|port| port.leg.as_deref_mut())
        else {
            return;
        };
        let Some(to) = leg.rtcp_destination() else { return };
        let sent = leg.timeline.packets();
        let sender = (sent != leg.packets_at_report).then(|| rtcp::SenderInfo {
            ntp: rtcp::ntp(now.wall),
            rtp_timestamp: leg.timeline.timestamp_at(now.mono),
            packets: sent as u32,
            octets: leg.timeline.octets() as u32,
        });
        leg.packets_at_report = sent;
        let report = rtcp::Report {
            ssrc: leg.timeline.ssrc(),
            sender,
            block: leg.reception.report(now.mono),
            cname: &self.cname,
            goodbye,
        };
        rtcp::write(&report, &mut self.report);
        sink.send(PortIndex(place), Channel::Rtcp, to, &self.report, &[]);
    }
}
