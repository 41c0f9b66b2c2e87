//! A change of the configuration while calls wait. Nobody is lost.
//!
//! Removals and the settings of queues take effect at once; an agent's new queues and levels at
//! its next sign-in. Callers of a removed queue leave by its last no-agents policy; a
//! running offer is waited for. A removed agent is signed out, after its call if it is in one.

use crate::agent::{Agent, Pending, State};
use crate::config::{Config, SkillQueue};
use crate::ids::{AgentRef, QueueRef};
use crate::output::{OverflowWhy, WithdrawWhy};
use crate::queue::Queue;
use crate::route::Routes;
use crate::routing::Routing;
use crate::state::ChangeWhy;
use compact_str::CompactString;
use hotline_base::Now;
use std::sync::Arc;

impl Routing {
    /// Takes a configuration into force. Drain [`Routing::poll`] afterwards.
    pub fn configure(&mut self, now: Now, config: Arc<Config>) {
        self.now = now;
        self.routes = Routes::new(&config);
        let old = std::mem::replace(&mut self.config, config);
        let config = Arc::clone(&self.config);
        let removed_queues = self.take_queues(&config);
        self.take_agents(&old, &config);
        for queue in removed_queues {
            self.close(queue);
        }
    }

    /// Adds and changes queues; gives those that were removed.
    fn take_queues(&mut self, config: &Config) -> Vec<QueueRef> {
        let mut seen = vec![false; self.queues.len()];
        for settings in &config.queues {
            match self.queue_names.get(settings.name.as_str()).copied() {
                Some(queue) => {
                    if let Some(mark) = seen.get_mut(queue.0 as usize) {
                        *mark = true;
                    }
                    self.change_queue(queue, settings);
                }
                None => {
                    let queue = QueueRef(self.queues.len() as u32);
                    self.queue_names.insert(CompactString::new(&settings.name), queue);
                    self.queues.push(Queue::new(settings.clone()));
                }
            }
        }
        let gone = |(index, seen): (usize, &bool)| (!seen).then_some(QueueRef(index as u32));
        let removed: Vec<QueueRef> = seen.iter().enumerate().filter_map(gone).collect();
        removed.into_iter().filter(|q| self.queue_of(*q).is_some_and(|one| one.live)).collect()
    }

    fn change_queue(&mut self, queue: QueueRef, settings: &SkillQueue) {
        let Some(one) = self.queue_mut(queue) else { return };
        let came_back = !std::mem::replace(&mut one.live, true);
        if one.settings == *settings {
            return;
        }
        let reorder = one.settings.distribution != settings.distribution;
        let strict = !one.settings.no_agents_while_waiting && settings.no_agents_while_waiting;
        one.settings = settings.clone();
        if reorder {
            let idle: Vec<AgentRef> = one.idle.iter().map(|key| key.agent).collect();
            idle.into_iter().for_each(|agent| self.stand_idle(agent));
        }
        if strict && !came_back {
            self.drain(queue);
        }
    }

    /// Adds, changes and removes agents.
    fn take_agents(&mut self, old: &Config, config: &Config) {
        let before: Vec<Option<u32>> = self.agents.iter().map(|agent| agent.index).collect();
        self.agents.iter_mut().for_each(|agent| agent.index = None);
        let mut changed = Vec::new();
        for (index, settings) in config.agents.iter().enumerate() {
            let index = index as u32;
            match self.agent_ids.get(settings.employee_id.as_str()).copied() {
                Some(agent) => {
                    self.agents[agent.0 as usize].index = Some(index);
                    let was = before.get(agent.0 as usize).copied().flatten();
                    let was = was.and_then(|was| old.agents.get(was as usize));
                    if was.is_some_and(|was| was.skill_queues != settings.skill_queues) {
                        changed.push(agent);
                    }
                }
                None => {
                    let agent = AgentRef(self.agents.len() as u32);
                    self.agent_ids.insert(CompactString::new(&settings.employee_id), agent);
                    self.agents.push(Agent::new(index, &settings.employee_id));
                }
            }
        }
        for (index, was) in before.iter().enumerate() {
            let agent = AgentRef(index as u32);
            if was.is_some() && self.agents[index].index.is_none() {
                self.remove_agent(agent);
            }
        }
        for agent in changed {
            self.drop_lost_skills(agent, config);
        }
    }

    fn remove_agent(&mut self, agent: AgentRef) {
        if self.agents[agent.0 as usize].state != State::SignedOut {
            self.leave(agent, Pending::SignOut(ChangeWhy::Removed), WithdrawWhy::Removed);
        }
    }

    /// A skill that was taken away counts at once.
    fn drop_lost_skills(&mut self, agent: AgentRef, config: &Config) {
        let one = &self.agents[agent.0 as usize];
        let Some(settings) = one.settings(config) else { return };
        let kept = |queue: QueueRef| {
            let name = self.queue_of(queue).map(|q| q.settings.name.as_str());
            settings.skill_queues.iter().any(|skill| Some(skill.queue.as_str()) == name)
        };
        let lost: Vec<QueueRef> =
            one.memberships.iter().map(|m| m.queue).filter(|queue| !kept(*queue)).collect();
        if !lost.is_empty() {
            self.leave_queues(agent, &lost);
        }
    }

    /// Takes an agent out of some of its queues; its state stays.
    fn leave_queues(&mut self, agent: AgentRef, lost: &[QueueRef]) {
        self.stand_down(agent);
        let one = &self.agents[agent.0 as usize];
        let kept = one.memberships.iter().filter(|m| !lost.contains(&m.queue)).copied().collect();
        let state = one.name();
        let left = self.serve(agent, kept);
        self.stand_idle(agent);
        self.tell_change(agent, state, ChangeWhy::QueuesChanged);
        left.into_iter().for_each(|queue| self.drain(queue));
    }

    /// Closes a removed queue: its agents leave it, its callers leave by its policy.
    fn close(&mut self, queue: QueueRef) {
        let Some(one) = self.queue_mut(queue) else { return };
        one.live = false;
        let members: Vec<AgentRef> = one.members.iter().copied().collect();
        let offered: Vec<_> = one.offered.values().copied().collect();
        for call in offered {
            if let Some(call) = self.calls.get_mut(&call) {
                call.leaving = Some(OverflowWhy::Removed);
            }
        }
        for agent in members {
            self.leave_queues(agent, &[queue]);
        }
        self.drain(queue);
    }
}
