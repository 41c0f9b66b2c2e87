//! A running flow: [`Run`].
//!
//! ```text
//!  digit, end of a play, answer, deadline ──▶ handle ──▶ poll: play, effect, data, …, exit
//!
//!      ┌─────── go: node after node, until one waits ───────┐
//!      ▼                                                    │
//!   Speaking · Waiting · Listening · SignIn · Effect ───────┘   each with a deadline
//!      │ Suspend ⇅ Resume         │ transfer        │ end, fault
//!   Suspended                    Left ─ failed ─▶ go   Over
//! ```
//! Owns: where a call is in its flow, its variables, its typed-ahead digits, and what each node does
//! ([`node`]). Does not own: the flow ([`crate::model`]), what plays and effects really are (the
//! engine), whether a flow makes sense ([`crate::check`]): one that was never checked ends in
//! [`io::Exit::Fault`] at worst.
//!
//! Deterministic: the same inputs at the same times give the same outputs. No input in any order can
//! make it panic or run for ever.

mod digits;
mod fault;
mod frame;
pub mod io;
mod listen;
mod node;
mod scope;
mod sign_in;
mod snapshot;
mod speak;
mod web;

pub use fault::StartFault;
pub use snapshot::Snapshot;

use crate::expr::{self, Budget};
use crate::model::Node;
use crate::program::{Flows, NodeId, Program};
use crate::schedule::WorkingTime;
use digits::Digits;
use fault::Fault;
use frame::Frame;
use hotline_base::calendar::TimeZone;
use hotline_base::{Mono, Now};
use io::{Done, Effect, Exit, Facts, Failure, Input, Output, Sound};
use listen::Listener;
use sign_in::SignIn;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Most nodes entered without input, wait or play; then the flow ends in [`Exit::Fault`]. Answers of
/// effects and failed transfers do not count as input: a flow that asks for ever ends too.
pub const STEPS_MAX: u32 = 4_000;
/// Most nodes entered in one go; then the flow pauses for [`PAUSE`], so that other calls have their
/// turn.
pub const NODES_IN_A_ROW_MAX: u32 = 200;
/// Most steps of expressions in one go, as for nodes; the node that passes it is finished.
pub const EXPRESSION_STEPS_IN_A_ROW_MAX: u32 = 4_000;
/// How long a flow pauses that has entered many nodes in a row.
pub const PAUSE: Duration = Duration::from_millis(5);
/// Most flows on the stack: a flow, its sub-flow, the sub-flow's sub-flow, …
pub const STACK_MAX: usize = 8;
/// Most nodes that may fail in one run and be caught by `on_fault`.
pub const FAULTS_MAX: u8 = 10;
/// Longest that anything is said in one go; it is stopped then.
pub const PLAY_MAX: Duration = Duration::from_secs(600);
/// How long after its deadline an effect that was never answered counts as failed.
pub const EFFECT_GRACE: Duration = Duration::from_secs(2);
/// How long a hang-up branch may take.
pub const HANG_UP_MAX: Duration = Duration::from_secs(60);
/// Q.850: normal call clearing.
const NORMAL_CLEARING: u8 = 16;

/// What a flow begins with.
#[derive(Clone, Debug)]
pub struct Start {
    /// What it may know of its call; its language is `language`.
    pub facts: Facts,
    /// Spoken first.
    pub language: String,
    /// The tenant's: what a flow that names no languages speaks.
    pub default_language: String,
    /// The tenant's.
    pub time_zone: TimeZone,
    /// The tenant's, by name.
    pub working_times: Arc<BTreeMap<String, WorkingTime>>,
}

