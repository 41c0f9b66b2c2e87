//! What agents ask for: sign-in, sign-out, states. And how an agent becomes free.
//!
//! A state asked for during a call takes effect when it ends. One asked for while a call is
//! offered withdraws the offer, without counting it as unanswered.

use crate::agent::{Pending, State, Talk};
use crate::config::{LostRegistration, QueueSignIn};
use crate::ids::{AgentRef, QueueRef, Session};
use crate::input::Queues;
use crate::limits;
use crate::output::{Output, Refusal, Told, WithdrawWhy};
use crate::queue::{Membership, Rank};
use crate::routing::Routing;
use crate::state::{AgentState, BusyReason, ChangeWhy, Device, Rest};
use crate::timers::Why;
use std::sync::Arc;
use std::time::Duration;

impl Routing {
    pub(crate) fn sign_in(
        &mut self,
        agent: AgentRef,
        queues: &Queues,
        force: bool,
        session: Session,
        device: Device,
        why: ChangeWhy,
    ) -> Result<(), Refusal> {
        let state = self.live_agent(agent)?.name();
        let memberships = self.chosen_queues(agent, queues)?;
        let signed_in_by = self.agents[agent.0 as usize].session.filter(|by| *by != session);
        if let Some(other) = signed_in_by.filter(|_| state != AgentState::SignedOut) {
            if !force {
                return Err(Refusal::SignedInElsewhere);
            }
            let what = Told::TakenOver;
            self.outputs.push_back(Output::AgentTold { agent, session: other, what });
        }
        self.stand_down(agent);
        let one = self.agent_mut(agent);
        one.session = Some(session);
        one.device = device;
        (one.unanswered, one.lacked) = (0, 0);
        one.pending = None;
        let pause = one.left_alone.take();
        self.timers.cancel(pause);
        let left = self.serve(agent, memberships);
        match state {
            AgentState::SignedOut | AgentState::Busy(_) | AgentState::Rest => {
                self.becomes_free(agent, true, why);
            }
            AgentState::Idle => self.becomes_free(agent, true, ChangeWhy::QueuesChanged),
            AgentState::Offered
            | AgentState::Talking
            | AgentState::Holding
            | AgentState::WrapUp => {
                self.tell_change(agent, state, ChangeWhy::QueuesChanged);
            }
        }
        left.into_iter().for_each(|queue| self.drain(queue));
        Ok(())
    }

    /// The memberships a sign-in asks for.
    fn chosen_queues(&self, agent: AgentRef, queues: &Queues) -> Result<Vec<Membership>, Refusal> {
        let settings = self.agent_settings(agent).ok_or(Refusal::UnknownAgent)?;
        let listed = match queues {
            Queues::Listed(listed) if settings.queue_sign_in == QueueSignIn::Specified => {
                Some(listed)
            }
            _ => None,
        };
        let mut memberships: Vec<Membership> = Vec::with_capacity(settings.skill_queues.len());
        for skill in &settings.skill_queues {
            let Some(queue) = self.queue(&skill.queue) else { continue };
            let wanted = listed.is_none_or(|listed| listed.contains(&queue));
            if wanted && !memberships.iter().any(|known| known.queue == queue) {
                memberships.push(Membership { queue, level: skill.level, last_turn: 0, key: None });
            }
        }
        let all_known = listed.is_none_or(|listed| {
            !listed.is_empty() && listed.iter().all(|q| memberships.iter().any(|m| m.queue == *q))
        });
        if all_known { Ok(memberships) } else { Err(Refusal::UnknownQueue) }
    }

