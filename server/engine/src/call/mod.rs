//! The calls of one tenant.
//!
//! Owns: the table of calls, how messages, media events, routing's outputs and deadlines find
//! theirs, and the dialogs that outlive them. Does not own: transactions (the endpoint's),
//! registrations, agents' states (routing), who may call (`access`).
//!
//! ```text
//! arrival   an INVITE is judged, a call begins        call      states and what moves them
//! caller    responses to the caller's INVITE          leg       dialog, session and media of one side
//! offer     the agent's phones ring                   ringing   what an offer does to the call
//! accept    a mobile says by a key that it is there   outbound  INVITEs through trunks
//! dial      an outside number is called               line      a telephone that stays connected
//! at_keys   an agent who is rung has called in        star      what an agent's plain phone dials
//! feature   what an agent's keys mean                 service   what they do
//! consult   an agent calls somebody in between        across    what one call wants of another
//! flow      what runs in a call, how it leaves it     digits    what is pressed, however it comes
//! announce  what is played                            waiting   what waiting and held parties hear
//! in_dialog what peers ask in a dialog                attached  what flows attached, for agents' phones
//! sdp       our side of offer and answer              media     orders to one leg in its worker
//! release   the end and the record                    ending    why a call ends, for each who hears it
//! parting   dialogs that outlive their call           trace     the ladder
//! ```

mod accept;
mod across;
mod announce;
mod arrival;
mod at_keys;
mod attached;
#[allow(clippy::module_inception)]
mod call;
mod caller;
mod consult;
mod dial;
mod digits;
mod ending;
mod feature;
mod flow;
mod in_dialog;
mod leg;
mod line;
mod media;
mod offer;
mod outbound;
mod parting;
mod release;
mod ringing;
mod sdp;
mod service;
mod star;
mod trace;
mod waiting;

use crate::config::TenantConfig;
use crate::context::{Caller, Context, User, call_id};
use crate::effect::{EffectDone, EffectId};
use crate::event::StoredTries;
use crate::id::CallId;
use crate::input::CallView;
use crate::languages::Languages;
use crate::record::ReleaseReason;
use crate::sign_in::SignIns;
use across::Across;
use arrival::Arrival;
use call::{Call, State};
use compact_str::CompactString;
use ending::Ending;
use flow::Unwritten;
use hotline_base::{Epoch, Mono, Now, Partition, TimerWheel};
use hotline_ivr::run::io::Failure;
use hotline_media::command::{Event as MediaEvent, LegRef, RecordingId};
use hotline_routing::{
    AgentRef, CallRef, Input as Routed, Output as RoutingOutput, QueueRef, Refusal, Request,
};
use hotline_sip::flow::{ConnectionId, Flow, Transport};
use hotline_sip::message::Message;
use hotline_sip::{ClientId, Method, ServerId};
use parting::Parting;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use trace::Lane;

/// Retry-After of a 503, in seconds.
pub(crate) const RETRY_AFTER_S: &str = "5";

/// Notices that are remembered so as not to be repeated; further ones are not given.
const NOTICES_MAX: usize = 1_000;

/// Why a call, or what is left of one, has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The call's state has lasted as long as it may.
    State,
    /// The caller is due another provisional response.
    Progress,
    /// An INVITE given up, by its leg, is forgotten.
    GivenUp(u16),
    /// A caller whose ACK is missing is hung up.
    Unacknowledged(ServerId),
    /// A waiting caller is told where it stands.
    Place,
    /// A flow waits for something.
    Flow,
    /// What a single-phone agent has typed is looked at without waiting for more.
    Keys,
}

/// One side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The caller's.
    Caller,
    /// That of the agent who is offered the call or has answered it.
    Agent,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Caller => Side::Agent,
            Side::Agent => Side::Caller,
        }
    }
}

/// A call by its serial number, and a side of it.
type Found = (u32, Side);

