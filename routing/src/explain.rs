//! Why a call was, or was not, offered: the candidates and a verdict on each, as data.

use crate::ids::{AgentRef, CallRef, OfferId, QueueRef};
use crate::state::AgentState;
use hotline_base::Wall;
use serde::{Deserialize, Serialize};

/// One decision of the dispatcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Wall,
    /// What made it necessary.
    pub cause: Cause,
    /// What was chosen; `None`: nothing could be offered.
    pub chosen: Option<Chosen>,
    /// For a caller who looks for an agent: the agents considered, best first.
    pub agents: Vec<AgentConsidered>,
    /// For an agent who is free: its queues considered, best first.
    pub queues: Vec<QueueConsidered>,
    /// Agents or queues not named because of [`crate::limits::EXPLAIN_MAX`].
    pub omitted: u32,
}

/// What made a decision necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A caller stands first in a queue.
    CallWaits {
        /// The caller.
        call: CallRef,
        /// The queue.
        queue: QueueRef,
    },
    /// An agent is idle.
    AgentIdle {
        /// The agent.
        agent: AgentRef,
    },
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The offer made.
    pub offer: OfferId,
    /// The caller.
    pub call: CallRef,
    /// The agent.
    pub agent: AgentRef,
}

/// One agent considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentConsidered {
    /// The agent.
    pub agent: AgentRef,
    /// The verdict.
    pub verdict: AgentVerdict,
}

/// Why an agent was or was not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentVerdict {
    /// Chosen: first by the queue's distribution.
    Chosen {
        /// From when its idle rank counts.
        idle_since: Wall,
        /// Its level in the queue.
        level: u8,
    },
    /// Idle, but behind the chosen one by the queue's distribution.
    Behind {
        /// From when its idle rank counts.
        idle_since: Wall,
        /// Its level in the queue.
        level: u8,
    },
    /// Not idle.
    NotIdle(AgentState),
    /// Left alone after a rejection.
    LeftAlone,
}

/// One queue considered for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueConsidered {
    /// The queue.
    pub queue: QueueRef,
    /// Its weight.
    pub weight: u32,
    /// Its first caller, if any.
    pub first: Option<CallRef>,
    /// Callers that wait, not counting those being offered.
    pub waiting: u32,
    /// Whether its first caller was chosen.
    pub chosen: bool,
}
