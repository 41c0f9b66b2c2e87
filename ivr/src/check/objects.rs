//! What flows refer to: queues, agents, trunks, tones, working times, secrets, languages, flows;
//! and calls sent where their type may not go.

use super::{Access, World, quoted, some_of};
use crate::expr::template::Template;
use crate::fault::Fault;
use crate::model::{Flow, Name, Node, OUTSIDE_DIGITS_MAX, Target, Value};
use std::collections::{BTreeMap, BTreeSet};

/// References to nothing.
pub fn faults(flow: &Flow, flows: &BTreeMap<Name, Flow>, world: &World) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, language) in flow.languages.iter().enumerate() {
        let path = format!("languages.{at}");
        let known = some_of(&world.languages);
        faults.extend(unless(
            world.languages.contains(language),
            &path,
            language,
            "a language of the tenant",
            &known,
        ));
    }
    for (name, node) in &flow.node {
        let path = |key: &str| format!("node.{name}.{key}");
        match node {
            Node::Wait { tone: Some(tone), .. } => {
                let known = tone == "default" || world.tones.contains(tone);
                let names = some_of(&world.tones);
                faults.extend(unless(
                    known,
                    &path("tone"),
                    tone,
                    "\"default\" or a tone of the tenant",
                    &names,
                ));
            }
            Node::WorkingTime { working_time, .. } => {
                let (known, names) = (&world.working_times, some_of(&world.working_times));
                faults.extend(unless(
                    known.contains(working_time),
                    &path("working_time"),
                    working_time,
                    "a working time of the tenant",
                    &names,
                ));
            }
            Node::Language { language, .. } => {
                faults.extend(language_fault(flow, world, &path("language"), language.constant()));
            }
            Node::Http { headers, .. } => {
                for (header, value) in headers {
                    let template = Template::parse(value).unwrap_or_default();
                    for secret in template.secrets().filter(|name| !world.secrets.contains(*name)) {
                        let names = some_of(&world.secrets);
                        let path = path(&format!("headers.{header}"));
                        faults.extend(unless(
                            false,
                            &path,
                            secret,
                            "a secret of the tenant",
                            &names,
                        ));
                    }
                }
            }
            Node::QueueStatus { queue, .. } => {
                faults.extend(queue_fault(world, &path("queue"), queue));
            }
            Node::Subflow { flow: other, .. } => {
                faults.extend(flow_fault(flows, &path("flow"), other));
            }
            Node::Transfer { to, .. } => faults.extend(target_fault(flows, world, path, to)),
            _ => {}
        }
    }
    faults
}

fn unless(known: bool, path: &str, name: &str, what: &str, names: &str) -> Option<Fault> {
    (!known).then(|| Fault::not_allowed(path, quoted(name), format!("{what}: {names}")))
}

fn queue_fault(world: &World, path: &str, queue: &str) -> Option<Fault> {
    let names = some_of(world.queues.keys());
    unless(world.queues.contains_key(queue), path, queue, "a skill queue of the tenant", &names)
}

fn flow_fault(flows: &BTreeMap<Name, Flow>, path: &str, flow: &str) -> Option<Fault> {
    unless(flows.contains_key(flow), path, flow, "a flow of the tenant", &some_of(flows.keys()))
}

fn language_fault(
    flow: &Flow,
    world: &World,
    path: &str,
    constant: Option<&Value>,
) -> Option<Fault> {
    let Some(Value::Text(language)) = constant else { return None };
    let known = flow.languages.contains(language)
        || (flow.languages.is_empty() && *language == world.default_language);
    let spoken = if flow.languages.is_empty() {
        world.default_language.clone()
    } else {
        some_of(&flow.languages)
    };
    unless(known, path, language, "a language of this flow", &spoken)
}

fn target_fault(
    flows: &BTreeMap<Name, Flow>,
    world: &World,
    path: impl Fn(&str) -> String,
    to: &Target,
) -> Option<Fault> {
    match to {
        Target::SkillQueue(queue) => queue_fault(world, &path("to.skill_queue"), queue),
        Target::Flow(other) => flow_fault(flows, &path("to.flow"), other),
        Target::Number { number, trunk } => {
            let Some(prefixes) = world.trunks.get(trunk) else {
                let what = "a trunk of the tenant that takes calls (with a target)";
                let names = some_of(world.trunks.keys());
                return unless(false, &path("to.trunk"), trunk, what, &names);
            };
            let Some(Value::Text(number)) = number.constant() else { return None };
            if world.emergency_numbers.contains(number) {
                return None;
            }
            number_fault(&path("to.number"), number, trunk, prefixes)
        }
        Target::Agent(expr) => {
            let Some(Value::Text(id)) = expr.constant() else { return None };
            let names = some_of(world.agents.keys());
            let known = world.agents.contains_key(id);
            unless(known, &path("to.agent"), id, "the employee ID of an agent", &names)
        }
    }
}

