//! What single values may be, where a range or a list of words does not say it.
//!
//! Owns: shapes of names, numbers, addresses, policies and secrets. Does not own: whether what a
//! value refers to exists.

use crate::config::tree::{Node, Value};

pub fn is_name(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    })
}

pub fn is_host(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=253).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    })
}

pub fn is_realm(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
    })
}

pub fn is_language(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (2..=10).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

pub fn is_time_zone(node: &Node) -> bool {
    node.text().is_some_and(|text| hotline_base::calendar::TimeZone::named(text).is_some())
}

pub fn is_voice(node: &Node) -> bool {
    node.text() == Some("voice")
}

pub fn is_common(node: &Node) -> bool {
    node.text() == Some("common")
}

pub fn is_distribution(node: &Node) -> bool {
    matches!(node.text(), Some("longest_idle" | "most_skilled" | "round_robin" | "linear"))
}

/// The name of the file that keeps a generated password as well: none that another file has.
pub fn is_softphone_number(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=32).contains(&text.len())
            && !text.starts_with('.')
            && !text.ends_with(".pin")
            && text != "flow"
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    })
}

pub fn is_network(node: &Node) -> bool {
    node.text().is_some_and(|text| text.parse::<hotline_engine::config::Network>().is_ok())
}

pub fn is_policy(node: &Node) -> bool {
    match node.entries() {
        [(key, value)] if key == "release" => match &value.value {
            Value::Bool(release) => *release,
            Value::Text(prompt) => !prompt.is_empty(),
            _ => false,
        },
        _ => names_one_of(node, &["skill_queue", "flow"]),
    }
}

pub fn is_destination(node: &Node) -> bool {
    names_one_of(node, &["skill_queue", "flow", "agent"])
}

pub fn is_waiting(node: &Node) -> bool {
    node.text() == Some("default") || names_one_of(node, &["tone", "flow"])
}

pub fn is_hold(node: &Node) -> bool {
    node.text() == Some("default") || names_one_of(node, &["tone"])
}

/// `{ KEY = "NAME" }` with one of these keys.
fn names_one_of(node: &Node, keys: &[&str]) -> bool {
    match node.entries() {
        [(key, value)] => {
            keys.contains(&key.as_str()) && value.text().is_some_and(|name| !name.is_empty())
        }
        _ => false,
    }
}

pub fn is_number(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

pub fn is_outside_prefix(node: &Node) -> bool {
    node.text().is_some_and(|text| text == "+") || is_number(node)
}

pub fn is_flow_name(node: &Node) -> bool {
    node.text().is_some_and(is_flow_name_text)
}

/// Whether a text can be the name of a flow.
pub fn is_flow_name_text(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub fn is_http_host(node: &Node) -> bool {
    node.text().is_some_and(|text| crate::effects::allow::Host::parse(text).is_some())
}

pub fn is_target(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        text.parse::<std::net::SocketAddr>().is_ok_and(|target| target.port() != 0)
    })
}

pub fn is_announce_every(node: &Node) -> bool {
    matches!(node.value, Value::Integer(0 | 5..=3_600))
}

pub fn is_date(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
    })
}

pub fn is_segment(node: &Node) -> bool {
    node.items().len() == 2 && node.items().iter().all(|time| time.text().is_some())
}

pub fn is_pin(node: &Node) -> bool {
    match (&node.value, node.entries()) {
        (Value::Text(pin), _) => is_pin_text(pin),
        (_, [(key, value)]) if key == "file" || key == "env" => value.text().is_some(),
        (_, [(key, value)]) if key == "generate" => value.value == Value::Bool(true),
        (_, [(key, value)]) if key == "hash" => {
            value.text().is_some_and(|text| text.starts_with("$argon2id$") && text.len() <= 256)
        }
        _ => false,
    }
}

/// Whether a text can be a PIN.
pub fn is_pin_text(text: &str) -> bool {
    (4..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

pub fn is_secret(node: &Node) -> bool {
    match (&node.value, node.entries()) {
        (Value::Text(text), _) => is_secret_text(text),
        (_, [(key, value)]) if key == "file" || key == "env" => value.text().is_some(),
        (_, [(key, value)]) if key == "sha256" => value.text().is_some_and(|text| text.len() == 64),
        _ => false,
    }
}

/// Whether a text can be a flow's secret: it becomes part of a header.
pub fn is_secret_text(text: &str) -> bool {
    (1..=4_096).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

pub fn is_password(node: &Node) -> bool {
    let is_hex = |node: &Node, length: usize| {
        node.text()
            .is_some_and(|text| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    match (&node.value, node.entries()) {
        (Value::Text(password), _) => (8..=128).contains(&password.chars().count()),
        (_, [(key, value)]) if key == "file" || key == "env" => value.text().is_some(),
        (_, [(key, value)]) if key == "generate" => value.value == Value::Bool(true),
        (_, [(key, value)]) if key == "ha1" => is_hex(value, 32),
        (_, entries) if entries.len() == 2 => {
            node.get("ha1").is_some_and(|value| is_hex(value, 32))
                && node.get("ha1_sha256").is_some_and(|value| is_hex(value, 64))
        }
        _ => false,
    }
}
