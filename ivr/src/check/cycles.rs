//! Ways round that never stop for anybody: a flow must not be able to go on without end while the
//! caller hears nothing and can do nothing.
//!
//! A node stops a way round if it takes time whatever the caller has typed before. A play or a wait
//! with barge-in does not: a digit that nobody takes passes it at once, again and again. The body
//! of a loop is bounded, so its edge is left out; what remains must have no cycle (then no way is
//! endless: the last loop on one would have to be left by `next`, and nothing after it leads back).
//! Where a flow goes over to another for good, loops and sub-flows begin anew: a way round through
//! such a place is endless whatever it leads through. When the caller has hung up nothing takes time.

use crate::fault::Fault;
use crate::model::{Flow, Name, Node, Target};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most ways round that are told of one set of flows.
const TOLD_MAX: usize = 20;
/// The key of an edge by which a flow goes over to another for good.
const FOR_GOOD: &str = "to.flow";

/// A node of a flow.
type Place<'a> = (&'a str, &'a str);
type Graph<'a> = BTreeMap<Place<'a>, Vec<(String, Place<'a>)>>;

/// The ways round without end.
pub fn faults(flows: &BTreeMap<Name, Flow>) -> Vec<Fault> {
    const ENDLESS: &str = "goes round without ever waiting for the caller; put a question, a wait or \
                           a play with barge_in = false, or a loop on the way";
    let passed = passed_at_once(flows);
    let (mut within, mut over) = (Graph::new(), Graph::new());
    for (name, flow) in flows {
        for (node_name, node) in &flow.node {
            let ways = if stops(node, &passed) { Vec::new() } else { edges_of(name, node) };
            let bounded = ways.iter().filter(|(key, _)| !is_body(node, key)).cloned().collect();
            within.insert((name.as_str(), node_name.as_str()), bounded);
            let ways = ways.into_iter().chain(ways_over(node, flows)).collect();
            over.insert((name.as_str(), node_name.as_str()), ways);
        }
    }
    let mut faults = endless(within, ENDLESS);
    faults.extend(round_for_good(&over, ENDLESS));
    for (name, flow) in flows {
        let Some(branch) = &flow.on_hang_up else { continue };
        let graph = unheard((name, branch), flows);
        let more = endless(graph, "goes round without end when the caller has hung up");
        let known: BTreeSet<(String, String)> =
            faults.iter().map(|fault| (fault.flow.clone(), fault.path.clone())).collect();
        let is_new = |fault: &Fault| !known.contains(&(fault.flow.clone(), fault.path.clone()));
        faults.extend(more.into_iter().filter(is_new));
    }
    faults
}

/// What can be come to from a hang-up branch, in sub-flows too; a node that needs the caller ends it.
fn unheard<'a>(branch: Place<'a>, flows: &'a BTreeMap<Name, Flow>) -> Graph<'a> {
    let mut graph = Graph::new();
    let mut open = vec![branch];
    while let Some(place) = open.pop() {
        let Some((flow_name, flow)) = flows.get_key_value(place.0) else { continue };
        let Some(node) = flow.node.get(place.1).filter(|node| !node.needs_caller()) else {
            continue;
        };
        if graph.contains_key(&place) {
            continue;
        }
        let edges = node.edges().into_iter().map(|(_, edge)| (flow_name.as_str(), edge.as_str()));
        open.extend(edges);
        if let Node::Subflow { flow, .. } = node {
            open.extend(begin_of(flows, flow));
        }
        let ways = edges_of(flow_name, node).into_iter();
        graph.insert(place, ways.filter(|(key, _)| !is_body(node, key)).collect());
    }
    graph
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

fn begin_of<'a>(flows: &'a BTreeMap<Name, Flow>, flow: &str) -> Option<Place<'a>> {
    let (name, flow) = flows.get_key_value(flow)?;
    Some((name, &flow.start))
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

/// Where a node leads to without the bodies of loops, also where it goes over to another flow for
/// good.
pub(super) fn ways_on<'a>(
    flow: &'a str,
    node: &'a Node,
    flows: &'a BTreeMap<Name, Flow>,
) -> Vec<(String, Place<'a>)> {
    let over = ways_over(node, flows).filter(|(key, _)| key == FOR_GOOD);
    edges_of(flow, node).into_iter().filter(|(key, _)| !is_body(node, key)).chain(over).collect()
}

