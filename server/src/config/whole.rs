//! What no single object of a centre shows: references, overlaps, chains.
//!
//! Owns: those checks that need no file beside the centre itself. Does not own: ranges of single
//! values ([`super::schema`]), the rules of routing (`hotline_routing::Config::validate`, asked
//! here), flows from the inside ([`super::flows`]).

mod single_phone;

use super::build;
use super::centre::{Centre, Places};
use super::fault::Fault;
use hotline_ivr::schedule::{WorkingTime, Written};
use hotline_routing::number::{EMERGENCY_NUMBERS, is_emergency};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What a number that is one of them should be.
const NO_EMERGENCY: &str = "a number that is no emergency number anywhere";

/// What was found.
pub(super) struct Found<'a> {
    centre: &'a Centre,
    places: &'a Places,
    /// Nothing is applied.
    pub faults: Vec<Fault>,
    /// Allowed, but rarely meant.
    pub warnings: Vec<Fault>,
}

/// Checks a centre whole.
pub(super) fn check<'a>(centre: &'a Centre, places: &'a Places) -> Found<'a> {
    let mut found = Found { centre, places, faults: Vec::new(), warnings: Vec::new() };
    found.organisations();
    found.softphones();
    found.overlaps();
    found.routes();
    found.working_times();
    found.single_phone();
    if found.faults.is_empty() {
        found.routing();
    }
    found
}

impl Found<'_> {
    fn fault(&mut self, kind: &str, name: &str, field: &str, value: String, allowed: String) {
        let fault = located(self.places, kind, name, field, value, allowed);
        self.faults.push(fault);
    }

    fn warning(&mut self, kind: &str, name: &str, field: &str, value: String, allowed: String) {
        let fault = located(self.places, kind, name, field, value, allowed);
        self.warnings.push(fault);
    }

    fn routes(&mut self) {
        const TARGETS: [&str; 3] = ["skill_queue", "flow", "agent"];
        for (name, route) in self.centre.of_kind("called_route") {
            if TARGETS.iter().filter(|key| route.contains_key(**key)).count() != 1 {
                let allowed = "exactly one of skill_queue, flow and agent".into();
                self.fault("called_route", name, "", String::new(), allowed);
            }
            if route.contains_key("out_of_hours") && !route.contains_key("working_time") {
                let allowed = "with working_time: it says when".into();
                self.fault("called_route", name, "out_of_hours", "set".into(), allowed);
            }
        }
    }

    fn working_times(&mut self) {
        for (name, object) in self.centre.of_kind("working_time") {
            let written = match Written::deserialize(Json::Object(object.clone())) {
                Ok(written) => written,
                Err(error) => {
                    self.fault("working_time", name, "", String::new(), error.to_string());
                    continue;
                }
            };
            if let Err(wrong) = WorkingTime::new(written) {
                self.fault("working_time", name, &wrong.field, wrong.value, wrong.allowed);
            }
        }
    }

    fn routing(&mut self) {
        match build::routing(self.centre) {
            Ok(config) => {
                for fault in config.validate() {
                    let located = build::located(self.places, &fault);
                    match build::is_warning(&fault) {
                        true => self.warnings.push(located),
                        false => self.faults.push(located),
                    }
                }
            }
            Err(text) => self.fault("tenant", self.centre.name(), "", String::new(), text),
        }
    }

    fn organisations(&mut self) {
        let parents: BTreeMap<&str, &str> = self
            .centre
            .of_kind("organisation")
            .filter_map(|(name, object)| Some((name, object.get("parent")?.as_str()?)))
            .collect();
        let known: BTreeSet<&str> =
            self.centre.of_kind("organisation").map(|(name, _)| name).collect();
        let list = known.iter().copied().collect::<Vec<_>>().join(", ");
        let one_of = format!("the name of an organisation: {list}");
        for (&name, &parent) in &parents {
            let allowed = if known.contains(parent) {
                if !returns(&parents, name) {
                    continue;
                }
                "an organisation that is not below this one".to_string()
            } else {
                one_of.clone()
            };
            self.fault("organisation", name, "parent", format!("{parent:?}"), allowed);
        }
        for (name, agent) in self.centre.of_kind("agent") {
            let organisation = agent.get("organisation").and_then(Json::as_str);
            if let Some(organisation) = organisation.filter(|name| !known.contains(name)) {
                let value = format!("{organisation:?}");
                self.fault("agent", name, "organisation", value, one_of.clone());
            }
        }
    }

    /// Softphone numbers are unique; overlaps with other numbers are worth a warning.
    fn softphones(&mut self) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let of_kind = |kind| self.centre.of_kind(kind).map(|(name, _)| name).collect();
        let (codes, agents): (BTreeSet<&str>, BTreeSet<&str>) =
            (of_kind("access_code"), of_kind("agent"));
        let routes = dialled_routes(self.centre);
        for (name, agent) in self.centre.of_kind("agent") {
            let Some(number) = softphone_of(agent) else { continue };
            let value = format!("{number:?}");
            let field = "softphone.number";
            if let Some(other) = seen.insert(number, name) {
                let allowed = format!("a number no other agent has (agent {other:?} has it)");
                self.fault("agent", name, field, value.clone(), allowed);
            }
            let reached = match (codes.contains(number), routes.get(number)) {
                (true, _) => Some("access code".to_owned()),
                (false, Some(route)) => Some(format!("called route {route:?}")),
                (false, None) => None,
            };
            if let Some(what) = reached {
                let allowed = format!(
                    "a number that is nothing else: agents who dial {number} reach this phone, all \
                     others the {what}"
                );
                self.warning("agent", name, field, value.clone(), allowed);
            }
            if is_emergency(number) {
                self.warning("agent", name, field, value.clone(), NO_EMERGENCY.into());
            }
            if number != name && agents.contains(number) {
                let allowed =
                    format!("a number that is no other agent's employee ID (agent {number:?})");
                self.warning("agent", name, field, value, allowed);
            }
        }
    }

    /// Numbers that mean two things to who dials them.
    fn overlaps(&mut self) {
        let codes: BTreeSet<&str> =
            self.centre.of_kind("access_code").map(|(name, _)| name).collect();
        let routes = dialled_routes(self.centre);
        for (id, _) in self.centre.of_kind("agent") {
            let what = match (codes.contains(id), routes.get(id)) {
                (true, _) => format!("access code {id:?}"),
                (false, Some(route)) => format!("called route {route:?}"),
                _ => continue,
            };
            let allowed = format!("an ID that is nothing else: agents who dial {id} reach {what}");
            self.warning("agent", id, "employee_id", format!("{id:?}"), allowed);
        }
        for (kind, field) in [("access_code", "code"), ("agent", "employee_id")] {
            let names: Vec<&str> = self.centre.of_kind(kind).map(|(name, _)| name).collect();
            for name in names.into_iter().filter(|name| is_emergency(name)) {
                self.warning(kind, name, field, format!("{name:?}"), NO_EMERGENCY.into());
            }
        }
        for (number, route) in &routes {
            if is_emergency(number) && !codes.contains(number.as_str()) {
                let allowed = format!("one with which {number} is no emergency number anywhere");
                let value = format!("{number:?}");
                self.warning("called_route", route, "extension_code", value, allowed);
            }
        }
        self.star_codes();
    }

    /// Star codes are unique, and nothing else begins as they do.
    fn star_codes(&mut self) {
        let Ok(settings) = build::single_phone(self.centre) else { return };
        let tenant = self.centre.name();
        let numbers = numbers(self.centre);
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, code) in settings.star_codes.all() {
            let field = format!("single_phone.star_codes.{key}");
            let value = format!("{code:?}");
            if let Some(other) = seen.insert(code, key) {
                let allowed = format!("a code of its own ({other} has it)");
                self.fault("tenant", tenant, &field, value.clone(), allowed);
            }
            if let Some((number, what)) =
                numbers.iter().find(|(number, _)| number.starts_with(code))
            {
                let allowed = format!("a code that no number begins with: {number} is {what}");
                self.warning("tenant", tenant, &field, value, allowed);
            }
        }
    }
}

