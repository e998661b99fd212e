//! A business calendar compiled so that counting costs the same for 1 day and for 3 650.
//!
//! Counting: one bit per day from 1970-01-01 to 2199-12-31 and the count of open days before each word of 64 days. Rank is one
//! lookup, select one binary search over 1 313 counts: the cost does not depend on the number of days counted. 16 KiB.
//!
//! Naming: the dated exceptions cut into spans that do not overlap, each with the exception that wins it, and one winner for each
//! day of a leap year. What a day is costs one binary search, however many exceptions there are. At most 34 KiB.

use std::sync::OnceLock;

use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;

use super::{
    calendar::{CalendarSpec, DayHours, Exception, ExceptionDays, MonthDay},
    hours::Hours,
};

/// First day that can be counted.
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a valid date");
/// Years that can be counted.
const YEARS: std::ops::Range<i32> = 1970..2200;
/// Days that can be counted, to 2199-12-31.
pub(super) const DAYS: usize = 84_006;
/// Places for the days of a year: 31 for each month, so that a place needs no table.
const PLACES: usize = 12 * 31;

/// A calendar ready to count.
#[derive(Debug, Clone)]
pub struct Calendar {
    spec: CalendarSpec,
    open: Box<[u64]>,
    before: Box<[u32]>,
    /// From this day on this exception wins, until the next entry.
    dated: Box<[(NaiveDate, Option<u16>)]>,
    yearly: Box<[Option<u16>]>,
    /// Counted when first asked for: most calendars are only asked for days.
    hours: OnceLock<Hours>,
}

