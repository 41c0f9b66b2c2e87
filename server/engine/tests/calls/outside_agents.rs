//! Agents who consult outside numbers, hand customers over to them, or to flows: what each party
//! hears, what is shown and recorded, and what is not called.

use crate::lines::*;
use crate::peers::*;
use crate::world::*;
use hotline_engine::config::{Prompt, TenantConfig};
use hotline_engine::record::{CallRecord, ReleaseReason, ReleasedBy};
use hotline_ivr::program::Flows;
use hotline_media::command::{AssetId, Command, LegRef};
use hotline_routing::config::{CalledRoute, Destination};
use hotline_sip::header::HeaderName;
use std::sync::Arc;

const OUTSIDE: &str = "15558888";
const FAILED: Prompt = Prompt { asset: AssetId(901), duration_ms: PROMPT_MS };
const NOT_POSSIBLE: Prompt = Prompt { asset: AssetId(902), duration_ms: PROMPT_MS };

/// The carrier may be asked for numbers that begin with 1555.
fn open_centre() -> TenantConfig {
    let mut config = sign_in_centre();
    config.trunks[0].outside_prefixes = vec!["+1555".into()];
    let prompts = config.prompts.get_mut("en").unwrap();
    prompts.insert("transfer_failed".into(), FAILED);
    prompts.insert("not_possible".into(), NOT_POSSIBLE);
    config
}

/// 1001 on its line, its customer, and what it has pressed to call the outside number.
fn consults(config: TenantConfig) -> (World, (Caller, LegRef), (Caller, LegRef), Ring) {
    let (mut w, agent, line, customer, leg) = talks(config);
    w.press(line, &format!("*2{OUTSIDE}#"));
    let ring = rings(&mut w, CARRIER);
    assert!(w.hears_wait_tone(leg), "the customer is held");
    assert_eq!(w.agent("1001"), "talking");
    (w, (agent, line), (customer, leg), ring)
}

/// The customer's record.
fn customers(w: &World) -> CallRecord {
    let of_queue = |record: &CallRecord| !record.queues.is_empty();
    w.records().into_iter().find(of_queue).expect("the customer's record")
}

fn outcome(w: &World) -> (String, Option<String>) {
    let record = customers(w);
    let [transfer] = &record.transfers[..] else { panic!("{:?}", record.transfers) };
    (transfer.to.clone(), transfer.outcome.clone())
}

fn last_bridge(w: &World) -> Option<(LegRef, LegRef)> {
    w.commands.iter().rev().find_map(|command| match command {
        Command::Bridge { a, b } => Some((*a, *b)),
        _ => None,
    })
}

/// Whom a leg is bridged with by the last word about it.
fn hears_each_other(w: &World, one: LegRef, other: LegRef) -> bool {
    last_bridge(w).is_some_and(|pair| pair == (one, other) || pair == (other, one))
}

#[test]
fn an_outside_number_is_consulted_and_gets_the_customer() {
    for hangs_up in [false, true] {
        let (mut w, (mut agent, line), (mut customer, leg), mut ring) = consults(open_centre());
        let uri = String::from_utf8_lossy(ring.invite.request_uri_bytes()).into_owned();
        assert!(uri.starts_with("sip:15558888@"), "{uri}");
        for name in [HeaderName::From, HeaderName::PAssertedIdentity] {
            let shown = header(&ring.invite, name);
            assert!(shown.contains("<sip:12345@demo.example>"), "the tenant's number: {shown}");
        }
        assert!(
            !String::from_utf8_lossy(ring.invite.as_bytes()).contains("15550001"),
            "not the customer's"
        );
        ring.respond(&mut w, 180);
        ring.answer(&mut w);
        let outside = *w.legs().last().unwrap();
        assert!(hears_each_other(&w, line, outside));
        assert!(w.hears_wait_tone(leg), "the customer is still held");
        match hangs_up {
            true => agent.bye(&mut w),
            false => w.press(line, "*3"),
        }
        assert!(hears_each_other(&w, leg, outside), "{hangs_up}");
        assert_eq!(w.agent("1001"), if hangs_up { "signed_out" } else { "wrap_up" });
        w.run(60_000);
        customer.bye(&mut w);
        hung_up(&mut w, CARRIER);
        if !hangs_up {
            agent.bye(&mut w);
        }
        w.quiet();
        assert_eq!(outcome(&w), ("number".into(), Some("transferred".into())));
        assert!(customers(&w).talk_ms >= 60_000, "talk goes on");
    }
}

