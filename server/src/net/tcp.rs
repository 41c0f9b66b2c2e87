//! TCP: a listener, and a task per connection that deframes and posts.
//!
//! ```text
//! accept / connect ─▶ read task: framer ─▶ Mail::Stream ─▶ the connection's home engine
//!                     write task: queue ◀─ any engine (ConnectionSender)
//! ```
//! Owns: connections, their limits and time-outs, keep-alives. Does not own: whose a message is
//! (the home engine's front door), which connection an answer takes (the flow says it).
//!
//! Limits: connections at once; bytes waiting for a slow reader (then it is dropped); silence.
//! A full engine is not read for: the peer feels it as TCP's own back pressure.

use super::source;
use crate::runtime::{EngineHandle, Engines, Mail};
use bytes::Bytes;
use hotline_sip::framing::{Frame, PONG, StreamFramer};
use hotline_sip::{ConnectionId, Flow, Message, Transport};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Connections at once; more are closed at once.
const CONNECTIONS_MAX: usize = 10_000;
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
    open: Arc<AtomicUsize>,
    runtime: tokio::runtime::Handle,
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
    /// Connections whose messages go to these engines.
    pub fn new(engines: Engines, runtime: tokio::runtime::Handle) -> Tcp {
        let (next, open) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicUsize::new(0)));
        Tcp { engines, next, open, runtime }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
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
        if self.open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            self.open.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(limit = CONNECTIONS_MAX, "too many TCP connections; one was refused");
            return;
        }
        let id = self.new_id();
        let tcp = self.clone();
        self.runtime.spawn(async move {
            tcp.run(id, stream, remote).await;
            tcp.open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Begins a connection to a peer and queues the first bytes. If it cannot be made, every
    /// engine hears [`Mail::Closed`] with its id.
    pub fn connect(&self, remote: SocketAddr) -> (ConnectionId, ConnectionSender) {
        let id = self.new_id();
        let (sender, queue) = queue();
        let tcp = self.clone();
        let to_peer = sender.clone();
        self.open.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn(async move {
            let connected =
                tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(remote)).await;
            match connected {
                Ok(Ok(stream)) => {
                    tcp.tell(|| Mail::Opened(id, to_peer.clone())).await;
                    tcp.serve(id, stream, remote, &to_peer, queue).await;
                }
                Ok(Err(error)) => tracing::info!(%remote, %error, "TCP connection refused"),
                Err(_) => tracing::info!(%remote, "TCP connection timed out"),
            }
            tcp.tell(|| Mail::Closed(id)).await;
            tcp.open.fetch_sub(1, Ordering::Relaxed);
        });
        (id, sender)
    }

    fn new_id(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn run(&self, id: ConnectionId, stream: TcpStream, remote: SocketAddr) {
        let (sender, queue) = queue();
        self.tell(|| Mail::Opened(id, sender.clone())).await;
        self.serve(id, stream, remote, &sender, queue).await;
        self.tell(|| Mail::Closed(id)).await;
    }

    async fn serve(
        &self,
        id: ConnectionId,
        stream: TcpStream,
        remote: SocketAddr,
        sender: &ConnectionSender,
        queue: mpsc::Receiver<Bytes>,
    ) {
        let Ok(local) = stream.local_addr() else { return };
        let _wish = stream.set_nodelay(true);
        let _wish = source::mark_signalling(&stream, local);
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: Some(id) };
        let (reader, writer) = stream.into_split();
        let home = self.engines.home(id);
        tokio::select! {
            why = read(reader, flow, home, sender) => tracing::debug!(%remote, why, "TCP connection ended"),
            () = write(writer, queue, sender) => tracing::debug!(%remote, "TCP connection cannot be written"),
            () = sender.close.notified() => tracing::info!(%remote, "TCP connection closed: its reader is too slow"),
        }
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

/// Reads until the connection ends; says why it did.
async fn read(
    mut reader: OwnedReadHalf,
    flow: Flow,
    home: &EngineHandle,
    sender: &ConnectionSender,
) -> &'static str {
    let mut framer = StreamFramer::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let patience = if framer.buffered() == 0 { IDLE_MAX } else { MESSAGE_TIME_MAX };
        let length = match tokio::time::timeout(patience, reader.read(&mut buffer)).await {
            Err(_) => return "silent for too long",
            Ok(Ok(0)) => return "closed by the peer",
            Ok(Err(_)) => return "broken",
            Ok(Ok(length)) => length,
        };
        framer.push(buffer.get(..length).unwrap_or_default());
        loop {
            match framer.poll() {
                Ok(Some(Frame::Message(bytes))) => {
                    // Out of the framer's buffer, so that a kept message does not keep all of it.
                    let parsed = Message::parse(Bytes::copy_from_slice(&bytes));
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
                    tracing::info!(remote = %flow.remote, %error, "TCP stream cannot be followed; connection closed");
                    return "not SIP";
                }
            }
        }
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
