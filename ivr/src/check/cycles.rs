//! Ways round that never stop for anybody: a flow must not be able to go on without end while the
//! caller hears nothing and can do nothing.
//!
//! A node stops a way round if it takes time whatever the caller has typed before. A play or a wait
//! with barge-in does not: a digit that nobody takes passes it at once, again and again. The body
//! of a loop is bounded, so its edge is left out; what remains must have no cycle (then no way is
//! endless: the last loop on one would have to be left by `next`, and nothing after it leads back).
//! When the caller has hung up nothing takes time.

use super::edges::reachable;
use crate::fault::Fault;
use crate::model::{Flow, Name, Node, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Most ways round that are told of one set of flows.
const TOLD_MAX: usize = 20;

/// A node of a flow.
type Place<'a> = (&'a str, &'a str);
type Graph<'a> = BTreeMap<Place<'a>, Vec<(String, Place<'a>)>>;

/// The ways round without end.
pub fn faults(flows: &BTreeMap<Name, Flow>) -> Vec<Fault> {
    let passed = passed_at_once(flows);
    let mut graph = Graph::new();
    for (name, flow) in flows {
        for (node_name, node) in &flow.node {
            if !stops(node, &passed) {
                graph.insert((name, node_name), ways_on(name, node, flows));
            }
        }
    }
    let mut faults = endless(
        graph,
        "goes round without ever waiting for the caller; put a question, a wait or a play with \
         barge_in = false, or a loop on the way",
    );
    for (name, flow) in flows {
        let Some(branch) = &flow.on_hang_up else { continue };
        let gone = reachable(flow, &[branch]);
        let node = |place: &str| flow.node.get(place);
        let graph = gone.iter().filter_map(|place| Some((*place, node(place)?)));
        let graph = graph.map(|(place, node)| ((name.as_str(), place), ways_on(name, node, flows)));
        let more = endless(graph.collect(), "goes round without end when the caller has hung up");
        let known: BTreeSet<String> = faults.iter().map(|fault| fault.path.clone()).collect();
        faults.extend(more.into_iter().filter(|fault| !known.contains(&fault.path)));
    }
    faults
}

/// The flows that, run as sub-flows, may come to an end without having stopped.
pub(super) fn passed_at_once(flows: &BTreeMap<Name, Flow>) -> BTreeSet<&str> {
    let mut passed = BTreeSet::new();
    loop {
        let more = flows
            .iter()
            .find(|(name, flow)| !passed.contains(name.as_str()) && reaches_end(flow, &passed));
        match more {
            Some((name, _)) => passed.insert(name.as_str()),
            None => return passed,
        };
    }
}

fn reaches_end(flow: &Flow, passed: &BTreeSet<&str>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![&flow.start];
    while let Some(name) = open.pop() {
        let Some(node) = flow.node.get(name).filter(|node| !stops(node, passed)) else { continue };
        if matches!(node, Node::End { .. }) {
            return true;
        }
        if seen.insert(name) {
            open.extend(node.edges().into_iter().map(|(_, edge)| edge));
        }
    }
    false
}

/// Whether a node takes time or a digit, whatever was typed before.
pub(super) fn stops(node: &Node, passed: &BTreeSet<&str>) -> bool {
    match node {
        Node::Play { barge_in, .. } | Node::Wait { barge_in, .. } => !barge_in,
        Node::Menu { .. }
        | Node::Collect { .. }
        | Node::Message { .. }
        | Node::AgentSignIn { .. } => true,
        Node::Subflow { flow, .. } => !passed.contains(flow.as_str()),
        _ => false,
    }
}

pub(super) fn ways_on<'a>(
    flow: &'a str,
    node: &'a Node,
    flows: &'a BTreeMap<Name, Flow>,
) -> Vec<(String, Place<'a>)> {
    let edges = node.edges().into_iter();
    let edges = edges.filter(|(key, _)| !(matches!(node, Node::Loop { .. }) && key == "body"));
    let mut ways: Vec<_> = edges.map(|(key, edge)| (key, (flow, edge.as_str()))).collect();
    if let Node::Transfer { to: Target::Flow(other), .. } = node {
        let start = flows.get(other).map(|flow| flow.start.as_str());
        ways.extend(start.map(|start| ("to.flow".to_owned(), (other.as_str(), start))));
    }
    ways
}

/// One fault for each cycle found; a cycle is found, told, and cut where it closes.
fn endless(mut graph: Graph<'_>, what: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    while faults.len() < TOLD_MAX {
        trim(&mut graph);
        let Some(cycle) = cycle(&graph) else { break };
        let (Some((first, key)), Some((last, _))) = (cycle.first(), cycle.last()) else { break };
        let (first, last, key) = (*first, *last, key.clone());
        let flow = first.0;
        let shown = |place: Place<'_>| match place {
            (other, node) if other == flow => node.to_owned(),
            (other, node) => format!("{other}:{node}"),
        };
        let mut way: Vec<String> = cycle.iter().map(|(place, _)| shown(*place)).collect();
        way.push(shown(first));
        let fault = format!("{} {what}", way.join(" → "));
        faults.push(Fault::wrong(&format!("node.{}.{key}", first.1), fault).in_flow(flow));
        if let Some(ways) = graph.get_mut(&last) {
            ways.retain(|(_, to)| *to != first);
        }
    }
    faults
}

