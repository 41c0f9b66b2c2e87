//! The tree every configuration source becomes: values with the line they stand on.
//!
//! Files (TOML) and the API (JSON) both end here, so that one schema checks both and a fault can
//! name its place.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its line (0 when it came from no file).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line it begins on, from 1; 0 for none.
    pub line: u32,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of the file.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Reads TOML. The error is the line and what is wrong there.
    pub fn from_toml(text: &str) -> Result<Node, (u32, String)> {
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(0, |span| lines.line(span.start));
            (line, error.message().to_string())
        })?;
        let line = 1;
        Ok(Node { line, value: Value::Table(table_entries(table.get_ref(), &lines)) })
    }

    /// Reads JSON; nulls are left out.
    pub fn from_json(json: &Json) -> Node {
        let value = match json {
            Json::Null => Value::Table(Vec::new()),
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Value::Integer(value),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Node::from_json).collect()),
            Json::Object(entries) => Value::Table(
                entries
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key.clone(), Node::from_json(value)))
                    .collect(),
            ),
        };
        Node { line: 0, value }
    }

    /// As JSON.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Text(text) => Json::String(text.clone()),
            Value::Integer(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::Bool(value) => Json::Bool(*value),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Table(entries) => Json::Object(
                entries.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
            ),
        }
    }

    /// The value of a key, when this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a key.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::text)
    }

    /// The entries of a table, none otherwise.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list, none otherwise.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// What a path of keys and of places in lists (from 0) leads to, joined by dots as in
    /// `node.menu.say.0`: as far as it does.
    pub fn at(&self, path: &str) -> &Node {
        let mut at = self;
        for part in path.split('.') {
            let item = part.parse().ok().and_then(|place: usize| at.items().get(place));
            let Some(next) = at.get(part).or(item) else { break };
            at = next;
        }
        at
    }

    /// How a fault shows the value: short, in the file's own notation.
    pub fn shown(&self) -> String {
        let shown = match &self.value {
            Value::Table(entries) => {
                let keys: Vec<_> =
                    entries.iter().map(|(key, node)| format!("{key} = {}", node.shown())).collect();
                if keys.is_empty() { "{}".into() } else { format!("{{ {} }}", keys.join(", ")) }
            }
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(Node::shown).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.to_json().to_string(),
        };
        match shown.char_indices().nth(80) {
            Some((cut, _)) => format!("{}…", &shown[..cut]),
            None => shown,
        }
    }
}

fn table_entries(table: &DeTable<'_>, lines: &Lines) -> Vec<(String, Node)> {
    let mut entries: Vec<(usize, String, Node)> = table
        .iter()
        .map(|(key, value)| {
            let node = from_de(value, lines, lines.line(key.span().start));
            (key.span().start, key.get_ref().to_string(), node)
        })
        .collect();
    entries.sort_by_key(|(start, _, _)| *start);
    entries.into_iter().map(|(_, key, node)| (key, node)).collect()
}

fn from_de(value: &Spanned<DeValue<'_>>, lines: &Lines, key_line: u32) -> Node {
    let line = match value.get_ref() {
        // The span of a table under a header begins at the header: its own line is right.
        DeValue::Table(_) | DeValue::Array(_) => lines.line(value.span().start),
        _ => key_line,
    };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Value::Integer(value),
            Err(_) => Value::Text(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(value) => Value::Float(value),
            Err(_) => Value::Text(number.to_string()),
        },
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => Value::List(
            items.iter().map(|item| from_de(item, lines, lines.line(item.span().start))).collect(),
        ),
        DeValue::Table(table) => Value::Table(table_entries(table, lines)),
    };
    Node { line, value }
}

/// Byte offsets to line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, offset: usize) -> u32 {
        self.0.partition_point(|start| *start <= offset) as u32
    }
}
