//! Agents that sign in from any telephone with employee ID and PIN, and hold the line.

use crate::mobile::{MOBILE, mobile_centre};
use crate::peers::*;
use crate::world::*;
use hotline_base::Redacted;
use hotline_engine::Input;
use hotline_engine::config::{CutLine, Mobile, TenantConfig};
use hotline_engine::effect::{Effect, EffectDone};
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_ivr::program::Flows;
use hotline_media::command::{Command, LegRef};
use hotline_routing::config::{AnswerMode, CalledRoute, Destination};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The PIN of 1001.
pub const PIN: &str = "83014772";
const HASH: &str = "$argon2id$the hash of 1001";

/// A centre whose agents sign in at 12345 9: hold the line with 1, be rung with 2.
pub fn sign_in_centre() -> TenantConfig {
    let mut config = mobile_centre();
    let mobile = |number: Option<&str>| Mobile {
        pin_hash: Redacted::new(HASH.into()),
        number: number.map(str::to_owned),
    };
    config.mobiles =
        [("1001".to_owned(), mobile(Some(MOBILE))), ("1002".into(), mobile(None))].into();
    let document = serde_json::json!({
        "start": "sign_in",
        "node": {
            "sign_in": {
                "kind": "agent_sign_in", "tries": 5,
                "next": "bye", "on_failure": "bye", "on_locked": "locked"
            },
            "locked": { "kind": "end", "cause": 21 },
            "bye": { "kind": "end" }
        }
    });
    let flow = hotline_ivr::read::flow(&document).unwrap_or_else(|why| panic!("{why:?}"));
    let flows = BTreeMap::from([("sign_in".to_owned(), flow)]);
    config.flows = Arc::new(Flows::build(&flows, &BTreeMap::new()));
    let routing = Arc::make_mut(&mut config.routing);
    routing.flows = vec!["sign_in".into()];
    let to = Destination::Flow("sign_in".into());
    routing.called_routes.push(CalledRoute::new("12345", Some("9"), to));
    config
}

/// Answers the PIN that is being compared; gives the hash it is compared with.
#[track_caller]
pub fn compared(w: &mut World, fits: bool) -> String {
    let (id, effect, _) = w.effects.pop().expect("a PIN is being compared");
    let Effect::VerifyPin { hash, pin } = effect else { panic!("{effect:?}") };
    assert_eq!(*pin.expose(), PIN);
    w.handle(Input::EffectDone { id, done: EffectDone::Pin(fits) });
    hash.into_inner()
}

/// An agent calls the sign-in number from a telephone behind the carrier.
pub fn calls_in(w: &mut World, from: &str) -> (Caller, LegRef) {
    let before = w.legs();
    let mut agent = Dial { number: "123459", from, ..Dial::default() }.go(w);
    agent.answered(w);
    let leg = *w.legs().iter().find(|leg| !before.contains(leg)).unwrap();
    (agent, leg)
}

/// 1001 holds the line.
pub fn on_line(config: TenantConfig) -> (World, Caller, LegRef) {
    let mut w = World::new(config);
    let (agent, leg) = calls_in(&mut w, "15557001");
    w.press(leg, "1001#");
    w.press(leg, PIN);
    w.press(leg, "#");
    assert_eq!(compared(&mut w, true), HASH);
    w.press(leg, "1");
    w.run(10_000);
    assert_eq!(w.agent("1001"), "idle");
    (w, agent, leg)
}

/// A customer whom the agent on the line is connected to.
pub fn talks(config: TenantConfig) -> (World, Caller, LegRef, Caller, LegRef) {
    let (mut w, agent, line) = on_line(config);
    let (customer, leg) = customer(&mut w, "123451");
    w.run(5_000);
    assert!(w.bridged());
    assert_eq!(w.agent("1001"), "talking");
    (w, agent, line, customer, leg)
}

pub fn customer(w: &mut World, number: &str) -> (Caller, LegRef) {
    let before = w.legs();
    let mut customer = call(w, number);
    customer.answered(w);
    let leg = *w.legs().iter().find(|leg| !before.contains(leg)).unwrap();
    (customer, leg)
}

/// Every text that has left the engine.
fn everything(w: &World) -> String {
    format!("{:?}{:?}{:?}{:?}", w.events, w.commands, w.notices, w.ladder)
}

