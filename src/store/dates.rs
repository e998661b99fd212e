//! Writes what a recomputation changes of orders, and nothing else: due dates, alarm, health, with history and change rows.
//!
//! The one writer of `write` sends whole orders, since any column may have changed. A recomputation changes a few of them, of very
//! many orders which its transaction has locked, so they travel as arrays, and neither the rest of the order nor the triggers and
//! keys of its other columns take part. A decision that changes
//! anything else goes through `write`.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StoreError, facts::Scheduling};
use crate::domain::order::{Decision, HistoryKind, Order};

/// The columns of many orders, one array each.
#[derive(Debug, Default)]
pub struct Dates {
    id: Vec<Uuid>,
    version: Vec<i64>,
    visit_sequence: Vec<i32>,
    due_on: Vec<Option<NaiveDate>>,
    due_at: Vec<Option<DateTime<Utc>>>,
    due_source: Vec<Option<&'static str>>,
    next_alarm_at: Vec<Option<DateTime<Utc>>>,
    lost_days: Vec<i32>,
    interrupted_due_on: Vec<Option<NaiveDate>>,
    interrupted_source: Vec<Option<&'static str>>,
    scheduling: Vec<Option<String>>,
    ahead_until: Vec<Option<DateTime<Utc>>>,
    late_from: Vec<Option<DateTime<Utc>>>,
    updated_at: Vec<DateTime<Utc>>,
    history_sequence: Vec<i32>,
    actor: Vec<Option<String>>,
    detail: Vec<Option<String>>,
    moved: i64,
}

impl Dates {
    /// Whether these are all that a decision changes.
    #[must_use]
    pub fn fit(before: &Order, decision: &Decision) -> bool {
        let dates_only = decision.visits.is_empty()
            && decision.notes.is_empty()
            && decision.alerts.is_empty()
            && decision.effects.tasks.is_empty()
            && decision.effects.messages.is_empty()
            && decision.effects.closed.is_none();
        let entry = match decision.history.as_slice() {
            [] => decision.changed.is_none(),
            [entry] => {
                entry.kind == HistoryKind::DueDateChanged
                    && (entry.sequence, entry.at) == (decision.order.history_sequence, decision.order.updated_at)
                    && decision.changed.as_ref() == Some(&decision.order.visit)
            }
            _ => false,
        };
        dates_only && entry && !decision.created && same_beside_dates(before, &decision.order)
    }

    /// Adds a decision that fits.
    ///
    /// # Errors
    /// When its history cannot be written as JSON, which never happens.
    pub fn add(&mut self, decision: &Decision) -> Result<(), StoreError> {
        let impossible = |_| StoreError::impossible("history", "detail", decision.order.id.to_string());
        let order = &decision.order;
        let interrupted = order.interrupted.as_ref().and_then(|interrupted| interrupted.due);
        let scheduling = Scheduling::of(order).as_ref().map(serde_json::to_string).transpose().map_err(impossible)?;
        let entry = decision.history.first();
        let detail = entry.map(|entry| serde_json::to_string(&entry.detail)).transpose().map_err(impossible)?;
        self.id.push(order.id);
        self.version.push(order.version);
        self.visit_sequence.push(order.visit.sequence);
        self.due_on.push(order.visit.due.map(|due| due.on));
        self.due_at.push(order.visit.due.map(|due| due.at));
        self.due_source.push(order.visit.due.map(|due| due.source.as_str()));
        self.next_alarm_at.push(order.next_alarm_at);
        self.lost_days.push(i32::try_from(order.lost_days).unwrap_or(i32::MAX));
        self.interrupted_due_on.push(interrupted.map(|due| due.on));
        self.interrupted_source.push(interrupted.map(|due| due.source.as_str()));
        self.scheduling.push(scheduling);
        self.ahead_until.push(order.health_turns.ahead_until);
        self.late_from.push(order.health_turns.late_from);
        self.updated_at.push(order.updated_at);
        self.history_sequence.push(order.history_sequence);
        self.moved += i64::from(detail.is_some());
        self.actor.push(entry.map(|entry| entry.actor.clone()));
        self.detail.push(detail);
        Ok(())
    }
}

