//! A business calendar as it is written.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::compiled::{Calendar, index_of};
use crate::domain::violation::Violations;

/// Exceptions of one calendar.
pub const EXCEPTIONS_MAX: usize = 2_000;
/// Working intervals of one day.
pub const INTERVALS_MAX: usize = 24;
/// A span of working time within one day, local time: `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Minutes after local midnight, 0 to 1439.
    pub from_minute: u16,
    /// Minutes after local midnight, 1 to 1440.
    pub to_minute: u16,
}

/// What one day is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayHours {
    /// Does not count.
    Closed,
    /// Counts; no interval stands for 00:00 to 24:00.
    Open(Vec<Interval>),
}

impl DayHours {
    /// Whether the day counts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The working intervals: those written, of an open day without any 00:00 to 24:00, of a closed day none.
    pub(super) fn intervals(&self) -> &[Interval] {
        const WHOLE: &[Interval] = &[Interval { from_minute: 0, to_minute: 1440 }];
        match self {
            Self::Closed => &[],
            Self::Open(intervals) if intervals.is_empty() => WHOLE,
            Self::Open(intervals) => intervals,
        }
    }
}

/// A day of every year. 29 February means leap years only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MonthDay {
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// Which days an exception covers, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionDays {
    /// These days.
    On {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// These days of every year; `to` before `from` spans New Year.
    Yearly {
        /// First day.
        from: MonthDay,
        /// Last day.
        to: MonthDay,
    },
}

/// Days that differ from the working week. A dated one beats a yearly one; among equals the later in the list wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Shown in explanations.
    pub name: String,
    /// Which days.
    pub days: ExceptionDays,
    /// What they are.
    pub hours: DayHours,
}

/// A calendar as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarSpec {
    /// Slug.
    pub id: String,
    /// Name.
    pub name: String,
    /// IANA zone.
    pub zone: Tz,
    /// Monday first.
    pub week: [DayHours; 7],
    /// Holidays, extra days.
    pub exceptions: Vec<Exception>,
    /// Until when holidays are maintained.
    pub maintained_until: Option<NaiveDate>,
}

impl CalendarSpec {
    /// Finds all that is wrong.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        v.line("name", &self.name, 1, 100);
        for (index, hours) in self.week.iter().enumerate() {
            check_hours(&format!("week[{index}]"), hours, v);
        }
        if self.exceptions.len() > EXCEPTIONS_MAX {
            v.add("exceptions", format!("has {}; at most {EXCEPTIONS_MAX} are allowed", self.exceptions.len()));
        }
        for (index, exception) in self.exceptions.iter().enumerate().take(EXCEPTIONS_MAX) {
            v.within(&format!("exceptions[{index}]."), |v| {
                v.line("name", &exception.name, 1, 200);
                check_hours("hours", &exception.hours, v);
                match exception.days {
                    ExceptionDays::On { from, to } if to < from => v.add("to_date", "lies before from_date"),
                    ExceptionDays::On { from, to } => {
                        for (field, day) in [("from_date", from), ("to_date", to)] {
                            if index_of(day).is_none() {
                                v.add(field, "lies outside the years 1970 to 2199");
                            }
                        }
                    }
                    ExceptionDays::Yearly { from, to } => {
                        for (field, day) in [("from_yearly", from), ("to_yearly", to)] {
                            // A leap year, so that 29 February is valid.
                            if NaiveDate::from_ymd_opt(2000, day.month, day.day).is_none() {
                                v.add(field, "is not a day of any year");
                            }
                        }
                    }
                }
            });
        }
        // Whatever else is wrong, in this request or another part of it: all is told at once.
        if self.exceptions.len() <= EXCEPTIONS_MAX
            && let Some(year) = Calendar::compile(self).first_year_without_open_day()
        {
            v.add("week", format!("{year} has no open day: at least one day of each year must be open"));
        }
    }
}

