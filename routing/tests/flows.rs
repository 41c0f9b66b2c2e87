//! Call flows through a centre, in virtual time.

mod common;

use common::{Centre, config};
use hotline_routing::config::{BusyWhen, Distribution, LostRegistration};
use hotline_routing::*;

const REJECTED: OfferFailure = OfferFailure::Rejected;

fn one_agent() -> Centre {
    let mut centre = Centre::new(config(&["support"], &[("1001", &["support"])]));
    centre.signs_in("1001");
    centre
}

#[test]
fn a_call_is_offered_answered_connected_and_wrapped_up() {
    let mut centre = Centre::new(config(&["support"], &[("1001", &["support"])]));
    assert_eq!(centre.signs_in("1001"), ["1001: SignedOut → Idle (SignedIn)"]);
    assert_eq!(
        centre.arrives(1, "support"),
        [
            "call 1 waits in support at 1",
            "1001: Idle → Offered (Offered)",
            "offer 1: call 1 of support to 1001 for 20 s",
        ]
    );
    assert_eq!(centre.arrives(2, "support"), ["call 2 waits in support at 2"]);
    assert_eq!(centre.talks(1), ["1001: Offered → Talking (Answered)"]);
    assert_eq!(centre.routing.position(CallRef(2)), Some((centre.queue("support"), 1)));
    centre.pass(50.0);
    assert_eq!(centre.ends("1001", 1), ["1001: Talking → WrapUp (CallEnded)"]);
    assert_eq!(centre.pass(4.999), [""; 0]);
    assert_eq!(
        centre.pass(0.001),
        [
            "1001: WrapUp → Idle (WrapUpOver)",
            "1001: Idle → Offered (Offered)",
            "offer 2: call 2 of support to 1001 for 20 s",
        ]
    );
    centre.talks(2);
    assert_eq!(centre.state("1001"), AgentState::Talking);
    centre.ends("1001", 2);
    centre.pass(5.0);
    centre.assert_quiet();
    assert_eq!(centre.routing.timers_len(), 0);
}

#[test]
fn the_caller_hangs_up_at_any_moment() {
    // While waiting.
    let mut centre = Centre::new(config(&["support"], &[("1001", &["support"])]));
    centre.signs_in("1001");
    centre.arrives(1, "support");
    centre.arrives(2, "support");
    assert_eq!(centre.gone(2), [""; 0]);
    assert_eq!(centre.gone(2), ["refused CallerGone(CallRef(2)): no such call"]);
    // While offered: withdrawn, not counted, rank kept.
    assert_eq!(
        centre.gone(1),
        ["withdraw offer 1: CallerGone", "1001: Offered → Idle (CallerGone)",]
    );
    assert_eq!(centre.routing.agent_status(centre.agent("1001")).unwrap().unanswered, 0);
    // The 200 that crosses our CANCEL is refused; so is a second one.
    let answered = Input::Answered { offer: OfferId(1) };
    assert_eq!(centre.step(answered), ["refused Answered(OfferId(1)): the offer has ended"]);
    // During the announcement: a call of the queue has ended for the agent.
    centre.arrives(3, "support");
    centre.step(Input::Answered { offer: OfferId(2) });
    assert_eq!(
        centre.step(Input::Answered { offer: OfferId(2) }),
        ["refused Answered(OfferId(2)): the offer was answered already",]
    );
    assert_eq!(
        centre.gone(3),
        ["withdraw offer 2: CallerGone", "1001: Talking → WrapUp (CallerGone)",]
    );
    centre.assert_quiet();
}

