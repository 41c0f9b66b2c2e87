//! What routing wants done and known: [`Output`].

use crate::config::Policy;
use crate::explain::Decision;
use crate::ids::{AgentRef, CallRef, OfferId, QueueRef, Session};
use crate::state::{AgentState, AgentStatus, ChangeWhy};
use hotline_base::{Mono, Wall};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One thing to do or to know, polled out of [`crate::Routing::poll`] in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The caller waits.
    Queued {
        /// The call.
        call: CallRef,
        /// Where.
        queue: QueueRef,
        /// Place, counted from 1; callers being offered count.
        position: u32,
        /// The place as stored, for a checkpoint.
        place: Place,
        /// When `on_timeout` falls.
        until: Mono,
    },
    /// Ring this agent for this call.
    Offer {
        /// The offer.
        offer: OfferId,
        /// The caller's call.
        call: CallRef,
        /// Whom to ring.
        agent: AgentRef,
        /// The queue that delivers; `None` for a call to the agent itself.
        queue: Option<QueueRef>,
        /// How long it rings; routing withdraws it then.
        offer_time: Duration,
    },
    /// Stop ringing (CANCEL), or hang the agent up if it has answered.
    Withdraw {
        /// The offer; it is dead from here on.
        offer: OfferId,
        /// The call.
        call: CallRef,
        /// The agent.
        agent: AgentRef,
        /// Why.
        why: WithdrawWhy,
    },
    /// The queue does not keep the caller: perform the policy. Routing has forgotten the call.
    /// (A policy that names a queue is performed by routing itself: `Moved`.)
    Overflow {
        /// The call.
        call: CallRef,
        /// The queue.
        queue: QueueRef,
        /// Why.
        why: OverflowWhy,
        /// Release with a prompt, or a flow.
        policy: Policy,
        /// Moves so far, the one to a flow included; to be given again if the call comes back.
        hops: u8,
    },
    /// The caller moved on to another queue.
    Moved {
        /// The call.
        call: CallRef,
        /// The queue it left.
        from: QueueRef,
        /// The queue it goes to.
        to: QueueRef,
        /// Why.
        why: OverflowWhy,
        /// Moves so far, this one included.
        hops: u8,
    },
    /// The caller was moved too often: release it. Routing has forgotten the call.
    TooManyHops {
        /// The call.
        call: CallRef,
        /// The queue it was to leave.
        queue: QueueRef,
    },
    /// The agent a call was for cannot take it (480 or 486). Routing has forgotten the call.
    AgentUnavailable {
        /// The call.
        call: CallRef,
        /// The agent.
        agent: AgentRef,
        /// Why.
        why: Unavailable,
    },
    /// An agent's state, queues or session changed.
    AgentChanged {
        /// The state before.
        from: AgentState,
        /// All of it now.
        status: AgentStatus,
        /// Why.
        why: ChangeWhy,
        /// When.
        at: Wall,
    },
    /// To be told to an agent's session.
    AgentTold {
        /// The agent.
        agent: AgentRef,
        /// Which session is told.
        session: Session,
        /// What.
        what: Told,
    },
    /// Why a call was, or was not, offered.
    Explained(Arc<Decision>),
    /// An input was refused; nothing changed.
    Refused {
        /// What was asked for.
        request: Request,
        /// Why not.
        why: Refusal,
    },
}

/// A caller's place in a queue: smaller comes first. Kept in checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Urgency, smaller first: from priority, and age if age raises it.
    pub urgency: i64,
    /// Order of arrival in this tenant.
    pub arrival: u64,
}

/// Why an offer is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawWhy {
    /// The offer time is over.
    NoAnswer,
    /// The caller hung up.
    CallerGone,
    /// The agent dials.
    AgentDials,
    /// The agent asked for another state or signed out.
    AgentLeft,
    /// The agent's registration was lost.
    RegistrationLost,
    /// The agent was removed from the configuration.
    Removed,
}

