//! The whole engine in virtual time, with scripted peers and a media worker made of data.

use hotline_base::{Epoch, Mono, Now, Partition, Redacted, Rng, Wall};
use hotline_engine::config::{DigestAlgorithm, FIRST_PROMPT, Prompt, Softphone, Trunk, WAIT_TONE};
use hotline_engine::effect::{Effect, EffectDone, EffectId};
use hotline_engine::event::EventKind;
use hotline_engine::input::{Counts, Reply, Request};
use hotline_engine::{
    CallRecord, Directory, Engine, EngineSettings, Event, Input, Output, RequestId, TenantConfig,
};
use hotline_media::command::{
    AssetId, Codec, Command, Direction, Event as MediaEvent, LegRef, LegStatistics, PlayEnd,
    PlayId, PlayItem, PortGrant, RecordEnd, RecordingId,
};
use hotline_routing::config::{
    AccessCode, Agent, AnnounceOnAnswer, AnswerSupervision, CalledRoute, Destination, Policy,
    Skill, SkillQueue,
};
use hotline_sip::build::{RequestBuilder, ResponseBuilder, ViaParameters};
use hotline_sip::digest::{Challenge, answer, ha1};
use hotline_sip::header::HeaderName;
use hotline_sip::{ConnectionId, Flow, Message, Method, Transport, Uri};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub const TENANT: Partition = Partition(7);
/// How long each prompt is.
pub const PROMPT_MS: u32 = 400;
const BEEP_MS: u64 = 200;
pub const SERVER: &str = "192.0.2.10:5060";
const SECRET: &str = "secret";

/// Where the carrier's and the phones' signalling is.
pub fn address(host: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, host)), 5060)
}

pub const CARRIER: u8 = 1;

pub struct World {
    pub engine: Engine,
    pub mono_ms: u64,
    /// How far the wall clock was set off, in s.
    pub wall_shift_s: i64,
    /// Whose partition the front door takes messages for.
    partition: Partition,
    /// What peers were sent and have not looked at, oldest first.
    inbox: VecDeque<(Flow, Message)>,
    /// Every message, as a ladder: `1 < 200 INVITE`.
    pub ladder: Vec<String>,
    pub events: Vec<Event>,
    pub commands: Vec<Command>,
    pub notices: Vec<String>,
    /// What was asked for outside, and within which time.
    pub effects: Vec<(EffectId, Effect, Duration)>,
    pub worker: Worker,
    branches: u32,
    requests: u64,
    replies: BTreeMap<u64, Result<Reply, hotline_engine::input::Refusal>>,
    timers_at_rest: u64,
}

/// A media worker without sockets.
#[derive(Default)]
pub struct Worker {
    playing: BTreeMap<LegRef, PlayId>,
    due: BTreeMap<(u64, LegRef, PlayId), ()>,
    open: BTreeMap<LegRef, PortGrant>,
    /// Recordings, and since when (ms).
    recording: BTreeMap<LegRef, (RecordingId, u64)>,
    reports: VecDeque<MediaEvent>,
    /// Closes are not reported: the worker is gone.
    pub mute: bool,
    /// What was recorded is not on the disk yet: its end is told later.
    pub slow_disk: bool,
    unwritten: Vec<MediaEvent>,
}

impl Worker {
    fn recorded(&mut self, leg: LegRef, now_ms: u64, reason: RecordEnd) {
        if let Some((recording, since_ms)) = self.recording.remove(&leg) {
            let duration_ms = (now_ms - since_ms) as u32;
            let event = MediaEvent::Recorded { leg, recording, duration_ms, reason };
            self.report_behind_disk(event);
        }
    }

    /// What a recorded leg tells comes behind what was recorded.
    fn report_behind_disk(&mut self, event: MediaEvent) {
        match self.slow_disk {
            true => self.unwritten.push(event),
            false => self.reports.push_back(event),
        }
    }
}

