//! Digits as tones in the audio (ITU-T Q.23, Q.24), for peers without telephone-events.
//!
//! Owns: recognising one digit a press in what a leg receives, also with frames missing in a tone,
//! and not in speech, music or call-progress tones ([`Detector`]). Does not own: decoding, what a
//! digit means, muting it towards others.
//!
//! ```text
//! blocks of 102 samples    hit: one row and one column stand out, their levels fit together, they
//!                          are nearly all that is heard, and neither has a second harmonic
//! two hits of one digit    the press begins (40 ms hold two whole blocks, wherever they begin)
//! two misses in a row      it has ended
//! ```

use crate::telephone_event::Recognised;
use crate::tone::{self, RATE_HZ};
use hotline_base::Mono;
use std::time::Duration;

/// Samples of a block: 12.75 ms. Longer ones would miss short presses, shorter ones could not tell
/// 697 from 770 Hz.
const BLOCK: usize = 102;
/// A frequency that is softer than this is none, in dBm0.
const SOFTEST_DBM0: f64 = -42.0;
/// The column may be so much louder than the row (4 dB, and 2 for tones that are off their
/// frequency), as a ratio of powers.
const COLUMN_OVER_ROW_MAX: f32 = 4.0;
/// The row may be so much louder than the column (8 dB, and 2).
const ROW_OVER_COLUMN_MAX: f32 = 10.0;
/// The loudest of four frequencies must be so much louder than each of the others (6 dB).
const STANDS_OUT: f32 = 4.0;
/// Share of the block's energy that the two frequencies must have.
const SHARE_MIN: f32 = 0.74;
/// Loudest second harmonic of the column, as a share of it. Voices have them, keypads do not.
const HARMONIC_MAX: f32 = 0.1;
/// Two blocks of one press differ by no more than this in energy (7 dB).
const STEADY: f32 = 5.0;
/// A hole in the audio up to this many samples (60 ms) may lie within a press.
const HOLE_SAMPLES_MAX: u32 = 480;
/// A press without audio for this long has ended, in ms.
const LOST_END_MS: u64 = 120;

/// Cosines of the frequencies for Goertzel's recursion: rows, then columns.
fn coefficients(multiple: f64) -> [f32; 8] {
    let frequencies = tone::dtmf_rows_and_columns_hz();
    frequencies.map(|hz| coefficient(hz * multiple))
}

fn coefficient(hz: f64) -> f32 {
    (2.0 * (std::f64::consts::TAU * hz / f64::from(RATE_HZ)).cos()) as f32
}

/// What a block was.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hit {
    digit: char,
    energy: f32,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    /// Samples since its beginning, up to the last block that held it.
    samples: u32,
    /// Samples since that block.
    since: u32,
}

/// Recognises presses in the audio of one source, given in order.
#[derive(Clone, Debug)]
pub struct Detector {
    coefficients: [f32; 8],
    /// Of the second harmonics.
    harmonics: [f32; 8],
    /// Energy of a block that holds a sine of the softest level.
    softest: f32,
    block: [f32; BLOCK],
    filled: usize,
    last: Option<Hit>,
    press: Option<Press>,
    misses: u8,
    /// Timestamp of what comes next, and of which source.
    next: Option<(u32, u32)>,
    heard: Mono,
}

impl Default for Detector {
    fn default() -> Self {
        Detector {
            coefficients: coefficients(1.0),
            harmonics: coefficients(2.0),
            softest: (tone::amplitude(SOFTEST_DBM0).powi(2) * BLOCK as f64 / 2.0) as f32,
            block: [0.0; BLOCK],
            filled: 0,
            last: None,
            press: None,
            misses: 0,
            next: None,
            heard: Mono(0),
        }
    }
}

/// What one packet of audio can bring: an end, a beginning, and so on, in order.
pub type Found = smallvec::SmallVec<[Recognised; 4]>;

impl Detector {
    /// Whether a press is being heard.
    pub fn is_pressed(&self) -> bool {
        self.press.is_some()
    }

