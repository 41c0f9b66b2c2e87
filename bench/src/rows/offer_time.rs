//! Time to offer: how long an agent who becomes idle waits for the decision whose call it gets.

use crate::bench::Bench;
use crate::figure::{Figure, Goal};
use hotline_base::{Mono, Now, Rng, Wall};
use hotline_routing::config::{Agent, Skill, SkillQueue};
use hotline_routing::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

const GOAL_P50_US: f64 = 50.0;
const GOAL_P999_US: f64 = 500.0;
/// Queues each agent serves.
const SKILLS: usize = 5;
/// Offers timed in one run.
const ROUNDS: u64 = 50_000;

struct Size {
    queues: usize,
    agents: usize,
    waiting: u64,
}

const FULL: Size = Size { queues: 1_000, agents: 10_000, waiting: 100_000 };
const QUICK: Size = Size { queues: 100, agents: 1_000, waiting: 10_000 };

/// Measures the row.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut middle = Figure::new("time to offer, p50 (routing)", "µs", Goal::AtMost(GOAL_P50_US));
    let mut high = Figure::new("time to offer, p99.9 (routing)", "µs", Goal::AtMost(GOAL_P999_US));
    let size = if bench.quick { QUICK } else { FULL };
    for run in 0..bench.runs {
        let mut times = offers(&size)?;
        times.sort_unstable();
        let us = |share: usize| times[(times.len() - 1) * share / 1_000].as_secs_f64() * 1e6;
        middle.runs.push(us(500));
        high.runs.push(us(999));
        high.notes.push(format!(
            "run {run}: longest {:.1} µs of {} offers",
            us(1_000),
            times.len()
        ));
    }
    let Size { queues, agents, waiting } = size;
    middle.notes.push(format!("{agents} agents, {queues} queues, {waiting} waiting; wall time"));
    Ok(vec![middle, high])
}

/// A routing with everybody busy and the callers waiting; then agents end their calls, one after
/// the other, and each is offered the next at once. Gives how long each offer took.
fn offers(size: &Size) -> Result<Vec<Duration>, String> {
    let mut bed = Bed::new(size);
    for agent in 0..size.agents {
        bed.step(Input::SignIn {
            agent: AgentRef(agent as u32),
            queues: Queues::All,
            force: false,
            session: Session(1),
            device: Device::Softphone,
        });
    }
    let mut calls = 0..;
    for call in calls.by_ref().take(size.agents + size.waiting as usize) {
        bed.arrive(size, call);
    }
    if bed.offers.len() != size.agents {
        return Err(format!("{} of {} agents were offered a call", bed.offers.len(), size.agents));
    }
    let mut times = Vec::with_capacity(ROUNDS as usize);
    for call in calls.take(ROUNDS as usize) {
        let (offer, ending, agent) = bed.offers.pop_front().ok_or("nobody was offered a call")?;
        bed.step(Input::Answered { offer });
        bed.step(Input::Connected { offer });
        let before = bed.offers.len();
        times.push(bed.step(Input::CallEnded { agent, call: ending }));
        if bed.offers.len() != before + 1 {
            return Err(format!("agent {agent:?} became idle and was offered nothing"));
        }
        bed.arrive(size, call);
    }
    Ok(times)
}

struct Bed {
    routing: Routing,
    now: Now,
    offers: VecDeque<(OfferId, CallRef, AgentRef)>,
}

impl Bed {
    fn new(size: &Size) -> Bed {
        let now = Now { mono: Mono::from_ms(1), wall: Wall::from_s(1_800_000_000) };
        let routing = Routing::new(now, Arc::new(config(size)), &mut Rng::from_number(1));
        Bed { routing, now, offers: VecDeque::new() }
    }

    /// Gives an input and takes all outputs; how long that took.
    fn step(&mut self, input: Input) -> Duration {
        self.now.mono += Duration::from_micros(50);
        let began = Instant::now();
        self.routing.handle(self.now, input);
        while let Some(output) = self.routing.poll() {
            if let Output::Offer { offer, call, agent, .. } = output {
                self.offers.push_back((offer, call, agent));
            }
        }
        began.elapsed()
    }

    fn arrive(&mut self, size: &Size, call: u64) {
        self.step(Input::Arrived {
            call: CallRef(call),
            queue: QueueRef((call % size.queues as u64) as u32),
            priority: (call % 3) as u8,
            hops: 0,
            test: false,
        });
    }
}

fn config(size: &Size) -> Config {
    let queue = |number: usize| SkillQueue {
        name: format!("q{number}"),
        description: "Measured".into(),
        max_calls_in_queue: 10_000,
        max_waiting_time_s: 60_000,
        wrap_up_s: 0,
        ..SkillQueue::default()
    };
    let skill = |agent: usize, skill: usize| Skill {
        queue: format!("q{}", (agent + skill * (size.queues / SKILLS + 1)) % size.queues),
        level: 1,
    };
    let agent = |number: usize| Agent {
        employee_id: number.to_string(),
        skill_queues: (0..SKILLS).map(|place| skill(number, place)).collect(),
        ..Agent::default()
    };
    Config {
        queues: (0..size.queues).map(queue).collect(),
        agents: (0..size.agents).map(agent).collect(),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_who_becomes_idle_is_offered_a_call() {
        let small = Size { queues: 10, agents: 100, waiting: 1_000 };
        assert_eq!(offers(&small).unwrap().len(), ROUNDS as usize);
    }
}
