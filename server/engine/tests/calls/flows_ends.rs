//! Hanging up in flows: at every node the hang-up branch runs once, while the call is released.

use crate::flows::*;
use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::effect::EffectDone;
use hotline_engine::record::ReleaseReason;
use hotline_routing::config::{Policy, WaitMethod};
use std::sync::Arc;

/// What every flow of these tests does when its caller hangs up: it asks a web service, says
/// something that nobody hears, and attaches what came of it.
const GONE: &str = r#"
on_hang_up = "gone"
[variables]
answer = { type = "text", value = "none" }
typed = { type = "text", value = "" }
[node.gone]
kind = "http"
method = "POST"
url = "https://crm.example/gone"
timeout_s = 5
into = { answer = "/answer" }
next = "count"
on_error = "count"
[node.count]
kind = "set"
data = { gone = "answer" }
next = "unheard"
[node.unheard]
kind = "play"
say = ["sorry"]
next = "end"
[node.end]
kind = "end"
"#;

/// A flow that comes to rest at a node of each kind.
const NODES: [(&str, &str); 7] = [
    ("play", "say = [\"hello\"]\nnext = \"end\""),
    ("wait", "for_s = 60\ntone = \"default\"\nnext = \"end\""),
    (
        "menu",
        "say = [\"menu\"]\nkeys = { 1 = \"end\" }\non_timeout = \"end\"\non_no_match = \"end\"",
    ),
    (
        "collect",
        "say = [\"menu\"]\ninto = \"typed\"\nnext = \"end\"\non_timeout = \"end\"\non_no_match = \"end\"",
    ),
    ("http", "url = \"https://crm.example/\"\nnext = \"end\"\non_error = \"end\""),
    ("message", "mailbox = \"sales\"\nnext = \"end\"\non_empty = \"end\""),
    ("agent_sign_in", "next = \"end\"\non_failure = \"end\"\non_locked = \"end\""),
];

fn resting_at(kind: &str, fields: &str) -> String {
    format!("start = \"at\"\n{GONE}\n[node.at]\nkind = \"{kind}\"\n{fields}\n")
}

/// The steps of the hang-up branch.
const BRANCH: [&str; 4] = ["main.gone", "main.count", "main.unheard", "main.end"];

#[test]
fn the_hang_up_branch_runs_once_at_every_node_and_the_record_waits_for_it() {
    for (kind, fields) in NODES {
        for waits_ms in [0, 150, 350] {
            let flow = resting_at(kind, fields);
            let mut w = World::new(centre_with(&[("main", &flow)]));
            let mut caller = call(&mut w, "123459");
            w.run(waits_ms);
            match w.was_sent(CARRIER, "200 INVITE") {
                true => {
                    caller.answered(&mut w);
                    caller.bye(&mut w);
                }
                // Only asking the web service answers nobody.
                false => {
                    assert_eq!(kind, "http");
                    caller.cancel(&mut w);
                }
            }
            let at = format!("{kind} after {waits_ms} ms");
            w.run(1_000);
            assert_eq!(w.records(), [], "{at}: the record waits for the web service");
            assert_eq!(w.legs(), [], "{at}: the legs do not");
            let (id, _, within) = w.effects.last().cloned().unwrap();
            assert_eq!(within.as_secs(), 5);
            let plays = w.commands.len();
            w.done(id, EffectDone::Http(serde_json::json!({ "answer": "thanks" })));
            assert_eq!(w.commands.len(), plays, "{at}: nobody hears anything");
            let record = w.record();
            assert_eq!(record.data.get("gone").map(String::as_str), Some("thanks"), "{at}");
            assert_eq!(record.reason, Some(ReleaseReason::Abandoned), "{at}");
            assert_eq!(steps(&w)[1..], BRANCH, "{at}");
            // The record's end is the caller's, not that of the branch.
            assert_eq!(record.released.unwrap().0 - record.arrived.0, 1_000 * waits_ms as i64);
        }
    }
}

