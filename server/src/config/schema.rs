//! Which keys each kind of object has, and what their values may be: domain.md's tables as data.
//!
//! Owns: types, ranges, defaults and mandatory keys of single objects. Does not own: references,
//! uniqueness and rules between objects ([`super::centre`] and `hotline_routing::Config::validate`).

use super::fault::Fault;
use super::tree::{Node, Value};

/// A kind of configuration object.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its key in files: `skill_queue`.
    pub name: &'static str,
    /// The keys whose values name an object, joined by `/`.
    pub named_by: &'static [&'static str],
    /// Its fields.
    pub fields: &'static [Field],
    /// Keys of domain.md that come in a later version.
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

const fn must(key: &'static str, rule: Rule) -> Field {
    Field { key, rule, mandatory: true, default: "" }
}

const fn may(key: &'static str, rule: Rule, default: &'static str) -> Field {
    Field { key, rule, mandatory: false, default }
}

const DIGITS: &str = "0123456789";
const EXTENSION: &str = "0123456789*#";
const DIGEST: Rule = Rule::List(&Rule::Choice(&["MD5", "SHA-256"]), 2);
const ANSWER_MODE: Rule = Rule::Choice(&["automatic", "manual", "inherit"]);
const POLICY: Rule = Rule::Check(
    is_policy,
    "{ release = true }, { release = \"PROMPT\" } or { skill_queue = \"NAME\" } (flows are not available yet)",
);
const DEFAULT_TONE: Rule =
    Rule::Choice(&["default" /* custom tones and flows are not available yet */]);
const ONLY_AVAILABLE: &str = "\"default\" (custom tones and flows are not available yet)";

/// The tenant itself: exactly one in a centre directory.
pub const TENANT: Kind = Kind {
    name: "tenant",
    named_by: &[],
    fields: &[
        must("name", Rule::Check(is_name, "1–63 of a-z, 0-9, '-' and '_'")),
        must("domains", Rule::List(&Rule::Check(is_host, "a host name or IP address"), 16)),
        must("realm", Rule::Check(is_realm, "1–63 printable characters without '\"' and '\\'")),
        may("language", Rule::Check(is_language, "a language as in en or zh"), "\"en\""),
        may(
            "time_zone",
            Rule::Check(is_time_zone, "a name of the IANA database, as in Europe/Stockholm"),
            "\"UTC\"",
        ),
        may("limits", Rule::Choice(&["classic", "extended"]), "\"classic\""),
        may("skill_queues_max", Rule::Integer(1, 5_000, "skill queues"), "1000"),
        may("answer_mode", ANSWER_MODE, "\"automatic\""),
        may("digest", DIGEST, "[\"MD5\"]"),
        may("concurrent_calls", Rule::Integer(1, 100_000, "calls"), "5000"),
        may("call_s_max", Rule::Integer(10, 86_400, "seconds"), "14400"),
        may("rtp_silence_s", Rule::Integer(0, 3_600, "seconds, 0 never"), "60"),
        may("no_answer_limit", Rule::Integer(1, 100, "offers"), "3"),
        may("rejection_pause_s", Rule::Integer(0, 3_600, "seconds"), "10"),
        may("lost_registration", Rule::Choice(&["signed_out", "busy"]), "\"signed_out\""),
        may("overflow_keeps_place", Rule::Bool, "false"),
        may("priority_raise_s", Rule::Integer(0, 3_600, "seconds, 0 never"), "0"),
    ],
    later: &["main_number", "download_link", "second_factor"],
};

/// `[[organisation]]`.
pub const ORGANISATION: Kind = Kind {
    name: "organisation",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 100)),
        may("parent", Rule::Text(1, 100), ""),
        may("answer_mode", ANSWER_MODE, "\"inherit\""),
        may("digest", DIGEST, "[]"),
    ],
    later: &["max_sessions", "softphone_in_page"],
};

