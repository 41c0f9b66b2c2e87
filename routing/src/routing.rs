//! [`Routing`]: the façade of one tenant's routing. Inputs in, outputs polled out.

use crate::agent::{Agent, State};
use crate::config::Config;
use crate::ids::{AgentRef, CallRef, OfferId, QueueRef};
use crate::input::Input;
use crate::limits;
use crate::output::{Output, OverflowWhy, Place, Refusal, Request};
use crate::queue::Queue;
use crate::route::Routes;
use crate::state::ChangeWhy;
use crate::timers::{TimerKey, Timers, Why};
use compact_str::CompactString;
use hotline_base::{Mono, Now, Rng, SecretMap};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// One tenant's routing: its queues, agents and offers. See the crate for how it is driven.
#[derive(Debug)]
pub struct Routing {
    pub(crate) config: Arc<Config>,
    pub(crate) routes: Routes,
    pub(crate) queues: Vec<Queue>,
    pub(crate) queue_names: BTreeMap<CompactString, QueueRef>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) agent_ids: BTreeMap<CompactString, AgentRef>,
    pub(crate) calls: SecretMap<CallRef, Call>,
    /// Numbered by us; a hashed map of them would grow at some offer, which would wait for it.
    pub(crate) offers: BTreeMap<OfferId, Offer>,
    pub(crate) timers: Timers,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) now: Now,
    pub(crate) frozen: bool,
    pub(crate) explains: bool,
    pub(crate) last_offer: u64,
    pub(crate) last_arrival: u64,
    pub(crate) last_rank: u64,
}

/// A caller who waits, is offered, or hears the announcement.
#[derive(Debug)]
pub(crate) struct Call {
    /// `None`: for one agent.
    pub(crate) queue: Option<QueueRef>,
    pub(crate) place: Place,
    pub(crate) priority: u8,
    pub(crate) hops: u8,
    /// Drafts are there for it.
    pub(crate) test: bool,
    pub(crate) queued_at: Mono,
    pub(crate) offer: Option<OfferId>,
    pub(crate) timer: Option<TimerKey>,
    /// Leaves the queue for this reason as soon as the running offer has failed.
    pub(crate) leaving: Option<OverflowWhy>,
    /// Is offered to nobody until then, although it has no offer.
    pub(crate) pause: Option<TimerKey>,
}

/// An offer that rings or was answered and is not yet connected.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) call: CallRef,
    pub(crate) agent: AgentRef,
    pub(crate) queue: Option<QueueRef>,
    /// Runs while it rings.
    pub(crate) timer: Option<TimerKey>,
}

impl Routing {
    /// Routing for a tenant whose agents are all signed out. The configuration should be without
    /// errors by [`Config::validate`]; what it refers to and does not hold is passed over.
    pub fn new(now: Now, config: Arc<Config>, rng: &mut Rng) -> Routing {
        let mut routing = Routing {
            config: Arc::default(),
            routes: Routes::default(),
            queues: Vec::new(),
            queue_names: BTreeMap::new(),
            agents: Vec::new(),
            agent_ids: BTreeMap::new(),
            calls: SecretMap::new(rng),
            offers: BTreeMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            now,
            frozen: false,
            explains: false,
            last_offer: 0,
            last_arrival: 0,
            last_rank: 0,
        };
        routing.configure(now, config);
        routing
    }

