//! Consulting: an agent calls somebody in between, and hands the customer over, or not.
//!
//! Owns: what becomes of the two calls. A consultation is a call of its own whose caller is the
//! agent, with the leg of the customer's call; the customer hears the hold tone meanwhile. Does not
//! own: the keys ([`super::service`]), offers and queues, which are those of any call.
//!
//! ```text
//! customer's call          consultation
//! connected ──*2 number──→ agent's leg lent ─→ rings, waits, connected
//!     ↑ ←────── *5, the other is gone, nobody answers ──────┤
//!     │ ←────── *3: the other's leg; the agent is done ─────┤
//!     └ both ── *4: all three hear each other ──────────────┘
//! ```
//! The customer hangs up: the consultation goes on as a call between the two. The agent hangs up:
//! the customer gets whom the agent talks to, else is handed to whom it called.

use super::across::Across;
use super::call::{Call, State, Talk};
use super::caller::{CallerSide, Phase};
use super::ending::Ending;
use super::feature::{Feature, Keys};
use super::leg::{Leg, part_with};
use super::outbound::{self, Wish};
use super::trace::Lane;
use super::{Side, Step};
use crate::checkpoint::Point;
use crate::id::CallId;
use crate::input::Output;
use crate::record::{CallRecord, ReleaseReason, ReleasedBy, TransferRecord};
use hotline_base::Redacted;
use hotline_media::command::{Command, LegRef, PlayEnd};
use hotline_routing::config::{AnswerSupervision, Destination};
use hotline_routing::number::is_emergency;
use hotline_routing::{AgentRef, AgentState, CallRef, Circumstances, Input as Routed, QueueRef};
use hotline_sip::status::q850_reason;
use std::collections::BTreeMap;

/// Whom an agent wants.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Another agent.
    Agent(AgentRef, String),
    /// A queue.
    Queue(QueueRef, String),
    /// An outside number, through a trunk.
    Number {
        /// It.
        number: String,
        /// The trunk.
        trunk: String,
    },
    /// A flow, which a customer can be handed to, but which nobody consults.
    Flow(String),
}

/// The customer's side of a consultation.
#[derive(Clone, Debug)]
pub(crate) struct Consult {
    /// The consultation, by serial number; known once it has begun.
    pub child: Option<u32>,
    /// Who is called.
    pub target: Target,
    /// All three hear each other.
    pub conference: bool,
    /// The legs that the customer hears then.
    pub others: Vec<LegRef>,
}

/// What a consultation knows of the call it is about.
#[derive(Clone, Debug)]
pub(crate) struct ConsultOf {
    /// The customer's call; `None`: the customer is gone.
    pub parent: Option<u32>,
    /// Who consults.
    pub agent: AgentRef,
    /// The same by employee ID.
    pub employee_id: String,
    /// The access code that the customer has dialled.
    pub access_code: Option<String>,
    /// The customer's leg, for a conference.
    pub customer: LegRef,
    /// All three hear each other.
    pub conference: bool,
    /// The customer has gone: by this call routing still knows the agent to talk, until it has done
    /// so; its wrap-up begins then.
    pub outlives: Option<CallRef>,
}

/// The agent's leg on its way to a consultation.
#[derive(Debug)]
pub(crate) struct Lent {
    /// From whose call.
    pub parent: u32,
    /// The leg.
    pub leg: Leg,
    /// What the consultation will know.
    pub of: ConsultOf,
    /// Whom to call.
    pub target: Target,
    /// Language of the customer, which the other will hear of.
    pub language: String,
    /// How many hops it may go.
    pub hops_left: u8,
    /// What is attached to the customer's call.
    pub data: BTreeMap<String, String>,
}

impl Call {
    /// Whom a number that an agent typed means: an employee ID, else a number of ours, else an
    /// outside number if the mobiles' trunk may call it. Nobody, if the customer could not be there.
    pub fn target(&self, step: &mut Step<'_, '_>, by: AgentRef, number: &str) -> Option<Target> {
        if is_emergency(number) {
            return self.outside(step, number);
        }
        let routing = &step.cx.routing;
        if let Some(agent) = routing.agent(number) {
            return (agent != by).then(|| Target::Agent(agent, number.to_owned()));
        }
        let (config, wall) = (step.cx.config, step.cx.now.wall);
        let is_open = |name: &str| crate::hours::is_open(config, name, wall);
        let about = Circumstances { test_caller: false, is_open: &is_open };
        if let Ok(found) = routing.resolve(number, about) {
            return match found.destination? {
                Destination::SkillQueue(name) => {
                    let queue = routing.queue(&name).filter(|queue| self.may_enter(step, *queue));
                    queue.map(|queue| Target::Queue(queue, name))
                }
                Destination::Agent(id) => routing.agent(&id).map(|agent| Target::Agent(agent, id)),
                Destination::Flow(name) => {
                    let flow = config.flows.get(&name, self.waiting.tester);
                    flow.is_some().then_some(Target::Flow(name))
                }
            };
        }
        self.outside(step, number)
    }

