//! Who is offered whom, and what becomes of an offer.
//!
//! The invariant kept here: unless frozen, no caller waits in a queue in which an agent stands
//! idle. So each event has at most one match to look for: the first caller of one queue with its
//! first idle agent, or one agent with the first callers of its queues.
//!
//! ```text
//! Offer ── Answered ── Connected ── (CallEnded)
//!   │          └── AgentGone, CallerGone
//!   └── NoAnswer, Rejected, PhoneUnavailable, CallerGone, withdrawn
//! ```

use crate::agent::{State, Talk};
use crate::ids::{AgentRef, CallRef, OfferId, QueueRef};
use crate::input::OfferFailure;
use crate::limits;
use crate::output::{Output, Place, Refusal, Unavailable, WithdrawWhy};
use crate::routing::{Call, Offer, Routing};
use crate::state::{AgentState, BusyReason, ChangeWhy, Device};
use crate::timers::Why;
use std::cmp::Reverse;
use std::time::Duration;

impl Routing {
    /// Offers the callers of a queue to its idle agents while there are both.
    pub(crate) fn match_queue(&mut self, queue: QueueRef) {
        for _ in 0..limits::MATCH_SLICE_MAX {
            let Some(one) = self.queue_of(queue) else { return };
            let Some((_, &call)) = one.waiting.first_key_value() else { return };
            let best = one.idle.first().map(|key| key.agent).filter(|_| !self.frozen);
            let Some(agent) = best else {
                self.explain_call(queue, call, None);
                return;
            };
            // The agent may have a better caller in another of its queues, after a thaw.
            match self.best_for(agent) {
                Some((better, other)) if other != call => {
                    self.explain_agent(agent, Some((better, other)));
                    self.offer(other, agent, Some(better));
                }
                _ => {
                    self.explain_call(queue, call, Some(agent));
                    self.offer(call, agent, Some(queue));
                }
            }
        }
        let both =
            self.queue_of(queue).is_some_and(|q| !q.waiting.is_empty() && !q.idle.is_empty());
        if both {
            self.timers.set(self.now.mono, Why::Match(queue));
        }
    }

    /// Offers an idle agent the best caller of its queues.
    pub(crate) fn match_agent(&mut self, agent: AgentRef) {
        if self.frozen || !self.agents[agent.0 as usize].stands_idle() {
            return;
        }
        let best = self.best_for(agent);
        self.explain_agent(agent, best);
        if let Some((queue, call)) = best {
            self.offer(call, agent, Some(queue));
        }
    }

    /// By weight of the queue, then by priority and wait, which a place holds.
    fn best_for(&self, agent: AgentRef) -> Option<(QueueRef, CallRef)> {
        let mut best: Option<((Reverse<u32>, Place), QueueRef, CallRef)> = None;
        for membership in &self.agents[agent.0 as usize].memberships {
            let Some(queue) = self.queue_of(membership.queue) else { continue };
            let Some((&place, &call)) = queue.waiting.first_key_value() else { continue };
            let order = (Reverse(queue.settings.weight), place);
            if best.as_ref().is_none_or(|(least, _, _)| order < *least) {
                best = Some((order, membership.queue, call));
            }
        }
        best.map(|(_, queue, call)| (queue, call))
    }

    pub(crate) fn arrived_for_agent(
        &mut self,
        call: CallRef,
        agent: AgentRef,
    ) -> Result<(), Refusal> {
        if self.calls.contains_key(&call) {
            return Err(Refusal::KnownCall);
        }
        if self.calls.len() >= limits::CALLS_MAX {
            return Err(Refusal::TooManyCalls);
        }
        let why = match self.live_agent(agent) {
            Err(_) => Some(Unavailable::Unknown),
            Ok(one) if one.state == State::SignedOut => Some(Unavailable::SignedOut),
            Ok(one) if !one.may_be_offered() => Some(Unavailable::NotIdle(one.name())),
            Ok(_) if self.frozen => Some(Unavailable::Frozen),
            Ok(_) => None,
        };
        if let Some(why) = why {
            self.outputs.push_back(Output::AgentUnavailable { call, agent, why });
            return Ok(());
        }
        self.calls.insert(
            call,
            Call {
                queue: None,
                place: Place { urgency: 0, arrival: 0 },
                priority: 0,
                hops: 0,
                test: false,
                queued_at: self.now.mono,
                offer: None,
                timer: None,
                leaving: None,
                pause: None,
            },
        );
        self.offer(call, agent, None);
        Ok(())
    }

