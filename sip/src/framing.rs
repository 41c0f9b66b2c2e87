//! Cutting a stream into messages (RFC 3261 §18.3), with keep-alives (RFC 5626 §3.5.1).
//!
//! Owns: where a message ends, the limits of what is buffered, answering pings. Does not own:
//! the connection. A stream whose next message cannot be found has no way back: the framer then
//! says why, and the connection is to be closed.
//!
//! ```text
//! bytes → push ─→ poll → Message(Bytes) → Message::parse
//!                      → Ping            → write PONG
//!                      → Pong            (the answer to ours)
//! ```

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use crate::grammar::{is_token_byte, number};
use crate::header::HeaderName;
use crate::limits::{HEADERS_MAX, MESSAGE_BYTES_MAX};

/// What is sent to ask whether the stream lives: two line ends.
pub const PING: &[u8] = b"\r\n\r\n";

/// What answers a ping: one line end.
pub const PONG: &[u8] = b"\r\n";

/// Most bytes of one message's start line and headers.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// What the stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`crate::Message::parse`].
    Message(Bytes),
    /// A keep-alive that asks for [`PONG`].
    Ping,
    /// The answer to our [`PING`].
    Pong,
}

/// Why a stream cannot be read further; the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FrameError {
    /// Start line and headers exceed [`HEAD_BYTES_MAX`].
    #[error("headers exceed {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// The message exceeds [`MESSAGE_BYTES_MAX`].
    #[error("message exceeds {MESSAGE_BYTES_MAX} bytes")]
    MessageTooLong,
    /// More than [`HEADERS_MAX`] header lines.
    #[error("more than {HEADERS_MAX} headers")]
    TooManyHeaders,
    /// No Content-Length, which is mandatory on a stream (RFC 3261 §20.14).
    #[error("no Content-Length")]
    NoContentLength,
    /// Content-Length is no number, or there are several that differ.
    #[error("bad Content-Length")]
    BadContentLength,
    /// The first line begins with something that is no method and no version.
    #[error("not SIP")]
    NotSip,
}

/// The framer of one direction of one connection.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// Bytes already searched for the end of the headers; they are not searched again.
    searched: usize,
    /// Length of the whole message at the front, once its headers are complete.
    whole: Option<usize>,
    failed: Option<FrameError>,
}

impl StreamFramer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was read from the connection; then [`StreamFramer::poll`] until it gives `None`.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// Bytes held back for want of the rest: at most one message once polled dry.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next thing on the stream, if it is complete.
    ///
    /// # Errors
    /// The stream cannot be followed any more; the same error is given ever after.
    pub fn poll(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let polled = self.next();
        if let Err(error) = polled {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
        }
        polled
    }

    fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.whole.is_none() && self.searched == 0 {
            if let Some(frame) = self.take_keep_alive() {
                return Ok(Some(frame));
            }
            match &self.buffer[..] {
                [] | [b'\r'] | b"\r\n\r" => return Ok(None),
                [first, ..] if !is_token_byte(*first) => return Err(FrameError::NotSip),
                _ => {}
            }
        }
        let whole = match self.whole {
            Some(whole) => whole,
            None => match self.find_whole()? {
                Some(whole) => *self.whole.insert(whole),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        self.whole = None;
        self.searched = 0;
        let message = self.buffer.split_to(whole).freeze();
        Ok(Some(Frame::Message(message)))
    }

    /// Between messages: a double line end is a ping, a single one a pong. A single one may be
    /// half of a ping, so it is decided only when something follows it or nothing does: since a
    /// peer writes its four bytes at once, a lone line end at the end of the buffer is a pong.
    fn take_keep_alive(&mut self) -> Option<Frame> {
        if self.buffer.starts_with(PING) {
            self.buffer.advance(PING.len());
            return Some(Frame::Ping);
        }
        // A ping cut in two: wait for its last byte.
        if self.buffer[..] == *b"\r\n\r" {
            return None;
        }
        if self.buffer.starts_with(PONG) {
            self.buffer.advance(PONG.len());
            return Some(Frame::Pong);
        }
        if self.buffer.starts_with(b"\n") {
            self.buffer.advance(1);
            return Some(Frame::Pong);
        }
        None
    }

    /// Looks for the end of the headers in what has not been searched yet, then for
    /// Content-Length; gives the length of the whole message.
    fn find_whole(&mut self) -> Result<Option<usize>, FrameError> {
        let Some(head) = self.find_head() else {
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(FrameError::HeadTooLong);
            }
            return Ok(None);
        };
        if head > HEAD_BYTES_MAX {
            return Err(FrameError::HeadTooLong);
        }
        let length = content_length(self.buffer.get(..head).unwrap_or_default())?;
        match usize::try_from(length).ok().and_then(|length| head.checked_add(length)) {
            Some(whole) if whole <= MESSAGE_BYTES_MAX => Ok(Some(whole)),
            _ => Err(FrameError::MessageTooLong),
        }
    }

    /// The length of start line, headers and empty line. Each byte is looked at once over all
    /// calls, but for the last three, in which the empty line may have begun.
    fn find_head(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        let fresh = self.buffer.get(from..)?;
        self.searched = self.buffer.len();
        let crlf = memmem::find(fresh, b"\r\n\r\n").map(|at| at + 4);
        // Bare line feeds are tolerated as they are in datagrams.
        let until = crlf.unwrap_or(fresh.len());
        let bare = fresh.get(..until).and_then(|fresh| {
            let double = memmem::find(fresh, b"\n\n").map(|at| at + 2);
            let mixed = memmem::find(fresh, b"\n\r\n").map(|at| at + 3);
            double.into_iter().chain(mixed).min()
        });
        crlf.into_iter().chain(bare).min().map(|end| from + end)
    }
}

