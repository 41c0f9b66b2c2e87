//! A centre: one tenant's objects, as they are written, checked and stored.
//!
//! Owns: reading a centre directory, checking it whole, and the canonical form of its objects (JSON
//! with only the keys that were written; a password only as HA1, a PIN only as its hash). Does not
//! own: where the stored objects live (the store) nor what the engine makes of them
//! ([`super::build`]).

use super::fault::{Fault, Faults};
use super::flows::{self, Flow, Sounds};
use super::password::{self, Password};
use super::pin::{self, Pin};
use super::schema::{self, KINDS, KINDS_LATER, Kind, TENANT};
use super::tree::{Node, Value};
use super::whole;
use hotline_base::Redacted;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
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
    /// Its published flows by name.
    pub flows: BTreeMap<String, Flow>,
    /// PINs and secrets of this run, by the object they belong to: what is stored of them is a hash
    /// or a file of its own.
    pub secrets: BTreeMap<Key, Redacted<String>>,
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
        for (key, object) in &self.objects {
            let list = root.entry(key.0.as_str()).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(list) = list {
                let (mut object, secret) = (object.clone(), self.secrets.get(key));
                if let Some(softphone) = object.get_mut("softphone") {
                    *softphone = password::written(softphone);
                }
                if let Some(phone) = object.get_mut("single_phone").filter(|_| key.0 == "agent") {
                    *phone = pin::written(phone, secret);
                }
                if let Some(value) = secret.filter(|_| key.0 == "secret") {
                    object.insert("value".into(), json!(value.expose()));
                }
                list.push(Json::Object(object));
            }
        }
        if !self.flows.is_empty() {
            let documents =
                self.flows.iter().map(|(name, flow)| (name.clone(), flow.document.clone()));
            root.insert("flow".into(), Json::Object(documents.collect()));
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
    /// File and tree of each flow.
    flows: BTreeMap<String, (String, Node)>,
}

impl Places {
    /// File and line of a place within a flow: `node.menu.keys.1`.
    pub fn of_flow(&self, flow: &str, path: &str) -> (String, u32) {
        let Some((file, tree)) = self.flows.get(flow) else { return (String::new(), 0) };
        let mut at = tree;
        for part in path.split('.') {
            let item = part.parse().ok().and_then(|number: usize| at.items().get(number));
            match at.get(part).or(item) {
                Some(next) => at = next,
                None => break,
            }
        }
        (file.clone(), if file.is_empty() { 0 } else { at.line })
    }

    /// Fills in file and line of a fault about a field of an object.
    pub fn locate(&self, kind: &str, name: &str, mut fault: Fault) -> Fault {
        fault.file.clone_from(&self.file);
        // There is one tenant: it needs no name to be found.
        let name = if kind == "tenant" { "" } else { name };
        if let Some((line, fields)) = self.objects.get(&(kind.to_string(), name.to_string())) {
            // The longest part of the path that a line is known of: `single_phone.trunk`, else
            // `single_phone`, else the object.
            let ends = fault.field.char_indices().filter(|(_, c)| matches!(c, '.' | '['));
            let ends: Vec<usize> = ends.map(|(at, _)| at).chain([fault.field.len()]).collect();
            let known = ends.iter().rev().find_map(|end| fields.get(fault.field.get(..*end)?));
            fault.line = known.copied().unwrap_or(*line);
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
    /// The directory's tones: name, file.
    pub tones: Vec<(String, PathBuf)>,
}

/// The file of a centre directory: what a fault names, whatever the directory.
const FILE: &str = "centre.toml";

/// Reads and checks a centre directory. `standard` are the prompts and tones that are always there.
///
/// # Errors
/// Everything that is wrong, a line each; nothing is half-loaded.
pub fn load(dir: &Path, standard: &Sounds) -> Result<Loaded, Faults> {
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
    let sources = flows::sources_in(dir)?;
    let mut loaded = from_sources(&root, FILE, Some(dir), sources)?;
    loaded.prompts = prompts_in(&dir.join("prompts"));
    loaded.tones = tones_in(&dir.join("tones"));
    let mut sounds = standard.clone();
    sounds.add(&loaded.prompts, &loaded.tones);
    let (faults, warnings) = flows::check(&loaded.centre, &loaded.places, &sounds);
    loaded.warnings.extend(warnings);
    if faults.is_empty() { Ok(loaded) } else { Err(Faults(faults)) }
}

/// Reads and checks a centre given as one tree (a file, or the API's JSON, which has its flows
/// under `flow`). Whether prompts and tones are there is asked by [`flows::check`].
///
/// # Errors
/// Everything that is wrong, a line each.
pub fn from_node(root: &Node, file: &str, dir: Option<&Path>) -> Result<Loaded, Faults> {
    from_sources(root, file, dir, BTreeMap::new())
}

/// The same, with flows that stand in files of their own: where each stands, and its tree.
///
/// # Errors
/// Everything that is wrong, a line each.
pub fn from_sources(
    root: &Node,
    file: &str,
    dir: Option<&Path>,
    flows: BTreeMap<String, (String, Node)>,
) -> Result<Loaded, Faults> {
    let mut reader = Reader {
        centre: Centre::default(),
        places: Places { file: file.into(), objects: BTreeMap::new(), flows },
        faults: Vec::new(),
        dir,
        realm: root.get("tenant").and_then(|t| t.text_of("realm")).unwrap_or("").to_string(),
    };
    reader.read(root);
    for fault in &mut reader.faults {
        fault.file = file.into();
    }
    reader.read_flows();
    if !reader.faults.is_empty() {
        return Err(Faults(reader.faults));
    }
    let found = whole::check(&reader.centre, &reader.places);
    let (faults, warnings) = (found.faults, found.warnings);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let Reader { centre, places, .. } = reader;
    Ok(Loaded { centre, places, warnings, prompts: Vec::new(), tones: Vec::new() })
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
            } else if key == "flow" && self.places.file.is_empty() {
                for (name, flow) in node.entries() {
                    self.places.flows.insert(name.clone(), (String::new(), flow.clone()));
                }
            } else if key == "flow" {
                let allowed = "flows are files of their own: flows/NAME.toml";
                self.fault(node.line, "[flow]", "", String::new(), allowed);
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
            match kind.name {
                "agent" => {
                    self.take_password(&object, item, &mut map);
                    self.take_pin(&key, &object, item, &mut map);
                }
                "secret" => self.take_secret(&key, &object, item, &mut map),
                _ => {}
            }
            self.centre.objects.insert(key, map);
        }
    }