/// The demo centre of these tests.
pub fn centre() -> TenantConfig {
    let queue = |name: &str| SkillQueue {
        name: name.into(),
        description: name.into(),
        wrap_up_s: 5,
        offer_time_s: 20,
        ..SkillQueue::default()
    };
    let route = |extension: &str, destination: Destination| {
        CalledRoute::new("12345", Some(extension), destination)
    };
    let to_queue =
        |extension: &str, name: &str| route(extension, Destination::SkillQueue(name.into()));
    let agent = |employee_id: &str| Agent {
        employee_id: employee_id.into(),
        skill_queues: ["support", "read", "short", "tiny"]
            .map(|queue| Skill { queue: queue.into(), level: 1 })
            .to_vec(),
        sign_in_on_registration: true,
        ..Agent::default()
    };
    let mut supervised = to_queue("3", "support");
    supervised.answer_supervision = AnswerSupervision::WhenAgentAnswers;
    let mut supervised_short = to_queue("6", "short");
    supervised_short.answer_supervision = AnswerSupervision::WhenAgentAnswers;
    let routing = hotline_routing::Config {
        queues: vec![
            queue("support"),
            SkillQueue { announce_on_answer: AnnounceOnAnswer::EmployeeId, ..queue("read") },
            SkillQueue { max_waiting_time_s: 3, ..queue("short") },
            SkillQueue { max_calls_in_queue: 1, ..queue("tiny") },
            SkillQueue { on_no_agents: Policy::Release { prompt: None }, ..queue("empty") },
        ],
        agents: vec![agent("1001"), agent("1002")],
        access_codes: vec![AccessCode { code: "12345".into(), ..AccessCode::default() }],
        called_routes: vec![
            to_queue("1", "support"),
            to_queue("2", "read"),
            supervised,
            route("4", Destination::Agent("1002".into())),
            to_queue("5", "short"),
            supervised_short,
            to_queue("7", "tiny"),
            to_queue("8", "empty"),
        ],
        ..hotline_routing::Config::default()
    };
    let phone = |number: &str| {
        let credentials = ha1(number, "demo", SECRET);
        let phone = Softphone {
            number: number.into(),
            employee_id: number.into(),
            ha1_md5: credentials.ha1_md5,
            ha1_sha256: credentials.ha1_sha256,
            digest: vec![DigestAlgorithm::Md5],
            automatic_answer: number == "1001",
        };
        (number.to_owned(), phone)
    };
    TenantConfig {
        partition: TENANT,
        version: 1,
        name: "demo".into(),
        domains: vec!["demo.example".into()],
        realm: "demo".into(),
        language: "en".into(),
        time_zone: "Europe/Stockholm".into(),
        routing: Arc::new(routing),
        softphones: [phone("1001"), phone("1002")].into(),
        trunks: vec![Trunk {
            name: "carrier-a".into(),
            peers: vec![format!("{}", address(CARRIER).ip()).parse().unwrap()],
            ..Trunk::default()
        }],
        prompts: BTreeMap::from([("en".to_owned(), prompts())]),
        ..TenantConfig::default()
    }
}

fn prompts() -> BTreeMap<String, Prompt> {
    let names = ["all_busy", "queue_full", "no_agents", "fault", "employee_id"];
    let digits = (0..10).map(|digit| format!("digit_{digit}"));
    let names = names.map(String::from).into_iter().chain(digits);
    let more = ["closed", "you_are_number", "in_the_queue", "agents_available"].map(String::from);
    let numbers = (0..10).map(|number| format!("number_{number}"));
    let names = names.chain(more).chain(numbers);
    let prompt = |(at, name): (usize, String)| {
        let asset = AssetId(FIRST_PROMPT.0 + at as u32);
        (name, Prompt { asset, duration_ms: PROMPT_MS })
    };
    names.enumerate().map(prompt).collect()
}

/// Changes the routing part of a configuration.
pub fn route_with(config: &mut TenantConfig, change: impl FnOnce(&mut hotline_routing::Config)) {
    change(Arc::make_mut(&mut config.routing));
}

/// Changes one queue of a configuration.
pub fn queue_with(config: &mut TenantConfig, name: &str, change: impl FnOnce(&mut SkillQueue)) {
    route_with(config, |routing| {
        change(routing.queues.iter_mut().find(|queue| queue.name == name).unwrap());
    });
}

