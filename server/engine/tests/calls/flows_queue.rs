//! Flows around queues: while a caller waits, when a queue does not keep it, and how often it may
//! go round.

use crate::flows::*;
use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::record::ReleaseReason;
use hotline_media::command::RecordEnd;
use hotline_routing::config::{Policy, SkillQueue, WaitMethod};
use std::sync::Arc;

/// Says hello and the place, waits with the tone, takes keys.
const WAITS: &str = r#"
start = "menu"
[variables]
place = { type = "number", value = 0 }
[node.menu]
kind = "menu"
say = ["hello"]
retries = 0
first_digit_s = 1
keys = { 1 = "leave", 2 = "other", 3 = "end", 4 = "broken", 5 = "message" }
on_timeout = "wait"
on_no_match = "wait"
[node.wait]
kind = "wait"
for_s = 20
tone = "default"
next = "again"
[node.again]
kind = "play"
say = ["sorry", { number = "queue.position" }]
next = "wait"
[node.leave]
kind = "transfer"
to = { agent = "'1002'" }
on_failure = "again"
[node.other]
kind = "transfer"
to = { skill_queue = "read" }
[node.end]
kind = "end"
cause = 31
[node.broken]
kind = "set"
values = { place = "1 / 0" }
next = "wait"
[node.message]
kind = "message"
mailbox = "sales"
next = "end"
on_empty = "end"
"#;

fn edited(flows: &[(&str, &str)], name: &str, edit: impl Fn(&mut SkillQueue)) -> TenantConfig {
    let mut config = centre_with(flows);
    let routing = Arc::make_mut(&mut config.routing);
    routing.queues.iter_mut().filter(|queue| queue.name == name).for_each(edit);
    config
}

/// `support` has a waiting flow.
fn waiting_centre() -> TenantConfig {
    edited(&[("main", MENU), ("waits", WAITS)], "support", |queue| {
        queue.waiting = WaitMethod::Flow("waits".into());
    })
}

/// A world with one caller who waits in `support`; the only agent, 1001, is in another call.
fn one_waits() -> (World, Caller, Caller) {
    let mut w = World::new(waiting_centre());
    w.register(11, "1001");
    let mut first = call(&mut w, "123457");
    first.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    (w, first, caller)
}

fn end(mut w: World, mut first: Caller) {
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn a_flow_runs_while_the_caller_waits_and_is_cut_off_by_the_answer() {
    let (mut w, mut first, mut caller) = one_waits();
    let leg = w.legs()[2];
    assert_eq!(heard(&w, leg), "hello");
    w.run(PROMPT + 1_000);
    assert_eq!(heard(&w, leg), "tone");
    w.run(20_000);
    assert!(heard(&w, leg).starts_with("sorry asset"), "its place is said");
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.run(5_000);
    let mut ring = rings(&mut w, 11);
    assert_eq!(heard(&w, leg), "tone", "it goes on while the phone rings");
    ring.answer(&mut w);
    assert!(w.bridged());
    assert_eq!(w.hears(leg), None);
    // Keys are the agent's from here on.
    w.press(leg, "3");
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn a_waiting_flow_goes_on_when_the_agent_is_gone_before_the_bridge() {
    let mut config = waiting_centre();
    let routing = Arc::make_mut(&mut config.routing);
    for queue in &mut routing.queues {
        queue.announce_on_answer = hotline_routing::config::AnnounceOnAnswer::EmployeeId;
    }
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    w.run(PROMPT + 1_000);
    assert_eq!(heard(&w, leg), "tone");
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    assert!(heard(&w, leg).starts_with("asset"), "the employee ID");
    ring.bye(&mut w);
    assert_eq!(heard(&w, leg), "tone", "the node it was cut off at begins again");
    w.run(19_999);
    assert_eq!(heard(&w, leg), "tone");
    w.run(1);
    assert!(heard(&w, leg).starts_with("sorry"));
    caller.bye(&mut w);
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::Abandoned));
    assert_eq!(record.queues.len(), 1, "it kept its place");
}

