//! A phone on real sockets: the loop behind `hotline dial` and `hotline agent`.

use super::{Ended, Event, Phone, Settings, wav};
use crate::clock::Clock;
use bytes::Bytes;
use hotline_base::{Mono, Redacted, Rng};
use hotline_media::command::{Codec, LegStatistics, PortGrant};
use hotline_media::session::Session;
use hotline_media::worker::{Channel, PortIndex, Sink};
use hotline_sip::flow::{ConnectionId, Flow, Transport};
use hotline_sip::framing::{Frame, PONG, StreamFramer};
use hotline_sip::message::Message;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket as StdUdpSocket};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long a phone waits at its end for its BYE or its REGISTER to be answered.
const FAREWELL: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(20);
const DATAGRAM_MAX: usize = 65_535;

/// What a phone is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its server: host or host:port.
    pub server: String,
    /// `udp` or `tcp`.
    pub transport: Transport,
    /// User of its address-of-record, or calling number.
    pub user: String,
    /// Domain of its address-of-record; the server if none.
    pub domain: Option<String>,
    /// Password, if any.
    pub password: Option<Redacted<String>>,
    /// Codecs, best first.
    pub codecs: Vec<Codec>,
    /// Number to dial, with what to do once up; or to wait for calls.
    pub role: Role,
    /// What to play once up: a file or tone.
    pub play: Option<String>,
    /// Where to write what is heard.
    pub record: Option<PathBuf>,
    /// When to stop, in s from the start (agent) or from the answer (caller).
    pub seconds: Option<u64>,
}

/// Caller or agent.
#[derive(Clone, Debug)]
pub enum Role {
    /// Places one call.
    Caller {
        /// Number to dial.
        number: String,
        /// Digits to send once up; a comma is a second's pause.
        dtmf: String,
    },
    /// Registers and answers calls.
    Agent {
        /// Seconds to ring before answering.
        answer_after: f64,
        /// Status to refuse calls with instead.
        reject: Option<u16>,
        /// Seconds to talk before hanging up.
        hang_up_after: Option<f64>,
        /// Calls to take before leaving; 0 without end.
        calls: u32,
        /// Registration time to ask for, in s.
        register_s: u32,
    },
}

/// Runs a phone to its end; says what happens, a line each.
///
/// # Errors
/// One line: why it could not do what it was to do.
pub fn run(plan: Plan) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut line = Line::open(&plan).await?;
        line.run(&plan).await
    })
}

/// The way to the server.
enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, framer: StreamFramer },
}

/// Sockets for media, and what leaves by them.
struct MediaSockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    scratch: Vec<u8>,
}

impl Sink for MediaSockets {
    fn send(
        &mut self,
        _: PortIndex,
        channel: Channel,
        to: SocketAddr,
        header: &[u8],
        payload: &[u8],
    ) {
        self.scratch.clear();
        self.scratch.extend_from_slice(header);
        self.scratch.extend_from_slice(payload);
        let socket = match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        };
        // A packet that cannot leave now is a lost packet.
        let _ = socket.try_send_to(&self.scratch, to);
    }
}

/// A phone with its sockets.
struct Line {
    phone: Phone,
    wire: Wire,
    flow: Flow,
    media: MediaSockets,
    session: Session,
    grant: PortGrant,
    rng: Rng,
    heard: Vec<i16>,
    total: LegStatistics,
    todo: Todo,
}

/// What is to be done when.
#[derive(Default)]
struct Todo {
    answer_at: Option<Mono>,
    hang_up_at: Option<Mono>,
    stop_at: Option<Mono>,
    digits_at: Option<Mono>,
    digits: String,
    calls: u32,
    leaving: bool,
    outcome: Option<Result<(), String>>,
}

