//! The encoded audio of all files, kept from one reading of the directories to the next.
//!
//! Owns: which files have changed, asset numbers, how long replaced audio stays. Does not own:
//! which files there are and who hears them ([`super::Catalogue`]).
//!
//! A file keeps its number while its audio stays the same. One that has changed gets a new number:
//! by that the engines see that its listeners are to hear something else.

use hotline_engine::config::{FIRST_PROMPT, Prompt};
use hotline_media::asset::{ASSETS_MAX, Asset, Library};
use hotline_media::command::{AssetId, Codec};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Readings that replaced audio survives: engines that have not heard of the change yet still
/// name it.
const READINGS_KEPT: usize = 2;

/// What tells a file from what it was before, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    fn at(path: &Path) -> Option<Look> {
        let about = std::fs::metadata(path).ok()?;
        Some(Look {
            bytes: about.len(),
            inode: about.ino(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// Audio under its number.
#[derive(Clone, Debug)]
struct Kept {
    /// `None` for what is built in.
    look: Option<Look>,
    number: AssetId,
    asset: Asset,
}

/// All audio by where it comes from.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    kept: BTreeMap<PathBuf, Kept>,
    /// What this reading has found.
    found: BTreeSet<PathBuf>,
    /// What was replaced at this reading, at the one before, ….
    replaced: VecDeque<Vec<Kept>>,
    taken: BTreeSet<u32>,
    last: u32,
}

impl Shelf {
    /// Begins a reading of all directories.
    pub fn begin(&mut self) {
        self.found.clear();
        self.replaced.push_front(Vec::new());
        for kept in self.replaced.split_off(self.replaced.len().min(READINGS_KEPT)) {
            kept.iter().for_each(|kept| _ = self.taken.remove(&kept.number.0));
        }
    }

    /// The audio of a file; `read` is asked only if the file is new or has changed.
    ///
    /// # Errors
    /// Why there is none; what was there before is gone then.
    pub fn file(
        &mut self,
        path: &Path,
        read: impl FnOnce(&Path) -> Result<Vec<i16>, String>,
    ) -> Result<Prompt, String> {
        // Looked at before it is read: a change in between is seen at the next reading.
        let look = Look::at(path);
        self.take(path, look, || read(path))
    }

    /// Audio that is built in under a name.
    ///
    /// # Errors
    /// Why there is none.
    pub fn built_in(
        &mut self,
        name: &Path,
        read: impl FnOnce() -> Result<Vec<i16>, String>,
    ) -> Result<Prompt, String> {
        self.take(name, None, read)
    }

    fn take(
        &mut self,
        path: &Path,
        look: Option<Look>,
        read: impl FnOnce() -> Result<Vec<i16>, String>,
    ) -> Result<Prompt, String> {
        if let Some(kept) = self.kept.get(path).filter(|kept| kept.look == look) {
            let prompt = kept.prompt();
            self.found.insert(path.into());
            return Ok(prompt);
        }
        let asset = Asset::from_samples(&read()?);
        let number = match self.kept.get(path) {
            Some(kept) if same(&kept.asset, &asset) => kept.number,
            _ => self.number()?,
        };
        let kept = Kept { look, number, asset };
        let prompt = kept.prompt();
        if let Some(before) = self.kept.insert(path.into(), kept)
            && before.number != number
        {
            self.replace(before);
        }
        self.found.insert(path.into());
        Ok(prompt)
    }

    fn replace(&mut self, kept: Kept) {
        if let Some(now) = self.replaced.front_mut() {
            now.push(kept);
        }
    }

    /// The next number that nothing has.
    fn number(&mut self) -> Result<AssetId, String> {
        let first = FIRST_PROMPT.0;
        let count = ASSETS_MAX - first;
        if self.taken.len() as u32 >= count {
            return Err(format!("{count} prompts and tones are there already; allowed {count}"));
        }
        loop {
            self.last = (self.last + 1) % count;
            if self.taken.insert(first + self.last) {
                return Ok(AssetId(first + self.last));
            }
        }
    }

    /// Ends the reading: what was not found any more is gone. All audio goes into the library, and
    /// what was replaced lately.
    ///
    /// # Errors
    /// What does not fit, a line each.
    pub fn end(&mut self, library: &mut Library) -> Result<(), Vec<String>> {
        let gone: Vec<PathBuf> =
            self.kept.keys().filter(|path| !self.found.contains(*path)).cloned().collect();
        for path in gone {
            if let Some(kept) = self.kept.remove(&path) {
                self.replace(kept);
            }
        }
        let mut faults = Vec::new();
        for kept in self.kept.values().chain(self.replaced.iter().flatten()) {
            if let Err(error) = library.share(kept.number, kept.asset.clone()) {
                faults.push(error.to_string());
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

impl Kept {
    fn prompt(&self) -> Prompt {
        Prompt { asset: self.number, duration_ms: self.asset.duration_ms() }
    }
}

fn same(one: &Asset, other: &Asset) -> bool {
    one.encoded(Codec::Pcmu) == other.encoded(Codec::Pcmu)
        && one.encoded(Codec::Pcma) == other.encoded(Codec::Pcma)
}
