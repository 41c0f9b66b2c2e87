//! What is wrong with a configuration, a line each.

use super::centre::{self, Loaded};
use super::fault::Faults;
use super::node::NodeConfig;
use super::plan::Plan;
use super::tree::Node;
use super::{Centre, build};
use std::collections::BTreeMap;

const NO_NUMBERS: BTreeMap<String, u32> = BTreeMap::new();

const GOOD: &str = r#"[tenant]
name = "acme"
domains = ["acme.example"]
realm = "acme"

[[organisation]]
name = "north"
answer_mode = "manual"

[[organisation]]
name = "team"
parent = "north"

[[skill_queue]]
name = "support"
description = "Help"
wrap_up_s = 5

[[skill_queue]]
name = "sales"
description = "Sales"

[[access_code]]
code = "12345"
type = "voice"

[[called_route]]
access_code = "12345"
extension_code = "1"
skill_queue = "support"

[[agent]]
employee_id = "1001"
type = "audio"
role = "common"
organisation = "team"
softphone = { number = "1001", password = "correct horse" }
skill_queues = [{ queue = "support", level = 1 }]
"#;

fn read(text: &str) -> Result<Loaded, Faults> {
    let root = Node::from_toml(text).unwrap();
    centre::from_node(&root, "centre.toml", None)
}

/// The line `changed` makes of the good centre, where `from` is replaced by `to`.
fn check(from: &str, to: &str, expected: &str) {
    assert!(GOOD.contains(from), "{from}");
    let faults = read(&GOOD.replacen(from, to, 1)).expect_err(to);
    let text = faults.to_string();
    assert_eq!(text, expected, "\n{to}");
}

#[test]
fn each_wrong_value_gives_one_line_that_names_place_object_field_value_and_what_is_allowed() {
    assert_eq!(read(GOOD).map(|loaded| loaded.warnings), Ok(vec![]));
    check(
        "wrap_up_s = 5",
        "wrap_up_s = 7200",
        "centre.toml:17: skill_queue \"support\": wrap_up_s = 7200; allowed 0–3600 (seconds)",
    );
    check(
        "wrap_up_s = 5",
        "wrapup = 5",
        "centre.toml:17: skill_queue \"support\": wrapup = 5; allowed only these keys: name, \
         description, type, max_waiting_time_s, max_calls_in_queue, wrap_up_s, on_timeout, on_busy, \
         busy_when, on_no_agents, no_agents_while_waiting, waiting, hold, announce_on_answer, \
         distribution, offer_time_s, mobile_offer_time_s, announce_every_s, announce, weight, \
         display_name, draft",
    );
    check(
        "wrap_up_s = 5",
        "record = true",
        "centre.toml:17: skill_queue \"support\": record = true; allowed nothing: not available yet",
    );
    check(
        "wrap_up_s = 5",
        "on_timeout = { skill_queue = \"nowhere\" }",
        "centre.toml:17: skill_queue \"support\": on_timeout = \"nowhere\"; allowed the name of a skill queue",
    );
    check(
        "level = 1",
        "level = 11",
        "centre.toml:38: agent \"1001\": skill_queues[1].level = 11; allowed 1–10 (1 is best)",
    );
    check(
        "parent = \"north\"",
        "parent = \"south\"",
        "centre.toml:12: organisation \"team\": parent = \"south\"; allowed the name of an \
         organisation: north, team",
    );
    check(
        "type = \"audio\"",
        "type = \"robot\"",
        "centre.toml:34: agent \"1001\": type = \"robot\"; allowed audio, video, multimedia, versatile",
    );
    check(
        "employee_id = \"1001\"",
        "nickname = \"x\"\nemployee_id = \"1001\"",
        "centre.toml:33: agent \"1001\": nickname = \"x\"; allowed nothing: not available yet",
    );
}

/// The generated password of agent `1001.pin` and the PIN of agent 1001 were one file.
#[test]
fn no_softphone_has_the_number_of_another_file_of_secrets() {
    for number in ["1001.pin", "flow", ".", "..", ".1001.partial"] {
        let text = GOOD.replace("{ number = \"1001\"", &format!("{{ number = {number:?}"));
        let faults = read(&text).unwrap_err().to_string();
        assert!(faults.contains(&format!("softphone.number = {number:?}; allowed")), "{faults}");
    }
    read(&GOOD.replace("{ number = \"1001\"", "{ number = \"10.01-a\"")).unwrap();
}

