//! Files of every kind, made in memory, and what is heard of them.

use super::*;
use hotline_media::command::Codec;

/// How a file under test is written.
#[derive(Clone, Copy)]
struct Kind {
    tag: u16,
    bits: u16,
    channels: u16,
    rate_hz: u32,
}

const CD_FLOAT: Kind = Kind { tag: 3, bits: 32, channels: 2, rate_hz: 44_100 };
const PLAIN: Kind = Kind { tag: 1, bits: 16, channels: 1, rate_hz: 8_000 };

fn encoded(kind: Kind, value: f64) -> Vec<u8> {
    let sample = (value * 32_767.0) as i16;
    match (kind.tag, kind.bits) {
        (1, 8) => vec![(value * 127.0 + 128.0) as u8],
        (1, 16) => sample.to_le_bytes().to_vec(),
        (1, 24) => ((value * 8_388_607.0) as i32).to_le_bytes()[..3].to_vec(),
        (1, _) => ((value * 2_147_483_647.0) as i32).to_le_bytes().to_vec(),
        (3, 32) => (value as f32).to_le_bytes().to_vec(),
        (3, _) => value.to_le_bytes().to_vec(),
        (6, _) => vec![Codec::Pcma.encode(sample)],
        _ => vec![Codec::Pcmu.encode(sample)],
    }
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn format(kind: Kind) -> Vec<u8> {
    let align = kind.channels * kind.bits / 8;
    let mut format = kind.tag.to_le_bytes().to_vec();
    format.extend(kind.channels.to_le_bytes());
    format.extend(kind.rate_hz.to_le_bytes());
    format.extend((kind.rate_hz * u32::from(align)).to_le_bytes());
    format.extend(align.to_le_bytes());
    format.extend(kind.bits.to_le_bytes());
    format
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WAVE".to_vec(), chunks.concat()].concat();
    chunk(b"RIFF", &body)
}

/// A sine of one second; both channels the same.
fn sine(kind: Kind, hz: f64, level: f64) -> Vec<u8> {
    file(kind, kind.rate_hz, |_, seconds| level * (std::f64::consts::TAU * hz * seconds).sin())
}

fn file(kind: Kind, frames: u32, sample: impl Fn(u16, f64) -> f64) -> Vec<u8> {
    let mut data = Vec::new();
    for frame in 0..frames {
        for channel in 0..kind.channels {
            data.extend(encoded(kind, sample(channel, f64::from(frame) / f64::from(kind.rate_hz))));
        }
    }
    riff(&[chunk(b"fmt ", &format(kind)), chunk(b"LIST", b"odd"), chunk(b"data", &data)])
}

/// Amplitude of a frequency in 8 kHz audio, full scale 1, without the two ends.
fn amplitude(samples: &[i16], hz: f64) -> f64 {
    let middle = &samples[400..samples.len() - 400];
    let (mut re, mut im) = (0.0, 0.0);
    for (at, sample) in middle.iter().enumerate() {
        let angle = std::f64::consts::TAU * hz * at as f64 / 8_000.0;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    2.0 * re.hypot(im) / middle.len() as f64 / 32_768.0
}

fn rms(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|&s| (f64::from(s) / 32_768.0).powi(2)).sum();
    (power / samples.len() as f64).sqrt()
}

#[test]
fn a_tone_of_every_kind_of_file_is_heard_at_its_pitch_and_level() {
    let kinds = [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8)];
    for (tag, bits) in kinds {
        for rate_hz in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            for channels in [1, 2] {
                let kind = Kind { tag, bits, channels, rate_hz };
                let samples = read(&sine(kind, 440.0, 0.5)[..], 600).unwrap();
                let label = format!("coding {tag}, {bits} bits, {rate_hz} Hz, {channels}");
                assert_eq!(samples.len(), 8_000, "{label}");
                let heard = amplitude(&samples, 440.0);
                assert!((heard - 0.5).abs() < 0.02, "{label}: {heard}");
                // Nothing else is there: the whole is as loud as the tone.
                assert!((rms(&samples[400..7_600]) - 0.3536).abs() < 0.02, "{label}");
            }
        }
    }
}

#[test]
fn what_a_telephone_passes_keeps_its_level_and_what_is_above_it_vanishes() {
    for rate_hz in [16_000, 44_100, 48_000] {
        let kind = Kind { rate_hz, ..CD_FLOAT };
        for hz in [300.0, 1_000.0, 3_400.0] {
            let heard = amplitude(&read(&sine(kind, hz, 0.5)[..], 600).unwrap(), hz);
            assert!((heard - 0.5).abs() < 0.01, "{hz} Hz at {rate_hz}: {heard}");
        }
        for hz in [4_600.0, 5_000.0, 7_560.0] {
            let samples = read(&sine(kind, hz, 0.9)[..], 600).unwrap();
            let left = rms(&samples[400..7_600]);
            // -60 dB below what went in.
            assert!(left < 0.9 / 1_414.0, "{hz} Hz at {rate_hz}: {left}");
        }
    }
}

#[test]
fn what_is_8_khz_already_is_not_touched() {
    let values: Vec<i16> =
        (0..2_000).map(|at: i32| (at * 32_749 % 65_536 - 32_768) as i16).collect();
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let wav = riff(&[chunk(b"fmt ", &format(PLAIN)), chunk(b"data", &data)]);
    assert_eq!(read(&wav[..], 600).unwrap(), values);
}

