//! Effects: what a call needs done outside the engine that takes time, as data.
//!
//! Owns the types. Does not own who performs them (the shell's `effects`), nor when a call gives up
//! waiting: every effect has a deadline in the engine, so that one that is never answered ends too.

use hotline_base::{Partition, Redacted};
use hotline_ivr::run::io::HttpRequest;
use std::collections::BTreeMap;

/// Names one effect. The engine's number is in its upper 16 bits, so that an answer finds its
/// engine by [`engine_of_effect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u64);

/// The number of the engine that asked for an effect.
pub fn engine_of_effect(id: EffectId) -> u16 {
    (id.0 >> 48) as u16
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An HTTP request of a flow, to one of the tenant's allowed hosts.
    Http(HttpRequest),
    /// Does a PIN fit its hash? Takes the same time whether or not it does.
    VerifyPin {
        /// Argon2id, as a PHC string.
        hash: Redacted<String>,
        /// As typed.
        pin: Redacted<String>,
    },
}

/// What an effect came to.
#[derive(Clone, Debug, PartialEq)]
pub enum EffectDone {
    /// A web service's 2xx answer, parsed.
    Http(serde_json::Value),
    /// Whether the PIN fits.
    Pin(bool),
    /// It did not work, or not in time; why in one line without personal data.
    Failed(String),
}

/// The effects that are being performed outside, and for which calls.
#[derive(Debug)]
pub(crate) struct Effects {
    engine: u16,
    last: u64,
    running: BTreeMap<EffectId, (Partition, u32)>,
}

impl Effects {
    /// None yet, of this engine.
    pub fn new(engine: u16) -> Effects {
        Effects { engine, last: 0, running: BTreeMap::new() }
    }

    /// Names an effect for a call of a partition, by its serial number.
    pub fn begin(&mut self, partition: Partition, call: u32) -> EffectId {
        self.last += 1;
        let id = EffectId((u64::from(self.engine) << 48) | (self.last & ((1 << 48) - 1)));
        self.running.insert(id, (partition, call));
        id
    }

    /// Nobody waits for it any more, or it is done: who has.
    pub fn end(&mut self, id: EffectId) -> Option<(Partition, u32)> {
        self.running.remove(&id)
    }

    /// How many are being performed.
    pub fn len(&self) -> usize {
        self.running.len()
    }
}
