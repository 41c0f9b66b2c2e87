//! The media plane of one worker: every leg on its ports, driven by commands, packets and a clock.
//!
//! Owns: which port serves which leg, what each leg sends and hears, bridges, conferences, plays,
//! recordings, digits, RTCP, silence and statistics; ports' rest after use. Does not own: sockets, the clock, files, or any
//! decision about calls.
//!
//! Drive it so: [`Worker::handle`] each command, [`Worker::receive`] and [`Worker::receive_rtcp`]
//! each datagram, [`Worker::tick`] each of the [`PHASES`] phases once every 20 ms, one millisecond
//! apart; after each, drain [`Worker::poll_piece`] and then [`Worker::poll_event`]. Packets leave through the [`Sink`] handed in.
//! A bridge joins two legs of one worker: the engine takes both ports from the same one.

mod commands;
mod conference;
mod ear;
mod leg;
mod pace;
mod playing;
mod receive;
mod source;
#[cfg(test)]
mod tests;
mod tick;

pub use conference::LEGS as CONFERENCE_LEGS;
pub use ear::PIECES_MAX;
pub use playing::ITEMS_MAX;
pub use receive::Received;

use crate::asset::{Asset, Library};
use crate::command::{Event, LegRef, PortGrant};
use crate::recording::Piece;
use crate::rtp::PACKET_BYTES_MAX;
use crate::{telephone_event, tone};
use conference::Conference;
use hotline_base::{Mono, Rng, SecretMap};
use leg::Leg;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Phases of the 20 ms clock, one millisecond apart.
pub const PHASES: usize = 20;
/// How long a port rests after use, in ms.
pub const PORT_REST_MS: u64 = 5000;
/// Most ports granted in one event.
pub const GRANT_BATCH: usize = 64;
/// Digits and sources are no longer reported while this many events wait to be polled; what the
/// engine must hear (ends of plays, closed legs, ports) always is.
pub const EVENTS_MAX: usize = 65_536;
/// Samples of one tick.
const TICK_SAMPLES: u32 = 160;
/// How long an in-band digit sounds, in ms.
const IN_BAND_DIGIT_MS: u32 = 120;

/// Which port pair of a worker: its place in the list given to [`Worker::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortIndex(pub u32);

/// Which socket of a port pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// Where packets leave: the shell's sockets, or a test's list.
pub trait Sink {
    /// Sends `header` followed by `payload` as one datagram. Both are only lent; a failure is the
    /// sink's to count.
    fn send(
        &mut self,
        port: PortIndex,
        channel: Channel,
        to: SocketAddr,
        header: &[u8],
        payload: &[u8],
    );
}

#[derive(Debug)]
struct Port {
    grant: PortGrant,
    leg: Option<Box<Leg>>,
    resting: bool,
}

/// The media plane of one worker; see the module.
pub struct Worker {
    number: u16,
    library: Arc<Library>,
    rng: Rng,
    ports: Vec<Port>,
    /// Port number → its place.
    places: SecretMap<u16, u32>,
    /// Leg number → its port's place.
    legs: SecretMap<u32, u32>,
    /// The places of the legs of each phase.
    phases: [Vec<u32>; PHASES],
    resting: VecDeque<(Mono, u32)>,
    events: VecDeque<Event>,
    conferences: Vec<Conference>,
    conferences_made: u64,
    /// Of recordings, not taken yet.
    pieces: VecDeque<Piece>,
    cname: [u8; 16],
    /// In-band tones of the digits, by event code.
    digit_tones: [Asset; 16],
    /// Payloads that must be put together: converted, or across the end of an item.
    scratch: Box<[u8; PACKET_BYTES_MAX]>,
    report: Vec<u8>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("number", &self.number)
            .field("legs", &self.legs.len())
            .finish()
    }
}

