//! [`Checkpoint`]: what a call needs to be taken up again by another process.

use crate::id::CallId;
use crate::record::CallRecord;
use hotline_base::Wall;
use hotline_media::command::PortGrant;
use serde::{Deserialize, Serialize};

/// A call's state, whole: never truncated, times wall-anchored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The call.
    pub call: CallId,
    /// Where it stands.
    pub point: Point,
    /// What the record knows.
    pub record: CallRecord,
    /// The queue's stored sort key: priority and arrival, so that it finds its place again.
    pub queue_key: Option<(u32, Wall)>,
    /// Where its flow is, if one runs. No secret is in it.
    #[serde(default)]
    pub flow: Option<hotline_ivr::run::Snapshot>,
    /// The caller's leg.
    pub caller: LegCheckpoint,
    /// The agent's leg, once there is one with a dialog.
    pub agent: Option<LegCheckpoint>,
}

/// The points at which a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// The call was admitted; or its caller was handed on, and is as one that has just come.
    Admitted,
    /// It waits.
    Queued,
    /// It is offered.
    Offered,
    /// The agent answered.
    Answered,
    /// Caller and agent are bridged.
    Bridged,
    /// A re-INVITE changed a leg.
    Reinvite,
    /// The call is over and `record` says how it ended; only the media statistics are still
    /// missing. A process cut off here closes the call with this record.
    Released,
    /// A flow has gone on to another node.
    InFlow,
}

/// One leg of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegCheckpoint {
    /// The dialog, if there is one (in its serialisable form).
    pub dialog: Option<hotline_sip::dialog::DialogParts>,
    /// What finishes the open INVITE server transaction, if it has had no final response: of the
    /// request the start line and the headers that a response copies; no credentials, no body.
    #[serde(serialize_with = "hotline_base::bytes::whole_if_some")]
    pub open_invite: Option<Vec<u8>>,
    /// The flow: transport, our address, the peer's.
    pub flow: (String, std::net::SocketAddr, std::net::SocketAddr),
    /// Our SDP as last sent.
    pub local_sdp: Option<String>,
    /// The peer's SDP as last received.
    pub remote_sdp: Option<String>,
    /// The port pair.
    pub port: Option<PortGrant>,
}
