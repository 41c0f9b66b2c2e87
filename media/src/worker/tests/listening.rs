//! What legs are listened to for: tones of digits, recordings.

use super::*;
use crate::telephone_event::EventPayload;
use Codec::{Pcma, Pcmu};

/// Feeds a peer's audio in frames of 20 ms, from packet `first` on.
fn feed(bed: &mut Bed, number: u32, first: u16, samples: &[i16], codec: Codec) {
    for (n, frame) in samples.chunks(160).enumerate() {
        let n = first + n as u16;
        let payload: Vec<u8> = frame.iter().map(|&sample| codec.encode(sample)).collect();
        let kind = codec.static_payload_type();
        assert!(bed.receive(
            number,
            peer(number),
            &packet(kind, n, u32::from(n) * 160, false, &payload)
        ));
        bed.run(20);
    }
}

fn press(digit: char) -> Vec<i16> {
    [tone::dtmf(digit, 100).unwrap(), tone::silence(100)].concat()
}

fn event(bed: &mut Bed, number: u32, n: u16, digit: u8, end: bool, duration: u16) {
    let payload = EventPayload { event: digit, end, volume: 10, duration };
    let begin = u32::from(n / 10 * 10) * 160;
    let bytes = packet(101, n, begin, n.is_multiple_of(10), &payload.bytes());
    assert!(bed.receive(number, peer(number), &bytes));
}

fn listen(bed: &mut Bed, number: u32, relay: bool, in_band: bool) {
    bed.command(Command::SetDigits { leg: leg(number), relay, in_band });
}

fn record(bed: &mut Bed, number: u32, id: u64, max_ms: u32) {
    bed.command(Command::Record {
        leg: leg(number),
        partition: Partition(3),
        recording: RecordingId(id),
        max_ms,
        min_ms: 0,
        silence_ms: 0,
        stop_on: "#".into(),
    });
}

#[test]
fn tones_are_digits_where_they_are_asked_for() {
    for codec in [Pcma, Pcmu] {
        let mut bed = Bed::with_legs(&[codec]);
        feed(&mut bed, 0, 0, &press('5'), codec);
        assert_eq!(bed.digits(), "", "nobody asked");
        listen(&mut bed, 0, true, true);
        bed.play(0, 1, &[MUSIC], true);
        feed(&mut bed, 0, 10, &[press('1'), press('9')].concat(), codec);
        assert_eq!(bed.digits(), "19");
        assert_eq!(bed.ends(), [(1, PlayEnd::Digit('1'))], "and stop a play");
        assert!(bed.events.iter().any(|event| matches!(
            event,
            Event::Digit { source: DigitSource::InBand, duration_ms: 70..=120, .. }
        )));
        // The press is still held when nobody is interested any more.
        feed(&mut bed, 0, 30, &tone::dtmf('7', 100).unwrap(), codec);
        listen(&mut bed, 0, true, false);
        assert_eq!(bed.digits(), "197");
    }
}

/// A feature code must not be heard by the customer.
#[test]
fn digits_that_are_not_relayed_do_not_reach_the_other_side() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    listen(&mut bed, 0, false, true);
    feed(&mut bed, 0, 0, &[tone::silence(100), press('*'), tone::silence(100)].concat(), Pcma);
    assert_eq!(bed.digits(), "*");
    let loud = bed
        .rtp_of(1)
        .iter()
        .filter(|(.., payload)| {
            payload.iter().any(|&code| i32::from(Pcma.decode(code)).abs() > 1000)
        })
        .count();
    assert!(loud <= 2, "{loud} packets of tone passed before it was recognised");
    assert_eq!(bed.rtp_of(1).len(), 20, "the stream goes on");

    event(&mut bed, 0, 20, 11, false, 160);
    event(&mut bed, 0, 21, 11, true, 800);
    assert_eq!(bed.digits(), "*#");
    assert!(bed.rtp_of(1).iter().all(|(_, header, _)| header.payload_type == 8), "no event");
    feed(&mut bed, 0, 22, &[1000; 800], Pcma);
    bed.check_timeline(1, 20);

    listen(&mut bed, 0, true, false);
    event(&mut bed, 0, 30, 5, true, 800);
    assert_eq!(bed.rtp_of(1).last().unwrap().1.payload_type, 101, "relayed again");
}

