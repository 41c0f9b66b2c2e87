//! The first call, whole: a customer dials 12345 with extension 1, hears the wait tone, is told who
//! answers, and talks to an agent; with the command line's own phones, and with SIPp and baresip.

use hotline_tests::api::{Client, at_ms};
use hotline_tests::audio::{Sound, first_ms, longest_break_ms, sounds, told, total_ms};
use hotline_tests::baresip::{Baresip, Options};
use hotline_tests::capture::{Capture, Packet, Stream};
use hotline_tests::cli::CliPhone;
use hotline_tests::phone::SOON;
use hotline_tests::rtp::Rtp;
use hotline_tests::sip::Message;
use hotline_tests::sipp::Sipp;
use hotline_tests::{Centre, Net, Phone, Server, Setup, during, ms, root, s};
use serde_json::json;
use std::net::IpAddr;
use std::time::Instant;

const AGENT_HZ: u32 = 1_000;
const CALLER_HZ: u32 = 700;
/// The beep that tells an agent of a call.
const BEEP_HZ: f64 = 880.0;
const GAP_MS_MAX: u64 = 60;
/// baresip sends from 127.0.0.1, which is neither in its SDP nor where it registers from: its first
/// packets, and a report, are refused.
const BARESIP_PROBATION: u64 = 6;

fn centre(net: &Net) -> Centre {
    Centre::new("alpha")
        .queue("support", "wrap_up_s = 2\noffer_time_s = 10\nannounce_on_answer = \"employee_id\"")
        .route("12345", "1", "support")
        .agent("1001", "support", "")
        .trunk("carrier", &[&net.carrier_network(), "127.0.0.1"])
}

