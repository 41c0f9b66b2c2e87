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
