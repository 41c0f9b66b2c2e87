//! A worker's thread with real sockets: ports, pace and rest.

use super::*;
use crate::net::Bind;
use crate::runtime::{EngineHandle, Engines, Inbox, Mail};
use hotline_base::{Partition, Rng};
use hotline_media::asset::Library;
use hotline_media::command::{
    Codec, Command, Direction, Event, LegRef, PlayId, PlayItem, PortGrant, RecordEnd, RecordingId,
    StreamParameters,
};
use hotline_media::rtp::Header;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A worker's thread with an engine's inbox and one peer.
struct Bed {
    inbox: Inbox,
    peer: UdpSocket,
    first: u16,
    workers: MediaWorkers,
    threads: Vec<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

const LEG: LegRef = LegRef { worker: 0, leg: 0, generation: 1 };

impl Bed {
    fn new() -> Bed {
        let (handle, inbox) = EngineHandle::new().unwrap();
        let engines = Engines::new(vec![handle]);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let first = peer.local_addr().unwrap().port().clamp(2_000, 60_000) & !1;
        let folder = tempfile::tempdir().unwrap();
        let settings = MediaSettings {
            worker: (0, 1),
            address: "127.0.0.1".parse().unwrap(),
            ports: (first, first + 199),
            messages: folder.path().join("messages"),
        };
        let io = UdpIo::new(Bind).unwrap();
        let mut rng = Rng::from_number(1);
        let library = Arc::new(Library::default());
        let (workers, threads) =
            MediaThread::start(&settings, vec![io], &library, &engines, &mut rng).unwrap();
        Bed { inbox, peer, first, workers, threads, folder }
    }

    fn next(&self) -> Event {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(Mail::Media(event)) = self.inbox.next() {
                return event;
            }
            assert!(Instant::now() < deadline, "no event came");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn order(&self, command: Command) {
        self.workers.post(0, command).unwrap();
    }

    /// Opens the leg on the first port that was lent.
    fn open(&self) -> PortGrant {
        let Event::Granted { ports } = self.next() else { panic!("ports come first") };
        let remote = self.peer.local_addr().unwrap();
        let stream = StreamParameters {
            remote,
            signalling: remote.ip(),
            remote_rtcp: remote,
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event: None,
            telephone_event_receive: None,
            ptime_ms: 20,
            direction: Direction::SendRecv,
        };
        self.order(Command::Open { leg: LEG, port: ports[0], silence_limit_s: 0 });
        self.order(Command::SetRemote { leg: LEG, stream });
        ports[0]
    }

    fn stop(self) {
        self.workers.stop();
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_leg_sends_every_20_ms_from_the_port_that_was_granted() {
    let bed = Bed::new();
    let port = bed.open();
    assert!(port.rtp.is_multiple_of(2) && (bed.first..bed.first + 199).contains(&port.rtp));
    bed.order(Command::Play {
        leg: LEG,
        play: PlayId(1),
        items: vec![PlayItem::Silence(400)],
        repeat: false,
        stop_on: String::new(),
        background: None,
    });
    let mut buffer = [0; 1_500];
    let mut times = Vec::new();
    while times.len() < 15 {
        let (length, from) = bed.peer.recv_from(&mut buffer).unwrap();
        if length == 172 {
            assert_eq!(from.port(), port.rtp);
            times.push(Instant::now());
        }
    }
    let took = times[14].duration_since(times[0]);
    assert!(took >= Duration::from_millis(270), "15 packets in {took:?}: a burst");

    bed.order(Command::Close { leg: LEG });
    let closed =
        std::iter::repeat_with(|| bed.next()).find(|event| matches!(event, Event::Closed { .. }));
    let Some(Event::Closed { statistics, .. }) = closed else { panic!("{closed:?}") };
    assert!(statistics.packets_sent >= 15);
    let nobodys = Command::Close { leg: LegRef { worker: 7, ..LEG } };
    assert!(matches!(bed.workers.post(0, nobodys), Err(Unposted::NoWorker)));
    bed.stop();
}

/// The caller hangs up in the middle of its message: the end of the recording is told before the
/// end of the leg, and the file is complete by then.
#[test]
fn a_message_is_complete_when_its_end_is_told() {
    let bed = Bed::new();
    let port = bed.open();
    let recording = RecordingId(5);
    bed.order(Command::Record {
        leg: LEG,
        partition: Partition(3),
        recording,
        max_ms: 60_000,
        min_ms: 0,
        silence_ms: 0,
        stop_on: String::new(),
    });
    for n in 0..10u16 {
        let (sequence, timestamp) = (n, u32::from(n) * 160);
        let header = Header { marker: n == 0, payload_type: 8, sequence, timestamp, ssrc: 9 };
        let packet = [&header.bytes()[..], &[Codec::Pcma.encode(5_000); 160]].concat();
        bed.peer.send_to(&packet, (port.address, port.rtp)).unwrap();
    }
    while !matches!(bed.next(), Event::SourceLearned { .. }) {}
    bed.order(Command::Close { leg: LEG });
    let mut ends = std::iter::repeat_with(|| bed.next())
        .filter(|event| !matches!(event, Event::Granted { .. }));
    let Some(Event::Recorded { recording: told, reason, duration_ms, .. }) = ends.next() else {
        panic!("the recording ends first")
    };
    assert_eq!((told, reason), (recording, RecordEnd::LegClosed));
    let path = bed.folder.path().join("messages/3/5.wav");
    let samples: Vec<i16> =
        hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect();
    assert_eq!(samples.len(), duration_ms as usize * 8);
    assert!(samples.iter().filter(|sample| (4_900..5_100).contains(*sample)).count() >= 160);
    assert!(matches!(ends.next(), Some(Event::Closed { .. })));
    drop(ends);
    bed.stop();
}