/// `[[skill_queue]]`.
pub const SKILL_QUEUE: Kind = Kind {
    name: "skill_queue",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 100)),
        may("description", Rule::Text(0, 255), "\"\""),
        may(
            "type",
            Rule::Check(is_voice, "\"voice\" (the other types are not available yet)"),
            "\"voice\"",
        ),
        may("max_waiting_time_s", Rule::Integer(1, 60_000, "seconds"), "60"),
        may("max_calls_in_queue", Rule::Integer(1, 10_000, "calls"), "100"),
        may("wrap_up_s", Rule::Integer(0, 3_600, "seconds"), "5"),
        may("on_timeout", POLICY, "{\"release\":true}"),
        may("on_busy", POLICY, "{\"release\":true}"),
        may("busy_when", Rule::Choice(&["full", "nobody_idle"]), "\"full\""),
        may("on_no_agents", POLICY, "{\"release\":true}"),
        may("no_agents_while_waiting", Rule::Bool, "true"),
        may("waiting", Rule::Check(is_default, ONLY_AVAILABLE), "\"default\""),
        may("hold", DEFAULT_TONE, "\"default\""),
        may("announce_on_answer", Rule::Choice(&["nothing", "employee_id"]), "\"nothing\""),
        may(
            "distribution",
            Rule::Check(
                is_distribution,
                "longest_idle, most_skilled, round_robin or linear (fewest_calls, least_talk_time and ring_all are not available yet)",
            ),
            "\"longest_idle\"",
        ),
        may("offer_time_s", Rule::Integer(1, 120, "seconds"), "20"),
        may("weight", Rule::Integer(0, 1_000, "higher is served first"), "0"),
        may("display_name", Rule::Text(0, 100), "\"{queue} {caller}\""),
    ],
    later: &[
        "record",
        "service_level_s",
        "short_abandon_s",
        "mobile_offer_time_s",
        "announce_every_s",
    ],
};

/// `[[access_code]]`.
pub const ACCESS_CODE: Kind = Kind {
    name: "access_code",
    named_by: &["code"],
    fields: &[
        must("code", Rule::Of(1, 20, DIGITS)),
        must("type", Rule::Check(is_voice, "\"voice\" (the other types are not available yet)")),
        may("unknown_extension_allowed", Rule::Bool, "false"),
    ],
    later: &[],
};

/// `[[called_route]]`.
pub const CALLED_ROUTE: Kind = Kind {
    name: "called_route",
    named_by: &["access_code", "extension_code"],
    fields: &[
        must("access_code", Rule::Of(1, 20, DIGITS)),
        may("extension_code", Rule::Of(1, 12, EXTENSION), ""),
        may("skill_queue", Rule::Text(1, 100), ""),
        may("agent", Rule::Of(1, 24, DIGITS), ""),
        may("priority", Rule::Integer(0, 100, "100 is most urgent"), "0"),
        may("language", Rule::Check(is_language, "a language as in en or zh"), ""),
        may("answer_supervision", Rule::Choice(&["at_once", "when_agent_answers"]), "\"at_once\""),
    ],
    later: &["flow", "working_time"],
};

/// `[[agent]]`.
pub const AGENT: Kind = Kind {
    name: "agent",
    named_by: &["employee_id"],
    fields: &[
        must("employee_id", Rule::Of(1, 24, DIGITS)),
        may("account", Rule::Text(1, 100), ""),
        must("type", Rule::Choice(&["audio", "video", "multimedia", "versatile"])),
        must(
            "role",
            Rule::Check(
                is_common,
                "\"common\" (quality_checker and callout are not available yet)",
            ),
        ),
        may("organisation", Rule::Text(1, 100), ""),
        may("skill_queues", Rule::List(&Rule::Table(SKILL), 1_000), "[]"),
        may("softphone", Rule::Table(SOFTPHONE), ""),
        may("digest", DIGEST, "[]"),
        may("sign_in_on_registration", Rule::Bool, "false"),
        may("queue_sign_in", Rule::Choice(&["specified", "automatic"]), "\"specified\""),
        may("answer_mode", ANSWER_MODE, "\"inherit\""),
    ],
    later: &[
        "mobile_number",
        "single_phone",
        "intelligent",
        "anonymised",
        "number_shown_to_customer",
        "number_shown_to_agent",
        "callout_caller",
        "webrtc_auto_register",
        "softphone_in_page",
        "nickname",
        "avatar",
        "max_sessions",
        "greetings",
    ],
};

