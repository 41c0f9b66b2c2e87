//! The life of legs, packet by packet.

use super::*;
use crate::telephone_event::{EventPayload, EventStamp};
use crate::tone::is_tone;
use Codec::{Pcma, Pcmu};

fn event(n: u16, begin: u32, digit: u8, end: bool, duration: u16) -> Vec<u8> {
    let payload = EventPayload { event: digit, end, volume: 10, duration };
    packet(101, n, begin, n.is_multiple_of(10), &payload.bytes())
}

#[test]
fn a_play_begins_within_20_ms_and_sends_a_packet_every_20_ms() {
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.run(7);
    bed.play(0, 1, &[MUSIC], true);
    bed.run(10_000);
    let sent = bed.rtp_of(0);
    assert!(sent[0].0 - 7 <= 20, "first packet after {} ms", sent[0].0 - 7);
    assert!((499..=500).contains(&sent.len()));
    for pair in sent.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, 20);
        assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
        assert_eq!(pair[1].1.timestamp, pair[0].1.timestamp.wrapping_add(160));
    }
    assert_eq!(sent.iter().filter(|(_, header, _)| header.marker).count(), 1);
    assert_eq!(bed.ends(), []);
}

#[test]
fn packet_times_other_than_20_ms_keep_the_pace() {
    for (ptime_ms, packets) in [(10u16, 100), (20, 50), (30, 33), (40, 25), (60, 16)] {
        let mut bed = Bed::with_legs(&[Pcma]);
        let stream = StreamParameters { ptime_ms, ..stream(0, Pcma) };
        bed.command(Command::SetRemote { leg: leg(0), stream });
        bed.play(0, 1, &[MUSIC], true);
        bed.run(1000);
        let sent = bed.rtp_of(0);
        assert!(sent.len().abs_diff(packets) <= 1, "{ptime_ms} ms: {}", sent.len());
        assert!(sent[0].0 <= 20, "{ptime_ms} ms");
        assert!(sent.iter().all(|(_, _, payload)| payload.len() == usize::from(ptime_ms) * 8));
    }
}

#[test]
fn items_follow_each_other_without_a_seam() {
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.play(0, 1, &[PROMPT, PlayItem::Silence(30), PROMPT], false);
    bed.run(1000);
    let heard: Vec<u8> = bed.rtp_of(0).into_iter().flat_map(|(_, _, payload)| payload).collect();
    let library = bed.worker.library.clone();
    let prompt = library.get(AssetId(1)).unwrap().encoded(Pcma);
    let expected = [prompt, &[Pcma.silence(); 240], prompt].concat();
    assert_eq!(heard[..expected.len()], expected);
    assert!(heard[expected.len()..].iter().all(|code| *code == Pcma.silence()));
    assert_eq!(bed.ends(), [(1, PlayEnd::Completed)]);
}

#[test]
fn every_play_ends_once_and_says_why() {
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.play(0, 1, &[MUSIC], true);
    bed.play(0, 2, &[MUSIC], true);
    bed.command(Command::Stop { leg: leg(0), play: PlayId(1) });
    bed.command(Command::Stop { leg: leg(0), play: PlayId(2) });
    bed.command(Command::Stop { leg: leg(0), play: PlayId(2) });
    bed.play(0, 3, &[PlayItem::Asset(AssetId(99))], false);
    bed.play(0, 4, &[PlayItem::Asset(AssetId(2))], true);
    bed.play(9, 5, &[MUSIC], false);
    bed.play(0, 6, &[], false);
    bed.run(40);
    bed.play(0, 7, &[MUSIC], true);
    bed.command(Command::Close { leg: leg(0) });
    bed.play(0, 8, &[MUSIC], true);
    use PlayEnd::*;
    assert_eq!(
        bed.ends(),
        [
            (1, Replaced),
            (2, Stopped),
            (3, Failed),
            (4, Failed),
            (5, Failed),
            (6, Completed),
            (7, LegClosed),
            (8, Failed),
        ]
    );
}

