//! The centres of a node: the one place that changes configuration.
//!
//! Owns: plan, generated passwords, commit to the store, and the directory the engines get. Does
//! not own: how a centre is read (`config`), who asks for the change (`http`, `cli`).

pub mod sound_files;

use crate::clock::Clock;
use crate::config::centre::{self, Key, Loaded};
use crate::config::plan::Plan;
use crate::config::tree::Node;
use crate::config::{Centre, NodeConfig, build, password};
use crate::prompts::{Catalogue, Sounds, TenantDir};
use crate::store::Store;
use hotline_base::calendar::TimeZone;
use hotline_base::{Partition, Rng};
use hotline_engine::config::{Directory, Network, Trunk};
use hotline_media::asset::Library;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

const DEMO: &str = include_str!("../../conf/demo/centre.toml");

/// Every centre of the node.
pub struct Centres {
    store: Store,
    data_dir: PathBuf,
    prompts_dir: Option<PathBuf>,
    trunks: Vec<Trunk>,
    catalogue: Catalogue,
    centres: Vec<(Partition, Centre)>,
    version: u64,
    names: watch::Sender<Arc<[TenantName]>>,
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
pub struct Snapshot {
    /// For the engines.
    pub directory: Arc<Directory>,
    /// For the media workers.
    pub library: Arc<Library>,
    /// Prompts that cannot be used, a line each.
    pub broken: Vec<String>,
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

impl Applied {
    /// As the API answers.
    pub fn to_json(&self) -> Json {
        json!({ "plan": self.plan, "version": self.version, "notes": self.notes })
    }
}

impl Centres {
    /// Reads what the store holds; when that is nothing, applies the demo centre. The notes say
    /// what was applied.
    pub async fn open(store: Store, config: &NodeConfig) -> Result<(Centres, Vec<String>), String> {
        let say = |error: crate::store::StoreError| error.to_string();
        let mut centres = Centres {
            centres: store.centres().await.map_err(say)?,
            version: store.version().await.map_err(say)?,
            store,
            data_dir: config.data_dir.clone(),
            prompts_dir: config.prompts_dir.clone(),
            trunks: config.trunks.clone(),
            catalogue: Catalogue::default(),
            names: watch::Sender::new(Arc::new([])),
        };
        centres.publish();
        let mut notes = Vec::new();
        if centres.centres.is_empty() {
            let root =
                Node::from_toml(DEMO).map_err(|(line, what)| format!("demo:{line}: {what}"))?;
            let demo =
                centre::from_node(&root, "demo", None).map_err(|faults| faults.to_string())?;
            let applied = centres.apply(demo.centre, None, false, false).await?;
            notes.push("the store was empty: the demo centre is in force".to_string());
            notes.extend(applied.notes);
        }
        Ok((centres, notes))
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
    /// One line: two tenants would share an access code on one trunk.
    pub fn set_node(
        &mut self,
        trunks: Vec<Trunk>,
        prompts_dir: Option<PathBuf>,
    ) -> Result<(), String> {
        let before = std::mem::replace(&mut self.trunks, trunks);
        for (_, centre) in &self.centres {
            if let Err(error) = self.check_beside_others(centre) {
                self.trunks = before;
                return Err(error);
            }
        }
        self.prompts_dir = prompts_dir;
        Ok(())
    }

    /// What the engines and workers need now. Reads the prompts anew.
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
            let Sounds { prompts, tones } = loaded.tenants.remove(partition).unwrap_or_default();
            let mut tenant = build::tenant(centre, *partition, self.version, prompts)?;
            tenant.tones = tones;
            tenants.push(Arc::new(tenant));
        }
        Ok(Snapshot {
            directory: Arc::new(Directory {
                version: self.version,
                tenants,
                trunks: self.trunks.clone(),
                default_tenant: self.centres.first().map(|(partition, _)| *partition),
            }),
            library: Arc::new(loaded.library),
            broken: loaded.broken,
        })
    }

    /// Makes a tenant equal to `wanted`; `dir` is where its own prompts come from.
    ///
    /// # Errors
    /// One line: what stands against it. Nothing is half-applied.
    pub async fn apply(
        &mut self,
        wanted: Centre,
        dir: Option<&Path>,
        dry_run: bool,
        prune: bool,
    ) -> Result<Applied, String> {
        let now = self.centres.iter().find(|(_, centre)| centre.name() == wanted.name());
        let empty = Centre::default();
        let current = now.map_or(&empty, |(_, centre)| centre);
        if !current.tenant.is_empty() && current.realm() != wanted.realm() {
            return Err(format!(
                "tenant {:?}: realm = {:?}; allowed {:?}: a realm is permanent, passwords are bound to it",
                wanted.name(),
                wanted.realm(),
                current.realm()
            ));
        }
        let (plan, mut result) = Plan::between(current, &wanted, prune);
        self.check_beside_others(&result)?;
        let new_prompts = self.prompts_to_copy(dir, result.name());
        let mut text = plan.to_string();
        for (_, to) in &new_prompts {
            let name = to.strip_prefix(self.tenant_prompts(result.name())).unwrap_or(to);
            text.push_str(&format!("~ prompt {:?}\n", name.display().to_string()));
        }
        if dry_run || (plan.is_empty() && new_prompts.is_empty()) {
            return Ok(Applied { plan: text, version: None, notes: Vec::new() });
        }
        let secrets = self.generate_passwords(&mut result)?;
        // Whatever was not asked by a file or the API's check is asked here once more.
        build::tenant(&result, Partition(0), 0, build::Prompts::new())?;
        copy_prompts(&new_prompts)?;
        let committed = self.store.commit_centre(&result, &text, self.version, Clock.wall()).await;
        let (partition, version) = committed.map_err(|error| error.to_string())?;
        self.version = version;
        match self.centres.iter_mut().find(|(of, _)| *of == partition) {
            Some((_, centre)) => *centre = result,
            None => self.centres.push((partition, result)),
        }
        self.publish();
        Ok(Applied { plan: text, version: Some(self.version), notes: secrets })
    }

