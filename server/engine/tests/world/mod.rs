//! An engine with its front door in virtual time, and phones that speak plain text.
//!
//! Two tenants: `demo` (partition 1, the default) and `other` (partition 2), both with the agents
//! 1001 and 1002 whose passwords are `demo-1001`, `other-1001`, …; access codes 12345 (demo) and
//! 54321 (other), each with extension 1 → queue `support`. Trunks: `carrier` of demo alone at
//! 198.51.100.0/24, and `shared` of the node at 203.0.113.5.
#![allow(dead_code)]

use bytes::Bytes;
use hotline_base::{Epoch, Mono, Now, Partition, Redacted, Rng, Wall};
use hotline_engine::config::{DigestAlgorithm, Network, Softphone, Trunk};
use hotline_engine::event::StoredBinding;
use hotline_engine::input::{Reply, Request};
use hotline_engine::{
    Directory, Engine, EngineSettings, Event, EventKind, FrontDoor, Input, Output, Placement,
    RequestId, TenantConfig,
};
use hotline_media::command::{Codec, Command, PortGrant};
use hotline_routing::config::{
    AccessCode, Agent, CalledRoute, Config, Destination, Skill, SkillQueue,
};
use hotline_sip::digest::{Challenge, answer, ha1};
use hotline_sip::{ConnectionId, Flow, Message, Transport};
use std::sync::Arc;
use std::time::Duration;

pub const DEMO: Partition = Partition(1);
pub const OTHER: Partition = Partition(2);
pub const CARRIER: &str = "198.51.100.7:5060";
pub const SHARED: &str = "203.0.113.5:5060";
pub const PHONE: &str = "192.0.2.50:5062";
pub const LOCAL: &str = "192.0.2.1:5060";

pub struct World {
    pub engine: Engine,
    pub door: FrontDoor,
    pub directory: Arc<Directory>,
    pub now: Now,
    pub settings: EngineSettings,
    pub journal: Vec<Event>,
    pub refreshed: Vec<StoredBinding>,
    pub notices: Vec<String>,
    pub commands: Vec<Command>,
    pub sent: Vec<(Flow, String)>,
    /// Outputs in order, by one letter: `J`ournal, `S`end, `M`edia, `R`eply, `B`inding, `N`otice.
    pub order: String,
    requests: u64,
    serial: u32,
}

pub fn tenant(partition: Partition, name: &str, code: &str, agents: &[&str]) -> TenantConfig {
    let routing = Config {
        queues: vec![SkillQueue {
            name: "support".into(),
            description: "Support".into(),
            ..SkillQueue::default()
        }],
        agents: agents
            .iter()
            .map(|id| Agent {
                employee_id: (*id).into(),
                skill_queues: vec![Skill { queue: "support".into(), level: 1 }],
                sign_in_on_registration: *id == "1001",
                ..Agent::default()
            })
            .collect(),
        access_codes: vec![AccessCode { code: code.into(), ..AccessCode::default() }],
        called_routes: vec![CalledRoute::new(
            code,
            Some("1"),
            Destination::SkillQueue("support".into()),
        )],
        ..Config::default()
    };
    let softphones = agents.iter().map(|id| ((*id).into(), softphone(name, id))).collect();
    TenantConfig {
        partition,
        version: 1,
        name: name.into(),
        domains: vec![format!("{name}.example")],
        realm: name.into(),
        language: "en".into(),
        time_zone: "Europe/Stockholm".into(),
        routing: Arc::new(routing),
        softphones,
        ..TenantConfig::default()
    }
}

pub fn softphone(realm: &str, number: &str) -> Softphone {
    let credentials = ha1(number, realm, &format!("{realm}-{number}"));
    Softphone {
        number: number.into(),
        employee_id: number.into(),
        ha1_md5: credentials.ha1_md5,
        ha1_sha256: credentials.ha1_sha256,
        digest: vec![DigestAlgorithm::Md5],
        automatic_answer: false,
    }
}

pub fn trunk(name: &str, peers: &[&str]) -> Trunk {
    Trunk {
        name: name.into(),
        peers: peers.iter().map(|peer| peer.parse::<Network>().unwrap()).collect(),
        ..Trunk::default()
    }
}

pub fn directory() -> Directory {
    let mut demo = tenant(DEMO, "demo", "12345", &["1001", "1002"]);
    demo.trunks.push(trunk("carrier", &["198.51.100.0/24"]));
    let other = tenant(OTHER, "other", "54321", &["1001", "1002"]);
    Directory {
        version: 1,
        tenants: vec![Arc::new(demo), Arc::new(other)],
        trunks: vec![trunk("shared", &["203.0.113.5"])],
        default_tenant: Some(DEMO),
    }
}

