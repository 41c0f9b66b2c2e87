//! Each kind of node, as it is written: its keys, ranges and defaults.

use super::speech::{PROMPT_MAX, listening, prompt, say, say_if};
use super::table::{A_NAME, At, Table, is_name, is_variable};
use crate::expr::Expr;
use crate::expr::template::{Part, Template};
use crate::model::{Case, Name, Node, SignInMode, SignInPrompts, Target};
use std::collections::BTreeMap;

/// Most variables set, parameters passed, values taken by one node.
const VALUES_MAX: usize = 32;
/// Most cases of a branch, keys of a menu.
const CASES_MAX: usize = 64;
/// Longest name of a queue, an agent, a trunk, a working time, in characters.
const OBJECT_MAX: usize = 100;
/// Longest address of a request, in characters.
const URL_MAX: usize = 2_048;
/// Most headers of a request, and their longest value in characters.
const HEADERS_MAX: usize = 32;
const HEADER_MAX: usize = 1_024;
/// Headers of an HTTP request that are the connection's, or follow from the body, in small letters:
/// a flow sets none of them.
pub const HEADERS_OF_CONNECTION: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const KINDS: &str = "play, wait, menu, collect, branch, set, loop, language, working_time, http, \
                     transfer, subflow, queue_status, priority, message, agent_sign_in, end";
const NOT_YET: [&str; 4] = ["callback", "survey", "media_fork", "text_to_speech"];
const KEYS: &str = "1–4 of 0-9, * and #";

/// A node.
pub fn node(at: &At<'_>) -> Option<Node> {
    let mut table = at.table();
    let kind_at = table.must("kind", KINDS)?;
    let kind = kind_at.value.as_str().unwrap_or_default();
    let node = match kind {
        "play" => play(&mut table),
        "wait" => wait(&mut table),
        "menu" => menu(&mut table),
        "collect" => collect(&mut table),
        "branch" => branch(&mut table),
        "set" => set(&mut table),
        "loop" => Node::Loop {
            times: table.must_whole("times", 1..=100, "times"),
            body: table.edge("body"),
            next: table.edge("next"),
        },
        "language" => language(&mut table)?,
        "working_time" => Node::WorkingTime {
            working_time: table.text("working_time", 1..=OBJECT_MAX),
            open: table.edge("open"),
            closed: table.edge("closed"),
        },
        "http" => http(&mut table),
        "transfer" => transfer(&mut table)?,
        "subflow" => subflow(&mut table),
        "queue_status" => queue_status(&mut table),
        "priority" => {
            Node::Priority { priority: table.expr("priority")?, next: table.edge("next") }
        }
        "message" => message(&mut table),
        "agent_sign_in" => agent_sign_in(&mut table),
        "end" => Node::End {
            say: say_if(&mut table, "say"),
            cause: table.whole("cause", 1..=127, "a Q.850 cause", 16),
        },
        _ if NOT_YET.contains(&kind) => {
            kind_at.wrong(format!("\"{kind}\" is not available yet"));
            return None;
        }
        _ => {
            kind_at.refuse(KINDS);
            return None;
        }
    };
    table.finish();
    Some(node)
}

fn play(table: &mut Table<'_>) -> Node {
    let say = table.must("say", "what is to be said").map(|at| {
        if at.value.as_array().is_some_and(Vec::is_empty) {
            at.wrong("nothing is said; name a prompt");
        }
        say(&at)
    });
    Node::Play {
        say: say.unwrap_or_default(),
        barge_in: table.flag("barge_in", true),
        next: table.edge("next"),
    }
}

fn wait(table: &mut Table<'_>) -> Node {
    Node::Wait {
        for_s: table.must_whole("for_s", 1..=3_600, "seconds"),
        tone: table.take("tone").map(|at| prompt(&at)),
        barge_in: table.flag("barge_in", false),
        next: table.edge("next"),
    }
}

