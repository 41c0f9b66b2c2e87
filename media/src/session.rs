//! One endpoint: a [`Worker`] with a single leg, for the command-line phone and for tests.
//!
//! Owns: what it plays (samples handed in), what it has heard (samples handed out). Does not own:
//! sockets, the clock, files.

use crate::asset::Library;
use crate::command::{
    AssetId, Command, Event, LegRef, LegStatistics, PlayId, PlayItem, PortGrant, StreamParameters,
};
use crate::rtp::Header;
use crate::worker::{PHASES, PortIndex, Received, Sink, Worker};
use hotline_base::{Mono, Now, Rng};
use std::net::SocketAddr;
use std::sync::Arc;

/// Longest gap in the recording that is filled with silence, in samples; a longer one (a peer
/// whose clock jumped) is left out.
const GAP_SAMPLES_MAX: usize = 8000 * 10;

const LEG: LegRef = LegRef { worker: 0, leg: 1, generation: 1 };
const PORT: PortIndex = PortIndex(0);

/// What is heard, put in order by timestamp: gaps are silence, late packets find their place.
#[derive(Debug, Default)]
struct Recording {
    samples: Vec<i16>,
    samples_max: usize,
    /// Source and timestamp of `samples[anchor_at]`.
    anchor: Option<(u32, u32)>,
    anchor_at: usize,
}

impl Recording {
    fn add(&mut self, header: &Header, decoded: impl ExactSizeIterator<Item = i16>) {
        let place = match self.anchor {
            Some((ssrc, timestamp)) if ssrc == header.ssrc => {
                let offset = i64::from(header.timestamp.wrapping_sub(timestamp) as i32);
                let place = self.anchor_at as i64 + offset;
                let end = self.samples.len() as i64;
                (place >= self.anchor_at as i64 && place <= end + GAP_SAMPLES_MAX as i64)
                    .then_some(place as usize)
            }
            _ => None,
        };
        let place = place.unwrap_or_else(|| {
            self.anchor = Some((header.ssrc, header.timestamp));
            self.anchor_at = self.samples.len();
            self.anchor_at
        });
        let end = (place + decoded.len()).min(self.samples_max);
        if end > self.samples.len() {
            self.samples.resize(end, 0);
        }
        for (slot, sample) in self.samples.iter_mut().skip(place).zip(decoded) {
            *slot = sample;
        }
    }
}

/// One endpoint; see the module. Packets leave through the sink with port 0 of its one port pair.
#[derive(Debug)]
pub struct Session {
    worker: Worker,
    plays: u32,
    recording: Recording,
    statistics: Option<LegStatistics>,
}

impl Session {
    /// An endpoint on a bound port pair. What it hears is kept up to `record_s_max` seconds;
    /// 0 keeps nothing.
    pub fn new(
        now: Now,
        port: PortGrant,
        record_s_max: u32,
        rng: Rng,
        sink: &mut dyn Sink,
    ) -> Self {
        let port = PortGrant { worker: LEG.worker, ..port };
        let mut worker = Worker::new(LEG.worker, vec![port], Arc::new(Library::new()), rng);
        worker.handle(now, Command::Open { leg: LEG, port, silence_limit_s: 0 }, sink);
        let recording =
            Recording { samples_max: record_s_max as usize * 8000, ..Recording::default() };
        Session { worker, plays: 0, recording, statistics: None }
    }

    /// Sets or changes what the peer's SDP says.
    pub fn set_remote(&mut self, now: Now, stream: StreamParameters, sink: &mut dyn Sink) {
        self.worker.handle(now, Command::SetRemote { leg: LEG, stream }, sink);
    }

    /// Sends 16-bit samples at 8 kHz from now on, once or again and again, instead of what was
    /// sent before. Longer than an hour is refused: `false`.
    pub fn play(&mut self, now: Now, samples: &[i16], repeat: bool, sink: &mut dyn Sink) -> bool {
        let mut library = Library::new();
        if library.insert(AssetId(0), samples).is_err() {
            return false;
        }
        self.worker.set_library(Arc::new(library));
        self.start(now, vec![PlayItem::Asset(AssetId(0))], repeat, sink);
        true
    }

    /// Sends silence from now on, as a phone does whose user says nothing.
    pub fn play_silence(&mut self, now: Now, sink: &mut dyn Sink) {
        self.start(now, vec![PlayItem::Silence(1000)], true, sink);
    }

    /// Sends digits `0-9*#A-D`.
    pub fn send_digits(&mut self, now: Now, digits: &str, sink: &mut dyn Sink) {
        let digits = digits.to_owned();
        self.worker.handle(now, Command::SendDigits { leg: LEG, digits }, sink);
    }

    /// Takes a datagram of the RTP port in.
    pub fn receive(&mut self, now: Mono, from: SocketAddr, bytes: &[u8], sink: &mut dyn Sink) {
        let received = self.worker.receive(now, PORT, from, bytes, sink);
        if let Received::Audio { codec, header, payload } = received {
            self.recording.add(&header, payload.iter().map(|&code| codec.decode(code)));
        }
    }

    /// Takes a datagram of the RTCP port in.
    pub fn receive_rtcp(&mut self, now: Mono, from: SocketAddr, bytes: &[u8]) {
        self.worker.receive_rtcp(now, PORT, from, bytes);
    }

    /// The clock's step; call every 20 ms.
    pub fn tick(&mut self, now: Now, sink: &mut dyn Sink) {
        (0..PHASES).for_each(|phase| self.worker.tick(now, phase, sink));
    }

    /// The next digit, source, or end of a play to know about.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            match self.worker.poll_event()? {
                Event::Granted { .. } => {}
                Event::Closed { statistics, .. } => self.statistics = Some(statistics),
                event => return Some(event),
            }
        }
    }

    /// What was heard so far, 16-bit samples at 8 kHz from the first packet on.
    pub fn recorded(&self) -> &[i16] {
        &self.recording.samples
    }

    /// Takes what was heard so far away.
    pub fn take_recorded(&mut self) -> Vec<i16> {
        self.recording.anchor = None;
        self.recording.anchor_at = 0;
        std::mem::take(&mut self.recording.samples)
    }

    /// Ends the session: RTCP BYE. Gives what the leg saw.
    pub fn close(&mut self, now: Now, sink: &mut dyn Sink) -> LegStatistics {
        self.worker.handle(now, Command::Close { leg: LEG }, sink);
        while self.poll_event().is_some() {}
        self.statistics.unwrap_or_default()
    }

    fn start(&mut self, now: Now, items: Vec<PlayItem>, repeat: bool, sink: &mut dyn Sink) {
        self.plays = self.plays.wrapping_add(1);
        let play = PlayId(self.plays);
        let command = Command::Play {
            leg: LEG,
            play,
            items,
            repeat,
            stop_on: String::new(),
            background: None,
        };
        self.worker.handle(now, command, sink);
    }
}
