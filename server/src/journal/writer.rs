//! [`Journal`]: appending, one `write(2)` per batch, and what happens when the disk does not take
//! it.
//!
//! Owns: the open segment, rotation, the backlog while writing fails, the thread that syncs once a
//! second, retention. Calls never wait for a disk that fails: their events wait in memory and are
//! written when it works again.

use super::recovery::{self, at, recover};
use super::segment::{self, Header};
use super::{JournalSettings, OpenCalls, OpenError, Reader, frame};
use crate::clock::Clock;
use hotline_engine::event::EventKind;
use hotline_engine::{CallId, Event};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the background thread syncs: a loss of power costs at most this much.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Before beginning a segment is tried again.
const ROTATE_AGAIN: Duration = Duration::from_secs(1);
/// About what is written of the backlog at once: engines wait for no more than that.
const SLICE_BYTES: usize = 1 << 20;

/// Events to be appended together; kept and used again, so that encoding does not allocate.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Framed>,
    refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Framed {
    end: usize,
    mark: Mark,
}

/// What the writer must know of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Opens(CallId),
    Closes(CallId),
    /// Left out first when the disk does not take events.
    Trace,
    Other,
}

impl Batch {
    /// Encodes an event at the end of the batch.
    pub fn push(&mut self, event: &Event) {
        let start = frame::begin(&mut self.bytes);
        if let Err(error) = postcard::serialize_with_flavor(event, Tail(&mut self.bytes)) {
            tracing::error!(%error, "an event cannot be encoded");
            self.refused += 1;
            self.bytes.truncate(start);
            return;
        }
        if self.bytes.len() - start - frame::HEAD > frame::PAYLOAD_BYTES_MAX {
            self.refused += 1;
            self.bytes.truncate(start);
            return;
        }
        let mark = match &event.kind {
            EventKind::CallArrived { record } => Mark::Opens(record.call),
            EventKind::Released { record } => Mark::Closes(record.call),
            EventKind::Message { .. } | EventKind::Decision { .. } => Mark::Trace,
            _ => Mark::Other,
        };
        self.frames.push(Framed { end: self.bytes.len(), mark });
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.refused == 0
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
        self.refused = 0;
    }
}

/// Encodes at the end of a buffer that is kept.
struct Tail<'b>(&'b mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// A handle to the journal; copies share it.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    settings: JournalSettings,
    writer: Mutex<Writer>,
    published: watch::Sender<u64>,
    /// The projections have everything before this.
    projected: AtomicU64,
    stop: AtomicBool,
}

#[derive(Debug)]
struct Writer {
    node: String,
    epoch: u32,
    file: Arc<File>,
    /// Where the next frame goes.
    end: u64,
    next: u64,
    dirty: bool,
    /// Segments that were followed by another and are not synced yet.
    unsynced: Vec<Arc<File>>,
    open: BTreeMap<CallId, u64>,
    open_order: BTreeSet<(u64, CallId)>,
    /// What waits for the disk, in pieces of [`SLICE_BYTES`] and more.
    backlog: VecDeque<Vec<u8>>,
    backlog_bytes: usize,
    failing: bool,
    rotated: bool,
    /// A file for the next segment, made ahead.
    prepared: Option<File>,
    /// After a failure: before that, no other segment is tried.
    rotate_again: Option<Instant>,
    status: JournalStatus,
}

/// Counts for metrics and `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// Events written since start.
    pub events: u64,
    /// Bytes written since start.
    pub bytes: u64,
    /// Writes since start.
    pub writes: u64,
    /// Writes and syncs that failed since start.
    pub failures: u64,
    /// Events that were given up: too large, or the backlog was full.
    pub dropped: u64,
    /// Bytes waiting in memory for the disk.
    pub backlog_bytes: u64,
    /// Calls without a record.
    pub open_calls: u64,
    /// The sequence number of the next event.
    pub next: u64,
}

