//! Tones: made from sines, and found again (Goertzel).
//!
//! Levels are dBm0: 0 dBm0 is 3.14 dB below the loudest sine that G.711 A-law can carry
//! (ITU-T G.711 §4).

use std::f64::consts::TAU;

/// Samples a second.
pub const RATE_HZ: u32 = 8000;
/// Amplitude of a sine of 0 dBm0 in 16-bit samples.
const AMPLITUDE_0_DBM0: f64 = 32_768.0 / 1.435_49;
/// Rise and fall at the ends of a piece of tone, so that it does not click, in ms.
const EDGE_MS: u32 = 5;

const DTMF_LOW_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const DTMF_HIGH_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// The keypad, row by row.
const KEYPAD: &[u8; 16] = b"123A456B789C*0#D";

/// Samples in this many ms.
pub const fn samples_in(ms: u32) -> usize {
    ms as usize * (RATE_HZ as usize / 1000)
}

/// Silence.
pub fn silence(ms: u32) -> Vec<i16> {
    vec![0; samples_in(ms)]
}

/// Several sines at once, each of the same level, with soft edges of 5 ms.
pub fn sines(frequencies_hz: &[f64], level_dbm0: f64, ms: u32) -> Vec<i16> {
    shaped(frequencies_hz, level_dbm0, ms, samples_in(EDGE_MS))
}

/// Ringback as in most of Europe (ITU-T E.180): 425 Hz, 1 s on, 4 s off; repeats seamlessly.
pub fn ringback() -> Vec<i16> {
    let mut samples = sines(&[425.0], -10.0, 1000);
    samples.extend(silence(4000));
    samples
}

/// How long [`beep`] is, in ms.
pub const BEEP_MS: u32 = 200;

/// A short beep: what an agent hears when it has answered.
pub fn beep() -> Vec<i16> {
    sines(&[880.0], -14.0, BEEP_MS)
}

/// The wait tone played where no prompt is given: two soft notes a fifth apart, each swelling and
/// fading, every four seconds; repeats seamlessly.
pub fn wait_tone() -> Vec<i16> {
    two_notes([440.0, 659.25], -24.0, 1800)
}

/// What an agent hears who holds the line between calls: the wait tone's notes an octave lower,
/// quieter, every ten seconds; repeats seamlessly. A line that is alive and disturbs nobody.
pub fn line_tone() -> Vec<i16> {
    two_notes([220.0, 329.63], -36.0, 7800)
}

/// Two notes, each swelling and fading, then a pause.
fn two_notes(hz: [f64; 2], level_dbm0: f64, pause_ms: u32) -> Vec<i16> {
    let note = |hz: f64, ms: u32| shaped(&[hz, hz * 2.0], level_dbm0, ms, samples_in(ms) / 2);
    let mut samples = note(hz[0], 900);
    samples.extend(silence(100));
    samples.extend(note(hz[1], 1200));
    samples.extend(silence(pause_ms));
    samples
}

/// The in-band tone of a digit `0-9*#A-D` (ITU-T Q.23); `None` for anything else.
pub fn dtmf(digit: char, ms: u32) -> Option<Vec<i16>> {
    let (low, high) = dtmf_frequencies(digit)?;
    Some(sines(&[low, high], -9.0, ms))
}

/// The two frequencies of a digit, in Hz.
pub fn dtmf_frequencies(digit: char) -> Option<(f64, f64)> {
    let digit = digit.to_ascii_uppercase();
    let key = KEYPAD.iter().position(|&known| char::from(known) == digit)?;
    Some((DTMF_LOW_HZ[key / 4], DTMF_HIGH_HZ[key % 4]))
}

/// The four frequencies of the keypad's rows, then the four of its columns, in Hz.
pub fn dtmf_rows_and_columns_hz() -> [f64; 8] {
    let [a, b, c, d] = DTMF_LOW_HZ;
    let [e, f, g, h] = DTMF_HIGH_HZ;
    [a, b, c, d, e, f, g, h]
}

