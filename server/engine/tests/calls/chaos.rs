//! Peers that do anything at any time, lose messages and vanish: whatever happens, every call ends
//! in one record and nothing is left.

use crate::peers::*;
use crate::world::*;
use hotline_base::Rng;
use hotline_engine::checkpoint::Point;
use hotline_engine::event::EventKind;
use hotline_sip::{Flow, Message, Method};
use std::collections::BTreeMap;

const SEEDS: u64 = 120;
const STEPS: u64 = 120;
const PHONES: [(u8, &str); 3] = [(11, "1001"), (21, "1001"), (12, "1002")];
const NUMBERS: [&str; 7] = ["123451", "123452", "123453", "123454", "123455", "123456", "123457"];

struct Chaos {
    world: World,
    rng: Rng,
    callers: Vec<(Caller, bool)>,
    /// INVITEs that ring at phones and have no final response yet.
    ringing: Vec<(Flow, Message, String)>,
    /// Phones that have answered.
    talking: Vec<Ring>,
}

impl Chaos {
    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    fn step(&mut self) {
        match self.rng.below(10) {
            0 => {
                let number = NUMBERS[self.rng.below(NUMBERS.len() as u64) as usize];
                let late_offer = self.chance(10);
                let sdp = (!late_offer).then(|| sdp(CARRIER, "sendrecv"));
                let caller = Dial { number, sdp, ..Dial::default() }.go(&mut self.world);
                self.callers.push((caller, false));
            }
            1 => self.hang_up_somebody(),
            2 | 3 => self.answer_somebody(),
            4 => self.hold_somebody(),
            _ => {
                let ms = 1 << self.rng.below(14);
                self.world.run(ms);
            }
        }
        while let Some((flow, message)) = self.world.next() {
            if !self.chance(15) {
                self.react(flow, message);
            }
        }
    }

    fn react(&mut self, flow: Flow, message: Message) {
        let peer_of_call = self.callers.iter().position(|(caller, _)| caller.is_of(&message));
        match (line(&message).as_str(), peer_of_call) {
            ("200 INVITE", Some(at)) => {
                let (caller, answered) = &mut self.callers[at];
                *answered = true;
                caller.learn(&message);
                let offers = body(&message).contains("PCMU") && self.rng.below(2) == 0;
                let sdp = offers.then(|| sdp(CARRIER, "sendrecv"));
                caller.ack(&mut self.world, sdp);
            }
            (text, Some(at)) if text.ends_with(" INVITE") => {
                let (caller, _) = &mut self.callers[at];
                if message.status() >= Some(300) {
                    caller.to = Some(header(&message, hotline_sip::header::HeaderName::To));
                    caller.ack_failure(&mut self.world);
                }
            }
            ("INVITE", None) => {
                let tag = format!("t{}", self.world.next_serial());
                let ring = parsed(response(&message, 180, &tag));
                let silent = self.chance(10);
                if !silent {
                    self.world.receive(flow, ring);
                }
                self.ringing.push((flow, message, tag));
            }
            ("CANCEL", None) => {
                let ok = parsed(response(&message, 200, "c"));
                self.world.receive(flow, ok);
                let crosses = self.chance(30);
                let of = |(_, invite, _): &(Flow, Message, String)| {
                    let branch = |message: &Message| message.top_via().unwrap().branch();
                    branch(invite) == branch(&message)
                };
                if let Some(at) = self.ringing.iter().position(of)
                    && !crosses
                {
                    let (flow, invite, tag) = self.ringing.remove(at);
                    self.world.receive(flow, parsed(response(&invite, 487, &tag)));
                }
            }
            ("BYE", _) => {
                let ok = parsed(response(&message, 200, "b"));
                self.world.receive(flow, ok);
            }
            _ => {}
        }
    }

