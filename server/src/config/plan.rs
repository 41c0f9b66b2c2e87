//! [`Plan`]: what `apply` would change, and the result of changing it.

use super::centre::{Centre, Key};
use super::schema::{self, KINDS, TENANT};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
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
    /// The plan from `now` to `wanted`, and the centre as it will be.
    pub fn between(now: &Centre, wanted: &Centre, prune: bool) -> (Plan, Centre) {
        let mut plan = Plan::default();
        let mut result = Centre { tenant: wanted.tenant.clone(), objects: wanted.objects.clone() };
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
        (plan, result)
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

/// A wish to generate a password keeps the one an agent of the same number already has.
fn keep_generated(before: &Map<String, Json>, after: &mut Map<String, Json>) {
    let (Some(old), Some(new)) = (before.get("softphone"), after.get("softphone")) else { return };
    if new.get("generate").is_some() && old.get("number") == new.get("number") {
        let old = old.clone();
        after.insert("softphone".into(), old);
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            match change {
                Change::Add((kind, name)) => writeln!(f, "+ {kind} {name:?}")?,
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
        Some(value) => value.to_string(),
    }
}
