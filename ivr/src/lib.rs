//! Interactive voice response, sans-IO: what callers are told.
//!
//! ```text
//! TOML, JSON ── read ──▶ model::Flow ── check ──▶ faults
//!                             │
//!                      program::Flows ── run ──▶ what is said, done, and where the call goes
//! ```
//! Owns: the flow ([`model`]) and its expressions ([`expr`]), how it is read ([`read`]) and
//! checked ([`check`]), what is ready to run ([`program`]), the running of it ([`run`]), flows
//! walked in virtual time ([`walk`]), working times ([`schedule`]), and [`say`], from a value to the
//! recorded units that speak it. Does not own: audio (the media crate), calls (the engine).
#![forbid(unsafe_code)]

pub mod check;
pub mod expr;
pub mod fault;
pub mod model;
pub mod program;
pub mod read;
pub mod run;
pub mod say;
pub mod schedule;
pub mod walk;
