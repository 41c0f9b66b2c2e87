//! An INVITE outside any dialog: admitted as a call, or refused.
//!
//! Owns: the checks before a call exists, each with its refusal, and the call's first state. Does
//! not own: authentication and trunks (the front door and `access` have judged them), the number's
//! source ([`crate::dialled`]), called routes (routing).
//! RFC 3261 §8.2, §13.3.1, §21; RFC 3264 §6; RFC 3323 (Privacy), RFC 3325 (asserted identity).

use super::call::Call;
use super::caller::{CallerSide, Phase};
use super::leg::{Binding, Leg};
use super::media::MediaLeg;
use super::outbound::{Barred, HOPS_MAX};
use super::sdp::{Fault, Session, of_message, warning, warning_text};
use super::star::Star;
use super::trace::Lane;
use super::waiting::Waiting;
use super::{RETRY_AFTER_S, Side, Step};
use crate::context::{Caller, User, call_ref};
use crate::dialled::dialled_number;
use crate::hours::{is_open, is_test_caller};
use crate::id::CallId;
use crate::record::CallRecord;
use hotline_base::Redacted;
use hotline_media::offer_answer::make_answer;
use hotline_media::sdp::SessionDescription;
use hotline_routing::config::{AccessCodeType, AnswerSupervision, Destination, QueueType};
use hotline_routing::number::{NotANumber, is_emergency};
use hotline_routing::{AgentRef, AgentState, Circumstances, Input as Routed, QueueRef, Resolution};
use hotline_sip::build::ResponseBuilder;
use hotline_sip::dialog::Dialog;
use hotline_sip::flow::Flow;
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use hotline_sip::status::q850_reason;
use hotline_sip::{Endpoint, ServerId, Uri};

/// An INVITE as it is to be judged.
pub(crate) struct Arrival {
    /// Its transaction.
    pub server: ServerId,
    /// Where it came from.
    pub flow: Flow,
    /// It.
    pub invite: Message,
    /// Who makes it.
    pub caller: Caller,
}

/// Why an INVITE makes no call.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    status: u16,
    q850: Option<u16>,
    header: Option<(HeaderName, String)>,
}

impl Refusal {
    fn status(status: u16) -> Refusal {
        Refusal { status, ..Refusal::default() }
    }

    fn cause(status: u16, q850: u16) -> Refusal {
        Refusal { status, q850: Some(q850), header: None }
    }

    fn with(self, name: HeaderName, value: String) -> Refusal {
        Refusal { header: Some((name, value)), ..self }
    }

    /// 486: an agent in a call dials another.
    pub fn engaged() -> Refusal {
        Refusal::cause(486, 17)
    }

    /// 503 with Retry-After.
    pub fn no_capacity(q850: u16) -> Refusal {
        Refusal::cause(503, q850).with(HeaderName::RetryAfter, RETRY_AFTER_S.to_owned())
    }

    /// Sends it.
    pub fn send(self, step: &mut Step<'_, '_>, arrival: &Arrival) {
        let tag = step.cx.mark.mint_tag(step.cx.rng);
        let mut response = ResponseBuilder::new(&arrival.invite, self.status)
            .to_tag(&tag)
            .header(HeaderName::Server, &step.cx.settings.user_agent);
        if let Some(cause) = self.q850 {
            response = response.header(HeaderName::Reason, q850_reason(cause));
        }
        if let Some((name, value)) = self.header {
            response = response.header(name, value);
        }
        step.cx.counters.refused += 1;
        if let Err(error) = step.cx.endpoint.respond(step.cx.now, arrival.server, response) {
            step.cx.notice(format!("a refusal could not be written: {error}"));
        }
    }
}

/// Where a call goes.
enum Target {
    Queue(QueueRef),
    Agent(AgentRef),
    Flow(String),
    /// An agent's phone calls for help.
    Emergency(String),
    /// A star code of the agent's phone, and the agent's state before.
    Star(Star, AgentState),
    /// Outside the route's working time, and there is nowhere else to go.
    Closed,
}

/// Where a call goes, with what the route says about it.
struct Way {
    target: Target,
    /// The number after all rules.
    dialled: String,
    resolution: Option<Resolution>,
    /// The caller may try drafts.
    tester: bool,
}

