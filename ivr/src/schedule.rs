//! [`WorkingTime`]: when a centre is open, in civil time of a zone.
//!
//! Owns: workdays and non-workdays with their segments, holidays, whether it is open at an instant
//! and when that changes next. Does not own: what happens outside working time (a route's or a
//! flow's).
//!
//! A segment belongs to the day on which it begins, and may cross midnight: with
//! `workday = [["22:00", "06:00"]]` the night after Friday ends on Saturday at 06:00, also where
//! Saturday is no workday, and the night before Monday does not begin on Sunday.
//!
//! All is in civil time. Where clocks are put forward, a segment within the missing hour does not
//! come; where they are put back, a segment within the hour that comes twice comes twice.

use hotline_base::Wall;
use hotline_base::calendar::{Civil, TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Most segments of a kind of day.
pub const SEGMENTS_MAX: usize = 4;
/// Most holidays of a working time.
pub const HOLIDAYS_MAX: usize = 1_000;
/// How many days [`WorkingTime::next_change`] looks ahead.
const DAYS_AHEAD_MAX: u32 = 400;
const MINUTES_A_DAY: u16 = 1_440;
/// From one midnight, so much later is always within the next day: days have 23 to 25 hours.
const INTO_NEXT_DAY: Duration = Duration::from_secs(36 * 3_600);

/// A working time, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct WorkingTime {
    name: String,
    zone: Option<(String, TimeZone)>,
    workdays: BTreeSet<Weekday>,
    workday: Vec<Segment>,
    non_workday: Vec<Segment>,
    holidays: BTreeSet<Date>,
}

/// A working time as it is written: a `[[working_time]]` of `centre.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Its name: 1–64 characters.
    pub name: String,
    /// A zone of the IANA database; the tenant's if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `mon` … `sun`; Monday to Friday if not given.
    #[serde(default = "monday_to_friday")]
    pub workdays: Vec<String>,
    /// At most [`SEGMENTS_MAX`] of `["08:00", "12:00"]`.
    #[serde(default)]
    pub workday: Vec<[String; 2]>,
    /// The same for other days and for holidays.
    #[serde(default)]
    pub non_workday: Vec<[String; 2]>,
    /// Dates, `2026-12-25`, that are no workdays: at most [`HOLIDAYS_MAX`].
    #[serde(default)]
    pub holidays: Vec<String>,
}

fn monday_to_friday() -> Vec<String> {
    ["mon", "tue", "wed", "thu", "fri"].map(String::from).to_vec()
}

/// What is wrong with a working time as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingTimeFault {
    /// The key, with the place in a list: `workday.2`.
    pub field: String,
    /// What is there.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

impl WorkingTimeFault {
    fn new(field: impl Into<String>, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        WorkingTimeFault { field: field.into(), value: value.into(), allowed: allowed.into() }
    }
}

impl fmt::Display for WorkingTimeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}; allowed {}", self.field, self.value, self.allowed)
    }
}

impl std::error::Error for WorkingTimeFault {}

impl WorkingTime {
    /// Checks a working time as written.
    ///
    /// # Errors
    /// The first value that is not allowed.
    pub fn new(written: Written) -> Result<WorkingTime, WorkingTimeFault> {
        let Written { name, time_zone, workdays, workday, non_workday, holidays } = written;
        if !(1..=64).contains(&name.chars().count()) {
            return Err(WorkingTimeFault::new("name", name, "1–64 characters"));
        }
        let zone = match time_zone {
            None => None,
            Some(named) => match TimeZone::named(&named) {
                Some(zone) => Some((named, zone)),
                None => return Err(WorkingTimeFault::new("time_zone", named, ZONE)),
            },
        };
        if holidays.len() > HOLIDAYS_MAX {
            let allowed = format!("at most {HOLIDAYS_MAX} dates");
            return Err(WorkingTimeFault::new("holidays", holidays.len().to_string(), allowed));
        }
        Ok(WorkingTime {
            name,
            zone,
            workdays: each("workdays", &workdays, |day| day.parse().map_err(|()| WEEKDAY))?
                .into_iter()
                .collect(),
            workday: segments("workday", &workday)?,
            non_workday: segments("non_workday", &non_workday)?,
            holidays: each("holidays", &holidays, |date| date.parse().map_err(|()| DATE))?
                .into_iter()
                .collect(),
        })
    }

