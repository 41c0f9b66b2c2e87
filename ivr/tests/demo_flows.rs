//! The demo centre's flows: read, checked, and every edge of them taken.

use hotline_base::calendar::TimeZone;
use hotline_base::{Mono, Now};
use hotline_ivr::check::{QueueType, World, check};
use hotline_ivr::model::Flow;
use hotline_ivr::program::Flows;
use hotline_ivr::run::Start;
use hotline_ivr::run::io::Facts;
use hotline_ivr::say::{SENTENCES, units};
use hotline_ivr::schedule::{WorkingTime, Written};
use hotline_ivr::walk::explore::{Bounds, explore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const FLOWS: &[(&str, &str)] = &[
    ("welcome", include_str!("../../conf/demo/flows/welcome.toml")),
    ("out_of_hours", include_str!("../../conf/demo/flows/out_of_hours.toml")),
    ("waiting", include_str!("../../conf/demo/flows/waiting.toml")),
    ("sign_in", include_str!("../../conf/demo/flows/sign_in.toml")),
    ("voicemail", include_str!("../../conf/demo/flows/voicemail.toml")),
];

fn flows() -> BTreeMap<String, Flow> {
    let read = |(name, text): &(&str, &str)| {
        let document: serde_json::Value = toml::from_str(text).unwrap();
        let flow = hotline_ivr::read::flow(&document);
        (name.to_string(), flow.unwrap_or_else(|faults| panic!("{name}: {faults:?}")))
    };
    FLOWS.iter().map(read).collect()
}

fn office() -> WorkingTime {
    WorkingTime::new(Written {
        name: "office".into(),
        workdays: vec!["mon".into()],
        workday: vec![["08:00".into(), "17:00".into()]],
        ..Written::default()
    })
    .unwrap()
}

/// What the demo's flows may refer to.
fn world() -> World {
    let languages: BTreeSet<String> = ["en", "zh", "es"].map(String::from).into();
    let prompts = |language: &String| {
        let units = units(language).into_iter();
        SENTENCES.iter().copied().chain(units).map(String::from).collect()
    };
    World {
        default_language: "en".into(),
        prompts: languages.iter().map(|tag| (tag.clone(), prompts(tag))).collect(),
        queues: ["support", "sales"].map(|queue| (queue.into(), QueueType::Voice)).into(),
        working_times: [String::from("office")].into(),
        languages,
        ..World::default()
    }
}

#[test]
fn they_pass_the_checker_without_a_warning() {
    let faults = check(&flows(), &world());
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A misspelt edge was told with a line for each node that no way led to any more.
#[test]
fn an_edge_to_nowhere_is_told_once_and_nothing_that_follows_from_it() {
    let mut broken = 0;
    for (name, text) in FLOWS {
        let document: serde_json::Value = toml::from_str(text).unwrap();
        let flow = hotline_ivr::read::flow(&document).unwrap();
        let roots = flow.roots().into_iter().map(|(key, _)| key.to_owned());
        let nodes = flow.node.iter().flat_map(|(node, is)| {
            is.edges().into_iter().map(move |(key, _)| format!("node.{node}.{key}"))
        });
        for path in roots.chain(nodes) {
            let mut document = document.clone();
            let pointer = format!("/{}", path.replace('.', "/"));
            *document.pointer_mut(&pointer).expect(&path) = "nowhere".into();
            let mut flows = flows();
            flows.insert((*name).into(), hotline_ivr::read::flow(&document).unwrap());
            let faults = check(&flows, &world());
            let told: Vec<_> = faults.iter().map(|fault| (&*fault.flow, &*fault.path)).collect();
            assert_eq!(told, [(*name, path.as_str())], "{faults:#?}");
            broken += 1;
        }
    }
    assert!(broken > 50, "{broken}");
}

#[test]
fn every_node_and_edge_of_them_is_taken_on_some_path() {
    let flows = Arc::new(Flows::build(&flows(), &BTreeMap::new()));
    let zone = TimeZone::named("Europe/Stockholm").unwrap();
    let now = Now { mono: Mono::from_ms(1_000), wall: zone.instant(2026, 11, 23, 10, 0).unwrap() };
    let start = Start {
        facts: Facts { position: 2, agents: 3, queue: "support".into(), ..Facts::default() },
        language: "en".into(),
        default_language: "en".into(),
        time_zone: zone,
        working_times: Arc::default(),
    };
    // With the office's hours, with an office that is always open, and with no hours known.
    let always = WorkingTime::constant("office", true);
    let hours = [[office()].to_vec(), [always].to_vec(), Vec::new()].map(|times| {
        Arc::new(times.into_iter().map(|times| (times.name().to_string(), times)).collect())
    });
    for (name, working_times) in
        FLOWS.iter().flat_map(|(name, _)| hours.iter().map(move |of| (name, of)))
    {
        let start = Start { working_times: Arc::clone(working_times), ..start.clone() };
        let bounds = Bounds { paths: 1_000, ..Bounds::default() };
        let report = explore(&flows, name, &start, now, bounds).unwrap();
        assert_eq!(report.missed(), Vec::<String>::new(), "{name}: {report:#?}");
        let faults = report.exits.keys().filter(|exit| exit.contains("fault: "));
        assert_eq!(faults.count(), 0, "{name}: {:?}", report.exits);
        assert!(!report.exits.contains_key("still running"), "{name}: {:?}", report.exits);
    }
}
