//! Holds: the working days and the working time that an order lost while it waited.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    compiled::{Calendar, index_from},
    due::{is_open, local_date},
    local::instant,
    work::work_between,
};

/// Working days on which the order was on hold for at least half of the day's working time, all holds of the day together.
/// Spans that overlap count once; a span that ends before it begins counts nothing; days outside 1970 to 2199 are not lost.
///
/// An open day that was held from its first to its last instant is lost even when its only hours fall into the hour that the
/// clocks skip.
///
/// # Source
/// Holds: lost days. Only the first and the last day of a hold are measured; those between are held as a whole and counted like
/// any span of days, so that a hold of ten years costs what a hold of two days costs.
#[must_use]
pub fn lost_days(calendar: &Calendar, holds: &[(DateTime<Utc>, DateTime<Utc>)]) -> u32 {
    let merged = merge(holds);
    let mut count = 0;
    let mut measured: Option<NaiveDate> = None;
    for (from, to) in &merged {
        let (first, last) = (local_date(calendar, *from), local_date(calendar, *to));
        count += open_days_between(calendar, measured.map_or(first, |measured| measured.max(first)), last);
        for day in [first, last] {
            // Two holds may meet on a day.
            if measured.is_none_or(|measured| measured < day) {
                count += u32::from(is_lost(calendar, day, &merged));
                measured = Some(day);
            }
        }
    }
    count
}

/// The working time held, exact. Spans that overlap count once; a span that ends before it begins counts nothing; days outside
/// 1970 to 2199 have no working time.
///
/// # Source
/// Holds: due times of durations in working time move by the exact working time held.
#[must_use]
pub fn held_work(calendar: &Calendar, holds: &[(DateTime<Utc>, DateTime<Utc>)]) -> TimeDelta {
    merge(holds).into_iter().map(|(from, to)| work_between(calendar, from, to)).sum()
}

/// Open days after `first` and before `last`.
fn open_days_between(calendar: &Calendar, first: NaiveDate, last: NaiveDate) -> u32 {
    let begin = first.succ_opt().map_or(usize::MAX, index_from);
    calendar.rank(index_from(last)).saturating_sub(calendar.rank(begin))
}

/// Sorted, and without overlaps.
fn merge(holds: &[(DateTime<Utc>, DateTime<Utc>)]) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let mut sorted: Vec<_> = holds.iter().copied().filter(|(from, to)| from < to).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::with_capacity(sorted.len());
    for (from, to) in sorted {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// An open day on which an order was held in its working time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDay {
    /// The day.
    pub day: NaiveDate,
    /// Its working time.
    pub working: TimeDelta,
    /// How much of it was held, all holds together.
    pub held: TimeDelta,
    /// It is lost: at least half was held.
    pub lost: bool,
    /// Places, among the holds that were given, of those that took of it.
    pub holds: Vec<usize>,
}

/// The days on which working time was held, in order, and how many more there are than the `limit` that is named. As many of all
/// of them are lost as `lost_days` tells. Costs a look at each day that was held.
#[must_use]
pub fn held_days(calendar: &Calendar, holds: &[(DateTime<Utc>, DateTime<Utc>)], limit: usize) -> (Vec<HeldDay>, usize) {
    let merged = merge(holds);
    let (mut named, mut left_out) = (Vec::new(), 0);
    let mut measured: Option<NaiveDate> = None;
    for (from, to) in &merged {
        let (first, last) = (local_date(calendar, *from), local_date(calendar, *to));
        for day in first.iter_days().take_while(|day| *day <= last).filter(|day| is_open(calendar, *day)) {
            if measured.is_some_and(|measured| day <= measured) {
                continue;
            }
            measured = Some(day);
            let Measured { working, held, lost } = measure(calendar, day, &merged);
            if held.is_zero() && !lost {
                continue;
            }
            if named.len() == limit {
                left_out += 1;
                continue;
            }
            let took = |hold: &(DateTime<Utc>, DateTime<Utc>)| {
                let alone = measure(calendar, day, &merge(std::slice::from_ref(hold)));
                alone.lost || !alone.held.is_zero()
            };
            let holds = holds.iter().enumerate().filter(|(_, hold)| took(hold)).map(|(place, _)| place).collect();
            named.push(HeldDay { day, working, held, lost, holds });
        }
    }
    (named, left_out)
}

