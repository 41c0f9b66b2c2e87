//! [`Network`]: when what is sent arrives, if it does.
//!
//! Owns: the fate of each datagram, the order within a stream. Does not own: what is sent, and who
//! is where.

use crate::seed::{Dice, Plan};
use hotline_base::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// The virtual network; see the module.
#[derive(Debug)]
pub struct Network {
    loss_permille: u64,
    duplicate_permille: u64,
    delay_ms: (u64, u64),
    dice: Dice,
    /// When the last bytes of a stream arrive, by connection and whether they come to the engine.
    streams: BTreeMap<(u64, bool), Mono>,
}

impl Network {
    /// The network of a plan.
    pub fn new(plan: &Plan, dice: Dice) -> Network {
        Network {
            loss_permille: plan.loss_permille,
            duplicate_permille: plan.duplicate_permille,
            delay_ms: plan.delay_ms,
            dice,
            streams: BTreeMap::new(),
        }
    }

    /// From now on nothing is lost, doubled or reordered.
    pub fn heal(&mut self) {
        self.loss_permille = 0;
        self.duplicate_permille = 0;
        self.delay_ms = (5, 5);
    }

    /// When the copies of a datagram arrive: none, one or two.
    pub fn datagram(&mut self, now: Mono) -> Vec<Mono> {
        let copies = match self.dice.permille(self.loss_permille) {
            true => 0,
            false => 1 + usize::from(self.dice.permille(self.duplicate_permille)),
        };
        (0..copies).map(|_| now + self.delay()).collect()
    }

    /// When what is sent on a stream arrives: after all that was sent before.
    pub fn stream(&mut self, now: Mono, connection: u64, to_engine: bool) -> Mono {
        let at = now + self.delay();
        let last = self.streams.entry((connection, to_engine)).or_insert(at);
        *last = at.max(*last);
        *last
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(self.dice.between(self.delay_ms.0, self.delay_ms.1))
    }
}
