//! [`Languages`]: which language callers are remembered to speak, bounded.
//!
//! Owns the table of one tenant. Does not own when a caller is remembered (a flow says so) nor what
//! is spoken when it is not there.

use std::collections::BTreeMap;

/// Callers remembered of one tenant; at the limit the one remembered longest ago is forgotten.
pub(crate) const CALLERS_MAX: usize = 100_000;

/// Languages by calling number.
#[derive(Debug, Default)]
pub(crate) struct Languages {
    callers: BTreeMap<String, (u64, String)>,
    /// Callers in the order in which they were remembered.
    order: BTreeMap<u64, String>,
    last: u64,
}

impl Languages {
    /// The language a caller speaks.
    pub fn of(&self, caller: &str) -> Option<&str> {
        self.callers.get(caller).map(|(_, language)| language.as_str())
    }

    /// A caller speaks a language from now on. Whether that is news.
    pub fn remember(&mut self, caller: &str, language: &str) -> bool {
        if caller.is_empty() || self.of(caller) == Some(language) {
            return false;
        }
        self.last += 1;
        let entry = (self.last, language.to_owned());
        if let Some((before, _)) = self.callers.insert(caller.to_owned(), entry) {
            self.order.remove(&before);
        }
        self.order.insert(self.last, caller.to_owned());
        if self.callers.len() > CALLERS_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.callers.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_language_counts_and_the_oldest_caller_is_forgotten() {
        let mut languages = Languages::default();
        assert!(!languages.remember("", "en"), "withheld");
        assert!(languages.remember("+15550001111", "en"));
        assert!(!languages.remember("+15550001111", "en"), "known");
        assert!(languages.remember("+15550001111", "es"));
        assert_eq!(languages.of("+15550001111"), Some("es"));
        for number in 0..CALLERS_MAX {
            languages.remember(&number.to_string(), "zh");
        }
        assert_eq!(languages.of("+15550001111"), None);
        assert_eq!((languages.callers.len(), languages.order.len()), (CALLERS_MAX, CALLERS_MAX));
    }
}
