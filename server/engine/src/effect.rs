//! Effects: what a call needs done outside the engine that takes time, as data.
//!
//! Owns the types. Does not own who performs them (the shell's `effects`), nor when a call gives up
//! waiting: every effect has a deadline in the engine, so that one that is never answered ends too.

use hotline_base::Redacted;
use hotline_ivr::run::io::HttpRequest;

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