fn menu(table: &mut Table<'_>) -> Node {
    let listening = listening(table);
    let mut keys = BTreeMap::new();
    if let Some(at) = table.must("keys", "edges by key, as in { \"1\" = \"support\" }") {
        for (key, edge) in at.entries(CASES_MAX) {
            if !(1..=4).contains(&key.len()) || !key.bytes().all(is_digit) {
                edge.wrong(format!("\"{key}\" is no key; allowed {KEYS}"));
            }
            keys.insert(key.clone(), edge.name());
        }
        if keys.is_empty() {
            at.wrong("a menu without keys; give it one, or play instead");
        }
    }
    let on_timeout = table.edge("on_timeout");
    Node::Menu { listening, keys, on_timeout, on_no_match: table.edge("on_no_match") }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'*' || byte == b'#'
}

fn collect(table: &mut Table<'_>) -> Node {
    let listening = listening(table);
    let min = table.whole("min", 0..=64, "digits", 1);
    let max = table.whole("max", 1..=64, "digits", 64);
    if min > max {
        table.wrong("min", format!("at least {min} digits, but at most {max}"));
    }
    let digit = |text: &str| text.len() <= 1 && text.bytes().all(is_digit);
    let terminator = table.take("terminator");
    let terminator =
        terminator.map_or("#".into(), |at| at.text_that(digit, "one of 0-9, * and #, or \"\""));
    Node::Collect {
        listening,
        into: table.name("into", "a variable of type text"),
        min,
        max,
        terminator: terminator.chars().next(),
        valid: table.expr_if("valid"),
        next: table.edge("next"),
        on_timeout: table.edge("on_timeout"),
        on_no_match: table.edge("on_no_match"),
    }
}

fn branch(table: &mut Table<'_>) -> Node {
    let mut cases = Vec::new();
    if let Some(at) = table.must("cases", "a list of { if = …, then = … }") {
        for case in at.items(CASES_MAX) {
            let mut case = case.table();
            if let Some(condition) = case.expr("if") {
                cases.push(Case { condition, then: case.edge("then") });
            } else {
                case.edge("then");
            }
            case.finish();
        }
    }
    Node::Branch { cases, otherwise: table.edge("otherwise") }
}

fn exprs<'a>(
    entries: Vec<(&'a String, At<'a>)>,
    is_key: fn(&str) -> bool,
    keys: &str,
) -> Vec<(String, Expr)> {
    let mut exprs = Vec::new();
    for (key, at) in entries {
        if !is_key(key) {
            at.wrong(format!("\"{key}\" is not allowed as a name; allowed {keys}"));
        }
        if let Some(expr) = at.expr() {
            exprs.push((key.clone(), expr));
        }
    }
    exprs
}