#[test]
fn a_wrong_password_never_shows() {
    let text = read(&GOOD.replace("correct horse", "short")).unwrap_err().to_string();
    assert!(text.contains("softphone.password = [redacted]"), "{text}");
    assert!(!text.contains("short"), "{text}");
}

#[test]
fn only_ha1_is_kept_and_inheritance_goes_agent_organisation_tenant() {
    let loaded = read(GOOD).unwrap();
    let stored = format!("{:?}", loaded.centre);
    assert!(!stored.contains("correct horse"));
    let tenant =
        build::tenant(&loaded.centre, hotline_base::Partition(1), 1, build::Parts::default())
            .unwrap();
    assert!(!tenant.softphones["1001"].automatic_answer, "manual, from the organisation above");
    let round = centre::from_node(&Node::from_json(&loaded.centre.to_json()), "", None).unwrap();
    assert_eq!(round.centre, loaded.centre, "what the API is sent is what is stored");
}

/// The numbers and the mark were taken in and did nothing; then they were refused.
#[test]
fn the_anonymisation_of_an_agent_reaches_its_calls_with_or_without_a_telephone_to_sign_in_from() {
    let text = GOOD.to_owned()
        + "anonymised = true\nnumber_shown_to_customer = \"15550009\"\nnumber_shown_to_agent = \"4711\"\n";
    let loaded = read(&text).unwrap();
    assert!(loaded.centre.to_json().to_string().contains("\"anonymised\":true"), "it is stored");
    let tenant =
        build::tenant(&loaded.centre, hotline_base::Partition(1), 1, build::Parts::default())
            .unwrap();
    assert!(tenant.anonymisation["1001"].anonymised);
    assert_eq!(tenant.number_shown_to_customer("1001"), Some("15550009"));
    assert_eq!(tenant.number_shown_to_agent("1001"), Some("4711"));
    assert_eq!(tenant.number_shown_to_agent("1002"), None);
}

#[test]
fn a_plan_says_what_changes_with_defaults_filled_in_and_keeps_what_is_not_pruned() {
    let before = read(GOOD).unwrap().centre;
    let text = GOOD
        .replace("wrap_up_s = 5", "wrap_up_s = 10\noffer_time_s = 30")
        .replace("[[skill_queue]]\nname = \"sales\"\ndescription = \"Sales\"\n", "");
    let after = read(&text).unwrap().centre;
    let (plan, result) = Plan::between(&before, &after, &NO_NUMBERS, false);
    assert_eq!(
        plan.to_string(),
        "~ skill_queue \"support\": offer_time_s 20 → 30\n\
         ~ skill_queue \"support\": wrap_up_s 5 → 10\n  \
         skill_queue \"sales\" is not in the directory and stays (--prune deletes it)\n"
    );
    assert!(result.objects.contains_key(&("skill_queue".into(), "sales".into())));
    let (plan, result) = Plan::between(&before, &after, &NO_NUMBERS, true);
    assert!(plan.to_string().contains("- skill_queue \"sales\"\n"));
    assert!(!result.objects.contains_key(&("skill_queue".into(), "sales".into())));
    assert!(Plan::between(&after, &after, &NO_NUMBERS, true).0.is_empty());
    assert_eq!(Plan::between(&Centre::default(), &after, &NO_NUMBERS, false).0.changes.len(), 7);
}

#[test]
fn a_generated_password_is_kept_on_the_next_apply() {
    let generate = GOOD.replace("\"correct horse\"", "{ generate = true }");
    let wanted = read(&generate).unwrap().centre;
    let have = read(GOOD).unwrap().centre;
    let (plan, result) = Plan::between(&have, &wanted, &NO_NUMBERS, false);
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(result.objects, have.objects);
}

