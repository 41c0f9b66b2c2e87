//! [`Recorder`]: a thread that writes what callers say to WAV files.
//!
//! Owns: `messages/PARTITION/RECORDING.wav` of the data directory, that a file can be played
//! whenever the process ends (each piece is followed by a header that counts it), and that a
//! recording's end is told when its file is complete. Does not own: what is recorded and when it
//! ends (`hotline_media::recording`), who may listen to it.
//!
//! ```text
//! media worker ─ pieces, events of recorded legs ─▶ recorder ─ the same events, in order ─▶ engine
//!              ◀────────── what cannot be written ─┘
//! ```
//! The disk may be slow or full: calls go on, the recording ends as failed with what was written.

use crate::runtime::{Engines, Mail};
use crossbeam_channel::{Receiver, Sender};
use hotline_base::Partition;
use hotline_media::command::{Event, LegRef, RecordEnd, RecordingId};
use hotline_media::recording::Piece;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Pieces that may wait for the disk: 13 MB. What exceeds them ends its recording.
const PIECES_MAX: usize = 4_096;
/// How long an engine that has no room for a letter is asked again, in ms.
const POST_MS_MAX: u32 = 5_000;
/// No message is begun when less is free on the disk, in bytes: the journal and the store come first.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// No message is begun when a tenant's take up more, in bytes: about 74 hours.
const TENANT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// How long a folder that was full counts as full before it is looked through again: its files may
/// be many.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
const HEADER_BYTES: u32 = 44;
const RATE_HZ: u32 = 8_000;

#[derive(Debug)]
enum Letter {
    Piece(Piece),
    Event(u16, Event),
    Stop,
}

/// The way to the thread. Used by one media worker.
#[derive(Debug)]
pub struct Recorder {
    letters: Sender<Letter>,
    pieces: Arc<AtomicUsize>,
    failed: Receiver<(LegRef, RecordingId)>,
    stopping: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts the thread; files go below `folder`.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        name: String,
        folder: PathBuf,
        engines: Engines,
    ) -> io::Result<(Recorder, JoinHandle<()>)> {
        let (letters, inbox) = crossbeam_channel::unbounded();
        let (failing, failed) = crossbeam_channel::unbounded();
        let pieces = Arc::new(AtomicUsize::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let mut writer = Writer {
            folder,
            engines,
            inbox,
            pieces: Arc::clone(&pieces),
            stopping: Arc::clone(&stopping),
            failing,
            files: BTreeMap::new(),
            room: Room { free_min: FREE_BYTES_MIN, tenant_max: TENANT_BYTES_MAX },
            taken: BTreeMap::new(),
        };
        let thread = std::thread::Builder::new().name(name).spawn(move || writer.run())?;
        Ok((Recorder { letters, pieces, failed, stopping }, thread))
    }

    /// Has a piece written; `false` when too many wait.
    pub fn write(&self, piece: Piece) -> bool {
        if self.pieces.load(Ordering::Relaxed) >= PIECES_MAX {
            return false;
        }
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.letters.send(Letter::Piece(piece)).is_ok()
    }

    /// Hands an event to the engine behind all that was written before.
    pub fn tell(&self, engine: u16, event: Event) {
        let _ended_already = self.letters.send(Letter::Event(engine, event));
    }

    /// A recording whose file could not be written.
    pub fn failed(&self) -> Option<(LegRef, RecordingId)> {
        self.failed.try_recv().ok()
    }

    /// Ends the thread when all was written.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let _ended_already = self.letters.send(Letter::Stop);
    }
}

/// One file that is being written.
#[derive(Debug)]
struct Wav {
    file: File,
    path: PathBuf,
    samples: u32,
    /// Shortest that is kept, in ms.
    min_ms: u32,
    failed: bool,
}

/// What a tenant's messages take up.
#[derive(Debug)]
struct Taken {
    bytes: u64,
    /// When the folder was last looked through.
    looked: Instant,
}

/// What must be left before a message is begun, in bytes.
#[derive(Clone, Copy, Debug)]
struct Room {
    free_min: u64,
    tenant_max: u64,
}