/// Who calls.
struct Identity {
    number: String,
    charged: Option<String>,
    withheld: bool,
}

/// Judges an INVITE and begins its call.
///
/// # Errors
/// [`Refusal`]; nothing has happened then.
pub(crate) fn admit(
    step: &mut Step<'_, '_>,
    arrival: &Arrival,
    id: CallId,
    calls: usize,
) -> Result<Call, Refusal> {
    let invite = &arrival.invite;
    let unsupported: Vec<_> = invite.require().map(String::from_utf8_lossy).collect();
    if !unsupported.is_empty() {
        return Err(Refusal::status(420).with(HeaderName::Unsupported, unsupported.join(", ")));
    }
    if step.cx.frozen || calls >= step.cx.config.limits.concurrent_calls as usize {
        return Err(Refusal::no_capacity(42));
    }
    if let Caller::Trunk(trunk) = &arrival.caller
        && !step.cx.channels.are_left(step.cx.config, trunk)
    {
        step.cx.notice(Barred::NoChannel.text(&trunk.name));
        return Err(Refusal::no_capacity(34));
    }
    let offer = match of_message(invite) {
        None => None,
        Some(Ok(offer)) => Some(offer),
        Some(Err(Fault::NotSdp(why))) => {
            let (name, value) = why.header();
            return Err(Refusal::status(415).with(name, value.to_owned()));
        }
        Some(Err(Fault::Unreadable(text))) => {
            let warning = warning_text(step.cx, 399, &text);
            return Err(Refusal::status(400).with(HeaderName::Warning, warning));
        }
    };
    let way = way(step, arrival)?;
    let tag = step.cx.mark.mint_tag(step.cx.rng);
    let contact = step.contact(&arrival.flow);
    let dialog = Dialog::uas(invite, &tag, contact.as_bytes()).map_err(|error| {
        let warning = warning_text(step.cx, 399, &error.to_string());
        Refusal::status(400).with(HeaderName::Warning, warning)
    })?;
    let side = caller_side(step, arrival, id, dialog, offer, tag)?;
    Ok(begin(step, arrival, id, way, side))
}

/// The caller's leg: a port is taken and the offer answered, though not yet sent.
fn caller_side(
    step: &mut Step<'_, '_>,
    arrival: &Arrival,
    id: CallId,
    dialog: Dialog,
    offer: Option<SessionDescription>,
    tag: compact_str::CompactString,
) -> Result<CallerSide, Refusal> {
    // The answer is tried on a port of nobody first, so that a refusal costs no port.
    let codecs = &step.cx.settings.codecs;
    if let Some(offer) = &offer {
        let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
        let nobody = hotline_media::command::PortGrant { worker: 0, address: unspecified, rtp: 9 };
        let session = Session::new(step.cx, &arrival.flow, &nobody);
        make_answer(offer, &session.local(codecs)).map_err(|refusal| {
            let warning = warning(step.cx, &refusal);
            Refusal::cause(refusal.status(), 65).with(HeaderName::Warning, warning)
        })?;
    }
    let partition = step.cx.mark.partition;
    let lines = !step.cx.config.mobiles.is_empty();
    let home = step.cx.ports.home(partition).filter(|_| lines);
    let granted = step.cx.ports.open(partition, home);
    let (leg, port) = granted.ok_or_else(|| Refusal::no_capacity(34))?;
    let session = Session::new(step.cx, &arrival.flow, &port);
    let answered = offer.as_ref().and_then(|offer| make_answer(offer, &session.local(codecs)).ok());
    let (local_sdp, agreed) = answered.unzip();
    let silence_limit_s = step.cx.config.limits.rtp_silence_s;
    let media = MediaLeg::open(step.cx.out, leg, port, silence_limit_s);
    let (binding, trunk) = match &arrival.caller {
        Caller::Trunk(trunk) => (None, Some(trunk)),
        Caller::Agent { number, .. } => (binding_of(step, arrival, number), None),
    };
    let leg = Leg {
        lane: Lane { call: id, leg: 0, flow: arrival.flow },
        dialog,
        media,
        session,
        local_sdp: local_sdp.map(Into::into),
        remote_sdp: offer.map(Into::into),
        awaits_answer: None,
        binding,
        to_contact: trunk.is_some(),
        held: agreed.is_some_and(|stream| !stream.direction.sends()),
        keys: None,
        holds: false,
        home: None,
    };
    Ok(CallerSide {
        leg,
        server: Some(arrival.server),
        connection: arrival.flow.connection,
        invite: Some(arrival.invite.clone()),
        tag,
        phase: Phase::Invited,
        agreed,
        early_media: trunk.is_none_or(|trunk| trunk.early_media),
    })
}

