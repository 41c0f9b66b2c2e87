//! What is written reads back as it was meant, and nothing can be smuggled in.

use bytes::Bytes;
use hotline_sip::build::{
    BuildError, RequestBuilder, ResponseBuilder, ViaParameters, ack_for_failure, cancel_for,
};
use hotline_sip::header::{HeaderName, NameAddr};
use hotline_sip::message::ParseErrorKind;
use hotline_sip::validate::validate_request;
use hotline_sip::{Message, Method, Transport, Uri};

fn via(branch: &str) -> ViaParameters {
    ViaParameters {
        transport: Transport::Udp,
        host: "[2001:db8::5]".into(),
        port: Some(5062),
        branch: branch.into(),
        rport: true,
    }
}

fn invite() -> RequestBuilder {
    let address = |text: &str| NameAddr::of(text.parse::<Uri>().unwrap());
    RequestBuilder::new(Method::Invite, "sip:12345@h;x=1".parse().unwrap())
        .from(address("sip:a@h").with_tag("ours").unwrap().to_bytes())
        .to("<sip:12345@h>")
        .call_id("c1@h")
        .cseq(7)
        .header(HeaderName::Route, "<sip:p1;lr>, <sip:p2;lr>")
        .header(HeaderName::Contact, "<sip:a@h>")
        .body("application/sdp", "v=0\r\n")
}

fn parse(bytes: Bytes) -> Message {
    Message::parse(bytes).unwrap()
}

