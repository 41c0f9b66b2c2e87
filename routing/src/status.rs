//! Questions to routing: names, states, lengths, places. Nothing here changes anything.

use crate::agent::{State, Talk};
use crate::config::Config;
use crate::ids::{AgentRef, CallRef, OfferId, QueueRef};
use crate::route::{Circumstances, NoRoute, Resolution, RouteTrace};
use crate::routing::Routing;
use crate::state::{AgentState, AgentStatus, RestoredAgent};
use std::time::Duration;

/// A queue at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStatus {
    /// Callers to whom no call is offered.
    pub waiting: u32,
    /// Callers being offered, or hearing the announcement.
    pub offered: u32,
    /// Agents signed in.
    pub signed_in: u32,
    /// Agents that may be offered a call now.
    pub idle: u32,
    /// How long the first caller has waited.
    pub first_waits: Option<Duration>,
}

impl Routing {
    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The queue of a name, if configured.
    pub fn queue(&self, name: &str) -> Option<QueueRef> {
        let queue = *self.queue_names.get(name)?;
        self.queue_of(queue)?.live.then_some(queue)
    }

    /// The agent of an employee ID, if configured.
    pub fn agent(&self, employee_id: &str) -> Option<AgentRef> {
        let agent = *self.agent_ids.get(employee_id)?;
        self.live_agent(agent).ok().map(|_| agent)
    }

    /// A queue's settings as last configured, also for a while after it was removed.
    pub fn queue_settings(&self, queue: QueueRef) -> Option<&crate::config::SkillQueue> {
        Some(&self.queue_of(queue)?.settings)
    }

    /// An agent's settings, if configured.
    pub fn agent_settings(&self, agent: AgentRef) -> Option<&crate::config::Agent> {
        self.agents.get(agent.0 as usize)?.settings(&self.config)
    }

    /// Where a normalised number leads, by the called routes.
    ///
    /// # Errors
    /// [`NoRoute`]: what the carrier is told is 404.
    pub fn resolve(&self, number: &str, about: Circumstances<'_>) -> Result<Resolution, NoRoute> {
        self.routes.resolve(&self.config, number, about)
    }

    /// The same with which access codes matched and why each was or was not taken.
    pub fn resolve_explained(
        &self,
        number: &str,
        about: Circumstances<'_>,
    ) -> (Result<Resolution, NoRoute>, RouteTrace) {
        self.routes.resolve_explained(&self.config, number, about)
    }

    /// All there is to know of an agent's state, as of the last input.
    pub fn agent_status(&self, agent: AgentRef) -> Option<AgentStatus> {
        let one = self.agents.get(agent.0 as usize)?;
        let offered_by = match one.state {
            State::Offered(offer) | State::Talking(Talk::Answered(offer)) => {
                self.offers.get(&offer).and_then(|offer| offer.queue)
            }
            _ => None,
        };
        Some(one.status(agent, self.now, offered_by))
    }

    /// An agent's state in the form in which a restart gives it back.
    pub fn agent_stored(&self, agent: AgentRef) -> Option<RestoredAgent> {
        let status = self.agent_status(agent)?;
        let name = |queue: QueueRef| Some(self.queue_of(queue)?.settings.name.clone());
        Some(RestoredAgent {
            employee_id: self.agent_settings(agent)?.employee_id.clone(),
            state: status.state,
            rest: status.rest,
            queues: status.queues.iter().copied().filter_map(name).collect(),
            session: status.session,
            device: status.device,
            unanswered: status.unanswered,
            idle_since: status.idle_since,
            until: status.until,
            delivered_by: status.delivered_by.and_then(name),
            since: None,
            reason: None,
        })
    }

    /// Agents that are signed in, in whatever state.
    pub fn signed_in_len(&self) -> usize {
        self.agents.iter().filter(|one| one.name() != AgentState::SignedOut).count()
    }

    /// A queue at a glance.
    pub fn queue_status(&self, queue: QueueRef) -> Option<QueueStatus> {
        let one = self.queue_of(queue)?;
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let first = one.waiting.values().next().and_then(|call| self.calls.get(call));
        Some(QueueStatus {
            waiting: count(one.waiting.len()),
            offered: count(one.offered.len()),
            signed_in: count(one.members.len()),
            idle: count(one.idle.len()),
            first_waits: first.map(|call| self.now.mono.since(call.queued_at)),
        })
    }

    /// Where a caller waits and at which place, counted from 1; `None` once it has left, or for a
    /// call to one agent. Walks the callers behind: for announcements, not for each packet.
    pub fn position(&self, call: CallRef) -> Option<(QueueRef, u32)> {
        let one = self.calls.get(&call)?;
        let queue = one.queue?;
        Some((queue, self.queue_of(queue)?.position(one.place)))
    }

    /// The offer that runs for a caller.
    pub fn offer_of(&self, call: CallRef) -> Option<OfferId> {
        self.calls.get(&call)?.offer
    }

    /// How many callers wait or are offered, over all queues.
    pub fn calls_len(&self) -> usize {
        self.calls.len()
    }

    /// How many offers run.
    pub fn offers_len(&self) -> usize {
        self.offers.len()
    }

    /// How many deadlines are set.
    pub fn timers_len(&self) -> usize {
        self.timers.len()
    }
}
