//! [`Pace`]: how far apart the rounds of a busy engine are.
//!
//! ```text
//! alone     ──●──────────────●───────         read and answered at once
//! busy      ──●─┄┄┄┄●─┄┄┄┄●─┄┄┄┄●───         a round each millisecond, for all that came meanwhile
//! full      ──●━━━━━●━━━━━●━━━━━●───         rounds are longer than that: no pause
//! ```
//! Waking up, writing the journal, and telling other threads cost the same for one message and for
//! ten. Does not own: waiting for sockets.

use hotline_base::Mono;
use std::time::Duration;

/// From the beginning of one round to that of the next while there is much to do.
const PACE: Duration = Duration::from_millis(1);

/// When rounds began; see the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    began: Mono,
    busy: bool,
}

impl Pace {
    /// A round begins.
    pub(super) fn begin(&mut self, now: Mono) {
        // After a pause the next round begins at once if there is something to do.
        self.busy = now.since(self.began) < PACE * 2;
        self.began = now;
    }

    /// How long to wait before looking whether there is something to do.
    pub(super) fn pause(&self, now: Mono) -> Duration {
        if self.busy { PACE.saturating_sub(now.since(self.began)) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Mono {
        Mono(us * 1_000)
    }

    /// When the next round begins after one that ended at `ended` and a message that came at `came`.
    fn begins(pace: &Pace, ended: Mono, came: Mono) -> Mono {
        came.max(ended + pace.pause(ended))
    }

    #[test]
    fn a_message_that_comes_alone_is_read_at_once() {
        let mut pace = Pace::default();
        for came in [5_000, 8_000, 10_500] {
            pace.begin(at(came));
            assert_eq!(pace.pause(at(came + 40)), Duration::ZERO);
        }
    }

    #[test]
    fn messages_that_come_closely_are_read_a_millisecond_apart_until_they_become_rare() {
        let mut pace = Pace::default();
        let mut begun = Vec::new();
        let mut ended = at(5_000);
        for came in [6_000, 6_300, 6_500, 7_400, 7_900, 12_000, 12_050] {
            let begin = begins(&pace, ended, at(came));
            pace.begin(begin);
            begun.push(begin);
            ended = begin + Duration::from_micros(40);
        }
        let expected = [6_000, 6_300, 7_300, 8_300, 9_300, 12_000, 12_050];
        // The first comes a while after the start; from the second on the engine is busy; what came
        // behind 10.3 ms was alone again.
        assert_eq!(begun, expected.map(at));
    }

    #[test]
    fn a_full_engine_does_not_rest() {
        let mut pace = Pace::default();
        pace.begin(at(5_000));
        pace.begin(at(6_500));
        assert_eq!(pace.pause(at(8_000)), Duration::ZERO);
    }
}
