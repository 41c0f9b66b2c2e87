//! What each node does when it is entered, and when what it waited for has come.
//!
//! Owns: the meaning of [`crate::model::Node`]. Does not own: going from node to node
//! ([`super::Run`]), listening ([`super::listen`]), signing in ([`super::sign_in`]), web requests
//! ([`super::web`]).
//!
//! Once the caller has hung up, nothing is said and the first node that needs the caller ends the
//! flow.

use super::fault::Fault;
use super::frame::Frame;
use super::io::{Done, Effect, Exit, Failure, Output, Sound};
use super::listen::{Heard, Listener, Manners, Wanted};
use super::{Next, PLAY_MAX, Run, STACK_MAX, State, edge};
use crate::expr::Expr;
use crate::model::{Listening, Name, Node, Speech, Target, Value};
use crate::program::{Program, Step};
use hotline_base::Now;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a queue's state may take.
const QUEUE_STATUS_WITHIN: Duration = Duration::from_secs(2);
/// How much longer than itself a recording may take.
const RECORDING_MARGIN: Duration = Duration::from_secs(30);
const DATA_KEYS_MAX: usize = 32;
const DATA_KEY_CHARACTERS_MAX: usize = 32;
const DATA_VALUE_CHARACTERS_MAX: usize = 256;

impl Run {
    pub(super) fn perform(
        &mut self,
        now: Now,
        program: &Program,
        step: &Step,
    ) -> Result<Next, Fault> {
        if self.hung_up_until.is_some_and(|until| step.node.needs_caller() || now.mono >= until) {
            return Ok(Next::Exit(Exit::Release { cause: super::NORMAL_CLEARING }));
        }
        match &step.node {
            Node::Play { say, barge_in, next } => {
                let needless = *barge_in && self.digits.any();
                let sounds = if needless { Vec::new() } else { self.sounds(now, say)? };
                self.speak_or(now, sounds, edge(program, next))
            }
            Node::Wait { for_s, tone, barge_in, next } => {
                self.wait(now, *for_s, tone.as_ref(), *barge_in, next)
            }
            Node::Menu { listening, .. } | Node::Collect { listening, .. } => {
                if listening.flush {
                    self.digits.clear();
                }
                self.listen_to(now, step, listening, (0, &listening.say))
            }
            Node::Branch { cases, otherwise } => {
                for case in cases {
                    if self.eval_flag(now, &case.condition)? {
                        return edge(program, &case.then);
                    }
                }
                edge(program, otherwise)
            }
            Node::Set { values, data, next } => {
                self.set(now, values, data)?;
                edge(program, next)
            }
            Node::Loop { times, body, next } => {
                let again = self.top.goes_again(self.top.node, *times);
                edge(program, if again { body } else { next })
            }
            Node::Language { language, remember, next, on_unknown } => {
                let speaks = self.speak_language(now, program, language, *remember)?;
                edge(program, if speaks { next } else { on_unknown })
            }
            Node::WorkingTime { working_time, open, closed } => {
                edge(program, if self.is_open(now, working_time)? { open } else { closed })
            }
            Node::Http { .. } => self.request(now, step),
            Node::Transfer { to, priority, .. } => self.transfer(now, to, priority.as_ref()),
            Node::Subflow { flow, with, .. } => self.call(now, flow, with),
            Node::QueueStatus { queue, .. } => {
                let what = Effect::QueueStatus { queue: queue.clone() };
                self.effect(now, what, QUEUE_STATUS_WITHIN)
            }
            Node::Priority { priority, next } => {
                self.set_priority(now, priority)?;
                edge(program, next)
            }
            Node::Message { say, .. } => match self.sounds(now, say)? {
                sounds if sounds.is_empty() => self.record(now, &step.node),
                sounds => self.speak_or(now, sounds, Ok(Next::Stay)),
            },
            Node::AgentSignIn { prompts, tries, .. } => self.sign_in(now, prompts, *tries),
            Node::End { say, cause } => {
                let sounds = self.sounds(now, say)?;
                self.speak_or(now, sounds, Ok(Next::Return { cause: *cause }))
            }
        }
    }

    fn is_open(&self, now: Now, name: &str) -> Result<bool, Fault> {
        let times = self.working_times.get(name);
        let times = times.ok_or_else(|| Fault::NoWorkingTime(name.into()))?;
        Ok(times.is_open(now.wall, &self.zone))
    }

    /// Says something and waits for its end; goes on at once if there is nothing to say.
    fn speak_or(
        &mut self,
        now: Now,
        sounds: Vec<Sound>,
        next: Result<Next, Fault>,
    ) -> Result<Next, Fault> {
        match self.play(sounds, false) {
            Some(play) => self.speaking(now, play),
            None => next,
        }
    }

