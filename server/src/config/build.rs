//! From stored objects to what the engine reads: [`TenantConfig`] and [`Directory`].
//!
//! Owns: inheritance (agent > organisation > tenant), defaults, and the shapes of the routing
//! crate's configuration. Everything here was checked before it was stored.

use super::centre::{Centre, Places};
use super::fault::Fault;
use super::flows;
use super::password::unhex;
use hotline_base::{Partition, Redacted};
use hotline_engine::config::{
    Anonymisation, DigestAlgorithm, Mobile, Prompt, SinglePhone, Softphone, TenantConfig,
    TenantLimits, Trunk,
};
use hotline_ivr::schedule::WorkingTime;
use hotline_routing::Config as RoutingConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Prompts by language, then name.
pub type Prompts = BTreeMap<String, BTreeMap<String, Prompt>>;

/// What a tenant has beside its objects.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Prompts by language, then name.
    pub prompts: Prompts,
    /// Tones by name.
    pub tones: BTreeMap<String, Prompt>,
    /// Drafts of flows by name, as they were written.
    pub drafts: BTreeMap<String, Json>,
}

/// One tenant as the engine reads it.
///
/// # Errors
/// What does not fit, when the stored objects are not of this version's form.
pub fn tenant(
    centre: &Centre,
    partition: Partition,
    version: u64,
    parts: Parts,
) -> Result<TenantConfig, String> {
    let tenant = &centre.tenant;
    let (language, languages) = languages(centre);
    let test_callers = tenant.get("test_callers").and_then(Json::as_array).into_iter().flatten();
    let limits = TenantLimits::default();
    let number = |key: &str, default: u32| {
        tenant
            .get(key)
            .and_then(Json::as_u64)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(default)
    };
    let text = |key: &str, default: &str| {
        tenant.get(key).and_then(Json::as_str).unwrap_or(default).to_string()
    };
    let domains = tenant.get("domains").and_then(Json::as_array).into_iter().flatten();
    Ok(TenantConfig {
        partition,
        version,
        name: centre.name().into(),
        domains: domains.filter_map(Json::as_str).map(str::to_ascii_lowercase).collect(),
        realm: centre.realm().into(),
        language,
        languages,
        main_number: tenant.get("main_number").and_then(Json::as_str).map(String::from),
        time_zone: text("time_zone", "UTC"),
        routing: Arc::new(routing(centre)?),
        softphones: softphones(centre)?,
        trunks: centre
            .of_kind("trunk")
            .map(|(name, object)| read::<Trunk>("trunk", name, object.clone()))
            .collect::<Result<_, _>>()?,
        prompts: parts.prompts,
        flows: Arc::new(flows::programs(centre, &parts.drafts)),
        working_times: Arc::new(working_times(centre)?),
        tones: parts.tones,
        test_callers: test_callers.filter_map(Json::as_str).map(String::from).collect(),
        mobiles: mobiles(centre)?,
        single_phone: single_phone(centre)?,
        anonymisation: anonymisation(centre),
        limits: TenantLimits {
            concurrent_calls: number("concurrent_calls", limits.concurrent_calls),
            call_s_max: number("call_s_max", limits.call_s_max),
            rtp_silence_s: number("rtp_silence_s", limits.rtp_silence_s),
        },
    })
}

/// The default language of a tenant, and all it speaks.
pub fn languages(centre: &Centre) -> (String, Vec<String>) {
    let default = centre.tenant.get("language").and_then(Json::as_str).unwrap_or("en").to_string();
    let listed = centre.tenant.get("languages").and_then(Json::as_array).into_iter().flatten();
    let mut all: Vec<String> = listed.filter_map(Json::as_str).map(String::from).collect();
    if !all.contains(&default) {
        all.insert(0, default.clone());
    }
    (default, all)
}

/// How a tenant's single-phone agents are served; without a trunk named, over the only one that has
/// a target.
///
/// # Errors
/// What does not fit.
pub fn single_phone(centre: &Centre) -> Result<SinglePhone, String> {
    let written = centre.tenant.get("single_phone").and_then(Json::as_object).cloned();
    let mut settings: SinglePhone = read("tenant", centre.name(), written.unwrap_or_default())?;
    if settings.trunk.is_none() {
        let mut trunks = centre.of_kind("trunk").filter(|(_, trunk)| trunk.contains_key("target"));
        if let (Some((name, _)), None) = (trunks.next(), trunks.next()) {
            settings.trunk = Some(name.into());
        }
    }
    Ok(settings)
}

