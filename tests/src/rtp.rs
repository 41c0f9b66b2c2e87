//! [`Rtp`]: the audio side of a test's phone: it sends a tone and keeps what it hears.

use crate::audio::Sound;
use hotline_media::command::Codec;
use hotline_media::tone;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time of one packet.
pub const PACKET: Duration = Duration::from_millis(20);
/// Samples of one packet.
pub const SAMPLES: usize = 160;
/// RTP payload type of A-law.
pub const PCMA: u8 = 8;
const HEADER_BYTES: usize = 12;

/// A packet heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When the test's own clock saw it.
    pub at: Instant,
    /// From whom.
    pub from: SocketAddr,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// SSRC.
    pub ssrc: u32,
    /// Payload.
    pub payload: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Vec<Heard>>,
    talk_to: Mutex<Option<SocketAddr>>,
    tone_hz: AtomicU32,
    stop: AtomicBool,
}

/// A pair of ports, RTP and RTCP, with a thread that listens, and sends while told to.
#[derive(Debug)]
pub struct Rtp {
    /// The RTP port's address.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Rtp {
    /// Opens ports at an address.
    ///
    /// # Panics
    /// If none are free.
    pub fn open(ip: IpAddr) -> Rtp {
        let bind = |port| UdpSocket::bind((ip, port)).ok();
        let (socket, rtcp) = (30_000..31_000)
            .step_by(2)
            .find_map(|port| Some((bind(port)?, bind(port + 1)?)))
            .expect("two ports are free");
        let address = socket.local_addr().expect("a bound socket has an address");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a time-out");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let _rtcp_stays_open = rtcp;
            work(&socket, &theirs);
        });
        Rtp { address, shared, thread: Some(thread) }
    }

    /// Sends a tone from now on.
    pub fn talk(&self, to: SocketAddr, tone_hz: u32) {
        self.shared.tone_hz.store(tone_hz, Relaxed);
        *self.shared.talk_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }

    /// Sends nothing from now on.
    pub fn fall_silent(&self) {
        *self.shared.talk_to.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was heard so far.
    pub fn forget(&self) {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until a tone is heard for 100 ms on end.
    ///
    /// # Panics
    /// If it is not within 5 s.
    pub fn until_heard(&self, tone_hz: f64) {
        let heard = crate::within(crate::s(5), || {
            let sounds: Vec<_> = self.heard().iter().map(|heard| sound(heard, &[tone_hz])).collect();
            sounds.windows(5).any(|five| five.iter().all(|s| *s == Sound::Tone(0))).then_some(())
        });
        assert!(heard.is_some(), "{}: {tone_hz} Hz is not heard", self.address);
    }
}

impl Drop for Rtp {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a packet sounds like, with `tones` as the tones to look for.
pub fn sound(heard: &Heard, tones: &[f64]) -> Sound {
    Sound::of(&samples(heard.payload_type, &heard.payload), tones)
}

/// The samples of a payload; none for what is no audio.
pub fn samples(payload_type: u8, payload: &[u8]) -> Vec<i16> {
    let codec = match payload_type {
        PCMA => Codec::Pcma,
        0 => Codec::Pcmu,
        _ => return Vec::new(),
    };
    payload.iter().map(|&code| codec.decode(code)).collect()
}

fn work(socket: &UdpSocket, shared: &Shared) {
    let mut bytes = [0; 2_048];
    let mut next = Instant::now();
    let (mut sequence, mut timestamp) = (1_000_u16, 50_000_u32);
    let ssrc = next.elapsed().subsec_nanos() ^ u32::from(local_port(socket)) << 16;
    let mut tone = (0, Vec::new());
    while !shared.stop.load(Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut bytes)
            && let Some(heard) = read(&bytes[..length], from)
        {
            shared.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        }
        if Instant::now() < next {
            continue;
        }
        next += PACKET;
        let hz = shared.tone_hz.load(Relaxed);
        let to = *shared.talk_to.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(to) = to {
            if tone.0 != hz {
                tone = (hz, second_of(hz));
            }
            let at = usize::from(sequence) % (tone.1.len() / SAMPLES) * SAMPLES;
            let packet = packet(sequence, timestamp, ssrc, &tone.1[at..at + SAMPLES]);
            let _ = socket.send_to(&packet, to);
        }
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(SAMPLES as u32);
    }
}

fn local_port(socket: &UdpSocket) -> u16 {
    socket.local_addr().map_or(0, |address| address.port())
}

/// One second of a tone in A-law, without soft edges: it repeats seamlessly.
fn second_of(hz: u32) -> Vec<u8> {
    let samples = tone::sines(&[f64::from(hz)], -10.0, 3_000);
    // The middle second of three: whole periods, far from the edges.
    samples[8_000..16_000].iter().map(|&sample| Codec::Pcma.encode(sample)).collect()
}

/// An RTP packet of A-law.
pub fn packet(sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, PCMA];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn read(bytes: &[u8], from: SocketAddr) -> Option<Heard> {
    if bytes.len() < HEADER_BYTES || bytes[0] != 0x80 {
        return None;
    }
    Some(Heard {
        at: Instant::now(),
        from,
        payload_type: bytes[1] & 0x7f,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        payload: bytes[HEADER_BYTES..].to_vec(),
    })
}