/// Takes out, again and again, what leads nowhere; what is left leads round.
fn trim(graph: &mut Graph<'_>) {
    loop {
        let places: BTreeSet<_> = graph.keys().copied().collect();
        for ways in graph.values_mut() {
            ways.retain(|(_, to)| places.contains(to));
        }
        let before = graph.len();
        graph.retain(|_, ways| !ways.is_empty());
        if graph.len() == before {
            return;
        }
    }
}

/// A cycle of a trimmed graph, with the key of each edge on it.
fn cycle<'a>(graph: &Graph<'a>) -> Option<Vec<(Place<'a>, String)>> {
    let mut way: Vec<(Place<'a>, String)> = Vec::new();
    let mut at = *graph.keys().next()?;
    loop {
        if let Some(begin) = way.iter().position(|(place, _)| *place == at) {
            let cycle = way.split_off(begin);
            // Begin at the same node however it was found, so that a fault stands still.
            let least = (0..cycle.len()).min_by_key(|at| cycle.get(*at).map(|(place, _)| *place));
            let mut cycle = cycle;
            cycle.rotate_left(least.unwrap_or_default());
            return Some(cycle);
        }
        let (key, next) = graph.get(&at)?.first()?;
        way.push((at, key.clone()));
        at = *next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};
    use std::collections::btree_map::Entry;

    const NODES: usize = 5;

    /// A flow of nodes that pause (`p`), that do not (`i`), and loops (`l`), each with two edges.
    fn flow(nodes: &[(char, usize, usize, u8)]) -> Flow {
        let node = |(kind, a, b, times): &(char, usize, usize, u8)| -> Json {
            let (a, b) = (format!("n{a}"), format!("n{b}"));
            match kind {
                'p' => {
                    json!({ "kind": "menu", "keys": { "1": a }, "on_timeout": b, "on_no_match": b })
                }
                'l' => json!({ "kind": "loop", "times": times, "body": a, "next": b }),
                _ => {
                    json!({ "kind": "branch", "cases": [{ "if": "true", "then": a }], "otherwise": b })
                }
            }
        };
        let mut written: serde_json::Map<String, Json> =
            nodes.iter().enumerate().map(|(at, parts)| (format!("n{at}"), node(parts))).collect();
        written.insert(format!("n{}", nodes.len()), json!({ "kind": "end" }));
        crate::read::flow(&json!({ "start": "n0", "node": written })).unwrap()
    }

    /// By trying: from some node, can one walk for ever without a pause? Loops count.
    fn endless_by_walking(nodes: &[(char, usize, usize, u8)]) -> bool {
        type State = (usize, Vec<u8>);
        let next = |(at, counts): &State| -> Vec<State> {
            match nodes.get(*at) {
                Some(('l', body, next, times)) => {
                    let mut counts = counts.clone();
                    let again = counts[*at] < *times;
                    counts[*at] = if again { counts[*at] + 1 } else { 0 };
                    vec![(if again { *body } else { *next }, counts)]
                }
                Some(('i', a, b, _)) => vec![(*a, counts.clone()), (*b, counts.clone())],
                _ => Vec::new(),
            }
        };
        let mut states: BTreeMap<State, Vec<State>> = BTreeMap::new();
        let mut open: Vec<State> = (0..nodes.len()).map(|at| (at, vec![0; nodes.len()])).collect();
        while let Some(state) = open.pop() {
            let Entry::Vacant(new) = states.entry(state) else { continue };
            let after = next(new.key());
            open.extend(after.clone());
            new.insert(after);
        }
        loop {
            let before = states.len();
            let known: BTreeSet<State> = states.keys().cloned().collect();
            states.retain(|_, after| after.iter().any(|state| known.contains(state)));
            if states.len() == before {
                return before > 0;
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_could_walk_for_ever_is_found(
            nodes in prop::collection::vec(
                (prop::sample::select(vec!['p', 'i', 'i', 'l']), 0..=NODES, 0..=NODES, 1u8..3),
                NODES,
            ),
        ) {
            let flows = BTreeMap::from([("f".to_owned(), flow(&nodes))]);
            let found = !faults(&flows).is_empty();
            let endless = endless_by_walking(&nodes);
            prop_assert!(found || !endless, "not found: {nodes:?}");
            // A loop whose body never comes back is not left by `next`; else the two agree.
            let loops = nodes.iter().any(|(kind, ..)| *kind == 'l');
            prop_assert!(found == endless || loops, "found for nothing: {nodes:?}");
        }
    }
}
