//! What arrives: judged, counted, recognised, passed on.

use super::leg::{Kind, Leg, kind_of};
use super::source::Verdict;
use super::{Channel, PortIndex, Sink, Worker};
use crate::command::{Codec, DigitSource, Event};
use crate::reception::Arrival;
use crate::rtcp::{self, RtcpPacket};
use crate::rtp::{Header, Packet};
use crate::telephone_event::{EventPayload, EventStamp, Recognised};
use hotline_base::Mono;
use std::net::SocketAddr;

/// What a datagram on an RTP port was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Audio of the leg's peer.
    Audio {
        /// How it is encoded.
        codec: Codec,
        /// The peer's numbers.
        header: Header,
        /// A byte a sample.
        payload: &'a [u8],
    },
    /// A packet of the leg's peer without audio: an event, comfort noise, or nothing to be heard
    /// in this direction.
    Other,
    /// No RTP, a duplicate, a stranger's, or for a port without a leg.
    Refused,
}

impl Worker {
    /// Takes a datagram of an RTP port in; a bridged leg's other side sends it at once.
    pub fn receive<'a>(
        &mut self,
        now: Mono,
        port: PortIndex,
        from: SocketAddr,
        bytes: &'a [u8],
        sink: &mut dyn Sink,
    ) -> Received<'a> {
        let Some(leg) =
            self.ports.get_mut(port.0 as usize).and_then(|port| port.leg.as_deref_mut())
        else {
            return Received::Refused;
        };
        let Some((packet, kind, learned)) = accept(leg, now, from, bytes) else {
            leg.refused += 1;
            return Received::Refused;
        };
        let reference = leg.reference;
        if learned {
            // Reports go where this peer is.
            leg.rtcp_source = None;
            let event = Event::SourceLearned { leg: reference, source: from };
            Self::report_event(&mut self.events, event);
        }
        let arrival = leg.reception.arrived(&packet.header);
        match arrival {
            Arrival::Unusable => return Received::Refused,
            Arrival::First | Arrival::InOrder | Arrival::Late => {}
        }
        heard(leg, now);
        if !leg.stream.is_some_and(|stream| stream.direction.receives()) {
            return Received::Other;
        }
        let peer = leg.peer;
        match kind {
            Kind::Audio(codec) => {
                leg.reception.timing(now, packet.header.timestamp);
                let muted = leg.ear.is_some() && self.listen(now, port.0, codec, &packet);
                if let Some(peer) = peer {
                    let heard_as = if muted { None } else { Some(codec) };
                    self.forward_audio(now, peer, heard_as, &packet, sink);
                }
                Received::Audio { codec, header: packet.header, payload: packet.payload }
            }
            Kind::TelephoneEvent => {
                self.event(now, port.0, peer, &packet, arrival == Arrival::Late, sink);
                Received::Other
            }
            Kind::ComfortNoise => {
                if let Some(peer) = peer.and_then(|peer| self.leg_mut(peer)) {
                    peer.timeline.leave_out(&packet.header);
                }
                Received::Other
            }
        }
    }

    /// Takes a datagram of an RTCP port in. Only the RTP source's host is heard.
    pub fn receive_rtcp(&mut self, now: Mono, port: PortIndex, from: SocketAddr, bytes: &[u8]) {
        let Some(leg) =
            self.ports.get_mut(port.0 as usize).and_then(|port| port.leg.as_deref_mut())
        else {
            return;
        };
        let expected = leg.source.as_ref().and_then(|source| source.destination());
        if expected.is_none_or(|expected| expected.ip() != from.ip()) {
            leg.refused += 1;
            return;
        }
        let reception = &mut leg.reception;
        let parsed = rtcp::parse(bytes, |packet| {
            if let RtcpPacket::SenderReport { ssrc, info, .. } = packet {
                reception.sender_report(now, ssrc, info.ntp);
            }
        });
        match parsed {
            Ok(()) => {
                leg.rtcp_source.get_or_insert(from);
            }
            Err(_) => leg.refused += 1,
        }
    }

    /// Sends a packet on, or silence in its place if no codec is given.
    fn forward_audio(
        &mut self,
        now: Mono,
        to: u32,
        codec: Option<Codec>,
        packet: &Packet<'_>,
        sink: &mut dyn Sink,
    ) {
        let Some(leg) = self.ports.get_mut(to as usize).and_then(|port| port.leg.as_deref_mut())
        else {
            return;
        };
        let Some((stream, destination)) = leg.outlet() else { return };
        if leg.is_fed() {
            return;
        }
        let length = packet.payload.len();
        let Some(header) =
            leg.timeline.forward(now, &packet.header, stream.payload_type, length, length as u32)
        else {
            return;
        };
        let payload = match codec.map(|codec| codec.conversion_to(stream.codec)) {
            Some(None) => packet.payload,
            None => {
                let Some(silence) = self.scratch.get_mut(..length) else { return };
                silence.fill(stream.codec.silence());
                silence
            }
            Some(Some(table)) => {
                let Some(converted) = self.scratch.get_mut(..length) else { return };
                for (to, from) in converted.iter_mut().zip(packet.payload) {
                    *to = table[usize::from(*from)];
                }
                converted
            }
        };
        sink.send(PortIndex(to), Channel::Rtp, destination, &header, payload);
    }

    fn event(
        &mut self,
        now: Mono,
        place: u32,
        peer: Option<u32>,
        packet: &Packet<'_>,
        late: bool,
        sink: &mut dyn Sink,
    ) {
        let Some(payload) = EventPayload::parse(packet.payload) else { return };
        let Packet { header, .. } = packet;
        let &Header { ssrc, timestamp, marker, .. } = header;
        let stamp = EventStamp { ssrc, timestamp, marker, late };
        let Some(leg) = self.leg_mut(place) else { return };
        let found = leg.digits_in.get_or_insert_default().receive(now, stamp, payload);
        for recognised in found.into_iter().flatten() {
            self.recognised(place, recognised, DigitSource::Rtp);
            self.tell_conference(place, recognised);
        }
        let relay = self.leg(place).is_some_and(|leg| leg.relay);
        let Some(leg) = peer
            .and_then(|peer| self.ports.get_mut(peer as usize))
            .and_then(|port| port.leg.as_deref_mut())
        else {
            return;
        };
        if !relay {
            return leg.timeline.leave_out(header);
        }
        let Some((stream, destination)) = leg.outlet() else { return };
        let Some(number) = stream.telephone_event else {
            // In-band tones instead: one a press, when it has ended.
            leg.timeline.leave_out(header);
            for recognised in found.into_iter().flatten() {
                if let Recognised::Ended { digit, .. } = recognised {
                    leg.digits_out.push(digit.encode_utf8(&mut [0; 4]));
                }
            }
            return;
        };
        if leg.is_fed() {
            return;
        }
        if let Some(bytes) = leg.timeline.forward(now, header, number, packet.payload.len(), 0)
            && let Some(peer) = peer
        {
            sink.send(PortIndex(peer), Channel::Rtp, destination, &bytes, packet.payload);
        }
    }
}

/// Whether a datagram is the leg's, and whether its source was learned by it.
// A call of its own costs a packet a tenth of its instructions.
#[inline(always)]
fn accept<'a>(
    leg: &mut Leg,
    now: Mono,
    from: SocketAddr,
    bytes: &'a [u8],
) -> Option<(Packet<'a>, Kind, bool)> {
    let stream = leg.stream.as_ref()?;
    let source = leg.source.as_mut()?;
    let packet = Packet::parse(bytes).ok()?;
    let kind = kind_of(stream, packet.header.payload_type)?;
    let learned = match source.judge(now, from, &packet.header) {
        Verdict::Known => false,
        Verdict::Learned => true,
        Verdict::Stranger => return None,
    };
    leg.pace.allows(now).then_some((packet, kind, learned))
}

fn heard(leg: &mut Leg, now: Mono) {
    if let Some(before) = leg.last_packet {
        let gap_ms = now.since(before).as_millis().min(u128::from(u32::MAX)) as u32;
        leg.longest_gap_ms = leg.longest_gap_ms.max(gap_ms);
    }
    if leg.silent_since.is_some() {
        leg.last_packet = Some(now);
        leg.silent_since = Some(now);
        leg.silent_reported = false;
    }
}
