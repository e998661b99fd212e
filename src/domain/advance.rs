//! Advance: moves an order into another status.

use std::borrow::Cow;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    alerts::{
        message::{Message, MessageFacts, Topic},
        recipients,
    },
    catalogue::{OrderType, Status, StatusClock},
    note::{self, NOTE_MAX, Note, NoteKind, Notify},
    order::{Context, Decision, Effects, HistoryDetail, HistoryKind, Interrupted, Order},
    refusal::{Kind, Refusal},
    schedule,
    step::{Step, step},
    unmaintained,
    violation::Violations,
};

/// A move, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    /// Id of the status; default: the next, or the interrupted one.
    pub target: Option<String>,
    /// Day on which the current status was completed; default today.
    pub completed_on: Option<NaiveDate>,
    /// Leave the current status uncompleted.
    pub not_complete: bool,
    /// Due date of the new visit.
    pub due_on: Option<NaiveDate>,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// Who gets it.
    pub assign_department: Option<String>,
    /// Who gets it.
    pub assign_user: Option<String>,
    /// Kept in history.
    pub reason: String,
    /// Goes with the move.
    pub note: String,
    /// Whom to tell.
    pub notify: Notify,
    /// Take up a closed order.
    pub reopen: bool,
}

impl Advance {
    /// Finds all wrong fields.
    pub fn check(&self, violations: &mut Violations) {
        for (field, id) in [
            ("target_status", self.target.as_deref()),
            ("on_behalf_of", Some(self.on_behalf_of.as_str())),
            ("assign_department", self.assign_department.as_deref()),
            ("assign_user", self.assign_user.as_deref()),
        ] {
            violations.id(field, id.unwrap_or_default());
        }
        violations.line("reason", &self.reason, 0, 500);
        violations.text("note", &self.note, 0, NOTE_MAX);
        self.notify.check("notify", violations);
    }
}

/// Compares the etag that a caller saw with the order.
///
/// # Errors
/// `EtagMismatch`.
pub fn check_etag(order: &Order, etag: Option<&str>) -> Result<(), Refusal> {
    match etag {
        Some(etag) if etag != order.etag() => {
            Err(Refusal::EtagMismatch { kind: Kind::Order, current_etag: order.etag() })
        }
        _ => Ok(()),
    }
}

/// The user on whose behalf a call is made; empty when none is named.
///
/// # Errors
/// `NotFound`, `Inactive`.
pub fn on_behalf_of(user: &str, cx: &Context<'_>) -> Result<String, Refusal> {
    if user.is_empty() {
        return Ok(String::new());
    }
    Ok(cx.catalogue.active_user(user)?.id.clone())
}

