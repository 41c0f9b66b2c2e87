//! The network: sockets in, messages out, and back.
//!
//! ```text
//! UDP   each engine's thread reads and writes its own sockets     udp
//! TCP   a task per connection deframes and posts to the engines   tcp
//! ```
//! Owns: binding ([`source`]), datagrams with their true local address ([`udp`]), connections
//! ([`tcp`]), the system calls std does not have (`sys`, the only unsafe code). Does not own:
//! what a message means, whose it is (the front door), when it is sent again (transactions).

pub mod local;
pub mod source;
mod sys;
pub mod tcp;
pub mod udp;

pub use source::{Bind, ListenError, SocketSource};
pub use sys::{free_bytes, keep_files_private, may_write, raise_descriptor_limit};
