//! Durations in working time: counted only inside the working intervals of open days, in time that really passes.
//!
//! An interval lasts from the first instant at which the clocks of the calendar's zone read its beginning, or a later time, to the
//! first at which they read its end, or a later time. Where the clocks go forward, the skipped part has no length. Where they go
//! back, the interval during which they do so is longer by the repeated time; the others come once. So the intervals of a
//! calendar never overlap, and intervals that touch in local time touch in real time.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    compiled::{Calendar, day_at, index_of},
    due::{ScheduleRefusal, local_date, within_horizon},
    hours::Edge,
};

/// The instant at which a working time is used up, counted from `start`; a start outside working time first moves to the next
/// working instant, which is the result when no time is asked for.
///
/// Intervals include their beginning. A working time that ends with an interval ends at its end, not at the beginning of the next
/// one; so the end of a day's last interval may be midnight. `work` is exact to the nanosecond; less than none counts as none.
///
/// # Errors
/// `WorkBeyondHorizon`: `start` or the day in whose intervals the result lies is outside 1970 to 2199, or that day is more than
/// 40 years after the local day of `start`.
///
/// # Source
/// Convention C2, for hours; convention C4: the result is the due time of a duration in working time.
pub fn work_forward(
    calendar: &Calendar,
    start: DateTime<Utc>,
    work: TimeDelta,
) -> Result<DateTime<Utc>, ScheduleRefusal> {
    let work = work.max(TimeDelta::zero());
    let beyond = ScheduleRefusal::WorkBeyondHorizon { start, minutes: work.num_minutes() };
    let day = local_date(calendar, start);
    index_of(day).ok_or(beyond)?;
    let edge = if work.is_zero() { Edge::Last } else { Edge::First };
    let target = calendar.hours().passed(calendar, start).checked_add(&work).ok_or(beyond)?;
    let (index, end) = calendar.hours().reached(calendar, target, edge).ok_or(beyond)?;
    if within_horizon(day, day_at(index)) { Ok(end) } else { Err(beyond) }
}

/// The latest instant from which a working time is used up by `start`; a start outside working time first moves back to the
/// previous working instant, which is the result when no time is asked for.
///
/// The mirror image of `work_forward`: looked at backward, intervals include their end. A working time that begins with an
/// interval begins at its beginning, not at the end of the one before.
///
/// # Errors
/// `WorkBeyondHorizon`: `start` or the day in whose intervals the result lies is outside 1970 to 2199, or that day is more than
/// 40 years before the local day of `start`.
///
/// # Source
/// Convention C3, for hours.
pub fn work_backward(
    calendar: &Calendar,
    start: DateTime<Utc>,
    work: TimeDelta,
) -> Result<DateTime<Utc>, ScheduleRefusal> {
    let work = work.max(TimeDelta::zero());
    let beyond = ScheduleRefusal::WorkBeyondHorizon { start, minutes: -work.num_minutes() };
    let day = local_date(calendar, start);
    index_of(day).ok_or(beyond)?;
    let edge = if work.is_zero() { Edge::First } else { Edge::Last };
    let target = calendar.hours().passed(calendar, start).checked_sub(&work).ok_or(beyond)?;
    let (index, begin) = calendar.hours().reached(calendar, target, edge).ok_or(beyond)?;
    if within_horizon(day_at(index), day) { Ok(begin) } else { Err(beyond) }
}

