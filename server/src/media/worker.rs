//! [`MediaThread`]: the millisecond of one worker.
//!
//! ```text
//! every ms while legs are open:  commands → packets that came → the phase that is due → events
//! otherwise:                     asleep until a command or a packet comes
//! ```
//! Packets are collected for up to a millisecond, so that a busy worker wakes a thousand times a
//! second and not once a packet. The schedule is absolute: a late millisecond is made up for, and
//! after a longer standstill the rest is left out instead of sent in a burst.

use super::grants::Grants;
use super::io::MediaIo;
use super::recorder::Recorder;
use crate::clock::Clock;
use crate::runtime::{Engines, Mail, Pulse};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use hotline_base::{Mono, Now, Rng};
use hotline_engine::engine_of_leg;
use hotline_media::asset::Library;
use hotline_media::command::{Command, Event, LegRef, PortGrant};
use hotline_media::worker::{Channel, PHASES, Worker};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
/// Milliseconds made up for at once after a standstill: five packets a leg.
const CATCH_UP_MAX: u64 = 100;
/// Orders that may wait for one worker.
const ORDERS_MAX: usize = 65_536;
/// Orders taken in one millisecond.
const ORDERS_PER_MS: usize = 512;
/// Packets taken in one millisecond.
const PACKETS_PER_MS: usize = 4_096;
/// Pairs tried to be bound in one millisecond, about 30 µs each.
const BINDS_PER_MS: usize = 4;
/// How long binding pauses when it has failed, in ms.
const BIND_AGAIN_MS: u64 = 1_000;
/// Longest sleep: binding is tried again after it, and who looks sees that the thread lives.
const SLEEP_MAX: Duration = Duration::from_millis(BIND_AGAIN_MS);
/// Pairs bound before the worker starts.
const BINDS_AT_START: usize = 64;

/// What a worker is made of.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// The worker's number and how many there are.
    pub worker: (u16, u16),
    /// Address the sockets are bound to.
    pub address: IpAddr,
    /// First (even) and last port of the range that the workers share.
    pub ports: (u16, u16),
    /// Where what callers say is written: a folder for each partition below it.
    pub messages: PathBuf,
}

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct MediaMetrics {
    /// Packets received.
    pub received: AtomicU64,
    /// Packets that could not be sent.
    pub unsent: AtomicU64,
    /// Legs open.
    pub legs: AtomicU64,
    /// Port pairs bound.
    pub bound: AtomicU64,
    /// Port pairs of the range that were taken by others.
    pub taken: AtomicU64,
    /// Recordings begun.
    pub recordings: AtomicU64,
    /// Recordings that could not be written.
    pub recordings_failed: AtomicU64,
    /// Milliseconds left out after standstills.
    pub left_out_ms: AtomicU64,
    /// Its rounds, seen from outside.
    pub pulse: Pulse,
}

#[derive(Debug)]
enum Order {
    Command(u16, Command),
    Stop,
}

/// The newest library that a worker has not taken yet. It is no order: however many orders wait,
/// there is room for it, and a newer one takes its place.
#[derive(Debug, Default)]
struct NewLibrary {
    is_there: AtomicBool,
    library: Mutex<Option<Arc<Library>>>,
}

impl NewLibrary {
    fn put(&self, library: &Arc<Library>) {
        *self.library.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(library));
        self.is_there.store(true, Ordering::SeqCst);
    }

    fn take(&self) -> Option<Arc<Library>> {
        if !self.is_there() || !self.is_there.swap(false, Ordering::SeqCst) {
            return None;
        }
        self.library.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_there(&self) -> bool {
        self.is_there.load(Ordering::SeqCst)
    }
}

/// Why a command was not posted.
#[derive(Debug)]
pub enum Unposted {
    /// The worker has no room for it now.
    Full(Command),
    /// There is no such worker, or it has ended.
    NoWorker,
}

/// The ways to all media workers.
#[derive(Clone, Debug)]
pub struct MediaWorkers {
    workers: Arc<[Way]>,
}

#[derive(Debug)]
struct Way {
    sender: Sender<Order>,
    waker: Arc<mio::Waker>,
    awake: Arc<AtomicBool>,
    library: Arc<NewLibrary>,
    metrics: Arc<MediaMetrics>,
}

