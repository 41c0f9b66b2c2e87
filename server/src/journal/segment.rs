//! Segment files: `journal/<first sequence, 16 hexadecimal digits>.segment`.
//!
//! ```text
//! "HTLNJRNL" │ version u32 │ length u32 │ Header (postcard) │ crc32 u32 │ frames …
//! ```
//! Owns: names, headers, the list of a directory's segments. Does not own: what is in the frames,
//! nor when files are made and removed ([`super::writer`]).

use hotline_base::Wall;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The format written by this program.
pub const VERSION: u32 = 2;

const MAGIC: &[u8; 8] = b"HTLNJRNL";
const PREFIX: usize = 16;
const HEADER_BYTES_MAX: usize = 4_096;

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name of the node that wrote it.
    pub node: String,
    /// The node's epoch when it was begun.
    pub epoch: u32,
    /// Sequence number of its first event.
    pub first: u64,
    /// From here on the journal holds every event of the calls that were open when it was begun.
    pub open_from: u64,
    /// When it was begun.
    pub created: Wall,
}

impl Header {
    /// The bytes with which the file begins.
    pub fn encode(&self) -> Vec<u8> {
        // Encoding into memory cannot fail for a struct of numbers and one string.
        let body = postcard::to_stdvec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(PREFIX + body.len() + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&body);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a segment's header; with it, where the frames begin.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(file: &mut File) -> Result<(Header, u64), HeaderError> {
        let mut bytes = Vec::new();
        file.take((PREFIX + HEADER_BYTES_MAX + 4) as u64).read_to_end(&mut bytes)?;
        let (prefix, rest) = bytes.split_at_checked(PREFIX).ok_or(HeaderError::Torn)?;
        if !prefix.starts_with(MAGIC) {
            return Err(HeaderError::Torn);
        }
        let number = |at: usize| {
            let four = prefix.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
            four.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        if number(8) != VERSION {
            return Err(HeaderError::Version(number(8)));
        }
        let length = number(12) as usize;
        let body = rest.get(..length).ok_or(HeaderError::Torn)?;
        let sum = rest.get(length..).and_then(|bytes| bytes.first_chunk::<4>());
        let sum = sum.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(HeaderError::Torn)?;
        let covered = bytes.get(..PREFIX + length).unwrap_or_default();
        if crc32fast::hash(covered) != sum {
            return Err(HeaderError::Torn);
        }
        let header = postcard::from_bytes(body).map_err(|_| HeaderError::Torn)?;
        Ok((header, (PREFIX + length + 4) as u64))
    }
}

/// Why a file is no segment of ours.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The header is incomplete or damaged.
    #[error("header incomplete or damaged")]
    Torn,
    /// Written by another version of the program.
    #[error("format version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One segment file of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Sequence number of its first event, from its name.
    pub first: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// The path of the segment that begins with `first`.
pub fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:016x}.segment"))
}

/// All segments of a directory in order.
///
/// # Errors
/// The directory cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let Some(number) = name.strip_suffix(".segment") else { continue };
        if let Ok(first) = u64::from_str_radix(number, 16) {
            segments.push(Segment { first, path });
        }
    }
    segments.sort();
    Ok(segments)
}

/// The newest epoch in which a segment of a directory was begun; 0 when there is none.
///
/// # Errors
/// The directory cannot be read.
pub fn newest_epoch(directory: &Path) -> io::Result<u32> {
    let segments = match list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        listed => listed?,
    };
    // One that is torn or unreadable says nothing; recovery tells of it.
    let epoch = |segment: &Segment| {
        let (header, _) = Header::read(&mut File::open(&segment.path).ok()?).ok()?;
        Some(header.epoch)
    };
    Ok(segments.iter().rev().find_map(epoch).unwrap_or(0))
}