/// The digit of a row and a column of the keypad, each 0–3.
pub fn dtmf_digit(row: usize, column: usize) -> Option<char> {
    (column < 4).then(|| KEYPAD.get(row * 4 + column)).flatten().map(|&digit| char::from(digit))
}

/// Amplitude of a sine of this level in 16-bit samples.
pub fn amplitude(level_dbm0: f64) -> f64 {
    AMPLITUDE_0_DBM0 * 10f64.powf(level_dbm0 / 20.0)
}

/// How loud one frequency is in a window of samples, in dBm0 (Goertzel); -100 for nothing.
/// A window of 20 ms tells frequencies 50 Hz apart.
pub fn level_dbm0(samples: &[i16], frequency_hz: f64) -> f64 {
    if samples.is_empty() {
        return -100.0;
    }
    let coefficient = 2.0 * (TAU * frequency_hz / f64::from(RATE_HZ)).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    let amplitude = 2.0 * power.max(0.0).sqrt() / samples.len() as f64;
    decibels(amplitude)
}

/// How loud the samples are together, in dBm0; -100 for silence.
pub fn loudness_dbm0(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    decibels((2.0 * sum / samples.len().max(1) as f64).sqrt())
}

/// Whether a window holds this tone: at least -45 dBm0, and nearly all of what is heard.
pub fn is_tone(samples: &[i16], frequency_hz: f64) -> bool {
    let level = level_dbm0(samples, frequency_hz);
    level > -45.0 && loudness_dbm0(samples) - level < 3.0
}

fn decibels(amplitude: f64) -> f64 {
    (20.0 * (amplitude / AMPLITUDE_0_DBM0).max(1e-5).log10()).max(-100.0)
}

fn shaped(frequencies_hz: &[f64], level_dbm0: f64, ms: u32, edge: usize) -> Vec<i16> {
    let length = samples_in(ms);
    let amplitude = amplitude(level_dbm0);
    let edge = edge.min(length / 2).max(1);
    (0..length)
        .map(|n| {
            let near = n.min(length - 1 - n).min(edge) as f64 / edge as f64;
            let envelope = (1.0 - (near * TAU / 2.0).cos()) / 2.0;
            let time_s = n as f64 / f64::from(RATE_HZ);
            let sum: f64 = frequencies_hz.iter().map(|hz| (TAU * hz * time_s).sin()).sum();
            (sum * amplitude * envelope).clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_at_its_level_in_20_ms_and_others_are_not() {
        let samples = sines(&[440.0], -20.0, 200);
        let window = &samples[400..560];
        assert!((level_dbm0(window, 440.0) + 20.0).abs() < 1.0);
        assert!(level_dbm0(window, 1000.0) < -35.0);
        assert!(is_tone(window, 440.0) && !is_tone(window, 700.0));
        assert!(!is_tone(&silence(20), 440.0));
    }

    #[test]
    fn every_digit_has_its_own_pair() {
        for digit in "0123456789*#ABCD".chars() {
            let samples = dtmf(digit, 60).unwrap();
            let window = &samples[100..420];
            let heard: Vec<char> = "0123456789*#ABCD"
                .chars()
                .filter(|&other| {
                    let (low, high) = dtmf_frequencies(other).unwrap();
                    level_dbm0(window, low) > -12.0 && level_dbm0(window, high) > -12.0
                })
                .collect();
            assert_eq!(heard, [digit]);
        }
        assert_eq!(dtmf('x', 60), None);
    }

    #[test]
    fn loops_begin_and_end_in_silence_on_whole_packets() {
        for samples in [wait_tone(), ringback(), beep()] {
            assert_eq!(samples.len() % samples_in(20), 0);
            assert!(samples[0].abs() < 8 && samples.last().unwrap().abs() < 8);
            assert!(samples.iter().any(|sample| sample.abs() > 500));
        }
        // The default wait tone is heard within its first packets.
        assert!(loudness_dbm0(&wait_tone()[..samples_in(100)]) > -50.0);
    }
}
