//! Requests: everything but the top Via, which is known when the request is sent.

use bytes::{BufMut, Bytes, BytesMut};
use compact_str::CompactString;

use super::{BuildError, Parts, is_clean, put_line, put_number};
use crate::flow::Transport;
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::uri::Uri;

/// What the sender knows at send time: the top Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViaParameters {
    /// The transport the request leaves by.
    pub transport: Transport,
    /// Host of sent-by: a name or an address, IPv6 in brackets.
    pub host: CompactString,
    /// Port of sent-by, if it is to be written.
    pub port: Option<u16>,
    /// The whole branch, magic cookie included.
    pub branch: CompactString,
    /// Ask for the response to come back to the source port (RFC 3581).
    pub rport: bool,
}

/// A request being made. It can be kept and finished again: with another branch, CSeq number and
/// credentials after a challenge.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    method: Method,
    uri: Uri,
    from: Option<Bytes>,
    to: Option<Bytes>,
    call_id: Option<Bytes>,
    cseq: u32,
    max_forwards: u8,
    parts: Parts,
}

impl RequestBuilder {
    /// A request with CSeq number 1 and Max-Forwards 70; From, To and Call-ID are to be given.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            from: None,
            to: None,
            call_id: None,
            cseq: 1,
            max_forwards: 70,
            parts: Parts::default(),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The Request-URI in place of the one it was made with.
    pub fn with_uri(mut self, uri: Uri) -> Self {
        self.uri = uri;
        self
    }

    /// From, as it goes on the wire ([`crate::header::NameAddr::to_bytes`]), tag included.
    pub fn from(mut self, value: impl AsRef<[u8]>) -> Self {
        self.from = self.clean(HeaderName::From, value.as_ref());
        self
    }

    /// To, as it goes on the wire, with the tag inside a dialog.
    pub fn to(mut self, value: impl AsRef<[u8]>) -> Self {
        self.to = self.clean(HeaderName::To, value.as_ref());
        self
    }

    /// Call-ID.
    pub fn call_id(mut self, value: impl AsRef<[u8]>) -> Self {
        self.call_id = self.clean(HeaderName::CallId, value.as_ref());
        self
    }

    /// CSeq number; the method is that of the request.
    pub fn cseq(mut self, number: u32) -> Self {
        self.cseq = number;
        self
    }

    /// The CSeq number it would be sent with.
    pub fn cseq_number(&self) -> u32 {
        self.cseq
    }

    /// Max-Forwards, 70 unless set.
    pub fn max_forwards(mut self, hops: u8) -> Self {
        self.max_forwards = hops;
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

    fn clean(&mut self, name: HeaderName, value: &[u8]) -> Option<Bytes> {
        if !is_clean(value) {
            self.parts.fault.get_or_insert(BuildError::LineEnd(name));
        }
        Some(Bytes::copy_from_slice(value))
    }

    /// Writes the request with its top Via.
    ///
    /// # Errors
    /// A mandatory header is missing, a value holds a line end, or the message is too large.
    pub fn finish(&self, via: &ViaParameters) -> Result<Bytes, BuildError> {
        if !is_clean(via.host.as_bytes()) || !is_clean(via.branch.as_bytes()) {
            return Err(BuildError::LineEnd(HeaderName::Via));
        }
        let missing = BuildError::Missing;
        let from = self.from.as_ref().ok_or(missing(HeaderName::From))?;
        let to = self.to.as_ref().ok_or(missing(HeaderName::To))?;
        let call_id = self.call_id.as_ref().ok_or(missing(HeaderName::CallId))?;
        let fixed = self.uri.as_bytes().len() + from.len() + to.len() + call_id.len();
        let mut out = BytesMut::with_capacity(fixed + self.parts.size() + 256);
        put_request_line(&mut out, &self.method, self.uri.as_bytes());
        put_via(&mut out, via);
        out.put_slice(b"Max-Forwards: ");
        put_number(&mut out, u64::from(self.max_forwards));
        out.put_slice(b"\r\n");
        put_line(&mut out, b"From", from);
        put_line(&mut out, b"To", to);
        put_line(&mut out, b"Call-ID", call_id);
        put_cseq(&mut out, self.cseq, &self.method);
        self.parts.finish(out)
    }
}

/// The ACK of a failed INVITE, made by its client transaction (RFC 3261 §17.1.1.3): the Via,
/// Request-URI, Call-ID, From, CSeq number and Route of the INVITE, the To of the response.
///
/// # Errors
/// The INVITE was not made by us: it lacks a mandatory header.
pub fn ack_for_failure(invite: &Message, response: &Message) -> Result<Bytes, BuildError> {
    within_transaction(invite, Method::Ack, response, None)
}

/// The CANCEL of a request (RFC 3261 §9.1): all but the method as in the request, and why, as the
/// value of a Reason (RFC 3326).
///
/// # Errors
/// The request was not made by us: it lacks a mandatory header.
pub fn cancel_for(request: &Message, reason: Option<&str>) -> Result<Bytes, BuildError> {
    within_transaction(request, Method::Cancel, request, reason)
}

fn within_transaction(
    request: &Message,
    method: Method,
    to_of: &Message,
    reason: Option<&str>,
) -> Result<Bytes, BuildError> {
    let value = |message: &Message, name| {
        message.header(name).map(Bytes::copy_from_slice).ok_or(BuildError::Missing(name))
    };
    let via = request.headers(HeaderName::Via).next();
    let via = via.ok_or(BuildError::Missing(HeaderName::Via))?;
    let cseq = request.cseq().map_err(|_| BuildError::Missing(HeaderName::CSeq))?;
    let mut out = BytesMut::with_capacity(512);
    put_request_line(&mut out, &method, request.request_uri_bytes());
    put_line(&mut out, b"Via", via);
    out.put_slice(b"Max-Forwards: 70\r\n");
    for route in request.headers(HeaderName::Route) {
        put_line(&mut out, b"Route", route);
    }
    put_line(&mut out, b"From", &value(request, HeaderName::From)?);
    put_line(&mut out, b"To", &value(to_of, HeaderName::To)?);
    put_line(&mut out, b"Call-ID", &value(request, HeaderName::CallId)?);
    put_cseq(&mut out, cseq.number, &method);
    if let Some(reason) = reason.filter(|reason| !reason.contains(['\r', '\n'])) {
        put_line(&mut out, b"Reason", reason.as_bytes());
    }
    Parts::default().finish(out)
}

fn put_request_line(out: &mut BytesMut, method: &Method, uri: &[u8]) {
    out.put_slice(method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(uri);
    out.put_slice(b" SIP/2.0\r\n");
}

fn put_via(out: &mut BytesMut, via: &ViaParameters) {
    out.put_slice(b"Via: SIP/2.0/");
    out.put_slice(via.transport.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(via.host.as_bytes());
    if let Some(port) = via.port {
        out.put_u8(b':');
        put_number(out, u64::from(port));
    }
    if via.rport {
        out.put_slice(b";rport");
    }
    out.put_slice(b";branch=");
    out.put_slice(via.branch.as_bytes());
    out.put_slice(b"\r\n");
}

fn put_cseq(out: &mut BytesMut, number: u32, method: &Method) {
    out.put_slice(b"CSeq: ");
    put_number(out, u64::from(number));
    out.put_u8(b' ');
    out.put_slice(method.as_str().as_bytes());
    out.put_slice(b"\r\n");
}
