//! A business calendar: as it is written, and compiled so that counting costs the same for 1 day and for 3 650.
//!
//! Compiled form: one bit per day from 1970-01-01 to 2199-12-31 and the count of open days before each word of 64 days. Rank is
//! one lookup, select one binary search over 1 313 counts: the cost does not depend on the number of days counted. 16 KiB each.

use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::violation::Violations;

/// Exceptions of one calendar.
pub const EXCEPTIONS_MAX: usize = 2_000;
/// Working intervals of one day.
pub const INTERVALS_MAX: usize = 24;
/// First day that can be counted.
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a valid date");
/// Days that can be counted, to 2199-12-31.
const DAYS: usize = 84_006;

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

impl ExceptionDays {
    fn covers(&self, day: NaiveDate) -> bool {
        match self {
            Self::On { from, to } => *from <= day && day <= *to,
            Self::Yearly { from, to } => {
                let day = MonthDay { month: day.month(), day: day.day() };
                if from <= to { *from <= day && day <= *to } else { day >= *from || day <= *to }
            }
        }
    }
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
                    ExceptionDays::On { .. } => {}
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
        if v.is_empty() && !self.has_an_open_day_every_year() {
            v.add("week", "a year without any open day: at least one day of each year must be open");
        }
    }

    /// What a day is, and the exception that says so.
    #[must_use]
    pub fn day(&self, day: NaiveDate) -> (&DayHours, Option<&Exception>) {
        let covering = |dated: bool| {
            self.exceptions.iter().rev().find(|exception| {
                matches!(exception.days, ExceptionDays::On { .. }) == dated && exception.days.covers(day)
            })
        };
        match covering(true).or_else(|| covering(false)) {
            Some(exception) => (&exception.hours, Some(exception)),
            None => (&self.week[day.weekday().num_days_from_monday() as usize], None),
        }
    }

    fn has_an_open_day_every_year(&self) -> bool {
        let calendar = Calendar::compile(self);
        (1970..2200).all(|year| {
            let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).and_then(index_of).unwrap_or(DAYS);
            calendar.rank(day(year + 1)) > calendar.rank(day(year))
        })
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
        before = before.max(interval.to_minute);
    }
}

/// A calendar ready to count.
#[derive(Debug, Clone)]
pub struct Calendar {
    spec: CalendarSpec,
    open: Box<[u64]>,
    before: Box<[u32]>,
}

impl Calendar {
    /// Compiles what `CalendarSpec::check` found right.
    #[must_use]
    pub fn compile(spec: &CalendarSpec) -> Self {
        let mut days: Vec<bool> = Vec::with_capacity(DAYS);
        let first = FIRST.weekday().num_days_from_monday() as usize;
        days.extend((0..DAYS).map(|index| spec.week[(first + index) % 7].is_open()));
        for dated in [false, true] {
            for exception in &spec.exceptions {
                paint(&mut days, exception, dated);
            }
        }
        let words = DAYS.div_ceil(64);
        let mut open = vec![0_u64; words];
        for (index, _) in days.iter().enumerate().filter(|(_, open)| **open) {
            open[index / 64] |= 1 << (index % 64);
        }
        let mut before = Vec::with_capacity(words);
        let mut count = 0;
        for word in &open {
            before.push(count);
            count += word.count_ones();
        }
        Self { spec: spec.clone(), open: open.into(), before: before.into() }
    }

    /// As it is written.
    #[must_use]
    pub fn spec(&self) -> &CalendarSpec {
        &self.spec
    }

