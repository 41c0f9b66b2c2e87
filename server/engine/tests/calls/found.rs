//! What the simulator has found: each test begins with its story.

use crate::peers::*;
use crate::world::*;
use hotline_engine::event::EventKind;
use hotline_engine::{CallId, Directory, Input};
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
    w.handle(Input::Restore { partition: TENANT, bindings, agents });
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
