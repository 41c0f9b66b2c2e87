//! [`Call`]: one call from its admission to its record.
//!
//! Owns the states below and what moves between them. Does not own: who is offered which call
//! (routing), the responses to the caller's INVITE ([`super::caller`]), the end of a call
//! ([`super::release`]), requests inside dialogs ([`super::in_dialog`]).
//!
//! ```text
//! Arrived ─Queued→ Queued ─Offer→ Offered ─200→ Answered ─announced→ Connected ─BYE→ Releasing
//!    │               ↑ └Overflow┐   │ failed       │ agent gone                        ↑
//!    │               └──────────┼───┴──────────────┘                                   │
//!    └─Overflow→ Farewell ←─────┘ ───────announcement played───────────────────────────┘
//! ```
//! `InFlow` stands beside `Arrived`: a flow has the call alone, and leaves it the same ways
//! ([`super::flow`]).
//! A call to one agent goes the same way without a queue: between offers it is `Queued` for the
//! moment that routing needs to say `AgentUnavailable`. Every state has a deadline
//! ([`Call::deadline_passed`]), so that no call can be stuck.

use super::across::Across;
use super::announce::{Announcement, PLAY_SLACK, standard_prompt};
use super::at_keys::AtKeys;
use super::caller::CallerSide;
use super::consult::{Consult, ConsultOf};
use super::dial::Dial;
use super::ending::Ending;
use super::flow::{Recording, Running};
use super::leg::{Leg, part_with};
use super::line::Line;
use super::offer::Offer;
use super::outbound::HOPS_MAX;
use super::waiting::Waiting;
use super::{Side, Step, Why};
use crate::checkpoint::{Checkpoint, Point};
use crate::context::call_ref;
use crate::event::EventKind;
use crate::id::CallId;
use crate::input::Output;
use crate::record::{CallRecord, QueueVisit, ReleaseReason, ReleasedBy};
use hotline_base::{Mono, Now, TimerId, Wall};
use hotline_media::command::{Command, PlayEnd, PlayId, RecordingId};
use hotline_routing::config::{AnnounceOnAnswer, AnswerSupervision};
use hotline_routing::{
    AgentRef, CallRef, Device, Input as Routed, OfferFailure, OfferId, OverflowWhy, Policy,
    QueueRef,
};
use hotline_sip::status::q850_reason;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long routing may take to say where a call goes: it answers in the same step.
pub(crate) const ARRIVED_MAX: Duration = Duration::from_secs(5);
/// How much longer than routing's own limits a call may wait or ring; then routing has lost it.
pub(crate) const ROUTING_SLACK: Duration = Duration::from_secs(600);
/// A provisional response at least this often (RFC 3261 §13.3.1.1 says every minute).
const PROGRESS_EVERY: Duration = Duration::from_secs(55);

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its name for ever.
    pub id: CallId,
    /// What its record knows so far.
    pub record: CallRecord,
    /// What it waits for.
    pub state: State,
    /// The caller's side.
    pub caller: CallerSide,
    /// The side of the agent who answered, while there is one.
    pub agent: Option<Leg>,
    /// The agent that dialled, if the caller is one, with its employee ID.
    pub dialled_by: Option<(AgentRef, String)>,
    /// The agent that signs in by this call, with its employee ID, until it holds the line or the
    /// call is over; not if the phone is its own, for then it has dialled.
    pub signs_in: Option<(AgentRef, String)>,
    /// Language of its prompts.
    pub language: String,
    /// When the caller's INVITE is answered; `None` for a call to one agent (when it answers).
    pub supervision: Option<AnswerSupervision>,
    /// The calling number as an agent may see it.
    pub presented: Option<String>,
    /// Priority in queues.
    pub priority: u8,
    /// The queue it waits in.
    pub queue: Option<QueueRef>,
    /// How long it may wait there, by routing.
    pub waits_until: Option<Mono>,
    /// Whether routing knows it.
    pub in_routing: bool,
    /// The flow that runs in it.
    pub flow: Option<Box<Running>>,
    /// Messages that are being recorded.
    pub recordings: BTreeMap<RecordingId, Recording>,
    /// The digit that ended the last one, and when.
    pub stopped_by: Option<(char, Mono)>,
    /// The media workers' last reports are waited for no longer.
    pub reports_due: bool,
    /// What it knows of itself as one that waits.
    pub waiting: Waiting,
    /// Number of the newest leg.
    pub last_leg: u16,
    /// How many hops it may still go.
    pub hops_left: u8,
    /// When what a single-phone agent has typed is looked at without waiting for more.
    pub keys_timer: Option<TimerId>,
    /// Who has signed in from a telephone by this call.
    pub signed_in: Option<SignedIn>,
    /// Whom its agent consults.
    pub consult: Option<Consult>,
    /// The call that it is a consultation about.
    pub consult_of: Option<ConsultOf>,
    /// Monotonic times, for durations.
    pub times: Times,
    /// The state's deadline.
    pub timer: Option<TimerId>,
    /// When the next provisional response is due.
    pub progress_timer: Option<TimerId>,
}

