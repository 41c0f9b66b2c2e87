//! PINs compared with their hashes, on threads of their own: each takes some 20 ms of a core and
//! 19 MiB, by intention.

use super::Answer;
use crate::config::pin;
use crossbeam_channel::{Receiver, Sender, bounded};
use hotline_base::Redacted;
use hotline_engine::NOBODYS_HASH;
use hotline_engine::effect::{EffectDone, EffectId};

/// Threads that compare.
const THREADS: usize = 2;
/// PINs that may wait; more fail at once.
const WAITING_MAX: usize = 64;

type Work = (EffectId, Redacted<String>, Redacted<String>);

/// The threads; they end when nobody can ask any more.
#[derive(Clone)]
pub(super) struct Pins {
    work: Sender<Work>,
}

impl Pins {
    pub(super) fn start(answer: Answer) -> std::io::Result<Pins> {
        let (work, waiting) = bounded(WAITING_MAX);
        for number in 0..THREADS {
            let (waiting, answer): (Receiver<Work>, Answer) = (waiting.clone(), answer.clone());
            std::thread::Builder::new().name(format!("pin-{number}")).spawn(move || {
                for (id, hash, pin) in waiting {
                    answer(id, EffectDone::Pin(compare(hash.expose(), &pin)));
                }
            })?;
        }
        Ok(Pins { work })
    }

    /// `false` when too many wait.
    pub(super) fn verify(
        &self,
        id: EffectId,
        hash: Redacted<String>,
        pin: Redacted<String>,
    ) -> bool {
        self.work.try_send((id, hash, pin)).is_ok()
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

    #[test]
    fn nobodys_hash_costs_what_a_hash_of_ours_costs() {
        let ours = pin::hash(&Redacted::new("83014772".into())).unwrap();
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert!(pin::is_hash(NOBODYS_HASH), "else nothing would be compared");
        assert_eq!(cost(NOBODYS_HASH), cost(&ours));
    }
}
