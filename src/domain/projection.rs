//! Projection: where an order is heading, and how that stands against its target.
//!
//! The current status ends at the later of its due date counted from entry and today; each remaining status of the cycle adds
//! its duration, in its own calendar. From beside the cycle, what an interrupted status had left is done first. The target is
//! the delivery date, else the planned finish with the days given back.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Catalogue, OrderType, Status},
    order::{Interrupted, Order},
    refusal::Refusal,
    schedule,
    step::{beyond, planned_end},
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
}

/// Where an open order is heading as of `now`; of a closed one, what its finish was. `None` when a date lies beyond the horizon.
#[must_use]
pub fn project(order: &Order, order_type: &OrderType, catalogue: &Catalogue, now: DateTime<Utc>) -> Option<Projection> {
    if order.closed_at.is_some() {
        return order.finish;
    }
    let finish_on = projected_finish(order, order_type, catalogue, now).ok()?;
    against_target(order, order_type, catalogue, finish_on).ok()
}

/// The real finish of an order that closes on this day.
#[must_use]
pub fn finish(order: &Order, order_type: &OrderType, catalogue: &Catalogue, on: NaiveDate) -> Option<Projection> {
    against_target(order, order_type, catalogue, on).ok()
}

fn against_target(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    finish_on: NaiveDate,
) -> Result<Projection, Refusal> {
    let calendar = catalogue.calendar_of(order_type)?;
    let target_on = match order.delivery_on {
        Some(on) => on,
        None => schedule::forward(calendar, planned_end(order, order_type, catalogue, None)?, order.lost_days)
            .map_err(beyond)?,
    };
    let slack_days = schedule::open_days(calendar, finish_on, target_on);
    Ok(Projection { health: Health::of(slack_days, order_type.health_tolerance), slack_days, finish_on, target_on })
}

fn projected_finish(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<NaiveDate, Refusal> {
    let calendar = catalogue.calendar_of(order_type)?;
    let today = schedule::local_date(calendar, now);
    let current = order_type.status(&order.visit.status);
    let mut on = match current {
        Some(status) => today.max(after(order_type, catalogue, status, order.visit.entered_on)?),
        None => today,
    };
    if let (Some(Interrupted { status, due: Some((due_on, _)) }), false) =
        (&order.interrupted, current.is_some_and(Status::in_cycle))
        && let Some(status) = order_type.status(status)
    {
        let own = catalogue.calendar_in(order_type, status)?;
        let left = u32::try_from(schedule::open_days(own, order.visit.entered_on, *due_on)).unwrap_or(0);
        on = schedule::forward(own, on, left).map_err(beyond)?;
    }
    let place = order_type.statuses.iter().position(|status| status.id == order.cycle_status);
    let remaining = order_type.statuses.iter().skip(place.map_or(0, |place| place + 1));
    for status in remaining.filter(|status| status.in_cycle() && !status.inactive) {
        on = after(order_type, catalogue, status, on)?;
    }
    Ok(on)
}

/// The end of a status that begins on a day; one without a duration takes no day.
fn after(order_type: &OrderType, catalogue: &Catalogue, status: &Status, on: NaiveDate) -> Result<NaiveDate, Refusal> {
    match status.duration_days {
        Some(days) => schedule::forward(catalogue.calendar_in(order_type, status)?, on, days).map_err(beyond),
        None => Ok(on),
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
