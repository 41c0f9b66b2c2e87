//! Signing in from any telephone: the one node that asks for a PIN.
//!
//! ```text
//!  EmployeeId ─▶ Pin ─▶ Verifying ─verified─▶ Mode ─▶ SigningIn ─▶ Told ─▶ next, or out holding
//!      ▲                   │ refused, nothing typed: one try less
//!      └───────────────────┘ locked: on_locked
//! ```
//! Who cannot take calls in the way it has chosen hears so, and chooses again.
//! An agent who is signed in already, to be rung, leaves the flow once verified: its keys are codes.
//!
//! Owns: what is asked in which order and how often. Does not own: whether the PIN is right and who
//! is locked out (the engine, in constant time). The PIN is in no variable, no snapshot and no
//! trace: from the keys it goes into a [`Redacted`] that leaves with the effect.

use super::fault::Fault;
use super::io::{Done, Effect, Exit, Sound};
use super::listen::{Heard, Listener, Manners, Wanted};
use super::{Next, PLAY_MAX, Run, State};
use crate::model::{Name, Node, SignInMode, SignInPrompts};
use hotline_base::{Mono, Now, Redacted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TYPED_MAX: usize = 32;
const TERMINATOR: char = '#';
const VERIFY_WITHIN: Duration = Duration::from_secs(10);
/// How often the mode is asked for.
const MODE_TRIES: u8 = 3;
const MANNERS: Manners =
    Manners { barge_in: true, first: Duration::from_secs(10), between: Duration::from_secs(5) };
const HOLD_KEY: &str = "1";
const RING_KEY: &str = "2";

pub(super) struct SignIn {
    tries_left: u8,
    employee_id: String,
    stage: Stage,
}

enum Stage {
    EmployeeId(Listener),
    Pin(Listener),
    Verifying { effect: u32, until: Mono },
    Mode { listener: Listener, tries_left: u8 },
    SigningIn { effect: u32, until: Mono, hold_the_line: bool, tries_left: u8 },
    Told { until: Mono, hold_the_line: bool },
}

/// What the node says.
struct Settings<'a> {
    prompts: &'a SignInPrompts,
    mode: SignInMode,
    next: &'a str,
    on_failure: &'a str,
    on_locked: &'a str,
}

