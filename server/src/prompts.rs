//! Prompts: the built-in ones, the node's, and each tenant's, as the workers' library.
//!
//! Owns: reading WAV files, and which asset number a prompt has. Later sources override earlier
//! ones: built in, `[prompts] dir`, the tenant's own. A file that cannot be used is reported by
//! name and the one before it plays.

use crate::config::build::Prompts;
use hotline_base::Partition;
use hotline_engine::config::{AGENT_BEEP, FIRST_PROMPT, Prompt, WAIT_TONE};
use hotline_media::asset::Library;
use hotline_media::command::AssetId;
use hotline_media::tone;
use include_dir::{Dir, include_dir};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

static STANDARD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../prompts");

/// Longest prompt, in seconds.
const PROMPT_S_MAX: usize = 600;

/// The names of the standard prompts.
pub fn standard_names() -> BTreeSet<String> {
    let files = STANDARD.get_dir("en").into_iter().flat_map(|dir| dir.files());
    files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_string())).collect()
}

/// Reads a WAV file as 8 kHz samples.
///
/// # Errors
/// What is wrong with it and what is allowed.
pub fn read_wav(path: &Path) -> Result<Vec<i16>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    samples(std::io::BufReader::new(file))
}

fn samples(source: impl Read) -> Result<Vec<i16>, String> {
    let reader =
        hound::WavReader::new(source).map_err(|error| format!("not a WAV file: {error}"))?;
    let spec = reader.spec();
    if (spec.sample_rate, spec.channels, spec.bits_per_sample) != (8_000, 1, 16) {
        return Err(format!(
            "{} Hz, {} channels, {} bits; allowed 8000 Hz, 1 channel, 16 bits",
            spec.sample_rate, spec.channels, spec.bits_per_sample
        ));
    }
    if reader.duration() as usize > PROMPT_S_MAX * 8_000 {
        return Err(format!("{} s long; allowed {PROMPT_S_MAX} s", reader.duration() / 8_000));
    }
    let samples: Result<Vec<i16>, _> = reader.into_samples().collect();
    let samples = samples.map_err(|error| format!("cut off or broken: {error}"))?;
    if samples.is_empty() { Err("holds no audio".into()) } else { Ok(samples) }
}

/// Every prompt of the node, and which asset each is.
#[derive(Debug, Default)]
pub struct Catalogue {
    numbers: BTreeMap<(Option<Partition>, String, String), AssetId>,
}

/// What [`Catalogue::load`] found.
pub struct LoadedPrompts {
    /// For the media workers.
    pub library: Library,
    /// What each tenant's calls can play.
    pub tenants: BTreeMap<Partition, Prompts>,
    /// Files that cannot be used, a line each.
    pub broken: Vec<String>,
}

impl Catalogue {
    /// Reads everything anew: the built-in prompts, those of `dir`, and those of each tenant. A
    /// prompt keeps its asset number for the life of the process.
    pub fn load(
        &mut self,
        dir: Option<&Path>,
        tenants: &[(Partition, std::path::PathBuf)],
    ) -> LoadedPrompts {
        let mut loaded =
            LoadedPrompts { library: Library::new(), tenants: BTreeMap::new(), broken: Vec::new() };
        // The two synthesised assets are shorter than any limit.
        let _ = loaded.library.insert(WAIT_TONE, &tone::wait_tone());
        let _ = loaded.library.insert(AGENT_BEEP, &tone::beep());
        let mut shared = Prompts::new();
        for language in STANDARD.dirs() {
            let Some(name) = language.path().file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            for file in language.files() {
                let Some(stem) = file.path().file_stem().and_then(|stem| stem.to_str()) else {
                    continue;
                };
                let read = samples(file.contents());
                self.take(None, name, stem, file.path(), read, &mut shared, &mut loaded);
            }
        }
        if let Some(dir) = dir {
            self.take_directory(None, dir, &mut shared, &mut loaded);
        }
        for (partition, dir) in tenants {
            let mut prompts = shared.clone();
            self.take_directory(Some(*partition), dir, &mut prompts, &mut loaded);
            loaded.tenants.insert(*partition, prompts);
        }
        loaded
    }

    fn take_directory(
        &mut self,
        partition: Option<Partition>,
        dir: &Path,
        prompts: &mut Prompts,
        loaded: &mut LoadedPrompts,
    ) {
        for (language, name, path) in crate::config::centre::prompts_in(dir) {
            let read = read_wav(&path);
            self.take(partition, &language, &name, &path, read, prompts, loaded);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one step of one loop, named for its reader")]
    fn take(
        &mut self,
        partition: Option<Partition>,
        language: &str,
        name: &str,
        path: &Path,
        read: Result<Vec<i16>, String>,
        prompts: &mut Prompts,
        loaded: &mut LoadedPrompts,
    ) {
        let samples = match read {
            Ok(samples) => samples,
            Err(why) => {
                let text =
                    format!("prompt {}: {why}; the standard one plays instead", path.display());
                return loaded.broken.push(text);
            }
        };
        let next = AssetId(FIRST_PROMPT.0 + self.numbers.len() as u32);
        let key = (partition, language.to_string(), name.to_string());
        let asset = *self.numbers.entry(key).or_insert(next);
        let duration_ms = (samples.len() / 8) as u32;
        match loaded.library.insert(asset, &samples) {
            Ok(()) => {
                let names = prompts.entry(language.into()).or_default();
                names.insert(name.into(), Prompt { asset, duration_ms });
            }
            Err(error) => loaded.broken.push(format!("prompt {}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_ivr::say;

    #[test]
    fn the_standard_prompts_are_all_there_and_whole() {
        let loaded = Catalogue::default().load(None, &[(Partition(1), "/nowhere".into())]);
        assert_eq!(loaded.broken, Vec::<String>::new());
        for language in say::languages() {
            let names: BTreeSet<&str> =
                loaded.tenants[&Partition(1)][language].keys().map(String::as_str).collect();
            let wanted = say::SENTENCES.iter().copied().chain(say::units(language)).collect();
            assert_eq!(names, wanted, "{language}");
        }
    }

    #[test]
    fn a_broken_file_is_named_and_the_standard_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("en")).unwrap();
        std::fs::write(dir.path().join("en/digit_1.wav"), b"RIFFnonsense").unwrap();
        let mut catalogue = Catalogue::default();
        let loaded = catalogue.load(Some(dir.path()), &[(Partition(1), "/nowhere".into())]);
        assert_eq!(loaded.broken.len(), 1);
        assert!(loaded.broken[0].contains("digit_1.wav: not a WAV file"), "{:?}", loaded.broken);
        assert!(loaded.tenants[&Partition(1)]["en"].contains_key("digit_1"));
    }
}
