//! Interactive voice response, sans-IO: what callers are told.
//!
//! Owns: [`say`], from a value to the recorded units that speak it. The flow model, its checker and
//! the interpreter join it here. Does not own: audio (the media crate), calls (the engine).
#![forbid(unsafe_code)]

pub mod say;
pub mod schedule;
