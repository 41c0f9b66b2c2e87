//! What is wrong with a configuration, as data: object, field, value, what is allowed.
//!
//! Owns: ranges, uniqueness, references, type rules, and chains of overflow that return. Does not
//! own: syntax of files, prompts, secrets, overlaps with numbers that routing does not know.

use crate::config::{
    AccessCodeType, Agent, AgentType, CalledRoute, Config, Destination, HoldMethod, Limits, Policy,
    QueueType, SkillQueue, WaitMethod,
};
use crate::limits::{EMPLOYEE_ID_DIGITS_MAX, PRIORITY_MAX};
use crate::route::is_extension_code;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One thing wrong, of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Whether the configuration can be used in spite of it.
    pub severity: Severity,
    /// Kind of object, by its key: `skill_queue`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Field, by its key: `wrap_up_s`.
    pub field: String,
    /// The value found.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be reported; works.
    Warning,
    /// Refused; nothing is applied.
    Error,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { kind, name, field, value, allowed, .. } = self;
        write!(f, "{kind} \"{name}\": {field} = {value}; allowed {allowed}")
    }
}

impl Config {
    /// All that is wrong, errors and warnings; empty when nothing is.
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Faults::default();
        self.check_settings(&mut faults);
        let names = Names::of(self);
        self.check_unique(&mut faults);
        self.queues.iter().for_each(|queue| self.check_queue(queue, &names, &mut faults));
        self.agents.iter().for_each(|agent| check_agent(agent, &names, &mut faults));
        for code in &self.access_codes {
            let digits = code.code.bytes().all(|b| b.is_ascii_digit());
            if !digits || !(1..=20).contains(&code.code.len()) {
                faults.of("access_code", &code.code).error("code", &code.code, "1–20 digits");
            }
            names.check_language(&code.language, &mut faults.of("access_code", &code.code));
        }
        self.called_routes.iter().for_each(|route| check_route(route, &names, &mut faults));
        self.check_prefixes(&mut faults);
        self.check_chains(&names, &mut faults);
        faults.found
    }

    fn check_settings(&self, faults: &mut Faults) {
        let settings = &self.settings;
        let mut of = faults.of("tenant", "");
        of.range("skill_queues_max", settings.skill_queues_max, 1, 5000, "");
        of.range("no_answer_limit", settings.no_answer_limit.into(), 1, 100, "");
        of.range("rejection_pause_s", settings.rejection_pause_s, 0, 3600, " (seconds)");
        of.range("hop_limit", settings.hop_limit.into(), 1, 100, "");
        of.range("priority_raise_s", settings.priority_raise_s, 0, 3600, " (seconds)");
        let queues = self.queues.len();
        if queues > settings.skill_queues_max as usize {
            of.bare("skill_queues", queues, format!("at most {}", settings.skill_queues_max));
        }
    }

    fn check_unique(&self, faults: &mut Faults) {
        let mut twice = |kind: &str, field: &str, names: &mut dyn Iterator<Item = String>| {
            let mut seen = BTreeSet::new();
            for name in names {
                if !seen.insert(name.clone()) {
                    faults.of(kind, &name).error(field, &name, "each once in the tenant");
                }
            }
        };
        twice("skill_queue", "name", &mut self.queues.iter().map(|queue| queue.name.clone()));
        twice("agent", "employee_id", &mut self.agents.iter().map(|a| a.employee_id.clone()));
        twice("access_code", "code", &mut self.access_codes.iter().map(|c| c.code.clone()));
        twice("called_route", "extension_code", &mut self.called_routes.iter().map(route_name));
    }

    fn check_queue(&self, queue: &SkillQueue, names: &Names<'_>, faults: &mut Faults) {
        let mut of = faults.of("skill_queue", &queue.name);
        let (name, description) = (queue.name.chars().count(), queue.description.chars().count());
        let bare = |c: char| !c.is_whitespace();
        match self.settings.limits {
            Limits::Classic => {
                if !(1..=20).contains(&name) || !queue.name.chars().all(bare) {
                    of.error("name", &queue.name, "1–20 characters without white space");
                }
                if !(1..=50).contains(&description) {
                    of.error("description", &queue.description, "1–50 characters");
                }
            }
            Limits::Extended => {
                let special = "`~!#$%^*()+=|{}':;,<>/?\"\\";
                let plain = |c: char| bare(c) && !c.is_control() && !special.contains(c);
                if !(1..=100).contains(&name) || !queue.name.chars().all(plain) {
                    let allowed = format!(
                        "1–100 characters without white space, control characters and {special}"
                    );
                    of.error("name", &queue.name, allowed);
                }
                if description > 255 {
                    of.error("description", &queue.description, "0–255 characters");
                }
            }
        }
        let s = " (seconds)";
        of.range("max_waiting_time_s", queue.max_waiting_time_s, 1, 60_000, s);
        of.range("max_calls_in_queue", queue.max_calls_in_queue, 1, 10_000, "");
        of.range("wrap_up_s", queue.wrap_up_s, 0, 3600, s);
        of.range("offer_time_s", queue.offer_time_s, 1, 120, s);
        of.range("mobile_offer_time_s", queue.mobile_offer_time_s, 1, 120, s);
        of.range("weight", queue.weight, 0, 1000, "");
        of.range("service_level_s", queue.service_level_s, 1, 3600, s);
        of.range("short_abandon_s", queue.short_abandon_s, 0, 3600, s);
        if queue.announce_every_s != 0 {
            of.range(
                "announce_every_s",
                queue.announce_every_s,
                5,
                3600,
                " (seconds), or 0: never",
            );
        }
        if !queue.distribution.is_implemented() {
            let allowed = "longest_idle, most_skilled, round_robin, linear";
            of.error("distribution", &key_of(&format!("{:?}", queue.distribution)), allowed);
        }
        for (field, policy) in policies(queue) {
            check_policy(queue, field, policy, names, &mut of);
        }
        check_methods(queue, names, &mut of);
    }

    fn check_prefixes(&self, faults: &mut Faults) {
        for rule in &self.number_rules.prefixes {
            let dialable = |text: &str| {
                let digits = text.strip_prefix('+').unwrap_or(text);
                digits.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#')
            };
            let mut of = faults.of("number_rule", &rule.prefix);
            if rule.prefix.is_empty() || !dialable(&rule.prefix) {
                of.error("prefix", &rule.prefix, "+ and 0-9 * #, not empty");
            }
            if !dialable(&rule.replace) {
                of.error("replace", &rule.replace, "+ and 0-9 * #");
            }
        }
    }

    /// Where the policies of a queue, and the flow that runs while callers wait, may bring a caller:
    /// the key, what it names, the queue. Of a flow: the queues that it transfers to.
    fn onward<'a>(
        &'a self,
        queue: &'a SkillQueue,
        names: &Names<'a>,
    ) -> Vec<(&'static str, &'a str, &'a SkillQueue)> {
        let mut onward = Vec::new();
        let by_flow = |name| self.flow_queues.get(name).map_or(&[][..], Vec::as_slice);
        let waiting = match &queue.waiting {
            WaitMethod::Flow(name) => Some(("waiting", name, by_flow(name))),
            WaitMethod::Default | WaitMethod::Tone(_) => None,
        };
        let policies = policies(queue).into_iter().filter_map(|(field, policy)| match policy {
            Policy::Release { .. } => None,
            Policy::SkillQueue(name) => Some((field, name, std::slice::from_ref(name))),
            Policy::Flow(name) => Some((field, name, by_flow(name))),
        });
        for (field, name, queues) in policies.chain(waiting) {
            let known = queues.iter().filter_map(|queue| names.queues.get(queue.as_str()).copied());
            onward.extend(known.map(|queue| (field, name.as_str(), queue)));
        }
        onward
    }

    /// Chains of overflow that return: reported, since the hop limit ends them at run time.
    fn check_chains<'a>(&'a self, names: &Names<'a>, faults: &mut Faults) {
        // Each queue once: 0 not seen, 1 on the path, 2 done.
        let mut marks: BTreeMap<&str, u8> = BTreeMap::new();
        for start in &self.queues {
            let mut path: Vec<(&SkillQueue, usize)> = vec![(start, 0)];
            if marks.get(start.name.as_str()).copied().unwrap_or(0) != 0 {
                continue;
            }
            marks.insert(&start.name, 1);
            while let Some((queue, edge)) = path.last_mut() {
                let Some((field, to, next)) = self.onward(queue, names).into_iter().nth(*edge)
                else {
                    marks.insert(&queue.name, 2);
                    path.pop();
                    continue;
                };
                *edge += 1;
                match marks.get(next.name.as_str()).copied().unwrap_or(0) {
                    0 => {
                        marks.insert(&next.name, 1);
                        path.push((next, 0));
                    }
                    1 => {
                        let name = queue.name.clone();
                        let allowed = "a chain of overflow that does not return";
                        faults.of("skill_queue", &name).warning(field, to, allowed);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn policies(queue: &SkillQueue) -> [(&'static str, &Policy); 3] {
    [
        ("on_timeout", &queue.on_timeout),
        ("on_busy", &queue.on_busy),
        ("on_no_agents", &queue.on_no_agents),
    ]
}

fn check_policy(
    queue: &SkillQueue,
    field: &str,
    policy: &Policy,
    names: &Names<'_>,
    of: &mut Of<'_>,
) {
    match policy {
        Policy::Release { .. } => {}
        Policy::SkillQueue(name) => match names.queues.get(name.as_str()) {
            None => of.error(field, name, "the name of a skill queue"),
            Some(to) if to.kind != queue.kind => {
                let kind = key_of(&format!("{:?}", queue.kind));
                of.error(field, name, format!("a skill queue of type {kind}"));
            }
            Some(to) if to.name == queue.name => of.error(field, name, "another skill queue"),
            Some(to) if to.draft && !queue.draft => {
                of.warning(
                    field,
                    name,
                    "a skill queue that is no draft; only test callers get there",
                );
            }
            Some(_) => {}
        },
        Policy::Flow(name) if queue.kind == QueueType::Multimedia => {
            of.error(field, name, "release or a multimedia skill queue");
        }
        Policy::Flow(name) => names.check_flow(field, name, of),
    }
}

/// Tones, waiting flows and the employee ID exist for voice and video queues.
fn check_methods(queue: &SkillQueue, names: &Names<'_>, of: &mut Of<'_>) {
    let audible = matches!(queue.kind, QueueType::Voice | QueueType::Video);
    if let WaitMethod::Flow(name) = &queue.waiting {
        names.check_flow("waiting", name, of);
    }
    if audible {
        return;
    }
    if let WaitMethod::Tone(name) | WaitMethod::Flow(name) = &queue.waiting {
        of.error("waiting", name, "default; tones and flows are for voice and video queues");
    }
    if let HoldMethod::Tone(name) = &queue.hold {
        of.error("hold", name, "default; tones are for voice and video queues");
    }
    if queue.announce_every_s != 0 {
        let allowed = "0; announcements are for voice and video queues";
        of.error("announce_every_s", &queue.announce_every_s.to_string(), allowed);
    }
    if queue.announce_on_answer != crate::config::AnnounceOnAnswer::Nothing {
        of.error("announce_on_answer", "employee_id", "nothing; else for voice and video queues");
    }
}

fn check_agent(agent: &Agent, names: &Names<'_>, faults: &mut Faults) {
    let mut of = faults.of("agent", &agent.employee_id);
    let id = &agent.employee_id;
    let fits = (1..=EMPLOYEE_ID_DIGITS_MAX).contains(&id.len());
    if !fits || !id.bytes().all(|b| b.is_ascii_digit()) {
        let allowed = format!("1–{EMPLOYEE_ID_DIGITS_MAX} characters of 0123456789");
        of.error("employee_id", id, allowed);
    }
    if agent.skill_queues.is_empty() {
        of.bare("skill_queues", "[]", "one or many");
    }
    let mut seen = BTreeSet::new();
    for skill in &agent.skill_queues {
        of.range("skill_queues.level", skill.level.into(), 1, 10, " (1 best)");
        if !seen.insert(skill.queue.as_str()) {
            of.error("skill_queues", &skill.queue, "each queue once");
        }
        match names.queues.get(skill.queue.as_str()) {
            None => of.error("skill_queues", &skill.queue, "the name of a skill queue"),
            Some(queue) if !serves(agent.kind, queue.kind) => {
                let kind = key_of(&format!("{:?}", agent.kind));
                of.error("skill_queues", &skill.queue, format!("queues for agents of type {kind}"));
            }
            Some(_) => {}
        }
    }
}

fn serves(agent: AgentType, queue: QueueType) -> bool {
    match agent {
        AgentType::Versatile => true,
        AgentType::Audio => matches!(queue, QueueType::Voice | QueueType::VoiceClickToDial),
        AgentType::Video => matches!(queue, QueueType::Video | QueueType::VideoClickToDial),
        AgentType::Multimedia => queue == QueueType::Multimedia,
    }
}

fn reaches(code: AccessCodeType, queue: QueueType) -> bool {
    match code {
        AccessCodeType::Voice => queue == QueueType::Voice,
        AccessCodeType::Video => matches!(queue, QueueType::Video | QueueType::Voice),
        AccessCodeType::Multimedia => queue == QueueType::Multimedia,
        AccessCodeType::ClickToDial => {
            matches!(queue, QueueType::VoiceClickToDial | QueueType::VideoClickToDial)
        }
    }
}

fn route_name(route: &CalledRoute) -> String {
    match &route.extension_code {
        Some(extension) => format!("{}/{extension}", route.access_code),
        None => route.access_code.clone(),
    }
}

fn check_route(route: &CalledRoute, names: &Names<'_>, faults: &mut Faults) {
    let mut of = faults.of("called_route", &route_name(route));
    let code = names.codes.get(route.access_code.as_str());
    if code.is_none() {
        of.error("access_code", &route.access_code, "an access code of the tenant");
    }
    if let Some(extension) = route.extension_code.as_deref().filter(|e| !is_extension_code(e)) {
        of.error("extension_code", extension, "1–12 of 0-9 * #");
    }
    of.range("priority", route.priority.into(), 0, PRIORITY_MAX.into(), "");
    names.check_language(&route.language, &mut of);
    check_destination(route, &route.destination, "", names, &mut of);
    if let Some(destination) = &route.out_of_hours {
        check_destination(route, destination, "out_of_hours.", names, &mut of);
    }
    match &route.working_time {
        Some(name) if !names.working_times.contains(name.as_str()) => {
            of.error("working_time", name, "the name of a working time");
        }
        Some(_) => {}
        None if route.out_of_hours.is_some() => {
            of.warning(
                "out_of_hours",
                "set",
                "nothing without working_time: the route is always open",
            );
        }
        None => {}
    }
}

/// Where a route leads, within its working time or outside it: `under` is what the keys follow.
fn check_destination(
    route: &CalledRoute,
    destination: &Destination,
    under: &str,
    names: &Names<'_>,
    of: &mut Of<'_>,
) {
    let code = names.codes.get(route.access_code.as_str());
    let field = |key: &str| format!("{under}{key}");
    match destination {
        Destination::SkillQueue(name) => match (names.queues.get(name.as_str()), code) {
            (None, _) => of.error(&field("skill_queue"), name, "the name of a skill queue"),
            (Some(queue), Some(code)) if !reaches(*code, queue.kind) => {
                let kind = key_of(&format!("{code:?}"));
                let allowed = format!("queues that {kind} access codes may reach");
                of.error(&field("skill_queue"), name, allowed);
            }
            (Some(queue), _) if queue.draft && !route.draft => {
                let allowed = "a skill queue that is no draft; only test callers get there";
                of.warning(&field("skill_queue"), name, allowed);
            }
            _ => {}
        },
        Destination::Flow(name) => names.check_flow(&field("flow"), name, of),
        Destination::Agent(id) if !names.agents.contains(id.as_str()) => {
            of.error(&field("agent"), id, "the employee ID of an agent");
        }
        Destination::Agent(_) => {}
    }
}

/// `LongestIdle` as the key `longest_idle`.
fn key_of(variant: &str) -> String {
    let mut key = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !key.is_empty() {
            key.push('_');
        }
        key.extend(c.to_lowercase());
    }
    key
}

/// What can be referred to.
struct Names<'a> {
    queues: BTreeMap<&'a str, &'a SkillQueue>,
    agents: BTreeSet<&'a str>,
    codes: BTreeMap<&'a str, AccessCodeType>,
    flows: BTreeSet<&'a str>,
    working_times: BTreeSet<&'a str>,
    languages: &'a [String],
}

impl<'a> Names<'a> {
    fn of(config: &'a Config) -> Names<'a> {
        Names {
            queues: config.queues.iter().map(|queue| (queue.name.as_str(), queue)).collect(),
            agents: config.agents.iter().map(|agent| agent.employee_id.as_str()).collect(),
            codes: config.access_codes.iter().map(|c| (c.code.as_str(), c.kind)).collect(),
            flows: config.flows.iter().map(String::as_str).collect(),
            working_times: config.working_times.iter().map(String::as_str).collect(),
            languages: &config.languages,
        }
    }

    fn check_flow(&self, field: &str, name: &str, of: &mut Of<'_>) {
        if !self.flows.contains(name) {
            of.error(field, name, "the name of a published flow");
        }
    }
}

impl Names<'_> {
    fn check_language(&self, language: &Option<String>, of: &mut Of<'_>) {
        let unknown = language.as_ref().filter(|language| !self.languages.contains(language));
        if let Some(language) = unknown.filter(|_| !self.languages.is_empty()) {
            let allowed = format!("a language of the tenant: {}", self.languages.join(", "));
            of.error("language", language, allowed);
        }
    }
}

#[derive(Default)]
struct Faults {
    found: Vec<Fault>,
}

struct Of<'a> {
    faults: &'a mut Faults,
    kind: String,
    name: String,
}

impl Faults {
    fn of(&mut self, kind: &str, name: &str) -> Of<'_> {
        Of { faults: self, kind: kind.into(), name: name.into() }
    }
}

impl Of<'_> {
    /// A text that is wrong, shown as it is written in a file.
    fn error(&mut self, field: &str, value: &str, allowed: impl Into<String>) {
        self.fault(Severity::Error, field, format!("\"{value}\""), allowed.into());
    }

    /// A value that is wrong and no text.
    fn bare(&mut self, field: &str, value: impl fmt::Display, allowed: impl Into<String>) {
        self.fault(Severity::Error, field, value.to_string(), allowed.into());
    }

    fn warning(&mut self, field: &str, value: &str, allowed: impl Into<String>) {
        self.fault(Severity::Warning, field, format!("\"{value}\""), allowed.into());
    }

    fn range(&mut self, field: &str, value: u32, least: u32, most: u32, unit: &str) {
        if !(least..=most).contains(&value) {
            self.bare(field, value, format!("{least}–{most}{unit}"));
        }
    }

    fn fault(&mut self, severity: Severity, field: &str, value: String, allowed: String) {
        let (kind, name, field) = (self.kind.clone(), self.name.clone(), field.into());
        self.faults.found.push(Fault { severity, kind, name, field, value, allowed });
    }
}

#[cfg(test)]
mod tests;
