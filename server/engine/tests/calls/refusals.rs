//! INVITEs that make no call: each its status, and nothing is left of them.

use crate::peers::*;
use crate::world::*;
use hotline_base::Partition;
use hotline_engine::event::EventKind;
use hotline_engine::{Directory, Input};
use hotline_sip::Message;
use hotline_sip::header::HeaderName;
use std::sync::Arc;

/// Makes a call that is refused with this status; gives back the refusal.
#[track_caller]
fn refused(w: &mut World, dial: Dial<'_>, status: u16) -> hotline_sip::Message {
    let mut caller = dial.go(w);
    let refusal = caller.expect(w, status);
    caller.ack_failure(w);
    let arrived = w.journal().iter().filter(|line| *line == "CallArrived").count();
    assert_eq!((arrived, w.legs().len()), (0, 0), "no call, no port");
    w.quiet();
    refusal
}

#[test]
fn what_cannot_be_served_is_refused_before_it_is_a_call() {
    let sdp_of = |formats: &str| Some(sdp_with(CARRIER, "sendrecv", formats, ""));
    let video = sdp(CARRIER, "sendrecv").replace("m=audio", "m=video");
    let cases = [
        (Dial { number: "999", ..Dial::default() }, 404, "Q.850;cause=1", ""),
        (Dial { number: "123459", ..Dial::default() }, 404, "Q.850;cause=1", ""),
        (Dial { sdp: sdp_of("18"), ..Dial::default() }, 488, "Q.850;cause=65", "305 "),
        (Dial { sdp: Some(video), ..Dial::default() }, 488, "Q.850;cause=65", "304 "),
        (Dial { sdp: Some("nonsense".into()), ..Dial::default() }, 400, "", "399 "),
    ];
    for (dial, status, reason, warning) in cases {
        let mut w = World::new(centre());
        w.register(11, "1001");
        let refusal = refused(&mut w, dial, status);
        assert!(header(&refusal, HeaderName::Reason).starts_with(reason), "{status}");
        assert!(header(&refusal, HeaderName::Warning).starts_with(warning), "{status}");
    }
}

#[test]
fn an_extension_we_do_not_know_is_refused_with_its_name() {
    let mut w = World::new(centre());
    let headers = [(HeaderName::Require, "100rel, teleport")];
    let refusal = refused(&mut w, Dial { headers: &headers, ..Dial::default() }, 420);
    assert_eq!(header(&refusal, HeaderName::Unsupported), "100rel, teleport");
}

/// A trunk's channels were counted for calls that go out alone: a carrier that sent more calls than
/// it had sold got them all. They are both directions', and of a node's trunk all tenants'.
#[test]
fn a_call_above_the_channels_of_its_trunk_is_refused() {
    let mut config = centre();
    config.trunks[0].channels = 1;
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    let mut second = call(&mut w, "123451");
    let refusal = second.expect(&mut w, 503);
    second.ack_failure(&mut w);
    assert_eq!(header(&refusal, HeaderName::RetryAfter), "5");
    assert!(header(&refusal, HeaderName::Reason).starts_with("Q.850;cause=34"));
    // An agent's phone needs none.
    rings(&mut w, 11).answer(&mut w);
    first.bye(&mut w);
    hung_up(&mut w, 11);
    let mut third = call(&mut w, "123451");
    third.answered(&mut w);
    third.bye(&mut w);
    w.quiet();
}

#[test]
fn a_trunk_of_the_node_counts_the_calls_of_all_tenants() {
    let mut w = World::new(centre());
    let mut ours = centre();
    let mut trunk = ours.trunks.remove(0);
    trunk.channels = 1;
    let mut theirs = ours.clone();
    theirs.partition = Partition(8);
    let directory = Directory {
        version: 2,
        tenants: vec![Arc::new(ours), Arc::new(theirs)],
        trunks: vec![trunk],
        default_tenant: Some(TENANT),
    };
    w.handle(Input::ConfigChanged { directory: Arc::new(directory) });
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    w.speak_to(Partition(8));
    let mut second = call(&mut w, "123451");
    second.expect(&mut w, 503);
    second.ack_failure(&mut w);
    w.speak_to(TENANT);
    first.bye(&mut w);
    w.speak_to(Partition(8));
    let mut third = call(&mut w, "123451");
    third.answered(&mut w);
    third.bye(&mut w);
    w.quiet();
}

