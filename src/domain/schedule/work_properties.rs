//! Properties of working time, against a second implementation that steps from minute to minute; `PROPTEST_CASES` sets how many
//! cases.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    Calendar, CalendarSpec, DayHours, Interval, held_work, is_open, local_date,
    properties::{any_zone, cases, day, local, looked_up, spec_with},
    work_backward, work_between, work_forward,
};

/// Ends at any minute, often at the hours that daylight saving moves.
fn hours() -> BoxedStrategy<DayHours> {
    let end = prop_oneof![2 => 0_u16..=1440, 2 => 0_u16..=240, 1 => 1320_u16..=1440, 1 => (0_u16..=24).prop_map(|hour| hour * 60)];
    let intervals = prop::collection::btree_set(end, 0..7).prop_map(|ends| {
        let ends: Vec<u16> = ends.into_iter().collect();
        ends.chunks_exact(2).map(|pair| Interval { from_minute: pair[0], to_minute: pair[1] }).collect()
    });
    // The end of one is the beginning of the next.
    let touching = prop::collection::btree_set(0_u16..=1440, 2..6).prop_map(|ends| {
        let ends: Vec<u16> = ends.into_iter().collect();
        ends.windows(2).map(|pair| Interval { from_minute: pair[0], to_minute: pair[1] }).collect()
    });
    prop_oneof![
        2 => Just(DayHours::Closed),
        1 => Just(DayHours::Open(Vec::new())),
        4 => intervals.prop_map(DayHours::Open),
        1 => touching.prop_map(DayHours::Open),
    ]
    .boxed()
}

fn offset(zone: Tz, at: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
}

/// The day before the next change of the clocks at or after a day, if there is one within the year.
fn before_change(zone: Tz, from: NaiveDate) -> NaiveDate {
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let mut days = from.iter_days().take(370);
    days.find(|day| offset(zone, midnight(*day)) != offset(zone, midnight(*day + TimeDelta::days(1)))).unwrap_or(from)
        - TimeDelta::days(1)
}

/// Changes of the clocks of which there are few: a date skipped, half an hour, half a minute, midnight twice, two changes in a
/// week.
const RARE: [(Tz, (i32, u32, u32)); 10] = [
    (Tz::Pacific__Apia, (2011, 12, 29)),
    (Tz::Pacific__Kwajalein, (1993, 8, 20)),
    (Tz::Pacific__Kiritimati, (1994, 12, 30)),
    (Tz::Australia__Lord_Howe, (2021, 10, 1)),
    (Tz::Australia__Lord_Howe, (2022, 4, 1)),
    (Tz::Africa__Monrovia, (1972, 1, 5)),
    (Tz::America__Havana, (2021, 11, 5)),
    (Tz::America__St_Johns, (2010, 11, 5)),
    (Tz::America__Noronha, (2000, 10, 7)),
    (Tz::Antarctica__Troll, (2026, 3, 27)),
];

/// A calendar and an instant from 1970 to 2060, half of the instants near a change of the clocks, year end or leap day.
fn calendar_and_instant() -> impl Strategy<Value = (CalendarSpec, DateTime<Utc>)> {
    let date = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("a valid date");
    let days = prop_oneof![
        4 => (10_i64..32_800).prop_map(|offset| (day(offset), false)),
        4 => (10_i64..32_800).prop_map(|offset| (day(offset), true)),
        1 => (1970_i32..2060).prop_map(move |year| (date(year, 12, 31), false)),
        1 => (0_i32..23).prop_map(move |n| (date(1972 + 4 * n, 2, 28), false)),
    ];
    let rare = prop::sample::select(&RARE[..]).prop_map(move |(zone, (y, m, d))| (zone, (date(y, m, d), false)));
    let place = prop_oneof![8 => (any_zone(), days), 1 => rare];
    let part = prop_oneof![Just(0), 0_i64..1_000_000_000];
    let seconds = prop_oneof![2 => (0_i64..3 * 1440).prop_map(|minutes| minutes * 60), 1 => 0_i64..3 * 86_400];
    (spec_with(Just(Tz::UTC), hours()), place, seconds, part).prop_map(|(spec, place, seconds, part)| {
        let (zone, (day, near_change)) = place;
        let day = if near_change { before_change(zone, day) } else { day };
        let at = day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(part);
        (CalendarSpec { zone, ..spec }, at)
    })
}

/// A shift, or a few of them.
fn work() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        1 => Just(TimeDelta::zero()),
        4 => (0_i64..2_000).prop_map(TimeDelta::minutes),
        2 => (0_i64..200_000).prop_map(TimeDelta::seconds),
        1 => (0_i64..100_000_000_000_000).prop_map(TimeDelta::nanoseconds),
    ]
}

