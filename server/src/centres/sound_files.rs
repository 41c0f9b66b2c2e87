//! A tenant's own prompts and tones, one by one: what is there, taking a new one, taking one away.
//!
//! Owns: the files below `tenants/NAME` of the data directory. Does not own: what a whole directory
//! brings ([`super`]), what is heard of them ([`crate::prompts`]).

use super::{Centres, Sound};
use crate::audio::{self, FILE_BYTES_MAX, Unusable};
use crate::prompts::place::{self, Place};
use crate::prompts::{self, SOUND_S_MAX};
use hotline_base::Partition;
use std::path::{Path, PathBuf};

/// Why a prompt or tone was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It cannot be played.
    Unusable(Unusable),
    /// It cannot be kept.
    Disk(String),
    /// There is no such tenant any more.
    NoTenant,
}

/// Whether a file is another than the one that is kept.
pub(super) fn differ(brought: &Path, kept: &Path) -> bool {
    let length = |path| {
        let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
        about.map(|about| about.len()).filter(|length| *length <= FILE_BYTES_MAX)
    };
    // Only what is as long, and not too long, is read.
    match (length(brought), length(kept)) {
        (Some(new), Some(old)) if new == old => {
            !matches!((std::fs::read(brought), std::fs::read(kept)), (Ok(a), Ok(b)) if a == b)
        }
        _ => true,
    }
}

/// The sounds that can be played, and a line for each that cannot: it is not taken, and what was
/// there before, or the default, plays on.
pub(super) fn usable(sounds: Vec<Sound>) -> (Vec<Sound>, Vec<String>) {
    let mut refused = Vec::new();
    let usable = |sound: &Sound| match prompts::read_wav(&sound.from) {
        Ok(_) => true,
        Err(why) => {
            let Sound { kind, name, .. } = sound;
            refused.push(format!("{kind} {name:?}: {why}; it was not taken"));
            false
        }
    };
    let sounds = sounds.into_iter().filter(usable).collect();
    (sounds, refused)
}

impl Centres {
    /// The bytes of a prompt or tone as it would be heard: the tenant's own, the node's, the
    /// standard one.
    pub fn sound(&self, partition: Partition, place: &Place) -> Option<Vec<u8>> {
        let own = self.sound_file(partition, place)?;
        if let Ok(bytes) = std::fs::read(own) {
            return Some(bytes);
        }
        let Place::Prompt { language, name } = place else { return None };
        let of_node = self.prompts_dir.as_ref();
        let of_node = of_node.map(|dir| dir.join(language).join(format!("{name}.wav")));
        let of_node = of_node.and_then(|path| std::fs::read(path).ok());
        of_node.or_else(|| prompts::standard_bytes(language, name).map(<[u8]>::to_vec))
    }

    /// Keeps a WAV file as the tenant's own prompt or tone. It is heard from the next
    /// [`Centres::snapshot`] on.
    ///
    /// # Errors
    /// [`NotTaken`]; what was there before stays.
    pub fn put_sound(
        &self,
        partition: Partition,
        place: &Place,
        bytes: &[u8],
    ) -> Result<(), NotTaken> {
        let path = self.sound_file(partition, place).ok_or(NotTaken::NoTenant)?;
        audio::read(bytes, SOUND_S_MAX).map_err(NotTaken::Unusable)?;
        place::write(&path, bytes).map_err(NotTaken::Disk)
    }

    /// Takes a tenant's own prompt or tone away; `false`: it has none of that name.
    ///
    /// # Errors
    /// One line.
    pub fn remove_sound(&self, partition: Partition, place: &Place) -> Result<bool, String> {
        self.sound_file(partition, place).map_or(Ok(false), |path| place::remove(&path))
    }

    fn sound_file(&self, partition: Partition, place: &Place) -> Option<PathBuf> {
        let (_, centre) = self.centres.iter().find(|(of, _)| *of == partition)?;
        Some(place.file_in(&self.tenant_dir(centre.name())))
    }
}