/// Whether an order is another one in its dates alone.
fn same_beside_dates(before: &Order, after: &Order) -> bool {
    // A struct pattern, so that a new field has to be thought about here.
    let Order {
        id,
        number,
        order_type,
        title,
        customer_reference,
        vendor_reference,
        sales_order_line,
        product,
        quantity,
        ordered_on,
        delivery_on,
        schedule_method,
        priority,
        labels,
        assigned_department,
        assigned_user,
        visit,
        followers,
        acknowledged,
        next_alarm_at: _,
        closed_at,
        completed,
        interrupted,
        health_turns: _,
        cycle_status,
        holds,
        lost_days: _,
        last_note,
        open_questions,
        assessment,
        finish,
        history_sequence: _,
        import_fingerprint,
        imported_at,
        version,
        revision,
        created_at,
        updated_at: _,
    } = after;
    let status = |order: &Order| order.interrupted.as_ref().map(|interrupted| interrupted.status.clone());
    (id, number, order_type, title, customer_reference, vendor_reference, sales_order_line, product)
        == (
            &before.id,
            &before.number,
            &before.order_type,
            &before.title,
            &before.customer_reference,
            &before.vendor_reference,
            &before.sales_order_line,
            &before.product,
        )
        && (quantity, ordered_on, delivery_on, schedule_method, priority, labels, assigned_department, assigned_user)
            == (
                &before.quantity,
                &before.ordered_on,
                &before.delivery_on,
                &before.schedule_method,
                &before.priority,
                &before.labels,
                &before.assigned_department,
                &before.assigned_user,
            )
        && (closed_at, completed, cycle_status, holds, last_note, open_questions, assessment, finish)
            == (
                &before.closed_at,
                &before.completed,
                &before.cycle_status,
                &before.holds,
                &before.last_note,
                &before.open_questions,
                &before.assessment,
                &before.finish,
            )
        && (import_fingerprint, imported_at, revision, created_at, followers, acknowledged)
            == (
                &before.import_fingerprint,
                &before.imported_at,
                &before.revision,
                &before.created_at,
                &before.followers,
                &before.acknowledged,
            )
        && *version == before.version + 1
        && interrupted.as_ref().map(|interrupted| &interrupted.status) == status(before).as_ref()
        && crate::domain::order::Visit { due: before.visit.due, ..visit.clone() } == before.visit
}

/// Writes dates of orders that this transaction has locked.
///
/// # Errors
/// `FactsChanged` when an order is not as it was locked, which never happens; `Constraint` by name.
pub async fn write_dates(connection: &mut PgConnection, dates: &Dates) -> Result<(), StoreError> {
    if dates.id.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"WITH
        wanted AS MATERIALIZED (
            SELECT * FROM UNNEST (
                $1::uuid[], $2::bigint[], $3::integer[], $4::date[], $5::timestamptz[], $6::text[], $7::timestamptz[],
                $8::integer[], $9::date[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[],
                $14::timestamptz[], $15::integer[], $16::text[], $17::text[])
            AS t (
                id, version, visit_sequence, due_on, due_at, due_source, next_alarm_at,
                lost_days, interrupted_due_on, interrupted_source, scheduling, ahead_until, late_from,
                updated_at, history_sequence, actor, detail)),
        updated AS (
            UPDATE orders o SET
                due_on = w.due_on, due_at = w.due_at, due_source = w.due_source, next_alarm_at = w.next_alarm_at,
                lost_days = w.lost_days, interrupted_due_on = w.interrupted_due_on,
                interrupted_source = w.interrupted_source, scheduling = w.scheduling::jsonb, ahead_until = w.ahead_until,
                late_from = COALESCE(w.late_from, 'infinity'), history_sequence = w.history_sequence, version = w.version,
                updated_at = w.updated_at
            FROM wanted w
            WHERE o.id = w.id AND o.version = w.version - 1
            RETURNING o.id),
        moved AS (
            UPDATE visits v SET due_on = w.due_on, due_at = w.due_at, due_source = w.due_source
            FROM wanted w
            WHERE w.detail IS NOT NULL AND v.order_id = w.id AND v.sequence = w.visit_sequence AND v.left_at IS NULL
            RETURNING v.order_id),
        recorded AS (
            INSERT INTO history (order_id, sequence, at, kind, actor, acted_for, imported, detail)
            SELECT id, history_sequence, updated_at, 'DUE_DATE_CHANGED', actor, '', false, detail::json
            FROM wanted WHERE detail IS NOT NULL),
        fed AS (
            INSERT INTO changes (order_id, version, at) SELECT id, version, updated_at FROM wanted)
        SELECT
            require_guard((SELECT count(*) FROM updated), $18)
            AND require_guard((SELECT count(*) FROM moved), $19) AS "written!""#,
        &dates.id,
        &dates.version,
        &dates.visit_sequence,
        &dates.due_on as &[Option<NaiveDate>],
        &dates.due_at as &[Option<DateTime<Utc>>],
        &dates.due_source as &[Option<&str>],
        &dates.next_alarm_at as &[Option<DateTime<Utc>>],
        &dates.lost_days,
        &dates.interrupted_due_on as &[Option<NaiveDate>],
        &dates.interrupted_source as &[Option<&str>],
        &dates.scheduling as &[Option<String>],
        &dates.ahead_until as &[Option<DateTime<Utc>>],
        &dates.late_from as &[Option<DateTime<Utc>>],
        &dates.updated_at,
        &dates.history_sequence,
        &dates.actor as &[Option<String>],
        &dates.detail as &[Option<String>],
        i64::try_from(dates.id.len()).unwrap_or(i64::MAX),
        dates.moved
    )
    .fetch_one(connection)
    .await
    .map(|_| ())
    .map_err(|error| StoreError::new("write due dates", error))
}
