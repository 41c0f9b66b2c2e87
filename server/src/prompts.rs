//! Prompts and tones: the built-in ones, the node's, and each tenant's, as the workers' library.
//!
//! Owns: which file is heard under which name; the audio itself is kept in [`shelf`]. Later sources
//! override earlier ones: built in, `[prompts] dir`, the tenant's own. A file that cannot be used is
//! reported by name and the one before it plays; for a tone, the default tone. Does not own: reading
//! files ([`crate::audio`]), how they come into the data directory ([`crate::centres`]).

pub mod gaps;
pub mod place;
mod shelf;

use crate::audio;
use crate::config::build::Prompts;
use crate::config::flows;
use hotline_base::Partition;
use hotline_engine::config::{AGENT_BEEP, LINE_TONE, Prompt, WAIT_TONE};
use hotline_media::asset::Library;
use hotline_media::tone;
use include_dir::{Dir, include_dir};
use shelf::Shelf;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

static STANDARD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../prompts");

/// Longest prompt or tone, in seconds.
pub const SOUND_S_MAX: u32 = 600;

/// The standard prompts as what can be played.
pub fn standard_names() -> flows::Sounds {
    flows::Sounds { prompts: standard(), ..flows::Sounds::default() }
}

/// The names of the standard prompts by language.
pub fn standard() -> BTreeMap<String, BTreeSet<String>> {
    let of = |language: &Dir<'static>| {
        let files = language.files();
        files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_string())).collect()
    };
    STANDARD
        .dirs()
        .filter_map(|language| Some((language.path().to_str()?.to_string(), of(language))))
        .collect()
}

/// The file of a standard prompt.
pub fn standard_bytes(language: &str, name: &str) -> Option<&'static [u8]> {
    let file = STANDARD.get_file(format!("{language}/{name}.wav"))?;
    Some(file.contents())
}

/// Reads a WAV file as 8 kHz samples.
///
/// # Errors
/// What is wrong with it and what is allowed.
pub fn read_wav(path: &Path) -> Result<Vec<i16>, String> {
    audio::read_file(path, SOUND_S_MAX).map_err(|error| error.to_string())
}

/// Where a tenant's own prompts and tones are.
#[derive(Clone, Debug)]
pub struct TenantDir {
    /// Whose.
    pub partition: Partition,
    /// Holds `prompts/LANGUAGE/NAME.wav` and `tones/NAME.wav`.
    pub dir: PathBuf,
}

/// What a tenant's calls can play.
#[derive(Clone, Debug, Default)]
pub struct Sounds {
    /// Prompts by language, then name.
    pub prompts: Prompts,
    /// Tones by name.
    pub tones: BTreeMap<String, Prompt>,
}

/// Every prompt and tone of the node, from one reading of the directories to the next.
#[derive(Debug, Default)]
pub struct Catalogue {
    shelf: Shelf,
}

/// What [`Catalogue::load`] found.
pub struct LoadedPrompts {
    /// For the media workers.
    pub library: Library,
    /// By tenant.
    pub tenants: BTreeMap<Partition, Sounds>,
    /// Files that cannot be used, a line each.
    pub broken: Vec<String>,
}

impl Catalogue {
    /// Looks at everything anew: the built-in prompts, those of `dir`, and the prompts and tones of
    /// each tenant. Only files that have changed are read; they get new asset numbers.
    pub fn load(&mut self, dir: Option<&Path>, tenants: &[TenantDir]) -> LoadedPrompts {
        let mut library = Library::new();
        // The three synthesised assets are shorter than any limit.
        let _ = library.insert(WAIT_TONE, &tone::wait_tone());
        let _ = library.insert(AGENT_BEEP, &tone::beep());
        let _ = library.insert(LINE_TONE, &tone::line_tone());
        let (mut broken, mut of_tenants) = (Vec::new(), BTreeMap::new());
        self.shelf.begin();
        let mut shared = self.standard(&mut broken);
        if let Some(dir) = dir {
            self.prompts_in(dir, &mut shared, &mut broken);
        }
        for TenantDir { partition, dir } in tenants {
            let mut sounds = Sounds { prompts: shared.clone(), tones: BTreeMap::new() };
            self.prompts_in(&dir.join("prompts"), &mut sounds.prompts, &mut broken);
            for (name, path) in crate::config::centre::tones_in(&dir.join("tones")) {
                match self.shelf.file(&path, read_wav) {
                    Ok(tone) => _ = sounds.tones.insert(name, tone),
                    Err(why) => broken.push(format!(
                        "tone {}: {why}; the default tone plays instead",
                        path.display()
                    )),
                }
            }
            of_tenants.insert(*partition, sounds);
        }
        if let Err(faults) = self.shelf.end(&mut library) {
            broken.extend(faults);
        }
        LoadedPrompts { library, tenants: of_tenants, broken }
    }

    fn standard(&mut self, broken: &mut Vec<String>) -> Prompts {
        let mut prompts = Prompts::new();
        for language in STANDARD.dirs() {
            for file in language.files() {
                let (language, path) = (language.path(), file.path());
                let name = path.file_stem().and_then(|stem| stem.to_str());
                let (Some(language), Some(name)) = (language.to_str(), name) else { continue };
                let read =
                    || audio::read(file.contents(), SOUND_S_MAX).map_err(|error| error.to_string());
                match self.shelf.built_in(&Path::new("built in").join(path), read) {
                    Ok(prompt) => add(&mut prompts, language, name, prompt),
                    Err(why) => broken.push(format!("standard prompt {}: {why}", path.display())),
                }
            }
        }
        prompts
    }

