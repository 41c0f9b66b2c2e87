//! [`Running`]: an IVR flow that runs in a call.
//!
//! Owns: beginning a flow (by a called route, an overflow policy, a transfer, or while the caller
//! waits), what it is told and when, and its deadlines. Does not own: what a flow does with that
//! (`hotline_ivr::run`), what it says ([`say`]), has done ([`effects`]), or how it leaves the call
//! ([`exits`]).
//!
//! ```text
//!            ┌── TransferFailed ──┐
//! begin ─→ Alone ──transfer──→ Left ──connected, released, another flow──→ over
//!            │  ↑ leaves the queue  │ queued: a waiting flow runs before it
//! queued ─→ Waiting ⇄ Suspended (an agent answered, is gone) ──connected──→ over
//!            └────────┴─────────────┴─ the caller's side ends ──→ HungUp ──Exit, deadline──→ over
//! ```
//! A hang-up runs one branch: that of the flow that runs, or, if it has none, of the one that sent
//! the caller where it waits.

mod effects;
mod exits;
mod say;

use super::call::{Call, State};
use super::{Step, Why};
use crate::checkpoint::Point;
use crate::event::EventKind;
use effects::Pending;
pub(crate) use effects::{Recording, Unwritten};
pub(crate) use exits::failure_of;
use hotline_base::calendar::TimeZone;
use hotline_base::{Mono, TimerId};
use hotline_ivr::run::io::{Facts, Input, Output};
use hotline_ivr::run::{Run, Snapshot, Start};
use say::Saying;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a hang-up branch may take after the caller's side has ended.
const HANG_UP_MAX: Duration = Duration::from_secs(60);
/// Answers a flow may be given at one instant: it would go round for ever.
const AT_ONCE_MAX: u32 = 1_000;

/// Where a flow stands in its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The call is the flow's alone.
    Alone,
    /// The caller waits in a queue, whose waiting method the flow is.
    Waiting,
    /// The same, cut off: an agent is about to be heard.
    Suspended,
    /// It has left by a transfer, and nobody is connected yet.
    Left,
    /// The caller's side has ended; the hang-up branch runs.
    HungUp,
}

/// A flow that runs; see the module.
#[derive(Debug)]
pub(crate) struct Running {
    run: Run,
    /// The flow it began with, for notices.
    name: String,
    place: Place,
    /// The flow that sent the caller into the queue where this one runs.
    behind: Option<Box<Running>>,
    began: Mono,
    saying: Option<Saying>,
    effects: BTreeMap<u32, Pending>,
    /// Answers to what took no time.
    at_once: VecDeque<Input>,
    /// How many of them were given at which instant.
    given: (Mono, u32),
    /// What it was told of the call.
    facts: Facts,
    /// A node was entered since the last checkpoint.
    moved: bool,
    /// When the hang-up branch must be over.
    until: Option<Mono>,
    timer: Option<(Mono, TimerId)>,
}

impl Call {
    /// Runs a flow that has the call alone. One that cannot be run ends the call with the tenant's
    /// fault announcement.
    pub fn enter_flow(&mut self, step: &mut Step<'_, '_>, name: &str) {
        self.state = State::InFlow;
        let limit = Duration::from_secs(u64::from(step.cx.config.limits.call_s_max));
        self.arm(step, limit);
        match self.begin_flow(step, name, Place::Alone) {
            Ok(flow) => self.drain(step, flow),
            Err(why) => self.flow_failed(step, &format!("flow {name:?} cannot run: {why}")),
        }
    }

    /// Runs the flow that is the waiting method of the caller's queue. `false`: it cannot be run.
    pub fn enter_waiting_flow(&mut self, step: &mut Step<'_, '_>, name: &str) -> bool {
        match self.begin_flow(step, name, Place::Waiting) {
            Ok(flow) => self.drain(step, flow),
            Err(why) => {
                let text = format!("flow {name:?} cannot run: {why}; the default tone plays");
                step.cx.notice(text);
                return false;
            }
        }
        true
    }

