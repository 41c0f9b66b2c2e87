//! [`Place`]: which file of a directory a prompt or tone is.
//!
//! Owns: names that are allowed from outside, paths, and writing a file whole or not at all. Does
//! not own: whether what is in it can be played ([`crate::audio`]).

use crate::files::Readers;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest name of a prompt or tone.
const NAME_MAX: usize = 64;
/// Longest language tag.
const LANGUAGE_MAX: usize = 16;

/// A prompt in a language, or a tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `prompts/LANGUAGE/NAME.wav`.
    Prompt {
        /// Its language.
        language: String,
        /// Its name.
        name: String,
    },
    /// `tones/NAME.wav`.
    Tone(String),
}

/// Why something is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// What it was to name.
    pub what: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Place {
    /// A prompt.
    ///
    /// # Errors
    /// What is wrong with language or name.
    pub fn prompt(language: &str, name: &str) -> Result<Place, BadName> {
        let is_tag = (1..=LANGUAGE_MAX).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_tag {
            let allowed = "a language tag of 1–16 letters, digits and -";
            return Err(BadName { what: "language", value: language.into(), allowed });
        }
        checked(name)?;
        Ok(Place::Prompt { language: language.into(), name: name.into() })
    }

    /// A tone.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn tone(name: &str) -> Result<Place, BadName> {
        checked(name)?;
        Ok(Place::Tone(name.into()))
    }

    /// Its file below a tenant's directory.
    pub fn file_in(&self, dir: &Path) -> PathBuf {
        match self {
            Place::Prompt { language, name } => {
                dir.join("prompts").join(language).join(format!("{name}.wav"))
            }
            Place::Tone(name) => dir.join("tones").join(format!("{name}.wav")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Prompt { language, name } => write!(f, "prompt {language}/{name}"),
            Place::Tone(name) => write!(f, "tone {name}"),
        }
    }
}

/// No name leads out of its directory.
fn checked(name: &str) -> Result<(), BadName> {
    let good = (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let allowed = "1–64 letters, digits, _ and -";
    if good { Ok(()) } else { Err(BadName { what: "name", value: name.into(), allowed }) }
}

/// Writes a file whole or not at all: it may be about to be read.
///
/// # Errors
/// One line.
pub fn write(to: &Path, bytes: &[u8]) -> Result<(), String> {
    crate::files::write(to, bytes, Readers::Usual)
        .map_err(|error| format!("{}: {error}", to.display()))
}

/// Takes a file away; `false`: there was none.
///
/// # Errors
/// One line.
pub fn remove(path: &Path) -> Result<bool, String> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_its_directory() {
        let dir = Path::new("/data/tenants/acme");
        let prompt = Place::prompt("zh-CN", "menu_main").unwrap();
        assert_eq!(prompt.file_in(dir), dir.join("prompts/zh-CN/menu_main.wav"));
        let tone = Place::tone("Jazz-2").unwrap();
        assert_eq!(tone.file_in(dir), dir.join("tones/Jazz-2.wav"));
        for name in ["", "..", ".", "a/b", "../../secrets/x", "a b", "a.wav", "é", "a\0b"] {
            assert!(Place::tone(name).is_err(), "{name:?}");
            assert!(Place::prompt("en", name).is_err(), "{name:?}");
            assert!(Place::prompt(name, "welcome").is_err(), "{name:?}");
        }
        assert!(Place::tone(&"a".repeat(65)).is_err());
    }
}
