//! Calls on a worker in virtual time: what comes in on one side, what goes out on the other.

mod conference;
mod flows;
mod listening;
mod music;
mod properties;
mod silence;

use super::*;
use crate::command::{
    AssetId, Codec, Command, DigitSource, Direction, LegStatistics, PlayEnd, PlayId, PlayItem,
    RecordEnd, RecordingId, StreamParameters,
};
use crate::rtp::{Header, Packet};
use hotline_base::{Now, Partition, Wall};

const MUSIC: PlayItem = PlayItem::Asset(AssetId(0));
const PROMPT: PlayItem = PlayItem::Asset(AssetId(1));

struct Sent {
    at_ms: u64,
    port: PortIndex,
    channel: Channel,
    to: SocketAddr,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Wire {
    now_ms: u64,
    sent: Vec<Sent>,
}

impl Sink for Wire {
    fn send(
        &mut self,
        port: PortIndex,
        channel: Channel,
        to: SocketAddr,
        header: &[u8],
        payload: &[u8],
    ) {
        let bytes = [header, payload].concat();
        self.sent.push(Sent { at_ms: self.now_ms, port, channel, to, bytes });
    }
}

/// A worker, its wire and the time.
struct Bed {
    worker: Worker,
    wire: Wire,
    events: Vec<Event>,
    /// The samples of recordings, by their numbers.
    pieces: Vec<(u64, Vec<i16>)>,
}

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_ms(ms), wall: Wall::from_s(1_000_000) }
}

fn grant(place: u16) -> PortGrant {
    let address = "0.0.0.0".parse().unwrap();
    PortGrant { worker: 1, address, rtp: 20_000 + place * 2 }
}

fn leg(number: u32) -> LegRef {
    LegRef { worker: 1, leg: number, generation: 1 }
}

/// The address of the peer of a leg.
fn peer(number: u32) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number as u8], 4000))
}

fn stream(number: u32, codec: Codec) -> StreamParameters {
    let remote = peer(number);
    StreamParameters {
        remote,
        signalling: remote.ip(),
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        codec,
        payload_type: codec.static_payload_type(),
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        direction: Direction::SendRecv,
    }
}

/// An A-law packet of a peer: number `n` of its stream, 20 ms apart.
fn audio(n: u16) -> Vec<u8> {
    packet(8, n, u32::from(n) * 160, false, &[n as u8; 160])
}

fn packet(payload_type: u8, n: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
    let header = Header { marker, payload_type, sequence: n, timestamp, ssrc: 7 };
    [&header.bytes(), payload].concat()
}

impl Bed {
    fn new() -> Self {
        let mut library = Library::new();
        library.insert(AssetId(0), &tone::wait_tone()).unwrap();
        library.insert(AssetId(1), &tone::sines(&[1000.0], -10.0, 110)).unwrap();
        library.insert(AssetId(2), &[]).unwrap();
        let ports = (0..4).map(grant).collect();
        let worker = Worker::new(1, ports, Arc::new(library), Rng::from_number(5));
        Bed { worker, wire: Wire::default(), events: Vec::new(), pieces: Vec::new() }
    }

    /// A bed with open legs 0…, leg `n` on port `n`, its peer known.
    fn with_legs(codecs: &[Codec]) -> Self {
        let mut bed = Bed::new();
        for (number, &codec) in codecs.iter().enumerate() {
            bed.open(number as u32);
            let stream = stream(number as u32, codec);
            bed.command(Command::SetRemote { leg: leg(number as u32), stream });
        }
        bed.events.clear();
        bed
    }

    fn open(&mut self, number: u32) {
        let port = grant(number as u16);
        self.command(Command::Open { leg: leg(number), port, silence_limit_s: 0 });
    }

    fn command(&mut self, command: Command) {
        self.worker.handle(now(self.wire.now_ms), command, &mut self.wire);
        self.collect();
    }

    fn play(&mut self, number: u32, play: u32, items: &[PlayItem], repeat: bool) {
        let stop_on = "12#".to_owned();
        let items = items.to_vec();
        self.command(Command::Play {
            leg: leg(number),
            play: PlayId(play),
            items,
            repeat,
            stop_on,
            background: None,
        });
    }

