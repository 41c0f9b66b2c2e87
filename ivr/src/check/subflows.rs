//! Flows in flows: recursion and depth, parameters and results.

use super::{World, quoted, some_of};
use crate::expr::type_name;
use crate::fault::Fault;
use crate::model::{Flow, Name, Node, Target, Type};
use std::collections::BTreeMap;

/// Most flows inside each other, the first among them.
pub const DEPTH_MAX: usize = 8;

type Flows = BTreeMap<Name, Flow>;

/// What is wrong between flows and their sub-flows.
pub fn faults(flows: &Flows, world: &World) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, flow) in flows {
        for (node_name, node) in &flow.node {
            let path = format!("node.{node_name}");
            let found = match node {
                Node::Subflow { flow: other, with, into, .. } => flows.get(other).map(|callee| {
                    let mut found = parameters(flow, callee, &path, with);
                    found.extend(results(flow, callee, &path, into));
                    found
                }),
                Node::Transfer { to: Target::Flow(other), .. } => flows.get(other).map(|callee| {
                    let unset = unset_parameters(callee);
                    let what = |name| {
                        format!(
                            "flow \"{other}\" has the parameter \"{name}\" without a value; run \
                             it as a subflow"
                        )
                    };
                    unset.map(|name| Fault::wrong(&format!("{path}.to.flow"), what(name))).collect()
                }),
                _ => None,
            };
            let found = found.unwrap_or_default();
            faults.extend(found.into_iter().map(|fault| fault.in_flow(name)));
        }
        if world.reached_by.contains_key(name) {
            for parameter in unset_parameters(flow) {
                let what = format!(
                    "calls come to this flow from outside, where nobody sets \"{parameter}\"; give it a \
                     value in [variables]"
                );
                faults.push(Fault::wrong("parameters", what).in_flow(name));
            }
        }
    }
    faults.extend(nesting(flows));
    faults
}

fn unset_parameters(flow: &Flow) -> impl Iterator<Item = &Name> {
    flow.parameters
        .iter()
        .filter(|name| flow.variables.get(*name).is_some_and(|variable| variable.value.is_none()))
}

fn parameters(
    flow: &Flow,
    callee: &Flow,
    path: &str,
    with: &BTreeMap<Name, crate::expr::Expr>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let kinds = |name: &str| flow.variables.get(name).map(|variable| variable.kind);
    for (name, expr) in with {
        let path = format!("{path}.with.{name}");
        let declared = callee.parameters.contains(name).then(|| callee.variables.get(name));
        let Some(Some(variable)) = declared else {
            let allowed = format!("a parameter of the sub-flow: {}", some_of(&callee.parameters));
            faults.push(Fault::not_allowed(&path, quoted(name), allowed));
            continue;
        };
        let kind = expr.kind(&kinds);
        if let Ok(kind) = &kind
            && *kind != variable.kind
        {
            faults.push(wrong_type(&path, expr.source(), variable.kind, *kind));
        }
        let secret =
            |name: &&str| flow.variables.get(*name).is_some_and(|variable| variable.secret);
        if !variable.secret
            && kind != Ok(Type::Flag)
            && let Some(secret) = expr.names().find(secret)
        {
            let what =
                format!("\"{secret}\" is secret, but the parameter is not and would be logged");
            faults.push(Fault::wrong(&path, what));
        }
    }
    for name in unset_parameters(callee).filter(|name| !with.contains_key(*name)) {
        faults.push(Fault::missing(
            &format!("{path}.with.{name}"),
            "the sub-flow has no value for it",
        ));
    }
    faults
}

fn wrong_type(path: &str, source: &str, wants: Type, given: Type) -> Fault {
    let (wants, given) = (type_name(wants), type_name(given));
    let allowed = format!("an expression of type {wants}; this one is of type {given}");
    Fault::not_allowed(path, quoted(source), allowed)
}

fn results(flow: &Flow, callee: &Flow, path: &str, into: &BTreeMap<Name, Name>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (ours, its) in into {
        let path = format!("{path}.into.{ours}");
        let declared = callee.results.contains(its).then(|| callee.variables.get(its));
        let Some(Some(result)) = declared else {
            let allowed = format!("a result of the sub-flow: {}", some_of(&callee.results));
            faults.push(Fault::not_allowed(&path, quoted(its), allowed));
            continue;
        };
        let Some(variable) = flow.variables.get(ours) else { continue };
        if variable.kind != result.kind {
            let (wants, given) = (type_name(variable.kind), type_name(result.kind));
            let allowed = format!("a result of type {wants}; this one is of type {given}");
            faults.push(Fault::not_allowed(&path, quoted(its), allowed));
        }
        if result.secret && !variable.secret {
            let what =
                format!("\"{its}\" is secret, but variable \"{ours}\" is not and would be logged");
            faults.push(Fault::wrong(&path, what));
        }
    }
    faults
}

/// Recursion, and sub-flows nested too deep. Depths are found from the leaves up; what never gets
/// one is part of a recursion or leads into one.
fn nesting(flows: &Flows) -> Vec<Fault> {
    let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
    loop {
        let before = depths.len();
        for (name, flow) in flows {
            if depths.contains_key(name.as_str()) {
                continue;
            }
            let mut deepest = Some(0);
            for (_, other) in calls(flow).filter(|(_, other)| flows.contains_key(*other)) {
                deepest = deepest.zip(depths.get(other.as_str())).map(|(a, b)| a.max(*b));
            }
            if let Some(deepest) = deepest {
                depths.insert(name, deepest + 1);
            }
        }
        if depths.len() == before {
            break;
        }
    }
    let mut faults = Vec::new();
    for (name, flow) in flows {
        for (node, other) in calls(flow) {
            let path = format!("node.{node}.flow");
            if let Some(way) = way_back(flows, name, other) {
                let what = format!("{way} calls itself; transfer to a flow instead of running it");
                faults.push(Fault::wrong(&path, what).in_flow(name));
            } else if depths.get(other.as_str()) == Some(&DEPTH_MAX) {
                let what = format!("more than {DEPTH_MAX} flows inside each other");
                faults.push(Fault::wrong(&path, what).in_flow(name));
            }
        }
    }
    faults
}

fn calls(flow: &Flow) -> impl Iterator<Item = (&Name, &Name)> {
    flow.node.iter().filter_map(|(name, node)| match node {
        Node::Subflow { flow, .. } => Some((name, flow)),
        _ => None,
    })
}

/// The way by which a sub-flow comes back to the flow that runs it.
fn way_back(flows: &Flows, name: &str, first: &str) -> Option<String> {
    let mut from: BTreeMap<&str, Option<&str>> = BTreeMap::from([(first, None)]);
    let mut open = vec![first];
    while let Some(at) = open.pop() {
        if at == name {
            let mut way = vec![at];
            while let Some(Some(before)) = way.last().and_then(|flow| from.get(flow)) {
                way.push(before);
            }
            way.push(name);
            way.reverse();
            return Some(way.join(" → "));
        }
        for (_, other) in flows.get(at).into_iter().flat_map(calls) {
            if !from.contains_key(other.as_str()) {
                from.insert(other, Some(at));
                open.push(other);
            }
        }
    }
    None
}
