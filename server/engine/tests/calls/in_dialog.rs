//! What peers ask inside a dialog while a call is up.

use crate::peers::*;
use crate::world::*;
use hotline_engine::record::ReleaseReason;
use hotline_media::command::{Command, Direction};
use hotline_sip::Method;
use hotline_sip::header::HeaderName;

/// A caller and an agent who talk.
pub fn talking() -> (World, Caller, Ring) {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    assert!(w.bridged());
    (w, caller, ring)
}

pub fn end(mut w: World, mut caller: Caller) {
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

fn last_direction(w: &World) -> Direction {
    let mut directions = w.commands.iter().filter_map(|command| match command {
        Command::SetRemote { stream, .. } => Some(stream.direction),
        _ => None,
    });
    directions.next_back().unwrap()
}

#[test]
fn every_form_of_hold_is_answered_and_the_other_side_hears_the_tone() {
    let zero = sdp(11, "sendrecv").replace("c=IN IP4 198.51.100.11", "c=IN IP4 0.0.0.0");
    for (hold, answered, held) in [
        (sdp(11, "sendonly"), "a=recvonly", true),
        (sdp(11, "inactive"), "a=inactive", true),
        (zero, "a=recvonly", true),
        (sdp(11, "recvonly"), "a=sendonly", false),
    ] {
        let (mut w, caller, mut ring) = talking();
        let (customer, agent) = (w.legs()[0], w.legs()[1]);
        ring.reinvite(&mut w, Some(hold.clone()));
        let ok = w.take(11, "200 INVITE");
        assert!(body(&ok).contains(answered), "{hold}\n{}", body(&ok));
        assert!(body(&ok).contains(" 2 IN IP4"), "the version has grown: {}", body(&ok));
        ring.ack(&mut w, None);
        assert_eq!(w.hears_wait_tone(customer), held, "{hold}");
        assert_eq!(w.hears(agent), None);
        ring.reinvite(&mut w, Some(sdp(11, "sendrecv")));
        let ok = w.take(11, "200 INVITE");
        assert!(body(&ok).contains("a=sendrecv"));
        ring.ack(&mut w, None);
        assert_eq!(w.hears(customer), None, "back to talk");
        assert_eq!(last_direction(&w), Direction::SendRecv);
        assert!(!w.was_sent(CARRIER, "INVITE"), "the other side is not asked");
        let reinvites = w.journal().iter().filter(|line| *line == "Checkpoint Reinvite").count();
        assert_eq!(reinvites, 2);
        end(w, caller);
    }
}

#[test]
fn a_caller_who_holds_lets_the_agent_hear_the_tone_and_may_hold_before_an_answer() {
    let (mut w, mut caller, _) = talking();
    let agent = w.legs()[1];
    caller.reinvite(&mut w, Some(sdp(CARRIER, "sendonly")));
    caller.answered(&mut w);
    assert!(w.hears_wait_tone(agent));
    end(w, caller);

    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    caller.reinvite(&mut w, Some(sdp(CARRIER, "inactive")));
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    assert!(w.bridged());
    assert!(w.hears_wait_tone(w.legs()[1]), "the agent finds the caller on hold");
    caller.reinvite(&mut w, Some(sdp(CARRIER, "sendrecv")));
    caller.answered(&mut w);
    assert_eq!(w.hears(w.legs()[1]), None);
    end(w, caller);
}

#[test]
fn a_reinvite_without_sdp_gets_our_offer_and_answers_it_in_its_ack() {
    let (mut w, mut caller, _) = talking();
    caller.reinvite(&mut w, None);
    let ok = caller.expect(&mut w, 200);
    assert!(body(&ok).contains("RTP/AVP 8 0 101"));
    // Another offer while ours waits for its answer.
    let update = caller.next(Method::Update).body("application/sdp", sdp(CARRIER, "sendrecv"));
    caller.send(&mut w, update);
    w.take(CARRIER, "491 UPDATE");
    let ack = caller.request(Method::Ack, 2).body("application/sdp", sdp(CARRIER, "sendonly"));
    caller.send(&mut w, ack);
    assert_eq!(last_direction(&w), Direction::RecvOnly);
    assert!(w.hears_wait_tone(w.legs()[1]));
    end(w, caller);
}

#[test]
fn a_codec_we_do_not_speak_is_refused_and_the_call_goes_on() {
    let (mut w, mut caller, _) = talking();
    caller.reinvite(&mut w, Some(sdp_with(CARRIER, "sendrecv", "18", "")));
    let refused = w.take(CARRIER, "488 INVITE");
    assert!(header(&refused, HeaderName::Warning).starts_with("305 "));
    assert!(w.bridged());
    caller.reinvite(&mut w, Some(sdp(CARRIER, "sendrecv")));
    caller.answered(&mut w);
    end(w, caller);
}

#[test]
fn update_info_options_and_what_is_not_served() {
    let (mut w, mut caller, _) = talking();
    let plain = caller.next(Method::Update);
    caller.send(&mut w, plain);
    assert!(body(&w.take(CARRIER, "200 UPDATE")).is_empty());
    let offer = caller.next(Method::Update).body("application/sdp", sdp(CARRIER, "sendonly"));
    caller.send(&mut w, offer);
    assert!(body(&w.take(CARRIER, "200 UPDATE")).contains("a=recvonly"));
    let options = caller.next(Method::Options);
    caller.send(&mut w, options);
    let ok = w.take(CARRIER, "200 OPTIONS");
    assert!(header(&ok, HeaderName::Allow).contains("UPDATE"));
    for (method, answer) in [
        (Method::Refer, "405 REFER"),
        (Method::Prack, "405 PRACK"),
        (Method::Message, "405 MESSAGE"),
        (Method::Other("DANCE".into()), "501 DANCE"),
    ] {
        let request = caller.next(method);
        caller.send(&mut w, request);
        let refused = w.take(CARRIER, answer);
        assert!(header(&refused, HeaderName::Allow).contains("INVITE"));
    }
    end(w, caller);
}

#[test]
fn digits_in_info_are_sent_on_to_the_other_side() {
    let (mut w, mut caller, _) = talking();
    for (kind, text, answer, digits) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "200 INFO", Some("5")),
        ("application/dtmf-relay", "Signal= 11\r\n", "200 INFO", Some("#")),
        ("application/dtmf", "*", "200 INFO", Some("*")),
        ("application/dtmf-relay", "Signal=16\r\n", "200 INFO", None),
        ("application/dtmf-relay", "Duration=160\r\n", "400 INFO", None),
        ("application/dtmf", "five", "400 INFO", None),
        ("text/plain", "5", "415 INFO", None),
    ] {
        w.commands.clear();
        let info = caller.next(Method::Info).body(kind, text);
        caller.send(&mut w, info);
        w.take(CARRIER, answer);
        let agent = w.legs()[1];
        let sent = w.commands.iter().find_map(|command| match command {
            Command::SendDigits { leg, digits } => Some((*leg, digits.clone())),
            _ => None,
        });
        assert_eq!(sent, digits.map(|digits| (agent, digits.to_owned())), "{text}");
    }
    w.legs();
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

