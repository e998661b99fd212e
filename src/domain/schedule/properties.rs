//! Properties of counting, against a second implementation that steps from day to day; `PROPTEST_CASES` sets how many cases.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::{
    Calendar, CalendarSpec, DayHours, EXPLAINED_DAYS_MAX, Exception, ExceptionDays, Interval, MonthDay, backward,
    days_late, due_at, explain_forward, forward, held_days, held_work, is_open, local_date, lost_days,
};

/// As many cases as the environment asks for, else `usual`.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: usual, ..config } }
}

pub(super) fn day(offset: i64) -> NaiveDate {
    NaiveDate::default() + TimeDelta::days(offset)
}

/// Ends in whole tens of minutes, away from the hours that daylight saving moves.
fn hours() -> impl Strategy<Value = DayHours> {
    let intervals = prop::collection::btree_set(24_u16..=144, 0..5).prop_map(|ends| {
        let ends: Vec<u16> = ends.into_iter().map(|end| end * 10).collect();
        ends.chunks_exact(2).map(|pair| Interval { from_minute: pair[0], to_minute: pair[1] }).collect()
    });
    prop_oneof![2 => Just(DayHours::Closed), 1 => Just(DayHours::Open(Vec::new())), 3 => intervals.prop_map(DayHours::Open)]
}

fn exception(hours: BoxedStrategy<DayHours>) -> impl Strategy<Value = Exception> {
    let month_day = || (0_i64..366).prop_map(|offset| day(730 + offset));
    let month_day = || month_day().prop_map(|day| MonthDay { month: day.month(), day: day.day() });
    let days = prop_oneof![
        8 => (-100_i64..84_100, 0_i64..40).prop_map(|(from, length)| (from, from + length)),
        1 => (-100_i64..84_100, 0_i64..20_000).prop_map(|(from, length)| (from, from + length)),
    ]
    .prop_map(|(from, to)| ExceptionDays::On { from: day(from), to: day(to) });
    let yearly = (month_day(), month_day()).prop_map(|(from, to)| ExceptionDays::Yearly { from, to });
    let leap_day = Just(MonthDay { month: 2, day: 29 });
    let leap = (leap_day, month_day()).prop_map(|(leap, other)| ExceptionDays::Yearly { from: leap, to: other });
    let one = month_day().prop_map(|day| ExceptionDays::Yearly { from: day, to: day });
    (prop_oneof![5 => days, 1 => yearly, 1 => leap, 2 => one], hours, 0_u32..1_000)
        .prop_map(|(days, hours, name)| Exception { name: name.to_string(), days, hours })
}

fn spec(zone: impl Strategy<Value = Tz>) -> impl Strategy<Value = CalendarSpec> {
    spec_with(zone, hours().boxed())
}

pub(super) fn spec_with(
    zone: impl Strategy<Value = Tz>,
    hours: BoxedStrategy<DayHours>,
) -> impl Strategy<Value = CalendarSpec> {
    (zone, prop::array::uniform7(hours.clone()), prop::collection::vec(exception(hours), 0..16)).prop_map(
        |(zone, week, exceptions)| CalendarSpec {
            id: "plant".into(),
            name: "Plant".into(),
            zone,
            week,
            exceptions,
            maintained_until: None,
        },
    )
}

pub(super) fn any_zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(&TZ_VARIANTS[..])
}

/// What a day is, by trying every exception.
pub(super) fn looked_up(spec: &CalendarSpec, day: NaiveDate) -> (&DayHours, &str) {
    // Day 1 of the common era was a Monday.
    let weekday = (day.num_days_from_ce() - 1).rem_euclid(7);
    let mut found = (&spec.week[usize::try_from(weekday).expect("0 to 6")], "");
    for dated in [false, true] {
        for exception in &spec.exceptions {
            let (covers, is_dated) = match exception.days {
                ExceptionDays::On { from, to } => (from <= day && day <= to, true),
                ExceptionDays::Yearly { from, to } => {
                    let number = |month: u32, day: u32| month * 100 + day;
                    let (from, to) = (number(from.month, from.day), number(to.month, to.day));
                    let day = number(day.month(), day.day());
                    (if to < from { day <= to || from <= day } else { from <= day && day <= to }, false)
                }
            };
            if covers && dated == is_dated {
                found = (&exception.hours, &exception.name);
            }
        }
    }
    found
}

