//! What a caller types, on real calls: telephone-events that arrive in parts, one press by several
//! ways at once, keys held for long and pressed fast; and how long a flow waits for keys, what of
//! those typed ahead it keeps, and how soon it falls silent at one.

use hotline_tests::caller::{Caller, Way};
use hotline_tests::rtp::{Event, PACKET};
use hotline_tests::speech::prompt_ms;
use hotline_tests::{Centre, Server, Setup, during, ms, s, within};
use std::time::{Duration, Instant};

/// Takes digits up to `#`; what they were is in the record.
const TYPED: &str = r##"
languages = ["en"]
start = "ask"
on_hang_up = "bye"

[variables]
typed = "text"

[node.ask]
kind = "collect"
say = ["sign_in_employee_id"]
into = "typed"
first_digit_s = 20
inter_digit_s = 15
next = "kept"
on_timeout = "bye"
on_no_match = "bye"

[node.kept]
kind = "set"
data = { typed = "typed" }
next = "right"

[node.right]
kind = "end"
say = ["message_saved"]

[node.bye]
kind = "end"
"##;

fn server() -> Server {
    Server::start(Setup::with(|net| vec![Centre::usual(net).flow("typed", "7", TYPED)]))
}

/// A caller whose telephone sends these packets when it is asked to type, and then `#`; what the
/// flow has taken for typed.
fn typed(server: &Server, n: u8, events: impl FnOnce(u8) -> Vec<Event>) -> String {
    let mut caller = Caller::dials(server, n, "123457", Way::Events);
    caller.hears("sign_in_employee_id");
    caller.audio.send_events(events(caller.events));
    caller.audio.until_sent();
    // Well apart from what went wrong before.
    during(ms(400));
    caller.presses("#");
    caller.hears("message_saved");
    let record = caller.ends(server, 16);
    record["data"]["typed"].as_str().unwrap_or_default().to_owned()
}

/// Nothing for so many packets' time.
fn pause(packets: usize) -> Vec<Event> {
    vec![Event::default(); packets]
}

/// `1`, of which the packets that `is_lost` names by number from 0 do not arrive.
fn one_without(events: u8, is_lost: impl Fn(usize) -> bool) -> Vec<Event> {
    let press = Event::press('1', events, 5, 3).into_iter().enumerate();
    press.map(|(n, event)| if is_lost(n) { event.lost() } else { event }).collect()
}

/// A key that is down for so many packets, in segments as RFC 4733 §2.5.1.3 has it: the duration is
/// of 16 bits, so a longer event goes on in another one.
fn held_down(events: u8, packets: u32) -> Vec<Event> {
    const SEGMENT: u32 = 0xffff;
    let packet = |n: u32| {
        let (passed, end) = (n.min(packets) * 160, n > packets);
        let segment = passed / SEGMENT * SEGMENT;
        let [high, low] = ((passed - segment) as u16).to_be_bytes();
        let payload = Some([5, if end { 0x80 } else { 0 } | 10, high, low]);
        Event { payload_type: events, begins: n == 1, segment, payload }
    };
    (1..=packets + 3).map(packet).collect()
}

/// What a telephone sends with this payload type.
type Telephone = fn(u8) -> Vec<Event>;

#[test]
fn presses_are_counted_right_whatever_of_them_arrives() {
    let server = server();
    let rows: [(&str, Telephone, &str); 9] = [
        ("all of it", |pt| one_without(pt, |_| false), "1"),
        ("no end", |pt| one_without(pt, |n| n >= 5), "1"),
        (
            "no end, and the next at once",
            |pt| [one_without(pt, |n| n >= 5), Event::press('2', pt, 5, 3)].concat(),
            "12",
        ),
        (
            "no end, and the same again",
            |pt| [one_without(pt, |n| n >= 5), pause(5), one_without(pt, |_| false)].concat(),
            "11",
        ),
        ("no beginning", |pt| one_without(pt, |n| n < 4), "1"),
        ("only the last packet", |pt| one_without(pt, |n| n < 7), "1"),
        ("every other packet", |pt| one_without(pt, |n| n % 2 == 0), "1"),
        (
            "the same fast",
            |pt| {
                let one = || [Event::press('1', pt, 3, 3), pause(2)].concat();
                [one(), one(), one(), one()].concat()
            },
            "1111",
        ),
        ("held for 18 s", |pt| held_down(pt, 900), "5"),
    ];
    std::thread::scope(|scope| {
        let server = &server;
        let calls = (0..).zip(rows).map(|(n, (what, events, expected))| {
            scope.spawn(move || (what, typed(server, n, events), expected))
        });
        for call in calls.collect::<Vec<_>>() {
            let (what, typed, expected) = call.join().expect("a call that goes on");
            assert_eq!(typed, expected, "{what}");
        }
    });
}

