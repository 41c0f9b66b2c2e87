//! Agents with nothing but a telephone, on the running server: signing in by digits, holding the
//! line or being rung, keys in and between calls, lock-outs, lines that are cut, star codes of plain
//! phones; and that their PINs appear nowhere.

#[path = "mobile/stage.rs"]
mod stage;

use hotline_tests::audio::Sound;
use hotline_tests::baresip::{Baresip, Options};
use hotline_tests::phone::{Call, SOON};
use hotline_tests::rtp::{Rtp, sound};
use hotline_tests::sip::sdp_of;
use hotline_tests::sipp::Sipp;
use hotline_tests::{Centre, Phone, s, within};
use serde_json::json;
use stage::*;
use std::path::Path;

/// The tone that tells an agent of a call.
const BEEP_HZ: f64 = 880.0;

fn hears(audio: &Rtp, hz: f64) -> bool {
    audio.heard().iter().any(|heard| sound(heard, &[hz]) == Sound::Tone(0))
}

#[test]
fn an_agent_signs_in_by_digits_holds_the_line_and_takes_three_calls() {
    let mut stage = Stage::new(Wishes::default());
    let api = stage.server.api();
    let line = stage.signs_in("1");
    for n in 1..=3 {
        stage.line.until_heard(f64::from(LINE_HZ));
        let mut call = stage.customer_calls();
        stage.line.until_heard(f64::from(CUSTOMER_HZ));
        assert!(hears(&stage.line, BEEP_HZ), "{n}: the agent is told of the call");
        stage.both_talk();
        api.until_agent_is("1001", "talking");
        if n == 1 {
            stage.forget();
            stage.line.press("*1", EVENTS);
            stage.near.until_heard(f64::from(HOLD_HZ));
            api.until_agent_is("1001", "holding");
            stage.until_said(&stage.line, "on_hold");
            stage.forget();
            stage.near.until_heard(f64::from(HOLD_HZ));
            assert!(!hears(&stage.line, f64::from(CUSTOMER_HZ)), "held means not heard");
            assert!(!hears(&stage.near, f64::from(AGENT_HZ)), "held means not heard");
            stage.line.press("*1", EVENTS);
            stage.until_said(&stage.line, "resumed");
            stage.both_talk();
            assert_eq!(stage.customer.hang_up(&mut call), 200);
        } else {
            stage.line.press("*6", EVENTS);
            let bye = stage.customer.hung_up(&call, SOON);
            assert_eq!(bye.q850(), Some(16), "{bye:#?}");
        }
        api.until_agent_is("1001", "wrap_up");
        stage.mobile.expect_no("BYE", A_WHILE);
        stage.line.forget();
        stage.line.press("*0", EVENTS);
        api.until_agent_is("1001", "idle");
        let record = api.record(&call.id);
        assert_eq!(record["agent"], "1001", "{record:#}");
        assert_eq!(record["offers"][0]["device"], "held_line", "{record:#}");
        assert_eq!(record["released_by"], if n == 1 { "caller" } else { "agent" }, "{record:#}");
    }
    assert_eq!(stage.near.keys_heard(EVENTS), "", "codes are not for the customer");
    stage.line.forget();
    stage.line.press("**", EVENTS);
    stage.until_said(&stage.line, "signed_out");
    stage.mobile.hung_up(&line, SOON);
    api.until_agent_is("1001", "signed_out");
    assert_eq!(api.record(&line.id)["signed_in"], "1001");
}

