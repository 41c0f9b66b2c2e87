//! Wrong configuration: each wrong value gets its one line, which names file, line, object, field,
//! value and what is allowed; nothing is half-applied.

use hotline_tests::process::run;
use hotline_tests::{Centre, Phone, Server, Setup, binary};
use std::path::Path;
use std::process::Command;

/// A good centre, one setting a line so that each can be made wrong by itself.
const GOOD: &str = r#"[tenant]
name = "alpha"
domains = ["alpha.test"]
realm = "alpha.test"
language = "en"
time_zone = "Europe/Stockholm"

[[skill_queue]]
name = "support"
description = "Support"
type = "voice"
max_waiting_time_s = 60
max_calls_in_queue = 100
wrap_up_s = 5
on_timeout = { release = true }
offer_time_s = 20
announce_on_answer = "nothing"
distribution = "longest_idle"
weight = 0

[[access_code]]
code = "12345"
type = "voice"

[[called_route]]
access_code = "12345"
extension_code = "1"
skill_queue = "support"
priority = 0
answer_supervision = "at_once"

[[agent]]
employee_id = "1001"
type = "audio"
role = "common"
answer_mode = "manual"
softphone = { number = "1001", password = "word-of-1001" }
skill_queues = [{ queue = "support", level = 1 }]

[[trunk]]
name = "carrier"
peers = ["198.51.100.0/24"]
"#;