#[test]
fn the_node_file_and_its_overrides_name_what_is_wrong() {
    let none = |_: &str| None;
    let config = NodeConfig::read("", "hotline.toml", &none).unwrap();
    assert_eq!((config.media_ports, config.drain_s), ((20_000, 29_999), 300));
    for (text, expected) in [
        (
            "[media]\nports = \"1-2\"",
            "hotline.toml:2: [media]: ports = \"1-2\"; allowed FIRST-LAST, first even, 1024–65535, at least 4 ports",
        ),
        (
            "[sip]\nlisten = [\"tls://0.0.0.0:5061\"]",
            "hotline.toml:2: [sip]: listen[1] = \"tls://0.0.0.0:5061\"; allowed udp://ADDRESS:PORT or \
             tcp://ADDRESS:PORT (tls, ws and wss are not available yet)",
        ),
        (
            "[nod]\nname = \"x\"",
            "hotline.toml:1: [nod]: unknown section; allowed node, sip, tls, media, http, store, prompts, effects, log and [[trunk]]",
        ),
        (
            "[[trunk]]\nname = \"c\"\npeers = [\"300.1.1.1\"]",
            "hotline.toml:3: trunk \"c\": peers[1] = \"300.1.1.1\"; allowed addresses or networks as in 198.51.100.0/24",
        ),
        (
            "[effects]\ninside_hosts = [\"10.0.0.5:80\", \"8.8.8.8:80\"]",
            "hotline.toml:2: [effects]: inside_hosts[2] = \"8.8.8.8:80\"; allowed ADDRESS:PORT or \
             TENANT=ADDRESS:PORT, the address inside the network",
        ),
        ("[node", "hotline.toml:1: unclosed table, expected `]`"),
    ] {
        let faults = NodeConfig::read(text, "hotline.toml", &none).unwrap_err();
        assert_eq!(faults.to_string(), expected);
    }
    let environment = |name: &str| match name {
        "HOTLINE_NODE_DRAIN_S" => Some("7".to_string()),
        "HOTLINE_NODE_DATA_DIR" => Some("/var/lib/hotline".to_string()),
        "HOTLINE_EFFECTS_INSIDE_HOSTS" => Some("10.0.0.5:80, acme=[::1]:81".to_string()),
        "HOTLINE_EFFECTS_CA_FILE" => Some("ca.pem".to_string()),
        _ => None,
    };
    let config = NodeConfig::read("[node]\ndrain_s = 9", "hotline.toml", &environment).unwrap();
    assert_eq!(config.drain_s, 7);
    let open = |tenant: &str| config.inside_hosts.iter().filter(|h| h.is_open_to(tenant)).count();
    assert_eq!((open("acme"), open("other")), (2, 1));
    assert_eq!(config.ca_file.as_deref(), Some(std::path::Path::new("ca.pem")));
    assert_eq!(config.store_url, "sqlite:/var/lib/hotline/hotline.db");
    let environment = |name: &str| (name == "HOTLINE_NODE_ENGINES").then(|| "many".to_string());
    let faults = NodeConfig::read("", "hotline.toml", &environment).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "HOTLINE_NODE_ENGINES: [node]: engines = \"many\"; allowed 1–64 (threads that own tenants)"
    );
}

#[test]
fn the_demo_and_the_starter_centre_are_good() {
    let starter = read(include_str!("../cli/starter.toml"));
    let demo = crate::centres::demo();
    for loaded in [starter, demo] {
        let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(loaded.warnings, vec![]);
        let places = centre::Places::default();
        let sounds = crate::prompts::standard_names();
        let (faults, warnings) = super::flows::check(&loaded.centre, &places, &sounds);
        assert_eq!((faults, warnings), (vec![], vec![]));
    }
}

fn wrong(change: impl Fn(&str) -> String) -> String {
    read(&change(GOOD)).expect_err("something is wrong").to_string()
}