/// The binding of the phone that calls: the one on the flow of the INVITE.
fn binding_of(step: &Step<'_, '_>, arrival: &Arrival, number: &str) -> Option<Binding> {
    let bindings = step.cx.registrar.lookup(number);
    let bound = bindings.iter().find(|binding| binding.flow == arrival.flow)?;
    Some(Binding { number: number.to_owned(), contact: bound.contact.as_text().into_owned() })
}

fn way(step: &mut Step<'_, '_>, arrival: &Arrival) -> Result<Way, Refusal> {
    let invite = &arrival.invite;
    if let Some(way) = emergency_way(arrival) {
        return Ok(way);
    }
    if let Caller::Agent { .. } = arrival.caller
        && let Some(number) = invite.request_uri().ok().and_then(|uri: Uri| uri.user_text())
        && let Some(phone) = step.cx.config.softphones.get(&number)
    {
        let agent = step.cx.routing.agent(&phone.employee_id);
        let agent = agent.ok_or_else(|| Refusal::cause(404, 1))?;
        let target = Target::Agent(agent);
        return Ok(Way { target, dialled: number, resolution: None, tester: false });
    }
    if let Some(way) = star_way(step, arrival) {
        return Ok(way);
    }
    let trunk = match &arrival.caller {
        Caller::Trunk(trunk) => Some(&**trunk),
        Caller::Agent { .. } => None,
    };
    let rules = &step.cx.routing.config().number_rules;
    let dialled = dialled_number(invite, trunk, rules).map_err(|fault| match fault {
        NotANumber::Empty | NotANumber::TooLong => Refusal::cause(484, 28),
        NotANumber::Character { .. } => Refusal::cause(404, 1),
    })?;
    let (config, wall) = (step.cx.config, step.cx.now.wall);
    let tester = is_test_caller(config, &identity(arrival).number);
    let is_open = |name: &str| is_open(config, name, wall);
    let about = Circumstances { test_caller: tester, is_open: &is_open };
    let resolution =
        step.cx.routing.resolve(&dialled, about).map_err(|_| Refusal::cause(404, 1))?;
    let target = target(step, &resolution, tester)?;
    Ok(Way { target, dialled: dialled.into(), resolution: Some(resolution), tester })
}

/// An emergency number that an agent's phone has dialled: it goes out before anything else is asked.
fn emergency_way(arrival: &Arrival) -> Option<Way> {
    let Caller::Agent { .. } = &arrival.caller else { return None };
    let dialled = arrival.invite.request_uri().ok()?.user_text()?;
    let target = is_emergency(&dialled).then(|| Target::Emergency(dialled.clone()))?;
    Some(Way { target, dialled, resolution: None, tester: false })
}

/// A star code that an agent's phone has dialled.
fn star_way(step: &Step<'_, '_>, arrival: &Arrival) -> Option<Way> {
    let Caller::Agent { employee_id, .. } = &arrival.caller else { return None };
    let dialled = arrival.invite.request_uri().ok()?.user_text()?;
    let star = Star::of(&step.cx.config.single_phone.star_codes, &dialled)?;
    let agent = step.cx.routing.agent(employee_id)?;
    let before = step.cx.routing.agent_status(agent)?.state;
    let target = Target::Star(star, before);
    Some(Way { target, dialled, resolution: None, tester: false })
}

