//! `hotline flow run` and `hotline flow graph` as somebody runs them who has no telephone at hand:
//! what is printed, what is drawn, and how they end when something is wrong.

use hotline_tests::process::run;
use hotline_tests::{binary, root};
use std::path::Path;
use std::process::Command;

const WELCOME: &str = "conf/demo/flows/welcome.toml";

/// Runs `hotline flow …` in a directory; exit code and output.
fn flow(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let logs = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(binary());
    command.current_dir(dir).arg("flow").args(arguments);
    run("flow", command, logs.path())
}

/// What an account tells, without times.
fn told(account: &str) -> Vec<String> {
    let lines = account.lines().filter_map(|line| line.split_once(" s  "));
    lines.map(|(_, what)| what.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// When each line of an account happens, in s.
fn times(account: &str) -> Vec<f64> {
    let lines = account.lines().filter_map(|line| line.split_once(" s  "));
    lines.map(|(time, _)| time.trim().parse().expect("a time in s")).collect()
}

#[test]
fn a_walk_tells_what_a_caller_would_hear() {
    let arguments = ["run", WELCOME, "--digits", ",,2", "--at", "2026-12-24T23:59"];
    let (code, account) = flow(&root(), &[&arguments[..], &["--caller", "+15550001111"]].concat());
    assert_eq!(code, 0, "{account}");
    let expected = [
        "welcome.hours",
        "welcome.hello",
        "hears en/welcome",
        "welcome.menu",
        "hears en/menu_main",
        "presses 2",
        "silence",
        "welcome.sales",
        "data menu = sales",
        "welcome.to_sales",
        "leaves to skill queue sales",
    ];
    assert_eq!(told(&account), expected, "{account}");
    let times = times(&account);
    assert!(times.is_sorted() && times[0] == 0.0, "{account}");
    assert_eq!(times[5], 2.0, "two commas are two seconds: {account}");
    // Another language, and a caller who says nothing: time-outs, in virtual time.
    let (code, account) = flow(&root(), &["run", WELCOME, "--language", "es"]);
    assert_eq!(code, 0, "{account}");
    let told = told(&account);
    assert!(told.contains(&"hears es/welcome".into()), "{account}");
    assert_eq!(told.iter().filter(|line| line.contains("es/menu_main")).count(), 3, "{account}");
    assert!(told.contains(&"leaves to skill queue support".into()), "{account}");
    // No further than it is told to go.
    let (code, account) = flow(&root(), &["run", WELCOME, "--seconds", "5"]);
    assert_eq!(code, 0, "{account}");
    assert!(account.trim_end().ends_with("5.000 s  still running"), "{account}");
}

/// Goes by the hour, the working time, who calls, and what is typed.
const ASKS: &str = r##"
languages = ["en"]
start = "hours"
on_hang_up = "bye"

[variables]
typed = "text"

[node.hours]
kind = "working_time"
working_time = "office"
open = "who"
closed = "late"

[node.who]
kind = "branch"
cases = [{ if = "starts_with(call.caller, '+1555') and hour(now) == 23", then = "ask" }]
otherwise = "bye"

[node.ask]
kind = "collect"
say = ["sign_in_employee_id"]
into = "typed"
retries = 0
next = "kept"
on_timeout = "bye"
on_no_match = "bye"

[node.kept]
kind = "set"
data = { typed = "typed", caller = "call.caller" }
next = "bye"

[node.late]
kind = "end"
say = ["closed"]
cause = 17

[node.bye]
kind = "end"
say = ["goodbye"]
"##;

/// A centre directory around a flow.
fn centre(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let centre = "[tenant]\nname = \"alpha\"\ntime_zone = \"America/New_York\"\n\
                  [[working_time]]\nname = \"office\"\nworkday = [[\"08:00\", \"24:00\"]]\n";
    std::fs::create_dir_all(dir.path().join("flows")).expect("a directory");
    std::fs::write(dir.path().join("centre.toml"), centre).expect("a file");
    std::fs::write(dir.path().join("flows/asks.toml"), text).expect("a file");
    dir
}

#[test]
fn the_hour_the_caller_and_the_keys_are_those_of_the_command_line() {
    let dir = centre(ASKS);
    let walk = |at: &str, caller: &str| {
        let arguments = ["run", "flows/asks.toml", "--digits", ",1,2,#", "--at", at];
        let (code, account) = flow(dir.path(), &[&arguments[..], &["--caller", caller]].concat());
        assert_eq!(code, 0, "{account}");
        told(&account)
    };
    // A Thursday, of New York.
    let taken = walk("2026-12-24T23:59", "+15550001111");
    assert!(taken.contains(&"data typed = 12".into()), "{taken:?}");
    assert!(taken.contains(&"data caller = +15550001111".into()), "{taken:?}");
    assert!(taken.last().is_some_and(|last| last.contains("cause 16")), "{taken:?}");
    for (at, caller) in [("2026-12-24T22:59", "+15550001111"), ("2026-12-24T23:59", "+4610")] {
        let taken = walk(at, caller);
        assert!(taken.contains(&"asks.bye".into()), "{at} {caller}: {taken:?}");
        assert!(!taken.contains(&"asks.ask".into()), "{at} {caller}: {taken:?}");
    }
    // Before it opens, and on a Saturday.
    for at in ["2026-12-24T07:59", "2026-12-26T23:59"] {
        let taken = walk(at, "+15550001111");
        assert!(taken.contains(&"hears en/closed".into()), "{at}: {taken:?}");
        assert!(taken.last().is_some_and(|last| last.contains("cause 17")), "{at}: {taken:?}");
    }
}

#[test]
fn every_path_is_tried_and_what_is_never_taken_is_a_failure() {
    let (code, table) = flow(&root(), &["run", "conf/demo/flows/out_of_hours.toml", "--all"]);
    assert_eq!(code, 0, "{table}");
    for part in ["out_of_hours.closed", "voicemail.message", "on_empty → done", "0 never taken"] {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
    // A node and its edges, each with how often it was taken.
    let count = |line: &str| -> u64 {
        let found = table.lines().find(|found| found.trim_end().ends_with(line));
        let count = found.and_then(|found| found.split_whitespace().next()?.parse().ok());
        count.unwrap_or_else(|| panic!("no {line:?} in\n{table}"))
    };
    assert!(count("out_of_hours.message") > 0, "{table}");
    assert!(count("next → message") >= count("out_of_hours.message"), "{table}");

    let (code, table) =
        flow(&root(), &["run", "conf/demo/flows/voicemail.toml", "--all", "--json"]);
    assert_eq!(code, 0, "{table}");
    let report: serde_json::Value = serde_json::from_str(&table).expect("JSON");
    assert_eq!(report["missed"], serde_json::json!([]), "{report}");

    let never = ASKS.replace("hour(now) == 23", "1 == 2");
    let dir = centre(&never);
    let (code, table) = flow(dir.path(), &["run", "flows/asks.toml", "--all"]);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("never taken: ") && table.contains("ask"), "{table}");
}

#[test]
fn a_picture_has_a_box_for_each_node_and_an_arrow_for_each_edge() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("welcome.svg").display().to_string();
    let (code, said) = flow(&root(), &["graph", WELCOME, "--out", &file]);
    assert_eq!((code, said.contains("wrote ")), (0, true), "{said}");
    let picture = std::fs::read_to_string(&file).expect("the picture");
    assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{picture}");
    assert!(picture.trim_end().ends_with("</svg>"), "{picture}");
    let text = std::fs::read_to_string(root().join(WELCOME)).expect("the demo");
    let written: toml::Table = text.parse().expect("TOML");
    let nodes = written["node"].as_table().expect("nodes");
    for name in nodes.keys() {
        assert!(picture.contains(&format!(">{name}<")), "no {name} in\n{picture}");
    }
    assert!(picture.matches("<rect").count() >= nodes.len(), "{picture}");
    assert!(picture.matches("class=\"edge").count() >= nodes.len() - 1, "{picture}");
    let (code, printed) = flow(&root(), &["graph", WELCOME]);
    assert_eq!((code, printed.trim_end()), (0, picture.trim_end()));
}

#[test]
fn what_is_wrong_is_told_in_a_line_and_by_the_exit_code() {
    let dir = centre(&ASKS.replace("next = \"kept\"", "next = [1]"));
    let faulty =
        centre(&ASKS.replace("\"typed\", caller", "\"text(1 / (length(typed) - 2))\", caller"));
    let ask = |digits| {
        let at = ["--at", "2026-12-24T23:59", "--caller", "+15551"];
        [&["run", "flows/asks.toml", "--digits", digits][..], &at].concat()
    };
    // Wrong as asked for is 2, wrong as written or as it runs is 1.
    for (dir, arguments, expected, part) in [
        (root().as_path(), vec!["run", WELCOME, "--digits", "1x"], 2, "'x'; allowed 0-9 * #"),
        (root().as_path(), vec!["run", WELCOME, "--at", "noon"], 2, "allowed YYYY-MM-DDTHH:MM"),
        (root().as_path(), vec!["run", WELCOME, "--hang-up-after=-1"], 2, "hang-up-after"),
        (root().as_path(), vec!["run", WELCOME, "--seconds", "x"], 2, "--seconds"),
        (root().as_path(), vec!["run", WELCOME, "--http-answer", "{"], 2, "--http-answer"),
        (root().as_path(), vec!["run", WELCOME, "--loud"], 2, "--loud"),
        (root().as_path(), vec!["run"], 2, "<FILE>"),
        (root().as_path(), vec!["walk"], 2, "walk"),
        (root().as_path(), vec!["run", "nothing.toml"], 1, "nothing.toml: "),
        (root().as_path(), vec!["graph", "nothing.toml"], 1, "nothing.toml: "),
        (root().as_path(), vec!["graph", WELCOME, "--out", "/nowhere/a.svg"], 1, "/nowhere/a.svg"),
        (dir.path(), ask("1#"), 1, "flows/asks.toml:"),
        (dir.path(), vec!["graph", "flows/asks.toml"], 1, "flows/asks.toml:"),
        (faulty.path(), ask(",,12#"), 1, "the flow failed: "),
    ] {
        let (code, said) = flow(dir, &arguments);
        assert_eq!(code, expected, "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: no {part:?} in {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}
