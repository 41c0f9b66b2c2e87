//! Star codes: an agent's plain phone changes and hears its state.

use crate::peers::*;
use crate::world::*;

/// The phone of 1001 dials a code and hears what came of it; the call then ends by itself.
fn dials(w: &mut World, code: &str) {
    let before = w.legs();
    let dial = Dial { number: code, from: "1001", peer: 11, ..Dial::default() };
    let mut phone = dial.go_authenticated(w);
    phone.answered(w);
    let leg = *w.legs().iter().find(|leg| !before.contains(leg)).unwrap();
    assert!(w.hears(leg).is_some(), "{code}: it is told");
    w.run(5_000);
    phone.hung_up(w);
}

#[test]
fn a_plain_phone_says_its_state_by_star_codes() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    for (code, state) in [
        ("*53", "busy chosen"),
        ("*55", "busy chosen"),
        ("*52", "idle"),
        ("*54", "rest"),
        ("*52", "idle"),
        ("*51", "signed_out"),
        ("*55", "signed_out"),
        ("*52", "signed_out"),
        ("*50", "idle"),
    ] {
        dials(&mut w, code);
        assert_eq!(w.agent("1001"), state, "{code}");
    }
    w.quiet();
}

#[test]
fn a_star_code_ends_wrap_up() {
    let mut w = World::new(centre());
    w.register(11, "1001");
    let mut customer = call(&mut w, "123451");
    customer.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    w.run(1_000);
    customer.bye(&mut w);
    hung_up(&mut w, 11);
    assert_eq!(w.agent("1001"), "wrap_up");
    let dial = Dial { number: "*56", from: "1001", peer: 11, ..Dial::default() };
    let mut phone = dial.go_authenticated(&mut w);
    phone.answered(&mut w);
    assert_eq!(w.agent("1001"), "talking", "with us, for a moment");
    phone.bye(&mut w);
    assert_eq!(w.agent("1001"), "idle");
    w.quiet();
}

#[test]
fn a_trunk_dials_no_star_codes() {
    let mut w = World::new(centre());
    let mut caller = call(&mut w, "*52");
    caller.expect(&mut w, 404);
    caller.ack_failure(&mut w);
    w.run(200_000);
}
