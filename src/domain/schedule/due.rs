//! Due dates: counted in open days, and the instant at which they are missed.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeDelta, TimeZone, Utc};

use super::{
    compiled::{Calendar, day_at, index_from, index_of},
    local,
};

/// How far from its start a date may lie.
pub const HORIZON_YEARS: i32 = 40;

/// Why a date cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleRefusal {
    /// The start or the result lies outside the years that are counted, or more than 40 years from the start.
    #[error(
        "{days} business days from {start} lie beyond the horizon of {HORIZON_YEARS} years, or outside 1970 to 2199"
    )]
    BeyondHorizon {
        /// Where counting started.
        start: NaiveDate,
        /// How many days were asked for; negative = backward.
        days: i64,
    },
    /// The same for a duration in working time.
    #[error(
        "{} minutes of working time {} {start} lie beyond the horizon of {HORIZON_YEARS} years, or outside 1970 to 2199",
        minutes.abs(), if *minutes < 0 { "before" } else { "from" }
    )]
    WorkBeyondHorizon {
        /// Where counting started.
        start: DateTime<Utc>,
        /// How many minutes of working time were asked for, seconds dropped; negative = backward.
        minutes: i64,
    },
}

/// The n-th open day after a start; a closed start first moves to the next open day, which is day 0.
///
/// # Errors
/// `BeyondHorizon`.
///
/// # Source
/// Convention C2.
pub fn forward(calendar: &Calendar, start: NaiveDate, days: u32) -> Result<NaiveDate, ScheduleRefusal> {
    let beyond = ScheduleRefusal::BeyondHorizon { start, days: i64::from(days) };
    let index = index_of(start).ok_or(beyond)?;
    let target = calendar.rank(index).checked_add(days).ok_or(beyond)?;
    let result = day_at(calendar.select(target).ok_or(beyond)?);
    if within_horizon(start, result) { Ok(result) } else { Err(beyond) }
}

/// The n-th open day before a start; a closed start first moves to the previous open day, which is day 0.
///
/// # Errors
/// `BeyondHorizon`.
///
/// # Source
/// Convention C3.
pub fn backward(calendar: &Calendar, start: NaiveDate, days: u32) -> Result<NaiveDate, ScheduleRefusal> {
    let beyond = ScheduleRefusal::BeyondHorizon { start, days: -i64::from(days) };
    let index = index_of(start).ok_or(beyond)?;
    // Open days up to and including the start, less the start itself.
    let target = calendar.rank(index + 1).checked_sub(1).and_then(|rank| rank.checked_sub(days)).ok_or(beyond)?;
    let result = day_at(calendar.select(target).ok_or(beyond)?);
    if within_horizon(result, start) { Ok(result) } else { Err(beyond) }
}

/// Whether `last` lies at most 40 years after `first`, to the day: by month and day, since 2100 is no leap year.
pub(super) fn within_horizon(first: NaiveDate, last: NaiveDate) -> bool {
    let years = last.year() - first.year();
    years < HORIZON_YEARS || (years == HORIZON_YEARS && (last.month(), last.day()) <= (first.month(), first.day()))
}

/// The first instant of the day after a due date, in the calendar's zone: from then on a visit is overdue.
///
/// # Source
/// Convention C4. Where midnight is skipped by daylight saving, the first instant that exists; where it comes twice, the first.
#[must_use]
pub fn due_at(calendar: &Calendar, due_on: NaiveDate) -> DateTime<Utc> {
    local::instant(calendar.zone(), due_on.succ_opt().unwrap_or(due_on), 0)
}

/// Whether a visit with this due time is overdue: the one function that says so.
///
/// # Source
/// Convention C4: from the due time on, inclusive.
///
/// ```
/// use andon::domain::schedule::overdue;
/// use chrono::{DateTime, TimeDelta};
/// let due = DateTime::UNIX_EPOCH;
/// assert!(!overdue(due - TimeDelta::microseconds(1), Some(due)));
/// assert!(overdue(due, Some(due)));
/// assert!(!overdue(due, None));
/// ```
#[must_use]
pub fn overdue(now: DateTime<Utc>, due_at: Option<DateTime<Utc>>) -> bool {
    due_at.is_some_and(|due_at| now >= due_at)
}

