//! From the access code through the queue to the agent and back.

use crate::peers::*;
use crate::world::*;
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_media::command::{Codec, Command, Direction, PlayItem};
use hotline_sip::header::HeaderName;

#[test]
fn a_customer_dials_waits_talks_and_hangs_up() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.ladder.clear();
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    assert!(w.hears_wait_tone(w.legs()[0]), "within the step that queued the call");
    let mut ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    w.run(3_000);
    assert_eq!(w.agent("1001"), "offered");
    ring.answer(&mut w);
    assert!(w.bridged());
    assert_eq!(w.agent("1001"), "talking");
    w.run(60_000);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    assert_eq!(w.agent("1001"), "wrap_up");
    assert_eq!(
        w.ladder,
        [
            "1 > INVITE",
            "1 < 100 INVITE",
            "1 < 200 INVITE",
            "11 < INVITE",
            "1 > ACK",
            "11 > 180 INVITE",
            "11 > 200 INVITE",
            "11 < ACK",
            "1 > BYE",
            "1 < 200 BYE",
            "11 < BYE",
            "11 > 200 BYE",
        ]
    );
    assert_eq!(
        w.journal(),
        [
            "CallArrived",
            "Checkpoint Admitted",
            "Queued support 1",
            "Checkpoint Queued",
            "Offered 1001",
            "Checkpoint Offered",
            "OfferEnded 1001 answered",
            "Answered 1001",
            "Checkpoint Answered",
            "Connected",
            "Checkpoint Bridged",
            "Checkpoint Released",
            "Released",
        ]
    );
    let record = w.record();
    assert_eq!(record.trunk.as_deref(), Some("carrier-a"));
    assert_eq!((record.dialled.as_str(), record.calling.expose().as_str()), ("123451", "15550001"));
    assert_eq!(record.access_code.as_deref(), Some("12345"));
    assert_eq!(record.extension_code.as_deref(), Some("1"));
    assert_eq!(record.route.as_deref(), Some("skill_queue \"support\""));
    assert_eq!(record.agent.as_deref(), Some("1001"));
    assert_eq!((record.waiting_ms, record.talk_ms, record.q850), (3_000, 60_000, 16));
    assert_eq!(record.released_by, Some(ReleasedBy::Caller));
    assert_eq!(record.reason, Some(ReleaseReason::NormalClearing));
    assert_eq!(record.sip_status, Some(200), "the caller was answered");
    assert_eq!(record.queues.len(), 1);
    assert_eq!(record.queues[0].outcome.as_deref(), Some("answered"));
    assert_eq!(record.offers[0].outcome.as_deref(), Some("answered"));
    assert!(record.caller_media.is_some() && record.agent_media.is_some());
    assert_eq!(w.agent("1001"), "idle", "wrap-up is over");
}

#[test]
fn the_offer_shows_who_calls_and_begins_with_the_callers_codec() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let offer = sdp_with(CARRIER, "sendrecv", "0 8 101", "");
    let mut caller = Dial { sdp: Some(offer), ..Dial::default() }.go(&mut w);
    let ok = caller.answered(&mut w);
    assert!(body(&ok).contains("RTP/AVP 0 101\r\n"), "{}", body(&ok));
    let ring = rings(&mut w, 11);
    let from = header(&ring.invite, HeaderName::From);
    assert!(from.starts_with("\"support 15550001\" <sip:15550001@demo.example>;tag="), "{from}");
    assert!(body(&ring.invite).contains("RTP/AVP 0 8 101\r\n"));
    assert_eq!(header(&ring.invite, HeaderName::AnswerMode), "Auto");
    assert_eq!(header(&ring.invite, HeaderName::CallInfo), "<>;answer-after=0");
    assert_eq!(header(&ring.invite, HeaderName::AlertInfo), "info=alert-autoanswer");
    caller.bye(&mut w);
    ring.cancelled(&mut w);

    let headers = [(HeaderName::Privacy, "id")];
    w.register(12, "1002");
    let mut caller = Dial { headers: &headers, ..Dial::default() }.go(&mut w);
    caller.answered(&mut w);
    w.run(6_000);
    let peer = if w.was_sent(11, "INVITE") { 11 } else { 12 };
    let ring = rings(&mut w, peer);
    let from = header(&ring.invite, HeaderName::From);
    assert!(from.starts_with("\"support Anonymous\" <sip:anonymous@anonymous.invalid>"), "{from}");
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    w.quiet();
}

