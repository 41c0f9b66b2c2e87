//! The server around the engine: the only owner of sockets, clocks, files and threads.
//!
//! Owns: the network ([`net`]), the engines' threads ([`runtime`]), the media workers
//! ([`media`]), the journal ([`journal`]), the store and its projector ([`store`]), configuration
//! ([`config`], [`centres`]), the API ([`http`]), the command line and its phone ([`phone`]),
//! starting and stopping ([`serve`]), files that are whole or as they were ([`files`]). Does not
//! own any behaviour of calls: that is `hotline_engine`'s.

pub mod audio;
pub mod centres;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod effects;
pub mod files;
pub mod http;
pub mod journal;
pub mod media;
pub mod net;
pub mod phone;
pub mod prompts;
pub mod random;
pub mod runtime;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod trace;
