//! Offers, answers and every form of hold, as tables.

use super::*;
use crate::command::StreamParameters;
use crate::sdp::SessionDescription;

const OURS: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

fn local() -> Local<'static> {
    Local {
        address: "198.51.100.1".parse().unwrap(),
        rtp_port: 20000,
        session_id: 77,
        version: 1,
        codecs: &OURS,
        telephone_event: Some(TELEPHONE_EVENT_DEFAULT),
        direction: Direction::SendRecv,
    }
}

/// A peer's description with this connection address and these lines from the first `m=` on.
fn peer(connection: &str, media: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 5 5 IN IP4 192.0.2.7\r\ns=-\r\nc=IN {connection}\r\nt=0 0\r\n{media}\r\n"
    );
    SessionDescription::parse(text.replace(" | ", "\r\n").as_bytes()).unwrap()
}

fn answer_to(media: &str) -> Result<(SessionDescription, StreamParameters), Refusal> {
    make_answer(&peer("IP4 192.0.2.7", media), &local())
}

#[test]
fn our_offer_lists_our_codecs_in_our_order() {
    let text = make_offer(&local()).to_string();
    assert_eq!(
        text,
        "v=0\r\no=- 77 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_answer_takes_the_offerers_best_codec_of_ours_with_its_numbers() {
    let cases: [(&str, Codec, u8, Option<u8>); 8] = [
        ("m=audio 4000 RTP/AVP 0 8", Codec::Pcmu, 0, None),
        ("m=audio 4000 RTP/AVP 8 0", Codec::Pcma, 8, None),
        ("m=audio 4000 RTP/AVP 9 18 0", Codec::Pcmu, 0, None),
        ("m=audio 4000 RTP/AVP 96 8 | a=rtpmap:96 PCMU/8000", Codec::Pcmu, 96, None),
        ("m=audio 4000 RTP/AVP 97 8 | a=rtpmap:97 PCMU/16000", Codec::Pcma, 8, None),
        ("m=audio 4000 RTP/AVP 0 96 | a=rtpmap:96 telephone-event/8000", Codec::Pcmu, 0, Some(96)),
        (
            "m=audio 4000 RTP/AVP 0 96 97 | a=rtpmap:96 telephone-event/48000 | a=rtpmap:97 TELEPHONE-EVENT/8000",
            Codec::Pcmu,
            0,
            Some(97),
        ),
        ("m=audio 4000 RTP/AVPF 0", Codec::Pcmu, 0, None),
    ];
    for (offer, codec, payload_type, telephone_event) in cases {
        let (answer, stream) = answer_to(offer).unwrap();
        assert_eq!((stream.codec, stream.payload_type), (codec, payload_type), "{offer}");
        assert_eq!(stream.telephone_event, telephone_event, "{offer}");
        assert_eq!(stream.telephone_event_receive, telephone_event, "{offer}");
        let numbers: Vec<u8> = answer.media[0].payload_types().collect();
        let expected: Vec<u8> = [payload_type].into_iter().chain(telephone_event).collect();
        assert_eq!(numbers, expected, "{offer}");
        assert_eq!(answer.media[0].port, 20000, "{offer}");
    }
}

#[test]
fn streams_we_do_not_serve_keep_their_place_with_port_zero() {
    let offer = "m=image 5000 udptl t38 | m=audio 4000 RTP/SAVP 0 | m=audio 4002 RTP/AVP 0 | \
                 m=video 4004 RTP/AVP 96 97";
    let (answer, stream) = answer_to(offer).unwrap();
    assert_eq!(stream.remote.port(), 4002);
    let lines: Vec<(&str, u16, &str)> = answer
        .media
        .iter()
        .map(|media| (media.kind.as_str(), media.port, media.protocol.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            ("image", 0, "udptl"),
            ("audio", 0, "RTP/SAVP"),
            ("audio", 20000, "RTP/AVP"),
            ("video", 0, "RTP/AVP"),
        ]
    );
}

#[test]
fn offers_without_audio_for_us_are_refused_with_488() {
    let cases: [(&str, &str, Refusal, u16); 9] = [
        ("IP4 192.0.2.7", "m=video 4000 RTP/AVP 96", Refusal::NoAudio, 304),
        ("IP4 192.0.2.7", "a=none", Refusal::NoAudio, 304),
        ("IP4 192.0.2.7", "m=audio 0 RTP/AVP 0", Refusal::PortZero, 304),
        ("IP4 192.0.2.7", "m=audio 4000 RTP/AVP 9 18", Refusal::NoCommonCodec, 305),
        ("IP4 192.0.2.7", "m=audio 4000 RTP/AVP", Refusal::NoCommonCodec, 305),
        ("IP4 192.0.2.7", "m=audio 4000 RTP/SAVP 0", Refusal::Transport("RTP/SAVP".into()), 302),
        ("IP4 phone.example", "m=audio 4000 RTP/AVP 0", Refusal::Address, 301),
        ("IP4 224.2.1.1/127", "m=audio 4000 RTP/AVP 0", Refusal::Address, 301),
        ("IP6 2001:db8::7", "m=audio 4000 RTP/AVP 0", Refusal::Address, 301),
    ];
    for (connection, media, refusal, warning) in cases {
        let refused = make_answer(&peer(connection, media), &local()).unwrap_err();
        assert_eq!(refused, refusal, "{connection} {media}");
        assert_eq!((refused.status(), refused.warning_code()), (488, warning), "{media}");
    }
}

/// Every form of hold (RFC 3264 §8.4, and the older `0.0.0.0`), and coming back from it.
#[test]
fn hold_is_answered_with_the_direction_reversed() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let cases: [(&str, &str, Direction, Direction); 9] = [
        ("IP4 192.0.2.7", "", SendRecv, SendRecv),
        ("IP4 192.0.2.7", "a=sendrecv", SendRecv, SendRecv),
        ("IP4 192.0.2.7", "a=sendonly", SendRecv, RecvOnly),
        ("IP4 192.0.2.7", "a=recvonly", SendRecv, SendOnly),
        ("IP4 192.0.2.7", "a=inactive", SendRecv, Inactive),
        ("IP4 0.0.0.0", "", SendRecv, RecvOnly),
        ("IP4 0.0.0.0", "a=inactive", SendRecv, Inactive),
        ("IP4 0.0.0.0", "a=recvonly", SendRecv, Inactive),
        ("IP4 192.0.2.7", "a=sendonly", SendOnly, Inactive),
    ];
    for (connection, attribute, ours, expected) in cases {
        let offer = peer(connection, &format!("m=audio 4000 RTP/AVP 8 | {attribute}"));
        let local = Local { direction: ours, ..local() };
        let (answer, stream) = make_answer(&offer, &local).unwrap();
        assert_eq!(stream.direction, expected, "{connection} {attribute}");
        assert_eq!(answer.direction_of(&answer.media[0]), expected, "{connection} {attribute}");
    }
}

