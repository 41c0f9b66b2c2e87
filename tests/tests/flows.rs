//! Callers walk the demo's flows on a running server: by keys of every kind, from phones of every
//! kind. What they hear is compared with the recordings.

use hotline_media::command::Codec;
use hotline_tests::audio::{Sound, sounds, told, total_ms};
use hotline_tests::baresip::{Baresip, Options};
use hotline_tests::caller::{Caller, Way};
use hotline_tests::capture::{Capture, Packet, Stream};
use hotline_tests::phone::SOON;
use hotline_tests::rtp::Rtp;
use hotline_tests::sipp::Sipp;
use hotline_tests::speech::{Hears, hears, prompt};
use hotline_tests::{Phone, Server, Setup, demo, s};
use serde_json::json;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CALLER_HZ: u32 = 700;
const AGENT_HZ: u32 = 1_000;

fn demo_server() -> Server {
    Server::start(Setup::with(|net| vec![demo::centre(net)]))
}

/// Agent 1001, who is idle, with its audio.
fn agent(server: &Server) -> (Phone, Rtp) {
    let phone = Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    server.api().until_agent_is("1001", "idle");
    let audio = Rtp::open(phone.local.ip());
    (phone, audio)
}

#[test]
fn a_menu_takes_keys_of_every_kind_and_speaks_the_language_that_a_caller_chose() {
    let server = demo_server();
    let ways = [Way::Events, Way::Relay, Way::Plain, Way::InBand];
    std::thread::scope(|scope| {
        for (n, way) in (0..).zip(ways) {
            let server = &server;
            scope.spawn(move || {
                let mut caller = Caller::dials(server, n, "12345", way);
                caller.hears("welcome");
                caller.hears("menu_main");
                caller.presses("9");
                caller.hears("menu_language");
                caller.presses("2");
                caller.ear.until_heard("zh", "menu_main");
                assert!(!caller.ear.has_heard("en", "menu_main"), "{way:?}");
                caller.hangs_up(server);
                // Its next call begins in the language it chose.
                let mut caller = Caller::dials(server, n, "12345", way);
                caller.ear.until_heard("zh", "welcome");
                caller.ear.until_heard("zh", "menu_main");
                caller.hangs_up(server);
            });
        }
    });
    // Somebody else's does not.
    let mut other = Caller::dials(&server, 5, "12345", Way::Events);
    other.hears("welcome");
    let record = other.hangs_up(&server);
    assert_eq!(record["released_by"], "caller", "{record:#}");
}

/// The audio that the server sends to somebody, from a capture.
fn audio_to(packets: &[Packet], server: IpAddr, caller: IpAddr) -> Stream {
    let is_rtp = |packet: &&Packet| {
        packet.from.ip() == server && packet.to.ip() == caller && packet.payload.len() == 172
    };
    let first = packets.iter().find(is_rtp).expect("an RTP stream");
    Stream::of(packets, first.from)
}

/// Whether a caller has heard the menu, chosen languages, and heard the menu in Mandarin.
fn check_language_chosen(samples: &[i16]) {
    let at = |language: &str, name: &str| {
        let found = hears(samples, &prompt(language, name));
        found.unwrap_or_else(|| {
            panic!("no {language}/{name} in {}", told(&sounds(samples, &[])));
        })
    };
    let heard = [
        at("en", "welcome"),
        at("en", "menu_main"),
        at("en", "menu_language"),
        at("zh", "menu_main"),
    ];
    assert!(heard.is_sorted(), "{heard:?}");
}

#[test]
fn sipp_chooses_a_language_by_events() {
    let server = demo_server();
    let ip = server.net.carrier(0);
    let capture = Capture::start(server.net.server(), server.dir());
    let arguments = ["-s", "12345", "-key", "from", "4000", "-key", "first", "9"];
    let arguments = [&arguments[..], &["-key", "second", "2", "-m", "1"]].concat();
    let sip = Some(server.sip());
    let mut caller = Sipp::start(server.dir(), "caller_presses", ip, sip, s(60), &arguments);
    caller.succeed(s(60));
    let packets = capture.stop();
    check_language_chosen(&audio_to(&packets, server.net.server(), ip).samples);
}

/// The two tones of each key, 120 ms long and two seconds after the one before, as sox makes them:
/// A-law without a header.
fn write_tones(path: &Path, keys: &[[&str; 2]]) {
    let mut audio = Vec::new();
    for [row, column] in keys {
        let said = std::process::Command::new("sox")
            .args(["-r", "8000", "-c", "2", "-n", "-t", "al", "-c", "1", "-"])
            .args(["synth", "0.12", "sine", row, "sine", column, "remix", "1,2", "gain", "-3"])
            .args(["pad", "2", "0"])
            .output();
        let said = said.expect("sox: run tests/setup");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        audio.extend(said.stdout);
    }
    // A-law's silence, while the call goes on.
    audio.extend(std::iter::repeat_n(0xd5, 30 * 8_000));
    std::fs::write(path, audio).expect("a file");
}

