//! Who may call, who is challenged, and what a stranger can do: nothing.

mod world;

use hotline_engine::input::{Reply, Request};
use hotline_engine::{Input, Placement};
use std::sync::Arc;
use std::time::Duration;
use world::{
    CARRIER, DEMO, OTHER, PHONE, SHARED, World, directory, header, settings, status_of, tcp, udp,
};

const STRANGER: &str = "192.0.2.200:5060";

/// The final status of an INVITE from there, without credentials; 100 when it is admitted and
/// still up.
fn rings(world: &mut World, remote: &str, number: &str, domain: &str, from: &str) -> u16 {
    let before = world.engine.counts().calls_total;
    let invite = world.invite(number, domain, from);
    let sent = world.receive(udp(remote), &invite.text());
    if world.engine.counts().calls_total > before {
        return 100;
    }
    status_of(sent.last().expect("an answer"))
}

#[test]
fn trunks_call_by_address_and_strangers_are_asked_who_they_are() {
    for (remote, number, domain, from, expected) in [
        // The trunk of demo, and the node's, which the access code leads to its tenant.
        (CARRIER, "123451", "192.0.2.1", "sip:+15550001@198.51.100.7", 100),
        (SHARED, "123451", "192.0.2.1", "sip:+15550001@203.0.113.5", 100),
        (SHARED, "543211", "192.0.2.1", "sip:+15550001@203.0.113.5", 100),
        // demo's own trunk does not reach the other tenant: for demo the number is unknown.
        (CARRIER, "543211", "192.0.2.1", "sip:+15550001@198.51.100.7", 404),
        (CARRIER, "999", "192.0.2.1", "sip:+15550001@198.51.100.7", 404),
        // Anybody else.
        (STRANGER, "123451", "demo.example", "sip:eve@evil.example", 401),
        (STRANGER, "123451", "192.0.2.1", "sip:+15550001@198.51.100.7", 401),
        (STRANGER, "999", "demo.example", "sip:eve@evil.example", 401),
        (STRANGER, "1001", "demo.example", "sip:eve@evil.example", 401),
        // An agent's From is never a trunk's, by domain or by our own address.
        (CARRIER, "123451", "demo.example", "sip:1001@demo.example", 401),
        (CARRIER, "123451", "192.0.2.1", "sip:1001@192.0.2.1", 401),
        (CARRIER, "123451", "pbx.lan", "sip:1001@pbx.lan", 401),
        (SHARED, "543211", "192.0.2.1", "sip:1001@OTHER.example", 401),
        // The same number behind the carrier is the carrier's.
        (CARRIER, "123451", "192.0.2.1", "sip:1001@198.51.100.7", 100),
    ] {
        let mut world = World::new();
        world.grant(8);
        let mut signed_in = |partition| {
            let verb = hotline_engine::input::AgentVerb::SignIn { queues: vec![], force: false };
            let request = Request::AgentVerb { employee_id: "1002".into(), verb };
            assert_eq!(world.ask(partition, request), Ok(Reply::Done));
        };
        signed_in(DEMO);
        signed_in(OTHER);
        let status = rings(&mut world, remote, number, domain, from);
        assert_eq!(status, expected, "{from} at {remote} to {number}@{domain}");
    }
}

#[test]
fn an_agent_calls_with_its_password_and_in_its_own_name_only() {
    let mut world = World::new();
    world.grant(8);
    let verb = hotline_engine::input::AgentVerb::SignIn { queues: vec![], force: false };
    world.ask(DEMO, Request::AgentVerb { employee_id: "1002".into(), verb }).unwrap();
    for (from, user, expected) in
        [("sip:1001@demo.example", "1001", 1), ("sip:1002@demo.example", "1001", 0)]
    {
        let before = world.engine.counts().calls_total;
        let invite = world.invite("123451", "demo.example", from);
        let challenge = world.receive(udp(PHONE), &invite.text()).remove(0);
        assert_eq!(status_of(&challenge), 401);
        let proved = world.proved(&invite, &challenge, user, &format!("demo-{user}"));
        let sent = world.receive(udp(PHONE), &proved.text());
        assert_eq!(world.engine.counts().calls_total - before, expected, "{from}: {sent:?}");
        if expected == 0 {
            assert_eq!(status_of(&sent[0]), 403);
        }
    }
}

#[test]
fn a_flood_of_strangers_leaves_nothing_behind() {
    let mut world = World::new();
    world.grant(8);
    let before = world.engine.counts();
    for number in 0..2_000 {
        let remote = format!("192.0.2.200:{}", 1_024 + number);
        let mut invite = world.invite("123451", "demo.example", "sip:eve@evil.example");
        assert_eq!(world.status(udp(&remote), &invite.text()), 401);
        // The ACK of the 401, the CANCEL of nothing, a BYE of no dialog.
        invite.to.push_str(";tag=xyz");
        invite.method = "ACK";
        assert_eq!(world.receive(udp(&remote), &invite.text()), Vec::<String>::new());
        let mut cancel = world.invite("123451", "demo.example", "sip:eve@evil.example");
        cancel.method = "CANCEL";
        cancel.headers.clear();
        assert_eq!(world.status(udp(&remote), &cancel.text()), 481);
        let mut bye = world.call("BYE", "sip:x@192.0.2.1", "sip:eve@evil.example", "sip:y@h");
        bye.to.push_str(";tag=h0000010000003abcdefghjkmn0");
        assert_eq!(world.status(udp(&remote), &bye.text()), 481);
    }
    let after = world.engine.counts();
    assert_eq!(after.server_transactions, 0);
    assert_eq!((after.calls_total, after.timers, after.legs), (0, before.timers, 0));
    assert!(world.news().is_empty());
    assert_eq!(world.engine.deadline(), None);
}

