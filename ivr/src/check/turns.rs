//! Ways that come to an end, but enter too many nodes before anything stops them: loops in loops.
//!
//! Owns: the most nodes that a run of a flow may enter without stopping, never told too low. Does
//! not own: ways without any end ([`super::cycles`], which found none), what stops a way (there as
//! well).
//!
//! Without the edges to the bodies of loops no way goes round. A walk is a few such ways one after
//! another, each but the last ended by a loop that goes back to its body. A loop goes back its
//! times, and as often again when a loop after it, on a way round with it, has led back before it.

use super::cycles::{passed_at_once, stops, ways_on};
use super::edges::reachable;
use crate::fault::Fault;
use crate::model::{Flow, Name, Node, Target};
use crate::run::STEPS_MAX;
use std::collections::{BTreeMap, BTreeSet};

type Flows = BTreeMap<Name, Flow>;
/// Flow and node.
type Place<'a> = (&'a str, &'a str);

/// The ways with too many turns, one of each flow at most.
pub fn faults(flows: &Flows) -> Vec<Fault> {
    let passed = passed_at_once(flows);
    let pass = flows.iter().map(|(name, flow)| {
        let nodes = flow.node.iter().filter(|(_, node)| !stops(node, &passed));
        (name.as_str(), nodes.map(|(place, _)| place.as_str()).collect())
    });
    let mut faults = Turns::new(flows, pass.collect()).faults("before anything stops it");
    // When the caller has hung up nothing stops a way.
    let gone = flows.iter().map(|(name, flow)| {
        let branch: Vec<&Name> = flow.on_hang_up.iter().collect();
        let places = reachable(flow, &branch);
        let goes_on = |place: &&str| flow.node.get(*place).is_some_and(|node| !node.needs_caller());
        (name.as_str(), places.into_iter().filter(goes_on).collect())
    });
    let known: BTreeSet<String> = faults.iter().map(|fault| fault.flow.clone()).collect();
    let more = Turns::new(flows, gone.collect()).faults("when the caller has hung up");
    faults.extend(more.into_iter().filter(|fault| !known.contains(&fault.flow)));
    faults
}

struct Turns<'a> {
    flows: &'a Flows,
    /// The nodes of each flow that do not stop a way.
    pass: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The most nodes of a run of each flow; none while it is being found out: flows that run each
    /// other are refused elsewhere.
    found: BTreeMap<&'a str, Option<Most<'a>>>,
}

/// The most nodes of a run, and the loop that has most of them.
#[derive(Clone, Copy)]
struct Most<'a> {
    nodes: u64,
    at: Place<'a>,
}

