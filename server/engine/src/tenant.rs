//! [`Tenant`]: one partition, whole, and the round in which its parts talk to each other.
//!
//! Owns: transactions, bindings, routing, calls and agents of one partition, and who is told what
//! when one of them speaks. Does not own: what they do.
//!
//! ```text
//!           ┌──────────── input ────────────┐
//!           ↓               ↓               ↓
//!       endpoint ──────→  calls ←────── routing ←── registrar
//!           └──── events ───┴─── outputs ───┘         ↑ REGISTER
//! ```
//! A step hands one input to one part and then passes on what the parts say until all are quiet.
//! Datagrams leave last, behind the journal events that explain them.

use crate::access::{Access, Admission, Door, Tenancy};
use crate::agents::{Agents, BY_REGISTRATION};
use crate::call::Calls;
use crate::channels::Channels;
use crate::config::{EngineSettings, TenantConfig, Trunk};
use crate::context::{Context, Counters, User, call_id};
use crate::effect::{EffectDone, EffectId, Effects};
use crate::event::{EventKind, StoredBinding, StoredTries};
use crate::input::Output;
use crate::peers::Peers;
use crate::ports::PortPool;
use crate::record::ReleaseReason;
use crate::registration::{self, Before};
use crate::sign_in;
use hotline_base::{Mono, Now, Redacted, Rng};
use hotline_media::command::Event as MediaEvent;
use hotline_routing::{
    Input as RoutingInput, Output as RoutingOutput, Refusal, Request as Asked, RestoredAgent,
    Routing,
};
use hotline_sip::build::ResponseBuilder;
use hotline_sip::endpoint::Advertised;
use hotline_sip::header::HeaderName;
use hotline_sip::registrar::{Registrar, RegistrarSettings};
use hotline_sip::validate::{validate_request, validate_response};
use hotline_sip::{Endpoint, EndpointConfig, Event, Flow, Mark, Message, Method, ServerId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// Passings-on in one step. A step that needs more has a fault; it is cut and reported.
const ROUND_MAX: usize = 100_000;
/// Local addresses that are advertised under another name.
const LOCALS_MAX: usize = 64;

/// What the partitions of an engine share.
pub(crate) struct Shared {
    pub settings: EngineSettings,
    pub access: Access,
    pub ports: PortPool,
    pub channels: Channels,
    pub peers: Peers,
    pub effects: Effects,
    pub rng: Rng,
    pub out: VecDeque<Output>,
    pub counters: Counters,
    /// No new calls.
    pub draining: bool,
    /// No new calls, and nothing is offered.
    pub frozen: bool,
}

/// One partition; see the module.
pub(crate) struct Tenant {
    pub parts: Parts,
    pub calls: Calls,
}

/// A partition without its calls: what a call's step may touch.
pub(crate) struct Parts {
    pub mark: Mark,
    pub config: Arc<TenantConfig>,
    pub tenancy: Tenancy,
    pub endpoint: Endpoint<User>,
    pub registrar: Registrar,
    pub routing: Routing,
    pub agents: Agents,
    /// Removed from the directory: it ends its transactions, then it is gone.
    pub leaving: bool,
    /// The judgement of the request that is just being received.
    admitted: Option<Admission>,
    /// The contacts of the address that is just being registered, as they were.
    before: Before,
    /// The refusal of an agent's request that is just being made.
    refused: Option<Refusal>,
    locals: Vec<SocketAddr>,
}

/// Which part of a partition has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A retransmission or the end of a transaction.
    Transactions,
    /// A binding ends.
    Registrations,
    /// An offer, a wait or a wrap-up is over.
    Routing,
    /// A call has waited long enough for something.
    Calls,
}

impl Parts {
    pub(crate) fn context<'a>(&'a mut self, shared: &'a mut Shared, now: Now) -> Context<'a> {
        Context {
            now,
            config: &self.config,
            settings: &shared.settings,
            trunks: &self.tenancy.trunks,
            mark: self.mark,
            endpoint: &mut self.endpoint,
            registrar: &mut self.registrar,
            routing: &mut self.routing,
            ports: &mut shared.ports,
            channels: &mut shared.channels,
            effects: &mut shared.effects,
            rng: &mut shared.rng,
            out: &mut shared.out,
            counters: &mut shared.counters,
            frozen: shared.frozen || shared.draining || self.leaving,
        }
    }
}

