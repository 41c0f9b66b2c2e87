//! One skill queue: who waits in which order, who serves it, who of them is idle.

use crate::config::{Distribution, SkillQueue};
use crate::ids::{AgentRef, CallRef};
use crate::output::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A queue's own data; who changes it is [`crate::routing::Routing`].
#[derive(Debug)]
pub(crate) struct Queue {
    /// As last configured; kept when the queue is removed, for those still in it.
    pub(crate) settings: SkillQueue,
    /// In the configuration.
    pub(crate) live: bool,
    /// Callers to whom no call is offered, in order.
    pub(crate) waiting: BTreeMap<Place, CallRef>,
    /// Callers being offered or hearing the announcement; they keep their place.
    pub(crate) offered: BTreeMap<Place, CallRef>,
    /// Agents signed in to this queue.
    pub(crate) members: BTreeSet<AgentRef>,
    /// Those of them that may be offered a call, best first.
    pub(crate) idle: BTreeSet<IdleKey>,
    /// Counts offers, for round robin.
    pub(crate) turn: u64,
}

/// Where an idle agent stands in a queue: smaller is chosen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdleKey {
    /// By distribution: nothing, level, or turn.
    first: u64,
    /// By distribution: nothing, or the employee ID as a number.
    second: u64,
    rank: Rank,
    /// The agent.
    pub(crate) agent: AgentRef,
}

/// The idle rank: since when an agent is idle, and in which order within one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// Nanoseconds on the monotonic axis; below 0 when restored from before its origin.
    pub(crate) since_ns: i64,
    pub(crate) order: u64,
}

/// An agent's part in one queue it is signed in to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) queue: crate::ids::QueueRef,
    pub(crate) level: u8,
    /// The queue's turn when it was last offered a call of it.
    pub(crate) last_turn: u64,
    /// Its place among the idle, while it may be offered calls.
    pub(crate) key: Option<IdleKey>,
}

impl Queue {
    pub(crate) fn new(settings: SkillQueue) -> Queue {
        Queue {
            settings,
            live: true,
            waiting: BTreeMap::new(),
            offered: BTreeMap::new(),
            members: BTreeSet::new(),
            idle: BTreeSet::new(),
            turn: 0,
        }
    }

    /// Callers that count for `max_calls_in_queue`.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.offered.len()
    }

    /// Place of a caller counted from 1, those being offered included. Counts from the end: a
    /// caller who has just arrived has few behind it.
    pub(crate) fn position(&self, place: Place) -> u32 {
        let behind = (Bound::Excluded(place), Bound::Unbounded);
        let behind = self.waiting.range(behind).count() + self.offered.range(behind).count();
        u32::try_from(self.len().saturating_sub(behind)).unwrap_or(u32::MAX)
    }

    /// Where an agent stands here by the queue's distribution.
    pub(crate) fn key(
        &self,
        agent: AgentRef,
        as_member: &Membership,
        id: u64,
        rank: Rank,
    ) -> IdleKey {
        let level = u64::from(as_member.level);
        let (first, second) = match self.settings.distribution {
            Distribution::MostSkilled => (level, 0),
            Distribution::RoundRobin => (as_member.last_turn, 0),
            Distribution::Linear => (level, id),
            // The configuration refuses the others; longest idle is what is left.
            Distribution::LongestIdle
            | Distribution::FewestCalls
            | Distribution::LeastTalkTime
            | Distribution::RingAll => (0, 0),
        };
        IdleKey { first, second, rank, agent }
    }
}