#[test]
fn a_digit_stops_a_play_at_its_first_packet_and_is_told_once() {
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.play(0, 1, &[MUSIC], true);
    bed.receive(0, peer(0), &event(10, 5000, 5, false, 160));
    assert_eq!(bed.ends(), [], "5 is not in the list");
    bed.receive(0, peer(0), &event(20, 9000, 2, false, 160));
    assert_eq!(bed.ends(), [(1, PlayEnd::Digit('2'))]);
    for n in 21..24 {
        bed.receive(0, peer(0), &event(n, 9000, 2, true, 800));
    }
    assert_eq!(bed.digits(), "52");
    let last = bed.events.last().unwrap();
    let source = DigitSource::Rtp;
    let press = Event::Digit { leg: leg(0), digit: '2', duration_ms: 100, source };
    assert_eq!(*last, press);
}

#[test]
fn a_press_whose_end_is_lost_is_told_after_a_while() {
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.receive(0, peer(0), &event(20, 9000, 2, false, 160));
    bed.run(190);
    assert_eq!(bed.digits(), "");
    bed.run(40);
    assert_eq!(bed.digits(), "2");
}

#[test]
fn nothing_is_sent_before_the_peer_is_known_and_the_play_waits() {
    let mut bed = Bed::new();
    bed.open(0);
    bed.play(0, 1, &[PROMPT], false);
    bed.run(1000);
    assert!(!bed.receive(0, peer(0), &audio(1)), "packets before the answer are refused");
    assert!(bed.wire.sent.is_empty() && bed.ends().is_empty());
    bed.command(Command::SetRemote { leg: leg(0), stream: stream(0, Pcma) });
    bed.run(200);
    assert_eq!(bed.voiced(0).len(), 6, "110 ms");
    assert_eq!(bed.wire.sent[0].to, peer(0));
}

fn learned(bed: &Bed) -> Vec<SocketAddr> {
    let source = |event: &Event| match event {
        Event::SourceLearned { source, .. } => Some(*source),
        _ => None,
    };
    bed.events.iter().filter_map(source).collect()
}

/// A leg whose peer's SDP says one thing while its signalling comes from elsewhere: behind a NAT.
fn behind_nat() -> (Bed, SocketAddr) {
    let mut bed = Bed::with_legs(&[Pcma]);
    let outside: SocketAddr = "203.0.113.9:61000".parse().unwrap();
    let stream = StreamParameters { signalling: outside.ip(), ..stream(0, Pcma) };
    bed.command(Command::SetRemote { leg: leg(0), stream });
    (bed, outside)
}

/// The first packet from anywhere made its sender the peer of a phone behind a NAT, whose own
/// packets never come from the address in its SDP: a stranger heard and spoke for it.
#[test]
fn a_stranger_never_takes_the_place_of_a_phone_behind_a_nat() {
    let stranger: SocketAddr = "203.0.113.66:9".parse().unwrap();
    // The stranger is first, for as long as it likes: the phone takes over with its first packet.
    let (mut bed, phone) = behind_nat();
    for n in 1..50 {
        assert_eq!(bed.receive(0, stranger, &audio(n)), n >= 5, "packet {n}");
        bed.run(20);
    }
    assert!(bed.receive(0, phone, &audio(1)));
    assert!(!bed.receive(0, stranger, &audio(50)));
    bed.play(0, 1, &[PROMPT], false);
    bed.run(40);
    assert_eq!(bed.wire.sent.last().unwrap().to, phone);
    assert_eq!(learned(&bed), [stranger, phone]);
    // The phone is first: nobody takes its place, not even from its own SDP's address later.
    let (mut bed, phone) = behind_nat();
    assert!(bed.receive(0, phone, &audio(1)));
    bed.run(600);
    for n in 2..50 {
        assert!(!bed.receive(0, stranger, &audio(n)));
    }
    assert!(!bed.receive(0, peer(0), &audio(50)));
    assert!(bed.receive(0, phone, &audio(2)));
    assert_eq!(learned(&bed), [phone]);
}

