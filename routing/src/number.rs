//! Normalisation of a dialled number: separators dropped, prefixes rewritten, `+` removed.
//!
//! Owns: from the text in a Request-URI, `tel:` or To to the digits that called routes are written
//! in. Does not own: which header the number is taken from (the trunk says), nor URI unescaping.
//! RFC 3966 §5.1.1 (visual separators), §3 (parameters after `;`).

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Most characters of a normalised number: a 20-digit access code, 12 of extension code, spare.
pub const NUMBER_MAX: usize = 40;
/// Most characters of a dialled number as it came, separators and parameters included.
pub const DIALLED_MAX: usize = 256;

/// Emergency numbers of the world's numbering plans: whoever may call nothing else may call these.
pub const EMERGENCY_NUMBERS: &[&str] = &["000", "110", "112", "119", "120", "911", "999"];

/// Whether a number calls for help.
pub fn is_emergency(number: &str) -> bool {
    EMERGENCY_NUMBERS.contains(&number)
}

/// How dialled numbers are normalised; a trunk has its own, the tenant's serve for the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberRules {
    /// Characters that are dropped wherever they stand.
    pub separators: String,
    /// Prefixes that are rewritten: the longest that matches, once.
    pub prefixes: Vec<PrefixRule>,
}

impl Default for NumberRules {
    fn default() -> Self {
        NumberRules { separators: String::from(" -.()/"), prefixes: Vec::new() }
    }
}

/// One prefix and what stands in its place (`+46` → `0`, `00` → ``).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixRule {
    /// What the number begins with after separators are dropped; `+`, digits, `*`, `#`.
    pub prefix: String,
    /// What it begins with instead.
    #[serde(default)]
    pub replace: String,
}

/// Why a dialled text is no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NotANumber {
    /// Nothing is left.
    #[error("the dialled number is empty")]
    Empty,
    /// More than [`DIALLED_MAX`] characters as dialled or [`NUMBER_MAX`] after normalisation.
    #[error("the dialled number is longer than {NUMBER_MAX} digits")]
    TooLong,
    /// Something else than digits, `*`, `#`, a leading `+` and separators.
    #[error("the dialled number holds {found:?}")]
    Character {
        /// The character.
        found: char,
    },
}

impl NumberRules {
    /// The digits (and `*`, `#`) of a dialled number, without `+`.
    ///
    /// # Errors
    /// [`NotANumber`] when it is none; the call is then unknown (404) or malformed (484).
    pub fn normalise(&self, dialled: &str) -> Result<CompactString, NotANumber> {
        if dialled.len() > DIALLED_MAX {
            return Err(NotANumber::TooLong);
        }
        let bare = dialled.split(';').next().unwrap_or_default();
        let mut number = CompactString::const_new("");
        for found in bare.chars() {
            match found {
                '0'..='9' | '*' | '#' => number.push(found),
                '+' if number.is_empty() => number.push(found),
                _ if self.separators.contains(found) => {}
                _ => return Err(NotANumber::Character { found }),
            }
        }
        let longest = self
            .prefixes
            .iter()
            .filter(|rule| !rule.prefix.is_empty() && number.starts_with(rule.prefix.as_str()))
            .max_by_key(|rule| rule.prefix.len());
        if let Some(rule) = longest {
            let mut rewritten = CompactString::new(&rule.replace);
            rewritten.push_str(number.get(rule.prefix.len()..).unwrap_or_default());
            number = rewritten;
        }
        if number.starts_with('+') {
            number.remove(0);
        }
        match number.len() {
            0 => Err(NotANumber::Empty),
            length if length > NUMBER_MAX => Err(NotANumber::TooLong),
            _ => Ok(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_normalised_by_rules() {
        let rules = NumberRules {
            prefixes: [("+46", "0"), ("00", ""), ("0046", "0"), ("+", "")]
                .map(|(prefix, replace)| PrefixRule {
                    prefix: prefix.into(),
                    replace: replace.into(),
                })
                .into(),
            ..NumberRules::default()
        };
        let plain = NumberRules::default();
        let check = |rules: &NumberRules, dialled: &str, expected: Result<&str, NotANumber>| {
            let number = rules.normalise(dialled);
            assert_eq!(number.as_deref().map_err(Clone::clone), expected, "{dialled}");
        };
        check(&plain, "123451", Ok("123451"));
        check(&plain, "+1 (555) 000-10.01", Ok("15550001001"));
        check(&plain, "123451;phone-context=example.com", Ok("123451"));
        check(&plain, "12345*1#", Ok("12345*1#"));
        check(&rules, "+46 8 123", Ok("08123"));
        check(&rules, "0046-8-123", Ok("08123"));
        check(&rules, "004412", Ok("4412"));
        check(&rules, "+4412", Ok("4412"));
        check(&plain, "", Err(NotANumber::Empty));
        check(&plain, " -;x", Err(NotANumber::Empty));
        check(&plain, "+", Err(NotANumber::Empty));
        check(&plain, "12+3", Err(NotANumber::Character { found: '+' }));
        check(&plain, "alice", Err(NotANumber::Character { found: 'a' }));
        check(&plain, "12é", Err(NotANumber::Character { found: 'é' }));
        check(&plain, &"1".repeat(41), Err(NotANumber::TooLong));
        check(&plain, &"-".repeat(300), Err(NotANumber::TooLong));
    }
}
