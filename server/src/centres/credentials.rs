//! Passwords, PINs and secrets of centres: generated, hashed, kept where only the server's user
//! reads them.
//!
//! Owns: the files below `secrets/TENANT/`: `NUMBER` (a softphone's password), `EMPLOYEE_ID.pin`,
//! `flow/NAME` (what flows' HTTP requests carry). Does not own: how they are written in a centre
//! (`config`).

use super::{ApplyError, Centres};
use crate::config::centre::{Centre, Key};
use crate::config::flows::digest_of_secret;
use crate::config::{password, pin};
use crate::effects::{HttpPolicy, Policies};
use crate::files::{self, Readers, Staged};
use hotline_base::{Redacted, Rng};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Threads that hash PINs, at most.
const HASHERS_MAX: usize = 8;

/// Files of generated passwords, PINs and secrets, written but not in their places yet: what they
/// belong to is committed first.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    staged: Vec<Staged>,
    /// What the administrator must know.
    pub notes: Vec<String>,
}

impl Credentials {
    fn stage(&mut self, file: &Path, secret: &Redacted<String>) -> Result<(), ApplyError> {
        let text = format!("{}\n", secret.expose());
        let staged = files::stage(file, text.as_bytes(), Readers::Owner);
        let failed = |error| ApplyError::Failed(format!("{}: {error}", file.display()));
        self.staged.push(staged.map_err(failed)?);
        Ok(())
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Puts everything in its place; gives the notes.
    pub fn keep(self) -> Result<Vec<String>, String> {
        let mut failed = Vec::new();
        for staged in self.staged {
            let file = staged.to().display().to_string();
            if let Err(error) = staged.keep() {
                failed.push(format!("{file}: {error}"));
            }
        }
        if failed.is_empty() { Ok(self.notes) } else { Err(failed.join("\n")) }
    }
}

/// Puts hashes in the place of PINs as written; a PIN that is the agent's already keeps its hash,
/// so that nothing seems to change. Takes its time: to be done before anybody is kept waiting.
///
/// # Errors
/// One line: a PIN could not be hashed.
pub fn settle_pins(current: &Centre, wanted: &mut Centre) -> Result<(), String> {
    let given: Vec<_> = wanted.secrets.iter().filter(|((kind, _), _)| kind == "agent").collect();
    let hashes = by_many_threads(&given, |(key, pin)| {
        let before = current.objects.get(*key).and_then(|agent| agent.get("single_phone"));
        let before = before.and_then(|phone| phone.get("pin_hash")).and_then(Json::as_str);
        match before.filter(|hash| pin::fits(hash, pin)) {
            Some(hash) => Ok(hash.to_string()),
            None => pin::hash(pin),
        }
    })?;
    let keys: Vec<_> = given.into_iter().map(|(key, _)| key.clone()).collect();
    for (key, hash) in keys.iter().zip(hashes) {
        put_hash(wanted, key, &hash);
        // Known by its hash from here on.
        wanted.secrets.remove(key);
    }
    Ok(())
}

fn put_hash(centre: &mut Centre, key: &Key, hash: &str) {
    if let Some(Json::Object(phone)) =
        centre.objects.get_mut(key).and_then(|agent| agent.get_mut("single_phone"))
    {
        phone.remove("pin");
        phone.insert("pin_hash".into(), json!(hash));
    }
}

/// A hash takes some 20 ms of one core, by intention.
fn by_many_threads<T: Sync>(
    given: &[T],
    hash: impl Fn(&T) -> Result<String, String> + Sync,
) -> Result<Vec<String>, String> {
    let share = given.len().div_ceil(HASHERS_MAX).max(1);
    let hash = &hash;
    std::thread::scope(|scope| {
        let threads: Vec<_> = given
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(hash).collect::<Result<Vec<_>, _>>()))
            .collect();
        let mut all = Vec::with_capacity(given.len());
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a PIN could not be hashed".to_string())??);
        }
        Ok(all)
    })
}