#[test]
fn sipp_walks_the_menu_by_info_of_both_kinds_and_by_tones() {
    let server = demo_server();
    let mut sales = Phone::udp(server.net.agent(1), server.sip(), "1002").of("alpha.test");
    sales = sales.registered();
    let far = Rtp::open(sales.local.ip());
    server.api().until_agent_is("1002", "idle");
    // 9, 3, 2: the languages, Spanish, sales.
    write_tones(
        &server.dir().join("says.al"),
        &[["852", "1477"], ["697", "1477"], ["697", "1336"]],
    );
    let capture = Capture::start(server.net.server(), server.dir());
    let relay = ["-key", "type", "application/dtmf-relay", "-key", "first", "Signal=9"];
    let relay = [&relay[..], &["-key", "second", "Signal=3", "-key", "third", "Signal=2"]].concat();
    let plain = ["-key", "type", "application/dtmf", "-key", "first", "9", "-key", "second", "3"];
    let plain = [&plain[..], &["-key", "third", "3"]].concat();
    let mut callers = [
        Sipp::menu(&server, 0, "caller_informs", &relay),
        Sipp::menu(&server, 1, "caller_informs", &plain),
        Sipp::menu(&server, 2, "caller_says", &[]),
    ];
    // Two of them reach sales, each after the other.
    for _ in 0..2 {
        let mut call = sales.ringing(s(20));
        sales.answer(&call, far.address);
        far.talk(call.audio.expect("an offer"), AGENT_HZ);
        server.api().until_agent_is("1002", "talking");
        assert_eq!(sales.hang_up(&mut call), 200);
        far.fall_silent();
    }
    for caller in &mut callers {
        caller.succeed(s(30));
    }
    let packets = capture.stop();
    let mut records = server.api().records();
    records.sort_by_key(|record| record["calling"].as_str().map(str::to_owned));
    for (n, record) in (0..3).zip(&records) {
        let heard = audio_to(&packets, server.net.server(), server.net.carrier(n)).samples;
        let at = |(language, name): (&str, &str)| {
            let found = hears(&heard, &prompt(language, name));
            found.unwrap_or_else(|| {
                panic!("{n}: no {language}/{name}: {}", told(&sounds(&heard, &[])))
            })
        };
        let steps = [("en", "welcome"), ("en", "menu_main"), ("en", "menu_language")];
        let mut order = steps.map(at).to_vec();
        order.push(at(("es", "menu_main")));
        if n == 1 {
            // The third key of this one leads to the voicemail, to which it says nothing.
            order.push(at(("es", "message_after_tone")));
            order.push(at(("es", "goodbye")));
            assert_eq!(record["reason"], "flow_ended", "{record:#}");
        } else {
            assert_eq!(record["queues"][0]["skill_queue"], "sales", "{record:#}");
            assert_eq!(record["data"]["menu"], "sales", "{record:#}");
            assert_eq!(record["released_by"], "agent", "{record:#}");
        }
        assert!(order.is_sorted(), "{n}: {order:?}");
    }
    let messages = server.api().read("messages");
    assert_eq!(messages["messages"], json!([]), "nothing was said");
}

#[test]
fn a_caller_leaves_the_queue_for_the_voicemail_by_a_key_of_the_waiting_flow() {
    let server = demo_server();
    let (_agent, _far) = agent(&server);
    assert_eq!(server.api().post("agents/1001/busy", &json!({})).0, 200);
    let mut caller = Caller::dials(&server, 0, "123451", Way::Plain);
    caller.hears("in_the_queue");
    server.api().until_waiting("support", 1);
    caller.presses("3");
    caller.hears("message_after_tone");
    caller.says(CALLER_HZ);
    // The tone, and some seconds of speech.
    hotline_tests::during(s(prompt("en", "message_after_tone").len() as u64 / 8_000 + 4));
    caller.presses("#");
    caller.hears("message_saved");
    caller.hears("goodbye");
    let record = caller.ends(&server, 16);
    assert_eq!(record["queues"][0]["skill_queue"], "support", "{record:#}");
    server.api().until_waiting("support", 0);
    let messages = server.api().read("messages?mailbox=reception");
    assert_eq!(messages["messages"].as_array().map(Vec::len), Some(1), "{messages:#}");
}

