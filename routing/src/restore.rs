//! The states of agents after a restart.
//!
//! Calls were cut off by the restart, so an offered agent is idle again with its rank, and a
//! talking one is in wrap-up of the queue that delivered the call. The rest is as it was.

use crate::agent::State;
use crate::ids::{AgentRef, QueueRef};
use crate::limits;
use crate::output::{Output, Refusal, Request};
use crate::queue::Membership;
use crate::routing::Routing;
use crate::state::{AgentState, ChangeWhy, RestoredAgent};
use crate::timers::Why;
use hotline_base::{Mono, Wall};
use std::time::Duration;

impl Routing {
    pub(crate) fn restore(&mut self, agents: Vec<RestoredAgent>) {
        for (index, stored) in agents.into_iter().enumerate() {
            if let Err(why) = self.restore_one(stored) {
                let request = Request::Restore(u32::try_from(index).unwrap_or(u32::MAX));
                self.outputs.push_back(Output::Refused { request, why });
            }
        }
    }

    fn restore_one(&mut self, stored: RestoredAgent) -> Result<(), Refusal> {
        let agent = self.agent(&stored.employee_id).ok_or(Refusal::UnknownAgent)?;
        let present = self.live_agent(agent)?.name();
        if present != AgentState::SignedOut {
            return Err(Refusal::State(present));
        }
        if stored.state == AgentState::SignedOut {
            return Ok(());
        }
        let memberships = self.stored_queues(agent, &stored.queues);
        self.serve(agent, memberships);
        let since_ns = stored.idle_since.map_or(self.mono_ns(), |since| self.axis_ns(since));
        let rank = self.rank_from(since_ns);
        let one = self.agent_mut(agent);
        one.session = stored.session;
        one.device = stored.device;
        one.unanswered = stored.unanswered;
        one.rank = rank;
        let state = match stored.state {
            AgentState::SignedOut => State::SignedOut,
            AgentState::Busy(reason) => State::Busy(reason),
            AgentState::Rest => State::Rest(stored.rest.clone().unwrap_or_default()),
            AgentState::Idle | AgentState::Offered => self.restored_idle(agent, &stored),
            AgentState::Talking | AgentState::Holding | AgentState::WrapUp => {
                self.restored_wrap_up(agent, &stored)
            }
        };
        let one = self.agent_mut(agent);
        one.state = state;
        if one.name() != stored.state {
            self.tell_change(agent, stored.state, ChangeWhy::Restored);
        }
        self.stand_idle(agent);
        self.match_agent(agent);
        Ok(())
    }

    /// The queues it served, out of those it may still serve.
    fn stored_queues(&self, agent: AgentRef, names: &[String]) -> Vec<Membership> {
        let skills = self.agent_settings(agent).map_or(&[][..], |settings| &settings.skill_queues);
        let mut memberships: Vec<Membership> = Vec::with_capacity(names.len());
        for skill in skills.iter().filter(|skill| names.contains(&skill.queue)) {
            let Some(queue) = self.queue(&skill.queue) else { continue };
            if !memberships.iter().any(|known| known.queue == queue) {
                memberships.push(Membership { queue, level: skill.level, last_turn: 0, key: None });
            }
        }
        memberships
    }

    fn restored_idle(&mut self, agent: AgentRef, stored: &RestoredAgent) -> State {
        if let Some(until) = stored.until.map(|until| self.now.mono_at(until))
            && until > self.now.mono
        {
            let timer = self.timers.set(until, Why::LeftAlone(agent));
            self.agent_mut(agent).left_alone = Some(timer);
        }
        State::Idle
    }

    fn restored_wrap_up(&mut self, agent: AgentRef, stored: &RestoredAgent) -> State {
        let queue: Option<QueueRef> = stored.delivered_by.as_deref().and_then(|q| self.queue(q));
        let over = match (stored.until, queue) {
            (Some(until), _) => self.now.mono_at(until),
            (None, Some(queue)) => self.wrap_up_from_now(queue),
            (None, None) => self.now.mono,
        };
        // A stored time far ahead, or a clock that jumped, must not hold an agent for ever.
        let most = self.now.mono + Duration::from_secs(u64::from(limits::WRAP_UP_MAX_S));
        match queue {
            Some(queue) if over > self.now.mono => {
                let timer = self.timers.set(over.min(most), Why::WrapUp(agent));
                State::WrapUp { timer, queue }
            }
            _ => {
                let rank = self.rank_from(stored.until.map_or(self.mono_ns(), |u| self.axis_ns(u)));
                self.agent_mut(agent).rank = rank;
                State::Idle
            }
        }
    }

    fn wrap_up_from_now(&self, queue: QueueRef) -> Mono {
        let wrap_up_s = self.queue_of(queue).map_or(0, |one| one.settings.wrap_up_s);
        self.now.mono + Duration::from_secs(u64::from(wrap_up_s))
    }

    fn mono_ns(&self) -> i64 {
        i64::try_from(self.now.mono.0).unwrap_or(i64::MAX)
    }

    /// A stored wall time on the monotonic axis, never in the future: ranks from before the origin
    /// are below 0, so that their order survives.
    fn axis_ns(&self, at: Wall) -> i64 {
        let ago_us = self.now.wall.0.saturating_sub(at.0).max(0);
        self.mono_ns().saturating_sub(ago_us.saturating_mul(1_000))
    }
}
