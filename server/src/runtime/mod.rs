//! The engines' threads: each owns one engine, its UDP sockets and its front door.
//!
//! ```text
//! UDP sockets ─┐                             ┌─ journal: one write
//! mail ────────┼─▶ round: drain, place, handle ─┼─ then datagrams, streams, media commands
//! deadline ────┘                             └─ replies
//! ```
//! Owns: the round, handing over between engines ([`mail`]), shedding ([`shed`]), measuring
//! ([`metrics`]), signs of life ([`pulse`]). Does not own: behaviour (the engine), files (the journal).

mod engine_loop;
mod mail;
pub mod metrics;
mod pace;
pub mod pulse;
pub mod shed;

pub use engine_loop::{Core, EngineParts, EngineThread};
pub use mail::{EngineHandle, Engines, Inbox, Mail, Order};
pub use metrics::EngineMetrics;
pub use pulse::Pulse;
