//! Signing in by telephone: who is refused, and which tries count.

use crate::lines::*;
use crate::peers::*;
use crate::world::*;
use hotline_engine::effect::{Effect, EffectDone};
use hotline_engine::{Input, NOBODYS_HASH};

/// Types an ID and the PIN, and says what the comparison came to.
#[track_caller]
fn tries(w: &mut World, leg: hotline_media::command::LegRef, id: &str, fits: bool) {
    w.press(leg, &format!("{id}#{PIN}#"));
    compared(w, fits);
}

/// An agent who held a customer could be signed in from another telephone: only talking and being
/// offered a call stood in the way. Its line was taken over, and the customer on hold hung up.
#[test]
fn an_agent_who_holds_a_customer_is_not_signed_in_elsewhere() {
    let (mut w, mut agent, line) = on_line(sign_in_centre());
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    w.run(5_000);
    w.press(line, "*1");
    assert_eq!(w.agent("1001"), "holding");
    let (mut other, leg) = calls_in(&mut w, "15557002");
    tries(&mut w, leg, "1001", true);
    w.press(leg, "1");
    w.run(60_000);
    other.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "holding", "untouched");
    w.press(line, "*1");
    assert_eq!(w.agent("1001"), "talking", "and the customer is still there");
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

/// With all threads busy, or one lost, a comparison fails without having run; five of them locked
/// an agent out who had always typed the right PIN.
#[test]
fn a_comparison_that_never_ran_is_no_try() {
    for late in [false, true] {
        let mut w = World::new(sign_in_centre());
        for _ in 0..6 {
            let (mut agent, leg) = calls_in(&mut w, "15557001");
            w.press(leg, &format!("1001#{PIN}#"));
            let (id, effect, _) = w.effects.pop().expect("it is not locked out");
            assert!(matches!(effect, Effect::VerifyPin { .. }));
            match late {
                true => w.run(11_000),
                false => {
                    let done = EffectDone::Failed("too many wait".into());
                    w.handle(Input::EffectDone { id, done });
                    w.run(5_000);
                }
            }
            agent.hung_up(&mut w);
        }
        let (mut agent, leg) = calls_in(&mut w, "15557001");
        tries(&mut w, leg, "1001", true);
        w.press(leg, "1");
        w.run(5_000);
        assert_eq!(w.agent("1001"), "idle");
        agent.bye(&mut w);
        w.quiet();
    }
}

/// All who withhold their number were one number to the lock-out: five wrong PINs of one of them
/// locked out every agent who calls so.
#[test]
fn callers_without_a_number_do_not_lock_each_other_out() {
    let mut w = World::new(sign_in_centre());
    let (mut stranger, leg) = calls_in(&mut w, "anonymous");
    for _ in 0..5 {
        tries(&mut w, leg, "1002", false);
        w.run(3_000);
    }
    stranger.hung_up(&mut w);
    let (mut agent, leg) = calls_in(&mut w, "anonymous");
    tries(&mut w, leg, "1001", true);
    w.press(leg, "1");
    w.run(5_000);
    assert_eq!(w.agent("1001"), "idle");
    agent.bye(&mut w);
    // The employee ID is locked whoever calls.
    let (mut stranger, leg) = calls_in(&mut w, "anonymous");
    w.press(leg, &format!("1002#{PIN}#"));
    assert!(w.effects.is_empty());
    stranger.hung_up(&mut w);
    w.quiet();
}

/// An employee ID nobody has was compared with the first agent's hash. Made elsewhere at a higher
/// cost, it took longer than the others: the time told which IDs exist.
#[test]
fn an_id_nobody_has_is_compared_with_nobodys_hash() {
    let mut w = World::new(sign_in_centre());
    let (mut stranger, leg) = calls_in(&mut w, "15559999");
    w.press(leg, &format!("4711#{PIN}#"));
    assert_eq!(compared(&mut w, true), NOBODYS_HASH);
    w.run(3_000);
    assert_eq!(w.agent("1001"), "signed_out", "and fits nobody");
    stranger.bye(&mut w);
    w.quiet();
}

/// Agent 1001 signs in and hangs up: its calls ring it.
fn chooses_to_be_rung(w: &mut World) {
    let (mut agent, leg) = calls_in(w, "15557001");
    tries(w, leg, "1001", true);
    w.press(leg, "2");
    w.run(5_000);
    agent.hung_up(w);
}

/// 1002 has no number to be rung at: 2 sounded like a wrong PIN, and ended the call.
#[test]
fn an_agent_without_a_number_to_be_rung_at_chooses_again() {
    let mut w = World::new(sign_in_centre());
    let (mut agent, leg) = calls_in(&mut w, "15557002");
    tries(&mut w, leg, "1002", true);
    w.press(leg, "2");
    w.run(1_000);
    assert_eq!(w.agent("1002"), "signed_out");
    assert!(w.legs().contains(&leg), "the call goes on");
    w.press(leg, "1");
    w.run(5_000);
    assert_eq!(w.agent("1002"), "idle");
    agent.bye(&mut w);
    w.quiet();
}

/// An agent who is rung for its calls could change its state in a call alone: to take a break
/// between two it had to wait for the next customer.
#[test]
fn an_agent_who_is_rung_calls_in_and_changes_its_state_by_keys() {
    let mut w = World::new(sign_in_centre());
    chooses_to_be_rung(&mut w);
    for (keys, after) in [
        ("*8", "busy chosen"),
        ("*8*7", "idle"),
        ("*9", "rest"),
        ("", "rest"),
        ("*7", "idle"),
        ("*15*0#", "idle"),
    ] {
        let (mut agent, leg) = calls_in(&mut w, "15557001");
        tries(&mut w, leg, "1001", true);
        assert!(w.hears(leg).is_some(), "{keys}: its state");
        for key in keys.as_bytes().chunks(2) {
            w.press(leg, std::str::from_utf8(key).unwrap());
            assert!(w.hears(leg).is_some(), "{keys}: it is told");
            w.run(4_000);
        }
        agent.bye(&mut w);
        assert_eq!(w.agent("1001"), after, "{keys}");
    }
    // Wrap-up is ended so, and nothing is offered while the telephone is in use.
    let (mut agent, leg) = calls_in(&mut w, "15557001");
    tries(&mut w, leg, "1001", true);
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    assert!(!w.was_sent(CARRIER, "INVITE"));
    w.press(leg, "**");
    assert_eq!(w.agent("1001"), "talking", "signed out when it has hung up");
    w.run(5_000);
    agent.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "signed_out");
    w.run(5_000);
    customer.hung_up(&mut w);
    w.quiet();
}

/// Such an agent may still choose: hold the line from now on.
#[test]
fn an_agent_who_is_rung_calls_in_and_holds_the_line() {
    let mut w = World::new(sign_in_centre());
    chooses_to_be_rung(&mut w);
    let (mut agent, leg) = calls_in(&mut w, "15557001");
    tries(&mut w, leg, "1001", true);
    w.press(leg, "*8");
    w.press(leg, "1");
    assert_eq!(w.agent("1001"), "idle", "whoever signs in wants calls");
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    w.run(5_000);
    assert!(w.bridged() && !w.was_sent(CARRIER, "INVITE"));
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}
