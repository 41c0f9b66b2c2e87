//! Where a call goes and who is offered it: numbers, called routes, skill queues, agents, offers.
//!
//! Owns, for one tenant: from a dialled number to a destination ([`route`]); who waits where in
//! which order; which agent is offered which caller and for how long; the states of agents, their
//! idle rank, wrap-up and unanswered offers; overflow; the explanation of each decision.
//! Does not own: SIP, media, flows, announcements, records, the store. It reads no clock, draws no
//! ambient randomness and does no IO: [`Routing`] takes `(now, input)` and gives outputs.
//!
//! ```text
//! routing.handle(now, input);
//! while let Some(output) = routing.poll() { engine.perform(output) }
//! let next = routing.deadline();          // when, and why
//! ```
#![forbid(unsafe_code)]

mod agent;
pub mod config;
mod dispatch;
pub mod explain;
pub mod ids;
pub mod input;
pub mod limits;
mod live;
pub mod number;
pub mod output;
mod queue;
mod requests;
mod restore;
pub mod route;
mod routing;
pub mod state;
mod status;
mod timers;
pub mod validate;
mod waiting;

pub use config::{Config, Policy};
pub use ids::{AgentRef, CallRef, OfferId, QueueRef, Session};
pub use input::{Input, OfferFailure, Queues};
pub use output::{Output, OverflowWhy, Place, Refusal, Request, Told, Unavailable, WithdrawWhy};
pub use route::{Circumstances, Hours, NoRoute, Resolution, Routes};
pub use routing::Routing;
pub use state::{AgentState, AgentStatus, BusyReason, ChangeWhy, Device, Rest, RestoredAgent};
pub use status::QueueStatus;
pub use timers::Why;