/// Decides a move.
///
/// # Errors
/// In this order: `EtagMismatch`, `OrderClosed`, `NotClosed`, `NoNextStatus`, `NotFound` (the target), `SameStatus`, `Inactive`
/// (the target), `NotFound` and `Inactive` (on whose behalf), `MoveNotAllowed`, `CompletedDateOutOfRange`, `NotFound` and
/// `Inactive` (who gets it), `BeyondHorizon`, `NotFound` and `Inactive` (who is told).
pub fn advance(
    before: &Order,
    request: &Advance,
    etag: Option<&str>,
    cx: &mut Context<'_>,
) -> Result<Decision, Refusal> {
    check_etag(before, etag)?;
    let order_type = cx.catalogue.order_type(&before.order_type)?;
    let calendar = cx.catalogue.calendar_of(order_type)?;
    match (before.closed_at.is_some(), request.reopen) {
        (true, false) => return Err(Refusal::OrderClosed { status: before.visit.status.clone() }),
        (false, true) => return Err(Refusal::NotClosed { status: before.visit.status.clone() }),
        _ => {}
    }
    let before = &*found_again(before, order_type);
    let target = target(before, order_type, request.target.as_deref())?;
    let acted_for = on_behalf_of(&request.on_behalf_of, cx)?;
    check_allowed(before, order_type, target, &acted_for, cx)?;
    let today = schedule::local_date(calendar, cx.now);
    let completed_on = request.completed_on.unwrap_or(today.max(before.visit.entered_on));
    if completed_on < before.visit.entered_on || completed_on > today.max(before.visit.entered_on) {
        return Err(Refusal::CompletedDateOutOfRange {
            given: completed_on,
            first: before.visit.entered_on,
            last: today.max(before.visit.entered_on),
        });
    }
    let mut order = before.clone();
    if before.closed_at.is_some() && !order.holds.is_empty() {
        // Closed orders are not planned anew, so the calendar may have changed since.
        order.lost_days = schedule::lost_days(calendar, &order.holds);
    }
    assign(&mut order, target, request.assign_department.as_deref(), request.assign_user.as_deref(), cx)?;
    let stepped = step(
        &mut order,
        order_type,
        cx.catalogue,
        Step {
            target,
            at: cx.now.max(before.visit.entered_at),
            on: completed_on,
            not_complete: request.not_complete,
            due_on: request.due_on,
            record_skips: true,
            actor: cx.actor,
            acted_for: &acted_for,
        },
    )?;
    let mut warnings = warnings(before, &order, target, request, calendar);
    warnings.extend(unmaintained::warning(&order, cx.catalogue));
    order.touch(cx.now);
    let author = if acted_for.is_empty() { cx.actor.to_owned() } else { acted_for.clone() };
    let note = (!request.note.is_empty()).then(|| Note {
        id: note::next_id(before, cx),
        author: author.clone(),
        at: cx.now,
        text: request.note.clone(),
        kind: NoteKind::Note,
        answers: None,
        assessment: None,
    });
    if let Some(note) = &note {
        order.last_note = Some(note.cut());
    }
    let messages = recipients::notified(&order, &request.notify, Topic::Advance, cx, |facts| MessageFacts::Advanced {
        order: facts,
        from_status: before.visit.status_name.clone(),
        by: author.clone(),
        note: note.as_ref().map(Into::into),
    })?;
    let entry = order.record(
        HistoryKind::Advanced,
        cx.now,
        cx.actor,
        &acted_for,
        HistoryDetail {
            closed: stepped.closed.clone(),
            opened: Some(order.visit.clone()),
            note: note.clone(),
            messages: messages.iter().map(Message::summary).collect(),
            reason: request.reason.clone(),
            ..HistoryDetail::default()
        },
    );
    let mut visits = stepped.skipped.clone();
    visits.push(order.visit.clone());
    Ok(Decision {
        effects: Effects {
            closed: stepped.closed,
            skipped: stepped.skipped,
            opened: Some(order.visit.clone()),
            messages,
            days_given_back: stepped.days_given_back,
            warnings,
            note: note.clone(),
            changes: Vec::new(),
            tasks: Vec::new(),
        },
        visits,
        notes: note.into_iter().collect(),
        history: vec![entry],
        ..Decision::of(order)
    })
}

/// Whether the type's list of moves lets this caller make the move. Who acts on nobody's behalf is a service: it may make every
/// move that is listed.
fn check_allowed(
    order: &Order,
    order_type: &OrderType,
    target: &Status,
    acted_for: &str,
    cx: &Context<'_>,
) -> Result<(), Refusal> {
    let from = order.visit.status.as_str();
    let roles = cx.catalogue.users.get(acted_for).map(|user| user.roles.as_slice());
    if order_type.allows(from, &target.id, roles) {
        return Ok(());
    }
    Err(Refusal::MoveNotAllowed {
        from: from.to_owned(),
        to: target.id.clone(),
        allowed: order_type.targets(from, roles).into_iter().map(|status| status.id.clone()).collect(),
        roles: order_type.roles_for(from, &target.id),
    })
}

/// A closed order as its type is today: edits of a cycle leave closed orders alone, so where it was in the cycle, and what it
/// would come back to, may be gone. It follows what took their place; what went without is forgotten.
fn found_again<'a>(order: &'a Order, order_type: &OrderType) -> Cow<'a, Order> {
    let gone = |id: &str| order_type.status(id).is_none();
    let waits = order.interrupted.as_ref().map_or("", |interrupted| &interrupted.status);
    if order.closed_at.is_none() || !(gone(&order.cycle_status) || (!waits.is_empty() && gone(waits))) {
        return Cow::Borrowed(order);
    }
    let mut order = order.clone();
    let successor = |id: &str| order_type.successor_of(id).map(|status| status.id.clone());
    if let Some(id) = successor(&order.cycle_status) {
        order.cycle_status = id;
    }
    order.interrupted = order.interrupted.take().and_then(|interrupted| {
        let status = successor(&interrupted.status)?;
        Some(Interrupted { status, ..interrupted })
    });
    Cow::Owned(order)
}

/// Where the move goes.
fn target<'a>(order: &Order, order_type: &'a OrderType, named: Option<&str>) -> Result<&'a Status, Refusal> {
    let current = order.visit.status.as_str();
    let target = match named {
        Some(id) => order_type.status(id).ok_or_else(|| Refusal::NotFound { kind: Kind::Status, id: id.into() })?,
        None => default_target(order, order_type)
            .ok_or_else(|| Refusal::NoNextStatus { status: order.visit.status.clone() })?,
    };
    if target.id == current {
        return Err(Refusal::SameStatus { status: target.id.clone() });
    }
    if target.inactive {
        return Err(Refusal::Inactive { kind: Kind::Status, id: target.id.clone() });
    }
    Ok(target)
}

