//! The front door: whose a message is. A pure function of (flow, message, directory snapshot),
//! remembered so that a reload cannot part a CANCEL, ACK or retransmission from its INVITE.
//!
//! Owns: the partition of a message. Does not own: whether it is admitted there
//! ([`crate::access`]), and transactions. Any thread may have a front door of its own.
//!
//! ```text
//! response            our mark in the top Via's branch, else dropped
//! request             our mark in To tag, Request-URI or Route user
//!   else              as its INVITE was placed (branch; Call-ID with From tag and Request-URI)
//!   else From agent   the tenant whose domain and softphone number From names
//!   else by address   trunk × longest access code that yields a route
//!   else by domain    of Request-URI, To, From
//!   else              the default tenant
//! ```

use crate::config::{Directory, Network, TenantConfig, Trunk};
use crate::dialled::dialled_number;
use bytes::Bytes;
use hotline_base::{Now, Partition, Rng, SecretMap};
use hotline_routing::number::NumberRules;
use hotline_routing::route::{Circumstances, Routes};
use hotline_sip::build::ResponseBuilder;
use hotline_sip::header::NameAddr;
use hotline_sip::mark::Mark;
use hotline_sip::{Flow, Message, Method, Uri};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// INVITEs remembered, twice this many at most: of trunks, and apart from them of others, so that
/// strangers cannot push a trunk's out. At the limit the older half is forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// INVITEs of others than trunks are forgotten after once to twice this time.
const OTHERS_REMEMBERED: Duration = Duration::from_secs(1_800);

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// To the owner of this partition.
    Partition(Partition),
    /// Nowhere: answer it with [`FrontDoor::refusal`].
    Refuse {
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: &'static str,
    },
    /// Nowhere, and no answer.
    Drop,
}

/// Finds the partition of a message; see the module.
pub struct FrontDoor {
    index: Index,
    keys: SipHasher13,
    trunks: Memory,
    others: Memory,
}

impl std::fmt::Debug for FrontDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrontDoor").field("version", &self.index.directory.version).finish()
    }
}

/// How a placement was found: what decides which memory keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Trunk,
    Other,
}

impl FrontDoor {
    /// A front door for a directory. `advertise` is the address that peers know us by, where it is
    /// not the local one.
    pub fn new(directory: Arc<Directory>, advertise: Option<&str>, rng: &mut Rng) -> FrontDoor {
        FrontDoor {
            index: Index::new(directory, advertise.map(str::to_ascii_lowercase)),
            keys: SipHasher13::new_with_keys(rng.next_u64(), rng.next_u64()),
            trunks: Memory::new(rng),
            others: Memory::new(rng),
        }
    }

    /// A new directory is in force. INVITEs that were placed stay where they are.
    pub fn set_directory(&mut self, directory: Arc<Directory>) {
        let advertise = self.index.advertise.take();
        self.index = Index::new(directory, advertise);
    }

    /// The version of its directory.
    pub fn version(&self) -> u64 {
        self.index.directory.version
    }

    /// Whose a message is.
    pub fn place(&mut self, now: Now, flow: &Flow, message: &Message) -> Placement {
        let Some(method) = message.method() else {
            return marked_response(message).map_or(Placement::Drop, Placement::Partition);
        };
        if let Some(partition) = marked_request(message) {
            return Placement::Partition(partition);
        }
        let of_invite = matches!(method, Method::Invite | Method::Cancel | Method::Ack);
        let keys = if of_invite { self.keys_of(message) } else { [None, None] };
        for key in keys.into_iter().flatten() {
            if let Some(partition) = self.trunks.get(key).or_else(|| self.others.get(key)) {
                return Placement::Partition(partition);
            }
        }
        let (placement, by) = self.index.place(flow, message);
        if let (Placement::Partition(partition), Method::Invite) = (placement, method) {
            let memory = match by {
                By::Trunk => &mut self.trunks,
                By::Other => &mut self.others,
            };
            if by == By::Other {
                memory.age(now);
            }
            for key in keys.into_iter().flatten() {
                memory.insert(key, partition);
            }
        }
        match (placement, method) {
            // An ACK is never answered (RFC 3261 §17).
            (Placement::Refuse { .. }, Method::Ack) => Placement::Drop,
            _ => placement,
        }
    }

