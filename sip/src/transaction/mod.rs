//! The four transaction machines of RFC 3261 §17 with the corrections of RFC 6026.
//!
//! Owns: the states, the transitions as pure functions ([`client`], [`server`]), the timers and
//! their lengths ([`timers`]), and the keys by which messages find transactions. Does not own: the
//! transactions themselves, their messages and running timers; those are the
//! [`Endpoint`](crate::endpoint::Endpoint)'s.

pub mod action;
pub mod client;
pub(crate) mod key;
pub mod server;
pub mod timers;

pub use action::{Action, Actions};
pub use client::{ClientInput, ClientState};
pub use server::{ServerInput, ServerState};
pub use timers::{Timer, TimerSettings};