    /// Its zone.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.spec.zone
    }

    /// Open days before the day at `index`.
    pub(super) fn rank(&self, index: usize) -> u32 {
        if index >= DAYS {
            return self.before[self.before.len() - 1] + self.open[self.open.len() - 1].count_ones();
        }
        let mask = (1_u64 << (index % 64)) - 1;
        self.before[index / 64] + (self.open[index / 64] & mask).count_ones()
    }

    /// Index of the open day with `rank` open days before it; `None` beyond the last day.
    pub(super) fn select(&self, rank: u32) -> Option<usize> {
        let word = self.before.partition_point(|before| *before <= rank).checked_sub(1)?;
        let mut bits = self.open[word];
        for _ in 0..rank - self.before[word] {
            bits &= bits.wrapping_sub(1);
        }
        (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
    }

    /// Whether the day at `index` is open.
    pub(super) fn open_at(&self, index: usize) -> bool {
        self.open.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

/// Index of a day; `None` outside 1970 to 2199.
pub(super) fn index_of(day: NaiveDate) -> Option<usize> {
    usize::try_from(day.signed_duration_since(FIRST).num_days()).ok().filter(|index| *index < DAYS)
}

/// The day at an index.
pub(super) fn day_at(index: usize) -> NaiveDate {
    FIRST.checked_add_days(Days::new(index as u64)).unwrap_or(NaiveDate::MAX)
}

fn paint(days: &mut [bool], exception: &Exception, dated: bool) {
    let open = exception.hours.is_open();
    match exception.days {
        ExceptionDays::On { from, to } if dated => {
            // Days before the first count as the first, days after the last as the end.
            let at =
                |day: NaiveDate| usize::try_from(day.signed_duration_since(FIRST).num_days()).unwrap_or(0).min(DAYS);
            let begin = at(from);
            let end = if to < FIRST { begin } else { (at(to) + 1).min(DAYS) };
            days[begin..end.max(begin)].fill(open);
        }
        ExceptionDays::Yearly { from, to } if !dated => {
            let span = |days: &mut [bool], year: i32, from: MonthDay, to: MonthDay| {
                let mut day = NaiveDate::from_ymd_opt(year, from.month, from.day);
                if day.is_none() && from == (MonthDay { month: 2, day: 29 }) && from != to {
                    day = NaiveDate::from_ymd_opt(year, 3, 1);
                }
                while let Some(current) = day {
                    let month_day = MonthDay { month: current.month(), day: current.day() };
                    if month_day > to || current.year() != year {
                        break;
                    }
                    if let Some(index) = index_of(current) {
                        days[index] = open;
                    }
                    day = current.succ_opt();
                }
            };
            let (new_year, year_end) = (MonthDay { month: 1, day: 1 }, MonthDay { month: 12, day: 31 });
            for year in 1970..2200 {
                if from <= to {
                    span(days, year, from, to);
                } else {
                    span(days, year, new_year, to);
                    span(days, year, from, year_end);
                }
            }
        }
        _ => {}
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

    fn yearly(from: (u32, u32), to: (u32, u32)) -> ExceptionDays {
        let day = |(month, day)| MonthDay { month, day };
        ExceptionDays::Yearly { from: day(from), to: day(to) }
    }

    #[test]
    fn the_last_day_that_counts_is_the_end_of_2199() {
        assert_eq!(day_at(DAYS - 1), date("2199-12-31"));
        assert_eq!(index_of(date("2200-01-01")), None);
        assert_eq!(index_of(date("1969-12-31")), None);
    }

    #[test]
    fn compiled_days_equal_the_written_ones() {
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        spec.exceptions = vec![
            closed("works holiday", yearly((12, 24), (1, 6))),
            closed("leap day", yearly((2, 29), (2, 29))),
            closed("late winter", yearly((2, 29), (3, 2))),
            Exception {
                name: "stocktaking".into(),
                days: ExceptionDays::On { from: date("2024-12-28"), to: date("2024-12-29") },
                hours: DayHours::Open(Vec::new()),
            },
            closed("strike", ExceptionDays::On { from: date("2024-12-29"), to: date("2024-12-29") }),
        ];
        let calendar = Calendar::compile(&spec);
        for index in 0..DAYS {
            let day = day_at(index);
            assert_eq!(calendar.open_at(index), spec.day(day).0.is_open(), "{day}");
        }
        assert!(calendar.open_at(index_of(date("2024-12-28")).expect("in range")));
        assert!(!calendar.open_at(index_of(date("2024-12-29")).expect("in range")));
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