/// Where a node leads to within its flow.
fn edges_of<'a>(flow: &'a str, node: &'a Node) -> Vec<(String, Place<'a>)> {
    node.edges().into_iter().map(|(key, edge)| (key, (flow, edge.as_str()))).collect()
}

/// Where a node leads to in other flows: for good, or to come back.
fn ways_over<'a>(node: &Node, flows: &'a BTreeMap<Name, Flow>) -> Option<(String, Place<'a>)> {
    let (key, flow) = match node {
        Node::Transfer { to: Target::Flow(flow), .. } => (FOR_GOOD, flow),
        Node::Subflow { flow, .. } => ("flow", flow),
        _ => return None,
    };
    Some((key.to_owned(), begin_of(flows, flow)?))
}

fn is_body(node: &Node, key: &str) -> bool {
    matches!(node, Node::Loop { .. }) && key == "body"
}

/// One fault for each way round through a place where a flow goes over to another for good.
fn round_for_good(graph: &Graph<'_>, what: &str) -> Vec<Fault> {
    let mut told = BTreeSet::new();
    let mut faults = Vec::new();
    for (from, ways) in graph {
        for (_, to) in ways.iter().filter(|(key, _)| key == FOR_GOOD) {
            let Some(mut cycle) = way_between(graph, *to, *from) else { continue };
            cycle.push((*from, FOR_GOOD.to_owned()));
            from_the_least(&mut cycle);
            let places: BTreeSet<_> = cycle.iter().map(|(place, _)| *place).collect();
            if told.insert(places) && told.len() <= TOLD_MAX {
                faults.extend(tell(&cycle, what));
            }
        }
    }
    faults
}

/// A shortest way from one place to another, with the keys of its edges.
fn way_between<'a>(
    graph: &Graph<'a>,
    from: Place<'a>,
    to: Place<'a>,
) -> Option<Vec<(Place<'a>, String)>> {
    let mut came: BTreeMap<Place<'a>, Option<(Place<'a>, String)>> = [(from, None)].into();
    let mut open = VecDeque::from([from]);
    while let Some(at) = open.pop_front() {
        if at == to {
            let mut way = Vec::new();
            let mut back = came.get(&at).cloned().flatten();
            while let Some((place, key)) = back {
                way.push((place, key));
                back = came.get(&place).cloned().flatten();
            }
            way.reverse();
            return Some(way);
        }
        for (key, next) in graph.get(&at).into_iter().flatten() {
            if graph.contains_key(next) && !came.contains_key(next) {
                came.insert(*next, Some((at, key.clone())));
                open.push_back(*next);
            }
        }
    }
    None
}

/// Begins a cycle at the same node however it was found, so that a fault stands still.
fn from_the_least(cycle: &mut [(Place<'_>, String)]) {
    let least = (0..cycle.len()).min_by_key(|at| cycle.get(*at).map(|(place, _)| *place));
    cycle.rotate_left(least.unwrap_or_default());
}

fn tell(cycle: &[(Place<'_>, String)], what: &str) -> Option<Fault> {
    let (first, key) = cycle.first()?;
    let flow = first.0;
    let shown = |place: &Place<'_>| match *place {
        (other, node) if other == flow => node.to_owned(),
        (other, node) => format!("{other}:{node}"),
    };
    let mut way: Vec<String> = cycle.iter().map(|(place, _)| shown(place)).collect();
    way.push(shown(first));
    let fault = format!("{} {what}", way.join(" → "));
    Some(Fault::wrong(&format!("node.{}.{key}", first.1), fault).in_flow(flow))
}

/// One fault for each cycle found; a cycle is found, told, and cut where it closes.
fn endless(mut graph: Graph<'_>, what: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    while faults.len() < TOLD_MAX {
        trim(&mut graph);
        let Some(cycle) = cycle(&graph) else { break };
        let (Some((first, _)), Some((last, _))) = (cycle.first(), cycle.last()) else { break };
        let (first, last) = (*first, *last);
        faults.extend(tell(&cycle, what));
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
            let mut cycle = way.split_off(begin);
            from_the_least(&mut cycle);
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
