//! The server machines as pure functions of (state, input): RFC 3261 §17.2 with RFC 6026 §7.1.
//!
//! ```text
//! INVITE      Proceeding ─2xx→ Accepted (L, 2xx sent again until the ACK) ─→ over
//!                  └─3xx-6xx→ Completed (G, H) ─ACK→ Confirmed (I) ─→ over
//! non-INVITE  Trying ─1xx→ Answering ─final→ Done (J) ─→ over
//! ```

use super::action::{Action, Actions, actions};
use super::timers::{Timer, TimerSettings};
use std::time::Duration;

/// The state of a server transaction; the durations are the running retransmission intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// INVITE in hand; `true` once a provisional response was sent.
    Proceeding(bool),
    /// INVITE answered with 2xx, which is sent again until the ACK comes.
    Accepted(Duration),
    /// INVITE answered with 2xx and acknowledged.
    Acknowledged,
    /// INVITE answered with a failure, which is sent again until the ACK comes.
    Completed(Duration),
    /// The failure is acknowledged; retransmitted ACKs are absorbed.
    Confirmed,
    /// Non-INVITE in hand, not answered: retransmissions are dropped.
    Trying,
    /// Non-INVITE has a provisional response.
    Answering,
    /// Non-INVITE has its final response, which answers retransmissions.
    Done,
    /// Over.
    Terminated,
}

/// What happens to a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInput {
    /// The request came again.
    Again,
    /// The ACK of the final response came.
    Ack,
    /// The user responds with this status code.
    Respond(u16),
    /// A timer fired.
    Timer(Timer),
    /// The flow of the transaction is gone.
    TransportError,
}

impl ServerState {
    /// A new transaction and its first actions.
    pub fn start(invite: bool, timers: &TimerSettings) -> (ServerState, Actions) {
        if invite {
            let trying = Action::Start(Timer::Trying, timers.trying_after);
            (ServerState::Proceeding(false), actions![trying])
        } else {
            (ServerState::Trying, actions![])
        }
    }

    /// Whether the user still owes the final response.
    pub fn is_pending(self) -> bool {
        use ServerState::{Answering, Proceeding, Trying};
        matches!(self, Proceeding(_) | Trying | Answering)
    }

    /// One transition. An input that means nothing in this state changes nothing.
    pub fn step(
        self,
        input: ServerInput,
        reliable: bool,
        timers: &TimerSettings,
    ) -> (ServerState, Actions) {
        use ServerState::{Answering, Done, Terminated, Trying};
        match (self, input) {
            (Trying | Answering, ServerInput::Respond(status)) if status < 200 => {
                (Answering, actions![Action::Transmit])
            }
            (Trying | Answering, ServerInput::Respond(_)) => {
                let last = Action::Start(Timer::J, timers.j(reliable));
                (Done, actions![Action::Transmit, last])
            }
            (Answering | Done, ServerInput::Again) => (self, actions![Action::Transmit]),
            (Done, ServerInput::Timer(Timer::J)) => (Terminated, actions![Action::End]),
            // A response that cannot be sent is as good as lost; the user still answers.
            (Trying | Answering, _) => (self, actions![]),
            (Done, ServerInput::TransportError) => {
                (Terminated, actions![Action::TransportError, Action::End])
            }
            (Done | Terminated, _) => (self, actions![]),
            _ => self.step_invite(input, reliable, timers),
        }
    }

    fn step_invite(
        self,
        input: ServerInput,
        reliable: bool,
        timers: &TimerSettings,
    ) -> (ServerState, Actions) {
        use ServerState::{Accepted, Acknowledged, Completed, Confirmed, Proceeding, Terminated};
        match (self, input) {
            (Proceeding(_), ServerInput::Respond(status)) => {
                self.respond_to_invite(status, reliable, timers)
            }
            (Proceeding(true), ServerInput::Again) => (self, actions![Action::Transmit]),
            (Accepted(interval), ServerInput::Timer(Timer::Accept)) => {
                let next = interval.saturating_mul(2).min(timers.t2);
                (Accepted(next), actions![Action::Transmit, Action::Start(Timer::Accept, next)])
            }
            (Accepted(_), ServerInput::Ack) => {
                (Acknowledged, actions![Action::Stop(Timer::Accept), Action::Deliver])
            }
            (Accepted(_), ServerInput::Timer(Timer::L))
            | (Completed(_), ServerInput::Timer(Timer::H)) => {
                (Terminated, actions![Action::AckMissing, Action::End])
            }
            (Acknowledged, ServerInput::Timer(Timer::L))
            | (Confirmed, ServerInput::Timer(Timer::I)) => (Terminated, actions![Action::End]),
            (Completed(_), ServerInput::Again) => (self, actions![Action::Transmit]),
            (Completed(interval), ServerInput::Timer(Timer::G)) => {
                let next = interval.saturating_mul(2).min(timers.t2);
                (Completed(next), actions![Action::Transmit, Action::Start(Timer::G, next)])
            }
            (Completed(_), ServerInput::Ack) => {
                let confirmed = actions![
                    Action::Stop(Timer::G),
                    Action::Start(Timer::I, timers.linger(reliable))
                ];
                (Confirmed, confirmed)
            }
            (Completed(_), ServerInput::TransportError) => {
                (Terminated, actions![Action::TransportError, Action::End])
            }
            _ => (self, actions![]),
        }
    }

    fn respond_to_invite(
        self,
        status: u16,
        reliable: bool,
        timers: &TimerSettings,
    ) -> (ServerState, Actions) {
        if status < 200 {
            let sent = actions![Action::Stop(Timer::Trying), Action::Transmit];
            return (ServerState::Proceeding(true), sent);
        }
        if status < 300 {
            // Also over a reliable transport: a proxy on the way may use UDP (§13.3.1.4).
            let accepted = actions![
                Action::Transmit,
                Action::Start(Timer::Accept, timers.t1),
                Action::Start(Timer::L, timers.give_up())
            ];
            return (ServerState::Accepted(timers.t1), accepted);
        }
        let mut failed: Actions =
            actions![Action::Transmit, Action::Start(Timer::H, timers.give_up())];
        failed.push(if reliable {
            Action::Stop(Timer::Trying)
        } else {
            Action::Start(Timer::G, timers.t1)
        });
        (ServerState::Completed(timers.t1), failed)
    }
}
