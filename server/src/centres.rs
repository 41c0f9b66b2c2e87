//! The centres of a node: the one place that changes configuration.
//!
//! Owns: plan, commit to the store, and the directory the engines get; generated passwords and PINs
//! are in [`credentials`], drafts and versions of flows in [`flows`]. Does not own: how a centre is
//! read (`config`), who asks for the change (`http`, `cli`).

mod credentials;
pub mod flows;

#[cfg(test)]
mod flow_tests;
pub mod sound_files;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::config::centre::{self, Key, Loaded};
use crate::config::flows::{Sounds as SoundNames, check as flow_check};
use crate::config::plan::Plan;
use crate::config::tree::Node;
use crate::config::{Centre, Fault, Faults, NodeConfig, build};
use crate::effects::allow::{Host, InsideHost};
use crate::effects::{Client, Policies};
use crate::net::local::Locals;
use crate::prompts::place::Place;
use crate::prompts::{self, Catalogue, Sounds, TenantDir};
use crate::store::flows::FlowDraft;
use crate::store::{Store, StoreError};
pub use credentials::{settle_pins, write_secret};
use hotline_base::Partition;
use hotline_base::calendar::TimeZone;
use hotline_engine::config::{Directory, Network, TenantConfig, Trunk, TrunkTransport};
use hotline_media::asset::Library;
use hotline_sip::Transport;
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sound_files::SoundPlan;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// `centre.toml` and `flows/*.toml` of the demo centre.
static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../conf/demo");

/// Every centre of the node.
pub struct Centres {
    store: Store,
    data_dir: PathBuf,
    prompts_dir: Option<PathBuf>,
    trunks: Vec<Trunk>,
    inside_hosts: Vec<InsideHost>,
    client: Client,
    locals: Locals,
    catalogue: Catalogue,
    centres: Vec<(Partition, Centre)>,
    drafts: BTreeMap<Partition, BTreeMap<String, FlowDraft>>,
    version: u64,
    names: watch::Sender<Arc<[TenantName]>>,
    /// What the last snapshot was made of: only what has changed is made anew.
    last: Option<Snapshot>,
}

/// What a question to the API needs of a tenant.
#[derive(Clone, Debug)]
pub struct TenantName {
    /// Its partition.
    pub partition: Partition,
    /// Its name.
    pub name: String,
    /// Its time zone.
    pub zone: TimeZone,
}

/// The tenants as last put into force; reading them waits for no change that is under way.
#[derive(Clone, Debug)]
pub struct TenantNames(watch::Receiver<Arc<[TenantName]>>);

impl TenantNames {
    /// All of them, the default one first.
    pub fn all(&self) -> Arc<[TenantName]> {
        Arc::clone(&self.0.borrow())
    }

    /// The tenant of a name; the default one when none is given.
    pub fn partition(&self, tenant: Option<&str>) -> Option<Partition> {
        let all = self.all();
        let found = match tenant {
            Some(name) => all.iter().find(|tenant| tenant.name == name),
            None => all.first(),
        };
        found.map(|tenant| tenant.partition)
    }
}

/// What the engines and the media workers need.
#[derive(Clone)]
pub struct Snapshot {
    /// For the engines.
    pub directory: Arc<Directory>,
    /// For the media workers.
    pub library: Arc<Library>,
    /// For who performs effects.
    pub policies: Arc<Policies>,
    /// Prompts that cannot be used and hosts that may not be asked, a line each.
    pub broken: Vec<String>,
}

/// How an apply is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Only plan.
    pub dry_run: bool,
    /// Delete what the directory does not have.
    pub prune: bool,
}

/// What an apply did, or would do.
pub struct Applied {
    /// The plan, a line a change.
    pub plan: String,
    /// The new version; none when nothing was changed.
    pub version: Option<u64>,
    /// Where generated passwords are, and the like.
    pub notes: Vec<String>,
}

/// Why an apply was not done: what stands against it, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The centre, as it would be, is wrong.
    #[error("{0}")]
    Wrong(String),
    /// It does not go together with what is there.
    #[error("{0}")]
    Refused(String),
    /// The store or the disk failed.
    #[error("{0}")]
    Failed(String),
}

impl From<String> for ApplyError {
    fn from(why: String) -> ApplyError {
        ApplyError::Refused(why)
    }
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> ApplyError {
        match error {
            StoreError::MovedOn { .. } => ApplyError::Refused(error.to_string()),
            error => ApplyError::Failed(error.to_string()),
        }
    }
}

impl Applied {
    /// As the API answers.
    pub fn to_json(&self) -> Json {
        json!({ "plan": self.plan, "version": self.version, "notes": self.notes })
    }
}

