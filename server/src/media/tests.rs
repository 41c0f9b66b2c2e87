//! A worker's thread with real sockets: ports, pace and rest.

use super::*;
use crate::net::Bind;
use crate::runtime::{EngineHandle, Engines, Mail};
use hotline_base::Rng;
use hotline_media::asset::Library;
use hotline_media::command::{
    Codec, Command, Direction, Event, LegRef, PlayId, PlayItem, StreamParameters,
};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_leg_sends_every_20_ms_from_the_port_that_was_granted() {
    let (handle, inbox) = EngineHandle::new().unwrap();
    let engines = Engines::new(vec![handle]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let first = peer.local_addr().unwrap().port().clamp(2_000, 60_000) & !1;
    let settings = MediaSettings {
        worker: (0, 1),
        address: "127.0.0.1".parse().unwrap(),
        ports: (first, first + 199),
    };
    let io = UdpIo::new(Bind).unwrap();
    let mut rng = Rng::from_number(1);
    let library = Arc::new(Library::default());
    let (workers, threads) =
        MediaThread::start(&settings, vec![io], &library, &engines, &mut rng).unwrap();
    let next = || {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(Mail::Media(event)) = inbox.next() {
                return event;
            }
            assert!(Instant::now() < deadline, "no event came");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let Event::Granted { ports } = next() else { panic!("ports come first") };
    let port = ports[0];
    assert!(port.rtp % 2 == 0 && (first..first + 199).contains(&port.rtp));

    let leg = LegRef { worker: 0, leg: 0, generation: 1 };
    let remote = peer.local_addr().unwrap();
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
    let items = vec![PlayItem::Silence(400)];
    for command in [
        Command::Open { leg, port, silence_limit_s: 0 },
        Command::SetRemote { leg, stream },
        Command::Play {
            leg,
            play: PlayId(1),
            items,
            repeat: false,
            stop_on: String::new(),
            background: None,
        },
    ] {
        workers.post(0, command).unwrap();
    }
    let mut buffer = [0; 1_500];
    let mut times = Vec::new();
    while times.len() < 15 {
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        if length == 172 {
            assert_eq!(from.port(), port.rtp);
            times.push(Instant::now());
        }
    }
    let took = times[14].duration_since(times[0]);
    assert!(took >= Duration::from_millis(270), "15 packets in {took:?}: a burst");

    workers.post(0, Command::Close { leg }).unwrap();
    let closed = std::iter::repeat_with(next).find(|event| matches!(event, Event::Closed { .. }));
    let Some(Event::Closed { statistics, .. }) = closed else { panic!("{closed:?}") };
    assert!(statistics.packets_sent >= 15);
    let nobodys = Command::Close { leg: LegRef { worker: 7, ..leg } };
    assert!(matches!(workers.post(0, nobodys), Err(Unposted::NoWorker)));
    workers.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
