//! What goes into an engine and what comes out: data both ways.

use crate::config::Directory;
use crate::effect::{Effect, EffectDone, EffectId};
use crate::event::{Event, StoredBinding, StoredTries};
use crate::id::{CallId, RequestId};
use bytes::Bytes;
use hotline_base::{Partition, Redacted, Wall};
use hotline_media::command::{Command, Event as MediaEvent};
use hotline_sip::flow::{ConnectionId, Flow};
use hotline_sip::message::Message;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One input of an engine.
// The largest is the usual one: a box for each datagram would cost more than the room it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Input {
    /// A message from the wire that the front door gave to `partition`.
    Sip {
        /// Whose it is.
        partition: Partition,
        /// The flow it came on.
        flow: Flow,
        /// The message.
        message: Message,
    },
    /// A connection is gone.
    FlowClosed {
        /// Which.
        connection: ConnectionId,
    },
    /// A datagram or connection attempt to this flow failed (ICMP, refused).
    SendFailed {
        /// The flow.
        flow: Flow,
    },
    /// A media worker reports.
    Media(MediaEvent),
    /// A question or an order through the API.
    Request {
        /// Names the answer.
        id: RequestId,
        /// Which tenant.
        partition: Partition,
        /// What.
        request: Request,
    },
    /// A new directory is in force.
    ConfigChanged {
        /// The directory.
        directory: Arc<Directory>,
    },
    /// What the store knows of a partition, once, before anything else is fed.
    Restore {
        /// Which tenant.
        partition: Partition,
        /// Its bindings.
        bindings: Vec<StoredBinding>,
        /// Its agents' states.
        agents: Vec<hotline_routing::RestoredAgent>,
        /// Languages its callers are remembered to speak: calling number and language, the latest
        /// last.
        languages: Vec<(Redacted<String>, String)>,
        /// Tries to sign in by telephone, the latest last.
        tries: Vec<StoredTries>,
    },
    /// What [`Output::Effect`] asked for is done, or has failed. One that nobody waits for any
    /// more is ignored.
    EffectDone {
        /// Which.
        id: EffectId,
        /// What it came to.
        done: EffectDone,
    },
    /// Stop taking new calls (503 with Retry-After), or take them again. Calls in progress go on
    /// as ever: who waits is offered to agents. For stopping a node.
    Drain(bool),
    /// Stop taking new calls and offering; calls in progress go on. For the moment in which a
    /// partition is handed over.
    Freeze(bool),
    /// Release every call now.
    ReleaseAll,
    /// A deadline has passed; nothing else.
    Tick,
}

/// One output of an engine, to be performed in order.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes on this flow.
    Send {
        /// The flow.
        flow: Flow,
        /// The bytes.
        bytes: Bytes,
    },
    /// An order for the media worker named in its leg.
    Media(Command),
    /// Append to the journal before anything of this batch leaves.
    Journal(Event),
    /// Something that takes time and is done outside; answered by [`Input::EffectDone`].
    Effect {
        /// Names it; never used again in this process.
        id: EffectId,
        /// For which tenant.
        partition: Partition,
        /// What.
        effect: Effect,
        /// From now; after it nobody waits for the answer.
        within: Duration,
    },
    /// A registration was refreshed: write behind, coalesced.
    BindingRefreshed {
        /// Which tenant.
        partition: Partition,
        /// The binding.
        binding: StoredBinding,
    },
    /// The answer to a request.
    Reply {
        /// Which request.
        id: RequestId,
        /// The answer.
        reply: Result<Reply, Refusal>,
    },
    /// Something an operator should read, once.
    Notice {
        /// Which tenant, if one.
        partition: Option<Partition>,
        /// One line, without personal data.
        text: String,
    },
}

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// All agents and their states.
    Agents,
    /// One agent.
    Agent {
        /// Employee ID.
        employee_id: String,
    },
    /// Change an agent's state.
    AgentVerb {
        /// Employee ID.
        employee_id: String,
        /// How.
        verb: AgentVerb,
    },
    /// All queues: waiting, idle agents, signed-in agents.
    Queues,
    /// All calls in progress.
    Calls,
    /// Release a call.
    Release {
        /// The call.
        call: CallId,
    },
    /// Where a call to this number would go now, and why.
    Route {
        /// Number as dialled.
        number: String,
        /// Calling number; `None` is nobody in particular.
        from: Option<String>,
        /// When: RFC 3339, or without an offset in the tenant's zone; `None` is now.
        at: Option<String>,
    },
    /// Remove all bindings of an agent's softphone.
    Unregister {
        /// Employee ID.
        employee_id: String,
    },
    /// Counts of everything that lives: transactions, timers, calls, ports, bindings.
    Counts,
}

