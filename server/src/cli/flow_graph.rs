//! A picture of a flow: boxes in layers, from top to bottom, with an arrow for each edge.
//!
//! ```text
//!            (start)                  a layer is as far from the roots as its nodes are
//!          ┌────────┐
//!          │ menu   │                 an edge down leaves at its label and comes in above
//!          └┬──┬───┬┘
//!           1  2   on_timeout ╌╌╮     an edge back goes up a lane at the right
//! ```
//! Owns: where things are, and the SVG. Does not own: what a flow means.

use hotline_ivr::model::{Flow, Node, Speech, Target};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

const CHARACTER_WIDTH: f64 = 6.6;
const BOX_HEIGHT: f64 = 54.0;
const GAP_ACROSS: f64 = 28.0;
const GAP_DOWN: f64 = 96.0;
const MARGIN: f64 = 24.0;
const LANE: f64 = 14.0;
/// Longest line of text in a box, in characters.
const LINE_MAX: usize = 34;
/// How often the order within layers is improved.
const SWEEPS: usize = 6;

/// What a box stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// `start`, `on_hang_up`, `on_fault`.
    Root,
    Node,
    /// Where an edge to nowhere leads.
    Nowhere,
}

struct Shape {
    what: What,
    name: String,
    kind: String,
    detail: String,
    layer: usize,
    /// Left side, and width.
    x: f64,
    width: f64,
    /// Edges out: label, index of the shape they lead to.
    edges: Vec<(String, usize)>,
}

impl Shape {
    fn y(&self) -> f64 {
        MARGIN + self.layer as f64 * (BOX_HEIGHT + GAP_DOWN)
    }

    fn middle(&self) -> f64 {
        self.x + self.width / 2.0
    }
}

/// The picture of a flow.
pub fn svg(name: &str, flow: &Flow) -> String {
    let mut shapes = shapes(flow);
    let layers = layers(&mut shapes);
    place(&mut shapes, &layers);
    draw(name, &shapes, layers.len())
}

fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER_WIDTH + 12.0
}

/// The roots, then the nodes, then what is not there.
fn shapes(flow: &Flow) -> Vec<Shape> {
    let roots = flow.roots();
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut shapes: Vec<Shape> =
        roots.iter().map(|(key, _)| shape(What::Root, key, "", String::new())).collect();
    for (name, node) in &flow.node {
        index.insert(name, shapes.len());
        shapes.push(shape(What::Node, name, node.kind(), detail(node)));
    }
    let roots = roots.into_iter().enumerate().map(|(from, (_, to))| (from, String::new(), to));
    let nodes = flow.node.iter().enumerate().flat_map(|(at, (_, node))| {
        let from = flow.roots().len() + at;
        node.edges().into_iter().map(move |(key, to)| (from, label(&key), to))
    });
    for (from, label, to) in roots.chain(nodes) {
        let to = *index.entry(to).or_insert_with(|| {
            shapes.push(shape(What::Nowhere, to, "not there", String::new()));
            shapes.len() - 1
        });
        if let Some(shape) = shapes.get_mut(from) {
            shape.edges.push((label, to));
        }
    }
    for shape in &mut shapes {
        let labels: f64 = shape.edges.iter().map(|(label, _)| width_of(label)).sum();
        let texts = [&shape.name, &shape.kind, &shape.detail].map(|text| width_of(text));
        shape.width = texts.into_iter().fold(labels.max(72.0), f64::max);
    }
    shapes
}

fn shape(what: What, name: &str, kind: &str, detail: String) -> Shape {
    let (name, kind) = (name.to_owned(), kind.to_owned());
    Shape { what, name, kind, detail, layer: 0, x: 0.0, width: 0.0, edges: Vec::new() }
}

/// A short label: `keys.1` is `1`, `cases.0.then` is `case 1`.
fn label(key: &str) -> String {
    if let Some(key) = key.strip_prefix("keys.") {
        return key.to_owned();
    }
    let case = key.strip_prefix("cases.").and_then(|rest| rest.strip_suffix(".then"));
    match case.and_then(|case| case.parse::<usize>().ok()) {
        Some(case) => format!("case {}", case + 1),
        None => key.to_owned(),
    }
}

/// What a node is about, in one short line.
fn detail(node: &Node) -> String {
    let text = match node {
        Node::Transfer { to, .. } => match to {
            Target::SkillQueue(queue) => format!("to queue {queue}"),
            Target::Agent(agent) => format!("to agent {agent}"),
            Target::Flow(flow) => format!("to flow {flow}"),
            Target::Number { number, trunk } => format!("to {number} by {trunk}"),
        },
        Node::Subflow { flow, .. } => format!("flow {flow}"),
        Node::Wait { for_s, .. } => format!("{for_s} s"),
        Node::Loop { times, .. } => format!("{times} times"),
        Node::WorkingTime { working_time, .. } => working_time.clone(),
        Node::Http { method, url, .. } => format!("{method} {url}"),
        Node::QueueStatus { queue, .. } => format!("queue {queue}"),
        Node::Language { language, .. } => language.to_string(),
        Node::Collect { into, .. } => format!("into {into}"),
        _ => said(node),
    };
    if text.chars().count() <= LINE_MAX {
        return text;
    }
    text.chars().take(LINE_MAX - 1).chain(['…']).collect()
}

