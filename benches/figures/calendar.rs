//! Offsets of business days on one core.

use std::{hint::black_box, time::Instant};

use andon::domain::schedule::{Calendar, CalendarSpec, DayHours, Exception, ExceptionDays, MonthDay, forward};
use chrono::{Days, NaiveDate};

use crate::{
    Options,
    stats::{Rounds, head, verdict},
};

const OFFSETS: u32 = 4_000_000;

/// Measures and prints.
pub fn measure(options: &Options) {
    let open = || DayHours::Open(Vec::new());
    let day = MonthDay { month: 12, day: 24 };
    let spec = CalendarSpec {
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
    };
    let calendar = Calendar::compile(&spec);
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a valid date");
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
