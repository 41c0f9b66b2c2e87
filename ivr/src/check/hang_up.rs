//! Flows that leave something unfinished when the caller hangs up.
//!
//! Owns: the rule when a missing `on_hang_up` is worth a warning. Does not own: what such a branch
//! may not do ([`super::edges`], [`super::cycles`]).
//!
//! ```text
//! taken: collect, or a request that changes something
//!   │ a node at which the caller may hang up
//!   ▼
//! handed on: attached data that hold it, a request that changes something
//! ```
//! Where there is such a way, what was taken is handed on when the caller stays and lost when it
//! hangs up. A request that only asks, a menu's choice and a message (kept as it is) leave nothing
//! unfinished. A sub-flow needs no branch where each flow that runs it has one: a hang-up runs the
//! innermost there is.

use super::World;
use super::uses::{Sink, uses};
use crate::fault::Fault;
use crate::model::{Flow, Name, Node, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Flows without `on_hang_up` that need one.
pub fn faults(flows: &BTreeMap<Name, Flow>, world: &World) -> Vec<Fault> {
    let unfinished = |(name, flow): (&Name, &Flow)| {
        if is_covered(name, flows, world, &mut BTreeSet::new()) {
            return None;
        }
        flow.node.iter().find_map(|(taking, node)| {
            let handing = handed_on_too_late(flow, taking, node)?;
            let what = match node {
                Node::Collect { .. } => format!(
                    "what \"{taking}\" collects is handed on only at \"{handing}\", and lost when \
                     the caller hangs up before"
                ),
                _ => format!(
                    "what \"{taking}\" begins goes on only at \"{handing}\", and never when the \
                     caller hangs up before"
                ),
            };
            Some(Fault::missing("on_hang_up", what).warning().in_flow(name))
        })
    };
    flows.iter().filter_map(unfinished).collect()
}

/// Whether a hang-up in a flow always runs a branch: its own, or that of whoever runs it.
fn is_covered<'a>(
    name: &'a str,
    flows: &'a BTreeMap<Name, Flow>,
    world: &World,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    if flows.get(name).is_some_and(|flow| flow.on_hang_up.is_some()) {
        return true;
    }
    if world.reached_by.contains_key(name) || !seen.insert(name) {
        return false;
    }
    let mut run = false;
    for (other, flow) in flows {
        for node in flow.node.values() {
            match node {
                Node::Transfer { to: Target::Flow(to), .. } if to == name => return false,
                Node::Subflow { flow: called, .. } if called == name => {
                    if !is_covered(other, flows, world, seen) {
                        return false;
                    }
                    run = true;
                }
                _ => {}
            }
        }
    }
    run
}

/// The node at which what one has taken is handed on, if the caller may hang up before.
fn handed_on_too_late<'a>(flow: &'a Flow, taking: &str, node: &'a Node) -> Option<&'a str> {
    let held = held_by(flow, node)?;
    let mut seen = BTreeSet::new();
    let mut open: Vec<(&str, bool)> =
        node.edges().into_iter().map(|(_, edge)| (edge.as_str(), false)).collect();
    while let Some((name, may_be_gone)) = open.pop() {
        let Some((name, next)) = flow.node.get_key_value(name) else { continue };
        if may_be_gone && name != taking && hands_on(flow, next, &held, changes(node)) {
            return Some(name);
        }
        let may_be_gone = may_be_gone || takes_time(next);
        if seen.insert((name.as_str(), may_be_gone)) {
            open.extend(next.edges().into_iter().map(|(_, edge)| (edge.as_str(), may_be_gone)));
        }
    }
    None
}

/// The variables that hold what a node has taken; none if it takes nothing.
fn held_by<'a>(flow: &'a Flow, node: &'a Node) -> Option<BTreeSet<&'a str>> {
    let mut held: BTreeSet<&str> = match node {
        Node::Collect { into, .. } => {
            let is_secret = flow.variables.get(into).is_some_and(|variable| variable.secret);
            if is_secret {
                return None;
            }
            [into.as_str()].into()
        }
        Node::Http { into, .. } if changes(node) => into.keys().map(String::as_str).collect(),
        _ => return None,
    };
    loop {
        let before = held.len();
        for node in flow.node.values() {
            for used in uses(flow, node) {
                let reads = used.expr.names().any(|name| held.contains(name));
                if let (true, Sink::Variable(variable)) = (reads, used.sink) {
                    held.insert(variable);
                }
            }
        }
        if held.len() == before {
            return Some(held);
        }
    }
}

/// Whether a node gives away what some variables hold; after a request that changes something,
/// any other is part of the same.
fn hands_on(flow: &Flow, node: &Node, held: &BTreeSet<&str>, changed: bool) -> bool {
    if changed && changes(node) {
        return true;
    }
    let gives = match node {
        Node::Set { data, .. } => !data.is_empty(),
        Node::Http { .. } => changes(node),
        _ => false,
    };
    gives
        && uses(flow, node).iter().any(|used| {
            !matches!(used.sink, Sink::Variable(_))
                && used.expr.names().any(|name| held.contains(name))
        })
}

/// A request that changes something (RFC 9110 §9.2.1: GET does not).
fn changes(node: &Node) -> bool {
    matches!(node, Node::Http { method, .. } if method != "GET")
}

/// Whether the caller may hang up at a node.
const fn takes_time(node: &Node) -> bool {
    matches!(
        node,
        Node::Play { .. }
            | Node::Wait { .. }
            | Node::Menu { .. }
            | Node::Collect { .. }
            | Node::Http { .. }
            | Node::Transfer { .. }
            | Node::Subflow { .. }
            | Node::Message { .. }
            | Node::AgentSignIn { .. }
    )
}
