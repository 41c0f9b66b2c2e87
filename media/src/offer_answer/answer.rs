//! Making and reading answers.

use super::offer::{codec_map, description, refused, telephone_event_lines};
use super::{Local, PTIME_MS, PTIME_MS_DEFAULT};
use crate::command::{Codec, Direction, StreamParameters};
use crate::sdp::{Attribute, Media, SessionDescription, direction_name};
use compact_str::{CompactString, format_compact};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Why an offer cannot be answered: 488 Not Acceptable Here, with a Warning (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No `m=audio`.
    #[error("no audio stream offered")]
    NoAudio,
    /// Every audio stream has port 0.
    #[error("audio stream offered with port 0")]
    PortZero,
    /// Only audio over a transport we do not speak.
    #[error("audio transport {0} is not supported, RTP/AVP is")]
    Transport(CompactString),
    /// No `c=` line, a host name, a multicast address, or another address family than ours.
    #[error("no usable connection address")]
    Address,
    /// None of our codecs.
    #[error("no common audio codec")]
    NoCommonCodec,
}

impl Refusal {
    /// The SIP status to refuse with.
    pub const fn status(&self) -> u16 {
        488
    }

    /// The Warning's code (RFC 3261 §20.43).
    pub const fn warning_code(&self) -> u16 {
        match self {
            Refusal::NoAudio | Refusal::PortZero => 304,
            Refusal::Transport(_) => 302,
            Refusal::Address => 301,
            Refusal::NoCommonCodec => 305,
        }
    }
}

/// Why an answer to our offer cannot be used; the peer's fault, the call is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AnswerFault {
    /// Fewer or more `m=` lines than offered, or of another kind (RFC 3264 §6).
    #[error("expected the m= lines of the offer, in its order")]
    StreamsDiffer,
    /// The audio stream was refused with port 0.
    #[error("the audio stream was refused")]
    Refused,
    /// No codec of the offer.
    #[error("expected a codec of the offer")]
    NoCommonCodec,
    /// No `c=` line, a host name, or a multicast address.
    #[error("expected a usable connection address")]
    Address,
}

/// Answers an offer (RFC 3264 §6): its first audio stream that we can serve, every other stream
/// refused in its place. A hold is answered with the direction reversed.
///
/// # Errors
/// [`Refusal`] when no audio stream can be served.
pub fn make_answer(
    offer: &SessionDescription,
    local: &Local<'_>,
) -> Result<(SessionDescription, StreamParameters), Refusal> {
    let mut refusal = Refusal::NoAudio;
    let mut accepted = None;
    for (place, media) in offer.media.iter().enumerate().filter(|(_, media)| is_audio(media)) {
        match accept(offer, media, local) {
            Ok(parameters) => {
                accepted = Some((place, media, parameters));
                break;
            }
            Err(reason) => refusal = reason,
        }
    }
    let (place, audio, parameters) = accepted.ok_or(refusal)?;
    let mut media: Vec<Media> = offer.media.iter().map(refused).collect();
    media[place] = answer_stream(audio, local, &parameters);
    Ok((description(local, media), parameters))
}

/// What an answer to our offer settles (RFC 3264 §7).
///
/// # Errors
/// [`AnswerFault`] when the answer does not fit the offer or refuses the audio.
pub fn read_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<StreamParameters, AnswerFault> {
    let fits = offer.media.len() == answer.media.len()
        && offer.media.iter().zip(&answer.media).all(|(ours, theirs)| ours.kind == theirs.kind);
    let place = offer.media.iter().position(|media| is_audio(media) && media.port != 0);
    let (true, Some(place)) = (fits, place) else { return Err(AnswerFault::StreamsDiffer) };
    let (ours, theirs) = (&offer.media[place], &answer.media[place]);
    if theirs.port == 0 {
        return Err(AnswerFault::Refused);
    }
    let remote = usable_address(answer, theirs).ok_or(AnswerFault::Address)?;
    let offered = |codec: Codec| ours.payload_types().any(|pt| codec_of(ours, pt) == Some(codec));
    let (payload_type, codec) = first_codec(theirs, offered).ok_or(AnswerFault::NoCommonCodec)?;
    let telephone_event = telephone_event_of(theirs);
    let telephone_event_receive = telephone_event_of(ours).filter(|_| telephone_event.is_some());
    Ok(StreamParameters {
        remote,
        signalling: remote.ip(),
        remote_rtcp: answer.rtcp_address_of(theirs).unwrap_or(remote),
        codec,
        payload_type,
        telephone_event: telephone_event.filter(|_| telephone_event_receive.is_some()),
        telephone_event_receive,
        ptime_ms: packet_time_ms(theirs),
        direction: our_direction(answer, theirs, remote.ip()).and(offer.direction_of(ours)),
    })
}