#[test]
fn an_agent_is_rung_and_only_the_key_connects() {
    let mut stage = Stage::new(Wishes { wrap_up_s: 1, ..Wishes::default() });
    let api = stage.server.api();
    stage.signs_in("2");
    for n in 1..=3 {
        let mut call = stage.customer_calls();
        let ring = stage.mobile_answers();
        let uri = ring.invite.request_uri();
        assert!(uri.starts_with(&format!("sip:{MOBILE}@")), "{uri}");
        let from = ring.invite.header("From");
        assert!(from.contains(SHOWN) && !from.contains("15550042"), "{from}");
        stage.until_said(&stage.line, "to_accept_press");
        assert_eq!(api.agent_state("1001"), "offered", "it may be a machine");
        assert!(!hears(&stage.near, f64::from(AGENT_HZ)));
        stage.line.press("1", EVENTS);
        stage.both_talk();
        api.until_agent_is("1001", "talking");
        match n {
            1 => assert_eq!(stage.customer.hang_up(&mut call), 200),
            2 => {
                stage.line.press("*6", EVENTS);
                stage.customer.hung_up(&call, SOON);
            }
            _ => {
                stage.line.press("**", EVENTS);
                stage.until_said(&stage.line, "signed_out");
                assert_eq!(api.agent_state("1001"), "talking", "when the call has ended");
                assert_eq!(stage.customer.hang_up(&mut call), 200);
            }
        }
        stage.mobile.hung_up(&ring, SOON);
        stage.line.fall_silent();
        let state = if n == 3 { "signed_out" } else { "idle" };
        api.until_agent_is("1001", state);
        let record = api.record(&call.id);
        assert_eq!(record["offers"][0]["device"], "mobile", "{record:#}");
        assert_eq!(record["offers"][0]["outcome"], "answered", "{record:#}");
    }
    assert_eq!(stage.near.keys_heard(EVENTS), "");
}

#[test]
fn voicemail_is_no_answer_and_the_caller_keeps_its_place() {
    let mut stage = Stage::new(Wishes { trunk: "present_any_number = true", ..Wishes::default() });
    let api = stage.server.api();
    stage.signs_in("2");
    let mut call = stage.customer_calls();
    let machine = stage.mobile_answers();
    let from = machine.invite.header("From");
    assert!(from.contains("15550042"), "this trunk may show the customer's number: {from}");
    stage.mobile.hung_up(&machine, s(10));
    assert!(!hears(&stage.near, f64::from(AGENT_HZ)), "no machine reaches a customer");
    api.until_waiting("support", 1);
    let ring = stage.mobile_answers();
    stage.line.press("1", EVENTS);
    stage.both_talk();
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    stage.mobile.hung_up(&ring, SOON);
    let record = api.record(&call.id);
    assert_eq!(record["offers"][0]["outcome"], "no_answer", "{record:#}");
    assert_eq!(record["offers"][1]["outcome"], "answered", "{record:#}");
    assert_eq!(record["queues"].as_array().map(Vec::len), Some(1), "{record:#}");
    stage.end_wrap_up();
}

#[test]
fn a_mobile_of_sipp_confirms_by_info() {
    let mut stage = Stage::new(Wishes { rung_at: 2, ..Wishes::default() });
    let (dir, at) = (stage.server.dir(), stage.server.net.carrier(2));
    let mut mobile = Sipp::start(dir, "mobile_confirms", at, None, s(10), &["-m", "1"]);
    stage.signs_in("2");
    let mut call = stage.customer_calls();
    stage.server.api().until_agent_is_within("1001", "talking", s(10));
    assert_eq!(stage.near.keys_heard(EVENTS), "", "the key was not for the customer");
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    mobile.succeed(s(10));
    let record = stage.server.api().record(&call.id);
    assert_eq!(record["offers"][0]["outcome"], "answered", "{record:#}");
    assert_eq!(record["offers"][0]["device"], "mobile", "{record:#}");
}

/// 1001 consults 1002, who answers; the customer hears the hold tone meanwhile.
fn consults(stage: &Stage, phone: &mut Phone, audio: &Rtp) -> Call {
    stage.forget();
    stage.line.press("*21002#", EVENTS);
    let ring = phone.ringing(s(10));
    phone.answer(&ring, audio.address);
    audio.talk(ring.audio.expect("an offer"), COLLEAGUE_HZ);
    stage.line.until_heard(f64::from(COLLEAGUE_HZ));
    audio.until_heard(f64::from(AGENT_HZ));
    stage.forget();
    stage.near.until_heard(f64::from(HOLD_HZ));
    assert!(!hears(&stage.near, f64::from(AGENT_HZ)));
    assert!(!hears(&stage.near, f64::from(COLLEAGUE_HZ)));
    ring
}

