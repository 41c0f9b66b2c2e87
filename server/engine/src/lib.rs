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
//!
//! ```text
//! engine        inputs to tenants, time          front_door    which tenant's is a message?
//! tenant        one tenant's endpoint and parts  access        may it be?
//! registration  REGISTER                         dialled       the number that was dialled
//! call          calls: see its own map           body          what a message carries
//! channels      calls at once over a trunk       ports         media ports and legs
//! peers         whose is a connection?           agents        orders to agents
//! sign_in       PINs by telephone                tries         how often something was tried of late
//! request       questions of the shell           languages     what callers have chosen
//! record        one a call                       checkpoint    a call as the journal has it
//! event         what happened                    effect        what takes time
//! ```
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