    fn outside(&self, step: &mut Step<'_, '_>, number: &str) -> Option<Target> {
        let trunk = outbound::trunk_of_agents(step, number)?;
        match outbound::way(step, &trunk, number, Wish::Outside, self.hops_left) {
            Ok(_) => Some(Target::Number { number: number.to_owned(), trunk }),
            Err(barred) => {
                step.cx.notice(barred.text(&trunk));
                None
            }
        }
    }

    /// The agent calls somebody in between; the customer hears the hold tone.
    pub fn consult(&mut self, step: &mut Step<'_, '_>, target: Target) {
        let State::Connected(talk) = &self.state else { return };
        let Some(by) = talk.agent else { return };
        let employee_id = talk.employee_id.clone();
        let Some(mut leg) = self.agent.take() else { return };
        let customer = self.caller.leg.media.leg;
        let part = Command::Unbridge { a: customer, b: leg.media.leg };
        step.cx.out.push_back(Output::Media(part));
        leg.holds = false;
        self.note_transfer(step, &employee_id, &target);
        self.hold_customer(step);
        let parent = Some(self.id.serial);
        let of = ConsultOf {
            parent,
            agent: by,
            employee_id,
            access_code: self.record.access_code.clone(),
            customer,
            conference: false,
            outlives: None,
        };
        let lent = Lent {
            parent: self.id.serial,
            leg,
            of,
            target: target.clone(),
            language: self.language.clone(),
            hops_left: self.hops_left,
            data: self.record.data.clone(),
        };
        self.consult = Some(Consult { child: None, target, conference: false, others: Vec::new() });
        step.index.across.push_back(Across::Consult(Box::new(lent)));
    }

    fn hold_customer(&mut self, step: &mut Step<'_, '_>) {
        let State::Connected(talk) = &self.state else { return };
        let settings = talk.queue.and_then(|queue| step.cx.routing.queue_settings(queue));
        let method = settings.map(|queue| queue.hold.clone()).unwrap_or_default();
        let tone = super::announce::hold_tone(step.cx.config, &method);
        self.caller.leg.media.tone(step.cx.out, tone.asset);
    }

    /// The agent's leg is back: the agent returns, or, if it `failed`, nobody was reached. `gone`:
    /// the agent has hung up meanwhile, so the customer goes where the agent wanted it to.
    pub fn consult_over(&mut self, step: &mut Step<'_, '_>, leg: Leg, failed: bool, gone: bool) {
        let Some(consult) = self.consult.take() else { return part_with(step, leg, "", gone) };
        let State::Connected(talk) = &self.state else { return part_with(step, leg, "", gone) };
        if gone {
            let employee_id = talk.employee_id.clone();
            self.adopt_agent(step, leg);
            return self.hand_on(step, &employee_id, consult.target, true);
        }
        self.transfer_done(step, if failed { "failed" } else { "returned" });
        self.leave_conference(step, consult.conference, leg.media.leg);
        self.adopt_again(step, leg);
        self.bridge(step);
    }

    fn leave_conference(&mut self, step: &mut Step<'_, '_>, conference: bool, other: LegRef) {
        if conference {
            for leg in [self.caller.leg.media.leg, other] {
                step.cx.out.push_back(Output::Media(Command::Leave { leg }));
            }
        }
    }

    /// A leg that was another call's is this call's agent's. A line learns who has its leg.
    fn adopt_again(&mut self, step: &mut Step<'_, '_>, mut leg: Leg) {
        if let Some(line) = leg.home {
            let call = self.id.serial;
            step.index.across.push_back(Across::NowWith { line, call });
        }
        self.last_leg = self.last_leg.saturating_add(1);
        leg.lane = Lane { call: self.id, leg: self.last_leg, ..leg.lane };
        self.adopt_agent(step, leg);
    }

