//! Explains due dates day by day: what a visit that starts on a day would get, and why that of an order is what it is.

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    Failure, Plant,
    catalogue::catalogue,
    orders::{all_visits, get_order},
};
use crate::{
    domain::{
        explain::{Explanation, explain},
        refusal::{Kind, Refusal},
        schedule::{self, DayTrace},
    },
    store::facts::OrderRef,
};

/// A due date with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedDueDate {
    /// The result.
    pub due_on: NaiveDate,
    /// From when on a visit with this due date is overdue.
    pub due_at: DateTime<Utc>,
    /// Every day from the start to the result; of a longer count the first 3 700.
    pub days: Vec<DayTrace>,
    /// The result lies beyond the maintained holidays.
    pub beyond_holidays: bool,
}

/// Counts `days` business days forward from `start`.
///
/// # Errors
/// `NotFound` (the calendar), `BeyondHorizon`; when the database fails.
pub async fn due_date(plant: &Plant, calendar: &str, start: NaiveDate, days: u32) -> Result<ExplainedDueDate, Failure> {
    let catalogue = catalogue(plant).await?;
    let entry = catalogue
        .calendars
        .get(calendar)
        .ok_or_else(|| Refusal::NotFound { kind: Kind::Calendar, id: calendar.to_owned() })?;
    let beyond = |refusal: schedule::ScheduleRefusal| Refusal::BeyondHorizon(refusal.to_string());
    let days_looked_at = schedule::explain_forward(&entry.calendar, start, days).map_err(beyond)?;
    let due_on = schedule::forward(&entry.calendar, start, days).map_err(beyond)?;
    Ok(ExplainedDueDate {
        due_on,
        due_at: schedule::due_at(&entry.calendar, due_on),
        days: days_looked_at,
        beyond_holidays: schedule::beyond_holidays(&entry.calendar, due_on),
    })
}

/// Explains the due date of the visit that an order is in.
///
/// # Errors
/// `NotFound`, `BeyondHorizon`; when the database fails.
pub async fn order(plant: &Plant, order: &OrderRef) -> Result<Explanation, Failure> {
    let seen = get_order(plant, order).await?;
    let visits = if seen.orders.holds.is_empty() { Vec::new() } else { all_visits(plant, &seen.orders).await? };
    Ok(explain(&seen.orders, &visits, &seen.catalogue)?)
}
