//! [`Leg`]: one side of a call: its dialog, its session and its media.
//!
//! Owns: what was offered and answered in the dialog, which way audio flows, requests of ours
//! inside the dialog. Does not own: the caller's first INVITE ([`super::caller`]), ringing
//! ([`super::offer`]), what the other side hears ([`super::call`]).
//! RFC 3261 §12, §14; RFC 3264 §8.

use super::Step;
use super::across::Across;
use super::feature::Keys;
use super::media::MediaLeg;
use super::sdp::{Described, SDP, Session};
use super::trace::{Lane, sdp_note};
use crate::checkpoint::LegCheckpoint;
use crate::context::User;
use hotline_media::command::Codec;
use hotline_media::offer_answer::{
    AnswerFault, Refusal, make_answer, make_offer, make_reoffer, read_answer, set_version_after,
};
use hotline_media::sdp::SessionDescription;
use hotline_sip::Method;
use hotline_sip::build::{RequestBuilder, ResponseBuilder};
use hotline_sip::dialog::Dialog;
use hotline_sip::flow::Flow;
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::{ClientId, ConnectionId, ServerId};
use std::net::SocketAddr;

/// The methods a call's dialog serves.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";

/// What a response copies from its request.
const ANSWERED_WITH: [HeaderName; 6] = [
    HeaderName::Via,
    HeaderName::RecordRoute,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
];

/// One side of a call.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// Call, number of the leg, flow.
    pub lane: Lane,
    /// The dialog, early or confirmed.
    pub dialog: Dialog,
    /// The media worker's side.
    pub media: MediaLeg,
    /// Our address, port and session number.
    pub session: Session,
    /// What we sent last.
    pub local_sdp: Option<Described>,
    /// What the peer sent last.
    pub remote_sdp: Option<Described>,
    /// An offer of ours in a 200: the INVITE's transaction; its ACK brings the answer.
    pub awaits_answer: Option<ServerId>,
    /// The binding of an agent's phone: softphone number and contact. Its flow may change.
    pub binding: Option<Binding>,
    /// Whether our requests go where the peer's Contact or route says (a trunk), not back where
    /// its requests came from (a phone, which may be behind a NAT).
    pub to_contact: bool,
    /// Whether the peer holds us: we may not send.
    pub held: bool,
    /// What a single-phone agent has typed; `None` for everybody else, whose digits are for the
    /// other side.
    pub keys: Option<Keys>,
    /// Whether a single-phone agent holds the other side by its keys.
    pub holds: bool,
    /// The line that this leg was lent by, by its call's serial number.
    pub home: Option<u32>,
}

/// A dialog and the way to its peer.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Call, leg, and the flow of the INVITE.
    pub lane: Lane,
    /// The dialog.
    pub dialog: Dialog,
    /// See [`Leg::binding`].
    pub binding: Option<Binding>,
    /// See [`Leg::to_contact`].
    pub to_contact: bool,
}

impl Path {
    /// The flow our requests leave by: that of the phone's binding as it is now, for it may have
    /// connected anew; to a trunk its connection, else the address its Contact or route names.
    fn flow(&self, step: &Step<'_, '_>) -> Flow {
        let flow = self.lane.flow;
        if let Some(binding) = &self.binding {
            let bindings = step.cx.registrar.lookup(&binding.number);
            let bound = bindings.iter().find(|found| found.contact.as_text() == binding.contact);
            return bound.map_or(flow, |bound| bound.flow);
        }
        match self.to_contact {
            true => flow_to_contact(flow, &self.dialog),
            false => flow,
        }
    }

    /// Ends the dialog with BYE (RFC 3261 §15.1.1).
    pub fn hang_up(&mut self, step: &mut Step<'_, '_>, reason: &str) {
        self.lane.flow = self.flow(step);
        let bye = self.dialog.request(Method::Bye).header(HeaderName::Reason, reason);
        let bye = bye.header(HeaderName::UserAgent, &step.cx.settings.user_agent);
        send_request(step, &self.lane, bye, reason.to_owned());
    }
}

