//! Media, sans-IO: what a call's audio is agreed to be, and every packet of it.
//!
//! Owns: session descriptions ([`sdp`], RFC 8866) and their negotiation ([`offer_answer`],
//! RFC 3264); the contract between engine and media workers ([`command`]).
//!
//! Does not own: sockets, clocks, threads and files (the shell's), SIP (the engine's).
#![forbid(unsafe_code)]

pub mod command;
pub mod offer_answer;
pub mod sdp;
