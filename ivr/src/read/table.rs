//! A table being read: its keys are taken one by one, what is wrong is noted, what is left over is
//! unknown.
//!
//! Owns: texts, numbers, times, names, lists and expressions with their ranges and faults. Does not
//! own: which keys there are.

use crate::expr::{Expr, RESERVED};
use crate::fault::Fault;
use crate::model::Name;
use serde_json::{Map, Value as Json};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// What is wrong so far.
pub type Faults = RefCell<Vec<Fault>>;

/// Longest name, in characters.
const NAME_MAX: usize = 64;

/// What names may be.
pub const A_NAME: &str = "1–64 of a-z, 0-9 and _, not beginning with a digit";

/// A value and where it stands.
#[derive(Clone)]
pub struct At<'a> {
    pub path: String,
    pub value: &'a Json,
    faults: &'a Faults,
}

/// A table of which keys are taken.
pub struct Table<'a> {
    path: String,
    entries: Option<&'a Map<String, Json>>,
    known: Vec<&'static str>,
    faults: &'a Faults,
}

impl<'a> At<'a> {
    pub fn new(value: &'a Json, faults: &'a Faults) -> At<'a> {
        At { path: String::new(), value, faults }
    }

    fn inner(&self, key: impl Display, value: &'a Json) -> At<'a> {
        let dot = if self.path.is_empty() { "" } else { "." };
        At { path: format!("{}{dot}{key}", self.path), value, faults: self.faults }
    }

    /// Notes that the value is not what is allowed.
    pub fn refuse(&self, allowed: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::not_allowed(&self.path, self.value, allowed));
    }

    /// Notes something else.
    pub fn wrong(&self, what: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::wrong(&self.path, what));
    }

    pub fn table(&self) -> Table<'a> {
        let entries = self.value.as_object();
        if entries.is_none() {
            self.refuse("a table");
        }
        Table { path: self.path.clone(), entries, known: Vec::new(), faults: self.faults }
    }

    /// The items of a list of at most so many.
    pub fn items(&self, max: usize) -> Vec<At<'a>> {
        match self.value.as_array() {
            Some(items) if items.len() <= max => {
                items.iter().enumerate().map(|(at, item)| self.inner(at, item)).collect()
            }
            Some(items) => {
                self.wrong(format!("{} items; allowed at most {max}", items.len()));
                Vec::new()
            }
            None => {
                self.refuse("a list");
                Vec::new()
            }
        }
    }

    /// The entries of a table of at most so many.
    pub fn entries(&self, max: usize) -> Vec<(&'a String, At<'a>)> {
        match self.value.as_object() {
            Some(entries) if entries.len() <= max => {
                entries.iter().map(|(key, value)| (key, self.inner(key, value))).collect()
            }
            Some(entries) => {
                self.wrong(format!("{} entries; allowed at most {max}", entries.len()));
                Vec::new()
            }
            None => {
                self.refuse("a table");
                Vec::new()
            }
        }
    }

    /// Entries whose order counts: a list of tables of one entry each, or one table (then the order
    /// is that of the names).
    pub fn ordered(&self, max: usize) -> Vec<(&'a String, At<'a>)> {
        if self.value.is_object() {
            return self.entries(max);
        }
        let one = |item: At<'a>| match item.entries(max).as_slice() {
            [entry] => Some(entry.clone()),
            _ => {
                item.refuse("a table of one entry");
                None
            }
        };
        self.items(max).into_iter().filter_map(one).collect()
    }

    pub fn text(&self, characters: RangeInclusive<usize>) -> String {
        match self.value.as_str() {
            Some(text) if characters.contains(&text.chars().count()) => text.to_owned(),
            _ => {
                let (least, most) = (characters.start(), characters.end());
                self.refuse(format!("text of {least}–{most} characters"));
                String::new()
            }
        }
    }

    /// Text of which a predicate holds.
    pub fn text_that(&self, holds: impl Fn(&str) -> bool, allowed: &str) -> String {
        match self.value.as_str() {
            Some(text) if holds(text) => text.to_owned(),
            _ => {
                self.refuse(allowed);
                String::new()
            }
        }
    }

    pub fn name(&self) -> Name {
        self.text_that(is_name, A_NAME)
    }

    pub fn whole(&self, range: &RangeInclusive<i64>, unit: &str) -> i64 {
        match self.value.as_i64() {
            Some(number) if range.contains(&number) => number,
            _ => {
                let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
                self.refuse(format!("{}–{}{unit}", range.start(), range.end()));
                *range.start()
            }
        }
    }

    pub fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or_else(|| {
            self.refuse("true or false");
            false
        })
    }

    /// An expression; a number and a flag may be written as they are.
    pub fn expr(&self) -> Option<Expr> {
        let text = match self.value {
            Json::String(text) => text.clone(),
            Json::Bool(_) => self.value.to_string(),
            Json::Number(number) if number.is_i64() => self.value.to_string(),
            _ => {
                self.refuse("an expression");
                return None;
            }
        };
        match Expr::parse(&text) {
            Ok(expr) => Some(expr),
            Err(fault) => {
                let fault = format!("an expression; {fault}");
                self.faults.borrow_mut().push(Fault::not_allowed(&self.path, self.value, fault));
                None
            }
        }
    }
}

