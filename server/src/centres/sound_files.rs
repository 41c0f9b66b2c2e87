//! A tenant's own prompts and tones: what a whole directory changes ([`SoundPlan`]), and one by one
//! what is there, taking a new one, taking one away.
//!
//! Owns: the files below `tenants/NAME` of the data directory. Does not own: what is heard of them
//! ([`crate::prompts`]).

use super::Centres;
use crate::audio::{self, FILE_BYTES_MAX, Unusable};
use crate::config::centre;
use crate::prompts::place::{self, Place};
use crate::prompts::{self, SOUND_S_MAX};
use hotline_base::Partition;
use std::fmt;
use std::io::ErrorKind;
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
fn differ(brought: &Path, kept: &Path) -> bool {
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

/// A prompt or tone, as in `prompt "en/hello"`.
struct Sound {
    kind: &'static str,
    name: String,
    /// Where it was found.
    from: PathBuf,
    /// Where the tenant has it, or is to have it.
    to: PathBuf,
}

/// What makes a tenant's prompts and tones those of a directory.
#[derive(Default)]
pub(super) struct SoundPlan {
    take: Vec<Sound>,
    remove: Vec<Sound>,
    /// The tenant's only, and not to be removed.
    kept: Vec<Sound>,
    /// A line for each that cannot be played: it is not taken, and what was there before, or the
    /// default, plays on.
    pub(super) unusable: Vec<String>,
}

impl SoundPlan {
    /// The plan from what `tenant` has to what `brought` has.
    ///
    /// # Errors
    /// One line: pruning, and it cannot be told what the directory has.
    pub(super) fn between(tenant: &Path, brought: &Path, prune: bool) -> Result<SoundPlan, String> {
        if prune {
            std::fs::read_dir(brought).map_err(|error| unreadable(brought, &error))?;
            for part in ["prompts", "tones"].map(|part| brought.join(part)) {
                match std::fs::read_dir(&part) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(unreadable(&part, &error));
                    }
                    _ => {}
                }
            }
        }
        let mut plan = SoundPlan::default();
        let wanted = sounds_in(brought, tenant);
        for sound in sounds_in(tenant, tenant) {
            if wanted.iter().any(|wanted| wanted.to == sound.to) {
                continue;
            }
            if prune { plan.remove.push(sound) } else { plan.kept.push(sound) }
        }
        for sound in wanted.into_iter().filter(|sound| differ(&sound.from, &sound.to)) {
            match prompts::read_wav(&sound.from) {
                Ok(_) => plan.take.push(sound),
                Err(why) => {
                    let file = sound.from.display();
                    plan.unusable.push(format!("{file}: {why}; it was not taken"));
                }
            }
        }
        Ok(plan)
    }

    /// The plan that takes one file of a tenant's away.
    pub(super) fn without(file: PathBuf) -> SoundPlan {
        let sound = Sound { kind: "sound", name: String::new(), from: file.clone(), to: file };
        SoundPlan { remove: vec![sound], ..SoundPlan::default() }
    }

    /// Whether nothing would change.
    pub(super) fn is_empty(&self) -> bool {
        self.take.is_empty() && self.remove.is_empty()
    }

    /// Whether a file of the tenant's goes.
    pub(super) fn removes(&self, file: &Path) -> bool {
        self.remove.iter().any(|sound| sound.to == file)
    }

    /// Copies what is new.
    pub(super) fn take(&self) -> Result<(), String> {
        for Sound { from, to, .. } in &self.take {
            let say = |error: std::io::Error| format!("{}: {error}", to.display());
            let bytes =
                std::fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
            crate::files::write(to, &bytes, crate::files::Readers::Usual).map_err(say)?;
        }
        Ok(())
    }

    /// Takes away what is gone.
    pub(super) fn remove(&self) -> Result<(), String> {
        self.remove.iter().try_for_each(|sound| place::remove(&sound.to).map(drop))
    }
}

impl fmt::Display for SoundPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sound in &self.take {
            let change = if sound.to.exists() { '~' } else { '+' };
            writeln!(f, "{change} {sound}")?;
        }
        self.remove.iter().try_for_each(|sound| writeln!(f, "- {sound}"))?;
        let kept =
            |sound| writeln!(f, "  {sound} is not in the directory and stays (--prune deletes it)");
        self.kept.iter().try_for_each(kept)
    }
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind, self.name)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!(
        "{}: {error}: nothing is pruned while the server cannot see what the directory has",
        path.display()
    )
}

/// Every sound of a directory, and where a tenant has it.
fn sounds_in(dir: &Path, tenant: &Path) -> Vec<Sound> {
    let prompts = centre::prompts_in(&dir.join("prompts")).into_iter();
    let prompts = prompts.map(|(language, name, from)| {
        let to = tenant.join("prompts").join(&language).join(format!("{name}.wav"));
        Sound { kind: "prompt", name: format!("{language}/{name}"), from, to }
    });
    let tones = centre::tones_in(&dir.join("tones")).into_iter();
    let tones = tones.map(|(name, from)| {
        let to = tenant.join("tones").join(format!("{name}.wav"));
        Sound { kind: "tone", name, from, to }
    });
    prompts.chain(tones).collect()
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
