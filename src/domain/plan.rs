//! Plan: when each status of a cycle should end, by the order's schedule method.
//!
//! Durations are days or working time, and a cycle may mix them. So a plan goes from point to point: a day, of which days are
//! counted from its date and working time from its first or after its last instant, or an instant. Going back, what ends before an
//! instant and is counted in days ends with the last whole day before it.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Catalogue, Duration, OrderType, Status},
    order::{Due, DueSource, Entry, Order, Visit},
    refusal::Refusal,
    schedule::{self, Calendar},
};

/// How due dates are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Method {
    /// Forward from the order date: each status adds its duration to the end of the one before.
    #[default]
    FromOrderDate,
    /// Backward from the delivery date: the last status ends on it, each one before must end in time for those after it.
    FromDeliveryDate,
    /// From the day on which the status is entered.
    FromEntry,
}

impl Method {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FromOrderDate => "FROM_ORDER_DATE",
            Self::FromDeliveryDate => "FROM_DELIVERY_DATE",
            Self::FromEntry => "FROM_ENTRY",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::FromOrderDate, Self::FromDeliveryDate, Self::FromEntry].into_iter().find(|it| it.as_str() == text)
    }
}

/// The method of an order: its own, else that of its type, else that of the company.
#[must_use]
pub fn method_of(order: &Order, order_type: &OrderType, catalogue: &Catalogue) -> Method {
    order.schedule_method.or(order_type.schedule_method).unwrap_or(catalogue.schedule_method)
}

/// Refuses an order that is planned from a delivery date and has none.
///
/// # Errors
/// `DeliveryDateRequired`.
pub fn check_delivery(order: &Order, order_type: &OrderType, catalogue: &Catalogue) -> Result<(), Refusal> {
    if order.delivery_on.is_none() && method_of(order, order_type, catalogue) == Method::FromDeliveryDate {
        return Err(Refusal::DeliveryDateRequired);
    }
    Ok(())
}

/// A due date that is not yet bound to a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Last day in time.
    pub on: NaiveDate,
    /// Of working time the instant at which it is used up; `None` = the end of the day.
    pub at: Option<DateTime<Utc>>,
    /// Where it came from.
    pub source: DueSource,
}

impl Planned {
    /// A whole day.
    #[must_use]
    pub fn day(on: NaiveDate, source: DueSource) -> Self {
        Self { on, at: None, source }
    }

    /// With its instant in a calendar.
    #[must_use]
    pub fn due(self, calendar: &Calendar) -> Due {
        Due { on: self.on, at: self.at.unwrap_or_else(|| schedule::due_at(calendar, self.on)), source: self.source }
    }
}

/// What is added to a point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    /// Business days.
    Days(u32),
    /// Working time.
    Work(TimeDelta),
}

impl Span {
    fn is_nothing(self) -> bool {
        match self {
            Self::Days(days) => days == 0,
            Self::Work(work) => work.is_zero(),
        }
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        match duration {
            Duration::Days(days) => Self::Days(days),
            Duration::Work(minutes) => Self::Work(TimeDelta::minutes(i64::from(minutes))),
        }
    }
}

/// A place in time from which durations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// From a day on: working time begins with it.
    Start(NaiveDate),
    /// At the end of a day: working time begins after it.
    End(NaiveDate),
    /// From an instant on.
    From(DateTime<Utc>),
    /// Until an instant: at midnight it belongs to the day that ends.
    Until(DateTime<Utc>),
}

impl Point {
    /// The day it lies on, in the calendar's zone.
    pub fn day(self, calendar: &Calendar) -> NaiveDate {
        match self {
            Self::Start(on) | Self::End(on) => on,
            Self::From(at) => schedule::local_date(calendar, at),
            Self::Until(at) => schedule::local_date(calendar, at - TimeDelta::microseconds(1)),
        }
    }

    /// The last day that has ended by then.
    pub fn whole_day(self, calendar: &Calendar) -> NaiveDate {
        match self {
            Self::Start(on) | Self::End(on) => on,
            Self::From(at) | Self::Until(at) => {
                let on = schedule::local_date(calendar, at);
                on.pred_opt().unwrap_or(on)
            }
        }
    }

    /// As an instant in the calendar's zone.
    pub fn instant(self, calendar: &Calendar) -> DateTime<Utc> {
        match self {
            Self::Start(on) => on.pred_opt().map_or(DateTime::UNIX_EPOCH, |before| schedule::due_at(calendar, before)),
            Self::End(on) => schedule::due_at(calendar, on),
            Self::From(at) | Self::Until(at) => at,
        }
    }