/// What to put in the place of what, and what is said about it after `centre.toml:LINE: `.
const WRONG: &[(&str, &str, &str)] = &[
    // The tenant.
    (
        "name = \"alpha\"",
        "name = \"Al pha\"",
        "tenant \"Al pha\": name = \"Al pha\"; allowed 1–63 of a-z, 0-9, '-' and '_'",
    ),
    (
        "domains = [\"alpha.test\"]",
        "domains = [\"al pha\"]",
        "tenant \"alpha\": domains[1] = \"al pha\"; allowed a host name or IP address",
    ),
    (
        "realm = \"alpha.test\"",
        "realm = \"\"",
        "tenant \"alpha\": realm = \"\"; allowed 1–63 printable characters without '\"' and '\\'",
    ),
    (
        "time_zone = \"Europe/Stockholm\"",
        "time_zone = \"Mars/Phobos\"",
        "tenant \"alpha\": time_zone = \"Mars/Phobos\"; allowed a name of the IANA database, as in Europe/Stockholm",
    ),
    (
        "language = \"en\"",
        "limits = \"none\"",
        "tenant \"alpha\": limits = \"none\"; allowed classic, extended",
    ),
    (
        "language = \"en\"",
        "call_s_max = 9",
        "tenant \"alpha\": call_s_max = 9; allowed 10–86400 (seconds)",
    ),
    (
        "language = \"en\"",
        "digest = [\"SHA-1\"]",
        "tenant \"alpha\": digest[1] = \"SHA-1\"; allowed MD5, SHA-256",
    ),
    (
        "language = \"en\"",
        "colour = \"red\"",
        "tenant \"alpha\": colour = \"red\"; allowed only these keys: ",
    ),
    // The skill queue.
    (
        "wrap_up_s = 5",
        "announce_every_s = 4",
        "skill_queue \"support\": announce_every_s = 4; allowed 0 (never) or 5–3600 (seconds)",
    ),
    (
        "wrap_up_s = 5",
        "hold = { tone = \"nowhere\" }",
        "skill_queue \"support\": hold = { tone = \"nowhere\" }; allowed a tone that exists",
    ),
    (
        "wrap_up_s = 5",
        "wrap_up_s = 7200",
        "skill_queue \"support\": wrap_up_s = 7200; allowed 0–3600 (seconds)",
    ),
    (
        "wrap_up_s = 5",
        "wrap_up_s = -1",
        "skill_queue \"support\": wrap_up_s = -1; allowed 0–3600 (seconds)",
    ),
    (
        "max_waiting_time_s = 60",
        "max_waiting_time_s = 0",
        "skill_queue \"support\": max_waiting_time_s = 0; allowed 1–60000 (seconds)",
    ),
    (
        "max_waiting_time_s = 60",
        "max_waiting_time_s = 60001",
        "skill_queue \"support\": max_waiting_time_s = 60001; allowed 1–60000 (seconds)",
    ),
    (
        "max_waiting_time_s = 60",
        "max_waiting_time_s = \"60\"",
        "skill_queue \"support\": max_waiting_time_s = \"60\"; allowed 1–60000 (seconds)",
    ),
    (
        "max_calls_in_queue = 100",
        "max_calls_in_queue = 10001",
        "skill_queue \"support\": max_calls_in_queue = 10001; allowed 1–10000 (calls)",
    ),
    (
        "offer_time_s = 20",
        "offer_time_s = 121",
        "skill_queue \"support\": offer_time_s = 121; allowed 1–120 (seconds)",
    ),
    (
        "announce_on_answer = \"nothing\"",
        "announce_on_answer = \"name\"",
        "skill_queue \"support\": announce_on_answer = \"name\"; allowed nothing, employee_id",
    ),
    (
        "distribution = \"longest_idle\"",
        "distribution = \"random\"",
        "skill_queue \"support\": distribution = \"random\"; allowed longest_idle, ",
    ),
    (
        "weight = 0",
        "weight = 1001",
        "skill_queue \"support\": weight = 1001; allowed 0–1000 (higher is served first)",
    ),
    (
        "on_timeout = { release = true }",
        "on_timeout = { skill_queue = \"nowhere\" }",
        "skill_queue \"support\": on_timeout",
    ),
    (
        "on_timeout = { release = true }",
        "on_timeout = { release = \"no_such_prompt\" }",
        "skill_queue \"support\": on_timeout",
    ),
    (
        "on_timeout = { release = true }",
        "on_timeout = { flow = \"sorry\" }",
        "skill_queue \"support\": on_timeout",
    ),
    (
        "type = \"voice\"\nmax",
        "type = \"fax\"\nmax",
        "skill_queue \"support\": type = \"fax\"; allowed \"voice\" (the other types are not available yet)",
    ),
    (
        "[[access_code]]",
        "[[skill_queue]]\nname = \"longer-than-twenty-letters\"\ndescription = \"x\"\n\n[[access_code]]",
        "skill_queue \"longer-than-twenty-letters\": name",
    ),
    // Numbers and routes.
    (
        "code = \"12345\"\ntype",
        "code = \"12a45\"\ntype",
        "access_code \"12a45\": code = \"12a45\"; allowed 1–20 characters of 0123456789",
    ),
    (
        "extension_code = \"1\"",
        "extension_code = \"1234567890123\"",
        "called_route \"12345/1234567890123\": extension_code = \"1234567890123\"; allowed 1–12 characters of 0123456789*#",
    ),
    (
        "skill_queue = \"support\"\npri",
        "skill_queue = \"nowhere\"\npri",
        "called_route \"12345/1\": skill_queue",
    ),
    (
        "skill_queue = \"support\"\npri",
        "pri",
        "called_route \"12345/1\": exactly one of skill_queue, flow and agent",
    ),
    ("access_code = \"12345\"", "access_code = \"999\"", "called_route \"999/1\": access_code"),
    (
        "priority = 0",
        "priority = 101",
        "called_route \"12345/1\": priority = 101; allowed 0–100 (100 is most urgent)",
    ),
    (
        "answer_supervision = \"at_once\"",
        "answer_supervision = \"never\"",
        "called_route \"12345/1\": answer_supervision = \"never\"; allowed at_once, when_agent_answers",
    ),
    (
        "priority = 0",
        "working_time = \"office\"",
        "called_route \"12345/1\": working_time = \"office\"; allowed the name of a working time",
    ),
    // The agent.
    (
        "employee_id = \"1001\"",
        "employee_id = \"10x1\"",
        "agent \"10x1\": employee_id = \"10x1\"; allowed 1–20 characters of 0123456789",
    ),
    (
        "type = \"audio\"",
        "type = \"robot\"",
        "agent \"1001\": type = \"robot\"; allowed audio, video, multimedia, versatile",
    ),
    ("role = \"common\"\n", "", "agent \"1001\": role is missing; "),
    (
        "level = 1",
        "level = 11",
        "agent \"1001\": skill_queues[1].level = 11; allowed 1–10 (1 is best)",
    ),
    ("queue = \"support\", level", "queue = \"nowhere\", level", "agent \"1001\": skill_queues"),
    ("\"word-of-1001\"", "\"short\"", "agent \"1001\": softphone.password = [redacted]; allowed "),
    (
        "number = \"1001\", pass",
        "number = \"10 01\", pass",
        "agent \"1001\": softphone.number = \"10 01\"; allowed ",
    ),
    (
        "answer_mode = \"manual\"",
        "mobile_number = \"mine\"",
        "agent \"1001\": mobile_number = \"mine\"; allowed 1–20 digits, with or without + before them",
    ),
    (
        "answer_mode = \"manual\"",
        "number_shown_to_customer = \"anonymous\"",
        "agent \"1001\": number_shown_to_customer = \"anonymous\"; allowed 1–20 digits",
    ),
    // The trunk.
    (
        "198.51.100.0/24",
        "300.51.100.0/24",
        "trunk \"carrier\": peers[1] = \"300.51.100.0/24\"; allowed addresses or networks as in 198.51.100.0/24",
    ),
    // The file.
    ("weight = 0", "weight = ", ""),
    ("[[trunk]]", "[[trunks]]", "[trunks]: unknown table; allowed [tenant] and [[…]] of "),
    ("[[trunk]]", "[[employee]]", "[[employee]]: not available yet"),
];

