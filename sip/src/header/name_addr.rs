//! Addresses in headers: From, To, Contact, Route and their like (RFC 3261 §20.10, §25.1).

use std::fmt;

use bytes::Bytes;

use super::{Expected, HeaderError, HeaderName, Params};
use crate::grammar::{is_space, is_token_byte, skip_quoted, skip_space, trim_end, unquote};
use crate::uri::Uri;

/// `"display name" <uri>;params`, or `uri;params` where what follows the first `;` belongs to the
/// header and not to the URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    display: Option<Bytes>,
    /// The address.
    pub uri: Uri,
    /// The parameters of the header.
    pub params: Params,
}

/// A value of Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// `*`: all bindings (RFC 3261 §10.2.2).
    Wildcard,
    /// One contact.
    Address(NameAddr),
}

impl NameAddr {
    /// An address without display name and parameters.
    pub fn of(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// Reads one value, without surrounding space.
    pub fn parse(header: HeaderName, value: Bytes) -> Result<Self, HeaderError> {
        let error = |expected| HeaderError::new(header, expected);
        let bad = || error(Expected::NameAddr);
        let start = skip_space(&value, 0);
        let opening = if value.get(start) == Some(&b'"') {
            let past = skip_quoted(&value, start).ok_or_else(bad)?;
            let at = skip_space(&value, past);
            if value.get(at) != Some(&b'<') {
                return Err(bad());
            }
            Some((Some((start, past)), at))
        } else {
            match memchr::memchr(b'<', &value) {
                // `sip:a@b;x="<"`: a bracket inside a parameter is none.
                Some(at) if memchr::memchr(b';', value.get(..at).unwrap_or_default()).is_none() => {
                    let end = trim_end(&value, start, at);
                    let words = value.get(start..end).unwrap_or_default();
                    // *(token LWS): anything else would have to be quoted.
                    if !words.iter().all(|&b| is_token_byte(b) || is_space(b)) {
                        return Err(bad());
                    }
                    Some(((start < end).then_some((start, end)), at))
                }
                _ => None,
            }
        };
        let (display, uri, rest) = match opening {
            Some((display, at)) => {
                let inside = value.get(at + 1..).unwrap_or_default();
                let length = memchr::memchr(b'>', inside).ok_or_else(bad)?;
                let (from, to) = (at + 1, at + 1 + length);
                (display, value.slice(from..to), value.slice(to + 1..))
            }
            None => {
                let length = memchr::memchr(b';', &value).unwrap_or(value.len());
                let end = trim_end(&value, start, length).max(start);
                // §20.10: an address with a question mark or a comma needs its brackets.
                if memchr::memchr2(b'?', b',', &value[start..end]).is_some() {
                    return Err(bad());
                }
                (None, value.slice(start..end), value.slice(length..))
            }
        };
        let uri = Uri::parse(uri).map_err(|fault| error(Expected::Uri(fault)))?;
        let params = Params::parse(rest).ok_or_else(|| error(Expected::Params))?;
        Ok(Self { display: display.map(|(from, to)| value.slice(from..to)), uri, params })
    }

    /// The display name without quotes and escapes; bytes that are not UTF-8 are replaced.
    pub fn display_name(&self) -> Option<String> {
        let name = unquote(self.display.as_ref()?);
        Some(String::from_utf8_lossy(&name).into_owned())
    }

    /// The same address with a display name, or without one.
    pub fn with_display_name(mut self, name: Option<&str>) -> Self {
        self.display = name.map(|name| {
            let mut quoted = String::with_capacity(name.len() + 2);
            quoted.push('"');
            for c in name.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')) {
                if matches!(c, '"' | '\\') {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            quoted.push('"');
            Bytes::from(quoted)
        });
        self
    }

    /// The same address with the header parameter added at the end; the caller gives a valid
    /// name and value (a token or a quoted string).
    ///
    /// # Errors
    /// They cannot stand there.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Result<Self, HeaderError> {
        let mut raw = Vec::from(self.params.as_bytes());
        raw.push(b';');
        raw.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            raw.push(b'=');
            raw.extend_from_slice(value.as_bytes());
        }
        self.params = Params::parse(raw.into())
            .ok_or(HeaderError::new(HeaderName::Other, Expected::Params))?;
        Ok(self)
    }

    /// The same address with this `tag` in place of any it had.
    pub fn with_tag(mut self, tag: &str) -> Result<Self, HeaderError> {
        let mut raw = Vec::new();
        for param in self.params.iter().filter(|p| !p.name.eq_ignore_ascii_case(b"tag")) {
            raw.push(b';');
            raw.extend_from_slice(param.name);
            if let Some(value) = param.value {
                raw.push(b'=');
                raw.extend_from_slice(value);
            }
        }
        self.params = Params::parse(raw.into())
            .ok_or(HeaderError::new(HeaderName::Other, Expected::Params))?;
        self.with_param("tag", Some(tag))
    }

    /// The `tag` parameter of From and To.
    pub fn tag(&self) -> Option<Bytes> {
        self.params.value("tag").map(|tag| self.params.shared(tag))
    }

    /// The `expires` parameter of a Contact, in seconds. Nonsense reads as 3600
    /// (RFC 3261 §10.2.1.1), more than 2³²−1 as 2³²−1.
    pub fn expires_s(&self) -> Option<u32> {
        let text = self.params.value("expires")?;
        if !text.iter().all(u8::is_ascii_digit) {
            return Some(3600);
        }
        let seconds = crate::grammar::number(text).unwrap_or(u64::MAX);
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// The `q` parameter in thousandths, 0–1000; 1000 when absent or malformed.
    pub fn q_thousandths(&self) -> u16 {
        let read = || {
            let text = std::str::from_utf8(self.params.value("q")?).ok()?;
            let value: f32 = text.parse().ok()?;
            (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)
        };
        read().unwrap_or(1000)
    }

    /// A copy that does not keep the message it came from in memory.
    pub fn detached(&self) -> Self {
        Self {
            display: self.display.as_ref().map(|name| Bytes::copy_from_slice(name)),
            uri: self.uri.detached(),
            params: self.params.detached(),
        }
    }

    /// As it goes on the wire, byte by byte.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.uri.as_bytes().len() + 64);
        if let Some(display) = &self.display {
            out.extend_from_slice(display);
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(self.uri.as_bytes());
        out.push(b'>');
        out.extend_from_slice(self.params.as_bytes());
        out.into()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}
