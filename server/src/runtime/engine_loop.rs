//! [`EngineThread`]: one engine, driven.
//!
//! A round: wait; read some datagrams and letters; hand each to the engine; then append what is to
//! be remembered with one write; and only then let anything leave. Nothing the world can see comes
//! before its event is safe from a killed process.

use super::Engines;
use super::mail::{Inbox, Mail, Order, WAKE};
use super::metrics::EngineMetrics;
use super::pace::Pace;
use super::shed::{Class, overloaded};
use crate::clock::Clock;
use crate::effects::Performer;
use crate::journal::{Batch, Journal};
use crate::media::{MediaWorkers, Unposted};
use crate::net::tcp::{ConnectionSender, Tcp};
use crate::net::udp::UdpSet;
use bytes::Bytes;
use hotline_base::{Mono, Now, Partition};
use hotline_engine::event::StoredBinding;
use hotline_engine::input::{Counts, Input, Output, Refusal, Reply};
use hotline_engine::{Engine, FrontDoor, Placement, RequestId};
use hotline_media::command::{Command, Event};
use hotline_sip::limits::MESSAGE_BYTES_MAX;
use hotline_sip::message::ParseError;
use hotline_sip::{ConnectionId, Flow, Message, Method, Transport};
use mio::unix::SourceFd;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Datagrams read of one socket in a round: what the first of them waits for.
const DATAGRAMS_PER_ROUND: usize = 64;
/// Letters read in a round.
const LETTERS_PER_ROUND: usize = 256;
/// ICMP errors read of one socket in a round.
const ERRORS_PER_ROUND: usize = 64;
/// Longest wait: the second in which counts are brought up to date.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Letters that an engine handles in a millisecond, about: the lag of what comes by mail.
const LETTERS_PER_MS: u64 = 50;
/// How old the counts may be while the node drains: it looks at them to know when it is done.
const COUNTS_AGE_MAX: Duration = Duration::from_millis(50);
/// How soon what another thread had no room for is tried again.
const RETRY: Duration = Duration::from_millis(1);
/// Commands that may wait for full media workers; more are given up and counted.
const WAITING_COMMANDS_MAX: usize = 65_536;
/// Flows remembered of one connection that is being made.
const WAITING_FLOWS_MAX: usize = 256;

/// The engine as this loop drives it: `hotline_engine`'s, or a test's.
pub trait Core: Send + 'static {
    /// Takes an input.
    fn handle(&mut self, now: Now, input: Input);
    /// The next output.
    fn poll(&mut self) -> Option<Output>;
    /// When [`Input::Tick`] is due.
    fn deadline(&self) -> Option<Mono>;
    /// Counts of everything that lives.
    fn counts(&self) -> Counts;
}

impl Core for Engine {
    fn handle(&mut self, now: Now, input: Input) {
        Engine::handle(self, now, input);
    }
    fn poll(&mut self) -> Option<Output> {
        Engine::poll(self)
    }
    fn deadline(&self) -> Option<Mono> {
        Engine::deadline(self).map(|(at, _)| at)
    }
    fn counts(&self) -> Counts {
        Engine::counts(self)
    }
}

/// What an engine's thread is made of.
pub struct EngineParts<C> {
    /// Its number.
    pub number: u16,
    /// The engine.
    pub core: C,
    /// Its front door.
    pub front_door: FrontDoor,
    /// Its mail.
    pub inbox: Inbox,
    /// All engines, itself among them.
    pub engines: Engines,
    /// Its sockets.
    pub udp: UdpSet,
    /// The node's connections.
    pub tcp: Tcp,
    /// The media workers.
    pub media: MediaWorkers,
    /// Performs effects.
    pub effects: Performer,
    /// The journal.
    pub journal: Journal,
    /// Takes refreshed bindings to the projector.
    pub refreshed: mpsc::Sender<(Partition, StoredBinding)>,
    /// What it counts.
    pub metrics: Arc<EngineMetrics>,
}

