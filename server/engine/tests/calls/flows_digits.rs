//! Keys in flows: by telephone-events, in INFO, as tones, by two ways at once; and nobody else
//! learns what was typed.

use crate::flows::*;
use crate::peers::*;
use crate::world::*;
use hotline_engine::Input;
use hotline_engine::effect::{Effect, EffectDone};
use hotline_media::command::{Command, DigitSource, Event as MediaEvent, LegRef};
use hotline_sip::Method;

const COLLECTS: &str = r##"
start = "number"
[variables]
number = { type = "text", value = "" }
[node.number]
kind = "collect"
say = ["hello"]
into = "number"
min = 1
max = 8
next = "note"
on_timeout = "note"
on_no_match = "note"
[node.note]
kind = "set"
data = { number = "number" }
next = "end"
[node.end]
kind = "end"
say = ["bye"]
"##;

#[derive(Clone, Copy)]
enum By {
    Rtp,
    Info,
    Dtmf,
    Tone,
}

fn press(w: &mut World, caller: &mut Caller, leg: LegRef, digit: char, by: By) {
    let media = |source| Input::Media(MediaEvent::Digit { leg, digit, duration_ms: 80, source });
    let info = match by {
        By::Rtp => return w.handle(media(DigitSource::Rtp)),
        By::Tone => return w.handle(media(DigitSource::InBand)),
        By::Info => ("application/dtmf-relay", format!("Signal={digit}\r\nDuration=160\r\n")),
        By::Dtmf => ("application/dtmf", digit.to_string()),
    };
    let info = caller.next(Method::Info).body(info.0, info.1);
    caller.send(w, info);
    w.take(CARRIER, "200 INFO");
}

/// What the flow collects of presses by these ways, 100 ms apart, and the terminator.
fn collected(sdp: String, keys: &str, ways: &[By]) -> String {
    let mut w = World::new(centre_with(&[("main", COLLECTS)]));
    let mut caller = Dial { number: "123459", sdp: Some(sdp), ..Dial::default() }.go(&mut w);
    caller.answered(&mut w);
    let leg = w.legs()[0];
    for key in keys.chars().chain(['#']) {
        for by in ways {
            press(&mut w, &mut caller, leg, key, *by);
            w.run(10);
        }
        w.run(90);
    }
    assert_eq!(heard(&w, leg), "bye");
    w.run(PROMPT);
    caller.hung_up(&mut w);
    w.record().data.remove("number").unwrap_or_default()
}

#[test]
fn keys_come_by_three_ways_and_by_two_at_once() {
    let with = || sdp(CARRIER, "sendrecv");
    let without = || sdp_with(CARRIER, "sendrecv", "8", "");
    for (sdp, ways) in [
        (with(), &[By::Rtp][..]),
        (with(), &[By::Info]),
        (with(), &[By::Dtmf]),
        (with(), &[By::Rtp, By::Info]),
        (with(), &[By::Info, By::Rtp]),
        (without(), &[By::Tone]),
        (without(), &[By::Tone, By::Dtmf]),
    ] {
        assert_eq!(collected(sdp, "11223", ways), "11223");
    }
}

#[test]
fn tones_are_looked_for_only_where_there_are_no_telephone_events_and_only_in_a_flow() {
    let settings = |w: &World, leg: LegRef| {
        let set = |command: &Command| match command {
            Command::SetDigits { leg: of, in_band, .. } if *of == leg => Some(*in_band),
            _ => None,
        };
        w.commands.iter().filter_map(set).collect::<Vec<_>>()
    };
    for (formats, expected) in [("8 101", &[][..]), ("8", &[true, false])] {
        let mut w = World::new(centre_with(&[("main", MENU)]));
        w.register(11, "1001");
        let sdp = Some(sdp_with(CARRIER, "sendrecv", formats, ""));
        let mut caller = Dial { number: "123459", sdp, ..Dial::default() }.go(&mut w);
        caller.answered(&mut w);
        let leg = w.legs()[0];
        w.press(leg, "1");
        rings(&mut w, 11).answer(&mut w);
        assert_eq!(settings(&w, leg), expected, "{formats}");
        caller.bye(&mut w);
        hung_up(&mut w, 11);
        w.quiet();
    }
}

#[test]
fn keys_typed_ahead_are_kept_for_the_nodes_that_follow() {
    let mut w = World::new(centre_with(&[("main", MENU)]));
    w.register(11, "1001");
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    assert_eq!(heard(&w, leg), "hello");
    press(&mut w, &mut caller, leg, '1', By::Info);
    rings(&mut w, 11).answer(&mut w);
    assert_eq!(steps(&w), ["main.hello", "main.menu", "main.support"]);
    // Once bridged, keys are for the other side.
    let info = caller.next(Method::Info).body("application/dtmf", "5");
    caller.send(&mut w, info);
    w.take(CARRIER, "200 INFO");
    assert_eq!(w.sent_digits(w.legs()[1]), "5");
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

const SIGN_IN: &str = r#"
start = "sign_in"
[node.sign_in]
kind = "agent_sign_in"
mode = "hold_the_line"
next = "end"
on_failure = "end"
on_locked = "end"
[node.end]
kind = "end"
"#;

#[test]
fn an_agent_signs_in_and_holds_the_line_and_its_pin_is_seen_nowhere() {
    let (hash, pin) = ("$argon2id$stored", "70514263");
    let mut config = centre_with(&[("main", SIGN_IN)]);
    let mobile = hotline_engine::config::Mobile {
        pin_hash: hotline_base::Redacted::new(hash.into()),
        ..Default::default()
    };
    config.mobiles.insert("1001".into(), mobile);
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    w.press(leg, &format!("1001#{pin}#"));
    let (id, effect, _) = w.effects.remove(0);
    let shown = format!("{effect:?}");
    let Effect::VerifyPin { hash: compared, pin: typed } = effect else { panic!("{effect:?}") };
    assert_eq!((compared.expose().as_str(), typed.expose().as_str()), (hash, pin));
    w.done(id, EffectDone::Pin(true));
    w.run(3_000);
    assert_eq!(w.agent("1001"), "idle");
    caller.bye(&mut w);
    let record = w.record();
    let seen = format!("{shown} {record:?} {:?} {:?} {:?}", w.events, w.notices, w.engine);
    assert!(!seen.contains(pin), "the PIN was seen");
}
