//! Projection: where an order is heading, and how that stands against its target.
//!
//! The current status ends at the later of its due date counted from entry and today; each remaining status of the cycle adds
//! its duration, in its own calendar. From beside the cycle, what an interrupted status had left is done first. The target is
//! the delivery date, else the planned finish with the days given back. While an order is on hold and its target is the plan, the
//! target moves with the hold.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Catalogue, OrderType, Status, StatusClock},
    order::{Entry, Order},
    plan::{Point, Span, Trace, from_entry, planned_finish},
    refusal::Refusal,
    schedule::{self, Calendar},
    unmaintained::Reach,
};

/// How an order stands against its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Health {
    /// Finishes before its target by more than the tolerance.
    Ahead,
    /// Finishes within the tolerance.
    OnTarget,
    /// Finishes after its target by more than the tolerance.
    Late,
}

impl Health {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ahead => "AHEAD",
            Self::OnTarget => "ON_TARGET",
            Self::Late => "LATE",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ahead, Self::OnTarget, Self::Late].into_iter().find(|health| health.as_str() == text)
    }

    /// From slack and tolerance, both in open days.
    ///
    /// # Source
    /// `slack > tolerance` is ahead, `slack < -tolerance` late; finishing on the day is on target.
    #[must_use]
    pub fn of(slack: i32, tolerance: u32) -> Self {
        let tolerance = i32::try_from(tolerance).unwrap_or(i32::MAX);
        match slack {
            slack if slack > tolerance => Self::Ahead,
            slack if slack < -tolerance => Self::Late,
            _ => Self::OnTarget,
        }
    }
}

/// A finish against a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// How it stands.
    pub health: Health,
    /// Open days from the finish to the target; negative = late by so many.
    pub slack_days: i32,
    /// Projected or, of a closed order, real.
    pub finish_on: NaiveDate,
    /// Delivery date, else planned finish.
    pub target_on: NaiveDate,
    /// The finish was counted over days whose holidays nobody has maintained; never of a closed order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finish_unmaintained: bool,
    /// The same of the target; never of a delivery date, which is given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_unmaintained: bool,
}

/// Where an open order is heading as of `now`; of a closed one, what its finish was. `None` when a date lies beyond the horizon.
#[must_use]
pub fn project(order: &Order, order_type: &OrderType, catalogue: &Catalogue, now: DateTime<Utc>) -> Option<Projection> {
    if order.closed_at.is_some() {
        return order.finish;
    }
    let mut reach = Reach::default();
    let finish_on = projected_finish(order, order_type, catalogue, now, &mut reach).ok()?;
    let finish_unmaintained = reach.is_beyond();
    if let Some(slack_days) = slack_of_held(order, order_type, catalogue).ok()? {
        let calendar = catalogue.calendar_of(order_type).ok()?;
        let target_on = days_on(calendar, finish_on, slack_days)?;
        let health = Health::of(slack_days, order_type.health_tolerance);
        let target_unmaintained = finish_unmaintained || schedule::beyond_holidays(calendar, target_on);
        return Some(Projection { health, slack_days, finish_on, target_on, finish_unmaintained, target_unmaintained });
    }
    let mut reach = Reach::default();
    let projected = against_target(order, order_type, catalogue, finish_on, &mut reach).ok()?;
    Some(Projection { finish_unmaintained, target_unmaintained: reach.is_beyond(), ..projected })
}

/// The slack of an order on hold whose target is its plan: what it was when the hold began, since the days of the hold will be
/// given back. `None` for all others.
///
/// # Errors
/// `BeyondHorizon`.
pub(super) fn slack_of_held(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
) -> Result<Option<i32>, Refusal> {
    let pauses = order_type.status(&order.visit.status).is_some_and(|status| status.clock == StatusClock::Pauses);
    if !pauses || order.delivery_on.is_some() || order.closed_at.is_some() {
        return Ok(None);
    }
    let mut point = own_entry(order).point(catalogue.calendar_of(order_type)?);
    for (calendar, span) in remaining(order, order_type, catalogue)? {
        point = point.after(calendar, span)?;
    }
    let calendar = catalogue.calendar_of(order_type)?;
    let target_on = planned_finish(order, order_type, catalogue, &mut ())?;
    Ok(Some(schedule::open_days(calendar, point.day(calendar), target_on)))
}

/// The day to which `slack` open days are left from a day; negative counts back.
fn days_on(calendar: &Calendar, from: NaiveDate, slack: i32) -> Option<NaiveDate> {
    let days = slack.unsigned_abs();
    match slack.signum() {
        0 => Some(from),
        1 if schedule::is_open(calendar, from) => schedule::forward(calendar, from, days).ok(),
        1 => schedule::forward(calendar, from, days - 1).ok(),
        _ => schedule::backward(calendar, from, days).ok(),
    }
}

/// The real finish of an order that closes on this day.
#[must_use]
pub fn finish(order: &Order, order_type: &OrderType, catalogue: &Catalogue, on: NaiveDate) -> Option<Projection> {
    against_target(order, order_type, catalogue, on, &mut ()).ok()
}

