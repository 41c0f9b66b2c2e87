//! What can be played: prompts and tones, encoded once for each codec.
//!
//! Owns: the encoded audio, shared by all listeners. Does not own: reading files (the shell reads
//! them and hands samples in), who listens where ([`crate::worker`]).

use crate::command::{AssetId, Codec};
use crate::tone;
use std::sync::Arc;
use thiserror::Error;

/// Most assets of a library; more are refused.
pub const ASSETS_MAX: u32 = 65_536;
/// Longest asset, in seconds; a longer one is refused.
pub const ASSET_S_MAX: usize = 3600;

/// One piece of audio, 8 kHz, one channel. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Asset {
    pcmu: Arc<[u8]>,
    pcma: Arc<[u8]>,
}

impl Asset {
    /// Encodes 16-bit samples at 8 kHz.
    pub fn from_samples(samples: &[i16]) -> Self {
        let encode = |codec: Codec| samples.iter().map(|&sample| codec.encode(sample)).collect();
        Asset { pcmu: encode(Codec::Pcmu), pcma: encode(Codec::Pcma) }
    }

    /// The whole audio in this codec: a byte a sample.
    pub fn encoded(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.pcmu.len()
    }

    /// Whether there is nothing to hear.
    pub fn is_empty(&self) -> bool {
        self.pcmu.is_empty()
    }

    /// How long, in ms.
    pub fn duration_ms(&self) -> u32 {
        (self.len() / tone::samples_in(1)) as u32
    }
}

/// Why an asset was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LibraryError {
    /// The number is not below [`ASSETS_MAX`].
    #[error("asset {0}: allowed 0–{max}", max = ASSETS_MAX - 1)]
    Number(u32),
    /// Longer than [`ASSET_S_MAX`].
    #[error("{0} s of audio; allowed {ASSET_S_MAX}")]
    TooLong(usize),
}

/// The assets of a node, by number. Built once and shared; to change it, build another and hand it
/// to [`crate::worker::Worker::set_library`]. Plays that run go on with what they began with.
#[derive(Clone, Debug, Default)]
pub struct Library {
    assets: Vec<Option<Asset>>,
}

impl Library {
    /// An empty library.
    pub fn new() -> Self {
        Library::default()
    }

    /// Adds or replaces an asset from 16-bit samples at 8 kHz.
    ///
    /// # Errors
    /// [`LibraryError`] names the limit that was passed.
    pub fn insert(&mut self, id: AssetId, samples: &[i16]) -> Result<(), LibraryError> {
        within_limit(samples.len())?;
        self.share(id, Asset::from_samples(samples))
    }

    /// Adds or replaces an asset that is encoded already: another library may hold it too.
    ///
    /// # Errors
    /// As [`Library::insert`].
    pub fn share(&mut self, id: AssetId, asset: Asset) -> Result<(), LibraryError> {
        within_limit(asset.len())?;
        if id.0 >= ASSETS_MAX {
            return Err(LibraryError::Number(id.0));
        }
        let index = id.0 as usize;
        if index >= self.assets.len() {
            self.assets.resize(index + 1, None);
        }
        self.assets[index] = Some(asset);
        Ok(())
    }

    /// The asset of a number.
    pub fn get(&self, id: AssetId) -> Option<&Asset> {
        self.assets.get(id.0 as usize)?.as_ref()
    }
}

fn within_limit(samples: usize) -> Result<(), LibraryError> {
    let seconds = samples.div_ceil(tone::RATE_HZ as usize);
    if seconds > ASSET_S_MAX { Err(LibraryError::TooLong(seconds)) } else { Ok(()) }
}
