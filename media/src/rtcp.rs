//! RTCP (RFC 3550 §6): sender and receiver reports, source description, goodbye.
//!
//! Owns: reading compound packets, writing ours, the interval between reports. Does not own: what
//! is in a report block (see [`crate::reception`]).

use hotline_base::{Rng, Wall};
use std::time::Duration;
use thiserror::Error;

/// Mean interval between reports (RFC 3550 §6.2), in ms.
pub const INTERVAL_MS: u64 = 5000;
/// Most packets of a compound packet that are read.
const PACKETS_MAX: usize = 16;
/// Seconds from 1900 (NTP) to 1970.
const NTP_OFFSET_S: u64 = 2_208_988_800;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// What one receiver says about one source (§6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source it is about.
    pub ssrc: u32,
    /// Lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits with sign.
    pub cumulative_lost: i32,
    /// Highest sequence number with its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
    /// Middle of the last sender report's NTP time; 0 if none came.
    pub last_sender_report: u32,
    /// Its age in 1/65536 s.
    pub delay_since_last_sender_report: u32,
}

/// What a sender says about itself (§6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// When, as 32.32 bits since 1900.
    pub ntp: u64,
    /// The same moment in RTP time.
    pub rtp_timestamp: u32,
    /// Packets sent, modulo 2³².
    pub packets: u32,
    /// Payload bytes sent, modulo 2³².
    pub octets: u32,
}

/// One packet of a compound packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcpPacket<'a> {
    /// SR.
    SenderReport {
        /// Whose.
        ssrc: u32,
        /// About itself.
        info: SenderInfo,
        /// About others: blocks of 24 bytes, see [`report_blocks`].
        blocks: &'a [u8],
    },
    /// RR.
    ReceiverReport {
        /// Whose.
        ssrc: u32,
        /// About others: blocks of 24 bytes, see [`report_blocks`].
        blocks: &'a [u8],
    },
    /// SDES: the first chunk's CNAME.
    SourceDescription {
        /// Whose.
        ssrc: u32,
        /// Its canonical name, if written.
        cname: Option<&'a [u8]>,
    },
    /// BYE of its first source.
    Goodbye {
        /// Whose.
        ssrc: u32,
    },
    /// Anything else.
    Other(u8),
}

/// Why bytes are no compound RTCP packet (A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RtcpError {
    /// Version, first packet type or lengths are not RTCP's.
    #[error("not an RTCP packet")]
    NotRtcp,
}

/// Reads a compound packet and hands each of its packets to `each`.
///
/// # Errors
/// [`RtcpError`] if the whole is not valid; then `each` was not called.
pub fn parse<'a>(bytes: &'a [u8], mut each: impl FnMut(RtcpPacket<'a>)) -> Result<(), RtcpError> {
    if !matches!(bytes.get(1), Some(&(SENDER_REPORT | RECEIVER_REPORT))) {
        return Err(RtcpError::NotRtcp);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (_, _, _, after) = split(rest).ok_or(RtcpError::NotRtcp)?;
        rest = after;
    }
    rest = bytes;
    for _ in 0..PACKETS_MAX {
        let Some((count, kind, body, after)) = split(rest) else { break };
        each(packet(count, kind, body));
        rest = after;
    }
    Ok(())
}

/// The report blocks of an SR or RR.
pub fn report_blocks(blocks: &[u8]) -> impl Iterator<Item = ReportBlock> {
    blocks.chunks_exact(24).map(|block| {
        let [_, l1, l2, l3] = word(block, 1).unwrap_or(0).to_be_bytes();
        let sign = if l1 & 0x80 != 0 { 0xff } else { 0 };
        ReportBlock {
            ssrc: word(block, 0).unwrap_or(0),
            fraction_lost: block[4],
            cumulative_lost: i32::from_be_bytes([sign, l1, l2, l3]),
            highest_sequence: word(block, 2).unwrap_or(0),
            jitter: word(block, 3).unwrap_or(0),
            last_sender_report: word(block, 4).unwrap_or(0),
            delay_since_last_sender_report: word(block, 5).unwrap_or(0),
        }
    })
}