    /// The answer to a request that was refused, with the flow it leaves by: made without state,
    /// the same for each retransmission (RFC 3261 §8.2.7). `None` when no answer can be made.
    pub fn refusal(
        &self,
        flow: &Flow,
        message: &Message,
        status: u16,
        reason: &str,
    ) -> Option<(Flow, Bytes)> {
        if !message.is_request() || message.is(&Method::Ack) {
            return None;
        }
        let via = message.top_via().ok()?;
        let mut key = self.keys;
        key.write(via.as_bytes());
        key.write(message.call_id().ok()?.as_ref());
        let tag = format!("f{:016x}", key.finish128().h1);
        let response = ResponseBuilder::new(message, status).reason(reason);
        let bytes = response.source(flow.remote).to_tag(&tag).finish().ok()?;
        let mut reply = *flow;
        if !flow.transport.is_reliable() && via.rport().is_none() {
            reply.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
        }
        Some((reply, bytes))
    }

    /// What names an INVITE to its ACK, CANCEL and retransmissions: branch and sent-by; and Call-ID
    /// with From tag and Request-URI (a fork to another number is another call).
    fn keys_of(&self, message: &Message) -> [Option<u128>; 2] {
        let begin = |kind: u8| {
            let mut key = self.keys;
            key.write_u8(kind);
            key
        };
        let branch = message.top_via().ok().filter(|via| via.has_magic_cookie()).map(|via| {
            let (host, port) = via.sent_by();
            let mut key = begin(1);
            key.write(&via.branch().unwrap_or_default().to_ascii_lowercase());
            key.write(&host.as_bytes().to_ascii_lowercase());
            key.write_u16(port.unwrap_or(0));
            key.finish128().as_u128()
        });
        let call_id = message.call_id().ok().map(|call_id| {
            let tag = message.from().ok().and_then(|from| from.tag()).unwrap_or_default();
            let mut key = begin(2);
            for part in [&call_id[..], &tag[..], message.request_uri_bytes()] {
                key.write(part);
                key.write_usize(part.len());
            }
            key.finish128().as_u128()
        });
        [branch, call_id]
    }
}

fn marked_response(message: &Message) -> Option<Partition> {
    let branch = message.top_via().ok()?.branch()?;
    Mark::of_branch(std::str::from_utf8(&branch).ok()?).map(|mark| mark.partition)
}

/// A request that names us by something we minted.
fn marked_request(message: &Message) -> Option<Partition> {
    let tag = message.to().ok().and_then(|to| to.tag());
    let of_tag = tag.and_then(|tag| Mark::of_tag(std::str::from_utf8(&tag).ok()?));
    let of_user = |uri: &Uri| Mark::of_tag(std::str::from_utf8(uri.user()?).ok()?);
    of_tag
        .or_else(|| of_user(&message.request_uri().ok()?))
        .or_else(|| of_user(&message.routes().next()?.ok()?.uri))
        .map(|mark| mark.partition)
}

/// The directory, ready to be asked.
struct Index {
    directory: Arc<Directory>,
    advertise: Option<String>,
    tenants: BTreeMap<Partition, Tenant>,
    domains: BTreeMap<String, Partition>,
    /// Access codes of all tenants; equal ones of two tenants are told apart by trunk.
    codes: BTreeMap<String, Vec<Partition>>,
    code_length_max: usize,
    trunks: Vec<(Option<Partition>, Trunk)>,
    hosts: BTreeMap<IpAddr, Vec<u32>>,
    networks: Vec<(Network, u32)>,
}

struct Tenant {
    config: Arc<TenantConfig>,
    routes: Routes,
}

impl Index {
    fn new(directory: Arc<Directory>, advertise: Option<String>) -> Index {
        let mut index = Index {
            advertise,
            tenants: BTreeMap::new(),
            domains: BTreeMap::new(),
            codes: BTreeMap::new(),
            code_length_max: 0,
            trunks: Vec::new(),
            hosts: BTreeMap::new(),
            networks: Vec::new(),
            directory: Arc::clone(&directory),
        };
        for tenant in &directory.tenants {
            index.add_tenant(tenant);
        }
        for trunk in &directory.trunks {
            index.add_trunk(None, trunk);
        }
        index
    }

