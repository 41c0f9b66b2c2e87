//! What is known about a stream we receive: validity, loss and jitter (RFC 3550 A.1, A.3, A.8).
//!
//! Owns: the extended sequence number, duplicates, counts. Does not own: who may send (the
//! worker's source rules), playing anything out.

use crate::rtcp::ReportBlock;
use crate::rtp::Header;
use hotline_base::Mono;

/// A forward jump of the sequence number from this on is taken for a restarted sender (A.1).
const DROPOUT_MAX: u16 = 3000;
/// A packet at most this many behind is late; further behind is a restarted sender.
const MISORDER_MAX: u16 = 64;
/// Nanoseconds of one sample at 8 kHz.
const NS_PER_SAMPLE: u64 = 125_000;

/// What a packet is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The stream's first packet, or the first of a restarted sender.
    First,
    /// The next one, perhaps after lost ones.
    InOrder,
    /// Overtaken by others, not seen before.
    Late,
    /// Seen before, or one that jumped: not to be used.
    Unusable,
}

/// The state of one received stream, over all senders it had.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    ssrc: Option<u32>,
    highest: u16,
    cycles: u32,
    base: u32,
    /// Bit `n`: the packet `n` before the highest has come.
    seen: u64,
    /// After a jump: the number that would confirm it (A.1 `bad_seq`).
    jumped_to: Option<u16>,
    received: u64,
    /// Of the present sender, for report blocks.
    received_of_sender: u32,
    lost_before: u64,
    expected_at_report: u32,
    received_at_report: u32,
    transit: Option<u32>,
    /// Sixteen times the jitter in samples, as in A.8.
    jitter_scaled: u32,
    /// Middle 32 bits of the NTP time of the last sender report, and when it came.
    last_report: Option<(u32, Mono)>,
}

impl Reception {
    /// Packets that were used.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The source heard now.
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Packets lost over all senders, never below 0 (A.3).
    pub fn lost(&self) -> u64 {
        self.lost_before + self.lost_of_sender().max(0) as u64
    }

    /// Interarrival jitter in µs.
    pub fn jitter_us(&self) -> u32 {
        (u64::from(self.jitter_scaled / 16) * 125).min(u64::from(u32::MAX)) as u32
    }

    /// Takes a packet's header in. Call once a packet, before it is used.
    pub fn arrived(&mut self, header: &Header) -> Arrival {
        if self.ssrc != Some(header.ssrc) {
            self.restart(header);
            return Arrival::First;
        }
        let ahead = header.sequence.wrapping_sub(self.highest);
        if ahead == 0 {
            return Arrival::Unusable;
        }
        if ahead < DROPOUT_MAX {
            if header.sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = header.sequence;
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.count();
            return Arrival::InOrder;
        }
        let behind = ahead.wrapping_neg();
        if behind < MISORDER_MAX {
            let bit = 1 << behind;
            if self.seen & bit != 0 {
                return Arrival::Unusable;
            }
            self.seen |= bit;
            self.count();
            return Arrival::Late;
        }
        if self.jumped_to == Some(header.sequence) {
            self.restart(header);
            return Arrival::First;
        }
        self.jumped_to = Some(header.sequence.wrapping_add(1));
        Arrival::Unusable
    }

    /// Takes an audio packet's timing in (A.8). Not for events, whose timestamp stands still.
    pub fn timing(&mut self, now: Mono, timestamp: u32) {
        let arrival = (now.0 / NS_PER_SAMPLE) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A restarted clock is no jitter.
            if difference < 8000 {
                self.jitter_scaled =
                    self.jitter_scaled + difference - ((self.jitter_scaled + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// Remembers a sender report of the present source, for `LSR` and `DLSR`.
    pub fn sender_report(&mut self, now: Mono, ssrc: u32, ntp: u64) {
        if self.ssrc == Some(ssrc) {
            self.last_report = Some(((ntp >> 16) as u32, now));
        }
    }

    /// The report block about this source since the last one (RFC 3550 §6.4.1, A.3); `None` if
    /// nothing was heard yet.
    pub fn report(&mut self, now: Mono) -> Option<ReportBlock> {
        let ssrc = self.ssrc?;
        let expected = self.expected();
        let expected_since = expected.wrapping_sub(self.expected_at_report);
        let received_since = self.received_of_sender.wrapping_sub(self.received_at_report);
        self.expected_at_report = expected;
        self.received_at_report = self.received_of_sender;
        let lost_since = i64::from(expected_since) - i64::from(received_since);
        let fraction_lost = if expected_since == 0 || lost_since <= 0 {
            0
        } else {
            ((lost_since << 8) / i64::from(expected_since)).min(255) as u8
        };
        let (last_sender_report, delay) = match self.last_report {
            Some((middle, at)) => {
                let delay = now.since(at).as_nanos() * 65_536 / 1_000_000_000;
                (middle, delay.min(u128::from(u32::MAX)) as u32)
            }
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: self.lost_of_sender().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.extended_highest(),
            jitter: self.jitter_scaled >> 4,
            last_sender_report,
            delay_since_last_sender_report: delay,
        })
    }

    fn restart(&mut self, header: &Header) {
        self.lost_before = self.lost();
        self.ssrc = Some(header.ssrc);
        self.highest = header.sequence;
        self.cycles = 0;
        self.base = u32::from(header.sequence);
        self.seen = 1;
        self.received_of_sender = 0;
        self.expected_at_report = 0;
        self.received_at_report = 0;
        self.transit = None;
        self.last_report = None;
        self.count();
    }

    fn count(&mut self) {
        self.jumped_to = None;
        self.received += 1;
        self.received_of_sender = self.received_of_sender.wrapping_add(1);
    }

    fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.highest))
    }