fn said(node: &Node) -> String {
    let first = node.speech().into_iter().filter(|(key, _)| key.starts_with("say."));
    let pieces = first.map(|(_, speech)| match speech {
        Speech::Prompt(name) => name.clone(),
        Speech::Digits(expr) => format!("digits {expr}"),
        Speech::Number(expr) => format!("number {expr}"),
        Speech::People(expr) => format!("people {expr}"),
        Speech::Date(expr) => format!("date {expr}"),
        Speech::Time(expr) => format!("time {expr}"),
        Speech::Duration(expr) => format!("duration {expr}"),
        Speech::Amount { amount, currency } => format!("{amount} {currency}"),
        Speech::SilenceMs(ms) => format!("{ms} ms"),
    });
    pieces.collect::<Vec<_>>().join(", ")
}

/// Gives each shape its layer (its distance from the roots; what no root leads to comes last) and
/// orders the layers so that edges cross little.
fn layers(shapes: &mut [Shape]) -> Vec<Vec<usize>> {
    let mut layer: Vec<Option<usize>> = vec![None; shapes.len()];
    let mut open: VecDeque<(usize, usize)> = VecDeque::new();
    open.extend((0..shapes.len()).filter(|at| shapes[*at].what == What::Root).map(|at| (at, 0)));
    while let Some((at, distance)) = open.pop_front() {
        if layer[at].is_none() {
            layer[at] = Some(distance);
            open.extend(shapes[at].edges.iter().map(|(_, to)| (*to, distance + 1)));
        }
    }
    let last = layer.iter().flatten().max().map_or(0, |last| last + 1);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); last + 1];
    for (at, shape) in shapes.iter_mut().enumerate() {
        shape.layer = layer[at].unwrap_or(last);
        layers[shape.layer].push(at);
    }
    layers.retain(|layer| !layer.is_empty());
    for sweep in 0..SWEEPS {
        order(shapes, &mut layers, sweep % 2 == 0);
    }
    layers
}

/// Puts each shape of a layer where its neighbours in the layer before (or after) are on average.
fn order(shapes: &[Shape], layers: &mut [Vec<usize>], down: bool) {
    let mut rank = vec![0.0; shapes.len()];
    let note = |layer: &[usize], rank: &mut Vec<f64>| {
        for (place, at) in layer.iter().enumerate() {
            rank[*at] = (place as f64 + 0.5) / layer.len() as f64;
        }
    };
    layers.iter().for_each(|layer| note(layer, &mut rank));
    let numbers: Vec<usize> = if down {
        (1..layers.len()).collect()
    } else {
        (0..layers.len().saturating_sub(1)).rev().collect()
    };
    for number in numbers {
        let beside = |at: usize| -> Vec<f64> {
            let other = if down { number.checked_sub(1) } else { Some(number + 1) };
            let is_beside = |to: usize| Some(shapes[to].layer) == other;
            let out = shapes[at].edges.iter().map(|(_, to)| *to).filter(|to| is_beside(*to));
            let into = (0..shapes.len()).filter(|from| {
                is_beside(*from) && shapes[*from].edges.iter().any(|(_, to)| *to == at)
            });
            out.chain(into).map(|other| rank[other]).collect()
        };
        let mean = |at: usize| {
            let beside = beside(at);
            if beside.is_empty() {
                rank[at]
            } else {
                beside.iter().sum::<f64>() / beside.len() as f64
            }
        };
        let mut keyed: Vec<(f64, usize)> =
            layers[number].iter().map(|at| (mean(*at), *at)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        layers[number] = keyed.into_iter().map(|(_, at)| at).collect();
        note(&layers[number], &mut rank);
    }
}

/// Rows of boxes, each in the middle of the widest.
fn place(shapes: &mut [Shape], layers: &[Vec<usize>]) {
    let width = |layer: &Vec<usize>, shapes: &[Shape]| -> f64 {
        let boxes: f64 = layer.iter().map(|at| shapes[*at].width).sum();
        boxes + GAP_ACROSS * layer.len().saturating_sub(1) as f64
    };
    let widest = layers.iter().map(|layer| width(layer, shapes)).fold(0.0, f64::max);
    for (number, layer) in layers.iter().enumerate() {
        let mut x = MARGIN + (widest - width(layer, shapes)) / 2.0;
        for at in layer {
            let shape = &mut shapes[*at];
            (shape.layer, shape.x) = (number, x);
            x += shape.width + GAP_ACROSS;
        }
    }
}

fn draw(name: &str, shapes: &[Shape], layers: usize) -> String {
    let right = shapes.iter().map(|shape| shape.x + shape.width).fold(0.0, f64::max);
    // Edges back to one node share a lane.
    let mut lanes: BTreeMap<usize, usize> = BTreeMap::new();
    let mut edges = String::new();
    for shape in shapes {
        let slots: f64 = shape.edges.iter().map(|(label, _)| width_of(label)).sum();
        let mut x = shape.middle() - slots / 2.0;
        for (label, to) in &shape.edges {
            let slot = width_of(label);
            x += slot;
            let (port, from) = (x - slot / 2.0, shape.y() + BOX_HEIGHT);
            let to_shape = &shapes[*to];
            let next_lane = lanes.len();
            let path = if to_shape.layer > shape.layer {
                down(port, from, to_shape)
            } else {
                let lane = *lanes.entry(*to).or_insert(next_lane);
                back(port, from, to_shape, right + LANE * (lane as f64 + 1.0))
            };
            let class = if to_shape.layer > shape.layer { "edge" } else { "edge back" };
            let (from_name, to_name) = (escaped(&shape.name), escaped(&to_shape.name));
            let label = escaped(label);
            let _ = writeln!(
                edges,
                "<path class=\"{class}\" d=\"{path}\" marker-end=\"url(#arrow)\">\
                 <title>{from_name} {label} → {to_name}</title></path>\n\
                 <text class=\"label\" x=\"{port:.1}\" y=\"{:.1}\">{label}</text>",
                from + 13.0
            );
        }
    }
    let width = right + LANE * (lanes.len() as f64 + 1.0) + MARGIN;
    let height = 2.0 * MARGIN + layers as f64 * (BOX_HEIGHT + GAP_DOWN) - GAP_DOWN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<title>{}</title>\n{STYLE}",
        escaped(name)
    );
    svg.push_str(&edges);
    shapes.iter().for_each(|shape| draw_box(&mut svg, shape));
    svg.push_str("</svg>\n");
    svg
}