/// The working time between two instants, exact; negative when `to` lies before `from`. Days outside 1970 to 2199 have none.
#[must_use]
pub fn work_between(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
    calendar.hours().passed(calendar, to) - calendar.hours().passed(calendar, from)
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDateTime, TimeZone};
    use chrono_tz::{Europe::Vienna, Tz};

    use super::{
        super::calendar::{
            CalendarSpec, DayHours, ExceptionDays, Interval,
            tests::{closed, date, weekdays},
        },
        *,
    };

    fn open(intervals: &[(u16, u16)]) -> DayHours {
        let hour = |(from, to): &(u16, u16)| Interval { from_minute: from * 60, to_minute: to * 60 };
        DayHours::Open(intervals.iter().map(hour).collect())
    }

    /// Monday to Friday 08:00 to 12:00 and 13:00 to 17:00; Labour Day is closed.
    fn plant() -> CalendarSpec {
        let mut spec = weekdays(Vienna);
        spec.week[..5].fill(open(&[(8, 12), (13, 17)]));
        let day = date("2026-05-01");
        spec.exceptions = vec![closed("Labour Day", ExceptionDays::On { from: day, to: day })];
        spec
    }

    fn at(zone: Tz, local: &str) -> DateTime<Utc> {
        let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").expect("a valid time");
        zone.from_local_datetime(&local).single().expect("a time that comes once").with_timezone(&Utc)
    }

    /// start, minutes of work, the result.
    type Example = (&'static str, i64, &'static str);

    fn assert_forward(spec: &CalendarSpec, examples: &[Example]) {
        let calendar = Calendar::compile(spec);
        for (start, minutes, end) in examples {
            let found = work_forward(&calendar, at(spec.zone, start), TimeDelta::minutes(*minutes));
            assert_eq!(found, Ok(at(spec.zone, end)), "{start} + {minutes} min");
        }
    }

    fn assert_backward(spec: &CalendarSpec, examples: &[Example]) {
        let calendar = Calendar::compile(spec);
        for (start, minutes, begin) in examples {
            let found = work_backward(&calendar, at(spec.zone, start), TimeDelta::minutes(*minutes));
            assert_eq!(found, Ok(at(spec.zone, begin)), "{start} - {minutes} min");
        }
    }

    #[test]
    fn forward_counts_working_time_from_the_next_working_instant() {
        assert_forward(
            &plant(),
            &[
                // Friday 2026-03-06
                ("2026-03-06 15:00", 600, "2026-03-09 17:00"), // 2 h on Friday, 8 h on Monday
                ("2026-03-06 15:00", 120, "2026-03-06 17:00"), // ends with the interval
                ("2026-03-06 15:00", 121, "2026-03-09 08:01"),
                ("2026-03-06 11:00", 60, "2026-03-06 12:00"), // the end, not 13:00
                ("2026-03-06 11:00", 90, "2026-03-06 13:30"),
                ("2026-03-06 09:30", 0, "2026-03-06 09:30"),
                ("2026-03-06 08:00", 0, "2026-03-06 08:00"), // an interval includes its beginning
                ("2026-03-06 12:00", 0, "2026-03-06 13:00"), // but not its end
                ("2026-03-06 12:30", 0, "2026-03-06 13:00"),
                ("2026-03-06 17:00", 0, "2026-03-09 08:00"),
                ("2026-03-07 10:00", 0, "2026-03-09 08:00"), // a Saturday
                ("2026-03-07 10:00", 480, "2026-03-09 17:00"),
                ("2026-03-06 08:00", 2_400, "2026-03-12 17:00"), // 40 h are five days
                ("2026-04-30 16:00", 120, "2026-05-04 09:00"),   // over Labour Day and the weekend
                ("2028-02-28 16:00", 120, "2028-02-29 09:00"),   // a leap day
                ("2026-12-31 16:00", 120, "2027-01-01 09:00"),
            ],
        );
    }

    #[test]
    fn backward_is_the_mirror_image() {
        assert_backward(
            &plant(),
            &[
                ("2026-03-09 17:00", 600, "2026-03-06 15:00"),
                ("2026-03-09 10:00", 120, "2026-03-09 08:00"), // the beginning, not 17:00 of Friday
                ("2026-03-09 10:00", 121, "2026-03-06 16:59"),
                ("2026-03-09 08:00", 480, "2026-03-06 08:00"),
                ("2026-03-09 13:30", 90, "2026-03-09 11:00"),
                ("2026-03-09 09:30", 0, "2026-03-09 09:30"),
                ("2026-03-09 12:00", 0, "2026-03-09 12:00"), // looked at backward an interval includes its end
                ("2026-03-09 13:00", 0, "2026-03-09 12:00"), // but not its beginning
                ("2026-03-09 08:00", 0, "2026-03-06 17:00"),
                ("2026-03-08 10:00", 60, "2026-03-06 16:00"), // a Sunday
                ("2026-05-04 09:00", 120, "2026-04-30 16:00"),
            ],
        );
    }

    #[test]
    fn an_open_day_without_intervals_lasts_from_midnight_to_midnight() {
        assert_forward(
            &weekdays(Vienna),
            &[
                ("2026-03-06 22:00", 120, "2026-03-07 00:00"), // midnight of a Saturday is the end of Friday
                ("2026-03-06 22:00", 121, "2026-03-09 00:01"),
                ("2026-03-05 22:00", 1_560, "2026-03-07 00:00"),
                ("2026-03-07 00:00", 0, "2026-03-09 00:00"),
            ],
        );
        assert_backward(
            &weekdays(Vienna),
            &[("2026-03-09 00:30", 30, "2026-03-09 00:00"), ("2026-03-09 00:00", 30, "2026-03-06 23:30")],
        );
    }

    #[test]
    fn a_night_shift_has_the_length_that_really_passes() {
        let mut spec = weekdays(Vienna);
        // Sundays 00:00 to 06:00: 5 hours on 2026-03-29, 7 hours on 2026-10-25.
        spec.week = spec.week.map(|_| DayHours::Closed);
        spec.week[6] = open(&[(0, 2), (2, 3), (3, 6)]);
        assert_forward(
            &spec,
            &[
                ("2026-03-22 00:00", 360, "2026-03-22 06:00"),
                ("2026-03-29 00:00", 300, "2026-03-29 06:00"),
                ("2026-03-29 00:00", 120, "2026-03-29 03:00"), // 02:00 is 03:00
                ("2026-03-29 01:00", 61, "2026-03-29 03:01"),
                ("2026-03-29 00:00", 301, "2026-04-05 00:01"),
                ("2026-10-25 00:00", 420, "2026-10-25 06:00"),
                ("2026-10-25 00:00", 240, "2026-10-25 03:00"),
                ("2026-10-25 01:30", 150, "2026-10-25 03:00"), // half an hour, and two hours from 02:00 to 03:00
            ],
        );
        assert_backward(
            &spec,
            &[
                ("2026-03-29 06:00", 300, "2026-03-29 00:00"),
                ("2026-03-29 04:00", 61, "2026-03-29 01:59"),
                ("2026-10-25 06:00", 420, "2026-10-25 00:00"),
            ],
        );
        let calendar = Calendar::compile(&spec);
        let between = |from, to| work_between(&calendar, at(Vienna, from), at(Vienna, to)).num_minutes();
        assert_eq!(between("2026-03-29 00:00", "2026-03-30 00:00"), 300);
        assert_eq!(between("2026-10-25 00:00", "2026-10-26 00:00"), 420);
        assert_eq!(between("2026-10-26 00:00", "2026-10-25 00:00"), -420);
        // Only the hour that the clocks repeat: it comes twice.
        spec.week[6] = open(&[(2, 3)]);
        let calendar = Calendar::compile(&spec);
        let between = |from, to| work_between(&calendar, at(Vienna, from), at(Vienna, to)).num_minutes();
        assert_eq!(between("2026-10-25 00:00", "2026-10-26 00:00"), 120);
        // The hour that they skip is no working time.
        assert_eq!(between("2026-03-29 00:00", "2026-03-30 00:00"), 0);
        assert_forward(&spec, &[("2026-03-28 12:00", 1, "2026-04-05 02:01")]);
    }

    #[test]
    fn a_date_that_a_zone_skipped_has_no_working_time() {
        let mut spec = weekdays(Tz::Pacific__Apia);
        spec.week.fill(open(&[(8, 16)]));
        assert_forward(
            &spec,
            &[("2011-12-29 15:00", 120, "2011-12-31 09:00"), ("2011-12-29 08:00", 960, "2011-12-31 16:00")],
        );
        assert_backward(&spec, &[("2011-12-31 09:00", 120, "2011-12-29 15:00")]);
        spec.zone = Tz::Pacific__Kwajalein;
        assert_forward(&spec, &[("1993-08-20 15:00", 120, "1993-08-22 09:00")]);
    }

    #[test]
    fn clocks_that_go_back_over_midnight_stay_in_the_day_that_began() {
        let mut spec = weekdays(Tz::America__St_Johns);
        spec.week = spec.week.map(|_| DayHours::Closed);
        // Sunday 2010-11-07 began at 02:30Z; at 00:01 the clocks went back to 23:01 of Saturday, so that 01:00 came at 04:30Z.
        spec.week[6] = open(&[(0, 1)]);
        let calendar = Calendar::compile(&spec);
        let at = |time: &str| format!("2010-11-07T{time}:00Z").parse::<DateTime<Utc>>().expect("a valid instant");
        let (begin, saturday, end) = (at("02:30"), at("03:00"), at("04:30"));
        assert_eq!(local_date(&calendar, saturday), date("2010-11-07"));
        assert_eq!(work_between(&calendar, begin, saturday).num_minutes(), 30);
        assert_eq!(work_between(&calendar, saturday, end).num_minutes(), 90);
        assert_eq!(work_forward(&calendar, saturday, TimeDelta::zero()), Ok(saturday));
        assert_eq!(work_forward(&calendar, saturday, TimeDelta::minutes(90)), Ok(end));
        assert_eq!(work_backward(&calendar, saturday, TimeDelta::minutes(30)), Ok(begin));
    }

    #[test]
    fn parts_of_a_second_are_kept() {
        let calendar = Calendar::compile(&plant());
        let (start, tick) = (at(Vienna, "2026-03-06 16:59"), TimeDelta::nanoseconds(1));
        let monday = at(Vienna, "2026-03-09 08:00");
        let minute = TimeDelta::minutes(1);
        assert_eq!(work_forward(&calendar, start, minute - tick), Ok(start + minute - tick));
        assert_eq!(work_forward(&calendar, start, minute), Ok(start + minute));
        assert_eq!(work_forward(&calendar, start, minute + tick), Ok(monday + tick));
        assert_eq!(work_forward(&calendar, start + tick, minute), Ok(monday + tick));
        assert_eq!(work_forward(&calendar, start + minute + tick, minute), Ok(monday + minute));
        assert_eq!(work_backward(&calendar, monday + tick, minute), Ok(start + tick));
        assert_eq!(work_between(&calendar, start + tick, monday + tick), minute);
        assert_eq!(work_forward(&calendar, start, -minute), Ok(start));
    }

    #[test]
    fn the_horizon_is_forty_years_to_the_day() {
        let mut spec = weekdays(chrono_tz::UTC);
        spec.week.fill(DayHours::Open(Vec::new()));
        let calendar = Calendar::compile(&spec);
        let at = |local| at(chrono_tz::UTC, local);
        let tick = TimeDelta::nanoseconds(1);
        // The last day counts whole.
        let (start, end) = (at("2026-03-01 12:00"), at("2066-03-02 00:00"));
        assert_eq!(work_forward(&calendar, start, end - start), Ok(end));
        assert!(work_forward(&calendar, start, end - start + tick).is_err());
        let (start, begin) = (at("2066-03-01 12:00"), at("2026-03-01 00:00"));
        assert_eq!(work_backward(&calendar, start, start - begin), Ok(begin));
        let refusal = work_backward(&calendar, start, start - begin + tick).expect_err("beyond");
        assert_eq!(
            refusal.to_string(),
            "21039120 minutes of working time before 2066-03-01 12:00:00 UTC lie beyond the horizon of 40 years, \
             or outside 1970 to 2199"
        );
    }

    #[test]
    fn working_time_ends_with_the_years_that_count() {
        let mut spec = weekdays(chrono_tz::UTC);
        spec.week.fill(DayHours::Open(Vec::new()));
        let calendar = Calendar::compile(&spec);
        let at = |local| at(chrono_tz::UTC, local);
        let (minute, first, last) = (TimeDelta::minutes(1), at("1970-01-01 00:00"), at("2200-01-01 00:00"));
        assert_eq!(work_forward(&calendar, last - minute, minute), Ok(last));
        assert_eq!(work_backward(&calendar, first + minute, minute), Ok(first));
        let none = TimeDelta::zero();
        assert_eq!(work_forward(&calendar, first, none), Ok(first));
        for (start, work) in
            [(last - minute, minute * 2), (last, none), (first - minute, none), (first, TimeDelta::MAX)]
        {
            assert!(work_forward(&calendar, start, work).is_err(), "{start} + {work}");
        }
        for (start, work) in [(first + minute, minute * 2), (first, none), (last, none), (first, TimeDelta::MAX)] {
            assert!(work_backward(&calendar, start, work).is_err(), "{start} - {work}");
        }
        let all = last - first;
        assert_eq!(work_between(&calendar, first, last), all);
        assert_eq!(work_between(&calendar, DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC), all);
    }

    #[test]
    fn a_calendar_whose_only_hours_are_skipped_ends_counting_at_once() {
        let mut spec = weekdays(Vienna);
        spec.week = spec.week.map(|_| DayHours::Closed);
        let day = date("2026-03-29");
        let days = ExceptionDays::On { from: day, to: day };
        spec.exceptions = vec![super::super::Exception { hours: open(&[(2, 3)]), ..closed("night", days) }];
        let calendar = Calendar::compile(&spec);
        let start = at(Vienna, "2026-03-01 00:00");
        for work in [TimeDelta::zero(), TimeDelta::minutes(1)] {
            assert!(work_forward(&calendar, start, work).is_err());
            assert!(work_backward(&calendar, at(Vienna, "2027-01-01 00:00"), work).is_err());
        }
    }
}