impl Room {
    /// `Err` when there is none for another message in a tenant's folder. What the folder takes up
    /// is counted from the last look on; deleted messages are seen at the next.
    fn check(self, folder: &Path, taken: &mut Option<Taken>) -> io::Result<()> {
        let free = crate::net::free_bytes(folder)?;
        if free < self.free_min {
            let why = format!("only {free} bytes are free; {} must be", self.free_min);
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        let full = |taken: &Taken| taken.bytes >= self.tenant_max;
        if taken.as_ref().is_none_or(|taken| full(taken) && taken.looked.elapsed() >= LOOK_AGAIN) {
            let files = fs::read_dir(folder)?.flatten();
            let bytes = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
            *taken = Some(Taken { bytes, looked: Instant::now() });
        }
        if let Some(Taken { bytes, .. }) = taken.as_ref().filter(|taken| full(taken)) {
            let why = format!(
                "the tenant's messages take up {bytes} bytes; {} is the most: delete some",
                self.tenant_max
            );
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        Ok(())
    }
}

impl Wav {
    fn create(
        folder: &Path,
        first: &Piece,
        room: Room,
        taken: &mut Option<Taken>,
    ) -> io::Result<Wav> {
        let folder = folder.join(first.partition.0.to_string());
        fs::create_dir_all(&folder)?;
        room.check(&folder, taken)?;
        let path = folder.join(format!("{}.wav", first.recording.0));
        // Numbers never come again: what is there already is somebody's message.
        let file = File::options().write(true).create_new(true).open(&path)?;
        let wav = Wav { file, path, samples: 0, min_ms: first.min_ms, failed: false };
        wav.write_header()?;
        Ok(wav)
    }

    fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let at = u64::from(HEADER_BYTES) + u64::from(self.samples) * 2;
        self.file.write_all_at(&bytes, at)?;
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        self.samples = self.samples.saturating_add(count);
        self.write_header()
    }

    /// Says how many samples follow.
    fn write_header(&self) -> io::Result<()> {
        let data = self.samples.saturating_mul(2);
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend(b"RIFF");
        header.extend((data.saturating_add(HEADER_BYTES - 8)).to_le_bytes());
        header.extend(b"WAVEfmt ");
        header.extend(16u32.to_le_bytes());
        // PCM, one channel.
        header.extend([1, 0, 1, 0]);
        header.extend(RATE_HZ.to_le_bytes());
        header.extend((RATE_HZ * 2).to_le_bytes());
        // Two bytes a sample, 16 bits of them.
        header.extend([2, 0, 16, 0]);
        header.extend(b"data");
        header.extend(data.to_le_bytes());
        self.file.write_all_at(&header, 0)
    }

    /// Keeps the first samples; a file with none, or too few, is removed: nobody would hear of it.
    /// How many ms are kept.
    fn finish(mut self, duration_ms: u32) -> io::Result<u32> {
        self.samples = self.samples.min(duration_ms.saturating_mul(RATE_HZ / 1_000));
        if self.samples == 0 || self.samples / (RATE_HZ / 1_000) < self.min_ms {
            fs::remove_file(&self.path)?;
            return Ok(0);
        }
        self.file.set_len(u64::from(HEADER_BYTES) + u64::from(self.samples) * 2)?;
        self.write_header()?;
        self.file.sync_all()?;
        Ok(self.samples / (RATE_HZ / 1_000))
    }
}

/// How long a file of a recording is, in ms; none if it is not whole.
pub fn recorded_ms(path: &Path) -> Option<u32> {
    let file = File::open(path).ok()?;
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact_at(&mut header, 0).ok()?;
    let (head, data) = header.split_last_chunk::<4>()?;
    let data = u32::from_le_bytes(*data);
    let whole = file.metadata().ok()?.len() >= u64::from(HEADER_BYTES) + u64::from(data);
    (whole && head.starts_with(b"RIFF") && head.ends_with(b"data"))
        .then_some(data / 2 / (RATE_HZ / 1_000))
}

struct Writer {
    folder: PathBuf,
    engines: Engines,
    inbox: Receiver<Letter>,
    pieces: Arc<AtomicUsize>,
    /// The engines have ended: nobody takes letters.
    stopping: Arc<AtomicBool>,
    failing: Sender<(LegRef, RecordingId)>,
    files: BTreeMap<(LegRef, RecordingId), Wav>,
    room: Room,
    /// By tenant, as far as it was looked.
    taken: BTreeMap<Partition, Option<Taken>>,
}

impl Writer {
    fn run(&mut self) {
        while let Ok(letter) = self.inbox.recv() {
            match letter {
                Letter::Piece(piece) => {
                    self.pieces.fetch_sub(1, Ordering::Relaxed);
                    self.write(&piece);
                }
                Letter::Event(engine, event) => {
                    let event = self.complete(event);
                    self.post(engine, event);
                }
                Letter::Stop => break,
            }
        }
    }

