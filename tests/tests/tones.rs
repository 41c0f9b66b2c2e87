//! What waiting and held callers hear, on real calls: tones that a tenant brings as files, found in
//! the audio by their frequency; replaced while somebody listens; broken ones; where a caller
//! stands, over the music.

use hotline_media::tone;
use hotline_tests::audio::{Sound, sounds, told};
use hotline_tests::baresip::{Baresip, Options};
use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::{Rtp, samples};
use hotline_tests::sip::sdp;
use hotline_tests::{Centre, Net, Phone, Server, Setup, ms, s, until};
use serde_json::json;
use std::io::Cursor;

const MUSIC_HZ: u32 = 523;
const OTHER_HZ: u32 = 784;
const HOLD_HZ: u32 = 392;
const CALLER_HZ: u32 = 700;
const AGENT_HZ: u32 = 1_000;

/// A WAV file of 2 s with a tone at -10 dBm0: this rate, so many channels, so many bits.
fn wav(hz: u32, rate: u32, channels: u16, bits: u16) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).expect("a header");
    let full = f64::from(i32::MAX >> (32 - bits));
    for frame in 0..2 * rate {
        let phase = std::f64::consts::TAU * f64::from(hz) * f64::from(frame) / f64::from(rate);
        for _ in 0..channels {
            writer.write_sample((phase.sin() * 0.3 * full) as i32).expect("memory");
        }
    }
    writer.finalize().expect("memory");
    file.into_inner()
}

/// A queue with the tones `music` and `hold`, and agent 1001.
fn centre(net: &Net, queue: &str) -> Centre {
    let tones = "waiting = { tone = \"music\" }\nhold = { tone = \"hold\" }\nwrap_up_s = 0";
    Centre::new("alpha")
        .queue("support", &format!("{tones}\n{queue}"))
        .route("12345", "1", "support")
        .agent("1001", "support", "")
        .trunk("carrier", &[&net.carrier_network()])
        .file("tones/music.wav", wav(MUSIC_HZ, 44_100, 2, 16))
        .file("tones/hold.wav", wav(HOLD_HZ, 48_000, 1, 24))
}

/// A server, its agent's phone and a caller who waits.
struct Stage {
    server: Server,
    agent: Phone,
    caller: Phone,
    near: Rtp,
    call: Call,
}

impl Stage {
    fn of(server: Server) -> Stage {
        let agent = Phone::udp(server.net.agent(0), server.sip(), "1001").of("alpha.test");
        let agent = agent.registered();
        // It is there, and takes no calls yet.
        assert_eq!(server.api().post("agents/1001/busy", &json!({})).0, 200);
        let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
        let near = Rtp::open(caller.local.ip());
        let mut call = caller.invite("123451", near.address);
        caller.answered(&mut call);
        Stage { server, agent, caller, near, call }
    }

    /// The agent takes the call, and both talk.
    fn talk(&mut self) -> (Call, Rtp) {
        let far = Rtp::open(self.agent.local.ip());
        assert_eq!(self.server.api().post("agents/1001/idle", &json!({})).0, 200);
        let ringing = self.agent.ringing(SOON);
        self.agent.answer(&ringing, far.address);
        self.near.talk(self.call.audio.expect("an answer"), CALLER_HZ);
        far.talk(ringing.audio.expect("an offer"), AGENT_HZ);
        self.near.until_heard(AGENT_HZ.into());
        far.until_heard(CALLER_HZ.into());
        (ringing, far)
    }

    /// The caller hangs up.
    fn end(mut self) {
        assert_eq!(self.caller.hang_up(&mut self.call), 200);
        assert_eq!(self.server.api().record(&self.call.id)["released_by"], "caller");
    }
}

/// All that was heard, as samples.
fn heard(audio: &Rtp) -> Vec<i16> {
    audio.heard().iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect()
}

/// Windows of 20 ms in which there is speech, and in how many of them a tone sounds below it.
fn speech_over(heard: &[i16], hz: u32) -> (usize, usize) {
    let windows = heard.chunks_exact(160);
    let speech = windows
        .filter(|window| Sound::of(window, &[f64::from(hz)]) == Sound::Other)
        .collect::<Vec<_>>();
    let below = speech.iter().filter(|window| tone::level_dbm0(window, f64::from(hz)) > -45.0);
    (speech.len(), below.count())
}

#[test]
fn waiting_and_held_callers_hear_the_tones_their_queue_names() {
    let server = Server::start(Setup::with(|net| vec![centre(net, "")]));
    let mut stage = Stage::of(server);
    stage.near.until_heard(MUSIC_HZ.into());
    let (mut ringing, far) = stage.talk();
    for hold in ["sendonly", "inactive"] {
        stage.agent.reinvite(&mut ringing, &sdp(far.address, hold));
        stage.server.api().until_agent_is("1001", "holding");
        stage.near.forget();
        stage.near.until_heard(HOLD_HZ.into());
        stage.agent.reinvite(&mut ringing, &sdp(far.address, "sendrecv"));
        stage.server.api().until_agent_is("1001", "talking");
        stage.near.forget();
        stage.near.until_heard(AGENT_HZ.into());
    }
    // The caller holds: the agent hears the same tone.
    let near = stage.near.address;
    stage.caller.reinvite(&mut stage.call, &sdp(near, "sendonly"));
    far.forget();
    far.until_heard(HOLD_HZ.into());
    assert_eq!(stage.server.api().agent_state("1001"), "talking");
    stage.end();
}

