//! [`Phone`]: a caller in virtual time, and an account of what a flow does, in short words.

#![allow(dead_code)] // each test binary uses a part of it

use hotline_base::calendar::TimeZone;
use hotline_base::{Mono, Now, Wall};
use hotline_ivr::model::Flow;
use hotline_ivr::program::Flows;
use hotline_ivr::run::io::{Done, Effect, Exit, Facts, HttpRequest, Input, Output, Sound};
use hotline_ivr::run::{Run, Snapshot, Start};
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Phone {
    pub run: Run,
    pub exit: Option<Exit>,
    pub secret: bool,
    pub now_ms: u64,
    suspended: bool,
    flows: Arc<Flows>,
    told: Vec<String>,
    play: Option<u32>,
    effect: Option<u32>,
    pub effects: Vec<Effect>,
}

pub fn flow(text: &str) -> Flow {
    let document: serde_json::Value = toml::from_str(text).unwrap();
    hotline_ivr::read::flow(&document).unwrap_or_else(|faults| panic!("{faults:?}"))
}

pub fn start(caller: &str) -> Start {
    Start {
        facts: Facts { caller: caller.into(), ..Facts::default() },
        language: "en".into(),
        default_language: "en".into(),
        time_zone: TimeZone::utc(),
        working_times: Arc::new(BTreeMap::new()),
    }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_ms(ms), wall: Wall(1_800_000_000_000_000 + ms as i64 * 1_000) }
}

impl Phone {
    pub fn call(text: &str) -> Phone {
        Phone::with(&[("main", text)])
    }

    pub fn with(texts: &[(&str, &str)]) -> Phone {
        Phone::from_caller(texts, "+15550001111")
    }

    pub fn from_caller(texts: &[(&str, &str)], caller: &str) -> Phone {
        let flows = texts.iter().map(|(name, text)| (name.to_string(), flow(text)));
        let flows = Arc::new(Flows::build(&flows.collect(), &BTreeMap::new()));
        let run = Run::start(&flows, "main", false, start(caller), now(1_000)).unwrap();
        Phone::of(run, flows, 1_000)
    }

    fn of(run: Run, flows: Arc<Flows>, now_ms: u64) -> Phone {
        let mut phone = Phone {
            run,
            exit: None,
            secret: false,
            now_ms,
            suspended: false,
            flows,
            told: Vec::new(),
            play: None,
            effect: None,
            effects: Vec::new(),
        };
        phone.drain();
        phone
    }

    pub fn restored(&self, snapshot: &Snapshot) -> Phone {
        let start = start("+15550001111");
        let run = Run::restore(&self.flows, snapshot, start, now(self.now_ms)).unwrap();
        Phone::of(run, Arc::clone(&self.flows), self.now_ms)
    }

    pub fn told(&self) -> Vec<&str> {
        self.told.iter().map(String::as_str).collect()
    }

    pub fn perform(&mut self, script: &str) {
        for word in script.split_whitespace() {
            match word {
                "!" => {
                    let Some(play) = self.play.take() else { continue };
                    self.input(Input::PlayEnded { play });
                }
                "hang" => self.input(Input::HungUp),
                word => match word.strip_prefix('+') {
                    Some(tenths) => self.pass(tenths.parse::<u64>().unwrap() * 100),
                    None => word.chars().for_each(|key| self.input(Input::Digit(key))),
                },
            }
        }
    }

    /// Lets time pass; deadlines are met as they come.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(due) = self.run.deadline().map(Mono::as_ms).filter(|due| *due <= end) {
            self.now_ms = self.now_ms.max(due);
            self.input(Input::Expire);
        }
        self.now_ms = end;
    }

    pub fn answer(&mut self, done: Done) {
        let effect = self.effect.take().expect("an effect is asked for");
        self.input(Input::Done { effect, done });
    }

    pub fn http(&self) -> &HttpRequest {
        match self.effects.last() {
            Some(Effect::Http(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    pub fn input(&mut self, input: Input) {
        match input {
            Input::Suspend => self.suspended = true,
            Input::Resume | Input::HungUp => self.suspended = false,
            _ => {}
        }
        self.run.handle(now(self.now_ms), input);
        self.drain();
        let waits = self.run.deadline().is_some() || self.suspended;
        assert!(waits || self.exit.is_some(), "what waits has a deadline");
    }

    fn drain(&mut self) {
        while let Some(output) = self.run.poll() {
            let told = self.words(output);
            self.told.extend(told);
        }
    }

    fn words(&mut self, output: Output) -> Option<String> {
        Some(match output {
            Output::Play { play, sounds, repeat } => {
                self.play = Some(play);
                let sounds: Vec<String> = sounds.iter().map(sound).collect();
                format!("{}{}", sounds.join(" "), if repeat { " again" } else { "" })
            }
            Output::Stop { play } => {
                assert_eq!(self.play.take(), Some(play), "only what is said is stopped");
                "stop".into()
            }
            Output::Effect { effect, what, .. } => {
                self.effect = Some(effect);
                self.effects.push(what.clone());
                match what {
                    Effect::Http(request) => request.method,
                    Effect::QueueStatus { queue } => format!("state {queue}"),
                    Effect::Record { mailbox, .. } => format!("record {mailbox}"),
                    Effect::VerifyAgent { employee_id, .. } => format!("verify {employee_id}"),
                    Effect::SignIn { employee_id, hold_the_line } => {
                        format!("sign in {employee_id} {hold_the_line}")
                    }
                }
            }
            Output::Data { key, value } => format!("data {key}={value}"),
            Output::Language(language) => format!("language {language}"),
            Output::Priority(priority) => format!("priority {priority}"),
            Output::RememberLanguage => "remember".into(),
            Output::Trouble(why) => format!("trouble {why}"),
            Output::Secret(secret) => {
                self.secret = secret;
                return None;
            }
            Output::Entered { .. } => return None,
            Output::Exit(exit) => {
                self.exit = Some(exit.clone());
                match exit {
                    Exit::SkillQueue(queue) => format!("to {queue}"),
                    Exit::Agent(agent) => format!("to agent {agent}"),
                    Exit::Number { number, trunk } => format!("to {number} by {trunk}"),
                    Exit::HoldTheLine { employee_id } => format!("{employee_id} holds"),
                    Exit::AtKeys { employee_id, .. } => format!("{employee_id} at its keys"),
                    Exit::Release { cause } => format!("release {cause}"),
                    Exit::Fault(why) => format!("fault: {why}"),
                }
            }
        })
    }
}

/// English goes without saying.
fn sound(sound: &Sound) -> String {
    match sound {
        Sound::Prompt { language, name } if language == "en" => name.clone(),
        Sound::Prompt { language, name } => format!("{language}/{name}"),
        Sound::Tone(name) => format!("tone {name}"),
        Sound::Silence(ms) => format!("silence {ms}"),
    }
}
