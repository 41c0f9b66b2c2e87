//! [`Pulse`]: whether a thread still goes round.
//!
//! Owns: the time of its last sign of life, and how old that may be. Does not own: what is done about
//! one that is silent (`/healthz` tells it; who supervises the process decides).

use hotline_base::Mono;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest a thread may be without a round. Each has one a second when there is nothing to do.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Written by its thread only.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// A round.
    pub fn beat(&self, now: Mono) {
        self.0.store(now.as_ms(), Ordering::Relaxed);
    }

    /// For how long there was none, if that is too long. Before the first one there is nothing to
    /// judge.
    pub fn silence(&self, now: Mono) -> Option<Duration> {
        let last = self.0.load(Ordering::Relaxed);
        let silence = now.since(Mono::from_ms(last));
        (last > 0 && silence > SILENCE_MAX).then_some(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_silent_when_it_was_too_long_without_a_round() {
        let at = |s: u64| Mono::from_ms(s * 1_000);
        let pulse = Pulse::default();
        assert_eq!(pulse.silence(at(100)), None, "it has not begun");
        pulse.beat(at(100));
        assert_eq!(pulse.silence(at(105)), None);
        assert_eq!(pulse.silence(at(106)), Some(Duration::from_secs(6)));
        pulse.beat(at(107));
        assert_eq!(pulse.silence(at(107)), None);
    }
}
