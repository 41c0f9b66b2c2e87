//! `;name=value` parameters after a header value or inside a URI (RFC 3261 §25.1 generic-param).

use bytes::Bytes;

use crate::grammar::{is_space, is_token_byte, skip_quoted, skip_space, trim, trim_end, unquote};

/// Parameters kept as they were written, found by name without regard to case.
///
/// Either empty or checked: a value of this type obeys the grammar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    raw: Bytes,
}

/// One parameter as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'p> {
    /// The name, in the case it was written in.
    pub name: &'p [u8],
    /// The value with its quotes, if it has any; `None` for a parameter without `=`.
    pub value: Option<&'p [u8]>,
}

impl Params {
    /// Checks and keeps `;a=1;b`, which begins with a semicolon or is empty.
    pub(crate) fn parse(raw: Bytes) -> Option<Self> {
        let mut rest = trim(&raw);
        while !rest.is_empty() {
            let (_, after) = split_first(rest)?;
            rest = after;
        }
        Some(Self { raw })
    }

    /// No parameter at all.
    pub fn is_empty(&self) -> bool {
        trim(&self.raw).is_empty()
    }

    /// As written, with the leading semicolon.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'_>> {
        let mut rest = trim(&self.raw);
        std::iter::from_fn(move || {
            let (param, after) = split_first(rest)?;
            rest = after;
            Some(param)
        })
    }

    /// The first parameter of that name.
    pub fn get(&self, name: &str) -> Option<Param<'_>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether a parameter of that name exists, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of a parameter, as written (a quoted string keeps its quotes).
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.get(name)?.value
    }

    /// The value without the quotes and escapes of a quoted string, as text; bytes that are not
    /// UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&unquote(self.value(name)?)).into_owned())
    }

    /// A copy that does not keep the message it came from in memory.
    pub fn detached(&self) -> Self {
        Self { raw: Bytes::copy_from_slice(&self.raw) }
    }

    /// The value as a slice that shares the message's memory.
    pub(crate) fn shared(&self, value: &[u8]) -> Bytes {
        self.raw.slice_ref(value)
    }
}

/// Takes `;name[=value]` off the front of non-empty, trimmed text.
fn split_first(text: &[u8]) -> Option<(Param<'_>, &[u8])> {
    if text.first() != Some(&b';') {
        return None;
    }
    let start = skip_space(text, 1);
    let mut at = start;
    while text.get(at).is_some_and(|&byte| is_token_byte(byte)) {
        at += 1;
    }
    let name = text.get(start..at).filter(|name| !name.is_empty())?;
    at = skip_space(text, at);
    let mut value = None;
    if text.get(at) == Some(&b'=') {
        let from = skip_space(text, at + 1);
        at = match text.get(from) {
            Some(b'"') => skip_quoted(text, from)?,
            _ => token_or_host_end(text, from),
        };
        value = Some(text.get(from..at).filter(|value| !value.is_empty())?);
        at = skip_space(text, at);
    }
    let rest = text.get(at..)?;
    if !rest.is_empty() && rest.first() != Some(&b';') {
        return None;
    }
    Some((Param { name, value }, rest))
}

/// gen-value = token / host: besides tokens, the colons and brackets of an IPv6 address
/// (RFC 5118 §4.5 asks to take it without brackets too). Peers also send other visible
/// characters bare, as in `sip.instance` or `transport=`; what cannot be confused with the
/// surrounding grammar is let through.
fn token_or_host_end(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        if is_space(byte) || matches!(byte, b';' | b',' | b'"' | b'<' | b'>' | 0..=31 | 127) {
            break;
        }
        at += 1;
    }
    trim_end(text, from, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &'static str) -> Option<Params> {
        Params::parse(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn found_by_name_in_any_case_with_space_around() {
        let params = params(r#"; a =1 ;B="x;\"y" ; lr ;received=2001:db8::9:255"#).unwrap();
        assert_eq!(params.value("A"), Some(&b"1"[..]));
        assert_eq!(params.text("b").as_deref(), Some("x;\"y"));
        assert!(params.has("lr") && params.value("lr").is_none());
        assert_eq!(params.value("received"), Some(&b"2001:db8::9:255"[..]));
        assert_eq!(params.iter().count(), 4);
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [";;", ";a=", ";a=;b", "a=1", ";a b", ";a=\"x", ";a=1,2", ";=x"] {
            assert_eq!(params(text), None, "{text}");
        }
        assert!(params("").unwrap().is_empty());
        assert!(params("  ").unwrap().is_empty());
    }
}
