//! The ends of calls that nobody asked for, and what is left of them.

use crate::in_dialog::talking;
use crate::peers::*;
use crate::world::*;
use hotline_engine::Input;
use hotline_engine::input::Request;
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_media::command::Event as MediaEvent;
use hotline_sip::header::HeaderName;

#[test]
fn a_cancel_ends_a_call_that_waits_for_its_answer() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 183);
    let ring = rings(&mut w, 11);
    w.run(1_500);
    caller.cancel(&mut w);
    ring.cancelled(&mut w);
    let record = w.record();
    assert_eq!((record.reason, record.sip_status), (Some(ReleaseReason::Abandoned), Some(487)));
    assert_eq!(record.waiting_ms, 1_500);
}

#[test]
fn a_call_longer_than_its_limit_is_released_with_cause_102() {
    let mut config = centre();
    config.limits.call_s_max = 10;
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(4_000);
    rings(&mut w, 11).answer(&mut w);
    w.run(9_999);
    assert!(!w.was_sent(CARRIER, "BYE"));
    w.run(1);
    for peer in [CARRIER, 11] {
        let bye = hung_up(&mut w, peer);
        assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=102"));
    }
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::CallTooLong));
    assert_eq!((record.talk_ms, record.released_by), (10_000, Some(ReleasedBy::System)));
}

#[test]
fn rtp_that_fails_for_the_limit_releases_the_call_unless_it_is_held() {
    for silent in [0, 1] {
        let (mut w, _, mut ring) = talking();
        let leg = w.legs()[silent];
        ring.reinvite(&mut w, Some(sdp(11, "inactive")));
        w.take(11, "200 INVITE");
        ring.ack(&mut w, None);
        let agent = w.legs()[1];
        w.handle(Input::Media(MediaEvent::Silent { leg: agent, for_s: 60 }));
        assert!(w.bridged(), "the side that holds may be silent");
        ring.reinvite(&mut w, Some(sdp(11, "sendrecv")));
        w.take(11, "200 INVITE");
        ring.ack(&mut w, None);
        w.handle(Input::Media(MediaEvent::Silent { leg, for_s: 60 }));
        for peer in [CARRIER, 11] {
            let bye = hung_up(&mut w, peer);
            assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=41"));
        }
        assert_eq!(w.record().reason, Some(ReleaseReason::MediaSilent));
    }
}

#[test]
fn silence_before_the_200_means_nothing() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 183);
    let leg = w.legs()[0];
    w.handle(Input::Media(MediaEvent::Silent { leg, for_s: 60 }));
    rings(&mut w, 11).answer(&mut w);
    caller.answered(&mut w);
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn a_200_that_is_never_acknowledged_ends_in_bye() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.expect(&mut w, 200);
    rings(&mut w, 11).answer(&mut w);
    w.run(31_999);
    assert!(!w.was_sent(CARRIER, "BYE"));
    w.run(1_000);
    caller.hung_up(&mut w);
    hung_up(&mut w, 11);
    let record = w.record();
    assert_eq!((record.reason, record.q850), (Some(ReleaseReason::NoAck), 102));
}

#[test]
fn bye_waits_for_the_ack_of_our_200() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.expect(&mut w, 200);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    ring.bye(&mut w);
    assert!(!w.was_sent(CARRIER, "BYE"), "RFC 3261 §15: not before the ACK");
    w.run(1_000);
    caller.ack(&mut w, None);
    caller.hung_up(&mut w);
    w.quiet();
}

#[test]
fn an_administrator_releases_a_call_in_any_state() {
    for stage in ["queued", "offered", "connected"] {
        let mut w = World::new(centre());
        w.register(11, "1001");
        if stage == "queued" {
            let mut other = call(&mut w, "123451");
            other.answered(&mut w);
            let mut ring = rings(&mut w, 11);
            ring.answer(&mut w);
        }
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        if stage == "connected" {
            rings(&mut w, 11).answer(&mut w);
        }
        let Ok(hotline_engine::input::Reply::Calls(calls)) = w.ask(Request::Calls) else {
            panic!("no calls")
        };
        let view = calls.last().unwrap();
        assert_eq!(view.state, stage);
        w.ask(Request::Release { call: view.call }).unwrap();
        let bye = caller.hung_up(&mut w);
        assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=31"));
        match stage {
            "offered" => rings(&mut w, 11).cancelled(&mut w),
            "connected" => drop(hung_up(&mut w, 11)),
            _ => w.handle(Input::ReleaseAll),
        }
        w.quiet();
        let reasons: Vec<_> = w.records().iter().filter_map(|record| record.reason).collect();
        let ours = reasons.iter().filter(|reason| **reason == ReleaseReason::Administrator);
        assert_eq!(ours.count(), 1, "{reasons:?}");
    }
}

