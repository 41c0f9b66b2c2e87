//! The texts that the load sends, and the few things it must find in what it hears.

use bytes::Bytes;
use hotline_sip::Message;
use hotline_sip::header::HeaderName;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Receive buffer for one datagram.
pub const DATAGRAM_BYTES: usize = 8_192;

/// An offer or answer of G.711 A-law on a loopback port, RTCP to another.
pub fn sdp(rtp: u16, rtcp: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {rtp} RTP/AVP 8 101\r\na=rtcp:{rtcp}\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Where a session description wants its audio.
pub fn audio_address(body: &[u8]) -> Option<SocketAddrV4> {
    let text = std::str::from_utf8(body).ok()?;
    let value = |prefix: &str| text.lines().find_map(|line| line.strip_prefix(prefix));
    let address: Ipv4Addr = value("c=IN IP4 ")?.trim().parse().ok()?;
    let port = value("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddrV4::new(address, port))
}

/// One side of a dialog: what its requests say.
#[derive(Clone, Debug)]
pub struct Side {
    /// Our own address, for Via and Contact.
    pub own: SocketAddrV4,
    /// Request-URI: the other side's Contact.
    pub target: String,
    /// From with our tag.
    pub from: String,
    /// To with the other side's tag.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
}

impl Side {
    /// A request within the dialog, without a body.
    pub fn request(&self, method: &str, cseq: u32, branch: &str) -> String {
        let Side { own, target, from, to, call_id } = self;
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        )
    }
}

/// An INVITE from a customer; the dialog's From tag and the branch are the call's name.
pub fn invite(
    own: SocketAddrV4,
    server: SocketAddrV4,
    dialled: &str,
    call: u64,
    body: &str,
) -> String {
    let caller = caller_number(call);
    format!(
        "INVITE sip:{dialled}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bKi{call}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{caller}@{own}>;tag=c{call}\r\nTo: <sip:{dialled}@{server}>\r\n\
         Call-ID: {call}@bench\r\nCSeq: 1 INVITE\r\nContact: <sip:{caller}@{own}>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: hotline-bench\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The ACK of an INVITE that failed.
pub fn ack_failure(
    own: SocketAddrV4,
    server: SocketAddrV4,
    dialled: &str,
    call: u64,
    to: &str,
) -> String {
    let caller = caller_number(call);
    let side = Side {
        own,
        target: format!("sip:{dialled}@{server}"),
        from: format!("<sip:{caller}@{own}>;tag=c{call}"),
        to: to.to_owned(),
        call_id: format!("{call}@bench"),
    };
    side.request("ACK", 1, &format!("i{call}"))
}

/// The number a call comes from: no agent's.
pub fn caller_number(call: u64) -> String {
    format!("+4681{:08}", call % 100_000_000)
}

/// Which call a message is of, by the Call-ID that [`invite`] gave.
pub fn call_of(message: &Message) -> Option<u64> {
    let call_id = message.header_text(HeaderName::CallId)?;
    call_id.strip_suffix("@bench")?.parse().ok()
}

/// A header as text; empty if it is not there.
pub fn text(message: &Message, name: HeaderName) -> String {
    message.header_text(name).map(|text| text.into_owned()).unwrap_or_default()
}

/// The URI of the first Contact.
pub fn contact_uri(message: &Message) -> Option<String> {
    let contact = message.header_text(HeaderName::Contact)?;
    let (_, rest) = contact.split_once('<')?;
    rest.split_once('>').map(|(uri, _)| uri.to_owned())
}

/// A message of a datagram.
pub fn parse(datagram: &[u8]) -> Option<Message> {
    Message::parse(Bytes::copy_from_slice(datagram)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_can_be_read() {
        let own: SocketAddrV4 = "127.0.0.1:7001".parse().unwrap();
        let server = "127.0.0.1:5060".parse().unwrap();
        let text = invite(own, server, "9000", 7, &sdp(4_000, 4_001));
        let message = parse(text.as_bytes()).unwrap();
        hotline_sip::validate::validate_request(&message).unwrap();
        assert_eq!(call_of(&message), Some(7));
        assert_eq!(contact_uri(&message).unwrap(), "sip:+468100000007@127.0.0.1:7001");
        assert_eq!(audio_address(message.body()), Some("127.0.0.1:4000".parse().unwrap()));
        let ack =
            parse(ack_failure(own, server, "9000", 7, "<sip:9000@h>;tag=x").as_bytes()).unwrap();
        hotline_sip::validate::validate_request(&ack).unwrap();
        assert_eq!(ack.header(HeaderName::From), message.header(HeaderName::From));
    }
}