#[test]
fn a_caller_leaves_the_queue_by_its_waiting_flow() {
    // To another queue, where the tone plays.
    let (mut w, first, mut caller) = one_waits();
    let leg = w.legs()[2];
    w.press(leg, "2");
    assert_eq!(heard(&w, leg), "tone");
    caller.bye(&mut w);
    let record = w.records().pop().unwrap_or_else(|| {
        w.run(200);
        w.records().pop().unwrap()
    });
    let visits: Vec<_> =
        record.queues.iter().map(|one| (one.queue.as_str(), one.outcome.as_deref())).collect();
    assert_eq!(visits, [("support", Some("flow")), ("read", Some("abandoned"))]);
    end(w, first);

    // By its end, with a cause.
    let (mut w, first, mut caller) = one_waits();
    let leg = w.legs()[2];
    w.press(leg, "3");
    caller.hung_up(&mut w);
    end(w, first);

    // By leaving a message.
    let (mut w, first, mut caller) = one_waits();
    let leg = w.legs()[2];
    w.press(leg, "5");
    assert_eq!(w.counts().waiting, 0, "it has left the queue");
    w.run(200 + 5_000);
    w.recorded(leg, RecordEnd::Silence);
    caller.hung_up(&mut w);
    end(w, first);

    // To an agent who is not there: the flow has the call, but the place is lost.
    let (mut w, first, mut caller) = one_waits();
    let leg = w.legs()[2];
    w.press(leg, "1");
    assert!(heard(&w, leg).starts_with("sorry"));
    assert_eq!(w.counts().waiting, 0, "it has left the queue");
    caller.bye(&mut w);
    end(w, first);
}

#[test]
fn a_waiting_flow_that_fails_leaves_the_default_tone() {
    let (mut w, first, mut caller) = one_waits();
    let leg = w.legs()[2];
    w.press(leg, "4");
    assert_eq!(heard(&w, leg), "tone");
    assert!(w.notices[0].ends_with("; the default tone plays"), "{:?}", w.notices);
    assert_eq!(w.counts().waiting, 1, "it waits on");
    caller.bye(&mut w);
    end(w, first);

    let config = edited(&[], "support", |queue| {
        queue.waiting = WaitMethod::Flow("gone".into());
    });
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    assert_eq!(heard(&w, w.legs()[0]), "tone");
    assert_eq!(w.notices.len(), 1);
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

/// A flow that leaves as soon as it begins: routing had chosen an agent in the same moment, who
/// must not be rung for a caller who is no longer there.
#[test]
fn a_waiting_flow_that_leaves_at_once_rings_nobody() {
    let leaves = "start = \"end\"\n[node.end]\nkind = \"end\"\ncause = 31\n";
    let config = edited(&[("waits", leaves)], "support", |queue| {
        queue.waiting = WaitMethod::Flow("waits".into());
    });
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    caller.hung_up(&mut w);
    assert!(!w.was_sent(11, "INVITE"));
    assert_eq!(w.agent("1001"), "idle");
    assert_eq!(w.notices, [""; 0]);
    w.quiet();
}

const SORRY: &str =
    "start = \"sorry\"\n[node.sorry]\nkind = \"end\"\nsay = [\"sorry\"]\ncause = 34\n";

#[test]
fn each_overflow_may_lead_to_a_flow() {
    type Make = fn(&mut SkillQueue);
    let rows: [(&str, Make, &str); 4] = [
        ("nobody is signed in", |queue| queue.on_no_agents = Policy::Flow("sorry".into()), ""),
        ("the queue is full", |queue| queue.on_busy = Policy::Flow("sorry".into()), ""),
        ("the wait is over", |queue| queue.on_timeout = Policy::Flow("sorry".into()), "timeout"),
        (
            "the last agent leaves",
            |queue| queue.on_no_agents = Policy::Flow("sorry".into()),
            "no_agents",
        ),
    ];
    for (why, policy, outcome) in rows {
        let config = edited(&[("sorry", SORRY), ("waits", WAITS)], "support", |queue| {
            queue.max_calls_in_queue = 1;
            queue.max_waiting_time_s = 30;
            queue.waiting = WaitMethod::Flow("waits".into());
            policy(queue);
        });
        let mut w = World::new(config);
        let mut talking = None;
        if why != "nobody is signed in" {
            w.register(11, "1001");
            let mut first = call(&mut w, "123457");
            first.answered(&mut w);
            rings(&mut w, 11).answer(&mut w);
            talking = Some(first);
        }
        let mut waiting = None;
        if why == "the queue is full" {
            let mut second = call(&mut w, "123451");
            second.answered(&mut w);
            waiting = Some(second);
        }
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        let leg = *w.legs().last().unwrap();
        match why {
            "the wait is over" => w.run(30_000),
            "the last agent leaves" => {
                w.register_for(udp(11), "1001", 0);
                talking.take().unwrap().bye(&mut w);
                hung_up(&mut w, 11);
            }
            _ => {}
        }
        assert_eq!(heard(&w, leg), "sorry", "{why}");
        w.run(PROMPT);
        caller.hung_up(&mut w);
        w.run(200);
        let record = w.records().pop().unwrap();
        assert_eq!((record.reason, record.q850), (Some(ReleaseReason::FlowEnded), 34), "{why}");
        let left = record.queues.last().and_then(|one| one.outcome.clone()).unwrap_or_default();
        assert_eq!(left, outcome, "{why}");
        if let Some(mut second) = waiting {
            second.bye(&mut w);
        }
        if let Some(mut first) = talking {
            first.bye(&mut w);
            hung_up(&mut w, 11);
        }
        w.quiet();
    }
}

/// A flow sends to a queue that nobody serves, which sends to the flow, …
#[test]
fn queues_and_flows_together_are_left_ten_times_at_most() {
    let back =
        "start = \"on\"\n[node.on]\nkind = \"transfer\"\nto = { skill_queue = \"support\" }\n";
    let config = edited(&[("main", back)], "support", |queue| {
        queue.on_no_agents = Policy::Flow("main".into());
    });
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    w.run(PROMPT);
    caller.hung_up(&mut w);
    let rounds = steps(&w).len();
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::TooManyHops));
    assert!((5..=6).contains(&rounds), "{rounds}");
}