    fn offer(&mut self, call: CallRef, agent: AgentRef, queue: Option<QueueRef>) {
        debug_assert!(self.agents[agent.0 as usize].may_be_offered(), "offer to one not idle");
        self.last_offer += 1;
        let offer = OfferId(self.last_offer);
        let Some(one) = self.calls.get_mut(&call) else { return };
        debug_assert!(one.offer.is_none(), "one offer per call");
        one.offer = Some(offer);
        let place = one.place;
        let mobile = self.agents[agent.0 as usize].device == Device::Mobile;
        let mut offer_time_s = match mobile {
            true => limits::AGENT_CALL_MOBILE_OFFER_TIME_S,
            false => limits::AGENT_CALL_OFFER_TIME_S,
        };
        self.stand_down(agent);
        if let Some(from) = queue
            && let Some(one) = self.queues.get_mut(from.0 as usize)
        {
            one.waiting.remove(&place);
            one.offered.insert(place, call);
            one.turn += 1;
            let turn = one.turn;
            let settings = &one.settings;
            offer_time_s = u64::from(match mobile {
                true => settings.mobile_offer_time_s,
                false => settings.offer_time_s,
            });
            let memberships = &mut self.agents[agent.0 as usize].memberships;
            if let Some(membership) = memberships.iter_mut().find(|m| m.queue == from) {
                membership.last_turn = turn;
            }
        }
        let offer_time = Duration::from_secs(offer_time_s);
        let timer = Some(self.timers.set(self.now.mono + offer_time, Why::OfferTime(offer)));
        self.offers.insert(offer, Offer { call, agent, queue, timer });
        self.set_state(agent, State::Offered(offer), ChangeWhy::Offered);
        self.outputs.push_back(Output::Offer { offer, call, agent, queue, offer_time });
    }

    pub(crate) fn answered(&mut self, offer: OfferId) -> Result<(), Refusal> {
        let Some(one) = self.offers.get_mut(&offer) else { return Err(Refusal::DeadOffer) };
        let Some(timer) = one.timer.take() else { return Err(Refusal::AnsweredAlready) };
        let agent = one.agent;
        self.timers.cancel(Some(timer));
        let one = self.agent_mut(agent);
        (one.unanswered, one.lacked) = (0, 0);
        self.set_state(agent, State::Talking(Talk::Answered(offer)), ChangeWhy::Answered);
        Ok(())
    }

    pub(crate) fn connected(&mut self, offer: OfferId) -> Result<(), Refusal> {
        match self.offers.get(&offer) {
            None => return Err(Refusal::DeadOffer),
            Some(one) if one.timer.is_some() => return Err(Refusal::NotAnswered),
            Some(_) => {}
        }
        let Some(Offer { call, agent, queue, .. }) = self.offers.remove(&offer) else {
            return Err(Refusal::DeadOffer);
        };
        self.forget_call(call);
        // The state's name stays what it is, so there is nothing to tell.
        self.agent_mut(agent).state = State::Talking(Talk::Connected { call, queue });
        Ok(())
    }

    pub(crate) fn offer_failed(
        &mut self,
        offer: OfferId,
        why: OfferFailure,
    ) -> Result<(), Refusal> {
        let Some(one) = self.offers.get(&offer) else { return Err(Refusal::DeadOffer) };
        let why = match (why, one.timer.is_some()) {
            (OfferFailure::AgentGone, true) => return Err(Refusal::NotAnswered),
            // After the answer only one thing is left to fail.
            (OfferFailure::NoAnswer | OfferFailure::Rejected, false) => OfferFailure::AgentGone,
            (why, _) => why,
        };
        let unavailable = match why {
            OfferFailure::NoAnswer => Unavailable::NoAnswer,
            OfferFailure::Rejected | OfferFailure::AgentGone => Unavailable::Rejected,
            OfferFailure::PhoneUnavailable => Unavailable::PhoneUnavailable,
            OfferFailure::NoCapacity => return self.lacked_capacity(offer),
        };
        let Some(agent) = self.end_offer(offer, unavailable) else { return Ok(()) };
        match why {
            OfferFailure::NoAnswer => self.did_not_answer(agent),
            OfferFailure::Rejected => self.leave_alone(agent, ChangeWhy::Rejected),
            OfferFailure::AgentGone => self.leave_alone(agent, ChangeWhy::AgentGone),
            OfferFailure::PhoneUnavailable | OfferFailure::NoCapacity => {
                self.phone_unavailable(agent);
            }
        }
        Ok(())
    }