fn working_times(centre: &Centre) -> Result<BTreeMap<String, WorkingTime>, String> {
    let read = |(name, object): (&str, &Map<String, Json>)| {
        Ok((name.to_string(), read("working_time", name, object.clone())?))
    };
    centre.of_kind("working_time").map(read).collect()
}

fn mobiles(centre: &Centre) -> Result<BTreeMap<String, Mobile>, String> {
    let mut mobiles = BTreeMap::new();
    for (employee_id, agent) in centre.of_kind("agent") {
        let phone = agent.get("single_phone");
        let Some(phone) = phone.filter(|phone| phone.get("enabled") == Some(&Json::Bool(true)))
        else {
            continue;
        };
        let Some(hash) = phone.get("pin_hash").and_then(Json::as_str) else {
            return Err(format!("agent {employee_id:?}: single_phone: has no PIN yet"));
        };
        let text = |key: &str| agent.get(key).and_then(Json::as_str).map(String::from);
        let mobile = Mobile { pin_hash: Redacted::new(hash.into()), number: text("mobile_number") };
        mobiles.insert(employee_id.to_string(), mobile);
    }
    Ok(mobiles)
}

fn anonymisation(centre: &Centre) -> BTreeMap<String, Anonymisation> {
    let of = |(employee_id, agent): (&str, &Map<String, Json>)| {
        let text = |key: &str| agent.get(key).and_then(Json::as_str).map(String::from);
        let one = Anonymisation {
            anonymised: agent.get("anonymised") == Some(&Json::Bool(true)),
            number_shown_to_customer: text("number_shown_to_customer"),
            number_shown_to_agent: text("number_shown_to_agent"),
        };
        (one != Anonymisation::default()).then(|| (employee_id.to_string(), one))
    };
    centre.of_kind("agent").filter_map(of).collect()
}

/// The routing view of a tenant.
///
/// # Errors
/// What does not fit.
pub fn routing(centre: &Centre) -> Result<RoutingConfig, String> {
    let mut settings = Map::new();
    for key in [
        "limits",
        "skill_queues_max",
        "no_answer_limit",
        "rejection_pause_s",
        "lost_registration",
        "overflow_keeps_place",
        "priority_raise_s",
    ] {
        if let Some(value) = centre.tenant.get(key) {
            settings.insert(key.into(), value.clone());
        }
    }
    let mut config = RoutingConfig {
        settings: read("tenant", centre.name(), settings)?,
        ..RoutingConfig::default()
    };
    for (name, object) in centre.of_kind("skill_queue") {
        let mut object = object.clone();
        for key in ["on_timeout", "on_busy", "on_no_agents"] {
            if let Some(policy) = object.get(key).map(policy) {
                object.insert(key.into(), policy);
            }
        }
        config.queues.push(read("skill_queue", name, object)?);
    }
    for (name, object) in centre.of_kind("access_code") {
        config.access_codes.push(read("access_code", name, object.clone())?);
    }
    for (name, object) in centre.of_kind("called_route") {
        let mut object = object.clone();
        for key in ["skill_queue", "flow", "agent"] {
            if let Some(target) = object.remove(key) {
                object.insert("destination".into(), json!({ key: target }));
            }
        }
        config.called_routes.push(read("called_route", name, object)?);
    }
    for (name, object) in centre.of_kind("agent") {
        let mut object = object.clone();
        object.insert("answer_mode".into(), Json::from(answer_mode(centre, &object)));
        for key in ["organisation", "softphone", "digest"] {
            object.remove(key);
        }
        config.agents.push(read("agent", name, object)?);
    }
    config.flows = centre.flows.keys().cloned().collect();
    config.flow_queues = flows::queues_reached(centre);
    config.languages = languages(centre).1;
    config.working_times = centre.of_kind("working_time").map(|(name, _)| name.into()).collect();
    Ok(config)
}

fn read<T: DeserializeOwned>(
    kind: &str,
    name: &str,
    object: Map<String, Json>,
) -> Result<T, String> {
    T::deserialize(Json::Object(object)).map_err(|error| format!("{kind} {name:?}: {error}"))
}