/// A running engine; see the module.
pub struct EngineThread<C> {
    parts: EngineParts<C>,
    now: Now,
    buffer: Vec<u8>,
    /// Sockets that may hold more, and sockets with errors.
    readable: Vec<bool>,
    failing: Vec<bool>,
    batch: Batch,
    outputs: Vec<Output>,
    /// What could not be sent, to be told the engine.
    unsent: Vec<Flow>,
    connections: HashMap<ConnectionId, ConnectionSender>,
    outbound: HashMap<SocketAddr, Outbound>,
    asked: HashMap<u64, oneshot::Sender<Result<Reply, Refusal>>>,
    next_request: u64,
    /// What a full media worker has not taken yet.
    waiting_commands: VecDeque<Command>,
    /// Ends of connections that an engine has not taken yet.
    untold: VecDeque<(u16, ConnectionId)>,
    counted: Mono,
    draining: bool,
    lag_ms: u64,
    stopping: bool,
}

/// A connection that we make.
struct Outbound {
    id: ConnectionId,
    opened: bool,
    waiting: Vec<Flow>,
}

impl<C: Core> EngineThread<C> {
    /// Starts the thread, with inputs that come before all others.
    ///
    /// # Errors
    /// The sockets cannot be polled, or no thread can be made.
    pub fn start(parts: EngineParts<C>, first: Vec<Input>) -> io::Result<JoinHandle<()>> {
        let registry = parts.inbox.poll.registry();
        for (index, descriptor) in parts.udp.descriptors().enumerate() {
            registry.register(
                &mut SourceFd(&descriptor),
                mio::Token(index),
                mio::Interest::READABLE,
            )?;
        }
        let sockets = parts.udp.descriptors().count();
        let mut engine = EngineThread {
            parts,
            now: Clock.now(),
            buffer: vec![0; MESSAGE_BYTES_MAX + 1],
            readable: vec![true; sockets],
            failing: vec![false; sockets],
            batch: Batch::default(),
            outputs: Vec::new(),
            unsent: Vec::new(),
            connections: HashMap::new(),
            outbound: HashMap::new(),
            asked: HashMap::new(),
            next_request: 1,
            waiting_commands: VecDeque::new(),
            untold: VecDeque::new(),
            counted: Mono(0),
            draining: false,
            lag_ms: 0,
            stopping: false,
        };
        engine.parts.metrics.pulse.beat(Clock.mono());
        let name = format!("engine-{}", engine.parts.number);
        std::thread::Builder::new().name(name).spawn(move || {
            for input in first {
                engine.handle(input);
            }
            engine.perform();
            engine.run();
        })
    }

    fn run(&mut self) {
        let mut events = mio::Events::with_capacity(64);
        let mut pace = Pace::default();
        while !self.stopping {
            if !self.has_more() {
                // What comes meanwhile is handled together: see `pace`.
                std::thread::sleep(pace.pause(Clock.mono()));
            }
            self.parts.inbox.listen();
            // Looks at the letters: after listening.
            let patience = self.patience();
            match self.parts.inbox.poll.poll(&mut events, Some(patience)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "an engine cannot wait for its sockets");
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            self.parts.inbox.stay_awake();
            self.now = Clock.now();
            self.parts.metrics.pulse.beat(self.now.mono);
            pace.begin(self.now.mono);
            for event in events.iter().filter(|event| event.token() != WAKE) {
                let socket = event.token().0;
                self.readable[socket] |= event.is_readable();
                self.failing[socket] |= event.is_error();
            }
            self.round();
        }
    }

    /// Whether the last round has left something to do.
    fn has_more(&self) -> bool {
        self.readable.iter().any(|readable| *readable) || !self.unsent.is_empty()
    }

    fn patience(&self) -> Duration {
        let more = self.has_more() || !self.parts.inbox.is_empty();
        let longest = match self.draining {
            _ if !self.waiting_commands.is_empty() || !self.untold.is_empty() => RETRY,
            true => COUNTS_AGE_MAX,
            false => WAIT_MAX,
        };
        match self.parts.core.deadline() {
            _ if more => Duration::ZERO,
            Some(at) => Clock.until(at).min(longest),
            None => longest,
        }
    }

    fn round(&mut self) {
        self.parts.metrics.count(&self.parts.metrics.rounds);
        self.retry_commands();
        self.tell_closed();
        for flow in std::mem::take(&mut self.unsent) {
            self.handle(Input::SendFailed { flow });
        }
        // Before the sockets: who was told that a change is made finds it made when it calls.
        while let Some(order) = self.parts.inbox.next_order() {
            self.obey(order);
        }
        for _ in 0..LETTERS_PER_ROUND {
            let Some(mail) = self.parts.inbox.next() else { break };
            self.open(mail);
        }
        for socket in 0..self.readable.len() {
            self.read_socket(socket);
            self.read_errors(socket);
        }
        if self.parts.core.deadline().is_some_and(|at| at <= self.now.mono) {
            self.handle(Input::Tick);
        }
        self.perform();
        self.count();
    }

