//! Offsets of business days and of working time on one core.

use std::{hint::black_box, time::Instant};

use andon::domain::schedule::{
    Calendar, CalendarSpec, DayHours, Exception, ExceptionDays, Interval, MonthDay, forward, work_backward,
    work_forward,
};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::{
    Options,
    stats::{Rounds, head, verdict},
};

const OFFSETS: u32 = 4_000_000;
const WORK_OFFSETS: u32 = 1_000_000;
/// Calendars whose working time is counted.
const COUNTED: u32 = 20;

/// Measures and prints.
pub fn measure(options: &Options) {
    days(options);
    working_time(options);
}

/// Monday to Friday with these hours; Christmas is closed.
fn plant(hours: &[Interval]) -> CalendarSpec {
    let open = || DayHours::Open(hours.to_vec());
    let day = MonthDay { month: 12, day: 24 };
    CalendarSpec {
        id: "plant".into(),
        name: "Plant".into(),
        zone: chrono_tz::Europe::Vienna,
        week: [open(), open(), open(), open(), open(), DayHours::Closed, DayHours::Closed],
        exceptions: vec![Exception {
            name: "Christmas".into(),
            days: ExceptionDays::Yearly { from: day, to: MonthDay { day: 26, ..day } },
            hours: DayHours::Closed,
        }],
        maintained_until: None,
    }
}

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).expect("a valid date")
}

fn days(options: &Options) {
    let calendar = Calendar::compile(&plant(&[]));
    let first = first_day();
    let starts: Vec<NaiveDate> = (0..1_000).map(|n| first + Days::new(n)).collect();
    head("Calendar arithmetic, one core");
    let mut slowest = f64::INFINITY;
    for (what, days_max) in [("offsets of 1 to 5 business days", 5), ("offsets of 1 to 250 business days", 250)] {
        let mut rounds = Rounds::default();
        for _ in 0..options.rounds {
            let mut random = fastrand::Rng::with_seed(7);
            let began = Instant::now();
            for _ in 0..OFFSETS {
                let start = starts[random.usize(..starts.len())];
                let _ = black_box(forward(&calendar, start, random.u32(1..=days_max)));
            }
            rounds.add(f64::from(OFFSETS) / began.elapsed().as_secs_f64() / 1e6);
        }
        rounds.line(what, "million/s");
        slowest = slowest.min(rounds.median());
    }
    verdict("offsets", slowest, ">=", 5.0, " million/s");
}

/// The result of an offset.
type Offset = fn(&Calendar, DateTime<Utc>, TimeDelta) -> Option<DateTime<Utc>>;

fn working_time(options: &Options) {
    let interval = |from: u16, to: u16| Interval { from_minute: from * 60, to_minute: to * 60 };
    let spec = plant(&[interval(8, 12), interval(13, 17)]);
    let first = first_day().and_time(NaiveTime::MIN).and_utc();
    let starts: Vec<DateTime<Utc>> = (0..1_000).map(|n| first + TimeDelta::minutes(n * 1_447)).collect();
    head("Working time, one core: 8 hours of 5 days a week");
    let mut counting = Rounds::default();
    for _ in 0..options.rounds {
        let calendars: Vec<Calendar> = (0..COUNTED).map(|_| Calendar::compile(&spec)).collect();
        let began = Instant::now();
        for calendar in &calendars {
            let _ = black_box(work_forward(calendar, first, TimeDelta::zero()));
        }
        counting.add(began.elapsed().as_secs_f64() * 1e3 / f64::from(COUNTED));
    }
    counting.line("the first offset of a calendar, which counts its hours", "ms");
    let calendar = Calendar::compile(&spec);
    let ways: [(&str, Offset); 2] = [
        ("forward", |calendar, start, work| work_forward(calendar, start, work).ok()),
        ("backward", |calendar, start, work| work_backward(calendar, start, work).ok()),
    ];
    let mut ratio = 0.0_f64;
    for (way, offset) in ways {
        let mut shortest = None;
        for (what, minutes_max) in [
            ("1 minute to 8 hours", 480),
            ("1 minute to 200 hours", 12_000),
            ("1 minute to 20 000 hours (10 years)", 1_200_000),
        ] {
            let mut rounds = Rounds::default();
            for _ in 0..options.rounds {
                let mut random = fastrand::Rng::with_seed(7);
                let began = Instant::now();
                for _ in 0..WORK_OFFSETS {
                    let start = starts[random.usize(..starts.len())];
                    let work = TimeDelta::minutes(random.i64(1..=minutes_max));
                    black_box(offset(&calendar, start, work));
                }
                rounds.add(f64::from(WORK_OFFSETS) / began.elapsed().as_secs_f64() / 1e6);
            }
            rounds.line(&format!("{way} by {what}"), "million/s");
            let shortest = *shortest.get_or_insert(rounds.median());
            ratio = ratio.max(shortest / rounds.median());
        }
    }
    verdict("what the longest cost beside the shortest", ratio, "<=", 2.0, " x");
}
