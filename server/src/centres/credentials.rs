//! Passwords, PINs and secrets of centres: generated, hashed, kept where only the server's user
//! reads them.
//!
//! Owns: the files below `secrets/TENANT/`: `NUMBER` (a softphone's password), `EMPLOYEE_ID.pin`,
//! `flow/NAME` (what flows' HTTP requests carry). Does not own: how they are written in a centre
//! (`config`).

use super::Centres;
use crate::config::centre::Centre;
use crate::config::flows::digest_of_secret;
use crate::config::{password, pin};
use crate::effects::{HttpPolicy, Policies};
use hotline_base::{Redacted, Rng};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Threads that hash PINs, at most.
const HASHERS_MAX: usize = 8;

/// Puts hashes in the place of PINs as written; a PIN that is the agent's already keeps its hash,
/// so that nothing seems to change.
///
/// # Errors
/// One line: a PIN could not be hashed.
pub(super) fn settle_pins(current: &Centre, wanted: &mut Centre) -> Result<(), String> {
    let given: Vec<_> = wanted.secrets.iter().filter(|((kind, _), _)| kind == "agent").collect();
    if given.is_empty() {
        return Ok(());
    }
    let settle = |(key, pin): &(&(String, String), &Redacted<String>)| {
        let before = current.objects.get(*key).and_then(|agent| agent.get("single_phone"));
        let before = before.and_then(|phone| phone.get("pin_hash")).and_then(Json::as_str);
        let hash = match before.filter(|hash| pin::fits(hash, pin)) {
            Some(hash) => hash.to_string(),
            None => pin::hash(pin)?,
        };
        Ok::<_, String>(((*key).clone(), hash))
    };
    // A hash takes some 20 ms of one core, by intention.
    let share = given.len().div_ceil(HASHERS_MAX);
    let settled = std::thread::scope(|scope| {
        let threads: Vec<_> = given
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(settle).collect::<Result<Vec<_>, _>>()))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a PIN could not be hashed".to_string())??);
        }
        Ok::<_, String>(all)
    })?;
    for (key, hash) in settled {
        if let Some(Json::Object(phone)) =
            wanted.objects.get_mut(&key).and_then(|agent| agent.get_mut("single_phone"))
        {
            phone.remove("pin");
            phone.insert("pin_hash".into(), json!(hash));
        }
    }
    Ok(())
}

impl Centres {
    /// Generates what is to be generated and writes what is to be kept. Gives what the
    /// administrator must know.
    pub(super) fn keep_credentials(&self, centre: &mut Centre) -> Result<Vec<String>, String> {
        let dir = self.secrets_dir(centre.name());
        let mut rng = Rng::from_seed(crate::random::seed());
        let mut notes = Vec::new();
        let passwords = generate_passwords(&dir, centre, &mut rng)?;
        if passwords > 0 {
            notes.push(format!("{passwords} softphone passwords are in {}/NUMBER", dir.display()));
        }
        let pins = generate_pins(&dir, centre, &mut rng)?;
        if pins > 0 {
            notes.push(format!("{pins} PINs are in {}/EMPLOYEE_ID.pin", dir.display()));
        }
        self.keep_secrets(centre)?;
        Ok(notes)
    }

    fn secrets_dir(&self, tenant: &str) -> PathBuf {
        self.data_dir.join("secrets").join(tenant)
    }

    /// Writes the secrets that are known; the others must be there already.
    fn keep_secrets(&self, centre: &Centre) -> Result<(), String> {
        let dir = self.secrets_dir(centre.name()).join("flow");
        for (name, object) in centre.of_kind("secret") {
            let file = dir.join(name);
            if let Some(value) = centre.secrets.get(&("secret".into(), name.into())) {
                write_secret(&file, value.expose())
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                continue;
            }
            let digest = object.get("value").and_then(|value| value.get("sha256"));
            let kept = read_secret(&file).map(|value| digest_of_secret(&value));
            if kept.as_deref() != digest.and_then(Json::as_str) {
                return Err(format!(
                    "secret {name:?}: value = {{ sha256 = … }}; allowed the value itself: it is not known here"
                ));
            }
        }
        Ok(())
    }

    /// Whom the flows of each tenant may ask, and with what.
    pub(super) fn policies(&self) -> Policies {
        let mut policies = Policies::default();
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
            policies.insert(*partition, HttpPolicy::new(hosts, secrets.collect()));
        }
        policies
    }
}

/// Gives each agent that is to have a generated password one, written where only the server's user
/// reads it.
fn generate_passwords(dir: &Path, centre: &mut Centre, rng: &mut Rng) -> Result<u32, String> {
    let realm = centre.realm().to_string();
    let mut generated = 0;
    for ((kind, _), object) in &mut centre.objects {
        let Some(phone) = object.get_mut("softphone").filter(|_| kind == "agent") else {
            continue;
        };
        if phone.get("generate").is_none() {
            continue;
        }
        let number = phone.get("number").and_then(Json::as_str).unwrap_or_default().to_string();
        let plain = password::generate(rng);
        write_secret(&dir.join(&number), plain.expose())
            .map_err(|error| format!("{}: {error}", dir.join(&number).display()))?;
        *phone = password::stored(&number, &realm, &password::Password::Plain(plain));
        generated += 1;
    }
    Ok(generated)
}

/// The same for PINs.
fn generate_pins(dir: &Path, centre: &mut Centre, rng: &mut Rng) -> Result<u32, String> {
    let mut generated = 0;
    for ((kind, employee_id), object) in &mut centre.objects {
        let Some(Json::Object(phone)) = object.get_mut("single_phone").filter(|_| kind == "agent")
        else {
            continue;
        };
        if phone.remove("generate").is_none() {
            continue;
        }
        let plain = pin::generate(rng);
        let file = dir.join(format!("{employee_id}.pin"));
        write_secret(&file, plain.expose())
            .map_err(|error| format!("{}: {error}", file.display()))?;
        phone.insert("pin_hash".into(), json!(pin::hash(&plain)?));
        generated += 1;
    }
    Ok(generated)
}

fn read_secret(file: &Path) -> Option<Redacted<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(Redacted::new(text.trim_end_matches(['\r', '\n']).to_string()))
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
