//! The SIP message: one buffer and the offsets of its lines (RFC 3261 §7).
//!
//! Owns: finding the start line, the header lines and the body, once; recognising header names;
//! reading typed values when asked for. Does not own: whether a request makes sense
//! ([`crate::validate`]), where message ends are on a stream ([`crate::framing`]), writing
//! ([`crate::build`]).
//!
//! Copies share the buffer, the offsets, and what has been read of the headers that everybody asks
//! for ([`typed::Typed`]): a message is handed on by many hands.
//!
//! Folded lines are unfolded once, in a copy of the same length (each line end of a fold becomes
//! two spaces), so that offsets hold in both and no grammar ever meets a line end;
//! [`Message::as_bytes`] still gives the message as it came.

mod parse;
mod typed;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

pub use parse::{ParseError, ParseErrorKind};
pub use typed::Reason;
use typed::Typed;

use crate::grammar::ListSpans;
use crate::header::HeaderName;
use crate::method::Method;

/// Header lines kept without an allocation.
const LINES_INLINE: usize = 24;

/// A range of the message. Messages are shorter than 64 KiB, so 16 bits hold any offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Both at most [`crate::limits::MESSAGE_BYTES_MAX`].
    fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= crate::limits::MESSAGE_BYTES_MAX);
        Self { start: start as u16, end: end as u16 }
    }

    fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

/// One header line, folds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    name: HeaderName,
    /// The name as written.
    name_span: Span,
    /// The value without surrounding space.
    value: Span,
}

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    Request { method: Method, uri: Span, version: Span },
    Response { status: u16, reason: Span, version: Span },
}

/// A SIP request or response. Cloning counts one reference.
#[derive(Clone, Debug)]
pub struct Message {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The message with its folds undone.
    text: Bytes,
    /// The message as it came, if it had folds.
    wire: Option<Bytes>,
    start: Start,
    lines: SmallVec<[Line; LINES_INLINE]>,
    body: Span,
    typed: Typed,
}

/// One header line as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField<'m> {
    /// The name, recognised.
    pub name: HeaderName,
    /// The name as written.
    pub name_text: &'m [u8],
    /// The value without surrounding space, folds undone.
    pub value: &'m [u8],
}

impl Message {
    /// Finds the parts of one message: of a datagram, or of what [`crate::framing`] cut out of a
    /// stream. Line ends before the start line are skipped; what follows `Content-Length` bytes
    /// of body is cut off; without `Content-Length` the body is the rest.
    ///
    /// # Errors
    /// [`ParseError`]; when the request can still be answered it says so
    /// ([`ParseError::answerable`]).
    pub fn parse(input: Bytes) -> Result<Self, ParseError> {
        parse::parse(input)
    }

    /// The message as it came, from its start line to the end of its body.
    pub fn as_bytes(&self) -> &[u8] {
        let wire = self.inner.wire.as_ref().unwrap_or(&self.inner.text);
        wire.get(..usize::from(self.inner.body.end)).unwrap_or_default()
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.inner.start, Start::Request { .. })
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.inner.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// Whether it is a request of this method.
    pub fn is(&self, method: &Method) -> bool {
        self.method() == Some(method)
    }

    /// The Request-URI as written; empty in a response.
    pub fn request_uri_bytes(&self) -> &[u8] {
        match &self.inner.start {
            Start::Request { uri, .. } => self.slice(*uri),
            Start::Response { .. } => &[],
        }
    }

    /// The version as written, such as `SIP/2.0`.
    pub fn version(&self) -> &[u8] {
        match &self.inner.start {
            Start::Request { version, .. } | Start::Response { version, .. } => {
                self.slice(*version)
            }
        }
    }

    /// The status of a response, 100–699.
    pub fn status(&self) -> Option<u16> {
        match &self.inner.start {
            Start::Response { status, .. } => Some(*status),
            Start::Request { .. } => None,
        }
    }

    /// The reason phrase of a response, which may be empty; bytes that are not UTF-8 are
    /// replaced.
    pub fn reason_phrase(&self) -> Cow<'_, str> {
        match &self.inner.start {
            Start::Response { reason, .. } => String::from_utf8_lossy(self.slice(*reason)),
            Start::Request { .. } => "".into(),
        }
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.slice(self.inner.body)
    }

    /// The body, sharing the message's memory.
    pub fn body_bytes(&self) -> Bytes {
        self.shared(self.inner.body)
    }

    /// All header lines in order, as written.
    pub fn fields(&self) -> impl Iterator<Item = HeaderField<'_>> {
        self.inner.lines.iter().map(|line| HeaderField {
            name: line.name,
            name_text: self.slice(line.name_span),
            value: self.slice(line.value),
        })
    }

    /// The value of the first line of that name, whole (a list is not cut).
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.line(name).map(|line| self.slice(line.value))
    }

    /// [`Message::header`] as text; bytes that are not UTF-8 are replaced.
    pub fn header_text(&self, name: HeaderName) -> Option<Cow<'_, str>> {
        self.header(name).map(String::from_utf8_lossy)
    }

    /// The values of that name in order: one per line, and one per element where the grammar
    /// allows comma-separated lists.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.spans(name).map(|span| self.slice(span))
    }

    /// How many lines of that name there are.
    pub fn count(&self, name: HeaderName) -> usize {
        self.inner.lines.iter().filter(|line| line.name == name).count()
    }

    /// The values of the lines with that name, known or not, compared without case; lists are
    /// not cut.
    pub fn headers_named<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m [u8]> {
        let known = HeaderName::from_bytes(name.as_bytes());
        self.fields()
            .filter(move |field| match known {
                HeaderName::Other => field.name_text.eq_ignore_ascii_case(name.as_bytes()),
                known => field.name == known,
            })
            .map(|field| field.value)
    }

    fn line(&self, name: HeaderName) -> Option<&Line> {
        self.inner.line(name)
    }

    fn spans(&self, name: HeaderName) -> impl Iterator<Item = Span> {
        self.inner.lines.iter().filter(move |line| line.name == name).flat_map(move |line| {
            let value = self.slice(line.value);
            let (list, whole) = match name.is_list() {
                true => (Some(ListSpans::new(value)), None),
                false => (None, Some(line.value)),
            };
            let base = usize::from(line.value.start);
            let elements = list.into_iter().flatten();
            whole
                .into_iter()
                .chain(elements.map(move |(start, end)| Span::new(base + start, base + end)))
        })
    }

    fn slice(&self, span: Span) -> &[u8] {
        self.inner.slice(span)
    }

    fn shared(&self, span: Span) -> Bytes {
        debug_assert!(span.range().end <= self.inner.text.len());
        self.inner.text.slice(span.range())
    }
}

impl Inner {
    fn slice(&self, span: Span) -> &[u8] {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn line(&self, name: HeaderName) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }
}