/// The day of an instant in the calendar's zone: the last that has begun by then. It is the day that the clocks show, but where they
/// go back over midnight the day that they have shown before: a day ends when its due time comes, and does not come again.
#[must_use]
pub fn local_date(calendar: &Calendar, instant: DateTime<Utc>) -> NaiveDate {
    let zone = calendar.zone();
    let shown = |at: DateTime<Utc>| {
        let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        (offset.local_minus_utc(), at.with_timezone(&offset).date_naive())
    };
    let (offset, day) = shown(instant);
    // No two changes of the clocks that undo each other lie within one day.
    let went_back = instant.checked_sub_signed(TimeDelta::days(1)).is_some_and(|before| shown(before).0 > offset);
    match day.succ_opt() {
        Some(next) if went_back && local::instant(zone, next, 0) <= instant => next,
        _ => day,
    }
}

/// Whether a day is open; days outside 1970 to 2199 are not.
#[must_use]
pub fn is_open(calendar: &Calendar, day: NaiveDate) -> bool {
    index_of(day).is_some_and(|index| calendar.open_at(index))
}

/// Open days after the due date up to and including today: 0 when today is not after it, at least 1 on an open day after it.
/// On closed days right after the due date it is 0 although the visit is overdue.
#[must_use]
pub fn days_late(calendar: &Calendar, due_on: NaiveDate, today: NaiveDate) -> u32 {
    match (index_of(due_on), index_of(today)) {
        (Some(due), Some(today)) if today > due => calendar.rank(today + 1) - calendar.rank(due + 1),
        _ => 0,
    }
}

/// Open days after `from` up to and including `to`; negative, counted the other way round, when `to` lies before `from`.
/// Days outside 1970 to 2199 count as closed.
#[must_use]
pub fn open_days(calendar: &Calendar, from: NaiveDate, to: NaiveDate) -> i32 {
    let up_to =
        |day: NaiveDate| i32::try_from(calendar.rank(day.succ_opt().map_or(usize::MAX, index_from))).unwrap_or(0);
    up_to(to) - up_to(from)
}

