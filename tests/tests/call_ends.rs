//! Every way a queued call can go wrong or end, on a real call: what each side is told, what the
//! record says, and what becomes of the agent (issue: skill queue, "each of these has a test").

use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::Rtp;
use hotline_tests::sip::sdp;
use hotline_tests::{Centre, Net, Phone, Server, Setup, during, ms, s};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// A server with one queue, and the phones of a call.
struct Stage {
    server: Server,
    caller: Phone,
}

impl Stage {
    /// A centre with further settings of the tenant and of its queue `support`.
    fn new(tenant: &[&str], queue: &str) -> Stage {
        Stage::with(|net| {
            let centre = Centre::new("alpha")
                .queue("support", queue)
                .route("12345", "1", "support")
                .route_to(
                    "12345",
                    "2",
                    "skill_queue = \"support\"\nanswer_supervision = \"when_agent_answers\"",
                )
                .agent("1001", "support", "")
                .agent("1002", "support", "")
                .trunk("carrier", &[&net.carrier_network()]);
            tenant.iter().fold(centre, |centre, line| centre.setting(line))
        })
    }

    fn with(centre: impl FnOnce(&Net) -> Centre) -> Stage {
        let server = Server::start(Setup::with(|net| vec![centre(net)]));
        let caller = Phone::udp(server.net.carrier(0), server.sip(), "4000");
        Stage { server, caller }
    }

    /// A phone of an agent, registered, at its n-th address.
    fn agent(&self, n: u8, number: &str) -> Phone {
        Phone::udp(self.server.net.agent(n), self.server.sip(), number)
            .of("alpha.test")
            .registered()
    }

    /// The caller dials and waits in the queue.
    fn waiting(&mut self) -> Call {
        let audio = self.caller.local;
        let mut call = self.caller.invite("123451", audio);
        self.caller.answered(&mut call);
        call
    }

    fn record(&self, call: &Call) -> Json {
        self.server.api().record(&call.id)
    }

    /// The record's end: reason, who released, Q.850 cause.
    fn end(&self, call: &Call) -> (String, String, u64) {
        let record = self.record(call);
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("released_by"), record["q850"].as_u64().unwrap_or_default())
    }

    /// The record's offers: agent and outcome.
    fn offers(&self, call: &Call) -> Vec<(String, String)> {
        let record = self.record(call);
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let offers = record["offers"].as_array().into_iter().flatten();
        offers.map(|offer| (text(&offer["agent"]), text(&offer["outcome"]))).collect()
    }

    fn state(&self, agent: &str) -> String {
        self.server.api().agent_state(agent)
    }
}

fn ended(reason: &str, by: &str, q850: u64) -> (String, String, u64) {
    (reason.into(), by.into(), q850)
}

fn offers(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(agent, outcome)| ((*agent).into(), (*outcome).into())).collect()
}

// ---- the caller hangs up

#[test]
fn the_caller_hangs_up_while_waiting() {
    let mut stage = Stage::new(&[], "");
    let _busy = stage.agent(0, "1001");
    let (status, _) = stage.server.api().post("agents/1001/busy", &json!({}));
    assert_eq!(status, 200);
    let mut call = stage.waiting();
    stage.server.api().until_waiting("support", 1);
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    assert_eq!(stage.end(&call), ended("abandoned", "caller", 16));
    let record = stage.record(&call);
    assert_eq!(record["queues"][0]["outcome"], "abandoned", "{record:#}");
    assert_eq!(record["agent"], Json::Null, "{record:#}");
    stage.server.api().until_waiting("support", 0);
}

