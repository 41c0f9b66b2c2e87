//! Presses as keypads make them and lines carry them; and what is no press.

use super::*;
use crate::command::Codec::{self, Pcma, Pcmu};
use crate::tone::{amplitude, dtmf_frequencies, samples_in};
use hotline_base::Rng;
use std::f64::consts::TAU;

const DIGITS: &str = "0123456789*#ABCD";
const FRAME: usize = 160;

/// How a keypad sounds at our end of the line.
#[derive(Clone, Copy)]
struct Keypad {
    /// Of the louder of the two frequencies.
    level_dbm0: f64,
    /// How much louder the column is than the row, in dB.
    twist_db: f64,
    /// Both frequencies are off by this factor.
    off: f64,
    on_ms: u32,
    pause_ms: u32,
    /// Signal to noise, in dB.
    noise_db: Option<f64>,
    codec: Codec,
}

const PLAIN: Keypad = Keypad {
    level_dbm0: -10.0,
    twist_db: 0.0,
    off: 1.0,
    on_ms: 60,
    pause_ms: 60,
    noise_db: None,
    codec: Pcma,
};

impl Keypad {
    /// The samples of these digits, each after a pause, beginning after `lead` samples.
    fn press(&self, digits: &str, lead: usize, rng: &mut Rng) -> Vec<i16> {
        let row = self.level_dbm0 - self.twist_db.max(0.0);
        let column = self.level_dbm0 + self.twist_db.min(0.0);
        let (row, column) = (amplitude(row), amplitude(column));
        let power = row * row / 2.0 + column * column / 2.0;
        let noise = self.noise_db.map_or(0.0, |db| (power / 10f64.powf(db / 10.0)).sqrt());
        let mut samples = vec![0.0; lead];
        for digit in digits.chars() {
            let (low, high) = dtmf_frequencies(digit).unwrap();
            let phase = rng.below(1000) as f64;
            samples.extend((0..samples_in(self.on_ms)).map(|n| {
                let at = n as f64 / 8000.0 * TAU * self.off;
                row * (low * at + phase).sin() + column * (high * at + phase * 2.0).sin()
            }));
            samples.extend(vec![0.0; samples_in(self.pause_ms)]);
        }
        samples.extend([0.0; 400]);
        let mut gauss = || (0..12).map(|_| uniform(rng)).sum::<f64>() - 6.0;
        samples.iter().map(|sample| (sample + noise * gauss()).clamp(-32e3, 32e3) as i16).collect()
    }

    fn check(&self, name: &str, lead: usize) {
        let mut rng = Rng::from_number(lead as u64 + 1);
        for digits in DIGITS.as_bytes().chunks(4) {
            let digits = std::str::from_utf8(digits).unwrap();
            let samples = self.press(digits, lead, &mut rng);
            assert_eq!(heard(self.codec, &samples, &[]), digits, "{name}, {lead} samples before");
        }
    }
}

fn uniform(rng: &mut Rng) -> f64 {
    rng.below(1 << 32) as f64 / (1u64 << 32) as f64
}

/// The presses in what a leg receives in frames of 20 ms, of which some are lost.
fn heard(codec: Codec, samples: &[i16], lost: &[usize]) -> String {
    let mut detector = Detector::default();
    let (mut begun, mut ended) = (String::new(), String::new());
    let mut take = |found: Recognised| match found {
        Recognised::Began(digit) => begun.push(digit),
        Recognised::Ended { digit, .. } => ended.push(digit),
    };
    for (n, frame) in samples.chunks(FRAME).enumerate().filter(|(n, _)| !lost.contains(n)) {
        let decoded = frame.iter().map(|&sample| codec.decode(codec.encode(sample)));
        let at = (7, 1_000_000 + (n * FRAME) as u32);
        detector.receive(Mono::from_ms(n as u64 * 20), at, decoded).into_iter().for_each(&mut take);
    }
    detector.expire(Mono::from_ms(10_000_000)).into_iter().for_each(&mut take);
    assert_eq!(begun, ended);
    ended
}

