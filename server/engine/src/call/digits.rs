//! [`Digits`]: what the peer of one leg has pressed, however it came.
//!
//! Owns: one arbiter a leg, so that a press that comes by two ways (telephone-events, SIP INFO, tones
//! in the audio) counts once while fast repeats by one way count each; reading INFO bodies. Does not
//! own: recognising telephone-events and tones (the media workers), what a press means
//! ([`super::flow`]), or passing telephone-events on in a bridge (the workers again).
//! RFC 4733; RFC 6086 with `application/dtmf-relay` and `application/dtmf`.
//!
//! Reports of one press differ in time: one way tells of it when it begins, another when it ends,
//! and an INFO may be repeated on the way. So each report covers a stretch of time, and another way's
//! report of the same digit within [`SLACK`] of it is of the same press, if that way has not told of
//! it already: of `1 1` each way tells twice, and the second reports find each other.

use super::call::{Call, State};
use super::{Side, Step};
use crate::input::Output;
use hotline_base::Mono;
use hotline_media::command::{Command, DigitSource};
use hotline_sip::header::HeaderName;
use hotline_sip::message::Message;
use std::collections::VecDeque;
use std::time::Duration;

/// How far apart the reports of one press by two ways may lie, beyond the press itself.
const SLACK: Duration = Duration::from_millis(1_000);
/// Presses remembered, and the longest that one may be.
const RECENT_MAX: usize = 32;
const PRESS_MAX: Duration = Duration::from_secs(10);
/// Digits taken from one INFO.
const INFO_DIGITS_MAX: usize = 16;
/// What an INFO of ours may hold.
pub(crate) const INFO_TYPES: &str = "application/dtmf-relay, application/dtmf";

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As telephone-events.
    Rtp,
    /// As tones in the audio.
    InBand,
    /// In a SIP INFO.
    Info,
}

impl From<DigitSource> for Way {
    fn from(source: DigitSource) -> Way {
        match source {
            DigitSource::Rtp => Way::Rtp,
            DigitSource::InBand => Way::InBand,
        }
    }
}

/// One press and the ways that have told of it. Its digit is not for any log.
#[derive(Clone, Copy)]
struct Press {
    digit: char,

    until: Mono,
    ways: [bool; 3],
}

/// The presses of one leg's peer; see the module.
#[derive(Clone, Default)]
pub(crate) struct Digits {
    recent: VecDeque<Press>,
    /// Whether telephone-events have come: what a bridge passes on, an INFO need not repeat.
    by_rtp: bool,
}

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digits").field("by_rtp", &self.by_rtp).finish_non_exhaustive()
    }
}

impl Digits {
    /// A way tells of a press that has lasted this long by now; whether it is a new one.
    pub fn is_new(&mut self, now: Mono, digit: char, way: Way, lasted: Duration) -> bool {
        self.by_rtp |= way == Way::Rtp;
        let reach = lasted.min(PRESS_MAX) + SLACK;
        let oldest = now.0.saturating_sub((PRESS_MAX + SLACK).as_nanos() as u64);
        self.recent.retain(|press| press.until.0 >= oldest);
        let same = self.recent.iter_mut().find(|press| {
            press.digit == digit && !press.ways[way as usize] && now.since(press.until) <= reach
        });
        if let Some(press) = same {
            press.ways[way as usize] = true;
            press.until = now;
            return false;
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        let mut ways = [false; 3];
        ways[way as usize] = true;
        self.recent.push_back(Press { digit, until: now, ways });
        true
    }
}

/// What an INFO says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Info {
    /// Digits (or none: a flash, an empty INFO), each pressed so long.
    Digits(String, Duration),
    /// It says that it holds a digit, but does not: 400.
    Malformed,
    /// A body of another type: 415.
    Other,
    /// It belongs to an Info Package, of which we take none: 469 (RFC 6086 §4.2.2).
    Package,
}

impl Info {
    /// Reads an INFO.
    pub fn of(message: &Message) -> Info {
        if message.count(HeaderName::InfoPackage) > 0 {
            return Info::Package;
        }
        let body = message.body();
        if body.is_empty() {
            return Info::Digits(String::new(), Duration::ZERO);
        }
        let text = String::from_utf8_lossy(body);
        if message.content_type_is("application/dtmf-relay") {
            relay(&text)
        } else if message.content_type_is("application/dtmf") {
            keys(text.trim()).map_or(Info::Malformed, |digits| Info::Digits(digits, Duration::ZERO))
        } else {
            Info::Other
        }
    }
}

