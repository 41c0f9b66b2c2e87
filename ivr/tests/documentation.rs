//! docs/flows.md: every flow in it passes the checker, every node in it within a flow around it, and
//! nothing is left out.

use hotline_ivr::check::{AgentType, QueueType, World, check};
use hotline_ivr::expr::{FIXED_NAMES, FUNCTIONS};
use hotline_ivr::model::Flow;
use hotline_ivr::{read, say};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const GUIDE: &str = include_str!("../../docs/flows.md");

/// The blocks of code in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    let blocks = GUIDE.split(opening.as_str()).skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
}

fn world() -> World {
    let names = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    let recorded = |language| {
        let all = say::units(language).into_iter().chain(say::SENTENCES.iter().copied());
        (String::from(language), all.map(String::from).collect())
    };
    World {
        languages: names(&["en", "zh"]),
        default_language: "en".into(),
        prompts: ["en", "zh"].map(recorded).into(),
        queues: [("support".into(), QueueType::Voice)].into(),
        agents: [("1001".into(), AgentType::Audio)].into(),
        trunks: [("carrier".into(), vec!["+1".into()])].into(),
        working_times: names(&["office"]),
        secrets: names(&["crm"]),
        ..World::default()
    }
}

/// A document of nodes alone becomes a flow: with a start that leads to each of them, variables
/// that examples use, and an end wherever an edge leads to nowhere.
fn whole(mut document: Json) -> Json {
    if document.get("start").is_some() {
        return document;
    }
    let nodes: Vec<String> =
        document["node"].as_object().unwrap().keys().map(String::from).collect();
    let cases: Vec<Json> =
        nodes.iter().map(|node| json!({ "if": "tries == 1", "then": node })).collect();
    document["start"] = json!("begin");
    document["on_hang_up"] = json!("bye");
    document["on_fault"] = json!("bye");
    document["node"]["begin"] = json!({ "kind": "branch", "cases": cases, "otherwise": "bye" });
    document["variables"] = json!({
        "tries": { "type": "number", "value": 0 },
        "amount": { "type": "number", "value": 1250 },
        "vip": { "type": "flag", "value": false },
        "account": { "type": "text", "value": "" },
    });
    let flow = read(&document);
    for node in flow.node.values() {
        for (_, edge) in node.edges() {
            if !flow.node.contains_key(edge) {
                document["node"][edge] = json!({ "kind": "end" });
            }
        }
    }
    document
}

fn read(document: &Json) -> Flow {
    read::flow(document).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}\n{document:#}", faults.join("\n"))
    })
}

#[test]
fn every_example_can_be_read_and_has_no_fault() {
    let pay = json!({
        "start": "end", "parameters": ["amount"], "results": ["left"], "node": { "end": { "kind": "end" } },
        "variables": { "amount": "number", "left": { "type": "number", "value": 0 } },
    });
    let toml = blocks("toml").into_iter().map(|text| toml::from_str(text).expect(text));
    let json = blocks("json").into_iter().map(|text| serde_json::from_str(text).expect(text));
    let mut kinds = BTreeSet::new();
    let mut examples = 0;
    for document in toml.chain(json) {
        let flow = read(&whole(document));
        kinds.extend(flow.node.values().map(|node| node.kind()));
        let flows: BTreeMap<String, Flow> =
            [("example".to_owned(), flow), ("pay".to_owned(), read(&pay))].into();
        let faults: Vec<String> = check(&flows, &world()).iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{}\n{:#?}", faults.join("\n"), flows["example"]);
        examples += 1;
    }
    assert!(examples >= 20, "the examples are found: {examples}");
    assert_eq!(kinds.len(), 17, "each kind of node has an example: {kinds:?}");
    for kind in kinds {
        assert!(GUIDE.contains(&format!("\n### {kind}\n")), "{kind}");
    }
}

#[test]
fn every_function_and_every_name_is_in_the_guide() {
    for (function, _) in FUNCTIONS {
        assert!(GUIDE.contains(&format!("`{function}(")), "{function}");
    }
    for (name, _) in FIXED_NAMES {
        assert!(GUIDE.contains(&format!("`{name}`")), "{name}");
    }
}
