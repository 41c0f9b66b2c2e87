//! TCP: a listener, and a task per connection that deframes and posts.
//!
//! ```text
//! accept / connect ─▶ read task: framer ─▶ Mail::Stream ─▶ the connection's home engine
//!                     write task: queue ◀─ any engine (ConnectionSender)
//! ```
//! Owns: connections, their limits and time-outs, keep-alives. Does not own: whose a message is
//! (the home engine's front door), which connection an answer takes (the flow says it).
//!
//! Limits: connections at once, in all and of one address; the time to a first message and of each
//! message; bytes waiting for a slow reader (then it is dropped); silence.
//! A full engine is not read for: the peer feels it as TCP's own back pressure.

use super::source;
use crate::runtime::{EngineHandle, Engines, Mail};
use bytes::Bytes;
use hotline_sip::framing::{Frame, PONG, StreamFramer};
use hotline_sip::{ConnectionId, Flow, Message, Transport};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Connections at once, where descriptors allow it; more are closed at once.
const CONNECTIONS_MAX: usize = 10_000;
/// Connections that are taken however few descriptors there are.
const CONNECTIONS_MIN: usize = 64;
/// Descriptors that are kept for everything but connections and media: files, HTTP, the store.
const OTHER_DESCRIPTORS: usize = 512;
/// The part of all connections that one address (an IPv6 /64) may have: an office behind one NAT
/// may be large, but it is not everybody.
const SHARE_OF_ONE: usize = 4;
/// Who connects says something sensible in this time, or is closed.
const FIRST_MESSAGE_TIME_MAX: Duration = Duration::from_secs(10);
/// Messages waiting for one slow reader; then its connection is closed.
const QUEUE_MESSAGES_MAX: usize = 1_024;
/// Bytes waiting for one slow reader; then its connection is closed.
const QUEUE_BYTES_MAX: usize = 1 << 20;
/// A connection on which nothing comes for so long is closed: more than the 2 minutes of
/// keep-alives (RFC 5626 §4.4.1), less than the shortest NAT time-outs matter.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// A peer that has begun a message must end it in this time.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest one write may take.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(8);
/// How long reading pauses when the engine's channel is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);
const READ_BYTES: usize = 16 * 1024;

/// Makes and accepts connections; copies share the limits.
#[derive(Clone, Debug)]
pub struct Tcp {
    engines: Engines,
    next: Arc<AtomicU64>,
    slots: Arc<Slots>,
    runtime: tokio::runtime::Handle,
}

/// The connections that are open, and whose they are.
#[derive(Debug)]
struct Slots {
    max: usize,
    open: AtomicUsize,
    refused: AtomicU64,
    by_source: Mutex<HashMap<IpAddr, usize>>,
}

/// A place among the connections, given back when it is dropped.
#[derive(Debug)]
struct Slot {
    slots: Arc<Slots>,
    source: Option<IpAddr>,
}

impl Slots {
    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of ours: always.
    fn ours(self: &Arc<Slots>) -> Slot {
        self.open.fetch_add(1, Ordering::Relaxed);
        Slot { slots: Arc::clone(self), source: None }
    }

    /// A place for a connection from `remote`, if there is one.
    fn take(self: &Arc<Slots>, remote: IpAddr) -> Option<Slot> {
        let source = network_of(remote);
        let mut sources = self.sources();
        let of_source = sources.entry(source).or_default();
        let full = self.open.load(Ordering::Relaxed) >= self.max
            || *of_source >= (self.max / SHARE_OF_ONE).max(1);
        if full {
            if *of_source == 0 {
                sources.remove(&source);
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *of_source += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Slot { slots: Arc::clone(self), source: Some(source) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::Relaxed);
        let Some(source) = self.source else { return };
        let mut sources = self.slots.sources();
        if let Some(count) = sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&source);
            }
        }
    }
}

