//! English, as spoken in North America: "Thursday, December twenty-fourth, twenty twenty-six",
//! twelve hours, no "and" within numbers.
//!
//! Owns: its table.

use super::Unit;
use super::rules::{
    DAYS, DIGITS, DatePart, Dates, Language, MONTHS, Measure, Part, Rule, Rules, TimePart, Times,
    WEEKDAYS, Words, scale, word,
};

static CARDINAL: Rules = Rules(&[
    word(0, "number_0"),
    word(1, "number_1"),
    word(2, "number_2"),
    word(3, "number_3"),
    word(4, "number_4"),
    word(5, "number_5"),
    word(6, "number_6"),
    word(7, "number_7"),
    word(8, "number_8"),
    word(9, "number_9"),
    word(10, "number_10"),
    word(11, "number_11"),
    word(12, "number_12"),
    word(13, "number_13"),
    word(14, "number_14"),
    word(15, "number_15"),
    word(16, "number_16"),
    word(17, "number_17"),
    word(18, "number_18"),
    word(19, "number_19"),
    tens(20, "number_20"),
    tens(30, "number_30"),
    tens(40, "number_40"),
    tens(50, "number_50"),
    tens(60, "number_60"),
    tens(70, "number_70"),
    tens(80, "number_80"),
    tens(90, "number_90"),
    scale(100, 100, &CARDINAL, "number_hundred", &CARDINAL, None),
    scale(1_000, 1_000, &CARDINAL, "number_thousand", &CARDINAL, None),
    scale(1_000_000, 1_000_000, &CARDINAL, "number_million", &CARDINAL, None),
    scale(1_000_000_000, 1_000_000_000, &CARDINAL, "number_billion", &CARDINAL, None),
]);

const fn tens(from: u64, word: Unit) -> Rule {
    let (word, rest) = (Some(word), Some(&CARDINAL));
    Rule { from, divisor: 10, quotient: None, word, rest, even: None, gap: None }
}

/// Nineteen hundred, nineteen oh five, nineteen eighty-four; two thousand five; twenty twenty-six.
static YEAR: Rules = Rules(&[
    cardinal_from(0),
    centuries_from(1_100),
    cardinal_from(2_000),
    centuries_from(2_010),
    cardinal_from(3_000),
]);

const fn cardinal_from(from: u64) -> Rule {
    // Divided by one, everything is quotient.
    let quotient = Some(&CARDINAL);
    Rule { from, divisor: 1, quotient, word: None, rest: None, even: None, gap: None }
}

const fn centuries_from(from: u64) -> Rule {
    Rule {
        from,
        divisor: 100,
        quotient: Some(&CARDINAL),
        word: None,
        rest: Some(&CARDINAL),
        even: Some("number_hundred"),
        gap: Some("number_oh"),
    }
}

pub(super) static LANGUAGE: Language = Language {
    tag: "en",
    digits: DIGITS,
    minus: "number_minus",
    point: "number_point",
    words: Some(Words {
        cardinal: &CARDINAL,
        counted: &CARDINAL,
        people: None,
        things: None,
        date: Dates {
            order: &[DatePart::Weekday, DatePart::Month, DatePart::Day, DatePart::Year],
            months: MONTHS,
            days: DAYS,
            weekdays: WEEKDAYS,
            year: Some(&YEAR),
        },
        time: Times {
            named: &[(0, "time_midnight"), (12 * 60, "time_noon")],
            order: &[TimePart::Hour, TimePart::Minute, TimePart::DayPart],
            hours: [12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            hour: &CARDINAL,
            day_parts: &[(0, "time_am"), (12, "time_pm")],
            minute: &CARDINAL,
            minute_gap: Some("number_oh"),
            minute_word: None,
            on_the_hour: None,
        },
        duration: Measure {
            parts: &[
                Part { size: 86_400, one: "duration_day", many: "duration_days" },
                Part { size: 3_600, one: "duration_hour", many: "duration_hours" },
                Part { size: 60, one: "duration_minute", many: "duration_minutes" },
                Part { size: 1, one: "duration_second", many: "duration_seconds" },
            ],
            gap: None,
            joint: Some("and"),
            zero_part: 3,
        },
        currencies: &[
            ("EUR", money(&[whole("euro", "euros"), hundredth("euro_cent", "euro_cents")])),
            ("USD", money(&[whole("dollar", "dollars"), hundredth("cent", "cents")])),
            ("GBP", money(&[whole("pound", "pounds"), hundredth("penny", "pence")])),
            ("CNY", money(&[whole("yuan", "yuan"), hundredth("fen", "fen")])),
            ("SEK", money(&[whole("krona", "kronor"), hundredth("ore", "ore")])),
        ],
    }),
};

const fn money(parts: &'static [Part]) -> Measure {
    Measure { parts, gap: None, joint: Some("and"), zero_part: 0 }
}

const fn whole(one: Unit, many: Unit) -> Part {
    Part { size: 100, one, many }
}

const fn hundredth(one: Unit, many: Unit) -> Part {
    Part { size: 1, one, many }
}
