//! [`Phone`]: a phone that does exactly what a test says, and nothing by itself.
//!
//! Owns: one address, messages in and out, digest, dialogs as far as a test needs them. Nothing is
//! retransmitted: the loopback network loses nothing. What the other side retransmits is put aside
//! ([`Phone::repeats`]), so that each message is seen once.

use crate::digest::{Answer, Challenge};
use crate::sip::{Message, parameter, sdp, uri_of};
use crate::{centre, s};
use std::collections::{HashSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a phone waits for what must come, unless a test says otherwise.
pub const SOON: Duration = s(5);
/// The shortest wait a socket can be told.
const TICK: Duration = Duration::from_millis(1);

/// A phone.
#[derive(Debug)]
pub struct Phone {
    /// Its user name or number.
    pub user: String,
    /// Its SIP domain.
    pub domain: String,
    /// Its password.
    pub password: String,
    /// Its address.
    pub local: SocketAddr,
    /// The server's.
    pub server: SocketAddr,
    /// Retransmissions received so far.
    pub repeats: Vec<(Instant, Message)>,
    wire: Wire,
    inbox: VecDeque<Message>,
    seen: HashSet<String>,
}

#[derive(Debug)]
enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, buffer: Vec<u8> },
}

/// One call of a phone.
#[derive(Clone, Debug)]
pub struct Call {
    /// The INVITE.
    pub invite: Message,
    /// Call-ID.
    pub id: String,
    /// The other side's audio address, once known.
    pub audio: Option<SocketAddr>,
    near: String,
    far: String,
    target: String,
    cseq: u32,
}

impl Phone {
    /// A phone over UDP at its own address, port 5060.
    pub fn udp(ip: IpAddr, server: SocketAddr, user: &str) -> Phone {
        Phone::udp_at(SocketAddr::new(ip, 5060), server, user)
    }

    /// The same at another port.
    pub fn udp_at(local: SocketAddr, server: SocketAddr, user: &str) -> Phone {
        let socket = UdpSocket::bind(local).unwrap_or_else(|error| panic!("{local}: {error}"));
        Phone::new(Wire::Udp(socket), local, server, user)
    }

    /// A phone over TCP.
    pub fn tcp(server: SocketAddr, user: &str) -> Phone {
        let stream = TcpStream::connect(server).expect("the server listens");
        let local = stream.local_addr().expect("a connection has addresses");
        Phone::new(Wire::Tcp { stream, buffer: Vec::new() }, local, server, user)
    }

    fn new(wire: Wire, local: SocketAddr, server: SocketAddr, user: &str) -> Phone {
        Phone {
            user: user.into(),
            domain: server.to_string(),
            password: centre::password(user),
            local,
            server,
            repeats: Vec::new(),
            wire,
            inbox: VecDeque::new(),
            seen: HashSet::new(),
        }
    }

    /// The same phone with an address-of-record in a domain.
    pub fn of(mut self, domain: &str) -> Phone {
        self.domain = domain.into();
        self
    }

    // ---- the wire