#[test]
fn an_agent_signs_in_by_digits_and_holds_the_line_for_three_calls() {
    let (mut w, mut agent, line) = on_line(sign_in_centre());
    assert!(w.hears(line).is_some(), "a stream flows");
    for n in 1..=3 {
        let (mut customer, leg) = customer(&mut w, "123451");
        assert_eq!(w.agent("1001"), "talking", "answered at once");
        assert!(!w.was_sent(CARRIER, "INVITE"), "nothing rings");
        w.run(5_000);
        assert!(w.bridged(), "{n}");
        match n {
            1 => customer.bye(&mut w),
            _ => {
                w.press(line, "*6");
                customer.hung_up(&mut w);
            }
        }
        assert!(!w.legs().contains(&leg));
        assert!(w.legs().contains(&line), "the line stays");
        assert_eq!(w.agent("1001"), "wrap_up");
        w.press(line, "*0");
        assert_eq!(w.agent("1001"), "idle", "wrap-up ended by a key");
        w.run(3_000);
    }
    w.press(line, "**");
    assert_eq!(w.agent("1001"), "signed_out");
    w.run(5_000);
    agent.hung_up(&mut w);
    w.quiet();
    let records = w.records();
    assert_eq!(records.len(), 4);
    let held = |record: &&hotline_engine::CallRecord| {
        record.offers.first().is_some_and(|offer| offer.device.as_deref() == Some("held_line"))
    };
    assert_eq!(records.iter().filter(held).count(), 3);
    let line = records.iter().find(|record| record.signed_in.is_some()).unwrap();
    assert_eq!(line.signed_in.as_deref(), Some("1001"));
    assert_eq!(line.released_by, Some(ReleasedBy::System));
}

#[test]
fn the_pin_is_nowhere() {
    let (mut w, mut agent, line) = on_line(sign_in_centre());
    assert!(!everything(&w).contains(PIN));
    w.press(line, "*8");
    w.press(line, "**");
    w.run(5_000);
    agent.hung_up(&mut w);
    w.quiet();
    let all = everything(&w);
    assert!(!all.contains(PIN));
    let shown = format!("{:?}", w.effects);
    assert!(!shown.contains(PIN) && !shown.contains(HASH));
}

#[test]
fn unknown_ids_and_wrong_pins_look_alike_and_lock() {
    for id in ["1001", "4711"] {
        let mut w = World::new(sign_in_centre());
        let (mut agent, leg) = calls_in(&mut w, "15559999");
        for n in 1..=5 {
            w.press(leg, &format!("{id}#{PIN}#"));
            // Even the right PIN of somebody else does not fit an ID that does not exist.
            compared(&mut w, id == "4711");
            assert_eq!(w.agent("1001"), "signed_out");
            if n < 5 {
                w.run(3_000);
                assert!(w.legs().contains(&leg), "{n}");
            }
        }
        agent.hung_up(&mut w);
        assert!(w.notices.iter().any(|notice| notice.contains("5 wrong PINs")), "{:?}", w.notices);
        assert!(!format!("{:?}", w.notices).contains("4711"), "typed digits are never told");
        // Locked, from any number, without another comparison.
        w.effects.clear();
        let (mut agent, leg) = calls_in(&mut w, "15550002");
        w.press(leg, &format!("{id}#{PIN}#"));
        assert!(w.effects.is_empty());
        agent.hung_up(&mut w);
        // And the number that tried, whoever it says it is.
        let (mut agent, leg) = calls_in(&mut w, "15559999");
        w.press(leg, &format!("1002#{PIN}#"));
        assert!(w.effects.is_empty());
        agent.hung_up(&mut w);
        // Until the lock-out is over.
        w.run(900_000);
        let (mut agent, leg) = calls_in(&mut w, "15559999");
        w.press(leg, &format!("1001#{PIN}#"));
        compared(&mut w, true);
        agent.bye(&mut w);
        w.quiet();
    }
}

#[test]
fn an_agent_who_is_to_be_rung_is_left_alone_until_it_has_hung_up() {
    let mut w = World::new(sign_in_centre());
    let (mut agent, leg) = calls_in(&mut w, "15557001");
    w.press(leg, &format!("1001#{PIN}#"));
    compared(&mut w, true);
    w.press(leg, "2");
    assert_eq!(w.agent("1001"), "talking", "signed in, and on the telephone");
    let (mut waiting, _) = customer(&mut w, "123451");
    assert!(!w.was_sent(CARRIER, "INVITE"));
    w.run(5_000);
    agent.hung_up(&mut w);
    let ring = rings(&mut w, CARRIER);
    assert_eq!(w.agent("1001"), "offered");
    waiting.bye(&mut w);
    ring.cancelled(&mut w);
    w.quiet();
}

