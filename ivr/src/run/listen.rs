//! Listening: digits by menus, collections and sign-ins.
//!
//! ```text
//!  Saying ──ended──▶ First ──time-out──▶ Nothing
//!     └──digit (barge-in)──┴──digit──▶ Between ──time-out, enough──▶ Taken | NoMatch
//! ```
//! Owns: barge-in, first-digit and inter-digit time-outs, keys where the longest match wins, minimum,
//! maximum and terminator. Does not own: retries and edges ([`super::node`]), type-ahead itself
//! ([`super::digits`]).
//!
//! What is typed counts the same however fast it is typed, but for the time-outs: wrong digits do
//! not throw away those after them.

use super::io::Sound;
use super::{PLAY_MAX, Run, State};
use crate::model::{Listening, Name};
use hotline_base::{Mono, Now, Redacted};
use std::collections::BTreeMap;
use std::time::Duration;

/// One listening: from what is said to what was heard.
pub(super) struct Listener {
    typed: String,
    phase: Phase,
    /// Retries so far.
    pub(super) retry: u8,
}

enum Phase {
    Saying { until: Mono },
    First { until: Mono },
    Between { until: Mono },
}

/// How to listen.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub(super) barge_in: bool,
    pub(super) first: Duration,
    pub(super) between: Duration,
}

impl From<&Listening> for Manners {
    fn from(listening: &Listening) -> Manners {
        Manners {
            barge_in: listening.barge_in,
            first: Duration::from_millis(listening.first_digit_ms.into()),
            between: Duration::from_millis(listening.inter_digit_ms.into()),
        }
    }
}

/// What is listened for.
pub(super) enum Wanted<'a> {
    Key(&'a BTreeMap<String, Name>),
    Text { min: usize, max: usize, terminator: Option<char> },
}

/// What was heard.
pub(super) enum Heard {
    /// Not enough yet.
    Still(Listener),
    /// A key, or a text without its terminator.
    Taken(Redacted<String>),
    /// Nothing was typed.
    Nothing,
    /// Something else was typed.
    NoMatch,
}

enum Verdict {
    More,
    /// So many of the digits typed; the others are for whoever comes next.
    Taken(usize),
    NoMatch,
}

impl Listener {
    pub(super) fn deadline(&self) -> Mono {
        match self.phase {
            Phase::Saying { until } | Phase::First { until } | Phase::Between { until } => until,
        }
    }
}

impl Run {
    /// Begins to listen: says something, unless digits typed ahead make that needless.
    pub(super) fn listen(
        &mut self,
        now: Now,
        sounds: Vec<Sound>,
        manners: Manners,
        retry: u8,
    ) -> Listener {
        let needless = manners.barge_in && self.digits.any();
        let said = if needless { None } else { self.play(sounds, false) };
        let phase = match said {
            Some(_) => Phase::Saying { until: now.mono + PLAY_MAX },
            None => {
                self.stop();
                Phase::First { until: now.mono + manners.first }
            }
        };
        Listener { typed: String::new(), phase, retry }
    }

    /// Takes the digits that are there.
    pub(super) fn hear(
        &mut self,
        now: Now,
        mut listener: Listener,
        manners: Manners,
        wanted: &Wanted<'_>,
    ) -> Heard {
        if matches!(listener.phase, Phase::Saying { .. }) && !manners.barge_in {
            return Heard::Still(listener);
        }
        while let Some(digit) = self.digits.next() {
            self.stop();
            listener.typed.push(digit);
            listener.phase = Phase::Between { until: now.mono + manners.between };
            match wanted.judge(&listener.typed) {
                Verdict::More => {}
                verdict => return self.settle(now, listener, manners, wanted, verdict),
            }
        }
        Heard::Still(listener)
    }

    /// What was said has ended.
    pub(super) fn hear_said(
        &mut self,
        now: Now,
        mut listener: Listener,
        manners: Manners,
        wanted: &Wanted<'_>,
    ) -> Heard {
        if matches!(listener.phase, Phase::Saying { .. }) {
            listener.phase = Phase::First { until: now.mono + manners.first };
        }
        self.hear(now, listener, manners, wanted)
    }

    /// The deadline has passed.
    pub(super) fn hear_expired(
        &mut self,
        now: Now,
        listener: Listener,
        manners: Manners,
        wanted: &Wanted<'_>,
    ) -> Heard {
        match listener.phase {
            Phase::Saying { .. } => {
                self.stop();
                self.hear_said(now, listener, manners, wanted)
            }
            Phase::First { .. } => Heard::Nothing,
            Phase::Between { .. } => {
                let verdict = wanted.judge_at_the_end(&listener.typed);
                self.settle(now, listener, manners, wanted, verdict)
            }
        }
    }

    fn settle(
        &mut self,
        now: Now,
        listener: Listener,
        manners: Manners,
        wanted: &Wanted<'_>,
        verdict: Verdict,
    ) -> Heard {
        let Listener { mut typed, .. } = listener;
        let Verdict::Taken(length) = verdict else { return Heard::NoMatch };
        if let Wanted::Text { terminator: Some(terminator), max, .. } = wanted {
            if typed.ends_with(*terminator) {
                typed.pop();
            } else if typed.len() >= *max {
                self.digits.expect_trailing(*terminator, now.mono + manners.between);
            }
        } else if let Some(rest) = typed.get(length..) {
            self.digits.give_back(rest);
            typed.truncate(length);
        }
        Heard::Taken(Redacted::new(typed))
    }

    /// Listens on, or gives what was heard.
    pub(super) fn listening(&mut self) -> Option<Listener> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Listening(listener) => Some(listener),
            other => {
                self.state = other;
                None
            }
        }
    }
}

impl Wanted<'_> {
    /// After a digit. All digits are ASCII, so that lengths are numbers of digits.
    fn judge(&self, typed: &str) -> Verdict {
        match self {
            Wanted::Key(keys) => {
                let longer = |key: &String| key.len() > typed.len() && key.starts_with(typed);
                if keys.keys().any(longer) { Verdict::More } else { longest(keys, typed) }
            }
            Wanted::Text { min, max, terminator } => {
                let ended = terminator.is_some_and(|terminator| typed.ends_with(terminator));
                let length = typed.len() - usize::from(ended);
                match (ended, length) {
                    (true, length) if length < *min => Verdict::NoMatch,
                    (true, length) => Verdict::Taken(length),
                    (false, length) if length >= *max => Verdict::Taken(length),
                    _ => Verdict::More,
                }
            }
        }
    }

    /// When no more digits come.
    fn judge_at_the_end(&self, typed: &str) -> Verdict {
        match self {
            Wanted::Key(keys) => longest(keys, typed),
            Wanted::Text { min, .. } if typed.len() < *min => Verdict::NoMatch,
            Wanted::Text { .. } => Verdict::Taken(typed.len()),
        }
    }
}

/// The longest key that what was typed begins with.
fn longest(keys: &BTreeMap<String, Name>, typed: &str) -> Verdict {
    let fitting = keys.keys().filter(|key| !key.is_empty() && typed.starts_with(key.as_str()));
    fitting.map(String::len).max().map_or(Verdict::NoMatch, Verdict::Taken)
}
