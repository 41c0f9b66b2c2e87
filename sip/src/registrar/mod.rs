//! [`Registrar`]: which contacts an address-of-record has, and over which flows (RFC 3261 §10).
//!
//! Owns: bindings, their expiry, the rules of REGISTER (wholly or not at all, `Contact: *`,
//! Call-ID and CSeq order, interval limits), and the news that an address came or went. Does not
//! own: who may register (digest, and the canonical name of the address, are judged before), and
//! storage: it reports each change and takes stored bindings back.
//!
//! One registrar serves one partition. It is driven like every machine here: an input, then
//! [`Registrar::poll_event`] until empty, then [`Registrar::deadline`].
//!
//! ```text
//! REGISTER → requested() reads it whole → plan: every contact judged → all written, or none
//!                                                    ↓ 423, 500, 403, 400: nothing changed
//! ```

mod binding;
mod request;
#[cfg(test)]
mod tests;

pub use binding::{Binding, BindingId, StoredBinding};

use crate::build::ResponseBuilder;
use crate::flow::{ConnectionId, Flow};
use crate::header::HeaderName;
use crate::message::Message;
use binding::http_date;
use compact_str::CompactString;
use hotline_base::{Mono, Now, Rng, SecretMap, TimerWheel};
use request::{Requested, Wanted};
use slab::Slab;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::time::Duration;

/// Limits of a [`Registrar`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrarSettings {
    /// Most contacts of one address; a request that would make more gets 403. Default 10.
    pub contacts_max: usize,
    /// The interval when none is asked for, in seconds. Default 3600.
    pub expires_default_s: u32,
    /// A shorter interval gets 423, in seconds. Default 60.
    pub expires_min_s: u32,
    /// A longer interval is cut to this, in seconds. Default 7200.
    pub expires_max_s: u32,
}

impl Default for RegistrarSettings {
    fn default() -> Self {
        RegistrarSettings {
            contacts_max: 10,
            expires_default_s: 3600,
            expires_min_s: 60,
            expires_max_s: 7200,
        }
    }
}

/// Why a binding was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Removal {
    /// The phone asked for it.
    Unregistered,
    /// It was not refreshed in time.
    Expired,
    /// Its connection closed: nothing can reach the phone there.
    FlowClosed,
    /// An operator or the configuration removed it.
    Administrative,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrarEvent {
    /// A new contact.
    Added {
        /// The address.
        aor: CompactString,
        /// The binding; read it with [`Registrar::lookup`].
        binding: BindingId,
    },
    /// A contact was refreshed (and perhaps moved to another flow).
    Refreshed {
        /// The address.
        aor: CompactString,
        /// The binding.
        binding: BindingId,
    },
    /// A contact is gone.
    Removed {
        /// The address.
        aor: CompactString,
        /// The binding that was.
        binding: Box<Binding>,
        /// Why.
        why: Removal,
    },
    /// The address has its first contact. Never reported for restored bindings.
    CameOnline {
        /// The address.
        aor: CompactString,
    },
    /// The address has lost its last contact, for the reason of that one.
    WentOffline {
        /// The address.
        aor: CompactString,
        /// Why the last contact went.
        why: Removal,
    },
}

#[derive(Debug)]
struct Address {
    name: CompactString,
    bindings: SmallVec<[Binding; 1]>,
}

/// A binding, by the slot of its address.
type Place = (usize, BindingId);

/// The bindings of a partition; see the module.
pub struct Registrar {
    settings: RegistrarSettings,
    addresses: Slab<Address>,
    by_name: SecretMap<CompactString, usize>,
    by_connection: SecretMap<ConnectionId, SmallVec<[Place; 1]>>,
    timers: TimerWheel<Place>,
    events: VecDeque<RegistrarEvent>,
    next: u64,
    bindings: usize,
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar")
            .field("addresses", &self.addresses.len())
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

impl Registrar {
    /// A registrar without bindings; `rng` seeds its tables.
    pub fn new(settings: RegistrarSettings, rng: &mut Rng) -> Registrar {
        Registrar {
            settings,
            addresses: Slab::new(),
            by_name: SecretMap::new(rng),
            by_connection: SecretMap::new(rng),
            timers: TimerWheel::new(),
            events: VecDeque::new(),
            next: 0,
            bindings: 0,
        }
    }

    /// Other limits, for requests from now on.
    pub fn set_settings(&mut self, settings: RegistrarSettings) {
        self.settings = settings;
    }

    /// The next change; call until `None` after each input.
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    /// When [`Registrar::expire`] is to be called next.
    pub fn deadline(&self) -> Option<Mono> {
        self.timers.next_deadline()
    }

    /// `(addresses with a contact, contacts)`.
    pub fn counts(&self) -> (usize, usize) {
        (self.addresses.len(), self.bindings)
    }

    /// The contacts of an address, oldest first; empty when it is offline.
    pub fn lookup(&self, aor: &str) -> &[Binding] {
        self.by_name
            .get(aor)
            .and_then(|&slot| self.addresses.get(slot))
            .map_or(&[], |address| &address.bindings)
    }