/// A running flow. It keeps the flows it began with: calls end on the version they began on.
pub struct Run {
    flows: Arc<Flows>,
    draft: bool,
    /// Whether one of the flows that it ran was a draft.
    ran_draft: bool,
    default_language: String,
    zone: TimeZone,
    working_times: Arc<BTreeMap<String, WorkingTime>>,
    facts: Facts,
    /// The flow that runs.
    top: Frame,
    /// Those that have called it, the first one first.
    below: Vec<Frame>,
    state: State,
    digits: Digits,
    outputs: VecDeque<Output>,
    last_id: u32,
    playing: Option<u32>,
    /// Nodes entered since time has moved and something has happened.
    steps: u32,
    steps_since: Mono,
    row: Row,
    faults: u8,
    /// Set when the caller has hung up: until when its branch may run.
    hung_up_until: Option<Mono>,
    /// Whether a flow that can be reached from here asks for something secret.
    secret: bool,
}

/// What was done at one instant, without a pause.
#[derive(Default)]
struct Row {
    at: Mono,
    nodes: u32,
    /// Steps of expressions; the node that is evaluated began when there were so many.
    expressions: Cell<u32>,
    before_node: u32,
}

impl Row {
    /// Whether another node must wait until others had their turn; else it is counted.
    fn is_long(&mut self, now: Mono) -> bool {
        if self.at != now {
            *self = Row { at: now, ..Row::default() };
        }
        let expressions = self.expressions.get();
        if self.nodes >= NODES_IN_A_ROW_MAX || expressions >= EXPRESSION_STEPS_IN_A_ROW_MAX {
            return true;
        }
        self.nodes += 1;
        self.before_node = expressions;
        false
    }

    /// What one expression of the node may cost: all of a node's together no more than one go.
    fn budget(&self) -> Budget {
        let spent = self.expressions.get().saturating_sub(self.before_node);
        let left = EXPRESSION_STEPS_IN_A_ROW_MAX.saturating_sub(spent);
        Budget::of(left.min(expr::STEPS_MAX))
    }

    fn spent(&self, steps: u32) {
        self.expressions.set(self.expressions.get().saturating_add(steps));
    }
}

/// What a run is waiting for.
enum State {
    /// For its turn: its node was not entered yet.
    Pausing { until: Mono },
    /// For the end of what a node says.
    Speaking { play: u32, until: Mono },
    /// For time to pass.
    Waiting { until: Mono },
    /// For digits.
    Listening(Listener),
    /// For whatever comes next of a sign-in.
    SignIn(Box<SignIn>),
    /// For an answer.
    Effect { effect: u32, until: Mono },
    /// For [`Input::Resume`]; the agent has the call.
    Suspended(Cut),
    /// For nothing, unless the transfer fails.
    Left,
    /// For nothing.
    Over,
}

/// How a suspended run goes on.
enum Cut {
    /// From the beginning of its node.
    Node,
    /// With the answer of an effect: it is not asked for twice.
    Effect { effect: u32, until: Mono, done: Option<Done> },
}

/// Where a run goes from a node.
enum Next {
    /// Nowhere: it waits.
    Stay,
    /// To another node of the same flow.
    Node(NodeId),
    /// Back to the flow that called this one, or to the end with this cause.
    Return { cause: u8 },
    /// Out.
    Exit(Exit),
}

impl Run {
    /// Begins a flow: its draft, if asked for and there is one.
    ///
    /// # Errors
    /// There is no such flow, or it has no first node.
    pub fn start(
        flows: &Arc<Flows>,
        name: &str,
        draft: bool,
        start: Start,
        now: Now,
    ) -> Result<Run, StartFault> {
        let program = flows.get(name, draft).ok_or_else(|| StartFault::NoFlow(name.into()))?;
        let first = program.start().ok_or_else(|| StartFault::NoNode {
            flow: name.into(),
            node: program.flow().start.clone(),
        })?;
        let mut run = Run::at(flows, draft, start, Frame::new(program, first), now);
        run.hide_digits();
        run.go(now, Ok(Next::Node(first)));
        Ok(run)
    }

