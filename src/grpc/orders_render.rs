//! Orders for answers.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    errors,
    parse::{render_date, render_instant, render_method, render_source},
    proto::v1,
};
use crate::{
    domain::{
        alerts::message::{Message, Way},
        catalogue::Catalogue,
        note::{Note, NoteKind},
        order::{Acknowledgement, DueCause, Effects, FieldChange, HistoryEntry, HistoryKind, Order, Visit},
        plan,
        projection::{self, Health},
        refusal::Refusal,
        schedule,
        status_times::StatusTime,
        task::Task,
        unmaintained,
    },
    ops::unit::Outcome,
};

/// An order as it stands at `now`.
#[must_use]
pub fn order(order: &Order, catalogue: &Catalogue, now: DateTime<Utc>) -> v1::Order {
    let days_late = catalogue.calendar_of_visit(order).map_or(0, |calendar| order.days_late(calendar, now));
    let order_type = catalogue.order_type(&order.order_type).ok();
    let projected = order_type.and_then(|order_type| projection::project(order, order_type, catalogue, now));
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
        visit: Some(current_visit(order, catalogue, now)),
        closed: order.closed_at.is_some(),
        close_time: order.closed_at.map(render_instant),
        overdue: order.overdue(now),
        days_late: i32::try_from(days_late).unwrap_or(i32::MAX),
        last_note: order.last_note.as_ref().map(|last| note(last, &order.open_questions)),
        imported: order.imported_at.is_some(),
        etag: order.etag(),
        create_time: Some(render_instant(order.created_at)),
        update_time: Some(render_instant(order.updated_at)),
        open_questions: i32::try_from(order.open_questions.len()).unwrap_or(i32::MAX),
        assessment: order.assessment.as_ref().map(|assessment| v1::Assessment {
            health: health(assessment.health).into(),
            author: assessment.author.clone(),
            time: Some(render_instant(assessment.at)),
            note: assessment.note.to_string(),
        }),
        projection: projected.map(|projected| v1::Projection {
            health: health(projected.health).into(),
            slack_business_days: projected.slack_days,
            finish_date: Some(render_date(projected.finish_on)),
            target_date: Some(render_date(projected.target_on)),
            r#final: order.closed_at.is_some(),
            earliest_delivery_date: (order.closed_at.is_none() && projected.health == Health::Late)
                .then(|| render_date(projected.finish_on)),
            business_days_short: projected.slack_days.saturating_neg().max(0),
            finish_beyond_holidays: projected.finish_unmaintained,
            target_beyond_holidays: projected.target_unmaintained,
        }),
        followers: order.followers.clone(),
        acknowledgement: order
            .acknowledged
            .as_ref()
            .filter(|it| it.visit == order.visit.sequence && it.until.is_none_or(|until| until > now))
            .map(acknowledgement),
        interrupted_status: order.interrupted.as_ref().map(|it| it.status.clone()).unwrap_or_default(),
        schedule_method: render_method(order.schedule_method).into(),
        effective_schedule_method: render_method(
            order_type.map(|order_type| plan::method_of(order, order_type, catalogue)),
        )
        .into(),
    }
}

fn health(health: Health) -> v1::Health {
    match health {
        Health::Ahead => v1::Health::Ahead,
        Health::OnTarget => v1::Health::OnTarget,
        Health::Late => v1::Health::Late,
    }
}

/// How long an order was in one status.
#[must_use]
pub fn status_time(time: &StatusTime) -> v1::StatusTime {
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    v1::StatusTime {
        status: time.status.clone(),
        status_name: time.status_name.clone(),
        visits: count(time.visits),
        rework_visits: count(time.rework_visits),
        skipped: count(time.skipped),
        total: Some(duration(time.total)),
        business_days: count(time.business_days),
        overdue_visits: count(time.overdue_visits),
        current: time.current,
    }
}

/// A span of time; it is never negative here.
#[must_use]
pub fn duration(span: TimeDelta) -> prost_types::Duration {
    prost_types::Duration { seconds: span.num_seconds(), nanos: span.subsec_nanos() }
}

/// The visit that an order is in: of a closed order, never overdue.
fn current_visit(order: &Order, catalogue: &Catalogue, now: DateTime<Utc>) -> v1::Visit {
    v1::Visit { overdue: order.overdue(now), ..visit_of(&order.visit, order, catalogue, now) }
}

/// A visit of an order as it stands at `now`: the one it is in is marked when its due date lies beyond the maintained holidays.
#[must_use]
pub fn visit_of(one: &Visit, order: &Order, catalogue: &Catalogue, now: DateTime<Utc>) -> v1::Visit {
    let current = one.sequence == order.visit.sequence && one.left_at.is_none();
    let beyond_holidays = current && unmaintained::of_due(order, catalogue).is_some();
    v1::Visit { beyond_holidays, ..visit(one, now) }
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
        beyond_holidays: false,
    }
}

/// A note; `open` names the questions of its order that nobody has answered.
#[must_use]
pub fn note(note: &Note, open: &[Uuid]) -> v1::Note {
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
        assessment: note.assessment.map_or(v1::Health::Unspecified, health).into(),
        open: open.contains(&note.id),
    }
}