#[test]
fn a_withdrawn_offer_keeps_the_agents_rank_and_a_failed_one_does_not() {
    let agents: &[(&str, &[&str])] = &[("1001", &["support"]), ("1002", &["support"])];
    let mut centre = Centre::new(config(&["support"], agents));
    centre.signs_in("1001");
    centre.pass(1.0);
    centre.signs_in("1002");
    centre.pass(1.0);
    assert!(centre.arrives(1, "support")[2].contains("to 1001"));
    centre.gone(1);
    assert!(centre.arrives(2, "support")[2].contains("to 1001"), "first still");
    // It dials: withdrawn, the next agent gets the call, and its rank is kept.
    let agent = centre.agent("1001");
    assert_eq!(
        centre.step(Input::DialsOut { agent }),
        [
            "withdraw offer 2: AgentDials",
            "1002: Idle → Offered (Offered)",
            "offer 3: call 2 of support to 1002 for 20 s",
            "1001: Offered → Talking (Dials)",
        ]
    );
    centre.gone(2);
    assert_eq!(centre.step(Input::DialEnded { agent }), ["1001: Talking → Idle (DialEnded)"]);
    assert!(centre.arrives(3, "support")[2].contains("to 1001"), "first after dialling");
    // It does not answer: the other one, and now it ranks last.
    let lines = centre.pass(20.0);
    assert_eq!(
        lines,
        [
            "withdraw offer 4: NoAnswer",
            "1002: Idle → Offered (Offered)",
            "offer 5: call 3 of support to 1002 for 20 s",
            "1001: Offered → Idle (NoAnswer)",
        ]
    );
    centre.gone(3);
    assert!(centre.arrives(4, "support")[2].contains("to 1002"));
}

#[test]
fn three_unanswered_offers_in_a_row_make_the_agent_busy() {
    let mut centre = one_agent();
    centre.arrives(1, "support");
    assert_eq!(
        centre.pass(20.0),
        [
            "withdraw offer 1: NoAnswer",
            "1001: Offered → Idle (NoAnswer)",
            "1001: Idle → Offered (Offered)",
            "offer 2: call 1 of support to 1001 for 20 s",
        ]
    );
    assert_eq!(centre.fails(2, OfferFailure::NoAnswer)[0], "1001: Offered → Idle (NoAnswer)");
    assert_eq!(
        centre.pass(20.0),
        ["withdraw offer 3: NoAnswer", "1001: Offered → Busy(NoAnswer) (NoAnswer)",]
    );
    // The caller kept its place and leaves when its time is over.
    assert_eq!(centre.routing.position(CallRef(1)), Some((centre.queue("support"), 1)));
    assert_eq!(centre.pass(20.0), ["call 1 leaves support after 0: Timeout, release standard"]);
    centre.assert_quiet();
    // Answering resets the count.
    let agent = centre.agent("1001");
    centre.step(Input::Idle { agent });
    centre.arrives(2, "support");
    centre.pass(40.0);
    assert_eq!(centre.routing.agent_status(agent).unwrap().unanswered, 2);
    centre.step(Input::Answered { offer: OfferId(6) });
    assert_eq!(centre.routing.agent_status(agent).unwrap().unanswered, 0);
}

#[test]
fn one_who_rejects_is_left_alone_for_ten_seconds_and_the_caller_keeps_its_place() {
    let mut centre = one_agent();
    centre.arrives(1, "support");
    centre.arrives(2, "support");
    assert_eq!(centre.fails(1, REJECTED), ["1001: Offered → Idle (Rejected)"]);
    assert_eq!(centre.pass(9.999), [""; 0]);
    assert_eq!(
        centre.pass(0.001),
        ["1001: Idle → Offered (Offered)", "offer 2: call 1 of support to 1001 for 20 s",]
    );
    // Asking for calls ends the pause.
    centre.fails(2, REJECTED);
    let agent = centre.agent("1001");
    assert!(centre.step(Input::Idle { agent })[1].starts_with("offer 3: call 1"));
    // Gone between answering and being connected: the same, and the caller keeps its place.
    centre.step(Input::Answered { offer: OfferId(3) });
    assert_eq!(centre.fails(3, OfferFailure::AgentGone), ["1001: Talking → Idle (AgentGone)"]);
    assert_eq!(centre.routing.position(CallRef(1)), Some((centre.queue("support"), 1)));
    assert!(centre.pass(10.0)[1].starts_with("offer 4: call 1"));
}

