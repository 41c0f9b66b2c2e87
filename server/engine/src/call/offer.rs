//! [`Offer`]: a call being rung at one agent, at all contacts of its phone at once, or at its mobile.
//!
//! Owns: the INVITEs to the contacts, which answers are still expected, what the failures mean
//! together. Does not own: whom to ring and for how long (routing), the answered leg
//! ([`super::leg`]), INVITEs that were given up ([`super::parting`]).
//! RFC 3261 §13.2, §16.7 (best response), RFC 5373 (answer mode).

use super::Step;
use super::leg::{ALLOW, Binding, note_of, send_request};
use super::media::MediaLeg;
use super::outbound::{Shown, Way};
use super::parting::Sent;
use super::sdp::{Described, SDP, Session};
use super::trace::Lane;
use crate::id::CallId;
use compact_str::CompactString;
use hotline_media::command::Codec;
use hotline_media::offer_answer::{codecs_for_second_leg, make_offer};
use hotline_routing::{AgentRef, OfferFailure, OfferId, QueueRef};
use hotline_sip::build::RequestBuilder;
use hotline_sip::header::{HeaderName, NameAddr};
use hotline_sip::{ClientId, Method, Uri};
use smallvec::SmallVec;

/// Contacts rung at once; further ones, the oldest, are left out.
pub(crate) const CONTACTS_MAX: usize = 10;

/// A call being rung at one agent.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Routing's name for it.
    pub id: OfferId,
    /// Whom.
    pub agent: AgentRef,
    /// The same by employee ID.
    pub employee_id: String,
    /// The queue that delivers.
    pub queue: Option<QueueRef>,
    /// The media leg that whichever contact answers will have; gone to it once a mobile has
    /// answered.
    pub media: Option<MediaLeg>,
    /// The contacts that have not failed.
    pub branches: SmallVec<[Branch; 2]>,
    /// A mobile has answered, and is asked to accept: whoever answered may be a machine.
    pub confirming: bool,
    /// The best failure so far.
    failure: Option<OfferFailure>,
}

/// One contact that rings.
#[derive(Debug)]
pub(crate) struct Branch {
    /// Call, leg, flow.
    pub lane: Lane,
    /// The INVITE.
    pub client: ClientId,
    /// Our side of the session.
    pub session: Session,
    /// Our offer.
    pub sdp: Described,
    /// The binding of a registered phone; `None` for a mobile.
    pub binding: Option<Binding>,
    /// Whether it has said that it rings.
    rings: bool,
}

impl Branch {
    /// Its INVITE, and the way to whom it calls: a mobile's is a trunk's.
    pub fn sent(&self) -> Sent {
        Sent { lane: self.lane, client: self.client, to_contact: self.binding.is_none() }
    }
}

/// Who is shown to the agent.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    /// Display name, template filled in.
    pub display: String,
    /// Calling number; none if withheld.
    pub number: Option<String>,
    /// What flows have attached to the call, as User-to-User carries it.
    pub data: Option<String>,
}

/// What all branches of an offer have in common.
struct Common {
    call: CallId,
    from: Vec<u8>,
    sip_call_id: CompactString,
    codecs: SmallVec<[Codec; 2]>,
    data: Option<String>,
    automatic: bool,
}

impl Offer {
    /// An offer without branches.
    pub fn new(
        id: OfferId,
        agent: AgentRef,
        employee_id: String,
        queue: Option<QueueRef>,
        media: MediaLeg,
    ) -> Offer {
        let (branches, media) = (SmallVec::new(), Some(media));
        let confirming = false;
        Offer { id, agent, employee_id, queue, media, branches, confirming, failure: None }
    }

    /// Sends INVITE to every contact of the agent's phones. Gives back our SIP Call-ID and tag; no
    /// branch if no phone is registered.
    pub fn ring(
        &mut self,
        step: &mut Step<'_, '_>,
        call: CallId,
        next_leg: &mut u16,
        presented: &Presented,
        first_codec: Option<Codec>,
    ) -> (CompactString, CompactString) {
        let tag = step.cx.mark.mint_tag(step.cx.rng);
        let sip_call_id = step.cx.mark.mint_call_id(step.cx.rng, "");
        let codecs = match first_codec {
            Some(codec) => codecs_for_second_leg(codec, &step.cx.settings.codecs),
            None => step.cx.settings.codecs.iter().copied().collect(),
        };
        let from = from_value(step, presented, &tag);
        let mut common = Common {
            call,
            from,
            sip_call_id,
            codecs,
            data: presented.data.clone(),
            automatic: false,
        };
        let config = step.cx.config.clone();
        let numbers = step.index.softphones_of(&config, &self.employee_id);
        // Contacts at which nobody was there last time are tried only if there are no others.
        for also_failed in [false, true] {
            if !self.branches.is_empty() {
                break;
            }
            for number in &numbers {
                common.automatic =
                    config.softphones.get(number).is_some_and(|phone| phone.automatic_answer);
                self.ring_phone(step, &common, next_leg, number, also_failed);
            }
        }
        (common.sip_call_id, tag)
    }

