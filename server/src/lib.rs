//! The server around the engine: the only owner of sockets, clocks, files and threads.
//!
//! Owns: the network ([`net`]), the engines' threads ([`runtime`]), the media workers
//! ([`media`]), the journal ([`journal`]), starting and stopping ([`serve`]). Does not own any
//! behaviour of calls: that is `hotline_engine`'s.

pub mod clock;
pub mod config;
pub mod journal;
pub mod media;
pub mod net;
pub mod runtime;
pub mod serve;
pub mod telemetry;