/// How an agent's state is to change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentVerb {
    /// Sign in.
    SignIn {
        /// Names of queues, all of the agent's when empty.
        queues: Vec<String>,
        /// Take over from another session.
        force: bool,
    },
    /// Sign out.
    SignOut,
    /// Ready for calls.
    Idle,
    /// Not ready, by choice.
    Busy,
    /// Resting.
    Rest {
        /// Why.
        reason: String,
        /// Planned length in s.
        planned_s: Option<u32>,
    },
    /// End the wrap-up now, or extend it.
    WrapUp {
        /// Seconds to add; 0 ends it.
        extend_s: u32,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Done,
    /// Agents.
    Agents(Vec<AgentView>),
    /// Queues.
    Queues(Vec<QueueView>),
    /// Calls.
    Calls(Vec<CallView>),
    /// Where a call would go.
    Route(RouteView),
    /// Counts.
    Counts(Counts),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// HTTP-like class: 400, 404, 409, 503.
    pub status: u16,
    /// Stable code (`agent_not_found`).
    pub code: String,
    /// One line a person can act on.
    pub text: String,
}

/// An agent as seen from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Employee ID.
    pub employee_id: String,
    /// Whose it is, by a name of the tenant's own directory.
    #[serde(default)]
    pub account: Option<String>,
    /// State by its name in the API.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Wall,
    /// Queues it is signed in to.
    pub queues: Vec<String>,
    /// The call it is offered or talks in.
    pub call: Option<CallId>,
    /// Contacts its softphone has registered.
    pub registrations: Vec<String>,
    /// The mark for third parties: its numbers and its customers' are not to be shown.
    pub anonymised: bool,
}

/// A queue as seen from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Name.
    pub name: String,
    /// Callers waiting, offered ones included.
    pub waiting: u32,
    /// Agents signed in.
    pub signed_in: u32,
    /// Agents idle.
    pub idle: u32,
}

/// A call in progress as seen from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallView {
    /// Our identifier.
    pub call: CallId,
    /// `arrived`, `announcing`, `queued`, `offered`, `answered`, `connected`, `releasing`.
    pub state: String,
    /// What the record knows so far.
    pub record: crate::record::CallRecord,
}

/// Where a call would go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// Tenant.
    pub tenant: String,
    /// `skill_queue "support"`, or none.
    pub destination: Option<String>,
    /// Access code that matched.
    pub access_code: Option<String>,
    /// Extension code that matched.
    pub extension_code: Option<String>,
    /// One line a step: why.
    pub why: Vec<String>,
}

/// Counts of everything that lives in an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls in progress.
    pub calls: u64,
    /// Client transactions.
    pub client_transactions: u64,
    /// Server transactions.
    pub server_transactions: u64,
    /// Timers set.
    pub timers: u64,
    /// Media legs open.
    pub legs: u64,
    /// Ports granted and free.
    pub ports_free: u64,
    /// Ports in use.
    pub ports_used: u64,
    /// Bindings.
    pub bindings: u64,
    /// Callers waiting.
    pub waiting: u64,
    /// Agents signed in.
    pub signed_in: u64,
    /// Effects being performed outside.
    #[serde(default)]
    pub effects: u64,
    /// Calls admitted since start but test calls; one of a test caller counts when it is over.
    pub calls_total: u64,
    /// Test calls that are over since start.
    #[serde(default)]
    pub test_calls_total: u64,
    /// SIP messages received since start.
    pub messages_total: u64,
    /// Requests refused since start (authentication, unknown numbers, malformed).
    pub refused_total: u64,
}

impl Counts {
    /// Whether a worker has lent ports: none are known before the first grant.
    pub fn has_ports(&self) -> bool {
        self.ports_free + self.ports_used > 0
    }
}