/// Content-Length of complete headers.
fn content_length(head: &[u8]) -> Result<u64, FrameError> {
    let mut found = None;
    let mut lines = 0;
    let mut at = 0;
    let mut rest = memchr::memchr_iter(b'\n', head).peekable();
    while let Some(end) = rest.next() {
        // A line that begins with space continues the one before.
        let folded = head.get(end + 1).is_some_and(|&byte| matches!(byte, b' ' | b'\t'));
        if folded && rest.peek().is_some() {
            continue;
        }
        let line = head.get(at..end).unwrap_or_default();
        at = end + 1;
        lines += 1;
        if lines > HEADERS_MAX + 2 {
            return Err(FrameError::TooManyHeaders);
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        if HeaderName::from_bytes(name.trim_ascii()) == HeaderName::ContentLength {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let length = number(value).ok_or(FrameError::BadContentLength)?;
            if found.is_some_and(|found| found != length) {
                return Err(FrameError::BadContentLength);
            }
            found = Some(length);
        }
    }
    found.ok_or(FrameError::NoContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nl : 4\r\nX: y\r\n\r\nbody";

    fn drain(framer: &mut StreamFramer) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        while let Some(frame) = framer.poll()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn message(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut() {
        let stream = format!("{OPTIONS}\r\n\r\n{OPTIONS}{OPTIONS}\r\n{OPTIONS}");
        let one = || message(OPTIONS);
        let expected = vec![one(), Frame::Ping, one(), one(), Frame::Pong, one()];
        for size in [1, 2, 3, 7, 16, 50, 1000] {
            let mut framer = StreamFramer::new();
            let mut frames = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                framer.push(chunk);
                frames.extend(drain(&mut framer).unwrap());
            }
            let messages = |frames: &[Frame]| frames.iter().filter(|f| **f == one()).count();
            assert_eq!(messages(&frames), messages(&expected), "chunks of {size}");
            // A ping cut in halves reads as two answers: nobody writes its four bytes in two.
            if size >= 50 {
                assert_eq!(frames, expected, "chunks of {size}");
            }
            assert_eq!(framer.buffered(), 0);
        }
    }

    #[test]
    fn a_stream_that_cannot_be_followed_says_why_ever_after() {
        let long = format!("OPTIONS sip:a@b SIP/2.0\r\nX: {}", "y".repeat(HEAD_BYTES_MAX));
        for (stream, expected) in [
            ("OPTIONS sip:a@b SIP/2.0\r\nX: y\r\n\r\n", FrameError::NoContentLength),
            ("OPTIONS sip:a@b SIP/2.0\r\nl: -1\r\n\r\n", FrameError::BadContentLength),
            ("OPTIONS sip:a@b SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n", FrameError::BadContentLength),
            ("OPTIONS sip:a@b SIP/2.0\r\nl: 99999\r\n\r\n", FrameError::MessageTooLong),
            ("OPTIONS sip:a@b SIP/2.0\r\nl: 18446744073709551615\r\n\r\n", {
                FrameError::MessageTooLong
            }),
            (long.as_str(), FrameError::HeadTooLong),
            ("\u{16}\u{3}\u{1}", FrameError::NotSip),
            ("\rOPTIONS", FrameError::NotSip),
        ] {
            let mut framer = StreamFramer::new();
            framer.push(stream.as_bytes());
            assert_eq!(drain(&mut framer), Err(expected));
            framer.push(OPTIONS.as_bytes());
            assert_eq!(framer.poll(), Err(expected));
            assert_eq!(framer.buffered(), 0);
        }
    }

    #[test]
    fn bare_line_feeds_and_folds() {
        let text = "OPTIONS sip:a@b SIP/2.0\nContent-Length:\n 2\n\nhi";
        let mut framer = StreamFramer::new();
        framer.push(text.as_bytes());
        assert_eq!(drain(&mut framer), Ok(vec![message(text)]));
    }

    #[test]
    fn a_message_dripping_in_is_searched_once() {
        let head = format!("OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\nX: {}\r\n\r\n", "y".repeat(30_000));
        let mut framer = StreamFramer::new();
        for byte in head.as_bytes() {
            let before = framer.searched;
            framer.push(&[*byte]);
            if let Some(frame) = framer.poll().unwrap() {
                assert_eq!(frame, message(&head));
                return;
            }
            assert!(framer.searched == framer.buffered() && framer.searched == before + 1);
        }
        panic!("the message never came out");
    }
}
