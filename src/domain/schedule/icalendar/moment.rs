//! Days, times and durations as iCalendar files write them.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::lines::{Line, head};
use crate::domain::schedule::local::instant;

/// Years that are understood: feasts may be as old as the Gregorian calendar, and no calendar goes beyond 2199.
const YEARS: std::ops::Range<i32> = 1583..2200;

/// What a time belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a whole day, of no zone.
    Day,
    /// It is the time of whoever looks at it: of the calendar.
    Floating,
    /// It is the time of a zone.
    Zone(Tz),
}

/// A day or a time. A day is its midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// As the clock on the wall shows it.
    pub at: NaiveDateTime,
    /// Whose wall.
    pub place: Place,
}

impl Moment {
    /// The moments of a line, which may be a list.
    ///
    /// # Errors
    /// What is wrong. A zone that is not known is told in `unknown`; its times are read as floating.
    pub fn of_line(line: &Line, unknown: &mut Option<String>) -> Result<Vec<Self>, String> {
        line.value.split(',').map(|text| moment(text.trim(), line, unknown)).collect()
    }

    /// What the wall of another place shows then; `home` is the zone of the calendar.
    pub fn shown_in(self, place: Place, home: Tz) -> NaiveDateTime {
        let zone = |place| match place {
            Place::Zone(zone) => Some(zone),
            Place::Floating => Some(home),
            Place::Day => None,
        };
        match (zone(self.place), zone(place)) {
            (Some(from), Some(to)) if from != to => between(self.at, from, to),
            // A day stands for itself everywhere, and a time for its day at home.
            (Some(from), None) => between(self.at, from, home).date().and_time(NaiveTime::MIN),
            _ => self.at,
        }
    }
}

/// What the wall of a zone shows when that of another shows this; a time that is skipped counts as one that comes soon after.
fn between(at: NaiveDateTime, from: Tz, to: Tz) -> NaiveDateTime {
    let later = |hours| from.from_local_datetime(&(at + TimeDelta::hours(hours))).earliest();
    let instant = (0..=24).find_map(later).map_or_else(|| at.and_utc(), |it| it.to_utc());
    instant.with_timezone(&to).naive_local()
}

/// Whether the wall of a zone shows this when a day begins there.
pub(super) fn begins_day(at: NaiveDateTime, zone: Tz) -> bool {
    instant(zone, at.date(), 0).with_timezone(&zone).naive_local() == at
}

fn moment(text: &str, line: &Line, unknown: &mut Option<String>) -> Result<Moment, String> {
    let wrong = |what: &str| format!("{} '{}' {what}", line.name, head(text));
    if line.parameter("VALUE") == Some("PERIOD") {
        return Err(wrong("is a period, which is not understood"));
    }
    let not_read = "is no day as 20261225, nor a time as 20261225T080000";
    let (day, time) = text.split_once(['T', 't']).map_or((text, None), |(day, time)| (day, Some(time)));
    let day =
        digits(day, 8).and_then(|day| NaiveDate::parse_from_str(day, "%Y%m%d").ok()).ok_or_else(|| wrong(not_read))?;
    if !YEARS.contains(&day.year()) {
        return Err(wrong("lies outside the years 1583 to 2199"));
    }
    let is_day = line.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("DATE"));
    let Some(time) = time.filter(|_| !is_day) else {
        return Ok(Moment { at: day.and_time(NaiveTime::MIN), place: Place::Day });
    };
    let (time, utc) = time.strip_suffix(['Z', 'z']).map_or((time, false), |time| (time, true));
    let time = digits(time, 6).and_then(|time| NaiveTime::parse_from_str(time, "%H%M%S").ok());
    let time = time.ok_or_else(|| wrong(not_read))?;
    let place = match line.parameter("TZID") {
        _ if utc => Place::Zone(Tz::UTC),
        None => Place::Floating,
        Some(name) => zone(name).map_or_else(
            || {
                *unknown = Some(head(name));
                Place::Floating
            },
            Place::Zone,
        ),
    };
    Ok(Moment { at: day.and_time(time), place })
}

fn digits(text: &str, count: usize) -> Option<&str> {
    Some(text).filter(|text| text.len() == count && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The zone of a name; some programs put a path before it.
fn zone(name: &str) -> Option<Tz> {
    let mut name = name.trim();
    loop {
        if let Ok(zone) = name.parse() {
            return Some(zone);
        }
        name = name.split_once('/')?.1;
    }
}

/// A duration: days as the calendar has them, and time on top.
pub(super) fn duration(line: &Line) -> Result<TimeDelta, String> {
    let wrong = || format!("DURATION '{}' is none as P1D or PT8H", head(&line.value));
    let text = line.value.trim().to_ascii_uppercase();
    let (days, time) = text
        .trim_start_matches('+')
        .strip_prefix('P')
        .map(|text| text.split_once('T').unwrap_or((text, "")))
        .ok_or_else(wrong)?;
    let seconds = amount(days, &[('W', 7 * 86_400), ('D', 86_400)])
        .zip(amount(time, &[('H', 3_600), ('M', 60), ('S', 1)]))
        .and_then(|(days, time)| days.checked_add(time))
        .filter(|_| text.ends_with(|letter: char| letter.is_ascii_alphabetic() && !matches!(letter, 'P' | 'T')));
    seconds.and_then(TimeDelta::try_seconds).ok_or_else(wrong)
}

/// `2W`, `1D`, `1H30M`: each number times the seconds of its unit.
fn amount(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut seconds = 0_i64;
    while !text.is_empty() {
        let at = text.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, rest) = text.split_at(at);
        let unit = rest.chars().next()?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.parse::<i64>().ok()?.checked_mul(*factor)?)?;
        text = &rest[1..];
    }
    Some(seconds)
}
