//! Parse: an INVITE of 844 bytes with the headers every request is routed by, typed.

use super::in_process;
use crate::bench::Bench;
use crate::figure::{Figure, Goal};
use bytes::Bytes;
use hotline_sip::Message;
use std::hint::black_box;

const GOAL_US: f64 = 1.0;
const MESSAGE_BYTES: usize = 844;
/// Messages of one batch: some milliseconds.
const BATCH: u64 = 20_000;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figure = Figure::new("parse", "µs", Goal::AtMost(GOAL_US));
    let bytes = invite();
    for _ in 0..bench.runs {
        figure.runs.push(in_process(bench, &mut || {
            (0..BATCH).for_each(|_| parse_one(&bytes));
            BATCH
        })?);
    }
    Ok(vec![figure])
}

/// Parses so many messages.
pub fn parse_many(messages: u64) {
    let bytes = invite();
    (0..messages).for_each(|_| parse_one(&bytes));
}

fn parse_one(bytes: &Bytes) {
    // A failure would be no parse; the message is ours, so it cannot fail.
    let Ok(message) = Message::parse(black_box(bytes.clone())) else {
        black_box(());
        return;
    };
    let _typed = black_box((
        message.top_via(),
        message.from(),
        message.to(),
        message.cseq(),
        message.contact(),
    ));
}

/// An ordinary INVITE of a phone with two codecs and digits.
fn invite() -> Bytes {
    let sdp = "v=0\r\no=anna 3724394400 3724394400 IN IP4 198.51.100.20\r\ns=-\r\n\
               c=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 40376 RTP/AVP 8 0 101\r\n\
               a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";
    let head = format!(
        "INVITE sip:123451@pbx.example.net SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.20:5060;rport;branch=z9hG4bK7f1c0a55e2\r\n\
         Max-Forwards: 70\r\nFrom: \"Anna\" <sip:+46812345678@carrier.example.net>;tag=5d7e21\r\n\
         To: <sip:123451@pbx.example.net>\r\nCall-ID: 8d1e03b7c5f94d0a@198.51.100.20\r\n\
         CSeq: 102 INVITE\r\nContact: <sip:+46812345678@198.51.100.20:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE\r\n\
         Supported: replaces, timer\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\
         User-Agent: ",
        sdp.len()
    );
    let end = format!("\r\n\r\n{sdp}");
    let fill = MESSAGE_BYTES.saturating_sub(head.len() + end.len());
    Bytes::from(format!("{head}{}{end}", "p".repeat(fill)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_as_long_as_the_peers_were_measured_with_and_wholly_readable() {
        let bytes = invite();
        assert_eq!(bytes.len(), MESSAGE_BYTES);
        let message = Message::parse(bytes).unwrap();
        hotline_sip::validate::validate_request(&message).unwrap();
        assert!(message.top_via().is_ok() && message.from().is_ok() && message.to().is_ok());
        assert!(message.cseq().is_ok() && message.contact().is_ok());
    }
}