fn settings() -> EngineSettings {
    EngineSettings {
        user_agent: "Hotline".into(),
        sip_advertise: None,
        media_advertise: None,
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        nonce_secret: Redacted::new([7; 32]),
        register_s_min: 60,
        register_s_max: 7200,
        register_s_default: 3600,
        engine: (0, 1),
    }
}

impl World {
    pub fn new(config: TenantConfig) -> World {
        let mut world = World::without_ports(config);
        world.grant_ports(40);
        world
    }

    pub fn without_ports(config: TenantConfig) -> World {
        let directory = Directory {
            version: 1,
            tenants: vec![Arc::new(config)],
            trunks: Vec::new(),
            default_tenant: Some(TENANT),
        };
        let mono_ms = 10_000;
        let engine = Engine::new(
            settings(),
            Arc::new(directory),
            Epoch(3),
            Rng::from_number(1),
            now(mono_ms),
        );
        World {
            engine,
            mono_ms,
            wall_shift_s: 0,
            partition: TENANT,
            inbox: VecDeque::new(),
            ladder: Vec::new(),
            events: Vec::new(),
            commands: Vec::new(),
            notices: Vec::new(),
            effects: Vec::new(),
            worker: Worker::default(),
            branches: 0,
            requests: 0,
            replies: BTreeMap::new(),
            timers_at_rest: 0,
        }
    }

    /// A number that no peer has used yet.
    pub fn next_serial(&mut self) -> u32 {
        self.branches += 1;
        self.branches
    }

    pub fn grant_ports(&mut self, count: u16) {
        self.grant_more_ports(0, count);
    }

    /// Ports from the `first` on.
    pub fn grant_more_ports(&mut self, first: u16, count: u16) {
        let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let ports = (first..first + count)
            .map(|n| PortGrant { worker: 0, address, rtp: 20000 + 2 * n })
            .collect();
        self.handle(Input::Media(MediaEvent::Granted { ports }));
    }

    pub fn now(&self) -> Now {
        let now = now(self.mono_ms);
        Now { wall: Wall(now.wall.0 + 1_000_000 * self.wall_shift_s), ..now }
    }