#[test]
fn everything_is_released_at_once_when_the_server_stops() {
    let (mut w, mut caller, _) = talking();
    let mut waiting = call(&mut w, "123453");
    waiting.expect(&mut w, 183);
    w.media_worker_dies();
    w.handle(Input::ReleaseAll);
    assert_eq!(w.records().len(), 2, "the records do not wait");
    caller.hung_up(&mut w);
    hung_up(&mut w, 11);
    let failed = waiting.expect(&mut w, 503);
    assert!(!header(&failed, HeaderName::RetryAfter).is_empty());
    waiting.ack_failure(&mut w);
    w.quiet();
}

#[test]
fn a_record_waits_for_the_media_workers_but_not_for_ever() {
    let (mut w, mut caller, _) = talking();
    w.media_worker_dies();
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    assert_eq!(w.records().len(), 0);
    assert!(w.journal().contains(&"Checkpoint Released".to_owned()), "the end is already known");
    w.run(200);
    let records = w.records();
    assert_eq!((records.len(), records[0].caller_media), (1, None));
    w.quiet();
}

#[test]
fn a_carrier_that_vanishes_is_cleaned_up() {
    let (mut w, _, mut ring) = talking();
    ring.bye(&mut w);
    // Nobody answers our BYE.
    w.quiet();
    assert_eq!(w.records().len(), 1);
}

#[test]
fn a_caller_whose_connection_closes_before_its_answer_is_gone() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let dial = Dial { number: "123453", flow: Some(tcp(CARRIER, 9)), ..Dial::default() };
    let mut caller = dial.go(&mut w);
    caller.expect(&mut w, 183);
    let ring = rings(&mut w, 11);
    w.handle(Input::FlowClosed { connection: hotline_sip::ConnectionId(9) });
    ring.cancelled(&mut w);
    assert_eq!(w.record().reason, Some(ReleaseReason::Abandoned));
}

#[test]
fn the_ladder_of_a_call_tells_who_said_what_and_keeps_no_credentials() {
    use hotline_engine::event::EventKind;
    let (mut w, mut caller, _) = talking();
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
    let arrows: Vec<String> = w
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Message { message, .. } => Some(message),
            _ => None,
        })
        .map(|arrow| {
            let way = if arrow.sent { "<" } else { ">" };
            format!("{} {way} {} [{}] {}", arrow.leg, arrow.start_line, arrow.cseq, arrow.note)
        })
        .collect();
    let starts = |at: usize, text: &str| {
        assert!(arrows[at].starts_with(text), "{at}: {}\nexpected {text}", arrows[at]);
    };
    starts(0, "0 > INVITE sip:123451@demo.example [1 INVITE] 198.51.100.1:4000 PCMA PCMU");
    starts(1, "0 < 100 Trying [1 INVITE]");
    starts(2, "0 < 200 OK [1 INVITE] 192.0.2.10:");
    starts(3, "1 < INVITE sip:1001@198.51.100.11:5060 [1 INVITE] 192.0.2.10:");
    starts(4, "0 > ACK");
    starts(5, "1 > 200 OK [1 INVITE] 198.51.100.11:4000");
    starts(6, "1 < ACK");
    starts(7, "0 > BYE");
    starts(8, "0 < 200 OK [2 BYE]");
    starts(9, "1 < BYE sip:phone@198.51.100.11:5060 [2 BYE] Q.850;cause=16");
}

#[test]
fn a_trunk_whose_connection_closed_is_hung_up_over_a_new_one() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = Dial { flow: Some(tcp(CARRIER, 9)), ..Dial::default() }.go(&mut w);
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    w.handle(Input::FlowClosed { connection: hotline_sip::ConnectionId(9) });
    assert!(w.bridged(), "a call in progress goes on");
    ring.bye(&mut w);
    let (flow, _) = w.take_on(CARRIER, "BYE");
    assert_eq!((flow.connection, flow.remote), (None, address(CARRIER)));
    w.quiet();
}

#[test]
fn requests_to_a_phone_go_where_its_binding_is_now() {
    let mut w = World::new(centre());
    w.register_on(tcp(11, 5), "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    // The phone connects anew and registers over the new connection.
    w.register_on(tcp(11, 6), "1001");
    caller.bye(&mut w);
    let (flow, _) = w.take_on(11, "BYE");
    assert_eq!(flow.connection, Some(hotline_sip::ConnectionId(6)));
    w.quiet();
}

#[test]
fn requests_to_a_trunk_go_to_its_contact() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    // It sends from one port and listens on another.
    let mut flow = udp(CARRIER);
    flow.remote.set_port(40_000);
    let contact = Some("198.51.100.1:5080");
    let mut caller = Dial { flow: Some(flow), contact, ..Dial::default() }.go(&mut w);
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    ring.bye(&mut w);
    let (flow, bye) = w.take_on(CARRIER, "BYE");
    assert_eq!(flow.remote.port(), 5080);
    assert_eq!(bye.request_uri_bytes(), b"sip:caller@198.51.100.1:5080");
    w.quiet();
}
