//! Callers who press keys: each sends telephone-events (RFC 4733) every few seconds, and waits for
//! the prompt that the key leads to.
//!
//! Owns: a socket per caller, the packets of presses, the delay from a key to its prompt, and what
//! went wrong. Does not own: the calls, what a key leads to. Callers send nothing but keys.
//!
//! ```text
//! event packets   0   20   40   60   80  100  120  140 ms
//!                 begin                  end  end  end          silence comes meanwhile
//!                                        │
//!                                        └── the delay ──→ the first packet that is not silence
//! ```

use super::histogram::Histogram;
use super::phones::Sound;
use super::wire::DATAGRAM_BYTES;
use hotline_media::command::Codec;
use hotline_media::rtp::Packet;
use hotline_media::telephone_event::EventPayload;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

/// Between two packets of an event.
const STEP: Duration = Duration::from_millis(20);
/// Packets of a press: 100 ms, and the end said three times.
const STEPS: u16 = 8;
/// The first that says the end.
const FIRST_END: u16 = 5;
const STEP_SAMPLES: u16 = 160;
/// The event's payload type, as the session descriptions of the load have it.
const EVENT_TYPE: u8 = 101;
/// The event code of the key that is pressed.
const KEY: u8 = 1;
const VOLUME: u8 = 10;
/// The code of silence in A-law, which the load's session descriptions ask for.
const SILENCE: u8 = Codec::Pcma.silence();
/// Longest sleep of the loop.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// What came of the presses.
#[derive(Default)]
pub struct Presses {
    /// Between two presses of a caller.
    period: Duration,
    /// Keys of which the end was sent.
    pub keys: u64,
    /// Prompts that followed.
    pub answered: u64,
    /// Keys without a prompt until the next one was due.
    pub lost: u64,
    /// Prompts nobody asked for.
    pub strays: u64,
    /// Audio packets heard.
    pub played: u64,
    /// Packets that the load sent more than 20 ms late.
    pub late: u64,
    /// From a key's end to its prompt.
    pub delays: Histogram,
}

impl Presses {
    /// Why these presses are no figure.
    pub fn fault(&self) -> Option<String> {
        let Presses { period, keys, answered, lost, strays, late, .. } = self;
        let whole = *keys > 0 && keys == answered && *lost == 0 && *strays == 0;
        (!whole).then(|| {
            format!(
                "{answered} of {keys} keys led to their prompt; {lost} led to none within {period:?}, \
                 {strays} prompts came unasked; the load was late {late} times"
            )
        })
    }
}

/// The callers' sockets.
pub struct Keypads {
    poll: Poll,
    sockets: Vec<UdpSocket>,
    remotes: Vec<Cell<Option<SocketAddrV4>>>,
    ports: Vec<u16>,
    period: Duration,
    /// When they were opened: their timestamps count from there.
    opened: Instant,
    /// Where their streams stand: one goes on where the round before has left it.
    callers: Vec<Caller>,
}

impl Sound for Keypads {
    fn port(&self, phone: usize) -> u16 {
        self.ports[phone]
    }

    fn rtcp_port(&self) -> u16 {
        self.ports[self.remotes.len()]
    }

    fn talk(&self, phone: usize, to: SocketAddrV4) {
        self.remotes[phone].set(Some(to));
    }

    fn hush(&self, phone: usize) {
        self.remotes[phone].set(None);
    }
}

impl Keypads {
    /// So many callers, a socket each, who press a key every `period`, or up to a tenth later, so
    /// that they drift apart.
    pub fn open(callers: usize, period: Duration) -> Result<Keypads, String> {
        Keypads::try_open(callers, period).map_err(|error| format!("keypads of {callers}: {error}"))
    }

