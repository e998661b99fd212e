//! An import of holidays: the difference between a calendar and a file, as an edit of the calendar.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{CalendarEdit, check_etag, not_found};
use crate::domain::{
    catalogue::{CalendarEntry, Catalogue},
    refusal::{Kind, Refusal},
    schedule::{
        Calendar, CalendarSpec, DayHours, EXCEPTIONS_MAX, Exception, ExceptionDays,
        icalendar::{ClosedDays, Holiday, Icalendar, Skipped, Window},
    },
    violation::{Violation, Violations},
};

/// Days that one warning names.
const NAMED_MAX: usize = 10;

/// What is imported, and where to.
#[derive(Debug, Clone)]
pub struct HolidayImport {
    /// Which calendar.
    pub calendar: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// The file.
    pub file: Icalendar,
    /// First day of the window; `None` = today.
    pub from: Option<NaiveDate>,
    /// Last day of the window; `None` = five years on.
    pub to: Option<NaiveDate>,
    /// Closed days in the window that are not in the file go.
    pub replace: bool,
}

/// What the file comes to in a window. Rules can take a while to follow, so this is found before the edit begins.
#[derive(Debug, Clone)]
pub struct FoundHolidays {
    window: Window,
    zone: Tz,
    days: ClosedDays,
}

/// The difference between the calendar and the file.
#[derive(Debug, Clone)]
pub struct HolidayDiff {
    /// Id of the calendar.
    pub calendar: String,
    /// What makes it: an edit of the exceptions, and of the date until which they are maintained. `None`: nothing differs.
    pub edit: Option<CalendarEdit>,
    /// Exceptions that come.
    pub added: Vec<Exception>,
    /// Exceptions that go.
    pub removed: Vec<Exception>,
    /// Days of the file that the calendar closes already.
    pub unchanged: usize,
    /// Events of the file that close no day.
    pub skipped: Vec<Skipped>,
    /// The days that were looked at.
    pub window: Window,
    /// Until when holidays were maintained before.
    pub maintained_before: Option<NaiveDate>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

impl HolidayImport {
    /// Follows the file through the window.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` (the window, the rules).
    pub fn find(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<FoundHolidays, Refusal> {
        let zone = self.entry(catalogue)?.spec.zone;
        let window = self.window(zone, now)?;
        let days = self.file.closed_days(window, zone).map_err(|wrong| Refusal::Invalid(vec![wrong]))?;
        Ok(FoundHolidays { window, zone, days })
    }

    /// The difference. `found` is taken if it is of the calendar's present zone and of this window.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`, `Invalid`: the window, the rules, or a file that closes no day in the window when the days
    /// that are there would go.
    pub fn diff(
        &self,
        found: &FoundHolidays,
        catalogue: &Catalogue,
        now: DateTime<Utc>,
    ) -> Result<HolidayDiff, Refusal> {
        let entry = self.entry(catalogue)?;
        check_etag(Kind::Calendar, self.etag.as_deref(), entry.version)?;
        let spec = &entry.spec;
        if found.zone != spec.zone || found.window != self.window(spec.zone, now)? {
            return self.diff(&self.find(catalogue, now)?, catalogue, now);
        }
        let holidays = &found.days.holidays;
        self.check(holidays)?;
        let (removed, kept): (Vec<_>, Vec<_>) =
            spec.exceptions.iter().cloned().partition(|it| self.replace && goes(it, found.window, holidays));
        let present = Calendar::compile(&CalendarSpec { exceptions: kept.clone(), ..spec.clone() });
        let added = added(holidays, &kept, &present);
        let unchanged = holidays.len() - added.len();
        let mut warnings = self.warnings(holidays, &present);
        warnings.extend(thin_year(holidays, found.window));
        let maintained = maintained(spec.maintained_until, holidays, found.window);
        let differs = !added.is_empty() || !removed.is_empty() || maintained != spec.maintained_until;
        let edit = differs.then(|| CalendarEdit {
            id: self.calendar.clone(),
            etag: self.etag.clone(),
            // Before the others, so that a day which somebody opened stays open.
            exceptions: Some(added.iter().cloned().chain(kept).collect()),
            maintained_until: Some(maintained),
            ..CalendarEdit::default()
        });
        Ok(HolidayDiff {
            calendar: self.calendar.clone(),
            edit,
            added,
            removed,
            unchanged,
            skipped: found.days.skipped.clone(),
            window: found.window,
            maintained_before: spec.maintained_until,
            warnings,
        })
    }

    fn entry<'a>(&self, catalogue: &'a Catalogue) -> Result<&'a CalendarEntry, Refusal> {
        let entry = catalogue.calendars.get(&self.calendar).ok_or_else(|| not_found(Kind::Calendar, &self.calendar))?;
        Ok(entry.as_ref())
    }