pub fn settings() -> EngineSettings {
    EngineSettings {
        user_agent: "hotline-test".into(),
        sip_advertise: None,
        media_advertise: None,
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        nonce_secret: Redacted::new([7; 32]),
        register_s_min: 60,
        register_s_max: 3_600,
        register_s_default: 600,
        engine: (0, 1),
    }
}

/// One request in the making.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    pub uri: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    pub branch: String,
    pub headers: Vec<String>,
    pub body: String,
}

impl Call {
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} {} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport;branch={}\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {} {}\r\nMax-Forwards: 70\r\n",
            self.method,
            self.uri,
            self.branch,
            self.from,
            self.to,
            self.call_id,
            self.cseq,
            self.method
        );
        for header in &self.headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body));
        text
    }

    pub fn header(mut self, line: &str) -> Call {
        self.headers.push(line.into());
        self
    }

    pub fn message(&self) -> Message {
        Message::parse(Bytes::from(self.text())).unwrap()
    }
}

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
                       m=audio 4000 RTP/AVP 8 0\r\n";

pub fn udp(remote: &str) -> Flow {
    Flow::udp(LOCAL.parse().unwrap(), remote.parse().unwrap())
}

pub fn tcp(remote: &str, connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(ConnectionId(connection)), ..udp(remote) }
}

impl World {
    pub fn new() -> World {
        World::with(directory(), settings())
    }

    pub fn with(directory: Directory, settings: EngineSettings) -> World {
        let directory = Arc::new(directory);
        let mut rng = Rng::from_number(42);
        let now = Now { mono: Mono::from_ms(1_000), wall: Wall::from_s(1_800_000_000) };
        let door = FrontDoor::new(Arc::clone(&directory), None, &mut rng);
        let engine =
            Engine::new(settings.clone(), Arc::clone(&directory), Epoch(3), rng.fork(), now);
        let mut world = World {
            engine,
            door,
            directory,
            now,
            settings,
            journal: Vec::new(),
            refreshed: Vec::new(),
            notices: Vec::new(),
            commands: Vec::new(),
            sent: Vec::new(),
            order: String::new(),
            requests: 0,
            serial: 0,
        };
        world.drain();
        world
    }

    /// Grants media ports.
    pub fn grant(&mut self, count: u16) {
        let ports = (0..count)
            .map(|n| PortGrant { worker: 0, address: [127, 0, 0, 1].into(), rtp: 20_000 + 2 * n })
            .collect();
        self.feed(Input::Media(hotline_media::command::Event::Granted { ports }));
    }

    pub fn feed(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send { flow, bytes } => {
                    self.order.push('S');
                    self.sent.push((flow, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Output::Journal(event) => {
                    self.order.push('J');
                    self.journal.push(event);
                }
                Output::Effect { .. } => self.order.push('E'),
                Output::BindingRefreshed { binding, .. } => {
                    self.order.push('B');
                    self.refreshed.push(binding);
                }
                Output::Notice { text, .. } => self.notices.push(text),
                Output::Media(command) => self.commands.push(command),
                Output::Reply { .. } => panic!("a reply nobody asked for"),
            }
        }
    }

    /// Lets time pass, waking at each deadline as the shell does.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now.mono + duration;
        for _ in 0..100_000 {
            let at = self.engine.deadline().map(|(at, _)| at).filter(|at| *at <= end);
            let to = at.unwrap_or(end).max(self.now.mono);
            let step = to.since(self.now.mono);
            self.now = Now { mono: to, wall: self.now.wall + step };
            self.feed(Input::Tick);
            if to >= end && self.engine.deadline().is_none_or(|(at, _)| at > end) {
                return;
            }
        }
        panic!("time does not pass: {:?} is due at {:?}", self.engine.deadline(), self.now);
    }