const SKILL: &[Field] =
    &[must("queue", Rule::Text(1, 100)), may("level", Rule::Integer(1, 10, "1 is best"), "1")];

const SOFTPHONE: &[Field] = &[
    must("number", Rule::Check(is_softphone_number, "1–32 of A-Z, a-z, 0-9, '-', '_' and '.'")),
    must(
        "password",
        Rule::Check(
            is_password,
            "\"…\" (8–128 characters), { file = \"PATH\" }, { env = \"NAME\" }, { ha1 = \"HEX\", ha1_sha256 = \"HEX\" } or { generate = true }",
        ),
    ),
];

/// `[[trunk]]`.
pub const TRUNK: Kind = Kind {
    name: "trunk",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 100)),
        must(
            "peers",
            Rule::List(
                &Rule::Check(is_network, "addresses or networks as in 198.51.100.0/24"),
                256,
            ),
        ),
        may(
            "dialled_from",
            Rule::Choice(&["request_uri", "to", "p_called_party_id", "diversion", "history_info"]),
            "\"request_uri\"",
        ),
        may("number_rules", Rule::List(&Rule::Table(NUMBER_RULE), 64), "[]"),
        may("early_media", Rule::Bool, "true"),
    ],
    later: &["transport", "target", "username", "password", "channels"],
};

const NUMBER_RULE: &[Field] = &[must("prefix", Rule::Text(1, 32)), must("with", Rule::Text(0, 32))];

/// The kinds of a centre directory that come as lists.
pub const KINDS: &[Kind] = &[ORGANISATION, SKILL_QUEUE, ACCESS_CODE, CALLED_ROUTE, AGENT, TRUNK];

/// Kinds of domain.md that come in a later version.
pub const KINDS_LATER: &[&str] = &["employee", "working_time", "channel"];

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
            None if later.contains(&key.as_str()) => {
                faults.push(fault(
                    value.line,
                    key,
                    value.shown(),
                    "nothing: not available yet".into(),
                ));
            }
            None => {
                let known: Vec<_> = fields.iter().map(|field| field.key).collect();
                faults.push(fault(
                    value.line,
                    key,
                    value.shown(),
                    format!("only these keys: {}", known.join(", ")),
                ));
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
        let secret = field.ends_with("password");
        faults.push(Fault {
            file: String::new(),
            line: node.line,
            object: object.into(),
            field: field.into(),
            value: if secret { "[redacted]".into() } else { node.shown() },
            allowed: allowed(rule),
        });
    }
}

fn is_name(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    })
}

fn is_host(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=253).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    })
}

fn is_realm(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
    })
}

fn is_language(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (2..=10).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

fn is_time_zone(node: &Node) -> bool {
    node.text().is_some_and(|text| hotline_base::calendar::TimeZone::named(text).is_some())
}

fn is_voice(node: &Node) -> bool {
    node.text() == Some("voice")
}

fn is_common(node: &Node) -> bool {
    node.text() == Some("common")
}

fn is_default(node: &Node) -> bool {
    node.text() == Some("default")
}

fn is_distribution(node: &Node) -> bool {
    matches!(node.text(), Some("longest_idle" | "most_skilled" | "round_robin" | "linear"))
}

fn is_softphone_number(node: &Node) -> bool {
    node.text().is_some_and(|text| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    })
}

fn is_network(node: &Node) -> bool {
    node.text().is_some_and(|text| text.parse::<hotline_engine::config::Network>().is_ok())
}

fn is_policy(node: &Node) -> bool {
    match node.entries() {
        [(key, value)] if key == "release" => match &value.value {
            Value::Bool(release) => *release,
            Value::Text(prompt) => !prompt.is_empty(),
            _ => false,
        },
        [(key, value)] if key == "skill_queue" => value.text().is_some_and(|name| !name.is_empty()),
        _ => false,
    }
}

fn is_password(node: &Node) -> bool {
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
