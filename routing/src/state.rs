//! The states of an agent, as the API names them, and what is kept of one across a restart.
//!
//! ```text
//! signed_out → idle ⇄ busy | rest
//!              idle → offered → talking ⇄ holding ; talking → wrap_up → idle
//! ```

use crate::ids::{AgentRef, QueueRef, Session};
use hotline_base::Wall;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The state of an agent. New ones are added at the end: the journal's encoding numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Not signed in.
    #[default]
    SignedOut,
    /// May be offered a call.
    Idle,
    /// Not to be offered calls, for a reason.
    Busy(BusyReason),
    /// Resting; the reason is in [`Rest`].
    Rest,
    /// Exactly one call is offered.
    Offered,
    /// In a call, from the moment of answering; also a call the agent dialled.
    Talking,
    /// After a call of a queue.
    WrapUp,
    /// In a call that the agent's phone holds.
    Holding,
}

/// Why an agent is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusyReason {
    /// The agent chose it.
    Chosen,
    /// Too many unanswered offers in a row.
    NoAnswer,
    /// Somebody with the right to forced it.
    Forced,
    /// The phone could not be reached, or its registration was lost.
    PhoneUnavailable,
    /// The agent rejects calls.
    Rejected,
}

/// A rest: its reason and planned length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The agent's own word for it, at most [`crate::limits::REASON_MAX`] characters.
    pub reason: String,
    /// Planned length in seconds; nothing happens when it is over.
    pub planned_s: Option<u32>,
}

/// On what the agent takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Its softphone; rings for `offer_time_s`.
    #[default]
    Softphone,
    /// A mobile or fixed phone that is rung; for `mobile_offer_time_s`.
    Mobile,
    /// A line that stays connected.
    HeldLine,
}

/// Why an agent's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeWhy {
    /// A sign-in, by whatever way but registration.
    SignedIn,
    /// The phone registered and the agent signs in with it.
    Registered,
    /// A sign-out.
    SignedOut,
    /// The last registration was lost.
    RegistrationLost,
    /// The agent asked for the state.
    Asked,
    /// Asked for during a call, taken now that it has ended.
    AskedDuringCall,
    /// A call is offered.
    Offered,
    /// The offer was answered.
    Answered,
    /// The offer was not answered in time.
    NoAnswer,
    /// The offer was rejected.
    Rejected,
    /// The phone could not be reached.
    PhoneUnavailable,
    /// The offer failed for want of a resource of ours.
    NoCapacity,
    /// The agent was gone between answering and being connected.
    AgentGone,
    /// The offer was withdrawn: the caller is gone.
    CallerGone,
    /// The agent dials.
    Dials,
    /// The dialled call ended.
    DialEnded,
    /// The agent's phone holds the call.
    Held,
    /// The agent's phone holds the call no longer.
    Resumed,
    /// A call ended.
    CallEnded,
    /// Wrap-up ran its time.
    WrapUpOver,
    /// The agent ended wrap-up.
    WrapUpEnded,
    /// Wrap-up was extended.
    WrapUpExtended,
    /// The queues served were changed by a new sign-in, or a session was taken over.
    QueuesChanged,
    /// The agent, or the queue whose offer it had, was removed from the configuration.
    Removed,
    /// Taken back after a restart.
    Restored,
}

/// All there is to know of an agent's state: what the journal keeps and a restart needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// Who.
    pub agent: AgentRef,
    /// The state.
    pub state: AgentState,
    /// Of a rest: reason and planned length.
    pub rest: Option<Rest>,
    /// Queues it is signed in to.
    pub queues: Arc<[QueueRef]>,
    /// Who signed it in.
    pub session: Option<Session>,
    /// On what it takes calls.
    pub device: Device,
    /// Unanswered offers in a row.
    pub unanswered: u8,
    /// From when its idle rank counts.
    pub idle_since: Option<Wall>,
    /// When wrap-up, or being left alone after a rejection, is over.
    pub until: Option<Wall>,
    /// The queue that delivered the call, while offered, talking or in wrap-up.
    pub delivered_by: Option<QueueRef>,
}

/// An agent's state as read back after a restart; an [`AgentStatus`] with names for numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredAgent {
    /// Who, by employee ID.
    pub employee_id: String,
    /// The state it was in. Offered comes back as idle with its rank, talking and holding as
    /// wrap-up.
    pub state: AgentState,
    /// Of a rest: reason and planned length.
    pub rest: Option<Rest>,
    /// Names of the queues it was signed in to; those it can no longer serve are dropped.
    pub queues: Vec<String>,
    /// Who signed it in.
    pub session: Option<Session>,
    /// On what it takes calls.
    pub device: Device,
    /// Unanswered offers in a row.
    pub unanswered: u8,
    /// From when its idle rank counts; `None`: from now.
    pub idle_since: Option<Wall>,
    /// When wrap-up, or being left alone, is over; wrap-up without it begins anew.
    pub until: Option<Wall>,
    /// The queue that delivered the call, by name.
    pub delivered_by: Option<String>,
    /// Since when it was in this state. Kept for who shows it; routing does not look at it.
    #[serde(default)]
    pub since: Option<Wall>,
    /// Why, in one word; kept in the same way.
    #[serde(default)]
    pub reason: Option<String>,
}
