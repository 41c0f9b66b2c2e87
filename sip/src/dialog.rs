//! [`Dialog`]: two user agents and the path between them (RFC 3261 §12, §13.2.2.4, §14).
//!
//! Owns: identifiers, route set, remote target, CSeq in both directions, early or confirmed, and
//! the requests made from them. Does not own: transactions, sessions, which requests are allowed
//! when. One INVITE may make several dialogs, one for each To tag that answers.
//!
//! ```text
//! UAC  INVITE →  ← 180 (tag a)   uac(): early dialog a        UAS  uas(): early, then confirm
//!                ← 180 (tag b)   uac(): early dialog b             on the 2xx we send
//!                ← 200 (tag b)   confirm(): dialog b; a ends
//! ```

use crate::build::RequestBuilder;
use crate::header::{HeaderError, HeaderName, NameAddr};
use crate::message::Message;
use crate::method::Method;
use crate::uri::{Uri, UriError};
use bytes::Bytes;
use compact_str::CompactString;
use hotline_base::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest route set that is followed; a message with more makes no dialog.
pub const ROUTES_MAX: usize = 32;

/// Why a message makes no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// A header it is made of is missing or malformed: the peer's fault.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A tag that is no text, or none where there must be one.
    #[error("a tag is missing or malformed")]
    Tag,
    /// More than [`ROUTES_MAX`] Record-Routes.
    #[error("more than {ROUTES_MAX} routes")]
    TooManyRoutes,
    /// Stored parts that hold no URI.
    #[error("stored URI: {0}")]
    Uri(#[from] UriError),
}

/// Why a request within a dialog is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfOrder {
    /// Its CSeq is not above the last one (RFC 3261 §12.2.2): 500.
    #[error("CSeq out of order")]
    CSeq,
    /// An INVITE of the peer is being answered (§14.2): 500 with Retry-After 0–10 s.
    #[error("another INVITE is in progress")]
    TheirInvite,
    /// Our own INVITE is under way (§14.2): 491.
    #[error("glare with our own INVITE")]
    Glare,
}

impl OutOfOrder {
    /// The status that refuses it.
    pub fn status(self) -> u16 {
        match self {
            OutOfOrder::CSeq | OutOfOrder::TheirInvite => 500,
            OutOfOrder::Glare => 491,
        }
    }
}

/// What names a dialog at one of its ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: CompactString,
    /// Our tag.
    pub local_tag: CompactString,
    /// The peer's tag; empty for an RFC 2543 peer.
    pub remote_tag: CompactString,
}

impl DialogId {
    /// The dialog that a request within one names, seen from us who receive it; `None` outside a
    /// dialog.
    pub fn of_request(request: &Message) -> Option<DialogId> {
        let local_tag = text(&request.to().ok()?.tag()?)?;
        let remote_tag = text(&request.from().ok()?.tag().unwrap_or_default())?;
        Some(DialogId { call_id: text(&request.call_id().ok()?)?, local_tag, remote_tag })
    }

    /// The dialog that a response to our request names.
    pub fn of_response(response: &Message) -> Option<DialogId> {
        let local_tag = text(&response.from().ok()?.tag()?)?;
        let remote_tag = text(&response.to().ok()?.tag().unwrap_or_default())?;
        Some(DialogId { call_id: text(&response.call_id().ok()?)?, local_tag, remote_tag })
    }
}

/// An INVITE within the dialog that has no final response yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Pending {
    #[default]
    None,
    Ours,
    Theirs,
}

/// A dialog; see the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialog {
    id: DialogId,
    confirmed: bool,
    /// Whether we sent the request that made it: we own the Call-ID.
    we_called: bool,
    /// From of our requests, tag included, as on the wire.
    local: Bytes,
    /// To of our requests, tag included.
    remote: Bytes,
    /// Contact of our target refresh requests.
    contact: Bytes,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    remote_target: Uri,
    routes: Vec<NameAddr>,
    pending: Pending,
}

