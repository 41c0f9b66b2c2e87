//! Server transactions as ladders in virtual time.

use super::*;

#[test]
fn trying_is_sent_if_the_user_is_slow_and_retransmissions_get_the_last_response() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.peer("INVITE", "1", "");
    lab.until(500);
    lab.peer("INVITE", "1", "");
    lab.respond(180);
    lab.peer("INVITE", "1", "");
    lab.check(&[
        "0 request INVITE",
        "200 → 100 INVITE",
        "500 → 100 INVITE",
        "500 → 180 INVITE",
        "500 → 180 INVITE",
    ]);
    let mut eager = Lab::with(Transport::Udp, |c| c.timers.trying_after = Default::default());
    eager.peer("INVITE", "1", "");
    eager.check(&["0 → 100 INVITE", "0 request INVITE"]);
    let mut quick = Lab::new(Transport::Udp);
    quick.peer("INVITE", "1", "");
    quick.respond(180);
    quick.until(1_000);
    quick.check(&["0 request INVITE", "0 → 180 INVITE"]);
}

#[test]
fn a_2xx_is_sent_again_until_its_ack_also_over_tcp() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut lab = Lab::new(transport);
        lab.peer("INVITE", "1", "");
        lab.respond(200);
        lab.until(2_000);
        lab.peer("INVITE", "1", "");
        lab.peer("ACK", "2", "ours");
        lab.peer("ACK", "2", "ours");
        lab.quiet();
        lab.check(&[
            "0 request INVITE",
            "0 → 200 INVITE",
            "500 → 200 INVITE",
            "1500 → 200 INVITE",
            "2000 acknowledged",
            "32000 server gone",
        ]);
    }
}

#[test]
fn a_2xx_without_ack_is_reported() {
    let mut lab = Lab::new(Transport::Tcp);
    lab.peer("INVITE", "1", "");
    lab.respond(200);
    lab.quiet();
    let sent = lab.log.iter().filter(|line| line.contains("→ 200")).count();
    assert_eq!(sent, 11);
    assert_eq!(lab.log[lab.log.len() - 2..], ["32000 no ACK", "32000 server gone"]);
}

#[test]
fn a_failure_is_sent_again_until_its_ack_and_acks_are_absorbed() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.respond(486);
    lab.until(600);
    lab.peer("INVITE", "1", "");
    lab.peer("ACK", "1", "ours");
    lab.peer("ACK", "1", "ours");
    lab.quiet();
    lab.check(&[
        "0 request INVITE",
        "0 → 486 INVITE",
        "500 → 486 INVITE",
        "600 → 486 INVITE",
        "5600 server gone",
    ]);
    let mut tcp = Lab::new(Transport::Tcp);
    tcp.peer("INVITE", "1", "");
    tcp.respond(486);
    tcp.until(600);
    tcp.peer("ACK", "1", "ours");
    tcp.quiet();
    tcp.check(&["0 request INVITE", "0 → 486 INVITE", "600 server gone"]);
}

#[test]
fn a_failure_without_ack_ends_with_timer_h() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.respond(486);
    lab.quiet();
    let sent = lab.log.iter().filter(|line| line.contains("→ 486")).count();
    assert_eq!(sent, 11);
    assert_eq!(lab.log[lab.log.len() - 2..], ["32000 no ACK", "32000 server gone"]);
}

#[test]
fn an_rfc_2543_peer_is_matched_without_a_branch() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "-", "");
    lab.peer("INVITE", "-", "");
    lab.respond(486);
    lab.peer_with("ACK", "-", "other", "1 ACK", "call");
    lab.peer_with("ACK", "-", "ours", "1 ACK", "call");
    lab.quiet();
    lab.check(&["0 request INVITE", "0 → 486 INVITE", "0 stray ACK", "5000 server gone"]);
    lab.peer_with("INVITE", "-", "", "2 INVITE", "call");
    lab.peer_with("CANCEL", "-", "", "2 CANCEL", "call");
    lab.respond(487);
    assert!(lab.log.iter().any(|line| line.ends_with("→ 200 CANCEL")));
    assert!(lab.log.iter().any(|line| line.ends_with("cancelled")));
    lab.quiet();
}

