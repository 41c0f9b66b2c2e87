//! What languages lack: prompts that will be heard in another language, or not at all.
//!
//! Owns: which prompts a language should have, and what is heard instead of each: the tenant's own
//! prompt, the standard one, the same in the tenant's default language, in English. Does not own:
//! which prompts flows name (their checker).

use hotline_ivr::say;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names that are shown of a gap; the rest is counted.
const NAMES_SHOWN: usize = 8;
/// What is heard when a tenant's default language has nothing either.
const LAST_LANGUAGE: &str = "en";

/// Prompts that a language lacks and that have one thing in common: what is heard instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The language.
    pub language: String,
    /// The prompts, by name.
    pub names: Vec<String>,
    /// The language that is heard instead; `None`: nothing is heard.
    pub instead: Option<String>,
}

/// What `languages` lack. `recorded` are the names there are by language, standard and own.
///
/// A language should have the standard sentences, the units of its values, and whatever any other
/// of the languages has.
pub fn gaps(
    languages: &BTreeSet<String>,
    default_language: &str,
    recorded: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let has = |language: &str, name: &str| {
        recorded.get(language).is_some_and(|names| names.contains(name))
    };
    let units: BTreeMap<&str, Vec<say::Unit>> =
        say::languages().map(|language| (language, say::units(language))).collect();
    let is_unit = |name: &str| units.values().flatten().any(|unit| *unit == name);
    for language in languages {
        let mut wanted: BTreeSet<String> = say::SENTENCES.iter().map(|&name| name.into()).collect();
        wanted.extend(say::units(language).into_iter().map(String::from));
        let others = languages.iter().filter_map(|other| recorded.get(other)).flatten();
        wanted.extend(others.filter(|name| !is_unit(name)).cloned());
        let mut lacking: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
        for name in wanted.into_iter().filter(|name| !has(language, name)) {
            let mut others = [default_language, LAST_LANGUAGE].into_iter();
            let instead = others.find(|other| has(other, &name));
            lacking.entry(instead).or_default().push(name);
        }
        gaps.extend(lacking.into_iter().map(|(instead, names)| Gap {
            language: language.clone(),
            names,
            instead: instead.map(String::from),
        }));
    }
    gaps
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gap { language, names, instead } = self;
        let shown = names.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        write!(f, "language {language:?} lacks {} prompts: {shown}", names.len())?;
        if names.len() > NAMES_SHOWN {
            write!(f, " and {} more", names.len() - NAMES_SHOWN)?;
        }
        match instead {
            Some(instead) => write!(f, "; they are heard in {instead:?}"),
            None => write!(f, "; nothing is heard in their place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::standard;

    fn languages(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|&language| language.into()).collect()
    }

    #[test]
    fn the_standard_languages_lack_nothing() {
        assert_eq!(gaps(&languages(&["en", "zh", "es"]), "en", &standard()), []);
    }

    #[test]
    fn what_one_language_has_of_the_tenants_own_the_others_should_have() {
        let mut recorded = standard();
        recorded.get_mut("zh").unwrap().insert("lottery".into());
        let all = languages(&["en", "es", "zh"]);
        let in_mandarin = gaps(&all, "zh", &recorded);
        assert_eq!(in_mandarin.len(), 2);
        assert_eq!(
            in_mandarin[0].to_string(),
            "language \"en\" lacks 1 prompts: lottery; they are heard in \"zh\""
        );
        assert_eq!(
            gaps(&all, "en", &recorded)[1].to_string(),
            "language \"es\" lacks 1 prompts: lottery; nothing is heard in their place"
        );
        // A tenant that speaks no Mandarin is not asked for it.
        assert_eq!(gaps(&languages(&["en"]), "en", &recorded), []);
    }

    #[test]
    fn a_language_without_recordings_is_heard_in_the_tenants_and_named_once() {
        let found = gaps(&languages(&["sv", "zh"]), "zh", &standard());
        let [gap] = &found[..] else { panic!("{found:?}") };
        assert_eq!((gap.language.as_str(), gap.instead.as_deref()), ("sv", Some("zh")));
        assert!(gap.names.iter().any(|name| name == "digit_7"));
        assert!(gap.to_string().contains("agents_available, all_busy, "), "{gap}");
        assert!(gap.to_string().contains(" more; they are heard in \"zh\""), "{gap}");
    }
}