impl Line {
    async fn open(plan: &Plan) -> Result<Line, String> {
        let with_port = match plan.server.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, 5060).to_string(),
            Err(_)
                if plan.server.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok()) =>
            {
                plan.server.clone()
            }
            Err(_) => format!("{}:5060", plan.server),
        };
        let remote = with_port
            .to_socket_addrs()
            .map_err(|error| format!("--sip {}: {error}", plan.server))?
            .next()
            .ok_or_else(|| format!("--sip {}: no address", plan.server))?;
        let any: SocketAddr =
            if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let say = |error: std::io::Error| format!("{remote}: {error}");
        let (wire, local, connection) = match plan.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(any).await.map_err(say)?;
                socket.connect(remote).await.map_err(say)?;
                let local = socket.local_addr().map_err(say)?;
                (Wire::Udp(socket), local, None)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(remote).await.map_err(say)?;
                let local = stream.local_addr().map_err(say)?;
                (Wire::Tcp { stream, framer: StreamFramer::new() }, local, Some(ConnectionId(1)))
            }
            other => return Err(format!("--transport {other}: allowed udp, tcp")),
        };
        let flow = Flow { transport: plan.transport, local, remote, connection };
        let (rtp, rtcp, port) = media_pair(local.ip())?;
        let mut media = MediaSockets { rtp, rtcp, scratch: Vec::with_capacity(2_048) };
        let mut rng = Rng::from_seed(crate::random::seed());
        let settings = Settings {
            user: plan.user.clone(),
            display_name: None,
            domain: plan.domain.clone().unwrap_or_else(|| remote.to_string()),
            password: plan.password.clone(),
            flow,
            media: (local.ip(), port),
            codecs: plan.codecs.clone(),
            register_s: match plan.role {
                Role::Agent { register_s, .. } => register_s,
                Role::Caller { .. } => 0,
            },
        };
        let grant = PortGrant { worker: 0, address: local.ip(), rtp: port };
        let session = Session::new(Clock.now(), grant, record_s(plan), rng.fork(), &mut media);
        let phone = Phone::new(settings, rng.fork());
        Ok(Line {
            phone,
            wire,
            flow,
            media,
            session,
            grant,
            rng,
            heard: Vec::new(),
            total: LegStatistics::default(),
            todo: Todo::default(),
        })
    }

    async fn run(&mut self, plan: &Plan) -> Result<(), String> {
        let now = Clock.now();
        match &plan.role {
            Role::Caller { number, .. } => {
                println!("dialling {number} at {}", self.flow.remote);
                self.phone.dial(now, number);
            }
            Role::Agent { .. } => {
                self.phone.register(now);
                self.todo.stop_at = plan.seconds.map(|s| now.mono + Duration::from_secs(s));
            }
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (mut rtp, mut rtcp) = (vec![0; 2_048], vec![0; 2_048]);
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(|error| error.to_string())?;
        let mut deadline = None;
        while deadline.is_none_or(|at| Clock.mono() < at) && !self.is_done() {
            self.flush().await?;
            tokio::select! {
                _ = tick.tick() => {
                    self.session.tick(Clock.now(), &mut self.media);
                    self.due(plan);
                }
                read = self.wire.read(&mut buffer) => self.read(read)?,
                Ok((length, from)) = self.media.rtp.recv_from(&mut rtp) => {
                    let now = Clock.mono();
                    self.session.receive(now, from, &rtp[..length], &mut self.media);
                }
                Ok((length, from)) = self.media.rtcp.recv_from(&mut rtcp) => {
                    self.session.receive_rtcp(Clock.mono(), from, &rtcp[..length]);
                }
                _ = tokio::signal::ctrl_c() => self.leave(),
                _ = terminate.recv() => self.leave(),
            }
            if Clock.mono() >= self.phone.deadline().unwrap_or(Mono(u64::MAX)) {
                self.phone.expire(Clock.now());
            }
            self.phone_events(plan);
            if self.todo.leaving && deadline.is_none() {
                deadline = Some(Clock.mono() + FAREWELL);
            }
        }
        self.flush().await?;
        self.finish(plan)
    }

    fn is_done(&self) -> bool {
        let quiet = self.phone.counts().clients == 0 && !self.phone.is_busy();
        self.todo.leaving && quiet && !self.phone.is_registered()
    }

    /// Hangs up, takes the registration back, and ends when that is answered.
    fn leave(&mut self) {
        if self.todo.leaving {
            return;
        }
        self.todo.leaving = true;
        let now = Clock.now();
        self.phone.hang_up(now);
        if self.phone.is_registered() {
            self.phone.unregister(now);
        }
    }

    fn due(&mut self, plan: &Plan) {
        let now = Clock.now();
        let is_due = |at: &mut Option<Mono>| match *at {
            Some(when) if when <= now.mono => {
                *at = None;
                true
            }
            _ => false,
        };
        if is_due(&mut self.todo.answer_at) {
            match plan.role {
                Role::Agent { reject: Some(status), .. } => self.phone.reject(now, status),
                _ => self.phone.answer(now),
            }
        }
        if is_due(&mut self.todo.hang_up_at) {
            self.phone.hang_up(now);
        }
        if is_due(&mut self.todo.digits_at) {
            let digits = std::mem::take(&mut self.todo.digits);
            let (first, rest) = digits.split_once(',').unwrap_or((&digits, ""));
            if !first.is_empty() {
                self.session.send_digits(now, first, &mut self.media);
            }
            if !rest.is_empty() {
                self.todo.digits = rest.into();
                let pause = Duration::from_millis(1_000 + 200 * first.len() as u64);
                self.todo.digits_at = Some(now.mono + pause);
            }
        }
        if is_due(&mut self.todo.stop_at) {
            self.leave();
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                hotline_media::command::Event::Digit { digit, .. } => {
                    println!("heard digit {digit}")
                }
                hotline_media::command::Event::SourceLearned { source, .. } => {
                    println!("hearing audio from {source}");
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, read: Result<Option<Bytes>, String>) -> Result<(), String> {
        match read {
            Ok(Some(bytes)) => {
                if let Ok(message) = Message::parse(bytes) {
                    self.phone.receive(Clock.now(), self.flow, message);
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                self.phone.transport_failed(Clock.now());
                if matches!(self.wire, Wire::Tcp { .. }) {
                    return Err(format!("{}: {error}", self.flow.remote));
                }
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> Result<(), String> {
        while let Some((_, bytes)) = self.phone.poll_transmit() {
            match &mut self.wire {
                // A refused datagram shows up as a read error; the transaction tries again.
                Wire::Udp(socket) => drop(socket.send(&bytes).await),
                Wire::Tcp { stream, .. } => stream
                    .write_all(&bytes)
                    .await
                    .map_err(|error| format!("{}: {error}", self.flow.remote))?,
            }
        }
        Ok(())
    }

    fn phone_events(&mut self, plan: &Plan) {
        while let Some(event) = self.phone.poll_event() {
            match event {
                Event::Registered(s) => println!("registered as {} for {s} s", plan.user),
                Event::RegistrationFailed(status, reason) => {
                    println!("not registered: {status} {reason}");
                    if (400..500).contains(&status) && status != 408 {
                        let text = format!("{} is not registered: {status} {reason}", plan.user);
                        self.todo.outcome = Some(Err(text));
                        self.leave();
                    }
                }
                Event::Unregistered => println!("unregistered"),
                Event::Ringing { from, answer_now } => self.ringing(plan, &from, answer_now),
                Event::Progress(status) => println!("{status}"),
                Event::Media(stream) => {
                    println!("audio: {} with {}", stream.codec.name(), stream.remote);
                    self.session.set_remote(Clock.now(), stream, &mut self.media);
                }
                Event::Up => self.up(plan),
                Event::Ended(why) => self.ended(plan, &why),
            }
        }
    }

    fn ringing(&mut self, plan: &Plan, from: &str, answer_now: bool) {
        println!("call from {from}");
        let now = Clock.now();
        self.phone.ring(now);
        if let Role::Agent { answer_after, .. } = plan.role {
            let wait = if answer_now { 0.0 } else { answer_after };
            self.todo.answer_at = Some(now.mono + Duration::from_secs_f64(wait));
        }
    }

    fn up(&mut self, plan: &Plan) {
        println!("answered");
        let now = Clock.now();
        // Read at the start already: it cannot fail here.
        match plan.play.as_deref().map(wav::source) {
            Some(Ok((samples, repeat))) => {
                self.session.play(now, &samples, repeat, &mut self.media);
            }
            _ => self.session.play_silence(now, &mut self.media),
        }
        match &plan.role {
            Role::Caller { dtmf, .. } => {
                self.todo.digits.clone_from(dtmf);
                self.todo.digits_at = (!dtmf.is_empty()).then(|| now.mono + Duration::from_secs(1));
                self.todo.stop_at = plan.seconds.map(|s| now.mono + Duration::from_secs(s));
            }
            Role::Agent { hang_up_after, .. } => {
                self.todo.hang_up_at = hang_up_after.map(|s| now.mono + Duration::from_secs_f64(s));
            }
        }
    }

    fn ended(&mut self, plan: &Plan, why: &Ended) {
        let cause = |cause: &Option<u16>| {
            cause.map(|cause| format!(" (Q.850 cause {cause})")).unwrap_or_default()
        };
        let (text, failed) = match why {
            Ended::Remote(q850) => (format!("the other side hung up{}", cause(q850)), false),
            Ended::Local => ("hung up".to_string(), false),
            Ended::Cancelled => ("the caller gave up".to_string(), false),
            Ended::Refused(status, reason, q850) => {
                (format!("refused: {status} {reason}{}", cause(q850)), true)
            }
            Ended::Unreachable => (format!("{} does not answer", self.flow.remote), true),
        };
        self.todo.answer_at = None;
        self.todo.hang_up_at = None;
        self.close_session(plan);
        match &plan.role {
            Role::Caller { .. } => {
                if failed && !self.todo.leaving {
                    self.todo.outcome = Some(Err(text));
                } else {
                    println!("{text}");
                }
                self.leave();
            }
            Role::Agent { calls, .. } => {
                println!("{text}");
                self.todo.calls += 1;
                if *calls > 0 && self.todo.calls >= *calls {
                    self.leave();
                }
            }
        }
    }

    /// Ends the media of one call and makes ready for the next.
    fn close_session(&mut self, plan: &Plan) {
        let now = Clock.now();
        self.heard.extend(self.session.take_recorded());
        let seen = self.session.close(now, &mut self.media);
        self.total.packets_received += seen.packets_received;
        self.total.packets_sent += seen.packets_sent;
        self.total.packets_lost += seen.packets_lost;
        self.total.longest_gap_ms = self.total.longest_gap_ms.max(seen.longest_gap_ms);
        self.session =
            Session::new(now, self.grant, record_s(plan), self.rng.fork(), &mut self.media);
    }

    fn finish(&mut self, plan: &Plan) -> Result<(), String> {
        self.close_session(plan);
        println!(
            "audio: {} packets heard, {} sent, {} lost, longest gap {} ms",
            self.total.packets_received,
            self.total.packets_sent,
            self.total.packets_lost,
            self.total.longest_gap_ms
        );
        if let Some(path) = &plan.record {
            wav::write(path, &self.heard)?;
            println!("recorded {:.1} s into {}", self.heard.len() as f64 / 8_000.0, path.display());
        }
        self.todo.outcome.take().unwrap_or(Ok(()))
    }
}

fn record_s(plan: &Plan) -> u32 {
    if plan.record.is_some() { wav::AUDIO_S_MAX } else { 0 }
}

impl Wire {
    /// The next message; none for a keep-alive or an incomplete one.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Bytes>, String> {
        match self {
            Wire::Udp(socket) => match socket.recv(buffer).await {
                Ok(length) => Ok(Some(Bytes::copy_from_slice(&buffer[..length]))),
                Err(error) => Err(error.to_string()),
            },
            Wire::Tcp { stream, framer } => loop {
                match framer.poll().map_err(|error| error.to_string())? {
                    Some(Frame::Message(bytes)) => return Ok(Some(bytes)),
                    Some(Frame::Ping) => {
                        stream.write_all(PONG).await.map_err(|error| error.to_string())?;
                    }
                    Some(Frame::Pong) => {}
                    None => {
                        let length =
                            stream.read(buffer).await.map_err(|error| error.to_string())?;
                        if length == 0 {
                            return Err("the connection was closed".into());
                        }
                        framer.push(&buffer[..length]);
                    }
                }
            },
        }
    }
}

/// Two neighbouring ports, RTP on the even one.
fn media_pair(address: IpAddr) -> Result<(UdpSocket, UdpSocket, u16), String> {
    let bind = |port| -> std::io::Result<UdpSocket> {
        let socket = StdUdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    for _ in 0..100 {
        let Ok(first) = bind(0) else { break };
        let Ok(port) = first.local_addr().map(|address| address.port()) else { break };
        let even = port & !1;
        let pair = if port == even {
            bind(even + 1).ok().map(|second| (first, second))
        } else {
            bind(even).ok().map(|second| (second, first))
        };
        if let Some((rtp, rtcp)) = pair {
            return Ok((rtp, rtcp, even));
        }
    }
    Err(format!("{address}: no two neighbouring ports are free"))
}