    /// Makes an agent (not standing idle) serve exactly these queues; gives those it left.
    pub(crate) fn serve(&mut self, agent: AgentRef, mut new: Vec<Membership>) -> Vec<QueueRef> {
        let old = std::mem::take(&mut self.agent_mut(agent).memberships);
        debug_assert!(old.iter().all(|membership| membership.key.is_none()), "still stands idle");
        for membership in &mut new {
            if let Some(before) = old.iter().find(|before| before.queue == membership.queue) {
                membership.last_turn = before.last_turn;
            } else if let Some(queue) = self.queue_mut(membership.queue) {
                // Round robin: a newcomer comes after those who have just had their turn.
                membership.last_turn = queue.turn;
                queue.members.insert(agent);
            }
        }
        let mut left = Vec::new();
        for membership in &old {
            if !new.iter().any(|kept| kept.queue == membership.queue) {
                if let Some(queue) = self.queue_mut(membership.queue) {
                    queue.members.remove(&agent);
                }
                left.push(membership.queue);
            }
        }
        let one = self.agent_mut(agent);
        one.queues = new.iter().map(|membership| membership.queue).collect::<Arc<[_]>>();
        one.memberships = new;
        left
    }

    /// Puts an agent that may be offered calls among the idle of its queues.
    pub(crate) fn stand_idle(&mut self, agent: AgentRef) {
        let Some(one) = self.agents.get_mut(agent.0 as usize) else { return };
        if !one.may_be_offered() {
            return;
        }
        let (id, rank) = (one.id_number, one.rank);
        for membership in &mut one.memberships {
            let Some(queue) = self.queues.get_mut(membership.queue.0 as usize) else { continue };
            let key = queue.key(agent, membership, id, rank);
            if let Some(before) = membership.key.replace(key) {
                queue.idle.remove(&before);
            }
            queue.idle.insert(key);
        }
    }

    /// Takes an agent out of the idle of its queues.
    pub(crate) fn stand_down(&mut self, agent: AgentRef) {
        let Some(one) = self.agents.get_mut(agent.0 as usize) else { return };
        for membership in &mut one.memberships {
            if let Some(key) = membership.key.take()
                && let Some(queue) = self.queues.get_mut(membership.queue.0 as usize)
            {
                queue.idle.remove(&key);
            }
        }
    }

    /// An agent has nothing to do any more: what it asked for during the call, else its own call
    /// if one runs, else idle (and a caller).
    pub(crate) fn becomes_free(&mut self, agent: AgentRef, new_rank: bool, why: ChangeWhy) {
        if new_rank {
            let rank = self.rank_from(i64::try_from(self.now.mono.0).unwrap_or(i64::MAX));
            self.agent_mut(agent).rank = rank;
        }
        let one = self.agent_mut(agent);
        let dials = one.dials > 0;
        match one.pending.take() {
            Some(Pending::Busy(reason)) => {
                self.set_state(agent, State::Busy(reason), ChangeWhy::AskedDuringCall);
            }
            Some(Pending::Rest(rest)) => {
                self.set_state(agent, State::Rest(rest), ChangeWhy::AskedDuringCall);
            }
            Some(Pending::SignOut(cause)) => self.sign_out(agent, cause),
            Some(Pending::NoWrapUp) | None if dials => {
                self.set_state(agent, State::Talking(Talk::Dialling), why)
            }
            Some(Pending::NoWrapUp) | None => {
                self.set_state(agent, State::Idle, why);
                self.stand_idle(agent);
                self.match_agent(agent);
            }
        }
    }

    pub(crate) fn rank_from(&mut self, since_ns: i64) -> Rank {
        self.last_rank += 1;
        Rank { since_ns, order: self.last_rank }
    }

    /// Signs an agent out that neither talks nor is offered a call.
    pub(crate) fn sign_out(&mut self, agent: AgentRef, why: ChangeWhy) {
        self.stand_down(agent);
        let left = self.serve(agent, Vec::new());
        let one = self.agent_mut(agent);
        one.session = None;
        one.unanswered = 0;
        one.pending = None;
        let pause = one.left_alone.take();
        self.timers.cancel(pause);
        self.set_state(agent, State::SignedOut, why);
        left.into_iter().for_each(|queue| self.drain(queue));
    }

