//! [`Endpoint`]: the transaction layer (RFC 3261 §17, §9, §8.1.3, §8.2.2; RFC 6026, RFC 3581).
//!
//! Owns: client and server transactions, their timers, matching, retransmission, the automatic
//! 100 Trying, the answer to CANCEL, the ACK of failures, the retransmission of 2xx to INVITE until
//! its ACK and of our ACK to a retransmitted 2xx. Does not own: dialogs ([`crate::dialog`]), what a
//! request means, name resolution, sockets.
//!
//! It is driven in three steps: an input ([`Endpoint::receive`], [`Endpoint::request`],
//! [`Endpoint::respond`], [`Endpoint::expire`], …), then [`Endpoint::poll_transmit`] and
//! [`Endpoint::poll_event`] until both are empty, then [`Endpoint::deadline`] for when to call
//! [`Endpoint::expire`].
//!
//! ```text
//!            bytes out                  events
//!                ↑                        ↑
//!   message →  match → ClientState / ServerState → actions → timers
//!                ↓ no transaction: new request, stray ACK, stray response (counted)
//! ```

mod client;
mod server;
#[cfg(test)]
mod tests;

use crate::build::{BuildError, RequestBuilder, ResponseBuilder, ViaParameters};
use crate::flow::{ConnectionId, Flow};
use crate::header::HeaderName;
use crate::mark::Mark;
use crate::message::Message;
use crate::transaction::key::{Key, KeyMaker};
use crate::transaction::{ClientInput, ServerInput, Timer, TimerSettings};
use bytes::Bytes;
use client::{Client, ClientKey};
use compact_str::CompactString;
use hotline_base::{Mono, Now, Rng, SecretMap, TimerId, TimerWheel};
use server::Server;
use slab::Slab;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Most answers of different forks to one INVITE; later ones are dropped.
pub const FORKS_MAX: usize = 16;

/// Settings of an [`Endpoint`].
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// T1, T2, T4 and when 100 Trying is sent.
    pub timers: TimerSettings,
    /// Whose the tags are that the endpoint mints in answers of its own (481 to a CANCEL, …).
    pub mark: Mark,
    /// Most server transactions; a new request beyond it gets 503 (in-dialog requests have an
    /// eighth more).
    pub server_transactions_max: usize,
    /// The Retry-After of that 503, in seconds.
    pub retry_after_s: u32,
    /// Sent-by for local addresses that peers see under another name (behind NAT); others stand
    /// for themselves.
    pub advertised: Vec<Advertised>,
    /// Whether [`Endpoint::poll_peer`] is asked after each input.
    pub tells_peers: bool,
}

/// How a local address is written in Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The address of the socket.
    pub local: SocketAddr,
    /// The host peers reach it by; IPv6 in brackets.
    pub host: CompactString,
    /// The port, if it is to be written.
    pub port: Option<u16>,
}

impl EndpointConfig {
    /// The defaults of RFC 3261 and 100,000 server transactions.
    pub fn new(mark: Mark) -> EndpointConfig {
        EndpointConfig {
            timers: TimerSettings::default(),
            mark,
            server_transactions_max: 100_000,
            retry_after_s: 5,
            advertised: Vec::new(),
            tells_peers: false,
        }
    }
}

/// Names a client transaction; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    slot: u32,
    serial: u32,
}

/// Names a server transaction; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId {
    slot: u32,
    serial: u32,
}

