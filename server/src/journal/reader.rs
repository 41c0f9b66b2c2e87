//! [`Reader`]: events in order, from a sequence number on, also while they are being written.
//!
//! Owns: following the segments, going on behind damage. Does not own: a place of its own; whoever
//! reads remembers its watermark.

use super::frame::{self, Found};
use super::segment::{self, Header, HeaderError, Segment};
use hotline_engine::Event;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const CHUNK: usize = 256 * 1024;

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
    /// Bytes of the file that are not consumed yet, and where the first of them stands.
    buffer: Vec<u8>,
    consumed: usize,
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
        let mut entries = Vec::new();
        while entries.len() < count && self.next < limit {
            match self.read()? {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        Ok(entries)
    }

    /// The next event; `None` when there is none yet.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Entry>> {
        while let Some((sequence, payload)) = self.read_payload()? {
            match postcard::from_bytes(&payload) {
                Ok(event) => return Ok(Some(Entry { sequence, event })),
                Err(error) => {
                    self.lost += 1;
                    tracing::error!(sequence, %error, "an event of the journal cannot be read");
                }
            }
        }
        Ok(None)
    }

    /// As [`Reader::read`], without decoding.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn read_payload(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            if self.current.is_none() && !self.open_segment()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let incomplete = match frame::read(current.rest()) {
                Found::Frame { sequence, payload, length } => {
                    let wanted = (sequence >= self.next).then(|| payload.to_vec());
                    current.consumed += length;
                    if let Some(payload) = wanted {
                        self.next = sequence + 1;
                        return Ok(Some((sequence, payload)));
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
                Ok(Some(Current { file, first, buffer: Vec::new(), consumed: 0, at }))
            }
            Err(HeaderError::Io(error)) => Err(error),
            Err(error) => {
                tracing::error!(segment = %segment.path.display(), %error, "a segment of the journal cannot be read");
                Ok(None)
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.consumed..).unwrap_or_default()
    }

    /// Reads some more of the file; `false` at its end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.consumed);
        self.at += self.consumed as u64;
        self.consumed = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK, 0);
        let read = self.file.read_at(&mut self.buffer[length..], self.at + length as u64);
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// Forgets what was read and not consumed; says how much it was.
    fn forget(&mut self) -> usize {
        let unread = self.rest().len();
        self.at += self.consumed as u64;
        self.consumed = 0;
        self.buffer.clear();
        unread
    }
}
