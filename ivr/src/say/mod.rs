//! From values to recorded units: the prompts that, played one after the other, speak a value.
//!
//! ```text
//! say("en", Number(1_205))  →  number_1 number_thousand number_2 number_hundred number_5
//! say("zh", Number(1_205))  →  number_1 number_thousand number_2 number_hundred number_0 number_5
//! ```
//! Owns: which units a value needs, by name, in each language it knows. A language is a table
//! ([`rules`]); one small engine ([`engine`]) reads them all. Does not own: whether the units are
//! recorded (the tenant's prompts), nor their audio.

mod en;
mod engine;
mod es;
mod rules;
#[cfg(test)]
mod tests;
mod zh;

use hotline_base::calendar::Civil;
use rules::Language;

/// Most digits spoken at once; more are left out, so that no value makes an endless announcement.
pub const DIGITS_MAX: usize = 32;
/// Largest number spoken in words; a larger one is spoken digit by digit.
pub const NUMBER_MAX: u64 = 999_999_999_999;
/// No value needs more units than this.
pub const UNITS_MAX: usize = 64;

/// The name of a recorded unit: of its prompt.
pub type Unit = &'static str;

/// A value to be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say<'a> {
    /// Text digit by digit; what is no digit is not spoken.
    Digits(&'a str),
    /// A whole number.
    Number(i64),
    /// How many there are of something: with a measure word where the language has them.
    Count {
        /// How many.
        count: u32,
        /// Of what.
        of: Counted,
    },
    /// Weekday, day, month and year.
    Date(Civil),
    /// Hour and minute.
    Time(Civil),
    /// A duration in seconds.
    Duration(i64),
    /// An amount of money.
    Amount {
        /// In hundredths of the currency.
        hundredths: i64,
        /// ISO 4217, `EUR`. One without words is spoken as a number.
        currency: &'a str,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Persons: agents, callers.
    People,
    /// Anything else.
    Things,
}

/// The standard prompts that are whole sentences, and the names of two queues that most centres
/// have; each language has all of them besides its
/// [`units`].
pub const SENTENCES: &[Unit] = &[
    "agents_available",
    "all_busy",
    "call_for",
    "closed",
    "conference",
    "consult_enter_number",
    "customer_gone",
    "employee_id",
    "fault",
    "goodbye",
    "in_the_queue",
    "menu_language",
    "menu_main",
    "message_after_tone",
    "message_saved",
    "no_agents",
    "no_input",
    "no_match",
    "not_possible",
    "on_hold",
    "pound_key",
    "queue_full",
    "resumed",
    "sales",
    "sign_in_employee_id",
    "sign_in_locked",
    "sign_in_mode",
    "sign_in_pin",
    "sign_in_wrong",
    "signed_in",
    "signed_out",
    "star_key",
    "state_busy",
    "state_idle",
    "state_rest",
    "state_talking",
    "state_wrap_up",
    "support",
    "to_accept_press",
    "transfer_done",
    "transfer_failed",
    "unknown_number",
    "welcome",
    "you_are_number",
    "your_state_is",
];

static LANGUAGES: [&Language; 3] = [&en::LANGUAGE, &zh::LANGUAGE, &es::LANGUAGE];

/// The languages that have a table: `en`, `zh`, `es`.
pub fn languages() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|language| language.tag)
}

/// The table of a language tag (`zh`, `zh-CN`). A language without one speaks digits, by the names
/// all languages share.
fn table(language: &str) -> &'static Language {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    let known = LANGUAGES.iter().find(|known| known.tag.eq_ignore_ascii_case(primary));
    known.copied().unwrap_or(&rules::UNKNOWN)
}

/// The units that speak a value. Empty only for digits of a text that has none; never more than
/// [`UNITS_MAX`]; all of them are among [`units`].
pub fn say(language: &str, what: Say<'_>) -> Vec<Unit> {
    engine::say(table(language), what)
}

/// Every unit a language can need, in order of their names, each once.
pub fn units(language: &str) -> Vec<Unit> {
    let mut all = engine::units(table(language));
    all.sort_unstable();
    all.dedup();
    all
}

/// An agent's announcement: the lead-in, then its employee ID digit by digit.
pub fn employee_id(language: &str, employee_id: &str) -> Vec<Unit> {
    let mut units = vec!["employee_id"];
    units.extend(say(language, Say::Digits(employee_id)));
    units
}

/// A caller's place in its queue, from 1: "you are number … in the queue".
pub fn position(language: &str, position: u32) -> Vec<Unit> {
    let mut units = vec!["you_are_number"];
    units.extend(say(language, Say::Number(i64::from(position))));
    units.push("in_the_queue");
    units
}

/// How many agents serve a queue: "agents available: …".
pub fn agents(language: &str, agents: u32) -> Vec<Unit> {
    let mut units = vec!["agents_available"];
    units.extend(say(language, Say::Count { count: agents, of: Counted::People }));
    units
}
