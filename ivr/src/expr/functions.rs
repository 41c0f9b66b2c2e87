//! The functions of expressions, each total: what it takes, what it gives, what it does.
//!
//! Owns: the table of functions. Does not own: how they are called.

use super::eval::{number, number_of, short};
use super::{EvalFault, Scope};
use crate::model::{Type, Value};
use hotline_base::Wall;
use hotline_base::calendar::{Civil, TimeZone};
use std::ops::RangeInclusive;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Length,
    Left,
    Right,
    Mid,
    Contains,
    StartsWith,
    EndsWith,
    Upper,
    Lower,
    Replace,
    Number,
    Text,
    Min,
    Max,
    Abs,
    Hour,
    Minute,
    Weekday,
    Day,
    Month,
    Year,
    DateAdd,
}

/// Most values of `min` and `max`.
const MANY: usize = 8;

/// Name, function, how it is written, types of what it takes (`None`: any; the last one repeats),
/// how many it takes, type of what it gives.
type Row =
    (&'static str, Function, &'static str, &'static [Option<Type>], RangeInclusive<usize>, Type);

const TEXT: Option<Type> = Some(Type::Text);
const NUMBER: Option<Type> = Some(Type::Number);
const TIME: Option<Type> = Some(Type::Time);

/// Name and usage of each function.
pub const FUNCTIONS: [(&str, &str); TABLE.len()] = {
    let mut functions = [("", ""); TABLE.len()];
    let mut row = 0;
    while row < TABLE.len() {
        functions[row] = (TABLE[row].0, TABLE[row].2);
        row += 1;
    }
    functions
};

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("length", Function::Length, "length(text)", &[TEXT], 1..=1, Type::Number),
    ("left", Function::Left, "left(text, characters)", &[TEXT, NUMBER], 2..=2, Type::Text),
    ("right", Function::Right, "right(text, characters)", &[TEXT, NUMBER], 2..=2, Type::Text),
    ("mid", Function::Mid, "mid(text, first, characters)", &[TEXT, NUMBER], 3..=3, Type::Text),
    ("contains", Function::Contains, "contains(text, part)", &[TEXT], 2..=2, Type::Flag),
    ("starts_with", Function::StartsWith, "starts_with(text, part)", &[TEXT], 2..=2, Type::Flag),
    ("ends_with", Function::EndsWith, "ends_with(text, part)", &[TEXT], 2..=2, Type::Flag),
    ("upper", Function::Upper, "upper(text)", &[TEXT], 1..=1, Type::Text),
    ("lower", Function::Lower, "lower(text)", &[TEXT], 1..=1, Type::Text),
    ("replace", Function::Replace, "replace(text, part, by)", &[TEXT], 3..=3, Type::Text),
    ("number", Function::Number, "number(text)", &[TEXT], 1..=1, Type::Number),
    ("text", Function::Text, "text(value)", &[None], 1..=1, Type::Text),
    ("min", Function::Min, "min(number, number, …)", &[NUMBER], 2..=MANY, Type::Number),
    ("max", Function::Max, "max(number, number, …)", &[NUMBER], 2..=MANY, Type::Number),
    ("abs", Function::Abs, "abs(number)", &[NUMBER], 1..=1, Type::Number),
    ("hour", Function::Hour, "hour(time)", &[TIME], 1..=1, Type::Number),
    ("minute", Function::Minute, "minute(time)", &[TIME], 1..=1, Type::Number),
    ("weekday", Function::Weekday, "weekday(time)", &[TIME], 1..=1, Type::Number),
    ("day", Function::Day, "day(time)", &[TIME], 1..=1, Type::Number),
    ("month", Function::Month, "month(time)", &[TIME], 1..=1, Type::Number),
    ("year", Function::Year, "year(time)", &[TIME], 1..=1, Type::Number),
    ("date_add", Function::DateAdd, "date_add(time, number, 'days')", &[TIME, NUMBER, TEXT], 3..=3,
        Type::Time),
];

impl Function {
    /// The function of a name.
    pub fn named(name: &str) -> Option<Function> {
        TABLE.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.1 == self)
    }

    /// How many values it takes.
    pub fn takes(self) -> RangeInclusive<usize> {
        self.row().map_or(0..=0, |row| row.4.clone())
    }

    /// How it is written.
    pub fn usage(self) -> &'static str {
        self.row().map_or("", |row| row.2)
    }

    /// What the value at an index (from 0) must be; `None`: anything.
    pub fn parameter(self, index: usize) -> Option<Type> {
        let types = self.row()?.3;
        *types.get(index).or(types.last())?
    }

    /// What it gives.
    pub fn gives(self) -> Type {
        self.row().map_or(Type::Text, |row| row.5)
    }
}

