//! How a flow leaves its call: into a queue, to an agent, to an outside number, or by its end.
//!
//! Owns: what each exit does to the call, hops, and what becomes of a transfer that fails. Does not
//! own: queues and agents (routing), calls to outside numbers, the release itself
//! ([`super::super::release`]).

use super::super::Step;
use super::super::arrival::fits;
use super::super::call::{ARRIVED_MAX, Call, State};
use super::super::ending::Ending;
use super::{Place, Running};
use crate::record::ReleaseReason;
use hotline_ivr::run::io::{Exit, Failure, Input};
use hotline_routing::{Input as Routed, QueueRef, Unavailable};
use std::time::Duration;

impl Call {
    /// The flow leaves the call.
    pub(super) fn flow_exits(
        &mut self,
        step: &mut Step<'_, '_>,
        mut flow: Box<Running>,
        exit: Exit,
    ) {
        flow.quieten(step);
        if flow.place == Place::HungUp {
            if let Exit::Fault(why) = exit {
                step.cx.notice(why);
            }
            return self.finish_if_told(step);
        }
        match exit {
            Exit::Fault(why) if flow.place == Place::Waiting => {
                step.cx.notice(format!("{why}; the default tone plays"));
                self.end_flow(step, flow);
                self.play_wait_tone(step);
            }
            Exit::Fault(why) => {
                self.leave_digits(step);
                self.flow_failed(step, &why);
            }
            Exit::Release { cause } => {
                self.leave_queue_for_flow(step);
                self.leave_digits(step);
                self.release(step, Ending::by_flow(cause), None);
            }
            Exit::HoldTheLine { .. } => {
                self.leave_queue_for_flow(step);
                self.leave_digits(step);
                self.caller.answer(step);
                self.hold_the_line(step);
            }
            Exit::AtKeys { employee_id, may_hold } => {
                self.leave_queue_for_flow(step);
                self.leave_digits(step);
                self.caller.answer(step);
                self.attend(step, &employee_id, may_hold);
            }
            transfer => self.transfer(step, flow, transfer),
        }
    }

    /// A flow cannot be run, or cannot go on: the tenant's fault announcement, then the release.
    pub(super) fn flow_failed(&mut self, step: &mut Step<'_, '_>, why: &str) {
        step.cx.notice(format!("{why}; the call was released"));
        self.farewell(step, "fault", Ending::of(ReleaseReason::FlowFault));
    }

    /// A queue does not keep the caller, and sends it to a flow.
    pub fn overflow_to_flow(&mut self, step: &mut Step<'_, '_>, name: &str) {
        self.drop_flow(step);
        if !matches!(self.state, State::Arrived | State::Queued) {
            let state = self.state_name();
            return step.cx.notice(format!("call {}: routing let it go ({state})", self.id));
        }
        self.queue = None;
        self.waits_until = None;
        self.enter_flow(step, name);
    }

    /// Takes the caller out of the queue that its flow ran in, and its call away from whoever is
    /// offered it.
    pub(super) fn leave_queue_for_flow(&mut self, step: &mut Step<'_, '_>) {
        if !matches!(self.state, State::Queued | State::Offered(_)) {
            return;
        }
        self.stop_ringing(step, "withdrawn", &hotline_sip::status::q850_reason(16));
        if std::mem::take(&mut self.in_routing) {
            step.routed(Routed::CallerGone { call: self.call_ref() });
        }
        self.leave_queue(step.cx.now, "flow");
        self.flow_has_call(step);
    }

    /// The call is a flow's alone.
    fn flow_has_call(&mut self, step: &mut Step<'_, '_>) {
        self.queue = None;
        self.waits_until = None;
        self.stop_telling(step);
        self.state = State::InFlow;
        let limit = Duration::from_secs(u64::from(step.cx.config.limits.call_s_max));
        self.arm(step, limit);
    }

