//! What is sent when there is nothing to say.

use super::*;
use Codec::{Pcma, Pcmu};

fn set(bed: &mut Bed, number: u32, change: impl FnOnce(&mut StreamParameters)) {
    let mut stream = stream(number, Pcma);
    change(&mut stream);
    bed.command(Command::SetRemote { leg: leg(number), stream });
}

/// While a menu waited for a key nothing was sent: translators of addresses forgot the caller, and
/// carriers ended the call.
#[test]
fn between_prompts_silence_is_sent_on_the_same_timeline() {
    for (codec, silence) in [(Pcma, 0xd5), (Pcmu, 0xff)] {
        let mut bed = Bed::with_legs(&[codec]);
        bed.run(1_000);
        bed.play(0, 1, &[PROMPT], false);
        bed.run(3_000);
        bed.play(0, 2, &[], false);
        bed.play(0, 3, &[PROMPT], false);
        bed.run(1_000);
        let sent = bed.rtp_of(0);
        assert_eq!(sent.len(), 250, "a packet each 20 ms");
        bed.check_timeline(0, 20);
        for two in sent.windows(2) {
            assert_eq!(two[1].1.timestamp, two[0].1.timestamp.wrapping_add(160));
        }
        let marked = sent.iter().filter(|(_, header, _)| header.marker).count();
        assert!(marked == 1 && sent[0].1.marker, "one stream without a break");
        let quiet = sent.iter().filter(|(.., payload)| *payload == [silence; 160]).count();
        assert_eq!(quiet, 250 - 12, "two prompts of 110 ms");
        assert_eq!(bed.ends().len(), 3);
    }
}

#[test]
fn silence_and_prompts_keep_the_pace_of_any_packet_time() {
    for ptime_ms in [10u16, 30, 40, 60] {
        let mut bed = Bed::with_legs(&[Pcma]);
        set(&mut bed, 0, |stream| stream.ptime_ms = ptime_ms);
        for play in 0..20 {
            bed.run(37);
            bed.play(0, play, &[PROMPT], false);
            bed.run(260);
        }
        bed.check_timeline(0, u64::from(ptime_ms).next_multiple_of(20));
        let sent = bed.rtp_of(0);
        let samples = u32::from(ptime_ms) * 8;
        assert!(
            sent.windows(2)
                .all(|two| two[1].1.timestamp == two[0].1.timestamp.wrapping_add(samples)),
            "{ptime_ms} ms"
        );
    }
}

#[test]
fn who_may_not_hear_us_is_sent_nothing() {
    for direction in [Direction::RecvOnly, Direction::Inactive] {
        let mut bed = Bed::with_legs(&[Pcma]);
        bed.run(200);
        set(&mut bed, 0, |stream| stream.direction = direction);
        let before = bed.rtp_of(0).len();
        bed.run(2_000);
        assert_eq!(bed.rtp_of(0).len(), before, "{direction:?}");
        set(&mut bed, 0, |_| {});
        bed.run(200);
        let sent = bed.rtp_of(0);
        assert_eq!(sent.len(), before + 10);
        assert!(sent[before].1.marker, "the pause is seen");
        let passed = sent[before].1.timestamp.wrapping_sub(sent[before - 1].1.timestamp);
        assert!(passed.abs_diff(2_020 * 8) <= 160, "{passed}");
    }
}

#[test]
fn a_bridge_is_fed_by_the_other_side_and_by_silence_when_that_says_nothing() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    bed.run(200);
    assert_eq!(bed.rtp_of(0).len(), 10, "until the other side is heard for the first time");
    bed.talk(&[0, 1], 400, |_, _| 1_000);
    assert_eq!(bed.voiced(0).len(), 20);
    assert!(bed.rtp_of(0).len() <= 31, "nothing between the other side's packets");

    // Its network stands still for a while: what comes then keeps its place.
    let before = bed.rtp_of(1).len();
    bed.run(800);
    assert_eq!(bed.rtp_of(1).len(), before);
    bed.run(2_000);
    let fed = bed.rtp_of(1).len() - before;
    assert!((85..=95).contains(&fed), "{fed} packets in 2 s, from the second on");

    bed.talk(&[0, 1], 400, |_, _| 1_000);
    assert_eq!(bed.voiced(1).len(), 40, "it is heard again at once");
    let sent = bed.rtp_of(1);
    assert!(sent.windows(2).all(|two| two[1].1.sequence == two[0].1.sequence.wrapping_add(1)));
    assert!(sent.windows(2).all(|two| two[1].0 - two[0].0 <= 1_040), "{sent:?}");
}
