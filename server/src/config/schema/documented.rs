//! The reference of a centre names every key, with its default and range.

use super::kinds::{KINDS, TENANT};
use super::{Field, Rule};

const REFERENCE: &str = include_str!("../../../../docs/centre.md");

/// The part of the page about a kind of object.
fn section(heading: &str) -> &'static str {
    let at = REFERENCE.find(heading).unwrap_or_else(|| panic!("no section {heading:?}"));
    let rest = &REFERENCE[at + heading.len()..];
    rest.split("\n## ").next().unwrap_or(rest)
}

fn check(page: &str, path: &str, field: &Field) {
    let key = format!("`{}`", field.key);
    assert!(page.contains(&key), "{path}: docs/centre.md does not name it");
    let inner = match &field.rule {
        Rule::Table(fields) | Rule::List(Rule::Table(fields), _) => *fields,
        _ => &[],
    };
    inner.iter().for_each(|inner| check(page, &format!("{path}.{}", inner.key), inner));
    let Some(row) = page.lines().find(|line| line.starts_with(&format!("| {key} |"))) else {
        return;
    };
    assert!(!field.mandatory || row.contains("**M**"), "{path} is mandatory: {row}");
    if let Rule::Integer(from, to, _) = field.rule {
        assert!(row.contains(&format!("{from}–{to}")), "{path} is {from}–{to}: {row}");
    }
    if let Rule::Choice(words) = field.rule {
        words.iter().for_each(|word| assert!(row.contains(&format!("`{word}`")), "{path}: {row}"));
    }
    let simple = !field.default.is_empty() && !field.default.starts_with('{');
    assert!(!simple || row.contains(&format!("`{}`", field.default)), "{path}: {row}");
}

#[test]
fn every_key_stands_in_the_reference_with_its_range_and_default() {
    let page = section("## `[tenant]`");
    TENANT.fields.iter().for_each(|field| check(page, &format!("tenant.{}", field.key), field));
    for kind in KINDS {
        let page = section(&format!("## `[[{}]]`", kind.name));
        for field in kind.fields {
            check(page, &format!("{}.{}", kind.name, field.key), field);
        }
    }
}
