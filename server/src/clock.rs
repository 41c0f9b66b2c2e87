//! [`Clock`]: the one place where the process reads the time.
//!
//! Owns: reading the monotonic and the wall clock. All copies share one monotonic origin, so that
//! times of engines and media workers compare. Everything else gets [`Now`] as an argument.

use hotline_base::{Mono, Now, Wall};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time at which the process first read its clock: a day, so that stored wall times
/// of the recent past have a monotonic time too.
const ORIGIN: Mono = Mono(86_400_000_000_000);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Reads both clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Both clocks: once a batch.
    pub fn now(self) -> Now {
        Now { mono: self.mono(), wall: self.wall() }
    }

    /// `CLOCK_MONOTONIC`, since the process' origin.
    pub fn mono(self) -> Mono {
        // The origin is set first: the first reading must not come before it.
        let started = *STARTED;
        ORIGIN + started.elapsed()
    }

    /// The system's clock.
    pub fn wall(self) -> Wall {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Wall(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
        }
    }

    /// How long from now until a deadline; zero when it has passed.
    pub fn until(self, at: Mono) -> Duration {
        at.since(self.mono())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back_and_starts_late_enough_for_stored_times() {
        let first = Clock.now();
        let second = Clock.now();
        assert!(second.mono >= first.mono && first.mono >= ORIGIN);
        let an_hour_ago = Wall(first.wall.0 - 3_600_000_000);
        assert!(first.mono_at(an_hour_ago) > Mono(0));
        assert!(Clock.until(first.mono).is_zero());
    }
}
