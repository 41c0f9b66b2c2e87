//! [`World`]: virtual time, and everything in it: engines, front door, network, phones, workers.
//!
//! Owns: the order of what happens, the three phases, what must hold after quiet. Does not own:
//! what is sent on the way there ([`crate::network`]), what people do ([`crate::script`]), what
//! must always hold ([`crate::invariants`]).

use crate::centre::Centre;
use crate::invariants::{Fault, Invariants, fault};
use crate::media::Workers;
use crate::mobiles::{Mobiles, without_pin};
use crate::network::Network;
use crate::peers::{Act, DIALLED, Peer, SERVER, Who};
use crate::script::Trouble;
use crate::seed::{Dice, Plan};
use crate::{Log, Outcome};
use bytes::Bytes;
use hotline_base::{Epoch, Mono, Now, Partition, Redacted, Rng, Wall};
use hotline_engine::effect::{Effect, EffectDone, EffectId};
use hotline_engine::event::EventKind;
use hotline_engine::input::{Refusal, Reply, Request};
use hotline_engine::{
    Directory, Engine, EngineSettings, Event, FrontDoor, Input, Output, Placement, RequestId,
};
use hotline_media::command::{Codec, Event as MediaEvent};
use hotline_sip::{ConnectionId, Flow, Message, Method, Transport};
use siphasher::sip::SipHasher13;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

/// Steps of one world; one that needs more does not come to rest.
const STEPS_MAX: u64 = 2_000_000;
/// Steps in one moment; more means that somebody asks again and again for the same moment.
const STEPS_OF_A_MOMENT_MAX: u64 = 20_000;
/// How long all calls may take to end once everybody behaves.
const HEALING: Duration = Duration::from_secs(300);
/// Wrap-ups end in this time.
const WRAP_UPS: Duration = Duration::from_secs(60);
/// Registrations, transactions and ports at rest end in this time.
const QUIET: Duration = Duration::from_secs(240);
/// How long the phones of one agent may see two calls: until an end that was lost is repeated.
const OVERLAP_MAX: Duration = Duration::from_secs(40);
/// The same when nothing is lost.
const OVERLAP_PERFECT_MAX: Duration = Duration::from_millis(500);
/// When the worlds begin, by the wall clock.
const BEGIN: Wall = Wall::from_s(1_800_000_000);

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A message reaches the server.
    ToServer(Flow, Bytes),
    /// A message reaches a phone, on the connection named.
    ToPhone(usize, Option<u64>, Box<Message>),
    /// Somebody does something; dropped if the call it was meant for is over.
    Act(usize, Option<u64>, Act),
    /// A media worker's report reaches its engine.
    Report(usize, MediaEvent),
    /// What was asked for outside is done.
    Done(usize, EffectId, EffectDone),
    /// A flow failed.
    SendFailed(usize, Flow),
    /// A connection is gone.
    FlowClosed(u64),
    /// Something else.
    Trouble(Trouble),
}

/// A world; see the module.
pub(crate) struct World<'p> {
    pub plan: &'p Plan,
    pub log: Log,
    pub dice: Dice,
    pub centre: Centre,
    pub peers: Vec<Peer>,
    pub invariants: Invariants,
    pub healing: bool,
    pub switched_off: bool,
    pub wall_us: i64,
    pub network: Network,
    pub workers: Vec<Workers>,
    pub mobiles: Mobiles,
    mono: Mono,
    engines: Vec<Engine>,
    door: FrontDoor,
    by_address: BTreeMap<std::net::SocketAddr, usize>,
    by_connection: BTreeMap<u64, usize>,
    happenings: BTreeMap<(Mono, u64), Happening>,
    serial: u64,
    connections: u64,
    last_report: Vec<Mono>,
    overlaps: BTreeMap<(Partition, String), Mono>,
    /// The connection each phone has last registered over, if it was over one.
    registered_over: BTreeMap<usize, u64>,
    /// Phones whose connection that was is gone.
    cut_off: BTreeSet<usize>,
    requests: u64,
    replies: BTreeMap<u64, Result<Reply, Refusal>>,
    last_look: Mono,
    hash: SipHasher13,
    steps: u64,
    steps_of_moment: u64,
}