#[test]
fn the_outside_party_hangs_up_on_the_customer_it_got() {
    let (mut w, (mut agent, line), (mut customer, _), mut ring) = consults(open_centre());
    ring.answer(&mut w);
    w.press(line, "*3");
    ring.bye(&mut w);
    customer.hung_up(&mut w);
    agent.bye(&mut w);
    w.quiet();
    assert_eq!(customers(&w).reason, Some(ReleaseReason::NormalClearing));
}

#[test]
fn the_agent_returns_from_an_outside_number() {
    for answered in [false, true] {
        let (mut w, (mut agent, line), (mut customer, leg), mut ring) = consults(open_centre());
        if answered {
            ring.answer(&mut w);
            w.run(2_000);
        }
        w.press(line, "*5");
        match answered {
            true => _ = hung_up(&mut w, CARRIER),
            false => ring.cancelled(&mut w),
        }
        assert!(hears_each_other(&w, leg, line));
        assert!(!w.hears_wait_tone(leg));
        customer.bye(&mut w);
        agent.bye(&mut w);
        w.quiet();
        assert_eq!(outcome(&w).1.as_deref(), Some("returned"));
    }
}

#[test]
fn three_talk_then_the_agent_leaves() {
    let (mut w, (mut agent, line), (mut customer, leg), mut ring) = consults(open_centre());
    ring.answer(&mut w);
    let outside = *w.legs().last().unwrap();
    w.press(line, "*4");
    let all = |command: &Command| matches!(command, Command::Conference { legs } if *legs == [leg, line, outside]);
    assert!(w.commands.iter().any(all));
    w.run(3_000);
    w.press(line, "*3");
    assert!(hears_each_other(&w, leg, outside));
    assert_eq!(w.agent("1001"), "wrap_up");
    customer.bye(&mut w);
    hung_up(&mut w, CARRIER);
    agent.bye(&mut w);
    w.quiet();
    assert_eq!(outcome(&w).1.as_deref(), Some("conference"));
}

/// Whoever is not reached, the agent hears so and has its customer again. The record said that the
/// agent had returned, as if somebody had been there.
#[test]
fn an_outside_number_that_is_not_reached_leaves_the_agent_with_its_customer() {
    for status in [486, 603, 480, 404, 503, 0] {
        let (mut w, (mut agent, line), (mut customer, leg), ring) = consults(open_centre());
        match status {
            // It rings, and nobody answers.
            0 => {
                ring.respond(&mut w, 180);
                w.run(60_000);
                ring.cancelled(&mut w);
            }
            _ => {
                ring.respond(&mut w, status);
                w.take(CARRIER, "ACK");
            }
        }
        assert_eq!(w.tone(line), Some(FAILED.asset), "{status}: the agent is told");
        w.run(5_000);
        assert!(hears_each_other(&w, leg, line), "{status}");
        assert!(!w.hears_wait_tone(leg), "{status}");
        assert_eq!(w.agent("1001"), "talking");
        customer.bye(&mut w);
        agent.bye(&mut w);
        w.quiet();
        assert_eq!(outcome(&w).1.as_deref(), Some("failed"), "{status}");
    }
}

/// A number nobody pays for, one that is none, or no channel left: neither consulted nor handed to,
/// and the customer notices nothing.
#[test]
fn a_number_that_cannot_be_called_is_not_possible_and_the_customer_stays() {
    type Change = fn(&mut TenantConfig);
    let wanted: [(&str, Change); 5] = [
        ("barred", |config| config.trunks[0].outside_prefixes = vec!["+46".into()]),
        ("no prefix at all", |config| config.trunks[0].outside_prefixes.clear()),
        // The line and the customer have both.
        ("channel full", |config| config.trunks[0].channels = 2),
        ("no target", |config| config.trunks[0].target = None),
        ("no trunk", |config| config.single_phone.trunk = None),
    ];
    for (why, change) in wanted {
        for code in ["*2", "*3"] {
            let mut config = open_centre();
            change(&mut config);
            let (mut w, mut agent, line, mut customer, leg) = talks(config);
            w.press(line, code);
            w.run(1_000);
            w.press(line, &format!("{OUTSIDE}#"));
            assert_eq!(w.tone(line), Some(NOT_POSSIBLE.asset), "{why}: the agent is told");
            assert!(!w.was_sent(CARRIER, "INVITE"), "{why}");
            assert!(!w.hears_wait_tone(leg), "{why}: the customer is not even held");
            assert_eq!(w.agent("1001"), "talking", "{why}");
            customer.bye(&mut w);
            agent.bye(&mut w);
            w.quiet();
            assert!(customers(&w).transfers.is_empty(), "{why}");
        }
    }
}

