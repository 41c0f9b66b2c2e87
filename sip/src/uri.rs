//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966); other schemes are kept as they are.
//!
//! A [`Uri`] shares the memory of the message it came from; [`Uri::detached`] gives a copy that
//! does not. `==` compares the text byte by byte; [`Uri::equivalent`] is the comparison of
//! RFC 3261 §19.1.4 (with RFC 5954), which is not transitive and so cannot be `Eq`.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};

use crate::flow::Transport;
use crate::grammar::{is_host_byte, is_uri_byte, number};

/// Longest URI that is parsed, in bytes; longer ones are refused with 414.
pub const URI_BYTES_MAX: usize = 8 * 1024;

/// Most URI parameters, or header parts, of a URI that is compared: one with more is equivalent
/// only to the same text.
const COMPARED_MAX: usize = 16;

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other; the URI is opaque.
    Other,
}

/// Why a URI could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UriError {
    /// Longer than [`URI_BYTES_MAX`].
    #[error("longer than {URI_BYTES_MAX} bytes")]
    TooLong,
    /// No `scheme:` at the front.
    #[error("no scheme")]
    Scheme,
    /// White space, control characters, quotes or angle brackets inside.
    #[error("a character that must be escaped")]
    Character,
    /// The user or password part is empty or followed by a second `@`.
    #[error("bad user part")]
    User,
    /// Neither a host name nor an address.
    #[error("bad host")]
    Host,
    /// Not 1–65535.
    #[error("bad port")]
    Port,
    /// An empty parameter, or one without a name.
    #[error("bad parameter")]
    Parameter,
    /// Not `name=value` joined by `&`.
    #[error("bad header part")]
    Headers,
    /// A `tel:` URI without a number.
    #[error("bad telephone number")]
    Number,
}

/// Half-open range into the URI's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Span(u16, u16);

impl Span {
    fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= URI_BYTES_MAX);
        Self(start as u16, end as u16)
    }
}

/// A parsed URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    text: Bytes,
    scheme: Scheme,
    port: Option<u16>,
    /// `user` without password (sip, sips); the number (tel).
    user: Option<Span>,
    password: Option<Span>,
    host: Span,
    /// From the first `;` after the host (or the number).
    params: Span,
    /// After the `?`.
    headers: Span,
}

