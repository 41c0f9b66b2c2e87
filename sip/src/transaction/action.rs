//! What a machine asks its endpoint to do: the machines themselves touch nothing.

use super::timers::Timer;
use smallvec::SmallVec;
use std::time::Duration;

/// One thing to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the stored request (client) or the last response (server), again or for the first time.
    Transmit,
    /// Send the ACK of the failure response in hand (§17.1.1.3).
    Ack,
    /// Hand the message in hand to the transaction user.
    Deliver,
    /// Start a timer; it replaces the one running in the same slot.
    Start(Timer, Duration),
    /// Stop the timer in the slot of this one.
    Stop(Timer),
    /// Tell the user that no response came in time.
    Timeout,
    /// Tell the user that no ACK came in time.
    AckMissing,
    /// Tell the user that the transport failed.
    TransportError,
    /// The transaction is over: forget it.
    End,
}

/// The actions of one transition.
pub type Actions = SmallVec<[Action; 4]>;

/// Builds [`Actions`] from a list.
macro_rules! actions {
    ($($action:expr),* $(,)?) => { smallvec::smallvec![$($action),*] };
}
pub(crate) use actions;