    /// Acts upon a REGISTER of an authenticated user for the address `aor` (its canonical name,
    /// as the caller defines it), and gives the response: 200 with all contacts and the date, or
    /// a refusal after which nothing has changed. The To tag is the caller's to add.
    pub fn register(
        &mut self,
        now: Now,
        aor: &str,
        request: &Message,
        flow: Flow,
    ) -> ResponseBuilder {
        match self.try_register(now, aor, request, flow) {
            Ok(()) => self.accepted(now, aor, request),
            Err(refusal) => {
                let mut response = ResponseBuilder::new(request, refusal.status());
                if let Some(reason) = refusal.reason() {
                    response = response.reason(reason);
                }
                if let Refusal::TooBrief { min_s } = refusal {
                    response = response.header(HeaderName::MinExpires, min_s.to_string());
                }
                response
            }
        }
    }

    fn try_register(
        &mut self,
        now: Now,
        aor: &str,
        request: &Message,
        flow: Flow,
    ) -> Result<(), Refusal> {
        let requested = Requested::read(request, &self.settings)?;
        let existing = self.lookup(aor);
        match &requested.wanted {
            Wanted::Fetch => Ok(()),
            Wanted::RemoveAll => {
                for binding in existing {
                    requested.check_order(binding)?;
                }
                self.remove_where(now, aor, Removal::Unregistered, |_| true);
                Ok(())
            }
            Wanted::Contacts(contacts) => {
                let mut count = existing.len();
                for contact in contacts {
                    let known = existing.iter().find(|binding| contact.is_binding(binding));
                    if let Some(binding) = known {
                        requested.check_order(binding)?;
                    }
                    match (known.is_some(), contact.expires_s > 0) {
                        (true, false) => count -= 1,
                        (false, true) => count += 1,
                        _ => {}
                    }
                }
                if count > self.settings.contacts_max && count > existing.len() {
                    return Err(Refusal::TooManyContacts);
                }
                for contact in contacts {
                    if contact.expires_s == 0 {
                        self.remove_where(now, aor, Removal::Unregistered, |binding| {
                            contact.is_binding(binding)
                        });
                    } else {
                        self.write(now, aor, contact, &requested, flow);
                    }
                }
                Ok(())
            }
        }
    }

    fn write(
        &mut self,
        now: Now,
        aor: &str,
        contact: &request::WantedContact,
        requested: &Requested,
        flow: Flow,
    ) {
        let lifetime = Duration::from_secs(u64::from(contact.expires_s));
        let (expires, expires_wall) = (now.mono + lifetime, now.wall + lifetime);
        let slot = self.slot_of(aor);
        let Some(address) = self.addresses.get_mut(slot) else { return };
        let known = address.bindings.iter_mut().find(|binding| contact.is_binding(binding));
        if let Some(binding) = known {
            let (place, old_flow, old_timer) = ((slot, binding.id), binding.flow, binding.timer);
            contact.refresh(binding, requested, flow);
            binding.expires = expires;
            binding.expires_wall = expires_wall;
            binding.timer = Some(self.timers.set(expires, place));
            self.events.push_back(RegistrarEvent::Refreshed {
                aor: address.name.clone(),
                binding: place.1,
            });
            if let Some(timer) = old_timer {
                self.timers.cancel(timer);
            }
            if old_flow.connection != flow.connection {
                self.unwatch(old_flow, place);
                self.watch(flow, place);
            }
            return;
        }
        self.next += 1;
        let id = BindingId(self.next);
        let mut binding = contact.binding(id, requested, flow);
        binding.expires = expires;
        binding.expires_wall = expires_wall;
        let first = address.bindings.is_empty();
        let name = address.name.clone();
        self.place(slot, binding);
        self.events.push_back(RegistrarEvent::Added { aor: name.clone(), binding: id });
        if first {
            self.events.push_back(RegistrarEvent::CameOnline { aor: name });
        }
    }

    fn slot_of(&mut self, aor: &str) -> usize {
        if let Some(&slot) = self.by_name.get(aor) {
            return slot;
        }
        let name = CompactString::from(aor);
        let slot = self.addresses.insert(Address { name: name.clone(), bindings: SmallVec::new() });
        self.by_name.insert(name, slot);
        slot
    }

    fn place(&mut self, slot: usize, mut binding: Binding) {
        let place = (slot, binding.id);
        binding.timer = Some(self.timers.set(binding.expires, place));
        self.watch(binding.flow, place);
        if let Some(address) = self.addresses.get_mut(slot) {
            address.bindings.push(binding);
            self.bindings += 1;
        }
    }

    fn watch(&mut self, flow: Flow, place: Place) {
        if let Some(connection) = flow.connection {
            self.by_connection.get_or_insert_with(connection, SmallVec::new).push(place);
        }
    }

