//! A centre: one tenant's objects, as they are written, checked and stored.
//!
//! Owns: reading a centre directory, checking it whole, and the canonical form of its objects (JSON
//! with only the keys that were written; a password only as HA1). Does not own: where the stored
//! objects live (the store) nor what the engine makes of them ([`super::build`]).

use super::build;
use super::fault::{Fault, Faults};
use super::password::{self, Password};
use super::schema::{self, KINDS, KINDS_LATER, Kind, TENANT};
use super::tree::{Node, Value};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names an object of a tenant: its kind and its name (`called_route`, `12345/1`).
pub type Key = (String, String);

/// One tenant's objects in canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Centre {
    /// The `[tenant]` table.
    pub tenant: Map<String, Json>,
    /// Every other object by kind and name.
    pub objects: BTreeMap<Key, Map<String, Json>>,
}

impl Centre {
    /// The tenant's name.
    pub fn name(&self) -> &str {
        self.tenant.get("name").and_then(Json::as_str).unwrap_or("")
    }

    /// The tenant's realm.
    pub fn realm(&self) -> &str {
        self.tenant.get("realm").and_then(Json::as_str).unwrap_or("")
    }

    /// As one JSON object, in the form files have: `{ "tenant": {…}, "agent": [{…}] }`.
    pub fn to_json(&self) -> Json {
        let mut root = Map::new();
        root.insert("tenant".into(), Json::Object(self.tenant.clone()));
        for ((kind, _), object) in &self.objects {
            let list = root.entry(kind.as_str()).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(list) = list {
                let mut object = object.clone();
                if let Some(softphone) = object.get_mut("softphone") {
                    *softphone = password::written(softphone);
                }
                list.push(Json::Object(object));
            }
        }
        Json::Object(root)
    }

    /// The objects of one kind, by name.
    pub fn of_kind<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Map<String, Json>)> {
        self.objects
            .iter()
            .filter(move |((of, _), _)| of == kind)
            .map(|((_, name), object)| (name.as_str(), object))
    }
}

/// Where the fields of objects stand in a file, so that a later fault can name the line.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: String,
    objects: BTreeMap<Key, (u32, BTreeMap<String, u32>)>,
}

impl Places {
    /// Fills in file and line of a fault about a field of an object.
    pub fn locate(&self, kind: &str, name: &str, mut fault: Fault) -> Fault {
        fault.file.clone_from(&self.file);
        if let Some((line, fields)) = self.objects.get(&(kind.to_string(), name.to_string())) {
            let field = fault.field.split(['.', '[']).next().unwrap_or_default();
            fault.line = fields.get(field).copied().unwrap_or(*line);
        }
        fault
    }
}

/// A centre directory as read: the centre, where its fields stand, and what is worth a warning.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The objects.
    pub centre: Centre,
    /// Where the objects' fields stand.
    pub places: Places,
    /// Overlaps and gaps that are allowed but rarely meant.
    pub warnings: Vec<Fault>,
    /// The directory's prompts: language, name, file.
    pub prompts: Vec<(String, String, PathBuf)>,
}

/// The file of a centre directory: what a fault names, whatever the directory.
const FILE: &str = "centre.toml";

/// Reads and checks a centre directory. `standard` are the names of the standard prompts that are
/// always there.
///
/// # Errors
/// Everything that is wrong, a line each; nothing is half-loaded.
pub fn load(dir: &Path, standard: &BTreeSet<String>) -> Result<Loaded, Faults> {
    let file = dir.join(FILE);
    let shown = file.display().to_string();
    let whole = |file: &str, line, allowed: String| {
        Faults(vec![Fault {
            file: file.into(),
            line,
            object: String::new(),
            field: String::new(),
            value: String::new(),
            allowed,
        }])
    };
    let text = std::fs::read_to_string(&file).map_err(|error| {
        whole(&shown, 0, format!("cannot be read: {error}; a centre directory holds centre.toml"))
    })?;
    let root = Node::from_toml(&text).map_err(|(line, what)| whole(FILE, line, what))?;
    let prompts = prompts_in(&dir.join("prompts"));
    let mut loaded = from_node(&root, FILE, Some(dir))?;
    loaded.prompts = prompts;
    let mut names = standard.clone();
    names.extend(loaded.prompts.iter().map(|(_, name, _)| name.clone()));
    let faults = check_prompts(&loaded, &names);
    if faults.is_empty() { Ok(loaded) } else { Err(Faults(faults)) }
}

