//! [`Notices`]: what the operator is told, at most once a minute each.
//!
//! Owns: which texts were told lately and how many were left out since. Does not own: what is worth
//! telling. A notice about one call is the same as the one about the next.

use hotline_base::{Mono, Partition};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a text is not told again.
const QUIET: Duration = Duration::from_secs(60);
/// Texts remembered; at the limit the one told first is forgotten.
const TEXTS_MAX: usize = 256;

/// The notices told lately; see the module.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    told: BTreeMap<(Option<Partition>, String), Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Mono,
    left_out: u64,
}

impl Notices {
    /// The text as it is to be told; `None` if it was told within the last minute.
    pub(crate) fn pass(
        &mut self,
        now: Mono,
        partition: Option<Partition>,
        text: String,
    ) -> Option<String> {
        let key = (partition, kind_of(&text).to_owned());
        let mut left_out = 0;
        if let Some(told) = self.told.get_mut(&key) {
            if now.since(told.at) < QUIET {
                told.left_out += 1;
                return None;
            }
            left_out = told.left_out;
        } else if self.told.len() >= TEXTS_MAX {
            let oldest = self.told.iter().min_by_key(|(_, told)| told.at);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.map(|key| self.told.remove(&key));
        }
        self.told.insert(key, Told { at: now, left_out: 0 });
        Some(match left_out {
            0 => text,
            more => format!("{text} (and {more} more like it since)"),
        })
    }
}

/// A text without the name of its call.
fn kind_of(text: &str) -> &str {
    match text.strip_prefix("call ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prompt was missing, and each of ten thousand callers an hour said so in the log.
    #[test]
    fn a_notice_is_told_once_a_minute_with_how_many_were_left_out() {
        let mut notices = Notices::default();
        let mut say = |s: u64, text: &str| {
            notices.pass(Mono::from_ms(s * 1_000), Some(Partition(1)), text.to_owned())
        };
        assert_eq!(say(0, "call 1: lost").as_deref(), Some("call 1: lost"));
        assert_eq!(say(1, "call 2: lost"), None);
        assert_eq!(say(59, "call 3: lost"), None);
        assert_eq!(say(59, "another").as_deref(), Some("another"));
        let text = "call 4: lost (and 2 more like it since)";
        assert_eq!(say(60, "call 4: lost").as_deref(), Some(text));
        assert_eq!(say(121, "call 5: lost").as_deref(), Some("call 5: lost"));
        for n in 0..1_000 {
            assert!(say(122, &format!("text {n}")).is_some());
        }
        assert!(notices.told.len() <= TEXTS_MAX);
    }
}