/// What the endpoint tells its user.
#[derive(Clone, Debug)]
pub enum Event<U> {
    /// A new request (never a retransmission, a CANCEL or an ACK): answer it with
    /// [`Endpoint::respond`].
    Request {
        /// Its transaction.
        server: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        message: Message,
    },
    /// An INVITE that waits for its final response was cancelled; the CANCEL has its 200.
    Cancel {
        /// The transaction of the INVITE: answer 487.
        invite: ServerId,
        /// The CANCEL.
        message: Message,
    },
    /// The ACK of a 2xx. With `server` it is the first of that INVITE; without, it belongs to no
    /// transaction we know and can only be judged by its dialog.
    Ack {
        /// The transaction of the INVITE.
        server: Option<ServerId>,
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        message: Message,
    },
    /// The final response to an INVITE was never acknowledged (64·T1). After a 2xx: send BYE
    /// (RFC 3261 §13.3.1.4).
    AckMissing {
        /// The transaction of the INVITE.
        server: ServerId,
    },
    /// A server transaction that had its `Request` event is over.
    ServerGone {
        /// The transaction.
        server: ServerId,
        /// Whether it ended because its flow failed.
        failed: bool,
    },
    /// A response to a CANCEL of ours. Nothing follows from it: the INVITE's own does.
    CancelAnswered {
        /// What the user gave with the INVITE.
        user: U,
        /// Where the CANCEL went.
        flow: Flow,
        /// The response.
        message: Message,
    },
    /// A provisional or final response; after a 2xx to INVITE also the 2xx of other forks.
    Response {
        /// The transaction.
        client: ClientId,
        /// What the user gave with the request.
        user: U,
        /// The response.
        message: Message,
    },
    /// No final response came in time (timers B and F, or 64·T1 after a CANCEL): as if 408.
    Timeout {
        /// The transaction.
        client: ClientId,
        /// What the user gave with the request.
        user: U,
    },
    /// The flow failed before the final response: as if 503.
    TransportError {
        /// The transaction.
        client: ClientId,
        /// What the user gave with the request.
        user: U,
    },
    /// A client transaction is over; the last event of each.
    Terminated {
        /// The transaction.
        client: ClientId,
        /// What the user gave with the request.
        user: U,
    },
}

/// How many of each are alive; all zero after quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Client transactions.
    pub clients: usize,
    /// Server transactions.
    pub servers: usize,
    /// Running timers.
    pub timers: usize,
    /// Entries of the tables by which messages and flows find transactions.
    pub index_entries: usize,
}

/// What was thrown away, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Responses that match no transaction, or carry several Vias.
    pub stray_responses: u64,
    /// Requests that cannot be acted upon ([`crate::validate`]); answered where that is possible.
    pub unreadable: u64,
    /// Requests refused because the table was full.
    pub overload: u64,
    /// Requests that came by a second way and got 482.
    pub merged: u64,
}

/// A transaction of either kind, as timers and flows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Client(ClientId),
    Server(ServerId),
}

/// What a transaction's peer hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A connection.
    Connection(ConnectionId),
    /// An address, without a connection or before there is one.
    Address(SocketAddr),
}

/// A transaction's two timers, by slot.
type Running = [Option<TimerId>; crate::transaction::timers::SLOTS];

/// The transaction layer; see the module. `U` is what the user wants back with each response.
pub struct Endpoint<U> {
    config: EndpointConfig,
    rng: Rng,
    keys: KeyMaker,
    clients: Slab<Client<U>>,
    clients_by_branch: SecretMap<ClientKey, ClientId>,
    servers: Slab<Server>,
    servers_by_key: SecretMap<Key, ServerId>,
    servers_by_merge: SecretMap<Key, ServerId>,
    servers_by_ack: SecretMap<Key, ServerId>,
    by_peer: BTreeSet<(Peer, Owner)>,
    peers: VecDeque<(Peer, bool)>,
    timers: TimerWheel<(Owner, Timer)>,
    events: VecDeque<Event<U>>,
    transmits: VecDeque<(Flow, Bytes)>,
    serial: u32,
    dropped: Dropped,
}