fn target(
    step: &mut Step<'_, '_>,
    resolution: &Resolution,
    tester: bool,
) -> Result<Target, Refusal> {
    let routing = &step.cx.routing;
    let Some(destination) = &resolution.destination else { return Ok(Target::Closed) };
    match destination {
        Destination::SkillQueue(name) => {
            let queue = routing.queue(name).ok_or_else(|| Refusal::cause(404, 3))?;
            let codes = &routing.config().access_codes;
            let code = codes.iter().find(|code| code.code == resolution.access_code);
            let settings = routing.queue_settings(queue);
            if settings.is_some_and(|queue| queue.draft && !tester) {
                return Err(Refusal::cause(404, 3));
            }
            let fits = code.zip(settings).is_some_and(|(code, queue)| fits(code.kind, queue.kind));
            if !fits {
                step.cx.notice(format!("queue {name:?} does not serve calls of its access code"));
                return Err(Refusal::cause(404, 3));
            }
            Ok(Target::Queue(queue))
        }
        Destination::Agent(employee_id) => {
            let agent = routing.agent(employee_id).ok_or_else(|| Refusal::cause(404, 1))?;
            Ok(Target::Agent(agent))
        }
        Destination::Flow(name) => Ok(Target::Flow(name.clone())),
    }
}

/// What an access code may reach, by its media type.
pub(crate) fn fits(code: AccessCodeType, queue: QueueType) -> bool {
    use AccessCodeType as A;
    use QueueType as Q;
    match code {
        A::Voice => queue == Q::Voice,
        A::Video => matches!(queue, Q::Video | Q::Voice),
        A::Multimedia => queue == Q::Multimedia,
        A::ClickToDial => matches!(queue, Q::VoiceClickToDial | Q::VideoClickToDial),
    }
}

fn identity(arrival: &Arrival) -> Identity {
    let invite = &arrival.invite;
    let asserted = invite.address(HeaderName::PAssertedIdentity).ok().flatten();
    let asserted = asserted.and_then(|address| address.uri.dialled());
    let from = invite.from().ok();
    let from_number = from.as_ref().and_then(|from| from.uri.dialled()).unwrap_or_default();
    let private = invite.header_text(HeaderName::Privacy).is_some_and(|privacy| {
        privacy.split([';', ',']).any(|word| matches!(word.trim(), "id" | "user" | "header"))
    });
    let anonymous = from_number.is_empty()
        || from_number.eq_ignore_ascii_case("anonymous")
        || from.is_some_and(|from| from.uri.host().eq_ignore_ascii_case("anonymous.invalid"));
    if let Caller::Agent { number, .. } = &arrival.caller {
        return Identity { number: number.clone(), charged: None, withheld: private };
    }
    let number = if anonymous { asserted.clone().unwrap_or_default() } else { from_number };
    let charged = asserted.filter(|asserted| *asserted != number);
    Identity { number, charged, withheld: private || anonymous }
}

/// The call in its first state. Routing is asked; its answer comes with this step.
fn begin(
    step: &mut Step<'_, '_>,
    arrival: &Arrival,
    id: CallId,
    way: Way,
    caller: CallerSide,
) -> Call {
    let identity = identity(arrival);
    let resolution = way.resolution.as_ref();
    let supervision = match way.target {
        // A call to one agent is answered by that agent: nothing has to be played before.
        Target::Agent(_) => None,
        _ => Some(resolution.map_or(AnswerSupervision::AtOnce, |found| found.answer_supervision)),
    };
    let language = resolution.and_then(|found| found.language.clone());
    let record = new_record(step, arrival, id, &way, &identity);
    let dialled_by = match &arrival.caller {
        Caller::Trunk(_) => None,
        Caller::Agent { employee_id, .. } => {
            let agent = step.cx.routing.agent(employee_id);
            agent.map(|agent| (agent, employee_id.clone()))
        }
    };
    let language = language.unwrap_or_else(|| remembered(step, &identity));
    let presented = (!identity.withheld && !identity.number.is_empty()).then_some(identity.number);
    let mut call = Call {
        dialled_by,
        supervision,
        presented,
        priority: resolution.map_or(0, |found| found.priority),
        waiting: Waiting::of(way.tester),
        hops_left: Endpoint::<User>::hops_left(&arrival.invite).unwrap_or(HOPS_MAX),
        ..Call::new(id, record, caller, language)
    };
    enter(step, &mut call);
    if let Caller::Trunk(trunk) = &arrival.caller {
        step.cx.channels.take(step.cx.config, trunk, call.caller.leg.media.leg);
    }
    call.admitted(step);
    ask_routing(step, &mut call, way.target);
    call
}

