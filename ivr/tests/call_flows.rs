//! Call flows in virtual time: what each kind of node does with what a caller does.

mod phone;

use hotline_ivr::run::io::{Done, Exit, Failure, Input};
use phone::{Phone, flow};
use serde_json::json;

const MENU: &str = r#"
    start = "menu"
    [node.menu]
    kind = "menu"
    say = ["menu_main"]
    retry_say = [["no_match"], ["no_input"]]
    keys = { "1" = "one", "12" = "twelve", "2" = "two" }
    on_timeout = "silent"
    on_no_match = "wrong"
    [node.one]
    kind = "end"
    cause = 1
    [node.twelve]
    kind = "end"
    cause = 12
    [node.two]
    kind = "end"
    cause = 2
    [node.silent]
    kind = "end"
    cause = 100
    [node.wrong]
    kind = "end"
    cause = 101
"#;

/// Plays a script against a flow: `!` ends what is said, `+N` lets N tenths of a second pass,
/// `hang` hangs up; anything else is keys. What is told is what `phone` tells.
#[track_caller]
fn check(text: &str, script: &str, told: &[&str]) {
    let mut phone = Phone::call(text);
    phone.perform(script);
    assert_eq!(phone.told(), told, "{script}");
}

#[test]
fn a_menu_takes_a_key_at_once_or_after_what_is_said() {
    check(MENU, "2", &["menu_main", "stop", "release 2"]);
    check(MENU, "! 2", &["menu_main", "release 2"]);
}

#[test]
fn where_keys_begin_alike_the_longest_counts_and_time_decides() {
    check(MENU, "! 12", &["menu_main", "release 12"]);
    check(MENU, "! 1 +29", &["menu_main"]);
    check(MENU, "! 1 +30", &["menu_main", "release 1"]);
    check(MENU, "! 13", &["menu_main", "release 1"]);
}

#[test]
fn a_menu_asks_again_with_other_prompts_and_then_goes_by_the_last_cause() {
    check(MENU, "! +50 ! +50 ! +50", &["menu_main", "no_match", "no_input", "release 100"]);
    check(MENU, "! +50 ! +50 ! 9", &["menu_main", "no_match", "no_input", "release 101"]);
    check(MENU, "! +49", &["menu_main"]);
    check(
        MENU,
        "9 9 2",
        &["menu_main", "stop", "no_match", "stop", "no_input", "stop", "release 2"],
    );
}

/// A caller who pressed nothing was told that this was not one of the choices.
#[test]
fn after_silence_and_after_a_wrong_key_other_things_are_said() {
    let text = MENU.replace(
        "keys =",
        "no_input_say = [[\"silence\"], [\"silence_again\"]]\nno_match_say = [[\"wrong_key\"]]\n\
         retries = 3\nkeys =",
    );
    check(
        &text,
        "! +50 ! 9 ! +50 ! 9",
        &["menu_main", "silence", "wrong_key", "silence_again", "release 101"],
    );
    check(
        &text,
        "9 9 9 2",
        &[
            "menu_main",
            "stop",
            "wrong_key",
            "stop",
            "wrong_key",
            "stop",
            "wrong_key",
            "stop",
            "release 2",
        ],
    );
    // What one of them does not say, is said for both.
    let text = MENU.replace("keys =", "no_input_say = [[\"silence\"]]\nkeys =");
    check(&text, "! +50 ! 9 ! 2", &["menu_main", "silence", "no_input", "release 2"]);
    // Too few digits, or not valid ones, are a wrong key.
    let text = COLLECT.replace(
        "retries = 1",
        "retries = 3\nno_input_say = [\"silence\"]\nno_match_say = [\"wrong_key\"]",
    );
    check(
        &text,
        "! 1# ! 13# ! +50 ! 4711",
        &["enter", "wrong_key", "wrong_key", "silence", "data account=4711"],
    );
}