    /// Nobody was rung: the caller stays where it is for a moment and the agent keeps its rank.
    fn lacked_capacity(&mut self, offer: OfferId) -> Result<(), Refusal> {
        let Some(one) = self.offers.remove(&offer) else { return Err(Refusal::DeadOffer) };
        let Offer { call, agent, queue, timer } = one;
        self.timers.cancel(timer);
        let again = self.now.mono + limits::TRY_AGAIN;
        let leaving = self.calls.get_mut(&call).is_some_and(|one| {
            one.offer = None;
            one.leaving.is_some()
        });
        if queue.is_none() {
            self.forget_call(call);
            let why = Unavailable::NoCapacity;
            self.outputs.push_back(Output::AgentUnavailable { call, agent, why });
        } else if leaving {
            self.back_to_place(call);
        } else {
            // Among the offered it keeps its place and is offered to nobody.
            let pause = self.timers.set(again, Why::TryAgain(call));
            if let Some(one) = self.calls.get_mut(&call) {
                one.pause = Some(pause);
            }
        }
        let one = self.agent_mut(agent);
        one.lacked = (2 * one.lacked).clamp(1, limits::TRY_AGAIN_TIMES_MAX);
        let alone = limits::TRY_AGAIN * one.lacked;
        let pause = self.timers.set(self.now.mono + alone, Why::LeftAlone(agent));
        let before = self.agent_mut(agent).left_alone.replace(pause);
        self.timers.cancel(before);
        self.becomes_free(agent, false, ChangeWhy::NoCapacity);
        Ok(())
    }

    pub(crate) fn try_again(&mut self, call: CallRef) {
        if let Some(one) = self.calls.get_mut(&call) {
            one.pause = None;
            self.back_to_place(call);
        }
    }

    pub(crate) fn offer_time_over(&mut self, offer: OfferId) {
        if let Some(agent) = self.withdraw(offer, WithdrawWhy::NoAnswer) {
            self.did_not_answer(agent);
        }
    }

    /// Withdraws an offer from its agent and puts the caller back; the agent's next state is for
    /// who calls this.
    pub(crate) fn withdraw(&mut self, offer: OfferId, why: WithdrawWhy) -> Option<AgentRef> {
        let &Offer { call, agent, .. } = self.offers.get(&offer)?;
        self.outputs.push_back(Output::Withdraw { offer, call, agent, why });
        let unavailable = match why {
            WithdrawWhy::NoAnswer => Unavailable::NoAnswer,
            _ => Unavailable::Withdrawn,
        };
        self.end_offer(offer, unavailable)
    }

    /// Ends an offer that failed: the caller goes back to its place, and to another agent if one is
    /// idle, before the agent that failed it is looked at again.
    fn end_offer(&mut self, offer: OfferId, why: Unavailable) -> Option<AgentRef> {
        let Offer { call, agent, queue, timer } = self.offers.remove(&offer)?;
        self.timers.cancel(timer);
        self.agent_mut(agent).lacked = 0;
        if queue.is_some() {
            self.back_to_place(call);
        } else {
            self.forget_call(call);
            self.outputs.push_back(Output::AgentUnavailable { call, agent, why });
        }
        Some(agent)
    }

    fn did_not_answer(&mut self, agent: AgentRef) {
        let limit = self.config.settings.no_answer_limit;
        let one = self.agent_mut(agent);
        one.unanswered = one.unanswered.saturating_add(1);
        if one.unanswered >= limit {
            // Used up: when the agent asks for calls again it has all its tries again.
            one.unanswered = 0;
            self.set_state(agent, State::Busy(BusyReason::NoAnswer), ChangeWhy::NoAnswer);
        } else {
            self.becomes_free(agent, true, ChangeWhy::NoAnswer);
        }
    }

    fn phone_unavailable(&mut self, agent: AgentRef) {
        let why = ChangeWhy::PhoneUnavailable;
        if self.agents[agent.0 as usize].pending.is_some() {
            self.becomes_free(agent, true, why);
        } else {
            self.set_state(agent, State::Busy(BusyReason::PhoneUnavailable), why);
        }
    }

    fn leave_alone(&mut self, agent: AgentRef, why: ChangeWhy) {
        let pause = Duration::from_secs(u64::from(self.config.settings.rejection_pause_s));
        if !pause.is_zero() {
            let timer = self.timers.set(self.now.mono + pause, Why::LeftAlone(agent));
            let before = self.agent_mut(agent).left_alone.replace(timer);
            self.timers.cancel(before);
        }
        self.becomes_free(agent, true, why);
    }