    fn prompts_in(&mut self, dir: &Path, prompts: &mut Prompts, broken: &mut Vec<String>) {
        for (language, name, path) in crate::config::centre::prompts_in(dir) {
            match self.shelf.file(&path, read_wav) {
                Ok(prompt) => add(prompts, &language, &name, prompt),
                Err(why) => broken.push(format!(
                    "prompt {}: {why}; the standard one plays instead",
                    path.display()
                )),
            }
        }
    }
}

fn add(prompts: &mut Prompts, language: &str, name: &str, prompt: Prompt) {
    prompts.entry(language.into()).or_default().insert(name.into(), prompt);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_ivr::say;
    use hotline_media::command::{AssetId, Codec};

    const TENANT: Partition = Partition(1);

    fn of(dir: &Path) -> [TenantDir; 1] {
        [TenantDir { partition: TENANT, dir: dir.into() }]
    }

    /// A tone of 8 kHz, as a file.
    fn write_tone(path: &Path, hz: f64, ms: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for sample in tone::sines(&[hz], -10.0, ms) {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
    }

    fn place(library: &Library, asset: AssetId) -> *const u8 {
        library.get(asset).unwrap().encoded(Codec::Pcma).as_ptr()
    }

    #[test]
    fn the_standard_prompts_are_all_there_and_whole() {
        let loaded = Catalogue::default().load(None, &of(Path::new("/nowhere")));
        assert_eq!(loaded.broken, Vec::<String>::new());
        for language in say::languages() {
            let prompts = &loaded.tenants[&TENANT].prompts[language];
            let names: BTreeSet<&str> = prompts.keys().map(String::as_str).collect();
            let wanted = say::SENTENCES.iter().copied().chain(say::units(language)).collect();
            assert_eq!(names, wanted, "{language}");
            for prompt in prompts.values() {
                assert!(loaded.library.get(prompt.asset).is_some_and(|asset| asset.len() > 1_000));
            }
        }
    }

    #[test]
    fn a_broken_file_is_named_and_the_standard_one_or_the_default_tone_stays() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["prompts/en", "tones"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("prompts/en/digit_1.wav"), b"RIFFnonsense").unwrap();
        std::fs::write(dir.path().join("tones/rock.wav"), b"MThd a melody").unwrap();
        write_tone(&dir.path().join("tones/jazz.wav"), 440.0, 100);
        let loaded = Catalogue::default().load(None, &of(dir.path()));
        let [prompt, tone] = &loaded.broken[..] else { panic!("{:?}", loaded.broken) };
        assert!(prompt.contains("digit_1.wav: not a WAV file"), "{prompt}");
        assert!(tone.contains("rock.wav: not a WAV file"), "{tone}");
        assert!(tone.ends_with("the default tone plays instead"), "{tone}");
        assert!(loaded.tenants[&TENANT].prompts["en"].contains_key("digit_1"));
        let tones: Vec<_> = loaded.tenants[&TENANT].tones.keys().collect();
        assert_eq!(tones, ["jazz"]);
    }

    #[test]
    fn a_changed_file_gets_another_asset_and_all_others_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let music = dir.path().join("tones/music.wav");
        write_tone(&music, 440.0, 1_000);
        let mut catalogue = Catalogue::default();
        let first = catalogue.load(None, &of(dir.path()));
        let before = first.tenants[&TENANT].tones["music"];
        assert_eq!(before.duration_ms, 1_000);

        let again = catalogue.load(None, &of(dir.path()));
        assert_eq!(again.tenants[&TENANT].tones["music"], before);
        let (at_first, now) = (&first.library, &again.library);
        assert_eq!(place(at_first, before.asset), place(now, before.asset), "encoded once");

        write_tone(&music, 440.0, 1_000);
        let touched = catalogue.load(None, &of(dir.path()));
        assert_eq!(touched.tenants[&TENANT].tones["music"], before, "the same audio as before");

        write_tone(&music, 880.0, 2_000);
        let changed = catalogue.load(None, &of(dir.path()));
        let after = changed.tenants[&TENANT].tones["music"];
        assert_ne!(after.asset, before.asset);
        assert_eq!(after.duration_ms, 2_000);
        assert_eq!(changed.tenants[&TENANT].prompts, first.tenants[&TENANT].prompts);
        // Who has not heard of the change yet still finds what was replaced, for a while.
        assert_eq!(changed.library.get(before.asset).unwrap().duration_ms(), 1_000);
        for _ in 0..2 {
            catalogue.load(None, &of(dir.path()));
        }
        let later = catalogue.load(None, &of(dir.path()));
        assert!(later.library.get(before.asset).is_none());
        assert!(later.library.get(after.asset).is_some());
    }

    #[test]
    fn a_tenants_own_prompt_goes_before_the_nodes_and_that_before_the_standard_one() {
        let (node, tenant) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut catalogue = Catalogue::default();
        let welcome = |catalogue: &mut Catalogue| {
            let loaded = catalogue.load(Some(node.path()), &of(tenant.path()));
            loaded.tenants[&TENANT].prompts["en"]["welcome"].duration_ms
        };
        let standard = welcome(&mut catalogue);
        write_tone(&node.path().join("en/welcome.wav"), 440.0, 120);
        assert_eq!(welcome(&mut catalogue), 120);
        write_tone(&tenant.path().join("prompts/en/welcome.wav"), 440.0, 140);
        assert_eq!(welcome(&mut catalogue), 140);
        std::fs::remove_file(tenant.path().join("prompts/en/welcome.wav")).unwrap();
        std::fs::remove_file(node.path().join("en/welcome.wav")).unwrap();
        assert_eq!(welcome(&mut catalogue), standard);
    }
}
