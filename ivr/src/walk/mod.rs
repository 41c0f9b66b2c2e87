//! [`Walk`]: a flow run in virtual time, without a phone.
//!
//! ```text
//! press, end of a play, answer, deadline, hang-up: the earliest ──▶ Run ──▶ what the caller hears
//! ```
//! Owns: the clock of a walk, when plays end and effects are answered, the account of it
//! ([`Event`]). Does not own: what a caller does and what the world answers ([`World`]); trying all of
//! it ([`explore`]).

pub mod explore;

use crate::run::Run;
use crate::run::io::{Done, Effect, Exit, Failure, Input, Output, Sound};
use hotline_base::{Mono, Now, Wall};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What surrounds a walk.
pub trait World {
    /// What the caller does now: asked for whenever a node was entered or something is said. Keys
    /// are pressed one after the other, at once.
    fn act(&mut self, run: &Run) -> Act;
    /// How long something is heard.
    fn length(&self, sound: &Sound) -> Duration;
    /// What an effect comes to, and after how long.
    fn answer(&mut self, run: &Run, effect: &Effect) -> (Duration, Done);
    /// Whether a transfer fails.
    fn transfer(&mut self, run: &Run, exit: &Exit) -> Option<Failure>;
}

/// What a caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Listens on.
    Listen,
    /// Presses keys.
    Press(String),
    /// Hangs up.
    HangUp,
}

/// One thing that happened on a walk.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A node was entered.
    Entered {
        /// Flow.
        flow: Arc<str>,
        /// Node.
        node: Arc<str>,
    },
    /// The caller hears this.
    Hears {
        /// In order.
        sounds: Vec<Sound>,
        /// Again and again.
        repeat: bool,
    },
    /// What was said stops.
    Stopped,
    /// A key; none where digits are secret.
    Pressed(Option<char>),
    /// Something is done outside.
    Asked(String),
    /// Data are attached.
    Data(String, String),
    /// Another language is spoken.
    Language(String),
    /// The caller's priority.
    Priority(u8),
    /// The caller is remembered to speak this language.
    Remembered,
    /// Something did not work.
    Trouble(String),
    /// The caller has hung up.
    HungUp,
    /// The flow has left its call.
    Exit(Exit),
    /// The transfer it left by has failed.
    TransferFailed(Failure),
}

/// A walk.
pub struct Walk<W> {
    /// The flow.
    pub run: Run,
    /// What surrounds it.
    pub world: W,
    /// What happened and when, from the beginning.
    pub events: Vec<(Duration, Event)>,
    began: Now,
    at: Mono,
    presses: VecDeque<(Mono, char)>,
    play: Option<(u32, Option<Mono>)>,
    effect: Option<(u32, Mono, Done)>,
    hang_up: Option<Mono>,
    secret: bool,
    exit: Option<Exit>,
}

impl<W: World> Walk<W> {
    /// Begins where a run has been started.
    pub fn new(run: Run, world: W, now: Now) -> Walk<W> {
        let mut walk = Walk {
            run,
            world,
            events: Vec::new(),
            began: now,
            at: now.mono,
            presses: VecDeque::new(),
            play: None,
            effect: None,
            hang_up: None,
            secret: false,
            exit: None,
        };
        walk.drain();
        walk
    }

    /// Keys to be pressed, each so long after the beginning.
    pub fn press_at(&mut self, presses: impl IntoIterator<Item = (Duration, char)>) {
        let began = self.began.mono;
        self.presses.extend(presses.into_iter().map(|(after, key)| (began + after, key)));
    }

    /// When the caller hangs up, counted from the beginning.
    pub fn hang_up_at(&mut self, after: Duration) {
        self.hang_up = Some(self.began.mono + after);
    }

    /// How the flow has left its call.
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// Time passed.
    pub fn elapsed(&self) -> Duration {
        self.at.since(self.began.mono)
    }

    /// Goes on until the flow is over, nothing can happen any more, or time is up: what would come
    /// later does not happen.
    pub fn go(&mut self, limit: Duration) {
        let end = self.began.mono + limit;
        while self.exit.is_none() {
            match self.next_at() {
                Some(next) if next <= end => self.step(),
                Some(_) => {
                    self.at = self.at.max(end);
                    return;
                }
                None => return,
            };
        }
    }

    /// When each kind of thing happens next: a press, the end of what is played, of what is done
    /// outside, a hang-up, a time-out.
    fn due(&self) -> [Option<Mono>; 5] {
        let press = self.presses.front().map(|(at, _)| *at);
        let play = self.play.and_then(|(_, ends)| ends);
        let effect = self.effect.as_ref().map(|(_, at, _)| *at);
        [press, play, effect, self.hang_up, self.run.deadline()]
    }

