//! Messages that callers leave, ended in every way there is: what is kept of them, how long it is by
//! its audio and by the API, and where the call goes afterwards.

use hotline_tests::audio::{Sound, longest_break_ms, read_wav, sounds, told, total_ms};
use hotline_tests::caller::{Caller, Way};
use hotline_tests::{Centre, Server, Setup, during, ms, s, until, within};
use serde_json::Value as Json;

const CALLER_HZ: u32 = 700;
/// How long a caller speaks who is not cut off.
const SPEAKS_MS: u64 = 2_000;
/// What the flow below allows.
const LONGEST_MS: u64 = 4_000;
/// What is kept behind the last word of a message that silence ended.
const AFTERWARDS_MS: u64 = 200;
/// The server's steps, a telephone's packets, and what a busy machine adds.
const UNSURE_MS: u64 = 250;

const MESSAGE: &str = r##"
languages = ["en"]
start = "message"
on_hang_up = "bye"

[node.message]
kind = "message"
say = ["welcome"]
mailbox = "box"
max_s = 4
min_s = 1
silence_s = 1
stop_on = "#5"
next = "saved"
on_empty = "empty"

[node.saved]
kind = "end"
say = ["message_saved"]

[node.empty]
kind = "end"
say = ["no_input"]
cause = 17

[node.bye]
kind = "end"
"##;

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Silence,
    Limit,
    Digit,
    HangUp,
    /// By a digit, when next to nothing has been said.
    TooSoon,
}

/// Caller `n` leaves a message.
fn leaves(server: &Server, n: u8, ended: Ended) {
    let mut caller = Caller::dials(server, n, "123457", Way::Events);
    caller.hears("welcome");
    // The tone that asks to speak is the last that is heard.
    until("the tone is over", s(8), || {
        caller.audio.last_sound_at().is_some_and(|at| at.elapsed() > ms(300))
    });
    caller.says(CALLER_HZ);
    match ended {
        // Says more than is taken, and is not asked to end.
        Ended::Limit => {}
        Ended::TooSoon => during(ms(400)),
        _ => during(ms(SPEAKS_MS)),
    }
    match ended {
        Ended::Silence => caller.says(0),
        Ended::Digit | Ended::TooSoon => caller.presses("5"),
        Ended::Limit | Ended::HangUp => {}
    }
    match ended {
        Ended::HangUp => drop(caller.hangs_up(server)),
        Ended::TooSoon => {
            caller.hears("no_input");
            caller.ends(server, 17);
        }
        _ => {
            caller.hears("message_saved");
            caller.ends(server, 16);
        }
    }
}

/// The message of caller `n`, when it is there.
fn message(server: &Server, n: u8) -> Option<Json> {
    let messages = server.api().read("messages?mailbox=box");
    let calling = format!("400{n}");
    let mut messages = messages["messages"].as_array().into_iter().flatten();
    messages.find(|message| message["calling"] == calling).cloned()
}

#[test]
fn a_message_is_as_long_as_what_was_said_however_it_ends() {
    let server =
        Server::start(Setup::with(|net| vec![Centre::usual(net).flow("message", "7", MESSAGE)]));
    let ways = [Ended::Silence, Ended::Limit, Ended::Digit, Ended::HangUp, Ended::TooSoon];
    std::thread::scope(|scope| {
        for (n, ended) in (0..).zip(ways) {
            let server = &server;
            scope.spawn(move || leaves(server, n, ended));
        }
    });
    for (n, ended) in (0..).zip(ways) {
        if ended == Ended::TooSoon {
            assert_eq!(message(&server, n), None, "it is thrown away");
            continue;
        }
        let message = within(s(5), || message(&server, n));
        let message = message.unwrap_or_else(|| panic!("{ended:?}: no message"));
        let told_ms = message["duration_ms"].as_u64().unwrap_or_default();
        // What is recorded begins before the caller, who has listened whether the tone is over.
        let expected = match ended {
            Ended::Limit => LONGEST_MS..LONGEST_MS + 40,
            Ended::Silence => SPEAKS_MS + AFTERWARDS_MS..SPEAKS_MS + AFTERWARDS_MS + 700,
            _ => SPEAKS_MS - UNSURE_MS..SPEAKS_MS + 700,
        };
        assert!(expected.contains(&told_ms), "{ended:?}: {expected:?}, but {message:#}");
        let recording = message["recording"].as_str().unwrap_or_default();
        let (status, bytes) = server.api().bytes(&format!("messages/{recording}"));
        assert_eq!(status, 200, "{message:#}");
        let file = server.dir().join("message.wav");
        std::fs::write(&file, bytes).expect("a file");
        let samples = read_wav(&file);
        assert_eq!(
            samples.len() as u64 / 8,
            told_ms,
            "{ended:?}: the file, and what is said of it"
        );
        let heard = sounds(&samples, &[f64::from(CALLER_HZ)]);
        let spoken = total_ms(&heard, Sound::Tone(0));
        let said = if ended == Ended::Limit { LONGEST_MS - 700 } else { SPEAKS_MS - UNSURE_MS };
        assert!(spoken >= said, "{ended:?}: {spoken} ms of the caller in {}", told(&heard));
        let pause = longest_break_ms(&heard, Sound::Tone(0));
        assert!(pause <= Some(40), "{ended:?}: a break of {pause:?} in {}", told(&heard));
    }
    assert_eq!(server.api().records().len(), ways.len());
}
