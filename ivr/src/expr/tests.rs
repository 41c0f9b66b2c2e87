//! Expressions by table: what each comes to, and what is wrong with the others.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

struct World {
    zone: TimeZone,
    names: BTreeMap<&'static str, Value>,
}

impl World {
    /// Tuesday 24 November 2026, 14:05:30 in Stockholm.
    fn new() -> World {
        let names = [
            ("call.caller", Value::Text("+15550001111".into())),
            ("queue.position", Value::Number(3)),
            ("account", Value::Text("4711".into())),
            ("tries", Value::Number(2)),
            ("vip", Value::Flag(true)),
            ("since", Value::Time(NOW_MS - 90_500)),
            ("data.order", Value::Text("A7".into())),
        ];
        World { zone: TimeZone::named("Europe/Stockholm").unwrap(), names: names.into() }
    }
}

const NOW_MS: i64 = 1_795_525_530_000;

impl Scope for World {
    fn get(&self, name: &str) -> Option<Value> {
        self.names.get(name).cloned()
    }

    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

fn eval(text: &str) -> Result<Value, EvalFault> {
    let expr = Expr::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    expr.eval(&World::new(), &mut Budget::default())
}

fn kind(text: &str) -> Result<Type, TypeFault> {
    let world = World::new();
    let kind = |name: &str| world.names.get(name).map(Value::kind);
    Expr::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).kind(&kind)
}

