//! [`Workers`]: the media workers as the engine sees them, without sound.
//!
//! Owns: which ports are lent, which legs are open, when plays end, ports' rest, silence. Does not
//! own: when its reports reach the engine (the world delays them).

use crate::invariants::{Fault, fault};
use hotline_base::Mono;
use hotline_media::command::{
    AssetId, Command, Event, LegRef, LegStatistics, PlayEnd, PlayId, PlayItem, PortGrant,
    RecordEnd, RecordingId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a port rests after use.
const PORT_REST: Duration = Duration::from_millis(5000);
/// How long each prompt of the simulated centres is, in ms.
pub const PROMPT_MS: u64 = 700;

/// The media workers of one engine; see the module.
#[derive(Debug)]
pub struct Workers {
    lent: BTreeSet<PortGrant>,
    ports: usize,
    legs: BTreeMap<LegRef, Leg>,
    due: BTreeMap<(Mono, u64), Due>,
    serial: u64,
    /// Media addresses nothing comes from.
    silent: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
struct Leg {
    port: PortGrant,
    remote: Option<SocketAddr>,
    playing: Option<PlayId>,
    played: BTreeSet<PlayId>,
    silence: Duration,
    /// Since when its peer sends nothing.
    silent_since: Option<Mono>,
    told_silent: bool,
    bridged: Option<LegRef>,
    /// What is recorded, and since when.
    recording: Option<(RecordingId, Mono)>,
}

#[derive(Clone, Debug)]
enum Due {
    PlayEnds(LegRef, PlayId),
    Rested(PortGrant),
    Silence(LegRef),
    Recorded(LegRef, RecordingId),
}

impl Workers {
    /// Workers with so many port pairs, from this port on; with the event that lends them.
    pub fn new(address: IpAddr, first_port: u16, ports: u16) -> (Workers, Event) {
        let grant = |n: u16| PortGrant { worker: n % 2, address, rtp: first_port + 2 * n };
        let ports: Vec<PortGrant> = (0..ports).map(grant).collect();
        let workers = Workers {
            lent: ports.iter().copied().collect(),
            ports: ports.len(),
            legs: BTreeMap::new(),
            due: BTreeMap::new(),
            serial: 0,
            silent: BTreeSet::new(),
        };
        (workers, Event::Granted { ports })
    }

    /// How many port pairs there are.
    pub fn ports(&self) -> usize {
        self.ports
    }

    /// Ports that are neither in use nor at rest.
    pub fn lent(&self) -> usize {
        self.lent.len()
    }

    /// Open legs.
    pub fn open(&self) -> usize {
        self.legs.len()
    }

    /// The legs that are open, in the order of their names.
    pub fn legs(&self) -> Vec<LegRef> {
        self.legs.keys().copied().collect()
    }

    /// The open leg with this port.
    pub fn leg_at(&self, rtp: u16) -> Option<LegRef> {
        self.legs.iter().find(|(_, leg)| leg.port.rtp == rtp).map(|(leg, _)| *leg)
    }

    /// The open leg whose media go to this address: the newest, if there are two.
    pub fn leg_of(&self, remote: SocketAddr) -> Option<LegRef> {
        self.legs.iter().rev().find(|(_, leg)| leg.remote == Some(remote)).map(|(leg, _)| *leg)
    }

    /// Whether it is connected to another.
    pub fn is_connected(&self, leg: LegRef) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.bridged.is_some())
    }

    /// When [`Workers::expire`] has something to say.
    pub fn deadline(&self) -> Option<Mono> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// No RTP comes from this address any more.
    pub fn fall_silent(&mut self, now: Mono, address: SocketAddr) {
        self.silent.insert(address);
        let of_it = self.legs.iter_mut().filter(|(_, leg)| leg.remote == Some(address));
        let legs: Vec<(LegRef, Duration)> = of_it
            .map(|(leg, state)| {
                state.silent_since = Some(now);
                (*leg, state.silence)
            })
            .collect();
        for (leg, silence) in legs {
            self.expect_silence(now + silence, leg, silence);
        }
    }

    /// RTP comes from this address again, in the sessions that begin from now on.
    pub fn speak_again(&mut self, address: SocketAddr) {
        self.silent.remove(&address);
    }

    /// An order of the engine; what is reported at once.
    ///
    /// # Errors
    /// An order that fits no leg or port: the engine knows what it has opened and closed.
    pub fn order(&mut self, now: Mono, command: Command) -> Result<Vec<Event>, Fault> {
        let mut reports = Vec::new();
        match command {
            Command::Open { leg, port, silence_limit_s } => {
                self.open_leg(leg, port, Duration::from_secs(silence_limit_s.into()))?;
            }
            Command::SetRemote { leg, stream } => self.set_remote(now, leg, stream.remote)?,
            Command::Play { leg, play, items, repeat, .. } => {
                let after = items.iter().map(duration_of).sum();
                let ends = (!repeat).then(|| now + after);
                reports.extend(self.play(leg, play, ends)?);
            }
            Command::Stop { leg, play } => {
                let state = self.leg(leg)?;
                if state.playing == Some(play) {
                    state.playing = None;
                    reports.push(ended(leg, play, PlayEnd::Stopped));
                }
            }
            // A worker knows its own legs alone, and says so.
            Command::Bridge { a, b }
                if a.worker != b.worker
                    || [a, b].iter().any(|leg| !self.legs.contains_key(leg)) =>
            {
                reports.push(Event::NotBridged { leg: a, other: b });
            }
            Command::Bridge { a, b } => {
                for (leg, other) in [(a, b), (b, a)] {
                    if let Some(third) = self.leg(leg)?.bridged.replace(other)
                        && third != other
                    {
                        let text = format!("{leg:?} is connected to {third:?} and {other:?}");
                        return Err(fault("a_leg_is_of_one_call", text));
                    }
                }
            }
            Command::Unbridge { a, b } => {
                self.leg(a)?.bridged = None;
                self.leg(b)?.bridged = None;
            }
            Command::Conference { legs } => {
                let known = |leg: &LegRef| self.legs.contains_key(leg);
                if !(2..=4).contains(&legs.len()) || !legs.iter().all(known) {
                    return Err(fault("media_orders_fit", format!("a conference of {legs:?}")));
                }
                for leg in legs {
                    self.leg(leg)?.bridged = None;
                }
            }
            Command::Record { leg, recording, max_ms, .. } => {
                let state = self.leg(leg)?;
                let running = state.recording.replace((recording, now));
                reports.extend(running.map(|it| recorded(now, leg, it, RecordEnd::Stopped)));
                let at = now + Duration::from_millis(max_ms.into());
                self.wait(at, Due::Recorded(leg, recording));
            }
            Command::StopRecord { leg, recording } => {
                let running = self.leg(leg)?.recording.take_if(|(it, _)| *it == recording);
                reports.extend(running.map(|it| recorded(now, leg, it, RecordEnd::Stopped)));
            }
            Command::SendDigits { leg, .. }
            | Command::SetDigits { leg, .. }
            | Command::Leave { leg } => drop(self.leg(leg)?),
            Command::Close { leg } => reports = self.close(now, leg)?,
        }
        Ok(reports)
    }

    /// What is due.
    pub fn expire(&mut self, now: Mono) -> Vec<Event> {
        let mut reports = Vec::new();
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            match entry.remove() {
                Due::PlayEnds(leg, play) => {
                    let state = self.legs.get_mut(&leg);
                    if let Some(state) = state.filter(|state| state.playing == Some(play)) {
                        state.playing = None;
                        reports.push(ended(leg, play, PlayEnd::Completed));
                    }
                }
                Due::Rested(port) => {
                    self.lent.insert(port);
                    reports.push(Event::Granted { ports: vec![port] });
                }
                Due::Silence(leg) => reports.extend(self.silence_of(now, leg)),
                Due::Recorded(leg, recording) => {
                    let running = self
                        .legs
                        .get_mut(&leg)
                        .and_then(|state| state.recording.take_if(|(it, _)| *it == recording));
                    reports.extend(running.map(|it| recorded(now, leg, it, RecordEnd::Limit)));
                }
            }
        }
        reports
    }

    fn silence_of(&mut self, now: Mono, leg: LegRef) -> Option<Event> {
        let state = self.legs.get_mut(&leg)?;
        let due = now >= state.silent_since? + state.silence && !state.told_silent;
        due.then(|| {
            state.told_silent = true;
            Event::Silent { leg, for_s: state.silence.as_secs() as u32 }
        })
    }

    fn open_leg(&mut self, leg: LegRef, port: PortGrant, silence: Duration) -> Result<(), Fault> {
        if !self.lent.remove(&port) {
            return Err(fault("media_orders_fit", format!("{port:?} is not free")));
        }
        let state = Leg {
            port,
            remote: None,
            playing: None,
            played: BTreeSet::new(),
            silence,
            silent_since: None,
            told_silent: false,
            bridged: None,
            recording: None,
        };
        match self.legs.insert(leg, state) {
            Some(_) => Err(fault("media_orders_fit", format!("{leg:?} is open already"))),
            None => Ok(()),
        }
    }

    fn set_remote(&mut self, now: Mono, leg: LegRef, remote: SocketAddr) -> Result<(), Fault> {
        let silent = self.silent.contains(&remote);
        let state = self.leg(leg)?;
        state.remote = Some(remote);
        let silence = state.silence;
        state.silent_since = silent.then_some(now);
        if silent {
            self.expect_silence(now + silence, leg, silence);
        }
        Ok(())
    }

    /// Begins a play that ends by itself at a time, if it does; what it replaces has ended.
    fn play(
        &mut self,
        leg: LegRef,
        play: PlayId,
        ends: Option<Mono>,
    ) -> Result<Option<Event>, Fault> {
        let state = self.leg(leg)?;
        if !state.played.insert(play) {
            return Err(fault("every_play_ended", format!("{leg:?} {play:?} twice")));
        }
        let old = state.playing.replace(play);
        if let Some(at) = ends {
            self.wait(at, Due::PlayEnds(leg, play));
        }
        Ok(old.map(|old| ended(leg, old, PlayEnd::Replaced)))
    }

    fn close(&mut self, now: Mono, leg: LegRef) -> Result<Vec<Event>, Fault> {
        self.leg(leg)?;
        let mut reports = Vec::new();
        if let Some(state) = self.legs.remove(&leg) {
            if let Some(other) = state.bridged.and_then(|other| self.legs.get_mut(&other)) {
                other.bridged = None;
            }
            reports.extend(state.playing.map(|play| ended(leg, play, PlayEnd::LegClosed)));
            let running = state.recording;
            reports.extend(running.map(|it| recorded(now, leg, it, RecordEnd::LegClosed)));
            self.wait(now + PORT_REST, Due::Rested(state.port));
        }
        reports.push(Event::Closed { leg, statistics: LegStatistics::default() });
        Ok(reports)
    }

    fn leg(&mut self, leg: LegRef) -> Result<&mut Leg, Fault> {
        let unknown = || fault("media_orders_fit", format!("{leg:?} is not open"));
        self.legs.get_mut(&leg).ok_or_else(unknown)
    }

    fn expect_silence(&mut self, at: Mono, leg: LegRef, limit: Duration) {
        if !limit.is_zero() {
            self.wait(at, Due::Silence(leg));
        }
    }

    fn wait(&mut self, at: Mono, due: Due) {
        self.serial += 1;
        self.due.insert((at, self.serial), due);
    }
}

fn duration_of(item: &PlayItem) -> Duration {
    Duration::from_millis(match item {
        PlayItem::Asset(AssetId(_)) => PROMPT_MS,
        PlayItem::Silence(ms) => u64::from(*ms),
    })
}

fn recorded(
    now: Mono,
    leg: LegRef,
    (recording, since): (RecordingId, Mono),
    reason: RecordEnd,
) -> Event {
    let duration_ms = u32::try_from(now.since(since).as_millis()).unwrap_or(u32::MAX);
    Event::Recorded { leg, recording, duration_ms, reason }
}

fn ended(leg: LegRef, play: PlayId, reason: PlayEnd) -> Event {
    Event::PlayEnded { leg, play, reason }
}
