//! What becomes of agents when phones, calls and tenants' policies meet.

mod world;

use hotline_engine::input::{Reply, Request};
use hotline_engine::{EventKind, Input};
use hotline_routing::config::LostRegistration;
use hotline_sip::ConnectionId;
use std::sync::Arc;
use std::time::Duration;
use world::{CARRIER, DEMO, SDP, World, directory, settings, status_of, tcp, udp};

const PHONE: &str = "192.0.2.50:5062";

/// A caller over the trunk is offered to 1001, whose phone is on connection 1, and answered.
fn talking(world: &mut World) {
    world.grant(16);
    let contact = "<sip:1001@192.0.2.50:5062;transport=tcp>";
    let registered = world.sign_on(tcp(PHONE, 1), "demo", "1001", contact);
    assert_eq!(status_of(&registered), 200);
    let invite = world.invite("123451", "192.0.2.1", "sip:+1555@198.51.100.7");
    let sent = world.receive(udp(CARRIER), &invite.text());
    let offered = sent.iter().find(|text| text.starts_with("INVITE ")).expect("an offer").clone();
    assert_eq!(world.agent(DEMO, "1001"), "offered offered");
    let lines: Vec<&str> = offered
        .split("\r\n")
        .filter(|line| ["Via", "From", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(name)))
        .collect();
    let to = world::header(&offered, "To").unwrap();
    let answer = format!(
        "SIP/2.0 200 OK\r\n{}\r\nTo: {to};tag=phone\r\nContact: {contact}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        lines.join("\r\n"),
        SDP.len()
    );
    world.receive(tcp(PHONE, 1), &answer);
    assert_eq!(world.agent(DEMO, "1001"), "talking answered");
    world.news();
}

#[test]
fn a_call_goes_on_when_the_registration_is_lost_and_the_policy_acts_after_it() {
    for (policy, after) in [
        (LostRegistration::SignedOut, "signed_out registration_lost"),
        (LostRegistration::Busy, "busy phone_unavailable"),
    ] {
        let mut directory = directory();
        let demo = Arc::make_mut(&mut directory.tenants[0]);
        let mut routing = (*demo.routing).clone();
        routing.settings.lost_registration = policy;
        demo.routing = Arc::new(routing);
        let mut world = World::with(directory, settings());
        talking(&mut world);

        world.feed(Input::FlowClosed { connection: ConnectionId(1) });
        assert_eq!(world.agent(DEMO, "1001"), "talking answered");
        assert_eq!(world.engine.counts().calls, 1, "the call goes on");

        world.feed(Input::ReleaseAll);
        world.pass(Duration::from_secs(120));
        assert_eq!(world.agent(DEMO, "1001"), after);
        let counts = world.engine.counts();
        assert_eq!(
            (counts.calls, counts.server_transactions, counts.client_transactions),
            (0, 0, 0)
        );
        let released =
            world.journal.iter().filter(|event| matches!(event.kind, EventKind::Released { .. }));
        assert_eq!(released.count(), 1, "one record");
    }
}

#[test]
fn an_agent_deleted_in_a_call_is_gone_and_the_call_still_gets_its_record() {
    let mut world = World::new();
    talking(&mut world);
    let mut without = directory();
    let demo = Arc::make_mut(&mut without.tenants[0]);
    let mut routing = (*demo.routing).clone();
    routing.agents.retain(|agent| agent.employee_id != "1001");
    demo.routing = Arc::new(routing);
    demo.softphones.remove("1001");
    world.reload(without);
    assert_eq!(world.engine.counts().bindings, 0);
    assert!(world.ask(DEMO, Request::Agent { employee_id: "1001".into() }).is_err());

    let Ok(Reply::Calls(calls)) = world.ask(DEMO, Request::Calls) else { panic!("calls") };
    if let [call] = &calls[..] {
        assert_eq!(world.ask(DEMO, Request::Release { call: call.call }), Ok(Reply::Done));
    }
    world.pass(Duration::from_secs(120));
    assert_eq!(world.engine.counts().calls, 0);
    let released =
        world.journal.iter().filter(|event| matches!(event.kind, EventKind::Released { .. }));
    assert_eq!(released.count(), 1);
}