impl<'a> Turns<'a> {
    fn new(flows: &'a Flows, pass: BTreeMap<&'a str, BTreeSet<&'a str>>) -> Turns<'a> {
        Turns { flows, pass, found: BTreeMap::new() }
    }

    fn faults(mut self, when: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for name in self.flows.keys() {
            let Some(most) = self.most(name) else { continue };
            // Told of the flow whose loops they are.
            if most.nodes <= STEPS_MAX.into() || most.at.0 != name {
                continue;
            }
            let what = format!(
                "a call may pass more than {STEPS_MAX} nodes {when}; loops inside each other \
                 multiply their times: lower them, or put a question or a wait into the body"
            );
            let path = format!("node.{}", most.at.1);
            faults.push(Fault::wrong(&path, what).in_flow(name));
        }
        faults
    }

    fn most(&mut self, flow: &'a str) -> Option<Most<'a>> {
        if let Some(known) = self.found.get(flow) {
            return *known;
        }
        self.found.insert(flow, None);
        let most = self.walks(flow);
        self.found.insert(flow, most);
        most
    }

    /// All walks in a flow and those that it goes over to.
    fn walks(&mut self, flow: &'a str) -> Option<Most<'a>> {
        let mut group: Vec<&'a str> = vec![flow];
        let mut at = 0;
        while let Some(name) = group.get(at).copied() {
            at += 1;
            for node in self.flows.get(name).into_iter().flat_map(|flow| flow.node.values()) {
                if let Node::Transfer { to: Target::Flow(other), .. } = node
                    && self.flows.contains_key(other)
                    && !group.contains(&other.as_str())
                {
                    group.push(other);
                }
            }
        }
        let mut places: Vec<Place<'a>> = Vec::new();
        for name in group {
            places.extend(self.pass.get(name).into_iter().flatten().map(|place| (name, *place)));
        }
        let weights = places.iter().map(|place| (*place, self.weight(*place))).collect();
        Walks::new(self.flows, &places, &weights).most()
    }

    /// A node, with the sub-flow that it runs.
    fn weight(&mut self, place: Place<'a>) -> u64 {
        let flows = self.flows;
        let node = flows.get(place.0).and_then(|flow| flow.node.get(place.1));
        let Some(Node::Subflow { flow, .. }) = node else { return 1 };
        let inside = flows.get_key_value(flow).and_then(|(name, _)| self.most(name));
        inside.map_or(0, |inside| inside.nodes).saturating_add(1)
    }
}

/// The nodes of a few flows, by number, so that ways lead to higher ones; the bodies of loops may
/// be anywhere.
struct Walks<'a> {
    places: Vec<Place<'a>>,
    weights: Vec<u64>,
    /// Those to the bodies of loops among them.
    ways: Vec<Vec<usize>>,
    loops: Vec<Loop>,
    /// For each node the lowest one of its knot: those that lead to each other.
    knots: Vec<usize>,
}

struct Loop {
    at: usize,
    times: u64,
    body: usize,
}

impl<'a> Walks<'a> {
    fn new(flows: &'a Flows, places: &[Place<'a>], weights: &BTreeMap<Place<'a>, u64>) -> Self {
        let node = |place: Place<'_>| flows.get(place.0).and_then(|flow| flow.node.get(place.1));
        let next = |place: Place<'a>| -> Vec<Place<'a>> {
            let ways = node(place).map(|node| ways_on(place.0, node, flows)).unwrap_or_default();
            ways.into_iter().map(|(_, to)| to).filter(|to| weights.contains_key(to)).collect()
        };
        let places = in_order(places, &next);
        let number: BTreeMap<Place<'a>, usize> =
            places.iter().enumerate().map(|(at, place)| (*place, at)).collect();
        let mut ways: Vec<Vec<usize>> = Vec::with_capacity(places.len());
        let mut loops = Vec::new();
        for (at, place) in places.iter().enumerate() {
            let to = next(*place).into_iter().filter_map(|to| number.get(&to).copied());
            let mut to: Vec<usize> = to.collect();
            if let Some(Node::Loop { times, body, .. }) = node(*place)
                && let Some(body) = number.get(&(place.0, body.as_str())).copied()
            {
                to.push(body);
                loops.push(Loop { at, times: (*times).into(), body });
            }
            ways.push(to);
        }
        let weights = places.iter().filter_map(|place| weights.get(place).copied()).collect();
        let knots = knots(&ways);
        Walks { places, weights, ways, loops, knots }
    }

    fn knot(&self, at: usize) -> Option<usize> {
        self.knots.get(at).copied()
    }

    /// The longest way forward from each node that stays in its knot.
    fn forward(&self) -> Vec<u64> {
        let mut found = vec![0_u64; self.places.len()];
        for at in (0..self.places.len()).rev() {
            let ways = self.ways.get(at).into_iter().flatten();
            let ways = ways.filter(|to| **to > at && self.knot(**to) == self.knot(at));
            let rest = ways.filter_map(|to| found.get(*to).copied()).max().unwrap_or(0);
            if let Some(place) = found.get_mut(at) {
                *place = rest.saturating_add(self.weights.get(at).copied().unwrap_or(1));
            }
        }
        found
    }

    /// How often each loop may go back to its body, the last loop first: its times, and again
    /// whenever a later one of its knot has led back before it.
    fn turns(&self) -> Vec<(&Loop, u64)> {
        let back = self.loops.iter().rev().filter(|one| one.body <= one.at);
        let mut turns: Vec<(&Loop, u64)> = Vec::new();
        for one in back {
            let again = turns.iter().filter(|(later, _)| {
                later.body <= one.at && self.knot(later.at) == self.knot(one.at)
            });
            let begun = again.fold(1_u64, |sum, (_, turns)| sum.saturating_add(*turns));
            turns.push((one, begun.saturating_mul(one.times)));
        }
        turns
    }

    /// The longest walk, knot after knot.
    fn most(&self) -> Option<Most<'a>> {
        let forward = self.forward();
        let mut nodes: BTreeMap<usize, u64> = BTreeMap::new();
        let mut worst = (0, *self.places.first()?);
        for (at, knot) in self.knots.iter().enumerate() {
            let longest = nodes.entry(*knot).or_default();
            *longest = (*longest).max(forward.get(at).copied().unwrap_or(1));
        }
        for (one, turns) in self.turns() {
            let all = turns.saturating_mul(forward.get(one.body).copied().unwrap_or(1));
            if let Some(sum) = self.knot(one.at).and_then(|knot| nodes.get_mut(&knot)) {
                *sum = sum.saturating_add(all);
            }
            worst = worst.max((all, *self.places.get(one.at)?));
        }
        // From knot to knot ways lead on only; a loop that is in none may go on to its body.
        let mut ways: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (at, to) in self.ways.iter().enumerate() {
            let Some(knot) = self.knot(at) else { continue };
            let others = to.iter().filter_map(|to| self.knot(*to)).filter(|other| *other != knot);
            ways.entry(knot).or_default().extend(others);
        }
        let mut longest: BTreeMap<usize, u64> = BTreeMap::new();
        for knot in later_first(&ways) {
            let on = ways.get(&knot).into_iter().flatten();
            let rest = on.filter_map(|to| longest.get(to).copied()).max().unwrap_or(0);
            let here = nodes.get(&knot).copied().unwrap_or(0);
            longest.insert(knot, here.saturating_add(rest));
        }
        Some(Most { nodes: longest.into_values().max()?, at: worst.1 })
    }
}

