//! [`Snapshot`]: where a run is, for a checkpoint of its call.
//!
//! Owns: the form that is written, and going on from it, also on newer versions of the flows (nodes
//! are named). Does not own: when checkpoints are written. Nothing secret is in it: secret variables
//! are left out, and typed-ahead digits where a secret may be among them.

use super::digits::Digits;
use super::fault::{Fault, StartFault};
use super::frame::Frame;
use super::io::Done;
use super::{Cut, HANG_UP_MAX, Next, Run, STACK_MAX, Start, State};
use crate::model::{Node, Value};
use crate::program::Flows;
use hotline_base::Now;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

const INTERRUPTED: &str = "interrupted by a restart";

/// Where a run is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    draft: bool,
    language: String,
    /// The flow that runs is the last one.
    frames: Vec<Place>,
    digits: String,
    is: Doing,
}

/// Digits are counted, not shown: what was typed ahead may be for a node that is not known yet.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { draft, language, frames, digits, is } = self;
        f.debug_struct("Snapshot")
            .field("draft", draft)
            .field("language", language)
            .field("frames", frames)
            .field("digits", &digits.chars().count())
            .field("is", is)
            .finish()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    flow: String,
    node: String,
    values: BTreeMap<String, Stored>,
    loops: BTreeMap<String, u8>,
}

/// A value with its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stored {
    Text(String),
    Number(i64),
    Flag(bool),
    Time(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Doing {
    /// Waiting for the caller or the time: its node begins again.
    Waiting,
    /// Waiting for a web service: that counts as failed, so that nothing is asked for twice.
    Asking,
    /// Waiting to be resumed.
    Suspended,
    /// Both of them.
    SuspendedAsking,
    /// Left by a transfer that may still fail.
    Left,
    /// The caller has hung up.
    HungUp,
    /// Over.
    Over,
}

impl Run {
    /// Where it is. Outputs that were not polled are not in it.
    pub fn snapshot(&self) -> Snapshot {
        let is = match &self.state {
            State::Over => Doing::Over,
            _ if self.hung_up_until.is_some() => Doing::HungUp,
            State::Left => Doing::Left,
            State::Suspended(Cut::Effect { .. }) if self.is_asking() => Doing::SuspendedAsking,
            State::Suspended(_) => Doing::Suspended,
            State::Effect { .. } if self.is_asking() => Doing::Asking,
            _ => Doing::Waiting,
        };
        // Also of a run that was left: what was typed ahead is for it, should its transfer fail.
        let secret = self.secret || self.may_ask_for_secrets();
        let digits = if secret { String::new() } else { self.digits.text() };
        Snapshot {
            draft: self.draft,
            language: self.facts.language.clone(),
            frames: self.below.iter().chain([&self.top]).map(place).collect(),
            digits,
            is,
        }
    }

    /// Goes on from a snapshot; `start.language` is not needed.
    ///
    /// # Errors
    /// A flow or node of the snapshot is not there any more.
    pub fn restore(
        flows: &Arc<Flows>,
        snapshot: &Snapshot,
        start: Start,
        now: Now,
    ) -> Result<Run, StartFault> {
        if snapshot.frames.len() > STACK_MAX {
            return Err(StartFault::StackFull);
        }
        let frame = |place: &Place| frame(flows, place, snapshot.draft);
        let mut frames = snapshot.frames.iter().map(frame).collect::<Result<Vec<_>, _>>()?;
        let top = frames.pop().ok_or_else(|| StartFault::NoFlow(String::new()))?;
        let node = top.node;
        let start = Start { language: snapshot.language.clone(), ..start };
        let mut run = Run::at(flows, snapshot.draft, start, top, now);
        run.ran_draft |= frames.iter().any(|one| run.draft && flows.has_draft(one.program.name()));
        run.below = frames;
        run.digits = Digits::of(&snapshot.digits, now.mono);
        // What is pressed in a run that was left, or by nobody any more, is not the flow's.
        if !matches!(snapshot.is, Doing::Left | Doing::HungUp | Doing::Over) {
            run.hide_digits();
        }
        match snapshot.is {
            Doing::Over => {}
            Doing::Left => run.state = State::Left,
            Doing::Suspended => run.state = State::Suspended(Cut::Node),
            Doing::SuspendedAsking => {
                let done = Some(Done::Failed(INTERRUPTED.into()));
                run.state = State::Suspended(Cut::Effect { effect: 0, until: now.mono, done });
            }
            Doing::HungUp => {
                run.hung_up_until = Some(now.mono + HANG_UP_MAX);
                run.resume_asking(now);
            }
            Doing::Asking => run.resume_asking(now),
            Doing::Waiting => run.go(now, Ok(Next::Node(node))),
        }
        Ok(run)
    }

    fn resume_asking(&mut self, now: Now) {
        self.go_on(now, |run| -> Result<Next, Fault> {
            run.take_done(Done::Failed(INTERRUPTED.into()))
        });
    }

    fn is_asking(&self) -> bool {
        let step = self.top.program.step(self.top.node);
        step.is_some_and(|step| matches!(step.node, Node::Http { .. }))
    }
}

fn place(frame: &Frame) -> Place {
    let variables = &frame.program.flow().variables;
    let secret = |name: &String| variables.get(name).is_none_or(|variable| variable.secret);
    let name_of = |node| frame.program.step(node).map(|step| step.name.to_string());
    Place {
        flow: frame.program.name().to_string(),
        node: frame.node_name().to_owned(),
        values: frame
            .values
            .iter()
            .filter(|(name, _)| !secret(name))
            .map(|(name, value)| (name.clone(), stored(value)))
            .collect(),
        loops: frame
            .loops
            .iter()
            .filter_map(|(node, gone)| Some((name_of(*node)?, *gone)))
            .collect(),
    }
}

fn frame(flows: &Flows, place: &Place, draft: bool) -> Result<Frame, StartFault> {
    let Place { flow, node, values, loops } = place;
    let program = flows.get(flow, draft).ok_or_else(|| StartFault::NoFlow(flow.clone()))?;
    let at = program.find(node);
    let at = at.ok_or_else(|| StartFault::NoNode { flow: flow.clone(), node: node.clone() })?;
    let mut frame = Frame::new(program, at);
    for (name, stored) in values {
        // A variable that is of another type now, or gone, begins anew.
        let _ = frame.assign(name, value(stored));
    }
    let loops = loops.iter().filter_map(|(name, gone)| Some((program.find(name)?, *gone)));
    frame.loops = loops.collect();
    Ok(frame)
}

fn stored(value: &Value) -> Stored {
    match value {
        Value::Text(text) => Stored::Text(text.clone()),
        Value::Number(number) => Stored::Number(*number),
        Value::Flag(flag) => Stored::Flag(*flag),
        Value::Time(ms) => Stored::Time(*ms),
    }
}

fn value(stored: &Stored) -> Value {
    match stored {
        Stored::Text(text) => Value::Text(text.clone()),
        Stored::Number(number) => Value::Number(*number),
        Stored::Flag(flag) => Value::Flag(*flag),
        Stored::Time(ms) => Value::Time(*ms),
    }
}