#[test]
fn who_hangs_up_before_holding_the_line_is_signed_out() {
    let mut w = World::new(sign_in_centre());
    let (mut agent, leg) = calls_in(&mut w, "15557001");
    w.press(leg, &format!("1001#{PIN}#"));
    compared(&mut w, true);
    w.press(leg, "1");
    agent.bye(&mut w);
    assert_eq!(w.agent("1001"), "signed_out");
    w.quiet();
}

#[test]
fn a_line_that_is_cut_leaves_the_agent_rung_or_signed_out_by_setting() {
    for (cut_line, expected) in [(CutLine::BeRung, "idle"), (CutLine::SignedOut, "signed_out")] {
        let mut config = sign_in_centre();
        config.single_phone.cut_line = cut_line;
        let (mut w, mut agent, _) = on_line(config);
        agent.bye(&mut w);
        assert_eq!(w.agent("1001"), expected);
        if cut_line == CutLine::BeRung {
            let (mut customer, _) = customer(&mut w, "123451");
            let ring = rings(&mut w, CARRIER);
            customer.bye(&mut w);
            ring.cancelled(&mut w);
        }
        w.quiet();
    }
}

#[test]
fn a_line_that_is_cut_during_a_call_ends_it() {
    for cut_line in [CutLine::BeRung, CutLine::SignedOut] {
        let mut config = sign_in_centre();
        config.single_phone.cut_line = cut_line;
        let (mut w, mut agent, _, mut customer, _) = talks(config);
        agent.bye(&mut w);
        customer.hung_up(&mut w);
        let state = if cut_line == CutLine::BeRung { "wrap_up" } else { "signed_out" };
        assert_eq!(w.agent("1001"), state);
        w.quiet();
        let records = w.records();
        assert_eq!(records[0].released_by, Some(ReleasedBy::Agent));
        assert_eq!(records[0].reason, Some(ReleaseReason::NormalClearing));
        assert_eq!(records.len(), 2);
    }
}

/// The packets stop and nobody says BYE. A dead line must not answer the next customer.
#[test]
fn a_line_that_falls_silent_is_cut_at_rest_in_a_call_and_while_its_agent_consults() {
    for cut_line in [CutLine::BeRung, CutLine::SignedOut] {
        let mut config = sign_in_centre();
        config.single_phone.cut_line = cut_line;
        let rung = cut_line == CutLine::BeRung;
        let (mut w, mut agent, line) = on_line(config.clone());
        w.silent(line);
        agent.hung_up(&mut w);
        assert_eq!(w.agent("1001"), if rung { "idle" } else { "signed_out" });
        w.quiet();

        let (mut w, mut agent, line, mut customer, _) = talks(config.clone());
        w.silent(line);
        customer.hung_up(&mut w);
        agent.hung_up(&mut w);
        assert_eq!(w.agent("1001"), if rung { "wrap_up" } else { "signed_out" });
        w.quiet();

        let (mut w, mut agent, line, mut customer, _) = with_colleague(config);
        w.press(line, "*21002#");
        rings(&mut w, 12).answer(&mut w);
        w.run(1_000);
        w.silent(line);
        agent.hung_up(&mut w);
        assert_eq!(w.agent("1001"), if rung { "wrap_up" } else { "signed_out" });
        assert_eq!(w.agent("1002"), "talking", "with the customer, who is not dropped");
        customer.bye(&mut w);
        hung_up(&mut w, 12);
        w.quiet();
    }
}

#[test]
fn a_line_cut_while_it_hears_whose_call_it_is_leaves_the_caller_in_its_place() {
    let mut config = sign_in_centre();
    config.single_phone.cut_line = CutLine::BeRung;
    let (mut w, mut agent, _) = on_line(config);
    let (mut customer, leg) = customer(&mut w, "123451");
    assert!(!w.bridged());
    agent.bye(&mut w);
    assert!(w.hears_wait_tone(leg));
    customer.bye(&mut w);
    assert!(!w.was_sent(CARRIER, "INVITE"), "in wrap-up, for it had answered");
    w.quiet();
}

#[test]
fn keys_between_calls_change_states() {
    let (mut w, mut agent, line) = on_line(sign_in_centre());
    for (keys, state) in
        [("*8", "busy chosen"), ("*7", "idle"), ("*9", "rest"), ("*7", "idle"), ("*1", "idle")]
    {
        w.press(line, keys);
        assert_eq!(w.agent("1001"), state, "{keys}");
        assert!(w.hears(line).is_some(), "it is told");
        w.run(3_000);
    }
    agent.bye(&mut w);
    w.quiet();
}

