//! Random centres against a naive oracle that knows only the outputs and scans everything.

mod common;

use common::{Centre, config};
use hotline_routing::*;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

type Order = (Reverse<u8>, u64);

#[derive(Default)]
struct Oracle {
    /// Callers by queue, priority and order of being queued.
    waiting: BTreeMap<CallRef, (QueueRef, Order)>,
    offers: BTreeMap<OfferId, (CallRef, AgentRef, bool)>,
    offered: BTreeMap<CallRef, (QueueRef, Order)>,
    talking: BTreeMap<AgentRef, CallRef>,
    agents: BTreeMap<AgentRef, AgentStatus>,
    priorities: BTreeMap<CallRef, u8>,
    order: u64,
}

impl Oracle {
    fn may_be_offered(&self, status: &AgentStatus, now: hotline_base::Now) -> bool {
        status.state == AgentState::Idle && status.until.is_none_or(|until| until < now.wall)
    }

    fn back(&mut self, offer: OfferId) {
        if let Some((call, _, _)) = self.offers.remove(&offer)
            && let Some(place) = self.offered.remove(&call)
        {
            self.waiting.insert(call, place);
        }
    }

    fn check_offer(&self, centre: &Centre, call: CallRef, agent: AgentRef, queue: QueueRef) {
        let (of, order) = self.waiting[&call];
        assert_eq!(of, queue);
        for (at, theirs) in self.waiting.values().filter(|(at, _)| *at == queue) {
            assert!(order <= *theirs, "first come, first served in {at}");
        }
        let weight = |queue: QueueRef| centre.routing.queue_settings(queue).unwrap().weight;
        let mine = (Reverse(weight(queue)), order);
        let status = &self.agents[&agent];
        for (at, theirs) in self.waiting.values().filter(|(at, _)| status.queues.contains(at)) {
            assert!(mine <= (Reverse(weight(*at)), *theirs), "by weight, priority, wait");
        }
        for other in self.agents.values().filter(|other| other.queues.contains(&queue)) {
            let idle = self.may_be_offered(other, centre.now);
            assert!(!idle || status.idle_since <= other.idle_since, "longest idle first");
        }
        assert!(!self.offers.values().any(|(_, busy, _)| *busy == agent), "one offer per agent");
    }

    fn take(&mut self, centre: &mut Centre) {
        while let Some(output) = centre.routing.poll() {
            match output {
                Output::Queued { call, queue, position, .. } => {
                    self.order += 1;
                    let order = (Reverse(self.priorities[&call]), self.order);
                    self.waiting.insert(call, (queue, order));
                    let all = self.waiting.values().chain(self.offered.values());
                    let ahead = all.filter(|(at, theirs)| *at == queue && *theirs <= order).count();
                    assert_eq!(position as usize, ahead);
                }
                Output::Offer { offer, call, agent, queue, .. } => {
                    self.check_offer(centre, call, agent, queue.unwrap());
                    let place = self.waiting.remove(&call).unwrap();
                    self.offered.insert(call, place);
                    self.offers.insert(offer, (call, agent, false));
                }
                Output::Withdraw { offer, why: WithdrawWhy::CallerGone, .. } => {
                    self.offers.remove(&offer);
                }
                Output::Withdraw { offer, .. } => self.back(offer),
                Output::Overflow { call, .. }
                | Output::Moved { call, .. }
                | Output::TooManyHops { call, .. } => {
                    self.waiting.remove(&call);
                }
                Output::AgentChanged { status, from, .. } => {
                    let before =
                        self.agents.get(&status.agent).map_or(AgentState::SignedOut, |s| s.state);
                    assert_eq!(from, before, "no change is silent");
                    self.agents.insert(status.agent, status);
                }
                _ => {}
            }
        }
        self.check_quiet_point(centre);
    }

    /// What must hold whenever everything is drained.
    fn check_quiet_point(&self, centre: &Centre) {
        assert_eq!(centre.routing.offers_len(), self.offers.len());
        assert_eq!(centre.routing.calls_len(), self.waiting.len() + self.offered.len());
        for status in self.agents.values() {
            assert_eq!(
                Some(status.state),
                centre.routing.agent_status(status.agent).map(|s| s.state)
            );
            let offers = self.offers.values().filter(|(_, agent, _)| *agent == status.agent);
            let talks = matches!(status.state, AgentState::Talking | AgentState::Holding);
            assert!(talks || !self.talking.contains_key(&status.agent), "still in a call");
            let ringing = offers.clone().filter(|(_, _, answered)| !answered).count();
            assert_eq!(ringing, usize::from(status.state == AgentState::Offered));
            if self.may_be_offered(status, centre.now) {
                let waits = self.waiting.values().any(|(at, _)| status.queues.contains(at));
                assert!(!waits, "idle while a caller waits");
            }
        }
    }

    fn step(&mut self, centre: &mut Centre, input: Input) {
        centre.routing.handle(centre.now, input);
        self.take(centre);
    }