#[test]
fn an_unexpected_source_is_taken_after_packets_in_sequence() {
    let elsewhere: SocketAddr = "203.0.113.9:61000".parse().unwrap();
    let other: SocketAddr = "203.0.113.10:61000".parse().unwrap();
    for (case, packets, taken) in [
        (
            "five in sequence",
            vec![(elsewhere, 1), (elsewhere, 2), (elsewhere, 3), (elsewhere, 4), (elsewhere, 5)],
            true,
        ),
        (
            "a gap",
            vec![(elsewhere, 1), (elsewhere, 2), (elsewhere, 3), (elsewhere, 5), (elsewhere, 6)],
            false,
        ),
        ("one again and again", vec![(elsewhere, 1); 20], false),
        ("two in turn", (1..20).flat_map(|n| [(elsewhere, n), (other, n)]).collect(), false),
    ] {
        let mut bed = Bed::with_legs(&[Pcma]);
        let mut last = false;
        for (from, n) in packets {
            last = bed.receive(0, from, &audio(n));
        }
        assert_eq!(last, taken, "{case}");
        assert_eq!(learned(&bed).is_empty(), !taken, "{case}");
    }
}

#[test]
fn the_address_of_the_sdp_wins_while_the_source_settles() {
    let same_host = SocketAddr::new(peer(0).ip(), 9);
    for (after_ms, wins) in [(300, true), (600, false)] {
        let mut bed = Bed::with_legs(&[Pcma]);
        assert!(bed.receive(0, same_host, &audio(1)));
        bed.run(after_ms);
        assert_eq!(bed.receive(0, peer(0), &audio(2)), wins, "after {after_ms} ms");
        assert_eq!(bed.receive(0, same_host, &audio(3)), !wins, "after {after_ms} ms");
    }
    // A changed SDP: learned again.
    let mut bed = Bed::with_legs(&[Pcma]);
    assert!(bed.receive(0, peer(0), &audio(1)));
    let moved: SocketAddr = "192.0.2.200:5000".parse().unwrap();
    let stream = StreamParameters { remote: moved, signalling: moved.ip(), ..stream(0, Pcma) };
    bed.command(Command::SetRemote { leg: leg(0), stream });
    assert!(bed.receive(0, moved, &audio(5)));
    assert!(!bed.receive(0, peer(0), &audio(6)));
    assert_eq!(bed.statistics(0).packets_refused, 1);
    assert_eq!(learned(&bed), [peer(0), moved]);
}

#[test]
fn what_is_no_rtp_of_the_stream_teaches_nothing() {
    let mut bed = Bed::with_legs(&[Pcma]);
    let stranger: SocketAddr = "203.0.113.66:9".parse().unwrap();
    for bytes in [&[][..], &[0; 12], b"GET / HTTP/1.0\r\n\r\n", &packet(96, 1, 0, false, &[0; 160])]
    {
        assert!(!bed.receive(0, stranger, bytes));
    }
    assert!(bed.receive(0, peer(0), &audio(1)));
    assert_eq!(bed.statistics(0).packets_refused, 4);
}

#[test]
fn a_bridged_pair_of_one_codec_is_forwarded_at_once_with_its_losses() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    for n in [10, 11, 13, 12, 12, 14, 17] {
        bed.receive(0, peer(0), &audio(n));
        bed.run(20);
    }
    let sent = bed.rtp_of(1);
    let first = &sent[0].1;
    let shape: Vec<(u16, u32, u8)> = sent
        .iter()
        .map(|(_, header, payload)| {
            let since = header.timestamp.wrapping_sub(first.timestamp);
            (header.sequence.wrapping_sub(first.sequence), since, payload[0])
        })
        .collect();
    assert_eq!(
        shape,
        [(0, 0, 10), (1, 160, 11), (3, 480, 13), (2, 320, 12), (4, 640, 14), (7, 1120, 17)],
        "the duplicate of 12 is not sent"
    );
    assert_eq!(sent[0].0, 0, "at the moment it came");
    assert_eq!(bed.statistics(0).packets_lost, 2);
    assert_eq!(bed.voiced(0).len(), 0);
}

