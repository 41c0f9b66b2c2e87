//! What the simulator has found: each test begins with its story.

use crate::peers::*;
use crate::world::*;
use hotline_engine::event::EventKind;
use hotline_engine::input::{Reply, Request};
use hotline_engine::record::ReleaseReason;
use hotline_engine::{CallId, Directory, Input};
use hotline_media::command::Command;
use hotline_routing::config::AnnounceOnAnswer;
use hotline_sip::header::HeaderName;
use std::sync::Arc;

/// A machine boots with its clock an hour ahead, starts the server, and is then set right. Every
/// nonce was now older than the start of the server, and so stale: each phone was challenged
/// again and again, as fast as the network carried it, and none could register for an hour.
#[test]
fn phones_register_also_after_the_wall_clock_was_set_back() {
    let mut w = World::new(centre());
    w.run(1_000);
    w.wall_shift_s = -3_600;
    w.register(11, "1001");
    assert_eq!(w.agent("1001"), "idle");
    w.wall_shift_s = 7_200;
    w.register(12, "1002");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.record();
}

/// A tenant is removed by mistake and brought back. Its calls were numbered from 1 again, so they
/// had the identifiers of earlier ones, and their records would have been lost as repetitions.
#[test]
fn calls_of_a_tenant_that_came_back_have_identifiers_of_their_own() {
    let mut w = World::new(centre());
    let directory = |version: u64, tenants: Vec<_>| Input::ConfigChanged {
        directory: Arc::new(Directory {
            version,
            tenants,
            trunks: Vec::new(),
            default_tenant: Some(TENANT),
        }),
    };
    let abandoned = |w: &mut World| {
        w.register(11, "1001");
        let mut caller = call(w, "123453");
        caller.expect(w, 183);
        let ring = rings(w, 11);
        caller.cancel(w);
        ring.cancelled(w);
        w.quiet();
    };
    abandoned(&mut w);
    w.handle(directory(2, Vec::new()));
    w.run(200_000);
    w.handle(directory(3, vec![Arc::new(centre())]));
    abandoned(&mut w);
    let released = w.events.iter().filter_map(|event| match &event.kind {
        EventKind::Released { record } => Some(record.call),
        _ => None,
    });
    let calls: Vec<CallId> = released.collect();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0], calls[1]);
}

/// A softphone crashes while its agent is idle. The INVITE to its old port found nobody, so the
/// agent was busy; the phone came back on another port, which was not its first contact, so nobody
/// told routing, and the agent was never offered a call again until the old contact ran out.
#[test]
fn an_agent_is_lifted_out_of_busy_by_a_phone_that_comes_back() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let dead = rings(&mut w, 11).flow;
    w.handle(Input::SendFailed { flow: dead });
    assert_eq!(w.agent("1001"), "busy phone_unavailable");
    // The same address sends a new contact: only that one rings, not the one nobody is at.
    w.register(12, "1001");
    assert_eq!(w.agent("1001"), "offered");
    rings(&mut w, 12).answer(&mut w);
    assert!(!w.was_sent(11, "INVITE"), "{:?}", w.ladder);
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    w.record();
}

/// The same phone with the same contact: the REGISTER was a refresh, and lifted nothing.
#[test]
fn a_refresh_of_a_contact_that_had_failed_lifts_its_agent_too() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let dead = rings(&mut w, 11).flow;
    w.handle(Input::SendFailed { flow: dead });
    assert_eq!(w.agent("1001"), "busy phone_unavailable");
    w.register(11, "1001");
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.record();
}

