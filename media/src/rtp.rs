//! RTP packets (RFC 3550 §5.1): the fixed header read and written.

use thiserror::Error;

/// Bytes of a header without contributing sources or extension.
pub const HEADER_BYTES: usize = 12;
/// Largest packet that is looked at, in bytes; a longer one is refused.
pub const PACKET_BYTES_MAX: usize = 1500;

/// The fields of the fixed header that vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Beginning of a talkspurt or of an event.
    pub marker: bool,
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// Counts packets, modulo 2¹⁶.
    pub sequence: u16,
    /// Counts samples, modulo 2³².
    pub timestamp: u32,
    /// Names the source.
    pub ssrc: u32,
}

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// Without contributing sources, extension and padding.
    pub payload: &'a [u8],
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RtpError {
    /// Shorter than its header says.
    #[error("the packet is cut")]
    Short,
    /// Longer than [`PACKET_BYTES_MAX`].
    #[error("the packet is longer than {PACKET_BYTES_MAX} bytes")]
    Long,
    /// The version is not 2.
    #[error("expected version 2")]
    Version,
    /// The padding is longer than the payload.
    #[error("the padding is longer than the payload")]
    Padding,
}

impl Header {
    /// The header's bytes: version 2, no padding, no extension, no contributing sources.
    pub fn bytes(&self) -> [u8; HEADER_BYTES] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [r0, r1, r2, r3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        [0x80, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3]
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`RtpError`] for what RFC 3550 A.1 would not take.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        if bytes.len() > PACKET_BYTES_MAX {
            return Err(RtpError::Long);
        }
        let (fixed, mut payload) =
            bytes.split_first_chunk::<HEADER_BYTES>().ok_or(RtpError::Short)?;
        let &[first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let contributing = usize::from(first & 0x0f) * 4;
        payload = payload.get(contributing..).ok_or(RtpError::Short)?;
        if first & 0x10 != 0 {
            let (&[_, _, l0, l1], rest) =
                payload.split_first_chunk::<4>().ok_or(RtpError::Short)?;
            let words = usize::from(u16::from_be_bytes([l0, l1]));
            payload = rest.get(words * 4..).ok_or(RtpError::Short)?;
        }
        if first & 0x20 != 0 {
            let padding = payload.last().map_or(0, |&count| usize::from(count));
            if padding == 0 || padding > payload.len() {
                return Err(RtpError::Padding);
            }
            payload = &payload[..payload.len() - padding];
        }
        Ok(Packet {
            header: Header {
                marker: second & 0x80 != 0,
                payload_type: second & 0x7f,
                sequence: u16::from_be_bytes([s0, s1]),
                timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
                ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            },
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Header = Header {
        marker: true,
        payload_type: 8,
        sequence: 0xfffe,
        timestamp: 0x0102_0304,
        ssrc: 0xdead_beef,
    };

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = PLAIN.bytes().to_vec();
        bytes[0] = first;
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn headers_of_every_shape_are_read() {
        type Case = (&'static str, u8, &'static [u8], Result<&'static [u8], RtpError>);
        let cases: [Case; 10] = [
            ("plain", 0x80, &[1, 2], Ok(&[1, 2])),
            ("empty", 0x80, &[], Ok(&[])),
            ("one contributing source", 0x81, &[0, 0, 0, 9, 1], Ok(&[1])),
            ("contributing sources cut", 0x82, &[0, 0, 0, 9], Err(RtpError::Short)),
            ("extension of one word", 0x90, &[0, 0, 0, 1, 9, 9, 9, 9, 1], Ok(&[1])),
            ("extension cut", 0x90, &[0, 0, 0, 2, 9, 9, 9, 9], Err(RtpError::Short)),
            ("padding of two", 0xa0, &[1, 0, 2], Ok(&[1])),
            ("padding of none", 0xa0, &[1, 0, 0], Err(RtpError::Padding)),
            ("padding too long", 0xa0, &[1, 9], Err(RtpError::Padding)),
            ("version 1", 0x40, &[1], Err(RtpError::Version)),
        ];
        for (name, first, rest, expected) in cases {
            let bytes = packet(first, rest);
            assert_eq!(Packet::parse(&bytes).map(|packet| packet.payload), expected, "{name}");
        }
        assert_eq!(Packet::parse(&PLAIN.bytes()).unwrap().header, PLAIN);
        assert_eq!(Packet::parse(&PLAIN.bytes()[..11]), Err(RtpError::Short));
        assert_eq!(Packet::parse(&[0x80; PACKET_BYTES_MAX + 1]), Err(RtpError::Long));
    }

    proptest! {
        #[test]
        fn hostile_packets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::parse(&bytes);
        }
    }
}