/// How what comes in finds its call. Ordered maps: no order of a hash decides anything.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Our tags of calls' dialogs.
    tags: BTreeMap<CompactString, Found>,
    /// INVITE server transactions that still wait for a final response or an ACK.
    servers: BTreeMap<ServerId, Found>,
    /// Open media legs.
    media: BTreeMap<LegRef, Found>,
    /// Agents in calls, offered ones included, by employee ID.
    agents: BTreeMap<String, u32>,
    /// Calls by the connection that the caller's INVITE came over.
    connections: BTreeMap<ConnectionId, BTreeSet<u32>>,
    /// Deadlines.
    timers: TimerWheel<(u32, Why)>,
    /// The number given to a recording last.
    last_recording: u32,
    /// Recordings of calls that are over whose end was not told yet.
    unwritten: BTreeMap<RecordingId, Unwritten>,
    /// Languages that callers are remembered to speak.
    languages: Languages,
    /// Notices that were given since the configuration last changed, and need no repetition.
    noticed: BTreeSet<String>,
    /// Held lines by employee ID.
    lines: BTreeMap<String, u32>,
    /// What one call wants of another, to be done when its step is over.
    across: VecDeque<Across>,
    /// Who has tried to sign in by telephone.
    sign_ins: SignIns,
    /// Softphone numbers by employee ID, of the configuration version named.
    softphones: (Option<u64>, BTreeMap<String, Vec<String>>),
}

impl Index {
    /// The softphones of an agent.
    fn softphones_of(&mut self, config: &TenantConfig, employee_id: &str) -> Vec<String> {
        if self.softphones.0 != Some(config.version) {
            let mut numbers: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for phone in config.softphones.values() {
                numbers.entry(phone.employee_id.clone()).or_default().push(phone.number.clone());
            }
            self.softphones = (Some(config.version), numbers);
        }
        self.softphones.1.get(employee_id).cloned().unwrap_or_default()
    }

    /// A call's caller came over a connection, and does no longer.
    fn forget_connection(&mut self, connection: Option<ConnectionId>, serial: u32) {
        let Some(connection) = connection else { return };
        if let Some(calls) = self.connections.get_mut(&connection) {
            calls.remove(&serial);
            if calls.is_empty() {
                self.connections.remove(&connection);
            }
        }
    }

    /// A media leg is no longer of this call (it may be another's already).
    fn forget_media(&mut self, leg: LegRef, serial: u32) {
        if self.media.get(&leg).is_some_and(|(of, _)| *of == serial) {
            self.media.remove(&leg);
        }
    }

    /// An agent is no longer in this call (it may be in another already).
    fn forget_agent(&mut self, employee_id: &str, serial: u32) {
        if self.agents.get(employee_id) == Some(&serial) {
            self.agents.remove(employee_id);
        }
    }
}

/// What one step of one call may touch beside the call.
pub(crate) struct Step<'s, 'c> {
    /// The tenant's parts.
    pub cx: &'s mut Context<'c>,
    /// How calls are found.
    pub index: &'s mut Index,
    /// Dialogs that outlive their calls.
    pub parting: &'s mut Parting,
}

impl Step<'_, '_> {
    /// Tells routing something; its outputs are polled after the step.
    fn routed(&mut self, input: Routed) {
        self.cx.routing.handle(self.cx.now, input);
    }

    /// Tells the operator something that stays as it is until the configuration changes: once.
    fn notice_once(&mut self, text: String) {
        if self.index.noticed.len() < NOTICES_MAX && self.index.noticed.insert(text.clone()) {
            self.cx.notice(text);
        }
    }

    /// Our Contact on a flow.
    fn contact(&self, flow: &Flow) -> String {
        let host = match &self.cx.settings.sip_advertise {
            Some(name) => {
                let (host, port) = crate::tenant::advertised(name, flow.local);
                format!("{host}:{port}")
            }
            None => flow.local.to_string(),
        };
        match flow.transport {
            Transport::Udp => format!("<sip:{host}>"),
            Transport::Tcp => format!("<sip:{host};transport=tcp>"),
            Transport::Tls => format!("<sip:{host};transport=tls>"),
            Transport::Ws | Transport::Wss => format!("<sip:{host};transport=ws>"),
        }
    }