    pub(crate) fn takes_calls_on(
        &mut self,
        agent: AgentRef,
        device: Device,
    ) -> Result<(), Refusal> {
        let state = self.signed_in(agent)?;
        self.agent_mut(agent).device = device;
        self.tell_change(agent, state, ChangeWhy::QueuesChanged);
        Ok(())
    }

    pub(crate) fn asks_sign_out(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        self.signed_in(agent)?;
        self.leave(agent, Pending::SignOut(ChangeWhy::SignedOut), WithdrawWhy::AgentLeft);
        Ok(())
    }

    pub(crate) fn asks_busy(&mut self, agent: AgentRef, reason: BusyReason) -> Result<(), Refusal> {
        let state = self.signed_in(agent)?;
        if state == AgentState::Busy(reason) {
            return Err(Refusal::State(state));
        }
        self.leave(agent, Pending::Busy(reason), WithdrawWhy::AgentLeft);
        Ok(())
    }

    pub(crate) fn asks_rest(&mut self, agent: AgentRef, rest: Rest) -> Result<(), Refusal> {
        self.signed_in(agent)?;
        if rest.reason.chars().count() > limits::REASON_MAX {
            return Err(Refusal::OutOfRange);
        }
        self.leave(agent, Pending::Rest(rest), WithdrawWhy::AgentLeft);
        Ok(())
    }

    /// An agent is to leave for a state in which it is offered nothing: now, or after its call.
    pub(crate) fn leave(&mut self, agent: AgentRef, to: Pending, withdraw: WithdrawWhy) {
        let asked = match (&to, withdraw) {
            (Pending::SignOut(why), _) => *why,
            (_, WithdrawWhy::RegistrationLost) => ChangeWhy::RegistrationLost,
            _ => ChangeWhy::Asked,
        };
        match self.agents[agent.0 as usize].state {
            State::Talking(_) => {
                let one = self.agent_mut(agent);
                one.pending = Some(to);
                if let (Some(session), WithdrawWhy::AgentLeft) = (one.session, withdraw) {
                    let what = Told::AfterCall;
                    self.outputs.push_back(Output::AgentTold { agent, session, what });
                }
                return;
            }
            State::Offered(offer) => {
                self.withdraw(offer, withdraw);
            }
            _ => self.stand_down(agent),
        }
        match to {
            Pending::SignOut(_) => self.sign_out(agent, asked),
            Pending::Busy(reason) => self.set_state(agent, State::Busy(reason), asked),
            Pending::Rest(rest) => self.set_state(agent, State::Rest(rest), asked),
            // Asked for in calls alone.
            Pending::NoWrapUp => {}
        }
    }

    pub(crate) fn asks_idle(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        let state = self.signed_in(agent)?;
        let one = self.agent_mut(agent);
        match state {
            AgentState::Busy(_) | AgentState::Rest | AgentState::WrapUp => {
                let pause = one.left_alone.take();
                self.timers.cancel(pause);
                self.becomes_free(agent, true, ChangeWhy::Asked);
                Ok(())
            }
            // Takes back what was asked for during the call.
            AgentState::Talking | AgentState::Holding if one.pending.take().is_some() => Ok(()),
            // Wants calls although it has just rejected one.
            AgentState::Idle if one.left_alone.is_some() => {
                let pause = one.left_alone.take();
                self.timers.cancel(pause);
                self.stand_idle(agent);
                self.match_agent(agent);
                Ok(())
            }
            _ => Err(Refusal::State(state)),
        }
    }

    pub(crate) fn end_wrap_up(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        match self.signed_in(agent)? {
            AgentState::WrapUp => {
                self.becomes_free(agent, true, ChangeWhy::WrapUpEnded);
                Ok(())
            }
            state => {
                let one = self.agent_mut(agent);
                if !matches!(one.state, State::Talking(Talk::Connected { .. })) {
                    return Err(Refusal::State(state));
                }
                // Whoever asked for another state has no wrap-up anyway.
                one.pending.get_or_insert(Pending::NoWrapUp);
                Ok(())
            }
        }
    }