    pub(crate) fn left_alone_over(&mut self, agent: AgentRef) {
        self.agent_mut(agent).left_alone = None;
        self.stand_idle(agent);
        self.match_agent(agent);
    }

    pub(crate) fn caller_gone(&mut self, call: CallRef) -> Result<(), Refusal> {
        let Some(one) = self.forget_call(call) else { return Err(Refusal::UnknownCall) };
        let Some(offer) = one.offer else { return Ok(()) };
        let Some(Offer { agent, queue, timer, .. }) = self.offers.remove(&offer) else {
            debug_assert!(false, "a call held an offer that is gone");
            return Ok(());
        };
        let why = WithdrawWhy::CallerGone;
        self.outputs.push_back(Output::Withdraw { offer, call, agent, why });
        if timer.is_some() {
            self.timers.cancel(timer);
            self.becomes_free(agent, false, ChangeWhy::CallerGone);
        } else {
            // It was answered: a call of the queue has ended for this agent.
            self.after_call(agent, queue, ChangeWhy::CallerGone);
        }
        Ok(())
    }

    pub(crate) fn call_ended(&mut self, agent: AgentRef, call: CallRef) -> Result<(), Refusal> {
        let one = self.agents.get(agent.0 as usize).ok_or(Refusal::UnknownAgent)?;
        match one.state {
            State::Talking(Talk::Connected { call: in_call, queue }) if in_call == call => {
                self.after_call(agent, queue, ChangeWhy::CallEnded);
                Ok(())
            }
            State::Talking(_) => Err(Refusal::UnknownCall),
            _ => Err(Refusal::State(one.name())),
        }
    }

    /// A call has ended for an agent: what it asked for meanwhile, else wrap-up of the queue that
    /// delivered the call, else idle.
    fn after_call(&mut self, agent: AgentRef, queue: Option<QueueRef>, why: ChangeWhy) {
        let wrap_up = queue.and_then(|queue| {
            let wrap_up_s = self.queue_of(queue)?.settings.wrap_up_s;
            (wrap_up_s > 0).then_some((queue, wrap_up_s))
        });
        match wrap_up {
            Some((queue, wrap_up_s)) if self.agents[agent.0 as usize].pending.is_none() => {
                let over = self.now.mono + Duration::from_secs(u64::from(wrap_up_s));
                let timer = self.timers.set(over, Why::WrapUp(agent));
                self.set_state(agent, State::WrapUp { timer, queue }, why);
            }
            _ => self.becomes_free(agent, true, why),
        }
    }

    pub(crate) fn wrap_up_over(&mut self, agent: AgentRef) {
        debug_assert_eq!(self.agents[agent.0 as usize].name(), AgentState::WrapUp);
        self.becomes_free(agent, true, ChangeWhy::WrapUpOver);
    }

    /// The agent's phone holds the call it is in, or holds it no longer.
    pub(crate) fn holds(&mut self, agent: AgentRef, holding: bool) -> Result<(), Refusal> {
        let one = self.agents.get_mut(agent.0 as usize).ok_or(Refusal::UnknownAgent)?;
        let from = one.name();
        match one.state {
            State::Talking(_) if one.holding == holding => return Ok(()),
            State::Talking(_) => one.holding = holding,
            _ => return Err(Refusal::State(from)),
        }
        let why = if holding { ChangeWhy::Held } else { ChangeWhy::Resumed };
        self.tell_change(agent, from, why);
        Ok(())
    }

    pub(crate) fn dials_out(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        let state = self.live_agent(agent)?.state.clone();
        let one = self.agent_mut(agent);
        one.dials = one.dials.saturating_add(1);
        match state {
            State::Idle => self.stand_down(agent),
            State::Offered(offer) => {
                self.withdraw(offer, WithdrawWhy::AgentDials);
            }
            _ => return Ok(()),
        }
        self.set_state(agent, State::Talking(Talk::Dialling), ChangeWhy::Dials);
        Ok(())
    }

    pub(crate) fn dial_ended(&mut self, agent: AgentRef) -> Result<(), Refusal> {
        let one = self.agents.get_mut(agent.0 as usize).ok_or(Refusal::UnknownAgent)?;
        if one.dials == 0 {
            return Err(Refusal::State(one.name()));
        }
        one.dials -= 1;
        if one.dials == 0 && one.state == State::Talking(Talk::Dialling) {
            self.becomes_free(agent, false, ChangeWhy::DialEnded);
        }
        Ok(())
    }
}
