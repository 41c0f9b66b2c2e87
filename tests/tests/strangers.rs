//! Strangers: whoever is no trunk and has no password causes no call, hears nothing of who exists,
//! and cannot be heard in anybody's call.

use hotline_tests::phone::SOON;
use hotline_tests::rtp::{self, Rtp};
use hotline_tests::sip::sdp;
use hotline_tests::{Phone, Server, during, ms, s};
use serde_json::json;
use std::net::UdpSocket;

#[test]
fn an_invite_from_nowhere_is_challenged_and_never_becomes_a_call() {
    let server = Server::usual();
    let mut agent =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let mut stranger = Phone::udp(server.net.stranger(0), server.sip(), "4000");
    let audio = stranger.local;
    let mut answers = Vec::new();
    // Access code, agent, nobody: the answers are the same.
    for number in ["123451", "1001", "999999"] {
        let call = stranger.invite(number, audio);
        let refused = stranger.refused(&call, SOON);
        answers.push((refused.status(), refused.all("WWW-Authenticate").count()));
    }
    assert_eq!(answers, [(Some(401), 1); 3]);

    // With credentials that are wrong, or of nobody.
    for user in ["1001", "9999"] {
        let mut liar = Phone::udp_at((server.net.stranger(1), 5060).into(), server.sip(), user);
        liar.password = "a guess at most".into();
        let invite = liar.invitation("123451", &sdp(audio, "sendrecv"));
        let refused = liar.ask(&invite);
        assert!(matches!(refused.status(), Some(401 | 403)), "{user}: {refused:#?}");
    }

    // From a trunk, but in an agent's name: the trunk does not stand for the agent.
    let mut carrier = Phone::udp(server.net.carrier(0), server.sip(), "1001").of("alpha.test");
    carrier.password = "a guess at most".into();
    let invite = carrier.invitation("123451", &sdp(audio, "sendrecv"));
    let refused = carrier.ask(&invite);
    assert!(matches!(refused.status(), Some(401 | 403)), "{refused:#?}");

    agent.expect_no("INVITE", ms(300));
    let api = server.api();
    assert_eq!(api.records().len(), 0);
    assert_eq!(api.calls().len(), 0);
    api.until_metric("hotline_media_ports_used", 0.0, s(3));
}

#[test]
fn an_agent_calls_with_its_password() {
    let server = Server::usual();
    let mut called =
        Phone::udp(server.net.agent(1), server.sip(), "1002").of("alpha.test").registered();
    let mut caller =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let invite = caller.invitation("1002", &sdp(caller.local, "sendrecv"));
    caller.send(&invite);
    let refused = caller.final_response(&invite, SOON);
    assert_eq!(refused.status(), Some(401), "{refused:#?}");
    let challenge =
        hotline_tests::digest::Challenge::parse(refused.header("WWW-Authenticate")).unwrap();
    let again = caller.again(&invite, &challenge, 1);
    let mut call = caller.dial(again);
    let ringing = called.ringing(SOON);
    called.answer(&ringing, called.local);
    caller.answered(&mut call);
    // An agent who dials is offered nothing meanwhile.
    let mut customer = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let mut waits = customer.invite("123451", customer.local);
    customer.answered(&mut waits);
    caller.expect_no("INVITE", ms(300));
    assert_eq!(caller.hang_up(&mut call), 200);
    called.hung_up(&ringing, SOON);
    let record = server.api().record(&call.id);
    assert_eq!(record["trunk"], json!(null), "{record:#}");
    assert_eq!((&record["calling"], &record["dialled"]), (&json!("1001"), &json!("1002")));
    assert_eq!(record["agent"], "1002", "{record:#}");
    assert_eq!(customer.hang_up(&mut waits), 200);
}