#[test]
fn an_unreachable_phone_makes_busy_until_it_registers_again() {
    let mut config = config(&["support"], &[("1001", &["support"]), ("1002", &["support"])]);
    config.agents[0].sign_in_on_registration = true;
    let mut centre = Centre::new(config);
    let (agent, session) = (centre.agent("1001"), Session(7));
    let registered = Input::Registered { agent, session };
    assert_eq!(centre.step(registered.clone()), ["1001: SignedOut → Idle (Registered)"]);
    assert_eq!(centre.step(registered.clone()), [""; 0]);
    centre.pass(1.0);
    centre.signs_in("1002");
    centre.arrives(1, "support");
    assert_eq!(
        centre.fails(1, OfferFailure::PhoneUnavailable),
        [
            "1002: Idle → Offered (Offered)",
            "offer 2: call 1 of support to 1002 for 20 s",
            "1001: Offered → Busy(PhoneUnavailable) (PhoneUnavailable)",
        ]
    );
    assert_eq!(centre.step(registered), ["1001: Busy(PhoneUnavailable) → Idle (Registered)"]);
    let other = centre.agent("1002");
    let plain = Input::Registered { agent: other, session };
    assert_eq!(centre.step(plain), [""; 0]);
}

#[test]
fn registration_lost_while_ringing_and_while_talking() {
    for (setting, state) in [
        (LostRegistration::SignedOut, AgentState::SignedOut),
        (LostRegistration::Busy, AgentState::Busy(BusyReason::PhoneUnavailable)),
    ] {
        let mut config = config(&["support"], &[("1001", &["support"]), ("1002", &["support"])]);
        config.settings.lost_registration = setting;
        let mut centre = Centre::new(config);
        centre.signs_in("1001");
        centre.pass(1.0);
        centre.signs_in("1002");
        centre.arrives(1, "support");
        let (agent, other) = (centre.agent("1001"), centre.agent("1002"));
        let lines = centre.step(Input::Unregistered { agent });
        assert_eq!(lines[0], "withdraw offer 1: RegistrationLost");
        assert_eq!(lines[2], "offer 2: call 1 of support to 1002 for 20 s");
        assert_eq!(centre.state("1001"), state);
        // A call in progress goes on.
        centre.talks(2);
        assert_eq!(centre.step(Input::Unregistered { agent: other }), [""; 0]);
        assert_eq!(centre.state("1002"), AgentState::Talking);
        centre.ends("1002", 1);
        assert_eq!(centre.state("1002"), state);
        centre.assert_quiet();
    }
}

#[test]
fn what_is_asked_for_during_a_call_takes_effect_when_it_ends() {
    let mut centre = one_agent();
    let agent = centre.agent("1001");
    centre.arrives(1, "support");
    centre.talks(1);
    let reason = BusyReason::Chosen;
    let told = ["1001 at session 1 is told AfterCall"];
    assert_eq!(centre.step(Input::Busy { agent, reason }), told);
    assert_eq!(centre.ends("1001", 1), ["1001: Talking → Busy(Chosen) (AskedDuringCall)"]);
    centre.step(Input::Idle { agent });
    centre.arrives(2, "support");
    centre.talks(2);
    centre.step(Input::SignOut { agent });
    assert_eq!(centre.step(Input::Idle { agent }), [""; 0], "taken back");
    assert_eq!(centre.ends("1001", 2), ["1001: Talking → WrapUp (CallEnded)"]);
    assert_eq!(
        centre.step(Input::ExtendWrapUp { agent, by_s: 10 }),
        ["1001: WrapUp → WrapUp (WrapUpExtended)",]
    );
    assert_eq!(centre.pass(14.9), [""; 0]);
    assert_eq!(centre.step(Input::EndWrapUp { agent }), ["1001: WrapUp → Idle (WrapUpEnded)"]);
    assert_eq!(
        centre.step(Input::EndWrapUp { agent }),
        ["refused EndWrapUp(AgentRef(0)): not possible while Idle",]
    );
    let rest = Rest { reason: "lunch".into(), planned_s: Some(1800) };
    assert_eq!(centre.step(Input::Rest { agent, rest }), ["1001: Idle → Rest (Asked)"]);
    assert_eq!(centre.routing.timers_len(), 0);
}

