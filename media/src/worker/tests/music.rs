//! Announcements over music.

use super::*;
use crate::tone::level_dbm0;
use Codec::{Pcma, Pcmu};

const SONG: AssetId = AssetId(3);
const WORDS: PlayItem = PlayItem::Asset(AssetId(4));
const SONG_HZ: f64 = 600.0;
const WORDS_HZ: f64 = 1800.0;

/// A bed whose song lasts 1 s and whose words 200 ms.
fn bed(codecs: &[Codec]) -> Bed {
    let mut bed = Bed::with_legs(codecs);
    let mut library = Library::new();
    // The song's end and beginning fit: whole periods, no edges.
    let song: Vec<i16> = (0..8000)
        .map(|n| (f64::from(n) / 8000.0 * SONG_HZ * std::f64::consts::TAU).sin())
        .map(|sample| (sample * 8000.0) as i16)
        .collect();
    library.insert(SONG, &song).unwrap();
    library.insert(AssetId(4), &tone::sines(&[WORDS_HZ], -12.0, 200)).unwrap();
    library.insert(AssetId(5), &[]).unwrap();
    bed.worker.set_library(Arc::new(library));
    bed
}

fn tone_of(bed: &mut Bed, play: u32) {
    bed.play(0, play, &[PlayItem::Asset(SONG)], true);
}

fn announce(bed: &mut Bed, play: u32, items: &[PlayItem]) {
    bed.command(Command::Play {
        leg: leg(0),
        play: PlayId(play),
        items: items.to_vec(),
        repeat: false,
        stop_on: "12#".into(),
        background: Some(SONG),
    });
}

/// Levels of song and words in a window of what leg 0 heard.
fn levels(bed: &Bed, codec: Codec, from_ms: u64, ms: usize) -> (f64, f64) {
    let heard = bed.heard_by(0, codec, from_ms);
    let window = &heard[..ms * 8];
    (level_dbm0(window, SONG_HZ), level_dbm0(window, WORDS_HZ))
}

/// The song goes on through an announcement, softer, and comes back to its volume: no packet is
/// missing, and no period of it breaks.
#[test]
fn an_announcement_is_heard_over_the_music_which_never_stops() {
    for codec in [Pcma, Pcmu] {
        let mut bed = bed(&[codec]);
        tone_of(&mut bed, 1);
        bed.run(730);
        announce(&mut bed, 2, &[WORDS, PlayItem::Silence(100), WORDS]);
        bed.run(900);
        assert_eq!(bed.ends(), [(1, PlayEnd::Replaced), (2, PlayEnd::Completed)]);
        tone_of(&mut bed, 3);
        bed.run(1000);
        assert_eq!(bed.ends().len(), 2, "music alone has told its end already");
        bed.check_timeline(0, 20);

        let (song, words) = levels(&bed, codec, 400, 100);
        assert!(song > -10.0 && words < -50.0, "alone: {song} {words}");
        let (softer, words) = levels(&bed, codec, 800, 100);
        assert!((song - softer - 12.0).abs() < 1.0, "12 dB lower: {song} {softer}");
        assert!(words > -14.0, "{words}");
        let (pause, _) = levels(&bed, codec, 960, 60);
        assert!((pause - softer).abs() < 1.0, "kept low between the words: {pause}");
        let (after, words) = levels(&bed, codec, 1400, 100);
        assert!((after - song).abs() < 0.5 && words < -45.0, "after: {after} {words}");

        // The song's own samples, where it is alone: it went on from where it was.
        let heard = bed.heard_by(0, codec, 0);
        let period = |n: usize| (n % 8000) as f64 / 8000.0 * SONG_HZ * std::f64::consts::TAU;
        for n in (0..5600).chain(11_000..heard.len()) {
            let expected = period(n).sin() * 8000.0;
            assert!((f64::from(heard[n]) - expected).abs() < 300.0, "sample {n}");
        }
    }
}

#[test]
fn a_digit_cuts_the_words_and_leaves_the_music() {
    let mut bed = bed(&[Pcma]);
    announce(&mut bed, 1, &[WORDS, WORDS, WORDS]);
    bed.run(100);
    let payload = telephone_event::EventPayload { event: 1, end: true, volume: 10, duration: 800 };
    assert!(bed.receive(0, peer(0), &packet(101, 1, 0, true, &payload.bytes())));
    bed.run(300);
    assert_eq!(bed.ends(), [(1, PlayEnd::Digit('1'))]);
    let (song, words) = levels(&bed, Pcma, 200, 100);
    assert!(song > -10.0 && words < -45.0, "{song} {words}");
    bed.command(Command::Stop { leg: leg(0), play: PlayId(1) });
    let sent = bed.voiced(0).len();
    bed.run(100);
    assert_eq!(bed.voiced(0).len(), sent, "a stop of the play ends its music too");
    assert_eq!(bed.ends().len(), 1, "its end was told once");
}

#[test]
fn voices_take_the_place_of_music_that_was_left_alone() {
    let mut bed = bed(&[Pcma, Pcma]);
    announce(&mut bed, 1, &[WORDS]);
    bed.run(400);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    bed.talk(&[1], 200, |_, _| 1000);
    let heard = bed.heard_by(0, Pcma, 500);
    assert!(heard.len() >= 640 && heard.iter().all(|sample| (900..1100).contains(sample)));
}

#[test]
fn a_background_that_is_unknown_or_empty_fails_the_play() {
    let mut bed = bed(&[Pcma]);
    for (play, asset) in [(1, 99), (2, 5)] {
        let background = Some(AssetId(asset));
        let (items, stop_on) = (vec![WORDS], String::new());
        let (leg, play) = (leg(0), PlayId(play));
        bed.command(Command::Play { leg, play, items, repeat: false, stop_on, background });
    }
    assert_eq!(bed.ends(), [(1, PlayEnd::Failed), (2, PlayEnd::Failed)]);
}

/// Who hears music alone is lent the library's bytes.
#[test]
fn only_announcements_are_mixed() {
    let mut bed = bed(&[Pcma]);
    tone_of(&mut bed, 1);
    bed.run(210);
    announce(&mut bed, 2, &[WORDS]);
    bed.run(690);
    let song = bed.worker.library.get(SONG).unwrap().encoded(Pcma).to_vec();
    let twice = [song.clone(), song].concat();
    let sent = bed.rtp_of(0);
    let lent = |payload: &[u8]| twice.windows(160).any(|window| window == payload);
    let mixed: Vec<u64> =
        sent.iter().filter(|(.., payload)| !lent(payload)).map(|(at, ..)| *at).collect();
    assert!((9..=14).contains(&mixed.len()), "mixed at {mixed:?}");
}
