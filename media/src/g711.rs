//! G.711: A-law and µ-law, and the direct conversion between them (ITU-T G.711 §3).
//!
//! Samples are 16-bit linear; A-law uses the upper 13 bits of them, µ-law the upper 14.

use crate::command::Codec;

/// µ-law code → linear.
pub static PCMU_TO_LINEAR: [i16; 256] = table_of_linear(Codec::Pcmu);
/// A-law code → linear.
pub static PCMA_TO_LINEAR: [i16; 256] = table_of_linear(Codec::Pcma);
/// A-law code → µ-law code.
pub static PCMA_TO_PCMU: [u8; 256] = table_of_codes(Codec::Pcma, Codec::Pcmu);
/// µ-law code → A-law code.
pub static PCMU_TO_PCMA: [u8; 256] = table_of_codes(Codec::Pcmu, Codec::Pcma);

impl Codec {
    /// One sample to its code.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Codec::Pcmu => encode_pcmu(sample),
            Codec::Pcma => encode_pcma(sample),
        }
    }

    /// One code to its sample.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Codec::Pcmu => PCMU_TO_LINEAR[code as usize],
            Codec::Pcma => PCMA_TO_LINEAR[code as usize],
        }
    }

    /// The code of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Codec::Pcmu => 0xff,
            Codec::Pcma => 0xd5,
        }
    }

    /// The table that turns codes of this law into codes of another; `None` if they are the same.
    pub fn conversion_to(self, other: Codec) -> Option<&'static [u8; 256]> {
        match (self, other) {
            (Codec::Pcma, Codec::Pcmu) => Some(&PCMA_TO_PCMU),
            (Codec::Pcmu, Codec::Pcma) => Some(&PCMU_TO_PCMA),
            (Codec::Pcma, Codec::Pcma) | (Codec::Pcmu, Codec::Pcmu) => None,
        }
    }
}

/// Segment (exponent) of a magnitude whose smallest segment ends at 2⁸.
const fn segment(magnitude: u32) -> u32 {
    let highest_bit = 31 - (magnitude | 1).leading_zeros();
    highest_bit.saturating_sub(7)
}

const fn encode_pcmu(sample: i16) -> u8 {
    const BIAS: u32 = 0x84;
    const CLIP: u32 = 32_635;
    let magnitude = (sample as i32).unsigned_abs();
    let magnitude = (if magnitude > CLIP { CLIP } else { magnitude }) + BIAS;
    let exponent = segment(magnitude);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

const fn encode_pcma(sample: i16) -> u8 {
    // The negative half is mirrored around -½, so that it has as many codes as the positive one.
    let (magnitude, sign) = if sample >= 0 { (sample, 0x80) } else { (!sample, 0) };
    let magnitude = magnitude as u32;
    let exponent = segment(magnitude);
    let shift = if exponent == 0 { 4 } else { exponent + 3 };
    let mantissa = (magnitude >> shift) & 0x0f;
    (sign | (exponent << 4) as u8 | mantissa as u8) ^ 0x55
}

const fn decode_pcmu(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((((code & 0x0f) as i32) << 3) + 0x84) << ((code >> 4) & 7);
    (if code & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }) as i16
}

const fn decode_pcma(code: u8) -> i16 {
    let code = code ^ 0x55;
    let step = ((code & 0x0f) as i32) << 4;
    let exponent = (code >> 4) & 7;
    let magnitude = if exponent == 0 { step + 8 } else { (step + 0x108) << (exponent - 1) };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

const fn table_of_linear(codec: Codec) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match codec {
            Codec::Pcmu => decode_pcmu(code as u8),
            Codec::Pcma => decode_pcma(code as u8),
        };
        code += 1;
    }
    table
}

const fn table_of_codes(from: Codec, to: Codec) -> [u8; 256] {
    let linear = table_of_linear(from);
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = to.encode(linear[code]);
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.711 tables 1a and 2a written as a formula: segment `s`, step `m`, 16-bit scale.
    fn itu_magnitude(codec: Codec, s: u32, m: u32) -> i32 {
        let value = match (codec, s) {
            (Codec::Pcma, 0) => 16.0 * (f64::from(m) + 0.5),
            (Codec::Pcma, s) => 16.0 * (f64::from(m) + 16.5) * 2f64.powi(s as i32 - 1),
            (Codec::Pcmu, s) => 4.0 * ((2.0 * f64::from(m) + 33.0) * 2f64.powi(s as i32) - 33.0),
        };
        value as i32
    }

    #[test]
    fn every_code_decodes_to_the_value_of_the_standard() {
        for s in 0..8 {
            for m in 0..16 {
                let character = (s << 4 | m) as u8;
                let a = i32::from(Codec::Pcma.decode((0x80 | character) ^ 0x55));
                assert_eq!(a, itu_magnitude(Codec::Pcma, s, m), "A-law {s}/{m}");
                assert_eq!(i32::from(Codec::Pcma.decode(character ^ 0x55)), -a);
                let u = i32::from(Codec::Pcmu.decode(!character));
                assert_eq!(u, itu_magnitude(Codec::Pcmu, s, m), "µ-law {s}/{m}");
                assert_eq!(i32::from(Codec::Pcmu.decode(!(0x80 | character))), -u);
            }
        }
    }

    /// The decision values of tables 1 and 2 lie half a step on either side of the decoded value;
    /// beyond the last one everything is the loudest code.
    #[test]
    fn every_sample_is_coded_within_the_decision_values_of_its_code() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            for sample in i16::MIN..=i16::MAX {
                let code = codec.encode(sample);
                let character = if codec == Codec::Pcma { code ^ 0x55 } else { !code };
                let s = u32::from(character >> 4 & 7);
                let step = match (codec, s) {
                    (Codec::Pcma, 0) => 16,
                    (Codec::Pcma, s) => 16 << (s - 1),
                    (Codec::Pcmu, s) => 8 << s,
                };
                let (value, sample) = (i32::from(codec.decode(code)), i32::from(sample));
                let loudest = character & 0x7f == 0x7f && sample.abs() > value.abs();
                let error = (value - sample).abs();
                assert!(loudest || error <= step / 2, "{codec:?} {sample} as {value}");
                assert!(value == 0 || (value < 0) == (sample < 0), "{codec:?} {sample}");
            }
        }
    }

    #[test]
    fn codes_survive_their_own_law_and_keep_their_sign_and_order_in_the_other() {
        for code in 0..=255u8 {
            for codec in [Codec::Pcma, Codec::Pcmu] {
                let sample = codec.decode(code);
                // µ-law has a positive and a negative zero; both decode to 0.
                if sample != 0 {
                    assert_eq!(codec.encode(sample), code, "{codec:?}");
                }
            }
            let (a, u) =
                (Codec::Pcma.decode(code), Codec::Pcmu.decode(PCMA_TO_PCMU[code as usize]));
            assert!((i32::from(a) - i32::from(u)).abs() <= (i32::from(a).abs() / 16).max(8));
            let (u, a) =
                (Codec::Pcmu.decode(code), Codec::Pcma.decode(PCMU_TO_PCMA[code as usize]));
            assert!((i32::from(a) - i32::from(u)).abs() <= (i32::from(u).abs() / 16).max(8));
        }
        assert_eq!(PCMA_TO_PCMU[usize::from(Codec::Pcma.silence())] & 0x70, 0x70);
        assert_eq!(PCMU_TO_PCMA[usize::from(Codec::Pcmu.silence())], Codec::Pcma.silence());
    }
}
