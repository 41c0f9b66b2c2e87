//! The names routing gives to what it speaks of: small numbers that are cheap to copy and compare.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A caller's call, named by the engine; unique among calls that routing knows.
    CallRef(u64), "call ");
id!(
    /// An agent of this tenant, given by [`crate::Routing::agent`] for an employee ID. It names the
    /// same employee ID for the life of the `Routing`, through removal and return.
    AgentRef(u32), "agent ");
id!(
    /// A skill queue of this tenant, given by [`crate::Routing::queue`] for a name. It names the
    /// same queue name for the life of the `Routing`, through removal and return.
    QueueRef(u32), "queue ");
id!(
    /// One offer of one call to one agent; never used twice.
    OfferId(u64), "offer ");
id!(
    /// Who signed an agent in (a registration, a console session, a line), named by the engine.
    Session(u64), "session ");
