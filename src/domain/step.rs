//! A step: an order leaves one visit and enters the next. Every way into a status goes through here.

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    catalogue::{Catalogue, Duration, OrderType, Status, StatusClock},
    order::{DueSource, Entry, Interrupted, Order, Visit},
    plan::{Planned, Point, Span, beyond, computed_due, holds_since},
    projection,
    refusal::Refusal,
    schedule::{self, Calendar},
};

/// One move of an order: what `enter` and `leave` are told.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Where to.
    pub target: &'a Status,
    /// Instant of the move.
    pub at: DateTime<Utc>,
    /// Day of the move, as given.
    pub on: NaiveDate,
    /// Leave the current visit not complete.
    pub not_complete: bool,
    /// Due date instead of the computed one.
    pub due_on: Option<NaiveDate>,
    /// Record the statuses in between as skipped.
    pub record_skips: bool,
    /// Principal.
    pub actor: &'a str,
    /// User on whose behalf, or empty.
    pub acted_for: &'a str,
}

/// What a step did.
#[derive(Debug, Default)]
pub struct Stepped {
    /// The visit that was closed.
    pub closed: Option<Visit>,
    /// Statuses jumped over.
    pub skipped: Vec<Visit>,
    /// Business days given back.
    pub days_given_back: u32,
}

/// Closes the current visit and opens the next. The caller has checked that the move is allowed.
///
/// # Errors
/// `BeyondHorizon` when the due date cannot be computed.
pub fn step(
    order: &mut Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    step: Step<'_>,
) -> Result<Stepped, Refusal> {
    let (closed, days_given_back) = leave(order, order_type, catalogue, step)?;
    let mut done = Stepped { closed: Some(closed), days_given_back, skipped: Vec::new() };
    let left = order_type.status(&order.visit.status);
    if left.is_some_and(Status::in_cycle) {
        if step.not_complete {
            let due = order.visit.due.map(|due| Planned {
                on: due.on,
                at: left.and_then(Status::duration).filter(|it| matches!(it, Duration::Work(_))).map(|_| due.at),
                source: due.source,
            });
            order.interrupted = Some(Interrupted {
                status: order.visit.status.clone(),
                due,
                entered: Some(order.visit.counts_from()),
                rework: order.visit.rework,
            });
        } else if !order.completed.contains(&order.visit.status) {
            order.completed.push(order.visit.status.clone());
        }
    }
    if step.record_skips && step.target.in_cycle() {
        done.skipped = skipped(order, order_type, &step);
    }
    let sequence = order.visit.sequence + 1 + i32::try_from(done.skipped.len()).unwrap_or(0);
    enter(order, order_type, catalogue, step, sequence)?;
    Ok(done)
}

/// The current visit as it is closed, and the business days given back when a hold ends with it. What the order was waiting for
/// moves by these days, or by the working time held, unless its due date is manual or planned back from the delivery date.
///
/// # Errors
/// `BeyondHorizon`.
pub fn leave(
    order: &mut Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    step: Step<'_>,
) -> Result<(Visit, u32), Refusal> {
    let mut visit = order.visit.clone();
    visit.left_at = Some(step.at.max(visit.entered_at));
    visit.completed_on = Some(step.on);
    visit.completed = !step.not_complete;
    if order_type.status(&visit.status).is_none_or(|status| status.clock != StatusClock::Pauses) {
        return Ok((visit, 0));
    }
    let calendar = catalogue.calendar_of(order_type)?;
    let held = stay(&visit, (step.at, step.on), calendar);
    let entered = order.interrupted.as_ref().and_then(|interrupted| interrupted.entered);
    let since = |order: &Order| match entered {
        Some(entry) => schedule::lost_days(calendar, &holds_since(order, entry.point(calendar).instant(calendar))),
        None => order.lost_days,
    };
    let lost_before = since(order);
    order.holds.push(held);
    let lost = schedule::lost_days(calendar, &order.holds);
    let given_back = lost.saturating_sub(order.lost_days);
    order.lost_days = order.lost_days.max(lost);
    let lost_since = since(order);
    if let Some(Interrupted { status, due: Some(due), .. }) = &mut order.interrupted
        && matches!(due.source, DueSource::Plan | DueSource::Entry)
        && let Some(status) = order_type.status(status)
    {
        let calendar = catalogue.calendar_in(order_type, status)?;
        if let Some(at) = due.at {
            let held = schedule::held_work(calendar, &[held]);
            let point = Point::Until(at).after(calendar, Span::Work(held))?;
            (due.on, due.at) = (point.day(calendar), point.exact());
        } else {
            let days = match (due.source, entered) {
                (DueSource::Entry, Some(_)) => lost_since.saturating_sub(lost_before),
                _ => given_back,
            };
            due.on = schedule::forward(calendar, due.on, days).map_err(beyond)?;
        }
    }
    Ok((visit, given_back))
}

