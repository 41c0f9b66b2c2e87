//! What callers hear while they wait: tones by name, their place over the music, and what a new
//! configuration changes.

use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::config::{Prompt, WAIT_TONE};
use hotline_media::command::{AssetId, PlayItem};
use hotline_routing::config::{QueueAnnouncement, WaitMethod};

const MUSIC: AssetId = AssetId(900);
const OTHER_MUSIC: AssetId = AssetId(901);

fn tone(asset: AssetId) -> Prompt {
    Prompt { asset, duration_ms: 3_000 }
}

/// `support` waits with the tone `music`.
fn with_music() -> TenantConfig {
    let mut config = centre();
    config.tones.insert("music".into(), tone(MUSIC));
    queue_with(&mut config, "support", |queue| {
        queue.waiting = WaitMethod::Tone("music".into());
        queue.max_waiting_time_s = 600;
    });
    config
}

/// An agent who talks, so that everybody else waits.
fn engaged(config: TenantConfig) -> (World, Caller) {
    let mut w = World::new(config);
    w.register(11, "1001");
    let mut first = call(&mut w, "123451");
    first.answered(&mut w);
    rings(&mut w, 11).answer(&mut w);
    (w, first)
}

/// Hangs everybody up.
fn end(mut w: World, mut callers: Vec<Caller>) {
    for caller in &mut callers {
        caller.bye(&mut w);
    }
    hung_up(&mut w, 11);
    w.quiet();
}