    pub fn handle(&mut self, input: Input) {
        let now = self.now();
        self.engine.handle(now, input);
        self.drain();
        while let Some(report) = self.worker.reports.pop_front() {
            self.engine.handle(now, Input::Media(report));
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send { flow, bytes } => {
                    let message = Message::parse(bytes).expect("we send what can be read");
                    self.ladder.push(format!("{} < {}", host(&flow), line(&message)));
                    self.inbox.push_back((flow, message));
                }
                Output::Media(command) => self.perform(command),
                Output::Journal(event) => self.events.push(event),
                Output::Reply { id, reply } => {
                    self.replies.insert(id.0, reply);
                }
                Output::Notice { text, .. } => self.notices.push(text),
                Output::Effect { id, effect, within, .. } => {
                    self.effects.push((id, effect, within));
                }
                Output::BindingRefreshed { .. } => {}
            }
        }
    }

    fn perform(&mut self, command: Command) {
        self.commands.push(command.clone());
        let end = |worker: &mut Worker, leg: LegRef, reason: PlayEnd| {
            if let Some(play) = worker.playing.remove(&leg) {
                worker.due.retain(|key, ()| (key.1, key.2) != (leg, play));
                worker.reports.push_back(MediaEvent::PlayEnded { leg, play, reason });
            }
        };
        let worker = &mut self.worker;
        match command {
            Command::Open { leg, port, .. } => {
                assert!(worker.open.insert(leg, port).is_none(), "{leg:?} is open already");
            }
            Command::Play { leg, play, items, repeat, .. } => {
                end(worker, leg, PlayEnd::Replaced);
                worker.playing.insert(leg, play);
                if !repeat {
                    let length: u64 = items.iter().map(item_ms).sum();
                    worker.due.insert((self.mono_ms + length, leg, play), ());
                }
            }
            Command::Stop { leg, play } if worker.playing.get(&leg) == Some(&play) => {
                end(worker, leg, PlayEnd::Stopped);
            }
            Command::Record { leg, recording, .. } => {
                let began = (recording, self.mono_ms);
                assert!(worker.recording.insert(leg, began).is_none(), "one at a time");
            }
            Command::Close { leg } => {
                end(worker, leg, PlayEnd::LegClosed);
                worker.recorded(leg, self.mono_ms, RecordEnd::LegClosed);
                let port = worker.open.remove(&leg).expect("an open leg is closed");
                if !worker.mute {
                    let statistics = LegStatistics { packets_sent: 5, ..Default::default() };
                    worker.report_behind_disk(MediaEvent::Closed { leg, statistics });
                    worker.report_behind_disk(MediaEvent::Granted { ports: vec![port] });
                }
            }
            _ => {}
        }
    }

    /// Lets time pass; whatever is due falls at its time.
    pub fn run(&mut self, ms: u64) {
        let until = self.mono_ms + ms;
        loop {
            let deadline = self.engine.deadline().map(|(at, _)| at.0.div_ceil(1_000_000));
            let play = self.worker.due.keys().next().copied();
            let next = [deadline, play.map(|(at, ..)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= until) else { break };
            self.mono_ms = self.mono_ms.max(next);
            if let Some((at, leg, play)) = play.filter(|(at, ..)| *at <= self.mono_ms) {
                self.worker.due.remove(&(at, leg, play));
                self.worker.playing.remove(&leg);
                let reason = PlayEnd::Completed;
                self.handle(Input::Media(MediaEvent::PlayEnded { leg, play, reason }));
            } else {
                self.handle(Input::Tick);
            }
        }
        self.mono_ms = until;
    }

    pub fn receive(&mut self, flow: Flow, message: Message) {
        self.ladder.push(format!("{} > {}", host(&flow), line(&message)));
        self.handle(Input::Sip { partition: self.partition, flow, message });
    }

    /// What peers send from now on is this tenant's.
    pub fn speak_to(&mut self, partition: Partition) {
        self.partition = partition;
    }

    /// The oldest message a peer has not looked at that reads like this (`INVITE`, `200 BYE`).
    #[track_caller]
    pub fn take(&mut self, peer: u8, what: &str) -> Message {
        self.take_on(peer, what).1
    }

    #[track_caller]
    pub fn take_on(&mut self, peer: u8, what: &str) -> (Flow, Message) {
        let found = |(flow, message): &(Flow, Message)| {
            flow.remote.ip() == address(peer).ip() && line(message) == what
        };
        let Some(at) = self.inbox.iter().position(found) else {
            panic!("peer {peer} was not sent {what}:\n{}", self.ladder.join("\n"))
        };
        self.inbox.remove(at).unwrap()
    }

    /// The oldest message that nobody has looked at.
    pub fn next(&mut self) -> Option<(Flow, Message)> {
        self.inbox.pop_front()
    }

    /// Whether a peer was sent such a message and has not looked at it.
    pub fn was_sent(&self, peer: u8, what: &str) -> bool {
        self.inbox
            .iter()
            .any(|(flow, message)| flow.remote.ip() == address(peer).ip() && line(message) == what)
    }

    pub fn ask(&mut self, request: Request) -> Result<Reply, hotline_engine::input::Refusal> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.handle(Input::Request { id, partition: TENANT, request });
        self.replies.remove(&self.requests).expect("every request has its reply")
    }

    pub fn counts(&mut self) -> Counts {
        match self.ask(Request::Counts) {
            Ok(Reply::Counts(counts)) => counts,
            other => panic!("{other:?}"),
        }
    }

    /// State of an agent by its name in the API, with its reason.
    pub fn agent(&mut self, employee_id: &str) -> String {
        let Ok(Reply::Agents(agents)) =
            self.ask(Request::Agent { employee_id: employee_id.to_owned() })
        else {
            panic!("no agent {employee_id}")
        };
        let agent = &agents[0];
        match &agent.reason {
            Some(reason) if agent.state == "busy" => format!("busy {reason}"),
            _ => agent.state.clone(),
        }
    }

    /// Registers a phone: an agent of these tests signs in with it.
    pub fn register(&mut self, peer: u8, number: &str) {
        self.register_on(Flow::udp(SERVER.parse().unwrap(), address(peer)), number);
    }

    pub fn register_on(&mut self, flow: Flow, number: &str) {
        self.register_for(flow, number, 3600);
    }

    pub fn register_for(&mut self, flow: Flow, number: &str, expires_s: u32) {
        let peer = flow.remote.ip().to_string();
        let host: u8 = peer.rsplit('.').next().unwrap().parse().unwrap();
        let request = |world: &mut World, cseq: u32, authorization: Option<String>| {
            let uri: Uri = "sip:demo.example".parse().unwrap();
            let mut request = RequestBuilder::new(Method::Register, uri)
                .from(format!("<sip:{number}@demo.example>;tag=r{host}"))
                .to(format!("<sip:{number}@demo.example>"))
                .call_id(format!("register-{host}-{number}"))
                .cseq(cseq)
                .header(HeaderName::Contact, format!("<sip:{number}@{}>", flow.remote))
                .header(HeaderName::Expires, expires_s.to_string());
            if let Some(value) = authorization {
                request = request.header(HeaderName::Authorization, value);
            }
            let message = world.written(&flow, &request);
            world.receive(flow, message);
        };
        self.requests += 2;
        let base = self.requests as u32;
        request(self, base, None);
        let challenged = self.take(host, "401 REGISTER");
        let value = credentials(&challenged, "REGISTER", "sip:demo.example", number);
        request(self, base + 1, Some(value));
        self.take(host, "200 REGISTER");
        self.timers_at_rest = self.counts().timers;
    }

    pub fn written(&mut self, flow: &Flow, request: &RequestBuilder) -> Message {
        let branch = format!("z9hG4bKpeer{}", self.next_serial());
        self.written_with(flow, request, &branch)
    }

    pub fn written_with(&self, flow: &Flow, request: &RequestBuilder, branch: &str) -> Message {
        let via = ViaParameters {
            transport: flow.transport,
            host: flow.remote.ip().to_string().into(),
            port: Some(flow.remote.port()),
            branch: branch.into(),
            rport: true,
        };
        Message::parse(request.finish(&via).unwrap()).unwrap()
    }

    /// The records written so far.
    pub fn records(&self) -> Vec<CallRecord> {
        let record = |event: &Event| match &event.kind {
            EventKind::Released { record } => Some((**record).clone()),
            _ => None,
        };
        self.events.iter().filter_map(record).collect()
    }

    /// The kinds of the journal's events about calls, messages left out.
    pub fn journal(&self) -> Vec<String> {
        let kind = |event: &Event| {
            Some(match &event.kind {
                EventKind::CallArrived { .. } => "CallArrived".to_owned(),
                EventKind::Queued { queue, position, .. } => format!("Queued {queue} {position}"),
                EventKind::Offered { agent, .. } => format!("Offered {agent}"),
                EventKind::OfferEnded { agent, outcome, .. } => {
                    format!("OfferEnded {agent} {outcome}")
                }
                EventKind::Answered { agent, .. } => format!("Answered {agent}"),
                EventKind::Connected { .. } => "Connected".to_owned(),
                EventKind::Checkpoint { checkpoint } => {
                    format!("Checkpoint {:?}", checkpoint.point)
                }
                EventKind::Released { .. } => "Released".to_owned(),
                _ => return None,
            })
        };
        self.events.iter().filter_map(kind).collect()
    }

    /// What legs play now: `[(port, asset)]` for tones and prompts alike.
    pub fn hears(&self, leg: LegRef) -> Option<Vec<PlayItem>> {
        let playing = *self.worker.playing.get(&leg)?;
        self.commands.iter().rev().find_map(|command| match command {
            Command::Play { leg: of, play, items, .. } if (*of, *play) == (leg, playing) => {
                Some(items.clone())
            }
            _ => None,
        })
    }

    pub fn hears_wait_tone(&self, leg: LegRef) -> bool {
        self.hears(leg).as_deref() == Some(&[PlayItem::Asset(WAIT_TONE)])
    }

    /// What sounds below what a leg is played.
    pub fn music_below(&self, leg: LegRef) -> Option<AssetId> {
        let playing = *self.worker.playing.get(&leg)?;
        self.commands.iter().rev().find_map(|command| match command {
            Command::Play { leg: of, play, background, .. } if (*of, *play) == (leg, playing) => {
                Some(*background)
            }
            _ => None,
        })?
    }

    /// The one tone that a leg hears.
    pub fn tone(&self, leg: LegRef) -> Option<AssetId> {
        match self.hears(leg)?[..] {
            [PlayItem::Asset(asset)] => Some(asset),
            _ => None,
        }
    }

    /// Puts a changed configuration into force.
    pub fn configure(&mut self, config: TenantConfig) {
        let directory = Directory {
            version: config.version,
            tenants: vec![Arc::new(config)],
            trunks: Vec::new(),
            default_tenant: Some(TENANT),
        };
        self.handle(Input::ConfigChanged { directory: Arc::new(directory) });
    }

    /// The peer of a leg presses keys, one after the other.
    pub fn press(&mut self, leg: LegRef, keys: &str) {
        for digit in keys.chars() {
            let source = hotline_media::command::DigitSource::Rtp;
            let event = MediaEvent::Digit { leg, digit, duration_ms: 80, source };
            self.handle(Input::Media(event));
        }
    }

    /// The running recording of a leg ends.
    pub fn recorded(&mut self, leg: LegRef, reason: RecordEnd) {
        self.worker.recorded(leg, self.mono_ms, reason);
        self.handle(Input::Tick);
    }

    /// The disk has written what was recorded.
    pub fn disk_has_written(&mut self) {
        self.worker.slow_disk = false;
        let written = std::mem::take(&mut self.worker.unwritten);
        self.worker.reports.extend(written);
        self.handle(Input::Tick);
    }

    /// Whether a leg is being recorded.
    pub fn records_leg(&self, leg: LegRef) -> bool {
        self.worker.recording.contains_key(&leg)
    }

    /// Something that was asked for outside is done.
    pub fn done(&mut self, id: EffectId, done: EffectDone) {
        self.handle(Input::EffectDone { id, done });
    }

    /// The digits a leg was sent, in order.
    pub fn sent_digits(&self, leg: LegRef) -> String {
        let digits = |command: &Command| match command {
            Command::SendDigits { leg: of, digits } if *of == leg => Some(digits.clone()),
            _ => None,
        };
        self.commands.iter().filter_map(digits).collect()
    }

    /// Open legs in the order of their numbers.
    pub fn legs(&self) -> Vec<LegRef> {
        self.worker.open.keys().copied().collect()
    }

    /// The worker says that a peer has sent nothing for the limit.
    pub fn silent(&mut self, leg: LegRef) {
        self.handle(Input::Media(MediaEvent::Silent { leg, for_s: 60 }));
    }

    /// The journal's states of an agent: `talking → holding (held)`.
    pub fn states(&self, employee_id: &str) -> Vec<String> {
        let state = |event: &Event| match &event.kind {
            EventKind::AgentState { agent, from, to, reason, .. } if agent == employee_id => {
                Some(format!("{from} → {to} ({})", reason.as_deref().unwrap_or_default()))
            }
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }

    /// The nodes that flows have entered, in order.
    pub fn flow_steps(&self) -> Vec<String> {
        let step = |event: &Event| match &event.kind {
            EventKind::FlowStep { node, .. } => Some(node.clone()),
            _ => None,
        };
        self.events.iter().filter_map(step).collect()
    }

    pub fn media_worker_dies(&mut self) {
        self.worker.mute = true;
    }

    /// The directions a leg was given, in order.
    pub fn directions(&self, leg: LegRef) -> Vec<Direction> {
        let direction = |command: &Command| match command {
            Command::SetRemote { leg: of, stream } if *of == leg => Some(stream.direction),
            _ => None,
        };
        self.commands.iter().filter_map(direction).collect()
    }

    /// What is played never ends.
    pub fn media_stalls(&mut self) {
        self.worker.due.clear();
    }

    pub fn bridged(&self) -> bool {
        let open = |leg: &LegRef| self.worker.open.contains_key(leg);
        self.commands
            .iter()
            .any(|command| matches!(command, Command::Bridge { a, b } if open(a) && open(b)))
    }

    /// Everything has ended: nothing is left over, and each call has exactly one record.
    #[track_caller]
    pub fn quiet(&mut self) {
        self.run(200_000);
        let counts = self.counts();
        assert_eq!(counts.calls, 0, "{:?}", self.ladder);
        assert_eq!((counts.client_transactions, counts.server_transactions), (0, 0));
        assert_eq!(self.worker.open.len(), 0, "legs left open");
        if !self.worker.mute {
            assert_eq!((counts.legs, counts.ports_used), (0, 0));
        }
        assert_eq!((counts.waiting, counts.effects), (0, 0));
        assert!(counts.timers <= self.timers_at_rest, "{} timers left", counts.timers);
        let mut arrived = Vec::new();
        let mut released = Vec::new();
        for event in &self.events {
            match &event.kind {
                EventKind::CallArrived { record } => arrived.push(record.call),
                EventKind::Released { record } => released.push(record.call),
                _ => {}
            }
        }
        arrived.sort();
        released.sort();
        assert_eq!(arrived, released, "one record per call");
    }

    /// The one record of a test with one call, once everything is quiet.
    #[track_caller]
    pub fn record(&mut self) -> CallRecord {
        self.quiet();
        let records = self.records();
        assert_eq!(records.len(), 1);
        records.into_iter().next().unwrap()
    }
}

