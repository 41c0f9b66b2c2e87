//! Which prompt is heard: recordings are found in received audio by their waveform.
//!
//! Owns: the search, [`Listener`] that waits for a prompt. Does not own: tones ([`crate::audio`]).

use crate::audio::Sound;
use crate::{audio, ms, root, s, within};
use std::sync::Arc;
use std::time::Duration;

/// Samples of the piece of a recording that is looked for.
const PIECE: usize = 3_200;
/// Where it is taken from: the loudest within so many samples of the beginning.
const PIECE_WITHIN: usize = 12_000;
/// Every so many samples the search looks first.
const COARSE: usize = 4;
/// From this likeness on a place is looked at closely, and from this one on it is the recording.
const LIKE_COARSE: f32 = 0.4;
const LIKE: f32 = 0.85;
/// How often a listener looks.
const LOOK: Duration = ms(100);
/// Samples of one millisecond.
const PER_MS: usize = 8;

/// The samples of one of the standard prompts.
///
/// # Panics
/// If there is none.
pub fn prompt(language: &str, name: &str) -> Vec<i16> {
    audio::read_wav(&root().join(format!("prompts/{language}/{name}.wav")))
}

/// How long one of the standard prompts is, in ms.
pub fn prompt_ms(language: &str, name: &str) -> u64 {
    (prompt(language, name).len() / PER_MS) as u64
}

/// When a recording is first heard, in ms from the beginning of what was received: where its
/// beginning would be. `None` if it is not heard. The whole of it need not be there: it is known by
/// 400 ms of it.
pub fn hears(samples: &[i16], recording: &[i16]) -> Option<u64> {
    let (from, piece) = piece(recording);
    // A place between two of those that are looked at first is one sample away from one of a phase:
    // two away, a vowel of 1 kHz would be unlike itself.
    let phases = [0, COARSE / 2];
    let places = phases.into_iter().filter_map(|phase| first_like(samples, piece, phase));
    let found = places.min()?;
    Some((found.saturating_sub(from) / PER_MS) as u64)
}

/// Where a piece is first heard, looking at every so many samples from `phase` on.
fn first_like(samples: &[i16], piece: &[i16], phase: usize) -> Option<usize> {
    let coarse_piece = thin(piece);
    let energy = power(&coarse_piece);
    let coarse = thin(samples.get(phase..)?);
    let last = coarse.len().checked_sub(coarse_piece.len())?;
    let places = 0..=last;
    let mut likely = places.filter(|&at| like(&coarse[at..], &coarse_piece, energy) > LIKE_COARSE);
    let fine: Vec<f32> = piece.iter().map(|&sample| f32::from(sample)).collect();
    let fine_energy = power(&fine);
    likely.find_map(|at| {
        let at = at * COARSE + phase;
        let around = at.saturating_sub(COARSE)..=at + COARSE;
        around.into_iter().find(|&at| {
            let Some(heard) = samples.get(at..at + fine.len()) else { return false };
            let heard: Vec<f32> = heard.iter().map(|&sample| f32::from(sample)).collect();
            like(&heard, &fine, fine_energy) > LIKE
        })
    })
}

/// The piece of a recording that is looked for, and where it begins.
fn piece(recording: &[i16]) -> (usize, &[i16]) {
    let length = PIECE.min(recording.len());
    let last = recording.len().min(PIECE_WITHIN).saturating_sub(length);
    let loudness = |at: usize| -> u64 {
        recording[at..at + length].iter().map(|sample| u64::from(sample.unsigned_abs())).sum()
    };
    let from = (0..=last).step_by(160).max_by_key(|&at| loudness(at)).unwrap_or(0);
    (from, &recording[from..from + length])
}

