//! Registration as phones do it (RFC 3261 §10, §22; RFC 7616): digest, intervals, contacts, and
//! what becomes of the agent.

use hotline_tests::digest::Challenge;
use hotline_tests::phone::SOON;
use hotline_tests::sip::Message;
use hotline_tests::{Centre, Phone, Server, Setup, s};

fn phone(server: &Server, n: u8, number: &str) -> Phone {
    Phone::udp(server.net.agent(n), server.sip(), number).of("alpha.test")
}

fn challenge(response: &Message) -> Challenge {
    assert_eq!(response.status(), Some(401), "{response:#?}");
    Challenge::parse(response.header("WWW-Authenticate")).expect("a challenge with MD5")
}

fn registrations(server: &Server, number: &str) -> usize {
    server.api().agent(number)["registrations"].as_array().map_or(0, Vec::len)
}

/// Sends a REGISTER that answers `challenge` with the nonce count `count`.
fn answer(phone: &mut Phone, request: &Message, challenge: &Challenge, count: u32) -> Message {
    let again = phone.again(request, challenge, count);
    phone.send(&again);
    phone.final_response(&again, SOON)
}

#[test]
fn a_phone_registers_and_its_agent_comes_and_goes_with_it() {
    let server = Server::usual();
    let api = server.api();
    assert_eq!(api.agent_state("1001"), "signed_out");
    let mut phone = phone(&server, 0, "1001");

    let response = phone.register_for(60);
    assert_eq!(response.status(), Some(200), "{response:#?}");
    let contact = response.header("Contact");
    assert!(contact.contains(&phone.local.to_string()), "{contact}");
    assert!(contact.contains("expires=60") || contact.contains("expires=59"), "{contact}");
    api.until_agent_is("1001", "idle");
    assert_eq!(api.agent("1001")["skill_queues"], serde_json::json!(["support"]));

    assert_eq!(phone.register_for(0).status(), Some(200));
    api.until_agent_is("1001", "signed_out");
    assert_eq!(registrations(&server, "1001"), 0);
}

#[test]
fn an_agent_that_signs_in_by_the_api_only_is_not_signed_in_by_its_phone() {
    let server = Server::start(Setup::with(|net| {
        vec![Centre::usual(net).agent_by_api("1003", "support", "")]
    }));
    let api = server.api();
    let _phone = phone(&server, 0, "1003").registered();
    assert_eq!(registrations(&server, "1003"), 1);
    assert_eq!(api.agent_state("1003"), "signed_out");
    let (status, agent) = api.post("agents/1003/sign-in", &serde_json::json!({}));
    assert_eq!((status, &agent["state"]), (200, &serde_json::json!("idle")), "{agent}");
}

#[test]
fn a_wrong_password_an_unknown_number_and_another_ones_number_are_refused() {
    let server = Server::usual();
    for (user, password) in [("1001", "not the password"), ("9999", "word-of-9999")] {
        let mut phone = phone(&server, 0, user);
        phone.password = password.into();
        let first = phone.registration(&[phone.contact()], Some(60));
        phone.send(&first);
        let response = phone.final_response(&first, SOON);
        let challenge = challenge(&response);
        assert_eq!(challenge.realm, "alpha.test");
        let refused = answer(&mut phone, &first, &challenge, 1);
        assert!(matches!(refused.status(), Some(401 | 403)), "{user}: {refused:#?}");
        assert!(!refused.header("WWW-Authenticate").contains("stale=true"), "{refused:#?}");
    }
    // 1002's password is right, but the address is 1001's.
    let mut thief = phone(&server, 1, "1002");
    let mut request = thief.registration(&[thief.contact()], Some(60));
    for (name, value) in &mut request.headers {
        if name == "To" {
            *value = "<sip:1001@alpha.test>".into();
        }
    }
    assert_eq!(thief.ask(&request).status(), Some(403));
    assert_eq!(registrations(&server, "1001"), 0);
    assert_eq!(server.api().agent_state("1001"), "signed_out");
}

#[test]
fn credentials_are_good_once_and_a_nonce_does_not_outlive_the_server() {
    let mut server = Server::usual();
    let mut phone = phone(&server, 0, "1001");
    let request = phone.registration(&[phone.contact()], Some(60));
    phone.send(&request);
    let response = phone.final_response(&request, SOON);
    let fresh = challenge(&response);
    assert_eq!(answer(&mut phone, &request, &fresh, 1).status(), Some(200));

    // The same credentials again, as somebody who has overheard them would send them.
    let replayed = answer(&mut phone, &request, &fresh, 1);
    assert_eq!(replayed.status(), Some(401), "{replayed:#?}");
    // The next count is the phone's own next request.
    let mut later = request.clone();
    for (name, value) in &mut later.headers {
        if name == "CSeq" {
            *value = "10 REGISTER".into();
        }
    }
    assert_eq!(answer(&mut phone, &later, &fresh, 2).status(), Some(200));
    assert_eq!(answer(&mut phone, &later, &fresh, 2).status(), Some(401));

    server.stop();
    server.restart();
    let stale = answer(&mut phone, &later, &fresh, 3);
    assert!(challenge(&stale).stale, "{stale:#?}");
}