impl Centres {
    /// Reads what the store holds.
    async fn read(store: Store, config: &NodeConfig) -> Result<Centres, String> {
        let say = |error: crate::store::StoreError| error.to_string();
        Ok(Centres {
            centres: store.centres().await.map_err(say)?,
            drafts: store.flow_drafts().await.map_err(say)?,
            version: store.version().await.map_err(say)?,
            store,
            data_dir: config.data_dir.clone(),
            prompts_dir: config.prompts_dir.clone(),
            trunks: config.trunks.clone(),
            inside_hosts: config.inside_hosts.clone(),
            client: Client::new(config.ca_file.as_deref())?,
            locals: Locals::of(config.listen.iter().map(|one| (one.transport, one.address))),
            catalogue: Catalogue::default(),
            names: watch::Sender::new(Arc::new([])),
            last: None,
        })
    }

    /// Reads what the store holds; when that is nothing, applies the demo centre. The notes say
    /// what was applied.
    ///
    /// # Errors
    /// One line: the store cannot be read.
    pub async fn open(store: Store, config: &NodeConfig) -> Result<(Centres, Vec<String>), String> {
        let mut centres = Centres::read(store, config).await?;
        centres.publish();
        let mut notes = Vec::new();
        if centres.centres.is_empty() {
            let demo = demo().map_err(|faults| faults.to_string())?;
            let applied = centres.apply(demo.centre, None, Asked::default()).await;
            let applied = applied.map_err(|error| error.to_string())?;
            notes.push("the store was empty: the demo centre is in force".to_string());
            notes.extend(applied.notes);
        }
        Ok((centres, notes))
    }

    /// The centre of a tenant as it is now.
    pub fn named(&self, tenant: &str) -> Option<&Centre> {
        let mut centres = self.centres.iter().map(|(_, centre)| centre);
        centres.find(|centre| centre.name() == tenant)
    }

    /// The version in force.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The centres by partition.
    pub fn all(&self) -> &[(Partition, Centre)] {
        &self.centres
    }

    /// The tenants, to be read without waiting for changes.
    pub fn names(&self) -> TenantNames {
        TenantNames(self.names.subscribe())
    }

    fn publish(&self) {
        let name = |(partition, centre): &(Partition, Centre)| {
            let zone = centre.tenant.get("time_zone").and_then(Json::as_str);
            TenantName {
                partition: *partition,
                name: centre.name().into(),
                zone: zone.and_then(TimeZone::named).unwrap_or_else(TimeZone::utc),
            }
        };
        self.names.send_replace(self.centres.iter().map(name).collect());
    }

    /// Replaces what comes from the node file.
    ///
    /// # Errors
    /// One line, and nothing is replaced: two tenants would share an access code on one trunk, or the
    /// file of authorities cannot be used.
    pub fn set_node(&mut self, config: &NodeConfig) -> Result<(), String> {
        let client = Client::new(config.ca_file.as_deref())?;
        let before = std::mem::replace(&mut self.trunks, config.trunks.clone());
        for (_, centre) in &self.centres {
            if let Err(error) = self.check_beside_others(centre) {
                self.trunks = before;
                return Err(error);
            }
        }
        self.client = client;
        self.inside_hosts.clone_from(&config.inside_hosts);
        self.prompts_dir.clone_from(&config.prompts_dir);
        Ok(())
    }

