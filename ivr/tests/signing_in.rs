//! Agents sign in from any telephone: what is asked, how often, and where the PIN never is.

mod phone;

use hotline_ivr::run::io::{Done, Effect, Exit, Failure, Input};
use phone::Phone;

const SIGN_IN: &str = r#"
    start = "sign_in"
    [node.sign_in]
    kind = "agent_sign_in"
    next = "bye"
    on_failure = "wrong"
    on_locked = "locked"
    [node.bye]
    kind = "end"
    [node.wrong]
    kind = "end"
    cause = 1
    [node.locked]
    kind = "end"
    cause = 2
"#;

const ID: &str = "sign_in_employee_id";
const PIN: &str = "sign_in_pin";
const MODE: &str = "sign_in_mode";

#[test]
fn an_agent_types_id_and_pin_and_chooses_to_be_rung_or_to_hold() {
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("! 1001# ! 24681357#");
    phone.answer(Done::Verified);
    phone.perform("! 2");
    phone.answer(Done::SignedIn);
    phone.perform("!");
    let rung = [ID, PIN, "verify 1001", MODE, "sign in 1001 false", "signed_in", "release 16"];
    assert_eq!(phone.told(), rung);
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("1001#24681357#1");
    phone.answer(Done::Verified);
    phone.answer(Done::SignedIn);
    phone.perform("!");
    let holds = [ID, "stop", "verify 1001", "sign in 1001 true", "signed_in", "1001 holds"];
    assert_eq!(
        phone.told(),
        [ID, "stop", PIN, "stop"].iter().chain(&holds[2..]).copied().collect::<Vec<_>>()
    );
    assert_eq!(phone.exit, Some(Exit::HoldTheLine { employee_id: "1001".into() }));
}

/// Without a number to be rung at, 2 sounded like a wrong PIN and ended the call.
#[test]
fn what_is_not_possible_is_said_and_asked_again() {
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("! 1001# ! 24681357#");
    phone.answer(Done::Verified);
    phone.perform("! 2");
    phone.answer(Done::Refused);
    let asked = phone.told().join(" ");
    assert!(asked.ends_with("sign in 1001 false not_possible sign_in_mode"), "{asked}");
    phone.perform("! 1");
    phone.answer(Done::SignedIn);
    phone.perform("!");
    assert_eq!(phone.exit, Some(Exit::HoldTheLine { employee_id: "1001".into() }));
    // Not for ever.
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("! 1001# ! 24681357#");
    phone.answer(Done::Verified);
    for _ in 0..3 {
        phone.perform("! 2");
        phone.answer(Done::Refused);
    }
    assert_eq!(phone.exit, Some(Exit::Release { cause: 1 }));
}

#[test]
fn an_agent_who_is_rung_already_leaves_for_its_keys_unless_the_line_is_to_be_held() {
    for (mode, last, may_hold) in [
        ("ask", "1001 at its keys", Some(true)),
        ("be_rung", "1001 at its keys", Some(false)),
        ("hold_the_line", "sign in 1001 true", None),
    ] {
        let next = "next = \"bye\"";
        let mut phone = Phone::call(&SIGN_IN.replace(next, &format!("{next}\nmode = {mode:?}")));
        phone.perform("! 1001# ! 24681357#");
        phone.answer(Done::VerifiedRung);
        assert_eq!(phone.told().last(), Some(&last), "{mode}");
        let employee_id = String::from("1001");
        assert_eq!(phone.exit, may_hold.map(|may_hold| Exit::AtKeys { employee_id, may_hold }));
    }
}

#[test]
fn three_tries_and_it_is_over_and_a_lock_ends_it_at_once() {
    let mut phone = Phone::call(SIGN_IN);
    for _ in 0..3 {
        phone.perform("! 1001# ! 1111#");
        phone.answer(Done::Refused);
    }
    assert_eq!(phone.told().iter().filter(|told| **told == "verify 1001").count(), 3);
    assert_eq!(phone.told().last(), Some(&"release 1"));
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("! 1001# ! 1111#");
    phone.answer(Done::Locked);
    assert_eq!(phone.told().last(), Some(&"release 2"));
}

#[test]
fn silence_counts_as_a_try_and_no_choice_signs_nobody_in() {
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("! +100 ! +100 ! 1001# ! +100");
    let again = "sign_in_wrong sign_in_employee_id";
    assert_eq!(phone.told(), [ID, again, again, PIN, "release 1"]);
    let mut phone = Phone::call(SIGN_IN);
    phone.perform("! 1001# ! 1111#");
    phone.answer(Done::Verified);
    phone.perform("! 9 ! +100 ! 5");
    assert_eq!(phone.told()[3..], [MODE, MODE, MODE, "release 1"]);
}

