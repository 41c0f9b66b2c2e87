//! A running flow.
//!
//! Owns: what goes in and comes out ([`io`]). Does not own: the flow ([`crate::model`]).

pub mod io;
