//! What an engine knows of the world: immutable snapshots, replaced whole.
//!
//! Owns the types. Does not own where they come from (files, store: the shell's `config`), nor the
//! rules of routing (`hotline_routing::config`).

mod anonymisation;
mod single_phone;

pub use anonymisation::Anonymisation;
pub use single_phone::{CutLine, FeatureCodes, Mobile, SinglePhone, StarCodes};

use hotline_base::{Partition, Redacted};
use hotline_ivr::program::Flows;
use hotline_ivr::schedule::WorkingTime;
use hotline_media::command::{AssetId, Codec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The node's directory: every tenant and shared trunk, as the front door sees them.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The configuration version this is a snapshot of.
    pub version: u64,
    /// All tenants.
    pub tenants: Vec<Arc<TenantConfig>>,
    /// Trunks shared by the tenants of the node.
    pub trunks: Vec<Trunk>,
    /// The tenant a request to a bare address belongs to.
    pub default_tenant: Option<Partition>,
}

impl Directory {
    /// The tenant of a partition.
    pub fn tenant(&self, partition: Partition) -> Option<&Arc<TenantConfig>> {
        self.tenants.iter().find(|tenant| tenant.partition == partition)
    }
}

/// One tenant, whole.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its partition, for life.
    pub partition: Partition,
    /// The configuration version.
    pub version: u64,
    /// Name of the tenant, unique on the node.
    pub name: String,
    /// SIP domains, lower case.
    pub domains: Vec<String>,
    /// The permanent digest realm.
    pub realm: String,
    /// Default language of prompts (`en`).
    pub language: String,
    /// Languages it speaks, the default one among them.
    pub languages: Vec<String>,
    /// The number shown when nothing else is to be.
    pub main_number: Option<String>,
    /// IANA time zone (`Europe/Stockholm`).
    pub time_zone: String,
    /// Queues, agents, access codes, routes.
    pub routing: Arc<hotline_routing::Config>,
    /// Softphones by number.
    pub softphones: BTreeMap<String, Softphone>,
    /// The tenant's own trunks.
    pub trunks: Vec<Trunk>,
    /// Prompts by language, then name.
    pub prompts: BTreeMap<String, BTreeMap<String, Prompt>>,
    /// Its flows, ready to run; calls in progress keep the ones they began with.
    pub flows: Arc<Flows>,
    /// Its working times by name.
    pub working_times: Arc<BTreeMap<String, WorkingTime>>,
    /// Custom tones by name.
    pub tones: BTreeMap<String, Prompt>,
    /// Calling numbers that reach drafts; their calls are test calls.
    pub test_callers: BTreeSet<String>,
    /// Agents that may sign in from any telephone, by employee ID.
    pub mobiles: BTreeMap<String, Mobile>,
    /// How single-phone agents are served.
    pub single_phone: SinglePhone,
    /// Number anonymisation of the agents that have one, by employee ID.
    pub anonymisation: BTreeMap<String, Anonymisation>,
    /// Limits of this tenant.
    pub limits: TenantLimits,
}

impl Default for TenantConfig {
    fn default() -> Self {
        TenantConfig {
            partition: Partition(0),
            version: 0,
            name: String::new(),
            domains: Vec::new(),
            realm: String::new(),
            language: "en".into(),
            languages: vec!["en".into()],
            main_number: None,
            time_zone: "UTC".into(),
            routing: Arc::default(),
            softphones: BTreeMap::new(),
            trunks: Vec::new(),
            prompts: BTreeMap::new(),
            flows: Arc::default(),
            working_times: Arc::default(),
            tones: BTreeMap::new(),
            test_callers: BTreeSet::new(),
            mobiles: BTreeMap::new(),
            single_phone: SinglePhone::default(),
            anonymisation: BTreeMap::new(),
            limits: TenantLimits::default(),
        }
    }
}

impl TenantConfig {
    /// The number that an agent sees of every customer, if one is set.
    pub fn number_shown_to_agent(&self, employee_id: &str) -> Option<&str> {
        self.anonymisation.get(employee_id)?.number_shown_to_agent.as_deref()
    }

    /// The number that outside parties see of an agent, if one is set.
    pub fn number_shown_to_customer(&self, employee_id: &str) -> Option<&str> {
        self.anonymisation.get(employee_id)?.number_shown_to_customer.as_deref()
    }

    /// A prompt in the language, else in the tenant's, else in English.
    pub fn prompt(&self, language: &str, name: &str) -> Option<Prompt> {
        [language, self.language.as_str(), "en"]
            .iter()
            .find_map(|language| self.prompts.get(*language)?.get(name).copied())
    }
}

/// A prompt of the media workers' library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its asset.
    pub asset: AssetId,
    /// How long it is, in ms.
    pub duration_ms: u32,
}

/// Asset of the default wait tone: always there.
pub const WAIT_TONE: AssetId = AssetId(0);
/// Asset of the short tone an agent hears while its employee ID is read: always there.
pub const AGENT_BEEP: AssetId = AssetId(1);
/// Asset of the quiet music of a held line: always there.
pub const LINE_TONE: AssetId = AssetId(2);
/// The first asset number of prompts.
pub const FIRST_PROMPT: AssetId = AssetId(16);

/// Digest algorithms a realm may offer, in order (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// MD5 (RFC 2617, RFC 7616).
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-256 (RFC 7616).
    #[serde(rename = "SHA-256")]
    Sha256,
}

