//! What a flow has done that takes time: each effect is answered once, by what does it or by its
//! deadline.
//!
//! Owns: whom a flow's effects are handed to, the recording of messages. Does not own: performing
//! them (the shell, the media workers), what PINs and sign-ins mean ([`crate::sign_in`]).

use super::super::Step;
use super::super::call::Call;
use super::{Place, Running};
use crate::context::Context;
use crate::effect::{Effect as Outside, EffectDone, EffectId};
use crate::event::EventKind;
use crate::id::CallId;
use crate::input::Output;
use crate::sign_in::{Attempt, Try};
use hotline_base::{Mono, Redacted};
use hotline_ivr::run::io::{Done, Effect, Input, QueueStatus};
use hotline_media::command::{Command, RecordEnd, RecordingId};
use std::time::Duration;

/// Recordings of calls that are over whose end may be awaited; the oldest are given up.
const UNWRITTEN_MAX: usize = 1_000;

/// How much longer than its longest a recording may take until it is over.
const RECORD_SLACK: Duration = Duration::from_secs(10);
/// How much later than it began, as reported, a press may be taken for the one that ended a
/// recording.
const PRESS_SLACK: Duration = Duration::from_secs(1);

/// An effect that is awaited.
#[derive(Debug)]
pub(crate) struct Pending {
    /// When it has failed.
    pub(super) until: Mono,
    what: What,
}

/// Who does it.
#[derive(Debug)]
enum What {
    /// The shell, under this name.
    Outside(EffectId),
    /// The shell compares a PIN.
    Pin(EffectId, Attempt),
    /// The media worker, once the tone has ended.
    Recording(Recording),
}

/// A message that is to be recorded, or is.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// The flow's name of it; the flow may be over when the recording is.
    effect: u32,
    mailbox: String,
    max_s: u32,
    min_s: u32,
    silence_s: u32,
    stop_on: String,
}

/// A recording whose end is told when its call may be over.
#[derive(Debug)]
pub(crate) struct Unwritten {
    call: CallId,
    mailbox: String,
    min_s: u32,
    caller: Redacted<String>,
}

impl Unwritten {
    /// The recording is complete: it is a message unless it is too short. Whether it is kept.
    pub fn write(self, cx: &mut Context<'_>, id: RecordingId, duration_ms: u32) -> bool {
        let Unwritten { call, mailbox, min_s, caller } = self;
        let kept = duration_ms > 0 && duration_ms >= min_s.saturating_mul(1_000);
        if kept {
            let recording = id.0;
            cx.journal(EventKind::MessageLeft { call, mailbox, recording, duration_ms, caller });
        }
        kept
    }
}

impl Pending {
    /// Nobody waits for it any more.
    pub(super) fn forget(self, step: &mut Step<'_, '_>) {
        if let What::Outside(id) | What::Pin(id, _) = self.what {
            step.cx.effects.end(id);
        }
    }
}

impl What {
    /// It was not done, or nobody heard in time what came of it.
    fn comes_to_nothing(&self, step: &mut Step<'_, '_>) {
        if let What::Pin(_, attempt) = self {
            step.index.sign_ins.came_to_nothing(step.cx, attempt);
        }
    }
}

