//! Number anonymisation: what agents see of customers, and outside parties of agents.

use crate::lines::*;
use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::config::Anonymisation;
use hotline_engine::input::{Reply, Request};
use hotline_sip::Message;
use hotline_sip::header::HeaderName;

/// What [`call`] calls from.
const CUSTOMER: &str = "15550001";
/// What agents see in its place.
const SHOWN: &str = "4711";

fn shows_agents_another(config: &mut TenantConfig) {
    for id in ["1001", "1002"] {
        let number_shown_to_agent = Some(SHOWN.to_owned());
        let one = Anonymisation { number_shown_to_agent, ..Anonymisation::default() };
        config.anonymisation.insert(id.into(), one);
    }
}

#[track_caller]
fn hides_the_customer(message: &Message) {
    let text = String::from_utf8_lossy(message.as_bytes());
    assert!(!text.contains(CUSTOMER), "{text}");
}

/// An agent's setting held for mobiles alone: softphones saw every customer's number, and so did
/// everybody who looked at the display name.
#[test]
fn a_softphone_sees_the_number_that_its_agents_settings_say() {
    for (number, template, display) in
        [("123451", "{queue} {caller}", "support 4711"), ("123454", "", "4711")]
    {
        let mut config = centre();
        shows_agents_another(&mut config);
        queue_with(&mut config, "support", |queue| queue.display_name = template.into());
        let mut w = World::new(config);
        w.register(12, "1002");
        let mut customer = call(&mut w, number);
        let mut ring = rings(&mut w, 12);
        let from = header(&ring.invite, HeaderName::From);
        assert!(from.contains(&format!("<sip:{SHOWN}@demo.example>")), "{from}");
        assert!(from.replace('"', "").starts_with(display), "{from}");
        hides_the_customer(&ring.invite);
        ring.ok(&mut w, &sdp(12, "sendrecv"));
        let ack = ring.acknowledged(&mut w);
        hides_the_customer(&ack);
        customer.answered(&mut w);
        customer.bye(&mut w);
        hides_the_customer(&hung_up(&mut w, 12));
        w.quiet();
    }
}

/// A customer who withholds its number is shown so, unless the settings say what is shown.
#[test]
fn the_number_set_is_shown_for_who_withholds_its_own_too() {
    for set in [false, true] {
        let mut config = centre();
        if set {
            shows_agents_another(&mut config);
        }
        let mut w = World::new(config);
        w.register(12, "1002");
        let dial = Dial { headers: &[(HeaderName::Privacy, "id")], ..Dial::default() };
        let mut customer = dial.go(&mut w);
        customer.answered(&mut w);
        let ring = rings(&mut w, 12);
        let from = header(&ring.invite, HeaderName::From);
        let shown =
            if set { "<sip:4711@demo.example>" } else { "<sip:anonymous@anonymous.invalid>" };
        assert!(from.contains(shown), "{from}");
        hides_the_customer(&ring.invite);
        customer.bye(&mut w);
        ring.cancelled(&mut w);
        w.quiet();
    }
}

#[test]
fn a_colleague_is_shown_as_itself_and_the_customer_it_hands_over_is_not() {
    let mut config = sign_in_centre();
    shows_agents_another(&mut config);
    // Consulted.
    let (mut w, mut agent, line, mut customer, _) = with_colleague(config.clone());
    w.press(line, "*21002#");
    let mut ring = rings(&mut w, 12);
    let from = header(&ring.invite, HeaderName::From);
    assert!(from.contains("<sip:1001@"), "who consults: {from}");
    hides_the_customer(&ring.invite);
    ring.ok(&mut w, &sdp(12, "sendrecv"));
    hides_the_customer(&ring.acknowledged(&mut w));
    w.press(line, "*3");
    assert!(
        w.next().is_none_or(|(flow, _)| flow.remote != address(12)),
        "and is told nothing more"
    );
    customer.bye(&mut w);
    hides_the_customer(&hung_up(&mut w, 12));
    agent.bye(&mut w);
    w.quiet();
    // Handed over at once.
    let (mut w, mut agent, line, mut customer, _) = with_colleague(config);
    w.press(line, "*31002#");
    let ring = rings(&mut w, 12);
    let from = header(&ring.invite, HeaderName::From);
    assert!(from.contains("<sip:4711@"), "{from}");
    hides_the_customer(&ring.invite);
    customer.bye(&mut w);
    ring.cancelled(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

#[test]
fn an_outside_party_sees_the_number_that_the_agents_settings_say() {
    for (set, shown) in [(None, "12345"), (Some("15559111"), "15559111")] {
        for code in ["*2", "*3"] {
            let mut config = sign_in_centre();
            config.trunks[0].outside_prefixes = vec!["+".into()];
            config.trunks[0].present_any_number = true;
            let number_shown_to_customer = set.map(str::to_owned);
            let one = Anonymisation { number_shown_to_customer, ..Anonymisation::default() };
            config.anonymisation.insert("1001".into(), one);
            let (mut w, mut agent, line, mut customer, _) = talks(config);
            w.press(line, &format!("{code}15558888#"));
            let ring = rings(&mut w, CARRIER);
            for name in [HeaderName::From, HeaderName::PAssertedIdentity] {
                let value = header(&ring.invite, name);
                assert!(value.contains(&format!("<sip:{shown}@demo.example>")), "{code} {value}");
            }
            hides_the_customer(&ring.invite);
            customer.bye(&mut w);
            if code == "*2" {
                ring.respond(&mut w, 486);
                w.take(CARRIER, "ACK");
            } else {
                ring.cancelled(&mut w);
            }
            agent.bye(&mut w);
            w.quiet();
        }
    }
}

#[test]
fn the_mark_is_shown_to_who_asks_for_the_agent() {
    let mut config = centre();
    let one = Anonymisation { anonymised: true, ..Anonymisation::default() };
    config.anonymisation.insert("1002".into(), one);
    let mut w = World::new(config);
    let Ok(Reply::Agents(agents)) = w.ask(Request::Agents) else { panic!("no agents") };
    let marked: Vec<_> = agents.iter().map(|one| (&*one.employee_id, one.anonymised)).collect();
    assert_eq!(marked, [("1001", false), ("1002", true)]);
}
