//! Calls to one agent: by a called route, and from another agent's phone.

use crate::peers::*;
use crate::world::*;
use hotline_engine::record::ReleaseReason;
use hotline_sip::header::HeaderName;

fn inner(w: &mut World, number: &str) -> Caller {
    let sdp = Some(sdp(11, "sendrecv"));
    Dial { number, from: "1001", peer: 11, sdp, ..Dial::default() }.go_authenticated(w)
}

#[test]
fn a_called_route_rings_its_agent_who_answers_the_caller() {
    let mut w = World::new(centre());
    w.register(12, "1002");
    let mut caller = call(&mut w, "123454");
    caller.expect(&mut w, 180);
    let mut ring = rings(&mut w, 12);
    let from = header(&ring.invite, HeaderName::From);
    assert!(from.starts_with("\"15550001\" <sip:15550001@demo.example>"), "{from}");
    assert_eq!(header(&ring.invite, HeaderName::AnswerMode), "", "1002 answers by hand");
    w.run(2_000);
    ring.answer(&mut w);
    caller.answered(&mut w);
    assert!(w.bridged());
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    let record = w.record();
    assert_eq!(record.route.as_deref(), Some("agent \"1002\""));
    assert_eq!((record.queues.len(), record.agent.as_deref()), (0, Some("1002")));
}

#[test]
fn an_agent_who_cannot_take_the_call_fails_it_with_its_cause() {
    // Signed out.
    let mut w = World::new(centre());
    let mut caller = call(&mut w, "123454");
    let failed = caller.expect(&mut w, 480);
    assert!(header(&failed, HeaderName::Reason).starts_with("Q.850;cause=20"));
    caller.ack_failure(&mut w);
    assert_eq!(w.record().reason, Some(ReleaseReason::AgentUnavailable));

    // Talking.
    let mut w = World::new(centre());
    w.register(12, "1002");
    let mut first = call(&mut w, "123454");
    first.expect(&mut w, 180);
    rings(&mut w, 12).answer(&mut w);
    first.answered(&mut w);
    let mut second = call(&mut w, "123454");
    let failed = second.expect(&mut w, 486);
    assert!(header(&failed, HeaderName::Reason).starts_with("Q.850;cause=17"));
    second.ack_failure(&mut w);
    first.bye(&mut w);
    hung_up(&mut w, 12);
    w.quiet();

    // Declines; does not answer.
    for (decline, status, cause) in [(true, 486, "21"), (false, 480, "19")] {
        let mut w = World::new(centre());
        w.register(12, "1002");
        let mut caller = call(&mut w, "123454");
        caller.expect(&mut w, 180);
        let ring = rings(&mut w, 12);
        ring.respond(&mut w, 180);
        if decline {
            ring.respond(&mut w, 603);
            w.take(12, "ACK");
        } else {
            while !w.was_sent(12, "CANCEL") {
                w.run(100);
            }
            ring.cancelled(&mut w);
        }
        let failed = caller.expect(&mut w, status);
        let reason = header(&failed, HeaderName::Reason);
        assert!(reason.starts_with(&format!("Q.850;cause={cause}")), "{reason}");
        caller.ack_failure(&mut w);
        w.quiet();
    }
}

#[test]
fn an_agent_calls_another_agent() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(12, "1002");
    let mut caller = inner(&mut w, "1002");
    caller.expect(&mut w, 180);
    assert_eq!(w.agent("1001"), "talking");
    let mut ring = rings(&mut w, 12);
    ring.answer(&mut w);
    caller.answered(&mut w);
    assert!(w.bridged());
    w.run(5_000);
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    assert_eq!((w.agent("1001"), w.agent("1002")), ("idle".into(), "idle".into()));
    let record = w.record();
    assert_eq!((record.trunk, record.calling.expose().as_str()), (None, "1001"));
    assert_eq!(record.dialled, "1002");
}

#[test]
fn an_agent_dials_an_access_code_like_any_caller() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(12, "1002");
    let mut caller = inner(&mut w, "123451");
    caller.answered(&mut w);
    let mut ring = rings(&mut w, 12);
    assert!(!w.was_sent(11, "INVITE"), "an agent who dials is not offered calls");
    ring.answer(&mut w);
    assert!(w.bridged());
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    w.quiet();
}

#[test]
fn an_agent_cannot_call_itself() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = inner(&mut w, "1001");
    caller.expect(&mut w, 486);
    caller.ack_failure(&mut w);
    assert_eq!(w.agent("1001"), "idle");
    w.quiet();
}
