//! Ways through flows: what a hang-up cuts off, and ways round without end.

use super::*;

#[test]
fn what_a_hang_up_leaves_unfinished_needs_a_branch() {
    let collect = "kind = \"collect\"\nsay = \"welcome\"\ninto = \"text\"\nnext = \"m\"\n\
                   on_timeout = \"end\"\non_no_match = \"end\"";
    let play = |next: &str| {
        format!(
            "[node.m]\nkind = \"play\"\nsay = \"welcome\"\nbarge_in = false\nnext = \"{next}\"\n"
        )
    };
    let data = |next: &str, expr: &str| {
        format!(
            "[node.{next}]\nkind = \"set\"\ndata = {{ account = \"{expr}\" }}\nnext = \"end\"\n"
        )
    };
    let again =
        "[node.copy]\nkind = \"set\"\nvalues = { later = \"upper(text)\" }\nnext = \"note\"\n";
    let post = format!("{}method = \"POST\"\n", HTTP.replace("next = \"end\"", "next = \"m\""));
    let more = |node: &str| format!("[node.more]\n{}method = \"PUT\"\n{node}", HTTP);
    let branch = ("start = \"first\"", "start = \"first\"\non_hang_up = \"end\"");
    let lost = |from: &str| {
        format!("warning: on_hang_up is missing; what \"n\" {from} hangs up before").leak() as &str
    };
    let collected = lost("collects is handed on only at \"note\", and lost when the caller");
    let begun = lost("begins goes on only at \"more\", and never when the caller");
    run(&[
        (collect, &(play("note") + &data("note", "text")), collected, branch),
        // Handed on at once.
        (
            collect,
            &(play("note") + &data("note", "text")),
            collected,
            (
                "kind = \"play\"\nsay = \"welcome\"\nbarge_in = false",
                "kind = \"priority\"\npriority = 1",
            ),
        ),
        // Something else is handed on.
        (
            collect,
            &(play("note") + &data("note", "text")),
            collected,
            ("\"text\" }\nnext = \"end\"", "\"number\" }\nnext = \"end\""),
        ),
        // By another variable.
        (collect, &(play("copy") + again + &data("note", "later")), collected, branch),
        (
            collect,
            &(play("copy") + again + &data("note", "later")),
            collected,
            ("into = \"text\"", "into = \"pin\""),
        ),
        (&post, &(play("more") + &more("")), begun, branch),
        (&post, &(play("more") + &more("")), begun, ("method = \"PUT\"", "method = \"GET\"")),
    ]);
    // Whoever runs it minds the hang-up.
    let asks = flow(collect, &(play("note") + &data("note", "text")));
    let runs = "start = \"a\"\non_hang_up = \"b\"\n[node.a]\nkind = \"subflow\"\nflow = \"f\"\n\
                next = \"b\"\n[node.b]\nkind = \"end\"";
    assert_eq!(faults_of(&[("f", &asks), ("runs", runs)]), [] as [String; 0]);
    let also = runs.replace("on_hang_up = \"b\"\n", "");
    assert_eq!(faults_of(&[("f", &asks), ("runs", runs), ("also", &also)]).len(), 1);
}