#[test]
fn a_customer_is_handed_to_an_outside_number_at_once() {
    let (mut w, mut agent, line, mut customer, leg) = talks(open_centre());
    w.press(line, &format!("*3{OUTSIDE}#"));
    assert_eq!(w.agent("1001"), "wrap_up");
    assert!(w.hears_wait_tone(leg));
    let mut ring = rings(&mut w, CARRIER);
    ring.respond(&mut w, 180);
    ring.answer(&mut w);
    assert!(!w.hears_wait_tone(leg));
    w.run(5_000);
    ring.bye(&mut w);
    customer.hung_up(&mut w);
    agent.bye(&mut w);
    w.quiet();
    assert_eq!(outcome(&w), ("number".into(), Some("transferred".into())));
    assert_eq!(customers(&w).released_by, Some(ReleasedBy::Agent), "the party it talked to");
}

/// Nobody has the customer any more when the number is not reached: it hears so before it is
/// released.
#[test]
fn a_customer_whose_outside_number_is_not_reached_hears_so() {
    for status in [486, 404, 503] {
        let (mut w, mut agent, line, mut customer, leg) = talks(open_centre());
        w.press(line, &format!("*3{OUTSIDE}#"));
        let ring = rings(&mut w, CARRIER);
        ring.respond(&mut w, status);
        w.take(CARRIER, "ACK");
        assert_eq!(w.tone(leg), Some(FAILED.asset), "{status}");
        w.run(5_000);
        let bye = customer.hung_up(&mut w);
        let cause = if status == 486 { 17 } else { 19 };
        assert_eq!(bye.q850_cause(), Some(cause), "{status}");
        agent.bye(&mut w);
        w.quiet();
        assert_eq!(outcome(&w).1.as_deref(), Some("failed"), "{status}");
    }
}

/// With a flow that says a word and ends at 12345 6.
fn with_flow(config: &mut TenantConfig) {
    let document = serde_json::json!({
        "start": "hear",
        "node": { "hear": { "kind": "collect", "say": ["all_busy"], "into": "typed", "max": 1,
            "next": "bye", "on_timeout": "bye", "on_no_match": "bye" },
            "bye": { "kind": "end", "cause": 16 } },
        "variables": { "typed": "text" }
    });
    let flow = hotline_ivr::read::flow(&document).unwrap_or_else(|why| panic!("{why:?}"));
    let flows = [("after".to_owned(), flow)].into();
    config.flows = Arc::new(Flows::build(&flows, &Default::default()));
    let routing = Arc::make_mut(&mut config.routing);
    routing.flows.push("after".into());
    let to = Destination::Flow("after".into());
    routing.called_routes.retain(|route| route.extension_code.as_deref() != Some("6"));
    routing.called_routes.push(CalledRoute::new("12345", Some("6"), to));
}

/// A number of ours that leads to a flow was "not possible" for agents.
#[test]
fn a_customer_is_handed_to_a_flow() {
    let (mut w, mut agent, line, mut customer, leg) = talks(sign_in_centre());
    let mut config = sign_in_centre();
    config.version = 2;
    with_flow(&mut config);
    w.configure(config);
    w.press(line, "*3123456#");
    assert_eq!(w.agent("1001"), "wrap_up");
    assert!(w.legs().contains(&line), "the line stays");
    assert_eq!(w.flow_steps().last().map(String::as_str), Some("hear"));
    assert!(w.hears(leg).is_some_and(|items| !items.is_empty()), "the flow speaks");
    w.press(leg, "4");
    assert_eq!(w.flow_steps().last().map(String::as_str), Some("bye"), "and listens");
    customer.hung_up(&mut w);
    agent.bye(&mut w);
    w.quiet();
    assert_eq!(outcome(&w), ("flow \"after\"".into(), Some("transferred".into())));
    assert_eq!(customers(&w).reason, Some(ReleaseReason::FlowEnded));
}

#[test]
fn a_flow_is_not_consulted() {
    let (mut w, mut agent, line, mut customer, leg) = talks(sign_in_centre());
    w.press(line, "*2123459#");
    assert!(!w.hears_wait_tone(leg));
    assert_eq!(w.agent("1001"), "talking");
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
    assert!(customers(&w).transfers.is_empty());
}