impl Worker {
    /// A worker with these bound port pairs, which it grants at once.
    pub fn new(number: u16, ports: Vec<PortGrant>, library: Arc<Library>, mut rng: Rng) -> Self {
        let mut places = SecretMap::new(&mut rng);
        for (place, grant) in ports.iter().enumerate() {
            places.insert(grant.rtp, place as u32);
        }
        let mut random = [0; 8];
        rng.fill(&mut random);
        let mut cname = [0; 16];
        for (n, digit) in cname.iter_mut().enumerate() {
            let nibble = random[n / 2] >> (4 * (n % 2)) & 0x0f;
            *digit = b"0123456789abcdef"[usize::from(nibble)];
        }
        let digit_tones = std::array::from_fn(|event| {
            let digit = telephone_event::digit_of(event as u8).unwrap_or('0');
            Asset::from_samples(&tone::dtmf(digit, IN_BAND_DIGIT_MS).unwrap_or_default())
        });
        let mut worker = Worker {
            number,
            library,
            places,
            legs: SecretMap::new(&mut rng),
            phases: Default::default(),
            resting: VecDeque::new(),
            events: VecDeque::new(),
            conferences: Vec::new(),
            conferences_made: 0,
            pieces: VecDeque::new(),
            cname,
            digit_tones,
            scratch: Box::new([0; PACKET_BYTES_MAX]),
            report: Vec::with_capacity(256),
            rng,
            ports: ports
                .into_iter()
                .map(|grant| Port { grant, leg: None, resting: false })
                .collect(),
        };
        let grants: Vec<PortGrant> = worker.ports.iter().map(|port| port.grant).collect();
        worker.grant(&grants);
        worker
    }

    /// Takes more bound port pairs, behind those it has, and grants them at once.
    pub fn add_ports(&mut self, ports: Vec<PortGrant>) {
        for grant in &ports {
            self.places.insert(grant.rtp, self.ports.len() as u32);
            self.ports.push(Port { grant: *grant, leg: None, resting: false });
        }
        self.grant(&ports);
    }

    /// Uses another library for plays that begin from now on.
    pub fn set_library(&mut self, library: Arc<Library>) {
        self.library = library;
    }

    /// How many legs are open.
    pub fn open_legs(&self) -> usize {
        self.legs.len()
    }

    /// How many ports rest.
    pub fn resting_ports(&self) -> usize {
        self.resting.len()
    }

    /// The next thing to report, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn grant(&mut self, ports: &[PortGrant]) {
        for batch in ports.chunks(GRANT_BATCH) {
            self.events.push_back(Event::Granted { ports: batch.to_vec() });
        }
    }

    /// Reports what may be left out when nobody polls.
    fn report_event(events: &mut VecDeque<Event>, event: Event) {
        if events.len() < EVENTS_MAX {
            events.push_back(event);
        }
    }

    fn rest(&mut self, now: Mono, place: u32) {
        if let Some(port) = self.ports.get_mut(place as usize) {
            port.resting = true;
            self.resting.push_back((now + Duration::from_millis(PORT_REST_MS), place));
        }
    }

    fn grant_rested(&mut self, now: Mono) {
        let mut grants = Vec::new();
        while let Some(&(at, place)) = self.resting.front()
            && at <= now
        {
            self.resting.pop_front();
            if let Some(port) = self.ports.get_mut(place as usize) {
                port.resting = false;
                grants.push(port.grant);
            }
        }
        self.grant(&grants);
    }

    fn place_of(&self, leg: LegRef) -> Option<u32> {
        let place = *self.legs.get(&leg.leg)?;
        (self.leg(place)?.reference == leg).then_some(place)
    }

    fn leg(&self, place: u32) -> Option<&Leg> {
        self.ports.get(place as usize)?.leg.as_deref()
    }

    fn leg_mut(&mut self, place: u32) -> Option<&mut Leg> {
        self.ports.get_mut(place as usize)?.leg.as_deref_mut()
    }
}