    fn speaking(&mut self, now: Now, play: u32) -> Result<Next, Fault> {
        self.state = State::Speaking { play, until: now.mono + PLAY_MAX };
        Ok(Next::Stay)
    }

    fn wait(
        &mut self,
        now: Now,
        for_s: u32,
        tone: Option<&String>,
        barge_in: bool,
        next: &str,
    ) -> Result<Next, Fault> {
        if barge_in && self.digits.wakes() {
            return self.edge(next);
        }
        match tone {
            Some(tone) => drop(self.play(vec![Sound::Tone(tone.clone())], true)),
            None => self.stop(),
        }
        // At least a second, so that a circle of waits takes its time whatever it says.
        let until = now.mono + Duration::from_secs(for_s.max(1).into());
        self.state = State::Waiting { until };
        Ok(Next::Stay)
    }

    pub(super) fn effect(
        &mut self,
        now: Now,
        what: Effect,
        within: Duration,
    ) -> Result<Next, Fault> {
        let (effect, until) = self.ask(now, what, within);
        self.state = State::Effect { effect, until };
        Ok(Next::Stay)
    }

    fn record(&mut self, now: Now, node: &Node) -> Result<Next, Fault> {
        let Node::Message { mailbox, max_s, min_s, silence_s, stop_on, .. } = node else {
            return Ok(Next::Stay);
        };
        self.stop();
        let what = Effect::Record {
            mailbox: mailbox.clone(),
            max_s: *max_s,
            min_s: *min_s,
            silence_s: *silence_s,
            stop_on: stop_on.clone(),
        };
        self.effect(now, what, Duration::from_secs((*max_s).into()) + RECORDING_MARGIN)
    }

    pub(super) fn is_recording(&self) -> bool {
        let step = self.top.program.step(self.top.node);
        step.is_some_and(|step| matches!(step.node, Node::Message { .. }))
    }

    fn set(
        &mut self,
        now: Now,
        values: &[(Name, Expr)],
        data: &[(String, Expr)],
    ) -> Result<(), Fault> {
        for (name, expr) in values {
            let value = self.eval(now, expr)?;
            self.top.assign(name, value)?;
        }
        for (key, expr) in data {
            let value = self.eval_text(now, expr)?;
            let known = self.facts.data.contains_key(key);
            let fits = (1..=DATA_KEY_CHARACTERS_MAX).contains(&key.chars().count())
                && value.chars().count() <= DATA_VALUE_CHARACTERS_MAX
                && (known || self.facts.data.len() < DATA_KEYS_MAX);
            if !fits {
                return Err(Fault::Data);
            }
            self.facts.data.insert(key.clone(), value.clone());
            self.outputs.push_back(Output::Data { key: key.clone(), value });
        }
        Ok(())
    }

    fn speak_language(
        &mut self,
        now: Now,
        program: &Program,
        language: &Expr,
        remember: bool,
    ) -> Result<bool, Fault> {
        let language = self.eval_text(now, language)?;
        let languages = &program.flow().languages;
        let speaks = languages.contains(&language)
            || (languages.is_empty() && language == self.default_language);
        if speaks {
            self.facts.language.clone_from(&language);
            self.outputs.push_back(Output::Language(language));
            if remember {
                self.outputs.push_back(Output::RememberLanguage);
            }
        }
        Ok(speaks)
    }

    fn set_priority(&mut self, now: Now, priority: &Expr) -> Result<(), Fault> {
        let priority = u8::try_from(self.eval_number(now, priority)?).ok();
        let priority = priority.filter(|priority| *priority <= 100).ok_or(Fault::Priority)?;
        self.outputs.push_back(Output::Priority(priority));
        Ok(())
    }

    fn transfer(&mut self, now: Now, to: &Target, priority: Option<&Expr>) -> Result<Next, Fault> {
        if let Some(priority) = priority {
            self.set_priority(now, priority)?;
        }
        let exit = match to {
            Target::SkillQueue(queue) => Exit::SkillQueue(queue.clone()),
            Target::Agent(employee_id) => Exit::Agent(self.eval_text(now, employee_id)?),
            Target::Number { number, trunk } => {
                Exit::Number { number: self.eval_text(now, number)?, trunk: trunk.clone() }
            }
            Target::Flow(name) => {
                let Some(program) = self.find_flow(name) else {
                    return self.take_failure(Failure::Unknown);
                };
                let first = program.start();
                let first = first.ok_or_else(|| Fault::NoNode(program.flow().start.clone()))?;
                self.below.clear();
                self.top = Frame::new(&program, first);
                self.hide_digits();
                return Ok(Next::Node(first));
            }
        };
        Ok(Next::Exit(exit))
    }

