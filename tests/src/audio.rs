//! What audio is made of: tones, the wait tone, speech, silence, in windows of 20 ms.

use hotline_media::tone;
use std::path::Path;

/// Samples of one window of 20 ms.
const WINDOW: usize = 160;
const WINDOW_MS: u64 = 20;
/// Quieter than this is silence, in dBm0.
const SILENCE_DBM0: f64 = -50.0;
/// The notes of the default wait tone, each with its octave, in Hz.
const WAIT_NOTES: [f64; 2] = [440.0, 659.25];

/// What one window sounds like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Nothing.
    Silence,
    /// One of the tones looked for, by its place in the list.
    Tone(usize),
    /// A note of the default wait tone.
    WaitTone,
    /// Anything else: speech, or two at once.
    Other,
}

impl Sound {
    /// What a window sounds like.
    pub fn of(window: &[i16], tones: &[f64]) -> Sound {
        let loudness = tone::loudness_dbm0(window);
        if loudness < SILENCE_DBM0 {
            return Sound::Silence;
        }
        if let Some(place) = tones.iter().position(|&hz| tone::is_tone(window, hz)) {
            return Sound::Tone(place);
        }
        let power = |hz: f64| 10f64.powf(tone::level_dbm0(window, hz) / 10.0);
        let is_note = |&hz: &f64| 10.0 * (power(hz) + power(hz * 2.0)).log10() > loudness - 2.0;
        if WAIT_NOTES.iter().any(is_note) { Sound::WaitTone } else { Sound::Other }
    }
}

/// The sounds of a recording, a window each.
pub fn sounds(samples: &[i16], tones: &[f64]) -> Vec<Sound> {
    samples.chunks_exact(WINDOW).map(|window| Sound::of(window, tones)).collect()
}

/// When a sound first begins, in ms.
pub fn first_ms(sounds: &[Sound], sound: Sound) -> Option<u64> {
    sounds.iter().position(|&found| found == sound).map(|place| place as u64 * WINDOW_MS)
}

/// How much of a sound there is, in ms.
pub fn total_ms(sounds: &[Sound], sound: Sound) -> u64 {
    sounds.iter().filter(|&&found| found == sound).count() as u64 * WINDOW_MS
}

/// The longest time within the first and the last window of a sound in which it is not heard, in
/// ms; `None` if it is never heard.
pub fn longest_break_ms(sounds: &[Sound], sound: Sound) -> Option<u64> {
    let places: Vec<_> = (0..sounds.len()).filter(|&place| sounds[place] == sound).collect();
    places.first()?;
    let longest = places.windows(2).map(|two| two[1] - two[0] - 1).max().unwrap_or(0);
    Some(longest as u64 * WINDOW_MS)
}

/// A recording in words: `wait tone 1.2 s, speech 2.0 s, …`, for a failure's message.
pub fn told(sounds: &[Sound]) -> String {
    let mut told = Vec::new();
    let mut rest = sounds;
    while let Some(&sound) = rest.first() {
        let length = rest.iter().take_while(|&&next| next == sound).count();
        told.push(format!("{sound:?} {} ms", length as u64 * WINDOW_MS));
        rest = &rest[length..];
    }
    told.join(", ")
}

/// Samples of a WAV file of 8 kHz, 16 bit, mono.
///
/// # Panics
/// If it is not one.
pub fn read_wav(path: &Path) -> Vec<i16> {
    let mut reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 8_000, 16));
    reader.samples().map(|sample| sample.expect("a whole WAV file")).collect()
}

/// Writes a WAV file with a tone.
///
/// # Panics
/// If it cannot be written.
pub fn write_tone(path: &Path, hz: u32, seconds: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    for sample in tone::sines(&[f64::from(hz)], -10.0, seconds * 1_000) {
        writer.write_sample(sample).expect("room for a file");
    }
    writer.finalize().expect("room for a file");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tone_wait_tone_speech_and_silence_are_told_apart() {
        let mut samples = tone::wait_tone();
        samples.extend(tone::sines(&[1000.0], -10.0, 1_000));
        let speech = crate::root().join("prompts/en/employee_id.wav");
        samples.extend(read_wav(&speech));
        let sounds = sounds(&samples, &[1000.0]);
        assert!(first_ms(&sounds, Sound::WaitTone) < Some(100), "{}", told(&sounds));
        assert!(total_ms(&sounds[..200], Sound::WaitTone) > 1_000, "{}", told(&sounds));
        assert_eq!(total_ms(&sounds[..200], Sound::Tone(0)), 0);
        assert_eq!(longest_break_ms(&sounds[201..249], Sound::Tone(0)), Some(0));
        assert!(total_ms(&sounds[250..], Sound::Other) > 500, "{}", told(&sounds[250..]));
        assert_eq!(total_ms(&sounds[250..], Sound::Tone(0)), 0);
    }
}
