//! Access: which request is acted upon, and as whose (RFC 3261 §8.2, §22; RFC 7616).
//!
//! Owns: the judgement of every request that begins something: trunk or digest, methods,
//! extensions, bodies, guessing. Does not own: the arithmetic of digest (`hotline_sip::digest`),
//! bindings ([`crate::registration`]), calls.
//!
//! ```text
//! OPTIONS    200
//! REGISTER   digest, always
//! INVITE     From is an agent's         digest
//!            source address is a trunk  admitted
//!            anybody else               digest: never a call, never a word about who exists
//! others     405
//! ```
//!
//! It judges before a transaction is made, and a refusal is answered without one: strangers leave
//! nothing behind, however many they are.

use crate::body::{ACCEPT, session_description};
use crate::config::{DigestAlgorithm, EngineSettings, Softphone, TenantConfig, Trunk};
use crate::context::Caller;
use crate::dialled::dialled_number;
use crate::failures::Failures;
use crate::front_door::claims_agent;
use hotline_base::{Epoch, Now, Rng, Wall};
use hotline_sip::build::ResponseBuilder;
use hotline_sip::digest::{
    Algorithm, Authenticator, AuthenticatorSettings, Authorization, Credentials, Protected, Verdict,
};
use hotline_sip::header::HeaderName;
use hotline_sip::validate::unsupported;
use hotline_sip::{Flow, Message, Method};
use std::sync::Arc;

/// What `Allow` says.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, UPDATE, INFO";
/// The option tags we understand in Require.
pub(crate) const SUPPORTED: &[&str] = &[];
/// When a caller may try again whom we cannot serve now, in seconds.
pub(crate) const RETRY_AFTER_S: u32 = 5;
/// Times a request may come back to us through others before it is a loop (482).
const OWN_VIAS_MAX: usize = 3;

/// The judgement of a request.
#[derive(Debug)]
pub(crate) enum Admission {
    /// An INVITE of this caller.
    Invite(Caller),
    /// A REGISTER of this softphone.
    Register {
        /// Its number.
        number: String,
    },
    /// Answer with this, without a transaction.
    Answer(ResponseBuilder),
    /// The same, and it counts as refused.
    Refuse(ResponseBuilder),
}

/// What access knows of a tenant besides its configuration: made anew with each configuration.
#[derive(Debug)]
pub(crate) struct Tenancy {
    /// The trunks that may call this tenant: its own, then the node's.
    pub trunks: Vec<Arc<Trunk>>,
    /// What most of its softphones offer: also offered to users who do not exist.
    usual: Vec<Algorithm>,
}

impl Tenancy {
    pub(crate) fn new(config: &TenantConfig, node: &[Trunk]) -> Tenancy {
        let trunks = config.trunks.iter().chain(node).cloned().map(Arc::new).collect();
        let mut offers: Vec<(Vec<Algorithm>, usize)> = Vec::new();
        for softphone in config.softphones.values() {
            let offered = algorithms(softphone);
            match offers.iter_mut().find(|(known, _)| *known == offered) {
                Some((_, count)) => *count += 1,
                None => offers.push((offered, 1)),
            }
        }
        let most = offers.into_iter().max_by_key(|(_, count)| *count);
        Tenancy { trunks, usual: most.map_or(vec![Algorithm::Md5], |(usual, _)| usual) }
    }

    /// The trunk that a source address is. Where several are, the one by whose rules the number
    /// leads somewhere.
    fn trunk_of(
        &self,
        config: &TenantConfig,
        flow: &Flow,
        invite: &Message,
    ) -> Option<&Arc<Trunk>> {
        let source = flow.remote.ip();
        let mut from_here = self
            .trunks
            .iter()
            .filter(|trunk| trunk.peers.iter().any(|network| network.contains(source)));
        let first = from_here.next()?;
        let mut all = std::iter::once(first).chain(from_here).peekable();
        let known = |trunk: &&Arc<Trunk>| {
            let number = dialled_number(invite, Some(trunk), &config.routing.number_rules);
            number.is_ok_and(|number| {
                let codes = &config.routing.access_codes;
                codes.iter().any(|code| number.starts_with(code.code.as_str()))
            })
        };
        all.find(known).or(Some(first))
    }
}

/// Who asks where: the tenant's side of a judgement.
#[derive(Clone, Copy)]
pub(crate) struct Door<'a> {
    pub now: Now,
    pub config: &'a TenantConfig,
    pub tenancy: &'a Tenancy,
    pub settings: &'a EngineSettings,
    pub frozen: bool,
}

/// Judges requests of all partitions of an engine.
pub(crate) struct Access {
    authenticator: Authenticator,
    failures: Failures,
    /// When it began; see [`Access::clock`].
    started: Now,
}

