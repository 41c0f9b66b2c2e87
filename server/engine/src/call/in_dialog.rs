//! Requests of the peers inside a call's dialogs: BYE, re-INVITE, UPDATE, INFO, OPTIONS, ACK.
//!
//! Owns: their answers. Sessions are changed locally, towards the side that asks: the other side
//! learns of a hold by what it hears, not by SIP. Does not own: what digits in an INFO mean
//! ([`super::digits`]).
//! RFC 3261 §12.2.2, §14.2, §15.1.2; RFC 3311; RFC 6086; RFC 6337 §2.1 (one offer at a time).

use super::call::{Call, State};
use super::caller::Phase;
use super::digits::{INFO_TYPES, Info, Way};
use super::ending::Ending;
use super::leg::{ALLOW, Leg, note_of};
use super::sdp::{Described, Fault, of_message, warning, warning_text};
use super::{Side, Step};
use crate::access::not_understood;
use crate::body::{ACCEPT, Unread, is_encoded};
use crate::checkpoint::Point;
use crate::record::{ReleaseReason, ReleasedBy};
use hotline_media::sdp::SessionDescription;
use hotline_sip::Flow;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::dialog::{DialogId, OutOfOrder};
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::{ConnectionId, Method, ServerId};

impl Call {
    /// The leg of a side.
    pub fn leg_mut(&mut self, side: Side) -> Option<&mut Leg> {
        match side {
            Side::Caller => Some(&mut self.caller.leg),
            Side::Agent => self.agent.as_mut(),
        }
    }

    /// A connection is gone, whichever side's leg it carried.
    pub fn forget_connection(&mut self, connection: ConnectionId) {
        self.caller.leg.forget_connection(connection);
        if let Some(agent) = &mut self.agent {
            agent.forget_connection(connection);
        }
    }

