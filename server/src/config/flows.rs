//! Flows in a centre: their files, what is wrong with them, and the programs made of them.
//!
//! Owns: `flows/NAME.toml`, where a fault of a flow stands in it, and what a flow may refer to.
//! Does not own: what a flow may be and what is wrong within it (`hotline_ivr`), its versions (the
//! store).

use super::centre::{Centre, Places};
use super::fault::{Fault, Faults};
use super::tree::Node;
use super::whole;
use crate::effects::allow::{Forbidden, HttpPolicy};
use hotline_base::Redacted;
use hotline_ivr::check::{Access, AgentType, QueueType, World};
use hotline_ivr::fault::{Problem, Severity};
use hotline_ivr::program::Flows;
use hotline_routing::number::EMERGENCY_NUMBERS;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Largest file of a flow, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Flows of one tenant, drafts included.
pub const FLOWS_MAX: usize = 500;

/// A published flow, or one that is to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// As it was written.
    pub document: Json,
    /// Its number; 0 for one that was not published yet.
    pub version: u32,
}

/// Prompts and tones that can be played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sounds {
    /// Names of prompts by language.
    pub prompts: BTreeMap<String, BTreeSet<String>>,
    /// Names of tones.
    pub tones: BTreeSet<String>,
}

impl Sounds {
    /// Adds files: language, name, file of prompts; name, file of tones.
    pub fn add(&mut self, prompts: &[(String, String, PathBuf)], tones: &[(String, PathBuf)]) {
        for (language, name, _) in prompts {
            self.prompts.entry(language.clone()).or_default().insert(name.clone());
        }
        self.tones.extend(tones.iter().map(|(name, _)| name.clone()));
    }

    /// Whether a prompt is there in any language.
    fn has_prompt(&self, name: &str) -> bool {
        self.prompts.values().any(|names| names.contains(name))
    }
}

/// The flows of a centre directory: name, then file and tree.
///
/// # Errors
/// Files that cannot be read, a line each.
pub fn sources_in(dir: &Path) -> Result<BTreeMap<String, (String, Node)>, Faults> {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    let Ok(files) = std::fs::read_dir(dir.join("flows")) else { return Ok(found) };
    for path in files.flatten().map(|file| file.path()) {
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let file = format!("flows/{name}.toml");
        match read_file(&path) {
            Ok(tree) => {
                found.insert(name.to_string(), (file, tree));
            }
            Err((line, what)) => faults.push(Fault {
                file,
                line,
                object: format!("flow {name:?}"),
                field: String::new(),
                value: String::new(),
                allowed: what,
            }),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Faults(faults)) }
}

fn read_file(path: &Path) -> Result<Node, (u32, String)> {
    let say = |error: std::io::Error| (0, format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(say)?.len() > FILE_BYTES_MAX {
        return Err((0, "too large: a flow has at most 1 MiB".into()));
    }
    Node::from_toml(&std::fs::read_to_string(path).map_err(say)?)
}

/// What is wrong with a flow by itself.
pub fn faults_of_reading(name: &str, document: &Json) -> Vec<hotline_ivr::fault::Fault> {
    let faults = hotline_ivr::read::flow(document).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.in_flow(name)).collect()
}

/// A fault of a flow with its place in the file.
pub fn located(places: &Places, flow: &str, fault: hotline_ivr::fault::Fault) -> Fault {
    let (file, line) = places.of_flow(flow, &fault.path);
    let mut object = format!("flow {flow:?}");
    if !fault.object().is_empty() {
        object = format!("{object}: {}", fault.object());
    }
    let field = fault.field().to_string();
    let (field, value, allowed) = match fault.problem {
        Problem::NotAllowed | Problem::Missing => (field, fault.value, fault.allowed),
        Problem::Wrong if field.is_empty() => (String::new(), String::new(), fault.allowed),
        Problem::Wrong => (String::new(), String::new(), format!("{field}: {}", fault.allowed)),
    };
    Fault { file, line, object, field, value, allowed }
}

