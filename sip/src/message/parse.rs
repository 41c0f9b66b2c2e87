//! One pass over the bytes: start line, header lines, body.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::typed::Typed;
use super::{Inner, Line, Message, Span, Start};
use crate::grammar::{is_space, is_token, number, skip_space, trim_end};
use crate::header::HeaderName;
use crate::limits::{HEADER_LINE_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX, START_LINE_BYTES_MAX};
use crate::method::Method;
use crate::validate;

/// What kept bytes from being a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseErrorKind {
    /// Nothing, or nothing but line ends: a keep-alive (RFC 5626 §3.5.1).
    #[error("empty")]
    Empty,
    /// Longer than [`MESSAGE_BYTES_MAX`].
    #[error("longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// The first line is neither a request nor a status line.
    #[error("neither a request nor a response")]
    StartLine,
    /// The start line is longer than [`START_LINE_BYTES_MAX`].
    #[error("start line longer than {START_LINE_BYTES_MAX} bytes")]
    StartLineTooLong,
    /// The status is not 100–699.
    #[error("status outside 100–699")]
    Status,
    /// The headers do not end with an empty line.
    #[error("the headers do not end")]
    Unterminated,
    /// More than [`HEADERS_MAX`] header lines.
    #[error("more than {HEADERS_MAX} headers")]
    TooManyHeaders,
    /// A header line longer than [`HEADER_LINE_BYTES_MAX`].
    #[error("header longer than {HEADER_LINE_BYTES_MAX} bytes")]
    HeaderTooLong,
    /// A header line without a colon, or whose name is no token.
    #[error("header line without a name")]
    HeaderName,
    /// A carriage return inside a line.
    #[error("carriage return inside a line")]
    StrayCarriageReturn,
    /// `Content-Length` promises more than there is.
    #[error("Content-Length is greater than the body")]
    BodyTooShort,
}

/// Bytes that are no message, and whether the sender can be told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What was wrong first.
    pub kind: ParseErrorKind,
    partial: Option<Box<Message>>,
}

impl PartialEq for ParseError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.answerable().is_some() == other.answerable().is_some()
    }
}

impl ParseError {
    fn silent(kind: ParseErrorKind) -> Self {
        Self { kind, partial: None }
    }

    /// The request as far as it could be read, if a response to it can be made: it is not an ACK
    /// and has Via, From, To, Call-ID and CSeq. Its other parts must not be relied upon.
    pub fn answerable(&self) -> Option<&Message> {
        self.partial.as_deref()
    }

    /// The status that answers it.
    pub fn status(&self) -> u16 {
        match self.kind {
            ParseErrorKind::TooLarge => 513,
            ParseErrorKind::StartLineTooLong => 414,
            _ => 400,
        }
    }
}

pub(super) fn parse(input: Bytes) -> Result<Message, ParseError> {
    let blank = input.iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n')).count();
    let mut input = match blank {
        0 => input,
        _ => input.slice(blank..),
    };
    if input.is_empty() {
        return Err(ParseError::silent(ParseErrorKind::Empty));
    }
    let mut fault = None;
    if input.len() > MESSAGE_BYTES_MAX {
        fault = Some(ParseErrorKind::TooLarge);
        input.truncate(MESSAGE_BYTES_MAX);
    }
    let (start, headers_at) = read_start_line(&input, &mut fault)?;
    let mut head = read_headers(&input, headers_at, &mut fault);
    let wire = head.folded.then(|| input.clone());
    let text = match head.folded {
        true => unfold(&input, &head.lines),
        false => input,
    };
    let lines = std::mem::take(&mut head.lines);
    let body = Span::new(head.end, text.len());
    let mut inner = Inner { text, wire, start, lines, body, typed: Typed::default() };
    inner.cut_body(&mut fault);
    let message = Message { inner: Arc::new(inner) };
    match fault {
        None => Ok(message),
        Some(kind) => {
            let partial = validate::is_answerable(&message).then(|| Box::new(message));
            Err(ParseError { kind, partial })
        }
    }
}

/// A line of the message.
struct RawLine {
    /// Its end, without the line end.
    end: usize,
    /// Where the next line starts.
    next: usize,
    /// There is a carriage return inside.
    stray: bool,
}

/// The line that starts at `at`; a bare LF ends a line too.
#[inline]
fn read_line(input: &[u8], at: usize) -> Option<RawLine> {
    let found = at + memchr2(b'\r', b'\n', input.get(at..)?)?;
    match (input.get(found), input.get(found + 1)) {
        (Some(b'\n'), _) => Some(RawLine { end: found, next: found + 1, stray: false }),
        (_, Some(b'\n')) => Some(RawLine { end: found, next: found + 2, stray: false }),
        _ => {
            let end = found + memchr(b'\n', input.get(found..)?)?;
            Some(RawLine { end, next: end + 1, stray: true })
        }
    }
}