/// What became of somebody's proof.
enum Proof {
    Given(String),
    Refused(ResponseBuilder),
    /// Asked for, for the first time: no fault of anybody's.
    Asked(ResponseBuilder),
}

impl Access {
    pub(crate) fn new(settings: &EngineSettings, epoch: Epoch, now: Now, rng: &mut Rng) -> Access {
        let secret = settings.nonce_secret.clone();
        let limits = AuthenticatorSettings::default();
        Access {
            authenticator: Authenticator::new(limits, secret, epoch, rng.fork()),
            started: now,
            failures: Failures::new(rng),
        }
    }

    /// The time by which nonces age: the wall clock of the start, driven by the monotonic one. By
    /// the wall clock itself, none would be young enough once that was set back.
    fn clock(&self, now: Now) -> Wall {
        self.started.wall_at(now.mono)
    }

    /// Judges a valid request outside any dialog and transaction.
    pub(crate) fn judge(&mut self, door: Door<'_>, flow: &Flow, request: &Message) -> Admission {
        let Some(method) = request.method() else {
            return Admission::Refuse(ResponseBuilder::new(request, 400));
        };
        match method {
            Method::Invite => self.judge_invite(door, flow, request),
            Method::Register => self.judge_register(door, flow, request),
            Method::Options => Admission::Answer(options(door, request)),
            // They mean something in a dialog only.
            Method::Bye
            | Method::Update
            | Method::Info
            | Method::Prack
            | Method::Notify
            | Method::Cancel => Admission::Refuse(ResponseBuilder::new(request, 481)),
            _ => {
                let refusal = ResponseBuilder::new(request, 405);
                Admission::Refuse(refusal.header(HeaderName::Allow, ALLOW))
            }
        }
    }

    fn judge_register(&mut self, door: Door<'_>, flow: &Flow, request: &Message) -> Admission {
        let number = match self.prove(door, flow, request) {
            Proof::Given(number) => number,
            Proof::Refused(response) => return Admission::Refuse(response),
            Proof::Asked(response) => return Admission::Answer(response),
        };
        if let Some(refusal) = not_understood(request) {
            return Admission::Refuse(refusal);
        }
        // The address-of-record must be the user's own (RFC 3261 §10.3 step 3).
        let aor = request.to().ok().and_then(|to| to.uri.user_text());
        if aor.as_deref() != Some(number.as_str()) {
            return Admission::Refuse(ResponseBuilder::new(request, 403));
        }
        Admission::Register { number }
    }

    fn judge_invite(&mut self, door: Door<'_>, flow: &Flow, invite: &Message) -> Admission {
        if door.frozen {
            let refusal = ResponseBuilder::new(invite, 503);
            let retry_after = RETRY_AFTER_S.to_string();
            return Admission::Refuse(refusal.header(HeaderName::RetryAfter, retry_after));
        }
        let advertise = door.settings.sip_advertise.as_deref();
        let claimed = claims_agent(flow, invite, door.config, advertise);
        let trunk = match claimed {
            Some(_) => None,
            None => door.tenancy.trunk_of(door.config, flow, invite),
        };
        let caller = match trunk {
            Some(trunk) => Caller::Trunk(Arc::clone(trunk)),
            None => match self.prove(door, flow, invite) {
                // Nobody calls in another agent's name.
                Proof::Given(number) if claimed.is_some_and(|claimed| claimed != number) => {
                    return Admission::Refuse(ResponseBuilder::new(invite, 403));
                }
                Proof::Given(number) => match door.config.softphones.get(&number) {
                    Some(softphone) => {
                        Caller::Agent { employee_id: softphone.employee_id.clone(), number }
                    }
                    None => return Admission::Refuse(ResponseBuilder::new(invite, 403)),
                },
                Proof::Refused(response) => return Admission::Refuse(response),
                Proof::Asked(response) => return Admission::Answer(response),
            },
        };
        let unread = || session_description(invite).err().map(|why| why.refusal(invite));
        match not_understood(invite).or_else(unread).or_else(|| looping(invite)) {
            Some(refusal) => Admission::Refuse(refusal),
            None => Admission::Invite(caller),
        }
    }