    fn add_tenant(&mut self, config: &Arc<TenantConfig>) {
        let partition = config.partition;
        for domain in &config.domains {
            self.domains.entry(domain.to_ascii_lowercase()).or_insert(partition);
        }
        for code in &config.routing.access_codes {
            self.code_length_max = self.code_length_max.max(code.code.len());
            self.codes.entry(code.code.clone()).or_default().push(partition);
        }
        for trunk in &config.trunks {
            self.add_trunk(Some(partition), trunk);
        }
        let routes = Routes::new(&config.routing);
        self.tenants.insert(partition, Tenant { config: Arc::clone(config), routes });
    }

    fn add_trunk(&mut self, owner: Option<Partition>, trunk: &Trunk) {
        let number = self.trunks.len() as u32;
        self.trunks.push((owner, trunk.clone()));
        for network in &trunk.peers {
            let address = network.address.to_canonical();
            if network.prefix == if network.address.is_ipv4() { 32 } else { 128 } {
                self.hosts.entry(address).or_default().push(number);
            } else {
                self.networks.push((*network, number));
            }
        }
    }

    fn place(&self, flow: &Flow, message: &Message) -> (Placement, By) {
        let other = |partition| (Placement::Partition(partition), By::Other);
        if let Some(partition) = self.agent_claimed(flow, message) {
            return other(partition);
        }
        if !message.is(&Method::Register) {
            let found = self.by_trunk(flow.remote.ip(), message);
            if let Some(partition) = found {
                return (Placement::Partition(partition), By::Trunk);
            }
        }
        if let Some(partition) = self.by_domain(message).or(self.directory.default_tenant) {
            return other(partition);
        }
        // A monitor's OPTIONS is answered by any tenant; there is nothing of a tenant in it.
        let any = self.tenants.keys().next().filter(|_| message.is(&Method::Options));
        match any {
            Some(partition) => other(*partition),
            None => (Placement::Refuse { status: 404, reason: "Not Found" }, By::Other),
        }
    }

    /// The tenant one of whose softphones From claims to be. Such a request is never a trunk's.
    fn agent_claimed(&self, flow: &Flow, message: &Message) -> Option<Partition> {
        let from = &message.from().ok()?.uri;
        let partition = self.domain(from).or(self.directory.default_tenant)?;
        let tenant = &self.tenants.get(&partition)?.config;
        claims_agent(flow, message, tenant, self.advertise.as_deref()).map(|_| partition)
    }

    /// Trunk by source address × access code. A trunk of one tenant is that tenant's alone, also
    /// when the number is unknown there.
    fn by_trunk(&self, source: IpAddr, message: &Message) -> Option<Partition> {
        let source = source.to_canonical();
        let hosts = self.hosts.get(&source).into_iter().flatten().copied();
        let wide = self.networks.iter().filter(|(network, _)| network.contains(source));
        let trunks = hosts.chain(wide.map(|(_, number)| *number));
        let candidates: smallvec::SmallVec<[&(Option<Partition>, Trunk); 4]> =
            trunks.filter_map(|number| self.trunks.get(number as usize)).collect();
        if candidates.is_empty() {
            return None;
        }
        let mut best: Option<(usize, bool, Partition)> = None;
        for (owner, trunk) in &candidates {
            let rules = owner.and_then(|owner| self.tenants.get(&owner));
            let plain = NumberRules::default();
            let rules = rules.map_or(&plain, |tenant| &tenant.config.routing.number_rules);
            let Ok(number) = dialled_number(message, Some(trunk), rules) else { continue };
            if let Some((length, routed, partition)) = self.by_code(&number, *owner)
                && best.is_none_or(|(l, r, _)| (routed, length) > (r, l))
            {
                best = Some((length, routed, partition));
            }
        }
        let by_number = best.map(|(_, _, partition)| partition);
        let may_be = |partition: &Partition| {
            candidates.iter().any(|(owner, _)| owner.is_none_or(|owner| owner == *partition))
        };
        by_number
            .or_else(|| self.by_domain(message).filter(may_be))
            .or_else(|| candidates.iter().find_map(|(owner, _)| *owner))
            .or(self.directory.default_tenant)
    }