#[test]
fn an_agent_consults_returns_holds_a_conference_and_transfers_by_digits() {
    let mut stage = Stage::new(Wishes::default());
    let api = stage.server.api();
    let mut line = stage.signs_in("1");
    let (mut colleague, far) = stage.colleague();
    let mut call = stage.customer_talks();
    // Back to the customer.
    let ring = consults(&stage, &mut colleague, &far);
    stage.line.press("*5", EVENTS);
    colleague.hung_up(&ring, SOON);
    stage.both_talk();
    // All three, then without the agent.
    far.forget();
    let ring = consults(&stage, &mut colleague, &far);
    stage.forget();
    far.forget();
    stage.line.press("*4", EVENTS);
    until_both_heard(&stage.near, [AGENT_HZ, COLLEAGUE_HZ]);
    until_both_heard(&stage.line, [CUSTOMER_HZ, COLLEAGUE_HZ]);
    until_both_heard(&far, [AGENT_HZ, CUSTOMER_HZ]);
    stage.line.press("*3", EVENTS);
    api.until_agent_is("1001", "wrap_up");
    far.forget();
    stage.forget();
    far.until_heard(f64::from(CUSTOMER_HZ));
    stage.near.until_heard(f64::from(COLLEAGUE_HZ));
    assert!(!hears(&stage.line, f64::from(CUSTOMER_HZ)), "the line is at rest");
    assert_eq!(api.agent_state("1002"), "talking");
    assert_eq!(stage.near.keys_heard(EVENTS), "");
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    colleague.hung_up(&ring, SOON);
    // The line is still there for the next customer, who is handed over at once.
    stage.line.press("*0", EVENTS);
    api.until_agent_is("1001", "idle");
    let mut call = stage.customer_talks();
    let ring = consults(&stage, &mut colleague, &far);
    stage.line.press("*3", EVENTS);
    far.forget();
    far.until_heard(f64::from(CUSTOMER_HZ));
    stage.forget();
    stage.near.until_heard(f64::from(COLLEAGUE_HZ));
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    colleague.hung_up(&ring, SOON);
    let record = api.record(&call.id);
    assert_eq!(record["transfers"][0]["outcome"], "transferred", "{record:#}");
    api.until_agent_is("1001", "wrap_up");
    assert_eq!(stage.mobile.hang_up(&mut line), 200);
    api.until_agent_is("1001", "signed_out");
}

/// Waits until the default wait tone is heard for 100 ms on end.
fn until_wait_tone(audio: &Rtp) {
    let waits = within(SOON, || {
        let sounds: Vec<_> = audio.heard().iter().map(|heard| sound(heard, &[])).collect();
        sounds.windows(5).any(|five| five.iter().all(|s| *s == Sound::WaitTone)).then_some(())
    });
    assert!(waits.is_some(), "no wait tone is heard");
}