    fn call(&mut self, now: Now, flow: &str, with: &BTreeMap<Name, Expr>) -> Result<Next, Fault> {
        if self.below.len() + 1 >= STACK_MAX {
            return Err(Fault::StackFull);
        }
        let program = self.find_flow(flow);
        let program = program.ok_or_else(|| Fault::NoFlow(flow.into()))?;
        let first = program.start();
        let first = first.ok_or_else(|| Fault::NoNode(program.flow().start.clone()))?;
        let mut called = Frame::new(&program, first);
        for (name, expr) in with {
            let value = self.eval(now, expr)?;
            called.assign(name, value)?;
        }
        self.below.push(std::mem::replace(&mut self.top, called));
        Ok(Next::Node(first))
    }

    /// A sub-flow is over: its results are ours now.
    pub(super) fn take_results(&mut self, called: &Frame) -> Result<Next, Fault> {
        let program = Arc::clone(&self.top.program);
        let node = program.step(self.top.node).map(|step| &step.node);
        let Some(Node::Subflow { into, next, .. }) = node else { return Ok(Next::Stay) };
        for (ours, theirs) in into {
            if let Some(value) = called.values.get(theirs) {
                self.top.assign(ours, value.clone())?;
            }
        }
        edge(&program, next)
    }

    /// Digits were pressed.
    pub(super) fn take_digits(&mut self, now: Now) -> Result<Next, Fault> {
        let program = Arc::clone(&self.top.program);
        let Some(step) = program.step(self.top.node) else { return Ok(Next::Stay) };
        match (&self.state, &step.node) {
            (State::Speaking { .. }, Node::Play { barge_in: true, next, .. }) => {
                self.stop();
                edge(&program, next)
            }
            (State::Speaking { .. }, Node::Message { stop_on, .. }) => {
                let mut stops = false;
                while let Some(digit) = self.digits.next() {
                    stops |= stop_on.contains(digit);
                }
                if stops { self.record(now, &step.node) } else { Ok(Next::Stay) }
            }
            (State::Effect { .. }, Node::Message { .. }) => {
                self.digits.clear();
                Ok(Next::Stay)
            }
            (State::Waiting { .. }, Node::Wait { barge_in: true, next, .. }) => {
                if self.digits.wakes() { edge(&program, next) } else { Ok(Next::Stay) }
            }
            (State::SignIn(_), _) => self.take_sign_in_digits(now),
            _ => match self.listening() {
                Some(listener) => self.hear_at(now, step, listener, Run::hear),
                None => Ok(Next::Stay),
            },
        }
    }

    pub(super) fn take_play_ended(&mut self, now: Now, ended: u32) -> Result<Next, Fault> {
        let program = Arc::clone(&self.top.program);
        let Some(step) = program.step(self.top.node) else { return Ok(Next::Stay) };
        match (&self.state, &step.node) {
            (State::Speaking { play, .. }, node) if *play == ended => match node {
                Node::Play { next, .. } => edge(&program, next),
                Node::End { cause, .. } => Ok(Next::Return { cause: *cause }),
                node => self.record(now, node),
            },
            (State::SignIn(_), _) => self.take_sign_in_said(now),
            _ => match self.listening() {
                Some(listener) => self.hear_at(now, step, listener, Run::hear_said),
                None => Ok(Next::Stay),
            },
        }
    }

    /// A wait or a listening has come to its time.
    pub(super) fn take_expired(&mut self, now: Now) -> Result<Next, Fault> {
        let program = Arc::clone(&self.top.program);
        let Some(step) = program.step(self.top.node) else { return Ok(Next::Stay) };
        match (self.listening(), &step.node) {
            (Some(listener), _) => self.hear_at(now, step, listener, Run::hear_expired),
            (None, Node::Wait { next, .. }) => edge(&program, next),
            _ => Ok(Next::Stay),
        }
    }

    pub(super) fn take_done(&mut self, done: Done) -> Result<Next, Fault> {
        let program = Arc::clone(&self.top.program);
        let Some(step) = program.step(self.top.node) else { return Ok(Next::Stay) };
        match (&step.node, done) {
            (Node::Http { into, next, on_error, .. }, done) => match self.take_answer(into, done) {
                Ok(()) => edge(&program, next),
                Err(why) => {
                    self.outputs.push_back(Output::Trouble(why));
                    edge(&program, on_error)
                }
            },
            (Node::QueueStatus { waiting, agents, idle, next, .. }, Done::QueueStatus(status)) => {
                let Some(status) = status else {
                    return Err(Fault::Effect("there is no such queue".into()));
                };
                let all = [(waiting, status.waiting), (agents, status.agents), (idle, status.idle)];
                for (variable, number) in all {
                    if let Some(variable) = variable {
                        self.top.assign(variable, Value::Number(number.into()))?;
                    }
                }
                edge(&program, next)
            }
            (Node::Message { next, on_empty, .. }, done) => {
                let kept = matches!(done, Done::Recorded { ms } if ms > 0);
                if let Done::Failed(why) = done {
                    self.outputs.push_back(Output::Trouble(why));
                }
                self.digits.clear();
                edge(&program, if kept { next } else { on_empty })
            }
            (_, Done::Failed(why)) => Err(Fault::Effect(why)),
            _ => Err(Fault::Effect("an answer to something else".into())),
        }
    }

