//! The one write: everything that a batch of decisions changes, in one statement that happens whole or not at all.
//!
//! The statement locks the orders in the order of their ids, checks that each still has the version it was read with and that
//! the catalogue has the version it was decided with, and raises `AN001` otherwise. It is its own transaction, so a decision
//! costs two round trips: read, write. Rows travel as one JSON parameter per table.
//!
//! It first shares the lock of the catalogue, which an edit has for itself from its beginning to its end. So a write either is
//! done before an edit begins, and the edit sees it; or it waits, finds another version and is decided again. No order enters a
//! status that an edit is removing.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Store, StoreError, facts::Scheduling};
use crate::domain::{
    alerts::message::{Message, MessageFacts, Way},
    note::{Assessment, Note},
    order::{Acknowledgement, Decision, HistoryDetail, Order, Visit},
    projection::Projection,
    task::Task,
};

/// A stored answer.
#[derive(Debug, Serialize)]
struct RequestOut {
    id: String,
    fingerprint: String,
    outcome: String,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct OrderOut<'a> {
    id: Uuid,
    read_version: i64,
    number: &'a str,
    order_type: &'a str,
    title: &'a str,
    customer_reference: &'a str,
    vendor_reference: &'a str,
    sales_order_line: &'a str,
    product: &'a str,
    quantity: Option<&'a str>,
    ordered_on: NaiveDate,
    delivery_on: Option<NaiveDate>,
    priority: i32,
    labels: &'a BTreeMap<String, String>,
    assigned_department: Option<&'a str>,
    assigned_user: Option<&'a str>,
    status: &'a str,
    visit_sequence: i32,
    entered_at: DateTime<Utc>,
    entered_on: NaiveDate,
    due_on: Option<NaiveDate>,
    due_at: Option<DateTime<Utc>>,
    due_source: Option<&'static str>,
    rework: bool,
    resumed: bool,
    entered_by: &'a str,
    entered_for: &'a str,
    status_name: &'a str,
    next_alarm_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    completed: &'a [String],
    interrupted_status: Option<&'a str>,
    interrupted_due_on: Option<NaiveDate>,
    interrupted_source: Option<&'static str>,
    scheduling: Option<Scheduling>,
    ahead_until: Option<DateTime<Utc>>,
    late_from: Option<DateTime<Utc>>,
    cycle_status: &'a str,
    holds: &'a [(DateTime<Utc>, DateTime<Utc>)],
    lost_days: u32,
    last_note: Option<&'a Note>,
    open_questions: &'a [Uuid],
    assessment: Option<&'a Assessment>,
    finish: Option<&'a Projection>,
    followers: &'a [String],
    acknowledged: Option<&'a Acknowledgement>,
    history_sequence: i32,
    import_fingerprint: Option<String>,
    imported_at: Option<DateTime<Utc>>,
    version: i64,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the columns of a row")]
struct VisitOut<'a> {
    order_id: Uuid,
    sequence: i32,
    status: &'a str,
    status_name: &'a str,
    entered_at: DateTime<Utc>,
    entered_on: NaiveDate,
    due_on: Option<NaiveDate>,
    due_at: Option<DateTime<Utc>>,
    due_source: Option<&'static str>,
    rework: bool,
    resumed: bool,
    skipped: bool,
    entered_by: &'a str,
    entered_for: &'a str,
    left_at: Option<DateTime<Utc>>,
    completed_on: Option<NaiveDate>,
    completed: bool,
}

#[derive(Debug, Serialize)]
struct NoteOut<'a> {
    order_id: Uuid,
    #[serde(flatten)]
    note: &'a Note,
}

#[derive(Debug, Serialize)]
struct HistoryOut<'a> {
    order_id: Uuid,
    sequence: i32,
    at: DateTime<Utc>,
    kind: &'static str,
    actor: &'a str,
    acted_for: &'a str,
    imported: bool,
    detail: &'a HistoryDetail,
}