fn is_data_key(key: &str) -> bool {
    (1..=32).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn set(table: &mut Table<'_>) -> Node {
    let values = table.take("values").map(|at| at.ordered(VALUES_MAX));
    let data = table.take("data").map(|at| at.ordered(VALUES_MAX));
    if values.is_none() && data.is_none() {
        table.wrong("values", "nothing is set; give values or data");
    }
    Node::Set {
        values: exprs(values.unwrap_or_default(), is_variable, A_NAME),
        data: exprs(data.unwrap_or_default(), is_data_key, "1–32 of a-z, A-Z, 0-9 and _"),
        next: table.edge("next"),
    }
}

fn language(table: &mut Table<'_>) -> Option<Node> {
    let language = table.expr("language");
    let remember = table.flag("remember", false);
    let (next, on_unknown) = (table.edge("next"), table.edge("on_unknown"));
    Some(Node::Language { language: language?, remember, next, on_unknown })
}

fn http(table: &mut Table<'_>) -> Node {
    const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = table.take("method").map_or("GET".into(), |at| {
        at.text_that(|text| METHODS.contains(&text), "GET, POST, PUT, PATCH, DELETE")
    });
    let url = table.must("url", "an address, as in https://crm.example/callers/{call.caller}");
    let url = url.map(|at| {
        let allowed = "an address with http:// or https:// and a host that is written out";
        let url = template(&at, URL_MAX, is_url, allowed);
        if url.contains("{secret:") {
            at.wrong("a secret in an address would be logged; put it into a header");
        }
        url
    });
    let mut headers = BTreeMap::new();
    for (name, at) in table.take("headers").map(|at| at.entries(HEADERS_MAX)).unwrap_or_default() {
        if !is_header(name) {
            at.wrong(format!("\"{name}\" is no name of a header that a flow may set"));
        }
        let printable = |text: &str| text.chars().all(|character| !character.is_control());
        let value = template(&at, HEADER_MAX, printable, "one line of text");
        if names_secret_in_text(&value) {
            at.wrong("\"{{secret:\" is text that looks like a secret; write {secret:NAME} for one");
        }
        headers.insert(name.clone(), value);
    }
    let body = table.take("body").map(|at| at.entries(VALUES_MAX)).unwrap_or_default();
    let body = exprs(body, |key| (1..=64).contains(&key.chars().count()), "1–64 characters");
    let mut into = BTreeMap::new();
    for (variable, at) in table.take("into").map(|at| at.entries(VALUES_MAX)).unwrap_or_default() {
        let pointer = |text: &str| text.len() <= 256 && (text.is_empty() || text.starts_with('/'));
        let pointer = at.text_that(pointer, "a JSON pointer, as in /customer/0/name");
        into.insert(variable.clone(), pointer);
    }
    let retries = table.whole("retries", 0..=3, "retries", 0);
    if retries > 0 && !["GET", "PUT", "DELETE", ""].contains(&method.as_str()) {
        table.wrong("retries", format!("{method} cannot be repeated; only GET, PUT and DELETE"));
    }
    if !body.is_empty() && method == "GET" {
        table.wrong("body", "GET has no body; use POST, or put the values into the url");
    }
    Node::Http {
        method,
        url: url.unwrap_or_default(),
        headers,
        body: body.into_iter().collect(),
        timeout_ms: table.time_ms("timeout_s", "timeout_ms", 100..=30_000, 3_000),
        retries,
        into,
        next: table.edge("next"),
        on_error: table.edge("on_error"),
    }
}

fn template(at: &At<'_>, max: usize, holds: fn(&str) -> bool, allowed: &str) -> String {
    let text = at.text_that(|text| text.chars().count() <= max && holds(text), allowed);
    if let Err(fault) = Template::parse(&text) {
        at.refuse(format!("text with {{expression}}; {fault}"));
    }
    text
}

/// Scheme and host are written out, so that no value can lead a request elsewhere.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let printable = rest.chars().all(|character| !character.is_control() && character != ' ');
    !host.is_empty() && host.bytes().all(part) && (printable || rest.contains('{'))
}

/// Whether a text has braces written out that would be read as a secret later on.
fn names_secret_in_text(text: &str) -> bool {
    let parts = Template::parse(text).map(|template| template.parts).unwrap_or_default();
    parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains("{secret:")))
}

fn is_header(name: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len())
        && name.bytes().all(part)
        && !HEADERS_OF_CONNECTION.contains(&name.to_ascii_lowercase().as_str())
}

fn transfer(table: &mut Table<'_>) -> Option<Node> {
    const TARGETS: &str = "{ skill_queue = \"NAME\" }, { agent = \"EXPRESSION\" }, \
                           { flow = \"NAME\" } or { number = \"EXPRESSION\", trunk = \"NAME\" }";
    let to = table.must("to", TARGETS);
    let priority = table.expr_if("priority");
    let on_failure = table.name_if("on_failure");
    let at = to?;
    if !at.value.is_object() {
        at.refuse(TARGETS);
        return None;
    }
    let mut to = at.table();
    let has = |key: &str| at.value.get(key).is_some();
    let target = if has("skill_queue") {
        Target::SkillQueue(to.text("skill_queue", 1..=OBJECT_MAX))
    } else if has("agent") {
        Target::Agent(to.expr("agent")?)
    } else if has("flow") {
        Target::Flow(to.name("flow", "the name of a flow"))
    } else if has("number") {
        let trunk = to.text("trunk", 1..=OBJECT_MAX);
        Target::Number { number: to.expr("number")?, trunk }
    } else {
        at.refuse(TARGETS);
        return None;
    };
    to.finish();
    if priority.is_some() && !matches!(target, Target::SkillQueue(_)) {
        table.wrong("priority", "only a transfer to a queue has a priority");
    }
    Some(Node::Transfer { to: target, priority, on_failure })
}