    fn expected(&self) -> u32 {
        if self.ssrc.is_none() {
            0
        } else {
            self.extended_highest().wrapping_sub(self.base).wrapping_add(1)
        }
    }

    fn lost_of_sender(&self) -> i64 {
        i64::from(self.expected()) - i64::from(self.received_of_sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16, ssrc: u32) -> Header {
        Header { marker: false, payload_type: 8, sequence, timestamp: 0, ssrc }
    }

    fn arrivals(reception: &mut Reception, sequences: &[u16]) -> Vec<Arrival> {
        sequences.iter().map(|&sequence| reception.arrived(&header(sequence, 1))).collect()
    }

    #[test]
    fn loss_reordering_and_duplicates_are_told_apart() {
        use Arrival::{First, InOrder, Late, Unusable};
        let mut reception = Reception::default();
        let came = arrivals(&mut reception, &[65_533, 65_534, 1, 65_535, 65_535, 1, 2]);
        assert_eq!(came, [First, InOrder, InOrder, Late, Unusable, Unusable, InOrder]);
        assert_eq!((reception.received(), reception.lost()), (5, 1), "0 is lost");
    }

    #[test]
    fn a_jump_counts_only_when_confirmed_and_loses_nothing() {
        use Arrival::{First, InOrder, Unusable};
        let mut reception = Reception::default();
        let came = arrivals(&mut reception, &[10, 11, 40_000, 12, 40_000, 40_001, 40_002]);
        assert_eq!(came, [First, InOrder, Unusable, InOrder, Unusable, First, InOrder]);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn a_new_source_keeps_what_was_lost_before() {
        let mut reception = Reception::default();
        arrivals(&mut reception, &[1, 2, 5]);
        assert_eq!(reception.arrived(&header(900, 2)), Arrival::First);
        assert_eq!((reception.lost(), reception.received()), (2, 4));
    }

    #[test]
    fn report_blocks_give_the_fraction_since_the_last_one() {
        let mut reception = Reception::default();
        assert_eq!(reception.report(Mono(0)), None);
        arrivals(&mut reception, &[1, 2, 4, 5]);
        let block = reception.report(Mono(0)).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (51, 1), "1 of 5");
        assert_eq!(block.highest_sequence, 5);
        arrivals(&mut reception, &[6, 7]);
        let block = reception.report(Mono(0)).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 1));
    }

    #[test]
    fn sender_reports_are_echoed_with_their_age() {
        let mut reception = Reception::default();
        arrivals(&mut reception, &[1]);
        reception.sender_report(Mono::from_ms(1000), 1, 0x1111_2222_3333_4444);
        let block = reception.report(Mono::from_ms(1500)).unwrap();
        assert_eq!(block.last_sender_report, 0x2222_3333);
        assert_eq!(block.delay_since_last_sender_report, 32_768, "half a second");
    }

    #[test]
    fn jitter_follows_the_formula_of_the_appendix() {
        let mut reception = Reception::default();
        let mut expected = 0.0f64;
        let mut before: Option<f64> = None;
        for n in 0..200u64 {
            let late_ms = [0, 7, 3, 0, 12][n as usize % 5];
            reception.timing(Mono::from_ms(n * 20 + late_ms), (n * 160) as u32);
            let transit = late_ms as f64 * 8.0;
            if let Some(before) = before {
                expected += ((transit - before).abs() - expected) / 16.0;
            }
            before = Some(transit);
        }
        let jitter = f64::from(reception.jitter_us()) / 125.0;
        assert!((jitter - expected).abs() < 2.0, "{jitter} against {expected}");
    }
}