/// The server restarts. Its phones' TCP connections are gone and their bindings are not, so the
/// first caller was offered to an agent who could not be rung, which made the agent busy, and
/// every agent after it; the phones' own REGISTER was a refresh, and nobody was ever idle again.
#[test]
fn after_a_restart_a_phone_over_tcp_is_offered_nothing_until_it_is_back() {
    let mut w = World::new(centre());
    w.register_on(tcp(11, 1), "1001");
    let bindings = w.events.iter().filter_map(|event| match &event.kind {
        EventKind::BindingAdded { binding } => Some(binding.clone()),
        _ => None,
    });
    let bindings: Vec<_> = bindings.collect();
    let agents = w.events.iter().filter_map(|event| match &event.kind {
        EventKind::AgentState { snapshot, .. } => Some(snapshot.clone()),
        _ => None,
    });
    let agents: Vec<_> = agents.collect();
    let mut w = World::new(centre());
    w.handle(Input::Restore {
        partition: TENANT,
        bindings,
        agents,
        languages: Vec::new(),
        tries: Vec::new(),
    });
    assert_eq!(w.agent("1001"), "idle");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    assert_eq!(w.agent("1001"), "idle", "not offered, and so not busy");
    w.register_on(tcp(11, 9), "1001");
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.record();
}

/// A bridge that a media worker could not make was dropped without a word: both talked, and
/// neither heard anything, until one gave up.
#[test]
fn a_call_that_cannot_be_bridged_is_released() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    assert!(w.bridged());
    let legs = w.legs();
    let event = hotline_media::command::Event::NotBridged { leg: legs[0], other: legs[1] };
    w.handle(Input::Media(event));
    caller.hung_up(&mut w);
    hung_up(&mut w, 11);
    assert_eq!(w.record().reason, Some(ReleaseReason::ProtocolError));
}

/// A node is stopped in the middle of the day. It took no new calls, as it should, but nobody who
/// waited was offered to anybody either: all of them were hung up when the time to drain was over.
#[test]
fn a_node_that_drains_takes_no_new_calls_and_serves_those_who_wait() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    let ring = rings(&mut w, 11);
    let mut second = call(&mut w, "123451");
    second.answered(&mut w);
    w.handle(Input::Drain(true));
    call(&mut w, "123451").expect(&mut w, 503);
    ring.respond(&mut w, 180);
    w.run(20_000);
    ring.cancelled(&mut w);
    rings(&mut w, 11).answer(&mut w);
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.run(5_000);
    rings(&mut w, 11).answer(&mut w);
    second.bye(&mut w);
    hung_up(&mut w, 11);
    w.run(1_000);
    assert_eq!(w.records().len(), 2);
}

/// A queue may keep callers for a day. After a failed offer the call's own guard was set to twenty
/// minutes, whatever the queue said, and the caller was hung up when they were over.
#[test]
fn after_a_failed_offer_a_caller_may_wait_as_long_as_its_queue_says() {
    let mut config = centre();
    let mut routing = (*config.routing).clone();
    routing.queues[0].max_waiting_time_s = 60_000;
    config.routing = routing.into();
    let mut w = World::new(config);
    w.register_for(udp(11), "1001", 7_200);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    ring.respond(&mut w, 480);
    w.take(11, "ACK");
    w.run(3_000_000);
    assert_eq!(w.records().len(), 0, "it still waits");
    caller.bye(&mut w);
    w.record();
}

/// Nobody could serve the caller, who heard so for a while. The announcement was counted as
/// waiting, and the queue's figures said that callers waited longer than it lets them.
#[test]
fn the_announcement_after_the_queue_is_not_waiting_time() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(12, "1002");
    let mut busy = call(&mut w, "123451");
    busy.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    let mut other = call(&mut w, "123451");
    other.answered(&mut w);
    rings(&mut w, 12).answer(&mut w);
    let mut caller = call(&mut w, "123455");
    caller.answered(&mut w);
    w.run(3_000 + u64::from(PROMPT_MS));
    caller.hung_up(&mut w);
    w.run(1_000);
    let record = w.records().pop().unwrap();
    assert_eq!(record.reason, Some(ReleaseReason::QueueTimeout));
    assert_eq!(record.waiting_ms, 3_000);
    assert_eq!(record.sip_status, Some(200), "it was answered, if only to wait");
}

