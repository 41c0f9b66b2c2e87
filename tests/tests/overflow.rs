//! Callers whom a queue does not keep, on real calls: each reason with each policy, what the caller
//! hears and the carrier is told, which queues the record names. Callers whom it keeps hear its
//! tones, found in the audio by their frequency.

use hotline_tests::audio::{Sound, sounds, told};
use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::{Rtp, samples};
use hotline_tests::{Centre, Net, Phone, Server, Setup, s, until};
use serde_json::{Value as Json, json};

/// Why a caller of `first` leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It has waited 1 s.
    Timeout,
    /// One caller waits there already.
    Full,
    /// No agent is idle.
    NobodyIdle,
    /// Nobody is signed in.
    NoAgents,
    /// The last agent signs out while it waits.
    SignOut,
}

const REASONS: [Left; 5] =
    [Left::Timeout, Left::Full, Left::NobodyIdle, Left::NoAgents, Left::SignOut];

/// Plays a scenario for each reason, all at once: each has a server of its own, and waits most of
/// the time.
fn for_each_reason(scenario: fn(Left)) {
    std::thread::scope(|scope| {
        let all = REASONS.map(|left| (left, scope.spawn(move || scenario(left))));
        let failed: Vec<Left> =
            all.into_iter().filter_map(|(left, one)| one.join().is_err().then_some(left)).collect();
        assert!(failed.is_empty(), "failed: {failed:?}");
    });
}

impl Left {
    /// The queue's own settings that make a caller leave, and the policy.
    fn settings(self, policy: &str) -> String {
        match self {
            Left::Timeout => format!("max_waiting_time_s = 1\non_timeout = {policy}"),
            Left::Full => format!("max_calls_in_queue = 1\non_busy = {policy}"),
            Left::NobodyIdle => format!("busy_when = \"nobody_idle\"\non_busy = {policy}"),
            Left::NoAgents | Left::SignOut => format!("on_no_agents = {policy}"),
        }
    }

    /// The record's reason, the Q.850 cause and the status the carrier is told.
    fn end(self) -> (&'static str, u64, u16) {
        match self {
            Left::Timeout => ("queue_timeout", 18, 408),
            Left::Full | Left::NobodyIdle => ("queue_busy", 17, 486),
            Left::NoAgents | Left::SignOut => ("no_agents", 20, 480),
        }
    }
}

/// A server with `first`, which its callers leave, and `second`, where 1002 serves.
struct Stage {
    server: Server,
    caller: Phone,
    /// Who keeps `first` busy.
    other: Phone,
    left: Left,
    _first_agent: Option<Phone>,
}

impl Stage {
    fn new(left: Left, policy: &str) -> Stage {
        let settings = left.settings(policy);
        let server = Server::start(Setup::with(|net| vec![centre(net, &settings)]));
        let phone = |n: u8, number: &str| {
            Phone::udp(server.net.agent(n), server.sip(), number).of("alpha.test").registered()
        };
        let first_agent = (left != Left::NoAgents).then(|| phone(0, "1001"));
        if first_agent.is_some() {
            // It takes no calls, but it is there.
            assert_eq!(server.api().post("agents/1001/busy", &json!({})).0, 200);
        }
        let caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
        let other = Phone::udp(server.net.carrier(1), server.sip(), "4001");
        Stage { server, caller, other, left, _first_agent: first_agent }
    }

    /// What has to be so before the caller dials; the call that makes it so.
    fn prepare(&mut self) -> Option<Call> {
        if self.left != Left::Full {
            return None;
        }
        let audio = self.other.local;
        let mut call = self.other.invite("123451", audio);
        self.other.answered(&mut call);
        self.server.api().until_waiting("first", 1);
        Some(call)
    }

    /// What makes a caller leave who waits already.
    fn drive_out(&self) {
        if self.left == Left::SignOut {
            self.server.api().until_waiting("first", 1);
            assert_eq!(self.server.api().post("agents/1001/sign-out", &json!({})).0, 200);
        }
    }

    fn record(&self, call: &Call) -> Json {
        self.server.api().record(&call.id)
    }
}