#[test]
fn a_pair_without_a_common_codec_is_converted() {
    let mut bed = Bed::with_legs(&[Pcma, Pcmu]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    bed.receive(0, peer(0), &audio(5));
    let (_, header, payload) = &bed.rtp_of(1)[0];
    assert_eq!(header.payload_type, 0);
    assert_eq!(payload[..], [crate::g711::PCMA_TO_PCMU[5]; 160]);
    // A peer that was offered both laws and changes to the other is passed on as it is.
    bed.receive(0, peer(0), &packet(0, 6, 960, false, &[9; 160]));
    assert_eq!(bed.rtp_of(1)[1].2, [9; 160]);
}

#[test]
fn the_timeline_goes_on_from_play_to_bridge_to_hold_to_play() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    bed.play(1, 1, &[MUSIC], true);
    bed.run(200);
    bed.command(Command::Stop { leg: leg(1), play: PlayId(1) });
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    for n in 700..710 {
        bed.receive(0, peer(0), &audio(n));
        bed.run(20);
    }
    let held = StreamParameters { direction: Direction::RecvOnly, ..stream(1, Pcma) };
    bed.command(Command::SetRemote { leg: leg(1), stream: held });
    bed.receive(0, peer(0), &audio(710));
    bed.run(1000);
    let before_hold = bed.rtp_of(1).len();
    bed.command(Command::SetRemote { leg: leg(1), stream: stream(1, Pcma) });
    bed.play(1, 2, &[MUSIC], true);
    bed.run(100);
    let sent = bed.rtp_of(1);
    assert!((19..=20).contains(&before_hold), "nothing went out on hold: {before_hold}");
    assert!(sent.iter().all(|(_, header, _)| header.ssrc == sent[0].1.ssrc));
    for pair in sent.windows(2) {
        let ((before, one, _), (after, two, _)) = (&pair[0], &pair[1]);
        assert_eq!(two.sequence, one.sequence.wrapping_add(1));
        let (samples, ms) = (two.timestamp.wrapping_sub(one.timestamp), after - before);
        assert!(samples >= 160 && u64::from(samples).abs_diff(ms * 8) <= 320, "{samples} in {ms}");
    }
    let markers = sent.iter().filter(|(_, header, _)| header.marker).count();
    assert_eq!(markers, 3, "play, bridge, play after hold");
}

#[test]
fn a_play_takes_the_place_of_the_bridge_until_it_ends() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    bed.play(1, 1, &[PROMPT], false);
    for n in 0..20u16 {
        bed.receive(0, peer(0), &audio(n + 1));
        bed.run(20);
    }
    let payloads: Vec<u8> = bed.rtp_of(1).iter().map(|(_, _, payload)| payload[80]).collect();
    let forwarded: Vec<u8> = (7..=20).collect();
    assert!(payloads.ends_with(&forwarded), "{payloads:?}");
    assert_eq!(payloads.len(), 6 + 14);
}

#[test]
fn digits_are_relayed_with_the_other_sides_number_or_as_tones() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    let other = StreamParameters { telephone_event: Some(96), ..stream(1, Pcma) };
    bed.command(Command::SetRemote { leg: leg(1), stream: other });
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    for (n, end) in [(1, false), (2, false), (3, true), (4, true), (5, true)] {
        bed.receive(0, peer(0), &event(n, 8000, 11, end, n * 160));
    }
    let sent = bed.rtp_of(1);
    assert_eq!(sent.len(), 5);
    assert!(
        sent.iter().all(|(_, h, _)| h.payload_type == 96 && h.timestamp == sent[0].1.timestamp)
    );
    assert_eq!(bed.digits(), "#");

    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    let other = StreamParameters { telephone_event: None, ..stream(1, Pcma) };
    bed.command(Command::SetRemote { leg: leg(1), stream: other });
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    for (n, end) in [(1, false), (2, false), (3, true), (4, true), (5, true)] {
        bed.receive(0, peer(0), &event(n, 8000, 11, end, n * 160));
    }
    bed.run(400);
    let heard: Vec<i16> = bed
        .rtp_of(1)
        .iter()
        .flat_map(|(_, _, payload)| payload.iter().map(|&code| Pcma.decode(code)))
        .collect();
    assert!(heard[960..].iter().all(|sample| sample.abs() < 10), "120 ms of tone, once");
    let (low, high) = crate::tone::dtmf_frequencies('#').unwrap();
    for frequency in [low, high] {
        assert!(crate::tone::level_dbm0(&heard[320..640], frequency) > -13.0);
    }
}