#[test]
fn single_phone_agents_need_a_pin_a_way_in_and_a_way_out() {
    let agent = "single_phone = { enabled = true, pin = \"20394857\" }\nemployee_id = \"1001\"";
    let text = wrong(|good| good.replace("employee_id = \"1001\"", agent));
    assert_eq!(
        text,
        "centre.toml:33: agent \"1001\": single_phone = { enabled = true }; allowed only with a way to sign \
         in: a called route, no draft, to a published flow that has an agent_sign_in node\n\
         centre.toml:33: agent \"1001\": single_phone = { enabled = true }; allowed only with a trunk that \
         has a target"
    );
    let targets = |good: &str| {
        let trunk = |name: &str| {
            format!("[[trunk]]\nname = \"{name}\"\npeers = [\"::1\"]\ntarget = \"[::1]:5060\"\n")
        };
        good.replace("employee_id = \"1001\"", agent) + &trunk("a") + &trunk("b")
    };
    let text = wrong(targets);
    assert!(
        text.contains("tenant \"acme\": single_phone.trunk is missing; the trunk that mobiles are called by, one of a, b"),
        "{text}"
    );
    let short = agent.replace("20394857", "039");
    let text = wrong(|good| good.replace("employee_id = \"1001\"", &short));
    assert!(text.contains("single_phone.pin = [redacted]; allowed"), "{text}");
    assert!(!text.contains("039"), "{text}");
}

#[test]
fn codes_that_cannot_be_told_apart_are_refused_and_overlaps_are_reported() {
    let tenant = "realm = \"acme\"\n";
    let codes = "single_phone = { feature_codes = { hold = \"*\" } }\n";
    let text = wrong(|good| good.replace(tenant, &format!("{tenant}{codes}")));
    assert_eq!(
        text,
        "centre.toml:5: tenant \"acme\": single_phone.feature_codes.hold = \"*\"; allowed a code that \
         consult does not begin with"
    );
    let codes = "single_phone = { star_codes = { idle = \"12345\" } }\n";
    let loaded = read(&GOOD.replace(tenant, &format!("{tenant}{codes}"))).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].to_string().contains("star_codes.idle = \"12345\""));
    let loaded = read(&GOOD.replace("1001", "112")).unwrap();
    let text = Faults(loaded.warnings).to_string();
    for field in ["employee_id", "softphone.number"] {
        let line = format!("{field} = \"112\"; allowed a number that is no emergency number");
        assert!(text.contains(&line), "{text}");
    }
}