    /// Every flow that was found, read; what is wrong with one names its file.
    fn read_flows(&mut self) {
        for (name, (file, tree)) in &self.places.flows {
            if !schema::is_flow_name_text(name) {
                self.faults.push(Fault {
                    file: file.clone(),
                    line: 0,
                    object: format!("flow {name:?}"),
                    field: String::new(),
                    value: String::new(),
                    allowed: "a name of 1–64 of a-z, 0-9 and '_', no digit first".into(),
                });
                continue;
            }
            let document = tree.to_json();
            let faults = flows::faults_of_reading(name, &document);
            let places = &self.places;
            self.faults.extend(faults.into_iter().map(|fault| flows::located(places, name, fault)));
            self.centre.flows.insert(name.clone(), Flow { document, version: 0 });
        }
    }

    fn remember(&mut self, kind: &Kind, name: &str, node: &Node) {
        let mut fields = BTreeMap::new();
        remember_fields(node, "", &mut fields);
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

    /// Puts the wish or the hash in the place of the PIN as written; the PIN itself stays aside.
    fn take_pin(&mut self, key: &Key, object: &str, node: &Node, map: &mut Map<String, Json>) {
        let Some(phone) = node.get("single_phone") else { return };
        let enabled = phone.get("enabled").is_some_and(|node| node.value == Value::Bool(true));
        let mut stored = json!({ "enabled": enabled });
        if let Some(written) = phone.get("pin") {
            match Pin::read(written, self.dir) {
                Ok(Pin::Plain(pin)) => {
                    stored["pin"] = json!("given");
                    self.centre.secrets.insert(key.clone(), pin);
                }
                Ok(Pin::Hash(hash)) => stored["pin_hash"] = json!(hash),
                Ok(Pin::Generate) => stored["generate"] = json!(true),
                Err(why) => {
                    self.fault(written.line, object, "single_phone.pin", "[redacted]".into(), &why);
                }
            }
        }
        map.insert("single_phone".into(), stored);
    }

    /// Puts a digest in the place of a secret as written; the secret itself stays aside.
    fn take_secret(&mut self, key: &Key, object: &str, node: &Node, map: &mut Map<String, Json>) {
        let Some(written) = node.get("value") else { return };
        if written.get("sha256").is_some() {
            return;
        }
        let value = match &written.value {
            Value::Text(text) => Ok(Some((Redacted::new(text.clone()), String::new()))),
            _ => pin::outside(written, self.dir),
        };
        match value {
            Ok(Some((value, _))) if schema::is_secret_text(value.expose()) => {
                map.insert("value".into(), json!({ "sha256": flows::digest_of_secret(&value) }));
                self.centre.secrets.insert(key.clone(), value);
            }
            Ok(_) => {
                let allowed = "1–4096 printable characters of ASCII";
                self.fault(written.line, object, "value", "[redacted]".into(), allowed);
            }
            Err(why) => self.fault(written.line, object, "value", "[redacted]".into(), &why),
        }
    }
}

/// The lines of a table's fields, those of tables within it by their path.
fn remember_fields(node: &Node, prefix: &str, fields: &mut BTreeMap<String, u32>) {
    for (key, value) in node.entries() {
        let path = format!("{prefix}{key}");
        remember_fields(value, &format!("{path}."), fields);
        fields.insert(path, value.line);
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

/// The tones in a folder: `NAME.wav`.
pub fn tones_in(dir: &Path) -> Vec<(String, PathBuf)> {
    let Ok(files) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<_> = files
        .flatten()
        .filter_map(|file| {
            let path = file.path();
            let is_wav = path.extension().is_some_and(|extension| extension == "wav");
            let name = path.file_stem()?.to_str()?.to_string();
            is_wav.then_some((name, path))
        })
        .collect();
    found.sort();
    found
}
