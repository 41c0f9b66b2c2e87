//! Each fault by a minimal flow that has it and no other, and by what makes it go away.

use super::*;
use crate::read;
use std::collections::BTreeSet;

mod ways;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A tenant that speaks English, Mandarin (all of it) and Spanish (a little).
fn world() -> World {
    let all = |language| -> BTreeSet<String> {
        let units = crate::say::units(language).into_iter().map(String::from);
        units.chain(crate::say::SENTENCES.iter().map(|name| (*name).to_owned())).collect()
    };
    let mut english = all("en");
    english.insert("only_english".into());
    let mut spanish = all("es");
    spanish.remove("digit_7");
    spanish.remove("goodbye");
    World {
        languages: names(&["en", "zh", "es"]),
        default_language: "en".into(),
        prompts: [("en", english), ("zh", all("zh")), ("es", spanish)]
            .map(|(language, prompts)| (language.to_owned(), prompts))
            .into(),
        queues: [
            ("support".to_owned(), QueueType::Voice),
            ("chat".to_owned(), QueueType::Multimedia),
            ("web".to_owned(), QueueType::VoiceClickToDial),
        ]
        .into(),
        agents: [("1001".to_owned(), AgentType::Audio), ("1002".to_owned(), AgentType::Multimedia)]
            .into(),
        trunks: [("carrier".into(), vec!["+1555".into(), "0046".into()])].into(),
        tones: names(&["music"]),
        emergency_numbers: names(&["112"]),
        working_times: names(&["office"]),
        secrets: names(&["crm"]),
        reached_by: [("web_caller".to_owned(), BTreeSet::from([Access::ClickToDial]))].into(),
    }
}

/// Two flows that others may use, without faults.
const PAY: &str = r#"
start = "set"
parameters = ["amount"]
results = ["left"]
[variables]
amount = "number"
left = "number"
[node.set]
kind = "set"
values = { left = "amount - 1" }
next = "end"
[node.end]
kind = "end"
"#;
const OTHER: &str = "start = \"end\"\n[node.end]\nkind = \"end\"\n";

fn read(toml: &str) -> Flow {
    let document: serde_json::Value =
        toml::from_str(toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    read::flow(&document).unwrap_or_else(|faults| panic!("{faults:#?}\n{toml}"))
}

fn faults_of(written: &[(&str, &str)]) -> Vec<String> {
    let all = written.iter().chain(&[("pay", PAY), ("other", OTHER)]);
    let flows = all.map(|(name, toml)| ((*name).to_owned(), read(toml))).collect();
    let line = |fault: &Fault| match fault.severity {
        Severity::Error => fault.to_string(),
        Severity::Warning => format!("warning: {fault}"),
    };
    check(&flows, &world()).iter().map(line).collect()
}

/// A flow of a node `n`, an end that is also led to without it, and what more there is.
fn flow(n: &str, more: &str) -> String {
    format!(
        "start = \"first\"\n[node.first]\nkind = \"branch\"\n\
         cases = [{{ if = \"number == 1\", then = \"n\" }}]\notherwise = \"end\"\n\
         [node.n]\n{n}\n[node.end]\nkind = \"end\"\n[variables]\n\
         text = {{ type = \"text\", value = \"\" }}\nnumber = {{ type = \"number\", value = 0 }}\n\
         flag = {{ type = \"flag\", value = true }}\n\
         pin = {{ type = \"text\", value = \"\", secret = true }}\nlater = \"text\"\n{more}"
    )
}

/// A node and more, the fault, and what is replaced by what that the fault goes away.
type Case<'a> = (&'a str, &'a str, &'a str, (&'a str, &'a str));

