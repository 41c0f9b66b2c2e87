//! [`Invariants`]: what must hold whatever happens, judged from outside by what the engines say.
//!
//! Owns: a plain model of calls and agents made of journal events alone. Does not own: what must
//! hold after quiet ([`crate::world`] asks engines and phones for that).

use crate::centre;
use hotline_base::{Mono, Now, Partition};
use hotline_engine::checkpoint::Point;
use hotline_engine::event::{Event, EventKind};
use hotline_engine::{CallId, CallRecord};
use hotline_routing::Device;
use hotline_sip::{Message, Method};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a caller may wait beside an idle agent: the pause after a rejection, and some.
const IDLE_MAX: Duration = Duration::from_secs(12);
/// For want of a media port nobody rings, and the caller is not tried again for so long.
const TRY_AGAIN: Duration = hotline_routing::limits::TRY_AGAIN;
/// Why an agent is idle again that was to be offered a call for which there was no media port.
const NO_PORT: &str = "no_capacity";
/// How far a record's duration may be from what was seen, in ms.
const DURATION_SLACK_MS: u64 = 1;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

/// An invariant that did not hold.
pub fn fault(invariant: &'static str, text: impl Into<String>) -> Fault {
    Fault { invariant, text: text.into() }
}

/// A possible fault that only the engine's own view can confirm: the journal does not say when a
/// caller leaves a queue to hear an announcement.
#[derive(Clone, Debug)]
pub struct Suspicion {
    /// The fault, if it is one.
    pub fault: Fault,
    /// The caller that should have been served.
    pub call: CallId,
    /// The queue it should still wait in.
    pub queue: String,
    /// The agent that should still be idle, if it is about one.
    pub agent: Option<String>,
}

#[derive(Debug)]
struct Call {
    sip_call_id: String,
    priority: u8,
    /// Queue, and a number that grows with each arrival in a queue.
    queue: Option<(String, u64)>,
    waits_since: Mono,
    offered_to: Option<String>,
    /// When it was last to be offered and there was no media port.
    lacked_port: Option<Mono>,
    first_queued: Option<Mono>,
    answered: Option<Mono>,
    connected: Option<Mono>,
    ended: Option<Mono>,
}

impl Call {
    /// Whether it is left alone for want of a media port.
    fn pauses(&self, now: Now) -> bool {
        self.lacked_port.is_some_and(|at| now.mono.since(at) <= TRY_AGAIN)
    }
}

#[derive(Debug)]
struct Agent {
    state: String,
    since: Mono,
    queues: Vec<String>,
    call: Option<CallId>,
    on_line: bool,
    single_phone: bool,
    /// The call it was chosen for, until it is known what came of that.
    chosen_for: Option<CallId>,
}

/// The model; see the module.
#[derive(Debug, Default)]
pub struct Invariants {
    calls: BTreeMap<CallId, Call>,
    by_sip: BTreeMap<String, CallId>,
    released: BTreeSet<CallId>,
    agents: BTreeMap<(Partition, String), Agent>,
    /// SIP Call-IDs of INVITEs to agents.
    invited: BTreeSet<String>,
    arrivals: u64,
    /// The call that routing has just chosen an agent for, by partition.
    chosen: BTreeMap<Partition, CallId>,
    suspicions: Vec<Suspicion>,
    /// Since when everybody who could be served should be.
    calm_since: Mono,
    frozen: bool,
    draining: bool,
    wall_jumps: bool,
    /// Agents hand calls on by keys: who is in which call is also told by their states.
    handed_on: bool,
    connected: u64,
    stories: BTreeMap<String, u64>,
}

impl Invariants {
    /// Nothing has happened yet. When the wall clock jumps, times in records need no order.
    pub fn new(wall_jumps: bool, handed_on: bool) -> Invariants {
        Invariants { wall_jumps, handed_on, ..Invariants::default() }
    }

    /// Calls that arrived.
    pub fn arrived(&self) -> u64 {
        (self.calls.len() + self.released.len()) as u64
    }

    /// Calls that were connected.
    pub fn connected(&self) -> u64 {
        self.connected
    }