const STYLE: &str = r##"<style>
text { font: 12px ui-monospace, monospace; text-anchor: middle; fill: #222 }
.name { font-weight: bold } .kind { fill: #1a5fb4 } .detail { fill: #555 }
rect { fill: #fff; stroke: #444 } .root { fill: #eef3fa } .nowhere { fill: #fde8e8; stroke: #c01c28 }
.end { fill: #f2f2f2 } .edge { fill: none; stroke: #777 } .back { stroke: #b08050; stroke-dasharray: 5 3 }
.label { font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 4px }
</style>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>
<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>
"##;

fn down(x: f64, y: f64, to: &Shape) -> String {
    let (to_x, to_y) = (to.middle(), to.y());
    let (first, last) = (y + 18.0, to_y - 8.0);
    let bend = (last - first) / 2.0;
    format!(
        "M{x:.1} {y:.1}V{first:.1}C{x:.1} {:.1} {to_x:.1} {:.1} {to_x:.1} {last:.1}V{to_y:.1}",
        first + bend,
        last - bend
    )
}

/// Below the layer to the lane, up, and in from the right above the layer.
fn back(x: f64, y: f64, to: &Shape, lane: f64) -> String {
    let (below, above) = (y + 26.0, to.y() - 14.0);
    let into = to.x + to.width * 0.75;
    format!("M{x:.1} {y:.1}V{below:.1}H{lane:.1}V{above:.1}H{into:.1}V{:.1}", to.y())
}

fn draw_box(svg: &mut String, shape: &Shape) {
    let class = match shape.what {
        What::Root => "root",
        What::Nowhere => "nowhere",
        What::Node if shape.kind == "end" => "node end",
        What::Node => "node",
    };
    let round = if shape.what == What::Root { BOX_HEIGHT / 2.0 } else { 6.0 };
    let (x, y, width) = (shape.x, shape.y(), shape.width);
    let _ = writeln!(
        svg,
        "<g><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{BOX_HEIGHT}\" rx=\"{round}\"/>"
    );
    let lines = [("name", &shape.name), ("kind", &shape.kind), ("detail", &shape.detail)];
    let lines: Vec<_> = lines.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    let first = y + BOX_HEIGHT / 2.0 + 4.0 - 7.5 * (lines.len() as f64 - 1.0);
    for (number, (class, text)) in lines.iter().enumerate() {
        let at = first + 15.0 * number as f64;
        let (middle, text) = (shape.middle(), escaped(text));
        let _ =
            writeln!(svg, "<text class=\"{class}\" x=\"{middle:.1}\" y=\"{at:.1}\">{text}</text>");
    }
    svg.push_str("</g>\n");
}

/// Text as XML may hold it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flow(document: &serde_json::Value) -> Flow {
        hotline_ivr::read::flow(document).unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    /// Names of elements with their text, if every tag is closed in order, every attribute quoted,
    /// every `&` and `<` an entity.
    fn elements(xml: &str) -> Vec<(String, String)> {
        let mut open: Vec<(String, String)> = Vec::new();
        let mut found = Vec::new();
        let mut rest = xml;
        while let Some((text, tag)) = rest.split_once('<') {
            assert!(!text.contains('>'), "{text}");
            for part in text.split('&').skip(1) {
                let entity = part.split(';').next().unwrap();
                assert!(["amp", "lt", "gt", "quot", "apos"].contains(&entity), "{text}");
            }
            if let Some((_, inner)) = open.last_mut() {
                inner.push_str(text);
            }
            let (tag, after) = tag.split_once('>').expect("a tag is closed");
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                let (opened, text) = open.pop().expect("something is open");
                assert_eq!(opened, name, "closed in order");
                found.push((opened, text));
                continue;
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert_eq!(tag.matches("=\"").count() * 2, tag.matches('"').count(), "{tag}");
            let name = tag.split([' ', '/']).next().unwrap().to_owned();
            if !tag.ends_with('/') {
                open.push((name, String::new()));
            }
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
        found
    }

    fn boxes(xml: &str) -> Vec<(f64, f64, f64)> {
        let number = |tag: &str, key: &str| -> f64 {
            let (_, rest) = tag.split_once(&format!(" {key}=\"")).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let tags = xml.split("<g><rect ").skip(1);
        tags.map(|tag| (number(tag, "x"), number(tag, "y"), number(tag, "width"))).collect()
    }

    #[test]
    fn every_node_and_every_edge_is_drawn_and_no_box_lies_on_another() {
        let mut nodes = serde_json::Map::new();
        for number in 0..30 {
            let keys = json!({
                "1": format!("n{}", (number * 7 + 1) % 30),
                "*9#": format!("n{}", number / 2),
            });
            let next = format!("n{}", (number + 1) % 30);
            nodes.insert(
                format!("n{number}"),
                json!({ "kind": "menu", "keys": keys, "on_timeout": next, "on_no_match": "bye" }),
            );
        }
        nodes.insert("bye".into(), json!({ "kind": "end" }));
        nodes.insert("lost".into(), json!({ "kind": "end" }));
        let flow =
            flow(&json!({ "start": "n0", "on_hang_up": "bye", "on_fault": "bye", "node": nodes }));
        let svg = svg("big", &flow);
        let found = elements(&svg);
        let texts = |element: &str| -> Vec<String> {
            found.iter().filter(|(name, _)| name == element).map(|(_, text)| text.clone()).collect()
        };
        for name in flow.node.keys() {
            assert_eq!(texts("text").iter().filter(|text| *text == name).count(), 1, "{name}");
        }
        for (name, node) in &flow.node {
            for (key, to) in node.edges() {
                let title = format!("{name} {} → {to}", label(&key));
                assert!(texts("title").contains(&title), "{title}");
            }
        }
        for title in ["start  → n0", "on_hang_up  → bye", "on_fault  → bye"] {
            assert!(texts("title").iter().any(|found| found == title), "{title}");
        }
        let boxes = boxes(&svg);
        assert_eq!(boxes.len(), 3 + 32);
        for (at, a) in boxes.iter().enumerate() {
            for b in &boxes[at + 1..] {
                let apart = a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0 || (a.1 - b.1).abs() >= BOX_HEIGHT;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn names_and_what_is_not_there_do_no_harm() {
        let flow = flow(&json!({
            "start": "a",
            "node": {
                "a": { "kind": "transfer", "to": { "skill_queue": "<b>&\"'\u{7}" }, "on_failure": "nowhere" },
                "c": { "kind": "branch", "otherwise": "c",
                       "cases": [{ "if": "1 < 2", "then": "a" }] },
            }
        }));
        let svg = svg("x</title><script>", &flow);
        let found = elements(&svg);
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
        assert!(found.contains(&("title".into(), "x&lt;/title&gt;&lt;script&gt;".into())));
        assert!(
            found.contains(&("text".into(), "to queue &lt;b&gt;&amp;&quot;&apos;\u{fffd}".into()))
        );
        assert!(found.contains(&("title".into(), "a on_failure → nowhere".into())));
        assert!(found.contains(&("title".into(), "c case 1 → a".into())));
        assert!(found.contains(&("title".into(), "c otherwise → c".into())), "an edge to itself");
        assert!(elements(&super::svg("empty", &Flow::default())).len() > 1);
    }
}