/// A peer without telephone-events gets tones instead of them; not those that are kept back.
#[test]
fn digits_that_are_not_relayed_are_not_turned_into_tones_either() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    let stream = StreamParameters { telephone_event: None, ..stream(1, Pcma) };
    bed.command(Command::SetRemote { leg: leg(1), stream });
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    listen(&mut bed, 0, false, false);
    event(&mut bed, 0, 10, 5, true, 800);
    event(&mut bed, 0, 20, 6, false, 800);
    bed.run(600);
    assert_eq!((bed.digits().as_str(), bed.voiced(1).len()), ("56", 0));
}

#[test]
fn a_recording_holds_what_was_said_and_ends_at_its_limit() {
    let mut bed = Bed::with_legs(&[Pcmu]);
    bed.run(100);
    record(&mut bed, 0, 7, 1000);
    assert_eq!(bed.pieces, [(7, vec![])], "the file is opened at once");
    feed(&mut bed, 0, 5, &[4000; 16_000], Pcmu);
    assert_eq!(bed.recorded(), [(7, 1000, RecordEnd::Limit)]);
    let samples: Vec<i16> = bed.pieces.iter().flat_map(|(_, samples)| samples.clone()).collect();
    assert_eq!(samples.len(), 8000);
    assert!(samples.iter().all(|sample| (3900..4100).contains(sample)));
}

#[test]
fn every_recording_ends_once_and_says_why() {
    let mut bed = Bed::with_legs(&[Pcma]);
    record(&mut bed, 0, 1, 60_000);
    feed(&mut bed, 0, 0, &[4000; 8000], Pcma);
    record(&mut bed, 0, 2, 60_000);
    feed(&mut bed, 0, 50, &[4000; 8000], Pcma);
    event(&mut bed, 0, 100, 11, false, 160);
    record(&mut bed, 0, 3, 60_000);
    bed.command(Command::StopRecord { leg: leg(0), recording: RecordingId(1) });
    bed.command(Command::StopRecord { leg: leg(0), recording: RecordingId(3) });
    record(&mut bed, 0, 4, 60_000);
    bed.worker.fail_recording(leg(0), RecordingId(4));
    record(&mut bed, 0, 5, 60_000);
    bed.command(Command::Close { leg: leg(0) });
    record(&mut bed, 0, 6, 60_000);
    assert_eq!(
        bed.recorded(),
        [
            (1, 1000, RecordEnd::Stopped),
            (2, 940, RecordEnd::Digit('#')),
            (3, 0, RecordEnd::Stopped),
            (4, 0, RecordEnd::Failed),
            (5, 0, RecordEnd::LegClosed),
            (6, 0, RecordEnd::Failed),
        ]
    );
    let place = |wanted: fn(&Event) -> bool| bed.events.iter().position(wanted).unwrap();
    let closed = place(|event| matches!(event, Event::Closed { .. }));
    let ended =
        place(|event| matches!(event, Event::Recorded { reason: RecordEnd::LegClosed, .. }));
    assert!(ended < closed, "its leg is still known");
}

#[test]
fn an_in_band_digit_is_cut_off_the_end_of_a_recording() {
    let mut bed = Bed::with_legs(&[Pcma]);
    listen(&mut bed, 0, true, true);
    record(&mut bed, 0, 1, 60_000);
    let words = tone::sines(&[300.0, 2200.0], -12.0, 1000);
    feed(&mut bed, 0, 0, &[words, press('#')].concat(), Pcma);
    let [(1, duration_ms, RecordEnd::Digit('#'))] = bed.recorded()[..] else {
        panic!("{:?}", bed.recorded())
    };
    assert!((940..=1000).contains(&duration_ms), "{duration_ms} ms");
    assert_eq!(bed.digits(), "#");
}
