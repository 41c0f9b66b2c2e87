//! [`Plan`]: what `apply` would change, and the result of changing it.

use super::centre::{Centre, Key};
use super::flows::Flow;
use super::schema::{self, KINDS, TENANT};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new object.
    Add(Key),
    /// A field of an object.
    Edit {
        /// Which object.
        key: Key,
        /// Which field.
        field: String,
        /// Its value before, the default filled in.
        before: Option<Json>,
        /// Its value after.
        after: Option<Json>,
    },
    /// An object the directory does not have: deleted only when pruning.
    Remove(Key),
    /// A flow is published as a new version.
    Publish {
        /// Its name.
        flow: String,
        /// The version in force; none if it is new, or was removed.
        before: Option<u32>,
        /// The new version.
        after: u32,
    },
}

/// The changes that make a tenant equal to a directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes, by kind and name.
    pub changes: Vec<Change>,
    /// Objects that stay although the directory does not have them.
    pub kept: Vec<Key>,
}

impl Plan {
    /// The plan from `now` to `wanted`, and the centre as it will be. `numbers` are the highest
    /// versions that flows ever had, removed ones too.
    pub fn between(
        now: &Centre,
        wanted: &Centre,
        numbers: &BTreeMap<String, u32>,
        prune: bool,
    ) -> (Plan, Centre) {
        let mut plan = Plan::default();
        let mut result = wanted.clone();
        let tenant = ("tenant".to_string(), wanted.name().to_string());
        if now.tenant.is_empty() {
            plan.changes.push(Change::Add(tenant));
        } else {
            plan.edits(&tenant, &now.tenant, &wanted.tenant);
        }
        for (key, object) in &wanted.objects {
            match now.objects.get(key) {
                None => plan.changes.push(Change::Add(key.clone())),
                Some(before) => {
                    let mut object = object.clone();
                    keep_generated(before, &mut object);
                    plan.edits(key, before, &object);
                    result.objects.insert(key.clone(), object);
                }
            }
        }
        for (key, object) in
            now.objects.iter().filter(|(key, _)| !wanted.objects.contains_key(*key))
        {
            if prune {
                plan.changes.push(Change::Remove(key.clone()));
            } else {
                plan.kept.push(key.clone());
                result.objects.insert(key.clone(), object.clone());
            }
        }
        plan.flows(now, wanted, numbers, prune, &mut result);
        (plan, result)
    }

    /// Flows whose document differs get the next number.
    fn flows(
        &mut self,
        now: &Centre,
        wanted: &Centre,
        numbers: &BTreeMap<String, u32>,
        prune: bool,
        result: &mut Centre,
    ) {
        for (name, flow) in &wanted.flows {
            let before = now.flows.get(name);
            if let Some(same) = before.filter(|before| before.document == flow.document) {
                result.flows.insert(name.clone(), same.clone());
                continue;
            }
            let before = before.map(|flow| flow.version);
            let highest = numbers.get(name).copied().max(before).unwrap_or(0);
            let after = highest.saturating_add(1);
            let document = flow.document.clone();
            result.flows.insert(name.clone(), Flow { document, version: after });
            self.changes.push(Change::Publish { flow: name.clone(), before, after });
        }
        for (name, flow) in now.flows.iter().filter(|(name, _)| !wanted.flows.contains_key(*name)) {
            let key = ("flow".to_string(), name.clone());
            if prune {
                self.changes.push(Change::Remove(key));
            } else {
                self.kept.push(key);
                result.flows.insert(name.clone(), flow.clone());
            }
        }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn edits(&mut self, key: &Key, before: &Map<String, Json>, after: &Map<String, Json>) {
        let kind = KINDS.iter().chain([&TENANT]).find(|kind| kind.name == key.0);
        let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for field in fields {
            let default = || kind.and_then(|kind| schema::default_of(kind, field));
            let was = before.get(field).cloned().or_else(default);
            let is = after.get(field).cloned().or_else(default);
            if was != is {
                self.changes.push(Change::Edit {
                    key: key.clone(),
                    field: field.clone(),
                    before: was,
                    after: is,
                });
            }
        }
    }
}

/// A wish to generate a password keeps the one an agent of the same number already has; a wish to
/// generate a PIN keeps the agent's.
fn keep_generated(before: &Map<String, Json>, after: &mut Map<String, Json>) {
    let wish = |after: &Map<String, Json>, key: &str| {
        after.get(key).is_some_and(|new| new.get("generate").is_some())
    };
    if let Some(old) = before.get("softphone").filter(|_| wish(after, "softphone"))
        && old.get("number") == after.get("softphone").and_then(|new| new.get("number"))
    {
        after.insert("softphone".into(), old.clone());
    }
    let hash = before.get("single_phone").and_then(|old| old.get("pin_hash"));
    if let Some(hash) = hash.filter(|_| wish(after, "single_phone"))
        && let Some(Json::Object(new)) = after.get_mut("single_phone")
    {
        new.remove("generate");
        new.insert("pin_hash".into(), hash.clone());
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            match change {
                Change::Add((kind, name)) => writeln!(f, "+ {kind} {name:?}")?,
                Change::Publish { flow, before: None, after } => {
                    writeln!(f, "+ flow {flow:?}: version {after}")?;
                }
                Change::Publish { flow, before: Some(before), after } => {
                    writeln!(f, "~ flow {flow:?}: version {before} → {after}")?;
                }
                Change::Remove((kind, name)) => writeln!(f, "- {kind} {name:?}")?,
                Change::Edit { key: (kind, name), field, before, after } => writeln!(
                    f,
                    "~ {kind} {name:?}: {field} {} → {}",
                    shown(field, before.as_ref()),
                    shown(field, after.as_ref())
                )?,
            }
        }
        for (kind, name) in &self.kept {
            writeln!(
                f,
                "  {kind} {name:?} is not in the directory and stays (--prune deletes it)"
            )?;
        }
        Ok(())
    }
}

/// A value in a plan; credentials only as "set".
fn shown(field: &str, value: Option<&Json>) -> String {
    match value {
        None => "(none)".into(),
        Some(value) if field == "softphone" => {
            let number = value.get("number").and_then(Json::as_str).unwrap_or("?");
            let secret = if value.get("generate").is_some() { "generated" } else { "set" };
            format!("{{ number = {number:?}, password {secret} }}")
        }
        Some(value) if field == "single_phone" && value.get("enabled").is_some() => {
            let pin = match (value.get("generate"), value.get("pin"), value.get("pin_hash")) {
                (Some(_), ..) => ", PIN generated",
                (None, None, None) => "",
                _ => ", PIN set",
            };
            format!("{{ enabled = {}{pin} }}", value["enabled"])
        }
        Some(value) if value.get("sha256").is_some() => "(set)".into(),
        Some(value) => value.to_string(),
    }
}
