//! A tenant's own prompts and tones on the running server: they come and go, and whoever listens
//! hears it.

use hotline_tests::audio::{Sound, longest_break_ms, sounds, told};
use hotline_tests::phone::Call;
use hotline_tests::rtp::{Rtp, samples};
use hotline_tests::{Centre, Net, Phone, Server, Setup, s};
use std::io::Cursor;

/// A tone as people have them: 44.1 kHz, stereo, float.
fn music(hz: f64, seconds: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for frame in 0..44_100 * seconds {
        let angle = std::f64::consts::TAU * hz * f64::from(frame) / 44_100.0;
        for _ in 0..2 {
            writer.write_sample(angle.sin() as f32 * 0.3).unwrap();
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

fn centre(net: &Net, hz: f64) -> Centre {
    let tone = "{ tone = \"music\" }";
    Centre::new("alpha")
        .queue("support", &format!("max_waiting_time_s = 60\nwaiting = {tone}\nhold = {tone}"))
        .route("12345", "1", "support")
        .agent_by_api("1001", "support", "")
        .trunk("carrier", &[&net.carrier_network()])
        .file("tones/music.wav", music(hz, 2))
}

/// A caller that waits in `support`.
fn waiting(server: &Server, n: u8) -> (Phone, Rtp, Call) {
    let mut phone = Phone::udp(server.net.carrier(n), server.sip(), "4000");
    let audio = Rtp::open(phone.local.ip());
    let mut call = phone.invite("123451", audio.address);
    phone.answered(&mut call);
    (phone, audio, call)
}

/// What is between two tones that follow each other: ms that are neither, and packets that are
/// missing.
fn between(audio: &Rtp, tones: [f64; 2]) -> (u64, u16) {
    let heard = audio.heard();
    let all: Vec<i16> =
        heard.iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect();
    let windows = sounds(&all, &tones);
    let last = windows.iter().rposition(|sound| *sound == Sound::Tone(0));
    let first = windows.iter().position(|sound| *sound == Sound::Tone(1));
    let (Some(last), Some(first)) = (last, first) else { panic!("{}", told(&windows)) };
    assert!(first > last, "{}", told(&windows));
    for tone in 0..2 {
        let whole = longest_break_ms(&windows, Sound::Tone(tone));
        assert!(whole <= Some(40), "tone {tone} breaks off for {whole:?} ms: {}", told(&windows));
    }
    let missing = heard.windows(2).map(|two| two[1].sequence.wrapping_sub(two[0].sequence));
    ((first - last - 1) as u64 * 20, missing.max().unwrap_or(0))
}

#[test]
fn a_changed_tone_is_heard_at_once_by_all_who_listen_without_a_gap() {
    let server = Server::start(Setup::with(|net| vec![centre(net, 440.0)]));
    assert_eq!(server.api().post("agents/1001/sign-in", &serde_json::json!({})).0, 200);
    assert_eq!(server.api().post("agents/1001/busy", &serde_json::json!({})).0, 200);
    let calls: Vec<_> = (0..2).map(|n| waiting(&server, n)).collect();
    for (_, audio, _) in &calls {
        audio.until_heard(440.0);
    }
    let (status, answer) = server.api().put_file("tones/music", &music(700.0, 2));
    assert_eq!(status, 200, "{answer}");
    for (_, audio, _) in &calls {
        audio.until_heard(700.0);
        let (gap_ms, step) = between(audio, [440.0, 700.0]);
        assert!(gap_ms <= 40, "{gap_ms} ms");
        assert_eq!(step, 1, "no packet is left out");
        audio.forget();
    }
    // The same by a directory.
    let (code, output) = server.apply(&centre(&server.net, 1_000.0));
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("tone \"music"), "{output}");
    for (mut phone, audio, mut call) in calls {
        audio.until_heard(1_000.0);
        let (gap_ms, step) = between(&audio, [700.0, 1_000.0]);
        assert!(gap_ms <= 40 && step == 1, "{gap_ms} ms, {step}");
        assert_eq!(phone.hang_up(&mut call), 200);
    }
    // Taken away, the default tone plays to those who come.
    assert_eq!(server.api().delete("tones/music"), 204);
    assert_eq!(server.api().delete("tones/music"), 404);
    let (mut phone, audio, mut call) = waiting(&server, 0);
    let heard = hotline_tests::within(s(5), || {
        let all: Vec<i16> =
            audio.heard().iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect();
        sounds(&all, &[1_000.0]).contains(&Sound::WaitTone).then_some(())
    });
    assert!(heard.is_some(), "the default tone is not heard");
    assert_eq!(phone.hang_up(&mut call), 200);
}

#[test]
fn prompts_and_tones_come_and_go_by_the_api_and_what_cannot_be_played_is_refused() {
    let server = Server::start(Setup::with(|net| {
        vec![Centre::new("alpha").trunk("carrier", &[&net.carrier_network()])]
    }));
    let api = server.api();
    let (status, standard) = api.bytes("prompts/zh/welcome");
    assert_eq!((status, &standard[..4]), (200, &b"RIFF"[..]));
    assert_eq!(api.bytes("prompts/en/nothing").0, 404);
    assert_eq!(api.bytes("tones/music").0, 404);

    let mine = music(440.0, 1);
    let (status, answer) = api.put_file("prompts/zh/welcome", &mine);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(api.bytes("prompts/zh/welcome"), (200, mine.clone()));
    // It is there also after a restart: it is kept in the data directory.
    assert!(server.data_dir().join("tenants/alpha/prompts/zh/welcome.wav").is_file());

    for (file, why) in [
        (&b"ID3 not one"[..], "prompt zh/welcome: not a WAV file"),
        (&mine[..mine.len() / 2], "prompt zh/welcome: cut off or broken"),
    ] {
        let (status, problem) = api.put_file("prompts/zh/welcome", file);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert_eq!((status, problem["code"].as_str()), (422, Some("unusable_audio")), "{problem}");
        assert!(detail.starts_with(why) && !detail.contains('\n'), "{detail}");
    }
    assert_eq!(api.bytes("prompts/zh/welcome").1, mine, "what was there stays");

    // Refused before the file is taken: a short one, that the client has sent by then.
    for path in ["tones/..%2F..%2Fescape", "prompts/..%2Fx/welcome", "tones/a%20b"] {
        let (status, problem) = api.put_file(path, b"RIFF");
        assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_parameter")), "{path}");
    }
    let (status, _) = api.with_token("wrong").put_file("tones/music", b"RIFF");
    assert_eq!(status, 401);
    let (status, problem) = api.put_file("tones/music?tenant=beta", b"RIFF");
    assert_eq!((status, problem["code"].as_str()), (404, Some("tenant_not_found")));

    assert_eq!(api.delete("prompts/zh/welcome"), 204);
    assert_eq!(api.bytes("prompts/zh/welcome"), (200, standard));
    assert_eq!(api.delete("prompts/zh/welcome"), 404);
}

#[test]
fn a_broken_file_of_a_directory_is_named_and_not_taken() {
    let centre = |net: &Net| Centre::new("alpha").trunk("carrier", &[&net.carrier_network()]);
    let server = Server::start(Setup::with(|net| vec![centre(net)]));
    let broken = centre(&server.net).file("tones/rock.wav", b"MThd a melody".to_vec());
    let (code, output) = server.apply(&broken);
    assert_ne!(code, 0, "{output}");
    assert!(output.contains("tones/rock.wav: not a WAV file"), "{output}");
    // By the API, the rest of the directory is taken.
    let good = broken.file("tones/jazz.wav", music(440.0, 1));
    let directory = good.write(server.dir());
    let text: toml::Table = good.text().parse().unwrap();
    let body = serde_json::json!({ "centre": text, "directory": directory });
    let (status, answer) = server.api().post("apply", &body);
    assert_eq!(status, 200, "{answer}");
    let notes = answer["notes"].to_string();
    assert!(notes.contains("rock.wav") && notes.contains("it was not taken"), "{notes}");
    assert_eq!(server.api().bytes("tones/jazz").0, 200);
    assert_eq!(server.api().bytes("tones/rock").0, 404);
}

/// Only objects were compared: a prompt that was taken out of the directory stayed with the tenant
/// for ever, and no plan told of it.
#[test]
fn prompts_and_tones_that_a_directory_has_no_longer_are_pruned_and_else_stay() {
    let with = |net: &Net, files: &[&str]| {
        let centre = Centre::new("alpha").setting("languages = [\"en\", \"zh\"]");
        let centre = centre.trunk("carrier", &[&net.carrier_network()]);
        files.iter().fold(centre, |centre, file| centre.file(file, music(440.0, 1)))
    };
    let all = ["prompts/en/hello.wav", "prompts/zh/only.wav", "tones/jazz.wav"];
    let server = Server::start(Setup::with(|net| vec![with(net, &all)]));
    let api = server.api();
    let status = |path: &str| api.bytes(path).0;
    let apply = |name: &str, centre: &Centre, flags: &[&str]| {
        let path = centre.write(&server.dir().join(name)).display().to_string();
        let (code, said) = server.command(&[&["apply", &path], flags].concat());
        assert_eq!(code, 0, "{said}");
        said
    };
    let fewer = with(&server.net, &all[..1]);
    let said = apply("fewer", &fewer, &[]);
    for kept in ["prompt \"zh/only\"", "tone \"jazz\""] {
        let line = format!("  {kept} is not in the directory and stays (--prune deletes it)\n");
        assert!(said.contains(&line), "{said}");
    }
    assert!(said.contains("nothing was changed"), "{said}");
    // One that a flow says stays needed.
    let speaking = |centre: Centre| {
        let flow =
            "languages = [\"zh\"]\nstart = \"a\"\n[node.a]\nkind = \"end\"\nsay = \"only\"\n";
        centre.file("flows/says.toml", flow.as_bytes())
    };
    apply("speaking", &speaking(with(&server.net, &all)), &[]);
    let path = speaking(with(&server.net, &all[..1])).write(&server.dir().join("mute"));
    let (code, said) = server.command(&["apply", &path.display().to_string(), "--prune"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("flows/says.toml") || said.contains("flow \"says\""), "{said}");
    assert_eq!((status("prompts/zh/only"), status("tones/jazz")), (200, 200));

    let said = apply("planned", &fewer, &["--prune", "--dry-run"]);
    assert!(said.contains("- prompt \"zh/only\"\n- tone \"jazz\"\n"), "{said}");
    assert_eq!(status("tones/jazz"), 200, "only planned");
    let said = apply("pruned", &fewer, &["--prune"]);
    assert!(said.contains("- prompt \"zh/only\"\n- tone \"jazz\"\n"), "{said}");
    assert_eq!(["prompts/en/hello", "prompts/zh/only", "tones/jazz"].map(status), [200, 404, 404]);
    let said = apply("again", &fewer, &["--prune"]);
    assert_eq!(said.trim_end(), "nothing was changed");
    // A directory that the server does not see is not an empty one.
    let text: toml::Table = fewer.text().parse().unwrap();
    let body = serde_json::json!({ "centre": text, "directory": "/nowhere/at/all" });
    let (status_code, problem) = api.post("apply?prune=true", &body);
    assert_eq!((status_code, problem["code"].as_str()), (409, Some("apply_refused")), "{problem}");
    assert_eq!(status("prompts/en/hello"), 200);
}

#[test]
fn check_lists_what_languages_lack() {
    let server = Server::start(Setup::usual());
    let centre = Centre::new("beta")
        .setting("languages = [\"en\", \"sv\"]")
        .trunk("carrier", &[&server.net.carrier_network()])
        .file("prompts/sv/welcome.wav", music(440.0, 1));
    let path = centre.write(server.dir()).display().to_string();
    let (code, output) = server.command(&["check", &path]);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("language \"sv\" lacks "), "{output}");
    assert!(output.contains("they are heard in \"en\""), "{output}");
    assert!(!output.contains("language \"en\" lacks"), "{output}");
}
