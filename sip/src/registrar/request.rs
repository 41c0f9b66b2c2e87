//! A REGISTER, read whole before anything is changed (RFC 3261 §10.3 steps 6 and 7).

use super::binding::{Binding, BindingId};
use super::{Refusal, RegistrarSettings};
use crate::flow::Flow;
use crate::header::{Contact, HeaderName, NameAddr};
use crate::message::Message;
use crate::uri::Uri;
use bytes::Bytes;
use compact_str::CompactString;
use hotline_base::{Mono, Wall};
use smallvec::SmallVec;

/// A user agent's name is remembered up to this many bytes.
const USER_AGENT_BYTES_MAX: usize = 128;
/// Longest contact URI, and longest instance, in bytes: 400. Softphones stay under 200.
const CONTACT_BYTES_MAX: usize = 512;
/// Most URI parameters of a contact: 400.
const CONTACT_PARAMS_MAX: usize = 16;

pub(super) struct Requested {
    call_id: Bytes,
    cseq: u32,
    user_agent: Bytes,
    pub(super) wanted: Wanted,
}

pub(super) enum Wanted {
    /// No Contact: only tell what there is.
    Fetch,
    /// `Contact: *` with Expires 0.
    RemoveAll,
    Contacts(SmallVec<[WantedContact; 1]>),
}

pub(super) struct WantedContact {
    uri: Uri,
    instance: Option<CompactString>,
    q: u16,
    pub(super) expires_s: u32,
}

impl Requested {
    pub(super) fn read(
        request: &Message,
        settings: &RegistrarSettings,
    ) -> Result<Requested, Refusal> {
        let malformed = Refusal::Malformed;
        let call_id = request.call_id().map_err(|_| malformed("Bad Call-ID"))?;
        let cseq = request.cseq().map_err(|_| malformed("Bad CSeq"))?.number;
        // §10.2.1.1: a malformed Expires counts as 3600; here, as our default.
        let header = request.expires().ok().flatten();
        let mut contacts = SmallVec::new();
        let mut wildcard = false;
        for contact in request.contacts() {
            match contact.map_err(|_| malformed("Bad Contact"))? {
                Contact::Wildcard => wildcard = true,
                Contact::Address(address) => {
                    if contacts.len() >= 2 * settings.contacts_max {
                        return Err(Refusal::TooManyContacts);
                    }
                    contacts.push(WantedContact::read(&address, header, settings)?);
                }
            }
        }
        let wanted = match (wildcard, contacts.is_empty()) {
            (false, true) => Wanted::Fetch,
            (false, false) => Wanted::Contacts(contacts),
            (true, true) if header == Some(0) => Wanted::RemoveAll,
            (true, true) => return Err(malformed("Contact * Needs Expires 0")),
            (true, false) => return Err(malformed("Contact * Stands Alone")),
        };
        let user_agent = request.header(HeaderName::UserAgent).unwrap_or_default();
        let kept = user_agent.get(..USER_AGENT_BYTES_MAX).unwrap_or(user_agent);
        Ok(Requested { call_id, cseq, user_agent: Bytes::copy_from_slice(kept), wanted })
    }

    /// §10.3: from the same phone (Call-ID) only a later request (CSeq) changes a binding.
    pub(super) fn check_order(&self, binding: &Binding) -> Result<(), Refusal> {
        let late = binding.call_id.as_bytes() == self.call_id && self.cseq <= binding.cseq;
        if late { Err(Refusal::OutOfOrder) } else { Ok(()) }
    }
}

impl WantedContact {
    fn read(
        address: &NameAddr,
        header: Option<u32>,
        settings: &RegistrarSettings,
    ) -> Result<WantedContact, Refusal> {
        if !address.uri.is_sip() {
            return Err(Refusal::Malformed("Contact Is No SIP URI"));
        }
        let instance = address.params.text("+sip.instance").map(CompactString::from);
        if address.uri.as_bytes().len() > CONTACT_BYTES_MAX
            || address.uri.params().nth(CONTACT_PARAMS_MAX).is_some()
            || instance.as_ref().is_some_and(|instance| instance.len() > CONTACT_BYTES_MAX)
        {
            return Err(Refusal::Malformed("Contact Too Long"));
        }
        let asked = address.expires_s().or(header).unwrap_or(settings.expires_default_s);
        if asked > 0 && asked < settings.expires_min_s {
            return Err(Refusal::TooBrief { min_s: settings.expires_min_s });
        }
        Ok(WantedContact {
            uri: address.uri.clone(),
            instance,
            q: address.q_thousandths(),
            expires_s: asked.min(settings.expires_max_s),
        })
    }

    /// The same contact (§10.3 step 7, §19.1.4), or the same phone with a new address: an
    /// instance (RFC 5626) has one binding.
    pub(super) fn is_binding(&self, binding: &Binding) -> bool {
        match (&self.instance, &binding.instance) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.uri == binding.contact || self.uri.equivalent(&binding.contact),
        }
    }

    pub(super) fn binding(&self, id: BindingId, requested: &Requested, flow: Flow) -> Binding {
        let text = |bytes: &Bytes| CompactString::from_utf8_lossy(bytes);
        Binding {
            id,
            contact: self.uri.detached(),
            expires: Mono(0),
            expires_wall: Wall(0),
            call_id: text(&requested.call_id),
            cseq: requested.cseq,
            q: self.q,
            flow,
            instance: self.instance.clone(),
            user_agent: (!requested.user_agent.is_empty()).then(|| text(&requested.user_agent)),
            failed: false,
            timer: None,
        }
    }

    /// Brings a binding up to date, copying only what has changed.
    pub(super) fn refresh(&self, binding: &mut Binding, requested: &Requested, flow: Flow) {
        if binding.contact != self.uri {
            binding.contact = self.uri.detached();
        }
        if binding.call_id.as_bytes() != requested.call_id {
            binding.call_id = CompactString::from_utf8_lossy(&requested.call_id);
        }
        let user_agent = binding.user_agent.as_ref().map_or(&[][..], |text| text.as_bytes());
        if user_agent != requested.user_agent && !requested.user_agent.is_empty() {
            binding.user_agent = Some(CompactString::from_utf8_lossy(&requested.user_agent));
        }
        if binding.instance != self.instance {
            binding.instance.clone_from(&self.instance);
        }
        binding.cseq = requested.cseq;
        binding.q = self.q;
        binding.flow = flow;
        binding.failed = false;
    }
}
