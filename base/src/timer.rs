//! [`TimerWheel`]: deadlines with a payload, set and cancelled in constant time.
//!
//! A hierarchical wheel of six levels of 64 slots with a tick of one millisecond: level 0 holds
//! the next 64 ms, level 5 about two years. A deadline beyond that is parked in the last slot and
//! placed again when it comes near. Deadlines are rounded *up* to the tick, so nothing fires
//! early. Timers that fall into one tick fire in the order they were set: a simulated run is the
//! same run each time.

use crate::Mono;

const LEVELS: usize = 6;
const SLOTS: usize = 64;
const BITS: u32 = 6;
const NONE: u32 = u32::MAX;
const TICK_NS: u64 = 1_000_000;

/// Names one set timer; a cancelled or fired one never names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    at: Mono,
    tick: u64,
    order: u64,
    slot: u32,
    previous: u32,
    next: u32,
    payload: Option<T>,
}

/// A timer wheel; see the module.
#[derive(Debug)]
pub struct TimerWheel<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    heads: [u32; LEVELS * SLOTS],
    occupied: [u64; LEVELS],
    /// Every tick before this one has been fired.
    current: u64,
    order: u64,
    due: Vec<u32>,
    len: usize,
}

impl<T> Default for TimerWheel<T> {
    fn default() -> Self {
        TimerWheel::new()
    }
}

