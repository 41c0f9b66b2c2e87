//! Bodies of messages: which is a session description, which may be passed over, which is refused.
//!
//! Owns: the choice by Content-Type, Content-Encoding and Content-Disposition. Does not own: reading
//! session descriptions (`hotline_media::sdp`), the refusals themselves ([`crate::access`], calls).
//! RFC 3261 §8.2.3, §20.11; RFC 5621 §3 (multipart).

use hotline_media::sdp::find_in_body;
use hotline_sip::Message;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::HeaderName;

/// The bodies we read, as Accept lists them.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// Why a body that may not be passed over is not read: 415.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is encoded.
    Encoded,
    /// There is no session description in it.
    NotSdp,
}

/// The session description of a message, by itself or as a part; `None`: there is none, and what
/// there is instead is optional.
///
/// # Errors
/// [`Unread`].
pub(crate) fn session_description(message: &Message) -> Result<Option<&[u8]>, Unread> {
    let body = message.body();
    if body.is_empty() {
        return Ok(None);
    }
    let unread = |why| if is_optional(message) { Ok(None) } else { Err(why) };
    if is_encoded(message) {
        return unread(Unread::Encoded);
    }
    let content_type = message.header_text(HeaderName::ContentType).unwrap_or_default();
    match find_in_body(&content_type, body) {
        Ok(sdp) => Ok(Some(sdp)),
        Err(_) => unread(Unread::NotSdp),
    }
}

/// Whether a body is in another encoding than its own.
pub(crate) fn is_encoded(message: &Message) -> bool {
    let mut encodings = message.headers(HeaderName::ContentEncoding);
    !message.body().is_empty() && encodings.any(|one| !one.eq_ignore_ascii_case(b"identity"))
}

/// `Content-Disposition: …;handling=optional`.
fn is_optional(message: &Message) -> bool {
    message.header_text(HeaderName::ContentDisposition).is_some_and(|value| {
        let parameters = value.split(';').skip(1);
        parameters
            .map(|one| one.replace(' ', ""))
            .any(|one| one.eq_ignore_ascii_case("handling=optional"))
    })
}

impl Unread {
    /// What the peer is told that we do read.
    pub(crate) fn header(self) -> (HeaderName, &'static str) {
        match self {
            Unread::Encoded => (HeaderName::AcceptEncoding, "identity"),
            Unread::NotSdp => (HeaderName::Accept, ACCEPT),
        }
    }

    /// 415.
    pub(crate) fn refusal(self, request: &Message) -> ResponseBuilder {
        let (name, value) = self.header();
        ResponseBuilder::new(request, 415).header(name, value)
    }
}
