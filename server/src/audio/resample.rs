//! From any rate to 8 kHz, through a low-pass filter, piece by piece.
//!
//! Owns: what is held back between pieces, the filter's delay, and the exact length of what comes
//! out. Does not own: the filter (`rubato`).

use hotline_media::tone::RATE_HZ;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};

/// Samples of one channel at some rate go in, at 8 kHz they come out.
pub(super) struct Converter {
    rate_hz: u32,
    taken: u64,
    out: Vec<i16>,
    filter: Option<Filter>,
}

struct Filter {
    resampler: Fft<f32>,
    /// What is short of a block.
    pending: Vec<f32>,
    /// Samples still to be left out: the filter's delay.
    delay: usize,
}

impl Converter {
    /// A converter from this rate.
    pub fn new(rate_hz: u32) -> Converter {
        // A tenth of a second at a time: a filter that is steep enough to keep what a telephone
        // passes and to stop what would come back as another tone.
        let filter = (rate_hz != RATE_HZ).then(|| {
            let (rate_in, rate_out) = (rate_hz as usize, RATE_HZ as usize);
            let window = WindowFunction::BlackmanHarris2;
            Fft::new_custom(rate_in, rate_out, rate_in / 10, 1, 1, window, FixedSync::Input).ok()
        });
        let filter = filter.flatten().map(|resampler| Filter {
            delay: resampler.output_delay(),
            pending: Vec::new(),
            resampler,
        });
        Converter { rate_hz, taken: 0, out: Vec::new(), filter }
    }

    /// Takes the next samples, full scale ±1.
    pub fn take(&mut self, samples: &[f32]) {
        self.taken += samples.len() as u64;
        let Some(filter) = &mut self.filter else {
            return self.out.extend(samples.iter().copied().map(quantised));
        };
        filter.pending.extend_from_slice(samples);
        let mut begin = 0;
        loop {
            let block = filter.resampler.input_frames_next();
            if filter.pending.len() - begin < block || block == 0 {
                break;
            }
            filter.block(begin, block, &mut self.out);
            begin += block;
        }
        filter.pending.drain(..begin);
    }

    /// What has come out, once nothing more goes in.
    pub fn finish(mut self) -> Vec<i16> {
        let wanted = (self.taken * u64::from(RATE_HZ)).div_ceil(u64::from(self.rate_hz)) as usize;
        if let Some(filter) = &mut self.filter {
            let rest = filter.pending.len();
            filter.block(0, rest, &mut self.out);
            // What is still inside comes out behind silence: at most two blocks of it.
            for _ in 0..4 {
                if self.out.len() >= wanted {
                    break;
                }
                filter.block(rest, 0, &mut self.out);
            }
        }
        self.out.truncate(wanted);
        self.out
    }
}

impl Filter {
    /// Filters `len` samples from `begin` on, and silence for the rest of a block.
    fn block(&mut self, begin: usize, len: usize, out: &mut Vec<i16>) {
        let pending = &self.pending[begin..];
        let Ok(input) = InterleavedSlice::new(pending, 1, pending.len()) else { return };
        let indexing = Indexing::new().partial_len(len);
        let Ok(filtered) = self.resampler.process(&input, Some(&indexing)) else { return };
        let filtered = filtered.take_data();
        let left_out = self.delay.min(filtered.len());
        self.delay -= left_out;
        out.extend(filtered[left_out..].iter().copied().map(quantised));
    }
}

fn quantised(sample: f32) -> i16 {
    // The conversion saturates.
    (sample * 32_768.0).round() as i16
}