    fn begin_flow(
        &mut self,
        step: &mut Step<'_, '_>,
        name: &str,
        place: Place,
    ) -> Result<Box<Running>, String> {
        let config = Arc::clone(step.cx.config);
        let draft = self.waiting.tester;
        let facts = self.facts(step, place, step.cx.now.mono);
        let start = Start {
            facts: facts.clone(),
            language: self.language.clone(),
            default_language: config.language.clone(),
            time_zone: TimeZone::named(&config.time_zone).unwrap_or_else(TimeZone::utc),
            working_times: Arc::clone(&config.working_times),
        };
        let now = step.cx.now;
        let run =
            Run::start(&config.flows, name, draft, start, now).map_err(|why| why.to_string())?;
        let left = |flow: &mut Box<Running>| place == Place::Waiting && flow.place == Place::Left;
        let behind = self.flow.take_if(left);
        self.drop_flow(step);
        let out = &mut *step.cx.out;
        self.caller.leg.media.set_digits(out, true, true);
        Ok(Box::new(Running {
            run,
            name: name.to_owned(),
            place,
            behind,
            began: now.mono,
            saying: None,
            effects: BTreeMap::new(),
            at_once: VecDeque::new(),
            given: (now.mono, 0),
            facts,
            moved: false,
            until: None,
            timer: None,
        }))
    }

    /// What the flow may know of the call now.
    fn facts(&self, step: &Step<'_, '_>, place: Place, began: Mono) -> Facts {
        let record = &self.record;
        let (queue, position, agents, waited_s) = self.standing(step, place, began);
        Facts {
            caller: self.presented.clone().unwrap_or_default(),
            dialled: record.dialled.clone(),
            access_code: record.access_code.clone().unwrap_or_default(),
            extension_code: record.extension_code.clone().unwrap_or_default(),
            language: self.language.clone(),
            data: record.data.clone(),
            queue: queue.to_owned(),
            position,
            agents,
            waited_s,
        }
    }

    /// Whether what the flow was told of the call still holds: asked at each of its inputs, so
    /// without a copy of all that is known.
    fn is_up_to_date(&self, step: &Step<'_, '_>, flow: &Running) -> bool {
        let Facts {
            caller,
            dialled,
            access_code,
            extension_code,
            language,
            data,
            queue,
            position,
            agents,
            waited_s,
        } = &flow.facts;
        let record = &self.record;
        let text =
            |text: &Option<String>, told: &String| text.as_deref().unwrap_or_default() == told;
        (queue.as_str(), *position, *agents, *waited_s)
            == self.standing(step, flow.place, flow.began)
            && text(&self.presented, caller)
            && *dialled == record.dialled
            && text(&record.access_code, access_code)
            && text(&record.extension_code, extension_code)
            && *language == self.language
            && *data == record.data
    }