impl Tenant {
    pub(crate) fn new(
        now: Now,
        config: Arc<TenantConfig>,
        node_trunks: &[Trunk],
        mark: Mark,
        shared: &mut Shared,
    ) -> Tenant {
        let settings = &shared.settings;
        let limits = RegistrarSettings {
            expires_default_s: settings.register_s_default,
            expires_min_s: settings.register_s_min,
            expires_max_s: settings.register_s_max,
            ..RegistrarSettings::default()
        };
        let rng = &mut shared.rng;
        let mut routing = Routing::new(now, Arc::clone(&config.routing), rng);
        routing.explain(true);
        if shared.frozen {
            routing.handle(now, RoutingInput::Freeze(true));
        }
        let parts = Parts {
            mark,
            tenancy: Tenancy::new(&config, node_trunks),
            endpoint: Endpoint::new(of_engine(mark), rng.fork()),
            registrar: Registrar::new(limits, rng),
            routing,
            agents: Agents::new(&config, now.wall),
            leaving: false,
            admitted: None,
            before: Before::new(),
            refused: None,
            locals: Vec::new(),
            config,
        };
        Tenant { parts, calls: Calls::new(mark.partition, mark.epoch) }
    }

    /// A message from the wire.
    pub(crate) fn receive(&mut self, now: Now, shared: &mut Shared, flow: Flow, message: Message) {
        self.know_local(&shared.settings, flow.local);
        if !message.is_request() {
            if validate_response(&message).is_ok() {
                self.parts.endpoint.receive(now, flow, message);
            }
        } else if let Err(refusal) = validate_request(&message) {
            shared.counters.refused += 1;
            // The tag is filled in by the endpoint.
            let response = refusal.response(&message, flow.remote, "");
            self.answer(shared, flow, &message, response);
        } else if message.is(&Method::Ack) || self.parts.endpoint.knows(&message) {
            self.parts.endpoint.receive(now, flow, message);
        } else if message.to().is_ok_and(|to| to.tag().is_none()) {
            self.begin(now, shared, flow, message);
        } else if !self.calls.has_dialog(&message) {
            // RFC 3261 §12.2.2; without a transaction, for anybody can make up a tag.
            shared.counters.refused += 1;
            let response = ResponseBuilder::new(&message, 481);
            self.answer(shared, flow, &message, response);
        } else {
            self.parts.endpoint.receive(now, flow, message);
        }
        self.settle(now, shared);
        self.parts.admitted = None;
        self.parts.before.clear();
    }

    /// A request outside all transactions and dialogs is judged first.
    fn begin(&mut self, now: Now, shared: &mut Shared, flow: Flow, request: Message) {
        let parts = &mut self.parts;
        let door = Door {
            now,
            config: &parts.config,
            tenancy: &parts.tenancy,
            settings: &shared.settings,
            frozen: shared.frozen || shared.draining || parts.leaving,
        };
        match shared.access.judge(door, &flow, &request) {
            Admission::Answer(response) => self.answer(shared, flow, &request, response),
            Admission::Refuse(response) => {
                shared.counters.refused += 1;
                self.answer(shared, flow, &request, response);
            }
            admitted => {
                parts.admitted = Some(admitted);
                parts.endpoint.receive(now, flow, request);
            }
        }
    }

    fn answer(&mut self, shared: &Shared, flow: Flow, request: &Message, with: ResponseBuilder) {
        let response = with.header(HeaderName::Server, &shared.settings.user_agent);
        self.parts.endpoint.answer_statelessly(flow, request, response);
    }

    /// Peers see our sockets under the advertised name.
    fn know_local(&mut self, settings: &EngineSettings, local: SocketAddr) {
        let Some(name) = &settings.sip_advertise else { return };
        let parts = &mut self.parts;
        if parts.locals.contains(&local) || parts.locals.len() >= LOCALS_MAX {
            return;
        }
        parts.locals.push(local);
        let (host, port) = advertised(name, local);
        parts.endpoint.advertise(Advertised { local, host: host.into(), port: Some(port) });
    }

