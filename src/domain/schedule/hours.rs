//! Working time counted from 1970 on, so that a span of ten years costs what a span of an hour costs.
//!
//! The seconds of working time before each block of 64 days: one binary search finds the block, and at most 64 days are walked
//! inside it. 14 KiB, built when working time is first asked for.

use std::ops::Range;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};

use super::{
    compiled::{Calendar, DAYS, day_at, index_from},
    due::local_date,
    local::instant,
};

/// Days of a block.
const BLOCK: usize = 64;

/// The working time of a calendar.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    /// Seconds before each block; the last entry is all that there is.
    before: Box<[i64]>,
    /// Days so near to a change of the clocks that their times of day must be looked up one by one.
    irregular: Box<[u32]>,
}

/// Which of the instants at which the same working time has passed: they differ when nobody works between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The first: the end of an interval rather than the beginning of the next one.
    First,
    /// The last: the beginning of an interval rather than the end of the one before.
    Last,
}

impl Hours {
    /// Counts the working time of all days.
    pub(super) fn of(calendar: &Calendar) -> Self {
        let mut hours = Self { before: Box::default(), irregular: irregular_days(calendar).into() };
        let mut before = Vec::with_capacity(DAYS.div_ceil(BLOCK) + 1);
        let mut seconds = 0;
        for block in 0..DAYS.div_ceil(BLOCK) {
            before.push(seconds);
            seconds += block_days(block).map(|index| hours.length(calendar, index)).sum::<i64>();
        }
        before.push(seconds);
        hours.before = before.into();
        hours
    }

    /// The working time that has passed from the beginning of 1970 to an instant.
    pub(super) fn passed(&self, calendar: &Calendar, instant: DateTime<Utc>) -> TimeDelta {
        let index = index_from(local_date(calendar, instant));
        let (block, now) = (index / BLOCK, instant.timestamp());
        let earlier = (block * BLOCK..index).map(|index| self.length(calendar, index)).sum::<i64>();
        let mut passed = TimeDelta::seconds(self.before[block] + earlier);
        for (from, to) in self.spans(calendar, index) {
            passed += TimeDelta::seconds((now.min(to) - from).max(0));
            if from <= now && now < to {
                passed += TimeDelta::nanoseconds(i64::from(instant.timestamp_subsec_nanos()));
            }
        }
        passed
    }

    /// The instant at which so much working time has passed since the beginning of 1970, and the index of the day whose
    /// interval holds it; `None` when it would lie before the first interval or after the last one.
    pub(super) fn reached(
        &self,
        calendar: &Calendar,
        working: TimeDelta,
        edge: Edge,
    ) -> Option<(usize, DateTime<Utc>)> {
        let below = |seconds: i64| match edge {
            Edge::First => TimeDelta::seconds(seconds) < working,
            Edge::Last => TimeDelta::seconds(seconds) <= working,
        };
        let block = self.before.partition_point(|seconds| below(*seconds)).checked_sub(1)?;
        let mut passed = self.before[block];
        for index in block_days(block) {
            let length = self.length(calendar, index);
            if below(passed + length) {
                passed += length;
                continue;
            }
            for (from, to) in self.spans(calendar, index) {
                if !below(passed + to - from) {
                    let into = working - TimeDelta::seconds(passed);
                    return Some((index, DateTime::from_timestamp(from, 0)?.checked_add_signed(into)?));
                }
                passed += to - from;
            }
        }
        None
    }

    /// Seconds of working time of a day.
    fn length(&self, calendar: &Calendar, index: usize) -> i64 {
        if !calendar.open_at(index) {
            return 0;
        }
        if self.is_irregular(index) {
            return self.spans(calendar, index).map(|(from, to)| to - from).sum();
        }
        let intervals = calendar.day(day_at(index)).0.intervals();
        intervals.iter().map(|interval| i64::from(interval.to_minute - interval.from_minute) * 60).sum()
    }

    /// The working intervals of a day in Unix seconds; none of a closed day.
    fn spans<'a>(&self, calendar: &'a Calendar, index: usize) -> impl Iterator<Item = (i64, i64)> + use<'a> {
        let (zone, day) = (calendar.zone(), day_at(index));
        let intervals = if calendar.open_at(index) { calendar.day(day).0.intervals() } else { &[] };
        let midnight = (!self.is_irregular(index)).then(|| {
            let utc = day.and_time(NaiveTime::MIN);
            utc.and_utc().timestamp() - i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
        });
        let at = move |minute: u16| {
            midnight
                .map_or_else(|| instant(zone, day, minute).timestamp(), |midnight| midnight + i64::from(minute) * 60)
        };
        intervals.iter().map(move |interval| (at(interval.from_minute), at(interval.to_minute)))
    }

    fn is_irregular(&self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.irregular.binary_search(&index).is_ok())
    }
}

/// The days of a block; none after the last block.
fn block_days(block: usize) -> Range<usize> {
    block * BLOCK..((block + 1) * BLOCK).min(DAYS)
}

/// The days with a change of the clocks between the midnight UTC before the day and the second one after: no local day lies
/// outside that span. On all other days a time of day lies as far after midnight as it says.
///
/// A look at each midnight finds every change, since no two of a zone that undo each other lie within one day: since 1970 the
/// nearest two are seven days apart, in Brazil in October 2000.
fn irregular_days(calendar: &Calendar) -> Vec<u32> {
    let offset = |day: NaiveDate| calendar.zone().offset_from_utc_datetime(&day.and_time(NaiveTime::MIN)).fix();
    let mut irregular = Vec::new();
    let eve = day_at(0) - Days::new(1);
    let mut known = offset(eve);
    for (day, index) in eve.iter_days().skip(1).take(DAYS + 2).zip(0_u32..) {
        let now = offset(day);
        if now != known {
            // The clocks changed between the midnights that begin the days index - 1 and index.
            for day in index.saturating_sub(2)..=index {
                if (day as usize) < DAYS && irregular.last().is_none_or(|last| *last < day) {
                    irregular.push(day);
                }
            }
        }
        known = now;
    }
    irregular
}
