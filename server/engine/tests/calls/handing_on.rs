//! Customers handed on by single-phone agents: how long each part of the call counts, and what is
//! open.

use crate::lines::*;
use crate::peers::*;
use hotline_ivr::schedule::{WorkingTime, Written};
use std::sync::Arc;

/// An agent who sees that the next call needs no wrap-up pressed the key in the call, heard that
/// it is not possible, and had to press it again when the customer was gone; an agent who is rung
/// had no line to press it on by then.
#[test]
fn the_wrap_up_key_in_a_call_means_none_after_it() {
    let (mut w, mut agent, line) = on_line(sign_in_centre());
    for key in [false, true] {
        let mut customer = call(&mut w, "123451");
        customer.answered(&mut w);
        w.run(5_000);
        assert_eq!(w.agent("1001"), "talking");
        if key {
            w.press(line, "*0");
            assert_eq!(w.agent("1001"), "talking");
        }
        customer.bye(&mut w);
        assert_eq!(w.agent("1001"), if key { "idle" } else { "wrap_up" });
        w.run(60_000);
    }
    // Once only.
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    w.run(5_000);
    customer.bye(&mut w);
    assert_eq!(w.agent("1001"), "wrap_up");
    agent.bye(&mut w);
    w.quiet();
}

/// After a blind transfer into a queue the talk went on in the record for as long as the caller
/// waited there, and the second wait was not counted at all.
#[test]
fn waiting_after_a_transfer_is_waiting_and_not_talk() {
    let (mut w, mut agent, line) = on_line(sign_in_centre());
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    w.run(1_000);
    assert_eq!(w.agent("1001"), "talking");
    w.run(9_000);
    w.press(line, "*3123452#");
    assert_eq!(w.agent("1001"), "wrap_up");
    w.press(line, "*8");
    w.run(30_000);
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
    let record = w.records().into_iter().find(|record| record.queues.len() == 2).unwrap();
    assert_eq!(record.waiting_ms, 30_000);
    assert!((8_000..=10_000).contains(&record.talk_ms), "{}", record.talk_ms);
}

/// Wrap-up of the customer's queue ran while the agent still talked to whom it had consulted; what
/// it asked for meanwhile was taken at once, and a call could come as soon as it hung up.
#[test]
fn an_agent_whose_customer_has_gone_while_it_consults_talks_until_its_own_call_ends() {
    for key in ["", "*0", "*8", "**"] {
        let (mut w, mut agent, line, mut customer, _) = with_colleague(sign_in_centre());
        w.press(line, "*21002#");
        let mut ring = rings(&mut w, 12);
        ring.answer(&mut w);
        customer.bye(&mut w);
        w.press(line, key);
        w.run(60_000);
        assert_eq!(w.agent("1001"), "talking", "{key}");
        let states = w.states("1001");
        ring.bye(&mut w);
        let after = match key {
            "*0" => "idle",
            "*8" => "busy chosen",
            "**" => "signed_out",
            _ => "wrap_up",
        };
        assert_eq!(w.agent("1001"), after, "{key}");
        assert_eq!(w.states("1001").len(), states.len() + 1, "{:?}", w.states("1001"));
        w.run(10_000);
        match key {
            "**" => _ = agent.hung_up(&mut w),
            _ => agent.bye(&mut w),
        }
        w.quiet();
    }
}

/// A customer who was handed on and left before anybody answered: the record said nothing of how
/// the transfer had ended.
#[test]
fn a_transfer_that_the_customer_does_not_wait_for_is_abandoned() {
    for keys in ["*31002#", "*3123452#", "*21002#"] {
        let (mut w, mut agent, line, mut customer, _) = with_colleague(sign_in_centre());
        w.press(line, keys);
        w.run(2_000);
        customer.bye(&mut w);
        if w.was_sent(12, "INVITE") {
            let ring = rings(&mut w, 12);
            if keys.starts_with("*2") {
                w.press(line, "*5");
            }
            ring.cancelled(&mut w);
        }
        agent.bye(&mut w);
        w.quiet();
        let record = w.records().into_iter().find(|record| !record.transfers.is_empty()).unwrap();
        assert_eq!(record.transfers[0].outcome.as_deref(), Some("abandoned"), "{keys}");
    }
}

/// The same when the queue or the agent does not take it: it has failed.
#[test]
fn a_transfer_that_nobody_takes_has_failed() {
    let (mut w, mut agent, line, mut customer, _) = with_colleague(sign_in_centre());
    w.press(line, "*31002#");
    let ring = rings(&mut w, 12);
    ring.respond(&mut w, 486);
    w.take(12, "ACK");
    w.run(5_000);
    customer.hung_up(&mut w);
    agent.bye(&mut w);
    w.quiet();
    let record = w.records().into_iter().find(|record| !record.transfers.is_empty()).unwrap();
    assert_eq!(record.transfers[0].outcome.as_deref(), Some("failed"));
}

/// A number that an agent typed led where it leads in working time, at any time: customers were
/// handed to queues that were closed.
#[test]
fn a_number_outside_its_working_time_cannot_be_handed_to() {
    let mut config = sign_in_centre();
    let never = WorkingTime::new(Written { name: "never".into(), ..Written::default() }).unwrap();
    config.working_times = Arc::new([("never".to_owned(), never)].into());
    let routing = Arc::make_mut(&mut config.routing);
    routing.working_times = vec!["never".into()];
    let route =
        routing.called_routes.iter_mut().find(|route| route.extension_code.as_deref() == Some("2"));
    route.unwrap().working_time = Some("never".into());
    let (mut w, mut agent, line) = on_line(config);
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    w.run(5_000);
    w.press(line, "*3123452#");
    assert_eq!(w.agent("1001"), "talking", "not possible");
    w.run(5_000);
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
    assert!(w.records().iter().all(|record| record.transfers.is_empty()));
}