#[test]
fn an_agent_consults_a_queue_waits_in_it_and_comes_back_when_nobody_has_time() {
    let mut stage = Stage::new(Wishes::default());
    let api = stage.server.api();
    stage.signs_in("1");
    let (mut colleague, far) = stage.colleague();
    assert_eq!(api.post("agents/1002/busy", &json!({})).0, 200);
    api.until_agent_is("1002", "busy (chosen)");
    let mut call = stage.customer_talks();
    stage.forget();
    stage.line.press("*2123452#", EVENTS);
    // It waits as a caller does, and so does the customer, with the tone of the hold.
    until_wait_tone(&stage.line);
    stage.near.until_heard(f64::from(HOLD_HZ));
    api.until_waiting("second", 1);
    assert_eq!(api.post("agents/1002/idle", &json!({})).0, 200);
    let ring = colleague.ringing(s(10));
    colleague.answer(&ring, far.address);
    far.talk(ring.audio.expect("an offer"), COLLEAGUE_HZ);
    stage.line.until_heard(f64::from(COLLEAGUE_HZ));
    far.until_heard(f64::from(AGENT_HZ));
    api.until_waiting("second", 0);
    stage.forget();
    stage.near.until_heard(f64::from(HOLD_HZ));
    assert!(!hears(&stage.near, f64::from(COLLEAGUE_HZ)), "it is the agent who asks");
    stage.line.press("*5", EVENTS);
    colleague.hung_up(&ring, SOON);
    far.fall_silent();
    stage.both_talk();
    // In the other queue nobody answers in time.
    assert_eq!(api.post("agents/1004/sign-in", &json!({})).0, 200);
    assert_eq!(api.post("agents/1004/busy", &json!({})).0, 200);
    api.until_agent_is("1004", "busy (chosen)");
    stage.forget();
    stage.line.press("*2123453#", EVENTS);
    until_wait_tone(&stage.line);
    stage.near.until_heard(f64::from(HOLD_HZ));
    stage.until_said(&stage.line, "all_busy");
    stage.both_talk();
    api.until_waiting("brief", 0);
    assert_eq!(api.agent_state("1001"), "talking");
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    let record = api.record(&call.id);
    assert_eq!(record["released_by"], "caller", "{record:#}");
    assert_eq!(record["agent"], "1001", "{record:#}");
    api.until_agent_is("1001", "wrap_up");
}

#[test]
fn a_blind_transfer_by_digits_reaches_a_colleague_with_baresip() {
    let mut stage = Stage::new(Wishes::default());
    let api = stage.server.api();
    stage.signs_in("1");
    let options = Options { number: "1002", transport: "udp", tone_hz: COLLEAGUE_HZ };
    let at = stage.server.net.agent(0);
    let mut colleague = Baresip::start(&stage.server, &Centre::new("alpha"), at, options);
    api.until_agent_is("1002", "idle");
    let mut call = stage.customer_talks();
    stage.line.press("*31002#", EVENTS);
    colleague.answer(s(0));
    stage.forget();
    stage.near.until_heard(f64::from(COLLEAGUE_HZ));
    api.until_agent_is("1001", "wrap_up");
    api.until_agent_is("1002", "talking");
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    let record = api.record(&call.id);
    assert_eq!(record["transfers"][0]["to"], "agent \"1002\"", "{record:#}");
}

/// An outside party behind the carrier, and what it says and hears.
fn outside(stage: &Stage) -> (Phone, Rtp) {
    let phone = Phone::udp(stage.server.net.carrier(2), stage.server.sip(), "15558888");
    let audio = Rtp::open(phone.local.ip());
    (phone, audio)
}

/// It is called and answers.
fn answers(phone: &mut Phone, audio: &Rtp) -> Call {
    let ring = phone.ringing(s(10));
    let uri = ring.invite.request_uri();
    assert!(uri.starts_with("sip:15558888@"), "{uri}");
    let from = ring.invite.header("From");
    assert!(from.contains("sip:12345@") && !from.contains("15550042"), "{from}");
    phone.answer(&ring, audio.address);
    audio.talk(ring.audio.expect("an offer"), COLLEAGUE_HZ);
    ring
}

const TO_OUTSIDE: Wishes = Wishes {
    single_phone: "",
    tenant: "",
    trunk: "outside_prefixes = [\"+1555\"]",
    wrap_up_s: 60,
    rung_at: 2,
};