#[test]
fn baresip_chooses_a_language() {
    let server = demo_server();
    let capture = Arc::new(Capture::start(server.net.server(), server.dir()));
    let options = Options { number: "4000", transport: "udp", tone_hz: CALLER_HZ };
    let mut caller = Baresip::caller(&server, server.net.carrier(0), options);
    let mut ear = caller.ear(&capture);
    caller.dial("12345", &server);
    ear.until_heard("en", "welcome");
    ear.until_heard("en", "menu_main");
    caller.press("9");
    ear.until_heard("en", "menu_language");
    caller.press("2");
    ear.until_heard("zh", "menu_main");
    caller.command("hangup", "");
    let record = server.api().only_record();
    assert_eq!(record["released_by"], "caller", "{record:#}");
}

/// While the menu waited for a key nothing was sent: to networks on the way, and to carriers that
/// watch, a stream that stops is one that is over.
#[test]
fn a_caller_who_thinks_about_a_menu_is_sent_audio_without_a_gap() {
    let server = demo_server();
    let capture = Capture::start(server.net.server(), server.dir());
    let mut caller = Caller::dials(&server, 0, "12345", Way::Events);
    caller.hears("menu_main");
    hotline_tests::during(s(3));
    caller.presses("9");
    caller.hears("menu_language");
    let heard = caller.audio.heard();
    let ip = caller.phone.local.ip();
    caller.hangs_up(&server);
    for two in heard.windows(2) {
        assert_eq!(two[1].ssrc, two[0].ssrc);
        assert_eq!(two[1].sequence, two[0].sequence.wrapping_add(1));
        assert_eq!(two[1].timestamp, two[0].timestamp.wrapping_add(160), "no jump");
    }
    let silence = [Codec::Pcma.silence(); 160];
    let quiet = heard.iter().filter(|heard| heard.payload == silence).count();
    assert!(quiet > 50, "{quiet} packets of silence: the menu waited a second and more");
    let packets = capture.stop();
    let gap_ms = audio_to(&packets, server.net.server(), ip).longest_gap_ms();
    assert!(gap_ms <= 60, "{gap_ms} ms");
}

#[test]
fn a_caller_chooses_support_hears_its_place_and_talks_to_an_agent() {
    let server = demo_server();
    let (mut agent, far) = agent(&server);
    let mut caller = Caller::dials(&server, 0, "12345", Way::Events);
    caller.hears("menu_main");
    caller.presses("1");
    let ringing = agent.ringing(SOON);
    caller.hears("you_are_number");
    caller.hears("number_1");
    agent.answer(&ringing, far.address);
    far.talk(ringing.audio.expect("an offer"), AGENT_HZ);
    caller.says(CALLER_HZ);
    caller.audio.until_heard(AGENT_HZ.into());
    far.until_heard(CALLER_HZ.into());
    let record = caller.hangs_up(&server);
    agent.hung_up(&ringing, SOON);
    assert_eq!((&record["agent"], &record["released_by"]), (&json!("1001"), &json!("caller")));
    assert_eq!(record["queues"][0]["skill_queue"], "support", "{record:#}");
    assert_eq!(record["queues"][0]["outcome"], "answered", "{record:#}");
}

#[test]
fn a_waiting_flow_is_heard_takes_keys_and_is_cut_off_when_an_agent_answers() {
    let server = demo_server();
    let (mut agent, far) = agent(&server);
    assert_eq!(server.api().post("agents/1001/busy", &json!({})).0, 200);
    let mut caller = Caller::dials(&server, 0, "123451", Way::Events);
    for prompt in ["you_are_number", "number_1", "in_the_queue"] {
        caller.hears(prompt);
    }
    hotline_tests::until("music", s(5), || {
        let samples = caller.audio.samples();
        let last = &samples[samples.len().saturating_sub(8_000)..];
        total_ms(&sounds(last, &[]), Sound::WaitTone) > 200
    });
    assert_eq!(server.api().post("agents/1001/idle", &json!({})).0, 200);
    let ringing = agent.ringing(SOON);
    // A key that leads nowhere makes it tell the place again; in the middle of it the agent answers.
    caller.presses("7");
    caller.hears("you_are_number");
    agent.answer(&ringing, far.address);
    far.talk(ringing.audio.expect("an offer"), AGENT_HZ);
    caller.audio.until_heard(AGENT_HZ.into());
    let until_then = caller.audio.samples().len();
    hotline_tests::during(s(2));
    assert!(!caller.ear.has_heard("en", "in_the_queue"), "the flow goes on");
    let after = caller.audio.samples().split_off(until_then);
    let after = sounds(&after, &[f64::from(AGENT_HZ)]);
    assert!(after.iter().all(|sound| *sound == Sound::Tone(0)), "{}", told(&after));
    caller.hangs_up(&server);
}