    /// The tenant's domain in addresses of ours.
    fn domain(&self) -> String {
        self.cx.config.domains.first().cloned().unwrap_or_else(|| "localhost".to_owned())
    }

    fn queue_name(&self, queue: QueueRef) -> String {
        let settings = self.cx.routing.queue_settings(queue);
        settings.map(|queue| queue.name.clone()).unwrap_or_default()
    }

    fn employee_id(&self, agent: AgentRef) -> Option<String> {
        Some(self.cx.routing.agent_settings(agent)?.employee_id.clone())
    }
}

/// The calls of one tenant.
#[derive(Debug)]
pub(crate) struct Calls {
    partition: Partition,
    epoch: Epoch,
    last_serial: u32,
    calls: BTreeMap<u32, Box<Call>>,
    index: Index,
    parting: Parting,
    /// What calls want of each other is being done.
    crossing: bool,
}

impl Calls {
    /// No calls yet.
    pub(crate) fn new(partition: Partition, epoch: Epoch) -> Calls {
        Calls {
            partition,
            epoch,
            last_serial: 0,
            calls: BTreeMap::new(),
            index: Index::default(),
            parting: Parting::default(),
            crossing: false,
        }
    }

    /// Numbers calls after this serial, which an earlier life of the tenant gave last: a call's
    /// identifier is never used again.
    pub(crate) fn continue_after(&mut self, serial: u32) {
        self.last_serial = self.last_serial.max(serial);
    }

    /// The serial number given last.
    pub(crate) fn last_serial(&self) -> u32 {
        self.last_serial
    }

    /// Calls in progress, those whose record is about to be written included.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Deadlines set.
    pub(crate) fn timers(&self) -> usize {
        self.index.timers.len()
    }

    /// Dialogs that outlive their calls.
    pub(crate) fn parting(&self) -> usize {
        self.parting.len()
    }

    /// The call an agent is offered or talks in.
    pub(crate) fn call_of_agent(&self, employee_id: &str) -> Option<CallId> {
        let serial = self.index.agents.get(employee_id)?;
        self.calls.get(serial).map(|call| call.id)
    }

    /// All calls in progress, oldest first.
    pub(crate) fn views(&self) -> Vec<CallView> {
        let view = |call: &Call| CallView {
            call: call.id,
            state: call.state_name().to_owned(),
            record: call.record.clone(),
        };
        self.calls.values().map(|call| view(call)).collect()
    }

