//! Whether a message can be acted upon (RFC 3261 §8.2, §16.3; the cases of RFC 4475).
//!
//! Owns: the refusals that need nothing but the message. Does not own: those that need to know
//! who asks or what is offered (authentication, methods, bodies); of extensions it names those
//! that are not understood ([`unsupported`]).

use std::net::SocketAddr;

use crate::build::ResponseBuilder;
use crate::header::{Contact, Expected, HeaderError, HeaderName};
use crate::limits::VIAS_MAX;
use crate::message::{Message, ParseError};
use crate::method::Method;
use crate::status::reason_phrase;
use crate::uri::{Scheme, UriError};

/// The greatest CSeq number (RFC 3261 §8.1.1.5: below 2³¹).
const CSEQ_MAX: u32 = (1 << 31) - 1;

/// Headers that may stand once; several differing or equal ones are refused (RFC 4475 §3.3.8).
const SINGLE: [HeaderName; 9] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::Expires,
    HeaderName::Event,
];

/// Why a request is not acted upon, and the response that says so.
///
/// A refused ACK is dropped, never answered. When the top Via cannot be read, the response goes
/// where the request came from, outside any transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The reason phrase: the usual one, or one that names the fault (RFC 3261 §21.4.1).
    pub reason: String,
    /// The text of a Warning header with code 399 (RFC 3261 §20.43), if there is more to say.
    pub warning: Option<String>,
}

impl Refusal {
    fn usual(status: u16) -> Self {
        Self { status, reason: reason_phrase(status).to_owned(), warning: None }
    }

    fn bad_request(reason: &str, warning: Option<String>) -> Self {
        Self { status: 400, reason: reason.to_owned(), warning }
    }

    /// The response to a request that came from `source`; To gets the tag.
    pub fn response(&self, request: &Message, source: SocketAddr, tag: &str) -> ResponseBuilder {
        let response = ResponseBuilder::new(request, self.status)
            .reason(&self.reason)
            .source(source)
            .to_tag(tag);
        match &self.warning {
            Some(text) => {
                let text = text.replace(['"', '\\'], "'");
                response.header(HeaderName::Warning, format!("399 hotline \"{text}\""))
            }
            None => response,
        }
    }
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        let reason = match error.expected {
            Expected::Present => format!("Missing {} Header Field", error.header),
            Expected::Once => format!("Multiple {} Header Fields", error.header),
            _ => format!("Malformed {} Header Field", error.header),
        };
        Self::bad_request(&reason, Some(error.to_string()))
    }
}

impl From<&ParseError> for Refusal {
    fn from(error: &ParseError) -> Self {
        Self { warning: Some(error.to_string()), ..Self::usual(error.status()) }
    }
}

/// Whether a request can be acted upon: the checks of RFC 3261 §8.2.1–§8.2.2 and §16.3 that need
/// nothing but the message.
///
/// # Errors
/// The response to give. A missing Max-Forwards, From tag or Contact is let through: peers of
/// RFC 2543 send none (RFC 4475 §3.4.1); so is a Date that cannot be read (§3.1.2.12).
pub fn validate_request(request: &Message) -> Result<(), Refusal> {
    request.valid()
}

pub(crate) fn judge_request(request: &Message) -> Result<(), Refusal> {
    version(request)?;
    mandatory(request)?;
    request_uri(request)?;
    sequence(request)?;
    addresses(request)?;
    request.max_forwards()?;
    request.expires()?;
    request.content_length()?;
    Ok(())
}

/// Whether a response can be given to the transactions: version, Via, and the headers that every
/// message has.
///
/// # Errors
/// What is wrong; the response is dropped.
pub fn validate_response(response: &Message) -> Result<(), HeaderError> {
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        once(response, name)?;
    }
    response.top_via()?;
    response.from()?;
    response.to()?;
    response.call_id()?;
    response.cseq()?;
    Ok(())
}

/// The option tags of Require that are not among those known, as the value of Unsupported for a
/// 420 (RFC 3261 §8.2.2.3); `None` when all are known. ACK and CANCEL are never refused for it.
pub fn unsupported(request: &Message, known: &[&str]) -> Option<String> {
    if request.is(&Method::Ack) || request.is(&Method::Cancel) {
        return None;
    }
    let unknown = request
        .require()
        .filter(|tag| !known.iter().any(|k| tag.eq_ignore_ascii_case(k.as_bytes())))
        .map(|tag| String::from_utf8_lossy(tag).into_owned())
        .collect::<Vec<_>>();
    (!unknown.is_empty()).then(|| unknown.join(", "))
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

fn version(request: &Message) -> Result<(), Refusal> {
    let version = request.version();
    if version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    match version.trim_ascii_end().len() == version.len() {
        true => Err(Refusal::usual(505)),
        false => Err(Refusal::bad_request("Space After The Request Line", None)),
    }
}

fn mandatory(request: &Message) -> Result<(), Refusal> {
    let present = |header| match request.header(header) {
        Some(_) => Ok(()),
        None => Err(HeaderError::new(header, Expected::Present)),
    };
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To] {
        present(name)?;
    }
    present(HeaderName::CallId)?;
    present(HeaderName::CSeq)?;
    for name in SINGLE {
        once(request, name)?;
    }
    Ok(())
}

fn once(message: &Message, header: HeaderName) -> Result<(), HeaderError> {
    match message.count(header) {
        0 | 1 => Ok(()),
        _ => Err(HeaderError::new(header, Expected::Once)),
    }
}

fn request_uri(request: &Message) -> Result<(), Refusal> {
    let bad = |text: String| Refusal::bad_request("Malformed Request-URI", Some(text));
    match request.request_uri() {
        Err(UriError::TooLong) => Err(Refusal::usual(414)),
        Err(error) => Err(bad(format!("Request-URI: {error}"))),
        Ok(uri) if uri.scheme() == Scheme::Other => Err(Refusal::usual(416)),
        // RFC 3261 §19.1.1: headers are not allowed there; obeying them would let anybody write
        // our requests (RFC 4475 §3.1.2.11).
        Ok(uri) if uri.has_headers() => Err(bad("Request-URI: headers inside".to_owned())),
        Ok(_) => Ok(()),
    }
}

fn sequence(request: &Message) -> Result<(), Refusal> {
    request.call_id()?;
    let cseq = request.cseq()?;
    if cseq.number > CSEQ_MAX {
        let expected = Expected::NumberUpTo(u64::from(CSEQ_MAX));
        return Err(HeaderError::new(HeaderName::CSeq, expected).into());
    }
    if !request.is(&cseq.method) {
        return Err(Refusal::bad_request("CSeq Method Does Not Match", None));
    }
    Ok(())
}

fn addresses(request: &Message) -> Result<(), Refusal> {
    request.top_via()?;
    for (below, via) in (1..).zip(request.vias().skip(1)) {
        via?;
        if below >= VIAS_MAX {
            return Err(Refusal::bad_request("Too Many Via Header Fields", None));
        }
    }
    request.from()?;
    request.to()?;
    for name in [HeaderName::Route, HeaderName::RecordRoute] {
        for address in request.addresses(name) {
            address?;
        }
    }
    let wildcard_allowed = request.is(&Method::Register);
    let (mut wildcards, mut all) = (0, 0);
    for contact in request.contacts() {
        all += 1;
        wildcards += usize::from(contact? == Contact::Wildcard);
    }
    if wildcards > 0 && !(wildcard_allowed && all == 1) {
        let expected = if wildcard_allowed { Expected::OnlyWildcard } else { Expected::NameAddr };
        return Err(HeaderError::new(HeaderName::Contact, expected).into());
    }
    Ok(())
}