/// Why a queue does not keep a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverflowWhy {
    /// `max_waiting_time_s` is over.
    Timeout,
    /// Full, or nobody idle.
    Busy,
    /// Nobody is signed in.
    NoAgents,
    /// The queue was removed.
    Removed,
}

/// Why the agent a call was for cannot take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// No such agent (404).
    Unknown,
    /// Not signed in (480).
    SignedOut,
    /// Busy, resting, in a call, in wrap-up or left alone (486).
    NotIdle(AgentState),
    /// Nothing is offered now (503).
    Frozen,
    /// It rang without answer (480).
    NoAnswer,
    /// The agent declined (486), or was gone before connected.
    Rejected,
    /// The phone could not be reached (480).
    PhoneUnavailable,
    /// The agent left while it rang (480).
    Withdrawn,
    /// A resource of ours is missing (503).
    NoCapacity,
}

/// What a session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Another session took over.
    TakenOver,
    /// The request takes effect when the call has ended.
    AfterCall,
}

/// What was asked for, when it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// `Arrived`.
    Arrived(CallRef),
    /// `ArrivedForAgent`.
    ArrivedForAgent(CallRef),
    /// `CallerGone`.
    CallerGone(CallRef),
    /// `Answered`.
    Answered(OfferId),
    /// `Connected`.
    Connected(OfferId),
    /// `OfferFailed`.
    OfferFailed(OfferId),
    /// `SetPriority`.
    SetPriority(CallRef),
    /// `Holds`.
    Holds(AgentRef),
    /// `CallEnded`.
    CallEnded(AgentRef, CallRef),
    /// `SignIn`.
    SignIn(AgentRef, Session),
    /// `TakesCallsOn`.
    TakesCallsOn(AgentRef),
    /// `SignOut`.
    SignOut(AgentRef),
    /// `Idle`.
    Idle(AgentRef),
    /// `Busy`.
    Busy(AgentRef),
    /// `Rest`.
    Rest(AgentRef),
    /// `EndWrapUp`.
    EndWrapUp(AgentRef),
    /// `ExtendWrapUp`.
    ExtendWrapUp(AgentRef),
    /// `Registered`.
    Registered(AgentRef),
    /// `Reachable`.
    Reachable(AgentRef),
    /// `Unreachable`.
    Unreachable(AgentRef),
    /// `Unregistered`.
    Unregistered(AgentRef),
    /// `DialsOut`.
    DialsOut(AgentRef),
    /// `DialEnded`.
    DialEnded(AgentRef),
    /// `Restore` of one agent, by its place in the list.
    Restore(u32),
}

/// Why an input is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No such agent in the configuration.
    #[error("no such agent")]
    UnknownAgent,
    /// No such queue in the configuration, or not one of the agent's.
    #[error("no such queue, or not one of the agent's")]
    UnknownQueue,
    /// Routing does not know the call: it never did, or no longer does.
    #[error("no such call")]
    UnknownCall,
    /// Routing knows the call already.
    #[error("the call is known already")]
    KnownCall,
    /// The offer has ended; an agent who answers it is hung up.
    #[error("the offer has ended")]
    DeadOffer,
    /// The offer was answered already; a second answer is hung up.
    #[error("the offer was answered already")]
    AnsweredAlready,
    /// The offer was not answered.
    #[error("the offer was not answered")]
    NotAnswered,
    /// The agent is signed in by another session; see `force`.
    #[error("signed in elsewhere")]
    SignedInElsewhere,
    /// The agent is not signed in.
    #[error("not signed in")]
    NotSignedIn,
    /// The agent is in another state than the request needs.
    #[error("not possible while {0:?}")]
    State(AgentState),
    /// A priority above 100, a reason too long, or a name of no meaning.
    #[error("outside what is allowed")]
    OutOfRange,
    /// The limit on calls known to routing is reached.
    #[error("too many calls")]
    TooManyCalls,
}