fn is_lost(calendar: &Calendar, day: NaiveDate, merged: &[(DateTime<Utc>, DateTime<Utc>)]) -> bool {
    is_open(calendar, day) && measure(calendar, day, merged).lost
}

/// What holds took of an open day.
struct Measured {
    working: TimeDelta,
    held: TimeDelta,
    lost: bool,
}

fn measure(calendar: &Calendar, day: NaiveDate, merged: &[(DateTime<Utc>, DateTime<Utc>)]) -> Measured {
    let at = |minute| instant(calendar.zone(), day, minute);
    let (mut working, mut held) = (TimeDelta::zero(), TimeDelta::zero());
    for interval in calendar.day(day).0.intervals() {
        let (from, to) = (at(interval.from_minute), at(interval.to_minute));
        working += to - from;
        let begin = merged.partition_point(|(_, end)| *end <= from);
        for (start, end) in merged[begin..].iter().take_while(|(start, _)| *start < to) {
            held += (*end).min(to) - (*start).max(from);
        }
    }
    let lost = if working > TimeDelta::zero() {
        held * 2 >= working
    } else {
        let (begin, end) = (at(0), at(1440));
        merged.iter().any(|(start, stop)| *start <= begin && end <= *stop)
    };
    Measured { working, held, lost }
}

#[cfg(test)]
mod tests {
    use super::{
        super::calendar::{DayHours, Interval, tests::weekdays},
        *,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a valid instant")
    }

    fn plant() -> Calendar {
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        for day in &mut spec.week[..5] {
            // 08:00 to 16:00: half is 4 hours
            *day = DayHours::Open(vec![Interval { from_minute: 480, to_minute: 960 }]);
        }
        Calendar::compile(&spec)
    }

    #[test]
    fn a_day_is_lost_from_half_of_its_working_time_on() {
        let plant = plant();
        // Tuesday 2026-03-03, winter time: 08:00 is 07:00Z.
        for (from, to, lost) in [
            ("2026-03-03T07:00:00Z", "2026-03-03T11:00:00Z", 1),
            ("2026-03-03T07:00:00Z", "2026-03-03T10:59:59Z", 0),
            ("2026-03-03T15:00:00Z", "2026-03-04T07:00:00Z", 0),
            ("2026-03-06T07:00:00Z", "2026-03-09T15:00:00Z", 2), // Friday and Monday
            ("2026-03-07T00:00:00Z", "2026-03-08T20:00:00Z", 0), // a weekend
            ("2026-03-27T07:00:00Z", "2026-03-30T14:00:00Z", 2), // over the night clocks go forward
        ] {
            assert_eq!(lost_days(&plant, &[(at(from), at(to))]), lost, "{from} {to}");
        }
    }

    #[test]
    fn a_long_hold_loses_every_open_day_between_its_ends() {
        let plant = plant();
        // Thursday 2026-01-01 12:00 local (4 of 8 hours) to Friday 2036-01-04 07:00 local, before work.
        let (from, to) = (at("2026-01-01T11:00:00Z"), at("2036-01-04T06:00:00Z"));
        assert_eq!(lost_days(&plant, &[(from, to)]), 2_611);
        // Cut in two in the middle of a night: the same days.
        let night = at("2031-06-10T22:30:00Z");
        assert_eq!(lost_days(&plant, &[(from, night), (night, to)]), 2_611);
        assert_eq!(lost_days(&plant, &[(from, night), (night + TimeDelta::seconds(1), to)]), 2_611);
    }