#[test]
fn an_agent_consults_an_outside_number_and_hands_the_customer_over() {
    let mut stage = Stage::new(TO_OUTSIDE);
    let api = stage.server.api();
    stage.signs_in("1");
    let (mut phone, far) = outside(&stage);
    let mut call = stage.customer_talks();
    // A number that nobody pays for.
    stage.forget();
    stage.line.press("*246700000#", EVENTS);
    stage.until_said(&stage.line, "not_possible");
    stage.both_talk();
    // One that may be called.
    stage.line.press("*215558888#", EVENTS);
    let ring = answers(&mut phone, &far);
    stage.line.until_heard(f64::from(COLLEAGUE_HZ));
    far.until_heard(f64::from(AGENT_HZ));
    stage.forget();
    stage.near.until_heard(f64::from(HOLD_HZ));
    stage.line.press("*3", EVENTS);
    api.until_agent_is("1001", "wrap_up");
    stage.forget();
    far.forget();
    far.until_heard(f64::from(CUSTOMER_HZ));
    stage.near.until_heard(f64::from(COLLEAGUE_HZ));
    assert!(!hears(&stage.line, f64::from(CUSTOMER_HZ)), "the line is at rest");
    for audio in [&stage.near, &far] {
        assert_eq!(audio.keys_heard(EVENTS), "", "codes are for nobody else");
    }
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    phone.hung_up(&ring, SOON);
    let record = api.record(&call.id);
    let transfers = record["transfers"].as_array().expect("transfers");
    assert_eq!(transfers.len(), 1, "{record:#}");
    assert_eq!(transfers[0]["to"], "number", "{record:#}");
    assert_eq!(transfers[0]["outcome"], "transferred", "{record:#}");
}

#[test]
fn a_blind_transfer_by_digits_reaches_an_outside_number_and_a_queue() {
    let mut stage = Stage::new(TO_OUTSIDE);
    let api = stage.server.api();
    stage.signs_in("1");
    let (mut phone, far) = outside(&stage);
    let mut call = stage.customer_talks();
    stage.line.press("*315558888#", EVENTS);
    let mut ring = answers(&mut phone, &far);
    api.until_agent_is("1001", "wrap_up");
    far.until_heard(f64::from(CUSTOMER_HZ));
    stage.near.until_heard(f64::from(COLLEAGUE_HZ));
    assert_eq!(phone.hang_up(&mut ring), 200);
    stage.customer.hung_up(&call, SOON);
    assert_eq!(api.record(&call.id)["transfers"][0]["outcome"], "transferred");
    // The line is there for the next, who goes to the other queue.
    stage.line.press("*0", EVENTS);
    api.until_agent_is("1001", "idle");
    let (mut colleague, far) = stage.colleague();
    call = stage.customer_talks();
    stage.line.press("*3123452#", EVENTS);
    let ring = colleague.ringing(s(10));
    colleague.answer(&ring, far.address);
    far.talk(ring.audio.expect("an offer"), COLLEAGUE_HZ);
    stage.forget();
    stage.near.until_heard(f64::from(COLLEAGUE_HZ));
    far.until_heard(f64::from(CUSTOMER_HZ));
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    colleague.hung_up(&ring, SOON);
    let record = api.record(&call.id);
    assert_eq!(record["queues"][1]["skill_queue"], "second", "{record:#}");
    assert_eq!(record["transfers"][0]["to"], "skill_queue \"second\"", "{record:#}");
    assert_eq!(record["transfers"][0]["outcome"], "transferred", "{record:#}");
}

#[test]
fn what_is_no_code_goes_to_the_customer_and_what_is_one_does_not() {
    let mut stage = Stage::new(Wishes::default());
    stage.signs_in("1");
    let mut call = stage.customer_talks();
    stage.line.press("5*175", EVENTS);
    let pressed = within(SOON, || (stage.near.keys_heard(EVENTS).len() >= 2).then_some(()));
    let keys = stage.near.keys_heard(EVENTS);
    assert!(pressed.is_some(), "only {keys:?} came through");
    assert!(keys.starts_with('5') && !keys.contains(['*', '1']), "{keys}");
    assert_eq!(keys_in_band(&heard(&stage.near)), 0);
    assert_eq!(stage.customer.hang_up(&mut call), 200);
}

/// Types employee ID and PIN, and waits for what is said about it.
fn tries(stage: &Stage, id: &str, pin: &str, said: &str) {
    stage.line.forget();
    stage.line.press(&format!("{id}#{pin}#"), EVENTS);
    stage.until_said(&stage.line, said);
}