    fn ring_phone(
        &mut self,
        step: &mut Step<'_, '_>,
        common: &Common,
        next_leg: &mut u16,
        number: &str,
        also_failed: bool,
    ) {
        let contacts: SmallVec<[_; 2]> = step
            .cx
            .registrar
            .lookup(number)
            .iter()
            .rev()
            .filter(|binding| binding.is_reachable() && (also_failed || !binding.has_failed()))
            .take(CONTACTS_MAX.saturating_sub(self.branches.len()))
            .map(|binding| (binding.contact.clone(), binding.flow))
            .collect();
        let Some(port) = self.media.as_ref().map(|media| media.port) else { return };
        for (contact, flow) in contacts {
            *next_leg = next_leg.saturating_add(1);
            let lane = Lane { call: common.call, leg: *next_leg, flow };
            let session = Session::new(step.cx, &flow, &port);
            let sdp = Described::from(make_offer(&session.local(&common.codecs)));
            let binding =
                Binding { number: number.to_owned(), contact: contact.as_text().into_owned() };
            let binding = Some(binding);
            let request = invite(step, common, number, contact)
                .header(HeaderName::Contact, step.contact(&flow))
                .body(SDP, sdp.text().to_owned());
            if let Some(client) = send_request(step, &lane, request, note_of(&sdp)) {
                let branch = Branch { lane, client, session, sdp, binding, rings: false };
                self.branches.push(branch);
            }
        }
    }

    /// Sends an INVITE to the agent's mobile. Gives back our SIP Call-ID; no branch if it could not
    /// be sent.
    pub fn ring_mobile(
        &mut self,
        step: &mut Step<'_, '_>,
        call: CallId,
        next_leg: &mut u16,
        (way, shown): (&Way, &Shown),
        first_codec: Option<Codec>,
    ) -> CompactString {
        let tag = step.cx.mark.mint_tag(step.cx.rng);
        let sip_call_id = step.cx.mark.mint_call_id(step.cx.rng, "");
        let codecs = match first_codec {
            Some(codec) => codecs_for_second_leg(codec, &step.cx.settings.codecs),
            None => step.cx.settings.codecs.iter().copied().collect(),
        };
        let Some(media) = &self.media else { return sip_call_id };
        *next_leg = next_leg.saturating_add(1);
        let lane = Lane { call, leg: *next_leg, flow: way.flow };
        let session = Session::new(step.cx, &way.flow, &media.port);
        let sdp = Described::from(make_offer(&session.local(&codecs)));
        step.cx.channels.take(step.cx.config, &way.trunk, media.leg);
        if let Some(client) = way.invite(step, &lane, shown, (&sip_call_id, &tag), &sdp) {
            let branch = Branch { lane, client, session, sdp, binding: None, rings: false };
            self.branches.push(branch);
        }
        sip_call_id
    }

    /// An offer to an agent on a held line, who is asked to accept it.
    pub fn on_line(
        id: OfferId,
        agent: AgentRef,
        employee_id: String,
        queue: Option<QueueRef>,
    ) -> Offer {
        let branches = SmallVec::new();
        let media = None;
        Offer { id, agent, employee_id, queue, media, branches, confirming: true, failure: None }
    }

    /// Nothing is rung, and why.
    pub fn cannot_ring(&mut self, why: OfferFailure) {
        self.failure = Some(why);
    }

    /// The branch of a leg number.
    pub fn branch(&self, leg: u16) -> Option<usize> {
        self.branches.iter().position(|branch| branch.lane.leg == leg)
    }

    /// A provisional response.
    pub fn provisional(&mut self, leg: u16, status: u16) {
        if let Some(branch) = self.branches.iter_mut().find(|branch| branch.lane.leg == leg)
            && status > 100
        {
            branch.rings = true;
        }
    }

