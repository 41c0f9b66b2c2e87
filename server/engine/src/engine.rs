//! [`Engine`]: the façade. Inputs go in, outputs come out, deadlines say when and why.
//!
//! Owns: the partitions of this engine and what they share (ports, access, the order of outputs).
//! Does not own: which engine a message belongs to ([`crate::FrontDoor`], asked by the shell).
//!
//! Everything an input causes is among the outputs before [`Engine::handle`] returns; within one
//! input a partition's journal events come before the datagrams they explain.

use crate::access::Access;
use crate::channels::Channels;
use crate::config::{Directory, EngineSettings};
use crate::context::Counters;
use crate::effect::Effects;
use crate::id::RequestId;
use crate::input::{Counts, Input, Output, Refusal, Reply, Request};
use crate::notices::Notices;
use crate::peers::Peers;
use crate::ports::PortPool;
use crate::record::ReleaseReason;
use crate::request;
use crate::tenant::{Part, Shared, Tenant};
use hotline_base::{Epoch, Mono, Now, Partition, Rng};
use hotline_media::command::Event as MediaEvent;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::HeaderName;
use hotline_sip::{Flow, Mark, Message, Method};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Partitions whose deadlines are acted upon in one call of [`Engine::handle`]; the others follow
/// in the next, for which [`Engine::deadline`] asks at once.
const DUE_MAX: usize = 256;

/// Why an engine wants to be called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Why {
    /// Which tenant.
    pub partition: Partition,
    /// Which part of it.
    pub part: Part,
}

/// The engine; see the module.
pub struct Engine {
    epoch: Epoch,
    directory: Arc<Directory>,
    tenants: BTreeMap<Partition, Tenant>,
    /// Last serial numbers of calls of partitions that are gone: they may come back.
    serials: BTreeMap<Partition, u32>,
    deadlines: BTreeSet<(Mono, Why)>,
    deadline_of: BTreeMap<Partition, (Mono, Why)>,
    shared: Shared,
    notices: Notices,
    /// When the last input came.
    now: Mono,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with every tenant of the directory that is its own by
    /// [`EngineSettings::owner_of`]. `epoch` is greater than that of any earlier owner.
    pub fn new(
        settings: EngineSettings,
        directory: Arc<Directory>,
        epoch: Epoch,
        mut rng: Rng,
        now: Now,
    ) -> Engine {
        let shared = Shared {
            access: Access::new(&settings, epoch, now, &mut rng),
            ports: PortPool::new(settings.engine),
            channels: Channels::default(),
            peers: Peers::default(),
            effects: Effects::new(settings.engine.0),
            rng,
            out: VecDeque::new(),
            counters: Counters::default(),
            draining: false,
            frozen: false,
            settings,
        };
        let mut engine = Engine {
            epoch,
            directory: Arc::default(),
            tenants: BTreeMap::new(),
            serials: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            deadline_of: BTreeMap::new(),
            shared,
            notices: Notices::default(),
            now: now.mono,
        };
        engine.configure(now, directory);
        engine
    }

