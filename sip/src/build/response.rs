//! Responses: made of the request they answer (RFC 3261 §8.2.6).

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use compact_str::CompactString;

use super::{BuildError, Parts, is_clean, put_line, put_number};
use crate::header::{HeaderName, Via};
use crate::message::Message;
use crate::status::reason_phrase;

/// A response being made: Vias in order, From, To, Call-ID and CSeq come from the request.
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    request: Message,
    status: u16,
    reason: Option<CompactString>,
    to_tag: Option<CompactString>,
    source: Option<SocketAddr>,
    record_route: bool,
    parts: Parts,
}

impl ResponseBuilder {
    /// A response with the usual reason phrase. Give it [`ResponseBuilder::source`] and, but for
    /// 100, [`ResponseBuilder::to_tag`].
    pub fn new(request: &Message, status: u16) -> Self {
        Self {
            request: request.clone(),
            status,
            reason: None,
            to_tag: None,
            source: None,
            record_route: false,
            parts: Parts::default(),
        }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Where the request came from: fills `received` and `rport` of the top Via
    /// (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Another reason phrase than the usual one.
    pub fn reason(mut self, phrase: &str) -> Self {
        if !is_clean(phrase.as_bytes()) {
            self.parts.fault.get_or_insert(BuildError::LineEnd(HeaderName::Other));
        }
        self.reason = Some(phrase.into());
        self
    }

    /// The tag of To, if the request has none there; ours to mint.
    pub fn to_tag(mut self, tag: &str) -> Self {
        if !is_clean(tag.as_bytes()) {
            self.parts.fault.get_or_insert(BuildError::LineEnd(HeaderName::To));
        }
        self.to_tag = Some(tag.into());
        self
    }

    /// Copies Record-Route: for a response that makes a dialog (RFC 3261 §12.1.1).
    pub fn record_route(mut self) -> Self {
        self.record_route = true;
        self
    }

    /// One more header line.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        self.parts.header(name, value.as_ref());
        self
    }

    /// One more header line, whatever its name.
    pub fn header_named(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.parts.header_named(name, value.as_ref());
        self
    }

    /// The body; Content-Length is written in any case.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.parts.body(content_type, body.into());
        self
    }

    /// Writes the response.
    ///
    /// # Errors
    /// The request lacks a mandatory header, a value holds a line end, the status is none, or
    /// the message is too large.
    pub fn finish(&self) -> Result<Bytes, BuildError> {
        if !(100..=699).contains(&self.status) {
            return Err(BuildError::Status(self.status));
        }
        let phrase = self.reason.as_deref().unwrap_or_else(|| reason_phrase(self.status));
        let mut out = BytesMut::with_capacity(768 + self.parts.size());
        out.put_slice(b"SIP/2.0 ");
        put_number(&mut out, u64::from(self.status));
        out.put_u8(b' ');
        out.put_slice(phrase.as_bytes());
        out.put_slice(b"\r\n");
        self.put_vias(&mut out)?;
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            match self.request.header(name) {
                Some(to) if name == HeaderName::To => self.put_to(&mut out, to),
                Some(value) => put_line(&mut out, name.as_str().as_bytes(), value),
                // What a 400 complains about may well be missing (RFC 4475 §3.3.1).
                None if self.status == 400 => {}
                None => return Err(BuildError::Missing(name)),
            }
        }
        if self.status == 100 {
            // §8.2.6.1: the 100 carries the Timestamp of the request.
            if let Some(timestamp) = self.request.header(HeaderName::Timestamp) {
                put_line(&mut out, b"Timestamp", timestamp);
            }
        }
        if self.record_route {
            for route in self.request.headers(HeaderName::RecordRoute) {
                put_line(&mut out, b"Record-Route", route);
            }
        }
        self.parts.finish(out)
    }

    fn put_vias(&self, out: &mut BytesMut) -> Result<(), BuildError> {
        let mut vias = self.request.shared_values(HeaderName::Via);
        let top = vias.next().ok_or(BuildError::Missing(HeaderName::Via))?;
        match (self.source, self.request.top_via()) {
            (Some(source), Ok(via)) => put_top_via(out, via, source),
            (None, Ok(_)) => put_line(out, b"Via", &top),
            // Nobody knows where such a list is to be cut: its lines go back as they came.
            (_, Err(_)) => {
                let lines = self.request.fields().filter(|field| field.name == HeaderName::Via);
                lines.for_each(|line| put_line(out, b"Via", line.value));
                return Ok(());
            }
        }
        for via in vias {
            put_line(out, b"Via", &via);
        }
        Ok(())
    }

    /// A tag is added only where there is none: inside a dialog it is already ours.
    fn put_to(&self, out: &mut BytesMut, to: &[u8]) {
        out.put_slice(b"To: ");
        out.put_slice(to);
        if let Some(tag) = &self.to_tag
            && !self.request.to().is_ok_and(|to| to.tag().is_some())
        {
            out.put_slice(b";tag=");
            out.put_slice(tag.as_bytes());
        }
        out.put_slice(b"\r\n");
    }
}

/// The top Via with `received` when sent-by is not the address the request came from, or rport
/// was asked for; and `rport` with the port it came from.
fn put_top_via(out: &mut BytesMut, via: &Via, source: SocketAddr) {
    let text = via.as_bytes();
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    let asked = via.rport().is_some();
    let differs = via.host_address().map(|host| host.to_canonical()) != Some(source.ip());
    let head = text.len() - via.params.as_bytes().len();
    out.put_slice(b"Via: ");
    out.put_slice(text.get(..head).unwrap_or_default());
    for param in via.params.iter() {
        // A `received` or `rport` value that came with the request is not believed.
        if param.name.eq_ignore_ascii_case(b"received") {
            continue;
        }
        out.put_u8(b';');
        out.put_slice(param.name);
        if param.name.eq_ignore_ascii_case(b"rport") {
            out.put_u8(b'=');
            put_number(out, u64::from(source.port()));
        } else if let Some(value) = param.value {
            out.put_u8(b'=');
            out.put_slice(value);
        }
    }
    if asked || differs {
        out.put_slice(b";received=");
        out.put_slice(source.ip().to_string().as_bytes());
    }
    out.put_slice(b"\r\n");
}