impl Call {
    pub(super) fn begin_effect(
        &mut self,
        step: &mut Step<'_, '_>,
        flow: &mut Running,
        effect: u32,
        what: Effect,
        within: Duration,
    ) {
        let now = step.cx.now.mono;
        let done = match what {
            Effect::QueueStatus { queue } => queue_status(step, &queue),
            Effect::Http(request) => {
                let id = step.cx.effect(self.id.serial, Outside::Http(request), within);
                let pending = Pending { until: now + within, what: What::Outside(id) };
                flow.effects.insert(effect, pending);
                return;
            }
            Effect::Record { mailbox, max_s, min_s, silence_s, stop_on } => {
                let recording = Recording { effect, mailbox, max_s, min_s, silence_s, stop_on };
                return self.begin_recording(step, flow, recording);
            }
            _ if flow.place == Place::HungUp => Done::Failed("the caller is gone".to_owned()),
            Effect::VerifyAgent { employee_id, pin } => {
                let calling = self.record.calling.expose();
                match step.index.sign_ins.try_pin(step.cx, &employee_id, calling) {
                    Try::Locked => Done::Locked,
                    Try::Compare { attempt, hash } => {
                        let asked = Outside::VerifyPin { hash, pin };
                        let id = step.cx.effect(self.id.serial, asked, within);
                        let what = What::Pin(id, attempt);
                        flow.effects.insert(effect, Pending { until: now + within, what });
                        return;
                    }
                }
            }
            Effect::SignIn { employee_id, hold_the_line } => {
                self.sign_in(step, &employee_id, hold_the_line)
            }
        };
        flow.at_once.push_back(Input::Done { effect, done });
    }

    /// What was asked for outside is done.
    pub fn effect_done(&mut self, step: &mut Step<'_, '_>, id: EffectId, done: EffectDone) {
        let Some(flow) = &mut self.flow else { return };
        let is_it = |pending: &Pending| matches!(pending.what, What::Outside(of) | What::Pin(of, _) if of == id);
        let found = flow.effects.iter().find(|(_, pending)| is_it(pending));
        let Some(effect) = found.map(|(effect, _)| *effect) else { return };
        let Some(pending) = flow.effects.remove(&effect) else { return };
        let done = match (done, pending.what) {
            (EffectDone::Http(answer), What::Outside(_)) => Done::Http(answer),
            (EffectDone::Pin(fits), What::Pin(_, attempt)) => {
                step.index.sign_ins.judge(step.cx, &attempt, fits)
            }
            (done, what) => {
                what.comes_to_nothing(step);
                match done {
                    EffectDone::Failed(why) => Done::Failed(why),
                    _ => Done::Failed("an answer to something else".to_owned()),
                }
            }
        };
        self.feed(step, Input::Done { effect, done });
    }

    /// An effect's deadline has passed.
    pub(super) fn effect_is_late(&mut self, step: &mut Step<'_, '_>, effect: u32) {
        let Some(flow) = &mut self.flow else { return };
        let Some(pending) = flow.effects.remove(&effect) else { return };
        pending.what.comes_to_nothing(step);
        pending.forget(step);
        let done = Done::Failed("no answer in time".to_owned());
        self.feed(step, Input::Done { effect, done });
    }

    /// The caller is to leave a message: it leaves the queue if it waits, and is answered.
    fn begin_recording(
        &mut self,
        step: &mut Step<'_, '_>,
        flow: &mut Running,
        recording: Recording,
    ) {
        let effect = recording.effect;
        if flow.place == Place::HungUp {
            let done = Done::Recorded { ms: 0 };
            return flow.at_once.push_back(Input::Done { effect, done });
        }
        if flow.place == Place::Waiting {
            self.leave_queue_for_flow(step);
            flow.place = Place::Alone;
        }
        self.caller.answer(step);
        let longest = Duration::from_secs(u64::from(recording.max_s));
        let until = step.cx.now.mono + longest + RECORD_SLACK;
        flow.effects.insert(effect, Pending { until, what: What::Recording(recording) });
        self.say_tone(step, flow, effect);
    }

