//! Set due date: a person decides when the current visit is due, or gives the decision back to the rule.

use chrono::NaiveDate;

use super::{
    advance,
    order::{Context, Decision, DueCause, DueSource, Effects, HistoryDetail, HistoryKind, Order},
    plan::{Planned, due_of_visit},
    refusal::Refusal,
    schedule, unmaintained,
    violation::Violations,
};

/// A due date, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetDueDate {
    /// The last day in time; `None` = by rule again.
    pub due_on: Option<NaiveDate>,
    /// Kept in history.
    pub reason: String,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// The order's etag as the caller saw it.
    pub etag: Option<String>,
}

impl SetDueDate {
    /// Finds all wrong fields.
    pub fn check(&self, violations: &mut Violations) {
        violations.line("reason", &self.reason, 0, 500);
        violations.id("on_behalf_of", &self.on_behalf_of);
    }
}

/// Decides a due date. The visit stays; its alarm is set anew, so that a date that is missed again alerts again.
///
/// # Errors
/// `EtagMismatch`, `OrderClosed`, `NotFound`, `Inactive`, `BeyondHorizon`.
pub fn set_due_date(before: &Order, request: &SetDueDate, cx: &mut Context<'_>) -> Result<Decision, Refusal> {
    advance::check_etag(before, request.etag.as_deref())?;
    if before.closed_at.is_some() {
        return Err(Refusal::OrderClosed { status: before.visit.status.clone() });
    }
    let order_type = cx.catalogue.order_type(&before.order_type)?;
    let status = order_type.status(&before.visit.status);
    let calendar = match status {
        Some(status) => cx.catalogue.calendar_in(order_type, status)?,
        None => cx.catalogue.calendar_of(order_type)?,
    };
    let acted_for = advance::on_behalf_of(&request.on_behalf_of, cx)?;
    let mut order = before.clone();
    let visit = &before.visit;
    order.replan(match request.due_on {
        Some(on) => Some(Planned::day(on, DueSource::Manual).due(calendar)),
        None => due_of_visit(before, order_type, cx.catalogue, visit)?,
    });
    order.touch(cx.now);
    let mut effects = Effects::default();
    if let Some(on) = request.due_on.filter(|on| !schedule::is_open(calendar, *on)) {
        effects.warnings.push(format!("the due date {on} is a closed day"));
    }
    if order.overdue(cx.now) {
        effects.warnings.push(format!("'{}' is overdue with this date", visit.status_name));
    }
    effects.warnings.extend(unmaintained::warning(&order, cx.catalogue));
    let detail = HistoryDetail {
        closed: Some(visit.clone()),
        opened: Some(order.visit.clone()),
        reason: request.reason.clone(),
        due_cause: Some(if request.due_on.is_some() { DueCause::Manual } else { DueCause::Cleared }),
        ..HistoryDetail::default()
    };
    let entry = order.record(HistoryKind::DueDateChanged, cx.now, cx.actor, &acted_for, detail);
    let changed = Some(order.visit.clone());
    Ok(Decision { changed, effects, history: vec![entry], ..Decision::of(order) })
}