#[test]
fn three_wrong_pins_lock_the_employee_and_the_number() {
    let mut stage =
        Stage::new(Wishes { single_phone: ", lock_out_tries = 3", ..Wishes::default() });
    let (pin, other_pin) = (stage.pin.clone(), stage.other_pin.clone());
    let wrong = if pin == "20394857" { "20394858" } else { "20394857" };
    let call = stage.calls_in();
    tries(&stage, "1001", wrong, "sign_in_wrong");
    tries(&stage, "1001", wrong, "sign_in_wrong");
    tries(&stage, "1001", wrong, "sign_in_locked");
    let locked = stage.mobile.hung_up(&call, LATER);
    // The right PIN is refused in the same way: from this number, for another employee too, and
    // from any number for this one.
    for (number, id, pin) in
        [(MOBILE, "1001", &pin), (MOBILE, "1003", &other_pin), ("5550777", "1001", &pin)]
    {
        stage.mobile.user = number.into();
        let call = stage.calls_in();
        tries(&stage, id, pin, "sign_in_locked");
        let bye = stage.mobile.hung_up(&call, LATER);
        assert_eq!(bye.q850(), locked.q850(), "{number} {id}");
        assert_eq!(stage.server.api().agent_state(id), "signed_out");
    }
    // Everybody else signs in.
    let mut call = stage.calls_in();
    tries(&stage, "1003", &other_pin, "sign_in_mode");
    stage.line.press("1", EVENTS);
    stage.server.api().until_agent_is_within("1003", "idle", LATER);
    assert_eq!(stage.mobile.hang_up(&mut call), 200);
    stage.server.api().until_agent_is("1003", "signed_out");
}

/// Whoever could make the server end, or waited for that, had all tries again.
#[test]
fn wrong_pins_are_counted_over_a_kill_and_a_restart() {
    let mut stage =
        Stage::new(Wishes { single_phone: ", lock_out_tries = 3", ..Wishes::default() });
    let pin = stage.pin.clone();
    let wrong = if pin == "20394857" { "20394858" } else { "20394857" };
    for (said, orderly) in [("sign_in_wrong", false), ("sign_in_wrong", true)] {
        let mut call = stage.calls_in();
        tries(&stage, "1001", wrong, said);
        if orderly {
            assert_eq!(stage.mobile.hang_up(&mut call), 200);
            assert_eq!(stage.server.stop(), 0);
        } else {
            stage.server.kill9();
        }
        stage.server.restart();
    }
    let call = stage.calls_in();
    tries(&stage, "1001", wrong, "sign_in_locked");
    stage.mobile.hung_up(&call, LATER);
    stage.server.kill9();
    stage.server.restart();
    let call = stage.calls_in();
    tries(&stage, "1001", &pin, "sign_in_locked");
    stage.mobile.hung_up(&call, LATER);
    assert_eq!(stage.server.api().agent_state("1001"), "signed_out");
}

#[test]
fn a_held_line_that_is_cut_is_rung_instead_or_signed_out() {
    for (single_phone, rung) in
        [(", cut_line = \"be_rung\"", true), (", cut_line = \"signed_out\"", false)]
    {
        let mut stage = Stage::new(Wishes { single_phone, wrap_up_s: 1, ..Wishes::default() });
        let api = stage.server.api();
        // Between calls.
        let mut line = stage.signs_in("1");
        assert_eq!(stage.mobile.hang_up(&mut line), 200);
        api.until_agent_is("1001", if rung { "idle" } else { "signed_out" });
        if rung {
            let mut call = stage.customer_calls();
            let ring = stage.mobile_answers();
            stage.line.press("1", EVENTS);
            stage.both_talk();
            assert_eq!(stage.customer.hang_up(&mut call), 200);
            stage.mobile.hung_up(&ring, SOON);
            api.until_agent_is("1001", "idle");
        }
        // During one: the customer's call ends with the agent's side.
        let mut line = stage.signs_in("1");
        let call = stage.customer_talks();
        assert_eq!(stage.mobile.hang_up(&mut line), 200);
        stage.customer.hung_up(&call, SOON);
        assert_eq!(api.record(&call.id)["released_by"], "agent");
        api.until_agent_is("1001", if rung { "idle" } else { "signed_out" });
    }
}

