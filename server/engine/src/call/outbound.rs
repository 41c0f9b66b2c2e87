//! INVITEs of ours through trunks: to agents' mobiles and to outside numbers.
//!
//! Owns: who may be called through which trunk, in which form the number is written, which number
//! is shown. Does not own: what follows from the responses ([`super::ringing`],
//! [`super::consult`]).
//! RFC 3261 §8.1, §13.2; RFC 3323 §4.1.1.3 (withheld), RFC 3325 §9.1 (asserted identity).
//!
//! A call out costs somebody money, so nothing goes out by accident: only through a trunk of this
//! tenant or of the node that says where to ([`Trunk::target`]), within its channels, to something
//! that looks like a number, not back to ourselves, and with one hop less than it came with.
//! Emergency numbers always go out, over any trunk that leads out, whatever it may call otherwise.

use super::Step;
use super::leg::{ALLOW, note_of, send_request};
use super::sdp::{Described, SDP};
use super::trace::Lane;
use crate::config::{Trunk, TrunkTransport};
use hotline_routing::Circumstances;
use hotline_routing::number::is_emergency;
use hotline_sip::build::RequestBuilder;
use hotline_sip::flow::{Flow, Transport};
use hotline_sip::header::{HeaderName, NameAddr};
use hotline_sip::{ClientId, Method, Uri};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Most digits of an outside number: E.164's fifteen, and a carrier's prefix.
pub(crate) const OUTSIDE_DIGITS_MAX: usize = hotline_ivr::model::OUTSIDE_DIGITS_MAX;
/// Hops of a call that begins here.
pub(crate) const HOPS_MAX: u8 = 70;

/// Why a number is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// There is no such trunk.
    NoTrunk,
    /// The trunk does not say where calls go.
    NoTarget,
    /// It is no number that can be dialled.
    NotANumber,
    /// It begins with nothing that the trunk's `outside_prefixes` allow: nobody may pay for it.
    NotAllowed,
    /// It is one of our own numbers: the call would come back.
    Ours,
    /// The call has come too far already.
    TooManyHops,
    /// All of the trunk's channels are in use.
    NoChannel,
}

impl Barred {
    /// What the operator reads; never the number.
    pub fn text(self, trunk: &str) -> String {
        match self {
            Barred::NoTrunk => format!("there is no trunk {trunk:?} to call a number by"),
            Barred::NoTarget => format!("trunk {trunk:?} has no target: nothing is called by it"),
            Barred::NotANumber => String::from("an outside number is none: it was not called"),
            Barred::NotAllowed => format!(
                "trunk {trunk:?}: an outside number begins with none of its outside_prefixes; it was \
                 not called"
            ),
            Barred::Ours => String::from("an outside number is one of ours: it was not called"),
            Barred::TooManyHops => String::from("a call came by too many hops to go out again"),
            Barred::NoChannel => format!("all channels of trunk {trunk:?} are in use"),
        }
    }
}

/// How a number is reached.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// By which trunk.
    pub trunk: Arc<Trunk>,
    /// The flow of the INVITE.
    pub flow: Flow,
    uri: Uri,
    hops: u8,
}

/// Who is shown to whom we call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Display name.
    pub display: String,
    /// Number; `None`: withheld.
    pub number: Option<String>,
    /// The number of ours that answers for the call towards the carrier.
    pub asserted: Option<String>,
}

/// Whose wish it is that a number is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The administrator's, who configured an agent's mobile.
    Mobile,
    /// A flow's or an agent's, perhaps with digits of a caller.
    Outside,
}

/// The trunk by which agents reach numbers outside: the one of their mobiles; for an emergency any
/// that leads out.
pub(crate) fn trunk_of_agents(step: &Step<'_, '_>, number: &str) -> Option<String> {
    let set = step.cx.config.single_phone.trunk.clone();
    let any = || {
        let mut trunks = step.cx.trunks.iter().filter(|trunk| trunk.target.is_some());
        trunks.next().filter(|_| is_emergency(number)).map(|trunk| trunk.name.clone())
    };
    set.or_else(any)
}

