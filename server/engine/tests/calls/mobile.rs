//! Agents that are rung on a mobile through the tenant's trunk: whoever answers says by a key that
//! it is the agent.

use crate::peers::*;
use crate::world::*;
use hotline_engine::Input;
use hotline_engine::config::{Anonymisation, Mobile, NumberRule, TenantConfig};
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_media::command::{Command, LegRef};
use hotline_routing::{AgentState, Device, RestoredAgent, Session};
use hotline_sip::header::HeaderName;

/// The mobile of 1001 is behind the carrier.
pub const MOBILE: &str = "15557001";

/// A centre whose agent 1001 has a mobile, reached over the carrier's trunk.
pub fn mobile_centre() -> TenantConfig {
    let mut config = centre();
    config.main_number = Some("12345".into());
    config.trunks[0].target = Some(address(CARRIER));
    config.trunks[0].local = Some(SERVER.parse().unwrap());
    config.single_phone.trunk = Some("carrier-a".into());
    let mobile = Mobile { number: Some(MOBILE.into()), ..Mobile::default() };
    config.mobiles.insert("1001".into(), mobile);
    config
}

/// Agent 1001 is signed in to be rung, as it was before a restart.
fn signed_in(config: TenantConfig) -> World {
    let mut w = World::new(config);
    w.handle(Input::Restore {
        partition: TENANT,
        bindings: Vec::new(),
        agents: vec![RestoredAgent {
            employee_id: "1001".into(),
            state: AgentState::Idle,
            queues: vec!["support".into(), "read".into()],
            session: Some(Session(3)),
            device: Device::Mobile,
            ..RestoredAgent::default()
        }],
        languages: Vec::new(),
        tries: Vec::new(),
    });
    assert_eq!(w.agent("1001"), "idle");
    w
}

/// A caller in the queue, and the mobile that rings; the legs of both.
pub fn rung(config: TenantConfig, number: &str) -> (World, Caller, Ring, LegRef, LegRef) {
    let mut w = signed_in(config);
    let mut caller = call(&mut w, number);
    caller.answered(&mut w);
    let ring = rings(&mut w, CARRIER);
    let legs = w.legs();
    (w, caller, ring, legs[0], legs[1])
}

#[test]
fn the_mobile_is_called_through_the_trunk_and_shows_a_number_of_ours() {
    let (mut w, mut caller, ring, ..) = rung(mobile_centre(), "123451");
    let uri = String::from_utf8_lossy(ring.invite.request_uri_bytes()).into_owned();
    assert_eq!(uri, "sip:15557001@198.51.100.1:5060");
    let from = header(&ring.invite, HeaderName::From);
    assert!(
        from.starts_with("support <sip:12345@demo.example>")
            || from.starts_with("\"support\" <sip:12345@demo.example>"),
        "{from}"
    );
    let asserted = header(&ring.invite, HeaderName::PAssertedIdentity);
    assert_eq!(asserted, "<sip:12345@demo.example>");
    ring.respond(&mut w, 180);
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    assert_eq!(w.agent("1001"), "idle");
    assert_eq!(w.record().offers[0].device.as_deref(), Some("mobile"));
}

#[test]
fn the_customers_number_is_shown_where_the_trunk_may_and_the_agents_setting_goes_before_all() {
    for (any, set, shown) in [
        (false, None, "12345"),
        (true, None, "15550001"),
        (true, Some("999"), "999"),
        (false, Some("999"), "999"),
    ] {
        let mut config = mobile_centre();
        config.trunks[0].present_any_number = any;
        let number_shown_to_agent = set.map(str::to_owned);
        let one = Anonymisation { number_shown_to_agent, ..Anonymisation::default() };
        config.anonymisation.insert("1001".into(), one);
        let (mut w, mut caller, ring, ..) = rung(config, "123451");
        let from = header(&ring.invite, HeaderName::From);
        assert!(from.contains(&format!("<sip:{shown}@")), "{from}");
        assert_eq!(from.contains("15550001"), shown == "15550001", "{from}");
        caller.bye(&mut w);
        ring.cancelled(&mut w);
        w.quiet();
    }
}