/// A transfer that fails and is tried again and again is a loop too.
#[test]
fn a_transfer_that_always_fails_is_tried_ten_times_at_most() {
    let again = r#"
start = "on"
[node.on]
kind = "transfer"
to = { agent = "'1002'" }
on_failure = "on"
"#;
    let mut w = World::new(centre_with(&[("main", again)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    w.run(PROMPT);
    caller.hung_up(&mut w);
    assert_eq!(steps(&w).len(), 11);
    assert_eq!(w.record().reason, Some(ReleaseReason::TooManyHops));
}

#[test]
fn two_hundred_flows_that_lead_to_each_other_end() {
    let names: Vec<String> = (0..200).map(|n| format!("f{n}")).collect();
    let flow = |next: &str| {
        format!("start = \"on\"\n[node.on]\nkind = \"transfer\"\nto = {{ flow = \"{next}\" }}\n")
    };
    let texts: Vec<String> = (0..200).map(|n| flow(&names[(n + 1) % 200])).collect();
    let mut flows: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let main = flow("f0");
    flows.push(("main", &main));
    let mut w = World::new(centre_with(&flows));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    // It pauses on its way.
    w.run(1_000 + PROMPT);
    caller.hung_up(&mut w);
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::FlowFault));
}

/// Asking for a queue's state takes no time: a flow that does nothing else would never rest.
#[test]
fn a_flow_that_never_rests_is_ended() {
    let asks = r#"
start = "ask"
[variables]
n = { type = "number", value = 0 }
[node.ask]
kind = "queue_status"
queue = "support"
waiting = "n"
next = "ask"
"#;
    let mut w = World::new(centre_with(&[("main", asks)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    // It pauses on its way.
    w.run(1_000 + PROMPT);
    caller.hung_up(&mut w);
    assert_eq!(w.record().reason, Some(ReleaseReason::FlowFault));
}