#[test]
fn a_cancel_is_answered_and_told_once() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.respond(180);
    lab.peer("CANCEL", "1", "");
    lab.peer("CANCEL", "1", "");
    lab.respond(487);
    lab.peer("ACK", "1", "ours");
    lab.check(&[
        "0 request INVITE",
        "0 → 180 INVITE",
        "0 → 200 CANCEL",
        "0 cancelled",
        "0 → 200 CANCEL",
        "0 → 487 INVITE",
    ]);
    lab.quiet();
}

#[test]
fn a_cancel_too_late_or_of_nothing() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.respond(200);
    lab.peer("ACK", "2", "ours");
    lab.peer("CANCEL", "1", "");
    lab.peer("CANCEL", "9", "");
    lab.check(&[
        "0 request INVITE",
        "0 → 200 INVITE",
        "0 acknowledged",
        "0 → 200 CANCEL",
        "0 → 481 CANCEL",
    ]);
    lab.quiet();
}

#[test]
fn other_requests_reach_the_user_once_and_linger() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("OPTIONS", "1", "");
    lab.peer("OPTIONS", "1", "");
    lab.respond(200);
    lab.until(31_000);
    lab.peer("OPTIONS", "1", "");
    lab.quiet();
    lab.check(&[
        "0 request OPTIONS",
        "0 → 200 OPTIONS",
        "31000 → 200 OPTIONS",
        "32000 server gone",
    ]);
    let mut tcp = Lab::new(Transport::Tcp);
    tcp.peer("OPTIONS", "1", "");
    tcp.respond(200);
    tcp.quiet();
    tcp.check(&["0 request OPTIONS", "0 → 200 OPTIONS", "0 server gone"]);
}

#[test]
fn the_same_request_by_two_ways_is_merged() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.peer("INVITE", "2", "");
    lab.peer("INVITE", "3", "in-dialog");
    lab.check(&["0 request INVITE", "0 → 482 INVITE", "0 request INVITE"]);
    assert_eq!(lab.endpoint.dropped().merged, 1);
}

/// A proxy tried a second way to us after the first was refused, as serial forking does, and was
/// told 482: the failed request stood in the way until its transaction was over.
#[test]
fn a_request_that_failed_may_come_again_by_another_way() {
    let mut lab = Lab::new(Transport::Udp);
    lab.peer("INVITE", "1", "");
    lab.respond(503);
    lab.peer("INVITE", "2", "");
    lab.check(&["0 request INVITE", "0 → 503 INVITE", "0 request INVITE"]);
    assert_eq!(lab.endpoint.dropped().merged, 0);
}

#[test]
fn peers_are_told_while_transactions_hang_on_them() {
    let mut lab = Lab::with(Transport::Tcp, |config| config.tells_peers = true);
    let peer = crate::Peer::Connection(crate::ConnectionId(1));
    lab.peer("OPTIONS", "1", "");
    assert_eq!(lab.endpoint.poll_peer(), Some((peer, true)));
    assert_eq!(lab.endpoint.poll_peer(), None);
    lab.respond(200);
    lab.quiet();
    assert_eq!(lab.endpoint.poll_peer(), Some((peer, false)));
    assert_eq!(lab.endpoint.poll_peer(), None);
    // Whoever does not ask is told nothing, and nothing heaps up.
    let mut lab = Lab::new(Transport::Tcp);
    lab.peer("OPTIONS", "1", "");
    assert_eq!(lab.endpoint.poll_peer(), None);
}

#[test]
fn a_full_table_refuses_new_requests_but_keeps_room_for_dialogs() {
    let mut lab = Lab::with(Transport::Udp, |config| config.server_transactions_max = 8);
    for number in 0..10 {
        let branch = format!("n{number}");
        lab.peer_with("OPTIONS", &branch, "", "1 OPTIONS", &branch);
    }
    lab.peer_with("BYE", "bye", "ours", "2 BYE", "n1");
    lab.peer_with("BYE", "bye2", "ours", "3 BYE", "n1");
    let count = |what: &str| lab.log.iter().filter(|line| line.ends_with(what)).count();
    assert_eq!((count("request OPTIONS"), count("→ 503 OPTIONS")), (8, 2));
    assert_eq!((count("request BYE"), count("→ 503 BYE")), (1, 1));
    assert_eq!(lab.endpoint.dropped().overload, 3);
}

