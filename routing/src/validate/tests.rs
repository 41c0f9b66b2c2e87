//! Each fault of a configuration, by name.

use super::*;
use crate::config::{AccessCode, Distribution, Skill};

fn good() -> Config {
    let queue = |name: &str| SkillQueue {
        name: name.into(),
        description: "d".into(),
        ..SkillQueue::default()
    };
    Config {
        queues: vec![queue("a"), queue("b"), SkillQueue { kind: QueueType::Video, ..queue("v") }],
        agents: vec![Agent {
            employee_id: "1001".into(),
            skill_queues: vec![Skill { queue: "a".into(), level: 1 }],
            ..Agent::default()
        }],
        access_codes: vec![AccessCode { code: "12345".into(), ..AccessCode::default() }],
        called_routes: vec![CalledRoute::new(
            "12345",
            Some("1"),
            Destination::SkillQueue("a".into()),
        )],
        ..Config::default()
    }
}

#[test]
fn each_fault_is_one_line_that_names_object_field_value_and_what_is_allowed() {
    assert_eq!(good().validate(), []);
    let check = |change: fn(&mut Config), expected: &[&str]| {
        let mut config = good();
        change(&mut config);
        let lines: Vec<String> = config.validate().iter().map(Fault::to_string).collect();
        assert_eq!(lines, expected);
    };
    check(
        |c| c.queues[0].wrap_up_s = 7200,
        &["skill_queue \"a\": wrap_up_s = 7200; allowed 0–3600 (seconds)"],
    );
    check(
        |c| c.queues[0].max_waiting_time_s = 0,
        &["skill_queue \"a\": max_waiting_time_s = 0; allowed 1–60000 (seconds)"],
    );
    check(
        |c| c.queues[0].max_calls_in_queue = 10_001,
        &["skill_queue \"a\": max_calls_in_queue = 10001; allowed 1–10000"],
    );
    check(
        |c| c.queues[1].name = "b b".into(),
        &["skill_queue \"b b\": name = \"b b\"; allowed 1–20 characters without white space"],
    );
    check(|c| c.queues[1].name = "å".repeat(20), &[]);
    check(
        |c| c.queues[1].description = String::new(),
        &["skill_queue \"b\": description = \"\"; allowed 1–50 characters"],
    );
    check(
        |c| c.queues[1].distribution = Distribution::RingAll,
        &["skill_queue \"b\": distribution = \"ring_all\"; allowed longest_idle, most_skilled, \
         round_robin, linear"],
    );
    check(
        |c| c.queues[1].on_busy = Policy::SkillQueue("none".into()),
        &["skill_queue \"b\": on_busy = \"none\"; allowed the name of a skill queue"],
    );
    check(
        |c| c.queues[1].on_busy = Policy::SkillQueue("v".into()),
        &["skill_queue \"b\": on_busy = \"v\"; allowed a skill queue of type voice"],
    );
    check(
        |c| c.queues[1].on_timeout = Policy::Flow("sorry".into()),
        &["skill_queue \"b\": on_timeout = \"sorry\"; allowed the name of a published flow"],
    );
    check(
        |c| c.queues[1] = c.queues[0].clone(),
        &["skill_queue \"a\": name = \"a\"; allowed each once in the tenant"],
    );
    check(
        |c| c.agents[0].employee_id = "10x".into(),
        &["agent \"10x\": employee_id = \"10x\"; allowed 1–20 characters of 0123456789"],
    );
    check(
        |c| c.agents[0].skill_queues[0].level = 11,
        &["agent \"1001\": skill_queues.level = 11; allowed 1–10 (1 best)"],
    );
    check(
        |c| c.agents[0].skill_queues[0].queue = "v".into(),
        &["agent \"1001\": skill_queues = \"v\"; allowed queues for agents of type audio"],
    );
    check(
        |c| c.agents[0].skill_queues.clear(),
        &["agent \"1001\": skill_queues = []; allowed one or many"],
    );
    check(
        |c| c.called_routes[0].extension_code = Some("1a".into()),
        &["called_route \"12345/1a\": extension_code = \"1a\"; allowed 1–12 of 0-9 * #"],
    );
    check(
        |c| c.called_routes[0].access_code = "9".into(),
        &["called_route \"9/1\": access_code = \"9\"; allowed an access code of the tenant"],
    );
    check(
        |c| c.called_routes[0].destination = Destination::Agent("7".into()),
        &["called_route \"12345/1\": agent = \"7\"; allowed the employee ID of an agent"],
    );
    check(
        |c| c.called_routes[0].destination = Destination::SkillQueue("v".into()),
        &[
            "called_route \"12345/1\": skill_queue = \"v\"; allowed queues that voice access codes may \
         reach",
        ],
    );
    check(
        |c| c.called_routes.push(c.called_routes[0].clone()),
        &[
            "called_route \"12345/1\": extension_code = \"12345/1\"; allowed each once in the tenant",
        ],
    );
    check(
        |c| c.access_codes[0].code = "+1".into(),
        &[
            "access_code \"+1\": code = \"+1\"; allowed 1–20 digits",
            "called_route \"12345/1\": access_code = \"12345\"; allowed an access code of the tenant",
        ],
    );
    check(|c| c.settings.no_answer_limit = 0, &["tenant \"\": no_answer_limit = 0; allowed 1–100"]);
}

