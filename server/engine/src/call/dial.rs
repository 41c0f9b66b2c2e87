//! [`Dial`]: an outside number that is being called for the caller.
//!
//! Owns: the INVITE's course until somebody is connected or it has failed, and what the caller
//! hears meanwhile. Does not own: whether the number may be called ([`super::outbound`]), who asked
//! for it.
//!
//! ```text
//! called → rings ─183 with SDP→ heard ─200→ connected
//!                └── failed, no answer, caller gone ──→ over
//! ```

use super::call::{Call, State, Talk};
use super::ending::Ending;
use super::leg::Leg;
use super::media::MediaLeg;
use super::outbound::{self, Barred, Shown, Wish};
use super::parting::{Sent, acknowledge, dialog_of, give_up, hang_up_stray, watch};
use super::sdp::{Described, Session};
use super::trace::Lane;
use super::{Side, Step};
use crate::checkpoint::Point;
use crate::config::WAIT_TONE;
use crate::event::EventKind;
use crate::input::Output;
use crate::record::ReleaseReason;
use hotline_ivr::run::io::Failure;
use hotline_media::command::Command;
use hotline_media::offer_answer::{codecs_for_second_leg, make_offer, read_answer};
use hotline_routing::OfferId;
use hotline_sip::ClientId;
use hotline_sip::message::Message;
use hotline_sip::status::q850_reason;
use std::time::Duration;

/// How long an outside number may ring.
const RINGS_MAX: Duration = Duration::from_secs(60);

/// An outside number that is being called.
#[derive(Debug)]
pub(crate) struct Dial {
    lane: Lane,
    client: ClientId,
    session: Session,
    sdp: Described,
    media: MediaLeg,
    /// Whether the caller hears what comes from there.
    heard: bool,
}

impl Dial {
    fn sent(&self) -> Sent {
        Sent { lane: self.lane, client: self.client, to_contact: true }
    }
}

impl Call {
    /// A flow sends its caller to an outside number. The customer's number is shown where the trunk
    /// may, else one of the tenant's.
    ///
    /// # Errors
    /// It is not called, and why.
    pub fn transfer_to_number(
        &mut self,
        step: &mut Step<'_, '_>,
        number: &str,
        trunk: &str,
    ) -> Result<(), Failure> {
        let may = step.cx.trunks.iter().any(|one| one.name == trunk && one.present_any_number);
        let own = outbound::own_number(step, self.record.access_code.as_deref());
        let customer = self.presented.clone().filter(|_| may);
        let number_shown = customer.or_else(|| own.clone());
        let shown = Shown { number: number_shown, asserted: own, ..Shown::default() };
        self.call_number(step, number, trunk, &shown)
    }

    /// An agent's phone has dialled an emergency number.
    pub fn call_for_help(&mut self, step: &mut Step<'_, '_>, number: &str) {
        let by = self.dialled_by.as_ref().map(|(_, employee_id)| employee_id.clone());
        let shown = outbound::shown_of_agent(step, &by.unwrap_or_default(), None);
        let called = match outbound::trunk_of_agents(step, number) {
            Some(trunk) => self.call_number(step, number, &trunk, &shown),
            None => {
                let text = "an agent has dialled an emergency number, and no trunk leads out: none \
                            has a target";
                step.cx.notice(text.to_owned());
                Err(Failure::Unknown)
            }
        };
        if called.is_err() {
            self.release(step, Ending::of(ReleaseReason::AgentUnavailable), None);
        }
    }

