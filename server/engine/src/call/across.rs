//! [`Across`]: what one call wants of another.
//!
//! Owns: doing it, when the step of the call that wants it is over: a call never sees another. Does
//! not own: what each call does then.

use super::call::{Call, State, Talk};
use super::consult::{Lent, consultation};
use super::ending::Ending;
use super::leg::{Leg, part_with};
use super::{Calls, Step};
use crate::context::Context;
use crate::id::CallId;
use crate::record::ReleaseReason;
use hotline_media::command::LegRef;
use hotline_routing::{AgentRef, CallRef, Device, Input as Routed};
use hotline_sip::status::q850_reason;

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
    /// A line's leg has gone from one call to another.
    NowWith {
        /// The line.
        line: u32,
        /// Who has its leg now.
        call: u32,
    },
    /// An agent calls somebody in between.
    Consult(Box<Lent>),
    /// The agent's leg comes back from a consultation.
    ConsultOver {
        /// The customer's call.
        parent: u32,
        /// The agent's leg.
        leg: Box<Leg>,
        /// Nobody was reached.
        failed: bool,
        /// The agent has hung up.
        gone: bool,
    },
    /// The consulted party takes the customer.
    TakeOver {
        /// The customer's call.
        parent: u32,
        /// The consulted party's leg.
        leg: Box<Leg>,
        /// Who it is.
        talk: Talk,
    },
    /// Customer, agent and consulted party hear each other.
    Joined {
        /// The customer's call.
        parent: u32,
        /// Their legs.
        legs: Vec<LegRef>,
    },
    /// The customer whom a consultation is about has hung up.
    CustomerGone {
        /// The consultation.
        child: u32,
        /// Who consults.
        agent: AgentRef,
        /// By which call routing knows it to talk.
        talked_by: CallRef,
    },
    /// No RTP came from a line while it was lent: nobody is there any more.
    LineSilent {
        /// The line.
        line: u32,
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
            self.cross_one(cx, across);
        }
        self.crossing = false;
    }

    fn cross_one(&mut self, cx: &mut Context<'_>, across: Across) {
        match across {
            Across::GiveBack { line, leg, gone } => {
                self.hand_leg(cx, line, *leg, |call, step, leg| call.takes_back(step, leg, gone));
            }
            Across::Recall { call } => {
                self.with(cx, call, |call, step| call.agent_recalled(step));
            }
            Across::TakenOver { line } => {
                let ending = Ending::of(ReleaseReason::NormalClearing);
                self.with(cx, line, |call, step| call.end_line(step, "signed_out", ending));
            }
            Across::LineSilent { line } => {
                let ending = Ending::of(ReleaseReason::MediaSilent);
                self.with(cx, line, |call, step| call.release(step, ending, None));
            }
            Across::NowWith { line, call: holder } => {
                self.with(cx, line, |call, _| {
                    if let State::Line(line) = &mut call.state {
                        line.lent_to = Some(holder);
                    }
                });
            }
            Across::Consult(lent) => self.begin_consultation(cx, *lent),
            Across::ConsultOver { parent, leg, failed, gone } => {
                self.hand_leg(cx, parent, *leg, |call, step, leg| {
                    call.consult_over(step, leg, failed, gone);
                });
            }
            Across::TakeOver { parent, leg, talk } => {
                self.hand_leg(cx, parent, *leg, |call, step, leg| call.take_over(step, leg, talk));
            }
            Across::Joined { parent, legs } => {
                self.with(cx, parent, |call, step| call.joined(step, legs));
            }
            Across::CustomerGone { child, agent, talked_by } => {
                let goes_on =
                    self.with(cx, child, |call, step| call.customer_gone(step, talked_by));
                if goes_on != Some(true) {
                    cx.routing.handle(cx.now, Routed::CallEnded { agent, call: talked_by });
                }
            }
        }
    }

    /// Hands a leg to a call; if that is over, nobody needs the leg.
    fn hand_leg(
        &mut self,
        cx: &mut Context<'_>,
        serial: u32,
        leg: Leg,
        act: impl FnOnce(&mut Call, &mut Step<'_, '_>, Leg),
    ) {
        if self.calls.contains_key(&serial) {
            self.with(cx, serial, |call, step| act(call, step, leg));
        } else {
            let leg = Leg { home: leg.home.filter(|home| *home != serial), ..leg };
            self.parting_step(cx, |step| part_with(step, leg, &q850_reason(16), false));
        }
    }

    fn begin_consultation(&mut self, cx: &mut Context<'_>, lent: Lent) {
        let parent = lent.parent;
        let serial = self.last_serial.wrapping_add(1);
        let id = CallId { partition: self.partition, epoch: self.epoch, serial };
        self.last_serial = serial;
        cx.counters.calls += 1;
        let (call, target) = self.parting_step(cx, |step| consultation(step, id, lent));
        self.calls.insert(serial, Box::new(call));
        self.with(cx, parent, |call, _| {
            if let Some(consult) = &mut call.consult {
                consult.child = Some(serial);
            }
        });
        self.with(cx, serial, |call, step| call.begin_consultation(step, target));
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

    /// Agents that are no more hold no lines. A call that one of them talks in goes on.
    pub(super) fn end_lines_of_nobody(&mut self, cx: &mut Context<'_>) {
        let lines = self.index.lines.iter();
        let of_nobody = lines.filter(|(employee_id, _)| cx.routing.agent(employee_id).is_none());
        let of_nobody: Vec<u32> = of_nobody.map(|(_, line)| *line).collect();
        for line in of_nobody {
            let ending = Ending::of(ReleaseReason::Administrator);
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
