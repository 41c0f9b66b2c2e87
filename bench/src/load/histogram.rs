//! Delays in buckets of 10 µs.

use std::time::Duration;

/// Buckets: up to 1 s; longer counts as 1 s.
const BUCKETS: usize = 100_000;
const WIDTH_NS: u64 = 10_000;

/// How often each delay was seen.
pub struct Histogram {
    buckets: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; BUCKETS] }
    }
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, delay_ns: u64) {
        let place = usize::try_from(delay_ns / WIDTH_NS).unwrap_or(BUCKETS);
        self.buckets[place.min(BUCKETS - 1)] += 1;
    }

    /// The delay that this share (in thousandths) does not exceed, to 10 µs.
    pub fn per_mille(&self, share: u64) -> Duration {
        let total: u64 = self.buckets.iter().sum();
        let wanted = (total * share).div_ceil(1_000);
        let mut seen = 0;
        let place = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted && wanted > 0
        });
        Duration::from_nanos(place.map_or(0, |place| (place as u64 + 1) * WIDTH_NS))
    }

    /// p50, p99, p99.9 and the greatest, in words.
    pub fn words(&self) -> String {
        let ms = |share| self.per_mille(share).as_secs_f64() * 1e3;
        let (middle, high, higher, most) = (ms(500), ms(990), ms(999), ms(1_000));
        format!("p50 {middle:.2} ms, p99 {high:.2} ms, p99.9 {higher:.2} ms, most {most:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_bounds() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.per_mille(500), Duration::ZERO, "nothing seen");
        (1..=1_000u64).for_each(|n| histogram.add(n * 1_000));
        assert_eq!(histogram.per_mille(500), Duration::from_micros(510));
        assert_eq!(histogram.per_mille(1_000), Duration::from_micros(1_010));
        histogram.add(u64::MAX);
        assert_eq!(histogram.per_mille(1_000), Duration::from_secs(1));
    }
}
