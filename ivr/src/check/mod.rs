//! What is wrong with flows that can be read: between nodes, between flows, and with the world.
//!
//! Owns: edges and reachability ([`edges`]), ways round without end ([`cycles`]) and with too many
//! turns ([`turns`]), types and secrets ([`names`], with each expression's place from [`uses`]), variables read before they are set
//! ([`assigned`]), what a hang-up leaves unfinished ([`hang_up`]), secrets sent without TLS
//! ([`in_clear`]), recordings ([`prompts`]), what is referred to ([`objects`]) and flows in flows
//! ([`subflows`]). Does not own: single values ([`crate::read`]).

mod assigned;
mod cycles;
mod edges;
mod hang_up;
mod in_clear;
mod names;
mod objects;
mod prompts;
mod subflows;
#[cfg(test)]
mod tests;
mod turns;
mod uses;
mod world;

pub use world::{Access, AgentType, QueueType, World};

use crate::fault::{Fault, Severity};
use crate::model::{Flow, Name};
use std::collections::BTreeMap;

/// Everything that is wrong with a tenant's flows, flow by flow.
pub fn check(flows: &BTreeMap<Name, Flow>, world: &World) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, flow) in flows {
        let found = [
            edges::faults(flow),
            names::faults(flow),
            assigned::faults(flow),
            in_clear::faults(flow),
            prompts::faults(flow, world),
            objects::faults(flow, flows, world),
        ];
        faults.extend(found.into_iter().flatten().map(|fault| fault.in_flow(name)));
    }
    let endless = cycles::faults(flows);
    if endless.is_empty() {
        faults.extend(turns::faults(flows));
    }
    faults.extend(endless);
    faults.extend(hang_up::faults(flows, world));
    faults.extend(subflows::faults(flows, world));
    faults.extend(objects::media_faults(flows, world));
    faults.sort_by(|a, b| (&a.flow, a.severity).cmp(&(&b.flow, b.severity)));
    faults
}

/// Whether there is a fault that forbids publishing.
pub fn refuses(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.severity == Severity::Error)
}

/// A value in quotes, as it stands in a file.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The first few of a list of names, for a fault.
fn some_of<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    match names.get(..SHOWN) {
        Some(first) if names.len() > SHOWN => {
            format!("{} and {} more", first.join(", "), names.len() - SHOWN)
        }
        _ if names.is_empty() => "there is none".into(),
        _ => names.join(", "),
    }
}
