//! What a language's table is made of.
//!
//! Owns: the shape of the rules. Does not own: any language's rules ([`super::en`], [`super::zh`],
//! [`super::es`]), nor how they are applied ([`super::engine`]).

use super::Unit;

/// A language.
pub(super) struct Language {
    /// Primary language subtag (RFC 5646): `en`.
    pub tag: &'static str,
    /// 0–9, one by one.
    pub digits: [Unit; 10],
    /// Before a negative value.
    pub minus: Unit,
    /// Between units and hundredths, digit by digit.
    pub point: Unit,
    /// Values in words; a language without them speaks all values digit by digit.
    pub words: Option<Words>,
}

/// How a language speaks values in words.
pub(super) struct Words {
    /// A number by itself.
    pub cardinal: &'static Rules,
    /// A number of something.
    pub counted: &'static Rules,
    /// After a number of people.
    pub people: Option<Unit>,
    /// After a number of other things.
    pub things: Option<Unit>,
    /// Dates.
    pub date: Dates,
    /// Times of day.
    pub time: Times,
    /// Durations, in seconds.
    pub duration: Measure,
    /// Amounts, in hundredths, by ISO 4217 code.
    pub currencies: &'static [(&'static str, Measure)],
}

/// How numbers of some use are spoken: the rule with the greatest `from` that is not above the
/// number speaks it. The first rule is for 0.
pub(super) struct Rules(pub &'static [Rule]);

/// How numbers from a certain one on are spoken: quotient, word, rest.
pub(super) struct Rule {
    /// The least number it speaks.
    pub from: u64,
    /// Splits the number in quotient and rest; 0: the word alone speaks it.
    pub divisor: u64,
    /// How the quotient is spoken; not at all if `None`.
    pub quotient: Option<&'static Rules>,
    /// What comes after the quotient.
    pub word: Option<Unit>,
    /// How a rest that is not 0 is spoken.
    pub rest: Option<&'static Rules>,
    /// What is spoken in place of a rest of 0.
    pub even: Option<Unit>,
    /// What leads in a rest below a tenth of the divisor: a digit was skipped.
    pub gap: Option<Unit>,
}

/// A number that is one word.
pub(super) const fn word(from: u64, word: Unit) -> Rule {
    let word = Some(word);
    Rule { from, divisor: 0, quotient: None, word, rest: None, even: None, gap: None }
}

/// From `from` on: how many times `divisor`, the word, the rest.
pub(super) const fn scale(
    from: u64,
    divisor: u64,
    quotient: &'static Rules,
    word: Unit,
    rest: &'static Rules,
    gap: Option<Unit>,
) -> Rule {
    let (quotient, word, rest) = (Some(quotient), Some(word), Some(rest));
    Rule { from, divisor, quotient, word, rest, even: None, gap }
}

/// How dates are spoken.
pub(super) struct Dates {
    /// What follows what.
    pub order: &'static [DatePart],
    /// January to December.
    pub months: [Unit; 12],
    /// The 1st to the 31st.
    pub days: [Unit; 31],
    /// Monday to Sunday.
    pub weekdays: [Unit; 7],
    /// Years; digit by digit if `None`.
    pub year: Option<&'static Rules>,
}

/// A part of a date.
pub(super) enum DatePart {
    Weekday,
    Day,
    Month,
    Year,
    Word(Unit),
}

/// How times of day are spoken.
pub(super) struct Times {
    /// Minutes of the day that have a name of their own.
    pub named: &'static [(u16, Unit)],
    /// What follows what.
    pub order: &'static [TimePart],
    /// The number spoken for each hour.
    pub hours: [u8; 24],
    /// How it is spoken.
    pub hour: &'static Rules,
    /// Parts of the day, by the hour they begin with; the first begins with 0.
    pub day_parts: &'static [(u8, Unit)],
    /// How minutes are spoken.
    pub minute: &'static Rules,
    /// Before minutes below ten.
    pub minute_gap: Option<Unit>,
    /// After minutes.
    pub minute_word: Option<Unit>,
    /// In place of no minutes.
    pub on_the_hour: Option<Unit>,
}

/// A part of a time of day.
pub(super) enum TimePart {
    DayPart,
    Hour,
    Minute,
    Word(Unit),
}

/// How something with larger and smaller parts is spoken: money, durations.
pub(super) struct Measure {
    /// Its parts, the largest first; the last has size 1.
    pub parts: &'static [Part],
    /// Before a part when one between it and the last spoken one is nothing.
    pub gap: Option<Unit>,
    /// Before the last part when it is not the only one.
    pub joint: Option<Unit>,
    /// Which part speaks of nothing at all: "zero euros", "zero seconds".
    pub zero_part: usize,
}

/// A part of a measure.
pub(super) struct Part {
    /// How many of the smallest part it is.
    pub size: u64,
    /// The word after one of it.
    pub one: Unit,
    /// The word after any other number of it.
    pub many: Unit,
}

/// The digits, by the names all languages share.
pub(super) const DIGITS: [Unit; 10] = [
    "digit_0", "digit_1", "digit_2", "digit_3", "digit_4", "digit_5", "digit_6", "digit_7",
    "digit_8", "digit_9",
];

/// January to December.
pub(super) const MONTHS: [Unit; 12] = [
    "month_1", "month_2", "month_3", "month_4", "month_5", "month_6", "month_7", "month_8",
    "month_9", "month_10", "month_11", "month_12",
];

/// Monday to Sunday.
pub(super) const WEEKDAYS: [Unit; 7] =
    ["weekday_1", "weekday_2", "weekday_3", "weekday_4", "weekday_5", "weekday_6", "weekday_7"];

/// Days of the month.
pub(super) const DAYS: [Unit; 31] = [
    "day_1", "day_2", "day_3", "day_4", "day_5", "day_6", "day_7", "day_8", "day_9", "day_10",
    "day_11", "day_12", "day_13", "day_14", "day_15", "day_16", "day_17", "day_18", "day_19",
    "day_20", "day_21", "day_22", "day_23", "day_24", "day_25", "day_26", "day_27", "day_28",
    "day_29", "day_30", "day_31",
];

/// A language that speaks all values digit by digit.
pub(super) const fn digits_only(tag: &'static str) -> Language {
    Language { tag, digits: DIGITS, minus: "number_minus", point: "number_point", words: None }
}

/// What a language without a table of its own has.
pub(super) static UNKNOWN: Language = digits_only("");