    /// The tenant whose access code begins the number: the longest that yields a route, else the
    /// longest. Gives the code's length and whether it yields a route.
    fn by_code(&self, number: &str, owner: Option<Partition>) -> Option<(usize, bool, Partition)> {
        let mut unrouted = None;
        for length in (1..=self.code_length_max.min(number.len())).rev() {
            let Some(partitions) = number.get(..length).and_then(|code| self.codes.get(code))
            else {
                continue;
            };
            for &partition in partitions {
                if owner.is_some_and(|owner| owner != partition) {
                    continue;
                }
                let Some(tenant) = self.tenants.get(&partition) else { continue };
                let resolved =
                    tenant.routes.resolve(&tenant.config.routing, number, Circumstances::ANY);
                if resolved.is_ok_and(|found| found.access_code.len() == length) {
                    return Some((length, true, partition));
                }
                unrouted.get_or_insert((length, false, partition));
            }
        }
        unrouted
    }

    fn by_domain(&self, message: &Message) -> Option<Partition> {
        let header = |address: Result<&NameAddr, _>| address.ok().and_then(|a| self.domain(&a.uri));
        message
            .request_uri()
            .ok()
            .and_then(|uri| self.domain(&uri))
            .or_else(|| header(message.to().map_err(drop)))
            .or_else(|| header(message.from().map_err(drop)))
    }

    fn domain(&self, uri: &Uri) -> Option<Partition> {
        let host = uri.host();
        // The usual lower-case host needs no copy.
        let found = self.domains.get(host);
        found.or_else(|| self.domains.get(&host.to_ascii_lowercase())).copied()
    }
}

/// The softphone number that From claims to be: its user is one, and its host is the tenant's, our
/// own, or the very one that the request is for.
pub(crate) fn claims_agent(
    flow: &Flow,
    message: &Message,
    tenant: &TenantConfig,
    advertise: Option<&str>,
) -> Option<String> {
    let from = &message.from().ok()?.uri;
    let user = from.user_text().filter(|user| tenant.softphones.contains_key(user))?;
    let host = from.host();
    let ours = tenant.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host))
        || is_own_host(flow, host, advertise)
        || message.request_uri().is_ok_and(|uri| uri.host().eq_ignore_ascii_case(host));
    ours.then_some(user)
}

/// Whether a host names this server: the advertised name or address, or the local address. When
/// the socket is bound to all addresses, every one but the peer's own may be ours.
fn is_own_host(flow: &Flow, host: &str, advertise: Option<&str>) -> bool {
    let named = |own: &str| {
        let without_port = own.rsplit_once(':').map_or(own, |(name, _)| name);
        own.eq_ignore_ascii_case(host) || without_port.eq_ignore_ascii_case(host)
    };
    if advertise.is_some_and(named) {
        return true;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(address) = bare.parse::<IpAddr>() else { return false };
    let address = address.to_canonical();
    let (local, remote) = (flow.local.ip().to_canonical(), flow.remote.ip().to_canonical());
    match local.is_unspecified() {
        true => address.is_loopback() || address != remote,
        false => address == local,
    }
}

/// Placements of INVITEs in two generations, bounded.
struct Memory {
    young: SecretMap<u128, Partition>,
    old: SecretMap<u128, Partition>,
    empty: Rng,
    since: Option<hotline_base::Mono>,
}

impl Memory {
    fn new(rng: &mut Rng) -> Memory {
        let mut empty = rng.fork();
        let (young, old) = (SecretMap::new(&mut empty), SecretMap::new(&mut empty));
        Memory { young, old, empty, since: None }
    }

    fn get(&self, key: u128) -> Option<Partition> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn insert(&mut self, key: u128, partition: Partition) {
        // Two keys an INVITE.
        if self.young.len() >= 2 * REMEMBERED_MAX {
            self.turn();
        }
        self.young.insert(key, partition);
    }

    fn turn(&mut self) {
        let fresh = SecretMap::new(&mut self.empty);
        self.old = std::mem::replace(&mut self.young, fresh);
    }

    fn age(&mut self, now: Now) {
        let since = *self.since.get_or_insert(now.mono);
        if now.mono.since(since) >= OTHERS_REMEMBERED {
            self.since = Some(now.mono);
            self.turn();
        }
    }
}