    fn unwatch(&mut self, flow: Flow, place: Place) {
        let Some(connection) = flow.connection else { return };
        if let Some(places) = self.by_connection.get_mut(&connection) {
            places.retain(|watched| *watched != place);
            if places.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }

    /// The bindings over a connection that closed are removed: a phone behind it comes back with
    /// a new one and a new REGISTER (RFC 5626 §4.5 in spirit).
    pub fn flow_closed(&mut self, now: Now, connection: ConnectionId) {
        for place in self.by_connection.remove(&connection).unwrap_or_default() {
            self.remove_place(now, place, Removal::FlowClosed);
        }
    }

    /// A request to this contact found nobody there: no answer at all, or its transport failed.
    pub fn contact_failed(&mut self, aor: &str, contact: &str) {
        let Some(&slot) = self.by_name.get(aor) else { return };
        let Some(address) = self.addresses.get_mut(slot) else { return };
        for binding in address.bindings.iter_mut().filter(|b| b.contact.as_text() == contact) {
            binding.failed = true;
        }
    }

    /// Removes the bindings whose time has come.
    pub fn expire(&mut self, now: Now) {
        while let Some((_, place)) = self.timers.expire(now.mono) {
            self.remove_place(now, place, Removal::Expired);
        }
    }

    /// Removes every binding of an address: the agent was deleted, reset or unregistered.
    pub fn remove_all(&mut self, now: Now, aor: &str) {
        self.remove_where(now, aor, Removal::Administrative, |_| true);
    }

    /// Takes stored bindings back after a restart. Those whose wall time has passed are left out
    /// (they are gone, not events); nothing comes online by it. A binding over a connection that
    /// died with the old process waits for its refresh, without a connection in its flow.
    /// Returns how many were taken.
    pub fn restore(&mut self, now: Now, stored: impl IntoIterator<Item = StoredBinding>) -> usize {
        let mut taken = 0;
        for stored in stored {
            if stored.expires_wall <= now.wall {
                continue;
            }
            let slot = self.slot_of(&stored.aor);
            self.next += 1;
            let restored = stored.binding(BindingId(self.next), now);
            let full = |a: &Address| a.bindings.len() >= self.settings.contacts_max;
            match restored {
                Some(binding) if !self.addresses.get(slot).is_none_or(full) => {
                    self.place(slot, binding);
                    taken += 1;
                }
                _ => self.drop_if_empty(slot),
            }
        }
        taken
    }

    fn remove_where(
        &mut self,
        now: Now,
        aor: &str,
        why: Removal,
        mut which: impl FnMut(&Binding) -> bool,
    ) {
        let Some(&slot) = self.by_name.get(aor) else { return };
        let Some(address) = self.addresses.get(slot) else { return };
        let doomed: SmallVec<[BindingId; 4]> =
            address.bindings.iter().filter(|binding| which(binding)).map(|b| b.id).collect();
        for id in doomed {
            self.remove_place(now, (slot, id), why);
        }
    }

    fn remove_place(&mut self, _now: Now, place: Place, why: Removal) {
        let Some(address) = self.addresses.get_mut(place.0) else { return };
        let Some(at) = address.bindings.iter().position(|b| b.id == place.1) else { return };
        let binding = address.bindings.remove(at);
        let aor = address.name.clone();
        let last = address.bindings.is_empty();
        self.bindings -= 1;
        if let Some(timer) = binding.timer {
            self.timers.cancel(timer);
        }
        self.unwatch(binding.flow, place);
        let removed = RegistrarEvent::Removed { aor: aor.clone(), binding: binding.into(), why };
        self.events.push_back(removed);
        if last {
            self.events.push_back(RegistrarEvent::WentOffline { aor, why });
            self.drop_if_empty(place.0);
        }
    }

    fn drop_if_empty(&mut self, slot: usize) {
        if self.addresses.get(slot).is_some_and(|address| address.bindings.is_empty()) {
            let address = self.addresses.remove(slot);
            self.by_name.remove(&address.name);
        }
    }

    /// §10.3 step 8: every current binding with what is left of its interval.
    fn accepted(&self, now: Now, aor: &str, request: &Message) -> ResponseBuilder {
        let mut response = ResponseBuilder::new(request, 200);
        for binding in self.lookup(aor) {
            response = response.header(HeaderName::Contact, binding.contact_value(now));
        }
        response.header(HeaderName::Date, http_date(now.wall))
    }
}

/// Why a REGISTER is refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("interval shorter than {min_s} s")]
    TooBrief { min_s: u32 },
    #[error("too many contacts")]
    TooManyContacts,
    #[error("Call-ID and CSeq out of order")]
    OutOfOrder,
}

impl Refusal {
    fn status(self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::TooBrief { .. } => 423,
            Refusal::TooManyContacts => 403,
            Refusal::OutOfOrder => 500,
        }
    }

    fn reason(self) -> Option<&'static str> {
        match self {
            Refusal::Malformed(reason) => Some(reason),
            Refusal::TooBrief { .. } => None,
            Refusal::TooManyContacts => Some("Too Many Contacts"),
            Refusal::OutOfOrder => Some("CSeq Out Of Order"),
        }
    }
}