/// A dialog at rest, for checkpoints: every header value as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogParts {
    /// Call-ID and tags.
    pub id: DialogId,
    /// Early or confirmed.
    pub confirmed: bool,
    /// Whether we sent the request that made it.
    pub we_called: bool,
    /// From of our requests.
    #[serde(serialize_with = "hotline_base::bytes::whole")]
    pub local: Vec<u8>,
    /// To of our requests.
    #[serde(serialize_with = "hotline_base::bytes::whole")]
    pub remote: Vec<u8>,
    /// Our Contact.
    #[serde(serialize_with = "hotline_base::bytes::whole")]
    pub contact: Vec<u8>,
    /// The CSeq number of our last request.
    pub local_cseq: u32,
    /// The CSeq number of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// Where the peer is.
    #[serde(serialize_with = "hotline_base::bytes::whole")]
    pub remote_target: Vec<u8>,
    /// The route set, nearest first.
    #[serde(serialize_with = "hotline_base::bytes::whole_each")]
    pub routes: Vec<Vec<u8>>,
}

impl Dialog {
    /// The dialog made by the response to a request we sent (§12.1.2): early by a provisional
    /// response with a To tag, confirmed by a 2xx.
    pub fn uac(request: &Message, response: &Message) -> Result<Dialog, DialogError> {
        let id = DialogId::of_response(response).ok_or(DialogError::Tag)?;
        let confirmed = response.status().is_some_and(|status| status >= 200);
        // A provisional response need not have a Contact; a 2xx must, but not all peers know.
        let remote_target = match response.contact() {
            Ok(contact) => contact.uri.detached(),
            Err(_) => request.request_uri()?.detached(),
        };
        Ok(Dialog {
            id,
            confirmed,
            we_called: true,
            local: value(request, HeaderName::From),
            remote: value(response, HeaderName::To),
            contact: value(request, HeaderName::Contact),
            local_cseq: request.cseq()?.number,
            remote_cseq: None,
            remote_target,
            routes: record_routes(response, true)?,
            pending: if confirmed { Pending::None } else { Pending::Ours },
        })
    }

    /// The dialog made by a request we answer with a tag of ours (§12.1.1); early until
    /// [`Dialog::confirm`]. `contact` is the Contact of our response, as on the wire.
    pub fn uas(request: &Message, local_tag: &str, contact: &[u8]) -> Result<Dialog, DialogError> {
        let to = request.to()?;
        let from = request.from()?;
        let remote_tag = text(&from.tag().unwrap_or_default()).ok_or(DialogError::Tag)?;
        let id = DialogId {
            call_id: text(&request.call_id()?).ok_or(DialogError::Tag)?,
            local_tag: local_tag.into(),
            remote_tag,
        };
        Ok(Dialog {
            id,
            confirmed: false,
            we_called: false,
            local: to.clone().with_tag(local_tag)?.to_bytes(),
            remote: value(request, HeaderName::From),
            contact: Bytes::copy_from_slice(contact),
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
            remote_target: request.contact()?.uri.detached(),
            routes: record_routes(request, false)?,
            pending: Pending::Theirs,
        })
    }

    /// Call-ID and tags.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Whether it is confirmed; else early.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Where the peer is, by its last Contact.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The first place a request goes to: the nearest router, else the peer (§12.2.1.1).
    pub fn next_hop(&self) -> &Uri {
        self.routes.first().map_or(&self.remote_target, |route| &route.uri)
    }

    /// A 2xx confirms it. As UAC give the 2xx that came: its Record-Route replaces the one of the
    /// provisional response (§13.2.2.4) and its Contact the target; as UAS, `None`.
    pub fn confirm(&mut self, response: Option<&Message>) -> Result<(), DialogError> {
        if let Some(response) = response {
            if !self.confirmed {
                self.routes = record_routes(response, true)?;
            }
            self.refresh_target(response);
        }
        self.confirmed = true;
        self.pending = Pending::None;
        Ok(())
    }

