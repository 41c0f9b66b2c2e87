//! Recordings: each prompt and each unit that a flow may need, in each of its languages.
//!
//! A prompt that is missing in a language is played in the tenant's default language: a gap, which
//! is a warning. One that is missing there too is silence: a fault.

use super::World;
use crate::fault::Fault;
use crate::model::{Flow, Node, Speech};
use crate::say::{Say, say, units};
use std::collections::{BTreeMap, BTreeSet};

/// The language of the standard prompts, where all else fails.
const LAST_LANGUAGE: &str = "en";

/// What is not recorded.
pub fn faults(flow: &Flow, world: &World) -> Vec<Fault> {
    let languages: Vec<&str> = match flow.languages.as_slice() {
        [] => vec![world.default_language.as_str()],
        languages => languages.iter().map(String::as_str).collect(),
    };
    let mut faults = Vec::new();
    for (name, node) in &flow.node {
        for (key, prompt) in prompts(node) {
            faults.extend(missing(world, &languages, &format!("node.{name}.{key}"), prompt));
        }
    }
    faults.extend(missing_units(flow, world, &languages));
    faults
}

fn prompts(node: &Node) -> Vec<(String, &String)> {
    if let Node::AgentSignIn { prompts, .. } = node {
        return vec![
            ("prompts.employee_id".into(), &prompts.employee_id),
            ("prompts.pin".into(), &prompts.pin),
            ("prompts.wrong".into(), &prompts.wrong),
            ("prompts.mode".into(), &prompts.mode),
            ("prompts.signed_in".into(), &prompts.signed_in),
            ("prompts.not_possible".into(), &prompts.not_possible),
        ];
    }
    let speech = node.speech().into_iter();
    speech
        .filter_map(|(key, speech)| match speech {
            Speech::Prompt(name) => Some((key, name)),
            _ => None,
        })
        .collect()
}

fn has(world: &World, language: &str, prompt: &str) -> bool {
    world.prompts.get(language).is_some_and(|prompts| prompts.contains(prompt))
}

fn falls_back(world: &World, prompt: &str) -> bool {
    has(world, &world.default_language, prompt) || has(world, LAST_LANGUAGE, prompt)
}

fn missing(world: &World, languages: &[&str], path: &str, prompt: &str) -> Option<Fault> {
    let without: Vec<&str> =
        languages.iter().copied().filter(|language| !has(world, language, prompt)).collect();
    let first = without.first()?;
    let list = without.join(", ");
    Some(if falls_back(world, prompt) {
        let what = format!(
            "\"{prompt}\" is not recorded in {list} and will be heard in another language; add \
             prompts/{first}/{prompt}.wav"
        );
        Fault::wrong(path, what).warning()
    } else {
        let what =
            format!("\"{prompt}\" is not recorded in {list}; add prompts/{first}/{prompt}.wav");
        Fault::wrong(path, what)
    })
}

/// One fault for each language, at the first place that speaks a value.
fn missing_units(flow: &Flow, world: &World, languages: &[&str]) -> Vec<Fault> {
    let mut needed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut place = None;
    for (name, node) in &flow.node {
        for (key, speech) in node.speech() {
            if matches!(speech, Speech::Prompt(_) | Speech::SilenceMs(_)) {
                continue;
            }
            place.get_or_insert_with(|| format!("node.{name}.{key}"));
            for language in languages {
                let units = match speech {
                    Speech::Digits(_) => say(language, Say::Digits("0123456789")),
                    _ => units(language),
                };
                needed.entry(language).or_default().extend(units);
            }
        }
    }
    let Some(place) = place else { return Vec::new() };
    let mut faults = Vec::new();
    for (language, units) in needed {
        let without: Vec<&str> =
            units.into_iter().filter(|unit| !has(world, language, unit)).collect();
        let Some(first) = without.first() else { continue };
        let count = without.len();
        let what = format!(
            "{count} of the units that speak values in {language} are not recorded, the first is \
             prompts/{language}/{first}.wav"
        );
        let fault = Fault::wrong(&place, what);
        let all_fall_back = without.iter().all(|unit| falls_back(world, unit));
        faults.push(if all_fall_back { fault.warning() } else { fault });
    }
    faults
}
