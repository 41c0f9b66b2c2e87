//! [`Table`]: how often something was tried by somebody of late, bounded; and what of it outlives a
//! restart ([`StoredTries`]).
//!
//! Owns: counting, the lock-out and its end. Does not own: what counts as a try
//! ([`crate::sign_in`]), where it is kept (the journal, and the store behind it).
//!
//! Who tried is known by a keyed digest only: a PIN may have been typed where an employee ID was
//! asked for, and nothing that is written down may tell it.

use crate::config::TenantConfig;
use hotline_base::{Mono, Now, Partition, Redacted, Wall};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher;
use std::time::Duration;

/// Unknown employee IDs remembered, and as many calling numbers; at the limit the oldest is
/// forgotten.
pub(crate) const TABLE_MAX: usize = 10_000;

/// By what tries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TriedBy {
    /// The employee ID somebody says to be.
    Employee,
    /// The number they call from.
    Number,
}

/// Tries of one employee ID or calling number, as they are kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTries {
    /// By what they are counted.
    pub by: TriedBy,
    /// Keyed digest of ID or number.
    pub key: u64,
    /// How many count; none: they are forgotten.
    pub count: u8,
    /// Until when.
    pub until: Wall,
}

/// How many tries, and for how long they count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub tries: u8,
    pub window: Duration,
}

impl Limits {
    pub(crate) fn of(config: &TenantConfig) -> Limits {
        let settings = &config.single_phone;
        let window = Duration::from_secs(u64::from(settings.lock_out_s));
        Limits { tries: settings.lock_out_tries.max(1), window }
    }
}

/// Tries of one employee ID or calling number.
#[derive(Clone, Copy, Debug)]
struct Tries {
    /// When they no longer count.
    until: Mono,
    count: u8,
}

/// Tries by who made them, bounded.
#[derive(Debug)]
pub(crate) struct Table {
    by: TriedBy,
    tries: BTreeMap<u64, Tries>,
    order: VecDeque<(Mono, u64)>,
}

