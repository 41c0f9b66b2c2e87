//! The load: registering softphones, calling customers, answering agents, their audio and
//! keys.
//!
//! Owns: cheap generators on the load's core. Nothing is retransmitted: the loopback loses nothing
//! unless a side is too slow, and then the run must say so. Does not own: what is measured.

pub mod audio;
pub mod histogram;
pub mod keypads;
pub mod phones;
pub mod registrations;
pub mod wire;