    fn at(flows: &Arc<Flows>, draft: bool, start: Start, top: Frame, now: Now) -> Run {
        let Start { mut facts, language, default_language, time_zone, working_times } = start;
        facts.language = language;
        Run {
            flows: Arc::clone(flows),
            draft,
            ran_draft: draft && flows.has_draft(top.program.name()),
            default_language,
            zone: time_zone,
            working_times,
            facts,
            top,
            below: Vec::new(),
            state: State::Over,
            digits: Digits::default(),
            outputs: VecDeque::new(),
            last_id: 0,
            playing: None,
            steps: 0,
            steps_since: now.mono,
            row: Row::default(),
            faults: 0,
            hung_up_until: None,
            secret: false,
        }
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Expire`] is due. None: suspended, left by a transfer, or over.
    pub fn deadline(&self) -> Option<Mono> {
        match &self.state {
            State::Pausing { until }
            | State::Speaking { until, .. }
            | State::Waiting { until }
            | State::Effect { until, .. } => Some(*until),
            State::Listening(listener) => Some(listener.deadline()),
            State::SignIn(sign_in) => Some(sign_in.deadline()),
            State::Suspended(_) | State::Left | State::Over => None,
        }
    }

    /// Whether the flow is over, for good or unless its transfer fails.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Left | State::Over)
    }

    /// Whether a hang-up runs a branch of the flow, or of one that it runs in.
    pub fn minds_hang_up(&self) -> bool {
        let mut frames = self.below.iter().chain([&self.top]);
        !matches!(self.state, State::Over) && frames.any(|f| f.program.on_hang_up().is_some())
    }

    /// Flow and node it is at.
    pub fn position(&self) -> (&str, &str) {
        (self.top.program.name(), self.top.node_name())
    }

    /// Whether it has run a draft: its flow's own, or that of a flow it ran or went over to.
    pub fn ran_draft(&self) -> bool {
        self.ran_draft
    }

    /// A flow as this run sees it.
    fn find_flow(&mut self, name: &str) -> Option<Arc<Program>> {
        self.ran_draft |= self.draft && self.flows.has_draft(name);
        self.flows.get(name, self.draft).map(Arc::clone)
    }

    /// What it is at.
    pub fn node(&self) -> Option<&Node> {
        self.top.program.step(self.top.node).map(|step| &step.node)
    }

    /// The flow it is in.
    pub fn program(&self) -> &Program {
        &self.top.program
    }

    /// The language spoken.
    pub fn language(&self) -> &str {
        &self.facts.language
    }

    /// Takes what has happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Digit(digit) => self.handle_digit(now, digit),
            Input::PlayEnded { play } => self.handle_play_ended(now, play),
            Input::Done { effect, done } => self.handle_done(now, effect, done),
            Input::TransferFailed(failure) => self.handle_transfer_failed(now, failure),
            Input::HungUp => self.handle_hung_up(now),
            Input::Suspend => self.handle_suspend(),
            Input::Resume => self.handle_resume(now),
            Input::Changed(facts) => {
                let language = std::mem::take(&mut self.facts.language);
                self.facts = Facts { language, ..facts };
            }
            Input::Expire => self.handle_expire(now),
        }
    }

    fn handle_digit(&mut self, now: Now, digit: char) {
        let ignores = matches!(self.state, State::Suspended(_) | State::Left | State::Over);
        if ignores || self.hung_up_until.is_some() || !self.digits.press(digit, now.mono) {
            return;
        }
        self.time_moves(now);
        self.go_on(now, |run| run.take_digits(now));
    }

    fn handle_play_ended(&mut self, now: Now, play: u32) {
        if self.playing != Some(play) {
            return;
        }
        self.playing = None;
        self.time_moves(now);
        self.go_on(now, |run| run.take_play_ended(now, play));
    }

    fn handle_done(&mut self, now: Now, answered: u32, done: Done) {
        match &mut self.state {
            State::Effect { effect, .. } if *effect == answered => {
                self.go_on(now, |run| run.take_done(done));
            }
            State::SignIn(sign_in) if sign_in.waits_for(answered) => {
                self.go_on(now, |run| run.take_sign_in_done(now, done));
            }
            State::Suspended(Cut::Effect { effect, done: kept, .. }) if *effect == answered => {
                *kept = Some(done);
            }
            _ => {}
        }
    }

    fn handle_transfer_failed(&mut self, now: Now, failure: Failure) {
        if !matches!(self.state, State::Left) {
            return;
        }
        self.hide_digits();
        self.go_on(now, |run| run.take_failure(failure));
    }

    fn handle_hung_up(&mut self, now: Now) {
        if matches!(self.state, State::Over) || self.hung_up_until.is_some() {
            return;
        }
        self.playing = None;
        self.steps = 0;
        self.hung_up_until = Some(now.mono + HANG_UP_MAX);
        self.digits.clear();
        // The innermost flow that has a branch for it; those around it are over with it.
        let branch = loop {
            if let Some(node) = self.top.program.on_hang_up() {
                break Next::Node(node);
            }
            match self.below.pop() {
                Some(caller) => self.top = caller,
                None => break Next::Exit(Exit::Release { cause: NORMAL_CLEARING }),
            }
        };
        self.below.clear();
        self.go(now, Ok(branch));
    }

    fn handle_suspend(&mut self) {
        let idle = matches!(self.state, State::Suspended(_) | State::Left | State::Over);
        if idle || self.hung_up_until.is_some() {
            return;
        }
        self.stop();
        let cut = match self.state {
            State::Effect { effect, until } if !self.is_recording() => {
                Cut::Effect { effect, until, done: None }
            }
            _ => Cut::Node,
        };
        self.state = State::Suspended(cut);
    }

    fn handle_resume(&mut self, now: Now) {
        let State::Suspended(cut) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        self.time_moves(now);
        match cut {
            Cut::Node => self.go(now, Ok(Next::Node(self.top.node))),
            Cut::Effect { done: Some(done), .. } => self.go_on(now, |run| run.take_done(done)),
            Cut::Effect { effect, until, done: None } => {
                self.state = State::Effect { effect, until };
            }
        }
    }

    fn handle_expire(&mut self, now: Now) {
        if self.deadline().is_none_or(|at| now.mono < at) {
            return;
        }
        if let State::Pausing { .. } = self.state {
            // That time has passed is not the flow's doing.
            return self.go(now, Ok(Next::Node(self.top.node)));
        }
        self.time_moves(now);
        match self.state {
            State::Effect { .. } => {
                let done = Done::Failed("no answer in time".into());
                self.go_on(now, |run| run.take_done(done));
            }
            State::SignIn(_) => self.go_on(now, |run| run.take_sign_in_expired(now)),
            State::Speaking { play, .. } => {
                self.stop();
                self.go_on(now, |run| run.take_play_ended(now, play));
            }
            _ => self.go_on(now, |run| run.take_expired(now)),
        }
    }

    /// Lets a step be taken from where the run is, and all that follow.
    fn go_on(&mut self, now: Now, take: impl FnOnce(&mut Run) -> Result<Next, Fault>) {
        let next = take(self);
        self.go(now, next);
    }

    /// From node to node until one waits.
    fn go(&mut self, now: Now, mut next: Result<Next, Fault>) {
        loop {
            next = match next {
                Ok(Next::Stay) => return,
                Ok(Next::Node(node)) => self.enter(now, node),
                Ok(Next::Return { cause }) => self.return_with(cause),
                Ok(Next::Exit(exit)) => return self.leave(exit),
                Err(fault) => self.fail(fault),
            };
        }
    }

    fn enter(&mut self, now: Now, node: NodeId) -> Result<Next, Fault> {
        self.top.node = node;
        if self.row.is_long(now.mono) {
            self.state = State::Pausing { until: now.mono + PAUSE };
            return Ok(Next::Stay);
        }
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Fault::TooManySteps);
        }
        let program = Arc::clone(&self.top.program);
        let step = program.step(node).ok_or_else(|| Fault::NoNode(String::new()))?;
        self.outputs.push_back(Output::Entered {
            flow: Arc::clone(program.name()),
            node: Arc::clone(&step.name),
        });
        self.perform(now, &program, step)
    }

    fn return_with(&mut self, cause: u8) -> Result<Next, Fault> {
        match self.below.pop() {
            None => Ok(Next::Exit(Exit::Release { cause })),
            Some(caller) => {
                let called = std::mem::replace(&mut self.top, caller);
                self.take_results(&called)
            }
        }
    }

    /// A node has failed and has no edge for that: its flow's `on_fault`, or that of the flow around
    /// it, or the end.
    fn fail(&mut self, fault: Fault) -> Result<Next, Fault> {
        let (flow, node) = self.position();
        let why = format!("flow {flow}, node {node}: {fault}");
        self.faults = self.faults.saturating_add(1);
        if matches!(fault, Fault::TooManySteps) || self.faults > FAULTS_MAX {
            return Ok(Next::Exit(Exit::Fault(why)));
        }
        loop {
            if let Some(node) = self.top.program.on_fault() {
                self.outputs.push_back(Output::Trouble(why));
                return Ok(Next::Node(node));
            }
            match self.below.pop() {
                Some(caller) => self.top = caller,
                None => return Ok(Next::Exit(Exit::Fault(why))),
            }
        }
    }

    fn leave(&mut self, exit: Exit) {
        self.stop();
        if std::mem::take(&mut self.secret) {
            self.outputs.push_back(Output::Secret(false));
        }
        self.state = match exit {
            Exit::SkillQueue(_) | Exit::Agent(_) | Exit::Number { .. } => State::Left,
            Exit::HoldTheLine { .. }
            | Exit::AtKeys { .. }
            | Exit::Release { .. }
            | Exit::Fault(_) => State::Over,
        };
        self.outputs.push_back(Output::Exit(exit));
    }

    /// Something has happened; if time has passed as well, the count of steps begins again.
    fn time_moves(&mut self, now: Now) {
        if now.mono > self.steps_since && self.hung_up_until.is_none() {
            self.steps = 0;
            self.steps_since = now.mono;
        }
    }

    /// Digits are secret from here on if any flow that can be reached asks for a secret: they may be
    /// typed ahead.
    fn hide_digits(&mut self) {
        if !self.secret && self.may_ask_for_secrets() {
            self.secret = true;
            self.outputs.push_back(Output::Secret(true));
        }
    }

    /// Whether a secret may be asked for yet: by this flow, or one that it runs in.
    fn may_ask_for_secrets(&self) -> bool {
        let mut frames = self.below.iter().chain([&self.top]);
        frames.any(|frame| frame::asks_for_secrets(&self.flows, self.draft, &frame.program))
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Says something, if there is anything to say and anybody to hear it.
    fn play(&mut self, sounds: Vec<Sound>, repeat: bool) -> Option<u32> {
        if sounds.is_empty() || self.hung_up_until.is_some() {
            return None;
        }
        let play = self.next_id();
        self.playing = Some(play);
        self.outputs.push_back(Output::Play { play, sounds, repeat });
        Some(play)
    }

    fn stop(&mut self) {
        if let Some(play) = self.playing.take() {
            self.outputs.push_back(Output::Stop { play });
        }
    }

    fn ask(&mut self, now: Now, what: Effect, within: Duration) -> (u32, Mono) {
        let effect = self.next_id();
        self.outputs.push_back(Output::Effect { effect, what, within });
        (effect, now.mono + within + EFFECT_GRACE)
    }

    /// Where an edge leads.
    fn edge(&self, name: &str) -> Result<Next, Fault> {
        edge(&self.top.program, name)
    }
}

fn edge(program: &Program, name: &str) -> Result<Next, Fault> {
    program.find(name).map(Next::Node).ok_or_else(|| Fault::NoNode(name.into()))
}

/// Never shows what was typed or what variables hold.
impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flow, node) = self.position();
        let state = match self.state {
            State::Pausing { .. } => "pausing",
            State::Speaking { .. } => "speaking",
            State::Waiting { .. } => "waiting",
            State::Listening(_) => "listening",
            State::SignIn(_) => "sign-in",
            State::Effect { .. } => "effect",
            State::Suspended(_) => "suspended",
            State::Left => "left",
            State::Over => "over",
        };
        f.debug_struct("Run").field("flow", &flow).field("node", &node).field("is", &state).finish()
    }
}