/// Extensions that a request required were looked at outside dialogs only; an encoded offer was
/// read as if it were not.
#[test]
fn what_a_request_in_a_dialog_requires_is_understood_or_refused() {
    let (mut w, mut caller, _) = talking();
    let offer = || sdp(CARRIER, "inactive");
    for method in [Method::Invite, Method::Update, Method::Info, Method::Options] {
        let what = format!("420 {method}");
        let request = caller.next(method).header(HeaderName::Require, "timer, 100rel");
        caller.send(&mut w, request);
        let refusal = w.take(CARRIER, &what);
        assert_eq!(header(&refusal, HeaderName::Unsupported), "timer, 100rel");
    }
    for method in [Method::Invite, Method::Update, Method::Info] {
        let what = format!("415 {method}");
        let request = caller.next(method).header(HeaderName::ContentEncoding, "gzip");
        caller.send(&mut w, request.body("application/sdp", offer()));
        let refusal = w.take(CARRIER, &what);
        assert_eq!(header(&refusal, HeaderName::AcceptEncoding), "identity");
    }
    assert!(!w.hears_wait_tone(w.legs()[1]), "nothing has changed");
    // None of them is still under way, and who is gone is gone whatever it requires.
    caller.reinvite(&mut w, Some(sdp(CARRIER, "sendrecv")));
    caller.answered(&mut w);
    let bye = caller.next(Method::Bye).header(HeaderName::Require, "timer");
    caller.send(&mut w, bye);
    w.take(CARRIER, "200 BYE");
    hung_up(&mut w, 11);
    w.quiet();
}

