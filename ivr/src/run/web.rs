//! HTTP nodes: the request from expressions, the answer into variables.
//!
//! Owns: percent-encoding (RFC 3986 §2), JSON bodies, JSON pointers (RFC 6901), the types of what
//! comes back. Does not own: performing a request, and whether its host may be asked (the shell).
//!
//! A value never reaches where it could mean something else: in an address it is percent-encoded, in
//! a header it has no control characters and cannot name a secret.

use super::fault::Fault;
use super::io::{Done, Effect, HttpRequest};
use super::{Next, Run};
use crate::expr::template::{Part, Template};
use crate::expr::{TEXT_MAX, text_of};
use crate::model::{Name, Node, Type, Value};
use crate::program::Step;
use hotline_base::{Now, Redacted};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Longest address or header value, in bytes.
pub const REQUEST_PART_MAX: usize = 8_192;
const SECRET_OPENS: &str = "{secret:";

impl Run {
    pub(super) fn request(&mut self, now: Now, step: &Step) -> Result<Next, Fault> {
        let Node::Http { method, body, timeout_ms, retries, .. } = &step.node else {
            return Ok(Next::Stay);
        };
        let headers = step
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), Redacted::new(self.header(now, value)?))));
        let request = HttpRequest {
            method: method.clone(),
            url: Redacted::new(self.address(now, &step.url)?),
            headers: headers.collect::<Result<_, Fault>>()?,
            body: if body.is_empty() {
                None
            } else {
                let mut fields = Map::new();
                for (field, expr) in body {
                    fields.insert(field.clone(), self.json(self.eval(now, expr)?));
                }
                Some(Redacted::new(Json::Object(fields).to_string()))
            },
            // What is not idempotent (RFC 9110 §9.2.2) is asked for once.
            retries: if matches!(method.as_str(), "GET" | "PUT" | "DELETE") { *retries } else { 0 },
        };
        let within = Duration::from_millis((*timeout_ms).into());
        self.effect(now, Effect::Http(request), within)
    }

    fn address(&self, now: Now, url: &Template) -> Result<String, Fault> {
        let mut address = String::new();
        for part in &url.parts {
            match part {
                Part::Text(text) => address.push_str(text),
                Part::Expr(expr) => encode(&self.eval_text(now, expr)?, &mut address),
                Part::Secret(_) => return Err(Fault::Request),
            }
        }
        let fits = address.len() <= REQUEST_PART_MAX && !address.contains(char::is_control);
        if fits { Ok(address) } else { Err(Fault::Request) }
    }

    fn header(&self, now: Now, value: &Template) -> Result<String, Fault> {
        let mut header = String::new();
        for part in &value.parts {
            match part {
                Part::Text(text) => header.push_str(text),
                Part::Expr(expr) => header.push_str(&self.eval_text(now, expr)?),
                Part::Secret(name) => {
                    let _ = write!(header, "{SECRET_OPENS}{name}}}");
                }
            }
        }
        let secrets = header.matches(SECRET_OPENS).count();
        let fits = header.len() <= REQUEST_PART_MAX
            && !header.contains(char::is_control)
            && secrets == value.secrets().count();
        if fits { Ok(header) } else { Err(Fault::Request) }
    }

    fn json(&self, value: Value) -> Json {
        match value {
            Value::Text(text) => Json::String(text),
            Value::Number(number) => Json::from(number),
            Value::Flag(flag) => Json::Bool(flag),
            time @ Value::Time(_) => Json::String(text_of(&time, &self.zone)),
        }
    }

    /// Fills variables from an answer: all of them, or none and why.
    pub(super) fn take_answer(
        &mut self,
        into: &BTreeMap<Name, String>,
        done: Done,
    ) -> Result<(), String> {
        let answer = match done {
            Done::Http(answer) => answer,
            Done::Failed(why) => return Err(format!("HTTP: {why}")),
            _ => return Err("HTTP: an answer to something else".into()),
        };
        let mut values = Vec::with_capacity(into.len());
        for (name, pointer) in into {
            let found = answer.pointer(pointer);
            let found = found.ok_or_else(|| format!("HTTP: nothing in the answer at {pointer}"))?;
            let kind = self.top.program.flow().variables.get(name).map(|variable| variable.kind);
            let value = kind.and_then(|kind| value_of(found, kind));
            let value = value.ok_or_else(|| {
                format!("HTTP: what is in the answer at {pointer} does not fit variable {name}")
            })?;
            values.push((name, value));
        }
        for (name, value) in values {
            self.top.assign(name, value).map_err(|fault| format!("HTTP: {fault}"))?;
        }
        Ok(())
    }
}

/// A JSON value as one of a type; a time is a number of ms since 1970 UTC.
fn value_of(json: &Json, kind: Type) -> Option<Value> {
    match kind {
        Type::Text => {
            let text = json.as_str()?;
            (text.chars().count() <= TEXT_MAX).then(|| Value::Text(text.to_owned()))
        }
        Type::Number => json.as_i64().map(Value::Number),
        Type::Flag => json.as_bool().map(Value::Flag),
        Type::Time => json.as_i64().map(Value::Time),
    }
}

fn encode(text: &str, address: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                address.push(char::from(byte));
            }
            _ => {
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
}