    /// The agent hands the customer over to whom it has consulted, and is done.
    pub fn take_over(&mut self, step: &mut Step<'_, '_>, leg: Leg, other: Talk) {
        let conference = self.consult.take().is_some_and(|consult| consult.conference);
        let State::Connected(talk) = &mut self.state else {
            return part_with(step, leg, &q850_reason(16), false);
        };
        let before = std::mem::replace(talk, other.clone());
        self.agent_is_done(step, &before);
        if !other.employee_id.is_empty() {
            step.index.agents.insert(other.employee_id, self.id.serial);
        }
        self.transfer_done(step, "transferred");
        self.leave_conference(step, conference, leg.media.leg);
        self.adopt_again(step, leg);
        self.bridge(step);
    }

    fn agent_is_done(&mut self, step: &mut Step<'_, '_>, talk: &Talk) {
        step.index.forget_agent(&talk.employee_id, self.id.serial);
        if let Some(agent) = talk.agent {
            step.routed(Routed::CallEnded { agent, call: talk.call });
        }
    }

    /// The agent hands the customer over without asking. `gone`: the agent has hung up.
    pub fn hand_on(&mut self, step: &mut Step<'_, '_>, by: &str, target: Target, gone: bool) {
        let State::Connected(talk) = &self.state else { return };
        let talk = talk.clone();
        if let Some(agent) = self.agent.take() {
            let part = Command::Unbridge { a: self.caller.leg.media.leg, b: agent.media.leg };
            step.cx.out.push_back(Output::Media(part));
            part_with(step, agent, &q850_reason(16), gone);
        }
        if self.record.transfers.last().is_none_or(|last| last.outcome.is_some()) {
            self.note_transfer(step, by, &target);
        }
        self.agent_is_done(step, &talk);
        self.times.close_stretch(step.cx.now.mono);
        self.note_durations();
        self.arm_keys(step, None);
        self.waiting.hops = self.waiting.hops.saturating_add(1);
        self.queue = None;
        self.waits_until = None;
        // Whatever it came for: it has been answered, and hears that it waits.
        self.supervision = Some(AnswerSupervision::AtOnce);
        self.state = State::Arrived;
        self.arm(step, super::call::ARRIVED_MAX);
        // From here on it waits and talks anew.
        self.checkpoint(step, Point::Admitted);
        let access_code = self.record.access_code.clone();
        self.go_to(step, target, by, access_code.as_deref());
    }

    /// On to an agent, a queue, a number or a flow: as any call that has just arrived there. `by`:
    /// the agent who wants it; `dialled`: the access code that the customer has dialled.
    fn go_to(&mut self, step: &mut Step<'_, '_>, target: Target, by: &str, dialled: Option<&str>) {
        let call = self.call_ref();
        match target {
            Target::Agent(agent, _) => {
                self.in_routing = true;
                self.caller.leg.media.tone(step.cx.out, crate::config::WAIT_TONE);
                step.routed(Routed::ArrivedForAgent { call, agent });
            }
            Target::Queue(queue, _) => {
                self.in_routing = true;
                let priority = self.priority;
                let (hops, test) = (self.waiting.hops, self.waiting.tester);
                step.routed(Routed::Arrived { call, queue, priority, hops, test });
            }
            Target::Number { number, trunk } => {
                let shown = outbound::shown_of_agent(step, by, dialled);
                if self.call_number(step, &number, &trunk, &shown).is_err() {
                    self.state = State::Queued;
                    let ending = Ending::of(ReleaseReason::AgentUnavailable);
                    self.transfer_done(step, "failed");
                    self.farewell(step, "transfer_failed", ending);
                }
            }
            Target::Flow(name) => {
                self.transfer_done(step, "transferred");
                self.enter_flow(step, &name);
            }
        }
    }

    /// Whether a blind transfer would reach somebody: an agent that is not idle would only lose
    /// the customer.
    pub fn can_be_handed_to(&self, step: &Step<'_, '_>, target: &Target) -> bool {
        match target {
            Target::Agent(agent, _) => step
                .cx
                .routing
                .agent_status(*agent)
                .is_some_and(|status| status.state == AgentState::Idle),
            _ => true,
        }
    }

    fn note_transfer(&mut self, step: &Step<'_, '_>, by: &str, target: &Target) {
        let (to, number) = match target {
            Target::Agent(_, id) => (format!("agent {id:?}"), None),
            Target::Queue(_, name) => (format!("skill_queue {name:?}"), None),
            Target::Number { number, .. } => {
                (String::from("number"), Some(Redacted::new(number.clone())))
            }
            Target::Flow(name) => (format!("flow {name:?}"), None),
        };
        let (at, by) = (step.cx.now.wall, Some(by.to_owned()));
        self.record.transfers.push(TransferRecord { at, by, to, number, outcome: None });
    }

