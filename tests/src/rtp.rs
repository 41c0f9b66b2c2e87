//! [`Rtp`]: the audio side of a test's phone: it sends a tone and keeps what it hears.

use crate::audio::Sound;
use crate::speech::Hears;
use hotline_media::command::Codec;
use hotline_media::tone;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time of one packet.
pub const PACKET: Duration = Duration::from_millis(20);
/// Samples of one packet.
pub const SAMPLES: usize = 160;
/// RTP payload type of A-law.
pub const PCMA: u8 = 8;
const PCMU: u8 = 0;
const HEADER_BYTES: usize = 12;
/// The keys by their event codes.
const KEYS: &[u8] = b"0123456789*#";
/// The bit that says that an event has ended, in its second byte.
const EVENT_END: u8 = 0x80;
/// Packets of an event: the key is down, then up, which is said three times.
const EVENT_PACKETS: u16 = 5;
const EVENT_END_PACKETS: u16 = 3;
/// How long a key's two tones are heard.
const IN_BAND_MS: u32 = 100;

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
    /// Time stamp.
    pub timestamp: u32,
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
    /// Whether µ-law is sent, and not A-law.
    mu_law: AtomicBool,
    /// Keys still to be pressed, each with the payload type it goes out with.
    keys: Mutex<VecDeque<(u8, u8)>>,
    /// Samples that go out instead of the tone, a packet each.
    instead: Mutex<VecDeque<Vec<i16>>>,
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

    /// The same in µ-law.
    pub fn talk_in_mu_law(&self, to: SocketAddr, tone_hz: u32) {
        self.shared.mu_law.store(true, Relaxed);
        self.talk(to, tone_hz);
    }

    /// Presses keys while talking, each for 100 ms (RFC 4733), with this payload type.
    pub fn press(&self, keys: &str, payload_type: u8) {
        let codes = keys.bytes().filter_map(|key| KEYS.iter().position(|known| *known == key));
        let mut queue = self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner);
        queue.extend(codes.map(|code| (code as u8, payload_type)));
    }

    /// Presses keys while talking, each as its two tones in the audio for 100 ms, with as much
    /// silence after it.
    pub fn press_in_band(&self, keys: &str) {
        let silence = vec![0; SAMPLES];
        let mut queue = self.shared.instead.lock().unwrap_or_else(PoisonError::into_inner);
        for tones in keys.chars().filter_map(|key| tone::dtmf(key, IN_BAND_MS)) {
            queue.extend(tones.chunks_exact(SAMPLES).map(<[i16]>::to_vec));
            queue.extend(std::iter::repeat_n(silence.clone(), tones.len() / SAMPLES));
        }
    }

    /// The keys heard so far with this payload type: one for each event that has ended.
    pub fn keys_heard(&self, payload_type: u8) -> String {
        let mut ended = Vec::new();
        for heard in self.heard().iter().filter(|heard| heard.payload_type == payload_type) {
            let [code, end, ..] = heard.payload[..] else { continue };
            if end & EVENT_END != 0 && !ended.contains(&(heard.timestamp, code)) {
                ended.push((heard.timestamp, code));
            }
        }
        ended
            .iter()
            .filter_map(|(_, code)| KEYS.get(usize::from(*code)))
            .map(|key| char::from(*key))
            .collect()
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
            let sounds: Vec<_> =
                self.heard().iter().map(|heard| sound(heard, &[tone_hz])).collect();
            sounds.windows(5).any(|five| five.iter().all(|s| *s == Sound::Tone(0))).then_some(())
        });
        assert!(heard.is_some(), "{}: {tone_hz} Hz is not heard", self.address);
    }
}

impl Hears for Rtp {
    fn samples(&self) -> Vec<i16> {
        let heard = self.heard();
        heard.iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect()
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
        PCMU => Codec::Pcmu,
        _ => return Vec::new(),
    };
    payload.iter().map(|&code| codec.decode(code)).collect()
}

fn work(socket: &UdpSocket, shared: &Shared) {
    let mut bytes = [0; 2_048];
    let mut next = Instant::now();
    let (mut sequence, mut timestamp) = (1_000_u16, 50_000_u32);
    let ssrc = next.elapsed().subsec_nanos() ^ u32::from(local_port(socket)) << 16;
    let mut tone = (u32::MAX, Codec::Pcma, Vec::new());
    let mut key: Option<Key> = None;
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
            let (codec, number) = match shared.mu_law.load(Relaxed) {
                true => (Codec::Pcmu, PCMU),
                false => (Codec::Pcma, PCMA),
            };
            if (tone.0, tone.1) != (hz, codec) {
                tone = (hz, codec, second_of(hz, codec));
            }
            key = key.or_else(|| Key::next(shared, timestamp));
            let packet = match &mut key {
                Some(key) => packet(key.payload_type, sequence, key.since, ssrc, &key.payload()),
                None => {
                    let at = usize::from(sequence) % (tone.2.len() / SAMPLES) * SAMPLES;
                    let instead = shared.instead.lock().unwrap_or_else(PoisonError::into_inner);
                    let audio = instead_of(instead, codec);
                    let audio = audio.unwrap_or_else(|| tone.2[at..at + SAMPLES].to_vec());
                    packet(number, sequence, timestamp, ssrc, &audio)
                }
            };
            key = key.filter(|key| key.sent < EVENT_PACKETS + EVENT_END_PACKETS);
            let _ = socket.send_to(&packet, to);
        } else {
            // Fallen silent, it does not go on with a key when it talks again.
            key = None;
        }
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(SAMPLES as u32);
    }
}

/// The next packet of what goes out instead of the tone.
fn instead_of(mut queue: MutexGuard<'_, VecDeque<Vec<i16>>>, codec: Codec) -> Option<Vec<u8>> {
    let samples = queue.pop_front()?;
    Some(samples.iter().map(|&sample| codec.encode(sample)).collect())
}

fn local_port(socket: &UdpSocket) -> u16 {
    socket.local_addr().map_or(0, |address| address.port())
}

/// A key that is being pressed.
struct Key {
    code: u8,
    payload_type: u8,
    since: u32,
    sent: u16,
}

impl Key {
    fn next(shared: &Shared, now: u32) -> Option<Key> {
        let (code, payload_type) =
            shared.keys.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        Some(Key { code, payload_type, since: now, sent: 0 })
    }

    /// The payload of its next packet (RFC 4733 §2.3).
    fn payload(&mut self) -> [u8; 4] {
        self.sent += 1;
        let end = if self.sent > EVENT_PACKETS { EVENT_END } else { 0 };
        let [high, low] = (self.sent.min(EVENT_PACKETS) * SAMPLES as u16).to_be_bytes();
        [self.code, end | 10, high, low]
    }
}

/// One second of a tone, without soft edges: it repeats seamlessly.
fn second_of(hz: u32, codec: Codec) -> Vec<u8> {
    let samples = tone::sines(&[f64::from(hz)], -10.0, 3_000);
    // The middle second of three: whole periods, far from the edges.
    samples[8_000..16_000].iter().map(|&sample| codec.encode(sample)).collect()
}

/// An RTP packet.
pub fn packet(
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
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
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        payload: bytes[HEADER_BYTES..].to_vec(),
    })
}