#[test]
fn no_way_round_is_without_a_pause() {
    let sub = "kind = \"subflow\"\nflow = \"other\"\nnext = \"n\"";
    let round = "node \"n\": next: n → n goes round without ever waiting for the caller";
    run(&[
        (
            &format!("{PLAY}next = \"n\"").replace("false", "true"),
            "",
            round,
            ("barge_in = true", "barge_in = false"),
        ),
        ("kind = \"wait\"\nfor_s = 5\nbarge_in = true\nnext = \"n\"", "", round, ("true", "false")),
        (
            &format!("{}values = {{ text = \"'a'\" }}", SET.replace("end", "n")),
            "",
            round,
            ("next = \"n\"", "next = \"end\""),
        ),
        (sub, "", round, ("next = \"n\"", "next = \"end\"")),
        (
            "kind = \"loop\"\ntimes = 2\nbody = \"m\"\nnext = \"n\"",
            "[node.m]\nkind = \"priority\"\npriority = 1\nnext = \"n\"",
            round,
            ("next = \"n\"", "next = \"end\""),
        ),
        (
            "kind = \"http\"\nurl = \"https://a/\"\nnext = \"m\"\non_error = \"end\"",
            "[node.m]\nkind = \"queue_status\"\nqueue = \"support\"\nagents = \"number\"\nnext = \"n\"",
            "node \"m\": next: m → n → m goes round",
            ("next = \"n\"", "next = \"end\""),
        ),
        (
            "kind = \"transfer\"\nto = { flow = \"f\" }\non_failure = \"end\"",
            "",
            "node \"first\": cases.0.then: first → n → first goes round",
            ("{ flow = \"f\" }", "{ skill_queue = \"support\" }"),
        ),
    ]);
    // Bounded: loops in loops, left for good.
    let loops = flow(
        "kind = \"loop\"\ntimes = 3\nbody = \"m\"\nnext = \"end\"",
        "[node.m]\nkind = \"loop\"\ntimes = 3\nbody = \"m\"\nnext = \"n\"",
    );
    assert_eq!(faults_of(&[("f", &loops)]), [] as [String; 0]);
    // When the caller is gone, nothing takes time.
    let gone =
        flow(&format!("{PLAY}next = \"n\""), "").replace("start =", "on_hang_up = \"n\"\nstart =");
    let [fault] = faults_of(&[("f", &gone)]).try_into().unwrap();
    assert!(fault.contains("n → n goes round without end when the caller has hung up"), "{fault}");
}

/// A sub-flow that goes over to the flow that ran it went round for ever, and nobody found it.
#[test]
fn a_way_round_through_a_sub_flow_that_is_left_for_good_is_found() {
    let runs = "start = \"a\"\n[node.a]\nkind = \"subflow\"\nflow = \"goes\"\nnext = \"e\"\n\
                [node.e]\nkind = \"end\"";
    let goes = "start = \"a\"\n[node.a]\nkind = \"transfer\"\nto = { flow = \"runs\" }\n\
                on_failure = \"e\"\n[node.e]\nkind = \"end\"";
    let found = faults_of(&[("runs", runs), ("goes", goes)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("a → runs:a → a goes round without ever waiting"), "{found:#?}");
    let paused = runs.replace(
        "kind = \"end\"",
        "kind = \"end\"\n[node.w]\nkind = \"wait\"\nfor_s = 1\nnext = \"a\"",
    );
    let paused = paused.replace("start = \"a\"", "start = \"w\"");
    assert_eq!(faults_of(&[("runs", &paused), ("goes", goes)]), [] as [String; 0]);
}

/// The loop of a flow that begins anew counts anew.
#[test]
fn a_loop_bounds_nothing_in_a_flow_that_begins_anew() {
    let text = "start = \"a\"\n[node.a]\nkind = \"loop\"\ntimes = 2\nbody = \"b\"\nnext = \"e\"\n\
                [node.b]\nkind = \"transfer\"\nto = { flow = \"f\" }\non_failure = \"a\"\n\
                [node.e]\nkind = \"end\"";
    let found = faults_of(&[("f", text)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("a → b → a goes round without ever waiting"), "{found:#?}");
}

#[test]
fn in_a_hang_up_branch_sub_flows_take_no_time_either() {
    let runs = "start = \"e\"\non_hang_up = \"a\"\n[node.a]\nkind = \"subflow\"\nflow = \"round\"\n\
                next = \"e\"\n[node.e]\nkind = \"end\"";
    let round = format!("start = \"p\"\n[node.p]\n{PLAY}next = \"p\"");
    let found = faults_of(&[("runs", runs), ("round", &round)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("goes round without end when the caller has hung up"), "{found:#?}");
}

#[test]
fn a_way_round_through_two_flows_is_found() {
    let there = "start = \"a\"\n[node.a]\nkind = \"transfer\"\nto = { flow = \"back\" }\non_failure = \"e\"\n[node.e]\nkind = \"end\"";
    let back = there.replace("back", "there");
    let found = faults_of(&[("there", there), ("back", &back)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("flow \"back\": node \"a\": to.flow: a → there:a → a goes round"),
        "{found:#?}"
    );
}
