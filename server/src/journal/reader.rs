//! [`Reader`]: events in order, from a sequence number on, also while they are being written.
//!
//! Owns: following the segments, going on behind damage. Does not own: a place of its own; whoever
//! reads remembers its watermark.

use super::frame::{self, Found};
use super::segment::{self, Header, HeaderError, Segment};
use hotline_engine::Event;
use hotline_engine::event::EventHead;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const CHUNK: usize = 256 * 1024;
/// Events passed over in one batch before it is given up as it is.
const PASSED_MAX: usize = 50_000;

/// One event of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its sequence number.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

/// Reads a journal; see the module.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    next: u64,
    current: Option<Current>,
    lost: u64,
}

#[derive(Debug)]
struct Current {
    file: File,
    first: u64,
    /// Bytes of the file up to `filled`, of which the first are consumed, and where the first of
    /// them stands. What follows is room for more.
    buffer: Vec<u8>,
    consumed: usize,
    filled: usize,
    at: u64,
}

impl Reader {
    /// A reader whose first event is the first one from `next` on that the journal still has.
    pub fn new(directory: &Path, next: u64) -> Reader {
        Reader { directory: directory.into(), next, current: None, lost: 0 }
    }

    /// The sequence number after the last event read.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Events that were passed over because they are damaged, so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Up to `count` events below `limit` (what the writer has published); empty when there are
    /// none yet.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn batch(&mut self, limit: u64, count: usize) -> io::Result<Vec<Entry>> {
        self.batch_of(limit, count, |_| true)
    }

    /// As [`Reader::batch`], but only events of wanted kinds, by their numbers; the others are
    /// passed over without being decoded, so that [`Reader::position`] may move on though nothing
    /// is given.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn batch_of(
        &mut self,
        limit: u64,
        count: usize,
        wanted: impl Fn(u32) -> bool,
    ) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut passed = 0;
        while entries.len() < count && passed < PASSED_MAX && self.next < limit {
            let Some((sequence, place)) = self.next_frame()? else { break };
            let payload = self.payload(place);
            // What has no head is damaged, and said to be so by decoding it.
            let head = postcard::take_from_bytes::<EventHead>(payload);
            if head.is_ok_and(|(head, _)| !wanted(head.kind)) {
                passed += 1;
                continue;
            }
            match postcard::from_bytes(payload) {
                Ok(event) => entries.push(Entry { sequence, event }),
                Err(error) => self.unreadable(sequence, &error),
            }
        }
        Ok(entries)
    }

    /// The next event; `None` when there is none yet.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Entry>> {
        while let Some((sequence, place)) = self.next_frame()? {
            match postcard::from_bytes(self.payload(place)) {
                Ok(event) => return Ok(Some(Entry { sequence, event })),
                Err(error) => self.unreadable(sequence, &error),
            }
        }
        Ok(None)
    }

    fn unreadable(&mut self, sequence: u64, error: &postcard::Error) {
        self.lost += 1;
        tracing::error!(sequence, %error, "an event of the journal cannot be read");
    }

    /// The payload of a frame that was just found.
    fn payload(&self, place: Range<usize>) -> &[u8] {
        let current = self.current.as_ref();
        current.and_then(|current| current.buffer.get(place)).unwrap_or_default()
    }

    /// The next frame: its sequence number, and where its payload stands in the buffer until the
    /// next one is asked for.
    fn next_frame(&mut self) -> io::Result<Option<(u64, Range<usize>)>> {
        loop {
            if self.current.is_none() && !self.open_segment()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let incomplete = match frame::read(current.rest()) {
                Found::Frame { sequence, payload, length } => {
                    let end = current.consumed + length;
                    let place = end - payload.len()..end;
                    current.consumed = end;
                    if sequence >= self.next {
                        self.next = sequence + 1;
                        return Ok(Some((sequence, place)));
                    }
                    continue;
                }
                Found::Incomplete => true,
                Found::Damaged => false,
            };
            if incomplete && current.fill()? {
                continue;
            }
            if !self.pass_damage()? && !self.follow()? {
                return Ok(None);
            }
        }
    }

    /// Opens the segment that holds `next`, or the oldest one after it.
    fn open_segment(&mut self) -> io::Result<bool> {
        let segments = match segment::list(&self.directory) {
            Ok(segments) => segments,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let behind = segments.iter().rposition(|segment| segment.first <= self.next).unwrap_or(0);
        for segment in segments.get(behind..).unwrap_or_default() {
            if let Some(current) = Current::open(segment)? {
                self.current = Some(current);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks for a whole frame behind bytes that are none. What stands at the very end may still
    /// be being written, so nothing is decided there.
    fn pass_damage(&mut self) -> io::Result<bool> {
        let Some(current) = &mut self.current else { return Ok(false) };
        while current.fill()? {}
        let rest = current.rest().get(1..).unwrap_or_default();
        let Some(offset) = frame::find(rest, self.next) else { return Ok(false) };
        let bytes = offset + 1;
        current.consumed += bytes;
        let place = current.at + current.consumed as u64;
        if let Found::Frame { sequence, .. } = frame::read(current.rest()) {
            let lost = sequence.saturating_sub(self.next);
            self.lost += lost;
            let segment = format!("{:016x}", current.first);
            tracing::error!(segment, bytes, place, lost, "damage in the journal was passed over");
        }
        Ok(true)
    }

    /// Moves to the next segment, if there is one and nothing can be appended to this one.
    fn follow(&mut self) -> io::Result<bool> {
        let Some(current) = &mut self.current else { return Ok(false) };
        let newer =
            segment::list(&self.directory)?.into_iter().find(|other| other.first > current.first);
        // The end is forgotten and read again: it may have been half written.
        let before = current.forget();
        if current.fill()? && current.rest().len() > before {
            return Ok(true);
        }
        let Some(newer) = newer else { return Ok(false) };
        let Some(next) = Current::open(&newer)? else { return Ok(false) };
        if newer.first > self.next {
            let lost = newer.first - self.next;
            self.lost += lost;
            tracing::error!(segment = %newer.path.display(), lost, "events before this segment are missing");
        }
        self.current = Some(next);
        Ok(true)
    }
}

impl Current {
    /// `None` when the file is no segment that can be read (said in the log).
    fn open(segment: &Segment) -> io::Result<Option<Current>> {
        let mut file = File::open(&segment.path)?;
        match Header::read(&mut file) {
            Ok((_, at)) => {
                let first = segment.first;
                Ok(Some(Current { file, first, buffer: Vec::new(), consumed: 0, filled: 0, at }))
            }
            Err(HeaderError::Io(error)) => Err(error),
            Err(error) => {
                tracing::error!(segment = %segment.path.display(), %error, "a segment of the journal cannot be read");
                Ok(None)
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.consumed..self.filled).unwrap_or_default()
    }

    /// Reads some more of the file; `false` at its end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.at += self.consumed as u64;
        self.filled -= self.consumed;
        self.consumed = 0;
        if self.buffer.len() < self.filled + CHUNK {
            self.buffer.resize(self.filled + CHUNK, 0);
        }
        let room = &mut self.buffer[self.filled..];
        let read = self.file.read_at(room, self.at + self.filled as u64)?;
        self.filled += read;
        Ok(read > 0)
    }

    /// Forgets what was read and not consumed; says how much it was.
    fn forget(&mut self) -> usize {
        let unread = self.rest().len();
        self.at += self.consumed as u64;
        (self.consumed, self.filled) = (0, 0);
        unread
    }
}