/// What goes into one of our reports.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// If we sent since the last report.
    pub sender: Option<SenderInfo>,
    /// About the peer, if heard.
    pub block: Option<ReportBlock>,
    /// Our canonical name (RFC 7022), at most 255 bytes.
    pub cname: &'a [u8],
    /// Whether this is the last one.
    pub goodbye: bool,
}

/// Writes a compound packet (SR or RR, SDES, perhaps BYE) into `out`, which is cleared first.
pub fn write(report: &Report<'_>, out: &mut Vec<u8>) {
    out.clear();
    let kind = if report.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let count = u8::from(report.block.is_some());
    let words = 1 + if report.sender.is_some() { 5 } else { 0 } + 6 * u16::from(count);
    head(out, count, kind, words);
    put(out, report.ssrc);
    if let Some(info) = report.sender {
        put(out, (info.ntp >> 32) as u32);
        put(out, info.ntp as u32);
        put(out, info.rtp_timestamp);
        put(out, info.packets);
        put(out, info.octets);
    }
    if let Some(block) = report.block {
        put(out, block.ssrc);
        put(out, u32::from(block.fraction_lost) << 24 | (block.cumulative_lost as u32 & 0xff_ffff));
        put(out, block.highest_sequence);
        put(out, block.jitter);
        put(out, block.last_sender_report);
        put(out, block.delay_since_last_sender_report);
    }
    let cname = report.cname.get(..255).unwrap_or(report.cname);
    // The chunk: SSRC, the item (type, length, text), then one to four zero bytes.
    let item_words = (cname.len() + 2) / 4 + 1;
    head(out, 1, SOURCE_DESCRIPTION, 1 + item_words as u16);
    put(out, report.ssrc);
    let end = out.len() + item_words * 4;
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname);
    out.resize(end, 0);
    if report.goodbye {
        head(out, 1, GOODBYE, 1);
        put(out, report.ssrc);
    }
}

/// The time until the next report: [`INTERVAL_MS`], spread from half to one and a half (§6.3.1);
/// half of it before the first report.
pub fn interval(rng: &mut Rng, first: bool) -> Duration {
    let mean_ms = if first { INTERVAL_MS / 2 } else { INTERVAL_MS };
    Duration::from_millis(mean_ms / 2 + rng.below(mean_ms + 1))
}

/// Wall time as NTP's 32.32 bits.
pub fn ntp(wall: Wall) -> u64 {
    let since_1900_us =
        u128::from(wall.0.max(0).unsigned_abs()) + u128::from(NTP_OFFSET_S) * 1_000_000;
    ((since_1900_us << 32) / 1_000_000) as u64
}

type Split<'a> = (u8, u8, &'a [u8], &'a [u8]);

/// Count, type, body without padding, and what follows.
fn split(bytes: &[u8]) -> Option<Split<'_>> {
    let (&[first, kind, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
    if first >> 6 != 2 {
        return None;
    }
    let (mut body, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])) * 4)?;
    if first & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        // Only the last packet may be padded (§6.4.1).
        if padding == 0 || !after.is_empty() {
            return None;
        }
        body = body.get(..body.len().checked_sub(padding)?)?;
    }
    Some((first & 0x1f, kind, body, after))
}

fn packet(count: u8, kind: u8, body: &[u8]) -> RtcpPacket<'_> {
    let blocks = |from: usize| {
        let blocks = body.get(from..).unwrap_or(&[]);
        blocks.get(..usize::from(count) * 24).unwrap_or(blocks)
    };
    let parsed = match kind {
        SENDER_REPORT => sender_info(body).map(|(ssrc, info)| RtcpPacket::SenderReport {
            ssrc,
            info,
            blocks: blocks(24),
        }),
        RECEIVER_REPORT => {
            word(body, 0).map(|ssrc| RtcpPacket::ReceiverReport { ssrc, blocks: blocks(4) })
        }
        SOURCE_DESCRIPTION => word(body, 0).map(|ssrc| RtcpPacket::SourceDescription {
            ssrc,
            cname: cname(body.get(4..).unwrap_or(&[])),
        }),
        GOODBYE => word(body, 0).map(|ssrc| RtcpPacket::Goodbye { ssrc }),
        _ => None,
    };
    parsed.unwrap_or(RtcpPacket::Other(kind))
}

