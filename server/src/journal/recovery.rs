//! What a restart finds: where the journal ends, and which calls it left open.
//!
//! Owns: cutting a torn tail, finding the calls without a record, making the record that closes
//! one. Does not own: taking calls up again (their checkpoints are there for it).

use super::OpenError;
use super::frame::{self, Found, HEAD};
use super::reader::Reader;
use super::segment::{self, Header, HeaderError, Segment};
use hotline_base::{Partition, Redacted, Wall};
use hotline_engine::checkpoint::Point;
use hotline_engine::event::EventKind;
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_engine::{CallId, CallRecord, Event};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Q.850 cause "temporary failure".
const TEMPORARY_FAILURE: u8 = 41;

/// The calls whose end the journal does not hold.
#[derive(Debug, Default)]
pub struct OpenCalls {
    /// What is known of each, and where its first event stands.
    pub calls: BTreeMap<CallId, (u64, Box<CallRecord>)>,
    /// Those whose customers were handed on: what they have done since.
    handed_on: BTreeMap<CallId, Stretch>,
    /// The latest time in the events: the process was alive then.
    pub last_sign: Option<Wall>,
    /// Messages that callers had begun to leave, and of which nothing more is known.
    pub begun: BTreeMap<(Partition, u64), Begun>,
}

/// A message that a caller had begun to leave.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Whose.
    pub partition: Partition,
    /// The recording's name.
    pub recording: u64,
    /// The call.
    pub call: CallId,
    /// Which box.
    pub mailbox: String,
    /// Calling number, empty if withheld.
    pub caller: Redacted<String>,
    /// Shortest that is kept, ms.
    pub min_ms: u32,
}

/// A caller who was handed on waits and talks anew; its record says when it did so first, and how
/// long it had until then.
#[derive(Debug, Default)]
struct Stretch {
    queued: Option<Wall>,
    answered: Option<Wall>,
    connected: Option<Wall>,
}

impl Stretch {
    fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Queued { .. } => _ = self.queued.get_or_insert(event.at),
            EventKind::Answered { .. } => self.answered = Some(event.at),
            // The agent was gone before it was connected.
            EventKind::OfferEnded { outcome, .. } if outcome != "answered" => self.answered = None,
            EventKind::Connected { .. } => _ = self.connected.get_or_insert(event.at),
            _ => {}
        }
    }
}

impl OpenCalls {
    /// Takes an event in.
    pub(super) fn note(&mut self, sequence: u64, event: &Event) {
        self.last_sign = self.last_sign.max(Some(event.at));
        match &event.kind {
            EventKind::CallArrived { record } => {
                self.calls.insert(record.call, (sequence, record.clone()));
            }
            EventKind::Checkpoint { checkpoint } => {
                let record = Box::new(checkpoint.record.clone());
                if checkpoint.point == Point::Admitted && record.connected.is_some() {
                    self.handed_on.insert(checkpoint.call, Stretch::default());
                }
                let since = self.calls.get(&checkpoint.call).map_or(sequence, |known| known.0);
                self.calls.insert(checkpoint.call, (since, record));
            }
            EventKind::Released { record } => {
                self.calls.remove(&record.call);
                self.handed_on.remove(&record.call);
            }
            EventKind::Queued { call, .. }
            | EventKind::Answered { call, .. }
            | EventKind::OfferEnded { call, .. }
            | EventKind::Connected { call } => {
                if let Some(stretch) = self.handed_on.get_mut(call) {
                    stretch.note(event);
                }
            }
            EventKind::MessageBegun { call, mailbox, recording, min_ms, caller } => {
                let begun = Begun {
                    partition: event.partition,
                    recording: *recording,
                    call: *call,
                    mailbox: mailbox.clone(),
                    caller: caller.clone(),
                    min_ms: *min_ms,
                };
                self.begun.insert((event.partition, *recording), begun);
            }
            EventKind::MessageLeft { recording, .. } => {
                self.begun.remove(&(event.partition, *recording));
            }
            _ => {}
        }
    }

    /// The events that close the calls: each cut off when the process last gave a sign of life.
    pub fn closing_events(&self, now: Wall) -> Vec<Event> {
        let at = self.last_sign.unwrap_or(now).min(now);
        self.calls
            .values()
            .map(|(_, record)| Event {
                at: now,
                partition: record.call.partition,
                kind: EventKind::Released {
                    record: Box::new(closed(record, self.handed_on.get(&record.call), at)),
                },
            })
            .collect()
    }
}

