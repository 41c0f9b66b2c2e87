//! Outside numbers that flows call through a trunk: who is reached, and what is not paid for.

use crate::flows::{PROMPT, centre_with, heard};
use crate::peers::*;
use crate::world::*;
use hotline_engine::record::ReleasedBy;
use hotline_sip::header::HeaderName;

/// Calls the caller back at once, wherever that is: who writes such a flow lets strangers choose.
const BACK: &str = r#"
start = "back"
[node.back]
kind = "transfer"
to = { number = "call.caller", trunk = "carrier-a" }
on_failure = "sorry"
[node.sorry]
kind = "end"
say = ["sorry"]
"#;

/// A centre whose trunk may call numbers with these beginnings.
fn world(prefixes: &[&str]) -> World {
    let mut config = centre_with(&[("main", BACK)]);
    let trunk = &mut config.trunks[0];
    trunk.target = Some(address(CARRIER));
    trunk.local = Some(SERVER.parse().unwrap());
    trunk.outside_prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    World::new(config)
}

fn dial(w: &mut World) -> Caller {
    Dial { number: "123459", from: "15559999", ..Dial::default() }.go(w)
}

#[test]
fn a_flow_connects_its_caller_with_an_outside_number() {
    for prefixes in [&["+1555"][..], &["1555"], &["+46", "+1"], &["+"]] {
        let mut w = world(prefixes);
        let mut caller = dial(&mut w);
        let mut ring = rings(&mut w, CARRIER);
        ring.answer(&mut w);
        caller.answered(&mut w);
        assert!(w.bridged(), "{prefixes:?}");
        ring.bye(&mut w);
        caller.hung_up(&mut w);
        assert!(w.record().connected.is_some(), "{prefixes:?}");
        w.quiet();
    }
}

/// A flow called whatever number its caller had or typed: premium numbers at the tenant's cost.
/// Now a trunk calls only what it is configured to call.
#[test]
fn a_trunk_calls_no_number_that_it_was_not_given() {
    for prefixes in [&[][..], &["+46"], &["+15550"], &["5559999"]] {
        let mut w = world(prefixes);
        let mut caller = dial(&mut w);
        caller.answered(&mut w);
        assert!(!w.was_sent(CARRIER, "INVITE"), "{prefixes:?}");
        assert_eq!(heard(&w, w.legs()[0]), "sorry", "{prefixes:?}");
        w.run(PROMPT);
        caller.hung_up(&mut w);
        assert_eq!(w.record().released_by, Some(ReleasedBy::System));
        w.quiet();
    }
}

/// Somebody in need dialled 112 on an agent's phone and got 404. An emergency number goes out over
/// any trunk that leads out, though it may call nothing else and its channels are in use.
#[test]
fn an_agents_phone_reaches_an_emergency_number() {
    let mut config = centre_with(&[]);
    let trunk = &mut config.trunks[0];
    trunk.target = Some(address(CARRIER));
    trunk.local = Some(SERVER.parse().unwrap());
    trunk.channels = 1;
    config.main_number = Some("12345".into());
    let mut w = World::new(config);
    w.register(11, "1001");
    w.register(12, "1002");
    let mut waiting = call(&mut w, "123451");
    waiting.answered(&mut w);
    let mut offered = rings(&mut w, 11);
    offered.answer(&mut w);
    let mut caller =
        Dial { number: "112", from: "1002", peer: 12, ..Dial::default() }.go_authenticated(&mut w);
    let mut ring = rings(&mut w, CARRIER);
    assert!(ring.invite.request_uri_bytes().starts_with(b"sip:112@"));
    let shown = header(&ring.invite, HeaderName::From);
    assert!(shown.contains("sip:12345@"), "{shown}");
    ring.answer(&mut w);
    caller.answered(&mut w);
    assert!(w.bridged());
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    assert_eq!(w.records().last().unwrap().route.as_deref(), Some("emergency number"));
    waiting.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn an_emergency_call_without_a_way_out_fails_at_once_and_the_operator_hears_why() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller =
        Dial { number: "112", from: "1001", peer: 11, ..Dial::default() }.go_authenticated(&mut w);
    caller.expect(&mut w, 480);
    caller.ack_failure(&mut w);
    assert!(w.notices.iter().any(|text| text.contains("no trunk leads out")));
    w.quiet();
}