fn check(table: &[(&str, Value)]) {
    for (text, value) in table {
        assert_eq!(eval(text).as_ref(), Ok(value), "{text}");
        assert_eq!(kind(text), Ok(value.kind()), "{text}");
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn operators_bind_as_in_school() {
    check(&[
        ("1 + 2 * 3", Value::Number(7)),
        ("(1 + 2) * 3", Value::Number(9)),
        ("7 - 2 - 1", Value::Number(4)),
        ("-2 * -3", Value::Number(6)),
        ("7 / 2", Value::Number(3)),
        ("-7 % 4", Value::Number(-3)),
        ("1 + 1 == 2 and not 2 < 1", Value::Flag(true)),
        ("true or false and false", Value::Flag(true)),
        ("not true == false", Value::Flag(true)),
        ("not not vip", Value::Flag(true)),
        ("3 >= 3 and 3 <= 3 and 2 != 3 and 4 > 3", Value::Flag(true)),
        ("\"it's\" == 'it''s'", Value::Flag(true)),
        ("'a' < 'b' and 'a' + 'b' == 'ab'", Value::Flag(true)),
        ("now - since", Value::Number(90)),
        ("now > since", Value::Flag(true)),
    ]);
}

#[test]
fn what_is_decided_is_not_computed_further() {
    check(&[
        ("false and 1 / 0 == 1", Value::Flag(false)),
        ("true or 1 / 0 == 1", Value::Flag(true)),
        ("false or vip", Value::Flag(true)),
        ("true and not vip", Value::Flag(false)),
    ]);
    assert_eq!(eval("true and 1 / 0 == 1"), Err(EvalFault::DivisionByZero));
}

#[test]
fn names_are_the_call_the_queue_data_and_variables() {
    check(&[
        ("call.caller", text("+15550001111")),
        ("queue.position + tries", Value::Number(5)),
        ("data.order", text("A7")),
        ("data.never_attached", text("")),
        ("starts_with(call.caller, '+1') and vip", Value::Flag(true)),
    ]);
    assert_eq!(eval("call.dialled"), Err(EvalFault::NoValue("call.dialled".into())));
    assert_eq!(kind("call.dialled"), Ok(Type::Text), "known to every flow, though empty here");
    assert_eq!(kind("call.colour"), Err(TypeFault::Unknown("call.colour".into())));
    let names = Expr::parse("a + length(b) * a").unwrap();
    assert_eq!(names.names().collect::<Vec<_>>(), ["a", "b", "a"]);
}

#[test]
fn functions_of_texts_clip_instead_of_failing() {
    check(&[
        ("length('æøå')", Value::Number(3)),
        ("left(account, 2) + right(account, 1)", text("471")),
        ("left('ab', 9) + right('ab', 9) + left('ab', -1)", text("abab")),
        ("mid('abcd', 2, 2)", text("bc")),
        ("mid('abcd', 0, 9) + mid('abcd', 9, 1)", text("abcd")),
        ("contains('hay', 'a') and ends_with('hay', 'y')", Value::Flag(true)),
        ("upper('straße') + lower('ÅB')", text("STRASSEåb")),
        ("replace('a-b-c', '-', '')", text("abc")),
        ("replace('abc', '', 'x')", text("abc")),
        ("number(' 42 ') + number('-2')", Value::Number(40)),
        ("text(12) + text(true)", text("12true")),
        ("min(3, 1, 2) + max(3, 1, 2) + abs(-4)", Value::Number(8)),
    ]);
}

#[test]
fn functions_of_time_are_in_the_tenants_zone() {
    check(&[
        ("hour(now) * 100 + minute(now)", Value::Number(1_405)),
        ("weekday(now)", Value::Number(2)),
        ("day(now) + month(now) * 100 + year(now) * 10000", Value::Number(20_261_124)),
        ("text(now)", text("2026-11-24T14:05:30.000+01:00")),
        ("date_add(now, -90, 'minutes') < now", Value::Flag(true)),
        ("day(date_add(now, 1, 'weeks'))", Value::Number(1)),
        // Summer time ends on 25 October: days keep the time of day, hours do not.
        ("hour(date_add(now, -31, 'days'))", Value::Number(14)),
        ("(now - date_add(now, -31, 'days')) / 3600", Value::Number(31 * 24 + 1)),
        ("hour(date_add(now, -744, 'hours'))", Value::Number(15)),
        ("(now - date_add(now, -30, 'days')) / 3600", Value::Number(30 * 24)),
        ("(now - date_add(now, -50, 'days')) / 3600", Value::Number(50 * 24 + 1)),
    ]);
}

#[test]
fn what_cannot_be_computed_is_a_fault_never_a_panic() {
    let long = format!("'{}'", "x".repeat(600));

    for (text, fault) in [
        ("1 / 0".to_owned(), EvalFault::DivisionByZero),
        ("1 % (tries - 2)".into(), EvalFault::DivisionByZero),
        ("9223372036854775807 + 1".into(), EvalFault::OutOfRange),
        ("-9223372036854775807 - 2".into(), EvalFault::OutOfRange),
        ("(-9223372036854775807 - 1) / -1".into(), EvalFault::OutOfRange),
        ("(-9223372036854775807 - 1) % -1".into(), EvalFault::OutOfRange),
        ("abs(-9223372036854775807 - 1)".into(), EvalFault::OutOfRange),
        ("-(-9223372036854775807 - 1)".into(), EvalFault::OutOfRange),
        ("date_add(now, 9223372036854775807, 'weeks')".into(), EvalFault::OutOfRange),
        (
            "date_add(now, 9000, 'weeks') > date_add(now, 900000, 'weeks')".into(),
            EvalFault::OutOfRange,
        ),
        ("date_add(now, 1, 'fortnights')".into(), EvalFault::WrongType),
        ("number('12a')".into(), EvalFault::NotANumber),
        ("nobody".into(), EvalFault::NoValue("nobody".into())),
        ("1 + 'a'".into(), EvalFault::WrongType),
        ("1 and true".into(), EvalFault::WrongType),
        ("true and 1".into(), EvalFault::WrongType),
        ("true < false".into(), EvalFault::WrongType),
        (format!("replace({long}, 'x', 'xx')"), EvalFault::TooLong),
    ] {
        assert_eq!(eval(&text), Err(fault), "{text}");
    }
}

#[test]
fn a_budget_is_spent_step_by_step_over_several_evaluations() {
    let expr = Expr::parse("1 + 2").unwrap();
    let mut budget = Budget::of(5);
    assert_eq!(expr.eval(&World::new(), &mut budget), Ok(Value::Number(3)));
    assert_eq!(budget.left(), 2);
    assert_eq!(expr.eval(&World::new(), &mut budget), Err(EvalFault::TooManySteps));
}

#[test]
fn what_is_no_expression_is_told_with_its_place() {
    let deep = format!("{}1{}", "(".repeat(33), ")".repeat(33));
    let long = format!("'{}'", "x".repeat(1_024));
    for (text, at, problem) in [
        ("", 1, "a value was expected"),
        ("1 +", 4, "a value was expected"),
        ("1 2", 3, "an operator or the end"),
        ("a = 1", 3, "write \"==\""),
        ("a <> 1", 3, "write \"!=\""),
        ("a && b", 3, "write \"and\""),
        ("!a", 1, "write \"not\""),
        ("1 < 2 < 3", 7, "join two with \"and\""),
        ("(1", 3, "a closing bracket"),
        ("'abc", 1, "without its closing '"),
        ("1.5", 1, "numbers are whole"),
        ("12a", 3, "right after a number"),
        ("99999999999999999999", 1, "more than 64 bits"),
        ("call.", 6, "a name after \"call.\""),
        ("lenght(a)", 1, "there is no function lenght"),
        ("length()", 1, "write length(text); 0 values"),
        ("left(a)", 1, "write left(text, characters); 1 values"),
        ("a # b", 3, "has no meaning"),
        ("é", 1, "has no meaning"),
        (deep.as_str(), 34, "nested more than 32 deep"),
        (long.as_str(), 1_025, "longer than 1024"),
    ] {
        let fault = Expr::parse(text).unwrap_err();
        assert!(fault.problem.contains(problem), "{text}: {fault}");
        assert_eq!(fault.at, at, "{text}: {fault}");
    }
}

#[test]
fn types_are_known_before_anything_runs() {
    for (text, message) in [
        ("1 + 'a'", "+ takes two numbers or two texts, not number and text"),
        ("'a' * 2", "* takes two numbers, not text and number"),
        ("account == 1", "== takes two of one type, not text and number"),
        ("vip < vip", "< takes two numbers, two times or two texts, not flag and flag"),
        ("tries and vip", "and takes flag, not number"),
        ("vip or tries", "and, or takes flag, not number"),
        ("not tries", "not takes flag, not number"),
        ("-account", "- takes number, not text"),
        ("length(tries)", "length(text) takes text, not number"),
        ("left(account, account)", "left(text, characters) takes number, not text"),
        ("hour(tries)", "hour(time) takes time, not number"),
        ("now + 1", "+ takes two numbers or two texts, not time and number"),
        ("acount", "there is no variable acount"),
    ] {
        assert_eq!(kind(text).unwrap_err().to_string(), message, "{text}");
    }
}

/// Text made of what expressions are made of, right and wrong.
fn expression_like() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "1",
        "0",
        "9223372036854775807",
        "'a'",
        "'",
        "account",
        "tries",
        "vip",
        "now",
        "since",
        "data.x",
        "call.caller",
        "nobody",
        "true",
        "false",
        "and",
        "or",
        "not",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "(",
        ")",
        ",",
        "length(",
        "left(",
        "mid(",
        "replace(",
        "number(",
        "text(",
        "min(",
        "abs(",
        "hour(",
        "date_add(",
        "'days'",
        ".",
        "é",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.join(" "))
}

