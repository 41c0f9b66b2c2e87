//! How a server ends: SIGTERM drains, a second one stops at once; every call has its record and
//! every port is free afterwards.

use hotline_tests::phone::{Call, SOON};
use hotline_tests::{Net, Phone, Server, Setup, s, until};
use std::net::{TcpListener, UdpSocket};

/// A server with a call in progress.
fn talking(drain_s: u32) -> (Server, Phone, Phone, Call, Call) {
    let mut setup = Setup::usual();
    setup.drain_s = drain_s;
    let server = Server::start(setup);
    let mut agent =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let mut call = caller.invite("123451", caller.local);
    caller.answered(&mut call);
    let ringing = agent.ringing(SOON);
    agent.answer(&ringing, agent.local);
    server.api().until_agent_is("1001", "talking");
    (server, caller, agent, call, ringing)
}

fn ports_are_free(net: &Net) {
    let ip = net.server();
    for port in [5060, 20_000, 20_001, 20_002, 21_999] {
        UdpSocket::bind((ip, port)).unwrap_or_else(|error| panic!("udp {ip}:{port}: {error}"));
    }
    for port in [5060, 8080] {
        TcpListener::bind((ip, port)).unwrap_or_else(|error| panic!("tcp {ip}:{port}: {error}"));
    }
}

#[test]
fn sigterm_drains_new_calls_are_refused_and_the_call_goes_on() {
    let (mut server, mut caller, mut agent, mut call, ringing) = talking(60);
    let api = server.api();
    server.process().signal("TERM");
    until("not ready while draining", s(5), || {
        api.text("/readyz").is_some_and(|(status, _)| status == 503)
    });
    let mut other = Phone::udp(server.net.carrier(1), server.sip(), "4001");
    let refused = other.invite("123451", other.local);
    let refused = other.refused(&refused, SOON);
    assert_eq!(refused.status(), Some(503), "{refused:#?}");
    assert!(refused.header("Retry-After").parse::<u32>().is_ok_and(|s| s > 0), "{refused:#?}");

    // The call is as it was, and ends as any call.
    assert!(server.is_running());
    assert_eq!(api.calls().len(), 1);
    assert_eq!(caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
    assert_eq!(server.process().wait(s(10)).code(), Some(0));
    ports_are_free(&server.net);

    server.restart();
    let record = server.api().only_record();
    assert_eq!(record["reason"], "normal_clearing", "{record:#}");
    assert_eq!(record["released_by"], "caller", "{record:#}");
}

#[test]
fn a_second_sigterm_releases_every_call_and_stops_at_once() {
    let (mut server, mut caller, mut agent, call, ringing) = talking(60);
    let mut waiting = Phone::udp(server.net.carrier(1), server.sip(), "4001");
    let mut waits = waiting.invite("123451", waiting.local);
    waiting.answered(&mut waits);
    let api = server.api();
    server.process().signal("TERM");
    until("draining", s(5), || api.text("/readyz").is_some_and(|(status, _)| status == 503));
    server.process().signal("TERM");
    for (phone, call) in [(&mut caller, &call), (&mut agent, &ringing), (&mut waiting, &waits)] {
        phone.hung_up(call, s(3));
    }
    assert_eq!(server.process().wait(s(5)).code(), Some(0));
    ports_are_free(&server.net);

    server.restart();
    let records = server.api().records();
    assert_eq!(records.len(), 2, "{records:#?}");
    assert!(records.iter().all(|record| record["reason"] == "shutdown"), "{records:#?}");
    // The agent's phone is still registered, so it is there for the next call.
    server.api().until_agent_is("1001", "idle");
}

#[test]
fn calls_that_outlast_the_drain_are_released_at_its_end() {
    let (mut server, mut caller, mut agent, call, ringing) = talking(1);
    server.process().signal("TERM");
    caller.hung_up(&call, s(4));
    agent.hung_up(&ringing, s(4));
    assert_eq!(server.process().wait(s(5)).code(), Some(0));
    server.restart();
    assert_eq!(server.api().only_record()["reason"], "shutdown");
}

#[test]
fn a_server_without_calls_stops_at_the_first_sigterm() {
    let mut server = Server::usual();
    assert_eq!(server.stop(), 0);
    ports_are_free(&server.net);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}