#[test]
fn numbers_of_people_are_said_by_the_rules_of_the_language() {
    let said = |language: &str| {
        let phone = Phone::call(&format!(
            r#"
            languages = ["{language}"]
            start = "speak"
            [node.speak]
            kind = "language"
            language = "'{language}'"
            next = "say"
            on_unknown = "say"
            [node.say]
            kind = "end"
            say = [{{ number = "12" }}, {{ people = "2" }}, {{ people = "0 - 1" }}]
            "#
        ));
        phone.told().last().map(ToString::to_string).unwrap_or_default()
    };
    assert_eq!(said("en"), "number_12 number_2 number_0");
    assert_eq!(
        said("zh"),
        "zh/number_10 zh/number_2 zh/number_two_of zh/counter_people zh/number_0 zh/counter_people"
    );
    assert_eq!(said("es"), "es/digit_1 es/digit_2 es/digit_2 es/digit_0");
}

#[test]
fn without_barge_in_keys_wait_until_all_is_said() {
    let text = MENU.replace("keys =", "barge_in = false\nkeys =");
    check(&text, "2", &["menu_main"]);
    check(&text, "2 !", &["menu_main", "release 2"]);
}

const TYPED_AHEAD: &str = r#"
    start = "hello"
    [node.hello]
    kind = "play"
    say = ["welcome"]
    barge_in = false
    next = "menu"
    [node.menu]
    kind = "menu"
    say = ["menu_main"]
    keys = { "1" = "bye" }
    on_timeout = "bye"
    on_no_match = "bye"
    [node.bye]
    kind = "end"
    cause = 1
"#;

#[test]
fn what_was_typed_ahead_is_kept_or_thrown_away() {
    check(TYPED_AHEAD, "1 !", &["welcome", "release 1"]);
    let flushed = TYPED_AHEAD.replace("keys =", "flush = true\nkeys =");
    check(&flushed, "1 !", &["welcome", "menu_main"]);
}

const COLLECT: &str = r##"
    start = "ask"
    [variables]
    account = "text"
    [node.ask]
    kind = "collect"
    say = ["enter"]
    into = "account"
    min = 2
    max = 4
    retries = 1
    valid = "account != '13'"
    next = "tell"
    on_timeout = "silent"
    on_no_match = "wrong"
    [node.tell]
    kind = "set"
    data = { account = "account" }
    next = "bye"
    [node.bye]
    kind = "menu"
    keys = { "#" = "hash", "7" = "seven" }
    retries = 0
    on_timeout = "silent"
    on_no_match = "wrong"
    [node.hash]
    kind = "end"
    cause = 3
    [node.seven]
    kind = "end"
    cause = 7
    [node.silent]
    kind = "end"
    cause = 100
    [node.wrong]
    kind = "end"
    cause = 101
"##;

#[test]
fn digits_are_collected_to_their_terminator_their_maximum_or_a_pause() {
    check(COLLECT, "12#", &["enter", "stop", "data account=12"]);
    check(COLLECT, "1234", &["enter", "stop", "data account=1234"]);
    check(COLLECT, "12 +30", &["enter", "stop", "data account=12"]);
    check(COLLECT, "1 +30 1 +30", &["enter", "stop", "enter", "stop", "release 101"]);
    check(COLLECT, "13# 13#", &["enter", "stop", "enter", "stop", "release 101"]);
    check(COLLECT, "! +50 ! +50", &["enter", "enter", "release 100"]);
}

#[test]
fn a_terminator_after_enough_digits_is_no_key_for_the_next_node() {
    check(COLLECT, "1234# 7", &["enter", "stop", "data account=1234", "release 7"]);
    check(COLLECT, "1234 +10 #7", &["enter", "stop", "data account=1234", "release 7"]);
    check(COLLECT, "12##", &["enter", "stop", "data account=12", "release 3"]);
}