fn sender_info(body: &[u8]) -> Option<(u32, SenderInfo)> {
    let info = SenderInfo {
        ntp: u64::from(word(body, 1)?) << 32 | u64::from(word(body, 2)?),
        rtp_timestamp: word(body, 3)?,
        packets: word(body, 4)?,
        octets: word(body, 5)?,
    };
    Some((word(body, 0)?, info))
}

fn cname(mut items: &[u8]) -> Option<&[u8]> {
    while let Some((&[kind, length], rest)) = items.split_first_chunk::<2>() {
        if kind == 0 {
            return None;
        }
        let (text, after) = rest.split_at_checked(usize::from(length))?;
        if kind == 1 {
            return Some(text);
        }
        items = after;
    }
    None
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let bytes = bytes.get(index * 4..index * 4 + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn head(out: &mut Vec<u8>, count: u8, kind: u8, words: u16) {
    out.extend_from_slice(&[0x80 | count, kind]);
    out.extend_from_slice(&words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_base::Rng;
    use proptest::prelude::*;

    const INFO: SenderInfo =
        SenderInfo { ntp: 7 << 40 | 9, rtp_timestamp: 8000, packets: 50, octets: 8000 };
    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 2,
        fraction_lost: 51,
        cumulative_lost: -3,
        highest_sequence: 0x1_0005,
        jitter: 12,
        last_sender_report: 0x2222_3333,
        delay_since_last_sender_report: 32_768,
    };

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = Vec::new();
        for (sender, block, cname) in [
            (Some(INFO), Some(BLOCK), &b"abcd"[..]),
            (None, Some(BLOCK), b"abcde"),
            (Some(INFO), None, b"abcdef"),
            (None, None, b""),
        ] {
            write(&Report { ssrc: 1, sender, block, cname, goodbye: true }, &mut bytes);
            assert_eq!(bytes.len() % 4, 0);
            let mut packets = Vec::new();
            parse(&bytes, |packet| packets.push(packet)).unwrap();
            let blocks = match (&packets[0], sender) {
                (RtcpPacket::SenderReport { ssrc: 1, info, blocks }, Some(sent)) => {
                    assert_eq!(*info, sent);
                    blocks
                }
                (RtcpPacket::ReceiverReport { ssrc: 1, blocks }, None) => blocks,
                other => panic!("{other:?}"),
            };
            assert_eq!(report_blocks(blocks).next(), block);
            assert_eq!(packets[1], RtcpPacket::SourceDescription { ssrc: 1, cname: Some(cname) });
            assert_eq!(packets[2], RtcpPacket::Goodbye { ssrc: 1 });
        }
    }

    #[test]
    fn ntp_time_begins_in_1900() {
        assert_eq!(ntp(Wall(0)), 2_208_988_800 << 32);
        assert_eq!(ntp(Wall(500_000)) & 0xffff_ffff, 1 << 31, "half a second");
    }

    #[test]
    fn reports_are_spread_around_five_seconds() {
        let mut rng = Rng::from_number(1);
        let times: Vec<u128> = (0..1000).map(|_| interval(&mut rng, false).as_millis()).collect();
        assert!(times.iter().all(|ms| (2500..=7500).contains(ms)));
        let mean = times.iter().sum::<u128>() / 1000;
        assert!((4800..5200).contains(&mean), "{mean}");
    }

    proptest! {
        #[test]
        fn hostile_packets_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            for kind in [200, 201, 202, 203] {
                if let [first, second, l0, l1, ..] = bytes.as_mut_slice() {
                    (*first, *second, *l0, *l1) = (0x80 | (*first & 0x3f), kind, 0, *l1 & 0x0f);
                }
                let _ = parse(&bytes, |packet| {
                    if let RtcpPacket::ReceiverReport { blocks, .. } = packet {
                        let _ = report_blocks(blocks).count();
                    }
                });
            }
        }
    }
}