/// Checks a centre's flows with each other and with what they refer to, and the prompts and tones
/// its queues name: faults, and warnings.
pub fn check(centre: &Centre, places: &Places, sounds: &Sounds) -> (Vec<Fault>, Vec<Fault>) {
    let mut faults = sounds_of_queues(centre, places, sounds);
    faults.extend(too_many(centre.name(), centre.flows.len()));
    let mut warnings = Vec::new();
    let mut flows = BTreeMap::new();
    for (name, flow) in &centre.flows {
        match hotline_ivr::read::flow(&flow.document) {
            Ok(flow) => {
                flows.insert(name.clone(), flow);
            }
            Err(wrong) => {
                faults.extend(wrong.into_iter().map(|fault| located(places, name, fault)));
            }
        }
    }
    faults.extend(hosts_of_requests(centre, places, &flows));
    for fault in hotline_ivr::check::check(&flows, &world(centre, sounds)) {
        let severity = fault.severity;
        let name = fault.flow.clone();
        let fault = located(places, &name, fault);
        match severity {
            Severity::Error => faults.push(fault),
            Severity::Warning => warnings.push(fault),
        }
    }
    (faults, warnings)
}

/// The fault of a tenant with so many flows, if that is too many.
pub fn too_many(tenant: &str, flows: usize) -> Option<Fault> {
    (flows > FLOWS_MAX).then(|| Fault {
        file: String::new(),
        line: 0,
        object: format!("tenant {tenant:?}"),
        field: "flows".into(),
        value: flows.to_string(),
        allowed: format!("0–{FLOWS_MAX} (flows, drafts included)"),
    })
}

/// Web services that the tenant's flows may not ask.
fn hosts_of_requests(
    centre: &Centre,
    places: &Places,
    flows: &BTreeMap<String, hotline_ivr::model::Flow>,
) -> Vec<Fault> {
    let hosts = centre.tenant.get("http_hosts").and_then(Json::as_array).into_iter().flatten();
    let hosts: Vec<&str> = hosts.filter_map(Json::as_str).collect();
    let policy = HttpPolicy::new(hosts.iter().copied(), &[], BTreeMap::new());
    let mut faults = Vec::new();
    for (name, flow) in flows {
        for (node, kind) in &flow.node {
            let hotline_ivr::model::Node::Http { url, .. } = kind else { continue };
            let Some((host, port)) = host_of(url) else { continue };
            if policy.permits(&host, port) == Err(Forbidden::NotListed) {
                let listed = if hosts.is_empty() { "none".into() } else { hosts.join(", ") };
                let allowed = format!("a host that the tenant's http_hosts permits: {listed}");
                let value = format!("{:?}", format!("{host}:{port}"));
                let path = format!("node.{node}.url");
                let fault = hotline_ivr::fault::Fault::not_allowed(&path, value, allowed);
                faults.push(located(places, name, fault.in_flow(name)));
            }
        }
    }
    faults
}

/// Host and port of an address as flows write it: they are constant.
fn host_of(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority: axum::http::uri::Authority = authority.parse().ok()?;
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((authority.host().to_owned(), port))
}

/// Checks one flow, a draft say, among the published ones: faults, and warnings.
pub fn check_one(
    centre: &Centre,
    sounds: &Sounds,
    name: &str,
    document: &Json,
) -> (Vec<Fault>, Vec<Fault>) {
    let with = centre_with(centre, name, document);
    let (mut faults, mut warnings) = check(&with, &Places::default(), sounds);
    faults.retain(|fault| is_about(fault, name));
    warnings.retain(|fault| is_about(fault, name));
    (faults, warnings)
}

/// What stands against putting a document into force as a flow: what is wrong with the flow itself,
/// and what would become wrong anywhere else, in a flow that runs it as a sub-flow say. What is
/// wrong elsewhere already stands against nothing.
pub fn against_publishing(
    centre: &Centre,
    sounds: &Sounds,
    name: &str,
    document: &Json,
) -> Vec<Fault> {
    let places = Places::default();
    let with = centre_with(centre, name, document);
    let (mut before, _) = check(centre, &places, sounds);
    let (mut faults, _) = check(&with, &places, sounds);
    // A flow may be what something else of the centre needs: the one that agents sign in by, say.
    before.extend(whole::check(centre, &places).faults);
    faults.extend(whole::check(&with, &places).faults);
    faults.retain(|fault| is_about(fault, name) || !before.contains(fault));
    faults
}

