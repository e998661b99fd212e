//! What an edit does to each live order it touches.

use std::collections::BTreeMap;

use super::CycleEffect;
use crate::domain::{
    advance::assign,
    order::{Context, Decision, Effects, FieldChange, HistoryDetail, HistoryKind, Order, Visit},
    refusal::{Kind, Refusal},
    replan::{record_interrupted, replan, replan_interrupted},
    schedule,
    step::{Step, close, enter, leave},
};

/// Orders that one edit touches, at most.
pub const EDITED_ORDERS_MAX: usize = 50_000;

/// Which live orders an edit touches, and how.
#[derive(Debug, Clone)]
pub enum OnOrders {
    /// None.
    Nothing,
    /// Those in statuses that go or change, and open ones that are planned anew.
    Cycle(Box<CycleEffect>),
    /// Open orders of a user go to another one.
    Reassign {
        /// Id of the user who has them.
        from: String,
        /// Id of the user who gets them.
        to: String,
    },
}

/// Decides every order that was found; `None` for one that stays as it is. The context has the catalogue after the edit.
///
/// # Errors
/// `InUse` when an order is in a status that goes without a replacement, or cannot change under it; `BeyondHorizon`.
pub fn decide(orders: &[Order], edit: &OnOrders, cx: &mut Context<'_>) -> Result<Vec<Option<Decision>>, Refusal> {
    match edit {
        OnOrders::Nothing => Ok(Vec::new()),
        OnOrders::Reassign { from, to } => Ok(orders.iter().map(|order| reassign(order, from, to, cx)).collect()),
        OnOrders::Cycle(effect) => {
            refuse_blocked(orders, effect)?;
            orders.iter().map(|order| edit_cycle(order, effect, cx).map_err(|refusal| of(order, refusal))).collect()
        }
    }
}

/// Of many orders, says which one cannot follow.
fn of(order: &Order, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::BeyondHorizon(text) => Refusal::BeyondHorizon(format!("order '{}': {text}", order.number)),
        other => other,
    }
}

/// Refuses for the first status, by id, that orders keep; counts them.
fn refuse_blocked(orders: &[Order], effect: &CycleEffect) -> Result<(), Refusal> {
    let mut blocking: BTreeMap<&str, i64> = BTreeMap::new();
    for order in orders {
        let closed = order.closed_at.is_some();
        let waits_for = [Some(order.cycle_status.as_str()), order.interrupted.as_ref().map(|it| it.status.as_str())];
        let waits_for = waits_for.into_iter().flatten().filter(|_| !closed);
        let mut named = std::iter::once(order.visit.status.as_str()).chain(waits_for);
        if let Some(status) = named.find(|status| effect.blocked_by(status, closed)) {
            *blocking.entry(status).or_default() += 1;
        }
    }
    match blocking.into_iter().next() {
        Some((id, count)) => Err(Refusal::InUse { kind: Kind::Status, id: id.to_owned(), count }),
        None => Ok(()),
    }
}

fn reassign(before: &Order, from: &str, to: &str, cx: &mut Context<'_>) -> Option<Decision> {
    if before.assigned_user.as_deref() != Some(from) {
        return None;
    }
    let mut order = before.clone();
    order.assigned_user = Some(to.to_owned());
    order.touch(cx.now);
    let change = FieldChange { field: "assigned_user".into(), before: from.to_owned(), after: to.to_owned() };
    let reason = format!("'{from}' is inactive");
    let detail = HistoryDetail { changes: vec![change], reason, ..HistoryDetail::default() };
    let entry = order.record(HistoryKind::Updated, cx.now, cx.actor, "", detail);
    Some(Decision { history: vec![entry], ..Decision::of(order) })
}

