//! The engine: SIP, media, flows and routing composed into calls, sans-IO.
//!
//! ```text
//! engine.handle(now, input);
//! while let Some(output) = engine.poll() { shell.perform(output) }
//! let next = engine.deadline();          // when, and why
//! ```
//!
//! Owns: whole partitions (tenants) with their registrations, calls, queues and agents; the front
//! door that finds the partition of a message. Does not own: sockets, clocks, files, threads (the
//! shell), the grammar of SIP (`sip`), the packets of media (`media`), who takes which call
//! (`routing`).
#![forbid(unsafe_code)]

mod access;
mod agents;
mod body;
mod call;
mod channels;
pub mod checkpoint;
pub mod config;
mod context;
mod dialled;
pub mod effect;
mod engine;
pub mod event;
mod failures;
pub mod front_door;
mod hours;
pub mod id;
pub mod input;
mod languages;
mod notices;
mod peers;
mod ports;
pub mod record;
mod registration;
mod request;
mod sign_in;
mod tenant;
mod tries;

pub use config::{Directory, EngineSettings, TenantConfig};
pub use engine::{Engine, Why};
pub use event::{Event, EventKind};
pub use front_door::{FrontDoor, Placement};
pub use id::{CallId, RequestId};
pub use input::{Input, Output};
pub use ports::{RESERVED_PORTS_MAX, engine_of_leg};
pub use record::CallRecord;
pub use sign_in::NOBODYS_HASH;
pub use tenant::Part;
