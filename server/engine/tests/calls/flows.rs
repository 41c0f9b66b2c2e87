//! Flows that have a call alone: how they begin, what the caller hears, and every way they leave it.

use crate::peers::*;
use crate::world::*;
use hotline_engine::TenantConfig;
use hotline_engine::config::{FIRST_PROMPT, Prompt, WAIT_TONE};
use hotline_engine::effect::{Effect, EffectDone};
use hotline_engine::event::EventKind;
use hotline_engine::record::{ReleaseReason, ReleasedBy};
use hotline_ivr::program::Flows;
use hotline_media::command::{AssetId, LegRef, PlayItem, RecordEnd};
use hotline_routing::config::{AnswerSupervision, CalledRoute, Destination};
use hotline_sip::header::HeaderName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Prompts that the flows of these tests say.
const PROMPTS: [&str; 6] = ["hello", "menu", "wrong", "sorry", "leave", "bye"];

/// The demo centre with flows, each as it is written in TOML; 12345 9 leads to flow `main`, 12345
/// 90 to the same, answered only when an agent answers.
pub fn centre_with(flows: &[(&str, &str)]) -> TenantConfig {
    let mut config = centre();
    let ready = |(name, text): &(&str, &str)| {
        let document: toml::Table = toml::from_str(text).expect("TOML");
        let document = serde_json::to_value(document).expect("JSON");
        let flow = hotline_ivr::read::flow(&document).unwrap_or_else(|why| panic!("{why:?}"));
        ((*name).to_owned(), flow)
    };
    let published: BTreeMap<_, _> = flows.iter().map(ready).collect();
    config.flows = Arc::new(Flows::build(&published, &BTreeMap::new()));
    let prompts = config.prompts.entry("en".into()).or_default();
    for (at, name) in PROMPTS.iter().enumerate() {
        let asset = AssetId(FIRST_PROMPT.0 + 1_000 + at as u32);
        prompts.insert((*name).into(), Prompt { asset, duration_ms: PROMPT_MS });
    }
    let routing = Arc::make_mut(&mut config.routing);
    routing.flows = published.into_keys().collect();
    let main = Destination::Flow("main".into());
    let mut supervised = CalledRoute::new("12345", Some("90"), main.clone());
    supervised.answer_supervision = AnswerSupervision::WhenAgentAnswers;
    routing.called_routes.push(CalledRoute::new("12345", Some("9"), main));
    routing.called_routes.push(supervised);
    config
}

