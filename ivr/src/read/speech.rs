//! What is said, as it is written: `["welcome", { digits = "call.caller" }]`.

use super::table::{At, Table};
use crate::model::{Listening, Speech};

/// Most pieces of one announcement.
const PIECES_MAX: usize = 32;
/// Most announcements for retries.
const RETRY_SAY_MAX: usize = 11;
/// Longest name of a prompt, a tone, a mailbox, in characters.
pub const PROMPT_MAX: usize = 64;

const PIECES: &str = "a prompt's name, { digits = … }, { number = … }, { people = … }, \
                      { date = … }, { time = … }, { duration = … }, \
                      { amount = …, currency = \"EUR\" } or { silence_ms = … }";
const CURRENCY: &str = "three capital letters (ISO 4217), as in EUR";

/// The pieces of an announcement.
pub fn say(at: &At<'_>) -> Vec<Speech> {
    if at.value.is_string() || at.value.is_object() {
        return piece(at).into_iter().collect();
    }
    at.items(PIECES_MAX).iter().filter_map(piece).collect()
}

/// The announcement of a key, empty if it is not there.
pub fn say_if(table: &mut Table<'_>, key: &'static str) -> Vec<Speech> {
    table.take(key).map(|at| say(&at)).unwrap_or_default()
}

fn piece(at: &At<'_>) -> Option<Speech> {
    if at.value.is_string() {
        return Some(Speech::Prompt(prompt(at)));
    }
    let Some(entries) = at.value.as_object() else {
        at.refuse(PIECES);
        return None;
    };
    let mut table = at.table();
    let kinds = [
        "prompt",
        "digits",
        "number",
        "people",
        "date",
        "time",
        "duration",
        "amount",
        "silence_ms",
    ];
    let Some(kind) = kinds.into_iter().find(|kind| entries.contains_key(*kind)) else {
        at.refuse(PIECES);
        return None;
    };
    let speech = match kind {
        "prompt" => Speech::Prompt(table.take(kind).map(|at| prompt(&at)).unwrap_or_default()),
        "silence_ms" => Speech::SilenceMs(table.must_whole(kind, 10..=10_000, "milliseconds")),
        _ => {
            let expr = table.expr(kind)?;
            match kind {
                "digits" => Speech::Digits(expr),
                "number" => Speech::Number(expr),
                "people" => Speech::People(expr),
                "date" => Speech::Date(expr),
                "time" => Speech::Time(expr),
                "duration" => Speech::Duration(expr),
                _ => {
                    let capitals = |text: &str| {
                        text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
                    };
                    let currency = table.must("currency", CURRENCY);
                    let currency = currency.map(|at| at.text_that(capitals, CURRENCY));
                    Speech::Amount { amount: expr, currency: currency.unwrap_or_default() }
                }
            }
        }
    };
    table.finish();
    Some(speech)
}

/// The name of a prompt or a tone: a file's name without its ending.
pub fn prompt(at: &At<'_>) -> String {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    at.text_that(
        |text| (1..=PROMPT_MAX).contains(&text.len()) && text.bytes().all(part),
        "1–64 of a-z, A-Z, 0-9, _ and -: the name of a recording",
    )
}

/// The manners of a node that listens.
pub fn listening(table: &mut Table<'_>) -> Listening {
    Listening {
        say: say_if(table, "say"),
        retry_say: retries_say(table, "retry_say"),
        no_input_say: retries_say(table, "no_input_say"),
        no_match_say: retries_say(table, "no_match_say"),
        retries: table.whole("retries", 0..=10, "retries", 2),
        barge_in: table.flag("barge_in", true),
        flush: table.flag("flush", false),
        first_digit_ms: table.time_ms("first_digit_s", "first_digit_ms", 500..=60_000, 5_000),
        inter_digit_ms: table.time_ms("inter_digit_s", "inter_digit_ms", 200..=30_000, 3_000),
    }
}

/// What is said at each retry.
fn retries_say(table: &mut Table<'_>, key: &'static str) -> Vec<Vec<Speech>> {
    let said = table.take(key).map(|at| at.items(RETRY_SAY_MAX).iter().map(say).collect());
    said.unwrap_or_default()
}
