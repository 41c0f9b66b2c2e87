//! Everything that happens, as data: what the journal keeps and every projection reads.

use crate::checkpoint::Checkpoint;
use crate::id::CallId;
use crate::record::CallRecord;
pub use crate::tries::{StoredTries, TriedBy};
use hotline_base::{Partition, Redacted, Wall};
pub use hotline_sip::registrar::StoredBinding;
use serde::{Deserialize, Serialize};

/// One event of one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the wall clock.
    pub at: Wall,
    /// Whose.
    pub partition: Partition,
    /// What.
    pub kind: EventKind,
}

/// How an encoded [`Event`] begins: enough to pass over those of kinds that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct EventHead {
    /// When, by the wall clock.
    pub at: Wall,
    /// Whose.
    pub partition: Partition,
    /// The number of its [`EventKind`], from 0.
    pub kind: u32,
}

/// Numbers of [`EventKind`]s, as the journal's encoding has them.
pub mod kind {
    /// [`EventKind::Queued`](super::EventKind::Queued).
    pub const QUEUED: u32 = 1;
    /// [`EventKind::Offered`](super::EventKind::Offered).
    pub const OFFERED: u32 = 2;
    /// [`EventKind::OfferEnded`](super::EventKind::OfferEnded).
    pub const OFFER_ENDED: u32 = 3;
    /// [`EventKind::Answered`](super::EventKind::Answered).
    pub const ANSWERED: u32 = 4;
    /// [`EventKind::Connected`](super::EventKind::Connected).
    pub const CONNECTED: u32 = 5;
    /// [`EventKind::Checkpoint`](super::EventKind::Checkpoint).
    pub const CHECKPOINT: u32 = 6;
    /// [`EventKind::Message`](super::EventKind::Message).
    pub const MESSAGE: u32 = 11;
    /// [`EventKind::Decision`](super::EventKind::Decision).
    pub const DECISION: u32 = 12;
    /// [`EventKind::FlowStep`](super::EventKind::FlowStep).
    pub const FLOW_STEP: u32 = 13;
}

/// What happened. New kinds are added at the end: the journal's encoding numbers them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// A call was admitted; `record` says what is known.
    CallArrived {
        /// What is known.
        record: Box<CallRecord>,
    },
    /// A call was put into a queue.
    Queued {
        /// The call.
        call: CallId,
        /// Name of the queue.
        queue: String,
        /// Its place, from 1.
        position: u32,
    },
    /// A call was offered to an agent.
    Offered {
        /// The call.
        call: CallId,
        /// Employee ID.
        agent: String,
    },
    /// An offer ended without an answer.
    OfferEnded {
        /// The call.
        call: CallId,
        /// Employee ID.
        agent: String,
        /// `no_answer`, `rejected`, `phone_unavailable`, `withdrawn`, `gone`.
        outcome: String,
    },
    /// An agent's 200 OK.
    Answered {
        /// The call.
        call: CallId,
        /// Employee ID.
        agent: String,
    },
    /// Caller and agent were bridged.
    Connected {
        /// The call.
        call: CallId,
    },
    /// A call's state, whole, at a point from which it can be taken up again.
    Checkpoint {
        /// The state.
        checkpoint: Box<Checkpoint>,
    },
    /// A call is over; this is its record.
    Released {
        /// The record.
        record: Box<CallRecord>,
    },
    /// An agent's state changed.
    AgentState {
        /// Employee ID.
        agent: String,
        /// Old state.
        from: String,
        /// New state.
        to: String,
        /// Why.
        reason: Option<String>,
        /// The call it was about.
        call: Option<CallId>,
        /// What is needed to restore the agent after a restart (routing's snapshot).
        snapshot: hotline_routing::RestoredAgent,
    },
    /// A binding was added or changed in more than its expiry.
    BindingAdded {
        /// The binding.
        binding: StoredBinding,
    },
    /// A binding is gone.
    BindingRemoved {
        /// Softphone number.
        number: String,
        /// Contact URI.
        contact: String,
    },
    /// A SIP message of a call, for its ladder. Credentials are left out.
    Message {
        /// The call.
        call: CallId,
        /// The message.
        message: TracedMessage,
    },
    /// Why routing decided as it did.
    Decision {
        /// The call it was about, if one.
        call: Option<CallId>,
        /// The decision as data.
        decision: hotline_routing::explain::Decision,
    },
    /// A call's flow has entered a node, for the call's ladder. Never a value.
    FlowStep {
        /// The call.
        call: CallId,
        /// Flow.
        flow: String,
        /// Node.
        node: String,
    },
    /// A caller is remembered to speak a language.
    LanguageRemembered {
        /// Calling number.
        caller: Redacted<String>,
        /// The language.
        language: String,
    },
    /// A caller has left a message.
    MessageLeft {
        /// The call.
        call: CallId,
        /// Which box.
        mailbox: String,
        /// The recording's name.
        recording: u64,
        /// How long it is, ms.
        duration_ms: u32,
        /// Calling number, empty if withheld.
        caller: Redacted<String>,
    },
    /// Somebody has tried to sign in by telephone, or a try no longer counts: how many count now.
    SignInTried {
        /// Of the employee ID, and of the calling number unless it was withheld.
        tries: Vec<StoredTries>,
    },
    /// A caller begins to leave a message; `MessageLeft` follows if it is kept.
    MessageBegun {
        /// The call.
        call: CallId,
        /// Which box.
        mailbox: String,
        /// The recording's name.
        recording: u64,
        /// Shortest that is kept, ms.
        min_ms: u32,
        /// Calling number, empty if withheld.
        caller: Redacted<String>,
    },
}

/// One arrow of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TracedMessage {
    /// Which leg: 0 the caller's, 1 and more the agents' in order.
    pub leg: u16,
    /// Whether we sent it.
    pub sent: bool,
    /// The other side (`198.51.100.7:5060`), with its transport.
    pub peer: String,
    /// Start line, without the parts a ladder does not need.
    pub start_line: String,
    /// CSeq as text.
    pub cseq: String,
    /// What else matters in one line: SDP address and codecs, Reason.
    pub note: String,
}
