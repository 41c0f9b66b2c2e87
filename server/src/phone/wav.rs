//! What a command-line phone plays and records: WAV files and tones.

use hotline_media::tone;
use std::path::Path;

/// Longest file played or recorded, in s.
pub const AUDIO_S_MAX: u32 = 3_600;

/// The samples of `FILE.wav` or `tone:HZ`, and whether they repeat.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn source(text: &str) -> Result<(Vec<i16>, bool), String> {
    if let Some(frequency) = text.strip_prefix("tone:") {
        return match frequency.parse::<u32>() {
            // A whole second holds whole periods of any whole frequency: it repeats seamlessly.
            Ok(hz @ 50..=3_400) => Ok((tone::sines(&[f64::from(hz)], -10.0, 1_000), true)),
            _ => Err(format!("--play {text}: allowed tone:50 to tone:3400 (Hz)")),
        };
    }
    let samples = crate::prompts::read_wav(Path::new(text));
    samples.map(|samples| (samples, false)).map_err(|why| format!("--play {text}: {why}"))
}

/// Writes what was heard.
///
/// # Errors
/// Why it cannot be written.
pub fn write(path: &Path, samples: &[i16]) -> Result<(), String> {
    let say = |error: hound::Error| format!("--record {}: {error}", path.display());
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: tone::RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(say)?;
    for sample in samples {
        writer.write_sample(*sample).map_err(say)?;
    }
    writer.finalize().map_err(say)
}