#[test]
fn a_web_service_that_never_answers_does_not_keep_the_record() {
    let flow = resting_at("wait", NODES[1].1);
    let mut w = World::new(centre_with(&[("main", &flow)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    caller.bye(&mut w);
    w.run(4_999);
    assert_eq!(w.records().len(), 0);
    w.run(1);
    assert_eq!(w.records().len(), 1);
    let record = w.record();
    assert_eq!(record.data.get("gone").map(String::as_str), Some("none"));
}

/// A branch may not go on for ever: it has a minute.
#[test]
fn a_hang_up_branch_has_a_minute() {
    let waits = r#"
start = "wait"
on_hang_up = "wait"
[node.wait]
kind = "wait"
for_s = 3600
next = "wait"
"#;
    let mut w = World::new(centre_with(&[("main", waits)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    caller.bye(&mut w);
    w.run(61_000);
    assert_eq!(w.records().len(), 1);
    w.quiet();
}

#[test]
fn other_ends_run_the_hang_up_branch_too_but_a_stop_does_not_wait_for_it() {
    let flow = resting_at("wait", NODES[1].1);
    let mut w = World::new(centre_with(&[("main", &flow)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    // No RTP: the caller has vanished.
    let leg = w.legs()[0];
    let silent = hotline_media::command::Event::Silent { leg, for_s: 60 };
    w.handle(hotline_engine::Input::Media(silent));
    caller.hung_up(&mut w);
    assert_eq!(w.effects.len(), 1);
    w.run(5_000);
    assert_eq!(w.record().reason, Some(ReleaseReason::MediaSilent));

    let mut w = World::new(centre_with(&[("main", &flow)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    w.handle(hotline_engine::Input::ReleaseAll);
    assert_eq!(w.records().len(), 1, "at once");
    caller.hung_up(&mut w);
    w.quiet();
}

#[test]
fn a_caller_hangs_up_in_a_waiting_flow_and_while_an_agent_is_announced() {
    for announced in [false, true] {
        let flow = resting_at("wait", NODES[1].1);
        let mut config: TenantConfig = centre_with(&[("main", &flow)]);
        let routing = Arc::make_mut(&mut config.routing);
        for queue in &mut routing.queues {
            queue.waiting = WaitMethod::Flow("main".into());
        }
        let mut w = World::new(config);
        w.register(11, "1001");
        let mut caller = call(&mut w, "123452");
        caller.answered(&mut w);
        let mut ring = rings(&mut w, 11);
        if announced {
            ring.answer(&mut w);
        }
        caller.bye(&mut w);
        if announced {
            ring.learn();
            hung_up(&mut w, 11);
        } else {
            ring.respond(&mut w, 180);
            ring.cancelled(&mut w);
        }
        let id = w.effects[0].0;
        w.done(id, EffectDone::Failed("no".into()));
        assert_eq!(steps(&w)[1..], BRANCH, "{announced}");
        let record = w.record();
        assert_eq!(record.data.get("gone").map(String::as_str), Some("none"));
    }
}

/// Whom a flow of these tests transfers its caller to.
const TARGETS: [&str; 3] =
    ["{ skill_queue = \"support\" }", "{ agent = \"'1001'\" }", OUTSIDE_NUMBER];
const OUTSIDE_NUMBER: &str = "{ number = \"'+15557777'\", trunk = \"carrier-a\" }";

/// A flow that transfers its caller at once.
fn transferring_to(target: &str) -> TenantConfig {
    let flow = resting_at("transfer", &format!("to = {target}\non_failure = \"end\""));
    let mut config = centre_with(&[("main", &flow)]);
    let trunk = &mut config.trunks[0];
    trunk.target = Some(address(CARRIER));
    trunk.local = Some(SERVER.parse().unwrap());
    trunk.outside_prefixes = vec!["+1555".into()];
    config
}

/// A caller gave up in the queue that its flow had sent it to, or while the agent's phone or the
/// outside number rang, and the flow's branch did not run: what it was to write down was lost.
#[test]
fn until_somebody_is_connected_a_transfer_is_a_node_like_any_other() {
    for target in TARGETS {
        let mut w = World::new(transferring_to(target));
        w.register(11, "1001");
        let mut caller = call(&mut w, "123459");
        let ring = rings(&mut w, if target == OUTSIDE_NUMBER { CARRIER } else { 11 });
        ring.respond(&mut w, 180);
        match w.was_sent(CARRIER, "200 INVITE") {
            true => {
                caller.answered(&mut w);
                caller.bye(&mut w);
            }
            false => caller.cancel(&mut w),
        }
        ring.cancelled(&mut w);
        let id = w.effects[0].0;
        w.done(id, EffectDone::Http(serde_json::json!({ "answer": "thanks" })));
        assert_eq!(steps(&w)[1..], BRANCH, "{target}");
        let record = w.record();
        assert_eq!(record.data.get("gone").map(String::as_str), Some("thanks"), "{target}");
        assert_eq!(record.reason, Some(ReleaseReason::Abandoned), "{target}");
        w.quiet();
    }
}

#[test]
fn once_somebody_is_connected_hanging_up_is_no_business_of_the_flow() {
    for target in TARGETS {
        let mut w = World::new(transferring_to(target));
        w.register(11, "1001");
        let mut caller = call(&mut w, "123459");
        let callee = if target == OUTSIDE_NUMBER { CARRIER } else { 11 };
        rings(&mut w, callee).answer(&mut w);
        caller.answered(&mut w);
        w.run(PROMPT);
        assert!(w.bridged(), "{target}");
        caller.bye(&mut w);
        hung_up(&mut w, callee);
        assert_eq!(steps(&w), ["main.at"], "{target}");
        assert_eq!(w.record().data.len(), 0, "{target}");
        w.quiet();
    }
}

/// What runs while the caller waits.
fn waiting(on_hang_up: &str) -> String {
    format!(
        "start = \"music\"\n{on_hang_up}\n[node.music]\nkind = \"wait\"\nfor_s = 60\n\
         next = \"music\"\n[node.note]\nkind = \"set\"\ndata = {{ gone = \"'waiting'\" }}\n\
         next = \"end\"\n[node.end]\nkind = \"end\"\n"
    )
}

#[test]
fn of_a_waiting_flow_and_the_one_that_sent_the_caller_there_one_branch_runs() {
    let rows = [
        ("on_hang_up = \"note\"", vec!["waiting.note", "waiting.end"], "waiting"),
        ("", BRANCH.to_vec(), "thanks"),
    ];
    for (on_hang_up, branch, gone) in rows {
        let main = resting_at("transfer", "to = { skill_queue = \"support\" }");
        let waiting = waiting(on_hang_up);
        let mut config = centre_with(&[("main", &main), ("waiting", &waiting)]);
        let routing = Arc::make_mut(&mut config.routing);
        for queue in &mut routing.queues {
            queue.waiting = WaitMethod::Flow("waiting".into());
        }
        let mut w = World::new(config);
        w.register(11, "1001");
        let mut caller = call(&mut w, "123459");
        caller.answered(&mut w);
        let ring = rings(&mut w, 11);
        ring.respond(&mut w, 180);
        caller.bye(&mut w);
        ring.cancelled(&mut w);
        if let Some((id, ..)) = w.effects.last().cloned() {
            w.done(id, EffectDone::Http(serde_json::json!({ "answer": "thanks" })));
        }
        assert_eq!(steps(&w)[2..], branch);
        assert_eq!(w.record().data.get("gone").map(String::as_str), Some(gone));
        w.quiet();
    }
}

/// A queue hands its callers on, or lets them go: the flow still minds the first, not the second.
#[test]
fn the_branch_runs_in_the_queue_an_overflow_leads_to_and_not_when_a_queue_lets_the_caller_go() {
    for hangs_up in [true, false] {
        let main = resting_at("transfer", "to = { skill_queue = \"support\" }");
        let mut config = centre_with(&[("main", &main)]);
        let routing = Arc::make_mut(&mut config.routing);
        for queue in &mut routing.queues {
            queue.max_waiting_time_s = 3;
            queue.on_timeout = match (queue.name.as_str(), hangs_up) {
                ("support", true) => Policy::SkillQueue("read".into()),
                _ => Policy::Release { prompt: None },
            };
        }
        let mut w = World::new(config);
        w.register(11, "1001");
        let mut caller = call(&mut w, "123459");
        caller.answered(&mut w);
        rings(&mut w, 11).respond(&mut w, 486);
        w.take(11, "ACK");
        w.run(4_000);
        match hangs_up {
            true => {
                caller.bye(&mut w);
                w.run(5_000);
                assert_eq!(steps(&w)[1..], BRANCH);
            }
            false => {
                w.run(PROMPT);
                caller.hung_up(&mut w);
                assert_eq!(steps(&w), ["main.at"]);
            }
        }
        let left: Vec<_> = w.record().queues.into_iter().map(|visit| visit.queue).collect();
        assert_eq!(left.len(), if hangs_up { 2 } else { 1 }, "{left:?}");
    }
}