#[test]
fn on_arrival_first_no_agents_then_busy_then_waiting() {
    let mut config = config(&["support", "overflow"], &[("1001", &["support"])]);
    config.queues[0].max_calls_in_queue = 2;
    config.queues[0].on_no_agents = Policy::Release { prompt: Some("closed".into()) };
    config.queues[0].on_busy = Policy::SkillQueue("overflow".into());
    let mut centre = Centre::new(config.clone());
    assert_eq!(
        centre.arrives(1, "support"),
        ["call 1 leaves support after 0: NoAgents, release closed",]
    );
    centre.signs_in("1001");
    centre.arrives(2, "support"); // offered, and counts as waiting
    centre.arrives(3, "support");
    assert_eq!(
        centre.arrives(4, "support"),
        [
            "call 4 moves support → overflow: Busy, hop 1",
            "call 4 leaves overflow after 1: NoAgents, release standard",
        ]
    );
    // Once connected the caller has left the queue.
    centre.talks(1);
    assert_eq!(centre.arrives(5, "support"), ["call 5 waits in support at 2"]);

    config.queues[0].max_calls_in_queue = 100;
    config.queues[0].busy_when = BusyWhen::NobodyIdle;
    let mut centre = Centre::new(config);
    centre.signs_in("1001");
    centre.arrives(1, "support");
    assert!(centre.arrives(2, "support")[0].contains("Busy"));
}

#[test]
fn when_the_last_agent_signs_out_those_who_wait_leave() {
    let mut config = config(&["support"], &[("1001", &["support"]), ("1002", &["support"])]);
    let mut centre = Centre::new(config.clone());
    centre.signs_in("1001");
    centre.signs_in("1002");
    (1..=4).for_each(|call| drop(centre.arrives(call, "support")));
    let (agent, last) = (centre.agent("1001"), centre.agent("1002"));
    centre.talks(2);
    assert_eq!(
        centre.step(Input::SignOut { agent }),
        ["withdraw offer 1: AgentLeft", "1001: Offered → SignedOut (SignedOut)",]
    );
    // The other is in a call, and so still signed in.
    centre.step(Input::SignOut { agent: last });
    assert_eq!(
        centre.ends("1002", 2),
        [
            "1002: Talking → SignedOut (SignedOut)",
            "call 1 leaves support after 0: NoAgents, release standard",
            "call 3 leaves support after 0: NoAgents, release standard",
            "call 4 leaves support after 0: NoAgents, release standard",
        ]
    );
    centre.assert_quiet();

    config.queues[0].no_agents_while_waiting = false;
    let mut centre = Centre::new(config);
    centre.signs_in("1001");
    centre.arrives(1, "support");
    centre.step(Input::SignOut { agent });
    assert_eq!(centre.routing.position(CallRef(1)), Some((centre.queue("support"), 1)));
}

#[test]
fn a_running_offer_is_waited_for_at_timeout() {
    let mut config = config(&["support", "overflow"], &[("1001", &["support", "overflow"])]);
    config.queues[0].max_waiting_time_s = 30;
    config.queues[0].on_timeout = Policy::SkillQueue("overflow".into());
    let mut centre = Centre::new(config);
    centre.signs_in("1001");
    centre.arrives(1, "support");
    centre.fails(1, REJECTED);
    centre.pass(15.0); // offered again at 10 s
    assert_eq!(centre.pass(14.999), [""; 0]);
    // At 30 s the offer's time and the waiting time are both over.
    let lines = centre.pass(0.001);
    assert_eq!(lines[0], "withdraw offer 2: NoAnswer", "offer 2 ran to 30 s: {lines:?}");
    assert_eq!(lines[1], "call 1 moves support → overflow: Timeout, hop 1");
    // Answered after the time was over: served.
    let mut centre = one_agent();
    centre.arrives(1, "support");
    centre.pass(55.0);
    assert_eq!(centre.pass(4.0), [""; 0]);
    centre.talks(3);
    centre.pass(100.0);
    assert_eq!(centre.state("1001"), AgentState::Talking);
    centre.assert_quiet();
}

#[test]
fn a_chain_that_returns_ends_after_ten_hops() {
    let mut config = config(&["a", "b"], &[("1001", &["a"])]);
    config.queues[0].on_no_agents = Policy::SkillQueue("b".into());
    config.queues[1].on_no_agents = Policy::SkillQueue("a".into());
    let mut centre = Centre::new(config);
    let lines = centre.arrives(1, "a");
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[9], "call 1 moves b → a: NoAgents, hop 10");
    assert_eq!(lines[10], "call 1 in a: too many hops");
    centre.assert_quiet();
}

