//! Typed header values of a message, read when asked for.

use std::sync::OnceLock;

use bytes::Bytes;

use super::{Message, Start};
use crate::grammar::{is_token, number, trim, unquote};
use crate::header::{CSeq, Contact, Expected, HeaderError, HeaderName, NameAddr, Via};
use crate::method::Method;
use crate::uri::{Uri, UriError};
use crate::validate::{self, Refusal};

/// What everybody who handles a message asks for: read once.
#[derive(Debug, Default)]
pub(super) struct Typed {
    top_via: OnceLock<Result<Via, HeaderError>>,
    from: OnceLock<Result<NameAddr, HeaderError>>,
    to: OnceLock<Result<NameAddr, HeaderError>>,
    /// Whether a request can be acted upon.
    valid: OnceLock<Result<(), Box<Refusal>>>,
}

/// A value of the Reason header (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, …
    pub protocol: String,
    /// The cause: a SIP status or a Q.850 cause value.
    pub cause: Option<u16>,
    /// Its text.
    pub text: Option<String>,
}

impl Message {
    /// The Request-URI of a request.
    ///
    /// # Errors
    /// It cannot be read as a URI; in a response, [`UriError::Scheme`].
    pub fn request_uri(&self) -> Result<Uri, UriError> {
        match &self.inner.start {
            Start::Request { uri, .. } => Uri::parse(self.shared(*uri)),
            Start::Response { .. } => Err(UriError::Scheme),
        }
    }

    /// The topmost Via.
    pub fn top_via(&self) -> Result<&Via, HeaderError> {
        let read = || self.vias().next().unwrap_or_else(|| Err(missing(HeaderName::Via)));
        self.inner.typed.top_via.get_or_init(read).as_ref().map_err(|error| *error)
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via, HeaderError>> {
        self.shared_values(HeaderName::Via).map(Via::parse)
    }

    /// From.
    pub fn from(&self) -> Result<&NameAddr, HeaderError> {
        let read = || self.address(HeaderName::From)?.ok_or(missing(HeaderName::From));
        self.inner.typed.from.get_or_init(read).as_ref().map_err(|error| *error)
    }

    /// To.
    pub fn to(&self) -> Result<&NameAddr, HeaderError> {
        let read = || self.address(HeaderName::To)?.ok_or(missing(HeaderName::To));
        self.inner.typed.to.get_or_init(read).as_ref().map_err(|error| *error)
    }

    /// Call-ID: compared byte by byte (RFC 3261 §20.8).
    pub fn call_id(&self) -> Result<Bytes, HeaderError> {
        let line = self.line(HeaderName::CallId).ok_or(missing(HeaderName::CallId))?;
        let value = self.shared(line.value);
        if value.is_empty() || value.iter().any(|&byte| byte <= b' ' || byte == 127) {
            return Err(HeaderError::new(HeaderName::CallId, Expected::Token));
        }
        Ok(value)
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        CSeq::parse(self.header(HeaderName::CSeq).ok_or(missing(HeaderName::CSeq))?)
    }

    /// All Contacts.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact, HeaderError>> {
        self.shared_values(HeaderName::Contact).map(|value| match &value[..] {
            b"*" => Ok(Contact::Wildcard),
            _ => NameAddr::parse(HeaderName::Contact, value).map(Contact::Address),
        })
    }

    /// The first Contact: the remote target of a dialog.
    ///
    /// # Errors
    /// There is none, it is `*`, or it is malformed.
    pub fn contact(&self) -> Result<NameAddr, HeaderError> {
        match self.contacts().next() {
            None => Err(missing(HeaderName::Contact)),
            Some(Ok(Contact::Address(address))) => Ok(address),
            Some(Ok(Contact::Wildcard)) => {
                Err(HeaderError::new(HeaderName::Contact, Expected::NameAddr))
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// Route values, topmost first.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr, HeaderError>> {
        self.addresses(HeaderName::Route)
    }

    /// Record-Route values, topmost first.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr, HeaderError>> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// Every value of a header whose values are addresses (P-Asserted-Identity, Diversion, Path,
    /// History-Info, …).
    pub fn addresses(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<NameAddr, HeaderError>> {
        self.shared_values(name).map(move |value| NameAddr::parse(name, value))
    }

    /// The first value of a header whose values are addresses (Refer-To, Referred-By, …).
    pub fn address(&self, name: HeaderName) -> Result<Option<NameAddr>, HeaderError> {
        let value = match name.is_list() {
            true => self.shared_values(name).next(),
            false => self.line(name).map(|line| self.shared(line.value)),
        };
        value.map(|value| NameAddr::parse(name, value)).transpose()
    }

    /// Expires, in seconds; more than 2³²−1 reads as 2³²−1 (RFC 3261 §20.19).
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(HeaderName::Expires)
    }

    /// Min-Expires, in seconds.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(HeaderName::MinExpires)
    }

    /// The delay of Retry-After, in seconds, without its comment and parameters; more than 2³²−1
    /// reads as 2³²−1.
    pub fn retry_after(&self) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.header(HeaderName::RetryAfter) else { return Ok(None) };
        let end = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
        let (digits, _) = value.split_at(end);
        seconds(digits).map(Some).ok_or(not_seconds(HeaderName::RetryAfter))
    }