impl<T> TimerWheel<T> {
    /// An empty wheel.
    pub fn new() -> Self {
        TimerWheel {
            entries: Vec::new(),
            free: Vec::new(),
            heads: [NONE; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            current: 0,
            order: 0,
            due: Vec::new(),
            len: 0,
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer; `payload` comes back from [`TimerWheel::expire`] at or after `at`.
    pub fn set(&mut self, at: Mono, payload: T) -> TimerId {
        let tick = at.0.div_ceil(TICK_NS).max(self.current);
        self.order += 1;
        let order = self.order;
        let index = match self.free.pop() {
            Some(index) => {
                let entry = &mut self.entries[index as usize];
                entry.at = at;
                entry.tick = tick;
                entry.order = order;
                entry.payload = Some(payload);
                index
            }
            None => {
                self.entries.push(Entry {
                    generation: 0,
                    at,
                    tick,
                    order,
                    slot: NONE,
                    previous: NONE,
                    next: NONE,
                    payload: Some(payload),
                });
                (self.entries.len() - 1) as u32
            }
        };
        self.len += 1;
        self.link(index);
        TimerId { index, generation: self.entries[index as usize].generation }
    }

    /// Cancels a timer and gives its payload back; `None` if it has fired or been cancelled.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let entry = self.entries.get(id.index as usize)?;
        if entry.generation != id.generation || entry.payload.is_none() {
            return None;
        }
        if entry.slot == NONE {
            self.due.retain(|&due| due != id.index);
        } else {
            self.unlink(id.index);
        }
        self.release(id.index)
    }

    /// The deadline of a timer that is still set.
    pub fn deadline_of(&self, id: TimerId) -> Option<Mono> {
        let entry = self.entries.get(id.index as usize)?;
        (entry.generation == id.generation && entry.payload.is_some()).then_some(entry.at)
    }

    /// The next timer that is due at `now`, one a call; `None` when none is.
    pub fn expire(&mut self, now: Mono) -> Option<(TimerId, T)> {
        if self.due.is_empty() {
            self.advance(now.0 / TICK_NS);
        }
        let index = self.due.pop()?;
        let id = TimerId { index, generation: self.entries[index as usize].generation };
        self.release(index).map(|payload| (id, payload))
    }

    /// When [`TimerWheel::expire`] should be called next, with the payload of a timer that falls
    /// then. Never later than the earliest deadline; for deadlines over 64 ms away it may be
    /// earlier, when a slot of the wheel has to be spread.
    pub fn next_deadline(&self) -> Option<Mono> {
        if !self.due.is_empty() {
            return Some(Mono(self.current * TICK_NS));
        }
        (0..LEVELS)
            .filter_map(|level| self.next_slot_start(level))
            .min()
            .map(|tick| Mono(tick * TICK_NS))
    }

    /// The earliest timer exactly, with its payload: walks the nearest slot, so for reports only.
    pub fn earliest(&self) -> Option<(Mono, &T)> {
        self.entries
            .iter()
            .filter_map(|entry| entry.payload.as_ref().map(|payload| (entry.at, payload)))
            .min_by_key(|(at, _)| *at)
    }

    fn release(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.slot = NONE;
        let payload = entry.payload.take();
        self.free.push(index);
        self.len -= 1;
        payload
    }

    fn advance(&mut self, to: u64) {
        while self.due.is_empty() {
            let Some((level, tick)) = (0..LEVELS)
                .filter_map(|level| self.next_slot_start(level).map(|tick| (level, tick)))
                // At one tick the higher level is spread first, so that order is kept.
                .min_by_key(|&(level, tick)| (tick, std::cmp::Reverse(level)))
            else {
                self.current = self.current.max(to + 1);
                return;
            };
            if tick > to {
                self.current = self.current.max(to + 1);
                return;
            }
            self.current = tick;
            let slot = level * SLOTS + Self::slot_of(level, tick);
            let mut taken = Vec::new();
            while self.heads[slot] != NONE {
                let index = self.heads[slot];
                self.unlink(index);
                taken.push(index);
            }
            for index in taken {
                if self.entries[index as usize].tick <= tick {
                    self.due.push(index);
                } else {
                    self.link(index);
                }
            }
            if level == 0 {
                self.current = tick + 1;
            }
        }
        // Fired from the end: the order in which they were set, reversed.
        let entries = &self.entries;
        self.due.sort_unstable_by_key(|&index| {
            let entry = &entries[index as usize];
            std::cmp::Reverse((entry.tick, entry.order))
        });
    }

    fn slot_of(level: usize, tick: u64) -> usize {
        ((tick >> (BITS * level as u32)) & (SLOTS as u64 - 1)) as usize
    }

    /// The first tick of the next occupied slot of a level, never before `current`.
    fn next_slot_start(&self, level: usize) -> Option<u64> {
        let occupied = self.occupied[level];
        if occupied == 0 {
            return None;
        }
        let shift = BITS * level as u32;
        let position = self.current >> shift;
        let here = (position & (SLOTS as u64 - 1)) as u32;
        let ahead = occupied.rotate_right(here).trailing_zeros() as u64;
        Some(((position + ahead) << shift).max(self.current))
    }

    fn link(&mut self, index: u32) {
        let tick = self.entries[index as usize].tick;
        let delta = tick.saturating_sub(self.current);
        let mut level = 0;
        while level < LEVELS - 1 && delta >> (BITS * (level as u32 + 1)) != 0 {
            level += 1;
        }
        // A slot a whole turn ahead would look like the current one: go one level up.
        while level < LEVELS - 1 {
            let shift = BITS * level as u32;
            if (tick >> shift) - (self.current >> shift) < SLOTS as u64 {
                break;
            }
            level += 1;
        }
        let shift = BITS * level as u32;
        let reach = (self.current >> shift) + SLOTS as u64 - 1;
        let slot_in_level = ((tick >> shift).min(reach) & (SLOTS as u64 - 1)) as usize;
        let slot = level * SLOTS + slot_in_level;
        let head = self.heads[slot];
        let entry = &mut self.entries[index as usize];
        entry.slot = slot as u32;
        entry.previous = NONE;
        entry.next = head;
        if head != NONE {
            self.entries[head as usize].previous = index;
        }
        self.heads[slot] = index;
        self.occupied[level] |= 1 << slot_in_level;
    }

    fn unlink(&mut self, index: u32) {
        let (slot, previous, next) = {
            let entry = &mut self.entries[index as usize];
            let links = (entry.slot, entry.previous, entry.next);
            entry.slot = NONE;
            entry.previous = NONE;
            entry.next = NONE;
            links
        };
        if previous != NONE {
            self.entries[previous as usize].next = next;
        } else {
            self.heads[slot as usize] = next;
            if next == NONE {
                self.occupied[slot as usize / SLOTS] &= !(1 << (slot as usize % SLOTS));
            }
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn drain(wheel: &mut TimerWheel<u32>, ms: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        while let Some((_, payload)) = wheel.expire(Mono::from_ms(ms)) {
            fired.push(payload);
        }
        fired
    }

    #[test]
    fn fires_in_order_of_deadline_then_of_setting() {
        let mut wheel = TimerWheel::new();
        for (ms, payload) in [(500, 1), (20, 2), (500, 3), (100_000, 4), (20, 5)] {
            wheel.set(Mono::from_ms(ms), payload);
        }
        assert_eq!(drain(&mut wheel, 19), vec![]);
        assert_eq!(drain(&mut wheel, 20), vec![2, 5]);
        assert_eq!(drain(&mut wheel, 99_999), vec![1, 3]);
        assert_eq!(drain(&mut wheel, 100_000), vec![4]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_cancelled_timer_never_fires_and_its_id_is_dead() {
        let mut wheel = TimerWheel::new();
        let id = wheel.set(Mono::from_ms(10), 1);
        assert_eq!(wheel.cancel(id), Some(1));
        assert_eq!(wheel.cancel(id), None);
        let other = wheel.set(Mono::from_ms(10), 2);
        assert_ne!(id, other);
        assert_eq!(drain(&mut wheel, 50), vec![2]);
    }

    proptest! {
        /// Against a naive oracle: whatever is set and cancelled, each timer fires once, not
        /// early, and not later than the step in which it falls; `next_deadline` never oversleeps.
        #[test]
        fn agrees_with_a_sorted_list(
            steps in prop::collection::vec((0u64..400_000_000, 0u64..9_000, any::<bool>()), 1..120)
        ) {
            let mut wheel = TimerWheel::new();
            let mut oracle: Vec<(Mono, u32, TimerId)> = Vec::new();
            let mut now = Mono::from_ms(1_234_567);
            for (number, (delay_ms, step_ms, cancel)) in steps.into_iter().enumerate() {
                let number = number as u32;
                let at = now + Duration::from_millis(delay_ms >> (number % 27));
                let id = wheel.set(at, number);
                oracle.push((at, number, id));
                if cancel {
                    let (_, payload, id) = oracle.remove(number as usize % oracle.len());
                    prop_assert_eq!(wheel.cancel(id), Some(payload));
                }
                if let Some(earliest) = oracle.iter().map(|entry| entry.0).min() {
                    prop_assert!(wheel.next_deadline().is_some_and(|at| at <= earliest.max(now)
                        + Duration::from_millis(1)));
                }
                now += Duration::from_millis(step_ms);
                let mut fired = Vec::new();
                while let Some((_, payload)) = wheel.expire(now) {
                    fired.push(payload);
                }
                let mut expected: Vec<u32> = oracle
                    .iter().filter(|entry| entry.0 <= now).map(|entry| entry.1).collect();
                oracle.retain(|entry| entry.0 > now);
                fired.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(fired, expected);
                prop_assert_eq!(wheel.len(), oracle.len());
            }
        }
    }
}