#[test]
fn answers_go_where_the_request_came_from() {
    for (via, port) in [
        ("SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bK1", 5062),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1", 5070),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", 5060),
    ] {
        let mut lab = Lab::new(Transport::Udp);
        let text = format!(
            "BOGUS sip:us SIP/2.0\r\nVia: {via}\r\nFrom: <sip:p@h>;tag=p\r\nTo: <sip:us@h>\r\n\
             Call-ID: c\r\nCSeq: 1 BOGUS\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(Bytes::from(text)).unwrap();
        lab.endpoint.refuse(lab.flow, &message, 405, None);
        lab.endpoint.refuse(lab.flow, &message, 405, None);
        let (flow, bytes) = lab.endpoint.poll_transmit().unwrap();
        assert_eq!((flow.remote.ip(), flow.remote.port()), (lab.flow.remote.ip(), port));
        let written = Message::parse(bytes.clone()).unwrap();
        assert_eq!(written.top_via().unwrap().received(), Some(lab.flow.remote.ip()));
        assert_eq!(lab.endpoint.poll_transmit().unwrap().1, bytes, "the same tag again");
    }
}

#[test]
fn a_closed_connection_ends_what_lingers_on_it() {
    let mut lab = Lab::new(Transport::Tcp);
    lab.peer("INVITE", "1", "");
    lab.respond(486);
    lab.endpoint.transport_failed(lab.now, lab.flow);
    lab.drain();
    lab.check(&["0 request INVITE", "0 → 486 INVITE", "0 server failed"]);
    lab.peer_with("INVITE", "2", "", "2 INVITE", "call");
    lab.endpoint.transport_failed(lab.now, lab.flow);
    lab.drain();
    lab.respond(200);
    lab.quiet();
    assert!(lab.log.iter().any(|line| line.ends_with("no ACK")), "the user still answers");
}

#[test]
fn hops_and_loops() {
    let request = |max: &str, via: &str| {
        let text = format!(
            "OPTIONS sip:us SIP/2.0\r\n{via}Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{max}\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    };
    type Lab = Endpoint<()>;
    assert_eq!(Lab::hops_left(&request("", "")), Ok(69));
    assert_eq!(Lab::hops_left(&request("Max-Forwards: 1\r\n", "")), Ok(0));
    assert_eq!(Lab::hops_left(&request("Max-Forwards: 0\r\n", "")), Err(483));
    assert_eq!(Lab::hops_left(&request("Max-Forwards: x\r\n", "")), Err(400));
    let branch = MARK.mint_branch(&mut Rng::from_number(1));
    let ours = format!("Via: SIP/2.0/UDP 192.0.2.9;branch={branch}\r\n");
    assert_eq!(Lab::own_vias(&request("", &ours)), 1);
    assert_eq!(Lab::own_vias(&request("", "")), 0);
}

#[test]
fn what_cannot_be_acted_upon_is_refused_without_a_transaction() {
    let good = "OPTIONS sip:us SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bK1\r\n\
                From: <sip:p@h>;tag=p\r\nTo: <sip:us@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
                Content-Length: 0\r\n\r\n";
    for (text, expected) in [
        (good.to_owned(), "0 request OPTIONS"),
        (good.replace("1 OPTIONS", "1 INVITE"), "0 → 400 INVITE"),
        (good.replace("To: <sip:us@h>", "To: <sip:us@h"), "0 → 400 OPTIONS"),
        (good.replace("OPTIONS", "ACK").replace("1 ACK", "1 INVITE"), ""),
        (good.replace("SIP/2.0/UDP h", "nonsense"), ""),
        (good.replace("To: <sip:us@h>\r\n", ""), ""),
    ] {
        let mut lab = Lab::new(Transport::Udp);
        let message = Message::parse(Bytes::from(text.clone())).unwrap();
        lab.endpoint.receive(lab.now, lab.flow, message);
        lab.drain();
        let expected: Vec<_> = (!expected.is_empty()).then_some(expected).into_iter().collect();
        assert_eq!(lab.log, expected, "{text}");
        let begun = usize::from(lab.log.iter().any(|line| line.contains("request")));
        assert_eq!(lab.endpoint.counts().servers, begun, "{text}");
        assert_eq!(lab.endpoint.dropped().unreadable, 1 - begun as u64, "{text}");
    }
}
