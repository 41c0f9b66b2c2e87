//! Random flows that pass the checker never get stuck and end in bounded steps, whatever is pressed,
//! answered or cut off, in whatever order and at whatever time. Those that do not pass end as well:
//! in a fault at worst.

use hotline_base::calendar::TimeZone;
use hotline_base::{Mono, Now, Wall};
use hotline_ivr::check::{AgentType, QueueType, World, check, refuses};
use hotline_ivr::model::Flow;
use hotline_ivr::program::Flows;
use hotline_ivr::run::io::{Done, Exit, Facts, Failure, Input, Output, QueueStatus};
use hotline_ivr::run::{Run, STEPS_MAX, Start};
use hotline_ivr::schedule::WorkingTime;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many kinds of nodes, the last of which is an end.
const END: u8 = 21;

/// A node by two random numbers, with edges to nodes by number.
fn node(kind: u8, how: u8, edges: [u8; 3], nodes: usize) -> Json {
    let [a, b, c] = edges.map(|edge| format!("n{}", usize::from(edge) % nodes));
    let flag = how.is_multiple_of(2);
    match kind % END {
        0 => json!({ "kind": "play", "say": ["p"], "barge_in": flag, "next": a }),
        1 => json!({ "kind": "wait", "for_s": 1 + how % 5, "barge_in": flag, "next": a }),
        2 => json!({ "kind": "menu", "say": ["p"], "keys": { "1": a, "12": b, "#": c },
                     "retries": how % 3, "barge_in": flag, "on_timeout": b, "on_no_match": c }),
        3 => json!({ "kind": "collect", "into": "t", "min": how % 3, "max": 3, "flush": flag,
                     "valid": "t != '11'", "next": a, "on_timeout": b, "on_no_match": c }),
        4 => json!({ "kind": "branch", "cases": [{ "if": "n > 2", "then": a },
                     { "if": "call.caller == t", "then": b }], "otherwise": c }),
        5 => json!({ "kind": "set", "values": { "n": "n + 1" }, "data": { "k": "t" }, "next": a }),
        6 => json!({ "kind": "set", "values": { "n": "10 / (n - 3)" }, "next": a }),
        7 => json!({ "kind": "loop", "times": 1 + how % 4, "body": a, "next": b }),
        8 => json!({ "kind": "http", "url": "http://h/{t}", "into": { "n": "/n" },
                     "next": a, "on_error": b }),
        9 => json!({ "kind": "transfer", "to": { "skill_queue": "q" }, "on_failure": a }),
        10 => json!({ "kind": "queue_status", "queue": "q", "idle": "n", "next": a }),
        11 => json!({ "kind": "message", "mailbox": "m", "say": ["p"], "next": a, "on_empty": b }),
        12 => json!({ "kind": "agent_sign_in", "next": a, "on_failure": b, "on_locked": c }),
        13 => json!({ "kind": "subflow", "flow": if flag { "main" } else { "sub" }, "next": a }),
        14 => json!({ "kind": "language", "language": if flag { "'en'" } else { "t" },
                      "remember": how.is_multiple_of(3), "next": a, "on_unknown": b }),
        15 => json!({ "kind": "working_time", "working_time": "w", "open": a, "closed": b }),
        16 => json!({ "kind": "priority", "priority": if flag { "50" } else { "n" }, "next": a }),
        17 => json!({ "kind": "transfer", "to": { "flow": if flag { "main" } else { "sub" } } }),
        18 => json!({ "kind": "transfer", "to": { "agent": if flag { "'1001'" } else { "t" } },
                      "on_failure": a }),
        19 => json!({ "kind": "transfer", "to": { "number": "t", "trunk": "carrier" },
                      "on_failure": a }),
        _ => json!({ "kind": "end", "cause": 16 }),
    }
}

type Written = (Vec<(u8, u8, [u8; 3])>, u8);