impl Journal {
    /// Opens the journal in `directory`, which is made if missing: finds its end, begins a new
    /// segment, starts the syncing thread. Also gives the calls that were open.
    ///
    /// `projected` is where the projections stand: numbering goes on there if the journal ends
    /// before it, since what the projections have passed is never read again.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        directory: &Path,
        node: &str,
        epoch: u32,
        projected: u64,
        settings: JournalSettings,
    ) -> Result<(Journal, OpenCalls), OpenError> {
        fs::create_dir_all(directory).map_err(|error| at(directory, error))?;
        let recovery::Recovered { next: found, open } = recover(directory)?;
        if found < projected {
            tracing::warn!(directory = %directory.display(), found, projected,
                "the journal ends before what the store has seen of it: part of it is missing; it goes on from there");
        }
        let next = found.max(projected);
        let calls: BTreeMap<_, _> = open.calls.iter().map(|(call, (at, _))| (*call, *at)).collect();
        let open_from = calls.values().copied().min().unwrap_or(next);
        let header =
            Header { node: node.into(), epoch, first: next, open_from, created: Clock.wall() };
        let (file, end) = unfinished(directory)
            .and_then(|file| begin_segment(directory, file, &header))
            .map_err(|error| at(directory, error))?;
        // The name must outlive a loss of power too.
        sync_directory(directory).map_err(|error| at(directory, error))?;
        let writer = Writer {
            node: node.into(),
            epoch,
            file: Arc::new(file),
            end,
            next,
            dirty: true,
            unsynced: Vec::new(),
            open_order: calls.iter().map(|(call, sequence)| (*sequence, *call)).collect(),
            open: calls,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            failing: false,
            rotated: true,
            prepared: None,
            rotate_again: None,
            status: JournalStatus::default(),
        };
        let shared = Arc::new(Shared {
            directory: directory.into(),
            settings,
            writer: Mutex::new(writer),
            published: watch::Sender::new(next),
            projected: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let syncing = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("journal-sync".into())
            .spawn(move || {
                while let Some(shared) = syncing.upgrade() {
                    if shared.stop.load(Ordering::Acquire) {
                        break;
                    }
                    shared.upkeep();
                    drop(shared);
                    std::thread::park_timeout(SYNC_EVERY);
                }
            })
            .map_err(|error| at(directory, error))?;
        Ok((Journal { shared }, open))
    }

    /// Appends a batch with one write and empties it. When this returns, the events outlive the
    /// process; if the disk does not take them they wait in memory.
    pub fn append(&self, batch: &mut Batch) {
        if batch.is_empty() {
            return;
        }
        let published = {
            let mut writer = self.shared.lock();
            writer.append(batch, &self.shared.settings);
            if writer.end >= self.shared.settings.segment_bytes && !writer.failing {
                writer.rotate(&self.shared.directory);
            }
            writer.written()
        };
        batch.clear();
        if let Some(next) = published {
            self.shared.published.send_replace(next);
        }
    }

    /// A reader from the sequence number `next` on.
    pub fn reader(&self, next: u64) -> Reader {
        Reader::new(&self.shared.directory, next)
    }

    /// The sequence number after the last event that can be read: the limit for readers, and the
    /// signal to read on.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.shared.published.subscribe()
    }

    /// The projections have everything before `next`: older segments may go when they are too
    /// many.
    pub fn projected(&self, next: u64) {
        self.shared.projected.store(next, Ordering::Release);
    }

    /// Where the first event of an open call stands.
    pub fn open_from(&self, call: CallId) -> Option<u64> {
        self.shared.lock().open.get(&call).copied()
    }

    /// Counts.
    pub fn status(&self) -> JournalStatus {
        let writer = self.shared.lock();
        JournalStatus {
            backlog_bytes: writer.backlog_bytes as u64,
            open_calls: writer.open.len() as u64,
            next: writer.next,
            ..writer.status
        }
    }

    /// Puts another file in the place of the open segment; gives back the one it was.
    #[cfg(test)]
    pub(super) fn replace_file(&self, file: impl Into<Arc<File>>) -> Arc<File> {
        std::mem::replace(&mut self.shared.lock().file, file.into())
    }

    /// Writes and syncs what there is, and ends the syncing thread.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.upkeep();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Writer> {
        // The writer's state is consistent after every statement that can panic.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once a second: what failed is tried again, what was written is synced, old segments go.
    fn upkeep(&self) {
        while self.lock().retry() {}
        let (files, published, rotated) = {
            let mut writer = self.lock();
            let mut files = std::mem::take(&mut writer.unsynced);
            if std::mem::take(&mut writer.dirty) {
                files.push(Arc::clone(&writer.file));
            }
            (files, writer.written(), std::mem::take(&mut writer.rotated))
        };
        if let Some(next) = published {
            self.published.send_if_modified(|known| std::mem::replace(known, next) != next);
        }
        let directory = if rotated { sync_directory(&self.directory) } else { Ok(()) };
        for synced in files.iter().map(|file| file.sync_data()).chain([directory]) {
            if let Err(error) = synced {
                tracing::error!(%error, "the journal cannot be synced; a loss of power could cost events");
                self.lock().status.failures += 1;
            }
        }
        self.prepare();
        if rotated && let Err(error) = self.retain() {
            tracing::warn!(%error, "old segments of the journal cannot be removed");
        }
    }

    /// Makes the file of the next segment ahead, so that no engine does. If it cannot be made, the
    /// engine that needs it tries, and says what is wrong.
    fn prepare(&self) {
        let near = |writer: &Writer| {
            writer.prepared.is_none() && writer.end >= self.settings.segment_bytes / 2
        };
        if near(&self.lock())
            && let Ok(file) = unfinished(&self.directory)
        {
            let mut writer = self.lock();
            if near(&writer) {
                writer.prepared = Some(file);
            }
        }
    }

    /// Removes the oldest segments beyond what is to be kept, but none that a projection or an
    /// open call still needs.
    fn retain(&self) -> io::Result<()> {
        let needed = {
            let writer = self.lock();
            let open = writer.open_order.first().map_or(writer.next, |(sequence, _)| *sequence);
            open.min(self.projected.load(Ordering::Acquire))
        };
        let segments = segment::list(&self.directory)?;
        let sizes: Vec<_> = segments.iter().map(|segment| fs::metadata(&segment.path)).collect();
        let mut total: u64 = sizes.iter().flatten().map(fs::Metadata::len).sum();
        for (pair, size) in segments.windows(2).zip(sizes) {
            let [segment, following] = pair else { break };
            let size = size?;
            let old = size.modified()?.elapsed().is_ok_and(|age| age > self.settings.keep_age);
            if following.first > needed || !(old || total > self.settings.keep_bytes) {
                break;
            }
            fs::remove_file(&segment.path)?;
            total -= size.len();
            tracing::info!(segment = %segment.path.display(), bytes = size.len(), "an old segment of the journal was removed");
        }
        Ok(())
    }
}