#[test]
fn first_come_first_served_within_a_priority() {
    let mut centre = one_agent();
    let agent = centre.agent("1001");
    centre.step(Input::Busy { agent, reason: BusyReason::Chosen });
    for (call, priority) in [(1, 0), (2, 5), (3, 0), (4, 5), (5, 100)] {
        centre.arrives_with(call, "support", priority);
        centre.pass(1.0);
    }
    assert_eq!(centre.routing.position(CallRef(3)).unwrap().1, 5);
    centre.step(Input::Idle { agent });
    let mut served = Vec::new();
    for offer in 1..=5 {
        let status = (1..=5).find(|call| centre.routing.offer_of(CallRef(*call)).is_some());
        served.push(status.unwrap());
        centre.talks(offer);
        centre.ends("1001", status.unwrap());
        centre.step(Input::EndWrapUp { agent });
    }
    assert_eq!(served, [5, 2, 4, 1, 3]);
    assert!(centre.arrives_with(9, "support", 101)[0].starts_with("refused"));
}

#[test]
fn age_raises_priority_when_set() {
    let mut config = config(&["support"], &[("1001", &["support"])]);
    config.settings.priority_raise_s = 10;
    config.queues[0].max_waiting_time_s = 600;
    let mut centre = Centre::new(config);
    centre.signs_in("1001");
    let agent = centre.agent("1001");
    centre.step(Input::Busy { agent, reason: BusyReason::Chosen });
    centre.arrives_with(1, "support", 0);
    centre.pass(19.0);
    centre.arrives_with(2, "support", 2); // worth 20 s
    centre.pass(2.0);
    centre.arrives_with(3, "support", 2); // 21 s after the first
    let places = [1, 2, 3].map(|call| centre.routing.position(CallRef(call)).unwrap().1);
    assert_eq!(places, [2, 1, 3]);
}

#[test]
fn an_agent_of_several_queues_takes_by_weight_then_priority_then_wait() {
    let mut config = config(&["a", "b", "c"], &[("1001", &["a", "b", "c"])]);
    config.queues[2].weight = 10;
    let mut centre = Centre::new(config);
    centre.signs_in("1001");
    let agent = centre.agent("1001");
    centre.step(Input::Busy { agent, reason: BusyReason::Chosen });
    for (call, queue, priority) in [(1, "a", 0), (2, "b", 3), (3, "c", 0), (4, "b", 0)] {
        centre.arrives_with(call, queue, priority);
        centre.pass(1.0);
    }
    let mut served = Vec::new();
    for offer in 1..=4 {
        let line = centre.step(Input::Idle { agent }).pop().unwrap();
        served.push(line.split(' ').nth(3).unwrap().to_string());
        centre.talks(offer);
        let call: u64 = served.last().unwrap().parse().unwrap();
        centre.step(Input::Busy { agent, reason: BusyReason::Chosen });
        centre.ends("1001", call);
    }
    assert_eq!(served, ["3", "2", "1", "4"]);
}

#[test]
fn each_distribution_chooses_as_it_says() {
    // Agents sign in one second apart in this order: 1003, 1001, 1002.
    let check = |distribution, expected: [&str; 4]| {
        let agents: &[(&str, &[&str])] =
            &[("1001", &["q:2"]), ("1002", &["q:1"]), ("1003", &["q:2"])];
        let mut config = config(&["q"], agents);
        config.queues[0].distribution = distribution;
        config.queues[0].wrap_up_s = 0;
        let mut centre = Centre::new(config);
        for id in ["1003", "1001", "1002"] {
            centre.signs_in(id);
            centre.pass(1.0);
        }
        for (call, expected) in (1..).zip(expected) {
            let offer = centre.arrives(call, "q").pop().unwrap();
            assert!(offer.contains(&format!("to {expected}")), "{distribution:?} {call}: {offer}");
            centre.talks(call);
            centre.pass(1.0);
            centre.ends(expected, call);
        }
    };
    check(Distribution::LongestIdle, ["1003", "1001", "1002", "1003"]);
    check(Distribution::MostSkilled, ["1002", "1002", "1002", "1002"]);
    check(Distribution::RoundRobin, ["1003", "1001", "1002", "1003"]);
    check(Distribution::Linear, ["1002", "1002", "1002", "1002"]);
    // With the best one away: by rank, or always in the same order.
    for (distribution, expected) in
        [(Distribution::MostSkilled, ["1003", "1001"]), (Distribution::Linear, ["1001", "1001"])]
    {
        let agents: &[(&str, &[&str])] = &[("1001", &["q:2"]), ("1003", &["q:2"])];
        let mut config = config(&["q"], agents);
        config.queues[0].distribution = distribution;
        config.queues[0].wrap_up_s = 0;
        let mut centre = Centre::new(config);
        centre.signs_in("1003");
        centre.pass(1.0);
        centre.signs_in("1001");
        for (call, expected) in (1..).zip(expected) {
            let offer = centre.arrives(call, "q").pop().unwrap();
            assert!(offer.contains(&format!("to {expected}")), "{distribution:?} {call}: {offer}");
            centre.talks(call);
            centre.pass(1.0);
            centre.ends(expected, call);
        }
    }
}

