//! When a caller's INVITE is answered, what comes before, and what a carrier is told of a failure:
//! `answer_supervision` both ways, over trunks with and without early media.

use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_routing::Policy;
use hotline_sip::header::HeaderName;

/// Why a queue does not keep the caller.
#[derive(Clone, Copy, Debug)]
enum Left {
    Timeout,
    Busy,
    NoAgents,
}

/// `123453` is answered when an agent answers, `123451` at once; `early_media` is the trunk's.
fn config(early_media: bool, left: Left, prompt: Option<&str>) -> TenantConfig {
    let mut config = centre();
    config.trunks[0].early_media = early_media;
    queue_with(&mut config, "support", |queue| {
        let policy = Policy::Release { prompt: prompt.map(str::to_owned) };
        match left {
            Left::Timeout => {
                queue.max_waiting_time_s = 3;
                queue.on_timeout = policy;
            }
            Left::Busy => {
                queue.max_calls_in_queue = 1;
                queue.on_busy = policy;
            }
            Left::NoAgents => queue.on_no_agents = policy,
        }
    });
    config
}

/// A world in which the next caller of `support` leaves it so; with who has to hang up at the end.
fn world(early_media: bool, left: Left, prompt: Option<&str>) -> (World, Vec<Caller>) {
    let mut w = World::new(config(early_media, left, prompt));
    let mut others = Vec::new();
    if !matches!(left, Left::NoAgents) {
        w.register(11, "1001");
        let mut first = call(&mut w, "123452");
        first.answered(&mut w);
        rings(&mut w, 11).answer(&mut w);
        others.push(first);
    }
    if matches!(left, Left::Busy) {
        let mut waits = call(&mut w, "123451");
        waits.answered(&mut w);
        others.push(waits);
    }
    w.run(20_000);
    (w, others)
}

fn end(mut w: World, others: Vec<Caller>) {
    let rang = !others.is_empty();
    for mut caller in others.into_iter().rev() {
        caller.bye(&mut w);
    }
    if rang {
        hung_up(&mut w, 11);
    }
    w.quiet();
}

const ROWS: [(Left, u16, &str); 3] = [
    (Left::Timeout, 408, "Q.850;cause=18"),
    (Left::Busy, 486, "Q.850;cause=17"),
    (Left::NoAgents, 480, "Q.850;cause=20"),
];

#[test]
fn answered_with_the_agent_a_failure_reaches_the_carrier_by_its_cause() {
    for (left, status, reason) in ROWS {
        for early_media in [true, false] {
            for prompt in [None, Some("fault"), Some("not recorded")] {
                let (mut w, others) = world(early_media, left, prompt);
                let mut caller = call(&mut w, "123453");
                let waits = if matches!(left, Left::Timeout) { 3_000 } else { 0 };
                let row = format!("{left:?} early_media {early_media} {prompt:?}");
                let played = early_media && prompt != Some("not recorded");
                match (early_media, waits > 0) {
                    // Rings, and hears nothing of ours.
                    (false, true) => drop(caller.expect(&mut w, 180)),
                    (false, false) => {}
                    // The wait tone, then the announcement, in one early session.
                    (true, _) if played || waits > 0 => drop(caller.expect(&mut w, 183)),
                    (true, _) => {}
                }
                w.run(waits);
                if played {
                    w.run(u64::from(PROMPT_MS) - 1);
                    let failed = format!("{status} INVITE");
                    assert!(!w.was_sent(CARRIER, &failed), "{row}: the announcement first");
                    w.run(1);
                }
                let failed = caller.expect(&mut w, status);
                assert!(header(&failed, HeaderName::Reason).starts_with(reason), "{row}");
                assert!(!w.was_sent(CARRIER, "200 INVITE"), "{row}: not billed");
                caller.ack_failure(&mut w);
                end(w, others);
            }
        }
    }
}

#[test]
fn answered_at_once_the_same_ends_with_bye_and_its_cause() {
    for (left, status, reason) in ROWS {
        for early_media in [true, false] {
            let (mut w, others) = world(early_media, left, None);
            let mut caller = call(&mut w, "123451");
            caller.answered(&mut w);
            w.run(3_000 + u64::from(PROMPT_MS));
            let bye = caller.hung_up(&mut w);
            assert!(header(&bye, HeaderName::Reason).starts_with(reason));
            end(w, others);
            // Nothing to say: the failure comes instead of the answer.
            if !matches!(left, Left::Timeout) {
                let (mut w, others) = world(early_media, left, Some("not recorded"));
                let mut caller = call(&mut w, "123451");
                caller.expect(&mut w, status);
                caller.ack_failure(&mut w);
                end(w, others);
            }
        }
    }
}

#[test]
fn while_nobody_answers_a_provisional_response_comes_every_minute_at_least() {
    for (early_media, provisional) in [(true, "183 INVITE"), (false, "180 INVITE")] {
        let mut config = centre();
        config.trunks[0].early_media = early_media;
        queue_with(&mut config, "support", |queue| queue.max_waiting_time_s = 600);
        let mut w = World::new(config);
        w.register(11, "1001");
        let mut first = call(&mut w, "123451");
        first.answered(&mut w);
        rings(&mut w, 11).answer(&mut w);
        let mut caller = call(&mut w, "123453");
        w.take(CARRIER, provisional);
        let leg = w.legs()[2];
        assert_eq!(w.hears_wait_tone(leg), early_media);
        for _ in 0..5 {
            w.run(60_000);
            let again = w.take(CARRIER, provisional);
            assert_eq!(!body(&again).is_empty(), early_media, "the same session again");
            caller.learn(&again);
        }
        // The first caller goes, the agent answers the second: now it is billed.
        first.bye(&mut w);
        hung_up(&mut w, 11);
        w.run(5_000);
        assert!(!w.was_sent(CARRIER, "200 INVITE"));
        rings(&mut w, 11).answer(&mut w);
        caller.answered(&mut w);
        assert!(w.bridged());
        w.run(120_000);
        assert!(!w.was_sent(CARRIER, provisional), "no more of them after the answer");
        caller.bye(&mut w);
        hung_up(&mut w, 11);
        w.quiet();
    }
}