    fn try_open(callers: usize, period: Duration) -> std::io::Result<Keypads> {
        let poll = Poll::new()?;
        let (mut sockets, mut ports) = (Vec::new(), Vec::new());
        // One more hears all RTCP.
        for caller in 0..=callers {
            let mut socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            poll.registry().register(&mut socket, Token(caller), Interest::READABLE)?;
            ports.push(socket.local_addr()?.port());
            sockets.push(socket);
        }
        let remotes = (0..callers).map(|_| Cell::new(None)).collect();
        let (opened, callers) = (Instant::now(), vec![Caller::default(); callers]);
        Ok(Keypads { poll, sockets, remotes, ports, period, opened, callers })
    }

    /// Lets every caller press keys until `enough`, which is asked now and then,
    /// and waits for the last prompts.
    pub fn press(
        &mut self,
        enough: &mut dyn FnMut() -> Result<bool, String>,
    ) -> Result<Presses, String> {
        let began = Instant::now();
        let mut round = Round {
            callers: std::mem::take(&mut self.callers),
            due: BinaryHeap::new(),
            more: true,
            presses: Presses { period: self.period, ..Presses::default() },
        };
        for caller in 0..self.remotes.len() {
            let share = caller as f64 / self.remotes.len() as f64;
            round.due.push(Reverse((began + self.period.mul_f64(share), caller)));
        }
        let mut asked = began;
        let mut until = None;
        while until.is_none_or(|until| Instant::now() < until) {
            self.hear(&mut round)?;
            round.act(self)?;
            if round.more && asked.elapsed() > 10 * SLEEP_MAX {
                asked = Instant::now();
                if enough()? {
                    round.more = false;
                    until = Some(asked + self.period);
                }
            }
            let all_answered = || round.callers.iter().all(|caller| caller.awaits.is_none());
            if !round.more && round.due.is_empty() && all_answered() {
                break;
            }
        }
        let presses = &mut round.presses;
        presses.lost +=
            round.callers.iter_mut().filter_map(|caller| caller.awaits.take()).count() as u64;
        self.callers = round.callers;
        Ok(round.presses)
    }