    /// A request inside a dialog. `false`: the dialog is none of this call's (481).
    pub fn in_dialog(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> bool {
        let Some(leg) = self.leg_mut(side) else { return false };
        if DialogId::of_request(message).as_ref() != Some(leg.dialog.id()) {
            return false;
        }
        leg.lane.received(step.cx, message);
        if let Err(fault) = leg.dialog.receive(message) {
            let mut response = ResponseBuilder::new(message, fault.status());
            if fault == OutOfOrder::TheirInvite {
                let wait_s = step.cx.rng.below(11).to_string();
                response = response.header(HeaderName::RetryAfter, wait_s);
            }
            leg.respond(step, server, message, response, fault.to_string());
            return true;
        }
        if let Some(refusal) = not_served(message) {
            leg.respond(step, server, message, refusal, String::new());
            if message.is(&Method::Invite) {
                leg.dialog.invite_ended();
            }
            return true;
        }
        // Our requests to a phone follow it to where it speaks from now; and only a request that
        // is the dialog's in all it says is the phone's.
        if !leg.to_contact && leg.lane.flow.local == flow.local {
            leg.lane.flow = flow;
        }
        match message.method() {
            Some(Method::Bye) => self.bye(step, side, server, message),
            Some(Method::Invite) => self.reinvite(step, side, server, message),
            Some(Method::Update) => self.update(step, side, server, message),
            Some(Method::Info) => self.info(step, side, server, message),
            Some(Method::Options) => {
                let response = ResponseBuilder::new(message, 200)
                    .header(HeaderName::Allow, ALLOW)
                    .header(HeaderName::Accept, ACCEPT);
                self.respond(step, side, server, message, response);
            }
            other => {
                let known = !matches!(other, Some(Method::Other(_)) | None);
                let status = if known { 405 } else { 501 };
                let response = ResponseBuilder::new(message, status);
                let response = response.header(HeaderName::Allow, ALLOW);
                self.respond(step, side, server, message, response);
            }
        }
        true
    }

    fn respond(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        server: ServerId,
        message: &Message,
        response: ResponseBuilder,
    ) {
        if let Some(leg) = self.leg_mut(side) {
            leg.respond(step, server, message, response, String::new());
        }
    }

    fn bye(&mut self, step: &mut Step<'_, '_>, side: Side, server: ServerId, message: &Message) {
        self.respond(step, side, server, message, ResponseBuilder::new(message, 200));
        let cause = message.q850_cause();
        match side {
            Side::Caller => self.caller_gone(step, cause),
            Side::Agent => self.agent_gone(step, cause, true),
        }
    }

    /// The caller hung up: CANCEL, or BYE.
    pub fn caller_gone(&mut self, step: &mut Step<'_, '_>, cause: Option<u16>) {
        if let Some(ending) = self.line_hung_up(cause) {
            return self.release(step, ending, Some(Side::Caller));
        }
        let parent = self.consult_of.as_ref().and_then(|of| of.parent);
        if let Some(parent) = parent.filter(|_| matches!(self.state, State::Connected(_))) {
            return self.complete(step, parent, true);
        }
        let ending = match &self.state {
            State::Farewell(farewell) => Ending { by: ReleasedBy::Caller, ..farewell.ending },
            State::Answered(_) | State::Connected(_) => {
                Ending::hung_up(ReleaseReason::NormalClearing, ReleasedBy::Caller, cause)
            }
            _ => Ending::hung_up(ReleaseReason::Abandoned, ReleasedBy::Caller, cause),
        };
        // RFC 3261 §9.2, §15.1.2: what is still open ends with 487.
        self.release(step, Ending { status: 487, ..ending }, Some(Side::Caller));
    }

    fn reinvite(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        server: ServerId,
        message: &Message,
    ) {
        let serial = self.id.serial;
        let Some(leg) = self.leg_mut(side) else { return };
        let response = match of_message(message) {
            // An offer of ours still waits for its answer.
            _ if leg.awaits_answer.is_some() => Err(Refused::of(491)),
            None => {
                leg.awaits_answer = Some(server);
                Ok(leg.offer(step))
            }
            Some(offer) => offer
                .map_err(|fault| refuse_body(step, &fault))
                .and_then(|offer| answer_offer(step, leg, offer)),
        };
        let response = match response {
            Ok(sdp) => {
                leg.dialog.refresh_target(message);
                let ok = leg.ok_with(step, message, &sdp);
                leg.respond(step, server, message, ok, note_of(&sdp));
                step.index.servers.insert(server, (serial, side));
                Ok(())
            }
            Err(refusal) => {
                leg.respond(step, server, message, refusal.response(message), String::new());
                Err(())
            }
        };
        leg.dialog.invite_ended();
        if response.is_ok() {
            self.tell_held(step, side);
            self.checkpoint(step, Point::Reinvite);
        }
    }

    fn update(&mut self, step: &mut Step<'_, '_>, side: Side, server: ServerId, message: &Message) {
        let open = side == Side::Caller && self.caller.is_open();
        let Some(leg) = self.leg_mut(side) else { return };
        let response = match of_message(message) {
            None => Ok(None),
            // RFC 3311 §5.2: the offer of the INVITE has no answer yet.
            Some(_) if open => Err(Refused::with(500, HeaderName::RetryAfter, "2".to_owned())),
            Some(_) if leg.awaits_answer.is_some() => Err(Refused::of(491)),
            Some(Err(fault)) => Err(refuse_body(step, &fault)),
            Some(Ok(offer)) => answer_offer(step, leg, offer).map(Some),
        };
        match response {
            Ok(sdp) => {
                leg.dialog.refresh_target(message);
                let ok = match &sdp {
                    Some(sdp) => leg.ok_with(step, message, sdp),
                    None => ResponseBuilder::new(message, 200)
                        .header(HeaderName::Contact, step.contact(&leg.lane.flow)),
                };
                let note = sdp.as_ref().map(|sdp| note_of(sdp)).unwrap_or_default();
                leg.respond(step, server, message, ok, note);
                if sdp.is_some() {
                    self.tell_held(step, side);
                    self.checkpoint(step, Point::Reinvite);
                }
            }
            Err(refusal) => {
                leg.respond(step, server, message, refusal.response(message), String::new());
            }
        }
    }

    fn info(&mut self, step: &mut Step<'_, '_>, side: Side, server: ServerId, message: &Message) {
        let info = Info::of(message);
        let response = match info {
            Info::Digits(..) => ResponseBuilder::new(message, 200),
            Info::Malformed => ResponseBuilder::new(message, 400),
            Info::Package => ResponseBuilder::new(message, 469).header(HeaderName::RecvInfo, ""),
            Info::Other => {
                ResponseBuilder::new(message, 415).header(HeaderName::Accept, INFO_TYPES)
            }
        };
        self.respond(step, side, server, message, response);
        let Info::Digits(digits, lasted) = info else { return };
        for digit in digits.chars() {
            self.digit_heard(step, side, digit, Way::Info, lasted);
        }
    }

    /// The ACK of a 200 of ours.
    pub fn acknowledged(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        server: ServerId,
        message: &Message,
    ) {
        let first = side == Side::Caller && Some(server) == self.caller.server;
        if first && self.caller.phase == Phase::Answered {
            self.caller.phase = Phase::Acknowledged;
        }
        let Some(leg) = self.leg_mut(side) else { return };
        leg.lane.received(step.cx, message);
        if leg.awaits_answer != Some(server) {
            return;
        }
        leg.awaits_answer = None;
        let answer = of_message(message).and_then(Result::ok);
        let agreed = answer.is_some_and(|answer| leg.read_answer(step, answer).is_ok());
        if agreed {
            return self.tell_held(step, side);
        }
        // A re-INVITE that fails leaves the session as it was; a call without one cannot go on.
        if leg.media.stream().is_none() {
            self.release(step, Ending::of(ReleaseReason::ProtocolError), None);
        }
    }

    /// The ACK of a 200 of ours never came (RFC 3261 §13.3.1.4, §14.2): BYE.
    pub fn ack_missing(&mut self, step: &mut Step<'_, '_>, side: Side, server: ServerId) {
        if side == Side::Caller && Some(server) == self.caller.server {
            // The transaction is over: BYE may be sent.
            self.caller.phase = Phase::Acknowledged;
        }
        self.release(step, Ending::of(ReleaseReason::NoAck), None);
    }
}

/// 420 for extensions that are required and not understood, 415 for a body that cannot be read
/// (RFC 3261 §8.2.2.3, §8.2.3). Whoever says BYE is gone whatever it requires.
fn not_served(request: &Message) -> Option<ResponseBuilder> {
    if request.is(&Method::Bye) {
        return None;
    }
    let info = request.is(&Method::Info) && is_encoded(request);
    not_understood(request).or_else(|| info.then(|| Unread::Encoded.refusal(request)))
}

/// Why a session is not changed.
struct Refused {
    status: u16,
    header: Option<(HeaderName, String)>,
}

impl Refused {
    fn of(status: u16) -> Refused {
        Refused { status, header: None }
    }

    fn with(status: u16, name: HeaderName, value: String) -> Refused {
        Refused { status, header: Some((name, value)) }
    }

    fn response(self, message: &Message) -> ResponseBuilder {
        let response = ResponseBuilder::new(message, self.status);
        match self.header {
            Some((name, value)) => response.header(name, value),
            None => response,
        }
    }
}

/// An answer, or the 488 with its Warning.
fn answer_offer(
    step: &mut Step<'_, '_>,
    leg: &mut Leg,
    offer: SessionDescription,
) -> Result<Described, Refused> {
    leg.answer_offer(step, offer).map_err(|refusal| {
        Refused::with(refusal.status(), HeaderName::Warning, warning(step.cx, &refusal))
    })
}

/// A body that is no session description.
fn refuse_body(step: &Step<'_, '_>, fault: &Fault) -> Refused {
    match fault {
        Fault::NotSdp(why) => {
            let (name, value) = why.header();
            Refused::with(415, name, value.to_owned())
        }
        Fault::Unreadable(text) => {
            Refused::with(400, HeaderName::Warning, warning_text(step.cx, 399, text))
        }
    }
}