    fn tenant_dir(&self, tenant: &str) -> PathBuf {
        self.data_dir.join("tenants").join(tenant)
    }

    fn tenant_prompts(&self, tenant: &str) -> PathBuf {
        self.tenant_dir(tenant).join("prompts")
    }

    /// Prompts of a directory that differ from those the tenant has: from, to.
    fn prompts_to_copy(&self, dir: Option<&Path>, tenant: &str) -> Vec<(PathBuf, PathBuf)> {
        let Some(dir) = dir else { return Vec::new() };
        let target = self.tenant_prompts(tenant);
        centre::prompts_in(&dir.join("prompts"))
            .into_iter()
            .map(|(language, name, from)| (from, target.join(language).join(format!("{name}.wav"))))
            .filter(|(from, to)| match (std::fs::read(from), std::fs::read(to)) {
                (Ok(new), Ok(old)) => new != old,
                (new, _) => new.is_ok(),
            })
            .collect()
    }

    /// Gives each agent that is to have a generated password one, written where only the server's
    /// user reads it.
    fn generate_passwords(&self, centre: &mut Centre) -> Result<Vec<String>, String> {
        let dir = self.data_dir.join("secrets").join(centre.name());
        let realm = centre.realm().to_string();
        let mut generated = 0;
        let mut rng = Rng::from_seed(crate::random::seed());
        for ((kind, _), object) in &mut centre.objects {
            let Some(phone) = object.get_mut("softphone").filter(|_| kind == "agent") else {
                continue;
            };
            if phone.get("generate").is_none() {
                continue;
            }
            let number = phone.get("number").and_then(Json::as_str).unwrap_or_default().to_string();
            let plain = password::generate(&mut rng);
            write_secret(&dir.join(&number), plain.expose())
                .map_err(|error| format!("{}: {error}", dir.join(&number).display()))?;
            *phone = password::stored(&number, &realm, &password::Password::Plain(plain));
            generated += 1;
        }
        Ok(match generated {
            0 => Vec::new(),
            count => vec![format!("{count} softphone passwords are in {}/NUMBER", dir.display())],
        })
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
    dry_run: bool,
    prune: bool,
) -> Result<Applied, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let _lock = crate::data_dir::lock(&config.data_dir)?;
        let store = Store::open(&config.store_url).await.map_err(|error| error.to_string())?;
        let say = |error: crate::store::StoreError| error.to_string();
        let mut centres = Centres {
            centres: store.centres().await.map_err(say)?,
            version: store.version().await.map_err(say)?,
            store: store.clone(),
            data_dir: config.data_dir.clone(),
            prompts_dir: config.prompts_dir.clone(),
            trunks: config.trunks.clone(),
            catalogue: Catalogue::default(),
            names: watch::Sender::new(Arc::new([])),
        };
        let applied = centres.apply(loaded.centre.clone(), Some(dir), dry_run, prune).await;
        store.close().await;
        applied
    })
}

fn copy_prompts(list: &[(PathBuf, PathBuf)]) -> Result<(), String> {
    for (from, to) in list {
        let say = |error: std::io::Error| format!("{}: {error}", to.display());
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(say)?;
        }
        // Whole or not at all: a call may be about to read it.
        let partial = to.with_extension("partial");
        std::fs::copy(from, &partial).map_err(say)?;
        std::fs::rename(&partial, to).map_err(say)?;
    }
    Ok(())
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
    if let Some(parent) = path.parent() {
        // Those that are there already keep the mode that somebody gave them.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// An administrator's token in a directory of others, `/etc` say: writing it closed that
    /// directory to everybody.
    #[test]
    fn a_secret_is_its_owners_alone_and_a_directory_that_was_there_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let secret = dir.path().join("made/here/token");
        write_secret(&secret, "s").unwrap();
        write_secret(&dir.path().join("token"), "s").unwrap();
        assert_eq!(mode(dir.path()), 0o755);
        assert_eq!(mode(&dir.path().join("made")), 0o700);
        assert_eq!(mode(&dir.path().join("made/here")), 0o700);
        assert_eq!(mode(&secret), 0o600);
    }
}