/// `{ release = true }` and its sisters in the routing crate's form.
fn policy(written: &Json) -> Json {
    match written.get("release") {
        Some(Json::String(prompt)) => json!({ "release": { "prompt": prompt } }),
        Some(_) => json!({ "release": { "prompt": null } }),
        None => written.clone(),
    }
}

/// A setting of an agent: its own, else that of its organisation or one above, else the tenant's.
/// `is_set` says which values count as set.
fn inherited<'a>(
    centre: &'a Centre,
    agent: &'a Map<String, Json>,
    key: &str,
    is_set: &dyn Fn(&Json) -> bool,
) -> Option<&'a Json> {
    let mut set = agent.get(key).filter(|value| is_set(value));
    let mut organisation = agent.get("organisation").and_then(Json::as_str);
    let mut levels = 0;
    while let (None, Some(name)) = (set, organisation) {
        let unit = centre.objects.get(&("organisation".to_string(), name.to_string()));
        set = unit.and_then(|unit| unit.get(key)).filter(|value| is_set(value));
        organisation = unit.and_then(|unit| unit.get("parent")).and_then(Json::as_str);
        levels += 1;
        if levels > 64 {
            break;
        }
    }
    set.or_else(|| centre.tenant.get(key).filter(|value| is_set(value)))
}

fn answer_mode(centre: &Centre, agent: &Map<String, Json>) -> &'static str {
    let is_set = |value: &Json| value.as_str().is_some_and(|mode| mode != "inherit");
    match inherited(centre, agent, "answer_mode", &is_set).and_then(Json::as_str) {
        Some("manual") => "manual",
        _ => "automatic",
    }
}

fn digest(centre: &Centre, agent: &Map<String, Json>) -> Vec<DigestAlgorithm> {
    let is_set = |value: &Json| value.as_array().is_some_and(|list| !list.is_empty());
    inherited(centre, agent, "digest", &is_set)
        .and_then(|value| Vec::deserialize(value).ok())
        .unwrap_or_else(|| vec![DigestAlgorithm::Md5])
}

fn softphones(centre: &Centre) -> Result<BTreeMap<String, Softphone>, String> {
    let mut phones = BTreeMap::new();
    for (employee_id, agent) in centre.of_kind("agent") {
        let Some(phone) = agent.get("softphone") else { continue };
        let field = |key: &str| phone.get(key).and_then(Json::as_str);
        let about = |what: &str| format!("agent {employee_id:?}: softphone: {what}");
        let number = field("number").ok_or_else(|| about("number is missing"))?;
        let Some(md5) = field("ha1_md5") else { return Err(about("has no credentials yet")) };
        let md5: [u8; 16] =
            unhex(md5).ok_or_else(|| about("ha1_md5 is not 32 hexadecimal digits"))?;
        let mut digest = digest(centre, agent);
        let sha256 = match field("ha1_sha256") {
            Some(text) => {
                unhex(text).ok_or_else(|| about("ha1_sha256 is not 64 hexadecimal digits"))?
            }
            None => {
                // Only MD5 is known: SHA-256 is not offered, and nobody can guess this.
                digest.retain(|algorithm| *algorithm == DigestAlgorithm::Md5);
                Sha256::digest([b"no SHA-256 HA1".as_slice(), &md5].concat()).into()
            }
        };
        if digest.is_empty() {
            return Err(about(
                "digest offers only SHA-256, and only an MD5 ha1 is given; add ha1_sha256",
            ));
        }
        let softphone = Softphone {
            number: number.into(),
            employee_id: employee_id.into(),
            ha1_md5: Redacted::new(md5),
            ha1_sha256: Redacted::new(sha256),
            digest,
            automatic_answer: answer_mode(centre, agent) == "automatic",
        };
        phones.insert(number.to_string(), softphone);
    }
    Ok(phones)
}

/// A fault of the routing crate with its place in the file.
pub fn located(places: &Places, fault: &hotline_routing::validate::Fault) -> Fault {
    let kind = fault.kind.as_str();
    let plain = Fault {
        file: String::new(),
        line: 0,
        object: format!("{kind} {:?}", fault.name),
        field: fault.field.to_string(),
        value: fault.value.clone(),
        allowed: fault.allowed.clone(),
    };
    places.locate(kind, &fault.name, plain)
}

/// Whether a fault of the routing crate does not stop a configuration.
pub fn is_warning(fault: &hotline_routing::validate::Fault) -> bool {
    fault.severity == hotline_routing::validate::Severity::Warning
}
