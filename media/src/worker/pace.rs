//! How many packets a leg's peer may send: the rest is refused, so that one peer's flood costs the
//! others nothing and is not forwarded.

use hotline_base::Mono;
use std::time::Duration;

/// Packets in a second in the long run: twice those of the shortest packet time we settle on
/// (10 ms).
pub const PACKETS_S_MAX: u32 = 200;
/// Packets at once: what a network that stood still for two seconds may deliver together.
pub const BURST_PACKETS_MAX: u32 = 200;

const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / PACKETS_S_MAX as u64);
const BURST: Duration =
    Duration::from_nanos(1_000_000_000 / PACKETS_S_MAX as u64 * BURST_PACKETS_MAX as u64);

/// A leaky bucket: when it would be empty again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    empty_at: Mono,
}

impl Pace {
    /// Whether one more packet may pass; it is counted if so.
    pub fn allows(&mut self, now: Mono) -> bool {
        let filled = self.empty_at.max(now) + INTERVAL;
        let allowed = filled.since(now) <= BURST;
        if allowed {
            self.empty_at = filled;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that was admitted could send as fast as its line allowed; every packet was decoded,
    /// counted and forwarded, at the cost of all other calls of the worker.
    #[test]
    fn a_flood_is_cut_to_the_pace_and_a_normal_stream_is_not() {
        for (per_ms, ms, passed) in [(10, 1_000, 399), (1, 10_000, 2_199)] {
            let mut pace = Pace::default();
            let count = (0..ms)
                .flat_map(|at| std::iter::repeat_n(at, per_ms))
                .filter(|&at| pace.allows(Mono::from_ms(at)))
                .count();
            assert!(count.abs_diff(passed) <= 1, "{per_ms} each ms: {count}");
        }
        let mut pace = Pace::default();
        assert!((0..6_000).all(|n| pace.allows(Mono::from_ms(10 * n))), "10 ms packets");
    }
}
