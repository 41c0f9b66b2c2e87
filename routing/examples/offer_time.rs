//! Prints the time from event to offer at 10,000 agents, 1,000 queues and 100,000 waiting callers:
//! `cargo run --release -p hotline-routing --example offer_time`.
// A measurement stands outside the machine it measures: it reads the clock and prints.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

use hotline_base::{Mono, Now, Rng, Wall};
use hotline_routing::config::{Agent, Skill, SkillQueue};
use hotline_routing::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUEUES: u32 = 1_000;
const AGENTS: u32 = 10_000;
const WAITING: u64 = 100_000;
const SKILLS: u32 = 5;

fn config() -> Config {
    let queue = |number: u32| SkillQueue {
        name: format!("q{number}"),
        description: "d".into(),
        max_calls_in_queue: 10_000,
        max_waiting_time_s: 60_000,
        wrap_up_s: 0,
        ..SkillQueue::default()
    };
    let agent = |number: u32| Agent {
        employee_id: number.to_string(),
        skill_queues: (0..SKILLS)
            .map(|skill| Skill { queue: format!("q{}", (number + skill * 199) % QUEUES), level: 1 })
            .collect(),
        ..Agent::default()
    };
    Config {
        queues: (0..QUEUES).map(queue).collect(),
        agents: (0..AGENTS).map(agent).collect(),
        ..Config::default()
    }
}

struct Run {
    routing: Routing,
    now: Now,
    offers: Vec<(OfferId, CallRef, AgentRef)>,
}

impl Run {
    fn step(&mut self, input: Input) -> Duration {
        self.now.mono += Duration::from_micros(50);
        let began = Instant::now();
        self.routing.handle(self.now, input);
        while let Some(output) = self.routing.poll() {
            if let Output::Offer { offer, call, agent, .. } = output {
                self.offers.push((offer, call, agent));
            }
        }
        began.elapsed()
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    println!(
        "{what:38} n {:6}  p50 {:?}  p99 {:?}  p99.9 {:?}  most {:?}",
        times.len(),
        at(500),
        at(990),
        at(999),
        times.last().copied().unwrap_or_default()
    );
}

fn main() {
    let now = Now { mono: Mono::from_ms(1), wall: Wall::from_s(1_800_000_000) };
    let config = Arc::new(config());
    let began = Instant::now();
    let routing = Routing::new(now, Arc::clone(&config), &mut Rng::from_number(1));
    println!("new: {:?}", began.elapsed());
    let mut run = Run { routing, now, offers: Vec::new() };
    let sign_in = |agent| Input::SignIn {
        agent: AgentRef(agent),
        queues: Queues::All,
        force: false,
        session: Session(1),
        device: Device::Softphone,
    };
    print("sign-in", (0..AGENTS).map(|agent| run.step(sign_in(agent))).collect());
    let arrived = |call: u64| Input::Arrived {
        call: CallRef(call),
        queue: QueueRef((call % u64::from(QUEUES)) as u32),
        priority: (call % 3) as u8,
        hops: 0,
        test: false,
    };
    let agents = u64::from(AGENTS);
    print("arrival → offer, agents idle", (0..agents).map(|c| run.step(arrived(c))).collect());
    let all = agents..agents + WAITING;
    print("arrival → waiting", all.map(|call| run.step(arrived(call))).collect());
    println!("waiting {}, offers {}", run.routing.calls_len() - run.offers.len(), run.offers.len());
    let (mut answers, mut offers) = (Vec::new(), Vec::new());
    for round in 0..50_000u64 {
        let (offer, call, agent) = run.offers.remove((round % 1_000) as usize);
        answers.push(run.step(Input::Answered { offer }));
        run.step(Input::Connected { offer });
        offers.push(run.step(Input::CallEnded { agent, call }));
        run.step(arrived(1_000_000 + round));
    }
    print("200 OK → answered", answers);
    print("agent free → offer, 100,000 waiting", offers);
    let began = Instant::now();
    run.routing.configure(run.now, config);
    println!("configure, nothing changed: {:?}", began.elapsed());
}