    /// What happened, how often: so that it can be seen that it did.
    pub fn take_stories(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.stories)
    }

    /// One more thing happened.
    pub fn tell(&mut self, story: impl Into<String>) {
        *self.stories.entry(story.into()).or_default() += 1;
    }

    /// Calls without a record yet.
    pub fn open_calls(&self) -> Vec<CallId> {
        self.calls.keys().copied().collect()
    }

    /// What is to be confirmed by the engines' views, once.
    pub fn take_suspicions(&mut self) -> Vec<Suspicion> {
        std::mem::take(&mut self.suspicions)
    }

    /// Whether the engines may offer calls.
    pub fn freeze(&mut self, now: Now, frozen: bool) {
        self.frozen = frozen;
        self.calm_since = now.mono;
    }

    /// Whether new calls are turned away; who waits is to be served as ever.
    pub fn drain(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// The configuration changed: waiting agents and callers may be rearranged. Agents of tenants
    /// that are gone are gone.
    pub fn configured(&mut self, now: Now, present: &[Partition]) {
        self.calm_since = now.mono;
        self.agents.retain(|(partition, _), _| present.contains(partition));
    }

    /// An event for the journal.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn journal(&mut self, now: Now, event: &Event) -> Result<(), Fault> {
        match &event.kind {
            EventKind::CallArrived { record } => self.call_arrived(now, record),
            EventKind::Queued { call, queue, .. } => self.queued(now, *call, queue),
            EventKind::Offered { call, agent } => self.offered(now, event.partition, *call, agent),
            // Its `Answered` follows: the agent stays in the call.
            EventKind::OfferEnded { outcome, .. } if outcome == "answered" => Ok(()),
            EventKind::OfferEnded { call, agent, .. } => {
                self.offer_ended(now, event.partition, *call, agent)
            }
            EventKind::Answered { call, agent } => {
                let state = self.call(*call)?;
                if state.offered_to.as_ref() != Some(agent) {
                    let text = format!("{call} answered by {agent}, who was not offered it");
                    return Err(fault("one_offer_per_agent", text));
                }
                state.answered = Some(now.mono);
                Ok(())
            }
            EventKind::Connected { call } => {
                self.connected += 1;
                let state = self.call(*call)?;
                state.connected.get_or_insert(now.mono);
                // An outside number answers for itself.
                state.answered.get_or_insert(now.mono);
                Ok(())
            }
            EventKind::FlowStep { call, .. } => {
                self.tell("a flow goes on");
                self.call(*call).map(drop)
            }
            EventKind::MessageLeft { call, .. } => {
                self.tell("a message is left");
                self.call(*call).map(drop)
            }
            EventKind::Checkpoint { checkpoint } if checkpoint.point == Point::Released => {
                self.ended(now, checkpoint.call)
            }
            EventKind::Released { record } => self.record(record),
            EventKind::Decision { call: Some(call), decision } if decision.chosen.is_some() => {
                self.chosen.insert(event.partition, *call);
                Ok(())
            }
            EventKind::AgentState { agent, from, to, reason, snapshot, .. } => {
                let key = (event.partition, agent.clone());
                let before = self.agents.remove(&key);
                let (mut call, chosen_for) =
                    before.map_or((None, None), |agent| (agent.call, agent.chosen_for));
                let was_up = matches!(from.as_str(), "talking" | "holding");
                if self.handed_on && was_up && is_at_rest(to) {
                    call = None;
                }
                if let Some(chosen) = chosen_for.filter(|_| reason.as_deref() == Some(NO_PORT)) {
                    self.lacked_port(now, chosen);
                }
                let offered = to == "offered";
                let chosen_for = self.chosen.remove(&event.partition).filter(|_| offered);
                let queues = snapshot.queues.clone();
                let on_line = snapshot.device == Device::HeldLine;
                let single_phone = snapshot.device != Device::Softphone;
                let since = now.mono;
                let state = to.clone();
                let state = Agent { state, since, queues, call, on_line, single_phone, chosen_for };
                self.agents.insert(key, state);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A message leaves for an agent's phone or a caller: what explains it must be in the journal.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn sent(
        &mut self,
        message: &Message,
        to_agent: Option<&(Partition, String)>,
    ) -> Result<(), Fault> {
        let unexplained = |text: String| Err(fault("journal_before_send", text));
        let call_id = || message.call_id().map_or_else(|_| String::new(), text_of);
        match (message.method(), message.status()) {
            (Some(Method::Invite), _) if message.to().is_ok_and(|to| to.tag().is_none()) => {
                let Some(agent) = to_agent else {
                    return Err(fault("invite_goes_to_agent", call_id()));
                };
                if !self.invited.insert(call_id()) {
                    // Sent again; until it is heard of, it cannot even be cancelled.
                    return Ok(());
                }
                match self.agents.get(agent).and_then(|agent| agent.call) {
                    Some(_) => Ok(()),
                    None => unexplained(format!("INVITE to {agent:?} without an offer")),
                }
            }
            (Some(Method::Bye), _) => match self.by_sip.get(&call_id()) {
                Some(call) if self.calls.get(call).is_some_and(|call| call.ended.is_none()) => {
                    unexplained(format!("BYE to the caller of {call} before its end"))
                }
                _ => Ok(()),
            },
            (None, Some(101..300)) if message.cseq().is_ok_and(|c| c.method == Method::Invite) => {
                let in_dialog = to_agent.is_some();
                match self.by_sip.contains_key(&call_id()) || in_dialog {
                    true => Ok(()),
                    false => unexplained(format!("a call that never arrived: {}", call_id())),
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether an agent takes calls on a line that it holds.
    pub fn waits_on_line(&self, partition: Partition, agent: &str) -> bool {
        let state = self.agents.get(&(partition, agent.to_owned()));
        state.is_some_and(|agent| agent.on_line && agent.state != "signed_out")
    }

    /// Whether an agent takes calls on a plain telephone.
    pub fn is_single_phone(&self, partition: Partition, agent: &str) -> bool {
        self.agents.get(&(partition, agent.to_owned())).is_some_and(|agent| agent.single_phone)
    }

    /// Whether an agent is in no call.
    pub fn is_between_calls(&self, agent: &(Partition, String)) -> bool {
        self.agents.get(agent).is_some_and(|agent| agent.call.is_none() && is_at_rest(&agent.state))
    }

    /// Whether somebody waits for long beside an idle agent.
    pub fn look_for_idle(&mut self, now: Now) {
        if self.frozen {
            return;
        }
        let long = |since: Mono| now.mono.since(since.max(self.calm_since)) > IDLE_MAX;
        let waiting = self.calls.iter().filter(|(_, call)| {
            let waits = call.offered_to.is_none() && call.ended.is_none() && !call.pauses(now);
            waits && long(call.waits_since)
        });
        for (id, call) in waiting {
            let Some((queue, _)) = &call.queue else { continue };
            let idle = self.agents.iter().find(|((partition, _), agent)| {
                *partition == id.partition
                    && agent.state == "idle"
                    && agent.queues.contains(queue)
                    && long(agent.since)
            });
            if let Some(((_, agent), state)) = idle {
                let text = format!(
                    "{id} waits in {queue:?} since {} ms, agent {agent} is idle since {} ms",
                    call.waits_since.as_ms(),
                    state.since.as_ms()
                );
                self.suspicions.push(Suspicion {
                    fault: fault("nobody_idle_while_somebody_waits", text),
                    call: *id,
                    queue: queue.clone(),
                    agent: Some(agent.clone()),
                });
            }
        }
    }

    fn call(&mut self, id: CallId) -> Result<&mut Call, Fault> {
        let unknown = || fault("one_record_per_call", format!("an event of {id}, which is not up"));
        self.calls.get_mut(&id).ok_or_else(unknown)
    }

    fn call_arrived(&mut self, now: Now, record: &CallRecord) -> Result<(), Fault> {
        let id = record.call;
        let sip_call_id = record.caller_sip_call_id.clone();
        let consults =
            self.by_sip.contains_key(&sip_call_id) || self.invited.contains(&sip_call_id);
        if (self.draining || self.frozen) && !consults {
            return Err(fault("new_calls_are_turned_away", format!("{id} arrived")));
        }
        if self.calls.contains_key(&id) || self.released.contains(&id) {
            return Err(fault("one_record_per_call", format!("{id} arrived twice")));
        }
        // A consultation's caller is the agent's leg of another call.
        self.by_sip.entry(sip_call_id.clone()).or_insert(id);
        let call = Call {
            sip_call_id,
            priority: centre::priority_of(record.extension_code.as_deref()),
            queue: None,
            waits_since: now.mono,
            offered_to: None,
            lacked_port: None,
            first_queued: None,
            answered: None,
            connected: None,
            ended: None,
        };
        self.calls.insert(id, call);
        Ok(())
    }

    fn queued(&mut self, now: Now, id: CallId, queue: &str) -> Result<(), Fault> {
        self.arrivals += 1;
        let order = self.arrivals;
        let call = self.call(id)?;
        if call.answered.is_some() {
            // Its agent has handed it on.
            call.offered_to = None;
        }
        call.queue = Some((queue.to_owned(), order));
        call.waits_since = now.mono;
        call.first_queued.get_or_insert(now.mono);
        Ok(())
    }

    /// It keeps its place; who came later may be offered meanwhile.
    fn lacked_port(&mut self, now: Now, id: CallId) {
        self.tell("no media port for an agent");
        if let Some(call) = self.calls.get_mut(&id) {
            call.lacked_port = Some(now.mono);
        }
    }

    fn offered(
        &mut self,
        now: Now,
        partition: Partition,
        id: CallId,
        agent: &str,
    ) -> Result<(), Fault> {
        let key = (partition, agent.to_owned());
        let state = self.agents.get_mut(&key);
        let Some(state) = state else {
            return Err(fault("one_offer_per_agent", format!("{agent} never signed in")));
        };
        if let Some(other) = state.call.replace(id) {
            let text = format!("{agent} is offered {id} while in {other}");
            return Err(fault("one_offer_per_agent", text));
        }
        if !matches!(state.state.as_str(), "idle" | "offered") {
            let text = format!("{agent} is offered {id} while {}", state.state);
            return Err(fault("one_offer_per_agent", text));
        }
        let offered_to = self.call(id)?.offered_to.clone();
        let in_it = |other: String| {
            let other = self.agents.get(&(partition, other));
            other.is_some_and(|other| other.call == Some(id))
        };
        let left = self.handed_on && !offered_to.is_some_and(in_it);
        let call = self.call(id)?;
        if left {
            call.offered_to = None;
        }
        if let Some(other) = call.offered_to.replace(agent.to_owned()) {
            let text = format!("{id} is offered to {agent} while offered to {other}");
            return Err(fault("one_offer_per_call", text));
        }
        if call.ended.is_some() {
            return Err(fault("one_record_per_call", format!("{id} is offered after its end")));
        }
        let (queue, priority) = (call.queue.clone(), call.priority);
        let Some((queue, order)) = queue else { return Ok(()) };
        let earlier = self.calls.iter().filter(|(other, call)| {
            other.partition == partition
                && call.priority == priority
                && call.offered_to.is_none()
                && call.ended.is_none()
                && !call.pauses(now)
                && call.queue.as_ref().is_some_and(|(name, at)| *name == queue && *at < order)
        });
        let first = earlier.map(|(other, _)| *other).next();
        if let Some(other) = first {
            let text = format!("{id} is offered from {queue:?} before {other}");
            let fault = fault("first_come_first_served", text);
            self.suspicions.push(Suspicion { fault, call: other, queue, agent: None });
        }
        Ok(())
    }

    fn offer_ended(
        &mut self,
        now: Now,
        partition: Partition,
        id: CallId,
        agent: &str,
    ) -> Result<(), Fault> {
        let call = self.call(id)?;
        if call.offered_to.take().as_deref() != Some(agent) {
            let text = format!("an offer of {id} to {agent} ended that was not running");
            return Err(fault("one_offer_per_agent", text));
        }
        call.waits_since = now.mono;
        call.answered = None;
        self.free(partition, agent, id);
        Ok(())
    }

    fn free(&mut self, partition: Partition, agent: &str, id: CallId) {
        if let Some(state) = self.agents.get_mut(&(partition, agent.to_owned()))
            && state.call == Some(id)
        {
            state.call = None;
        }
    }

    fn ended(&mut self, now: Now, id: CallId) -> Result<(), Fault> {
        let call = self.call(id)?;
        if call.ended.replace(now.mono).is_some() {
            return Err(fault("one_record_per_call", format!("{id} ended twice")));
        }
        if let Some(agent) = call.offered_to.clone() {
            self.free(id.partition, &agent, id);
        }
        Ok(())
    }

    fn record(&mut self, record: &CallRecord) -> Result<(), Fault> {
        let id = record.call;
        if !self.released.insert(id) {
            return Err(fault("one_record_per_call", format!("{id} has two records")));
        }
        let Some(call) = self.calls.remove(&id) else {
            return Err(fault("one_record_per_call", format!("{id} never arrived")));
        };
        self.tell(format!("released {:?}", record.reason));
        for offer in &record.offers {
            self.tell(format!("offer {}", offer.outcome.as_deref().unwrap_or_default()));
        }
        for visit in &record.queues {
            self.tell(format!("left queue {}", visit.outcome.as_deref().unwrap_or_default()));
        }
        self.judge_record(&call, record)
            .map_err(|text| fault("records_are_consistent", format!("{id}: {text}; {record:?}")))
    }

    fn judge_record(&self, call: &Call, record: &CallRecord) -> Result<(), String> {
        let Some(ended) = call.ended else { return Err("no checkpoint of its end".into()) };
        if record.caller_sip_call_id != call.sip_call_id {
            return Err("another SIP Call-ID than at its arrival".into());
        }
        if record.reason.is_none() || record.released_by.is_none() || record.q850 == 0 {
            return Err("reason, who released, or cause missing".into());
        }
        if !record.transfers.is_empty() {
            // Who was handed on may have waited and been answered more than once.
            return self.judge_order(record);
        }
        let close = |seen: u64, noted: u64| seen.abs_diff(noted) <= DURATION_SLACK_MS;
        if let Some(queued) = call.first_queued {
            let until = call.answered.unwrap_or(ended);
            self.judge_waiting(record, call.answered.is_some(), until.since(queued))?;
        } else if record.waiting_ms != 0 {
            return Err("waiting_ms of a call that was never queued".into());
        }
        if call.answered.is_some() && record.sip_status != Some(200) {
            return Err("sip_status of an answered call is not 200".into());
        }
        let talked = call.connected.map_or(0, |at| ended.since(at).as_millis() as u64);
        if !close(talked, record.talk_ms) {
            return Err(format!("talk_ms is not the {talked} that were seen"));
        }
        let present = [
            (call.first_queued.is_some(), record.queued.is_some(), "queued"),
            (call.connected.is_some(), record.connected.is_some(), "connected"),
            (true, record.released.is_some(), "released"),
            (call.answered.is_some(), record.answered.is_some(), "answered"),
        ];
        if let Some((_, _, name)) = present.iter().find(|(seen, noted, _)| seen != noted) {
            return Err(format!("time of {name:?} is not as seen"));
        }
        if record.offers.iter().any(|offer| offer.ended.is_none() || offer.outcome.is_none()) {
            return Err("an offer without an end".into());
        }
        if record.queues.iter().any(|visit| visit.left.is_none() || visit.outcome.is_none()) {
            return Err("a stay in a queue without an end".into());
        }
        self.judge_order(record)
    }

    /// Waiting ends with the answer; or when the last queue was left to hear an announcement, of
    /// which only the record itself tells; or with the call.
    fn judge_waiting(
        &self,
        record: &CallRecord,
        answered: bool,
        seen: Duration,
    ) -> Result<(), String> {
        let seen = seen.as_millis() as u64;
        let last = record.queues.last();
        let left = last.and_then(|visit| visit.left).zip(record.queued);
        let announced = last.is_some_and(|visit| {
            visit.left < record.released && visit.outcome.as_deref() != Some("abandoned")
        });
        let expected = match left {
            // Times that jump cannot be subtracted.
            _ if !answered && self.wall_jumps => seen.min(record.waiting_ms),
            Some((left, queued)) if !answered && announced => {
                ((left.0 - queued.0).max(0) / 1_000) as u64
            }
            _ => seen,
        };
        match expected.abs_diff(record.waiting_ms) <= DURATION_SLACK_MS {
            true => Ok(()),
            false => Err(format!("waiting_ms is not the {expected} that were seen")),
        }
    }

    fn judge_order(&self, record: &CallRecord) -> Result<(), String> {
        if self.wall_jumps {
            return Ok(());
        }
        let mut last = record.arrived;
        let times = [record.queued, record.answered, record.connected, record.released];
        for at in times.into_iter().flatten() {
            if at < last {
                return Err("times out of order".into());
            }
            last = at;
        }
        let offers = record.offers.iter().map(|offer| (Some(offer.at), offer.ended));
        let visits = record.queues.iter().map(|visit| (Some(visit.entered), visit.left));
        match offers.chain(visits).any(|(from, to)| from > to || from < Some(record.arrived)) {
            true => Err("an offer or a stay that ends before it begins".into()),
            false => Ok(()),
        }
    }
}

/// A state in which an agent has no call.
fn is_at_rest(state: &str) -> bool {
    matches!(state, "signed_out" | "idle" | "busy" | "rest" | "wrap_up")
}

fn text_of(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
