//! [`Peers`]: which partitions have to do with a peer, so that one which cannot be reached, or a
//! connection that is gone, is told to nobody else.
//!
//! Owns: the partitions whose transactions hang on an address or connection, and those that were
//! spoken to over a connection. Does not own: what a partition does about it.
//!
//! Anybody can be a peer that cannot be reached: what a stranger's address costs does not grow with
//! the number of tenants.

use hotline_base::Partition;
use hotline_sip::{ConnectionId, Flow, Peer};
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by their peers; see the module.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Those with transactions, by what these hang on.
    transactions: BTreeMap<Peer, BTreeSet<Partition>>,
    /// Those that were spoken to, until the connection is closed; with its flow.
    connections: BTreeMap<ConnectionId, (Flow, BTreeSet<Partition>)>,
}

impl Peers {
    /// A partition has transactions with a peer from now on, or none any more.
    pub(crate) fn hangs_on(&mut self, partition: Partition, peer: Peer, hangs: bool) {
        if hangs {
            self.transactions.entry(peer).or_default().insert(partition);
        } else if let Some(partitions) = self.transactions.get_mut(&peer) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.transactions.remove(&peer);
            }
        }
    }

    /// A message for a partition came by this flow.
    pub(crate) fn spoke(&mut self, partition: Partition, flow: Flow) {
        let Some(connection) = flow.connection else { return };
        let (latest, partitions) =
            self.connections.entry(connection).or_insert_with(|| (flow, BTreeSet::new()));
        *latest = flow;
        partitions.insert(partition);
    }

    /// Whom the failure of a flow concerns.
    pub(crate) fn on(&self, flow: &Flow) -> BTreeSet<Partition> {
        let mut found = BTreeSet::new();
        if let Some(connection) = flow.connection {
            let spoken = self.connections.get(&connection);
            found.extend(spoken.into_iter().flat_map(|(_, partitions)| partitions));
            found
                .extend(self.transactions.get(&Peer::Connection(connection)).into_iter().flatten());
        }
        // Also those who asked for a connection to the address before there was one.
        found.extend(self.transactions.get(&Peer::Address(flow.remote)).into_iter().flatten());
        found
    }

    /// A connection is closed: its flow, if it has ever spoken, and whom it concerns.
    pub(crate) fn closed(
        &mut self,
        connection: ConnectionId,
    ) -> Option<(Flow, BTreeSet<Partition>)> {
        let flow = self.connections.get(&connection)?.0;
        let concerned = self.on(&flow);
        self.connections.remove(&connection);
        Some((flow, concerned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotline_sip::Transport;

    const OURS: Partition = Partition(1);
    const THEIRS: Partition = Partition(2);

    fn flow(host: u8, connection: Option<u64>) -> Flow {
        let remote = std::net::SocketAddr::from(([192, 0, 2, host], 5060));
        let local = std::net::SocketAddr::from(([192, 0, 2, 99], 5060));
        let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
        Flow { transport, local, remote, connection: connection.map(ConnectionId) }
    }

    fn concerned(peers: &Peers, flow: &Flow) -> Vec<u32> {
        peers.on(flow).into_iter().map(|partition| partition.0).collect()
    }

    /// One ICMP error that a stranger provoked made every tenant of the engine look whether it had
    /// to do with it.
    #[test]
    fn a_strangers_failure_concerns_nobody() {
        let mut peers = Peers::default();
        peers.hangs_on(OURS, Peer::Address(flow(1, None).remote), true);
        peers.hangs_on(THEIRS, Peer::Address(flow(1, None).remote), true);
        assert_eq!(concerned(&peers, &flow(1, None)), [1, 2]);
        assert!(concerned(&peers, &flow(2, None)).is_empty());
        peers.hangs_on(OURS, Peer::Address(flow(1, None).remote), false);
        assert_eq!(concerned(&peers, &flow(1, None)), [2]);
        peers.hangs_on(THEIRS, Peer::Address(flow(1, None).remote), false);
        assert!(peers.transactions.is_empty());
    }

    #[test]
    fn a_connection_concerns_whom_it_spoke_to_and_who_waits_for_it() {
        let mut peers = Peers::default();
        peers.spoke(OURS, flow(1, Some(5)));
        peers.hangs_on(THEIRS, Peer::Address(flow(1, None).remote), true);
        assert_eq!(concerned(&peers, &flow(1, Some(5))), [1, 2]);
        let (closed, partitions) = peers.closed(ConnectionId(5)).unwrap();
        assert_eq!((closed, partitions.len()), (flow(1, Some(5)), 2));
        assert!(peers.closed(ConnectionId(5)).is_none(), "once");
        assert!(peers.closed(ConnectionId(6)).is_none(), "it never spoke");
    }
}