#[test]
fn the_number_is_written_as_the_trunk_wants_it() {
    let mut config = mobile_centre();
    let rule = |prefix: &str, with: &str| NumberRule { prefix: prefix.into(), with: with.into() };
    config.trunks[0].outbound_rules = vec![rule("155", "+155"), rule("1", "0")];
    let (mut w, mut caller, ring, ..) = rung(config, "123451");
    let uri = String::from_utf8_lossy(ring.invite.request_uri_bytes()).into_owned();
    assert_eq!(uri, "sip:+15557001@198.51.100.1:5060");
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    w.quiet();
}

#[test]
fn only_the_key_makes_it_the_agents_answer() {
    let (mut w, mut caller, mut ring, customer, mobile) = rung(mobile_centre(), "123451");
    ring.respond(&mut w, 180);
    ring.answer(&mut w);
    assert_eq!(w.agent("1001"), "offered", "it may be a machine");
    assert!(w.hears_wait_tone(customer));
    assert!(w.hears(mobile).is_some(), "it is asked");
    let kept = w.commands.iter().any(
        |command| matches!(command, Command::SetDigits { leg, relay: false, .. } if *leg == mobile),
    );
    assert!(kept, "its keys are not for the customer");
    w.run(9_000);
    assert!(w.hears(mobile).is_some(), "asked again and again");
    assert!(!w.bridged());
    w.press(mobile, "1");
    assert!(w.bridged());
    assert_eq!(w.agent("1001"), "talking");
    w.run(5_000);
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    let record = w.record();
    assert_eq!(record.agent.as_deref(), Some("1001"));
    assert_eq!(record.offers[0].outcome.as_deref(), Some("answered"));
    assert_eq!(record.released_by, Some(ReleasedBy::Agent));
    assert_eq!(record.waiting_ms, 9_000, "until the key");
}

#[test]
fn a_machine_or_another_key_never_reaches_the_customer() {
    // Nothing is pressed: voicemail talks until the offer time is over.
    let (mut w, mut caller, mut ring, customer, _) = rung(mobile_centre(), "123451");
    ring.answer(&mut w);
    w.run(39_999);
    assert_eq!(w.agent("1001"), "offered");
    w.run(1);
    hung_up(&mut w, CARRIER);
    assert!(w.hears_wait_tone(customer));
    let again = rings(&mut w, CARRIER);
    caller.bye(&mut w);
    again.cancelled(&mut w);
    let record = w.record();
    assert_eq!(record.offers[0].outcome.as_deref(), Some("no_answer"));
    assert_eq!(record.agent, None);

    // Another key: rejected.
    let (mut w, mut caller, mut ring, customer, mobile) = rung(mobile_centre(), "123451");
    ring.answer(&mut w);
    w.press(mobile, "9");
    hung_up(&mut w, CARRIER);
    assert_eq!(w.agent("1001"), "idle", "left alone for a while");
    assert!(w.hears_wait_tone(customer));
    caller.bye(&mut w);
    assert_eq!(w.record().offers[0].outcome.as_deref(), Some("rejected"));

    // It hangs up by itself.
    let (mut w, mut caller, mut ring, customer, _) = rung(mobile_centre(), "123451");
    ring.answer(&mut w);
    ring.bye(&mut w);
    assert!(w.hears_wait_tone(customer));
    let again = rings(&mut w, CARRIER);
    caller.bye(&mut w);
    again.cancelled(&mut w);
    assert_eq!(w.record().offers[0].outcome.as_deref(), Some("no_answer"));
}

#[test]
fn the_caller_hangs_up_while_the_mobile_is_asked() {
    let (mut w, mut caller, mut ring, ..) = rung(mobile_centre(), "123451");
    ring.answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, CARRIER);
    assert_eq!(w.agent("1001"), "idle");
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::Abandoned));
    assert_eq!(record.offers[0].outcome.as_deref(), Some("withdrawn"));
}