type Hear = fn(&mut Run, Now, Listener, Manners, &Wanted<'_>) -> Heard;

impl SignIn {
    pub(super) fn deadline(&self) -> Mono {
        match &self.stage {
            Stage::EmployeeId(listener) | Stage::Pin(listener) | Stage::Mode { listener, .. } => {
                listener.deadline()
            }
            Stage::Verifying { until, .. }
            | Stage::SigningIn { until, .. }
            | Stage::Told { until, .. } => *until,
        }
    }

    pub(super) fn waits_for(&self, answered: u32) -> bool {
        match self.stage {
            Stage::Verifying { effect, .. } | Stage::SigningIn { effect, .. } => effect == answered,
            _ => false,
        }
    }
}

impl Run {
    pub(super) fn sign_in(
        &mut self,
        now: Now,
        prompts: &SignInPrompts,
        tries: u8,
    ) -> Result<Next, Fault> {
        self.ask_employee_id(now, vec![self.prompt(&prompts.employee_id)], tries.max(1))
    }

    pub(super) fn take_sign_in_digits(&mut self, now: Now) -> Result<Next, Fault> {
        self.hear_sign_in(now, Run::hear)
    }

    pub(super) fn take_sign_in_said(&mut self, now: Now) -> Result<Next, Fault> {
        if let State::SignIn(sign_in) = &self.state
            && let Stage::Told { hold_the_line, .. } = sign_in.stage
        {
            return self.finish(hold_the_line);
        }
        self.hear_sign_in(now, Run::hear_said)
    }

    pub(super) fn take_sign_in_expired(&mut self, now: Now) -> Result<Next, Fault> {
        let State::SignIn(sign_in) = &self.state else { return Ok(Next::Stay) };
        match sign_in.stage {
            Stage::Verifying { .. } | Stage::SigningIn { .. } => {
                self.take_sign_in_done(now, Done::Failed("no answer in time".into()))
            }
            Stage::Told { hold_the_line, .. } => {
                self.stop();
                self.finish(hold_the_line)
            }
            _ => self.hear_sign_in(now, Run::hear_expired),
        }
    }

    pub(super) fn take_sign_in_done(&mut self, now: Now, done: Done) -> Result<Next, Fault> {
        let Some(sign_in) = self.take_sign_in() else { return Ok(Next::Stay) };
        self.with_settings(|run, settings| match (&sign_in.stage, done) {
            (_, Done::Locked) => run.edge(settings.on_locked),
            (Stage::Verifying { .. }, Done::Verified) => {
                run.ask_mode(now, sign_in.employee_id, settings)
            }
            (Stage::Verifying { .. }, Done::VerifiedRung) => {
                run.serve_rung(now, sign_in.employee_id, settings)
            }
            (Stage::Verifying { .. }, Done::Refused) => {
                run.try_again(now, sign_in.tries_left, settings)
            }
            (Stage::SigningIn { hold_the_line, .. }, Done::SignedIn) => {
                run.tell(now, *hold_the_line, sign_in.employee_id, settings)
            }
            (Stage::SigningIn { tries_left, .. }, Done::Refused) => {
                run.ask_mode_again(now, sign_in.employee_id, settings, *tries_left)
            }
            (_, Done::Failed(why)) => Err(Fault::Effect(why)),
            _ => Err(Fault::Effect("an answer to something else".into())),
        })
    }

    fn hear_sign_in(&mut self, now: Now, hear: Hear) -> Result<Next, Fault> {
        let Some(sign_in) = self.take_sign_in() else { return Ok(Next::Stay) };
        let SignIn { tries_left, employee_id, stage } = *sign_in;
        let typed = Wanted::Text { min: 1, max: TYPED_MAX, terminator: Some(TERMINATOR) };
        match stage {
            Stage::EmployeeId(listener) => match hear(self, now, listener, MANNERS, &typed) {
                Heard::Still(listener) => self.stay(SignIn {
                    tries_left,
                    employee_id,
                    stage: Stage::EmployeeId(listener),
                }),
                Heard::Taken(typed) => self.ask_pin(now, tries_left, typed.into_inner()),
                Heard::Nothing | Heard::NoMatch => self.one_try_less(now, tries_left),
            },
            Stage::Pin(listener) => match hear(self, now, listener, MANNERS, &typed) {
                Heard::Still(listener) => {
                    self.stay(SignIn { tries_left, employee_id, stage: Stage::Pin(listener) })
                }
                Heard::Taken(pin) => self.verify(now, tries_left, employee_id, pin),
                Heard::Nothing | Heard::NoMatch => self.one_try_less(now, tries_left),
            },
            Stage::Mode { listener, tries_left: left } => {
                let keys = mode_keys();
                match hear(self, now, listener, MANNERS, &Wanted::Key(&keys)) {
                    Heard::Still(listener) => {
                        let stage = Stage::Mode { listener, tries_left: left };
                        self.stay(SignIn { tries_left, employee_id, stage })
                    }
                    Heard::Taken(key) => {
                        let hold_the_line = key.expose() == HOLD_KEY;
                        self.ask_to_sign_in(now, employee_id, hold_the_line, left)
                    }
                    Heard::Nothing | Heard::NoMatch => {
                        self.with_settings(|run, settings| match left.checked_sub(1) {
                            None | Some(0) => run.edge(settings.on_failure),
                            Some(left) => run.listen_for_mode(
                                now,
                                employee_id,
                                &[&settings.prompts.mode],
                                left,
                            ),
                        })
                    }
                }
            }
            // Keys pressed meanwhile are typed ahead; ends of what was said before say nothing.
            stage => self.stay(SignIn { tries_left, employee_id, stage }),
        }
    }

    fn ask_employee_id(
        &mut self,
        now: Now,
        sounds: Vec<Sound>,
        tries_left: u8,
    ) -> Result<Next, Fault> {
        let listener = self.listen(now, sounds, MANNERS, 0);
        let stage = Stage::EmployeeId(listener);
        let sign_in = SignIn { tries_left, employee_id: String::new(), stage };
        self.state = State::SignIn(Box::new(sign_in));
        self.hear_sign_in(now, Run::hear)
    }

    fn ask_pin(&mut self, now: Now, tries_left: u8, employee_id: String) -> Result<Next, Fault> {
        let sounds =
            self.with_settings(|run, settings| Ok(vec![run.prompt(&settings.prompts.pin)]))?;
        let stage = Stage::Pin(self.listen(now, sounds, MANNERS, 0));
        self.state = State::SignIn(Box::new(SignIn { tries_left, employee_id, stage }));
        self.hear_sign_in(now, Run::hear)
    }

    fn verify(
        &mut self,
        now: Now,
        tries_left: u8,
        employee_id: String,
        pin: Redacted<String>,
    ) -> Result<Next, Fault> {
        let what = Effect::VerifyAgent { employee_id: employee_id.clone(), pin };
        let (effect, until) = self.ask(now, what, VERIFY_WITHIN);
        self.stay(SignIn { tries_left, employee_id, stage: Stage::Verifying { effect, until } })
    }

    fn one_try_less(&mut self, now: Now, tries_left: u8) -> Result<Next, Fault> {
        self.with_settings(|run, settings| run.try_again(now, tries_left, settings))
    }

    fn try_again(
        &mut self,
        now: Now,
        tries_left: u8,
        settings: &Settings<'_>,
    ) -> Result<Next, Fault> {
        let Some(left) = tries_left.checked_sub(1).filter(|left| *left > 0) else {
            return self.edge(settings.on_failure);
        };
        // Whatever was typed ahead was for the try that failed.
        self.digits.clear();
        let prompts = settings.prompts;
        let sounds = vec![self.prompt(&prompts.wrong), self.prompt(&prompts.employee_id)];
        self.ask_employee_id(now, sounds, left)
    }

    fn ask_mode(
        &mut self,
        now: Now,
        employee_id: String,
        settings: &Settings<'_>,
    ) -> Result<Next, Fault> {
        match settings.mode {
            SignInMode::Ask => {
                self.listen_for_mode(now, employee_id, &[&settings.prompts.mode], MODE_TRIES)
            }
            SignInMode::HoldTheLine => self.ask_to_sign_in(now, employee_id, true, 0),
            SignInMode::BeRung => self.ask_to_sign_in(now, employee_id, false, 0),
        }
    }

    /// It cannot take calls in that way: it has no number to be rung at, or a call elsewhere.
    fn ask_mode_again(
        &mut self,
        now: Now,
        employee_id: String,
        settings: &Settings<'_>,
        tries_left: u8,
    ) -> Result<Next, Fault> {
        let Some(left) = tries_left.checked_sub(1).filter(|left| *left > 0) else {
            return self.edge(settings.on_failure);
        };
        self.digits.clear();
        let prompts = settings.prompts;
        self.listen_for_mode(now, employee_id, &[&prompts.not_possible, &prompts.mode], left)
    }

    /// Nothing to sign in for, unless the line is to be held.
    fn serve_rung(
        &mut self,
        now: Now,
        employee_id: String,
        settings: &Settings<'_>,
    ) -> Result<Next, Fault> {
        if settings.mode == SignInMode::HoldTheLine {
            return self.ask_to_sign_in(now, employee_id, true, 0);
        }
        let may_hold = settings.mode == SignInMode::Ask;
        Ok(Next::Exit(Exit::AtKeys { employee_id, may_hold }))
    }

    fn listen_for_mode(
        &mut self,
        now: Now,
        employee_id: String,
        prompts: &[&str],
        tries_left: u8,
    ) -> Result<Next, Fault> {
        let sounds = prompts.iter().map(|prompt| self.prompt(prompt)).collect();
        let listener = self.listen(now, sounds, MANNERS, 0);
        let stage = Stage::Mode { listener, tries_left };
        self.state = State::SignIn(Box::new(SignIn { tries_left: 0, employee_id, stage }));
        self.hear_sign_in(now, Run::hear)
    }

    fn ask_to_sign_in(
        &mut self,
        now: Now,
        employee_id: String,
        hold_the_line: bool,
        tries_left: u8,
    ) -> Result<Next, Fault> {
        let what = Effect::SignIn { employee_id: employee_id.clone(), hold_the_line };
        let (effect, until) = self.ask(now, what, VERIFY_WITHIN);
        let stage = Stage::SigningIn { effect, until, hold_the_line, tries_left };
        self.stay(SignIn { tries_left: 0, employee_id, stage })
    }

    fn tell(
        &mut self,
        now: Now,
        hold_the_line: bool,
        employee_id: String,
        settings: &Settings<'_>,
    ) -> Result<Next, Fault> {
        self.digits.clear();
        let sounds = vec![self.prompt(&settings.prompts.signed_in)];
        let _ = self.play(sounds, false);
        let stage = Stage::Told { until: now.mono + PLAY_MAX, hold_the_line };
        self.stay(SignIn { tries_left: 0, employee_id, stage })
    }

    fn finish(&mut self, hold_the_line: bool) -> Result<Next, Fault> {
        let Some(sign_in) = self.take_sign_in() else { return Ok(Next::Stay) };
        if hold_the_line {
            return Ok(Next::Exit(Exit::HoldTheLine { employee_id: sign_in.employee_id }));
        }
        self.with_settings(|run, settings| run.edge(settings.next))
    }

    fn stay(&mut self, sign_in: SignIn) -> Result<Next, Fault> {
        self.state = State::SignIn(Box::new(sign_in));
        Ok(Next::Stay)
    }

    fn take_sign_in(&mut self) -> Option<Box<SignIn>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::SignIn(sign_in) => Some(sign_in),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn with_settings<T>(
        &mut self,
        act: impl FnOnce(&mut Run, &Settings<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let program = Arc::clone(&self.top.program);
        match program.step(self.top.node).map(|step| &step.node) {
            Some(Node::AgentSignIn { prompts, mode, next, on_failure, on_locked, .. }) => {
                act(self, &Settings { prompts, mode: *mode, next, on_failure, on_locked })
            }
            _ => Err(Fault::NoNode(self.top.node_name().to_owned())),
        }
    }
}

fn mode_keys() -> BTreeMap<String, Name> {
    [HOLD_KEY, RING_KEY].map(|key| (key.to_owned(), Name::new())).into()
}