#[test]
fn a_check_that_fails_or_never_comes_is_a_fault_and_not_a_sign_in() {
    for answered in [true, false] {
        let mut phone = Phone::call(SIGN_IN);
        phone.perform("! 1001# ! 1111#");
        match answered {
            true => phone.answer(Done::Failed("no thread".into())),
            false => phone.perform("+120"),
        }
        assert!(matches!(phone.exit, Some(Exit::Fault(_))), "{:?}", phone.told());
    }
}

#[test]
fn the_pin_is_in_nothing_that_can_be_shown_or_written() {
    let pin = "24681357";
    let mut phone = Phone::call(SIGN_IN);
    assert!(phone.secret, "digits are secret before the first one");
    let looks = |phone: &Phone| {
        let snapshot = phone.run.snapshot();
        let effects = format!("{:?}", phone.effects);
        format!(
            "{:?}{}{snapshot:?}{effects}{:?}",
            phone.run,
            serde_json::to_string(&snapshot).unwrap(),
            phone.told()
        )
    };
    phone.perform("1001#");
    for key in pin.chars().chain(['#']) {
        phone.perform(&key.to_string());
        for part in 3..=pin.len() {
            assert!(!looks(&phone).contains(&pin[..part]), "{part} digits of it are shown");
        }
    }
    let Some(Effect::VerifyAgent { pin: sent, .. }) = phone.effects.last() else { panic!() };
    assert_eq!(sent.expose(), pin);
    phone.answer(Done::Refused);
    assert!(!looks(&phone).contains(pin));
    phone.perform("hang");
    assert!(!phone.secret, "the call is nobody's flow any more");
}

#[test]
fn digits_are_secret_in_every_flow_that_may_lead_to_a_sign_in() {
    let main = "start = \"go\"\n[node.go]\nkind = \"menu\"\nkeys = { \"1\" = \"in\" }\n\
                on_timeout = \"in\"\non_no_match = \"in\"\n[node.in]\nkind = \"transfer\"\n\
                to = { flow = \"sign_in\" }\n";
    let mut phone = Phone::with(&[("main", main), ("sign_in", SIGN_IN)]);
    assert!(phone.secret);
    phone.perform("1 1001#13579#");
    assert!(!format!("{:?}", phone.run.snapshot()).contains("13579"));
    assert_eq!(phone.told(), [ID, "stop", PIN, "stop", "verify 1001"]);
}

/// A node restarts while a caller is suspended in a sub-flow of a flow that signs in: the digits
/// typed from then on were shown, for only the innermost flow was looked at, and only of some states.
#[test]
fn digits_stay_secret_in_a_suspended_or_left_call_over_a_restart() {
    let main = |after: &str| {
        format!(
            "start = \"go\"\n[node.go]\nkind = \"subflow\"\nflow = \"music\"\nnext = \"in\"\n\
             [node.in]\nkind = \"transfer\"\nto = {after}\non_failure = \"sign\"\n\
             [node.sign]\nkind = \"agent_sign_in\"\nnext = \"bye\"\non_failure = \"bye\"\n\
             on_locked = \"bye\"\n[node.bye]\nkind = \"end\"\n"
        )
    };
    let music = "start = \"hear\"\n[node.hear]\nkind = \"wait\"\nfor_s = 9\nnext = \"end\"\n\
                 [node.end]\nkind = \"end\"\n";
    let main = main("{ skill_queue = \"support\" }");
    let shown = |phone: &Phone| serde_json::to_string(&phone.run.snapshot()).unwrap();
    let mut phone = Phone::with(&[("main", main.as_str()), ("music", music)]);
    phone.input(Input::Suspend);
    let mut restored = phone.restored(&phone.run.snapshot());
    assert!(restored.secret, "suspended in a sub-flow");
    restored.input(Input::Resume);
    restored.perform("1001");
    assert!(!shown(&restored).contains("1001"), "{}", shown(&restored));
    // Left by a transfer: what was typed before is still for the sign-in that follows its failure.
    let mut phone = Phone::with(&[("main", main.as_str()), ("music", music)]);
    phone.perform("1001#13579# +91");
    assert!(phone.exit.is_some() && !phone.secret);
    assert!(!shown(&phone).contains("13579"), "{}", shown(&phone));
    let mut restored = phone.restored(&phone.run.snapshot());
    assert!(!restored.secret);
    restored.input(Input::TransferFailed(Failure::NoAnswer));
    assert!(restored.secret);
}

#[test]
fn what_is_written_for_a_person_shows_no_digit() {
    assert_eq!(format!("{:?}", Input::Digit('7')), "Digit(…)");
    let plain = "start = \"hear\"\n[node.hear]\nkind = \"wait\"\nfor_s = 9\nnext = \"end\"\n\
                 [node.end]\nkind = \"end\"\n";
    let mut phone = Phone::call(plain);
    phone.perform("86429");
    let snapshot = phone.run.snapshot();
    assert!(serde_json::to_string(&snapshot).unwrap().contains("86429"));
    let shown = format!("{snapshot:?}");
    assert!(!shown.contains("86429") && shown.contains("digits: 5"), "{shown}");
}