impl Writer {
    /// The limit for readers: what waits in memory cannot be read.
    fn written(&self) -> Option<u64> {
        self.backlog.is_empty().then_some(self.next)
    }

    fn append(&mut self, batch: &mut Batch, settings: &JournalSettings) {
        self.status.dropped += batch.refused;
        if self.failing {
            self.keep(batch, settings);
            return;
        }
        let mut start = 0;
        for framed in &batch.frames {
            if let Some(bytes) = batch.bytes.get_mut(start..framed.end) {
                frame::seal(bytes, self.next);
            }
            self.note(framed.mark);
            start = framed.end;
        }
        if let Err(error) = self.write(&batch.bytes) {
            tracing::error!(%error, "the journal cannot be written; calls go on, their events wait in memory");
            self.failing = true;
            self.wait(&batch.bytes);
        }
    }

    /// Bytes for the disk wait in memory.
    fn wait(&mut self, bytes: &[u8]) {
        self.backlog_bytes += bytes.len();
        match self.backlog.back_mut().filter(|slice| slice.len() < SLICE_BYTES) {
            Some(slice) => slice.extend_from_slice(bytes),
            None => self.backlog.push_back(bytes.to_vec()),
        }
    }

    /// While the disk does not take them, events wait in memory up to a limit.
    fn keep(&mut self, batch: &mut Batch, settings: &JournalSettings) {
        let mut start = 0;
        for framed in &batch.frames {
            let Some(bytes) = batch.bytes.get_mut(start..framed.end) else { break };
            start = framed.end;
            let limit = match framed.mark {
                Mark::Trace => settings.backlog_bytes / 2,
                _ => settings.backlog_bytes,
            };
            if self.backlog_bytes + bytes.len() > limit {
                self.status.dropped += 1;
                continue;
            }
            frame::seal(bytes, self.next);
            self.wait(bytes);
            self.note(framed.mark);
        }
    }