fn request(text: &str) -> Message {
    parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn a_request_is_whole_and_can_be_sent_again_with_credentials() {
    let builder = invite();
    let first = parse(builder.finish(&via("z9hG4bK1")).unwrap());
    assert_eq!(validate_request(&first), Ok(()));
    let top = first.top_via().unwrap();
    assert_eq!(top.sent_by(), ("[2001:db8::5]", Some(5062)));
    assert_eq!((top.branch().unwrap(), top.rport()), (Bytes::from("z9hG4bK1"), Some(None)));
    assert_eq!(first.routes().count(), 2);
    assert_eq!(first.body(), b"v=0\r\n");
    assert_eq!(first.header(HeaderName::ContentLength), Some(&b"5"[..]));
    let again = builder.cseq(8).header(HeaderName::Authorization, "Digest username=\"a\"");
    let second = parse(again.finish(&via("z9hG4bK2")).unwrap());
    assert_eq!(second.cseq().unwrap().number, 8);
    assert_eq!(second.authorization().count(), 1);
    assert_eq!(second.from(), first.from());
}

#[test]
fn ack_and_cancel_follow_their_invite() {
    let sent = parse(invite().finish(&via("z9hG4bK1")).unwrap());
    let busy = ResponseBuilder::new(&sent, 486).to_tag("theirs").finish().unwrap();
    for (message, method, tag) in [
        (ack_for_failure(&sent, &parse(busy)).unwrap(), Method::Ack, Some("theirs")),
        (cancel_for(&sent, None).unwrap(), Method::Cancel, None),
    ] {
        let message = parse(message);
        assert_eq!(validate_request(&message), Ok(()));
        assert!(message.is(&method) && message.cseq().unwrap().method == method);
        assert_eq!(message.cseq().unwrap().number, 7);
        assert_eq!(message.request_uri_bytes(), sent.request_uri_bytes());
        assert_eq!(message.top_via(), sent.top_via());
        assert_eq!(message.routes().count(), 2);
        let to_tag = message.to().unwrap().tag();
        assert_eq!(to_tag.as_deref(), tag.map(str::as_bytes));
        assert!(message.body().is_empty());
    }
}

#[test]
fn the_top_via_of_a_response_tells_where_the_request_came_from() {
    for (sent, source, expected) in [
        ("192.0.2.1;branch=b", "192.0.2.1:5060", "192.0.2.1;branch=b"),
        ("192.0.2.1;branch=b", "192.0.2.9:5060", "192.0.2.1;branch=b;received=192.0.2.9"),
        ("host.h;branch=b", "192.0.2.9:5060", "host.h;branch=b;received=192.0.2.9"),
        ("192.0.2.1;rport;branch=b", "192.0.2.1:99", {
            "192.0.2.1;rport=99;branch=b;received=192.0.2.1"
        }),
        ("192.0.2.1;rport=1;received=9.9.9.9", "192.0.2.1:99", {
            "192.0.2.1;rport=99;received=192.0.2.1"
        }),
        ("[2001:DB8::1];branch=b", "[2001:db8::1]:5060", "[2001:DB8::1];branch=b"),
        ("192.0.2.1;branch=b", "[::ffff:192.0.2.1]:5060", "192.0.2.1;branch=b"),
        ("h;branch=b", "[2001:db8::1]:5060", "h;branch=b;received=2001:db8::1"),
    ] {
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP {sent}, SIP/2.0/TCP below;branch=c\r\n\
             f: <sip:a@h>;tag=1\r\nt: <sip:h>\r\ni: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        let response = ResponseBuilder::new(&request(&text), 200).source(source.parse().unwrap());
        let response = parse(response.to_tag("2").finish().unwrap());
        let vias: Vec<_> = response.headers(HeaderName::Via).collect();
        assert_eq!(vias.len(), 2);
        assert_eq!(vias[0], format!("SIP/2.0/UDP {expected}").as_bytes());
        assert_eq!(vias[1], b"SIP/2.0/TCP below;branch=c");
        assert_eq!(response.to().unwrap().tag().unwrap(), "2");
        assert_eq!(response.reason_phrase(), "OK");
    }
}

#[test]
fn a_tag_is_added_once_and_record_route_only_for_a_dialog() {
    let text = "INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
                Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\nTimestamp: 54\r\n\
                From: <sip:a@h>;tag=1\r\nTo: <sip:h>;tag=ours\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
    let base = ResponseBuilder::new(&request(text), 200).to_tag("again");
    let plain = parse(base.finish().unwrap());
    assert_eq!(plain.header(HeaderName::To), Some(&b"<sip:h>;tag=ours"[..]));
    assert_eq!(plain.record_routes().count(), 0);
    assert_eq!(plain.header(HeaderName::Timestamp), None);
    let routed = parse(base.record_route().finish().unwrap());
    let hosts: Vec<_> = routed.record_routes().map(|r| r.unwrap().uri.host().to_owned()).collect();
    assert_eq!(hosts, ["p2", "p1"]);
    let trying = parse(ResponseBuilder::new(&request(text), 100).finish().unwrap());
    assert_eq!(trying.header(HeaderName::Timestamp), Some(&b"54"[..]));
}

#[test]
fn line_ends_in_values_are_refused() {
    let evil = "x\r\nEvil: y";
    let refused = |builder: RequestBuilder| builder.finish(&via("z9hG4bK1")).unwrap_err();
    assert_eq!(refused(invite().from(evil)), BuildError::LineEnd(HeaderName::From));
    assert_eq!(refused(invite().call_id(evil)), BuildError::LineEnd(HeaderName::CallId));
    let subject = invite().header(HeaderName::Subject, evil);
    assert_eq!(refused(subject), BuildError::LineEnd(HeaderName::Subject));
    assert_eq!(refused(invite().header_named("X-A", "a\nb")), {
        BuildError::LineEnd(HeaderName::Other)
    });
    assert_eq!(refused(invite().header_named("X A", "a")), BuildError::Name);
    assert_eq!(refused(invite().body(evil, "")), BuildError::LineEnd(HeaderName::ContentType));
    assert_eq!(invite().finish(&via(evil)), Err(BuildError::LineEnd(HeaderName::Via)));
    let sent = parse(invite().finish(&via("z9hG4bK1")).unwrap());
    let response = ResponseBuilder::new(&sent, 200);
    assert!(response.clone().reason(evil).finish().is_err());
    assert!(response.clone().to_tag(evil).finish().is_err());
    assert_eq!(ResponseBuilder::new(&sent, 99).finish(), Err(BuildError::Status(99)));
    let large = invite().body("text/plain", vec![b'x'; 65_536]);
    assert_eq!(refused(large), BuildError::TooLarge);
}

#[test]
fn broken_bytes_are_answered_when_they_can_be() {
    let head = "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
                Call-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    let options = |rest: &str| format!("OPTIONS sip:h SIP/2.0\r\n{head}{rest}");
    let ack = options("l: 9\r\n\r\n").replace("OPTIONS", "ACK");
    let many = options(&format!("{}\r\n", "X: y\r\n".repeat(256)));
    let wide = options(&format!("X: {}\r\n\r\n", "y".repeat(16_384)));
    let long = format!("OPTIONS sip:{} SIP/2.0\r\n{head}\r\n", "h".repeat(8192));
    let large = options(&format!("\r\n{}", "x".repeat(65_536)));
    for (text, kind, answer) in [
        ("\r\n\r\n".to_owned(), ParseErrorKind::Empty, None),
        ("HELLO\r\n\r\n".to_owned(), ParseErrorKind::StartLine, None),
        ("SIP/2.0 99 x\r\n\r\n".to_owned(), ParseErrorKind::Status, None),
        (options(""), ParseErrorKind::Unterminated, Some(400)),
        (options("no colon\r\n\r\n"), ParseErrorKind::HeaderName, Some(400)),
        (options("bad name: x\r\n\r\n"), ParseErrorKind::HeaderName, Some(400)),
        (options("X: a\rb\r\n\r\n"), ParseErrorKind::StrayCarriageReturn, Some(400)),
        (options("l: 1\r\n\r\n"), ParseErrorKind::BodyTooShort, Some(400)),
        (options("l: 99999999999999999999\r\n\r\n"), ParseErrorKind::BodyTooShort, Some(400)),
        (ack, ParseErrorKind::BodyTooShort, None),
        (many, ParseErrorKind::TooManyHeaders, Some(400)),
        (wide, ParseErrorKind::HeaderTooLong, Some(400)),
        (long, ParseErrorKind::StartLineTooLong, Some(414)),
        (large, ParseErrorKind::TooLarge, Some(513)),
    ] {
        let error = Message::parse(Bytes::from(text)).unwrap_err();
        assert_eq!(error.kind, kind);
        let status = error.answerable().map(|request| {
            assert!(ResponseBuilder::new(request, error.status()).finish().is_ok());
            error.status()
        });
        assert_eq!(status, answer, "{kind:?}");
    }
}

#[test]
fn reasons_and_numbers() {
    let message = request(
        "BYE sip:h SIP/2.0\r\nReason: SIP;cause=200;text=\"Call, completed\", \
         Q.850;cause=16;text=\"Terminated\"\r\nRetry-After: 18000;duration=3600\r\n\
         Expires: 99999999999\r\nMin-Expires: x\r\nAllow: INVITE, ACK,BYE\r\n\
         Content-Type: application / sdp;charset=x\r\nk: 100rel\r\nEvent: dialog;id=1\r\n\r\n",
    );
    let reasons: Vec<_> = message.reasons().collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0].text.as_deref(), Some("Call, completed"));
    assert_eq!(message.q850_cause(), Some(16));
    assert_eq!(message.retry_after(), Ok(Some(18_000)));
    assert_eq!(message.expires(), Ok(Some(u32::MAX)));
    assert!(message.min_expires().is_err());
    assert_eq!(message.max_forwards(), Ok(None));
    assert_eq!(message.allow().count(), 3);
    assert!(message.content_type_is("application/sdp") && message.supports("100rel"));
    assert_eq!(message.event(), Some(&b"dialog"[..]));
}
