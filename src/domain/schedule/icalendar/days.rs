//! Which days the events of a file close within a window.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{
    FIELD, Icalendar, SkipReason, Skipped,
    event::Event,
    moment::{Moment, Place, begins_day},
    rule::BEGINNINGS_MAX,
};
use crate::domain::violation::{Violation, Violations};

/// Years from the first to the last day of a window, when nothing is said.
const WINDOW_YEARS: u32 = 5;
/// Years from the first to the last day of a window, at most.
pub const WINDOW_YEARS_MAX: u32 = 20;

/// Days that are looked at, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}

impl Window {
    /// From a day to a day. Not said: from today in the zone; for five years.
    pub fn new(
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
        zone: Tz,
        now: DateTime<Utc>,
        v: &mut Violations,
    ) -> Self {
        let from = from.unwrap_or_else(|| now.with_timezone(&zone).date_naive());
        let later = |years: u32| from.checked_add_months(Months::new(12 * years)).unwrap_or(NaiveDate::MAX);
        let to = to.unwrap_or_else(|| later(WINDOW_YEARS));
        if to < from {
            v.add("to_date", format!("lies before the first day, {from}"));
        }
        if to > later(WINDOW_YEARS_MAX) {
            v.add("to_date", format!("lies more than {WINDOW_YEARS_MAX} years after the first day, {from}"));
        }
        Self { from, to }
    }

    /// Whether any of these days lies in it.
    #[must_use]
    pub fn touches(&self, from: NaiveDate, to: NaiveDate) -> bool {
        from <= self.to && self.from <= to
    }
}

/// Closed days with one name, both ends inclusive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holiday {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Name of the event.
    pub name: String,
}

/// What a file comes to in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedDays {
    /// By their first day, each once. A span that only touches the window is there as a whole.
    pub holidays: Vec<Holiday>,
    /// Events that close no day, as they stand in the file.
    pub skipped: Vec<Skipped>,
}

impl Icalendar {
    /// The days that it closes in a window, for a calendar in a zone.
    ///
    /// # Errors
    /// When its rules come to more days than can be followed.
    pub fn closed_days(&self, window: Window, zone: Tz) -> Result<ClosedDays, Violation> {
        let mut instead: BTreeMap<&str, Vec<Moment>> = BTreeMap::new();
        for event in &self.events {
            if let Some(moment) = event.instead_of {
                instead.entry(&event.uid).or_default().push(moment);
            }
        }
        let mut holidays = BTreeSet::new();
        let mut skipped = self.others.clone();
        let mut left = BEGINNINGS_MAX;
        for event in &self.events {
            if let Some(reason) = &event.skip {
                skipped.push(event.skipped(event.start.at.date(), reason.clone()));
                continue;
            }
            let changed = if event.instead_of.is_some() { None } else { instead.get(event.uid.as_str()) };
            let changed = changed.map(Vec::as_slice).unwrap_or_default();
            let beginnings = event.beginnings(changed, window, zone, &mut left)?;
            let (found, skip) = event.spans(&beginnings, window, zone);
            holidays.extend(found.into_iter().map(|(from, to)| Holiday { from, to, name: event.name.clone() }));
            skipped.extend(skip);
        }
        skipped.sort_by_key(|skipped| skipped.line);
        Ok(ClosedDays { holidays: holidays.into_iter().collect(), skipped })
    }
}

impl Event {
    /// When it begins, up to the end of the window, as the wall of its own place shows it.
    fn beginnings(
        &self,
        changed: &[Moment],
        window: Window,
        home: Tz,
        left: &mut usize,
    ) -> Result<BTreeSet<NaiveDateTime>, Violation> {
        let place = self.start.place;
        // A day earlier or later elsewhere.
        let last = window.to.checked_add_days(Days::new(2)).unwrap_or(NaiveDate::MAX).and_hms_opt(0, 0, 0);
        let last = last.unwrap_or(NaiveDateTime::MAX);
        let mut beginnings = BTreeSet::from([self.start.at]);
        for rule in &self.rules {
            let found = rule
                .beginnings(self.start.at, last, (place, home), left)
                .map_err(|why| Violation { field: FIELD.into(), description: format!("line {}: {why}", rule.line) })?;
            beginnings.extend(found);
        }
        beginnings.extend(self.more.iter().map(|moment| moment.shown_in(place, home)));
        for moment in self.without.iter().chain(changed) {
            let at = moment.shown_in(place, home);
            beginnings.remove(&at);
            // A day leaves out what begins on it.
            if moment.place == Place::Day && place != Place::Day {
                beginnings.retain(|beginning| beginning.date() != at.date());
            }
        }
        Ok(beginnings)
    }

    /// The spans of whole days that touch the window, and why there are none, or not all.
    fn spans(
        &self,
        beginnings: &BTreeSet<NaiveDateTime>,
        window: Window,
        home: Tz,
    ) -> (Vec<(NaiveDate, NaiveDate)>, Option<Skipped>) {
        let mut spans: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        let mut in_part = None;
        for beginning in beginnings {
            match (self.span(*beginning, home), spans.last_mut()) {
                // Days that follow each other are one span.
                (Some((from, to)), Some((_, last))) if last.succ_opt().is_some_and(|next| from <= next) => {
                    *last = to.max(*last);
                }
                (Some(span), _) => spans.push(span),
                (None, _) => {
                    let day = Moment { at: *beginning, place: self.start.place }.shown_in(Place::Day, home).date();
                    if in_part.is_none() && window.touches(day, day) {
                        in_part = Some(self.skipped(day, SkipReason::NotWholeDays));
                    }
                }
            }
        }
        let first = spans.first().map_or(self.start.at.date(), |(from, _)| *from);
        let none_is_whole = spans.is_empty() && !beginnings.is_empty();
        spans.retain(|(from, to)| window.touches(*from, *to));
        let none = || {
            let reason = if none_is_whole { SkipReason::NotWholeDays } else { SkipReason::OutsideWindow };
            spans.is_empty().then(|| self.skipped(first, reason))
        };
        let skip = in_part.or_else(none);
        (spans, skip)
    }

    /// The whole days of one beginning at home; `None` when they are not whole.
    fn span(&self, beginning: NaiveDateTime, home: Tz) -> Option<(NaiveDate, NaiveDate)> {
        let place = self.start.place;
        let end = beginning.checked_add_signed(self.length)?;
        if place == Place::Day {
            return Some((beginning.date(), end.date().pred_opt()?));
        }
        let here = |at| Moment { at, place }.shown_in(Place::Zone(home), home);
        let (from, end) = (here(beginning), here(end));
        let whole = begins_day(from, home) && begins_day(end, home) && end - from >= TimeDelta::hours(20);
        if whole { Some((from.date(), end.date().pred_opt()?)) } else { None }
    }

    fn skipped(&self, day: NaiveDate, reason: SkipReason) -> Skipped {
        Skipped { name: self.name.clone(), line: self.line, day: Some(day), reason }
    }
}