/// The telephone tells of each key twice or three times at once: as gateways do that let the tones
/// through beside what they make of them.
#[test]
fn a_press_that_comes_by_all_ways_at_once_counts_once() {
    let server = server();
    std::thread::scope(|scope| {
        let server = &server;
        for (n, way) in [(0, Way::Events), (1, Way::InBand)] {
            scope.spawn(move || {
                let mut caller = Caller::dials(server, n, "123457", way);
                caller.hears("sign_in_employee_id");
                for key in ['1', '2', '2'] {
                    caller.audio.press_in_band(&key.to_string());
                    if way == Way::Events {
                        caller.presses(&key.to_string());
                    }
                    assert_eq!(caller.informs(key), 200);
                    caller.audio.until_sent();
                    // The tones last 100 ms, with as much silence; then a pause as between keys.
                    during(ms(400));
                }
                caller.presses("#");
                caller.hears("message_saved");
                let record = caller.ends(server, 16);
                assert_eq!(record["data"]["typed"], "122", "{way:?}: {record:#}");
            });
        }
    });
}

/// Menus and collections whose times are measured, each reached by an extension code.
const FIRST_DIGIT: &str = r##"
start = "ask"
[node.ask]
kind = "menu"
say = ["welcome"]
first_digit_s = 1.5
retries = 1
retry_say = [["no_input"]]
keys = { "1" = "right" }
on_timeout = "late"
on_no_match = "late"
[node.right]
kind = "end"
say = ["message_saved"]
[node.late]
kind = "end"
say = ["all_busy"]
"##;

const INTER_DIGIT: &str = r##"
start = "ask"
on_hang_up = "bye"
[variables]
typed = "text"
[node.ask]
kind = "collect"
into = "typed"
terminator = ""
first_digit_s = 20
inter_digit_s = 1
next = "right"
on_timeout = "bye"
on_no_match = "bye"
[node.right]
kind = "end"
say = [{ digits = "typed" }]
[node.bye]
kind = "end"
"##;

#[test]
fn a_flow_waits_for_the_first_digit_and_for_the_next_as_long_as_it_says() {
    let server = Server::start(Setup::with(|net| {
        let centre = Centre::usual(net).flow("first", "2", FIRST_DIGIT);
        vec![centre.flow("inter", "3", INTER_DIGIT)]
    }));
    std::thread::scope(|scope| {
        let server = &server;
        scope.spawn(move || {
            let mut caller = Caller::dials(server, 0, "123452", Way::Events);
            let mut before = heard_at(&mut caller, "welcome") + length("welcome");
            for prompt in ["no_input", "all_busy"] {
                let at = heard_at(&mut caller, prompt);
                let waited = at.saturating_duration_since(before);
                assert!((ms(1_300)..ms(1_900)).contains(&waited), "{prompt} after {waited:?}");
                before = at + length(prompt);
            }
            caller.ends(server, 16);
        });
        scope.spawn(move || {
            let mut caller = Caller::dials(server, 1, "123453", Way::Events);
            caller.presses("4");
            caller.audio.until_sent();
            // Longer than between keys, shorter than the limit.
            during(ms(600));
            caller.presses("7");
            caller.audio.until_sent();
            // Events are told of at once, and go on for 160 ms.
            let pressed = Instant::now() - ms(160);
            let said = heard_at(&mut caller, "digit_4");
            let waited = said.saturating_duration_since(pressed);
            assert!((ms(900)..ms(1_500)).contains(&waited), "said after {waited:?}");
            caller.hears("digit_7");
            caller.ends(server, 16);
        });
    });
}