fn centre(net: &Net, settings: &str) -> Centre {
    let supervised = "answer_supervision = \"when_agent_answers\"";
    Centre::new("alpha")
        .queue("first", settings)
        .queue("second", "wrap_up_s = 0")
        .route("12345", "1", "first")
        .route_to("12345", "2", &format!("skill_queue = \"first\"\n{supervised}"))
        .agent("1001", "first", "")
        .agent("1002", "second", "")
        .trunk("carrier", &[&net.carrier_network()])
        .file("flows/sorry.toml", SORRY)
}

/// How much speech an audio side has heard, in ms.
fn speech_ms(audio: &Rtp) -> u64 {
    let heard: Vec<i16> =
        audio.heard().iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect();
    let windows = sounds(&heard, &[]);
    windows.iter().filter(|sound| **sound == Sound::Other).count() as u64 * 20
}

/// What an audio side has heard, in words.
fn heard(audio: &Rtp) -> String {
    let all: Vec<i16> =
        audio.heard().iter().flat_map(|one| samples(one.payload_type, &one.payload)).collect();
    told(&sounds(&all, &[]))
}

#[test]
fn released_with_the_standard_announcement_then_the_cause() {
    for_each_reason(|left| {
        let mut stage = Stage::new(left, "{ release = true }");
        let other = stage.prepare();
        let audio = Rtp::open(stage.caller.local.ip());
        let mut call = stage.caller.invite("123451", audio.address);
        stage.caller.answered(&mut call);
        stage.drive_out();
        let bye = stage.caller.hung_up(&call, s(10));
        let (reason, q850, _) = left.end();
        assert_eq!(bye.q850(), u16::try_from(q850).ok(), "{left:?} {bye:#?}");
        assert!(speech_ms(&audio) > 500, "{left:?} {}", heard(&audio));
        let record = stage.record(&call);
        assert_eq!(
            (&record["reason"], &record["q850"]),
            (&json!(reason), &json!(q850)),
            "{left:?}"
        );
        assert_eq!(record["released_by"], "system");
        let waited = matches!(left, Left::Timeout | Left::SignOut);
        assert_eq!(
            record["queues"].as_array().map(Vec::len),
            Some(usize::from(waited)),
            "{left:?}"
        );
        if let Some(mut other) = other {
            assert_eq!(stage.other.hang_up(&mut other), 200);
        }
    });
}

#[test]
fn released_before_the_answer_the_carrier_is_told_why() {
    for_each_reason(|left| {
        let mut stage = Stage::new(left, "{ release = \"goodbye\" }");
        let other = stage.prepare();
        let audio = Rtp::open(stage.caller.local.ip());
        let call = stage.caller.invite("123452", audio.address);
        let progress = stage.caller.find(SOON, |message| message.status() == Some(183));
        assert!(progress.expect("early media").audio().is_some(), "{left:?}");
        stage.drive_out();
        let refused = stage.caller.refused(&call, s(10));
        let (reason, q850, status) = left.end();
        assert_eq!(refused.status(), Some(status), "{left:?}");
        assert_eq!(refused.q850(), u16::try_from(q850).ok(), "{left:?}");
        assert!(speech_ms(&audio) > 300, "{left:?} {}", heard(&audio));
        let record = stage.record(&call);
        assert_eq!((&record["reason"], &record["sip_status"]), (&json!(reason), &json!(status)));
        if let Some(mut other) = other {
            assert_eq!(stage.other.hang_up(&mut other), 200);
        }
    });
}

#[test]
fn moved_on_to_another_queue_whose_agent_is_rung() {
    for_each_reason(|left| {
        let mut stage = Stage::new(left, "{ skill_queue = \"second\" }");
        let mut agent = Phone::udp(stage.server.net.agent(1), stage.server.sip(), "1002")
            .of("alpha.test")
            .registered();
        let other = stage.prepare();
        let mut call = stage.caller.invite("123451", stage.caller.local);
        stage.caller.answered(&mut call);
        stage.drive_out();
        let ringing = agent.ringing(SOON);
        agent.answer(&ringing, agent.local);
        stage.server.api().until_agent_is("1002", "talking");
        assert_eq!(stage.caller.hang_up(&mut call), 200);
        agent.hung_up(&ringing, SOON);
        let record = stage.record(&call);
        let visits = record["queues"].as_array().cloned().unwrap_or_default();
        let visits: Vec<_> = visits
            .iter()
            .map(|visit| (visit["skill_queue"].clone(), visit["outcome"].clone()))
            .collect();
        let second = (json!("second"), json!("answered"));
        let first = |outcome: &str| (json!("first"), json!(outcome));
        let expected = match left {
            Left::Timeout => vec![first("timeout"), second],
            Left::SignOut => vec![first("no_agents"), second],
            // It was never in the first one.
            _ => vec![second],
        };
        assert_eq!(visits, expected, "{left:?}");
        assert_eq!(record["agent"], "1002");
        if let Some(mut other) = other {
            assert_eq!(stage.other.hang_up(&mut other), 200);
        }
    });
}