fn is_audio(media: &Media) -> bool {
    media.kind == "audio"
}

fn accept(
    offer: &SessionDescription,
    media: &Media,
    local: &Local<'_>,
) -> Result<StreamParameters, Refusal> {
    if media.port == 0 {
        return Err(Refusal::PortZero);
    }
    let known =
        ["RTP/AVP", "RTP/AVPF"].iter().any(|name| media.protocol.eq_ignore_ascii_case(name));
    if !known {
        return Err(Refusal::Transport(media.protocol.clone()));
    }
    let remote = usable_address(offer, media).ok_or(Refusal::Address)?;
    if remote.is_ipv4() != local.address.is_ipv4() && !remote.ip().is_unspecified() {
        return Err(Refusal::Address);
    }
    let (payload_type, codec) =
        first_codec(media, |codec| local.codecs.contains(&codec)).ok_or(Refusal::NoCommonCodec)?;
    let telephone_event = telephone_event_of(media).filter(|_| local.telephone_event.is_some());
    Ok(StreamParameters {
        remote,
        signalling: remote.ip(),
        remote_rtcp: offer.rtcp_address_of(media).unwrap_or(remote),
        codec,
        payload_type,
        telephone_event,
        telephone_event_receive: telephone_event,
        ptime_ms: packet_time_ms(media),
        direction: our_direction(offer, media, remote.ip()).and(local.direction),
    })
}

fn answer_stream(offered: &Media, local: &Local<'_>, parameters: &StreamParameters) -> Media {
    let number = parameters.payload_type;
    let mut formats = vec![format_compact!("{number}")];
    let mut attributes = vec![codec_map(number, parameters.codec)];
    if let Some(number) = parameters.telephone_event {
        formats.push(format_compact!("{number}"));
        attributes.extend(telephone_event_lines(number));
    }
    attributes.push(Attribute::with("ptime", format_compact!("{}", parameters.ptime_ms)));
    attributes.push(Attribute::flag(direction_name(parameters.direction)));
    Media {
        kind: offered.kind.clone(),
        port: local.rtp_port,
        protocol: offered.protocol.clone(),
        formats,
        connection: None,
        attributes,
    }
}

/// The stream's address, unless nobody could send to it. `0.0.0.0` is an old form of hold
/// (RFC 3264 §8.4) and passes.
fn usable_address(description: &SessionDescription, media: &Media) -> Option<SocketAddr> {
    let address = description.rtp_address_of(media)?;
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    (!ip.is_multicast() && !broadcast).then_some(address)
}

/// Which way audio flows, seen from us. To `0.0.0.0` or `::` nothing can be sent, whatever the
/// attribute says.
fn our_direction(description: &SessionDescription, media: &Media, remote: IpAddr) -> Direction {
    let direction = description.direction_of(media).reversed();
    if remote.is_unspecified() { direction.and(Direction::RecvOnly) } else { direction }
}

fn first_codec(media: &Media, wanted: impl Fn(Codec) -> bool) -> Option<(u8, Codec)> {
    media
        .payload_types()
        .filter_map(|number| Some((number, codec_of(media, number)?)))
        .find(|&(_, codec)| wanted(codec))
}

fn codec_of(media: &Media, payload_type: u8) -> Option<Codec> {
    let map = media.rtpmap(payload_type)?;
    [Codec::Pcma, Codec::Pcmu].into_iter().find(|codec| {
        map.encoding.eq_ignore_ascii_case(codec.name())
            && map.clock_rate_hz == 8000
            && map.channels == 1
    })
}

fn telephone_event_of(media: &Media) -> Option<u8> {
    media.payload_types().find(|&number| {
        media.rtpmap(number).is_some_and(|map| {
            map.encoding.eq_ignore_ascii_case("telephone-event") && map.clock_rate_hz == 8000
        })
    })
}

/// The peer's wish within [`PTIME_MS`] in steps of 10 ms, never over its `maxptime`.
fn packet_time_ms(media: &Media) -> u16 {
    let wish = media.ptime_ms().unwrap_or(PTIME_MS_DEFAULT);
    let most = media.maxptime_ms().unwrap_or(u16::MAX).max(*PTIME_MS.start());
    let time_ms =
        if PTIME_MS.contains(&wish) && wish.is_multiple_of(10) { wish } else { PTIME_MS_DEFAULT };
    time_ms.min(most / 10 * 10)
}
