//! Called routes by the clock and for test callers: working times, drafts, test calls.

use crate::flows::centre_with;
use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::config::Prompt;
use hotline_engine::input::{Reply, Request};
use hotline_engine::record::ReleaseReason;
use hotline_ivr::program::Flows;
use hotline_ivr::schedule::{WorkingTime, Written};
use hotline_media::command::{AssetId, PlayItem};
use hotline_routing::config::Destination;
use std::sync::Arc;

/// `123451` is open when `office` is, which is from 08:00 to 17:00 on every day; the clock of these
/// tests begins at 2026-11-18, some minutes before noon in Stockholm.
fn with_hours(out_of_hours: Option<Destination>) -> TenantConfig {
    let mut config = centre();
    let office = Written {
        name: "office".into(),
        workdays: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(String::from).to_vec(),
        workday: vec![["08:00".into(), "17:00".into()]],
        ..Written::default()
    };
    let office = WorkingTime::new(office).unwrap();
    config.working_times = Arc::new([("office".to_owned(), office)].into());
    route_with(&mut config, |routing| {
        routing.working_times = vec!["office".into()];
        routing.called_routes[0].working_time = Some("office".into());
        routing.called_routes[0].out_of_hours = out_of_hours;
    });
    config
}

const TEN_HOURS_S: i64 = 36_000;

#[test]
fn outside_its_working_time_a_route_goes_to_its_out_of_hours_destination() {
    let elsewhere = Some(Destination::SkillQueue("empty".into()));
    let mut w = World::new(with_hours(elsewhere));
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.wall_shift_s = TEN_HOURS_S;
    let mut late = call(&mut w, "123451");
    late.answered(&mut w);
    w.run(u64::from(PROMPT_MS));
    late.hung_up(&mut w);
    w.quiet();
    let routes: Vec<_> = w.records().iter().map(|record| record.route.clone().unwrap()).collect();
    assert_eq!(routes, ["skill_queue \"support\"", "skill_queue \"empty\""]);
}

#[test]
fn without_an_out_of_hours_destination_the_caller_hears_that_it_is_closed() {
    let mut w = World::new(with_hours(None));
    w.wall_shift_s = TEN_HOURS_S;
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(u64::from(PROMPT_MS));
    caller.hung_up(&mut w);
    let record = w.record();
    assert_eq!((record.reason, record.q850), (Some(ReleaseReason::OutOfHours), 20));
}

#[test]
fn a_number_is_explained_for_a_caller_and_a_time() {
    let mut config = with_hours(Some(Destination::SkillQueue("empty".into())));
    config.test_callers.insert("+15550009".into());
    route_with(&mut config, |routing| routing.called_routes[1].draft = true);
    let mut w = World::new(config);
    let mut ask = |number: &str, from: Option<&str>, at: Option<&str>| {
        let request = Request::Route {
            number: number.to_owned(),
            from: from.map(str::to_owned),
            at: at.map(str::to_owned),
        };
        match w.ask(request) {
            Ok(Reply::Route(view)) => (view.destination, view.why.last().cloned().unwrap()),
            Err(refusal) => (None, refusal.code),
            other => panic!("{other:?}"),
        }
    };
    let to = |queue: &str| Some(format!("skill_queue {queue:?}"));
    assert_eq!(
        ask("123451", None, None),
        (to("support"), "working time \"office\" is open".into())
    );
    let (destination, why) = ask("123451", None, Some("2026-11-18T17:00"));
    assert_eq!(destination, to("empty"));
    assert_eq!(why, "working time \"office\" is closed: the out-of-hours destination is taken");
    assert_eq!(ask("123451", None, Some("2026-11-18T15:59:00Z")).0, to("support"));
    assert_eq!(ask("123451", None, Some("noon")), (None, "not_a_time".into()));
    let (destination, why) = ask("123452", None, None);
    assert_eq!(destination, None);
    assert_eq!(why, "no called route for what was dialled after the access code");
    let (destination, why) = ask("123452", Some("15550009"), None);
    assert_eq!(destination, to("read"));
    assert_eq!(why, "the route is a draft, and the caller a test caller");
}

#[test]
fn a_draft_route_is_there_for_test_callers_whose_calls_are_test_calls() {
    let mut config = centre();
    config.test_callers.insert("+15550009".into());
    route_with(&mut config, |routing| routing.called_routes[0].draft = true);
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut stranger = call(&mut w, "123451");
    stranger.expect(&mut w, 404);
    stranger.ack_failure(&mut w);
    let mut tester = Dial { from: "15550009", ..Dial::default() }.go(&mut w);
    tester.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    tester.bye(&mut w);
    hung_up(&mut w, 11);
    w.run(6_000);
    // A test caller who takes a published route makes an ordinary call.
    let mut ordinary = Dial { from: "15550009", number: "123452", ..Dial::default() }.go(&mut w);
    ordinary.answered(&mut w);
    ordinary.bye(&mut w);
    rings(&mut w, 11).cancelled(&mut w);
    w.quiet();
    let test: Vec<bool> = w.records().iter().map(|record| record.test).collect();
    assert_eq!(test, [true, false]);
}