#[test]
fn the_employee_id_is_read_to_the_caller_while_the_agent_hears_a_tone() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123452");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    let (first, second) = (w.legs()[0], w.legs()[1]);
    let assets = |items: Option<Vec<PlayItem>>| {
        items.unwrap().iter().filter(|item| matches!(item, PlayItem::Asset(_))).count()
    };
    assert_eq!(assets(w.hears(first)), 5, "employee-id and four digits");
    assert_eq!(assets(w.hears(second)), 1);
    assert!(!w.bridged());
    // Five prompts of 400 ms and four pauses of 80 ms.
    w.run(2_319);
    assert!(!w.bridged());
    w.run(1);
    assert!(w.bridged());
    w.run(10_000);
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    let record = w.record();
    assert_eq!(record.talk_ms, 10_000);
    assert_eq!(record.released_by, Some(ReleasedBy::Agent));
    let between = record.connected.unwrap().as_ms() - record.answered.unwrap().as_ms();
    assert_eq!(
        between, 2_320,
        "answered is the agent's 200, connected comes after the announcement"
    );
}

#[test]
fn prompts_that_are_missing_are_left_out_and_named_once() {
    let mut config = centre();
    config.prompts.clear();
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123452");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    assert!(w.bridged(), "there is nothing to wait for");
    assert_eq!(w.notices, ["prompt en/employee_id is missing; it was left out"]);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn with_answer_supervision_the_caller_hears_the_tone_early_and_is_answered_by_the_agent() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123453");
    let early = caller.expect(&mut w, 183);
    assert!(body(&early).contains("m=audio"));
    assert!(w.hears_wait_tone(w.legs()[0]));
    let mut ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    w.run(10_000);
    ring.answer(&mut w);
    let ok = caller.answered(&mut w);
    assert_eq!(body(&ok), body(&early), "the answer stays the same");
    let directions: Vec<_> = w.directions(w.legs()[0]);
    assert_eq!(
        directions,
        [Direction::SendOnly, Direction::SendRecv],
        "silence counts from the 200"
    );
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    let record = w.record();
    assert_eq!(record.waiting_ms, 10_000);
}

#[test]
fn a_provisional_response_comes_at_least_every_minute() {
    let mut config = centre();
    let mut routing = (*config.routing).clone();
    routing.queues[0].max_waiting_time_s = 300;
    config.routing = routing.into();
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    let mut caller = call(&mut w, "123453");
    for _ in 0..4 {
        caller.expect(&mut w, 183);
        w.run(60_000);
    }
    caller.cancel(&mut w);
    w.run(60_000);
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn without_early_media_the_caller_is_told_that_it_rings() {
    let mut config = centre();
    config.trunks[0].early_media = false;
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123453");
    let ringing = caller.expect(&mut w, 180);
    assert!(body(&ringing).is_empty());
    assert_eq!(w.hears(w.legs()[0]), None);
    rings(&mut w, 11).answer(&mut w);
    caller.answered(&mut w);
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn an_invite_without_sdp_gets_our_offer_and_answers_it_in_its_ack() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = Dial { sdp: None, ..Dial::default() }.go(&mut w);
    let ok = caller.expect(&mut w, 200);
    assert!(body(&ok).contains("RTP/AVP 8 0 101"), "{}", body(&ok));
    let leg = w.legs()[0];
    assert_eq!(w.hears(leg), None, "nobody to play to yet");
    caller.ack(&mut w, Some(sdp_with(CARRIER, "sendrecv", "0 101", "")));
    assert!(w.hears_wait_tone(leg));
    let codec = w.commands.iter().find_map(|command| match command {
        Command::SetRemote { stream, .. } => Some(stream.codec),
        _ => None,
    });
    assert_eq!(codec, Some(Codec::Pcmu));
    rings(&mut w, 11).answer(&mut w);
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn an_ack_without_the_answer_we_need_ends_the_call() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = Dial { sdp: None, ..Dial::default() }.go(&mut w);
    caller.expect(&mut w, 200);
    let ring = rings(&mut w, 11);
    caller.ack(&mut w, None);
    caller.hung_up(&mut w);
    ring.cancelled(&mut w);
    assert_eq!(w.record().reason, Some(ReleaseReason::ProtocolError));
}

#[test]
fn callers_are_served_in_the_order_of_their_arrival() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    let mut second = Dial { from: "222", ..Dial::default() }.go(&mut w);
    second.answered(&mut w);
    let mut third = Dial { from: "333", ..Dial::default() }.go(&mut w);
    third.answered(&mut w);
    assert_eq!(w.counts().waiting, 2);
    ring.bye(&mut w);
    first.hung_up(&mut w);
    w.run(4_999);
    assert!(!w.was_sent(11, "INVITE"), "wrap-up lasts 5 s");
    w.run(1);
    let mut ring = rings(&mut w, 11);
    assert!(header(&ring.invite, HeaderName::From).contains("222"));
    ring.answer(&mut w);
    ring.bye(&mut w);
    second.hung_up(&mut w);
    w.run(5_000);
    let ring = rings(&mut w, 11);
    assert!(header(&ring.invite, HeaderName::From).contains("333"));
    third.bye(&mut w);
    ring.cancelled(&mut w);
    w.quiet();
}