fn flow((written, roots): &Written) -> Flow {
    let count = written.len();
    let nodes = written.iter().enumerate().map(|(place, (kind, how, edges))| {
        // The last one is an end, so that many of them pass.
        let kind = if place + 1 == count { END - 1 } else { *kind };
        (format!("n{place}"), node(kind, *how, *edges, count))
    });
    let mut document = json!({
        "start": "n0",
        "variables": { "t": { "type": "text", "value": "" }, "n": { "type": "number", "value": 0 } },
        "node": nodes.collect::<serde_json::Map<_, _>>(),
    });
    if let Json::Object(fields) = &mut document {
        let at = |by: u8| Json::from(format!("n{}", usize::from(roots / by) % count));
        if roots % 3 == 0 {
            fields.insert("on_hang_up".into(), at(3));
        }
        if roots % 5 == 0 {
            fields.insert("on_fault".into(), at(5));
        }
    }
    hotline_ivr::read::flow(&document).unwrap()
}

fn written() -> impl Strategy<Value = Written> {
    (prop::collection::vec((any::<u8>(), any::<u8>(), any::<[u8; 3]>()), 1..9), any::<u8>())
}

/// Unreachable nodes are refused, but do no harm here: what counts is ways round.
fn passes(flows: &BTreeMap<String, Flow>) -> bool {
    let prompts = ["p", "sign_in_employee_id", "sign_in_pin", "sign_in_wrong", "sign_in_mode"];
    let prompts = prompts.into_iter().chain(["signed_in"]).map(String::from).collect();
    let world = World {
        languages: ["en".to_string()].into(),
        default_language: "en".into(),
        prompts: [("en".to_string(), prompts)].into(),
        queues: [("q".to_string(), QueueType::Voice)].into(),
        agents: [("1001".to_string(), AgentType::Audio)].into(),
        trunks: [("carrier".to_string(), Vec::new())].into(),
        working_times: ["w".to_string()].into(),
        ..World::default()
    };
    let mut faults = check(flows, &world);
    faults.retain(|fault| !fault.to_string().contains("no way from start leads here"));
    !refuses(&faults)
}

/// A call that anything may happen to.
struct Call {
    run: Run,
    ms: u64,
    play: u32,
    effect: u32,
    exit: Option<Exit>,
    suspended: bool,
    /// Nodes entered since the last input, by flow.
    entered: Vec<(String, String)>,
}

