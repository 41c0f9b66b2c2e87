//! Overflow to flows, and round through queues and flows: each reason for leaving a queue, in
//! virtual time. (Release: [`crate::supervision`]; to queues alone: routing's own tests.)

use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::record::ReleaseReason;
use hotline_ivr::program::Flows;
use hotline_routing::Policy;
use hotline_routing::config::BusyWhen;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Publishes flows.
fn publish(config: &mut TenantConfig, flows: &[(&str, Json)]) {
    let flows: BTreeMap<_, _> = flows
        .iter()
        .map(|(name, written)| ((*name).into(), hotline_ivr::read::flow(written).unwrap()))
        .collect();
    config.flows = Arc::new(Flows::build(&flows, &BTreeMap::new()));
}

/// A flow that says a prompt and ends.
fn says(prompt: &str) -> Json {
    json!({
        "description": "d", "languages": ["en"], "start": "say",
        "node": {
            "say": { "kind": "play", "say": [prompt], "next": "bye" },
            "bye": { "kind": "end" },
        },
    })
}

/// A flow that sends its caller to a queue.
fn sends_to(queue: &str) -> Json {
    json!({
        "description": "d", "languages": ["en"], "start": "on",
        "node": {
            "on": { "kind": "transfer", "to": { "skill_queue": queue }, "on_failure": "bye" },
            "bye": { "kind": "end" },
        },
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Timeout,
    /// The same, while a phone rings that then rejects.
    TimeoutWhileRinging,
    Full,
    NobodyIdle,
    NoAgents,
    SignOut,
}

#[test]
fn a_flow_takes_over_for_each_reason() {
    use Left::*;
    for left in [Timeout, TimeoutWhileRinging, Full, NobodyIdle, NoAgents, SignOut] {
        let mut config = centre();
        publish(&mut config, &[("sorry", says("all_busy"))]);
        queue_with(&mut config, "support", |queue| {
            let policy = Policy::Flow("sorry".into());
            match left {
                Timeout | TimeoutWhileRinging => {
                    queue.max_waiting_time_s = 3;
                    queue.on_timeout = policy;
                }
                Full => {
                    queue.max_calls_in_queue = 1;
                    queue.on_busy = policy;
                }
                NobodyIdle => {
                    queue.busy_when = BusyWhen::NobodyIdle;
                    queue.on_busy = policy;
                }
                NoAgents | SignOut => queue.on_no_agents = policy,
            }
        });
        let mut w = World::new(config);
        let mut others = Vec::new();
        if !matches!(left, NoAgents) {
            w.register(11, "1001");
        }
        if !matches!(left, NoAgents | TimeoutWhileRinging) {
            let mut first = call(&mut w, "123452");
            first.answered(&mut w);
            rings(&mut w, 11).answer(&mut w);
            w.run(10_000);
            others.push(first);
        }
        if left == Full {
            let mut waits = call(&mut w, "123451");
            waits.answered(&mut w);
            others.push(waits);
        }
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        let leg = w.legs()[others.len() + usize::from(!others.is_empty())];
        match left {
            Timeout => w.run(3_000),
            TimeoutWhileRinging => {
                let ring = rings(&mut w, 11);
                w.run(4_000);
                assert!(w.hears_wait_tone(leg), "the phone is waited for");
                ring.respond(&mut w, 486);
                w.take(11, "ACK");
            }
            SignOut => w.register_for(udp(11), "1001", 0),
            _ => {}
        }
        if left == SignOut {
            // The agent talks, and is signed out when its call ends.
            others.pop().unwrap().bye(&mut w);
            hung_up(&mut w, 11);
        }
        assert!(w.hears(leg).is_some() && !w.hears_wait_tone(leg), "{left:?}: the flow speaks");
        w.run(u64::from(PROMPT_MS) + 1);
        caller.hung_up(&mut w);
        let talked = !others.is_empty();
        for mut other in others.into_iter().rev() {
            other.bye(&mut w);
        }
        if talked {
            hung_up(&mut w, 11);
        }
        w.quiet();
        let record = w
            .records()
            .into_iter()
            .find(|record| record.caller_sip_call_id == caller.call_id)
            .unwrap();
        let outcomes: Vec<_> =
            record.queues.iter().map(|visit| visit.outcome.clone().unwrap()).collect();
        let expected: &[&str] = match left {
            Timeout | TimeoutWhileRinging => &["timeout"],
            SignOut => &["no_agents"],
            _ => &[],
        };
        assert_eq!(outcomes, expected, "{left:?}");
    }
}

/// Each sends its callers to the other one: routing counts the moves to the flow, the flow those to
/// the queue, and together they are ten.
#[test]
fn round_through_a_queue_and_a_flow_ends_after_ten_moves() {
    let mut config = centre();
    publish(&mut config, &[("again", sends_to("support"))]);
    queue_with(&mut config, "support", |queue| {
        queue.on_no_agents = Policy::Flow("again".into());
    });
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(u64::from(PROMPT_MS) + 1);
    caller.hung_up(&mut w);
    let steps = w.flow_steps().iter().filter(|node| *node == "on").count();
    assert_eq!(steps, 5, "five times to the flow, five times back");
    let record = w.record();
    assert_eq!((record.reason, record.q850), (Some(ReleaseReason::TooManyHops), 25));
}

/// The flow that a policy names is not there any more: the caller is not left in silence.
#[test]
fn a_flow_that_is_gone_ends_with_the_fault_announcement() {
    let mut config = centre();
    queue_with(&mut config, "support", |queue| {
        queue.on_no_agents = Policy::Flow("gone".into());
    });
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    assert!(w.hears(leg).is_some() && !w.hears_wait_tone(leg));
    w.run(u64::from(PROMPT_MS) + 1);
    caller.hung_up(&mut w);
    assert_eq!(w.record().reason, Some(ReleaseReason::FlowFault));
}

/// A caller who came by overflow waits on with the time and place it had, if the tenant says so.
#[test]
fn place_and_time_are_carried_to_the_next_queue_if_set() {
    for keeps in [false, true] {
        let mut config = centre();
        route_with(&mut config, |routing| routing.settings.overflow_keeps_place = keeps);
        queue_with(&mut config, "short", |queue| {
            queue.on_timeout = Policy::SkillQueue("read".into());
        });
        queue_with(&mut config, "read", |queue| queue.max_waiting_time_s = 10);
        let mut w = World::new(config);
        w.register(11, "1001");
        let mut first = call(&mut w, "123451");
        first.answered(&mut w);
        rings(&mut w, 11).answer(&mut w);
        let mut caller = call(&mut w, "123455");
        caller.answered(&mut w);
        w.run(2_000);
        let mut later = call(&mut w, "123452");
        later.answered(&mut w);
        w.run(1_000);
        let at = if keeps { "Queued read 1" } else { "Queued read 2" };
        assert_eq!(w.journal().iter().rev().nth(1).map(String::as_str), Some(at));
        w.run(7_000 + u64::from(PROMPT_MS));
        assert_eq!(w.was_sent(CARRIER, "BYE"), keeps, "10 s after it came to the first queue");
        w.run(3_000);
        caller.hung_up(&mut w);
        w.run(2_000);
        later.hung_up(&mut w);
        first.bye(&mut w);
        hung_up(&mut w, 11);
        w.quiet();
    }
}