#[test]
fn a_wait_ends_by_time_or_by_a_key_that_stays_for_the_next_node() {
    let text = r##"
        start = "music"
        [node.music]
        kind = "wait"
        for_s = 20
        tone = "default"
        barge_in = true
        next = "key"
        [node.key]
        kind = "menu"
        retries = 0
        first_digit_s = 0.5
        keys = { "3" = "bye" }
        on_timeout = "music"
        on_no_match = "music"
        [node.bye]
        kind = "end"
    "##;
    let tone = "tone default again";
    check(text, "+199", &[tone]);
    check(text, "+200 +5", &[tone, "stop", tone]);
    check(text, "3", &[tone, "stop", "release 16"]);
    check(text, "4 +199", &[tone, "stop", tone]);
}

#[test]
fn a_loop_goes_its_number_of_times_and_begins_anew_later() {
    let text = r#"
        start = "again"
        [node.again]
        kind = "loop"
        times = 2
        body = "say"
        next = "menu"
        [node.say]
        kind = "play"
        say = ["welcome"]
        next = "again"
        [node.menu]
        kind = "menu"
        keys = { "1" = "again" }
        retries = 0
        on_timeout = "bye"
        on_no_match = "bye"
        [node.bye]
        kind = "end"
    "#;
    let once = ["welcome", "welcome"];
    check(text, "! !", &once);
    check(text, "! ! 1 ! ! +50", &[once[0], once[0], once[0], once[0], "release 16"]);
}

#[test]
fn a_language_is_spoken_if_the_flow_speaks_it() {
    let text = r#"
        languages = ["en", "zh"]
        start = "zh"
        [node.zh]
        kind = "language"
        language = "'zh'"
        remember = true
        next = "say"
        on_unknown = "bye"
        [node.say]
        kind = "play"
        say = ["welcome", { number = "12" }]
        next = "fr"
        [node.fr]
        kind = "language"
        language = "'fr'"
        next = "bye"
        on_unknown = "say"
        [node.bye]
        kind = "end"
    "#;
    let said = "zh/welcome zh/number_10 zh/number_2";
    check(text, "!", &["language zh", "remember", said, said]);
}

#[test]
fn a_sub_flow_is_given_values_and_gives_some_back() {
    let main = r#"
        start = "call"
        [variables]
        sum = { type = "number", value = 1 }
        [node.call]
        kind = "subflow"
        flow = "adds"
        with = { to = "sum + 40" }
        into = { sum = "result" }
        next = "tell"
        [node.tell]
        kind = "set"
        data = { sum = "text(sum)" }
        next = "bye"
        [node.bye]
        kind = "end"
        cause = 17
    "#;
    let adds = r#"
        start = "add"
        parameters = ["to"]
        results = ["result"]
        [variables]
        to = "number"
        result = "number"
        [node.add]
        kind = "set"
        values = { result = "to + 1" }
        next = "end"
        [node.end]
        kind = "end"
        say = ["done"]
        cause = 99
    "#;
    let mut phone = Phone::with(&[("main", main), ("adds", adds)]);
    phone.perform("!");
    assert_eq!(phone.told(), ["done", "data sum=42", "release 17"]);
    let endless = main.replace("\"adds\"", "\"main\"");
    let endless = endless
        .replace("with = { to = \"sum + 40\" }", "")
        .replace("into = { sum = \"result\" }", "");
    let mut phone = Phone::with(&[("main", &endless)]);
    phone.perform("");
    assert_eq!(phone.told(), ["fault: flow main, node call: more than 8 flows on the stack"]);
}

const HTTP: &str = r#"
    start = "ask"
    [variables]
    name = "text"
    amount = "number"
    [node.ask]
    kind = "http"
    method = "POST"
    url = "https://crm.example/{call.caller}?q={data.q}"
    headers = { Authorization = "Bearer {secret:crm}", X-Caller = "{call.caller}" }
    body = { caller = "call.caller", "at" = "5" }
    timeout_s = 2
    into = { name = "/customer/name", amount = "/amounts/0" }
    next = "tell"
    on_error = "sorry"
    [node.tell]
    kind = "set"
    data = { name = "name", amount = "text(amount)" }
    next = "bye"
    [node.bye]
    kind = "end"
    [node.sorry]
    kind = "end"
    cause = 41
