//! What can happen while an agent's phone rings.

use crate::peers::*;
use crate::world::*;
use hotline_engine::Input;
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_sip::Method;
use hotline_sip::header::HeaderName;

/// A caller in the queue whom one registered agent is offered.
fn offered() -> (World, Caller, Ring) {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    (w, caller, ring)
}

#[test]
fn an_agent_who_does_not_answer_is_passed_over_and_the_caller_keeps_its_place() {
    let (mut w, mut caller, ring) = offered();
    w.register(12, "1002");
    ring.respond(&mut w, 180);
    w.run(19_999);
    assert!(!w.was_sent(11, "CANCEL"));
    w.run(1);
    ring.cancelled(&mut w);
    assert_eq!(w.agent("1001"), "idle");
    let mut ring = rings(&mut w, 12);
    assert!(w.hears_wait_tone(w.legs()[0]), "the caller heard nothing of it");
    ring.answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    let record = w.record();
    let outcomes: Vec<_> =
        record.offers.iter().map(|offer| (&*offer.agent, offer.outcome.as_deref())).collect();
    assert_eq!(outcomes, [("1001", Some("no_answer")), ("1002", Some("answered"))]);
    assert_eq!(record.queues.len(), 1, "it never left the queue");
    assert_eq!(record.agent.as_deref(), Some("1002"));
}

#[test]
fn how_a_phone_refuses_says_what_becomes_of_its_agent() {
    for (status, rang, agent, outcome) in [
        (486, false, "idle", "rejected"),
        (603, true, "idle", "rejected"),
        (600, true, "idle", "rejected"),
        (302, false, "idle", "rejected"),
        (480, false, "busy phone_unavailable", "phone_unavailable"),
        (503, true, "busy phone_unavailable", "phone_unavailable"),
        // Many a phone that is switched to "do not disturb" rings for a moment first.
        (480, true, "busy phone_unavailable", "phone_unavailable"),
        (408, true, "offered", "no_answer"),
        (401, false, "busy phone_unavailable", "phone_unavailable"),
    ] {
        let (mut w, mut caller, ring) = offered();
        if rang {
            ring.respond(&mut w, 180);
        }
        ring.respond(&mut w, status);
        w.take(11, "ACK");
        let case = format!("{status} rang={rang}");
        // After "no answer" the only agent there is is offered the caller again.
        assert_eq!(w.agent("1001"), agent, "{case}");
        assert!(w.hears_wait_tone(w.legs()[0]), "{case}");
        caller.bye(&mut w);
        if w.was_sent(11, "INVITE") {
            rings(&mut w, 11).cancelled(&mut w);
        }
        let record = w.record();
        assert_eq!(record.offers[0].outcome.as_deref(), Some(outcome), "{case}");
        assert_eq!(record.reason, Some(ReleaseReason::Abandoned), "{case}");
    }
}

#[test]
fn a_phone_that_never_speaks_makes_its_agent_unavailable() {
    let mut config = centre();
    let mut routing = (*config.routing).clone();
    routing.queues[0].offer_time_s = 60;
    config.routing = routing.into();
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    // Timer B: 32 s without any response.
    w.run(33_000);
    assert_eq!(w.agent("1001"), "busy phone_unavailable");
    caller.bye(&mut w);
    w.quiet();
}

#[test]
fn the_caller_hangs_up_while_it_rings() {
    let (mut w, mut caller, ring) = offered();
    ring.respond(&mut w, 180);
    w.run(2_000);
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    assert_eq!(w.agent("1001"), "idle", "without counting");
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::Abandoned));
    assert_eq!(record.released_by, Some(ReleasedBy::Caller));
    assert_eq!(record.queues[0].outcome.as_deref(), Some("abandoned"));
    assert_eq!(record.offers[0].outcome.as_deref(), Some("withdrawn"));
    assert_eq!(record.waiting_ms, 2_000);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let (mut w, mut caller, ring) = offered();
    caller.bye(&mut w);
    assert!(!w.was_sent(11, "CANCEL"), "RFC 3261 §9.1");
    ring.respond(&mut w, 180);
    ring.cancelled(&mut w);
    w.quiet();
}