    /// Takes the audio of one packet in, decoded. What was overtaken is left out; what is missing
    /// is neither tone nor pause.
    pub fn receive(
        &mut self,
        now: Mono,
        (ssrc, timestamp): (u32, u32),
        samples: impl ExactSizeIterator<Item = i16>,
    ) -> Found {
        let mut found = Found::new();
        let hole = match self.next {
            Some((known, next)) if known == ssrc => timestamp.wrapping_sub(next),
            Some(_) => u32::MAX / 2,
            None => 0,
        };
        if hole > u32::MAX / 2 && hole.wrapping_neg() < RATE_HZ {
            return found;
        }
        self.heard = now;
        self.next = Some((ssrc, timestamp.wrapping_add(samples.len() as u32)));
        if hole > 0 {
            self.filled = 0;
            if hole > HOLE_SAMPLES_MAX {
                self.last = None;
                found.extend(self.finish());
            } else if let Some(press) = &mut self.press {
                press.since += hole;
            }
        }
        for sample in samples {
            self.block[self.filled] = f32::from(sample);
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                self.settle(&mut found);
            }
        }
        found
    }

    /// Ends a press after which no audio came. Call every 20 ms or so.
    pub fn expire(&mut self, now: Mono) -> Option<Recognised> {
        let silent = now.since(self.heard) >= Duration::from_millis(LOST_END_MS);
        if self.press.is_some() && silent { self.finish() } else { None }
    }

    /// Ends the present press, if any.
    pub fn finish(&mut self) -> Option<Recognised> {
        self.misses = 0;
        let press = self.press.take()?;
        Some(Recognised::Ended { digit: press.digit, duration_ms: press.samples / 8 })
    }

    /// What a whole block means for the press.
    fn settle(&mut self, found: &mut Found) {
        let hit = self.hit();
        let before = std::mem::replace(&mut self.last, hit);
        if let Some(press) = &mut self.press {
            press.since += BLOCK as u32;
            if hit.is_some_and(|hit| hit.digit == press.digit) {
                press.samples += std::mem::take(&mut press.since);
                self.misses = 0;
                return;
            }
            self.misses += 1;
            if self.misses < 2 {
                return;
            }
            found.extend(self.finish());
        }
        if let (Some(hit), Some(before)) = (hit, before)
            && hit.digit == before.digit
            && hit.energy <= before.energy * STEADY
            && before.energy <= hit.energy * STEADY
        {
            let samples = 2 * BLOCK as u32;
            self.press = Some(Press { digit: hit.digit, samples, since: 0 });
            found.push(Recognised::Began(hit.digit));
        }
    }

    /// The digit that the block is, if it is one.
    fn hit(&self) -> Option<Hit> {
        let energy: f32 = self.block.iter().map(|sample| sample * sample).sum();
        if energy < 2.0 * self.softest {
            return None;
        }
        let powers = goertzel(&self.block, &self.coefficients);
        let (row, row_power) = loudest(&powers[..4])?;
        let (column, column_power) = loudest(&powers[4..])?;
        // A sine's power here is its energy times half the block's length.
        let whole = BLOCK as f32 / 2.0;
        let fits = row_power.min(column_power) >= self.softest * whole
            && column_power <= row_power * COLUMN_OVER_ROW_MAX
            && row_power <= column_power * ROW_OVER_COLUMN_MAX
            && row_power + column_power >= SHARE_MIN * energy * whole;
        if !fits {
            return None;
        }
        let harmonics = goertzel(&self.block, &self.harmonics);
        if harmonics[4 + column] > column_power * HARMONIC_MAX {
            return None;
        }
        Some(Hit { digit: tone::dtmf_digit(row, column)?, energy })
    }
}

/// The powers of eight frequencies; the eight recursions run beside each other.
fn goertzel(block: &[f32; BLOCK], coefficients: &[f32; 8]) -> [f32; 8] {
    let (mut one, mut two) = ([0.0f32; 8], [0.0f32; 8]);
    for &sample in block {
        for n in 0..8 {
            let next = (sample - two[n]) + coefficients[n] * one[n];
            two[n] = one[n];
            one[n] = next;
        }
    }
    std::array::from_fn(|n| one[n] * one[n] + two[n] * two[n] - coefficients[n] * one[n] * two[n])
}

/// The loudest, if it stands out.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (place, &power) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let others = powers.iter().enumerate().filter(|(other, _)| *other != place);
    let stands_out = others.map(|(_, other)| other * STANDS_OUT).all(|other| other <= power);
    stands_out.then_some((place, power))
}

#[cfg(test)]
mod tests;