    fn window(&self, zone: Tz, now: DateTime<Utc>) -> Result<Window, Refusal> {
        let mut v = Violations::new();
        let window = Window::new(self.from, self.to, zone, now, &mut v);
        if v.is_empty() { Ok(window) } else { Err(Refusal::Invalid(v.into_found())) }
    }

    fn check(&self, holidays: &[Holiday]) -> Result<(), Refusal> {
        let wrong = |field: &str, description: String| {
            Err(Refusal::Invalid(vec![Violation { field: field.into(), description }]))
        };
        if holidays.len() > EXCEPTIONS_MAX {
            let found = holidays.len();
            return wrong(
                "icalendar",
                format!("closes {found} spans of days; a calendar has at most {EXCEPTIONS_MAX}"),
            );
        }
        // An empty download must not open the doors on Christmas Day.
        if self.replace && holidays.is_empty() {
            return wrong("replace", "the file closes no day in the window: no holiday would be left".to_owned());
        }
        Ok(())
    }

    fn warnings(&self, holidays: &[Holiday], present: &Calendar) -> Vec<String> {
        let mut warnings = Vec::new();
        if holidays.is_empty() {
            let none = if self.file.has_events() { "closes no day in the window" } else { "has no event" };
            warnings.push(format!("the file {none}"));
        }
        let (mut opened, mut yearly) = (Vec::new(), Vec::new());
        for day in holidays.iter().flat_map(days) {
            match present.exception_on(day) {
                Some(Exception { hours: DayHours::Open(_), days: ExceptionDays::On { .. }, name }) => {
                    opened.push(format!("{day} ({name})"));
                }
                Some(Exception { hours: DayHours::Open(_), name, .. }) => yearly.push(format!("{day} ({name})")),
                _ => {}
            }
        }
        let named = |days: &[String], what: &str| {
            let more = days.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!days.is_empty()).then(|| format!("{what}: {}{more}", days[..days.len().min(NAMED_MAX)].join(", ")))
        };
        warnings.extend(named(&opened, "stays open, since the calendar says so for that day"));
        warnings.extend(named(&yearly, "is closed by the file, though the calendar opens it every year"));
        warnings
    }
}

/// Whether an exception goes when all is replaced: closed, dated, in the window, not in the file.
fn goes(exception: &Exception, window: Window, holidays: &[Holiday]) -> bool {
    match exception.days {
        ExceptionDays::On { from, to } if !exception.hours.is_open() && window.touches(from, to) => {
            !holidays.iter().any(|holiday| is(exception, holiday))
        }
        _ => false,
    }
}

/// Whether an exception is a holiday of the file.
fn is(exception: &Exception, holiday: &Holiday) -> bool {
    exception.days == ExceptionDays::On { from: holiday.from, to: holiday.to }
        && !exception.hours.is_open()
        && exception.name == holiday.name
}

/// Those that are not there, and close a day that no other exception closes.
fn added(holidays: &[Holiday], kept: &[Exception], present: &Calendar) -> Vec<Exception> {
    let mut added: Vec<Exception> = Vec::new();
    // Of the file. They come by their first day, so what follows begins no earlier.
    let mut closed_until: Option<NaiveDate> = None;
    for holiday in holidays {
        let closed = |day: NaiveDate| {
            closed_until.is_some_and(|until| day <= until)
                || present.exception_on(day).is_some_and(|it| !it.hours.is_open())
        };
        let is_there = kept.iter().any(|it| is(it, holiday));
        if !is_there && days(holiday).all(closed) {
            continue;
        }
        if !is_there {
            added.push(Exception {
                name: holiday.name.clone(),
                days: ExceptionDays::On { from: holiday.from, to: holiday.to },
                hours: DayHours::Closed,
            });
        }
        closed_until = closed_until.max(Some(holiday.to));
    }
    added
}

fn days(holiday: &Holiday) -> impl Iterator<Item = NaiveDate> + use<> {
    let to = holiday.to;
    holiday.from.iter_days().take_while(move |day| *day <= to)
}

/// Until when holidays are maintained after the import: the end of the window if the file closes a day in the window's last
/// year, else the end of the last year in which it closes one; never earlier than before.
fn maintained(before: Option<NaiveDate>, holidays: &[Holiday], window: Window) -> Option<NaiveDate> {
    let last = holidays.iter().map(|holiday| holiday.to.min(window.to)).max()?;
    let until =
        if last.year() == window.to.year() { Some(window.to) } else { NaiveDate::from_ymd_opt(last.year(), 12, 31) };
    before.max(until)
}

