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
//!   REGISTER (moved) ────→ new, moved, back again        → Reachable        BindingAdded
//!   REGISTER expires=0, TCP closed, time over → last one → Unregistered     BindingRemoved
//! ```

use crate::agents::BY_REGISTRATION;
use crate::context::Context;
use crate::event::{EventKind, StoredBinding};
use crate::input::Output;
use hotline_routing::Input;
use hotline_sip::header::HeaderName;
use hotline_sip::registrar::{Binding, BindingId, RegistrarEvent};
use hotline_sip::{Flow, Message, ServerId, Uri};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// Where the contacts of an address were before a REGISTER: a refresh that moves none of them is
/// written behind, one that does goes into the journal.
pub(crate) type Before = SmallVec<[Known; 2]>;

/// A contact as it was before a REGISTER.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    id: BindingId,
    flow: Flow,
    contact: Uri,
    /// Whether calls could be sent to it.
    reached: bool,
}

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
    let before = known
        .map(|b| {
            let reached = b.is_reachable() && !b.has_failed();
            Known { id: b.id, flow: b.flow, contact: b.contact.clone(), reached }
        })
        .collect();
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
            reachable(cx, &aor);
        }
        RegistrarEvent::Refreshed { aor, binding: id } => {
            let now = cx.registrar.lookup(&aor).iter().find(|binding| binding.id == id);
            let then = before.iter().find(|known| known.id == id);
            let moved = now.is_some_and(|now| {
                then.is_none_or(|Known { flow, contact, .. }| {
                    (flow.local, flow.remote, flow.transport)
                        != (now.flow.local, now.flow.remote, now.flow.transport)
                        || *contact != now.contact
                })
            });
            let came_back = now
                .is_some_and(|now| then.is_none_or(|then| !then.reached || then.flow != now.flow));
            if moved || came_back {
                reachable(cx, &aor);
            }
            let Some(binding) = stored(cx, &aor, id) else { return };
            // Bindings are stored by number and contact: under a new one the old would stay.
            if let Some(then) = then.filter(|then| then.contact.as_text() != binding.contact) {
                cx.journal(EventKind::BindingRemoved {
                    number: aor.to_string(),
                    contact: then.contact.as_text().into_owned(),
                });
            }
            match moved {
                true => cx.journal(EventKind::BindingAdded { binding }),
                false => {
                    let partition = cx.partition();
                    cx.out.push_back(Output::BindingRefreshed { partition, binding });
                }
            }
        }
        RegistrarEvent::Removed { aor, binding, .. } => {
            let left = cx.registrar.lookup(&aor);
            if !left.is_empty() && !left.iter().any(Binding::is_reachable) {
                unreachable(cx);
            }
            cx.journal(EventKind::BindingRemoved {
                number: aor.into_string(),
                contact: binding.contact.as_text().into_owned(),
            });
        }
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
/// reported as removed. Their agents, and those of `by_registration` (whose bindings may have been
/// lost in any way), have lost their registration if they are left without any: their employee
/// IDs.
pub(crate) fn restore(
    cx: &mut Context<'_>,
    bindings: Vec<StoredBinding>,
    by_registration: Vec<String>,
) -> BTreeSet<String> {
    let mut lost: BTreeSet<String> = by_registration.into_iter().collect();
    for binding in bindings {
        let number = binding.aor.clone();
        let known = cx.config.softphones.contains_key(number.as_str());
        let contact = binding.contact.clone();
        let taken = known && cx.registrar.restore(cx.now, [binding]) == 1;
        if !taken {
            cx.journal(EventKind::BindingRemoved { number: number.to_string(), contact });
            lost.extend(cx.config.softphones.get(&*number).map(|phone| phone.employee_id.clone()));
        }
    }
    for (number, phone) in &cx.config.softphones {
        if !cx.registrar.lookup(number).is_empty() {
            lost.remove(&phone.employee_id);
        }
    }
    unreachable(cx);
    lost
}

/// These agents have lost their registration while nobody watched.
pub(crate) fn lost(cx: &mut Context<'_>, employee_ids: &BTreeSet<String>) {
    for employee_id in employee_ids {
        if let Some(agent) = cx.routing.agent(employee_id) {
            cx.routing.handle(cx.now, Input::Unregistered { agent });
        }
    }
}

/// A phone of this number can be reached (again).
fn reachable(cx: &mut Context<'_>, number: &str) {
    if let Some(agent) = agent_of(cx, number) {
        cx.routing.handle(cx.now, Input::Reachable { agent });
    }
}

/// Tells routing which agents have contacts of which none can be reached: after a restart, those
/// over connections that died with the old process.
fn unreachable(cx: &mut Context<'_>) {
    let mut agents: BTreeMap<&str, bool> = BTreeMap::new();
    for (number, phone) in &cx.config.softphones {
        let contacts = cx.registrar.lookup(number);
        if !contacts.is_empty() {
            let reached = agents.entry(&phone.employee_id).or_default();
            *reached |= contacts.iter().any(Binding::is_reachable);
        }
    }
    for (employee_id, _) in agents.into_iter().filter(|(_, reached)| !reached) {
        if let Some(agent) = cx.routing.agent(employee_id) {
            cx.routing.handle(cx.now, Input::Unreachable { agent });
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
