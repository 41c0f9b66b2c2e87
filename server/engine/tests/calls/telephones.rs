//! Agents' telephones at odd moments: signed in elsewhere or removed in a call, silent while they
//! consult, borrowed from a colleague.

use crate::flows::centre_with;
use crate::lines::*;
use crate::mobile::{mobile_centre, rung};
use crate::peers::*;
use crate::world::*;
use hotline_engine::config::{CutLine, TenantConfig};
use hotline_engine::input::{AgentVerb, Request};
use hotline_media::command::{Command, LegRef};
use hotline_routing::config::{Destination, WaitMethod};
use hotline_sip::ConnectionId;

/// What a media worker was told last of a leg's digits: whether a bridge passes them on.
fn relays(w: &World, leg: LegRef) -> Option<bool> {
    w.commands.iter().rev().find_map(|command| match command {
        Command::SetDigits { leg: of, relay, .. } if *of == leg => Some(*relay),
        _ => None,
    })
}

/// An agent opened the console while it talked on its line and took its session over: the customer
/// was hung up, for the line had nothing more to wait for.
#[test]
fn a_sign_in_elsewhere_during_a_call_ends_the_line_after_the_call() {
    let (mut w, mut agent, line, mut customer, _) = talks(sign_in_centre());
    let verb = AgentVerb::SignIn { queues: Vec::new(), force: true };
    w.ask(Request::AgentVerb { employee_id: "1001".into(), verb }).unwrap();
    w.run(10_000);
    assert_eq!(w.agent("1001"), "talking");
    assert!(!w.was_sent(CARRIER, "BYE"), "the customer is still there");
    customer.bye(&mut w);
    assert!(w.legs().contains(&line), "it hears why");
    w.run(3_000);
    agent.hung_up(&mut w);
    assert_eq!(w.agent("1001"), "wrap_up", "signed in where it is now");
    w.quiet();
}

/// A line may stay connected for a day; who talked on it when the day was over was cut off.
#[test]
fn a_line_that_is_a_day_old_ends_after_the_call_that_is_on_it() {
    let (mut w, mut agent, _) = on_line(sign_in_centre());
    w.run((24 * 3_600 - 60) * 1_000);
    let (mut customer, _) = customer(&mut w, "123451");
    w.run(120_000);
    assert_eq!(w.agent("1001"), "talking");
    customer.bye(&mut w);
    agent.hung_up(&mut w);
    w.quiet();
    // At rest it ends at once.
    let (mut w, mut agent, _) = on_line(sign_in_centre());
    w.run(24 * 3_600 * 1_000);
    agent.hung_up(&mut w);
    w.quiet();
}

/// The line of an agent who was deleted stayed connected for a day.
#[test]
fn a_removed_agent_holds_no_line() {
    let without = |mut config: TenantConfig| {
        config.version += 1;
        route_with(&mut config, |routing| {
            routing.agents.retain(|agent| agent.employee_id != "1001");
        });
        config.mobiles.remove("1001");
        config
    };
    let (mut w, mut agent, _) = on_line(sign_in_centre());
    w.configure(without(sign_in_centre()));
    w.run(3_000);
    agent.hung_up(&mut w);
    w.quiet();
    // A call in progress goes on.
    let (mut w, mut agent, line, mut customer, _) = talks(sign_in_centre());
    w.configure(without(sign_in_centre()));
    w.run(10_000);
    assert!(!w.was_sent(CARRIER, "BYE"));
    customer.bye(&mut w);
    assert!(w.legs().contains(&line));
    w.run(3_000);
    agent.hung_up(&mut w);
    w.quiet();
}

