//! Names and types: expressions of the right type over variables that exist, and secrets that stay
//! secret.
//!
//! A value computed from a secret is a secret, unless it is a flag: whether a PIN has four digits
//! may be known.

use super::uses::{Sink, Use, uses};
use super::{quoted, some_of};
use crate::expr::type_name;
use crate::fault::Fault;
use crate::model::{Flow, Name, Node, Type};

/// What is wrong with a flow's names and types.
pub fn faults(flow: &Flow) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (list, names) in [("parameters", &flow.parameters), ("results", &flow.results)] {
        for (at, name) in names.iter().enumerate() {
            if !flow.variables.contains_key(name) {
                faults.push(no_variable(flow, &format!("{list}.{at}"), name));
            }
        }
    }
    for (name, node) in &flow.node {
        for written in targets(node) {
            faults.extend(target(flow, &format!("node.{name}.{}", written.key), &written));
        }
        for used in uses(flow, node) {
            let path = format!("node.{name}.{}", used.key);
            faults.extend(type_fault(flow, &path, &used));
            faults.extend(secret_fault(flow, &path, &used));
        }
    }
    faults
}

/// A variable that a node writes.
struct Written<'a> {
    key: String,
    variable: &'a Name,
    holds: Option<Type>,
}

fn targets(node: &Node) -> Vec<Written<'_>> {
    let written = |key: &str, variable, holds| Written { key: key.to_owned(), variable, holds };
    match node {
        Node::Collect { into, .. } => vec![written("into", into, Some(Type::Text))],
        Node::Set { values, .. } => values
            .iter()
            .map(|(variable, _)| written(&format!("values.{variable}"), variable, None))
            .collect(),
        Node::Http { into, .. } => into
            .keys()
            .map(|variable| written(&format!("into.{variable}"), variable, None))
            .collect(),
        Node::Subflow { into, .. } => into
            .keys()
            .map(|variable| written(&format!("into.{variable}"), variable, None))
            .collect(),
        Node::QueueStatus { waiting, agents, idle, .. } => {
            [("waiting", waiting), ("agents", agents), ("idle", idle)]
                .into_iter()
                .filter_map(|(key, variable)| {
                    Some(written(key, variable.as_ref()?, Some(Type::Number)))
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn target(flow: &Flow, path: &str, written: &Written<'_>) -> Option<Fault> {
    let Some(variable) = flow.variables.get(written.variable) else {
        return Some(no_variable(flow, path, written.variable));
    };
    let holds = written.holds.filter(|holds| *holds != variable.kind)?;
    let allowed = format!(
        "a variable of type {}; this one is of type {}",
        type_name(holds),
        type_name(variable.kind)
    );
    Some(Fault::not_allowed(path, quoted(written.variable), allowed))
}

fn no_variable(flow: &Flow, path: &str, name: &str) -> Fault {
    let allowed = format!("a variable of this flow: {}", some_of(flow.variables.keys()));
    Fault::not_allowed(path, quoted(name), allowed)
}

fn type_fault(flow: &Flow, path: &str, used: &Use<'_>) -> Option<Fault> {
    let source = quoted(used.expr.source());
    let wanted = used.wants.map_or(String::new(), |kind| format!(" of type {}", type_name(kind)));
    match type_of(flow, used) {
        Err(fault) => {
            Some(Fault::not_allowed(path, source, format!("an expression{wanted}; {fault}")))
        }
        Ok(kind) if used.wants.is_some_and(|wants| wants != kind) => {
            let allowed = format!("an expression{wanted}; this one is of type {}", type_name(kind));
            Some(Fault::not_allowed(path, source, allowed))
        }
        Ok(_) => None,
    }
}

fn type_of(flow: &Flow, used: &Use<'_>) -> Result<Type, crate::expr::TypeFault> {
    used.expr.kind(&|name| flow.variables.get(name).map(|variable| variable.kind))
}

fn is_secret(flow: &Flow, name: &str) -> bool {
    flow.variables.get(name).is_some_and(|variable| variable.secret)
}

/// The secret variable that a value gives away.
pub fn secret_in<'a>(flow: &Flow, used: &'a Use<'_>) -> Option<&'a str> {
    let secret = used.expr.names().find(|name| is_secret(flow, name))?;
    (type_of(flow, used) != Ok(Type::Flag)).then_some(secret)
}

fn secret_fault(flow: &Flow, path: &str, used: &Use<'_>) -> Option<Fault> {
    let secret = secret_in(flow, used)?;
    let why = match used.sink {
        Sink::Decision | Sink::Request | Sink::Parameter(..) => return None,
        Sink::Variable(name) if is_secret(flow, name) => return None,
        Sink::Variable(name) => format!("variable \"{name}\" is not secret and would be logged"),
        Sink::Seen(why) => why.to_owned(),
    };
    Some(Fault::wrong(path, format!("\"{secret}\" is secret, but {why}")))
}
