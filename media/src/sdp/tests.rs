//! Descriptions as phones and carriers write them, and what is no description.

use super::*;
use proptest::prelude::*;

const PHONE: &str = "v=0\r\no=- 3890 3891 IN IP4 192.0.2.7\r\ns=call\r\nc=IN IP4 192.0.2.7\r\n\
    t=0 0\r\na=tool:phone\r\nm=audio 4000 RTP/AVP 96 8 0 101\r\na=rtpmap:96 opus/48000/2\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:30\r\na=rtcp:4711\r\n\
    a=sendonly\r\nm=video 4002 RTP/AVP 97\r\nc=IN IP6 2001:db8::9\r\na=rtpmap:97 H264/90000\r\n";

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_phones_description_is_read_section_by_section() {
    let sdp = parse(PHONE);
    let (audio, video) = (&sdp.media[0], &sdp.media[1]);
    assert_eq!((sdp.origin.session_id, sdp.origin.version), (3890, 3891));
    assert_eq!(sdp.rtp_address_of(audio), Some("192.0.2.7:4000".parse().unwrap()));
    assert_eq!(sdp.rtcp_address_of(audio), Some("192.0.2.7:4711".parse().unwrap()));
    assert_eq!(sdp.rtp_address_of(video), Some("[2001:db8::9]:4002".parse().unwrap()));
    assert_eq!(sdp.rtcp_address_of(video), Some("[2001:db8::9]:4003".parse().unwrap()));
    assert_eq!(sdp.direction_of(audio), Direction::SendOnly);
    assert_eq!(sdp.direction_of(video), Direction::SendRecv);
    assert_eq!(audio.payload_types().collect::<Vec<_>>(), [96, 8, 0, 101]);
    assert_eq!(audio.rtpmap(96).unwrap().channels, 2);
    assert_eq!(audio.rtpmap(8).unwrap().encoding, "PCMA", "static types need no rtpmap");
    assert_eq!(audio.rtpmap(101).unwrap().encoding, "telephone-event");
    assert_eq!(audio.fmtp(101), Some("0-15"));
    assert_eq!(audio.ptime_ms(), Some(30));
    assert!(!audio.rtcp_mux());
}

#[test]
fn printing_and_reading_agree() {
    let sdp = parse(PHONE);
    assert_eq!(parse(&sdp.to_string()), sdp);
}

#[test]
fn sloppy_descriptions_are_read() {
    let cases: [(&str, &str); 8] = [
        (
            "LF line ends",
            "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        ),
        (
            "no line end at the end",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 0",
        ),
        (
            "no s= and no t=",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 0\r\n",
        ),
        (
            "c= only in the media",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n",
        ),
        (
            "unknown lines and noise",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nq=what\r\nnonsense\r\n\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nm=audio 9 RTP/AVP 0\r\nk=none\r\n",
        ),
        (
            "multicast parts and port count",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1/127/3\r\nm=audio 9/2 RTP/AVP 0\r\n",
        ),
        (
            "user name with blanks",
            "v=0\r\no=My Phone 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=AUDIO 9 RTP/AVP 0\r\n",
        ),
        (
            "blanks at line ends",
            "v=0 \r\no=- 1 1 IN IP4 192.0.2.1 \r\ns=- \r\nc=IN IP4 192.0.2.1 \r\nm=audio 9 RTP/AVP 0 \r\n",
        ),
    ];
    for (name, text) in cases {
        let sdp = parse(text);
        assert_eq!(sdp.media.len(), 1, "{name}");
        assert_eq!(sdp.media[0].kind, "audio", "{name}");
        let expected = Some("192.0.2.1:9".parse().unwrap());
        assert_eq!(sdp.rtp_address_of(&sdp.media[0]), expected, "{name}");
    }
}

#[test]
fn text_need_not_be_utf8() {
    let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Gespr\xe4ch\r\nm=audio 9 RTP/AVP 0\r\n";
    assert!(SessionDescription::parse(body).is_ok());
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";
    let many_media = format!("{head}{}", "m=audio 9 RTP/AVP 0\r\n".repeat(MEDIA_MAX + 1));
    let many_formats = format!("{head}m=audio 9 RTP/AVP{}\r\n", " 0".repeat(FORMATS_MAX + 1));
    let many_attributes = format!("{head}{}", "a=x\r\n".repeat(ATTRIBUTES_MAX + 1));
    let cases: [(&str, SdpError); 10] = [
        ("", SdpError::Version),
        ("o=- 1 1 IN IP4 192.0.2.1\r\n", SdpError::Version),
        ("v=1\r\n", SdpError::Version),
        ("v=0\r\ns=-\r\n", SdpError::NoOrigin),
        ("v=0\r\no=-\r\n", SdpError::Malformed { line: 2, kind: 'o' }),
        (&format!("{head}c=IN\r\n"), SdpError::Malformed { line: 4, kind: 'c' }),
        (&format!("{head}m=audio 70000 RTP/AVP 0\r\n"), SdpError::Malformed { line: 4, kind: 'm' }),
        (&many_media, SdpError::TooManyMedia),
        (&many_formats, SdpError::TooManyFormats),
        (&many_attributes, SdpError::TooManyAttributes),
    ];
    for (text, error) in cases {
        assert_eq!(SessionDescription::parse(text.as_bytes()), Err(error), "{text:?}");
    }
    let long = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(SessionDescription::parse(&long), Err(SdpError::TooLong(long.len())));
}

#[test]
fn the_session_description_is_found_in_a_multipart_body() {
    let part = "Content-Type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\n";
    let body = format!(
        "preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1\r\n{part}\r\n--b1--\r\n"
    );
    let cut = format!("--b1\r\n{part}");
    let bare = "v=0\r\n";
    let cases: [(&str, &str, Result<&str, MultipartError>); 8] = [
        ("application/sdp", bare, Ok("v=0\r\n")),
        ("Application/SDP; charset=utf-8", bare, Ok("v=0\r\n")),
        ("multipart/mixed; boundary=b1", &body, Ok("v=0\r\n")),
        ("multipart/mixed;boundary=\"b1\"", &body, Ok("v=0\r\n")),
        ("multipart/mixed;boundary=b1", &cut, Ok("v=0\r\n")),
        ("multipart/mixed", &body, Err(MultipartError::NoBoundary)),
        ("multipart/mixed;boundary=other", &body, Err(MultipartError::NoSdpPart)),
        ("text/plain", bare, Err(MultipartError::NotSdp)),
    ];
    for (content_type, body, expected) in cases {
        let found = find_in_body(content_type, body.as_bytes());
        assert_eq!(found, expected.map(str::as_bytes), "{content_type}");
    }
}

proptest! {
    #[test]
    fn hostile_bodies_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..400),
        lines in "(v=0\r\n)?([ocmas]=[ -~]{0,40}\r?\n){0,12}",
        content_type in "multipart/[a-z]{1,5};? ?(boundary=\"?[a-z]{0,3}\"?)?",
    ) {
        for text in [&body[..], lines.as_bytes()] {
            if let Ok(sdp) = SessionDescription::parse(text) {
                for media in &sdp.media {
                    let _ = (sdp.rtp_address_of(media), sdp.rtcp_address_of(media), media.rtcp());
                    let _ = (media.fmtp(0), media.ptime_ms(), media.rtpmaps().count());
                }
                prop_assert!(SessionDescription::parse(sdp.to_string().as_bytes()).is_ok());
            }
            let _ = find_in_body(&content_type, text);
        }
    }
}