/// The record of a call that the end of the process cut off at `at`.
fn closed(record: &CallRecord, handed_on: Option<&Stretch>, at: Wall) -> CallRecord {
    if record.released.is_some() {
        // It had ended (`Point::Released`); only the media statistics were still to come.
        return record.clone();
    }
    let at = at.max(record.arrived);
    let ms = |from: Wall, to: Wall| u64::try_from((to.0 - from.0) / 1_000).unwrap_or(0);
    let mut record = record.clone();
    for visit in record.queues.iter_mut().filter(|visit| visit.left.is_none()) {
        visit.left = Some(at);
        visit.outcome.get_or_insert_with(|| "removed".into());
    }
    for offer in record.offers.iter_mut().filter(|offer| offer.ended.is_none()) {
        offer.ended = Some(at);
        offer.outcome.get_or_insert_with(|| "withdrawn".into());
    }
    let first =
        Stretch { queued: record.queued, answered: record.answered, connected: record.connected };
    let Stretch { queued, answered, connected } = handed_on.unwrap_or(&first);
    if let Some(queued) = *queued {
        // Out of the last queue: what is played after it is not waiting.
        let left = record.queues.last().and_then(|visit| visit.left);
        record.waiting_ms += ms(queued, answered.or(left).unwrap_or(at).max(queued));
    }
    if let Some(connected) = *connected {
        record.talk_ms += ms(connected, at.max(connected));
    }
    record.released = Some(at);
    record.released_by = Some(ReleasedBy::System);
    record.reason = Some(ReleaseReason::ServerRestart);
    record.q850 = TEMPORARY_FAILURE;
    record
}

/// Where the journal goes on.
#[derive(Debug)]
pub(super) struct Recovered {
    pub next: u64,
    pub open: OpenCalls,
}

/// Finds the end of the journal in `directory`, cuts what was torn there, collects open calls.
pub(super) fn recover(directory: &Path) -> Result<Recovered, OpenError> {
    let mut segments = segment::list(directory).map_err(|error| at(directory, error))?;
    while let Some(last) = segments.pop() {
        let mut file = File::open(&last.path).map_err(|error| at(&last.path, error))?;
        let (header, start) = match Header::read(&mut file) {
            Ok(header) => header,
            Err(HeaderError::Io(error)) => return Err(at(&last.path, error)),
            Err(error @ HeaderError::Version(_)) => {
                let path = last.path.display().to_string();
                return Err(OpenError::Version { path, what: error.to_string() });
            }
            Err(HeaderError::Torn) => {
                set_aside(&last)?;
                continue;
            }
        };
        let next = cut_tail(&last, start, header.first)?;
        let mut reader = Reader::new(directory, header.open_from.min(header.first));
        let mut open = OpenCalls::default();
        while let Some(entry) = reader.read().map_err(|error| at(directory, error))? {
            open.note(entry.sequence, &entry.event);
        }
        return Ok(Recovered { next, open });
    }
    Ok(Recovered { next: 1, open: OpenCalls::default() })
}

/// A segment without a readable header holds nothing that could be placed; it is kept for people.
fn set_aside(segment: &Segment) -> Result<(), OpenError> {
    let aside = segment.path.with_extension("unreadable");
    tracing::error!(segment = %segment.path.display(), kept_as = %aside.display(),
        "the journal's last segment has no readable header and was set aside");
    std::fs::rename(&segment.path, &aside).map_err(|error| at(&segment.path, error))
}

/// Cuts what follows the last whole frame; gives the sequence number after it.
fn cut_tail(segment: &Segment, start: u64, first: u64) -> Result<u64, OpenError> {
    let failed = |error| at(&segment.path, error);
    let mut bytes = Vec::new();
    File::open(&segment.path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
    let frames = bytes.get(start as usize..).unwrap_or_default();
    let (good, next) = end_of(frames, first);
    let torn = frames.len() - good;
    if torn > 0 {
        let whole = start + good as u64;
        let file = OpenOptions::new().write(true).open(&segment.path).map_err(failed)?;
        file.set_len(whole).and_then(|()| file.sync_all()).map_err(failed)?;
        tracing::warn!(segment = %segment.path.display(), bytes = torn, at = whole,
            "the journal ended in the middle of an event; the rest was cut off");
    }
    Ok(next)
}

/// Where the last whole frame ends, and the sequence number after it.
fn end_of(frames: &[u8], first: u64) -> (usize, u64) {
    let (mut good, mut next, mut position) = (0, first, 0);
    loop {
        let rest = frames.get(position..).unwrap_or_default();
        if rest.len() < HEAD {
            return (good, next);
        }
        match frame::read(rest) {
            Found::Frame { sequence, length, .. } => {
                position += length;
                good = position;
                next = sequence + 1;
            }
            Found::Incomplete | Found::Damaged => match frame::find(&rest[1..], next) {
                Some(offset) => position += 1 + offset,
                None => return (good, next),
            },
        }
    }
}

pub(super) fn at(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.display().to_string(), error }
}
