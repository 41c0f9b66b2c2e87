//! The WAV format: its header and how one sample is written.
//!
//! Owns: RIFF chunks, the format chunk also in its extensible form, sample codings. Does not own:
//! rates and lengths beyond what is allowed at all ([`super`]).

use super::{RATES_HZ, Unusable, fill};
use hotline_media::command::Codec;
use std::io::Read;

/// Chunks before the audio; a file with more is not one.
const CHUNKS_MAX: usize = 1_000;
/// Most bytes of a format chunk that are looked at.
const FORMAT_BYTES_MAX: usize = 40;
/// From this on a length is what a writer wrote that did not know it yet.
const LENGTH_UNKNOWN: u32 = 0x7FFF_0000;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Unsigned, around 128.
    Pcm8,
    /// Signed.
    Pcm16,
    /// Signed.
    Pcm24,
    /// Signed.
    Pcm32,
    /// IEEE 754, full scale ±1.
    Float32,
    /// The same with 64 bits.
    Float64,
    /// ITU-T G.711.
    G711(Codec),
}

impl Coding {
    fn of(tag: u16, bits: u16) -> Option<Coding> {
        Some(match (tag, bits) {
            (1, 8) => Coding::Pcm8,
            (1, 16) => Coding::Pcm16,
            (1, 24) => Coding::Pcm24,
            (1, 32) => Coding::Pcm32,
            (3, 32) => Coding::Float32,
            (3, 64) => Coding::Float64,
            (6, 8) => Coding::G711(Codec::Pcma),
            (7, 8) => Coding::G711(Codec::Pcmu),
            _ => return None,
        })
    }

    const fn bytes(self) -> usize {
        match self {
            Coding::Pcm8 | Coding::G711(_) => 1,
            Coding::Pcm16 => 2,
            Coding::Pcm24 => 3,
            Coding::Pcm32 | Coding::Float32 => 4,
            Coding::Float64 => 8,
        }
    }

    /// One sample, full scale ±1.
    fn decode(self, bytes: &[u8]) -> f32 {
        const SCALE: f32 = 32_768.0;
        let value = match (self, bytes) {
            (Coding::Pcm8, [byte]) => (f32::from(*byte) - 128.0) / 128.0,
            (Coding::G711(codec), [byte]) => f32::from(codec.decode(*byte)) / SCALE,
            (Coding::Pcm16, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])) / SCALE,
            (Coding::Pcm24, [a, b, c]) => {
                i32::from_le_bytes([0, *a, *b, *c]) as f32 / (SCALE * 65_536.0)
            }
            (Coding::Pcm32, [a, b, c, d]) => {
                i32::from_le_bytes([*a, *b, *c, *d]) as f32 / (SCALE * 65_536.0)
            }
            (Coding::Float32, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            (Coding::Float64, [a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as f32
            }
            _ => 0.0,
        };
        // What is no number would silence everything the filter mixes it with.
        if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 }
    }
}

/// What a file says of its audio, which follows in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    coding: Coding,
    channels: u16,
    /// Frames a second.
    pub rate_hz: u32,
    /// Length of the audio; to the end of the source if unknown.
    pub data_bytes: Option<u64>,
}

impl Header {
    /// Reads everything up to the audio.
    pub fn read(source: &mut impl Read) -> Result<Header, Unusable> {
        let riff: [u8; 12] = exactly(source, "too short")?;
        if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
            return Err(Unusable::NotWav("no RIFF/WAVE at its beginning"));
        }
        let mut header: Option<Header> = None;
        for _ in 0..CHUNKS_MAX {
            let [i, d, e, n, a, b, c, f] = exactly(source, "it ends before its audio")?;
            let length = u32::from_le_bytes([a, b, c, f]);
            match (&[i, d, e, n], header.take()) {
                (b"fmt ", _) => header = Some(Header::from_format(source, length)?),
                (b"data", Some(mut header)) => {
                    let known = length < LENGTH_UNKNOWN;
                    header.data_bytes = known.then_some(u64::from(length));
                    return Ok(header);
                }
                (b"data", None) => return Err(Unusable::NotWav("no format before its audio")),
                (_, before) => {
                    header = before;
                    skip(source, padded(length))?;
                }
            }
        }
        Err(Unusable::NotWav("too many chunks before its audio"))
    }

    fn from_format(source: &mut impl Read, length: u32) -> Result<Header, Unusable> {
        let mut format = [0; FORMAT_BYTES_MAX];
        let taken = (length as usize).min(format.len());
        if taken < 16 || fill(source, &mut format[..taken])? < taken {
            return Err(Unusable::NotWav("its format is too short"));
        }
        skip(source, padded(length) - taken as u64)?;
        let two = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
        let (mut tag, channels, align, bits) = (two(0), two(2), two(12), two(14));
        let rate_hz = u32::from_le_bytes([format[4], format[5], format[6], format[7]]);
        if tag == 0xFFFE && taken >= 26 {
            // Extensible: the coding is at the beginning of an identifier.
            tag = two(24);
        }
        let coding = Coding::of(tag, bits)
            .ok_or_else(|| Unusable::Coding(format!("coding {tag} of {bits} bits")))?;
        if !RATES_HZ.contains(&rate_hz) {
            return Err(Unusable::Rate(rate_hz));
        }
        if !(1..=2).contains(&channels) {
            return Err(Unusable::Channels(channels));
        }
        if usize::from(align) != coding.bytes() * usize::from(channels) {
            return Err(Unusable::NotWav("its format contradicts itself"));
        }
        Ok(Header { coding, channels, rate_hz, data_bytes: None })
    }

    /// Bytes of one sample of all channels.
    pub fn frame_bytes(&self) -> usize {
        self.coding.bytes() * usize::from(self.channels)
    }

    /// The mean of the channels of one frame, full scale ±1.
    pub fn mono(&self, frame: &[u8]) -> f32 {
        let samples = frame.chunks_exact(self.coding.bytes());
        let sum: f32 = samples.map(|bytes| self.coding.decode(bytes)).sum();
        sum / f32::from(self.channels)
    }
}

/// Chunks begin at even places.
fn padded(length: u32) -> u64 {
    u64::from(length) + u64::from(length % 2)
}

fn exactly<const N: usize>(
    source: &mut impl Read,
    missing: &'static str,
) -> Result<[u8; N], Unusable> {
    let mut bytes = [0; N];
    if fill(source, &mut bytes)? < N { Err(Unusable::NotWav(missing)) } else { Ok(bytes) }
}

fn skip(source: &mut impl Read, bytes: u64) -> Result<(), Unusable> {
    std::io::copy(&mut source.by_ref().take(bytes), &mut std::io::sink())
        .map(|_| ())
        .map_err(|error| Unusable::Unreadable(error.to_string()))
}
