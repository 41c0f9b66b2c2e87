//! Session descriptions (RFC 8866): parsing what peers send, printing what we send.
//!
//! Owns: the lines that audio needs (`o= s= c= t= m= a=`), tolerant of everything else: unknown
//! and malformed optional lines are left out, lines end with CRLF or LF, text need not be UTF-8.
//! Bounded by [`BODY_BYTES_MAX`], [`MEDIA_MAX`], [`FORMATS_MAX`] and [`ATTRIBUTES_MAX`]; a body
//! past a limit is refused.
//!
//! Does not own: what the lines mean together; that is [`crate::offer_answer`].

mod multipart;
mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use multipart::{MultipartError, find_in_body};
pub use parse::SdpError;

use crate::command::Direction;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Largest body that is looked at, in bytes; a longer one is refused.
pub const BODY_BYTES_MAX: usize = 32 * 1024;
/// Most `m=` lines; a description with more is refused.
pub const MEDIA_MAX: usize = 16;
/// Most formats of one `m=` line; a description with more is refused.
pub const FORMATS_MAX: usize = 64;
/// Most `a=` lines of a whole description; a description with more is refused.
pub const ATTRIBUTES_MAX: usize = 512;

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// `o=`: whose session, and which version of it.
    pub origin: Origin,
    /// `s=`, without meaning.
    pub session_name: CompactString,
    /// `c=` of the session, valid for each media without its own.
    pub connection: Option<ConnectionAddress>,
    /// `a=` lines before the first `m=`.
    pub attributes: Vec<Attribute>,
    /// The `m=` sections, in order.
    pub media: Vec<Media>,
}

/// `o=` (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `-` for ours.
    pub username: CompactString,
    /// Names the session; a number too long for 64 bits is cut, anything else reads as 0.
    pub session_id: u64,
    /// Grows by one with each change (RFC 3264 §8).
    pub version: u64,
    /// Where the description was made.
    pub address: ConnectionAddress,
}

/// The address of a `c=` or `o=` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionAddress {
    /// An address; a multicast TTL or count behind it is left out.
    Ip(IpAddr),
    /// A host name. Allowed by the grammar; nobody resolves it here.
    Name(CompactString),
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// `audio`, `video`, `image`, …, in lower case.
    pub kind: CompactString,
    /// The transport port; 0 is a refused or ended stream.
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `udptl`, … as written.
    pub protocol: CompactString,
    /// Payload type numbers for RTP; kept as written, since other protocols have names.
    pub formats: Vec<CompactString>,
    /// `c=` of this section.
    pub connection: Option<ConnectionAddress>,
    /// `a=` lines of this section.
    pub attributes: Vec<Attribute>,
}

/// One `a=` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Before the colon, as written.
    pub name: CompactString,
    /// After the colon; `None` for a property attribute such as `sendonly`.
    pub value: Option<CompactString>,
}

/// `a=rtpmap` (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// The payload type number, 0–127.
    pub payload_type: u8,
    /// The encoding's name; compare without case.
    pub encoding: &'a str,
    /// Clock rate in Hz.
    pub clock_rate_hz: u32,
    /// Channels; 1 if not written.
    pub channels: u8,
}

impl Attribute {
    /// `a=name`.
    pub fn flag(name: &str) -> Self {
        Attribute { name: name.into(), value: None }
    }