fn subflow(table: &mut Table<'_>) -> Node {
    let with = table.take("with").map(|at| at.entries(VALUES_MAX)).unwrap_or_default();
    let into = table.take("into").map(|at| at.entries(VALUES_MAX)).unwrap_or_default();
    Node::Subflow {
        flow: table.name("flow", "the name of a flow"),
        with: exprs(with, is_name, A_NAME).into_iter().collect(),
        into: into.into_iter().map(|(ours, its)| (ours.clone(), its.name())).collect(),
        next: table.edge("next"),
    }
}

fn queue_status(table: &mut Table<'_>) -> Node {
    let queue = table.text("queue", 1..=OBJECT_MAX);
    let (waiting, agents, idle): (Option<Name>, _, _) =
        (table.name_if("waiting"), table.name_if("agents"), table.name_if("idle"));
    if waiting.is_none() && agents.is_none() && idle.is_none() {
        table.wrong("waiting", "nothing is read; name a variable for waiting, agents or idle");
    }
    Node::QueueStatus { queue, waiting, agents, idle, next: table.edge("next") }
}

fn message(table: &mut Table<'_>) -> Node {
    let silence_s = table.take("silence_s").map_or(5, |at| {
        let allowed = "0 (never) or 1–30 (seconds)";
        at.value.as_u64().filter(|s| *s <= 30).unwrap_or_else(|| {
            at.refuse(allowed);
            5
        })
    });
    let digits = |text: &str| text.len() <= 12 && text.bytes().all(is_digit);
    let stop_on = table.take("stop_on");
    let stop_on = stop_on.map_or("#".into(), |at| at.text_that(digits, "0–12 of 0-9, * and #"));
    Node::Message {
        say: say_if(table, "say"),
        mailbox: table.text("mailbox", 1..=PROMPT_MAX),
        max_s: table.whole("max_s", 1..=600, "seconds", 120),
        min_s: table.whole("min_s", 0..=10, "seconds", 1),
        silence_s: u32::try_from(silence_s).unwrap_or_default(),
        stop_on,
        next: table.edge("next"),
        on_empty: table.edge("on_empty"),
    }
}

fn agent_sign_in(table: &mut Table<'_>) -> Node {
    let mut prompts = SignInPrompts::default();
    if let Some(at) = table.take("prompts") {
        let mut given = at.table();
        for (key, name) in [
            ("employee_id", &mut prompts.employee_id),
            ("pin", &mut prompts.pin),
            ("wrong", &mut prompts.wrong),
            ("mode", &mut prompts.mode),
            ("signed_in", &mut prompts.signed_in),
            ("not_possible", &mut prompts.not_possible),
        ] {
            if let Some(at) = given.take(key) {
                *name = prompt(&at);
            }
        }
        given.finish();
    }
    let mode = table.take("mode").map_or(SignInMode::Ask, |at| match at.value.as_str() {
        Some("ask") => SignInMode::Ask,
        Some("hold_the_line") => SignInMode::HoldTheLine,
        Some("be_rung") => SignInMode::BeRung,
        _ => {
            at.refuse("ask, hold_the_line, be_rung");
            SignInMode::Ask
        }
    });
    Node::AgentSignIn {
        prompts,
        mode,
        tries: table.whole("tries", 1..=5, "tries", 3),
        next: table.edge("next"),
        on_failure: table.edge("on_failure"),
        on_locked: table.edge("on_locked"),
    }
}