/// A published flow, of which a test caller ran the draft of a sub-flow: its call was a call like
/// any other in every statistic.
#[test]
fn a_test_call_is_one_as_soon_as_any_draft_is_run_and_counts_with_its_own() {
    let main = "start = \"first\"\n[node.first]\nkind = \"menu\"\nsay = [\"menu\"]\n\
                keys = { 1 = \"run\", 2 = \"go\" }\non_timeout = \"end\"\non_no_match = \"end\"\n\
                [node.run]\nkind = \"subflow\"\nflow = \"sub\"\nnext = \"end\"\n\
                [node.go]\nkind = \"transfer\"\nto = { flow = \"sub\" }\n\
                [node.end]\nkind = \"end\"\n";
    let sub = "start = \"end\"\n[node.end]\nkind = \"end\"\n";
    let read = |text: &str| {
        let document: toml::Table = toml::from_str(text).unwrap();
        hotline_ivr::read::flow(&serde_json::to_value(document).unwrap()).unwrap()
    };
    let mut config = centre_with(&[("main", main), ("sub", sub)]);
    config.test_callers.insert("+15550009".into());
    let published = [("main", main), ("sub", sub)].map(|(name, text)| (name.into(), read(text)));
    let drafts = [("sub".into(), read(sub))].into();
    config.flows = Arc::new(Flows::build(&published.into(), &drafts));
    let mut w = World::new(config);
    let rows = [("15550009", "1"), ("15550009", "2"), ("15550009", "9"), ("15550001", "1")];
    for (from, key) in rows {
        let mut caller = Dial { from, number: "123459", ..Dial::default() }.go(&mut w);
        caller.answered(&mut w);
        let leg = *w.legs().last().unwrap();
        w.press(leg, key);
        if key == "9" {
            caller.bye(&mut w);
        } else {
            caller.hung_up(&mut w);
        }
        w.run(6_000);
    }
    let test: Vec<bool> = w.records().iter().map(|record| record.test).collect();
    assert_eq!(test, [true, true, false, false]);
    let counts = w.engine.counts();
    assert_eq!((counts.calls_total, counts.test_calls_total), (2, 2));
}

/// What the number says comes first: its route, then its access code; then what the caller is
/// remembered by.
#[test]
fn the_access_code_says_which_language_its_callers_hear() {
    let mut config = centre();
    let spanish = Prompt { asset: AssetId(9_999), duration_ms: PROMPT_MS };
    config.prompts.insert("es".into(), [("no_agents".to_owned(), spanish)].into());
    let says = |config: &TenantConfig| {
        let mut w = World::new(config.clone());
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        let spanish = w.hears(w.legs()[0]) == Some(vec![PlayItem::Asset(AssetId(9_999))]);
        caller.bye(&mut w);
        w.quiet();
        spanish
    };
    assert!(!says(&config));
    route_with(&mut config, |routing| routing.access_codes[0].language = Some("es".into()));
    assert!(says(&config));
    route_with(&mut config, |routing| routing.called_routes[0].language = Some("en".into()));
    assert!(!says(&config));
}

#[test]
fn a_draft_queue_takes_test_callers_only() {
    let mut config = centre();
    config.test_callers.insert("15550009".into());
    queue_with(&mut config, "support", |queue| queue.draft = true);
    queue_with(&mut config, "empty", |queue| {
        queue.on_no_agents = hotline_routing::Policy::SkillQueue("support".into());
    });
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut stranger = call(&mut w, "123451");
    stranger.expect(&mut w, 404);
    stranger.ack_failure(&mut w);
    // Overflow to it: for a stranger as if the queue were not there.
    let mut stranger = call(&mut w, "123458");
    stranger.answered(&mut w);
    w.run(u64::from(PROMPT_MS));
    stranger.hung_up(&mut w);
    let mut tester = Dial { from: "15550009", number: "123458", ..Dial::default() }.go(&mut w);
    tester.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    tester.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
    let records = w.records();
    let seen: Vec<_> = records.iter().map(|record| (record.test, record.reason)).collect();
    let expected =
        [(false, Some(ReleaseReason::NoAgents)), (true, Some(ReleaseReason::NormalClearing))];
    assert_eq!(seen, expected);
}
