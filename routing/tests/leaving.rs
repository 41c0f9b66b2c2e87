//! Callers whom a queue does not keep, drafts, changes of priority, and agents who hold, in
//! virtual time.

mod common;

use common::{Centre, config};
use hotline_routing::config::{BusyWhen, Settings};
use hotline_routing::*;

const QUEUES: &[&str] = &["a", "b"];
const AGENTS: &[(&str, &[&str])] = &[("1", &["a"]), ("2", &["b"])];

fn release(prompt: Option<&str>) -> Policy {
    Policy::Release { prompt: prompt.map(str::to_owned) }
}

/// Each reason for leaving a queue, each policy: what comes of a caller of `a`.
#[test]
fn each_policy_for_each_reason() {
    let timeout = |centre: &mut Centre| {
        centre.step(Input::Busy { agent: centre.agent("1"), reason: BusyReason::Chosen });
        centre.arrives(1, "a");
        centre.pass(60.0)
    };
    let busy = |centre: &mut Centre| {
        centre.step(Input::Busy { agent: centre.agent("1"), reason: BusyReason::Chosen });
        centre.arrives(2, "a");
        centre.arrives(1, "a")
    };
    let no_agents = |centre: &mut Centre| {
        centre.step(Input::SignOut { agent: centre.agent("1") });
        centre.arrives(1, "a")
    };
    let while_waiting = |centre: &mut Centre| {
        centre.step(Input::Busy { agent: centre.agent("1"), reason: BusyReason::Chosen });
        centre.arrives(1, "a");
        let mut lines = centre.step(Input::SignOut { agent: centre.agent("1") });
        lines.remove(0);
        lines
    };
    type Act = fn(&mut Centre) -> Vec<String>;
    let rows: [(Act, &str); 4] = [
        (timeout, "Timeout"),
        (busy, "Busy"),
        (no_agents, "NoAgents"),
        (while_waiting, "NoAgents"),
    ];
    for (act, why) in rows {
        let check = |policy: Policy, expected: &[String]| {
            let mut config = config(QUEUES, AGENTS);
            config.flows = vec!["sorry".into()];
            let queue = &mut config.queues[0];
            queue.max_calls_in_queue = 1;
            queue.on_timeout = policy.clone();
            queue.on_busy = policy.clone();
            queue.on_no_agents = policy.clone();
            let mut centre = Centre::new(config);
            centre.signs_in("1");
            centre.signs_in("2");
            assert_eq!(act(&mut centre), expected, "{why} {policy:?}");
            assert_eq!(centre.routing.position(CallRef(1)).is_some(), expected.len() > 1);
        };
        check(release(None), &[format!("call 1 leaves a after 0: {why}, release standard")]);
        check(release(Some("p")), &[format!("call 1 leaves a after 0: {why}, release p")]);
        let flow = format!("call 1 leaves a after 1: {why}, Flow(\"sorry\")");
        check(Policy::Flow("sorry".into()), &[flow]);
        check(
            Policy::SkillQueue("b".into()),
            &[
                format!("call 1 moves a → b: {why}, hop 1"),
                "call 1 waits in b at 1".into(),
                "2: Idle → Offered (Offered)".into(),
                "offer 1: call 1 of b to 2 for 20 s".into(),
            ],
        );
    }
}

#[test]
fn a_queue_is_busy_when_nobody_is_idle_if_it_says_so() {
    let mut config = config(QUEUES, AGENTS);
    config.queues[0].busy_when = BusyWhen::NobodyIdle;
    let mut centre = Centre::new(config);
    // No-agents comes first.
    assert_eq!(centre.arrives(1, "a"), ["call 1 leaves a after 0: NoAgents, release standard"]);
    centre.signs_in("1");
    assert!(centre.arrives(2, "a")[0].starts_with("call 2 waits in a"));
    let full = |call: u64| [format!("call {call} leaves a after 0: Busy, release standard")];
    assert_eq!(centre.arrives(3, "a"), full(3), "it is offered call 2");
    centre.talks(1);
    assert_eq!(centre.arrives(4, "a"), full(4), "it talks");
    centre.ends("1", 2);
    assert_eq!(centre.arrives(5, "a"), full(5), "it wraps up");
    centre.pass(5.0);
    assert!(centre.arrives(6, "a")[0].starts_with("call 6 waits in a"));
}