#[test]
fn two_channels_are_heard_as_their_mean_and_nothing_overflows() {
    let kind = Kind { channels: 2, ..PLAIN };
    let apart = file(kind, 8_000, |channel, _| if channel == 0 { 0.5 } else { -0.5 });
    assert!(read(&apart[..], 600).unwrap().iter().all(|sample| sample.abs() <= 1));
    let loud = file(CD_FLOAT, 44_100, |_, _| 7.0);
    let samples = read(&loud[..], 600).unwrap();
    assert!(samples[1_000..7_000].iter().all(|&sample| sample > 32_000));
    let nonsense = file(CD_FLOAT, 44_100, |_, seconds| if seconds < 0.5 { f64::NAN } else { 0.25 });
    assert!(amplitude(&read(&nonsense[..], 600).unwrap()[5_000..], 0.0) > 0.2);
}

#[test]
fn short_files_and_files_of_unknown_length_are_heard_whole() {
    for frames in [1, 7, 4_409, 4_410, 4_411, 44_101] {
        let samples = read(&file(CD_FLOAT, frames, |_, _| 0.25)[..], 600).unwrap();
        assert_eq!(samples.len(), (frames as usize * 8_000).div_ceil(44_100), "{frames}");
    }
    let mut streamed = sine(PLAIN, 440.0, 0.5);
    let length = streamed.windows(4).position(|four| four == b"data").unwrap() + 4;
    streamed[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read(&streamed[..], 600).unwrap().len(), 8_000);
}

#[test]
fn the_extensible_form_is_read() {
    let mut extensible = format(Kind { tag: 0xFFFE, ..CD_FLOAT });
    extensible.extend([22, 0, 32, 0, 3, 0, 0, 0]);
    extensible.extend(3_u16.to_le_bytes());
    extensible.extend([0, 0, 0, 0, 16, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    let plain = sine(CD_FLOAT, 440.0, 0.5);
    let data = plain.windows(4).position(|four| four == b"data").unwrap();
    let wav = riff(&[chunk(b"fmt ", &extensible), plain[data..].to_vec()]);
    assert!((amplitude(&read(&wav[..], 600).unwrap(), 440.0) - 0.5).abs() < 0.02);
}

#[test]
fn a_file_that_cannot_be_used_says_what_is_wrong_and_what_is_allowed() {
    let good = sine(PLAIN, 440.0, 0.5);
    let of = |kind: Kind| sine(kind, 440.0, 0.5);
    let no_format = riff(&[chunk(b"data", b"abcd")]);
    let contradiction = {
        let mut format = format(PLAIN);
        format[12] = 7;
        riff(&[chunk(b"fmt ", &format), chunk(b"data", b"abcd")])
    };
    let table: [(&[u8], &str); 12] = [
        (b"", "not a WAV file: too short"),
        (b"ID3\x04 this is some mp3", "not a WAV file: no RIFF/WAVE"),
        (b"RIFF\x04\0\0\0WAVE", "not a WAV file: it ends before its audio"),
        (&no_format, "not a WAV file: no format before its audio"),
        (&contradiction, "not a WAV file: its format contradicts itself"),
        (&good[..good.len() / 2], "cut off or broken: "),
        (&of(Kind { rate_hz: 96_000, ..PLAIN }), "96000 Hz; allowed 8000–48000 Hz"),
        (&of(Kind { rate_hz: 4_000, ..PLAIN }), "4000 Hz; allowed 8000–48000 Hz"),
        (&of(Kind { channels: 6, ..PLAIN }), "6 channels; allowed 1 or 2"),
        (&of(Kind { tag: 2, ..PLAIN }), "coding 2 of 16 bits; allowed PCM of 8, 16, 24 or 32"),
        (&file(PLAIN, 0, |_, _| 0.0), "holds no audio"),
        (&file(PLAIN, 3 * 8_000 + 1, |_, _| 0.0), "longer than 3 s; allowed 3 s"),
    ];
    for (bytes, expected) in table {
        let why = read(bytes, 3).unwrap_err().to_string();
        assert!(why.starts_with(expected), "{why:?}, not {expected:?}");
        assert!(!why.contains('\n'));
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read_file(dir.path(), 3), Err(Unusable::NotAFile));
    let missing = read_file(&dir.path().join("none.wav"), 3).unwrap_err().to_string();
    assert!(missing.starts_with("cannot be read: "), "{missing}");
    let huge = dir.path().join("huge.wav");
    std::fs::File::create(&huge).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    assert_eq!(read_file(&huge, 3), Err(Unusable::TooLarge(FILE_BYTES_MAX + 1)));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_fail_otherwise_or_longer(
        mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        at in 0..60_usize,
        keep in 0..3_u8,
    ) {
        // Half of the time a good file with some of it overwritten.
        if keep > 0 {
            let mut wav = sine(PLAIN, 440.0, 0.5);
            let count = bytes.len().min(usize::from(keep) * 3);
            wav[at..at + count].copy_from_slice(&bytes[..count]);
            bytes = wav;
        }
        if let Ok(samples) = read(&bytes[..], 3) {
            proptest::prop_assert!(!samples.is_empty() && samples.len() <= 3 * 8_000);
        }
    }
}