#[test]
fn hold_at_session_level_counts_unless_the_stream_says_otherwise() {
    let text = |media: &str| {
        format!(
            "v=0\r\no=- 5 5 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\na=sendonly\r\n\
             m=audio 4000 RTP/AVP 8\r\n{media}"
        )
    };
    for (media, expected) in [("", Direction::RecvOnly), ("a=sendrecv\r\n", Direction::SendRecv)] {
        let offer = SessionDescription::parse(text(media).as_bytes()).unwrap();
        assert_eq!(make_answer(&offer, &local()).unwrap().1.direction, expected);
    }
}

#[test]
fn packet_time_is_the_peers_wish_between_10_and_60_ms() {
    let cases = [
        ("", 20),
        ("a=ptime:10", 10),
        ("a=ptime:30", 30),
        ("a=ptime:60", 60),
        ("a=ptime:20.0", 20),
        ("a=ptime:5", 20),
        ("a=ptime:25", 20),
        ("a=ptime:120", 20),
        ("a=ptime:abc", 20),
        ("a=ptime:60 | a=maxptime:40", 40),
        ("a=maxptime:15", 10),
    ];
    for (attributes, expected) in cases {
        let (answer, stream) =
            answer_to(&format!("m=audio 4000 RTP/AVP 8 | {attributes}")).unwrap();
        assert_eq!(stream.ptime_ms, expected, "{attributes}");
        assert_eq!(answer.media[0].ptime_ms(), Some(expected), "{attributes}");
    }
}

