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
/// The RTP header's bit that says that something begins, beside the payload type.
const MARKER: u8 = 0x80;
/// The keys by their event codes.
const KEYS: &[u8] = b"0123456789*#";
/// The bit that says that an event has ended, in its second byte.
const EVENT_END: u8 = 0x80;
/// How loud it is, in -dBm0.
const EVENT_VOLUME: u8 = 10;
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
    /// Events still to be sent, a packet each.
    events: Mutex<VecDeque<Event>>,
    /// Samples that go out instead of the tone, a packet each.
    instead: Mutex<VecDeque<Vec<i16>>>,
    stop: AtomicBool,
}

/// What goes out in one packet's time in place of audio: a packet of a telephone-event, or one that
/// is lost on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    /// Payload type.
    pub payload_type: u8,
    /// The packet is the first of a press, so that its time is the press's.
    pub begins: bool,
    /// Samples from the press's beginning to the beginning of this segment of it.
    pub segment: u32,
    /// The payload; none: lost.
    pub payload: Option<[u8; 4]>,
}

impl Event {
    /// A press of a key: so many packets while it is down, then so many that say it has ended.
    pub fn press(key: char, payload_type: u8, down: u16, ends: u16) -> Vec<Event> {
        let code = KEYS.iter().position(|known| char::from(*known) == key).unwrap_or_default();
        let event = |n: u16| {
            let [high, low] = (n.min(down) * SAMPLES as u16).to_be_bytes();
            let end = if n > down { EVENT_END } else { 0 };
            let payload = Some([code as u8, end | EVENT_VOLUME, high, low]);
            Event { payload_type, begins: n == 1, segment: 0, payload }
        };
        (1..=down + ends).map(event).collect()
    }

    /// The same, but it is lost.
    pub fn lost(self) -> Event {
        Event { payload: None, ..self }
    }
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
        *lock(&self.shared.talk_to) = Some(to);
    }

    /// The same in µ-law.
    pub fn talk_in_mu_law(&self, to: SocketAddr, tone_hz: u32) {
        self.shared.mu_law.store(true, Relaxed);
        self.talk(to, tone_hz);
    }

    /// Presses keys while talking, each for 100 ms (RFC 4733), with this payload type.
    pub fn press(&self, keys: &str, payload_type: u8) {
        let press = |key| Event::press(key, payload_type, EVENT_PACKETS, EVENT_END_PACKETS);
        self.send_events(keys.chars().flat_map(press));
    }

    /// Sends these packets of telephone-events while talking. Tones that are pressed meanwhile
    /// ([`Rtp::press_in_band`]) go out beside them.
    pub fn send_events(&self, events: impl IntoIterator<Item = Event>) {
        lock(&self.shared.events).extend(events);
    }

    /// Waits until all events have gone out.
    ///
    /// # Panics
    /// If they have not within 20 s.
    pub fn until_sent(&self) {
        crate::until("events go out", crate::s(20), || lock(&self.shared.events).is_empty());
    }

    /// Presses keys while talking, each as its two tones in the audio for 100 ms, with as much
    /// silence after it.
    pub fn press_in_band(&self, keys: &str) {
        let silence = vec![0; SAMPLES];
        let mut queue = lock(&self.shared.instead);
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

    /// When the packet came that holds a place in [`Hears::samples`], in ms: in silence there may be
    /// no packets, so places are not times.
    ///
    /// # Panics
    /// If nothing was heard there.
    pub fn came_at(&self, ms: u64) -> Instant {
        let heard = self.heard();
        let length = |one: &Heard| samples(one.payload_type, &one.payload).len() as u64 / 8;
        let mut until = 0;
        let found = heard.iter().find(|one| {
            until += length(one);
            until > ms
        });
        found.expect("a packet at that place").at
    }

    /// When the last packet before now came in which something was to be heard.
    pub fn last_sound_at(&self) -> Option<Instant> {
        let heard = self.heard();
        let audible = |one: &&Heard| one.payload_type <= PCMA && sound(one, &[]) != Sound::Silence;
        heard.iter().rev().find(audible).map(|one| one.at)
    }

    /// Sends nothing from now on.
    pub fn fall_silent(&self) {
        *lock(&self.shared.talk_to) = None;
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.shared.heard).clone()
    }

    /// Forgets what was heard so far.
    pub fn forget(&self) {
        lock(&self.shared.heard).clear();
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
    let mut pressed = 0;
    while !shared.stop.load(Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut bytes)
            && let Some(heard) = read(&bytes[..length], from)
        {
            lock(&shared.heard).push(heard);
        }
        if Instant::now() < next {
            continue;
        }
        next += PACKET;
        let hz = shared.tone_hz.load(Relaxed);
        let to = *lock(&shared.talk_to);
        if let Some(to) = to {
            let (codec, number) = match shared.mu_law.load(Relaxed) {
                true => (Codec::Pcmu, PCMU),
                false => (Codec::Pcma, PCMA),
            };
            if (tone.0, tone.1) != (hz, codec) {
                tone = (hz, codec, second_of(hz, codec));
            }
            let mut send = |kind: u8, stamp: u32, payload: &[u8]| {
                let _ = socket.send_to(&packet(kind, sequence, stamp, ssrc, payload), to);
                sequence = sequence.wrapping_add(1);
            };
            let event = lock(&shared.events).pop_front();
            let instead = lock(&shared.instead).pop_front();
            let instead = instead.map(|samples| samples.iter().map(|&s| codec.encode(s)).collect());
            if let Some(event) = event {
                pressed = if event.begins { timestamp } else { pressed };
                let marker = if event.begins { MARKER } else { 0 };
                if let Some(payload) = event.payload {
                    let stamp = pressed.wrapping_add(event.segment);
                    send(event.payload_type | marker, stamp, &payload);
                }
            }
            let audio: Option<Vec<u8>> = instead.or_else(|| {
                let at = timestamp as usize / SAMPLES % (tone.2.len() / SAMPLES) * SAMPLES;
                event.is_none().then(|| tone.2[at..at + SAMPLES].to_vec())
            });
            match audio {
                Some(audio) => send(number, timestamp, &audio),
                None if event.is_some_and(|event| event.payload.is_none()) => {
                    sequence = sequence.wrapping_add(1);
                }
                None => {}
            }
        } else {
            // Fallen silent, it does not go on with a key when it talks again.
            let mut events = lock(&shared.events);
            while events.front().is_some_and(|event| !event.begins) {
                events.pop_front();
            }
            sequence = sequence.wrapping_add(1);
        }
        timestamp = timestamp.wrapping_add(SAMPLES as u32);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn local_port(socket: &UdpSocket) -> u16 {
    socket.local_addr().map_or(0, |address| address.port())
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
