//! What is played when: the wait and hold tones, the employee ID, values that are spoken, the
//! announcement before a release.
//!
//! Owns the choice of assets from the tenant's prompts and tones. Does not own when a play begins
//! or what its end means ([`super::call`]). A prompt that is missing is left out and named, so that
//! the call goes on and the operator learns of it.

use crate::config::{AGENT_BEEP, TenantConfig, WAIT_TONE};
use hotline_ivr::say::{self, Say};
use hotline_media::command::{AssetId, PlayItem};
use hotline_media::tone;
use hotline_routing::OverflowWhy;
use hotline_routing::config::{HoldMethod, WaitMethod};
use std::time::Duration;

/// Pause between the words of an announcement, ms.
const WORD_GAP_MS: u32 = 80;
/// Pause between two askings whether a mobile agent accepts a call, ms.
const ACCEPT_PAUSE_MS: u32 = 2_000;
/// How much longer than its length a play may take before it counts as ended.
pub(crate) const PLAY_SLACK: Duration = Duration::from_secs(5);

/// Something to be played once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// The pieces, in order; empty if none of its prompts is there.
    pub items: Vec<PlayItem>,
    /// How long they are together.
    pub duration: Duration,
    /// The first prompt that is missing.
    pub missing: Option<String>,
}

impl Announcement {
    /// A prompt by name.
    pub fn prompt(config: &TenantConfig, language: &str, name: &str) -> Announcement {
        let mut announcement = Announcement::default();
        announcement.add(config, language, name);
        announcement
    }

    /// What a caller hears when an agent answers: "you are speaking with agent", and the digits.
    pub fn employee_id(config: &TenantConfig, language: &str, employee_id: &str) -> Announcement {
        Announcement::units(config, language, &say::employee_id(language, employee_id))
    }

    /// Recorded units one after the other, with a pause between them.
    pub fn units(config: &TenantConfig, language: &str, units: &[say::Unit]) -> Announcement {
        let mut announcement = Announcement::default();
        for (index, unit) in units.iter().enumerate() {
            if index > 0 {
                announcement.pause(WORD_GAP_MS);
            }
            announcement.add(config, language, unit);
        }
        if !announcement.items.iter().any(|item| matches!(item, PlayItem::Asset(_))) {
            announcement.items.clear();
            announcement.duration = Duration::ZERO;
        }
        announcement
    }

    /// A value spoken by the rules of the first language that has all its units recorded: the
    /// caller's, the tenant's, English; so that no announcement mixes two. Without such a language,
    /// what there is of the caller's.
    pub fn spoken(
        config: &TenantConfig,
        language: &str,
        speak: impl Fn(&str) -> Vec<say::Unit>,
    ) -> Announcement {
        let is_complete = |language: &&str| {
            let recorded = config.prompts.get(*language);
            recorded.is_some_and(|all| speak(language).iter().all(|unit| all.contains_key(*unit)))
        };
        let languages = [language, config.language.as_str(), "en"];
        let language = languages.into_iter().find(is_complete).unwrap_or(language);
        Announcement::units(config, language, &speak(language))
    }

    fn pause(&mut self, ms: u32) {
        self.items.push(PlayItem::Silence(ms));
        self.duration += Duration::from_millis(u64::from(ms));
    }

    /// What the agent hears while its employee ID is read to the caller: a short tone, then
    /// silence on the wire for as long as the reading takes, so that its stream never pauses.
    pub fn beep(reading: Duration) -> Vec<PlayItem> {
        let silence_ms = reading.as_millis().saturating_sub(u128::from(tone::BEEP_MS));
        let silence_ms = u32::try_from(silence_ms).unwrap_or(u32::MAX);
        vec![PlayItem::Asset(AGENT_BEEP), PlayItem::Silence(silence_ms)]
    }

    /// What a single-phone agent hears of a call: a tone, and the queue's name if it was recorded.
    pub fn call_for(config: &TenantConfig, language: &str, queue: Option<&str>) -> Announcement {
        let mut announcement = Announcement::default();
        announcement.items.push(PlayItem::Asset(AGENT_BEEP));
        announcement.duration = Duration::from_millis(u64::from(tone::BEEP_MS));
        let name = queue.filter(|queue| config.prompt(language, queue).is_some());
        if let Some(name) = name {
            announcement.add(config, language, "call_for");
            announcement.add(config, language, name);
        }
        announcement.missing = None;
        announcement
    }

