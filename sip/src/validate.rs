//! Whether a request can be acted upon (RFC 3261 §8.2, §16.3; the cases of RFC 4475).
//!
//! Owns: the refusals that need nothing but the message. Does not own: those that need to know
//! who asks or what is offered (authentication, methods, extensions, bodies).

use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;

/// Why a request is not acted upon, and the response that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The reason phrase: the usual one, or one that names the fault.
    pub reason: String,
    /// The text of a Warning header with code 399 (RFC 3261 §20.43), if there is more to say.
    pub warning: Option<String>,
}

/// Whether a response can be made to what was read of a request: it is not an ACK and has a Via
/// that can be followed, From, To, Call-ID and CSeq.
pub(crate) fn is_answerable(message: &Message) -> bool {
    message.is_request()
        && !message.is(&Method::Ack)
        && message.top_via().is_ok()
        && [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
            .into_iter()
            .all(|name| message.header(name).is_some_and(|value| !value.is_empty()))
}
