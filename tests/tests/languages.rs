//! What is said in languages other than English, on real calls: standard prompts, digits and values
//! are the recordings of that language, in its order and without anything between them.

use hotline_tests::caller::{Caller, Way};
use hotline_tests::speech::prompt_ms;
use hotline_tests::{Centre, Server, Setup};

/// Between two units, in ms.
const PAUSE_MS: u64 = 80;

/// Speaks values one after the other.
const VALUES: &str = r##"
start = "hello"
languages = ["en", "zh", "es"]

[variables]
opening = { type = "time", value = "2026-12-24T18:30:00+01:00" }

[node.hello]
kind = "play"
say = ["welcome", "you_are_number", { digits = "'3059'" }, "in_the_queue"]
next = "number"

[node.number]
kind = "play"
say = [{ number = "12345" }, { number = "0 - 2002" }]
next = "date"

[node.date]
kind = "play"
say = [{ date = "opening" }, { time = "opening" }]
next = "money"

[node.money]
kind = "play"
say = [{ amount = "1255", currency = "CNY" }, { duration = "3605" }]
next = "bye"

[node.bye]
kind = "end"
say = ["goodbye"]
"##;

fn server() -> Server {
    Server::start(Setup::with(|net| {
        let centre = Centre::usual(net).setting("languages = [\"en\", \"zh\", \"es\"]");
        let centre = centre.file("flows/values.toml", VALUES);
        let to = |language: &str| format!("flow = \"values\"\nlanguage = \"{language}\"");
        vec![centre.route_to("12345", "2", &to("zh")).route_to("12345", "3", &to("es"))]
    }))
}

/// Units are heard in this order, each the recording of a language, with nothing but pauses
/// between them.
fn hears_all(caller: &mut Caller, language: &str, units: &str) {
    let mut before: Option<(&str, u64)> = None;
    for unit in units.split_whitespace() {
        let at = caller.ear.until_heard(language, unit);
        if let Some((last, began)) = before {
            let between = at.abs_diff(began + prompt_ms(language, last));
            assert!(between <= PAUSE_MS + 60, "{between} ms between {last} and {unit}");
        }
        before = Some((unit, at));
    }
}

#[test]
fn mandarin_numbers_dates_times_amounts_and_durations_are_its_recordings() {
    let server = server();
    let mut caller = Caller::dials(&server, 0, "123452", Way::Events);
    for units in [
        // 欢迎 … 三零五九 …
        "welcome you_are_number digit_3 digit_0 digit_5 digit_9 in_the_queue",
        // 一万二千三百四十五, 负两千零二
        "number_1 number_ten_thousand number_2 number_thousand number_3 number_hundred number_4 \
         number_10 number_5",
        "number_minus number_two_of number_thousand number_0 number_2",
        // 二零二六年十二月二十四日星期四, 晚上六点三十分
        "digit_2 digit_0 digit_2 digit_6 year month_12 day_24 weekday_4",
        "time_evening number_6 time_hour number_3 number_10 time_minute",
        // 十二元五角五分, 一小时零五秒
        "number_10 number_2 yuan number_5 jiao number_5 fen",
        "number_1 duration_hours number_0 number_5 duration_seconds",
        "goodbye",
    ] {
        hears_all(&mut caller, "zh", units);
    }
    caller.ends(&server, 16);
}

#[test]
fn spanish_prompts_and_digits_are_its_recordings() {
    let server = server();
    let mut caller = Caller::dials(&server, 0, "123453", Way::Events);
    for units in [
        "welcome you_are_number digit_3 digit_0 digit_5 digit_9 in_the_queue",
        "digit_1 digit_2 digit_3 digit_4 digit_5",
        "number_minus digit_2 digit_0 digit_0 digit_2",
        "digit_2 digit_0 digit_2 digit_6 digit_1 digit_2 digit_2 digit_4",
        "digit_1 digit_8 digit_3 digit_0",
        "digit_1 digit_2 number_point digit_5 digit_5",
        "goodbye",
    ] {
        hears_all(&mut caller, "es", units);
    }
    caller.ends(&server, 16);
}
