//! One agent: its state and what hangs on it.

use crate::config::Config;
use crate::ids::{AgentRef, CallRef, OfferId, QueueRef, Session};
use crate::queue::{Membership, Rank};
use crate::state::{AgentState, AgentStatus, BusyReason, ChangeWhy, Device, Rest};
use crate::timers::TimerKey;
use hotline_base::{Mono, Now, Wall};
use std::sync::Arc;

/// An agent's own data; who changes it is [`crate::routing::Routing`].
#[derive(Debug)]
pub(crate) struct Agent {
    /// Where it stands in the configuration's list; `None` once removed.
    pub(crate) index: Option<u32>,
    /// The employee ID as a number, for the linear distribution.
    pub(crate) id_number: u64,
    pub(crate) state: State,
    /// Taken when the call ends.
    pub(crate) pending: Option<Pending>,
    pub(crate) memberships: Vec<Membership>,
    /// The queues of `memberships`, to be handed out.
    pub(crate) queues: Arc<[QueueRef]>,
    pub(crate) session: Option<Session>,
    pub(crate) device: Device,
    pub(crate) unanswered: u8,
    pub(crate) rank: Rank,
    /// Calls of its own that run.
    pub(crate) dials: u16,
    /// Left alone after a rejection until then.
    pub(crate) left_alone: Option<TimerKey>,
    /// How many times [`crate::limits::TRY_AGAIN`] it was left alone last for want of a resource.
    pub(crate) lacked: u32,
    /// Its softphone has contacts, but none that can be reached.
    pub(crate) unreachable: bool,
    /// In a call that its phone holds.
    pub(crate) holding: bool,
}

/// The state with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    SignedOut,
    Idle,
    Busy(BusyReason),
    Rest(Rest),
    Offered(OfferId),
    Talking(Talk),
    WrapUp { timer: TimerKey, queue: QueueRef },
}

/// What an agent in `talking` is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// It answered this offer; the announcement runs.
    Answered(OfferId),
    /// Connected to a caller.
    Connected { call: CallRef, queue: Option<QueueRef> },
    /// In a call of its own.
    Dialling,
}

/// A state asked for during a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    Busy(BusyReason),
    Rest(Rest),
    SignOut(ChangeWhy),
    /// Idle at once, without wrap-up.
    NoWrapUp,
}

impl State {
    /// The state's name; that a call is held is known by the agent ([`Agent::name`]).
    fn name(&self) -> AgentState {
        match self {
            State::SignedOut => AgentState::SignedOut,
            State::Idle => AgentState::Idle,
            State::Busy(reason) => AgentState::Busy(*reason),
            State::Rest(_) => AgentState::Rest,
            State::Offered(_) => AgentState::Offered,
            State::Talking(_) => AgentState::Talking,
            State::WrapUp { .. } => AgentState::WrapUp,
        }
    }
}

impl Agent {
    pub(crate) fn new(index: u32, employee_id: &str) -> Agent {
        Agent {
            index: Some(index),
            id_number: employee_id.parse().unwrap_or(u64::MAX),
            state: State::SignedOut,
            pending: None,
            memberships: Vec::new(),
            queues: Arc::from([]),
            session: None,
            device: Device::Softphone,
            unanswered: 0,
            rank: Rank::default(),
            dials: 0,
            left_alone: None,
            lacked: 0,
            unreachable: false,
            holding: false,
        }
    }

    /// Its state by name.
    pub(crate) fn name(&self) -> AgentState {
        match self.state.name() {
            AgentState::Talking if self.holding => AgentState::Holding,
            name => name,
        }
    }

    /// Its settings; `None` once removed.
    pub(crate) fn settings<'a>(&self, config: &'a Config) -> Option<&'a crate::config::Agent> {
        config.agents.get(self.index? as usize)
    }

    /// Whether a call may be offered to it.
    pub(crate) fn may_be_offered(&self) -> bool {
        let reached = !self.unreachable || self.device != Device::Softphone;
        self.state == State::Idle && self.left_alone.is_none() && self.index.is_some() && reached
    }

    /// Whether it stands among the idle of its queues.
    pub(crate) fn stands_idle(&self) -> bool {
        self.memberships.iter().any(|membership| membership.key.is_some())
    }

    /// All there is to know of it. `delivered_by` of an offer is known by the caller.
    pub(crate) fn status(&self, me: AgentRef, now: Now, offer_of: Option<QueueRef>) -> AgentStatus {
        let since = Mono(u64::try_from(self.rank.since_ns).unwrap_or(0));
        let before_origin_us = self.rank.since_ns.min(0) / 1_000;
        let ranked = !matches!(self.state, State::SignedOut | State::Busy(_) | State::Rest(_));
        AgentStatus {
            agent: me,
            state: self.name(),
            rest: match &self.state {
                State::Rest(rest) => Some(rest.clone()),
                _ => None,
            },
            queues: Arc::clone(&self.queues),
            session: self.session,
            device: self.device,
            unanswered: self.unanswered,
            idle_since: ranked.then(|| Wall(now.wall_at(since).0.saturating_add(before_origin_us))),
            until: match (&self.state, self.left_alone) {
                (State::WrapUp { timer, .. }, _) => Some(now.wall_at(timer.at())),
                (State::Idle, Some(timer)) => Some(now.wall_at(timer.at())),
                _ => None,
            },
            delivered_by: match self.state {
                State::Talking(Talk::Connected { queue, .. }) => queue,
                State::WrapUp { queue, .. } => Some(queue),
                State::Offered(_) | State::Talking(Talk::Answered(_)) => offer_of,
                _ => None,
            },
        }
    }
}
