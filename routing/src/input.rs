//! What happens to routing: [`Input`].

use crate::ids::{AgentRef, CallRef, OfferId, QueueRef, Session};
use crate::state::{Device, Rest, RestoredAgent};

/// One thing that happened, handed to [`crate::Routing::handle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A caller is to wait in a queue (from a route, a flow or a transfer). Answered by `Queued`,
    /// `Overflow` or `TooManyHops`, perhaps with `Moved` before.
    Arrived {
        /// The caller's call; not yet known to routing.
        call: CallRef,
        /// Where to.
        queue: QueueRef,
        /// 0–100, most urgent highest.
        priority: u8,
        /// Moves by overflow it has made already, to queues and flows.
        hops: u8,
        /// A test call: drafts are there for it.
        test: bool,
    },
    /// A caller is to reach one agent, now. Answered by `Offer` or `AgentUnavailable`.
    ArrivedForAgent {
        /// The caller's call; not yet known to routing.
        call: CallRef,
        /// Whom.
        agent: AgentRef,
    },
    /// A caller who waits, is offered or hears the announcement hung up or was taken elsewhere.
    CallerGone {
        /// The call.
        call: CallRef,
    },
    /// A caller who waits or is offered is more or less urgent from now on. It keeps its order of
    /// arrival among those of its new priority.
    SetPriority {
        /// The call.
        call: CallRef,
        /// 0–100, most urgent highest.
        priority: u8,
    },
    /// The agent's 200 OK: the moment of answering.
    Answered {
        /// The offer.
        offer: OfferId,
    },
    /// Caller and agent are connected, after the announcement. The caller leaves the queue here.
    Connected {
        /// The offer.
        offer: OfferId,
    },
    /// An offer came to nothing. (An offer whose time is over fails by itself.)
    OfferFailed {
        /// The offer.
        offer: OfferId,
        /// Why.
        why: OfferFailure,
    },
    /// The agent's part in a connected call is over (also after it transferred the caller):
    /// wrap-up begins.
    CallEnded {
        /// The agent.
        agent: AgentRef,
        /// The call it was in.
        call: CallRef,
    },
    /// The agent's phone holds its call, or holds it no longer.
    Holds {
        /// The agent.
        agent: AgentRef,
        /// Whether it holds now.
        holding: bool,
    },
    /// An agent signs in and becomes idle.
    SignIn {
        /// Who.
        agent: AgentRef,
        /// To which queues.
        queues: Queues,
        /// Take over from another session.
        force: bool,
        /// Who signs it in.
        session: Session,
        /// On what it takes calls.
        device: Device,
    },
    /// An agent that is signed in takes its calls on another device from now on, in the same
    /// session and state: its held line was cut, and it is rung instead.
    TakesCallsOn {
        /// Who.
        agent: AgentRef,
        /// On what.
        device: Device,
    },
    /// An agent signs out.
    SignOut {
        /// Who.
        agent: AgentRef,
    },
    /// An agent wants calls.
    Idle {
        /// Who.
        agent: AgentRef,
    },
    /// An agent wants no calls, or is forced to have none.
    Busy {
        /// Who.
        agent: AgentRef,
        /// Chosen or forced by somebody.
        reason: crate::state::BusyReason,
    },
    /// An agent rests.
    Rest {
        /// Who.
        agent: AgentRef,
        /// Why and for how long.
        rest: Rest,
    },
    /// An agent is done with wrap-up; during a call: will need none after it.
    EndWrapUp {
        /// Who.
        agent: AgentRef,
    },
    /// An agent needs longer for wrap-up.
    ExtendWrapUp {
        /// Who.
        agent: AgentRef,
        /// How much longer, seconds; never more than 3600 from now in all.
        by_s: u32,
    },
    /// An agent's bindings went from none to one (not for a refresh, not when restored).
    Registered {
        /// Who.
        agent: AgentRef,
        /// The registration as a session.
        session: Session,
    },
    /// An agent's phone can be reached (again): a new contact, or one that moved or has come back.
    /// Lifts busy (phone_unavailable) and [`Input::Unreachable`]; never signs anybody in.
    Reachable {
        /// Who.
        agent: AgentRef,
    },
    /// An agent has contacts, but none that can be reached, as after a restart: nothing is offered
    /// to its softphone until `Reachable`. It keeps its state and its rank.
    Unreachable {
        /// Who.
        agent: AgentRef,
    },
    /// An agent's bindings went from one to none.
    Unregistered {
        /// Who.
        agent: AgentRef,
    },
    /// An agent dials or is in an inner or outbound call; counted, each with its `DialEnded`.
    DialsOut {
        /// Who.
        agent: AgentRef,
    },
    /// A call an agent dialled ended.
    DialEnded {
        /// Who.
        agent: AgentRef,
    },
    /// Something is due: see [`crate::Routing::deadline`].
    Expire,
    /// The states of agents before a restart; before anything else.
    Restore {
        /// The agents.
        agents: Vec<RestoredAgent>,
    },
    /// While frozen nothing is offered; offers that run go on.
    Freeze(bool),
}

/// To which queues an agent signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queues {
    /// All of its queues.
    All,
    /// These, out of its queues. An agent with `queue_sign_in = "automatic"` takes all anyway.
    Listed(Vec<QueueRef>),
}

/// Why an offer came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferFailure {
    /// It rang without answer (408 after ringing, the phone's own limit).
    NoAnswer,
    /// Declined (486, 600, 603, or a button).
    Rejected,
    /// The phone could not be reached (480, 503, transport failure, no binding).
    PhoneUnavailable,
    /// Answered, but gone before connected.
    AgentGone,
    /// Nothing was rung: a resource of ours is missing for the moment. The agent keeps its rank
    /// and the caller its place; both are left alone for [`crate::limits::TRY_AGAIN`].
    NoCapacity,
}