    fn read_socket(&mut self, socket: usize) {
        if !self.readable[socket] {
            return;
        }
        for _ in 0..DATAGRAMS_PER_ROUND {
            match self.parts.udp.receive(socket, &mut self.buffer) {
                Some(Ok(datagram)) => {
                    let metrics = &self.parts.metrics;
                    metrics.count(&metrics.datagrams);
                    if let Some(stamp) = datagram.stamp {
                        let lag_us = self.now.wall.0.saturating_sub(stamp.0);
                        self.lag_ms = u64::try_from(lag_us / 1_000).unwrap_or(0);
                        metrics.lag_ms.fetch_max(self.lag_ms, Relaxed);
                    }
                    let bytes = self.buffer.get(..datagram.length).unwrap_or_default();
                    if !is_keep_alive(bytes) {
                        let parsed = Message::parse(Bytes::copy_from_slice(bytes));
                        self.arrived(datagram.flow, parsed, self.lag_ms);
                    }
                }
                // An earlier send failed: the error queue says which.
                Some(Err(_)) => {
                    self.failing[socket] = true;
                    return;
                }
                None => {
                    self.readable[socket] = false;
                    return;
                }
            }
        }
    }

    fn read_errors(&mut self, socket: usize) {
        if !std::mem::take(&mut self.failing[socket]) {
            return;
        }
        for _ in 0..ERRORS_PER_ROUND {
            let Some(flow) = self.parts.udp.failed(socket) else { return };
            self.handle(Input::SendFailed { flow });
        }
        self.failing[socket] = true;
        self.readable[socket] = true;
    }

    /// A message from the wire that is still to be placed.
    fn arrived(&mut self, flow: Flow, parsed: Result<Message, ParseError>, lag_ms: u64) {
        let message = match parsed {
            Ok(message) => message,
            Err(error) => return self.malformed(flow, &error),
        };
        let class = Class::of(&message);
        if class.is_shed(lag_ms) {
            return self.shed(flow, &message, class);
        }
        match self.parts.front_door.place(self.now, &flow, &message) {
            Placement::Partition(partition) => self.deliver(partition, flow, message),
            Placement::Refuse { status, reason } => self.refuse(flow, &message, status, reason),
            Placement::Drop => self.parts.metrics.count(&self.parts.metrics.unplaced),
        }
    }

    fn deliver(&mut self, partition: Partition, flow: Flow, message: Message) {
        let count = self.parts.engines.count();
        let owner = hotline_engine::EngineSettings::owner_of(partition, count);
        if owner == self.parts.number {
            return self.handle(Input::Sip { partition, flow, message });
        }
        let message = Box::new(message);
        let posted = self.parts.engines.get(owner).post(Mail::Placed { partition, flow, message });
        if posted.is_err() {
            self.parts.metrics.count(&self.parts.metrics.hand_over_failed);
        }
    }

    fn malformed(&mut self, flow: Flow, error: &ParseError) {
        self.parts.metrics.count(&self.parts.metrics.malformed);
        tracing::debug!(remote = %flow.remote, %error, "not a SIP message");
        if let Some(request) = error.answerable() {
            self.refuse(flow, request, error.status(), reason_of(error.status()));
        }
    }

    fn shed(&mut self, flow: Flow, message: &Message, class: Class) {
        self.parts.metrics.shed(class);
        if message.is(&Method::Invite)
            && class == Class::Invite
            && let Some((flow, bytes)) = overloaded(&flow, message)
        {
            self.outputs.push(Output::Send { flow, bytes });
        }
    }

    fn refuse(&mut self, flow: Flow, message: &Message, status: u16, reason: &str) {
        if let Some((flow, bytes)) = self.parts.front_door.refusal(&flow, message, status, reason) {
            self.outputs.push(Output::Send { flow, bytes });
        }
    }

