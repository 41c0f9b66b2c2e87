//! [`Ending`]: why a call ends, and what each side is told about it.
//!
//! Owns the table from reason to Q.850 cause and SIP status (RFC 3398 §8.2.6, RFC 3326). Does not
//! own the act of releasing ([`super::release`]).

use crate::record::{ReleaseReason, ReleasedBy};
use hotline_routing::Unavailable;
use hotline_sip::status::q850_reason;

/// Why a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// For the record.
    pub reason: ReleaseReason,
    /// Who did it.
    pub by: ReleasedBy,
    /// Q.850 cause.
    pub q850: u8,
    /// Final status of the caller's INVITE, if it has had none.
    pub status: u16,
}

impl Ending {
    /// What a reason means, said by us.
    pub fn of(reason: ReleaseReason) -> Ending {
        use ReleaseReason as R;
        let (q850, status) = match reason {
            R::NormalClearing => (16, 480),
            R::Abandoned => (16, 487),
            R::QueueTimeout => (18, 408),
            R::QueueBusy => (17, 486),
            R::NoAgents => (20, 480),
            R::AgentUnavailable => (19, 480),
            R::OutOfHours => (20, 480),
            R::FlowEnded => (16, 480),
            R::FlowFault => (41, 503),
            R::TooManyHops => (25, 480),
            R::CallTooLong => (102, 480),
            R::MediaSilent => (41, 480),
            R::NoAck => (102, 408),
            R::NotAcceptable => (65, 488),
            R::NoCapacity => (34, 503),
            R::Administrator => (31, 480),
            R::Shutdown | R::ServerRestart => (41, 503),
            R::ProtocolError => (111, 500),
        };
        Ending { reason, by: ReleasedBy::System, q850, status }
    }

    /// A flow ends the call with this cause.
    pub fn by_flow(cause: u8) -> Ending {
        let status = hotline_sip::status::status_from_q850(u16::from(cause));
        Ending { q850: cause, status, ..Ending::of(ReleaseReason::FlowEnded) }
    }

    /// Somebody hung up; `cause` is what their Reason says.
    pub fn hung_up(reason: ReleaseReason, by: ReleasedBy, cause: Option<u16>) -> Ending {
        let said = cause.and_then(|cause| u8::try_from(cause).ok()).filter(|&cause| cause < 128);
        Ending { by, q850: said.unwrap_or(16), ..Ending::of(reason) }
    }

    /// The agent a call was for cannot take it.
    pub fn unavailable(why: Unavailable) -> Ending {
        let (q850, status) = match why {
            Unavailable::Unknown => (1, 404),
            Unavailable::SignedOut | Unavailable::PhoneUnavailable => (20, 480),
            Unavailable::NotIdle(_) => (17, 486),
            Unavailable::Frozen => (42, 503),
            Unavailable::NoCapacity => (34, 503),
            Unavailable::NoAnswer => (19, 480),
            Unavailable::Rejected => (21, 486),
            Unavailable::Withdrawn => (31, 480),
        };
        Ending { q850, status, ..Ending::of(ReleaseReason::AgentUnavailable) }
    }

    /// The value of a Reason header.
    pub fn header(&self) -> String {
        q850_reason(u16::from(self.q850))
    }
}