#[test]
fn other_methods_extensions_and_bodies() {
    let mut world = World::new();
    let options =
        world.call("OPTIONS", "sip:demo.example", "sip:eve@evil.example", "sip:demo.example");
    let able = world.receive(udp(STRANGER), &options.text()).remove(0);
    assert_eq!(status_of(&able), 200);
    assert_eq!(header(&able, "Accept"), Some("application/sdp, multipart/mixed"));
    assert!(header(&able, "Allow").unwrap().starts_with("INVITE, ACK, CANCEL, BYE, OPTIONS"));
    assert!(header(&able, "Supported").is_some());
    for (method, expected) in [
        ("SUBSCRIBE", 405),
        ("MESSAGE", 405),
        ("PUBLISH", 405),
        ("REFER", 405),
        ("FROBNICATE", 405),
        ("BYE", 481),
        ("INFO", 481),
        ("CANCEL", 481),
    ] {
        let uri = "sip:1001@demo.example";
        let call = world.call(method, uri, "sip:eve@evil.example", uri);
        let answer = world.receive(udp(STRANGER), &call.text()).remove(0);
        assert_eq!(status_of(&answer), expected, "{method}");
        assert_eq!(header(&answer, "Allow").is_some(), expected == 405, "{method}");
    }
    for (extra, body, expected, told) in [
        ("Require: nothingSupportsThis", true, 420, ("Unsupported", "nothingSupportsThis")),
        ("Content-Encoding: gzip", true, 415, ("Accept-Encoding", "identity")),
        (
            "Content-Type: application/unknown",
            false,
            415,
            ("Accept", "application/sdp, multipart/mixed"),
        ),
    ] {
        let mut invite = world.invite("123451", "192.0.2.1", "sip:+1555@198.51.100.7");
        if !body {
            invite.headers.retain(|header| !header.starts_with("Content-Type"));
        }
        let refusal = world.receive(udp(CARRIER), &invite.header(extra).text()).remove(0);
        assert_eq!(status_of(&refusal), expected, "{extra}");
        assert_eq!(header(&refusal, told.0), Some(told.1), "{extra}");
    }
    assert_eq!(world.engine.counts().server_transactions, 0);
}

#[test]
fn malformed_requests_get_their_status_and_bad_acks_nothing() {
    let mut world = World::new();
    let invite = world.invite("123451", "demo.example", "sip:eve@evil.example");
    for (from, to, expected) in [
        ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS", 400),
        ("Max-Forwards: 70", "Max-Forwards: 300", 400),
        ("INVITE sip:123451@demo.example SIP/2.0", "INVITE soap.beep://x SIP/2.0", 416),
        ("demo.example SIP/2.0", "demo.example SIP/7.0", 505),
    ] {
        let text = invite.text().replace(from, to);
        assert_eq!(world.status(udp(STRANGER), &text), expected, "{to}");
        let ack = text.replace("INVITE", "ACK");
        assert_eq!(world.receive(udp(STRANGER), &ack), Vec::<String>::new(), "{to}");
    }
}

