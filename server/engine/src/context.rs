//! [`Context`]: what one step of a tenant's calls, registrations and agents may touch.
//!
//! Owns: nothing; it lends. A step of [`crate::call`] gets `&mut Context` beside its own state, so
//! that every effect goes through the parts named here and nothing is shared or locked.
//!
//! Order: what a step puts into [`Context::out`] comes out before the datagrams it causes, which
//! wait in the endpoint until the step's end. So a journal event always precedes its `Send`.

use crate::channels::Channels;
use crate::config::{EngineSettings, TenantConfig, Trunk};
use crate::effect::{Effect, EffectId, Effects};
use crate::event::{Event, EventKind};
use crate::id::CallId;
use crate::input::Output;
use crate::ports::PortPool;
use hotline_base::{Now, Partition, Rng};
use hotline_routing::{CallRef, Routing};
use hotline_sip::registrar::Registrar;
use hotline_sip::{Endpoint, Mark};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What a step may touch.
pub(crate) struct Context<'a> {
    /// Both clocks.
    pub now: Now,
    /// The tenant.
    pub config: &'a Arc<TenantConfig>,
    /// The node's settings for engines.
    pub settings: &'a EngineSettings,
    /// The tenant's trunks, then the node's.
    pub trunks: &'a [Arc<Trunk>],
    /// Whose identifiers we mint.
    pub mark: Mark,
    /// The tenant's transactions.
    pub endpoint: &'a mut Endpoint<User>,
    /// The tenant's bindings.
    pub registrar: &'a mut Registrar,
    /// The tenant's queues and agents. Its outputs are polled by the tenant, never by a step.
    pub routing: &'a mut Routing,
    /// The node's granted ports and the numbers of media legs.
    pub ports: &'a mut PortPool,
    /// The calls of each trunk.
    pub channels: &'a mut Channels,
    /// What is being done outside.
    pub effects: &'a mut Effects,
    /// The engine's generator.
    pub rng: &'a mut Rng,
    /// What comes out, in order.
    pub out: &'a mut VecDeque<Output>,
    /// What has been counted since the start.
    pub counters: &'a mut Counters,
    /// Whether new calls are refused (503 with Retry-After).
    pub frozen: bool,
}

impl Context<'_> {
    /// The tenant's partition.
    pub(crate) fn partition(&self) -> Partition {
        self.mark.partition
    }

    /// Appends an event to the journal.
    pub(crate) fn journal(&mut self, kind: EventKind) {
        let event = Event { at: self.now.wall, partition: self.partition(), kind };
        self.out.push_back(Output::Journal(event));
    }

    /// Has something done outside for a call, by its serial number.
    pub(crate) fn effect(&mut self, call: u32, effect: Effect, within: Duration) -> EffectId {
        let partition = self.partition();
        let id = self.effects.begin(partition, call);
        self.out.push_back(Output::Effect { id, partition, effect, within });
        id
    }

    /// Tells the operator something, once. Never personal data.
    pub(crate) fn notice(&mut self, text: String) {
        self.out.push_back(Output::Notice { partition: Some(self.partition()), text });
    }
}

/// What rides on a client transaction: whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The call.
    pub call: CallId,
    /// The leg: 0 the caller's, 1 and more the agents' in the order of their offers.
    pub leg: u16,
}

/// Who makes a call, proved.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A carrier's trunk, by its address.
    Trunk(Arc<Trunk>),
    /// An agent's softphone, by digest.
    Agent {
        /// The agent.
        employee_id: String,
        /// The softphone's number.
        number: String,
    },
}

/// How routing names a call: by its serial number, which is unique in a partition's epoch.
pub(crate) fn call_ref(call: CallId) -> CallRef {
    CallRef(u64::from(call.serial))
}

/// The call that routing names, of this partition and epoch.
pub(crate) fn call_id(mark: Mark, call: CallRef) -> CallId {
    let serial = u32::try_from(call.0).unwrap_or(0);
    CallId { partition: mark.partition, epoch: mark.epoch, serial }
}

/// What has been counted since the start, over all partitions of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Calls admitted but test calls; counted by the calls. One of a test caller is counted when it
    /// is over: until then it may become a test call.
    pub calls: u64,
    /// Test calls that are over.
    pub test_calls: u64,
    /// SIP messages received.
    pub messages: u64,
    /// Requests refused: authentication, unknown numbers, malformed, limits.
    pub refused: u64,
}
