//! The media workers' threads: sockets and a clock around `hotline_media`'s pure worker.
//!
//! Owns: ports and their sockets ([`io`]), the millisecond ([`worker`]), who granted what to which
//! engine ([`grants`]), files of what callers say ([`recorder`]). Does not own: what a leg does with a packet (`hotline_media::worker`).

mod grants;
mod io;
mod recorder;
#[cfg(test)]
mod tests;
mod worker;

pub use io::{MediaIo, UdpIo};
pub use recorder::recorded_ms;
pub use worker::{MediaMetrics, MediaSettings, MediaThread, MediaWorkers, Unposted};