#[test]
fn a_call_to_one_agent_is_offered_or_refused_with_the_reason() {
    let mut centre = Centre::new(config(&["support"], &[("1001", &["support"])]));
    let agent = centre.agent("1001");
    let call = |call| Input::ArrivedForAgent { call: CallRef(call), agent };
    assert_eq!(centre.step(call(1)), ["call 1 cannot have 1001: SignedOut"]);
    centre.signs_in("1001");
    assert_eq!(
        centre.step(call(2)),
        ["1001: Idle → Offered (Offered)", "offer 1: call 2 of - to 1001 for 20 s",]
    );
    assert_eq!(centre.step(call(3)), ["call 3 cannot have 1001: NotIdle(Offered)"]);
    assert_eq!(
        centre.pass(20.0),
        [
            "withdraw offer 1: NoAnswer",
            "call 2 cannot have 1001: NoAnswer",
            "1001: Offered → Idle (NoAnswer)",
        ]
    );
    centre.step(call(4));
    centre.talks(2);
    assert_eq!(centre.ends("1001", 4), ["1001: Talking → Idle (CallEnded)"], "no wrap-up");
    centre.assert_quiet();
}

#[test]
fn a_second_session_is_refused_or_takes_over() {
    let mut centre = one_agent();
    let agent = centre.agent("1001");
    let sign_in = |session, force| Input::SignIn {
        agent,
        queues: Queues::All,
        force,
        session: Session(session),
        device: Device::Softphone,
    };
    assert_eq!(
        centre.step(sign_in(2, false)),
        ["refused SignIn(AgentRef(0), Session(2)): signed in elsewhere",]
    );
    assert_eq!(
        centre.step(sign_in(2, true)),
        ["1001 at session 1 is told TakenOver", "1001: Idle → Idle (QueuesChanged)",]
    );
    let nobodys = Queues::Listed(vec![QueueRef(9)]);
    assert!(centre.signs_in_to("1001", nobodys)[0].starts_with("refused"));
}

#[test]
fn a_live_change_loses_nobody() {
    let both: &[&str] = &["a", "b"];
    let before = config(both, &[("1001", both), ("1002", &["a"]), ("1003", &["b"])]);
    let mut centre = Centre::new(before);
    for id in ["1001", "1002", "1003"] {
        centre.signs_in(id);
        centre.pass(1.0);
    }
    centre.arrives(1, "a"); // 1001
    centre.arrives(2, "a"); // 1002
    centre.arrives(3, "a"); // waits
    centre.arrives(4, "b"); // 1003
    centre.arrives(5, "b"); // waits
    centre.talks(2);
    // Queue a and agent 1002 go; agent 1004 and queue c come.
    let after = config(&["b", "c"], &[("1001", &["b", "c"]), ("1003", &["b"]), ("1004", &["c"])]);
    assert_eq!(
        centre.configure(after.clone()),
        [
            "1001: Offered → Offered (QueuesChanged)",
            "agent 1: Talking → Talking (QueuesChanged)",
            "call 3 leaves a after 0: Removed, release standard",
        ]
    );
    assert_eq!(centre.ends_removed(1, 2), ["agent 1: Talking → SignedOut (Removed)"]);
    // The running offer of the removed queue is waited for.
    assert_eq!(
        centre.fails(1, REJECTED),
        ["call 1 leaves a after 0: Removed, release standard", "1001: Offered → Idle (Rejected)",]
    );
    // Agent 1001 serves queue c from its next sign-in on.
    assert_eq!(
        centre.arrives(6, "c").pop().unwrap(),
        "call 6 leaves c after 0: NoAgents, release standard"
    );
    centre.signs_in_to("1001", Queues::All);
    assert_eq!(centre.state("1001"), AgentState::Offered, "call 5 of b");
    assert!(centre.routing.offer_of(CallRef(5)).is_some());
    // The same configuration again changes nothing.
    assert_eq!(centre.configure(after), [""; 0]);
}