/// A flow that says goodbye and ends.
const SORRY: &str = "description = \"Sorry\"\nlanguages = [\"en\"]\nstart = \"say\"\n\
    [node.say]\nkind = \"play\"\nsay = [\"goodbye\"]\nnext = \"bye\"\n\
    [node.bye]\nkind = \"end\"\n";

#[test]
fn handed_to_a_flow_that_speaks_and_ends_the_call() {
    for_each_reason(|left| {
        let mut stage = Stage::new(left, "{ flow = \"sorry\" }");
        let other = stage.prepare();
        let audio = Rtp::open(stage.caller.local.ip());
        let mut call = stage.caller.invite("123451", audio.address);
        stage.caller.answered(&mut call);
        stage.drive_out();
        let bye = stage.caller.hung_up(&call, s(10));
        assert_eq!(bye.q850(), Some(16), "{left:?} {bye:#?}");
        assert!(speech_ms(&audio) > 300, "{left:?} {}", heard(&audio));
        let record = stage.record(&call);
        assert_eq!(record["reason"], "flow_ended", "{left:?}");
        let outcome = &record["queues"][0]["outcome"];
        match left {
            Left::Timeout => assert_eq!(outcome, "timeout"),
            Left::SignOut => assert_eq!(outcome, "no_agents"),
            _ => assert_eq!(*outcome, Json::Null, "it was never in the queue"),
        }
        if let Some(mut other) = other {
            assert_eq!(stage.other.hang_up(&mut other), 200);
        }
    });
}

/// A call that runs into a chain is released, and its record says why.
fn ends_after_ten_moves(server: &Server) {
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let mut call = caller.invite("123451", caller.local);
    caller.answered(&mut call);
    let bye = caller.hung_up(&call, s(10));
    assert_eq!(bye.q850(), Some(25), "{bye:#?}");
    assert_eq!(server.api().record(&call.id)["reason"], "too_many_hops");
}

/// A queue sends its callers to a flow, and the flow sends them back.
#[test]
fn a_chain_through_a_flow_is_reported_and_ends_after_ten_moves() {
    let again = "description = \"Again\"\nlanguages = [\"en\"]\nstart = \"on\"\n\
        [node.on]\nkind = \"transfer\"\nto = { skill_queue = \"first\" }\non_failure = \"bye\"\n\
        [node.bye]\nkind = \"end\"\n";
    let server = Server::start(Setup::with(|net| {
        vec![centre(net, "on_no_agents = { flow = \"again\" }").file("flows/again.toml", again)]
    }));
    let centre = server.dir().join("centre-alpha").display().to_string();
    let (code, said) = server.command(&["check", &centre]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("on_no_agents") && said.contains("does not return"), "{said}");
    ends_after_ten_moves(&server);
}

/// Two queues that send their callers to each other: `check` says so, and a call that runs into it
/// is released after ten moves.
#[test]
fn a_chain_that_returns_is_reported_and_ends_after_ten_moves() {
    let server = Server::start(Setup::with(|net| {
        vec![
            Centre::new("alpha")
                .queue("first", "on_no_agents = { skill_queue = \"second\" }")
                .queue("second", "on_no_agents = { skill_queue = \"first\" }")
                .route("12345", "1", "first")
                .agent("1001", "first", "")
                .trunk("carrier", &[&net.carrier_network()]),
        ]
    }));
    let centre = server.dir().join("centre-alpha");
    let (code, said) = server.command(&["check", &centre.display().to_string()]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("a chain of overflow that does not return"), "{said}");
    ends_after_ten_moves(&server);
}