    /// Where a span that begins here ends.
    ///
    /// # Errors
    /// `BeyondHorizon`.
    pub fn after(self, calendar: &Calendar, span: Span) -> Result<Self, Refusal> {
        match span {
            Span::Days(days) => Ok(Self::End(schedule::forward(calendar, self.day(calendar), days).map_err(beyond)?)),
            Span::Work(work) => {
                Ok(Self::Until(schedule::work_forward(calendar, self.instant(calendar), work).map_err(beyond)?))
            }
        }
    }

    /// Where what comes before a span that ends here has to end.
    ///
    /// # Errors
    /// `BeyondHorizon`.
    pub fn before(self, calendar: &Calendar, span: Span) -> Result<Self, Refusal> {
        match span {
            Span::Days(days) => {
                Ok(Self::End(schedule::backward(calendar, self.whole_day(calendar), days).map_err(beyond)?))
            }
            Span::Work(work) => {
                Ok(Self::Until(schedule::work_backward(calendar, self.instant(calendar), work).map_err(beyond)?))
            }
        }
    }

    /// The instant, of a point that is one.
    pub fn exact(self) -> Option<DateTime<Utc>> {
        match self {
            Self::From(at) | Self::Until(at) => Some(at),
            Self::Start(_) | Self::End(_) => None,
        }
    }

    fn planned(self, calendar: &Calendar, source: DueSource) -> Planned {
        Planned { on: self.day(calendar), at: self.exact(), source }
    }
}

impl Entry {
    /// Where counting from this entry begins. The day may have been given, and lie before the recording: then working time is
    /// counted from the end of that day.
    pub(super) fn point(self, calendar: &Calendar) -> Point {
        let recorded = schedule::local_date(calendar, self.at);
        match self.on.cmp(&recorded) {
            std::cmp::Ordering::Less => Point::End(self.on),
            std::cmp::Ordering::Equal => Point::From(self.at),
            std::cmp::Ordering::Greater => Point::Start(self.on),
        }
    }
}

/// Listens to the steps of a plan as they are counted: an explanation is the same counting, listened to.
pub(super) trait Trace {
    /// A span was counted: the duration of a status, or what holds took when there is none.
    fn step(&mut self, status: Option<&Status>, calendar: &Calendar, from: Point, span: Span, to: Point);
}

/// Nobody listens.
impl Trace for () {
    fn step(&mut self, _: Option<&Status>, _: &Calendar, _: Point, _: Span, _: Point) {}
}

/// The due date by rule of a visit; `None` when the status has no duration, or there is no delivery date to count from.
///
/// # Errors
/// `BeyondHorizon`.
///
/// # Source
/// Schedule methods. Statuses beside the cycle and rework count from entry whatever the method. Days lost to holds are given
/// back by open days, working time by what was held; what is planned from a delivery date does not move.
pub fn computed_due(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    target: &Status,
    entry: Entry,
    rework: bool,
) -> Result<Option<Planned>, Refusal> {
    traced_due(order, order_type, catalogue, target, (entry, rework), &mut ())
}

/// As `computed_due`, with somebody who listens.
pub(super) fn traced_due(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    target: &Status,
    (entry, rework): (Entry, bool),
    trace: &mut impl Trace,
) -> Result<Option<Planned>, Refusal> {
    let Some(duration) = target.duration() else { return Ok(None) };
    let calendar = catalogue.calendar_in(order_type, target)?;
    let method = method_of(order, order_type, catalogue);
    if !target.in_cycle() || rework || method == Method::FromEntry {
        let end = from_entry(order, order_type, catalogue, target, (entry, duration), trace)?;
        return Ok(Some(end.planned(calendar, DueSource::Entry)));
    }
    if method == Method::FromDeliveryDate {
        let Some(delivery_on) = order.delivery_on else { return Ok(None) };
        let end = planned_back(delivery_on, order_type, catalogue, target, trace)?;
        return Ok(Some(end.planned(calendar, DueSource::Delivery)));
    }
    let end = planned_end(order, order_type, catalogue, Some(target), trace)?;
    Ok(Some(give_back(end, calendar, order.lost_days, &order.holds, trace)?.planned(calendar, DueSource::Plan)))
}

/// Where a duration ends that counts from an entry, with what holds took since given back.
///
/// # Errors
/// `BeyondHorizon`.
pub(super) fn from_entry(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    status: &Status,
    (entry, duration): (Entry, Duration),
    trace: &mut impl Trace,
) -> Result<Point, Refusal> {
    let calendar = catalogue.calendar_in(order_type, status)?;
    let begin = entry.point(calendar);
    let end = begin.after(calendar, duration.into())?;
    trace.step(Some(status), calendar, begin, duration.into(), end);
    let since = holds_since(order, begin.instant(calendar));
    let lost = if since.is_empty() { 0 } else { schedule::lost_days(catalogue.calendar_of(order_type)?, &since) };
    give_back(end, calendar, lost, &since, trace)
}