    /// One that is always open, or never.
    pub fn constant(name: &str, is_open: bool) -> WorkingTime {
        let segments = if is_open { vec![Segment { from: 0, to: MINUTES_A_DAY }] } else { vec![] };
        WorkingTime {
            name: name.into(),
            zone: None,
            workdays: BTreeSet::new(),
            workday: segments.clone(),
            non_workday: segments,
            holidays: BTreeSet::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is open at `at`; `default_zone` (the tenant's) counts where it has none of its
    /// own.
    pub fn is_open(&self, at: Wall, default_zone: &TimeZone) -> bool {
        let zone = self.zone(default_zone);
        let today = zone.civil(at);
        let minute = today.minute_of_day;
        if self.segments_of(today).iter().any(|segment| segment.holds_on_its_day(minute)) {
            return true;
        }
        // Only a segment that crosses midnight can still be on: its day is the one before.
        let yesterday = zone.civil(Wall(zone.midnight_before(at).0.saturating_sub(1)));
        self.segments_of(yesterday).iter().any(|segment| segment.holds_on_the_next_day(minute))
    }

    /// The first instant after `at` at which it opens or closes; `None` if it does neither within
    /// some 400 days.
    pub fn next_change(&self, at: Wall, default_zone: &TimeZone) -> Option<Wall> {
        let zone = self.zone(default_zone);
        let is_open = self.is_open(at, default_zone);
        let mut midnight = zone.midnight_before(at);
        let mut clock_change = zone.next_clock_change(at);
        for _ in 0..DAYS_AHEAD_MAX {
            let next_midnight = zone.midnight_before(midnight + INTO_NEXT_DAY);
            let mut candidates: Vec<Wall> = self
                .minutes()
                .filter_map(|minute| zone.both_instants(midnight, minute))
                .flatten()
                .chain([midnight])
                .collect();
            while let Some(change) = clock_change.filter(|change| *change < next_midnight) {
                candidates.push(change);
                clock_change = zone.next_clock_change(change);
            }
            candidates.retain(|candidate| *candidate > at);
            candidates.sort_unstable();
            let changes = |candidate: &Wall| self.is_open(*candidate, default_zone) != is_open;
            if let Some(change) = candidates.into_iter().find(changes) {
                return Some(change);
            }
            midnight = next_midnight;
        }
        None
    }

    fn zone<'a>(&'a self, default_zone: &'a TimeZone) -> &'a TimeZone {
        self.zone.as_ref().map_or(default_zone, |(_, zone)| zone)
    }

    fn segments_of(&self, day: Civil) -> &[Segment] {
        let date = Date { year: day.year, month: day.month, day: day.day };
        let is_workday = self.workdays.contains(&Weekday(day.weekday));
        if is_workday && !self.holidays.contains(&date) { &self.workday } else { &self.non_workday }
    }

    /// Minutes of a day at which something may begin or end.
    fn minutes(&self) -> impl Iterator<Item = u16> + '_ {
        self.workday.iter().chain(&self.non_workday).flat_map(|segment| [segment.from, segment.to])
    }
}

impl TryFrom<Written> for WorkingTime {
    type Error = WorkingTimeFault;
    fn try_from(written: Written) -> Result<WorkingTime, WorkingTimeFault> {
        WorkingTime::new(written)
    }
}

impl From<WorkingTime> for Written {
    fn from(time: WorkingTime) -> Written {
        let both = |segment: Segment| [clock(segment.from), clock(segment.to)];
        Written {
            name: time.name,
            time_zone: time.zone.map(|(name, _)| name),
            workdays: time.workdays.into_iter().map(|day| day.to_string()).collect(),
            workday: time.workday.into_iter().map(both).collect(),
            non_workday: time.non_workday.into_iter().map(both).collect(),
            holidays: time.holidays.into_iter().map(|date| date.to_string()).collect(),
        }
    }
}

const ZONE: &str = "a zone of the IANA database, such as Europe/Stockholm";
const WEEKDAY: &str = "mon, tue, wed, thu, fri, sat, sun";
const DATE: &str = "a date, YYYY-MM-DD";
const SEGMENT: &str = "[\"HH:MM\", \"HH:MM\"] from 00:00 to 24:00, two different times";

fn each<T>(
    field: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, WorkingTimeFault> {
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        parse(text).map_err(|allowed| {
            WorkingTimeFault::new(format!("{field}.{}", index + 1), text.clone(), allowed)
        })
    });
    parsed.collect()
}

fn segments(field: &str, written: &[[String; 2]]) -> Result<Vec<Segment>, WorkingTimeFault> {
    if written.len() > SEGMENTS_MAX {
        let allowed = format!("at most {SEGMENTS_MAX} segments");
        return Err(WorkingTimeFault::new(field, written.len().to_string(), allowed));
    }
    let parsed = written.iter().enumerate().map(|(index, [from, to])| {
        Segment::new(from, to).ok_or_else(|| {
            let value = format!("[\"{from}\", \"{to}\"]");
            WorkingTimeFault::new(format!("{field}.{}", index + 1), value, SEGMENT)
        })
    });
    parsed.collect()
}

/// From a minute of a day to another, of the same day or, if that is not later, of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    /// 0–1439.
    from: u16,
    /// 0–1440, not `from`; not included.
    to: u16,
}