fn counted(day: NaiveDate) -> bool {
    (1970..2200).contains(&day.year())
}

/// The result by stepping from day to day; `None` beyond 40 years and outside the years that are counted.
fn stepped(spec: &CalendarSpec, start: NaiveDate, days: u32, step: TimeDelta) -> Option<NaiveDate> {
    let (mut day, mut left) = (start, days);
    loop {
        if !counted(day) || day.max(start) > day.min(start) + Months::new(480) {
            return None;
        }
        if matches!(looked_up(spec, day).0, DayHours::Open(_)) {
            if left == 0 {
                return Some(day);
            }
            left -= 1;
        }
        day += step;
    }
}

pub(super) fn local(zone: Tz, instant: DateTime<Utc>) -> chrono::NaiveDateTime {
    zone.from_utc_datetime(&instant.naive_utc()).naive_local()
}

/// The first instant of a local day, by looking every quarter of an hour and then every second.
fn first_instant_looked_for(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    let begin = day.and_time(NaiveTime::MIN).and_utc() - TimeDelta::hours(26);
    let look = |from: DateTime<Utc>, every: i64| {
        (0..=300 * 900 / every)
            .map(|step| from + TimeDelta::seconds(step * every))
            .find(|at| local(zone, *at).date() >= day)
    };
    let found = look(begin, 900).expect("each day comes");
    look(found - TimeDelta::seconds(899), 1).expect("found before")
}