impl MediaWorkers {
    /// Gives a command of an engine to the worker that its leg names.
    ///
    /// # Errors
    /// [`Unposted`]; a full worker gives the command back.
    // It comes back as it went; boxing it would cost an allocation each.
    #[allow(clippy::result_large_err)]
    pub fn post(&self, engine: u16, command: Command) -> Result<(), Unposted> {
        let worker = command.leg().map(|leg| usize::from(leg.worker));
        let way = worker.and_then(|worker| self.workers.get(worker)).ok_or(Unposted::NoWorker)?;
        way.post(Order::Command(engine, command)).map_err(|order| match order {
            Some(Order::Command(_, command)) => Unposted::Full(command),
            _ => Unposted::NoWorker,
        })
    }

    /// Gives all workers another library. Commands posted afterwards find it in force, however
    /// busy a worker is.
    pub fn set_library(&self, library: &Arc<Library>) {
        for way in self.workers.iter() {
            way.library.put(library);
            way.wake();
        }
    }

    /// Ends the threads.
    pub fn stop(&self) {
        for way in self.workers.iter() {
            let _gone_already = way.post(Order::Stop);
        }
    }

    /// Counters of each worker.
    pub fn metrics(&self) -> impl Iterator<Item = &MediaMetrics> + Clone {
        self.workers.iter().map(|way| &*way.metrics)
    }
}

impl Way {
    /// Gives the order back when there is no room for it.
    #[allow(clippy::result_large_err)]
    fn post(&self, order: Order) -> Result<(), Option<Order>> {
        let posted = self.sender.try_send(order).map_err(|error| match error {
            TrySendError::Full(order) => Some(order),
            TrySendError::Disconnected(_) => None,
        });
        self.wake();
        posted
    }

    fn wake(&self) {
        if !self.awake.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a media worker cannot be woken");
        }
    }
}

/// A running worker; see the module.
pub struct MediaThread<I> {
    settings: MediaSettings,
    worker: Worker,
    io: I,
    orders: Receiver<Order>,
    awake: Arc<AtomicBool>,
    library: Arc<NewLibrary>,
    engines: Engines,
    grants: Grants,
    recorder: Recorder,
    /// Legs that have been recorded: their events go by way of the recorder from then on.
    recorded: BTreeSet<LegRef>,
    /// The next pair of the range that is ours; `None` when all are bound.
    next_pair: Option<u16>,
    /// Binding failed: the millisecond in which it is tried again.
    bind_again: Option<u64>,
    /// Events that an engine has not taken yet.
    untaken: VecDeque<(u16, Event)>,
    buffer: Box<[u8; 2_048]>,
    /// The millisecond that is due next.
    due: u64,
    metrics: Arc<MediaMetrics>,
    stopping: bool,
}

