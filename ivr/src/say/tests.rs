//! What is said, value by value, in each language.

use super::*;
use proptest::prelude::*;

/// The words of units, as a caller hears them.
fn heard(language: &str, units: &[Unit]) -> String {
    let word = |unit: &Unit| match language {
        "zh" => chinese(unit),
        _ => unit.trim_start_matches("number_").trim_start_matches("duration_").to_string(),
    };
    let words: Vec<String> = units.iter().map(word).collect();
    words.join(if language == "zh" { "" } else { " " })
}

fn chinese(unit: &str) -> String {
    const WORDS: &[(&str, &str)] = &[
        ("number_two_of", "两"),
        ("number_hundred_million", "亿"),
        ("number_ten_thousand", "万"),
        ("number_thousand", "千"),
        ("number_hundred", "百"),
        ("number_minus", "负"),
        ("number_point", "点"),
        ("counter_people", "位"),
        ("counter_things", "个"),
        ("year", "年"),
        ("time_before_dawn", "凌晨"),
        ("time_early_morning", "早上"),
        ("time_morning", "上午"),
        ("time_noon", "中午"),
        ("time_afternoon", "下午"),
        ("time_evening", "晚上"),
        ("time_hour", "点"),
        ("time_minute", "分"),
        ("time_exactly", "整"),
        ("duration_days", "天"),
        ("duration_hours", "小时"),
        ("duration_minutes", "分钟"),
        ("duration_seconds", "秒"),
        ("yuan", "元"),
        ("jiao", "角"),
        ("fen", "分"),
        ("euros", "欧元"),
        ("euro_cents", "欧分"),
        ("dollars", "美元"),
        ("cents", "美分"),
        ("pounds", "英镑"),
        ("pence", "便士"),
        ("kronor", "克朗"),
        ("ore", "欧尔"),
    ];
    const NUMBERS: [&str; 11] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];
    if let Some((_, word)) = WORDS.iter().find(|(name, _)| *name == unit) {
        return (*word).into();
    }
    let (kind, number) = unit.rsplit_once('_').unwrap();
    let number: usize = number.parse().unwrap();
    match kind {
        "number" | "digit" => NUMBERS[number].into(),
        "month" => format!("{number}月"),
        "day" => format!("{number}日"),
        "weekday" => format!("周{number}"),
        _ => panic!("{unit} has no word"),
    }
}

fn check(language: &str, what: Say<'_>, expected: &str) {
    assert_eq!(heard(language, &say(language, what)), expected, "{language} {what:?}");
}

fn number(language: &str, number: i64, expected: &str) {
    check(language, Say::Number(number), expected);
}

fn civil(year: i16, month: u8, day: u8, weekday: u8) -> Civil {
    Civil { year, month, day, weekday, minute_of_day: 0 }
}

fn at(hour: u16, minute: u16) -> Say<'static> {
    Say::Time(Civil { minute_of_day: hour * 60 + minute, ..civil(2026, 1, 1, 4) })
}

fn money(hundredths: i64, currency: &str) -> Say<'_> {
    Say::Amount { hundredths, currency }
}

#[test]
fn digits_are_read_one_by_one_in_every_language_known_or_not() {
    for language in ["en", "zh", "es", "sv", ""] {
        let units = say(language, Say::Digits("+1-09"));
        assert_eq!(units, ["digit_1", "digit_0", "digit_9"], "{language}");
        assert_eq!(say(language, Say::Digits(&"7".repeat(1_000))).len(), DIGITS_MAX);
        assert!(say(language, Say::Digits("anonymous")).is_empty());
    }
    assert_eq!(employee_id("en", "1-09"), ["employee_id", "digit_1", "digit_0", "digit_9"]);
}