    fn answer_somebody(&mut self) {
        if self.ringing.is_empty() {
            return;
        }
        let at = self.rng.below(self.ringing.len() as u64) as usize;
        let (flow, invite, tag) = self.ringing.remove(at);
        let peer = match flow.remote {
            remote if remote == address(11) => 11,
            remote if remote == address(12) => 12,
            _ => 21,
        };
        let statuses = [486, 480, 503, 603, 302];
        if self.chance(70) {
            let mut ring = Ring::of(peer, flow, invite);
            ring.tag = tag;
            ring.ok(&mut self.world, &sdp(peer, "sendrecv"));
            ring.learn();
            self.talking.push(ring);
        } else {
            let status = statuses[self.rng.below(5) as usize];
            self.world.receive(flow, parsed(response(&invite, status, &tag)));
        }
    }

    fn hang_up_somebody(&mut self) {
        if self.chance(50) && !self.talking.is_empty() {
            let at = self.rng.below(self.talking.len() as u64) as usize;
            let mut ring = self.talking.remove(at);
            let bye = ring.next(Method::Bye);
            ring.send(&mut self.world, bye);
        } else if !self.callers.is_empty() {
            let at = self.rng.below(self.callers.len() as u64) as usize;
            let (mut caller, answered) = self.callers.remove(at);
            if answered {
                let bye = caller.next(Method::Bye);
                caller.send(&mut self.world, bye);
            } else {
                caller.send_cancel(&mut self.world);
                self.callers.push((caller, false));
            }
        }
    }

    fn hold_somebody(&mut self) {
        let direction = ["sendonly", "inactive", "sendrecv"][self.rng.below(3) as usize];
        if let Some(ring) = self.talking.last_mut() {
            let peer = ring.peer;
            ring.reinvite(&mut self.world, Some(sdp(peer, direction)));
        }
        if let Some((caller, true)) = self.callers.last_mut() {
            caller.reinvite(&mut self.world, Some(sdp(CARRIER, direction)));
        }
    }
}

/// At no time is an agent offered two calls, or offered one while it talks in another.
fn one_call_per_agent(world: &World) {
    let mut busy: BTreeMap<String, hotline_engine::CallId> = BTreeMap::new();
    let mut agent_of: BTreeMap<hotline_engine::CallId, String> = BTreeMap::new();
    for event in &world.events {
        match &event.kind {
            EventKind::Offered { call, agent } => {
                let other = busy.insert(agent.clone(), *call);
                assert_eq!(other, None, "agent {agent} is in two calls");
                agent_of.insert(*call, agent.clone());
            }
            EventKind::OfferEnded { agent, outcome, .. } if outcome != "answered" => {
                busy.remove(agent);
            }
            // The end; the record follows when the media workers have reported.
            EventKind::Checkpoint { checkpoint } if checkpoint.point == Point::Released => {
                if let Some(agent) = agent_of.get(&checkpoint.call)
                    && busy.get(agent) == Some(&checkpoint.call)
                {
                    busy.remove(agent);
                }
            }
            _ => {}
        }
    }
}

fn run(seed: u64) -> String {
    let mut world = World::new(centre());
    for (peer, number) in PHONES {
        world.register(peer, number);
    }
    let rng = Rng::from_number(seed);
    let (callers, ringing, talking) = Default::default();
    let mut chaos = Chaos { world, rng, callers, ringing, talking };
    for _ in 0..STEPS {
        chaos.step();
    }
    // From here on everybody is silent, but for the calls that are still up.
    chaos.world.run(100_000);
    chaos.world.handle(hotline_engine::Input::ReleaseAll);
    chaos.world.quiet();
    one_call_per_agent(&chaos.world);
    let lost = |text: &&String| text.contains("routing");
    assert_eq!(chaos.world.notices.iter().find(lost), None, "seed {seed}");
    chaos.world.ladder.join("\n") + &format!("{:?}", chaos.world.events)
}

#[test]
fn whatever_peers_do_every_call_ends_in_one_record() {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed));
    }
}
