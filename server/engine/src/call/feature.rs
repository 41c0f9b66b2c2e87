//! Keys: what a single-phone agent's digits mean.
//!
//! Owns: telling codes, numbers behind codes and plain digits apart. Does not own: what a code does
//! ([`super::service`]), how a press is recognised (the media workers, INFO).
//!
//! ```text
//! *1       a code            → Code(Hold)
//! *2 1002# a code, a number  → Number(Consult, "1002")
//! 1        begins no code    → Relay("1"): for the other side
//! *   …    nothing for 3 s   → Relay("*")
//! ```
//! No code is the beginning of another, so a code is known with its last digit. What can be the
//! beginning of a code waits for the next digit; what cannot is passed on at once.

use crate::config::FeatureCodes;
use std::time::Duration;

/// How long the next digit of a code may take; then what was typed is passed on.
pub(crate) const CODE_MAX: Duration = Duration::from_secs(3);
/// How long the next digit of a number may take; then the code is forgotten.
pub(crate) const NUMBER_MAX: Duration = Duration::from_secs(10);
/// Most digits of a number behind a code; more, and the code is forgotten.
pub(crate) const NUMBER_DIGITS_MAX: usize = 32;

/// What a single-phone agent may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Hold the customer, or take the call back.
    Hold,
    /// Call somebody in between.
    Consult,
    /// Hand the customer over.
    Transfer,
    /// All three together.
    Conference,
    /// Back to the customer alone.
    Return,
    /// End the customer's call and keep the line.
    HangUp,
    /// Idle.
    Idle,
    /// Busy.
    Busy,
    /// Rest.
    Rest,
    /// End wrap-up.
    EndWrapUp,
    /// Sign out.
    SignOut,
}

impl Feature {
    /// Whether a number follows the code. A transfer has one only when nobody is consulted.
    fn takes_number(self, consulting: bool) -> bool {
        match self {
            Feature::Consult => true,
            Feature::Transfer => !consulting,
            _ => false,
        }
    }
}

fn codes(codes: &FeatureCodes) -> [(Feature, &str); 11] {
    [
        (Feature::Hold, &codes.hold),
        (Feature::Consult, &codes.consult),
        (Feature::Transfer, &codes.transfer),
        (Feature::Conference, &codes.conference),
        (Feature::Return, &codes.return_to_customer),
        (Feature::HangUp, &codes.hang_up),
        (Feature::Idle, &codes.idle),
        (Feature::Busy, &codes.busy),
        (Feature::Rest, &codes.rest),
        (Feature::EndWrapUp, &codes.end_wrap_up),
        (Feature::SignOut, &codes.sign_out),
    ]
}

/// What an agent has typed that means nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The beginning of a code.
    typed: String,
    /// A code whose number is being typed.
    number: Option<(Feature, String)>,
}

/// What a press means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// Nothing yet; the next digit has this long.
    Wait(Duration),
    /// These digits are no code: they are for the other side.
    Relay(String),
    /// A code.
    Code(Feature),
    /// A code that takes a number, which is awaited.
    AskNumber(Feature),
    /// A code with its number.
    Number(Feature, String),
    /// A number that cannot be one.
    NoNumber,
}

impl Keys {
    /// A key was pressed. `consulting`: somebody is consulted just now.
    pub fn press(&mut self, settings: &FeatureCodes, digit: char, consulting: bool) -> Pressed {
        if let Some((feature, mut number)) = self.number.take() {
            return match digit {
                '#' if !number.is_empty() => Pressed::Number(feature, number),
                '0'..='9' if number.len() < NUMBER_DIGITS_MAX => {
                    number.push(digit);
                    self.number = Some((feature, number));
                    Pressed::Wait(NUMBER_MAX)
                }
                _ => Pressed::NoNumber,
            };
        }
        self.typed.push(digit);
        let known = codes(settings);
        if let Some((feature, _)) = known.iter().find(|(_, code)| *code == self.typed) {
            self.typed.clear();
            if feature.takes_number(consulting) {
                self.number = Some((*feature, String::new()));
                return Pressed::AskNumber(*feature);
            }
            return Pressed::Code(*feature);
        }
        if known.iter().any(|(_, code)| code.starts_with(self.typed.as_str())) {
            return Pressed::Wait(CODE_MAX);
        }
        Pressed::Relay(std::mem::take(&mut self.typed))
    }

    /// The next digit has not come in time.
    pub fn time_out(&mut self) -> Pressed {
        match self.number.take() {
            Some(_) => Pressed::NoNumber,
            None => Pressed::Relay(std::mem::take(&mut self.typed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(keys: &mut Keys, digits: &str, consulting: bool) -> Vec<Pressed> {
        let codes = FeatureCodes::default();
        digits.chars().map(|digit| keys.press(&codes, digit, consulting)).collect()
    }

    #[test]
    fn what_digits_mean() {
        use Pressed::{AskNumber, Code, NoNumber, Number, Relay, Wait};
        let wait = Wait(CODE_MAX);
        let more = Wait(NUMBER_MAX);
        for (digits, consulting, expected) in [
            ("*1", false, vec![wait.clone(), Code(Feature::Hold)]),
            ("**", false, vec![wait.clone(), Code(Feature::SignOut)]),
            ("5", false, vec![Relay("5".into())]),
            ("#", false, vec![Relay("#".into())]),
            ("*#", false, vec![wait.clone(), Relay("*#".into())]),
            (
                "*21#",
                false,
                vec![
                    wait.clone(),
                    AskNumber(Feature::Consult),
                    more.clone(),
                    Number(Feature::Consult, "1".into()),
                ],
            ),
            ("*2#", false, vec![wait.clone(), AskNumber(Feature::Consult), NoNumber]),
            ("*2*", false, vec![wait.clone(), AskNumber(Feature::Consult), NoNumber]),
            ("*3", true, vec![wait.clone(), Code(Feature::Transfer)]),
            ("*3", false, vec![wait.clone(), AskNumber(Feature::Transfer)]),
        ] {
            assert_eq!(type_in(&mut Keys::default(), digits, consulting), expected, "{digits}");
        }
    }

    #[test]
    fn what_takes_too_long_is_passed_on_and_a_number_is_forgotten() {
        let mut keys = Keys::default();
        type_in(&mut keys, "*", false);
        assert_eq!(keys.time_out(), Pressed::Relay("*".into()));
        type_in(&mut keys, "*212", false);
        assert_eq!(keys.time_out(), Pressed::NoNumber);
        assert_eq!(keys, Keys::default());
    }

    #[test]
    fn a_number_has_a_limit() {
        let mut keys = Keys::default();
        type_in(&mut keys, "*2", false);
        let last = type_in(&mut keys, &"1".repeat(NUMBER_DIGITS_MAX + 1), false);
        assert_eq!(last.last(), Some(&Pressed::NoNumber));
    }
}