/// Expressions that parse and fit their types.
fn sound(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|number| format!("({number})")),
        Just("tries".to_owned()),
        Just("queue.position".to_owned()),
        Just("length(account)".to_owned()),
        Just("hour(now)".to_owned()),
    ];
    leaf.prop_recursive(depth, 64, 2, |inner| {
        (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner)
            .prop_map(|(left, op, right)| format!("({left} {op} {right})"))
    })
    .boxed()
}

proptest! {
    #[test]
    fn no_text_panics_or_costs_more_than_its_budget(
        text in prop_oneof![any::<String>(), expression_like()],
        steps in 0u32..200,
    ) {
        let Ok(expr) = Expr::parse(&text) else { return Ok(()) };
        let mut budget = Budget::of(steps);
        let world = World::new();
        let value = expr.eval(&world, &mut budget);
        prop_assert!(budget.left() <= steps);
        if let Ok(Value::Text(text)) = &value {
            prop_assert!(text.chars().count() <= TEXT_MAX);
        }
        let kind = expr.kind(&|name| world.names.get(name).map(Value::kind));
        if let (Ok(kind), Ok(value)) = (&kind, &value) {
            prop_assert_eq!(*kind, value.kind());
        }
        if kind.is_ok() && !text.contains("date_add") {
            prop_assert_ne!(value, Err(EvalFault::WrongType), "the types were found to be right");
        }
        prop_assert_eq!(Expr::parse(expr.source()).map(|again| again == expr), Ok(true));
    }

    #[test]
    fn what_fits_its_types_gives_a_number_or_a_named_fault(text in sound(5)) {
        prop_assert_eq!(kind(&text), Ok(Type::Number));
        match eval(&text) {
            Ok(Value::Number(_)) | Err(EvalFault::DivisionByZero | EvalFault::OutOfRange) => {}
            other => prop_assert!(false, "{text}: {other:?}"),
        }
    }
}