    fn next_at(&self) -> Option<Mono> {
        self.due().into_iter().flatten().min()
    }

    /// Lets the next thing happen. False: nothing can.
    pub fn step(&mut self) -> bool {
        let [press, play, effect, ..] = self.due();
        let Some(next) = self.next_at() else { return false };
        self.at = self.at.max(next);
        let input = if self.hang_up.is_some_and(|at| at <= next) {
            self.hang_up = None;
            self.hung_up()
        } else if press == Some(next) {
            let key = self.presses.pop_front().map_or(' ', |(_, key)| key);
            self.log(Event::Pressed((!self.secret).then_some(key)));
            Input::Digit(key)
        } else if play == Some(next) {
            let play = self.play.take().map_or(0, |(play, _)| play);
            Input::PlayEnded { play }
        } else if effect == Some(next) {
            let Some((effect, _, done)) = self.effect.take() else { return false };
            Input::Done { effect, done }
        } else {
            Input::Expire
        };
        self.run.handle(self.now(), input);
        self.drain();
        true
    }

    fn hung_up(&mut self) -> Input {
        self.presses.clear();
        self.play = None;
        self.log(Event::HungUp);
        Input::HungUp
    }

    fn now(&self) -> Now {
        let passed = i64::try_from(self.elapsed().as_micros()).unwrap_or(i64::MAX);
        Now { mono: self.at, wall: Wall(self.began.wall.0.saturating_add(passed)) }
    }

    fn log(&mut self, event: Event) {
        self.events.push((self.elapsed(), event));
    }

    fn drain(&mut self) {
        loop {
            let mut asks = false;
            while let Some(output) = self.run.poll() {
                asks |= matches!(output, Output::Entered { .. } | Output::Play { .. });
                self.take(output);
            }
            if self.exit.is_some() || !asks {
                return;
            }
            match self.world.act(&self.run) {
                Act::Listen => return,
                Act::Press(keys) => {
                    self.presses.extend(keys.chars().map(|key| (self.at, key)));
                    return;
                }
                Act::HangUp => {
                    let input = self.hung_up();
                    self.run.handle(self.now(), input);
                }
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Play { play, sounds, repeat } => {
                let length: Duration = sounds.iter().map(|sound| self.world.length(sound)).sum();
                self.play = Some((play, (!repeat).then_some(self.at + length)));
                self.log(Event::Hears { sounds, repeat });
            }
            Output::Stop { .. } => {
                if self.play.take().is_some() {
                    self.log(Event::Stopped);
                }
            }
            Output::Effect { effect, what, within } => {
                self.log(Event::Asked(words(&what)));
                let (after, done) = self.world.answer(&self.run, &what);
                let done =
                    if after > within { Done::Failed("no answer in time".into()) } else { done };
                self.effect = Some((effect, self.at + after.min(within), done));
            }
            Output::Data { key, value } => self.log(Event::Data(key, value)),
            Output::Language(language) => self.log(Event::Language(language)),
            Output::Priority(priority) => self.log(Event::Priority(priority)),
            Output::RememberLanguage => self.log(Event::Remembered),
            Output::Secret(secret) => self.secret = secret,
            Output::Entered { flow, node } => self.log(Event::Entered { flow, node }),
            Output::Trouble(why) => self.log(Event::Trouble(why)),
            Output::Exit(exit) => {
                self.play = None;
                self.log(Event::Exit(exit.clone()));
                match self.world.transfer(&self.run, &exit) {
                    Some(failure) => {
                        self.log(Event::TransferFailed(failure));
                        self.run.handle(self.now(), Input::TransferFailed(failure));
                    }
                    None => self.exit = Some(exit),
                }
            }
        }
    }
}

/// An effect in words; nothing that a caller typed but an employee ID.
fn words(effect: &Effect) -> String {
    match effect {
        Effect::Http(request) => {
            // Without its query: values are there.
            let url = request.url.expose();
            let shown = url.split('?').next().unwrap_or_default();
            format!("{} {shown}", request.method)
        }
        Effect::QueueStatus { queue } => format!("state of queue {queue}"),
        Effect::Record { mailbox, max_s, .. } => {
            format!("record a message for {mailbox}, at most {max_s} s")
        }
        Effect::VerifyAgent { employee_id, .. } => format!("check the PIN of {employee_id}"),
        Effect::SignIn { employee_id, hold_the_line } => {
            let how = if *hold_the_line { "holding the line" } else { "to be rung" };
            format!("sign {employee_id} in, {how}")
        }
    }
}