#[test]
fn the_caller_hangs_up_while_the_agent_rings() {
    let mut stage = Stage::new(&[], "");
    let mut agent = stage.agent(0, "1001");
    let mut call = stage.waiting();
    let ringing = agent.ringing(SOON);
    assert_eq!(stage.state("1001"), "offered");
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    let cancel = agent.cancelled(&ringing, ms(500));
    assert_eq!(cancel.q850(), Some(16), "{cancel:#?}");
    assert_eq!(stage.end(&call), ended("abandoned", "caller", 16));
    assert_eq!(stage.offers(&call), offers(&[("1001", "withdrawn")]));
    stage.server.api().until_agent_is("1001", "idle");
}

#[test]
fn the_caller_gives_up_before_it_is_answered() {
    let mut stage = Stage::new(&[], "");
    let mut agent = stage.agent(0, "1001");
    let audio = stage.caller.local;
    let call = stage.caller.invite("123452", audio);
    let progress = stage.caller.find(SOON, |message| message.status() == Some(183));
    assert!(progress.expect("the wait tone as early media").audio().is_some());
    let ringing = agent.ringing(SOON);
    stage.caller.cancel(&call);
    agent.cancelled(&ringing, ms(500));
    let refused = stage.caller.refused(&call, SOON);
    assert_eq!(refused.status(), Some(487));
    assert_eq!(stage.end(&call), ended("abandoned", "caller", 16));
    assert_eq!(stage.record(&call)["sip_status"], 487);
    stage.server.api().until_agent_is("1001", "idle");
}

#[test]
fn the_caller_hangs_up_while_the_employee_id_is_announced() {
    let mut stage = Stage::new(&[], "announce_on_answer = \"employee_id\"\nwrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let audio = Rtp::open(stage.server.net.agent(0));
    let mut call = stage.waiting();
    let ringing = agent.ringing(SOON);
    agent.answer(&ringing, audio.address);
    during(ms(300));
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, ms(500));
    let record = stage.record(&call);
    assert_eq!(record["released_by"], "caller", "{record:#}");
    assert_eq!(record["agent"], "1001", "{record:#}");
    assert_ne!(record["answered"], Json::Null, "{record:#}");
    assert_eq!(record["connected"], Json::Null, "{record:#}");
    assert_eq!(record["talk_ms"], 0, "{record:#}");
    stage.server.api().until_agent_is("1001", "idle");
}

