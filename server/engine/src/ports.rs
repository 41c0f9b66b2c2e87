//! [`PortPool`]: the media ports that workers have granted, and the numbers of media legs.
//!
//! Owns: which granted port pair is free, which leg number belongs to which partition. Does not
//! own: the sockets, the rest of a port after use (the worker grants it again), what a leg does.
//!
//! A leg number is `slot × engines + engine`, so that several engines may share the workers and
//! the shell knows from the number whose an event is ([`engine_of_leg`]).

use hotline_base::Partition;
use hotline_media::command::{LegRef, PortGrant};
use std::collections::{BTreeMap, VecDeque};

/// Legs open at once; more find no port.
const LEGS_MAX: usize = 200_000;

/// One port of so many of a worker is kept for second legs: whoever waits in a queue can still be
/// connected when no new call is admitted any more.
const RESERVE: usize = 8;
/// Most ports of one worker that are kept for second legs. The shell keeps more than this granted
/// and free, so that what is kept never looks to it like enough.
pub const RESERVED_PORTS_MAX: usize = 64;

/// Which of `engines` engines opened a leg.
pub fn engine_of_leg(leg: LegRef, engines: u16) -> u16 {
    (leg.leg % u32::from(engines.max(1))) as u16
}

/// Granted ports and open legs of one engine.
#[derive(Debug)]
pub(crate) struct PortPool {
    engine: u16,
    engines: u16,
    workers: BTreeMap<u16, Ports>,
    free_count: usize,
    slots: Vec<Slot>,
    vacant: Vec<u32>,
}

/// The ports of one worker.
#[derive(Debug, Default)]
struct Ports {
    /// The one that has been free longest first: a peer that has not noticed the end of its call
    /// sends to a port for a while.
    free: VecDeque<PortGrant>,
    /// Legs that hold one.
    used: usize,
    /// The most there have been, free and in use: those that rest are counted too.
    known: usize,
}

impl Ports {
    /// What may be given to a call's first leg: the rest is kept for second legs.
    fn for_first_legs(&self) -> usize {
        // Of two or more at least one: a call needs two.
        let kept = (self.known / RESERVE).clamp(usize::from(self.known >= 2), RESERVED_PORTS_MAX);
        self.free.len().saturating_sub(kept)
    }
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    owner: Option<Partition>,
}

impl PortPool {
    /// No port yet; `engine` is this engine's number and how many there are.
    pub(crate) fn new((engine, engines): (u16, u16)) -> PortPool {
        PortPool {
            engine,
            engines: engines.max(1),
            workers: BTreeMap::new(),
            free_count: 0,
            slots: Vec::new(),
            vacant: Vec::new(),
        }
    }

    /// A worker lends ports, or lends them again after their rest.
    pub(crate) fn grant(&mut self, ports: Vec<PortGrant>) {
        self.free_count += ports.len();
        for port in ports {
            let worker = self.workers.entry(port.worker).or_default();
            worker.free.push_back(port);
            worker.known = worker.known.max(worker.free.len() + worker.used);
        }
    }