    /// The consultation begins: this call is one, and its caller the agent.
    pub fn begin_consultation(&mut self, step: &mut Step<'_, '_>, target: Target) {
        let place = (self.id.serial, Side::Caller);
        let leg = &self.caller.leg;
        step.index.tags.insert(leg.dialog.id().local_tag.clone(), place);
        step.index.media.insert(leg.media.leg, place);
        if let Some(server) = leg.awaits_answer {
            step.index.servers.insert(server, place);
        }
        let record = Box::new(self.record.clone());
        step.cx.journal(crate::event::EventKind::CallArrived { record });
        self.checkpoint(step, Point::Admitted);
        self.arm(step, super::call::ARRIVED_MAX);
        self.caller.leg.media.tone(step.cx.out, crate::config::WAIT_TONE);
        let of = self.consult_of.as_ref();
        let (by, dialled) = of.map(|of| (of.employee_id.clone(), of.access_code.clone())).unzip();
        let (by, dialled) = (by.unwrap_or_default(), dialled.flatten());
        self.go_to(step, target, &by, dialled.as_deref());
    }

    /// The agent's leg leaves a consultation: back to the customer's call, or, when the customer is
    /// gone, where it came from. `gone`: the agent has hung up.
    pub fn give_agent_back(
        &mut self,
        step: &mut Step<'_, '_>,
        ending: &Ending,
        gone: bool,
    ) -> bool {
        let Some(of) = self.consult_of.take() else { return false };
        let leg = self.caller.leg.clone();
        step.index.tags.remove(&leg.dialog.id().local_tag);
        step.index.media.remove(&leg.media.leg);
        step.index.forget_agent(&of.employee_id, self.id.serial);
        match of.parent {
            Some(parent) => {
                let leg = Box::new(leg);
                // The agent, its caller, may have thought better of it.
                let failed = self.times.connected.is_none() && ending.by != ReleasedBy::Caller;
                step.index.across.push_back(Across::ConsultOver { parent, leg, failed, gone });
            }
            None => {
                if let Some(call) = of.outlives {
                    step.routed(Routed::CallEnded { agent: of.agent, call });
                }
                part_with(step, leg, &ending.header(), gone);
            }
        }
        true
    }

    /// Whether this is a consultation whose customer is still there.
    pub fn consults_for_customer(&self) -> bool {
        self.consult_of.as_ref().is_some_and(|of| of.parent.is_some())
    }

    /// Nothing comes from the agent who consults any more: it is gone, though nobody has said BYE.
    /// The customer is not given back to it, but goes where it would go if the agent had hung up.
    pub fn consulting_agent_lost(&mut self, step: &mut Step<'_, '_>) {
        let ending = Ending::of(ReleaseReason::MediaSilent);
        self.caller.leg.hang_up(step, &ending.header());
        let parent = self.consult_of.as_ref().and_then(|of| of.parent);
        match parent.filter(|_| matches!(self.state, State::Connected(_))) {
            Some(parent) => self.complete(step, parent, true),
            None => self.release(step, ending, Some(Side::Caller)),
        }
    }

    /// What an agent who consults was told has been said: it hears how its call goes on.
    pub fn consulting_told(&mut self, step: &mut Step<'_, '_>, reason: PlayEnd) {
        if reason != PlayEnd::Completed {
            return;
        }
        let rings = matches!(self.state, State::Queued | State::Offered(_));
        if rings && self.queue.is_some() {
            return self.play_wait_tone(step);
        }
        if rings || self.dials_unheard() {
            self.caller.leg.media.tone(step.cx.out, crate::config::WAIT_TONE);
        }
    }

    /// What an agent who consults has asked for by a key.
    pub fn serve_consulting(&mut self, step: &mut Step<'_, '_>, feature: Feature) -> bool {
        use Feature as F;
        let Some(of) = self.consult_of.clone() else { return false };
        let connected = matches!(self.state, State::Connected(_));
        let ending = || Ending::hung_up(ReleaseReason::NormalClearing, ReleasedBy::Caller, None);
        match (feature, of.parent) {
            (F::Return | F::HangUp, _) => self.release(step, ending(), None),
            (F::Transfer, Some(parent)) if connected => self.complete(step, parent, false),
            (F::Conference, Some(parent)) if connected => {
                let Some(other) = &self.agent else { return true };
                let legs = vec![of.customer, self.caller.leg.media.leg, other.media.leg];
                if let Some(of) = &mut self.consult_of {
                    of.conference = true;
                }
                step.index.across.push_back(Across::Joined { parent, legs });
                self.tell(step, Side::Caller, &["conference"]);
            }
            _ => return false,
        }
        true
    }