    fn write(&mut self, piece: &Piece) {
        let key = (piece.leg, piece.recording);
        let written = match self.files.get_mut(&key) {
            Some(wav) if wav.failed => return,
            Some(wav) => wav.append(&piece.samples),
            // Its file could not be made.
            None if !piece.samples.is_empty() => return,
            None => {
                let taken = self.taken.entry(piece.partition).or_default();
                Wav::create(&self.folder, piece, self.room, taken).map(|wav| {
                    self.files.insert(key, wav);
                })
            }
        };
        if let Some(Some(taken)) = self.taken.get_mut(&piece.partition) {
            taken.bytes = taken.bytes.saturating_add(2 * piece.samples.len() as u64);
        }
        if let Err(error) = written {
            tracing::error!(
                %error,
                folder = %self.folder.display(),
                partition = piece.partition.0,
                recording = piece.recording.0,
                "a message cannot be written; calls go on"
            );
            if let Some(wav) = self.files.get_mut(&key) {
                wav.failed = true;
            }
            let _worker_has_ended = self.failing.send(key);
        }
    }

    /// The file of a recording that has ended is completed; what its event says is what it holds.
    fn complete(&mut self, event: Event) -> Event {
        let Event::Recorded { leg, recording, duration_ms, reason } = event else { return event };
        let Some(wav) = self.files.remove(&(leg, recording)) else {
            // It was never begun, or its file could not be made.
            let reason = RecordEnd::Failed;
            return Event::Recorded { leg, recording, duration_ms: 0, reason };
        };
        let failed = wav.failed;
        let path = wav.path.clone();
        let (duration_ms, reason) = match wav.finish(duration_ms) {
            Ok(duration_ms) if failed => (duration_ms, RecordEnd::Failed),
            Ok(duration_ms) => (duration_ms, reason),
            Err(error) => {
                let path = path.display();
                tracing::error!(%error, %path, "a message cannot be completed; calls go on");
                (0, RecordEnd::Failed)
            }
        };
        Event::Recorded { leg, recording, duration_ms, reason }
    }

    fn post(&self, engine: u16, event: Event) {
        let mut letter = Mail::Media(event);
        for _ in 0..POST_MS_MAX {
            match self.engines.get(engine).post(letter) {
                Ok(()) => return,
                Err(_) if self.stopping.load(Ordering::Relaxed) => return,
                Err(refused) => letter = refused,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        tracing::error!(engine, "an engine takes no letters; the end of a recording is not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{EngineHandle, Inbox};

    const LEG: LegRef = LegRef { worker: 0, leg: 4, generation: 1 };
    const ID: RecordingId = RecordingId(77);

    fn writer(folder: &Path) -> (Writer, Inbox) {
        let (handle, inbox) = EngineHandle::new().unwrap();
        let writer = Writer {
            folder: folder.into(),
            engines: Engines::new(vec![handle]),
            inbox: crossbeam_channel::unbounded().1,
            pieces: Arc::default(),
            stopping: Arc::default(),
            failing: crossbeam_channel::unbounded().0,
            files: BTreeMap::new(),
            room: Room { free_min: 0, tenant_max: u64::MAX },
            taken: BTreeMap::new(),
        };
        (writer, inbox)
    }

    fn piece(samples: &[i16]) -> Piece {
        let samples = samples.to_vec();
        Piece { leg: LEG, partition: Partition(3), recording: ID, min_ms: 200, samples }
    }

    fn recorded(duration_ms: u32, reason: RecordEnd) -> Event {
        Event::Recorded { leg: LEG, recording: ID, duration_ms, reason }
    }

    fn samples_in(path: &Path) -> Vec<i16> {
        let reader = hound::WavReader::open(path).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.spec().bits_per_sample), (8_000, 16));
        reader.into_samples().map(Result::unwrap).collect()
    }

    /// Whatever moment the process ends in, what was written so far can be played.
    #[test]
    fn a_file_can_be_played_after_every_piece_and_holds_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("3/77.wav");
        let (mut writer, _inbox) = writer(folder.path());
        writer.write(&piece(&[]));
        assert_eq!(samples_in(&path).len(), 0);
        writer.write(&piece(&[7; 1600]));
        assert_eq!(samples_in(&path), [7; 1600]);
        writer.write(&piece(&[8; 1600]));
        assert_eq!(samples_in(&path).len(), 3200);
        let told = writer.complete(recorded(250, RecordEnd::Digit('#')));
        assert_eq!(told, recorded(250, RecordEnd::Digit('#')));
        assert_eq!(samples_in(&path), [&[7; 1600][..], &[8; 400]].concat());
        assert!(writer.files.is_empty());
    }

    #[test]
    fn nothing_said_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, _inbox) = writer(folder.path());
        writer.write(&piece(&[]));
        writer.write(&piece(&[0; 1600]));
        let silence = recorded(0, RecordEnd::Silence);
        assert_eq!(writer.complete(silence.clone()), silence);
        assert!(!folder.path().join("3/77.wav").exists());
    }