#[test]
fn how_a_carrier_refuses_says_what_becomes_of_the_agent() {
    for (status, agent, outcome) in [
        (486, "idle", "rejected"),
        (603, "idle", "rejected"),
        (480, "offered", "no_answer"),
        (408, "offered", "no_answer"),
        (404, "busy phone_unavailable", "phone_unavailable"),
        (503, "busy phone_unavailable", "phone_unavailable"),
    ] {
        let (mut w, mut caller, ring, ..) = rung(mobile_centre(), "123451");
        ring.respond(&mut w, status);
        w.take(CARRIER, "ACK");
        assert_eq!(w.agent("1001"), agent, "{status}");
        caller.bye(&mut w);
        if w.was_sent(CARRIER, "INVITE") {
            rings(&mut w, CARRIER).cancelled(&mut w);
        }
        assert_eq!(w.record().offers[0].outcome.as_deref(), Some(outcome), "{status}");
    }
}

#[test]
fn nothing_goes_out_that_nobody_pays_for() {
    let without = |change: &dyn Fn(&mut TenantConfig)| {
        let mut config = mobile_centre();
        change(&mut config);
        let mut w = signed_in(config);
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        assert!(!w.was_sent(CARRIER, "INVITE"));
        let agent = w.agent("1001");
        caller.bye(&mut w);
        w.quiet();
        agent
    };
    let unreachable = "busy phone_unavailable";
    assert_eq!(without(&|config| config.single_phone.trunk = None), unreachable);
    assert_eq!(without(&|config| config.trunks[0].target = None), unreachable);
    let number = |number: &'static str| {
        move |config: &mut TenantConfig| {
            config.mobiles.get_mut("1001").unwrap().number = Some(number.into());
        }
    };
    assert_eq!(without(&number("123451")), unreachable, "one of ours: a loop");
    assert_eq!(without(&number("*21*15550000#")), unreachable, "a carrier's service code");
    assert_eq!(without(&number("")), unreachable);
    // The caller has one of the trunk's channels: there is none for the mobile for now.
    assert_eq!(without(&|config| config.trunks[0].channels = 1), "idle");
    assert_eq!(
        without(&|config| {
            config.mobiles.remove("1001");
        }),
        unreachable
    );
}

#[test]
fn a_call_that_came_by_too_many_hops_does_not_go_out_again() {
    let mut w = signed_in(mobile_centre());
    let dial = Dial { headers: &[(HeaderName::MaxForwards, "1")], ..Dial::default() };
    let mut caller = dial.go(&mut w);
    caller.answered(&mut w);
    assert!(!w.was_sent(CARRIER, "INVITE"));
    caller.bye(&mut w);
    w.quiet();
}

#[test]
fn keys_in_a_call_hold_resume_hang_up_and_pass_on_what_is_no_code() {
    let (mut w, mut caller, mut ring, customer, mobile) = rung(mobile_centre(), "123451");
    ring.answer(&mut w);
    w.press(mobile, "1");
    w.press(mobile, "*1");
    assert!(w.hears_wait_tone(customer), "the default hold tone");
    assert_eq!(w.agent("1001"), "holding");
    w.run(5_000);
    assert!(w.hears(mobile).is_some(), "silence, not the customer");
    w.press(mobile, "*1");
    assert!(!w.hears_wait_tone(customer));
    assert_eq!(w.agent("1001"), "talking");
    w.press(mobile, "5");
    assert_eq!(w.sent_digits(customer), "5");
    w.press(mobile, "*");
    assert_eq!(w.sent_digits(customer), "5");
    w.run(3_000);
    assert_eq!(w.sent_digits(customer), "5*", "no code came of it");
    w.press(mobile, "*8");
    assert_eq!(w.agent("1001"), "talking", "busy when the call has ended");
    w.press(mobile, "*6");
    caller.hung_up(&mut w);
    hung_up(&mut w, CARRIER);
    assert_eq!(w.agent("1001"), "busy chosen");
    let record = w.record();
    assert_eq!(record.released_by, Some(ReleasedBy::Agent));
}