    /// Sends any bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.send_to(bytes, self.server).expect("a datagram can be sent");
            }
            Wire::Tcp { stream, .. } => stream.write_all(bytes).expect("the server reads"),
        }
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Message) {
        self.send_bytes(&message.to_bytes());
    }

    /// The next message that was not seen before; none if there is none within `limit`.
    pub fn receive(&mut self, limit: Duration) -> Option<Message> {
        if let Some(message) = self.inbox.pop_front() {
            return Some(message);
        }
        let end = Instant::now() + limit;
        loop {
            let bytes = self.read(end.saturating_duration_since(Instant::now()));
            match bytes.as_deref().and_then(Message::parse) {
                Some(message) if self.is_new(&message) => return Some(message),
                Some(message) => self.repeats.push((Instant::now(), message)),
                None if Instant::now() >= end => return None,
                None => {}
            }
        }
    }

    /// Whether a message is not a retransmission.
    fn is_new(&mut self, message: &Message) -> bool {
        let tag = parameter(message.header("To"), "tag");
        let first = message.start.split(' ').take(2).collect::<Vec<_>>().join(" ");
        self.seen.insert(format!("{first} {} {} {tag}", message.branch(), message.header("CSeq")))
    }

    fn read(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let limit = limit.max(TICK);
        match &mut self.wire {
            Wire::Udp(socket) => {
                let mut bytes = vec![0; 65_535];
                socket.set_read_timeout(Some(limit)).expect("a time-out");
                let (length, _) = socket.recv_from(&mut bytes).ok()?;
                bytes.truncate(length);
                Some(bytes)
            }
            Wire::Tcp { stream, buffer } => {
                if let Some(message) = first_message(buffer) {
                    return Some(message);
                }
                let mut bytes = [0; 65_535];
                stream.set_read_timeout(Some(limit)).expect("a time-out");
                match stream.read(&mut bytes) {
                    Ok(length) => buffer.extend_from_slice(&bytes[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return None,
                }
                first_message(buffer)
            }
        }
    }

    /// Forgets whatever has come up to now.
    pub fn forget(&mut self) {
        while self.receive(TICK).is_some() {}
    }

    /// The first message that fits, within `limit`; the others stay to be received.
    pub fn find(&mut self, limit: Duration, fits: impl Fn(&Message) -> bool) -> Option<Message> {
        let end = Instant::now() + limit;
        let mut others = VecDeque::new();
        let mut found = None;
        loop {
            match self.receive(end.saturating_duration_since(Instant::now())) {
                Some(message) if fits(&message) => {
                    found = Some(message);
                    break;
                }
                Some(message) => others.push_back(message),
                None => break,
            }
        }
        others.append(&mut self.inbox);
        self.inbox = others;
        found
    }

    /// The next request of a method.
    ///
    /// # Panics
    /// If it does not come in time.
    pub fn expect(&mut self, method: &str, limit: Duration) -> Message {
        let found = self.find(limit, |message| message.method() == Some(method));
        found.unwrap_or_else(|| {
            panic!("{}: no {method} within {limit:?}, but {:#?}", self.user, self.inbox)
        })
    }

    /// That no request of a method comes for so long.
    ///
    /// # Panics
    /// If one does.
    pub fn expect_no(&mut self, method: &str, time: Duration) {
        let found = self.find(time, |message| message.method() == Some(method));
        assert!(found.is_none(), "{}: unexpected {found:#?}", self.user);
    }

    /// The final response to a request, whatever it is.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn final_response(&mut self, request: &Message, limit: Duration) -> Message {
        let found = self.find(limit, |message| {
            message.status().is_some_and(|status| status >= 200) && answers(message, request)
        });
        found.unwrap_or_else(|| {
            panic!("{}: no answer to {} within {limit:?}", self.user, request.start)
        })
    }

    // ---- requests outside dialogs

    /// A new identifier.
    pub fn mint(&self) -> String {
        // One count for all phones of the program: a phone that takes the place of another would
        // repeat its branches, and its requests pass for retransmissions.
        static SERIAL: AtomicU32 = AtomicU32::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let (ip, port) = (self.local.ip(), self.local.port());
        format!("{}-{ip}-{port}-{serial}", self.user.trim_start_matches('+'))
    }

    fn via(&self) -> String {
        let transport = self.transport();
        let branch = self.mint();
        format!("SIP/2.0/{transport} {};branch=z9hG4bK-{branch};rport", self.local)
    }

    fn transport(&self) -> &'static str {
        match self.wire {
            Wire::Udp(_) => "UDP",
            Wire::Tcp { .. } => "TCP",
        }
    }

    /// Its Contact.
    pub fn contact(&self) -> String {
        let transport = self.transport().to_lowercase();
        format!("<sip:{}@{};transport={transport}>", self.user, self.local)
    }

    /// A request outside any dialog.
    pub fn request(&mut self, method: &str, uri: &str, to: &str) -> Message {
        let call_id = self.mint();
        let tag = self.mint();
        let from = format!("<sip:{}@{}>;tag={tag}", self.user, self.domain);
        let headers = [
            ("Via", self.via()),
            ("Max-Forwards", "70".into()),
            ("From", from),
            ("To", to.into()),
            ("Call-ID", call_id),
            ("CSeq", format!("1 {method}")),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Message { start: format!("{method} {uri} SIP/2.0"), headers, body: String::new() }
    }

    /// The same request once more, with the next CSeq, a branch of its own and an answer to the
    /// challenge.
    pub fn again(&mut self, request: &Message, challenge: &Challenge, count: u32) -> Message {
        let method = request.method().unwrap_or_default().to_owned();
        let uri = request.request_uri().to_owned();
        let answer = Answer {
            challenge,
            user: &self.user,
            password: &self.password,
            method: &method,
            uri: &uri,
            count,
        };
        let authorization = answer.header();
        let mut again = request.clone();
        again.headers.retain(|(name, _)| name != "Authorization");
        let via = self.via();
        let cseq = format!("{} {method}", request.cseq() + 1);
        for (name, value) in &mut again.headers {
            match name.as_str() {
                "Via" => value.clone_from(&via),
                "CSeq" => value.clone_from(&cseq),
                _ => {}
            }
        }
        again.headers.push(("Authorization".into(), authorization));
        again
    }

    /// Sends a request and, when it is challenged, the same with an answer; the last response.
    pub fn ask(&mut self, request: &Message) -> Message {
        self.send(request);
        let response = self.final_response(request, SOON);
        let challenge = Challenge::parse(response.header("WWW-Authenticate"));
        match (response.status(), challenge) {
            (Some(401), Some(challenge)) => {
                let again = self.again(request, &challenge, 1);
                self.send(&again);
                self.final_response(&again, SOON)
            }
            _ => response,
        }
    }

    /// OPTIONS to the server; the status.
    pub fn options(&mut self) -> u16 {
        let uri = format!("sip:{}", self.server);
        let request = self.request("OPTIONS", &uri, &format!("<{uri}>"));
        self.send(&request);
        self.final_response(&request, SOON).status().unwrap_or_default()
    }

    /// A REGISTER with these Contact values.
    pub fn registration(&mut self, contacts: &[String], expires: Option<u32>) -> Message {
        let aor = format!("<sip:{}@{}>", self.user, self.domain);
        let mut request = self.request("REGISTER", &format!("sip:{}", self.domain), &aor);
        let contacts = contacts.iter().map(|contact| ("Contact".to_owned(), contact.clone()));
        request.headers.extend(contacts);
        if let Some(expires) = expires {
            request.headers.push(("Expires".into(), expires.to_string()));
        }
        request
    }

    /// Registers for so many seconds; the final response.
    pub fn register_for(&mut self, expires: u32) -> Message {
        let contact = self.contact();
        let request = self.registration(&[contact], Some(expires));
        self.ask(&request)
    }

    /// Registers, as it must.
    ///
    /// # Panics
    /// If it is refused.
    pub fn registered(mut self) -> Phone {
        let response = self.register_for(600);
        assert_eq!(response.status(), Some(200), "REGISTER of {}: {response:#?}", self.user);
        self
    }

    // ---- calls of its own

    /// Dials a number, offering audio here.
    pub fn invite(&mut self, number: &str, audio: SocketAddr) -> Call {
        let invite = self.invitation(number, &sdp(audio, "sendrecv"));
        self.dial(invite)
    }

    /// An INVITE that is not sent yet.
    pub fn invitation(&mut self, number: &str, sdp: &str) -> Message {
        let uri = format!("sip:{number}@{}", self.server);
        let mut invite = self.request("INVITE", &uri, &format!("<{uri}>"));
        invite.headers.push(("Contact".into(), self.contact()));
        invite.headers.push(("Allow".into(), "INVITE, ACK, CANCEL, BYE, OPTIONS".into()));
        if !sdp.is_empty() {
            invite.headers.push(("Content-Type".into(), "application/sdp".into()));
            invite.body = sdp.into();
        }
        invite
    }

    /// Sends an INVITE.
    pub fn dial(&mut self, invite: Message) -> Call {
        self.send(&invite);
        Call {
            id: invite.header("Call-ID").into(),
            near: invite.header("From").into(),
            far: invite.header("To").into(),
            target: invite.request_uri().into(),
            cseq: invite.cseq(),
            audio: None,
            invite,
        }
    }

    /// The call is answered: 200, which is acknowledged.
    ///
    /// # Panics
    /// If it is not in time.
    pub fn answered(&mut self, call: &mut Call) -> Message {
        let response = self.answered_without_ack(call);
        self.ack(call);
        response
    }

    /// The call is answered, and the 200 is not acknowledged.
    ///
    /// # Panics
    /// If it is not answered in time.
    pub fn answered_without_ack(&mut self, call: &mut Call) -> Message {
        let response = self.final_response(&call.invite, SOON);
        assert_eq!(response.status(), Some(200), "{response:#?}");
        call.far = response.header("To").into();
        call.target = uri_of(response.header("Contact")).into();
        call.audio = response.audio();
        response
    }

    /// Acknowledges a 200.
    pub fn ack(&mut self, call: &Call) {
        let ack = self.in_dialog(call, "ACK", call.invite.cseq());
        self.send(&ack);
    }

    /// The call is refused: the final response, which is acknowledged.
    ///
    /// # Panics
    /// If it is answered, or not refused in time.
    pub fn refused(&mut self, call: &Call, limit: Duration) -> Message {
        let response = self.final_response(&call.invite, limit);
        assert!(response.status() >= Some(300), "{response:#?}");
        let mut ack = call.invite.clone();
        ack.start = format!("ACK {} SIP/2.0", call.invite.request_uri());
        ack.headers.retain(|(name, _)| {
            ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"].contains(&name.as_str())
        });
        for (name, value) in &mut ack.headers {
            match name.as_str() {
                "To" => *value = response.header("To").into(),
                "CSeq" => *value = format!("{} ACK", call.invite.cseq()),
                _ => {}
            }
        }
        ack.body.clear();
        self.send(&ack);
        response
    }

    /// Gives up a call that is not answered. Its 200 and 487 are still to come.
    pub fn cancel(&mut self, call: &Call) {
        let mut cancel = call.invite.clone();
        cancel.start = format!("CANCEL {} SIP/2.0", call.invite.request_uri());
        cancel.headers.retain(|(name, _)| {
            ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"].contains(&name.as_str())
        });
        for (name, value) in &mut cancel.headers {
            if name == "CSeq" {
                *value = format!("{} CANCEL", call.invite.cseq());
            }
        }
        cancel.body.clear();
        self.send(&cancel);
    }

    // ---- calls to it

    /// A call comes in; nothing is answered yet.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn incoming(&mut self, limit: Duration) -> Call {
        let invite = self.expect("INVITE", limit);
        let tag = self.mint();
        Call {
            id: invite.header("Call-ID").into(),
            near: format!("{};tag={tag}", invite.header("To")),
            far: invite.header("From").into(),
            target: uri_of(invite.header("Contact")).into(),
            cseq: 0,
            audio: invite.audio(),
            invite,
        }
    }

    /// A call comes in and rings.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn ringing(&mut self, limit: Duration) -> Call {
        let call = self.incoming(limit);
        self.respond(&call, &call.invite.clone(), "180 Ringing", "");
        call
    }

    /// Answers a request of a call; `sdp` may be empty.
    pub fn respond(&mut self, call: &Call, request: &Message, status: &str, sdp: &str) {
        let copied = ["Via", "Record-Route", "From", "Call-ID", "CSeq"];
        let mut headers: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, _)| copied.contains(&name.as_str()))
            .cloned()
            .collect();
        let to = match request.header("To") {
            to if to.contains("tag=") => to.to_owned(),
            _ => call.near.clone(),
        };
        headers.push(("To".into(), to));
        headers.push(("Contact".into(), self.contact()));
        if !sdp.is_empty() {
            headers.push(("Content-Type".into(), "application/sdp".into()));
        }
        let start = format!("SIP/2.0 {status}");
        self.send(&Message { start, headers, body: sdp.into() });
    }

    /// Rejects a call, and waits for the ACK.
    ///
    /// # Panics
    /// If the ACK does not come.
    pub fn reject(&mut self, call: &Call, status: &str) {
        self.respond(call, &call.invite.clone(), status, "");
        self.expect("ACK", SOON);
    }

    /// Answers a call with 200, and waits for the ACK.
    ///
    /// # Panics
    /// If the ACK does not come.
    pub fn answer(&mut self, call: &Call, audio: SocketAddr) {
        self.answer_without_waiting(call, audio);
        self.expect("ACK", SOON);
    }

    /// Answers a call with 200.
    pub fn answer_without_waiting(&mut self, call: &Call, audio: SocketAddr) {
        self.respond(call, &call.invite.clone(), "200 OK", &sdp(audio, "sendrecv"));
    }

    /// The caller of a ringing call has gone: CANCEL is answered with 200, the INVITE with 487.
    ///
    /// # Panics
    /// If CANCEL or ACK do not come.
    pub fn cancelled(&mut self, call: &Call, limit: Duration) -> Message {
        let cancel = self.expect("CANCEL", limit);
        self.respond(call, &cancel, "200 OK", "");
        self.respond(call, &call.invite.clone(), "487 Request Terminated", "");
        self.expect("ACK", SOON);
        cancel
    }

    // ---- in a dialog

    fn in_dialog(&mut self, call: &Call, method: &str, cseq: u32) -> Message {
        let headers = [
            ("Via", self.via()),
            ("Max-Forwards", "70".into()),
            ("From", call.near.clone()),
            ("To", call.far.clone()),
            ("Call-ID", call.id.clone()),
            ("CSeq", format!("{cseq} {method}")),
            ("Contact", self.contact()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Message { start: format!("{method} {} SIP/2.0", call.target), headers, body: String::new() }
    }

    /// A re-INVITE with this SDP; its 200, which is acknowledged.
    ///
    /// # Panics
    /// If it is refused.
    pub fn reinvite(&mut self, call: &mut Call, sdp: &str) -> Message {
        call.cseq += 1;
        let mut invite = self.in_dialog(call, "INVITE", call.cseq);
        invite.headers.push(("Content-Type".into(), "application/sdp".into()));
        invite.body = sdp.into();
        self.send(&invite);
        let response = self.final_response(&invite, SOON);
        assert_eq!(response.status(), Some(200), "{response:#?}");
        let ack = self.in_dialog(call, "ACK", call.cseq);
        self.send(&ack);
        response
    }

    /// Tells of a key by INFO; the status of the answer.
    pub fn info(&mut self, call: &mut Call, content_type: &str, body: &str) -> u16 {
        call.cseq += 1;
        let mut info = self.in_dialog(call, "INFO", call.cseq);
        info.headers.push(("Content-Type".into(), content_type.into()));
        info.body = body.into();
        self.send(&info);
        self.final_response(&info, SOON).status().unwrap_or_default()
    }

    /// Hangs up; the status of the answer.
    pub fn hang_up(&mut self, call: &mut Call) -> u16 {
        call.cseq += 1;
        let bye = self.in_dialog(call, "BYE", call.cseq);
        self.send(&bye);
        self.final_response(&bye, SOON).status().unwrap_or_default()
    }

    /// The other side hangs up; its BYE, which is answered.
    ///
    /// # Panics
    /// If it does not in time.
    pub fn hung_up(&mut self, call: &Call, limit: Duration) -> Message {
        let found = self.find(limit, |message| {
            message.method() == Some("BYE") && message.header("Call-ID") == call.id
        });
        let bye = found.unwrap_or_else(|| panic!("{}: no BYE within {limit:?}", self.user));
        self.respond(call, &bye, "200 OK", "");
        bye
    }
}

fn answers(response: &Message, request: &Message) -> bool {
    response.branch() == request.branch() && response.header("CSeq") == request.header("CSeq")
}

/// Takes the first whole message out of a stream.
fn first_message(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    if head == 4 {
        buffer.drain(..4); // a keep-alive
        return None;
    }
    let message = Message::parse(&buffer[..head])?;
    let length = message.header("Content-Length").parse::<usize>().unwrap_or(0);
    (buffer.len() >= head + length).then(|| buffer.drain(..head + length).collect())
}