/// An agent that signed in by the call it makes.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Who.
    pub agent: AgentRef,
    /// The same by employee ID.
    pub employee_id: String,
    /// On what it takes calls from then on.
    pub device: Device,
}

/// Monotonic times of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// Out of the last queue.
    pub left: Option<Mono>,
    /// The agent's 200 OK.
    pub answered: Option<Mono>,
    /// The same by the wall clock.
    pub answered_wall: Option<Wall>,
    /// First bridged.
    pub connected: Option<Mono>,
    /// Since the caller came or was last handed on.
    pub stretch: Stretch,
    /// Waiting of the stretches before.
    pub waited: Duration,
    /// Talk of the stretches before.
    pub talked: Duration,
}

/// A caller waits, then talks; one who is handed on by an agent may do both again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stretch {
    /// First queued.
    pub queued: Option<Mono>,
    /// Answered.
    pub answered: Option<Mono>,
    /// Bridged.
    pub connected: Option<Mono>,
}

impl Times {
    /// The moment of answering, by both clocks.
    pub fn answered_at(&self) -> Option<Now> {
        Some(Now { mono: self.answered?, wall: self.answered_wall? })
    }

    /// The stretch is over.
    pub fn close_stretch(&mut self, now: Mono) {
        let Stretch { queued, answered, connected } = std::mem::take(&mut self.stretch);
        // What is played to who has left the queue is not waiting.
        let until = answered.or(self.left.take()).unwrap_or(now);
        self.waited += queued.map_or(Duration::ZERO, |queued| until.since(queued));
        self.talked += connected.map_or(Duration::ZERO, |connected| now.since(connected));
    }
}

/// What a call waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// Routing's answer.
    Arrived,
    /// An offer.
    Queued,
    /// The agent's phones; or a mobile that has answered and is asked to accept.
    Offered(Box<Offer>),
    /// An outside number to answer.
    Dialling(Box<Dial>),
    /// The end of the announcement.
    Answered(Answered),
    /// Somebody to hang up.
    Connected(Talk),
    /// What its flow does with it.
    InFlow,
    /// The end of the announcement before the release.
    Farewell(Farewell),
    /// The media workers' last reports.
    Releasing,
    /// Calls for the agent that holds this line.
    Line(Line),
    /// What the agent who has called in wants.
    AtKeys(AtKeys),
    /// Nothing: the record is written.
    Over,
}

/// An answered call that is not yet connected.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// With whom.
    pub talk: Talk,
    /// What the caller hears, until it has ended.
    pub caller_play: Option<PlayId>,
    /// What the agent hears, until it has ended.
    pub agent_play: Option<PlayId>,
}

