//! Client transactions as ladders in virtual time.

use super::*;

#[test]
fn an_invite_nobody_answers_is_sent_seven_times_and_times_out() {
    let mut lab = Lab::new(Transport::Udp);
    lab.request(Method::Invite);
    lab.quiet();
    lab.check(&[
        "0 → INVITE",
        "500 → INVITE",
        "1500 → INVITE",
        "3500 → INVITE",
        "7500 → INVITE",
        "15500 → INVITE",
        "31500 → INVITE",
        "32000 timeout",
        "32000 client gone",
    ]);
}

#[test]
fn over_tcp_nothing_is_sent_again() {
    let mut lab = Lab::new(Transport::Tcp);
    lab.request(Method::Invite);
    lab.quiet();
    lab.check(&["0 → INVITE", "32000 timeout", "32000 client gone"]);
    lab.request(Method::Options);
    lab.answer(Method::Options, 200, "b");
    lab.quiet();
    lab.check(&["600000 → OPTIONS", "600000 response 200", "600000 client gone"]);
}

#[test]
fn a_provisional_response_stops_both_timers_of_an_invite() {
    let mut lab = Lab::new(Transport::Udp);
    lab.request(Method::Invite);
    lab.until(600);
    lab.answer(Method::Invite, 180, "b");
    lab.until(500_000);
    lab.check(&["0 → INVITE", "500 → INVITE", "600 response 180"]);
    lab.answer(Method::Invite, 486, "b");
    lab.answer(Method::Invite, 486, "b");
    lab.quiet();
    lab.check(&["500000 → ACK", "500000 response 486", "500000 → ACK", "532000 client gone"]);
}

#[test]
fn the_ack_of_a_failure_is_the_invites_own() {
    let mut lab = Lab::new(Transport::Udp);
    lab.request(Method::Invite);
    lab.answer(Method::Invite, 404, "b");
    let (invite, ack) = (&lab.sent[0], &lab.sent[1]);
    assert_eq!(ack.header(HeaderName::Via), invite.header(HeaderName::Via));
    assert_eq!(ack.to().unwrap().tag().unwrap(), "b");
    assert_eq!(ack.request_uri_bytes(), invite.request_uri_bytes());
    assert_eq!(ack.cseq().unwrap().number, 1);
    let branch = invite.top_via().unwrap().branch().unwrap();
    assert_eq!(Mark::of_branch(std::str::from_utf8(&branch).unwrap()), Some(MARK));
}

#[test]
fn two_forks_answer_and_a_lost_ack_is_sent_again_by_the_endpoint() {
    let mut lab = Lab::new(Transport::Udp);
    let client = lab.request(Method::Invite);
    lab.answer(Method::Invite, 180, "b");
    lab.answer(Method::Invite, 200, "b");
    lab.answer(Method::Invite, 200, "b");
    lab.check(&["0 → INVITE", "0 response 180", "0 response 200"]);
    lab.ack(client, "b");
    lab.until(500);
    lab.answer(Method::Invite, 200, "b");
    lab.answer(Method::Invite, 200, "c");
    lab.ack(client, "c");
    lab.answer(Method::Invite, 200, "c");
    lab.answer(Method::Invite, 486, "d");
    lab.check(&["0 → ACK", "500 → ACK", "500 response 200", "500 → ACK", "500 → ACK"]);
    lab.quiet();
    lab.check(&["32000 client gone"]);
    assert_eq!(lab.sent[1].as_bytes(), lab.sent[2].as_bytes(), "the same ACK, byte for byte");
}

#[test]
fn a_cancel_waits_for_the_provisional_response() {
    let mut lab = Lab::new(Transport::Udp);
    let client = lab.request(Method::Invite);
    lab.endpoint.cancel(lab.now, client, None);
    lab.until(100);
    lab.check(&["0 → INVITE"]);
    lab.answer(Method::Invite, 100, "");
    lab.check(&["100 → CANCEL", "100 response 100"]);
    let (invite, cancel) = (&lab.sent[0], &lab.sent[1]);
    assert_eq!(cancel.header(HeaderName::Via), invite.header(HeaderName::Via));
    lab.until(700);
    lab.answer(Method::Cancel, 200, "b");
    lab.answer(Method::Invite, 487, "b");
    lab.quiet();
    lab.check(&[
        "600 → CANCEL",
        "700 CANCEL answered 200",
        "700 → ACK",
        "700 response 487",
        "32700 client gone",
    ]);
}

