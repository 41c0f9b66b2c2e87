//! A tenant's own prompts and tones on the running server: they come and go, and whoever listens
//! hears it.

use hotline_tests::{Centre, Server, Setup};
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

    for path in ["tones/..%2F..%2Fescape", "prompts/..%2Fx/welcome", "tones/a%20b"] {
        let (status, problem) = api.put_file(path, &mine);
        assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_parameter")), "{path}");
    }
    let (status, _) = api.with_token("wrong").put_file("tones/music", &mine);
    assert_eq!(status, 401);
    let (status, problem) = api.put_file("tones/music?tenant=beta", &mine);
    assert_eq!((status, problem["code"].as_str()), (404, Some("tenant_not_found")));

    assert_eq!(api.delete("prompts/zh/welcome"), 200);
    assert_eq!(api.bytes("prompts/zh/welcome"), (200, standard));
    assert_eq!(api.delete("prompts/zh/welcome"), 404);
}