#[test]
fn an_agent_who_answers_by_hand_is_asked_on_the_line_too() {
    let mut config = sign_in_centre();
    Arc::make_mut(&mut config.routing).agents[0].answer_mode = AnswerMode::Manual;
    let (mut w, mut agent, line) = on_line(config);
    let (mut customer, leg) = customer(&mut w, "123451");
    w.run(5_000);
    assert_eq!(w.agent("1001"), "offered");
    assert!(w.hears_wait_tone(leg));
    w.press(line, "1");
    w.run(3_000);
    assert!(w.bridged());
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

#[test]
fn the_api_signs_an_agent_out_and_its_line_ends() {
    use hotline_engine::input::{AgentVerb, Request};
    let (mut w, mut agent, _, mut customer, _) = talks(sign_in_centre());
    let verb = AgentVerb::SignOut;
    w.ask(Request::AgentVerb { employee_id: "1001".into(), verb }).unwrap();
    assert_eq!(w.agent("1001"), "talking", "when the call has ended");
    customer.bye(&mut w);
    w.run(3_000);
    agent.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "signed_out");
    w.quiet();
}

#[test]
fn a_second_sign_in_takes_the_line_over_unless_a_call_runs() {
    let (mut w, mut first, _) = on_line(sign_in_centre());
    let (mut second, leg) = calls_in(&mut w, "15557002");
    w.press(leg, &format!("1001#{PIN}#"));
    compared(&mut w, true);
    w.press(leg, "1");
    w.run(5_000);
    first.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "idle");
    let (mut customer, _) = customer(&mut w, "123451");
    w.run(5_000);
    assert!(w.bridged());
    let (mut third, leg) = calls_in(&mut w, "15557003");
    w.press(leg, &format!("1001#{PIN}#"));
    compared(&mut w, true);
    w.press(leg, "1");
    w.run(60_000);
    third.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "talking", "untouched");
    customer.bye(&mut w);
    second.bye(&mut w);
    w.quiet();
}

/// 1001 on the line talks to a customer, 1002 has a phone.
pub fn with_colleague(config: TenantConfig) -> (World, Caller, LegRef, Caller, LegRef) {
    let (mut w, agent, line, customer, leg) = talks(config);
    w.register(12, "1002");
    (w, agent, line, customer, leg)
}

#[test]
fn consult_and_return() {
    let (mut w, mut agent, line, mut customer, leg) = with_colleague(sign_in_centre());
    w.press(line, "*21002#");
    assert!(w.hears_wait_tone(leg), "the customer is held");
    let mut ring = rings(&mut w, 12);
    ring.answer(&mut w);
    w.run(1_000);
    assert_eq!(w.agent("1002"), "talking");
    w.press(line, "*5");
    hung_up(&mut w, 12);
    assert!(!w.hears_wait_tone(leg));
    assert_eq!(w.agent("1001"), "talking");
    w.press(line, "*6");
    customer.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "wrap_up");
    agent.bye(&mut w);
    w.quiet();
    let records = w.records();
    assert_eq!(records.len(), 3, "the customer's, the consultation, the line");
    let transfers: Vec<_> = records.iter().flat_map(|record| &record.transfers).collect();
    assert_eq!(transfers.len(), 1);
    assert_eq!(transfers[0].to, "agent \"1002\"");
    assert_eq!(transfers[0].outcome.as_deref(), Some("returned"));
}

#[test]
fn consult_and_transfer() {
    for hangs_up in [false, true] {
        let (mut w, mut agent, line, mut customer, leg) = with_colleague(sign_in_centre());
        w.press(line, "*21002#");
        let mut ring = rings(&mut w, 12);
        ring.answer(&mut w);
        w.run(1_000);
        match hangs_up {
            true => agent.bye(&mut w),
            false => w.press(line, "*3"),
        }
        assert!(!w.hears_wait_tone(leg), "{hangs_up}");
        let state = if hangs_up { "signed_out" } else { "wrap_up" };
        assert_eq!(w.agent("1001"), state);
        assert_eq!(w.agent("1002"), "talking");
        w.run(5_000);
        customer.bye(&mut w);
        hung_up(&mut w, 12);
        assert_eq!(w.agent("1002"), "idle", "an inner call: no wrap-up");
        if !hangs_up {
            agent.bye(&mut w);
        }
        w.quiet();
        assert_eq!(w.records().len(), 3);
    }
}

