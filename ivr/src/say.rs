//! From values to recorded units: the prompts that, played one after the other, speak a value.
//!
//! Owns: which units a value needs, by name. Does not own: whether they are recorded in a language
//! (the tenant's prompts), nor their audio.

use std::fmt;

/// Most digits spoken at once; more are left out, so that no value makes an endless announcement.
pub const DIGITS_MAX: usize = 32;

/// A recorded unit, by the name of its prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// What leads in an agent's employee ID.
    EmployeeId,
    /// One digit, 0–9.
    Digit(u8),
}

impl Unit {
    /// The name of its prompt: `employee_id`, `digit_7`.
    pub const fn name(self) -> &'static str {
        const DIGITS: [&str; 10] = [
            "digit_0", "digit_1", "digit_2", "digit_3", "digit_4", "digit_5", "digit_6", "digit_7",
            "digit_8", "digit_9",
        ];
        match self {
            Unit::EmployeeId => "employee_id",
            Unit::Digit(digit) => DIGITS[(digit % 10) as usize],
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number digit by digit; what is no digit is not spoken.
pub fn digits(number: &str) -> impl Iterator<Item = Unit> {
    let digits = number.bytes().filter(u8::is_ascii_digit).take(DIGITS_MAX);
    digits.map(|byte| Unit::Digit(byte - b'0'))
}

/// An agent's announcement: the lead-in, then its employee ID digit by digit.
pub fn employee_id(employee_id: &str) -> impl Iterator<Item = Unit> {
    std::iter::once(Unit::EmployeeId).chain(digits(employee_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_employee_id_is_read_digit_by_digit() {
        let names: Vec<_> = employee_id("1-09").map(Unit::name).collect();
        assert_eq!(names, ["employee_id", "digit_1", "digit_0", "digit_9"]);
        assert_eq!(digits(&"7".repeat(1_000)).count(), DIGITS_MAX);
        assert_eq!(digits("").count(), 0);
    }
}
