//! SIP without IO: messages in and out of bytes, and the state machines above them.
//!
//! Owns: messages, URIs, typed headers, stream framing, building ([`message`], [`uri`],
//! [`header`], [`framing`], [`mod@build`]); transactions, dialogs, digest and the registrar.
//! Does not own: sockets, clocks, randomness, tenants, calls.
#![forbid(unsafe_code)]

pub mod build;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod flow;
pub mod framing;
mod grammar;
pub mod header;
pub mod limits;
pub mod mark;
pub mod message;
pub mod method;
pub mod registrar;
pub mod status;
pub mod transaction;
pub mod uri;
pub mod validate;

pub use endpoint::{ClientId, Endpoint, EndpointConfig, Event, Peer, ServerId};
pub use flow::{ConnectionId, Flow, Transport};
pub use mark::Mark;
pub use message::Message;
pub use method::Method;
pub use uri::Uri;