impl Uri {
    /// Reads a whole URI, without `<>` and without surrounding space.
    pub fn parse(text: Bytes) -> Result<Self, UriError> {
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::TooLong);
        }
        if !text.iter().all(|&byte| is_uri_byte(byte)) {
            return Err(UriError::Character);
        }
        let colon = memchr::memchr(b':', &text).ok_or(UriError::Scheme)?;
        let (name, _) = text.split_at(colon);
        let well_formed = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !well_formed {
            return Err(UriError::Scheme);
        }
        let scheme = match name {
            name if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            name if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            name if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            _ => Scheme::Other,
        };
        let at = colon + 1;
        let end = text.len();
        let mut uri = Self {
            scheme,
            port: None,
            user: None,
            password: None,
            host: Span::new(at, at),
            params: Span::new(end, end),
            headers: Span::new(end, end),
            text: Bytes::new(),
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => uri.read_sip(&text, at)?,
            Scheme::Tel => uri.read_tel(&text, at)?,
            Scheme::Other => {}
        }
        uri.text = text;
        Ok(uri)
    }

    /// `sip:user@host:port` of parts; the user is escaped as needed.
    ///
    /// # Errors
    /// The host is neither a name nor an address (IPv6 in brackets).
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, UriError> {
        let mut text = BytesMut::with_capacity(16 + host.len() + user.map_or(0, str::len));
        text.put_slice(b"sip:");
        if let Some(user) = user {
            escape_user(user.as_bytes(), &mut text);
            text.put_u8(b'@');
        }
        text.put_slice(host.as_bytes());
        if let Some(port) = port {
            text.put_slice(format!(":{port}").as_bytes());
        }
        Self::parse(text.freeze())
    }

    /// The same URI with one more parameter at the end of its parameters.
    ///
    /// # Errors
    /// The name or value cannot stand in a URI.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Result<Self, UriError> {
        let mut text = BytesMut::with_capacity(self.text.len() + name.len() + 16);
        let (front, rest) = self.text.split_at(usize::from(self.params.1));
        text.put_slice(front);
        text.put_u8(b';');
        text.put_slice(name.as_bytes());
        if let Some(value) = value {
            text.put_u8(b'=');
            text.put_slice(value.as_bytes());
        }
        text.put_slice(rest);
        Self::parse(text.freeze())
    }

    fn read_sip(&mut self, text: &[u8], start: usize) -> Result<(), UriError> {
        let mut at = start;
        if let Some(found) = memchr::memchr(b'@', text.get(start..).unwrap_or_default()) {
            let userinfo_end = start + found;
            let userinfo = text.get(start..userinfo_end).unwrap_or_default();
            let colon = memchr::memchr(b':', userinfo).map(|colon| start + colon);
            let user_end = colon.unwrap_or(userinfo_end);
            if user_end == start {
                return Err(UriError::User);
            }
            self.user = Some(Span::new(start, user_end));
            self.password = colon.map(|colon| Span::new(colon + 1, userinfo_end));
            at = userinfo_end + 1;
        }
        let (host_end, after) = read_host(text, at).ok_or(UriError::Host)?;
        self.host = Span::new(at, host_end);
        at = after;
        if text.get(at) == Some(&b':') {
            let from = at + 1;
            at = from;
            while text.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            let port = number(text.get(from..at).unwrap_or_default())
                .and_then(|port| u16::try_from(port).ok())
                .filter(|&port| port != 0);
            self.port = Some(port.ok_or(UriError::Port)?);
        }
        self.read_params_and_headers(text, at, UriError::Host)
    }

    fn read_tel(&mut self, text: &[u8], start: usize) -> Result<(), UriError> {
        let rest = text.get(start..).unwrap_or_default();
        let length = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let number = rest.get(..length).unwrap_or_default();
        let dialable = |&b: &u8| b.is_ascii_hexdigit() || b"+*#-.()".contains(&b);
        if !number.iter().all(dialable) || !number.iter().any(u8::is_ascii_alphanumeric) {
            // `*` and `#` alone are dialable as well (star codes).
            if number.is_empty() || !number.iter().all(|b| b"*#".contains(b)) {
                return Err(UriError::Number);
            }
        }
        self.user = Some(Span::new(start, start + length));
        self.read_params_and_headers(text, start + length, UriError::Number)
    }

    fn read_params_and_headers(
        &mut self,
        text: &[u8],
        start: usize,
        other: UriError,
    ) -> Result<(), UriError> {
        let rest = text.get(start..).unwrap_or_default();
        let question = memchr::memchr(b'?', rest);
        let params = rest.get(..question.unwrap_or(rest.len())).unwrap_or_default();
        match params {
            [] => {}
            [b';', inner @ ..] => {
                let sound = |param: &[u8]| !param.is_empty() && param.first() != Some(&b'=');
                if memchr::memchr2(b'@', b',', inner).is_some()
                    || !inner.split(|&byte| byte == b';').all(sound)
                {
                    return Err(UriError::Parameter);
                }
            }
            _ => return Err(other),
        }
        self.params = Span::new(start, start + params.len());
        if let Some(question) = question {
            let headers = rest.get(question + 1..).unwrap_or_default();
            let sound = |pair: &[u8]| matches!(memchr::memchr(b'=', pair), Some(1..));
            if !headers.split(|&byte| byte == b'&').all(sound) {
                return Err(UriError::Headers);
            }
            self.headers = Span::new(start + question + 1, text.len());
        }
        Ok(())
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.text.get(usize::from(span.0)..usize::from(span.1)).unwrap_or_default()
    }

    /// The whole URI as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The whole URI as text; bytes that are not UTF-8 are replaced.
    pub fn as_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `sip:` or `sips:`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as written (with its parameters, as in `user;phone-context=…`, and escapes);
    /// of a `tel:` URI, the number with its visual separators.
    pub fn user(&self) -> Option<&[u8]> {
        self.user.map(|span| self.slice(span))
    }

    /// The user part with %-escapes resolved; it may hold any byte, NUL included.
    pub fn user_decoded(&self) -> Option<Cow<'_, [u8]>> {
        self.user().map(unescape)
    }

    /// The decoded user part as text, if it is UTF-8 without control characters.
    pub fn user_text(&self) -> Option<String> {
        let text = String::from_utf8(self.user_decoded()?.into_owned()).ok()?;
        (!text.chars().any(char::is_control)).then_some(text)
    }

    /// The password part as written (deprecated by RFC 3261 §19.1.1, never acted upon).
    pub fn password(&self) -> Option<&[u8]> {
        self.password.map(|span| self.slice(span))
    }

    /// The host as written; an IPv6 address keeps its brackets. Empty for other schemes.
    pub fn host(&self) -> &str {
        // The grammar of hosts is ASCII.
        std::str::from_utf8(self.slice(self.host)).unwrap_or_default()
    }

    /// The host, if it is an address.
    pub fn host_address(&self) -> Option<IpAddr> {
        parse_address(self.host())
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// All URI parameters as written, `(name, value)`.
    pub fn params(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        pairs(self.slice(self.params), b';')
    }

    /// Whether a parameter exists; names are compared without case.
    pub fn has_param(&self, name: &str) -> bool {
        self.find_param(name).is_some()
    }

    /// The value of a parameter as written; `Some(b"")` when it has none.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        self.find_param(name).map(Option::unwrap_or_default)
    }

    fn find_param(&self, name: &str) -> Option<Option<&[u8]>> {
        self.params()
            .find(|(found, _)| unescape(found).eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The `lr` parameter: a loose router (RFC 3261 §16.12).
    pub fn is_loose_router(&self) -> bool {
        self.has_param("lr")
    }

    /// The `transport` parameter, if it names one we speak.
    pub fn transport(&self) -> Option<Transport> {
        self.param("transport").and_then(Transport::from_bytes)
    }

    /// The header part as written, `(name, value)`; it must never reach a request unchecked
    /// (RFC 3261 §19.1.5).
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        pairs(self.slice(self.headers), b'&')
    }

    /// Whether there is a header part.
    pub fn has_headers(&self) -> bool {
        self.headers.0 != self.headers.1
    }

    /// The number of a `tel:` URI or the user of another, without visual separators.
    pub fn dialled(&self) -> Option<String> {
        let user = self.user_text()?;
        match self.scheme {
            Scheme::Tel => Some(user.chars().filter(|c| !"-.()".contains(*c)).collect()),
            _ => Some(user),
        }
    }

    /// A copy that does not keep the message it came from in memory.
    pub fn detached(&self) -> Self {
        Self { text: Bytes::copy_from_slice(&self.text), ..self.clone() }
    }

    /// Equal by RFC 3261 §19.1.4 (addresses by value, RFC 5954 §3.2); tel URIs by RFC 3966 §4,
    /// global or local number without visual separators; others byte by byte.
    pub fn equivalent(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other => false,
            Scheme::Tel => {
                let digits = |uri: &Self| uri.dialled().map(|n| n.to_ascii_lowercase());
                digits(self) == digits(other) && self.same_params(other, |_| true)
            }
            Scheme::Sip | Scheme::Sips => {
                let same = |a: Option<&[u8]>, b: Option<&[u8]>| match (a, b) {
                    (None, None) => true,
                    (Some(a), Some(b)) => a == b || canonical(a) == canonical(b),
                    _ => false,
                };
                let same_host = self.host().eq_ignore_ascii_case(other.host())
                    || (self.host_address().is_some()
                        && self.host_address() == other.host_address());
                same(self.user(), other.user())
                    && same(self.password(), other.password())
                    && same_host
                    && self.port == other.port
                    // These four never match their absence.
                    && self.same_params(other, |name| {
                        [&b"user"[..], b"ttl", b"method", b"maddr", b"transport"]
                            .iter()
                            .any(|strict| name.eq_ignore_ascii_case(strict))
                    })
                    && self.same_headers(other)
            }
        }
    }

    /// Parameters in both must have equal values; those for which `strict` holds must be in both.
    fn same_params(&self, other: &Self, strict: impl Fn(&[u8]) -> bool) -> bool {
        let few = |uri: &Self| uri.params().nth(COMPARED_MAX).is_none();
        let covered = |from: &Self, to: &Self| {
            from.params().all(|(name, value)| {
                let name = unescape(name);
                let twin = to.params().find(|(n, _)| unescape(n).eq_ignore_ascii_case(&name));
                match twin {
                    None => !strict(&name),
                    Some((_, twin)) => unescape(value.unwrap_or_default())
                        .eq_ignore_ascii_case(&unescape(twin.unwrap_or_default())),
                }
            })
        };
        few(self) && few(other) && covered(self, other) && covered(other, self)
    }

    /// Header parts are never ignored: each must have its twin.
    fn same_headers(&self, other: &Self) -> bool {
        let few = |uri: &Self| uri.headers().nth(COMPARED_MAX).is_none();
        let covered = |from: &Self, to: &Self| {
            from.headers().all(|(name, value)| {
                let (name, value) = (unescape(name), unescape(value.unwrap_or_default()));
                to.headers().any(|(n, v)| {
                    unescape(n).eq_ignore_ascii_case(&name)
                        && unescape(v.unwrap_or_default()) == value
                })
            })
        };
        few(self) && few(other) && covered(self, other) && covered(other, self)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl AsRef<[u8]> for Uri {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_text())
    }
}

