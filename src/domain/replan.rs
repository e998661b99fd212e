//! Replan: gives an order the due date that the rules of today give it. Dates that a person set stay.

use chrono::SecondsFormat;

use super::{
    alerts::{alarm, fire::follow_up},
    catalogue::{Catalogue, OrderType},
    order::{
        Alert, Context, Decision, DueCause, DueSource, FieldChange, HistoryDetail, HistoryEntry, HistoryKind, Order,
    },
    plan::{Planned, computed_due, due_of_visit},
    refusal::Refusal,
    schedule,
};

/// Plans the due date of the current visit anew, and of what the order will come back to; of an open order.
///
/// # Errors
/// `BeyondHorizon`.
pub fn replan(order: &mut Order, order_type: &OrderType, catalogue: &Catalogue) -> Result<(), Refusal> {
    if order.closed_at.is_some() {
        return Ok(());
    }
    if !order.holds.is_empty() {
        order.lost_days = schedule::lost_days(catalogue.calendar_of(order_type)?, &order.holds);
    }
    replan_interrupted(order, order_type, catalogue)?;
    replan_visit(order, order_type, catalogue)
}

/// Plans the due date of the current visit anew.
///
/// # Errors
/// `BeyondHorizon`.
pub fn replan_visit(order: &mut Order, order_type: &OrderType, catalogue: &Catalogue) -> Result<(), Refusal> {
    let source = order.visit.due.map(|due| due.source);
    // From when a visit counts that was resumed by an older program is not known.
    let unknown = order.visit.resumed && order.visit.counted.is_none() && source == Some(DueSource::Entry);
    if unknown {
        return Ok(());
    }
    if let Some(due) = order.visit.due.filter(|due| due.source == DueSource::Manual) {
        // The day stays; when it ends is a matter of the calendar's zone.
        if let Some(status) = order_type.status(&order.visit.status) {
            let calendar = catalogue.calendar_in(order_type, status)?;
            order.replan(Some(Planned::day(due.on, due.source).due(calendar)));
        }
        return Ok(());
    }
    let due = due_of_visit(order, order_type, catalogue, &order.visit)?;
    order.replan(due);
    Ok(())
}

/// Plans the due date anew that an interrupted status will have when the order comes back to it.
///
/// # Errors
/// `BeyondHorizon`.
pub fn replan_interrupted(order: &mut Order, order_type: &OrderType, catalogue: &Catalogue) -> Result<(), Refusal> {
    let Some(interrupted) = &order.interrupted else { return Ok(()) };
    let source = interrupted.due.map(|due| due.source);
    let Some(status) = order_type.status(&interrupted.status) else { return Ok(()) };
    // As an older program left it, only what is planned for the cycle can be planned anew.
    let unknown = interrupted.entered.is_none() && source == Some(DueSource::Entry);
    if source == Some(DueSource::Manual) || unknown {
        return Ok(());
    }
    let entry = interrupted.entered.unwrap_or_else(|| order.visit.counts_from());
    let due = computed_due(order, order_type, catalogue, status, entry, interrupted.rework)?;
    if let Some(interrupted) = &mut order.interrupted {
        interrupted.due = due;
    }
    Ok(())
}

/// Records that the due date changed which an interrupted status will have when the order comes back to it. `None` when it did not,
/// or the order waits for nothing, before or after.
pub fn record_interrupted(
    order: &mut Order,
    before: &Order,
    order_type: &OrderType,
    (cause, reason): (DueCause, &str),
    (cx, acted_for): (&Context<'_>, &str),
) -> Option<HistoryEntry> {
    let (was, is) = (before.interrupted.as_ref()?, order.interrupted.as_ref()?);
    if was.due == is.due {
        return None;
    }
    let name = order_type.status(&is.status).map_or(&is.status, |status| &status.name);
    let text = |due: Option<Planned>| match due {
        Some(Planned { at: Some(at), .. }) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Some(Planned { on, .. }) => on.to_string(),
        None => String::new(),
    };
    let change = FieldChange { field: "interrupted_due_date".into(), before: text(was.due), after: text(is.due) };
    let detail = HistoryDetail {
        interrupted: Some((is.status.clone(), name.clone())),
        changes: vec![change],
        due_cause: Some(cause),
        reason: reason.to_owned(),
        ..HistoryDetail::default()
    };
    Some(order.record(HistoryKind::DueDateChanged, cx.now, cx.actor, acted_for, detail))
}

/// Decides an order anew after a calendar, a duration or a method changed; `None` when its dates stay as they are. `told` = its
/// alert was recorded and nothing about it waits to be sent: an order that was overdue and still is, is not told again.
///
/// The etag stays, as with an alarm: what callers decided on is not what changed, and a step that is under way is not spoilt.
///
/// # Errors
/// `BeyondHorizon`.
pub fn decide(
    before: &Order,
    (cause, reason): (DueCause, &str),
    told: bool,
    cx: &mut Context<'_>,
) -> Result<Option<Decision>, Refusal> {
    let order_type = cx.catalogue.order_type(&before.order_type)?;
    let mut order = before.clone();
    replan(&mut order, order_type, cx.catalogue)?;
    if order == *before {
        return Ok(None);
    }
    let due_moved = order.visit.due != before.visit.due;
    order.version += 1;
    let quiet = told && before.overdue(cx.now) && order.overdue(cx.now);
    let mut decision = Decision::of(order);
    if due_moved {
        let order = &mut decision.order;
        order.updated_at = cx.now;
        let detail = HistoryDetail {
            closed: Some(before.visit.clone()),
            opened: Some(order.visit.clone()),
            due_cause: Some(cause),
            reason: reason.to_owned(),
            ..HistoryDetail::default()
        };
        decision.history.push(order.record(HistoryKind::DueDateChanged, cx.now, cx.actor, "", detail));
        decision.changed = Some(order.visit.clone());
    }
    if let Some(entry) = record_interrupted(&mut decision.order, before, order_type, (cause, reason), (cx, "")) {
        decision.order.updated_at = cx.now;
        decision.history.push(entry);
    }
    follow_up(Some(before), &mut decision, cx);
    if quiet {
        let order = &mut decision.order;
        let next = alarm::next(order, cx.catalogue, Some(cx.now));
        order.next_alarm_at = before.next_alarm_at.into_iter().chain(next).min();
        // It counts as told, whatever alarm comes next.
        if let Some(due) = order.visit.due.filter(|_| due_moved) {
            decision.alerts.push(Alert { visit: order.visit.sequence, rule: alarm::OVERDUE.to_owned(), at: due.at });
        }
    }
    Ok(Some(decision))
}
