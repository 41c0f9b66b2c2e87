//! [`Failures`]: who guesses passwords, by source address, bounded.
//!
//! Owns: counting failed authentications per source (an IPv4 address, or an IPv6 /64) and saying
//! when enough is enough. Does not own: what is answered then, and what a failure is: only what comes
//! with a nonce that was given to that very source, for a source address is easily forged.

use hotline_base::{Mono, Now, Rng, SecretMap};
use hotline_sip::digest::source_network;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// Failed authentications of one source in one window; more, and its credentials are not looked at
/// until the window is over. Generous, for many phones may stand behind one address.
pub(crate) const FAILURES_MAX: u32 = 60;
/// The window, from a source's first failure.
pub(crate) const FAILURES_WINDOW: Duration = Duration::from_secs(60);
/// Sources remembered; at the limit the oldest is forgotten.
pub(crate) const SOURCES_MAX: usize = 10_000;

/// Failed authentications; see the module.
pub(crate) struct Failures {
    sources: SecretMap<u128, Source>,
    order: VecDeque<(Mono, u128)>,
}

struct Source {
    since: Mono,
    count: u32,
}

impl Failures {
    pub(crate) fn new(rng: &mut Rng) -> Failures {
        Failures { sources: SecretMap::new(rng), order: VecDeque::new() }
    }

    /// How long a source must wait before its credentials are looked at again, in whole seconds;
    /// `None` when they are now.
    pub(crate) fn must_wait_s(&self, now: Now, source: IpAddr) -> Option<u64> {
        let found = self.sources.get(&source_network(source))?;
        let passed = now.mono.since(found.since);
        (found.count >= FAILURES_MAX && passed < FAILURES_WINDOW)
            .then(|| (FAILURES_WINDOW - passed).as_secs() + 1)
    }

    /// A source has failed once more.
    pub(crate) fn note(&mut self, now: Now, source: IpAddr) {
        self.forget(now);
        let key = source_network(source);
        if let Some(found) = self.sources.get_mut(&key) {
            found.count = found.count.saturating_add(1);
            return;
        }
        if self.order.len() >= SOURCES_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.sources.remove(&oldest);
        }
        self.sources.insert(key, Source { since: now.mono, count: 1 });
        self.order.push_back((now.mono, key));
    }

    fn forget(&mut self, now: Now) {
        while let Some(&(since, key)) = self.order.front() {
            if now.mono.since(since) < FAILURES_WINDOW {
                return;
            }
            self.order.pop_front();
            self.sources.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_base::Wall;

    fn at(s: u64) -> Now {
        Now { mono: Mono::from_ms(s * 1_000), wall: Wall::from_s(0) }
    }

    #[test]
    fn a_source_rests_until_its_window_is_over() {
        let mut failures = Failures::new(&mut Rng::from_number(1));
        let guesser: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.must_wait_s(at(10), guesser), None);
            failures.note(at(10), guesser);
        }
        assert_eq!(failures.must_wait_s(at(30), guesser), Some(41));
        assert_eq!(failures.must_wait_s(at(30), "::ffff:192.0.2.1".parse().unwrap()), Some(41));
        assert_eq!(failures.must_wait_s(at(30), "192.0.2.2".parse().unwrap()), None);
        assert_eq!(failures.must_wait_s(at(70), guesser), None);
        failures.note(at(71), guesser);
        assert_eq!((failures.sources.len(), failures.order.len()), (1, 1));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut failures = Failures::new(&mut Rng::from_number(1));
        for number in 0..2 * SOURCES_MAX as u32 {
            failures.note(at(1), IpAddr::V4(number.into()));
        }
        assert_eq!((failures.sources.len(), failures.order.len()), (SOURCES_MAX, SOURCES_MAX));
        for subnet in 0..5 {
            failures.note(at(1), format!("2001:db8::{subnet}").parse().unwrap());
        }
        let one_customer = "2001:db8::ffff".parse().unwrap();
        assert_eq!(failures.sources.get(&source_network(one_customer)).unwrap().count, 5);
    }
}