"#;

#[test]
fn a_web_request_is_filled_in_and_its_answer_taken_apart() {
    let mut phone = Phone::call(HTTP);
    let request = phone.http().clone();
    assert_eq!(request.url.expose(), "https://crm.example/%2B15550001111?q=");
    assert_eq!(request.body.unwrap().expose(), r#"{"at":5,"caller":"+15550001111"}"#);
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name, value.expose())).collect();
    let value = |name: &str| headers.iter().find(|(known, _)| *known == name).unwrap().1.as_str();
    assert_eq!(
        (value("Authorization"), value("X-Caller")),
        ("Bearer {secret:crm}", "+15550001111")
    );
    phone.answer(Done::Http(json!({ "customer": { "name": "Ada" }, "amounts": [7] })));
    assert_eq!(phone.told(), ["POST", "data amount=7", "data name=Ada", "release 16"]);
}

#[test]
fn an_answer_that_does_not_fit_sets_nothing_and_takes_the_edge_for_it() {
    let wrong = [
        Done::Http(json!({ "customer": { "name": "Ada" }, "amounts": [] })),
        Done::Http(json!({ "customer": { "name": 5 }, "amounts": [7] })),
        Done::Http(json!({ "customer": { "name": "x".repeat(2_000) }, "amounts": [7] })),
        Done::Http(json!({ "customer": { "name": "Ada" }, "amounts": [7.5] })),
        Done::Http(json!("not an object")),
        Done::Failed("status 500".into()),
        Done::Refused,
    ];
    for answer in wrong {
        let mut phone = Phone::call(HTTP);
        phone.answer(answer.clone());
        let told = phone.told();
        assert!(told[1].starts_with("trouble HTTP: "), "{answer:?}: {told:?}");
        assert_eq!(told[2..], ["release 41"], "{answer:?}");
    }
}

#[test]
fn an_effect_that_is_never_answered_fails_soon_after_its_deadline() {
    check(HTTP, "+39", &["POST"]);
    check(HTTP, "+40", &["POST", "trouble HTTP: no answer in time", "release 41"]);
}

#[test]
fn a_value_cannot_name_a_secret_or_begin_another_header() {
    for caller in ["{secret:crm}", "1\r\nX-Evil: 1"] {
        let mut phone = Phone::from_caller(&[("main", HTTP)], caller);
        phone.perform("");
        let told = phone.told();
        assert!(
            told[0].starts_with("fault: flow main, node ask: an address or header"),
            "{told:?}"
        );
    }
}

const TRANSFER: &str = r#"
    start = "first"
    on_fault = "sorry"
    [node.first]
    kind = "transfer"
    to = { skill_queue = "support" }
    priority = "40"
    on_failure = "second"
    [node.second]
    kind = "transfer"
    to = { number = "call.caller", trunk = "carrier" }
    [node.sorry]
    kind = "end"
    say = ["fault"]
"#;

#[test]
fn a_transfer_that_fails_takes_its_edge_or_the_one_for_faults() {
    let mut phone = Phone::call(TRANSFER);
    phone.input(Input::TransferFailed(Failure::Busy));
    phone.input(Input::TransferFailed(Failure::NoAnswer));
    phone.input(Input::TransferFailed(Failure::NoAnswer));
    phone.perform("!");
    assert_eq!(
        phone.told(),
        [
            "priority 40",
            "to support",
            "trouble transfer failed: busy or declined",
            "to +15550001111 by carrier",
            "trouble flow main, node second: transfer failed: no answer",
            "fault",
            "release 16"
        ]
    );
}

