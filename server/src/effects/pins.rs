//! PINs compared with their hashes, on threads of their own: each takes some 20 ms of a core and
//! 19 MiB, by intention.
//!
//! Owns: who waits, and whose turn it is. Tenants take turns, and each may have so many waiting: one
//! whose sign-in is under attack delays another's by one comparison, and fills only its own queue.
//! Does not own: which tries are compared at all (the engine).

use super::Answer;
use crate::config::pin;
use hotline_base::{Partition, Redacted};
use hotline_engine::NOBODYS_HASH;
use hotline_engine::effect::{EffectDone, EffectId};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that compare.
const THREADS: usize = 2;
/// PINs of one tenant that may wait; more fail at once.
pub(super) const WAITING_OF_TENANT_MAX: usize = 32;

/// One comparison.
struct Work {
    id: EffectId,
    hash: Redacted<String>,
    pin: Redacted<String>,
}

/// The threads' work; they end when nobody can ask any more.
#[derive(Clone)]
pub(super) struct Pins(Arc<Asking>);

/// Whoever can ask.
struct Asking(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

/// Tenants that have something waiting, the one whose turn it is first; none is there with nothing.
#[derive(Default)]
struct Waiting {
    turns: VecDeque<(Partition, VecDeque<Work>)>,
    closed: bool,
}

impl Waiting {
    /// `false` when too many of the tenant wait.
    fn push(&mut self, partition: Partition, work: Work) -> bool {
        match self.turns.iter_mut().find(|(of, _)| *of == partition) {
            Some((_, queue)) if queue.len() >= WAITING_OF_TENANT_MAX => return false,
            Some((_, queue)) => queue.push_back(work),
            None => self.turns.push_back((partition, VecDeque::from([work]))),
        }
        true
    }

    fn pop(&mut self) -> Option<Work> {
        let (partition, mut queue) = self.turns.pop_front()?;
        let work = queue.pop_front();
        if !queue.is_empty() {
            self.turns.push_back((partition, queue));
        }
        work
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one to be compared; none when nobody can ask any more and nothing is left.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            if let Some(work) = waiting.pop() {
                return Some(work);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Pins {
    pub(super) fn start(answer: Answer) -> std::io::Result<Pins> {
        let shared = Arc::new(Shared::default());
        let pins = Pins(Arc::new(Asking(Arc::clone(&shared))));
        for number in 0..THREADS {
            let (shared, answer) = (Arc::clone(&shared), Arc::clone(&answer));
            std::thread::Builder::new().name(format!("pin-{number}")).spawn(move || {
                while let Some(Work { id, hash, pin }) = shared.next() {
                    answer(id, EffectDone::Pin(compare(hash.expose(), &pin)));
                }
            })?;
        }
        Ok(pins)
    }

    /// `false` when too many of the tenant wait.
    pub(super) fn verify(
        &self,
        id: EffectId,
        partition: Partition,
        hash: Redacted<String>,
        pin: Redacted<String>,
    ) -> bool {
        let Pins(asking) = self;
        let taken = asking.0.lock().push(partition, Work { id, hash, pin });
        asking.0.wake.notify_one();
        taken
    }
}

/// The same work whether or not there is a hash.
fn compare(hash: &str, pin: &Redacted<String>) -> bool {
    match pin::is_hash(hash) {
        true => pin::fits(hash, pin),
        false => {
            let _never = pin::fits(NOBODYS_HASH, pin);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixty-four PINs waited at most, whosever they were: a tenant that was called by a machine
    /// that guesses left no place for anybody else's agents.
    #[test]
    fn tenants_take_turns_and_each_fills_only_its_own_queue() {
        let mut waiting = Waiting::default();
        let work = |id| {
            let text = || Redacted::new(String::new());
            Work { id: EffectId(id), hash: text(), pin: text() }
        };
        let (attacked, other) = (Partition(1), Partition(2));
        let taken = (0..1_000).filter(|id| waiting.push(attacked, work(*id))).count();
        assert_eq!(taken, WAITING_OF_TENANT_MAX);
        assert!(waiting.push(other, work(2_000)) && waiting.push(other, work(2_001)));
        let order: Vec<u64> = std::iter::from_fn(|| waiting.pop()).map(|work| work.id.0).collect();
        assert_eq!(order[..5], [0, 2_000, 1, 2_001, 2]);
        assert_eq!(order.len(), WAITING_OF_TENANT_MAX + 2);
        assert!(waiting.turns.is_empty() && waiting.push(attacked, work(1)));
    }

    #[test]
    fn nobodys_hash_costs_what_a_hash_of_ours_costs() {
        let ours = pin::hash(&Redacted::new("83014772".into())).unwrap();
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert!(pin::is_hash(NOBODYS_HASH), "else nothing would be compared");
        assert_eq!(cost(NOBODYS_HASH), cost(&ours));
    }
}