    /// The queue that the caller waits in, the position, agents signed in, seconds waited.
    fn standing<'s>(
        &self,
        step: &'s Step<'_, '_>,
        place: Place,
        began: Mono,
    ) -> (&'s str, u32, u32, u32) {
        let routing = &*step.cx.routing;
        let waits = matches!(place, Place::Waiting | Place::Suspended);
        match waits.then(|| routing.position(self.call_ref())).flatten() {
            Some((queue, position)) => {
                let name = routing.queue_settings(queue).map_or("", |queue| queue.name.as_str());
                let agents = routing.queue_status(queue).map_or(0, |status| status.signed_in);
                let waited_s = step.cx.now.mono.since(began).as_secs();
                (name, position, agents, u32::try_from(waited_s).unwrap_or(u32::MAX))
            }
            None => ("", 0, 0, 0),
        }
    }

    /// Where the flow stands, if one runs.
    pub fn flow_place(&self) -> Option<Place> {
        self.flow.as_ref().map(|flow| flow.place)
    }

    /// Where the flow is, for a checkpoint.
    pub fn flow_snapshot(&self) -> Option<Snapshot> {
        self.flow.as_ref().map(|flow| flow.run.snapshot())
    }

    /// Whether a flow says to the caller what there is to say.
    pub fn flow_speaks(&self) -> bool {
        matches!(self.flow_place(), Some(Place::Alone | Place::Waiting))
    }

    /// The caller has pressed a key, for so long until now. `true`: it was the flow's.
    pub fn flow_takes_digit(
        &mut self,
        step: &mut Step<'_, '_>,
        digit: char,
        lasted: Duration,
    ) -> bool {
        let takes = self.flow_speaks();
        if takes && !self.recording_takes_digit(step, digit, lasted) {
            self.feed(step, Input::Digit(digit));
        }
        takes
    }

    /// An agent is about to be heard: the flow is cut off, and keeps its place.
    pub fn suspend_flow(&mut self, step: &mut Step<'_, '_>) {
        if self.flow_place() == Some(Place::Waiting) {
            self.feed(step, Input::Suspend);
            if let Some(flow) = &mut self.flow {
                flow.place = Place::Suspended;
                flow.saying = None;
            }
        }
    }

    /// The agent is gone before the bridge: the flow goes on.
    pub fn resume_flow(&mut self, step: &mut Step<'_, '_>) {
        if self.flow_place() == Some(Place::Suspended) {
            if let Some(flow) = &mut self.flow {
                flow.place = Place::Waiting;
            }
            self.feed(step, Input::Resume);
        }
    }

    /// The caller's side has ended: the hang-up branch runs, unheard, while the call is released.
    pub fn hang_up_flow(&mut self, step: &mut Step<'_, '_>) {
        if self.flow_place() == Some(Place::HungUp) {
            return;
        }
        while let Some(flow) = self.flow.take_if(|flow| !flow.run.minds_hang_up()) {
            self.end_flow(step, flow);
        }
        if let Some(flow) = &mut self.flow {
            flow.place = Place::HungUp;
            flow.behind = None;
            flow.saying = None;
            flow.until = Some(step.cx.now.mono + HANG_UP_MAX);
        }
        self.feed(step, Input::HungUp);
    }

    /// Nothing comes of the flow that runs while the caller waits any more; one that sent the
    /// caller there still minds a hang-up.
    pub fn drop_waiting_flow(&mut self, step: &mut Step<'_, '_>) {
        let waits = |flow: &mut Box<Running>| flow.place != Place::Left;
        if let Some(flow) = self.flow.take_if(waits) {
            self.end_flow(step, flow);
        }
    }

    /// A flow is over; the one behind it, if any, is the call's again.
    fn end_flow(&mut self, step: &mut Step<'_, '_>, mut flow: Box<Running>) {
        flow.quieten(step);
        self.flow = flow.behind.take();
        self.leave_digits(step);
    }

    /// Nothing comes of the flow any more.
    pub fn drop_flow(&mut self, step: &mut Step<'_, '_>) {
        if let Some(mut flow) = self.flow.take() {
            flow.quieten(step);
            self.leave_digits(step);
        }
    }

    /// No flow listens for the caller's keys any more. Those of an agent who consults are its
    /// feature codes again, all others are for the other side.
    pub fn leave_digits(&mut self, step: &mut Step<'_, '_>) {
        let leg = &mut self.caller.leg;
        let keys = leg.keys.is_some();
        leg.media.set_digits(step.cx.out, keys, !keys);
    }

    /// Tells the flow something, and does what it wants.
    fn feed(&mut self, step: &mut Step<'_, '_>, input: Input) {
        let Some(mut flow) = self.flow.take() else { return };
        flow.at_once.push_back(input);
        self.drain(step, flow);
    }

    /// Does what the flow wants, until it waits for something or has left the call.
    fn drain(&mut self, step: &mut Step<'_, '_>, mut flow: Box<Running>) {
        loop {
            self.record.test |= flow.run.ran_draft();
            while let Some(output) = flow.run.poll() {
                let Output::Exit(exit) = output else {
                    self.perform(step, &mut flow, output);
                    continue;
                };
                return self.flow_exits(step, flow, exit);
            }
            let Some(answer) = flow.at_once.pop_front() else { break };
            if flow.is_restless(step.cx.now.mono) {
                let why = format!("flow {:?} does not come to rest", flow.name);
                return self.flow_exits(step, flow, hotline_ivr::run::io::Exit::Fault(why));
            }
            if !self.is_up_to_date(step, &flow) {
                flow.facts = self.facts(step, flow.place, flow.began);
                flow.run.handle(step.cx.now, Input::Changed(flow.facts.clone()));
            }
            flow.run.handle(step.cx.now, answer);
        }
        // Whoever only decides, or asks somebody, answers nobody yet.
        if flow.place == Place::Alone && flow.effects.is_empty() {
            self.be_heard(step);
        }
        flow.arm(step, self.id.serial);
        let moved = std::mem::take(&mut flow.moved) && flow.place != Place::HungUp;
        self.flow = Some(flow);
        if moved {
            self.checkpoint(step, Point::InFlow);
        }
    }

    fn perform(&mut self, step: &mut Step<'_, '_>, flow: &mut Running, output: Output) {
        match output {
            Output::Play { play, sounds, repeat } => self.say(step, flow, play, &sounds, repeat),
            Output::Stop { play } => self.stop_saying(step, flow, play),
            Output::Effect { effect, what, within } => {
                self.begin_effect(step, flow, effect, what, within);
            }
            Output::Data { key, value } => {
                self.record.data.insert(key, value);
            }
            Output::Language(language) => self.language = language,
            Output::Priority(priority) => self.set_priority(step, priority),
            Output::Trouble(why) => step.cx.notice(why),
            Output::RememberLanguage => self.remember_language(step),
            // Digits are in no trace, log or record anyway, and a flow's caller is not bridged.
            Output::Secret(_) => {}
            Output::Entered { flow: name, node } => {
                flow.moved = true;
                let (name, node) = (name.to_string(), node.to_string());
                step.cx.journal(EventKind::FlowStep { call: self.id, flow: name, node });
            }
            // Taken by who drains.
            Output::Exit(_) => {}
        }
    }

    fn set_priority(&mut self, step: &mut Step<'_, '_>, priority: u8) {
        self.priority = priority.min(100);
        if self.in_routing && matches!(self.state, State::Queued | State::Offered(_)) {
            let (call, priority) = (self.call_ref(), self.priority);
            step.routed(hotline_routing::Input::SetPriority { call, priority });
        }
    }

    fn remember_language(&mut self, step: &mut Step<'_, '_>) {
        let Some(caller) = &self.presented else { return };
        if step.index.languages.remember(caller, &self.language) {
            let caller = hotline_base::Redacted::new(caller.clone());
            let language = self.language.clone();
            step.cx.journal(EventKind::LanguageRemembered { caller, language });
        }
    }

    /// One of the flow's deadlines has come.
    pub fn flow_due(&mut self, step: &mut Step<'_, '_>, timer: TimerId) {
        let now = step.cx.now.mono;
        let Some(flow) = &mut self.flow else { return };
        if flow.timer.take_if(|(_, set)| *set == timer).is_none() {
            return;
        }
        if flow.until.is_some_and(|until| until <= now) {
            let text =
                format!("the hang-up branch of flow {:?} took too long and was cut", flow.name);
            step.cx.notice(text);
            self.drop_flow(step);
            return self.finish_if_told(step);
        }
        let said = flow.saying.take_if(|saying| saying.is_due(now));
        let effects = &flow.effects;
        let late: Vec<u32> =
            effects.iter().filter(|(_, one)| one.until <= now).map(|(effect, _)| *effect).collect();
        if flow.run.deadline().is_some_and(|at| at <= now) {
            flow.at_once.push_back(Input::Expire);
        }
        if let Some(saying) = said {
            self.said(step, saying);
        }
        for effect in late {
            self.effect_is_late(step, effect);
        }
        // What is due is told, and the next deadline set.
        if let Some(flow) = self.flow.take() {
            self.drain(step, flow);
        }
    }
}