const MESSAGE: &str = r#"
    start = "message"
    on_hang_up = "gone"
    [node.message]
    kind = "message"
    say = ["message_after_tone"]
    mailbox = "reception"
    next = "saved"
    on_empty = "empty"
    [node.saved]
    kind = "end"
    cause = 1
    [node.empty]
    kind = "end"
    cause = 2
    [node.gone]
    kind = "set"
    data = { gone = "'yes'" }
    next = "empty"
"#;

#[test]
fn a_message_is_recorded_after_its_prompt_or_at_once_by_its_key() {
    for script in ["!", "#"] {
        let mut phone = Phone::call(MESSAGE);
        phone.perform(script);
        phone.answer(Done::Recorded { ms: 4_000 });
        assert_eq!(phone.told().last(), Some(&"release 1"));
    }
    let mut phone = Phone::call(MESSAGE);
    phone.perform("5 !");
    phone.answer(Done::Recorded { ms: 0 });
    assert_eq!(phone.told(), ["message_after_tone", "record reception", "release 2"]);
}

#[test]
fn hanging_up_runs_its_branch_once_and_says_nothing_more() {
    check(MESSAGE, "hang hang", &["message_after_tone", "data gone=yes", "release 2"]);
    check(
        MESSAGE,
        "! hang 5 +9000 !",
        &["message_after_tone", "record reception", "data gone=yes", "release 2"],
    );
    // A menu has no branch of its own: nothing to do.
    check(MENU, "hang", &["menu_main", "release 16"]);
    // Whatever the branch says is not said, and the first node that needs a caller ends it.
    let text = MENU.replace("start =", "on_hang_up = \"say\"\nstart =")
        + "[node.say]\nkind = \"play\"\nsay = [\"welcome\"]\nnext = \"menu\"\n";
    check(&text, "hang", &["menu_main", "release 16"]);
}

#[test]
fn a_hang_up_after_a_transfer_that_may_fail_yet_runs_the_branch_and_nothing_else() {
    let text = r#"
    start = "away"
    on_hang_up = "gone"
    [node.away]
    kind = "transfer"
    to = { skill_queue = "support" }
    on_failure = "sorry"
    [node.sorry]
    kind = "end"
    say = ["sorry"]
    [node.gone]
    kind = "set"
    data = { gone = "'yes'" }
    next = "bye"
    [node.bye]
    kind = "end"
    "#;
    check(text, "hang hang", &["to support", "data gone=yes", "release 16"]);
    let mut phone = Phone::call(text);
    phone.perform("hang");
    phone.input(Input::TransferFailed(Failure::Busy));
    assert_eq!(phone.told(), ["to support", "data gone=yes", "release 16"]);
}

#[test]
fn a_hang_up_within_a_sub_flow_runs_the_innermost_branch_there_is() {
    let main = MESSAGE.replace("start = \"message\"", "start = \"call\"")
        + "[node.call]\nkind = \"subflow\"\nflow = \"menu\"\nnext = \"message\"\n";
    let mut phone = Phone::with(&[("main", &main), ("menu", MENU)]);
    phone.perform("hang");
    assert_eq!(phone.told(), ["menu_main", "data gone=yes", "release 2"]);
}

#[test]
fn a_waiting_flow_is_cut_off_and_says_again_what_was_cut() {
    let mut phone = Phone::call(TYPED_AHEAD);
    phone.input(Input::Suspend);
    phone.perform("5 +9000");
    phone.input(Input::Resume);
    phone.perform("!");
    assert_eq!(
        phone.told(),
        ["welcome", "stop", "welcome", "menu_main"],
        "the key was the agent's"
    );
    let mut phone = Phone::call(TYPED_AHEAD);
    phone.input(Input::Suspend);
    phone.perform("hang");
    assert_eq!(phone.told(), ["welcome", "stop", "release 16"]);
}

#[test]
fn a_web_request_is_not_repeated_by_being_cut_off() {
    let mut phone = Phone::call(HTTP);
    phone.input(Input::Suspend);
    phone.answer(Done::Http(json!({ "customer": { "name": "Ada" }, "amounts": [7] })));
    phone.input(Input::Resume);
    assert_eq!(phone.told(), ["POST", "data amount=7", "data name=Ada", "release 16"]);
}