fn centre_with(centre: &Centre, name: &str, document: &Json) -> Centre {
    let mut with = centre.clone();
    with.flows.insert(name.into(), Flow { document: document.clone(), version: 0 });
    with
}

fn is_about(fault: &Fault, flow: &str) -> bool {
    let about = format!("flow {flow:?}");
    fault.object.strip_prefix(&about).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// What a centre's flows may refer to.
fn world(centre: &Centre, sounds: &Sounds) -> World {
    let names = |kind| centre.of_kind(kind).map(|(name, _)| name.to_string()).collect();
    let type_of = |object: &Map<String, Json>| {
        object.get("type").and_then(Json::as_str).unwrap_or_default().to_string()
    };
    let queues = centre.of_kind("skill_queue").map(|(name, queue)| {
        let kind = match type_of(queue).as_str() {
            "video" => QueueType::Video,
            "multimedia" => QueueType::Multimedia,
            "voice_click_to_dial" => QueueType::VoiceClickToDial,
            "video_click_to_dial" => QueueType::VideoClickToDial,
            _ => QueueType::Voice,
        };
        (name.to_string(), kind)
    });
    let agents = centre.of_kind("agent").map(|(employee_id, agent)| {
        let kind = match type_of(agent).as_str() {
            "video" => AgentType::Video,
            "multimedia" => AgentType::Multimedia,
            "versatile" => AgentType::Versatile,
            _ => AgentType::Audio,
        };
        (employee_id.to_string(), kind)
    });
    let trunks = centre.of_kind("trunk").filter(|(_, trunk)| trunk.contains_key("target"));
    let trunks = trunks.map(|(name, trunk)| {
        let prefixes = trunk.get("outside_prefixes").and_then(Json::as_array);
        let prefixes = prefixes.into_iter().flatten().filter_map(Json::as_str);
        (name.to_string(), prefixes.map(String::from).collect())
    });
    let (default_language, languages) = super::build::languages(centre);
    World {
        languages: languages.into_iter().collect(),
        default_language,
        prompts: sounds.prompts.clone(),
        queues: queues.collect(),
        agents: agents.collect(),
        trunks: trunks.collect(),
        emergency_numbers: EMERGENCY_NUMBERS.iter().copied().map(String::from).collect(),
        tones: sounds.tones.clone(),
        working_times: names("working_time"),
        secrets: names("secret"),
        reached_by: reached_by(centre),
    }
}

/// The types of the access codes by which calls come into each flow; a queue's type stands for
/// those that come by overflow.
fn reached_by(centre: &Centre) -> BTreeMap<String, BTreeSet<Access>> {
    let mut reached: BTreeMap<String, BTreeSet<Access>> = BTreeMap::new();
    let access = |kind: Option<&Json>| match kind.and_then(Json::as_str) {
        Some("video") => Access::Video,
        Some("multimedia") => Access::Multimedia,
        Some("click_to_dial" | "voice_click_to_dial" | "video_click_to_dial") => {
            Access::ClickToDial
        }
        _ => Access::Voice,
    };
    for (_, route) in centre.of_kind("called_route") {
        let code = route.get("access_code").and_then(Json::as_str).unwrap_or_default();
        let code = centre.objects.get(&("access_code".to_string(), code.to_string()));
        let out_of_hours = route.get("out_of_hours").and_then(|target| target.get("flow"));
        for flow in [route.get("flow"), out_of_hours].into_iter().flatten().filter_map(Json::as_str)
        {
            let kind = access(code.and_then(|code| code.get("type")));
            reached.entry(flow.into()).or_default().insert(kind);
        }
    }
    for (_, queue) in centre.of_kind("skill_queue") {
        for field in ["on_timeout", "on_busy", "on_no_agents", "waiting"] {
            let flow = queue.get(field).and_then(|policy| policy.get("flow"));
            if let Some(flow) = flow.and_then(Json::as_str) {
                reached.entry(flow.into()).or_default().insert(access(queue.get("type")));
            }
        }
    }
    reached
}

/// Prompts of policies and tones of queues that are not there.
fn sounds_of_queues(centre: &Centre, places: &Places, sounds: &Sounds) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut missing = |name: &str, field: &str, value: String, allowed: String| {
        let object = format!("skill_queue {name:?}");
        let fault =
            Fault { file: String::new(), line: 0, object, field: field.into(), value, allowed };
        faults.push(places.locate("skill_queue", name, fault));
    };
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    for (name, queue) in centre.of_kind("skill_queue") {
        let of = |field: &str, key: &str| queue.get(field)?.get(key)?.as_str();
        for field in ["on_timeout", "on_busy", "on_no_agents"] {
            if let Some(prompt) = of(field, "release").filter(|prompt| !sounds.has_prompt(prompt)) {
                let known: BTreeSet<String> = sounds.prompts.values().flatten().cloned().collect();
                let allowed = format!("a prompt that exists: {}", list(&known));
                missing(name, field, format!("{{ release = {prompt:?} }}"), allowed);
            }
        }
        for field in ["waiting", "hold"] {
            if let Some(tone) = of(field, "tone").filter(|tone| !sounds.tones.contains(*tone)) {
                let known = list(&sounds.tones);
                let allowed = format!("a tone that exists as tones/NAME.wav: {known}");
                missing(name, field, format!("{{ tone = {tone:?} }}"), allowed);
            }
        }
    }
    faults
}

