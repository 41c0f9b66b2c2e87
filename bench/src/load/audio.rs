//! Audio of many phones: each sends G.711 every 20 ms and counts what it hears.
//!
//! Owns: a socket per phone, one thread that sends and one that listens. What a phone says carries
//! its time of sending, so that whoever hears it knows the delay: from handing it to the kernel to
//! having read it. Does not own: who talks to whom.

use super::histogram::Histogram;
use super::phones::Sound;
use super::wire::DATAGRAM_BYTES;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The sender wakes this many times in 20 ms; phones are spread evenly over them.
const STEPS: usize = 40;
const STEP: Duration = Duration::from_micros(500);
/// G.711 of 20 ms with its RTP header.
const PACKET_BYTES: usize = 172;
/// What our audio begins with, to tell it from tones and announcements.
const MARK: [u8; 8] = *b"\x55hotline";
/// How long the listener sleeps at most: it looks whether it should end.
const LISTEN_MAX: Duration = Duration::from_millis(50);

/// What was sent and heard since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets the phones sent.
    pub sent: u64,
    /// Packets of other phones heard.
    pub forwarded: u64,
    /// Tones and announcements heard.
    pub played: u64,
    /// Steps that the sender was more than 20 ms late for: the load was too slow.
    pub late: u64,
}

impl Counts {
    /// What happened since `earlier`.
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            sent: self.sent - earlier.sent,
            forwarded: self.forwarded - earlier.forwarded,
            played: self.played - earlier.played,
            late: self.late - earlier.late,
        }
    }
}

/// The phones' audio; its threads end with the value.
pub struct Audio {
    shared: Arc<Shared>,
    ports: Vec<u16>,
    rtcp: u16,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    began: Instant,
    sockets: Vec<UdpSocket>,
    /// Where each phone sends to, as address × 2¹⁶ + port; 0: it is silent.
    remotes: Vec<AtomicU64>,
    sent: AtomicU64,
    forwarded: AtomicU64,
    played: AtomicU64,
    late: AtomicU64,
    delays: Mutex<Histogram>,
    paused: AtomicBool,
    ended: AtomicBool,
}

impl Audio {
    /// Phones with a socket each, silent, listening.
    pub fn open(phones: usize) -> Result<Audio, String> {
        Audio::try_open(phones).map_err(|error| format!("audio of {phones} phones: {error}"))
    }

    fn try_open(phones: usize) -> std::io::Result<Audio> {
        let poll = Poll::new()?;
        let bind = || UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let mut sockets = Vec::with_capacity(phones + 1);
        let mut ports = Vec::with_capacity(phones + 1);
        // One more hears all RTCP.
        for phone in 0..=phones {
            let mut socket = bind()?;
            poll.registry().register(&mut socket, Token(phone), Interest::READABLE)?;
            ports.push(socket.local_addr()?.port());
            sockets.push(socket);
        }
        let shared = Arc::new(Shared {
            began: Instant::now(),
            remotes: (0..phones).map(|_| AtomicU64::new(0)).collect(),
            sockets,
            sent: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            played: AtomicU64::new(0),
            late: AtomicU64::new(0),
            delays: Mutex::default(),
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let (sender, listener) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || sender.send()),
            std::thread::spawn(move || listener.listen(poll)),
        ];
        Ok(Audio { shared, rtcp: ports[phones], ports, threads })
    }

    /// Silences all phones, or lets them go on.
    pub fn pause(&self, paused: bool) {
        self.shared.paused.store(paused, Relaxed);
    }

    /// What was sent and heard since the start.
    pub fn counts(&self) -> Counts {
        let Shared { sent, forwarded, played, late, .. } = &*self.shared;
        Counts {
            sent: sent.load(Relaxed),
            forwarded: forwarded.load(Relaxed),
            played: played.load(Relaxed),
            late: late.load(Relaxed),
        }
    }

