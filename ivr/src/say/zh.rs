//! Mandarin: numbers in groups of ten thousand, 零 where a digit is skipped, 两 before measure
//! words and before a leading 千, 万 or 亿, 一十 within a number and 十 at its head.
//!
//! Owns: its table.

use super::Unit;
use super::rules::{
    DAYS, DIGITS, DatePart, Dates, Language, MONTHS, Measure, Part, Rule, Rules, TimePart, Times,
    WEEKDAYS, Words, scale, word,
};

const ZERO: Unit = "number_0";
const TWO: Unit = "number_2";
/// 两
const TWO_OF: Unit = "number_two_of";
const TEN: Unit = "number_10";
const HUNDRED: Unit = "number_hundred";
const THOUSAND: Unit = "number_thousand";
/// 万
const TEN_THOUSAND: Unit = "number_ten_thousand";
/// 亿
const HUNDRED_MILLION: Unit = "number_hundred_million";

/// A set of rules; sets differ in what 2 is, in ten, and in how the head of large numbers counts.
macro_rules! numbers {
    (two: $two:expr, ten: $ten:expr, head: $head:expr) => {
        Rules(&[
            word(0, ZERO),
            word(1, "number_1"),
            word(2, $two),
            word(3, "number_3"),
            word(4, "number_4"),
            word(5, "number_5"),
            word(6, "number_6"),
            word(7, "number_7"),
            word(8, "number_8"),
            word(9, "number_9"),
            $ten,
            scale(20, 10, &INNER, TEN, &INNER, None),
            scale(100, 100, &INNER, HUNDRED, &INNER, Some(ZERO)),
            scale(1_000, 1_000, $head, THOUSAND, &INNER, Some(ZERO)),
            scale(10_000, 10_000, $head, TEN_THOUSAND, &INNER, Some(ZERO)),
            scale(100_000_000, 100_000_000, $head, HUNDRED_MILLION, &INNER, Some(ZERO)),
        ])
    };
}

/// 一十, 一十一 within a number; 十, 十一 without the quotient at its head.
const fn ten(quotient: Option<&'static Rules>) -> Rule {
    Rule { quotient, ..scale(10, 10, &INNER, TEN, &INNER, None) }
}

/// A number by itself: 二, 十二, 两千.
static CARDINAL: Rules = numbers!(two: TWO, ten: ten(None), head: &COUNTED);
/// A number of something: 两, 十二, 两千.
static COUNTED: Rules = numbers!(two: TWO_OF, ten: ten(None), head: &COUNTED);
/// What follows within a number: 二, 一十二, 二千.
static INNER: Rules = numbers!(two: TWO, ten: ten(Some(&INNER)), head: &INNER);

pub(super) static LANGUAGE: Language = Language {
    tag: "zh",
    digits: DIGITS,
    minus: "number_minus",
    point: "number_point",
    words: Some(Words {
        cardinal: &CARDINAL,
        counted: &COUNTED,
        people: Some("counter_people"),
        things: Some("counter_things"),
        date: Dates {
            order: &[
                DatePart::Year,
                DatePart::Word("year"),
                DatePart::Month,
                DatePart::Day,
                DatePart::Weekday,
            ],
            months: MONTHS,
            days: DAYS,
            weekdays: WEEKDAYS,
            year: None,
        },
        time: Times {
            named: &[],
            order: &[
                TimePart::DayPart,
                TimePart::Hour,
                TimePart::Word("time_hour"),
                TimePart::Minute,
            ],
            hours: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            hour: &COUNTED,
            day_parts: &[
                (0, "time_before_dawn"),
                (5, "time_early_morning"),
                (8, "time_morning"),
                (12, "time_noon"),
                (13, "time_afternoon"),
                (18, "time_evening"),
            ],
            minute: &CARDINAL,
            minute_gap: Some(ZERO),
            minute_word: Some("time_minute"),
            on_the_hour: Some("time_exactly"),
        },
        duration: Measure {
            parts: &[
                part(86_400, "duration_days"),
                part(3_600, "duration_hours"),
                part(60, "duration_minutes"),
                part(1, "duration_seconds"),
            ],
            gap: Some(ZERO),
            joint: None,
            zero_part: 3,
        },
        currencies: &[
            ("CNY", money(&[part(100, "yuan"), part(10, "jiao"), part(1, "fen")])),
            ("EUR", money(&[part(100, "euros"), part(1, "euro_cents")])),
            ("USD", money(&[part(100, "dollars"), part(1, "cents")])),
            ("GBP", money(&[part(100, "pounds"), part(1, "pence")])),
            ("SEK", money(&[part(100, "kronor"), part(1, "ore")])),
        ],
    }),
};

const fn part(size: u64, word: Unit) -> Part {
    Part { size, one: word, many: word }
}

const fn money(parts: &'static [Part]) -> Measure {
    Measure { parts, gap: Some(ZERO), joint: None, zero_part: 0 }
}