    pub(super) fn take_failure(&mut self, failure: Failure) -> Result<Next, Fault> {
        let program = Arc::clone(&self.top.program);
        let why = match failure {
            Failure::Unknown => "no such target, or not allowed",
            Failure::Busy => "busy or declined",
            Failure::NoAnswer => "no answer",
            Failure::Unavailable => "not reachable or not signed in",
        };
        match program.step(self.top.node).map(|step| &step.node) {
            Some(Node::Transfer { on_failure: Some(name), .. }) => {
                self.outputs.push_back(Output::Trouble(format!("transfer failed: {why}")));
                edge(&program, name)
            }
            _ => Err(Fault::Transfer(why)),
        }
    }

    /// Begins to listen at a menu or a collection, for the first time or again.
    fn listen_to(
        &mut self,
        now: Now,
        step: &Step,
        listening: &Listening,
        (retry, say): (u8, &[Speech]),
    ) -> Result<Next, Fault> {
        let manners = Manners::from(listening);
        let needless = manners.barge_in && self.digits.any();
        let sounds = if needless { Vec::new() } else { self.sounds(now, say)? };
        let listener = self.listen(now, sounds, manners, retry);
        self.hear_at(now, step, listener, Run::hear)
    }

    /// Listens by `hear`, then does what the node says of what was heard.
    fn hear_at(
        &mut self,
        now: Now,
        step: &Step,
        listener: Listener,
        hear: fn(&mut Run, Now, Listener, Manners, &Wanted<'_>) -> Heard,
    ) -> Result<Next, Fault> {
        let retry = listener.retry;
        let (listening, on_timeout, on_no_match) = match &step.node {
            Node::Menu { listening, on_timeout, on_no_match, .. }
            | Node::Collect { listening, on_timeout, on_no_match, .. } => {
                (listening, on_timeout, on_no_match)
            }
            _ => return Ok(Next::Stay),
        };
        let (out_of_tries, why_say) =
            match hear(self, now, listener, listening.into(), &wanted(&step.node)) {
                Heard::Still(listener) => {
                    self.state = State::Listening(listener);
                    return Ok(Next::Stay);
                }
                Heard::Taken(typed) => {
                    match self.take_heard(now, &step.node, typed.into_inner())? {
                        Some(name) => return self.edge(name),
                        None => (on_no_match, &listening.no_match_say),
                    }
                }
                Heard::Nothing => (on_timeout, &listening.no_input_say),
                Heard::NoMatch => (on_no_match, &listening.no_match_say),
            };
        if retry < listening.retries {
            let say = said_at(listening, why_say, retry);
            return self.listen_to(now, step, listening, (retry + 1, say));
        }
        self.edge(out_of_tries)
    }

    /// The edge for what was typed; none if it is not valid.
    fn take_heard<'a>(
        &mut self,
        now: Now,
        node: &'a Node,
        typed: String,
    ) -> Result<Option<&'a str>, Fault> {
        match node {
            Node::Menu { keys, .. } => Ok(keys.get(&typed).map(String::as_str)),
            Node::Collect { into, valid, next, .. } => {
                let before = self.top.assign(into, Value::Text(typed))?;
                if let Some(valid) = valid
                    && !self.eval_flag(now, valid)?
                {
                    self.top.put_back(into, before);
                    return Ok(None);
                }
                Ok(Some(next))
            }
            _ => Ok(None),
        }
    }
}

fn wanted(node: &Node) -> Wanted<'_> {
    match node {
        Node::Menu { keys, .. } => Wanted::Key(keys),
        Node::Collect { min, max, terminator, .. } => {
            // A flow that was not checked may want nothing at all: one digit is enough then.
            let max = usize::from(*max).max(1);
            Wanted::Text { min: usize::from(*min), max, terminator: *terminator }
        }
        _ => Wanted::Text { min: 0, max: 1, terminator: None },
    }
}

/// What is said after so many retries (0: at the first), `why_say` before what is common to all.
fn said_at<'a>(listening: &'a Listening, why_say: &'a [Vec<Speech>], retries: u8) -> &'a [Speech] {
    let say = if why_say.is_empty() { &listening.retry_say } else { why_say };
    say.get(usize::from(retries)).or(say.last()).unwrap_or(&listening.say)
}
