//! From a document (TOML or JSON, as a [`serde_json::Value`]) to a [`Flow`], with exact faults.
//!
//! Owns: keys, types, ranges, defaults. Does not own: what is wrong between nodes
//! ([`crate::check`]).
//!
//! All faults of a document are found at once. Nothing unknown is passed over in silence.

mod node;
mod speech;
mod table;
#[cfg(test)]
mod tests;

pub use node::HEADERS_OF_CONNECTION;

use crate::fault::Fault;
use crate::model::{Flow, Name, Type, Value, Variable};
use hotline_base::calendar::TimeZone;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use table::{A_NAME, At, Faults, Table, is_name, is_variable};

/// Most nodes of a flow.
pub const NODES_MAX: usize = 1_000;
/// Most variables of a flow.
pub const VARIABLES_MAX: usize = 100;
/// Most languages of a flow.
pub const LANGUAGES_MAX: usize = 32;
/// Longest initial text of a variable, in characters.
const TEXT_MAX: usize = crate::expr::TEXT_MAX;

/// Whether a text can name a flow.
pub fn is_flow_name(text: &str) -> bool {
    is_name(text)
}

/// Reads a flow.
pub fn flow(document: &Json) -> Result<Flow, Vec<Fault>> {
    let faults = Faults::default();
    let flow = read(&At::new(document, &faults));
    let faults = faults.into_inner();
    if faults.is_empty() { Ok(flow) } else { Err(faults) }
}

fn read(at: &At<'_>) -> Flow {
    let mut table = at.table();
    let flow = Flow {
        description: table.text_or("description", 0..=255, ""),
        languages: languages(&mut table),
        start: table.edge("start"),
        variables: variables(&mut table),
        parameters: names(&mut table, "parameters"),
        results: names(&mut table, "results"),
        on_hang_up: table.name_if("on_hang_up"),
        on_fault: table.name_if("on_fault"),
        node: nodes(&mut table),
    };
    table.finish();
    flow
}

fn languages(table: &mut Table<'_>) -> Vec<String> {
    let items = table.take("languages").map(|at| at.items(LANGUAGES_MAX)).unwrap_or_default();
    items.iter().map(|at| at.text_that(is_language, LANGUAGE)).collect()
}

const LANGUAGE: &str = "a language tag as in en or zh-CN";

fn is_language(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (2..=16).contains(&text.len()) && text.bytes().all(part)
}

fn names(table: &mut Table<'_>, key: &'static str) -> Vec<Name> {
    let items = table.take(key).map(|at| at.items(VARIABLES_MAX)).unwrap_or_default();
    items.iter().map(At::name).collect()
}

fn nodes(table: &mut Table<'_>) -> BTreeMap<Name, crate::model::Node> {
    let mut nodes = BTreeMap::new();
    let at = table.must("node", "at least one [node.NAME]");
    for (name, at) in at.map(|at| at.entries(NODES_MAX)).unwrap_or_default() {
        if !is_name(name) {
            at.wrong(format!("\"{name}\" cannot name a node; allowed {A_NAME}"));
        }
        if let Some(node) = node::node(&at) {
            nodes.insert(name.clone(), node);
        }
    }
    nodes
}

fn variables(table: &mut Table<'_>) -> BTreeMap<Name, Variable> {
    let mut variables = BTreeMap::new();
    let entries = table.take("variables").map(|at| at.entries(VARIABLES_MAX)).unwrap_or_default();
    for (name, at) in entries {
        if !is_variable(name) {
            at.wrong(format!(
                "\"{name}\" cannot name a variable; allowed {A_NAME}, no word of expressions"
            ));
        }
        variables.insert(name.clone(), variable(&at));
    }
    variables
}

const TYPES: &str = "text, number, flag, time";

fn variable(at: &At<'_>) -> Variable {
    if at.value.is_string() {
        return Variable { kind: kind(at), value: None, secret: false };
    }
    let mut table = at.table();
    let kind = table.must("type", TYPES).map(|at| kind(&at));
    let value = table.take("value").zip(kind).and_then(|(at, kind)| value(&at, kind));
    let secret = table.flag("secret", false);
    table.finish();
    Variable { kind: kind.unwrap_or(Type::Text), value, secret }
}

fn kind(at: &At<'_>) -> Type {
    match at.value.as_str() {
        Some("text") => Type::Text,
        Some("number") => Type::Number,
        Some("flag") => Type::Flag,
        Some("time") => Type::Time,
        _ => {
            at.refuse(TYPES);
            Type::Text
        }
    }
}

fn value(at: &At<'_>, kind: Type) -> Option<Value> {
    let (value, allowed) = match kind {
        Type::Text => {
            let text = at.value.as_str().filter(|text| text.chars().count() <= TEXT_MAX);
            (text.map(|text| Value::Text(text.into())), "text of 0–1024 characters")
        }
        Type::Number => (at.value.as_i64().map(Value::Number), "a whole number"),
        Type::Flag => (at.value.as_bool().map(Value::Flag), "true or false"),
        Type::Time => {
            let ms = at.value.as_i64().or_else(|| time_ms(at.value.as_str()?));
            (ms.map(Value::Time), "a time as in 2026-12-24T18:30:00Z or 2026-12-24T18:30:00+01:00")
        }
    };
    if value.is_none() {
        at.refuse(allowed);
    }
    value
}

/// RFC 3339 with an offset, without fractions of a second.
fn time_ms(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let sign = |at: usize, of: &[u8]| text.as_bytes().get(at).is_some_and(|byte| of.contains(byte));
    let whole =
        sign(4, b"-") && sign(7, b"-") && sign(10, b"Tt ") && sign(13, b":") && sign(16, b":");
    let offset_s = match text.get(19..)? {
        "Z" | "z" => 0,
        offset if offset.len() == 6 && sign(22, b":") => {
            let seconds = number(20, 22)? * 3_600 + number(23, 25)? * 60;
            if sign(19, b"-") {
                -seconds
            } else if sign(19, b"+") {
                seconds
            } else {
                return None;
            }
        }
        _ => return None,
    };
    let small = |number: i64| u8::try_from(number).ok();
    let minute = TimeZone::utc().instant(
        i16::try_from(number(0, 4)?).ok()?,
        small(number(5, 7)?)?,
        small(number(8, 10)?)?,
        small(number(11, 13)?)?,
        small(number(14, 16)?)?,
    )?;
    let seconds = number(17, 19).filter(|seconds| *seconds < 60)?;
    whole.then(|| (minute.as_s() + seconds - offset_s) * 1_000)
}
