//! Commands about centre directories: init, check, apply.

use super::client::Client;
use super::{Api, Failure};
use crate::centres::Asked;
use crate::config::centre::{self, Loaded};
use crate::config::{Faults, NodeConfig, build};
use crate::http::APPLY_TIME_MAX;
use crate::prompts::gaps::Gap;
use crate::{centres, prompts};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

const STARTER: &str = include_str!("starter.toml");

/// `hotline init DIR`.
pub fn init(dir: &Path) -> Result<(), Failure> {
    let file = dir.join("centre.toml");
    if file.exists() {
        return Err(Failure::Failed(format!(
            "{} exists already; name a new directory",
            file.display()
        )));
    }
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", dir.display()));
    std::fs::create_dir_all(dir.join("prompts/en")).map_err(failed)?;
    // Passwords and PINs are written there: nobody else's to read.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir.join("secrets"))
        .map_err(failed)?;
    std::fs::write(&file, STARTER).map_err(failed)?;
    println!("wrote {}", file.display());
    println!("next: edit it, then  hotline check {0}  and  hotline apply {0}", dir.display());
    Ok(())
}

/// `hotline check DIR`.
pub fn check(dir: &Path) -> Result<(), Failure> {
    let loaded = load(dir)?;
    for gap in gaps(&loaded) {
        eprintln!("warning: {gap}");
    }
    let count = |kind| loaded.centre.of_kind(kind).count();
    println!(
        "{}: good: {} skill queues, {} agents, {} access codes, {} called routes, {} trunks",
        dir.join("centre.toml").display(),
        count("skill_queue"),
        count("agent"),
        count("access_code"),
        count("called_route"),
        count("trunk"),
    );
    Ok(())
}

/// What the languages of a centre lack: those it names, and those it has prompts in.
fn gaps(loaded: &Loaded) -> Vec<Gap> {
    let (default_language, listed) = build::languages(&loaded.centre);
    let mut recorded = prompts::standard();
    let mut languages: BTreeSet<String> = listed.into_iter().collect();
    languages.insert(default_language.clone());
    for (language, name, _) in &loaded.prompts {
        languages.insert(language.clone());
        recorded.entry(language.clone()).or_default().insert(name.clone());
    }
    prompts::gaps::gaps(&languages, &default_language, &recorded)
}

/// `hotline apply DIR`.
pub fn apply(
    dir: &Path,
    dry_run: bool,
    prune: bool,
    api: &Api,
    config: NodeConfig,
) -> Result<(), Failure> {
    let loaded = load(dir)?;
    let asked = Asked { dry_run, prune };
    let flags = [("dry_run", dry_run.to_string()), ("prune", prune.to_string())];
    let query: Vec<_> = flags.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let sounds = sounds_of(&loaded);
    let mut body = json!({ "centre": loaded.centre.to_json() });
    // A server elsewhere need not see a directory that has no sounds for it.
    if prune || !sounds.is_empty() {
        let directory = dir.canonicalize().unwrap_or_else(|_| dir.into());
        body["directory"] = directory.display().to_string().into();
        body["sounds"] = sounds.into();
    }
    let answer = Client::new(api, &config)
        .and_then(|client| client.post("apply", &query, &body, APPLY_TIME_MAX));
    let answer = match answer {
        Err(Failure::Unreachable(_)) if api.api.is_none() => {
            // No server: the store is ours to write, under the same lock the server takes.
            let applied = centres::apply_without_server(&config, &loaded, dir, asked)
                .map_err(Failure::Failed)?;
            applied.to_json()
        }
        other => other?,
    };
    if api.json {
        println!("{answer}");
        return Ok(());
    }
    print!("{}", answer.get("plan").and_then(Json::as_str).unwrap_or_default());
    for line in answer.get("notes").and_then(Json::as_array).into_iter().flatten() {
        println!("{}", line.as_str().unwrap_or_default());
    }
    let version = answer.get("version").and_then(Json::as_u64);
    match (dry_run, version) {
        (false, Some(version)) => println!("applied as version {version}"),
        _ => println!("nothing was changed"),
    }
    Ok(())
}

/// Files below a directory that others than its owner may read, if they may go there.
fn open_to_others(dir: &Path) -> Vec<PathBuf> {
    let may = |path: &Path, bits| {
        std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & bits != 0)
    };
    if !may(dir, 0o011) {
        return Vec::new();
    }
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|file| file.path());
    let mut open: Vec<PathBuf> = files.filter(|file| file.is_file() && may(file, 0o044)).collect();
    open.sort();
    open
}

/// The sounds of a directory as the server must see them too.
fn sounds_of(loaded: &Loaded) -> Vec<String> {
    let prompts = loaded.prompts.iter();
    let prompts = prompts.map(|(language, name, _)| format!("prompts/{language}/{name}.wav"));
    let tones = loaded.tones.iter().map(|(name, _)| format!("tones/{name}.wav"));
    prompts.chain(tones).collect()
}

/// Reads a directory, prints warnings, checks its prompts.
fn load(dir: &Path) -> Result<Loaded, Failure> {
    let failed = |faults: Faults| Failure::Failed(faults.to_string());
    let loaded = centre::load(dir, &prompts::standard_names()).map_err(failed)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let open = open_to_others(&dir.join("secrets"));
    if let Some(file) = open.first() {
        let (count, file) = (open.len(), file.display());
        eprintln!(
            "warning: secrets/: {count} files can be read by other users of this machine, {file} \
             say; chmod -R go= {}",
            dir.join("secrets").display()
        );
    }
    let prompts = loaded.prompts.iter().map(|(_, _, path)| path);
    let tones = loaded.tones.iter().map(|(_, path)| path);
    let broken: Vec<String> = prompts
        .chain(tones)
        .filter_map(|path| {
            prompts::read_wav(path).err().map(|why| format!("{}: {why}", path.display()))
        })
        .collect();
    if broken.is_empty() { Ok(loaded) } else { Err(Failure::Failed(broken.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The starter's secrets lay open to every user of the machine.
    #[test]
    fn secrets_of_a_new_centre_are_its_owners_and_open_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let centre = dir.path().join("centre");
        init(&centre).unwrap();
        let secrets = centre.join("secrets");
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(secrets.join("1001"), "x").unwrap();
        mode(&secrets.join("1001"), 0o644);
        assert!(open_to_others(&secrets).is_empty(), "nobody else comes this far");
        mode(&secrets, 0o755);
        assert_eq!(open_to_others(&secrets), [secrets.join("1001")]);
        mode(&secrets.join("1001"), 0o600);
        assert!(open_to_others(&secrets).is_empty());
    }
}
