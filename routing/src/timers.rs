//! Deadlines of one tenant's routing, each with why it exists.
//!
//! An ordered map and not the shared timer wheel, because the façade tells the earliest deadline
//! exactly and with its reason at each step. Deadlines of one instant fall in the order they were
//! set.

use crate::ids::{AgentRef, CallRef, OfferId, QueueRef};
use hotline_base::Mono;
use std::collections::BTreeMap;

/// Why a deadline exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The offer time is over: the next agent.
    OfferTime(OfferId),
    /// The longest wait is over: `on_timeout`.
    WaitingTime(CallRef),
    /// Wrap-up is over: the agent is idle.
    WrapUp(AgentRef),
    /// The pause after a rejection is over: the agent may be offered calls.
    LeftAlone(AgentRef),
    /// A caller whose offer failed for want of a resource of ours is tried again.
    TryAgain(CallRef),
    /// More callers of a queue without agents have to leave than fit in one step.
    Drain(QueueRef),
    /// More callers and agents of a queue fit together than fit in one step.
    Match(QueueRef),
}

/// Names one set deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey(Mono, u64);

impl TimerKey {
    /// When it falls.
    pub(crate) fn at(self) -> Mono {
        self.0
    }
}

/// The deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeMap<TimerKey, Why>,
    order: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Mono, why: Why) -> TimerKey {
        self.order += 1;
        let key = TimerKey(at, self.order);
        self.set.insert(key, why);
        key
    }

    pub(crate) fn cancel(&mut self, key: Option<TimerKey>) {
        if let Some(key) = key {
            self.set.remove(&key);
        }
    }

    pub(crate) fn first(&self) -> Option<(Mono, Why)> {
        self.set.first_key_value().map(|(key, why)| (key.0, *why))
    }

    /// Takes the first deadline that is due and was set before the step began.
    pub(crate) fn due(&mut self, now: Mono, before: u64) -> Option<Why> {
        let entry = self.set.first_entry()?;
        (entry.key().0 <= now && entry.key().1 <= before).then(|| entry.remove())
    }

    /// How many deadlines were ever set: marks the beginning of a step.
    pub(crate) fn mark(&self) -> u64 {
        self.order
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}