/// How a number is reached by a trunk, if it may be.
///
/// # Errors
/// [`Barred`]; nothing was sent.
pub(crate) fn way(
    step: &Step<'_, '_>,
    trunk: &str,
    number: &str,
    wish: Wish,
    hops_left: u8,
) -> Result<Way, Barred> {
    let trunks = step.cx.trunks;
    let trunk = trunks.iter().find(|known| known.name == trunk).ok_or(Barred::NoTrunk)?;
    let target = trunk.target.ok_or(Barred::NoTarget)?;
    let digits = number.strip_prefix('+').unwrap_or(number);
    let fits = (1..=OUTSIDE_DIGITS_MAX).contains(&digits.len());
    if !fits || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Barred::NotANumber);
    }
    let emergency = is_emergency(number);
    if wish == Wish::Outside && !emergency && !trunk.may_call(number) {
        return Err(Barred::NotAllowed);
    }
    let rules = &step.cx.routing.config().number_rules;
    let known = |number: &str| step.cx.routing.resolve(number, Circumstances::ANY).is_ok();
    let ours = rules.normalise(number).is_ok_and(|number| known(&number));
    if (ours || known(digits)) && !emergency {
        return Err(Barred::Ours);
    }
    let hops = hops_left.checked_sub(1).filter(|hops| *hops > 0).ok_or(Barred::TooManyHops)?;
    if !emergency && !step.cx.channels.are_left(step.cx.config, trunk) {
        return Err(Barred::NoChannel);
    }
    let transport = match trunk.transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
    };
    let any: IpAddr = match target.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let local = trunk.local.unwrap_or(SocketAddr::new(any, transport.default_port()));
    let host = match target.ip() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let number = written(trunk, number);
    let uri = Uri::sip(Some(&number), &host, Some(target.port()));
    let uri = uri.map_err(|_| Barred::NotANumber)?;
    let uri = match transport {
        Transport::Udp => uri,
        _ => uri.with_param("transport", Some("tcp")).map_err(|_| Barred::NotANumber)?,
    };
    let flow = Flow { transport, local, remote: target, connection: None };
    Ok(Way { trunk: Arc::clone(trunk), flow, uri, hops })
}

/// A number as the trunk wants it written.
fn written(trunk: &Trunk, number: &str) -> String {
    let rule = trunk.outbound_rules.iter().find_map(|rule| {
        let rest = number.strip_prefix(rule.prefix.as_str())?;
        Some(format!("{}{rest}", rule.with))
    });
    rule.unwrap_or_else(|| number.to_owned())
}

impl Way {
    /// Sends the INVITE.
    pub fn invite(
        &self,
        step: &mut Step<'_, '_>,
        lane: &Lane,
        shown: &Shown,
        (sip_call_id, tag): (&str, &str),
        sdp: &Described,
    ) -> Option<ClientId> {
        let to = NameAddr::of(self.uri.clone());
        let mut request = RequestBuilder::new(Method::Invite, self.uri.clone())
            .from(from_value(step, shown, tag))
            .to(to.to_bytes())
            .call_id(sip_call_id.as_bytes())
            .max_forwards(self.hops)
            .header(HeaderName::Contact, step.contact(&self.flow))
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::UserAgent, &step.cx.settings.user_agent);
        let asserted = shown.asserted.as_ref().or(shown.number.as_ref());
        if let Some(uri) = asserted.and_then(|it| Uri::sip(Some(it), &step.domain(), None).ok()) {
            let value = NameAddr::of(uri).to_bytes();
            request = request.header(HeaderName::PAssertedIdentity, value);
        }
        if shown.number.is_none() {
            request = request.header(HeaderName::Privacy, "id");
        }
        let request = request.body(SDP, sdp.text().to_owned());
        send_request(step, lane, request, note_of(sdp))
    }
}

fn from_value(step: &Step<'_, '_>, shown: &Shown, tag: &str) -> Vec<u8> {
    let uri = match &shown.number {
        Some(number) => Uri::sip(Some(number), &step.domain(), None),
        None => Uri::sip(Some("anonymous"), "anonymous.invalid", None),
    };
    let display = Some(shown.display.as_str()).filter(|display| !display.is_empty());
    let address =
        uri.ok().and_then(|uri| NameAddr::of(uri).with_display_name(display).with_tag(tag).ok());
    match address {
        Some(address) => address.to_bytes().to_vec(),
        None => format!("<sip:anonymous@anonymous.invalid>;tag={tag}").into_bytes(),
    }
}

/// The number of the tenant's own that stands for it: its main number, else the access code that
/// was dialled, else its first.
pub(crate) fn own_number(step: &Step<'_, '_>, dialled: Option<&str>) -> Option<String> {
    let config = step.cx.config;
    let first = || config.routing.access_codes.first().map(|code| code.code.clone());
    config.main_number.clone().or_else(|| dialled.map(str::to_owned)).or_else(first)
}

/// What an outside party sees of an agent who calls it, or hands a customer over to it: the number
/// that the agent's settings say, else one of the tenant's.
pub(crate) fn shown_of_agent(
    step: &Step<'_, '_>,
    employee_id: &str,
    dialled: Option<&str>,
) -> Shown {
    let set = step.cx.config.number_shown_to_customer(employee_id).map(str::to_owned);
    let number = set.or_else(|| own_number(step, dialled));
    Shown { number: number.clone(), asserted: number, ..Shown::default() }
}

/// What a mobile agent sees: the number that may be shown of its customer, else one of the tenant's.
pub(crate) fn shown_to_agent(
    step: &Step<'_, '_>,
    customer: Option<String>,
    display: String,
    dialled: Option<&str>,
) -> Shown {
    let set = step.cx.config.single_phone.number_shown.clone();
    let own = set.or_else(|| own_number(step, dialled));
    Shown { display, number: customer.or_else(|| own.clone()), asserted: own }
}