impl Running {
    /// When something is due.
    fn deadline(&self) -> Option<Mono> {
        let said = self.saying.as_ref().and_then(Saying::until);
        let effect = self.effects.values().map(|pending| pending.until).min();
        let run = self.run.deadline();
        [said, effect, run, self.until].into_iter().flatten().min()
    }

    fn arm(&mut self, step: &mut Step<'_, '_>, serial: u32) {
        let next = self.deadline();
        if self.timer.map(|(at, _)| at) == next {
            return;
        }
        if let Some((_, timer)) = self.timer.take() {
            step.index.timers.cancel(timer);
        }
        self.timer = next.map(|at| (at, step.index.timers.set(at, (serial, Why::Flow))));
    }

    /// Whether it was given more answers at one instant than a flow that gets anywhere needs.
    fn is_restless(&mut self, now: Mono) -> bool {
        if self.given.0 != now {
            self.given = (now, 0);
        }
        self.given.1 += 1;
        self.given.1 > AT_ONCE_MAX
    }

    /// Nothing more is due of it or awaited by it.
    fn quieten(&mut self, step: &mut Step<'_, '_>) {
        if let Some((_, timer)) = self.timer.take() {
            step.index.timers.cancel(timer);
        }
        self.saying = None;
        for (_, pending) in std::mem::take(&mut self.effects) {
            pending.forget(step);
        }
    }
}