/// What a change did to an order, which is given as it is then; `preview` leaves out ids that mean nothing.
#[must_use]
pub fn effects(
    effects: &Effects,
    order: &Order,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
    preview: bool,
) -> v1::Effects {
    v1::Effects {
        closed_visit: effects.closed.as_ref().map(|closed| visit(closed, now)),
        skipped_visits: effects.skipped.iter().map(|skipped| visit(skipped, now)).collect(),
        opened_visit: effects.opened.as_ref().map(|opened| visit_of(opened, order, catalogue, now)),
        messages: effects.messages.iter().map(|it| queued_message(it, preview)).collect(),
        days_given_back: i32::try_from(effects.days_given_back).unwrap_or(i32::MAX),
        warnings: effects.warnings.clone(),
        changes: effects.changes.iter().map(field_change).collect(),
        tasks: effects.tasks.iter().map(|it| made_task(it, preview)).collect(),
    }
}

/// A message that was queued, or would be.
#[must_use]
pub fn queued_message(message: &Message, preview: bool) -> v1::QueuedMessage {
    v1::QueuedMessage {
        delivery: if preview { String::new() } else { message.id.to_string() },
        user: message.recipient.user.clone().unwrap_or_default(),
        address: message.recipient.address.clone(),
        kind: message.topic.as_str().to_owned(),
        trigger: message.rule.clone(),
        digest_time: match message.way {
            Way::Now => None,
            Way::Gathered { until } => Some(render_instant(until)),
        },
    }
}

/// A task that a trigger made, or would make.
#[must_use]
pub fn made_task(task: &Task, preview: bool) -> v1::MadeTask {
    v1::MadeTask {
        task: if preview { String::new() } else { task.id.to_string() },
        title: task.title.clone(),
        user: task.user.clone().unwrap_or_default(),
        department: task.department.clone().unwrap_or_default(),
        due_date: task.due.map(|(on, _)| render_date(on)),
    }
}

fn field_change(change: &FieldChange) -> v1::FieldChange {
    v1::FieldChange { field: change.field.clone(), before: change.before.clone(), after: change.after.clone() }
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
                result.effects = Some(effects(did, done, catalogue, now, preview));
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
        HistoryKind::Updated => v1::HistoryKind::Updated,
        HistoryKind::TypeChanged => v1::HistoryKind::TypeChanged,
        HistoryKind::CycleEdited => v1::HistoryKind::CycleEdited,
        HistoryKind::Alerted => v1::HistoryKind::Alerted,
        HistoryKind::Acknowledged => v1::HistoryKind::Acknowledged,
        HistoryKind::Followed => v1::HistoryKind::Followed,
    };
    let detail = &entry.detail;
    let (interrupted_status, interrupted_status_name) = detail.interrupted.clone().unwrap_or_default();
    v1::HistoryEntry {
        sequence: entry.sequence,
        time: Some(render_instant(entry.at)),
        kind: kind.into(),
        actor: entry.actor.clone(),
        on_behalf_of: entry.acted_for.clone(),
        closed_visit: detail.closed.as_ref().map(|closed| visit(closed, entry.at)),
        opened_visit: detail.opened.as_ref().map(|opened| visit(opened, entry.at)),
        note: detail.note.as_ref().map(|it| note(it, &[])),
        messages: detail
            .messages
            .iter()
            .map(|(id, user, address, kind)| v1::QueuedMessage {
                delivery: id.to_string(),
                user: user.clone(),
                address: address.clone(),
                kind: kind.clone(),
                ..v1::QueuedMessage::default()
            })
            .collect(),
        reason: detail.reason.clone(),
        imported: entry.imported,
        assigned_department: detail.assigned_department.clone().unwrap_or_default(),
        assigned_user: detail.assigned_user.clone().unwrap_or_default(),
        due_cause: detail.due_cause.map_or(v1::DueCause::Unspecified, due_cause).into(),
        changes: detail.changes.iter().map(field_change).collect(),
        tasks: detail
            .tasks
            .iter()
            .map(|(id, title)| v1::MadeTask { task: id.to_string(), title: title.clone(), ..v1::MadeTask::default() })
            .collect(),
        trigger: detail.rule.clone(),
        interrupted_status,
        interrupted_status_name,
        acknowledgement: detail.acknowledged.as_ref().map(acknowledgement),
    }
}

fn acknowledgement(it: &Acknowledgement) -> v1::Acknowledgement {
    v1::Acknowledgement {
        visit: it.visit,
        time: Some(render_instant(it.at)),
        by: it.by.clone(),
        note: it.note.clone(),
        until_time: it.until.map(render_instant),
    }
}

/// Why a due date changed.
#[must_use]
pub fn due_cause(cause: DueCause) -> v1::DueCause {
    match cause {
        DueCause::Manual => v1::DueCause::Manual,
        DueCause::Cleared => v1::DueCause::Cleared,
        DueCause::OrderDate => v1::DueCause::OrderDate,
        DueCause::Cycle => v1::DueCause::Cycle,
        DueCause::DeliveryDate => v1::DueCause::DeliveryDate,
        DueCause::Method => v1::DueCause::Method,
        DueCause::Calendar => v1::DueCause::Calendar,
    }
}
