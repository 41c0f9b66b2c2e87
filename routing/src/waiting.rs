//! Callers who enter a queue, wait there, and leave it without an agent.
//!
//! On arrival: no agents, then busy, then waiting. A policy that names another queue is performed
//! here, hop by hop; every other policy is handed out and the call forgotten. A move to a flow is a
//! hop too: a flow may bring the call back. A draft queue is not there but for test calls.

use crate::config::{BusyWhen, Policy};
use crate::ids::{CallRef, QueueRef};
use crate::limits;
use crate::output::{Output, OverflowWhy, Place, Refusal};
use crate::queue::Queue;
use crate::routing::{Call, Routing};
use crate::timers::Why;
use hotline_base::Mono;
use std::time::Duration;

/// A caller at the door of a queue.
#[derive(Clone, Copy, Debug)]
struct Entering {
    call: CallRef,
    queue: QueueRef,
    priority: u8,
    hops: u8,
    test: bool,
    /// Order and beginning of its wait, carried from the queue before.
    carried: Option<(u64, Mono)>,
}

impl Routing {
    pub(crate) fn arrived(
        &mut self,
        call: CallRef,
        queue: QueueRef,
        priority: u8,
        hops: u8,
        test: bool,
    ) -> Result<(), Refusal> {
        if self.calls.contains_key(&call) {
            return Err(Refusal::KnownCall);
        }
        if self.queue_of(queue).is_none_or(|one| one.settings.draft && !test) {
            return Err(Refusal::UnknownQueue);
        }
        if priority > limits::PRIORITY_MAX {
            return Err(Refusal::OutOfRange);
        }
        if self.calls.len() >= limits::CALLS_MAX {
            return Err(Refusal::TooManyCalls);
        }
        self.admit(Entering { call, queue, priority, hops, test, carried: None });
        Ok(())
    }

    fn admit(&mut self, mut entering: Entering) {
        // Ends: each turn is a hop, and hops are limited.
        while let Some(why) = self.kept_out(entering.queue) {
            match self.overflow(entering, why) {
                Some(next) => entering = next,
                None => return,
            }
        }
        self.wait(entering);
    }

    /// Why a queue does not take one more caller.
    fn kept_out(&self, queue: QueueRef) -> Option<OverflowWhy> {
        let one = self.queue_of(queue)?;
        let full = one.len() >= one.settings.max_calls_in_queue as usize;
        let nobody_idle = one.settings.busy_when == BusyWhen::NobodyIdle && one.idle.is_empty();
        if !one.live {
            Some(OverflowWhy::Removed)
        } else if one.members.is_empty() {
            Some(OverflowWhy::NoAgents)
        } else if full || nobody_idle {
            Some(OverflowWhy::Busy)
        } else {
            None
        }
    }

    /// Performs a policy that names a queue (the caller is at that queue's door then), or hands the
    /// policy out.
    fn overflow(&mut self, entering: Entering, why: OverflowWhy) -> Option<Entering> {
        let Entering { call, queue, hops, test, .. } = entering;
        let settings = &self.queue_of(queue)?.settings;
        let policy = match why {
            OverflowWhy::Timeout => &settings.on_timeout,
            OverflowWhy::Busy => &settings.on_busy,
            OverflowWhy::NoAgents | OverflowWhy::Removed => &settings.on_no_agents,
        };
        let is_there =
            |to: &QueueRef| test || self.queue_of(*to).is_some_and(|one| !one.settings.draft);
        let to = match policy {
            Policy::SkillQueue(name) => self.queue(name).filter(is_there),
            Policy::Release { .. } | Policy::Flow(_) => None,
        };
        let policy = match (policy, to) {
            // The queue it names is gone: the caller hears the standard announcement.
            (Policy::SkillQueue(_), None) => Policy::default(),
            (policy, _) => policy.clone(),
        };
        let moves = !matches!(policy, Policy::Release { .. });
        if moves && hops >= self.config.settings.hop_limit {
            self.outputs.push_back(Output::TooManyHops { call, queue });
            return None;
        }
        let hops = hops + u8::from(moves);
        let Some(to) = to else {
            self.outputs.push_back(Output::Overflow { call, queue, why, policy, hops });
            return None;
        };
        self.outputs.push_back(Output::Moved { call, from: queue, to, why, hops });
        let carried = entering.carried.filter(|_| self.config.settings.overflow_keeps_place);
        Some(Entering { queue: to, hops, carried, ..entering })
    }

    fn wait(&mut self, entering: Entering) {
        let Entering { call, queue, priority, hops, test, carried } = entering;
        let (arrival, queued_at) = carried.unwrap_or_else(|| {
            self.last_arrival += 1;
            (self.last_arrival, self.now.mono)
        });
        let place = Place { urgency: self.urgency(queued_at, priority), arrival };
        let Some(one) = self.queue_mut(queue) else { return };
        one.waiting.insert(place, call);
        let position = one.position(place);
        let until = queued_at + Duration::from_secs(u64::from(one.settings.max_waiting_time_s));
        let timer = Some(self.timers.set(until, Why::WaitingTime(call)));
        let queue_of_call = Some(queue);
        self.calls.insert(
            call,
            Call {
                queue: queue_of_call,
                place,
                priority,
                hops,
                test,
                queued_at,
                offer: None,
                timer,
                leaving: None,
                pause: None,
            },
        );
        self.outputs.push_back(Output::Queued { call, queue, position, place, until });
        self.match_queue(queue);
    }

