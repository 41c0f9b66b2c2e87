//! Customers who call over the loopback trunk, and agents who answer and hang up.
//!
//! Owns: both sides' dialogs, driven by one loop over two sockets. Does not own: the rate and
//! number of calls (a row's), the audio's packets ([`super::audio`], [`super::keypads`]).
//!
//! ```text
//! customer                 server                 agent
//!    INVITE ────────────────→
//!    ←──────────────────── 200                              the wait tone
//!    ACK ───────────────────→
//!                              INVITE ────────────────→
//!                              ←──────────────────── 180    ring
//!                              ←──────────────────── 200
//!                              ACK ───────────────────→     talk
//!                              ←──────────────────── BYE
//!    ←──────────────────── BYE 200 ───────────────────→
//!    200 ───────────────────→
//! ```

use super::registrations::Registrations;
use super::wire::{self, Side};
use crate::server::v4;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::HeaderName;
use hotline_sip::{Message, Method};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

const CUSTOMERS: Token = Token(0);
const AGENTS: Token = Token(1);
/// Registrations at a time before a row begins.
const REGISTER_WINDOW: usize = 16;
/// Longest sleep of the loop.
const STEP_MAX: Duration = Duration::from_millis(20);

/// What phones say and hear: a socket each.
pub trait Sound {
    /// The RTP port of a phone.
    fn port(&self, phone: usize) -> u16;
    /// Where everybody's RTCP goes.
    fn rtcp_port(&self) -> u16;
    /// Lets a phone send to an address.
    fn talk(&self, phone: usize, to: SocketAddrV4);
    /// Silences a phone.
    fn hush(&self, phone: usize);
}

/// What agents do with a call.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// How long their phone rings; zero: 200 at once, without 180.
    pub ring: Duration,
    /// When they hang up after the ACK; `None`: never.
    pub talk: Option<Duration>,
}

/// What happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// INVITEs of customers.
    pub placed: u64,
    /// 200s to them.
    pub admitted: u64,
    /// Offers to agents.
    pub offered: u64,
    /// ACKs of agents' 200s.
    pub connected: u64,
    /// Agents' BYEs that were answered.
    pub agents_done: u64,
    /// BYEs that customers were sent.
    pub customers_done: u64,
    /// INVITEs that were refused, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Offers taken back.
    pub cancelled: u64,
    /// Requests heard again: an answer was late or lost.
    pub repeated: u64,
    /// Datagrams both sides sent and heard.
    pub datagrams: u64,
}

impl Tally {
    /// Calls of which at least one side has not ended.
    pub fn open(&self) -> u64 {
        let ended = self.customers_done.min(self.agents_done);
        self.placed - ended - self.refused.values().sum::<u64>()
    }
}

/// Both sides of the calls.
pub struct Phones<S> {
    server: SocketAddrV4,
    manners: Manners,
    poll: Poll,
    customers: Line,
    agents: Line,
    audio: Option<S>,
    /// Phones of `audio` that nobody uses.
    idle: Vec<usize>,
    /// RTP and RTCP ports of those without audio.
    deaf: std::net::UdpSocket,
    calls: HashMap<u64, Customer>,
    legs: HashMap<String, Leg>,
    timers: BinaryHeap<Reverse<(Instant, String)>>,
    dialled: &'static str,
    next_call: u64,
    /// What happened.
    pub tally: Tally,
}

struct Line {
    socket: UdpSocket,
    own: SocketAddrV4,
}

struct Customer {
    phone: Option<usize>,
    /// Once admitted.
    side: Option<Side>,
}

