//! How long the message layer takes, on the machine at hand: run by hand with
//! `cargo test --release -p hotline-sip --test message_timing -- --ignored --nocapture`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "a measurement run by hand reads the clock and prints"
)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use hotline_sip::Message;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::validate::validate_request;

/// An ordinary INVITE of 844 bytes.
fn invite() -> Bytes {
    let sdp = "v=0\r\no=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\n\
               s=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0 8 101\r\n\
               a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    let mut text = format!(
        "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP client.atlanta.example.com:5060;rport;branch=z9hG4bK74bf9\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
         To: Bob <sip:bob@biloxi.example.com>\r\nCall-ID: 3848276298220188511@atlanta.example.com\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:alice@client.atlanta.example.com;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE\r\n\
         Supported: replaces, timer\r\nUser-Agent: Softphone 1.0\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\nSubject: ",
        sdp.len()
    );
    let fill = 844 - text.len() - sdp.len() - 4;
    text.push_str(&"x".repeat(fill));
    Bytes::from(format!("{text}\r\n\r\n{sdp}"))
}

fn measure(name: &str, mut run: impl FnMut()) {
    const ROUNDS: u32 = 200_000;
    let best = (0..7)
        .map(|_| {
            let start = Instant::now();
            (0..ROUNDS).for_each(|_| run());
            start.elapsed() / ROUNDS
        })
        .min();
    println!("{name}: {best:?}");
}

#[test]
#[ignore = "a measurement, not a test"]
fn timing() {
    let bytes = invite();
    assert_eq!(bytes.len(), 844);
    let message = Message::parse(bytes.clone()).unwrap();
    let source = "192.0.2.1:5060".parse().unwrap();
    measure("parse", || {
        black_box(Message::parse(black_box(bytes.clone())).unwrap());
    });
    measure("parse, Via From To CSeq Contact", || {
        let message = Message::parse(black_box(bytes.clone())).unwrap();
        black_box((message.top_via().unwrap(), message.from().unwrap(), message.to().unwrap()));
        black_box((message.cseq().unwrap(), message.contact().unwrap()));
    });
    measure("validate", || validate_request(black_box(&message)).unwrap());
    measure("clone", || drop(black_box(message.clone())));
    measure("response", || {
        let response = ResponseBuilder::new(black_box(&message), 180).source(source).to_tag("abc");
        black_box(response.finish().unwrap());
    });
}