    /// The delays since the last call of this.
    pub fn take_delays(&self) -> Histogram {
        let mut delays = self.shared.delays.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *delays)
    }
}

impl Sound for Audio {
    fn port(&self, phone: usize) -> u16 {
        self.ports[phone]
    }

    fn rtcp_port(&self) -> u16 {
        self.rtcp
    }

    fn talk(&self, phone: usize, to: SocketAddrV4) {
        let packed = u64::from(u32::from(*to.ip())) << 16 | u64::from(to.port());
        self.shared.remotes[phone].store(packed, Relaxed);
    }

    fn hush(&self, phone: usize) {
        self.shared.remotes[phone].store(0, Relaxed);
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn send(&self) {
        let mut sequences = vec![0u16; self.remotes.len()];
        let mut next = Instant::now();
        let mut step = 0;
        while !self.ended.load(Relaxed) {
            let now = Instant::now();
            if now < next {
                std::thread::sleep(next - now);
                continue;
            }
            if now - next > STEP * STEPS as u32 {
                self.late.fetch_add(1, Relaxed);
            }
            let mut sent = 0;
            for phone in (step..self.remotes.len()).step_by(STEPS) {
                let remote = self.remotes[phone].load(Relaxed);
                if remote != 0 && !self.paused.load(Relaxed) {
                    sent += u64::from(self.say(phone, remote, sequences[phone]));
                    sequences[phone] = sequences[phone].wrapping_add(1);
                }
            }
            self.sent.fetch_add(sent, Relaxed);
            step = (step + 1) % STEPS;
            next += STEP;
        }
    }

    fn say(&self, phone: usize, remote: u64, sequence: u16) -> bool {
        let to = SocketAddrV4::new(Ipv4Addr::from((remote >> 16) as u32), remote as u16);
        let mut packet = [0xd5; PACKET_BYTES];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&(phone as u32 + 1).to_be_bytes());
        packet[12..20].copy_from_slice(&MARK);
        packet[20..28].copy_from_slice(&(self.began.elapsed().as_nanos() as u64).to_be_bytes());
        self.sockets[phone].send_to(&packet, to.into()).is_ok()
    }

    fn listen(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = [0; DATAGRAM_BYTES];
        while !self.ended.load(Relaxed) {
            if poll.poll(&mut events, Some(LISTEN_MAX)).is_err() {
                continue;
            }
            let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
            for event in &events {
                let phone = event.token().0;
                loop {
                    match self.sockets[phone].recv(&mut buffer) {
                        Ok(length) if phone < self.remotes.len() => {
                            self.heard(&buffer[..length], &mut delays);
                        }
                        Ok(_) => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        // An ICMP error of an earlier packet: the next read goes on.
                        Err(_) => {}
                    }
                }
            }
        }
    }

    fn heard(&self, packet: &[u8], delays: &mut Histogram) {
        let said = packet.get(12..20) == Some(&MARK[..]);
        match packet.get(20..28).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes) {
            Some(sent_ns) if said => {
                let now_ns = self.began.elapsed().as_nanos() as u64;
                delays.add(now_ns.saturating_sub(sent_ns));
                self.forwarded.fetch_add(1, Relaxed);
            }
            _ => {
                self.played.fetch_add(1, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_phone_says_another_hears_with_its_delay() {
        let audio = Audio::open(2).unwrap();
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, audio.port(1));
        audio.talk(0, to);
        std::thread::sleep(Duration::from_millis(300));
        audio.hush(0);
        std::thread::sleep(Duration::from_millis(100));
        let counts = audio.counts();
        // 15 in 300 ms; a busy machine may be late, but makes up for it.
        assert!((5..=17).contains(&counts.sent), "{counts:?}");
        assert_eq!((counts.forwarded, counts.played), (counts.sent, 0));
        assert!(audio.take_delays().per_mille(1_000) > Duration::ZERO);
        let other = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        other.send_to(&[0x80; 172], to).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(audio.counts().since(counts).played, 1);
    }
}
