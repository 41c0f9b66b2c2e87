//! Writing messages: each is written once, into one buffer.
//!
//! Owns: the order and syntax of what goes out, refusing line ends in values, `received` and
//! `rport` in responses (RFC 3261 §18.2.1, RFC 3581). Does not own: tags, branches and CSeq
//! numbers, which the caller mints.

mod request;
mod response;

pub use request::{RequestBuilder, ViaParameters, ack_for_failure, cancel_for};
pub use response::ResponseBuilder;

use bytes::{BufMut, Bytes, BytesMut};

use crate::header::HeaderName;
use crate::limits::MESSAGE_BYTES_MAX;

/// What keeps a message from being written: the fault of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BuildError {
    /// A value holds a line end or a NUL: it would begin another header.
    #[error("a value of {0} holds a line end")]
    LineEnd(HeaderName),
    /// A header name is no token.
    #[error("a header name is no token")]
    Name,
    /// A mandatory header was neither given nor in the request.
    #[error("{0} is missing")]
    Missing(HeaderName),
    /// Status outside 100–699.
    #[error("status {0} is outside 100–699")]
    Status(u16),
    /// Larger than [`MESSAGE_BYTES_MAX`].
    #[error("larger than {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
}

/// Extra header lines and a body, shared by both builders.
#[derive(Clone, Debug, Default)]
struct Parts {
    lines: BytesMut,
    content_type: Option<Bytes>,
    body: Bytes,
    fault: Option<BuildError>,
}

impl Parts {
    fn header(&mut self, name: HeaderName, value: &[u8]) {
        if !is_clean(value) {
            self.fault.get_or_insert(BuildError::LineEnd(name));
        } else if name == HeaderName::Other {
            self.fault.get_or_insert(BuildError::Name);
        } else {
            put_line(&mut self.lines, name.as_str().as_bytes(), value);
        }
    }

    fn header_named(&mut self, name: &str, value: &[u8]) {
        if !crate::grammar::is_token(name.as_bytes()) {
            self.fault.get_or_insert(BuildError::Name);
        } else if !is_clean(value) {
            self.fault.get_or_insert(BuildError::LineEnd(HeaderName::from_bytes(name.as_bytes())));
        } else {
            put_line(&mut self.lines, name.as_bytes(), value);
        }
    }

    fn body(&mut self, content_type: &str, body: Bytes) {
        if !is_clean(content_type.as_bytes()) {
            self.fault.get_or_insert(BuildError::LineEnd(HeaderName::ContentType));
        }
        self.content_type = Some(Bytes::copy_from_slice(content_type.as_bytes()));
        self.body = body;
    }

    /// The extra lines, Content-Type, Content-Length (always), the empty line and the body.
    fn finish(&self, mut out: BytesMut) -> Result<Bytes, BuildError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        out.put_slice(&self.lines);
        if let Some(content_type) = &self.content_type {
            put_line(&mut out, b"Content-Type", content_type);
        }
        out.put_slice(b"Content-Length: ");
        put_number(&mut out, self.body.len() as u64);
        out.put_slice(b"\r\n\r\n");
        out.put_slice(&self.body);
        match out.len() {
            0..=MESSAGE_BYTES_MAX => Ok(out.freeze()),
            _ => Err(BuildError::TooLarge),
        }
    }

    fn size(&self) -> usize {
        self.lines.len() + self.body.len() + 128
    }
}

/// No line end and no NUL.
fn is_clean(value: &[u8]) -> bool {
    memchr::memchr3(b'\r', b'\n', 0, value).is_none()
}

fn put_line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn put_number(out: &mut BytesMut, number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}
