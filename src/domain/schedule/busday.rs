//! Counting business days against numpy; `tests/busday_cases.py` writes the cases and says what is in them.
//! `ANDON_BUSDAY_CASES` names a file with other, or more, of them.

use chrono::NaiveDate;

use super::{
    Calendar, DayHours, ExceptionDays, backward, calendar::tests::closed, calendar::tests::weekdays, compiled::day_at,
    forward, open_days,
};

const CASES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/busday.csv"));

fn calendar(week: &str, holidays: &str) -> Calendar {
    let mut spec = weekdays(chrono_tz::UTC);
    assert_eq!(week.len(), 7);
    for (day, open) in spec.week.iter_mut().zip(week.chars()) {
        *day = if open == '1' { DayHours::Open(Vec::new()) } else { DayHours::Closed };
    }
    let day = |index: &str| day_at(index.parse().expect("a number of days"));
    let holiday = |index| closed("holiday", ExceptionDays::On { from: day(index), to: day(index) });
    spec.exceptions = holidays.split_whitespace().map(holiday).collect();
    Calendar::compile(&spec)
}

/// The business days from the start, inclusive, to another day, exclusive, in the direction of counting.
fn from_start(calendar: &Calendar, start: NaiveDate, other: NaiveDate) -> i32 {
    let eve = |day: NaiveDate| day.pred_opt().expect("not the first of all days");
    if start <= other { open_days(calendar, eve(start), eve(other)) } else { open_days(calendar, start, other) }
}

#[test]
fn business_days_are_those_of_numpy() {
    let read = std::env::var_os("ANDON_BUSDAY_CASES")
        .map(|path| std::fs::read_to_string(path).expect("ANDON_BUSDAY_CASES names a file"));
    let mut rules = None;
    let mut compared = 0;
    for (line, number) in read.as_deref().unwrap_or(CASES).lines().zip(1..) {
        let fields: Vec<&str> = line.split(',').collect();
        if let ["c", week, holidays] = fields[..] {
            rules = Some(calendar(week, holidays));
            continue;
        }
        let calendar = rules.as_ref().expect("a calendar comes first");
        let fields: Vec<i32> = fields.iter().map(|field| field.parse().expect("a number")).collect();
        let [start, days, after, before, other, between] = fields[..] else { panic!("line {number}: not six numbers") };
        let day = |index: i32| day_at(usize::try_from(index).expect("not before 1970"));
        let days = u32::try_from(days).expect("not negative");
        assert_eq!(forward(calendar, day(start), days), Ok(day(after)), "line {number}: forward");
        assert_eq!(backward(calendar, day(start), days), Ok(day(before)), "line {number}: backward");
        assert_eq!(from_start(calendar, day(start), day(other)), between, "line {number}: between");
        compared += 1;
    }
    assert!(compared >= 20_000, "only {compared} cases");
}