struct Leg {
    invite: Message,
    phone: Option<usize>,
    tag: String,
    state: LegState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LegState {
    Ringing,
    /// 200 is sent, ACK awaited.
    Answered,
    Talking,
    /// BYE is sent.
    HangingUp,
}

impl<S: Sound> Phones<S> {
    /// Registers so many agents and opens the customers' line. With audio there are `phones`
    /// sockets for both sides together.
    pub fn new(
        server: SocketAddrV4,
        agents: usize,
        dialled: &'static str,
        manners: Manners,
        audio: Option<S>,
        phones: usize,
    ) -> Result<Phones<S>, String> {
        let text = |error: std::io::Error| error.to_string();
        let bind = || std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text);
        let (agents_socket, customers) = (bind()?, bind()?);
        Registrations::new(&agents_socket, server, agents)?.all(REGISTER_WINDOW)?;
        let poll = Poll::new().map_err(text)?;
        let line = |socket: std::net::UdpSocket, token| {
            socket.set_nonblocking(true).map_err(text)?;
            let own = v4(socket.local_addr().map_err(text)?)?;
            let mut socket = UdpSocket::from_std(socket);
            poll.registry().register(&mut socket, token, Interest::READABLE).map_err(text)?;
            Ok::<_, String>(Line { socket, own })
        };
        let (customers, agents) = (line(customers, CUSTOMERS)?, line(agents_socket, AGENTS)?);
        let idle = if audio.is_some() { (0..phones).rev().collect() } else { Vec::new() };
        Ok(Phones {
            server,
            manners,
            poll,
            customers,
            agents,
            audio,
            idle,
            deaf: bind()?,
            calls: HashMap::new(),
            legs: HashMap::new(),
            timers: BinaryHeap::new(),
            dialled,
            next_call: 0,
            tally: Tally::default(),
        })
    }

    /// The audio of both sides.
    pub fn audio(&self) -> Result<&S, String> {
        self.audio.as_ref().ok_or("these phones have no audio".into())
    }

    /// The same, to be driven by the row.
    pub fn audio_mut(&mut self) -> Result<&mut S, String> {
        self.audio.as_mut().ok_or("these phones have no audio".into())
    }

    /// Places calls at a rate until `enough(placed)`, then waits until `settled`; gives up when
    /// nothing happens for `patience`. The tally says what is missing then.
    pub fn place(
        &mut self,
        rate: f64,
        patience: Duration,
        enough: &mut dyn FnMut(u64) -> bool,
        settled: &mut dyn FnMut(&Tally) -> bool,
    ) -> Result<(), String> {
        let began = Instant::now();
        let mut placed = 0u64;
        let mut more = true;
        let (mut last, mut seen) = (began, self.tally.datagrams);
        while more || !settled(&self.tally) {
            let due = (began.elapsed().as_secs_f64() * rate) as u64;
            while more && placed < due {
                more = !enough(placed);
                if more {
                    self.call()?;
                    placed += 1;
                }
            }
            self.step(if more { Duration::from_millis(1) } else { STEP_MAX })?;
            if self.tally.datagrams != seen {
                (last, seen) = (Instant::now(), self.tally.datagrams);
            } else if last.elapsed() > patience {
                break;
            }
        }
        Ok(())
    }

    /// One call of a customer.
    fn call(&mut self) -> Result<(), String> {
        let call = self.next_call;
        self.next_call += 1;
        let phone = self.idle.pop();
        let body = self.body(phone)?;
        let text = wire::invite(self.customers.own, self.server, self.dialled, call, &body);
        self.calls.insert(call, Customer { phone, side: None });
        self.tally.placed += 1;
        self.send(CUSTOMERS, text.as_bytes())
    }