#[test]
fn digits_we_send_go_out_as_events_on_the_same_timeline() {
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.play(0, 1, &[MUSIC], true);
    bed.run(100);
    bed.command(Command::SendDigits { leg: leg(0), digits: "1x#".into() });
    bed.run(600);
    let sent = bed.rtp_of(0);
    let mut receiver = telephone_event::Receiver::default();
    let mut digits = String::new();
    for (_, header, payload) in sent.iter().filter(|(_, header, _)| header.payload_type == 101) {
        let payload = EventPayload::parse(payload).unwrap();
        let &Header { ssrc, timestamp, marker, .. } = header;
        let stamp = EventStamp { ssrc, timestamp, marker, late: false };
        for found in receiver.receive(Mono(0), stamp, payload) {
            if let Some(telephone_event::Recognised::Ended { digit, duration_ms: 100 }) = found {
                digits.push(digit);
            }
        }
    }
    assert_eq!(digits, "1#");
    let audio: Vec<_> = sent.iter().filter(|(_, header, _)| header.payload_type == 8).collect();
    let (first, last) = (audio[0], audio[audio.len() - 1]);
    let samples = last.1.timestamp.wrapping_sub(first.1.timestamp);
    assert_eq!(u64::from(samples), (last.0 - first.0) * 8, "events took their time");
    assert!(sent.windows(2).all(|p| p[1].1.sequence == p[0].1.sequence.wrapping_add(1)));
}

#[test]
fn on_hold_nothing_is_heard_or_sent_but_plays_pass() {
    let mut bed = Bed::with_legs(&[Pcma, Pcma]);
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    let held = StreamParameters { direction: Direction::Inactive, ..stream(0, Pcma) };
    bed.command(Command::SetRemote { leg: leg(0), stream: held });
    bed.play(0, 1, &[PROMPT], false);
    bed.receive(0, peer(0), &audio(1));
    bed.receive(1, peer(1), &audio(1));
    bed.run(200);
    assert!(bed.rtp_of(0).is_empty() && bed.voiced(1).is_empty());
    assert_eq!(bed.ends(), [(1, PlayEnd::Completed)]);
}

#[test]
fn silence_is_reported_once_until_rtp_comes_again() {
    let mut bed = Bed::new();
    bed.command(Command::Open { leg: leg(0), port: grant(0), silence_limit_s: 5 });
    bed.run(10_000);
    bed.command(Command::SetRemote { leg: leg(0), stream: stream(0, Pcma) });
    let silences = |bed: &Bed| {
        bed.events.iter().filter(|event| matches!(event, Event::Silent { for_s: 5, .. })).count()
    };
    bed.run(4_900);
    assert_eq!(silences(&bed), 0);
    bed.run(10_000);
    assert_eq!(silences(&bed), 1);
    bed.receive(0, peer(0), &audio(1));
    bed.run(5_100);
    assert_eq!(silences(&bed), 2);
    let held = StreamParameters { direction: Direction::SendOnly, ..stream(0, Pcma) };
    bed.command(Command::SetRemote { leg: leg(0), stream: held });
    bed.run(20_000);
    assert_eq!(silences(&bed), 2, "a peer that may not send is not silent");
}

/// A peer that holds may send music, and often does not; the silence was reported and rightly
/// ignored. When it took the call back and was never heard again, nothing was reported any more.
#[test]
fn silence_after_a_hold_is_reported_although_silence_during_it_was() {
    let mut bed = Bed::new();
    bed.command(Command::Open { leg: leg(0), port: grant(0), silence_limit_s: 5 });
    let set = |bed: &mut Bed, direction: Direction| {
        let stream = StreamParameters { direction, ..stream(0, Pcma) };
        bed.command(Command::SetRemote { leg: leg(0), stream });
    };
    let silences =
        |bed: &Bed| bed.events.iter().filter(|event| matches!(event, Event::Silent { .. })).count();
    set(&mut bed, Direction::SendRecv);
    bed.receive(0, peer(0), &audio(1));
    set(&mut bed, Direction::RecvOnly);
    bed.run(6_000);
    assert_eq!(silences(&bed), 1);
    set(&mut bed, Direction::SendRecv);
    bed.run(4_900);
    assert_eq!(silences(&bed), 1);
    bed.run(200);
    assert_eq!(silences(&bed), 2);
}