#[test]
fn a_chain_that_returns_is_a_warning() {
    let mut config = good();
    config.queues[0].on_timeout = Policy::SkillQueue("b".into());
    assert_eq!(config.validate(), []);
    config.queues[1].on_no_agents = Policy::SkillQueue("a".into());
    let faults = config.validate();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].severity, Severity::Warning);
    assert_eq!(
        faults[0].to_string(),
        "skill_queue \"b\": on_no_agents = \"a\"; allowed a chain of overflow that does not return"
    );
    config.queues[0].on_busy = Policy::SkillQueue("a".into());
    assert!(config.validate().iter().any(|fault| fault.severity == Severity::Error));
}

#[test]
fn a_chain_may_return_through_a_flow() {
    let mut config = good();
    config.flows = vec!["sorry".into(), "again".into()];
    config.queues[0].on_timeout = Policy::Flow("sorry".into());
    config.queues[1].on_busy = Policy::Flow("again".into());
    config.flow_queues = [("sorry".into(), vec!["b".into()])].into();
    assert_eq!(config.validate(), []);
    config.flow_queues.insert("again".into(), vec!["v".into(), "a".into(), "gone".into()]);
    let lines: Vec<String> = config.validate().iter().map(Fault::to_string).collect();
    let expected = "skill_queue \"b\": on_busy = \"again\"; allowed a chain of overflow that does \
                    not return";
    assert_eq!(lines, [expected]);
    assert_eq!(config.validate()[0].severity, Severity::Warning);
}

/// A waiting flow sent its callers to another queue, whose waiting flow sent them back.
#[test]
fn a_chain_may_return_through_the_flow_that_runs_while_callers_wait() {
    let mut config = good();
    config.flows = vec!["waiting".into()];
    config.queues[0].waiting = WaitMethod::Flow("waiting".into());
    config.flow_queues = [("waiting".into(), vec!["b".into()])].into();
    assert_eq!(config.validate(), []);
    config.queues[1].on_timeout = Policy::SkillQueue("a".into());
    let lines: Vec<String> = config.validate().iter().map(Fault::to_string).collect();
    let expected = "skill_queue \"b\": on_timeout = \"a\"; allowed a chain of overflow that does \
                    not return";
    assert_eq!(lines, [expected]);
    // A waiting flow that sends its callers where they are.
    let mut config = good();
    config.flows = vec!["waiting".into()];
    config.queues[0].waiting = WaitMethod::Flow("waiting".into());
    config.flow_queues = [("waiting".into(), vec!["a".into()])].into();
    let faults = config.validate();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].severity, faults[0].field.as_str()), (Severity::Warning, "waiting"));
}