/// What one party can be assumed to hold: an IPv4 address, an IPv6 /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// How many connections there may be when so many descriptors may be open and media takes so many
/// of them.
pub fn connections_max(descriptors: u64, media: usize) -> usize {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let left = descriptors.saturating_sub(media).saturating_sub(OTHER_DESCRIPTORS);
    left.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

/// The way to one connection's peer, for engines.
#[derive(Clone, Debug)]
pub struct ConnectionSender {
    queue: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    close: Arc<Notify>,
}

/// The connection's queue is full or gone; it is being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsendable;

impl ConnectionSender {
    /// Queues bytes for the peer.
    ///
    /// # Errors
    /// [`Unsendable`]; the connection's end is reported as its own input.
    pub fn send(&self, bytes: Bytes) -> Result<(), Unsendable> {
        let length = bytes.len();
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        if before + length <= QUEUE_BYTES_MAX && self.queue.try_send(bytes).is_ok() {
            return Ok(());
        }
        self.waiting.fetch_sub(length, Ordering::Relaxed);
        self.close();
        Err(Unsendable)
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.close.notify_one();
    }
}

impl Tcp {
    /// Connections whose messages go to these engines, at most `max` of them.
    pub fn new(engines: Engines, runtime: tokio::runtime::Handle, max: usize) -> Tcp {
        let slots = Slots {
            max,
            open: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            by_source: Mutex::new(HashMap::new()),
        };
        Tcp { engines, next: Arc::new(AtomicU64::new(1)), slots: Arc::new(slots), runtime }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.slots.open.load(Ordering::Relaxed)
    }

    /// Connections that were refused since start: too many, or too many of one address.
    pub fn refused(&self) -> u64 {
        self.slots.refused.load(Ordering::Relaxed)
    }

    /// Accepts until the task is aborted.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn accept(&self, listener: std::net::TcpListener) -> io::Result<JoinHandle<()>> {
        let tcp = self.clone();
        let _inside = self.runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        Ok(self.runtime.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, remote)) => tcp.accepted(stream, remote),
                    Err(error) => {
                        // No descriptors left, mostly: accepting goes on when some are free.
                        tracing::warn!(%error, "a TCP connection cannot be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }))
    }

    fn accepted(&self, stream: TcpStream, remote: SocketAddr) {
        let Some(slot) = self.slots.take(remote.ip()) else {
            tracing::debug!(%remote, limit = self.slots.max, "too many TCP connections; one was refused");
            return;
        };
        let id = self.new_id();
        let tcp = self.clone();
        self.runtime.spawn(async move {
            tcp.run(id, stream, remote).await;
            drop(slot);
        });
    }

    /// Begins a connection to a peer and queues the first bytes. If it cannot be made, its home
    /// engine hears [`Mail::Closed`] with its id, and the others of it.
    pub fn connect(&self, remote: SocketAddr) -> (ConnectionId, ConnectionSender) {
        let id = self.new_id();
        let (sender, queue) = queue();
        let tcp = self.clone();
        let to_peer = sender.clone();
        let slot = self.slots.ours();
        self.runtime.spawn(async move {
            let connected =
                tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(remote)).await;
            match connected {
                Ok(Ok(stream)) => {
                    tcp.tell(|| Mail::Opened(id, to_peer.clone())).await;
                    tcp.serve(id, stream, remote, &to_peer, queue, IDLE_MAX).await;
                }
                Ok(Err(error)) => tracing::info!(%remote, %error, "TCP connection refused"),
                Err(_) => tracing::info!(%remote, "TCP connection timed out"),
            }
            tcp.closed(id).await;
            drop(slot);
        });
        (id, sender)
    }

    fn new_id(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn run(&self, id: ConnectionId, stream: TcpStream, remote: SocketAddr) {
        let (sender, queue) = queue();
        self.tell(|| Mail::Opened(id, sender.clone())).await;
        self.serve(id, stream, remote, &sender, queue, FIRST_MESSAGE_TIME_MAX).await;
        self.closed(id).await;
    }

    async fn serve(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        remote: SocketAddr,
        sender: &ConnectionSender,
        queue: mpsc::Receiver<Bytes>,
        first_message: Duration,
    ) {
        let Ok(local) = stream.local_addr() else { return };
        let _wish = stream.set_nodelay(true);
        let _wish = source::mark_signalling(&stream, local);
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: Some(id) };
        let (reader, writer) = stream.into_split();
        let home = self.engines.home(id);
        tokio::select! {
            why = read(reader, flow, home, sender, first_message) => tracing::debug!(%remote, why, "TCP connection ended"),
            () = write(writer, queue, sender) => tracing::debug!(%remote, "TCP connection cannot be written"),
            () = sender.close.notified() => tracing::debug!(%remote, "TCP connection closed: its reader is too slow"),
        }
    }

    /// Tells the home engine, behind the messages; it tells the others behind what it handed on.
    async fn closed(&self, id: ConnectionId) {
        post(self.engines.home(id), Mail::Closed(id)).await;
    }

    /// Tells every engine; waits for those that are busy.
    async fn tell(&self, mail: impl Fn() -> Mail) {
        for engine in self.engines.all() {
            post(engine, mail()).await;
        }
    }
}

