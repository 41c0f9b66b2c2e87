//! What is given up when an engine falls behind, in order of what it costs people.
//!
//! Lag is how long a datagram has waited in the kernel: other requests are dropped first, then
//! registrations (phones try again), then new calls (503 with Retry-After), and what belongs to
//! calls in progress last.

use bytes::Bytes;
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::HeaderName;
use hotline_sip::mark::Mark;
use hotline_sip::{Flow, Message, Method};

/// What a message is worth when not all can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// OPTIONS, SUBSCRIBE, MESSAGE, …
    Other,
    /// REGISTER.
    Register,
    /// A new call.
    Invite,
    /// What names a dialog or a transaction by something that we minted.
    InDialog,
}

/// How many classes there are.
pub const CLASSES: usize = 4;

/// From this lag in ms on, each class is shed.
const SHED_FROM_MS: [u64; CLASSES] = [100, 250, 500, 4_000];

/// Lag beyond this is no lag but a wall clock that was set.
const CREDIBLE_MS: u64 = 60_000;

/// What a 503 to a shed INVITE asks for, in s.
pub const RETRY_AFTER_S: u32 = 5;

impl Class {
    /// The class of a message. Only a mark of ours makes it one of a call in progress: any
    /// stranger can write a To tag. CANCEL, and ACK of what is not ours, are worth their INVITE.
    pub fn of(message: &Message) -> Class {
        match message.method() {
            None if has_our_branch(message) => Class::InDialog,
            Some(_) if has_our_tag(message) => Class::InDialog,
            Some(Method::Invite | Method::Cancel | Method::Ack) => Class::Invite,
            Some(Method::Register) => Class::Register,
            _ => Class::Other,
        }
    }

    /// Whether it is shed at this lag.
    pub fn is_shed(self, lag_ms: u64) -> bool {
        lag_ms >= SHED_FROM_MS[self as usize] && lag_ms < CREDIBLE_MS
    }

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        ["other", "register", "invite", "in_dialog"][self as usize]
    }
}

/// The 503 to an INVITE that is shed, with the flow it leaves by: made without state, the same for
/// each retransmission (RFC 3261 §8.2.7, §21.5.4).
pub fn overloaded(flow: &Flow, invite: &Message) -> Option<(Flow, Bytes)> {
    let via = invite.top_via().ok()?;
    let mut hash = crc32fast::Hasher::new();
    hash.update(via.as_bytes());
    hash.update(&invite.call_id().ok()?);
    let bytes = ResponseBuilder::new(invite, 503)
        .source(flow.remote)
        .to_tag(&format!("shed{:08x}", hash.finalize()))
        .header(HeaderName::RetryAfter, RETRY_AFTER_S.to_string())
        .finish()
        .ok()?;
    let mut reply = *flow;
    if !flow.transport.is_reliable() && via.rport().is_none() {
        reply.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    }
    Some((reply, bytes))
}

fn has_our_tag(message: &Message) -> bool {
    let tag = message.to().ok().and_then(|to| to.tag());
    tag.is_some_and(|tag| std::str::from_utf8(&tag).is_ok_and(|tag| Mark::of_tag(tag).is_some()))
}

fn has_our_branch(message: &Message) -> bool {
    let branch = message.top_via().ok().and_then(|via| via.branch());
    let mark = |branch: &[u8]| Mark::of_branch(std::str::from_utf8(branch).ok()?);
    branch.is_some_and(|branch| mark(&branch).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hotline_base::{Epoch, Partition, Rng};

    fn message(method: &str, to: &str) -> Message {
        let text = format!(
            "{method} sip:1@a SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: <sip:b@b>;tag=1\r\n\
             To: {to}\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    /// A flood of OPTIONS with an invented To tag was served before the calls of customers.
    #[test]
    fn the_later_a_class_is_shed_the_more_it_matters() {
        let mark = Mark { partition: Partition(3), epoch: Epoch(1) };
        let ours = format!("<sip:a@a>;tag={}", mark.mint_tag(&mut Rng::from_number(1)));
        let ours = ours.as_str();
        let cases = [
            ("OPTIONS", "<sip:a@a>", Class::Other),
            ("REGISTER", "<sip:a@a>", Class::Register),
            ("INVITE", "<sip:a@a>", Class::Invite),
            ("INVITE", "<sip:a@a>;tag=x", Class::Invite),
            ("INVITE", ours, Class::InDialog),
            ("OPTIONS", "<sip:a@a>;tag=x", Class::Other),
            ("OPTIONS", ours, Class::InDialog),
            ("ACK", "<sip:a@a>;tag=x", Class::Invite),
            ("ACK", ours, Class::InDialog),
            ("CANCEL", "<sip:a@a>", Class::Invite),
            ("BYE", "<sip:a@a>;tag=x", Class::Other),
            ("BYE", ours, Class::InDialog),
        ];
        for (method, to, class) in cases {
            assert_eq!(Class::of(&message(method, to)), class, "{method} {to}");
        }
        let shed_at = |lag| {
            let all = [Class::Other, Class::Register, Class::Invite, Class::InDialog];
            all.into_iter().filter(|class| class.is_shed(lag)).count()
        };
        let counts: Vec<_> =
            [0, 99, 100, 250, 500, 3_999, 4_000].into_iter().map(shed_at).collect();
        assert_eq!(counts, [0, 0, 1, 2, 3, 3, 4]);
        assert_eq!(shed_at(3_600_000), 0, "a clock that was set is no lag");
    }
}