    /// A contact has failed with this status (408 for no answer at all, 503 for its transport).
    pub fn failed(&mut self, leg: u16, status: u16) {
        let Some(at) = self.branch(leg) else { return };
        let branch = self.branches.remove(at);
        let failure = match branch.binding {
            Some(_) => meaning(status, branch.rings),
            None => meaning_of_mobile(status),
        };
        let better = self.failure.is_none_or(|known| rank(failure) > rank(known));
        if better {
            self.failure = Some(failure);
        }
    }

    /// What the offer came to, once no contact is left.
    pub fn outcome(&self) -> Option<OfferFailure> {
        let best = self.failure.unwrap_or(OfferFailure::PhoneUnavailable);
        self.branches.is_empty().then_some(best)
    }
}

/// What a failure of one contact means (docs/softphones.md).
fn meaning(status: u16, rang: bool) -> OfferFailure {
    match status {
        300..400 | 486 | 600 | 603 | 607 | 608 => OfferFailure::Rejected,
        408 | 487 if rang => OfferFailure::NoAnswer,
        487 => OfferFailure::NoAnswer,
        _ => OfferFailure::PhoneUnavailable,
    }
}

/// The same of a mobile behind a carrier: 480 is one that is switched off or in a tunnel.
fn meaning_of_mobile(status: u16) -> OfferFailure {
    match status {
        408 | 480 | 487 => OfferFailure::NoAnswer,
        486 | 600 | 603 => OfferFailure::Rejected,
        _ => OfferFailure::PhoneUnavailable,
    }
}

/// Of several failures the one that says most about the agent counts.
fn rank(failure: OfferFailure) -> u8 {
    match failure {
        OfferFailure::PhoneUnavailable | OfferFailure::NoCapacity => 0,
        OfferFailure::AgentGone => 1,
        OfferFailure::NoAnswer => 2,
        OfferFailure::Rejected => 3,
    }
}

fn invite(step: &Step<'_, '_>, common: &Common, number: &str, contact: Uri) -> RequestBuilder {
    let domain = step.domain();
    let to = Uri::sip(Some(number), &domain, None).map(NameAddr::of);
    let to = to.unwrap_or_else(|_| NameAddr::of(contact.clone()));
    let request = RequestBuilder::new(Method::Invite, contact)
        .from(&common.from)
        .to(to.to_bytes())
        .call_id(common.sip_call_id.as_bytes())
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::UserAgent, &step.cx.settings.user_agent);
    let request = match &common.data {
        Some(data) => request.header(HeaderName::UserToUser, data),
        None => request,
    };
    if !common.automatic {
        return request;
    }
    request
        .header(HeaderName::AnswerMode, "Auto")
        .header(HeaderName::CallInfo, "<>;answer-after=0")
        .header(HeaderName::AlertInfo, "info=alert-autoanswer")
}

/// From: the caller as the agent sees it (RFC 3323 §4.1.1.3 for the withheld one).
fn from_value(step: &Step<'_, '_>, presented: &Presented, tag: &str) -> Vec<u8> {
    let domain = step.domain();
    let uri = match &presented.number {
        Some(number) => Uri::sip(Some(number), &domain, None),
        None => Uri::sip(Some("anonymous"), "anonymous.invalid", None),
    };
    let address = uri.ok().and_then(|uri| {
        NameAddr::of(uri).with_display_name(Some(&presented.display)).with_tag(tag).ok()
    });
    match address {
        Some(address) => address.to_bytes().to_vec(),
        None => format!("<sip:anonymous@anonymous.invalid>;tag={tag}").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_says_about_the_agent() {
        use OfferFailure::{NoAnswer, PhoneUnavailable, Rejected};
        for (status, rang, expected) in [
            (486, false, Rejected),
            (603, true, Rejected),
            (600, true, Rejected),
            (302, false, Rejected),
            (480, false, PhoneUnavailable),
            (480, true, PhoneUnavailable),
            (503, true, PhoneUnavailable),
            (408, false, PhoneUnavailable),
            (408, true, NoAnswer),
            (487, false, NoAnswer),
            (401, false, PhoneUnavailable),
            (404, false, PhoneUnavailable),
            (488, true, PhoneUnavailable),
        ] {
            assert_eq!(meaning(status, rang), expected, "{status} rang={rang}");
        }
        assert!(rank(Rejected) > rank(NoAnswer) && rank(NoAnswer) > rank(PhoneUnavailable));
    }
}