#[test]
fn a_softphone_holds_and_resumes() {
    let mut of = None;
    let server = Server::start(Setup::with(|net| {
        let centre = centre(net, "").agent("1002", "support", "");
        of = Some(centre.clone());
        vec![centre]
    }));
    let options = Options { number: "1002", transport: "udp", tone_hz: AGENT_HZ };
    let of = of.expect("the centre was made");
    let mut baresip = Baresip::start(&server, &of, server.net.agent(1), options);
    let mut stage = Stage::of(server);
    baresip.answer(ms(100));
    stage.near.talk(stage.call.audio.expect("an answer"), CALLER_HZ);
    stage.near.until_heard(AGENT_HZ.into());
    for _ in 0..2 {
        assert_eq!(baresip.command("hold", "")["ok"], true);
        stage.server.api().until_agent_is("1002", "holding");
        stage.near.forget();
        stage.near.until_heard(HOLD_HZ.into());
        assert_eq!(baresip.command("resume", "")["ok"], true);
        stage.server.api().until_agent_is("1002", "talking");
        stage.near.forget();
        stage.near.until_heard(AGENT_HZ.into());
    }
    // Held, the caller hangs up.
    assert_eq!(baresip.command("hold", "")["ok"], true);
    stage.server.api().until_agent_is("1002", "holding");
    let api = stage.server.api();
    assert_eq!(stage.caller.hang_up(&mut stage.call), 200);
    api.until_agent_is("1002", "idle");
    assert_eq!(api.record(&stage.call.id)["released_by"], "caller");
}

#[test]
fn a_tone_is_replaced_while_callers_listen() {
    let server = Server::start(Setup::with(|net| vec![centre(net, "")]));
    let mut stage = Stage::of(server);
    stage.near.until_heard(MUSIC_HZ.into());
    let other = wav(OTHER_HZ, 8_000, 1, 16);
    let changed = centre(&stage.server.net, "").file("tones/music.wav", other.clone());
    let (code, said) = stage.server.apply(&changed);
    assert_eq!(code, 0, "{said}");
    stage.near.until_heard(OTHER_HZ.into());
    let (mut ringing, far) = stage.talk();
    stage.agent.reinvite(&mut ringing, &sdp(far.address, "sendonly"));
    stage.near.until_heard(HOLD_HZ.into());
    let (code, said) = stage.server.apply(&changed.file("tones/hold.wav", other));
    assert_eq!(code, 0, "{said}");
    stage.near.forget();
    stage.near.until_heard(OTHER_HZ.into());
    stage.end();
}

#[test]
fn a_broken_tone_is_refused_and_one_that_breaks_later_is_named_while_the_default_plays() {
    let mut broken = wav(MUSIC_HZ, 44_100, 2, 16);
    broken.truncate(30);
    let server = Server::start(Setup::with(|net| vec![centre(net, "")]));
    let mut stage = Stage::of(server);
    stage.near.until_heard(MUSIC_HZ.into());
    let bad = centre(&stage.server.net, "").file("tones/music.wav", broken.clone());
    let (code, said) = stage.server.apply(&bad);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("tones/music.wav: not a WAV file"), "{said}");
    stage.near.forget();
    stage.near.until_heard(MUSIC_HZ.into());
    // The server's own copy is damaged.
    let copy = stage.server.data_dir().join("tenants/alpha/tones/music.wav");
    std::fs::write(&copy, broken).expect("the server keeps a copy");
    stage.server.process().signal("HUP");
    until("the default tone", s(5), || {
        let heard = heard(&stage.near);
        let last = &heard[heard.len().saturating_sub(8_000)..];
        let sounds = sounds(last, &[f64::from(MUSIC_HZ)]);
        let tone = sounds.iter().filter(|sound| **sound == Sound::WaitTone).count();
        tone > 10 && !sounds.contains(&Sound::Tone(0))
    });
    let log = stage.server.log();
    assert!(log.contains("music.wav: not a WAV file"), "{log}");
    assert!(log.contains("tone \"music\" is missing; the default tone plays"), "{log}");
    stage.end();
}

#[test]
fn a_caller_is_told_its_place_over_the_music() {
    let queue = "announce_every_s = 5\nannounce = \"both\"";
    let server = Server::start(Setup::with(|net| vec![centre(net, queue)]));
    let stage = Stage::of(server);
    stage.near.until_heard(MUSIC_HZ.into());
    until("speech over the music", s(9), || speech_over(&heard(&stage.near), MUSIC_HZ).0 > 60);
    let all = heard(&stage.near);
    let (speech, below) = speech_over(&all, MUSIC_HZ);
    let sounds = sounds(&all, &[f64::from(MUSIC_HZ)]);
    assert!(below * 10 > speech * 8, "{below} of {speech}: {}", told(&sounds));
    // First after its time, and the music alone before.
    let alone = &sounds[..225];
    assert!(!alone.contains(&Sound::Other), "{}", told(&sounds));
    stage.near.forget();
    stage.near.until_heard(MUSIC_HZ.into());
    stage.end();
}
