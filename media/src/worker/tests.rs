//! Calls on a worker in virtual time: what comes in on one side, what goes out on the other.

mod flows;
mod properties;

use super::*;
use crate::command::{
    AssetId, Codec, Command, Direction, LegStatistics, PlayEnd, PlayId, PlayItem, StreamParameters,
};
use crate::rtp::{Header, Packet};
use hotline_base::{Now, Wall};

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
        Bed { worker, wire: Wire::default(), events: Vec::new() }
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

    fn ends(&self) -> Vec<(u32, PlayEnd)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::PlayEnded { play, reason, .. } => Some((play.0, *reason)),
                _ => None,
            })
            .collect()
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