    /// The same for one who must say that it is there: which key accepts, and a pause to press it.
    pub fn to_accept(config: &TenantConfig, language: &str, queue: Option<&str>) -> Announcement {
        let mut announcement = Announcement::call_for(config, language, queue);
        announcement.add(config, language, "to_accept_press");
        let key = match config.single_phone.confirm_digit {
            '*' => vec!["star_key"],
            '#' => vec!["pound_key"],
            digit => say::say(language, Say::Digits(digit.encode_utf8(&mut [0; 4]))),
        };
        key.into_iter().for_each(|unit| announcement.add(config, language, unit));
        announcement.items.push(PlayItem::Silence(ACCEPT_PAUSE_MS));
        announcement
    }

    /// What is said to an agent about what it has pressed: what of it was recorded, else a tone.
    pub fn said(config: &TenantConfig, language: &str, names: &[&str]) -> Announcement {
        let mut announcement = Announcement::default();
        names.iter().for_each(|name| announcement.add(config, language, name));
        if announcement.items.is_empty() {
            announcement.items.push(PlayItem::Asset(AGENT_BEEP));
            announcement.duration = Duration::from_millis(u64::from(tone::BEEP_MS));
        }
        announcement
    }

    fn add(&mut self, config: &TenantConfig, language: &str, name: &str) {
        match config.prompt(language, name) {
            Some(prompt) => {
                self.items.push(PlayItem::Asset(prompt.asset));
                self.duration += Duration::from_millis(u64::from(prompt.duration_ms));
            }
            None => {
                self.missing.get_or_insert_with(|| name.to_owned());
            }
        }
    }
}

/// What waiting or held parties hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tone {
    /// The asset that plays.
    pub asset: AssetId,
    /// The tone by name that was to play, if it is not there and the default plays.
    pub missing: Option<String>,
}

impl Tone {
    /// The default tone, as it is wanted.
    const DEFAULT: Tone = Tone { asset: WAIT_TONE, missing: None };
}

/// The tenant's standard announcement before a release.
pub(crate) fn standard_prompt(why: OverflowWhy) -> &'static str {
    match why {
        OverflowWhy::Timeout => "all_busy",
        OverflowWhy::Busy => "queue_full",
        OverflowWhy::NoAgents => "no_agents",
        OverflowWhy::Removed => "fault",
    }
}

/// What a waiting caller hears.
pub(crate) fn wait_tone(config: &TenantConfig, method: &WaitMethod) -> Tone {
    match method {
        WaitMethod::Tone(name) => named_tone(config, name),
        WaitMethod::Default | WaitMethod::Flow(_) => Tone::DEFAULT,
    }
}

/// What a held party hears.
pub(crate) fn hold_tone(config: &TenantConfig, method: &HoldMethod) -> Tone {
    match method {
        HoldMethod::Tone(name) => named_tone(config, name),
        HoldMethod::Default => Tone::DEFAULT,
    }
}

fn named_tone(config: &TenantConfig, name: &str) -> Tone {
    match config.tones.get(name) {
        Some(tone) => Tone { asset: tone.asset, missing: None },
        None => Tone { asset: WAIT_TONE, missing: Some(name.to_owned()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FIRST_PROMPT, Prompt};

    /// The announcement told everybody to press 1; who had another confirmation digit and obeyed
    /// had rejected the call.
    #[test]
    fn the_key_that_accepts_is_the_one_that_is_named() {
        let mut config = TenantConfig::default();
        let names = [
            "call_for",
            "support",
            "to_accept_press",
            "digit_1",
            "digit_7",
            "star_key",
            "pound_key",
        ];
        let prompts = config.prompts.entry("en".to_owned()).or_default();
        for (name, number) in names.into_iter().zip(FIRST_PROMPT.0..) {
            prompts.insert(name.into(), Prompt { asset: AssetId(number), duration_ms: 100 });
        }
        for (digit, named) in
            [('1', "digit_1"), ('7', "digit_7"), ('*', "star_key"), ('#', "pound_key")]
        {
            config.single_phone.confirm_digit = digit;
            let asked = Announcement::to_accept(&config, "en", Some("support"));
            let asset = |name: &str| PlayItem::Asset(config.prompts["en"][name].asset);
            let expected = ["call_for", "support", "to_accept_press", named].map(asset);
            assert_eq!(asked.items[0], PlayItem::Asset(AGENT_BEEP));
            assert_eq!(asked.items[1..5], expected, "{digit}");
        }
    }
}