/// Each pair of numbers that somebody dials and gets another than who is meant.
#[test]
fn overlaps_between_kinds_of_numbers_are_reported() {
    let rows = [
        (
            "softphone = { number = \"1001\"",
            "softphone = { number = \"12345\"",
            "agent \"1001\": softphone.number = \"12345\"; allowed a number that is nothing else: agents \
             who dial 12345 reach this phone, all others the access code",
        ),
        (
            "softphone = { number = \"1001\"",
            "softphone = { number = \"123451\"",
            "agent \"1001\": softphone.number = \"123451\"; allowed a number that is nothing else: agents \
             who dial 123451 reach this phone, all others the called route \"12345/1\"",
        ),
        (
            "realm = \"acme\"\n",
            "realm = \"acme\"\nsingle_phone = { star_codes = { idle = \"10\" } }\n",
            "tenant \"acme\": single_phone.star_codes.idle = \"10\"; allowed a code that no number begins \
             with: 1001 is agent \"1001\"",
        ),
        (
            "realm = \"acme\"\n",
            "realm = \"acme\"\nsingle_phone = { star_codes = { idle = \"11\" } }\n",
            "tenant \"acme\": single_phone.star_codes.idle = \"11\"; allowed a code that no number begins \
             with: 110 is an emergency number somewhere",
        ),
    ];
    for (from, to, expected) in rows {
        assert!(GOOD.contains(from), "{from}");
        let loaded = read(&GOOD.replacen(from, to, 1)).unwrap();
        let text = Faults(loaded.warnings).to_string();
        assert!(text.contains(expected), "{text}\nexpected {expected}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let text =
        GOOD.replace("12345", "1").replace("extension_code = \"1\"", "extension_code = \"12\"");
    let text = Faults(read(&text).unwrap().warnings).to_string();
    assert!(text.contains("extension_code = \"112\"; allowed one with which 112 is no"), "{text}");
}

/// A draft is there for test callers only: the agents had no way to sign in.
#[test]
fn agents_sign_in_by_a_published_route_at_any_time_of_day() {
    let flow = "start = \"in\"\n[node.in]\nkind = \"agent_sign_in\"\nnext = \"end\"\n\
                on_failure = \"end\"\non_locked = \"end\"\n[node.end]\nkind = \"end\"\n";
    let trunk = "[[trunk]]\nname = \"t\"\npeers = [\"192.0.2.1\"]\ntarget = \"192.0.2.1:5060\"\n\
                 [[working_time]]\nname = \"office\"\n";
    let agent = "single_phone = { enabled = true, pin = \"20394857\" }\nemployee_id = \"1001\"";
    let with = |route: &str| {
        let text = GOOD.replace("employee_id = \"1001\"", agent).replace(
            "[[agent]]",
            &format!("[[called_route]]\naccess_code = \"12345\"\n{route}\n\n[[agent]]"),
        );
        let tree = Node::from_toml(flow).unwrap();
        let flows = [("sign_in".to_string(), ("flows/sign_in.toml".to_string(), tree))];
        let root = Node::from_toml(&format!("{text}{trunk}")).unwrap();
        centre::from_sources(&root, "centre.toml", None, flows.into())
    };
    let by_night = "skill_queue = \"support\"\nworking_time = \"office\"\n\
                    out_of_hours = { flow = \"sign_in\" }";
    for route in ["flow = \"sign_in\"", by_night] {
        assert!(with(route).is_ok(), "{route}: {:?}", with(route).map(|loaded| loaded.warnings));
    }
    let faults = with("flow = \"sign_in\"\ndraft = true").unwrap_err().to_string();
    assert!(
        faults.contains("allowed only with a way to sign in: a called route, no draft"),
        "{faults}"
    );
}

/// Each was accepted, and wrong in every call.
#[test]
fn what_flows_and_routes_name_must_be_there() {
    let sounds = crate::prompts::standard_names();
    let end = "[node.end]\nkind = \"end\"\n";
    let against = |tenant: &str, node: &str| {
        let text = GOOD.replace("realm = \"acme\"\n", &format!("realm = \"acme\"\n{tenant}\n"));
        let text = format!(
            "{text}[[trunk]]\nname = \"t\"\npeers = [\"192.0.2.1\"]\ntarget = \"192.0.2.1:5060\"\n\
             outside_prefixes = [\"+46\"]\n"
        );
        let flow = format!("start = \"n\"\n[node.n]\n{node}\n{end}");
        let document: serde_json::Value = toml::from_str(&flow).unwrap();
        let centre = read(&text).unwrap().centre;
        let (faults, _) = super::flows::check_one(&centre, &sounds, "f", &document);
        Faults(faults).to_string()
    };
    let http =
        |url: &str| format!("kind = \"http\"\nurl = \"{url}\"\nnext = \"end\"\non_error = \"end\"");
    assert_eq!(
        against("", &http("https://crm.example/x")),
        "flow \"f\": node \"n\": url = \"crm.example:443\"; allowed a host that the tenant's http_hosts \
         permits: none"
    );
    let hosts = "http_hosts = [\"crm.example\", \"127.0.0.1:9000\"]";
    assert_eq!(against(hosts, &http("https://crm.example/{call.caller}")), "");
    assert_eq!(against(hosts, &http("http://127.0.0.1:9000/")), "");
    let wrong = against(hosts, &http("https://crm.example:8443/"));
    assert!(wrong.contains("\"crm.example:8443\"; allowed a host"), "{wrong}");
    let number = |number: &str| {
        format!(
            "kind = \"transfer\"\nto = {{ number = \"'{number}'\", trunk = \"t\" }}\non_failure = \"end\""
        )
    };
    assert_eq!(against("", &number("+4670")), "");
    assert!(against("", &number("+1900")).contains("outside_prefixes of trunk \"t\" allow: +46"));
    let text = wrong_route("language = \"fr\"");
    assert!(
        text.contains("called_route \"12345/1\": language = \"fr\"; allowed a language of"),
        "{text}"
    );
    let text = wrong_route("agent = \"123456789012345678901\"");
    assert!(text.contains("allowed 1–20 characters of 0123456789"), "{text}");
}

fn wrong_route(more: &str) -> String {
    wrong(|good| {
        good.replace("extension_code = \"1\"\n", &format!("extension_code = \"1\"\n{more}\n"))
    })
}

#[test]
fn a_working_time_that_is_none_names_its_field_and_routes_name_one_that_is_there() {
    let time = "\n[[working_time]]\nname = \"office\"\nworkday = [[\"08:00\", \"25:00\"]]\n";
    let text = wrong(|good| format!("{good}{time}"));
    assert!(
        text.starts_with(
            "centre.toml:42: working_time \"office\": workday.1 = [\"08:00\", \"25:00\"]; allowed"
        ),
        "{text}"
    );
    let route = "skill_queue = \"support\"\nworking_time = \"nights\"\n\n[[agent]]";
    let text = wrong(|good| good.replace("skill_queue = \"support\"\n\n[[agent]]", route));
    assert!(text.contains("called_route \"12345/1\": working_time = \"nights\""), "{text}");
}

#[test]
fn a_flow_that_cannot_be_read_names_file_and_line_and_a_changed_one_gets_the_next_number() {
    let flow = "start = \"bye\"\n[node.bye]\nkind = \"end\"\ncause = 500\n";
    let with = |text: &str| {
        let tree = Node::from_toml(text).unwrap();
        let flows = [("bye".to_string(), ("flows/bye.toml".to_string(), tree))];
        centre::from_sources(&Node::from_toml(GOOD).unwrap(), "centre.toml", None, flows.into())
    };
    let text = with(flow).unwrap_err().to_string();
    assert!(
        text.starts_with(
            "flows/bye.toml:4: flow \"bye\": node \"bye\": cause = 500; allowed 1–127"
        ),
        "{text}"
    );
    let before = with(&flow.replace("500", "16")).unwrap().centre;
    let numbers = BTreeMap::from([("bye".to_string(), 3)]);
    let (plan, before) = Plan::between(&read(GOOD).unwrap().centre, &before, &numbers, false);
    assert_eq!(plan.to_string(), "+ flow \"bye\": version 4\n");
    let after = with(&flow.replace("500", "17")).unwrap().centre;
    let (plan, _) = Plan::between(&before, &after, &NO_NUMBERS, false);
    assert_eq!(plan.to_string(), "~ flow \"bye\": version 4 → 5\n");
    assert!(Plan::between(&before, &before, &NO_NUMBERS, false).0.is_empty());
}

/// A sub-flow's new version took a parameter more than its caller gave, and was published: every
/// call to the caller failed from then on.
#[test]
fn publishing_a_flow_is_refused_when_it_breaks_another_and_not_for_what_was_broken_before() {
    let sub = "start = \"bye\"\n[node.bye]\nkind = \"end\"\n";
    let stricter = format!("parameters = [\"account\"]\n{sub}[variables]\naccount = \"text\"\n");
    let caller = "start = \"run\"\n[node.run]\nkind = \"subflow\"\nflow = \"sub\"\nnext = \"bye\"\n\
        [node.bye]\nkind = \"end\"\n";
    let broken = caller.replace("\"sub\"", "\"gone\"");
    let document = |text: &str| toml::from_str::<serde_json::Value>(text).unwrap();
    let mut centre = read(GOOD).unwrap().centre;
    for (name, text) in [("sub", sub), ("caller", caller), ("old", &broken)] {
        let flow = super::flows::Flow { document: document(text), version: 1 };
        centre.flows.insert(name.into(), flow);
    }
    let sounds = crate::prompts::standard_names();
    let against = |name: &str, text: &str| {
        let faults = super::flows::against_publishing(&centre, &sounds, name, &document(text));
        Faults(faults).to_string()
    };
    assert_eq!(against("sub", sub), "", "what was wrong before stands against nothing");
    let text = against("sub", &stricter);
    assert!(text.starts_with("flow \"caller\": node \"run\": with"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let text = against("old", &broken);
    assert!(text.starts_with("flow \"old\": node \"run\": flow = \"gone\""), "{text}");
    let (faults, _) = super::flows::check_one(&centre, &sounds, "sub", &document(&stricter));
    assert_eq!(faults, vec![], "a draft is told what is wrong with itself");
}