    /// Calls an outside number for the caller, through a trunk.
    ///
    /// # Errors
    /// It is not called, and why.
    pub fn call_number(
        &mut self,
        step: &mut Step<'_, '_>,
        number: &str,
        trunk: &str,
        shown: &Shown,
    ) -> Result<(), Failure> {
        let way = outbound::way(step, trunk, number, Wish::Outside, self.hops_left).map_err(
            |barred| {
                step.cx.notice(barred.text(trunk));
                match barred {
                    Barred::NoChannel | Barred::TooManyHops => Failure::Unavailable,
                    _ => Failure::Unknown,
                }
            },
        )?;
        let near = self.caller.leg.media.leg.worker;
        let port = step.cx.ports.open(step.cx.mark.partition, Some(near));
        let (leg, port) = port.ok_or(Failure::Unavailable)?;
        let limit = step.cx.config.limits.rtp_silence_s;
        let media = MediaLeg::open(step.cx.out, leg, port, limit);
        self.last_leg = self.last_leg.saturating_add(1);
        let lane = Lane { call: self.id, leg: self.last_leg, flow: way.flow };
        let session = Session::new(step.cx, &way.flow, &media.port);
        let first = self.caller.leg.media.codec();
        let codecs = match first.or(self.caller.agreed.map(|stream| stream.codec)) {
            Some(codec) => codecs_for_second_leg(codec, &step.cx.settings.codecs),
            None => step.cx.settings.codecs.iter().copied().collect(),
        };
        let sdp = Described::from(make_offer(&session.local(&codecs)));
        let tag = step.cx.mark.mint_tag(step.cx.rng);
        let sip_call_id = step.cx.mark.mint_call_id(step.cx.rng, "");
        let Some(client) = way.invite(step, &lane, shown, (&sip_call_id, &tag), &sdp) else {
            media.close(step.cx.out);
            return Err(Failure::Unavailable);
        };
        step.cx.channels.take(step.cx.config, &way.trunk, leg);
        step.index.media.insert(leg, (self.id.serial, Side::Agent));
        self.record.agent_sip_call_id = Some(sip_call_id.to_string());
        self.state =
            State::Dialling(Box::new(Dial { lane, client, session, sdp, media, heard: false }));
        self.arm(step, RINGS_MAX);
        self.caller.ring(step);
        if self.caller.hears() {
            self.caller.leg.media.tone(step.cx.out, WAIT_TONE);
        }
        Ok(())
    }

    /// Whether an outside number is being called that has not let itself be heard yet.
    pub fn dials_unheard(&self) -> bool {
        matches!(&self.state, State::Dialling(dial) if !dial.heard)
    }

    /// A response to the INVITE. `false`: nothing is being dialled.
    pub fn dial_response(
        &mut self,
        step: &mut Step<'_, '_>,
        client: ClientId,
        message: &Message,
    ) -> bool {
        let State::Dialling(dial) = &self.state else { return false };
        if dial.client != client {
            return false;
        }
        dial.lane.received(step.cx, message);
        match message.status() {
            Some(101..200) => self.dial_heard(step, message),
            Some(200..300) => self.dial_answered(step, message),
            Some(status @ 300..) => self.dial_failed(step, failure_of(status), true),
            _ => {}
        }
        true
    }

    /// Nothing came (408), or the transport failed (503). `false`: nothing is being dialled.
    pub fn dial_lost(&mut self, step: &mut Step<'_, '_>, leg: u16) -> bool {
        let ours = matches!(&self.state, State::Dialling(dial) if dial.lane.leg == leg);
        if ours {
            self.dial_failed(step, Failure::Unavailable, true);
        }
        ours
    }

    /// Early media: an announcement of the network, or its own ringing.
    fn dial_heard(&mut self, step: &mut Step<'_, '_>, message: &Message) {
        let State::Dialling(dial) = &mut self.state else { return };
        let answer = super::sdp::of_message(message).and_then(Result::ok);
        let Some(stream) = answer.and_then(|answer| read_answer(&dial.sdp, &answer).ok()) else {
            return;
        };
        dial.media.set_stream(step.cx.out, &dial.lane.flow, stream);
        if !std::mem::replace(&mut dial.heard, true) {
            let caller = &mut self.caller.leg.media;
            caller.stop(step.cx.out);
            let bridge = Command::Bridge { a: caller.leg, b: dial.media.leg };
            step.cx.out.push_back(Output::Media(bridge));
            self.caller.progress(step);
        }
    }

    fn dial_answered(&mut self, step: &mut Step<'_, '_>, message: &Message) {
        let State::Dialling(dial) = &mut self.state else { return };
        let (lane, sent) = (dial.lane, dial.sent());
        let answer = super::sdp::of_message(message).and_then(Result::ok);
        let fits = answer.filter(|answer| read_answer(&dial.sdp, answer).is_ok());
        let dialog = dialog_of(step, sent.client, message);
        let (Some(answer), Some(dialog)) = (fits, dialog) else {
            hang_up_stray(step, sent, message, &q850_reason(65));
            return self.dial_failed(step, Failure::Unavailable, true);
        };
        acknowledge(step, sent, &dialog, message);
        watch(step, sent, &q850_reason(16));
        let State::Dialling(dial) = std::mem::replace(&mut self.state, State::Queued) else {
            return;
        };
        let Dial { session, sdp, media, .. } = *dial;
        let mut leg = Leg {
            lane,
            dialog,
            media,
            session,
            local_sdp: Some(sdp),
            remote_sdp: None,
            awaits_answer: None,
            binding: None,
            to_contact: true,
            held: false,
            keys: None,
            holds: false,
            home: None,
        };
        // It fits, as was seen above.
        let _ = leg.read_answer(step, answer);
        self.adopt_agent(step, leg);
        self.number_connected(step);
    }

