//! The client machines as pure functions of (state, input): RFC 3261 §17.1 with RFC 6026 §7.2.
//!
//! ```text
//! INVITE      Calling ─1xx→ Proceeding ─2xx→ Accepted (M) ─→ over
//!                └───────────────┴─3xx-6xx→ Completed (D) ─→ over
//! non-INVITE  Trying  ─1xx→ Proceeding ─final→ Completed (K) ─→ over
//! ```

use super::action::{Action, Actions, actions};
use super::timers::{Timer, TimerSettings};
use std::time::Duration;

/// The state of a client transaction; the durations are the running retransmission intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// INVITE sent, nothing heard.
    Calling(Duration),
    /// INVITE has a provisional response.
    Proceeding,
    /// INVITE has a 2xx; more may come from other forks (RFC 6026).
    Accepted,
    /// INVITE has failed; retransmitted failures are acknowledged.
    Completed,
    /// Non-INVITE sent, nothing heard.
    Trying(Duration),
    /// Non-INVITE has a provisional response.
    Waiting,
    /// Non-INVITE has its final response; retransmissions are absorbed.
    Done,
    /// Over.
    Terminated,
}

/// What happens to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientInput {
    /// A response of this status code.
    Response(u16),
    /// A timer fired.
    Timer(Timer),
    /// The flow of the transaction is gone.
    TransportError,
}

/// The class of a status code, as the machines see it.
fn is_provisional(status: u16) -> bool {
    status < 200
}
fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

impl ClientState {
    /// A new transaction and its first actions.
    pub fn start(invite: bool, reliable: bool, timers: &TimerSettings) -> (ClientState, Actions) {
        let (state, again, last) = if invite {
            (ClientState::Calling(timers.t1), Timer::A, Timer::B)
        } else {
            (ClientState::Trying(timers.t1), Timer::E, Timer::F)
        };
        let mut first: Actions = actions![Action::Transmit, Action::Start(last, timers.give_up())];
        if !reliable {
            first.push(Action::Start(again, timers.t1));
        }
        (state, first)
    }

    /// Whether the transaction waits for its final response.
    pub fn is_pending(self) -> bool {
        use ClientState::{Calling, Proceeding, Trying, Waiting};
        matches!(self, Calling(_) | Proceeding | Trying(_) | Waiting)
    }

    /// One transition. An input that means nothing in this state changes nothing.
    pub fn step(
        self,
        input: ClientInput,
        reliable: bool,
        timers: &TimerSettings,
    ) -> (ClientState, Actions) {
        use ClientState::{Calling, Proceeding, Terminated, Trying, Waiting};
        match (self, input) {
            (Calling(_) | Proceeding | Trying(_) | Waiting, ClientInput::TransportError) => {
                (Terminated, actions![Action::TransportError, Action::End])
            }
            // The user has its final response; only the sending of ACKs is lost.
            (ClientState::Completed | ClientState::Done, ClientInput::TransportError) => {
                (Terminated, actions![Action::End])
            }
            (Calling(_) | Proceeding | ClientState::Accepted | ClientState::Completed, _) => {
                self.step_invite(input, reliable, timers)
            }
            (Trying(_) | Waiting | ClientState::Done, _) => {
                self.step_other(input, reliable, timers)
            }
            (Terminated, _) => (Terminated, actions![]),
        }
    }

    fn step_invite(
        self,
        input: ClientInput,
        reliable: bool,
        timers: &TimerSettings,
    ) -> (ClientState, Actions) {
        use ClientState::{Accepted, Calling, Completed, Proceeding, Terminated};
        match (self, input) {
            (Calling(_) | Proceeding, ClientInput::Response(status)) => {
                if is_provisional(status) {
                    let mut heard: Actions = actions![Action::Deliver];
                    if let Calling(_) = self {
                        heard.push(Action::Stop(Timer::A));
                        heard.push(Action::Stop(Timer::B));
                    }
                    (Proceeding, heard)
                } else if is_success(status) {
                    let accepted = actions![
                        Action::Deliver,
                        Action::Stop(Timer::A),
                        Action::Start(Timer::M, timers.give_up())
                    ];
                    (Accepted, accepted)
                } else {
                    let failed = actions![
                        Action::Ack,
                        Action::Deliver,
                        Action::Stop(Timer::A),
                        Action::Start(Timer::D, timers.d(reliable))
                    ];
                    (Completed, failed)
                }
            }
            (Accepted, ClientInput::Response(status)) if is_success(status) => {
                (Accepted, actions![Action::Deliver])
            }
            (Completed, ClientInput::Response(status)) if status >= 300 => {
                (Completed, actions![Action::Ack])
            }
            (Calling(interval), ClientInput::Timer(Timer::A)) => {
                let next = interval.saturating_mul(2);
                (Calling(next), actions![Action::Transmit, Action::Start(Timer::A, next)])
            }
            (Calling(_), ClientInput::Timer(Timer::B))
            | (Calling(_) | Proceeding, ClientInput::Timer(Timer::Cancelled)) => {
                (Terminated, actions![Action::Timeout, Action::End])
            }
            (Accepted, ClientInput::Timer(Timer::M))
            | (Completed, ClientInput::Timer(Timer::D)) => (Terminated, actions![Action::End]),
            _ => (self, actions![]),
        }
    }

    fn step_other(
        self,
        input: ClientInput,
        reliable: bool,
        timers: &TimerSettings,
    ) -> (ClientState, Actions) {
        use ClientState::{Done, Terminated, Trying, Waiting};
        match (self, input) {
            (Trying(_) | Waiting, ClientInput::Response(status)) => {
                if is_provisional(status) {
                    return (Waiting, actions![Action::Deliver]);
                }
                let done = actions![
                    Action::Deliver,
                    Action::Stop(Timer::E),
                    Action::Start(Timer::K, timers.linger(reliable))
                ];
                (Done, done)
            }
            (Trying(interval), ClientInput::Timer(Timer::E)) => {
                let next = interval.saturating_mul(2).min(timers.t2);
                (Trying(next), actions![Action::Transmit, Action::Start(Timer::E, next)])
            }
            (Waiting, ClientInput::Timer(Timer::E)) => {
                (Waiting, actions![Action::Transmit, Action::Start(Timer::E, timers.t2)])
            }
            (Trying(_) | Waiting, ClientInput::Timer(Timer::F)) => {
                (Terminated, actions![Action::Timeout, Action::End])
            }
            (Done, ClientInput::Timer(Timer::K)) => (Terminated, actions![Action::End]),
            _ => (self, actions![]),
        }
    }
}