    /// The consulted party's leg goes to the customer's call; the agent is done.
    pub fn complete(&mut self, step: &mut Step<'_, '_>, parent: u32, gone: bool) {
        let State::Connected(talk) = &self.state else { return };
        let talk = talk.clone();
        let Some(leg) = self.agent.take() else { return };
        step.index.forget_agent(&talk.employee_id, self.id.serial);
        let (a, b) = (self.caller.leg.media.leg, leg.media.leg);
        step.cx.out.push_back(Output::Media(Command::Unbridge { a, b }));
        let leg = Box::new(leg);
        step.index.across.push_back(Across::TakeOver { parent, leg, talk });
        // The agent goes where it came from: nobody is left in this call.
        if let Some(of) = &mut self.consult_of {
            of.parent = None;
        }
        self.state = State::Queued;
        let reason = ReleaseReason::NormalClearing;
        let ending = Ending::hung_up(reason, ReleasedBy::Caller, None);
        self.release(step, ending, gone.then_some(Side::Caller));
    }

    /// All three hear each other from now on.
    pub fn joined(&mut self, step: &mut Step<'_, '_>, legs: Vec<LegRef>) {
        let Some(consult) = &mut self.consult else { return };
        consult.conference = true;
        let customer = self.caller.leg.media.leg;
        consult.others = legs.iter().copied().filter(|leg| *leg != customer).collect();
        self.caller.leg.media.stop(step.cx.out);
        step.cx.out.push_back(Output::Media(Command::Conference { legs }));
        self.transfer_done(step, "conference");
    }

    /// The customer's call is over while its agent consults: the two go on by themselves. `false`:
    /// this consultation is over too.
    pub fn customer_gone(&mut self, step: &mut Step<'_, '_>, talked_by: CallRef) -> bool {
        let Some(of) = &mut self.consult_of else { return false };
        of.parent = None;
        of.outlives = Some(talked_by);
        let conference = of.conference;
        step.index.agents.insert(of.employee_id.clone(), self.id.serial);
        if let Some(line) = self.caller.leg.home {
            let call = self.id.serial;
            step.index.across.push_back(Across::NowWith { line, call });
        }
        if matches!(self.state, State::Connected(_)) {
            if let Some(other) = self.agent.as_ref().map(|agent| agent.media.leg) {
                self.leave_conference(step, conference, other);
            }
            self.bridge(step);
        }
        self.tell(step, Side::Caller, &["customer_gone"]);
        true
    }

    /// This call is being released: its agent, who consults, talks on, and has its call ended for it
    /// by the consultation.
    pub fn leave_consultation(&mut self, step: &mut Step<'_, '_>) {
        let Some(Consult { child: Some(child), .. }) = self.consult.take() else { return };
        let State::Connected(talk) = &mut self.state else { return };
        let Some(agent) = talk.agent.take() else { return };
        step.index.across.push_back(Across::CustomerGone { child, agent, talked_by: talk.call });
    }
}

/// A consultation, before it has begun.
pub(crate) fn consultation(step: &Step<'_, '_>, id: CallId, lent: Lent) -> (Call, Target) {
    let Lent { leg, of, target, language, hops_left, data, .. } = lent;
    let lane = Lane { call: id, leg: 0, flow: leg.lane.flow };
    let sip_call_id = leg.dialog.id().call_id.to_string();
    let leg = Leg { lane, keys: Some(Keys::default()), holds: false, ..leg };
    let dialled = match &target {
        Target::Agent(_, employee_id) => employee_id.clone(),
        Target::Queue(_, name) => name.clone(),
        Target::Number { number, .. } => number.clone(),
        Target::Flow(name) => name.clone(),
    };
    let arrived = step.cx.now.wall;
    let mut record = CallRecord::new(id, sip_call_id, dialled, of.employee_id.clone(), arrived);
    record.data = data;
    let caller = CallerSide {
        leg,
        server: None,
        connection: None,
        invite: None,
        tag: Default::default(),
        phase: Phase::Acknowledged,
        agreed: None,
        early_media: false,
    };
    let presented = Some(of.employee_id.clone());
    let call = Call {
        consult_of: Some(of),
        presented,
        hops_left,
        ..Call::new(id, record, caller, language)
    };
    (call, target)
}