/// `a=1;b` cut at the separator, without a leading one.
fn pairs(text: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    text.split(move |&byte| byte == separator).filter(|part| !part.is_empty()).map(|part| {
        match memchr::memchr(b'=', part) {
            Some(equals) => {
                let (name, value) = part.split_at(equals);
                (name, value.get(1..))
            }
            None => (part, None),
        }
    })
}

/// Reads a host at `start`; gives its end, twice (the second is where reading goes on).
pub(crate) fn read_host(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let rest = text.get(start..)?;
    if rest.first() == Some(&b'[') {
        let closing = memchr::memchr(b']', rest)?;
        let address = std::str::from_utf8(rest.get(..=closing)?).ok()?;
        parse_address(address)?;
        return Some((start + closing + 1, start + closing + 1));
    }
    let length = rest.iter().position(|&byte| !is_host_byte(byte)).unwrap_or(rest.len());
    (length > 0).then_some((start + length, start + length))
}

/// An IPv4 address, or an IPv6 address in or out of brackets.
pub(crate) fn parse_address(host: &str) -> Option<IpAddr> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // RFC 5118 §4.10: the grammar of RFC 3261 wrote three colons before an embedded IPv4
        // address; those who followed it are understood.
        let address = inner.parse().ok().or_else(|| inner.replacen(":::", "::", 1).parse().ok());
        return address.map(IpAddr::V6);
    }
    host.parse().ok()
}

/// Resolves %-escapes; a `%` without two hexadecimal digits stands for itself.
pub(crate) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', text) else { return text.into() };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(text.get(..first).unwrap_or_default());
    let mut at = first;
    while let Some(&byte) = text.get(at) {
        let digit = |index: usize| text.get(index).and_then(|&d| char::from(d).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out.into()
}

/// For comparison: an escaped character equals the bare one unless it is reserved
/// (RFC 3261 §19.1.4: escapes of reserved characters differ from the characters).
fn canonical(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digit = |index: usize| text.get(index).and_then(|&d| char::from(d).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                let value = (high * 16 + low) as u8;
                if value.is_ascii_graphic() && !b";/?:@&=+$,%".contains(&value) {
                    out.push(value);
                } else {
                    out.extend_from_slice(format!("%{value:02X}").as_bytes());
                }
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Writes a user part, escaping what RFC 3261 §25.1 does not allow there.
fn escape_user(user: &[u8], out: &mut BytesMut) {
    for &byte in user {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.put_u8(byte);
        } else {
            out.put_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}