#[test]
fn a_200_that_crosses_our_cancel_is_acknowledged_and_hung_up() {
    // The caller left.
    let (mut w, mut caller, mut ring) = offered();
    ring.respond(&mut w, 180);
    caller.bye(&mut w);
    ring.cancel_answered(&mut w);
    ring.ok(&mut w, &sdp(11, "sendrecv"));
    ring.acknowledged(&mut w);
    let bye = hung_up(&mut w, 11);
    assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=16"));
    assert_eq!(w.agent("1001"), "idle");
    let record = w.record();
    assert_eq!(record.agent, None);
    assert_eq!(record.reason, Some(ReleaseReason::Abandoned));

    // The offer timed out, and another agent is rung.
    let (mut w, mut caller, mut ring) = offered();
    w.register(12, "1002");
    ring.respond(&mut w, 180);
    w.run(20_000);
    ring.cancel_answered(&mut w);
    ring.ok(&mut w, &sdp(11, "sendrecv"));
    ring.acknowledged(&mut w);
    hung_up(&mut w, 11);
    let mut second = rings(&mut w, 12);
    second.answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    let record = w.record();
    assert_eq!(record.agent.as_deref(), Some("1002"));
    assert_eq!(record.offers.len(), 2);
}

#[test]
fn all_contacts_ring_and_the_first_to_answer_has_the_call() {
    for first in [11, 21] {
        let second = if first == 11 { 21 } else { 11 };
        let mut w = World::new(centre());
        w.register(11, "1001");
        w.register(21, "1001");
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        let mut winner = rings(&mut w, first);
        let mut loser = rings(&mut w, second);
        let call_id = |ring: &Ring| header(&ring.invite, HeaderName::CallId);
        assert_eq!(call_id(&winner), call_id(&loser), "one forked offer");
        winner.respond(&mut w, 180);
        loser.respond(&mut w, 180);
        winner.answer(&mut w);
        assert!(w.bridged());
        // Its 200 crosses our CANCEL: exactly one agent has the call.
        loser.cancel_answered(&mut w);
        loser.ok(&mut w, &sdp(second, "sendrecv"));
        loser.acknowledged(&mut w);
        let bye = hung_up(&mut w, second);
        assert!(header(&bye, HeaderName::Reason).starts_with("SIP;cause=200"));
        assert!(w.bridged());
        assert_eq!(w.agent("1001"), "talking");
        caller.bye(&mut w);
        hung_up(&mut w, first);
        let record = w.record();
        assert_eq!((record.offers.len(), record.agent.as_deref()), (1, Some("1001")));
    }
}

#[test]
fn a_second_200_of_another_fork_behind_one_contact_is_hung_up() {
    let (mut w, mut caller, mut ring) = offered();
    ring.answer(&mut w);
    let mut fork = Ring::of(ring.peer, ring.flow, ring.invite.clone());
    fork.tag = "fork".into();
    fork.ok(&mut w, &sdp(11, "sendrecv"));
    fork.acknowledged(&mut w);
    let bye = hung_up(&mut w, 11);
    assert!(header(&bye, HeaderName::To).ends_with("tag=fork"));
    assert!(w.bridged());
    caller.bye(&mut w);
    let bye = hung_up(&mut w, 11);
    assert!(header(&bye, HeaderName::To).ends_with(&ring.tag));
    w.quiet();
}

