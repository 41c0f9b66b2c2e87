//! Conferences, from who joins to who is left.

use super::*;
use crate::tone::level_dbm0;
use Codec::{Pcma, Pcmu};

const VOICES_HZ: [f64; 4] = [500.0, 1000.0, 1500.0, 2000.0];

/// Each peer's voice is a note of its own.
fn note(number: u32, sample: u64) -> i16 {
    let at = sample as f64 / 8000.0 * std::f64::consts::TAU;
    ((at * VOICES_HZ[number as usize]).sin() * 4000.0) as i16
}

/// Whose notes a leg hears at the end of what it was sent.
fn voices_of(bed: &Bed, number: u32, codec: Codec) -> Vec<u32> {
    let heard = bed.heard_by(number, codec, bed.wire.now_ms - 200);
    assert!(heard.len() >= 1200, "{number} heard {} samples", heard.len());
    (0..4).filter(|&voice| level_dbm0(&heard, VOICES_HZ[voice as usize]) > -20.0).collect()
}

fn confer(bed: &mut Bed, legs: &[u32]) {
    let legs = legs.iter().map(|&number| leg(number)).collect();
    bed.command(Command::Conference { legs });
}

#[test]
fn each_hears_all_others_and_not_itself() {
    for codecs in [&[Pcma, Pcma][..], &[Pcma, Pcmu, Pcma], &[Pcma, Pcmu, Pcma, Pcmu]] {
        let mut bed = Bed::with_legs(codecs);
        let all: Vec<u32> = (0..codecs.len() as u32).collect();
        confer(&mut bed, &all);
        bed.talk(&all, 1000, note);
        for &number in &all {
            let others: Vec<u32> = all.iter().copied().filter(|other| *other != number).collect();
            assert_eq!(voices_of(&bed, number, codecs[number as usize]), others, "leg {number}");
            bed.check_timeline(number, 40);
        }
    }
}

/// Caller and agent talk, a third joins, one leaves, the rest go on: nobody's stream pauses for
/// longer than three packets.
#[test]
fn a_third_joins_and_leaves_without_a_gap() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcmu, Pcma]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    bed.talk(&[0, 1, 2], 500, note);
    confer(&mut bed, &[0, 1, 2]);
    bed.talk(&[0, 1, 2], 500, note);
    assert_eq!(voices_of(&bed, 1, Pcma), [0, 2]);
    confer(&mut bed, &[0, 1, 2, 3]);
    bed.talk(&[0, 1, 2, 3], 500, note);
    assert_eq!(voices_of(&bed, 0, Pcma), [1, 2, 3]);
    bed.command(Command::Leave { leg: leg(1) });
    bed.talk(&[0, 2, 3], 500, note);
    assert_eq!(voices_of(&bed, 0, Pcma), [2, 3]);
    bed.command(Command::Close { leg: leg(3) });
    bed.talk(&[0, 2], 500, note);
    assert_eq!(voices_of(&bed, 2, Pcmu), [0]);
    bed.command(Command::Bridge { a: leg(0), b: leg(2) });
    bed.talk(&[0, 2], 500, note);
    assert_eq!(voices_of(&bed, 0, Pcma), [2]);
    bed.check_timeline(0, 60);
    bed.check_timeline(2, 60);
}

#[test]
fn who_is_left_out_of_a_new_conference_leaves_the_old_one() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcma]);
    confer(&mut bed, &[0, 1, 2]);
    confer(&mut bed, &[0, 1]);
    bed.talk(&[0, 1, 2], 500, note);
    assert_eq!(voices_of(&bed, 0, Pcma), [1]);
    assert_eq!(voices_of(&bed, 2, Pcma), [], "nobody");
}

#[test]
fn a_loud_sum_is_clamped() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcma, Pcma]);
    confer(&mut bed, &[0, 1, 2, 3]);
    bed.talk(&[0, 1, 2, 3], 400, |_, _| 30_000);
    let heard = bed.heard_by(0, Pcma, 300);
    assert!(heard.iter().all(|sample| *sample > 31_000), "no overflow");
}

