//! The parts of a flow whose written form is not that of their types.

use super::{Speech, Target};
use crate::expr::Expr;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// A list of tables of one entry each: keeps the order.
pub fn ordered<S: Serializer>(values: &[(String, Expr)], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(values.len()))?;
    for (name, expr) in values {
        list.serialize_element(&BTreeMap::from([(name, expr)]))?;
    }
    list.end()
}

/// Empty text for none.
pub fn terminator<S: Serializer>(digit: &Option<char>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&digit.map(String::from).unwrap_or_default())
}

impl Serialize for Speech {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (key, expr) = match self {
            Speech::Prompt(name) => return to.serialize_str(name),
            Speech::SilenceMs(ms) => return BTreeMap::from([("silence_ms", ms)]).serialize(to),
            Speech::Digits(expr) => ("digits", expr),
            Speech::Number(expr) => ("number", expr),
            Speech::People(expr) => ("people", expr),
            Speech::Date(expr) => ("date", expr),
            Speech::Time(expr) => ("time", expr),
            Speech::Duration(expr) => ("duration", expr),
            Speech::Amount { amount, .. } => ("amount", amount),
        };
        let mut table = to.serialize_map(None)?;
        table.serialize_entry(key, expr)?;
        if let Speech::Amount { currency, .. } = self {
            table.serialize_entry("currency", currency)?;
        }
        table.end()
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut table = to.serialize_map(None)?;
        match self {
            Target::SkillQueue(name) => table.serialize_entry("skill_queue", name)?,
            Target::Agent(employee_id) => table.serialize_entry("agent", employee_id)?,
            Target::Flow(name) => table.serialize_entry("flow", name)?,
            Target::Number { number, trunk } => {
                table.serialize_entry("number", number)?;
                table.serialize_entry("trunk", trunk)?;
            }
        }
        table.end()
    }
}