/// The delivery date, else the planned finish.
pub(super) fn target(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    trace: &mut impl Trace,
) -> Result<NaiveDate, Refusal> {
    order.delivery_on.map_or_else(|| planned_finish(order, order_type, catalogue, trace), Ok)
}

fn against_target(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    finish_on: NaiveDate,
    trace: &mut impl Trace,
) -> Result<Projection, Refusal> {
    let calendar = catalogue.calendar_of(order_type)?;
    let target_on = target(order, order_type, catalogue, trace)?;
    let slack_days = schedule::open_days(calendar, finish_on, target_on);
    let health = Health::of(slack_days, order_type.health_tolerance);
    Ok(Projection { health, slack_days, finish_on, target_on, finish_unmaintained: false, target_unmaintained: false })
}

fn projected_finish(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
    reach: &mut Reach,
) -> Result<NaiveDate, Refusal> {
    let mut point = match order_type.status(&order.visit.status) {
        Some(status) => {
            let end = ends(order, order_type, catalogue, status, order.visit.counts_from())?;
            if let Some((end, calendar)) = end {
                reach.look(calendar, end.day(calendar));
            }
            not_before(now, end)
        }
        None => Point::From(now),
    };
    for (calendar, span) in remaining(order, order_type, catalogue)? {
        point = point.after(calendar, span)?;
        reach.look(calendar, point.day(calendar));
    }
    let calendar = catalogue.calendar_of(order_type)?;
    let finish_on = point.day(calendar);
    reach.look(calendar, finish_on);
    Ok(finish_on)
}

/// What is left to do after the current visit, in its order: from beside the cycle what the interrupted status had left, then each
/// status of the cycle that follows.
pub(super) fn remaining<'a>(
    order: &Order,
    order_type: &OrderType,
    catalogue: &'a Catalogue,
) -> Result<Vec<(&'a Calendar, Span)>, Refusal> {
    let mut spans = Vec::new();
    let aside = !order_type.status(&order.visit.status).is_some_and(Status::in_cycle);
    if let Some(interrupted) = order.interrupted.as_ref().filter(|_| aside)
        && let Some(status) = order_type.status(&interrupted.status)
    {
        let own = catalogue.calendar_in(order_type, status)?;
        let begin = own_entry(order).point(own);
        let end = match interrupted.entered {
            Some(entry) => ends(order, order_type, catalogue, status, entry)?.map(|(end, _)| end),
            // As an older program left it: the due date is what is known.
            None => interrupted.due.map(|due| due.at.map_or(Point::End(due.on), Point::Until)),
        };
        let days = |to| u32::try_from(schedule::open_days(own, begin.day(own), to)).unwrap_or(0);
        match end {
            Some(Point::Until(at)) => {
                let work = schedule::work_between(own, begin.instant(own), at);
                spans.extend((work > TimeDelta::zero()).then_some((own, Span::Work(work))));
            }
            Some(end) => spans.push((own, Span::Days(days(end.day(own))))),
            None => {}
        }
    }
    let place = order_type.statuses.iter().position(|status| status.id == order.cycle_status);
    let following = order_type.statuses.iter().skip(place.map_or(0, |place| place + 1));
    for status in following.filter(|status| status.in_cycle() && !status.inactive) {
        if let Some(duration) = status.duration() {
            spans.push((catalogue.calendar_in(order_type, status)?, duration.into()));
        }
    }
    Ok(spans)
}

/// The end of a visit that counts from its entry, with what holds took given back, in the calendar of its status; none when it has
/// no duration.
pub(super) fn ends<'a>(
    order: &Order,
    order_type: &OrderType,
    catalogue: &'a Catalogue,
    status: &Status,
    entry: Entry,
) -> Result<Option<(Point, &'a Calendar)>, Refusal> {
    let Some(duration) = status.duration() else { return Ok(None) };
    let calendar = catalogue.calendar_in(order_type, status)?;
    Ok(Some((from_entry(order, order_type, catalogue, status, (entry, duration), &mut ())?, calendar)))
}

/// When the order entered the visit that it is in.
fn own_entry(order: &Order) -> Entry {
    Entry { on: order.visit.entered_on, at: order.visit.entered_at }
}

/// The point, or now when that is later.
fn not_before(now: DateTime<Utc>, end: Option<(Point, &Calendar)>) -> Point {
    match end {
        Some((Point::Until(at), _)) if at >= now => Point::Until(at),
        Some((Point::End(on), calendar)) if on >= schedule::local_date(calendar, now) => Point::End(on),
        _ => Point::From(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tolerance_is_still_on_target_and_one_day_more_is_not() {
        for (slack, tolerance, health) in [
            (0, 0, Health::OnTarget),
            (1, 0, Health::Ahead),
            (-1, 0, Health::Late),
            (2, 2, Health::OnTarget),
            (3, 2, Health::Ahead),
            (-2, 2, Health::OnTarget),
            (-3, 2, Health::Late),
            (i32::MIN, 0, Health::Late),
            (i32::MAX, u32::MAX, Health::OnTarget),
        ] {
            assert_eq!(Health::of(slack, tolerance), health, "{slack} {tolerance}");
        }
    }
}
