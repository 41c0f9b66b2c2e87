//! The committed prompts are what their manifest says, and fit to be played one after another.

use hotline_tests::root;
use std::collections::{BTreeMap, BTreeSet};

const RATE_HZ: usize = 8000;
const LENGTH_MS_MAX: usize = 10_000;
/// All of them together are in the binary.
const BYTES_MAX: u64 = 12_000_000;
/// The committed level is -18 dBFS; dBFS of a sine at full scale would be -3.
const LEVEL_DBFS: std::ops::RangeInclusive<f64> = -20.0..=-16.0;
const PEAK_MAX: u16 = 30_000;
/// Below this a sample is silence (-46 dBFS).
const SILENCE: u16 = 160;
const SILENCE_BEFORE_MS_MAX: usize = 40;
const SILENCE_AFTER_MS_MAX: usize = 150;

/// `LANGUAGE/NAME` → duration in milliseconds, as the manifest says.
fn manifest() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(root().join("prompts/manifest.toml")).unwrap();
    let mut prompts = BTreeMap::new();
    for entry in text.split("[[prompt]]").skip(1) {
        let value = |key: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            line.unwrap_or_else(|| panic!("no {key} in {entry}")).trim_matches('"')
        };
        assert!(!value("text").is_empty());
        let name = format!("{}/{}", value("language"), value("name"));
        let replaced = prompts.insert(name, value("duration_ms").parse().unwrap());
        assert!(replaced.is_none(), "twice: {entry}");
    }
    prompts
}

#[test]
fn the_manifest_and_the_files_agree() {
    let listed: BTreeSet<String> = manifest().into_keys().collect();
    let mut found = BTreeSet::new();
    for language in std::fs::read_dir(root().join("prompts")).unwrap().map(Result::unwrap) {
        if !language.path().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(language.path()).unwrap().map(Result::unwrap) {
            let language = language.file_name().into_string().unwrap();
            let file = file.file_name().into_string().unwrap();
            let name = file.strip_suffix(".wav").unwrap_or_else(|| panic!("what is {file}?"));
            found.insert(format!("{language}/{name}"));
        }
    }
    assert_eq!(listed, found);
}

#[test]
fn each_prompt_is_8_khz_mono_at_the_common_level_without_silence_around_it() {
    let mut bytes = 0;
    for (name, duration_ms) in manifest() {
        let path = root().join("prompts").join(&name).with_extension("wav");
        bytes += std::fs::metadata(&path).unwrap().len();
        let mut reader = hound::WavReader::open(&path).unwrap();
        let expected = hound::WavSpec {
            channels: 1,
            sample_rate: RATE_HZ as u32,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        assert_eq!(reader.spec(), expected, "{name}");
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();

        let length_ms = samples.len() * 1000 / RATE_HZ;
        assert_eq!(length_ms, duration_ms, "{name}: run prompts/generate");
        assert!((150..=LENGTH_MS_MAX).contains(&length_ms), "{name}: {length_ms} ms");

        let power: f64 = samples.iter().map(|&s| (f64::from(s) / 32768.0).powi(2)).sum();
        let level_dbfs = 10.0 * (power / samples.len() as f64).log10();
        assert!(LEVEL_DBFS.contains(&level_dbfs), "{name}: {level_dbfs:.1} dBFS");
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak <= PEAK_MAX, "{name}: peak {peak} is clipped or nearly so");

        let heard = |sample: &i16| sample.unsigned_abs() > SILENCE;
        let before_ms = samples.iter().position(heard).unwrap() * 1000 / RATE_HZ;
        let after_ms = samples.iter().rev().position(heard).unwrap() * 1000 / RATE_HZ;
        assert!(before_ms <= SILENCE_BEFORE_MS_MAX, "{name}: {before_ms} ms of silence before");
        assert!(after_ms <= SILENCE_AFTER_MS_MAX, "{name}: {after_ms} ms of silence after");
    }
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
}