#[test]
fn every_digit_is_heard_at_every_level_off_its_frequency_twisted_and_in_noise() {
    for (name, keypad) in [
        ("loud", Keypad { level_dbm0: -3.0, ..PLAIN }),
        ("soft", Keypad { level_dbm0: -30.0, ..PLAIN }),
        ("soft, µ-law", Keypad { level_dbm0: -30.0, codec: Pcmu, ..PLAIN }),
        ("40 ms", Keypad { on_ms: 40, pause_ms: 40, ..PLAIN }),
        ("40 ms, soft", Keypad { on_ms: 40, pause_ms: 40, level_dbm0: -30.0, ..PLAIN }),
        ("sharp", Keypad { off: 1.015, ..PLAIN }),
        ("flat", Keypad { off: 0.985, ..PLAIN }),
        ("columns 4 dB louder", Keypad { twist_db: 4.0, ..PLAIN }),
        ("rows 8 dB louder", Keypad { twist_db: -8.0, ..PLAIN }),
        ("rows 8 dB louder, soft", Keypad { twist_db: -8.0, level_dbm0: -30.0, ..PLAIN }),
        ("sharp, columns louder", Keypad { off: 1.015, twist_db: 4.0, ..PLAIN }),
        ("flat, rows louder", Keypad { off: 0.985, twist_db: -8.0, ..PLAIN }),
        ("noisy", Keypad { noise_db: Some(15.0), ..PLAIN }),
        ("noisy, sharp", Keypad { noise_db: Some(15.0), off: 1.015, codec: Pcmu, ..PLAIN }),
        ("noisy, flat", Keypad { noise_db: Some(15.0), off: 0.985, ..PLAIN }),
        ("long", Keypad { on_ms: 700, ..PLAIN }),
    ] {
        for lead in [0, 13, 50, 89, 130, 160, 203, 311] {
            keypad.check(name, lead);
        }
    }
}

#[test]
fn what_is_not_a_keypads_tone_is_none() {
    let two = |row: f64, column: f64, ms: u32| tone::sines(&[row, column], -10.0, ms);
    for (name, samples) in [
        ("20 ms", two(697.0, 1209.0, 20)),
        ("one frequency", tone::sines(&[770.0], -10.0, 500)),
        ("two rows", two(697.0, 852.0, 500)),
        ("between the columns", two(770.0, 1272.0, 500)),
        ("too soft", tone::sines(&[770.0, 1336.0], -50.0, 500)),
        ("dial tone of America", two(350.0, 440.0, 2000)),
        ("dial tone of Europe", tone::sines(&[425.0], -10.0, 2000)),
        ("special information tone", tone::sines(&[950.0, 1400.0, 1800.0], -14.0, 1000)),
        ("with a third tone", tone::sines(&[770.0, 1336.0, 2100.0], -10.0, 500)),
        ("fax", tone::sines(&[1100.0], -10.0, 3000)),
        ("our wait tone", tone::wait_tone()),
        ("our ringback", tone::ringback()),
    ] {
        assert_eq!(heard(Pcma, &samples, &[]), "", "{name}");
    }
}

#[test]
fn speech_and_music_hold_no_digit() {
    let mut rng = Rng::from_number(3);
    assert_eq!(heard(Pcma, &voice(&mut rng, 120), &[]), "", "voices");
    assert_eq!(heard(Pcma, &chords(&mut rng, 120), &[]), "", "chords");
    let mut noise = || ((uniform(&mut rng) - 0.5) * 16_000.0) as i16;
    let noise: Vec<i16> = (0..8000 * 30).map(|_| noise()).collect();
    assert_eq!(heard(Pcmu, &noise, &[]), "", "noise");
    for prompt in [
        &include_bytes!("../../../prompts/en/all_busy.wav")[..],
        &include_bytes!("../../../prompts/en/welcome.wav")[..],
        &include_bytes!("../../../prompts/en/employee_id.wav")[..],
        &include_bytes!("../../../prompts/en/digit_7.wav")[..],
    ] {
        let samples: Vec<i16> =
            prompt[44..].as_chunks().0.iter().map(|&two| i16::from_le_bytes(two)).collect();
        assert_eq!(heard(Pcma, &samples, &[]), "", "our prompts");
    }
}

