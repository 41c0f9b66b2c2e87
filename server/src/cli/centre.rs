//! Commands about centre directories: init, check, apply.

use super::client::Client;
use super::{Api, Failure};
use crate::centres::Asked;
use crate::config::centre::{self, Loaded};
use crate::config::{Faults, NodeConfig, build};
use crate::prompts::gaps::Gap;
use crate::{centres, prompts};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::Path;

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
    for part in ["prompts/en", "secrets"] {
        std::fs::create_dir_all(dir.join(part)).map_err(failed)?;
    }
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
    let body = json!({
        "centre": loaded.centre.to_json(),
        "directory": dir.canonicalize().unwrap_or_else(|_| dir.into()).display().to_string(),
    });
    let answer = Client::new(api, &config).and_then(|client| client.post("apply", &query, &body));
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

/// Reads a directory, prints warnings, checks its prompts.
fn load(dir: &Path) -> Result<Loaded, Failure> {
    let failed = |faults: Faults| Failure::Failed(faults.to_string());
    let loaded = centre::load(dir, &prompts::standard_names()).map_err(failed)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
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