    fn receive(&mut self, number: u32, from: SocketAddr, bytes: &[u8]) -> bool {
        let at = Mono::from_ms(self.wire.now_ms);
        let received = self.worker.receive(at, PortIndex(number), from, bytes, &mut self.wire);
        let taken = received != Received::Refused;
        self.collect();
        taken
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.wire.now_ms += 1;
            let phase = (self.wire.now_ms % PHASES as u64) as usize;
            self.worker.tick(now(self.wire.now_ms), phase, &mut self.wire);
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(piece) = self.worker.poll_piece() {
            self.pieces.push((piece.recording.0, piece.samples));
        }
        while let Some(event) = self.worker.poll_event() {
            self.events.push(event);
        }
    }

    fn rtp_of(&self, number: u32) -> Vec<(u64, Header, Vec<u8>)> {
        self.wire
            .sent
            .iter()
            .filter(|sent| sent.port == PortIndex(number) && sent.channel == Channel::Rtp)
            .map(|sent| {
                let packet = Packet::parse(&sent.bytes).unwrap();
                (sent.at_ms, packet.header, packet.payload.to_vec())
            })
            .collect()
    }

    /// The same without the silence that is sent when there is nothing else.
    fn voiced(&self, number: u32) -> Vec<(u64, Header, Vec<u8>)> {
        let silent = |payload: &[u8]| {
            [Codec::Pcma, Codec::Pcmu].iter().any(|law| payload.iter().all(|c| *c == law.silence()))
        };
        self.rtp_of(number).into_iter().filter(|(.., payload)| !silent(payload)).collect()
    }

    fn ends(&self) -> Vec<(u32, PlayEnd)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::PlayEnded { play, reason, .. } => Some((play.0, *reason)),
                _ => None,
            })
            .collect()
    }

    /// The recordings that ended: number, kept ms, why.
    fn recorded(&self) -> Vec<(u64, u32, RecordEnd)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Recorded { recording, duration_ms, reason, .. } => {
                    Some((recording.0, *duration_ms, *reason))
                }
                _ => None,
            })
            .collect()
    }

    /// Runs for so long while these legs' peers send A-law audio in step: a function of the leg and
    /// the sample's number, counted from the bed's beginning.
    fn talk(&mut self, legs: &[u32], ms: u64, voice: impl Fn(u32, u64) -> i16) {
        for _ in 0..ms / 20 {
            let n = self.wire.now_ms / 20;
            for &number in legs {
                let at = |sample: u64| voice(number, n * 160 + sample);
                let payload: Vec<u8> =
                    (0..160).map(|sample| Codec::Pcma.encode(at(sample))).collect();
                let bytes = packet(8, n as u16, n as u32 * 160, false, &payload);
                assert!(self.receive(number, peer(number), &bytes), "packet {n} of {number}");
            }
            self.run(20);
        }
    }

    /// What a leg was sent from a time on, decoded.
    fn heard_by(&self, number: u32, codec: Codec, since_ms: u64) -> Vec<i16> {
        let sent = self.rtp_of(number).into_iter();
        sent.filter(|(at, header, _)| *at > since_ms && header.payload_type != 101)
            .flat_map(|(.., payload)| payload)
            .map(|code| codec.decode(code))
            .collect()
    }

    /// The one timeline of a leg: one source, no number missing or twice, timestamps that follow
    /// the clock, and no pause longer than this.
    fn check_timeline(&self, number: u32, pause_ms_max: u64) {
        let sent = self.rtp_of(number);
        for two in sent.windows(2) {
            let [(at, before, _), (then, after, _)] = two else { return };
            assert_eq!(after.ssrc, before.ssrc);
            assert_eq!(after.sequence, before.sequence.wrapping_add(1), "at {then} ms");
            assert!(then - at <= pause_ms_max, "{} ms of pause at {then} ms", then - at);
        }
        let (Some(first), Some(last)) = (sent.first(), sent.last()) else { return };
        let ms = u64::from(last.1.timestamp.wrapping_sub(first.1.timestamp)) / 8;
        assert!(ms.abs_diff(last.0 - first.0) <= 60, "{ms} ms in {} ms", last.0 - first.0);
    }

    fn digits(&self) -> String {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Digit { digit, .. } => Some(*digit),
                _ => None,
            })
            .collect()
    }

    fn statistics(&mut self, number: u32) -> LegStatistics {
        self.command(Command::Close { leg: leg(number) });
        let closed = self.events.iter().rev().find_map(|event| match event {
            Event::Closed { leg: closed, statistics } if *closed == leg(number) => {
                Some(*statistics)
            }
            _ => None,
        });
        closed.unwrap()
    }
}
