//! Configuration: the node file, centre directories, and what the engine reads of them.
//!
//! ```text
//! conf/hotline.toml ─ node ─▶ NodeConfig
//! centre.toml, flows/*.toml ─ tree ─ schema ─ centre ─ whole, flows ─▶ Centre (canonical objects)
//!                                                     Centre ─ plan ─▶ store
//!                                                     store ─ build ─▶ TenantConfig ─▶ engine
//! ```
//! Owns: reading, checking, planning. Does not own: the store of the objects, nor the rules of
//! routing.

pub mod build;
pub mod centre;
pub mod fault;
pub mod flows;
pub mod node;
pub mod password;
pub mod pin;
pub mod plan;
pub mod schema;
pub mod tree;
mod whole;

#[cfg(test)]
mod tests;

pub use centre::Centre;
pub use fault::{Fault, Faults};
pub use node::NodeConfig;
