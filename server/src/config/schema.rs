//! Which keys each kind of object has, and what their values may be.
//!
//! Owns: what a rule is and how an object is checked by it; the tables are in [`kinds`]. Does not
//! own: references, uniqueness and rules between objects ([`super::centre`], [`super::whole`] and
//! `hotline_routing::Config::validate`).

#[cfg(test)]
mod documented;
pub mod kinds;
mod values;

use super::fault::Fault;
use super::tree::{Node, Value};
pub use kinds::{KINDS, KINDS_LATER, TENANT, TRUNK};
pub use values::{is_flow_name_text, is_pin_text, is_secret_text};

/// A kind of configuration object.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its key in files: `skill_queue`.
    pub name: &'static str,
    /// The keys whose values name an object, joined by `/`.
    pub named_by: &'static [&'static str],
    /// Its fields.
    pub fields: &'static [Field],
    /// Keys that come in a later version.
    pub later: &'static [&'static str],
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Key.
    pub key: &'static str,
    /// What is allowed.
    pub rule: Rule,
    /// Whether it must be there.
    pub mandatory: bool,
    /// The default as JSON text, empty for none.
    pub default: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, with its unit.
    Integer(i64, i64, &'static str),
    /// Text of so many characters.
    Text(usize, usize),
    /// So many characters out of a set.
    Of(usize, usize, &'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of at most so many.
    List(&'static Rule, usize),
    /// A table of these fields.
    Table(&'static [Field]),
    /// A check of its own: the text says what is allowed.
    Check(fn(&Node) -> bool, &'static str),
}

/// Checks one object against its kind.
pub fn check(kind: &Kind, object: &str, node: &Node, faults: &mut Vec<Fault>) {
    check_fields(kind.fields, kind.later, object, "", node, faults);
}

/// The default of a field as JSON, if it has one.
pub fn default_of(kind: &Kind, key: &str) -> Option<serde_json::Value> {
    let field = kind.fields.iter().find(|field| field.key == key)?;
    serde_json::from_str(field.default).ok()
}

/// Checks a table against fields; `prefix` is the path of the table within its object.
pub fn check_fields(
    fields: &[Field],
    later: &[&str],
    object: &str,
    prefix: &str,
    node: &Node,
    faults: &mut Vec<Fault>,
) {
    let fault = |line, field: &str, value: String, allowed: String| Fault {
        file: String::new(),
        line,
        object: object.into(),
        field: format!("{prefix}{field}"),
        value,
        allowed,
    };
    let Value::Table(entries) = &node.value else {
        let key = prefix.trim_end_matches('.');
        faults.push(Fault {
            field: key.into(),
            ..fault(node.line, "", node.shown(), "a table".into())
        });
        return;
    };
    for (key, value) in entries {
        match fields.iter().find(|field| field.key == key) {
            Some(field) => {
                check_value(&field.rule, object, &format!("{prefix}{key}"), value, faults);
            }
            None => {
                let allowed = if later.contains(&key.as_str()) {
                    "nothing: not available yet".into()
                } else {
                    let known: Vec<_> = fields.iter().map(|field| field.key).collect();
                    format!("only these keys: {}", known.join(", "))
                };
                let path = format!("{prefix}{key}");
                let secret = is_secret(object, &path);
                let shown = if secret { "[redacted]".into() } else { value.shown() };
                faults.push(fault(value.line, key, shown, allowed));
            }
        }
    }
    for field in fields.iter().filter(|field| field.mandatory) {
        if !entries.iter().any(|(key, _)| key == field.key) {
            faults.push(fault(node.line, field.key, String::new(), allowed(&field.rule)));
        }
    }
}

/// What a rule allows, in words.
pub fn allowed(rule: &Rule) -> String {
    match rule {
        Rule::Bool => "true or false".into(),
        Rule::Integer(from, to, unit) => format!("{from}–{to} ({unit})"),
        Rule::Text(0, to) => format!("text of at most {to} characters"),
        Rule::Text(from, to) => format!("text of {from}–{to} characters"),
        Rule::Of(from, to, set) => format!("{from}–{to} characters of {set}"),
        Rule::Choice(words) => words.join(", "),
        Rule::List(item, most) => format!("a list of at most {most}, each {}", allowed(item)),
        Rule::Table(fields) => {
            let keys: Vec<_> = fields.iter().map(|field| field.key).collect();
            format!("a table with {}", keys.join(", "))
        }
        Rule::Check(_, text) => (*text).into(),
    }
}

fn check_value(rule: &Rule, object: &str, field: &str, node: &Node, faults: &mut Vec<Fault>) {
    let good = match (rule, &node.value) {
        (Rule::Bool, Value::Bool(_)) => true,
        (Rule::Integer(from, to, _), Value::Integer(value)) => (from..=to).contains(&value),
        (Rule::Text(from, to), Value::Text(text)) => {
            (*from..=*to).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        }
        (Rule::Of(from, to, set), Value::Text(text)) => {
            (*from..=*to).contains(&text.chars().count()) && text.chars().all(|c| set.contains(c))
        }
        (Rule::Choice(words), Value::Text(text)) => words.contains(&text.as_str()),
        (Rule::List(item, most), Value::List(items)) => {
            for (number, one) in items.iter().enumerate() {
                check_value(item, object, &format!("{field}[{}]", number + 1), one, faults);
            }
            items.len() <= *most
        }
        (Rule::Table(fields), Value::Table(_)) => {
            check_fields(fields, &[], object, &format!("{field}."), node, faults);
            true
        }
        (Rule::Check(check, _), _) => check(node),
        _ => false,
    };
    if !good {
        faults.push(Fault {
            file: String::new(),
            line: node.line,
            object: object.into(),
            field: field.into(),
            value: if is_secret(object, field) { "[redacted]".into() } else { node.shown() },
            allowed: allowed(rule),
        });
    }
}

/// Whether what stands there may be a secret, also one in the wrong place or of the wrong form.
fn is_secret(object: &str, field: &str) -> bool {
    let first = field.split('.').next().unwrap_or_default();
    match object.split(' ').next() {
        Some("agent") => {
            matches!(first, "softphone" | "single_phone")
                && !matches!(field, "softphone.number" | "single_phone.enabled")
        }
        Some("secret") => first != "name",
        Some("trunk") => first == "password",
        _ => false,
    }
}