    /// Takes the Contact of a target refresh (§12.2): of a re-INVITE or UPDATE that we answer
    /// with 2xx, or of the 2xx to ours. Without one the target stays.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Ok(contact) = message.contact()
            && contact.uri.is_sip()
        {
            self.remote_target = contact.uri.detached();
        }
    }

    /// Judges a request of the peer within the dialog, before it is acted upon. ACK and CANCEL
    /// carry the number of their INVITE and always pass.
    pub fn receive(&mut self, request: &Message) -> Result<(), OutOfOrder> {
        let Ok(cseq) = request.cseq() else { return Err(OutOfOrder::CSeq) };
        if matches!(cseq.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        if self.remote_cseq.is_some_and(|last| cseq.number <= last) {
            return Err(OutOfOrder::CSeq);
        }
        self.remote_cseq = Some(cseq.number);
        if cseq.method == Method::Invite {
            match self.pending {
                Pending::None => self.pending = Pending::Theirs,
                Pending::Ours => return Err(OutOfOrder::Glare),
                Pending::Theirs => return Err(OutOfOrder::TheirInvite),
            }
        }
        Ok(())
    }

    /// Whether an INVITE may be sent: none is under way in either direction (§14.1).
    pub fn may_invite(&self) -> bool {
        self.pending == Pending::None
    }

    /// The INVITE under way, ours or the peer's, has its final response.
    pub fn invite_ended(&mut self) {
        self.pending = Pending::None;
    }

    /// How long to wait after a 491 to our INVITE (§14.1): 2.1–4 s if the Call-ID is ours, else
    /// 0–2 s, in steps of 10 ms.
    pub fn glare_wait(&self, rng: &mut Rng) -> Duration {
        let steps = if self.we_called { 210 + rng.below(191) } else { rng.below(201) };
        Duration::from_millis(10 * steps)
    }

    /// A request within the dialog, with the next CSeq number, route set and, where it refreshes
    /// the target, our Contact. An INVITE counts as under way until [`Dialog::invite_ended`].
    pub fn request(&mut self, method: Method) -> RequestBuilder {
        self.local_cseq = self.local_cseq.saturating_add(1);
        if method == Method::Invite {
            self.pending = Pending::Ours;
        }
        let refreshes = matches!(
            method,
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
        );
        let request = self.routed(method, self.local_cseq);
        if refreshes && !self.contact.is_empty() {
            request.header(HeaderName::Contact, &self.contact)
        } else {
            request
        }
    }

    /// The ACK of a 2xx to the INVITE with this CSeq number (§13.2.2.4).
    pub fn ack(&self, invite_cseq: u32) -> RequestBuilder {
        self.routed(Method::Ack, invite_cseq)
    }

    /// The CSeq number of our last request: that of the INVITE which made the dialog, at first.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// §12.2.1.1: a loose first router leaves the target in the Request-URI; a strict one takes
    /// its place, and the target goes to the end of the route.
    fn routed(&self, method: Method, cseq: u32) -> RequestBuilder {
        let strict = self.routes.first().filter(|route| !route.uri.is_loose_router());
        let uri = strict.map_or(&self.remote_target, |route| &route.uri);
        let mut request = RequestBuilder::new(method, uri.clone())
            .from(&self.local)
            .to(&self.remote)
            .call_id(self.id.call_id.as_bytes())
            .cseq(cseq);
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            request = request.header(HeaderName::Route, route.to_bytes());
        }
        if strict.is_some() {
            let last = NameAddr::of(self.remote_target.clone()).to_bytes();
            request = request.header(HeaderName::Route, last);
        }
        request
    }

    /// The dialog at rest.
    pub fn to_parts(&self) -> DialogParts {
        DialogParts {
            id: self.id.clone(),
            confirmed: self.confirmed,
            we_called: self.we_called,
            local: self.local.to_vec(),
            remote: self.remote.to_vec(),
            contact: self.contact.to_vec(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            remote_target: self.remote_target.as_bytes().to_vec(),
            routes: self.routes.iter().map(|route| route.to_bytes().to_vec()).collect(),
        }
    }

    /// The dialog again; no INVITE is under way.
    pub fn from_parts(parts: DialogParts) -> Result<Dialog, DialogError> {
        if parts.routes.len() > ROUTES_MAX {
            return Err(DialogError::TooManyRoutes);
        }
        let route = |bytes: Vec<u8>| NameAddr::parse(HeaderName::Route, bytes.into());
        Ok(Dialog {
            id: parts.id,
            confirmed: parts.confirmed,
            we_called: parts.we_called,
            local: parts.local.into(),
            remote: parts.remote.into(),
            contact: parts.contact.into(),
            local_cseq: parts.local_cseq,
            remote_cseq: parts.remote_cseq,
            remote_target: Uri::parse(parts.remote_target.into())?,
            routes: parts.routes.into_iter().map(route).collect::<Result<_, _>>()?,
            pending: Pending::None,
        })
    }
}

