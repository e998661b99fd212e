//! Properties of an import of holidays, over calendars and files by chance.

use std::{fmt::Write as _, sync::Arc};

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::HolidayImport;
use crate::domain::{
    catalogue::{CalendarEntry, Catalogue},
    schedule::{Calendar, CalendarSpec, DayHours, Exception, ExceptionDays, MonthDay, icalendar::Icalendar, is_open},
    violation::Violations,
};

/// Days from 2026-12-20 on: few, so that much falls together.
const DAYS: i64 = 40;
const NAMES: [&str; 3] = ["a", "b", "c"];

fn day(offset: i64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, 20).expect("a valid date") + TimeDelta::days(offset)
}

fn span() -> impl Strategy<Value = (NaiveDate, NaiveDate)> {
    (0..DAYS, 0_i64..4).prop_map(|(from, length)| (day(from), day(from + length)))
}

fn exception() -> impl Strategy<Value = Exception> {
    let open = prop_oneof![3 => Just(DayHours::Closed), 1 => Just(DayHours::Open(Vec::new()))];
    (span(), 0..5_u8, prop::sample::select(NAMES.to_vec()), open).prop_map(|((from, to), kind, name, hours)| {
        let yearly = |day: NaiveDate| MonthDay { month: day.month(), day: day.day() };
        let days = if kind == 0 {
            ExceptionDays::Yearly { from: yearly(from), to: yearly(to) }
        } else {
            ExceptionDays::On { from, to }
        };
        Exception { name: name.to_owned(), days, hours }
    })
}

fn file(holidays: &[((NaiveDate, NaiveDate), &str)]) -> String {
    let mut text = "BEGIN:VCALENDAR\n".to_owned();
    for ((from, to), name) in holidays {
        let (from, end) = (from.format("%Y%m%d"), (*to + TimeDelta::days(1)).format("%Y%m%d"));
        let _ = write!(text, "BEGIN:VEVENT\nSUMMARY:{name}\nDTSTART:{from}\nDTEND:{end}\nEND:VEVENT\n");
    }
    text + "END:VCALENDAR\n"
}

fn catalogue(exceptions: Vec<Exception>, now: DateTime<Utc>) -> Catalogue {
    let spec = CalendarSpec {
        id: "plant".into(),
        name: "Plant".into(),
        zone: Tz::Europe__Vienna,
        week: std::array::from_fn(|_| DayHours::Open(Vec::new())),
        exceptions,
        maintained_until: None,
    };
    let calendar = Calendar::compile(&spec);
    let mut catalogue = Catalogue::default();
    let entry = CalendarEntry { spec, calendar, version: 1, created_at: now, updated_at: now };
    catalogue.calendars.insert("plant".into(), Arc::new(entry));
    catalogue
}

proptest! {
    #[test]
    fn an_import_closes_the_days_of_the_file_once(
        exceptions in prop::collection::vec(exception(), 0..8),
        holidays in prop::collection::vec((span(), prop::sample::select(NAMES.to_vec())), 1..8),
        replace in any::<bool>(),
    ) {
        let now = DateTime::from_timestamp(1_798_000_000, 0).expect("a valid instant");
        let mut v = Violations::new();
        let import = HolidayImport {
            calendar: "plant".into(),
            etag: None,
            file: Icalendar::read(&file(&holidays), &mut v),
            from: Some(day(0)),
            to: Some(day(DAYS - 1)),
            replace,
        };
        prop_assert!(v.is_empty());
        let before = catalogue(exceptions.clone(), now);
        let diff = import.diff(&import.find(&before, now).expect("a calendar"), &before, now).expect("a difference");
        let edit = diff.edit.expect("the date until which holidays are maintained moves at least");
        let after = edit.update(&before, now).expect("a calendar with an open day").spec;

        // What is added and removed is the whole difference.
        let mut rest = after.exceptions.clone();
        prop_assert_eq!(&rest.drain(..diff.added.len()).collect::<Vec<_>>(), &diff.added);
        let stays = exceptions.iter().filter(|it| !diff.removed.contains(it)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(rest, stays);
        prop_assert!(replace || diff.removed.is_empty());
        // Open and yearly ones stay.
        let goes = |it: &Exception| !it.hours.is_open() && matches!(it.days, ExceptionDays::On { .. });
        prop_assert!(diff.removed.iter().all(goes));
        // Each day of the file is closed, but for those that are opened by a dated exception.
        let compiled = Calendar::compile(&after);
        for ((from, to), _) in &holidays {
            for day in from.iter_days().take_while(|day| day <= to) {
                let opened = exceptions.iter().any(|it| match it.days {
                    ExceptionDays::On { from, to } => it.hours.is_open() && from <= day && day <= to,
                    ExceptionDays::Yearly { .. } => false,
                });
                prop_assert!(opened || !is_open(&compiled, day), "{day}");
            }
        }
        // A second import changes nothing.
        let again = catalogue(after.exceptions.clone(), now);
        let diff = import.diff(&import.find(&again, now).expect("a calendar"), &again, now).expect("a difference");
        prop_assert!(diff.added.is_empty() && diff.removed.is_empty(), "{diff:?}");
    }
}