/// One sample for each [`COARSE`]: their mean.
fn thin(samples: &[i16]) -> Vec<f32> {
    let mean = |few: &[i16]| few.iter().map(|&sample| f32::from(sample)).sum::<f32>();
    samples.chunks_exact(COARSE).map(mean).collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

/// The normalised correlation of a piece with the beginning of what was heard, -1 to 1.
fn like(heard: &[f32], piece: &[f32], energy: f32) -> f32 {
    let (mut product, mut loud) = (0.0, 1.0);
    for (one, other) in heard.iter().zip(piece) {
        product += one * other;
        loud += one * one;
    }
    product / (loud * energy).sqrt()
}

/// Who hears something.
pub trait Hears: std::fmt::Debug + Send + Sync {
    /// The audio heard so far.
    fn samples(&self) -> Vec<i16>;
}

/// Waits for prompts one after another in what a phone hears: each is looked for behind the
/// beginning of the one before.
#[derive(Debug)]
pub struct Listener {
    audio: Arc<dyn Hears>,
    from: usize,
}

impl Listener {
    /// Listens from the beginning.
    pub fn to(audio: Arc<impl Hears + 'static>) -> Listener {
        Listener { audio, from: 0 }
    }

    /// What was heard up to now counts no more.
    pub fn forget(&mut self) {
        self.from = self.audio.samples().len();
    }

    /// Waits until a sound is heard for 100 ms on end, and forgets what was before it: one of these
    /// tones, or the default wait tone's notes.
    ///
    /// # Panics
    /// If it is not within 8 s, with what is heard in place of it.
    pub fn until_sounds(&mut self, sound: Sound, tones: &[f64]) {
        let found = within(s(8), || {
            let samples = self.audio.samples();
            let sounds = audio::sounds(samples.get(self.from..)?, tones);
            let at = sounds.windows(5).position(|five| five.iter().all(|found| *found == sound));
            if at.is_none() {
                std::thread::sleep(LOOK);
            }
            at.map(|window| self.from + window * 20 * PER_MS)
        });
        let Some(found) = found else {
            panic!("{sound:?} of {tones:?} is not heard, but {}", self.told());
        };
        self.from = found;
    }

    /// Waits until a tone is heard, see [`Listener::until_sounds`].
    pub fn until_tone(&mut self, tone_hz: u32) {
        self.until_sounds(Sound::Tone(0), &[f64::from(tone_hz)]);
    }

    /// What was heard, for a failure's message.
    fn told(&self) -> String {
        audio::told(&audio::sounds(self.rest().as_slice(), &[]))
    }

    /// What was heard behind the last thing that was waited for.
    pub fn rest(&self) -> Vec<i16> {
        let mut samples = self.audio.samples();
        samples.split_off(self.from.min(samples.len()))
    }

    /// Waits until a prompt is heard; when it began, in ms from the beginning of what was received.
    ///
    /// # Panics
    /// If it is not within `limit`, with what is heard in place of it.
    pub fn until_heard_within(&mut self, language: &str, name: &str, limit: Duration) -> u64 {
        let recording = prompt(language, name);
        let mut looked = self.from;
        let found = within(limit, || {
            let samples = self.audio.samples();
            let found = hears(samples.get(looked..)?, &recording);
            match found {
                Some(ms) => Some(looked + ms as usize * PER_MS),
                None => {
                    looked = looked.max(samples.len().saturating_sub(2 * PIECE_WITHIN));
                    std::thread::sleep(LOOK);
                    None
                }
            }
        });
        let Some(found) = found else {
            let all = audio::told(&audio::sounds(&self.audio.samples(), &[]));
            panic!("{language}/{name} is not heard, but {}; in all {all}", self.told());
        };
        // Past the piece it was known by, so that the same prompt once more is another.
        self.from = found + piece(&recording).0 + PIECE.min(recording.len()) / 2;
        (found / PER_MS) as u64
    }

    /// The same within 8 s.
    pub fn until_heard(&mut self, language: &str, name: &str) -> u64 {
        self.until_heard_within(language, name, s(8))
    }

    /// Whether a prompt was heard behind the last one that was waited for.
    pub fn has_heard(&self, language: &str, name: &str) -> bool {
        hears(&self.rest(), &prompt(language, name)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_media::command::Codec;

    /// 三 was not found two samples beside where the search looked: its vowel is of 1 kHz.
    #[test]
    fn a_prompt_is_found_wherever_it_begins() {
        for name in ["digit_3", "digit_4", "digit_9"] {
            for samples in 800..808 {
                let heard = [vec![0; samples], prompt("zh", name), vec![0; 800]].concat();
                assert_eq!(hears(&heard, &prompt("zh", name)), Some(100), "{name}, {samples}");
            }
        }
    }

    #[test]
    fn a_prompt_is_found_where_it_is_and_no_other() {
        let heard: Vec<i16> = [
            vec![0; 1_003],
            prompt("en", "welcome"),
            vec![0; 800],
            prompt("en", "digit_4"),
            vec![0; 640],
            prompt("zh", "menu_main"),
        ]
        .concat();
        let heard: Vec<i16> =
            heard.iter().map(|&sample| Codec::Pcma.decode(Codec::Pcma.encode(sample))).collect();
        assert_eq!(hears(&heard, &prompt("en", "welcome")), Some(125));
        let four = (1_003 + prompt("en", "welcome").len() + 800) / PER_MS;
        assert_eq!(hears(&heard, &prompt("en", "digit_4")), Some(four as u64));
        assert!(hears(&heard, &prompt("zh", "menu_main")).is_some());
        for (language, name) in
            [("en", "menu_main"), ("zh", "welcome"), ("en", "digit_5"), ("en", "goodbye")]
        {
            assert_eq!(hears(&heard, &prompt(language, name)), None, "{language}/{name}");
        }
    }
}