/// A number that a trunk does not call.
fn number_fault(path: &str, number: &str, trunk: &str, prefixes: &[String]) -> Option<Fault> {
    fn without_plus(number: &str) -> &str {
        number.strip_prefix('+').unwrap_or(number)
    }
    let digits = without_plus(number);
    let is_number = (1..=OUTSIDE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        let allowed = format!("1–{OUTSIDE_DIGITS_MAX} digits, with or without + before them");
        return Some(Fault::not_allowed(path, quoted(number), allowed));
    }
    let may_be_called = prefixes.iter().any(|prefix| digits.starts_with(without_plus(prefix)));
    (!may_be_called).then(|| {
        let what = format!("a number that the outside_prefixes of trunk \"{trunk}\" allow");
        Fault::not_allowed(path, quoted(number), format!("{what}: {}", some_of(prefixes)))
    })
}

/// Transfers of calls to queues and agents that may not get calls of their type.
pub fn media_faults(flows: &BTreeMap<Name, Flow>, world: &World) -> Vec<Fault> {
    let reached = reached_by(flows, world);
    let mut faults = Vec::new();
    for (name, flow) in flows {
        let types = reached.get(name.as_str());
        for (node_name, node) in &flow.node {
            let Node::Transfer { to, .. } = node else { continue };
            let refused = types.into_iter().flatten().find_map(|access| {
                let refused = refusal(world, to, *access)?;
                Some((*access, refused))
            });
            if let Some((access, (key, type_of_target))) = refused {
                let what = format!(
                    "calls of type {} come here, which {type_of_target} may not get",
                    access.name()
                );
                faults.push(Fault::wrong(&format!("node.{node_name}.{key}"), what).in_flow(name));
            }
        }
    }
    faults
}

fn refusal(world: &World, to: &Target, access: Access) -> Option<(&'static str, String)> {
    match to {
        Target::SkillQueue(queue) => {
            let kind = world.queues.get(queue).filter(|kind| !access.may_reach(**kind))?;
            Some(("to.skill_queue", format!("a queue of type {}", kind.name())))
        }
        Target::Agent(expr) => {
            let Some(Value::Text(id)) = expr.constant() else { return None };
            let kind = world.agents.get(id).filter(|kind| !access.served_by(**kind))?;
            Some(("to.agent", format!("an agent of type {}", kind.name())))
        }
        _ => None,
    }
}

/// The types of calls in each flow: those that come from outside, and those sent on from others.
fn reached_by<'a>(
    flows: &'a BTreeMap<Name, Flow>,
    world: &World,
) -> BTreeMap<&'a str, BTreeSet<Access>> {
    let mut reached: BTreeMap<&str, BTreeSet<Access>> = BTreeMap::new();
    let from_outside = |name: &&Name| world.reached_by.contains_key(*name);
    let sent_on = sent_on_to(flows);
    let alone = |name: &&Name| !from_outside(name) && !sent_on.contains(name.as_str());
    let mut open: Vec<(&str, Access)> = Vec::new();
    for name in flows.keys() {
        let outside = world.reached_by.get(name).into_iter().flatten();
        open.extend(outside.map(|access| (name.as_str(), *access)));
        if alone(&name) {
            open.push((name, Access::Voice));
        }
    }
    while let Some((name, access)) = open.pop() {
        let Some((name, flow)) = flows.get_key_value(name) else { continue };
        if reached.entry(name).or_default().insert(access) {
            open.extend(others(flow).map(|other| (other.as_str(), access)));
        }
    }
    reached
}

fn sent_on_to(flows: &BTreeMap<Name, Flow>) -> BTreeSet<&str> {
    flows.values().flat_map(others).map(String::as_str).collect()
}

/// The flows a flow sends calls to, or runs.
fn others(flow: &Flow) -> impl Iterator<Item = &Name> {
    flow.node.values().filter_map(|node| match node {
        Node::Subflow { flow, .. } => Some(flow),
        Node::Transfer { to: Target::Flow(flow), .. } => Some(flow),
        _ => None,
    })
}
