//! The media worker alone: a packet forwarded and a packet played, without sockets. What the rows
//! with sockets take more is the kernel's and the shell's.

use super::in_process;
use crate::bench::Bench;
use crate::figure::{Figure, Goal};
use hotline_base::{Mono, Now, Rng, Wall};
use hotline_media::asset::Library;
use hotline_media::command::{
    AssetId, Codec, Command, Direction, LegRef, PlayId, PlayItem, PortGrant, StreamParameters,
};
use hotline_media::rtp::Header;
use hotline_media::tone;
use hotline_media::worker::{Channel, PHASES, PortIndex, Sink, Worker};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

const LEGS: u32 = 1_000;
const TONE: AssetId = AssetId(0);
const WORKER: u16 = 1;

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut forwarded = Figure::new("worker: forwarded packet", "µs", Goal::Report);
    let mut played = Figure::new("worker: played packet", "µs", Goal::Report);
    for _ in 0..bench.runs {
        let mut bed = Bed::new()?;
        (0..LEGS / 2).for_each(|pair| bed.bridge(2 * pair, 2 * pair + 1));
        forwarded.runs.push(in_process(bench, &mut || bed.forward())?);
        let mut bed = Bed::new()?;
        (0..LEGS).for_each(|number| bed.play(number));
        played.runs.push(in_process(bench, &mut || bed.tick())?);
    }
    for figure in [&mut forwarded, &mut played] {
        figure.notes.push(format!("{LEGS} legs, G.711 A-law of 20 ms"));
    }
    Ok(vec![forwarded, played])
}

/// Lets so many packets be forwarded: what valgrind counts.
pub fn forward_many(packets: u64) -> Result<(), String> {
    let mut bed = Bed::new()?;
    (0..LEGS / 2).for_each(|pair| bed.bridge(2 * pair, 2 * pair + 1));
    let mut sent = 0;
    while sent < packets {
        sent += bed.forward();
    }
    Ok(())
}

/// Counts what would be sent.
#[derive(Default)]
struct Counter(u64);

impl Sink for Counter {
    fn send(
        &mut self,
        port: PortIndex,
        channel: Channel,
        to: SocketAddr,
        header: &[u8],
        payload: &[u8],
    ) {
        black_box((port, to, header, payload));
        self.0 += u64::from(channel == Channel::Rtp);
    }
}

/// A worker with open legs whose peers are known.
struct Bed {
    worker: Worker,
    sink: Counter,
    now_ms: u64,
    sequence: u16,
}

impl Bed {
    fn new() -> Result<Bed, String> {
        let mut library = Library::new();
        library.insert(TONE, &tone::wait_tone()).map_err(|error| error.to_string())?;
        let ports = (0..LEGS).map(grant).collect();
        let worker = Worker::new(WORKER, ports, Arc::new(library), Rng::from_number(1));
        let mut bed = Bed { worker, sink: Counter::default(), now_ms: 1, sequence: 0 };
        for number in 0..LEGS {
            let (leg, port) = (leg(number), grant(number));
            bed.order(Command::Open { leg, port, silence_limit_s: 60 });
            bed.order(Command::SetRemote { leg, stream: stream(number) });
        }
        Ok(bed)
    }

    fn bridge(&mut self, a: u32, b: u32) {
        self.order(Command::Bridge { a: leg(a), b: leg(b) });
    }

    fn play(&mut self, number: u32) {
        self.order(Command::Play {
            leg: leg(number),
            play: PlayId(1),
            items: vec![PlayItem::Asset(TONE)],
            repeat: true,
            stop_on: String::new(),
            background: None,
        });
    }

    fn order(&mut self, command: Command) {
        self.worker.handle(now(self.now_ms), command, &mut self.sink);
        self.drain();
    }

    /// Some packets from every leg's peer; gives how many were sent on.
    fn forward(&mut self) -> u64 {
        let before = self.sink.0;
        for _ in 0..20 {
            self.now_ms += 20;
            self.sequence = self.sequence.wrapping_add(1);
            let timestamp = u32::from(self.sequence) * 160;
            let header = Header {
                marker: false,
                payload_type: 8,
                sequence: self.sequence,
                timestamp,
                ssrc: 7,
            };
            let mut packet = [0xd5; 172];
            packet[..12].copy_from_slice(&header.bytes());
            for number in 0..LEGS {
                let (port, from) = (PortIndex(number), peer(number));
                let at = Mono::from_ms(self.now_ms);
                let _taken =
                    black_box(self.worker.receive(at, port, from, &packet, &mut self.sink));
            }
            self.drain();
        }
        self.sink.0 - before
    }

    /// A second of the clock; gives how many packets were sent.
    fn tick(&mut self) -> u64 {
        let before = self.sink.0;
        for _ in 0..1_000 {
            self.now_ms += 1;
            let phase = (self.now_ms % PHASES as u64) as usize;
            self.worker.tick(now(self.now_ms), phase, &mut self.sink);
            self.drain();
        }
        self.sink.0 - before
    }

    fn drain(&mut self) {
        while let Some(event) = self.worker.poll_event() {
            black_box(event);
        }
    }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_ms(ms), wall: Wall::from_s(1_800_000_000) }
}

fn grant(place: u32) -> PortGrant {
    PortGrant {
        worker: WORKER,
        address: Ipv4Addr::LOCALHOST.into(),
        rtp: 20_000 + 2 * place as u16,
    }
}

fn leg(number: u32) -> LegRef {
    LegRef { worker: WORKER, leg: number, generation: 1 }
}

/// The address of the peer of a leg.
fn peer(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 30_000 + 2 * number as u16))
}

fn stream(number: u32) -> StreamParameters {
    let remote = peer(number);
    StreamParameters {
        remote,
        signalling: remote.ip(),
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(101),
        telephone_event_receive: Some(101),
        ptime_ms: 20,
        direction: Direction::SendRecv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_is_counted_once() {
        let mut bed = Bed::new().unwrap();
        (0..LEGS / 2).for_each(|pair| bed.bridge(2 * pair, 2 * pair + 1));
        assert_eq!(bed.forward(), 20 * u64::from(LEGS));
        let mut bed = Bed::new().unwrap();
        (0..LEGS).for_each(|number| bed.play(number));
        assert_eq!(bed.tick(), 50 * u64::from(LEGS));
    }
}