    fn hear(&mut self, round: &mut Round) -> Result<(), String> {
        let next = round.due.peek().map(|Reverse((at, _))| *at);
        let most = next.map_or(SLEEP_MAX, |at| at.saturating_duration_since(Instant::now()));
        // The kernel sleeps whole milliseconds.
        let most = Duration::from_millis(most.min(SLEEP_MAX).as_millis() as u64);
        let mut events = Events::with_capacity(256);
        match self.poll.poll(&mut events, Some(most)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        let mut buffer = [0; DATAGRAM_BYTES];
        for event in &events {
            let place = event.token().0;
            loop {
                match self.sockets[place].recv(&mut buffer) {
                    Ok(length) if place < self.remotes.len() => {
                        round.heard(place, &buffer[..length]);
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // An ICMP error of an earlier packet: the next read goes on.
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn send(&self, caller: usize, packet: &[u8]) -> Result<(), String> {
        let to = self.remotes[caller].get().ok_or(format!("caller {caller} is in no call"))?;
        match self.sockets[caller].send_to(packet, to.into()) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("a key to {to}: {error}")),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Caller {
    /// Packets of the present press that were sent.
    step: u16,
    /// When the present press began.
    pressed: Option<Instant>,
    /// Of the present press.
    timestamp: u32,
    sequence: u16,
    /// The end was sent then, and no prompt has come yet.
    awaits: Option<Instant>,
    /// Whether the last packet heard was a prompt's.
    in_prompt: bool,
}

struct Round {
    callers: Vec<Caller>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Whether new presses begin.
    more: bool,
    presses: Presses,
}

impl Round {
    fn heard(&mut self, place: usize, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else {
            self.presses.strays += 1;
            return;
        };
        self.presses.played += 1;
        let caller = &mut self.callers[place];
        let sounds = packet.payload.iter().any(|code| *code != SILENCE);
        if std::mem::replace(&mut caller.in_prompt, sounds) || !sounds {
            return;
        }
        match caller.awaits.take() {
            Some(since) => {
                self.presses.answered += 1;
                self.presses.delays.add(since.elapsed().as_nanos() as u64);
            }
            None => self.presses.strays += 1,
        }
    }

    /// Sends what is due.
    fn act(&mut self, keypads: &Keypads) -> Result<(), String> {
        while let Some(&Reverse((at, place))) = self.due.peek()
            && at <= Instant::now()
        {
            self.due.pop();
            self.presses.late += u64::from(at.elapsed() > STEP);
            let caller = &mut self.callers[place];
            if caller.step == 0 {
                if !self.more {
                    continue;
                }
                if caller.awaits.take().is_some() {
                    self.presses.lost += 1;
                }
                caller.pressed = Some(at);
                caller.timestamp = (at.duration_since(keypads.opened).as_millis() * 8) as u32;
            }
            let packet = event_packet(caller, place);
            let is_first_end = caller.step == FIRST_END;
            caller.sequence = caller.sequence.wrapping_add(1);
            caller.step += 1;
            let next = match caller.step {
                STEPS => {
                    caller.step = 0;
                    let drift = keypads.period / 10 * (place as u32 % 16) / 16;
                    caller.pressed.unwrap_or(at) + keypads.period + drift
                }
                _ => at + STEP,
            };
            self.due.push(Reverse((next, place)));
            if is_first_end {
                self.presses.keys += 1;
                caller.awaits = Some(Instant::now());
            }
            keypads.send(place, &packet)?;
        }
        Ok(())
    }
}

fn event_packet(caller: &Caller, place: usize) -> [u8; 16] {
    let header = hotline_media::rtp::Header {
        marker: caller.step == 0,
        payload_type: EVENT_TYPE,
        sequence: caller.sequence,
        timestamp: caller.timestamp,
        ssrc: place as u32 + 1,
    };
    let payload = EventPayload {
        event: KEY,
        end: caller.step >= FIRST_END,
        volume: VOLUME,
        duration: STEP_SAMPLES * (caller.step + 1).min(FIRST_END),
    };
    let mut packet = [0; 16];
    packet[..12].copy_from_slice(&header.bytes());
    packet[12..].copy_from_slice(&payload.bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_media::rtp::Header;

    /// A menu: answers every second key's end with a prompt of one packet and silence, or every one.
    fn menu(every: u32) -> (std::net::UdpSocket, std::thread::JoinHandle<()>) {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = socket.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 100];
            let (mut keys, mut last) = (0, None);
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Ok(packet) = Packet::parse(&buffer[..length]) else { return };
                let press = Some((from, packet.header.timestamp));
                if EventPayload::parse(packet.payload).unwrap().end && last != press {
                    last = press;
                    keys += 1;
                    if keys % every == 0 {
                        let header = Header { marker: false, payload_type: 8, ..packet.header };
                        for code in [SILENCE, 1, 1, SILENCE] {
                            let packet = [&header.bytes()[..], &[code; 160]].concat();
                            socket.send_to(&packet, from).unwrap();
                        }
                    }
                }
            }
        });
        (own, thread)
    }

    fn press(every: u32) -> Presses {
        let (socket, thread) = menu(every);
        let SocketAddr::V4(to) = socket.local_addr().unwrap() else { panic!("an IPv4 address") };
        let period = Duration::from_millis(700);
        let mut keypads = Keypads::open(4, period).unwrap();
        (0..4).for_each(|caller| keypads.talk(caller, to));
        let began = Instant::now();
        let presses = keypads.press(&mut || Ok(began.elapsed() > period)).unwrap();
        socket.send_to(b"end", to).unwrap();
        thread.join().unwrap();
        presses
    }

    #[test]
    fn a_key_and_its_prompt_are_one_delay_and_a_lost_one_is_a_fault() {
        let whole = press(1);
        assert_eq!(whole.fault(), None);
        assert!(whole.keys >= 4 && whole.delays.per_mille(1_000) > Duration::ZERO);
        let half = press(2);
        let fault = half.fault().unwrap();
        assert!(half.lost >= 1 && half.answered < half.keys, "{fault}");
    }
}