    fn pass(&mut self, centre: &mut Centre, ms: u64) {
        let until = centre.now.mono + std::time::Duration::from_millis(ms);
        while let Some((at, _)) = centre.routing.deadline().filter(|(at, _)| *at <= until) {
            let by = at.since(centre.now.mono);
            centre.now.mono += by;
            centre.now.wall = centre.now.wall + by;
            centre.routing.handle(centre.now, Input::Expire);
            self.take(centre);
        }
        let by = until.since(centre.now.mono);
        centre.now.mono += by;
        centre.now.wall = centre.now.wall + by;
    }

    fn random(&mut self, centre: &mut Centre, call: u64, (op, a, b): (u8, u8, u8)) {
        let agent = AgentRef(u32::from(a % 4));
        let offer = self.offers.keys().nth(usize::from(a) % self.offers.len().max(1)).copied();
        match op {
            0..=5 => {
                let (call, priority) = (CallRef(call), b % 3);
                self.priorities.insert(call, priority);
                let queue = QueueRef(u32::from(a % 3));
                self.step(centre, Input::Arrived { call, queue, priority, hops: 0, test: false });
            }
            6 | 7 => {
                let mut calls: Vec<_> = self.waiting.keys().chain(self.offered.keys()).collect();
                calls.sort();
                let Some(&&call) = calls.get(usize::from(a) % calls.len().max(1)) else { return };
                self.waiting.remove(&call);
                self.offered.remove(&call);
                self.step(centre, Input::CallerGone { call });
            }
            8..=10 => {
                let Some(offer) = offer else { return };
                let (call, agent, answered) = self.offers[&offer];
                if answered {
                    self.offers.remove(&offer);
                    self.offered.remove(&call);
                    self.talking.insert(agent, call);
                    self.step(centre, Input::Connected { offer });
                } else {
                    self.offers.insert(offer, (call, agent, true));
                    self.step(centre, Input::Answered { offer });
                }
            }
            11 => {
                let Some(offer) = offer else { return };
                let why = match (self.offers[&offer].2, b % 3) {
                    (true, _) => OfferFailure::AgentGone,
                    (_, 0) => OfferFailure::NoAnswer,
                    (_, 1) => OfferFailure::Rejected,
                    _ => OfferFailure::PhoneUnavailable,
                };
                self.back(offer);
                self.step(centre, Input::OfferFailed { offer, why });
            }
            12 | 13 => {
                let Some(call) = self.talking.remove(&agent) else { return };
                self.step(centre, Input::CallEnded { agent, call });
            }
            14..=16 => self.step(
                centre,
                Input::SignIn {
                    agent,
                    queues: Queues::All,
                    force: true,
                    session: Session(b.into()),
                    device: Device::Softphone,
                },
            ),
            17 if b < 100 => self.step(centre, Input::SignOut { agent }),
            17 if b < 180 => self.step(centre, Input::Unregistered { agent }),
            17 => self.step(centre, Input::Busy { agent, reason: BusyReason::Chosen }),
            18 if b < 128 => self.step(centre, Input::DialsOut { agent }),
            18 => self.step(centre, Input::DialEnded { agent }),
            19 => self.step(centre, Input::Idle { agent }),
            20 => {
                let mut calls: Vec<_> = self.waiting.keys().chain(self.offered.keys()).collect();
                calls.sort();
                let Some(&&call) = calls.get(usize::from(a) % calls.len().max(1)) else { return };
                let priority = b % 3;
                self.priorities.insert(call, priority);
                for places in [&mut self.waiting, &mut self.offered] {
                    if let Some((_, (urgency, _))) = places.get_mut(&call) {
                        *urgency = Reverse(priority);
                    }
                }
                self.step(centre, Input::SetPriority { call, priority });
            }
            21 => self.step(centre, Input::Holds { agent, holding: b < 128 }),
            _ => self.pass(centre, u64::from(b) * 40),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn agrees_with_a_naive_centre(
        steps in prop::collection::vec((0u8..26, any::<u8>(), any::<u8>()), 1..150)
    ) {
        let agents: &[(&str, &[&str])] =
            &[("1", &["a", "b", "c"]), ("2", &["a"]), ("3", &["b", "c"]), ("4", &["c", "a"])];
        let mut config = config(&["a", "b", "c"], agents);
        config.queues[2].weight = 5;
        config.queues[0].max_waiting_time_s = 30;
        config.queues[0].on_timeout = Policy::SkillQueue("b".into());
        config.queues[1].max_calls_in_queue = 3;
        config.queues[1].on_busy = Policy::SkillQueue("c".into());
        config.queues[2].on_no_agents = Policy::SkillQueue("a".into());
        let mut centre = Centre::new(config);
        let mut oracle = Oracle::default();
        for (call, step) in (1..).zip(steps) {
            oracle.random(&mut centre, call, step);
        }
        // Then quiet: every call ends, every deadline falls, nothing is left.
        oracle.pass(&mut centre, 400_000);
        let left: Vec<_> = oracle.waiting.keys().chain(oracle.offered.keys()).copied().collect();
        for call in left {
            oracle.waiting.remove(&call);
            oracle.offered.remove(&call);
            oracle.step(&mut centre, Input::CallerGone { call });
        }
        for (agent, call) in std::mem::take(&mut oracle.talking) {
            oracle.step(&mut centre, Input::CallEnded { agent, call });
        }
        oracle.pass(&mut centre, 60_000);
        centre.assert_quiet();
        prop_assert_eq!(centre.routing.timers_len(), 0);
    }
}