/// The language that a caller is remembered to speak, else the tenant's.
fn remembered(step: &Step<'_, '_>, identity: &Identity) -> String {
    let known = step.index.languages.of(&identity.number).filter(|_| !identity.withheld);
    known.unwrap_or(&step.cx.config.language).to_owned()
}

/// Makes the call findable by its dialog, transaction, port and agent.
fn enter(step: &mut Step<'_, '_>, call: &mut Call) {
    let serial = call.id.serial;
    let place = (serial, Side::Caller);
    step.index.tags.insert(call.caller.tag.clone(), place);
    if let Some(server) = call.caller.server {
        step.index.servers.insert(server, place);
    }
    if let Some(connection) = call.caller.connection {
        step.index.connections.entry(connection).or_default().insert(serial);
    }
    step.index.media.insert(call.caller.leg.media.leg, place);
    if let Some((agent, employee_id)) = &call.dialled_by {
        step.index.agents.insert(employee_id.clone(), serial);
        step.routed(Routed::DialsOut { agent: *agent });
    }
}

fn ask_routing(step: &mut Step<'_, '_>, call: &mut Call, target: Target) {
    let name = call_ref(call.id);
    match target {
        Target::Queue(queue) => {
            call.in_routing = true;
            let priority = call.priority;
            let (hops, test) = (call.waiting.hops, call.waiting.tester);
            step.routed(Routed::Arrived { call: name, queue, priority, hops, test });
        }
        Target::Agent(agent) => {
            call.in_routing = true;
            step.routed(Routed::ArrivedForAgent { call: name, agent });
        }
        Target::Flow(name) => call.enter_flow(step, &name),
        Target::Emergency(number) => call.call_for_help(step, &number),
        Target::Star(star, before) => call.serve_star(step, star, before),
        Target::Closed => {
            let reason = crate::record::ReleaseReason::OutOfHours;
            call.farewell(step, "closed", super::ending::Ending::of(reason));
        }
    }
}

fn new_record(
    step: &Step<'_, '_>,
    arrival: &Arrival,
    id: CallId,
    way: &Way,
    identity: &Identity,
) -> CallRecord {
    let sip_call_id = arrival.invite.call_id().unwrap_or_default();
    let resolution = way.resolution.as_ref();
    let route = match (&way.target, resolution.and_then(|found| found.destination.as_ref())) {
        (_, Some(Destination::SkillQueue(name))) => Some(format!("skill_queue {name:?}")),
        (_, Some(Destination::Flow(name))) => Some(format!("flow {name:?}")),
        (_, Some(Destination::Agent(employee_id))) => Some(format!("agent {employee_id:?}")),
        (Target::Emergency(_), None) => Some(String::from("emergency number")),
        (Target::Star(..), None) => Some(String::from("star code")),
        (Target::Closed, None) => Some(String::from("release \"closed\"")),
        (Target::Agent(agent), None) => {
            step.employee_id(*agent).map(|employee_id| format!("agent {employee_id:?}"))
        }
        _ => None,
    };
    CallRecord {
        call: id,
        trunk: match &arrival.caller {
            Caller::Trunk(trunk) => Some(trunk.name.clone()),
            Caller::Agent { .. } => None,
        },
        caller_sip_call_id: String::from_utf8_lossy(&sip_call_id).into_owned(),
        agent_sip_call_id: None,
        dialled: way.dialled.clone(),
        calling: Redacted::new(identity.number.clone()),
        charged: identity.charged.clone().map(Redacted::new),
        access_code: resolution.map(|found| found.access_code.to_string()),
        extension_code: resolution
            .and_then(|found| found.extension_code.as_ref().map(ToString::to_string)),
        route,
        queues: Vec::new(),
        offers: Vec::new(),
        agent: None,
        arrived: step.cx.now.wall,
        queued: None,
        offered: None,
        answered: None,
        connected: None,
        released: None,
        waiting_ms: 0,
        talk_ms: 0,
        q850: 0,
        sip_status: None,
        released_by: None,
        reason: None,
        caller_media: None,
        agent_media: None,
        signed_in: None,
        transfers: Vec::new(),
        data: Default::default(),
        test: resolution.is_some_and(|found| found.draft),
    }
}