impl<'p> World<'p> {
    pub fn new(plan: &'p Plan, log: Log) -> World<'p> {
        // The plan has drawn from the seed itself; the world draws from another stream.
        let mut dice = Dice::new(Rng::from_number(plan.seed).fork());
        let mut centre = Centre::new(plan, &mut dice);
        let directory = centre.directory();
        let network = Network::new(plan, Dice::new(dice.fork()));
        let door = FrontDoor::new(Arc::clone(&directory), None, &mut dice.fork());
        let mono = Mono::from_ms(1_000);
        let mut world = World {
            plan,
            log,
            centre,
            network,
            door,
            mono,
            peers: Vec::new(),
            invariants: Invariants::new(plan.wall_jumps, plan.mobiles > 0),
            healing: false,
            switched_off: false,
            wall_us: BEGIN.0,
            engines: Vec::new(),
            workers: Vec::new(),
            mobiles: Mobiles::default(),
            by_address: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            happenings: BTreeMap::new(),
            serial: 0,
            connections: 0,
            last_report: vec![mono; usize::from(plan.engines)],
            overlaps: BTreeMap::new(),
            registered_over: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            requests: 0,
            replies: BTreeMap::new(),
            last_look: mono,
            hash: SipHasher13::new(),
            steps: 0,
            steps_of_moment: 0,
            dice,
        };
        world.start_engines(&directory);
        world.people();
        world
    }

    fn start_engines(&mut self, directory: &Arc<Directory>) {
        for number in 0..self.plan.engines {
            let settings = EngineSettings {
                user_agent: "hotline".into(),
                sip_advertise: None,
                media_advertise: None,
                codecs: vec![Codec::Pcma, Codec::Pcmu],
                nonce_secret: Redacted::new([7; 32]),
                register_s_min: 30,
                register_s_max: 3600,
                register_s_default: 60,
                engine: (number, self.plan.engines),
            };
            let (rng, now) = (self.dice.fork(), self.now());
            self.engines.push(Engine::new(settings, Arc::clone(directory), Epoch(1), rng, now));
            let first_port = 20_000 + 2_000 * number;
            let (workers, lent) = Workers::new(SERVER.ip(), first_port, self.plan.ports);
            self.workers.push(workers);
            self.later(Duration::ZERO, Happening::Report(number.into(), lent));
        }
    }

    /// The script, healing, quiet.
    pub fn run(mut self) -> Result<Outcome, Fault> {
        self.log.add(|| format!("{:?}", self.plan));
        self.run_until(Mono::from_ms(1_000 + self.plan.script_ms), |_| false)?;
        self.heal()?;
        let ended = |world: &World<'_>| {
            world.invariants.open_calls().is_empty()
                && world.peers.iter().all(|peer| !peer.alive || !peer.phone.is_busy())
        };
        if !self.run_until(self.mono + HEALING, ended)? {
            let open = self.invariants.open_calls();
            let busy = self.peers.iter().filter(|peer| peer.alive && peer.phone.is_busy());
            let busy: Vec<_> = busy.map(|peer| peer.address()).collect();
            let text = format!("calls {open:?}, phones {busy:?} are still up");
            return Err(fault("everything_ends", text));
        }
        self.run_until(self.mono + WRAP_UPS, |_| false)?;
        self.no_agent_is_stuck()?;
        self.switch_off()?;
        self.run_until(self.mono + QUIET, |_| false)?;
        self.nothing_is_left_over()?;
        Ok(Outcome {
            hash: self.hash.finish(),
            calls: self.invariants.arrived(),
            connected: self.invariants.connected(),
            steps: self.steps,
            stories: self.invariants.take_stories(),
        })
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let wall = Wall(self.wall_us + (self.mono.0 / 1_000) as i64);
        Now { mono: self.mono, wall }
    }

    /// Something happens after a while.
    pub fn later(&mut self, after: Duration, what: Happening) {
        self.at(self.mono + after, what);
    }

    /// Drops what was going to happen, as the filter says.
    pub fn keep_happenings(&mut self, keep: impl Fn(&Happening) -> bool) {
        self.happenings.retain(|_, happening| keep(happening));
    }

