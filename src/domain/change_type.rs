//! Change type: an order goes over into the cycle of another type.

use std::collections::BTreeMap;

use super::{
    advance::{assign, on_behalf_of},
    order::{Context, Decision, Effects, FieldChange, HistoryDetail, HistoryKind, Order},
    plan::check_delivery,
    refusal::{Kind, Refusal},
    schedule,
    step::{Step, enter, leave},
    unmaintained,
    violation::Violations,
};

/// Statuses that one mapping names.
const MAPPING_MAX: usize = 200;

/// Another type, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeType {
    /// Id of the new type.
    pub order_type: String,
    /// From status to status; what is not named maps to its own id.
    pub statuses: BTreeMap<String, String>,
    /// Kept in history.
    pub reason: String,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
}

impl ChangeType {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("order_type", &self.order_type);
        if self.statuses.len() > MAPPING_MAX {
            v.add("statuses", format!("has {}; at most {MAPPING_MAX} are allowed", self.statuses.len()));
        }
        for (from, to) in self.statuses.iter().take(MAPPING_MAX) {
            v.slug("statuses", from);
            v.slug("statuses", to);
        }
        v.line("reason", &self.reason, 0, 500);
        v.id("on_behalf_of", &self.on_behalf_of);
    }
}

/// Decides a change of type. The current visit ends not complete and another one begins in the mapped status; what was completed
/// is kept as far as it maps, so that coming back to it is rework in the new cycle too.
///
/// # Errors
/// In this order: `NotFound` (the type), `NotFound` and `Inactive` (on whose behalf), `SameType`, `Inactive` (the type),
/// `StatusNotMapped`, `NotFound` and `Inactive` (the status), `ClosesOrder`,
/// `DeliveryDateRequired`, `BeyondHorizon`.
pub fn change_type(before: &Order, request: &ChangeType, cx: &mut Context<'_>) -> Result<Decision, Refusal> {
    let catalogue = cx.catalogue;
    let old = catalogue.order_type(&before.order_type)?;
    let new = catalogue.order_type(&request.order_type)?;
    let acted_for = on_behalf_of(&request.on_behalf_of, cx)?;
    if old.id == new.id {
        return Err(Refusal::SameType { order_type: new.id.clone() });
    }
    if new.inactive {
        return Err(Refusal::Inactive { kind: Kind::OrderType, id: new.id.clone() });
    }
    let mapped = |status: &str| request.statuses.get(status).map_or(status, String::as_str).to_owned();
    let target_id = mapped(&before.visit.status);
    let target = match new.status(&target_id) {
        Some(target) => target,
        None if request.statuses.contains_key(&before.visit.status) => {
            return Err(Refusal::NotFound { kind: Kind::Status, id: target_id });
        }
        None => return Err(Refusal::StatusNotMapped { status: before.visit.status.clone() }),
    };
    if target.inactive {
        return Err(Refusal::Inactive { kind: Kind::Status, id: target_id });
    }
    if target.closes() != before.closed_at.is_some() {
        return Err(Refusal::ClosesOrder { status: target_id });
    }
    let step = Step {
        target,
        at: cx.now.max(before.visit.entered_at),
        on: schedule::local_date(catalogue.calendar_of(new)?, cx.now).max(before.visit.entered_on),
        not_complete: true,
        due_on: None,
        record_skips: false,
        actor: cx.actor,
        acted_for: &acted_for,
    };
    let mut order = before.clone();
    let (closed, days_given_back) = leave(&mut order, old, catalogue, step)?;
    order.order_type.clone_from(&new.id);
    let in_new_cycle = |id: &String| new.status(id).is_some_and(|status| status.in_cycle() && !status.inactive);
    order.completed = before.completed.iter().map(|id| mapped(id)).filter(in_new_cycle).collect();
    order.completed.dedup();
    // The step that the order is in has not been completed in the new cycle, so going into it is no rework.
    order.completed.retain(|id| *id != target.id);
    order.interrupted = order.interrupted.take().and_then(|mut interrupted| {
        interrupted.status = mapped(&interrupted.status);
        (in_new_cycle(&interrupted.status) && !target.in_cycle()).then_some(interrupted)
    });
    order.cycle_status = Some(mapped(&before.cycle_status))
        .filter(in_new_cycle)
        .or_else(|| new.active_cycle().next().map(|status| status.id.clone()))
        .unwrap_or_default();
    assign(&mut order, target, None, None, cx)?;
    if before.closed_at.is_none() {
        check_delivery(&order, new, catalogue)?;
    }
    enter(&mut order, new, catalogue, step, before.visit.sequence + 1)?;
    if before.closed_at.is_some() {
        order.closed_at = before.closed_at;
        order.finish = before.finish;
    }
    order.touch(cx.now);
    let changes = vec![FieldChange { field: "order_type".into(), before: old.id.clone(), after: new.id.clone() }];
    let detail = HistoryDetail {
        closed: Some(closed.clone()),
        opened: Some(order.visit.clone()),
        reason: request.reason.clone(),
        changes: changes.clone(),
        ..HistoryDetail::default()
    };
    let entry = order.record(HistoryKind::TypeChanged, cx.now, cx.actor, &acted_for, detail);
    let mut effects = Effects {
        closed: Some(closed),
        opened: Some(order.visit.clone()),
        days_given_back,
        changes,
        ..Effects::default()
    };
    if order.overdue(cx.now) {
        effects.warnings.push(format!("'{}' is overdue on entry", target.name));
    }
    effects.warnings.extend(unmaintained::warning(&order, catalogue));
    Ok(Decision { visits: vec![order.visit.clone()], history: vec![entry], effects, ..Decision::of(order) })
}