/// Working time within a span of instants, as runs of it, oldest first.
struct Stepped {
    runs: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Stepped {
    /// Steps from minute to minute, from second to second where the clocks change or show no full minutes, along a clock which
    /// stands still when the others go back, until they have caught up with it.
    fn around(spec: &CalendarSpec, at: DateTime<Utc>, days_before: i64, days_after: i64) -> Self {
        let minute = DateTime::from_timestamp(at.timestamp() / 60 * 60, 0).expect("in range");
        let (begin, end) = (minute - TimeDelta::days(days_before), minute + TimeDelta::days(days_after));
        let mut stepped = Self { runs: Vec::new(), begin, end };
        let mut now = begin - TimeDelta::days(2);
        let mut clock = NaiveDateTime::MIN;
        let mut today: Option<(NaiveDate, bool, &[Interval])> = None;
        while now < end {
            let (first, last) = (offset(spec.zone, now), offset(spec.zone, now + TimeDelta::seconds(60)));
            let step = TimeDelta::seconds(if now.second() == 0 && first == last && first % 60 == 0 { 60 } else { 1 });
            clock = clock.max(local(spec.zone, now));
            let known = today.filter(|(day, ..)| *day == clock.date());
            let (_, open, intervals) = *today.insert(known.unwrap_or_else(|| match looked_up(spec, clock.date()).0 {
                DayHours::Closed => (clock.date(), false, &[]),
                DayHours::Open(intervals) => (clock.date(), true, intervals),
            }));
            let reads = clock.hour() * 60 + clock.minute();
            let within = |i: &Interval| u32::from(i.from_minute) <= reads && reads < u32::from(i.to_minute);
            if now >= begin && open && (intervals.is_empty() || intervals.iter().any(within)) {
                match stepped.runs.last_mut() {
                    Some(run) if run.1 == now => run.1 = now + step,
                    _ => stepped.runs.push((now, now + step)),
                }
            }
            now += step;
        }
        stepped
    }

    /// `None` beyond the span.
    fn forward(&self, start: DateTime<Utc>, mut work: TimeDelta) -> Option<DateTime<Utc>> {
        for (from, to) in self.runs.iter().filter(|(_, to)| start < *to) {
            let from = start.max(*from);
            if work <= *to - from {
                return Some(from + work);
            }
            work -= *to - from;
        }
        None
    }

    /// `None` beyond the span.
    fn backward(&self, start: DateTime<Utc>, mut work: TimeDelta) -> Option<DateTime<Utc>> {
        for (from, to) in self.runs.iter().rev().filter(|(from, _)| *from < start) {
            let to = start.min(*to);
            if work <= to - *from {
                return Some(to - work);
            }
            work -= to - *from;
        }
        None
    }

    fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
        let zero = TimeDelta::zero();
        self.runs.iter().map(|(begin, end)| (to.min(*end) - from.max(*begin)).max(zero)).sum()
    }

    /// Cut at every end of a hold, so that each piece is either held or not.
    fn held(&self, holds: &[(DateTime<Utc>, DateTime<Utc>)]) -> TimeDelta {
        let mut ends: Vec<_> = holds.iter().flat_map(|(from, to)| [*from, *to]).collect();
        ends.sort_unstable();
        let pieces = ends.windows(2).map(|pair| (pair[0], pair[1]));
        let held = pieces.filter(|(from, to)| holds.iter().any(|hold| hold.0 <= *from && *to <= hold.1));
        held.map(|(from, to)| self.between(from, to)).sum()
    }

    /// Whether work goes on right after an instant, or right before it.
    fn works(&self, at: DateTime<Utc>) -> (bool, bool) {
        let any = |after: bool| {
            self.runs.iter().any(|(from, to)| if after { *from <= at && at < *to } else { *from < at && at <= *to })
        };
        (any(true), any(false))
    }
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn working_time_equals_stepping_from_minute_to_minute(
        (spec, start) in calendar_and_instant(),
        works in prop::collection::vec(work(), 8),
        spans in prop::collection::vec((0_i64..8 * 86_400, 0_i64..200_000), 1..5),
    ) {
        let calendar = Calendar::compile(&spec);
        let stepped = Stepped::around(&spec, start, 4, 5);
        for work in works {
            let (after, before) = (work_forward(&calendar, start, work), work_backward(&calendar, start, work));
            // What lies beyond the steps is known to lie beyond them only.
            match stepped.forward(start, work) {
                Some(end) => prop_assert_eq!(after, Ok(end), "{} {} + {}", spec.zone, start, work),
                None => prop_assert!(after.map_or(true, |end| end >= stepped.end)),
            }
            match stepped.backward(start, work) {
                Some(begin) => prop_assert_eq!(before, Ok(begin), "{} {} - {}", spec.zone, start, work),
                None => prop_assert!(before.map_or(true, |begin| begin <= stepped.begin)),
            }
            if let Some(end) = stepped.forward(start, work) {
                let (right_after, right_before) = stepped.works(end);
                let works = if work.is_zero() { right_after } else { right_before };
                prop_assert!(works, "{} {} + {}", spec.zone, start, work);
            }
        }
        let at = |second: i64| stepped.begin + TimeDelta::seconds(second);
        let holds: Vec<_> = spans.iter().map(|(from, length)| (at(*from), at(from + length).min(stepped.end))).collect();
        for (from, to) in &holds {
            prop_assert_eq!(work_between(&calendar, *from, *to), stepped.between(*from, *to), "{} {} {}", spec.zone, from, to);
            prop_assert_eq!(work_between(&calendar, *to, *from), -stepped.between(*from, *to));
        }
        prop_assert_eq!(held_work(&calendar, &holds), stepped.held(&holds));
    }
}