/// Where a flow sends its callers: queues and flows.
pub fn leads_to(document: &Json) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for node in nodes(document) {
        let to =
            |kind: &'static str, name: Option<&Json>| Some((kind, name?.as_str()?.to_string()));
        found.extend(match node.get("kind").and_then(Json::as_str) {
            Some("subflow") => to("flow", node.get("flow")),
            Some("transfer") => node.get("to").and_then(|target| {
                to("flow", target.get("flow"))
                    .or_else(|| to("skill_queue", target.get("skill_queue")))
            }),
            _ => None,
        });
    }
    found
}

/// The queues that each flow sends callers to, by itself or by other flows.
pub fn queues_reached(centre: &Centre) -> BTreeMap<String, Vec<String>> {
    let reached = |start: &String| {
        let (mut open, mut seen) = (vec![start.clone()], BTreeSet::new());
        let mut queues = BTreeSet::new();
        while let Some(name) = open.pop() {
            let Some(flow) = centre.flows.get(&name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            for (kind, name) in leads_to(&flow.document) {
                match kind {
                    "flow" => open.push(name),
                    _ => drop(queues.insert(name)),
                }
            }
        }
        (start.clone(), queues.into_iter().collect())
    };
    centre.flows.keys().map(reached).collect()
}

/// Whether agents sign in within a flow.
pub fn signs_in(document: &Json) -> bool {
    nodes(document).any(|node| node.get("kind").and_then(Json::as_str) == Some("agent_sign_in"))
}

fn nodes(document: &Json) -> impl Iterator<Item = &Json> {
    document.get("node").and_then(Json::as_object).into_iter().flat_map(|nodes| nodes.values())
}

/// By what a secret is known to be the same: never the secret itself.
pub fn digest_of_secret(secret: &Redacted<String>) -> String {
    super::password::hex(&Sha256::digest(secret.expose().as_bytes()))
}

/// The programs of a centre's flows; a draft that cannot be read is none.
pub fn programs(centre: &Centre, drafts: &BTreeMap<String, Json>) -> Flows {
    let read = |document: &Json| hotline_ivr::read::flow(document).ok();
    let published = centre
        .flows
        .iter()
        .filter_map(|(name, flow)| Some((name.clone(), read(&flow.document)?)))
        .collect();
    let drafts = drafts
        .iter()
        .filter_map(|(name, document)| Some((name.clone(), read(document)?)))
        .collect();
    Flows::build(&published, &drafts)
}