fn run_as(name: &str, cases: &[Case<'_>]) {
    let mut failed = Vec::new();
    for (n, more, fault, cure) in cases {
        let flow = flow(n, more);
        let expected = match fault.strip_prefix("warning: ") {
            Some(fault) => format!("warning: flow \"{name}\": {fault}"),
            None => format!("flow \"{name}\": {fault}"),
        };
        let found = faults_of(&[(name, &flow)]);
        match found.as_slice() {
            [only] if only.starts_with(&expected) => {}
            _ => failed.push(format!("{flow}\nexpected {expected}\nfound {found:#?}")),
        }
        let cured = flow.replacen(cure.0, cure.1, 1);
        assert_ne!(cured, flow, "the cure {cure:?} is for nothing\n{flow}");
        let left = faults_of(&[(name, &cured)]);
        if !left.is_empty() {
            failed.push(format!("{cured}\ncured, but {left:#?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn run(cases: &[Case<'_>]) {
    run_as("f", cases);
}

const SET: &str = "kind = \"set\"\nnext = \"end\"\n";
const PLAY: &str = "kind = \"play\"\nsay = \"welcome\"\nbarge_in = false\n";
const MENU: &str = "kind = \"menu\"\nsay = \"menu_main\"\nkeys = { 1 = \"end\" }\non_timeout = \"end\"\non_no_match = \"end\"";
const HTTP: &str =
    "kind = \"http\"\nnext = \"end\"\non_error = \"end\"\nurl = \"https://crm.example/\"\n";

#[test]
fn a_secret_goes_over_the_network_with_tls_only() {
    let plain = HTTP.replace("https:", "http:");
    let fault = |secret: &str| {
        format!(
            "node \"n\": url = \"http://crm.example/\"; allowed https:// with a secret: \"{secret}\" \
             would go over the network in the clear"
        )
    };
    let tls = ("http://", "https://");
    run(&[
        (&format!("{plain}headers = {{ A = \"{{secret:crm}}\" }}"), "", &fault("crm"), tls),
        (&format!("{plain}headers = {{ A = \"{{pin}}\" }}"), "", &fault("pin"), tls),
        (&format!("{plain}method = \"POST\"\nbody = {{ p = \"pin\" }}"), "", &fault("pin"), tls),
        // Within this machine nobody listens; elsewhere on the same network somebody may.
        (
            &format!("{plain}headers = {{ A = \"{{pin}}\" }}"),
            "",
            &fault("pin"),
            ("http://crm.example/", "http://127.0.0.1:9000/"),
        ),
        (
            &format!("{plain}headers = {{ A = \"{{pin}}\" }}"),
            "",
            &fault("pin"),
            ("http://crm.example/", "http://[::1]:9000/"),
        ),
        (
            &format!("{plain}headers = {{ A = \"{{pin}}\" }}"),
            "",
            &fault("pin"),
            ("{pin}", "{text}"),
        ),
        (
            &format!("{plain}headers = {{ A = \"{{pin}}\" }}")
                .replace("crm.example", "10.0.0.1:80"),
            "",
            "node \"n\": url = \"http://10.0.0.1:80/\"; allowed https://",
            tls,
        ),
    ]);
}

#[test]
fn edges_lead_to_nodes_and_nodes_are_led_to() {
    run(&[
        (
            "kind = \"loop\"\ntimes = 2\nbody = \"n\"\nnext = \"edn\"",
            "",
            "node \"n\": next = \"edn\"; allowed a node of this flow: end, first, n",
            ("edn", "end"),
        ),
        (
            &MENU.replace("1 = \"end\"", "1 = \"end\", 2 = \"sales\""),
            "",
            "node \"n\": keys.2 = \"sales\"; allowed a node of this flow",
            ("sales", "end"),
        ),
        (
            MENU,
            "[node.lost]\nkind = \"end\"",
            "node \"lost\": no way from start leads here",
            ("on_timeout = \"end\"", "on_timeout = \"lost\""),
        ),
        (
            "kind = \"loop\"\ntimes = 2\nbody = \"end\"\nnext = \"end\"",
            "",
            "warning: node \"n\": body: \"end\" never leads back here",
            ("body = \"end\"", "body = \"n\""),
        ),
    ]);
    let nowhere =
        flow(MENU, "").replace("start = \"first\"", "start = \"first\"\non_fault = \"x\"");
    assert_eq!(
        faults_of(&[("f", &nowhere)]),
        ["flow \"f\": on_fault = \"x\"; allowed a node of this flow: end, first, n"]
    );
}

#[test]
fn hang_up_and_failed_transfers_have_somewhere_to_go() {
    let start = "start = \"first\"";
    run(&[
        (
            "kind = \"transfer\"\nto = { skill_queue = \"support\" }\n",
            "",
            "warning: node \"n\": on_failure is missing; and the flow has no on_fault",
            (start, "start = \"first\"\non_fault = \"end\""),
        ),
        (
            "kind = \"transfer\"\nto = { skill_queue = \"support\" }\n",
            "",
            "warning: node \"n\": on_failure is missing",
            ("to =", "on_failure = \"end\"\nto ="),
        ),
    ]);
    for (node, kind) in [
        (MENU, "menu"),
        ("kind = \"transfer\"\nto = { flow = \"other\" }\non_failure = \"end\"", "transfer"),
    ] {
        let gone = flow(node, "").replace(start, "start = \"first\"\non_hang_up = \"n\"");
        let expected = format!(
            "flow \"f\": node \"n\": on_hang_up leads here, but a {kind} needs a caller on the line"
        );
        assert_eq!(faults_of(&[("f", &gone)]), [expected]);
    }
}

#[test]
fn recordings_are_there_in_each_language() {
    let start = "start = \"first\"";
    let speaks = |languages: &str, flow: String| {
        faults_of(&[("f", &flow.replace(start, &format!("languages = {languages}\n{start}")))])
    };
    let play = |say: &str| flow(&format!("kind = \"play\"\nsay = [{say}]\nnext = \"end\""), "");
    run(&[
        (
            "kind = \"play\"\nsay = [\"welcome\", \"offers\"]\nnext = \"end\"",
            "",
            "node \"n\": say.1: \"offers\" is not recorded in en; add prompts/en/offers.wav",
            ("offers", "only_english"),
        ),
        (
            &MENU.replace("on_timeout", "retry_say = [[\"welcome\", \"again\"]]\non_timeout"),
            "",
            "node \"n\": retry_say.0.1: \"again\" is not recorded in en",
            (", \"again\"", ""),
        ),
        (
            &MENU.replace("on_timeout", "no_input_say = [\"welcome\", \"again\"]\non_timeout"),
            "",
            "node \"n\": no_input_say.1.0: \"again\" is not recorded in en",
            (", \"again\"", ""),
        ),
        (
            "kind = \"agent_sign_in\"\nprompts = { pin = \"our_pin\" }\nnext = \"end\"\non_failure = \"end\"\non_locked = \"end\"",
            "",
            "node \"n\": prompts.pin: \"our_pin\" is not recorded in en",
            ("our_pin", "sign_in_pin"),
        ),
    ]);
    assert_eq!(
        speaks("[\"en\", \"zh\", \"es\"]", play("\"only_english\"")),
        ["warning: flow \"f\": node \"n\": say.0: \"only_english\" is not recorded in zh, es and \
          will be heard in another language; add prompts/zh/only_english.wav"]
    );
    assert_eq!(
        speaks("[\"es\"]", play("{ digits = \"text\" }")),
        ["warning: flow \"f\": node \"n\": say.0: 1 of the units that speak values in es are not \
          recorded, the first is prompts/es/digit_7.wav"]
    );
    assert_eq!(
        speaks("[\"en\", \"zh\"]", play("{ date = \"now\" }, \"welcome\"")),
        [] as [String; 0]
    );
}

#[test]
fn variables_are_set_before_they_are_read() {
    let says = "kind = \"play\"\nsay = [{ digits = \"later\" }]\nnext = \"end\"";
    run(&[
        (
            says,
            "",
            "node \"n\": say.0.digits: \"later\" may not be set yet, by the way first → n; set it",
            ("later = \"text\"", "later = { type = \"text\", value = \"0\" }"),
        ),
        (
            &format!("{SET}values = [{{ text = \"later\" }}, {{ later = \"'1'\" }}]"),
            "",
            "node \"n\": values.text: \"later\" may not be set yet",
            (
                "[{ text = \"later\" }, { later = \"'1'\" }]",
                "[{ later = \"'1'\" }, { text = \"later\" }]",
            ),
        ),
        (
            &HTTP.replace("\"end\"", "\"m\"").replace("url", "into = { later = \"/name\" }\nurl"),
            "[node.m]\nkind = \"set\"\ndata = { name = \"later\" }\nnext = \"end\"",
            "node \"m\": data.name: \"later\" may not be set yet, by the way first → n → m",
            ("on_error = \"m\"", "on_error = \"end\""),
        ),
    ]);
    let collect = "kind = \"collect\"\nsay = \"welcome\"\ninto = \"later\"\nvalid = \"later != ''\"\n\
                   next = \"m\"\non_timeout = \"m\"\non_no_match = \"end\"";
    let collect =
        flow(collect, "[node.m]\nkind = \"set\"\ndata = { a = \"later\" }\nnext = \"end\"")
            .replace("start =", "on_hang_up = \"end\"\nstart =");
    let found = faults_of(&[("f", &collect)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("data.a: \"later\" may not be set yet, by the way first → n → m"));
    let set = collect.replace("on_timeout = \"m\"", "on_timeout = \"end\"");
    assert_eq!(faults_of(&[("f", &set)]), [] as [String; 0]);
    // A hang-up may come before anything is set.
    let gone = flow(&format!("{SET}data = {{ a = \"later\" }}"), "")
        .replace("start =", "on_hang_up = \"n\"\nstart =")
        .replace("then = \"n\"", "then = \"end\"");
    let found = faults_of(&[("f", &gone)]);
    assert!(found[0].contains("\"later\" may not be set yet, by the way n;"), "{found:#?}");
}

#[test]
fn expressions_have_their_types_and_names_exist() {
    let hang_up = "start = \"first\"";
    let collect = |into: &str| {
        format!(
            "kind = \"collect\"\ninto = \"{into}\"\nnext = \"end\"\non_timeout = \"end\"\non_no_match = \"end\""
        )
    };
    run(&[
        (
            &format!("{SET}data = {{ a = \"txet\" }}"),
            "",
            "node \"n\": data.a = \"txet\"; allowed an expression; there is no variable txet",
            ("txet", "text"),
        ),
        (
            &format!("{SET}values = {{ number = \"1 + 'a'\" }}"),
            "",
            "node \"n\": values.number = \"1 + 'a'\"; allowed an expression of type number; + takes two",
            ("'a'", "2"),
        ),
        (
            &format!("{SET}values = {{ number = \"text\" }}"),
            "",
            "node \"n\": values.number = \"text\"; allowed an expression of type number; this one is of type text",
            ("\"text\" }", "\"number(text)\" }"),
        ),
        (
            &format!("{SET}values = {{ nobody = \"text\" }}"),
            "",
            "node \"n\": values.nobody = \"nobody\"; allowed a variable of this flow: flag, later, number",
            ("nobody", "text"),
        ),
        (
            "kind = \"branch\"\ncases = [{ if = \"number\", then = \"end\" }]\notherwise = \"end\"",
            "",
            "node \"n\": cases.0.if = \"number\"; allowed an expression of type flag; this one is of type number",
            ("if = \"number\",", "if = \"number > 0\","),
        ),
        (
            "kind = \"play\"\nsay = [{ number = \"text\" }]\nnext = \"end\"",
            "",
            "node \"n\": say.0.number = \"text\"; allowed an expression of type number",
            ("say = [{ number", "say = [{ digits"),
        ),
        (
            "kind = \"queue_status\"\nqueue = \"support\"\nidle = \"text\"\nnext = \"end\"",
            "",
            "node \"n\": idle = \"text\"; allowed a variable of type number; this one is of type text",
            ("idle = \"text\"", "idle = \"number\""),
        ),
        (
            &HTTP.replace("crm.example/", "crm.example/{nobody}"),
            "",
            "node \"n\": url = \"nobody\"; allowed an expression; there is no variable nobody",
            ("nobody", "call.caller"),
        ),
        (
            "kind = \"priority\"\npriority = \"text\"\nnext = \"end\"",
            "",
            "node \"n\": priority = \"text\"; allowed an expression of type number",
            ("priority = \"text\"", "priority = \"number\""),
        ),
        (
            "kind = \"transfer\"\nto = { agent = 1001 }\non_failure = \"end\"",
            "",
            "node \"n\": to.agent = \"1001\"; allowed an expression of type text",
            ("1001", "\"'1001'\""),
        ),
    ]);
    let wrong =
        flow(&collect("number"), "").replace(hang_up, "on_hang_up = \"end\"\nstart = \"first\"");
    let found = faults_of(&[("f", &wrong)]);
    assert_eq!(
        found,
        [
            "flow \"f\": node \"n\": into = \"number\"; allowed a variable of type text; this one is of type number"
        ]
    );
    let lists = flow(&format!("{SET}data = {{ a = 1 }}"), "")
        .replace(hang_up, "parameters = [\"x\"]\nresults = [\"y\"]\nstart = \"first\"");
    let found = faults_of(&[("f", &lists)]);
    assert!(
        found[0].starts_with("flow \"f\": parameters.0 = \"x\"; allowed a variable"),
        "{found:#?}"
    );
    assert!(
        found[1].starts_with("flow \"f\": results.0 = \"y\"; allowed a variable"),
        "{found:#?}"
    );
}

#[test]
fn secrets_are_seen_by_nobody() {
    run(&[
        (
            &format!("{SET}data = {{ a = \"'x' + pin\" }}"),
            "",
            "node \"n\": data.a: \"pin\" is secret, but attached data are recorded",
            ("'x' + pin", "'x' + text"),
        ),
        (
            &format!("{SET}values = {{ text = \"left(pin, 2)\" }}"),
            "",
            "node \"n\": values.text: \"pin\" is secret, but variable \"text\" is not secret",
            (
                "values = { text = \"left(pin, 2)\" }",
                "values = { pin = \"left(pin, 2)\", flag = \"pin == '1'\" }",
            ),
        ),
        (
            "kind = \"play\"\nsay = [{ digits = \"pin\" }]\nnext = \"end\"",
            "",
            "node \"n\": say.0.digits: \"pin\" is secret, but it would be said aloud",
            ("digits = \"pin\"", "digits = \"text\""),
        ),
        (
            &HTTP.replace("crm.example/", "crm.example/{pin}"),
            "",
            "node \"n\": url: \"pin\" is secret, but addresses are logged",
            (
                "url = \"https://crm.example/{pin}\"",
                "url = \"https://crm.example/\"\nheaders = { X-Pin = \"{pin}\" }\nmethod = \"POST\"\nbody = { pin = \"pin\" }",
            ),
        ),
        (
            "kind = \"transfer\"\nto = { number = \"pin\", trunk = \"carrier\" }\non_failure = \"end\"",
            "",
            "node \"n\": to.number: \"pin\" is secret, but where calls go is recorded",
            ("number = \"pin\"", "number = \"text\""),
        ),
    ]);
    // Into and out of sub-flows.
    let check_pin = "start = \"set\"\nparameters = [\"given\"]\nresults = [\"kept\"]\n[variables]\n\
        given = { type = \"text\", secret = true }\nkept = { type = \"text\", secret = true }\n\
        [node.set]\nkind = \"set\"\nvalues = { kept = \"given\" }\nnext = \"end\"\n[node.end]\nkind = \"end\"";
    let calls = flow(
        "kind = \"subflow\"\nflow = \"check_pin\"\nwith = { given = \"pin\" }\ninto = { pin = \"kept\" }\nnext = \"end\"",
        "",
    );
    assert_eq!(faults_of(&[("f", &calls), ("check_pin", check_pin)]), [] as [String; 0]);
    let open =
        check_pin.replacen(", secret = true", "", 1).replace("kept = \"given\"", "kept = \"''\"");
    let found = faults_of(&[("f", &calls), ("check_pin", &open)]);
    assert_eq!(
        found,
        [
            "flow \"f\": node \"n\": with.given: \"pin\" is secret, but the parameter is not and would be logged"
        ]
    );
    let found = faults_of(&[
        ("f", &calls.replace("{ pin = \"kept\" }", "{ text = \"kept\" }")),
        ("check_pin", check_pin),
    ]);
    assert_eq!(
        found,
        [
            "flow \"f\": node \"n\": into.text: \"kept\" is secret, but variable \"text\" is not and would be logged"
        ]
    );
}

#[test]
fn what_is_referred_to_exists() {
    let transfer = |to: &str| format!("kind = \"transfer\"\nto = {{ {to} }}\non_failure = \"end\"");
    run(&[
        (
            &transfer("skill_queue = \"suport\""),
            "",
            "node \"n\": to.skill_queue = \"suport\"; allowed a skill queue of the tenant: chat, support, web",
            ("suport", "support"),
        ),
        (
            &transfer("agent = \"'1009'\""),
            "",
            "node \"n\": to.agent = \"1009\"; allowed the employee ID of an agent: 1001, 1002",
            ("1009", "1001"),
        ),
        (
            &transfer("flow = \"nope\""),
            "",
            "node \"n\": to.flow = \"nope\"; allowed a flow of the tenant: f, other, pay",
            ("nope", "other"),
        ),
        (
            &transfer("number = \"call.caller\", trunk = \"nope\""),
            "",
            "node \"n\": to.trunk = \"nope\"; allowed a trunk of the tenant",
            ("nope", "carrier"),
        ),
        // Such numbers were published, and every call that came to them failed.
        (
            &transfer("number = \"'555-0101'\", trunk = \"carrier\""),
            "",
            "node \"n\": to.number = \"555-0101\"; allowed 1–24 digits, with or without + before them",
            ("555-0101", "+15550101"),
        ),
        (
            &transfer("number = \"'+4670'\", trunk = \"carrier\""),
            "",
            "node \"n\": to.number = \"+4670\"; allowed a number that the outside_prefixes of trunk \
             \"carrier\" allow: +1555, 0046",
            ("+4670", "112"),
        ),
        (
            "kind = \"subflow\"\nflow = \"nope\"\nnext = \"end\"",
            "",
            "node \"n\": flow = \"nope\"; allowed a flow of the tenant",
            ("nope", "other"),
        ),
        (
            "kind = \"wait\"\nfor_s = 5\ntone = \"noise\"\nnext = \"end\"",
            "",
            "node \"n\": tone = \"noise\"; allowed \"default\" or a tone of the tenant: music",
            ("noise", "default"),
        ),
        (
            "kind = \"working_time\"\nworking_time = \"night\"\nopen = \"end\"\nclosed = \"end\"",
            "",
            "node \"n\": working_time = \"night\"; allowed a working time of the tenant: office",
            ("night", "office"),
        ),
        (
            "kind = \"queue_status\"\nqueue = \"x\"\nidle = \"number\"\nnext = \"end\"",
            "",
            "node \"n\": queue = \"x\"; allowed a skill queue",
            ("\"x\"", "\"support\""),
        ),
        (
            &format!("{HTTP}headers = {{ A = \"{{secret:key}}\" }}"),
            "",
            "node \"n\": headers.A = \"key\"; allowed a secret of the tenant: crm",
            ("key", "crm"),
        ),
        (
            "kind = \"language\"\nlanguage = \"'zh'\"\nnext = \"end\"\non_unknown = \"end\"",
            "",
            "node \"n\": language = \"zh\"; allowed a language of this flow: en",
            ("start =", "languages = [\"en\", \"zh\"]\nstart ="),
        ),
        (
            MENU,
            "[node.x]\nkind = \"end\"",
            "node \"x\": no way",
            ("on_timeout = \"end\"", "on_timeout = \"x\""),
        ),
    ]);
    let german = flow(MENU, "").replace("start =", "languages = [\"de\"]\nstart =");
    let found = faults_of(&[("f", &german)]);
    assert!(
        found[0].starts_with(
            "flow \"f\": languages.0 = \"de\"; allowed a language of the tenant: en, es, zh"
        ),
        "{found:#?}"
    );
}

#[test]
fn calls_go_where_their_type_may_go() {
    let transfer = |to: &str| format!("kind = \"transfer\"\nto = {{ {to} }}\non_failure = \"end\"");
    run(&[
        (
            &transfer("skill_queue = \"chat\""),
            "",
            "node \"n\": to.skill_queue: calls of type voice come here, which a queue of type multimedia may not get",
            ("chat", "support"),
        ),
        (
            &transfer("agent = \"'1002'\""),
            "",
            "node \"n\": to.agent: calls of type voice come here, which an agent of type multimedia may not get",
            ("1002", "1001"),
        ),
    ]);
    run_as(
        "web_caller",
        &[(
            &transfer("skill_queue = \"support\""),
            "",
            "node \"n\": to.skill_queue: calls of type click_to_dial come here, which a queue of type voice may not get",
            ("support", "web"),
        )],
    );
    // The type of a call goes with it into other flows.
    let first = flow(&transfer("flow = \"second\""), "");
    let second = flow(&transfer("skill_queue = \"support\""), "");
    let found = faults_of(&[("web_caller", &first), ("second", &second)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("flow \"second\": node \"n\": to.skill_queue: calls of type click"),
        "{found:#?}"
    );
}

#[test]
fn sub_flows_get_what_they_need_and_never_run_themselves() {
    let pay = |more: &str| format!("kind = \"subflow\"\nflow = \"pay\"\nnext = \"end\"\n{more}");
    run(&[
        (
            &pay(""),
            "",
            "node \"n\": with.amount is missing; the sub-flow has no value for it",
            ("flow = \"pay\"", "flow = \"pay\"\nwith = { amount = 5 }"),
        ),
        (
            &pay("with = { amount = 5, tip = 1 }"),
            "",
            "node \"n\": with.tip = \"tip\"; allowed a parameter of the sub-flow: amount",
            (", tip = 1", ""),
        ),
        (
            &pay("with = { amount = \"text\" }"),
            "",
            "node \"n\": with.amount = \"text\"; allowed an expression of type number; this one is of type text",
            ("\"text\" }", "\"number\" }"),
        ),
        (
            &pay("with = { amount = 5 }\ninto = { number = \"rest\" }"),
            "",
            "node \"n\": into.number = \"rest\"; allowed a result of the sub-flow: left",
            ("rest", "left"),
        ),
        (
            &pay("with = { amount = 5 }\ninto = { text = \"left\" }"),
            "",
            "node \"n\": into.text = \"left\"; allowed a result of type text; this one is of type number",
            ("into = { text", "into = { number"),
        ),
        (
            &pay("with = { amount = 5 }\ninto = { nobody = \"left\" }"),
            "",
            "node \"n\": into.nobody = \"nobody\"; allowed a variable of this flow",
            ("into = { nobody", "into = { number"),
        ),
        (
            "kind = \"transfer\"\nto = { flow = \"pay\" }\non_failure = \"end\"",
            "",
            "node \"n\": to.flow: flow \"pay\" has the parameter \"amount\" without a value",
            ("pay", "other"),
        ),
        (
            "kind = \"subflow\"\nflow = \"f\"\nnext = \"end\"",
            "",
            "node \"n\": flow: f → f calls itself",
            ("\"f\"", "\"other\""),
        ),
    ]);
    run_as(
        "web_caller",
        &[(
            MENU,
            "[node.x]\nkind = \"end\"",
            "node \"x\": no way",
            ("on_timeout = \"end\"", "on_timeout = \"x\""),
        )],
    );
    let outside = flow(MENU, "").replace("start =", "parameters = [\"later\"]\nstart =");
    let found = faults_of(&[("web_caller", &outside)]);
    assert!(
        found[0].contains(
            "parameters: calls come to this flow from outside, where nobody sets \"later\""
        ),
        "{found:#?}"
    );
    let unset = PAY.replace("values = { left = \"amount - 1\" }", "data = { a = \"amount\" }");
    let found = faults_of(&[("debt", &unset)]);
    assert!(
        found[0].contains("results.0: \"left\" may not be set at the end, by the way set → end"),
        "{found:#?}"
    );
}

#[test]
fn a_chain_of_sub_flows_has_its_limit() {
    let calls = |other: usize| {
        format!(
            "start = \"n\"\n[node.n]\nkind = \"subflow\"\nflow = \"f{other}\"\nnext = \"end\"\n[node.end]\nkind = \"end\""
        )
    };
    let mut chain: Vec<(String, String)> =
        (1..9).map(|at| (format!("f{at}"), calls(at + 1))).collect();
    chain.push(("f9".into(), OTHER.into()));
    let of = |chain: &[(String, String)]| {
        let flows: Vec<_> =
            chain.iter().map(|(name, flow)| (name.as_str(), flow.as_str())).collect();
        faults_of(&flows)
    };
    assert_eq!(of(&chain), ["flow \"f1\": node \"n\": flow: more than 8 flows inside each other"]);
    assert_eq!(of(&chain[1..]), [] as [String; 0]);
    chain[8].1 = calls(3);
    let found = of(&chain[2..]);
    assert_eq!(found.len(), 7, "each flow of the recursion is told: {found:#?}");
    assert!(found[0].ends_with("f3 → f4 → f5 → f6 → f7 → f8 → f9 → f3 calls itself; transfer to a flow instead of running it"), "{found:#?}");
}