/// Beside the cycle: back to what was interrupted, else on from the last status of the cycle. In the cycle: the next.
fn default_target<'a>(order: &Order, order_type: &'a OrderType) -> Option<&'a Status> {
    let current = order_type.status(&order.visit.status)?;
    if current.in_cycle() {
        return order_type.next(&current.id);
    }
    match &order.interrupted {
        // What was interrupted before the order went on to another status of the cycle is not what it waits for.
        Some(interrupted) if interrupted.status == order.cycle_status => order_type.status(&interrupted.status),
        _ => order_type.next(&order.cycle_status),
    }
}

/// Gives the order to whom the request names, else to whom the status names, else to nobody new.
///
/// # Errors
/// `NotFound`, `Inactive` for whom the request names.
pub fn assign(
    order: &mut Order,
    status: &Status,
    department: Option<&str>,
    user: Option<&str>,
    cx: &Context<'_>,
) -> Result<(), Refusal> {
    if let Some(id) = department {
        order.assigned_department = Some(cx.catalogue.active_department(id)?.id.clone());
    } else if let Some(id) = &status.default_department
        && cx.catalogue.active_department(id).is_ok()
    {
        order.assigned_department = Some(id.clone());
    }
    if let Some(id) = user {
        order.assigned_user = Some(cx.catalogue.active_user(id)?.id.clone());
    } else if let Some(id) = &status.default_user
        && cx.catalogue.active_user(id).is_ok()
    {
        order.assigned_user = Some(id.clone());
    }
    Ok(())
}

fn warnings(
    before: &Order,
    after: &Order,
    target: &Status,
    request: &Advance,
    calendar: &schedule::Calendar,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(on) = request.due_on
        && !schedule::is_open(calendar, on)
    {
        warnings.push(format!("the due date {on} is a closed day"));
    }
    if after.overdue(after.visit.entered_at) {
        warnings.push(format!("'{}' is overdue on entry", target.name));
    }
    if target.clock == StatusClock::Pauses && !request.not_complete && before.visit.status == before.cycle_status {
        warnings.push(format!(
            "'{}' was recorded as completed; set not_complete to come back to it after the hold",
            before.visit.status_name
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{
        catalogue::StatusKind,
        create::{NewOrder, blank},
    };

    fn status(id: &str, kind: StatusKind) -> Status {
        Status {
            id: id.into(),
            name: id.into(),
            definition: String::new(),
            colour: "#000000".into(),
            icon: String::new(),
            stage: String::new(),
            default_department: None,
            default_user: None,
            duration_days: None,
            duration_minutes: None,
            kind,
            clock: if kind == StatusKind::NonStandard { StatusClock::Pauses } else { StatusClock::Runs },
            inactive: false,
        }
    }

    #[test]
    fn a_hold_goes_back_only_to_the_status_that_it_interrupted() {
        let order_type = OrderType {
            id: "part".into(),
            name: "Part".into(),
            description: String::new(),
            calendar: "plant".into(),
            schedule_method: None,
            default_status: None,
            inactive: false,
            statuses: vec![
                status("new", StatusKind::Initial),
                status("mill", StatusKind::Standard),
                status("turn", StatusKind::Standard),
                status("done", StatusKind::Final),
                status("hold", StatusKind::NonStandard),
            ],
            moves: Vec::new(),
            health_tolerance: 0,
            retired: Vec::new(),
            replaced: std::collections::BTreeMap::new(),
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let day = DateTime::UNIX_EPOCH.date_naive();
        let mut order = blank(&NewOrder::default(), uuid::Uuid::nil(), day, DateTime::UNIX_EPOCH, &order_type);
        order.visit.status = "hold".into();
        // where the order was last, what was left not complete, where it goes on
        for (last, interrupted, expected) in [
            ("mill", Some("mill"), "mill"),
            ("mill", None, "turn"),
            ("turn", Some("mill"), "done"), // went on from the first hold to turning, which it completed before this one
        ] {
            order.cycle_status = last.into();
            order.interrupted =
                interrupted.map(|id| Interrupted { status: id.into(), due: None, entered: None, rework: false });
            let target = default_target(&order, &order_type).map(|status| status.id.as_str());
            assert_eq!(target, Some(expected), "{last} {interrupted:?}");
        }
    }
}