/// Any length up to about ten years of shifts; most of them long.
fn long_work() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        1 => work(),
        3 => (1_i64..60_000_000_000_000_000).prop_map(TimeDelta::nanoseconds),
        3 => (1_i64..2_000_000).prop_map(TimeDelta::minutes),
    ]
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn an_end_is_the_first_and_a_beginning_the_last_instant_with_that_much_work(
        (spec, start) in calendar_and_instant(), work in long_work(),
    ) {
        let calendar = Calendar::compile(&spec);
        let (work, tick) = (work.max(TimeDelta::nanoseconds(1)), TimeDelta::nanoseconds(1));
        if let Ok(end) = work_forward(&calendar, start, work) {
            prop_assert_eq!(work_between(&calendar, start, end), work);
            prop_assert_eq!(work_between(&calendar, start, end - tick), work - tick);
            // There and back: to the first working instant at or after the start.
            prop_assert_eq!(work_backward(&calendar, end, work), work_forward(&calendar, start, TimeDelta::zero()));
        }
        if let Ok(begin) = work_backward(&calendar, start, work) {
            prop_assert_eq!(work_between(&calendar, begin, start), work);
            prop_assert_eq!(work_between(&calendar, begin + tick, start), work - tick);
            prop_assert_eq!(work_forward(&calendar, begin, work), work_backward(&calendar, start, TimeDelta::zero()));
        }
    }

    #[test]
    fn a_later_start_or_more_work_never_ends_earlier(
        (spec, start) in calendar_and_instant(), work in long_work(), later in long_work(), more in work(),
    ) {
        let calendar = Calendar::compile(&spec);
        let ordered = |first: Option<DateTime<Utc>>, second: Option<_>| first.is_none() || second.is_none() || first <= second;
        let ahead = |start, work| work_forward(&calendar, start, work).ok();
        prop_assert!(ordered(ahead(start, work), ahead(start + later, work)));
        prop_assert!(ordered(ahead(start, work), ahead(start, work + more)));
        let back = |start, work| work_backward(&calendar, start, work).ok();
        prop_assert!(ordered(back(start, work), back(start + later, work)));
        prop_assert!(ordered(back(start, work + more), back(start, work)));
    }

    #[test]
    fn work_in_two_parts_ends_when_all_of_it_ends(
        (spec, start) in calendar_and_instant(), first in long_work(), second in long_work(),
    ) {
        let calendar = Calendar::compile(&spec);
        // No time asked for moves to the next working instant, which is not where the part before it ended.
        let second = second.max(TimeDelta::nanoseconds(1));
        if let Ok(whole) = work_forward(&calendar, start, first + second) {
            let part = work_forward(&calendar, start, first).expect("before the whole");
            prop_assert_eq!(work_forward(&calendar, part, second), Ok(whole));
            prop_assert_eq!(work_between(&calendar, start, part) + work_between(&calendar, part, whole), first + second);
        }
        if let Ok(whole) = work_backward(&calendar, start, first + second) {
            let part = work_backward(&calendar, start, first).expect("after the whole");
            prop_assert_eq!(work_backward(&calendar, part, second), Ok(whole));
        }
    }

    #[test]
    fn a_result_belongs_to_an_open_day((spec, start) in calendar_and_instant(), work in long_work()) {
        let calendar = Calendar::compile(&spec);
        let tick = TimeDelta::nanoseconds(1);
        for end in [work_forward(&calendar, start, work), work_backward(&calendar, start, work)].into_iter().flatten() {
            let stepped = Stepped::around(&spec, end, 1, 1);
            prop_assert!(stepped.works(end) != (false, false), "{} {}", spec.zone, end);
            let days = [end, end - tick].map(|at| is_open(&calendar, local_date(&calendar, at)));
            prop_assert!(days != [false, false], "{} {}", spec.zone, end);
        }
    }
}

proptest! {
    #![proptest_config(cases(15))]

    #[test]
    fn the_working_time_of_years_is_the_sum_of_their_days((spec, start) in calendar_and_instant(), days in 60_i64..900) {
        let calendar = Calendar::compile(&spec);
        let stepped = Stepped::around(&spec, start, 0, days.min(120));
        prop_assert_eq!(work_between(&calendar, stepped.begin, stepped.end), stepped.between(stepped.begin, stepped.end));
        let at = |day: i64| start + TimeDelta::days(day);
        let each: TimeDelta = (0..days).map(|day| work_between(&calendar, at(day), at(day + 1))).sum();
        prop_assert_eq!(work_between(&calendar, start, at(days)), each);
    }
}