/// Reads and checks a centre given as one tree (a file, or the API's JSON).
///
/// # Errors
/// Everything that is wrong, a line each.
pub fn from_node(root: &Node, file: &str, dir: Option<&Path>) -> Result<Loaded, Faults> {
    let mut reader = Reader {
        centre: Centre::default(),
        places: Places { file: file.into(), objects: BTreeMap::new() },
        faults: Vec::new(),
        dir,
        realm: root.get("tenant").and_then(|t| t.text_of("realm")).unwrap_or("").to_string(),
    };
    reader.read(root);
    for fault in &mut reader.faults {
        fault.file = file.into();
    }
    if !reader.faults.is_empty() {
        return Err(Faults(reader.faults));
    }
    let (faults, warnings) = check_whole(&reader.centre, &reader.places);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    Ok(Loaded { centre: reader.centre, places: reader.places, warnings, prompts: Vec::new() })
}

struct Reader<'a> {
    centre: Centre,
    places: Places,
    faults: Vec<Fault>,
    dir: Option<&'a Path>,
    realm: String,
}

impl Reader<'_> {
    fn fault(&mut self, line: u32, object: &str, field: &str, value: String, allowed: &str) {
        self.faults.push(Fault {
            file: String::new(),
            line,
            object: object.into(),
            field: field.into(),
            value,
            allowed: allowed.into(),
        });
    }

    fn read(&mut self, root: &Node) {
        for (key, node) in root.entries() {
            if key == "tenant" {
                let name = node.text_of("name").unwrap_or("").to_string();
                let object = format!("tenant {name:?}");
                schema::check(&TENANT, &object, node, &mut self.faults);
                self.remember(&TENANT, "", node);
                if let Json::Object(map) = node.to_json() {
                    self.centre.tenant = map;
                }
            } else if let Some(kind) = KINDS.iter().find(|kind| kind.name == key) {
                self.read_kind(kind, node);
            } else if KINDS_LATER.contains(&key.as_str()) {
                self.fault(
                    node.line,
                    &format!("[[{key}]]"),
                    "",
                    String::new(),
                    "not available yet",
                );
            } else {
                let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
                let text =
                    format!("unknown table; allowed [tenant] and [[…]] of {}", known.join(", "));
                self.fault(node.line, &format!("[{key}]"), "", String::new(), &text);
            }
        }
        if root.get("tenant").is_none() {
            self.fault(
                0,
                "tenant",
                "",
                String::new(),
                "[tenant] with name, domains and realm is missing",
            );
        }
    }

    fn read_kind(&mut self, kind: &Kind, list: &Node) {
        let Value::List(items) = &list.value else {
            let text = format!("written as a list: [[{}]]", kind.name);
            self.fault(list.line, kind.name, "", String::new(), &text);
            return;
        };
        for item in items {
            let name = name_of(kind, item);
            let object = format!("{} {name:?}", kind.name);
            let before = self.faults.len();
            schema::check(kind, &object, item, &mut self.faults);
            if self.faults.len() > before {
                continue;
            }
            let key = (kind.name.to_string(), name.clone());
            if self.centre.objects.contains_key(&key) {
                self.fault(item.line, &object, "", String::new(), "stands twice; each name once");
                continue;
            }
            self.remember(kind, &name, item);
            let Json::Object(mut map) = item.to_json() else { continue };
            if kind.name == "agent" {
                self.take_password(&object, item, &mut map);
            }
            self.centre.objects.insert(key, map);
        }
    }

    fn remember(&mut self, kind: &Kind, name: &str, node: &Node) {
        let fields = node.entries().iter().map(|(key, value)| (key.clone(), value.line)).collect();
        self.places.objects.insert((kind.name.into(), name.into()), (node.line, fields));
    }

    /// Puts HA1s in the place of the password as written.
    fn take_password(&mut self, object: &str, node: &Node, map: &mut Map<String, Json>) {
        let Some(softphone) = node.get("softphone") else { return };
        let Some(written) = softphone.get("password") else { return };
        let number = softphone.text_of("number").unwrap_or_default();
        match Password::read(written, self.dir) {
            Ok(password) => {
                let stored = password::stored(number, &self.realm, &password);
                map.insert("softphone".into(), stored);
            }
            Err(why) => {
                self.fault(written.line, object, "softphone.password", "[redacted]".into(), &why);
            }
        }
    }
}

fn name_of(kind: &Kind, node: &Node) -> String {
    let parts: Vec<_> = kind
        .named_by
        .iter()
        .filter_map(|key| node.get(key).map(|value| value.text().map_or(value.shown(), Into::into)))
        .collect();
    parts.join("/")
}

/// What no single object shows: references, overlaps, chains.
fn check_whole(centre: &Centre, places: &Places) -> (Vec<Fault>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    organisations(centre, places, &mut faults);
    softphones(centre, places, &mut faults, &mut warnings);
    for (name, route) in centre.of_kind("called_route") {
        let targets =
            ["skill_queue", "agent"].iter().filter(|key| route.contains_key(**key)).count();
        if targets != 1 {
            let fault = plain("called_route", name, "", "exactly one of skill_queue and agent");
            faults.push(places.locate("called_route", name, fault));
        }
    }
    if faults.is_empty() {
        match build::routing(centre) {
            Ok(config) => {
                for fault in config.validate() {
                    let located = build::located(places, &fault);
                    if build::is_warning(&fault) {
                        warnings.push(located)
                    } else {
                        faults.push(located)
                    }
                }
            }
            Err(text) => faults.push(plain("tenant", centre.name(), "", &text)),
        }
    }
    (faults, warnings)
}