#[test]
fn a_200_that_crosses_the_cancel_is_delivered() {
    let mut lab = Lab::new(Transport::Tcp);
    let client = lab.request(Method::Invite);
    lab.answer(Method::Invite, 180, "b");
    lab.endpoint.cancel(lab.now, client, None);
    lab.drain();
    lab.answer(Method::Invite, 200, "b");
    lab.ack(client, "b");
    lab.answer(Method::Cancel, 481, "b");
    lab.endpoint.cancel(lab.now, client, None);
    lab.quiet();
    lab.check(&[
        "0 → INVITE",
        "0 response 180",
        "0 → CANCEL",
        "0 response 200",
        "0 → ACK",
        "0 CANCEL answered 481",
        "32000 client gone",
    ]);
}

#[test]
fn a_cancelled_invite_without_final_response_ends() {
    let mut lab = Lab::new(Transport::Tcp);
    let client = lab.request(Method::Invite);
    lab.answer(Method::Invite, 180, "b");
    lab.until(10_000);
    lab.endpoint.cancel(lab.now, client, None);
    lab.drain();
    lab.quiet();
    lab.check(&[
        "0 → INVITE",
        "0 response 180",
        "10000 → CANCEL",
        "42000 timeout",
        "42000 client gone",
    ]);
}

#[test]
fn other_requests_are_sent_again_up_to_t2() {
    let mut lab = Lab::new(Transport::Udp);
    lab.request(Method::Bye);
    lab.until(4_000);
    lab.answer(Method::Bye, 100, "b");
    lab.until(12_000);
    lab.answer(Method::Bye, 200, "b");
    lab.answer(Method::Bye, 200, "b");
    lab.quiet();
    lab.check(&[
        "0 → BYE",
        "500 → BYE",
        "1500 → BYE",
        "3500 → BYE",
        "4000 response 100",
        "7500 → BYE",
        "11500 → BYE",
        "12000 response 200",
        "17000 client gone",
    ]);
    lab.request(Method::Bye);
    lab.quiet();
    let sent = lab.log.iter().filter(|line| line.contains("BYE")).count();
    assert_eq!(sent, 11, "RFC 3261 §17.1.2.1");
    assert!(lab.log.iter().any(|line| line.ends_with("timeout")));
}

#[test]
fn a_failed_flow_ends_what_waits_on_it() {
    let mut lab = Lab::new(Transport::Udp);
    lab.request(Method::Invite);
    lab.request(Method::Options);
    lab.answer(Method::Options, 200, "b");
    let elsewhere = Flow::udp(lab.flow.local, "203.0.113.7:5060".parse().unwrap());
    lab.endpoint.transport_failed(lab.now, elsewhere);
    lab.drain();
    lab.check(&["0 → INVITE", "0 → OPTIONS", "0 response 200"]);
    lab.endpoint.transport_failed(lab.now, lab.flow);
    lab.quiet();
    lab.check(&["0 transport error", "0 client gone", "0 client gone"]);
}

#[test]
fn a_connection_that_never_came_up_fails_its_request() {
    let mut lab = Lab::new(Transport::Tcp);
    let connected = lab.flow.connection.take();
    lab.request(Method::Invite);
    lab.flow.connection = connected;
    lab.endpoint.transport_failed(lab.now, lab.flow);
    lab.quiet();
    lab.check(&["0 → INVITE", "0 transport error", "0 client gone"]);
}

#[test]
fn stray_responses_are_dropped_and_counted() {
    let mut lab = Lab::new(Transport::Udp);
    lab.request(Method::Options);
    let wrong_method = "CSeq: 1 BYE";
    let request = lab.sent[0].clone();
    let good = ResponseBuilder::new(&request, 200).to_tag("b").finish().unwrap();
    let good = String::from_utf8(good.to_vec()).unwrap();
    let via = format!("Via: SIP/2.0/UDP 192.0.2.9:5060;branch={}", "z9hG4bKforeign");
    for bad in [
        good.replace("CSeq: 1 OPTIONS", wrong_method),
        good.replace("From:", &format!("{via}\r\nFrom:")),
        good.replace("z9hG4bKh", "z9hG4bKx"),
    ] {
        lab.endpoint.receive(lab.now, lab.flow, Message::parse(Bytes::from(bad)).unwrap());
        lab.drain();
    }
    lab.check(&["0 → OPTIONS"]);
    assert_eq!(lab.endpoint.dropped().stray_responses, 3);
    lab.quiet();
}
