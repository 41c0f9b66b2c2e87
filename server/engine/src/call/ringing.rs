//! From routing's offer to the agent's 200: what the ringing of phones does to a call.
//!
//! Owns: beginning, withdrawing and failing an offer, and the answer that ends it. Does not own: the
//! INVITEs themselves ([`super::offer`]), what follows the answer ([`super::call`]).

use super::attached::user_to_user;
use super::call::{Call, ROUTING_SLACK, State, Talk};
use super::ending::Ending;
use super::feature::Keys;
use super::leg::{Binding, Leg, part_with};
use super::media::MediaLeg;
use super::offer::{Offer, Presented};
use super::outbound::{self, Barred, Way, Wish};
use super::parting::{acknowledge, dialog_of, give_up, hang_up_stray, watch};
use super::{Side, Step};
use crate::checkpoint::Point;
use crate::config::Trunk;
use crate::event::EventKind;
use crate::record::{OfferRecord, ReleaseReason};
use compact_str::CompactString;
use hotline_media::command::Codec;
use hotline_media::offer_answer::read_answer;
use hotline_routing::{
    AgentRef, Device, Input as Routed, OfferFailure, OfferId, QueueRef, WithdrawWhy,
};
use hotline_sip::ClientId;
use hotline_sip::message::Message;
use hotline_sip::status::q850_reason;
use std::time::Duration;