#[test]
fn a_strangers_audio_is_dropped_and_counted() {
    let server = Server::usual();
    let mut agent =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let (near, far) = (Rtp::open(server.net.carrier(0)), Rtp::open(server.net.agent(0)));
    let mut call = caller.invite("123451", near.address);
    caller.answered(&mut call);
    let ringing = agent.ringing(SOON);
    agent.answer(&ringing, far.address);
    let (at_server, at_server_for_agent) = (call.audio.unwrap(), ringing.audio.unwrap());
    near.talk(at_server, 700);
    far.talk(at_server_for_agent, 1_000);
    far.until_heard(700.0);
    near.until_heard(1_000.0);

    // A stranger who has guessed the port shouts into it, half a second long.
    let stranger = UdpSocket::bind((server.net.stranger(0), 0)).unwrap();
    far.forget();
    let shout = vec![0x2a; rtp::SAMPLES];
    for n in 0..25_u16 {
        let packet = rtp::packet(rtp::PCMA, n, u32::from(n) * 160, 0xbad, &shout);
        stranger.send_to(&packet, at_server).unwrap();
        during(rtp::PACKET);
    }
    let shouted = far.heard().iter().filter(|packet| packet.payload == shout).count();
    assert_eq!(shouted, 0, "the agent heard a stranger");
    near.forget();
    near.until_heard(1_000.0);
    assert!(near.heard().iter().all(|packet| packet.from == at_server));

    assert_eq!(caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
    let record = server.api().record(&call.id);
    assert_eq!(record["caller_media"]["packets_refused"], 25, "{record:#}");
    assert_eq!(record["agent_media"]["packets_refused"], 0, "{record:#}");
}

#[test]
fn a_stranger_cannot_end_somebody_elses_call() {
    let server = Server::usual();
    let mut agent =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let mut call = caller.invite("123451", caller.local);
    caller.answered(&mut call);
    let ringing = agent.ringing(SOON);
    // A CANCEL and a BYE with the right Call-ID, as far as a stranger can know it.
    let mut stranger = Phone::udp(server.net.stranger(0), server.sip(), "4000");
    let uri = format!("sip:123451@{}", server.sip());
    for method in ["CANCEL", "BYE"] {
        let mut request = stranger.request(method, &uri, &format!("<{uri}>;tag=guessed"));
        for (name, value) in &mut request.headers {
            if name == "Call-ID" {
                value.clone_from(&call.id);
            }
        }
        let refused = stranger.ask(&request);
        assert!(matches!(refused.status(), Some(401 | 403 | 481)), "{method}: {refused:#?}");
    }
    agent.expect_no("CANCEL", ms(200));
    agent.answer(&ringing, agent.local);
    assert_eq!(caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
}

#[test]
fn the_api_is_closed_without_its_token() {
    let server = Server::usual();
    let api = server.api();
    for wrong in ["", "no", "Bearer", &"x".repeat(5_000)] {
        let stranger = api.with_token(wrong);
        for path in ["status", "agents", "calls", "records", "calls/last/trace", "tenants"] {
            let (status, body) = stranger.get(path);
            assert_eq!((status, &body["code"]), (401, &json!("unauthorized")), "{path}: {body}");
        }
        assert_eq!(stranger.post("agents/1001/sign-in", &json!({})).0, 401);
        assert_eq!(stranger.post("apply", &json!({})).0, 401);
        assert_eq!(stranger.delete("agents/1001/registrations"), 401);
    }
    assert_eq!(api.text("/healthz").map(|(status, _)| status), Some(200));
    assert_eq!(api.get("agents/4711").0, 404);
    assert_eq!(api.get("nothing").0, 404);
}

#[test]
fn guessing_passwords_is_slowed_down() {
    let server = Server::usual();
    let mut guesser = Phone::udp(server.net.stranger(0), server.sip(), "1001").of("alpha.test");
    let mut last = None;
    for n in 0..200 {
        guesser.password = format!("guess number {n}");
        let refused = guesser.register_for(60);
        assert!(matches!(refused.status(), Some(401 | 403)), "{refused:#?}");
        if !refused.header("Retry-After").is_empty() {
            last = Some(n);
            break;
        }
    }
    assert!(last.is_some(), "200 guesses, and nobody minds");
    // Whoever knows the password from elsewhere is not locked out.
    let _agent =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
}