#[derive(Debug, Serialize)]
struct AlertOut<'a> {
    order_id: Uuid,
    visit_sequence: i32,
    rule: &'a str,
    due_at: DateTime<Utc>,
    fired_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct MessageOut<'a> {
    id: Uuid,
    dedup_key: &'a str,
    kind: &'static str,
    user_id: Option<&'a str>,
    recipient_name: &'a str,
    address: &'a str,
    order_id: Option<Uuid>,
    order_number: &'a str,
    visit_sequence: i32,
    due_at: Option<DateTime<Utc>>,
    facts: &'a MessageFacts,
    created_at: DateTime<Utc>,
    channel: &'static str,
    rule: &'a str,
    state: &'static str,
    next_attempt_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct TaskOut<'a> {
    id: Uuid,
    title: &'a str,
    description: &'a str,
    order_id: Option<Uuid>,
    order_number: &'a str,
    assigned_user: Option<&'a str>,
    assigned_department: Option<&'a str>,
    due_on: Option<NaiveDate>,
    due_at: Option<DateTime<Utc>>,
    made_by: &'a str,
    rule: &'a str,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct CauseOut<'a> {
    cause: &'a str,
    rule: &'a str,
    acted_at: DateTime<Utc>,
}

/// Rows for every table, gathered from decisions.
#[derive(Debug, Default)]
pub struct Writes<'a> {
    created: Vec<OrderOut<'a>>,
    updated: Vec<OrderOut<'a>>,
    closed: Vec<VisitOut<'a>>,
    visits: Vec<VisitOut<'a>>,
    notes: Vec<NoteOut<'a>>,
    history: Vec<HistoryOut<'a>>,
    alerts: Vec<AlertOut<'a>>,
    messages: Vec<MessageOut<'a>>,
    tasks: Vec<TaskOut<'a>>,
    requests: Vec<RequestOut>,
    causes: Vec<CauseOut<'a>>,
}

impl<'a> Writes<'a> {
    /// Adds what a decision changes. `now` is the instant of the decision.
    pub fn add(&mut self, decision: &'a Decision, now: DateTime<Utc>) {
        let order = &decision.order;
        if decision.created {
            self.created.push(order_out(order));
        } else {
            self.updated.push(order_out(order));
            let changed = decision.effects.closed.iter().chain(&decision.changed);
            self.closed.extend(changed.map(|visit| visit_out(order.id, visit)));
        }
        self.visits.extend(decision.visits.iter().map(|visit| visit_out(order.id, visit)));
        self.notes.extend(decision.notes.iter().map(|note| NoteOut { order_id: order.id, note }));
        self.history.extend(decision.history.iter().map(|entry| HistoryOut {
            order_id: order.id,
            sequence: entry.sequence,
            at: entry.at,
            kind: entry.kind.as_str(),
            actor: &entry.actor,
            acted_for: &entry.acted_for,
            imported: entry.imported,
            detail: &entry.detail,
        }));
        self.alerts.extend(decision.alerts.iter().map(|alert| AlertOut {
            order_id: order.id,
            visit_sequence: alert.visit,
            rule: &alert.rule,
            due_at: alert.at,
            fired_at: now,
        }));
        self.messages(&decision.effects.messages, now);
        self.tasks.extend(decision.effects.tasks.iter().map(task_out));
    }

    /// Adds messages.
    pub fn messages(&mut self, messages: &'a [Message], now: DateTime<Utc>) {
        self.messages.extend(messages.iter().map(|message| message_out(message, now)));
    }

    /// Adds a new task.
    pub fn task(&mut self, task: &'a Task) {
        self.tasks.push(task_out(task));
    }

    /// Adds a stored answer.
    pub fn answer(&mut self, id: &str, fingerprint: &[u8], outcome: &[u8], now: DateTime<Utc>) {
        self.requests.push(RequestOut {
            id: id.to_owned(),
            fingerprint: hex(fingerprint),
            outcome: hex(outcome),
            created_at: now,
        });
    }

    /// Adds that a trigger acted for a cause: it does not act again for it.
    pub fn acted(&mut self, cause: &'a str, rule: &'a str, now: DateTime<Utc>) {
        self.causes.push(CauseOut { cause, rule, acted_at: now });
    }

    /// Whether nothing would be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.updated.is_empty() && self.requests.is_empty()
    }
}