    /// Something happened. What was due before it falls first.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now.mono;
        self.expire(now);
        match input {
            Input::Sip { partition, flow, message } => {
                self.shared.counters.messages += 1;
                if !self.tenants.contains_key(&partition) {
                    return self.no_such_dialog(flow, &message);
                }
                self.shared.peers.spoke(partition, flow);
                self.with(partition, |tenant, shared| tenant.receive(now, shared, flow, message));
            }
            Input::FlowClosed { connection } => {
                if let Some((flow, concerned)) = self.shared.peers.closed(connection) {
                    self.flow_failed(now, flow, concerned);
                }
            }
            Input::SendFailed { flow } => {
                let concerned = self.shared.peers.on(&flow);
                self.flow_failed(now, flow, concerned);
            }
            Input::Media(event) => self.media(now, event),
            Input::Request { id, partition, request } => self.request(now, id, partition, request),
            Input::ConfigChanged { directory } => self.configure(now, directory),
            Input::Restore { partition, bindings, agents, languages, tries } => {
                self.with(partition, |tenant, shared| {
                    tenant.recall(now, &languages, &tries);
                    tenant.restore(now, shared, bindings, agents);
                });
            }
            Input::EffectDone { id, done } => {
                // Nobody waits for it any more, if it is not known.
                if let Some((partition, call)) = self.shared.effects.end(id) {
                    self.with(partition, |tenant, shared| {
                        tenant.effect_done(now, shared, call, (id, done));
                    });
                }
            }
            Input::Drain(draining) => self.shared.draining = draining,
            Input::Freeze(frozen) => {
                self.shared.frozen = frozen;
                self.each(|tenant, shared| tenant.freeze(now, shared, frozen));
            }
            Input::ReleaseAll => self.each(|tenant, shared| {
                tenant.release_all(now, shared, ReleaseReason::Shutdown);
            }),
            Input::Tick => {}
        }
    }

    /// The next output, in the order in which they are to be performed.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            match self.shared.out.pop_front()? {
                Output::Notice { partition, text } => {
                    if let Some(text) = self.notices.pass(self.now, partition, text) {
                        return Some(Output::Notice { partition, text });
                    }
                }
                output => return Some(output),
            }
        }
    }

    /// When [`Engine::handle`] is to be called next (with [`Input::Tick`] if nothing else), and
    /// why. Never late; for deadlines further away it may be early, and then nothing happens.
    pub fn deadline(&self) -> Option<(Mono, Why)> {
        self.deadlines.first().copied()
    }

    /// Counts of everything that lives.
    pub fn counts(&self) -> Counts {
        let shared = &self.shared;
        let mut counts = Counts {
            legs: shared.ports.legs() as u64,
            ports_free: shared.ports.free() as u64,
            ports_used: shared.ports.legs() as u64,
            effects: shared.effects.len() as u64,
            calls_total: shared.counters.calls,
            test_calls_total: shared.counters.test_calls,
            messages_total: shared.counters.messages,
            refused_total: shared.counters.refused,
            ..Counts::default()
        };
        for tenant in self.tenants.values() {
            let parts = &tenant.parts;
            let transactions = parts.endpoint.counts();
            counts.calls += tenant.calls.len() as u64;
            counts.client_transactions += transactions.clients as u64;
            counts.server_transactions += transactions.servers as u64;
            let timers = transactions.timers + parts.routing.timers_len() + tenant.calls.timers();
            // Each binding has its own.
            let (_, bindings) = parts.registrar.counts();
            counts.timers += (timers + bindings) as u64;
            counts.bindings += bindings as u64;
            counts.waiting += parts.routing.calls_len() as u64;
            counts.signed_in += parts.routing.signed_in_len() as u64;
        }
        counts
    }

    /// The directory in force.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    fn expire(&mut self, now: Now) {
        for _ in 0..DUE_MAX {
            let due = self.deadlines.first().filter(|(at, _)| *at <= now.mono);
            let Some(&(_, why)) = due else { return };
            self.with(why.partition, |tenant, shared| tenant.expire(now, shared));
        }
    }

    fn media(&mut self, now: Now, event: MediaEvent) {
        let event = match event {
            MediaEvent::Granted { ports } => return self.shared.ports.grant(ports),
            event => event,
        };
        let leg = event.leg();
        let closed = matches!(event, MediaEvent::Closed { .. });
        // What is stale belongs to nobody.
        let Some(owner) = leg.and_then(|leg| self.shared.ports.owner(leg)) else { return };
        self.with(owner, |tenant, shared| tenant.media(now, shared, event));
        if let (true, Some(leg)) = (closed, leg) {
            self.shared.channels.closed(leg);
            self.shared.ports.closed(leg);
        }
    }

    fn flow_failed(&mut self, now: Now, flow: Flow, concerned: BTreeSet<Partition>) {
        for partition in concerned {
            self.with(partition, |tenant, shared| tenant.flow_failed(now, shared, flow));
        }
    }

    /// The partition was removed: a request inside one of its dialogs gets 481 (RFC 3261
    /// §12.2.2), so that the peer ends its side. Any other the sender repeats, to be placed anew.
    fn no_such_dialog(&mut self, flow: Flow, request: &Message) {
        let in_dialog = request.is_request() && request.to().is_ok_and(|to| to.tag().is_some());
        if !in_dialog || request.is(&Method::Ack) {
            return;
        }
        let Ok(via) = request.top_via() else { return };
        let mut reply = flow;
        if !flow.transport.is_reliable() && via.rport().is_none() {
            reply.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
        }
        self.shared.counters.refused += 1;
        let response = ResponseBuilder::new(request, 481)
            .header(HeaderName::Server, &self.shared.settings.user_agent)
            .source(flow.remote);
        if let Ok(bytes) = response.finish() {
            self.shared.out.push_back(Output::Send { flow: reply, bytes });
        }
    }

    fn request(&mut self, now: Now, id: RequestId, partition: Partition, request: Request) {
        let reply = if request == Request::Counts {
            Ok(Reply::Counts(self.counts()))
        } else {
            let answered = self
                .with(partition, |tenant, shared| request::answer(tenant, now, shared, request));
            answered.unwrap_or_else(|| Err(no_tenant()))
        };
        self.shared.out.push_back(Output::Reply { id, reply });
    }

    fn configure(&mut self, now: Now, directory: Arc<Directory>) {
        let (engine, engines) = self.shared.settings.engine;
        let same_trunks = self.directory.trunks == directory.trunks;
        for config in &directory.tenants {
            let partition = config.partition;
            if EngineSettings::owner_of(partition, engines) != engine {
                continue;
            }
            if !self.tenants.contains_key(&partition) {
                let mark = Mark { partition, epoch: self.epoch };
                let config = Arc::clone(config);
                let mut tenant =
                    Tenant::new(now, config, &directory.trunks, mark, &mut self.shared);
                tenant.calls.continue_after(self.serials.remove(&partition).unwrap_or(0));
                self.tenants.insert(partition, tenant);
                self.with(partition, |tenant, shared| tenant.settle(now, shared));
                continue;
            }
            // Nothing that concerns it has changed.
            if same_trunks && self.tenants.get(&partition).is_some_and(|one| one.has(config)) {
                continue;
            }
            self.with(partition, |tenant, shared| {
                tenant.configure(now, shared, Arc::clone(config), &directory.trunks);
            });
        }
        let gone: Vec<Partition> =
            self.tenants.keys().copied().filter(|one| directory.tenant(*one).is_none()).collect();
        for partition in gone {
            self.with(partition, |tenant, shared| tenant.leave(now, shared));
        }
        self.directory = directory;
    }

    /// Lets one tenant act, and notes when it wants to act again.
    fn with<R>(
        &mut self,
        partition: Partition,
        act: impl FnOnce(&mut Tenant, &mut Shared) -> R,
    ) -> Option<R> {
        let tenant = self.tenants.get_mut(&partition)?;
        let result = act(tenant, &mut self.shared);
        let next = tenant.deadline().map(|(at, part)| (at, Why { partition, part }));
        let gone = tenant.is_gone();
        let next = next.filter(|_| !gone);
        let before = match next {
            Some(next) => self.deadline_of.insert(partition, next),
            None => self.deadline_of.remove(&partition),
        };
        if before != next {
            before.map(|before| self.deadlines.remove(&before));
            self.deadlines.extend(next);
        }
        if gone {
            self.serials.insert(partition, tenant.calls.last_serial());
            self.tenants.remove(&partition);
        }
        Some(result)
    }

    fn each(&mut self, mut act: impl FnMut(&mut Tenant, &mut Shared)) {
        let partitions: Vec<Partition> = self.tenants.keys().copied().collect();
        for partition in partitions {
            self.with(partition, &mut act);
        }
    }
}

fn no_tenant() -> Refusal {
    request::refuse(404, "tenant_not_found", String::from("there is no such tenant here"))
}