/// Where the requests of a dialog with a trunk go: by its connection, else to the address that its
/// Contact or route names (RFC 3261 §12.2.1.1), which need not be the INVITE's.
pub(crate) fn flow_to_contact(flow: Flow, dialog: &Dialog) -> Flow {
    let next = dialog.next_hop();
    match next.host_address() {
        Some(address) if flow.connection.is_none() => {
            let port = next.port().unwrap_or(flow.transport.default_port());
            Flow { remote: SocketAddr::new(address, port), ..flow }
        }
        _ => flow,
    }
}

/// Which registration a leg hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Softphone number.
    pub number: String,
    /// Contact URI as registered.
    pub contact: String,
}

impl Leg {
    /// Answers an offer of the peer. The codec in use is kept if it is offered still.
    ///
    /// # Errors
    /// [`Refusal`]: 488, and the session stays as it was (RFC 3261 §14.2).
    pub fn answer_offer(
        &mut self,
        step: &mut Step<'_, '_>,
        offer: SessionDescription,
    ) -> Result<Described, Refusal> {
        let session = self.session;
        let kept: Option<[Codec; 1]> = self.media.codec().map(|codec| [codec]);
        let first = kept.as_ref().map(|codecs| make_answer(&offer, &session.local(codecs)));
        let (mut answer, stream) = match first {
            Some(Ok(made)) => made,
            _ => make_answer(&offer, &session.local(&step.cx.settings.codecs))?,
        };
        if let Some(last) = &self.local_sdp {
            set_version_after(&mut answer, last);
        }
        self.held = !stream.direction.sends();
        self.media.set_stream(step.cx.out, &self.lane.flow, stream);
        let answer = Described::from(answer);
        self.local_sdp = Some(answer.clone());
        self.remote_sdp = Some(offer.into());
        Ok(answer)
    }

    /// An offer of ours, for an INVITE that has none.
    pub fn offer(&mut self, step: &mut Step<'_, '_>) -> Described {
        let local = self.session.local(&step.cx.settings.codecs);
        let offer = Described::from(match &self.local_sdp {
            Some(last) => make_reoffer(last, &local),
            None => make_offer(&local),
        });
        self.local_sdp = Some(offer.clone());
        offer
    }

    /// The answer to what we sent last.
    ///
    /// # Errors
    /// [`AnswerFault`]: the session cannot begin or go on.
    pub fn read_answer(
        &mut self,
        step: &mut Step<'_, '_>,
        answer: SessionDescription,
    ) -> Result<(), AnswerFault> {
        let offer = self.local_sdp.as_ref().ok_or(AnswerFault::StreamsDiffer)?;
        let stream = read_answer(offer, &answer)?;
        self.held = !stream.direction.sends();
        self.media.set_stream(step.cx.out, &self.lane.flow, stream);
        self.remote_sdp = Some(answer.into());
        Ok(())
    }

    /// Ends the dialog with BYE; the transaction carries it from here.
    pub fn hang_up(&mut self, step: &mut Step<'_, '_>, reason: &str) {
        self.path().hang_up(step, reason);
    }

    /// A connection is gone. A trunk is connected to anew, where its Contact says.
    pub fn forget_connection(&mut self, connection: ConnectionId) {
        if self.to_contact && self.lane.flow.connection == Some(connection) {
            self.lane.flow.connection = None;
        }
    }

    /// The dialog and the way to the peer, without session and media.
    pub fn path(&self) -> Path {
        Path {
            lane: self.lane,
            dialog: self.dialog.clone(),
            binding: self.binding.clone(),
            to_contact: self.to_contact,
        }
    }

    /// Answers a request of the dialog.
    pub fn respond(
        &self,
        step: &mut Step<'_, '_>,
        server: ServerId,
        request: &Message,
        response: ResponseBuilder,
        note: String,
    ) {
        send_response(step, &self.lane, server, request, response, note);
    }