#[test]
fn english_numbers() {
    for (value, words) in [
        (0, "0"),
        (7, "7"),
        (13, "13"),
        (20, "20"),
        (21, "20 1"),
        (99, "90 9"),
        (100, "1 hundred"),
        (105, "1 hundred 5"),
        (110, "1 hundred 10"),
        (999, "9 hundred 90 9"),
        (1_000, "1 thousand"),
        (1_005, "1 thousand 5"),
        (12_345, "12 thousand 3 hundred 40 5"),
        (100_000, "1 hundred thousand"),
        (1_000_001, "1 million 1"),
        (2_000_000_000, "2 billion"),
        (-42, "minus 40 2"),
        (
            999_999_999_999,
            "9 hundred 90 9 billion 9 hundred 90 9 million 9 hundred 90 9 thousand 9 hundred 90 9",
        ),
    ] {
        number("en", value, words);
    }
}

#[test]
fn a_number_beyond_words_is_read_digit_by_digit() {
    for language in ["en", "zh"] {
        let units = say(language, Say::Number(-1_000_000_000_000));
        assert_eq!(units[..2], ["number_minus", "digit_1"]);
        assert_eq!(units.len(), 14);
        assert_eq!(say(language, Say::Number(i64::MIN)).len(), 20);
    }
}

#[test]
fn mandarin_numbers_have_a_zero_where_digits_are_skipped() {
    for (value, words) in [
        (0, "零"),
        (2, "二"),
        (10, "十"),
        (11, "十一"),
        (12, "十二"),
        (20, "二十"),
        (22, "二十二"),
        (100, "一百"),
        (101, "一百零一"),
        (102, "一百零二"),
        (110, "一百一十"),
        (111, "一百一十一"),
        (120, "一百二十"),
        (200, "二百"),
        (212, "二百一十二"),
        (1_000, "一千"),
        (1_005, "一千零五"),
        (1_010, "一千零一十"),
        (1_050, "一千零五十"),
        (1_200, "一千二百"),
        (1_205, "一千二百零五"),
        (2_000, "两千"),
        (2_222, "两千二百二十二"),
        (10_000, "一万"),
        (10_005, "一万零五"),
        (10_050, "一万零五十"),
        (10_500, "一万零五百"),
        (15_000, "一万五千"),
        (20_000, "两万"),
        (22_000, "两万二千"),
        (32_000, "三万二千"),
        (100_000, "十万"),
        (105_000, "十万五千"),
        (120_000, "十二万"),
        (1_000_000, "一百万"),
        (1_010_000, "一百零一万"),
        (1_120_000, "一百一十二万"),
        (20_000_000, "两千万"),
        (100_000_000, "一亿"),
        (100_000_001, "一亿零一"),
        (100_020_000, "一亿零二万"),
        (110_000_000, "一亿一千万"),
        (200_000_000, "两亿"),
        (1_000_000_000, "十亿"),
        (1_200_000_000, "十二亿"),
        (100_000_100_005, "一千亿零一十万零五"),
        (999_999_999_999, "九千九百九十九亿九千九百九十九万九千九百九十九"),
        (-1_005, "负一千零五"),
    ] {
        number("zh", value, words);
    }
}

#[test]
fn mandarin_counts_two_of_a_thing_by_its_own_word_and_names_the_measure() {
    for (count, of, words) in [
        (1, Counted::People, "一位"),
        (2, Counted::People, "两位"),
        (12, Counted::People, "十二位"),
        (2, Counted::Things, "两个"),
        (102, Counted::Things, "一百零二个"),
    ] {
        check("zh", Say::Count { count, of }, words);
    }
    check("en", Say::Count { count: 2, of: Counted::People }, "2");
}

#[test]
fn a_callers_place_and_the_agents_there_are() {
    assert_eq!(position("en", 21), ["you_are_number", "number_20", "number_1", "in_the_queue"]);
    assert_eq!(position("zh", 2), ["you_are_number", "number_2", "in_the_queue"]);
    assert_eq!(agents("zh", 2), ["agents_available", "number_two_of", "counter_people"]);
    assert_eq!(position("es", 12), ["you_are_number", "digit_1", "digit_2", "in_the_queue"]);
}