    /// The tone has ended: the caller speaks.
    pub(super) fn record_now(&mut self, step: &mut Step<'_, '_>, effect: u32) {
        let Some(flow) = &mut self.flow else { return };
        let Some(Pending { what: What::Recording(recording), .. }) = flow.effects.get(&effect)
        else {
            return;
        };
        let recording = recording.clone();
        step.index.last_recording += 1;
        // Unique for ever: the epoch, then a number of the epoch's.
        let id = (u64::from(self.id.epoch.0) << 32) | u64::from(step.index.last_recording);
        let id = RecordingId(id);
        let min_ms = recording.min_s.saturating_mul(1_000);
        step.cx.journal(EventKind::MessageBegun {
            call: self.id,
            mailbox: recording.mailbox.clone(),
            recording: id.0,
            min_ms,
            caller: Redacted::new(self.presented.clone().unwrap_or_default()),
        });
        let command = Command::Record {
            leg: self.caller.leg.media.leg,
            partition: self.id.partition,
            recording: id,
            max_ms: recording.max_s.saturating_mul(1_000),
            min_ms,
            silence_ms: recording.silence_s.saturating_mul(1_000),
            stop_on: recording.stop_on.clone(),
        };
        step.cx.out.push_back(Output::Media(command));
        self.recordings.insert(id, recording);
        if let Some(flow) = self.flow.take() {
            self.drain(step, flow);
        }
    }

    /// A recording is over. A message too short, or none, is thrown away.
    pub fn recorded(
        &mut self,
        step: &mut Step<'_, '_>,
        id: RecordingId,
        duration_ms: u32,
        reason: RecordEnd,
    ) {
        let Some(recording) = self.recordings.remove(&id) else { return };
        if let RecordEnd::Digit(digit) = reason {
            self.stopped_by = Some((digit, step.cx.now.mono));
        }
        let failed = reason == RecordEnd::Failed && duration_ms == 0;
        let effect = recording.effect;
        let kept = self.unwritten(recording).write(step.cx, id, duration_ms);
        let done = match (failed, kept) {
            (true, _) => Done::Failed("what was said could not be kept".to_owned()),
            (false, true) => Done::Recorded { ms: duration_ms },
            (false, false) => Done::Recorded { ms: 0 },
        };
        if self.flow.as_mut().is_some_and(|flow| flow.effects.remove(&effect).is_some()) {
            self.feed(step, Input::Done { effect, done });
        }
        self.finish_if_told(step);
    }

    fn unwritten(&self, recording: Recording) -> Unwritten {
        let Recording { mailbox, min_s, .. } = recording;
        let caller = Redacted::new(self.presented.clone().unwrap_or_default());
        Unwritten { call: self.id, mailbox, min_s, caller }
    }

    /// The call ends before the last words of its recordings are on a slow disk: they are messages
    /// all the same.
    pub fn leave_recordings(&mut self, step: &mut Step<'_, '_>) {
        for (id, recording) in std::mem::take(&mut self.recordings) {
            let unwritten = self.unwritten(recording);
            step.index.unwritten.insert(id, unwritten);
            if step.index.unwritten.len() > UNWRITTEN_MAX {
                step.index.unwritten.pop_first();
            }
        }
    }

    /// A digit, pressed so long until now, that ends a recording, or has: it is spent.
    pub(super) fn recording_takes_digit(
        &mut self,
        step: &mut Step<'_, '_>,
        digit: char,
        lasted: Duration,
    ) -> bool {
        // The worker ends a recording when a press begins, and reports the press when it ends.
        let began = |at: Mono| step.cx.now.mono.since(at).saturating_sub(lasted);
        let spent = self.stopped_by.take_if(|(by, at)| *by == digit && began(*at) < PRESS_SLACK);
        if spent.is_some() {
            return true;
        }
        // By INFO nobody but us hears of it.
        let mut running = self.recordings.iter();
        let stopped = running.find(|(_, recording)| recording.stop_on.contains(digit));
        let Some((&recording, _)) = stopped else { return false };
        let leg = self.caller.leg.media.leg;
        step.cx.out.push_back(Output::Media(Command::StopRecord { leg, recording }));
        true
    }
}

fn queue_status(step: &Step<'_, '_>, name: &str) -> Done {
    let routing = &step.cx.routing;
    let status = routing.queue(name).and_then(|queue| routing.queue_status(queue));
    Done::QueueStatus(status.map(|status| QueueStatus {
        waiting: status.waiting + status.offered,
        agents: status.signed_in,
        idle: status.idle,
    }))
}
