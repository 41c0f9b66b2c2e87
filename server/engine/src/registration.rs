//! Registration: from an admitted REGISTER to bindings, journal and agent (RFC 3261 §10).
//!
//! Owns: what follows from the registrar's news. Does not own: the rules of REGISTER
//! (`hotline_sip::registrar`), who may register ([`crate::access`]), what becomes of an agent whose
//! phone comes or goes (routing, by the tenant's policy).
//!
//! ```text
//! phone                    engine                        routing            journal
//!   REGISTER ────────────→ first contact of the number → Registered         BindingAdded
//!   ←───────────────── 200
//!   REGISTER (refresh) ──→ the same contact and flow                        BindingRefreshed
//!   REGISTER expires=0, TCP closed, time over → last one → Unregistered     BindingRemoved
//! ```

use crate::agents::BY_REGISTRATION;
use crate::context::Context;
use crate::event::{EventKind, StoredBinding};
use crate::input::Output;
use compact_str::CompactString;
use hotline_routing::Input;
use hotline_sip::header::HeaderName;
use hotline_sip::registrar::{BindingId, RegistrarEvent};
use hotline_sip::{Flow, Message, ServerId, Uri};
use smallvec::SmallVec;

/// Where the contacts of an address were before a REGISTER: a refresh that moves none of them is
/// written behind, one that does goes into the journal.
pub(crate) type Before = SmallVec<[(BindingId, Flow, Uri); 2]>;

/// Acts upon an admitted REGISTER and answers it. The news are polled by the tenant, with what is
/// returned.
pub(crate) fn register(
    cx: &mut Context<'_>,
    server: ServerId,
    flow: Flow,
    request: &Message,
    number: &str,
) -> Before {
    let known = cx.registrar.lookup(number).iter();
    let before = known.map(|b| (b.id, b.flow, b.contact.clone())).collect();
    let response = cx.registrar.register(cx.now, number, request, flow);
    let tag = cx.endpoint.mint_tag(cx.mark);
    let response = response.to_tag(&tag).header(HeaderName::Server, &cx.settings.user_agent);
    if response.status() >= 300 {
        cx.counters.refused += 1;
    }
    if cx.endpoint.respond(cx.now, server, response).is_err() {
        cx.notice(String::from("a REGISTER could not be answered: the response was too large"));
    }
    before
}

/// One change of the registrar.
pub(crate) fn changed(cx: &mut Context<'_>, event: RegistrarEvent, before: &Before) {
    match event {
        RegistrarEvent::Added { aor, binding } => {
            if let Some(stored) = stored(cx, &aor, binding) {
                cx.journal(EventKind::BindingAdded { binding: stored });
            }
        }
        RegistrarEvent::Refreshed { aor, binding: id } => {
            let now = cx.registrar.lookup(&aor).iter().find(|binding| binding.id == id);
            let moved = now.is_some_and(|now| {
                let then = before.iter().find(|(known, _, _)| *known == id);
                then.is_none_or(|(_, flow, contact)| {
                    (flow.local, flow.remote, flow.transport)
                        != (now.flow.local, now.flow.remote, now.flow.transport)
                        || *contact != now.contact
                })
            });
            let Some(binding) = stored(cx, &aor, id) else { return };
            match moved {
                true => cx.journal(EventKind::BindingAdded { binding }),
                false => {
                    let partition = cx.partition();
                    cx.out.push_back(Output::BindingRefreshed { partition, binding });
                }
            }
        }
        RegistrarEvent::Removed { aor, binding, .. } => cx.journal(EventKind::BindingRemoved {
            number: aor.into_string(),
            contact: binding.contact.as_text().into_owned(),
        }),
        RegistrarEvent::CameOnline { aor } => {
            if let Some(agent) = agent_of(cx, &aor) {
                let input = Input::Registered { agent, session: BY_REGISTRATION };
                cx.routing.handle(cx.now, input);
            }
        }
        RegistrarEvent::WentOffline { aor, .. } => {
            if let Some(agent) = agent_of(cx, &aor) {
                cx.routing.handle(cx.now, Input::Unregistered { agent });
            }
        }
    }
}

/// Takes stored bindings back. Those that ended meanwhile, or whose softphone is gone, are
/// reported as removed; an agent left without any has lost its registration.
pub(crate) fn restore(cx: &mut Context<'_>, bindings: Vec<StoredBinding>) -> Vec<CompactString> {
    let mut lost: Vec<CompactString> = Vec::new();
    for binding in bindings {
        let number = binding.aor.clone();
        let known = cx.config.softphones.contains_key(number.as_str());
        let contact = binding.contact.clone();
        let taken = known && cx.registrar.restore(cx.now, [binding]) == 1;
        if !taken {
            cx.journal(EventKind::BindingRemoved { number: number.to_string(), contact });
            lost.push(number);
        }
    }
    lost.sort_unstable();
    lost.dedup();
    lost.retain(|number| cx.registrar.lookup(number).is_empty());
    lost
}

/// The agents of these numbers have lost their registration while nobody watched.
pub(crate) fn lost(cx: &mut Context<'_>, numbers: &[CompactString]) {
    for number in numbers {
        if let Some(agent) = agent_of(cx, number) {
            cx.routing.handle(cx.now, Input::Unregistered { agent });
        }
    }
}

fn agent_of(cx: &Context<'_>, number: &str) -> Option<hotline_routing::AgentRef> {
    cx.routing.agent(&cx.config.softphones.get(number)?.employee_id)
}

fn stored(cx: &Context<'_>, aor: &str, id: BindingId) -> Option<StoredBinding> {
    let binding = cx.registrar.lookup(aor).iter().find(|binding| binding.id == id)?;
    Some(binding.stored(aor))
}