    /// A new leg on a free port. A call's second leg names with `near` the worker of the first: it
    /// gets a port of that one or none, for legs of different workers cannot be bridged. A first
    /// leg goes to the worker with the most free ports, of which some are kept for second legs.
    /// `None`: no port (503 with Retry-After for a first leg).
    pub(crate) fn open(
        &mut self,
        owner: Partition,
        near: Option<u16>,
    ) -> Option<(LegRef, PortGrant)> {
        if self.slots.len() - self.vacant.len() >= LEGS_MAX {
            return None;
        }
        let worker = near.or_else(|| {
            // Of equals the first: the same run twice is the same run.
            let able = self.workers.iter().map(|(number, ports)| (ports.for_first_legs(), number));
            let able = able.filter(|(free, _)| *free > 0);
            able.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, number)| *number)
        })?;
        let ports = self.workers.get_mut(&worker)?;
        let port = ports.free.pop_front()?;
        ports.used += 1;
        self.free_count -= 1;
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, owner: None });
            (self.slots.len() - 1) as u32
        });
        let entry = self.slots.get_mut(slot as usize)?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.owner = Some(owner);
        let leg = slot * u32::from(self.engines) + u32::from(self.engine);
        Some((LegRef { worker, leg, generation: entry.generation }, port))
    }

    /// The worker on which the first legs of a tenant are opened whose legs may meet in pairs that
    /// nobody knows beforehand: agents on held lines, and the callers they are offered. One with
    /// no port left is not waited for.
    pub(crate) fn home(&self, owner: Partition) -> Option<u16> {
        let able: Vec<u16> = self.workers.keys().copied().collect();
        let at = (owner.0 as usize).checked_rem(able.len())?;
        let home = *able.get(at)?;
        self.workers.get(&home).filter(|ports| ports.for_first_legs() > 0).map(|_| home)
    }

    /// The partition of an open leg; `None` for a stale or unknown one, whose events are dropped.
    pub(crate) fn owner(&self, leg: LegRef) -> Option<Partition> {
        let engines = u32::from(self.engines);
        if leg.leg % engines != u32::from(self.engine) {
            return None;
        }
        let slot = self.slots.get((leg.leg / engines) as usize)?;
        slot.owner.filter(|_| slot.generation == leg.generation)
    }

    /// The worker has closed a leg: its number may be used again, its port comes back as a grant.
    pub(crate) fn closed(&mut self, leg: LegRef) {
        if self.owner(leg).is_none() {
            return;
        }
        let slot = leg.leg / u32::from(self.engines);
        if let Some(entry) = self.slots.get_mut(slot as usize) {
            entry.owner = None;
            self.vacant.push(slot);
            if let Some(ports) = self.workers.get_mut(&leg.worker) {
                ports.used = ports.used.saturating_sub(1);
            }
        }
    }

    /// Free ports.
    pub(crate) fn free(&self) -> usize {
        self.free_count
    }

    /// Legs that the worker has not closed yet.
    pub(crate) fn legs(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn grants(worker: u16, ports: std::ops::Range<u16>) -> Vec<PortGrant> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        ports.step_by(2).map(|rtp| PortGrant { worker, address, rtp }).collect()
    }

    #[test]
    fn legs_spread_over_workers_and_a_call_stays_on_one() {
        let mut pool = PortPool::new((0, 1));
        assert_eq!(pool.open(Partition(1), None), None, "nothing granted yet");
        pool.grant(grants(0, 20000..20004));
        pool.grant(grants(1, 30000..30006));
        let (first, port) = pool.open(Partition(1), None).unwrap();
        assert_eq!((first.worker, port.worker), (1, 1), "the worker with most ports");
        let (second, _) = pool.open(Partition(1), Some(first.worker)).unwrap();
        assert_eq!(second.worker, first.worker);
        assert_eq!(pool.open(Partition(2), Some(7)), None, "an unknown worker has no ports");
        let (third, _) = pool.open(Partition(2), None).unwrap();
        assert_eq!(third.worker, 0);
        assert_eq!((pool.free(), pool.legs()), (2, 3));
    }

    /// The caller's worker had no port left, so the agent's leg was opened on another, and could
    /// not be bridged: two people on the line who heard nothing. Now it gets none, and ports are
    /// kept so that this is rare: what new calls may not have, second legs may.
    #[test]
    fn second_legs_never_stray_and_have_ports_kept_for_them() {
        let mut pool = PortPool::new((0, 1));
        pool.grant(grants(0, 20000..20032));
        pool.grant(grants(1, 30000..30032));
        let mut firsts = Vec::new();
        while let Some((leg, _)) = pool.open(Partition(1), None) {
            firsts.push(leg);
        }
        assert_eq!(firsts.len(), 28, "of 16 ports each worker keeps 2");
        let on = |worker: u16| firsts.iter().find(|leg| leg.worker == worker).unwrap();
        for _ in 0..2 {
            let (second, _) = pool.open(Partition(1), Some(on(0).worker)).unwrap();
            assert_eq!(second.worker, 0);
        }
        assert_eq!(pool.open(Partition(1), Some(0)), None, "though the other worker has two");
        // A port at rest is not free, and does not shrink what is kept.
        pool.closed(*on(1));
        assert_eq!(pool.open(Partition(1), None), None);
        pool.grant(grants(1, 30040..30042));
        assert_eq!(pool.open(Partition(1), None).unwrap().0.worker, 1);
    }

    /// A worker with fewer than eight ports kept none: its callers waited, and no agent could be
    /// rung for any of them.
    #[test]
    fn of_few_ports_one_is_kept_and_a_single_one_is_given() {
        for (ports, firsts) in [(0, 0), (1, 1), (2, 1), (3, 2), (7, 6), (8, 7), (16, 14)] {
            let mut pool = PortPool::new((0, 1));
            pool.grant(grants(0, 20000..20000 + 2 * ports));
            let opened = std::iter::from_fn(|| pool.open(Partition(1), None)).count();
            assert_eq!(opened, firsts, "of {ports}");
        }
    }

    /// The port that was freed last was used first: a phone that went on sending after its BYE was
    /// taken for the next caller, whose keys and voice were lost.
    #[test]
    fn a_port_is_used_again_when_all_others_have_been() {
        let mut pool = PortPool::new((0, 1));
        pool.grant(grants(0, 20000..20008));
        let (leg, first) = pool.open(Partition(1), Some(0)).unwrap();
        pool.closed(leg);
        pool.grant(vec![first]);
        let next = |pool: &mut PortPool| pool.open(Partition(1), Some(0)).unwrap().1.rtp;
        let used: Vec<u16> = (0..4).map(|_| next(&mut pool)).collect();
        assert_eq!(used, [20002, 20004, 20006, 20000]);
    }

    /// Workers bind more when fewer than so many ports are free. An eighth of all was kept, which
    /// came to be just as many: nobody bound more, and new calls got 503 with most of the range
    /// unused.
    #[test]
    fn what_is_kept_does_not_grow_without_end() {
        let mut pool = PortPool::new((0, 1));
        pool.grant(grants(0, 20000..24000));
        let firsts = std::iter::from_fn(|| pool.open(Partition(1), None)).count();
        assert_eq!(firsts, 2_000 - RESERVED_PORTS_MAX);
    }

    /// A line was on one worker and its customer on another: nobody could bridge them.
    #[test]
    fn a_tenant_with_held_lines_is_at_home_on_one_worker() {
        let mut pool = PortPool::new((0, 1));
        assert_eq!(pool.home(Partition(1)), None, "nothing granted yet");
        pool.grant(grants(0, 20000..20032));
        pool.grant(grants(1, 30000..30032));
        let home = pool.home(Partition(1)).unwrap();
        assert_ne!(pool.home(Partition(2)), Some(home), "tenants spread");
        let used = std::iter::from_fn(|| {
            let home = pool.home(Partition(1))?;
            pool.open(Partition(1), Some(home)).map(|(leg, _)| leg.worker)
        });
        let used: Vec<u16> = used.collect();
        assert_eq!(used, vec![home; 14], "and what second legs need is kept");
    }

    #[test]
    fn a_closed_leg_is_stale_and_its_number_comes_again_with_a_new_generation() {
        let mut pool = PortPool::new((1, 2));
        pool.grant(grants(0, 20000..20006));
        let (leg, _) = pool.open(Partition(9), None).unwrap();
        assert_eq!(engine_of_leg(leg, 2), 1);
        assert_eq!(pool.owner(leg), Some(Partition(9)));
        pool.closed(leg);
        pool.closed(leg);
        assert_eq!((pool.owner(leg), pool.legs()), (None, 0));
        let (again, _) = pool.open(Partition(8), None).unwrap();
        assert_eq!(again.leg, leg.leg);
        assert_ne!(again.generation, leg.generation);
        assert_eq!(pool.owner(leg), None);
        assert_eq!(pool.owner(LegRef { leg: leg.leg + 1, ..leg }), None, "another engine's");
    }
}