/// A mobile in a tunnel said nothing any more while its agent consulted: the customer was given
/// back to it, and talked to nobody. It goes where it would go if the agent had hung up.
#[test]
fn a_mobile_that_falls_silent_while_its_agent_consults_loses_no_customer() {
    for answered in [false, true] {
        let (mut w, mut customer, mut ring, leg, mobile) = rung(mobile_centre(), "123451");
        ring.answer(&mut w);
        w.press(mobile, "1");
        w.register(12, "1002");
        w.press(mobile, "*21002#");
        let mut other = rings(&mut w, 12);
        if answered {
            other.answer(&mut w);
            w.run(1_000);
        }
        w.silent(mobile);
        hung_up(&mut w, CARRIER);
        assert_eq!(w.agent("1001"), "wrap_up", "{answered}");
        if !answered {
            other.cancelled(&mut w);
            other = rings(&mut w, 12);
            assert!(w.hears_wait_tone(leg));
            other.answer(&mut w);
            w.run(1_000);
        }
        assert_eq!(w.agent("1002"), "talking", "{answered}");
        assert_eq!(w.hears(leg), None, "{answered}: it hears the colleague");
        customer.bye(&mut w);
        hung_up(&mut w, 12);
        w.quiet();
    }
}

/// 1001 signed in from the desk phone of 1002. One entry stood for both: 1001 was never in a call
/// of its own, and 1002, whose phone was in use, was offered calls there.
#[test]
fn who_signs_in_from_a_colleagues_phone_is_not_that_colleague() {
    let mut w = World::new(sign_in_centre());
    w.register(12, "1002");
    assert_eq!(w.agent("1002"), "idle");
    let sdp = Some(sdp(12, "sendrecv"));
    let dial = Dial { number: "123459", from: "1002", peer: 12, sdp, ..Dial::default() };
    let mut agent = dial.go_authenticated(&mut w);
    agent.answered(&mut w);
    let line = w.legs()[0];
    w.press(line, &format!("1001#{PIN}#"));
    compared(&mut w, true);
    assert_eq!((w.agent("1001"), w.agent("1002")), ("signed_out".into(), "talking".into()));
    w.press(line, "1");
    w.run(10_000);
    assert_eq!((w.agent("1001"), w.agent("1002")), ("idle".into(), "talking".into()));
    let (mut customer, _) = customer(&mut w, "123451");
    w.run(5_000);
    assert!(w.bridged());
    assert_eq!(w.agent("1001"), "talking");
    let (mut second, _) = self::customer(&mut w, "123451");
    assert!(!w.was_sent(12, "INVITE"), "the phone is in use");
    second.bye(&mut w);
    customer.bye(&mut w);
    agent.bye(&mut w);
    assert_eq!(w.agent("1002"), "idle", "its phone is free again");
    w.quiet();
}

/// A caller who had called an agent and was handed to a queue heard nothing after an announcement
/// that failed: only callers of queues were played the tone again.
#[test]
fn a_caller_handed_to_a_queue_hears_the_tone_again_when_its_agent_is_gone() {
    let mut config = sign_in_centre();
    config.single_phone.cut_line = CutLine::BeRung;
    route_with(&mut config, |routing| {
        let direct = Destination::Agent("1001".into());
        let of_agent = |route: &&mut hotline_routing::config::CalledRoute| {
            route.extension_code.as_deref() == Some("4")
        };
        routing.called_routes.iter_mut().find(of_agent).unwrap().destination = direct;
    });
    let (mut w, mut agent, line) = on_line(config);
    let (mut customer, leg) = customer(&mut w, "123454");
    w.run(5_000);
    assert!(w.bridged());
    w.press(line, "*3123452#");
    w.run(100);
    assert!(!w.hears_wait_tone(leg), "the agent is free at once, and announced");
    agent.bye(&mut w);
    assert!(w.hears_wait_tone(leg));
    customer.bye(&mut w);
    w.quiet();
}