    /// The engine throws away what is too short; its file stayed for ever, in nobody's list.
    #[test]
    fn what_is_shorter_than_it_must_be_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("3/77.wav");
        for (said_ms, kept_ms) in [(199, 0), (200, 200)] {
            let (mut writer, _inbox) = writer(folder.path());
            writer.write(&piece(&[]));
            writer.write(&piece(&[7; 1600]));
            let told = writer.complete(recorded(said_ms, RecordEnd::Stopped));
            assert_eq!(told, recorded(kept_ms, RecordEnd::Stopped));
            assert_eq!(path.exists(), kept_ms > 0);
        }
    }

    #[test]
    fn nothing_is_recorded_without_room_on_the_disk_or_of_the_tenant() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("3")).unwrap();
        fs::write(folder.path().join("3/1.wav"), [0; 1_000]).unwrap();
        let plenty = Room { free_min: 0, tenant_max: 1_001 };
        for (room, expected_ms) in [
            (Room { free_min: u64::MAX, ..plenty }, 0),
            (Room { tenant_max: 1_000, ..plenty }, 0),
            (plenty, 200),
        ] {
            let (mut writer, _inbox) = writer(folder.path());
            let (failing, failed) = crossbeam_channel::unbounded();
            writer.failing = failing;
            writer.room = room;
            writer.write(&piece(&[]));
            writer.write(&piece(&[7; 1600]));
            let reason = if expected_ms == 0 { RecordEnd::Failed } else { RecordEnd::Stopped };
            let told = writer.complete(recorded(200, RecordEnd::Stopped));
            assert_eq!(told, recorded(expected_ms, reason), "{room:?}");
            assert_eq!(failed.try_iter().count(), usize::from(expected_ms == 0));
            assert_eq!(folder.path().join("3/77.wav").exists(), expected_ms > 0);
        }
    }

    /// Each message looked through the whole folder, with the engine's letters behind it.
    #[test]
    fn what_a_tenants_messages_take_up_is_counted_on_and_not_looked_up_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, _inbox) = writer(folder.path());
        writer.room.tenant_max = 5_000;
        let began = |writer: &mut Writer, recording| {
            let first = Piece { recording: RecordingId(recording), ..piece(&[]) };
            let said = Piece { samples: vec![7; 1600], ..first.clone() };
            writer.write(&first);
            writer.write(&said);
            folder.path().join(format!("3/{recording}.wav")).exists()
        };
        assert!(began(&mut writer, 1));
        // Unseen: the folder is not looked through again.
        fs::write(folder.path().join("3/999.wav"), [0; 9_000]).unwrap();
        assert!(began(&mut writer, 2));
        assert!(!began(&mut writer, 3), "6,400 bytes were written");
        for file in ["1.wav", "2.wav", "999.wav"] {
            fs::remove_file(folder.path().join("3").join(file)).unwrap();
        }
        assert!(!began(&mut writer, 4), "counts as full for a while");
        let looked = Instant::now().checked_sub(LOOK_AGAIN).unwrap();
        writer.taken.get_mut(&Partition(3)).unwrap().as_mut().unwrap().looked = looked;
        assert!(began(&mut writer, 5), "messages were deleted");
    }

    /// The disk fills up in the middle of a message: what is there is kept, the worker is told
    /// once, and the end says that it failed.
    #[test]
    fn a_full_disk_ends_the_recording_with_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("3/77.wav");
        let (mut writer, _inbox) = writer(folder.path());
        let (failing, failed) = crossbeam_channel::unbounded();
        writer.failing = failing;
        writer.write(&piece(&[]));
        writer.write(&piece(&[7; 1600]));
        let wav = writer.files.get_mut(&(LEG, ID)).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut wav.file, full);
        writer.write(&piece(&[8; 1600]));
        writer.write(&piece(&[9; 1600]));
        assert_eq!(failed.try_iter().collect::<Vec<_>>(), [(LEG, ID)]);
        writer.files.get_mut(&(LEG, ID)).unwrap().file = file;
        let told = writer.complete(recorded(600, RecordEnd::Failed));
        assert_eq!(told, recorded(200, RecordEnd::Failed));
        assert_eq!(samples_in(&path), [7; 1600]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_fails_the_recording_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("3")).unwrap();
        fs::write(folder.path().join("3/77.wav"), "somebody's").unwrap();
        for blocked in [folder.path().to_path_buf(), folder.path().join("3/77.wav")] {
            let (mut writer, _inbox) = writer(&blocked);
            let (failing, failed) = crossbeam_channel::unbounded();
            writer.failing = failing;
            writer.write(&piece(&[]));
            writer.write(&piece(&[1; 1600]));
            assert_eq!(failed.try_iter().count(), 1, "told once");
            let told = writer.complete(recorded(200, RecordEnd::Stopped));
            assert_eq!(told, recorded(0, RecordEnd::Failed));
        }
        assert_eq!(fs::read(folder.path().join("3/77.wav")).unwrap(), b"somebody's");
    }
}