    /// When [`Calls::expire`] is to be called next, or a little earlier; in constant time.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.index.timers.next_deadline()
    }

    /// An INVITE outside any dialog, of somebody who may call.
    pub(crate) fn invite(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        flow: Flow,
        message: Message,
        caller: Caller,
    ) {
        let arrival = Arrival { server, flow, invite: message, caller };
        let serial = self.last_serial.wrapping_add(1);
        let id = CallId { partition: self.partition, epoch: self.epoch, serial };
        let calls = self.calls.len();
        let engaged = self.engaged(&arrival.caller);
        let mut step = Step { cx, index: &mut self.index, parting: &mut self.parting };
        let admitted = match engaged {
            true => Err(arrival::Refusal::engaged()),
            false => arrival::admit(&mut step, &arrival, id, calls),
        };
        match admitted {
            Ok(call) => {
                cx.counters.calls += u64::from(!call.waiting.tester);
                self.last_serial = serial;
                self.calls.insert(serial, Box::new(call));
            }
            Err(refusal) => refusal.send(&mut step, &arrival),
        }
    }

    /// Whether the caller is an agent in a call already: there is no second line. One who is only
    /// offered a call may dial, which withdraws the offer.
    fn engaged(&self, caller: &Caller) -> bool {
        let Caller::Agent { employee_id, .. } = caller else { return false };
        let call = self.index.agents.get(employee_id).and_then(|serial| self.calls.get(serial));
        call.is_some_and(|call| {
            let offered = matches!(&call.state,
                State::Offered(offer) if offer.employee_id == *employee_id);
            !offered
        })
    }

    /// Whether a request names a dialog of a call.
    pub(crate) fn has_dialog(&self, request: &Message) -> bool {
        self.find_by_tag(request).is_some()
    }

    /// A request inside a dialog of a call. `false`: there is no such dialog (481).
    pub(crate) fn in_dialog(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        flow: Flow,
        message: Message,
    ) -> bool {
        let Some((serial, side)) = self.find_by_tag(&message) else { return false };
        self.with(cx, serial, |call, step| call.in_dialog(step, side, server, flow, &message))
            .unwrap_or(false)
    }

    fn find_by_tag(&self, message: &Message) -> Option<Found> {
        let tag = message.to().ok()?.tag()?;
        self.index.tags.get(std::str::from_utf8(&tag).ok()?).copied()
    }

    /// The INVITE of a caller was cancelled before its final response.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>, invite: ServerId, message: Message) {
        let Some(&(serial, Side::Caller)) = self.index.servers.get(&invite) else { return };
        self.with(cx, serial, |call, step| {
            let lane = call.caller.leg.lane;
            lane.received(step.cx, &message);
            // The endpoint has answered it.
            lane.responded(step.cx, &message, 200, String::new());
            call.caller_gone(step, message.q850_cause());
        });
    }

    /// The ACK of a 2xx of ours.
    pub(crate) fn ack(
        &mut self,
        cx: &mut Context<'_>,
        server: Option<ServerId>,
        _flow: Flow,
        message: Message,
    ) {
        // An ACK of no transaction repeats one that was heard.
        let Some(server) = server else { return };
        if self.parting_step(cx, |step| parting::acknowledged(step, server)) {
            return;
        }
        let Some((serial, side)) = self.index.servers.remove(&server) else { return };
        self.with(cx, serial, |call, step| call.acknowledged(step, side, server, &message));
    }

    /// The ACK of a final response of ours never came.
    pub(crate) fn ack_missing(&mut self, cx: &mut Context<'_>, server: ServerId) {
        if self.parting_step(cx, |step| parting::acknowledged(step, server)) {
            return;
        }
        let Some((serial, side)) = self.index.servers.remove(&server) else { return };
        self.with(cx, serial, |call, step| call.ack_missing(step, side, server));
    }

    /// A connection is gone: callers whose INVITE came over it and has no final response cannot be
    /// answered any more. Established calls go on; a trunk is connected to anew when there is
    /// something to say, a phone is not (it registers again, or it is gone).
    pub(crate) fn flow_closed(&mut self, cx: &mut Context<'_>, connection: ConnectionId) {
        let mut lost = Vec::new();
        for serial in self.index.connections.remove(&connection).unwrap_or_default() {
            let Some(call) = self.calls.get_mut(&serial) else { continue };
            if call.caller.is_open() {
                lost.push(call.id.serial);
                continue;
            }
            call.forget_connection(connection);
            // A line's leg may be with another call, and with one that its agent consults in.
            let mut lent_to = call.lent_to();
            while let Some(call) = lent_to.and_then(|serial| self.calls.get_mut(&serial)) {
                call.forget_connection(connection);
                lent_to = call.consult.as_ref().and_then(|consult| consult.child);
            }
        }
        for serial in lost {
            self.with(cx, serial, |call, step| call.caller_gone(step, None));
        }
    }

    /// A response to a request of ours.
    pub(crate) fn response(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientId,
        user: User,
        message: Message,
    ) {
        let key = (user.call.serial, user.leg);
        if user.call.epoch != self.epoch {
            return;
        }
        if self.parting.has(key, client) {
            self.parting_step(cx, |step| parting::response(step, key, client, &message));
            return;
        }
        if !message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite) {
            // The answers to BYE change nothing, its dialog is over and often its call.
            if let Some(flow) = cx.endpoint.flow_of(client) {
                self.drawn(cx, user, flow, &message);
            }
            return;
        }
        self.with(cx, key.0, |call, step| {
            if !call.dial_response(step, client, &message) {
                call.offer_response(step, user.leg, client, &message);
            }
        });
    }

    /// A response that nothing follows from, also one to a call that is over: it is only drawn.
    pub(crate) fn drawn(&self, cx: &mut Context<'_>, user: User, flow: Flow, message: &Message) {
        if user.call.epoch == self.epoch {
            Lane { call: user.call, leg: user.leg, flow }.received(cx, message);
        }
    }

    /// No final response came to a request of ours.
    pub(crate) fn timeout(&mut self, cx: &mut Context<'_>, client: ClientId, user: User) {
        self.lost(cx, client, user, 408);
    }

    /// The flow of a request of ours failed.
    pub(crate) fn transport_error(&mut self, cx: &mut Context<'_>, client: ClientId, user: User) {
        self.lost(cx, client, user, 503);
    }

    /// A transaction of ours is over. If it was the INVITE of a leg, no further fork can answer it.
    pub(crate) fn terminated(&mut self, cx: &mut Context<'_>, client: ClientId, user: User) {
        let key = (user.call.serial, user.leg);
        if self.parting.has(key, client) {
            self.parting_step(cx, |step| parting::forget(step, key));
        }
    }

    fn lost(&mut self, cx: &mut Context<'_>, client: ClientId, user: User, status: u16) {
        let key = (user.call.serial, user.leg);
        if self.parting.has(key, client) {
            self.parting_step(cx, |step| parting::forget(step, key));
            return;
        }
        self.with(cx, key.0, |call, step| {
            if !call.dial_lost(step, user.leg) {
                call.offer_lost(step, user.leg, status);
            }
        });
    }

    /// Routing wants something done. Outputs that are not about calls are left to the tenant.
    pub(crate) fn routing(&mut self, cx: &mut Context<'_>, output: RoutingOutput) {
        match output {
            RoutingOutput::Queued { call, queue, position, until, .. } => {
                self.with_ref(cx, call, |call, step| call.queued(step, queue, position, until));
            }
            RoutingOutput::Offer { offer, call, agent, queue, offer_time } => {
                let known = match self.line_of(cx, agent) {
                    Some(employee_id) => {
                        let serial = call_id(cx.mark, call).serial;
                        let known = self.calls.contains_key(&serial);
                        let leg = known.then(|| self.lend(&employee_id, serial)).flatten();
                        self.with_ref(cx, call, |call, step| {
                            call.offer_on_line(step, offer, agent, queue, leg);
                        })
                    }
                    None => self.with_ref(cx, call, |call, step| {
                        call.offer(step, offer, agent, queue, offer_time);
                    }),
                };
                if known.is_none() {
                    // Routing has a caller who is gone.
                    cx.routing.handle(cx.now, Routed::CallerGone { call });
                }
            }
            RoutingOutput::Withdraw { offer, call, why, .. } => {
                self.with_ref(cx, call, |call, step| call.withdraw(step, offer, why));
            }
            RoutingOutput::Overflow { call, why, policy, hops, .. } => {
                self.with_ref(cx, call, |call, step| call.overflow(step, why, &policy, hops));
            }
            RoutingOutput::Moved { call, why, hops, .. } => {
                self.with_ref(cx, call, |call, step| call.moved(step, why, hops));
            }
            RoutingOutput::TooManyHops { call, .. } => {
                self.forgotten(cx, call, Ending::of(ReleaseReason::TooManyHops), "all_busy");
            }
            RoutingOutput::AgentUnavailable { call, why, .. } => {
                let failure = flow::failure_of(why);
                let failed =
                    self.with_ref(cx, call, |call, step| call.transfer_failed(step, failure));
                if failed == Some(true) {
                    return;
                }
                self.forgotten(cx, call, Ending::unavailable(why), "all_busy");
            }
            RoutingOutput::Refused { request, why } => self.refused(cx, request, why),
            RoutingOutput::Explained(_)
            | RoutingOutput::AgentChanged { .. }
            | RoutingOutput::AgentTold { .. } => {}
        }
    }

    /// Routing will hear no more of the call.
    fn forgotten(&mut self, cx: &mut Context<'_>, call: CallRef, ending: Ending, prompt: &str) {
        self.with_ref(cx, call, |call, step| {
            call.in_routing = false;
            call.leave_queue(step.cx.now, "removed");
            call.farewell(step, prompt, ending);
        });
    }

    /// Routing refused an input about a call.
    fn refused(&mut self, cx: &mut Context<'_>, request: Request, why: Refusal) {
        match request {
            Request::Arrived(call) | Request::ArrivedForAgent(call) => {
                cx.notice(format!("a call found no place in routing: {why}"));
                let failed = self.with_ref(cx, call, |call, step| {
                    call.transfer_failed(step, Failure::Unavailable)
                });
                if failed == Some(true) {
                    return;
                }
                self.forgotten(cx, call, Ending::of(ReleaseReason::NoCapacity), "fault");
            }
            Request::Answered(offer) => {
                let of_offer = |call: &Call| match &call.state {
                    State::Answered(answered) => answered.talk.offer == offer,
                    State::Connected(talk) => talk.offer == offer,
                    _ => false,
                };
                let serial =
                    self.calls.values().find(|call| of_offer(call)).map(|call| call.id.serial);
                if let Some(serial) = serial {
                    // The offer ended before the answer was heard: the agent is hung up.
                    self.with(cx, serial, |call, step| call.not_answered(step, offer));
                }
            }
            Request::Connected(_) | Request::CallerGone(_) | Request::CallEnded(..) => {
                cx.notice(format!("routing refused {request:?}: {why}"));
            }
            // Offers end on both sides at once; the rest is not about calls.
            _ => {}
        }
    }

    /// A media worker reports about a leg.
    pub(crate) fn media(&mut self, cx: &mut Context<'_>, event: MediaEvent) {
        if let MediaEvent::Recorded { recording, duration_ms, .. } = &event
            && let Some(unwritten) = self.index.unwritten.remove(recording)
        {
            unwritten.write(cx, *recording, *duration_ms);
            return;
        }
        // Legs of offers that came to nothing are not listened to any more.
        let Some(&(serial, side)) = event.leg().and_then(|leg| self.index.media.get(&leg)) else {
            return;
        };
        self.with(cx, serial, |call, step| match event {
            MediaEvent::PlayEnded { play, reason, .. } => {
                call.play_ended(step, side, play, reason);
            }
            MediaEvent::Silent { .. } => call.silent(step, side),
            MediaEvent::NotBridged { .. } => call.not_bridged(step),
            MediaEvent::Closed { statistics, .. } => call.media_closed(step, side, statistics),
            MediaEvent::Digit { digit, duration_ms, source, .. } => {
                let lasted = Duration::from_millis(u64::from(duration_ms));
                call.digit_heard(step, side, digit, source.into(), lasted);
            }
            MediaEvent::Recorded { recording, duration_ms, reason, .. } => {
                call.recorded(step, recording, duration_ms, reason);
            }
            // A learned source is the worker's affair.
            MediaEvent::SourceLearned { .. } | MediaEvent::Granted { .. } => {}
        });
    }

    /// What a call, by its serial number, had done outside is done.
    pub(crate) fn effect_done(
        &mut self,
        cx: &mut Context<'_>,
        serial: u32,
        id: EffectId,
        done: EffectDone,
    ) {
        self.with(cx, serial, |call, step| call.effect_done(step, id, done));
    }

    /// Tries to sign in, from before the start.
    pub(crate) fn restore_tries(&mut self, now: Now, config: &TenantConfig, tries: &[StoredTries]) {
        self.index.sign_ins.restore(now, config, tries);
    }

    /// A caller is remembered to speak a language.
    pub(crate) fn remember_language(&mut self, caller: &str, language: &str) {
        self.index.languages.remember(caller, language);
    }

    /// Acts upon every deadline that has passed.
    pub(crate) fn expire(&mut self, cx: &mut Context<'_>) {
        while let Some((timer, (serial, why))) = self.index.timers.expire(cx.now.mono) {
            match why {
                Why::State => {
                    self.with(cx, serial, |call, step| {
                        if call.timer == Some(timer) {
                            call.deadline_passed(step);
                        }
                    });
                }
                Why::Progress => {
                    self.with(cx, serial, |call, step| call.progress_due(step));
                }
                Why::Flow => {
                    self.with(cx, serial, |call, step| call.flow_due(step, timer));
                }
                Why::Place => {
                    self.with(cx, serial, |call, step| call.tell_place(step));
                }
                Why::GivenUp(leg) => {
                    self.parting_step(cx, |step| parting::forget(step, (serial, leg)));
                }
                Why::Keys => {
                    self.with(cx, serial, |call, step| {
                        if call.keys_timer == Some(timer) {
                            call.keys_time_out(step);
                        }
                    });
                }
                Why::Unacknowledged(server) => {
                    self.parting_step(cx, |step| parting::acknowledged(step, server));
                }
            }
        }
    }

    /// Releases a call by order. `false`: there is none of that name.
    pub(crate) fn release(
        &mut self,
        cx: &mut Context<'_>,
        call: CallId,
        reason: ReleaseReason,
    ) -> bool {
        if (call.partition, call.epoch) != (self.partition, self.epoch) {
            return false;
        }
        self.with(cx, call.serial, |call, step| call.release(step, Ending::of(reason), None))
            .is_some()
    }

    /// Releases every call; the records do not wait for the media workers.
    pub(crate) fn release_all(&mut self, cx: &mut Context<'_>, why: ReleaseReason) {
        for serial in self.borrowers_first() {
            self.with(cx, serial, |call, step| {
                call.release(step, Ending::of(why), None);
                call.finish(step);
            });
        }
    }

    /// A new configuration is in force. Calls go on with the queues and agents they have: routing
    /// withdraws what no longer is, prompts and limits are read when needed; who listens to a tone
    /// that has changed hears the new one.
    pub(crate) fn config_changed(&mut self, cx: &mut Context<'_>) {
        self.index.softphones = (None, BTreeMap::new());
        self.index.noticed.clear();
        let serials: Vec<u32> = self.calls.keys().copied().collect();
        for serial in serials {
            self.with(cx, serial, |call, step| call.reconfigured(step));
        }
        self.end_lines_of_nobody(cx);
    }

    fn with<R>(
        &mut self,
        cx: &mut Context<'_>,
        serial: u32,
        act: impl FnOnce(&mut Call, &mut Step<'_, '_>) -> R,
    ) -> Option<R> {
        let call = self.calls.get_mut(&serial)?;
        let mut step = Step { cx, index: &mut self.index, parting: &mut self.parting };
        let result = act(call, &mut step);
        if matches!(call.state, State::Over) {
            self.calls.remove(&serial);
        }
        self.cross(cx);
        Some(result)
    }

    fn with_ref<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: CallRef,
        act: impl FnOnce(&mut Call, &mut Step<'_, '_>) -> R,
    ) -> Option<R> {
        let serial = call_id(cx.mark, call).serial;
        self.with(cx, serial, act)
    }

    fn parting_step<R>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Step<'_, '_>) -> R,
    ) -> R {
        act(&mut Step { cx, index: &mut self.index, parting: &mut self.parting })
    }
}