    /// A transfer. One that is not possible comes back at once; each counts as a hop.
    fn transfer(&mut self, step: &mut Step<'_, '_>, mut flow: Box<Running>, exit: Exit) {
        self.leave_queue_for_flow(step);
        flow.place = Place::Left;
        self.flow = Some(flow);
        if self.waiting.hops >= step.cx.routing.config().settings.hop_limit {
            self.drop_flow(step);
            return self.farewell(step, "all_busy", Ending::of(ReleaseReason::TooManyHops));
        }
        self.waiting.hops += 1;
        let begun = match exit {
            Exit::SkillQueue(name) => self.transfer_to_queue(step, &name),
            Exit::Agent(employee_id) => self.transfer_to_agent(step, &employee_id),
            Exit::Number { number, trunk } => self.transfer_to_number(step, &number, &trunk),
            _ => Err(Failure::Unknown),
        };
        if let Err(failure) = begun {
            self.transfer_failed(step, failure);
        }
    }

    fn transfer_to_queue(&mut self, step: &mut Step<'_, '_>, name: &str) -> Result<(), Failure> {
        let queue = step.cx.routing.queue(name).ok_or(Failure::Unknown)?;
        if !self.may_enter(step, queue) {
            step.cx.notice(format!("a flow may not send calls of this access code to {name:?}"));
            return Err(Failure::Unknown);
        }
        self.awaits_routing(step);
        let (call, priority) = (self.call_ref(), self.priority);
        let (hops, test) = (self.waiting.hops, self.waiting.tester);
        step.routed(Routed::Arrived { call, queue, priority, hops, test });
        Ok(())
    }

    /// Whether the caller may come into a queue: one of a type that its access code reaches, and no
    /// draft.
    pub fn may_enter(&self, step: &Step<'_, '_>, queue: QueueRef) -> bool {
        let routing = &step.cx.routing;
        let Some(settings) = routing.queue_settings(queue) else { return false };
        if settings.draft && !self.waiting.tester {
            return false;
        }
        let Some(dialled) = &self.record.access_code else { return true };
        let code = routing.config().access_codes.iter().find(|code| code.code == *dialled);
        code.is_none_or(|code| fits(code.kind, settings.kind))
    }

    fn transfer_to_agent(
        &mut self,
        step: &mut Step<'_, '_>,
        employee_id: &str,
    ) -> Result<(), Failure> {
        let agent = step.cx.routing.agent(employee_id).ok_or(Failure::Unknown)?;
        self.awaits_routing(step);
        self.play_wait_tone(step);
        step.routed(Routed::ArrivedForAgent { call: self.call_ref(), agent });
        Ok(())
    }

    fn awaits_routing(&mut self, step: &mut Step<'_, '_>) {
        self.state = State::Arrived;
        self.in_routing = true;
        self.arm(step, ARRIVED_MAX);
    }

    /// The transfer the flow left by has failed: the call is the flow's again. `false`: no flow has
    /// left it.
    pub fn transfer_failed(&mut self, step: &mut Step<'_, '_>, why: Failure) -> bool {
        let Some(flow) = self.flow.as_mut().filter(|flow| flow.place == Place::Left) else {
            return false;
        };
        flow.place = Place::Alone;
        self.in_routing = false;
        self.flow_has_call(step);
        self.caller.leg.media.stop(step.cx.out);
        self.feed(step, Input::TransferFailed(why));
        true
    }
}

/// What a flow is told of an agent who cannot take its call.
pub(crate) fn failure_of(why: Unavailable) -> Failure {
    match why {
        Unavailable::Unknown => Failure::Unknown,
        Unavailable::NotIdle(_) | Unavailable::Rejected => Failure::Busy,
        Unavailable::NoAnswer => Failure::NoAnswer,
        Unavailable::SignedOut
        | Unavailable::Frozen
        | Unavailable::PhoneUnavailable
        | Unavailable::Withdrawn
        | Unavailable::NoCapacity => Failure::Unavailable,
    }
}
