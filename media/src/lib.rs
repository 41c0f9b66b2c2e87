//! Media, sans-IO: what a call's audio is agreed to be, and every packet of it.
//!
//! Owns: session descriptions ([`sdp`], RFC 8866) and their negotiation ([`offer_answer`],
//! RFC 3264); the contract between engine and media workers ([`command`]); the media plane of one
//! worker ([`worker`]) with its parts: RTP ([`rtp`], [`timeline`], [`reception`]), RTCP ([`rtcp`]),
//! G.711 ([`g711`]), digits ([`telephone_event`], [`in_band`]), tones ([`tone`]), what is played ([`asset`]),
//! recorded ([`recording`]) and mixed ([`playout`]);
//! and a single endpoint made of the same parts ([`session`]).
//!
//! Does not own: sockets, clocks, threads and files (the shell's), SIP (the engine's).
#![forbid(unsafe_code)]

pub mod asset;
pub mod command;
pub mod g711;
pub mod in_band;
pub mod offer_answer;
pub mod playout;
pub mod reception;
pub mod recording;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod telephone_event;
pub mod timeline;
pub mod tone;
pub mod worker;