    fn seconds(&self, name: HeaderName) -> Result<Option<u32>, HeaderError> {
        self.header(name).map(|value| seconds(value).ok_or(not_seconds(name))).transpose()
    }

    /// Max-Forwards, 0–255 (RFC 3261 §20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let Some(value) = self.header(HeaderName::MaxForwards) else { return Ok(None) };
        let read = number(value).and_then(|hops| u8::try_from(hops).ok());
        let error = HeaderError::new(HeaderName::MaxForwards, Expected::NumberUpTo(255));
        read.map(Some).ok_or(error)
    }

    /// Content-Length as written.
    pub fn content_length(&self) -> Result<Option<u64>, HeaderError> {
        let Some(value) = self.header(HeaderName::ContentLength) else { return Ok(None) };
        let max = Expected::NumberUpTo(crate::limits::MESSAGE_BYTES_MAX as u64);
        number(value).map(Some).ok_or(HeaderError::new(HeaderName::ContentLength, max))
    }

    /// The values of Authorization, one per line, unparsed.
    pub fn authorization(&self) -> impl Iterator<Item = &[u8]> {
        self.headers(HeaderName::Authorization)
    }

    /// The values of Proxy-Authorization, one per line, unparsed.
    pub fn proxy_authorization(&self) -> impl Iterator<Item = &[u8]> {
        self.headers(HeaderName::ProxyAuthorization)
    }

    /// The option tags of Require.
    pub fn require(&self) -> impl Iterator<Item = &[u8]> {
        self.headers(HeaderName::Require)
    }

    /// The option tags of Supported.
    pub fn supported(&self) -> impl Iterator<Item = &[u8]> {
        self.headers(HeaderName::Supported).filter(|tag| !tag.is_empty())
    }

    /// Whether Supported or Require names the option tag.
    pub fn supports(&self, tag: &str) -> bool {
        self.supported().chain(self.require()).any(|t| t.eq_ignore_ascii_case(tag.as_bytes()))
    }

    /// The methods of Allow.
    pub fn allow(&self) -> impl Iterator<Item = Method> {
        self.headers(HeaderName::Allow).filter_map(Method::from_bytes)
    }

    /// Whether Content-Type is this media type, such as `application/sdp`, whatever its
    /// parameters.
    pub fn content_type_is(&self, media_type: &str) -> bool {
        self.media_type().is_some_and(|found| {
            let plain: Vec<u8> = found.iter().copied().filter(|b| *b != b' ').collect();
            plain.eq_ignore_ascii_case(media_type.as_bytes())
        })
    }

    /// The media type of Content-Type without its parameters.
    pub fn media_type(&self) -> Option<&[u8]> {
        let value = self.header(HeaderName::ContentType)?;
        value.split(|&byte| byte == b';').next().map(trim)
    }

    /// The event package of Event, without its parameters (RFC 6665).
    pub fn event(&self) -> Option<&[u8]> {
        let value = self.header(HeaderName::Event)?;
        value.split(|&byte| byte == b';').next().map(trim)
    }

    /// Session-Expires, unparsed (RFC 4028).
    pub fn session_expires(&self) -> Option<&[u8]> {
        self.header(HeaderName::SessionExpires)
    }

    /// The readable values of Reason (RFC 3326); others are passed over.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        self.shared_values(HeaderName::Reason).filter_map(|value| Reason::parse(&value))
    }

    /// The Q.850 cause in Reason, if there is one.
    pub fn q850_cause(&self) -> Option<u16> {
        let q850 = |reason: &Reason| reason.protocol.eq_ignore_ascii_case("Q.850");
        self.reasons().find(q850).and_then(|reason| reason.cause)
    }

    /// What [`validate::validate_request`] says; asked by the door and by the transactions.
    pub(crate) fn valid(&self) -> Result<(), Refusal> {
        let judge = || validate::judge_request(self).map_err(Box::new);
        self.inner.typed.valid.get_or_init(judge).clone().map_err(|refusal| *refusal)
    }

    pub(crate) fn shared_values(&self, name: HeaderName) -> impl Iterator<Item = Bytes> {
        self.spans(name).map(|span| self.shared(span))
    }
}

impl Reason {
    fn parse(value: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (protocol, params) = value.split_at(end);
        let protocol = trim(protocol);
        if !is_token(protocol) {
            return None;
        }
        let params = crate::header::Params::parse(Bytes::copy_from_slice(params))?;
        let cause = params.value("cause").and_then(|cause| number(&unquote(cause)));
        Some(Self {
            protocol: String::from_utf8_lossy(protocol).into_owned(),
            cause: cause.and_then(|cause| u16::try_from(cause).ok()),
            text: params.text("text"),
        })
    }
}

fn missing(header: HeaderName) -> HeaderError {
    HeaderError::new(header, Expected::Present)
}

fn not_seconds(header: HeaderName) -> HeaderError {
    HeaderError::new(header, Expected::NumberUpTo(u64::from(u32::MAX)))
}

/// delta-seconds; digits beyond the range mean the greatest value.
fn seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(number(digits).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX))
}