fn check_hours(field: &str, hours: &DayHours, v: &mut Violations) {
    let DayHours::Open(intervals) = hours else { return };
    if intervals.len() > INTERVALS_MAX {
        v.add(field, format!("has {} intervals; at most {INTERVALS_MAX} are allowed", intervals.len()));
    }
    let mut before = 0;
    for (index, interval) in intervals.iter().enumerate().take(INTERVALS_MAX) {
        let path = format!("{field}.intervals[{index}]");
        if interval.from_minute >= interval.to_minute || interval.to_minute > 1440 {
            v.add(&path, "must have 0 <= from_minute < to_minute <= 1440");
        } else if interval.from_minute < before {
            v.add(&path, "overlaps the interval before it, or is out of order");
        }
        // A wrong end would make every later interval look wrong too.
        before = before.max(interval.to_minute.min(1440));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn date(text: &str) -> NaiveDate {
        text.parse().expect("a valid date")
    }

    pub fn weekdays(zone: Tz) -> CalendarSpec {
        let day = |open: bool| if open { DayHours::Open(Vec::new()) } else { DayHours::Closed };
        CalendarSpec {
            id: "plant".into(),
            name: "Plant".into(),
            zone,
            week: [0, 1, 2, 3, 4, 5, 6].map(|weekday| day(weekday < 5)),
            exceptions: Vec::new(),
            maintained_until: None,
        }
    }

    pub fn closed(name: &str, days: ExceptionDays) -> Exception {
        Exception { name: name.into(), days, hours: DayHours::Closed }
    }

    pub fn yearly(from: (u32, u32), to: (u32, u32)) -> ExceptionDays {
        let day = |(month, day)| MonthDay { month, day };
        ExceptionDays::Yearly { from: day(from), to: day(to) }
    }

    #[test]
    fn a_calendar_without_an_open_day_in_a_year_is_refused() {
        let mut spec = weekdays(chrono_tz::UTC);
        spec.exceptions = vec![closed("shut", ExceptionDays::On { from: date("2031-01-01"), to: date("2031-12-31") })];
        let mut v = Violations::new();
        spec.check(&mut v);
        assert_eq!(v.into_found().len(), 1);
        spec.exceptions = vec![closed("shut", ExceptionDays::On { from: date("2031-01-01"), to: date("2031-12-30") })];
        let mut v = Violations::new();
        spec.check(&mut v);
        assert!(v.is_empty());
    }

    #[test]
    fn exceptions_outside_the_years_that_count_or_backward_are_refused() {
        let mut spec = weekdays(chrono_tz::UTC);
        let on = |from, to| closed("x", ExceptionDays::On { from: date(from), to: date(to) });
        spec.exceptions = vec![
            on("2199-12-31", "2199-12-31"),
            on("2199-12-31", "2200-01-01"),
            on("1969-12-31", "1970-01-01"),
            on("2026-01-02", "2026-01-01"),
        ];
        let fields = |spec: &CalendarSpec| {
            let mut v = Violations::new();
            spec.check(&mut v);
            v.into_found().into_iter().map(|v| v.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(&spec), ["exceptions[1].to_date", "exceptions[2].from_date", "exceptions[3].to_date"]);
        spec.exceptions = vec![on("2026-01-01", "2026-01-01"); EXCEPTIONS_MAX];
        assert!(fields(&spec).is_empty());
        spec.exceptions.push(on("2026-01-01", "2026-01-01"));
        assert_eq!(fields(&spec), ["exceptions"]);
    }

    #[test]
    fn a_calendar_outlives_its_way_through_json() {
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        spec.week[0] = DayHours::Open(vec![Interval { from_minute: 0, to_minute: 1440 }]);
        spec.exceptions = vec![closed("works holiday", yearly((12, 24), (1, 6)))];
        let json = serde_json::to_string(&spec).expect("plain data");
        assert!(json.contains(r#""zone":"Europe/Vienna""#));
        assert_eq!(serde_json::from_str::<CalendarSpec>(&json).expect("as written"), spec);
        assert!(serde_json::from_str::<CalendarSpec>(&json.replace("Vienna", "Wien")).is_err());
    }

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        let mut spec = weekdays(chrono_tz::UTC);
        spec.id = "Plant".into();
        let interval = |from_minute, to_minute| Interval { from_minute, to_minute };
        spec.week[2] = DayHours::Open(vec![interval(480, 720), interval(700, 900), interval(900, 900)]);
        spec.exceptions = vec![closed("", yearly((2, 30), (13, 1)))];
        let mut v = Violations::new();
        spec.check(&mut v);
        let fields: Vec<_> = v.into_found().into_iter().map(|v| v.field).collect();
        assert_eq!(
            fields,
            [
                "id",
                "week[2].intervals[1]",
                "week[2].intervals[2]",
                "exceptions[0].name",
                "exceptions[0].from_yearly",
                "exceptions[0].to_yearly"
            ]
        );
    }
}