    /// Something happened. Drain [`Routing::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        let (request, done) = match input {
            Input::Arrived { call, queue, priority, hops, test } => {
                (Request::Arrived(call), self.arrived(call, queue, priority, hops, test))
            }
            Input::ArrivedForAgent { call, agent } => {
                (Request::ArrivedForAgent(call), self.arrived_for_agent(call, agent))
            }
            Input::CallerGone { call } => (Request::CallerGone(call), self.caller_gone(call)),
            Input::Answered { offer } => (Request::Answered(offer), self.answered(offer)),
            Input::Connected { offer } => (Request::Connected(offer), self.connected(offer)),
            Input::OfferFailed { offer, why } => {
                (Request::OfferFailed(offer), self.offer_failed(offer, why))
            }
            Input::SetPriority { call, priority } => {
                (Request::SetPriority(call), self.set_priority(call, priority))
            }
            Input::Holds { agent, holding } => (Request::Holds(agent), self.holds(agent, holding)),
            Input::CallEnded { agent, call } => {
                (Request::CallEnded(agent, call), self.call_ended(agent, call))
            }
            Input::SignIn { agent, queues, force, session, device } => (
                Request::SignIn(agent, session),
                self.sign_in(agent, &queues, force, session, device, ChangeWhy::SignedIn),
            ),
            Input::TakesCallsOn { agent, device } => {
                (Request::TakesCallsOn(agent), self.takes_calls_on(agent, device))
            }
            Input::SignOut { agent } => (Request::SignOut(agent), self.asks_sign_out(agent)),
            Input::Idle { agent } => (Request::Idle(agent), self.asks_idle(agent)),
            Input::Busy { agent, reason } => (Request::Busy(agent), self.asks_busy(agent, reason)),
            Input::Rest { agent, rest } => (Request::Rest(agent), self.asks_rest(agent, rest)),
            Input::EndWrapUp { agent } => (Request::EndWrapUp(agent), self.end_wrap_up(agent)),
            Input::ExtendWrapUp { agent, by_s } => {
                (Request::ExtendWrapUp(agent), self.extend_wrap_up(agent, by_s))
            }
            Input::Registered { agent, session } => {
                (Request::Registered(agent), self.registered(agent, session))
            }
            Input::Reachable { agent } => (Request::Reachable(agent), self.reachable(agent)),
            Input::Unreachable { agent } => (Request::Unreachable(agent), self.unreachable(agent)),
            Input::Unregistered { agent } => {
                (Request::Unregistered(agent), self.unregistered(agent))
            }
            Input::DialsOut { agent } => (Request::DialsOut(agent), self.dials_out(agent)),
            Input::DialEnded { agent } => (Request::DialEnded(agent), self.dial_ended(agent)),
            Input::Expire => return self.expire(),
            Input::Restore { agents } => return self.restore(agents),
            Input::Freeze(frozen) => return self.freeze(frozen),
        };
        if let Err(why) = done {
            self.outputs.push_back(Output::Refused { request, why });
        }
    }

    /// The next thing to do or to know; `None` when all is drained.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Expire`] is to be handed in next, and why.
    pub fn deadline(&self) -> Option<(Mono, Why)> {
        self.timers.first()
    }

    /// Whether decisions are explained ([`Output::Explained`]); off at first.
    pub fn explain(&mut self, on: bool) {
        self.explains = on;
    }

    fn expire(&mut self) {
        // What is set while this step runs waits for the next one, so that a step always ends.
        let before = self.timers.mark();
        for _ in 0..limits::EXPIRE_SLICE_MAX {
            let Some(why) = self.timers.due(self.now.mono, before) else { return };
            match why {
                Why::OfferTime(offer) => self.offer_time_over(offer),
                Why::WaitingTime(call) => self.waiting_time_over(call),
                Why::WrapUp(agent) => self.wrap_up_over(agent),
                Why::LeftAlone(agent) => self.left_alone_over(agent),
                Why::TryAgain(call) => self.try_again(call),
                Why::Drain(queue) => self.drain(queue),
                Why::Match(queue) => self.match_queue(queue),
            }
        }
    }

    fn freeze(&mut self, frozen: bool) {
        let thaws = self.frozen && !frozen;
        self.frozen = frozen;
        if !thaws {
            return;
        }
        let mut queues: Vec<QueueRef> = (0..self.queues.len() as u32).map(QueueRef).collect();
        queues.retain(|queue| {
            self.queue_of(*queue).is_some_and(|q| !q.waiting.is_empty() && !q.idle.is_empty())
        });
        queues.sort_by_key(|queue| {
            std::cmp::Reverse(self.queue_of(*queue).map_or(0, |q| q.settings.weight))
        });
        for queue in queues {
            self.timers.set(self.now.mono, Why::Match(queue));
        }
    }

    pub(crate) fn queue_of(&self, queue: QueueRef) -> Option<&Queue> {
        self.queues.get(queue.0 as usize)
    }

    pub(crate) fn queue_mut(&mut self, queue: QueueRef) -> Option<&mut Queue> {
        self.queues.get_mut(queue.0 as usize)
    }

    /// An agent of the present configuration.
    pub(crate) fn live_agent(&self, agent: AgentRef) -> Result<&Agent, Refusal> {
        self.agents
            .get(agent.0 as usize)
            .filter(|found| found.index.is_some())
            .ok_or(Refusal::UnknownAgent)
    }

    /// An agent by a reference that routing itself holds.
    pub(crate) fn agent_mut(&mut self, agent: AgentRef) -> &mut Agent {
        &mut self.agents[agent.0 as usize]
    }

    /// Changes an agent's state and tells of it.
    pub(crate) fn set_state(&mut self, agent: AgentRef, state: State, why: ChangeWhy) {
        let (before, from, to) = {
            let one = self.agent_mut(agent);
            let from = one.name();
            let before = std::mem::replace(&mut one.state, state);
            one.holding &= matches!(one.state, State::Talking(_));
            (before, from, one.name())
        };
        if let State::WrapUp { timer, .. } = before {
            let kept = matches!(&self.agents[agent.0 as usize].state,
                State::WrapUp { timer: now, .. } if *now == timer);
            if !kept {
                self.timers.cancel(Some(timer));
            }
        }
        debug_assert!(possible(from, to), "{from:?} → {to:?}");
        self.tell_change(agent, from, why);
    }

    /// Tells of an agent's present state.
    pub(crate) fn tell_change(
        &mut self,
        agent: AgentRef,
        from: crate::state::AgentState,
        why: ChangeWhy,
    ) {
        if let Some(status) = self.agent_status(agent) {
            let at = self.now.wall;
            self.outputs.push_back(Output::AgentChanged { from, status, why, at });
        }
    }
}

/// Whether a state may follow another: the order of states with what is asked for.
fn possible(from: crate::state::AgentState, to: crate::state::AgentState) -> bool {
    use crate::state::AgentState::{
        Busy, Holding, Idle, Offered, Rest, SignedOut, Talking, WrapUp,
    };
    match (from, to) {
        (_, SignedOut | Busy(_) | Rest) => from != SignedOut || to == SignedOut,
        (_, Idle | Talking) => true,
        (Idle, Offered) => true,
        (Talking | Holding | WrapUp, WrapUp) => true,
        (Talking | Holding, Holding) => true,
        (_, Offered | WrapUp | Holding) => false,
    }
}