#[test]
fn states_survive_a_restart_with_reasons_and_rank() {
    let all: &[&str] = &["q"];
    let agents: Vec<(&str, &[&str])> =
        ["1", "2", "3", "4", "5", "6"].iter().map(|id| (*id, all)).collect();
    let mut centre = Centre::new(config(&["q"], &agents));
    for id in ["2", "1", "3", "4", "5", "6"] {
        centre.signs_in(id);
        centre.pass(1.0);
    }
    let agent = |id: &str, centre: &Centre| centre.agent(id);
    let (three, four) = (agent("3", &centre), agent("4", &centre));
    centre.step(Input::Busy { agent: three, reason: BusyReason::Forced });
    let rest = Rest { reason: "lunch".into(), planned_s: None };
    centre.step(Input::Rest { agent: four, rest: rest.clone() });
    centre.arrives(1, "q"); // to 2
    centre.talks(1);
    centre.arrives(2, "q"); // to 1, which is offered at the restart
    let stored: Vec<RestoredAgent> = ["1", "2", "3", "4", "5", "6"]
        .iter()
        .map(|id| centre.routing.agent_stored(centre.agent(id)).unwrap())
        .collect();

    let mut again = Centre::new(config(&["q"], &agents));
    again.now = hotline_base::Now { mono: hotline_base::Mono(0), wall: centre.now.wall };
    assert_eq!(
        again.step(Input::Restore { agents: stored.clone() }),
        ["1: Offered → Idle (Restored)", "2: Talking → WrapUp (Restored)",]
    );
    assert_eq!(again.state("3"), AgentState::Busy(BusyReason::Forced));
    let status = again.routing.agent_status(again.agent("4")).unwrap();
    assert_eq!(status.rest, Some(rest));
    // Rank: 1 was idle before 5, 5 before 6, though all of that lies before the clock began.
    for (call, id) in [(11, "1"), (12, "5"), (13, "6")] {
        assert!(again.arrives(call, "q").pop().unwrap().contains(&format!("to {id} ")));
    }
    assert_eq!(again.pass(5.0), ["2: WrapUp → Idle (WrapUpOver)"]);
    assert!(again.step(Input::Restore { agents: stored })[0].starts_with("refused"));
}

#[test]
fn while_frozen_nothing_is_offered_and_afterwards_everybody_is() {
    let mut centre = Centre::new(config(&["q"], &[("1", &["q"]), ("2", &["q"])]));
    centre.signs_in("1");
    centre.pass(1.0);
    centre.signs_in("2");
    centre.step(Input::Freeze(true));
    assert_eq!(centre.arrives(1, "q"), ["call 1 waits in q at 1"]);
    assert_eq!(centre.arrives(2, "q"), ["call 2 waits in q at 2"]);
    centre.step(Input::Freeze(false));
    let lines = centre.pass(0.0);
    assert!(lines.contains(&"offer 1: call 1 of q to 1 for 20 s".to_string()), "{lines:?}");
    assert!(lines.contains(&"offer 2: call 2 of q to 2 for 20 s".to_string()), "{lines:?}");
}