#[test]
fn dates_have_the_order_of_their_language() {
    for (date, english, mandarin) in [
        (civil(2026, 12, 24, 4), "weekday_4 month_12 day_24 20 20 6", "二零二六年12月24日周4"),
        (civil(2000, 1, 1, 6), "weekday_6 month_1 day_1 2 thousand", "二零零零年1月1日周6"),
        (civil(2005, 2, 28, 1), "weekday_1 month_2 day_28 2 thousand 5", "二零零五年2月28日周1"),
        (civil(1984, 3, 31, 6), "weekday_6 month_3 day_31 19 80 4", "一九八四年3月31日周6"),
        (civil(1905, 3, 31, 5), "weekday_5 month_3 day_31 19 oh 5", "一九零五年3月31日周5"),
        (civil(1900, 5, 2, 3), "weekday_3 month_5 day_2 19 hundred", "一九零零年5月2日周3"),
    ] {
        check("en", Say::Date(date), english);
        check("zh", Say::Date(date), mandarin);
    }
    let digits = say("es", Say::Date(civil(2026, 2, 4, 3)));
    assert_eq!(digits.len(), 8);
    // A date no calendar has is spoken as far as it goes.
    assert_eq!(heard("en", &say("en", Say::Date(civil(2026, 13, 0, 9)))), "20 20 6");
}

#[test]
fn times_of_day() {
    for (time, english, mandarin) in [
        (at(0, 0), "time_midnight", "凌晨零点整"),
        (at(0, 30), "12 30 time_am", "凌晨零点三十分"),
        (at(2, 5), "2 oh 5 time_am", "凌晨两点零五分"),
        (at(6, 10), "6 10 time_am", "早上六点十分"),
        (at(8, 0), "8 time_am", "上午八点整"),
        (at(11, 59), "11 50 9 time_am", "上午十一点五十九分"),
        (at(12, 0), "time_noon", "中午十二点整"),
        (at(12, 22), "12 20 2 time_pm", "中午十二点二十二分"),
        (at(14, 2), "2 oh 2 time_pm", "下午两点零二分"),
        (at(22, 15), "10 15 time_pm", "晚上十点十五分"),
        (at(23, 59), "11 50 9 time_pm", "晚上十一点五十九分"),
    ] {
        check("en", time, english);
        check("zh", time, mandarin);
    }
    assert_eq!(heard("es", &say("es", at(8, 5))), "digit_0 digit_8 digit_0 digit_5");
}

#[test]
fn durations() {
    for (seconds, english, mandarin) in [
        (0, "0 seconds", "零秒"),
        (1, "1 second", "一秒"),
        (2, "2 seconds", "两秒"),
        (60, "1 minute", "一分钟"),
        (125, "2 minutes and 5 seconds", "两分钟五秒"),
        (3_605, "1 hour and 5 seconds", "一小时零五秒"),
        (7_384, "2 hours 3 minutes and 4 seconds", "两小时三分钟四秒"),
        (172_800, "2 days", "两天"),
        (86_460, "1 day and 1 minute", "一天零一分钟"),
        (-90, "minus 1 minute and 30 seconds", "负一分钟三十秒"),
    ] {
        check("en", Say::Duration(seconds), english);
        check("zh", Say::Duration(seconds), mandarin);
    }
}

