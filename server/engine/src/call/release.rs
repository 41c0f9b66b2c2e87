//! The end of a call: everything it holds is given back, and its record is written once.
//!
//! Owns: ending both dialogs, telling routing, closing media, the record. Does not own: dialogs
//! that must be ended later ([`super::parting`]).
//!
//! The record waits for the media workers' last reports, [`REPORTS_MAX`] at most. A checkpoint
//! with the whole end (`Point::Released`) goes to the journal before the first BYE leaves, so that
//! a process cut off in between closes the call with the same end, without the reports.

use super::call::{Call, State};
use super::caller::Phase;
use super::ending::Ending;
use super::leg::part_with;
use super::parting::hang_up_when_acknowledged;
use super::{Side, Step};
use crate::checkpoint::Point;
use crate::event::EventKind;
use crate::input::Output;
use crate::record::{ReleaseReason, ReleasedBy};
use hotline_media::command::{Command, LegStatistics};
use hotline_routing::Input as Routed;
use std::time::Duration;

/// How long a record waits for the media workers' last reports.
pub(crate) const REPORTS_MAX: Duration = Duration::from_millis(200);
/// The same while a message is being recorded, whose file must be complete.
const RECORDED_MAX: Duration = Duration::from_secs(10);

impl Call {
    /// Ends the call. `gone` is the side that has ended its dialog itself.
    pub fn release(&mut self, step: &mut Step<'_, '_>, ending: Ending, gone: Option<Side>) {
        if matches!(self.state, State::Releasing | State::Over) {
            return;
        }
        if self.waits_for_leg(step, &ending, gone) {
            return;
        }
        self.write_end(step, &ending);
        self.stop_telling(step);
        let reason = ending.header();
        self.stop_ringing(step, "withdrawn", &reason);
        self.stop_dialling(step, Some(reason.as_str()));
        self.leave_consultation(step);
        if let Some(lent) = self.agent.take_if(|agent| agent.home.is_some()) {
            // Its leg lives on, and in a consultation so does the caller's.
            let (a, b) = (self.caller.leg.media.leg, lent.media.leg);
            step.cx.out.push_back(Output::Media(Command::Unbridge { a, b }));
            part_with(step, lent, &reason, gone == Some(Side::Agent));
        }
        if let Some(agent) = &mut self.agent {
            if gone != Some(Side::Agent) {
                agent.hang_up(step, &reason);
            }
            agent.media.close(step.cx.out);
            step.index.tags.remove(&agent.dialog.id().local_tag);
        }
        self.release_caller(step, &ending, gone);
        self.tell_routing(step);
        self.state = State::Releasing;
        let reports = if self.recordings.is_empty() { REPORTS_MAX } else { RECORDED_MAX };
        self.arm(step, reports);
        self.hang_up_flow(step);
        self.checkpoint(step, Point::Released);
        if let Some(timer) = self.progress_timer.take() {
            step.index.timers.cancel(timer);
        }
    }

    fn release_caller(&mut self, step: &mut Step<'_, '_>, ending: &Ending, gone: Option<Side>) {
        if self.give_agent_back(step, ending, gone == Some(Side::Caller)) {
            self.caller.phase = Phase::Ended;
            return;
        }
        let caller = &mut self.caller;
        match caller.phase {
            Phase::Invited | Phase::Ringing | Phase::Early => caller.reject(step, ending),
            Phase::Answered if gone != Some(Side::Caller) => {
                if let Some(server) = caller.server {
                    hang_up_when_acknowledged(step, server, &caller.leg, &ending.header());
                }
            }
            Phase::Acknowledged if gone != Some(Side::Caller) => {
                caller.leg.hang_up(step, &ending.header());
            }
            Phase::Answered | Phase::Acknowledged | Phase::Ended => {}
        }
        caller.phase = Phase::Ended;
        caller.leg.media.close(step.cx.out);
        step.index.tags.remove(&caller.leg.dialog.id().local_tag);
        if let Some(server) = &caller.server {
            step.index.servers.remove(server);
        }
    }

    fn tell_routing(&mut self, step: &mut Step<'_, '_>) {
        let call = self.call_ref();
        self.arm_keys(step, None);
        if let State::Connected(talk) = &self.state {
            if let Some(agent) = talk.agent {
                step.routed(Routed::CallEnded { agent, call: talk.call });
            }
        } else if std::mem::take(&mut self.in_routing) {
            step.routed(Routed::CallerGone { call });
        }
        let talk = match &self.state {
            State::Connected(talk) => Some(talk),
            State::Answered(answered) => Some(&answered.talk),
            _ => None,
        };
        if let Some(talk) = talk {
            step.index.forget_agent(&talk.employee_id, self.id.serial);
        }
        if let Some((agent, employee_id)) = self.dialled_by.take() {
            step.index.forget_agent(&employee_id, self.id.serial);
            step.routed(Routed::DialEnded { agent });
        }
        self.is_in_use_no_more(step);
        self.line_over(step);
    }