impl Calendar {
    /// Compiles what `CalendarSpec::check` found right. An exception with impossible days covers none.
    #[must_use]
    pub fn compile(spec: &CalendarSpec) -> Self {
        let dated = dated_winners(&spec.exceptions);
        let yearly = yearly_winners(&spec.exceptions);
        let open = open_bits(spec, &dated, &yearly);
        let mut before = Vec::with_capacity(open.len());
        let mut count = 0;
        for word in &open {
            before.push(count);
            count += word.count_ones();
        }
        Self {
            spec: spec.clone(),
            open: open.into(),
            before: before.into(),
            dated: dated.into(),
            yearly: yearly.into(),
            hours: OnceLock::new(),
        }
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

    /// Its working time.
    pub(super) fn hours(&self) -> &Hours {
        self.hours.get_or_init(|| Hours::of(self))
    }

    /// What a day is, and the exception that says so.
    pub(super) fn day(&self, day: NaiveDate) -> (&DayHours, Option<&Exception>) {
        let span = self.dated.partition_point(|(start, _)| *start <= day).checked_sub(1);
        let dated = span.and_then(|span| self.dated[span].1);
        let winner = dated.or_else(|| self.yearly[place(day.month(), day.day())?]);
        match winner.map(|winner| &self.spec.exceptions[usize::from(winner)]) {
            Some(exception) => (&exception.hours, Some(exception)),
            None => (&self.spec.week[day.weekday().num_days_from_monday() as usize], None),
        }
    }

    /// The exception that says what a day is; `None` where the week says it.
    #[must_use]
    pub fn exception_on(&self, day: NaiveDate) -> Option<&Exception> {
        self.day(day).1
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
        let skipped = rank - self.before[word];
        // Without this the loop below would turn as often as the caller asks for days.
        if skipped >= bits.count_ones() {
            return None;
        }
        for _ in 0..skipped {
            bits &= bits - 1;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// Whether the day at `index` is open.
    pub(super) fn open_at(&self, index: usize) -> bool {
        self.open.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// The first year that has no open day at all.
    pub(super) fn first_year_without_open_day(&self) -> Option<i32> {
        let new_year = |year| NaiveDate::from_ymd_opt(year, 1, 1).and_then(index_of).unwrap_or(DAYS);
        YEARS.into_iter().find(|year| self.rank(new_year(year + 1)) == self.rank(new_year(*year)))
    }
}

/// Index of a day; `None` outside 1970 to 2199.
pub(super) fn index_of(day: NaiveDate) -> Option<usize> {
    usize::try_from(day.signed_duration_since(FIRST).num_days()).ok().filter(|index| *index < DAYS)
}

/// Index of a day; the nearest end for days outside 1970 to 2199, which is 2200-01-01 for later ones.
pub(super) fn index_from(day: NaiveDate) -> usize {
    usize::try_from(day.signed_duration_since(FIRST).num_days()).map_or(0, |index| index.min(DAYS))
}

/// The day at an index.
pub(super) fn day_at(index: usize) -> NaiveDate {
    FIRST.checked_add_days(Days::new(index as u64)).unwrap_or(NaiveDate::MAX)
}

fn place(month: u32, day: u32) -> Option<usize> {
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    valid.then(|| (month as usize - 1) * 31 + day as usize - 1)
}

/// The later in the list is written over the earlier ones.
fn dated_winners(exceptions: &[Exception]) -> Vec<(NaiveDate, Option<u16>)> {
    let spans = || {
        exceptions.iter().zip(0_u16..).filter_map(|(exception, index)| match exception.days {
            ExceptionDays::On { from, to } if from <= to => Some((index, from, to.succ_opt())),
            _ => None,
        })
    };
    let mut starts: Vec<NaiveDate> = spans().flat_map(|(_, from, end)| [Some(from), end]).flatten().collect();
    starts.sort_unstable();
    starts.dedup();
    let at = |day: NaiveDate| starts.partition_point(|start| *start < day);
    let mut winners = vec![None; starts.len()];
    for (index, from, end) in spans() {
        winners[at(from)..end.map_or(starts.len(), at)].fill(Some(index));
    }
    starts.into_iter().zip(winners).collect()
}

fn yearly_winners(exceptions: &[Exception]) -> Vec<Option<u16>> {
    let mut winners = vec![None; PLACES];
    for (exception, index) in exceptions.iter().zip(0_u16..) {
        let ExceptionDays::Yearly { from, to } = exception.days else { continue };
        let at = |day: MonthDay| place(day.month, day.day);
        let (Some(from), Some(to)) = (at(from), at(to)) else { continue };
        if from <= to {
            winners[from..=to].fill(Some(index));
        } else {
            winners[from..].fill(Some(index));
            winners[..=to].fill(Some(index));
        }
    }
    winners
}

fn open_bits(spec: &CalendarSpec, dated: &[(NaiveDate, Option<u16>)], yearly: &[Option<u16>]) -> Vec<u64> {
    let first = FIRST.weekday().num_days_from_monday() as usize;
    let week = |from: usize| {
        (0..64).filter(|day| spec.week[(from + day) % 7].is_open()).fold(0_u64, |word, day| word | 1 << day)
    };
    let weeks = [0, 1, 2, 3, 4, 5, 6].map(week);
    let mut bits: Vec<u64> = (0..DAYS.div_ceil(64)).map(|word| weeks[(first + word * 64) % 7]).collect();
    if let Some(last) = bits.last_mut() {
        *last &= (1 << (DAYS % 64)) - 1;
    }
    let mut set = |index: usize, winner: u16| {
        let bit = 1 << (index % 64);
        match spec.exceptions[usize::from(winner)].hours {
            DayHours::Open(_) => bits[index / 64] |= bit,
            DayHours::Closed => bits[index / 64] &= !bit,
        }
    };
    let days = (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day)));
    let covered: Vec<_> = days.zip(yearly).filter_map(|(day, winner)| Some((day, (*winner)?))).collect();
    for year in YEARS {
        for ((month, day), winner) in &covered {
            // 29 February is no day of most years, 30 February of none.
            if let Some(index) = NaiveDate::from_ymd_opt(year, *month, *day).and_then(index_of) {
                set(index, *winner);
            }
        }
    }
    // Dated ones last: they beat yearly ones.
    for (span, (start, winner)) in dated.iter().enumerate() {
        let end = dated.get(span + 1).map_or(DAYS, |(next, _)| index_from(*next));
        if let Some(winner) = winner {
            (index_from(*start)..end).for_each(|index| set(index, *winner));
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::{
        super::calendar::tests::{closed, date, weekdays, yearly},
        *,
    };

    #[test]
    fn the_last_day_that_counts_is_the_end_of_2199() {
        assert_eq!(day_at(DAYS - 1), date("2199-12-31"));
        assert_eq!(index_of(date("2200-01-01")), None);
        assert_eq!(index_of(date("1969-12-31")), None);
    }

    #[test]
    fn a_dated_exception_beats_a_yearly_one_and_the_later_wins_among_equals() {
        let on = |from, to| ExceptionDays::On { from: date(from), to: date(to) };
        let opened = |name: &str, days| Exception { hours: DayHours::Open(Vec::new()), ..closed(name, days) };
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        spec.exceptions = vec![
            opened("stocktaking", on("2024-12-28", "2024-12-29")),
            closed("strike", on("2024-12-29", "2024-12-29")),
            closed("works holiday", yearly((12, 24), (1, 6))),
            opened("first shift", yearly((1, 5), (1, 5))),
            closed("leap day", yearly((2, 29), (2, 29))),
            closed("late winter", yearly((2, 29), (3, 2))),
            closed("impossible", on("2024-12-28", "2024-12-27")),
            closed("impossible", yearly((13, 1), (0, 0))),
        ];
        let calendar = Calendar::compile(&spec);
        for (day, open, name) in [
            ("2024-12-23", true, ""),
            ("2024-12-24", false, "works holiday"),
            ("2024-12-28", true, "stocktaking"),
            ("2024-12-29", false, "strike"),
            ("2024-12-31", false, "works holiday"),
            ("2025-01-01", false, "works holiday"),
            ("2025-01-05", true, "first shift"),
            ("2025-01-06", false, "works holiday"),
            ("2025-01-07", true, ""),
            ("2024-02-28", true, ""),
            ("2024-02-29", false, "late winter"),
            ("2024-03-01", false, "late winter"),
            ("2023-02-28", true, ""),
            ("2023-03-01", false, "late winter"),
            ("2023-03-03", true, ""),
        ] {
            let (hours, exception) = calendar.day(date(day));
            assert_eq!((hours.is_open(), exception.map_or("", |e| e.name.as_str())), (open, name), "{day}");
            assert_eq!(calendar.open_at(index_of(date(day)).expect("in range")), open, "{day}");
        }
    }

    #[test]
    fn a_yearly_leap_day_alone_closes_nothing_in_other_years() {
        let mut spec = weekdays(chrono_tz::UTC);
        let open_days = |spec: &CalendarSpec| Calendar::compile(spec).rank(DAYS) as usize;
        spec.week = spec.week.map(|_| DayHours::Open(Vec::new()));
        assert_eq!(open_days(&spec), DAYS);
        spec.exceptions = vec![closed("leap day", yearly((2, 29), (2, 29)))];
        // 1972 to 2196 in steps of 4, without 2100.
        assert_eq!(open_days(&spec), DAYS - 56);
    }
}