/// How long "you are speaking with agent 1 0 0 1" takes, by the prompts' manifest, in ms.
fn announcement_ms() -> u64 {
    let text = std::fs::read_to_string(root().join("prompts/manifest.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let length = |name: &str| {
        let mut prompts = manifest["prompt"].as_array().unwrap().iter();
        let prompt = prompts.find(|prompt| prompt["name"].as_str() == Some(name)).unwrap();
        u64::try_from(prompt["duration_ms"].as_integer().unwrap()).unwrap()
    };
    let digits = ["digit_1", "digit_0", "digit_0", "digit_1"];
    length("employee_id") + digits.iter().map(|digit| length(digit) + 80).sum::<u64>()
}

/// What a caller must have heard: the wait tone from the beginning, then who answers, then the
/// agent without a break.
fn check_caller_heard(samples: &[i16]) {
    let heard = sounds(samples, &[f64::from(AGENT_HZ)]);
    let told = told(&heard);
    let wait = first_ms(&heard, Sound::WaitTone).unwrap_or_else(|| panic!("no wait tone: {told}"));
    assert!(wait <= 100, "the wait tone comes late: {told}");
    let agent = first_ms(&heard, Sound::Tone(0)).unwrap_or_else(|| panic!("no agent: {told}"));
    // From the last note of the wait tone that is followed by no other, up to the agent.
    let speech = first_ms(&heard, Sound::Other).unwrap_or_else(|| panic!("no speech: {told}"));
    assert!(speech < agent, "the agent is heard before its employee ID: {told}");
    let (length, expected) = (agent - speech, announcement_ms());
    assert!(length.abs_diff(expected) < 500, "{length} ms of speech, not {expected}: {told}");
    let window = |ms: u64| usize::try_from(ms / 20).unwrap();
    let spoken = total_ms(&heard[window(speech)..window(agent)], Sound::Other);
    assert!(spoken * 2 > expected, "{spoken} ms of {expected} are speech: {told}");
    let talk = total_ms(&heard[window(agent)..], Sound::Tone(0));
    assert!(talk >= 2_000, "{talk} ms of the agent: {told}");
    let pause = longest_break_ms(&heard[window(agent)..], Sound::Tone(0));
    assert!(pause <= Some(GAP_MS_MAX), "a break of {pause:?} ms: {told}");
}

/// The record of the one call there was, with everything that matters in it.
/// From an address that nobody spoke of, `probation` packets are refused before it is believed.
fn check_record(api: &Client, dialled: &str, calling: &str, probation: u64) {
    let record = api.only_record();
    for (field, expected) in [
        ("trunk", json!("carrier")),
        ("dialled", json!(dialled)),
        ("calling", json!(calling)),
        ("access_code", json!("12345")),
        ("extension_code", json!("1")),
        ("route", json!("skill_queue \"support\"")),
        ("agent", json!("1001")),
        ("q850", json!(16)),
        ("sip_status", json!(200)),
        ("released_by", json!("caller")),
        ("reason", json!("normal_clearing")),
    ] {
        assert_eq!(record[field], expected, "{field} of {record:#}");
    }
    assert_eq!(record["queues"].as_array().map(Vec::len), Some(1), "{record:#}");
    assert_eq!(record["queues"][0]["skill_queue"], "support", "{record:#}");
    assert_eq!(record["queues"][0]["outcome"], "answered", "{record:#}");
    assert_eq!(record["offers"].as_array().map(Vec::len), Some(1), "{record:#}");
    assert_eq!(record["offers"][0]["agent"], "1001", "{record:#}");
    assert_eq!(record["offers"][0]["outcome"], "answered", "{record:#}");
    let times = ["arrived", "queued", "offered", "answered", "connected", "released"];
    let times = times.map(|time| at_ms(&record[time]));
    assert!(times.is_sorted(), "{record:#}");
    let [_, queued, _, answered, connected, released] = times;
    let milliseconds = |field: &str| record[field].as_i64().unwrap_or(-1);
    assert!((milliseconds("waiting_ms") - (answered - queued)).abs() <= 2, "{record:#}");
    assert!((milliseconds("talk_ms") - (released - connected)).abs() <= 2, "{record:#}");
    let announced = u64::try_from(connected - answered).unwrap();
    assert!(announced.abs_diff(announcement_ms()) < 500, "{record:#}");
    for side in ["caller_media", "agent_media"] {
        let media = &record[side];
        assert!(media["packets_received"].as_u64() > Some(100), "{side} of {record:#}");
        assert!(media["packets_sent"].as_u64() > Some(100), "{side} of {record:#}");
        assert_eq!(media["packets_lost"], 0, "{side} of {record:#}");
        let refused = media["packets_refused"].as_u64();
        assert!(refused <= Some(if side == "agent_media" { probation } else { 0 }), "{record:#}");
    }
}

/// Wrap-up of two seconds after the call, then idle again.
fn check_wrap_up(api: &Client) {
    api.until_agent_is_within("1001", "idle", s(5));
    let log = api.agent_log("1001");
    let steps: Vec<_> = log.iter().map(|(_, from, to)| format!("{from} → {to}")).collect();
    assert_eq!(
        steps,
        [
            "signed_out → idle",
            "idle → offered",
            "offered → talking",
            "talking → wrap_up",
            "wrap_up → idle"
        ]
    );
    let wrap_up = log[4].0 - log[3].0;
    assert!((2_000..2_300).contains(&wrap_up), "{wrap_up} ms of wrap-up");
}

/// The ladder shows both sides' messages and what happened between them.
fn check_trace(server: &Server) {
    let (code, ladder) = server.command(&["trace", "last"]);
    assert_eq!(code, 0, "{ladder}");
    for part in [
        "dialled 123451",
        "INVITE",
        "200 OK",
        "ACK",
        "queued in \"support\"",
        "offered to agent 1001",
        "answered by agent 1001",
        "connected",
        "BYE",
        "released by the caller",
    ] {
        assert!(ladder.contains(part), "no {part:?} in\n{ladder}");
    }
    assert!(ladder.matches("INVITE").count() >= 2, "one INVITE a side:\n{ladder}");
}

#[test]
fn with_the_command_lines_phones_alone() {
    let setup = Setup::with(|net| vec![centre(net)]);
    let of = setup.centres[0].clone();
    let server = Server::start(setup);
    let mut agent = CliPhone::agent(
        &server,
        &of,
        "1001",
        &["--play", &format!("tone:{AGENT_HZ}"), "--answer-after", "1", "--calls", "1"],
    );
    let mut caller = CliPhone::dial(
        &server,
        "caller",
        "123451",
        &["--from", "+15550000042", "--play", &format!("tone:{CALLER_HZ}"), "--seconds", "10"],
    );
    assert!(caller.wait(s(20)).success(), "{}", caller.process.tail());
    assert!(agent.wait(s(10)).success(), "{}", agent.process.tail());

    check_caller_heard(&caller.heard());
    let heard = sounds(&agent.heard(), &[f64::from(CALLER_HZ), BEEP_HZ]);
    assert!(total_ms(&heard, Sound::Tone(1)) >= 100, "no beep: {}", told(&heard));
    assert!(first_ms(&heard, Sound::Tone(1)) < first_ms(&heard, Sound::Tone(0)));
    assert!(total_ms(&heard, Sound::Tone(0)) >= 3_000, "{}", told(&heard));
    assert!(longest_break_ms(&heard, Sound::Tone(0)) <= Some(GAP_MS_MAX), "{}", told(&heard));
    for phone in [&caller, &agent] {
        assert!(phone.longest_gap_ms() <= GAP_MS_MAX, "{}", phone.process.tail());
    }
    check_record(&server.api(), "123451", "+15550000042", 0);
    check_trace(&server);
    // The phone has left: signed out when its wrap-up is over.
    server.api().until_agent_is("1001", "signed_out");
}

/// The RTP streams of a call as the server sends them: to the caller, and to the agent. Which is
/// which is told by the caller's address: baresip sends from whatever address its machine prefers,
/// and is answered there.
fn streams(packets: &[Packet], server: IpAddr, caller: IpAddr) -> (Stream, Stream) {
    let is_rtp = |packet: &&Packet| packet.from.ip() == server && packet.payload.len() == 172;
    let stream = |to_caller: bool| {
        let mut rtp = packets.iter().filter(is_rtp);
        let first = rtp.find(|packet| (packet.to.ip() == caller) == to_caller);
        Stream::of(packets, first.expect("an RTP stream").from)
    };
    (stream(true), stream(false))
}

/// A caller by SIPp that echoes what it hears, an agent by baresip that says a tone: the tone must
/// come back to the agent.
fn with_sipp_and_baresip(transport: &'static str, sipp_transport: &str) {
    let setup = Setup::with(|net| vec![centre(net)]);
    let of = setup.centres[0].clone();
    let server = Server::start(setup);
    let (caller_ip, agent_ip) = (server.net.carrier(0), server.net.agent(0));
    let options = Options { number: "1001", transport, tone_hz: AGENT_HZ };
    let mut agent = Baresip::start(&server, &of, agent_ip, options);
    server.api().until_agent_is("1001", "idle");
    let capture = Capture::start(server.net.server(), server.dir());
    let mut caller = Sipp::caller(
        server.dir(),
        "caller",
        caller_ip,
        server.sip(),
        s(10),
        &["-m", "1", "-rtp_echo", "-t", sipp_transport],
    );
    agent.answer(s(1));
    caller.succeed(s(30));
    let packets = capture.stop();

    let (to_caller, to_agent) = streams(&packets, server.net.server(), caller_ip);
    check_caller_heard(&to_caller.samples);
    let gap = to_caller.longest_gap_ms();
    assert!(gap <= GAP_MS_MAX, "{gap} ms without a packet to the caller");
    let gap = to_agent.longest_gap_ms();
    assert!(gap <= GAP_MS_MAX, "{gap} ms without a packet to the agent");
    let heard = sounds(&to_agent.samples, &[f64::from(AGENT_HZ), BEEP_HZ]);
    assert!(total_ms(&heard, Sound::Tone(1)) >= 100, "no beep: {}", told(&heard));
    assert!(total_ms(&heard, Sound::Tone(0)) >= 2_000, "no echo: {}", told(&heard));
    if transport == "udp" {
        let is_answer = |packet: &&Packet| {
            let message = Message::parse(&packet.payload);
            packet.to.ip() == caller_ip
                && message.is_some_and(|m| m.status() == Some(200) && m.cseq_method() == "INVITE")
        };
        let answered = packets.iter().find(is_answer).expect("a 200").at_us;
        let first = to_caller.times_us[0].saturating_sub(answered) / 1_000;
        assert!(first <= 40, "the wait tone begins {first} ms after the 200");
        println!("the wait tone begins {first} ms after the 200");
    }
    let gaps = [&to_caller, &to_agent].map(Stream::longest_gap_ms);
    println!("longest time between packets: caller {} ms, agent {} ms", gaps[0], gaps[1]);
    check_record(&server.api(), "123451", "4000", BARESIP_PROBATION);
    check_wrap_up(&server.api());
    check_trace(&server);
    drop(agent);
}

#[test]
fn with_sipp_and_baresip_over_udp() {
    with_sipp_and_baresip("udp", "u1");
}

#[test]
fn with_sipp_and_baresip_over_tcp() {
    with_sipp_and_baresip("tcp", "t1");
}

#[test]
fn an_agent_is_offered_no_call_before_its_wrap_up_is_over() {
    let server = Server::start(Setup::with(|net| {
        vec![
            Centre::new("alpha")
                .queue("support", "wrap_up_s = 2\noffer_time_s = 5")
                .route("12345", "1", "support")
                .agent("1001", "support", "")
                .trunk("carrier", &[&net.carrier_network()]),
        ]
    }));
    let mut agent =
        Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test").registered();
    let mut first = Phone::udp(server.net.carrier(0), server.sip(), "4001");
    let mut second = Phone::udp(server.net.carrier(1), server.sip(), "4002");
    let audio = Rtp::open(server.net.agent(0));

    let mut one = first.invite("123451", first.local);
    first.answered(&mut one);
    let call = agent.ringing(SOON);
    agent.answer(&call, audio.address);
    let mut two = second.invite("123451", second.local);
    second.answered(&mut two);
    server.api().until_agent_is("1001", "talking");
    agent.expect_no("INVITE", ms(200));

    assert_eq!(first.hang_up(&mut one), 200);
    agent.hung_up(&call, SOON);
    let free = Instant::now();
    let next = agent.ringing(s(4));
    let waited = free.elapsed();
    assert!((ms(1_900)..ms(2_500)).contains(&waited), "offered after {waited:?}");
    agent.answer(&next, audio.address);

    // Ended by the agent itself, the wrap-up is over at once.
    assert_eq!(second.hang_up(&mut two), 200);
    agent.hung_up(&next, SOON);
    let mut three = first.invite("123451", first.local);
    first.answered(&mut three);
    agent.expect_no("INVITE", ms(300));
    assert_eq!(server.api().post("agents/1001/wrap-up", &json!({})).0, 200);
    agent.ringing(ms(500));
    during(ms(20));
}