    fn open(&mut self, mail: Mail) {
        match mail {
            Mail::Stream { flow, parsed } => {
                let waiting = self.parts.engines.get(self.parts.number).waiting() as u64;
                self.arrived(flow, *parsed, waiting / LETTERS_PER_MS);
            }
            Mail::Placed { partition, flow, message } => {
                self.handle(Input::Sip { partition, flow, message: *message });
            }
            Mail::Opened(id, sender) => {
                if let Some(outbound) = self.outbound.values_mut().find(|made| made.id == id) {
                    outbound.opened = true;
                    outbound.waiting.clear();
                }
                self.connections.insert(id, sender);
            }
            Mail::Closed(id) => {
                let others = (0..self.parts.engines.count()).filter(|n| *n != self.parts.number);
                self.untold.extend(others.map(|engine| (engine, id)));
                self.tell_closed();
                self.closed(id);
            }
            Mail::Gone(id) => self.closed(id),
            Mail::Media(event) => {
                let granted = matches!(event, Event::Granted { .. });
                self.handle(Input::Media(event));
                // The first ports make the node ready: that is known at once.
                if granted && !self.parts.metrics.counts().has_ports() {
                    self.parts.metrics.set_counts(self.parts.core.counts());
                }
            }
            Mail::Ask { partition, request, answer } => {
                let id = self.request_id();
                self.asked.insert(id.0, answer);
                self.handle(Input::Request { id, partition, request });
            }
            Mail::EffectDone(id, done) => self.handle(Input::EffectDone { id, done }),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            // Whoever made it was overtaken: what is in force is newer.
            Order::Config(directory) if directory.version < self.parts.front_door.version() => {}
            Order::Config(directory) => {
                self.parts.front_door.set_directory(Arc::clone(&directory));
                self.handle(Input::ConfigChanged { directory });
            }
            Order::Drain(draining) => {
                self.draining = draining;
                self.handle(Input::Drain(draining));
            }
            Order::ReleaseAll => self.handle(Input::ReleaseAll),
            Order::Stop => self.stopping = true,
        }
    }

    /// The other engines hear of a connection's end on the way its messages took, so that none of
    /// those comes after it.
    fn tell_closed(&mut self) {
        while let Some((engine, id)) = self.untold.pop_front() {
            if self.parts.engines.get(engine).post(Mail::Gone(id)).is_err() {
                return self.untold.push_front((engine, id));
            }
        }
    }

    fn closed(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        let remote =
            self.outbound.iter().find(|(_, made)| made.id == id).map(|(remote, _)| *remote);
        if let Some(made) = remote.and_then(|remote| self.outbound.remove(&remote))
            && !made.opened
        {
            for flow in made.waiting {
                self.handle(Input::SendFailed { flow });
            }
        }
        self.handle(Input::FlowClosed { connection: id });
    }

    fn request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// Once a second, and more often while the node drains, the counts are brought up to date.
    fn count(&mut self) {
        let age_max = if self.draining { COUNTS_AGE_MAX } else { WAIT_MAX };
        if self.now.mono.since(self.counted) >= age_max {
            self.counted = self.now.mono;
            self.parts.metrics.set_counts(self.parts.core.counts());
            self.parts.metrics.lag_ms.store(0, Relaxed);
        }
    }

    /// One input, measured; events go into the batch at once, the rest waits for the journal.
    fn handle(&mut self, input: Input) {
        let before = Instant::now();
        let kind = kind_of(&input);
        self.parts.core.handle(self.now, input);
        while let Some(output) = self.parts.core.poll() {
            match output {
                Output::Journal(event) => self.batch.push(&event),
                output => self.outputs.push(output),
            }
        }
        let took = before.elapsed();
        self.parts.metrics.input(took);
        if EngineMetrics::is_too_long(took) {
            tracing::debug!(kind, took_us = took.as_micros() as u64, "an input took over 1 ms");
        }
    }

    /// Journal first, then the world. Only refreshed bindings are handed on before: what the
    /// journal says later (that the binding is gone, say) must find them there, not follow them.
    fn perform(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in
            outputs.extract_if(.., |output| matches!(output, Output::BindingRefreshed { .. }))
        {
            let Output::BindingRefreshed { partition, binding } = output else { continue };
            // When the projector is behind, the binding's next refresh is written.
            let _later = self.parts.refreshed.try_send((partition, binding));
        }
        self.parts.journal.append(&mut self.batch);
        for output in outputs.drain(..) {
            self.perform_one(output);
        }
        self.outputs = outputs;
    }