/// `Signal=5` and, if it is there, `Duration=160` (ms).
fn relay(body: &str) -> Info {
    let field = |wanted: &str| {
        body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let lasted_ms = match field("duration").map(str::parse::<u32>) {
        None => 0,
        Some(Ok(ms)) => ms,
        Some(Err(_)) => return Info::Malformed,
    };
    match field("signal").and_then(keys) {
        Some(digits) => Info::Digits(digits, Duration::from_millis(u64::from(lasted_ms))),
        None => Info::Malformed,
    }
}

/// The keys that a signal names; none for a flash, `None` if it names something else. Some phones
/// number the keys as telephone-events are: 10 is `*`, 11 is `#`.
fn keys(signal: &str) -> Option<String> {
    let key = match signal {
        "10" => "*",
        "11" => "#",
        "12" => "A",
        "13" => "B",
        "14" => "C",
        "15" => "D",
        "16" | "!" => return Some(String::new()),
        other => other,
    };
    let keys = key.to_ascii_uppercase();
    let known = keys.chars().all(|c| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D'));
    let fits = !keys.is_empty() && keys.len() <= INFO_DIGITS_MAX;
    (known && fits).then_some(keys)
}

impl Call {
    /// A way tells of a digit of one side. What is no repetition is acted upon.
    pub fn digit_heard(
        &mut self,
        step: &mut Step<'_, '_>,
        side: Side,
        digit: char,
        way: Way,
        lasted: Duration,
    ) {
        let now = step.cx.now.mono;
        let Some(leg) = self.leg_mut(side) else { return };
        if !leg.media.digits.is_new(now, digit, way, lasted) {
            return;
        }
        let by_rtp = leg.media.digits.by_rtp;
        if self.key(step, side, digit) {
            return;
        }
        if side == Side::Caller && self.flow_takes_digit(step, digit, lasted) {
            return;
        }
        // Telephone-events and tones are passed on by the workers.
        let passed_on = way != Way::Info || by_rtp;
        if !passed_on {
            self.pass_digits_on(step, side, &digit.to_string());
        }
    }

    /// Sends digits of one side to whom it talks to: in a conference to both.
    pub fn pass_digits_on(&mut self, step: &mut Step<'_, '_>, side: Side, digits: &str) {
        if !matches!(self.state, State::Connected(_)) {
            return;
        }
        let other = self.leg_mut(side.other()).map(|leg| leg.media.leg);
        let of = self.consult_of.as_ref().filter(|of| of.conference && of.parent.is_some());
        let customer = of.map(|of| of.customer);
        let others = self.consult.iter().flat_map(|consult| consult.others.iter().copied());
        for leg in other.into_iter().chain(customer).chain(others) {
            let command = Command::SendDigits { leg, digits: digits.to_owned() };
            step.cx.out.push_back(Output::Media(command));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When (ms), which digit, by which way, how long the press was by then (ms).
    type Report = (u64, char, Way, u64);

    /// What is counted of reports at these times (ms), by these ways, of presses that long.
    fn counted(reports: &[Report]) -> String {
        let mut digits = Digits::default();
        let new = |&&(at, digit, way, lasted): &&Report| {
            digits.is_new(Mono::from_ms(at), digit, way, Duration::from_millis(lasted))
        };
        reports.iter().filter(new).map(|report| report.1).collect()
    }

    #[test]
    fn a_press_by_two_ways_counts_once_and_fast_repeats_by_one_way_each() {
        use Way::{InBand, Info, Rtp};
        let rows: &[(&[Report], &str)] = &[
            (&[(1_000, '1', Rtp, 100), (1_020, '1', Info, 160)], "1"),
            (&[(1_000, '1', Info, 160), (1_120, '1', Rtp, 100)], "1"),
            (&[(1_000, '1', Info, 0), (1_060, '1', InBand, 60), (1_100, '1', Rtp, 80)], "1"),
            // Repeats, however fast.
            (&[(1_000, '1', Rtp, 50), (1_080, '1', Rtp, 50), (1_160, '1', Rtp, 50)], "111"),
            (&[(1_000, '1', Info, 250), (1_010, '1', Info, 250)], "11"),
            // Both ways of two presses, in step and late.
            (
                &[(0, '1', Rtp, 50), (5, '1', Info, 50), (100, '1', Rtp, 50), (105, '1', Info, 50)],
                "11",
            ),
            (
                &[
                    (0, '1', Rtp, 50),
                    (100, '1', Rtp, 50),
                    (500, '1', Info, 50),
                    (600, '1', Info, 50),
                ],
                "11",
            ),
            (&[(0, '1', Rtp, 0), (90, '2', Rtp, 0), (95, '1', Info, 0), (180, '2', Info, 0)], "12"),
            // A key held for three seconds: one way tells when it begins, the other at its end.
            (&[(1_000, '7', Info, 0), (4_000, '7', Rtp, 3_000)], "7"),
            (&[(1_000, '7', InBand, 40), (4_100, '7', Info, 3_000)], "7"),
            // Too far apart to be one press.
            (&[(1_000, '1', Rtp, 100), (2_200, '1', Info, 160)], "11"),
            (&[(1_000, '1', Rtp, 100), (1_020, '2', Info, 160)], "12"),
        ];
        for (reports, expected) in rows {
            assert_eq!(counted(reports), *expected, "{reports:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut digits = Digits::default();
        for n in 0..10_000 {
            digits.is_new(Mono::from_ms(n), '5', Way::Rtp, Duration::from_secs(1 << 40));
        }
        assert!(digits.recent.len() <= RECENT_MAX);
    }

    #[test]
    fn what_an_info_may_say() {
        let digits = |text: &str, ms: u64| Info::Digits(text.into(), Duration::from_millis(ms));
        for (body, expected) in [
            ("Signal=5\r\nDuration=160\r\n", digits("5", 160)),
            ("signal = #", digits("#", 0)),
            ("Duration=90\r\nSignal=10", digits("*", 90)),
            ("Signal=c\n", digits("C", 0)),
            ("Signal=16", digits("", 0)),
            ("Signal=", Info::Malformed),
            ("Signal=x", Info::Malformed),
            ("Signal=5\r\nDuration=long", Info::Malformed),
            ("Duration=160", Info::Malformed),
            ("5", Info::Malformed),
        ] {
            assert_eq!(relay(body), expected, "{body:?}");
        }
        for (body, expected) in [
            ("5", Some("5")),
            ("123#", Some("123#")),
            ("", None),
            ("12345678901234567", None),
            ("5;6", None),
        ] {
            assert_eq!(keys(body).as_deref(), expected, "{body:?}");
        }
    }
}