impl<U> std::fmt::Debug for Endpoint<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("counts", &self.counts())
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl<U> Endpoint<U> {
    /// An endpoint without transactions.
    pub fn new(config: EndpointConfig, mut rng: Rng) -> Self {
        Endpoint {
            config,
            keys: KeyMaker::new(&mut rng),
            clients: Slab::new(),
            clients_by_branch: SecretMap::new(&mut rng),
            servers: Slab::new(),
            servers_by_key: SecretMap::new(&mut rng),
            servers_by_merge: SecretMap::new(&mut rng),
            servers_by_ack: SecretMap::new(&mut rng),
            by_peer: BTreeSet::new(),
            peers: VecDeque::new(),
            timers: TimerWheel::new(),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            serial: 0,
            dropped: Dropped::default(),
            rng,
        }
    }

    /// The next event; call until `None` after each input.
    pub fn poll_event(&mut self) -> Option<Event<U>> {
        self.events.pop_front()
    }

    /// The next message to send; call until `None` after each input.
    pub fn poll_transmit(&mut self) -> Option<(Flow, Bytes)> {
        self.transmits.pop_front()
    }

    /// A peer that transactions hang on from now on (`true`), or no longer: whom
    /// [`Endpoint::transport_failed`] has something to do for. Empty unless
    /// [`EndpointConfig::tells_peers`]; then to be called until `None` after each input.
    pub fn poll_peer(&mut self) -> Option<(Peer, bool)> {
        self.peers.pop_front()
    }

    /// When [`Endpoint::expire`] is to be called next.
    pub fn deadline(&self) -> Option<Mono> {
        self.timers.next_deadline()
    }

    /// How many transactions and timers are alive.
    pub fn counts(&self) -> Counts {
        Counts {
            clients: self.clients.len(),
            servers: self.servers.len(),
            timers: self.timers.len(),
            index_entries: self.clients_by_branch.len()
                + self.servers_by_key.len()
                + self.servers_by_merge.len()
                + self.servers_by_ack.len()
                + self.by_peer.len(),
        }
    }

    /// One more local address stands under another name in Via, from the next request on.
    pub fn advertise(&mut self, entry: Advertised) {
        self.config.advertised.retain(|known| known.local != entry.local);
        self.config.advertised.push(entry);
    }

    /// What was thrown away.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// A new tag of an owner.
    pub fn mint_tag(&mut self, mark: Mark) -> CompactString {
        mark.mint_tag(&mut self.rng)
    }

    /// A new Call-ID of an owner; `host` may be empty.
    pub fn mint_call_id(&mut self, mark: Mark, host: &str) -> CompactString {
        mark.mint_call_id(&mut self.rng, host)
    }

    /// How many Vias of a request are ours: how often it has come round (RFC 3261 §16.3 item 4).
    /// A call that leaves through a trunk and comes back on purpose has one.
    pub fn own_vias(message: &Message) -> usize {
        let own = |via: &crate::header::Via| {
            via.branch().is_some_and(|branch| std::str::from_utf8(&branch).is_ok_and(is_our_branch))
        };
        message.vias().filter_map(Result::ok).filter(own).count()
    }

    /// The Max-Forwards to send a request on with, or the 483 that refuses it (RFC 3261 §16.3
    /// item 3, RFC 7332 for a B2BUA). A request without the header has 70.
    pub fn hops_left(message: &Message) -> Result<u8, u16> {
        let hops = message.max_forwards().map_err(|_| 400u16)?.unwrap_or(70);
        hops.checked_sub(1).ok_or(483)
    }

    /// Sends bytes without a transaction: keep-alives, or what the user has written itself.
    pub fn send_raw(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back((flow, bytes));
    }

    /// Answers a request without a transaction (RFC 3261 §8.2.7): for what could not be parsed
    /// whole, and when there is no room. The tag of To is the same for each retransmission.
    pub fn refuse(&mut self, flow: Flow, request: &Message, status: u16, reason: Option<&str>) {
        let mut response = ResponseBuilder::new(request, status);
        if let Some(reason) = reason {
            response = response.reason(reason);
        }
        self.answer_statelessly(flow, request, response);
    }

    /// The same with a response of the user's own making; tag and source are filled in. For what
    /// strangers ask, so that they leave nothing behind: see [`Endpoint::knows`].
    pub fn answer_statelessly(&mut self, flow: Flow, request: &Message, response: ResponseBuilder) {
        if request.is(&crate::Method::Ack) {
            return;
        }
        let branch = request.headers(HeaderName::Via).next().unwrap_or_default();
        let call_id = request.header(HeaderName::CallId).unwrap_or_default();
        let kind = crate::transaction::key::KeyKind::Merge;
        let key = self.keys.begin(kind).exact(branch).exact(call_id).end();
        let tag = self.config.mark.tag_of(key as u64);
        let response = response.to_tag(&tag).source(flow.remote);
        match response.finish() {
            Ok(bytes) => {
                self.transmits.push_back((server::reply_flow(flow, request), bytes));
            }
            Err(_) => self.dropped.unreadable += 1,
        }
    }

    fn via(&self, flow: &Flow, branch: CompactString) -> ViaParameters {
        let advertised = self.config.advertised.iter().find(|entry| entry.local == flow.local);
        let (host, port) = match advertised {
            Some(entry) => (entry.host.clone(), entry.port),
            None => {
                let host = match flow.local.ip() {
                    std::net::IpAddr::V4(ip) => compact_str::format_compact!("{ip}"),
                    std::net::IpAddr::V6(ip) => compact_str::format_compact!("[{ip}]"),
                };
                (host, Some(flow.local.port()))
            }
        };
        ViaParameters { transport: flow.transport, host, port, branch, rport: true }
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    fn watch(&mut self, flow: &Flow, owner: Owner) {
        let peer = peer_of(flow);
        if self.config.tells_peers && self.on_peer(peer).next().is_none() {
            self.peers.push_back((peer, true));
        }
        self.by_peer.insert((peer, owner));
    }

    fn unwatch(&mut self, flow: &Flow, owner: Owner) {
        let peer = peer_of(flow);
        let known = self.by_peer.remove(&(peer, owner));
        if known && self.config.tells_peers && self.on_peer(peer).next().is_none() {
            self.peers.push_back((peer, false));
        }
    }

    fn on_peer(&self, peer: Peer) -> impl Iterator<Item = Owner> {
        let first = (peer, Owner::Client(ClientId { slot: 0, serial: 0 }));
        let on_peer = self.by_peer.range(first..).take_while(move |(found, _)| *found == peer);
        on_peer.map(|(_, owner)| *owner)
    }

    fn owners_on(&self, peer: Peer) -> Vec<Owner> {
        self.on_peer(peer).collect()
    }
}

impl<U: Clone> Endpoint<U> {
    /// A message came in.
    pub fn receive(&mut self, now: Now, flow: Flow, message: Message) {
        if message.is_request() {
            self.receive_request(now, flow, message);
        } else {
            self.receive_response(now, message);
        }
    }

    /// Fires the timers that are due.
    pub fn expire(&mut self, now: Now) {
        while let Some((id, (owner, timer))) = self.timers.expire(now.mono) {
            let slot = timer.slot();
            match owner {
                Owner::Client(client) => {
                    if let Some(state) = self.client_mut(client) {
                        clear(&mut state.running, slot, id);
                    }
                    self.step_client(now, client, ClientInput::Timer(timer), None);
                }
                Owner::Server(server) => {
                    if let Some(state) = self.server_mut(server) {
                        clear(&mut state.running, slot, id);
                    }
                    self.server_timer(now, server, timer);
                }
            }
        }
    }

    /// A flow failed: the connection closed, or the network reported the peer unreachable. With a
    /// connection everything on it is told; without, the client transactions to that address.
    pub fn transport_failed(&mut self, now: Now, flow: Flow) {
        let mut owners = self.owners_on(peer_of(&flow));
        if flow.connection.is_some() {
            // Those that asked for a connection to the address before there was one.
            owners.extend(self.owners_on(Peer::Address(flow.remote)));
        }
        for owner in owners {
            match owner {
                Owner::Client(client) => {
                    // A stream's own port is not the one we listen on.
                    let same = self.client(client).is_some_and(|client| {
                        client.flow.transport == flow.transport
                            && (flow.transport.is_reliable() || client.flow.local == flow.local)
                    });
                    if same {
                        self.client_failed(now, client);
                    }
                }
                Owner::Server(server) => {
                    self.step_server(now, server, ServerInput::TransportError);
                }
            }
        }
    }

    /// The request of a transaction could not be sent at all.
    pub fn client_failed(&mut self, now: Now, client: ClientId) {
        self.step_client(now, client, ClientInput::TransportError, None);
    }

    /// Sends a request in a new client transaction with a branch of `mark`.
    ///
    /// # Errors
    /// The request cannot be written; nothing was sent.
    pub fn request(
        &mut self,
        now: Now,
        request: &RequestBuilder,
        flow: Flow,
        mark: Mark,
        user: U,
    ) -> Result<ClientId, BuildError> {
        self.begin_client(now, request, flow, mark, user)
    }
}

fn is_our_branch(branch: &str) -> bool {
    Mark::of_branch(branch).is_some()
}

fn peer_of(flow: &Flow) -> Peer {
    flow.connection.map_or(Peer::Address(flow.remote), Peer::Connection)
}

fn clear(running: &mut Running, slot: usize, id: TimerId) {
    if let Some(entry) = running.get_mut(slot)
        && *entry == Some(id)
    {
        *entry = None;
    }
}
