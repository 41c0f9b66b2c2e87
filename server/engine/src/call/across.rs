//! [`Across`]: what one call wants of another.
//!
//! Owns: doing it, when the step of the call that wants it is over: a call never sees another. Does
//! not own: what each call does then.

use super::Calls;
use super::call::State;
use super::ending::Ending;
use super::leg::Leg;
use crate::context::Context;
use crate::record::ReleaseReason;
use hotline_routing::{AgentRef, Device};

/// What one call wants of another, named by its serial number.
#[derive(Debug)]
pub(crate) enum Across {
    /// A line's leg goes back to it.
    GiveBack {
        /// The line.
        line: u32,
        /// Its leg.
        leg: Box<Leg>,
        /// The peer has ended the dialog.
        gone: bool,
    },
    /// The line whose leg a call was lent wants it back: its agent is gone.
    Recall {
        /// The call.
        call: u32,
    },
    /// A line's agent has signed in elsewhere.
    TakenOver {
        /// The line.
        line: u32,
    },
}

impl Calls {
    /// Does what calls want of each other, until nobody wants anything.
    pub(super) fn cross(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.crossing, true) {
            return;
        }
        while let Some(across) = self.index.across.pop_front() {
            match across {
                Across::GiveBack { line, leg, gone } => {
                    self.with(cx, line, |call, step| call.takes_back(step, *leg, gone));
                }
                Across::Recall { call } => {
                    self.with(cx, call, |call, step| call.agent_recalled(step));
                }
                Across::TakenOver { line } => {
                    let ending = Ending::of(ReleaseReason::NormalClearing);
                    self.with(cx, line, |call, step| call.end_line(step, "signed_out", ending));
                }
            }
        }
        self.crossing = false;
    }

    /// The agent by employee ID, if it takes calls on a line.
    pub(super) fn line_of(&self, cx: &Context<'_>, agent: AgentRef) -> Option<String> {
        let status = cx.routing.agent_status(agent)?;
        let settings = cx.routing.agent_settings(agent)?;
        (status.device == Device::HeldLine).then(|| settings.employee_id.clone())
    }

    /// Lends the leg of the line that an agent holds to the call with this serial number. `None`:
    /// it holds none, or has lent it already.
    pub(super) fn lend(&mut self, employee_id: &str, to: u32) -> Option<Leg> {
        let serial = *self.index.lines.get(employee_id)?;
        self.calls.get_mut(&serial)?.lend(to)
    }

    /// An agent's state or device has changed: a line that it does not take calls on any more has
    /// nothing to wait for.
    pub(crate) fn agent_changed(
        &mut self,
        cx: &mut Context<'_>,
        agent: AgentRef,
        employee_id: &str,
    ) {
        let Some(&line) = self.index.lines.get(employee_id) else { return };
        let on_line = cx.routing.agent_status(agent).is_some_and(|status| {
            status.device == Device::HeldLine
                && status.state != hotline_routing::AgentState::SignedOut
        });
        if !on_line {
            let ending = Ending::of(ReleaseReason::NormalClearing);
            self.with(cx, line, |call, step| call.end_line(step, "signed_out", ending));
        }
    }

    /// All calls, those that lend their leg last: who was lent it gives it back first.
    pub(super) fn borrowers_first(&self) -> Vec<u32> {
        let is_line = |serial: &u32| {
            self.calls.get(serial).is_some_and(|call| matches!(call.state, State::Line(_)))
        };
        let (lines, others): (Vec<u32>, Vec<u32>) =
            self.calls.keys().copied().partition(|serial| is_line(serial));
        others.into_iter().chain(lines).collect()
    }
}
