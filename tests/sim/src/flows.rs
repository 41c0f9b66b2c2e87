//! The flows of the simulated centres.
//!
//! Owns: their text. They go everywhere a flow can: keys, web services, messages, queues, agents,
//! each other, and round in circles with queues.

use hotline_ivr::model::Flow;
use hotline_ivr::program::Flows;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A menu with every exit; its hang-up branch asks a web service.
const MENU: &str = r##"
start = "ask"
on_hang_up = "gone"
on_fault = "menu"
[variables]
vip = { type = "flag", value = false }
number = { type = "text", value = "" }
[node.ask]
kind = "http"
url = "https://crm.example/{call.caller}"
timeout_s = 2
into = { vip = "/vip" }
next = "menu"
on_error = "menu"
[node.menu]
kind = "menu"
say = ["sorry", { digits = "call.dialled" }]
first_digit_s = 3
retries = 1
keys = { 1 = "support", 2 = "sales", 3 = "agent", 4 = "message", 5 = "number", 6 = "other", 7 = "nowhere", 8 = "round" }
on_timeout = "support"
on_no_match = "bye"
[node.support]
kind = "transfer"
to = { skill_queue = "support" }
[node.sales]
kind = "transfer"
to = { skill_queue = "sales" }
on_failure = "menu"
[node.agent]
kind = "transfer"
to = { agent = "'1002'" }
on_failure = "menu"
[node.message]
kind = "message"
mailbox = "sales"
max_s = 5
next = "bye"
on_empty = "menu"
[node.number]
kind = "collect"
say = ["sorry"]
into = "number"
max = 4
next = "note"
on_timeout = "bye"
on_no_match = "bye"
[node.note]
kind = "set"
data = { number = "number" }
next = "support"
[node.other]
kind = "transfer"
to = { flow = "round" }
[node.nowhere]
kind = "transfer"
to = { skill_queue = "nowhere" }
on_failure = "menu"
[node.round]
kind = "subflow"
flow = "round"
next = "menu"
[node.bye]
kind = "end"
say = ["sorry"]
cause = 17
[node.gone]
kind = "http"
method = "POST"
url = "https://crm.example/gone"
timeout_s = 5
next = "done"
on_error = "done"
[node.done]
kind = "end"
"##;

/// Runs while callers wait: announcements, keys that lead out.
const WAITS: &str = r#"
start = "say"
on_hang_up = "gone"
[node.say]
kind = "menu"
say = ["sorry", { number = "queue.position" }]
first_digit_s = 1
retries = 0
keys = { 1 = "leave", 2 = "message", 3 = "bye", 4 = "broken" }
on_timeout = "wait"
on_no_match = "wait"
[node.wait]
kind = "wait"
for_s = 4
tone = "default"
next = "say"
[node.leave]
kind = "transfer"
to = { skill_queue = "tiny" }
on_failure = "say"
[node.message]
kind = "message"
mailbox = "support"
max_s = 4
next = "bye"
on_empty = "bye"
[node.broken]
kind = "branch"
otherwise = "say"
[[node.broken.cases]]
if = "1 / (queue.position - queue.position) == 1"
then = "say"
[node.gone]
kind = "set"
data = { gone = "'yes'" }
next = "bye"
[node.bye]
kind = "end"
"#;

/// Sends back to the queue that sends here.
const ROUND: &str = r#"
start = "say"
[node.say]
kind = "play"
say = ["sorry"]
next = "on"
[node.on]
kind = "transfer"
to = { skill_queue = "flowed" }
on_failure = "end"
[node.end]
kind = "end"
"#;

/// Agents sign in here by telephone.
const SIGN_IN: &str = r#"
start = "sign_in"
[node.sign_in]
kind = "agent_sign_in"
tries = 3
next = "bye"
on_failure = "bye"
on_locked = "locked"
[node.locked]
kind = "end"
cause = 21
[node.bye]
kind = "end"
"#;

/// The flow by which agents sign in.
pub const SIGN_IN_FLOW: &str = "sign_in";

/// Names of the flows.
pub const NAMES: [&str; 4] = ["menu", "waits", "round", SIGN_IN_FLOW];

/// The flows, ready to run.
pub fn flows() -> Arc<Flows> {
    let texts = [MENU, WAITS, ROUND, SIGN_IN];
    let published: BTreeMap<String, Flow> =
        NAMES.iter().zip(texts).map(|(name, text)| ((*name).to_owned(), read(text))).collect();
    Arc::new(Flows::build(&published, &BTreeMap::new()))
}

fn read(text: &str) -> Flow {
    let document: toml::Table = toml::from_str(text).expect("the flow is TOML");
    let document = serde_json::to_value(document).expect("TOML can be JSON");
    hotline_ivr::read::flow(&document).unwrap_or_else(|faults| panic!("{faults:?}"))
}
