//! [`PortPool`]: the media ports that workers have granted, and the numbers of media legs.
//!
//! Owns: which granted port pair is free, which leg number belongs to which partition. Does not
//! own: the sockets, the rest of a port after use (the worker grants it again), what a leg does.
//!
//! A leg number is `slot × engines + engine`, so that several engines may share the workers and
//! the shell knows from the number whose an event is ([`engine_of_leg`]).

use hotline_base::Partition;
use hotline_media::command::{LegRef, PortGrant};
use std::collections::BTreeMap;

/// Legs open at once; more find no port.
const LEGS_MAX: usize = 200_000;

/// Which of `engines` engines opened a leg.
pub fn engine_of_leg(leg: LegRef, engines: u16) -> u16 {
    (leg.leg % u32::from(engines.max(1))) as u16
}

/// Granted ports and open legs of one engine.
#[derive(Debug)]
pub(crate) struct PortPool {
    engine: u16,
    engines: u16,
    free: BTreeMap<u16, Vec<PortGrant>>,
    free_count: usize,
    slots: Vec<Slot>,
    vacant: Vec<u32>,
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
            free: BTreeMap::new(),
            free_count: 0,
            slots: Vec::new(),
            vacant: Vec::new(),
        }
    }

    /// A worker lends ports, or lends them again after their rest.
    pub(crate) fn grant(&mut self, ports: Vec<PortGrant>) {
        self.free_count += ports.len();
        for port in ports {
            self.free.entry(port.worker).or_default().push(port);
        }
    }

    /// A new leg on a free port: on the worker of a call's first leg if `near` names it and it has
    /// one (two legs of one worker are forwarded without decoding), else on the worker with the
    /// most free ports. `None`: 503 with Retry-After.
    pub(crate) fn open(
        &mut self,
        owner: Partition,
        near: Option<u16>,
    ) -> Option<(LegRef, PortGrant)> {
        if self.slots.len() - self.vacant.len() >= LEGS_MAX {
            return None;
        }
        let near = near.filter(|worker| self.free.get(worker).is_some_and(|free| !free.is_empty()));
        let worker = near.or_else(|| {
            // Of equals the first: the same run twice is the same run.
            let most = |a: &(&u16, &Vec<PortGrant>), b: &(&u16, &Vec<PortGrant>)| {
                a.1.len().cmp(&b.1.len()).then(b.0.cmp(a.0))
            };
            self.free.iter().max_by(most).map(|(worker, _)| *worker)
        })?;
        let port = self.free.get_mut(&worker)?.pop()?;
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
        let (third, _) = pool.open(Partition(2), Some(7)).unwrap();
        assert_eq!(third.worker, 0, "an unknown worker is no reason to fail");
        assert_eq!((pool.free(), pool.legs()), (2, 3));
    }

    #[test]
    fn a_closed_leg_is_stale_and_its_number_comes_again_with_a_new_generation() {
        let mut pool = PortPool::new((1, 2));
        pool.grant(grants(0, 20000..20004));
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