#[test]
fn moves_to_queues_and_flows_count_together() {
    let mut config = config(QUEUES, AGENTS);
    config.flows = vec!["f".into()];
    config.queues[0].on_no_agents = Policy::Flow("f".into());
    config.queues[1].on_no_agents = Policy::SkillQueue("a".into());
    let mut centre = Centre::new(config);
    let mut arrive = |queue: &str, hops: u8| {
        let queue = centre.queue(queue);
        let call = CallRef(1);
        centre.step(Input::Arrived { call, queue, priority: 0, hops, test: false })
    };
    assert_eq!(
        arrive("b", 7),
        ["call 1 moves b → a: NoAgents, hop 8", "call 1 leaves a after 9: NoAgents, Flow(\"f\")"]
    );
    // The flow brings it back.
    assert_eq!(
        arrive("b", 9),
        ["call 1 moves b → a: NoAgents, hop 10", "call 1 in a: too many hops"]
    );
    assert_eq!(arrive("a", 10), ["call 1 in a: too many hops"]);
    centre.assert_quiet();
}

/// A release is no move: whoever has moved ten times still hears why it is released.
#[test]
fn a_release_is_not_counted_as_a_move() {
    let mut centre = Centre::new(config(QUEUES, AGENTS));
    let queue = centre.queue("a");
    let arrived = Input::Arrived { call: CallRef(1), queue, priority: 0, hops: 10, test: false };
    assert_eq!(centre.step(arrived), ["call 1 leaves a after 10: NoAgents, release standard"]);
}

#[test]
fn place_and_waiting_time_are_carried_along_if_set() {
    for keeps in [false, true] {
        let mut config = config(QUEUES, AGENTS);
        config.settings = Settings { overflow_keeps_place: keeps, ..Settings::default() };
        config.queues[0].max_waiting_time_s = 10;
        config.queues[0].on_timeout = Policy::SkillQueue("b".into());
        config.queues[1].max_waiting_time_s = 30;
        let mut centre = Centre::new(config);
        for id in ["1", "2"] {
            centre.signs_in(id);
            centre.step(Input::Busy { agent: centre.agent(id), reason: BusyReason::Chosen });
        }
        centre.arrives(1, "a");
        centre.pass(5.0);
        centre.arrives(2, "b");
        let at = if keeps { 1 } else { 2 };
        assert_eq!(centre.pass(5.0)[1], format!("call 1 waits in b at {at}"));
        let left = |lines: &[String]| lines.iter().any(|line| line.starts_with("call 1 leaves b"));
        assert_eq!(left(&centre.pass(20.0)), keeps, "30 s after it came to a");
        assert_eq!(left(&centre.pass(10.0)), !keeps, "30 s after it came to b");
    }
}

#[test]
fn a_draft_queue_is_there_for_test_calls_only() {
    let mut config = config(&["a", "b", "new"], &[("1", &["new"]), ("2", &["b"])]);
    config.queues[0].on_no_agents = Policy::SkillQueue("new".into());
    config.queues[2].draft = true;
    let mut centre = Centre::new(config);
    centre.signs_in("1");
    let mut arrive = |queue: &str, test: bool| {
        let queue = centre.queue(queue);
        let call = CallRef(1);
        centre.step(Input::Arrived { call, queue, priority: 0, hops: 0, test })
    };
    assert_eq!(
        arrive("new", false),
        ["refused Arrived(CallRef(1)): no such queue, or not one of the agent's"]
    );
    assert_eq!(arrive("a", false), ["call 1 leaves a after 0: NoAgents, release standard"]);
    assert_eq!(
        arrive("a", true)[..2],
        ["call 1 moves a → new: NoAgents, hop 1", "call 1 waits in new at 1"]
    );
}