#[test]
fn an_answer_to_our_offer_settles_the_stream() {
    let offer = make_offer(&local());
    let answer = peer(
        "IP4 192.0.2.7",
        "m=audio 4000 RTP/AVP 0 8 96 | a=rtpmap:96 telephone-event/8000 | a=ptime:30 | \
         a=rtcp:4711 IN IP4 192.0.2.8 | a=recvonly",
    );
    assert_eq!(
        read_answer(&offer, &answer),
        Ok(StreamParameters {
            remote: "192.0.2.7:4000".parse().unwrap(),
            signalling: "192.0.2.7".parse().unwrap(),
            remote_rtcp: "192.0.2.8:4711".parse().unwrap(),
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(96),
            telephone_event_receive: Some(101),
            ptime_ms: 30,
            direction: Direction::SendOnly,
        })
    );
}

#[test]
fn answers_that_do_not_fit_are_named() {
    let offer = make_offer(&Local { codecs: &[Codec::Pcma], ..local() });
    let cases: [(&str, &str, AnswerFault); 6] = [
        ("IP4 192.0.2.7", "m=audio 0 RTP/AVP 8", AnswerFault::Refused),
        ("IP4 192.0.2.7", "m=audio 4000 RTP/AVP 0", AnswerFault::NoCommonCodec),
        ("IP4 192.0.2.7", "m=video 4000 RTP/AVP 8", AnswerFault::StreamsDiffer),
        ("IP4 192.0.2.7", "a=none", AnswerFault::StreamsDiffer),
        (
            "IP4 192.0.2.7",
            "m=audio 4000 RTP/AVP 8 | m=audio 4002 RTP/AVP 8",
            AnswerFault::StreamsDiffer,
        ),
        ("IP4 phone.example", "m=audio 4000 RTP/AVP 8", AnswerFault::Address),
    ];
    for (connection, media, fault) in cases {
        assert_eq!(read_answer(&offer, &peer(connection, media)), Err(fault), "{media}");
    }
}

#[test]
fn the_second_leg_is_offered_the_first_legs_codec_first() {
    let codecs = codecs_for_second_leg(Codec::Pcmu, &OURS);
    assert_eq!(codecs.as_slice(), [Codec::Pcmu, Codec::Pcma]);
    let offer = make_offer(&Local { codecs: &codecs, ..local() });
    let numbers: Vec<u8> = offer.media[0].payload_types().collect();
    assert_eq!(numbers, [0, 8, 101]);
}

#[test]
fn a_later_offer_keeps_every_place_and_counts_versions_by_change() {
    let first = "m=video 4004 RTP/AVP 96 | m=audio 4000 RTP/AVP 8";
    let (sent, _) = answer_to(first).unwrap();
    let same = make_reoffer(&sent, &Local { codecs: &[Codec::Pcma], ..local() });
    let kinds: Vec<(&str, u16)> =
        same.media.iter().map(|media| (media.kind.as_str(), media.port)).collect();
    assert_eq!(kinds, [("video", 0), ("audio", 20000)]);
    let held = make_reoffer(&same, &Local { direction: Direction::SendOnly, ..local() });
    assert_eq!(held.origin.version, same.origin.version + 1);
    let again = make_reoffer(&held, &Local { direction: Direction::SendOnly, ..local() });
    assert_eq!(again, held, "nothing changed: the version stays");
}

#[test]
fn an_answer_to_a_refresh_keeps_its_version() {
    let (sent, _) = answer_to("m=audio 4000 RTP/AVP 8").unwrap();
    let (mut refreshed, _) = answer_to("m=audio 4000 RTP/AVP 8").unwrap();
    refreshed.origin.version = 900;
    set_version_after(&mut refreshed, &sent);
    assert_eq!(refreshed, sent);
    let (mut held, _) = answer_to("m=audio 4000 RTP/AVP 8 | a=sendonly").unwrap();
    set_version_after(&mut held, &sent);
    assert_eq!(held.origin.version, sent.origin.version + 1);
}