/// The carrier says nothing: packets stop, between calls or in one.
#[test]
fn a_held_line_that_falls_silent_is_a_line_that_was_cut() {
    for in_call in [false, true] {
        let wishes = Wishes { tenant: "rtp_silence_s = 3", wrap_up_s: 1, ..Wishes::default() };
        let mut stage = Stage::new(wishes);
        let line = stage.signs_in("1");
        let call = in_call.then(|| stage.customer_talks());
        stage.line.fall_silent();
        if let Some(call) = call {
            stage.customer.hung_up(&call, s(10));
            assert_eq!(stage.server.api().record(&call.id)["reason"], "media_silent");
        }
        stage.mobile.hung_up(&line, s(10));
        stage.server.api().until_agent_is("1001", "signed_out");
    }
}

#[test]
fn a_plain_phone_says_and_hears_its_state_by_star_codes() {
    let mut stage = Stage::new(Wishes::default());
    let api = stage.server.api();
    let (mut phone, audio) = stage.colleague();
    let dials = |phone: &mut Phone, code: &str, prompts: &[&str], state: &str| {
        audio.forget();
        let call = dials_as_agent(phone, code, &audio);
        phone.hung_up(&call, LATER);
        for prompt in prompts {
            assert!(has_prompt(&heard(&audio), prompt), "{code}: {prompt} is not said");
        }
        api.until_agent_is("1002", state);
    };
    for (code, prompts, state) in [
        ("*53", &["state_busy"][..], "busy (chosen)"),
        ("*55", &["your_state_is", "state_busy"], "busy (chosen)"),
        ("*52", &["state_idle"], "idle"),
        ("*54", &["state_rest"], "rest (rest)"),
        ("*55", &["your_state_is", "state_rest"], "rest (rest)"),
        ("*51", &["signed_out"], "signed_out"),
        ("*52", &["not_possible"], "signed_out"),
        ("*50", &["signed_in"], "idle"),
    ] {
        dials(&mut phone, code, prompts, state);
    }
    // After a call: *56 ends wrap-up.
    let mut call = stage.customer.invite("123452", stage.near.address);
    stage.customer.answered(&mut call);
    let ring = phone.ringing(SOON);
    phone.answer(&ring, audio.address);
    api.until_agent_is("1002", "talking");
    assert_eq!(stage.customer.hang_up(&mut call), 200);
    phone.hung_up(&ring, SOON);
    api.until_agent_is("1002", "wrap_up");
    dials(&mut phone, "*55", &["your_state_is", "state_wrap_up"], "wrap_up");
    dials(&mut phone, "*56", &["state_idle"], "idle");
}

/// A telephone that has no telephone-events: everything by tones, as from an old exchange.
#[test]
fn an_agent_whose_telephone_sends_tones_signs_in_and_the_customer_hears_none_of_its_codes() {
    let mut stage = Stage::new(Wishes::default());
    let api = stage.server.api();
    let offer = sdp_of(stage.line.address, "sendrecv", &[(8, "PCMA")]);
    let invite = stage.mobile.invitation("123459", &offer);
    let mut line = stage.mobile.dial(invite);
    let answer = stage.mobile.answered(&mut line);
    assert_eq!(answer.payload_type("telephone-event"), None, "{answer:#?}");
    stage.line.talk(line.audio.expect("an answer"), AGENT_HZ);
    stage.line.press_in_band(&format!("1001#{}#", stage.pin));
    stage.until_said(&stage.line, "sign_in_mode");
    stage.line.press_in_band("1");
    api.until_agent_is_within("1001", "idle", LATER);
    let call = stage.customer_talks();
    stage.forget();
    stage.line.press_in_band("*1");
    stage.near.until_heard(f64::from(HOLD_HZ));
    stage.line.press_in_band("*1");
    stage.near.until_heard(f64::from(AGENT_HZ));
    stage.line.press_in_band("*6");
    stage.customer.hung_up(&call, SOON);
    assert_eq!(stage.near.keys_heard(EVENTS), "", "a code is not made an event");
    let sounding = keys_in_band(&heard(&stage.near)) * 20;
    // A tone is recognised when some of it has gone through.
    println!("{sounding} ms of six keys of 100 ms are heard");
    assert!(sounding <= 6 * 40, "{sounding} ms of six keys of 100 ms are heard");
    api.until_agent_is("1001", "wrap_up");
    stage.line.press_in_band("*0");
    api.until_agent_is("1001", "idle");
    assert_eq!(stage.mobile.hang_up(&mut line), 200);
    api.until_agent_is("1001", "signed_out");
}