    /// A message from the wire through the front door; gives what is sent because of it.
    pub fn receive(&mut self, flow: Flow, text: &str) -> Vec<String> {
        let message = Message::parse(Bytes::from(text.to_owned())).unwrap();
        let before = self.sent.len();
        match self.door.place(self.now, &flow, &message) {
            Placement::Partition(partition) => {
                self.feed(Input::Sip { partition, flow, message });
            }
            Placement::Refuse { status, reason } => {
                if let Some((flow, bytes)) = self.door.refusal(&flow, &message, status, reason) {
                    self.sent.push((flow, String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
            Placement::Drop => {}
        }
        self.sent[before..].iter().map(|(_, text)| text.clone()).collect()
    }

    /// The status of the only response.
    pub fn status(&mut self, flow: Flow, text: &str) -> u16 {
        let sent = self.receive(flow, text);
        assert_eq!(sent.len(), 1, "one response to {text}: {sent:?}");
        status_of(&sent[0])
    }

    pub fn call(&mut self, method: &'static str, uri: &str, from: &str, to: &str) -> Call {
        self.serial += 1;
        let n = self.serial;
        Call {
            method,
            uri: uri.into(),
            from: format!("<{from}>;tag=f{n}"),
            to: format!("<{to}>"),
            call_id: format!("call-{n}@test"),
            cseq: 1,
            branch: format!("z9hG4bKtest{n}"),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub fn register(&mut self, tenant: &str, number: &str, contact: &str) -> Call {
        let aor = format!("sip:{number}@{tenant}.example");
        let call = self.call("REGISTER", &format!("sip:{tenant}.example"), &aor, &aor);
        if contact.is_empty() { call } else { call.header(&format!("Contact: {contact}")) }
    }

    pub fn invite(&mut self, number: &str, domain: &str, from: &str) -> Call {
        let uri = format!("sip:{number}@{domain}");
        let mut call = self.call("INVITE", &uri, from, &uri);
        call.headers.push("Contact: <sip:caller@10.0.0.1:5060>".into());
        call.headers.push("Content-Type: application/sdp".into());
        call.body = SDP.into();
        call
    }

    /// Answers a challenge: the request again with credentials, the next CSeq and branch.
    pub fn proved(&mut self, call: &Call, response: &str, user: &str, password: &str) -> Call {
        let line = header(response, "WWW-Authenticate").expect("a challenge");
        let challenge = Challenge::parse(line.as_bytes()).unwrap();
        let proof = answer(&challenge, call.method, &call.uri, user, password, "c0ffee", 1);
        let mut again = call.clone();
        again.headers.retain(|header| !header.starts_with("Authorization"));
        again.cseq += 1;
        again.branch = format!("{}x", call.branch);
        again.header(&format!("Authorization: {proof}"))
    }

    /// REGISTER, 401, REGISTER with credentials; gives the last response.
    pub fn sign_on(&mut self, flow: Flow, tenant: &str, number: &str, contact: &str) -> String {
        let first = self.register(tenant, number, contact);
        let challenge = self.receive(flow, &first.text()).remove(0);
        assert_eq!(status_of(&challenge), 401, "{challenge}");
        let password = format!("{tenant}-{number}");
        let second = self.proved(&first, &challenge, number, &password);
        self.receive(flow, &second.text()).remove(0)
    }

    pub fn ask(
        &mut self,
        partition: Partition,
        request: Request,
    ) -> Result<Reply, hotline_engine::input::Refusal> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.engine.handle(self.now, Input::Request { id, partition, request });
        let mut answer = None;
        let mut rest = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Reply { id: answered, reply } if answered == id => answer = Some(reply),
                other => rest.push(other),
            }
        }
        for output in rest {
            match output {
                Output::Journal(event) => self.journal.push(event),
                Output::Send { flow, bytes } => {
                    self.sent.push((flow, String::from_utf8_lossy(&bytes).into_owned()));
                }
                _ => {}
            }
        }
        answer.expect("every request is answered")
    }

    /// An agent's `state reason`.
    pub fn agent(&mut self, partition: Partition, id: &str) -> String {
        match self.ask(partition, Request::Agent { employee_id: id.into() }) {
            Ok(Reply::Agents(agents)) => {
                let agent = &agents[0];
                format!("{} {}", agent.state, agent.reason.as_deref().unwrap_or("-"))
            }
            other => panic!("{other:?}"),
        }
    }

    /// The journal since the last look, in short.
    pub fn news(&mut self) -> Vec<String> {
        let words = |event: Event| match event.kind {
            EventKind::AgentState { agent, from, to, reason, .. } => Some(format!(
                "p{} agent {agent} {from} → {to} ({})",
                event.partition.0,
                reason.unwrap_or_default()
            )),
            EventKind::BindingAdded { binding } => {
                Some(format!("p{} + {} {}", event.partition.0, binding.aor, binding.contact))
            }
            EventKind::BindingRemoved { number, contact } => {
                Some(format!("p{} - {number} {contact}", event.partition.0))
            }
            EventKind::CallArrived { .. } => Some(format!("p{} call", event.partition.0)),
            EventKind::Released { .. } => Some(format!("p{} released", event.partition.0)),
            _ => None,
        };
        std::mem::take(&mut self.journal).into_iter().filter_map(words).collect()
    }

    /// A new directory, for front door and engine.
    pub fn reload(&mut self, directory: Directory) {
        self.directory = Arc::new(directory);
        self.door.set_directory(Arc::clone(&self.directory));
        self.feed(Input::ConfigChanged { directory: Arc::clone(&self.directory) });
    }
}

pub fn status_of(response: &str) -> u16 {
    response.get(8..11).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The value of a response's first header of that name.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = |line: &'a str| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    };
    text.split("\r\n").find_map(line)
}
