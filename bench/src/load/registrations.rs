//! Registrations: REGISTER, 401, REGISTER with digest, 200, so many users at a time.

use super::wire;
use crate::centre;
use hotline_sip::Message;
use hotline_sip::digest::{Challenge, answer};
use hotline_sip::header::HeaderName;
use std::io::ErrorKind;
use std::net::{SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

/// A server keeps each answer for 32 s (RFC 3261 timer J): more than 2,500 registrations a second
/// for long would measure how it refuses them.
const INTERVAL: Duration = Duration::from_micros(400);

/// Nothing heard for so long means that what is under way is lost.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long bindings last, in seconds: longer than any row.
const EXPIRES_S: u32 = 7_200;

/// The softphones of agents 0…, behind one socket.
pub struct Registrations<'s> {
    socket: &'s UdpSocket,
    own: SocketAddrV4,
    server: SocketAddrV4,
    users: Vec<User>,
    next: usize,
    under_way: usize,
    /// 200s heard.
    pub done: u64,
    /// What was heard instead, and how often.
    pub refused: Vec<(u16, u64)>,
    /// Challenges that said only the nonce was old.
    pub stale: u64,
}

#[derive(Clone, Default)]
struct User {
    cseq: u32,
    under_way: bool,
    answered: bool,
}

impl<'s> Registrations<'s> {
    /// Softphones of so many agents.
    pub fn new(socket: &'s UdpSocket, server: SocketAddrV4, users: usize) -> Result<Self, String> {
        let own = socket.local_addr().map_err(|error| error.to_string())?;
        socket.set_read_timeout(Some(SILENCE_MAX)).map_err(|error| error.to_string())?;
        let users = vec![User::default(); users];
        let own = crate::server::v4(own)?;
        let refused = Vec::new();
        Ok(Registrations {
            socket,
            own,
            server,
            users,
            next: 0,
            under_way: 0,
            done: 0,
            refused,
            stale: 0,
        })
    }

    /// Registers one after the other, `window` at a time, until `enough(done)`; waits for those
    /// under way. Gives how many were lost.
    pub fn run(
        &mut self,
        window: usize,
        enough: &mut dyn FnMut(u64) -> bool,
    ) -> Result<u64, String> {
        let window = window.min(self.users.len());
        let mut more = true;
        let mut buffer = [0; wire::DATAGRAM_BYTES];
        let (began, mut begun) = (Instant::now(), 0u32);
        loop {
            while more && self.under_way < window {
                let due = began + begun * INTERVAL;
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    if self.under_way > 0 {
                        break;
                    }
                    std::thread::sleep(early);
                }
                more = !enough(self.done);
                if more {
                    self.begin()?;
                    begun += 1;
                }
            }
            if self.under_way == 0 {
                return Ok(0);
            }
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(message) = wire::parse(&buffer[..length]) {
                        self.heard(&message)?;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(self.under_way as u64);
                }
                Err(error) => return Err(format!("registering: {error}")),
            }
        }
    }

    /// Registers each once.
    pub fn all(&mut self, window: usize) -> Result<(), String> {
        let wanted = self.users.len() as u64;
        let mut begun = 0;
        let lost = self.run(window, &mut |_| {
            begun += 1;
            begun > wanted
        })?;
        match (lost, self.done == wanted) {
            (0, true) => Ok(()),
            _ => Err(format!("registered {} of {wanted}; refused: {:?}", self.done, self.refused)),
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        // There are at least as many users as may be under way.
        while self.users[self.next].under_way {
            self.next = (self.next + 1) % self.users.len();
        }
        let user = self.next;
        self.next = (self.next + 1) % self.users.len();
        self.users[user].under_way = true;
        self.users[user].answered = false;
        self.under_way += 1;
        self.send(user, None)
    }

    fn send(&mut self, user: usize, challenge: Option<&Challenge>) -> Result<(), String> {
        self.users[user].cseq += 1;
        let (own, server, cseq) = (self.own, self.server, self.users[user].cseq);
        let number = centre::number(user);
        let uri = format!("sip:{server}");
        let credentials = challenge.map_or(String::new(), |challenge| {
            let password = centre::password(user);
            let cnonce = format!("{user:x}.{cseq:x}");
            let value = answer(challenge, "REGISTER", &uri, &number, &password, &cnonce, 1);
            format!("Authorization: {value}\r\n")
        });
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bKr{user}.{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{number}@{server}>;tag=r{user}\r\n\
             To: <sip:{number}@{server}>\r\nCall-ID: {user}@bench\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{number}@{own}>\r\nExpires: {EXPIRES_S}\r\nUser-Agent: hotline-bench\r\n\
             {credentials}Content-Length: 0\r\n\r\n"
        );
        let sent = self.socket.send_to(text.as_bytes(), server);
        sent.map(drop).map_err(|error| format!("registering: {error}"))
    }

    fn heard(&mut self, message: &Message) -> Result<(), String> {
        let Some(status) = message.status().filter(|status| *status >= 200) else { return Ok(()) };
        let user = wire::call_of(message).and_then(|user| usize::try_from(user).ok());
        let Some(user) = user.filter(|user| *user < self.users.len()) else { return Ok(()) };
        let current = message.cseq().is_ok_and(|cseq| cseq.number == self.users[user].cseq);
        if !current || !self.users[user].under_way {
            return Ok(());
        }
        let challenge = (status == 401)
            .then(|| Challenge::choose(message.headers(HeaderName::WwwAuthenticate)));
        if let Some(Some(challenge)) = challenge
            && (!self.users[user].answered || challenge.stale)
        {
            self.stale += u64::from(self.users[user].answered);
            self.users[user].answered = true;
            return self.send(user, Some(&challenge));
        }
        self.users[user].under_way = false;
        self.under_way -= 1;
        if status == 200 {
            self.done += 1;
        } else {
            match self.refused.iter_mut().find(|(known, _)| *known == status) {
                Some((_, count)) => *count += 1,
                None => self.refused.push((status, 1)),
            }
        }
        Ok(())
    }
}