/// When a prompt began to be heard.
fn heard_at(caller: &mut Caller, prompt: &str) -> Instant {
    let place = caller.hears(prompt);
    caller.audio.came_at(place)
}

fn length(prompt: &str) -> Duration {
    ms(prompt_ms("en", prompt))
}

/// Says something to the end, then takes two digits: those typed ahead, or none of them.
fn after_a_prompt(flush: bool) -> String {
    format!(
        "start = \"hello\"\non_hang_up = \"bye\"\n[variables]\ntyped = \"text\"\n\
         [node.hello]\nkind = \"play\"\nsay = [\"welcome\"]\nbarge_in = false\nnext = \"ask\"\n\
         [node.ask]\nkind = \"collect\"\nsay = [\"sign_in_pin\"]\ninto = \"typed\"\nmin = 2\n\
         max = 2\nflush = {flush}\nretries = 0\nfirst_digit_s = 1\nnext = \"right\"\n\
         on_timeout = \"late\"\non_no_match = \"late\"\n\
         [node.right]\nkind = \"end\"\nsay = [{{ digits = \"typed\" }}]\n\
         [node.late]\nkind = \"end\"\nsay = [\"no_input\"]\n[node.bye]\nkind = \"end\"\n"
    )
}

#[test]
fn digits_typed_ahead_are_kept_or_thrown_away() {
    let server = Server::start(Setup::with(|net| {
        let centre = Centre::usual(net).flow("kept", "2", &after_a_prompt(false));
        vec![centre.flow("flushed", "3", &after_a_prompt(true))]
    }));
    for (n, dialled, kept) in [(0, "123452", true), (1, "123453", false)] {
        let mut caller = Caller::dials(&server, n, dialled, Way::Events);
        caller.presses("38");
        let said = caller.hears("welcome");
        if kept {
            let digits = caller.hears("digit_3");
            caller.hears("digit_8");
            assert!(!caller.ear.has_heard("en", "sign_in_pin"), "it need not be asked");
            let spoken = digits - said;
            assert!(spoken + 100 > prompt_ms("en", "welcome"), "cut off after {spoken} ms");
        } else {
            caller.hears("sign_in_pin");
            caller.hears("no_input");
        }
        caller.ends(&server, 16);
    }
}

/// A menu that is long to hear, with a pause behind each key.
const LONG: &str = r##"
start = "menu"
[node.menu]
kind = "menu"
say = ["menu_main", "menu_language"]
keys = { "1" = "pause" }
on_timeout = "bye"
on_no_match = "bye"
[node.pause]
kind = "wait"
for_s = 1
next = "menu"
[node.bye]
kind = "end"
"##;

/// After a key the prompt is heard for this long at most, from when the telephone tells of it: in its
/// next packet.
const SILENT_WITHIN: Duration = ms(100);

#[test]
fn a_prompt_falls_silent_at_a_key() {
    let server = Server::start(Setup::with(|net| vec![Centre::usual(net).flow("long", "2", LONG)]));
    for (n, way) in [(0, Way::Events), (1, Way::Relay)] {
        let mut caller = Caller::dials(&server, n, "123452", way);
        let mut latest = Vec::new();
        for _ in 0..3 {
            caller.hears("menu_main");
            let pressed = Instant::now();
            caller.presses("1");
            let silent = || {
                let last = caller.audio.last_sound_at()?;
                (last.elapsed() > ms(500)).then_some(last)
            };
            let last = within(s(2), silent).unwrap_or_else(|| panic!("{way:?}: it goes on"));
            latest.push(last.saturating_duration_since(pressed));
        }
        latest.sort();
        println!("{way:?}: silent after {latest:?}");
        // The machine may be busy with others at one time, and at another.
        assert!(latest[0] <= SILENT_WITHIN + PACKET, "{way:?}: silent after {latest:?}");
        assert!(latest[2] < SILENT_WITHIN * 5, "{way:?}: silent after {latest:?}");
        caller.hangs_up(&server);
    }
}