impl Segment {
    fn new(from: &str, to: &str) -> Option<Segment> {
        let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
        (from < MINUTES_A_DAY && from != to).then_some(Segment { from, to })
    }

    fn crosses_midnight(self) -> bool {
        self.to < self.from
    }

    fn holds_on_its_day(self, minute: u16) -> bool {
        minute >= self.from && (self.crosses_midnight() || minute < self.to)
    }

    fn holds_on_the_next_day(self, minute: u16) -> bool {
        self.crosses_midnight() && minute < self.to
    }
}

/// `HH:MM` from 00:00 to 24:00.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let whole = u16::from(hour) * 60 + u16::from(minute);
    (minute < 60 && whole <= MINUTES_A_DAY).then_some(whole)
}

fn clock(minute_of_day: u16) -> String {
    format!("{:02}:{:02}", minute_of_day / 60, minute_of_day % 60)
}

fn two_digits(text: &str) -> Option<u8> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// A day of the week: 1 Monday – 7 Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Weekday(u8);

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromStr for Weekday {
    type Err = ();
    fn from_str(text: &str) -> Result<Weekday, ()> {
        (1..).zip(WEEKDAYS).find(|(_, name)| *name == text).map(|(day, _)| Weekday(day)).ok_or(())
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WEEKDAYS.get(usize::from(self.0.saturating_sub(1))).unwrap_or(&"?"))
    }
}

/// A date of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Date {
    year: i16,
    month: u8,
    day: u8,
}