    /// A connection is gone, or its peer cannot be reached.
    pub(crate) fn flow_failed(&mut self, now: Now, shared: &mut Shared, flow: Flow) {
        self.parts.endpoint.transport_failed(now, flow);
        if let Some(connection) = flow.connection {
            self.parts.registrar.flow_closed(now, connection);
            self.calls.flow_closed(&mut self.parts.context(shared, now), connection);
        }
        self.settle(now, shared);
    }

    /// A media worker reports about one of our legs.
    pub(crate) fn media(&mut self, now: Now, shared: &mut Shared, event: MediaEvent) {
        self.calls.media(&mut self.parts.context(shared, now), event);
        self.settle(now, shared);
    }

    /// What was asked for outside, for a call by its serial number, is done.
    pub(crate) fn effect_done(
        &mut self,
        now: Now,
        shared: &mut Shared,
        call: u32,
        (id, done): (EffectId, EffectDone),
    ) {
        self.calls.effect_done(&mut self.parts.context(shared, now), call, id, done);
        self.settle(now, shared);
    }

    /// Takes back what the store knows of those who called.
    pub(crate) fn recall(
        &mut self,
        now: Now,
        languages: &[(Redacted<String>, String)],
        tries: &[StoredTries],
    ) {
        for (caller, language) in languages {
            self.calls.remember_language(caller.expose(), language);
        }
        self.calls.restore_tries(now, &self.parts.config, tries);
    }

    /// Takes back what the store knows of phones and agents.
    pub(crate) fn restore(
        &mut self,
        now: Now,
        shared: &mut Shared,
        bindings: Vec<StoredBinding>,
        mut agents: Vec<RestoredAgent>,
    ) {
        let config = &self.parts.config;
        agents.iter_mut().for_each(|agent| sign_in::without_line(config, agent));
        for binding in &bindings {
            self.know_local(&shared.settings, binding.local);
        }
        let by_registration = agents
            .iter()
            .filter(|agent| agent.session == Some(BY_REGISTRATION))
            .map(|agent| agent.employee_id.clone())
            .collect();
        self.parts.agents.restore(&agents);
        self.parts.routing.handle(now, RoutingInput::Restore { agents });
        self.settle(now, shared);
        let mut cx = self.parts.context(shared, now);
        let lost = registration::restore(&mut cx, bindings, by_registration);
        registration::lost(&mut cx, &lost);
        self.settle(now, shared);
    }

    /// Whether a configuration is the very one in force.
    pub(crate) fn has(&self, config: &Arc<TenantConfig>) -> bool {
        !self.parts.leaving && Arc::ptr_eq(&self.parts.config, config)
    }

    /// A new configuration of this tenant, or of the node's trunks, is in force.
    pub(crate) fn configure(
        &mut self,
        now: Now,
        shared: &mut Shared,
        config: Arc<TenantConfig>,
        node_trunks: &[Trunk],
    ) {
        // Under the old names, so that routing hears whose registration is lost.
        for (number, old) in &Arc::clone(&self.parts.config).softphones {
            let kept = config.softphones.get(number).is_some_and(|new| {
                new.employee_id == old.employee_id
                    && new.ha1_md5 == old.ha1_md5
                    && new.ha1_sha256 == old.ha1_sha256
            });
            if !kept {
                self.parts.registrar.remove_all(now, number);
            }
        }
        self.settle(now, shared);
        let parts = &mut self.parts;
        parts.leaving = false;
        parts.tenancy = Tenancy::new(&config, node_trunks);
        parts.agents.configure(&config);
        if parts.config.routing != config.routing {
            parts.routing.configure(now, Arc::clone(&config.routing));
        }
        parts.config = config;
        self.calls.config_changed(&mut self.parts.context(shared, now));
        self.settle(now, shared);
    }

    /// The tenant was removed: its phones are forgotten, its calls are released.
    pub(crate) fn leave(&mut self, now: Now, shared: &mut Shared) {
        self.parts.leaving = true;
        for number in Arc::clone(&self.parts.config).softphones.keys() {
            self.parts.registrar.remove_all(now, number);
        }
        self.release_all(now, shared, ReleaseReason::Administrator);
    }

    /// Whether a tenant that was removed has nothing left to end.
    pub(crate) fn is_gone(&self) -> bool {
        let counts = self.parts.endpoint.counts();
        let calls = self.calls.len() + self.calls.parting();
        self.parts.leaving && calls + counts.clients + counts.servers == 0
    }

