//! Identifiers the engine mints.

use hotline_base::{Epoch, Partition};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Our own identifier of a call, unique for ever: never confused with SIP's Call-ID.
///
/// Written `p-e-s` in hexadecimal: partition, the owner's epoch, and a serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The tenant.
    pub partition: Partition,
    /// The owner's epoch when the call arrived.
    pub epoch: Epoch,
    /// Counts the calls of an epoch, from 1.
    pub serial: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.partition.0, self.epoch.0, self.serial)
    }
}

impl FromStr for CallId {
    type Err = NotACallId;
    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let mut parts = text.splitn(3, '-').map(|part| u32::from_str_radix(part, 16));
        let mut next = || parts.next().and_then(Result::ok).ok_or(NotACallId);
        Ok(CallId { partition: Partition(next()?), epoch: Epoch(next()?), serial: next()? })
    }
}

/// The text is not a call identifier (`1-7-2a`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a call identifier: expected three hexadecimal numbers as in 1-7-2a")]
pub struct NotACallId;

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.partition.0, self.epoch.0, self.serial).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            let (partition, epoch, serial) = <(u32, u32, u32)>::deserialize(deserializer)?;
            Ok(CallId { partition: Partition(partition), epoch: Epoch(epoch), serial })
        }
    }
}

/// Names a question to the engine and its answer; chosen by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