    /// The end, in the record.
    fn write_end(&mut self, step: &mut Step<'_, '_>, ending: &Ending) {
        let now = step.cx.now;
        let left = match ending.reason {
            ReleaseReason::Abandoned => "abandoned",
            ReleaseReason::QueueTimeout => "timeout",
            _ => "removed",
        };
        match &self.state {
            State::Answered(_) => {
                // Who was handed on was answered before it came to this queue.
                let first = self.times.connected.is_none();
                let answered_at = self.times.answered_at().filter(|_| first);
                self.leave_queue(answered_at.unwrap_or(now), "answered");
            }
            _ => self.leave_queue(now, left),
        }
        // The customer was to be handed on, and is with nobody.
        self.transfer_done(
            step,
            if ending.by == ReleasedBy::Caller { "abandoned" } else { "failed" },
        );
        self.times.close_stretch(now.mono);
        self.note_durations();
        let record = &mut self.record;
        record.released = Some(now.wall);
        record.q850 = ending.q850;
        record.sip_status = Some(if self.caller.is_open() { ending.status } else { 200 });
        record.released_by = Some(ending.by);
        record.reason = Some(ending.reason);
    }

    /// The record learns how long its caller has waited and talked in the stretches that are over.
    pub fn note_durations(&mut self) {
        self.record.waiting_ms = whole_ms(self.times.waited);
        self.record.talk_ms = whole_ms(self.times.talked);
    }

    /// A media worker has closed a leg.
    pub fn media_closed(&mut self, step: &mut Step<'_, '_>, side: Side, seen: LegStatistics) {
        match (side, &mut self.agent) {
            (Side::Caller, _) => {
                self.caller.leg.media.closed(seen);
                self.record.caller_media = Some(seen);
            }
            (Side::Agent, Some(agent)) => {
                agent.media.closed(seen);
                self.record.agent_media = Some(seen);
            }
            (Side::Agent, None) => {}
        }
        self.finish_if_told(step);
        if !matches!(self.state, State::Releasing | State::Over) {
            // A worker closes a leg only when told to; if it does so by itself, nothing is heard.
            step.cx.notice(format!("call {}: a media leg was closed by its worker", self.id));
            self.release(step, Ending::of(ReleaseReason::ProtocolError), None);
        }
    }

    /// Ends the call once everything that belongs into its record is known: the last reports, the
    /// messages left, and what the hang-up branch of its flow does.
    pub fn finish_if_told(&mut self, step: &mut Step<'_, '_>) {
        if !matches!(self.state, State::Releasing) || self.flow.is_some() {
            return;
        }
        let agent = self.agent.as_ref();
        let told = self.caller.leg.media.statistics().is_some()
            && agent.is_none_or(|agent| agent.media.statistics().is_some())
            && self.recordings.is_empty();
        if told || self.reports_due {
            self.finish(step);
        }
    }

    /// Reports are waited for no longer.
    pub fn reports_are_due(&mut self, step: &mut Step<'_, '_>) {
        self.reports_due = true;
        self.finish_if_told(step);
    }

    /// A media worker could not connect the two legs: nobody would hear anybody.
    pub fn not_bridged(&mut self, step: &mut Step<'_, '_>) {
        if matches!(self.state, State::Connected(_)) {
            step.cx.notice("a media worker could not bridge a call; it was released".to_owned());
            self.release(step, Ending::of(ReleaseReason::ProtocolError), None);
        }
    }

    /// Writes the record: the last event of a call.
    pub fn finish(&mut self, step: &mut Step<'_, '_>) {
        if matches!(self.state, State::Over) {
            return;
        }
        self.state = State::Over;
        self.drop_flow(step);
        self.leave_recordings(step);
        if let Some(timer) = self.timer.take() {
            step.index.timers.cancel(timer);
        }
        step.index.forget_media(self.caller.leg.media.leg, self.id.serial);
        step.index.forget_connection(self.caller.connection, self.id.serial);
        if let Some(agent) = &self.agent {
            step.index.forget_media(agent.media.leg, self.id.serial);
        }
        let counters = &mut step.cx.counters;
        match (self.waiting.tester, self.record.test) {
            (true, true) => counters.test_calls += 1,
            (true, false) => counters.calls += 1,
            (false, _) => {}
        }
        step.cx.journal(EventKind::Released { record: Box::new(self.record.clone()) });
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