#[test]
fn the_agent_hangs_up() {
    let mut stage = Stage::new(&[], "wrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let audio = Rtp::open(stage.server.net.agent(0));
    let call = stage.waiting();
    let mut ringing = agent.ringing(SOON);
    agent.answer(&ringing, audio.address);
    stage.server.api().until_agent_is("1001", "talking");
    assert_eq!(agent.hang_up(&mut ringing), 200);
    let bye = stage.caller.hung_up(&call, SOON);
    assert_eq!(bye.q850(), Some(16), "{bye:#?}");
    assert_eq!(stage.end(&call), ended("normal_clearing", "agent", 16));
}

// ---- the agent does not take the call

#[test]
fn a_rejecting_agent_is_left_alone_and_the_caller_keeps_its_place() {
    let mut stage = Stage::new(&["rejection_pause_s = 2"], "wrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let call = stage.waiting();
    let ringing = agent.ringing(SOON);
    agent.reject(&ringing, "486 Busy Here");
    // Nobody else is there: after the pause the same agent is asked again.
    agent.expect_no("INVITE", ms(1_700));
    let again = agent.ringing(s(1));
    let audio = Rtp::open(stage.server.net.agent(0));
    agent.answer(&again, audio.address);
    stage.server.api().until_agent_is("1001", "talking");
    let mut call = call;
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    agent.hung_up(&again, SOON);
    assert_eq!(stage.offers(&call), offers(&[("1001", "rejected"), ("1001", "answered")]));
    assert_eq!(stage.record(&call)["queues"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_rejected_call_goes_to_the_next_agent_at_once() {
    let mut stage = Stage::new(&[], "");
    let mut first = stage.agent(0, "1001");
    // Registered later, so idle for a shorter time.
    during(ms(50));
    let mut second = stage.agent(1, "1002");
    let mut call = stage.waiting();
    let ringing = first.ringing(SOON);
    first.reject(&ringing, "603 Decline");
    second.ringing(ms(500));
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    assert_eq!(stage.offers(&call), offers(&[("1001", "rejected"), ("1002", "withdrawn")]));
}

#[test]
fn three_unanswered_offers_make_the_agent_busy() {
    let mut stage = Stage::new(&[], "offer_time_s = 1");
    let mut agent = stage.agent(0, "1001");
    let mut call = stage.waiting();
    for _ in 0..3 {
        let ringing = agent.ringing(SOON);
        agent.cancelled(&ringing, ms(1_500));
    }
    stage.server.api().until_agent_is("1001", "busy (no_answer)");
    agent.expect_no("INVITE", ms(500));
    // The caller still waits, and is served when the agent is back.
    assert_eq!(stage.server.api().post("agents/1001/idle", &json!({})).0, 200);
    agent.ringing(SOON);
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    let expected = [("1001", "no_answer"); 3].into_iter().chain([("1001", "withdrawn")]);
    assert_eq!(stage.offers(&call), offers(&expected.collect::<Vec<_>>()));
}

#[test]
fn an_answer_makes_unanswered_offers_forgotten() {
    let mut stage = Stage::new(&["no_answer_limit = 2"], "offer_time_s = 1\nwrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let audio = Rtp::open(stage.server.net.agent(0));
    for _ in 0..2 {
        let mut call = stage.waiting();
        let missed = agent.ringing(SOON);
        agent.cancelled(&missed, ms(1_500));
        let taken = agent.ringing(SOON);
        agent.answer(&taken, audio.address);
        stage.server.api().until_agent_is("1001", "talking");
        assert_eq!(stage.caller.hang_up(&mut call), 200);
        agent.hung_up(&taken, SOON);
    }
    stage.server.api().until_agent_is("1001", "idle");
}

#[test]
fn a_phone_that_is_unavailable_makes_its_agent_busy_and_the_next_one_rings() {
    for status in ["480 Temporarily Unavailable", "503 Service Unavailable"] {
        let mut stage = Stage::new(&[], "");
        let mut first = stage.agent(0, "1001");
        during(ms(50));
        let mut second = stage.agent(1, "1002");
        let mut call = stage.waiting();
        let incoming = first.incoming(SOON);
        first.reject(&incoming, status);
        second.ringing(ms(500));
        stage.server.api().until_agent_is("1001", "busy (phone_unavailable)");
        assert_eq!(stage.caller.hang_up(&mut call), 200);
        let expected = [("1001", "phone_unavailable"), ("1002", "withdrawn")];
        assert_eq!(stage.offers(&call), offers(&expected), "{status}");
    }
}

#[test]
fn a_registration_lost_while_ringing_gives_the_call_to_the_next_agent() {
    let mut stage = Stage::new(&[], "");
    let mut first = stage.agent(0, "1001");
    during(ms(50));
    let mut second = stage.agent(1, "1002");
    let mut call = stage.waiting();
    let ringing = first.ringing(SOON);
    assert_eq!(first.register_for(0).status(), Some(200));
    first.cancelled(&ringing, SOON);
    second.ringing(SOON);
    stage.server.api().until_agent_is("1001", "signed_out");
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    assert_eq!(
        stage.offers(&call),
        offers(&[("1001", "phone_unavailable"), ("1002", "withdrawn")])
    );
}

#[test]
fn a_phone_whose_connection_breaks_while_it_rings_loses_the_call() {
    let mut stage = Stage::new(&[], "");
    let mut first = Phone::tcp(stage.server.sip(), "1001").of("alpha.test").registered();
    during(ms(50));
    let mut second = stage.agent(1, "1002");
    let mut call = stage.waiting();
    first.ringing(SOON);
    drop(first);
    second.ringing(SOON);
    stage.server.api().until_agent_is("1001", "signed_out");
    assert_eq!(stage.caller.hang_up(&mut call), 200);
}

// ---- answers that come too late, or twice

#[test]
fn a_200_that_crosses_our_cancel_is_acknowledged_and_hung_up() {
    let mut stage = Stage::new(&[], "wrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let mut call = stage.waiting();
    let ringing = agent.ringing(SOON);
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    let cancel = agent.expect("CANCEL", SOON);
    // The agent lifted the receiver before the CANCEL arrived.
    let audio = agent.local;
    agent.answer(&ringing, audio);
    agent.respond(&ringing, &cancel, "200 OK", "");
    agent.hung_up(&ringing, SOON);
    assert_eq!(stage.end(&call), ended("abandoned", "caller", 16));
    assert_eq!(stage.offers(&call), offers(&[("1001", "withdrawn")]));
    stage.server.api().until_agent_is("1001", "idle");
}

/// Two phones of one agent ring at once; the one at `first` answers first, the other before it
/// could know.
fn two_contacts_answer(first: usize) {
    let mut stage = Stage::new(&[], "wrap_up_s = 0");
    let mut phones = [stage.agent(0, "1001"), stage.agent(1, "1001")];
    let audio = Rtp::open(stage.server.net.agent(2));
    let mut call = stage.waiting();
    let ringing = phones.each_mut().map(|phone| phone.ringing(SOON));
    let second = 1 - first;
    phones[first].answer_without_waiting(&ringing[first], audio.address);
    phones[second].answer_without_waiting(&ringing[second], audio.address);
    phones[first].expect("ACK", SOON);
    phones[second].expect("ACK", SOON);
    // A CANCEL may have been on its way to the loser; its INVITE is answered already.
    phones[second].hung_up(&ringing[second], SOON);
    stage.server.api().until_agent_is("1001", "talking");
    phones[first].expect_no("BYE", ms(300));
    assert_eq!(stage.server.api().calls()[0]["state"], "connected");
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    phones[first].hung_up(&ringing[first], SOON);
    assert_eq!(stage.end(&call), ended("normal_clearing", "caller", 16));
    assert_eq!(stage.offers(&call), offers(&[("1001", "answered")]));
}

#[test]
fn two_contacts_answer_and_the_first_one_has_the_call() {
    two_contacts_answer(0);
}

#[test]
fn two_contacts_answer_the_other_way_round() {
    two_contacts_answer(1);
}

#[test]
fn a_contact_that_rings_on_is_cancelled_when_another_answers() {
    let mut stage = Stage::new(&[], "");
    let mut phones = [stage.agent(0, "1001"), stage.agent(1, "1001")];
    let audio = Rtp::open(stage.server.net.agent(2));
    let mut call = stage.waiting();
    let ringing = phones.each_mut().map(|phone| phone.ringing(SOON));
    phones[0].answer(&ringing[0], audio.address);
    phones[1].cancelled(&ringing[1], SOON);
    assert_eq!(stage.caller.hang_up(&mut call), 200);
}

#[test]
fn a_200_that_is_never_acknowledged_ends_the_call() {
    let mut stage = Stage::new(&[], "");
    let _agent = stage.agent(0, "1001");
    stage.server.api().post("agents/1001/busy", &json!({}));
    let audio = stage.caller.local;
    let mut call = stage.caller.invite("123451", audio);
    stage.caller.answered_without_ack(&mut call);
    // 64·T1 after the 200 (RFC 3261 §13.3.1.4); until then it is retransmitted.
    let bye = stage.caller.hung_up(&call, s(35));
    assert_eq!(bye.q850(), Some(102), "{bye:#?}");
    let again = stage.caller.repeats.iter().filter(|(_, message)| message.status() == Some(200));
    let again = again.count();
    assert!((9..=11).contains(&again), "{again} retransmissions");
    assert_eq!(stage.end(&call), ended("no_ack", "system", 102));
}

// ---- limits of a call

/// A caller and an agent that talk, with audio both ways.
fn talking(stage: &mut Stage, agent: &mut Phone) -> (Call, Call, Rtp, Rtp) {
    let (near, far) =
        (Rtp::open(stage.server.net.carrier(0)), Rtp::open(stage.server.net.agent(0)));
    let mut call = stage.caller.invite("123451", near.address);
    stage.caller.answered(&mut call);
    let ringing = agent.ringing(SOON);
    agent.answer(&ringing, far.address);
    near.talk(call.audio.expect("an answer with audio"), 700);
    far.talk(ringing.audio.expect("an offer with audio"), 1_000);
    near.until_heard(1_000.0);
    far.until_heard(700.0);
    (call, ringing, near, far)
}

#[test]
fn a_call_longer_than_its_limit_is_released_on_both_sides() {
    let mut stage = Stage::new(&["call_s_max = 10"], "wrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let (call, ringing, _near, _far) = talking(&mut stage, &mut agent);
    let bye = stage.caller.hung_up(&call, s(11));
    assert_eq!(bye.q850(), Some(102), "{bye:#?}");
    agent.hung_up(&ringing, SOON);
    assert_eq!(stage.end(&call), ended("call_too_long", "system", 102));
    let talked = stage.record(&call)["talk_ms"].as_u64().unwrap_or_default();
    assert!((9_900..10_500).contains(&talked), "{talked} ms");
    stage.server.api().until_agent_is("1001", "idle");
}

#[test]
fn a_side_that_falls_silent_ends_the_call() {
    for silent in ["caller", "agent"] {
        let mut stage = Stage::new(&["rtp_silence_s = 2"], "wrap_up_s = 0");
        let mut agent = stage.agent(0, "1001");
        let (call, ringing, near, far) = talking(&mut stage, &mut agent);
        stage.caller.expect_no("BYE", ms(2_500));
        if silent == "caller" {
            near.fall_silent()
        } else {
            far.fall_silent()
        }
        let bye = stage.caller.hung_up(&call, s(4));
        assert_eq!(bye.q850(), Some(41), "{silent}: {bye:#?}");
        agent.hung_up(&ringing, SOON);
        assert_eq!(stage.end(&call), ended("media_silent", "system", 41), "{silent}");
    }
}

// ---- the queue's policies

/// An announcement is heard in full length, then the release with its cause.
fn released_with_announcement(
    stage: &mut Stage,
    call: &Call,
    audio: &Rtp,
    spoken: std::ops::Range<u64>,
    q850: u16,
) {
    let bye = stage.caller.hung_up(call, s(8));
    assert_eq!(bye.q850(), Some(q850), "{bye:#?}");
    let heard: Vec<_> = audio.heard();
    let speech = heard.iter().filter(|packet| {
        hotline_tests::rtp::sound(packet, &[]) == hotline_tests::audio::Sound::Other
    });
    let speech = speech.count() as u64 * 20;
    assert!(spoken.contains(&speech), "{speech} ms of speech");
}

#[test]
fn nobody_signed_in_a_full_queue_and_a_wait_too_long_are_told_and_released() {
    // The announcements are 3.6, 4.5 and 4.3 s long, with pauses in them.
    let spoken = 1_800..4_500;
    let mut stage = Stage::new(&[], "max_calls_in_queue = 1\nmax_waiting_time_s = 6");
    let audio = Rtp::open(stage.server.net.carrier(0));
    let mut call = stage.caller.invite("123451", audio.address);
    stage.caller.answered(&mut call);
    released_with_announcement(&mut stage, &call, &audio, spoken.clone(), 20);
    assert_eq!(stage.end(&call), ended("no_agents", "system", 20));
    assert_eq!(stage.record(&call)["offers"], json!([]));

    let _agent = stage.agent(0, "1001");
    stage.server.api().post("agents/1001/busy", &json!({}));
    let mut other = Phone::udp(stage.server.net.carrier(1), stage.server.sip(), "4001");
    let other_audio = Rtp::open(stage.server.net.carrier(1));
    let mut waits = other.invite("123451", other_audio.address);
    other.answered(&mut waits);
    stage.server.api().until_waiting("support", 1);

    audio.forget();
    let mut call = stage.caller.invite("123451", audio.address);
    stage.caller.answered(&mut call);
    released_with_announcement(&mut stage, &call, &audio, spoken.clone(), 17);
    assert_eq!(stage.end(&call), ended("queue_busy", "system", 17));

    std::mem::swap(&mut stage.caller, &mut other);
    released_with_announcement(&mut stage, &waits, &other_audio, spoken, 18);
    assert_eq!(stage.end(&waits), ended("queue_timeout", "system", 18));
    let record = stage.record(&waits);
    assert_eq!(record["queues"][0]["outcome"], "timeout", "{record:#}");
    let waited = record["waiting_ms"].as_u64().unwrap_or_default();
    assert!(waited >= 6_000, "{record:#}");
}

#[test]
fn failures_reach_a_carrier_that_waits_for_the_agents_answer_as_statuses() {
    let mut stage = Stage::new(&[], "max_calls_in_queue = 1\nmax_waiting_time_s = 1");
    let audio = stage.caller.local;
    let refused = |stage: &mut Stage| {
        let call = stage.caller.invite("123452", audio);
        let response = stage.caller.refused(&call, s(9));
        let record = stage.record(&call);
        assert_eq!(record["sip_status"].as_u64().map(|s| s as u16), response.status());
        (response.status(), response.q850())
    };
    assert_eq!(refused(&mut stage), (Some(480), Some(20)), "nobody is signed in");
    let _agent = stage.agent(0, "1001");
    stage.server.api().post("agents/1001/busy", &json!({}));
    assert_eq!(refused(&mut stage), (Some(408), Some(18)), "the wait was too long");
}

#[test]
fn the_last_agent_to_leave_sends_the_waiting_callers_away() {
    let mut stage = Stage::new(&[], "");
    let _agent = stage.agent(0, "1001");
    let api = stage.server.api();
    api.post("agents/1001/busy", &json!({}));
    let call = stage.waiting();
    api.until_waiting("support", 1);
    assert_eq!(api.post("agents/1001/sign-out", &json!({})).0, 200);
    let bye = stage.caller.hung_up(&call, s(8));
    assert_eq!(bye.q850(), Some(20), "{bye:#?}");
    assert_eq!(stage.end(&call), ended("no_agents", "system", 20));
}

#[test]
fn a_queue_that_overflows_into_another_hands_its_callers_over() {
    let mut stage = Stage::with(|net| {
        Centre::new("alpha")
            .queue("support", "max_waiting_time_s = 1\non_timeout = { skill_queue = \"sales\" }")
            .queue("sales", "")
            .route("12345", "1", "support")
            .agent("1001", "support", "")
            .agent("1002", "sales", "")
            .trunk("carrier", &[&net.carrier_network()])
    });
    let _busy = stage.agent(0, "1001");
    stage.server.api().post("agents/1001/busy", &json!({}));
    let mut second = stage.agent(1, "1002");
    let mut call = stage.waiting();
    second.expect_no("INVITE", ms(800));
    let ringing = second.ringing(SOON);
    let audio = second.local;
    second.answer(&ringing, audio);
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    second.hung_up(&ringing, SOON);
    let record = stage.record(&call);
    let visits = record["queues"].as_array().cloned().unwrap_or_default();
    let names: Vec<_> =
        visits.iter().map(|visit| (&visit["skill_queue"], &visit["outcome"])).collect();
    assert_eq!(names.len(), 2, "{record:#}");
    assert_eq!(names[0].0, "support");
    assert_eq!((names[1].0, names[1].1), (&json!("sales"), &json!("answered")));
    assert_eq!(record["agent"], "1002", "{record:#}");
}

// ---- in between

#[test]
fn callers_are_served_in_the_order_of_their_arrival() {
    let stage = Stage::new(&[], "wrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let api = stage.server.api();
    api.post("agents/1001/busy", &json!({}));
    let mut callers: Vec<_> = (1..=5)
        .map(|n| Phone::udp(stage.server.net.carrier(n), stage.server.sip(), &format!("400{n}")))
        .collect();
    let mut calls = Vec::new();
    for caller in &mut callers {
        let audio = caller.local;
        let mut call = caller.invite("123451", audio);
        caller.answered(&mut call);
        calls.push(call);
    }
    api.until_waiting("support", 5);
    api.post("agents/1001/idle", &json!({}));
    for (caller, call) in callers.iter_mut().zip(&mut calls) {
        let ringing = agent.ringing(SOON);
        let from = ringing.invite.header("From").to_owned();
        assert!(from.contains(&format!("sip:{}@", caller.user)), "{from}");
        assert!(from.contains("support"), "the queue's name is shown: {from}");
        let audio = agent.local;
        agent.answer(&ringing, audio);
        assert_eq!(caller.hang_up(call), 200);
        agent.hung_up(&ringing, SOON);
    }
    stage.server.api().until_waiting("support", 0);
}

#[test]
fn a_held_call_goes_on_and_is_resumed() {
    let mut stage = Stage::new(&[], "");
    let mut agent = stage.agent(0, "1001");
    let (mut call, ringing, near, far) = talking(&mut stage, &mut agent);
    let held = stage.caller.reinvite(&mut call, &sdp(near.address, "sendonly"));
    assert!(held.body.contains("a=recvonly"), "{held:#?}");
    near.forget();
    during(ms(500));
    let heard_in_hold = near.heard().len();
    assert!(heard_in_hold <= 2, "{heard_in_hold} packets to a side that does not listen");
    let resumed = stage.caller.reinvite(&mut call, &sdp(near.address, "sendrecv"));
    assert!(!resumed.body.contains("a=recvonly"), "{resumed:#?}");
    near.forget();
    far.forget();
    near.until_heard(1_000.0);
    far.until_heard(700.0);
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
}

#[test]
fn an_administrator_releases_a_call() {
    let mut stage = Stage::new(&[], "");
    let _agent = stage.agent(0, "1001");
    let call = stage.waiting();
    let api = stage.server.api();
    assert_eq!(api.delete("calls/last"), 204);
    stage.caller.hung_up(&call, SOON);
    assert_eq!(stage.end(&call).0, "administrator");
    assert_eq!(api.delete(&format!("calls/{}", call.id)), 409, "it has ended already");
}

#[test]
fn nothing_is_left_after_a_call() {
    let mut stage = Stage::new(&[], "wrap_up_s = 0");
    let mut agent = stage.agent(0, "1001");
    let api = stage.server.api();
    // Metrics are a second old at most: these have seen the registration.
    api.until_metric("hotline_agents_signed_in", 1.0, SOON);
    // What the registration itself holds ends 32 s after it at most: a wait of both together.
    api.until_metric("hotline_server_transactions", 0.0, s(40));
    let before = api.held();
    let (mut call, ringing, _near, _far) = talking(&mut stage, &mut agent);
    assert!(
        api.metric("hotline_media_ports_used") > before["hotline_media_ports_used"] || {
            // Metrics are a second old at most.
            during(Duration::from_millis(1_100));
            api.metric("hotline_media_ports_used") > before["hotline_media_ports_used"]
        }
    );
    assert_eq!(stage.caller.hang_up(&mut call), 200);
    agent.hung_up(&ringing, SOON);
    api.until_quiet(&before, s(45));
}
