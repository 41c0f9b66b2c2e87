//! A telephone on our own stack, sans-IO: the command line's `dial` and `agent`, and the peers of
//! the simulator.
//!
//! Owns: one registration and one call at a time, with digest, offer/answer, hold answered. Does
//! not own: sockets and the clock ([`run`]), the packets of media (`hotline_media::session`); it
//! says with [`Event::Media`] what the media is to do.
//!
//! ```text
//! idle ─dial→ calling ─2xx→ up ─BYE→ idle          calling ─failure→ idle
//! idle ─INVITE→ ringing ─answer→ up                ringing ─CANCEL→ idle
//! ```
//! RFC 3261, RFC 3264, RFC 7616.

mod call;
pub mod run;
mod wav;

use call::Call;
use hotline_base::{Epoch, Mono, Now, Partition, Redacted, Rng};
use hotline_media::command::{Codec, StreamParameters};
use hotline_sip::Method;
use hotline_sip::build::{RequestBuilder, ResponseBuilder};
use hotline_sip::digest::{self, Challenge};
use hotline_sip::endpoint::{self, ClientId, Endpoint, EndpointConfig, ServerId};
use hotline_sip::flow::Flow;
use hotline_sip::header::{HeaderName, NameAddr};
use hotline_sip::mark::Mark;
use hotline_sip::message::Message;
use hotline_sip::uri::Uri;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// Tags and branches of phones carry a partition no tenant has.
const MARK: Mark = Mark { partition: Partition(u32::MAX), epoch: Epoch(0) };
/// A registration is renewed when this part of it is over.
const RENEW_AT: f64 = 0.8;
/// How long after a failed registration it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often a request is sent with credentials while the server calls the nonce stale.
const TRIES_MAX: u8 = 3;

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// User part of its address-of-record, and digest user name.
    pub user: String,
    /// Display name in From.
    pub display_name: Option<String>,
    /// Domain of its address-of-record: host, or host:port.
    pub domain: String,
    /// Password, if it has one.
    pub password: Option<Redacted<String>>,
    /// The path to its server.
    pub flow: Flow,
    /// Where its media is: address and RTP port, as put into SDP.
    pub media: (IpAddr, u16),
    /// Codecs, best first.
    pub codecs: Vec<Codec>,
    /// Registration time to ask for, in s.
    pub register_s: u32,
}

/// What a phone reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It is registered for so many seconds.
    Registered(u32),
    /// Its registration failed: status and reason phrase.
    RegistrationFailed(u16, String),
    /// It is unregistered.
    Unregistered,
    /// It rings: who calls, as its display shows.
    Ringing {
        /// Display name or user of From.
        from: String,
        /// Whether the caller asks it to answer by itself.
        answer_now: bool,
    },
    /// The call it placed makes progress.
    Progress(u16),
    /// Media is to begin or change.
    Media(StreamParameters),
    /// The call is up.
    Up,
    /// The call is over.
    Ended(Ended),
}

/// Why a call is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side hung up; the Q.850 cause of its Reason, if it gave one.
    Remote(Option<u16>),
    /// We hung up.
    Local,
    /// The call was refused: status, phrase, Q.850 cause.
    Refused(u16, String, Option<u16>),
    /// The caller gave up while we rang.
    Cancelled,
    /// The server does not answer.
    Unreachable,
}

/// What rides on a client transaction.
#[derive(Clone, Debug)]
enum Purpose {
    /// With how often it was sent with credentials.
    Register {
        expires_s: u32,
        tries: u8,
    },
    /// The same.
    Invite {
        tries: u8,
    },
    Reinvite,
    Bye,
}

/// A telephone; see the module.
pub struct Phone {
    settings: Settings,
    endpoint: Endpoint<Purpose>,
    rng: Rng,
    events: VecDeque<Event>,
    call: Option<Call>,
    register_call_id: String,
    register_cseq: u32,
    renew_at: Option<Mono>,
    registered: bool,
    /// Whether it is to stay registered: answers to REGISTERs may cross.
    wanted: bool,
    nonce_count: u32,
}