/// For each node the lowest one of those that it leads to and that lead to it.
fn knots(ways: &[Vec<usize>]) -> Vec<usize> {
    let mut back: Vec<Vec<usize>> = vec![Vec::new(); ways.len()];
    for (at, to) in ways.iter().enumerate() {
        for to in to {
            if let Some(back) = back.get_mut(*to) {
                back.push(at);
            }
        }
    }
    // Kosaraju's: those done last lead to all others; what leads to one of them and was not found
    // from an earlier one is of its knot.
    let graph: BTreeMap<usize, BTreeSet<usize>> =
        ways.iter().enumerate().map(|(at, to)| (at, to.iter().copied().collect())).collect();
    let mut knots: Vec<Option<usize>> = vec![None; ways.len()];
    for root in later_first(&graph).into_iter().rev() {
        let mut members = Vec::new();
        let mut open = vec![root];
        while let Some(at) = open.pop() {
            if let Some(free @ None) = knots.get_mut(at) {
                *free = Some(root);
                members.push(at);
                open.extend(back.get(at).into_iter().flatten());
            }
        }
        let lowest = members.iter().min().copied();
        for at in members {
            if let Some(place) = knots.get_mut(at) {
                *place = lowest;
            }
        }
    }
    knots.into_iter().enumerate().map(|(at, knot)| knot.unwrap_or(at)).collect()
}

/// All numbers, each after those that it leads to, as far as there is such an order: by depth first.
fn later_first(ways: &BTreeMap<usize, BTreeSet<usize>>) -> Vec<usize> {
    let mut order = Vec::with_capacity(ways.len());
    let mut seen = BTreeSet::new();
    for root in ways.keys() {
        if !seen.insert(*root) {
            continue;
        }
        let mut open = vec![(*root, ways.get(root).into_iter().flatten())];
        while let Some((at, rest)) = open.last_mut() {
            let at = *at;
            match rest.next() {
                Some(to) if seen.insert(*to) => {
                    open.push((*to, ways.get(to).into_iter().flatten()));
                }
                Some(_) => {}
                None => {
                    order.push(at);
                    open.pop();
                }
            }
        }
    }
    order
}