/// What an expression is when its text is none: the flow is refused anyway.
fn no_expr() -> Option<Expr> {
    Expr::parse("''").ok()
}

impl<'a> Table<'a> {
    fn path_of(&self, key: &str) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("{}{dot}{key}", self.path)
    }

    /// The value of a key; nothing and `null` are the same.
    pub fn take(&mut self, key: &'static str) -> Option<At<'a>> {
        self.known.push(key);
        let value = self.entries?.get(key).filter(|value| !value.is_null())?;
        Some(At { path: self.path_of(key), value, faults: self.faults })
    }

    /// The value of a key that must be there.
    pub fn must(&mut self, key: &'static str, allowed: &str) -> Option<At<'a>> {
        let at = self.take(key);
        if at.is_none() && self.entries.is_some() {
            self.faults.borrow_mut().push(Fault::missing(&self.path_of(key), allowed));
        }
        at
    }

    /// Notes that a key, taken before, makes no sense.
    pub fn wrong(&self, key: &str, what: impl Into<String>) {
        self.faults.borrow_mut().push(Fault::wrong(&self.path_of(key), what));
    }

    pub fn text_or(
        &mut self,
        key: &'static str,
        characters: RangeInclusive<usize>,
        default: &str,
    ) -> String {
        self.take(key).map_or_else(|| default.to_owned(), |at| at.text(characters))
    }

    pub fn text(&mut self, key: &'static str, characters: RangeInclusive<usize>) -> String {
        let allowed = format!("text of {}–{} characters", characters.start(), characters.end());
        self.must(key, &allowed).map(|at| at.text(characters)).unwrap_or_default()
    }

    /// An edge that must be there.
    pub fn edge(&mut self, key: &'static str) -> Name {
        self.must(key, "name a node").map(|at| at.name()).unwrap_or_default()
    }

    pub fn name(&mut self, key: &'static str, what: &str) -> Name {
        self.must(key, what).map(|at| at.name()).unwrap_or_default()
    }

    pub fn name_if(&mut self, key: &'static str) -> Option<Name> {
        self.take(key).map(|at| at.name())
    }

    /// A whole number of a smaller type. The range fits into the type.
    pub fn whole<T: TryFrom<i64> + Default>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        unit: &str,
        default: i64,
    ) -> T {
        let number = self.take(key).map_or(default, |at| at.whole(&range, unit));
        T::try_from(number).unwrap_or_default()
    }

    /// A whole number that must be there.
    pub fn must_whole<T: TryFrom<i64> + Default>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        unit: &str,
    ) -> T {
        let allowed = format!("{}–{} ({unit})", range.start(), range.end());
        let number = self.must(key, &allowed).map_or(0, |at| at.whole(&range, unit));
        T::try_from(number).unwrap_or_default()
    }

    /// A time: written in seconds, whole or fraction, or in ms under the second key; kept in ms.
    pub fn time_ms(
        &mut self,
        key_s: &'static str,
        key_ms: &'static str,
        range_ms: RangeInclusive<u32>,
        default_ms: u32,
    ) -> u32 {
        let (in_s, in_ms) = (self.take(key_s), self.take(key_ms));
        let seconds = |ms: u32| f64::from(ms) / 1_000.0;
        match (in_s, in_ms) {
            (None, None) => default_ms,
            (Some(at), None) => match at.value.as_f64().map(|s| (s * 1_000.0).round()) {
                Some(ms)
                    if ms >= f64::from(*range_ms.start()) && ms <= f64::from(*range_ms.end()) =>
                {
                    ms as u32
                }
                _ => {
                    let (least, most) = (seconds(*range_ms.start()), seconds(*range_ms.end()));
                    at.refuse(format!("{least}–{most} (seconds)"));
                    default_ms
                }
            },
            (None, Some(at)) => {
                let range = i64::from(*range_ms.start())..=i64::from(*range_ms.end());
                u32::try_from(at.whole(&range, "milliseconds")).unwrap_or(default_ms)
            }
            (Some(_), Some(at)) => {
                at.wrong(format!("{key_s} says it already; keep one of the two"));
                default_ms
            }
        }
    }

    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.take(key).map_or(default, |at| at.flag())
    }

    pub fn expr(&mut self, key: &'static str) -> Option<Expr> {
        self.must(key, "an expression")?.expr().or_else(no_expr)
    }

    pub fn expr_if(&mut self, key: &'static str) -> Option<Expr> {
        self.take(key)?.expr()
    }

    /// Whatever was not taken is unknown.
    pub fn finish(self) {
        let Some(entries) = self.entries else { return };
        for (key, value) in entries {
            if !self.known.contains(&key.as_str()) && !value.is_null() {
                let mut known = self.known.clone();
                known.sort_unstable();
                let what = format!("unknown key; known here: {}", known.join(", "));
                self.faults.borrow_mut().push(Fault::wrong(&self.path_of(key), what));
            }
        }
    }
}

/// Whether a text can name a node, a variable or a flow.
pub fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(part)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a text can name a variable.
pub fn is_variable(text: &str) -> bool {
    is_name(text) && !RESERVED.contains(&text)
}