    /// Whether the sender knows the password of a softphone of the tenant, and of which.
    fn prove(&mut self, door: Door<'_>, flow: &Flow, request: &Message) -> Proof {
        let now = door.now;
        let given = request
            .authorization()
            .filter_map(Authorization::parse)
            .find(|given| given.realm == door.config.realm);
        let Some(given) = given else {
            let claimed = request.from().ok().and_then(|from| from.uri.user_text());
            let challenge = self.challenge(door, flow, request, claimed.as_deref(), false);
            return Proof::Asked(challenge);
        };
        let source = flow.remote.ip();
        if let Some(wait_s) = self.failures.must_wait_s(now, source) {
            let refusal = ResponseBuilder::new(request, 403).reason("Too Many Failures");
            return Proof::Refused(refusal.header(HeaderName::RetryAfter, wait_s.to_string()));
        }
        let softphone = door.config.softphones.get(given.username);
        let credentials = softphone.map(|softphone| Credentials {
            ha1_md5: softphone.ha1_md5.clone(),
            ha1_sha256: softphone.ha1_sha256.clone(),
        });
        let offered = softphone.map(algorithms);
        let offered = offered.as_deref().unwrap_or(&door.tenancy.usual);
        let protected = protected(door, flow, request, offered);
        let verdict =
            self.authenticator.check(self.clock(now), &protected, &given, credentials.as_ref());
        match verdict {
            Verdict::Accepted => Proof::Given(given.username.to_owned()),
            Verdict::OtherUri => {
                self.failures.note(now, source);
                Proof::Refused(ResponseBuilder::new(request, 400).reason("Digest Of Another URI"))
            }
            Verdict::Challenge { stale } => {
                let challenge = self.challenge(door, flow, request, Some(given.username), stale);
                // Of an invented nonce, or another's, nothing is known but that: no fault of the
                // address that it seems to come from.
                if stale {
                    return Proof::Asked(challenge);
                }
                self.failures.note(now, source);
                Proof::Refused(challenge)
            }
        }
    }

    /// A 401. What is offered to a user who does not exist is what most are offered.
    fn challenge(
        &mut self,
        door: Door<'_>,
        flow: &Flow,
        request: &Message,
        user: Option<&str>,
        stale: bool,
    ) -> ResponseBuilder {
        let softphone = user.and_then(|user| door.config.softphones.get(user));
        let offered = softphone.map(algorithms);
        let offered = offered.as_deref().unwrap_or(&door.tenancy.usual);
        let protected = protected(door, flow, request, offered);
        let clock = self.clock(door.now);
        let values = self.authenticator.challenge(clock, &protected, stale);
        let response = ResponseBuilder::new(request, 401);
        values
            .iter()
            .fold(response, |response, value| response.header(HeaderName::WwwAuthenticate, value))
    }
}

fn protected<'a>(
    door: Door<'a>,
    flow: &Flow,
    request: &'a Message,
    algorithms: &'a [Algorithm],
) -> Protected<'a> {
    Protected {
        partition: door.config.partition,
        source: flow.remote.ip(),
        realm: &door.config.realm,
        method: request.method().map_or("", Method::as_str),
        uri: request.request_uri_bytes(),
        algorithms,
    }
}

fn algorithms(softphone: &Softphone) -> Vec<Algorithm> {
    let one = |algorithm: &DigestAlgorithm| match algorithm {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
    };
    match softphone.digest.is_empty() {
        true => vec![Algorithm::Md5],
        false => softphone.digest.iter().map(one).collect(),
    }
}

/// What we can do (RFC 3261 §11.2); while frozen, that we cannot do it now.
fn options(door: Door<'_>, request: &Message) -> ResponseBuilder {
    if let Some(refusal) = not_understood(request) {
        return refusal;
    }
    let response = ResponseBuilder::new(request, if door.frozen { 503 } else { 200 });
    let response = response
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::Accept, ACCEPT)
        .header(HeaderName::AcceptEncoding, "identity")
        .header(HeaderName::AcceptLanguage, "en")
        .header(HeaderName::Supported, SUPPORTED.join(", "));
    match door.frozen {
        true => response.header(HeaderName::RetryAfter, RETRY_AFTER_S.to_string()),
        false => response,
    }
}

/// 420 for extensions that are required and not understood (RFC 3261 §8.2.2.3).
pub(crate) fn not_understood(request: &Message) -> Option<ResponseBuilder> {
    let tags = unsupported(request, SUPPORTED)?;
    Some(ResponseBuilder::new(request, 420).header(HeaderName::Unsupported, tags))
}

/// 483 and 482 (RFC 3261 §16.3 items 3 and 4; RFC 7332 for a B2BUA).
fn looping(request: &Message) -> Option<ResponseBuilder> {
    type Endpoint = hotline_sip::Endpoint<()>;
    if let Err(status) = Endpoint::hops_left(request) {
        return Some(ResponseBuilder::new(request, status));
    }
    (Endpoint::own_vias(request) > OWN_VIAS_MAX).then(|| ResponseBuilder::new(request, 482))
}