#[test]
fn conference_and_leave() {
    let (mut w, mut agent, line, mut customer, leg) = with_colleague(sign_in_centre());
    w.press(line, "*21002#");
    let mut ring = rings(&mut w, 12);
    ring.answer(&mut w);
    w.run(1_000);
    w.press(line, "*4");
    let joined = w.commands.iter().any(
        |command| matches!(command, Command::Conference { legs } if legs.len() == 3 && legs[0] == leg),
    );
    assert!(joined);
    w.run(3_000);
    w.press(line, "*3");
    assert_eq!(w.agent("1001"), "wrap_up");
    customer.bye(&mut w);
    hung_up(&mut w, 12);
    agent.bye(&mut w);
    w.quiet();
}

#[test]
fn the_customer_hangs_up_while_its_agent_consults() {
    for answered in [false, true] {
        let (mut w, mut agent, line, mut customer, _) = with_colleague(sign_in_centre());
        w.press(line, "*21002#");
        let mut ring = rings(&mut w, 12);
        if answered {
            ring.answer(&mut w);
            w.run(1_000);
        }
        customer.bye(&mut w);
        if !answered {
            ring.answer(&mut w);
            w.run(1_000);
        }
        w.run(10_000);
        assert_eq!(w.agent("1001"), "talking", "the consultation goes on");
        ring.bye(&mut w);
        assert_eq!(w.agent("1001"), "wrap_up", "from the end of its own call");
        w.run(4_000);
        assert_eq!(w.agent("1001"), "wrap_up", "and for as long as the queue says");
        w.run(1_000);
        assert_eq!(w.agent("1001"), "idle");
        let verb = hotline_engine::input::AgentVerb::SignOut;
        let request =
            hotline_engine::input::Request::AgentVerb { employee_id: "1002".into(), verb };
        w.ask(request).unwrap();
        let (mut next, _) = self::customer(&mut w, "123451");
        w.run(5_000);
        assert!(w.bridged(), "the line is there for the next customer");
        next.bye(&mut w);
        agent.bye(&mut w);
        w.quiet();
    }
}

#[test]
fn the_consulted_party_is_busy_or_hangs_up() {
    let (mut w, mut agent, line, mut customer, leg) = with_colleague(sign_in_centre());
    w.press(line, "*21002#");
    let ring = rings(&mut w, 12);
    ring.respond(&mut w, 486);
    w.take(12, "ACK");
    w.run(5_000);
    assert!(!w.hears_wait_tone(leg), "back with the customer");
    w.run(10_000);
    w.press(line, "*21002#");
    let mut ring = rings(&mut w, 12);
    ring.answer(&mut w);
    w.run(1_000);
    ring.bye(&mut w);
    assert!(!w.hears_wait_tone(leg));
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

#[test]
fn a_blind_transfer_goes_to_an_idle_agent_a_queue_or_an_outside_number_if_the_trunk_may_call_it() {
    let (mut w, mut agent, line, mut customer, leg) = with_colleague(sign_in_centre());
    w.press(line, "*31002#");
    let mut ring = rings(&mut w, 12);
    assert_eq!(w.agent("1001"), "wrap_up");
    ring.answer(&mut w);
    w.run(1_000);
    assert_eq!(w.agent("1002"), "talking");
    customer.bye(&mut w);
    hung_up(&mut w, 12);
    agent.bye(&mut w);
    w.quiet();
    let _ = leg;

    // A queue, by access and extension code.
    let (mut w, mut agent, line, mut customer, leg) = talks(sign_in_centre());
    w.press(line, "*3123452#");
    assert!(w.hears_wait_tone(leg));
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
    let record = w.records().into_iter().find(|record| record.queues.len() == 2).unwrap();
    assert_eq!(record.queues[1].queue, "read");
    assert_eq!(record.transfers[0].to, "skill_queue \"read\"");

    // Outside numbers: only those that the trunk may call.
    let (mut w, mut agent, line, mut customer, _) = talks(sign_in_centre());
    w.press(line, "*315558888#");
    assert!(!w.was_sent(CARRIER, "INVITE"));
    assert_eq!(w.agent("1001"), "talking");
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();

    let mut config = sign_in_centre();
    config.trunks[0].outside_prefixes = vec!["+1555".into()];
    let (mut w, mut agent, line, mut customer, _) = talks(config);
    w.press(line, "*315558888#");
    let mut ring = rings(&mut w, CARRIER);
    ring.respond(&mut w, 180);
    assert_eq!(w.agent("1001"), "wrap_up");
    ring.answer(&mut w);
    w.run(1_000);
    customer.bye(&mut w);
    hung_up(&mut w, CARRIER);
    agent.bye(&mut w);
    w.quiet();
}