/// A phone rings when the longest wait is over: it is waited for, and may answer.
#[test]
fn a_running_offer_is_waited_for() {
    let mut stage = Stage::new(Left::Timeout, "{ release = true }");
    assert_eq!(stage.server.api().post("agents/1001/idle", &json!({})).0, 200);
    let Some(mut agent) = stage._first_agent.take() else { panic!("1001 is there") };
    let mut call = stage.caller.invite("123451", stage.caller.local);
    stage.caller.answered(&mut call);
    let ringing = agent.ringing(SOON);
    until("the longest wait is over", s(5), || {
        let waited = stage.server.api().calls();
        waited.iter().any(|call| call["state"] == "offered") && ringing_for(&stage, &call) > 1_300
    });
    stage.caller.expect_no("BYE", hotline_tests::ms(100));
    agent.answer(&ringing, agent.local);
    stage.server.api().until_agent_is("1001", "talking");
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
    assert_eq!(stage.record(&call)["reason"], "normal_clearing");
}

/// How long a call has waited, in ms, by the server's clock.
fn ringing_for(stage: &Stage, call: &Call) -> u128 {
    let calls = stage.server.api().calls();
    let its = calls.iter().find(|one| one["record"]["caller_sip_call_id"] == call.id);
    let Some(its) = its else { return 0 };
    let queued = hotline_tests::api::at_ms(&its["record"]["queued"]);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |now| now.as_millis().saturating_sub(queued.unsigned_abs().into()))
}

/// Outside its working time a route leads elsewhere; drafts are there for test callers, whose calls
/// are marked.
#[test]
fn a_route_by_its_working_time_and_a_draft_for_test_callers() {
    let server = Server::start(Setup::with(|net| {
        let hours = "workday = [[\"08:00\", \"17:00\"]]\n\
                     workdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]";
        let by_day = "skill_queue = \"first\"\nworking_time = \"office\"\n\
                      out_of_hours = { skill_queue = \"second\" }";
        vec![
            Centre::new("alpha")
                .setting("test_callers = [\"+4009\"]")
                .queue("first", "")
                .queue("second", "")
                .queue("new", "draft = true")
                .object("working_time", &format!("name = \"office\"\n{hours}"))
                .object("working_time", "name = \"never\"")
                .route_to("12345", "1", by_day)
                .route_to("12345", "2", "skill_queue = \"first\"\nworking_time = \"never\"")
                .route_to("12345", "3", "skill_queue = \"new\"\ndraft = true")
                .agent("1001", "first", "")
                .trunk("carrier", &[&net.carrier_network()]),
        ]
    }));
    for (arguments, code, said) in [
        (&["route", "123451", "--at", "2026-11-18T16:59"][..], 0, "skill_queue \"first\""),
        (&["route", "123451", "--at", "2026-11-18T17:00"], 0, "skill_queue \"second\""),
        (&["route", "123451", "--at", "2026-11-21T12:00"], 0, "skill_queue \"second\""),
        (&["route", "123452"], 0, "release \"closed\""),
        (&["route", "123453"], 1, "123453 leads nowhere"),
        (&["route", "123453", "--from", "4009"], 0, "skill_queue \"new\""),
    ] {
        let (found, told) = server.command(arguments);
        assert_eq!(found, code, "{arguments:?} {told}");
        assert!(told.contains(said), "{arguments:?} {told}");
    }
    let mut caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
    let mut tester = Phone::udp(server.net.carrier(1), server.sip(), "4009");
    let mut call = caller.invite("123452", caller.local);
    caller.answered(&mut call);
    let bye = caller.hung_up(&call, s(10));
    assert_eq!(bye.q850(), Some(20), "{bye:#?}");
    assert_eq!(server.api().record(&call.id)["reason"], "out_of_hours");
    let call = caller.invite("123453", caller.local);
    assert_eq!(caller.refused(&call, SOON).status(), Some(404));
    let mut call = tester.invite("123453", tester.local);
    tester.answered(&mut call);
    tester.hung_up(&call, s(10));
    let record = server.api().record(&call.id);
    assert_eq!((&record["reason"], &record["test"]), (&json!("no_agents"), &json!(true)));
}