/// Calls a function.
pub fn call(function: Function, given: Vec<Value>, scope: &dyn Scope) -> Result<Value, EvalFault> {
    let mut given = given.into_iter();
    let mut next = || given.next().ok_or(EvalFault::WrongType);
    match function {
        Function::Text => short(text_of(&next()?, scope.zone())),
        Function::Abs => number_of(number(next()?)?.checked_abs()),
        Function::Min | Function::Max => {
            let mut best = number(next()?)?;
            for value in given {
                let other = number(value)?;
                best = if function == Function::Min { best.min(other) } else { best.max(other) };
            }
            Ok(Value::Number(best))
        }
        Function::DateAdd => {
            let (at, count, unit) = (time(next()?)?, number(next()?)?, text(next()?)?);
            date_add(at, count, &unit, scope.zone())
        }
        Function::Hour
        | Function::Minute
        | Function::Weekday
        | Function::Day
        | Function::Month
        | Function::Year => {
            let civil = civil(time(next()?)?, scope.zone())?;
            Ok(Value::Number(part_of(function, civil)))
        }
        _ => {
            let subject = text(next()?)?;
            of_text(function, &subject, next)
        }
    }
}

/// The functions whose first value is a text.
fn of_text(
    function: Function,
    subject: &str,
    mut next: impl FnMut() -> Result<Value, EvalFault>,
) -> Result<Value, EvalFault> {
    let characters = || subject.chars().count();
    match function {
        Function::Length => Ok(Value::Number(characters() as i64)),
        Function::Left => Ok(Value::Text(slice(subject, 0, index(next()?)?))),
        Function::Right => {
            let from = characters().saturating_sub(index(next()?)?);
            Ok(Value::Text(slice(subject, from, usize::MAX)))
        }
        Function::Mid => {
            let from = index(next()?)?.saturating_sub(1);
            Ok(Value::Text(slice(subject, from, index(next()?)?)))
        }
        Function::Contains => Ok(Value::Flag(subject.contains(&text(next()?)?))),
        Function::StartsWith => Ok(Value::Flag(subject.starts_with(&text(next()?)?))),
        Function::EndsWith => Ok(Value::Flag(subject.ends_with(&text(next()?)?))),
        Function::Upper => short(subject.to_uppercase()),
        Function::Lower => short(subject.to_lowercase()),
        Function::Replace => {
            let (part, by) = (text(next()?)?, text(next()?)?);
            if part.is_empty() {
                return short(subject.to_owned());
            }
            short(subject.replace(&part, &by))
        }
        Function::Number => {
            subject.trim().parse().map(Value::Number).map_err(|_| EvalFault::NotANumber)
        }
        _ => Err(EvalFault::WrongType),
    }
}

/// A value as text.
pub fn text_of(value: &Value, zone: &TimeZone) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Time(ms) => match ms.checked_mul(1_000) {
            Some(us) => zone.rfc3339(Wall(us)),
            None => "-".into(),
        },
    }
}

fn text(value: Value) -> Result<String, EvalFault> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(EvalFault::WrongType),
    }
}

fn time(value: Value) -> Result<i64, EvalFault> {
    match value {
        Value::Time(ms) => Ok(ms),
        _ => Err(EvalFault::WrongType),
    }
}

/// A number of characters: what is below zero is none.
fn index(value: Value) -> Result<usize, EvalFault> {
    Ok(usize::try_from(number(value)?.max(0)).unwrap_or(usize::MAX))
}

fn slice(text: &str, from: usize, characters: usize) -> String {
    text.chars().skip(from).take(characters).collect()
}

/// Times the calendar knows: years 1–9998.
const TIME_MS: RangeInclusive<i64> = -62_135_596_800_000..=253_370_764_800_000;

fn civil(ms: i64, zone: &TimeZone) -> Result<Civil, EvalFault> {
    if !TIME_MS.contains(&ms) {
        return Err(EvalFault::OutOfRange);
    }
    Ok(zone.civil(Wall(ms * 1_000)))
}

fn part_of(function: Function, civil: Civil) -> i64 {
    match function {
        Function::Hour => i64::from(civil.minute_of_day / 60),
        Function::Minute => i64::from(civil.minute_of_day % 60),
        Function::Weekday => i64::from(civil.weekday),
        Function::Day => i64::from(civil.day),
        Function::Month => i64::from(civil.month),
        _ => i64::from(civil.year),
    }
}

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

/// Adds whole seconds, minutes, hours, days or weeks. Days and weeks keep the time of day, whatever
/// the clocks do between.
fn date_add(ms: i64, count: i64, unit: &str, zone: &TimeZone) -> Result<Value, EvalFault> {
    let (unit_ms, keeps_time_of_day) = match unit {
        "seconds" => (1_000, false),
        "minutes" => (MINUTE_MS, false),
        "hours" => (60 * MINUTE_MS, false),
        "days" => (DAY_MINUTES * MINUTE_MS, true),
        "weeks" => (7 * DAY_MINUTES * MINUTE_MS, true),
        _ => return Err(EvalFault::WrongType),
    };
    let moved = count.checked_mul(unit_ms).and_then(|by| ms.checked_add(by));
    let mut moved = moved.ok_or(EvalFault::OutOfRange)?;
    let (before, after) = (civil(ms, zone)?, civil(moved, zone)?);
    if keeps_time_of_day {
        let drift = i64::from(before.minute_of_day) - i64::from(after.minute_of_day);
        let half = DAY_MINUTES / 2;
        moved += ((drift + half).rem_euclid(DAY_MINUTES) - half) * MINUTE_MS;
    }
    Ok(Value::Time(moved))
}
