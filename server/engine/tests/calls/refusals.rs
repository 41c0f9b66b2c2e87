//! INVITEs that make no call: each its status, and nothing is left of them.

use crate::peers::*;
use crate::world::*;
use hotline_engine::Input;
use hotline_sip::header::HeaderName;

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
    w.run(1_000);
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    let record = w.record();
    assert_eq!(record.offers.len(), 1, "what did not ring was no offer");
}
