//! Dates that were counted over days whose holidays nobody has maintained: they may move when these are entered.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    catalogue::{CalendarEntry, Catalogue, Status},
    order::{DueSource, Order},
    plan::{Point, Span, Trace, traced_due},
    schedule::{self, Calendar, Upkeep},
};

/// The calendar over whose maintained holidays a date was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmaintained {
    /// Its name.
    pub calendar: String,
    /// Until when its holidays are maintained.
    pub until: NaiveDate,
    /// The date stands, whatever day it turns out to be: a person set it.
    pub fixed: bool,
}

impl Unmaintained {
    /// What follows for a date, in words: `what` is `this date`, or `the due date 2027-01-12`.
    #[must_use]
    pub fn sentence(&self, what: &str) -> String {
        let follows = if self.fixed { "may turn out to be a holiday" } else { "may move" };
        format!("Holidays of calendar '{}' are maintained until {}: {what} {follows}", self.calendar, self.until)
    }
}

/// Whether the due date of the visit that an open order is in was counted over days beyond the maintained holidays: in the calendar
/// of its own status, or in that of another status through which it is planned. A date that a person set is beyond when it lies
/// there itself. `None` = it is not, or the order is closed, or has no due date.
#[must_use]
pub fn of_due(order: &Order, catalogue: &Catalogue) -> Option<Unmaintained> {
    let due = order.visit.due.filter(|_| order.closed_at.is_none())?;
    let order_type = catalogue.order_type(&order.order_type).ok()?;
    let fixed = due.source == DueSource::Manual;
    let mut reach = Reach { fixed, found: None };
    reach.look(catalogue.calendar_of_visit(order).ok()?, due.on);
    if !fixed && let Some(status) = order_type.status(&order.visit.status) {
        let entry = (order.visit.counts_from(), order.visit.rework);
        // What cannot be counted any more stands as it was decided.
        let _ = traced_due(order, order_type, catalogue, status, entry, &mut reach);
    }
    reach.found
}

/// The warning that goes with a change after which the due date of the current visit lies there.
#[must_use]
pub fn warning(order: &Order, catalogue: &Catalogue) -> Option<String> {
    let due = order.visit.due?;
    of_due(order, catalogue).map(|found| found.sentence(&format!("the due date {}", due.on)))
}

/// What to say about the calendars whose holidays have ended or end soon, of those in which an active type counts: a sentence for
/// each, by id.
#[must_use]
pub fn running_out(catalogue: &Catalogue, now: DateTime<Utc>) -> Vec<String> {
    let in_use = |id: &str| {
        let types = catalogue.types_in(id);
        types.iter().any(|it| catalogue.types.get(it).is_some_and(|order_type| !order_type.inactive))
    };
    let sentence = |(id, entry): (&String, &Arc<CalendarEntry>)| {
        let upkeep = Upkeep::of(&entry.spec, schedule::local_date(&entry.calendar, now));
        let verb = match upkeep {
            Upkeep::Ended => "ended",
            Upkeep::EndsSoon => "end",
            Upkeep::NotSaid | Upkeep::Maintained => return None,
        };
        let until = entry.spec.maintained_until.filter(|_| in_use(id))?;
        Some(format!("the holidays of calendar '{id}' {verb} on {until}: enter the next ones (andon calendars import)"))
    };
    catalogue.calendars.iter().filter_map(sentence).collect()
}

/// Listens how far counting goes; keeps the calendar whose holidays end first.
#[derive(Default)]
pub(super) struct Reach {
    fixed: bool,
    found: Option<Unmaintained>,
}

impl Reach {
    /// A day to which is counted.
    pub fn look(&mut self, calendar: &Calendar, day: NaiveDate) {
        let spec = calendar.spec();
        if let Some(until) = spec.maintained_until.filter(|_| schedule::beyond_holidays(calendar, day))
            && self.found.as_ref().is_none_or(|found| until < found.until)
        {
            self.found = Some(Unmaintained { calendar: spec.name.clone(), until, fixed: self.fixed });
        }
    }

    /// Whether it went beyond the maintained holidays of a calendar.
    pub fn is_beyond(&self) -> bool {
        self.found.is_some()
    }
}

impl Trace for Reach {
    fn step(&mut self, _: Option<&Status>, calendar: &Calendar, from: Point, _: Span, to: Point) {
        self.look(calendar, from.day(calendar).max(to.day(calendar)));
    }
}
