//! Placement as a pure function of flow, message and directory.

mod world;

use hotline_base::{Epoch, Partition, Rng};
use hotline_engine::{FrontDoor, Placement};
use hotline_sip::Mark;
use std::sync::Arc;
use world::{CARRIER, DEMO, OTHER, PHONE, SHARED, World, directory, trunk, udp};

const STRANGER: &str = "192.0.2.200:5060";

fn placed(world: &mut World, remote: &str, call: &world::Call) -> Placement {
    world.door.place(world.now, &udp(remote), &call.message())
}

#[test]
fn by_domain_then_default() {
    let mut world = World::new();
    for (uri, from, to, expected) in [
        ("sip:1@demo.example", "sip:a@x", "sip:b@y", DEMO),
        ("sip:1@OTHER.example", "sip:a@x", "sip:b@y", OTHER),
        ("sip:1@192.0.2.1", "sip:a@demo.example", "sip:b@other.example", OTHER),
        ("sip:1@192.0.2.1", "sip:a@other.example", "sip:b@y", OTHER),
        // An agent's call to another tenant's domain is the agent's tenant's.
        ("sip:1@demo.example", "sip:1001@other.example", "sip:1@demo.example", OTHER),
        ("sip:1@192.0.2.1", "sip:a@x", "sip:b@y", DEMO),
        ("sip:1@unknown.example", "sip:a@x", "sip:b@y", DEMO),
    ] {
        let call = world.call("INVITE", uri, from, to);
        let placement = placed(&mut world, STRANGER, &call);
        assert_eq!(placement, Placement::Partition(expected), "{uri} {from} {to}");
    }
}

#[test]
fn by_trunk_and_access_code() {
    let mut directory = directory();
    directory.default_tenant = None;
    // Both tenants have a trunk at one address.
    for (tenant, name) in [(0, "a"), (1, "b")] {
        let config = Arc::make_mut(&mut directory.tenants[tenant]);
        config.trunks.push(trunk(name, &["192.0.2.77"]));
    }
    let mut world = World::with(directory, world::settings());
    let both = "192.0.2.77:5060";
    for (remote, number, domain, expected) in [
        (SHARED, "123451", "192.0.2.1", Some(DEMO)),
        (SHARED, "543211", "192.0.2.1", Some(OTHER)),
        (SHARED, "54321", "192.0.2.1", Some(OTHER)),
        (SHARED, "999", "other.example", Some(OTHER)),
        (SHARED, "999", "192.0.2.1", None),
        (CARRIER, "999", "192.0.2.1", Some(DEMO)),
        (CARRIER, "543211", "192.0.2.1", Some(DEMO)),
        (both, "123451", "192.0.2.1", Some(DEMO)),
        (both, "543211", "192.0.2.1", Some(OTHER)),
        (both, "999", "other.example", Some(OTHER)),
        (STRANGER, "123451", "192.0.2.1", None),
    ] {
        let invite = world.invite(number, domain, "sip:+1555@203.0.113.5");
        let expected = expected
            .map_or(Placement::Refuse { status: 404, reason: "Not Found" }, Placement::Partition);
        assert_eq!(placed(&mut world, remote, &invite), expected, "{number} from {remote}");
    }
}

#[test]
fn by_what_we_minted() {
    let mut world = World::new();
    let mark = Mark { partition: Partition(77), epoch: Epoch(9) };
    let tag = mark.mint_tag(&mut Rng::from_number(1));
    let branch = mark.mint_branch(&mut Rng::from_number(1));
    let ours = Placement::Partition(Partition(77));
    let mut bye = world.call("BYE", "sip:1@demo.example", "sip:a@x", "sip:b@y");
    bye.to = format!("{};tag={tag}", bye.to);
    assert_eq!(placed(&mut world, CARRIER, &bye), ours);
    let to_contact = world.call("INVITE", &format!("sip:{tag}@192.0.2.1"), "sip:a@x", "sip:b@y");
    assert_eq!(placed(&mut world, CARRIER, &to_contact), ours);
    let by_route = world.call("INVITE", "sip:1@demo.example", "sip:a@x", "sip:b@y");
    let by_route = by_route.header(&format!("Route: <sip:{tag}@192.0.2.1;lr>"));
    assert_eq!(placed(&mut world, CARRIER, &by_route), ours);
    let response = |branch: &str| {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\nFrom: <sip:a@x>;tag=1\r\n\
             To: <sip:b@y>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        );
        hotline_sip::Message::parse(text.into()).unwrap()
    };
    let now = world.now;
    assert_eq!(world.door.place(now, &udp(PHONE), &response(&branch)), ours);
    assert_eq!(world.door.place(now, &udp(PHONE), &response("z9hG4bKforeign")), Placement::Drop);
}

#[test]
fn a_fork_to_another_number_is_another_call() {
    let mut world = World::new();
    let first = world.invite("123451", "192.0.2.1", "sip:+1555@203.0.113.5");
    assert_eq!(placed(&mut world, SHARED, &first), Placement::Partition(DEMO));
    let mut next = first.clone();
    next.uri = "sip:543211@192.0.2.1".into();
    next.branch.push('2');
    assert_eq!(placed(&mut world, SHARED, &next), Placement::Partition(OTHER));
}

#[test]
fn strangers_do_not_push_a_trunks_invite_out_of_memory() {
    let mut world = World::new();
    let invite = world.invite("543211", "192.0.2.1", "sip:+1555@203.0.113.5");
    assert_eq!(placed(&mut world, SHARED, &invite), Placement::Partition(OTHER));
    let mut flood = world.invite("1", "demo.example", "sip:eve@evil.example");
    for number in 0..140_000 {
        flood.branch = format!("z9hG4bK{number}");
        flood.call_id = format!("{number}");
        placed(&mut world, STRANGER, &flood);
    }
    world.door.set_directory(Arc::default());
    let mut cancel = invite.clone();
    cancel.method = "CANCEL";
    assert_eq!(placed(&mut world, SHARED, &cancel), Placement::Partition(OTHER));
    let fresh = world.invite("543211", "192.0.2.1", "sip:+1555@203.0.113.5");
    assert!(matches!(placed(&mut world, SHARED, &fresh), Placement::Refuse { status: 404, .. }));
}

#[test]
fn a_refusal_is_the_same_for_each_retransmission_and_an_ack_gets_none() {
    let mut world = World::new();
    let door = FrontDoor::new(Arc::default(), None, &mut Rng::from_number(5));
    let mut invite = world.invite("1", "nowhere.example", "sip:a@x");
    let message = invite.message();
    let (flow, bytes) = door.refusal(&udp(STRANGER), &message, 404, "Not Found").unwrap();
    let again = door.refusal(&udp(STRANGER), &message, 404, "Not Found").unwrap();
    assert_eq!((flow, &bytes), (udp(STRANGER), &again.1));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(";received=192.0.2.200") && text.contains(";rport=5060"), "{text}");
    invite.method = "ACK";
    assert_eq!(door.refusal(&udp(STRANGER), &invite.message(), 404, "Not Found"), None);
    world.door.set_directory(Arc::default());
    assert_eq!(placed(&mut world, STRANGER, &invite), Placement::Drop);
}