fn queue() -> (ConnectionSender, mpsc::Receiver<Bytes>) {
    let (queue, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let waiting = Arc::new(AtomicUsize::new(0));
    (ConnectionSender { queue, waiting, close: Arc::new(Notify::new()) }, receiver)
}

async fn post(engine: &EngineHandle, mut mail: Mail) {
    while let Err(refused) = engine.post(mail) {
        mail = refused;
        tokio::time::sleep(FULL_PAUSE).await;
    }
}

/// Reads until the connection ends; says why it did. A peer has `first_message` for its first
/// message, and [`MESSAGE_TIME_MAX`] for each from its first byte to its last.
async fn read(
    mut reader: OwnedReadHalf,
    flow: Flow,
    home: &EngineHandle,
    sender: &ConnectionSender,
    first_message: Duration,
) -> &'static str {
    let mut framer = StreamFramer::new();
    let mut buffer = vec![0; READ_BYTES];
    let first = Instant::now() + first_message;
    let (mut heard, mut begun) = (false, None);
    loop {
        let until = match begun {
            _ if !heard => first,
            Some(begun) => begun + MESSAGE_TIME_MAX,
            None => Instant::now() + IDLE_MAX,
        };
        let length = match tokio::time::timeout_at(until, reader.read(&mut buffer)).await {
            Err(_) => return "silent for too long",
            Ok(Ok(0)) => return "closed by the peer",
            Ok(Err(_)) => return "broken",
            Ok(Ok(length)) => length,
        };
        framer.push(buffer.get(..length).unwrap_or_default());
        loop {
            match framer.poll() {
                Ok(Some(Frame::Message(bytes))) => {
                    begun = None;
                    // Out of the framer's buffer, so that a kept message does not keep all of it.
                    let parsed = Message::parse(Bytes::copy_from_slice(&bytes));
                    heard |= parsed.is_ok();
                    post(home, Mail::Stream { flow, parsed: Box::new(parsed) }).await;
                }
                Ok(Some(Frame::Ping)) => {
                    if sender.send(Bytes::from_static(PONG)).is_err() {
                        return "its reader is too slow";
                    }
                }
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(remote = %flow.remote, %error, "TCP stream cannot be followed; connection closed");
                    return "not SIP";
                }
            }
        }
        begun = (framer.buffered() > 0).then(|| begun.unwrap_or_else(Instant::now));
    }
}

async fn write(
    mut writer: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Bytes>,
    sender: &ConnectionSender,
) {
    while let Some(bytes) = queue.recv().await {
        sender.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        let written = tokio::time::timeout(WRITE_TIME_MAX, writer.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One machine opened ten thousand connections and said nothing: no phone that uses TCP could
    /// reach the server any more.
    #[test]
    fn one_source_cannot_have_all_connections() {
        let (open, refused) = (AtomicUsize::new(0), AtomicU64::new(0));
        let slots = Arc::new(Slots { max: 8, open, refused, by_source: Mutex::default() });
        let take = |address: &str| slots.take(address.parse().unwrap());
        let stranger: Vec<_> = (0..5).map(|_| take("192.0.2.1")).collect();
        assert_eq!(stranger.iter().flatten().count(), 2, "a quarter of 8");
        let mapped = take("::ffff:192.0.2.1");
        assert!(mapped.is_none(), "the same address in other words");
        let other = take("2001:db8::1").and(take("2001:db8::2:0:0:1"));
        assert!(other.is_some() && take("198.51.100.1").is_some());
        drop(stranger);
        assert!(take("192.0.2.1").is_some());
        drop(other);
        assert_eq!(slots.open.load(Ordering::Relaxed), 0);
        assert!(slots.sources().is_empty());
        assert_eq!(slots.refused.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn connections_leave_descriptors_for_media() {
        for (descriptors, media, expected) in
            [(1 << 20, 20_000, 10_000), (4_096, 2_000, 1_584), (1_024, 2_000, 64)]
        {
            assert_eq!(connections_max(descriptors, media), expected);
        }
    }
}