    #[test]
    fn the_hour_that_clocks_skip_or_repeat_counts_as_it_passed() {
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        // Sundays 00:00 to 06:00: 5 hours on 2026-03-29, 7 hours on 2026-10-25.
        spec.week[6] = DayHours::Open(vec![Interval { from_minute: 0, to_minute: 360 }]);
        let plant = Calendar::compile(&spec);
        for (from, to, lost) in [
            ("2026-03-28T23:00:00Z", "2026-03-29T01:30:00Z", 1),
            ("2026-03-28T23:00:00Z", "2026-03-29T01:29:59Z", 0),
            ("2026-10-24T22:00:00Z", "2026-10-25T01:30:00Z", 1),
            ("2026-10-24T22:00:00Z", "2026-10-25T01:29:59Z", 0),
        ] {
            assert_eq!(lost_days(&plant, &[(at(from), at(to))]), lost, "{from} {to}");
        }
        // Only hours that do not exist: lost when held all day, not when held in part.
        spec.week[6] = DayHours::Open(vec![Interval { from_minute: 120, to_minute: 180 }]);
        let plant = Calendar::compile(&spec);
        assert_eq!(lost_days(&plant, &[(at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"))]), 1);
        assert_eq!(lost_days(&plant, &[(at("2026-03-28T23:00:00Z"), at("2026-03-29T21:00:00Z"))]), 0);
    }

    #[test]
    fn holds_of_one_day_add_up_and_overlaps_count_once() {
        let plant = plant();
        let morning = (at("2026-03-03T07:00:00Z"), at("2026-03-03T09:00:00Z"));
        let noon = (at("2026-03-03T11:00:00Z"), at("2026-03-03T13:00:00Z"));
        assert_eq!(lost_days(&plant, &[morning]), 0);
        assert_eq!(lost_days(&plant, &[morning, noon]), 1);
        assert_eq!(lost_days(&plant, &[noon, morning, noon]), 1);
        assert_eq!(lost_days(&plant, &[morning, morning]), 0);
    }

    #[test]
    fn held_working_time_is_exact_and_overlaps_count_once() {
        let plant = plant();
        // Friday 15:00 to Monday 08:30, local: one hour and half an hour.
        let weekend = (at("2026-03-06T14:00:00Z"), at("2026-03-09T07:30:00Z"));
        let within = (at("2026-03-06T14:30:00.5Z"), at("2026-03-06T15:00:00Z"));
        let later = (at("2026-03-09T07:29:59Z"), at("2026-03-09T07:30:00.25Z"));
        let held = |holds: &[_]| held_work(&plant, holds).num_milliseconds();
        assert_eq!(held(&[weekend]), 5_400_000);
        assert_eq!(held(&[within]), 1_799_500);
        assert_eq!(held(&[within, weekend, within]), 5_400_000);
        assert_eq!(held(&[later, weekend]), 5_400_250);
        assert_eq!(held(&[(weekend.1, weekend.0)]), 0);
        assert_eq!(held(&[]), 0);
    }
    #[test]
    fn each_held_day_is_named_with_its_hours_and_who_took_them() {
        let plant = plant();
        // Tuesday from 15:00 to Thursday 08:30, then Thursday 12:00 to 16:00, local: 1, 8 and 4.5 of 8 hours.
        let long = (at("2026-03-03T14:00:00Z"), at("2026-03-05T07:30:00Z"));
        let short = (at("2026-03-05T11:00:00Z"), at("2026-03-05T15:00:00Z"));
        let holds = [long, short];
        let told = |limit| {
            let (days, left_out) = held_days(&plant, &holds, limit);
            let told = |it: HeldDay| (it.day.to_string(), it.held.num_minutes(), it.lost, it.holds);
            (days.into_iter().map(told).collect::<Vec<_>>(), left_out)
        };
        let expected = [
            ("2026-03-03".to_owned(), 60, false, vec![0]),
            ("2026-03-04".to_owned(), 480, true, vec![0]),
            ("2026-03-05".to_owned(), 270, true, vec![0, 1]),
        ];
        assert_eq!(told(400), (expected.to_vec(), 0));
        assert_eq!(told(1), (expected[..1].to_vec(), 2));
        // A weekend has no working time to be held.
        assert_eq!(held_days(&plant, &[(at("2026-03-07T00:00:00Z"), at("2026-03-08T20:00:00Z"))], 9), (Vec::new(), 0));
    }
}