/// Places so that ways lead forward only. Those on a way round, of which there are none, are left
/// out.
fn in_order<'a>(
    places: &[Place<'a>],
    next: &dyn Fn(Place<'a>) -> Vec<Place<'a>>,
) -> Vec<Place<'a>> {
    let mut ways_to: BTreeMap<Place<'a>, usize> = places.iter().map(|place| (*place, 0)).collect();
    let mut add = |place, by: isize| -> usize {
        let Some(count) = ways_to.get_mut(&place) else { return 0 };
        *count = count.saturating_add_signed(by);
        *count
    };
    for place in places {
        for to in next(*place) {
            add(to, 1);
        }
    }
    let mut ready: Vec<Place<'a>> =
        places.iter().copied().filter(|place| add(*place, 0) == 0).collect();
    let mut order = Vec::with_capacity(places.len());
    while let Some(place) = ready.pop() {
        order.push(place);
        ready.extend(next(place).into_iter().filter(|to| add(*to, -1) == 0));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    /// Loops of so many times each, the outermost first, around one node.
    fn nested(times: &[u8], innermost: &Json) -> Flows {
        let mut nodes = serde_json::Map::new();
        for (at, times) in times.iter().enumerate() {
            let next = at.checked_sub(1).map_or("end".into(), |outer| format!("n{outer}"));
            let body = format!("n{}", at + 1);
            let node = json!({ "kind": "loop", "times": times, "body": body, "next": next });
            nodes.insert(format!("n{at}"), node);
        }
        nodes.insert(format!("n{}", times.len()), innermost.clone());
        nodes.insert("end".into(), json!({ "kind": "end" }));
        let flow = crate::read::flow(&json!({ "start": "n0", "node": nodes })).unwrap();
        Flows::from([("f".to_owned(), flow)])
    }

    fn told(flows: &Flows) -> Vec<String> {
        faults(flows).iter().map(ToString::to_string).collect()
    }

    /// 100 times 100 around an assignment passed, and stalled the engine with 10,000 nodes.
    #[test]
    fn loops_in_loops_multiply() {
        let passes = |at: usize| {
            let next = format!("n{}", at - 1);
            json!({ "kind": "priority", "priority": "1", "next": next })
        };
        let found = told(&nested(&[100, 100], &passes(2)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("n1") && found[0].contains("4000 nodes"), "{found:?}");
        assert_eq!(told(&nested(&[100], &passes(1))), [""; 0]);
        assert_eq!(told(&nested(&[20, 20], &passes(2))), [""; 0]);
        assert_eq!(told(&nested(&[20, 20, 20], &passes(3))).len(), 1);
        let stops = json!({ "kind": "wait", "for_s": 1, "next": "n1" });
        assert_eq!(
            told(&nested(&[100, 100], &stops)),
            [""; 0],
            "a wait lets others have their turn"
        );
    }

    #[test]
    fn a_sub_flow_counts_as_often_as_it_is_run() {
        let inner = json!({ "kind": "subflow", "flow": "sub", "next": "n0" });
        let mut flows = nested(&[100], &inner);
        let priority = json!({ "kind": "priority", "priority": "1", "next": "n0" });
        let [(_, sub)] =
            nested(&[100], &priority).into_iter().collect::<Vec<_>>().try_into().unwrap();
        flows.insert("sub".into(), sub);
        assert_eq!(told(&flows).len(), 1, "{:?}", told(&flows));
    }

    const NODES: usize = 5;

    type State = (usize, [u8; NODES]);
    type Written = [(bool, usize, usize, u8)];

    /// The longest walk from a node, by walking; loops begin with the counts they have.
    fn by_walking(nodes: &Written, state: State, known: &mut BTreeMap<State, u64>) -> u64 {
        let (at, mut counts) = state;
        let Some((turns, a, b, times)) = nodes.get(at) else { return 1 };
        if let Some(known) = known.get(&state) {
            return *known;
        }
        let again = counts[at] < *times;
        if *turns {
            counts[at] = if again { counts[at] + 1 } else { 0 };
        }
        let ways = [(!turns || again).then_some(*a), (!turns || !again).then_some(*b)];
        let ways = ways.into_iter().flatten();
        let longest = ways.map(|to| by_walking(nodes, (to, counts), known)).max().unwrap() + 1;
        known.insert(state, longest);
        longest
    }

    proptest! {
        #[test]
        fn no_walk_is_longer_than_is_told(
            mut nodes in prop::collection::vec((any::<bool>(), 0..=NODES, 0..=NODES, 1u8..3), NODES),
        ) {
            // Bodies lead anywhere, all else forward.
            for (at, (turns, a, b, _)) in nodes.iter_mut().enumerate() {
                let forward = |to: usize| at + 1 + to % (NODES - at);
                (*a, *b) = (if *turns { *a } else { forward(*a) }, forward(*b));
            }
            let mut written = serde_json::Map::new();
            for (at, (turns, a, b, times)) in nodes.iter().enumerate() {
                let (a, b) = (format!("n{a}"), format!("n{b}"));
                let node = if *turns {
                    json!({ "kind": "loop", "times": times, "body": a, "next": b })
                } else {
                    json!({ "kind": "branch", "cases": [{ "if": "true", "then": a }], "otherwise": b })
                };
                written.insert(format!("n{at}"), node);
            }
            written.insert(format!("n{NODES}"), json!({ "kind": "end" }));
            let flow = crate::read::flow(&json!({ "start": "n0", "node": written })).unwrap();
            let flows = Flows::from([("f".to_owned(), flow)]);
            prop_assert!(super::super::cycles::faults(&flows).is_empty());
            let pass = flows["f"].node.keys().map(String::as_str).collect();
            let most = Turns::new(&flows, [("f", pass)].into()).most("f").unwrap();
            for at in 0..NODES {
                let walked = by_walking(&nodes, (at, [0; NODES]), &mut BTreeMap::new());
                prop_assert!(walked <= most.nodes, "from n{at}: {walked}, told {}", most.nodes);
            }
        }
    }
}
