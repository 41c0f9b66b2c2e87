//! Every kind of node with every key, there and back; and what is said about each wrong value.

use super::*;
use crate::model::{Node, Speech, Target};

fn document(toml: &str) -> Json {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}\n{toml}"))
}

fn faults_of(toml: &str) -> Vec<String> {
    match flow(&document(toml)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// Every node kind, every key.
const WHOLE: &str = r##"
description = "Everything"
languages = ["en", "zh-CN"]
start = "hello"
on_hang_up = "count"
on_fault = "sorry"
parameters = ["choice"]
results = ["account"]
[variables]
choice = "text"
account = { type = "text", secret = true }
tries = { type = "number", value = 3 }
vip = { type = "flag", value = false }
until = { type = "time", value = "2026-12-24T18:30:00+01:00" }
[node.hello]
kind = "play"
say = ["welcome", { digits = "call.caller" }, { number = 5 }, { date = "now" }, { time = "now" },
  { duration = "queue.waited_s" }, { amount = "1250", currency = "EUR" }, { silence_ms = 200 }]
barge_in = false
next = "music"
[node.music]
kind = "wait"
for_s = 20
tone = "default"
barge_in = true
next = "menu"
[node.menu]
kind = "menu"
say = "menu_main"
retry_say = [["no_match", "menu_main"]]
no_input_say = [["no_input"], ["no_input", { people = "2" }]]
no_match_say = ["no_match"]
retries = 1
barge_in = false
flush = true
first_digit_s = 2.5
inter_digit_s = 1
keys = { "1" = "ask", "*9#" = "chinese" }
on_timeout = "again"
on_no_match = "again"
[node.ask]
kind = "collect"
say = ["employee_id"]
into = "account"
min = 4
max = 8
terminator = ""
valid = "length(account) == 8"
next = "look"
on_timeout = "sorry"
on_no_match = "sorry"
[node.look]
kind = "branch"
cases = [{ if = "vip", then = "support" }, { if = true, then = "count" }]
otherwise = "sorry"
[node.count]
kind = "set"
values = [{ tries = "tries + 1" }, { choice = "text(tries)" }]
data = { menu = "choice" }
next = "crm"
[node.crm]
kind = "http"
method = "PUT"
url = "https://crm.example/{call.caller}"
headers = { Authorization = "Bearer {secret:crm}" }
body = { tries = "tries" }
timeout_s = 1.5
retries = 2
into = { vip = "/customer/vip" }
next = "bye"
on_error = "bye"
[node.again]
kind = "loop"
times = 3
body = "menu"
next = "sorry"
[node.chinese]
kind = "language"
language = "'zh-CN'"
remember = true
next = "hours"
on_unknown = "menu"
[node.hours]
kind = "working_time"
working_time = "office hours"
open = "sub"
closed = "leave"
[node.sub]
kind = "subflow"
flow = "pay"
with = { amount = "1250" }
into = { tries = "left" }
next = "state"
[node.state]
kind = "queue_status"
queue = "support"
waiting = "tries"
agents = "tries"
idle = "tries"
next = "urgent"
[node.urgent]
kind = "priority"
priority = "tries * 10"
next = "support"
[node.support]
kind = "transfer"
to = { skill_queue = "support" }
priority = "50"
on_failure = "outside"
[node.outside]
kind = "transfer"
to = { number = "'+15550002222'", trunk = "carrier" }
on_failure = "agent"
[node.agent]
kind = "transfer"
to = { agent = "'1001'" }
on_failure = "other"
[node.other]
kind = "transfer"
to = { flow = "other" }
[node.leave]
kind = "message"
say = ["message_after_tone"]
mailbox = "support"
max_s = 60
min_s = 2
silence_s = 0
stop_on = "*#"
next = "bye"
on_empty = "bye"
[node.sign_in]
kind = "agent_sign_in"
prompts = { pin = "our_pin" }
mode = "hold_the_line"
tries = 2
next = "bye"
on_failure = "bye"
on_locked = "sorry"
[node.bye]
kind = "end"
[node.sorry]
kind = "end"
say = ["goodbye"]
cause = 31
"##;

#[test]
fn every_kind_of_node_is_read_and_comes_back_the_same() {
    let read = flow(&document(WHOLE)).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(read.node.len(), 21);
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(flow(&written).as_ref(), Ok(&read), "{written:#}");
    let Some(Node::Menu { listening, keys, .. }) = read.node.get("menu") else { panic!() };
    assert_eq!(listening.say, [Speech::Prompt("menu_main".into())]);
    assert_eq!((listening.first_digit_ms, listening.inter_digit_ms), (2_500, 1_000));
    assert_eq!((listening.retries, listening.barge_in, listening.flush), (1, false, true));
    assert_eq!(keys.get("*9#").map(String::as_str), Some("chinese"));
    let Some(Node::Collect { terminator, min, max, .. }) = read.node.get("ask") else { panic!() };
    assert_eq!((*terminator, *min, *max), (None, 4, 8));
    let Some(Node::Set { values, .. }) = read.node.get("count") else { panic!() };
    let order: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["tries", "choice"], "the order of a list is kept");
    let until = read.variables.get("until").and_then(|variable| variable.value.clone());
    assert_eq!(until, Some(Value::Time(1_798_133_400_000)));
    let Some(Node::Transfer { to: Target::Number { trunk, .. }, .. }) = read.node.get("outside")
    else {
        panic!()
    };
    assert_eq!(trunk, "carrier");
}

#[test]
fn what_is_left_out_has_its_default() {
    let read = flow(&document(
        r#"
        start = "menu"
        [node.menu]
        kind = "menu"
        keys = { 1 = "leave" }
        on_timeout = "ask"
        on_no_match = "ask"
        [node.ask]
        kind = "collect"
        into = "x"
        next = "leave"
        on_timeout = "leave"
        on_no_match = "leave"
        [node.leave]
        kind = "message"
        mailbox = "a"
        next = "sign_in"
        on_empty = "crm"
        [node.crm]
        kind = "http"
        url = "http://10.0.0.1:8080/"
        next = "sign_in"
        on_error = "sign_in"
        [node.sign_in]
        kind = "agent_sign_in"
        next = "end"
        on_failure = "end"
        on_locked = "end"
        [node.end]
        kind = "end"
        "#,
    ))
    .unwrap();
    let written = serde_json::to_value(&read).unwrap();
    for (path, value) in [
        ("/node/menu/retries", "2"),
        ("/node/menu/barge_in", "true"),
        ("/node/menu/flush", "false"),
        ("/node/menu/first_digit_ms", "5000"),
        ("/node/menu/inter_digit_ms", "3000"),
        ("/node/ask/min", "1"),
        ("/node/ask/max", "64"),
        ("/node/ask/terminator", "\"#\""),
        ("/node/leave/max_s", "120"),
        ("/node/leave/min_s", "1"),
        ("/node/leave/silence_s", "5"),
        ("/node/leave/stop_on", "\"#\""),
        ("/node/crm/method", "\"GET\""),
        ("/node/crm/timeout_ms", "3000"),
        ("/node/crm/retries", "0"),
        ("/node/sign_in/tries", "3"),
        ("/node/sign_in/mode", "\"ask\""),
        ("/node/sign_in/prompts/pin", "\"sign_in_pin\""),
        ("/node/end/cause", "16"),
    ] {
        assert_eq!(
            written.pointer(path).map(ToString::to_string).as_deref(),
            Some(value),
            "{path}"
        );
    }
}

/// A flow of one node `n` and an end.
fn one(node: &str) -> String {
    format!(
        "start = \"n\"\n[variables]\nx = \"text\"\n[node.n]\n{node}\n[node.end]\nkind = \"end\""
    )
}

#[test]
fn each_wrong_value_is_told_with_its_place_and_what_is_allowed() {
    let mut failed = Vec::new();
    let listens = "on_timeout = \"end\"\non_no_match = \"end\"\n";
    let menu = format!("kind = \"menu\"\n{listens}");
    let collect = format!("kind = \"collect\"\nnext = \"end\"\n{listens}");
    let http = "kind = \"http\"\nnext = \"end\"\non_error = \"end\"\n";
    let set = "kind = \"set\"\nnext = \"end\"\n";
    let play = "kind = \"play\"\nnext = \"end\"\n";
    let message = "kind = \"message\"\nmailbox = \"a\"\nnext = \"end\"\non_empty = \"end\"\n";
    for (node, fault) in [
        ("next = \"end\"".to_owned(), "kind is missing; play, wait"),
        ("kind = \"plya\"".into(), "kind = \"plya\"; allowed play, wait"),
        ("kind = \"callback\"".into(), "kind: \"callback\" is not available yet"),
        ("kind = \"survey\"".into(), "kind: \"survey\" is not available yet"),
        ("kind = \"media_fork\"".into(), "kind: \"media_fork\" is not available yet"),
        ("kind = \"text_to_speech\"".into(), "kind: \"text_to_speech\" is not available yet"),
        (play.into(), "say is missing; what is to be said"),
        (format!("{play}say = []"), "say: nothing is said"),
        (format!("{play}say = [5]"), "say.0 = 5; allowed a prompt's name, { digits"),
        (format!("{play}say = [{{ word = \"a\" }}]"), "say.0 = {\"word\":\"a\"}; allowed a prompt"),
        (format!("{play}say = [\"a b\"]"), "say.0 = \"a b\"; allowed 1–64 of a-z"),
        (format!("{play}say = [{{ silence_ms = 5 }}]"), "say.0.silence_ms = 5; allowed 10–10000 (milli"),
        (format!("{play}say = [{{ amount = 1 }}]"), "say.0.currency is missing; three capital"),
        (format!("{play}say = [{{ digits = \"1 +\" }}]"), "say.0.digits = \"1 +\"; allowed an expression; at character 4"),
        (format!("{play}say = \"a\"\nspeed = 2"), "speed: unknown key; known here: barge_in, kind, next, say"),
        ("kind = \"play\"\nsay = \"a\"".into(), "next is missing; name a node"),
        ("kind = \"play\"\nsay = \"a\"\nnext = \"The End\"".into(), "next = \"The End\"; allowed 1–64 of a-z"),
        ("kind = \"wait\"\nnext = \"end\"\nfor_s = 0".into(), "for_s = 0; allowed 1–3600 (seconds)"),
        (format!("{menu}keys = {{}}"), "keys: a menu without keys"),
        (menu.clone(), "keys is missing; edges by key"),
        (format!("{menu}keys = {{ 12345 = \"end\" }}"), "keys.12345: \"12345\" is no key; allowed 1–4 of 0-9"),
        (format!("{menu}keys = {{ 1 = \"end\" }}\nretries = 11"), "retries = 11; allowed 0–10 (retries)"),
        (format!("{menu}keys = {{ 1 = \"end\" }}\nbarge_in = \"yes\""), "barge_in = \"yes\"; allowed true or false"),
        (format!("{menu}keys = {{ 1 = \"end\" }}\nfirst_digit_s = 61"), "first_digit_s = 61; allowed 0.5–60 (seconds)"),
        (format!("{menu}keys = {{ 1 = \"end\" }}\ninter_digit_s = 0.1"), "inter_digit_s = 0.1; allowed 0.2–30 (seconds)"),
        (format!("{menu}keys = {{ 1 = \"end\" }}\nfirst_digit_s = 1\nfirst_digit_ms = 1000"), "first_digit_ms: first_digit_s says it already"),
        ("kind = \"menu\"\nkeys = { 1 = \"end\" }\non_no_match = \"end\"".into(), "on_timeout is missing; name a node"),
        ("kind = \"menu\"\nkeys = { 1 = \"end\" }\non_timeout = \"end\"".into(), "on_no_match is missing; name a node"),
        (format!("{collect}into = \"x\"\nmin = 5\nmax = 4"), "min: at least 5 digits, but at most 4"),
        (format!("{collect}into = \"x\"\nmax = 65"), "max = 65; allowed 1–64 (digits)"),
        (format!("{collect}into = \"x\"\nterminator = \"##\""), "terminator = \"##\"; allowed one of 0-9"),
        (collect.clone(), "into is missing; a variable of type text"),
        ("kind = \"branch\"\notherwise = \"end\"".into(), "cases is missing; a list of { if"),
        ("kind = \"branch\"\notherwise = \"end\"\ncases = [{ if = \"true\" }]".into(), "cases.0.then is missing"),
        (set.into(), "values: nothing is set"),
        (format!("{set}values = [{{ a = 1, b = 2 }}]"), "values.0 = {\"a\":1,\"b\":2}; allowed a table of one entry"),
        (format!("{set}values = {{ now = 1 }}"), "values.now: \"now\" is not allowed as a name"),
        (format!("{set}data = {{ \"a b\" = 1 }}"), "data.a b: \"a b\" is not allowed as a name"),
        (format!("{set}values = {{ x = 1.5 }}"), "values.x = 1.5; allowed an expression"),
        ("kind = \"loop\"\nbody = \"end\"\nnext = \"end\"\ntimes = 101".into(), "times = 101; allowed 1–100 (times)"),
        (format!("{http}url = \"crm.example\""), "url = \"crm.example\"; allowed an address with http"),
        (format!("{http}url = \"https://{{x}}/\""), "url = \"https://{x}/\"; allowed an address with http"),
        (format!("{http}url = \"https://a@b/\""), "url = \"https://a@b/\"; allowed an address with http"),
        (format!("{http}url = \"https://a/{{x\""), "url = \"https://a/{x\"; allowed text with {expression}; at character 11"),
        (format!("{http}url = \"https://a/{{secret:key}}\""), "url: a secret in an address would be logged"),
        (format!("{http}url = \"https://a/\"\nmethod = \"get\""), "method = \"get\"; allowed GET, POST"),
        (format!("{http}url = \"https://a/\"\nmethod = \"POST\"\nretries = 1"), "retries: POST cannot be repeated"),
        (format!("{http}url = \"https://a/\"\nbody = {{ a = 1 }}"), "body: GET has no body"),
        (format!("{http}url = \"https://a/\"\nheaders = {{ Host = \"b\" }}"), "headers.Host: \"Host\" is no name of a header"),
        (format!("{http}url = \"https://a/\"\nheaders = {{ Expect = \"b\" }}"), "headers.Expect: \"Expect\" is no name of a header"),
        (format!("{http}url = \"https://a/\"\nheaders = {{ A = \"{{{{secret:x}}}}\" }}"), "headers.A: \"{{secret:\" is text that looks like a secret"),
        (format!("{http}url = \"https://a/\"\nheaders = {{ A = \"b\\r\\nC: d\" }}"), "headers.A = \"b\\r\\nC: d\"; allowed one line"),
        (format!("{http}url = \"https://a/\"\ninto = {{ x = \"a\" }}"), "into.x = \"a\"; allowed a JSON pointer"),
        (format!("{http}url = \"https://a/\"\ntimeout_s = 31"), "timeout_s = 31; allowed 0.1–30 (seconds)"),
        ("kind = \"transfer\"".into(), "to is missing; { skill_queue"),
        ("kind = \"transfer\"\nto = \"support\"".into(), "to = \"support\"; allowed { skill_queue"),
        ("kind = \"transfer\"\nto = { queue = \"support\" }".into(), "to = {\"queue\":\"support\"}; allowed { skill_queue"),
        ("kind = \"transfer\"\nto = { number = \"'1'\" }".into(), "to.trunk is missing; text of 1–100"),
        ("kind = \"transfer\"\nto = { flow = \"a\" }\npriority = 1".into(), "priority: only a transfer to a queue"),
        ("kind = \"queue_status\"\nqueue = \"a\"\nnext = \"end\"".into(), "waiting: nothing is read"),
        (format!("{message}max_s = 601"), "max_s = 601; allowed 1–600 (seconds)"),
        (format!("{message}silence_s = 31"), "silence_s = 31; allowed 0 (never) or 1–30"),
        (format!("{message}stop_on = \"x\""), "stop_on = \"x\"; allowed 0–12 of 0-9"),
        ("kind = \"agent_sign_in\"\nnext = \"end\"\non_failure = \"end\"\non_locked = \"end\"\nmode = \"both\"".into(), "mode = \"both\"; allowed ask, hold"),
        ("kind = \"end\"\ncause = 128".into(), "cause = 128; allowed 1–127 (a Q.850 cause)"),
    ] {
        let faults = faults_of(&one(&node));
        let expected = format!("node \"n\": {fault}");
        match faults.as_slice() {
            [only] if only.starts_with(&expected) => {}
            _ => failed.push(format!("{node}\nexpected {expected}\nfound {faults:#?}\n")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_flow_itself_is_checked_as_a_whole() {
    let end = "[node.end]\nkind = \"end\"\n";
    for (flow, fault) in [
        (end.to_owned(), "start is missing; name a node"),
        ("start = \"end\"".into(), "node is missing; at least one"),
        (format!("start = 5\n{end}"), "start = 5; allowed 1–64 of a-z"),
        (
            format!("start = \"end\"\nstrat = 1\n{end}"),
            "strat: unknown key; known here: description",
        ),
        (
            format!("start = \"end\"\nlanguages = [\"e n\"]\n{end}"),
            "languages.0 = \"e n\"; allowed a language tag",
        ),
        (
            format!("start = \"end\"\n[node.End]\nkind = \"end\"\n{end}"),
            "node \"End\": \"End\" cannot name a node",
        ),
        (
            format!("start = \"end\"\n[variables]\nnow = \"time\"\n{end}"),
            "variables.now: \"now\" cannot name a variable",
        ),
        (
            format!("start = \"end\"\n[variables]\nx = \"string\"\n{end}"),
            "variables.x = \"string\"; allowed text, number, flag, time",
        ),
        (
            format!("start = \"end\"\n[variables]\nx = {{ value = 5 }}\n{end}"),
            "variables.x.type is missing; text, number",
        ),
        (
            format!(
                "start = \"end\"\n[variables]\nx = {{ type = \"number\", value = \"5\" }}\n{end}"
            ),
            "variables.x.value = \"5\"; allowed a whole number",
        ),
        (
            format!(
                "start = \"end\"\n[variables]\nx = {{ type = \"time\", value = \"tomorrow\" }}\n{end}"
            ),
            "variables.x.value = \"tomorrow\"; allowed a time as in",
        ),
    ] {
        let faults = faults_of(&flow);
        let [only] = faults.as_slice() else { panic!("{flow}\nnot one fault: {faults:#?}") };
        assert!(only.starts_with(fault), "{flow}\n{only}");
    }
    assert_eq!(flow(&Json::Null).unwrap_err()[0].to_string(), "null; allowed a table");
}

proptest::proptest! {
    /// Whatever of a good document is replaced by whatever: faults, never a panic, and what is read
    /// comes back the same.
    #[test]
    fn no_document_panics(at in 0usize..400, by in 0usize..9) {
        let mut document = document(WHOLE);
        let replacement = [
            Json::Null, Json::Bool(true), Json::from(-1), Json::from(1.5), Json::from(i64::MAX),
            Json::from(""), Json::from("é{"), Json::Array(vec![Json::Null]), serde_json::json!({"": 0}),
        ];
        let mut left = at;
        replace(&mut document, &mut left, &replacement[by]);
        if let Ok(read) = flow(&document) {
            let written = serde_json::to_value(&read).unwrap();
            proptest::prop_assert_eq!(flow(&written), Ok(read));
        }
    }
}

/// Replaces the value that comes after so many others.
fn replace(value: &mut Json, left: &mut usize, by: &Json) {
    if *left == 0 {
        *value = by.clone();
    }
    *left = left.wrapping_sub(1);
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, left, by)),
        Json::Object(entries) => entries.values_mut().for_each(|item| replace(item, left, by)),
        _ => {}
    }
}