/// As PostgreSQL reads bytes from text.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn order_out(order: &Order) -> OrderOut<'_> {
    let visit = &order.visit;
    let interrupted_due = order.interrupted.as_ref().and_then(|interrupted| interrupted.due);
    OrderOut {
        id: order.id,
        read_version: order.version - 1,
        number: &order.number,
        order_type: &order.order_type,
        title: &order.title,
        customer_reference: &order.customer_reference,
        vendor_reference: &order.vendor_reference,
        sales_order_line: &order.sales_order_line,
        product: &order.product,
        quantity: (!order.quantity.is_empty()).then_some(order.quantity.as_str()),
        ordered_on: order.ordered_on,
        delivery_on: order.delivery_on,
        priority: order.priority,
        labels: &order.labels,
        assigned_department: order.assigned_department.as_deref(),
        assigned_user: order.assigned_user.as_deref(),
        status: &visit.status,
        visit_sequence: visit.sequence,
        entered_at: visit.entered_at,
        entered_on: visit.entered_on,
        due_on: visit.due.map(|due| due.on),
        due_at: visit.due.map(|due| due.at),
        due_source: visit.due.map(|due| due.source.as_str()),
        rework: visit.rework,
        resumed: visit.resumed,
        entered_by: &visit.entered_by,
        entered_for: &visit.entered_for,
        status_name: &visit.status_name,
        next_alarm_at: order.next_alarm_at,
        closed_at: order.closed_at,
        completed: &order.completed,
        interrupted_status: order.interrupted.as_ref().map(|interrupted| interrupted.status.as_str()),
        interrupted_due_on: interrupted_due.map(|due| due.on),
        interrupted_source: interrupted_due.map(|due| due.source.as_str()),
        scheduling: Scheduling::of(order),
        ahead_until: order.health_turns.ahead_until,
        late_from: order.health_turns.late_from,
        cycle_status: &order.cycle_status,
        holds: &order.holds,
        lost_days: order.lost_days,
        last_note: order.last_note.as_ref(),
        open_questions: &order.open_questions,
        assessment: order.assessment.as_ref(),
        finish: order.finish.as_ref(),
        followers: &order.followers,
        acknowledged: order.acknowledged.as_ref(),
        history_sequence: order.history_sequence,
        import_fingerprint: order.import_fingerprint.as_deref().map(hex),
        imported_at: order.imported_at,
        version: order.version,
        revision: order.revision,
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}

fn message_out(message: &Message, now: DateTime<Utc>) -> MessageOut<'_> {
    MessageOut {
        id: message.id,
        dedup_key: &message.dedup_key,
        kind: message.topic.as_str(),
        user_id: message.recipient.user.as_deref(),
        recipient_name: &message.recipient.name,
        address: &message.recipient.address,
        order_id: message.order_id,
        order_number: &message.order_number,
        visit_sequence: message.visit_sequence,
        due_at: message.due_at,
        facts: &message.facts,
        created_at: now,
        channel: message.channel.as_str(),
        rule: &message.rule,
        state: if message.way == Way::Now { "READY" } else { "GATHERED" },
        next_attempt_at: match message.way {
            Way::Now => now,
            Way::Gathered { until } => until,
        },
    }
}

fn task_out(task: &Task) -> TaskOut<'_> {
    TaskOut {
        id: task.id,
        title: &task.title,
        description: &task.description,
        order_id: task.order.as_ref().map(|(id, _)| *id),
        order_number: task.order.as_ref().map_or("", |(_, number)| number),
        assigned_user: task.user.as_deref(),
        assigned_department: task.department.as_deref(),
        due_on: task.due.map(|(on, _)| on),
        due_at: task.due.map(|(_, at)| at),
        made_by: &task.made_by,
        rule: &task.rule,
        created_at: task.created_at,
    }
}

fn visit_out(order_id: Uuid, visit: &Visit) -> VisitOut<'_> {
    VisitOut {
        order_id,
        sequence: visit.sequence,
        status: &visit.status,
        status_name: &visit.status_name,
        entered_at: visit.entered_at,
        entered_on: visit.entered_on,
        due_on: visit.due.map(|due| due.on),
        due_at: visit.due.map(|due| due.at),
        due_source: visit.due.map(|due| due.source.as_str()),
        rework: visit.rework,
        resumed: visit.resumed,
        skipped: visit.skipped,
        entered_by: &visit.entered_by,
        entered_for: &visit.entered_for,
        left_at: visit.left_at,
        completed_on: visit.completed_on,
        completed: visit.completed,
    }
}