/// One of the legs was on another worker: nothing was bridged, and nothing was said.
#[test]
fn a_bridge_that_cannot_be_made_is_reported() {
    let mut bed = Bed::with_legs(&[Pcma]);
    let other = LegRef { worker: 2, ..leg(9) };
    bed.command(Command::Bridge { a: leg(0), b: other });
    assert_eq!(bed.events, [Event::NotBridged { leg: leg(0), other }]);
}

#[test]
fn reports_say_what_was_sent_and_heard_and_the_last_says_goodbye() {
    use crate::rtcp::{RtcpPacket, parse, report_blocks};
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.play(0, 1, &[MUSIC], true);
    for n in (1..1000).filter(|n| n % 10 != 0) {
        bed.receive(0, peer(0), &audio(n));
        bed.run(20);
    }
    let packets_sent = bed.rtp_of(0).len();
    bed.command(Command::Close { leg: leg(0) });
    let reports: Vec<&Sent> =
        bed.wire.sent.iter().filter(|sent| sent.channel == Channel::Rtcp).collect();
    assert!((3..=9).contains(&reports.len()), "{} in 18 s", reports.len());
    assert!(reports.iter().all(|sent| sent.to.port() == 4001));
    let last = reports.last().unwrap();
    let mut kinds = Vec::new();
    parse(&last.bytes, |packet| match packet {
        RtcpPacket::SenderReport { info, blocks, .. } => {
            assert_eq!(info.packets as usize, packets_sent);
            assert_eq!(info.octets as usize, packets_sent * 160);
            let block = report_blocks(blocks).next().unwrap();
            assert_eq!((block.ssrc, block.cumulative_lost), (7, 99));
            assert_eq!(block.highest_sequence, 999);
            kinds.push("SR");
        }
        RtcpPacket::SourceDescription { cname, .. } => {
            assert_eq!(cname.unwrap().len(), 16);
            kinds.push("SDES");
        }
        RtcpPacket::Goodbye { .. } => kinds.push("BYE"),
        _ => kinds.push("?"),
    })
    .unwrap();
    assert_eq!(kinds, ["SR", "SDES", "BYE"]);
}

#[test]
fn a_port_rests_five_seconds_and_stale_orders_do_nothing() {
    let mut bed = Bed::with_legs(&[Pcma]);
    let old = leg(0);
    let new = LegRef { generation: 2, ..old };
    bed.command(Command::Close { leg: old });
    let open = Command::Open { leg: new, port: grant(0), silence_limit_s: 0 };
    bed.command(open.clone());
    assert!(
        matches!(bed.events.last(), Some(Event::Closed { leg, .. }) if *leg == new),
        "the port rests"
    );
    bed.run(4_990);
    assert!(!bed.events.iter().any(|event| matches!(event, Event::Granted { .. })));
    bed.run(40);
    assert_eq!(bed.events.last(), Some(&Event::Granted { ports: vec![grant(0)] }));
    bed.command(open);
    bed.command(Command::SetRemote { leg: new, stream: stream(0, Pcma) });
    bed.command(Command::Close { leg: old });
    bed.command(Command::Open { leg: old, port: grant(1), silence_limit_s: 0 });
    assert_eq!(bed.worker.open_legs(), 1);
    bed.play(0, 9, &[MUSIC], true);
    assert_eq!(bed.ends(), [(9, PlayEnd::Failed)], "a stale play fails");
}