    /// A new connection to the server.
    pub fn connect(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// One more phone; its number.
    pub fn join(&mut self, peer: Peer) -> usize {
        let number = self.peers.len();
        self.by_address.insert(peer.address(), number);
        if let Some(connection) = peer.connection() {
            self.by_connection.insert(connection, number);
        }
        self.peers.push(peer);
        number
    }

    /// A phone speaks over another connection from now on.
    pub fn reconnected(&mut self, peer: usize) {
        if let Some(connection) = self.peers[peer].connection() {
            self.by_connection.insert(connection, peer);
        }
    }

    fn at(&mut self, at: Mono, what: Happening) {
        self.serial += 1;
        self.happenings.insert((at, self.serial), what);
    }

    /// Runs to a time, or until something is so; whether it became so.
    fn run_until(&mut self, end: Mono, done: impl Fn(&World<'_>) -> bool) -> Result<bool, Fault> {
        while !done(self) {
            let Some(next) = self.next_time().filter(|next| *next <= end) else {
                self.mono = end;
                return Ok(false);
            };
            self.steps += 1;
            self.steps_of_moment = if next > self.mono { 0 } else { self.steps_of_moment + 1 };
            if self.steps > STEPS_MAX || self.steps_of_moment > STEPS_OF_A_MOMENT_MAX {
                let why: Vec<_> = self.engines.iter().map(Engine::deadline).collect();
                return Err(fault("comes_to_rest", format!("engines want {why:?}")));
            }
            self.mono = self.mono.max(next);
            self.step()?;
        }
        Ok(true)
    }

    fn next_time(&self) -> Option<Mono> {
        let happenings = self.happenings.keys().next().map(|(at, _)| *at);
        let engines = self.engines.iter().filter_map(|engine| engine.deadline());
        let phones = self.peers.iter().filter_map(|peer| peer.deadline);
        let workers = self.workers.iter().filter_map(Workers::deadline);
        let others = engines.map(|(at, _)| at).chain(phones).chain(workers);
        happenings.into_iter().chain(others).min()
    }

    /// One thing that is due.
    fn step(&mut self) -> Result<(), Fault> {
        let now = self.mono;
        if let Some(entry) = self.happenings.first_entry()
            && entry.key().0 <= now
        {
            let happening = entry.remove();
            return self.happen(happening);
        }
        for number in 0..self.engines.len() {
            if self.workers[number].deadline().is_some_and(|at| at <= now) {
                let reports = self.workers[number].expire(now);
                self.report(number, reports);
                return Ok(());
            }
            if self.engines[number].deadline().is_some_and(|(at, _)| at <= now) {
                return self.feed(number, Input::Tick);
            }
        }
        for number in 0..self.peers.len() {
            if self.peers[number].deadline.is_some_and(|at| at <= now) {
                let now = self.now();
                self.peers[number].phone.expire(now);
                self.attend(number)?;
            }
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Fault> {
        match happening {
            Happening::ToServer(flow, bytes) => self.arrive(flow, bytes),
            Happening::ToPhone(peer, connection, message) => {
                let now = self.now();
                let one = &mut self.peers[peer];
                if !one.alive || one.connection() != connection {
                    return Ok(());
                }
                let flow = one.settings.flow;
                one.phone.receive(now, flow, *message);
                self.attend(peer)
            }
            Happening::Act(peer, turn, act) => {
                if turn.is_some_and(|turn| turn != self.peers[peer].turn) {
                    return Ok(());
                }
                self.act(peer, act)
            }
            Happening::Report(engine, event) => {
                self.log.add(|| format!("{} worker says {event:?}", self.stamp()));
                self.mobiles.pressed(engine, &event);
                self.feed(engine, Input::Media(event))
            }
            Happening::Done(engine, id, done) => {
                self.log.add(|| format!("{} {id:?} is done: {done:?}", self.stamp()));
                self.feed(engine, Input::EffectDone { id, done })
            }
            Happening::SendFailed(engine, flow) => {
                self.log.add(|| format!("{} send failed: {flow}", self.stamp()));
                self.feed(engine, Input::SendFailed { flow })
            }
            Happening::FlowClosed(connection) => {
                self.log.add(|| format!("{} connection {connection} closed", self.stamp()));
                let over = self.registered_over.iter().filter(|(_, over)| **over == connection);
                self.cut_off.extend(over.map(|(peer, _)| *peer));
                let connection = ConnectionId(connection);
                self.feed_all(|| Input::FlowClosed { connection })
            }
            Happening::Trouble(trouble) => self.trouble(trouble),
        }
    }

    /// A message from a phone reaches the front door.
    fn arrive(&mut self, flow: Flow, bytes: Bytes) -> Result<(), Fault> {
        let now = self.now();
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => return Err(fault("phones_speak_sip", error.to_string())),
        };
        self.log.add(|| format!("{} {} → {}", self.stamp(), flow.remote, line(&message)));
        match self.door.place(now, &flow, &message) {
            Placement::Partition(partition) => {
                let engine = EngineSettings::owner_of(partition, self.plan.engines);
                self.feed(engine.into(), Input::Sip { partition, flow, message })
            }
            Placement::Refuse { status, reason } => {
                match self.door.refusal(&flow, &message, status, reason) {
                    Some((flow, bytes)) => self.send(0, flow, bytes),
                    None => Ok(()),
                }
            }
            Placement::Drop => Ok(()),
        }
    }

    /// An input for one engine, and all that follows.
    pub fn feed(&mut self, engine: usize, input: Input) -> Result<(), Fault> {
        let now = self.now();
        self.engines[engine].handle(now, input);
        while let Some(output) = self.engines[engine].poll() {
            self.perform(engine, output)?;
        }
        if now.mono.since(self.last_look) >= Duration::from_secs(1) {
            self.last_look = now.mono;
            self.invariants.look_for_idle(now);
            self.lines_at_rest()?;
        }
        self.look_at_lines()?;
        for suspicion in self.invariants.take_suspicions() {
            let partition = suspicion.call.partition;
            let Ok(Reply::Calls(calls)) = self.ask(partition, Request::Calls)? else { continue };
            let waits = calls.iter().any(|view| {
                let queue = view.record.queues.last().map(|visit| &visit.queue);
                view.call == suspicion.call
                    && view.state == "queued"
                    && queue == Some(&suspicion.queue)
            });
            let idle = match &suspicion.agent {
                Some(agent) => self.agent_can_be_offered(partition, agent)?,
                None => true,
            };
            if waits && idle {
                return Err(suspicion.fault);
            }
        }
        Ok(())
    }

    /// It is idle, and one of its contacts is not on a connection that is gone.
    fn agent_can_be_offered(&mut self, partition: Partition, agent: &str) -> Result<bool, Fault> {
        let employee_id = agent.to_owned();
        let reply = self.ask(partition, Request::Agent { employee_id })?;
        Ok(match reply {
            Ok(Reply::Agents(views)) => views.iter().any(|view| {
                let reached = |contact: &String| {
                    self.peers.iter().enumerate().any(|(number, peer)| {
                        contact.contains(&peer.address().to_string())
                            && !self.cut_off.contains(&number)
                    })
                };
                let reachable = self.invariants.is_single_phone(partition, agent)
                    || view.registrations.iter().any(reached);
                view.state == "idle" && reachable
            }),
            _ => false,
        })
    }

    /// The same input for all engines.
    pub fn feed_all(&mut self, input: impl Fn() -> Input) -> Result<(), Fault> {
        (0..self.engines.len()).try_for_each(|engine| self.feed(engine, input()))
    }

    /// A new directory is in force everywhere.
    pub fn configure(&mut self) -> Result<(), Fault> {
        let directory = self.centre.directory();
        self.door.set_directory(Arc::clone(&directory));
        self.feed_all(|| Input::ConfigChanged { directory: Arc::clone(&directory) })?;
        let present: Vec<Partition> =
            directory.tenants.iter().map(|tenant| tenant.partition).collect();
        self.invariants.configured(self.now(), &present);
        Ok(())
    }

    /// Asks the engine of a partition; every question has exactly one answer, at once.
    pub fn ask(
        &mut self,
        partition: Partition,
        request: Request,
    ) -> Result<Result<Reply, Refusal>, Fault> {
        self.requests += 1;
        let id = self.requests;
        let engine = usize::from(EngineSettings::owner_of(partition, self.plan.engines));
        let text = format!("{request:?}");
        let now = self.now();
        self.engines[engine].handle(now, Input::Request { id: RequestId(id), partition, request });
        while let Some(output) = self.engines[engine].poll() {
            self.perform(engine, output)?;
        }
        let reply = self.replies.remove(&id);
        reply.ok_or_else(|| fault("every_request_is_answered", text))
    }

    fn perform(&mut self, engine: usize, output: Output) -> Result<(), Fault> {
        match output {
            Output::Send { flow, bytes } => {
                without_pin("sent", &bytes)?;
                self.hash.write(&bytes);
                self.send(engine, flow, bytes)
            }
            Output::Media(command) => {
                let text = postcard::to_stdvec(&command).unwrap_or_default();
                without_pin("media", &text)?;
                self.mobiles.connected(engine, &command)?;
                self.hash.write(&text);
                self.log.add(|| format!("{} engine → worker {command:?}", self.stamp()));
                let reports = self.workers[engine].order(self.mono, command)?;
                self.report(engine, reports);
                Ok(())
            }
            Output::Journal(event) => {
                self.log.add(|| format!("{} journal {}", self.stamp(), event_line(&event)));
                let stored = postcard::to_stdvec(&event)
                    .map_err(|error| fault("journal_keeps_everything", error.to_string()))?;
                without_pin("journal", &stored)?;
                self.hash.write(&stored);
                self.line_may_be_over(&event);
                self.invariants.journal(self.now(), &event)
            }
            Output::Effect { id, effect, within, .. } => {
                without_pin("effect", format!("{effect:?}").as_bytes())?;
                self.hash.write(&id.0.to_le_bytes());
                self.asked(engine, id, &effect, within);
                Ok(())
            }
            Output::BindingRefreshed { binding, .. } => {
                self.hash.write(binding.contact.as_bytes());
                Ok(())
            }
            Output::Reply { id, reply } => {
                let text = format!("{reply:?}");
                without_pin("reply", text.as_bytes())?;
                self.hash.write(text.as_bytes());
                match self.replies.insert(id.0, reply) {
                    Some(_) => Err(fault("every_request_is_answered", "twice")),
                    None => Ok(()),
                }
            }
            Output::Notice { text, .. } => {
                self.log.add(|| format!("{} notice: {text}", self.stamp()));
                without_pin("notice", text.as_bytes())?;
                match text.contains("please report") {
                    true => Err(fault("comes_to_rest", text)),
                    false => Ok(()),
                }
            }
        }
    }

    /// The record of a call by which an agent signed in: its line is over, if it held one.
    fn line_may_be_over(&mut self, event: &Event) {
        if let EventKind::Released { record } = &event.kind
            && let Some(agent) = &record.signed_in
        {
            self.invariants.tell("a call by which an agent signed in");
            self.mobiles.over(event.partition, agent);
        }
    }

    /// Somebody is asked outside, and answers: in time, too late, twice, or never.
    fn asked(&mut self, engine: usize, id: EffectId, effect: &Effect, within: Duration) {
        // A PIN is mostly compared at once: nobody waits for somebody else's server.
        let swift = matches!(effect, Effect::VerifyPin { .. }) && self.dice.percent(80);
        let longest = if swift { 500 } else { within.as_millis() as u64 * 5 / 4 };
        for _ in 0..1 + usize::from(self.dice.percent(5)) {
            if !swift && !self.dice.percent(self.plan.answers_percent) {
                continue;
            }
            let compared = self.compared(effect);
            let done = match (compared, self.dice.percent(if swift { 2 } else { 20 })) {
                (_, true) => EffectDone::Failed("refused".to_owned()),
                (Some(done), _) => done,
                (None, _) => EffectDone::Http(serde_json::json!({ "vip": self.dice.percent(50) })),
            };
            let after = Duration::from_millis(self.dice.between(0, longest));
            self.later(after, Happening::Done(engine, id, done));
        }
    }

    /// Reports of the media workers reach the engine in order, a little later.
    pub fn report(&mut self, engine: usize, reports: Vec<MediaEvent>) {
        for event in reports {
            let at = self.mono + Duration::from_millis(self.dice.between(0, 15));
            let at = at.max(self.last_report[engine]);
            self.last_report[engine] = at;
            self.at(at, Happening::Report(engine, event));
        }
    }

    /// What the server sends.
    fn send(&mut self, engine: usize, flow: Flow, bytes: Bytes) -> Result<(), Fault> {
        let message = Message::parse(bytes)
            .map_err(|error| fault("the_engine_speaks_sip", error.to_string()))?;
        self.log.add(|| format!("{} {} ← {}", self.stamp(), flow.remote, line(&message)));
        let unknown = || fault("no_output_to_unknown_flows", format!("{flow}: {}", line(&message)));
        let peer = match (flow.transport, flow.connection) {
            (Transport::Udp, None) => {
                let behind = self.mobiles.behind(flow.remote, &message);
                behind.or_else(|| self.by_address.get(&flow.remote).copied())
            }
            (Transport::Tcp, Some(connection)) => self.by_connection.get(&connection.0).copied(),
            // A carrier listens where its Contact says; a softphone does not.
            (Transport::Tcp, None) => {
                let carrier = |peer: &&usize| self.peers[**peer].agent_key().is_none();
                self.by_address.get(&flow.remote).filter(carrier).copied()
            }
            _ => None,
        };
        let peer = peer.ok_or_else(unknown)?;
        let connection = flow.connection.map(|connection| connection.0);
        let connection = match flow.transport {
            Transport::Tcp => connection.or(self.peers[peer].connection()),
            _ => None,
        };
        if flow.local != SERVER {
            return Err(unknown());
        }
        if !matches!(self.peers[peer].who, Who::Outside) {
            self.invariants.sent(&message, self.peers[peer].agent_key())?;
        }
        self.mobile_is_called(engine, peer, &message);
        let crosses = self.peers[peer].crosses && message.is(&Method::Cancel);
        if crosses && self.peers[peer].engaged.is_some() {
            self.invariants.tell("200 crosses CANCEL");
            let turn = self.peers[peer].turn;
            self.later(Duration::ZERO, Happening::Act(peer, Some(turn), Act::Answer));
        }
        let of_register = message.cseq().is_ok_and(|cseq| cseq.method == Method::Register);
        if of_register && message.status() == Some(200) {
            self.cut_off.remove(&peer);
            match flow.connection {
                Some(connection) => drop(self.registered_over.insert(peer, connection.0)),
                None => drop(self.registered_over.remove(&peer)),
            }
        }
        let alive = self.peers[peer].alive;
        if connection.is_some() && connection != self.peers[peer].connection()
            || !alive && self.dice.percent(30)
        {
            self.later(Duration::from_millis(1), Happening::SendFailed(engine, flow));
            return Ok(());
        }
        let arrivals = match connection {
            Some(connection) => vec![self.network.stream(self.mono, connection, false)],
            None => self.network.datagram(self.mono),
        };
        for at in arrivals {
            self.at(at, Happening::ToPhone(peer, connection, Box::new(message.clone())));
        }
        Ok(())
    }

    /// After a phone was touched: what it reports and what it sends.
    pub fn attend(&mut self, peer: usize) -> Result<(), Fault> {
        loop {
            if let Some(event) = self.peers[peer].phone.poll_event() {
                self.log.add(|| format!("{} {} {event:?}", self.stamp(), self.name(peer)));
                self.heard(peer, event)?;
            } else if let Some((_, bytes)) = self.peers[peer].phone.poll_transmit() {
                self.phone_sends(peer, bytes);
            } else {
                break;
            }
        }
        let one = &mut self.peers[peer];
        one.deadline = one.phone.deadline().filter(|_| one.alive);
        self.one_call_per_agent(peer)
    }

    fn phone_sends(&mut self, peer: usize, bytes: Bytes) {
        let one = &self.peers[peer];
        let flow = one.flow_at_server();
        if !one.alive || (one.never_acks && bytes.starts_with(b"ACK ")) {
            return;
        }
        let arrivals = match one.connection() {
            Some(connection) => vec![self.network.stream(self.mono, connection, true)],
            None => self.network.datagram(self.mono),
        };
        for at in arrivals {
            self.at(at, Happening::ToServer(flow, bytes.clone()));
        }
    }

    /// A connection breaks; the server hears of it after what was sent before.
    pub fn disconnect(&mut self, connection: u64) {
        let at = self.network.stream(self.mono, connection, true);
        self.at(at, Happening::FlowClosed(connection));
    }

    /// What the phones of one agent see themselves.
    fn one_call_per_agent(&mut self, peer: usize) -> Result<(), Fault> {
        let Some(agent) = self.peers[peer].agent_key().cloned() else { return Ok(()) };
        let phones = self.peers.iter().filter(|peer| peer.agent_key() == Some(&agent));
        // What an agent dials on a second phone while it talks is its own affair.
        let phones = phones.filter(|peer| peer.engaged.as_deref() != Some(DIALLED));
        let mut seen: Vec<&String> = phones.filter_map(|peer| peer.engaged.as_ref()).collect();
        seen.sort_unstable();
        seen.dedup();
        let perfect = self.plan.delay_ms.0 == self.plan.delay_ms.1;
        let allowed = if perfect { OVERLAP_PERFECT_MAX } else { OVERLAP_MAX };
        let since = match seen.len() {
            0 | 1 => self.overlaps.remove(&agent),
            _ => Some(*self.overlaps.entry(agent.clone()).or_insert(self.mono)),
        };
        match since.filter(|since| self.mono.since(*since) > allowed) {
            Some(since) => {
                let text = format!("phones of {agent:?} saw two since {} ms", since.as_ms());
                Err(fault("one_offer_per_agent", text))
            }
            None => Ok(()),
        }
    }

    fn no_agent_is_stuck(&mut self) -> Result<(), Fault> {
        for partition in self.partitions() {
            let Ok(Reply::Agents(views)) = self.ask(partition, Request::Agents)? else {
                return Err(fault("every_request_is_answered", "agents"));
            };
            for view in views {
                let at_rest = ["signed_out", "idle", "busy", "rest"];
                if view.call.is_some() || !at_rest.contains(&view.state.as_str()) {
                    return Err(fault("no_stuck_agent", format!("{view:?}")));
                }
            }
            let queues = self.ask(partition, Request::Queues)?;
            if let Ok(Reply::Queues(queues)) = &queues
                && queues.iter().any(|queue| queue.waiting > 0)
            {
                return Err(fault("nothing_left_over", format!("{queues:?}")));
            }
        }
        Ok(())
    }

    /// The partitions of the world's tenants.
    pub fn partitions(&self) -> Vec<Partition> {
        self.centre.tenants.iter().map(|tenant| tenant.partition).collect()
    }

    fn nothing_is_left_over(&mut self) -> Result<(), Fault> {
        for (engine, workers) in self.engines.iter().zip(&self.workers) {
            let counts = engine.counts();
            let used = [
                counts.calls,
                counts.client_transactions,
                counts.server_transactions,
                counts.timers,
                counts.bindings,
                counts.waiting,
                counts.effects,
                counts.legs,
                counts.ports_used,
                workers.open() as u64,
            ];
            let free = [counts.ports_free as usize, workers.lent()];
            let whole = free.iter().all(|free| *free == workers.ports());
            if used.iter().any(|used| *used > 0) || !whole || engine.deadline().is_some() {
                let text = format!("{counts:?}, next {:?}, {free:?} free", engine.deadline());
                return Err(fault("nothing_left_over", text));
            }
        }
        for (number, peer) in self.peers.iter().enumerate().filter(|(_, peer)| peer.alive) {
            let counts = peer.phone.counts();
            if peer.phone.is_busy() || counts.clients + counts.servers > 0 {
                let text = format!("phone {}: {counts:?}", self.name(number));
                return Err(fault("nothing_left_over", text));
            }
        }
        Ok(())
    }

    /// The time, for the log.
    pub fn stamp(&self) -> String {
        format!("{:>8}.{:03}", self.mono.as_ms() / 1000, self.mono.as_ms() % 1000)
    }

    /// A phone, for the log.
    pub fn name(&self, peer: usize) -> String {
        let one = &self.peers[peer];
        format!("{}@{}", one.settings.user, one.address().ip())
    }
}

/// A message in one line.
fn line(message: &Message) -> String {
    let bytes = message.as_bytes();
    let first = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let cseq = message
        .header(hotline_sip::header::HeaderName::CSeq)
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let call_id = message.call_id().map(|id| String::from_utf8_lossy(&id[..]).into_owned());
    format!("{} [{cseq}] {}", String::from_utf8_lossy(first), call_id.unwrap_or_default())
}

/// An event in one line.
fn event_line(event: &Event) -> String {
    match &event.kind {
        EventKind::Checkpoint { checkpoint } => {
            format!("Checkpoint {} {:?}", checkpoint.call, checkpoint.point)
        }
        EventKind::Released { record } => {
            let CallSummary { reason, by } = CallSummary::of(record);
            format!("Released {} {reason} by {by}", record.call)
        }
        EventKind::CallArrived { record } => {
            format!("CallArrived {} {} {:?}", record.call, record.dialled, record.route)
        }
        EventKind::AgentState { agent, from, to, reason, call, .. } => {
            format!("AgentState {}/{agent} {from} → {to} {reason:?} {call:?}", event.partition.0)
        }
        EventKind::Message { call, message } => format!("Message {call} {}", message.start_line),
        other => format!("{other:?}").chars().take(200).collect(),
    }
}

struct CallSummary {
    reason: String,
    by: String,
}

impl CallSummary {
    fn of(record: &hotline_engine::CallRecord) -> CallSummary {
        CallSummary {
            reason: format!("{:?}", record.reason),
            by: format!("{:?}", record.released_by),
        }
    }
}