/// Any one frame of a press may be lost: it is told once, as long as two blocks of it came.
#[test]
fn a_frame_lost_within_a_tone_does_not_double_or_lose_it() {
    let keypad = Keypad { on_ms: 100, ..PLAIN };
    for lead in [0, 40, 100, 160] {
        let samples = keypad.press("5A#", lead, &mut Rng::from_number(4));
        for lost in 0..samples.len() / FRAME {
            assert_eq!(heard(Pcma, &samples, &[lost]), "5A#", "{lead}: frame {lost}");
        }
    }
}

#[test]
fn a_press_ends_when_the_audio_does_or_its_source_changes() {
    let tone = tone::sines(&[697.0, 1209.0], -10.0, 100);
    let mut detector = Detector::default();
    let found = detector.receive(Mono(0), (7, 0), tone.iter().copied());
    assert_eq!(found[..], [Recognised::Began('1')]);
    assert!(detector.is_pressed());
    assert_eq!(detector.expire(Mono::from_ms(100)), None);
    let ended = detector.expire(Mono::from_ms(150));
    assert!(matches!(ended, Some(Recognised::Ended { digit: '1', duration_ms: 75..=100 })));

    detector.receive(Mono(0), (7, 5000), tone.iter().copied());
    let found = detector.receive(Mono(0), (8, 0), [0; 160].into_iter());
    assert!(matches!(found[..], [Recognised::Ended { digit: '1', .. }]));
    assert!(!detector.is_pressed());
}

/// Something like voices: a glottis of moving pitch through four moving formants, in syllables.
fn voice(rng: &mut Rng, seconds: usize) -> Vec<i16> {
    let mut samples = Vec::with_capacity(seconds * 8000);
    let mut states = [(0.0, 0.0); 4];
    let mut phase = 0.0;
    while samples.len() < seconds * 8000 {
        let pitch = 80.0 + 220.0 * uniform(rng);
        let glide = 1.0 + (uniform(rng) - 0.5) * 4e-5;
        let formants = [(300.0, 600.0), (800.0, 1500.0), (1800.0, 1200.0), (3000.0, 600.0)]
            .map(|(least, more)| least + more * uniform(rng));
        let (length, level) = (800 + rng.below(2400) as usize, 500.0 + 4000.0 * uniform(rng));
        let mut hz = pitch;
        for n in 0..length {
            hz *= glide;
            phase += hz / 8000.0;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase %= 1.0;
            let breath = (uniform(rng) - 0.5) * 0.05;
            let mut sum = 0.0;
            for (formant, (one, two)) in formants.iter().zip(&mut states) {
                let radius = 0.97;
                let next = pulse + breath + 2.0 * radius * (TAU * formant / 8000.0).cos() * *one
                    - radius * radius * *two;
                (*one, *two) = (next, *one);
                sum += next;
            }
            let envelope = (n.min(length - n) as f64 / 200.0).min(1.0);
            samples.push((sum * level * envelope).clamp(-32e3, 32e3) as i16);
        }
        samples.extend(vec![0; rng.below(1200) as usize]);
    }
    samples
}

/// Chords of three or four notes with harmonics, as instruments play them.
fn chords(rng: &mut Rng, seconds: usize) -> Vec<i16> {
    let mut samples = Vec::with_capacity(seconds * 8000);
    while samples.len() < seconds * 8000 {
        let root = 40 + rng.below(36) as i32;
        let steps = [[0, 4, 7, 12], [0, 3, 7, 10], [0, 5, 9, 16]][rng.below(3) as usize];
        let notes = steps.map(|step| 440.0 * 2f64.powf(f64::from(root + step - 69) / 12.0));
        let length = 1600 + rng.below(4800) as usize;
        samples.extend((0..length).map(|n| {
            let at = n as f64 / 8000.0 * TAU;
            let decay = (-(n as f64) / 4000.0).exp() * (n as f64 / 80.0).min(1.0);
            let sum: f64 = notes
                .iter()
                .flat_map(|hz| (1..5).map(move |k| (hz * f64::from(k), 1.0 / f64::from(k))))
                .filter(|(hz, _)| *hz < 3900.0)
                .map(|(hz, level)| level * (hz * at).sin())
                .sum();
            (sum * decay * 2500.0).clamp(-32e3, 32e3) as i16
        }));
    }
    samples
}