#[test]
fn routes_and_access_codes_speak_languages_of_the_tenant() {
    let mut config = good();
    config.languages = vec!["en".into(), "zh".into()];
    config.called_routes[0].language = Some("zh".into());
    config.access_codes[0].language = Some("en".into());
    assert_eq!(config.validate(), []);
    config.called_routes[0].language = Some("cn".into());
    config.access_codes[0].language = Some("uk".into());
    let lines: Vec<String> = config.validate().iter().map(Fault::to_string).collect();
    let expected = [
        "access_code \"12345\": language = \"uk\"; allowed a language of the tenant: en, zh",
        "called_route \"12345/1\": language = \"cn\"; allowed a language of the tenant: en, zh",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn working_times_drafts_and_announcements_are_checked() {
    let check = |change: fn(&mut Config), severity: Severity, expected: &str| {
        let mut config = good();
        config.working_times = vec!["office".into()];
        change(&mut config);
        let faults = config.validate();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].severity, faults[0].to_string().as_str()), (severity, expected));
    };
    use Severity::{Error, Warning};
    check(
        |c| c.called_routes[0].working_time = Some("never".into()),
        Error,
        "called_route \"12345/1\": working_time = \"never\"; allowed the name of a working time",
    );
    check(
        |c| {
            c.called_routes[0].working_time = Some("office".into());
            c.called_routes[0].out_of_hours = Some(Destination::SkillQueue("v".into()));
        },
        Error,
        "called_route \"12345/1\": out_of_hours.skill_queue = \"v\"; allowed queues that voice \
         access codes may reach",
    );
    check(
        |c| c.called_routes[0].out_of_hours = Some(Destination::SkillQueue("b".into())),
        Warning,
        "called_route \"12345/1\": out_of_hours = \"set\"; allowed nothing without working_time: \
         the route is always open",
    );
    check(
        |c| c.queues[0].draft = true,
        Warning,
        "called_route \"12345/1\": skill_queue = \"a\"; allowed a skill queue that is no draft; \
         only test callers get there",
    );
    check(
        |c| {
            c.queues[0].on_busy = Policy::SkillQueue("b".into());
            c.queues[1].draft = true;
        },
        Warning,
        "skill_queue \"a\": on_busy = \"b\"; allowed a skill queue that is no draft; only test \
         callers get there",
    );
    check(
        |c| c.queues[0].announce_every_s = 4,
        Error,
        "skill_queue \"a\": announce_every_s = 4; allowed 5–3600 (seconds), or 0: never",
    );
    // Drafts among themselves, and a draft that overflows to what is published, are as they are.
    let mut config = good();
    config.called_routes[0].draft = true;
    config.queues[0].draft = true;
    config.queues[0].on_busy = Policy::SkillQueue("b".into());
    assert_eq!(config.validate(), []);
}

/// Which queue types each type of access code reaches.
#[test]
fn overflow_keeps_to_the_type_of_the_queue() {
    use QueueType as Q;
    let types = [Q::Voice, Q::Video, Q::Multimedia, Q::VoiceClickToDial, Q::VideoClickToDial];
    for from in types {
        let allowed = |policy: Policy, to: QueueType| {
            let mut config = good();
            config.flows = vec!["f".into()];
            let queue = |name: &str, kind| SkillQueue {
                name: name.into(),
                description: "d".into(),
                kind,
                ..SkillQueue::default()
            };
            config.queues.push(SkillQueue { on_busy: policy, ..queue("from", from) });
            config.queues.push(queue("to", to));
            config.validate().is_empty()
        };
        for to in types {
            assert_eq!(allowed(Policy::SkillQueue("to".into()), to), from == to, "{from:?} {to:?}");
        }
        assert_eq!(allowed(Policy::Flow("f".into()), from), from != Q::Multimedia, "{from:?}");
        assert!(allowed(Policy::default(), from));
    }
}