/// An INFO of a package that nobody offered was taken for a key, or for nothing (RFC 6086 §4.2.2).
#[test]
fn an_info_package_that_was_not_offered_is_refused() {
    let (mut w, mut caller, _) = talking();
    let info = caller.next(Method::Info).header(HeaderName::InfoPackage, "conference");
    caller.send(&mut w, info.body("application/dtmf-relay", "Signal=5\r\n"));
    let refusal = w.take(CARRIER, "469 INFO");
    assert_eq!(refusal.count(HeaderName::RecvInfo), 1);
    assert_eq!(header(&refusal, HeaderName::RecvInfo), "", "we take none");
    assert_eq!(w.sent_digits(w.legs()[1]), "");
    end(w, caller);
}

#[test]
fn requests_out_of_order_and_of_unknown_dialogs_are_refused() {
    let (mut w, mut caller, _) = talking();
    let late = caller.request(Method::Info, 1);
    caller.send(&mut w, late);
    w.take(CARRIER, "500 INFO");
    let stranger = caller.next(Method::Bye).to("<sip:123451@demo.example>;tag=nobodys");
    caller.send(&mut w, stranger);
    w.take(CARRIER, "481 BYE");
    let stranger = caller.next(Method::Bye).call_id("another");
    caller.send(&mut w, stranger);
    w.take(CARRIER, "481 BYE");
    assert!(w.bridged());
    end(w, caller);
}

#[test]
fn a_second_invite_before_the_first_is_answered_gets_500_with_retry_after() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 183);
    caller.reinvite(&mut w, Some(sdp(CARRIER, "sendrecv")));
    let refused = w.take(CARRIER, "500 INVITE");
    assert!(!header(&refused, HeaderName::RetryAfter).is_empty());
    let update = caller.next(Method::Update).body("application/sdp", sdp(CARRIER, "sendrecv"));
    caller.send(&mut w, update);
    w.take(CARRIER, "500 UPDATE");
    let ring = rings(&mut w, 11);
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    w.quiet();
}

#[test]
fn a_caller_may_end_an_early_dialog_with_bye() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 183);
    let ring = rings(&mut w, 11);
    caller.bye(&mut w);
    caller.expect(&mut w, 487);
    caller.ack_failure(&mut w);
    ring.cancelled(&mut w);
    let record = w.record();
    assert_eq!((record.reason, record.sip_status), (Some(ReleaseReason::Abandoned), Some(487)));
}

/// The flow of a leg followed any request that named its tag, before anything else of it was
/// looked at: whoever had seen a tag drew the BYE, and with it the dialog, to itself.
#[test]
fn a_request_that_is_not_the_dialogs_does_not_move_its_flow() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = Dial { number: "123451", from: "1002", peer: 12, ..Dial::default() }
        .go_authenticated(&mut w);
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 11);
    ring.answer(&mut w);
    let to = caller.to.clone().unwrap();
    for (call_id, from, cseq) in [
        ("another", caller.from.as_str(), 900),
        (caller.call_id.as_str(), "<sip:1002@h>;tag=another", 900),
        (caller.call_id.as_str(), caller.from.as_str(), 1),
    ] {
        let text = format!(
            "INFO sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}{call_id}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} INFO\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        w.receive(udp(66), hotline_sip::Message::parse(text.into()).unwrap());
        while w.next().is_some() {}
    }
    ring.bye(&mut w);
    w.take(12, "BYE");
}
