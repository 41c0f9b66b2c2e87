//! The lexical ground every SIP grammar stands on (RFC 3261 §25.1): tokens, white space, quoted
//! strings, numbers, comma-separated lists. Works on unfolded bytes: line folds are spaces here.

/// Class bits per byte, so that a test is one load.
const TOKEN: u8 = 1;
const HOST: u8 = 2;
const URI: u8 = 4;

const CLASS: [u8; 256] = {
    let mut class = [0u8; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        if byte.is_ascii_alphanumeric() {
            class[index] |= TOKEN | HOST;
        }
        if matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
            class[index] |= TOKEN;
        }
        // The underscore is no host character, but machines carry it in their names.
        if matches!(byte, b'-' | b'.' | b'_') {
            class[index] |= HOST;
        }
        // What cannot be part of any URI: space, controls, quotes, angle brackets.
        if !matches!(byte, 0..=32 | 127 | b'<' | b'>' | b'"') {
            class[index] |= URI;
        }
        index += 1;
    }
    class
};

/// One or more token characters.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

#[inline]
pub(crate) fn is_host_byte(byte: u8) -> bool {
    CLASS[byte as usize] & HOST != 0
}

#[inline]
pub(crate) fn is_uri_byte(byte: u8) -> bool {
    CLASS[byte as usize] & URI != 0
}

#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Skips spaces and tabs from `at`.
#[inline]
pub(crate) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|&byte| is_space(byte)) {
        at += 1;
    }
    at
}

/// Skips spaces and tabs backwards: the smallest end ≥ `start` that leaves no trailing space.
#[inline]
pub(crate) fn trim_end(text: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && text.get(end - 1).is_some_and(|&byte| is_space(byte)) {
        end -= 1;
    }
    end
}

/// Without leading and trailing spaces and tabs.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = skip_space(text, 0);
    let end = trim_end(text, start, text.len());
    text.get(start..end).unwrap_or_default()
}

/// The index just past the closing quote of a quoted string that opens at `at`.
#[inline]
pub(crate) fn skip_quoted(text: &[u8], at: usize) -> Option<usize> {
    debug_assert_eq!(text.get(at), Some(&b'"'));
    let mut at = at + 1;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(found) {
            Some(b'"') => return Some(found + 1),
            _ => at = found + 2,
        }
    }
}

/// A decimal number that fits into 64 bits; nothing else, no sign, no space.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(value)
}

/// The content of a quoted string with its escapes resolved, or a token as it stands.
pub(crate) fn unquote(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let Some(inner) = text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return text.into();
    };
    if !inner.contains(&b'\\') {
        return inner.into();
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out.into()
}

/// Elements of a comma-separated list, with quoted strings and `<…>` respected, each without its
/// surrounding space; yields `(start, end)` into the text. Empty elements are yielded empty: it is
/// for the grammar of the element to refuse them.
#[derive(Clone, Debug)]
pub(crate) struct ListSpans<'m> {
    text: &'m [u8],
    at: Option<usize>,
}

impl<'m> ListSpans<'m> {
    pub(crate) fn new(text: &'m [u8]) -> Self {
        Self { text, at: Some(0) }
    }
}

impl Iterator for ListSpans<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let from = self.at?;
        let mut at = from;
        let end = loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr3(b',', b'"', b'<', rest) else {
                self.at = None;
                break self.text.len();
            };
            let found = at + found;
            match self.text.get(found) {
                Some(b',') => {
                    self.at = Some(found + 1);
                    break found;
                }
                // An unbalanced quote or bracket ends the list: the rest is one bad element.
                Some(b'"') => match skip_quoted(self.text, found) {
                    Some(past) => at = past,
                    None => {
                        self.at = None;
                        break self.text.len();
                    }
                },
                _ => match memchr::memchr(b'>', self.text.get(found..).unwrap_or_default()) {
                    Some(closing) => at = found + closing + 1,
                    None => {
                        self.at = None;
                        break self.text.len();
                    }
                },
            }
        };
        let start = skip_space(self.text, from).min(end);
        Some((start, trim_end(self.text, start, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<&str> {
        ListSpans::new(text.as_bytes()).map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn lists_respect_quotes_and_brackets() {
        for (text, expected) in [
            ("a, b ,c", vec!["a", "b", "c"]),
            (r#""Bell, A" <sip:a@b;x=1,2>;q=1, <sip:c>"#, {
                vec![r#""Bell, A" <sip:a@b;x=1,2>;q=1"#, "<sip:c>"]
            }),
            (r#""esc\", still" <x>, y"#, vec![r#""esc\", still" <x>"#, "y"]),
            (r#"a, "open, b"#, vec!["a", r#""open, b"#]),
            ("a,,b", vec!["a", "", "b"]),
            ("", vec![""]),
        ] {
            assert_eq!(list(text), expected, "{text}");
        }
    }

    #[test]
    fn quoted_strings() {
        assert_eq!(skip_quoted(br#""a\"b" c"#, 0), Some(6));
        assert_eq!(skip_quoted(br#""a\"#, 0), None);
        assert_eq!(skip_quoted(br#""a"#, 0), None);
        assert_eq!(&*unquote(br#""a\"b\\""#), br#"a"b\"#);
        assert_eq!(&*unquote(b"token"), b"token");
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }
}
