//! [`Grants`]: which engine gets the next port, and when more are to be bound.

use hotline_media::command::PortGrant;

/// Ports an engine should always have free at one worker: several times what it keeps for second
/// legs, so that a burst of calls meets ports that are bound.
const FREE_LOW: u32 = 4 * hotline_engine::RESERVED_PORTS_MAX as u32;

/// What one worker has lent to each engine.
#[derive(Debug)]
pub struct Grants {
    free: Vec<u32>,
}

impl Grants {
    /// Nothing lent yet.
    pub fn new(engines: u16) -> Grants {
        Grants { free: vec![0; usize::from(engines.max(1))] }
    }

    /// Whether an engine has fewer free ports than it should.
    pub fn low(&self) -> bool {
        self.free.iter().any(|free| *free < FREE_LOW)
    }

    /// An engine uses one of its ports.
    pub fn used(&mut self, engine: u16) {
        if let Some(free) = self.free.get_mut(usize::from(engine)) {
            *free = free.saturating_sub(1);
        }
    }

    /// Divides ports so that the engine with the fewest gets the next.
    pub fn divide(&mut self, ports: Vec<PortGrant>) -> Vec<(u16, Vec<PortGrant>)> {
        let mut shares: Vec<(u16, Vec<PortGrant>)> =
            (0..).map(|engine| (engine, Vec::new())).take(self.free.len()).collect();
        for port in ports {
            let fewest = self.free.iter().enumerate().min_by_key(|(_, free)| **free);
            let Some(engine) = fewest.map(|(engine, _)| engine) else { break };
            self.free[engine] += 1;
            shares[engine].1.push(port);
        }
        shares.retain(|(_, ports)| !ports.is_empty());
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(count: u16) -> Vec<PortGrant> {
        let address = "127.0.0.1".parse().unwrap();
        (0..count).map(|n| PortGrant { worker: 0, address, rtp: 20_000 + 2 * n }).collect()
    }

    #[test]
    fn the_engine_with_the_fewest_free_ports_gets_the_next() {
        let mut grants = Grants::new(2);
        let lengths = |shares: Vec<(u16, Vec<PortGrant>)>| {
            shares.into_iter().map(|(engine, ports)| (engine, ports.len())).collect::<Vec<_>>()
        };
        assert_eq!(lengths(grants.divide(ports(10))), [(0, 5), (1, 5)]);
        (0..4).for_each(|_| grants.used(1));
        assert_eq!(lengths(grants.divide(ports(6))), [(0, 1), (1, 5)]);
        assert!(grants.low());
        grants.divide(ports(2 * FREE_LOW as u16));
        assert!(!grants.low());
    }
}