fn item_ms(item: &PlayItem) -> u64 {
    match item {
        PlayItem::Asset(asset) if asset.0 >= FIRST_PROMPT.0 => u64::from(PROMPT_MS),
        PlayItem::Asset(_) => BEEP_MS,
        PlayItem::Silence(ms) => u64::from(*ms),
    }
}

fn now(mono_ms: u64) -> Now {
    let wall = Wall(1_795_000_000_000_000 + 1_000 * mono_ms as i64);
    Now { mono: Mono::from_ms(mono_ms), wall }
}

fn host(flow: &Flow) -> String {
    flow.remote.ip().to_string().rsplit('.').next().unwrap_or_default().to_owned()
}

/// `INVITE`, or `200 INVITE` for a response.
pub fn line(message: &Message) -> String {
    match (message.status(), message.cseq()) {
        (Some(status), Ok(cseq)) => format!("{status} {}", cseq.method),
        _ => message.method().map(ToString::to_string).unwrap_or_default(),
    }
}

pub fn udp(peer: u8) -> Flow {
    Flow::udp(SERVER.parse().unwrap(), address(peer))
}

pub fn tcp(peer: u8, connection: u64) -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: SERVER.parse().unwrap(),
        remote: address(peer),
        connection: Some(ConnectionId(connection)),
    }
}

/// An SDP of a peer: G.711 both laws and telephone-event.
pub fn sdp(peer: u8, direction: &str) -> String {
    sdp_with(peer, direction, "8 0 101", "")
}

pub fn sdp_with(peer: u8, direction: &str, formats: &str, extra: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.{peer}\r\ns=-\r\nc=IN IP4 198.51.100.{peer}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n{extra}"
    )
}

pub fn response(request: &Message, status: u16, tag: &str) -> ResponseBuilder {
    ResponseBuilder::new(request, status).to_tag(tag)
}

/// The answer to a challenge, 401 or 407.
pub fn credentials(challenged: &Message, method: &str, uri: &str, user: &str) -> String {
    let name = match challenged.status() {
        Some(407) => HeaderName::ProxyAuthenticate,
        _ => HeaderName::WwwAuthenticate,
    };
    let challenge = Challenge::choose(challenged.headers(name)).unwrap();
    answer(&challenge, method, uri, user, SECRET, "cnonce", 1)
}

pub fn parsed(response: ResponseBuilder) -> Message {
    Message::parse(response.finish().unwrap()).unwrap()
}

pub fn header(message: &Message, name: HeaderName) -> String {
    message.header_text(name).unwrap_or_default().into_owned()
}

pub fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}