    /// `a=name:value`.
    pub fn with(name: &str, value: impl Into<CompactString>) -> Self {
        Attribute { name: name.into(), value: Some(value.into()) }
    }
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// [`SdpError`] names the line that is missing or wrong, or the limit that was passed.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        parse::parse(body)
    }

    /// The connection address that counts for a section: its own, else the session's.
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a ConnectionAddress> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// Where a section says to send RTP; `None` without an address or with a host name.
    pub fn rtp_address_of(&self, media: &Media) -> Option<SocketAddr> {
        match self.connection_of(media)? {
            ConnectionAddress::Ip(ip) => Some(SocketAddr::new(*ip, media.port)),
            ConnectionAddress::Name(_) => None,
        }
    }

    /// Where a section says to send RTCP: `a=rtcp` (RFC 3605), else the RTP port + 1.
    pub fn rtcp_address_of(&self, media: &Media) -> Option<SocketAddr> {
        let rtp = self.rtp_address_of(media)?;
        let (port, address) = media.rtcp().unwrap_or((rtp.port().saturating_add(1), None));
        Some(SocketAddr::new(address.unwrap_or(rtp.ip()), port))
    }

    /// The direction a section declares, seen from its author; `sendrecv` if nothing is said.
    pub fn direction_of(&self, media: &Media) -> Direction {
        direction_in(&media.attributes)
            .or_else(|| direction_in(&self.attributes))
            .unwrap_or(Direction::SendRecv)
    }
}

impl Media {
    /// The value of the first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
            .map(|attribute| attribute.value.as_deref().unwrap_or(""))
    }

    /// The `rtpmap` of a payload type; static types of G.711 need none (RFC 3551 §6).
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'_>> {
        let written = self.rtpmaps().find(|map| map.payload_type == payload_type);
        written.or_else(|| {
            let encoding = match payload_type {
                0 => "PCMU",
                8 => "PCMA",
                _ => return None,
            };
            Some(RtpMap { payload_type, encoding, clock_rate_hz: 8000, channels: 1 })
        })
    }

    /// Every readable `rtpmap` line, in order.
    pub fn rtpmaps(&self) -> impl Iterator<Item = RtpMap<'_>> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.name.eq_ignore_ascii_case("rtpmap"))
            .filter_map(|attribute| parse_rtpmap(attribute.value.as_deref()?))
    }

    /// The format parameters of a payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<&str> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.name.eq_ignore_ascii_case("fmtp"))
            .filter_map(|attribute| attribute.value.as_deref()?.trim().split_once(' '))
            .find(|(number, _)| number.parse() == Ok(payload_type))
            .map(|(_, parameters)| parameters.trim())
    }

    /// The payload types of the `m=` line, in the order of preference.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|&number| number < 128)
    }

    /// `a=ptime` in ms, rounded down.
    pub fn ptime_ms(&self) -> Option<u16> {
        whole_ms(self.attribute("ptime")?)
    }

    /// `a=maxptime` in ms, rounded down.
    pub fn maxptime_ms(&self) -> Option<u16> {
        whole_ms(self.attribute("maxptime")?)
    }

    /// `a=rtcp`: the port and, if written, the address (RFC 3605).
    pub fn rtcp(&self) -> Option<(u16, Option<IpAddr>)> {
        let mut words = self.attribute("rtcp")?.split_ascii_whitespace();
        let port = words.next()?.parse().ok().filter(|&port| port != 0)?;
        Some((port, words.nth(2).and_then(|address| address.parse().ok())))
    }

    /// Whether `a=rtcp-mux` is there (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }
}

/// The attribute's name of a direction.
pub fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

fn direction_in(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|&direction| attribute.name.eq_ignore_ascii_case(direction_name(direction)))
    })
}

fn parse_rtpmap(value: &str) -> Option<RtpMap<'_>> {
    let (number, encoding) = value.trim().split_once([' ', '\t'])?;
    let payload_type = number.parse().ok().filter(|&number| number < 128)?;
    let mut parts = encoding.trim().split('/');
    let encoding = parts.next().filter(|name| !name.is_empty())?;
    let clock_rate_hz = parts.next()?.trim().parse().ok()?;
    let channels = parts.next().and_then(|channels| channels.trim().parse().ok()).unwrap_or(1);
    Some(RtpMap { payload_type, encoding, clock_rate_hz, channels })
}

fn whole_ms(value: &str) -> Option<u16> {
    value.trim().split('.').next()?.parse().ok()
}