/// The SIP credentials of an agent.
#[derive(Clone, Debug)]
pub struct Softphone {
    /// SIP user name and address-of-record user.
    pub number: String,
    /// The agent it belongs to.
    pub employee_id: String,
    /// MD5(user:realm:password).
    pub ha1_md5: Redacted<[u8; 16]>,
    /// SHA-256(user:realm:password).
    pub ha1_sha256: Redacted<[u8; 32]>,
    /// Which algorithms a challenge offers, in order.
    pub digest: Vec<DigestAlgorithm>,
    /// Whether the phone is asked to answer by itself.
    pub automatic_answer: bool,
}

/// A carrier's SIP trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Unique on the node or in the tenant.
    pub name: String,
    /// Source addresses that are this trunk.
    pub peers: Vec<Network>,
    /// Where the dialled number is found.
    #[serde(default)]
    pub dialled_from: DialledFrom,
    /// Number rules, applied in order to dialled numbers.
    #[serde(default)]
    pub number_rules: Vec<NumberRule>,
    /// Whether the carrier passes early media (else 180 is sent instead of 183).
    #[serde(default = "yes")]
    pub early_media: bool,
    /// Where our INVITEs go; without it the trunk only brings calls.
    #[serde(default)]
    pub target: Option<SocketAddr>,
    /// How they go there.
    #[serde(default)]
    pub transport: TrunkTransport,
    /// Our address on the way there; filled in by who knows the sockets. Unset: the peer learns it
    /// from the network.
    #[serde(skip)]
    pub local: Option<SocketAddr>,
    /// How outside numbers are written for it: the first rule whose prefix they begin with.
    #[serde(default)]
    pub outbound_rules: Vec<NumberRule>,
    /// What outside numbers may begin with that flows and agents call, written with or without `+`;
    /// `+` alone allows all. Empty: none is called. Mobiles of agents need no prefix: whoever
    /// configured them pays for them knowingly.
    #[serde(default)]
    pub outside_prefixes: Vec<String>,
    /// Whether it may show a number that is not the tenant's: the customer's, to a mobile agent.
    #[serde(default)]
    pub present_any_number: bool,
    /// Calls at once over it, both directions together: 1–100,000.
    #[serde(default = "channels_max")]
    pub channels: u32,
}

impl Trunk {
    /// Whether flows and agents may call an outside number by it.
    pub fn may_call(&self, number: &str) -> bool {
        let number = without_plus(number);
        self.outside_prefixes.iter().any(|prefix| number.starts_with(without_plus(prefix)))
    }
}

fn without_plus(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

impl Default for Trunk {
    fn default() -> Self {
        Trunk {
            name: String::new(),
            peers: Vec::new(),
            dialled_from: DialledFrom::default(),
            number_rules: Vec::new(),
            early_media: true,
            target: None,
            transport: TrunkTransport::default(),
            local: None,
            outbound_rules: Vec::new(),
            outside_prefixes: Vec::new(),
            present_any_number: false,
            channels: channels_max(),
        }
    }
}

fn yes() -> bool {
    true
}

fn channels_max() -> u32 {
    100_000
}

/// How INVITEs reach a trunk's target (`transport`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkTransport {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream.
    Tcp,
}

/// Which part of an INVITE names the number that was dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialledFrom {
    /// The Request-URI's user or `tel:` number.
    #[default]
    RequestUri,
    /// The To header.
    To,
    /// P-Called-Party-ID (RFC 7315).
    PCalledPartyId,
    /// The first Diversion (RFC 5806).
    Diversion,
    /// The last targeted History-Info (RFC 7044).
    HistoryInfo,
}

/// One rewriting of a number: when it begins with `prefix`, that is replaced by `with`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberRule {
    /// The beginning to replace.
    pub prefix: String,
    /// What replaces it.
    pub with: String,
}

/// An address with a prefix length: `198.51.100.0/24`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address of the network.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

impl Network {
    /// Whether an address is in the network. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask =
                    u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = NotANetwork;
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NotANetwork)?,
            None => longest,
        };
        if prefix > longest { Err(NotANetwork) } else { Ok(Network { address, prefix }) }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or network; expected as in 198.51.100.0/24 or 2001:db8::1")]
pub struct NotANetwork;

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Limits of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Calls at once; the next one gets 503 with Retry-After.
    pub concurrent_calls: u32,
    /// Longest call in seconds from its answer; then it is released (cause 102).
    pub call_s_max: u32,
    /// Longest silence of RTP in seconds on an answered leg that may send; then the call is
    /// released (cause 41). 0 never.
    pub rtp_silence_s: u32,
}

impl Default for TenantLimits {
    fn default() -> Self {
        TenantLimits { concurrent_calls: 5_000, call_s_max: 4 * 3_600, rtp_silence_s: 60 }
    }
}

/// Settings of an engine that come from the node file, fixed for the process.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// What `Server` and `User-Agent` say.
    pub user_agent: String,
    /// Address put into Via and Contact instead of the flow's local one.
    pub sip_advertise: Option<String>,
    /// Address put into SDP instead of the flow's local one.
    pub media_advertise: Option<IpAddr>,
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// Secret of the digest nonces; kept over restarts so that phones need no new challenge.
    pub nonce_secret: Redacted<[u8; 32]>,
    /// Shortest registration in seconds (423 below it).
    pub register_s_min: u32,
    /// Longest registration in seconds.
    pub register_s_max: u32,
    /// Registration time when the phone names none, in seconds.
    pub register_s_default: u32,
    /// How many partitions' worth of engines share the node: this engine's number and the count.
    pub engine: (u16, u16),
}

impl EngineSettings {
    /// Which engine of the node owns a partition.
    pub fn owner_of(partition: Partition, engines: u16) -> u16 {
        (partition.0 % u32::from(engines.max(1))) as u16
    }
}