impl Table {
    pub(crate) fn new(by: TriedBy) -> Table {
        Table { by, tries: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn is_locked(&self, now: Mono, limits: Limits, key: u64) -> bool {
        let tries = self.tries.get(&key);
        tries.is_some_and(|tries| tries.count >= limits.tries && now < tries.until)
    }

    pub(crate) fn count(&mut self, now: Mono, limits: Limits, key: u64) {
        self.make_room(now);
        let until = now + limits.window;
        let Some(tries) = self.tries.get_mut(&key) else {
            self.insert(key, Tries { until, count: 1 });
            return;
        };
        if now >= tries.until {
            tries.count = 0;
        }
        tries.count = tries.count.saturating_add(1);
        if tries.count == 1 || tries.count >= limits.tries {
            // The lock-out lasts from the try that caused it.
            tries.until = until;
            self.order.push_back((until, key));
        }
    }

    pub(crate) fn take_back(&mut self, key: u64) {
        if let Some(tries) = self.tries.get_mut(&key) {
            tries.count = tries.count.saturating_sub(1);
        }
    }

    pub(crate) fn forget(&mut self, key: u64) {
        self.tries.remove(&key);
    }

    /// What is to be kept of somebody's tries as they are now.
    pub(crate) fn stored(&self, now: Now, key: u64) -> StoredTries {
        let tries = self.tries.get(&key).copied();
        let Tries { until, count } = tries.unwrap_or(Tries { until: now.mono, count: 0 });
        StoredTries { by: self.by, key, count, until: now.wall_at(until) }
    }

    /// Takes back what was kept, for the rest of its time: never longer than tries of now count,
    /// whatever the wall clock did meanwhile.
    pub(crate) fn restore(&mut self, now: Now, limits: Limits, stored: &StoredTries) {
        let until = now.mono_at(stored.until).min(now.mono + limits.window);
        if stored.by == self.by && stored.count > 0 && until > now.mono {
            self.make_room(now.mono);
            self.insert(stored.key, Tries { until, count: stored.count });
        }
    }

    fn insert(&mut self, key: u64, tries: Tries) {
        self.tries.insert(key, tries);
        self.order.push_back((tries.until, key));
    }

    fn make_room(&mut self, now: Mono) {
        while let Some(&(until, oldest)) = self.order.front() {
            if now < until && self.order.len() < TABLE_MAX {
                break;
            }
            // Whoever began anew since then stands further behind.
            if self.tries.get(&oldest).is_some_and(|tries| tries.until == until) {
                self.tries.remove(&oldest);
            }
            self.order.pop_front();
        }
    }
}

/// By what somebody is known in a [`Table`].
pub(crate) fn key(
    secret: &Redacted<[u8; 32]>,
    partition: Partition,
    by: TriedBy,
    text: &str,
) -> u64 {
    let mut half = [0; 16];
    half.copy_from_slice(&secret.expose()[16..]);
    let mut hasher = SipHasher24::new_with_key(&half);
    hasher.write_u32(partition.0);
    hasher.write_u8(by as u8);
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tries: 5, window: Duration::from_secs(900) };

    fn at(s: u64) -> Mono {
        Mono::from_ms(s * 1_000)
    }

    fn now(s: u64, wall_s: i64) -> Now {
        Now { mono: at(s), wall: Wall::from_s(wall_s) }
    }

    fn table() -> Table {
        Table::new(TriedBy::Employee)
    }

    #[test]
    fn the_fifth_try_locks_for_as_long_as_the_setting_says() {
        let mut table = table();
        for s in 0..5 {
            assert!(!table.is_locked(at(s), LIMITS, 1), "{s}");
            table.count(at(s), LIMITS, 1);
        }
        assert!(table.is_locked(at(4), LIMITS, 1));
        assert!(table.is_locked(at(903), LIMITS, 1), "from the try that locked");
        assert!(!table.is_locked(at(904), LIMITS, 1));
        assert!(!table.is_locked(at(4), LIMITS, 2));
        table.count(at(905), LIMITS, 1);
        assert!(!table.is_locked(at(905), LIMITS, 1), "and one has all tries again");
    }

    #[test]
    fn tries_are_forgotten_after_the_window() {
        let mut table = table();
        for _ in 0..4 {
            table.count(at(0), LIMITS, 1);
        }
        table.count(at(900), LIMITS, 1);
        assert!(!table.is_locked(at(900), LIMITS, 1));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = table();
        for key in 0..3 * TABLE_MAX as u64 {
            table.count(at(1), LIMITS, key);
        }
        assert!(table.tries.len() <= TABLE_MAX && table.order.len() <= TABLE_MAX);
        assert!(table.tries.contains_key(&(3 * TABLE_MAX as u64 - 1)));
    }

    #[test]
    fn a_pin_that_fits_takes_its_own_try_back() {
        let mut table = table();
        for _ in 0..5 {
            table.count(at(0), LIMITS, 1);
        }
        assert!(table.is_locked(at(0), LIMITS, 1));
        table.take_back(1);
        assert!(!table.is_locked(at(0), LIMITS, 1));
    }

    #[test]
    fn what_was_kept_counts_for_the_rest_of_its_time_and_never_longer_than_a_new_one() {
        let mut before = table();
        for _ in 0..5 {
            before.count(at(5_000), LIMITS, 1);
        }
        before.count(at(5_000), LIMITS, 2);
        let kept = [1, 2].map(|key| before.stored(now(5_000, 1_000_000), key));
        // Ten minutes later, by another monotonic clock.
        let mut after = table();
        kept.iter().for_each(|kept| after.restore(now(3, 1_000_600), LIMITS, kept));
        assert!(after.is_locked(at(3), LIMITS, 1) && after.is_locked(at(302), LIMITS, 1));
        assert!(!after.is_locked(at(303), LIMITS, 1));
        (0..4).for_each(|_| after.count(at(4), LIMITS, 2));
        assert!(after.is_locked(at(4), LIMITS, 2), "one was before");
        // A wall clock that was set back by a year meanwhile.
        let mut after = table();
        after.restore(now(3, 0), LIMITS, &kept[0]);
        assert!(after.is_locked(at(3), LIMITS, 1) && !after.is_locked(at(903), LIMITS, 1));
        // What is over, or forgotten, does not come back.
        before.forget(1);
        let mut after = table();
        after.restore(now(3, 1_000_900), LIMITS, &kept[1]);
        after.restore(now(3, 1_000_000), LIMITS, &before.stored(now(5_001, 1_000_001), 1));
        assert!(after.tries.is_empty());
    }

    #[test]
    fn a_key_is_its_tenants_and_tells_nothing_without_the_secret() {
        let key = |secret: u8, partition, by, text| {
            super::key(&Redacted::new([secret; 32]), Partition(partition), by, text)
        };
        let one = key(1, 1, TriedBy::Employee, "1001");
        assert_eq!(one, key(1, 1, TriedBy::Employee, "1001"));
        for other in [
            key(2, 1, TriedBy::Employee, "1001"),
            key(1, 2, TriedBy::Employee, "1001"),
            key(1, 1, TriedBy::Number, "1001"),
            key(1, 1, TriedBy::Employee, "1002"),
        ] {
            assert_ne!(one, other);
        }
    }
}