/// The last day from which `count` open days, or more, are left up to and including `to`; `count` may be negative, as with
/// `open_days`. `None` when that is outside 1970 to 2199.
#[must_use]
pub fn last_with_open_days(calendar: &Calendar, to: NaiveDate, count: i32) -> Option<NaiveDate> {
    let rank = i64::from(calendar.rank(to.succ_opt().map_or(usize::MAX, index_from))) - i64::from(count);
    let next = calendar.select(u32::try_from(rank).ok()?)?;
    day_at(next).pred_opt()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::{
        super::calendar::{
            DayHours, ExceptionDays,
            tests::{closed, date, weekdays},
        },
        *,
    };

    fn vienna() -> Calendar {
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        let day = date("2026-05-01");
        spec.exceptions = vec![closed("Labour Day", ExceptionDays::On { from: day, to: day })];
        Calendar::compile(&spec)
    }

    #[test]
    fn forward_counts_open_days_from_the_next_open_day() {
        let calendar = vienna();
        for (start, days, expected) in [
            ("2026-04-29", 0, "2026-04-29"),
            ("2026-04-29", 1, "2026-04-30"),
            ("2026-04-30", 1, "2026-05-04"), // Labour Day on Friday, then the weekend
            ("2026-05-01", 0, "2026-05-04"),
            ("2026-05-02", 1, "2026-05-05"),
            ("2028-02-28", 1, "2028-02-29"),
            ("2027-12-31", 1, "2028-01-03"),
        ] {
            assert_eq!(forward(&calendar, date(start), days), Ok(date(expected)), "{start} + {days}");
        }
    }

    #[test]
    fn backward_is_the_mirror_image() {
        let calendar = vienna();
        for (start, days, expected) in
            [("2026-05-04", 0, "2026-05-04"), ("2026-05-04", 1, "2026-04-30"), ("2026-05-03", 0, "2026-04-30")]
        {
            assert_eq!(backward(&calendar, date(start), days), Ok(date(expected)), "{start} - {days}");
        }
    }

    #[test]
    fn a_date_beyond_forty_years_is_refused() {
        let calendar = vienna();
        assert!(forward(&calendar, date("2026-01-01"), 10_000).is_ok());
        for (start, days) in [("2026-01-01", 10_600), ("2199-12-30", 5), ("1969-12-31", 1), ("2026-01-01", u32::MAX)] {
            assert!(forward(&calendar, date(start), days).is_err(), "{start} + {days}");
        }
        assert!(backward(&calendar, date("1970-01-02"), 5).is_err());
    }

    #[test]
    fn the_horizon_is_forty_years_to_the_day() {
        let mut spec = weekdays(chrono_tz::UTC);
        spec.week = spec.week.map(|_| DayHours::Open(Vec::new()));
        let calendar = Calendar::compile(&spec);
        for (start, last) in [
            ("2026-03-01", "2066-03-01"),
            ("2060-03-01", "2100-03-01"), // from a leap year to one that is none
            ("2060-02-29", "2100-02-28"),
            ("2059-12-31", "2099-12-31"),
        ] {
            let (start, last) = (date(start), date(last));
            let days = u32::try_from((last - start).num_days()).expect("40 years");
            assert_eq!(forward(&calendar, start, days), Ok(last), "{start}");
            assert!(forward(&calendar, start, days + 1).is_err(), "{start}");
            assert!(backward(&calendar, last, days + 2).is_err(), "{start}");
        }
    }

    #[test]
    fn a_count_of_days_that_no_calendar_has_is_refused_at_once() {
        let calendar = vienna();
        for days in [100_000, u32::MAX - 1, u32::MAX] {
            assert!(forward(&calendar, date("1970-01-01"), days).is_err(), "{days}");
            assert!(backward(&calendar, date("2199-12-31"), days).is_err(), "{days}");
        }
    }

    #[test]
    fn a_visit_is_overdue_from_the_first_instant_of_the_next_day() {
        // due date, zone, the instant
        for (zone, due_on, expected) in [
            ("Europe/Vienna", "2026-03-28", "2026-03-28T23:00:00Z"),
            ("Europe/Vienna", "2026-03-29", "2026-03-29T22:00:00Z"), // the night clocks go forward
            ("Europe/Vienna", "2026-10-25", "2026-10-25T23:00:00Z"), // the night they go back
            ("America/Sao_Paulo", "2017-10-14", "2017-10-15T03:00:00Z"), // midnight skipped
            ("America/Sao_Paulo", "2018-02-17", "2018-02-18T03:00:00Z"), // the hour before midnight twice
            ("Asia/Beirut", "2021-03-27", "2021-03-27T22:00:00Z"),   // midnight skipped
            ("Asia/Beirut", "2021-10-30", "2021-10-30T22:00:00Z"),   // the hour before midnight twice
            ("Africa/Cairo", "2023-04-27", "2023-04-27T22:00:00Z"),  // midnight skipped
            ("Africa/Cairo", "2023-10-26", "2023-10-26T22:00:00Z"),  // the hour before midnight twice
            ("America/Havana", "2021-11-06", "2021-11-07T04:00:00Z"), // midnight twice: the first
            ("America/St_Johns", "2010-11-06", "2010-11-07T02:30:00Z"), // 00:01 back to 23:01: the first midnight
            ("Australia/Lord_Howe", "2021-10-02", "2021-10-02T13:30:00Z"), // half an hour forward
            ("Australia/Lord_Howe", "2021-10-03", "2021-10-03T13:00:00Z"),
            ("Australia/Lord_Howe", "2022-04-02", "2022-04-02T13:00:00Z"), // half an hour back
            ("Australia/Lord_Howe", "2022-04-03", "2022-04-03T13:30:00Z"),
            ("Pacific/Apia", "2011-12-29", "2011-12-30T10:00:00Z"), // 30 December does not exist
            ("America/New_York", "2024-02-28", "2024-02-29T05:00:00Z"),
            ("America/New_York", "2024-02-29", "2024-03-01T05:00:00Z"),
            ("America/New_York", "2026-03-08", "2026-03-09T04:00:00Z"), // the night clocks go forward
            ("America/New_York", "2026-11-01", "2026-11-02T05:00:00Z"), // the night they go back
            ("Europe/Vienna", "2026-12-31", "2026-12-31T23:00:00Z"),
            ("Europe/Vienna", "2065-07-01", "2065-07-01T22:00:00Z"), // still with daylight saving, 39 years ahead
        ] {
            let zone: Tz = zone.parse().expect("a known zone");
            let calendar = Calendar::compile(&weekdays(zone));
            let expected: DateTime<Utc> = expected.parse().expect("a valid instant");
            assert_eq!(due_at(&calendar, date(due_on)), expected, "{zone} {due_on}");
        }
    }

    #[test]
    fn a_day_that_has_begun_stays_when_the_clocks_go_back_over_midnight() {
        for (zone, instant, expected) in [
            ("America/St_Johns", "2010-11-07T02:29:59.999999Z", "2010-11-06"),
            ("America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-07"),
            ("America/St_Johns", "2010-11-07T02:31:00Z", "2010-11-07"), // 00:01 back to 23:01
            ("America/St_Johns", "2010-11-07T03:29:59.999999Z", "2010-11-07"),
            ("America/St_Johns", "2010-11-07T03:30:00Z", "2010-11-07"),
            ("America/St_Johns", "2010-11-08T03:29:59.999999Z", "2010-11-07"),
            ("America/St_Johns", "2010-11-08T03:30:00Z", "2010-11-08"),
            ("America/Havana", "2021-11-07T03:59:59.999999Z", "2021-11-06"),
            ("America/Havana", "2021-11-07T05:30:00Z", "2021-11-07"), // 01:00 back to 00:00
            ("Asia/Beirut", "2021-10-30T21:30:00Z", "2021-10-30"),    // 24:00 back to 23:00: the next day has not begun
            ("Africa/Cairo", "2023-10-26T21:59:59.999999Z", "2023-10-26"),
            ("Africa/Cairo", "2023-10-26T22:00:00Z", "2023-10-27"),
            ("Europe/Vienna", "2026-10-25T23:00:00Z", "2026-10-26"),
            ("Pacific/Apia", "2011-12-30T09:59:59.999999Z", "2011-12-29"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
        ] {
            let zone: Tz = zone.parse().expect("a known zone");
            let instant: DateTime<Utc> = instant.parse().expect("a valid instant");
            assert_eq!(local_date(&Calendar::compile(&weekdays(zone)), instant), date(expected), "{zone} {instant}");
        }
    }

    #[test]
    fn days_late_counts_open_days_after_the_due_date() {
        let calendar = vienna();
        for (today, late) in
            [("2026-04-30", 0), ("2026-05-01", 0), ("2026-05-03", 0), ("2026-05-04", 1), ("2026-05-05", 2)]
        {
            assert_eq!(days_late(&calendar, date("2026-04-30"), date(today)), late, "{today}");
        }
    }

    #[test]
    fn open_days_between_two_days_are_signed() {
        let calendar = vienna();
        for (from, to, days) in [
            ("2026-04-30", "2026-04-30", 0),
            ("2026-04-30", "2026-05-03", 0), // Labour Day and the weekend
            ("2026-04-30", "2026-05-04", 1),
            ("2026-05-04", "2026-04-30", -1),
            ("2026-05-01", "2026-05-05", 2),
            ("2026-05-05", "2026-05-01", -2),
        ] {
            assert_eq!(open_days(&calendar, date(from), date(to)), days, "{from} {to}");
        }
    }
}