#[test]
fn amounts_with_hundredths() {
    for (amount, english, mandarin) in [
        (money(0, "EUR"), "0 euros", "零欧元"),
        (money(100, "EUR"), "1 euro", "一欧元"),
        (money(1_250, "EUR"), "12 euros and 50 euro_cents", "十二欧元五十欧分"),
        (money(1_205, "CNY"), "12 yuan and 5 fen", "十二元零五分"),
        (money(1_255, "CNY"), "12 yuan and 50 5 fen", "十二元五角五分"),
        (money(220, "CNY"), "2 yuan and 20 fen", "两元两角"),
        (money(1, "USD"), "1 cent", "一美分"),
        (money(201, "USD"), "2 dollars and 1 cent", "两美元一美分"),
        (money(101, "GBP"), "1 pound and 1 penny", "一英镑一便士"),
        (money(-99, "gbp"), "minus 90 9 pence", "负九十九便士"),
        (money(100_500, "SEK"), "1 thousand 5 kronor", "一千零五克朗"),
        (money(1_207, "JPY"), "12 point digit_0 digit_7", "十二点零七"),
        (money(1_200, ""), "12", "十二"),
    ] {
        check("en", amount, english);
        check("zh", amount, mandarin);
    }
    assert_eq!(
        heard("es", &say("es", money(-1_250, "EUR"))),
        "minus digit_1 digit_2 point digit_5 digit_0"
    );
}

#[test]
fn a_tag_with_a_region_speaks_its_language() {
    assert_eq!(say("zh-CN", Say::Number(2_000)), say("zh", Say::Number(2_000)));
    assert_eq!(say("EN_gb", Say::Number(20)), ["number_20"]);
    assert_eq!(units("nl"), units("es"));
}

#[test]
fn units_are_sorted_and_single_and_all_used() {
    for language in languages() {
        let units = units(language);
        assert!(units.is_sorted() && units.windows(2).all(|two| two[0] != two[1]), "{language}");
        assert!(units.iter().all(|unit| !SENTENCES.contains(unit)), "{language}");
    }
    assert!(SENTENCES.is_sorted());
    assert_eq!(units("es").len(), 12);
}

fn any_value() -> impl Strategy<Value = Say<'static>> {
    const CURRENCIES: [&str; 7] = ["EUR", "USD", "GBP", "CNY", "SEK", "XXX", ""];
    let date = || {
        let parts = (any::<i16>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>());
        parts.prop_map(|(year, month, day, weekday, minute_of_day)| Civil {
            year,
            month,
            day,
            weekday,
            minute_of_day,
        })
    };
    prop_oneof![
        (-1_000_000_000_000_i64..=1_000_000_000_000).prop_map(Say::Number),
        any::<i64>().prop_map(Say::Number),
        (-10_000_i64..10_000_000).prop_map(Say::Duration),
        any::<i64>().prop_map(Say::Duration),
        any::<u32>().prop_map(|count| Say::Count { count, of: Counted::People }),
        any::<u32>().prop_map(|count| Say::Count { count, of: Counted::Things }),
        (any::<i64>(), 0..CURRENCIES.len()).prop_map(|(hundredths, at)| Say::Amount {
            hundredths: hundredths >> (at * 9),
            currency: CURRENCIES[at],
        }),
        date().prop_map(Say::Date),
        date().prop_map(Say::Time),
    ]
}

proptest! {
    #[test]
    fn whatever_is_said_is_short_not_nothing_and_in_recorded_units(what in any_value()) {
        for language in ["en", "zh", "es", "xx"] {
            let all = units(language);
            let said = say(language, what);
            prop_assert!(!said.is_empty(), "{language} says nothing");
            prop_assert!(said.len() <= UNITS_MAX, "{language}: {} units", said.len());
            for unit in said {
                prop_assert!(all.contains(&unit), "{language}: {unit} is not among its units");
            }
        }
    }

    #[test]
    fn two_numbers_are_never_said_alike(one in 0..=NUMBER_MAX as i64, other in 0..=NUMBER_MAX as i64, near in 0..200_i64) {
        for language in ["en", "zh"] {
            for other in [other, one / 10, one + near + 1].into_iter().filter(|other| *other != one) {
                prop_assert_ne!(say(language, Say::Number(one)), say(language, Say::Number(other)));
            }
        }
    }
}
