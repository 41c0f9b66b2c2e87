//! The two clocks, both inputs: [`Mono`] drives every deadline, [`Wall`] only stamps.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// One reading of both clocks, handed in with every input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; drives every deadline and duration.
    pub mono: Mono,
    /// May jump; stamps records, drives calendars and stored expiries only.
    pub wall: Wall,
}

impl Now {
    /// The wall time at which the deadline `at` falls, as far as is known now.
    pub fn wall_at(&self, at: Mono) -> Wall {
        let ahead = at.0.saturating_sub(self.mono.0) / 1_000;
        let behind = self.mono.0.saturating_sub(at.0) / 1_000;
        Wall(self.wall.0.saturating_add_unsigned(ahead).saturating_sub_unsigned(behind))
    }

    /// The monotonic time at which a stored wall time falls, as far as is known now.
    /// A wall time before the monotonic origin gives the origin.
    pub fn mono_at(&self, at: Wall) -> Mono {
        let delta_us = at.0.saturating_sub(self.wall.0);
        let delta_ns = delta_us.unsigned_abs().saturating_mul(1_000);
        if delta_us >= 0 {
            Mono(self.mono.0.saturating_add(delta_ns))
        } else {
            Mono(self.mono.0.saturating_sub(delta_ns))
        }
    }
}

/// Monotonic time in nanoseconds since an arbitrary origin.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mono(pub u64);

impl Mono {
    /// A time from whole milliseconds since the origin.
    pub const fn from_ms(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    /// Whole milliseconds since the origin.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, d: Duration) -> Mono {
        Mono(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time in microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Wall(pub i64);

impl Wall {
    /// A time from whole seconds since the epoch.
    pub const fn from_s(s: i64) -> Wall {
        Wall(s * 1_000_000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_s(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn as_ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

impl Add<Duration> for Wall {
    type Output = Wall;
    fn add(self, d: Duration) -> Wall {
        Wall(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_and_stored_expiries_convert_both_ways() {
        let now = Now { mono: Mono::from_ms(5_000), wall: Wall::from_s(1_000) };
        let at = Mono::from_ms(8_000);
        assert_eq!(now.wall_at(at), Wall::from_s(1_003));
        assert_eq!(now.mono_at(now.wall_at(at)), at);
        assert_eq!(now.mono_at(Wall::from_s(0)), Mono(0), "long past saturates at the origin");
    }
}