#[test]
fn a_retransmitted_200_is_acknowledged_again() {
    let (mut w, mut caller, mut ring) = offered();
    ring.answer(&mut w);
    ring.ok(&mut w, &sdp(11, "sendrecv"));
    ring.acknowledged(&mut w);
    assert!(!w.was_sent(11, "BYE"));
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn of_several_contacts_one_may_fail_and_the_best_failure_counts() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(21, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let (desk, mobile) = (rings(&mut w, 11), rings(&mut w, 21));
    mobile.respond(&mut w, 503);
    w.take(21, "ACK");
    assert_eq!(w.agent("1001"), "offered", "the other still rings");
    desk.respond(&mut w, 486);
    w.take(11, "ACK");
    assert_eq!(w.agent("1001"), "idle");
    caller.bye(&mut w);
    assert_eq!(w.record().offers[0].outcome.as_deref(), Some("rejected"));
}

#[test]
fn one_contact_declines_for_all() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(21, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let (desk, mobile) = (rings(&mut w, 11), rings(&mut w, 21));
    desk.respond(&mut w, 180);
    mobile.respond(&mut w, 603);
    w.take(21, "ACK");
    desk.cancelled(&mut w);
    caller.bye(&mut w);
    assert_eq!(w.record().offers[0].outcome.as_deref(), Some("rejected"));
}

#[test]
fn a_registration_lost_while_ringing_ends_the_offer() {
    let (mut w, mut caller, ring) = offered();
    ring.respond(&mut w, 180);
    w.register_for(udp(11), "1001", 0);
    ring.cancelled(&mut w);
    assert_eq!(w.agent("1001"), "signed_out");
    // Nobody is left: the no-agents policy takes the caller.
    w.run(1_000);
    caller.hung_up(&mut w);
    let record = w.record();
    assert_eq!(record.offers[0].outcome.as_deref(), Some("phone_unavailable"));
    assert_eq!(record.reason, Some(ReleaseReason::NoAgents));
}

#[test]
fn a_phone_whose_connection_closes_while_ringing_is_unavailable() {
    let mut w = World::new(centre());
    w.register(12, "1002");
    w.register_on(tcp(11, 5), "1001");
    // 1002 has been idle longer: it takes the first call.
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    rings(&mut w, 12).answer(&mut w);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    w.handle(Input::FlowClosed { connection: hotline_sip::ConnectionId(5) });
    assert_eq!(w.agent("1001"), "signed_out");
    assert!(w.hears_wait_tone(w.legs()[2]) || w.hears_wait_tone(w.legs()[1]));
    caller.bye(&mut w);
    first.bye(&mut w);
    hung_up(&mut w, 12);
    w.quiet();
}

#[test]
fn a_phone_whose_answer_fits_not_our_offer_is_hung_up() {
    let (mut w, mut caller, mut ring) = offered();
    ring.ok(&mut w, &sdp_with(11, "sendrecv", "18", ""));
    ring.acknowledged(&mut w);
    let bye = hung_up(&mut w, 11);
    assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=65"));
    assert_eq!(w.agent("1001"), "busy phone_unavailable");
    caller.bye(&mut w);
    w.quiet();
}

#[test]
fn an_agent_gone_before_connected_leaves_the_caller_its_place() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(12, "1002");
    let mut caller = call(&mut w, "123452");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    w.run(500);
    ring.bye(&mut w);
    assert!(!w.bridged());
    let mut second = rings(&mut w, 12);
    assert!(w.hears_wait_tone(w.legs()[0]));
    second.answer(&mut w);
    w.run(3_000);
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    let record = w.record();
    let outcomes: Vec<_> = record.offers.iter().map(|offer| offer.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("gone"), Some("answered")]);
    assert_eq!(record.agent.as_deref(), Some("1002"));
    assert_eq!(record.waiting_ms, 500, "until the answer that counted");
}

#[test]
fn the_caller_hangs_up_during_the_announcement() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123452");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    w.run(500);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::NormalClearing), "an agent had answered");
    assert_eq!((record.connected, record.talk_ms), (None, 0));
}

#[test]
fn an_agent_who_dials_while_offered_is_taken_off_the_offer() {
    let (mut w, mut caller, ring) = offered();
    ring.respond(&mut w, 180);
    let dial = Dial { number: "1002", from: "1001", peer: 11, ..Dial::default() };
    let mut inner = dial.go_authenticated(&mut w);
    ring.cancelled(&mut w);
    // The other phone is not registered: the dialled call fails, and the caller is offered again.
    let failed = inner.expect(&mut w, 480);
    assert!(header(&failed, HeaderName::Reason).starts_with("Q.850;cause=20"));
    inner.ack_failure(&mut w);
    assert_eq!(w.agent("1001"), "offered");
    let again = rings(&mut w, 11);
    caller.bye(&mut w);
    again.cancelled(&mut w);
    w.quiet();
    let outcomes = |record: &hotline_engine::CallRecord| {
        record.offers.iter().filter_map(|offer| offer.outcome.clone()).collect::<Vec<_>>()
    };
    assert!(w.records().iter().any(|record| outcomes(record) == ["withdrawn", "withdrawn"]));
}

#[test]
fn a_phone_that_vanishes_after_answering_is_cleaned_up() {
    let (mut w, mut caller, mut ring) = offered();
    ring.answer(&mut w);
    caller.bye(&mut w);
    // Nobody answers our BYE: Timer F ends it.
    assert!(w.was_sent(11, "BYE"));
    w.quiet();
    let _ = ring.next(Method::Bye);
}
