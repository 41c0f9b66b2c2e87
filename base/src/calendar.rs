//! Civil time in a named zone, from time zones bundled with the program.

use crate::Wall;
use jiff::tz::TimeZone as JiffZone;
use jiff::{Timestamp, civil};

/// A time zone of the IANA database (`Europe/Stockholm`), bundled, so that every machine agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(JiffZone);

impl TimeZone {
    /// The zone of a name; `None` if the database has none of that name.
    pub fn named(name: &str) -> Option<TimeZone> {
        JiffZone::get(name).ok().map(TimeZone)
    }

    /// Coordinated universal time.
    pub fn utc() -> TimeZone {
        TimeZone(JiffZone::UTC)
    }

    /// `at` as RFC 3339 with the zone's offset and milliseconds.
    pub fn rfc3339(&self, at: Wall) -> String {
        let Ok(stamp) = Timestamp::from_microsecond(at.0) else { return String::from("-") };
        stamp.to_zoned(self.0.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }

    /// The instant that a text names: RFC 3339 (`2026-12-24T23:59:00+01:00`), or without an offset
    /// as clocks in this zone show it (`2026-12-24T23:59`).
    pub fn parse(&self, text: &str) -> Option<Wall> {
        let stamp = match text.parse::<Timestamp>() {
            Ok(stamp) => stamp,
            Err(_) => self.0.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok()?,
        };
        Some(Wall(stamp.as_microsecond()))
    }

    /// Civil date and time of `at` in this zone.
    pub fn civil(&self, at: Wall) -> Civil {
        let stamp = Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let zoned = stamp.to_zoned(self.0.clone());
        Civil {
            year: zoned.year(),
            month: zoned.month() as u8,
            day: zoned.day() as u8,
            weekday: zoned.weekday().to_monday_one_offset() as u8,
            minute_of_day: zoned.hour() as u16 * 60 + zoned.minute() as u16,
        }
    }

    /// The first instant of the civil day in which `at` falls (days have 23, 24 or 25 hours).
    pub fn midnight_before(&self, at: Wall) -> Wall {
        let stamp = Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        stamp
            .to_zoned(self.0.clone())
            .start_of_day()
            .map_or(at, |midnight| Wall(midnight.timestamp().as_microsecond()))
    }

    /// The instant of a civil date and time, or `None` if there is no such date.
    pub fn instant(&self, year: i16, month: u8, day: u8, hour: u8, minute: u8) -> Option<Wall> {
        let time = civil::DateTime::new(
            year,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
            i8::try_from(hour).ok()?,
            i8::try_from(minute).ok()?,
            0,
            0,
        )
        .ok()?;
        let zoned = time.to_zoned(self.0.clone()).ok()?;
        Some(Wall(zoned.timestamp().as_microsecond()))
    }

    /// Both instants that a minute (0–1439) of the civil day of `at` may stand for: they differ
    /// where clocks are put back (the minute comes twice) or forward (it does not come at all; then
    /// one is before the gap and one after it). `None` past the ends of the calendar.
    pub fn both_instants(&self, at: Wall, minute_of_day: u16) -> Option<[Wall; 2]> {
        let stamp = Timestamp::from_microsecond(at.0).ok()?;
        let date = stamp.to_zoned(self.0.clone()).date();
        let hour = i8::try_from(minute_of_day / 60).ok()?;
        let minute = i8::try_from(minute_of_day % 60).ok()?;
        let time = date.to_datetime(civil::Time::new(hour, minute, 0, 0).ok()?);
        let either = || self.0.to_ambiguous_timestamp(time);
        let (earlier, later) = (either().earlier().ok()?, either().later().ok()?);
        Some([Wall(earlier.as_microsecond()), Wall(later.as_microsecond())])
    }

    /// The next instant after `at` at which the clocks of this zone are changed, if any is known.
    pub fn next_clock_change(&self, at: Wall) -> Option<Wall> {
        let stamp = Timestamp::from_microsecond(at.0).ok()?;
        let change = self.0.following(stamp).next()?;
        Some(Wall(change.timestamp().as_microsecond()))
    }
}

/// A civil date and minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year of the Gregorian calendar.
    pub year: i16,
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
    /// 1 Monday – 7 Sunday.
    pub weekday: u8,
    /// 0–1439.
    pub minute_of_day: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_23_hours_begins_at_its_own_midnight() {
        let zone = TimeZone::named("Europe/Stockholm").unwrap();
        // Sunday 29 March 2026: clocks go from 02:00 to 03:00.
        let noon = zone.instant(2026, 3, 29, 12, 0).unwrap();
        let midnight = zone.midnight_before(noon);
        assert_eq!((noon.0 - midnight.0) / 3_600_000_000, 11);
        assert_eq!(zone.rfc3339(noon), "2026-03-29T12:00:00.000+02:00");
        assert_eq!(zone.rfc3339(midnight), "2026-03-29T00:00:00.000+01:00");
        assert_eq!(zone.civil(noon).weekday, 7);
        assert!(TimeZone::named("Mars/Olympus").is_none());
        assert_eq!(zone.parse("2026-03-29T12:00"), Some(noon));
        assert_eq!(zone.parse("2026-03-29T10:00:00Z"), Some(noon));
        assert_eq!(zone.parse("2026-03-29T11:00:00+01:00"), Some(noon));
        assert_eq!(zone.parse("at noon"), None);
    }

    #[test]
    fn a_minute_comes_twice_where_clocks_are_put_back() {
        let zone = TimeZone::named("Europe/Stockholm").unwrap();
        // Sunday 25 October 2026: clocks go from 03:00 to 02:00.
        let noon = zone.instant(2026, 10, 25, 12, 0).unwrap();
        let twice = zone.both_instants(noon, 150).unwrap().map(|at| zone.rfc3339(at));
        assert_eq!(twice, ["2026-10-25T02:30:00.000+02:00", "2026-10-25T02:30:00.000+01:00"]);
        let once = zone.both_instants(noon, 600).unwrap();
        assert_eq!(once[0], once[1]);
        assert_eq!(zone.both_instants(noon, 1_440), None);
        let change = zone.next_clock_change(zone.midnight_before(noon)).unwrap();
        assert_eq!(zone.rfc3339(change), "2026-10-25T02:00:00.000+01:00");
        assert_eq!(TimeZone::utc().next_clock_change(noon), None);
    }
}