fn edit_cycle(before: &Order, effect: &CycleEffect, cx: &mut Context<'_>) -> Result<Option<Decision>, Refusal> {
    let mut order = before.clone();
    let closed = move_or_close(&mut order, before, effect, cx)?;
    if effect.replan && closed.is_none() && order.closed_at.is_none() {
        replan(&mut order, &effect.after, cx.catalogue)?;
    }
    let due_moved = closed.is_none() && order.visit.due != before.visit.due;
    let edited = closed.is_some() || order.closed_at != before.closed_at || waits_for(&order) != waits_for(before);
    if !edited && !due_moved && order.interrupted == before.interrupted {
        return Ok(None);
    }
    order.touch(cx.now);
    let mut history = Vec::new();
    let cause = super::types::changed(&effect.before, &effect.after).0;
    if edited {
        let detail = HistoryDetail {
            closed: closed.clone(),
            opened: Some(order.visit.clone()),
            reason: reason(before, effect),
            ..HistoryDetail::default()
        };
        history.push(order.record(HistoryKind::CycleEdited, cx.now, cx.actor, "", detail));
    }
    if due_moved {
        let detail = HistoryDetail {
            closed: Some(before.visit.clone()),
            opened: Some(order.visit.clone()),
            due_cause: Some(cause),
            ..HistoryDetail::default()
        };
        history.push(order.record(HistoryKind::DueDateChanged, cx.now, cx.actor, "", detail));
    }
    if effect.replan && closed.is_none() && order.closed_at.is_none() {
        history.extend(record_interrupted(&mut order, before, &effect.after, (cause, ""), (cx, "")));
    }
    let visits = closed.iter().map(|_| order.visit.clone()).collect();
    let changed = due_moved.then(|| order.visit.clone());
    let effects = Effects { closed, ..Effects::default() };
    Ok(Some(Decision { effects, visits, history, changed, ..Decision::of(order) }))
}

/// Where an order goes on from beside the cycle.
pub(super) fn waits_for(order: &Order) -> (&str, Option<&str>) {
    (&order.cycle_status, order.interrupted.as_ref().map(|interrupted| interrupted.status.as_str()))
}

/// Moves an order out of a status that goes, or closes one whose status closes orders from now on. The visit that was left.
fn move_or_close(
    order: &mut Order,
    before: &Order,
    effect: &CycleEffect,
    cx: &mut Context<'_>,
) -> Result<Option<Visit>, Refusal> {
    let catalogue = cx.catalogue;
    let after = &effect.after;
    let to = effect.replaced(&before.visit.status);
    let missing = || Refusal::NotFound { kind: Kind::Status, id: to.to_owned() };
    let target = after.status(to).ok_or_else(missing)?;
    let today = schedule::local_date(catalogue.calendar_of(after)?, cx.now).max(before.visit.entered_on);
    if to == before.visit.status {
        redirect(order, effect, cx)?;
        // Where it waits to come back to is where it is.
        let current = &before.visit.status;
        order.interrupted.take_if(|interrupted| interrupted.status == *current && before.closed_at.is_none());
        if before.closed_at.is_none() && target.closes() {
            close(order, after, catalogue, cx.now, today);
        }
        return Ok(None);
    }
    let step = Step {
        target,
        at: cx.now.max(before.visit.entered_at),
        on: today,
        not_complete: true,
        due_on: None,
        record_skips: false,
        actor: cx.actor,
        acted_for: "",
    };
    // What was interrupted moves by the days of a hold that ends here, by the cycle in which it was interrupted.
    let (closed, _) = leave(order, &effect.before, catalogue, step)?;
    redirect(order, effect, cx)?;
    if before.closed_at.is_none() {
        assign(order, target, None, None, cx)?;
    }
    enter(order, after, catalogue, step, before.visit.sequence + 1)?;
    if before.closed_at.is_some() {
        order.closed_at = before.closed_at;
        order.finish = before.finish;
    }
    Ok(Some(closed))
}

/// Sends an open order on to what replaces the statuses that it waits for, and plans anew what it comes back to.
fn redirect(order: &mut Order, effect: &CycleEffect, cx: &Context<'_>) -> Result<(), Refusal> {
    if order.closed_at.is_some() {
        return Ok(());
    }
    order.cycle_status = effect.replaced(&order.cycle_status).to_owned();
    if let Some(interrupted) = &mut order.interrupted {
        interrupted.status = effect.replaced(&interrupted.status).to_owned();
    }
    if effect.replan { replan_interrupted(order, &effect.after, cx.catalogue) } else { Ok(()) }
}

/// What the edit did, in words that stand in history.
fn reason(before: &Order, effect: &CycleEffect) -> String {
    let name = |id: &str| effect.before.status(id).map_or(id, |status| &status.name).to_owned();
    let gone = |id: &str| effect.after.status(id).is_none();
    let waits = before.interrupted.as_ref().map_or(&before.cycle_status, |interrupted| &interrupted.status);
    if gone(&before.visit.status) {
        format!("the status '{}' was removed", name(&before.visit.status))
    } else if gone(waits) {
        format!("the status '{}' was removed, to which it was to come back", name(waits))
    } else {
        format!("'{}' closes orders from now on", name(&before.visit.status))
    }
}