/// From when to when a visit counts as a stay. One that was reported late began after the day given for its entry, and ended with
/// the day given for its end.
pub(super) fn stay(
    visit: &Visit,
    (left_at, left_on): (DateTime<Utc>, NaiveDate),
    calendar: &Calendar,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let begin = Entry { on: visit.entered_on, at: visit.entered_at }.point(calendar).instant(calendar);
    (begin, left_at.min(schedule::due_at(calendar, left_on)).max(begin))
}

/// The visits of zero time for the active statuses between where the order stood in the cycle and the target.
fn skipped(order: &Order, order_type: &OrderType, step: &Step<'_>) -> Vec<Visit> {
    let position = |id: &str| order_type.statuses.iter().position(|status| status.id == id);
    let (Some(from), Some(to)) = (position(&order.cycle_status), position(&step.target.id)) else { return Vec::new() };
    if to <= from {
        return Vec::new();
    }
    order_type.statuses[from + 1..to]
        .iter()
        .filter(|status| status.in_cycle() && !status.inactive && !order.completed.contains(&status.id))
        .zip(order.visit.sequence + 1..)
        .map(|(status, sequence)| Visit {
            sequence,
            status: status.id.clone(),
            status_name: status.name.clone(),
            entered_at: step.at,
            entered_on: step.on,
            due: None,
            rework: false,
            resumed: false,
            skipped: true,
            entered_by: step.actor.into(),
            entered_for: step.acted_for.into(),
            left_at: Some(step.at),
            completed_on: None,
            completed: false,
            counted: None,
        })
        .collect()
}

/// Opens a visit: decides its due date, whether it closes the order, and the next alarm.
///
/// # Errors
/// `BeyondHorizon` when the due date cannot be computed.
pub fn enter(
    order: &mut Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    step: Step<'_>,
    sequence: i32,
) -> Result<(), Refusal> {
    let target = step.target;
    let resumed = order.interrupted.take_if(|interrupted| interrupted.status == target.id);
    let rework = match &resumed {
        Some(interrupted) => interrupted.rework,
        None => target.in_cycle() && order.completed.contains(&target.id),
    };
    let entry = Entry { on: step.on, at: step.at };
    let planned = match (step.due_on, &resumed) {
        (Some(on), _) => Some(Planned::day(on, DueSource::Manual)),
        (None, Some(interrupted)) => interrupted.due,
        (None, None) => computed_due(order, order_type, catalogue, target, entry, rework)?,
    };
    let calendar = catalogue.calendar_in(order_type, target)?;
    let due = planned.map(|planned| planned.due(calendar));
    order.visit = Visit {
        sequence,
        status: target.id.clone(),
        status_name: target.name.clone(),
        entered_at: step.at,
        entered_on: step.on,
        due,
        rework,
        resumed: resumed.is_some(),
        skipped: false,
        entered_by: step.actor.into(),
        entered_for: step.acted_for.into(),
        left_at: None,
        completed_on: None,
        completed: false,
        counted: resumed.and_then(|interrupted| interrupted.entered),
    };
    if target.in_cycle() {
        order.cycle_status.clone_from(&target.id);
    }
    if target.closes() {
        close(order, order_type, catalogue, step.at, step.on);
    } else {
        order.closed_at = None;
        order.finish = None;
        order.next_alarm_at = due.map(|due| due.at);
    }
    Ok(())
}

/// Closes an order in the status it is in. How it stands against its target is kept as it is now.
pub fn close(order: &mut Order, order_type: &OrderType, catalogue: &Catalogue, at: DateTime<Utc>, on: NaiveDate) {
    order.closed_at = Some(at);
    order.next_alarm_at = None;
    order.finish = projection::finish(order, order_type, catalogue, on);
}