/// The names of the prompts in what a leg hears.
fn words(config: &TenantConfig, items: &[PlayItem]) -> String {
    let name = |item: &PlayItem| match item {
        PlayItem::Asset(asset) => config.prompts.iter().find_map(|(language, prompts)| {
            let (name, _) = prompts.iter().find(|(_, prompt)| prompt.asset == *asset)?;
            Some(if language == "en" { name.clone() } else { format!("{language}/{name}") })
        }),
        PlayItem::Silence(_) => None,
    };
    items.iter().filter_map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_custom_tone_plays_while_waiting_and_the_default_one_elsewhere() {
    let (mut w, first) = engaged(with_music());
    let mut second = call(&mut w, "123451");
    second.answered(&mut w);
    assert_eq!(w.tone(w.legs()[2]), Some(MUSIC));
    let mut third = call(&mut w, "123452");
    third.answered(&mut w);
    assert_eq!(w.tone(w.legs()[3]), Some(WAIT_TONE));
    assert_eq!(w.notices, [""; 0]);
    end(w, vec![first, second, third]);
}

#[test]
fn a_missing_tone_is_named_once_and_the_default_plays() {
    let mut config = with_music();
    config.tones.clear();
    let (mut w, first) = engaged(config.clone());
    let mut callers = vec![first];
    for leg in 2..4 {
        let mut caller = call(&mut w, "123451");
        caller.answered(&mut w);
        assert_eq!(w.tone(w.legs()[leg]), Some(WAIT_TONE));
        callers.push(caller);
    }
    assert_eq!(w.notices, ["tone \"music\" is missing; the default tone plays"]);
    // It comes: everybody who waits hears it. It goes again: named again.
    let version = |number: u64, config: TenantConfig| TenantConfig { version: number, ..config };
    w.configure(version(2, with_music()));
    assert_eq!((w.tone(w.legs()[2]), w.tone(w.legs()[3])), (Some(MUSIC), Some(MUSIC)));
    w.run(61_000);
    w.configure(version(3, config));
    assert_eq!(w.tone(w.legs()[2]), Some(WAIT_TONE));
    assert_eq!(w.notices.len(), 2);
    end(w, callers);
}

#[test]
fn a_tone_that_is_replaced_moves_those_who_listen_to_it() {
    let (mut w, first) = engaged(with_music());
    let mut second = call(&mut w, "123451");
    second.answered(&mut w);
    let leg = w.legs()[2];
    // An offer that rings changes nothing of what is heard.
    w.register(12, "1002");
    let ring = rings(&mut w, 12);
    assert_eq!(w.tone(leg), Some(MUSIC));
    let plays = w.commands.len();
    let same = TenantConfig { version: 2, ..with_music() };
    w.configure(same.clone());
    assert_eq!(w.commands.len(), plays, "nothing has changed, so nothing begins anew");
    let mut other = TenantConfig { version: 3, ..same };
    other.tones.insert("music".into(), tone(OTHER_MUSIC));
    w.configure(other);
    assert_eq!(w.tone(leg), Some(OTHER_MUSIC));
    second.bye(&mut w);
    ring.cancelled(&mut w);
    end(w, vec![first]);
}

/// What a second and third caller are told, each 10 s, over the music.
fn told(announce: QueueAnnouncement) -> Vec<String> {
    let mut config = with_music();
    queue_with(&mut config, "support", |queue| {
        queue.announce_every_s = 10;
        queue.announce = announce;
    });
    let (mut w, mut first) = engaged(config.clone());
    let mut callers: Vec<Caller> = (0..2).map(|_| call(&mut w, "123451")).collect();
    callers.iter_mut().for_each(|caller| drop(caller.answered(&mut w)));
    let (second, third) = (w.legs()[2], w.legs()[3]);
    w.run(9_999);
    assert_eq!((w.tone(second), w.tone(third)), (Some(MUSIC), Some(MUSIC)), "first after 10 s");
    w.run(1);
    let mut heard: Vec<String> = [second, third]
        .iter()
        .map(|leg| {
            assert_eq!(w.music_below(*leg), Some(MUSIC), "the music goes on below");
            words(&config, &w.hears(*leg).unwrap())
        })
        .collect();
    w.run(9_999);
    assert_eq!(w.tone(third), Some(MUSIC), "the announcement has ended");
    // The agent is free for the second caller, and the third one moves up.
    first.bye(&mut w);
    hung_up(&mut w, 11);
    w.run(5_000);
    rings(&mut w, 11).answer(&mut w);
    w.run(5_001);
    heard.push(words(&config, &w.hears(third).unwrap()));
    assert_eq!(w.hears(second), None, "whoever talks is told nothing");
    end(w, callers);
    heard
}

#[test]
fn callers_are_told_their_place_and_how_many_agents_there_are() {
    let place = |number: u32| format!("you_are_number number_{number} in_the_queue");
    let agents = "agents_available number_1";
    assert_eq!(told(QueueAnnouncement::Position), [place(1), place(2), place(1)]);
    assert_eq!(told(QueueAnnouncement::Agents), [agents; 3]);
    let both = |number: u32| format!("{} {agents}", place(number));
    assert_eq!(told(QueueAnnouncement::Both), [both(1), both(2), both(1)]);
}

#[test]
fn an_announcement_is_of_one_language() {
    let place = |prompts: &[(&str, &str)]| {
        let mut config = with_music();
        queue_with(&mut config, "support", |queue| queue.announce_every_s = 10);
        route_with(&mut config, |routing| {
            routing.called_routes[0].language = Some("zh".into());
        });
        for (at, (language, name)) in prompts.iter().enumerate() {
            let asset = AssetId(700 + at as u32);
            let prompt = Prompt { asset, duration_ms: PROMPT_MS };
            let recorded = config.prompts.entry((*language).into()).or_default();
            recorded.insert((*name).into(), prompt);
        }
        let (mut w, first) = engaged(config.clone());
        let mut second = call(&mut w, "123451");
        second.answered(&mut w);
        w.run(10_000);
        let heard = words(&config, &w.hears(w.legs()[2]).unwrap());
        end(w, vec![first, second]);
        heard
    };
    let all = [("zh", "you_are_number"), ("zh", "number_1"), ("zh", "in_the_queue")];
    assert_eq!(place(&all), "zh/you_are_number zh/number_1 zh/in_the_queue");
    // Not whole: the tenant's language, from the first word.
    assert_eq!(place(&all[..2]), "you_are_number number_1 in_the_queue");
}

#[test]
fn without_recordings_the_music_just_goes_on() {
    let mut config = with_music();
    config.prompts.clear();
    queue_with(&mut config, "support", |queue| queue.announce_every_s = 10);
    let (mut w, first) = engaged(config);
    let mut second = call(&mut w, "123451");
    second.answered(&mut w);
    w.run(35_000);
    assert_eq!(w.tone(w.legs()[2]), Some(MUSIC));
    assert_eq!(w.notices, ["prompt en/you_are_number is missing; it was left out"]);
    end(w, vec![first, second]);
}

#[test]
fn an_announcement_goes_on_while_phones_ring_and_ends_with_the_answer() {
    let mut config = with_music();
    queue_with(&mut config, "support", |queue| queue.announce_every_s = 10);
    let mut w = World::new(config.clone());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123451");
    caller.answered(&mut w);
    let ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    w.run(10_000);
    let leg = w.legs()[0];
    assert!(words(&config, &w.hears(leg).unwrap()).starts_with("you_are_number"));
    // The offer fails in the middle of it: it is heard to its end.
    ring.respond(&mut w, 486);
    w.take(11, "ACK");
    assert_eq!(w.music_below(leg), Some(MUSIC));
    w.run(2_000);
    assert_eq!(w.tone(leg), Some(MUSIC));
    w.run(8_000);
    assert!(words(&config, &w.hears(leg).unwrap()).starts_with("you_are_number"), "20 s");
    rings(&mut w, 11).answer(&mut w);
    assert!(w.bridged());
    assert_eq!(w.hears(leg), None, "cut off");
    end(w, vec![caller]);
}

/// The queue of a moved caller says itself how often it announces.
#[test]
fn a_caller_who_moves_on_is_told_by_its_new_queue() {
    let mut config = with_music();
    config.tones.insert("other".into(), tone(OTHER_MUSIC));
    queue_with(&mut config, "short", |queue| {
        queue.announce_every_s = 5;
        queue.on_timeout = hotline_routing::Policy::SkillQueue("read".into());
    });
    queue_with(&mut config, "read", |queue| {
        queue.waiting = WaitMethod::Tone("other".into());
        queue.announce_every_s = 20;
    });
    let (mut w, first) = engaged(config.clone());
    let mut second = call(&mut w, "123455");
    second.answered(&mut w);
    let leg = w.legs()[2];
    assert_eq!(w.tone(leg), Some(WAIT_TONE));
    w.run(3_000);
    assert_eq!(w.tone(leg), Some(OTHER_MUSIC));
    w.run(19_999);
    assert_eq!(w.tone(leg), Some(OTHER_MUSIC), "the old queue's 5 s do not count");
    w.run(1);
    assert_eq!(w.music_below(leg), Some(OTHER_MUSIC));
    end(w, vec![first, second]);
}

/// The agent answered while the caller was told its place, and hung up before it was connected: the
/// caller waited on in silence, for the announcement that was cut off never ended.
#[test]
fn an_announcement_that_was_cut_off_does_not_silence_the_music() {
    let mut config = with_music();
    queue_with(&mut config, "read", |queue| {
        queue.waiting = WaitMethod::Tone("music".into());
        queue.announce_every_s = 10;
    });
    let mut w = World::new(config.clone());
    w.register(11, "1001");
    let mut caller = call(&mut w, "123452");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    let mut ring = rings(&mut w, 11);
    ring.respond(&mut w, 180);
    w.run(10_100);
    assert_eq!(w.music_below(leg), Some(MUSIC), "it is told its place");
    ring.answer(&mut w);
    assert!(words(&config, &w.hears(leg).unwrap()).starts_with("employee_id"));
    ring.bye(&mut w);
    assert_eq!(w.tone(leg), Some(MUSIC));
    w.run(10_001);
    assert!(words(&config, &w.hears(leg).unwrap()).starts_with("you_are_number"));
    rings(&mut w, 11).answer(&mut w);
    w.run(5_000);
    assert!(w.bridged());
    end(w, vec![caller]);
}
