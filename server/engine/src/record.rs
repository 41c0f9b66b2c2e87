//! [`CallRecord`]: what remains of a call. Exactly one per call.

use crate::id::CallId;
use hotline_base::{Redacted, Wall};
use hotline_media::command::LegStatistics;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The record of one call; also, while it runs, the part of its checkpoint that is already known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Our identifier, the unique key of the record.
    pub call: CallId,
    /// Name of the trunk it came over; none for a call from an agent's phone.
    pub trunk: Option<String>,
    /// The caller's SIP Call-ID.
    pub caller_sip_call_id: String,
    /// The SIP Call-ID towards the agent who answered, or who is being rung; see the offers for
    /// those that failed.
    pub agent_sip_call_id: Option<String>,
    /// Number as dialled, after the trunk's rules.
    pub dialled: String,
    /// Calling number.
    pub calling: Redacted<String>,
    /// Number that is charged, where it differs from the calling one.
    pub charged: Option<Redacted<String>>,
    /// Access code that matched.
    pub access_code: Option<String>,
    /// Extension code that matched.
    pub extension_code: Option<String>,
    /// Destination of the called route: `skill_queue "support"`.
    pub route: Option<String>,
    /// The queues it waited in, in order.
    pub queues: Vec<QueueVisit>,
    /// The offers that were made, in order; of more than 50 the first ten and the last forty.
    pub offers: Vec<OfferRecord>,
    /// Employee ID of the agent who answered.
    pub agent: Option<String>,
    /// INVITE received.
    pub arrived: Wall,
    /// First put into a queue.
    pub queued: Option<Wall>,
    /// First offered to an agent.
    pub offered: Option<Wall>,
    /// The agent's 200 OK.
    pub answered: Option<Wall>,
    /// Caller and agent bridged.
    pub connected: Option<Wall>,
    /// The end.
    pub released: Option<Wall>,
    /// Waiting time in ms: queued to answered, or to out of the last queue; of a caller who is handed
    /// on the sum. Until the end, what was over when it was handed on last.
    pub waiting_ms: u64,
    /// Talk time in ms: connected to the end, or to being handed on; counted in the same way.
    pub talk_ms: u64,
    /// Q.850 cause of the end.
    pub q850: u8,
    /// Final SIP status of the caller's INVITE: 200 once it was answered there, by an agent or to
    /// play something. `None` for a call that the end of the process cut off.
    pub sip_status: Option<u16>,
    /// Who released the call.
    pub released_by: Option<ReleasedBy>,
    /// Why, in one word: see [`ReleaseReason`].
    pub reason: Option<ReleaseReason>,
    /// What the caller's leg saw.
    pub caller_media: Option<LegStatistics>,
    /// What the last agent's leg saw.
    pub agent_media: Option<LegStatistics>,
    /// Data attached to the call, by key.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// A test caller reached a draft: it counts in no statistics.
    #[serde(default)]
    pub test: bool,
    /// Employee ID of the agent that signed in from a telephone by this call.
    #[serde(default)]
    pub signed_in: Option<String>,
    /// What agents and flows did to hand the caller on, in order.
    #[serde(default)]
    pub transfers: Vec<TransferRecord>,
}

/// Offers a record holds: a phone may reject every ten seconds for as long as a caller waits, and
/// each checkpoint has the record whole.
const OFFERS_MAX: usize = 50;
/// Of these, the first ones that are kept for ever; after them the oldest are left out.
const FIRST_OFFERS: usize = 10;

impl CallRecord {
    /// Adds an offer that was just made.
    pub(crate) fn add_offer(&mut self, offer: OfferRecord) {
        if self.offers.len() >= OFFERS_MAX {
            self.offers.remove(FIRST_OFFERS);
        }
        self.offers.push(offer);
    }

    /// The record of a call that begins now, of which nothing more is known.
    pub(crate) fn new(
        call: CallId,
        caller_sip_call_id: String,
        dialled: String,
        calling: String,
        arrived: Wall,
    ) -> CallRecord {
        CallRecord {
            call,
            trunk: None,
            caller_sip_call_id,
            agent_sip_call_id: None,
            dialled,
            calling: Redacted::new(calling),
            charged: None,
            access_code: None,
            extension_code: None,
            route: None,
            queues: Vec::new(),
            offers: Vec::new(),
            agent: None,
            arrived,
            queued: None,
            offered: None,
            answered: None,
            connected: None,
            released: None,
            waiting_ms: 0,
            talk_ms: 0,
            q850: 0,
            sip_status: None,
            released_by: None,
            reason: None,
            caller_media: None,
            agent_media: None,
            data: BTreeMap::new(),
            test: false,
            signed_in: None,
            transfers: Vec::new(),
        }
    }
}

/// One transfer, consultation or conference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferRecord {
    /// When it began.
    pub at: Wall,
    /// Employee ID of the agent who asked for it; none for a flow.
    pub by: Option<String>,
    /// To whom: `agent "1002"`, `skill_queue "support"`, `flow "after_hours"`, `number`.
    pub to: String,
    /// The outside number, if it is one.
    pub number: Option<Redacted<String>>,
    /// How it ended: `transferred`, `returned`, `conference`, `failed`, `abandoned` (the customer hung
    /// up before).
    pub outcome: Option<String>,
}

/// One stay in one queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueVisit {
    /// Name of the queue.
    pub queue: String,
    /// When it began.
    pub entered: Wall,
    /// When it ended.
    pub left: Option<Wall>,
    /// How it ended: `answered`, `abandoned`, `timeout`, `busy`, `no_agents`, `moved`, `removed`,
    /// `flow` (its waiting flow took it elsewhere).
    pub outcome: Option<String>,
}

/// One offer to one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferRecord {
    /// Employee ID.
    pub agent: String,
    /// When it began.
    pub at: Wall,
    /// When it ended.
    pub ended: Option<Wall>,
    /// How it ended: `answered`, `no_answer`, `rejected`, `phone_unavailable`, `withdrawn`, `gone`.
    pub outcome: Option<String>,
    /// The SIP Call-ID of its INVITEs.
    #[serde(default)]
    pub sip_call_id: Option<String>,
    /// What was rung: `softphone`, `mobile`, or `held_line`, which is connected at once.
    #[serde(default)]
    pub device: Option<String>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleasedBy {
    /// The caller hung up.
    Caller,
    /// The agent hung up.
    Agent,
    /// A policy, a limit, an administrator, or a fault of ours.
    System,
}

/// Why a call ended. New ones are added at the end: the journal's encoding numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// Somebody hung up after the call was connected.
    NormalClearing,
    /// The caller hung up before an agent answered.
    Abandoned,
    /// The queue's timeout policy released it.
    QueueTimeout,
    /// The queue's busy policy released it.
    QueueBusy,
    /// The queue's no-agents policy released it.
    NoAgents,
    /// The agent it was for could not take it.
    AgentUnavailable,
    /// Ten overflow hops.
    TooManyHops,
    /// Longer than the tenant's limit.
    CallTooLong,
    /// No RTP for the tenant's limit.
    MediaSilent,
    /// Our 200 was never acknowledged.
    NoAck,
    /// The offer had no codec in common.
    NotAcceptable,
    /// No port, no call left within the limits.
    NoCapacity,
    /// An administrator released it.
    Administrator,
    /// The server stopped.
    Shutdown,
    /// The server was cut off while the call was up; closed at restart.
    ServerRestart,
    /// The peer vanished or broke the protocol.
    ProtocolError,
    /// Outside the working time of its route.
    OutOfHours,
    /// A flow ended it.
    FlowEnded,
    /// A flow could not go on.
    FlowFault,
}