    /// The outside number has answered: both are connected at once.
    fn number_connected(&mut self, step: &mut Step<'_, '_>) {
        let now = step.cx.now;
        self.drop_flow(step);
        self.caller.answer(step);
        if self.times.connected.is_none() {
            self.times.answered = Some(now.mono);
            self.times.answered_wall = Some(now.wall);
            self.record.answered = Some(now.wall);
        }
        self.times.connected.get_or_insert(now.mono);
        self.times.stretch.answered = Some(now.mono);
        self.times.stretch.connected.get_or_insert(now.mono);
        self.record.connected.get_or_insert(now.wall);
        let (offer, call) = (OfferId(0), self.call_ref());
        let employee_id = String::new();
        self.state = State::Connected(Talk { offer, agent: None, call, employee_id, queue: None });
        self.bridge(step);
        let limit = Duration::from_secs(u64::from(step.cx.config.limits.call_s_max));
        self.arm(step, limit);
        self.transfer_done(step, "transferred");
        step.cx.journal(EventKind::Connected { call: self.id });
        self.checkpoint(step, Point::Bridged);
    }

    /// Whoever wanted the number hears that it has failed. `over`: its INVITE is over.
    fn dial_failed(&mut self, step: &mut Step<'_, '_>, why: Failure, over: bool) {
        let reason = q850_reason(16);
        self.stop_dialling(step, Some(reason.as_str()).filter(|_| !over));
        self.transfer_done(step, "failed");
        if self.transfer_failed(step, why) {
            return;
        }
        let ending = Ending::of(ReleaseReason::AgentUnavailable);
        let ending = match why {
            Failure::Busy => Ending { q850: 17, status: 486, ..ending },
            _ => ending,
        };
        self.farewell(step, "transfer_failed", ending);
    }

    /// Ends what is being dialled; the call is nobody's then. Without a reason its INVITE is over.
    pub fn stop_dialling(&mut self, step: &mut Step<'_, '_>, reason: Option<&str>) {
        let State::Dialling(dial) = &self.state else { return };
        if let Some(reason) = reason {
            give_up(step, dial.sent(), reason);
        }
        dial.media.close(step.cx.out);
        step.index.media.remove(&dial.media.leg);
        self.caller.leg.media.stop(step.cx.out);
        self.state = State::Queued;
    }

    /// It has rung for long enough.
    pub fn rang_too_long(&mut self, step: &mut Step<'_, '_>) {
        self.dial_failed(step, Failure::NoAnswer, false);
    }

    /// Connects the media of both sides.
    pub fn bridge(&mut self, step: &mut Step<'_, '_>) {
        let Some(agent) = &mut self.agent else { return };
        let caller = &mut self.caller.leg;
        caller.media.stop(step.cx.out);
        agent.media.stop(step.cx.out);
        let bridge = Command::Bridge { a: caller.media.leg, b: agent.media.leg };
        step.cx.out.push_back(Output::Media(bridge));
        self.tell_held(step, Side::Caller);
        self.tell_held(step, Side::Agent);
    }

    /// The record learns how a transfer ended.
    pub fn transfer_done(&mut self, _step: &mut Step<'_, '_>, outcome: &str) {
        let last = self.record.transfers.last_mut().filter(|last| last.outcome.is_none());
        if let Some(transfer) = last {
            transfer.outcome = Some(outcome.to_owned());
        }
    }
}

fn failure_of(status: u16) -> Failure {
    match status {
        486 | 600 | 603 => Failure::Busy,
        408 | 480 | 487 => Failure::NoAnswer,
        404 | 410 | 484 | 604 => Failure::Unknown,
        _ => Failure::Unavailable,
    }
}