impl Call {
    fn begin(flows: &Arc<Flows>, open: bool) -> Call {
        let start = Start {
            facts: Facts::default(),
            language: "en".into(),
            default_language: "en".into(),
            time_zone: TimeZone::utc(),
            working_times: Arc::new([("w".into(), WorkingTime::constant("w", open))].into()),
        };
        let now = Now { mono: Mono::from_ms(1_000), wall: Wall(1_800_000_000_000_000) };
        let run = Run::start(flows, "main", false, start, now).unwrap();
        let mut call = Call {
            run,
            ms: 1_000,
            play: 0,
            effect: 0,
            exit: None,
            suspended: false,
            entered: Vec::new(),
        };
        call.drain();
        call
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Suspend => self.suspended = true,
            Input::Resume | Input::HungUp => self.suspended = false,
            _ => {}
        }
        let wall = Wall(1_800_000_000_000_000 + self.ms as i64 * 1_000);
        self.run.handle(Now { mono: Mono::from_ms(self.ms), wall }, input);
        self.drain();
    }

    fn drain(&mut self) {
        self.entered.clear();
        let mut outputs = 0;
        while let Some(output) = self.run.poll() {
            outputs += 1;
            assert!(outputs <= 4 * STEPS_MAX, "one input has no end of outputs");
            match output {
                Output::Play { play, sounds, .. } => {
                    assert!(!sounds.is_empty());
                    self.play = play;
                }
                Output::Effect { effect, .. } => self.effect = effect,
                Output::Exit(exit) => self.exit = Some(exit),
                Output::Entered { flow, node } => {
                    self.entered.push((flow.to_string(), node.to_string()));
                }
                _ => {}
            }
        }
        let stuck = self.run.deadline().is_none() && !self.suspended && !self.run.is_over();
        assert!(!stuck, "it waits without a deadline: {:?}", self.run);
    }

    fn act(&mut self, what: u8, how: u8) {
        let (play, effect) = (self.play, self.effect);
        match what % 12 {
            0..=3 => self.input(Input::Digit(char::from(b"0123456789*#AZ"[usize::from(how) % 14]))),
            4 => self.input(Input::PlayEnded { play: play + u32::from(how.is_multiple_of(8)) }),
            5 | 6 => {
                let done = match how % 9 {
                    0 => Done::Http(json!({ "n": how })),
                    1 => Done::Http(json!([])),
                    2 => Done::QueueStatus(Some(QueueStatus { waiting: 1, agents: 2, idle: 3 })),
                    3 => Done::QueueStatus(None),
                    4 => Done::Recorded { ms: how.into() },
                    5 => Done::Verified,
                    6 => Done::Refused,
                    7 => Done::SignedIn,
                    _ => Done::Failed("x".into()),
                };
                self.input(Input::Done { effect, done });
            }
            7 => self.input(Input::TransferFailed(Failure::Busy)),
            8 => self.input(Input::Suspend),
            9 => self.input(Input::Resume),
            10 => {
                self.ms += u64::from(how) * 20;
                self.input(Input::Expire);
            }
            _ => self.expire(),
        }
    }

    /// What is due happens.
    fn expire(&mut self) {
        if let Some(due) = self.run.deadline() {
            self.ms = self.ms.max(due.as_ms() + 1);
            self.input(Input::Expire);
        }
    }

    /// The caller hangs up and nothing outside answers any more: wherever the flow is, also at a
    /// transfer, a branch runs if there is one, once, and comes to rest.
    fn hang_up(&mut self, flows: &BTreeMap<String, Flow>) {
        let minds = self.run.minds_hang_up();
        self.input(Input::HungUp);
        if minds && self.entered.is_empty() {
            // It has gone through many nodes just now, and pauses.
            self.expire();
        }
        match self.entered.first() {
            Some((flow, node)) => {
                assert!(minds, "{node}");
                assert_eq!(flows[flow].on_hang_up.as_ref(), Some(node));
            }
            None => assert!(!minds),
        }
        self.input(Input::HungUp);
        assert_eq!(self.entered, [], "once");
        for _ in 0..100 {
            if self.run.is_over() {
                return;
            }
            self.expire();
        }
        panic!("it goes on after the caller has hung up: {:?}", self.run);
    }
}

fn play_through(flows: BTreeMap<String, Flow>, acts: &[(u8, u8)]) -> Option<Exit> {
    let open = acts.len().is_multiple_of(2);
    let mut call = Call::begin(&Arc::new(Flows::build(&flows, &BTreeMap::new())), open);
    for (what, how) in acts {
        call.act(*what, *how);
    }
    call.hang_up(&flows);
    call.exit
}

fn flows(main: &Written, sub: &Written) -> BTreeMap<String, Flow> {
    [("main".to_string(), flow(main)), ("sub".to_string(), flow(sub))].into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, max_global_rejects: 200_000, ..ProptestConfig::default() })]

    #[test]
    fn a_flow_that_passes_never_goes_round_without_end(
        main in written(),
        sub in written(),
        acts in prop::collection::vec(any::<(u8, u8)>(), 0..120),
    ) {
        let flows = flows(&main, &sub);
        prop_assume!(passes(&flows));
        if let Some(Exit::Fault(why)) = play_through(flows, &acts) {
            prop_assert!(!why.contains("nodes without input or wait"), "{why}");
        }
    }

    #[test]
    fn any_flow_comes_to_rest(
        main in written(),
        sub in written(),
        acts in prop::collection::vec(any::<(u8, u8)>(), 0..60),
    ) {
        play_through(flows(&main, &sub), &acts);
    }
}