#[test]
fn a_session_plays_records_and_hears_digits() {
    use crate::session::Session;
    let mut bed = Bed::with_legs(&[Pcma]);
    let mut wire = Wire::default();
    let rng = Rng::from_number(8);
    let mut session = Session::new(now(0), grant(9), 10, rng, &mut wire);
    let ours: SocketAddr = "198.51.100.1:20000".parse().unwrap();
    let towards_worker = StreamParameters { remote: ours, ..stream(0, Pcma) };
    session.set_remote(now(0), towards_worker, &mut wire);
    assert!(session.play(now(0), &tone::sines(&[440.0], -10.0, 1000), true, &mut wire));
    bed.play(0, 1, &[PlayItem::Silence(40), PROMPT], false);
    for step in 1..60u64 {
        session.tick(now(step * 20), &mut wire);
        for sent in wire.sent.drain(..).filter(|sent| sent.channel == Channel::Rtp) {
            assert!(bed.receive(0, peer(0), &sent.bytes));
        }
        bed.run(20);
        for sent in bed.wire.sent.drain(..).filter(|sent| sent.channel == Channel::Rtp) {
            let at = Mono::from_ms(step * 20);
            session.receive(at, ours, &sent.bytes, &mut wire);
        }
        if step == 20 {
            session.send_digits(now(step * 20), "42", &mut wire);
        }
    }
    assert_eq!(bed.digits(), "42");
    let heard = session.recorded();
    assert_eq!(heard.len(), 59 * 160, "from the first packet to the last");
    assert!(is_tone(&heard[480..640], 1000.0) && !is_tone(&heard[..160], 1000.0));
    assert!(heard[1200..].iter().all(|sample| sample.abs() < 10), "nothing behind it");
    assert!(session.close(now(1200), &mut wire).packets_received >= 8);
}

/// A listener is an offset into the shared asset: what is lent to the sink lies in it.
#[test]
fn played_and_forwarded_payloads_are_not_copied() {
    struct Lent(Vec<*const u8>);
    impl Sink for Lent {
        fn send(&mut self, _: PortIndex, _: Channel, _: SocketAddr, _: &[u8], payload: &[u8]) {
            self.0.push(payload.as_ptr());
        }
    }
    let mut bed = Bed::with_legs(&[Pcma]);
    bed.open(1);
    let mut lent = Lent(Vec::new());
    bed.play(0, 1, &[MUSIC], true);
    for ms in 1..=400 {
        bed.worker.tick(now(ms), (ms % PHASES as u64) as usize, &mut lent);
    }
    let library = bed.worker.library.clone();
    let music = library.get(AssetId(0)).unwrap().encoded(Pcma).as_ptr_range();
    assert_eq!(lent.0.len(), 20);
    assert!(lent.0.iter().all(|payload| music.contains(payload)));

    bed.command(Command::SetRemote { leg: leg(1), stream: stream(1, Pcma) });
    bed.command(Command::Bridge { a: leg(0), b: leg(1) });
    let bytes = audio(1);
    let mut lent = Lent(Vec::new());
    bed.worker.receive(Mono::from_ms(400), PortIndex(0), peer(0), &bytes, &mut lent);
    assert_eq!(lent.0, [bytes[12..].as_ptr()]);
}

#[test]
fn rtcp_is_heard_from_the_peers_host_only_and_answered_there() {
    let mut bed = Bed::with_legs(&[Pcma]);
    let info = crate::rtcp::SenderInfo { ntp: 5 << 32, rtp_timestamp: 0, packets: 1, octets: 160 };
    let mut bytes = Vec::new();
    let report = crate::rtcp::Report {
        ssrc: 7,
        sender: Some(info),
        block: None,
        cname: b"peer",
        goodbye: false,
    };
    crate::rtcp::write(&report, &mut bytes);
    bed.receive(0, peer(0), &audio(1));
    let stranger: SocketAddr = "203.0.113.66:9".parse().unwrap();
    let natted = SocketAddr::new(peer(0).ip(), 61_001);
    bed.worker.receive_rtcp(Mono(0), PortIndex(0), stranger, &bytes);
    bed.worker.receive_rtcp(Mono(0), PortIndex(0), natted, &bytes);
    bed.run(8_000);
    let reports: Vec<&Sent> =
        bed.wire.sent.iter().filter(|sent| sent.channel == Channel::Rtcp).collect();
    assert!(!reports.is_empty() && reports.iter().all(|sent| sent.to == natted));
    crate::rtcp::parse(&reports[0].bytes, |packet| {
        if let crate::rtcp::RtcpPacket::ReceiverReport { blocks, .. } = packet {
            let block = crate::rtcp::report_blocks(blocks).next().unwrap();
            assert_eq!(block.last_sender_report, 5 << 16);
        }
    })
    .unwrap();
    assert_eq!(bed.statistics(0).packets_refused, 1);
}