#[test]
fn a_fault_takes_its_edge_and_what_fails_there_as_well_ends_the_call() {
    let text = r#"
        start = "divide"
        on_fault = "divide"
        [variables]
        n = { type = "number", value = 0 }
        [node.divide]
        kind = "set"
        values = { n = "1 / n" }
        next = "bye"
        [node.bye]
        kind = "end"
    "#;
    let mut phone = Phone::call(text);
    phone.perform("");
    let told = phone.told();
    assert_eq!(told.len(), 11);
    assert_eq!(told[0], "trouble flow main, node divide: division by zero");
    assert_eq!(told[10], "fault: flow main, node divide: division by zero");
}

#[test]
fn a_way_round_without_a_pause_ends_in_a_fault() {
    let text = r#"
        start = "a"
        [node.a]
        kind = "set"
        data = { x = "'1'" }
        next = "b"
        [node.b]
        kind = "branch"
        cases = [{ if = "true", then = "a" }]
        otherwise = "c"
        [node.c]
        kind = "end"
    "#;
    let world = hotline_ivr::check::World::default();
    let faults = hotline_ivr::check::check(&[("main".to_string(), flow(text))].into(), &world);
    assert!(hotline_ivr::check::refuses(&faults), "the checker refuses it");
    let mut phone = Phone::call(text);
    assert!(phone.exit.is_none(), "it pauses on the way, so that other calls have their turn");
    phone.pass(1_000);
    let told = phone.told();
    let last = told.last().unwrap();
    assert!(last.contains("more than 4000 nodes without input or wait"), "{last}");
    assert!(matches!(phone.exit, Some(Exit::Fault(_))));
}

/// A branch of many long conditions in a loop kept the engine's thread for tens of milliseconds.
#[test]
fn a_flow_that_computes_for_long_pauses_and_goes_on() {
    let long = vec!["1"; 100].join(" + ");
    let cases: Vec<String> =
        (0..15).map(|_| format!("{{ if = \"{long} == 1\", then = \"end\" }}")).collect();
    let text = format!(
        "start = \"n\"\n[node.n]\nkind = \"loop\"\ntimes = 50\nbody = \"b\"\nnext = \"end\"\n\
         [node.b]\nkind = \"branch\"\ncases = [{}]\notherwise = \"n\"\n\
         [node.end]\nkind = \"end\"\n",
        cases.join(", ")
    );
    let mut phone = Phone::call(&text);
    assert!(phone.exit.is_none(), "two turns are more than is computed in one go");
    phone.input(Input::Digit('1'));
    assert!(phone.exit.is_none(), "a key does not end its pause");
    phone.input(Input::Suspend);
    phone.pass(1_000);
    phone.input(Input::Resume);
    phone.pass(1_000);
    assert_eq!(phone.exit, Some(Exit::Release { cause: 16 }));
}

#[test]
fn a_run_goes_on_from_its_snapshot_without_secrets() {
    let text = COLLECT.replace(
        "account = \"text\"",
        "account = \"text\"\npin = { type = \"text\", value = \"4711\", secret = true }",
    );
    let mut phone = Phone::call(&text);
    phone.perform("! 12#");
    let written = serde_json::to_string(&phone.run.snapshot()).unwrap();
    assert!(written.contains("\"bye\"") && !written.contains("4711"), "{written}");
    let mut restored = phone.restored(&serde_json::from_str(&written).unwrap());
    restored.perform("7");
    assert_eq!(restored.told(), ["release 7"]);
    let phone = Phone::call(HTTP);
    let mut restored = phone.restored(&phone.run.snapshot());
    restored.perform("");
    assert_eq!(restored.told(), ["trouble HTTP: interrupted by a restart", "release 41"]);
}