fn text(bytes: &[u8]) -> Option<CompactString> {
    CompactString::from_utf8(bytes).ok()
}

/// A header as written, in memory of its own.
fn value(message: &Message, name: HeaderName) -> Bytes {
    Bytes::copy_from_slice(message.header(name).unwrap_or_default())
}

fn record_routes(message: &Message, reversed: bool) -> Result<Vec<NameAddr>, DialogError> {
    let mut routes = Vec::new();
    for route in message.record_routes() {
        if routes.len() == ROUTES_MAX {
            return Err(DialogError::TooManyRoutes);
        }
        routes.push(route?.detached());
    }
    if reversed {
        routes.reverse();
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::ViaParameters;
    use crate::flow::Transport;

    fn message(text: &str) -> Message {
        let text = text.trim().replace('\n', "\r\n") + "\r\n\r\n";
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn invite(extra: &str) -> Message {
        message(&format!(
            "INVITE sip:bob@b.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n\
             From: Alice <sip:alice@a.example>;tag=at\nTo: <sip:bob@b.example>\nCall-ID: c1\n\
             CSeq: 7 INVITE\nContact: <sip:alice@192.0.2.1>\n{extra}Content-Length: 0"
        ))
    }

    fn response(status: u16, tag: &str, extra: &str) -> Message {
        message(&format!(
            "SIP/2.0 {status} X\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n\
             From: Alice <sip:alice@a.example>;tag=at\nTo: <sip:bob@b.example>;tag={tag}\n\
             Call-ID: c1\nCSeq: 7 INVITE\n{extra}Content-Length: 0"
        ))
    }

    fn bye(cseq: u32, method: &str) -> Message {
        message(&format!(
            "{method} sip:alice@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK2\n\
             From: <sip:bob@b.example>;tag=bt\nTo: <sip:alice@a.example>;tag=at\nCall-ID: c1\n\
             CSeq: {cseq} {method}\nContact: <sip:bob@198.51.100.9>\nContent-Length: 0"
        ))
    }

    fn written(request: &RequestBuilder) -> Message {
        let via = ViaParameters {
            transport: Transport::Udp,
            host: "192.0.2.1".into(),
            port: None,
            branch: "z9hG4bKx".into(),
            rport: true,
        };
        Message::parse(request.finish(&via).unwrap()).unwrap()
    }

    fn line(message: &Message, name: HeaderName) -> String {
        message.header_text(name).unwrap_or_default().into_owned()
    }

    #[test]
    fn two_forks_make_two_dialogs_and_the_2xx_confirms_one() {
        let invite = invite("");
        let ringing = response(180, "x", "Contact: <sip:bob@phone1>\n");
        let first = Dialog::uac(&invite, &ringing).unwrap();
        let mut second = Dialog::uac(&invite, &response(183, "bt", "")).unwrap();
        assert_ne!(first.id(), second.id());
        assert!(!second.is_confirmed());
        assert_eq!(second.remote_target().as_bytes(), b"sip:bob@b.example", "no Contact yet");
        let answer = response(
            200,
            "bt",
            "Record-Route: <sip:p2;lr>, <sip:p1;lr>\nContact: <sip:bob@phone2:5070>\n",
        );
        second.confirm(Some(&answer)).unwrap();
        assert_eq!(second.next_hop().as_bytes(), b"sip:p1;lr");
        let ack = written(&second.ack(7));
        assert_eq!(ack.request_uri_bytes(), b"sip:bob@phone2:5070");
        assert_eq!(line(&ack, HeaderName::CSeq), "7 ACK");
        assert_eq!(ack.routes().count(), 2);
        let bye = written(&second.request(Method::Bye));
        assert_eq!(line(&bye, HeaderName::CSeq), "8 BYE");
        assert_eq!(line(&bye, HeaderName::To), "<sip:bob@b.example>;tag=bt");
        assert!(bye.header(HeaderName::Contact).is_none());
        let again = written(&second.request(Method::Invite));
        assert_eq!(line(&again, HeaderName::Contact), "<sip:alice@192.0.2.1>");
    }

    #[test]
    fn a_strict_router_takes_the_place_of_the_target() {
        let record = "Record-Route: <sip:strict>, <sip:loose;lr>\n";
        let mut dialog = Dialog::uas(&invite(record), "mine", b"<sip:us@192.0.2.9>").unwrap();
        dialog.confirm(None).unwrap();
        let bye = written(&dialog.request(Method::Bye));
        assert_eq!(bye.request_uri_bytes(), b"sip:strict");
        let routes: Vec<_> =
            bye.routes().map(|route| route.unwrap().uri.as_text().into_owned()).collect();
        assert_eq!(routes, ["sip:loose;lr", "sip:alice@192.0.2.1"]);
        assert_eq!(dialog.next_hop().as_bytes(), b"sip:strict");
        assert_eq!(line(&bye, HeaderName::From), "<sip:bob@b.example>;tag=mine");
        assert_eq!(line(&bye, HeaderName::To), "Alice <sip:alice@a.example>;tag=at");
        assert_eq!(line(&bye, HeaderName::CSeq), "1 BYE");
    }

    #[test]
    fn requests_of_the_peer_come_in_order_and_one_invite_at_a_time() {
        let mut dialog = Dialog::uac(&invite(""), &response(200, "bt", "")).unwrap();
        dialog.confirm(None).unwrap();
        assert_eq!(DialogId::of_request(&bye(1, "BYE")).as_ref(), Some(dialog.id()));
        assert_eq!(dialog.receive(&bye(5, "INFO")), Ok(()));
        assert_eq!(dialog.receive(&bye(5, "INFO")), Err(OutOfOrder::CSeq));
        assert_eq!(dialog.receive(&bye(4, "INFO")), Err(OutOfOrder::CSeq));
        assert_eq!(dialog.receive(&bye(4, "ACK")), Ok(()));
        assert_eq!(dialog.receive(&bye(6, "INVITE")), Ok(()));
        assert!(!dialog.may_invite());
        assert_eq!(dialog.receive(&bye(7, "INVITE")), Err(OutOfOrder::TheirInvite));
        dialog.refresh_target(&bye(6, "INVITE"));
        assert_eq!(dialog.remote_target().as_bytes(), b"sip:bob@198.51.100.9");
        dialog.invite_ended();
        let _ours = dialog.request(Method::Invite);
        let glare = dialog.receive(&bye(8, "INVITE")).unwrap_err();
        assert_eq!((glare, glare.status()), (OutOfOrder::Glare, 491));
        assert_eq!(dialog.receive(&bye(9, "BYE")), Ok(()), "a refused INVITE used its number");
        let mut rng = Rng::from_number(1);
        for _ in 0..100 {
            let wait = dialog.glare_wait(&mut rng).as_millis();
            assert!((2100..=4000).contains(&wait) && wait.is_multiple_of(10));
        }
    }

    #[test]
    fn a_dialog_survives_a_checkpoint() {
        let record = "Record-Route: <sip:p1;lr>\nContact: \"B\" <sip:bob@phone>\n";
        let mut dialog = Dialog::uac(&invite(""), &response(200, "bt", record)).unwrap();
        dialog.confirm(None).unwrap();
        let restored = Dialog::from_parts(dialog.to_parts()).unwrap();
        assert_eq!(restored, dialog);
        assert_eq!(
            written(&restored.clone().request(Method::Bye)).as_bytes(),
            written(&dialog.request(Method::Bye)).as_bytes()
        );
    }

    #[test]
    fn what_makes_no_dialog() {
        let routes = format!("Record-Route: <sip:p;lr>{}\n", ", <sip:p;lr>".repeat(ROUTES_MAX));
        let uas = |request: &Message| Dialog::uas(request, "t", b"<sip:us>").unwrap_err();
        assert_eq!(uas(&invite(&routes)), DialogError::TooManyRoutes);
        let nowhere = bytes::Bytes::from(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n",
        );
        let nowhere = Message::parse(nowhere).unwrap();
        assert!(matches!(uas(&nowhere), DialogError::Header(_)), "no Contact");
    }
}