impl Centres {
    /// Generates what is to be generated, and writes it beside where it is to be kept.
    pub(super) fn stage_credentials(&self, centre: &mut Centre) -> Result<Credentials, ApplyError> {
        let dir = self.secrets_dir(centre.name());
        let mut rng = Rng::from_seed(crate::random::seed());
        let mut made = self.stage_secrets(centre)?;
        let passwords = generate_passwords(centre, &mut rng);
        if !passwords.is_empty() {
            let count = passwords.len();
            made.notes.push(format!("{count} softphone passwords are in {}/NUMBER", dir.display()));
        }
        let pins = generate_pins(centre, &mut rng)?;
        if !pins.is_empty() {
            let count = pins.len();
            made.notes.push(format!("{count} PINs are in {}/EMPLOYEE_ID.pin", dir.display()));
        }
        for (name, secret) in passwords.into_iter().chain(pins) {
            made.stage(&dir.join(name), &secret)?;
        }
        Ok(made)
    }

    fn secrets_dir(&self, tenant: &str) -> PathBuf {
        self.data_dir.join("secrets").join(tenant)
    }

    /// The secrets of flows that are not kept yet as they are to be; their values must be known.
    pub(super) fn stage_secrets(&self, centre: &Centre) -> Result<Credentials, ApplyError> {
        let dir = self.secrets_dir(centre.name()).join("flow");
        let mut made = Credentials::default();
        for (name, object) in centre.of_kind("secret") {
            let file = dir.join(name);
            let digest = object.get("value").and_then(|value| value.get("sha256"));
            let kept = read_secret(&file).map(|value| digest_of_secret(&value));
            if kept.is_some() && kept.as_deref() == digest.and_then(Json::as_str) {
                continue;
            }
            let Some(value) = centre.secrets.get(&("secret".into(), name.into())) else {
                return Err(ApplyError::Refused(format!(
                    "secret {name:?}: value = {{ sha256 = … }}; allowed the value itself: it is not known here"
                )));
            };
            made.stage(&file, value)?;
        }
        Ok(made)
    }

    /// Whom the flows of each tenant may ask, and with what.
    pub(super) fn policies(&self) -> Policies {
        let mut tenants = BTreeMap::new();
        for (partition, centre) in &self.centres {
            let hosts = centre.tenant.get("http_hosts").and_then(Json::as_array);
            let hosts = hosts.into_iter().flatten().filter_map(Json::as_str);
            let dir = self.secrets_dir(centre.name()).join("flow");
            let secrets = centre.of_kind("secret").filter_map(|(name, _)| {
                let value = read_secret(&dir.join(name));
                if value.is_none() {
                    tracing::error!(
                        secret = name,
                        "a secret of flows is missing in {}",
                        dir.display()
                    );
                }
                Some((name.to_string(), value?))
            });
            let opened = self.opened_to(centre.name());
            tenants.insert(*partition, HttpPolicy::new(hosts, &opened, secrets.collect()));
        }
        Policies { tenants, client: self.client.clone() }
    }
}

/// Gives each agent that is to have a generated password one: the names of files, and what belongs
/// into them.
fn generate_passwords(centre: &mut Centre, rng: &mut Rng) -> Vec<(String, Redacted<String>)> {
    let realm = centre.realm().to_string();
    let mut generated = Vec::new();
    for ((kind, _), object) in &mut centre.objects {
        let Some(phone) = object.get_mut("softphone").filter(|_| kind == "agent") else {
            continue;
        };
        if phone.get("generate").is_none() {
            continue;
        }
        let number = phone.get("number").and_then(Json::as_str).unwrap_or_default().to_string();
        let plain = password::generate(rng);
        *phone = password::stored(&number, &realm, &password::Password::Plain(plain.clone()));
        generated.push((number, plain));
    }
    generated
}

/// The same for PINs.
fn generate_pins(
    centre: &mut Centre,
    rng: &mut Rng,
) -> Result<Vec<(String, Redacted<String>)>, String> {
    let mut generated = Vec::new();
    for (key, object) in &mut centre.objects {
        let Some(Json::Object(phone)) = object.get_mut("single_phone").filter(|_| key.0 == "agent")
        else {
            continue;
        };
        if phone.remove("generate").is_some() {
            generated.push((key.clone(), pin::generate(rng)));
        }
    }
    let hashes = by_many_threads(&generated, |(_, plain)| pin::hash(plain))?;
    for ((key, _), hash) in generated.iter().zip(hashes) {
        put_hash(centre, key, &hash);
    }
    Ok(generated.into_iter().map(|((_, id), plain)| (format!("{id}.pin"), plain)).collect())
}

fn read_secret(file: &Path) -> Option<Redacted<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(Redacted::new(text.trim_end_matches(['\r', '\n']).to_string()))
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    files::write(path, format!("{text}\n").as_bytes(), Readers::Owner)
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