impl<I: MediaIo + 'static> MediaThread<I> {
    /// Starts a thread for each IO; a worker's number is its IO's place.
    ///
    /// # Errors
    /// No thread can be made, or not one port of the range is free.
    pub fn start(
        settings: &MediaSettings,
        ios: Vec<(I, Arc<mio::Waker>)>,
        library: &Arc<Library>,
        engines: &Engines,
        rng: &mut Rng,
    ) -> io::Result<(MediaWorkers, Vec<JoinHandle<()>>)> {
        let count = u16::try_from(ios.len()).unwrap_or(u16::MAX);
        let (mut ways, mut threads) = (Vec::new(), Vec::new());
        for (number, (io, waker)) in (0..count).zip(ios) {
            let (sender, orders) = crossbeam_channel::bounded(ORDERS_MAX);
            let (awake, metrics) =
                (Arc::new(AtomicBool::new(true)), Arc::new(MediaMetrics::default()));
            let new_library = Arc::new(NewLibrary::default());
            let (recorder, writing) = Recorder::start(
                format!("messages-{number}"),
                settings.messages.clone(),
                engines.clone(),
            )?;
            threads.push(writing);
            let mut thread = MediaThread {
                settings: MediaSettings { worker: (number, count), ..settings.clone() },
                worker: Worker::new(number, Vec::new(), Arc::clone(library), rng.fork()),
                io,
                orders,
                awake: Arc::clone(&awake),
                library: Arc::clone(&new_library),
                engines: engines.clone(),
                grants: Grants::new(engines.count()),
                recorder,
                recorded: BTreeSet::new(),
                next_pair: settings.ports.0.checked_add(2 * number),
                bind_again: None,
                untaken: VecDeque::new(),
                buffer: Box::new([0; 2_048]),
                due: 0,
                metrics: Arc::clone(&metrics),
                stopping: false,
            };
            if thread.bind(BINDS_AT_START) == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "no port pair of the range is free",
                ));
            }
            metrics.pulse.beat(Clock.mono());
            ways.push(Way { sender, waker, awake, library: new_library, metrics });
            let name = format!("media-{number}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || thread.run())?);
        }
        Ok((MediaWorkers { workers: ways.into() }, threads))
    }

    fn run(&mut self) {
        self.report();
        while !self.stopping {
            if self.is_busy() {
                let until = Clock.until(self.time_of(self.due));
                std::thread::sleep(until.min(MILLISECOND));
                self.io.wait(Some(Duration::ZERO));
            } else {
                self.sleep();
            }
            self.millisecond(Clock.now());
        }
        self.recorder.stop();
    }

    /// Whether there is something to do each millisecond.
    fn is_busy(&self) -> bool {
        self.worker.open_legs() > 0
            || self.worker.resting_ports() > 0
            || !self.untaken.is_empty()
            || (self.next_pair.is_some() && self.bind_again.is_none() && self.grants.low())
    }

    /// Sleeps until a packet or an order comes. The flag is lowered before the orders are looked
    /// at, so that none is overlooked; sequentially consistent, so that looking cannot move before
    /// lowering.
    fn sleep(&mut self) {
        self.awake.store(false, Ordering::SeqCst);
        if self.orders.is_empty() && !self.library.is_there() {
            self.io.wait(Some(SLEEP_MAX));
        }
        self.awake.store(true, Ordering::SeqCst);
        self.due = ms_of(Clock.mono()) + 1;
    }

    fn time_of(&self, millisecond: u64) -> Mono {
        Mono::from_ms(millisecond)
    }

    fn millisecond(&mut self, now: Now) {
        self.metrics.pulse.beat(now.mono);
        for _ in 0..ORDERS_PER_MS {
            let order = self.orders.try_recv();
            // Looked for behind the order, which may need it.
            if let Some(library) = self.library.take() {
                self.worker.set_library(library);
            }
            let Ok(order) = order else { break };
            self.obey(now, order);
        }
        for _ in 0..PACKETS_PER_MS {
            let Some((port, channel, from, length)) = self.io.receive(&mut self.buffer[..]) else {
                break;
            };
            let bytes = self.buffer.get(..length).unwrap_or_default();
            self.metrics.received.fetch_add(1, Ordering::Relaxed);
            match channel {
                Channel::Rtp => {
                    self.worker.receive(now.mono, port, from, bytes, &mut self.io);
                }
                Channel::Rtcp => self.worker.receive_rtcp(now.mono, port, from, bytes),
            }
        }
        self.tick(now);
        if self.grants.low() && self.bind_again.is_none_or(|at| at <= ms_of(now.mono)) {
            self.bind(BINDS_PER_MS);
        }
        self.report();
    }

    fn tick(&mut self, now: Now) {
        let current = ms_of(now.mono);
        let earliest = current.saturating_sub(CATCH_UP_MAX);
        if self.due < earliest {
            let left_out = earliest - self.due;
            if self.worker.open_legs() > 0 {
                self.metrics.left_out_ms.fetch_add(left_out, Ordering::Relaxed);
                tracing::warn!(
                    ms = left_out,
                    "a media worker stood still; that much audio was left out"
                );
            }
            self.due = earliest;
        }
        while self.due <= current {
            self.worker.tick(now, (self.due % PHASES as u64) as usize, &mut self.io);
            self.due += 1;
        }
    }

    fn obey(&mut self, now: Now, order: Order) {
        match order {
            Order::Command(engine, command) => {
                if let Command::Open { .. } = command {
                    self.grants.used(engine);
                }
                self.worker.handle(now, command, &mut self.io);
            }
            Order::Stop => self.stopping = true,
        }
    }

    /// Tries to bind up to `count` more pairs of the range and grants those it gets; gives how many.
    fn bind(&mut self, count: usize) -> usize {
        let mut bound = Vec::new();
        // Those that are taken cost as much: a whole range of them must not hold up the packets.
        for _ in 0..count {
            let Some(rtp) = self.next_pair else { break };
            let following = rtp
                .checked_add(2 * self.settings.worker.1)
                .filter(|next| *next < self.settings.ports.1);
            match self.io.add_pair(self.settings.address, rtp) {
                Ok(()) => {
                    self.next_pair = following;
                    if self.bind_again.take().is_some() {
                        tracing::info!(port = rtp, "media ports can be bound again");
                    }
                    let (worker, address) = (self.settings.worker.0, self.settings.address);
                    bound.push(PortGrant { worker, address, rtp });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.next_pair = following;
                    self.metrics.taken.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(port = rtp, "a media port is taken and is passed over");
                }
                // No descriptors left, mostly: there may be some in a while.
                Err(error) => {
                    if self.bind_again.is_none() {
                        tracing::error!(%error, port = rtp, "no more media ports can be bound now");
                    }
                    self.bind_again = Some(ms_of(Clock.mono()) + BIND_AGAIN_MS);
                    break;
                }
            }
        }
        self.metrics.bound.fetch_add(bound.len() as u64, Ordering::Relaxed);
        let count = bound.len();
        if count > 0 {
            self.worker.add_ports(bound);
        }
        count
    }

    /// What was recorded goes to the disk; what the disk is too slow for ends.
    fn hand_pieces_on(&mut self) {
        while let Some(piece) = self.worker.poll_piece() {
            let (leg, recording) = (piece.leg, piece.recording);
            if piece.samples.is_empty() {
                self.recorded.insert(leg);
                self.metrics.recordings.fetch_add(1, Ordering::Relaxed);
            }
            if !self.recorder.write(piece) {
                tracing::error!(recording = recording.0, "the disk is too slow for a message");
                self.metrics.recordings_failed.fetch_add(1, Ordering::Relaxed);
                self.worker.fail_recording(leg, recording);
            }
        }
    }

    /// A recording's end is told behind its last piece, and the end of its leg, with which the
    /// engine forgets it, behind that. Digits and the rest never wait for the disk.
    fn goes_by_recorder(&mut self, leg: LegRef, event: &Event) -> bool {
        match event {
            Event::Closed { .. } => self.recorded.remove(&leg),
            Event::Recorded { .. } => true,
            _ => false,
        }
    }

    /// Tells the engines what happened; what one does not take now it gets next time.
    fn report(&mut self) {
        if !self.recorded.is_empty() {
            while let Some((leg, recording)) = self.recorder.failed() {
                self.metrics.recordings_failed.fetch_add(1, Ordering::Relaxed);
                self.worker.fail_recording(leg, recording);
            }
        }
        self.hand_pieces_on();
        while let Some(event) = self.worker.poll_event() {
            match event.leg() {
                Some(leg) => {
                    let engine = engine_of_leg(leg, self.engines.count());
                    if self.goes_by_recorder(leg, &event) {
                        self.recorder.tell(engine, event);
                        continue;
                    }
                    self.untaken.push_back((engine, event));
                }
                None => {
                    let Event::Granted { ports } = event else { continue };
                    let shares = self.grants.divide(ports).into_iter();
                    self.untaken
                        .extend(shares.map(|(engine, ports)| (engine, Event::Granted { ports })));
                }
            }
        }
        while let Some((engine, event)) = self.untaken.pop_front() {
            if let Err(Mail::Media(event)) = self.engines.get(engine).post(Mail::Media(event)) {
                self.untaken.push_front((engine, event));
                break;
            }
        }
        self.metrics.legs.store(self.worker.open_legs() as u64, Ordering::Relaxed);
        self.metrics.unsent.store(self.io.unsent(), Ordering::Relaxed);
    }
}

fn ms_of(at: Mono) -> u64 {
    at.as_ms()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_media::command::AssetId;

    /// New prompts came while a worker's orders had no room: it went on with the old ones for ever.
    #[test]
    fn a_worker_without_room_for_orders_gets_the_newest_library_all_the_same() {
        let (sender, _orders) = crossbeam_channel::bounded(1);
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let library = Arc::new(NewLibrary::default());
        let (awake, metrics) = (Arc::default(), Arc::default());
        let way = Way { sender, waker, awake, library: Arc::clone(&library), metrics };
        let workers = MediaWorkers { workers: [way].into() };
        let close = Command::Close { leg: LegRef { worker: 0, leg: 0, generation: 1 } };
        workers.post(0, close.clone()).unwrap();
        assert!(matches!(workers.post(0, close), Err(Unposted::Full(_))));
        for prompts in 1..=2 {
            let mut newest = Library::default();
            (0..prompts).for_each(|id| newest.insert(AssetId(id), &[0; 160]).unwrap());
            workers.set_library(&Arc::new(newest));
        }
        let taken = library.take().unwrap();
        assert!(taken.get(AssetId(1)).is_some(), "the newest");
        assert!(library.take().is_none(), "once");
    }
}