impl Store {
    /// Writes a batch in a transaction of its own.
    ///
    /// # Errors
    /// `FactsChanged` when an order or the catalogue is no longer as it was read; `Constraint` by name.
    pub async fn write(&self, writes: &Writes<'_>, catalogue_version: i64) -> Result<(), StoreError> {
        let mut connection = self.calls.acquire().await.map_err(|error| StoreError::new("write", error))?;
        write(&mut connection, writes, catalogue_version).await
    }
}

/// Writes a batch in the transaction of this connection, or in one of its own when there is none.
///
/// # Errors
/// As `Store::write`.
#[expect(clippy::too_many_lines, reason = "one statement; to cut it would be to make two")]
pub(crate) async fn write(
    connection: &mut PgConnection,
    writes: &Writes<'_>,
    catalogue_version: i64,
) -> Result<(), StoreError> {
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    sqlx::query!(
        r#"WITH
        wanted AS MATERIALIZED (
            SELECT * FROM json_to_recordset($2::json) AS t (
                id uuid, read_version bigint, order_type text, title text, customer_reference text,
                vendor_reference text, sales_order_line text, product text, quantity numeric, ordered_on date,
                delivery_on date, priority integer, labels jsonb, assigned_department text, assigned_user text, status text,
                visit_sequence integer, entered_at timestamptz, entered_on date, due_on date, due_at timestamptz,
                due_source text, rework boolean, resumed boolean, entered_by text, entered_for text, status_name text,
                next_alarm_at timestamptz, closed_at timestamptz, completed text[], interrupted_status text,
                interrupted_due_on date, interrupted_source text, scheduling jsonb, ahead_until timestamptz,
                late_from timestamptz, cycle_status text, holds jsonb, lost_days integer,
                last_note jsonb, open_questions uuid[], assessment jsonb, finish jsonb, followers text[],
                acknowledged jsonb, history_sequence integer, version bigint, revision bigint, updated_at timestamptz)),
        catalogue AS MATERIALIZED (SELECT share_catalogue() AS version),
        locked AS MATERIALIZED (
            SELECT o.id FROM orders o JOIN wanted w ON o.id = w.id
            WHERE o.version = w.read_version AND (SELECT version FROM catalogue) = $12
            ORDER BY o.id
            FOR UPDATE OF o),
        updated AS (
            UPDATE orders o SET
                order_type = w.order_type, title = w.title, customer_reference = w.customer_reference,
                vendor_reference = w.vendor_reference, sales_order_line = w.sales_order_line, product = w.product,
                quantity = w.quantity, ordered_on = w.ordered_on, delivery_on = w.delivery_on, priority = w.priority,
                labels = w.labels, assigned_department = w.assigned_department, assigned_user = w.assigned_user, status = w.status,
                visit_sequence = w.visit_sequence, entered_at = w.entered_at, entered_on = w.entered_on,
                due_on = w.due_on, due_at = w.due_at, due_source = w.due_source, rework = w.rework,
                resumed = w.resumed, entered_by = w.entered_by, entered_for = w.entered_for,
                status_name = w.status_name, next_alarm_at = w.next_alarm_at, closed_at = w.closed_at,
                completed = w.completed, interrupted_status = w.interrupted_status,
                interrupted_due_on = w.interrupted_due_on, interrupted_source = w.interrupted_source,
                scheduling = w.scheduling, ahead_until = w.ahead_until, late_from = COALESCE(w.late_from, 'infinity'),
                cycle_status = w.cycle_status, holds = w.holds, lost_days = w.lost_days, last_note = w.last_note,
                open_questions = w.open_questions, assessment = w.assessment, finish = w.finish,
                followers = w.followers, acknowledged = w.acknowledged,
                history_sequence = w.history_sequence, version = w.version, revision = w.revision,
                updated_at = w.updated_at,
                touched_at = CASE WHEN w.revision > o.revision THEN clock_timestamp() ELSE o.touched_at END
            FROM wanted w JOIN locked l ON l.id = w.id
            WHERE o.id = w.id
            RETURNING o.id),
        closed AS (
            UPDATE visits v SET
                left_at = t.left_at, completed_on = t.completed_on, completed = t.completed, due_on = t.due_on,
                due_at = t.due_at, due_source = t.due_source
            FROM json_to_recordset($3::json) AS t (
                order_id uuid, sequence integer, left_at timestamptz, completed_on date, completed boolean, due_on date,
                due_at timestamptz, due_source text)
            WHERE v.order_id = t.order_id AND v.sequence = t.sequence AND v.left_at IS NULL
            RETURNING v.order_id),
        created AS (
            INSERT INTO orders (
                id, number, order_type, title, customer_reference, vendor_reference, sales_order_line, product, quantity,
                ordered_on, delivery_on, priority, labels, assigned_department, assigned_user, status, visit_sequence,
                entered_at, entered_on, due_on, due_at, due_source, rework, resumed, entered_by, entered_for, status_name,
                next_alarm_at, closed_at, completed, interrupted_status, interrupted_due_on, interrupted_source,
                scheduling, ahead_until, late_from,
                cycle_status, holds, lost_days, last_note, open_questions, assessment, finish, followers, acknowledged,
                history_sequence,
                import_fingerprint, imported_at, version, revision, created_at, updated_at, touched_at)
            SELECT
                id, number, order_type, title, customer_reference, vendor_reference, sales_order_line, product, quantity,
                ordered_on, delivery_on, priority, labels, assigned_department, assigned_user, status, visit_sequence,
                entered_at, entered_on, due_on, due_at, due_source, rework, resumed, entered_by, entered_for, status_name,
                next_alarm_at, closed_at, completed, interrupted_status, interrupted_due_on, interrupted_source,
                scheduling, ahead_until, COALESCE(late_from, 'infinity'),
                cycle_status, holds, lost_days, last_note, open_questions, assessment, finish, followers, acknowledged,
                history_sequence,
                import_fingerprint, imported_at, version, revision, created_at, updated_at, clock_timestamp()
            FROM json_to_recordset($1::json) AS t (
                id uuid, number text, order_type text, title text, customer_reference text, vendor_reference text,
                sales_order_line text, product text, quantity numeric, ordered_on date, delivery_on date,
                priority integer, labels jsonb, assigned_department text, assigned_user text, status text,
                visit_sequence integer, entered_at timestamptz, entered_on date, due_on date, due_at timestamptz,
                due_source text, rework boolean, resumed boolean, entered_by text, entered_for text, status_name text,
                next_alarm_at timestamptz, closed_at timestamptz, completed text[], interrupted_status text,
                interrupted_due_on date, interrupted_source text, scheduling jsonb, ahead_until timestamptz,
                late_from timestamptz, cycle_status text, holds jsonb, lost_days integer,
                last_note jsonb, open_questions uuid[], assessment jsonb, finish jsonb, followers text[],
                acknowledged jsonb, history_sequence integer, import_fingerprint bytea, imported_at timestamptz, version bigint, revision bigint, created_at timestamptz, updated_at timestamptz)),
        opened AS (
            INSERT INTO visits (
                order_id, sequence, status, status_name, entered_at, entered_on, due_on, due_at, due_source, rework,
                resumed, skipped, entered_by, entered_for, left_at, completed_on, completed)
            SELECT
                order_id, sequence, status, status_name, entered_at, entered_on, due_on, due_at, due_source, rework,
                resumed, skipped, entered_by, entered_for, left_at, completed_on, completed
            FROM json_to_recordset($4::json) AS t (
                order_id uuid, sequence integer, status text, status_name text, entered_at timestamptz, entered_on date,
                due_on date, due_at timestamptz, due_source text, rework boolean, resumed boolean, skipped boolean,
                entered_by text, entered_for text, left_at timestamptz, completed_on date, completed boolean)),
        noted AS (
            INSERT INTO notes (id, order_id, author, written_at, kind, text, answers, assessment)
            SELECT id, order_id, author, at, kind, text, answers, assessment
            FROM json_to_recordset($5::json) AS t (
                id uuid, order_id uuid, author text, at timestamptz, kind text, text text, answers uuid,
                assessment text)),
        recorded AS (
            INSERT INTO history (order_id, sequence, at, kind, actor, acted_for, imported, detail)
            SELECT order_id, sequence, at, kind, actor, acted_for, imported, detail
            FROM json_to_recordset($6::json) AS t (
                order_id uuid, sequence integer, at timestamptz, kind text, actor text, acted_for text,
                imported boolean, detail json)),
        alerted AS (
            INSERT INTO alerts (order_id, visit_sequence, rule, due_at, fired_at)
            SELECT order_id, visit_sequence, rule, due_at, fired_at
            FROM json_to_recordset($7::json) AS t (
                order_id uuid, visit_sequence integer, rule text, due_at timestamptz, fired_at timestamptz)
            ON CONFLICT DO NOTHING),
        sent AS MATERIALIZED (
            SELECT * FROM json_to_recordset($8::json) AS t (
                id uuid, dedup_key text, kind text, user_id text, recipient_name text, address text, order_id uuid,
                order_number text, visit_sequence integer, due_at timestamptz, facts json, created_at timestamptz,
                channel text, rule text, state text, next_attempt_at timestamptz)),
        queued AS (
            INSERT INTO outbox (
                id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                facts, next_attempt_at, created_at, channel, rule, state)
            SELECT
                id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                facts, next_attempt_at, created_at, channel, rule, state
            FROM sent),
        gathered AS (
            INSERT INTO digests (address, user_id, due_at)
            SELECT address, min(user_id), min(next_attempt_at) FROM sent WHERE state = 'GATHERED'
            GROUP BY address ORDER BY address
            ON CONFLICT (address) DO UPDATE SET due_at = excluded.due_at WHERE digests.due_at > excluded.due_at),
        tasked AS (
            INSERT INTO tasks (
                id, title, description, order_id, order_number, assigned_user, assigned_department, due_on, due_at,
                state, made_by, rule, created_at, updated_at)
            SELECT
                id, title, description, order_id, order_number, assigned_user, assigned_department, due_on, due_at,
                'OPEN', made_by, rule, created_at, created_at
            FROM json_to_recordset($13::json) AS t (
                id uuid, title text, description text, order_id uuid, order_number text, assigned_user text,
                assigned_department text, due_on date, due_at timestamptz, made_by text, rule text,
                created_at timestamptz)),
        answered AS (
            INSERT INTO requests (id, fingerprint, outcome, created_at)
            SELECT id, fingerprint, outcome, created_at
            FROM json_to_recordset($9::json) AS t (id text, fingerprint bytea, outcome bytea, created_at timestamptz)),
        acted AS (
            INSERT INTO trigger_causes (cause, rule, acted_at)
            SELECT cause, rule, acted_at FROM json_to_recordset($14::json) AS t (cause text, rule text, acted_at timestamptz)),
        fed AS (
            INSERT INTO changes (order_id, version, at)
            SELECT id, version, updated_at FROM json_to_recordset($1::json) AS t (id uuid, version bigint, updated_at timestamptz)
            UNION ALL
            SELECT id, version, updated_at FROM wanted)
        SELECT
            require_guard((SELECT version FROM catalogue), $12)
            AND require_guard((SELECT count(*) FROM updated), $10)
            AND require_guard((SELECT count(*) FROM closed), $11) AS "written!""#,
        Json(&writes.created) as _,
        Json(&writes.updated) as _,
        Json(&writes.closed) as _,
        Json(&writes.visits) as _,
        Json(&writes.notes) as _,
        Json(&writes.history) as _,
        Json(&writes.alerts) as _,
        Json(&writes.messages) as _,
        Json(&writes.requests) as _,
        count(writes.updated.len()),
        count(writes.closed.len()),
        catalogue_version,
        Json(&writes.tasks) as _,
        Json(&writes.causes) as _
    )
    .fetch_one(connection)
    .await
    .map(|_| ())
    .map_err(|error| StoreError::new("write", error))
}
