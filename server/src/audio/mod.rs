//! Recorded audio as people bring it: WAV files of many kinds, converted once to what is played.
//!
//! ```text
//! file ──[wav] header, samples──→ one channel ──[resample]──→ 8 kHz, 16 bits
//! ```
//! Owns: which files are usable and what is said of those that are not, mixing down, and
//! conversion in pieces, so that memory is bounded by what comes out. Does not own: where files are
//! kept (`prompts`), encoding for the wire (the media crate), recording.

mod resample;
#[cfg(test)]
mod tests;
mod wav;

use resample::Converter;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use thiserror::Error;
use wav::Header;

/// Largest file read, bytes: ten minutes of 48 kHz stereo with 32 bits fit.
pub const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Rates taken, in Hz.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// Frames converted at a time.
const PIECE_FRAMES: usize = 4_096;

/// Why a file cannot be played. Each says what is wrong and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// It cannot be read at all.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is no regular file.
    #[error("not a file")]
    NotAFile,
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("{0} bytes; allowed {FILE_BYTES_MAX}")]
    TooLarge(u64),
    /// It does not begin as a WAV file, or lacks a part.
    #[error("not a WAV file: {0}; allowed RIFF/WAVE with a format and audio")]
    NotWav(&'static str),
    /// A coding that is not known.
    #[error("{0}; allowed PCM of 8, 16, 24 or 32 bits, float of 32 or 64 bits, A-law, µ-law")]
    Coding(String),
    /// A rate outside [`RATES_HZ`].
    #[error("{0} Hz; allowed {min}–{max} Hz", min = RATES_HZ.start(), max = RATES_HZ.end())]
    Rate(u32),
    /// Not one or two channels.
    #[error("{0} channels; allowed 1 or 2")]
    Channels(u16),
    /// The audio ends before its header says.
    #[error("cut off or broken: {found} of {said} bytes of audio")]
    CutOff {
        /// Bytes the header says.
        said: u64,
        /// Bytes there are.
        found: u64,
    },
    /// There is no audio in it.
    #[error("holds no audio")]
    Empty,
    /// Longer than is allowed here.
    #[error("longer than {0} s; allowed {0} s")]
    TooLong(u32),
}

/// A WAV file as samples of one channel at 8 kHz, at most `seconds_max` of them.
///
/// # Errors
/// [`Unusable`]: what is wrong with it and what is allowed.
pub fn read_file(path: &Path, seconds_max: u32) -> Result<Vec<i16>, Unusable> {
    let unreadable = |error: std::io::Error| Unusable::Unreadable(error.to_string());
    // Asked before it is opened: opening a pipe would wait for who writes to it.
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Unusable::NotAFile);
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(Unusable::TooLarge(about.len()));
    }
    let file = File::open(path).map_err(unreadable)?;
    read(BufReader::new(file.take(FILE_BYTES_MAX)), seconds_max)
}

/// The same of a WAV file that is read from elsewhere.
///
/// # Errors
/// [`Unusable`].
pub fn read(mut source: impl Read, seconds_max: u32) -> Result<Vec<i16>, Unusable> {
    let header = Header::read(&mut source)?;
    let frame_bytes = header.frame_bytes();
    let frames_max = u64::from(header.rate_hz) * u64::from(seconds_max);
    if header.data_bytes.is_some_and(|bytes| bytes / frame_bytes as u64 > frames_max) {
        return Err(Unusable::TooLong(seconds_max));
    }
    let mut data = source.take(header.data_bytes.unwrap_or(u64::MAX));
    let mut converter = Converter::new(header.rate_hz);
    let (mut piece, mut mono) = (vec![0; PIECE_FRAMES * frame_bytes], Vec::new());
    let (mut found, mut frames) = (0, 0);
    loop {
        let filled = fill(&mut data, &mut piece)?;
        found += filled as u64;
        let whole = filled / frame_bytes;
        frames += whole as u64;
        if frames > frames_max {
            return Err(Unusable::TooLong(seconds_max));
        }
        mono.clear();
        mono.extend(piece[..whole * frame_bytes].chunks_exact(frame_bytes).map(|f| header.mono(f)));
        converter.take(&mono);
        if filled < piece.len() {
            break;
        }
    }
    match header.data_bytes {
        Some(said) if found < said => return Err(Unusable::CutOff { said, found }),
        _ => {}
    }
    let samples = converter.finish();
    if samples.is_empty() { Err(Unusable::Empty) } else { Ok(samples) }
}

/// Reads until the buffer is full or there is no more.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Unusable> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Unusable::Unreadable(error.to_string())),
        }
    }
    Ok(filled)
}