/// With whom a caller talks.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    /// The offer that was answered; of no meaning for an outside number.
    pub offer: OfferId,
    /// The agent; `None`: an outside number.
    pub agent: Option<AgentRef>,
    /// The call by which routing knows them to talk.
    pub call: CallRef,
    /// The same by employee ID.
    pub employee_id: String,
    /// The queue that delivered.
    pub queue: Option<QueueRef>,
}

/// An announcement and how the call ends after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    /// The play.
    pub play: PlayId,
    /// The end.
    pub ending: Ending,
}

impl Call {
    /// A call that has just arrived, of which nothing more is known.
    pub fn new(id: CallId, record: CallRecord, caller: CallerSide, language: String) -> Call {
        Call {
            id,
            record,
            state: State::Arrived,
            caller,
            agent: None,
            dialled_by: None,
            signs_in: None,
            language,
            supervision: None,
            presented: None,
            priority: 0,
            queue: None,
            waits_until: None,
            in_routing: false,
            flow: None,
            recordings: BTreeMap::new(),
            stopped_by: None,
            reports_due: false,
            waiting: Waiting::default(),
            last_leg: 0,
            hops_left: HOPS_MAX,
            keys_timer: None,
            signed_in: None,
            consult: None,
            consult_of: None,
            times: Times::default(),
            timer: None,
            progress_timer: None,
        }
    }