#[test]
fn a_new_priority_keeps_the_order_of_arrival_within_it() {
    let mut centre = Centre::new(config(QUEUES, AGENTS));
    centre.signs_in("1");
    centre.step(Input::Busy { agent: centre.agent("1"), reason: BusyReason::Chosen });
    for (call, priority) in [(1, 0), (2, 5), (3, 0), (4, 5)] {
        centre.pass(1.0);
        centre.arrives_with(call, "a", priority);
    }
    let mut order = |call: u64, priority: u8| {
        let set = Input::SetPriority { call: CallRef(call), priority };
        assert_eq!(centre.step(set), [""; 0]);
        let place = |call| centre.routing.position(CallRef(call)).unwrap().1;
        [place(1), place(2), place(3), place(4)]
    };
    // Third to come, now among the urgent: between 2 and 4.
    assert_eq!(order(3, 5), [4, 1, 2, 3]);
    assert_eq!(order(1, 5), [1, 2, 3, 4]);
    assert_eq!(order(2, 0), [1, 4, 2, 3]);
    assert_eq!(order(4, 100), [2, 4, 3, 1]);
    // The order is the one in which they are offered.
    let lines = centre.step(Input::Idle { agent: centre.agent("1") });
    assert!(lines[2].starts_with("offer 1: call 4 of a"), "{lines:?}");
    // One being offered keeps its offer, and its new place counts when it fails.
    centre.step(Input::SetPriority { call: CallRef(4), priority: 0 });
    assert_eq!(centre.routing.position(CallRef(4)).unwrap().1, 4);
    centre.fails(1, OfferFailure::Rejected);
    assert!(centre.pass(10.0)[1].starts_with("offer 2: call 1 of a"));
    for (call, priority, why) in [
        (9, 1, "refused SetPriority(CallRef(9)): no such call"),
        (1, 101, "refused SetPriority(CallRef(1)): outside what is allowed"),
    ] {
        assert_eq!(centre.step(Input::SetPriority { call: CallRef(call), priority }), [why]);
    }
}

#[test]
fn an_agent_holds_and_resumes() {
    let mut centre = Centre::new(config(QUEUES, AGENTS));
    centre.signs_in("1");
    let agent = centre.agent("1");
    let holds = |holding: bool| Input::Holds { agent, holding };
    assert_eq!(centre.step(holds(true)), ["refused Holds(AgentRef(0)): not possible while Idle"]);
    centre.arrives(1, "a");
    centre.talks(1);
    assert_eq!(centre.step(holds(true)), ["1: Talking → Holding (Held)"]);
    assert_eq!(centre.step(holds(true)), [""; 0], "it does already");
    assert_eq!(centre.routing.agent_status(agent).unwrap().delivered_by, Some(centre.queue("a")));
    assert_eq!(centre.step(holds(false)), ["1: Holding → Talking (Resumed)"]);
    centre.step(holds(true));
    // What it asks for meanwhile waits for the end of the call, as when talking.
    let told = ["1 at session 1 is told AfterCall"];
    assert_eq!(centre.step(Input::Busy { agent, reason: BusyReason::Chosen }), told);
    assert_eq!(centre.step(Input::Idle { agent }), [""; 0], "taken back");
    let stored = centre.routing.agent_stored(agent).unwrap();
    assert_eq!(stored.state, AgentState::Holding);
    assert_eq!(centre.ends("1", 1), ["1: Holding → WrapUp (CallEnded)"]);
    centre.pass(5.0);
    // The next call begins without a hold.
    centre.arrives(2, "a");
    centre.talks(2);
    assert_eq!(centre.state("1"), AgentState::Talking);

    // A restart has cut its call off.
    let mut again = Centre::new(config(QUEUES, AGENTS));
    assert_eq!(
        again.step(Input::Restore { agents: vec![stored] }),
        ["1: Holding → WrapUp (Restored)"]
    );
}