#[test]
fn frozen_a_node_takes_no_new_calls_and_says_when_to_try_again() {
    let mut world = World::new();
    world.grant(8);
    world.feed(Input::Freeze(true));
    let invite = world.invite("123451", "192.0.2.1", "sip:+1555@198.51.100.7");
    let refusal = world.receive(udp(CARRIER), &invite.text()).remove(0);
    assert_eq!((status_of(&refusal), header(&refusal, "Retry-After")), (503, Some("5")));
    assert_eq!(status_of(&world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@h>")), 200);
    world.feed(Input::Freeze(false));
    let status = rings(&mut world, CARRIER, "123451", "192.0.2.1", "sip:+1555@198.51.100.7");
    assert_eq!(status, 100);
}

#[test]
fn a_cancel_finds_its_invite_after_a_reload() {
    let mut world = World::new();
    world.grant(8);
    let verb = hotline_engine::input::AgentVerb::SignIn { queues: vec![], force: false };
    world.ask(OTHER, Request::AgentVerb { employee_id: "1002".into(), verb }).unwrap();
    let mut later = directory();
    let other = Arc::make_mut(&mut later.tenants[1]);
    let mut routing = (*other.routing).clone();
    routing.called_routes[0].answer_supervision =
        hotline_routing::config::AnswerSupervision::WhenAgentAnswers;
    other.routing = Arc::new(routing);
    world.reload(later.clone());

    let invite = world.invite("543211", "192.0.2.1", "sip:+1555@203.0.113.5");
    world.receive(udp(SHARED), &invite.text());
    assert_eq!(world.engine.counts().calls, 1);
    // The access code moves to demo: a new INVITE goes there, the old one's CANCEL does not.
    let mut moved = later;
    let number = "54321".to_owned();
    for (tenant, gets) in [(0, true), (1, false)] {
        let config = Arc::make_mut(&mut moved.tenants[tenant]);
        let mut routing = (*config.routing).clone();
        routing.access_codes.retain(|code| gets || code.code != number);
        routing.called_routes.retain(|route| gets || route.access_code != number);
        if gets {
            let code = routing.access_codes[0].clone();
            routing
                .access_codes
                .push(hotline_routing::config::AccessCode { code: number.clone(), ..code });
        }
        config.routing = Arc::new(routing);
    }
    world.reload(moved);
    let fresh = world.invite("543211", "192.0.2.1", "sip:+1555@203.0.113.5");
    assert_eq!(
        world.door.place(world.now, &udp(SHARED), &fresh.message()),
        Placement::Partition(DEMO)
    );
    assert_eq!(
        world.door.place(world.now, &udp(SHARED), &invite.message()),
        Placement::Partition(OTHER),
        "a retransmission stays"
    );
    let mut cancel = invite.clone();
    cancel.method = "CANCEL";
    cancel.headers.clear();
    cancel.body.clear();
    let sent = world.receive(udp(SHARED), &cancel.text());
    let statuses: Vec<u16> = sent.iter().map(|text| status_of(text)).collect();
    assert!(statuses.contains(&200) && statuses.contains(&487), "{statuses:?}");
}

#[test]
fn requests_over_tcp_are_answered_on_their_connection() {
    let mut world = World::new();
    let flow = tcp(PHONE, 9);
    let options = world.call("OPTIONS", "sip:demo.example", "sip:a@h", "sip:demo.example");
    let text = options.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    world.receive(flow, &text);
    assert_eq!(world.sent.last().unwrap().0, flow);
}

#[test]
fn the_api_says_what_was_wrong() {
    let mut world = World::new();
    use hotline_engine::input::AgentVerb::*;
    world.sign_on(udp(PHONE), "demo", "1001", "<sip:a@h>");
    let sign_in = |queues: &[&str], force| SignIn {
        queues: queues.iter().map(|name| (*name).to_owned()).collect(),
        force,
    };
    for (id, verb, expected) in [
        ("9", Idle, Err((404, "agent_not_found"))),
        ("1002", Idle, Err((409, "not_signed_in"))),
        ("1002", sign_in(&["nowhere"], false), Err((404, "queue_not_found"))),
        ("1001", sign_in(&[], false), Err((409, "signed_in_elsewhere"))),
        ("1001", sign_in(&[], true), Ok(())),
        ("1001", Busy, Ok(())),
        ("1001", WrapUp { extend_s: 0 }, Err((409, "wrong_state"))),
        ("1001", Rest { reason: "x".repeat(1_000), planned_s: None }, Err((400, "out_of_range"))),
        ("1001", SignOut, Ok(())),
    ] {
        let request = Request::AgentVerb { employee_id: id.into(), verb: verb.clone() };
        let reply = world.ask(DEMO, request);
        let short = reply.as_ref().map(|_| ()).map_err(|no| (no.status, no.code.as_str()));
        assert_eq!(short, expected, "{id} {verb:?}: {reply:?}");
    }
    let Ok(Reply::Route(route)) =
        world.ask(DEMO, Request::Route { number: "+12345-1".into(), from: None, at: None })
    else {
        panic!("a route");
    };
    assert_eq!(route.destination.as_deref(), Some("skill_queue \"support\""));
    assert_eq!(route.why[0], "+12345-1 is normalised to 123451");
    let Ok(Reply::Route(none)) =
        world.ask(DEMO, Request::Route { number: "123459".into(), from: None, at: None })
    else {
        panic!("no route is an answer too");
    };
    assert_eq!(none.destination, None);
    assert_eq!(none.why[0], "access code 12345: no route for extension 9");
    let release = Request::Release { call: "1-3-7".parse().unwrap() };
    assert_eq!(world.ask(DEMO, release).unwrap_err().code, "call_not_found");
    let Ok(Reply::Counts(counts)) = world.ask(DEMO, Request::Counts) else { panic!("counts") };
    assert_eq!(counts.bindings, 1);
}

#[test]
fn an_engine_has_its_own_tenants_only() {
    let mut settings = settings();
    settings.engine = (0, 2);
    let mut world = World::with(directory(), settings);
    assert!(world.ask(OTHER, Request::Agents).is_ok(), "partition 2 is engine 0's");
    assert_eq!(world.ask(DEMO, Request::Agents).unwrap_err().code, "tenant_not_found");
    world.pass(Duration::from_secs(1));
}