fn plain(kind: &str, name: &str, field: &str, allowed: &str) -> Fault {
    Fault {
        file: String::new(),
        line: 0,
        object: format!("{kind} {name:?}"),
        field: field.into(),
        value: String::new(),
        allowed: allowed.into(),
    }
}

fn organisations(centre: &Centre, places: &Places, faults: &mut Vec<Fault>) {
    let parents: BTreeMap<&str, &str> = centre
        .of_kind("organisation")
        .filter_map(|(name, object)| Some((name, object.get("parent")?.as_str()?)))
        .collect();
    let known: BTreeSet<&str> = centre.of_kind("organisation").map(|(name, _)| name).collect();
    let list = || known.iter().copied().collect::<Vec<_>>().join(", ");
    for (&name, &parent) in &parents {
        let allowed = if known.contains(parent) {
            let mut at = parent;
            let mut steps = 0;
            while let Some(&next) = parents.get(at) {
                at = next;
                steps += 1;
                if at == name || steps > parents.len() {
                    break;
                }
            }
            if at != name && parent != name {
                continue;
            }
            "an organisation that is not below this one".to_string()
        } else {
            format!("the name of an organisation: {}", list())
        };
        let fault = Fault {
            value: format!("{parent:?}"),
            ..plain("organisation", name, "parent", &allowed)
        };
        faults.push(places.locate("organisation", name, fault));
    }
    for (name, agent) in centre.of_kind("agent") {
        let Some(organisation) = agent.get("organisation").and_then(Json::as_str) else { continue };
        if !known.contains(organisation) {
            let allowed = format!("the name of an organisation: {}", list());
            let fault = Fault {
                value: format!("{organisation:?}"),
                ..plain("agent", name, "organisation", &allowed)
            };
            faults.push(places.locate("agent", name, fault));
        }
    }
}

/// Softphone numbers are unique; overlaps with other numbers are worth a warning.
fn softphones(
    centre: &Centre,
    places: &Places,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<Fault>,
) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let codes: BTreeSet<&str> = centre.of_kind("access_code").map(|(code, _)| code).collect();
    let agents: BTreeSet<&str> = centre.of_kind("agent").map(|(id, _)| id).collect();
    for (name, agent) in centre.of_kind("agent") {
        let number =
            agent.get("softphone").and_then(|phone| phone.get("number")).and_then(Json::as_str);
        let Some(number) = number else { continue };
        let about = |allowed: String| Fault {
            value: format!("{number:?}"),
            ..plain("agent", name, "softphone.number", &allowed)
        };
        if let Some(other) = seen.insert(number, name) {
            let fault = about(format!("a number no other agent has (agent {other:?} has it)"));
            faults.push(places.locate("agent", name, fault));
        }
        if codes.contains(number) {
            let fault = about(format!(
                "a number that is no access code; calls to {number} reach the access code"
            ));
            warnings.push(places.locate("agent", name, fault));
        }
        if number != name && agents.contains(number) {
            let fault =
                about(format!("a number that is no other agent's employee ID (agent {number:?})"));
            warnings.push(places.locate("agent", name, fault));
        }
    }
}

fn check_prompts(loaded: &Loaded, names: &BTreeSet<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, queue) in loaded.centre.of_kind("skill_queue") {
        for field in ["on_timeout", "on_busy", "on_no_agents"] {
            let prompt =
                queue.get(field).and_then(|policy| policy.get("release")).and_then(Json::as_str);
            let Some(prompt) = prompt else { continue };
            if !names.contains(prompt) {
                let list: Vec<_> = names.iter().map(String::as_str).collect();
                let fault = Fault {
                    value: format!("{{ release = {prompt:?} }}"),
                    ..plain(
                        "skill_queue",
                        name,
                        field,
                        &format!("a prompt that exists: {}", list.join(", ")),
                    )
                };
                faults.push(loaded.places.locate("skill_queue", name, fault));
            }
        }
    }
    faults
}

/// The prompts below a folder: `LANGUAGE/NAME.wav`.
pub fn prompts_in(dir: &Path) -> Vec<(String, String, PathBuf)> {
    let mut found = Vec::new();
    let Ok(languages) = std::fs::read_dir(dir) else { return found };
    for language in languages.flatten() {
        let Ok(files) = std::fs::read_dir(language.path()) else { continue };
        for file in files.flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "wav")
                && let (Some(language), Some(name)) =
                    (language.file_name().to_str(), path.file_stem().and_then(|stem| stem.to_str()))
            {
                found.push((language.to_string(), name.to_string(), path.clone()));
            }
        }
    }
    found.sort();
    found
}