    fn perform_one(&mut self, output: Output) {
        match output {
            Output::Send { flow, bytes } if flow.transport == Transport::Udp => {
                if let Err(error) = self.parts.udp.send(&flow, &bytes) {
                    tracing::debug!(%flow, %error, "a datagram cannot be sent");
                    self.parts.metrics.count(&self.parts.metrics.send_failed);
                    // A full buffer is a lost datagram, which retransmission heals.
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.unsent.push(flow);
                    }
                }
            }
            Output::Send { flow, bytes } => self.send_stream(flow, bytes),
            Output::Media(command) => self.command(command),
            Output::Journal(event) => self.batch.push(&event),
            Output::Effect { id, partition, effect, within } => {
                self.parts.effects.perform(id, partition, effect, within);
            }
            // Handed on before the journal, see `perform`.
            Output::BindingRefreshed { .. } => {}
            Output::Reply { id, reply } => self.replied(id, reply),
            Output::Notice { partition, text } => {
                tracing::warn!(partition = partition.map(|partition| partition.0), "{text}");
            }
        }
    }

    /// To the media worker, behind those that wait for it already.
    fn command(&mut self, command: Command) {
        let command = match self.waiting_commands.is_empty() {
            true => match self.parts.media.post(self.parts.number, command) {
                Ok(()) => return,
                Err(Unposted::Full(command)) => command,
                Err(Unposted::NoWorker) => {
                    return self.parts.metrics.count(&self.parts.metrics.media_lost);
                }
            },
            false => command,
        };
        if self.waiting_commands.len() >= WAITING_COMMANDS_MAX {
            return self.parts.metrics.count(&self.parts.metrics.media_lost);
        }
        self.waiting_commands.push_back(command);
    }

    /// Commands that a full worker did not take are tried again in their order.
    fn retry_commands(&mut self) {
        while let Some(command) = self.waiting_commands.pop_front() {
            match self.parts.media.post(self.parts.number, command) {
                Ok(()) => {}
                Err(Unposted::Full(command)) => return self.waiting_commands.push_front(command),
                Err(Unposted::NoWorker) => self.parts.metrics.count(&self.parts.metrics.media_lost),
            }
        }
    }

    fn replied(&mut self, id: RequestId, reply: Result<Reply, Refusal>) {
        if let Some(answer) = self.asked.remove(&id.0) {
            let _nobody_waits_any_more = answer.send(reply);
        }
    }

    fn send_stream(&mut self, flow: Flow, bytes: Bytes) {
        let sent = match flow.connection {
            Some(id) => self.connections.get(&id).map(|sender| sender.send(bytes)),
            None => Some(self.send_to_listener(flow, bytes)),
        };
        if !matches!(sent, Some(Ok(()))) {
            self.parts.metrics.count(&self.parts.metrics.send_failed);
            self.unsent.push(flow);
        }
    }

    /// To a peer's listening port: on the connection made to it before, else on a new one.
    fn send_to_listener(
        &mut self,
        flow: Flow,
        bytes: Bytes,
    ) -> Result<(), crate::net::tcp::Unsendable> {
        if flow.transport != Transport::Tcp {
            return Err(crate::net::tcp::Unsendable);
        }
        let made = self.outbound.entry(flow.remote).or_insert_with(|| {
            let (id, sender) = self.parts.tcp.connect(flow.remote);
            self.connections.insert(id, sender);
            Outbound { id, opened: false, waiting: Vec::new() }
        });
        if !made.opened && !made.waiting.contains(&flow) && made.waiting.len() < WAITING_FLOWS_MAX {
            made.waiting.push(flow);
        }
        let sender = self.connections.get(&made.id).ok_or(crate::net::tcp::Unsendable)?;
        sender.send(bytes)
    }
}

/// What phones send to keep a NAT binding: line ends, zeroes (RFC 5626 §3.5 and older habits).
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' '))
}

fn reason_of(status: u16) -> &'static str {
    match status {
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        _ => "Bad Request",
    }
}

fn kind_of(input: &Input) -> &'static str {
    match input {
        Input::Sip { .. } => "sip",
        Input::FlowClosed { .. } => "flow_closed",
        Input::SendFailed { .. } => "send_failed",
        Input::Media(_) => "media",
        Input::Request { .. } => "request",
        Input::ConfigChanged { .. } => "config_changed",
        Input::Restore { .. } => "restore",
        Input::EffectDone { .. } => "effect_done",
        Input::Drain(_) => "drain",
        Input::Freeze(_) => "freeze",
        Input::ReleaseAll => "release_all",
        Input::Tick => "tick",
    }
}