/// The WAV files below a directory.
fn wav_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => wav_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "wav"))
        .collect()
}

/// Leaves a message of some seconds, ended with `#`, and checks where it is kept.
fn leaves_message(server: &Server, mut caller: Caller) {
    caller.hears("message_after_tone");
    // To the end of what is said, and of the tone.
    hotline_tests::during(s(prompt("en", "message_after_tone").len() as u64 / 8_000 + 1));
    caller.says(CALLER_HZ);
    hotline_tests::during(s(4));
    caller.says(0);
    caller.presses("#");
    caller.hears("message_saved");
    caller.hears("goodbye");
    let record = caller.ends(server, 16);
    assert_eq!(record["reason"], "flow_ended", "{record:#}");
    let messages = server.api().read("messages?mailbox=reception");
    let message = &messages["messages"][0];
    assert_eq!(message["calling"], record["calling"], "{messages:#}");
    let duration = message["duration_ms"].as_u64().unwrap_or_default();
    assert!((2_000..8_000).contains(&duration), "{messages:#}");
    let files = wav_files(&server.data_dir().join("messages"));
    assert_eq!(files.len(), 1, "{files:?}");
    let samples = hotline_tests::audio::read_wav(&files[0]);
    let heard = sounds(&samples, &[f64::from(CALLER_HZ)]);
    assert!(total_ms(&heard, Sound::Tone(0)) > 1_500, "{}", told(&heard));
    let recording = message["recording"].as_str().unwrap_or_default();
    let (status, bytes) = server.api().bytes(&format!("messages/{recording}"));
    assert_eq!((status, bytes.get(..4)), (200, Some(&b"RIFF"[..])));
}

#[test]
fn a_message_is_kept_with_the_callers_voice() {
    let server = demo_server();
    let mut caller = Caller::dials(&server, 0, "12345", Way::Events);
    caller.hears("menu_main");
    caller.presses("3");
    leaves_message(&server, caller);
}

/// The server ends while a caller speaks: a file stayed that nobody could hear or delete.
#[test]
fn what_a_caller_had_said_when_the_server_was_cut_off_is_a_message() {
    let mut server = demo_server();
    let mut caller = Caller::dials(&server, 0, "12345", Way::Events);
    caller.hears("menu_main");
    caller.presses("3");
    caller.hears("message_after_tone");
    hotline_tests::during(s(prompt("en", "message_after_tone").len() as u64 / 8_000 + 1));
    caller.says(CALLER_HZ);
    hotline_tests::during(s(4));
    server.kill9();
    // One that was recorded so long ago that nothing is known of it.
    let folder = server.data_dir().join("messages");
    let of_caller = wav_files(&folder);
    assert_eq!(of_caller.len(), 1, "{of_caller:?}");
    let orphan = of_caller[0].with_file_name("7.wav");
    std::fs::copy(&of_caller[0], &orphan).unwrap();
    server.restart();
    assert_eq!(wav_files(&folder), of_caller);
    let said = server.log();
    assert_eq!(said.matches("that was not completed is removed").count(), 1, "{said}");
    assert!(said.contains("/7.wav"), "{said}");
    let messages = server.api().read("messages?mailbox=reception");
    let message = &messages["messages"][0];
    assert_eq!(message["calling"], "4000", "{messages:#}");
    let duration = message["duration_ms"].as_u64().unwrap_or_default();
    assert!((2_000..8_000).contains(&duration), "{messages:#}");
    let recording = message["recording"].as_str().unwrap_or_default().to_owned();
    let (status, bytes) = server.api().bytes(&format!("messages/{recording}"));
    assert_eq!((status, bytes.get(..4)), (200, Some(&b"RIFF"[..])));
    assert_eq!(server.api().read("records?last_s=60")["records"][0]["reason"], "server_restart");
    // Once more: nothing is told or adopted twice, and one whose audio is gone is listed no more.
    server.kill9();
    std::fs::remove_file(&of_caller[0]).unwrap();
    server.restart();
    let messages = server.api().read("messages?mailbox=reception");
    assert_eq!(messages["messages"], json!([]), "{}", server.log());
}

#[test]
fn out_of_hours_a_caller_is_told_so_and_leaves_a_message() {
    let closed = "workdays = []";
    let server = Server::start(Setup::with(|net| vec![demo::centre_open(net, closed)]));
    let mut caller = Caller::dials(&server, 0, "12345", Way::Relay);
    caller.hears("closed");
    assert!(!caller.ear.has_heard("en", "welcome"));
    leaves_message(&server, caller);
}