/// The caller was never served, and yet its record named the SIP call of the agent who had not
/// answered, as if that agent had had it.
#[test]
fn the_sip_call_of_a_failed_offer_belongs_to_the_offer_alone() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    let offered = header(&ring.invite, HeaderName::CallId);
    ring.respond(&mut w, 486);
    w.take(11, "ACK");
    caller.bye(&mut w);
    let record = w.record();
    assert_eq!(record.agent_sip_call_id, None);
    assert_eq!(record.offers[0].sip_call_id.as_deref(), Some(&*offered));
}

/// An agent in a call dialled on a second line. Its first call was forgotten among the agents'
/// calls, so that the console showed the wrong one and then none.
#[test]
fn an_agent_in_a_call_has_no_second_line() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(12, "1002");
    let dial = |w: &mut World, number: &'static str| {
        Dial { number, from: "1001", peer: 11, ..Dial::default() }.go_authenticated(w)
    };
    let mut first = dial(&mut w, "123451");
    first.answered(&mut w);
    rings(&mut w, 12).answer(&mut w);
    let mut second = dial(&mut w, "123452");
    second.expect(&mut w, 486);
    second.ack_failure(&mut w);
    let call = |w: &mut World| match w.ask(Request::Agent { employee_id: "1001".into() }) {
        Ok(Reply::Agents(agents)) => agents[0].call,
        other => panic!("{other:?}"),
    };
    assert!(call(&mut w).is_some());
    first.bye(&mut w);
    hung_up(&mut w, 12);
    assert!(call(&mut w).is_none());
    w.record();
}

/// A tenant is removed. A peer that had not noticed the end of its call asked in its dialog, and
/// nobody answered: it repeated itself for half a minute, and kept the call up as long.
#[test]
fn a_request_in_a_dialog_of_a_removed_tenant_gets_481() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    let directory = Directory { version: 2, ..Directory::default() };
    w.handle(Input::ConfigChanged { directory: Arc::new(directory) });
    caller.hung_up(&mut w);
    hung_up(&mut w, 11);
    w.run(200_000);
    let bye = caller.next(hotline_sip::Method::Bye);
    caller.send(&mut w, bye);
    w.take(CARRIER, "481 BYE");
}

/// Two phones of an agent rang, one was answered, and the other showed a missed call: its CANCEL
/// did not say why (RFC 3326), and the call's ladder showed neither it nor the answers to BYE.
#[test]
fn phones_that_lose_to_another_are_told_that_the_call_was_answered_elsewhere() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    w.register(12, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let loser = rings(&mut w, 12);
    loser.respond(&mut w, 180);
    rings(&mut w, 11).answer(&mut w);
    let cancel = w.take(12, "CANCEL");
    assert_eq!(
        header(&cancel, HeaderName::Reason),
        "SIP;cause=200;text=\"Call completed elsewhere\""
    );
    w.receive(loser.flow, parsed(response(&cancel, 200, &loser.tag)));
    loser.respond(&mut w, 487);
    w.take(12, "ACK");
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.record();
    let ladder = |what: &str, sent: bool| {
        w.events.iter().any(|event| {
            matches!(&event.kind, EventKind::Message { message, .. }
            if message.sent == sent && message.cseq.ends_with(what))
        })
    };
    assert!(ladder("CANCEL", true) && ladder("BYE", true) && ladder("BYE", false));
}

/// The arrows of answers, as `leg ← 200 OK 1 CANCEL`.
fn answers(w: &World) -> Vec<String> {
    let answer = |event: &hotline_engine::Event| match &event.kind {
        EventKind::Message { message, .. } if message.start_line.starts_with("200") => {
            let way = if message.sent { "→" } else { "←" };
            Some(format!("{} {way} {}", message.leg, message.cseq))
        }
        _ => None,
    };
    w.events.iter().filter_map(answer).collect()
}

