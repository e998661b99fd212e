//! Orders for answers.

use chrono::{DateTime, Utc};

use super::{
    errors,
    parse::{render_date, render_instant, render_source},
    proto::v1,
};
use crate::{
    domain::{
        alerts::message::Message,
        catalogue::Catalogue,
        note::{Note, NoteKind},
        order::{Effects, HistoryEntry, HistoryKind, Order, Visit},
        refusal::Refusal,
        schedule,
    },
    ops::write::Outcome,
};

/// An order as it stands at `now`.
#[must_use]
pub fn order(order: &Order, catalogue: &Catalogue, now: DateTime<Utc>) -> v1::Order {
    let order_type = catalogue.types.get(&order.order_type);
    let calendar = order_type.and_then(|order_type| catalogue.calendars.get(&order_type.calendar));
    let days_late = calendar.map_or(0, |entry| order.days_late(&entry.calendar, now));
    v1::Order {
        id: order.id.to_string(),
        number: order.number.clone(),
        order_type: order.order_type.clone(),
        title: order.title.clone(),
        customer_reference: order.customer_reference.clone(),
        vendor_reference: order.vendor_reference.clone(),
        sales_order_line: order.sales_order_line.clone(),
        product: order.product.clone(),
        quantity: order.quantity.clone(),
        order_date: Some(render_date(order.ordered_on)),
        delivery_date: order.delivery_on.map(render_date),
        priority: order.priority,
        labels: order.labels.clone(),
        assigned_department: order.assigned_department.clone().unwrap_or_default(),
        assigned_user: order.assigned_user.clone().unwrap_or_default(),
        visit: Some(current_visit(order, now)),
        closed: order.closed_at.is_some(),
        close_time: order.closed_at.map(render_instant),
        overdue: order.overdue(now),
        days_late: i32::try_from(days_late).unwrap_or(i32::MAX),
        last_note: order.last_note.as_ref().map(note),
        imported: order.imported_at.is_some(),
        etag: order.etag(),
        create_time: Some(render_instant(order.created_at)),
        update_time: Some(render_instant(order.updated_at)),
    }
}

/// The visit that an order is in: of a closed order, never overdue.
fn current_visit(order: &Order, now: DateTime<Utc>) -> v1::Visit {
    v1::Visit { overdue: order.overdue(now), ..visit(&order.visit, now) }
}

/// A visit as it stands at `now`.
#[must_use]
pub fn visit(visit: &Visit, now: DateTime<Utc>) -> v1::Visit {
    v1::Visit {
        sequence: visit.sequence,
        status: visit.status.clone(),
        status_name: visit.status_name.clone(),
        entered_date: Some(render_date(visit.entered_on)),
        enter_time: Some(render_instant(visit.entered_at)),
        due_date: visit.due.map(|due| render_date(due.on)),
        due_time: visit.due.map(|due| render_instant(due.at)),
        due_source: visit.due.map_or(v1::DueSource::Unspecified, |due| render_source(due.source)).into(),
        overdue: !visit.skipped && schedule::overdue(visit.left_at.unwrap_or(now), visit.due.map(|due| due.at)),
        leave_time: visit.left_at.map(render_instant),
        completed_date: visit.completed_on.map(render_date),
        completed: visit.completed,
        skipped: visit.skipped,
        rework: visit.rework,
        resumed: visit.resumed,
        entered_by: visit.entered_by.clone(),
        on_behalf_of: visit.entered_for.clone(),
    }
}

