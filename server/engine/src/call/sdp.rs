//! Session descriptions in SIP messages: reading them, refusing them, our address in ours.
//!
//! Does not own what they mean together (`hotline_media::offer_answer`).

use crate::body::{Unread, session_description};
use crate::context::Context;
use hotline_media::command::{Codec, Direction, PortGrant};
use hotline_media::offer_answer::{Local, Refusal, TELEPHONE_EVENT_DEFAULT};
use hotline_media::sdp::SessionDescription;
use hotline_sip::flow::Flow;
use hotline_sip::message::Message;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::ops::Deref;

/// The media type of SDP.
pub(crate) const SDP: &str = "application/sdp";

/// Why the session description of a message cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The body is something else: 415.
    NotSdp(Unread),
    /// It cannot be read: 400.
    Unreadable(String),
}

/// The session description of a message; `None` when it has none and may do without.
pub(crate) fn of_message(message: &Message) -> Option<Result<SessionDescription, Fault>> {
    let sdp = match session_description(message) {
        Ok(sdp) => sdp?,
        Err(why) => return Some(Err(Fault::NotSdp(why))),
    };
    Some(SessionDescription::parse(sdp).map_err(|error| Fault::Unreadable(error.to_string())))
}

/// A session description that stays as it is, with its text once somebody has asked for it: what
/// is sent in a body is written again with each checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    description: SessionDescription,
    text: OnceCell<String>,
}

impl Described {
    /// As it stands in a body.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| self.description.to_text())
    }
}

impl From<SessionDescription> for Described {
    fn from(description: SessionDescription) -> Described {
        Described { description, text: OnceCell::new() }
    }
}

impl Deref for Described {
    type Target = SessionDescription;
    fn deref(&self) -> &SessionDescription {
        &self.description
    }
}

/// Our side of one leg's session, as it is offered or answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    /// Address in `c=`.
    pub address: IpAddr,
    /// RTP port.
    pub rtp_port: u16,
    /// Number in `o=`.
    pub id: u64,
}

impl Session {
    /// A new session on a port, seen from the peer of a flow.
    pub fn new(cx: &mut Context<'_>, flow: &Flow, port: &PortGrant) -> Session {
        let bound = Some(port.address).filter(|address| !address.is_unspecified());
        let advertised = cx.settings.media_advertise;
        let address = advertised.or(bound).unwrap_or(flow.local.ip()).to_canonical();
        // 62 bits: some peers read the number as a signed one.
        Session { address, rtp_port: port.rtp, id: cx.rng.next_u64() >> 2 }
    }

    /// The same as offer/answer wants it.
    pub fn local<'a>(&self, codecs: &'a [Codec]) -> Local<'a> {
        Local {
            address: self.address,
            rtp_port: self.rtp_port,
            session_id: self.id,
            version: 1,
            codecs,
            telephone_event: Some(TELEPHONE_EVENT_DEFAULT),
            direction: Direction::SendRecv,
        }
    }
}

/// The value of a Warning header (RFC 3261 §20.43) for an offer that was refused.
pub(crate) fn warning(cx: &Context<'_>, refusal: &Refusal) -> String {
    warning_text(cx, refusal.warning_code(), &refusal.to_string())
}

/// The value of a Warning header.
pub(crate) fn warning_text(cx: &Context<'_>, code: u16, text: &str) -> String {
    let agent = cx.config.domains.first().map_or("hotline", String::as_str);
    let text: String =
        text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).take(120).collect();
    format!("{code} {agent} \"{text}\"")
}
