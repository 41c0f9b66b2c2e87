//! The engine: applies a language's table to a value, and walks the table for all its units.
//!
//! Owns: what all languages have in common. Does not own: any word.

use super::rules::{DatePart, Dates, Language, Measure, Rules, TimePart, Times, Words};
use super::{Counted, DIGITS_MAX, NUMBER_MAX, Say, Unit};
use hotline_base::calendar::Civil;

/// Rules that lead to one another no deeper than this: scales within scales.
const DEPTH_MAX: usize = 16;

/// The units of a value.
pub(super) fn say(language: &Language, what: Say<'_>) -> Vec<Unit> {
    let mut speaker = Speaker { language, units: Vec::new() };
    match (&language.words, what) {
        (_, Say::Digits(text)) => speaker.digits(text),
        (Some(words), Say::Number(number)) => {
            speaker.sign(number);
            speaker.number(words.cardinal, number.unsigned_abs());
        }
        (Some(words), Say::Count { count, of }) => {
            speaker.number(words.counted, u64::from(count));
            speaker.units.extend(match of {
                Counted::People => words.people,
                Counted::Things => words.things,
            });
        }
        (Some(words), Say::Date(date)) => speaker.date(&words.date, date),
        (Some(words), Say::Time(time)) => speaker.time(&words.time, time.minute_of_day),
        (Some(words), Say::Duration(seconds)) => {
            speaker.sign(seconds);
            speaker.measure(words, &words.duration, seconds.unsigned_abs());
        }
        (Some(words), Say::Amount { hundredths, currency }) => {
            speaker.sign(hundredths);
            let mut known = words.currencies.iter();
            match known.find(|(code, _)| code.eq_ignore_ascii_case(currency)) {
                Some((_, money)) => speaker.measure(words, money, hundredths.unsigned_abs()),
                None => speaker.decimal(Some(words.cardinal), hundredths.unsigned_abs()),
            }
        }
        (None, what) => speaker.in_digits(what),
    }
    speaker.units
}

struct Speaker<'a> {
    language: &'a Language,
    units: Vec<Unit>,
}

impl Speaker<'_> {
    fn digits(&mut self, text: &str) {
        let digits = text.bytes().filter(u8::is_ascii_digit).take(DIGITS_MAX);
        self.units.extend(digits.map(|byte| self.language.digits[usize::from(byte - b'0')]));
    }

    fn sign(&mut self, value: i64) {
        if value < 0 {
            self.units.push(self.language.minus);
        }
    }

    fn number(&mut self, rules: &Rules, number: u64) {
        if number > NUMBER_MAX {
            return self.digits(&number.to_string());
        }
        self.by_rules(rules, number, DEPTH_MAX);
    }

    fn by_rules(&mut self, rules: &Rules, number: u64, depth: usize) {
        let above = rules.0.partition_point(|rule| rule.from <= number);
        let Some(rule) = rules.0[..above].last().filter(|_| depth > 0) else { return };
        let split = |divisor| Some((number.checked_div(divisor)?, number.checked_rem(divisor)?));
        let (quotient, rest) = split(rule.divisor).unwrap_or((0, 0));
        if let Some(rules) = rule.quotient {
            self.by_rules(rules, quotient, depth - 1);
        }
        self.units.extend(rule.word);
        if rest == 0 {
            return self.units.extend(rule.even);
        }
        if rest < rule.divisor / 10 {
            self.units.extend(rule.gap);
        }
        if let Some(rules) = rule.rest {
            self.by_rules(rules, rest, depth - 1);
        }
    }

    fn date(&mut self, dates: &Dates, date: Civil) {
        let in_its_table = |table: &[Unit], number: u8| {
            usize::from(number).checked_sub(1).and_then(|index| table.get(index).copied())
        };
        for part in dates.order {
            match part {
                DatePart::Weekday => {
                    self.units.extend(in_its_table(&dates.weekdays, date.weekday));
                }
                DatePart::Month => self.units.extend(in_its_table(&dates.months, date.month)),
                DatePart::Day => self.units.extend(in_its_table(&dates.days, date.day)),
                DatePart::Year => match dates.year {
                    Some(rules) => self.number(rules, u64::from(date.year.unsigned_abs())),
                    None => self.digits(&date.year.unsigned_abs().to_string()),
                },
                DatePart::Word(word) => self.units.push(word),
            }
        }
    }

    fn time(&mut self, times: &Times, minute_of_day: u16) {
        let minute_of_day = minute_of_day % (24 * 60);
        if let Some((_, name)) = times.named.iter().find(|(at, _)| *at == minute_of_day) {
            return self.units.push(name);
        }
        let (hour, minute) = ((minute_of_day / 60) as u8, u64::from(minute_of_day % 60));
        for part in times.order {
            match part {
                TimePart::DayPart => {
                    let begun = times.day_parts.iter().rev().find(|(from, _)| *from <= hour);
                    self.units.extend(begun.map(|(_, unit)| *unit));
                }
                TimePart::Hour => {
                    let spoken = times.hours[usize::from(hour)];
                    self.number(times.hour, u64::from(spoken));
                }
                TimePart::Minute if minute == 0 => self.units.extend(times.on_the_hour),
                TimePart::Minute => {
                    if minute < 10 {
                        self.units.extend(times.minute_gap);
                    }
                    self.number(times.minute, minute);
                    self.units.extend(times.minute_word);
                }
                TimePart::Word(word) => self.units.push(word),
            }
        }
    }

    fn measure(&mut self, words: &Words, measure: &Measure, value: u64) {
        let mut left = value;
        let (mut spoken, mut skipped) = (false, false);
        for (index, part) in measure.parts.iter().enumerate() {
            let (many, rest) = (left / part.size, left % part.size);
            left = rest;
            let nothing = value == 0 && index == measure.zero_part;
            if many == 0 && !nothing {
                skipped |= spoken;
                continue;
            }
            if spoken && rest == 0 {
                self.units.extend(measure.joint);
            }
            if std::mem::take(&mut skipped) {
                self.units.extend(measure.gap);
            }
            self.number(words.counted, many);
            self.units.push(if many == 1 { part.one } else { part.many });
            spoken = true;
        }
    }

    /// Units, point, two digits.
    fn decimal(&mut self, rules: Option<&Rules>, hundredths: u64) {
        let (whole, part) = (hundredths / 100, hundredths % 100);
        match rules {
            Some(rules) => self.number(rules, whole),
            None => self.digits(&whole.to_string()),
        }
        if part != 0 {
            self.units.push(self.language.point);
            self.digits(&format!("{part:02}"));
        }
    }

    /// Any value without words.
    fn in_digits(&mut self, what: Say<'_>) {
        match what {
            Say::Digits(text) => self.digits(text),
            Say::Number(number) | Say::Duration(number) => {
                self.sign(number);
                self.digits(&number.unsigned_abs().to_string());
            }
            Say::Count { count, .. } => self.digits(&count.to_string()),
            Say::Date(Civil { year, month, day, .. }) => {
                self.digits(&format!("{}{month:02}{day:02}", year.unsigned_abs()));
            }
            Say::Time(Civil { minute_of_day, .. }) => {
                let minute_of_day = minute_of_day % (24 * 60);
                self.digits(&format!("{:02}{:02}", minute_of_day / 60, minute_of_day % 60));
            }
            Say::Amount { hundredths, .. } => {
                self.sign(hundredths);
                self.decimal(None, hundredths.unsigned_abs());
            }
        }
    }
}