    /// Smaller comes first. Priority counts as so much time waited before: for a fixed step the
    /// order of two callers never changes while both wait, so it can be a key.
    fn urgency(&self, queued_at: Mono, priority: u8) -> i64 {
        let step_ns = match self.config.settings.priority_raise_s {
            0 => limits::PRIORITY_STEP_NS,
            step_s => i64::from(step_s) * 1_000_000_000,
        };
        let waits_since = i64::try_from(queued_at.0).unwrap_or(i64::MAX);
        waits_since.saturating_sub(step_ns.saturating_mul(i64::from(priority)))
    }

    /// Moves a caller to where its new priority puts it. No caller waits where an agent stands idle,
    /// so nobody can be offered for it.
    pub(crate) fn set_priority(&mut self, call: CallRef, priority: u8) -> Result<(), Refusal> {
        if priority > limits::PRIORITY_MAX {
            return Err(Refusal::OutOfRange);
        }
        let one = self.calls.get(&call).ok_or(Refusal::UnknownCall)?;
        let (before, queue) = (one.place, one.queue);
        let place = Place { urgency: self.urgency(one.queued_at, priority), ..before };
        if let Some(queue) = queue.and_then(|queue| self.queue_mut(queue)) {
            if queue.waiting.remove(&before).is_some() {
                queue.waiting.insert(place, call);
            }
            if queue.offered.remove(&before).is_some() {
                queue.offered.insert(place, call);
            }
        }
        if let Some(one) = self.calls.get_mut(&call) {
            one.place = place;
            one.priority = priority;
        }
        Ok(())
    }

    pub(crate) fn waiting_time_over(&mut self, call: CallRef) {
        let Some(one) = self.calls.get_mut(&call) else { return };
        one.timer = None;
        if one.offer.is_some() {
            // A running offer is waited for.
            one.leaving = Some(OverflowWhy::Timeout);
        } else {
            self.expel(call, OverflowWhy::Timeout);
        }
    }

    /// Takes a caller who waits out of its queue, by the policy for `why`.
    pub(crate) fn expel(&mut self, call: CallRef, why: OverflowWhy) {
        let Some(one) = self.forget_call(call) else { return };
        let Some(queue) = one.queue else { return };
        let entering = Entering {
            call,
            queue,
            priority: one.priority,
            hops: one.hops,
            test: one.test,
            carried: Some((one.place.arrival, one.queued_at)),
        };
        if let Some(next) = self.overflow(entering, why) {
            self.admit(next);
        }
    }

    /// Removes all that is kept of a caller; its offer, if any, is the business of who calls this.
    pub(crate) fn forget_call(&mut self, call: CallRef) -> Option<Call> {
        let one = self.calls.remove(&call)?;
        self.timers.cancel(one.timer);
        self.timers.cancel(one.pause);
        if let Some(queue) = one.queue.and_then(|queue| self.queue_mut(queue)) {
            queue.waiting.remove(&one.place);
            queue.offered.remove(&one.place);
        }
        Some(one)
    }

    /// Puts a caller whose offer failed back to its place, or sends it on if it has to leave.
    pub(crate) fn back_to_place(&mut self, call: CallRef) {
        let Some(one) = self.calls.get_mut(&call) else { return };
        let (Some(queue), place) = (one.queue, one.place) else { return };
        one.offer = None;
        let leaving = one.leaving;
        let Some(of) = self.queue_mut(queue) else { return };
        of.offered.remove(&place);
        of.waiting.insert(place, call);
        match leaving.or_else(|| self.empties(queue)) {
            Some(why) => self.expel(call, why),
            None => self.match_queue(queue),
        }
    }

    /// Why those who wait have to leave a queue, if they have to.
    fn empties(&self, queue: QueueRef) -> Option<OverflowWhy> {
        let Queue { settings, live, members, .. } = self.queue_of(queue)?;
        if !live {
            Some(OverflowWhy::Removed)
        } else if members.is_empty() && settings.no_agents_while_waiting {
            Some(OverflowWhy::NoAgents)
        } else {
            None
        }
    }

    /// Sends those who wait in a queue away while they have to leave it, a slice at a time.
    pub(crate) fn drain(&mut self, queue: QueueRef) {
        for _ in 0..limits::DRAIN_SLICE_MAX {
            let Some(why) = self.empties(queue) else { return };
            let first = self.queue_of(queue).and_then(|one| one.waiting.values().next().copied());
            let Some(call) = first else { return };
            self.expel(call, why);
        }
        if self.queue_of(queue).is_some_and(|one| !one.waiting.is_empty()) {
            self.timers.set(self.now.mono, Why::Drain(queue));
        }
    }
}