    pub(crate) fn extend_wrap_up(&mut self, agent: AgentRef, by_s: u32) -> Result<(), Refusal> {
        let state = self.signed_in(agent)?;
        let State::WrapUp { timer, queue } = self.agents[agent.0 as usize].state else {
            return Err(Refusal::State(state));
        };
        let most = self.now.mono + Duration::from_secs(u64::from(limits::WRAP_UP_MAX_S));
        let over = (timer.at() + Duration::from_secs(u64::from(by_s))).min(most.max(timer.at()));
        let timer = self.timers.set(over, Why::WrapUp(agent));
        self.set_state(agent, State::WrapUp { timer, queue }, ChangeWhy::WrapUpExtended);
        Ok(())
    }

    pub(crate) fn registered(&mut self, agent: AgentRef, session: Session) -> Result<(), Refusal> {
        let one = self.live_agent(agent)?;
        let signs_in =
            one.settings(&self.config).is_some_and(|settings| settings.sign_in_on_registration);
        let state = one.name();
        let lost_meanwhile = matches!(
            one.pending,
            Some(
                Pending::Busy(BusyReason::PhoneUnavailable)
                    | Pending::SignOut(ChangeWhy::RegistrationLost)
            )
        );
        if lost_meanwhile {
            // Back before the call has ended: as if it had not been lost.
            self.agent_mut(agent).pending = None;
        }
        match state {
            AgentState::SignedOut if signs_in => {
                let device = Device::Softphone;
                self.sign_in(agent, &Queues::All, false, session, device, ChangeWhy::Registered)
            }
            AgentState::Busy(BusyReason::PhoneUnavailable) if signs_in => {
                self.agent_mut(agent).unanswered = 0;
                self.becomes_free(agent, true, ChangeWhy::Registered);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn reachable(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        let state = self.live_agent(agent)?.name();
        let one = self.agent_mut(agent);
        one.unreachable = false;
        if one.pending == Some(Pending::Busy(BusyReason::PhoneUnavailable)) {
            one.pending = None;
        }
        match state {
            AgentState::Busy(BusyReason::PhoneUnavailable) => {
                self.becomes_free(agent, true, ChangeWhy::Registered);
            }
            AgentState::Idle if !self.agents[agent.0 as usize].stands_idle() => {
                self.stand_idle(agent);
                self.match_agent(agent);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn unreachable(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        let one = self.live_agent(agent)?;
        let idle = one.state == State::Idle && one.device == Device::Softphone;
        self.agent_mut(agent).unreachable = true;
        if idle {
            self.stand_down(agent);
        }
        Ok(())
    }

    pub(crate) fn unregistered(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        self.live_agent(agent)?;
        self.agent_mut(agent).unreachable = false;
        let one = self.live_agent(agent)?;
        let signs_out_anyway = matches!(one.pending, Some(Pending::SignOut(_)));
        if one.state == State::SignedOut || one.device != Device::Softphone || signs_out_anyway {
            return Ok(());
        }
        let to = match self.config.settings.lost_registration {
            LostRegistration::SignedOut => Pending::SignOut(ChangeWhy::RegistrationLost),
            LostRegistration::Busy => match one.state {
                // It takes no calls anyway, and says why.
                State::Busy(_) | State::Rest(_) => return Ok(()),
                _ => Pending::Busy(BusyReason::PhoneUnavailable),
            },
        };
        self.leave(agent, to, WithdrawWhy::RegistrationLost);
        Ok(())
    }

    fn signed_in(&self, agent: AgentRef) -> Result<AgentState, Refusal> {
        match self.live_agent(agent)?.name() {
            AgentState::SignedOut => Err(Refusal::NotSignedIn),
            state => Ok(state),
        }
    }
}