#[test]
fn intervals_are_kept_within_limits() {
    let server = Server::usual();
    let mut phone = phone(&server, 0, "1001");
    let refused = phone.register_for(9);
    assert_eq!(refused.status(), Some(423), "{refused:#?}");
    assert_eq!(refused.header("Min-Expires"), "10");
    assert_eq!(registrations(&server, "1001"), 0);

    let shortened = phone.register_for(1_000_000);
    assert_eq!(shortened.status(), Some(200));
    assert!(shortened.header("Contact").contains("expires=7200"), "{shortened:#?}");

    // Ten seconds later it is gone by itself.
    assert_eq!(phone.register_for(10).status(), Some(200));
    server.api().until_agent_is_within("1001", "signed_out", s(13));
    assert_eq!(registrations(&server, "1001"), 0);
}

#[test]
fn several_contacts_are_kept_and_a_star_removes_them_all() {
    let server = Server::usual();
    let api = server.api();
    let mut desk = phone(&server, 0, "1001").registered();
    let mut home = phone(&server, 1, "1001").registered();
    assert_eq!(registrations(&server, "1001"), 2);

    // A REGISTER without Contact only asks.
    let ask = desk.registration(&[], None);
    let told = desk.ask(&ask);
    assert_eq!(told.all("Contact").count(), 2, "{told:#?}");

    // One of two goes: the agent stays.
    assert_eq!(home.register_for(0).status(), Some(200));
    assert_eq!(registrations(&server, "1001"), 1);
    assert_eq!(api.agent_state("1001"), "idle");

    // A star with another interval, or beside a contact, changes nothing.
    let contact = desk.contact();
    for (contacts, expires) in
        [(vec!["*".to_owned()], Some(60)), (vec!["*".to_owned(), contact], Some(0))]
    {
        let request = desk.registration(&contacts, expires);
        assert_eq!(desk.ask(&request).status(), Some(400), "{contacts:?} {expires:?}");
        assert_eq!(registrations(&server, "1001"), 1);
    }
    assert_eq!(home.register_for(60).status(), Some(200));
    let star = desk.registration(&["*".into()], Some(0));
    let gone = desk.ask(&star);
    assert_eq!((gone.status(), gone.all("Contact").count()), (Some(200), 0), "{gone:#?}");
    assert_eq!(registrations(&server, "1001"), 0);
    api.until_agent_is("1001", "signed_out");
}

#[test]
fn a_connection_that_closes_takes_its_binding_with_it() {
    let server = Server::usual();
    let phone = Phone::tcp(server.sip(), "1001").of("alpha.test").registered();
    server.api().until_agent_is("1001", "idle");
    drop(phone);
    server.api().until_agent_is("1001", "signed_out");
    assert_eq!(registrations(&server, "1001"), 0);
}

#[test]
fn bindings_and_states_outlive_a_server_that_was_cut_off() {
    let mut server = Server::usual();
    let mut desk = phone(&server, 0, "1001").registered();
    let _home = phone(&server, 1, "1001").registered();
    let _other = phone(&server, 2, "1002").registered();
    let api = server.api();
    let (status, agent) = api.post("agents/1002/rest", &serde_json::json!({"reason": "lunch"}));
    assert_eq!(status, 200, "{agent}");

    server.kill9();
    server.restart();
    assert_eq!(registrations(&server, "1001"), 2);
    assert_eq!(registrations(&server, "1002"), 1);
    assert_eq!(api.agent_state("1001"), "idle");
    assert_eq!(api.agent_state("1002"), "rest (lunch)");

    // A refresh after the restart is one of a known binding, and a call reaches it.
    assert_eq!(desk.register_for(60).status(), Some(200));
    assert_eq!(registrations(&server, "1001"), 2);
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let audio = caller.local;
    let call = caller.invite("123451", audio);
    let ringing = desk.ringing(SOON);
    caller.cancel(&call);
    drop(ringing);
}

#[test]
fn an_operator_can_unregister_a_phone() {
    let server = Server::usual();
    let _phone = phone(&server, 0, "1001").registered();
    assert_eq!(server.api().delete("agents/1001/registrations"), 204);
    assert_eq!(registrations(&server, "1001"), 0);
    server.api().until_agent_is("1001", "signed_out");
}