#[test]
fn loss_is_silence_and_a_play_is_heard_by_one_alone() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcma]);
    confer(&mut bed, &[0, 1, 2]);
    bed.talk(&[0, 1, 2], 200, note);
    bed.talk(&[1, 2], 200, note);
    bed.talk(&[0, 1, 2], 200, note);
    bed.play(1, 1, &[PROMPT], false);
    bed.talk(&[0, 1, 2], 400, note);
    assert_eq!(bed.ends(), [(1, PlayEnd::Completed)]);
    assert_eq!(voices_of(&bed, 1, Pcma), [0, 2], "after the prompt");
    assert_eq!(voices_of(&bed, 2, Pcma), [0, 1]);
    (0..3).for_each(|number| bed.check_timeline(number, 40));
}

#[test]
fn digits_of_a_conference_are_reported() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcma]);
    confer(&mut bed, &[0, 1, 2]);
    let payload = telephone_event::EventPayload { event: 4, end: true, volume: 10, duration: 800 };
    assert!(bed.receive(1, peer(1), &packet(101, 1, 160, true, &payload.bytes())));
    assert_eq!(bed.digits(), "4");
}

/// The keys that a leg was sent as telephone-events.
fn keys_of(bed: &Bed, number: u32) -> String {
    let mut receiver = telephone_event::Receiver::default();
    let mut keys = String::new();
    for (_, header, payload) in bed.rtp_of(number) {
        let Header { ssrc, timestamp, marker, payload_type, .. } = header;
        let stamp = telephone_event::EventStamp { ssrc, timestamp, marker, late: false };
        let event = telephone_event::EventPayload::parse(&payload).filter(|_| payload_type == 101);
        let found = event.map(|event| receiver.receive(Mono(0), stamp, event));
        for found in found.into_iter().flatten().flatten() {
            if let telephone_event::Recognised::Ended { digit, .. } = found {
                keys.push(digit);
            }
        }
    }
    keys
}

/// Somebody in a conference was asked to press a key, by a machine or a colleague, who heard
/// nothing: telephone-events are no voice, and were passed on to nobody.
#[test]
fn keys_of_a_member_reach_the_others_unless_they_are_kept() {
    for kept in [false, true] {
        let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcma]);
        bed.command(Command::SetDigits { leg: leg(1), relay: !kept, in_band: false });
        confer(&mut bed, &[0, 1, 2]);
        for (n, event, timestamp) in [(1, 4, 160), (2, 5, 1_600)] {
            let payload =
                telephone_event::EventPayload { event, end: true, volume: 10, duration: 800 };
            assert!(bed.receive(1, peer(1), &packet(101, n, timestamp, true, &payload.bytes())));
        }
        bed.run(1_000);
        let expected = if kept { "" } else { "45" };
        assert_eq!((keys_of(&bed, 0).as_str(), keys_of(&bed, 2).as_str()), (expected, expected));
        assert_eq!(keys_of(&bed, 1), "", "not its own");
        assert_eq!(bed.digits(), "45", "reported all the same");
    }
}

#[test]
fn a_conference_that_cannot_be_made_is_reported() {
    for (legs, other) in [(&[0, 1, 9][..], 9), (&[0], 0), (&[0, 1, 2, 3, 0], 0), (&[0, 0], 0)] {
        let mut bed = Bed::with_legs(&[Pcma; 4]);
        confer(&mut bed, legs);
        let expected = Event::NotBridged { leg: leg(0), other: leg(other) };
        assert_eq!(bed.events, [expected], "{legs:?}");
        confer(&mut bed, &[]);
        assert_eq!(bed.events.len(), 1);
    }
}

#[test]
fn packet_times_of_members_differ() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma, Pcma]);
    for (number, ptime_ms) in [(0, 10), (1, 30), (2, 60)] {
        let stream = StreamParameters { ptime_ms, ..stream(number, Pcma) };
        bed.command(Command::SetRemote { leg: leg(number), stream });
    }
    confer(&mut bed, &[0, 1, 2]);
    bed.talk(&[0, 1, 2], 2000, note);
    for (number, ms) in [(0, 20), (1, 40), (2, 60)] {
        bed.check_timeline(number, ms);
        let others: Vec<u32> = (0..3).filter(|other| *other != number).collect();
        assert_eq!(voices_of(&bed, number, Pcma), others);
    }
}
