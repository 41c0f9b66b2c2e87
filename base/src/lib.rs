//! What every crate of Hotline shares and no domain knows.
//!
//! Owns: the two clocks ([`Now`]), deadlines ([`timer::TimerWheel`]), maps with a secret seed
//! ([`map::SecretMap`]), seeded randomness ([`rng::Rng`]), redaction ([`redacted::Redacted`]),
//! civil time with bundled time zones ([`calendar`]), small writers ([`text`], [`bytes`]), and the identifiers of ownership
//! ([`Partition`], [`Epoch`]).
//!
//! Does not own: anything about SIP, media, calls or queues. Nothing here reads a clock, an
//! environment, a file, a socket or an ambient random generator: time and seeds are arguments.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod calendar;
pub mod map;
pub mod redacted;
pub mod rng;
pub mod text;
pub mod time;
pub mod timer;

pub use map::SecretMap;
pub use redacted::Redacted;
pub use rng::Rng;
pub use time::{Mono, Now, Wall};
pub use timer::{TimerId, TimerWheel};

use serde::{Deserialize, Serialize};

/// A tenant for life, or the node's shared trunks: the unit of ownership.
///
/// A partition has one owner (an engine) at a time; everything an owner mints (tags, branches,
/// Call-IDs, Record-Route) carries this number so that any node can tell whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(pub u32);

/// The fencing epoch of an owner: grows each time a partition changes hands or its owner restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);