    /// Hears what came, does what is due; sleeps at most `most`.
    fn step(&mut self, most: Duration) -> Result<(), String> {
        let mut events = Events::with_capacity(4);
        match self.poll.poll(&mut events, Some(most)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        let mut buffer = [0; wire::DATAGRAM_BYTES];
        for event in &events {
            loop {
                let line = if event.token() == CUSTOMERS { &self.customers } else { &self.agents };
                match line.socket.recv(&mut buffer) {
                    Ok(length) => {
                        self.tally.datagrams += 1;
                        if let Some(message) = wire::parse(&buffer[..length]) {
                            self.heard(event.token(), &message)?;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
        }
        while let Some(Reverse((at, _))) = self.timers.peek()
            && *at <= Instant::now()
        {
            if let Some(Reverse((_, call_id))) = self.timers.pop() {
                self.due(&call_id)?;
            }
        }
        Ok(())
    }

    fn heard(&mut self, line: Token, message: &Message) -> Result<(), String> {
        let Some(method) = message.method() else {
            return match line {
                CUSTOMERS => self.customer_answered(message),
                _ => self.agent_answered(message),
            };
        };
        match (line, method) {
            (AGENTS, Method::Invite) => self.offered(message),
            (AGENTS, Method::Ack) => self.acknowledged(message),
            (AGENTS, Method::Cancel) => self.taken_back(message),
            (_, Method::Ack) => Ok(()),
            (CUSTOMERS, Method::Bye) => {
                let ended = wire::call_of(message).and_then(|call| self.calls.remove(&call));
                match ended {
                    Some(customer) => {
                        self.tally.customers_done += 1;
                        self.lay_down(customer.phone);
                    }
                    None => self.tally.repeated += 1,
                }
                self.answer(line, message, 200, "", None)
            }
            (_, Method::Bye) => {
                // The server ends the call first: the agent's side is over too.
                if let Some(leg) = self.legs.remove(&wire::text(message, HeaderName::CallId)) {
                    self.tally.agents_done += 1;
                    self.lay_down(leg.phone);
                }
                self.answer(line, message, 200, "", None)
            }
            _ => self.answer(line, message, 200, "", None),
        }
    }

    fn customer_answered(&mut self, response: &Message) -> Result<(), String> {
        let (Some(status), Some(call)) = (response.status(), wire::call_of(response)) else {
            return Ok(());
        };
        let of_invite = response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if status < 200 || !of_invite {
            return Ok(());
        }
        let (own, server) = (self.customers.own, self.server);
        if status >= 300 {
            let to = wire::text(response, HeaderName::To);
            let ack = wire::ack_failure(own, server, self.dialled, call, &to);
            if let Some(customer) = self.calls.remove(&call) {
                *self.tally.refused.entry(status).or_default() += 1;
                self.lay_down(customer.phone);
            }
            return self.send(CUSTOMERS, ack.as_bytes());
        }
        let side = Side {
            own,
            target: wire::contact_uri(response).ok_or("a 200 without Contact")?,
            from: wire::text(response, HeaderName::From),
            to: wire::text(response, HeaderName::To),
            call_id: wire::text(response, HeaderName::CallId),
        };
        let ack = side.request("ACK", 1, &format!("k{call}"));
        match self.calls.get_mut(&call) {
            Some(customer) if customer.side.is_none() => {
                customer.side = Some(side);
                let phone = customer.phone;
                self.tally.admitted += 1;
                self.talk(phone, response);
            }
            _ => self.tally.repeated += 1,
        }
        self.send(CUSTOMERS, ack.as_bytes())
    }

    fn offered(&mut self, invite: &Message) -> Result<(), String> {
        let call_id = wire::text(invite, HeaderName::CallId);
        if let Some(leg) = self.legs.get(&call_id) {
            // A re-INVITE is answered as the first was; so is one heard again.
            self.tally.repeated += 1;
            let (tag, phone, state) = (leg.tag.clone(), leg.phone, leg.state);
            let ringing = state == LegState::Ringing;
            let body = if ringing { None } else { Some(self.body(phone)?) };
            return self.answer(AGENTS, invite, if ringing { 180 } else { 200 }, &tag, body);
        }
        self.tally.offered += 1;
        let phone = self.idle.pop();
        let tag = format!("a{}", self.tally.offered);
        let leg = Leg { invite: invite.clone(), phone, tag: tag.clone(), state: LegState::Ringing };
        self.legs.insert(call_id.clone(), leg);
        if self.manners.ring.is_zero() {
            return self.pick_up(&call_id);
        }
        self.timers.push(Reverse((Instant::now() + self.manners.ring, call_id)));
        self.answer(AGENTS, invite, 180, &tag, None)
    }

    fn pick_up(&mut self, call_id: &str) -> Result<(), String> {
        let Some(leg) = self.legs.get_mut(call_id) else { return Ok(()) };
        leg.state = LegState::Answered;
        let (invite, tag, phone) = (leg.invite.clone(), leg.tag.clone(), leg.phone);
        self.talk(phone, &invite);
        let body = self.body(phone)?;
        self.answer(AGENTS, &invite, 200, &tag, Some(body))
    }

    fn acknowledged(&mut self, ack: &Message) -> Result<(), String> {
        let call_id = wire::text(ack, HeaderName::CallId);
        let Some(leg) = self.legs.get_mut(&call_id) else { return Ok(()) };
        if leg.state != LegState::Answered {
            return Ok(());
        }
        leg.state = LegState::Talking;
        self.tally.connected += 1;
        match self.manners.talk {
            None => Ok(()),
            Some(Duration::ZERO) => self.hang_up(&call_id),
            Some(talk) => {
                self.timers.push(Reverse((Instant::now() + talk, call_id)));
                Ok(())
            }
        }
    }

    fn hang_up(&mut self, call_id: &str) -> Result<(), String> {
        let Some(leg) = self.legs.get_mut(call_id) else { return Ok(()) };
        leg.state = LegState::HangingUp;
        let side = Side {
            own: self.agents.own,
            target: wire::contact_uri(&leg.invite).ok_or("an INVITE without Contact")?,
            from: format!("{};tag={}", wire::text(&leg.invite, HeaderName::To), leg.tag),
            to: wire::text(&leg.invite, HeaderName::From),
            call_id: call_id.to_owned(),
        };
        let (phone, bye) = (leg.phone, side.request("BYE", 1, &format!("b{}", leg.tag)));
        self.hush(phone);
        self.send(AGENTS, bye.as_bytes())
    }

    fn agent_answered(&mut self, response: &Message) -> Result<(), String> {
        let bye = response.cseq().is_ok_and(|cseq| cseq.method == Method::Bye);
        if !bye || response.status().is_none_or(|status| status < 200) {
            return Ok(());
        }
        if let Some(leg) = self.legs.remove(&wire::text(response, HeaderName::CallId)) {
            self.tally.agents_done += 1;
            self.lay_down(leg.phone);
        }
        Ok(())
    }

    fn taken_back(&mut self, cancel: &Message) -> Result<(), String> {
        self.answer(AGENTS, cancel, 200, "", None)?;
        let call_id = wire::text(cancel, HeaderName::CallId);
        if self.legs.get(&call_id).is_none_or(|leg| leg.state != LegState::Ringing) {
            return Ok(());
        }
        let Some(leg) = self.legs.remove(&call_id) else { return Ok(()) };
        self.tally.cancelled += 1;
        self.lay_down(leg.phone);
        self.answer(AGENTS, &leg.invite, 487, &leg.tag, None)
    }

    /// A timer of an agent's leg: it has rung or talked long enough.
    fn due(&mut self, call_id: &str) -> Result<(), String> {
        match self.legs.get(call_id).map(|leg| leg.state) {
            Some(LegState::Ringing) => self.pick_up(call_id),
            Some(LegState::Talking) => self.hang_up(call_id),
            Some(LegState::Answered | LegState::HangingUp) | None => Ok(()),
        }
    }

    fn answer(
        &mut self,
        line: Token,
        request: &Message,
        status: u16,
        tag: &str,
        body: Option<String>,
    ) -> Result<(), String> {
        let own = if line == CUSTOMERS { self.customers.own } else { self.agents.own };
        let mut response = ResponseBuilder::new(request, status).source(self.server.into());
        // A CANCEL and what is within a dialog need no tag of this leg.
        response = response.to_tag(if tag.is_empty() { "b" } else { tag });
        if request.is(&Method::Invite) {
            response = response.header(HeaderName::Contact, format!("<sip:bench@{own}>"));
        }
        if let Some(body) = body {
            response = response.body("application/sdp", body);
        }
        let bytes = response.finish().map_err(|error| format!("a response: {error}"))?;
        self.send(line, &bytes)
    }

    fn send(&mut self, line: Token, bytes: &[u8]) -> Result<(), String> {
        let socket = if line == CUSTOMERS { &self.customers.socket } else { &self.agents.socket };
        self.tally.datagrams += 1;
        match socket.send_to(bytes, self.server.into()) {
            // What the kernel does not take is lost, and the tally will show it.
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(format!("sending to {}: {error}", self.server)),
        }
    }

    fn body(&self, phone: Option<usize>) -> Result<String, String> {
        match (phone, &self.audio) {
            (Some(phone), Some(audio)) => Ok(wire::sdp(audio.port(phone), audio.rtcp_port())),
            (None, Some(_)) => Err("more phones are in use than there are sockets".into()),
            (_, None) => {
                let port = self.deaf.local_addr().map_err(|error| error.to_string())?.port();
                Ok(wire::sdp(port, port))
            }
        }
    }

    /// Lets a phone talk to where a message's session description wants it.
    fn talk(&self, phone: Option<usize>, message: &Message) {
        if let (Some(phone), Some(audio), Some(to)) =
            (phone, &self.audio, wire::audio_address(message.body()))
        {
            audio.talk(phone, to);
        }
    }

    fn hush(&self, phone: Option<usize>) {
        if let (Some(phone), Some(audio)) = (phone, &self.audio) {
            audio.hush(phone);
        }
    }

    fn lay_down(&mut self, phone: Option<usize>) {
        self.hush(phone);
        self.idle.extend(phone);
    }
}