/// What of the holds of an order lies after a visit began.
pub(super) fn holds_since(order: &Order, begin: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    order.holds.iter().filter(|(_, to)| *to > begin).map(|(from, to)| ((*from).max(begin), *to)).collect()
}

/// The due date by rule of the visit that an order is in.
///
/// # Errors
/// `BeyondHorizon`.
pub fn due_of_visit(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    visit: &Visit,
) -> Result<Option<Due>, Refusal> {
    let Some(status) = order_type.status(&visit.status) else { return Ok(None) };
    let planned = computed_due(order, order_type, catalogue, status, visit.counts_from(), visit.rework)?;
    let calendar = catalogue.calendar_in(order_type, status)?;
    Ok(planned.map(|planned| planned.due(calendar)))
}

/// Moves a point by what holds took.
fn give_back(
    point: Point,
    calendar: &Calendar,
    lost_days: u32,
    holds: &[(DateTime<Utc>, DateTime<Utc>)],
    trace: &mut impl Trace,
) -> Result<Point, Refusal> {
    let span = match point {
        Point::Start(_) | Point::End(_) => Span::Days(lost_days),
        Point::From(_) | Point::Until(_) => Span::Work(schedule::held_work(calendar, holds)),
    };
    if span.is_nothing() {
        return Ok(point);
    }
    let end = point.after(calendar, span)?;
    trace.step(None, calendar, point, span, end);
    Ok(end)
}

/// The planned end of a status of the cycle, without days given back: each status adds its duration to the end of the one
/// before, from the order date; one without a duration takes no time. An inactive status stands where the active ones before it
/// end, and adds its own. Without a status: of the whole cycle.
///
/// # Errors
/// `BeyondHorizon`.
pub(super) fn planned_end(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    last: Option<&Status>,
    trace: &mut impl Trace,
) -> Result<Point, Refusal> {
    let mut point = Point::Start(order.ordered_on);
    for status in order_type.statuses.iter().filter(|status| status.in_cycle()) {
        let is_last = last.is_some_and(|last| last.id == status.id);
        if let Some(duration) = status.duration().filter(|_| is_last || !status.inactive) {
            let calendar = catalogue.calendar_in(order_type, status)?;
            let end = point.after(calendar, duration.into())?;
            trace.step(Some(status), calendar, point, duration.into(), end);
            point = end;
        }
        if is_last {
            break;
        }
    }
    Ok(point)
}

/// By when a status of the cycle has to end so that the last one ends on the delivery date, or on the open day before it.
fn planned_back(
    delivery_on: NaiveDate,
    order_type: &OrderType,
    catalogue: &Catalogue,
    target: &Status,
    trace: &mut impl Trace,
) -> Result<Point, Refusal> {
    let mut point = Point::End(delivery_on);
    let later = order_type.statuses.iter().rev().take_while(|status| status.id != target.id);
    for status in later.filter(|status| status.in_cycle() && !status.inactive) {
        if let Some(duration) = status.duration() {
            let calendar = catalogue.calendar_in(order_type, status)?;
            let begin = point.before(calendar, duration.into())?;
            trace.step(Some(status), calendar, point, duration.into(), begin);
            point = begin;
        }
    }
    let calendar = catalogue.calendar_in(order_type, target)?;
    // Open time of its own calendar: no later status, or one that counts in another calendar, may have moved it there.
    let span = match (point, target.duration()) {
        (Point::Until(_), Some(Duration::Work(_))) => Span::Work(TimeDelta::zero()),
        _ => Span::Days(0),
    };
    let end = point.before(calendar, span)?;
    if end != point {
        trace.step(Some(target), calendar, point, span, end);
    }
    Ok(end)
}

/// When the whole cycle is planned to end, with the days given back.
///
/// # Errors
/// `BeyondHorizon`.
pub(super) fn planned_finish(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    trace: &mut impl Trace,
) -> Result<NaiveDate, Refusal> {
    let calendar = catalogue.calendar_of(order_type)?;
    let end = planned_end(order, order_type, catalogue, None, trace)?;
    // A cycle without any duration ends on the first open day.
    let end = if let Point::Start(on) = end { Point::End(on) } else { end };
    let end = if let Point::End(_) = end { end.after(calendar, Span::Days(0))? } else { end };
    Ok(give_back(end, calendar, order.lost_days, &order.holds, trace)?.day(calendar))
}

pub(super) fn beyond(refusal: schedule::ScheduleRefusal) -> Refusal {
    Refusal::BeyondHorizon(refusal.to_string())
}