fn read_start_line(
    input: &[u8],
    fault: &mut Option<ParseErrorKind>,
) -> Result<(Start, usize), ParseError> {
    let bad = || ParseError::silent(ParseErrorKind::StartLine);
    let RawLine { end, next, stray } = read_line(input, 0).ok_or_else(bad)?;
    let line = input.get(..end).unwrap_or_default();
    if stray {
        note(fault, ParseErrorKind::StrayCarriageReturn);
    }
    if line.len() > START_LINE_BYTES_MAX {
        note(fault, ParseErrorKind::StartLineTooLong);
    }
    let first = memchr(b' ', line).ok_or_else(bad)?;
    if is_version(line.get(..first).unwrap_or_default()) {
        // Status-Line = SIP-Version SP Status-Code SP Reason-Phrase; the last space is often
        // left out when there is no phrase.
        let rest = line.get(first + 1..).unwrap_or_default();
        let digits = memchr(b' ', rest).unwrap_or(rest.len());
        let status = number(rest.get(..digits).unwrap_or_default())
            .filter(|status| digits == 3 && (100..=699).contains(status))
            .ok_or_else(|| ParseError::silent(ParseErrorKind::Status))?;
        let reason = (first + 1 + digits + 1).min(end);
        let version = Span::new(0, first);
        let reason = Span::new(reason, end);
        return Ok((Start::Response { status: status as u16, reason, version }, next));
    }
    let method = Method::from_bytes(line.get(..first).unwrap_or_default()).ok_or_else(bad)?;
    // Request-Line = Method SP Request-URI SP SIP-Version. Everything between the first space
    // and the last word is the Request-URI; superfluous space stays in it and is judged there.
    let version_end = trim_end(line, first, end);
    let version_at = line
        .get(..version_end)
        .and_then(|line| memchr::memrchr(b' ', line))
        .filter(|&space| space > first)
        .ok_or_else(bad)?
        + 1;
    if !is_version(line.get(version_at..version_end).unwrap_or_default()) {
        return Err(bad());
    }
    let uri = Span::new(first + 1, version_at - 1);
    // Trailing space is kept with the version, where validation sees it.
    let version = Span::new(version_at, end);
    Ok((Start::Request { method, uri, version }, next))
}

/// `SIP/` digits `.` digits, in any case (RFC 3261 §7.1).
fn is_version(word: &[u8]) -> bool {
    let Some((protocol, version)) = word.split_at_checked(4) else { return false };
    let mut parts = version.split(|&byte| byte == b'.');
    let mut digits = || parts.next().is_some_and(|part| number(part).is_some());
    protocol.eq_ignore_ascii_case(b"SIP/") && digits() && digits() && parts.next().is_none()
}

struct Head {
    lines: SmallVec<[Line; super::LINES_INLINE]>,
    folded: bool,
    /// Where the body begins.
    end: usize,
}

/// Reads header lines up to the empty line. A broken one is noted and left out, so that the rest
/// may still make the request answerable.
fn read_headers(input: &[u8], at: usize, fault: &mut Option<ParseErrorKind>) -> Head {
    let mut head = Head { lines: SmallVec::new(), folded: false, end: input.len() };
    let mut at = at;
    loop {
        let start = at;
        let Some(RawLine { mut end, mut next, mut stray }) = read_line(input, start) else {
            note(fault, ParseErrorKind::Unterminated);
            return head;
        };
        if end == start {
            head.end = next;
            return head;
        }
        while input.get(next).is_some_and(|&byte| is_space(byte)) {
            let Some(fold) = read_line(input, next) else { break };
            head.folded = true;
            stray |= fold.stray;
            (end, next) = (fold.end, fold.next);
        }
        at = next;
        if stray {
            note(fault, ParseErrorKind::StrayCarriageReturn);
        } else if end - start > HEADER_LINE_BYTES_MAX {
            note(fault, ParseErrorKind::HeaderTooLong);
        } else if head.lines.len() == HEADERS_MAX {
            note(fault, ParseErrorKind::TooManyHeaders);
            return head;
        } else if let Some(line) = read_header(input, start, end) {
            head.lines.push(line);
        } else {
            note(fault, ParseErrorKind::HeaderName);
        }
    }
}

#[inline]
fn read_header(input: &[u8], start: usize, end: usize) -> Option<Line> {
    let line = input.get(..end)?;
    // Names are short: a plain loop is done before a vector search has begun.
    let colon = start + line.get(start..)?.iter().position(|&byte| byte == b':')?;
    let name_end = trim_end(line, start, colon);
    let name_text = line.get(start..name_end)?;
    let name = HeaderName::from_bytes(name_text);
    if name == HeaderName::Other && !is_token(name_text) {
        return None;
    }
    // A fold may begin right after the colon or end the value: its line end is space as well.
    let blank = |&byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let value = line.get(colon + 1..)?;
    let from = value.iter().position(|byte| !blank(byte)).map_or(end, |skip| colon + 1 + skip);
    let kept = line.get(from..)?.iter().rposition(|byte| !blank(byte));
    let to = from + kept.map_or(0, |last| last + 1);
    Some(Line { name, name_span: Span::new(start, name_end), value: Span::new(from, to) })
}

/// A copy with each line end inside a value turned into spaces (RFC 3261 §7.3.1).
fn unfold(input: &Bytes, lines: &[Line]) -> Bytes {
    let mut copy = BytesMut::from(&input[..]);
    for line in lines {
        for byte in copy.get_mut(line.value.range()).unwrap_or_default() {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    copy.freeze()
}

fn note(fault: &mut Option<ParseErrorKind>, kind: ParseErrorKind) {
    fault.get_or_insert(kind);
}

impl Inner {
    /// RFC 3261 §18.3: what exceeds Content-Length is dropped; too little is an error. A length
    /// that is no number is left for validation to refuse.
    fn cut_body(&mut self, fault: &mut Option<ParseErrorKind>) {
        let Some(line) = self.line(HeaderName::ContentLength) else { return };
        let length = self.slice(line.value);
        let digits = &length[skip_space(length, 0)..];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return;
        }
        let length = number(digits).unwrap_or(u64::MAX);
        let present = usize::from(self.body.end) - usize::from(self.body.start);
        match usize::try_from(length) {
            Ok(length) if length <= present => {
                self.body = Span::new(self.body.range().start, self.body.range().start + length);
            }
            _ => note(fault, ParseErrorKind::BodyTooShort),
        }
    }
}