impl Phone {
    /// A phone that does nothing yet.
    pub fn new(settings: Settings, mut rng: Rng) -> Phone {
        let endpoint = Endpoint::new(EndpointConfig::new(MARK), rng.fork());
        let register_call_id = MARK.mint_call_id(&mut rng, "").to_string();
        Phone {
            settings,
            endpoint,
            rng,
            events: VecDeque::new(),
            call: None,
            register_call_id,
            register_cseq: 0,
            renew_at: None,
            registered: false,
            wanted: false,
            nonce_count: 0,
        }
    }

    /// What was agreed with the server, which is one host for signalling and media.
    fn agreed(&mut self, media: Option<StreamParameters>) {
        let signalling = self.settings.flow.remote.ip();
        let heard = |media| Event::Media(StreamParameters { signalling, ..media });
        self.events.extend(media.map(heard));
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<(Flow, bytes::Bytes)> {
        self.endpoint.poll_transmit()
    }

    /// When [`Phone::expire`] is to be called next.
    pub fn deadline(&self) -> Option<Mono> {
        [self.endpoint.deadline(), self.renew_at].into_iter().flatten().min()
    }

    /// Whether it has a call.
    pub fn is_busy(&self) -> bool {
        self.call.is_some()
    }

    /// Whether it is registered.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// How many transactions are alive.
    pub fn counts(&self) -> endpoint::Counts {
        self.endpoint.counts()
    }

    /// Registers, and renews from then on.
    pub fn register(&mut self, now: Now) {
        self.wanted = true;
        let expires_s = self.settings.register_s;
        self.send_register(now, expires_s, None, 0);
    }

    /// Takes its registration back.
    pub fn unregister(&mut self, now: Now) {
        self.wanted = false;
        self.renew_at = None;
        self.send_register(now, 0, None, 0);
    }

    /// Calls a number. With a call already, nothing happens.
    pub fn dial(&mut self, now: Now, number: &str) {
        if self.call.is_none() {
            let invite = self.invite_to(number);
            self.send_invite(now, invite, None, 0);
        }
    }

    /// Answers the call it rings for.
    pub fn answer(&mut self, now: Now) {
        let Some(call) = &mut self.call else { return };
        let media = call.ringing_media();
        if let Some((server, response)) = call.answer(&self.settings) {
            self.respond(now, server, response);
            self.agreed(media);
            self.events.push_back(Event::Up);
        }
    }

    /// Says that it rings (180).
    pub fn ring(&mut self, now: Now) {
        let Some(call) = &self.call else { return };
        if let Some((server, response)) = call.progress(180, &self.settings) {
            self.respond(now, server, response);
        }
    }

    /// Refuses the call it rings for.
    pub fn reject(&mut self, now: Now, status: u16) {
        let Some(call) = &self.call else { return };
        if let Some((server, response)) = call.progress(status, &self.settings) {
            self.respond(now, server, response);
            self.end(Ended::Local);
        }
    }

    /// Hangs up: BYE, CANCEL or a refusal, as the call stands.
    pub fn hang_up(&mut self, now: Now) {
        let Some(call) = &mut self.call else { return };
        match call {
            Call::Calling { client, given_up, .. } => {
                *given_up = true;
                self.endpoint.cancel(now, *client, None);
            }
            Call::Ringing { .. } => self.reject(now, 480),
            Call::Up { dialog, .. } => {
                let bye = dialog.request(Method::Bye);
                self.send(now, &bye, Purpose::Bye);
                self.end(Ended::Local);
            }
        }
    }

    /// Puts the other side on hold, or takes it back: a re-INVITE. Without a call that is up, or
    /// while another re-INVITE is under way, nothing happens.
    pub fn hold(&mut self, now: Now, on: bool) {
        let settings = &self.settings;
        let request = self.call.as_mut().and_then(|call| call.hold(settings, on));
        if let Some(request) = request {
            self.send(now, &request, Purpose::Reinvite);
        }
    }

    /// The path to the server is another one from now on: its connection was lost and made anew.
    /// A call that is up goes on; the phone must register again.
    pub fn moved(&mut self, now: Now, flow: Flow) {
        self.transport_failed(now);
        self.settings.flow = flow;
    }

    /// A message came in.
    pub fn receive(&mut self, now: Now, flow: Flow, message: Message) {
        self.endpoint.receive(now, flow, message);
        self.drain(now);
    }

    /// The flow to the server failed.
    pub fn transport_failed(&mut self, now: Now) {
        self.endpoint.transport_failed(now, self.settings.flow);
        self.drain(now);
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        self.endpoint.expire(now);
        if self.renew_at.is_some_and(|at| at <= now.mono) {
            self.renew_at = None;
            self.register(now);
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Now) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                endpoint::Event::Request { server, flow, message } => {
                    self.request(now, server, flow, &message);
                }
                endpoint::Event::Cancel { invite, .. } => self.cancelled(now, invite),
                endpoint::Event::Ack { message, .. } => {
                    let settings = &self.settings;
                    let media = self.call.as_mut().and_then(|call| call.acked(&message, settings));
                    self.agreed(media);
                }
                endpoint::Event::AckMissing { server } => {
                    // Of a refusal, nothing is left to hang up.
                    let up = |call: &Call| call.began_with(server);
                    if self.call.as_ref().is_some_and(up) {
                        self.hang_up(now);
                    }
                }
                endpoint::Event::Response { client, user, message } => {
                    self.response(now, client, user, &message);
                }
                endpoint::Event::Timeout { client, user }
                | endpoint::Event::TransportError { client, user } => {
                    self.failed(now, client, user);
                }
                endpoint::Event::ServerGone { server, failed: true } => {
                    let rings = |call: &Call| {
                        matches!(call, Call::Ringing { .. }) && call.began_with(server)
                    };
                    if self.call.as_ref().is_some_and(rings) {
                        self.end(Ended::Cancelled);
                    }
                }
                endpoint::Event::ServerGone { .. }
                | endpoint::Event::CancelAnswered { .. }
                | endpoint::Event::Terminated { .. } => {}
            }
        }
    }

    fn end(&mut self, why: Ended) {
        if self.call.take().is_some() {
            self.events.push_back(Event::Ended(why));
        }
    }

    fn respond(&mut self, now: Now, server: ServerId, response: ResponseBuilder) {
        // A response we cannot write is a fault of the request; the peer's timers end the matter.
        let _ = self.endpoint.respond(now, server, response);
    }

    fn send(&mut self, now: Now, request: &RequestBuilder, purpose: Purpose) -> Option<ClientId> {
        self.endpoint.request(now, request, self.settings.flow, MARK, purpose).ok()
    }

    fn tag(&mut self) -> String {
        MARK.mint_tag(&mut self.rng).to_string()
    }

    // Requests that come in.

    fn request(&mut self, now: Now, server: ServerId, flow: Flow, message: &Message) {
        let in_dialog = message.to().ok().and_then(|to| to.tag()).is_some();
        let method = message.method().cloned().unwrap_or(Method::Options);
        if method == Method::Invite && !in_dialog {
            return self.invited(now, server, flow, message);
        }
        let belongs = self.call.as_ref().is_some_and(|call| call.owns(message));
        let response = match (method, belongs) {
            (Method::Options, false) if !in_dialog => ResponseBuilder::new(message, 200),
            (Method::Bye, true) => {
                let cause = message.q850_cause();
                self.respond(now, server, ResponseBuilder::new(message, 200));
                return self.end(Ended::Remote(cause));
            }
            (Method::Invite, true) => {
                let settings = &self.settings;
                let Some(call) = self.call.as_mut() else { return };
                let (response, media) = call.reinvited(message, settings);
                self.agreed(media);
                response
            }
            (Method::Info | Method::Options | Method::Update, true) => {
                ResponseBuilder::new(message, 200)
            }
            (_, false) if in_dialog => ResponseBuilder::new(message, 481),
            _ => ResponseBuilder::new(message, 405)
                .header(HeaderName::Allow, "INVITE, ACK, CANCEL, BYE, OPTIONS"),
        };
        let tag = self.tag();
        self.respond(now, server, response.to_tag(&tag));
    }

    fn invited(&mut self, now: Now, server: ServerId, flow: Flow, message: &Message) {
        let tag = self.tag();
        if self.call.is_some() {
            let busy = ResponseBuilder::new(message, 486).to_tag(&tag);
            return self.respond(now, server, busy);
        }
        match Call::invited(server, flow, message, &tag, &self.settings, self.rng.next_u32()) {
            Ok(call) => {
                let from = message.from().ok();
                let shown = from
                    .as_ref()
                    .and_then(|from| from.display_name().or_else(|| from.uri.user_text()));
                let has = |name: &'static str, what: &str| {
                    message
                        .headers_named(name)
                        .any(|value| String::from_utf8_lossy(value).to_lowercase().contains(what))
                };
                self.call = Some(call);
                self.events.push_back(Event::Ringing {
                    from: shown.unwrap_or_default(),
                    answer_now: has("Answer-Mode", "auto") || has("Call-Info", "answer-after=0"),
                });
            }
            Err(status) => {
                let refused = ResponseBuilder::new(message, status).to_tag(&tag);
                self.respond(now, server, refused);
            }
        }
    }

    fn cancelled(&mut self, now: Now, invite: ServerId) {
        let Some(call) = &self.call else { return };
        if let Some((server, response)) = call.progress(487, &self.settings)
            && server == invite
        {
            self.respond(now, server, response);
            self.end(Ended::Cancelled);
        }
    }

    // Responses to what we sent.

    fn response(&mut self, now: Now, client: ClientId, purpose: Purpose, message: &Message) {
        let status = message.status().unwrap_or(500);
        match purpose {
            Purpose::Register { expires_s, tries } if status >= 200 => {
                self.registered_or_not(now, expires_s, tries, status, message);
            }
            Purpose::Invite { tries } => {
                self.invite_answered(now, client, tries, status, message);
            }
            Purpose::Reinvite if status >= 200 => {
                let Some(call) = self.call.as_mut() else { return };
                let (ack, media) = call.reinvite_answered(Some(message));
                if let Some(ack) = ack {
                    self.ack(client, message, &ack);
                }
                self.agreed(media);
            }
            Purpose::Register { .. } | Purpose::Reinvite | Purpose::Bye => {}
        }
    }

    fn registered_or_not(
        &mut self,
        now: Now,
        expires_s: u32,
        tries: u8,
        status: u16,
        message: &Message,
    ) {
        let challenge = self.challenge(message, tries);
        match (status, challenge) {
            (200..=299, _) if expires_s == 0 => {
                self.registered = false;
                self.events.push_back(Event::Unregistered);
            }
            (200..=299, _) => {
                let granted = self.granted_s(message).unwrap_or(expires_s);
                let wait = Duration::from_secs_f64(f64::from(granted) * RENEW_AT);
                self.renew_at = self.wanted.then(|| now.mono + wait);
                self.registered = true;
                self.events.push_back(Event::Registered(granted));
            }
            (401 | 407, Some(challenge)) => {
                self.send_register(now, expires_s, Some(challenge), tries + 1);
            }
            (423, _) if message.min_expires().ok().flatten().is_some_and(|min| min > expires_s) => {
                let least = message.min_expires().ok().flatten().unwrap_or(expires_s);
                self.settings.register_s = least;
                self.send_register(now, least, None, 0);
            }
            _ => {
                self.registered = false;
                let reason = message.reason_phrase().into_owned();
                self.events.push_back(Event::RegistrationFailed(status, reason));
                if self.wanted && status >= 500 {
                    self.renew_at = Some(now.mono + RETRY);
                }
            }
        }
    }

    /// The challenge to answer: none after we have answered one, unless it was only stale.
    fn challenge(&self, message: &Message, tries: u8) -> Option<Challenge> {
        self.settings.password.as_ref()?;
        let name = match message.status() {
            Some(401) => HeaderName::WwwAuthenticate,
            Some(407) => HeaderName::ProxyAuthenticate,
            _ => return None,
        };
        let values: Vec<&[u8]> = message.headers(name).collect();
        Challenge::choose(values)
            .filter(|challenge| tries == 0 || (challenge.stale && tries < TRIES_MAX))
    }

    /// How long our own contact is registered, by a 200.
    fn granted_s(&self, message: &Message) -> Option<u32> {
        let own = self.contact_uri();
        let mine = message.contacts().filter_map(Result::ok).find_map(|contact| match contact {
            hotline_sip::header::Contact::Address(address) => {
                address.uri.equivalent(&own).then(|| address.expires_s()).flatten()
            }
            hotline_sip::header::Contact::Wildcard => None,
        });
        mine.or_else(|| message.expires().ok().flatten())
    }

    fn failed(&mut self, now: Now, client: ClientId, purpose: Purpose) {
        match purpose {
            Purpose::Register { .. } => {
                self.registered = false;
                let text = String::from("the server does not answer");
                self.events.push_back(Event::RegistrationFailed(408, text));
                if self.wanted {
                    self.renew_at = Some(now.mono + RETRY);
                }
            }
            Purpose::Invite { .. } => {
                if self.call.as_ref().is_some_and(|call| call.is_calling(client)) {
                    self.end(Ended::Unreachable);
                }
            }
            Purpose::Reinvite => {
                if let Some(call) = self.call.as_mut() {
                    call.reinvite_answered(None);
                }
            }
            Purpose::Bye => {}
        }
    }

    // Requests we send.

    fn uri(&self, user: Option<&str>) -> Uri {
        let (host, port) = match self.settings.domain.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().ok())
            }
            _ => (self.settings.domain.as_str(), None),
        };
        let local = self.settings.flow.remote;
        Uri::sip(user, host, port)
            .or_else(|_| Uri::sip(None, &local.ip().to_string(), Some(local.port())))
            .unwrap_or_else(|_| fallback_uri())
    }

    fn contact_uri(&self) -> Uri {
        let local = self.settings.flow.local;
        let host = match local.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let uri = Uri::sip(Some(&self.settings.user), &host, Some(local.port()));
        let uri = uri.unwrap_or_else(|_| fallback_uri());
        match self.settings.flow.transport {
            hotline_sip::flow::Transport::Tcp => {
                uri.with_param("transport", Some("tcp")).unwrap_or(uri)
            }
            _ => uri,
        }
    }

    fn contact(&self) -> bytes::Bytes {
        NameAddr::of(self.contact_uri()).to_bytes()
    }

    fn from(&self, tag: &str) -> bytes::Bytes {
        let from = NameAddr::of(self.uri(Some(&self.settings.user)))
            .with_display_name(self.settings.display_name.as_deref());
        from.with_tag(tag).map_or_else(|_| bytes::Bytes::new(), |from| from.to_bytes())
    }

    fn authorise(&mut self, request: RequestBuilder, challenge: &Challenge) -> RequestBuilder {
        let Some(password) = &self.settings.password else { return request };
        self.nonce_count = 1;
        let uri = request.uri().as_text().into_owned();
        let cnonce = format!("{:016x}", self.rng.next_u64());
        let value = digest::answer(
            challenge,
            request.method().as_str(),
            &uri,
            &self.settings.user,
            password.expose(),
            &cnonce,
            self.nonce_count,
        );
        request.header(HeaderName::Authorization, value)
    }

    fn send_register(&mut self, now: Now, expires_s: u32, challenge: Option<Challenge>, tries: u8) {
        self.register_cseq += 1;
        let tag = self.tag();
        let aor = NameAddr::of(self.uri(Some(&self.settings.user))).to_bytes();
        let mut request = RequestBuilder::new(Method::Register, self.uri(None))
            .from(self.from(&tag))
            .to(aor)
            .call_id(&self.register_call_id)
            .cseq(self.register_cseq)
            .header(HeaderName::Contact, self.contact())
            .header(HeaderName::Expires, expires_s.to_string());
        if let Some(challenge) = challenge {
            request = self.authorise(request, &challenge);
        }
        self.send(now, &request, Purpose::Register { expires_s, tries });
    }

    fn invite_to(&mut self, number: &str) -> RequestBuilder {
        let (tag, call_id) = (self.tag(), MARK.mint_call_id(&mut self.rng, ""));
        let uri = self.uri(Some(number));
        let to = NameAddr::of(uri.clone()).to_bytes();
        RequestBuilder::new(Method::Invite, uri)
            .from(self.from(&tag))
            .to(to)
            .call_id(call_id)
            .header(HeaderName::Contact, self.contact())
            .header(HeaderName::Allow, "INVITE, ACK, CANCEL, BYE, OPTIONS")
    }

    /// Sends an INVITE, with credentials if it was challenged; `invite` itself is kept without.
    fn send_invite(
        &mut self,
        now: Now,
        invite: RequestBuilder,
        challenge: Option<Challenge>,
        tries: u8,
    ) {
        let offer = call::offer(&self.settings, self.rng.next_u32());
        let mut request = invite.clone().body("application/sdp", offer.to_string());
        if let Some(challenge) = challenge {
            request = self.authorise(request, &challenge);
        }
        if let Some(client) = self.send(now, &request, Purpose::Invite { tries }) {
            let invite = Box::new(invite);
            self.call = Some(Call::Calling { client, invite, offer, given_up: false });
        }
    }

    fn invite_answered(
        &mut self,
        now: Now,
        client: ClientId,
        tries: u8,
        status: u16,
        message: &Message,
    ) {
        let Some(call) = self.call.as_mut().filter(|call| call.is_calling(client)) else {
            if (200..300).contains(&status) {
                // A 200 that crossed our CANCEL, or a second one: end it (RFC 3261 §9.1).
                self.end_stray(now, client, message);
            }
            return;
        };
        match status {
            100..=199 => {
                let media = call.early(message);
                self.events.push_back(Event::Progress(status));
                self.agreed(media);
            }
            // A 200 that crossed our CANCEL (RFC 3261 §9.1).
            200..=299 if matches!(call, Call::Calling { given_up: true, .. }) => {
                self.end_stray(now, client, message);
                self.end(Ended::Local);
            }
            200..=299 => match call.established(message, self.endpoint.sent_request(client)) {
                Ok((up, ack, media)) => {
                    self.call = Some(up);
                    self.ack(client, message, &ack);
                    self.agreed(media);
                    self.events.push_back(Event::Up);
                }
                Err(()) => {
                    self.end_stray(now, client, message);
                    self.end(Ended::Refused(488, "unusable answer".into(), None));
                }
            },
            401 | 407 => {
                let invite = call.retried();
                match (self.challenge(message, tries), invite) {
                    (Some(challenge), Some(invite)) => {
                        let next = invite.cseq_number() + 1;
                        self.call = None;
                        self.send_invite(now, invite.cseq(next), Some(challenge), tries + 1);
                    }
                    _ => self.refused(status, message),
                }
            }
            _ => self.refused(status, message),
        }
    }

    fn refused(&mut self, status: u16, message: &Message) {
        let reason = message.reason_phrase().into_owned();
        self.end(Ended::Refused(status, reason, message.q850_cause()));
    }

    fn ack(&mut self, client: ClientId, response: &Message, ack: &RequestBuilder) {
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        let _ = self.endpoint.send_ack(client, &tag, ack, self.settings.flow, MARK);
    }

    fn end_stray(&mut self, now: Now, client: ClientId, message: &Message) {
        if let Some((mut dialog, ack)) =
            call::dialog_of(message, self.endpoint.sent_request(client))
        {
            self.ack(client, message, &ack);
            let bye = dialog.request(Method::Bye);
            self.send(now, &bye, Purpose::Bye);
        }
    }
}

fn fallback_uri() -> Uri {
    Uri::parse(bytes::Bytes::from_static(b"sip:phone@invalid")).unwrap_or_else(|_| unreachable!())
}

/// Checks what a phone is to play, before any call.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn check_source(text: &str) -> Result<(), String> {
    wav::source(text).map(drop)
}