/// Nobody told the calls of answers to CANCEL, and the answer to the last BYE came when the record
/// was written and the call forgotten: in no ladder was it seen that a peer had heard the end.
#[test]
fn answers_to_cancel_and_to_the_last_bye_are_in_the_ladder() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    caller.bye(&mut w);
    ring.cancelled(&mut w);
    w.quiet();
    let seen = answers(&w);
    assert!(seen.contains(&"1 ← 1 CANCEL".into()), "{seen:?}");

    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    w.run(5_000);
    caller.bye(&mut w);
    assert_eq!(w.records().len(), 1, "the call is over before its last answer");
    hung_up(&mut w, 11);
    w.quiet();
    let seen = answers(&w);
    assert!(seen.iter().any(|one| one.starts_with("1 ←") && one.ends_with("BYE")), "{seen:?}");

    let mut w = World::new(centre());
    let mut caller = call(&mut w, "123453");
    caller.expect(&mut w, 183);
    caller.cancel(&mut w);
    w.quiet();
    let seen = answers(&w);
    assert!(seen.contains(&"0 → 1 CANCEL".into()), "{seen:?}");
}

/// A server was restarted at noon, and every agent had been idle since noon, for no reason.
#[test]
fn since_when_and_why_an_agent_is_in_its_state_survives_a_restart() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let view = |w: &mut World| match w.ask(Request::Agent { employee_id: "1001".into() }) {
        Ok(Reply::Agents(agents)) => {
            (agents[0].state.clone(), agents[0].reason.clone(), agents[0].since)
        }
        other => panic!("{other:?}"),
    };
    let before = view(&mut w);
    let agents = w.events.iter().filter_map(|event| match &event.kind {
        EventKind::AgentState { snapshot, .. } => Some(snapshot.clone()),
        _ => None,
    });
    let agents: Vec<_> = agents.collect();
    let bindings = w.events.iter().filter_map(|event| match &event.kind {
        EventKind::BindingAdded { binding } => Some(binding.clone()),
        _ => None,
    });
    let bindings: Vec<_> = bindings.collect();
    let mut w = World::new(centre());
    w.run(60_000);
    w.handle(Input::Restore {
        partition: TENANT,
        bindings,
        agents,
        languages: Vec::new(),
        tries: Vec::new(),
    });
    assert_eq!(view(&mut w), before);
}

/// An agent at rest on its line began to type a number, was connected to the next customer and did
/// not go on. Ten seconds later the line, which had lent its telephone to that call, said "not
/// possible" into the conversation.
#[test]
fn what_was_typed_at_rest_is_forgotten_in_a_call() {
    let (mut w, mut agent, line) = crate::lines::on_line(crate::lines::sign_in_centre());
    w.press(line, "*2");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(5_000);
    assert!(w.bridged());
    let said = |w: &World| {
        let to_agent =
            |command: &&Command| matches!(command, Command::Play { leg, .. } if *leg == line);
        w.commands.iter().filter(to_agent).count()
    };
    let before = said(&w);
    w.run(20_000);
    assert_eq!(said(&w), before);
    caller.bye(&mut w);
    agent.bye(&mut w);
    w.quiet();
}

/// A customer was handed on to a queue and hung up while the second agent heard who calls. The
/// record said that the customer had left that queue when the first agent answered: before it had
/// come there.
#[test]
fn who_is_handed_on_leaves_the_queue_after_it_has_come_there() {
    let mut config = crate::lines::sign_in_centre();
    let routing = Arc::make_mut(&mut config.routing);
    for queue in &mut routing.queues {
        queue.announce_on_answer = AnnounceOnAnswer::EmployeeId;
    }
    let (mut w, mut agent, line) = crate::lines::on_line(config);
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    w.run(10_000);
    assert!(w.bridged());
    w.register(12, "1002");
    w.press(line, "*3123451#");
    rings(&mut w, 12).answer(&mut w);
    assert_eq!(w.agent("1002"), "talking");
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    agent.bye(&mut w);
    w.quiet();
    let records = w.records();
    let record = records.iter().find(|record| record.queues.len() == 2).unwrap();
    let last = &record.queues[1];
    assert_eq!(last.outcome.as_deref(), Some("answered"));
    assert!(last.left >= Some(last.entered), "{record:?}");
}