#[test]
fn a_decision_is_explained() {
    use hotline_routing::explain::{AgentVerdict, Cause};
    let mut centre = Centre::new(config(&["q"], &[("1", &["q"]), ("2", &["q"]), ("3", &["q"])]));
    for id in ["2", "1", "3"] {
        centre.signs_in(id);
        centre.pass(1.0);
    }
    let busy = centre.agent("3");
    centre.step(Input::Busy { agent: busy, reason: BusyReason::Chosen });
    centre.routing.explain(true);
    let (now, queue) = (centre.now, centre.queue("q"));
    let arrived = Input::Arrived { call: CallRef(1), queue, priority: 0, hops: 0, test: false };
    centre.routing.handle(now, arrived);
    let decision = std::iter::from_fn(|| centre.routing.poll())
        .find_map(|output| match output {
            Output::Explained(decision) => Some(decision),
            _ => None,
        })
        .unwrap();
    assert_eq!(decision.cause, Cause::CallWaits { call: CallRef(1), queue });
    let verdicts: Vec<(AgentRef, &str)> = decision
        .agents
        .iter()
        .map(|one| match one.verdict {
            AgentVerdict::Chosen { .. } => (one.agent, "chosen"),
            AgentVerdict::Behind { .. } => (one.agent, "behind"),
            AgentVerdict::NotIdle(AgentState::Busy(_)) => (one.agent, "busy"),
            other => panic!("{other:?}"),
        })
        .collect();
    let agent = |id| centre.agent(id);
    assert_eq!(verdicts, [(agent("2"), "chosen"), (agent("1"), "behind"), (agent("3"), "busy")]);
    assert_eq!(decision.chosen.unwrap().agent, agent("2"));
}

/// All ports of a media worker were in use when an agent's turn came: the caller who had waited
/// longest was hung up for it. Now it keeps its place and is tried again, and the agent its rank.
#[test]
fn for_want_of_a_port_the_caller_keeps_its_place_and_the_agent_its_rank() {
    let agents: &[(&str, &[&str])] = &[("1001", &["support"]), ("1002", &["support"])];
    let mut centre = Centre::new(config(&["support"], agents));
    centre.signs_in("1001");
    centre.pass(1.0);
    centre.arrives(1, "support");
    assert_eq!(centre.arrives(2, "support"), ["call 2 waits in support at 2"]);
    assert_eq!(centre.fails(1, OfferFailure::NoCapacity), ["1001: Offered → Idle (NoCapacity)"]);
    assert_eq!(centre.routing.position(CallRef(1)), Some((centre.queue("support"), 1)));
    assert_eq!(centre.routing.position(CallRef(2)), Some((centre.queue("support"), 2)));
    assert_eq!(
        centre.pass(1.0),
        ["1001: Idle → Offered (Offered)", "offer 2: call 1 of support to 1001 for 20 s",]
    );
    centre.fails(2, OfferFailure::NoCapacity);
    // Meanwhile it may hang up, or have waited too long.
    centre.gone(1);
    centre.signs_in("1002");
    centre.pass(1.0);
    assert_eq!(centre.state("1001"), AgentState::Idle, "the second caller went to 1002");
    centre.gone(2);
    centre.pass(2.0);
    assert!(centre.arrives(3, "support")[2].contains("to 1001"), "its rank was kept");
    centre.fails(4, OfferFailure::NoCapacity);
    centre.gone(3);
    centre.pass(4.0);
    centre.assert_quiet();
    assert_eq!(centre.routing.timers_len(), 0);
}

/// With all channels of a trunk taken for an hour, its agent was offered the caller each second.
#[test]
fn who_lacks_a_resource_again_and_again_is_left_alone_for_longer() {
    let mut centre = Centre::new(config(&["support"], &[("1001", &["support"])]));
    centre.signs_in("1001");
    centre.arrives(1, "support");
    for (n, alone) in [1, 2, 4, 8, 8].into_iter().enumerate() {
        centre.fails(n as u64 + 1, OfferFailure::NoCapacity);
        let before = centre.pass(f64::from(alone) - 0.1);
        assert!(!before.iter().any(|line| line.contains("offer")), "{alone}: {before:?}");
        let after = centre.pass(0.1);
        assert!(after.iter().any(|line| line.contains("offer")), "{alone}: {after:?}");
    }
    // An offer that came to something is the end of it.
    centre.fails(6, OfferFailure::NoAnswer);
    centre.fails(7, OfferFailure::NoCapacity);
    assert!(centre.pass(1.0).iter().any(|line| line.contains("offer")));
    centre.gone(1);
    centre.pass(10.0);
    centre.assert_quiet();
}