/// What is dialled to reach each called route: access code and extension code.
fn dialled_routes(centre: &Centre) -> BTreeMap<String, &str> {
    let dialled = |route: &serde_json::Map<String, Json>| {
        let part = |key| route.get(key).and_then(Json::as_str).unwrap_or_default();
        format!("{}{}", part("access_code"), part("extension_code"))
    };
    centre.of_kind("called_route").map(|(name, route)| (dialled(route), name)).collect()
}

/// Everything that agents may dial but star codes, and what it is.
fn numbers(centre: &Centre) -> BTreeMap<String, String> {
    let mut numbers: BTreeMap<String, String> = EMERGENCY_NUMBERS
        .iter()
        .map(|number| ((*number).to_owned(), "an emergency number somewhere".to_owned()))
        .collect();
    let routes = dialled_routes(centre).into_iter();
    numbers.extend(routes.map(|(number, route)| (number, format!("called route {route:?}"))));
    for (code, _) in centre.of_kind("access_code") {
        numbers.insert(code.to_owned(), format!("access code {code:?}"));
    }
    for (id, agent) in centre.of_kind("agent") {
        for number in [Some(id), softphone_of(agent)].into_iter().flatten() {
            numbers.insert(number.to_owned(), format!("agent {id:?}"));
        }
    }
    numbers
}

fn softphone_of(agent: &serde_json::Map<String, Json>) -> Option<&str> {
    agent.get("softphone")?.get("number")?.as_str()
}

/// Whether going up from an organisation leads back to it.
fn returns(parents: &BTreeMap<&str, &str>, from: &str) -> bool {
    let mut at = from;
    for _ in 0..=parents.len() {
        match parents.get(at) {
            Some(&parent) if parent == from => return true,
            Some(&parent) => at = parent,
            None => return false,
        }
    }
    false
}

fn located(
    places: &Places,
    kind: &str,
    name: &str,
    field: &str,
    value: String,
    allowed: String,
) -> Fault {
    let fault = Fault {
        file: String::new(),
        line: 0,
        object: format!("{kind} {name:?}"),
        field: field.into(),
        value,
        allowed,
    };
    places.locate(kind, name, fault)
}