/// What a leg hears, by name: `"hello"`, `"hello menu"`, `"tone"` for the wait tone.
pub fn heard(w: &World, leg: LegRef) -> String {
    let name = |item: &PlayItem| match item {
        PlayItem::Asset(asset) if *asset == WAIT_TONE => "tone".to_owned(),
        PlayItem::Asset(asset) => {
            let at = asset.0.wrapping_sub(FIRST_PROMPT.0 + 1_000) as usize;
            PROMPTS.get(at).map_or(format!("asset {}", asset.0), |name| (*name).to_owned())
        }
        PlayItem::Silence(ms) => format!("silence {ms}"),
    };
    let items = w.hears(leg).unwrap_or_default();
    items.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// The nodes that flows entered, in order.
pub fn steps(w: &World) -> Vec<String> {
    let step = |event: &hotline_engine::Event| match &event.kind {
        EventKind::FlowStep { flow, node, .. } => Some(format!("{flow}.{node}")),
        _ => None,
    };
    w.events.iter().filter_map(step).collect()
}

pub const PROMPT: u64 = PROMPT_MS as u64;

/// A menu that leads to each exit.
pub const MENU: &str = r#"
start = "hello"
[node.hello]
kind = "play"
say = ["hello"]
next = "menu"
[node.menu]
kind = "menu"
say = ["menu"]
retries = 1
keys = { 1 = "support", 2 = "agent", 3 = "outside", 4 = "nowhere", 5 = "end", 6 = "broken", 7 = "busy" }
on_timeout = "end"
on_no_match = "end"
[node.support]
kind = "transfer"
to = { skill_queue = "support" }
priority = "7"
[node.agent]
kind = "transfer"
to = { agent = "'1002'" }
on_failure = "sorry"
[node.outside]
kind = "transfer"
to = { number = "'+15557777'", trunk = "nobody" }
on_failure = "sorry"
[node.nowhere]
kind = "transfer"
to = { skill_queue = "gone" }
on_failure = "sorry"
[node.broken]
kind = "set"
values = { n = "1 / n" }
next = "end"
[node.busy]
kind = "end"
cause = 17
[node.sorry]
kind = "play"
say = ["sorry"]
next = "menu"
[node.end]
kind = "end"
say = ["bye"]
[variables]
n = { type = "number", value = 0 }
"#;

/// A caller in the menu.
fn in_menu() -> (World, Caller, LegRef) {
    let mut w = World::new(centre_with(&[("main", MENU)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    assert_eq!(heard(&w, leg), "hello");
    w.run(PROMPT);
    assert_eq!(heard(&w, leg), "menu");
    (w, caller, leg)
}

#[test]
fn a_menu_leads_into_a_queue_and_the_record_says_by_which_flow() {
    let (mut w, mut caller, leg) = in_menu();
    w.register(11, "1001");
    w.press(leg, "1");
    let mut ring = rings(&mut w, 11);
    assert_eq!(heard(&w, leg), "tone", "the caller waits");
    ring.answer(&mut w);
    assert!(w.bridged());
    ring.bye(&mut w);
    caller.hung_up(&mut w);
    assert_eq!(steps(&w), ["main.hello", "main.menu", "main.support"]);
    let record = w.record();
    assert_eq!(record.route.as_deref(), Some("flow \"main\""));
    assert_eq!(record.queues[0].queue, "support");
    assert_eq!(record.reason, Some(ReleaseReason::NormalClearing));
}

#[test]
fn a_menu_leads_to_an_agent_and_comes_back_when_it_cannot() {
    let (mut w, mut caller, leg) = in_menu();
    w.press(leg, "2");
    assert_eq!(heard(&w, leg), "sorry", "nobody is signed in");
    w.register(12, "1002");
    w.press(leg, "2");
    // The press stopped what was said and was kept for the menu.
    let ring = rings(&mut w, 12);
    assert_eq!(heard(&w, leg), "tone");
    ring.respond(&mut w, 180);
    ring.respond(&mut w, 486);
    w.take(12, "ACK");
    assert_eq!(heard(&w, leg), "sorry", "it declined");
    caller.bye(&mut w);
    assert_eq!(w.record().offers[0].outcome.as_deref(), Some("rejected"));

    let (mut w, mut caller, leg) = in_menu();
    w.register(12, "1002");
    w.press(leg, "2");
    rings(&mut w, 12).answer(&mut w);
    assert!(w.bridged());
    caller.bye(&mut w);
    hung_up(&mut w, 12);
    assert_eq!(w.record().agent.as_deref(), Some("1002"));
}

#[test]
fn transfers_to_what_is_not_there_come_back() {
    for key in ["3", "4"] {
        let (mut w, mut caller, leg) = in_menu();
        w.press(leg, key);
        assert_eq!(heard(&w, leg), "sorry", "{key}");
        w.run(PROMPT);
        assert_eq!(heard(&w, leg), "menu");
        caller.bye(&mut w);
        let record = w.record();
        assert_eq!(record.reason, Some(ReleaseReason::Abandoned));
        assert_eq!(record.released_by, Some(ReleasedBy::Caller));
    }
}

#[test]
fn a_flow_ends_the_call_with_its_cause() {
    for (key, said, cause) in [("5", true, 16), ("7", false, 17)] {
        let (mut w, mut caller, leg) = in_menu();
        w.press(leg, key);
        if said {
            assert_eq!(heard(&w, leg), "bye");
            w.run(PROMPT);
        }
        let bye = caller.hung_up(&mut w);
        let reason = header(&bye, HeaderName::Reason);
        assert!(reason.starts_with(&format!("Q.850;cause={cause};")), "{reason}");
        let record = w.record();
        assert_eq!((record.reason, record.q850), (Some(ReleaseReason::FlowEnded), cause));
        assert_eq!((record.released_by, record.sip_status), (Some(ReleasedBy::System), Some(200)));
    }
}

/// Never silence: what a flow cannot do ends in the tenant's fault announcement.
#[test]
fn a_flow_that_cannot_go_on_ends_in_the_fault_announcement() {
    let (mut w, mut caller, leg) = in_menu();
    w.press(leg, "6");
    let fault = w.hears(leg).unwrap();
    assert_eq!(fault.len(), 1);
    assert!(!heard(&w, leg).contains("tone"));
    w.run(PROMPT);
    let bye = caller.hung_up(&mut w);
    assert!(header(&bye, HeaderName::Reason).starts_with("Q.850;cause=41"));
    assert!(w.notices[0].starts_with("flow main, node broken: "), "{:?}", w.notices);
    assert_eq!(w.record().reason, Some(ReleaseReason::FlowFault));

    // A route to a flow that is not there.
    let mut w = World::new(centre_with(&[]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    assert_eq!(w.hears(w.legs()[0]), Some(fault));
    w.run(PROMPT);
    caller.hung_up(&mut w);
    assert_eq!(w.record().reason, Some(ReleaseReason::FlowFault));
}

const DECIDES: &str = r#"
start = "which"
[node.which]
kind = "branch"
otherwise = "refuse"
[[node.which.cases]]
if = "call.caller == '15550001'"
then = "support"
[node.support]
kind = "transfer"
to = { skill_queue = "support" }
[node.refuse]
kind = "end"
cause = 21
"#;

#[test]
fn a_flow_that_only_decides_answers_nobody() {
    let mut w = World::new(centre_with(&[("main", DECIDES)]));
    let stranger = Dial { number: "123459", from: "15559999", ..Dial::default() };
    let mut caller = stranger.go(&mut w);
    let refused = caller.expect(&mut w, 403);
    assert!(header(&refused, HeaderName::Reason).starts_with("Q.850;cause=21"));
    caller.ack_failure(&mut w);
    let record = w.record();
    assert_eq!((record.q850, record.sip_status), (21, Some(403)));

    // The queue answers, or the agent, as the route says.
    let mut w = World::new(centre_with(&[("main", DECIDES)]));
    w.register(11, "1001");
    let mut caller = call(&mut w, "1234590");
    caller.expect(&mut w, 183);
    rings(&mut w, 11).answer(&mut w);
    caller.answered(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

#[test]
fn before_the_answer_a_flow_speaks_by_early_media_and_hears_keys() {
    let mut w = World::new(centre_with(&[("main", MENU)]));
    w.register(11, "1001");
    let mut caller = call(&mut w, "1234590");
    caller.expect(&mut w, 183);
    let leg = w.legs()[0];
    assert_eq!(heard(&w, leg), "hello");
    let directions = w.directions(leg);
    assert_eq!(directions.last(), Some(&hotline_media::command::Direction::SendRecv));
    w.press(leg, "1");
    rings(&mut w, 11).answer(&mut w);
    caller.answered(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

/// A carrier that passes no early media: nobody hears the menu, and its time passes all the same.
#[test]
fn without_early_media_an_unanswered_flow_runs_unheard_and_ends() {
    let mut config = centre_with(&[("main", MENU)]);
    config.trunks[0].early_media = false;
    let mut w = World::new(config);
    let mut caller = call(&mut w, "1234590");
    caller.expect(&mut w, 180);
    assert_eq!(w.hears(w.legs()[0]), None);
    w.run(PROMPT * 4 + 2 * 5_000);
    caller.expect(&mut w, 480);
    caller.ack_failure(&mut w);
    let record = w.record();
    assert_eq!(record.reason, Some(ReleaseReason::FlowEnded));
    assert_eq!(record.arrived.0 + 1_000 * 11_600, record.released.unwrap().0);
}

#[test]
fn a_missing_prompt_is_left_out_and_the_flow_goes_on() {
    let mut config = centre_with(&[("main", MENU)]);
    config.prompts.get_mut("en").unwrap().remove("hello");
    let mut w = World::new(config);
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    assert_eq!(heard(&w, leg), "silence 100");
    w.run(100);
    assert_eq!(heard(&w, leg), "menu");
    assert_eq!(w.notices, ["prompt en/hello is missing; it was left out"]);
    caller.bye(&mut w);
    w.quiet();
}

#[test]
fn a_play_that_never_ends_does_not_keep_a_flow() {
    let mut w = World::new(centre_with(&[("main", MENU)]));
    let mut caller = call(&mut w, "123459");
    caller.answered(&mut w);
    let leg = w.legs()[0];
    w.media_stalls();
    w.run(PROMPT + 5_000);
    assert_eq!(heard(&w, leg), "menu");
    caller.bye(&mut w);
    w.quiet();
}

const ASKS: &str = r#"
start = "ask"
on_hang_up = "gone"
[variables]
name = { type = "text", value = "" }
[node.ask]
kind = "http"
url = "https://crm.example/callers/{call.caller}"
timeout_s = 2
into = { name = "/name" }
next = "note"
on_error = "failed"
[node.note]
kind = "set"
data = { customer = "name" }
next = "support"
[node.failed]
kind = "set"
data = { customer = "'unknown'" }
next = "support"
[node.support]
kind = "transfer"
to = { skill_queue = "support" }
[node.gone]
kind = "end"
"#;

#[test]
fn a_web_service_answers_fails_or_is_too_late() {
    let answer = || EffectDone::Http(serde_json::json!({ "name": "Ada" }));
    let failed = || EffectDone::Failed("503".into());
    type Act<'a> = &'a dyn Fn(&mut World);
    let rows: [(Act<'_>, &str); 3] = [
        (
            &|w| {
                let id = w.effects[0].0;
                w.done(id, answer());
            },
            "Ada",
        ),
        (
            &|w| {
                let id = w.effects[0].0;
                w.done(id, failed());
            },
            "unknown",
        ),
        (
            &|w| {
                w.run(1_999);
                assert!(!w.was_sent(11, "INVITE"));
                w.run(1);
            },
            "unknown",
        ),
    ];
    for (act, customer) in rows {
        let mut w = World::new(centre_with(&[("main", ASKS)]));
        w.register(11, "1001");
        let mut caller = call(&mut w, "123459");
        let Effect::Http(request) = &w.effects[0].1 else { panic!("{:?}", w.effects) };
        assert_eq!(request.url.expose(), "https://crm.example/callers/15550001");
        assert!(!w.was_sent(CARRIER, "200 INVITE"), "nothing is said yet");
        act(&mut w);
        let mut ring = rings(&mut w, 11);
        let told = header(&ring.invite, HeaderName::UserToUser);
        let told = told.strip_suffix(";encoding=hex").expect("RFC 7433");
        assert_eq!(told, hex(&format!("{{\"customer\":\"{customer}\"}}")));
        // An answer that comes when nobody waits is nobody's.
        let id = w.effects[0].0;
        w.done(id, answer());
        ring.answer(&mut w);
        caller.answered(&mut w);
        caller.bye(&mut w);
        hung_up(&mut w, 11);
        ring.learn();
        let record = w.record();
        assert_eq!(record.data.get("customer").map(String::as_str), Some(customer));
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

const MAILBOX: &str = r#"
start = "message"
on_hang_up = "gone"
[node.message]
kind = "message"
say = ["leave"]
mailbox = "sales"
max_s = 60
min_s = 2
next = "thanks"
on_empty = "empty"
[node.thanks]
kind = "end"
say = ["bye"]
[node.empty]
kind = "end"
say = ["sorry"]
[node.gone]
kind = "set"
data = { end = "'hung up'" }
next = "empty"
"#;

/// Messages that were kept: box, length in ms.
fn messages(w: &World) -> Vec<(String, u32)> {
    let message = |event: &hotline_engine::Event| match &event.kind {
        EventKind::MessageLeft { mailbox, duration_ms, .. } => {
            Some((mailbox.clone(), *duration_ms))
        }
        _ => None,
    };
    w.events.iter().filter_map(message).collect()
}

#[test]
fn a_message_is_recorded_after_the_tone_and_kept_if_long_enough() {
    for (spoken_ms, said, kept) in [(9_000, "bye", 1), (500, "sorry", 0)] {
        let mut w = World::new(centre_with(&[("main", MAILBOX)]));
        let mut caller = call(&mut w, "123459");
        caller.answered(&mut w);
        let leg = w.legs()[0];
        assert_eq!(heard(&w, leg), "leave");
        w.run(PROMPT);
        assert!(!w.records_leg(leg), "first the tone");
        w.run(200);
        assert!(w.records_leg(leg));
        w.run(spoken_ms);
        w.recorded(leg, RecordEnd::Silence);
        assert_eq!(heard(&w, leg), said);
        w.run(PROMPT);
        caller.hung_up(&mut w);
        assert_eq!(messages(&w).len(), kept);
        w.quiet();
    }
}

#[test]
fn who_hangs_up_while_speaking_has_left_a_message() {
    let mut w = World::new(centre_with(&[("main", MAILBOX)]));
    let mut caller = call(&mut w, "1234590");
    caller.expect(&mut w, 183);
    w.run(PROMPT);
    caller.answered(&mut w);
    w.run(200 + 7_000);
    caller.bye(&mut w);
    assert_eq!(messages(&w), [("sales".to_owned(), 7_000)]);
    let record = w.record();
    assert_eq!(record.data.get("end").map(String::as_str), Some("hung up"));
}

/// A flow is changed, and removed, while a caller is in it: the call ends on its version.
#[test]
fn a_call_ends_on_the_version_of_the_flow_it_began_with() {
    let (mut w, mut caller, leg) = in_menu();
    let other = "start = \"bye\"\n[node.bye]\nkind = \"end\"\nsay = [\"bye\"]\n";
    w.configure(TenantConfig { version: 2, ..centre_with(&[("main", other)]) });
    w.configure(TenantConfig { version: 3, ..centre_with(&[]) });
    w.press(leg, "9");
    assert_eq!(heard(&w, leg), "menu", "no match: said again");
    w.register(11, "1001");
    w.press(leg, "1");
    rings(&mut w, 11).answer(&mut w);
    caller.bye(&mut w);
    hung_up(&mut w, 11);
    w.quiet();
}

const LANGUAGES: &str = r#"
languages = ["en", "es"]
start = "es"
[node.es]
kind = "language"
language = "'es'"
remember = true
next = "hello"
on_unknown = "hello"
[node.hello]
kind = "end"
say = ["hello"]
"#;

#[test]
fn a_caller_is_remembered_to_speak_a_language() {
    let mut config = centre_with(&[("main", LANGUAGES)]);
    let spanish = Prompt { asset: AssetId(9_999), duration_ms: PROMPT_MS };
    let prompts = ["hello", "no_agents"].map(|name| (name.to_owned(), spanish)).into();
    config.prompts.insert("es".into(), prompts);
    let mut w = World::new(config.clone());
    let mut first = call(&mut w, "123459");
    first.answered(&mut w);
    assert_eq!(heard(&w, w.legs()[0]), "asset 9999");
    w.run(PROMPT);
    first.hung_up(&mut w);
    let speaks_spanish = |w: &mut World, yes: bool| {
        let mut caller = call(w, "123451");
        caller.answered(w);
        let leg = *w.legs().last().unwrap();
        assert_eq!(heard(w, leg) == "asset 9999", yes, "nobody is signed in");
        w.run(PROMPT);
        caller.hung_up(w);
        w.run(6_000);
    };
    speaks_spanish(&mut w, true);
    let languages: Vec<_> = w
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::LanguageRemembered { caller, language } => {
                Some((caller.clone(), language.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(languages.len(), 1);
    w.quiet();
    // A restart takes it back; without it the tenant's language is spoken.
    for (languages, yes) in [(languages, true), (Vec::new(), false)] {
        let mut w = World::new(config.clone());
        let (bindings, agents) = (Vec::new(), Vec::new());
        w.handle(hotline_engine::Input::Restore {
            partition: TENANT,
            bindings,
            agents,
            languages,
            tries: Vec::new(),
        });
        speaks_spanish(&mut w, yes);
    }
}

/// The disk took longer than the record waits: the file was there, and nobody heard of it.
#[test]
fn a_message_that_is_written_after_its_call_is_over_is_a_message() {
    for (said_ms, kept) in [(7_000, 1), (1_000, 0)] {
        let mut w = World::new(centre_with(&[("main", MAILBOX)]));
        w.worker.slow_disk = true;
        let mut caller = call(&mut w, "123459");
        caller.answered(&mut w);
        w.run(PROMPT + 200 + said_ms);
        caller.bye(&mut w);
        w.run(15_000);
        assert_eq!((w.records().len(), messages(&w).len()), (1, 0), "the record waits no longer");
        w.disk_has_written();
        assert_eq!(messages(&w).len(), kept);
        w.quiet();
    }
}

/// A long text said digit by digit had more pieces than a play might have: nothing was heard.
#[test]
fn as_much_as_a_node_can_say_is_said() {
    const LONG: &str = r#"
start = "say"
[variables]
text = { type = "text", value = "TEXT" }
[node.say]
kind = "play"
say = [SAY]
next = "end"
[node.end]
kind = "end"
"#;
    for (pieces, heard) in [(3, 96), (32, 1_024)] {
        let say = vec!["{ digits = \"text\" }"; pieces].join(", ");
        let text = LONG.replace("TEXT", &"7".repeat(32)).replace("SAY", &say);
        let mut centre = centre_with(&[("main", &text)]);
        let prompts = centre.prompts.entry("en".into()).or_default();
        let asset = AssetId(FIRST_PROMPT.0 + 5_000);
        prompts.insert("digit_7".into(), Prompt { asset, duration_ms: 500 });
        let mut w = World::new(centre);
        let mut caller = call(&mut w, "123459");
        caller.answered(&mut w);
        assert_eq!(w.hears(w.legs()[0]).unwrap().len(), heard);
        assert!(heard <= hotline_media::worker::ITEMS_MAX);
        caller.bye(&mut w);
        w.quiet();
    }
}