#[test]
fn keys_by_info_are_keys_too() {
    let (mut w, mut caller, mut ring, customer, mobile) = rung(mobile_centre(), "123451");
    ring.answer(&mut w);
    for digit in ["1", "*", "1"] {
        let info = ring.next(hotline_sip::Method::Info);
        let info = info.body("application/dtmf-relay", format!("Signal={digit}\r\n"));
        ring.send(&mut w, info);
        w.take(CARRIER, "200 INFO");
    }
    assert!(w.bridged());
    assert!(w.hears_wait_tone(customer), "held");
    assert_eq!(w.sent_digits(customer), "");
    assert!(w.hears(mobile).is_some());
    caller.bye(&mut w);
    hung_up(&mut w, CARRIER);
    w.quiet();
}

/// Behind a carrier's address stands a cluster: the 2xx names the member whose dialog it is. Our
/// ACK went to the address that was called, where nobody knew it, and after 32 s the call was cut.
#[test]
fn the_ack_goes_where_contact_and_route_say() {
    for (route, next_hop) in [(None, 21), (Some(22), 22)] {
        let (mut w, mut caller, ring, _, mobile) = rung(mobile_centre(), "123451");
        ring.ok_from(&mut w, 21, route);
        w.take(next_hop, "ACK");
        w.press(mobile, "1");
        assert!(w.bridged());
        // It had not heard the ACK.
        ring.ok_from(&mut w, 21, route);
        w.take(next_hop, "ACK");
        caller.bye(&mut w);
        hung_up(&mut w, next_hop);
        w.quiet();

        // A 2xx that crosses our CANCEL: acknowledged and hung up there too.
        let (mut w, mut caller, ring, ..) = rung(mobile_centre(), "123451");
        ring.respond(&mut w, 180);
        caller.bye(&mut w);
        ring.cancel_answered(&mut w);
        ring.ok_from(&mut w, 21, route);
        w.take(next_hop, "ACK");
        hung_up(&mut w, next_hop);
        w.quiet();
    }
}

/// All channels of the trunk were taken: each second an offer that nobody heard was written into
/// the record, and with it into each checkpoint. What does not ring is no offer.
#[test]
fn a_full_trunk_makes_no_offers() {
    let mut config = mobile_centre();
    config.trunks[0].channels = 1;
    let mut w = signed_in(config);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let before = w.events.len();
    w.run(50_000);
    assert!(w.events.len() - before < 100, "{}", w.events.len() - before);
    caller.bye(&mut w);
    assert_eq!(w.record().offers, []);
}

/// A phone that rejects for as long as its caller waits makes no record without end.
#[test]
fn a_record_keeps_the_first_offers_and_the_last() {
    let mut config = mobile_centre();
    queue_with(&mut config, "support", |queue| queue.max_waiting_time_s = 3_600);
    let (mut w, mut caller, mut ring, ..) = rung(config, "123451");
    for _ in 0..60 {
        ring.respond(&mut w, 486);
        w.take(CARRIER, "ACK");
        w.run(10_000);
        ring = rings(&mut w, CARRIER);
    }
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    let offers = w.record().offers;
    assert_eq!(offers.len(), 50);
    let rejected =
        |offer: &hotline_engine::record::OfferRecord| offer.outcome.as_deref() == Some("rejected");
    assert!(offers[..49].iter().all(rejected));
    assert_eq!(offers[49].outcome.as_deref(), Some("withdrawn"));
    assert_eq!((offers[9].at.0 - offers[0].at.0) / 1_000_000, 90, "the first ten");
    assert_eq!((offers[49].at.0 - offers[10].at.0) / 1_000_000, 390, "the last forty");
}