fn check(dir: &Path) -> (i32, String) {
    let mut command = Command::new(binary());
    command.args(["check", "."]).current_dir(dir);
    run("check", command, dir)
}

#[test]
fn each_wrong_value_of_a_centre_gets_its_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("centre.toml");
    std::fs::write(&file, GOOD).unwrap();
    let (code, output) = check(dir.path());
    assert_eq!(code, 0, "{output}");

    let mut faults = Vec::new();
    for (good, wrong, expected) in WRONG {
        assert_eq!(GOOD.matches(good).count(), 1, "{good} stands once");
        std::fs::write(&file, GOOD.replace(good, wrong)).unwrap();
        let (code, output) = check(dir.path());
        let line = GOOD[..GOOD.find(good).unwrap()].lines().count();
        // Either the line of the value or, where the object as a whole is wrong, near it.
        let place = output.strip_prefix("centre.toml:").and_then(|rest| rest.split_once(": "));
        let right = place.is_some_and(|(number, said)| {
            number.parse::<usize>().is_ok_and(|number| number.abs_diff(line) <= 6)
                && said.starts_with(expected)
        });
        if code != 1 || output.lines().count() != 1 || !right {
            faults
                .push(format!("{wrong:?} (line {line}), exit {code}:\n  {output}  not {expected}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let twice = GOOD.replace("wrap_up_s = 5", "wrap_up_s = 7200").replace("level = 1", "level = 0");
    std::fs::write(dir.path().join("centre.toml"), twice).unwrap();
    let (code, output) = check(dir.path());
    assert_eq!((code, output.lines().count()), (1, 2), "{output}");
}

/// A wrong line of a section of the node file, and what is said after `hotline.toml:LINE: `.
const WRONG_NODE: &[(&str, &str)] = &[
    ("[node]\nname = \"\"", "[node]: name = \"\"; allowed text of 1–63 characters"),
    ("[node]\nengines = 0", "[node]: engines = 0; allowed 1–64 (threads that own tenants)"),
    ("[node]\nengines = 65", "[node]: engines = 65; allowed 1–64 (threads that own tenants)"),
    ("[node]\ndrain_s = -1", "[node]: drain_s = -1; allowed 0–86400 (seconds)"),
    ("[node]\ncolour = 1", "[node]: colour = 1; allowed only these keys: "),
    (
        "[sip]\nlisten = [\"tls://0.0.0.0:5061\"]",
        "[sip]: listen[1] = \"tls://0.0.0.0:5061\"; allowed udp://ADDRESS:PORT or tcp://ADDRESS:PORT",
    ),
    (
        "[sip]\nlisten = [\"udp://here:5060\"]",
        "[sip]: listen[1] = \"udp://here:5060\"; allowed udp://ADDRESS:PORT",
    ),
    ("[sip]\nregister_s_min = 9", "[sip]: register_s_min = 9; allowed 10–3600 (seconds)"),
    (
        "[tls]\ncertificate = \"cert.pem\"",
        "[tls]: certificate = \"cert.pem\"; allowed \"\" (TLS is not available yet)",
    ),
    (
        "[media]\naddress = \"everywhere\"",
        "[media]: address = \"everywhere\"; allowed an IP address",
    ),
    (
        "[media]\nports = \"20001-20000\"",
        "[media]: ports = \"20001-20000\"; allowed FIRST-LAST, first even, ",
    ),
    ("[http]\nlisten = \"8080\"", "[http]: listen = \"8080\"; allowed ADDRESS:PORT"),
    ("[store]\nurl = \"postgres://db\"", "[store]: url = \"postgres://db\"; allowed sqlite:PATH"),
    ("[log]\nformat = \"xml\"", "[log]: format = \"xml\"; allowed text, json"),
    ("[logs]\nformat = \"text\"", "[logs]: unknown section; allowed "),
];

fn status_with(dir: &Path, variable: Option<(&str, &str)>) -> (i32, String) {
    let mut command = Command::new(binary());
    command.args(["--config", "hotline.toml", "status"]).current_dir(dir).envs(variable);
    run("status", command, dir)
}

#[test]
fn each_wrong_value_of_the_node_file_gets_its_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut faults = Vec::new();
    for (text, expected) in WRONG_NODE {
        std::fs::write(dir.path().join("hotline.toml"), format!("# A node.\n{text}\n")).unwrap();
        let (code, output) = status_with(dir.path(), None);
        let line = if expected.contains("unknown section") { 2 } else { 3 };
        let expected = format!("hotline.toml:{line}: {expected}");
        if code != 1 || output.lines().count() != 1 || !output.starts_with(&expected) {
            faults.push(format!("{text:?}, exit {code}:\n  {output}  not {expected}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    // A variable is named instead of the file.
    std::fs::write(dir.path().join("hotline.toml"), "").unwrap();
    let (code, output) = status_with(dir.path(), Some(("HOTLINE_NODE_ENGINES", "many")));
    assert_eq!(code, 1);
    assert_eq!(
        output,
        "HOTLINE_NODE_ENGINES: [node]: engines = \"many\"; allowed 1–64 (threads that own tenants)\n"
    );
}

#[test]
fn wrong_use_and_a_server_that_is_not_there_have_their_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hotline.toml"), "[http]\nlisten = \"127.0.0.1:9\"\n").unwrap();
    std::fs::write(dir.path().join("token"), "token").unwrap();
    let code = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["--config", "hotline.toml"]).args(arguments).current_dir(dir.path());
        run("command", command, dir.path())
    };
    let api = ["--api", "http://127.0.0.1:9", "--token-file", "token"];
    for (arguments, expected) in [
        (vec!["frobnicate"], 2),
        (vec!["records", "--last", "soon"], 2),
        (vec!["dial", "1", "--dtmf", "x"], 2),
        (vec!["dial", "1", "--transport", "smoke"], 2),
        (vec!["agent", "--user", "1001"], 2),
        (vec!["status"], 3),
        (vec!["check", "nowhere"], 1),
    ] {
        let with_api = [arguments.clone(), api.to_vec()].concat();
        let arguments = if arguments == ["status"] { with_api } else { arguments };
        let (found, output) = code(&arguments);
        assert_eq!(found, expected, "{arguments:?}: {output}");
        assert!(!output.contains("panicked"), "{output}");
    }
}

#[test]
fn a_centre_that_is_refused_changes_nothing_of_the_running_one() {
    let setup = Setup::usual();
    let good = setup.centres[0].clone();
    let server = Server::start(setup);
    let wrong = good.clone().queue("sales", "wrap_up_s = 7200").agent("1003", "support", "");
    let (code, output) = server.apply(&wrong);
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("skill_queue \"sales\": wrap_up_s = 7200"), "{output}");
    assert_eq!(server.api().get("agents/1003").0, 404, "half of it was applied");

    // Made right, all of it comes at once, and twice is nothing new.
    let right = good.clone().queue("sales", "wrap_up_s = 70").agent("1003", "sales", "");
    let (code, output) = server.apply(&right);
    assert_eq!(code, 0, "{output}");
    let _agent =
        Phone::udp(server.net.agent(0), server.sip(), "1003").of("alpha.test").registered();
    let (code, output) = server.apply(&right);
    assert_eq!((code, output.contains("nothing was changed")), (0, true), "{output}");

    // The plan says what a change would do, and a dry run leaves it at that.
    let changed =
        Centre::usual(&server.net).queue("sales", "wrap_up_s = 10").agent("1003", "sales", "");
    let path = changed.write(server.dir()).display().to_string();
    let (code, plan) = server.command(&["apply", &path, "--dry-run"]);
    assert_eq!(code, 0, "{plan}");
    assert!(plan.contains("~ skill_queue \"sales\": wrap_up_s 70 → 10"), "{plan}");
    let (_, plan) = server.command(&["apply", &path, "--dry-run"]);
    assert!(plan.contains("70 → 10"), "the dry run has changed something: {plan}");
}