    /// One event has got its sequence number.
    fn note(&mut self, mark: Mark) {
        match mark {
            Mark::Opens(call) => {
                self.open.insert(call, self.next);
                self.open_order.insert((self.next, call));
            }
            Mark::Closes(call) => {
                if let Some(since) = self.open.remove(&call) {
                    self.open_order.remove(&(since, call));
                }
            }
            Mark::Trace | Mark::Other => {}
        }
        self.next += 1;
        self.status.events += 1;
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(bytes, self.end);
        self.status.writes += 1;
        match written {
            Ok(()) => {
                self.end += bytes.len() as u64;
                self.status.bytes += bytes.len() as u64;
                self.dirty = true;
                Ok(())
            }
            Err(error) => {
                self.status.failures += 1;
                // Half a batch may stand there: the next write goes to the same place, and a
                // restart would cut it.
                let _again_at_restart = self.file.set_len(self.end);
                Err(error)
            }
        }
    }

    /// Writes a slice of what waits; whether there is more to write.
    fn retry(&mut self) -> bool {
        if !self.failing {
            return false;
        }
        if let Some(slice) = self.backlog.pop_front() {
            if let Err(error) = self.write(&slice) {
                self.backlog.push_front(slice);
                tracing::error!(%error, waiting_bytes = self.backlog_bytes, dropped = self.status.dropped,
                    "the journal still cannot be written");
                return false;
            }
            self.backlog_bytes -= slice.len();
        }
        self.failing = !self.backlog.is_empty();
        if !self.failing {
            let dropped = self.status.dropped;
            tracing::info!(dropped, "the journal can be written again; what waited is written");
        }
        self.failing
    }

    /// Begins a new segment; if that fails the old one is used on. Syncing is left to the thread
    /// that does it.
    fn rotate(&mut self, directory: &Path) {
        if self.rotate_again.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let open_from = self.open_order.first().map_or(self.next, |(sequence, _)| *sequence);
        let header = Header {
            node: self.node.clone(),
            epoch: self.epoch,
            first: self.next,
            open_from,
            created: Clock.wall(),
        };
        let file = self.prepared.take().map_or_else(|| unfinished(directory), Ok);
        match file.and_then(|file| begin_segment(directory, file, &header)) {
            Ok((file, end)) => {
                self.unsynced.push(std::mem::replace(&mut self.file, Arc::new(file)));
                self.end = end;
                self.dirty = true;
                self.rotated = true;
                self.rotate_again = None;
            }
            Err(error) => {
                self.status.failures += 1;
                self.rotate_again = Some(Instant::now() + ROTATE_AGAIN);
                tracing::error!(%error, "no new segment of the journal can be begun; the old one is used on");
            }
        }
    }
}

/// The file of a segment that is to come. It is made whole under another name first, so that none
/// ever has half a header.
fn unfinished(directory: &Path) -> io::Result<File> {
    let path = directory.join(UNFINISHED);
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

/// Gives the unfinished file its header and its name; nothing after the renaming can fail. A
/// segment of the same name holds no events (it would have been followed by a higher one).
fn begin_segment(directory: &Path, file: File, header: &Header) -> io::Result<(File, u64)> {
    let bytes = header.encode();
    file.write_all_at(&bytes, 0)?;
    fs::rename(directory.join(UNFINISHED), segment::path(directory, header.first))?;
    Ok((file, bytes.len() as u64))
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The name of a segment that is not one yet.
const UNFINISHED: &str = "next.unfinished";
