//! Edges: to nowhere, missing where they should be, and nodes that no edge leads to.

use super::{quoted, some_of};
use crate::fault::Fault;
use crate::model::{Flow, Name, Node};
use std::collections::BTreeSet;

/// What is wrong with a flow's edges. A node that no way leads to is no fault of its own while an
/// edge on the way from start leads nowhere: that one may have been meant to lead there.
pub fn faults(flow: &Flow) -> Vec<Fault> {
    let mut faults = nowhere(flow);
    let roots: Vec<&Name> = flow.roots().into_iter().map(|(_, root)| root).collect();
    let reached = reachable(flow, &roots);
    let unreached = flow.node.keys().filter(|name| !reached.contains(name.as_str()));
    if !is_cut_off(flow, &roots) {
        faults.extend(unreached.map(|name| {
            let what = "no way from start leads here; lead an edge here or take it out";
            Fault::wrong(&format!("node.{name}"), what)
        }));
    }
    faults.extend(missing(flow));
    faults.extend(after_hang_up(flow));
    faults.extend(loops(flow));
    faults
}

fn nowhere(flow: &Flow) -> Vec<Fault> {
    let roots = flow.roots().into_iter().map(|(key, edge)| (key.to_owned(), edge));
    let nodes = flow.node.iter().flat_map(|(name, node)| {
        let edges = node.edges().into_iter();
        edges.map(move |(key, edge)| (format!("node.{name}.{key}"), edge))
    });
    let lost = roots.chain(nodes).filter(|(_, edge)| !flow.node.contains_key(*edge));
    let allowed = format!("a node of this flow: {}", some_of(flow.node.keys()));
    lost.map(|(path, edge)| Fault::not_allowed(&path, quoted(edge), allowed.as_str())).collect()
}

/// The nodes that can be come to from some.
pub fn reachable<'a>(flow: &'a Flow, from: &[&'a Name]) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Name> = from.to_vec();
    while let Some(name) = open.pop() {
        let Some(node) = flow.node.get(name) else { continue };
        if reached.insert(name.as_str()) {
            open.extend(node.edges().into_iter().map(|(_, edge)| edge));
        }
    }
    reached
}

/// Whether a way that begins at one of these ends at an edge to nowhere.
fn is_cut_off(flow: &Flow, from: &[&Name]) -> bool {
    let reached = reachable(flow, from);
    let nodes = reached.iter().filter_map(|name| flow.node.get(*name));
    let mut edges = nodes.flat_map(Node::edges).map(|(_, edge)| edge).chain(from.iter().copied());
    edges.any(|edge| !flow.node.contains_key(edge))
}

/// Edges that a flow can do without, but hardly means to. (Others are missing at reading already.)
fn missing(flow: &Flow) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, node) in &flow.node {
        let fails = matches!(node, Node::Transfer { on_failure: None, .. });
        if fails && flow.on_fault.is_none() {
            let what = "and the flow has no on_fault: a transfer that fails ends the call";
            faults.push(Fault::missing(&format!("node.{name}.on_failure"), what).warning());
        }
    }
    faults
}

/// Nodes that need a caller, on the way that begins when the caller is gone.
fn after_hang_up(flow: &Flow) -> Vec<Fault> {
    let Some(branch) = &flow.on_hang_up else { return Vec::new() };
    let gone = reachable(flow, &[branch]);
    let needs_caller = flow.node.iter().filter(|(name, node)| {
        gone.contains(name.as_str()) && node.needs_caller() && !matches!(node, Node::Wait { .. })
    });
    needs_caller
        .map(|(name, node)| {
            let kind = node.kind();
            let what = format!("on_hang_up leads here, but a {kind} needs a caller on the line");
            Fault::wrong(&format!("node.{name}"), what)
        })
        .collect()
}

fn loops(flow: &Flow) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, node) in &flow.node {
        let Node::Loop { body, .. } = node else { continue };
        let returns = || reachable(flow, &[body]).contains(name.as_str());
        if !is_cut_off(flow, &[body]) && !returns() {
            let what = format!("\"{body}\" never leads back here, so that it is not repeated");
            faults.push(Fault::wrong(&format!("node.{name}.body"), what).warning());
        }
    }
    faults
}
