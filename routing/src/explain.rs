//! Why a call was, or was not, offered: the candidates and a verdict on each, as data.

use crate::ids::{AgentRef, CallRef, OfferId, QueueRef};
use crate::limits;
use crate::output::Output;
use crate::queue::Membership;
use crate::routing::Routing;
use crate::state::AgentState;
use hotline_base::Wall;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

impl Routing {
    /// Explains which agent the first caller of a queue gets, before it is offered.
    pub(crate) fn explain_call(&mut self, queue: QueueRef, call: CallRef, agent: Option<AgentRef>) {
        if !self.explains {
            return;
        }
        let Some(one) = self.queue_of(queue) else { return };
        let mut agents = Vec::with_capacity(limits::EXPLAIN_MAX);
        for key in one.idle.iter().take(limits::EXPLAIN_MAX) {
            let (idle_since, level) = self.idle_facts(key.agent, queue);
            let verdict = match agent == Some(key.agent) {
                true => AgentVerdict::Chosen { idle_since, level },
                false => AgentVerdict::Behind { idle_since, level },
            };
            agents.push(AgentConsidered { agent: key.agent, verdict });
        }
        // Looks at a bounded number of members, whatever their number.
        for &member in one.members.iter().take(2 * limits::EXPLAIN_MAX) {
            let Some(found) = self.agents.get(member.0 as usize) else { continue };
            if agents.len() >= limits::EXPLAIN_MAX || found.stands_idle() {
                continue;
            }
            let verdict = match found.left_alone {
                Some(_) if found.name() == AgentState::Idle => AgentVerdict::LeftAlone,
                _ => AgentVerdict::NotIdle(found.name()),
            };
            agents.push(AgentConsidered { agent: member, verdict });
        }
        let omitted = u32::try_from(one.members.len().saturating_sub(agents.len()));
        let decision = Decision {
            at: self.now.wall,
            cause: Cause::CallWaits { call, queue },
            chosen: agent.map(|agent| Chosen { offer: OfferId(self.last_offer + 1), call, agent }),
            agents,
            queues: Vec::new(),
            omitted: omitted.unwrap_or(u32::MAX),
        };
        self.outputs.push_back(Output::Explained(Arc::new(decision)));
    }

    /// Explains which caller an idle agent gets, before it is offered.
    pub(crate) fn explain_agent(&mut self, agent: AgentRef, best: Option<(QueueRef, CallRef)>) {
        if !self.explains {
            return;
        }
        let Some(one) = self.agents.get(agent.0 as usize) else { return };
        let consider = |membership: &Membership| {
            let queue = self.queue_of(membership.queue)?;
            Some(QueueConsidered {
                queue: membership.queue,
                weight: queue.settings.weight,
                first: queue.waiting.values().next().copied(),
                waiting: u32::try_from(queue.waiting.len()).unwrap_or(u32::MAX),
                chosen: best.is_some_and(|(chosen, _)| chosen == membership.queue),
            })
        };
        let mut queues: Vec<QueueConsidered> =
            one.memberships.iter().filter_map(consider).collect();
        queues.sort_by_key(|queue| {
            (!queue.chosen, queue.first.is_none(), std::cmp::Reverse(queue.weight))
        });
        let omitted = queues.len().saturating_sub(limits::EXPLAIN_MAX);
        queues.truncate(limits::EXPLAIN_MAX);
        let decision = Decision {
            at: self.now.wall,
            cause: Cause::AgentIdle { agent },
            chosen: best.map(|(_, call)| Chosen {
                offer: OfferId(self.last_offer + 1),
                call,
                agent,
            }),
            agents: Vec::new(),
            queues,
            omitted: u32::try_from(omitted).unwrap_or(u32::MAX),
        };
        self.outputs.push_back(Output::Explained(Arc::new(decision)));
    }

    fn idle_facts(&self, agent: AgentRef, queue: QueueRef) -> (Wall, u8) {
        let since = self.agent_status(agent).and_then(|status| status.idle_since);
        let level = self.agents.get(agent.0 as usize).and_then(|one| {
            one.memberships.iter().find(|membership| membership.queue == queue).map(|m| m.level)
        });
        (since.unwrap_or_default(), level.unwrap_or(0))
    }
}