/// Every unit a table can lead to; some more than once.
pub(super) fn units(language: &Language) -> Vec<Unit> {
    let mut units = language.digits.to_vec();
    units.extend([language.minus, language.point]);
    let Some(words) = &language.words else { return units };
    let mut of_rules: Vec<&Rules> = Vec::new();
    let Words { date, time, .. } = words;
    for rules in [words.cardinal, words.counted, time.hour, time.minute] {
        walk(rules, &mut of_rules, &mut units);
    }
    if let Some(year) = date.year {
        walk(year, &mut of_rules, &mut units);
    }
    units.extend(words.people.into_iter().chain(words.things));
    units.extend(date.months.iter().chain(&date.days).chain(&date.weekdays));
    units.extend(date.order.iter().filter_map(|part| match part {
        DatePart::Word(word) => Some(*word),
        _ => None,
    }));
    units.extend(time.named.iter().map(|(_, unit)| *unit));
    units.extend(time.day_parts.iter().map(|(_, unit)| *unit));
    units.extend(time.order.iter().filter_map(|part| match part {
        TimePart::Word(word) => Some(*word),
        _ => None,
    }));
    units.extend(time.minute_gap.into_iter().chain(time.minute_word).chain(time.on_the_hour));
    let money = words.currencies.iter().map(|(_, measure)| measure);
    for measure in money.chain([&words.duration]) {
        units.extend(measure.gap.into_iter().chain(measure.joint));
        units.extend(measure.parts.iter().flat_map(|part| [part.one, part.many]));
    }
    units
}

/// The units of rules and of those they lead to, each set of rules once.
fn walk<'a>(rules: &'a Rules, seen: &mut Vec<&'a Rules>, units: &mut Vec<Unit>) {
    if seen.iter().any(|known| std::ptr::eq(*known, rules)) {
        return;
    }
    seen.push(rules);
    for rule in rules.0 {
        units.extend(rule.word.into_iter().chain(rule.even).chain(rule.gap));
        for next in rule.quotient.into_iter().chain(rule.rest) {
            walk(next, seen, units);
        }
    }
}