    /// Addresses inside that a tenant's flows are to ask and the operator does not open to it, a line
    /// each.
    fn hosts_not_opened(&self, centre: &Centre) -> Vec<String> {
        let opened = self.opened_to(centre.name());
        let allowed = match opened.as_slice() {
            [] => "none".to_string(),
            opened => opened.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let hosts = centre.tenant.get("http_hosts").and_then(Json::as_array).into_iter().flatten();
        let inside = hosts.filter_map(|host| Host::parse(host.as_str()?)?.inside());
        let shut = inside.filter(|address| !opened.contains(address));
        shut.map(|address| {
            format!(
                "tenant {:?}: http_hosts = \"{address}\"; allowed an address outside the network, or one that \
                 [effects] inside_hosts of the node file opens to this tenant: {allowed}",
                centre.name()
            )
        })
        .collect()
    }

    /// The addresses inside that the operator opens to a tenant.
    fn opened_to(&self, tenant: &str) -> Vec<SocketAddr> {
        let open = self.inside_hosts.iter().filter(|host| host.is_open_to(tenant));
        open.map(|host| host.address).collect()
    }

    /// Trunks that we call over learn our address on the way.
    fn locate(&self, trunks: &mut [Trunk]) {
        for trunk in trunks {
            let transport = match trunk.transport {
                TrunkTransport::Udp => Transport::Udp,
                TrunkTransport::Tcp => Transport::Tcp,
            };
            trunk.local = trunk.target.and_then(|target| self.locals.towards(transport, target));
        }
    }

    /// What the engines and workers need now. Reads the prompts anew.
    ///
    /// # Errors
    /// One line: a stored object is not of this version's form.
    pub fn snapshot(&mut self) -> Result<Snapshot, String> {
        let dirs: Vec<_> = self
            .centres
            .iter()
            .map(|(partition, centre)| TenantDir {
                partition: *partition,
                dir: self.tenant_dir(centre.name()),
            })
            .collect();
        let mut loaded = self.catalogue.load(self.prompts_dir.as_deref(), &dirs);
        let mut tenants = Vec::new();
        for (partition, centre) in &self.centres {
            let sounds = loaded.tenants.remove(partition).unwrap_or_default();
            tenants.push(self.tenant(*partition, centre, sounds)?);
        }
        let mut broken = loaded.broken;
        broken.extend(self.centres.iter().flat_map(|(_, centre)| self.hosts_not_opened(centre)));
        let snapshot = Snapshot {
            directory: Arc::new(self.directory(tenants)),
            library: Arc::new(loaded.library),
            policies: Arc::new(self.policies()),
            broken,
        };
        self.last = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// The same after a change of one tenant's flows or drafts: every other tenant's configuration
    /// is the very same as before, no prompt is looked at, no secret read.
    ///
    /// # Errors
    /// One line: a stored object is not of this version's form.
    pub fn snapshot_of_flows(&mut self, changed: Partition) -> Result<Snapshot, String> {
        let found = self.centres.iter().find(|(partition, _)| *partition == changed);
        let (Some(last), Some((_, centre))) = (&self.last, found) else { return self.snapshot() };
        let Some(before) = last.directory.tenant(changed) else { return self.snapshot() };
        let sounds = Sounds { prompts: before.prompts.clone(), tones: before.tones.clone() };
        let anew = self.tenant(changed, centre, sounds)?;
        let same = |tenant: &Arc<TenantConfig>| match tenant.partition == changed {
            true => Arc::clone(&anew),
            false => Arc::clone(tenant),
        };
        let tenants = last.directory.tenants.iter().map(same).collect();
        let snapshot = Snapshot { directory: Arc::new(self.directory(tenants)), ..last.clone() };
        self.last = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// One tenant as its engine reads it.
    fn tenant(
        &self,
        partition: Partition,
        centre: &Centre,
        sounds: Sounds,
    ) -> Result<Arc<TenantConfig>, String> {
        let drafts = self.drafts.get(&partition).into_iter().flatten();
        let parts = build::Parts {
            prompts: sounds.prompts,
            tones: sounds.tones,
            drafts: drafts.map(|(name, draft)| (name.clone(), draft.document.clone())).collect(),
        };
        let mut tenant = build::tenant(centre, partition, self.version, parts)?;
        self.locate(&mut tenant.trunks);
        Ok(Arc::new(tenant))
    }

    fn directory(&self, tenants: Vec<Arc<TenantConfig>>) -> Directory {
        let mut trunks = self.trunks.clone();
        self.locate(&mut trunks);
        Directory {
            version: self.version,
            tenants,
            trunks,
            default_tenant: self.centres.first().map(|(partition, _)| *partition),
        }
    }

    /// Makes a tenant equal to `wanted`; `dir` is where its own prompts and tones come from.
    ///
    /// # Errors
    /// What stands against it, a line each. Nothing is half-applied.
    pub async fn apply(
        &mut self,
        mut wanted: Centre,
        dir: Option<&Path>,
        asked: Asked,
    ) -> Result<Applied, ApplyError> {
        let now = self.centres.iter().find(|(_, centre)| centre.name() == wanted.name());
        let empty = Centre::default();
        let current = now.map_or(&empty, |(_, centre)| centre);
        if !current.tenant.is_empty() && current.realm() != wanted.realm() {
            return Err(ApplyError::Refused(format!(
                "tenant {:?}: realm = {:?}; allowed {:?}: a realm is permanent, passwords are bound to it",
                wanted.name(),
                wanted.realm(),
                current.realm()
            )));
        }
        credentials::settle_pins(current, &mut wanted)?;
        let numbers = match now {
            Some((partition, _)) => self.store.flow_numbers(*partition).await,
            None => Ok(BTreeMap::new()),
        };
        let numbers = numbers.map_err(ApplyError::from)?;
        let (plan, mut result) = Plan::between(current, &wanted, &numbers, asked.prune);
        self.check_beside_others(&result)?;
        let shut = self.hosts_not_opened(&result);
        if !shut.is_empty() {
            return Err(ApplyError::Wrong(shut.join("\n")));
        }
        let sounds = match dir {
            Some(dir) => SoundPlan::between(&self.tenant_dir(result.name()), dir, asked.prune)?,
            None => SoundPlan::default(),
        };
        self.check_flows(&result, dir, &sounds).map_err(ApplyError::Wrong)?;
        let text = format!("{plan}{sounds}");
        if asked.dry_run {
            return Ok(Applied { plan: text, version: None, notes: sounds.unusable });
        }
        if plan.is_empty() && sounds.is_empty() {
            // A secret that did not reach its file before a crash does now.
            let secrets = self.stage_secrets(&result)?;
            let version = (!secrets.is_empty()).then_some(self.version);
            secrets.keep().map_err(ApplyError::Failed)?;
            return Ok(Applied { plan: text, version, notes: sounds.unusable });
        }
        let credentials = self.stage_credentials(&mut result)?;
        sounds.take().map_err(ApplyError::Failed)?;
        self.commit(result, &text, "apply", None).await?;
        // Not before: a password that was refused must not be in the place of the one in force.
        let mut notes = credentials.keep().map_err(ApplyError::Failed)?;
        sounds.remove().map_err(ApplyError::Failed)?;
        notes.extend(sounds.unusable);
        Ok(Applied { plan: text, version: Some(self.version), notes })
    }

    /// What of a tenant's flows would be wrong without one of its own prompts or tones. (A queue
    /// whose tone is gone plays the default one.)
    pub fn flows_that_need(&self, partition: Partition, place: &Place) -> Vec<Fault> {
        let Some((_, centre)) = self.centres.iter().find(|(of, _)| *of == partition) else {
            return Vec::new();
        };
        let places = centre::Places::default();
        let without = SoundPlan::without(place.file_in(&self.tenant_dir(centre.name())));
        let (before, _) = flow_check(centre, &places, &self.sounds(centre.name()));
        let (mut after, _) = flow_check(centre, &places, &self.sounds_but(centre.name(), &without));
        after.retain(|fault| fault.object.starts_with("flow ") && !before.contains(fault));
        after
    }

    /// Puts a tenant into the store whole, and takes the draft away that became a flow.
    async fn commit(
        &mut self,
        mut centre: Centre,
        plan: &str,
        by: &str,
        published: Option<&str>,
    ) -> Result<(), ApplyError> {
        // Whatever was not asked by a file or the API's check is asked here once more.
        build::tenant(&centre, Partition(0), 0, build::Parts::default())?;
        centre.secrets.clear();
        let now = Clock.wall();
        let expected = self.version;
        let committed = self.store.commit_centre(&centre, plan, expected, now, by, published).await;
        let (partition, version) = committed?;
        self.version = version;
        if let (Some(draft), Some(drafts)) = (published, self.drafts.get_mut(&partition)) {
            drafts.remove(draft);
        }
        match self.centres.iter_mut().find(|(of, _)| *of == partition) {
            Some((_, before)) => *before = centre,
            None => self.centres.push((partition, centre)),
        }
        self.publish();
        Ok(())
    }

    /// What a tenant's flows and queues name must be there.
    fn check_flows(
        &self,
        centre: &Centre,
        dir: Option<&Path>,
        plan: &SoundPlan,
    ) -> Result<(), String> {
        let mut sounds = self.sounds_but(centre.name(), plan);
        if let Some(dir) = dir {
            let tones = centre::tones_in(&dir.join("tones"));
            sounds.add(&centre::prompts_in(&dir.join("prompts")), &tones);
        }
        let places = centre::Places::default();
        let (faults, _) = flow_check(centre, &places, &sounds);
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults).to_string()) }
    }

