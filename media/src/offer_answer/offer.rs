//! Making offers, first and later ones.

use super::{Local, PTIME_MS_DEFAULT};
use crate::command::Codec;
use crate::sdp::{Attribute, ConnectionAddress, Media, Origin, SessionDescription, direction_name};
use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;

/// A first offer: one audio stream with our codecs in our order (RFC 3264 §5).
pub fn make_offer(local: &Local<'_>) -> SessionDescription {
    let mut formats: Vec<CompactString> = Vec::with_capacity(local.codecs.len() + 1);
    let mut attributes = Vec::with_capacity(local.codecs.len() + 4);
    for &codec in local.codecs {
        let number = codec.static_payload_type();
        formats.push(format_compact!("{number}"));
        attributes.push(codec_map(number, codec));
    }
    if let Some(number) = local.telephone_event {
        formats.push(format_compact!("{number}"));
        attributes.extend(telephone_event_lines(number));
    }
    attributes.push(Attribute::with("ptime", format_compact!("{PTIME_MS_DEFAULT}")));
    attributes.push(Attribute::flag(direction_name(local.direction)));
    let audio = Media {
        kind: "audio".into(),
        port: local.rtp_port,
        protocol: "RTP/AVP".into(),
        formats,
        connection: None,
        attributes,
    };
    description(local, vec![audio])
}

/// A later offer in a dialog: like [`make_offer`], but every `m=` line of the description we sent
/// last keeps its place (RFC 3264 §8), those we do not serve with port 0. The version grows only
/// if something changed.
pub fn make_reoffer(last_sent: &SessionDescription, local: &Local<'_>) -> SessionDescription {
    let mut offer = make_offer(local);
    if let Some(audio) = offer.media.pop() {
        let place = last_sent
            .media
            .iter()
            .position(|media| media.kind == "audio" && media.port != 0)
            .unwrap_or(0);
        offer.media = last_sent.media.iter().map(refused).collect();
        match offer.media.get_mut(place) {
            Some(slot) => *slot = Media { protocol: slot.protocol.clone(), ..audio },
            None => offer.media.push(audio),
        }
    }
    set_version_after(&mut offer, last_sent);
    offer
}

/// Gives `next` the session number of the description we sent last and its version, plus one if
/// anything else differs (RFC 3264 §8).
pub fn set_version_after(next: &mut SessionDescription, last_sent: &SessionDescription) {
    next.origin.session_id = last_sent.origin.session_id;
    next.origin.version = last_sent.origin.version;
    if next != last_sent {
        next.origin.version = last_sent.origin.version.wrapping_add(1);
    }
}

/// The codecs to offer to the second leg of a call: the first leg's codec, then the others, so
/// that the pair shares one if the second peer can.
pub fn codecs_for_second_leg(first_leg: Codec, configured: &[Codec]) -> SmallVec<[Codec; 2]> {
    let mut codecs = SmallVec::new();
    codecs.push(first_leg);
    codecs.extend(configured.iter().copied().filter(|&codec| codec != first_leg));
    codecs
}

pub(super) fn description(local: &Local<'_>, media: Vec<Media>) -> SessionDescription {
    let address = ConnectionAddress::Ip(local.address);
    SessionDescription {
        origin: Origin {
            username: "-".into(),
            session_id: local.session_id,
            version: local.version,
            address: address.clone(),
        },
        session_name: "-".into(),
        connection: Some(address),
        attributes: Vec::new(),
        media,
    }
}

/// The same stream with port 0: refused, or ended (RFC 3264 §6, §8.2). One format stays, since
/// the grammar wants one.
pub(super) fn refused(media: &Media) -> Media {
    Media {
        kind: media.kind.clone(),
        port: 0,
        protocol: media.protocol.clone(),
        formats: media.formats.first().cloned().into_iter().collect(),
        connection: None,
        attributes: Vec::new(),
    }
}

pub(super) fn codec_map(number: u8, codec: Codec) -> Attribute {
    Attribute::with("rtpmap", format_compact!("{number} {}/8000", codec.name()))
}

pub(super) fn telephone_event_lines(number: u8) -> [Attribute; 2] {
    [
        Attribute::with("rtpmap", format_compact!("{number} telephone-event/8000")),
        Attribute::with("fmtp", format_compact!("{number} 0-15")),
    ]
}
