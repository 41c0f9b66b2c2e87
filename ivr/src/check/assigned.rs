//! Variables that are read before they are set on some way.
//!
//! A forward analysis: at each node, the variables that are set on every way there. The start knows
//! those with a value and the parameters; so do `on_hang_up` and `on_fault`, to which a call may
//! come from anywhere.

use super::uses::uses;
use crate::fault::Fault;
use crate::model::{Flow, Name, Node};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The variables that are set.
type Set<'a> = BTreeSet<&'a str>;

/// Reads of what may not be set, and results that may not be.
pub fn faults(flow: &Flow) -> Vec<Fault> {
    let first: Set<'_> = flow
        .variables
        .iter()
        .filter(|(name, variable)| variable.value.is_some() || flow.parameters.contains(name))
        .map(|(name, _)| name.as_str())
        .collect();
    let roots: Vec<&Name> = flow.roots().into_iter().map(|(_, root)| root).collect();
    let known = analyse(flow, &roots, &first);
    let mut faults = Vec::new();
    for (name, node) in &flow.node {
        // What cannot be reached is told as that.
        let Some(set) = known.get(name.as_str()) else { continue };
        for (key, variable) in unset_reads(flow, node, set) {
            let way = way_without(flow, &roots, name, variable);
            let what = format!(
                "\"{variable}\" may not be set yet, by the way {way}; set it before, or give it a \
                 value in [variables]"
            );
            faults.push(Fault::wrong(&format!("node.{name}.{key}"), what));
        }
    }
    faults.extend(unset_results(flow, &first));
    faults
}

fn unset_results(flow: &Flow, first: &Set<'_>) -> Vec<Fault> {
    // After a hang-up nobody reads a result.
    let roots: Vec<&Name> = std::iter::once(&flow.start).chain(&flow.on_fault).collect();
    let known = analyse(flow, &roots, first);
    let mut faults = Vec::new();
    for (at, result) in flow.results.iter().enumerate() {
        let end = flow.node.iter().find(|(name, node)| {
            matches!(node, Node::End { .. })
                && known.get(name.as_str()).is_some_and(|set| !set.contains(result.as_str()))
        });
        if let Some((end, _)) = end.filter(|_| flow.variables.contains_key(result)) {
            let way = way_without(flow, &roots, end, result);
            let what = format!("\"{result}\" may not be set at the end, by the way {way}");
            faults.push(Fault::wrong(&format!("results.{at}"), what));
        }
    }
    faults
}

fn analyse<'a>(flow: &'a Flow, roots: &[&'a Name], first: &Set<'a>) -> BTreeMap<&'a str, Set<'a>> {
    let mut known: BTreeMap<&str, Set<'a>> = BTreeMap::new();
    let mut open: VecDeque<(&str, Set<'a>)> =
        roots.iter().map(|root| (root.as_str(), first.clone())).collect();
    while let Some((name, set)) = open.pop_front() {
        let Some((name, node)) = flow.node.get_key_value(name) else { continue };
        let met = match known.get(name.as_str()) {
            Some(before) => before.intersection(&set).copied().collect(),
            None => set,
        };
        if known.get(name.as_str()) == Some(&met) {
            continue;
        }
        for (key, edge) in node.edges() {
            let mut after = met.clone();
            after.extend(set_by(node, &key));
            open.push_back((edge, after));
        }
        known.insert(name, met);
    }
    known
}

/// What a node has set when it is left by an edge.
fn set_by<'a>(node: &'a Node, edge: &str) -> Vec<&'a str> {
    if edge != "next" {
        return Vec::new();
    }
    match node {
        Node::Collect { into, .. } => vec![into],
        Node::Set { values, .. } => values.iter().map(|(name, _)| name.as_str()).collect(),
        Node::Http { into, .. } => into.keys().map(String::as_str).collect(),
        Node::Subflow { into, .. } => into.keys().map(String::as_str).collect(),
        Node::QueueStatus { waiting, agents, idle, .. } => {
            [waiting, agents, idle].into_iter().flatten().map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

fn unset_reads<'a>(flow: &'a Flow, node: &'a Node, set: &Set<'a>) -> Vec<(String, &'a str)> {
    let mut set = set.clone();
    let mut unset = Vec::new();
    for used in uses(flow, node) {
        if let Node::Collect { into, .. } = node
            && used.key == "valid"
        {
            set.insert(into);
        }
        let read: BTreeSet<&str> = used.expr.names().collect();
        for (name, _) in flow.variables.iter().filter(|(name, _)| read.contains(name.as_str())) {
            if !set.contains(name.as_str()) {
                unset.push((used.key.clone(), name.as_str()));
            }
        }
        if let super::uses::Sink::Variable(name) = used.sink {
            set.insert(name);
        }
    }
    unset
}

/// A shortest way to a node on which a variable is not set.
fn way_without(flow: &Flow, roots: &[&Name], to: &str, variable: &str) -> String {
    let mut from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open: VecDeque<&str> = roots.iter().map(|root| root.as_str()).collect();
    let roots: BTreeSet<&str> = open.iter().copied().collect();
    while let Some(name) = open.pop_front() {
        if name == to {
            break;
        }
        let Some(node) = flow.node.get(name) else { continue };
        for (key, edge) in node.edges() {
            let new = !roots.contains(edge.as_str()) && !from.contains_key(edge.as_str());
            if new && !set_by(node, &key).contains(&variable) {
                from.insert(edge, name);
                open.push_back(edge);
            }
        }
    }
    let mut way = vec![to];
    while let Some(before) = way.last().and_then(|name| from.get(name)) {
        way.push(before);
    }
    way.reverse();
    way.join(" → ")
}
