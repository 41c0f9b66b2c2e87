//! [`Mail`]: what reaches an engine from other threads.
//!
//! Owns: one bounded channel per engine and its waker. When it is full the sender decides: a TCP
//! task waits, another engine sheds, the API says 503. Orders of the node itself ([`Order`]) are few
//! and must not be lost: they have a channel of their own, which is read first.

use crate::net::tcp::ConnectionSender;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use hotline_base::Partition;
use hotline_engine::config::Directory;
use hotline_engine::effect::{EffectDone, EffectId};
use hotline_engine::input::{Refusal, Reply, Request};
use hotline_sip::message::ParseError;
use hotline_sip::{ConnectionId, Flow, Message};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// Letters that may wait for one engine.
const MAIL_MAX: usize = 65_536;

/// The token of the waker; sockets are numbered from 0.
pub(super) const WAKE: mio::Token = mio::Token(usize::MAX);

/// One letter.
#[derive(Debug)]
pub enum Mail {
    /// From a connection whose home this engine is: still to be placed.
    Stream {
        /// The connection's flow.
        flow: Flow,
        /// The message, or what is wrong with it.
        parsed: Box<Result<Message, ParseError>>,
    },
    /// Another engine's front door found that it is ours.
    Placed {
        /// Whose.
        partition: Partition,
        /// The flow it came on.
        flow: Flow,
        /// The message.
        message: Box<Message>,
    },
    /// A connection is there.
    Opened(ConnectionId, ConnectionSender),
    /// A connection is gone, or could not be made: to its home engine, which tells the others.
    Closed(ConnectionId),
    /// The same, from the home engine: behind everything that came on the connection.
    Gone(ConnectionId),
    /// A media worker reports.
    Media(hotline_media::command::Event),
    /// A question or an order.
    Ask {
        /// Which tenant.
        partition: Partition,
        /// What.
        request: Request,
        /// Takes the answer.
        answer: oneshot::Sender<Result<Reply, Refusal>>,
    },
    /// What became of an effect.
    EffectDone(EffectId, EffectDone),
}

/// An order of the node to each of its engines.
#[derive(Clone, Debug)]
pub enum Order {
    /// A new directory is in force; one that is older than what the engine has is passed over.
    Config(Arc<Directory>),
    /// Take no new calls (or take them again).
    Drain(bool),
    /// Release every call.
    ReleaseAll,
    /// End the thread.
    Stop,
}

/// The way to one engine.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    sender: Sender<Mail>,
    orders: Sender<Order>,
    waker: Arc<mio::Waker>,
    awake: Arc<AtomicBool>,
}

/// The engine's side of it.
#[derive(Debug)]
pub struct Inbox {
    pub(super) poll: mio::Poll,
    receiver: Receiver<Mail>,
    orders: Receiver<Order>,
    awake: Arc<AtomicBool>,
}

impl EngineHandle {
    /// A channel to an engine that is yet to start.
    ///
    /// # Errors
    /// No poller can be made.
    pub fn new() -> io::Result<(EngineHandle, Inbox)> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
        let (sender, receiver) = crossbeam_channel::bounded(MAIL_MAX);
        // A few in the life of the node: nobody from outside sends any.
        let (orders, given) = crossbeam_channel::unbounded();
        let awake = Arc::new(AtomicBool::new(false));
        let inbox = Inbox { poll, receiver, orders: given, awake: Arc::clone(&awake) };
        Ok((EngineHandle { sender, orders, waker, awake }, inbox))
    }

    /// Posts a letter.
    ///
    /// # Errors
    /// Gives the letter back when the engine is full or gone.
    // The letter comes back as it went; boxing it would cost an allocation each.
    #[allow(clippy::result_large_err)]
    pub fn post(&self, mail: Mail) -> Result<(), Mail> {
        self.sender.try_send(mail).map_err(|error| match error {
            TrySendError::Full(mail) | TrySendError::Disconnected(mail) => mail,
        })?;
        self.wake();
        Ok(())
    }

    /// Gives an order; `false`: the engine's thread has ended.
    pub fn order(&self, order: Order) -> bool {
        let given = self.orders.send(order).is_ok();
        self.wake();
        given
    }

    fn wake(&self) {
        if !self.awake.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "an engine cannot be woken");
        }
    }

    /// Letters that wait.
    pub fn waiting(&self) -> usize {
        self.sender.len()
    }
}

impl Inbox {
    /// From here on the next letter wakes the thread: to be called before it is decided how long
    /// to wait.
    // Sequentially consistent: looking for letters must not move before the store, or a letter
    // posted in between would be neither seen nor announced.
    pub(super) fn listen(&self) {
        self.awake.store(false, Ordering::SeqCst);
    }

    /// From here on no letter needs to wake the thread: it looks for them before it waits again.
    pub(super) fn stay_awake(&self) {
        self.awake.store(true, Ordering::SeqCst);
    }

    /// The next letter.
    pub fn next(&self) -> Option<Mail> {
        self.receiver.try_recv().ok()
    }

    /// The next order.
    pub fn next_order(&self) -> Option<Order> {
        self.orders.try_recv().ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty() && self.orders.is_empty()
    }
}

/// The ways to all engines of the node.
#[derive(Clone, Debug)]
pub struct Engines {
    handles: Arc<[EngineHandle]>,
}

impl Engines {
    /// All engines in order; at least one.
    pub fn new(handles: Vec<EngineHandle>) -> Engines {
        assert!(!handles.is_empty(), "a node has an engine");
        Engines { handles: handles.into() }
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        u16::try_from(self.handles.len()).unwrap_or(u16::MAX)
    }

    /// All of them.
    pub fn all(&self) -> &[EngineHandle] {
        &self.handles
    }

    /// The engine of a number.
    pub fn get(&self, number: u16) -> &EngineHandle {
        &self.handles[usize::from(number) % self.handles.len()]
    }

    /// The owner of a partition.
    pub fn owner(&self, partition: Partition) -> &EngineHandle {
        self.get(hotline_engine::EngineSettings::owner_of(partition, self.count()))
    }

    /// The engine whose front door places what a connection brings.
    pub fn home(&self, connection: ConnectionId) -> &EngineHandle {
        &self.handles[(connection.0 % self.handles.len() as u64) as usize]
    }
}