/// Lost days by adding up steps of 5 minutes: some zones are 45 minutes off the hour.
fn lost_looked_for(
    spec: &CalendarSpec,
    begin: DateTime<Utc>,
    length: i64,
    holds: &[(DateTime<Utc>, DateTime<Utc>)],
) -> u32 {
    let mut days = std::collections::BTreeMap::<NaiveDate, (u32, u32)>::new();
    let mut hours: Option<(NaiveDate, &DayHours)> = None;
    for step in -600..length + 600 {
        let at = begin + TimeDelta::minutes(step * 5);
        let local = local(spec.zone, at);
        let known = hours.filter(|(day, _)| *day == local.date());
        let (_, today) = *hours.insert(known.unwrap_or_else(|| (local.date(), looked_up(spec, local.date()).0)));
        let DayHours::Open(intervals) = today else { continue };
        let minute = local.hour() * 60 + local.minute();
        let within = |i: &Interval| u32::from(i.from_minute) <= minute && minute < u32::from(i.to_minute);
        if intervals.is_empty() || intervals.iter().any(within) {
            let (working, held) = days.entry(local.date()).or_default();
            *working += 1;
            *held += u32::from(holds.iter().any(|(from, to)| *from <= at && at < *to));
        }
    }
    u32::try_from(days.values().filter(|(working, held)| held * 2 >= *working).count()).expect("few days")
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn counting_equals_stepping_from_day_to_day(
        spec in spec(any_zone()),
        start in -10_i64..84_016,
        days in prop_oneof![30 => 0_u32..260, 5 => 0_u32..2_000, 1 => 0_u32..16_000],
    ) {
        let calendar = Calendar::compile(&spec);
        let start = day(start);
        let (after, before) = (stepped(&spec, start, days, TimeDelta::days(1)), stepped(&spec, start, days, -TimeDelta::days(1)));
        prop_assert_eq!(forward(&calendar, start, days).ok(), after);
        prop_assert_eq!(backward(&calendar, start, days).ok(), before);
        prop_assert_eq!(is_open(&calendar, start), counted(start) && looked_up(&spec, start).0.is_open());
        if let (Some(end), true) = (after, is_open(&calendar, start)) {
            prop_assert_eq!(days_late(&calendar, start, end), days);
            prop_assert_eq!(backward(&calendar, end, days), Ok(start));
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_day_is_what_the_winning_exception_says(spec in spec(any_zone()), start in -200_i64..84_200) {
        let calendar = Calendar::compile(&spec);
        for offset in 0..30 {
            let day = day(start + offset);
            let (hours, exception) = calendar.day(day);
            prop_assert_eq!((hours, exception.map_or("", |exception| &exception.name)), looked_up(&spec, day));
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_explanation_ends_with_the_result_and_names_each_closed_day(
        spec in spec(any_zone()), start in 0_i64..80_000, days in 0_u32..120,
    ) {
        let calendar = Calendar::compile(&spec);
        let Ok(end) = forward(&calendar, day(start), days) else {
            prop_assert!(explain_forward(&calendar, day(start), days).is_err());
            return Ok(());
        };
        let trace = explain_forward(&calendar, day(start), days).expect("as forward");
        let length = usize::try_from((end - day(start)).num_days()).expect("not before the start") + 1;
        prop_assert_eq!(trace.len(), length.min(EXPLAINED_DAYS_MAX));
        let mut opened = 0;
        for (index, traced) in trace.iter().enumerate() {
            let (hours, name) = looked_up(&spec, traced.day);
            prop_assert_eq!(traced.day, day(start) + Days::new(index as u64));
            prop_assert_eq!(traced.closed_because.is_none(), hours.is_open());
            prop_assert!(name.is_empty() || traced.closed_because.as_deref().is_none_or(|because| because == name));
            opened += u32::from(hours.is_open());
            prop_assert_eq!(traced.count, opened.saturating_sub(1));
        }
        prop_assert!(length > EXPLAINED_DAYS_MAX || trace.last().map(|last| (last.day, last.count)) == Some((end, days)));
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn the_due_time_is_the_first_instant_of_the_day_after(zone in any_zone(), offset in 0_i64..84_000) {
        let calendar = Calendar::compile(&super::calendar::tests::weekdays(zone));
        let at = due_at(&calendar, day(offset));
        prop_assert_eq!(at, first_instant_looked_for(zone, day(offset + 1)), "{} {}", zone, day(offset));
        prop_assert!(local_date(&calendar, at) > day(offset));
        prop_assert!(local_date(&calendar, at - TimeDelta::microseconds(1)) <= day(offset));
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn lost_days_equal_adding_up_minutes(
        spec in spec(prop::sample::select(vec![
            Tz::UTC, Tz::Europe__Vienna, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::America__Sao_Paulo,
            Tz::Asia__Beirut, Tz::Africa__Cairo, Tz::America__Havana, Tz::Asia__Kathmandu,
        ])),
        start in 16_000_i64..22_000,
        spans in prop::collection::vec((0_i64..1_000, 0_i64..700), 1..5),
    ) {
        let begin = day(start).and_time(NaiveTime::MIN).and_utc();
        let at = |step: i64| begin + TimeDelta::minutes(step * 10);
        let holds: Vec<_> = spans.iter().map(|(from, length)| (at(*from), at(from + length))).collect();
        let calendar = Calendar::compile(&spec);
        prop_assert_eq!(lost_days(&calendar, &holds), lost_looked_for(&spec, begin, 3_400, &holds));
        let (named, left_out) = held_days(&calendar, &holds, usize::MAX);
        prop_assert_eq!(named.iter().filter(|it| it.lost).count(), lost_days(&calendar, &holds) as usize);
        let held: TimeDelta = named.iter().map(|it| it.held).sum();
        prop_assert_eq!((held, left_out), (held_work(&calendar, &holds), 0));
    }
}