/// A note.
#[must_use]
pub fn note(note: &Note) -> v1::Note {
    let kind = match note.kind {
        NoteKind::Note => v1::NoteKind::Note,
        NoteKind::Question => v1::NoteKind::Question,
        NoteKind::Answer => v1::NoteKind::Answer,
        NoteKind::Decision => v1::NoteKind::Decision,
    };
    v1::Note {
        id: note.id.to_string(),
        author: note.author.clone(),
        time: Some(render_instant(note.at)),
        text: note.text.clone(),
        kind: kind.into(),
        answers: note.answers.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// What a change did; `preview` leaves out ids that mean nothing.
#[must_use]
pub fn effects(effects: &Effects, now: DateTime<Utc>, preview: bool) -> v1::Effects {
    let message = |message: &Message| v1::QueuedMessage {
        delivery: if preview { String::new() } else { message.id.to_string() },
        user: message.recipient.user.clone().unwrap_or_default(),
        address: message.recipient.address.clone(),
        kind: message.topic.as_str().to_owned(),
    };
    v1::Effects {
        closed_visit: effects.closed.as_ref().map(|closed| visit(closed, now)),
        skipped_visits: effects.skipped.iter().map(|skipped| visit(skipped, now)).collect(),
        opened_visit: effects.opened.as_ref().map(|opened| visit(opened, now)),
        messages: effects.messages.iter().map(message).collect(),
        days_given_back: i32::try_from(effects.days_given_back).unwrap_or(i32::MAX),
        warnings: effects.warnings.clone(),
    }
}

/// A refusal within a bulk answer.
#[must_use]
pub fn refusal(refusal: &Refusal) -> v1::Refusal {
    let (_, reason, metadata) = errors::sort(refusal);
    v1::Refusal {
        reason: errors::name(reason).to_owned(),
        message: refusal.to_string(),
        metadata: metadata.into_iter().collect(),
    }
}

/// The results of a bulk call: one per item; a repeated order stands once.
#[must_use]
pub fn results(outcomes: &[Outcome], catalogue: &Catalogue, now: DateTime<Utc>, preview: bool) -> Vec<v1::BulkResult> {
    let mut results = Vec::with_capacity(outcomes.len());
    for (index, outcome) in outcomes.iter().enumerate() {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        let mut result = v1::BulkResult { index, ..v1::BulkResult::default() };
        match outcome {
            Outcome::Done { order: done, effects: did } => {
                result.order = Some(order(done, catalogue, now));
                result.effects = Some(effects(did, now, preview));
            }
            Outcome::Refused(refused) => result.refusal = Some(refusal(refused)),
            Outcome::Repeated | Outcome::Unchanged => continue,
        }
        results.push(result);
    }
    results
}

/// A history entry. Visits stand as they were then: whether they are overdue is judged at the time of the entry.
#[must_use]
pub fn entry(entry: &HistoryEntry) -> v1::HistoryEntry {
    let kind = match entry.kind {
        HistoryKind::Created => v1::HistoryKind::Created,
        HistoryKind::Advanced => v1::HistoryKind::Advanced,
        HistoryKind::Noted => v1::HistoryKind::Noted,
        HistoryKind::Overdue => v1::HistoryKind::Overdue,
        HistoryKind::DueDateChanged => v1::HistoryKind::DueDateChanged,
    };
    let detail = &entry.detail;
    v1::HistoryEntry {
        sequence: entry.sequence,
        time: Some(render_instant(entry.at)),
        kind: kind.into(),
        actor: entry.actor.clone(),
        on_behalf_of: entry.acted_for.clone(),
        closed_visit: detail.closed.as_ref().map(|closed| visit(closed, entry.at)),
        opened_visit: detail.opened.as_ref().map(|opened| visit(opened, entry.at)),
        note: detail.note.as_ref().map(note),
        messages: detail
            .messages
            .iter()
            .map(|(id, user, address, kind)| v1::QueuedMessage {
                delivery: id.to_string(),
                user: user.clone(),
                address: address.clone(),
                kind: kind.clone(),
            })
            .collect(),
        reason: detail.reason.clone(),
        imported: entry.imported,
        assigned_department: detail.assigned_department.clone().unwrap_or_default(),
        assigned_user: detail.assigned_user.clone().unwrap_or_default(),
    }
}