impl FromStr for Date {
    type Err = ();
    fn from_str(text: &str) -> Result<Date, ()> {
        let mut parts = text.split('-');
        let (Some(year), Some(month), Some(day), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        let year = year.parse().map_err(|_| ())?;
        let (month, day) = (two_digits(month).ok_or(())?, two_digits(day).ok_or(())?);
        // Whether there is such a date does not depend on the zone.
        TimeZone::utc().instant(year, month, day, 12, 0).ok_or(())?;
        Ok(Date { year, month, day })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn stockholm() -> TimeZone {
        TimeZone::named("Europe/Stockholm").unwrap()
    }

    fn working(workday: Pairs, non_workday: Pairs, holidays: &[&str]) -> WorkingTime {
        let pairs = |pairs: Pairs| {
            pairs.iter().map(|(from, to)| [(*from).into(), (*to).into()]).collect::<Vec<_>>()
        };
        WorkingTime::new(Written {
            name: "office".into(),
            time_zone: None,
            workdays: monday_to_friday(),
            workday: pairs(workday),
            non_workday: pairs(non_workday),
            holidays: holidays.iter().map(|date| (*date).into()).collect(),
        })
        .unwrap()
    }

    /// `2026-12-24 23:59` in a zone.
    fn at(zone: &TimeZone, text: &str) -> Wall {
        let (date, time) = text.split_once(' ').unwrap();
        let date: Date = date.parse().unwrap();
        let minute = minute_of_day(time).unwrap();
        zone.instant(date.year, date.month, date.day, (minute / 60) as u8, (minute % 60) as u8)
            .unwrap()
    }

    fn check(times: &WorkingTime, expected: &[(&str, bool)]) {
        let zone = stockholm();
        for (text, open) in expected {
            assert_eq!(times.is_open(at(&zone, text), &zone), *open, "at {text}");
        }
    }

    /// All changes from one instant until another, as local times with their offsets.
    fn changes(times: &WorkingTime, from: &str, until: &str) -> Vec<String> {
        let zone = stockholm();
        let (mut now, until) = (at(&zone, from), at(&zone, until));
        let mut found = Vec::new();
        while let Some(next) = times.next_change(now, &zone).filter(|next| *next <= until) {
            let opens = if times.is_open(next, &zone) { "opens" } else { "closes" };
            let local = zone.rfc3339(next).replace(":00.000", "");
            found.push(format!("{opens} {local}"));
            now = next;
        }
        found
    }

    #[test]
    fn a_day_has_segments_and_ends_where_they_end() {
        let times = working(&[("08:00", "12:00"), ("13:00", "17:00")], &[("10:00", "14:00")], &[]);
        // 18 November 2026 is a Wednesday, the 21st a Saturday.
        check(
            &times,
            &[
                ("2026-11-18 07:59", false),
                ("2026-11-18 08:00", true),
                ("2026-11-18 11:59", true),
                ("2026-11-18 12:00", false),
                ("2026-11-18 13:00", true),
                ("2026-11-18 17:00", false),
                ("2026-11-21 08:00", false),
                ("2026-11-21 10:00", true),
                ("2026-11-21 14:00", false),
            ],
        );
        assert_eq!(
            changes(&times, "2026-11-20 12:30", "2026-11-21 23:00"),
            [
                "opens 2026-11-20T13:00+01:00",
                "closes 2026-11-20T17:00+01:00",
                "opens 2026-11-21T10:00+01:00",
                "closes 2026-11-21T14:00+01:00",
            ]
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let times = working(&[("22:00", "06:00")], &[], &[]);
        check(
            &times,
            &[
                ("2026-11-20 21:59", false),
                ("2026-11-20 22:00", true),
                ("2026-11-21 00:00", true),
                ("2026-11-21 05:59", true),
                ("2026-11-21 06:00", false),
                // Saturday evening is no workday's, so Sunday night and Monday morning are closed.
                ("2026-11-21 22:00", false),
                ("2026-11-23 05:59", false),
                ("2026-11-23 22:00", true),
            ],
        );
        assert_eq!(
            changes(&times, "2026-11-20 23:00", "2026-11-23 23:00"),
            ["closes 2026-11-21T06:00+01:00", "opens 2026-11-23T22:00+01:00"]
        );
    }

    #[test]
    fn twenty_four_hours_is_the_whole_day_and_not_a_minute_of_the_next() {
        let times = working(&[("00:00", "24:00")], &[], &[]);
        check(
            &times,
            &[
                ("2026-11-20 00:00", true),
                ("2026-11-20 23:59", true),
                ("2026-11-21 00:00", false),
                ("2026-11-22 23:59", false),
                ("2026-11-23 00:00", true),
            ],
        );
        assert_eq!(
            changes(&times, "2026-11-19 12:00", "2026-11-24 12:00"),
            ["closes 2026-11-21T00:00+01:00", "opens 2026-11-23T00:00+01:00"]
        );
        let until_midnight = working(&[("18:00", "00:00")], &[], &[]);
        check(&until_midnight, &[("2026-11-20 23:59", true), ("2026-11-21 00:00", false)]);
        let always = WorkingTime::constant("always", true);
        let zone = stockholm();
        assert!(always.is_open(at(&zone, "2026-11-21 23:59"), &zone));
        let never = WorkingTime::constant("never", false);
        assert!(!never.is_open(at(&zone, "2026-11-20 12:00"), &zone));
        assert_eq!(always.next_change(at(&zone, "2026-11-19 12:00"), &zone), None);
    }

    #[test]
    fn a_holiday_is_a_day_without_work_also_for_its_night() {
        let times = working(&[("09:00", "17:00"), ("22:00", "02:00")], &[], &["2026-12-25"]);
        // 24 and 25 December 2026 are a Thursday and a Friday.
        check(
            &times,
            &[
                ("2026-12-24 09:00", true),
                ("2026-12-25 01:59", true),
                ("2026-12-25 09:00", false),
                ("2026-12-25 22:00", false),
                ("2026-12-26 01:00", false),
                ("2026-12-28 09:00", true),
            ],
        );
        let zone = stockholm();
        let next = times.next_change(at(&zone, "2026-12-25 12:00"), &zone).unwrap();
        assert_eq!(zone.rfc3339(next), "2026-12-28T09:00:00.000+01:00");
    }

    #[test]
    fn clocks_put_forward_take_an_hour_away() {
        // Sunday 29 March 2026 has 23 hours: after 01:59 comes 03:00.
        let within = working(&[], &[("02:15", "02:45")], &[]);
        assert_eq!(
            changes(&within, "2026-03-28 12:00", "2026-03-30 12:00"),
            Vec::<String>::new(),
            "the minutes do not come, and Saturday's were before"
        );
        let across = working(&[], &[("02:30", "04:00")], &[]);
        assert_eq!(
            changes(&across, "2026-03-28 12:00", "2026-03-30 12:00"),
            ["opens 2026-03-29T03:00+02:00", "closes 2026-03-29T04:00+02:00"]
        );
        let night = working(&[], &[("22:00", "06:00")], &[]);
        let zone = stockholm();
        let opens = at(&zone, "2026-03-28 22:00");
        let closes = night.next_change(opens, &zone).unwrap();
        assert_eq!((closes.0 - opens.0) / 3_600_000_000, 7, "one hour less");
    }

    #[test]
    fn clocks_put_back_bring_an_hour_twice() {
        // Sunday 25 October 2026 has 25 hours: after 02:59 comes 02:00.
        let within = working(&[], &[("02:15", "02:45")], &[]);
        assert_eq!(
            changes(&within, "2026-10-24 12:00", "2026-10-25 12:00"),
            [
                "opens 2026-10-25T02:15+02:00",
                "closes 2026-10-25T02:45+02:00",
                "opens 2026-10-25T02:15+01:00",
                "closes 2026-10-25T02:45+01:00",
            ]
        );
        let until_three = working(&[], &[("01:00", "02:30")], &[]);
        assert_eq!(
            changes(&until_three, "2026-10-24 12:00", "2026-10-25 12:00"),
            [
                "opens 2026-10-25T01:00+02:00",
                "closes 2026-10-25T02:30+02:00",
                "opens 2026-10-25T02:00+01:00",
                "closes 2026-10-25T02:30+01:00",
            ]
        );
        let whole = working(&[], &[("00:00", "24:00")], &[]);
        let zone = stockholm();
        let opens = at(&zone, "2026-10-24 00:00");
        let closes = whole.next_change(opens, &zone).unwrap();
        assert_eq!((closes.0 - opens.0) / 3_600_000_000, 49, "two days, one of 25 hours");
    }

    #[test]
    fn its_own_zone_counts_before_the_tenants() {
        let mut times = working(&[("09:00", "17:00")], &[], &[]);
        let zone = stockholm();
        let noon = at(&zone, "2026-11-18 12:00");
        assert!(times.is_open(noon, &zone));
        let name = String::from("America/New_York");
        times.zone = TimeZone::named(&name).map(|zone| (name, zone));
        assert!(!times.is_open(noon, &zone), "06:00 in New York");
        let opens = times.next_change(noon, &zone).unwrap();
        assert_eq!(zone.rfc3339(opens), "2026-11-18T15:00:00.000+01:00");
    }

    #[test]
    fn what_is_written_wrong_is_named() {
        let good = || Written {
            name: "office".into(),
            workdays: monday_to_friday(),
            ..Written::default()
        };
        let pair = |from: &str, to: &str| vec![[from.to_string(), to.to_string()]];
        let segment = "[\"HH:MM\", \"HH:MM\"] from 00:00 to 24:00, two different times";
        let cases = [
            (Written { name: String::new(), ..good() }, "name = ; allowed 1–64 characters".into()),
            (
                Written { time_zone: Some("Mars".into()), ..good() },
                format!("time_zone = Mars; allowed {ZONE}"),
            ),
            (
                Written { workdays: vec!["mon".into(), "monday".into()], ..good() },
                format!("workdays.2 = monday; allowed {WEEKDAY}"),
            ),
            (
                Written { workday: pair("08:00", "24:01"), ..good() },
                format!("workday.1 = [\"08:00\", \"24:01\"]; allowed {segment}"),
            ),
            (
                Written { non_workday: pair("24:00", "08:00"), ..good() },
                format!("non_workday.1 = [\"24:00\", \"08:00\"]; allowed {segment}"),
            ),
            (
                Written { workday: pair("8:00", "+9:00"), ..good() },
                format!("workday.1 = [\"8:00\", \"+9:00\"]; allowed {segment}"),
            ),
            (
                Written { workday: vec![["08:00", "08:00"].map(String::from); 5], ..good() },
                "workday = 5; allowed at most 4 segments".into(),
            ),
            (
                Written { holidays: vec!["2026-02-29".into()], ..good() },
                "holidays.1 = 2026-02-29; allowed a date, YYYY-MM-DD".into(),
            ),
        ];
        for (written, expected) in cases {
            assert_eq!(WorkingTime::new(written).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let text = r#"{"name":"office","time_zone":"Asia/Shanghai","workdays":["mon","sat"],
            "workday":[["08:00","12:00"],["22:00","06:00"]],"non_workday":[],
            "holidays":["2026-12-25"]}"#;
        let times: WorkingTime = serde_json::from_str(text).unwrap();
        let again = serde_json::to_value(&times).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
        let short: WorkingTime = serde_json::from_str(r#"{"name":"always"}"#).unwrap();
        assert_eq!(Written::from(short).workdays, monday_to_friday());
        assert!(serde_json::from_str::<WorkingTime>(r#"{"name":"x","holiday":[]}"#).is_err());
    }
}