/// The Reason for phones that lose to another (RFC 3326 §2): no missed call.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Call {
    /// Routing wants an agent rung.
    pub fn offer(
        &mut self,
        step: &mut Step<'_, '_>,
        id: OfferId,
        agent: AgentRef,
        queue: Option<QueueRef>,
        offer_time: Duration,
    ) {
        if !self.is_offered(step, id) {
            return;
        }
        let Some(employee_id) = step.employee_id(agent) else {
            return step
                .routed(Routed::OfferFailed { offer: id, why: OfferFailure::PhoneUnavailable });
        };
        let status = step.cx.routing.agent_status(agent);
        let mobile = status.is_some_and(|status| status.device == Device::Mobile);
        let way = mobile.then(|| self.way_to_mobile(step, &employee_id));
        if let Some(Err(Barred::NoChannel)) = way {
            // Nothing rings, so it is no offer: it may be like that for a long while.
            return step.routed(Routed::OfferFailed { offer: id, why: OfferFailure::NoCapacity });
        }
        let near = self.caller.leg.media.leg.worker;
        let Some((leg, port)) = step.cx.ports.open(step.cx.mark.partition, Some(near)) else {
            step.cx.notice("no media port for an agent's leg: the caller waits on".to_owned());
            return step.routed(Routed::OfferFailed { offer: id, why: OfferFailure::NoCapacity });
        };
        let media = MediaLeg::open(step.cx.out, leg, port, step.cx.config.limits.rtp_silence_s);
        let mut offer = Offer::new(id, agent, employee_id.clone(), queue, media);
        let presented = self.presented_to(step, &employee_id, queue);
        let codec = self.caller.agreed.map(|stream| stream.codec);
        let codec = self.caller.leg.media.codec().or(codec);
        let sip_call_id = match way {
            Some(way) => self.ring_mobile(step, &mut offer, way, codec),
            None => offer.ring(step, self.id, &mut self.last_leg, &presented, codec).0,
        };
        let device = if mobile { Device::Mobile } else { Device::Softphone };
        self.offered(step, &employee_id, queue, device, Some(sip_call_id.into()));
        step.index.media.insert(leg, (self.id.serial, Side::Agent));
        self.state = State::Offered(Box::new(offer));
        self.checkpoint(step, Point::Offered);
        self.arm(step, offer_time + ROUTING_SLACK);
        // Nobody is registered, or nothing could be sent.
        self.check_offer(step);
    }

    /// Whether an offer still stands: a flow may have taken the caller elsewhere before routing was
    /// heard.
    pub fn is_offered(&self, step: &mut Step<'_, '_>, id: OfferId) -> bool {
        step.cx.routing.offer_of(self.call_ref()) == Some(id) && self.waits(step)
    }

    /// The record, the journal and the caller learn that an agent is offered the call.
    pub fn offered(
        &mut self,
        step: &mut Step<'_, '_>,
        employee_id: &str,
        queue: Option<QueueRef>,
        device: Device,
        sip_call_id: Option<String>,
    ) {
        let now = step.cx.now;
        self.record.agent_sip_call_id = sip_call_id.clone();
        self.record.offered.get_or_insert(now.wall);
        let device = match device {
            Device::Softphone => "softphone",
            Device::Mobile => "mobile",
            Device::HeldLine => "held_line",
        };
        let offered = OfferRecord {
            agent: employee_id.to_owned(),
            at: now.wall,
            ended: None,
            outcome: None,
            sip_call_id,
            device: Some(device.to_owned()),
        };
        self.record.add_offer(offered);
        step.index.agents.insert(employee_id.to_owned(), self.id.serial);
        if queue.is_none() {
            self.caller.ring(step);
        }
        let agent = employee_id.to_owned();
        step.cx.journal(EventKind::Offered { call: self.id, agent });
    }

    /// How the agent's mobile is reached.
    fn way_to_mobile(&self, step: &mut Step<'_, '_>, employee_id: &str) -> Result<Way, Barred> {
        let config = step.cx.config;
        let trunk = config.single_phone.trunk.as_deref().unwrap_or_default();
        let mobile = config.mobiles.get(employee_id);
        let number = mobile.and_then(|mobile| mobile.number.as_deref()).unwrap_or_default();
        let way = outbound::way(step, trunk, number, Wish::Mobile, self.hops_left);
        way.inspect_err(|barred| step.cx.notice(barred.text(trunk)))
    }

    /// Rings the agent's mobile through the tenant's trunk.
    fn ring_mobile(
        &mut self,
        step: &mut Step<'_, '_>,
        offer: &mut Offer,
        way: Result<Way, Barred>,
        first_codec: Option<Codec>,
    ) -> CompactString {
        let Ok(way) = way else {
            offer.cannot_ring(OfferFailure::PhoneUnavailable);
            return CompactString::default();
        };
        let queue = offer.queue.map(|queue| step.queue_name(queue));
        // A colleague's number means nothing to a carrier; who reads its name knows it.
        let (customer, colleague) = match self.is_inner() {
            true => (None, self.presented.clone()),
            false => (self.number_shown_to(step, &offer.employee_id, &way.trunk), None),
        };
        let display = queue.or(colleague).unwrap_or_default();
        let dialled = self.record.access_code.as_deref();
        let shown = outbound::shown_to_agent(step, customer, display, dialled);
        offer.ring_mobile(step, self.id, &mut self.last_leg, (&way, &shown), first_codec)
    }

    /// Whether the caller is an agent.
    fn is_inner(&self) -> bool {
        self.dialled_by.is_some() || self.consult_of.is_some()
    }

    /// What an agent's mobile sees of a customer: what the agent's settings say, else the customer's
    /// number where the trunk may show it.
    fn number_shown_to(
        &self,
        step: &Step<'_, '_>,
        employee_id: &str,
        trunk: &Trunk,
    ) -> Option<String> {
        let set = step.cx.config.number_shown_to_agent(employee_id).map(str::to_owned);
        set.or_else(|| self.presented.clone().filter(|_| trunk.present_any_number))
    }

    /// What an agent's softphone sees: of a customer what the agent's settings say, else its number;
    /// a colleague's.
    fn presented_to(
        &self,
        step: &Step<'_, '_>,
        employee_id: &str,
        queue: Option<QueueRef>,
    ) -> Presented {
        let settings = queue.and_then(|queue| step.cx.routing.queue_settings(queue));
        let set = step.cx.config.number_shown_to_agent(employee_id).filter(|_| !self.is_inner());
        let hides = set.is_some();
        let number = set.map(str::to_owned).or_else(|| self.presented.clone());
        let caller = number.as_deref().unwrap_or("Anonymous");
        let display = match settings {
            Some(queue) => {
                queue.display_name.replace("{queue}", &queue.name).replace("{caller}", caller)
            }
            None => caller.to_owned(),
        };
        // A flow may have attached the number that this agent is not to see.
        let hidden = if hides { self.presented.as_deref() } else { None };
        let data = user_to_user(&self.record.data, hidden);
        Presented { display, number, data }
    }

    /// Routing takes an offer back.
    pub fn withdraw(&mut self, step: &mut Step<'_, '_>, id: OfferId, why: WithdrawWhy) {
        let word = match why {
            WithdrawWhy::NoAnswer => "no_answer",
            WithdrawWhy::RegistrationLost => "phone_unavailable",
            WithdrawWhy::CallerGone
            | WithdrawWhy::AgentDials
            | WithdrawWhy::AgentLeft
            | WithdrawWhy::Removed => "withdrawn",
        };
        match &self.state {
            State::Offered(offer) if offer.id == id => {
                self.stop_ringing(step, word, &q850_reason(16));
                self.wait_again(step);
            }
            State::Answered(answered) if answered.talk.offer == id => {
                self.drop_agent(step, word, true);
                self.wait_again(step);
            }
            // A release of ours has told routing that the caller is gone, and this is its echo; or
            // the offer had failed before routing heard of it.
            _ => {}
        }
    }

    /// Routing refused the answer: the offer had ended before it was heard. Not yet connected, the
    /// agent is hung up and the caller waits on; a connected call cannot be undone, and routing
    /// may give its agent another, so it is released.
    pub fn not_answered(&mut self, step: &mut Step<'_, '_>, id: OfferId) {
        if matches!(self.state, State::Connected(_)) {
            step.cx.notice("routing refused the answer of a connected call".to_owned());
            return self.release(step, Ending::of(ReleaseReason::ProtocolError), None);
        }
        self.withdraw(step, id, WithdrawWhy::AgentLeft);
    }

    /// A response to the INVITE of one of the agent's contacts.
    pub fn offer_response(
        &mut self,
        step: &mut Step<'_, '_>,
        leg: u16,
        client: ClientId,
        message: &Message,
    ) {
        let State::Offered(offer) = &mut self.state else { return };
        let Some(at) = offer.branch(leg) else { return };
        let lane = offer.branches.get(at).map(|branch| branch.lane);
        if let Some(lane) = lane {
            lane.received(step.cx, message);
        }
        match message.status() {
            Some(status @ 100..200) => offer.provisional(leg, status),
            Some(200..300) => self.answered(step, leg, client, message),
            Some(status) => {
                offer.failed(leg, status);
                if status >= 600 {
                    self.stop_ringing_others(step);
                }
                self.check_offer(step);
            }
            None => {}
        }
    }

    /// A contact will not answer: nothing came (408), or its transport failed (503).
    pub fn offer_lost(&mut self, step: &mut Step<'_, '_>, leg: u16, status: u16) {
        if let State::Offered(offer) = &mut self.state {
            let branch = offer.branch(leg).and_then(|at| offer.branches.get(at));
            if let Some(Binding { number, contact }) =
                branch.and_then(|branch| branch.binding.as_ref())
            {
                step.cx.registrar.contact_failed(number, contact);
            }
            offer.failed(leg, status);
            self.check_offer(step);
        }
    }

    /// Once no contact is left, the offer has failed.
    fn check_offer(&mut self, step: &mut Step<'_, '_>) {
        let State::Offered(offer) = &self.state else { return };
        let Some(why) = offer.outcome().filter(|_| !offer.confirming) else { return };
        self.offer_fails(step, why);
    }

    /// The offer has come to nothing: the caller waits on.
    pub fn offer_fails(&mut self, step: &mut Step<'_, '_>, why: OfferFailure) {
        let State::Offered(offer) = &self.state else { return };
        let id = offer.id;
        let word = match why {
            OfferFailure::NoAnswer => "no_answer",
            OfferFailure::Rejected => "rejected",
            OfferFailure::PhoneUnavailable => "phone_unavailable",
            OfferFailure::AgentGone => "gone",
            OfferFailure::NoCapacity => "no_capacity",
        };
        self.stop_ringing(step, word, &q850_reason(16));
        self.wait_again(step);
        step.routed(Routed::OfferFailed { offer: id, why });
    }

    /// Gives up every contact that still rings.
    fn stop_ringing_others(&mut self, step: &mut Step<'_, '_>) {
        let State::Offered(offer) = &mut self.state else { return };
        for branch in offer.branches.drain(..) {
            give_up(step, branch.sent(), &q850_reason(26));
        }
    }

    /// Ends the running offer: its contacts are cancelled, its port is given back.
    pub fn stop_ringing(&mut self, step: &mut Step<'_, '_>, outcome: &str, reason: &str) {
        let State::Offered(offer) = &mut self.state else { return };
        for branch in offer.branches.drain(..) {
            give_up(step, branch.sent(), reason);
        }
        if let Some(media) = offer.media.take() {
            media.close(step.cx.out);
            step.index.media.remove(&media.leg);
        }
        // Whoever was asked to accept has a dialog already.
        if let Some(leg) = self.agent.take() {
            part_with(step, leg, reason, false);
        }
        step.index.forget_agent(&offer.employee_id, self.id.serial);
        let agent = offer.employee_id.clone();
        self.offer_ended(step, agent, outcome);
        self.state = State::Queued;
    }

    /// The record and the journal learn how an offer ended.
    pub fn offer_ended(&mut self, step: &mut Step<'_, '_>, agent: String, outcome: &str) {
        if let Some(offer) = self.record.offers.last_mut() {
            offer.ended = Some(step.cx.now.wall);
            offer.outcome = Some(outcome.to_owned());
        }
        if outcome != "answered" {
            self.record.agent_sip_call_id = None;
        }
        let outcome = outcome.to_owned();
        step.cx.journal(EventKind::OfferEnded { call: self.id, agent, outcome });
    }

    /// The first 200 of the offer: the moment of answering.
    fn answered(
        &mut self,
        step: &mut Step<'_, '_>,
        number: u16,
        client: ClientId,
        message: &Message,
    ) {
        let State::Offered(offer) = &mut self.state else { return };
        let Some(at) = offer.branch(number) else { return };
        let Some(branch) = offer.branches.get(at) else { return };
        let (lane, sent) = (branch.lane, branch.sent());
        let answer = super::sdp::of_message(message).and_then(Result::ok);
        let fits = answer.filter(|answer| read_answer(&branch.sdp, answer).is_ok());
        let dialog = dialog_of(step, client, message);
        let (Some(answer), Some(dialog)) = (fits, dialog) else {
            hang_up_stray(step, sent, message, &q850_reason(65));
            offer.failed(number, 488);
            return self.check_offer(step);
        };
        acknowledge(step, sent, &dialog, message);
        // Further forks of this contact may still answer.
        watch(step, sent, ELSEWHERE);
        let State::Offered(offer) = std::mem::replace(&mut self.state, State::Queued) else {
            return;
        };
        let mut offer = *offer;
        let branch = offer.branches.remove(at);
        for other in offer.branches.drain(..) {
            give_up(step, other.sent(), ELSEWHERE);
        }
        step.index.tags.insert(dialog.id().local_tag.clone(), (self.id.serial, Side::Agent));
        let Some(media) = offer.media.take() else { return };
        let is_mobile = branch.binding.is_none();
        let mut leg = Leg {
            lane,
            dialog,
            media,
            session: branch.session,
            local_sdp: Some(branch.sdp),
            remote_sdp: None,
            awaits_answer: None,
            to_contact: is_mobile,
            binding: branch.binding,
            held: false,
            keys: is_mobile.then(Keys::default),
            holds: false,
            home: None,
        };
        // It fits, as was seen above.
        let _ = leg.read_answer(step, answer);
        self.agent = Some(leg);
        if is_mobile {
            return self.ask_to_accept(step, offer);
        }
        let talk = Talk {
            offer: offer.id,
            agent: Some(offer.agent),
            call: self.call_ref(),
            employee_id: offer.employee_id,
            queue: offer.queue,
        };
        self.announce(step, talk);
    }
}