#[test]
fn beyond_the_limits_there_is_503_with_retry_after() {
    // The tenant's limit of calls.
    let mut config = centre();
    config.limits.concurrent_calls = 0;
    let mut w = World::new(config);
    let refusal = refused(&mut w, Dial::default(), 503);
    assert!(!header(&refusal, HeaderName::RetryAfter).is_empty());

    // No port.
    let mut w = World::without_ports(centre());
    let refusal = refused(&mut w, Dial::default(), 503);
    assert!(!header(&refusal, HeaderName::RetryAfter).is_empty());
    assert!(header(&refusal, HeaderName::Reason).starts_with("Q.850;cause=34"));

    // Frozen: it is being drained.
    let mut w = World::new(centre());
    w.handle(Input::Freeze(true));
    let refusal = refused(&mut w, Dial::default(), 503);
    assert!(!header(&refusal, HeaderName::RetryAfter).is_empty());
}

/// All ports were taken when the agent's turn came, and the caller who had waited was hung up.
#[test]
fn without_a_port_for_the_agent_the_caller_keeps_its_place_and_the_agent_is_not_blamed() {
    let mut w = World::without_ports(centre());
    w.grant_ports(1);
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(3_000);
    assert_eq!(w.agent("1001"), "idle");
    assert!(w.hears_wait_tone(w.legs()[0]));
    w.grant_more_ports(2, 1);
    w.run(4_000);
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    let record = w.record();
    assert_eq!(record.offers.len(), 1, "what did not ring was no offer");
}

/// A body of several parts.
fn parts(of: &[(&str, &str)]) -> Option<String> {
    let part = |(kind, text): &(&str, &str)| {
        format!("--frontier\r\nContent-Type: {kind}\r\n\r\n{text}\r\n")
    };
    Some(of.iter().map(part).collect::<String>() + "--frontier--\r\n")
}

/// Carriers send the ISUP message or the caller's place along with the session description. Such
/// an INVITE was refused for its Content-Type.
#[test]
fn a_session_description_among_other_parts_is_read() {
    let kind = "multipart/mixed;boundary=frontier";
    let offer = sdp(CARRIER, "sendrecv");
    let isup = ("application/isup;version=itu-t92+", "\u{1}\u{2}");
    let mut w = World::new(centre());
    w.register(11, "1001");
    let body = parts(&[isup, ("application/sdp", &offer)]);
    let dial = Dial { sdp: body, content_type: kind, ..Dial::default() };
    let mut caller = dial.go(&mut w);
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();

    let mut w = World::new(centre());
    w.register(11, "1001");
    let dial = Dial { sdp: parts(&[isup]), content_type: kind, ..Dial::default() };
    let refusal = refused(&mut w, dial, 415);
    assert_eq!(header(&refusal, HeaderName::Accept), "application/sdp, multipart/mixed");
}

/// What is marked as optional was let in, and then refused after all.
#[test]
fn an_optional_body_that_is_not_understood_is_passed_over() {
    for encoding in ["identity", "gzip"] {
        let mut w = World::new(centre());
        w.register(11, "1001");
        let headers = [
            (HeaderName::ContentDisposition, "render; handling = optional"),
            (HeaderName::ContentEncoding, encoding),
        ];
        let card = Some("BEGIN:VCARD".to_owned());
        let dial =
            Dial { sdp: card, content_type: "text/vcard", headers: &headers, ..Dial::default() };
        let mut caller = dial.go(&mut w);
        let ok = caller.expect(&mut w, 200);
        assert!(body(&ok).contains("m=audio"), "an INVITE without an offer gets ours");
        caller.ack(&mut w, Some(sdp(CARRIER, "sendrecv")));
        rings(&mut w, 11).answer(&mut w);
        assert!(w.bridged());
        caller.bye(&mut w);
        hung_up(&mut w, 11);
        w.quiet();
    }
}

/// The INVITE of an agent's phone stood in the journal until it was answered, with the digest that
/// its password had made. What a response needs is kept, and nothing else.
#[test]
fn no_credentials_are_in_a_checkpoint() {
    let mut w = World::new(centre());
    w.register(12, "1002");
    let sdp = Some(sdp(12, "sendrecv"));
    let dial = Dial { number: "123453", from: "1002", peer: 12, sdp, ..Dial::default() };
    let mut caller = dial.go_authenticated(&mut w);
    caller.expect(&mut w, 183);
    let kept: Vec<Vec<u8>> = w
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Checkpoint { checkpoint } => checkpoint.caller.open_invite.clone(),
            _ => None,
        })
        .collect();
    assert!(!kept.is_empty());
    for kept in kept {
        let text = String::from_utf8_lossy(&kept).into_owned();
        assert!(!text.contains("Digest") && !text.contains("m=audio"), "{text}");
        let invite = Message::parse(kept.into()).unwrap();
        let response = parsed(response(&invite, 480, "ours"));
        assert_eq!(header(&response, HeaderName::CallId), caller.call_id);
        assert_eq!(line(&response), "480 INVITE");
    }
    caller.cancel(&mut w);
    w.quiet();
}