    /// A 200 with a session description and what makes a dialog go on.
    pub fn ok_with(
        &self,
        step: &Step<'_, '_>,
        request: &Message,
        sdp: &Described,
    ) -> ResponseBuilder {
        ResponseBuilder::new(request, 200)
            .header(HeaderName::Contact, step.contact(&self.lane.flow))
            .header(HeaderName::Allow, ALLOW)
            .body(SDP, sdp.text().to_owned())
    }

    /// What a checkpoint keeps of it.
    pub fn checkpoint(&self, open_invite: Option<&Message>) -> LegCheckpoint {
        let flow = &self.lane.flow;
        LegCheckpoint {
            dialog: Some(self.dialog.to_parts()),
            open_invite: open_invite.map(answerable_part),
            flow: (flow.transport.as_str().to_owned(), flow.local, flow.remote),
            local_sdp: self.local_sdp.as_ref().map(|sdp| sdp.text().to_owned()),
            remote_sdp: self.remote_sdp.as_ref().map(|sdp| sdp.text().to_owned()),
            port: Some(self.media.port),
        }
    }
}

/// What a final response to an INVITE is made of (RFC 3261 §8.2.6.2, §12.1.1): neither credentials
/// nor a body are for the journal.
fn answerable_part(invite: &Message) -> Vec<u8> {
    let mut kept = Vec::with_capacity(512);
    kept.extend_from_slice(b"INVITE ");
    kept.extend_from_slice(invite.request_uri_bytes());
    kept.extend_from_slice(b" SIP/2.0\r\n");
    for field in invite.fields().filter(|field| ANSWERED_WITH.contains(&field.name)) {
        kept.extend_from_slice(field.name.as_str().as_bytes());
        kept.extend_from_slice(b": ");
        kept.extend_from_slice(field.value);
        kept.extend_from_slice(b"\r\n");
    }
    kept.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    kept
}

/// Parts with an agent's leg: a lent one goes back to its line, any other is hung up and closed.
/// `gone`: the peer has ended its dialog itself.
pub(crate) fn part_with(step: &mut Step<'_, '_>, mut leg: Leg, reason: &str, gone: bool) {
    step.index.tags.remove(&leg.dialog.id().local_tag);
    step.index.media.remove(&leg.media.leg);
    if let Some(line) = leg.home {
        let leg = Box::new(leg);
        return step.index.across.push_back(Across::GiveBack { line, leg, gone });
    }
    if !gone {
        leg.hang_up(step, reason);
    }
    leg.media.close(step.cx.out);
}

/// Sends a request in a new transaction and draws its arrow. `None` (and a notice) if it cannot be
/// written, which is a fault of ours.
pub(crate) fn send_request(
    step: &mut Step<'_, '_>,
    lane: &Lane,
    request: RequestBuilder,
    note: String,
) -> Option<ClientId> {
    let cx = &mut *step.cx;
    let user = User { call: lane.call, leg: lane.leg };
    match cx.endpoint.request(cx.now, &request, lane.flow, cx.mark, user) {
        Ok(client) => {
            let uri = request.uri().as_bytes();
            lane.requested(cx, request.method(), uri, request.cseq_number(), note);
            Some(client)
        }
        Err(error) => {
            cx.notice(format!("call {}: a request could not be written: {error}", lane.call));
            None
        }
    }
}

/// Answers a request and draws the arrow.
pub(crate) fn send_response(
    step: &mut Step<'_, '_>,
    lane: &Lane,
    server: ServerId,
    request: &Message,
    response: ResponseBuilder,
    note: String,
) {
    let cx = &mut *step.cx;
    let status = response.status();
    let response = response.header(HeaderName::Server, &cx.settings.user_agent);
    match cx.endpoint.respond(cx.now, server, response) {
        Ok(true) => lane.responded(cx, request, status, note),
        // The transaction is over: its flow failed, or it was answered. Nobody waits.
        Ok(false) => {}
        Err(error) => {
            cx.notice(format!("call {}: a response could not be written: {error}", lane.call));
        }
    }
}

/// What the arrow of a message with a session description says.
pub(crate) fn note_of(sdp: &SessionDescription) -> String {
    sdp_note(sdp)
}