    /// Every prompt and tone a tenant has.
    fn sounds(&self, tenant: &str) -> SoundNames {
        self.sounds_but(tenant, &SoundPlan::default())
    }

    /// Every prompt and tone a tenant has once those that a plan removes are gone.
    fn sounds_but(&self, tenant: &str, plan: &SoundPlan) -> SoundNames {
        let mut sounds = prompts::standard_names();
        if let Some(dir) = &self.prompts_dir {
            sounds.add(&centre::prompts_in(dir), &[]);
        }
        let own = self.tenant_dir(tenant);
        let mut prompts = centre::prompts_in(&own.join("prompts"));
        let mut tones = centre::tones_in(&own.join("tones"));
        prompts.retain(|(_, _, file)| !plan.removes(file));
        tones.retain(|(_, file)| !plan.removes(file));
        sounds.add(&prompts, &tones);
        sounds
    }

    /// Where the audio of a message is.
    pub fn message_file(&self, partition: Partition, recording: u64) -> PathBuf {
        let dir = self.data_dir.join("messages").join(partition.0.to_string());
        dir.join(format!("{recording}.wav"))
    }

    fn tenant_dir(&self, tenant: &str) -> PathBuf {
        self.data_dir.join("tenants").join(tenant)
    }

    /// What tenants of one node may not share: domains, and an access code on one trunk.
    fn check_beside_others(&self, wanted: &Centre) -> Result<(), String> {
        let domains = |centre: &Centre| -> Vec<String> {
            let list = centre.tenant.get("domains").and_then(Json::as_array).into_iter().flatten();
            list.filter_map(Json::as_str).map(str::to_ascii_lowercase).collect()
        };
        for (_, other) in self.centres.iter().filter(|(_, other)| other.name() != wanted.name()) {
            if let Some(domain) =
                domains(wanted).iter().find(|domain| domains(other).contains(domain))
            {
                return Err(format!(
                    "tenant {:?}: domains = {domain:?}; allowed a domain no other tenant has (tenant {:?} has it)",
                    wanted.name(),
                    other.name()
                ));
            }
            for (code, _) in wanted.of_kind("access_code") {
                let key: Key = ("access_code".into(), code.into());
                if other.objects.contains_key(&key)
                    && let Some((ours, theirs)) = self.shared_trunk(wanted, other)
                {
                    return Err(format!(
                        "access_code {code:?}: tenant {:?} has it too, and calls over trunk {ours:?} could be \
                         for either (its trunk {theirs:?} admits the same addresses); (trunk, access code) is unique on a node",
                        other.name()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Two trunks, one of each tenant, that admit the same addresses; node trunks serve both.
    fn shared_trunk(&self, one: &Centre, other: &Centre) -> Option<(String, String)> {
        if let Some(trunk) = self.trunks.first() {
            return Some((trunk.name.clone(), trunk.name.clone()));
        }
        let trunks = |centre: &Centre| -> Vec<Trunk> {
            centre
                .of_kind("trunk")
                .filter_map(|(_, object)| Trunk::deserialize(Json::Object(object.clone())).ok())
                .collect()
        };
        let overlap = |a: &Network, b: &Network| a.contains(b.address) || b.contains(a.address);
        for ours in trunks(one) {
            for theirs in trunks(other) {
                if ours.peers.iter().any(|a| theirs.peers.iter().any(|b| overlap(a, b))) {
                    return Some((ours.name, theirs.name));
                }
            }
        }
        None
    }
}

/// `apply` while no server runs: under the same lock the server takes.
///
/// # Errors
/// One line.
pub fn apply_without_server(
    config: &NodeConfig,
    loaded: &Loaded,
    dir: &Path,
    asked: Asked,
) -> Result<Applied, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let _lock = crate::data_dir::lock(&config.data_dir)?;
        let store = Store::open(&config.store_url).await.map_err(|error| error.to_string())?;
        let mut centres = Centres::read(store.clone(), config).await?;
        let applied = centres.apply(loaded.centre.clone(), Some(dir), asked).await;
        store.close().await;
        applied.map_err(|error| error.to_string())
    })
}

/// The demo centre as it is in the program.
///
/// # Errors
/// What is wrong with it.
pub fn demo() -> Result<Loaded, Faults> {
    let text = |path: &str| DEMO.get_file(path).and_then(|file| file.contents_utf8()).unwrap_or("");
    let read = |file: &str| {
        let fault = |(line, allowed): (u32, String)| {
            let (file, line) = (format!("demo/{file}"), line);
            let (object, field, value) = (String::new(), String::new(), String::new());
            Faults(vec![crate::config::Fault { file, line, object, field, value, allowed }])
        };
        Node::from_toml(text(file)).map_err(fault)
    };
    let mut flows = BTreeMap::new();
    for file in DEMO.get_dir("flows").into_iter().flat_map(Dir::files) {
        let Some(path) = file.path().to_str() else { continue };
        let name = path.trim_start_matches("flows/").trim_end_matches(".toml").to_string();
        flows.insert(name, (path.to_string(), read(path)?));
    }
    centre::from_sources(&read("centre.toml")?, "centre.toml", None, flows)
}