    /// The state's name for a view.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Arrived => "arrived",
            State::Farewell(_) => "announcing",
            State::Queued => "queued",
            State::InFlow => "in_flow",
            State::Offered(_) => "offered",
            State::Answered(_) => "answered",
            State::Connected(_) => "connected",
            State::Dialling(_) => "dialling",
            State::Line(_) | State::AtKeys(_) => "line",
            State::Releasing | State::Over => "releasing",
        }
    }

    /// Sets the state's deadline in place of the one before.
    pub fn arm(&mut self, step: &mut Step<'_, '_>, after: Duration) {
        let at = step.cx.now.mono + after;
        let timer = step.index.timers.set(at, (self.id.serial, Why::State));
        if let Some(old) = self.timer.replace(timer) {
            step.index.timers.cancel(old);
        }
    }

    /// Keeps the caller's side from giving up while its INVITE has no final response.
    pub fn arm_progress(&mut self, step: &mut Step<'_, '_>) {
        let at = step.cx.now.mono + PROGRESS_EVERY;
        self.progress_timer = Some(step.index.timers.set(at, (self.id.serial, Why::Progress)));
    }

    /// The next provisional response is due.
    pub fn progress_due(&mut self, step: &mut Step<'_, '_>) {
        self.progress_timer = None;
        if self.caller.is_open() {
            self.caller.send_progress(step);
            self.arm_progress(step);
        }
    }

    /// Admitted: routing is asked, its answer comes with this step.
    pub fn admitted(&mut self, step: &mut Step<'_, '_>) {
        // First of the call's events: its ladder and its recovery are read from here on.
        step.cx.journal(EventKind::CallArrived { record: Box::new(self.record.clone()) });
        if let Some(invite) = &self.caller.invite {
            self.caller.leg.lane.received(step.cx, invite);
        }
        self.caller.trying(step);
        self.checkpoint(step, Point::Admitted);
        self.arm(step, ARRIVED_MAX);
        self.arm_progress(step);
    }

    /// Routing has put the caller into a queue.
    pub fn queued(&mut self, step: &mut Step<'_, '_>, queue: QueueRef, position: u32, until: Mono) {
        if !self.waits(step) {
            return;
        }
        // The flow that sent it here minds a hang-up still, but takes no keys.
        if self.flow.is_some() {
            self.leave_digits(step);
        }
        let now = step.cx.now;
        let name = step.queue_name(queue);
        self.record.test |= step.cx.routing.queue_settings(queue).is_some_and(|one| one.draft);
        self.queue = Some(queue);
        self.waits_until = Some(until);
        self.times.stretch.queued.get_or_insert(now.mono);
        self.record.queued.get_or_insert(now.wall);
        let visit =
            QueueVisit { queue: name.clone(), entered: now.wall, left: None, outcome: None };
        self.record.queues.push(visit);
        self.state = State::Queued;
        self.arm(step, until.since(now.mono) + ROUTING_SLACK);
        match self.supervision {
            Some(AnswerSupervision::AtOnce) => self.caller.answer(step),
            _ => self.caller.progress(step),
        }
        step.cx.journal(EventKind::Queued { call: self.id, queue: name, position });
        self.checkpoint(step, Point::Queued);
        self.begin_waiting(step);
    }

    /// Whether the call can be queued or offered. If not, routing holds a caller who is no longer
    /// there, which is a fault of ours: it is told, and so is the operator.
    pub fn waits(&self, step: &mut Step<'_, '_>) -> bool {
        let waits = matches!(self.state, State::Arrived | State::Queued);
        if !waits {
            let state = self.state_name();
            step.cx.notice(format!("call {}: routing took it for a caller ({state})", self.id));
            step.routed(Routed::CallerGone { call: self.call_ref() });
        }
        waits
    }

    /// Routing has moved the caller out of a queue; where to comes next.
    pub fn moved(&mut self, step: &mut Step<'_, '_>, why: OverflowWhy, hops: u8) {
        self.waiting.hops = hops;
        self.drop_waiting_flow(step);
        self.leave_queue(step.cx.now, overflow_word(why));
    }

    /// The caller keeps its place and hears what waiting callers hear.
    pub fn wait_again(&mut self, step: &mut Step<'_, '_>) {
        self.state = State::Queued;
        let left = self.waits_until.map(|until| until.since(step.cx.now.mono));
        self.arm(step, left.unwrap_or_default() + ROUTING_SLACK);
        self.play_wait_tone(step);
        if !self.is_telling() {
            self.arm_place(step, Duration::ZERO);
        }
        self.resume_flow(step);
    }

    /// The agent has answered: everybody learns of it, and the caller hears who it is.
    pub fn announce(&mut self, step: &mut Step<'_, '_>, talk: Talk) {
        let now = step.cx.now;
        self.stop_telling(step);
        self.suspend_flow(step);
        self.times.stretch.answered = Some(now.mono);
        // A caller who was handed on was answered by the first.
        if self.times.connected.is_none() {
            self.times.answered = Some(now.mono);
            self.times.answered_wall = Some(now.wall);
            self.record.answered = Some(now.wall);
            self.record.agent = Some(talk.employee_id.clone());
        }
        self.offer_ended(step, talk.employee_id.clone(), "answered");
        step.routed(Routed::Answered { offer: talk.offer });
        self.caller.answer(step);
        let agent = talk.employee_id.clone();
        step.cx.journal(EventKind::Answered { call: self.id, agent });
        let settings = talk.queue.and_then(|queue| step.cx.routing.queue_settings(queue));
        let wanted = settings
            .is_some_and(|queue| matches!(queue.announce_on_answer, AnnounceOnAnswer::EmployeeId));
        let announcement = match wanted {
            true => Announcement::employee_id(step.cx.config, &self.language, &talk.employee_id),
            false => Announcement::default(),
        };
        self.note_missing(step, &announcement);
        let mut answered = Answered { talk, caller_play: None, agent_play: None };
        let mut duration = announcement.duration;
        let on_line = self.call_for(step, &answered.talk);
        if let Some(agent) = &mut self.agent {
            let out = &mut *step.cx.out;
            if let Some(call_for) = on_line {
                duration = duration.max(call_for.duration);
                answered.agent_play = Some(agent.media.play(out, call_for.items));
            } else if !announcement.items.is_empty() {
                answered.agent_play = Some(agent.media.play(out, Announcement::beep(duration)));
            }
            if !announcement.items.is_empty() {
                answered.caller_play = Some(self.caller.leg.media.play(out, announcement.items));
            }
        }
        self.state = State::Answered(answered);
        self.arm(step, duration + PLAY_SLACK);
        self.checkpoint(step, Point::Answered);
        self.connect_if_announced(step);
    }

    /// Bridges caller and agent once both have heard what there was to hear.
    fn connect_if_announced(&mut self, step: &mut Step<'_, '_>) {
        let State::Answered(answered) = &self.state else { return };
        if answered.caller_play.is_some() || answered.agent_play.is_some() {
            return;
        }
        self.connect(step);
    }

    fn connect(&mut self, step: &mut Step<'_, '_>) {
        self.drop_flow(step);
        let State::Answered(answered) = &self.state else { return };
        let Some(agent) = &mut self.agent else { return };
        let talk = answered.talk.clone();
        let now = step.cx.now;
        let caller = &mut self.caller.leg;
        caller.media.stop(step.cx.out);
        agent.media.stop(step.cx.out);
        let bridge = Command::Bridge { a: caller.media.leg, b: agent.media.leg };
        step.cx.out.push_back(Output::Media(bridge));
        let first = self.times.connected.is_none();
        self.times.connected.get_or_insert(now.mono);
        self.times.stretch.connected.get_or_insert(now.mono);
        self.record.connected.get_or_insert(now.wall);
        let answered_at = self.times.answered_at().filter(|_| first);
        self.leave_queue(answered_at.unwrap_or(now), "answered");
        self.transfer_done(step, "transferred");
        step.routed(Routed::Connected { offer: talk.offer });
        // Routing has no caller of this name any more: an agent who is in a call.
        self.in_routing = false;
        self.state = State::Connected(talk);
        let limit = Duration::from_secs(u64::from(step.cx.config.limits.call_s_max));
        let since = now.mono.since(self.times.answered.unwrap_or(now.mono));
        self.arm(step, limit.saturating_sub(since));
        self.tell_held(step, Side::Caller);
        self.tell_held(step, Side::Agent);
        step.cx.journal(EventKind::Connected { call: self.id });
        self.checkpoint(step, Point::Bridged);
    }

    /// The agent hung up, or vanished: before connected the offer has failed and the caller keeps
    /// its place, after it the call is over.
    /// `gone`: it has ended its dialog itself.
    pub fn agent_gone(&mut self, step: &mut Step<'_, '_>, cause: Option<u16>, gone: bool) {
        match &self.state {
            State::Offered(offer) if offer.confirming => {
                // A machine hangs up too when it has said what it says.
                if let Some(leg) = self.agent.take() {
                    part_with(step, leg, &q850_reason(16), gone);
                }
                self.offer_fails(step, OfferFailure::NoAnswer);
            }
            State::Answered(answered) => {
                let offer = answered.talk.offer;
                self.drop_agent(step, "gone", !gone);
                self.wait_again(step);
                step.routed(Routed::OfferFailed { offer, why: OfferFailure::AgentGone });
            }
            _ => {
                let reason = ReleaseReason::NormalClearing;
                let ending = Ending::hung_up(reason, ReleasedBy::Agent, cause);
                self.release(step, ending, gone.then_some(Side::Agent));
            }
        }
    }

    /// Parts from an agent who has answered but is not connected.
    pub fn drop_agent(&mut self, step: &mut Step<'_, '_>, outcome: &str, hang_up: bool) {
        let Some(agent) = self.agent.take() else { return };
        part_with(step, agent, &q850_reason(16), !hang_up);
        if let State::Answered(answered) = &self.state {
            let employee_id = answered.talk.employee_id.clone();
            step.index.forget_agent(&employee_id, self.id.serial);
            self.offer_ended(step, employee_id, outcome);
        }
        self.times.stretch.answered = None;
        if self.times.connected.is_some() {
            return;
        }
        self.record.agent = None;
        self.record.answered = None;
        self.times.answered = None;
        self.times.answered_wall = None;
    }

    /// The queue does not keep the caller.
    pub fn overflow(
        &mut self,
        step: &mut Step<'_, '_>,
        why: OverflowWhy,
        policy: &Policy,
        hops: u8,
    ) {
        self.in_routing = false;
        self.waiting.hops = hops;
        self.stop_telling(step);
        self.leave_queue(step.cx.now, overflow_word(why));
        if let Policy::Flow(name) = policy {
            return self.overflow_to_flow(step, name);
        }
        let reason = match why {
            OverflowWhy::Timeout => ReleaseReason::QueueTimeout,
            OverflowWhy::Busy => ReleaseReason::QueueBusy,
            OverflowWhy::NoAgents | OverflowWhy::Removed => ReleaseReason::NoAgents,
        };
        let prompt = match policy {
            Policy::Release { prompt } => prompt.as_deref().unwrap_or(standard_prompt(why)),
            // Routing moves callers between queues itself, and flows are run above.
            Policy::SkillQueue(_) | Policy::Flow(_) => "fault",
        };
        let prompt = prompt.to_owned();
        self.farewell(step, &prompt, Ending::of(reason));
    }

    /// An announcement, then the end. Without the prompt, or if the caller cannot hear it, the end
    /// comes at once.
    pub fn farewell(&mut self, step: &mut Step<'_, '_>, prompt: &str, ending: Ending) {
        self.stop_ringing(step, "withdrawn", &ending.header());
        self.stop_telling(step);
        self.drop_flow(step);
        self.transfer_done(step, "failed");
        if !matches!(self.state, State::Arrived | State::Queued | State::InFlow) {
            let state = self.state_name();
            return step.cx.notice(format!("call {}: routing let it go ({state})", self.id));
        }
        let announcement = Announcement::prompt(step.cx.config, &self.language, prompt);
        self.note_missing(step, &announcement);
        if !announcement.items.is_empty() && self.caller.is_open() {
            match self.supervision {
                Some(AnswerSupervision::AtOnce) => self.caller.answer(step),
                Some(AnswerSupervision::WhenAgentAnswers) => self.caller.progress(step),
                None => {}
            }
        }
        if announcement.items.is_empty() || !self.caller.hears() {
            return self.release(step, ending, None);
        }
        let duration = announcement.duration;
        let play = self.caller.leg.media.play(step.cx.out, announcement.items);
        self.state = State::Farewell(Farewell { play, ending });
        self.arm(step, duration + PLAY_SLACK);
    }

    /// A play of one side has ended.
    pub fn play_ended(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        play: PlayId,
        reason: PlayEnd,
    ) {
        let media = match (side, &mut self.agent) {
            (Side::Caller, _) => Some(&mut self.caller.leg.media),
            (Side::Agent, Some(agent)) => Some(&mut agent.media),
            (Side::Agent, None) => None,
        };
        if !media.is_some_and(|media| media.ended(play)) {
            return;
        }
        if reason == PlayEnd::Failed {
            step.cx.notice("an announcement or tone could not be played".to_owned());
        }
        if side == Side::Caller && self.flow_play_ended(step, play, reason) {
            return;
        }
        let keys = self.has_keys(side);
        match &mut self.state {
            State::Offered(offer) if offer.confirming && side == Side::Agent => {
                self.ask_again(step);
            }
            State::Answered(answered) => {
                let waited = match side {
                    Side::Caller => &mut answered.caller_play,
                    Side::Agent => &mut answered.agent_play,
                };
                if *waited == Some(play) {
                    *waited = None;
                }
                self.connect_if_announced(step);
            }
            State::Farewell(farewell) if farewell.play == play => {
                let ending = farewell.ending;
                self.release(step, ending, None);
            }
            State::Line(_) | State::AtKeys(_) => self.key_told(step, Side::Caller),
            State::Connected(_) if keys => self.key_told(step, side),
            _ if side == Side::Caller && self.consult_of.is_some() => {
                self.consulting_told(step, reason);
            }
            // A tone that was stopped, replaced or cut off; or where the caller stands.
            _ if side == Side::Caller => self.told(step, play),
            _ => {}
        }
    }

    /// No RTP from one side for the tenant's limit. Not before its 200: early media is one-way.
    pub fn silent(&mut self, step: &mut Step<'_, '_>, side: Side) {
        let leg = match (side, &self.agent) {
            (Side::Caller, _) if self.caller.is_answered() => &self.caller.leg,
            (Side::Agent, Some(agent)) => agent,
            _ => return,
        };
        if leg.held {
            return;
        }
        if side == Side::Caller && self.consults_for_customer() {
            return self.consulting_agent_lost(step);
        }
        let line = leg.home;
        match self.state {
            State::Offered(_) if side == Side::Agent => {
                self.offer_fails(step, OfferFailure::NoAnswer);
            }
            _ => self.release(step, Ending::of(ReleaseReason::MediaSilent), None),
        }
        if let Some(line) = line {
            // It is said once: the line, when it has its leg back, would never hear of it.
            step.index.across.push_back(Across::LineSilent { line });
        }
    }

    /// The state has lasted as long as it may.
    pub fn deadline_passed(&mut self, step: &mut Step<'_, '_>) {
        self.timer = None;
        match &self.state {
            State::Arrived | State::Queued => {
                step.cx.notice(format!("call {}: routing has lost it; released", self.id));
                self.release(step, Ending::of(ReleaseReason::QueueTimeout), None);
            }
            State::Offered(offer) => {
                let offer = offer.id;
                self.stop_ringing(step, "no_answer", &q850_reason(19));
                self.wait_again(step);
                step.routed(Routed::OfferFailed { offer, why: OfferFailure::NoAnswer });
            }
            State::Dialling(_) => self.rang_too_long(step),
            State::Answered(_) => {
                step.cx.notice(format!("call {}: an announcement did not end", self.id));
                self.connect(step);
            }
            State::AtKeys(_) => self.release(step, Ending::of(ReleaseReason::NormalClearing), None),
            State::Line(_) => self.line_is_old(step),
            State::Connected(_) | State::InFlow => {
                self.release(step, Ending::of(ReleaseReason::CallTooLong), None);
            }
            State::Farewell(farewell) => {
                let ending = farewell.ending;
                self.release(step, ending, None);
            }
            State::Releasing | State::Over => self.reports_are_due(step),
        }
    }

    /// Closes the running stay in a queue.
    pub fn leave_queue(&mut self, at: Now, outcome: &str) {
        if let Some(visit) = self.record.queues.last_mut().filter(|visit| visit.left.is_none()) {
            self.times.left = Some(at.mono);
            visit.left = Some(at.wall);
            visit.outcome = Some(outcome.to_owned());
        }
    }

    /// Writes the call's state, whole.
    pub fn checkpoint(&self, step: &mut Step<'_, '_>, point: Point) {
        let queued = self.record.queued.filter(|_| self.times.connected.is_none());
        let checkpoint = Checkpoint {
            call: self.id,
            point,
            record: self.record.clone(),
            flow: self.flow_snapshot(),
            queue_key: queued.map(|at| (u32::from(self.priority), at)),
            caller: self.caller.leg.checkpoint(self.caller.invite.as_ref()),
            agent: self.agent.as_ref().map(|agent| agent.checkpoint(None)),
        };
        step.cx.journal(EventKind::Checkpoint { checkpoint: Box::new(checkpoint) });
    }

    /// Routing's name for the call.
    pub fn call_ref(&self) -> hotline_routing::CallRef {
        call_ref(self.id)
    }
}

fn overflow_word(why: OverflowWhy) -> &'static str {
    match why {
        OverflowWhy::Timeout => "timeout",
        OverflowWhy::Busy => "busy",
        OverflowWhy::NoAgents => "no_agents",
        OverflowWhy::Removed => "removed",
    }
}