/// A warning when a whole year of the window has far fewer closed days than another: a list that ends early, beside rules that
/// go on for ever, looks as if it were whole.
fn thin_year(holidays: &[Holiday], window: Window) -> Option<String> {
    let years = whole_years(window);
    let mut counts: BTreeMap<i32, usize> = years.map(|year| (year, 0)).collect();
    for day in holidays.iter().flat_map(days) {
        if let Some(count) = counts.get_mut(&day.year()) {
            *count += 1;
        }
    }
    let (full, most) = counts.iter().max_by_key(|(year, count)| (**count, -**year))?;
    let (thin, least) = counts.iter().find(|(_, count)| **count * 4 < most * 3)?;
    Some(format!("the file closes {most} days of {full} and {least} of {thin}: are all holidays in it?"))
}

fn whole_years(window: Window) -> RangeInclusive<i32> {
    let (from, to) = (window.from, window.to);
    let first = if from.ordinal() == 1 { from.year() } else { from.year() + 1 };
    let last = if (to.month(), to.day()) == (12, 31) { to.year() } else { to.year() - 1 };
    first..=last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a valid date")
    }

    fn holiday(from: &str, to: &str) -> Holiday {
        Holiday { from: date(from), to: date(to), name: "x".into() }
    }

    fn window(from: &str, to: &str) -> Window {
        Window { from: date(from), to: date(to) }
    }

    #[test]
    fn holidays_are_maintained_to_the_end_of_the_window_or_of_the_last_year_with_one() {
        let to_june = window("2026-06-30", "2030-06-30");
        for (before, last, after) in [
            (None, ("2030-01-01", "2030-01-01"), "2030-06-30"),
            (None, ("2030-06-29", "2030-07-02"), "2030-06-30"),
            (None, ("2029-12-31", "2029-12-31"), "2029-12-31"),
            (None, ("2027-01-01", "2027-01-01"), "2027-12-31"),
            (Some("2029-05-01"), ("2027-01-01", "2027-01-01"), "2029-05-01"),
            (Some("2027-12-30"), ("2027-01-01", "2027-01-01"), "2027-12-31"),
        ] {
            let found = [holiday("2026-12-25", "2026-12-25"), holiday(last.0, last.1)];
            assert_eq!(maintained(before.map(date), &found, to_june), Some(date(after)), "{before:?} {last:?}");
        }
        assert_eq!(maintained(None, &[], to_june), None);
    }

    #[test]
    fn only_whole_years_are_compared_and_a_quarter_may_be_missing() {
        let year = |year: i32, days: u32| {
            let day = move |day| NaiveDate::from_ymd_opt(year, 1, day).expect("valid");
            (1..=days).map(move |at| Holiday { from: day(at), to: day(at), name: "x".into() })
        };
        let found = |least| year(2026, 1).chain(year(2027, 12)).chain(year(2028, least)).collect::<Vec<_>>();
        let two_years = window("2026-01-02", "2028-12-31");
        assert_eq!(thin_year(&found(9), two_years), None);
        let warning = thin_year(&found(8), two_years).expect("a third is missing");
        assert!(warning.starts_with("the file closes 12 days of 2027 and 8 of 2028"), "{warning}");
        assert_eq!(thin_year(&found(8), window("2026-01-02", "2028-12-30")), None);
        assert_eq!(thin_year(&[], two_years), None);
    }

    #[test]
    fn what_another_exception_closes_is_not_added() {
        let closed = |name: &str, from, to| Exception {
            name: name.into(),
            days: ExceptionDays::On { from: date(from), to: date(to) },
            hours: DayHours::Closed,
        };
        let kept = [closed("x", "2026-01-01", "2026-01-01"), closed("y", "2026-01-05", "2026-01-06")];
        let spec = CalendarSpec {
            id: "plant".into(),
            name: "Plant".into(),
            zone: Tz::UTC,
            week: std::array::from_fn(|_| DayHours::Open(Vec::new())),
            exceptions: kept.to_vec(),
            maintained_until: None,
        };
        let holidays = [
            holiday("2026-01-01", "2026-01-01"),
            holiday("2026-01-05", "2026-01-05"),
            holiday("2026-01-06", "2026-01-07"),
            holiday("2026-01-07", "2026-01-07"),
            holiday("2026-01-07", "2026-01-08"),
        ];
        let from: Vec<_> = added(&holidays, &kept, &Calendar::compile(&spec)).into_iter().map(|it| it.days).collect();
        let on = |from, to| ExceptionDays::On { from: date(from), to: date(to) };
        assert_eq!(from, [on("2026-01-06", "2026-01-07"), on("2026-01-07", "2026-01-08")]);
    }
}