    pub(crate) fn freeze(&mut self, now: Now, shared: &mut Shared, frozen: bool) {
        self.parts.routing.handle(now, RoutingInput::Freeze(frozen));
        self.settle(now, shared);
    }

    pub(crate) fn release_all(&mut self, now: Now, shared: &mut Shared, why: ReleaseReason) {
        self.calls.release_all(&mut self.parts.context(shared, now), why);
        self.settle(now, shared);
    }

    /// Asks routing for a change of an agent's state.
    ///
    /// # Errors
    /// Routing's refusal.
    pub(crate) fn ask(
        &mut self,
        now: Now,
        shared: &mut Shared,
        input: RoutingInput,
    ) -> Result<(), Refusal> {
        self.parts.refused = None;
        self.parts.routing.handle(now, input);
        self.settle(now, shared);
        self.parts.refused.take().map_or(Ok(()), Err)
    }

    /// When [`Tenant::expire`] is to be called next, and for which part.
    pub(crate) fn deadline(&self) -> Option<(Mono, Part)> {
        let parts = &self.parts;
        [
            parts.endpoint.deadline().map(|at| (at, Part::Transactions)),
            parts.registrar.deadline().map(|at| (at, Part::Registrations)),
            parts.routing.deadline().map(|(at, _)| (at, Part::Routing)),
            self.calls.next_deadline().map(|at| (at, Part::Calls)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whatever is due falls.
    pub(crate) fn expire(&mut self, now: Now, shared: &mut Shared) {
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        if due(self.parts.endpoint.deadline()) {
            self.parts.endpoint.expire(now);
        }
        if due(self.parts.registrar.deadline()) {
            self.parts.registrar.expire(now);
        }
        if due(self.parts.routing.deadline().map(|(at, _)| at)) {
            self.parts.routing.handle(now, RoutingInput::Expire);
        }
        self.settle(now, shared);
        if due(self.calls.next_deadline()) {
            self.calls.expire(&mut self.parts.context(shared, now));
            self.settle(now, shared);
        }
    }

    /// Passes on what the parts say until all are quiet, then lets the datagrams leave.
    pub(crate) fn settle(&mut self, now: Now, shared: &mut Shared) {
        let quiet = (0..ROUND_MAX).any(|_| !self.pass_on(now, shared));
        if !quiet {
            debug_assert!(quiet, "the parts of a tenant never came to rest");
            let text = String::from("a step did not come to rest and was cut: please report it");
            let partition = Some(self.parts.mark.partition);
            shared.out.push_back(Output::Notice { partition, text });
        }
        while let Some((peer, hangs)) = self.parts.endpoint.poll_peer() {
            shared.peers.hangs_on(self.parts.mark.partition, peer, hangs);
        }
        while let Some((flow, bytes)) = self.parts.endpoint.poll_transmit() {
            shared.out.push_back(Output::Send { flow, bytes });
        }
    }

    /// Passes one thing on; `false` when nobody has anything to say.
    fn pass_on(&mut self, now: Now, shared: &mut Shared) -> bool {
        if let Some(event) = self.parts.endpoint.poll_event() {
            self.endpoint_says(now, shared, event);
        } else if let Some(output) = self.parts.routing.poll() {
            self.routing_says(now, shared, output);
        } else if let Some(event) = self.parts.registrar.poll_event() {
            let before = std::mem::take(&mut self.parts.before);
            registration::changed(&mut self.parts.context(shared, now), event, &before);
            self.parts.before = before;
        } else {
            return false;
        }
        true
    }

    fn endpoint_says(&mut self, now: Now, shared: &mut Shared, event: Event<User>) {
        let admitted = match event {
            Event::Request { .. } => self.parts.admitted.take(),
            _ => None,
        };
        let calls = &mut self.calls;
        let cx = &mut self.parts.context(shared, now);
        match event {
            Event::Request { server, flow, message } => match admitted {
                Some(Admission::Invite(caller)) => {
                    calls.invite(cx, server, flow, message, caller);
                }
                Some(Admission::Register { number }) => {
                    let before = registration::register(cx, server, flow, &message, &number);
                    self.parts.before = before;
                }
                _ => in_dialog(calls, cx, server, flow, message),
            },
            Event::Cancel { invite, message } => calls.cancel(cx, invite, message),
            Event::Ack { server, flow, message } => calls.ack(cx, server, flow, message),
            Event::AckMissing { server } => calls.ack_missing(cx, server),
            Event::CancelAnswered { user, flow, message } => calls.drawn(cx, user, flow, &message),
            Event::Response { client, user, message } => calls.response(cx, client, user, message),
            Event::Timeout { client, user } => calls.timeout(cx, client, user),
            Event::TransportError { client, user } => calls.transport_error(cx, client, user),
            Event::Terminated { client, user } => calls.terminated(cx, client, user),
            // Its user has heard of the end by another event.
            Event::ServerGone { .. } => {}
        }
    }

    fn routing_says(&mut self, now: Now, shared: &mut Shared, output: RoutingOutput) {
        match output {
            RoutingOutput::AgentChanged { from, status, why, at } => {
                let parts = &mut self.parts;
                let id = parts.routing.agent_settings(status.agent).map(|agent| &agent.employee_id);
                let call = id.and_then(|id| self.calls.call_of_agent(id));
                let employee_id = id.cloned();
                let event = parts.agents.changed(&parts.routing, from, &status, why, at, call);
                let cx = &mut parts.context(shared, now);
                if let Some(kind) = event {
                    cx.journal(kind);
                }
                if let Some(employee_id) = employee_id {
                    self.calls.agent_changed(cx, status.agent, &employee_id);
                }
            }
            RoutingOutput::Explained(decision) => {
                let about = match decision.cause {
                    hotline_routing::explain::Cause::CallWaits { call, .. } => Some(call),
                    _ => decision.chosen.map(|chosen| chosen.call),
                };
                let call = about.map(|call| call_id(self.parts.mark, call));
                let decision = Arc::unwrap_or_clone(decision);
                self.parts.context(shared, now).journal(EventKind::Decision { call, decision });
            }
            RoutingOutput::Refused { request, why } if is_agents(request) => {
                self.parts.refused = Some(why);
            }
            // Sessions have no line of their own yet: they see it in the agent's state.
            RoutingOutput::AgentTold { .. } => {}
            other => self.calls.routing(&mut self.parts.context(shared, now), other),
        }
    }
}

/// An endpoint's settings, under the mark of its partition.
fn of_engine(mark: Mark) -> EndpointConfig {
    EndpointConfig { tells_peers: true, ..EndpointConfig::new(mark) }
}

/// A request inside a dialog is its call's. A dialog that ended since is no dialog any more.
fn in_dialog(
    calls: &mut Calls,
    cx: &mut Context<'_>,
    server: ServerId,
    flow: Flow,
    message: Message,
) {
    if calls.in_dialog(cx, server, flow, message.clone()) {
        return;
    }
    cx.counters.refused += 1;
    let response = ResponseBuilder::new(&message, 481);
    let response = response.header(HeaderName::Server, &cx.settings.user_agent);
    let _ = cx.endpoint.respond(cx.now, server, response);
}

/// Whether a refused request was an agent's, and not a call's.
fn is_agents(request: Asked) -> bool {
    matches!(
        request,
        Asked::SignIn(..)
            | Asked::TakesCallsOn(_)
            | Asked::SignOut(_)
            | Asked::Idle(_)
            | Asked::Busy(_)
            | Asked::Rest(_)
            | Asked::EndWrapUp(_)
            | Asked::ExtendWrapUp(_)
            | Asked::Registered(_)
            | Asked::Unregistered(_)
            | Asked::Reachable(_)
            | Asked::Unreachable(_)
            | Asked::Restore(_)
    )
}

/// Host and port of `sip_advertise` (`host`, `host:port`, `[v6]`, `[v6]:port`, a bare v6 address)
/// for a local socket.
pub(crate) fn advertised(name: &str, local: SocketAddr) -> (String, u16) {
    if let Ok(address) = name.parse::<std::net::Ipv6Addr>() {
        return (format!("[{address}]"), local.port());
    }
    match name.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
            (host.to_owned(), port.parse().unwrap_or(local.port()))
        }
        _ => (name.to_owned(), local.port()),
    }
}