/// Carriers refresh a session with a re-INVITE that changes nothing. The agent who held the
/// customer by its keys heard the customer from then on.
#[test]
fn a_refreshed_session_undoes_no_hold_by_key() {
    let (mut w, mut agent, line, mut customer, leg) = talks(sign_in_centre());
    w.press(line, "*1");
    w.run(5_000);
    customer.reinvite(&mut w, Some(sdp(CARRIER, "sendrecv")));
    w.take(CARRIER, "200 INVITE");
    customer.ack(&mut w, None);
    assert!(w.hears_wait_tone(leg));
    assert!(w.hears(line).is_some(), "silence, not the customer");
    w.press(line, "*1");
    w.run(5_000);
    assert_eq!((w.hears(line), w.hears(leg)), (None, None));
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

/// An agent who consulted and asked for a state while the colleague's phone rang heard nothing
/// after what it was told, and took the call for dead.
#[test]
fn a_consulting_agent_hears_the_tone_again_after_it_was_told_something() {
    let (mut w, mut agent, line, mut customer, _) = with_colleague(sign_in_centre());
    w.press(line, "*21002#");
    let ring = rings(&mut w, 12);
    assert!(w.hears_wait_tone(line));
    w.press(line, "*8");
    assert!(!w.hears_wait_tone(line), "it is told");
    w.run(3_000);
    assert!(w.hears_wait_tone(line));
    w.press(line, "*5");
    ring.cancelled(&mut w);
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

/// Each transfer after a consultation told the operator that routing had refused something.
#[test]
fn a_transfer_after_a_consultation_is_no_news_for_the_operator() {
    let (mut w, mut agent, line, mut customer, _) = with_colleague(sign_in_centre());
    w.press(line, "*21002#");
    rings(&mut w, 12).answer(&mut w);
    w.run(1_000);
    w.press(line, "*3");
    customer.bye(&mut w);
    hung_up(&mut w, 12);
    agent.bye(&mut w);
    w.quiet();
    assert!(!w.notices.iter().any(|text| text.contains("refused")), "{:?}", w.notices);
}

/// A queue that runs a flow while callers wait, and an agent who consults it: when the flow was
/// over the agent's feature codes were digits for the colleague, and nobody listened for them in
/// the audio.
#[test]
fn an_agent_who_consulted_a_queue_with_a_flow_has_its_keys_still() {
    const WAITS: &str = r#"
start = "wait"
[node.wait]
kind = "wait"
for_s = 20
tone = "default"
next = "wait"
"#;
    let mut config = sign_in_centre();
    let waits = centre_with(&[("sign_in", WAITS)]).flows;
    queue_with(&mut config, "read", |queue| queue.waiting = WaitMethod::Flow("sign_in".into()));
    let (mut w, mut agent, line, mut customer, leg) = with_colleague(config.clone());
    assert_eq!(relays(&w, line), Some(false));
    // Published anew under the name that the queue waits with.
    config.version += 1;
    config.flows = waits;
    w.configure(config.clone());
    w.press(line, "*2123452#");
    rings(&mut w, 12).answer(&mut w);
    w.run(3_000);
    assert_eq!(w.agent("1002"), "talking");
    assert_eq!(relays(&w, line), Some(false), "they are codes, not the colleague's");
    w.press(line, "*5");
    hung_up(&mut w, 12);
    assert_eq!(w.hears(leg), None, "back with the customer");
    customer.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

/// The carrier's connection was closed while a line's leg was in a call. The line forgot it, the
/// leg did not: its BYE went nowhere, and the telephone stayed connected.
#[test]
fn a_line_whose_connection_is_gone_is_hung_up_by_another() {
    for consults in [false, true] {
        let mut w = World::new(sign_in_centre());
        let flow = Some(tcp(CARRIER, 5));
        let mut agent = Dial { number: "123459", flow, ..Dial::default() }.go(&mut w);
        agent.answered(&mut w);
        let line = w.legs()[0];
        w.press(line, &format!("1001#{PIN}#"));
        compared(&mut w, true);
        w.press(line, "1");
        let (mut customer, _) = customer(&mut w, "123451");
        w.run(5_000);
        w.register(12, "1002");
        if consults {
            w.press(line, "*21002#");
            rings(&mut w, 12).answer(&mut w);
            w.run(1_000);
        }
        w.handle(hotline_engine::Input::FlowClosed { connection: ConnectionId(5) });
        if consults {
            w.press(line, "*5");
            hung_up(&mut w, 12);
        }
        customer.bye(&mut w);
        let verb = AgentVerb::SignOut;
        w.ask(Request::AgentVerb { employee_id: "1001".into(), verb }).unwrap();
        w.run(5_000);
        let (flow, bye) = w.take_on(CARRIER, "BYE");
        assert_eq!(flow.connection, None, "a new one to where its Contact says");
        w.receive(flow, parsed(response(&bye, 200, "x")));
        w.quiet();
    }
}