/// Every file below a directory.
fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

/// The digits that stand alone between quotes, one after the other: `'1' … "2"` is 12.
fn single_digits(text: &str) -> String {
    let bytes = text.as_bytes();
    let quoted = |three: &&[u8]| matches!(three, [b'\'' | b'"', digit, b'\'' | b'"'] if digit.is_ascii_digit());
    bytes.windows(3).filter(quoted).map(|three| char::from(three[1])).collect()
}

#[test]
fn a_pin_appears_nowhere() {
    let mut stage = Stage::of(Wishes::default(), |setup| setup.set("HOTLINE_LOG_LEVEL", "trace"));
    let api = stage.server.api();
    let pin = stage.pin.clone();
    let line = stage.signs_in("1");
    let call = stage.customer_talks();
    stage.line.press("*1*1*6", EVENTS);
    stage.customer.hung_up(&call, SOON);
    let customer = api.record(&call.id);
    stage.line.press("**", EVENTS);
    stage.mobile.hung_up(&line, LATER);
    let own = api.record(&line.id);
    // By INFO, which is a SIP message like others.
    let mut by_info = stage.calls_in();
    let keys = format!("1001#{pin}#");
    stage.presses_by_info(&mut by_info, &keys);
    stage.until_said(&stage.line, "sign_in_mode");
    stage.presses_by_info(&mut by_info, "1");
    api.until_agent_is_within("1001", "idle", LATER);
    assert_eq!(stage.mobile.hang_up(&mut by_info), 200);
    let by_info = api.record(&by_info.id);
    // And one who types its PIN where the ID is asked for.
    let mut slip = stage.calls_in();
    tries(&stage, &pin, &pin, "sign_in_wrong");
    assert_eq!(stage.mobile.hang_up(&mut slip), 200);
    let slipped = api.record(&slip.id);
    assert_eq!(stage.near.keys_heard(EVENTS), "");
    assert_eq!(keys_in_band(&heard(&stage.near)), 0);
    let mut told = vec![api.read("agents/1001").to_string(), api.read("agents").to_string()];
    for record in [&customer, &own, &by_info, &slipped] {
        let id = record["call"].to_string();
        let trace = api.read(&format!("calls/{}/trace", id.trim_matches('"'))).to_string();
        assert!(trace.contains("INVITE"), "{trace}");
        told.extend([record.to_string(), trace]);
    }
    told.push(stage.server.command(&["trace", "last"]).1);
    assert_eq!(stage.server.stop(), 0);
    let log = stage.server.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not at its loudest");
    told.push(log);
    for text in &told {
        assert!(!text.contains(&pin) && !single_digits(text).contains(&pin), "the PIN in {text}");
        assert!(!text.contains("Signal="), "a key in {text}");
    }
    let mut found = Vec::new();
    files(stage.server.data_dir(), &mut found);
    let names: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
    assert!(found.len() > 2, "{names:?}");
    for path in found {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let is_there = bytes.windows(pin.len()).any(|window| window == pin.as_bytes());
        assert!(!is_there, "the PIN is in {}", path.display());
        let has_keys = bytes.windows(7).any(|window| window == b"Signal=");
        assert!(!has_keys, "keys are in {}", path.display());
    }
    assert_eq!(own["signed_in"], json!("1001"));
}
