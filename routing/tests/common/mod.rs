//! A centre in virtual time: steps are inputs, what comes out is read as short lines.
#![allow(dead_code)]

use hotline_base::{Mono, Now, Rng, Wall};
use hotline_routing::config::{Agent, Skill, SkillQueue};
use hotline_routing::*;
use std::sync::Arc;
use std::time::Duration;

pub struct Centre {
    pub routing: Routing,
    pub now: Now,
}

/// Queues by name; agents by employee ID with `queue` or `queue:level`.
pub fn config(queues: &[&str], agents: &[(&str, &[&str])]) -> Config {
    let skill = |text: &&str| {
        let (queue, level) = text.split_once(':').unwrap_or((text, "1"));
        Skill { queue: queue.into(), level: level.parse().unwrap() }
    };
    Config {
        queues: queues
            .iter()
            .map(|name| SkillQueue {
                name: (*name).into(),
                description: "d".into(),
                ..SkillQueue::default()
            })
            .collect(),
        agents: agents
            .iter()
            .map(|(id, skills)| Agent {
                employee_id: (*id).into(),
                skill_queues: skills.iter().map(skill).collect(),
                ..Agent::default()
            })
            .collect(),
        ..Config::default()
    }
}

impl Centre {
    pub fn new(config: Config) -> Centre {
        let now = Now { mono: Mono::from_ms(1_000_000), wall: Wall::from_s(1_800_000_000) };
        let errors: Vec<_> = config
            .validate()
            .into_iter()
            .filter(|fault| fault.severity == validate::Severity::Error)
            .collect();
        assert_eq!(errors, []);
        let routing = Routing::new(now, Arc::new(config), &mut Rng::from_number(1));
        Centre { routing, now }
    }

    pub fn queue(&self, name: &str) -> QueueRef {
        self.routing.queue(name).unwrap()
    }

    pub fn agent(&self, id: &str) -> AgentRef {
        self.routing.agent(id).unwrap()
    }

    /// Hands an input in and reads what comes out.
    pub fn step(&mut self, input: Input) -> Vec<String> {
        self.routing.handle(self.now, input);
        self.read()
    }

    pub fn configure(&mut self, config: Config) -> Vec<String> {
        self.routing.configure(self.now, Arc::new(config));
        self.read()
    }

    /// Lets time pass, expiring each deadline at its moment.
    pub fn pass(&mut self, seconds: f64) -> Vec<String> {
        let until = self.now.mono + Duration::from_secs_f64(seconds);
        let mut lines = Vec::new();
        while let Some((at, _)) = self.routing.deadline().filter(|(at, _)| *at <= until) {
            self.advance(at);
            lines.extend(self.step(Input::Expire));
        }
        self.advance(until);
        lines
    }

    fn advance(&mut self, to: Mono) {
        let by = to.since(self.now.mono);
        self.now = Now { mono: self.now.mono + by, wall: self.now.wall + by };
    }

    pub fn arrives(&mut self, call: u64, queue: &str) -> Vec<String> {
        self.arrives_with(call, queue, 0)
    }

    pub fn arrives_with(&mut self, call: u64, queue: &str, priority: u8) -> Vec<String> {
        let queue = self.queue(queue);
        self.step(Input::Arrived { call: CallRef(call), queue, priority, hops: 0, test: false })
    }

    pub fn signs_in(&mut self, id: &str) -> Vec<String> {
        self.signs_in_to(id, Queues::All)
    }

    pub fn signs_in_to(&mut self, id: &str, queues: Queues) -> Vec<String> {
        let (agent, session) = (self.agent(id), Session(1));
        let device = Device::Softphone;
        self.step(Input::SignIn { agent, queues, force: false, session, device })
    }

    pub fn fails(&mut self, offer: u64, why: OfferFailure) -> Vec<String> {
        self.step(Input::OfferFailed { offer: OfferId(offer), why })
    }

    /// Answers and connects.
    pub fn talks(&mut self, offer: u64) -> Vec<String> {
        let mut lines = self.step(Input::Answered { offer: OfferId(offer) });
        lines.extend(self.step(Input::Connected { offer: OfferId(offer) }));
        lines
    }

    pub fn ends(&mut self, id: &str, call: u64) -> Vec<String> {
        let agent = self.agent(id);
        self.step(Input::CallEnded { agent, call: CallRef(call) })
    }

    /// The same for an agent that is no longer configured.
    pub fn ends_removed(&mut self, agent: u32, call: u64) -> Vec<String> {
        self.step(Input::CallEnded { agent: AgentRef(agent), call: CallRef(call) })
    }

    pub fn gone(&mut self, call: u64) -> Vec<String> {
        self.step(Input::CallerGone { call: CallRef(call) })
    }

    pub fn state(&self, id: &str) -> AgentState {
        self.routing.agent_status(self.agent(id)).unwrap().state
    }

    /// Nothing is left of any call.
    pub fn assert_quiet(&self) {
        assert_eq!(self.routing.calls_len(), 0, "calls left");
        assert_eq!(self.routing.offers_len(), 0, "offers left");
    }

    fn read(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.routing.poll() {
            lines.push(self.line(&output));
        }
        lines
    }

    fn line(&self, output: &Output) -> String {
        let q = |queue: &QueueRef| self.routing.queue_settings(*queue).unwrap().name.clone();
        let a = |agent: &AgentRef| match self.routing.agent_settings(*agent) {
            Some(settings) => settings.employee_id.clone(),
            None => agent.to_string(),
        };
        match output {
            Output::Queued { call, queue, position, .. } => {
                format!("{call} waits in {} at {position}", q(queue))
            }
            Output::Offer { offer, call, agent, queue, offer_time } => {
                let queue = queue.as_ref().map_or("-".into(), q);
                let s = offer_time.as_secs();
                format!("{offer}: {call} of {queue} to {} for {s} s", a(agent))
            }
            Output::Withdraw { offer, why, .. } => format!("withdraw {offer}: {why:?}"),
            Output::Overflow { call, queue, why, policy, hops } => {
                let policy = match policy {
                    Policy::Release { prompt } => {
                        format!("release {}", prompt.as_deref().unwrap_or("standard"))
                    }
                    other => format!("{other:?}"),
                };
                format!("{call} leaves {} after {hops}: {why:?}, {policy}", q(queue))
            }
            Output::Moved { call, from, to, why, hops } => {
                format!("{call} moves {} → {}: {why:?}, hop {hops}", q(from), q(to))
            }
            Output::TooManyHops { call, queue } => format!("{call} in {}: too many hops", q(queue)),
            Output::AgentUnavailable { call, agent, why } => {
                format!("{call} cannot have {}: {why:?}", a(agent))
            }
            Output::AgentChanged { from, status, why, .. } => {
                format!("{}: {from:?} → {:?} ({why:?})", a(&status.agent), status.state)
            }
            Output::AgentTold { agent, session, what } => {
                format!("{} at {session} is told {what:?}", a(agent))
            }
            Output::Explained(decision) => format!("{decision:?}"),
            Output::Refused { request, why } => format!("refused {request:?}: {why}"),
        }
    }
}
